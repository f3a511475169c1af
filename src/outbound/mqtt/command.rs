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
            if api.read("/api/v1/recording").await?["recording"] == true {
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

async fn call(
    api: &ApiCaller,
    method: &'static str,
    address: &str,
    json: Option<&Value>,
) -> Result<(), Fault> {
    let reply = api.call(method, address, json).await.map_err(|error| Fault::passing(error.to_string()))?;
    if reply.is_success() { Ok(()) } else { Err(Fault::passing(reply.refusal())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use tokio::task::LocalSet;

    use super::*;
    use crate::outbound::api;
    use crate::outbound::mqtt::samples::topics;

    fn read(name: &str, payload: &[u8]) -> Result<MqttCommand, Fault> {
        parse(&topics(), &format!("tallycam/door/{name}"), payload)
    }

    fn patch(payload: &str) -> Value {
        match read("light/set", payload.as_bytes()) {
            Ok(MqttCommand::Light(sent)) => sent.patch(),
            other => panic!("{payload}: {other:?}"),
        }
    }

    #[test]
    fn commands_need_control() {
        let own = |name: &str| format!("tallycam/door/{name}");
        let mut topics = topics();
        assert_eq!(subscriptions(&topics, false), ["homeassistant/status"]);
        let all = ["light/set", "recording/set", "camera/set", "snapshot/set"].map(own);
        assert_eq!(
            subscriptions(&topics, true),
            [&all[..], &[String::from("homeassistant/status")]].concat()
        );
        topics.discovery.clear();
        assert_eq!(subscriptions(&topics, false), [""; 0]);
        assert_eq!(subscriptions(&topics, true), all);
    }

    #[test]
    fn home_assistant_says_that_it_is_there() {
        assert!(is_home_assistant_up(&topics(), "homeassistant/status", b"online"));
        assert!(!is_home_assistant_up(&topics(), "homeassistant/status", b"offline"));
        assert!(!is_home_assistant_up(&topics(), "tallycam/door/status", b"online"));
        let without = Topics { discovery: String::new(), ..topics() };
        assert!(!is_home_assistant_up(&without, "/status", b"online"));
    }

    #[test]
    fn a_light_takes_brightness_and_color_at_once() {
        for (payload, change) in [
            ("ON", json!({"on": true})),
            (" OFF\n", json!({"on": false})),
            (r#"{"state":"OFF"}"#, json!({"on": false})),
            (r#"{"state":"ON","brightness":7}"#, json!({"on": true, "brightness": 7})),
            (
                r#"{"state":"ON","brightness":255,"color":{"r":255,"g":128,"b":0},"transition":2}"#,
                json!({"on": true, "brightness": 255, "color": "FF8000"}),
            ),
            (r#"{"color":{"r":1,"g":2,"b":3,"x":0.3}}"#, json!({"color": "010203"})),
        ] {
            assert_eq!(patch(payload), change, "{payload}");
        }
    }

    #[test]
    fn switches_and_the_button_take_their_words() {
        for (name, payload, command) in [
            ("recording/set", "ON", MqttCommand::Recording(true)),
            ("recording/set", "OFF", MqttCommand::Recording(false)),
            ("camera/set", "ON", MqttCommand::Camera(true)),
            ("camera/set", "OFF", MqttCommand::Camera(false)),
            ("snapshot/set", "PRESS", MqttCommand::Snapshot),
        ] {
            assert_eq!(read(name, payload.as_bytes()), Ok(command), "{name} {payload}");
        }
    }

    #[test]
    fn nonsense_is_refused_in_words() {
        let long = format!("{{\"state\":\"ON\",\"x\":\"{}\"}}", "y".repeat(LONGEST));
        let deep = "[".repeat(1000);
        for (name, payload) in [
            ("light/set", &b""[..]),
            ("light/set", b"on"),
            ("light/set", b"{}"),
            ("light/set", b"{"),
            ("light/set", b"null"),
            ("light/set", b"[\"ON\"]"),
            ("light/set", br#"{"state":"on"}"#),
            ("light/set", br#"{"state":true}"#),
            ("light/set", br#"{"brightness":256}"#),
            ("light/set", br#"{"brightness":-1}"#),
            ("light/set", br#"{"brightness":1.5}"#),
            ("light/set", br#"{"brightness":"NaN"}"#),
            ("light/set", br#"{"color":{"r":1,"g":2}}"#),
            ("light/set", br#"{"color":{"r":1,"g":2,"b":300}}"#),
            ("light/set", br#"{"color":"FF0000"}"#),
            ("light/set", b"\xff\xfe"),
            ("light/set", long.as_bytes()),
            ("light/set", deep.as_bytes()),
            ("recording/set", b""),
            ("recording/set", b"1"),
            ("recording/set", b"true"),
            ("recording/set", b"ON OFF"),
            ("camera/set", b"PRESS"),
            ("camera/set", b"\0ON"),
            ("snapshot/set", b"ON"),
            ("snapshot/set", b""),
        ] {
            let fault = read(name, payload).unwrap_err();
            assert!(fault.what.contains(name) && fault.what.contains("which is not"), "{fault}");
            assert!(fault.what.len() < 400, "{fault}");
        }
        for topic in
            ["tallycam/door/reboot/set", "tallycam/doors/camera/set", "camera/set", "", "tallycam/door"]
        {
            let fault = parse(&topics(), topic, b"ON").unwrap_err();
            assert_eq!(fault.what, format!("{topic} is no topic of a command"));
        }
    }

    /// Carries out a command with an API that answers `status` and `body` to everything. Returns the calls, each as
    /// `NAME METHOD ADDRESS BODY`, and the outcome.
    async fn acted(
        name: &str,
        payload: &str,
        status: u16,
        body: &'static str,
    ) -> (Vec<String>, Result<(), Fault>) {
        let (caller, mut calls) = api::channel();
        let topic = format!("tallycam/door/{name}");
        let payload = payload.as_bytes().to_vec();
        let tasks = LocalSet::new();
        let acting = tasks.run_until(async move {
            let named = caller.named("mqtt");
            drop(caller);
            let acting =
                tokio::task::spawn_local(async move { act(&named, &topics(), &topic, &payload).await });
            let mut seen = Vec::new();
            while let Some(call) = calls.recv().await {
                let sent = String::from_utf8(call.body.to_vec()).unwrap();
                seen.push(
                    format!("{} {} {} {sent}", call.name, call.method, call.address).trim_end().to_owned(),
                );
                call.answer(status, Bytes::from_static(body.as_bytes()));
            }
            (seen, acting.await.unwrap())
        });
        acting.await
    }

    #[tokio::test]
    async fn commands_are_calls_of_the_api() {
        for (name, payload, expected) in [
            (
                "light/set",
                r#"{"state":"ON","brightness":9}"#,
                &[r#"PATCH /api/v1/light {"brightness":9,"on":true}"#][..],
            ),
            ("recording/set", "ON", &["GET /api/v1/recording", "POST /api/v1/recordings"]),
            ("recording/set", "OFF", &["POST /api/v1/recording/stop"]),
            ("camera/set", "ON", &["POST /api/v1/resume"]),
            ("camera/set", "OFF", &["POST /api/v1/pause"]),
            ("snapshot/set", "PRESS", &["POST /api/v1/snapshots"]),
            ("camera/set", "nonsense", &[]),
        ] {
            let (calls, outcome) = acted(name, payload, 200, r#"{"recording":false}"#).await;
            let expected: Vec<String> = expected.iter().map(|call| format!("mqtt {call}")).collect();
            assert_eq!((calls, outcome.is_ok()), (expected, payload != "nonsense"), "{name} {payload}");
        }
    }

    #[tokio::test]
    async fn a_recording_that_runs_goes_on() {
        let (calls, outcome) = acted("recording/set", "ON", 200, r#"{"recording":true}"#).await;
        assert_eq!((calls, outcome), (vec![String::from("mqtt GET /api/v1/recording")], Ok(())));
    }

    #[tokio::test]
    async fn a_refusal_keeps_the_words_of_the_api() {
        let body = r#"{"detail":"there is no light","hint":"set one"}"#;
        let (_, outcome) = acted("light/set", "ON", 409, body).await;
        assert_eq!(outcome.unwrap_err().what, "there is no light: set one");
    }
}
