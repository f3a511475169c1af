//! `tallycam counts show` and `export` as they are run, without a daemon.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tallycam::store::{Counts, CountsOptions, Coverage, Scene};

/// A counts.db in which the simulated scene was counted for a moment, and no other.
fn counts_db(folder: &Path) {
    let (counts, writer) = Counts::open(CountsOptions {
        directory: folder.join("data"),
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
}

/// Standard output and standard error.
fn counts(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tallycam"))
        .arg("counts")
        .args(arguments)
        .args([
            "--from",
            "-1h",
            "--bucket",
            "total",
            "--config",
            "/dev/null",
            "--set",
            "counts.time_zone=UTC",
        ])
        .current_dir(folder)
        .env_remove("STATE_DIRECTORY")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(output.status.success(), "{}", text(output.stderr));
    (text(output.stdout), text(output.stderr))
}

#[test]
fn who_names_no_scene_is_told_of_which_there_is_something_on_record() {
    let folder = tempfile::tempdir().unwrap();
    counts_db(folder.path());
    let hint = "hint: no counts of camera for that time, but of: --scene sim\n";
    let (table, said) = counts(folder.path(), &["show"]);
    assert!(table.trim_end().ends_with("0 %      –      –"), "{table}");
    assert_eq!(said, hint);
    assert_eq!(counts(folder.path(), &["export"]).1, hint);
    let (table, said) = counts(folder.path(), &["show", "--scene", "sim"]);
    assert!(table.trim_end().ends_with("0      0"), "{table}");
    assert_eq!(said, "");
    // Who named it knows what it is.
    assert_eq!(counts(folder.path(), &["show", "--scene", "camera"]).1, "");
}

#[test]
fn the_json_says_what_was_asked_for_and_when_nothing_was_counted() {
    let folder = tempfile::tempdir().unwrap();
    counts_db(folder.path());
    for command in ["show", "export"] {
        let (out, _) =
            counts(folder.path(), &[command, "--json", "--scene", "sim", "--by", "direction,line"]);
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&report["camera"], &report["scene"]), (&json!("camera"), &json!("sim")));
        assert_eq!((&report["time_zone"], &report["bucket"]), (&json!("UTC"), &json!("total")));
        assert_eq!((&report["by"], report.get("next")), (&json!(["line", "direction"]), Some(&Value::Null)));
        let why: Vec<&Value> = report["gaps"].as_array().unwrap().iter().map(|gap| &gap["why"]).collect();
        assert_eq!(why.first(), Some(&&json!("not_begun")), "{report}");
        assert!(report["line_gaps"].is_array(), "{report}");
    }
}
