//! `tallycam counts show` and `export`, beside a daemon.

use crate::common::daemon::Daemon;
use crate::common::items::Items;
use crate::common::wait_until;
use serde_json::{Value, json};
use tallycam::store::{Counts, CountsOptions, Coverage, Scene};

/// The source of the daemon: a camera that does not answer.
const CAMERA: [&str; 4] = ["--set", "source.kind=url", "--set", "source.url=http://127.0.0.1:9/"];

/// A counts.db in which only the simulation was counted, for a moment.
fn counts_db() -> (Items, Daemon) {
    let items = Items::new();
    let (counts, writer) = Counts::open(CountsOptions {
        directory: items.state(),
        camera: String::from("hall"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    })
    .unwrap();
    counts.set_coverage(Coverage::Counting(Scene::Sim));
    std::thread::sleep(std::time::Duration::from_millis(50));
    counts.set_coverage(Coverage::Not("paused"));
    counts.stop();
    drop(writer);
    let daemon = items.serve_with(&CAMERA);
    (items, daemon)
}

fn counts(items: &Items, arguments: &[&str]) -> (String, String) {
    let span = ["--from", "-1h", "--bucket", "total"];
    let (code, out, err) = items.run(&[&["counts"], arguments, &span].concat());
    assert_eq!(code, 0, "{err}");
    (out, err)
}

#[test]
fn without_a_scene_the_recorded_ones_are_named() {
    let (items, _daemon) = counts_db();
    let hint = "hint: no counts of camera for that time, but of: --scene sim\n";
    let (table, said) = counts(&items, &["show"]);
    assert!(table.trim_end().ends_with("%   –    –"), "{table}");
    assert_eq!(said, hint);
    assert_eq!(counts(&items, &["export"]).1, hint);
    let (table, said) = counts(&items, &["show", "--scene", "sim"]);
    assert!(table.trim_end().ends_with("0    0"), "{table}");
    assert_eq!(said, "");
    // A named scene needs no note.
    assert_eq!(counts(&items, &["show", "--scene", "camera"]).1, "");
}

#[test]
fn the_json_has_the_request_and_the_gaps() {
    let (items, _daemon) = counts_db();
    for command in ["show", "export"] {
        let (out, _) = counts(&items, &[command, "--json", "--scene", "sim", "--by", "direction,line"]);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&report["camera"], &report["scene"]), (&json!("door"), &json!("sim")));
        assert_eq!((&report["time_zone"], &report["bucket"]), (&json!("UTC"), &json!("total")));
        assert_eq!((&report["by"], report.get("next")), (&json!(["line", "direction"]), Some(&Value::Null)));
        let why: Vec<&Value> = report["gaps"].as_array().unwrap().iter().map(|gap| &gap["why"]).collect();
        assert_eq!(why.first(), Some(&&json!("not_begun")), "{report}");
        assert!(report["line_gaps"].is_array(), "{report}");
    }
}

#[test]
fn a_service_on_another_state_is_not_asked() {
    let (theirs, ours) = (Items::new(), Items::new());
    let daemon = theirs.serve_with(&CAMERA);
    let listen = format!("http.listen=[\"{}\"]", daemon.address);
    for arguments in [&["counts", "show"][..], &["counts", "reset"], &["media", "list"], &["audit"]] {
        let (code, out, err) = ours.run(&[arguments, &["--set", &listen]].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.contains("none runs here"), "{err}");
    }
}

#[test]
fn a_missing_service_and_a_wrong_value_are_reported() {
    let items = Items::new();
    for arguments in [&["counts", "show"][..], &["counts", "export"], &["counts", "reset"], &["audit"]] {
        let (code, out, err) = items.run(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.contains("needs the running service, and none runs here\nhint: start it"), "{err}");
    }
    let _daemon = items.serve_with(&CAMERA);
    for (arguments, words) in [
        (&["--from", "soon"][..], "`from` is \"soon\""),
        (&["--from", "now", "--to", "today"], "later than from"),
        (&["--from", "1970-01-02", "--bucket", "hour"], "more than"),
        (&["--scene", "moon"], "moon"),
        (&["--by", "colour"], "colour"),
    ] {
        let (code, out, err) = items.run(&[&["counts", "show"], arguments].concat());
        assert_eq!((code, out.as_str()), (64, ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let (code, out, _) = items.run(&["counts", "reset", "--line", "99"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(items.run(&["counts", "reset"]).0, 0);
    // The audit list is written beside the answer, at most ten times a second.
    wait_until("the reset is on the list", || items.run(&["audit"]).1.contains("set "));
    let table = items.run(&["audit", "--csv", "--limit", "1"]).1;
    assert!(table.starts_with("id,time,") && table.lines().count() == 2, "{table}");
}
