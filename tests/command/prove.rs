//! `tallycam prove`: taps that are late by 0.3 ± 0.3 s give the figures of `tallycam count --truth`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::common::client;
use crate::common::items::{Items, recording, wait};
use serde_json::Value;
use tallycam::store::{Counts, CountsOptions, LineDraft, Scene};

const S: u64 = 1_000_000;
/// The line D of vtest.avi, in pixels of a frame of 768 × 576.
const D: [f64; 4] = [300.0, 400.0, 300.0, 120.0];

/// The shared recordings, detections and true crossings, as in `tests/vision/accuracy.rs`.
fn testdata() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from);
    if folder.join("detections").is_dir() && folder.join("video/vtest.avi").is_file() {
        return Some(folder);
    }
    println!("LEFT OUT: no recorded detections in {}", folder.display());
    None
}

/// Numbers with mean 0 and deviation 1, always the same ones.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        let uniform = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(|_| uniform(&mut self.0)).sum::<f64>() - 6.0
    }
}

/// A store with a recording of as many frames as vtest.avi has, at its rate, and the line *D*.
fn store(frames: u64, step_us: u64) -> (Items, u64) {
    let items = Items::new();
    let times: Vec<u64> = (0..frames).map(|at| at * step_us).collect();
    let id = items.fill(|media| recording(media, "vtest", 0, &times)).id;
    let (counts, worker) = Counts::open(CountsOptions {
        directory: items.state(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    })
    .unwrap();
    let [ax, ay, bx, by] = D;
    let draft = LineDraft::new("D", [ax / 768.0, ay / 576.0], [bx / 768.0, by / 576.0]);
    wait(counts.add_line(Scene::Camera, draft)).unwrap();
    counts.stop();
    drop(worker);
    (items, id)
}

/// Counts the recording by these detections of a frame of 768 × 576; its own frames have 160 × 120 pixels.
fn recount(items: &Items, id: u64, detections: &str) {
    let scaled = detections.lines().skip(1).map(|row| {
        let fields: Vec<&str> = row.split(',').collect();
        let place = |at: usize| fields[at].parse::<f64>().unwrap() * 160.0 / 768.0;
        let places = (3..7).map(|at| place(at).to_string()).collect::<Vec<_>>().join(",");
        format!("{},{},{},{places}\n", fields[0], fields[1], fields[2])
    });
    let text = String::from("frame,class,score,x1,y1,x2,y2\n") + &scaled.collect::<String>();
    std::fs::write(items.folder.path().join("seen.csv"), text).unwrap();
    let id = id.to_string();
    let (code, out, err) = items.run(&[
        "counts",
        "recount",
        "--set",
        "detect.backend=replay",
        "--set",
        "detect.replay=seen.csv",
        "--set",
        "detect.classes=[\"person\"]",
        "--scene",
        "camera",
        &id,
    ]);
    assert_eq!(code, 0, "{out}{err}");
}

/// Precision and recall of `tallycam count --truth`, as its page tells them.
fn counted(items: &Items, clip: &Path, detections: &Path) -> (String, String) {
    let line = format!("D={},{},{},{}", D[0], D[1], D[2], D[3]);
    let (clip, detections) = (clip.to_str().unwrap(), detections.to_str().unwrap());
    let (code, out, err) = items.run(&[
        "count",
        clip,
        "--line",
        &line,
        "--replay",
        detections,
        "--classes",
        "person",
        "--report",
        "out.html",
        "--truth",
        "truth.csv",
    ]);
    assert_eq!(code, 0, "{out}{err}");
    let html = std::fs::read_to_string(items.folder.path().join("out.html")).unwrap();
    let behind = |word: &str| {
        let rest = html.split(word).nth(1).unwrap_or_else(|| panic!("{word} in {html}"));
        rest.chars().take(5).collect::<String>()
    };
    (behind("precision "), behind("recall "))
}

const CAMERA: [&str; 4] = ["--set", "source.kind=url", "--set", "source.url=http://127.0.0.1:9/"];

#[test]
fn late_taps_of_the_truth_give_the_figures_of_count_with_truth() {
    let Some(testdata) = testdata() else { return };
    let truth = std::fs::read_to_string(testdata.join("groundtruth/PETS09-S2L1.crossings.csv")).unwrap();
    let (mut real, mut taps, mut noise) = (String::new(), String::new(), Noise(61));
    for row in truth.lines().map(|row| row.split(',').collect::<Vec<_>>()) {
        if row[0] == "D" && row[1] == "foot" {
            let second = (row[2].parse::<f64>().unwrap() - 1.0) / 10.0;
            let way = if row[4] == "L>R" { "out" } else { "in" };
            writeln!(real, "D,{second},{way}").unwrap();
            writeln!(taps, "D,{},{way}", second + 0.3 + 0.3 * noise.next()).unwrap();
        }
    }
    let (items, id) = store(795, S / 10);
    let _daemon = items.serve_with(&CAMERA);
    std::fs::write(items.folder.path().join("truth.csv"), real).unwrap();
    std::fs::write(items.folder.path().join("taps.csv"), taps).unwrap();
    for model in ["yolox_nano_416", "ssdlite_mnv2_coco300"] {
        let seen = testdata.join(format!("detections/vtest.{model}.csv"));
        let (precision, recall) = counted(&items, &testdata.join("video/vtest.avi"), &seen);
        recount(&items, id, &std::fs::read_to_string(&seen).unwrap());
        let id = id.to_string();
        let check = items.json(&["prove", "D", "--recording", &id, "--taps", "taps.csv", "--json"]);
        let share = |name: &str| format!("{:.3}", check[name]["value"].as_f64().unwrap());
        assert_eq!((share("precision"), share("recall")), (precision, recall), "{model}: {check}");
        let late_s = check["late_s"].as_f64().unwrap();
        assert!((0.1..0.5).contains(&late_s), "{check}");
        assert!(check["model"] != "" && check["checked_s"].as_f64() > Some(79.0), "{check}");
    }
}

#[test]
fn a_check_is_stored_listed_and_deleted_and_what_cannot_be_one_is_refused() {
    let (items, id) = store(40, S / 10);
    let daemon = items.serve_with(&CAMERA);
    let row = |frame: u32, left: u32| format!("{frame},person,0.9,{left},200,{},360\n", left + 120);
    // A person walks over D to the right; its feet are on D at about two seconds.
    let seen: String = (1..=40).map(|frame| row(frame, 20 * (frame - 1) / 2 + 40)).collect();
    recount(&items, id, &format!("header\n{seen}"));
    let taps = |text: &str| std::fs::write(items.folder.path().join("taps.csv"), text).unwrap();
    taps("line,time_s,direction\nD,2.6,out\nD,0.5,in\nother,1,in\n");
    let id = id.to_string();
    let given = ["prove", "D", "--recording", &id, "--taps", "taps.csv"];
    let check = items.json(&[&given[..], &["--json"]].concat());
    assert_eq!(
        (&check["found"], &check["missed"], &check["false"]),
        (&1.into(), &1.into(), &0.into()),
        "{check}"
    );
    assert_eq!(check["faded"], Value::Array(Vec::new()), "{check}");
    assert!(check["light"].is_u64() && check["recording"].is_u64(), "{check}");
    let (_, out, _) = items.run(&given);
    assert!(out.contains("1 found, 1 missed, 0 false") && out.contains("of 100 people about"), "{out}");
    let text = |path: &str| client::get(daemon.address, path).text().to_owned();
    let list = client::get(daemon.address, "/api/v1/checks").json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(list["items"][1]["crossings"], Value::Array(Vec::new()));
    let table = text("/api/v1/checks?format=csv&bom=0");
    assert!(table.starts_with("id,made,line_id,line,version,") && table.lines().count() == 3, "{table}");
    // The crossing that was found is struck out.
    let found = &check["crossings"].as_array().unwrap().iter().find(|one| one["verdict"] == "found").unwrap()
        ["crossing"];
    let wrong = serde_json::json!({"wrong": true});
    let path = format!("/api/v1/crossings/{found}");
    assert_eq!(client::send_json(daemon.address, "PATCH", &path, &wrong).status, 200);
    let path = format!("/api/v1/checks/{}", check["id"]);
    let marked = client::get(daemon.address, &path).json();
    assert_eq!(
        (&marked["found"], &marked["false"], &marked["marked"]),
        (&0.into(), &1.into(), &1.into()),
        "{marked}"
    );
    // Its page is the certificate, and the line has a badge.
    let page = text(&format!("/checks?id={}", check["id"]));
    assert!(page.contains("Print certificate") && page.contains("frame.jpg?t="), "{page}");
    let page = text("/lines");
    assert!(page.contains("too few to tell, 3 s</a>"), "{page}");
    assert_eq!(client::get(daemon.address, "/check?line=1&minutes=5").status, 200);
    let audit = text("/api/v1/audit");
    assert!(audit.contains("checked line D"), "{audit}");
    assert_eq!(
        client::ask(daemon.address, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).status,
        204
    );
    assert_eq!(client::get(daemon.address, &path).status, 404);
    // Wrong arguments are refused.
    for (arguments, words) in [
        (&["prove", "Nowhere", "--recording", &id, "--taps", "taps.csv"][..], "there is no line \"Nowhere\""),
        (
            &["prove", "D", "--from", "2026-01-01T00:00:00Z", "--taps", "taps.csv"],
            "nothing was counted and watched",
        ),
        (&["prove", "D"], "--taps reads them from a file"),
        (&["prove", "D", "--taps", "taps.csv"], "--from"),
    ] {
        let (code, out, err) = items.run(arguments);
        assert!(code == 64 && err.contains(words), "{code} {out}{err}");
    }
    taps("D,2.6\n");
    let (code, _, err) = items.run(&given);
    assert!(code == 64 && err.contains("row 1 is not a line's name"), "{err}");
}

#[test]
fn a_rate_that_is_too_low_is_named_and_a_higher_one_is_tried() {
    let (items, id) = store(200, S / 10);
    let (mut seen, mut taps) = (String::from("frame,class,score,x1,y1,x2,y2\n"), String::new());
    for walker in 0..5 {
        // Fifteen frames from 10 to 150 of 160 pixels; D is at 62.5.
        let first = 10 + walker * 35;
        for n in 0..15 {
            let left = -3.0 + 10.0 * f64::from(n);
            writeln!(seen, "{},person,0.9,{left},40,{},75", first + n, left + 26.0).unwrap();
        }
        writeln!(taps, "D,{},out", f64::from(first + 5) / 10.0).unwrap();
    }
    std::fs::write(items.folder.path().join("seen.csv"), seen).unwrap();
    std::fs::write(items.folder.path().join("taps.csv"), taps).unwrap();
    let sets = ["detect.backend=replay", "detect.replay=seen.csv", "detect.fps=1"];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let daemon = items.serve_with(&[&CAMERA[..], &sets].concat());
    let id = id.to_string();
    let recount = ["counts", "recount", "--fps", "1", "--scene", "camera", &id];
    let (code, out, err) = items.run(&[&recount[..], &sets].concat());
    assert_eq!(code, 0, "{out}{err}");
    let crossings = || client::get(daemon.address, "/api/v1/crossings").text().to_owned();
    let before = crossings();
    let (code, out, err) = items.run(&["prove", "D", "--recording", &id, "--taps", "taps.csv", "--advise"]);
    assert_eq!(code, 0, "{out}{err}");
    let told = "too fast for the detection rate: 5 missed, 0 false; with 5 detections a second: 100 %";
    assert!(out.contains(told), "{out}{err}");
    assert_eq!(crossings(), before, "a trial changes no counts");
    let check = client::get(daemon.address, "/api/v1/checks/1").json();
    let cause = &check["advice"]["causes"][0];
    assert_eq!(
        (&cause["cause"], &cause["change"]),
        (&"rate".into(), &serde_json::json!({"rate": 5.0})),
        "{check}"
    );
    assert!(check["trial"].is_null() && check["trial_failed"].is_null(), "{check}");
    let page = client::get(daemon.address, "/checks?id=1").text().to_owned();
    assert!(
        page.contains("Too fast for the detection rate") && page.contains("settings#s-detect.fps"),
        "{page}"
    );
    // Without its recording a check cannot be tried.
    let path = format!("/api/v1/media/{id}");
    assert_eq!(
        client::ask(daemon.address, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).status,
        204
    );
    let refused =
        client::send_json(daemon.address, "POST", "/api/v1/checks/1/advice", &serde_json::json!({}));
    assert_eq!(refused.status, 422, "{}", refused.text());
    let from = ["prove", "D", "--from", "2026-06-01T10:00:00Z", "--taps", "taps.csv", "--advise"];
    let (code, out, err) = items.run(&from);
    assert!(
        code != 0 && out.contains("5 missed") && err.contains("no recording shows that time"),
        "{out}{err}"
    );
}
