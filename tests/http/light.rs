//! The light over HTTP, on a real socket: the API, and the old routes byte for byte.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::common::served::{Served, serve_run};
use crate::common::testcam::TestCam;
use crate::common::wait_until;
use serde_json::{Value, json};
use tallycam::base::Worker;
use tallycam::config::{Config, Resolved};
use tallycam::daemon;
use tallycam::http::{
    self, Changing, NotSet, PreferenceChanges, Preferences, Server, SettingsInForce, Terms, WrongSetting,
};
use tallycam::pipeline::Lights;
use tempfile::TempDir;

/// Settings in a file, applied as the daemon does.
#[derive(Debug)]
struct Set {
    file: PathBuf,
    lights: Lights,
    pinned: Option<&'static str>,
    in_force: Mutex<Arc<SettingsInForce>>,
}

/// Resolves the operator's file and `changes` together.
fn resolve(operators: &str, changes: &BTreeMap<String, String>) -> Result<Resolved, NotSet> {
    let sets: Vec<String> = changes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Config::from_text(Path::new("config.toml"), operators, &sets, []).map_err(|complaints| {
        let wrong = WrongSetting {
            path: changes.keys().next().unwrap().clone(),
            given: String::new(),
            message: complaints.to_string(),
            hint: None,
        };
        NotSet::Wrong(vec![wrong])
    })
}

/// Lines of `key = value`.
fn read(file: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(" = ")).map(|(k, v)| (k.into(), v.into())).collect()
}

impl Set {
    fn apply(
        &self,
        changes: PreferenceChanges,
        expected: Option<u64>,
    ) -> Result<Arc<SettingsInForce>, NotSet> {
        let mut in_force = self.in_force.lock().unwrap();
        if expected.is_some_and(|version| version != in_force.version) {
            return Err(NotSet::Changed);
        }
        if let Some(path) = self.pinned.filter(|path| changes.contains_key(*path)) {
            return Err(NotSet::Pinned { path: path.into(), place: "config.toml:3".into() });
        }
        let mut all = read(&self.file);
        for (key, value) in changes {
            match value {
                Some(value) => all.insert(key, value),
                None => all.remove(&key),
            };
        }
        let resolved = Arc::new(resolve("", &all)?);
        self.lights.set(daemon::lights::settings(&resolved.config));
        let lines: Vec<String> = all.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        std::fs::write(&self.file, lines.concat()).unwrap();
        let version = in_force.version + 1;
        *in_force = Arc::new(SettingsInForce {
            version,
            resolved,
            complaint: String::new(),
            unsaved: String::new(),
            needs_restart: Vec::new(),
        });
        Ok(Arc::clone(&in_force))
    }
}

impl Preferences for Set {
    fn in_force(&self) -> Arc<SettingsInForce> {
        Arc::clone(&self.in_force.lock().unwrap())
    }

    fn change(&self, changes: PreferenceChanges, terms: Terms) -> Changing<'_> {
        Box::pin(std::future::ready(self.apply(changes, terms.expected)))
    }

    fn export(&self) -> String {
        String::new()
    }

    fn stored(&self) -> String {
        unreachable!("no test makes a backup")
    }

    fn import(&self, _: String, _: Terms) -> Changing<'_> {
        unreachable!("no test imports")
    }
}

/// A server with a light, stopped in order when dropped.
struct Lit {
    served: Served,
    lights: Lights,
    worker: Option<Worker>,
    /// The folder of the stored settings, for tests that do not use it themselves.
    folder: Option<TempDir>,
}

impl Deref for Lit {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl Drop for Lit {
    fn drop(&mut self) {
        self.served.stop();
        self.served.join();
        self.lights.stop();
        self.worker = None;
        self.folder = None;
    }
}

/// A light with these keys; its settings are stored in `folder`.
fn lit_in(folder: &TempDir, keys: &[(&str, &str)], pinned: Option<&'static str>) -> Lit {
    let file = folder.path().join("settings");
    let mut all = read(&file);
    all.extend(keys.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    let resolved = Arc::new(resolve("", &all).unwrap());
    let lines: Vec<String> = all.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    std::fs::write(&file, lines.concat()).unwrap();

    let run = TestCam::new().pipeline(tallycam::pipeline::CaptureOptions::default());
    let settings = daemon::lights::settings(&resolved.config);
    let (lights, worker) = Lights::start(&run.pipeline, None, settings).unwrap();
    let in_force = SettingsInForce {
        version: 7,
        resolved,
        complaint: String::new(),
        unsaved: String::new(),
        needs_restart: Vec::new(),
    };
    let set = Set { file, lights: lights.clone(), pinned, in_force: Mutex::new(Arc::new(in_force)) };
    let served = serve_run(run, None, |pipeline| {
        Server::new(http::ServerSettings::default(), pipeline, None)
            .with_lights(lights.clone())
            .with_preferences(Arc::new(set))
    });
    Lit { served, lights, worker: Some(worker), folder: None }
}

fn lit(keys: &[(&str, &str)]) -> Lit {
    lit_with(keys, None)
}

fn lit_with(keys: &[(&str, &str)], pinned: Option<&'static str>) -> Lit {
    let folder = tempfile::tempdir().unwrap();
    let mut lit = lit_in(&folder, keys, pinned);
    lit.folder = Some(folder);
    lit
}

const SIM: (&str, &str) = ("lights.kind", "sim");

impl Lit {
    fn light(&self) -> Value {
        self.get("/api/v1/light").json()
    }

    fn patch(&self, body: Value) -> Answer {
        self.send("PATCH", "/api/v1/light", "application/json", &body.to_string())
    }

    fn shows(&self, colors: &[&str]) {
        wait_until(&format!("it shows {colors:?}"), || self.light()["colors"] == json!(colors));
    }
}

/// Status, type and body, as an old client sees them.
fn said(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.header("content-type").unwrap_or_default(), answer.text())
}

const TEXT: &str = "text/plain; charset=utf-8";
const DONE: (u16, &str, &str) = (200, TEXT, "200");

#[test]
fn the_light_is_reported_and_changed() {
    let lit = lit(&[SIM, ("lights.pixels", "4"), ("lights.limit", "200")]);
    lit.shows(&["000000"; 4]);
    let answer = lit.get("/api/v1/light");
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"7\"")));
    let light = answer.json();
    for (key, want) in [
        ("kind", json!("sim")),
        ("on", json!(false)),
        ("brightness", json!(255)),
        ("color", json!("FFFFFF")),
        ("ranges", json!([])),
        ("pixels", json!(4)),
        ("shows", json!("off")),
        ("reason", Value::Null),
        ("hint", Value::Null),
        ("auto", Value::Null),
    ] {
        assert_eq!(light[key], want, "{key}");
    }
    assert!(light["presets"].as_array().unwrap().contains(&json!({"name": "red", "color": "FF0000"})));

    let answer = lit.patch(json!({"on": true, "color": "ff0000", "brightness": 128}));
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"8\"")), "{}", answer.text());
    assert_eq!(answer.json()["color"], "FF0000");
    // The answer has the colours after the change.
    let shines = &answer.json()["colors"];
    assert_eq!(
        (&answer.json()["shows"], shines),
        (&json!("on"), &json!(["640000", "640000", "640000", "640000"]))
    );
    let light = lit.light();
    assert_eq!(
        (&light["on"], &light["shows"], &light["brightness"]),
        (&json!(true), &json!("on"), &json!(128))
    );

    let ranges = json!([{"from": 1, "to": 2, "color": "00FF00"}, {"from": 3, "color": "0000FF"}]);
    let answer = lit.patch(json!({"preset": "white", "brightness": 255, "ranges": ranges}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    lit.shows(&["C8C8C8", "00C800", "00C800", "0000C8"]);
    assert_eq!(lit.light()["ranges"][1], json!({"from": 3, "to": 3, "color": "0000FF"}));
    assert_eq!(lit.patch(json!({"ranges": [], "on": false})).status, 200);
    lit.shows(&["000000"; 4]);
    // The chosen colour is there when the light is switched on again.
    assert_eq!(lit.patch(json!({"on": true})).status, 200);
    lit.shows(&["C8C8C8"; 4]);
    let state = lit.state();
    assert_eq!(
        state["light"],
        json!({"kind": "sim", "on": true, "shows": "on", "reason": null, "hint": null})
    );
    let figures = lit.get("/metrics");
    assert!(figures.text().contains("tallycam_light_on{camera=\"camera\"} 1\n"), "{}", figures.text());
}

#[test]
fn a_wrong_value_is_named_with_its_range() {
    let lit = lit(&[SIM]);
    for (body, field, range, given) in [
        (json!({"brightness": 256}), "brightness", "a whole number from 0 to 255", "256"),
        (json!({"brightness": "NaN"}), "brightness", "a whole number from 0 to 255", "NaN"),
        (json!({"on": 3}), "on", "true or false", "3"),
        (json!({"color": "red"}), "color", "a colour as RRGGBB", "red"),
    ] {
        let answer = lit.patch(body.clone());
        let problem = answer.json();
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            (&problem["field"], &problem["range"], &problem["given"]),
            (&json!(field), &json!(range), &json!(given))
        );
    }
    for body in ["", "[]", "{\"colour\":1}", "nonsense", "{\"on\":null}"] {
        let answer = lit.send("PATCH", "/api/v1/light", "application/json", body);
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(lit.light()["on"], false);
    assert_eq!(lit.get("/api/v1/light").header("etag"), Some("\"7\""), "nothing has changed");
}

#[test]
fn two_users_at_once_lose_nothing_silently() {
    let lit = lit(&[SIM]);
    let patch = |tag: &str, body: Value| {
        let lines = format!("Content-Type: application/json\r\nIf-Match: {tag}\r\n");
        lit.send_with("PATCH", "/api/v1/light", &lines, &body.to_string())
    };
    assert_eq!(patch("\"7\"", json!({"brightness": 1})).status, 200);
    let late = patch("\"7\"", json!({"brightness": 2}));
    assert_eq!(late.status, 412, "{}", late.text());
    assert_eq!(lit.light()["brightness"], 1);
    assert_eq!(patch("*", json!({"brightness": 3})).status, 200);
}

#[test]
fn a_pinned_setting_stays() {
    let lit = lit_with(&[SIM], Some("lights.brightness"));
    let answer = lit.patch(json!({"brightness": 1}));
    assert_eq!(answer.status, 409);
    assert!(answer.json()["detail"].as_str().unwrap().contains("config.toml:3"), "{}", answer.text());
    assert_eq!(lit.get("/set_brightness?value=1").status, 409);
    assert_eq!(lit.patch(json!({"on": true})).status, 200);
}

#[test]
fn the_light_is_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = lit_in(&folder, &[SIM, ("lights.pixels", "2")], None);
    assert_eq!(said(&first.get("/set_color?value=0080FF")), DONE);
    assert_eq!(first.patch(json!({"on": true, "ranges": [{"from": 1, "color": "FF0000"}]})).status, 200);
    first.shows(&["0080FF", "FF0000"]);
    drop(first);
    let second = lit_in(&folder, &[], None);
    second.shows(&["0080FF", "FF0000"]);
    let light = second.light();
    assert_eq!((&light["on"], &light["color"]), (&json!(true), &json!("0080FF")));
}

/// The program itself: confirmed changes survive `kill -9`, and the command line asks the running daemon.
#[test]
fn the_program_stores_the_light_and_the_command_line_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let state = folder.path().join("state");
    let text = format!(
        "[source]\nkind = \"sim\"\n[lights]\nkind = \"sim\"\npixels = 2\n[store]\ndirectory = \"{}\"\n",
        state.display()
    );
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let start = || Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &["--config", config]);
    let light = |daemon: &Daemon| client::get(daemon.address, "/api/v1/light").json();
    let mut first = start();
    let listen = format!("http.listen=[\"{}\"]", first.address);
    let run = |listen: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        command.args(["--config", config, "--set", listen, "light"]).args(arguments);
        crate::common::items::output_of(&command.output().unwrap())
    };
    let (code, out, err) = run(&listen, &["set", "--color", "0080FF", "--brightness", "255"]);
    assert_eq!((code, out.as_str()), (0, "off, brightness 255, color 0080FF, 2 pixels (sim)\n"), "{err}");
    assert_eq!(said(&client::get(first.address, "/light?status=false")), DONE);
    let (code, _, err) = run(&listen, &["set", "--color", "mauve"]);
    assert_eq!(code, 1);
    assert!(err.contains("`color` should be a colour as RRGGBB"), "{err}");
    let (code, out, _) = run(&listen, &["--json"]);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["on"]), (0, &json!(true)));
    first.kill();
    let (code, _, err) = run(&listen, &["on"]);
    assert_eq!(code, 1);
    assert!(err.contains("needs the running service, and none runs here"), "{err}");

    let second = start();
    wait_until("it shines as before", || light(&second)["colors"] == json!(["0080FF", "0080FF"]));
    assert_eq!(light(&second)["pinned"], Value::Null);
    // Like any other setting.
    let ranges = json!({"lights.ranges": ["1 FF0000"]});
    let answer = client::send_json(second.address, "PATCH", "/api/v1/settings", &ranges);
    assert_eq!(answer.status, 200, "{}", answer.text());
    wait_until("the last is red", || light(&second)["colors"] == json!(["0080FF", "FF0000"]));
}

#[test]
fn the_old_routes_answer_as_documented() {
    let lit = lit(&[SIM, ("lights.pixels", "1")]);
    lit.shows(&["000000"]);
    // `false` is the state that the button showed, so the light is switched on. White, because no colour was ever
    // chosen.
    assert_eq!(said(&lit.get("/light?status=false")), DONE);
    lit.shows(&["FFFFFF"]);
    assert_eq!(said(&lit.get("/set_color?value=FF8000")), DONE);
    lit.shows(&["FF8000"]);
    assert_eq!(said(&lit.get("/set_brightness?value=128")), DONE);
    lit.shows(&["804000"]);
    assert_eq!(said(&lit.get("/light?status=true&_=123")), DONE);
    lit.shows(&["000000"]);
    assert_eq!(said(&lit.get("/set_color?value=00ff00")), DONE);
    lit.shows(&["000000"]);
    assert_eq!(said(&lit.get("/light?status=false")), DONE);
    lit.shows(&["008000"]);
    for path in
        ["/light", "/light?status=", "/set_brightness?value=256", "/set_color", "/set_color?value=GG0000"]
    {
        assert_eq!(said(&lit.get(path)), DONE, "{path}");
    }
    for path in ["/set_brightness", "/set_brightness?value=", "/set_brightness?value=NaN"] {
        assert_eq!(said(&lit.get(path)), (400, TEXT, "value is not a number"), "{path}");
    }
    lit.shows(&["008000"]);
}

#[test]
fn the_old_status_may_mean_what_the_old_program_did() {
    let lit = lit(&[SIM, ("lights.pixels", "1"), ("lights.old_status", "program")]);
    assert_eq!(said(&lit.get("/light?status=true")), DONE);
    lit.shows(&["FFFFFF"]);
    assert_eq!(said(&lit.get("/light?status=false")), DONE);
    lit.shows(&["000000"]);
}

#[test]
fn without_a_light_every_change_is_refused() {
    let lit = lit(&[]);
    assert_eq!(said(&lit.get("/light?status=false")), (403, TEXT, "Changing light not supported"));
    assert_eq!(said(&lit.get("/set_brightness?value=1")), (403, TEXT, "Changing brightness not supported"));
    assert_eq!(said(&lit.get("/set_color?value=FF0000")), (403, TEXT, "Changing color not supported"));
    assert_eq!(lit.patch(json!({"on": true})).status, 403);
    let light = lit.light();
    assert_eq!((&light["kind"], &light["pixels"], &light["colors"]), (&json!("none"), &json!(0), &json!([])));
    assert_eq!(lit.state()["light"], Value::Null);
}

#[test]
fn a_lamp_has_no_colour() {
    let lit = lit(&[("lights.kind", "gpio"), ("lights.chip", "/dev/gpiochip999")]);
    assert_eq!(said(&lit.get("/set_color?value=FF0000")), (403, TEXT, "Changing color not supported"));
    assert_eq!(lit.patch(json!({"color": "FF0000"})).status, 403);
    assert_eq!(lit.patch(json!({"ranges": []})).status, 403);
    // The setting is stored although the lamp is absent, and applies when it is present.
    assert_eq!(said(&lit.get("/light?status=false")), DONE);
    assert_eq!(said(&lit.get("/set_brightness?value=9")), DONE);
    wait_until("it says why", || !lit.light()["reason"].is_null());
    let light = lit.light();
    assert!(light["reason"].as_str().unwrap().contains("/dev/gpiochip999"), "{light}");
    assert!(light["hint"].as_str().unwrap().contains("/dev/gpiochip*"), "{light}");
    assert_eq!((&light["on"], &light["shows"], &light["pixels"]), (&json!(true), &json!("off"), &json!(1)));
}

#[test]
fn other_sites_change_nothing() {
    let lit = lit(&[SIM]);
    for path in ["/light?status=false", "/set_brightness?value=1", "/set_color?value=FF0000"] {
        let head = "Host: 192.0.2.1\r\nSec-Fetch-Site: cross-site";
        assert_eq!(lit.ask(&format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n")).status, 403, "{path}");
        assert_eq!(
            lit.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n")).status,
            405,
            "{path}"
        );
    }
    let foreign = "Content-Type: application/json\r\nOrigin: http://evil.example\r\n";
    assert_eq!(lit.send_with("PATCH", "/api/v1/light", foreign, "{\"on\":true}").status, 403);
    assert_eq!(lit.light()["on"], false);
}

#[test]
fn the_light_for_the_shot_shines_for_the_api_and_for_the_old_route() {
    let lit = lit(&[SIM, ("lights.pixels", "1"), ("lights.shot", "true"), ("lights.settle", "20ms")]);
    lit.shows(&["000000"]);
    let mut statuses = lit.lights.statuses();
    for path in ["/snapshot", "/api/v1/snapshot", "/snapshot.jpg"] {
        statuses.mark_unchanged();
        assert_eq!(lit.get(path).status, 200);
        assert!(statuses.has_changed().unwrap(), "{path}: nothing shone");
        wait_until("it is off again", || lit.lights.status().pixels == [[0; 3]]);
    }
}

#[test]
fn two_users_of_the_form_do_not_undo_each_other_unnoticed() {
    let lit = lit(&[SIM, ("lights.brightness", "10"), ("lights.color", "\"FF0000\"")]);
    let form = "application/x-www-form-urlencoded";
    let page = lit.get("/lights").text().to_owned();
    for was in ["name=\"was.brightness\" value=\"10\"", "name=\"was.color\" value=\"#ff0000\""] {
        assert!(page.contains(was), "{was}: {page}");
    }
    // Another user sets the colour in between; this form changes only the brightness.
    assert_eq!(lit.patch(json!({"color": "0000FF"})).status, 200);
    let (patch, seen) = ("_method=patch&next=lights", "was.brightness=10&was.color=%23ff0000");
    let done =
        lit.send("POST", "/api/v1/light", form, &format!("{patch}&{seen}&brightness=50&color=%23ff0000"));
    assert_eq!(done.status, 303, "{}", done.text());
    let now = || (lit.light()["brightness"].clone(), lit.light()["color"].clone());
    assert_eq!(now(), (json!(50), json!("0000FF")));
    // Both have changed the same value: the later one gets a message.
    for next in ["lights", ".%2F%23light"] {
        let sent = format!("_method=patch&next={next}&{seen}&brightness=90&color=%23FF0000");
        let refused = lit.send("POST", "/api/v1/light", form, &sent);
        assert_eq!(refused.status, 412, "{}", refused.text());
        assert!(refused.text().contains("Somebody else has set"), "{}", refused.text());
        assert_eq!(now(), (json!(50), json!("0000FF")));
    }
    // A form whose values are already in force raises no objection.
    let same =
        lit.send("POST", "/api/v1/light", form, &format!("{patch}&{seen}&brightness=50&color=%230000ff"));
    assert_eq!(same.status, 303, "{}", same.text());
    // A button sets its own value; a form without the former values sets all of its values.
    let off = lit.send("POST", "/api/v1/light", form, &format!("{patch}&color=00FF00"));
    assert_eq!((off.status, now()), (303, (json!(50), json!("00FF00"))));
    assert_eq!(
        lit.send("POST", "/api/v1/light", form, &format!("{patch}&brightness=7&color=%23ffffff")).status,
        303
    );
    assert_eq!(now(), (json!(7), json!("FFFFFF")));
}
