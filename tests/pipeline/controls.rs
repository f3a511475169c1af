//! Camera controls over the API and on the command line, with a fake camera that logs its requests. It gets exactly
//! the wanted values in the right order, and again after unplugging and after a restart.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tallycam::config::control_path;
use tempfile::TempDir;

use crate::common::client::{self, Answer, Client};
use crate::common::daemon::Daemon;
use crate::common::testcam::TestCam;
use crate::common::{served, wait_until};
use crate::fakecam::FakeCam;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");

/// A daemon on a fake camera, with a state folder that survives it.
struct Bench {
    camera: FakeCam,
    kept: TempDir,
    daemon: Daemon,
    more: Vec<String>,
}

impl Bench {
    fn new(camera: FakeCam, more: &[&str]) -> Bench {
        let kept = TempDir::new().unwrap();
        let more: Vec<String> = more.iter().map(|set| (*set).to_owned()).collect();
        let daemon = Bench::start(&camera, kept.path(), &more);
        Bench { camera, kept, daemon, more }
    }

    fn start(camera: &FakeCam, kept: &Path, more: &[String]) -> Daemon {
        let mut sets = vec![
            String::from("source.kind=v4l2"),
            format!("source.device={}", camera.path().display()),
            format!("store.directory={}", kept.display()),
            String::from("detect.backend=none"),
        ];
        sets.extend(more.iter().cloned());
        let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set.as_str()]).collect();
        Daemon::start(camera.command(PROGRAM), &arguments)
    }

    fn restart(&mut self) {
        self.daemon.kill();
        self.daemon = Bench::start(&self.camera, self.kept.path(), &self.more);
    }

    fn send(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let len = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}Content-Length: {len}\r\n\r\n{body}"
        );
        client::ask(self.daemon.address, &request)
    }

    fn patch(&self, body: &str) -> Answer {
        self.send("PATCH", "/api/v1/controls", "Content-Type: application/json\r\n", body)
    }

    fn item(&self, name: &str) -> Value {
        let report = client::get(self.daemon.address, "/api/v1/controls").json();
        item(&report, name)
    }

    /// A viewer, which keeps the camera open.
    fn watch(&self) -> Client {
        let mut client = Client::new(std::net::TcpStream::connect(self.daemon.address).unwrap());
        client.watch("/stream");
        self.live();
        client
    }

    fn live(&self) {
        wait_until("the camera is live", || self.daemon.state()["state"] == "live");
    }

    /// The controls that were set, in order.
    fn set(&self) -> Vec<String> {
        lines(&self.camera.log(), "ctrl ")
    }

    fn saved(&self) -> String {
        std::fs::read_to_string(self.kept.path().join("settings.toml")).unwrap_or_default()
    }

    /// `tallycam controls …`: exit code, standard output, standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(PROGRAM)
            .arg("controls")
            .args(arguments)
            .args(["--set", &format!("http.listen=[\"{}\"]", self.daemon.address)])
            .env("STATE_DIRECTORY", self.kept.path())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn item(report: &Value, name: &str) -> Value {
    let items = report["items"].as_array().unwrap_or_else(|| panic!("{report}"));
    items.iter().find(|item| item["name"] == name).cloned().unwrap_or_else(|| panic!("no {name}: {report}"))
}

/// The text after `word` in the lines of a log.
fn lines(log: &str, word: &str) -> Vec<String> {
    log.lines().filter_map(|line| Some(line.split_once(word)?.1.to_owned())).collect()
}

/// Every control of the camera, in an order that would not work.
const EVERYTHING: &str = r#"{
    "focus_absolute": 40, "exposure_time_absolute": 77, "white_balance_temperature": 3000, "do_white_balance": true,
    "brightness": 200, "contrast": 33, "saturation": 5, "power_line_frequency": 1,
    "white_balance_automatic": false, "auto_exposure": 1, "focus_automatic_continuous": false
}"#;

#[test]
fn controls_can_be_set_while_many_clients_read_them() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let _viewer = bench.watch();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..60 {
            let (done, address) = (&done, bench.daemon.address);
            let path = ["/api/v1/controls", "/api/v1/formats", "/api/v1/lens"][n % 3];
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(client::get(address, path).status, 200, "{path}");
                }
            });
        }
        let statuses = (1..=10).map(|n| bench.patch(&format!("{{\"brightness\": {n}}}")).status);
        let statuses: Vec<u16> = statuses.collect();
        done.store(true, Ordering::Relaxed);
        assert_eq!(statuses, [200; 10]);
    });
    assert_eq!(bench.item("brightness")["value"], 10);
}

#[test]
fn every_control_is_set_in_order_and_again_after_unplugging_and_restart() {
    let mut bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let viewer = bench.watch();
    let answer = bench.patch(EVERYTHING);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = answer.json();
    assert_eq!((&report["notes"], &report["refused"]), (&json!([]), &json!([])));
    assert_eq!(item(&report, "white_balance_temperature")["inactive"], false, "its auto mode is off");
    let once = [
        "white_balance_automatic=0",
        "auto_exposure=1",
        "focus_automatic_continuous=0",
        "focus_absolute=40",
        "exposure_time_absolute=77",
        "white_balance_temperature=3000",
        "do_white_balance=1",
        "brightness=200",
        "contrast=33",
        "saturation=5",
        "power_line_frequency=1",
    ];
    assert_eq!(bench.set(), once);
    assert_eq!(lines(&bench.camera.log(), "streamon").len(), 1, "the stream was not touched");
    assert_eq!(lines(&bench.camera.log(), "refused").len(), 0);

    // From now on in the camera's own order, and without pressing the button.
    let again = [
        "white_balance_automatic=0",
        "auto_exposure=1",
        "focus_automatic_continuous=0",
        "brightness=200",
        "contrast=33",
        "saturation=5",
        "power_line_frequency=1",
        "white_balance_temperature=3000",
        "exposure_time_absolute=77",
        "focus_absolute=40",
    ];
    bench.camera.control("unplug");
    bench.camera.wait_for_log(" unplug");
    bench.camera.control("plug");
    bench.camera.wait_for_log(" plug");
    wait_until("it is set again", || bench.set().len() >= once.len() + again.len());
    bench.live();
    assert_eq!(bench.set()[once.len()..], again);
    assert_eq!(bench.item("saturation")["value"], 5);

    drop(viewer);
    bench.restart();
    assert_eq!(bench.set().len(), once.len() + again.len(), "nothing is set before it is opened");
    assert_eq!(bench.item("brightness")["value"], 200, "the value that it will have when open");
    let _viewer = bench.watch();
    assert_eq!(bench.set()[once.len() + again.len()..], again);
    let saved = bench.item("focus_automatic_continuous");
    assert_eq!(
        (&saved["value"], &saved["saved"], &saved["pinned"]),
        (&json!(false), &json!(true), &json!(false))
    );
    assert!(!bench.saved().contains("do_white_balance"), "{}", bench.saved());
}

#[test]
fn a_value_that_is_reset_is_no_longer_stored() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let _viewer = bench.watch();
    assert_eq!(bench.patch(r#"{"brightness": 9, "contrast": 8}"#).status, 200);
    assert!(bench.saved().contains("brightness = 9"), "{}", bench.saved());
    let report = bench.patch(r#"{"brightness": null}"#).json();
    let brightness = item(&report, "brightness");
    assert_eq!((&brightness["value"], &brightness["saved"]), (&json!(128), &json!(false)));
    assert!(!bench.saved().contains("brightness"), "{}", bench.saved());

    let reset = bench.send("POST", "/api/v1/controls/reset", "", "");
    assert_eq!((reset.status, item(&reset.json(), "contrast")["value"].clone()), (200, json!(32)));
    assert!(!bench.saved().contains("contrast"), "{}", bench.saved());
    assert_eq!(bench.set(), ["brightness=9", "contrast=8", "brightness=128", "contrast=32"]);
}

#[test]
fn a_reset_also_removes_values_of_controls_that_are_gone() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &["source.controls.gamma=3"]);
    let _viewer = bench.watch();
    assert_eq!(bench.patch(r#"{"contrast": 8}"#).status, 200);
    let saved = bench.saved();
    let camera =
        saved.lines().find_map(|line| line.strip_prefix("[controls.\"")?.strip_suffix("\"]")).unwrap();
    // One that it had, one button, and those of any camera and of another one.
    let settings = json!({
        control_path(camera, "ghost"): 5, control_path(camera, "odd name"): 6,
        control_path(camera, "do_white_balance"): 1, control_path("another", "ghost"): 7,
        "source.controls.phantom": 8, "source.controls.\"odd name\"": 9,
    });
    let lines = "Content-Type: application/json\r\n";
    let answer = bench.send("PATCH", "/api/v1/settings", lines, &settings.to_string());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pressed = bench.set().len();
    let reset = bench.send("POST", "/api/v1/controls/reset", "", "");
    assert_eq!(reset.status, 200, "{}", reset.text());
    let kept = bench.saved();
    let kept: Vec<&str> = kept.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(kept, ["[controls.\"another\"]", "ghost = 7"]);
    assert_eq!(bench.set()[pressed..], ["contrast=32"], "the camera gets its own values");
    // The same if nothing else is to be reset.
    let ghost = json!({control_path(camera, "ghost"): 5}).to_string();
    assert_eq!(bench.send("PATCH", "/api/v1/settings", lines, &ghost).status, 200);
    assert_eq!(bench.send("POST", "/api/v1/controls/reset", "", "").status, 200);
    assert_eq!(bench.saved().matches("ghost").count(), 1, "{}", bench.saved());
    for path in ["/api/v1/controls/reset", "/api/v1/lens/reset", "/api/v1/lens/sweep"] {
        let answer = bench.send("POST", path, lines, r#"{"gain": 1}"#);
        let problem = answer.json();
        assert_eq!((answer.status, &problem["field"]), (400, &json!("gain")), "{path}: {problem}");
        assert_eq!((&problem["range"], &problem["given"]), (&json!("nothing"), &json!("1")), "{path}");
    }
}

#[test]
fn an_idle_camera_gets_its_controls_when_it_opens() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let answer = bench.patch(r#"{"focus_absolute": 40, "focus_automatic_continuous": false}"#);
    assert_eq!((answer.status, item(&answer.json(), "focus_absolute")["value"].clone()), (200, json!(40)));
    let formats = client::get(bench.daemon.address, "/api/v1/formats").json();
    assert_eq!(formats["items"][0]["format"], "MJPG");
    assert_eq!(
        (&formats["items"][0]["width"], &formats["items"][0]["fps"]),
        (&json!(320), &json!([30.0, 15.0, 5.0]))
    );
    assert_eq!(bench.set(), [""; 0]);
    assert_eq!(lines(&bench.camera.log(), "streamon").len(), 0);
    let _viewer = bench.watch();
    assert_eq!(bench.set(), ["focus_automatic_continuous=0", "focus_absolute=40"]);
    assert_eq!(bench.item("focus_absolute")["inactive"], false);
}

#[test]
fn a_later_saved_value_overrides_one_set_while_the_camera_was_idle() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    assert_eq!(bench.patch(r#"{"brightness": 30, "contrast": 8}"#).status, 200);
    let exported = client::get(bench.daemon.address, "/api/v1/settings.toml").text().to_owned();
    let later = exported.replace("brightness = 30", "brightness = 50");
    assert_ne!(later, exported);
    assert_eq!(bench.send("PUT", "/api/v1/settings.toml", "", &later).status, 200);
    assert_eq!(bench.item("brightness")["value"], 50);
    assert_eq!(bench.patch(r#"{"contrast": null}"#).status, 200);
    let _viewer = bench.watch();
    wait_until("both are set", || bench.set().len() >= 2);
    assert_eq!(bench.set(), ["brightness=50", "contrast=32"]);
}

#[test]
fn a_control_under_an_automatic_mode_is_set_when_the_mode_ends() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("strict"), &[]);
    let _viewer = bench.watch();
    assert_eq!(bench.patch(r#"{"auto_exposure": 1, "exposure_time_absolute": 77}"#).status, 200);
    assert_eq!(bench.patch(r#"{"auto_exposure": 3}"#).status, 200);
    let by_hand = ["auto_exposure=1", "exposure_time_absolute=77"];
    assert_eq!(bench.set(), [&by_hand[..], &["auto_exposure=3"][..]].concat());
    assert!(bench.saved().contains("exposure_time_absolute = 77"), "{}", bench.saved());
    bench.camera.control("unplug");
    bench.camera.wait_for_log(" unplug");
    bench.camera.control("plug");
    wait_until("it streams again", || lines(&bench.camera.log(), "streamon").len() == 2);
    bench.live();
    assert_eq!(bench.set()[3..], ["auto_exposure=3"]);
    assert_eq!(lines(&bench.camera.log(), "refused").len(), 0, "{}", bench.camera.log());
    let state = bench.daemon.state().to_string();
    assert!(!state.contains("exposure_time_absolute"), "{state}");
    assert_eq!(bench.patch(r#"{"auto_exposure": 1}"#).status, 200);
    assert_eq!(bench.set()[4..], by_hand);
}

#[test]
fn a_wrong_change_is_refused_entirely_and_in_words() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let _viewer = bench.watch();
    for (body, status, field, said) in [
        (r#"{"contrast": 9, "brightness": 256}"#, 422, "brightness", "a whole number from 0 to 255, not 256"),
        (r#"{"contrast": 9, "brightness": "12x"}"#, 422, "brightness", "a whole number from 0 to 255"),
        (r#"{"contrast": 9, "brightness": 1.5}"#, 422, "brightness", "not 1.5"),
        (r#"{"contrast": 9, "brightness": ""}"#, 422, "brightness", "not \\\"\\\""),
        (r#"{"contrast": 9, "auto_exposure": 2}"#, 422, "auto_exposure", "1 (Manual Mode), 3 (Aperture"),
        (r#"{"contrast": 9, "do_white_balance": null}"#, 422, "do_white_balance", "true, which presses it"),
        (r#"{"contrast": 9, "brightnes": 1}"#, 422, "brightnes", "it has `brightness`"),
        (r#"{"contrast": 9, "contrast": 8}"#, 422, "", "is given twice"),
        (r#"{"contrast": NaN}"#, 400, "contrast", "no finite number"),
        (r#"{}"#, 422, "", "no control is named"),
        (r#"[9]"#, 422, "", "should be an object"),
        ("", 400, "", "needs a body"),
    ] {
        let answer = bench.patch(body);
        let problem = answer.json();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{body}"
        );
        assert!(answer.text().contains(said), "{body}: {}", answer.text());
        if !field.is_empty() {
            assert_eq!(problem["field"], field, "{problem}");
            assert!(problem["range"].is_string() && problem["given"].is_string(), "{problem}");
        }
    }
    assert_eq!(bench.set(), [""; 0]);

    let tag = bench.patch(r#"{"contrast": 9}"#).header("etag").unwrap().to_owned();
    assert_eq!(bench.patch(r#"{"contrast": 10}"#).status, 200);
    let late =
        bench.send("PATCH", "/api/v1/controls", &format!("If-Match: {tag}\r\n"), r#"{"contrast": 11}"#);
    assert_eq!((late.status, bench.item("contrast")["value"].clone()), (412, json!(10)));
}

#[test]
fn pinned_controls_cannot_be_set() {
    let more = ["source.controls.brightness=20", "source.controls.auto_exposure=1"];
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &more);
    let _viewer = bench.watch();
    assert_eq!(bench.set(), ["auto_exposure=1", "brightness=20"]);
    let answer = bench.patch(r#"{"contrast": 9, "brightness": 30}"#);
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("brightness` is set in `--set"), "{}", answer.text());
    let item = bench.item("brightness");
    assert_eq!(
        (&item["value"], &item["pinned"], &item["place"]),
        (&json!(20), &json!(true), &json!("--set"))
    );
    assert_eq!(bench.send("POST", "/api/v1/controls/reset", "", "").status, 200);
    assert_eq!(bench.set(), ["auto_exposure=1", "brightness=20"]);
}

#[test]
fn a_value_for_every_camera_is_replaced_by_the_next_change() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let _viewer = bench.watch();
    let settings =
        |body: &str| bench.send("PATCH", "/api/v1/settings", "Content-Type: application/json\r\n", body);
    let contrast = || {
        let item = bench.item("contrast");
        ["value", "saved", "pinned"].map(|key| item[key].clone())
    };
    for change in [r#"{"contrast": 20}"#, r#"{"contrast": null}"#] {
        let every = settings(r#"{"source.controls.contrast": 10, "source.controls.focus_absolute": 10}"#);
        assert_eq!(every.status, 200, "{}", every.text());
        wait_until("it is set", || contrast() == [json!(10), json!(true), json!(false)]);
        let answer = bench.patch(change);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let is_kept = change.contains("20");
        let value = if is_kept { 20 } else { 32 };
        assert_eq!(contrast(), [json!(value), json!(is_kept), json!(false)]);
        assert!(!bench.saved().contains("contrast = 10"), "{}", bench.saved());
    }
    // The lens is one of them, and a reset removes all.
    let moved =
        bench.send("PATCH", "/api/v1/lens", "Content-Type: application/json\r\n", r#"{"position": 0.5}"#);
    assert_eq!(moved.status, 200, "{}", moved.text());
    assert!(!bench.saved().contains("focus_absolute = 10"), "{}", bench.saved());
    assert_eq!(settings(r#"{"source.controls.contrast": 10}"#).status, 200);
    assert_eq!(bench.send("POST", "/api/v1/controls/reset", "", "").status, 200);
    assert_eq!(contrast(), [json!(32), json!(false), json!(false)]);
    assert!(!bench.saved().contains("contrast") && !bench.saved().contains("focus"), "{}", bench.saved());
}

#[test]
fn a_value_refused_at_opening_is_reported_while_it_is_stored() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("liar"), &[]);
    assert_eq!(bench.patch(r#"{"contrast": 80, "brightness": 9}"#).status, 200);
    let viewer = bench.watch();
    let told = || {
        let report = client::get(bench.daemon.address, "/api/v1/controls").json();
        (item(&report, "contrast")["value"].clone(), report["refused"].clone(), report["notes"].to_string())
    };
    wait_until("it is told", || told().1 == json!(["contrast"]));
    let (value, _, notes) = told();
    assert_eq!(value, 32);
    assert!(notes.contains("does not set its control contrast to 80: Numerical result"), "{notes}");
    let (code, out, err) = bench.run(&["list"]);
    assert!(code == 0 && out.contains("(the camera refuses the saved value)"), "{out}");
    assert!(err.contains("does not set its control contrast to 80"), "{err}");
    let page = client::get(bench.daemon.address, "/settings");
    assert!(page.text().contains("The camera has not taken this."), "{}", page.text());
    // Nobody else gets the message, and a change whose every part is refused is no change.
    let other = bench.patch(r#"{"brightness": 10}"#).json();
    assert_eq!((&other["refused"], &other["notes"]), (&json!([]), &json!([])));
    let refused = bench.patch(r#"{"contrast": 90}"#);
    let problem = refused.json();
    assert_eq!(refused.status, 422, "{problem}");
    assert_eq!(
        (&problem["field"], &problem["range"], &problem["given"]),
        (&json!("contrast"), &json!("a whole number from 0 to 255"), &json!("90"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("contrast to 90: Numerical result"), "{problem}");
    // Until the value is removed.
    assert_eq!(bench.patch(r#"{"contrast": null}"#).status, 200);
    assert_eq!(told(), (json!(32), json!([]), String::from("[]")));
    drop(viewer);
}

#[test]
fn a_camera_with_wrong_ranges_is_judged_by_its_answers() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("liar,strict"), &[]);
    let _viewer = bench.watch();
    let answer = bench.patch(r#"{"contrast": 200, "saturation": 90, "focus_absolute": 40, "brightness": 3}"#);
    let report = answer.json();
    assert_eq!(answer.status, 200, "{report}");
    assert_eq!(report["refused"], json!(["contrast", "focus_absolute"]));
    let values = ["contrast", "saturation", "focus_absolute", "brightness"]
        .map(|name| item(&report, name)["value"].clone());
    assert_eq!(values, [32, 50, 0, 3]);
    let notes = report["notes"].to_string();
    for note in [
        "does not set its control contrast to 200: Numerical result out of range",
        "was asked to set its control saturation to 90 and has set it to 50",
        "control `focus_absolute` cannot be set while an automatic mode rules it",
    ] {
        assert!(notes.contains(note), "{notes}");
    }
    let saved = bench.saved();
    assert!(saved.contains("saturation = 50") && saved.contains("brightness = 3"), "{saved}");
    assert!(!saved.contains("contrast") && !saved.contains("focus"), "{saved}");
}

#[test]
fn a_reset_reaches_controls_under_an_automatic_mode() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("strict"), &[]);
    let _viewer = bench.watch();
    let by_hand = r#"{"white_balance_automatic": false, "white_balance_temperature": 3000}"#;
    assert_eq!(bench.patch(by_hand).status, 200);
    assert!(bench.saved().contains("white_balance_temperature = 3000"), "{}", bench.saved());
    // The temperature is set before the automatic mode, under which the camera refuses it.
    let reset = bench.send("POST", "/api/v1/controls/reset", "", "");
    assert_eq!((reset.status, &reset.json()["refused"]), (200, &json!([])));
    assert_eq!(bench.item("white_balance_temperature")["saved"], false);
    assert!(!bench.saved().contains("white_balance"), "{}", bench.saved());
    let (manual, auto) = ("white_balance_automatic=0", "white_balance_automatic=1");
    let default = "white_balance_temperature=4600";
    assert_eq!(bench.set(), [manual, "white_balance_temperature=3000", default, auto]);
    // The same if the automatic mode was switched on afterwards.
    assert_eq!(bench.run(&["set", "white_balance_automatic=0", "white_balance_temperature=3000"]).0, 0);
    assert_eq!(bench.run(&["set", "white_balance_automatic=1"]).0, 0);
    let (code, _, err) = bench.run(&["reset"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let set = bench.set();
    assert_eq!(set[7..], [manual, default, auto]);
    assert_eq!(bench.item("white_balance_temperature")["value"], 4600);
    // And it is not set again at the next open.
    bench.camera.control("unplug");
    bench.camera.wait_for_log(" unplug");
    bench.camera.control("plug");
    wait_until("it streams again", || lines(&bench.camera.log(), "streamon").len() == 2);
    bench.live();
    assert_eq!(bench.set(), set);
}

#[test]
fn a_control_that_vanishes_after_unplugging_is_reported_and_the_rest_is_set() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("vanish"), &[]);
    let _viewer = bench.watch();
    assert_eq!(bench.patch(r#"{"saturation": 5, "contrast": 6, "brightness": 7}"#).status, 200);
    bench.camera.control("unplug");
    bench.camera.wait_for_log(" unplug");
    bench.camera.control("plug");
    wait_until("it is set again", || bench.set().len() >= 5);
    bench.live();
    assert_eq!(bench.set()[3..], ["brightness=7", "contrast=6"]);
    let state = bench.daemon.state().to_string();
    assert!(state.contains("The camera has no control `saturation`"), "{state}");
    assert_eq!(bench.patch(r#"{"saturation": 9}"#).status, 422);
}

#[test]
fn every_kind_of_control_is_offered() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("more"), &[]);
    let _viewer = bench.watch();
    let body = r#"{"link_frequency": 2, "pixel_rate": 1600400, "detectors": 6, "brightness_2": 1, "step_relative": -3}"#;
    let report = bench.patch(body).json();
    assert_eq!(
        bench.set(),
        ["link_frequency=2", "pixel_rate=1600000", "detectors=6", "brightness_2=1", "step_relative=-3"]
    );
    assert_eq!(item(&report, "link_frequency")["choices"][2], json!({"value": 2, "title": "300000000"}));
    assert_eq!(item(&report, "pixel_rate")["value"], 1_600_000);
    // It cannot be read, so the report has the last value sent. It moves something, and must not be repeated at every
    // opening.
    assert_eq!(item(&report, "step_relative")["value"], -3);
    let kept = bench.send("GET", "/api/v1/settings.toml", "", "").text().to_owned();
    assert!(kept.contains("brightness_2 = 1") && !kept.contains("step_relative"), "{kept}");
    assert!(!report["notes"].to_string().contains("step_relative"), "{report}");
    assert!(report["notes"].to_string().contains("`pixel_rate` has no 1600400: it is set to 1600000"));
    assert_eq!(
        (item(&report, "detectors")["max"].clone(), item(&report, "brightness")["value"].clone()),
        (json!(7), json!(128))
    );
    assert_eq!(item(&report, "temperature")["read_only"], true);
    assert_eq!(bench.patch(r#"{"temperature": 30}"#).status, 422);
    let names = report["items"].to_string();
    assert!(!names.contains("serial") && !names.contains("unused"), "{names}");
}

#[test]
fn a_new_size_format_or_rate_applies_without_a_restart_and_is_rolled_back_if_it_fails() {
    let camera = FakeCam::new().formats("MJPG,YUYV").sizes("640x480,320x240").fps("30,15");
    let bench = Bench::new(camera, &[]);
    let mut viewer = bench.watch();
    assert_eq!(bench.patch(r#"{"brightness": 7}"#).status, 200);
    let settings =
        |body: &str| bench.send("PATCH", "/api/v1/settings", "Content-Type: application/json\r\n", body);
    // The log has the rate of the last open.
    let rate = || {
        bench.daemon.log().lines().rev().find_map(|line| Some(line.split_once("camera open: ")?.1.to_owned()))
    };
    let delivers = || {
        let state = bench.daemon.state();
        let rate = rate().unwrap();
        let fps = rate.rsplit_once("at ").unwrap().1.trim_end_matches(" fps").parse::<f64>().unwrap();
        (state["width"].clone(), state["format"].clone(), fps)
    };
    for (body, now) in [
        (r#"{"source.width": 320, "source.height": 240}"#, (json!(320), json!("MJPG"), 30.0)),
        (r#"{"source.format": "YUYV"}"#, (json!(320), json!("YUYV"), 30.0)),
        (r#"{"source.fps": 15, "source.format": null}"#, (json!(320), json!("MJPG"), 15.0)),
    ] {
        let answer = settings(body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(delivers(), now, "{body}");
        // Its controls are set again, as after every open.
        assert_eq!(bench.set().last().unwrap(), "brightness=7");
    }
    assert_eq!(bench.set().len(), 4);

    let refused = settings(r#"{"source.format": "NV12"}"#);
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.text().contains("NV12"), "{}", refused.text());
    bench.live();
    assert_eq!(delivers(), (json!(320), json!("MJPG"), 15.0));
    assert!(!bench.saved().contains("NV12"), "{}", bench.saved());
    // The viewer stayed connected throughout.
    for _ in 0..3 {
        viewer.part();
    }
}

#[test]
fn a_source_without_controls_says_so() {
    let served = served::serve(&TestCam::new(), tallycam::http::ServerSettings::default());
    let report = served.get("/api/v1/controls").json();
    assert_eq!(report["items"], json!([]));
    assert_eq!(report["reason"], "the test camera has no controls that could be set here.");
    assert_eq!(served.send("PATCH", "/api/v1/controls", "application/json", "{\"gain\":1}").status, 422);
    let formats = served.get("/api/v1/formats").json();
    assert_eq!((&formats["items"], formats["reason"].is_string()), (&json!([]), true));
}

#[test]
fn the_command_line_lists_sets_and_resets() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240").faults("liar"), &[]);
    let _viewer = bench.watch();
    let (code, out, err) = bench.run(&["set", "brightness=7", "white_balance_automatic=off"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "  brightness               7, from 0 to 255, default 128 (kept)\n  white_balance_automatic  off, default on (kept)\n"
    );
    let (code, out, _) = bench.run(&["list"]);
    assert!(
        code == 0
            && out.starts_with("Fake Camera (")
            && out.contains("  do_white_balance            a button\n"),
        "{out}"
    );
    assert_eq!(bench.run(&[]), bench.run(&["list"]), "bare, it lists");
    let (code, _, err) = bench.run(&["set", "contrast=200"]);
    assert!(code == 1 && err.contains("does not set its control contrast to 200"), "{err}");
    let (code, out, err) = bench.run(&["set", "brightness=300"]);
    assert!(code == 1 && out.is_empty() && err.contains("a whole number from 0 to 255, not 300"), "{err}");
    assert_eq!(bench.run(&["set", "brightness"]).0, 64);
    let (code, out, _) = bench.run(&["reset", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, item(&report, "brightness")["value"].clone()), (0, json!(128)));
    assert_eq!(
        bench.set(),
        ["white_balance_automatic=0", "brightness=7", "brightness=128", "white_balance_automatic=1"]
    );
}

#[test]
fn the_value_of_a_vanished_control_can_be_removed() {
    let bench = Bench::new(FakeCam::new().formats("MJPG").sizes("320x240"), &[]);
    let _viewer = bench.watch();
    assert_eq!(bench.patch(r#"{"contrast": 9}"#).status, 200);
    let identity = client::get(bench.daemon.address, "/api/v1/controls").json()["camera"]["identity"].clone();
    let ghost = format!("controls.{identity}.ghost");
    let json = "Content-Type: application/json\r\n";
    let set = bench.send("PATCH", "/api/v1/settings", json, &serde_json::json!({ghost: 5}).to_string());
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(bench.saved().contains("ghost = 5"), "{}", bench.saved());
    assert_eq!(bench.patch(r#"{"ghost": 6}"#).status, 422, "it cannot be set");
    assert_eq!(bench.patch(r#"{"gohst": null}"#).status, 422, "and resetting an unknown control is an error");
    let before = bench.set();
    let back = bench.patch(r#"{"ghost": null}"#);
    assert_eq!(back.status, 200, "{}", back.text());
    assert!(!bench.saved().contains("ghost") && bench.saved().contains("contrast = 9"), "{}", bench.saved());
    assert_eq!(bench.set(), before, "the camera gets nothing");
    assert_eq!(bench.patch(r#"{"ghost": null}"#).status, 422, "there is none any more");
}
