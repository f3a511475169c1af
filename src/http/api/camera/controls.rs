//! `/api/v1/controls` and `/api/v1/formats`: the camera's own controls. A value is set on the camera at once and
//! stored for this camera, so that a restart keeps it. A button is pressed and not stored.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use hyper::header::ETAG;
use hyper::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use crate::http::api::camera::controls_form;
use crate::http::api::machine::settings_form;
use crate::http::report::controls::{
    ControlsReport, FormatsReport, is_saved, is_set_for_every_camera, of_every_camera, pinned,
};
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::etag::IfMatch;
use crate::http::request::problem::{Problem, WrongValueOf};
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::{Request, Told};
use crate::http::site::preferences::{NotSet, PreferenceChanges, SettingsInForce};
use crate::http::site::task::to_its_end;
use crate::pipeline::{CameraControls, ControlsError, WantedControls, WrongControl, unknown_control};
use tallycam_camera::media::number_json;
use tallycam_camera::media::{Control, ControlKind, ControlValue};
use tallycam_config::control_path;

/// Values to set, by control name. `None` returns to the camera's default and stores no value.
pub type ControlsRequest = Vec<(String, Option<f64>)>;

/// `GET /api/v1/controls`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let controls = request.site.pipeline.recent_controls().await?;
    Ok(answer(&request, &controls).await)
}

/// `PATCH /api/v1/controls`: changes the named controls only.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let now = request.site.pipeline.controls().await?;
    let form = settings_form::of(&request);
    let pairs = match &form {
        Some(form) => controls_form::changes(form, &now.controls)?,
        None => json_body::read_pairs(&request.headers, &request.body)?,
    };
    if form.is_some() && pairs.is_empty() {
        return Ok(answer(&request, &now).await);
    }
    let wanted = wanted(&now.controls, &pairs, kept(&request.site, now.identity.as_deref()))?;
    let version = version(&request.site, &request.headers)?;
    let controls = set(&request.site, now, wanted.clone(), version).await?;
    match all_refused(&controls, &wanted) {
        Some(mut problem) => {
            // A page marks each refused control.
            let refused = controls.refused.iter().filter(|_| form.is_some()).map(|name| WrongValueOf {
                path: name.clone(),
                given: String::new(),
                message: String::from("The camera has not taken this"),
                hint: None,
            });
            if let Some(wrong) = &mut problem.wrong {
                wrong.errors = refused.collect();
            }
            Err(problem)
        }
        None => Ok(told(&request, controls).await),
    }
}

/// The answer to a change. The page shows deviations from the request here; a value that is not stored is shown
/// elsewhere.
async fn told(request: &Request, controls: CameraControls) -> Response<Body> {
    let mut response = answer(request, &controls).await;
    let unsaved = request.site.unsaved();
    if !controls.refused.is_empty() || controls.notes.iter().any(|note| unsaved.as_ref() != Some(note)) {
        response.extensions_mut().insert(Told(Arc::new(controls)));
    }
    response
}

/// The problem if the camera refused all of `wanted`, naming the first; `None` if it took any. A return to the
/// default is never refused: its value is no longer stored, whatever the camera answers.
fn all_refused(set: &CameraControls, wanted: &[(String, Option<f64>)]) -> Option<Problem> {
    let is_refused = |(name, value): &(String, Option<f64>)| value.is_some() && set.refused.contains(name);
    let (name, value) = wanted.first().filter(|_| wanted.iter().all(is_refused))?;
    let control = set.controls.iter().find(|control| control.name == *name)?;
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, set.notes.join(" "));
    Some(problem.wrong(name, range(control), value.unwrap_or_default().to_string()))
}

/// `POST /api/v1/controls/reset`: returns every control to the camera's default, except those that the operator pins.
pub async fn reset(request: Request) -> Result<Response<Body>, Problem> {
    body::read_none(&request.headers, &request.body)?;
    let version = version(&request.site, &request.headers)?;
    let controls = set_defaults(&request.site, version).await?;
    Ok(told(&request, controls).await)
}

/// `GET /api/v1/formats`.
pub async fn formats(request: Request) -> Result<Response<Body>, Problem> {
    let formats = request.site.pipeline.formats().await?;
    Ok(reply::json(wire::json(&FormatsReport::of(&formats))))
}

/// Sets controls on the camera and stores those that it took, even if the caller leaves meanwhile. `now` are the
/// camera's controls. With `version`, only if the settings still have that version.
///
/// # Errors
/// The first fault; nothing is set then.
pub async fn set(
    site: &Rc<Site>,
    now: CameraControls,
    wanted: ControlsRequest,
    version: Option<u64>,
) -> Result<CameraControls, Problem> {
    let site = Rc::clone(site);
    to_its_end(async move { set_and_keep(&site, now, &wanted, version).await }).await
}

async fn set_and_keep(
    site: &Site,
    now: CameraControls,
    wanted: &[(String, Option<f64>)],
    version: Option<u64>,
) -> Result<CameraControls, Problem> {
    let _turn = site.focus.lock_controls().await;
    let in_force = site.preferences().ok().map(|preferences| preferences.in_force());
    // Checked before the camera is touched. [`keep`] detects later changes.
    if version.is_some_and(|version| in_force.as_ref().is_some_and(|it| it.version != version)) {
        return Err(NotSet::Changed.into());
    }
    for (name, _) in wanted {
        if let Some(place) = in_force.as_ref().and_then(|it| pinned(it, now.identity.as_deref(), name)) {
            let path = name.clone();
            return Err(NotSet::Pinned { path, place }.into());
        }
    }
    let values = wanted.iter().filter_map(|(name, value)| {
        let control = now.controls.iter().find(|control| control.name == *name);
        let value = value.or(control.filter(|it| has_default(it)).map(|control| control.default))?;
        Some(ControlValue { name: name.clone(), value })
    });
    let values: Vec<ControlValue> = values.collect();
    let identity = now.identity.clone();
    let mut set = match wanted.iter().all(|(_, value)| value.is_none()) {
        // The camera gets no request for controls that it no longer has.
        true if values.is_empty() && !wanted.is_empty() => now.clone(),
        true => site.pipeline.reset_controls(WantedControls { identity, values }).await?,
        false => site.pipeline.set_controls(WantedControls { identity, values }).await?,
    };
    if let Err(problem) = keep(site, &mut set, wanted, version).await {
        // A value that is not stored must not stay in force.
        let mut changed = now.controls;
        changed.retain(|control| wanted.iter().any(|(name, _)| *name == control.name));
        set_back(site, &changed, now.identity.as_deref(), in_force.as_deref()).await;
        return Err(problem);
    }
    Ok(set)
}

/// Sets the camera back to [`back`] after a change of `controls` that was not stored. Repeats if settings changed
/// meanwhile, so that the value stored last holds.
pub async fn set_back(
    site: &Site,
    controls: &[Control],
    identity: Option<&str>,
    was: Option<&SettingsInForce>,
) {
    let in_force = || site.preferences().ok().map(|preferences| preferences.in_force());
    let version = |it: &Option<Arc<SettingsInForce>>| it.as_ref().map(|it| it.version);
    let mut is = in_force();
    loop {
        // Through the lens, which may be among them: its position is unknown afterwards.
        let values = back(controls, identity, was, is.as_deref());
        if let Err(error) =
            site.focus.set(WantedControls { identity: identity.map(Into::into), values }).await
        {
            log::error!("the camera's controls could not be set back: {error}");
            return;
        }
        let now = in_force();
        if version(&now) == version(&is) {
            return;
        }
        is = now;
    }
}

/// The values that `controls` return to after a change that was not stored; `controls` are as before the change. A
/// control gets its value set by now, because somebody else's change may have been stored meanwhile. A control that
/// was set at the start and is no longer gets the camera's default. All others get their former value. Values that
/// the camera would refuse are left out, because it would then take none.
fn back(
    controls: &[Control],
    identity: Option<&str>,
    was: Option<&SettingsInForce>,
    is: Option<&SettingsInForce>,
) -> Vec<ControlValue> {
    let set =
        |in_force: Option<&SettingsInForce>, name: &str| in_force.and_then(|it| set_to(it, identity, name));
    let back = controls.iter().filter(|control| !control.is_momentary()).filter_map(|control| {
        let had = if set(was, &control.name).is_some() { control.default } else { control.value };
        let back = set(is, &control.name).unwrap_or(had);
        value(control, &number_json(back)).ok()?;
        Some(ControlValue { name: control.name.clone(), value: back })
    });
    back.collect()
}

/// True if the camera can be set to this control's default.
fn has_default(control: &Control) -> bool {
    control.kind != ControlKind::Button && !control.read_only
}

/// Sets every control that is not pinned to the camera's default and stores none, not even those that this camera no
/// longer has or no longer accepts.
///
/// # Errors
/// As [`set`].
async fn set_defaults(site: &Rc<Site>, version: Option<u64>) -> Result<CameraControls, Problem> {
    let now = site.pipeline.controls().await?;
    let in_force = site.preferences().ok().map(|preferences| preferences.in_force());
    let identity = now.identity.clone();
    let is_pinned =
        |name: &str| in_force.as_ref().and_then(|it| pinned(it, identity.as_deref(), name)).is_some();
    let saved = in_force.as_ref().map(|it| all_saved(it, identity.as_deref())).unwrap_or_default();
    let altered = now
        .controls
        .iter()
        .filter(|it| saved.contains(&it.name) || (has_default(it) && it.value != it.default));
    let is_gone = |name: &&String| !now.controls.iter().any(|control| control.name == **name);
    let names = altered.map(|control| &control.name).chain(saved.iter().filter(is_gone));
    let wanted: ControlsRequest =
        names.filter(|name| !is_pinned(name)).map(|name| (name.clone(), None)).collect();
    set(site, now, wanted, version).await
}

/// Stores the wanted values that the camera took.
async fn keep(
    site: &Site,
    set: &mut CameraControls,
    wanted: &[(String, Option<f64>)],
    version: Option<u64>,
) -> Result<(), Problem> {
    // A control at its default is not stored, even if an automatic mode rules it now and it was not set.
    let kept = wanted.iter().filter(|(name, value)| {
        let control = set.controls.iter().find(|control| control.name == *name);
        let is_kind_kept = control.is_some_and(|control| !control.is_momentary());
        value.is_none() || (is_kind_kept && !set.refused.contains(name))
    });
    let kept: Vec<&(String, Option<f64>)> = kept.collect();
    if kept.is_empty() {
        return Ok(());
    }
    let (Ok(preferences), Some(identity)) = (site.preferences(), set.identity.as_deref()) else {
        set.notes.push(String::from("This is not kept: it holds until the camera is unplugged."));
        return Ok(());
    };
    let in_force = preferences.in_force();
    let changes = kept.into_iter().flat_map(|(name, value)| {
        let took = set.controls.iter().find(|control| control.name == *name);
        kept_as(&in_force, identity, name, value.and(took).map(toml))
    });
    let in_force = preferences.change(changes.collect::<PreferenceChanges>(), version.into()).await?;
    set.notes.extend((!in_force.unsaved.is_empty()).then(|| in_force.unsaved.clone()));
    Ok(())
}

/// The control's value as TOML.
fn toml(control: &Control) -> String {
    match control.kind {
        ControlKind::Boolean => (control.value != 0.0).to_string(),
        _ => number_json(control.value).to_string(),
    }
}

/// The version that settings must still have, if the request names one.
fn version(site: &Site, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Ok(preferences) = site.preferences() else { return Ok(None) };
    let version = preferences.in_force().version;
    match etag::if_match(headers, version) {
        IfMatch::Any => Ok(None),
        IfMatch::This => Ok(Some(version)),
        IfMatch::Other => Err(NotSet::Changed.into()),
    }
}

/// The changes that store `value` (TOML) for a control of this camera; `None` stores none. They remove the value that
/// was set here for every camera: it overrides the camera's own and is outdated.
pub fn kept_as(
    in_force: &SettingsInForce,
    identity: &str,
    name: &str,
    value: Option<String>,
) -> PreferenceChanges {
    let mut changes = PreferenceChanges::from([(control_path(identity, name), value)]);
    if is_set_for_every_camera(in_force, name) {
        changes.insert(of_every_camera(name), None);
    }
    changes
}

/// The value that the operator or this service sets for a control of this camera; `None` if neither does.
pub fn set_to(in_force: &SettingsInForce, identity: Option<&str>, name: &str) -> Option<f64> {
    let config = &in_force.resolved.config;
    let of_all = config.source.controls.iter().find(|(control, _)| control == name).map(|(_, value)| *value);
    let of_this = || config.controls.get(identity?)?.get(name).copied();
    of_all.or_else(of_this)
}

/// The names of all controls for which [`is_saved`] is true. A camera without an identity has none.
fn all_saved(in_force: &SettingsInForce, identity: Option<&str>) -> BTreeSet<String> {
    let Some(identity) = identity else { return BTreeSet::new() };
    let config = &in_force.resolved.config;
    let of_this = config.controls.get(identity).into_iter().flat_map(|controls| controls.keys());
    let of_all = config.source.controls.iter().map(|(name, _)| name);
    of_this.chain(of_all).filter(|name| is_saved(in_force, Some(identity), name)).cloned().collect()
}

/// A test whether a value is stored for a control: [`is_saved`] with the current settings.
pub fn kept<'a>(site: &Site, identity: Option<&'a str>) -> impl Fn(&str) -> bool + use<'a> {
    let in_force = site.preferences().ok().map(|preferences| preferences.in_force());
    move |name| in_force.as_ref().is_some_and(|it| is_saved(it, identity, name))
}

async fn answer(request: &Request, controls: &CameraControls) -> Response<Body> {
    let in_force = request.site.preferences().ok().map(|preferences| preferences.in_force());
    let report = ControlsReport::of(controls, in_force.as_deref());
    let mut response = reply::json(wire::json(&wire::redacted_for(&request.reader().await, report)));
    if let Some(tag) = in_force.and_then(|in_force| etag::of(in_force.version)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Checks the request against the camera's controls: every name known, every value of its kind and in its range. A
/// control that the camera no longer has can be reset if it `is_kept`.
///
/// # Errors
/// 422 with all faults; field, range and given value are those of the first.
pub fn wanted(
    controls: &[Control],
    pairs: &[(String, Value)],
    is_kept: impl Fn(&str) -> bool,
) -> Result<ControlsRequest, Problem> {
    if pairs.is_empty() {
        let detail = "no control is named: this needs at least one, as in {\"brightness\": 128}";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let mut wanted = ControlsRequest::new();
    let mut wrong: Vec<RefusedValue> = Vec::new();
    for (name, given) in pairs {
        match controls.iter().find(|control| control.name == *name) {
            None if given.is_null() && is_kept(name) => wanted.push((name.clone(), None)),
            None => wrong.push(RefusedValue {
                field: name.clone(),
                range: String::from("one of the camera's controls"),
                given: json_body::given_of(name, given),
                message: unknown_control(controls, name),
            }),
            Some(control) => match value(control, given) {
                Ok(value) => wanted.push((name.clone(), value)),
                Err(why) => wrong.push(why),
            },
        }
    }
    let detail: Vec<&str> = wrong.iter().map(|wrong| wrong.message.as_str()).collect();
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail.join(" "));
    match wrong.into_iter().next() {
        None => Ok(wanted),
        Some(RefusedValue { field, range, given, .. }) => Err(problem.wrong(field, range, given)),
    }
}

struct RefusedValue {
    field: String,
    range: String,
    given: String,
    message: String,
}

/// The requested value, within the control's range; between two steps, the camera's nearest.
fn value(control: &Control, given: &Value) -> Result<Option<f64>, RefusedValue> {
    let wrong = |range: String, message: String| RefusedValue {
        field: control.name.clone(),
        range,
        given: json_body::given(given),
        message,
    };
    if control.read_only {
        let message = format!("The camera's control `{}` can be read but not set.", control.name);
        return Err(wrong(String::from("nothing"), message));
    }
    // A form sends only text.
    let word = given.as_str();
    let number = || {
        let number: Option<f64> = given.as_f64().or_else(|| word?.trim().parse().ok());
        number.filter(|number| number.is_finite())
    };
    let flag = || match (given.as_bool(), number(), word) {
        (Some(flag), _, _) => Some(f64::from(flag)),
        (_, Some(number @ (0.0 | 1.0)), _) => Some(number),
        (_, _, Some("true" | "on")) => Some(1.0),
        (_, _, Some("false" | "off")) => Some(0.0),
        _ => None,
    };
    let is_default = given.is_null();
    let value = match &control.kind {
        ControlKind::Button => flag().filter(|flag| *flag == 1.0).map(Some),
        _ if is_default => Some(None),
        kind @ ControlKind::Number { min, max, .. } => {
            let number = number().filter(|number| (min..=max).contains(&number));
            number.filter(|number| number.fract() == 0.0 || !kind.is_integer()).map(Some)
        }
        ControlKind::Boolean => flag().map(Some),
        ControlKind::Menu(choices) => {
            number().filter(|number| choices.iter().any(|(choice, _)| *choice as f64 == *number)).map(Some)
        }
    };
    value.ok_or_else(|| {
        let range = range(control);
        let message = format!("The camera's control `{}` takes {range}, not {}.", control.name, shown(given));
        wrong(range, message)
    })
}

/// The values that a control takes, in words.
fn range(control: &Control) -> String {
    match &control.kind {
        kind @ ControlKind::Number { .. } => {
            format!("a {}number from {}", if kind.is_integer() { "whole " } else { "" }, control.range())
        }
        ControlKind::Boolean => String::from("true or false"),
        ControlKind::Menu(choices) => {
            let choices: Vec<String> =
                choices.iter().map(|(number, title)| format!("{number} ({title})")).collect();
            format!("one of {}", choices.join(", "))
        }
        ControlKind::Button => String::from("true, which presses it"),
    }
}

/// The given value for a sentence, at most 100 characters of it.
fn shown(given: &Value) -> String {
    given.to_string().chars().take(100).collect()
}

impl From<ControlsError> for Problem {
    fn from(error: ControlsError) -> Problem {
        let detail = error.to_string();
        let unavailable = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail.clone());
        match error {
            ControlsError::Wrong(wrong) => {
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                match wrong.into_iter().next() {
                    Some(WrongControl { name, given, .. }) => problem.wrong(name, "", given.to_string()),
                    None => problem,
                }
            }
            ControlsError::Camera(trouble) => {
                let mut what = trouble.what;
                for cause in trouble.causes {
                    what.push_str(": ");
                    what.push_str(&cause);
                }
                Problem { hint: trouble.hint, ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, what) }
                    .outside(trouble.kind.public_message())
                    .retry_after(5)
            }
            ControlsError::Busy | ControlsError::NoAnswer | ControlsError::OtherCamera => {
                unavailable.retry_after(5)
            }
            ControlsError::Ending => unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    fn control(name: &str, kind: ControlKind) -> Control {
        Control { read_only: name == "serial", ..Control::new(1, name, name, kind) }
    }

    fn camera() -> Vec<Control> {
        vec![
            control("focus", ControlKind::integer(0, 255, 5)),
            control("gain", ControlKind::integer(-3, 9, 1)),
            control("flip", ControlKind::Boolean),
            control("mains", ControlKind::Menu(vec![(1, "50 Hz".into()), (3, "60 Hz".into())])),
            control("press", ControlKind::Button),
            control("serial", ControlKind::Boolean),
        ]
    }

    #[test]
    fn a_change_that_is_not_stored_returns_to_the_value_stored_by_now() {
        let mut camera = camera();
        (camera[1].default, camera[1].value) = (1.0, 4.0);
        let [none, five, nine] =
            ["", "[controls.cam]\ngain = 5", "[controls.cam]\ngain = 9"].map(SettingsInForce::of);
        let pinned = SettingsInForce::of("[source.controls]\ngain = 2\n[controls.cam]\ngain = 9");
        let gain = |was: &SettingsInForce, is: &SettingsInForce| {
            let back = back(&camera, Some("cam"), Some(was), Some(is));
            back.iter().find(|own| own.name == "gain").map(|own| own.value as i64)
        };
        assert_eq!(gain(&five, &five), Some(5));
        assert_eq!(gain(&five, &nine), Some(9), "somebody else's value was stored meanwhile");
        assert_eq!(gain(&none, &nine), Some(9), "also if there was none before");
        assert_eq!(gain(&five, &pinned), Some(2), "the operator's value overrides");
        assert_eq!(gain(&five, &none), Some(1), "somebody else has returned it to the default");
        assert_eq!(gain(&none, &none), Some(4), "nobody has set it: its former value");
        let elsewhere = back(&camera[1..2], Some("other"), Some(&five), Some(&nine));
        assert_eq!(elsewhere, [ControlValue { name: String::from("gain"), value: 4.0 }], "of another camera");
    }

    #[test]
    fn a_value_that_the_camera_would_refuse_does_not_block_the_others() {
        let mut camera = camera();
        // A reading beyond its own range, and a menu with none of its choices selected.
        (camera[0].value, camera[3].value) = (300.0, 2.0);
        let back = back(&camera, None, None, None);
        assert_eq!(back.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), ["gain", "flip"]);
    }

    #[test]
    fn stored_controls_are_named_even_if_the_camera_lacks_them() {
        let own = "[controls.cam]\nghost = 1\n\"odd name\" = 2\n[controls.other]\ngain = 3";
        let in_force = SettingsInForce::of(own);
        assert!(all_saved(&in_force, Some("cam")).iter().eq(["ghost", "odd name"]));
        assert!(all_saved(&in_force, Some("new")).is_empty() && all_saved(&in_force, None).is_empty());
        // A value that the operator sets for every camera is not stored here.
        assert!(all_saved(&SettingsInForce::of("[source.controls]\ngain = 2"), Some("cam")).is_empty());
    }

    fn of(name: &str, given: Value) -> Result<Option<i64>, Problem> {
        wanted(&camera(), &[(name.to_owned(), given)], |name| name == "ghost")
            .map(|wanted| wanted[0].1.map(|value| value as i64))
    }

    #[test]
    fn a_value_has_the_kind_of_its_control() {
        assert_eq!(of("focus", json!(255)).unwrap(), Some(255));
        assert_eq!(of("gain", json!(-3)).unwrap(), Some(-3));
        assert_eq!(of("gain", json!(" 4 ")).unwrap(), Some(4), "as a form has it");
        assert_eq!(of("flip", json!(true)).unwrap(), Some(1));
        assert_eq!(of("flip", json!("off")).unwrap(), Some(0));
        assert_eq!(of("flip", json!(1)).unwrap(), Some(1));
        assert_eq!(of("mains", json!(3)).unwrap(), Some(3));
        assert_eq!(of("press", json!(true)).unwrap(), Some(1));
        assert_eq!(of("mains", json!(null)).unwrap(), None, "the default");
        assert_eq!(of("ghost", json!(null)).unwrap(), None, "stored, but the camera no longer has it");
    }

    #[test]
    fn a_wrong_value_is_reported_with_its_range() {
        for (name, given, range) in [
            ("focus", json!(256), "a whole number from 0 to 255 in steps of 5"),
            ("gain", json!(-4), "a whole number from -3 to 9"),
            ("gain", json!(1.5), "a whole number from -3 to 9"),
            ("gain", json!(1e300), "a whole number from -3 to 9"),
            ("gain", json!(u64::MAX), "a whole number from -3 to 9"),
            ("gain", json!("NaN"), "a whole number from -3 to 9"),
            ("gain", json!(""), "a whole number from -3 to 9"),
            ("gain", json!(true), "a whole number from -3 to 9"),
            ("gain", json!([1]), "a whole number from -3 to 9"),
            ("flip", json!(2), "true or false"),
            ("flip", json!("yes"), "true or false"),
            ("mains", json!(2), "one of 1 (50 Hz), 3 (60 Hz)"),
            ("press", json!(false), "true, which presses it"),
            ("press", json!(null), "true, which presses it"),
            ("serial", json!(true), "nothing"),
            ("gian", json!(1), "one of the camera's controls"),
            ("gian", json!(null), "one of the camera's controls"),
            ("ghost", json!(1), "one of the camera's controls"),
        ] {
            let problem = of(name, given.clone()).unwrap_err();
            assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
            let wrong = problem.wrong.unwrap();
            assert_eq!((wrong.field.as_str(), wrong.range.as_str()), (name, range));
            let bare = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
            assert_eq!(wrong.given, Some(bare), "as for the lens and the light");
        }
        // The name may be that of a setting; a secret sent under it is not echoed.
        let secret = of("password", json!("s3cret")).unwrap_err();
        assert!(!format!("{secret:?}").contains("s3cret"), "{secret:?}");
        assert!(of("gian", json!(1)).unwrap_err().detail.contains("it has `gain`"));
        let two = [("gain".to_owned(), json!(99)), ("flip".to_owned(), json!("x"))];
        let both = wanted(&camera(), &two, |_| false).unwrap_err();
        assert!(both.detail.contains("control `gain`") && both.detail.contains("control `flip`"), "{both:?}");
        assert!(wanted(&camera(), &[], |_| false).unwrap_err().detail.contains("no control is named"));
    }
}
