//! `deploy/from-flask.py`: settings and folder of the earlier Flask program, as it left them and as users edit them.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::common::items::{Items, jpeg, output_of, read, snapshot};
use tallycam::config::{Config, LightKind};

fn script(folder: &Path, arguments: &[&str]) -> Option<(i32, String, String)> {
    let program = Path::new(env!("CARGO_BIN_EXE_tallycam")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!("{}/deploy/from-flask.py", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command
        .arg(script)
        .args(arguments)
        .current_dir(folder)
        .env("PATH", path)
        .env("TZ", "UTC")
        .env_remove("STATE_DIRECTORY");
    match command.output() {
        Ok(output) => Some(output_of(&output)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("left out: there is no python3");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The configuration that the script makes of a config.txt, as the program reads it.
fn converted(text: &str) -> Option<(String, Config)> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.txt"), text).unwrap();
    let (code, toml, said) = script(folder.path(), &["config", "config.txt"])?;
    assert_eq!((code, said.as_str()), (0, ""));
    let config = Config::from_text(Path::new("config.toml"), &toml, &[], [])
        .unwrap_or_else(|e| panic!("{e}\n{toml}"))
        .config;
    Some((toml, config))
}

#[test]
fn each_old_setting_becomes_a_new_one_or_a_comment() {
    let old = fs::read_to_string(format!("{}/tests/data/config.txt", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let Some((toml, config)) = converted(&old) else { return };
    assert_eq!(config.source.device.as_deref(), Some("0"));
    assert_eq!((config.lights.kind, config.lights.pixels), (LightKind::Pwm, 24));
    assert!(config.lights.old_status_as_program);
    assert_eq!(config.power.key.as_deref(), Some("Tr0ub4dor&3-horse"));
    let listens: Vec<String> = config.http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listens, ["0.0.0.0:8080", "0.0.0.0:5000"]);
    for note in ["tty = /dev/ttyUSB0", "baud = 115200", "theme = dark"] {
        assert!(toml.contains(&format!("\n# {note}: no counterpart\n")), "{toml}");
    }
    // The key has the value that `configparser` gave the old program. A short one could be guessed, and is not shown.
    for (written, key) in [
        ("a #1 0123456789ab", "a #1 0123456789ab"),
        ("\"x\\\" ;y 0123456789", "\"x\\\" ;y 0123456789"),
        ("50%% of 0123456789", "50% of 0123456789"),
        ("; 0123456789abcdef", ""),
        ("short", ""),
    ] {
        let (toml, config) =
            converted(&format!("[SETTINGS]\nlight = no\n[KEYS]\nuserkey = {written}\n")).unwrap();
        assert_eq!(config.power.key.as_deref().unwrap_or_default(), key, "{written}");
        assert!(!toml.contains("short\""), "{toml}");
    }
    for (light, kind, pixels) in [
        ("light = true\nlighttype = SK6812W spi\nnumlights = 8", LightKind::Spi, 8),
        ("light = false\nlighttype = neopixel\nnumlights = 8", LightKind::None, 0),
        ("light = on\nlighttype = neopixel\nnumlights = 0", LightKind::None, 0),
        ("light = 1\nlighttype = relay", LightKind::Gpio, 0),
        ("light = 1\nlighttype = candle", LightKind::None, 0),
    ] {
        let (toml, config) = converted(&format!("[SETTINGS]\ncamera = picamera\n{light}\n")).unwrap();
        assert_eq!(config.lights.kind, kind, "{toml}");
        assert!(pixels == 0 || config.lights.pixels == pixels, "{toml}");
    }
}

#[test]
fn a_file_that_is_no_config_txt_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("[SETTINGS]\ncamera = front door\n", "camera must be the camera's number"),
        ("[SETTINGS]\nnumlights = many\n", "numlights must be a whole number"),
        ("[other]\nx = 1\n", "neither [SETTINGS] nor [KEYS]"),
        ("hello\n", "no section headers"),
    ] {
        fs::write(folder.path().join("old.txt"), text).unwrap();
        let Some((code, out, said)) = script(folder.path(), &["config", "old.txt"]) else { return };
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(said.contains(words) && !said.contains("Traceback"), "{said}");
    }
    let Some((code, _, said)) = script(folder.path(), &["config", "not-there.txt"]) else { return };
    assert!(code == 1 && said.contains("not-there.txt") && !said.contains("Traceback"), "{said}");
}

/// An old folder: three rows with their files, one row without its file, and a file without a row.
struct Old {
    items: Items,
}

impl Old {
    fn new() -> Old {
        let old = Old { items: Items::new() };
        let folder = old.folder();
        fs::create_dir(&folder).unwrap();
        for (name, number) in [("a.jpg", 1), ("Tür & Tor.jpg", 2), ("lost.jpg", 3), ("-b.jpg", 4)] {
            fs::write(folder.join(name), jpeg(number)).unwrap();
        }
        old.sql(
            "CREATE TABLE media (id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT, fileName TEXT);
             INSERT INTO media VALUES (3, '2018-01-31', 'a.jpg'), (5, '2018-01-30', 'static/-b.jpg'),
               (6, '2018-02-01', 'gone.jpg'), (9, '2018-01-31', 'Tür & Tor.jpg');",
        );
        // A file's own time is used if it lies on the day of its row.
        for (name, second) in [("a.jpg", 1_517_400_000), ("lost.jpg", 1_500_000_000)] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            File::options().write(true).open(folder.join(name)).unwrap().set_modified(time).unwrap();
        }
        old
    }

    fn folder(&self) -> PathBuf {
        self.items.folder.path().join("old")
    }

    fn sql(&self, text: &str) {
        let status = Command::new("sqlite3").arg(self.folder().join("media.db")).arg(text).status();
        assert!(status.expect("sqlite3 is in the prerequisites").success());
    }

    /// Runs the script on this folder.
    fn take(&self) -> Option<(i32, String, String)> {
        let state = format!("store.directory={}", self.items.state().display());
        let options =
            ["media", "old", "--config", "/dev/null", "--set", "counts.time_zone=UTC", "--set", &state];
        // Nobody listens on the discard port, so no daemon of this machine is asked by mistake.
        let listen = ["--set", "http.listen=[\"127.0.0.1:9\"]"];
        script(self.items.folder.path(), &[&options[..], &listen].concat())
    }

    fn rows(&self) -> Vec<(String, String)> {
        let rows = self.items.reader().legacy_list().unwrap();
        rows.into_iter().map(|(_, date, name)| (name, date)).collect()
    }
}

#[test]
fn a_folder_is_imported_once_with_names_dates_and_order() {
    let old = Old::new();
    let _daemon = old.items.serve();
    let index = read(&old.folder().join("media.db"));
    let Some((code, out, said)) = old.take() else { return };
    assert_eq!((code, said.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("row 6, 'gone.jpg' of 2018-02-01: its file is not there\n"), "{out}");
    let row = |name: &str, date: &str| (name.to_owned(), date.to_owned());
    let rows = [
        row("a.jpg", "2018-01-31"),
        row("-b.jpg", "2018-01-30"),
        row("Tür & Tor.jpg", "2018-01-31"),
        row("lost.jpg", "2017-07-14"),
    ];
    assert_eq!(old.rows(), rows);
    let reader = old.items.reader();
    let of = |name: &str| reader.by_name(name).unwrap();
    assert_eq!(reader.snapshot(of("a.jpg").id).unwrap(), jpeg(1));
    assert_eq!(of("a.jpg").at_us, 1_517_400_000_000_000, "the file's own time");
    assert_eq!(of("Tür & Tor.jpg").at_us, 1_517_400_000_000_000, "noon of its day");
    drop(reader);
    let (code, out, _) = old.take().unwrap();
    assert_eq!((code, out.matches("there already").count()), (0, 4), "{out}");
    assert_eq!(old.rows(), rows, "nothing is doubled");
    assert_eq!(read(&old.folder().join("media.db")), index, "nothing in the folder is changed");
    // A renamed item is recognised by its origin; a removed one comes back.
    assert_eq!(old.items.run(&["media", "rename", "a.jpg", "gate.jpg"]).0, 0);
    assert_eq!(old.items.run(&["media", "remove", "--yes", "lost.jpg"]).0, 0);
    let (code, out, _) = old.take().unwrap();
    assert_eq!((code, out.matches("there already").count(), old.rows().len()), (0, 3, 4), "{out}");
}

#[test]
fn items_left_out_are_reported() {
    let old = Old::new();
    let folder = old.folder();
    // An item of the same name exists, one row is there twice, one link leads out of the folder, and one stays
    // inside.
    old.items.fill(|media| snapshot(media, "a.jpg", 7, 0));
    fs::write(folder.join("notes.txt"), "no picture").unwrap();
    fs::create_dir(folder.join("in")).unwrap();
    fs::write(folder.join("in/own.jpg"), jpeg(8)).unwrap();
    symlink("in/own.jpg", folder.join("own.jpg")).unwrap();
    let secret = old.items.folder.path().join("secret.jpg");
    fs::write(&secret, jpeg(9)).unwrap();
    symlink(&secret, folder.join("out.jpg")).unwrap();
    old.sql("INSERT INTO media (date, fileName) VALUES ('2018-02-02', 'a.jpg'), (NULL, NULL), ('someday', 'lost.jpg');");
    let _daemon = old.items.serve();
    let Some((code, out, said)) = old.take() else { return };
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("row 10, 'a.jpg' of 2018-02-02: named twice"), "{out}");
    for name in ["a.jpg", "notes.txt", "out.jpg leads out of the folder"] {
        assert!(out.contains(&format!("not taken: {name}\n")), "{out}");
    }
    assert!(
        said.contains("there is an item called \"a.jpg\" already") && said.contains("this is something else"),
        "{said}"
    );
    let mut names = old.items.names();
    names.sort();
    assert_eq!(names, ["-b.jpg", "Tür & Tor.jpg", "a.jpg", "lost.jpg", "own.jpg"]);
    // Once the conflict is solved, the rest is imported.
    assert_eq!(old.items.run(&["media", "rename", "1", "mine.jpg"]).0, 0);
    old.take();
    assert_eq!(old.items.reader().by_name("a.jpg").unwrap().date, "2018-01-31");
}

#[test]
fn a_folder_of_another_kind_is_refused_in_words() {
    let old = Old::new();
    let folder = old.items.folder.path();
    // A store of tallycam is not mistaken for one of the old program.
    old.items.fill(|media| snapshot(media, "x.jpg", 1, 0));
    fs::create_dir(folder.join("empty")).unwrap();
    for (arguments, words) in [
        (&["media", "nowhere"][..], "unable to open database file"),
        (&["media", "empty"], "unable to open database file"),
        (&["media", "--index", "state/media.db", "old"], "not the earlier program's"),
    ] {
        let Some((code, out, said)) = script(folder, arguments) else { return };
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(said.contains(words) && !said.contains("Traceback"), "{said}");
    }
    assert_eq!(old.items.names(), ["x.jpg"]);
}
