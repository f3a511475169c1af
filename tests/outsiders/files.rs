//! Files that rotted on a card, and addresses and certificates as people have them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::common::daemon::Daemon;
use crate::common::{client, wait_until};
use crate::row;

/// The first bytes of a settings file, as a fault of the disk left them.
const CUT: &str = include_str!("../data/settings-cut.toml");

/// A folder with a good settings file and its copy.
fn folder() -> TempDir {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for name in ["settings.toml", "settings.toml.last-good"] {
        fs::write(folder.path().join(name), "[stream]\nquality = 55\n").unwrap();
    }
    folder
}

fn serve(state: &Path, more: &[&str]) -> Daemon {
    let state = format!("store.directory={}", state.display());
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", &state];
    Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &[&sets, more].concat())
}

fn quality(daemon: &Daemon) -> i64 {
    let all = client::get(daemon.address, "/api/v1/settings").json();
    let items = all["items"].as_array().unwrap();
    items.iter().find(|item| item["path"] == "stream.quality").unwrap()["value"].as_i64().unwrap()
}

#[test]
fn files_that_rotted_are_named_and_the_last_good_one_is_in_force() {
    let now = "the last good one is in force; log, live page and page Settings say so";
    for (sample, text, said) in [
        ("settings.toml cut in its first lines", Some(CUT), "settings.toml: is cut off"),
        ("settings.toml of 0 bytes", Some(""), "settings.toml is empty"),
        ("settings.toml vanished, its copy is there", None, "settings.toml is missing"),
    ] {
        let folder = folder();
        match text {
            Some(text) => fs::write(folder.path().join("settings.toml"), text).unwrap(),
            None => fs::remove_file(folder.path().join("settings.toml")).unwrap(),
        }
        let daemon = serve(folder.path(), &[]);
        assert_eq!(quality(&daemon), 55, "{sample}");
        for page in ["/", "/settings"] {
            assert!(client::get(daemon.address, page).text().contains(said), "{sample}: {page}");
        }
        assert!(daemon.said().contains("settings.toml.last-good"), "{sample}");
        row("Files", sample, now);
    }
    for (name, what) in
        [("counts.db", "counts and lines begin anew"), ("media.db", "snapshots and recordings begin anew")]
    {
        let folder = folder();
        fs::write(folder.path().join(name), "").unwrap();
        let daemon = serve(folder.path(), &[]);
        let said = format!("{name} was empty (0 bytes): {what}");
        for page in ["/", "/settings"] {
            assert!(client::get(daemon.address, page).text().contains(&said), "{name}: {page}");
        }
        assert!(daemon.said().contains(&said));
        row(
            "Files",
            &format!("{name} of 0 bytes"),
            &format!("{what}; log, live page and page Settings say so"),
        );
    }
}

#[test]
fn one_address_that_is_not_there_yet_does_not_stop_the_others() {
    let folder = folder();
    let late = folder.path().join("later/http.sock");
    let listen = format!("192.0.2.1:8080\",\"unix:{}", late.display());
    let daemon = Daemon::start_beside(&listen, Command::new(env!("CARGO_BIN_EXE_tallycam")), &[]);
    wait_until("it says so", || daemon.said().contains("cannot listen on 192.0.2.1:8080: "));
    fs::create_dir(late.parent().unwrap()).unwrap();
    wait_until("it listens there", || UnixStream::connect(&late).is_ok());
    let mut stream = UnixStream::connect(&late).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    row(
        "Files",
        "`listen` with an address, or the folder of a socket, that is not there yet",
        "serves the others, says so, and takes it when it comes",
    );
}

#[test]
fn certificates_as_people_have_them_are_served() {
    let folder = folder();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (own, authority) = (made(), made());
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    let sets = [&certificate, &key].map(|file| file.display().to_string());
    let sets = [format!("http.certificate={}", sets[0]), format!("http.key={}", sets[1])];
    fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let (own, authority) = (own.cert.pem(), authority.cert.pem());
    let shown = |text: Vec<u8>| {
        fs::write(&certificate, text).unwrap();
        let sets = ["--set", "source.kind=sim", "--set", &sets[0], "--set", &sets[1]];
        let daemon = Daemon::start_https(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets);
        wait_until("it names its certificate", || daemon.said().contains("SHA-256 fingerprint "));
        let said = daemon.said();
        assert!(!said.contains("of tallycam's own making"), "{said}");
        let fingerprint = said.split("SHA-256 fingerprint ").nth(1).unwrap();
        fingerprint.split_whitespace().next().unwrap().to_owned()
    };
    let right = shown(own.clone().into_bytes());
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (sample, text) in [
        ("a certificate with a byte order mark", format!("\u{feff}{own}{authority}").into_bytes()),
        ("a certificate in UTF-16", utf16(&format!("\u{feff}{own}{authority}"))),
        ("a certificate behind that of its authority", format!("{authority}{own}").into_bytes()),
        ("a certificate with Windows' ends of lines", own.replace('\n', "\r\n").into_bytes()),
    ] {
        assert_eq!(shown(text), right, "{sample}");
        row("Files", sample, "served");
    }
}

#[test]
fn a_dashboard_shows_the_page_in_a_frame_if_it_is_named() {
    let folder = folder();
    let policy = |more: &[&str]| {
        let daemon = serve(folder.path(), more);
        client::get(daemon.address, "/").header("content-security-policy").unwrap().to_owned()
    };
    assert!(policy(&[]).ends_with("frame-ancestors 'self'"));
    let named = policy(&["--set", "http.allow_frames=[\"http://panel.lan:8123\"]"]);
    assert!(named.ends_with("frame-ancestors 'self' http://panel.lan:8123"), "{named}");
    row(
        "Clients",
        "a dashboard that shows the page in a frame",
        "only if its origin is named in `[http] allow_frames`; the frame is not signed in",
    );
}
