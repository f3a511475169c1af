//! Restarting and switching off the machine, over sockets: rights, orderly shutdown, and answers. The machine is a
//! stand-in that records its commands.

use std::sync::{Arc, Mutex};

use crate::common::client::{Answer, send_json};
use crate::common::kept::{Kept, keep_by};
use crate::common::testcam::TestCam;
use serde_json::{Value, json};
use tallycam::base::Fault;
use tallycam::http::{self, Power, PowerAction, not_switched};
use tallycam::pipeline::RecorderHandle;
use tallycam::pipeline::recording::RecorderSettings;

/// Records the command, and whether a recording is under way at that time.
#[derive(Debug, Default)]
struct StandIn {
    calls: Mutex<Vec<(PowerAction, bool)>>,
    clock: Mutex<Vec<u64>>,
    refuses: bool,
    recorder: Mutex<Option<RecorderHandle>>,
}

impl Power for StandIn {
    fn switch(&self, action: PowerAction) -> Result<(), Fault> {
        let is_recording =
            self.recorder.lock().unwrap().as_ref().is_some_and(|recorder| recorder.status().now.is_some());
        self.calls.lock().unwrap().push((action, is_recording));
        if self.refuses {
            return Err(not_switched(action, "Access denied").hint("ask polkit"));
        }
        Ok(())
    }

    fn set_clock(&self, wall_us: u64) -> Result<(), Fault> {
        self.clock.lock().unwrap().push(wall_us);
        if self.refuses { Err(not_switched(PowerAction::Off, "Access denied")) } else { Ok(()) }
    }
}

fn machine(key: Option<&str>, refuses: bool) -> (Kept, Arc<StandIn>) {
    let stand_in = Arc::new(StandIn { refuses, ..StandIn::default() });
    let settings =
        http::ServerSettings { power_key: key.map(String::from), ..http::ServerSettings::default() };
    let power = stand_in.clone();
    let kept =
        keep_by(&TestCam::new(), settings, RecorderSettings::default(), |server| server.with_power(power));
    *stand_in.recorder.lock().unwrap() = Some(kept.recorder.clone());
    (kept, stand_in)
}

/// A request to the API from this machine itself.
fn post_power(kept: &Kept, body: &Value) -> Answer {
    send_json(kept.address, "POST", "/api/v1/power", body)
}

fn said(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.header("content-type").unwrap_or_default(), answer.text())
}

const DONE: (u16, &str, &str) = (200, "text/plain; charset=utf-8", "200");
const INVALID: (u16, &str, &str) = (401, "text/plain; charset=utf-8", "Invalid key");

#[test]
fn the_key_switches_off_and_on_again() {
    let (kept, machine) = machine(Some("k7&mq ü"), false);
    assert_eq!(said(&kept.get("/shutdown?key=k7%26mq%20%C3%BC")), DONE);
    assert_eq!(said(&kept.get("/reboot?key=k7%26mq+%C3%BC")), DONE);
    assert_eq!(*machine.calls.lock().unwrap(), [(PowerAction::Off, false), (PowerAction::Reboot, false)]);
    // The other program's address gives its original answer.
    assert_eq!(said(&kept.post("/shutdown")), (200, "text/plain; charset=utf-8", "Capture released"));
}

#[test]
fn any_other_key_is_invalid_and_without_one_every_key_is() {
    // A repeated key is ambiguous, even if both values are right.
    let (kept, unasked) = machine(Some("a"), false);
    for path in ["/shutdown?key=a&key=b", "/reboot?key=b&key=a", "/shutdown?key=a&key=a"] {
        assert_eq!(said(&kept.get(path)), INVALID, "{path}");
    }
    assert!(unasked.calls.lock().unwrap().is_empty());
    let (kept, machine) = machine(Some("k7mqx-hyetf-9rthn"), false);
    for wrong in [
        "",
        "?key=",
        "?key=k7mqx-hyetf-9rth",
        "?key=k7mqx-hyetf-9rthnx",
        "?key=K7MQX-HYETF-9RTHN",
        "?k=k7mqx-hyetf-9rthn",
    ] {
        for path in ["/shutdown", "/reboot"] {
            assert_eq!(said(&kept.get(&format!("{path}{wrong}"))), INVALID, "{path}{wrong}");
        }
        // A client that finds the key in the end is accepted again.
        assert_eq!(said(&kept.get("/reboot?key=k7mqx-hyetf-9rthn")), DONE);
    }
    assert_eq!(machine.calls.lock().unwrap().len(), 6);
    let head = kept.ask("HEAD /shutdown?key=k7mqx-hyetf-9rthn HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    assert_eq!(head.status, 405);
    let foreign = kept.ask(
        "GET /shutdown?key=k7mqx-hyetf-9rthn HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: cross-site\r\n\r\n",
    );
    assert_eq!(foreign.status, 403);
    assert_eq!(machine.calls.lock().unwrap().len(), 6);

    for key in [None, Some("")] {
        let (kept, machine) = self::machine(key, false);
        for given in ["", "?key=", "?key=userkey", "?key=None"] {
            assert_eq!(said(&kept.get(&format!("/shutdown{given}"))), INVALID, "{key:?} {given}");
        }
        assert!(machine.calls.lock().unwrap().is_empty());
    }
}

#[test]
fn keys_are_not_guessed_for_ever() {
    let (kept, machine) = machine(Some("k7mqx-hyetf-9rthn"), false);
    let answers: Vec<Answer> = (0..30).map(|n| kept.get(&format!("/shutdown?key={n}"))).collect();
    assert_eq!(said(&answers[0]), INVALID);
    let late = answers.iter().find(|answer| answer.status == 429).expect("it never has to wait");
    assert_eq!((late.text(), late.header("retry-after").is_some()), ("Invalid key", true));
    while kept.get("/shutdown?key=x").status != 429 {}
    assert_eq!(kept.get("/shutdown?key=k7mqx-hyetf-9rthn").status, 429, "not even the right one is checked");
    assert!(machine.calls.lock().unwrap().is_empty());
}

#[test]
fn a_running_recording_is_closed_before() {
    let (kept, machine) = machine(Some("k7mqx-hyetf-9rthn"), false);
    let begun = kept.json("POST", "/api/v1/recordings", &json!({"name": "last"}));
    assert_eq!(begun.status, 201, "{}", begun.text());
    assert_eq!(said(&kept.get("/shutdown?key=k7mqx-hyetf-9rthn")), DONE);
    assert_eq!(*machine.calls.lock().unwrap(), [(PowerAction::Off, false)], "(what, is still recording)");
    let items = kept.items();
    assert_eq!(items.len(), 1);
    assert!(items[0]["frames"].as_u64().unwrap() > 0, "{items:?}");
}

#[test]
fn a_refusal_of_the_machine_is_reported_in_the_old_words_and_with_its_reason_by_the_api() {
    let (kept, _machine) = machine(Some("k7mqx-hyetf-9rthn"), true);
    let words = |words| (500, "text/plain; charset=utf-8", words);
    assert_eq!(said(&kept.get("/shutdown?key=k7mqx-hyetf-9rthn")), words("Error with shutdown"));
    assert_eq!(said(&kept.get("/reboot?key=k7mqx-hyetf-9rthn")), words("Error with reboot"));
    let answer = post_power(&kept, &json!({"action": "off"}));
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["detail"], "the machine could not be switched off: Access denied");
    assert_eq!(answer.json()["hint"], "ask polkit");
}

#[test]
fn the_api_reports_its_action() {
    let (kept, machine) = machine(None, false);
    for action in ["off", "reboot"] {
        let answer = post_power(&kept, &json!({"action": action}));
        assert_eq!((answer.status, answer.json()), (202, json!({"action": action})));
    }
    for wrong in [json!({}), json!({"action": "on"}), json!({"action": "off", "key": "x"}), json!(["off"])] {
        let answer = post_power(&kept, &wrong);
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text());
    }
    for (wrong, field, range, given) in [
        (json!({"action": "x"}), "action", "one of off, reboot", json!("x")),
        (json!({"action": null}), "action", "one of off, reboot", Value::Null),
        (json!({}), "action", "one of off, reboot", Value::Null),
        (json!({"action": "off", "key": 7}), "key", "one of action", json!("***")),
        (json!(null), "body", "an object of keys and values", Value::Null),
        (json!(1), "body", "an object of keys and values", Value::Null),
    ] {
        let problem = post_power(&kept, &wrong).json();
        let explained = (&problem["field"], &problem["range"], &problem["given"]);
        assert_eq!(explained, (&json!(field), &json!(range), &given), "{wrong}: {problem}");
    }
    assert_eq!(machine.calls.lock().unwrap().len(), 2);
}

#[test]
fn without_a_password_only_the_machine_itself_may_switch_it_off() {
    let (kept, machine) = machine(Some("k7mqx-hyetf-9rthn"), false);
    // Not by a foreign name that resolves to this machine, as a proxy's visitors come.
    let answer = kept.json("POST", "/api/v1/power", &json!({"action": "off"}));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(machine.calls.lock().unwrap().is_empty());
    assert_eq!(post_power(&kept, &json!({"action": "off"})).status, 202);
}

#[test]
fn the_clock_of_a_machine_without_a_time_server_is_set() {
    let (kept, machine) = machine(None, false);
    let set = |time: &str| send_json(kept.address, "POST", "/api/v1/clock", &json!({"time": time}));
    for wrong in ["", "soon", "1970-01-02T00:00:00Z", "2025-12-31T12:00:00Z"] {
        let answer = set(wrong);
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text());
    }
    assert_eq!(kept.ask("GET /api/v1/clock HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 405);
    // The network may keep the clock of the machine that runs this test: then it is left alone.
    let is_kept = tallycam::base::clock::is_set_by_network();
    let answer = set("2026-11-30T14:02:37Z");
    assert_eq!(answer.status, if is_kept { 409 } else { 204 }, "{}", answer.text());
    let wanted = if is_kept { vec![] } else { vec![1_796_047_357_000_000] };
    assert_eq!(*machine.clock.lock().unwrap(), wanted);
    let beyond = "POST /api/v1/clock HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\nContent-Type: \
        application/json\r\nContent-Length: 32\r\n\r\n{\"time\": \"2026-11-30T14:02:37Z\"}";
    let answer = kept.ask(beyond);
    assert_eq!(answer.status, 403, "without a password only the machine itself: {}", answer.text());
}
