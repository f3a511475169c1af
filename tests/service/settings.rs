//! Settings through the API of the running program: across restarts, kills, damaged files, and simultaneous changes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use tallycam::config::keys;
use tallycam::config::{Saved, control_path};
use tempfile::TempDir;

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::common::{DEADLINE, wait_until};

/// A state folder, and the daemons that use it in turn.
struct Place {
    folder: TempDir,
}

impl Place {
    /// A folder whose camera is the simulation, by a setting of the page.
    fn new() -> Place {
        let place = Place { folder: TempDir::new().unwrap() };
        fs::create_dir(place.state()).unwrap();
        fs::write(place.file(), "[source]\nkind = \"sim\"\n").unwrap();
        fs::write(place.config(), "").unwrap();
        place
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join("settings.toml")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    fn start(&self) -> Daemon {
        let directory = format!("store.directory={}", self.state().display());
        let config = self.config().display().to_string();
        Daemon::start(program(), &["--config", &config, "--set", &directory])
    }

    fn run(&self, daemon: Option<&Daemon>, arguments: &[&str]) -> (i32, String, String) {
        let listen = daemon.map_or_else(
            || String::from("http.listen=[\"127.0.0.1:1\"]"),
            |daemon| format!("http.listen=[\"{}\"]", daemon.address),
        );
        let directory = format!("store.directory={}", self.state().display());
        let done = program()
            .args(["--config".as_ref(), self.config().as_os_str()])
            .args(["--set", &directory, "--set", &listen])
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.state()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("settings"))
            .collect()
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tallycam"))
}

fn send(daemon: &Daemon, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    client::ask(daemon.address, &request)
}

fn patch(daemon: &Daemon, changes: &Value) -> Answer {
    send(daemon, "PATCH", "/api/v1/settings", "Content-Type: application/json\r\n", &changes.to_string())
}

fn all(daemon: &Daemon) -> Value {
    client::get(daemon.address, "/api/v1/settings").json()
}

fn of(all: &Value, path: &str) -> Value {
    let items = all["items"].as_array().unwrap();
    items.iter().find(|item| item["path"] == path).unwrap_or_else(|| panic!("no {path}")).clone()
}

fn value(daemon: &Daemon, path: &str) -> Value {
    of(&all(daemon), path)["value"].clone()
}

#[test]
fn a_change_applies_at_once_and_after_a_restart() {
    let place = Place::new();
    let mut daemon = place.start();
    let before = all(&daemon);
    assert_eq!(of(&before, "source.kind")["origin"], "page");
    assert_eq!(before["complaint"], "");
    let changed = patch(
        &daemon,
        &json!({"name": "Front door", "stream.quality": 70, "stream.idle_stop": "5m", "lights.kind": "sim"}),
    );
    assert_eq!(changed.status, 200, "{}", changed.text());
    let changed = changed.json();
    let quality = of(&changed, "stream.quality");
    assert_eq!(
        (&quality["value"], &quality["origin"], &quality["default"]),
        (&json!(70), &json!("page"), &json!(80))
    );
    assert!(quality["place"].as_str().unwrap().contains("settings.toml:"), "{quality}");
    assert_eq!(
        (&quality["min"], &quality["max"], &quality["live"]),
        (&json!(1.0), &json!(100.0), &json!(true))
    );
    assert_eq!(daemon.state()["name"], "Front door");
    assert!(changed["version"].as_u64() > before["version"].as_u64());

    daemon.kill();
    let daemon = place.start();
    assert_eq!(daemon.state()["name"], "Front door");
    let after = all(&daemon);
    assert_eq!(of(&after, "stream.quality")["value"], 70);
    assert_eq!(of(&after, "stream.idle_stop")["value"], "5m");
    assert_eq!(of(&after, "lights.kind")["value"], "sim");
    // As if it had never been set.
    let gone = patch(&daemon, &json!({"stream.quality": null, "name": null})).json();
    assert_eq!(
        (of(&gone, "stream.quality")["value"].clone(), of(&gone, "name")["origin"].clone()),
        (json!(80), json!("default"))
    );
    assert_eq!(daemon.state()["name"], "camera");
    let kept = fs::read_to_string(place.file()).unwrap();
    assert!(kept.contains("idle_stop = \"5m\"") && !kept.contains("quality"), "{kept}");
}

#[test]
fn a_value_of_the_operator_is_pinned_and_hides_the_one_set_here() {
    let place = Place::new();
    let mut daemon = place.start();
    assert_eq!(patch(&daemon, &json!({"stream.quality": 70, "stream.max_viewers": 5})).status, 200);
    daemon.kill();
    fs::write(place.config(), "\n[stream]\nquality = 60\n").unwrap();
    let daemon = place.start();
    let quality = of(&all(&daemon), "stream.quality");
    assert_eq!(
        (&quality["value"], &quality["pinned"], &quality["origin"]),
        (&json!(60), &json!(true), &json!("file"))
    );
    let refused = patch(&daemon, &json!({"stream.quality": 71, "stream.max_viewers": 6}));
    assert_eq!(refused.status, 409);
    let problem = refused.json();
    assert!(problem["detail"].as_str().unwrap().contains("config.toml:3"), "{problem}");
    assert_eq!(problem["field"], "stream.quality");
    assert_eq!(value(&daemon, "stream.max_viewers"), 5, "all or nothing");
    // The current value may be sent, too, because a form sends everything it shows.
    assert_eq!(patch(&daemon, &json!({"stream.quality": 60})).status, 200);
    // The operator removes the pin: the value set here applies again.
    fs::write(place.config(), "name = \"mine\"\n").unwrap();
    hang_up(&daemon);
    wait_until("the file is read", || value(&daemon, "name") == "mine");
    assert_eq!(value(&daemon, "stream.quality"), 70);
    assert_eq!(daemon.state()["name"], "mine");
    // An invalid file changes nothing.
    fs::write(place.config(), "name = 7\n[stream\n").unwrap();
    hang_up(&daemon);
    fs::write(place.config(), "name = \"mine\"\n[stream]\nfps = 5\n").unwrap();
    hang_up(&daemon);
    wait_until("the file is read", || value(&daemon, "stream.fps") == 5);
    assert_eq!(value(&daemon, "stream.quality"), 70);

    // If the new file cannot be read, everything stays as it was, and all reports mention it until it can.
    let complaint = || all(&daemon)["complaint"].as_str().unwrap().to_owned();
    let diagnosed = || {
        let found = client::get(daemon.address, "/api/v1/diagnosis").json();
        let of_settings = |finding: &&Value| finding["name"] == "settings";
        found["items"].as_array().unwrap().iter().find(of_settings).unwrap()["state"].clone()
    };
    assert_eq!((complaint().as_str(), diagnosed()), ("", json!("good")));
    fs::write(place.config(), "[stream]\nfps = 5\n[power]\nkey = \"s3cret\n").unwrap();
    hang_up(&daemon);
    wait_until("it is told", || complaint().contains("config check"));
    assert!(!complaint().contains("s3cret"), "it quotes the file: {}", complaint());
    for log in ["/log", "/logs", "/api/v1/log"] {
        let answer = client::get(daemon.address, log);
        let log = answer.text();
        assert!(log.contains("config check") && !log.contains("s3cret"), "{log}");
    }
    assert_eq!((diagnosed(), value(&daemon, "stream.fps")), (json!("bad"), json!(5)));
    assert_eq!(patch(&daemon, &json!({"stream.quality": 71})).status, 200);
    assert!(complaint().contains("config check"), "another change does not mend it");
    fs::write(place.config(), "[stream]\nfps = 6\n").unwrap();
    hang_up(&daemon);
    wait_until("it is in force", || complaint().is_empty());
    assert_eq!((diagnosed(), value(&daemon, "stream.fps")), (json!("good"), json!(6)));
}

#[test]
fn the_number_of_settings_is_limited_by_the_size_of_their_file() {
    let place = Place::new();
    let daemon = place.start();
    let many = |camera: usize| {
        let of = |n: usize| (control_path(&format!("camera {camera}"), &format!("{n:0>60}")), json!(1));
        Value::Object((0..500).map(of).collect())
    };
    let refused =
        (0..8).map(|camera| patch(&daemon, &many(camera))).find(|answer| answer.status != 200).unwrap();
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.json()["hint"].as_str().unwrap().contains("former cameras"));
    let kept = fs::metadata(place.file()).unwrap().len();
    assert!((30_000..=65_536).contains(&kept), "{kept}");
    assert_eq!(patch(&daemon, &json!({"name": "door"})).status, 200, "another one has room");
}

fn hang_up(daemon: &Daemon) {
    let id = daemon.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
}

#[test]
fn all_wrong_values_are_reported_and_nothing_is_changed() {
    let place = Place::new();
    let daemon = place.start();
    let version = all(&daemon)["version"].clone();
    let refused = patch(
        &daemon,
        &json!({
            "stream.quality": 700, "stream.qualty": 5, "stream.fps": "fast", "name": "", "source.kind": "url",
            "lights.brightness": -1, "picture.crop": [0.5, 0.5, 0.6, 0.1], "store.directory": "/elsewhere",
        }),
    );
    assert_eq!(refused.status, 422);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let errors: BTreeMap<String, Value> = refused.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["path"].as_str().unwrap().to_owned(), error.clone()))
        .collect();
    let paths: Vec<&str> = errors.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "lights.brightness",
            "name",
            "picture.crop",
            "store.directory",
            "stream.fps",
            "stream.quality",
            "stream.qualty"
        ]
    );
    let quality = &errors["stream.quality"];
    assert_eq!(
        (&quality["given"], quality["message"].as_str().unwrap().contains("from 1 to 100")),
        (&json!("700"), true)
    );
    assert!(errors["stream.qualty"]["hint"].as_str().unwrap().contains("quality"));
    let one = patch(&daemon, &json!({"stream.quality": 700})).json();
    assert_eq!(
        (&one["field"], &one["range"], &one["given"]),
        (&json!("stream.quality"), &json!("a whole number from 1 to 100"), &json!("700"))
    );
    // Truncated if it is long, and without the quotes of a file.
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(201));
    let refused = send(&daemon, "PATCH", "/api/v1/picture", "Content-Type: application/json\r\n", &long);
    let given = refused.json()["given"].as_str().unwrap().to_owned();
    assert!(refused.status == 422 && given.starts_with("xxx") && given.ends_with("x\u{2026}"), "{given}");
    // Each is valid alone, and together they make no sense.
    let refused = patch(&daemon, &json!({"source.kind": "url"}));
    assert_eq!((refused.status, refused.json()["errors"][0]["path"].clone()), (422, json!("source.kind")));
    for (body, status) in
        [("", 400), ("[1]", 422), ("{\"name\":", 400), ("nonsense", 400), ("{\"name\": [null]}", 422)]
    {
        let lines = "Content-Type: application/json\r\n";
        assert_eq!(send(&daemon, "PATCH", "/api/v1/settings", lines, body).status, status, "{body}");
    }
    assert_eq!(all(&daemon)["version"], version);
    assert_eq!(patch(&daemon, &json!({})).json()["version"], version, "nothing is no change");
}

#[test]
fn every_setting_can_be_sent_back_as_it_is_shown() {
    let place = Place::new();
    let daemon = place.start();
    let before = all(&daemon);
    let mut everything = serde_json::Map::new();
    for key in keys::all() {
        let value = of(&before, &key.path())["value"].clone();
        let answer = patch(&daemon, &json!({key.path(): value}));
        assert_eq!(answer.status, 200, "{}: {}", key.path(), answer.text());
        everything.insert(key.path(), value);
    }
    let after = patch(&daemon, &Value::Object(everything)).json();
    assert_eq!(after, before, "nothing was another value");
}

#[test]
fn two_users_lose_no_changes_of_each_other() {
    let place = Place::new();
    let daemon = place.start();
    let seen = client::get(daemon.address, "/api/v1/settings");
    let tag = seen.header("etag").unwrap().to_owned();
    let with_tag = |tag: &str, body: &str| {
        let lines = format!("Content-Type: application/json\r\nIf-Match: {tag}\r\n");
        send(&daemon, "PATCH", "/api/v1/settings", &lines, body)
    };
    let first = with_tag(&tag, "{\"name\": \"one\"}");
    assert_eq!(first.status, 200);
    assert_eq!(with_tag(&tag, "{\"name\": \"two\"}").status, 412);
    let import = format!("If-Match: {tag}\r\n");
    assert_eq!(send(&daemon, "PUT", "/api/v1/settings.toml", &import, "name = \"three\"").status, 412);
    assert_eq!(value(&daemon, "name"), "one");
    assert_eq!(with_tag(first.header("etag").unwrap(), "{\"name\": \"two\"}").status, 200);

    // Without it each client changes its own keys. All do so at the same time, and each change is there in the end.
    let changes = [
        json!({"stream.quality": 33}),
        json!({"stream.max_viewers": 44}),
        json!({"record.pre_roll": "1s"}),
        json!({"lights.gamma": 2.2}),
        json!({control_path("sim", "brightness"): 3}),
        json!({"snapshot.warm_up": 9}),
    ];
    thread::scope(|scope| {
        for change in &changes {
            scope.spawn(|| assert_eq!(patch(&daemon, change).status, 200));
        }
    });
    let now = all(&daemon);
    for change in &changes {
        let (path, want) = change.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&of(&now, path)["value"], want, "{path}");
    }
}

#[test]
fn sixteen_changes_wait_for_their_turn_and_one_more_is_refused() {
    let place = Place::new();
    let daemon = place.start();
    // A camera that accepts the connection and sends nothing: the change that tries it has the turn meanwhile.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let url = format!("http://{}/video", silent.local_addr().unwrap());
    let paths: Vec<String> = (0..16).map(|n| control_path("sim", &format!("number_{n}"))).collect();
    let (answer, answers) = mpsc::channel();
    let refused = thread::scope(|scope| {
        let trial = scope.spawn(|| patch(&daemon, &json!({"source.kind": "url", "source.url": url})));
        let mut call = None;
        wait_until("it is tried", || {
            call = silent.accept().ok();
            call.is_some()
        });
        for (n, path) in paths.iter().enumerate() {
            let (answer, daemon) = (answer.clone(), &daemon);
            scope.spawn(move || {
                let changes = Value::Object([(path.clone(), json!(n))].into_iter().collect());
                answer.send((n, patch(daemon, &changes))).unwrap();
            });
        }
        let (refused, busy) = answers.recv_timeout(DEADLINE).unwrap();
        assert_eq!((busy.status, busy.header("retry-after")), (503, Some("5")), "{}", busy.text());
        assert!(busy.json()["detail"].as_str().unwrap().contains("too many changes"), "{}", busy.text());
        drop((call, silent));
        assert_eq!(trial.join().unwrap().status, 409);
        for _ in 1..paths.len() {
            let (n, done) = answers.recv_timeout(DEADLINE).unwrap();
            assert_eq!(done.status, 200, "{n}: {}", done.text());
        }
        refused
    });
    let now = all(&daemon);
    assert_eq!(of(&now, "source.kind")["value"], "sim");
    for (n, path) in paths.iter().enumerate().filter(|(n, _)| *n != refused) {
        assert_eq!(of(&now, path)["value"], n, "{path}");
    }
    // There is room again.
    assert_eq!(patch(&daemon, &json!({ paths[refused].clone(): 3 })).status, 200);
}

#[test]
fn a_damaged_file_leaves_the_last_good_one_in_force() {
    let place = Place::new();
    let mut daemon = place.start();
    assert_eq!(patch(&daemon, &json!({"name": "door"})).status, 200);
    daemon.kill();
    fs::write(place.file(), "name = \"gate\n[[[").unwrap();
    let (code, shown, _) = place.run(None, &["config", "show"]);
    assert_eq!(code, 0);
    assert!(shown.contains("name = \"door\"") && shown.contains("last-good"), "{shown}");
    let (_, checked, _) = place.run(None, &["check", "--no-camera"]);
    assert!(checked.contains("✗ settings") && checked.contains("settings.toml:1"), "{checked}");

    let mut daemon = place.start();
    let now = all(&daemon);
    let complaint = now["complaint"].as_str().unwrap();
    assert!(complaint.contains("settings.toml:1") && complaint.contains("last-good"), "{complaint}");
    assert_eq!(daemon.state()["name"], "door");
    assert_eq!(fs::read_to_string(place.file()).unwrap(), "name = \"gate\n[[[", "it is left where it is");
    // The next change sets it aside.
    let changed = patch(&daemon, &json!({"stream.quality": 70})).json();
    assert_eq!(changed["complaint"], "");
    assert_eq!(place.names().len(), 3, "{:?}", place.names());

    // One bad key, one bad value beside a good one, and one that a newer version may know: the rest applies.
    daemon.kill();
    let text = "name = \"gate\"\n[wifi]\nssid = \"x\"\n[source]\nkind = \"sim\"\nfps = -1\n[stream]\nquality = 700\n";
    fs::write(place.file(), text).unwrap();
    let mut daemon = place.start();
    let now = all(&daemon);
    let complaint = now["complaint"].as_str().unwrap();
    assert!(complaint.contains("`wifi`") && complaint.contains("`source.fps`"), "{complaint}");
    assert_eq!(
        (daemon.state()["name"].clone(), of(&now, "stream.quality")["value"].clone()),
        (json!("gate"), json!(70))
    );

    // A pipe without a writer: the program does not wait for it.
    daemon.kill();
    fs::remove_file(place.file()).unwrap();
    assert!(Command::new("mkfifo").arg(place.file()).status().unwrap().success());
    let mut daemon = place.start();
    let complaint = all(&daemon)["complaint"].as_str().unwrap().to_owned();
    assert!(complaint.contains("is no file") && complaint.contains("last-good"), "{complaint}");
    daemon.kill();
    fs::remove_file(place.file()).unwrap();

    // Emptied: the last good values apply, with a complaint.
    fs::write(place.file(), "").unwrap();
    let daemon = place.start();
    let complaint = all(&daemon)["complaint"].as_str().unwrap().to_owned();
    assert!(complaint.contains("is empty") && complaint.contains("last-good"), "{complaint}");
    assert_eq!(
        (daemon.state()["name"].clone(), value(&daemon, "stream.quality")),
        (json!("door"), json!(70))
    );
}

#[test]
fn a_setting_that_cannot_be_stored_does_not_apply() {
    let place = Place::new();
    let daemon = place.start();
    fs::create_dir(place.state().join("settings.toml.new")).unwrap();
    let refused = patch(&daemon, &json!({"name": "door", "stream.quality": 70}));
    assert_eq!(refused.status, 507, "{}", refused.text());
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("settings could not be saved"), "{detail}");
    assert_eq!(
        (daemon.state()["name"].clone(), value(&daemon, "stream.quality")),
        (json!("camera"), json!(80))
    );
    fs::remove_dir(place.state().join("settings.toml.new")).unwrap();
    assert_eq!(patch(&daemon, &json!({"name": "door"})).status, 200);
}

#[test]
fn switches_work_and_say_so_if_nothing_can_be_stored() {
    let place = Place::new();
    fs::write(place.file(), "[source]\nkind = \"sim\"\n[lights]\nkind = \"sim\"\n").unwrap();
    let mut daemon = place.start();
    let in_the_way = place.state().join("settings.toml.new");
    fs::create_dir(&in_the_way).unwrap();
    let json = "Content-Type: application/json\r\n";
    let page = |daemon: &Daemon, path: &str| client::get(daemon.address, path).text().to_owned();
    assert!(!page(&daemon, "/").contains("not kept"));
    for (path, body, key, want) in [
        ("light", json!({"on": true}), "on", json!(true)),
        ("lens", json!({"position": 0.25}), "position", json!(0.25)),
        ("picture", json!({"gray": true}), "gray", json!(true)),
    ] {
        let answer = send(&daemon, "PATCH", &format!("/api/v1/{path}"), json, &body.to_string());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let answer = answer.json();
        let so = answer[key]
            .as_f64()
            .zip(want.as_f64())
            .map_or(answer[key] == want, |(is, want)| (is - want).abs() < 0.01);
        assert!(so, "{path}: {answer}");
        let unsaved = answer["unsaved"].as_str().unwrap_or_else(|| panic!("{path}: {answer}"));
        assert!(unsaved.contains("not kept") && unsaved.contains("settings.toml"), "{unsaved}");
    }
    let controls = client::get(daemon.address, "/api/v1/controls").json();
    let control =
        controls["items"].as_array().unwrap().iter().find(|item| item["kind"] == "integer").unwrap();
    let body = json!({control["name"].as_str().unwrap(): control["max"]});
    let set = send(&daemon, "PATCH", "/api/v1/controls", json, &body.to_string());
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(set.json()["notes"].to_string().contains("not kept"), "{}", set.text());
    // The old addresses have their own words; pages and the diagnosis say it.
    let old = client::get(daemon.address, "/set_brightness?value=7");
    assert_eq!((old.status, old.text()), (200, "200"));
    for path in ["/", "/settings", "/diagnosis"] {
        assert!(page(&daemon, path).contains("not kept"), "{path}");
    }
    // A lasting setting is still refused, and undoes nothing of the former changes.
    assert_eq!(patch(&daemon, &json!({"name": "door"})).status, 507);
    assert_eq!(patch(&daemon, &json!({"name": "door", "lights.on": false})).status, 507);
    let light = client::get(daemon.address, "/api/v1/light").json();
    assert_eq!((&light["on"], &light["brightness"]), (&json!(true), &json!(7)), "{light}");

    // The next change that can be stored stores all of them.
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(patch(&daemon, &json!({"name": "door"})).status, 200);
    assert_eq!(client::get(daemon.address, "/api/v1/light").json()["unsaved"], Value::Null);
    assert!(!page(&daemon, "/settings").contains("not kept"));
    daemon.kill();
    let daemon = place.start();
    let light = client::get(daemon.address, "/api/v1/light").json();
    assert_eq!((&light["on"], &light["brightness"]), (&json!(true), &json!(7)), "{light}");
    assert_eq!(value(&daemon, "picture.gray"), json!(true));
}

#[test]
fn a_kill_during_changes_leaves_a_complete_file_with_the_confirmed_values() {
    let place = Place::new();
    for round in 0..4 {
        let mut daemon = place.start();
        let address = daemon.address;
        let changing = thread::spawn(move || {
            let mut answered = None;
            for n in 1..=100u32 {
                let quality = json!({"stream.quality": n});
                let change = || client::send_json(address, "PATCH", "/api/v1/settings", &quality).status;
                // The kill comes in the middle of one.
                match std::panic::catch_unwind(change) {
                    Ok(200) => answered = Some(n),
                    _ => break,
                }
            }
            answered
        });
        let at = 5 + 7 * round;
        wait_until("it is under way", || {
            fs::read_to_string(place.file()).is_ok_and(|text| text.contains(&format!("quality = {at}")))
                || changing.is_finished()
        });
        daemon.kill();
        let answered = changing.join().unwrap();
        let (saved, complaints) = Saved::load(&place.file()).expect("it is whole");
        assert_eq!(complaints, None);
        let kept: u32 = saved.get("stream.quality").unwrap().parse().unwrap();
        let answered = answered.unwrap_or(0);
        assert!(kept == answered || kept == answered + 1, "{kept} is stored, {answered} was confirmed");
    }
}

#[test]
fn a_password_goes_to_no_host_but_the_one_it_was_written_for() {
    let place = Place::new();
    let daemon = place.start();
    let set = |changes: Value| patch(&daemon, &changes);
    let cam = json!({"source.url": "http://cam/a", "source.username": "me", "source.password": "s3cret"});
    assert_eq!(set(cam).status, 200);
    let stolen = |answer: client::Answer| {
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert_eq!(answer.json()["field"], "source.url");
        assert!(answer.json()["detail"].to_string().contains("another host"), "{}", answer.text());
    };
    stolen(set(json!({"source.url": "http://thief/a"})));
    stolen(set(json!({"source.url": "http://cam:pw@thief/a", "source.password": "***"})));
    stolen(send(
        &daemon,
        "PUT",
        "/api/v1/settings.toml",
        "",
        "[source]\nurl = \"http://thief/\"\npassword = \"***\"\n",
    ));
    assert_eq!(set(json!({"source.url": null})).status, 200);
    stolen(set(json!({"source.url": "http://thief/a"})));
    assert_eq!(value(&daemon, "source.url"), json!(""));

    assert_eq!(set(json!({"source.url": "http://cam/a", "source.password": "s3cret"})).status, 200);
    assert_eq!(set(json!({"source.url": "https://CAM:8443/b", "name": "door"})).status, 200, "the same host");
    assert_eq!(set(json!({"source.url": "http://other/", "source.password": "s3cret"})).status, 200);
    assert_eq!(set(json!({"source.url": "http://third/", "source.password": null})).status, 200);
}

#[test]
fn exported_settings_can_be_imported_and_secrets_are_never_shown() {
    let place = Place::new();
    let daemon = place.start();
    let secret = json!({
        "source.password": "s3cret", "source.username": "me", "name": "door", "retention.recordings_age": "30d",
    });
    let answer = patch(&daemon, &secret);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(of(&answer.json(), "source.password")["value"], "***");
    assert!(!answer.text().contains("s3cret"));
    let stars = json!({"source.url": "http://me:***@other/"});
    assert_eq!(patch(&daemon, &stars).status, 422, "a password that is not known");
    // Also for cameras that want them in the address.
    let asked = json!({"source.url": "http://cam/v.cgi?loginuse=me&loginpas=s3cret&fps=5", "source.password": "s3cret"});
    let (answer, shown) = (patch(&daemon, &asked), "http://cam/***");
    assert_eq!((answer.status, value(&daemon, "source.url")), (200, json!(shown)));
    let other =
        json!({"source.url": "http://cam/v.cgi?loginuse=you&loginpas=***", "source.password": "s3cret"});
    assert_eq!(patch(&daemon, &other).status, 422, "a password that is not known");
    assert_eq!(patch(&daemon, &json!({"source.url": shown})).status, 200, "as it is shown");
    assert!(fs::read_to_string(place.file()).unwrap().contains("loginpas=s3cret"));
    let exported = client::get(daemon.address, "/api/v1/settings.toml");
    assert_eq!(exported.header("content-type"), Some("application/toml"));
    let exported = exported.text().to_owned();
    assert!(exported.contains("recordings_age = \"30d\"") && !exported.contains("s3cret"), "{exported}");

    assert_eq!(
        patch(&daemon, &json!({"name": "gate", "stream.quality": 9, "retention.recordings_age": null}))
            .status,
        200
    );
    let imported = send(&daemon, "PUT", "/api/v1/settings.toml", "", &exported);
    assert_eq!(imported.status, 200, "{}", imported.text());
    let imported = imported.json();
    for (path, want) in
        [("name", json!("door")), ("stream.quality", json!(80)), ("retention.recordings_age", json!("30d"))]
    {
        assert_eq!(of(&imported, path)["value"], want, "{path}");
    }
    assert!(fs::read_to_string(place.file()).unwrap().contains("s3cret"), "it is still known");
    for body in ["name = ", "name = 7", "[wifi]\nssid = 1\n"] {
        let refused = send(&daemon, "PUT", "/api/v1/settings.toml", "", body);
        assert_eq!(refused.status, 422, "{body}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("line 1, column ") && !detail.contains("settings.toml"), "{detail}");
    }
    // An empty file is refused, because it would reset everything.
    for (method, path, body) in [
        ("PUT", "/api/v1/settings.toml", " \n"),
        ("PUT", "/api/v1/settings.toml", "# name = \"gate\"\n\n[stream]\n"),
        ("POST", "/api/v1/settings.toml", IMPORT),
        ("POST", "/api/v1/settings.toml", concat!("_method=put&next=settings&", "toml=+%0A")),
    ] {
        let refused = send(&daemon, method, path, if method == "POST" { FORM } else { "" }, body);
        assert_eq!(refused.status, 400, "{path}");
        assert!(refused.text().contains("othing was sent that could be imported"), "{}", refused.text());
    }
    assert_eq!(value(&daemon, "name"), "door");
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const IMPORT: &str = "_method=put&next=settings%3Fdone%3Dimport&";

/// Adds a picture of more than 600 kB: most of it is comments.
fn upload(daemon: &Daemon, name: &str) {
    let picture = client::get(daemon.address, "/snapshot.jpg").body;
    let mut jpeg = picture[..2].to_vec();
    for _ in 0..10 {
        jpeg.extend([0xff, 0xfe, 0xea, 0x62]);
        jpeg.extend([b'.'; 60_000]);
    }
    jpeg.extend(&picture[2..]);
    let mut client = client::Client::new(TcpStream::connect(daemon.address).unwrap());
    let (path, len) = (format!("/api/v1/media?name={name}"), jpeg.len());
    client.send(&format!("POST {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: {len}\r\n\r\n"));
    client.0.get_mut().write_all(&jpeg).unwrap();
    assert_eq!(client.answer(false).status, 201);
}

#[test]
fn a_rule_that_would_delete_media_asks_first_on_every_way() {
    let place = Place::new();
    let daemon = place.start();
    for n in 0..3 {
        upload(&daemon, &format!("{n}.jpg"));
    }
    let many = || client::get(daemon.address, "/api/v1/media").json()["items"].as_array().unwrap().len();
    let key = "retention.snapshots_size";
    let toml = "name = \"yard\"\n[source]\nkind = \"sim\"\n[retention]\nsnapshots_size = \"1MB\"\n";
    let import = |address: &str| send(&daemon, "PUT", address, "", toml);
    let page = |more: &str| {
        let form: String =
            toml.replace('\n', "%0A").replace('"', "%22").replace(' ', "+").replace('=', "%3D");
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        send(&daemon, "POST", &format!("/api/v1/settings.toml{more}"), kind, &format!("{IMPORT}toml={form}"))
    };
    let refused = [
        patch(&daemon, &json!({key: "1MB", "name": "yard"})),
        import("/api/v1/settings.toml"),
        send(
            &daemon,
            "PUT",
            "/api/v1/media/retention",
            "Content-Type: application/json\r\n",
            r#"{"snapshots_size": "1MB"}"#,
        ),
    ];
    for refused in refused {
        assert_eq!(refused.status, 409, "{}", refused.text());
        assert!(refused.text().contains("would delete 2 items, 1.") && refused.text().contains("?confirm=1"));
    }
    let (code, _, message) = place.run(Some(&daemon), &["settings", "set", &format!("{key}=1MB")]);
    assert!(code != 0 && message.contains("2 items") && message.contains("--yes"), "{message}");
    let asked = page("");
    assert!(asked.status == 409 && asked.text().contains("This deletes 2 items"), "{}", asked.text());
    assert!(
        asked.text().contains("settings.toml?confirm=1\"")
            && asked.text().contains("snapshots_size = &quot;1MB&quot;")
    );
    assert_eq!(
        (many(), value(&daemon, "name"), value(&daemon, key)),
        (3, json!("camera"), json!("unlimited"))
    );
    // Zero is neither an age nor a size.
    for wrong in [json!({key: "0B"}), json!({"retention.recordings_age": "0s"})] {
        let answer = patch(&daemon, &wrong);
        assert!(answer.status == 422 && answer.text().contains("at least"), "{}", answer.text());
    }
    assert_eq!(page("?confirm=1").status, 303);
    assert_eq!((value(&daemon, "name"), value(&daemon, key)), (json!("yard"), json!("1MB")));
    wait_until("two are gone", || many() == 1);
    // A rule that deletes nothing asks no question, and neither does the removal of a rule.
    for value in [json!("2MB"), json!(null)] {
        assert_eq!(patch(&daemon, &json!({key: value})).status, 200);
    }
    for n in 3..5 {
        upload(&daemon, &format!("{n}.jpg"));
    }
    let (code, _, message) = place.run(Some(&daemon), &["settings", "set", "--yes", &format!("{key}=1MB")]);
    assert_eq!(code, 0, "{message}");
    wait_until("two more are gone", || many() == 1);
}

#[test]
fn drawn_lines_turn_with_a_picture_rotated_between_two_starts() {
    let place = Place::new();
    let daemon = place.start();
    let kind = "Content-Type: application/json\r\n";
    let line = json!({"name": "Door", "a": [0.25, 0.0], "b": [0.25, 1.0]}).to_string();
    let drawn = send(&daemon, "POST", "/api/v1/lines", kind, &line);
    assert_eq!(drawn.status, 201, "{}", drawn.text());
    let path = format!("/api/v1/lines/{}", drawn.json()["id"]);
    let ends = |daemon: &Daemon| {
        let line = client::get(daemon.address, &path).json();
        (line["a"].clone(), line["b"].clone())
    };
    drop(daemon);
    fs::write(place.config(), "[picture]\nrotate = 90\n").unwrap();
    let daemon = place.start();
    assert_eq!(ends(&daemon), (json!([1.0, 0.25]), json!([0.0, 0.25])));
    drop(daemon);
    fs::write(place.config(), "").unwrap();
    let daemon = place.start();
    assert_eq!(ends(&daemon), (json!([0.25, 0.0]), json!([0.25, 1.0])), "and back");
    // The same while it runs.
    assert_eq!(patch(&daemon, &json!({"picture.mirror": true})).status, 200);
    assert_eq!(ends(&daemon), (json!([0.75, 1.0]), json!([0.75, 0.0])));
    drop(daemon);
    assert_eq!(ends(&place.start()).0, json!([0.75, 1.0]), "and not again at the next start");
}

#[test]
fn pinned_settings_of_an_import_are_reported() {
    let place = Place::new();
    fs::write(
        place.config(),
        "name = \"door\"\n[source.controls]\ngain = 3\n[retention]\nsnapshots_age = \"9d\"\n",
    )
    .unwrap();
    let daemon = place.start();
    let toml = "name = \"gate\"\n[source]\nkind = \"sim\"\n[stream]\nquality = 9\n[retention]\nsnapshots_age = \"8d\"\n\
                [controls.\"sim\"]\ngain = 4\n";
    let imported = send(&daemon, "PUT", "/api/v1/settings.toml", "", toml);
    assert_eq!(imported.status, 200, "{}", imported.text());
    let said = imported.json()["complaint"].as_str().unwrap().to_owned();
    let place_of = |line: u32| format!("{}:{line}", place.config().display());
    for pinned in [
        format!("name in {}", place_of(1)),
        format!(".gain in {}", place_of(3)),
        format!("snapshots_age in {}", place_of(5)),
    ] {
        assert!(said.contains(&pinned), "no {pinned}: {said}");
    }
    assert!(!said.contains("quality") && !said.contains("source.kind"), "{said}");
    assert_eq!(value(&daemon, "stream.quality"), 9);
    assert_eq!(all(&daemon)["complaint"], "", "it is no fault of the current settings");
    let page = send(
        &daemon,
        "POST",
        "/api/v1/settings.toml",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "_method=put&next=settings&toml=name+%3D+%22shed%22%0A%5Bsource%5D%0Akind+%3D+%22sim%22%0A",
    );
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("Of what was imported this has no effect"), "{}", page.text());
    // A value that is in force anyway needs no message.
    let same =
        send(&daemon, "PUT", "/api/v1/settings.toml", "", "name = \"door\"\n[source]\nkind = \"sim\"\n");
    assert_eq!(same.json()["complaint"], "", "{}", same.text());
}

#[test]
fn settings_hidden_by_pinned_ones_are_exported_and_imported() {
    let place = Place::new();
    let kept = "[source]\nkind = \"sim\"\nurl = \"http://me:pw@cam/\"\npassword = \"s3cret\"\n\
                [source.controls]\ngain = 4\n[stream]\nquality = 44\nfps = 9\n[lights]\npixels = 30\n\
                [http]\nlisten = [\"127.0.0.1:2\"]\n";
    fs::write(place.file(), kept).unwrap();
    let pins = "[source]\nurl = \"http://me:other@gate/\"\n[source.controls]\ngain = 3\n[stream]\nquality = 60\n\
                [lights]\npixels = 8\n";
    fs::write(place.config(), pins).unwrap();
    let mut daemon = place.start();
    let exported = client::get(daemon.address, "/api/v1/settings.toml").text().to_owned();
    for line in [
        "quality = 44  # not in force",
        "pixels = 30  # not in force",
        "gain = 4  # not in force",
        "listen = [\"127.0.0.1:2\"]  # not in force",
        "url = \"http://***@cam/\"  # not in force",
        "password = \"***\"\n",
        "fps = 9\n",
    ] {
        assert!(exported.contains(line), "no {line}: {exported}");
    }
    assert!(!exported.contains("s3cret") && !exported.contains(":pw@"), "{exported}");
    let import = |daemon: &Daemon, toml: &str| {
        let imported = send(daemon, "PUT", "/api/v1/settings.toml", "", toml);
        assert_eq!(imported.status, 200, "{}", imported.text());
        imported.json()["complaint"].as_str().unwrap().to_owned()
    };
    assert_eq!(import(&daemon, &exported), "", "the value is already stored");
    // A new value is stored, too, with the message that it waits.
    let said = import(&daemon, &exported.replace("quality = 44", "quality = 45"));
    assert!(said.contains("stream.quality in ") && !said.contains("lights.pixels"), "{said}");
    assert_eq!(value(&daemon, "stream.quality"), 60);

    daemon.kill();
    fs::write(place.config(), "").unwrap();
    let daemon = place.start();
    for (path, want) in [
        ("stream.quality", json!(45)),
        ("stream.fps", json!(9)),
        ("lights.pixels", json!(30)),
        ("source.controls.gain", json!(4)),
    ] {
        assert_eq!(value(&daemon, path), want, "{path}");
    }
    let kept = fs::read_to_string(place.file()).unwrap();
    for secret in ["http://me:pw@cam/", "s3cret", "127.0.0.1:2"] {
        assert!(kept.contains(secret), "no {secret}: {kept}");
    }
}

#[test]
fn a_list_with_commas_in_its_items_is_read_as_the_page_shows_it() {
    let place = Place::new();
    let daemon = place.start();
    let names = json!(["T\u{fc}r", "a, b", "5\" pipe"]);
    assert_eq!(patch(&daemon, &json!({"record.on_crossing": names})).status, 200);
    let page = client::get(daemon.address, "/settings").text().to_owned();
    let row = page.split("data-key=\"record.on_crossing\"").nth(1).unwrap();
    let shown =
        row.split("name=\"was.record.on_crossing\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let shown = shown.replace("&quot;", "\"").replace("&#34;", "\"");
    assert_eq!(shown, "T\u{fc}r, \"a, b\", \"5\\\" pipe\"");
    // As typed by hand when the list was different, by script and by form.
    for typed in [shown.as_str(), "\"a, b\""] {
        assert_eq!(patch(&daemon, &json!({"record.on_crossing": null})).status, 200);
        let answer = patch(&daemon, &json!({"record.on_crossing": typed}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let want = if typed == shown { names.clone() } else { json!(["a, b"]) };
        assert_eq!(value(&daemon, "record.on_crossing"), want);
    }
    let form = "record.on_crossing=%22a,+b&was.record.on_crossing=%22a,+b%22";
    let refused =
        send(&daemon, "POST", "/api/v1/settings", FORM, &format!("_method=patch&next=settings&{form}"));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("quote where none can be"), "{}", refused.text());
    let form = "record.on_crossing=%22a,+b%22,+c&was.record.on_crossing=%22a,+b%22";
    assert_eq!(
        send(&daemon, "POST", "/api/v1/settings", FORM, &format!("_method=patch&next=settings&{form}"))
            .status,
        303
    );
    assert_eq!(value(&daemon, "record.on_crossing"), json!(["a, b", "c"]));
    let refused = patch(&daemon, &json!({"record.on_crossing": "\"a, b"}));
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("record.on_crossing")));
}

#[test]
fn pixels_beyond_the_strip_are_refused_as_by_the_light() {
    let place = Place::new();
    let daemon = place.start();
    assert_eq!(patch(&daemon, &json!({"lights.kind": "sim"})).status, 200);
    let refused = patch(&daemon, &json!({"lights.ranges": ["0-3 00FF00", "0-99 FF0000"]}));
    let problem = refused.json();
    assert_eq!((refused.status, &problem["field"]), (422, &json!("lights.ranges")), "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("names pixel 99, and the strip has the pixels 0 to 15")
    );
    let refused = send(
        &daemon,
        "PUT",
        "/api/v1/settings.toml",
        "",
        "[lights]\nkind = \"sim\"\nranges = [\"16 FF0000\"]\n",
    );
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(value(&daemon, "lights.ranges"), json!([]));
    let longer = json!({"lights.pixels": 100, "lights.ranges": ["0-99 FF0000"]});
    assert_eq!(patch(&daemon, &longer).status, 200, "with a longer strip");
    assert_eq!(patch(&daemon, &json!({"lights.pixels": 8})).status, 200, "which may be made shorter");
    // It is restored in the same form.
    let exported = client::get(daemon.address, "/api/v1/settings.toml").text().to_owned();
    assert_eq!(patch(&daemon, &json!({"lights.ranges": null})).status, 200);
    let restored = send(&daemon, "PUT", "/api/v1/settings.toml", "", &exported);
    assert_eq!(restored.status, 200, "{}", restored.text());
    assert_eq!(value(&daemon, "lights.ranges"), json!(["0-99 FF0000"]));
}

#[test]
fn only_the_operator_can_set_a_program_to_run() {
    let place = Place::new();
    let ran = place.folder.path().join("ran");
    let command = json!(["touch", ran.to_str().unwrap()]);
    let mut daemon = place.start();
    let refused = patch(&daemon, &json!({"source.kind": "exec", "source.command": command}));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["errors"][0]["path"], "source.command");
    for sent_settings in [json!({"source.command": command}), json!({"source.kind": "exec"})] {
        assert_eq!(patch(&daemon, &sent_settings).status, 422, "{sent_settings}");
    }
    let toml = format!("[source]\nkind = \"exec\"\ncommand = {command}\n");
    let refused = send(&daemon, "PUT", "/api/v1/settings.toml", "", &toml);
    assert_eq!(refused.status, 422, "{}", refused.text());
    daemon.kill();
    fs::write(place.file(), &toml).unwrap();
    let daemon = place.start();
    let now = all(&daemon);
    assert!(now["complaint"].as_str().unwrap().contains("`source.command`"), "{}", now["complaint"]);
    assert_eq!(
        (of(&now, "source.kind")["value"].clone(), of(&now, "source.command")["value"].clone()),
        (json!("auto"), json!([]))
    );
    client::get(daemon.address, "/snapshot.jpg");
    assert!(!ran.exists());
}

/// Otherwise a user of the page could open any file, and learn from the answer which ones exist.
#[test]
fn only_devices_are_named_on_the_page() {
    let place = Place::new();
    let mut daemon = place.start();
    let answer = |key: &str, path: &str| {
        let answer = patch(&daemon, &json!({key: path}));
        (answer.status, answer.json()["detail"].clone())
    };
    for key in ["source.path", "source.device", "lights.device", "lights.chip"] {
        let there = answer(key, "/etc/passwd");
        assert_eq!(there.0, 422, "{key}: {there:?}");
        for other in ["/not/there", "/dev/../etc/passwd", "not/there"] {
            assert_eq!(answer(key, other), there, "{key} {other}");
        }
    }
    for (key, path) in [("source.device", "/dev/v4l/by-id/door"), ("lights.device", "/dev/spidev6.3")] {
        assert_eq!(patch(&daemon, &json!({key: path})).status, 200, "{key}");
    }
    let toml = "[lights]\nchip = \"/etc/passwd\"\n";
    assert_eq!(send(&daemon, "PUT", "/api/v1/settings.toml", "", toml).status, 422);
    daemon.kill();
    fs::write(place.file(), toml).unwrap();
    let complaint = all(&place.start())["complaint"].clone();
    assert!(complaint.as_str().unwrap().contains("`lights.chip` must be a device below /dev"), "{complaint}");
}

/// The key switches the machine off without the password, so a user who may change the camera must not be able to set
/// it.
#[test]
fn only_the_operator_can_set_the_power_key() {
    let place = Place::new();
    fs::write(place.config(), "[power]\nkey = \"the operator's own\"\n").unwrap();
    let daemon = place.start();
    let refused = patch(&daemon, &json!({"power.key": "mine"}));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(!refused.text().contains("mine"), "{}", refused.text());
    assert_eq!(refused.json()["errors"][0]["path"], "power.key");
    assert_eq!(send(&daemon, "PUT", "/api/v1/settings.toml", "", "[power]\nkey = \"mine\"\n").status, 422);
    assert_eq!(client::get(daemon.address, "/shutdown?key=mine").status, 401);
}

#[test]
fn retention_rules_agree_wherever_they_are_changed() {
    let place = Place::new();
    let mut daemon = place.start();
    assert_eq!(patch(&daemon, &json!({"retention.snapshots_age": "7d"})).status, 200);
    let rules = client::get(daemon.address, "/api/v1/media/retention").json();
    assert_eq!(rules["rules"]["snapshots_age"].as_f64(), Some(7.0 * 86_400.0));
    let lines = "Content-Type: application/json\r\n";
    let put = send(
        &daemon,
        "PUT",
        "/api/v1/media/retention",
        lines,
        "{\"snapshots_age\": \"2d\", \"min_free\": 0}",
    );
    assert_eq!(put.status, 200, "{}", put.text());
    let tag = client::get(daemon.address, "/api/v1/settings").header("etag").unwrap().to_owned();
    assert_eq!(value(&daemon, "retention.snapshots_age"), "2d");
    assert_eq!(of(&all(&daemon), "retention.min_free")["origin"], "page");
    assert!(!tag.is_empty() && !fs::read_to_string(place.file()).unwrap().contains("retention"));
    daemon.kill();
    let daemon = place.start();
    assert_eq!(value(&daemon, "retention.snapshots_age"), "2d");
    assert_eq!(patch(&daemon, &json!({"retention.snapshots_age": null})).status, 200);
    assert_eq!(of(&all(&daemon), "retention.snapshots_age")["origin"], "default");
}

#[test]
fn the_command_line_speaks_to_the_daemon_that_runs() {
    let place = Place::new();
    let (code, _, said) = place.run(None, &["settings", "set", "name=door"]);
    assert_eq!(code, 1);
    assert!(said.contains("none runs here"), "{said}");

    let daemon = place.start();
    let run = |arguments: &[&str]| place.run(Some(&daemon), arguments);
    assert_eq!(run(&["settings", "set", "name=Front door", "stream.quality=70", "stream.idle_stop=5m"]).0, 0);
    assert_eq!(run(&["settings", "get", "name"]).1, "Front door\n");
    assert_eq!(run(&["settings", "get", "stream.quality"]).1, "70\n");
    assert_eq!(run(&["settings", "set", &format!("{}=7", control_path("sim", "brightness"))]).0, 0);
    // In a list, quotes belong to its items.
    for (typed, want) in
        [(r#""5\" pipe""#, json!(["5\" pipe"])), (r#""a, b""#, json!(["a, b"])), ("a, b", json!(["a", "b"]))]
    {
        let (code, _, said) = run(&["settings", "set", &format!("record.on_crossing={typed}")]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(value(&daemon, "record.on_crossing"), want);
    }
    assert_eq!(run(&["settings", "unset", "record.on_crossing"]).0, 0);
    let (code, _, said) = run(&["settings", "set", "stream.quality=700"]);
    assert_eq!(code, 1);
    assert!(said.contains("nothing was changed") && said.contains("from 1 to 100, not 700"), "{said}");
    let (_, listed, _) = run(&["settings", "list", "--changed"]);
    assert!(listed.contains("stream.quality = 70") && !listed.contains("stream.stall"), "{listed}");
    assert_eq!(run(&["settings"]), run(&["settings", "list"]), "bare, it lists");
    let (code, json, _) = run(&["settings", "list", "stream", "--json"]);
    assert_eq!(
        (code, serde_json::from_str::<Value>(&json).unwrap()[0]["path"].clone()),
        (0, json!("stream.quality"))
    );
    assert_eq!(run(&["settings", "get", "stream.colour"]).0, 64);
    let (code, _, said) = run(&["settings", "set", "stream.quality=1", "stream.quality=2"]);
    assert_eq!((code, said.contains("stream.quality is given twice")), (64, true), "{said}");
    assert_eq!(run(&["settings", "get", "stream.quality"]).1, "70\n");

    let file = place.folder.path().join("exported.toml");
    let file = file.to_str().unwrap();
    assert_eq!(run(&["settings", "export", "--output", file]).0, 0);
    let (code, _, said) = run(&["settings", "export", "--output", file]);
    assert_eq!((code, said.contains("not there yet")), (74, true), "it is never written over: {said}");
    assert_eq!(run(&["settings", "unset", "name", "stream.quality"]).0, 0);
    assert_eq!(run(&["settings", "get", "name"]).1, "camera\n");
    assert_eq!(run(&["settings", "import", file]).0, 0);
    assert_eq!(run(&["settings", "get", "name"]).1, "Front door\n");
    let bad = place.folder.path().join("bad.toml");
    fs::write(&bad, "[lights]\nbrightness = 300\n").unwrap();
    let (code, _, said) = run(&["settings", "import", bad.to_str().unwrap()]);
    let place = format!("from {}: line 2, column 14: `lights.brightness` must be", bad.display());
    assert!(code == 1 && said.contains(&place), "{code}: {said}");
    let (_, shown, _) = run(&["config", "show"]);
    assert!(shown.contains("settings.toml:"), "{shown}");
    assert!(
        run(&["config", "check"]).1.contains("5 keys set on the page"),
        "{}",
        run(&["config", "check"]).1
    );
}

#[test]
fn a_setting_that_needs_a_restart_says_so() {
    let place = Place::new();
    let daemon = place.start();
    // The test's own `--set` pins it; it is reported all the same.
    let listen = of(&all(&daemon), "http.listen");
    assert_eq!((&listen["live"], &listen["pinned"]), (&json!(false), &json!(true)));
    assert_eq!(all(&daemon)["needs_restart"], json!([]));
}

#[test]
fn a_new_source_applies_without_a_restart_or_the_former_one_stays() {
    let place = Place::new();
    let pictures = place.folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::write(place.config(), format!("[source]\npath = {:?}\n", pictures.to_str().unwrap())).unwrap();
    let daemon = place.start();
    let snapshot = || client::get(daemon.address, "/snapshot.jpg");
    assert_eq!(snapshot().status, 200);
    // A source without frames is refused.
    let refused = patch(&daemon, &json!({"source.kind": "files"}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.json()["detail"].as_str().unwrap().contains("everything is as it was"));
    assert_eq!((value(&daemon, "source.kind"), snapshot().status), (json!("sim"), 200));
    // Its own stream is refused, too: it would loop for ever.
    let own = format!("http://{}/stream", daemon.address);
    let refused = patch(&daemon, &json!({"source.kind": "url", "source.url": own}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("/*** is this tallycam itself"), "{}", refused.text());
    assert_eq!((value(&daemon, "source.kind"), snapshot().status), (json!("sim"), 200));
    // A source with frames is accepted.
    for n in 0..3 {
        fs::write(pictures.join(format!("{n}.jpg")), snapshot().body).unwrap();
    }
    let taken = patch(&daemon, &json!({"source.kind": "files"}));
    assert_eq!(taken.status, 200, "{}", taken.text());
    assert_eq!(snapshot().status, 200);
    assert!(daemon.state()["source"].to_string().contains("pictures"), "{}", daemon.state()["source"]);
    let saved = Saved::load(Path::new(&place.file())).unwrap().0;
    assert_eq!(saved.get("source.kind"), Some("\"files\""));
}

#[test]
fn hours_and_days_follow_another_time_zone() {
    let place = Place::new();
    let daemon = place.start();
    let offset = || {
        let counts = client::get(
            daemon.address,
            "/api/v1/counts?bucket=day&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z",
        );
        assert_eq!(counts.status, 200, "{}", counts.text());
        let counts = counts.json();
        (counts["time_zone"].clone(), counts["items"][0]["start"].as_str().unwrap().to_owned())
    };
    assert_eq!(patch(&daemon, &json!({"counts.time_zone": "UTC"})).status, 200);
    assert_eq!(offset().0, "UTC");
    let changed = patch(
        &daemon,
        &json!({"counts.time_zone": "Asia/Kathmandu", "counts.day_starts": 4, "name": "gate"}),
    );
    assert_eq!(changed.status, 200, "{}", changed.text());
    let (zone, start) = offset();
    assert_eq!(zone, "Asia/Kathmandu");
    // Four in the morning there is a quarter past ten of the evening before here.
    assert!(start.contains("T04:00:00") || start.contains("T22:15:00"), "{start}");
    assert_eq!(changed.json()["needs_restart"], json!([]));
    let refused = patch(&daemon, &json!({"counts.time_zone": "Middle/Earth"}));
    assert_eq!(refused.status, 422);
}

#[test]
fn the_detector_is_changed_while_it_runs() {
    let place = Place::new();
    let daemon = place.start();
    let changed = patch(
        &daemon,
        &json!({"detect.backend": "motion", "detect.fps": 3, "record.pre_roll": "1s", "privacy.counts_only": true}),
    );
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(client::get(daemon.address, "/snapshot.jpg").status, 403);
    assert_eq!(patch(&daemon, &json!({"privacy.counts_only": false})).status, 200);
    assert_eq!(client::get(daemon.address, "/snapshot.jpg").status, 200);
    // An unavailable detector is refused.
    let refused = patch(&daemon, &json!({"detect.backend": "replay"}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(value(&daemon, "detect.backend"), "motion");
    // Choosing a model ends counting by motion; a missing model changes nothing.
    let choose = |name: Value| {
        let (kind, body) = ("Content-Type: application/json\r\n", json!({"name": name}).to_string());
        send(&daemon, "PUT", "/api/v1/model", kind, &body)
    };
    assert!(choose(json!("not there")).status >= 400);
    assert_eq!(value(&daemon, "detect.backend"), "motion");
    assert_eq!(choose(json!(null)).status, 200);
    assert_eq!(value(&daemon, "detect.backend"), "auto");
    assert_eq!(patch(&daemon, &json!({"detect.backend": "motion"})).status, 200);
    // A change whose other half fails is refused entirely, and counting goes on.
    let refused = patch(&daemon, &json!({"detect.backend": "none", "detect.model": "not there"}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("switched off"), "{}", refused.text());
    let refused = patch(&daemon, &json!({"detect.model": "not there"}));
    assert!(!refused.text().contains("switched off"), "{}", refused.text());
}

/// On a full disk counts.db cannot be written, and settings that free space still apply. Here another program locks
/// it.
#[test]
fn settings_that_do_not_change_the_picture_need_no_counts_db() {
    let place = Place::new();
    let daemon = place.start();
    wait_until("counts.db is there", || client::get(daemon.address, "/api/v1/lines").status == 200);
    let held = rusqlite::Connection::open(place.state().join("counts.db")).unwrap();
    held.busy_timeout(DEADLINE).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    for changes in [json!({"retention.min_free": "3GB"}), json!({"stream.quality": 61})] {
        let answer = patch(&daemon, &changes);
        assert_eq!(answer.status, 200, "{changes}: {}", answer.text());
    }
    // Lines turn with a rotated picture, so this change waits for counts.db in vain.
    let turned = patch(&daemon, &json!({"picture.rotate": 90}));
    assert!(turned.status >= 500 || turned.status == 409, "{}: {}", turned.status, turned.text());
    assert!(turned.text().contains("lines and zones could not be moved"), "{}", turned.text());
    held.execute_batch("ROLLBACK").unwrap();
    wait_until("it is turned", || patch(&daemon, &json!({"picture.rotate": 90})).status == 200);
}
