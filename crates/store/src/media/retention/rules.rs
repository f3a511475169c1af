//! Retention rules as stored in the file: JSON with the configuration's keys, in seconds and bytes. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::media::RetentionRules;

/// Key of the setting.
pub(crate) const SETTING: &str = "retention";

pub fn to_text(rules: &RetentionRules) -> String {
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
    let fields = BTreeMap::from([
        ("snapshots_age", seconds(rules.snapshots_age)),
        ("snapshots_size", rules.snapshots_bytes),
        ("recordings_age", seconds(rules.recordings_age)),
        ("recordings_size", rules.recordings_bytes),
        ("min_free", rules.min_free),
    ]);
    serde_json::to_string(&fields).unwrap_or_default()
}

/// `rules` overlaid with those of `text`, except the keys in `pinned`. An unreadable text changes nothing.
pub(crate) fn overlay_rules(mut rules: RetentionRules, text: &str, pinned: &[String]) -> RetentionRules {
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, Option<u64>>>(text) else {
        log::warn!("media.db: its retention rules cannot be read and are ignored");
        return rules;
    };
    for (key, value) in fields.into_iter().filter(|(key, _)| !pinned.contains(key)) {
        let age = value.map(Duration::from_secs);
        match key.as_str() {
            "snapshots_age" => rules.snapshots_age = age,
            "snapshots_size" => rules.snapshots_bytes = value,
            "recordings_age" => rules.recordings_age = age,
            "recordings_size" => rules.recordings_bytes = value,
            "min_free" => rules.min_free = value,
            _ => {}
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back_and_pins_stay() {
        let saved = RetentionRules {
            snapshots_age: Some(Duration::from_secs(86_400)),
            snapshots_bytes: None,
            recordings_age: None,
            recordings_bytes: Some(5 << 30),
            min_free: Some(1 << 30),
        };
        assert_eq!(overlay_rules(RetentionRules::default(), &to_text(&saved), &[]), saved);
        let pins = [String::from("min_free"), String::from("snapshots_size")];
        let file =
            RetentionRules { min_free: Some(7), snapshots_bytes: Some(9), ..RetentionRules::default() };
        let both = overlay_rules(file.clone(), &to_text(&saved), &pins);
        assert_eq!(both, RetentionRules { min_free: Some(7), snapshots_bytes: Some(9), ..saved });
        assert_eq!(overlay_rules(file.clone(), "rubbish", &[]), file);
    }
}
