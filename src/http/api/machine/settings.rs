//! `/api/v1/settings`: every setting with its origin and its allowed values, changed while the service runs.
//! [`crate::http::Preferences`] decides what a value means and how it takes effect.
//!
//! A change may name the version that it was made on (`If-Match`). Otherwise it changes only its own keys, so that
//! simultaneous changes of different keys all count.

use std::path::Path;

use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};
use toml::de::DeValue;

use crate::http::api::machine::{notifications, settings_form};
use crate::http::auth::audit::{self, AuditNote, noted};
use crate::http::report::wire;
use crate::http::request::etag::IfMatch;
use crate::http::request::problem::Problem;
use crate::http::request::reply::no_store;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::handler::{MadeId, Request, Told};
use crate::http::site::preferences::{NotSet, PreferenceChanges, SettingsInForce, Terms, WrongSetting};
use tallycam_config::keys;
use tallycam_config::{ResolvedSetting, Saved, kind};

/// All settings at one moment.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SettingsReport {
    version: u64,
    /// The fault of a settings file that could not be read or written; empty if all is well.
    complaint: String,
    needs_restart: Vec<String>,
    items: Vec<SettingReport>,
}

/// One setting.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SettingReport {
    path: String,
    section: String,
    name: String,
    /// As in the configuration file.
    value: Value,
    /// As in the configuration file.
    default: Value,
    #[schemars(extend("enum" = ["default", "page", "file", "environment", "command_line"]))]
    origin: &'static str,
    place: String,
    pinned: bool,
    kind: &'static str,
    #[schemars(extend("format" = null))]
    min: Option<f64>,
    #[schemars(extend("format" = null))]
    max: Option<f64>,
    choices: Vec<String>,
    /// A word that is allowed in place of the value: `auto`.
    or: Option<&'static str>,
    unit: &'static str,
    about: &'static str,
    live: bool,
}

impl SettingReport {
    fn of(setting: &ResolvedSetting) -> SettingReport {
        let ResolvedSetting { path, value, origin } = setting;
        let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
        let key = keys::find_path(path);
        // A path without a key in the table is a camera's control, a line or a zone.
        let is_drawn = key.is_none() && !path.contains("controls.");
        let shape = key.map(|key| key.kind.shape()).unwrap_or_default();
        SettingReport {
            section: section.to_owned(),
            name: name.to_owned(),
            // Most values are also valid JSON. Lines and zones are not settings that can be changed here.
            value: match shape.word {
                "rules" => serde_json::from_str(&kind::toml_to_json(value)).unwrap_or_default(),
                _ => serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str())),
            },
            default: key.and_then(|key| serde_json::from_str(key.default).ok()).unwrap_or_default(),
            origin: origin.as_str(),
            place: if origin.as_str() == "default" { String::new() } else { origin.to_string() },
            pinned: origin.is_operators() || is_drawn || key.is_some_and(|key| !key.is_settable_on_page()),
            kind: match (key, is_drawn) {
                (Some(_), _) => shape.word,
                (None, true) => "drawn",
                (None, false) => "integer",
            },
            min: shape.least,
            max: shape.most,
            choices: shape.choices,
            or: shape.or,
            unit: key.map_or("", |key| key.unit),
            about: key.map_or("", |key| key.about),
            live: key.is_none_or(|key| !key.at_start),
            path: path.clone(),
        }
    }
}

/// `GET /api/v1/settings`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    Ok(report(&request.site.preferences()?.in_force()))
}

/// `PATCH /api/v1/settings`.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let preferences = request.site.preferences()?;
    let may_delete = request.query.is_set("confirm")?;
    if let Some(form) = settings_form::of(&request) {
        return settings_form::change(&request, &form, may_delete).await;
    }
    let sent = match notifications::rules_of_form(&request, &preferences.in_force())? {
        Some(rules) => rules,
        None => json_body::read(&request.headers, &request.body)?,
    };
    let keys = sent.keys().cloned().collect::<Vec<_>>().join(",");
    let terms = Terms { expected: expected(&request.headers, preferences.in_force().version)?, may_delete };
    let mut response = report(&*preferences.change(changes(sent)?, terms).await?);
    response.extensions_mut().insert(MadeId(keys));
    Ok(response)
}

/// `GET /api/v1/settings.toml`.
pub async fn export(request: Request) -> Result<Response<Body>, Problem> {
    let preferences = request.site.preferences()?;
    let version = preferences.in_force().version;
    let mut response = no_store(Response::new(Body::full(preferences.export())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/toml"));
    headers.insert(
        CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"tallycam-settings.toml\""),
    );
    if let Some(tag) = etag::of(version) {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

/// `PUT /api/v1/settings.toml`.
pub async fn import(request: Request) -> Result<Response<Body>, Problem> {
    let preferences = request.site.preferences()?;
    // `curl --data-binary` calls a file a form, too.
    let form = json_body::form_of(&request.headers, &request.body);
    let toml = match form.as_ref().and_then(|form| form.get("toml")) {
        Some(toml) => toml,
        None => as_text(&request.body)?,
    };
    let (toml, keys) = to_import(toml.to_owned()).await?;
    let expected = expected(&request.headers, preferences.in_force().version)?;
    let terms = Terms { expected, may_delete: request.query.is_set("confirm")? };
    let done = preferences.import(toml, terms).await?;
    let mut response = report(&done);
    // Values without effect are reported only in this answer.
    if done.complaint != preferences.in_force().complaint {
        response.extensions_mut().insert(Told(done));
    }
    Ok(noted(response, AuditNote::Did(format!("imported settings: {keys}"))))
}

/// A settings file as text.
fn as_text(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|_| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "what was sent is no UTF-8 text")
            .hint("send a file that an export wrote. `GET /api/v1/settings.toml` is one")
    })
}

/// The settings to import, and their keys. An empty file, or one with only comments, counts as a mistake, because it
/// would remove every setting. An export without settings is marked as one and may be imported.
///
/// # Errors
/// The file has no settings.
async fn to_import(toml: String) -> Result<(String, String), Problem> {
    // It may have thousands of faults: checking here would delay streams.
    let checked = tokio::task::spawn_blocking(move || check_import(&toml).map(|keys| (toml, keys))).await;
    checked.map_err(|panicked| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()))?
}

fn check_import(toml: &str) -> Result<String, Problem> {
    let read = Saved::read(Path::new("settings.toml"), toml);
    let keys = |saved: &Saved| audit::in_marks(saved.paths());
    let (keys, is_faulty) =
        read.map_or_else(|_| (String::new(), true), |(saved, faulty)| (keys(&saved), faulty.is_some()));
    let is_nothing = keys.is_empty() && !is_faulty;
    if is_nothing && !Saved::is_our_format(toml) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "nothing was sent that could be imported").hint(
            "send a file that an export wrote; nothing has changed. `GET /api/v1/settings.toml` is one",
        ));
    }
    Ok(keys)
}

/// The version that settings must still have, if the request names one.
pub fn expected(headers: &HeaderMap, version: u64) -> Result<Option<u64>, NotSet> {
    match etag::if_match(headers, version) {
        IfMatch::Any => Ok(None),
        IfMatch::This => Ok(Some(version)),
        IfMatch::Other => Err(NotSet::Changed),
    }
}

/// The sent values as changes.
///
/// # Errors
/// A value that no setting can have: `null` in a list.
pub fn changes(sent: Map<String, Value>) -> Result<PreferenceChanges, NotSet> {
    let mut changes = PreferenceChanges::new();
    let mut wrong = Vec::new();
    for (path, value) in sent {
        match toml(&path, &value) {
            Ok(toml) => drop(changes.insert(path, toml)),
            Err(fault) => wrong.push(fault),
        }
    }
    if wrong.is_empty() { Ok(changes) } else { Err(NotSet::Wrong(wrong)) }
}

/// A JSON value as the equivalent TOML; `Ok(None)` is `null`.
fn toml(path: &str, value: &Value) -> Result<Option<String>, WrongSetting> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => typed(path, text).map(Some),
        value => as_toml(value).map(Some).ok_or_else(|| WrongSetting {
            path: path.to_owned(),
            message: format!("`{path}` must be a text, a number, true, false, null or a list of those."),
            // A section may contain secrets under its own keys.
            given: json_body::given_of(&format!("{path} {value}"), value),
            hint: None,
        }),
    }
}

/// The text of a form field for the setting `path` as [`PreferenceChanges`] need it; a list is separated by commas.
///
/// # Errors
/// It is a list whose items cannot be separated.
pub fn typed(path: &str, text: &str) -> Result<String, WrongSetting> {
    let shape = keys::find_path(path).map(|key| key.kind.shape()).unwrap_or_default();
    let bare = text.trim();
    match shape.word {
        // The text of an unknown key may be anything.
        "" => Ok(bare.to_owned()),
        _ if shape.is_text() => Ok(kind::quoted(text)),
        "list" if !bare.starts_with('[') => {
            let items = items(bare).ok_or_else(|| no_list(path, bare))?;
            Ok(format!("[{}]", items.iter().map(|item| kind::quoted(item)).collect::<Vec<_>>().join(", ")))
        }
        "crop" if bare.contains(',') && !bare.starts_with('[') => {
            Ok(numbers(bare).unwrap_or_else(|| bare.to_owned()))
        }
        _ => Ok(bare.to_owned()),
    }
}

/// Numbers separated by commas as a TOML list; TOML has no `.5`. `None` if one is not a number.
fn numbers(typed: &str) -> Option<String> {
    let parts = typed.split(',').map(str::trim).filter(|part| !part.is_empty());
    let numbers = parts.map(|part| part.parse::<f64>().ok().filter(|number| number.is_finite()));
    let written =
        numbers.map(|number| number.map(|number| number.to_string())).collect::<Option<Vec<_>>>()?;
    Some(format!("[{}]", written.join(", ")))
}

/// An item of a list as a form field shows it: plain, or in quotes so that [`items`] reads it back.
pub fn item(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text.trim() == text
        && !text.starts_with('[')
        && !text.contains(|c: char| matches!(c, ',' | '"') || c.is_control());
    if is_plain { text.to_owned() } else { kind::quoted(text) }
}

/// The items of a list in a form field: separated by commas, or in quotes as in TOML. `None` if a quote is misplaced.
pub fn items(typed: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() {
        let (item, behind) = match rest.strip_prefix('"') {
            Some(inner) => {
                let (item, behind) = rest.split_at(closing_quote(inner)? + 2);
                let behind = behind.trim_start();
                let is_last = behind.is_empty();
                (unquoted(item)?, if is_last { behind } else { behind.strip_prefix(',')? })
            }
            None => {
                let (item, behind) = rest.split_once(',').unwrap_or((rest, ""));
                (item.trim().to_owned(), behind)
            }
        };
        let is_quoted = rest.starts_with('"');
        if !is_quoted && item.contains('"') {
            return None;
        }
        items.extend(Some(item).filter(|item| is_quoted || !item.is_empty()));
        rest = behind.trim_start();
    }
    Some(items)
}

/// The position of the quote that ends a text.
fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let mut is_end = |c: char| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    };
    text.char_indices().find(|&(_, c)| is_end(c)).map(|(at, _)| at)
}

fn unquoted(text: &str) -> Option<String> {
    match kind::parse_given(text).ok()?.into_inner() {
        DeValue::String(text) => Some(text.into_owned()),
        _ => None,
    }
}

fn no_list(path: &str, text: &str) -> WrongSetting {
    WrongSetting {
        path: path.to_owned(),
        given: kind::quoted(&json_body::given(&Value::from(text))),
        message: format!("`{path}` has a quote where none can be."),
        hint: Some(String::from(
            "write what holds a comma or a quote in quotes, and a backslash before a quote of its own: \"a, \
             b\", \"5\\\" pipe\"",
        )),
    }
}

fn as_toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => kind::quoted(text),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(as_toml).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Object(table) => {
            let entry = |(key, value): (&String, &Value)| {
                as_toml(value).map(|value| format!("{} = {value}", kind::quoted(key)))
            };
            format!("{{ {} }}", table.iter().map(entry).collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

pub fn report(now: &SettingsInForce) -> Response<Body> {
    let report = SettingsReport {
        version: now.version,
        complaint: now.faults(),
        needs_restart: now.needs_restart.clone(),
        items: now.resolved.settings.iter().map(SettingReport::of).collect(),
    };
    let mut response = reply::json(wire::json(&report));
    if let Some(tag) = etag::of(now.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn an_export_of_nothing_can_be_imported_and_comments_cannot() {
        let export = Saved::empty("settings.toml".into()).to_toml();
        assert_eq!(check_import(&export), Ok(String::new()));
        assert_eq!(
            check_import("name = \"gate\"\n[stream]\nfps = 5\n"),
            Ok(String::from("`name`, `stream.fps`"))
        );
        assert!(check_import("# name = \"gate\"\n").is_err());
    }

    #[test]
    fn a_file_that_is_not_text_gets_a_hint() {
        assert_eq!(as_text(b"name = \"gate\""), Ok("name = \"gate\""));
        let refused = as_text(b"name = \"\xff\"").unwrap_err();
        let hint = refused.hint.unwrap();
        assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(hint.contains("`GET /api/v1/settings.toml`") && !hint.contains("json"), "{hint}");
    }

    #[test]
    fn json_values_become_toml() {
        for (path, value, want) in [
            ("stream.quality", json!(70), Some("70")),
            ("stream.quality", json!("70"), Some("70")),
            ("name", json!("70"), Some("\"70\"")),
            ("name", json!("say \"x\""), Some(r#""say \"x\"""#)),
            ("picture.gray", json!(true), Some("true")),
            ("picture.crop", json!([0.25, 0, 0.5, 1]), Some("[0.25, 0, 0.5, 1]")),
            ("http.listen", json!(["a", "b"]), Some("[\"a\", \"b\"]")),
            ("stream.fps", json!("auto"), Some("auto")),
            ("x", json!({"a b": [1]}), Some("{ \"a b\" = [1] }")),
            ("stream.fps", Value::Null, None),
        ] {
            assert_eq!(toml(path, &value).unwrap().as_deref(), want, "{path}");
        }
        assert!(toml("x", &json!([null])).is_err());
    }

    #[test]
    fn a_list_is_read_back_from_its_form_field() {
        for (list, shown) in [
            (&["Tür", "a, b"][..], "Tür, \"a, b\""),
            (&["5\" pipe", "Bob's", "a\\b"], r#""5\" pipe", Bob's, a\b"#),
            (&[" x ", "", "[y", "\t"], r#"" x ", "", "[y", "\t""#),
            (&["\\", "\\\",", "*"], r#"\, "\\\",", *"#),
            (&[], ""),
        ] {
            let field = list.iter().map(|text| item(text)).collect::<Vec<_>>().join(", ");
            assert_eq!(field, shown);
            assert_eq!(items(&field).unwrap(), list, "{shown}");
        }
        assert_eq!(items("a ,, b,").unwrap(), ["a", "b"]);
        for wrong in ["\"a, b", "a \"b", "\"a\" b", "\"\\x\"", "\"a\"\"b\"", "\"\"\"a, b\"\"\""] {
            assert_eq!(items(wrong), None, "{wrong}");
            let refused = typed("record.on_crossing", wrong).unwrap_err();
            assert_eq!(refused.path, "record.on_crossing");
        }
        assert_eq!(typed("record.on_crossing", "a, b").unwrap(), r#"["a", "b"]"#);
        assert_eq!(typed("record.on_crossing", "[\"a, b\"]").unwrap(), "[\"a, b\"]");
        for (crop, list) in [
            ("0,0,.5,1", "[0, 0, 0.5, 1]"),
            (" 0.25, 0. ,,.5, 1,", "[0.25, 0, 0.5, 1]"),
            ("[0,0,0.5,1]", "[0,0,0.5,1]"),
            ("none", "none"),
        ] {
            let toml = typed("picture.crop", crop).unwrap();
            assert_eq!(toml, list);
            let mut saved = tallycam_config::Saved::empty("settings.toml".into());
            saved.set("picture.crop", Some(&toml)).unwrap();
        }
        assert_eq!(typed("picture.crop", "0,0,half,1").unwrap(), "0,0,half,1");
    }

    #[test]
    fn every_key_names_its_allowed_values() {
        let resolved = tallycam_config::Config::from_text(
            std::path::Path::new("c"),
            "[[line]]\nname='a'\na=[0,0]\nb=[1,1]",
            &[],
            [],
        )
        .unwrap();
        let reports: Vec<SettingReport> = resolved.settings.iter().map(SettingReport::of).collect();
        for report in &reports {
            assert!(!report.kind.is_empty(), "{}", report.path);
            assert_eq!(report.kind == "choice", !report.choices.is_empty(), "{}", report.path);
            assert!(!report.value.is_null(), "{}", report.path);
            let is_drawn = report.path.starts_with("line.");
            let operators = [
                "store.directory",
                "source.command",
                "source.path",
                "detect.replay",
                "http.certificate",
                "http.key",
                "http.neighbours",
                "access.claim",
                "access.local",
                "power.key",
                "update.key",
                "messages.hosts",
                "mqtt.ca",
            ];
            let is_operators = operators.contains(&report.path.as_str());
            assert_eq!(report.pinned, is_drawn || is_operators, "{}", report.path);
            assert_eq!(report.default.is_null(), is_drawn, "{}", report.path);
        }
        let idle = reports.iter().find(|report| report.path == "stream.idle_stop").unwrap();
        assert_eq!((idle.kind, idle.or, &idle.value), ("time", Some("never"), &json!("30s")));
    }
}
