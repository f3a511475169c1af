//! Reads a form of the settings page. A field has the setting's key as its name, `unit.KEY` its unit if there is one,
//! and `was.KEY` its value when the page was made; `mode` is a mode of the camera.

use hyper::Response;

use crate::http::api::machine::settings::{item, report, typed};
use crate::http::auth::audit::{self, AuditNote, noted};
use crate::http::request::json_body;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::handler::{MadeId, Request};
use crate::http::site::preferences::{
    NotSet, PreferenceChanges, SettingsInForce, Terms, WrongSetting, meanwhile,
};
use tallycam_config::keys::{self, Key};
use tallycam_config::kind;

/// Maximum number of tries if others change other settings meanwhile.
const TRIES: usize = 5;

/// The fields of a form that includes former values; `None` for another body.
pub fn of(request: &Request) -> Option<Query> {
    let form = json_body::form_of(&request.headers, &request.body)?;
    form.pairs().iter().any(|(name, _)| name.starts_with("was.")).then_some(form)
}

/// Changes the settings that differ from the page.
pub async fn change(request: &Request, form: &Query, may_delete: bool) -> Result<Response<Body>, Problem> {
    let preferences = request.site.preferences()?;
    let told = |not| if not == NotSet::Changed { meanwhile() } else { Problem::from(not) };
    let mut tries = 0;
    loop {
        let in_force = preferences.in_force();
        let changes = changes(form, &in_force).map_err(told)?;
        if changes.is_empty() {
            return Ok(noted(report(&in_force), AuditNote::Nothing));
        }
        let (saved, keys) = (saved(form, &changes), audit::in_marks(changes.keys()));
        let terms = Terms { expected: Some(in_force.version), may_delete };
        match preferences.change(changes, terms).await {
            // Perhaps only other settings changed: compare again.
            Err(NotSet::Changed) if tries < TRIES => tries += 1,
            set => {
                let mut response = report(&*set.map_err(told)?);
                response.extensions_mut().insert(MadeId(saved));
                return Ok(noted(response, AuditNote::Did(format!("changed settings: {keys}"))));
            }
        }
    }
}

/// The key of the setting `path`; `None` for lines, zones and controls.
pub fn key(path: &str) -> Option<&'static Key> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    keys::find(section, name)
}

/// A TOML value as its form field shows it.
pub fn text(value: &str) -> String {
    fn plain(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(list) => list.iter().map(listed).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        }
    }
    fn listed(value: &serde_json::Value) -> String {
        match value {
            serde_json::Value::String(text) => item(text),
            other => plain(other),
        }
    }
    serde_json::from_str(value).map_or_else(|_| value.to_owned(), |value| plain(&value))
}

/// The changes that a group's form makes to the settings in force: fields that differ from the page. A switch that is
/// off, and a list without ticks, send only their former value.
///
/// # Errors
/// Somebody else has set one of them meanwhile, or the items of a list cannot be separated.
pub fn changes(form: &Query, in_force: &SettingsInForce) -> Result<PreferenceChanges, NotSet> {
    let mut changes = PreferenceChanges::new();
    let toml = |path: &str, wanted: &str| typed(path, wanted).map_err(|wrong| NotSet::Wrong(vec![wrong]));
    for (name, was) in form.pairs() {
        let Some((path, key)) = name.strip_prefix("was.").and_then(|path| Some((path, key(path)?))) else {
            continue;
        };
        let Some(setting) = in_force.resolved.settings.iter().find(|own| own.path == path) else { continue };
        let Some(wanted) = wanted(form, path, key) else { continue };
        let (was, is) = (was.trim(), text(&setting.value));
        // A word in place of a number leaves the number's field empty.
        let is_untouched =
            wanted.is_empty() && (was == text(key.default) || key.kind.shape().or == Some(was));
        if wanted == was || wanted == is || is_untouched {
            continue;
        }
        if is != was {
            return Err(NotSet::Changed);
        }
        let wanted = Some(wanted).filter(|wanted| !wanted.is_empty());
        changes.insert(path.to_owned(), wanted.map(|wanted| toml(path, &wanted)).transpose()?);
    }
    // A page does not show secrets: an empty field keeps the secret.
    for (path, wanted) in form.pairs() {
        if key(path).is_some_and(|key| key.kind.is_secret()) && !wanted.is_empty() {
            changes.insert(path.clone(), Some(toml(path, wanted)?));
        }
    }
    let is_touched = |mode: &&str| !mode.is_empty() && form.get("was.mode") != Some(*mode);
    if let Some(mode) = form.get(MODE).filter(is_touched) {
        changes.extend(mode_changes(mode, in_force).map_err(|wrong| NotSet::Wrong(vec![wrong]))?);
    }
    Ok(changes)
}

/// The value of a setting's field with its unit; `None` if the form lacks it.
pub fn wanted(form: &Query, path: &str, key: &Key) -> Option<String> {
    let shape = key.kind.shape();
    let sent: Vec<&str> =
        form.pairs().iter().filter(|(name, _)| name == path).map(|(_, value)| value.trim()).collect();
    let typed = match (sent.last(), shape.word) {
        (_, "list") => return Some(sent.join(", ")),
        (None, "boolean") => "false",
        (typed, _) => typed?,
    };
    let Some(unit) = form.get(&format!("unit.{path}")) else { return Some(typed.to_owned()) };
    if shape.or == Some(unit) {
        return Some(unit.to_owned());
    }
    // Some people write a decimal comma. A text that is not a number may have its own unit: "1 week".
    let number = typed.replace(',', ".");
    let is_number = number.parse::<f64>().is_ok_and(|number| number.is_finite() && number >= 0.0);
    Some(if is_number { number + unit } else { typed.to_owned() })
}

/// The field for the camera's mode.
const MODE: &str = "mode";

/// The rows that say “Saved” after `changes`, separated by commas; the mode is one row.
fn saved(form: &Query, changes: &PreferenceChanges) -> String {
    let is_mode = |path: &&str| form.get(MODE).is_some() && MODE_KEYS.contains(path);
    let keys = changes.keys().map(String::as_str);
    let mode = keys.clone().find(is_mode).map(|_| MODE);
    keys.filter(|path| !is_mode(path)).chain(mode).collect::<Vec<_>>().join(",")
}

const MODE_KEYS: [&str; 3] = ["source.format", "source.width", "source.height"];

/// A mode as its three settings; empty if it is in force.
///
/// # Errors
/// It is malformed.
fn mode_changes(mode: &str, in_force: &SettingsInForce) -> Result<PreferenceChanges, WrongSetting> {
    let sized = || {
        let (format, size) = mode.split_once('-')?;
        let (width, height) = size.split_once('x')?;
        Some([Some(format), Some(width), Some(height)])
    };
    let values = if mode == "auto" { Some([None; 3]) } else { sized() };
    let values = values.ok_or_else(|| WrongSetting {
        path: String::from("source.width"),
        given: kind::quoted(mode),
        message: format!("there is no resolution {mode:?}."),
        hint: Some(String::from("choose one of the list")),
    })?;
    let wanted = MODE_KEYS.into_iter().zip(values);
    let is = |path: &str| {
        let setting = in_force.resolved.settings.iter().find(|own| own.path == path);
        setting.map(|own| text(&own.value)).unwrap_or_default()
    };
    wanted
        .filter(|(path, value)| is(path) != value.unwrap_or("auto"))
        .map(|(path, value)| Ok((path.to_owned(), value.map(|value| typed(path, value)).transpose()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_edited_fields_are_changed() {
        let in_force = SettingsInForce::of("[stream]\nquality = 70");
        let changes = |form: &str| changes(&Query::parse(form), &in_force);
        assert_eq!(changes("stream.quality=70&was.stream.quality=70"), Ok(PreferenceChanges::new()));
        assert_eq!(
            changes(
                "stream.quality=60&was.stream.quality=70&name=&was.name=camera&picture.gray=true&was.picture.gray=false&\
                 unit.stream.stall=s&stream.stall=5&was.stream.stall=5s&unit.stream.idle_stop=m&stream.idle_stop=2&\
                 was.stream.idle_stop=30s&unit.record.max_duration=d&record.max_duration=1+week&was.record.max_duration=1h&\
                 unit.retention.snapshots_age=d&retention.snapshots_age=&was.retention.snapshots_age=never&\
                 unit.retention.recordings_size=unlimited&retention.recordings_size=5&was.retention.recordings_size=unlimited&\
                 unit.retention.min_free=GB&retention.min_free=0,5&was.retention.min_free=500MB"
            ),
            Ok(PreferenceChanges::from([
                ("picture.gray".into(), Some("true".into())),
                ("record.max_duration".into(), Some("\"1 week\"".into())),
                ("retention.min_free".into(), Some("\"0.5GB\"".into())),
                ("stream.idle_stop".into(), Some("\"2m\"".into())),
                ("stream.quality".into(), Some("60".into())),
            ]))
        );
        assert_eq!(changes("stream.quality=60&was.stream.quality=80"), Err(NotSet::Changed));
        // An empty field means the default; if that is in force, nothing changes.
        assert_eq!(
            changes("stream.quality=&was.stream.quality=70"),
            Ok(PreferenceChanges::from([("stream.quality".into(), None)]))
        );
        // Somebody else has made the same change.
        assert_eq!(changes("stream.quality=70&was.stream.quality=80"), Ok(PreferenceChanges::new()));
        assert_eq!(changes("source.password=&name=x"), Ok(PreferenceChanges::new()));
        assert_eq!(
            changes("source.password=s%22x"),
            Ok(PreferenceChanges::from([("source.password".into(), Some("\"s\\\"x\"".into()))]))
        );
    }

    #[test]
    fn lists_parts_and_modes_are_read_as_people_type_them() {
        let in_force = SettingsInForce::of("");
        let changes = |form: &str| changes(&Query::parse(form), &in_force).unwrap();
        assert_eq!(
            changes(
                "detect.classes=person,+car&was.detect.classes=&picture.crop=0,0,.5,1&was.picture.crop=none"
            ),
            PreferenceChanges::from([
                ("detect.classes".into(), Some("[\"person\", \"car\"]".into())),
                ("picture.crop".into(), Some("[0, 0, 0.5, 1]".into())),
            ])
        );
        let names = SettingsInForce::of("[record]\non_crossing = ['T\u{fc}r', 'a, b']");
        assert_eq!(text(&names.resolved.setting("record.on_crossing").unwrap().value), "T\u{fc}r, \"a, b\"");
        assert_eq!(
            changes("record.on_crossing=T%C3%BCr,+%22a,+b%22&was.record.on_crossing="),
            PreferenceChanges::from([("record.on_crossing".into(), Some("[\"T\u{fc}r\", \"a, b\"]".into()))])
        );
        let unclosed = Query::parse("record.on_crossing=%22a,+b&was.record.on_crossing=");
        assert!(matches!(super::changes(&unclosed, &in_force), Err(NotSet::Wrong(_))));
        assert_eq!(
            changes("mode=MJPG-960x720"),
            PreferenceChanges::from([
                ("source.format".into(), Some("\"MJPG\"".into())),
                ("source.height".into(), Some("720".into())),
                ("source.width".into(), Some("960".into())),
            ])
        );
        assert_eq!(changes("mode=auto"), PreferenceChanges::new(), "it is in force already");
    }
}
