//! The password: made at a service's first start, set and removed on the command line, with a running daemon and
//! without. And switching off the machine, with a stand-in for systemctl.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tallycam_base::testing::write_executable;
use tempfile::TempDir;

const SIM: [&str; 2] = ["--set", "source.kind=\"sim\""];

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    program
}

/// A daemon on the state in `folder`, started as by systemd or by hand.
fn daemon(folder: &Path, is_service: bool) -> Daemon {
    let mut program = program();
    if is_service {
        program.env("NOTIFY_SOCKET", folder.join("notify"));
    }
    let daemon = Daemon::start(program, &[&SIM[..], &["--set", &directory(folder)]].concat());
    // It listens before it serves; after the first answer all messages are out.
    assert_eq!(client::get(daemon.address, "/health").status, 200);
    daemon
}

fn directory(folder: &Path) -> String {
    format!("store.directory={:?}", folder.to_str().unwrap())
}

/// A change requested through a proxy of this machine by a client elsewhere.
fn change(daemon: &Daemon, password: Option<&str>) -> Answer {
    let line = password
        .map(|password| format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("me:{password}"))));
    client::ask(
        daemon.address,
        &format!(
            "POST /api/v1/resume HTTP/1.1\r\nHost: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.7\r\n{}Content-Length: 0\r\n\r\n",
            line.unwrap_or_default()
        ),
    )
}

/// Runs `tallycam password …` for the daemon at its address, or for the state in `folder`.
fn command(daemon: Option<&Daemon>, folder: &Path, arguments: &[&str], typed: &str) -> (i32, String, String) {
    let listen = match daemon {
        Some(daemon) => format!("http.listen=[\"{}\"]", daemon.address),
        // Nobody listens there.
        None => format!("http.listen=[\"unix:{}\"]", folder.join("no.sock").display()),
    };
    let mut child = program()
        .arg("password")
        .args(arguments)
        .args(["--set", &listen, "--set", &directory(folder)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The password that the first start printed.
fn shown(said: &str) -> Option<String> {
    let line = said.lines().find(|line| line.contains("the password for changing"))?;
    Some(line.split(" is ").nth(1)?.split(' ').next()?.to_owned())
}

#[test]
fn the_first_start_of_a_service_makes_a_password_and_shows_it_once() {
    let folder = TempDir::new().unwrap();
    let first = daemon(folder.path(), true);
    let password = shown(&first.said()).expect("no password is shown");
    assert_eq!((password.len(), first.said().matches(&password).count()), (17, 1));
    assert_eq!(change(&first, None).status, 401);
    assert_eq!(change(&first, Some(&password)).status, 200);
    // A reader of the log learns no password.
    let basic = STANDARD.encode(format!("me:{password}"));
    for path in ["/api/v1/log?lines=1000", "/logs"] {
        let log = client::ask(
            first.address,
            &format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nAuthorization: Basic {basic}\r\n\r\n"),
        );
        assert!(log.text().contains("a password was made"), "{}", log.text());
        assert!(!log.text().contains(&password), "{path} tells the password");
    }
    drop(first);
    let second = daemon(folder.path(), true);
    assert_eq!(shown(&second.said()), None, "shown once");
    assert_eq!(change(&second, Some(&password)).status, 200);
}

#[test]
fn a_daemon_run_by_hand_asks_for_no_password() {
    let folder = TempDir::new().unwrap();
    let daemon = daemon(folder.path(), false);
    assert_eq!(shown(&daemon.said()), None);
    assert_eq!(change(&daemon, None).status, 200);
    assert!(!folder.path().join("access.json").exists());
}

#[test]
fn the_command_line_changes_the_password_of_a_running_daemon() {
    let folder = TempDir::new().unwrap();
    let daemon = daemon(folder.path(), false);
    let run = |arguments: &[&str], typed: &str| command(Some(&daemon), folder.path(), arguments, typed);
    let (code, out, _) = run(&["status"], "");
    assert_eq!(code, 0);
    assert!(out.starts_with("There is no password: "), "{out}");

    let set = "The password is set. All sessions have ended.\n";
    assert_eq!(run(&["set"], "correct horse\n"), (0, set.to_owned(), String::new()));
    assert_eq!(change(&daemon, None).status, 401);
    assert_eq!(change(&daemon, Some("correct horse")).status, 200);
    let (_, out, _) = run(&["status"], "");
    assert!(out.starts_with("There is a password; nobody is signed in. ") && !out.contains("horse"), "{out}");
    assert!(!out.contains("journal"), "it was not made by the service: {out}");

    let (code, out, err) = run(&["set"], "short\n");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with("tallycam: the password has not changed: a password needs 8 to 200 characters"),
        "{err}"
    );
    assert_eq!(change(&daemon, Some("correct horse")).status, 200);

    let (code, made, _) = run(&["random"], "");
    assert_eq!((code, made.trim_end().len()), (0, 17), "{made}");
    assert_eq!(change(&daemon, Some("correct horse")).status, 401);
    assert_eq!(change(&daemon, Some(made.trim_end())).status, 200);

    // The command asks at the daemon's own socket, whatever addresses it listens on, and without the password.
    let (code, again, _) = command(None, folder.path(), &["random"], "");
    assert_eq!((code, change(&daemon, Some(again.trim_end())).status), (0, 200));
    let socket = folder.path().join("control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    fs::remove_file(&socket).unwrap();

    // The command does not overwrite the running daemon's file.
    let (code, _, err) = command(None, folder.path(), &["set"], "correct horse\n");
    assert_eq!(code, 1);
    assert!(err.contains("another tallycam has") && err.contains("hint: "), "{err}");

    // Without that socket the command asks over TCP, where the daemon cannot tell local users from others.
    let (code, _, err) = run(&["remove"], "");
    assert_eq!(code, 1);
    assert!(err.contains("sudo tallycam"), "{err}");
}

#[test]
fn the_command_line_changes_the_password_without_a_daemon() {
    let folder = TempDir::new().unwrap();
    let run = |arguments: &[&str], typed: &str| command(None, folder.path(), arguments, typed);
    assert_eq!(run(&["set"], "correct horse\r\n").0, 0);
    let daemon = daemon(folder.path(), true);
    assert_eq!(shown(&daemon.said()), None, "there is one already");
    assert_eq!(change(&daemon, Some("correct horse")).status, 200);
    drop(daemon);
    assert_eq!(run(&["remove"], "").0, 0);
    let daemon = self::daemon(folder.path(), true);
    assert_eq!(shown(&daemon.said()), None, "the owner has removed it");
    assert_eq!(change(&daemon, None).status, 200);
    drop(daemon);
    let (code, made, _) = run(&["random"], "");
    assert_eq!(code, 0);
    let daemon = self::daemon(folder.path(), false);
    assert_eq!(change(&daemon, Some(made.trim_end())).status, 200);
    assert_eq!(change(&daemon, None).status, 401);
}

#[test]
fn the_machine_is_switched_off_by_systemctl() {
    let folder = TempDir::new().unwrap();
    let calls = folder.path().join("told");
    let systemctl = folder.path().join("systemctl");
    write_executable(&systemctl, &format!("#!/bin/sh\necho \"$@\" >> {}\n", calls.display()));
    let mut program = program();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    program.env("PATH", path).env("TALLYCAM_POWER_KEY", "k7mqx-hyetf-9rthn");
    let daemon = Daemon::start(program, &SIM);
    assert_eq!(client::get(daemon.address, "/reboot?key=userkey").text(), "Invalid key");
    assert!(!calls.exists());
    assert_eq!(client::get(daemon.address, "/reboot?key=k7mqx-hyetf-9rthn").text(), "200");
    assert_eq!(fs::read_to_string(&calls).unwrap(), "reboot --no-ask-password --no-wall\n");
    let log = client::get(daemon.address, "/logs");
    assert!(log.text().contains("wrong key from"), "{}", log.text());
    assert!(
        !log.text().contains("k7mqx-hyetf-9rthn") && !daemon.said().contains("k7mqx-hyetf-9rthn"),
        "the log tells the key"
    );
}
