//! Programs that read the counts: what they find where nothing was counted yet, and how tables begin.

use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::row;

#[test]
fn a_proxy_that_keeps_its_own_path_is_told_so() {
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none"];
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets);
    let kept = client::get(daemon.address, "/camera/api/v1/state");
    assert_eq!(kept.status, 404);
    assert!(kept.text().contains("proxy_pass"), "{}", kept.text());
    let other = client::get(daemon.address, "/camera/nothing");
    assert!(!other.text().contains("proxy_pass"), "{}", other.text());
    row(
        "Clients",
        "nginx, `location /camera/` without the slash at the end of `proxy_pass`",
        "404 that names the slash",
    );
}

#[test]
fn prometheus_and_spreadsheets() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let directory = format!("store.directory={}", folder.path().display());
    let sets =
        ["source.kind=sim", "source.width=320", "source.height=240", "detect.backend=motion", &directory];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let line = r#"{"name": "Far away", "a": [0.01, 0.01], "b": [0.02, 0.01]}"#;
    let head = format!("Host: cam\r\nContent-Type: application/json\r\nContent-Length: {}", line.len());
    let drawn = client::ask(daemon.address, &format!("POST /api/v1/lines HTTP/1.1\r\n{head}\r\n\r\n{line}"));
    assert_eq!(drawn.status, 201, "{}", drawn.text());
    let series = || {
        let metrics = client::get(daemon.address, "/metrics");
        let of_the_line =
            |line: &&str| line.starts_with("tallycam_crossings_total") && line.contains("Far away");
        metrics.text().lines().filter(of_the_line).map(str::to_owned).collect::<Vec<_>>()
    };
    crate::common::wait_until("the detector is there", || series().len() >= 2);
    assert!(series().iter().all(|line| line.ends_with(" 0")), "{:?}", series());
    let directions =
        |word: &str| series().iter().filter(|line| line.contains(&format!("direction=\"{word}\""))).count();
    assert_eq!(directions("in"), directions("out"));
    row(
        "Clients",
        "Prometheus, a line that nothing has crossed",
        "a series of 0 for each direction and class",
    );
    // Without the chunks of HTTP/1.1.
    let plain =
        |path: &str| client::ask(daemon.address, &format!("GET {path} HTTP/1.0\r\nHost: cam\r\n\r\n"));
    let table = plain("/api/v1/crossings?format=csv");
    row(
        "Clients",
        "crossings as CSV",
        &format!("begins with `{}`", table.text().trim_end().replace('\u{feff}', "(byte order mark)")),
    );
    let later = plain("/api/v1/crossings?format=csv&since=0");
    assert_eq!((later.status, later.text()), (200, table.text()));
    let table = client::get(daemon.address, "/api/v1/counts?format=csv");
    let head = table.text().lines().next().unwrap().replace('\u{feff}', "(byte order mark)");
    row("Clients", "counts as CSV", &format!("begins with `{head}`"));
}
