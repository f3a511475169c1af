//! The table of keys: the one place that knows each key's name, type, range, default and meaning.
//! Reading, complaining, `--set`, environment names and the shipped file all come from it.

/// Characters of a key that switches the machine off: shorter ones can be guessed.
pub const SHORTEST_POWER_KEY: usize = 16;

mod sections;
mod table;
mod words;

use super::Config;
use super::diagnostic::closest_match;
use super::kind::ValueKind;
pub use sections::{SECTIONS, Section};
pub use table::KEYS;

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The section's name; empty for keys above all sections.
    pub section: &'static str,
    /// The key's name in its section.
    pub name: &'static str,
    /// What it holds, and where that goes.
    pub kind: ValueKind,
    /// Its default, as TOML.
    pub default: &'static str,
    /// Names that other programs give to it.
    pub aliases: &'static [&'static str],
    /// What it does, in sentences for the camera's owner.
    pub about: &'static str,
}

impl Key {
    /// `section.key`, as `--set` takes it and messages name it.
    pub fn path(&self) -> String {
        if self.section.is_empty() { self.name.to_owned() } else { format!("{}.{}", self.section, self.name) }
    }

    /// Whether it can be set on the page, by the API or in a file that these have written.
    pub fn is_settable_on_page(&self) -> bool {
        self.operator_only_reason().is_none()
    }

    /// Why it can be set by the operator only: in the configuration file, the environment or on the command line.
    pub fn operator_only_reason(&self) -> Option<&'static str> {
        match (self.section, self.name) {
            ("store", "directory") => Some("what is set here is kept in that directory"),
            // Who may change the camera may not therefore run programs on its machine; where there is no password that
            // is whoever reaches it.
            ("source", "command") => Some("it is a program that runs on this machine"),
            ("detect", "replay") | ("http", "certificate" | "key") => Some("it is a file of this machine"),
            ("access", "local") => Some("it lets whoever connects on this machine in without the password"),
            // What is set on the page goes with a factory reset, and this says what is asked for after one.
            ("access", "claim") => Some("it says who chooses the first password, also after a factory reset"),
            // Nor switch that machine off, which this key does without the password.
            ("power", "key") => Some("who knows it switches this machine off"),
            // Whoever may change the camera may not therefore choose what runs on its machine.
            ("update", "key") => Some("programs that are signed with it run on this machine"),
            _ => None,
        }
    }

    /// Whether it takes effect while the daemon runs; else only when it starts again.
    pub fn is_live(&self) -> bool {
        !AT_START.contains(&(self.section, self.name))
    }

    /// What its numbers count, for people; empty where they say it themselves.
    pub fn unit(&self) -> &'static str {
        match (self.section, self.name) {
            ("source", "width" | "height") | ("detect", "size") => "pixels",
            (_, "fps") => "fps",
            ("stream", "quality") => "of 100",
            ("stream", "max_viewers") => "streams",
            ("picture", "rotate") => "degrees",
            ("lights", "pixels") => "pixels",
            ("lights", "brightness" | "limit" | "auto_below") => "of 255",
            ("detect", "threads") => "cores",
            ("counts", "day_starts") => "o'clock",
            ("snapshot", "warm_up") => "frames",
            ("source", "failed_reads") => "reads",
            ("http", "max_connections") => "connections",
            ("http", "max_head") => "bytes",
            _ => "",
        }
    }

    /// The environment variable that sets it: `TALLYCAM_SECTION_KEY`.
    pub fn variable(&self) -> String {
        variable(&self.path())
    }
}

/// The environment variable that sets `path`.
pub fn variable(path: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", path.replace('.', "_").to_uppercase())
}

/// What all our environment variables begin with.
pub const VARIABLE_PREFIX: &str = "TALLYCAM_";

/// The section whose keys are a camera's own controls.
pub const CONTROLS: &str = "source.controls";

/// The section of tables whose keys are the controls of one camera each, by its identity.
pub const BY_CAMERA: &str = "controls";

/// What takes effect only when the daemon starts: where it listens and keeps things.
const AT_START: [(&str, &str); 3] = [("http", "listen"), ("store", "directory"), ("access", "claim")];

/// The key `name` of `section`.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The keys of `section`.
pub fn keys_of_section(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

/// Whether there is a section of this name.
pub fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|section| section.name == name)
}

/// The key that `name`, which is no key of `section`, most likely meant: by another program's name
/// for it, by its letters, in another section; in this order, its own section first.
pub fn suggest_key(section: &str, name: &str) -> Option<&'static Key> {
    let simple = name.to_lowercase().replace('-', "_");
    let called = |key: &&Key| key.name == simple || key.aliases.contains(&simple.as_str());
    keys_of_section(section)
        .find(called)
        .or_else(|| find(section, closest_match(&simple, keys_of_section(section).map(|key| key.name))?))
        .or_else(|| KEYS.iter().find(|key| key.name == simple))
        .or_else(|| KEYS.iter().find(called))
        .or_else(|| {
            let name = closest_match(&simple, KEYS.iter().map(|key| key.name))?;
            KEYS.iter().find(|key| key.name == name)
        })
}

/// Puts every default into `config`.
pub(super) fn apply_defaults(config: &mut Config) {
    for key in KEYS {
        let read = key.kind.apply_text(key.default, config);
        debug_assert!(read.is_ok(), "{}: {read:?}", key.path());
    }
}

#[cfg(test)]
mod tests {
    use super::words::{DETECTORS, KINDS, LEVEL_WORDS, LEVELS};
    use super::*;

    #[test]
    fn names_are_unique_and_sections_known() {
        let paths: std::collections::BTreeSet<_> = KEYS.iter().map(Key::path).collect();
        let variables: std::collections::BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!((paths.len(), variables.len()), (KEYS.len(), KEYS.len()));
        for key in KEYS {
            assert!(key.section.is_empty() || is_section(key.section), "{}", key.path());
            assert!(!is_section(&key.path()), "{}", key.path());
            assert!(key.about.ends_with('.') || key.about.contains("\n  "), "{}", key.path());
        }
    }

    #[test]
    fn every_default_is_read_and_written_as_it_stands() {
        for key in KEYS {
            let mut config = Config::default();
            assert_eq!(
                key.kind.apply_text(key.default, &mut config).as_deref(),
                Ok(key.default),
                "{}",
                key.path()
            );
            assert_eq!(config, Config::default());
        }
    }

    #[test]
    fn words_of_backends() {
        for (word, kind) in DETECTORS {
            let mut config = Config::default();
            assert!(find("detect", "backend").unwrap().kind.apply_text(word, &mut config).is_ok());
            assert_eq!(config.detect.backend, kind);
        }
    }

    #[test]
    fn words_of_kinds_and_levels() {
        for (word, kind) in KINDS {
            assert_eq!(kind.as_str(), word);
        }
        for (level, word) in LEVELS.iter().zip(LEVEL_WORDS) {
            assert_eq!(level.as_str().to_lowercase(), word);
        }
    }

    #[test]
    fn what_was_meant() {
        for (section, name, want) in [
            ("stream", "qualtiy", Some("stream.quality")),
            ("source", "quality", Some("stream.quality")),
            ("", "port", Some("http.listen")),
            ("source", "resolution", Some("source.width")),
            ("source", "frame-rate", Some("source.fps")),
            ("stream", "framerate", Some("source.fps")),
            ("http", "LISTEN", Some("http.listen")),
            ("http", "idle_timeout", Some("http.keep_alive")),
            ("log", "colour_of_the_sky", None),
        ] {
            assert_eq!(suggest_key(section, name).map(Key::path).as_deref(), want, "{section}.{name}");
        }
    }
}
