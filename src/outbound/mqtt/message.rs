//! A message for the broker.

use serde::Serialize;

/// A message for the broker, always with QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MqttMessage {
    pub(super) topic: String,
    /// Empty and retained: the broker forgets the topic.
    pub(super) payload: Vec<u8>,
    pub(super) is_retained: bool,
}

impl MqttMessage {
    /// A message that the broker does not keep.
    pub(super) fn passing(topic: String, payload: Vec<u8>) -> MqttMessage {
        MqttMessage { topic, payload, is_retained: false }
    }

    /// A retained message with text.
    pub(super) fn retained(topic: String, payload: impl Into<Vec<u8>>) -> MqttMessage {
        MqttMessage { topic, payload: payload.into(), is_retained: true }
    }

    /// A retained message with JSON.
    pub(super) fn retained_json(topic: String, value: &impl Serialize) -> MqttMessage {
        MqttMessage::retained(topic, json(value))
    }

    /// The message that makes the broker forget `topic`.
    pub(super) fn emptied(topic: String) -> MqttMessage {
        MqttMessage::retained(topic, Vec::new())
    }
}

/// `value` as JSON. Strings, numbers and maps with text as keys: this cannot fail.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
