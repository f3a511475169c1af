//! `tallycam media`, beside a daemon, which has the store open, and without one as far as that works.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::client::send_json;
use crate::common::daemon::Daemon;
use crate::common::items::{Items, jpeg, output_of, read, recording, snapshot};
use serde_json::{Value, json};

const S: u64 = 1_000_000;

/// A snapshot, a recording of thirty pictures at 10 fps, and a later snapshot.
fn three() -> Items {
    let items = Items::new();
    items.fill(|media| {
        snapshot(media, "a.jpg", 1, 0);
        let times: Vec<u64> = (0..30).map(|at| at * S / 10).collect();
        recording(media, "walk.mp4", 60 * S, &times);
        snapshot(media, "7", 2, 3600 * S);
    });
    items
}

fn names(report: &Value) -> Vec<&str> {
    report["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[test]
fn stored_items_are_listed_and_shown() {
    let items = three();
    let _daemon = items.serve();
    let all = items.json(&["media", "list", "--json"]);
    assert_eq!(names(&all), ["7", "walk.mp4", "a.jpg"], "newest first");
    assert_eq!(all["next"], Value::Null);
    for (filter, found) in [
        (&["--kind", "recording"][..], &["walk.mp4"][..]),
        (&["-q", "WALK"], &["walk.mp4"]),
        (&["--from", "2026-06-01T10:00:30Z", "--to", "2026-06-01T10:30:00Z"], &["walk.mp4"]),
        (&["--kept"], &[]),
        (&["--not-kept", "--kind", "snapshot"], &["7", "a.jpg"]),
    ] {
        assert_eq!(names(&items.json(&[&["media", "list", "--json"], filter].concat())), found, "{filter:?}");
    }
    let page = items.json(&["media", "list", "--json", "--limit", "2"]);
    assert_eq!(names(&page), ["7", "walk.mp4"]);
    let next = page["next"].as_str().unwrap();
    assert_eq!(names(&items.json(&["media", "list", "--json", "--cursor", next])), ["a.jpg"]);
    let (_, out, _) = items.run(&["media", "list"]);
    assert!(out.contains("Mon 1 Jun 10:01  recording    0:03"), "{out}");
    assert_eq!(out.lines().count(), 4, "{out}");

    let shown = items.json(&["media", "show", "walk.mp4", "--json"]);
    assert_eq!(
        (&shown["id"], &shown["frames"], &shown["duration"]),
        (&json!(2), &json!(30), &json!(3.0)),
        "{shown}"
    );
    assert_eq!(
        (&shown["time"], &shown["date"]),
        (&json!("2026-06-01T10:01:00.000Z"), &json!("2026-06-01")),
        "{shown}"
    );
    assert_eq!(items.json(&["media", "show", "2", "--json"]), shown);
    assert_eq!(
        items.json(&["media", "show", "7", "--json"])["id"],
        json!(3),
        "no number of anything: a name"
    );
    let (_, out, _) = items.run(&["media", "show", "2"]);
    assert!(out.contains("length     0:03, 30 pictures, no gap\n"), "{out}");
}

#[test]
fn a_missing_service_store_or_item_is_reported() {
    let items = Items::new();
    for arguments in [
        &["list"][..],
        &["show", "1"],
        &["add", "a.jpg"],
        &["rename", "1", "b"],
        &["date", "1", "2026-01-02"],
        &["note", "1", "b"],
        &["keep", "1"],
        &["remove", "--yes", "1"],
        &["new"],
        &["vacuum"],
        &["backup", "copy.db"],
        &["retention"],
    ] {
        let (code, out, err) = items.run(&[&["media"], arguments].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        let said = "tallycam: this needs the running service, and none runs here\nhint: start it (`tallycam serve`, \
                    `systemctl start tallycam`) and try again\n";
        assert_eq!(err, said, "{arguments:?}");
    }
    for arguments in [&["check"][..], &["export", "1"]] {
        let (code, out, err) = items.run(&[&["media"], arguments].concat());
        assert_eq!((code, out.as_str()), (74, ""), "{arguments:?}");
        assert!(err.contains("nothing is stored yet\nhint: "), "{arguments:?}: {err}");
    }
    assert!(!items.state().exists(), "nothing is made by looking");
    let daemon = items.serve();
    assert_eq!(items.run(&["media", "list"]), (0, String::from("nothing\n"), String::new()));
    assert_eq!(items.json(&["media", "list", "--json"]), json!({"items": [], "next": null}));
    drop(daemon);
    let items = three();
    let _daemon = items.serve();
    for (arguments, code, words) in [
        (&["show", "b.jpg"][..], 1, "there is no item \"b.jpg\"\nhint: `tallycam media list`"),
        (&["show", "A.jpg"], 1, "there is no item"),
        (&["remove", "a.jpg", "99"], 1, "there is no item \"99\""),
        (&["rename", "a.jpg", "walk.mp4"], 1, "there is an item called \"walk.mp4\" already"),
        (&["rename", "a.jpg", "x/../y"], 64, ""),
        (&["date", "a.jpg", "\u{7}"], 64, ""),
        (&["list", "--from", "soon"], 64, "from"),
        (&["list", "--cursor", "nonsense"], 64, ""),
        (&["list", "--kind", "film"], 64, "film"),
        (&["export", "a.jpg", "a.mp4"], 64, "\"a.jpg\" is a snapshot, and cannot be written as mp4"),
        (&["export", "walk.mp4", "--as", "gif"], 64, "gif"),
        (&["add", "--name", "x", "one", "two"], 64, "--name is for one file"),
        (&["add", "not-there.jpg"], 74, "not-there.jpg could not be read"),
        (&["add", "."], 64, "has no usable name"),
    ] {
        let (was, out, err) = items.run(&[&["media"], arguments].concat());
        assert_eq!((was, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(words) && err.starts_with("tallycam: "), "{arguments:?}: {err}");
    }
    assert_eq!(items.names(), ["a.jpg", "walk.mp4", "7"]);
}

#[test]
fn the_daemon_makes_the_changes() {
    let items = three();
    let _daemon = items.serve();
    let run = |arguments: &[&str]| items.run(&[&["media"], arguments].concat());
    assert_eq!(
        run(&["rename", "a.jpg", "Tür 1.jpg"]),
        (0, String::from("\"a.jpg\" is called \"Tür 1.jpg\" now\n"), String::new())
    );
    let (code, out, _) = run(&["date", "Tür 1.jpg", "2025-12-24T18:00"]);
    assert_eq!((code, out.as_str()), (0, "\"Tür 1.jpg\" has the date 2025-12-24 now\n"));
    let (code, out, _) = run(&["note", "1", "- who?"]);
    assert_eq!((code, out.as_str()), (0, "the note on \"Tür 1.jpg\" is changed\n"));
    let shown = items.json(&["media", "show", "1", "--json"]);
    assert_eq!(
        (&shown["time"], &shown["note"]),
        (&json!("2025-12-24T18:00:00.000Z"), &json!("- who?")),
        "{shown}"
    );
    assert_eq!(run(&["note", "1", "- who?"]).1, "\"Tür 1.jpg\" is so already\n");
    assert_eq!(run(&["keep", "1", "walk.mp4", "2"]).1, "2 items kept\n");
    assert_eq!(names(&items.json(&["media", "list", "--kept", "--json"])), ["walk.mp4", "Tür 1.jpg"]);
    assert_eq!(run(&["keep", "1", "--off"]).1, "1 item may be deleted by retention again\n");
    assert_eq!(names(&items.json(&["media", "list", "--kept", "--json"])), ["walk.mp4"]);
    let (code, _, err) = run(&["rename", "7", "walk.mp4"]);
    assert_eq!(code, 1);
    assert!(err.contains("there is an item called \"walk.mp4\" already"), "{err}");

    // Files: a picture, two concatenated pictures, and a file that is no picture.
    let folder = items.folder.path();
    fs::write(folder.join("new.jpg"), jpeg(9)).unwrap();
    fs::write(folder.join("two.mjpeg"), [jpeg(10), jpeg(11)].concat()).unwrap();
    fs::write(folder.join("none.jpg"), "no picture").unwrap();
    let added: Value =
        serde_json::from_str(&run(&["add", "new.jpg", "--date", "2026-01-02", "--json"]).1).unwrap();
    assert_eq!(names(&added), ["new.jpg"]);
    assert_eq!(
        (&added["items"][0]["date"], &added["items"][0]["origin"]),
        (&json!("2026-01-02"), &json!("import"))
    );
    let (code, out, err) = run(&["add", "two.mjpeg", "--fps", "2", "--note", "twice"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("5 two.mjpeg: ") && out.ends_with(", 2 pictures\n"), "{out}");
    let two = items.json(&["media", "show", "two.mjpeg", "--json"]);
    assert_eq!((&two["duration"], &two["note"]), (&json!(1.0), &json!("twice")), "{two}");
    let (code, _, err) = run(&["add", "none.jpg"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("tallycam: none.jpg: this is something else; a JPEG"), "{err}");
    let (code, _, err) = run(&["add", "new.jpg"]);
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "tallycam: new.jpg: there is an item called \"new.jpg\" already\nhint: --name gives it another one\n"
    );

    // A file that cannot be added does not stop the others.
    fs::write(folder.join("third.jpg"), jpeg(12)).unwrap();
    let (code, out, err) = run(&["add", "none.jpg", "new.jpg", "not-there.jpg", "third.jpg"]);
    assert_eq!(code, 1, "{out} {err}");
    assert!(out.lines().count() == 1 && out.contains(" third.jpg: "), "{out}");
    let lines: Vec<&str> = err.lines().collect();
    assert!(
        lines[0].starts_with("tallycam: none.jpg: ") && lines[1].starts_with("tallycam: new.jpg: "),
        "{err}"
    );
    assert!(lines[2].starts_with("tallycam: not-there.jpg: "), "{err}");
    assert_eq!(lines[3], "tallycam: 3 of 4 files could not be added");
    assert_eq!(run(&["remove", "--yes", "third.jpg"]).0, 0);

    let (code, out, _) = run(&["remove", "--yes", "two.mjpeg", "new.jpg", "5"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("2 items removed, "), "{out}");
    assert_eq!(items.names(), ["Tür 1.jpg", "walk.mp4", "7"]);
    let (code, out, err) = run(&["check"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("3 items, ") && out.ends_with("no faults\n"), "{out}");
    let (code, out, err) = run(&["vacuum"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with(" given back\n"), "{out}");
    let (code, out, err) = run(&["vacuum", "--wipe"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(" overwritten\n") && out.ends_with(" given back\n"), "{out}");

    // A copy is a complete store, and replaces an existing file only if told to.
    let (code, out, err) = run(&["backup", "copy.db"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("copy.db: ") && out.ends_with(", whole\n"), "{out}");
    let copy = tallycam::store::media::MediaReader::open(&folder.join("copy.db")).unwrap();
    assert_eq!(copy.legacy_list().unwrap(), items.reader().legacy_list().unwrap());
    assert_eq!(copy.snapshot(3).unwrap(), items.reader().snapshot(3).unwrap());
    let (code, _, err) = run(&["backup", "copy.db"]);
    assert_eq!((code, err.as_str()), (74, "tallycam: copy.db is there already\nhint: --force replaces it\n"));
    assert_eq!(run(&["backup", "copy.db", "--force"]).0, 0);
    assert_eq!(run(&["backup", "state/media.db", "--force"]).0, 64, "not over the store itself");
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{left:?}");

    let (code, out, _) = run(&["retention", "--plan", "--json"]);
    assert_eq!(code, 0);
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&plan["goes"], &plan["storage"]["snapshots"]["items"]), (&json!([]), &json!(2)), "{plan}");
    assert!(run(&["retention"]).1.contains("kept any age, any amount\n"));

    let aside: Value = serde_json::from_str(&run(&["new", "--json"]).1).unwrap();
    let aside = items.state().join(aside["name"].as_str().unwrap());
    assert!(read(&aside).starts_with(b"SQLite format 3\0"), "the old file is set aside, not destroyed");
    assert_eq!(names(&items.json(&["media", "list", "--json"])), Vec::<&str>::new());

    // With the socket gone, the command still does not open the store behind the daemon's back.
    std::fs::remove_file(items.state().join("control.sock")).unwrap();
    let (code, _, err) = run(&["check"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("another tallycam uses the database") && err.contains("\nhint: wait until"),
        "{err}"
    );
}

/// Exit code, codec, width and number of frames, and errors, by ffprobe.
fn probed(file: &Path) -> (i32, String, String) {
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,codec_name,width"])
        .args(["-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    output_of(&probed)
}

#[test]
fn other_programs_read_the_films() {
    let items = three();
    let folder = items.folder.path();
    let (code, out, err) = items.run(&["media", "export", "a.jpg"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("a.jpg: "), "{out}");
    assert_eq!(read(&folder.join("a.jpg")), jpeg(1));
    let (code, _, err) = items.run(&["media", "export", "1"]);
    assert_eq!((code, err.as_str()), (74, "tallycam: a.jpg is there already\nhint: --force replaces it\n"));
    for (arguments, file) in [
        (&["walk.mp4", "--as", "mov"][..], "walk.mov"),
        (&["walk.mp4", "film.avi"], "film.avi"),
        (&["2", "--as", "mjpeg"], "walk.mjpeg"),
        (&["7", "."], "7.jpg"),
        (&["walk.mp4", "first.jpg"], "first.jpg"),
    ] {
        let (code, _, err) = items.run(&[&["media", "export"], arguments].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        assert!(folder.join(file).exists(), "{arguments:?}");
    }
    assert_eq!(read(&folder.join("first.jpg")), jpeg(1));
    let all: Vec<u8> = (1..=30).flat_map(jpeg).collect();
    assert_eq!(read(&folder.join("walk.mjpeg")), all);
    let mut export = items.command(&["media", "export", "2", "-", "--as", "mov"]);
    let out = export.stdout(Stdio::piped()).output().unwrap();
    assert_eq!(out.stdout, read(&folder.join("walk.mov")), "standard output gets the same bytes");
    for file in ["walk.mov", "film.avi"] {
        assert_eq!(probed(&folder.join(file)), (0, String::from("mjpeg,160,30\n"), String::new()), "{file}");
    }
    // Every .mp4 has what players expect.
    for arguments in [&["walk.mp4"][..], &["walk.mp4", "video.MP4"]] {
        let (code, out, err) = items.run(&[&["media", "export"], arguments].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        let file = out.split(':').next().unwrap();
        assert_eq!(probed(&folder.join(file)), (0, String::from("h264,160,30\n"), String::new()), "{file}");
    }
    let mut without = items.command(&["media", "export", "2", "x.mp4"]);
    let said = output_of(&without.env("PATH", "/nowhere").output().unwrap());
    assert_eq!(said.0, 1);
    assert!(said.2.contains("there is no ffmpeg here that makes H.264") && said.2.contains("something.avi"));
    let mut without = items.command(&["media", "export", "2"]);
    let said = output_of(&without.env("PATH", "/nowhere").output().unwrap());
    assert!(said.0 == 0 && said.1.starts_with("walk.avi: "), "{said:?}");
    // An exported file can be added again, and is the same.
    let _daemon = items.serve();
    items.json(&["media", "add", "film.avi", "--json"]);
    assert_eq!(items.run(&["media", "export", "film.avi", "again.avi"]).0, 0);
    assert_eq!(read(&folder.join("again.avi")).len(), read(&folder.join("film.avi")).len());
}

#[test]
fn damage_is_reported_and_exits_with_1() {
    let items = three();
    let (code, out, _) = items.run(&["media", "check", "--json"]);
    assert_eq!(code, 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["items"], &report["pictures"], &report["faults"]),
        (&json!(3), &json!(32), &json!([]))
    );
    // The newest picture is overwritten with other bytes.
    let file = items.state().join("media.db");
    let mut bytes = read(&file);
    let at = memchr::memmem::rfind(&bytes, &[0xff, 0xd8, 0xff]).expect("there are pictures");
    bytes[at..at + 3].fill(0x5a);
    fs::write(&file, &bytes).unwrap();
    let (code, out, err) = items.run(&["media", "check"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    assert!(out.contains("wrong: ") && out.contains("check --repair"), "{out}");
    let (code, out, err) = items.run(&["media", "check", "--repair"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("repaired: ") && out.ends_with("no faults\n"), "{out}");
    // A file that is no database is reported, and left as it is.
    fs::write(&file, "no database at all ".repeat(1000)).unwrap();
    let (code, _, _) = items.run(&["media", "check", "--repair"]);
    assert_ne!(code, 0);
    assert!(read(&file).starts_with(b"no database"));
}

/// Damages the store as another program or a bad card does.
fn spoil(items: &Items, how: &str) -> Vec<u8> {
    let file = items.state().join("media.db");
    match how {
        "rubbish" => fs::write(&file, "x\n").unwrap(),
        "pages" => {
            let mut bytes = read(&file);
            bytes[4096..].iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7 % 251) as u8);
            fs::write(&file, bytes).unwrap();
        }
        "foreign" => {
            fs::remove_file(&file).unwrap();
            let other = rusqlite::Connection::open(&file).unwrap();
            other.execute_batch("CREATE TABLE birds (id INTEGER PRIMARY KEY)").unwrap();
        }
        other => panic!("{other}"),
    }
    read(&file)
}

/// The only file that was set aside.
fn aside(items: &Items) -> Vec<u8> {
    let entries = fs::read_dir(items.state()).unwrap().map(|entry| entry.unwrap().path());
    let is_aside = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("media-") && name.ends_with(".db")
    };
    let files: Vec<_> = entries.filter(is_aside).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    read(&files[0])
}

#[test]
fn a_damaged_or_foreign_store_is_set_aside_and_replaced() {
    for (how, way) in [
        ("rubbish", "media new"),
        ("pages", "media new"),
        ("foreign", "media new"),
        ("rubbish", "/api/v1/media/new"),
        ("rubbish", "/database/new"),
    ] {
        let items = three();
        let spoilt = spoil(&items, how);
        let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        program.args(["--config", "/dev/null"]).current_dir(items.folder.path());
        let state = format!("store.directory={}", items.state().display());
        let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", &state];
        let daemon = Daemon::start(program, &sets);
        let status = || crate::common::client::get(daemon.address, "/api/v1/media").status;
        crate::common::wait_until("it serves without it", || status() == 503);
        match way {
            "media new" => {
                let (code, out, err) = items.run(&["media", "new"]);
                assert_eq!((code, err.as_str()), (0, ""), "{how}: {out}");
                assert!(
                    out.starts_with("the database is empty now; the former one is media-"),
                    "{how}: {out}"
                );
            }
            "/database/new" => {
                let answer = crate::common::client::get(daemon.address, way);
                assert_eq!((answer.status, answer.text()), (200, "200"), "{way}");
                assert_eq!(status(), 200, "it is there from the answer on");
            }
            path => {
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                );
                let answer = crate::common::client::ask(daemon.address, &request);
                assert_eq!(answer.status, 201, "{way}: {}", answer.text());
            }
        }
        crate::common::wait_until("it has another one", || status() == 200);
        assert!(aside(&items) == spoilt, "{how}, {way}: it is set aside as it is");
        assert_eq!(items.names(), [""; 0], "{how}, {way}");
    }
}

#[test]
fn a_word_that_is_both_a_number_and_a_name_is_refused() {
    let items = three();
    let _daemon = items.serve();
    assert_eq!(items.run(&["media", "rename", "7", "2"]).0, 0);
    for arguments in [
        &["show", "2"][..],
        &["export", "2"],
        &["rename", "2", "b"],
        &["date", "2", "2026-01-02"],
        &["note", "2", "b"],
        &["keep", "2"],
        &["remove", "a.jpg", "2"],
    ] {
        let (code, out, err) = items.run(&[&["media"], arguments].concat());
        assert_eq!((code, out.as_str()), (64, ""), "{arguments:?}");
        assert_eq!(
            err,
            "tallycam: \"2\" is the number of \"walk.mp4\" and the name of item 3\nhint: say which: id:2 or name:2\n",
            "{arguments:?}"
        );
    }
    assert_eq!(items.names(), ["a.jpg", "walk.mp4", "2"]);
    assert_eq!(items.json(&["media", "show", "id:2", "--json"])["name"], json!("walk.mp4"));
    assert_eq!(items.json(&["media", "show", "name:2", "--json"])["id"], json!(3));
    assert_eq!(items.run(&["media", "show", "id:walk.mp4"]).0, 1, "that is no number");
    let (code, out, err) = items.run(&["media", "remove", "name:2"]);
    assert_eq!((code, out.as_str()), (64, ""), "nobody can be asked");
    assert!(err.contains("hint: --yes"), "{err}");
    assert_eq!(items.names(), ["a.jpg", "walk.mp4", "2"]);
    assert_eq!(items.run(&["media", "remove", "--yes", "name:2"]).0, 0);
    assert_eq!(items.names(), ["a.jpg", "walk.mp4"]);
}

#[test]
fn the_daemon_takes_and_protects_pictures_and_recordings() {
    let items = three();
    let daemon = items.serve();
    let (code, out, err) =
        items.run(&["snapshot", "--keep", "--name", "now.jpg", "--note", "here", "--json"]);
    assert_eq!(code, 0, "{err}");
    let kept: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&kept["name"], &kept["note"], &kept["kind"]),
        (&json!("now.jpg"), &json!("here"), &json!("snapshot"))
    );
    assert_eq!(items.json(&["media", "show", "now.jpg", "--json"])["id"], kept["id"]);
    let record = |arguments: &[&str]| items.run(&[&["record"], arguments].concat());
    assert_eq!(record(&["status"]).1, "nothing is being recorded\n");
    assert_eq!(record(&["stop"]).1, "nothing was being recorded\n");
    let (code, out, err) = items.run(&["record", "--name", "run.mp4"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with(" run.mp4: recording started\n"), "{out}");
    let (code, _, err) = items.run(&["record"]);
    assert_eq!(code, 1);
    assert!(err.contains("nothing is recorded: \"run.mp4\" is being recorded already"), "{err}");
    crate::common::wait_until("there are pictures", || {
        let status: Value = serde_json::from_str(&record(&["status", "--json"]).1).unwrap();
        status["now"]["frames"].as_u64().unwrap() > 3
    });
    let (code, out, err) = record(&["stop"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(" run.mp4: 0:0"), "{out}");
    let shown = items.json(&["media", "show", "run.mp4", "--json"]);
    assert_eq!((&shown["open"], &shown["origin"]), (&json!(false), &json!("asked")), "{shown}");
    let (code, _, err) = items.run(&["record", "--every", "1ms"]);
    assert_eq!(code, 1);
    assert!(err.contains("every"), "{err}");
    drop(daemon);
    for arguments in [&["record"][..], &["record", "stop"], &["snapshot", "--keep"]] {
        let (code, out, err) = items.run(arguments);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.contains("needs the running service, and none runs here\nhint: start it"), "{err}");
    }
}

/// Another command holds the store for longer than the daemon waits for it.
#[test]
fn a_store_that_is_busy_at_the_start_is_opened_later() {
    let items = three();
    fs::create_dir_all(items.state()).unwrap();
    let lock = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(items.state().join("media.lock"))
        .unwrap();
    lock.lock().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.args(["--config", "/dev/null"]).current_dir(items.folder.path());
    let state = format!("store.directory={}", items.state().display());
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", &state];
    let daemon = Daemon::start(program, &sets);
    let status = || crate::common::client::get(daemon.address, "/api/v1/media").status;
    crate::common::wait_until("it serves without it", || status() == 503);
    lock.unlock().unwrap();
    crate::common::wait_until("it has it", || status() == 200);
    crate::common::wait_until("it records", || {
        send_json(daemon.address, "POST", "/api/v1/recordings", &json!({})).status == 201
    });
}

#[test]
fn in_privacy_mode_nothing_is_added() {
    let items = three();
    fs::write(items.folder.path().join("new.jpg"), jpeg(9)).unwrap();
    let _daemon = items.serve_with(&["--set", "source.kind=sim", "--set", "privacy.counts_only=true"]);
    let (code, _, err) = items.run(&["media", "add", "new.jpg"]);
    assert_eq!(code, 1);
    assert!(err.contains("`privacy.counts_only` is on"), "{err}");
    assert_eq!(items.names().len(), 3);
}
