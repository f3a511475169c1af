//! The old addresses of lens, light and picture, byte for byte, on machines with and without a lens and a light. An
//! absent device is reported before any other error. `tests/outsiders/old_clients.rs` tests the changes.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use serde_json::{Value, json};

const NUMBER: &str = "value is not a number";
const DIRECTION: &str = "direction is neither a number nor + nor -";

/// Answers without a lens, or without a light.
const AUTOFOCUS: &str = "Autofocus not supported";
const FOCUS: &str = "Changing focus not supported";
const LIGHT: &str = "Changing light not supported";
const BRIGHTNESS: &str = "Changing brightness not supported";
const COLORS: &str = "Changing color not supported";

/// An address; its error if the device is present, `None` if the request succeeds; its error if the device is absent.
const LENS: &[(&str, Option<&str>, &str)] = &[
    ("/autofocus?status=true", None, AUTOFOCUS),
    ("/autofocus?status=false", None, AUTOFOCUS),
    ("/autofocus?status=true&_=17&123", None, AUTOFOCUS),
    ("/autofocus", None, AUTOFOCUS),
    ("/autofocus?status", None, AUTOFOCUS),
    ("/autofocus?status=", None, AUTOFOCUS),
    ("/autofocus?status=True", None, AUTOFOCUS),
    ("/autofocus?status=NaN", None, AUTOFOCUS),
    ("/autofocus?Status=true", None, AUTOFOCUS),
    ("/autofocus?status=true&status=true", None, AUTOFOCUS),
    ("/set_focus?value=0.25", None, FOCUS),
    ("/set_focus?value=0&unknown=1", None, FOCUS),
    ("/set_focus?value=1", None, FOCUS),
    ("/set_focus", Some(NUMBER), FOCUS),
    ("/set_focus?value=", Some(NUMBER), FOCUS),
    ("/set_focus?value=NaN", Some(NUMBER), FOCUS),
    ("/set_focus?value=-inf", None, FOCUS),
    ("/set_focus?value=1.0001", None, FOCUS),
    ("/set_focus?value=-0.1", None, FOCUS),
    ("/set_focus?value=1e400", None, FOCUS),
    ("/set_focus?value=half", Some(NUMBER), FOCUS),
    ("/set_focus?value=0.1&value=0.1", None, FOCUS),
    ("/step_focus?direction=-", None, FOCUS),
    ("/step_focus?direction=+", None, FOCUS),
    ("/step_focus?direction=%2B", None, FOCUS),
    ("/step_focus", Some(DIRECTION), FOCUS),
    ("/step_focus?direction=", Some(DIRECTION), FOCUS),
    ("/step_focus?direction=up", Some(DIRECTION), FOCUS),
    ("/step_focus?direction=--", Some(DIRECTION), FOCUS),
    ("/step_focus?direction=-&direction=+", None, FOCUS),
];

/// The same for the light.
const LAMP: &[(&str, Option<&str>, &str)] = &[
    ("/light?status=false", None, LIGHT),
    ("/light?status=true", None, LIGHT),
    ("/light?status=false&_=17", None, LIGHT),
    ("/light", None, LIGHT),
    ("/light?status=", None, LIGHT),
    ("/light?status=1", None, LIGHT),
    ("/light?status=false&status=true", None, LIGHT),
    ("/set_brightness?value=0", None, BRIGHTNESS),
    ("/set_brightness?value=255", None, BRIGHTNESS),
    ("/set_brightness", Some(NUMBER), BRIGHTNESS),
    ("/set_brightness?value=", Some(NUMBER), BRIGHTNESS),
    ("/set_brightness?value=256", None, BRIGHTNESS),
    ("/set_brightness?value=99999999999999999999", None, BRIGHTNESS),
    ("/set_brightness?value=-1", None, BRIGHTNESS),
    ("/set_brightness?value=NaN", Some(NUMBER), BRIGHTNESS),
    ("/set_brightness?value=1&value=2", None, BRIGHTNESS),
    ("/set_color?value=FF8000", None, COLORS),
    ("/set_color?value=ff8000", None, COLORS),
    ("/set_color", None, COLORS),
    ("/set_color?value=", None, COLORS),
    ("/set_color?value=NaN", None, COLORS),
    ("/set_color?value=FF80000", None, COLORS),
    ("/set_color?value=FF8000&value=0000FF", None, COLORS),
];

/// Requests that every machine can carry out.
const PICTURE: &[(&str, Option<&str>, &str)] = &[
    ("/grayscale?status=false", None, ""),
    ("/grayscale?status=true", None, ""),
    ("/grayscale", None, ""),
    ("/grayscale?status=", None, ""),
    ("/grayscale?status=NaN", None, ""),
    ("/grayscale?status=true&status=false", None, ""),
    ("/resolution?status=false", None, ""),
    ("/resolution?status=true&unknown=", None, ""),
    ("/resolution?status=2", None, ""),
    ("/resolution?status=true&status=true", None, ""),
];

/// The program on the simulation, with this lens and this light.
fn start(lens: &str, light: &str) -> Daemon {
    let (lens, light) = (format!("lens.kind={lens}"), format!("lights.kind={light}"));
    let sets = ["source.kind=sim", "source.width=320", "source.height=240", "detect.backend=none"];
    let sets = sets.into_iter().chain([lens.as_str(), light.as_str(), "lights.device=/dev/spidev6.3"]);
    let arguments: Vec<&str> = sets.flat_map(|set| ["--set", set]).collect();
    Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments)
}

/// Sends the requests of a table.
fn sweep(daemon: &Daemon, machine: &str, table: &[(&str, Option<&str>, &str)], is_there: bool) {
    for &(path, unclear, absent) in table {
        let answer = client::get(daemon.address, path);
        let want = match (is_there, unclear) {
            (false, _) => (403, absent),
            (true, None) => (200, "200"),
            (true, Some(words)) => (400, words),
        };
        assert_eq!((answer.status, answer.text()), want, "{machine}: {path}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{machine}: {path}");
    }
}

fn patch(daemon: &Daemon, path: &str, body: &Value) -> u16 {
    client::send_json(daemon.address, "PATCH", path, body).status
}

#[test]
fn answers_about_lens_and_light_depend_only_on_their_presence() {
    for (lens, light) in [("auto", "none"), ("none", "sim"), ("auto", "sim"), ("none", "none")] {
        let daemon = start(lens, light);
        let machine = format!("lens {lens}, light {light}");
        sweep(&daemon, &machine, LENS, lens == "auto");
        sweep(&daemon, &machine, LAMP, light == "sim");
        sweep(&daemon, &machine, PICTURE, true);
        // The API checks in the same order.
        for (path, wrong, is_there) in [
            ("/api/v1/lens", json!({"position": 7}), lens == "auto"),
            ("/api/v1/lens", json!({"position": 0.5, "step": 0.5}), lens == "auto"),
            ("/api/v1/light", json!({"brightness": 700}), light == "sim"),
        ] {
            assert_eq!(patch(&daemon, path, &wrong), if is_there { 400 } else { 403 }, "{machine}: {path}");
        }
    }
}

#[test]
fn a_strip_that_cannot_be_opened_is_reported_with_a_hint_and_stops_nothing_else() {
    let daemon = start("auto", "spi");
    let light = || client::get(daemon.address, "/api/v1/light").json();
    wait_until("it says why", || !light()["reason"].is_null());
    let refused = light();
    assert!(refused["reason"].as_str().unwrap().contains("/dev/spidev6.3"), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("dtparam=spi=on"), "{refused}");
    // Settings are stored for the time when the strip is present.
    sweep(&daemon, "a strip that is not there", LAMP, true);
    sweep(&daemon, "a strip that is not there", LENS, true);
    sweep(&daemon, "a strip that is not there", PICTURE, true);
    // The command reports it, and fails.
    let listen = format!("http.listen=[\"{}\"]", daemon.address);
    let on = Command::new(env!("CARGO_BIN_EXE_tallycam")).args(["light", "on", "--set", &listen]).output();
    let (code, out, err) = crate::common::items::output_of(&on.unwrap());
    assert!(code == 1 && out.contains("fault: ") && out.contains("/dev/spidev6.3"), "{code}: {out}{err}");
    let now = light();
    assert_eq!((&now["reason"], &now["hint"]), (&refused["reason"], &refused["hint"]));
    let found = client::get(daemon.address, "/api/v1/diagnosis").json();
    let found =
        found["items"].as_array().unwrap().iter().find(|item| item["name"] == "light").unwrap().clone();
    assert!(found.to_string().contains("/dev/spidev6.3") && found.to_string().contains("dtparam"), "{found}");
    assert_eq!(client::get(daemon.address, "/snapshot").status, 200);
    assert_eq!(client::get(daemon.address, "/health").text(), "True");
}
