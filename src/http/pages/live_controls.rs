//! What is turned from the live page without scripts: picture, light and lens; and the pages of light, diagnosis and
//! log.

use hyper::{Response, StatusCode};

use crate::config::kind::color as color_of;
use crate::http::api::camera::lens::LensRequest;
use crate::http::api::camera::light::LightRequest;
use crate::http::api::camera::{lens, light};
use crate::http::api::machine::{diagnosis, logs};
use crate::http::auth::caller::Who;
use crate::http::pages::counting::live_with_controls;
use crate::http::pages::data_counting;
use crate::http::pages::data_settings::meanwhile;
use crate::http::pages::html::{again, form, html, nothing_to_do, see};
use crate::http::preferences::{NotSet, PreferenceChanges};
use crate::http::report::state::StateReport;
use crate::http::request::handler::Request;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::pipeline::lights::Color;
use crate::ui::{self, DiagnosisPage, LightsPage, LiveControls, LogPage, ViewFacts};

/// So often a turn is tried again where somebody else has changed something meanwhile.
const TRIES: usize = 5;

/// How far the picture is turned.
const ROTATE: &str = "picture.rotate";

/// So many lines of the log are shown.
const LINES: usize = 400;

/// What the live page has to turn.
pub async fn live(site: &Site, who: &Who) -> LiveControls {
    let view = site.pipeline.view().borrow().clone();
    LiveControls {
        view: ViewFacts {
            is_gray: view.gray,
            is_small: view.scale_eighths() < 8,
            is_mirrored: view.mirror,
            is_flipped: view.flip,
        },
        light: light::report(site, who),
        lens: lens::report(site, who).await,
        said: site.unkept().filter(|_| who.sees_internals()).unwrap_or_default(),
    }
}

/// `POST /picture`, from the live page: `gray`, `half`, `mirror` or `flip`, each `true` or `false`; or `turn`, degrees.
pub async fn post_picture(request: Request) -> Result<Response<Body>, Problem> {
    let (site, fields) = (&request.site, form(&request));
    // What means nothing is said first.
    picture_change(&fields, 0).ok_or_else(nothing_to_do)?;
    let preferences = match site.preferences() {
        Ok(preferences) => preferences,
        Err(none) => return live_with_controls(site, &request.who, none.into()).await,
    };
    let mut tries = 0;
    loop {
        let in_force = preferences.in_force();
        let rotate = in_force.resolved.config.picture.rotate;
        let change = picture_change(&fields, rotate).ok_or_else(nothing_to_do)?;
        // A turn goes on from how the picture is: who has turned it meanwhile is not to be undone.
        let expected = (change.0 == ROTATE).then_some(in_force.version);
        match preferences.change(PreferenceChanges::from([change]), expected.into()).await {
            Ok(_) => return Ok(see("./")),
            Err(NotSet::Changed) if tries < TRIES => tries += 1,
            Err(not) => return live_with_controls(site, &request.who, not.into()).await,
        }
    }
}

/// The setting that a button under the picture means.
fn picture_change(fields: &Query, rotate: u16) -> Option<(String, Option<String>)> {
    let flag = |value: &str| ["true", "false"].contains(&value).then(|| value.to_owned());
    let (key, value) = fields.pairs().iter().find_map(|(name, value)| match name.as_str() {
        name @ ("gray" | "mirror" | "flip") => Some((format!("picture.{name}"), flag(value)?)),
        "half" => {
            let scale = if flag(value)? == "true" { "\"1/2\"" } else { "\"1\"" };
            Some((String::from("picture.scale"), scale.to_owned()))
        }
        "turn" => {
            let by: u16 = value.parse().ok().filter(|by| [90, 180, 270].contains(by))?;
            Some((String::from(ROTATE), ((rotate + by) % 360).to_string()))
        }
        _ => None,
    })?;
    Some((key, Some(value)))
}

/// `POST /lens`, from the live page.
pub async fn post_lens(request: Request) -> Result<Response<Body>, Problem> {
    let (site, fields) = (&request.site, form(&request));
    let number = |name: &str, least: f64| {
        let number = fields.number(name).filter(|number| (least..=1.0).contains(number));
        number.ok_or_else(nothing_to_do)
    };
    let done = match (fields.get("do"), fields.get("auto")) {
        (Some("reset"), _) => lens::reset(site).await,
        (Some("sweep"), _) => lens::sweep(site).await,
        (Some("whole"), _) => lens::look_at(site, None, None).await,
        (Some("cancel"), _) => {
            lens::cancel(site).await;
            Ok(())
        }
        (Some(_), _) => return Err(nothing_to_do()),
        (None, Some(auto)) => {
            let auto = Some(yes_or_no(auto).ok_or_else(nothing_to_do)?);
            lens::set(site, LensRequest { auto, ..LensRequest::default() }).await
        }
        // The slider is sent with every button of the form.
        (None, None) => {
            let options = match fields.get("step") {
                Some(_) => LensRequest { step: Some(number("step", -1.0)?), ..LensRequest::default() },
                None => LensRequest { position: Some(number("position", 0.0)?), ..LensRequest::default() },
            };
            lens::set(site, options).await
        }
    };
    match done {
        Ok(()) => Ok(see("./#lens")),
        Err(problem) => live_with_controls(site, &request.who, problem).await,
    }
}

/// What a button says; anything else is no button's.
fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// `GET /lights`.
pub async fn lights(request: Request) -> Response<Body> {
    html(ui::lights_page(&lights_page(&request.site, &request.who)))
}

fn lights_page(site: &Site, who: &Who) -> LightsPage {
    LightsPage {
        head: data_counting::head(&StateReport::of(site, who)),
        light: light::report(site, who),
        refused: None,
    }
}

/// `POST /lights`, from the page and the live page.
pub async fn post_lights(request: Request) -> Result<Response<Body>, Problem> {
    let (site, fields) = (&request.site, form(&request));
    let is_live = fields.get("back") == Some("live");
    match turn_light(site, &fields).await {
        Ok(()) => Ok(see(if is_live { "./#light" } else { "lights" })),
        Err(problem) if is_live => live_with_controls(site, &request.who, problem).await,
        Err(problem) => {
            let page = LightsPage {
                refused: Some(data_counting::refusal(&problem)),
                ..lights_page(site, &request.who)
            };
            Ok(again(&problem, ui::lights_page(&page)))
        }
    }
}

/// Carries out what the form of the light wants.
async fn turn_light(site: &Site, fields: &Query) -> Result<(), Problem> {
    let options = parse_light(fields)?;
    let is_button = fields.get("on").is_some() || fields.get("preset").is_some();
    let in_force = || site.preferences().ok().map(|preferences| preferences.in_force());
    let mut tries = 0;
    loop {
        let Some(in_force) = in_force().filter(|_| !is_button) else {
            return light::change(site, options, None).await;
        };
        let lights = &in_force.resolved.config.lights;
        let moved = moved(fields, &options, lights.brightness, lights.color)?;
        match light::change(site, moved, Some(in_force.version)).await {
            // Of something else, perhaps: looked at again.
            Err(problem) if problem.status == StatusCode::PRECONDITION_FAILED && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

/// What of `options` is other than it was when the page was made, and than it is now. A form that does not tell what it was
/// means what it says.
///
/// # Errors
/// Somebody else has set one of them meanwhile.
fn moved(
    fields: &Query,
    options: &LightRequest,
    brightness: u8,
    color: Color,
) -> Result<LightRequest, Problem> {
    fn one<T: Copy + PartialEq>(wanted: Option<T>, was: Option<T>, is: T) -> Result<Option<T>, Problem> {
        match (wanted, was) {
            (Some(wanted), Some(was)) if wanted == was || wanted == is => Ok(None),
            (Some(_), Some(was)) if was != is => Err(meanwhile()),
            _ => Ok(wanted),
        }
    }
    let was_brightness = fields.get("was.brightness").and_then(|text| text.parse().ok());
    let was_color = fields.get("was.color").and_then(|text| color_of(text.trim_start_matches('#')));
    Ok(LightRequest {
        brightness: one(options.brightness, was_brightness, brightness)?,
        color: one(options.color, was_color, color)?,
        ..options.clone()
    })
}

/// A button means itself alone; Set means brightness and colour, which every button sends along.
fn parse_light(fields: &Query) -> Result<LightRequest, Problem> {
    let wrong = |what: &str, text: &str| {
        let text: String = text.chars().take(40).collect();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{text:?} is no {what}"))
    };
    let read = |text: &str| {
        color_of(text.trim_start_matches('#')).map(Some).ok_or_else(|| wrong("colour such as FF8800", text))
    };
    if let Some(on) = fields.get("on") {
        let is_on = Some(yes_or_no(on).ok_or_else(|| wrong("true or false", on))?);
        return Ok(LightRequest { is_on, ..LightRequest::default() });
    }
    if let Some(preset) = fields.get("preset") {
        return Ok(LightRequest { color: read(preset)?, ..LightRequest::default() });
    }
    let brightness = fields
        .get("brightness")
        .map(|text| text.parse::<u8>().map_err(|_| wrong("brightness, a whole number from 0 to 255", text)));
    let color = fields.get("color").map(read).transpose()?.flatten();
    Ok(LightRequest { brightness: brightness.transpose()?, color, ..LightRequest::default() })
}

/// `GET /diagnosis`.
pub async fn diagnosis(request: Request) -> Response<Body> {
    let site = &request.site;
    html(ui::diagnosis_page(&DiagnosisPage {
        findings: diagnosis::diagnose(site).await,
        head: data_counting::head(&StateReport::of(site, &request.who)),
        clock: site.clock(),
    }))
}

/// `GET /log`.
pub async fn show_log(request: Request) -> Response<Body> {
    let site = &request.site;
    let asked = request.query.get("level").unwrap_or("info");
    let level = ui::LEVELS.iter().map(|(level, _)| *level).find(|level| *level == asked).unwrap_or("info");
    html(ui::log_page(&LogPage {
        head: data_counting::head(&StateReport::of(site, &request.who)),
        clock: site.clock(),
        level,
        lines: logs::lines(site, level.parse().unwrap_or(log::Level::Info), LINES),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_button_under_the_picture_means_one_setting() {
        let of = |form: &str| picture_change(&Query::parse(form), 270);
        let is = |key: &str, value: &str| Some((key.to_owned(), Some(value.to_owned())));
        assert_eq!(of("gray=true"), is("picture.gray", "true"));
        assert_eq!(of("half=true"), is("picture.scale", "\"1/2\""));
        assert_eq!(of("half=false"), is("picture.scale", "\"1\""));
        assert_eq!(of("turn=180"), is("picture.rotate", "90"));
        for nothing in ["", "gray=maybe", "turn=45", "turn=x", "source.command=rm"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_button_of_the_light_means_itself_and_set_means_the_fields() {
        let of = |form: &str| parse_light(&Query::parse(form));
        assert_eq!(of("on=perhaps").unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY, "and not off");
        let none = LightRequest::default();
        assert_eq!(
            of("on=true&brightness=7&color=%23ff8800").unwrap(),
            LightRequest { is_on: Some(true), ..none.clone() }
        );
        assert_eq!(
            of("brightness=7&color=%23ff8800&set=1").unwrap(),
            LightRequest { brightness: Some(7), color: Some([0xff, 0x88, 0]), ..none.clone() }
        );
        assert_eq!(
            of("brightness=7&preset=0000FF").unwrap(),
            LightRequest { color: Some([0, 0, 0xff]), ..none }
        );
        for wrong in ["brightness=256", "brightness=", "color=blue"] {
            assert_eq!(of(wrong).unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
    }
}
