//! Browsers with several windows, and programs that read the counts: answers before anything was counted, and the
//! first lines of tables.

use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::row;
use crate::webdriver::{Browser, Wanted};
use serde_json::json;

#[test]
fn a_proxy_that_keeps_its_path_prefix_gets_an_explanation() {
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
    let line = json!({"name": "Far away", "a": [0.01, 0.01], "b": [0.02, 0.01]});
    let drawn = client::send_json(daemon.address, "POST", "/api/v1/lines", &line);
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
        |path: &str| client::ask(daemon.address, &format!("GET {path} HTTP/1.0\r\nHost: 192.0.2.1\r\n\r\n"));
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

#[test]
fn a_page_of_another_site() {
    let panel = "https://panel.example";
    let allowed = format!("http.allow_origins=[\"{panel}\"]");
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", &allowed];
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets);
    let ask = |request: &str| {
        let answer = client::ask(
            daemon.address,
            &format!("{request} HTTP/1.1\r\nHost: 192.0.2.1\r\nOrigin: {panel}\r\nContent-Length: 0\r\n\r\n"),
        );
        (answer.status, answer.header("access-control-allow-origin").map(str::to_owned))
    };
    assert_eq!(ask("GET /api/v1/state"), (200, Some(panel.to_owned())));
    assert_eq!(ask("OPTIONS /api/v1/state"), (204, Some(panel.to_owned())));
    assert_eq!(ask("POST /api/v1/pause"), (403, None));
    row(
        "Clients",
        "a dashboard's page on another origin, named in `[http] allow_origins`",
        "its scripts read pictures, state and counts; what changes something is refused",
    );
}

#[test]
fn three_windows_of_one_browser() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let sets = ["source.kind=sim", "source.fps=10", "source.width=640", "source.height=360"];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let figure = |name: &str| {
        let metrics = client::get(daemon.address, "/metrics");
        let line = metrics
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit(' ').next());
        line.unwrap().to_owned()
    };
    let figures = || (figure("tallycam_viewers"), figure("tallycam_listeners"));
    let url = format!("http://{}/", daemon.address);
    browser.goto(&url);
    let more = format!("window.more = [1, 2].map(() => window.open('{url}', '_blank', 'popup'))");
    browser.script(&more);
    browser.wait_until("each has a stream", || figures() == ("3".to_owned(), "1".to_owned()));
    browser.wait_for("more.every(one => one.document.body.dataset.look === 'live')");
    row("Clients", "Chromium, three windows on the live page", "3 streams, 1 connection for events");
    browser.script(&format!("more.push(window.open('{url}', '_blank', 'popup'))"));
    browser.wait_for(
        "[window, ...more].filter(one => one.document.getElementById('notes')?.textContent.includes('shows stills')).length === 1",
    );
    browser.wait_until("three of four are live", || figures() == ("3".to_owned(), "1".to_owned()));
    row(
        "Clients",
        "Chromium, a fourth window",
        "3 streams, 1 connection for events; the window used longest ago shows stills, and says so",
    );
}
