//! The entities of a camera in Home Assistant: the components of its device.
//!
//! A component's key and its `unique_id` come from numbers, never from names. Entities keep their ids and their
//! history when a line gets another name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{Facts, LineFacts, ZoneFacts};
use super::state::color_mode;
use super::topics::Topics;

/// Greatest number of lines in Home Assistant, and of zones. The message grows by 1.7 KB a line.
pub(super) const MOST: usize = 32;

/// The states of counting, as the API names them.
const COUNTING: [&str; 5] = ["counting", "idle", "waiting", "off", "fault"];

/// The page that describes new versions.
pub(super) const RELEASES: &str = "https://github.com/tallycam/tallycam/releases";

/// A component: the keys of Home Assistant's platforms that tallycam uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct EntityConfig {
    pub(super) platform: &'static str,
    /// Home Assistant does not take the device's.
    #[serde(skip_serializing_if = "Option::is_none")]
    qos: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unique_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_category: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reset_value_template: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_of_measurement: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<[&'static str; COUNTING.len()]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_attributes_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_attributes_template: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_types: Option<[&'static str; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_press: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supported_color_modes: Option<[&'static str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brightness: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_url: Option<&'static str>,
}

impl EntityConfig {
    /// The form that removes a component: its platform alone.
    pub(super) fn removed(platform: &str) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([("platform", platform)])
    }
}

/// The components, by key.
pub(super) fn all(topics: &Topics, facts: &Facts, has_control: bool) -> BTreeMap<String, EntityConfig> {
    let mut entities = EntityList { topics, all: BTreeMap::new() };
    entities.add_camera(facts, has_control);
    entities.add_state();
    for line in facts.lines.iter().flatten().take(MOST) {
        entities.add_line(line);
    }
    for zone in facts.zones.iter().flatten().take(MOST) {
        entities.add_zone(zone);
    }
    entities.all
}

struct EntityList<'a> {
    topics: &'a Topics,
    all: BTreeMap<String, EntityConfig>,
}

impl EntityList<'_> {
    fn add(&mut self, key: String, name: String, entity: EntityConfig) {
        let unique_id = Some(format!("tallycam_{}_{key}", self.topics.id));
        self.all.insert(key, EntityConfig { unique_id, name: Some(name), qos: Some(1), ..entity });
    }

    fn add_line(&mut self, line: &LineFacts) {
        let (number, name) = (line.line_id, &line.line);
        let topic = self.topics.own(&format!("lines/{number}"));
        let figure = |key: &str, state_class| EntityConfig {
            platform: "sensor",
            state_topic: Some(topic.clone()),
            state_class: Some(state_class),
            value_template: Some(format!("{{{{ value_json.{key} }}}}")),
            unit_of_measurement: Some("crossings"),
            ..EntityConfig::default()
        };
        let ways =
            [("in", &line.in_name, "mdi:arrow-right-bold"), ("out", &line.out_name, "mdi:arrow-left-bold")];
        for (way, way_name, icon) in ways {
            // The total of all time never falls. Today's figure does, at midnight and when a reset is undone.
            let total =
                EntityConfig { icon: Some(icon), ..figure(&format!("{way}_total"), "total_increasing") };
            self.add(format!("line{number}_{way}"), format!("{name} {way_name}"), total);
            let today = EntityConfig {
                icon: Some("mdi:calendar-today"),
                last_reset_value_template: Some("{{ value_json.since }}"),
                ..figure(way, "total")
            };
            self.add(format!("line{number}_{way}_today"), format!("{name} {way_name} today"), today);
        }
        let inside = EntityConfig {
            icon: Some("mdi:account-group"),
            unit_of_measurement: Some("objects"),
            ..figure("inside", "measurement")
        };
        self.add(format!("line{number}_inside"), format!("{name} inside"), inside);
        let event = EntityConfig {
            platform: "event",
            icon: Some("mdi:sign-direction"),
            state_topic: Some(format!("{topic}/crossing")),
            event_types: Some(["in", "out"]),
            ..EntityConfig::default()
        };
        self.add(format!("line{number}_crossing"), format!("{name} crossing"), event);
    }

    fn add_zone(&mut self, zone: &ZoneFacts) {
        let (number, name) = (zone.id, &zone.name);
        let topic = self.topics.own(&format!("zones/{number}"));
        let occupied = EntityConfig {
            platform: "binary_sensor",
            device_class: Some("occupancy"),
            state_topic: Some(topic.clone()),
            value_template: Some(String::from("{{ 'ON' if value_json.occupancy > 0 else 'OFF' }}")),
            ..EntityConfig::default()
        };
        self.add(format!("zone{number}_occupied"), format!("{name} occupied"), occupied);
        let occupancy = EntityConfig {
            platform: "sensor",
            icon: Some("mdi:account-group"),
            state_topic: Some(topic),
            state_class: Some("measurement"),
            value_template: Some(String::from("{{ value_json.occupancy }}")),
            unit_of_measurement: Some("objects"),
            ..EntityConfig::default()
        };
        self.add(format!("zone{number}_occupancy"), format!("{name} occupancy"), occupancy);
    }

    /// Switches, button, light and picture. Without control they only show: an entity of another platform has another
    /// key, so that the former one is removed.
    fn add_camera(&mut self, facts: &Facts, has_control: bool) {
        let switches = [
            ("recording", "Recording", "mdi:record-rec", "running"),
            ("camera", "Camera", "mdi:cctv", "running"),
        ];
        for (key, name, icon, class) in switches {
            let state_topic = Some(self.topics.own(key));
            let common = EntityConfig {
                icon: Some(icon),
                state_topic: state_topic.clone(),
                ..EntityConfig::default()
            };
            if has_control {
                let command_topic = Some(self.topics.own(&format!("{key}/set")));
                let switch = EntityConfig { platform: "switch", command_topic, ..common };
                self.add(key.to_owned(), name.to_owned(), switch);
            } else {
                let sensor = EntityConfig { platform: "binary_sensor", device_class: Some(class), ..common };
                self.add(format!("{key}_on"), name.to_owned(), sensor);
            }
        }
        if has_control {
            let button = EntityConfig {
                platform: "button",
                icon: Some("mdi:camera"),
                command_topic: Some(self.topics.own("snapshot/set")),
                payload_press: Some("PRESS"),
                ..EntityConfig::default()
            };
            self.add(String::from("snapshot"), String::from("Take snapshot"), button);
        }
        if facts.has_picture {
            let image = EntityConfig {
                platform: "image",
                image_topic: Some(self.topics.own("picture")),
                content_type: Some("image/jpeg"),
                ..EntityConfig::default()
            };
            self.add(String::from("picture"), String::from("Last snapshot"), image);
        }
        self.add_light(facts, has_control);
    }

    fn add_light(&mut self, facts: &Facts, has_control: bool) {
        let Some(light) = &facts.light else { return };
        let topic = self.topics.own("light");
        let name = String::from("Light");
        if has_control {
            let switched = EntityConfig {
                platform: "light",
                schema: Some("json"),
                command_topic: Some(format!("{topic}/set")),
                state_topic: Some(topic),
                supported_color_modes: Some([color_mode(light)]),
                brightness: light.color().map(|_| true),
                ..EntityConfig::default()
            };
            self.add(String::from("light"), name, switched);
        } else {
            let shown = EntityConfig {
                platform: "binary_sensor",
                device_class: Some("light"),
                json_attributes_topic: Some(topic.clone()),
                state_topic: Some(topic),
                value_template: Some(String::from("{{ value_json.state }}")),
                ..EntityConfig::default()
            };
            self.add(String::from("light_on"), name, shown);
        }
    }

    /// Problem, counting, frame rate, version.
    fn add_state(&mut self) {
        let topic = self.topics.own("state");
        let diagnostic = |platform, template: &str| EntityConfig {
            platform,
            entity_category: Some("diagnostic"),
            state_topic: Some(topic.clone()),
            value_template: Some(template.to_owned()),
            ..EntityConfig::default()
        };
        let problem = EntityConfig {
            device_class: Some("problem"),
            json_attributes_topic: Some(topic.clone()),
            json_attributes_template: Some(
                "{{ {'headline': value_json.headline, 'reason': value_json.reason, \
                 'hint': value_json.hint} | tojson }}",
            ),
            ..diagnostic("binary_sensor", "{{ 'ON' if value_json.problem else 'OFF' }}")
        };
        self.add(String::from("problem"), String::from("Problem"), problem);
        let counting = EntityConfig {
            device_class: Some("enum"),
            options: Some(COUNTING),
            ..diagnostic("sensor", "{{ value_json.counting }}")
        };
        self.add(String::from("counting"), String::from("Counting"), counting);
        let fps = EntityConfig {
            state_class: Some("measurement"),
            unit_of_measurement: Some("fps"),
            ..diagnostic("sensor", "{{ value_json.fps }}")
        };
        self.add(String::from("fps"), String::from("Frame rate"), fps);
        let update = EntityConfig {
            platform: "update",
            device_class: Some("firmware"),
            entity_category: Some("diagnostic"),
            state_topic: Some(self.topics.own("update")),
            release_url: Some(RELEASES),
            ..EntityConfig::default()
        };
        self.add(String::from("update"), String::from("Update"), update);
    }
}
