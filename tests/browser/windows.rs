//! Several windows of one browser on a camera, and a slow server: how many of the browser's six connections the pages
//! take, and what they say while they wait.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::live::{HAS_CHANGED, wait_until_it_moves};
use crate::webdriver::{Browser, Wanted};

fn start() -> Option<(Browser, Daemon)> {
    let browser = Browser::start(Wanted::DESKTOP)?;
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &crate::scene(&[]));
    Some((browser, daemon))
}

/// A value of the server's metrics.
fn figure(daemon: &Daemon, name: &str) -> u32 {
    let metrics = client::get(daemon.address, "/metrics");
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit(' ').next());
    line.unwrap().parse().unwrap()
}

/// Opens one more window; scripts of the first one find it in `windows`.
fn open(browser: &Browser, url: &str) {
    browser.script(&format!(
        "window.windows ??= [window]; windows.push(window.open('{url}', '_blank', 'popup,width=700,height=600'))"
    ));
}

#[track_caller]
fn wait_until_all_move(browser: &Browser, count: usize) {
    for number in 0..count {
        let here = format!("windows[{number}]");
        browser.wait_for(&format!("{here}.document.body?.dataset.look === 'live'"));
        let script = HAS_CHANGED
            .replace("document.", &format!("{here}.document."))
            .replace("window.look", &format!("{here}.look"));
        let mut changes = 0;
        browser.wait_until(&format!("{here} moves"), || {
            changes += i32::from(browser.script(&script).as_bool().unwrap());
            changes >= 3
        });
    }
}

/// Time that the first window waits for a picture, in milliseconds.
fn snapshot(browser: &Browser) -> f64 {
    let script = "const begin = performance.now();
        return fetch('snapshot.jpg').then(answer => answer.blob()).then(() => performance.now() - begin)";
    browser.script(script).as_f64().unwrap()
}

#[test]
fn windows_of_one_browser_leave_each_other_connections() {
    let Some((browser, daemon)) = start() else { return };
    let url = format!("http://{}/", daemon.address);
    browser.goto(&url);
    wait_until_it_moves(&browser);
    open(&browser, &url);
    open(&browser, &url);
    wait_until_all_move(&browser, 3);
    let figures = || (figure(&daemon, "tallycam_viewers"), figure(&daemon, "tallycam_listeners"));
    browser.wait_until("three streams and one connection for events", || figures() == (3, 1));
    // Each window gets the events, even if the connection existed before it.
    for number in 0..3 {
        browser.wait_for(&format!(
            "!!windows[{number}].document.querySelector('#overlay .box')?.getAttribute('d')"
        ));
        browser.wait_for(&format!("!!windows[{number}].document.querySelector('#overlay path.line')"));
    }
    let took = snapshot(&browser);
    // Without a free connection there would be no answer at all.

    // The fourth window is the visible one, so another gives up its stream for stills, and says so.
    let begin = std::time::Instant::now();
    open(&browser, &url);
    browser.wait_for(
        "windows[3].document.readyState === 'complete' && !!windows[3].document.getElementById('shot')",
    );
    let loaded = begin.elapsed();
    let stills = "windows.filter(one => one.document.getElementById('notes')?.textContent.startsWith('This window shows stills')).length";
    browser.wait_for(&format!("{stills} === 1"));
    browser.wait_until("three streams of four windows", || figures() == (3, 1));
    wait_until_all_move(&browser, 4);
    assert_eq!(figures(), (3, 1), "the fourth window has stills and no stream");
    crate::common::say(&format!("three windows: a snapshot in {took:.0} ms, a fourth page in {loaded:.0?}"));

    // A stream becomes free when another window closes.
    browser.script("windows.pop().close()");
    browser.wait_for(&format!("{stills} === 0"));
    wait_until_all_move(&browser, 3);
    browser.wait_until("three streams again", || figures() == (3, 1));
    // The last page that listens closes the connection.
    browser.script("windows.pop().close(); windows.pop().close()");
    browser.goto(&format!("{url}diagnosis"));
    browser.wait_until("nobody is left", || figures() == (0, 0));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn without_shared_workers_a_page_listens_by_itself() {
    let Some((browser, daemon)) = start() else { return };
    let source = serde_json::json!({ "source": "delete window.SharedWorker" });
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", source);
    browser.goto(&format!("http://{}/", daemon.address));
    browser.wait_for("!!document.querySelector('#overlay .box')?.getAttribute('d')");
    assert_eq!(figure(&daemon, "tallycam_listeners"), 1);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// A proxy to `behind` that delays only the request for the state, by `wait`.
fn slow_state(behind: SocketAddr, wait: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let pass = move |mut near: TcpStream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            near.read_exact(&mut byte)?;
            request.extend_from_slice(&byte);
        }
        let request = String::from_utf8_lossy(&request);
        if request.starts_with("GET /api/v1/state ") {
            std::thread::sleep(wait);
        }
        let mut far = TcpStream::connect(behind)?;
        far.write_all(request.replace("Connection: keep-alive", "Connection: close").as_bytes())?;
        std::io::copy(&mut far, &mut near)
    };
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            std::thread::spawn(move || pass(near));
        }
    });
    address
}

#[test]
fn a_slow_answer_is_no_lost_connection() {
    let Some((browser, daemon)) = start() else { return };
    let address = slow_state(daemon.address, Duration::from_secs(6));
    let source = "addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
        window.wasLost ||= document.body.dataset.look === 'lost';
    }).observe(document.body, { attributes: true }));";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": source }));
    for page in ["", "diagnosis"] {
        browser.goto(&format!("http://{address}/{page}"));
        if page.is_empty() {
            browser.wait_for("/^no answer for \\d+ s$/.test(document.getElementById('figures').textContent)");
            browser.wait_for("/ watching$/.test(document.getElementById('figures').textContent)");
        }
        let answers =
            "performance.getEntriesByType('resource').filter(e => e.name.endsWith('api/v1/state')).length";
        browser.wait_for(&format!("{answers} >= 1"));
        assert_eq!(browser.script("return !!window.wasLost"), false, "on /{page}");
        assert_eq!(browser.text("#headline"), "Live");
    }
}
