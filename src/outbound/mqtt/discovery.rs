//! The camera's device in Home Assistant: one retained message that names its entities, and the way to remove them.
//!
//! Home Assistant keeps an entity that is only left out. It removes one that is first named with its platform alone.
//! [`Published`] remembers the announced ones, across restarts too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entity::{self, EntityConfig, MOST};
use super::facts::Facts;
use super::message::MqttMessage;
use super::topics::{OTHERS_RETAINED, Topics, own};

/// The broker's memory of this camera. The caller keeps a changed one once the broker has acknowledged all messages
/// that came with it: a message that was lost is made again then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Published {
    /// The topic of the device; empty if none is announced.
    topic: String,
    /// The announced components: key and platform.
    components: BTreeMap<String, String>,
    /// `PREFIX/ID` of the retained topics.
    base: String,
    /// Names of the retained topics below `base`, but for [`OTHERS_RETAINED`].
    retained: BTreeSet<String>,
}

/// Home Assistant's message about a device. It refuses the whole device for a further key at this place.
#[derive(Serialize)]
struct DeviceMessage<'a> {
    device: DeviceAbout<'a>,
    origin: OriginAbout<'a>,
    availability_topic: String,
    components: BTreeMap<&'a str, ComponentMessage<'a>>,
}

#[derive(Serialize)]
struct DeviceAbout<'a> {
    identifiers: [String; 1],
    name: &'a str,
    manufacturer: &'static str,
    model: &'static str,
    sw_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_url: Option<&'a str>,
}

#[derive(Serialize)]
struct OriginAbout<'a> {
    name: &'static str,
    sw_version: &'a str,
    support_url: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ComponentMessage<'a> {
    Announced(&'a EntityConfig),
    Removed(BTreeMap<&'static str, &'a str>),
}

/// The messages that announce the camera, remove what is no longer there, and empty retained topics that nobody writes
/// any more. They go out in this order: two may have the same topic. `states`: [`super::state`]'s messages.
pub(super) fn messages(
    topics: &Topics,
    facts: &Facts,
    states: &[MqttMessage],
    published: &mut Published,
    has_control: bool,
) -> Vec<MqttMessage> {
    let mut messages = Vec::new();
    let topic = topics.device_config().unwrap_or_default();
    if topic != published.topic {
        messages.extend(removal(published));
        (published.topic, published.components) = (topic, BTreeMap::new());
    }
    if !published.topic.is_empty() {
        let entities = entity::all(topics, facts, has_control);
        let missing = std::mem::take(&mut published.components)
            .into_iter()
            .filter(|(key, platform)| entities.get(key).is_none_or(|now| now.platform != platform));
        // Lines that cannot be read now were not deleted.
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            missing.partition(|(key, _)| is_unread(facts, key));
        if !gone.is_empty() {
            messages.push(device(topics, facts, published, &entities, &gone));
        }
        messages.push(device(topics, facts, published, &entities, &BTreeMap::new()));
        published.components = kept;
        let announced = entities.into_iter().map(|(key, entity)| (key, entity.platform.to_owned()));
        published.components.extend(announced);
    }
    messages.extend(abandoned(topics, facts, states, published));
    messages
}

/// True for a component, or a topic, of lines or zones that cannot be read now.
fn is_unread(facts: &Facts, key: &str) -> bool {
    (facts.lines.is_none() && key.starts_with("line")) || (facts.zones.is_none() && key.starts_with("zone"))
}

fn device(
    topics: &Topics,
    facts: &Facts,
    published: &Published,
    entities: &BTreeMap<String, EntityConfig>,
    gone: &BTreeMap<String, String>,
) -> MqttMessage {
    let removed = gone
        .iter()
        .map(|(key, platform)| (key.as_str(), ComponentMessage::Removed(EntityConfig::removed(platform))));
    let announced = entities.iter().map(|(key, entity)| (key.as_str(), ComponentMessage::Announced(entity)));
    let sw_version = &facts.state.version;
    let message = DeviceMessage {
        device: DeviceAbout {
            identifiers: [format!("tallycam_{}", topics.id)],
            name: &facts.state.name,
            manufacturer: "tallycam",
            model: "tallycam",
            sw_version,
            // Home Assistant refuses the whole device for another scheme.
            configuration_url: Some(facts.page.as_str())
                .filter(|page| page.starts_with("http://") || page.starts_with("https://")),
        },
        origin: OriginAbout {
            name: "tallycam",
            sw_version,
            support_url: "https://github.com/tallycam/tallycam",
        },
        availability_topic: topics.own("availability"),
        components: announced.chain(removed).collect(),
    };
    MqttMessage::retained_json(published.topic.clone(), &message)
}

/// The warning that Home Assistant does not get all lines and zones, in words.
pub(super) fn warning(facts: &Facts) -> Option<String> {
    let (lines, zones) = (facts.lines.as_ref().map_or(0, Vec::len), facts.zones.as_ref().map_or(0, Vec::len));
    let left_out = lines.saturating_sub(MOST) + zones.saturating_sub(MOST);
    (left_out > 0).then(|| {
        format!("Home Assistant gets the first {MOST} lines and zones, and {left_out} more are left out")
    })
}

/// Empties the retained topics that are written no more.
fn abandoned(
    topics: &Topics,
    facts: &Facts,
    states: &[MqttMessage],
    published: &mut Published,
) -> Vec<MqttMessage> {
    let mut emptied = Vec::new();
    let base = topics.base();
    if published.base != base {
        emptied = retained(published);
        (published.base, published.retained) = (base, BTreeSet::new());
    }
    let skip = published.base.len() + 1;
    let written = states.iter().filter_map(|message| message.topic.get(skip..).map(str::to_owned));
    let written: BTreeSet<String> = written.collect();
    let (kept, gone): (BTreeSet<String>, BTreeSet<String>) = std::mem::take(&mut published.retained)
        .into_iter()
        .partition(|name| written.contains(name) || is_unread(facts, name));
    emptied.extend(gone.iter().map(|name| MqttMessage::emptied(topics.own(name))));
    published.retained = kept;
    published.retained.extend(written);
    emptied
}

/// Empties all retained topics of `published`.
fn retained(published: &Published) -> Vec<MqttMessage> {
    let others = OTHERS_RETAINED.iter().copied().filter(|_| !published.base.is_empty());
    let names = published.retained.iter().map(String::as_str).chain(others);
    names.map(|name| MqttMessage::emptied(own(&published.base, name))).collect()
}

/// The message that removes the device with all its entities; none if nothing was announced. It may be sent only once:
/// Home Assistant warns of a device that it does not know.
pub(super) fn removal(published: &Published) -> Vec<MqttMessage> {
    let topic = Some(&published.topic).filter(|topic| !topic.is_empty());
    topic.map(|topic| MqttMessage::emptied(topic.clone())).into_iter().collect()
}

/// Removes everything that the broker keeps of this camera.
pub(super) fn forget(topics: &Topics, published: &Published) -> Vec<MqttMessage> {
    let mut published = published.clone();
    if published.base.is_empty() {
        // Only `online` was said yet.
        published.base = topics.base();
    }
    removal(&published).into_iter().chain(retained(&published)).collect()
}

#[cfg(test)]
mod tests;
