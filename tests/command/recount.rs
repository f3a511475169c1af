//! `tallycam counts recount`: crossings of a stored recording replace those that were counted.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::common::items::{Items, MONDAY, recording, recording_of, snapshot, stamp, wait};
use serde_json::{Value, json};
use tallycam::store::media::MediaOrigin;
use tallycam::store::{
    Counts, CountsOptions, CountsReader, CrossingsQuery, Direction, FoundAgain, LineDraft, LineRow, Recount,
    Scene,
};

const S: u64 = 1_000_000;

/// A store, and a counts.db with two crossings that did not happen. The store has a recording of forty pictures at 10
/// fps, in which a person crosses the line *Door* to the right at two seconds.
struct Walk {
    items: Items,
    door: LineRow,
    /// Runs unless the test writes to the files itself.
    daemon: RefCell<Option<Daemon>>,
}

/// The source of the daemon: a camera that does not answer.
const CAMERA: [&str; 4] = ["--set", "source.kind=url", "--set", "source.url=http://127.0.0.1:9/"];

fn counts_db(items: &Items) -> CountsOptions {
    CountsOptions {
        directory: items.state(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::get("UTC").unwrap(),
        day_starts: 0,
    }
}

fn with_counts<T>(items: &Items, work: impl FnOnce(&Counts) -> T) -> T {
    let (counts, worker) = Counts::open(counts_db(items)).unwrap();
    let made = work(&counts);
    counts.stop();
    drop(worker);
    made
}

fn draft(name: &str) -> LineDraft {
    LineDraft::new(name, [0.5, 1.0], [0.5, 0.0])
}

fn steps(count: u64, step_us: u64) -> Vec<u64> {
    (0..count).map(|at| at * step_us).collect()
}

impl Walk {
    fn new() -> Walk {
        let items = Items::new();
        items.fill(|media| {
            recording(media, "walk.mp4", 0, &steps(40, S / 10));
            recording(media, "lapse.mp4", 100 * S, &steps(5, 10 * S));
            snapshot(media, "still.jpg", 1, 200 * S);
        });
        let mut text = String::from("frame,class,score,x1,y1,x2,y2\n");
        for frame in 1..=40 {
            let left = 4 * frame - 14;
            writeln!(text, "{frame},person,0.9,{left},40,{},100", left + 24).unwrap();
        }
        std::fs::write(items.folder.path().join("walk.csv"), text).unwrap();
        let door = with_counts(&items, |counts| {
            let door = wait(counts.add_line(Scene::Camera, draft("Door"))).unwrap();
            // The earlier crossings, stored as by an earlier recount: one "in" during the recording, one before it.
            let found = |track, at_us| FoundAgain {
                line: door.id,
                track,
                ordinal: 1,
                class: Arc::from("person"),
                direction: Direction::In,
                score: 0.5,
                time_us: MONDAY + at_us,
            };
            let live = Recount {
                scene: Scene::Camera,
                camera: String::from("door"),
                recording: String::from("live"),
                model: String::from("live"),
                is_time_sure: true,
                spans: vec![(MONDAY - 10 * S, MONDAY + 10 * S)],
                lines: vec![(door.id, door.version)],
                crossings: vec![found(1, 3 * S), FoundAgain { time_us: MONDAY - S, ..found(2, 0) }],
            };
            wait(counts.recount(live)).unwrap();
            door
        });
        Walk { items, door, daemon: RefCell::default() }
    }

    /// Stops the daemon, which has the files open.
    fn stop(&self) -> &Items {
        if let Some(mut daemon) = self.daemon.take() {
            assert!(daemon.stop().success());
        }
        &self.items
    }

    /// Runs a command beside the daemon.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.daemon.borrow_mut().get_or_insert_with(|| self.items.serve_with(&CAMERA));
        self.items.run(arguments)
    }

    fn arguments<'a>(&self, more: &[&'a str]) -> Vec<&'a str> {
        let detector = ["--set", "detect.backend=replay", "--set", "detect.replay=walk.csv"];
        // Imported recordings do not belong to the camera unless told so.
        let scene = if more.contains(&"--scene") { &[][..] } else { &["--scene", "camera"] };
        [&["counts", "recount"], &detector[..], scene, more].concat()
    }

    fn recount(&self, more: &[&str]) -> Value {
        let (code, out, err) = self.run(&self.arguments(&[more, &["--json"]].concat()));
        assert_eq!(code, 0, "{more:?}: {out}{err}");
        serde_json::from_str::<Value>(&out).unwrap()["items"][0].clone()
    }

    /// Second and direction of all valid crossings, oldest first. Asserts that counts.db is sound.
    fn crossings(&self) -> Vec<(f64, Direction)> {
        let reader = CountsReader::open(&counts_db(&self.items)).unwrap();
        assert_eq!(reader.check().unwrap(), Vec::<String>::new());
        let mut found: Vec<(f64, Direction)> = reader
            .crossings(&CrossingsQuery {
                scene: Some(Scene::Camera),
                from_us: None,
                to_us: None,
                lines: Vec::new(),
                classes: Vec::new(),
                direction: None,
                after: None,
                oldest_first: true,
                limit: 100,
            })
            .unwrap()
            .into_iter()
            .map(|c| ((c.time_us as f64 - MONDAY as f64) / 1e6, c.direction))
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }
}

#[test]
fn a_recount_replaces_the_earlier_crossings() {
    let walk = Walk::new();
    let (code, out, err) = walk.items.run(&walk.arguments(&["walk.mp4"]));
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("needs the running service, and none runs here\nhint: start it"), "{err}");
    let dry = walk.arguments(&["walk.mp4", "--dry-run"]);
    assert_eq!(walk.items.run(&dry).0, 0, "a dry run needs no service");
    let before = walk.crossings();
    assert_eq!(before, [(-1.0, Direction::In), (3.0, Direction::In)]);

    let dry = walk.recount(&["walk.mp4", "--dry-run"]);
    assert_eq!(walk.crossings(), before, "a dry run changes nothing");
    assert_eq!((&dry["dry_run"], &dry["changed"]), (&json!(true), &json!(true)));
    let line =
        json!({"line_id": walk.door.id, "line": "Door", "in": 0, "out": 1, "in_before": 1, "out_before": 0});
    assert_eq!(dry["lines"], json!([line]));

    let made = walk.recount(&["walk.mp4"]);
    assert_eq!(
        (&made["changed"], &made["superseded"], &made["counted"]),
        (&json!(true), &json!(1), &json!(1))
    );
    assert_eq!(
        (&made["scene"], &made["pictures"], &made["model"]),
        (&json!("camera"), &json!(40), &json!("walk.csv"))
    );
    assert_eq!(made["lines"], json!([line]));
    let after = walk.crossings();
    assert_eq!(after.len(), 2);
    assert_eq!(after[0], (-1.0, Direction::In), "crossings outside the recording's time stay");
    // The middle of the box is at 80 between the pictures 20 and 21: two seconds after the first.
    assert!((after[1].0 - 1.97).abs() < 0.1 && after[1].1 == Direction::Out, "{after:?}");

    // By number, again: the same result.
    let again = walk.recount(&["1"]);
    assert_eq!(
        (&again["changed"], &again["superseded"], &again["counted"]),
        (&json!(false), &json!(0), &json!(0))
    );
    assert_eq!(walk.crossings(), after);
    let (code, out, _) = walk.run(&walk.arguments(&["walk.mp4"]));
    assert_eq!(code, 0);
    assert!(out.contains("walk.mp4: 40 pictures, walk.csv, scene camera\n"), "{out}");
    assert!(out.contains("Door      0      1           0           1\n"), "{out}");
    assert!(out.ends_with("the counts are the same already\n"), "{out}");

    // A line that was drawn since, and that nobody crosses: it is new, and reported once.
    let draw = |name: &str| {
        let aside = LineDraft { a: [0.0, 0.02], b: [0.1, 0.02], ..draft(name) };
        with_counts(walk.stop(), |counts| wait(counts.add_line(Scene::Camera, aside)).unwrap());
    };
    let last_words = |arguments: &[&str]| {
        let (code, out, err) = walk.run(&walk.arguments(arguments));
        assert_eq!(code, 0, "{err}");
        out.lines().last().unwrap_or_default().to_owned()
    };
    draw("Gate");
    let words = "the crossings are the same; it is now recorded as counted on these lines";
    assert_eq!(last_words(&["walk.mp4"]), words);
    assert_eq!(last_words(&["walk.mp4"]), "the counts are the same already");
    assert_eq!(walk.crossings(), after);

    // The motion detector sees nothing that moves in these pictures.
    let motion = walk.recount(&["walk.mp4", "--model", "motion"]);
    assert_eq!((&motion["model"], &motion["superseded"]), (&json!("motion"), &json!(1)), "{motion}");
    assert_eq!(walk.crossings(), [(-1.0, Direction::In)]);
    draw("Yard");
    let words = "nobody crossed; it is now recorded as counted on these lines";
    assert_eq!(last_words(&["walk.mp4", "--model", "motion"]), words);
}

#[test]
fn an_impossible_recount_is_refused_with_the_reason() {
    let walk = Walk::new();
    let before = walk.crossings();
    for (arguments, code, words) in [
        (&["nobody.mp4"][..], 1, "there is no item \"nobody.mp4\"\nhint: `tallycam media list` shows"),
        (&["still.jpg"], 1, "\"still.jpg\" is a snapshot"),
        (&["lapse.mp4"], 1, "lapse.mp4: its pictures are more than a second apart"),
        (
            &["walk.mp4", "--scene", "sim"],
            1,
            "walk.mp4: no line counts in the scene \"sim\"\nhint: draw a line on the page, or choose other lines: \
             --scene camera\n",
        ),
        (&["walk.mp4", "--scene", "moon"], 64, "moon"),
        (&["walk.mp4", "--fps", "241"], 64, "a number from 1 to 240"),
        (&["walk.mp4", "--fps", "0.9"], 64, "too few for tracking"),
        (&["walk.mp4", "--model", "no-such-model"], 1, "no-such-model"),
        (&[], 64, "RECORDING"),
        // The first could be counted, but the command does all or nothing.
        (&["walk.mp4", "nobody.mp4"], 1, "there is no item"),
    ] {
        let (was, out, err) = walk.run(&walk.arguments(arguments));
        assert_eq!((was, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    let (code, _, err) = walk.run(&["counts", "recount", "walk.mp4", "--model", "motion"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("no line counts in the scene \"files\""),
        "what was brought in is not the camera's: {err}"
    );
    assert_eq!(walk.crossings(), before);
    // A line that can count nothing is reported with the reason, once and in order with others.
    with_counts(walk.stop(), |counts| {
        for (name, class) in [("Dogs", "dog"), ("Cats", "cat")] {
            let draft =
                LineDraft { name: name.into(), classes: vec![class.into()], ..walk.door.draft.clone() };
            wait(counts.add_line(Scene::Files, draft)).unwrap();
        }
    });
    let (code, _, err) = walk.run(&walk.arguments(&["walk.mp4", "--scene", "files"]));
    let words = "no line counts in the scene \"files\": line “Dogs” counts nothing: ";
    assert!(code == 1 && err.contains(words) && err.contains("; line “Cats” counts nothing: "), "{err}");
    assert!(err.ends_with("; or choose other lines: --scene camera\n"), "{err}");
    // Without lines a scene does not help, not even the given one.
    with_counts(walk.stop(), |counts| {
        let drawn: Vec<u64> = counts.lines().borrow().iter().map(|line| line.id).collect();
        drawn.into_iter().for_each(|line| wait(counts.delete_line(line, None)).unwrap());
    });
    let (code, _, err) = walk.run(&walk.arguments(&["walk.mp4"]));
    let words = "walk.mp4: no line counts in the scene \"camera\"\nhint: draw a line on the page\n";
    assert!(code == 1 && err.ends_with(words), "{err}");
}

#[test]
fn without_counts_the_configured_source_is_the_scene_of_a_recording() {
    let items = Items::new();
    items.fill(|media| recording_of(media, "own.mp4", MediaOrigin::Asked, stamp(0), &steps(5, S / 10)));
    with_counts(&items, |counts| drop(wait(counts.add_line(Scene::Camera, draft("Door"))).unwrap()));
    let _daemon = items.serve_with(&CAMERA);
    let own = ["counts", "recount", "own.mp4", "--model", "motion"];
    for (kind, scene) in [("sim", "sim"), ("files", "files")] {
        let kind = format!("source.kind={kind}");
        let (code, _, err) = items.run(&[&own[..], &["--set", &kind, "--set", "source.path=x"]].concat());
        assert_eq!(code, 1, "{err}");
        assert!(err.contains(&format!("no line counts in the scene \"{scene}\"")), "{err}");
    }
    assert_eq!(items.run(&own).0, 0, "the camera's line");
}

#[test]
fn a_gap_is_not_counted_over() {
    let walk = Walk::new();
    // The walk with its middle missing: the person is never seen on both sides.
    let times: Vec<u64> =
        steps(20, S / 10).into_iter().chain((0..20).map(|at| 6 * S + at * S / 10)).collect();
    walk.stop().fill(|media| recording(media, "gap.mp4", 20 * S, &times));
    let made = walk.recount(&["gap.mp4"]);
    assert_eq!(made["spans"].as_array().unwrap().len(), 2, "{made}");
    assert_eq!((&made["counted"], &made["lines"][0]["out"]), (&json!(0), &json!(0)));
}

#[test]
fn a_running_daemon_stores_the_recount() {
    let walk = Walk::new();
    let daemon = walk.items.serve_with(&CAMERA);
    let recount = |more: &[&str]| walk.items.run(&walk.arguments(&[&["walk.mp4", "--json"], more].concat()));
    let (code, out, err) = recount(&[]);
    assert_eq!(code, 0, "{out}{err}");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(made["items"][0]["changed"], json!(true), "{made}");
    let path = "/api/v1/crossings?scene=camera&limit=10";
    let listed = client::get(daemon.address, path).json();
    let directions: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|c| c["direction"].as_str().unwrap()).collect();
    assert_eq!(directions, ["out", "in"], "{listed}");
    let (_, out, _) = recount(&[]);
    let again: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        again["items"][0]["changed"],
        json!(false),
        "also through the API nothing is rounded: {again}"
    );

    // A request with wrong values is refused.
    let good = json!({
        "scene": "camera", "camera": "door", "recording": "recording 1, walk.mp4", "model": "m", "time_sure": true,
        "spans": [[MONDAY, MONDAY + 4 * S]], "lines": [{"id": walk.door.id, "version": walk.door.version}],
        "crossings": [{"line_id": walk.door.id, "track": 1, "ordinal": 1, "class": "person", "direction": "in",
            "score": 0.5, "time_us": MONDAY + S}],
    });
    let post = |body: &Value, lines: &str| {
        let body = body.to_string();
        let head = format!(
            "POST /api/v1/counts/recount HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}Content-Length: {}",
            body.len()
        );
        client::ask(daemon.address, &format!("{head}\r\n\r\n{body}")).status
    };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = good.clone();
        change(&mut body);
        post(&body, "")
    };
    assert_eq!(with(&|body| body["scene"] = json!("moon")), 422);
    assert_eq!(with(&|body| body["crossings"][0]["direction"] = json!("up")), 422);
    assert_eq!(with(&|body| body["crossings"][0]["score"] = json!(7)), 422);
    assert_eq!(with(&|body| body["crossings"][0]["time_us"] = json!(MONDAY + 5 * S)), 422);
    assert_eq!(with(&|body| body["spans"] = json!([])), 422);
    assert_eq!(with(&|body| body["lines"][0]["version"] = json!(99)), 412);
    let other_line = with(&|body| {
        body["lines"][0]["id"] = json!(99);
        body["crossings"] = json!([]);
    });
    assert_eq!(other_line, 404);
    assert!(matches!(with(&|body| body["more"] = json!(1)), 400 | 422));
    assert!(matches!(with(&|body| drop(body.as_object_mut().unwrap().remove("model"))), 400 | 422));
    assert_eq!(post(&good, "Origin: http://elsewhere.example\r\n"), 403);
    assert_eq!(client::get(daemon.address, path).json(), listed, "a refused request changed nothing");
    assert_eq!(post(&good, ""), 201);
    assert_eq!(post(&good, ""), 200, "the same again");
    // Longer than other bodies may be: an hour of a busy street.
    let many: Vec<Value> = (0..5000)
        .map(|n| {
            json!({"line_id": walk.door.id, "track": n, "ordinal": 1, "class": "person", "direction": "in", "score": 0.5,
                "time_us": MONDAY + n})
        })
        .collect();
    assert_eq!(with(&|body| body["crossings"] = json!(many)), 201);
}
