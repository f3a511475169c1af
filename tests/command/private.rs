//! Files of the program are private to its owner, whatever the umask at the start.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use serde_json::{Value, json};

/// The program as a login shell starts it: with a umask that lets others read new files.
fn program() -> Command {
    let mut program = Command::new("sh");
    program.args(["-c", "umask 022; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tallycam")]);
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    program
}

/// Names of the files in `directory` and below. Asserts that only the owner (and the group, for directories) may read
/// them.
fn all_private(directory: &Path) -> Vec<String> {
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(directory) & 0o027, 0, "{}: {:o}", directory.display(), mode(directory));
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(all_private(&path));
        } else {
            assert_eq!(mode(&path) & 0o7177, 0, "{}: {:o}", path.display(), mode(&path));
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

fn send(daemon: &Daemon, method: &str, path: &str, body: &Value) -> Answer {
    let answer = client::send_json(daemon.address, method, path, body);
    assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
    answer
}

#[test]
fn files_of_the_daemon_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("made/state");
    let directory = format!("store.directory={}", state.display());
    let sets =
        ["source.kind=sim", "source.width=320", "source.height=240", "detect.backend=motion", &directory];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    // With HTTPS it writes a certificate, too.
    let daemon = Daemon::start_https(program(), &sets);
    wait_until("it has a certificate", || daemon.said().contains("SHA-256 fingerprint"));
    drop(daemon);

    let daemon = Daemon::start(program(), &sets);
    for path in ["/api/v1/lines", "/api/v1/media/storage"] {
        wait_until("its stores are open", || client::get(daemon.address, path).status == 200);
    }
    send(&daemon, "POST", "/api/v1/lines", &json!({"name": "door", "a": [0.5, 1.0], "b": [0.5, 0.0]}));
    send(&daemon, "POST", "/api/v1/snapshots", &json!({}));
    send(&daemon, "POST", "/api/v1/recordings", &json!({}));
    wait_until("it counts", || daemon.state()["counting"]["state"] == "counting");
    send(&daemon, "POST", "/api/v1/recording/stop", &json!({}));
    send(&daemon, "PATCH", "/api/v1/settings", &json!({"stream.quality": 70}));
    send(&daemon, "PUT", "/api/v1/password", &json!({"password": "correct horse"}));
    let names = all_private(folder.path().join("made").as_path());
    for name in
        ["counts.db", "media.db", "access.json", "settings.toml", "https.pem", "https.key", "control.sock"]
    {
        assert!(names.iter().any(|made| made == name), "{name} is missing: {names:?}");
    }
}

#[test]
fn files_of_the_command_line_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let directory = format!("store.directory={}", state.display());
    let done = program()
        .args(["--config", "/dev/null", "--set", "http.listen=[\"127.0.0.1:9\"]", "--set", &directory])
        .args(["password", "random"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let names = all_private(&state);
    assert!(names.iter().any(|name| name == "access.json"), "{names:?}");
}
