//! What rules of retention that were typed on the page of settings would delete: it is shown, and asked, before they do.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::base::clock::ClockTime;
use crate::config::{keys, parse_duration};
use crate::http::api::media::storage;
use crate::http::pages::data_media;
use crate::http::preferences::{Changes, NotSet, WrongSetting};
use crate::http::request::body_fields::Fields;
use crate::http::site::Site;
use crate::store::media::RetentionRules;
use crate::ui::RetentionPreview;

/// The section whose rules delete media.
const SECTION: &str = "retention";

/// What the rules with `changes` would delete; `None` where there is no store, or where one cannot be read. A clock that is not known
/// to be right is believed here: it may be right in a minute.
///
/// # Errors
/// A time of nothing, which would delete everything; and where the store cannot be read.
pub async fn preview(site: &Site, changes: &Changes) -> Result<Option<RetentionPreview>, NotSet> {
    look(site, changes, false).await
}

/// What `changes` would delete that the rules in force do not; `None` if that is nothing.
///
/// # Errors
/// As [`preview`].
pub async fn deletes(site: &Site, changes: &Changes) -> Result<Option<RetentionPreview>, NotSet> {
    if !changes.keys().any(|path| key_of(path).is_some()) {
        return Ok(None);
    }
    Ok(look(site, changes, true).await?.filter(|plan| plan.items > 0))
}

/// `is_more`: without what goes by the rules in force anyway.
async fn look(site: &Site, changes: &Changes, is_more: bool) -> Result<Option<RetentionPreview>, NotSet> {
    let (Ok(media), Ok(readers)) = (site.media(), site.media_readers()) else { return Ok(None) };
    let in_force = media.retention();
    let Some(rules) = changed(in_force.clone(), changes)? else { return Ok(None) };
    let now = ClockTime { wall_trusted: true, ..media.retention_now() };
    let clock = site.clock();
    let read = readers.read(move |reader| {
        let mut plan = reader.plan(&rules, now)?;
        if is_more {
            let anyway: HashSet<u64> =
                reader.plan(&in_force, now)?.goes.iter().map(|(item, _)| item.id).collect();
            plan.goes.retain(|(item, _)| !anyway.contains(&item.id));
        }
        Ok(data_media::plan(&plan, clock))
    });
    let unknown = |error| NotSet::RolledBack {
        reason: format!("what this would delete cannot be looked up: {error}"),
        hint: Some(String::from("try again in a moment")),
    };
    read.await.map(Some).map_err(unknown)
}

/// The key of a rule.
pub fn key_of(path: &str) -> Option<&str> {
    path.strip_prefix(SECTION)?.strip_prefix('.')
}

/// The rules with `changes`; `None` where one cannot be read, which saving reports.
fn changed(mut rules: RetentionRules, changes: &Changes) -> Result<Option<RetentionRules>, NotSet> {
    let mut fields = Map::new();
    for (path, value) in changes {
        let Some(key) = key_of(path).and_then(|name| keys::find(SECTION, name)) else { continue };
        let text: String = match serde_json::from_str(value.as_deref().unwrap_or(key.default)) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        };
        if parse_duration(&text).is_some_and(|time| time.is_zero()) {
            let message = format!("`{path}` must be longer than nothing, not {text}.");
            let hint = Some(String::from("It would delete everything at once; \"never\" is without limit"));
            return Err(NotSet::Wrong(vec![WrongSetting { path: path.clone(), given: text, message, hint }]));
        }
        let is_word = key.kind.shape().or == Some(text.as_str());
        fields.insert(key.name.to_owned(), if is_word { Value::Null } else { Value::from(text) });
    }
    Ok(storage::apply(&mut rules, &Fields::from(fields)).ok().map(|()| rules))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_typed_is_a_rule_and_the_rest_stays() {
        let is = RetentionRules { min_free: Some(7), ..RetentionRules::default() };
        let of = |path: &str, value: Option<&str>| {
            changed(is.clone(), &Changes::from([(path.to_owned(), value.map(str::to_owned))]))
        };
        let week = of("retention.snapshots_age", Some("\"7d\"")).unwrap().unwrap();
        assert_eq!(week.snapshots_age, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!(week.min_free, Some(7));
        let free = of("retention.min_free", None).unwrap().unwrap();
        assert_eq!(free.min_free, Some(500_000_000), "the default");
        assert_eq!(of("retention.recordings_size", Some("\"unlimited\"")).unwrap().unwrap(), is);
        assert_eq!(of("name", Some("\"x\"")).unwrap().unwrap(), is);
        assert_eq!(of("retention.recordings_size", Some("\"much\"")), Ok(None));
        assert!(of("retention.recordings_age", Some("\"0s\"")).is_err());
    }
}
