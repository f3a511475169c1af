//! Previews what retention rules typed on the settings page would delete.

use serde_json::{Map, Value};

use crate::http::api::media::storage;
use crate::http::pages::data_media;
use crate::http::request::body::FieldError;
use crate::http::site::Site;
use crate::http::site::preferences::{NotSet, PreferenceChanges, WrongSetting};
use crate::ui::RetentionPreview;
use tallycam_base::Fault;
use tallycam_config::keys;
use tallycam_store::media::RetentionRules;

/// The section whose rules delete media.
const SECTION: &str = "retention";

/// The media that the rules with `changes` would delete, and when ([`tallycam_store::media::Media::deleted_by`]);
/// `None` without a store.
///
/// # Errors
/// A rule is wrong, or the store cannot be read.
pub async fn preview(site: &Site, changes: &PreferenceChanges) -> Result<Option<RetentionPreview>, NotSet> {
    let (Ok(media), Ok(readers)) = (site.media(), site.media_readers()) else { return Ok(None) };
    let rules = changed(media.retention(), changes)?;
    let (clock, media) = (site.clock(), media.clone());
    let read = readers.read(move |reader| Ok(data_media::plan(&media.deleted_by(reader, &rules)?, clock)));
    let unknown = |error| {
        let what = format!("what this would delete cannot be looked up: {error}");
        NotSet::RolledBack(Fault::passing(what).hint("try again in a moment"))
    };
    read.await.map(Some).map_err(unknown)
}

/// True if `path` is one of the rules.
pub fn is_rule(path: &str) -> bool {
    path.split_once('.').is_some_and(|(section, _)| section == SECTION)
}

/// The rules with the changes applied.
fn changed(mut rules: RetentionRules, changes: &PreferenceChanges) -> Result<RetentionRules, NotSet> {
    let mut fields = Map::new();
    for (path, value) in changes.iter().filter(|(path, _)| is_rule(path)) {
        let Some(key) = path.rsplit_once('.').and_then(|(_, name)| keys::find(SECTION, name)) else {
            continue;
        };
        let value = value.as_deref().unwrap_or(key.default);
        let text: Value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        let is_word = text.as_str().is_some_and(|text| key.kind.shape().or == Some(text));
        fields.insert(key.name.to_owned(), if is_word { Value::Null } else { text });
    }
    let wrong = |error: FieldError| {
        let message = error.to_string();
        let (key, given) = match error {
            FieldError::Wrong { key, given, .. } => (key, given.unwrap_or_default()),
            _ => Default::default(),
        };
        NotSet::Wrong(vec![WrongSetting { path: format!("{SECTION}.{key}"), given, message, hint: None }])
    };
    storage::apply(&mut rules, &Value::Object(fields)).map_err(wrong)?;
    Ok(rules)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn typed_rules_apply_and_the_others_stay() {
        let is = RetentionRules { min_free: Some(7), ..RetentionRules::default() };
        let of = |path: &str, value: Option<&str>| {
            changed(is.clone(), &PreferenceChanges::from([(path.to_owned(), value.map(str::to_owned))]))
        };
        let week = of("retention.snapshots_age", Some("\"7d\"")).unwrap();
        assert_eq!(week.snapshots_age, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(week.min_free, Some(7));
        let free = of("retention.min_free", None).unwrap();
        assert_eq!(free.min_free, Some(500_000_000), "the default");
        assert_eq!(of("retention.recordings_size", Some("\"unlimited\"")).unwrap(), is);
        assert_eq!(of("name", Some("\"x\"")).unwrap(), is);
        for (path, value) in
            [("recordings_size", "\"much\""), ("recordings_size", "\"0B\""), ("recordings_age", "\"0s\"")]
        {
            let path = format!("retention.{path}");
            let Err(NotSet::Wrong(wrong)) = of(&path, Some(value)) else { panic!("{path} {value}") };
            assert_eq!(wrong[0].path, path);
        }
    }
}
