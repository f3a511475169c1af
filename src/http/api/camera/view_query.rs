//! Reads the view in a request: `?gray=1&scale=1/2&rotate=90&mirror=1&flip=1&crop=l,t,w,h`, `text=…`, `timestamp=1`,
//! or the same keys in a body. Pure.

use jiff::tz::TimeZone;
use serde_json::Value;

use crate::http::request::body::{FieldError, wrong};
use crate::http::request::problem::Problem;
use crate::http::request::query::{Query, wrong_value};
use tallycam_camera::media::View;

/// The requested view, with times in `zone`.
///
/// # Errors
/// A value is malformed.
pub fn of_query(query: &Query, zone: &TimeZone) -> Result<View, Problem> {
    for key in View::KEYS {
        query.once(key)?;
    }
    View::read(|key| query.get(key))
        .map(|view| view.with_zone(zone))
        .map_err(|wrong| wrong_value(wrong.key, &wrong.given, wrong.expected))
}

/// The same on old addresses, which ignore malformed values.
pub fn of_old_query(query: &Query, zone: &TimeZone) -> View {
    View::parse_lenient(|key| query.get(key)).with_zone(zone)
}

/// The view that a body requests, with times in `zone`.
///
/// # Errors
/// A value is malformed.
pub fn of_body(sent: &Value, zone: &TimeZone) -> Result<View, FieldError> {
    let texts = View::KEYS.map(|key| (key, sent.get(key).and_then(as_text)));
    View::read(|key| texts.iter().find(|(name, _)| *name == key).and_then(|(_, text)| text.as_deref()))
        .map(|view| view.with_zone(zone))
        .map_err(|error| wrong(error.key, error.expected, Some(error.given)))
}

/// The value as a query would spell it: `1` and `0` for true and false, a list with commas.
fn as_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Array(list) => list.iter().filter_map(as_text).collect::<Vec<_>>().join(","),
        Value::String(text) => text.clone(),
        Value::Bool(flag) => String::from(if *flag { "1" } else { "0" }),
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bodies_and_queries_give_the_same_view() {
        let query = Query::parse("gray=1&scale=1%2F2&rotate=90&mirror=0&crop=0.5,0,0.5,1&timestamp=1&fps=3");
        let body = br#"{"gray":true,"scale":"1/2","rotate":90,"mirror":false,"crop":[0.5,0,0.5,1],"timestamp":true}"#;
        let sent: Value = serde_json::from_slice(body).unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let view = of_query(&query, &zone).unwrap();
        assert_eq!(view.timestamp.as_ref(), Some(&zone));
        assert_eq!(view, of_body(&sent, &zone).unwrap());
        let bad = Query::parse("gray=1&rotate=45&crop=1");
        assert_eq!(
            of_query(&bad, &zone).unwrap_err().detail,
            r#"`rotate` is "45", and should be 0, 90, 180 or 270"#
        );
        let wrong_body = of_body(&serde_json::json!({"rotate": 45}), &zone).unwrap_err();
        assert_eq!(wrong_body, wrong("rotate", "0, 90, 180 or 270", Some(String::from("45"))));
        let twice = Query::parse("gray=1&gray=0");
        assert_eq!(of_query(&twice, &zone).unwrap_err().detail, r#"`gray` is "0", and should be given once"#);
        assert!(of_old_query(&twice, &zone).gray);
        let empty = Query::parse("gray=1&rotate=");
        assert_eq!(of_query(&empty, &zone).unwrap(), of_old_query(&empty, &zone));
        assert!(of_old_query(&empty, &zone).gray);
        assert_eq!(of_old_query(&bad, &zone), View { gray: true, ..View::default() });
    }
}
