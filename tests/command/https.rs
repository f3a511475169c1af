//! HTTPS: a certificate made by the program, a renewed certificate of the operator, and the command line beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use tallycam::http::TlsIdentity;

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    program
}

/// A daemon that speaks HTTPS only, on the state in `folder`, and its `--set` arguments.
fn daemon(folder: &Path, more: &[String]) -> (Daemon, Vec<String>) {
    let mut sets = vec![
        String::from("source.kind=\"sim\""),
        format!("store.directory={:?}", folder.join("state").to_str().unwrap()),
    ];
    sets.extend_from_slice(more);
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let daemon = Daemon::start_https(program(), &arguments);
    sets.push(format!("http.listen=[\"https://{}\"]", daemon.address));
    wait_until("it serves", || daemon.said().contains("SHA-256 fingerprint"));
    (daemon, sets)
}

#[test]
fn the_command_line_reaches_a_daemon_that_speaks_only_https() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, sets) = daemon(folder.path(), &[]);
    let port = daemon.address.port();
    let page = client::get(daemon.address, "/");
    assert_eq!((page.status, page.text().contains("https://")), (400, true), "{page:?}");
    let own = fs::read(folder.path().join("state/https.pem")).unwrap();
    let key = fs::read(folder.path().join("state/https.key")).unwrap();
    let fingerprint = TlsIdentity::from_pem(&own, &key).unwrap().fingerprint().to_owned();
    let said = daemon.said();
    // On standard error for the user, and in the journal.
    assert_eq!(said.matches(&fingerprint).count(), 2, "{said}");
    assert!(said.contains(&format!("https://localhost:{port}/")), "{said}");
    for command in ["settings", "check"] {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let done = program().arg(command).args(sets).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        if command == "check" {
            assert!(
                out.contains(&format!("The running service listens on https://127.0.0.1:{port}")),
                "{out}{err}"
            );
        } else {
            assert!(done.status.success(), "{out}{err}");
        }
    }
}

#[test]
fn a_renewed_certificate_is_read_at_sighup_and_a_broken_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("full.pem"), folder.path().join("key.pem"));
    let renew = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, secret) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(&certificate, &chain).unwrap();
        fs::write(&key, &secret).unwrap();
        TlsIdentity::from_pem(chain.as_bytes(), secret.as_bytes()).unwrap().fingerprint().to_owned()
    };
    let first = renew();
    let sets = [format!("http.certificate={certificate:?}"), format!("http.key={key:?}")];
    let (daemon, _) = daemon(folder.path(), &sets);
    assert!(daemon.said().contains(&first), "{}", daemon.said());
    assert_eq!(client::get(daemon.address, "/").status, 400, "it serves");
    let reload = || kill_process(Pid::from_raw(daemon.id() as i32).unwrap(), Signal::HUP).unwrap();
    let second = renew();
    reload();
    wait_until("the second is served", || daemon.said().contains(&second));
    fs::write(&key, "").unwrap();
    reload();
    wait_until("the broken one is named", || {
        let said = daemon.said();
        said.contains("as it was") && said.contains(&format!("{}: there is no private key", key.display()))
    });
    assert_eq!(client::get(daemon.address, "/").status, 400, "it serves on");
    assert!(!folder.path().join("state/https.pem").exists(), "the program makes no certificate");
}
