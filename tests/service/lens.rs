//! The lens and the diagnosis of the running program. The old addresses are tested byte for byte, with and without a
//! focusable camera. Further: the API and its refusals, the command line, the state after a restart, and the focus
//! sweep on truly blurred pictures.

use std::process::{Command, Output};

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use crate::fakecam::FakeCam;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");

/// The sharp position of the simulated lens, which has 199 steps.
const SHARP: f64 = 122.0 / 199.0;

fn camera() -> FakeCam {
    FakeCam::new().formats("MJPG").sizes("640x480").still()
}

fn before(camera: &FakeCam, more: &[&str]) -> Daemon {
    let device = format!("source.device={}", camera.path().display());
    let arguments = ["--set", "source.kind=v4l2", "--set", &device, "--set", "detect.backend=none"];
    Daemon::start(camera.command(PROGRAM), &[&arguments[..], more].concat())
}

fn simulated(more: &[&str]) -> Daemon {
    let arguments = [
        "--set",
        "source.kind=sim",
        "--set",
        "source.width=640",
        "--set",
        "source.height=360",
        "--set",
        "detect.backend=none",
    ];
    Daemon::start(Command::new(PROGRAM), &[&arguments[..], more].concat())
}

fn get(daemon: &Daemon, path: &str) -> Answer {
    client::get(daemon.address, path)
}

fn send(daemon: &Daemon, method: &str, path: &str, body: &str) -> Answer {
    let len = body.len();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{kind}Content-Length: {len}\r\n\r\n");
    client::ask(daemon.address, &(head + body))
}

fn lens(daemon: &Daemon) -> Value {
    get(daemon, "/api/v1/lens").json()
}

/// `tallycam focus …`, asking `daemon`.
fn focus(daemon: &Daemon, arguments: &[&str]) -> Output {
    let listen = format!("http.listen=[\"{}\"]", daemon.address);
    Command::new(PROGRAM).arg("focus").args(arguments).args(["--set", &listen]).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Status, type and every byte of an old route's answer.
fn old(daemon: &Daemon, path: &str) -> (u16, String, String) {
    let answer = get(daemon, path);
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    (answer.status, kind, answer.text().to_owned())
}

fn plain(status: u16, text: &str) -> (u16, String, String) {
    (status, String::from("text/plain; charset=utf-8"), text.to_owned())
}

#[test]
fn the_old_addresses_move_a_lens_and_say_200() {
    let camera = camera();
    let daemon = before(&camera, &[]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    for (path, set) in [
        // The control has a range of 0 to 255 in steps of 5.
        ("/set_focus?value=0.5", "ctrl focus_absolute=130"),
        ("/set_focus?value=1", "ctrl focus_absolute=255"),
        ("/step_focus?direction=-", "ctrl focus_absolute=240"),
        ("/step_focus?direction=%2B", "ctrl focus_absolute=255"),
        ("/set_focus?value=0", "ctrl focus_absolute=0"),
        ("/step_focus?direction=+", "ctrl focus_absolute=15"),
        ("/autofocus?status=false", "ctrl focus_automatic_continuous=1"),
        ("/autofocus?status=true", "ctrl focus_automatic_continuous=0"),
    ] {
        let before = camera.log().len();
        assert_eq!(old(&daemon, path), plain(200, "200"), "{path}");
        wait_until(path, || camera.log()[before..].contains(set));
    }
    // At an end it stays, and still answers 200.
    assert_eq!(old(&daemon, "/set_focus?value=0"), plain(200, "200"));
    assert_eq!(old(&daemon, "/step_focus?direction=-"), plain(200, "200"));
    assert_eq!((&lens(&daemon)["position"], &lens(&daemon)["auto"]), (&json!(0.0), &json!(false)));
}

#[test]
fn setting_and_stepping_switch_autofocus_off_first() {
    let camera = camera();
    let daemon = before(&camera, &[]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    for path in ["/set_focus?value=0.2", "/step_focus?direction=+"] {
        assert_eq!(old(&daemon, "/autofocus?status=false"), plain(200, "200"));
        let before = camera.log().len();
        assert_eq!(old(&daemon, path), plain(200, "200"));
        let log = camera.log()[before..].to_owned();
        let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{path}: no {text} in {log}"));
        assert!(at("ctrl focus_automatic_continuous=0") < at("ctrl focus_absolute="), "{path}: {log}");
    }
}

#[test]
fn an_unused_lens_is_reported_while_the_camera_is_paused() {
    let (focus, no_focus) = (camera(), camera().faults("nofocus"));
    for daemon in [simulated(&[]), before(&focus, &[])] {
        assert_eq!(send(&daemon, "POST", "/stop_stream", "").status, 200);
        assert_eq!(old(&daemon, "/set_focus?value=0.4"), plain(200, "200"));
        assert_eq!(old(&daemon, "/autofocus?status=false"), plain(200, "200"));
        assert_eq!(lens(&daemon)["supported"], json!(true));
        assert_eq!(daemon.state()["state"], "paused");
    }
    assert!(!focus.log().contains("streamon"), "{}", focus.log());
    let daemon = before(&no_focus, &[]);
    assert_eq!(send(&daemon, "POST", "/stop_stream", "").status, 200);
    assert_eq!(old(&daemon, "/set_focus?value=0.4"), plain(403, "Changing focus not supported"));
}

#[test]
fn a_camera_without_focus_says_403_in_the_old_words() {
    let camera = camera().faults("nofocus");
    let daemon = before(&camera, &[]);
    for status in ["true", "false"] {
        let path = format!("/autofocus?status={status}");
        assert_eq!(old(&daemon, &path), plain(403, "Autofocus not supported"));
    }
    for path in ["/set_focus?value=0.5", "/step_focus?direction=+", "/step_focus?direction=-"] {
        assert_eq!(old(&daemon, path), plain(403, "Changing focus not supported"), "{path}");
    }
    let lens = lens(&daemon);
    assert_eq!(
        (&lens["supported"], &lens["position"], &lens["auto"]),
        (&json!(false), &json!(null), &json!(null))
    );
    assert!(lens["reason"].as_str().unwrap().ends_with("has no control that focuses it"), "{lens}");
    for (method, path, body) in [
        ("PATCH", "/api/v1/lens", r#"{"position":0.5}"#),
        ("POST", "/api/v1/lens/reset", ""),
        ("POST", "/api/v1/lens/sweep", ""),
    ] {
        let refused = send(&daemon, method, path, body);
        assert_eq!((refused.status, refused.header("content-type")), (403, Some("application/problem+json")));
    }
    let found = get(&daemon, "/api/v1/diagnosis").json();
    let found =
        found["items"].as_array().unwrap().iter().find(|item| item["name"] == "lens").cloned().unwrap();
    assert_eq!(found["state"], "none");
    assert_eq!(found["message"], lens["reason"]);
    let shown = focus(&daemon, &["show"]);
    assert!(shown.status.success() && said(&shown).starts_with("no focus: "), "{}", said(&shown));
}

#[test]
fn invalid_values_are_refused_and_move_nothing() {
    let camera = camera();
    let daemon = before(&camera, &[]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    assert_eq!(old(&daemon, "/set_focus?value=0.4").0, 200);
    let before = (lens(&daemon)["position"].clone(), camera.log().matches("ctrl focus").count());
    for path in [
        "/set_focus",
        "/set_focus?value=",
        "/set_focus?value=NaN",
        "/set_focus?value=half",
        "/step_focus",
        "/step_focus?direction=",
        "/step_focus?direction=up",
    ] {
        let (status, kind, text) = old(&daemon, path);
        assert_eq!((status, kind.as_str()), (400, "text/plain; charset=utf-8"), "{path}");
        assert!(text.len() > 10, "{path}: {text}");
    }
    for (body, status, field) in [
        (r#"{"position":1.5}"#, 400, "position"),
        (r#"{"position":"x"}"#, 400, "position"),
        (r#"{"position":null}"#, 400, "position"),
        (r#"{"auto":2}"#, 400, "auto"),
        (r#"{"step":0}"#, 400, "step"),
        (r#"{"step":-2}"#, 400, "step"),
        (r#"{"position":0.5,"step":0.1}"#, 400, "step"),
        (r#"{"position":0.5,"auto":true}"#, 400, "auto"),
        (r#"{}"#, 400, "position"),
    ] {
        let refused = send(&daemon, "PATCH", "/api/v1/lens", body);
        assert_eq!(
            (refused.status, refused.header("content-type")),
            (status, Some("application/problem+json")),
            "{body}"
        );
        assert_eq!(refused.json()["field"], field, "{body}: {}", refused.text());
        assert!(refused.json()["range"].is_string(), "{body}: {}", refused.text());
        assert_eq!(refused.json()["given"].is_string(), body != "{}", "{body}: {}", refused.text());
    }
    let unknown = send(&daemon, "PATCH", "/api/v1/lens", r#"{"focus":1}"#);
    assert_eq!((unknown.status, &unknown.json()["field"]), (400, &json!("focus")));
    let twice = send(&daemon, "PATCH", "/api/v1/lens", r#"{"position":0.1,"position":0.9}"#);
    assert_eq!((twice.status, &twice.json()["field"]), (422, &json!("position")));
    // Neither does the page's form.
    for form in
        ["position=NaN", "position=2", "position=", "step=inf", "step=x&position=0.5", "auto=perhaps", ""]
    {
        let form = format!("_method=patch&next=.%2F&{form}");
        let len = form.len();
        let head = format!(
            "POST /api/v1/lens HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: \
             {len}\r\n\r\n"
        );
        assert_eq!(client::ask(daemon.address, &(head + &form)).status, 400, "{form}");
    }
    assert_eq!((lens(&daemon)["position"].clone(), camera.log().matches("ctrl focus").count()), before);
}

#[test]
fn the_later_of_two_simultaneous_moves_is_told() {
    let camera = camera();
    let daemon = before(&camera, &[]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    let tag = get(&daemon, "/api/v1/lens").header("etag").unwrap().to_owned();
    let patch = |body: &str| {
        let len = body.len();
        let head = format!(
            "PATCH /api/v1/lens HTTP/1.1\r\nHost: 192.0.2.1\r\nIf-Match: {tag}\r\nContent-Length: {len}\r\n\r\n"
        );
        client::ask(daemon.address, &(head + body))
    };
    assert_eq!(patch(r#"{"position":0.4}"#).status, 200);
    let moves = camera.log().matches("ctrl focus").count();
    let late = patch(r#"{"position":0.8}"#);
    assert_eq!(late.status, 412, "{}", late.text());
    assert_eq!(camera.log().matches("ctrl focus").count(), moves, "and the lens has not moved");
}

#[test]
fn the_lens_keeps_its_position_after_a_restart() {
    let (camera, state) = (camera(), tempfile::tempdir().unwrap());
    let directory = format!("store.directory={}", state.path().display());
    let daemon = before(&camera, &["--set", &directory]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    assert_eq!(send(&daemon, "PATCH", "/api/v1/lens", r#"{"position":0.4}"#).status, 200);
    drop(daemon);
    let kept = std::fs::read_to_string(state.path().join("settings.toml")).unwrap();
    assert!(kept.contains("focus_absolute") && kept.contains("100"), "{kept}");

    let before_opening = camera.log().len();
    let daemon = before(&camera, &["--set", &directory]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    let log = camera.log()[before_opening..].to_owned();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text} in {log}"));
    assert!(at("ctrl focus_automatic_continuous=0") < at("ctrl focus_absolute=100"));
    assert_eq!(lens(&daemon)["position"], json!(0.3922));
    // A reset removes the stored values.
    assert_eq!(send(&daemon, "POST", "/api/v1/lens/reset", "").json()["auto"], json!(true));
    let kept = std::fs::read_to_string(state.path().join("settings.toml")).unwrap();
    assert!(!kept.contains("focus"), "{kept}");
}

#[test]
fn a_pinned_lens_cannot_be_moved() {
    let camera = camera();
    let daemon = before(
        &camera,
        &[
            "--set",
            "source.controls.focus_absolute=50",
            "--set",
            "source.controls.focus_automatic_continuous=0",
        ],
    );
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    let refused = send(&daemon, "PATCH", "/api/v1/lens", r#"{"position":0.4}"#);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(old(&daemon, "/set_focus?value=0.4").0, 409);
    assert!(!camera.log().contains("ctrl focus_absolute=100"));
    // Neither does a sweep move it.
    let refused = send(&daemon, "POST", "/api/v1/lens/sweep", "");
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("focus_absolute` is set in `--set"), "{}", refused.text());
    assert_eq!(lens(&daemon)["sweep"], json!(null), "it has not begun");
    let set: Vec<String> =
        camera.log().lines().filter(|line| line.contains("ctrl focus_a")).map(String::from).collect();
    assert_eq!(set.len(), 2, "only the pinned values: {set:?}");
}

#[test]
fn with_autofocus_pinned_off_the_lens_moves_and_autofocus_stays_off() {
    let (camera, state) = (camera(), tempfile::tempdir().unwrap());
    let directory = format!("store.directory={}", state.path().display());
    let daemon =
        before(&camera, &["--set", "source.controls.focus_automatic_continuous=0", "--set", &directory]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    assert_eq!(old(&daemon, "/set_focus?value=0.4"), plain(200, "200"));
    assert!(camera.log().contains("ctrl focus_absolute=100"), "{}", camera.log());
    assert_eq!(send(&daemon, "PATCH", "/api/v1/lens", r#"{"auto":true}"#).status, 409);
    assert_eq!(old(&daemon, "/autofocus?status=false").0, 409);
    assert!(!camera.log().contains("ctrl focus_automatic_continuous=1"), "{}", camera.log());
    // The position is stored; the pinned value is not written a second time.
    let kept = std::fs::read_to_string(state.path().join("settings.toml")).unwrap();
    assert!(kept.contains("focus_absolute = 100") && !kept.contains("automatic"), "{kept}");
}

#[test]
fn a_manual_lens_is_left_alone() {
    let daemon = simulated(&["--set", "lens.kind=none"]);
    assert_eq!(lens(&daemon)["supported"], json!(false));
    assert_eq!(old(&daemon, "/set_focus?value=0.4"), plain(403, "Changing focus not supported"));
    let daemon = simulated(&["--set", "lens.kind=v4l2"]);
    assert!(lens(&daemon)["reason"].as_str().unwrap().contains("simulated scene"));
    let daemon = simulated(&["--set", "lens.kind=sim"]);
    assert_eq!(lens(&daemon)["supported"], json!(true));
}

#[test]
fn a_picture_out_of_focus_is_less_sharp_and_autofocus_brings_it_back() {
    let daemon = simulated(&[]);
    assert_eq!(lens(&daemon)["sharpness"], json!(null), "nobody watches");
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    let sharpness = || lens(&daemon)["sharpness"].as_f64().unwrap_or_default();
    let sharp = sharpness();
    assert!(sharp > 1.0, "{sharp}");
    assert_eq!(old(&daemon, "/set_focus?value=0").0, 200);
    wait_until("it is blurred", || sharpness() < 0.5 * sharp);
    let far = get(&daemon, "/snapshot").body.len();
    assert_eq!(old(&daemon, "/autofocus?status=false").0, 200);
    wait_until("it is sharp again", || sharpness() > 0.95 * sharp);
    assert!(get(&daemon, "/snapshot").body.len() > far + far / 4, "a sharp picture has more bytes");
    wait_until("the lens is at the sharp position", || {
        lens(&daemon)["position"].as_f64().is_some_and(|at| (at - SHARP).abs() < 0.001)
    });
}

#[test]
fn a_sweep_finds_the_sharpest_position_and_stores_it() {
    let state = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={}", state.path().display());
    let daemon = simulated(&["--set", &directory]);
    assert_eq!(old(&daemon, "/set_focus?value=0.1").0, 200);
    let begun = send(&daemon, "POST", "/api/v1/lens/sweep", "");
    assert_eq!((begun.status, &begun.json()["sweep"]["of"]), (202, &json!(25)));
    let second = send(&daemon, "POST", "/api/v1/lens/sweep", "");
    assert_eq!((second.status, second.header("content-type")), (409, Some("application/problem+json")));
    // Step by step, because the whole may take long on a busy machine.
    for looked_at in 1..=25 {
        wait_until("it goes on, or is over", || {
            let sweep = &lens(&daemon)["sweep"];
            sweep.is_null() || sweep["done"].as_u64() >= Some(looked_at)
        });
    }
    wait_until("it is over", || lens(&daemon)["sweep"].is_null());
    let after = lens(&daemon);
    assert_eq!((&after["last_sweep"]["found"], &after["auto"]), (&json!(true), &json!(false)), "{after}");
    let at = after["position"].as_f64().unwrap();
    assert!((at - SHARP).abs() < 0.02, "it ended at {at}, and {SHARP} is sharp");
    wait_until("it is stored", || {
        std::fs::read_to_string(state.path().join("settings.toml"))
            .is_ok_and(|kept| kept.contains("focus_absolute = 1"))
    });
}

#[test]
fn a_sweep_that_is_ended_leaves_the_lens_where_it_was() {
    let daemon = simulated(&[]);
    assert_eq!(old(&daemon, "/set_focus?value=0.25").0, 200);
    let before = lens(&daemon)["position"].clone();
    assert_eq!(send(&daemon, "POST", "/api/v1/lens/sweep", "").status, 202);
    wait_until("it has begun", || lens(&daemon)["sweep"]["done"].as_u64() > Some(1));
    let ended = send(&daemon, "DELETE", "/api/v1/lens/sweep", "").json();
    assert_eq!((&ended["sweep"], &ended["position"]), (&json!(null), &before));
    assert_eq!(ended["last_sweep"]["found"], json!(false));
    // A move of the lens ends a sweep, too, and takes effect.
    assert_eq!(send(&daemon, "POST", "/api/v1/lens/sweep", "").status, 202);
    wait_until("it has begun", || lens(&daemon)["sweep"]["done"].as_u64() > Some(1));
    assert_eq!(old(&daemon, "/set_focus?value=1"), plain(200, "200"));
    let moved = lens(&daemon);
    assert_eq!((&moved["sweep"], &moved["position"]), (&json!(null), &json!(1.0)));
    let said = "The sweep was ended. The lens is where it was sent meanwhile.";
    assert_eq!(moved["last_sweep"]["message"], said);
    // A pause ends the sweep, and the lens returns to its place.
    assert_eq!(send(&daemon, "POST", "/api/v1/lens/sweep", "").status, 202);
    wait_until("it has begun", || lens(&daemon)["sweep"]["done"].as_u64() > Some(1));
    assert_eq!(send(&daemon, "POST", "/api/v1/pause", "").status, 200);
    wait_until("it is over", || lens(&daemon)["sweep"].is_null());
    assert_eq!(lens(&daemon)["last_sweep"]["found"], json!(false));
    assert_eq!(lens(&daemon)["position"], json!(1.0));
}

#[test]
fn a_control_or_setting_of_the_lens_that_is_changed_ends_a_sweep_and_stays() {
    let state = tempfile::tempdir().unwrap();
    let daemon = simulated(&["--set", &format!("store.directory={}", state.path().display())]);
    assert_eq!(old(&daemon, "/set_focus?value=0.1").0, 200);
    let kept = || std::fs::read_to_string(state.path().join("settings.toml")).unwrap();
    for (path, body, place, position) in [
        ("/api/v1/controls", r#"{"focus_absolute": 190}"#, "focus_absolute = 190", 0.9548),
        ("/api/v1/settings", r#"{"controls.\"sim\".focus_absolute": 20}"#, "focus_absolute = 20", 0.1005),
    ] {
        assert_eq!(send(&daemon, "POST", "/api/v1/lens/sweep", "").status, 202);
        wait_until("it has begun", || lens(&daemon)["sweep"]["done"].as_u64() > Some(1));
        // Other controls do not end the sweep.
        assert_eq!(send(&daemon, "PATCH", "/api/v1/controls", r#"{"brightness": 3}"#).status, 200);
        assert_ne!(lens(&daemon)["sweep"], json!(null));
        let set = send(&daemon, "PATCH", path, body);
        assert_eq!(set.status, 200, "{path}: {}", set.text());
        wait_until("it is over", || lens(&daemon)["sweep"].is_null());
        // The lens is read once a second.
        wait_until("it is there", || lens(&daemon)["position"] == json!(position));
        let after = lens(&daemon);
        assert_eq!((&after["last_sweep"]["found"], &after["auto"]), (&json!(false), &json!(false)), "{path}");
        let said = "The sweep was ended. The lens is where it was sent meanwhile.";
        assert_eq!(after["last_sweep"]["message"], said, "{path}");
        assert!(kept().contains(place), "{}", kept());
    }
}

#[test]
fn after_concurrent_changes_the_lens_is_at_its_stored_position() {
    let state = tempfile::tempdir().unwrap();
    let daemon = simulated(&["--set", &format!("store.directory={}", state.path().display())]);
    assert_eq!(old(&daemon, "/set_focus?value=0.1").0, 200);
    let daemon = &daemon;
    for round in 0..6 {
        std::thread::scope(|scope| {
            for n in 0..3 {
                let place = 10 + 60 * n + round;
                scope.spawn(move || {
                    let body = format!("{{\"focus_absolute\": {place}}}");
                    assert_eq!(send(daemon, "PATCH", "/api/v1/controls", &body).status, 200);
                });
                scope.spawn(move || {
                    let body = format!("{{\"position\": 0.{}}}", 2 + n);
                    assert_eq!(send(daemon, "PATCH", "/api/v1/lens", &body).status, 200);
                });
                scope.spawn(|| {
                    assert!([202, 409].contains(&send(daemon, "POST", "/api/v1/lens/sweep", "").status))
                });
            }
        });
        send(daemon, "DELETE", "/api/v1/lens/sweep", "");
        let controls = get(daemon, "/api/v1/controls").json();
        let items = controls["items"].as_array().unwrap();
        let place = &items.iter().find(|control| control["name"] == "focus_absolute").unwrap()["value"];
        let kept = std::fs::read_to_string(state.path().join("settings.toml")).unwrap();
        assert!(kept.contains(&format!("focus_absolute = {place}\n")), "{place}: {kept}");
    }
}

#[test]
fn the_command_line_speaks_to_the_daemon_and_says_so_when_there_is_none() {
    let daemon = simulated(&[]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    let set = focus(&daemon, &["set", "0.25"]);
    assert!(set.status.success(), "{}", said(&set));
    assert!(said(&set).starts_with("position   0.251\nautofocus  off\nsharpness  "), "{}", said(&set));
    let stepped = focus(&daemon, &["step", "-0.05", "--json"]);
    let stepped: Value = serde_json::from_slice(&stepped.stdout).unwrap();
    assert_eq!((&stepped["auto"], &stepped["position"]), (&json!(false), &json!(0.201)));
    assert!(said(&focus(&daemon, &["auto", "on"])).contains("autofocus  on"));
    assert!(said(&focus(&daemon, &["reset"])).contains("autofocus  on"));
    let swept = focus(&daemon, &["sweep"]);
    assert!(swept.status.success() && said(&swept).contains("position   0.6"), "{}", said(&swept));
    assert_eq!(focus(&daemon, &["set", "1.2"]).status.code(), Some(64));
    assert!(said(&focus(&daemon, &[])).starts_with("position"));
    let alone = Command::new(PROGRAM)
        .args(["focus", "show", "--set", "http.listen=[\"unix:/nowhere/x.sock\"]"])
        .output()
        .unwrap();
    assert_eq!(alone.status.code(), Some(1));
    assert!(said(&alone).contains("needs the running service, and none runs here"), "{}", said(&alone));
}

#[test]
fn the_diagnosis_lists_good_and_bad_findings() {
    let daemon = simulated(&[]);
    assert_eq!(get(&daemon, "/snapshot").status, 200);
    let found = get(&daemon, "/api/v1/diagnosis").json();
    let items = found["items"].as_array().unwrap();
    let of =
        |name: &str| items.iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    for name in [
        "settings",
        "camera",
        "lens",
        "light",
        "counting",
        "pictures",
        "devices",
        "permissions",
        "disk",
        "clock",
        "temperature",
        "power",
        "memory",
        "model",
        "address",
    ] {
        assert!(!of(name)["message"].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!((&of("camera")["state"], &of("lens")["state"]), (&json!("good"), &json!("good")), "{found}");
    assert!(of("address")["message"].as_str().unwrap().contains("http://localhost:"));
    let worth = |item: &Value| {
        ["bad", "warning", "none", "good"].iter().position(|word| item["state"] == *word).unwrap()
    };
    assert!(items.windows(2).all(|two| worth(&two[0]) <= worth(&two[1])), "the worst come first: {found}");

    // The command line has the same words; it asks the daemon for the values that only the daemon knows.
    let listen = format!("http.listen=[\"{}\"]", daemon.address);
    let check = Command::new(PROGRAM)
        .args(["check", "--json", "--set", "source.kind=sim", "--set", &listen])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&check.stdout).unwrap();
    let report = report["items"].as_array().unwrap();
    for name in ["lens", "light"] {
        assert_eq!(report.iter().find(|item| item["name"] == name), Some(of(name)));
    }
}

#[test]
fn a_missing_camera_is_a_bad_finding_with_a_hint() {
    let daemon = Daemon::start(
        Command::new(PROGRAM),
        &[
            "--set",
            "source.kind=v4l2",
            "--set",
            "source.device=/dev/no-such-camera",
            "--set",
            "detect.backend=none",
        ],
    );
    let _ = get(&daemon, "/snapshot");
    let found = get(&daemon, "/api/v1/diagnosis").json();
    let first = &found["items"][0];
    let camera = found["items"].as_array().unwrap().iter().find(|item| item["name"] == "camera").unwrap();
    assert_eq!((&camera["state"], &first["state"]), (&json!("bad"), &json!("bad")), "{found}");
    let (said, hint) = (camera["message"].as_str().unwrap(), camera["hint"].as_str().unwrap());
    assert!(said.contains("/dev/no-such-camera") && !hint.is_empty() && !said.contains(hint), "{camera}");
    // Nothing is known of its lens then.
    assert_eq!(lens(&daemon)["supported"], json!(false));
    assert_eq!(old(&daemon, "/set_focus?value=0.5").0, 503);
}
