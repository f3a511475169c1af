//! The table of keys: the only place with each key's name, type, range, default and meaning. The parser, the
//! diagnostics, `--set`, the environment variables and the shipped `config.toml` all use it.

mod camera;
mod row;
mod service;
mod unknown;
mod words;

use super::diagnostic::closest_match;
pub(super) use camera::NAME;
pub use camera::{LensConfig, LightsConfig, PictureConfig, SourceConfig, StreamConfig};
pub(crate) use row::VARIABLE_PREFIX;
pub use row::{Key, PagePlace, Section, variable};
pub use service::{
    AccessConfig, CountsConfig, DetectConfig, HttpConfig, LogConfig, MessagesConfig, MqttConfig, PowerConfig,
    PrivacyConfig, RecordConfig, RetentionConfig, SnapshotConfig, StoreConfig, UpdateConfig,
};
pub(super) use unknown::{unknown_key, unknown_section, unknown_variable};

/// The section of the open camera's controls.
pub const CONTROLS: &str = "source.controls";

/// The section of tables with the controls of single cameras, by identity.
pub const BY_CAMERA: &str = "controls";

pub(super) const DRAWN: [&str; 2] = ["line", "zone"];

/// All sections, in the order of the shipped file.
pub const SECTIONS: &[Section] = &[
    SourceConfig::SECTION,
    Section {
        name: CONTROLS,
        about: "Camera controls, by the names that `tallycam devices` lists: numbers, true or false, the \
                number of a menu entry. They are set after each open, automatic modes first. Example:\n\
                \x20 brightness = 128\n\
                \x20 auto_exposure = 1\n\
                \x20 white_balance_automatic = false",
        keys: &[],
    },
    Section {
        name: BY_CAMERA,
        about: "The same for one camera, by the identity that `tallycam controls` shows. [source.controls] \
                has precedence. Example:\n\
                \x20 [controls.\"usb-046d_HD_Pro_Webcam_C920\"]\n\
                \x20 focus_absolute = 30",
        keys: &[],
    },
    StreamConfig::SECTION,
    PictureConfig::SECTION,
    LensConfig::SECTION,
    LightsConfig::SECTION,
    DetectConfig::SECTION,
    CountsConfig::SECTION,
    StoreConfig::SECTION,
    SnapshotConfig::SECTION,
    RecordConfig::SECTION,
    RetentionConfig::SECTION,
    PrivacyConfig::SECTION,
    HttpConfig::SECTION,
    AccessConfig::SECTION,
    PowerConfig::SECTION,
    UpdateConfig::SECTION,
    MessagesConfig::SECTION,
    MqttConfig::SECTION,
    LogConfig::SECTION,
];

/// All keys, in the order of the shipped file.
pub fn all() -> impl Iterator<Item = &'static Key> {
    camera::TOP.iter().chain(SECTIONS.iter().flat_map(|section| section.keys))
}

/// The key with the path `section.key`.
pub fn find_path(path: &str) -> Option<&'static Key> {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    find(section, name)
}

/// The key `name` of `section`.
pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    all().find(|key| key.section == section && key.name == name)
}

/// The keys of `section`.
pub fn keys_of_section(section: &str) -> impl Iterator<Item = &'static Key> {
    all().filter(move |key| key.section == section)
}

/// True if a section has this name.
pub fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|section| section.name == name)
}

/// The key that the unknown `name` in `section` most likely means. Candidates, in this order: another program's name
/// for a key, a similar spelling, a key of another section. Its own section goes first.
pub(crate) fn suggest_key(section: &str, name: &str) -> Option<&'static Key> {
    let simple = name.to_lowercase().replace('-', "_");
    let called = |key: &&Key| key.name == simple || key.aliases.contains(&simple.as_str());
    keys_of_section(section)
        .find(called)
        .or_else(|| find(section, closest_match(&simple, keys_of_section(section).map(|key| key.name))?))
        .or_else(|| all().find(|key| key.name == simple))
        .or_else(|| all().find(called))
        .or_else(|| {
            let name = closest_match(&simple, all().map(|key| key.name))?;
            all().find(|key| key.name == name)
        })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::words::{DETECTORS, KINDS, LEVELS};
    use super::*;

    #[test]
    fn names_are_unique_and_sections_known() {
        let paths: std::collections::BTreeSet<_> = all().map(Key::path).collect();
        let variables: std::collections::BTreeSet<_> = all().map(Key::variable).collect();
        assert_eq!((paths.len(), variables.len()), (all().count(), all().count()));
        for key in all() {
            assert!(key.section.is_empty() || is_section(key.section), "{}", key.path());
            assert!(!is_section(&key.path()), "{}", key.path());
            assert!(key.about.ends_with('.') || key.about.contains("\n  "), "{}", key.path());
        }
    }

    #[test]
    fn every_default_is_read_and_written_as_it_stands() {
        for key in all() {
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
        for (word, level) in LEVELS {
            assert_eq!(level.as_str().to_lowercase(), word);
        }
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
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
