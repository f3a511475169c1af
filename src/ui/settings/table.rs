//! The groups of the page Settings. The table of keys (`config/keys/`) names the group and the label of each key. A
//! key without a group stands at the end of the page under its own name.

use crate::ui::names::MODE;
use tallycam_config::keys::{self, Key, PagePlace};

#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Its name in addresses, forms and rows of keys.
    pub id: &'static str,
    pub title: &'static str,
    /// An introduction; may be empty. HTML.
    pub about: &'static str,
    /// Keys that come first; the others follow in the order of the table of keys.
    pub first: &'static [&'static str],
}

impl Group {
    /// The keys at this place, in order.
    pub fn keys(&self, place: PagePlace) -> Vec<&'static Key> {
        let mut keys: Vec<&Key> = keys::all().filter(|key| key.page == place).collect();
        let rank = |key: &Key| self.first.iter().position(|path| *path == key.path());
        keys.sort_by_key(|key| rank(key).unwrap_or(usize::MAX));
        keys
    }
}

/// The group whose rows are the camera's own controls.
pub(super) const CONTROLS: &str = "controls";

/// The group of the retention rules.
pub(super) const RETENTION: &str = "retention";

/// The group that ends with the row [`MODE`].
pub(super) const CAMERA: &str = "camera";

/// The hint of the row [`MODE`], and its synonyms.
pub(super) const MODE_HINT: &str = "If the camera refuses it, the last one that worked comes back";
const MODE_SYNONYMS: &str = "size width height format pixels";

/// Other names that people search for; empty for most settings.
pub(super) fn synonyms(path: &str) -> &'static str {
    if path == MODE { MODE_SYNONYMS } else { keys::find_path(path).map_or("", |key| key.synonyms) }
}

/// Search words for settings that are on other pages, with a link to each, as HTML.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    (
        "password passwords sign-in login user users account token tokens viewers",
        "Passwords, users and tokens: <a href=\"access\">Access</a>",
    ),
    (
        "wifi wi-fi wlan wireless network ip address hotspot",
        "Wi-Fi and network are set in the machine's operating system, or on the card. Addresses: <a \
        href=\"diagnosis\">Diagnosis</a>",
    ),
    ("backup restore factory reset", "Backup, restore and factory reset: <a href=\"backup\">Backup</a>"),
    ("copy import database", "Copies and import of recordings and counts: <a href=\"database\">Database</a>"),
    ("model models download", "Models for detection: <a href=\"models\">Models</a>"),
    ("line lines zone zones", "Lines and zones: <a href=\"lines\">Lines &amp; zones</a>"),
    ("update version upgrade", "Version and updates: <a href=\"update\">Update</a>"),
    ("log journal error", "What the program has said: <a href=\"log\">Log</a>"),
];

/// Words for values of any key.
pub(super) const WORDS: &[(&str, &str)] = &[("", "None"), ("auto", "Automatic")];

/// Every group, in order. At most 25 rows are visible, whatever the hardware: `tests/browser/settings.rs` counts
/// them.
pub(super) const GROUPS: &[Group] = &[
    Group {
        id: CAMERA,
        title: "Camera",
        about: "Choose a camera: <a href=\"cameras\">Cameras</a>",
        first: &[
            "source.device",
            "source.loop",
            "source.speed",
            "source.seed",
            "source.width",
            "source.height",
            "source.format",
        ],
    },
    Group {
        id: "picture",
        title: "Picture",
        about: "For every viewer. Lines are drawn on the rotated and cropped picture; counting uses it in colour \
                and at full size.",
        first: &["picture.flip", "picture.gray", "picture.scale", "picture.crop", "picture.text"],
    },
    Group {
        id: CONTROLS,
        title: "Camera controls",
        about: "What the camera offers. Set at once, saved for this camera, and set again after every open.",
        first: &[],
    },
    Group {
        id: "counting",
        title: "Counting",
        about: "Lines are drawn on the page <a href=\"lines\">Lines</a>, models downloaded on the page <a \
               href=\"models\">Models</a>.",
        first: &[],
    },
    Group {
        id: "keeping",
        title: "Recording",
        about: "",
        first: &["record.max_size", "record.fps", "record.pre_roll", "record.after_crossing"],
    },
    Group {
        id: RETENTION,
        title: "Retention",
        about: "Oldest first; protected items stay. A preview is shown before anything is deleted.",
        first: &["retention.snapshots_age", "retention.recordings_age"],
    },
    Group {
        id: "lights",
        title: "Light",
        about: "Switched on the page <a href=\"lights\">Light</a> and beside the picture.",
        first: &["lights.limit"],
    },
    Group {
        id: "mqtt",
        title: "MQTT",
        about: "Crossings and state to a broker, for Home Assistant and databases. How it does: <a \
               href=\"notifications\">Notifications</a>.",
        first: &["mqtt.id", "mqtt.prefix", "mqtt.history", "mqtt.picture"],
    },
    Group {
        id: "access",
        title: "Access",
        about: "Who may watch, passwords, users, tokens and links: <a href=\"access\">Access</a>.",
        first: &[
            "access.session",
            "http.max_connections",
            "http.max_head",
            "http.head_timeout",
            "http.keep_alive",
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_place_of_each_key_is_a_group_of_the_page() {
        let ids: BTreeSet<&str> = GROUPS.iter().map(|group| group.id).collect();
        assert_eq!(ids.len(), GROUPS.len());
        for key in keys::all() {
            match key.page {
                PagePlace::Shown(group) | PagePlace::Advanced(group) => {
                    assert!(ids.contains(group) && !key.label.is_empty(), "{}", key.path());
                }
                PagePlace::End | PagePlace::Elsewhere => assert!(key.only_for.is_empty(), "{}", key.path()),
            }
        }
        for (group, path) in GROUPS.iter().flat_map(|group| group.first.iter().map(move |path| (group, path)))
        {
            let page = keys::find_path(path).map(|key| key.page);
            assert!(
                [Some(PagePlace::Shown(group.id)), Some(PagePlace::Advanced(group.id))].contains(&page),
                "{path}"
            );
        }
    }
}
