//! Commands that arrive by MQTT, carried out by the service's own API.

use serde::Deserialize;
use serde_json::{Value, json};

use super::topics::Topics;
use crate::outbound::api::ApiCaller;
use tallycam_base::{Fault, FaultKind};

/// Topics of commands below the camera's own.
const COMMANDS: [&str; 4] = ["light/set", "recording/set", "camera/set", "snapshot/set"];

/// Longest payload of a command in bytes.
const LONGEST: usize = 1024;

/// The topics to subscribe to, besides `replay/set`.
pub(super) fn subscriptions(topics: &Topics, has_control: bool) -> Vec<String> {
    let commands = COMMANDS.iter().filter(|_| has_control).map(|name| topics.own(name));
    commands.chain(topics.home_assistant()).collect()
}

/// True for the message of Home Assistant's start. Everything is published again then.
pub(super) fn is_home_assistant_up(topics: &Topics, topic: &str, payload: &[u8]) -> bool {
    topics.home_assistant().as_deref() == Some(topic) && payload == b"online"
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MqttCommand {
    Light(LightCommandSent),
    /// True begins a recording.
    Recording(bool),
    /// False pauses the camera.
    Camera(bool),
    Snapshot,
}

/// Home Assistant's JSON for a light. Other keys, such as `transition`, change nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct LightCommandSent {
    state: Option<SwitchWord>,
    brightness: Option<u8>,
    color: Option<ColorSent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum SwitchWord {
    On,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct ColorSent {
    r: u8,
    g: u8,
    b: u8,
}

impl LightCommandSent {
    /// The change for `/api/v1/light`.
    fn patch(&self) -> Value {
        let mut patch = json!({});
        if let Some(state) = self.state {
            patch["on"] = json!(state == SwitchWord::On);
        }
        if let Some(brightness) = self.brightness {
            patch["brightness"] = json!(brightness);
        }
        if let Some(ColorSent { r, g, b }) = self.color {
            patch["color"] = json!(format!("{r:02X}{g:02X}{b:02X}"));
        }
        patch
    }
}

/// Reads a command.
///
/// # Errors
/// The topic is none of a command, or the payload is none that it takes.
pub(super) fn parse(topics: &Topics, topic: &str, payload: &[u8]) -> Result<MqttCommand, Fault> {
    let name = topic.strip_prefix(&topics.base()).and_then(|rest| rest.strip_prefix('/'));
    let wrong = |expected: &str| {
        let given = String::from_utf8_lossy(&payload[..payload.len().min(40)]).into_owned();
        Fault::wrong(format!("{topic} got {given:?}, which is not {expected}"))
    };
    let text = std::str::from_utf8(payload).ok().filter(|text| text.len() <= LONGEST).map(str::trim);
    let switch = || match text {
        Some("ON") => Ok(true),
        Some("OFF") => Ok(false),
        _ => Err(wrong("ON or OFF")),
    };
    match name {
        Some("light/set") => light(text).map(MqttCommand::Light).ok_or_else(|| {
            wrong("ON, OFF or JSON such as {\"state\":\"ON\",\"brightness\":128,\"color\":{\"r\":255,\"g\":0,\"b\":0}}")
        }),
        Some("recording/set") => switch().map(MqttCommand::Recording),
        Some("camera/set") => switch().map(MqttCommand::Camera),
        Some("snapshot/set") => match text {
            Some("PRESS") => Ok(MqttCommand::Snapshot),
            _ => Err(wrong("PRESS")),
        },
        _ => Err(Fault::new(FaultKind::Unknown, format!("{topic} is no topic of a command"))),
    }
}

fn light(text: Option<&str>) -> Option<LightCommandSent> {
    let switched = |state| Some(LightCommandSent { state: Some(state), ..LightCommandSent::default() });
    match text? {
        "ON" => switched(SwitchWord::On),
        "OFF" => switched(SwitchWord::Off),
        text => {
            let sent = serde_json::from_str(text).ok()?;
            (sent != LightCommandSent::default()).then_some(sent)
        }
    }
}

/// Carries out the command. `api` has the name that the audit list shows.
///
/// # Errors
/// The command makes no sense, or the service refuses it, in words.
pub(super) async fn act(api: &ApiCaller, topics: &Topics, topic: &str, payload: &[u8]) -> Result<(), Fault> {
    match parse(topics, topic, payload)? {
        MqttCommand::Light(sent) => call(api, "PATCH", "/api/v1/light", Some(&sent.patch())).await,
        MqttCommand::Recording(true) => {
            if is_recording(api).await? {
                // A switch that is on already.
                return Ok(());
            }
            call(api, "POST", "/api/v1/recordings", None).await
        }
        MqttCommand::Recording(false) => call(api, "POST", "/api/v1/recording/stop", None).await,
        MqttCommand::Camera(true) => call(api, "POST", "/api/v1/resume", None).await,
        MqttCommand::Camera(false) => call(api, "POST", "/api/v1/pause", None).await,
        MqttCommand::Snapshot => call(api, "POST", "/api/v1/snapshots", None).await,
    }
}

async fn is_recording(api: &ApiCaller) -> Result<bool, Fault> {
    let reply = api.get("/api/v1/recording").await.map_err(|error| Fault::passing(error.to_string()))?;
    Ok(reply.json()["recording"] == true)
}

async fn call(
    api: &ApiCaller,
    method: &'static str,
    address: &str,
    json: Option<&Value>,
) -> Result<(), Fault> {
    let reply = api.call(method, address, json).await.map_err(|error| Fault::passing(error.to_string()))?;
    if reply.is_success() { Ok(()) } else { Err(Fault::passing(reply.refusal())) }
}
