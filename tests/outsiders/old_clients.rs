//! The clients of the Flask programs: the effect of each of their parameters.

use std::process::Command;

use serde_json::Value;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::row;

/// Requests `path`, then reads `pointer` of `state` until it is `wanted`, because a lens takes time; returns both.
fn after(daemon: &Daemon, path: &str, state: &str, pointer: &str, wanted: &Value) -> String {
    let answer = client::get(daemon.address, path);
    let body = if answer.status == 200 { answer.text().to_owned() } else { answer.status.to_string() };
    let mut value = Value::Null;
    for _ in 0..50 {
        value = client::get(daemon.address, state).json().pointer(pointer).cloned().unwrap_or_default();
        if same(&value, wanted) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(same(&value, wanted), "{path}: {pointer} of {state} is {value}, not {wanted}");
    body
}

fn same(value: &Value, wanted: &Value) -> bool {
    match (value.as_f64(), wanted.as_f64()) {
        (Some(value), Some(wanted)) => (value - wanted).abs() < 0.005,
        _ => value == wanted,
    }
}

#[test]
fn parameters_of_the_flask_programs() {
    let sets = [
        "source.kind=sim",
        "source.width=320",
        "source.height=240",
        "detect.backend=none",
        "lens.kind=sim",
        "lights.kind=sim",
    ];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let (lens, light) = ("/api/v1/lens", "/api/v1/light");
    let set = |value: f64| client::get(daemon.address, &format!("/set_focus?value={value}"));
    for (path, state, pointer, wanted) in [
        ("/light?status=false", light, "/on", Value::from(true)),
        ("/light?status=TRUE", light, "/on", Value::from(false)),
        ("/light?status=False", light, "/on", Value::from(true)),
        ("/light?status=1", light, "/on", Value::from(true)),
        ("/light?status=", light, "/on", Value::from(true)),
        ("/light", light, "/on", Value::from(true)),
        ("/autofocus?status=False", lens, "/auto", Value::from(true)),
        ("/autofocus?status=off", lens, "/auto", Value::from(true)),
        ("/autofocus?status=True", lens, "/auto", Value::from(false)),
        ("/set_focus?value=0.25", lens, "/position", Value::from(0.25)),
        ("/set_focus?value=7", lens, "/position", Value::from(1.0)),
        ("/set_focus?value=-0.5", lens, "/position", Value::from(0.0)),
        ("/set_focus?value=inf", lens, "/position", Value::from(1.0)),
        ("/set_focus?value=half", lens, "/position", Value::from(1.0)),
        ("/set_brightness?value=99.9", light, "/brightness", Value::from(99)),
        ("/set_brightness?value=256", light, "/brightness", Value::from(99)),
        ("/set_brightness?value=-1", light, "/brightness", Value::from(99)),
        ("/set_brightness?value=-0.5", light, "/brightness", Value::from(0)),
        ("/set_brightness?value=bright", light, "/brightness", Value::from(0)),
        ("/set_color?value=ff8000", light, "/color", Value::from("FF8000")),
        ("/set_color?value=00ff00aa", light, "/color", Value::from("00FF00")),
        ("/set_color?value=fff", light, "/color", Value::from("00FF00")),
        ("/set_color?value=orange", light, "/color", Value::from("00FF00")),
        ("/set_color", light, "/color", Value::from("00FF00")),
    ] {
        let said = after(&daemon, path, state, pointer, &wanted);
        row("Old clients", path, &format!("`{said}`; `{}` is {wanted}", pointer.trim_start_matches('/')));
    }
    for (path, before, wanted) in [
        ("/step_focus?direction=1", 0.5, 0.55),
        ("/step_focus?direction=0.5", 0.5, 0.55),
        ("/step_focus?direction=-99", 0.5, 0.45),
        ("/step_focus?direction=+", 0.5, 0.55),
        ("/step_focus?direction=-", 0.5, 0.45),
        ("/step_focus?direction=0", 0.5, 0.5),
        ("/step_focus?direction=1", 0.98, 1.0),
        ("/step_focus?direction=up", 0.5, 0.5),
    ] {
        set(before);
        let said = after(&daemon, path, lens, "/position", &Value::from(wanted));
        row("Old clients", &format!("{path} at {before}"), &format!("`{said}`; `position` is {wanted}"));
    }
}
