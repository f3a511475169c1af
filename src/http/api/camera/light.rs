//! `/api/v1/light`: the light's settings, its current pixels, and changes to it.
//!
//! A change is a setting like any other ([`crate::http::Preferences`]): it takes effect at once, and the answer comes
//! when it is stored. A dragged slider sends its next value after the last answer, so the disk sets the pace.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::http::report::light::{has, has_colors, hex, no_light, report};
use crate::http::report::schema_parts::{count, list};
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::body::FieldError;
use crate::http::request::etag::IfMatch;
use crate::http::request::kinds::{Given, SentKind, WholeIn, kinds};
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::preferences::{NotSet, PreferenceChanges, meanwhile};
use crate::pipeline::Lights;
use crate::pipeline::lights::{Color, PRESETS};
use tallycam_base::{Fault, FaultKind};
use tallycam_config::kind::{color as read_color, pixel_range};
use tallycam_config::{MOST_RANGES, PixelRange};

/// A change of the light.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(extend("not" = {"required": ["preset", "color"]}))]
pub struct LightPatch {
    on: Given<bool>,
    brightness: Given<WholeIn<0, 255>>,
    #[schemars(regex(pattern = "^#?[0-9A-Fa-f]{6}$"))]
    color: Given<String>,
    #[schemars(extend("enum" = PRESETS.map(|(name, _)| name)))]
    preset: Given<String>,
    ranges: Given<PixelRanges>,
}

kinds!([] PixelRanges);

/// A list of objects `{"from", "to", "color"}`; in a form a text such as `0-3 FF0000, 7 0000FF`. `None`: it is neither.
#[derive(Debug)]
struct PixelRanges(Option<Vec<PixelRange>>);

impl SentKind for PixelRanges {
    fn of(given: &Value) -> Result<PixelRanges, String> {
        Ok(PixelRanges(match given {
            Value::Array(items) => items.iter().map(range).collect(),
            Value::String(text) => {
                text.split(',').filter(|text| !text.trim().is_empty()).map(pixel_range).collect()
            }
            _ => None,
        }))
    }

    fn schema() -> Value {
        list(json!({
            "type": "object", "required": ["from", "color"],
            "properties": {
                "from": count(), "to": count(), "color": {"type": "string", "pattern": "^[0-9A-F]{6}$"},
            },
        }))
    }
}

/// The values of a form's fields when its page was made.
const WAS: [&str; 2] = ["was.brightness", "was.color"];

/// Maximum number of tries if others change settings meanwhile.
const TRIES: usize = 5;

/// A change of the light; `None` keeps a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LightRequest {
    pub is_on: Option<bool>,
    /// 0–255.
    pub brightness: Option<u8>,
    /// Red, green, blue.
    pub color: Option<Color>,
    /// Pixels with their own colours.
    pub ranges: Option<Vec<PixelRange>>,
}

fn of(site: &Site) -> Result<&Lights, Problem> {
    site.lights.as_ref().filter(|_| has(site)).ok_or_else(|| {
        let none = Fault::new(FaultKind::Unsupported, "there is no light");
        none.hint("`lights.kind` sets the light type").into()
    })
}

/// True if `/light?status=` has the meaning of the old program.
pub fn is_old_status_the_programs(site: &Site) -> bool {
    let preferences = site.preferences().ok();
    preferences.is_some_and(|set| set.in_force().resolved.config.lights.old_status_as_program)
}

/// Changes the light; with `expected`, only if the settings still have that version. Completes when the light has
/// changed and the values are stored.
///
/// # Errors
/// There is no such light, or the settings were not changed.
pub async fn change(site: &Site, options: LightRequest, expected: Option<u64>) -> Result<(), Problem> {
    let lights = of(site)?;
    if !has_colors(site) && (options.color.is_some() || options.ranges.is_some()) {
        return Err(Fault::new(FaultKind::Unsupported, "a lamp has no colour").into());
    }
    let changes = changes(&options);
    if !changes.is_empty() {
        site.preferences()?.change(changes, expected.into()).await?;
        lights.wait_applied().await;
    }
    Ok(())
}

fn changes(options: &LightRequest) -> PreferenceChanges {
    let ranges = options.ranges.as_ref().map(|ranges| {
        let texts: Vec<String> = ranges.iter().map(|range| format!("\"{range}\"")).collect();
        format!("[{}]", texts.join(", "))
    });
    [
        ("lights.on", options.is_on.map(|on| on.to_string())),
        ("lights.brightness", options.brightness.map(|brightness| brightness.to_string())),
        ("lights.color", options.color.map(|color| format!("\"{}\"", hex(color)))),
        ("lights.ranges", ranges),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), Some(value?))))
    .collect()
}

/// `GET /api/v1/light`.
pub async fn get(request: Request) -> Response<Body> {
    let site = &request.site;
    let mut response = reply::json(wire::json(&report(site, &request.who).unwrap_or_else(no_light)));
    let version = site.preferences().ok().map(|set| set.in_force().version);
    if let Some(tag) = version.and_then(etag::of) {
        response.headers_mut().insert(hyper::header::ETAG, tag);
    }
    response
}

/// `PATCH /api/v1/light`.
pub async fn patch(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let mut sent: Value = json_body::read(&request.headers, &request.body).map_err(FieldError::from)?;
    let form = json_body::form_of(&request.headers, &request.body).unwrap_or_default();
    if let Some(sent) = sent.as_object_mut() {
        sent.retain(|key, _| !(WAS.contains(&key.as_str()) && form.get(key).is_some()));
    }
    let patch = match body::of(&sent, &[]) {
        Err(error @ FieldError::Unknown { .. }) => return Err(error.into()),
        patch => patch,
    };
    let pixels = of(site)?.settings().strip.count();
    let options = wanted(patch?, &sent, pixels)?;
    let mut tries = 0;
    loop {
        let in_force = site.preferences()?.in_force();
        let named = match etag::if_match(&request.headers, in_force.version) {
            IfMatch::Any => None,
            IfMatch::This => Some(in_force.version),
            IfMatch::Other => return Err(NotSet::Changed.into()),
        };
        let lights = &in_force.resolved.config.lights;
        let moved = moved(&form, &options, lights.brightness, lights.color)?;
        let expected = named.or((moved != options).then_some(in_force.version));
        match change(site, moved, expected).await {
            // Perhaps only other settings changed: compare again.
            Err(problem)
                if problem.status == StatusCode::PRECONDITION_FAILED && named.is_none() && tries < TRIES =>
            {
                tries += 1;
            }
            done => {
                done?;
                return Ok(get(request).await);
            }
        }
    }
}

/// The `options` that differ from the page's values and from the current ones. A form without the page's values
/// counts in full.
///
/// # Errors
/// Somebody else has set one of them meanwhile.
fn moved(
    form: &Query,
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
    let was_brightness = form.get(WAS[0]).and_then(|text| text.parse().ok());
    let was_color = form.get(WAS[1]).and_then(read_color);
    Ok(LightRequest {
        brightness: one(options.brightness, was_brightness, brightness)?,
        color: one(options.color, was_color, color)?,
        ..options.clone()
    })
}

/// The change of the body `sent`, for a light with so many pixels.
fn wanted(patch: LightPatch, sent: &Value, pixels: usize) -> Result<LightRequest, FieldError> {
    let wrong = |key, expected: String| body::wrong(key, expected, body::given_in(sent, key));
    let color =
        |text: String| read_color(&text).ok_or_else(|| wrong("color", String::from("a colour as RRGGBB")));
    let color = patch.color.0.map(color).transpose()?;
    let preset = |text: String| {
        let preset = PRESETS.iter().find(|(name, _)| *name == text).map(|(_, color)| *color);
        preset.ok_or_else(|| wrong("preset", format!("one of {}", PRESETS.map(|(name, _)| name).join(", "))))
    };
    let preset = patch.preset.0.map(preset).transpose()?;
    if color.is_some() && preset.is_some() {
        return Err(wrong("preset", String::from("left out where there is a color")));
    }
    let last = pixels.saturating_sub(1);
    let is_good = |range: &PixelRange| range.from <= range.to && usize::from(range.to) <= last;
    let fit = |PixelRanges(ranges): PixelRanges| {
        let ranges = ranges.filter(|ranges| ranges.len() <= MOST_RANGES && ranges.iter().all(is_good));
        ranges.ok_or_else(|| wrong("ranges", format!(
            "a list of at most {MOST_RANGES} objects with from and to, 0 to {last}, and color, a colour as RRGGBB"
        )))
    };
    Ok(LightRequest {
        is_on: patch.on.0,
        brightness: patch.brightness.0.and_then(|value| u8::try_from(value.0).ok()),
        color: color.or(preset),
        ranges: patch.ranges.0.map(fit).transpose()?,
    })
}

fn range(item: &Value) -> Option<PixelRange> {
    let object = item.as_object()?;
    if object.keys().any(|key| !matches!(key.as_str(), "from" | "to" | "color")) {
        return None;
    }
    let pixel = |key: &str| u16::try_from(json_body::whole(object.get(key)?)?).ok();
    let from = pixel("from")?;
    let to = if object.contains_key("to") { pixel("to")? } else { from };
    Some(PixelRange { from, to, color: read_color(object.get("color")?.as_str()?)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::HeaderMap;

    fn read(body: &str) -> Result<LightRequest, FieldError> {
        of_body(&HeaderMap::new(), body.as_bytes())
    }

    fn of_body(headers: &HeaderMap, body: &[u8]) -> Result<LightRequest, FieldError> {
        let sent: Value = json_body::read(headers, body)?;
        wanted(body::of(&sent, &[])?, &sent, 10)
    }

    #[test]
    fn a_change_becomes_settings() {
        let options = read(
            r#"{"on":true,"brightness":7,"color":"ff8800","ranges":[{"from":0,"to":3,"color":"FF0000"},{"from":9,"color":"00ff00"}]}"#,
        );
        let want: PreferenceChanges = [
            ("lights.on", "true"),
            ("lights.brightness", "7"),
            ("lights.color", "\"FF8800\""),
            ("lights.ranges", "[\"0-3 FF0000\", \"9 00FF00\"]"),
        ]
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .into();
        assert_eq!(changes(&options.unwrap()), want);
        assert_eq!(read(r#"{"preset":"warm"}"#).unwrap().color, Some([255, 167, 87]));
        assert_eq!(changes(&read(r#"{"ranges":[]}"#).unwrap())["lights.ranges"].as_deref(), Some("[]"));
        assert!(changes(&read("{}").unwrap()).is_empty());
    }

    #[test]
    fn a_wrong_value_is_refused_by_its_name() {
        for (body, field) in [
            (r#"{"on":"perhaps"}"#, "on"),
            (r#"{"on":null}"#, "on"),
            (r#"{"brightness":256}"#, "brightness"),
            (r#"{"brightness":-1}"#, "brightness"),
            (r#"{"brightness":1.5}"#, "brightness"),
            (r#"{"brightness":"NaN"}"#, "brightness"),
            (r#"{"color":"red"}"#, "color"),
            (r#"{"color":5}"#, "color"),
            (r#"{"preset":"mauve"}"#, "preset"),
            (r#"{"preset":"red","color":"FF0000"}"#, "preset"),
            (r#"{"ranges":5}"#, "ranges"),
            (r#"{"ranges":[{"from":0,"to":10,"color":"FF0000"}]}"#, "ranges"),
            (r#"{"ranges":[{"from":3,"to":2,"color":"FF0000"}]}"#, "ranges"),
            (r#"{"ranges":[{"from":0,"to":"x","color":"FF0000"}]}"#, "ranges"),
            (r#"{"ranges":[{"from":0,"colour":"FF0000"}]}"#, "ranges"),
        ] {
            match read(body) {
                Err(FieldError::Wrong { key, .. }) => assert_eq!(key, field, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        assert!(matches!(read(r#"{"colour":"FF0000"}"#), Err(FieldError::Unknown { .. })));
    }

    #[test]
    fn a_form_sends_ranges_as_text() {
        let mut headers = HeaderMap::new();
        let form = hyper::header::HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(hyper::header::CONTENT_TYPE, form);
        let options = of_body(&headers, b"on=1&ranges=0-3+FF0000,+7+0000ff").unwrap();
        let ranges = options.ranges.unwrap();
        assert_eq!(ranges.iter().map(PixelRange::to_string).collect::<Vec<_>>(), ["0-3 FF0000", "7 0000FF"]);
    }
}
