//! The default configuration, read from the table of keys.

use std::collections::BTreeMap;

use super::kind::{NameText, default_value};
use super::{Config, keys};

impl Default for Config {
    fn default() -> Config {
        Config {
            name: default_value(&NameText, keys::NAME),
            controls: BTreeMap::new(),
            notify: Vec::new(),
            lines: Vec::new(),
            zones: Vec::new(),
            source: Default::default(),
            stream: Default::default(),
            picture: Default::default(),
            lens: Default::default(),
            lights: Default::default(),
            detect: Default::default(),
            counts: Default::default(),
            store: Default::default(),
            snapshot: Default::default(),
            record: Default::default(),
            retention: Default::default(),
            privacy: Default::default(),
            http: Default::default(),
            access: Default::default(),
            power: Default::default(),
            update: Default::default(),
            messages: Default::default(),
            mqtt: Default::default(),
            log: Default::default(),
        }
    }
}
