//! The whole program with a fake libcamera helper that speaks the protocol and makes faults on request. The tests are
//! about viewers through faults, controls and lens over the API, the choice of the source, and counting on the second
//! stream.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tallycam_base::testing::write_executable;
use tempfile::TempDir;

use crate::common::client::{self, Answer, Client};
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use crate::helper::{CAMERA, Helpers, is_running};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");
const HELPER: &str = "libcamera-0.7";

/// A daemon beside helpers, with a state folder that survives it.
struct Bench {
    helpers: Helpers,
    kept: TempDir,
    daemon: Daemon,
}

impl Bench {
    fn new(how: &Value, more: &[&str]) -> Bench {
        let (helpers, kept) = (Helpers::new(), TempDir::new().unwrap());
        helpers.goes_wrong(HELPER, how);
        let daemon = Bench::start(&helpers, &kept, Command::new(helpers.program(PROGRAM)), more);
        Bench { helpers, kept, daemon }
    }

    fn start(helpers: &Helpers, kept: &TempDir, program: Command, more: &[&str]) -> Daemon {
        // A camera can be open only once.
        wait_until("the helper before has ended", || !helpers.processes().into_iter().any(is_running));
        let store = format!("store.directory={}", kept.path().display());
        let mut arguments = vec!["--set", "source.kind=libcamera", "--set", &store];
        arguments.extend(more.iter().flat_map(|set| ["--set", set]));
        Daemon::start(program, &arguments)
    }

    fn restart(&mut self) {
        self.daemon.kill();
        wait_until("its helper has ended", || {
            self.helpers.processes().into_iter().all(|pid| !is_running(pid))
        });
        let program = Command::new(self.helpers.program(PROGRAM));
        self.daemon = Bench::start(&self.helpers, &self.kept, program, &["detect.backend=none"]);
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        client::send_json(self.daemon.address, method, path, body)
    }

    fn item(&self, name: &str) -> Value {
        let report = client::get(self.daemon.address, "/api/v1/controls").json();
        let items = report["items"].as_array().unwrap_or_else(|| panic!("{report}")).clone();
        items.into_iter().find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}"))
    }

    /// A viewer, which keeps the camera open.
    fn watch(&self) -> Client {
        let mut client = Client::new(TcpStream::connect(self.daemon.address).unwrap());
        client.watch("/stream");
        self.live();
        client
    }

    fn live(&self) {
        wait_until("the camera is live", || self.daemon.state()["state"] == "live");
    }

    fn kill_helper(&self) {
        let pid = *self.helpers.processes().last().unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    }

    /// Waits until more helpers than `before` have been started, and the camera is live.
    fn live_again(&self, before: usize) {
        wait_until("another helper runs", || self.helpers.processes().len() > before);
        self.live();
    }
}

#[test]
fn a_viewer_stays_through_every_fault_of_a_helper() {
    for how in ["kill", "crash", "garbage", "unplug", "stall", "hang"] {
        let bench = Bench::new(
            &json!({"after": 10, "then": how}),
            &["detect.backend=none", "source.silent_after=1s"],
        );
        let mut viewer = bench.watch();
        let name = bench.daemon.state()["camera"].to_string();
        assert!(name.contains("imx708 (libcamera 0.7.1)"), "{name}");
        // From its next start on.
        bench.helpers.behaves();
        let parts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&parts);
        std::thread::spawn(move || {
            while viewer.part().is_some() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        if how == "kill" {
            bench.kill_helper();
        }
        bench.live_again(1);
        let before = parts.load(Ordering::SeqCst);
        wait_until("the viewer sees more", || parts.load(Ordering::SeqCst) > before + 2);
        let running = bench.helpers.processes().into_iter().filter(|pid| is_running(*pid)).count();
        assert_eq!(running, 1, "{how}");
    }
}

#[test]
fn controls_are_set_auto_modes_first_and_again_after_a_kill_and_a_restart() {
    let mut bench = Bench::new(&json!({}), &["detect.backend=none"]);
    let viewer = bench.watch();
    let answer = bench.send(
        "PATCH",
        "/api/v1/controls",
        &json!({"analogue_gain": 2.5, "exposure_time": 5000, "lens_position": 3.25, "af_mode": 0, "ae_enable": false, "brightness": -0.2}),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((&answer.json()["notes"], &answer.json()["refused"]), (&json!([]), &json!([])));
    let set = |values: &[(&str, f64)]| {
        values.iter().map(|(name, value)| ((*name).into(), *value)).collect::<Vec<_>>()
    };
    let once = bench.helpers.set();
    let modes: Vec<String> = once[..2].iter().map(|(name, _)| name.clone()).collect();
    assert!(modes.contains(&"af_mode".to_owned()) && modes.contains(&"ae_enable".to_owned()), "{once:?}");
    assert_eq!(once.len(), 6);
    let gain = bench.item("analogue_gain");
    assert_eq!(
        (&gain["kind"], &gain["value"], &gain["saved"]),
        (&json!("decimal"), &json!(2.5), &json!(true))
    );
    assert_eq!((&gain["min"], &gain["max"], &gain["unit"]), (&json!(1), &json!(16), &json!("×")));
    assert_eq!(bench.item("exposure_time")["value"], 5000);
    let lux = bench.item("lux");
    assert_eq!((&lux["value"], &lux["read_only"], &lux["unit"]), (&json!(412), &json!(true), &json!("lux")));
    let wrong = bench.send("PATCH", "/api/v1/controls", &json!({"analogue_gain": 0.5}));
    assert_eq!(wrong.status, 422, "{}", wrong.text());

    let again = set(&[
        ("ae_enable", 0.0),
        ("af_mode", 0.0),
        ("exposure_time", 5000.0),
        ("analogue_gain", 2.5),
        ("brightness", -0.2),
        ("lens_position", 3.25),
    ]);
    bench.kill_helper();
    bench.live_again(1);
    assert_eq!(bench.helpers.set()[once.len()..], again);
    drop(viewer);
    bench.restart();
    let _viewer = bench.watch();
    assert_eq!(bench.helpers.set()[once.len() + again.len()..], again);
    let saved = std::fs::read_to_string(bench.kept.path().join("settings.toml")).unwrap();
    assert!(
        saved.contains(&format!("[controls.\"{CAMERA}\"]")) && saved.contains("analogue_gain = 2.5"),
        "{saved}"
    );
}

#[test]
fn the_lens_is_libcameras_and_the_old_addresses_move_it() {
    let bench = Bench::new(&json!({}), &["detect.backend=none"]);
    let _viewer = bench.watch();
    let lens = client::get(bench.daemon.address, "/api/v1/lens").json();
    assert_eq!((&lens["has_window"], &lens["auto"]), (&json!(true), &json!(false)), "{lens}");
    assert!(lens["position"].is_number(), "{lens}");
    assert_eq!(client::get(bench.daemon.address, "/set_focus?value=0.5").status, 200);
    assert_eq!(bench.item("lens_position")["value"], 7.5);
    let continuous = bench.send("PATCH", "/api/v1/lens", &json!({"auto": true}));
    assert_eq!(continuous.status, 200, "{}", continuous.text());
    assert_eq!(bench.item("af_mode")["value"], 2);
    wait_until("the lens stands where autofocus has it", || bench.item("lens_position")["value"] == 2.5);
    assert_eq!(bench.item("lens_position")["inactive"], true);
}

#[test]
fn the_autofocus_spot_refers_to_the_shown_picture_and_survives_a_restart() {
    let mut bench = Bench::new(&json!({}), &["detect.backend=none"]);
    let viewer = bench.watch();
    let turned = bench.send("PATCH", "/api/v1/picture", &json!({"rotate": 90}));
    assert_eq!(turned.status, 200, "{}", turned.text());
    let spot = json!({"x": 0.25, "y": 0.4});
    let answer = bench.send("PATCH", "/api/v1/lens", &json!({"window": spot}));
    assert_eq!((answer.status, &answer.json()["window"]), (200, &spot), "{}", answer.text());
    let own = |bench: &Bench| {
        ["af_metering", "af_window_x", "af_window_y"].map(|name| bench.item(name)["value"].as_f64().unwrap())
    };
    assert_eq!(own(&bench), [1.0, 0.4, 0.75]);
    drop(viewer);
    bench.restart();
    let _viewer = bench.watch();
    assert_eq!(own(&bench), [1.0, 0.4, 0.75]);
    let set: Vec<(String, f64)> = bench.helpers.set().into_iter().rev().take(2).collect();
    assert_eq!(set, [(String::from("af_window_y"), 0.75), (String::from("af_window_x"), 0.4)]);
    // If autofocus waits for its trigger, the trigger is pressed.
    bench.send("PATCH", "/api/v1/controls", &json!({"af_mode": 1}));
    bench.send("PATCH", "/api/v1/lens", &json!({"window": spot}));
    assert_eq!(bench.helpers.set().last(), Some(&(String::from("af_trigger"), 1.0)));
    let whole = bench.send("PATCH", "/api/v1/lens", &json!({"window": null}));
    assert_eq!((whole.status, &whole.json()["window"]), (200, &json!(null)), "{}", whole.text());
    assert_eq!(bench.item("af_metering")["value"], 0);
    for wrong in [json!({"window": {"x": 2, "y": 0}}), json!({"window": spot, "step": 0.1})] {
        assert_eq!(bench.send("PATCH", "/api/v1/lens", &wrong).status, 400, "{wrong}");
    }
}

/// A folder with programs that stand in for those of Raspberry Pi OS.
fn rpicam(pictures: &std::path::Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, text: &str| write_executable(&folder.path().join(name), text);
    let clip = pictures.display();
    put("rpicam-vid", &format!("#!/bin/sh\nwhile cat '{clip}'; do sleep 0.1; done\n"));
    put("rpicam-hello", "#!/bin/sh\necho '0 : imx708 [4608x2592 10-bit RGGB] (/base)'\n");
    folder
}

#[test]
fn auto_prefers_libcamera_to_rpicam_vid_and_says_why_not() {
    let picture = tempfile::NamedTempFile::new().unwrap();
    let kept = TempDir::new().unwrap();
    let helpers = Helpers::new();
    {
        // Any JPEG: the program makes one itself.
        let daemon = Bench::start(&helpers, &kept, Command::new(PROGRAM), &["source.kind=sim"]);
        let jpeg = client::get(daemon.address, "/snapshot").body;
        std::fs::write(picture.path(), jpeg).unwrap();
    }
    let programs = rpicam(picture.path());
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let start = || {
        let mut program = Command::new(helpers.program(PROGRAM));
        program.env("PATH", &path);
        Bench::start(&helpers, &kept, program, &["source.kind=auto", "detect.backend=none"])
    };
    let source = |daemon: &Daemon| {
        let mut viewer = Client::new(TcpStream::connect(daemon.address).unwrap());
        viewer.watch("/stream");
        wait_until("the camera is live", || daemon.state()["state"] == "live");
        (
            daemon.state()["camera"].to_string(),
            daemon.said(),
            client::get(daemon.address, "/").text().to_owned(),
        )
    };
    let (name, _, _) = source(&start());
    assert!(name.contains("imx708 (libcamera 0.7.1)"), "{name}");
    helpers.goes_wrong(
        HELPER,
        &json!({"exit": 127, "words": "libcamera.so.0.7: cannot open shared object file"}),
    );
    let (name, said, page) = source(&start());
    assert!(name.contains("rpicam-vid"), "{name}");
    assert!(said.contains("The CSI camera is read through rpicam-vid: libcamera"), "{said}");
    assert!(page.contains("is read through rpicam-vid: libcamera"), "{page}");
}

#[test]
fn the_detector_takes_the_second_stream() {
    // Nothing moves in the main stream.
    let bench = Bench::new(&json!({"main_is_blank": true}), &["detect.backend=motion"]);
    let line =
        bench.send("POST", "/api/v1/lines", &json!({"name": "Middle", "a": [0.5, 1.0], "b": [0.5, 0.0]}));
    assert_eq!(line.status, 201, "{}", line.text());
    bench.live();
    wait_until("the block crosses the line", || {
        let crossings = client::get(bench.daemon.address, "/api/v1/crossings").json();
        !crossings["items"].as_array().unwrap().is_empty()
    });
}
