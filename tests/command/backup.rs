//! `tallycam backup`, `restore` and `reset`, with a running daemon, which restarts by itself, and without one.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::common::items::{Items, output_of, recording, snapshot};
use crate::common::wait_until;
use serde_json::{Value, json};
use tallycam::access::Access;
use tallycam::config::Saved;

const S: u64 = 1_000_000;

fn camera() -> Items {
    let items = Items::new();
    items.fill(|media| {
        snapshot(media, "a.jpg", 1, 0);
        recording(media, "walk.mp4", 60 * S, &(0..30).map(|at| at * S / 10).collect::<Vec<_>>());
    });
    items
}

/// The daemon on the state of `items`, with the simulation, and the `--set` argument by which commands find it.
fn serve(items: &Items) -> (Daemon, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.args(["--config", "/dev/null"]).current_dir(items.folder.path());
    let state = format!("store.directory={}", items.state().display());
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", "counts.time_zone=UTC"];
    let daemon = Daemon::start(program, &[&sets[..], &["--set", &state]].concat());
    is_up(&daemon);
    let listen = format!("http.listen=[\"{}\"]", daemon.address);
    (daemon, listen)
}

fn is_up(daemon: &Daemon) {
    wait_until("it has the store", || {
        std::net::TcpStream::connect(daemon.address).is_ok()
            && client::get(daemon.address, "/api/v1/media/storage").status == 200
    });
}

fn send(daemon: &Daemon, method: &str, path: &str, body: &Value) -> client::Answer {
    client::send_json(daemon.address, method, path, body)
}

fn lines(daemon: &Daemon) -> Value {
    let mut lines = client::get(daemon.address, "/api/v1/lines").json();
    lines.as_object_mut().unwrap().retain(|key, _| key == "items");
    lines
}

/// The line that the test draws. The scene may have drawn its own by now.
fn has_line(daemon: &Daemon) -> bool {
    lines(daemon).to_string().contains("door line")
}

fn media(daemon: &Daemon) -> Vec<String> {
    let items = client::get(daemon.address, "/api/v1/media").json();
    items["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_restore_brings_the_state_to_another_camera() {
    let (one, other) = (camera(), Items::new());
    let (from, listen) = serve(&one);
    let line =
        json!({"name": "door line", "a": [0.1, 0.2], "b": [0.9, 0.8], "in_name": "in", "out_name": "out"});
    let added = send(&from, "POST", "/api/v1/lines", &line);
    assert_eq!(added.status, 201, "{}", added.text());
    let set = send(&from, "PATCH", "/api/v1/settings", &json!({"stream.quality": 61}));
    assert_eq!(set.status, 200, "{}", set.text());
    let file = one.folder.path().join("door.tar");
    let file = file.to_str().unwrap();
    // The backup has the settings in force, whatever has happened to their file.
    fs::write(one.state().join("settings.toml"), "").unwrap();
    let (code, out, err) = one.run(&["--set", &listen, "backup", file, "--media"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("checked, with snapshots and recordings"), "{out}");
    let (code, _, err) = one.run(&["--set", &listen, "backup", file]);
    assert!(code == 74 && err.contains("is there already"), "{code} {err}");

    // Every tar reads the file, and its checksums hold.
    let check = format!("mkdir x && tar -xf {file} -C x && cd x && sha256sum --quiet -c SHA256SUMS && ls");
    let unpacked = Command::new("sh").args(["-c", &check]).current_dir(one.folder.path()).output().unwrap();
    let (code, names, err) = output_of(&unpacked);
    assert_eq!(code, 0, "{err}");
    assert_eq!(names, "SHA256SUMS\nconfig.toml\ncounts.db\nmedia.db\nsettings.toml\ntallycam-backup.json\n");

    let (mut to, listen) = serve(&other);
    assert!(!has_line(&to) && media(&to).is_empty());
    let cut = other.folder.path().join("cut.tar");
    let bytes = fs::read(file).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 5000]).unwrap();
    let (code, out, err) = other.run(&["--set", &listen, "restore", "--yes", cut.to_str().unwrap()]);
    assert!(code == 1 && err.contains("nothing was restored: the backup was cut off"), "{code} {out}{err}");
    let (code, out, err) = other.run(&["--set", &listen, "restore", "--yes", file]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("is valid; the service restarts with it"), "{out}");
    wait_until("it has started again", || to.said().contains("is restored"));
    is_up(&to);
    assert_eq!(lines(&to), lines(&from));
    assert_eq!(media(&to), media(&from));
    let audit = client::get(to.address, "/api/v1/audit").json();
    assert!(audit.to_string().contains("restored the backup of"), "{audit}");
    let quality = client::get(to.address, "/api/v1/settings").json();
    assert!(quality.to_string().contains("61"), "{quality}");

    // Reset makes it as new again.
    let (code, out, err) = other.run(&["--set", &listen, "reset", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    wait_until("it is as new", || to.said().contains("the state is as new"));
    is_up(&to);
    assert!(!has_line(&to) && media(&to).is_empty());
    assert!(to.stop().success());
}

#[test]
fn a_backup_has_the_settings_in_force_without_a_daemon() {
    let (one, other) = (camera(), Items::new());
    let place = |items: &Items, name: &str| items.state().join(name);
    let file = one.folder.path().join("door.tar");
    let file = file.to_str().unwrap();
    let good = "[stream]\nquality = 61\nidle_stop = \"7m\"\n";
    for (settings, copy, quality, idle_stop) in [
        (Some(good), None, Some("61"), Some("\"7m\"")),
        (Some(""), Some(good), Some("61"), Some("\"7m\"")),
        (None, Some(good), Some("61"), Some("\"7m\"")),
        (Some("[stream]\nqual"), Some(good), Some("61"), Some("\"7m\"")),
        // One value is wrong.
        (Some("[stream]\nquality = 6100\nidle_stop = \"9m\"\n"), Some(good), Some("61"), Some("\"9m\"")),
        (Some("= no toml"), Some("= no toml"), None, None),
    ] {
        for (name, text) in [("settings.toml", settings), ("settings.toml.last-good", copy)] {
            let _ = fs::remove_file(place(&one, name));
            text.iter().for_each(|text| fs::write(place(&one, name), text).unwrap());
        }
        for (items, command) in
            [(&one, &["backup", file, "--force"][..]), (&other, &["restore", "--yes", file])]
        {
            let (code, out, err) = items.run(command);
            assert_eq!(code, 0, "{settings:?} {command:?}: {out}{err}");
        }
        let restored = Saved::load(&place(&other, "settings.toml")).unwrap();
        assert_eq!(restored.1, None, "{settings:?}");
        let found = ["stream.quality", "stream.idle_stop"].map(|path| restored.0.get(path));
        assert_eq!(found, [quality, idle_stop], "{settings:?}");
    }
}

#[test]
fn a_restore_without_a_password_says_so() {
    let (one, other) = (camera(), Items::new());
    let access = Access::open(&one.state());
    access.set("correct horse").unwrap();
    let file = one.folder.path().join("door.tar");
    let file = file.to_str().unwrap();
    let restored = || {
        assert_eq!(one.run(&["backup", file, "--force"]).0, 0);
        let (code, out, err) = other.run(&["restore", "--yes", file]);
        assert_eq!(code, 0, "{out}{err}");
        out
    };
    assert!(!restored().contains("no password"));
    access.remove().unwrap();
    assert!(restored().contains("it has no password: whoever reaches the camera can change it"));
}

#[test]
fn without_a_daemon_it_is_done_at_once() {
    let (one, other) = (camera(), Items::new());
    let file = one.folder.path().join("door.tar");
    let file = file.to_str().unwrap();
    let (code, out, err) = one.run(&["backup", file, "--media"]);
    assert_eq!(code, 0, "{out}{err}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "for its owner's eyes only");
    let (code, out, err) = other.run(&["restore", "--yes", file]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("it is in force"), "{out}");
    assert_eq!(other.names(), one.names());
    let (code, _, err) = other.run(&["restore", "--yes", "not-there.tar"]);
    assert!(code == 74 && err.contains("not-there.tar could not be read"), "{code} {err}");

    let typed = |name: &str| {
        let mut child = other.command(&["reset"]);
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(name.as_bytes()).unwrap();
        output_of(&child.wait_with_output().unwrap())
    };
    let (code, _, err) = typed("window\n");
    assert!(code == 1 && err.contains("\"window\" is not the name of this camera"), "{code} {err}");
    assert_eq!(typed("").0, 1);
    assert_eq!(other.names(), one.names(), "nothing was removed");
    let (code, out, err) = typed("door\n");
    assert_eq!(code, 0, "{out}{err}");
    assert!(!other.state().join("media.db").exists() && out.contains("it is as new"), "{out}");
}
