//! `tallycam media import`: the folder of the old Flask program, as it left it and as people leave it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::daemon::Daemon;
use crate::common::items::{Items, jpeg, read, snapshot};
use serde_json::{Value, json};

/// An old folder: three rows whose files are there, one whose file is not, and a file without a row.
struct Old {
    items: Items,
}

impl Old {
    fn new() -> Old {
        let old = Old { items: Items::new() };
        let folder = old.folder();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.jpg"), jpeg(1)).unwrap();
        fs::write(folder.join("Tür & Tor.jpg"), jpeg(2)).unwrap();
        fs::write(folder.join("lost.jpg"), jpeg(3)).unwrap();
        old.avi("b.avi", "mjpeg");
        old.sql(
            "CREATE TABLE media (id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT, fileName TEXT);
             INSERT INTO media VALUES (3, '2018-01-31', 'a.jpg'), (5, '2018-01-30', 'b.avi'),
               (6, '2018-02-01', 'gone.jpg'), (9, '2018-01-31', 'Tür & Tor.jpg');",
        );
        // The file's own time is on the row's day: that is when it was taken.
        old.touch("a.jpg", 1_517_400_000);
        old.touch("lost.jpg", 1_500_000_000);
        old
    }

    fn folder(&self) -> PathBuf {
        self.items.folder.path().join("old")
    }

    fn sql(&self, text: &str) {
        let status = Command::new("sqlite3").arg(self.folder().join("media.db")).arg(text).status();
        assert!(status.expect("sqlite3 is in the prerequisites").success());
    }

    fn touch(&self, name: &str, second: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        File::options().write(true).open(self.folder().join(name)).unwrap().set_modified(time).unwrap();
    }

    /// Five frames at five a second.
    fn avi(&self, name: &str, codec: &str) {
        let status = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-nostdin",
                "-y",
                "-f",
                "lavfi",
                "-i",
                "testsrc=s=64x48:r=5:d=1",
                "-c:v",
                codec,
            ])
            .args(["-pix_fmt", if codec == "mjpeg" { "yuvj420p" } else { "yuv420p" }])
            .arg(self.folder().join(name))
            .status()
            .expect("ffmpeg is in the prerequisites");
        assert!(status.success());
    }

    fn import(&self, code: i32, more: &[&str]) -> Value {
        let (was, out, err) = self.items.run(&[&["media", "import", "old", "--json"], more].concat());
        assert_eq!(was, code, "{out}{err}");
        serde_json::from_str(&out).unwrap()
    }

    fn rows(&self) -> Vec<(String, String)> {
        let rows = self.items.reader().legacy_list().unwrap();
        rows.into_iter().map(|(_, date, name)| (name, date)).collect()
    }
}

fn names(list: &Value) -> Vec<String> {
    let text = |item: &Value| item.as_str().or_else(|| item["name"].as_str()).unwrap().to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

fn row(name: &str, date: &str) -> (String, String) {
    (name.to_owned(), date.to_owned())
}

/// All of it: what comes of the folder, and that again nothing does.
fn taken_once(old: &Old, more: &[&str]) {
    let index = read(&old.folder().join("media.db"));
    let report = old.import(0, more);
    assert_eq!(names(&report["imported"]), ["a.jpg", "b.avi", "Tür & Tor.jpg", "lost.jpg"], "{report}");
    assert_eq!(report["rows_without_file"], json!([{"id": 6, "name": "gone.jpg", "date": "2018-02-01"}]));
    assert_eq!(report["files_without_row"], json!(["lost.jpg"]));
    assert_eq!((&report["refused"], &report["there_already"]), (&json!([]), &json!([])));
    let rows = [
        row("a.jpg", "2018-01-31"),
        row("b.avi", "2018-01-30"),
        row("Tür & Tor.jpg", "2018-01-31"),
        row("lost.jpg", "2017-07-14"),
    ];
    assert_eq!(old.rows(), rows);
    let reader = old.items.reader();
    let of = |name: &str| reader.by_name(name).unwrap();
    assert_eq!(reader.snapshot(of("a.jpg").id).unwrap(), jpeg(1));
    assert_eq!(of("a.jpg").at_us, 1_517_400_000_000_000, "the file's own time");
    assert_eq!((of("b.avi").frames, of("b.avi").duration_us), (5, 1_000_000));
    assert_eq!(of("Tür & Tor.jpg").at_us, 1_517_400_000_000_000, "noon of its day");
    drop(reader);
    let again = old.import(0, more);
    assert_eq!(again["imported"], json!([]), "{again}");
    assert_eq!(names(&again["there_already"]), ["a.jpg", "b.avi", "Tür & Tor.jpg", "lost.jpg"]);
    assert_eq!(old.rows(), rows, "nothing is doubled");
    assert_eq!(read(&old.folder().join("media.db")), index, "nothing in the folder is changed");
    // Renamed since, it is known by its pictures and where they came from; what was removed comes back.
    for (name, new) in [("a.jpg", "gate.jpg"), ("b.avi", "walk.avi")] {
        let arguments = [&["media", "rename", name, new][..], more].concat();
        assert_eq!(old.items.run(&arguments).0, 0);
    }
    assert_eq!(old.items.run(&[&["media", "remove", "--yes", "lost.jpg"][..], more].concat()).0, 0);
    let again = old.import(0, more);
    assert_eq!(names(&again["imported"]), ["lost.jpg"], "{again}");
    assert_eq!(names(&again["there_already"]), ["a.jpg", "b.avi", "Tür & Tor.jpg"]);
}

#[test]
fn a_link_is_taken_only_where_it_stays_in_the_folder() {
    let old = Old::new();
    let secret = old.items.folder.path().join("secret.jpg");
    fs::write(&secret, jpeg(9)).unwrap();
    symlink(&secret, old.folder().join("out.jpg")).unwrap();
    fs::create_dir(old.folder().join("in")).unwrap();
    fs::write(old.folder().join("in/own.jpg"), jpeg(8)).unwrap();
    symlink("in/own.jpg", old.folder().join("own.jpg")).unwrap();
    let report = old.import(1, &[]);
    assert_eq!(names(&report["refused"]), ["out.jpg"], "{report}");
    assert!(names(&report["imported"]).contains(&String::from("own.jpg")), "{report}");
}

#[test]
fn a_folder_is_taken_with_names_dates_and_order_and_only_once() {
    let old = Old::new();
    taken_once(&old, &[]);
    let (code, out, _) = old.items.run(&["media", "import", "old"]);
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "row 6 without a file: \"gone.jpg\", 2018-02-01\nfile without a row: \"lost.jpg\"\n\
         0 items taken, 4 there already, 0 not taken\n"
    );
}

#[test]
fn a_folder_is_taken_by_the_daemon_where_it_has_the_store() {
    let old = Old::new();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.args(["--config", "/dev/null"]).current_dir(old.items.folder.path());
    let state = format!("store.directory={}", old.items.state().display());
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", "counts.time_zone=UTC"];
    let daemon = Daemon::start(program, &[&sets[..], &["--set", &state]].concat());
    // It listens before it has opened the store, and a command would open that itself.
    crate::common::wait_until("it has the store", || {
        crate::common::client::get(daemon.address, "/api/v1/media/storage").status == 200
    });
    let listen = format!("http.listen=[\"{}\"]", daemon.address);
    taken_once(&old, &["--set", &listen]);
}

#[test]
fn what_is_not_taken_is_said_and_what_is_in_part_is_finished() {
    let old = Old::new();
    let folder = old.folder();
    // Somebody has something else of this name; one row is there twice, one names a path, one nothing.
    old.items.fill(|media| snapshot(media, "a.jpg", 7, 0));
    old.avi("other.avi", "mpeg4");
    fs::write(folder.join("c.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    fs::write(folder.join("deep.jpg"), jpeg(8)).unwrap();
    fs::write(folder.join("notes.txt"), "no picture").unwrap();
    fs::write(folder.join("cut.jpg"), &jpeg(9)[..500]).unwrap();
    fs::create_dir(folder.join("folder.jpg")).unwrap();
    old.sql(
        "INSERT INTO media (date, fileName) VALUES ('2018-02-02', 'a.jpg'), ('someday', 'static/deep.jpg'),
           (NULL, NULL), ('2018-02-03', 'other.avi'), ('2018-02-03', 'cut.jpg');",
    );
    let report = old.import(1, &[]);
    let refused = report["refused"].as_array().unwrap();
    let reason = |name: &str| {
        let found: Vec<&Value> = refused.iter().filter(|refused| refused["name"] == json!(name)).collect();
        found.iter().map(|found| found["reason"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" | ")
    };
    assert!(reason("a.jpg").contains("the index names it twice"), "{report}");
    assert!(reason("a.jpg").contains("item 1 has this name and other frames"), "{report}");
    assert!(reason("other.avi").contains("this AVI cannot be taken"), "{report}");
    assert!(reason("c.png").contains("this is a PNG"), "{report}");
    assert!(reason("notes.txt").contains("this is something else"), "{report}");
    assert!(!reason("cut.jpg").is_empty(), "{report}");
    assert_eq!(names(&report["imported"]), ["b.avi", "Tür & Tor.jpg", "deep.jpg", "lost.jpg"], "{report}");
    assert_eq!(report["rows_without_file"].as_array().unwrap().len(), 2, "{report}");
    let deep = old.items.reader().by_name("deep.jpg").unwrap();
    assert_eq!(deep.date, "someday", "a date that is none is kept as it is");
    let (code, out, _) = old.items.run(&["media", "import", "old"]);
    assert_eq!(code, 1);
    assert!(out.contains("hint: ffmpeg makes one of most clips"), "{out}");
    assert!(out.ends_with("0 items taken, 4 there already, 6 not taken\n"), "{out}");

    // Once somebody has put it right, the rest is taken.
    assert_eq!(old.items.run(&["media", "rename", "1", "mine.jpg"]).0, 0);
    let report = old.import(1, &["--convert"]);
    assert_eq!(names(&report["imported"]), ["a.jpg", "other.avi"], "{report}");
    let other = old.items.reader().by_name("other.avi").unwrap();
    assert_eq!((other.frames, other.duration_us, other.date.as_str()), (5, 1_000_000, "2018-02-03"));
    let report = old.import(1, &["--convert"]);
    assert_eq!(report["imported"], json!([]), "what was converted is known again: {report}");
    assert_eq!(old.items.run(&["media", "rename", "other.avi", "film.avi"]).0, 0);
    let report = old.import(1, &["--convert"]);
    assert_eq!(report["imported"], json!([]), "also renamed: {report}");
}

#[test]
fn what_is_no_old_folder_is_refused_in_words() {
    let old = Old::new();
    let run = |arguments: &[&str]| {
        let (code, out, err) = old.items.run(&[&["media", "import"], arguments].concat());
        assert_eq!(out, "");
        (code, err)
    };
    let (code, err) = run(&["nowhere"]);
    assert_eq!(code, 74);
    assert!(err.contains("nowhere could not be read"), "{err}");
    fs::create_dir(old.items.folder.path().join("empty")).unwrap();
    let (code, err) = run(&["empty"]);
    assert_eq!(code, 74);
    assert!(err.contains("no index of the earlier program\nhint: name it with --index"), "{err}");
    // A store of ours is none of the old program's.
    old.items.fill(|media| snapshot(media, "x.jpg", 1, 0));
    let (code, err) = run(&["old", "--index", "state/media.db"]);
    assert_eq!(code, 74);
    assert!(err.contains("not the old program's"), "{err}");
    assert_eq!(old.items.names(), ["x.jpg"]);
    // The index may lie elsewhere.
    fs::rename(old.folder().join("media.db"), old.items.folder.path().join("index.db")).unwrap();
    assert_eq!(names(&old.import(0, &["--index", "index.db"])["imported"]).len(), 4);
}
