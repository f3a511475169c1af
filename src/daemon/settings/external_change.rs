//! Settings that are stored in the databases: the rules of `[retention]` in `media.db`, the model in `counts.db`.
//!
//! They are older than `settings.toml` and stay there, so that each has one place. They show and change like all
//! others. Reading them reads memory; `apply` changes them.

use std::path::PathBuf;

use crate::pipeline::RecorderHandle;
use crate::pipeline::counting::MODEL_SETTING;
use tallycam_config::{Origin, Resolved, kind, show_duration, show_size};
use tallycam_store::Counts;
use tallycam_store::media::RetentionRules;

/// The databases that could be opened.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// Has `media.db`, which may be opened late.
    pub recorder: RecorderHandle,
    pub counts: Option<Counts>,
}

/// The stored values at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KeptElsewhere {
    rules: Option<(PathBuf, RetentionRules)>,
    model: Option<String>,
}

const MODEL: &str = "detect.model";
const RULES: &str = "retention.";

/// True if a database stores `path`.
pub fn is_stored_elsewhere(path: &str) -> bool {
    path == MODEL || path.starts_with(RULES)
}

impl DatabaseSettings {
    /// Reads the present values.
    pub fn read_current(&self) -> KeptElsewhere {
        KeptElsewhere {
            rules: self.recorder.media().ok().map(|media| (media.file().to_owned(), media.retention())),
            model: self.counts.as_ref().and_then(|counts| counts.setting(MODEL_SETTING)),
        }
    }
}

impl KeptElsewhere {
    /// Lays the values over `resolved`, except those that the operator sets and the paths that `is_left_out` selects.
    pub fn overlay(&self, resolved: &mut Resolved, is_left_out: impl Fn(&str) -> bool) {
        let directory = self.rules.as_ref().and_then(|(file, _)| file.parent()).map(PathBuf::from);
        let mut lay = |path: &str, toml: String, file: PathBuf| {
            let is_its_own = resolved.setting(path).is_some_and(|now| now.value == toml);
            let is_pinned = resolved.origin(path).is_some_and(Origin::is_operators);
            if !is_its_own && !is_pinned && !is_left_out(path) {
                resolved.override_value(path, &toml, Origin::Page { file, line: 0 });
            }
        };
        if let Some((file, rules)) = &self.rules {
            for (path, toml) in as_toml(rules) {
                lay(path, toml, file.clone());
            }
        }
        if let Some(model) = &self.model {
            lay(MODEL, kind::quoted(model), directory.unwrap_or_default().join("counts.db"));
        }
    }
}

fn as_toml(rules: &RetentionRules) -> [(&'static str, String); 5] {
    let age = |age: Option<_>| kind::quoted(&age.map_or_else(|| String::from("never"), show_duration));
    let size = |bytes: Option<u64>| kind::quoted(&bytes.map_or_else(|| String::from("unlimited"), show_size));
    [
        ("retention.snapshots_age", age(rules.snapshots_age)),
        ("retention.snapshots_size", size(rules.snapshots_bytes)),
        ("retention.recordings_age", age(rules.recordings_age)),
        ("retention.recordings_size", size(rules.recordings_bytes)),
        ("retention.min_free", kind::quoted(&show_size(rules.min_free.unwrap_or(0)))),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::daemon::parts::recording::retention;
    use tallycam_config::Config;

    #[test]
    fn stored_values_show_unless_the_operator_sets_them() {
        let file = "[retention]\nsnapshots_age = \"1d\"\n";
        let mut resolved = Config::from_text(Path::new("config.toml"), file, &[], []).unwrap();
        let rules = RetentionRules {
            snapshots_age: None,
            recordings_age: Some(Duration::from_secs(86_400)),
            recordings_bytes: Some(2_000_000_000),
            min_free: None,
            ..retention(&resolved.config)
        };
        let kept = KeptElsewhere { rules: Some(("media.db".into(), rules)), model: Some("mine".into()) };
        kept.overlay(&mut resolved, |path| path == "retention.recordings_size");
        let config = &resolved.config;
        assert_eq!(config.retention.snapshots_age, Some(Duration::from_secs(86_400)), "pinned");
        assert_eq!(config.retention.recordings_age, Some(Duration::from_secs(86_400)));
        assert_eq!((config.retention.recordings_size, config.retention.min_free), (None, 0));
        assert_eq!(config.detect.model.as_deref(), Some("mine"));
        assert_eq!(resolved.origin("retention.min_free").unwrap().to_string(), "media.db");
        assert_eq!(resolved.origin("retention.snapshots_size"), Some(&Origin::Default));
    }
}
