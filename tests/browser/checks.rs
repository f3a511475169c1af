//! The page for tapping in a real browser: keys and buttons, live and in a recording, and taps that outlive a reload.
use std::process::Command;
use std::time::SystemTime;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};
use base64::Engine as _;
use serde_json::{Value, json};

fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    let folder = Box::leak(Box::new(tempfile::tempdir().unwrap()));
    let directory = format!("store.directory={:?}", folder.path().to_str().unwrap());
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &crate::scene(&["name=\"Yard\"", &directory]));
    let is_counting =
        || client::get(daemon.address, "/api/v1/state").json()["counting"]["state"] == "counting";
    crate::common::wait_until("it counts", is_counting);
    Some((browser, daemon))
}

/// The number of a recording of more than three seconds.
fn record(daemon: &Daemon) -> Value {
    let made = client::send_json(daemon.address, "POST", "/api/v1/recordings", &json!({})).json();
    crate::common::wait_until("three seconds are recorded", || {
        let state = client::get(daemon.address, "/api/v1/recording").json();
        state["now"]["duration"].as_f64() > Some(3.0)
    });
    client::send_json(daemon.address, "POST", "/api/v1/recording/stop", &json!({}));
    made["id"].clone()
}

/// The pages of a check, and of taps on a recording.
pub fn pages(daemon: &Daemon) -> [String; 2] {
    let recording = record(daemon);
    let now_us = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64;
    let tap = |early_us: u64, direction: &str| json!({ "time": now_us - early_us, "direction": direction });
    let taps = [tap(1_700_000, "in"), tap(1_600_000, "out"), tap(1_500_000, "in")];
    let check = json!({ "line": 1, "from": now_us - 3_000_000, "to": now_us, "taps": taps });
    let made = client::send_json(daemon.address, "POST", "/api/v1/checks", &check).json();
    [format!("checks?id={}", made["id"]), format!("check?line=1&minutes=5&item={recording}")]
}

fn open(browser: &Browser, daemon: &Daemon, page: &str) {
    browser.goto(&format!("http://{}/{page}", daemon.address));
}

fn press(browser: &Browser, key: &str) {
    let event = format!("new KeyboardEvent('keydown', {{ key: {key:?}, bubbles: true, cancelable: true }})");
    browser.script(&format!("document.body.dispatchEvent({event})"));
}

const TAPS: &str = "return ['in-taps', 'out-taps'].map(id => document.getElementById(id).textContent)";

#[test]
fn taps_come_by_keys_and_buttons_and_outlive_a_reload() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    open(&browser, &daemon, "check?line=1&minutes=5");
    browser.wait_for("document.getElementById('left').textContent === '5:00'");
    press(&browser, "i");
    assert_eq!(browser.script(TAPS), json!(["0", "0"]), "it has not begun");
    assert_eq!(browser.text("#told"), "Press Begin.");
    assert_eq!(browser.script("return document.getElementById('in').disabled"), true);
    browser.click("#pause");
    for key in ["i", "ArrowUp", "o", "ArrowDown", "u"] {
        press(&browser, key);
    }
    browser.click("#in");
    assert_eq!(browser.script(TAPS), json!(["3", "1"]));
    browser.wait_for("document.getElementById('left').textContent <= '4:58'");
    press(&browser, " ");
    press(&browser, "i");
    assert_eq!(browser.script(TAPS), json!(["3", "1"]), "it is paused");
    press(&browser, " ");
    open(&browser, &daemon, "check?line=1&minutes=5");
    browser.wait_for("document.getElementById('pause').textContent === 'Continue'");
    assert_eq!(browser.script(TAPS), json!(["3", "1"]));
    browser.click("#finish");
    browser.wait_for("location.search.startsWith('?id=') && !!document.querySelector('#result')");
    let check = client::get(daemon.address, "/api/v1/checks").json()["items"][0].clone();
    assert_eq!(check["found"].as_u64().unwrap() + check["missed"].as_u64().unwrap(), 4, "{check}");
    assert!(check["checked_s"].as_f64() < Some(60.0), "{check}");
    assert_eq!(check["faded"], json!([]));
    let mask = json!({ "points": [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0]] });
    assert_eq!(client::send_json(daemon.address, "POST", "/api/v1/masks", &mask).status, 201);
    let masked = client::get(daemon.address, "/api/v1/checks").json()["items"][0]["faded"].clone();
    assert_eq!(masked, json!(["the picture was changed"]));
    // Another check begins with nothing.
    open(&browser, &daemon, "check?line=1&minutes=5");
    browser.wait_for("document.getElementById('pause').textContent === 'Begin'");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_recording_is_watched_and_its_end_is_the_end_of_the_check() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    // A recording has the camera's own pictures: upright, and without black bars.
    client::send_json(daemon.address, "PATCH", "/api/v1/picture", &json!({ "rotate": 90 }));
    let line = || client::get(daemon.address, "/api/v1/lines").json()["items"][0].clone();
    crate::common::wait_until("the line is turned", || line()["a"][1] == line()["b"][1]);
    let recording = record(&daemon);
    open(&browser, &daemon, &format!("check?line=1&minutes=5&item={recording}"));
    browser.wait_for("!!document.getElementById('main').dataset.shown");
    let drawn = "const d = document.querySelector('.ov path').getAttribute('d');
        const [, x, to] = d.match(/^M([\\d.]+) [\\d.]+L([\\d.]+) /);
        return x === to";
    assert_eq!(browser.script(drawn), true);
    press(&browser, " ");
    browser.wait_for("+document.getElementById('seek').value > 0.5");
    press(&browser, "o");
    assert_eq!(browser.script(TAPS), json!(["0", "1"]));
    browser.wait_for("location.search.startsWith('?id=') && !!document.querySelector('#result')");
    let check = client::get(daemon.address, "/api/v1/checks").json()["items"][0].clone();
    assert_eq!((&check["recording"], check["light"].is_u64()), (&recording, true), "{check}");
    assert_eq!(check["faded"], json!([]));
    let path = format!("/api/v1/checks/{}/advice", check["id"]);
    let tried = client::send_json(daemon.address, "POST", &path, &json!({}));
    assert_eq!(tried.status, 202, "{}", tried.text());
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_check_pauses_when_nobody_can_go_on_and_is_sent_once() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    open(&browser, &daemon, "check?line=1&minutes=5");
    browser.click("#pause");
    // Out of sight.
    let hide = |is_hidden: bool| {
        let property = format!("{{ value: {is_hidden}, configurable: true }}");
        browser.script(&format!(
            "Object.defineProperty(document, 'hidden', {property});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    hide(true);
    assert_eq!(browser.text("#told"), "Paused: the page was not in sight.");
    assert_eq!(browser.text("#pause"), "Continue");
    hide(false);
    browser.click("#pause");
    // Space presses a button that has the focus, and pauses elsewhere.
    browser.script("document.getElementById('in').focus()");
    browser.press(" ");
    assert_eq!(browser.script(TAPS), json!(["1", "0"]));
    assert_eq!(browser.text("#pause"), "Pause");
    // Capital letters are the same keys.
    press(&browser, "U");
    assert_eq!(browser.script(TAPS), json!(["0", "0"]));
    browser.wait_for("document.getElementById('left').textContent <= '4:58'");
    for _ in 0..3 {
        browser.script("document.getElementById('finish').click()");
    }
    browser.wait_for("location.search.startsWith('?id=') && !!document.querySelector('#result')");
    let checks = client::get(daemon.address, "/api/v1/checks").json();
    assert_eq!(checks["items"].as_array().unwrap().len(), 1, "{checks}");

    // It went on until it was sent; nothing of it is left.
    open(&browser, &daemon, "check?line=1&minutes=5");
    browser.wait_for("document.getElementById('pause').textContent === 'Begin'");
    browser.click("#pause");
    client::send_json(daemon.address, "POST", "/api/v1/pause", &json!({}));
    browser.wait_for("document.getElementById('told').textContent.startsWith('Paused: nothing is counted')");
    // A check that is not begun again is not kept.
    browser.click("#discard");
    browser.goto(&format!("http://{}/checks", daemon.address));
    assert_eq!(browser.script("return localStorage.getItem('check 1  5')"), "null");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_recording_that_goes_back_is_tapped_again_from_there() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let recording = record(&daemon);
    open(&browser, &daemon, &format!("check?line=1&minutes=5&item={recording}"));
    browser.wait_for("!!document.getElementById('main').dataset.shown");
    // The time in seconds that the recording is at, once the page has looked at it: it does so four times a second.
    let shown = || {
        std::thread::sleep(std::time::Duration::from_millis(600));
        browser.script("return +document.getElementById('seek').value").as_f64().unwrap()
    };
    let seek = |seconds: f64| {
        let before = browser.script("return +document.getElementById('main').dataset.shown");
        browser.script(&format!(
            "const seek = document.getElementById('seek'); seek.value = {seconds};
             for (const name of ['input', 'change']) seek.dispatchEvent(new Event(name))"
        ));
        browser.wait_for(&format!("+document.getElementById('main').dataset.shown > {before}"));
        shown()
    };
    for (seconds, taps) in [(1.0, "1"), (2.0, "2")] {
        seek(seconds);
        press(&browser, "i");
        assert_eq!(browser.script(TAPS), json!([taps, "0"]));
    }
    // Going on at the end would take back all taps.
    seek(99.0);
    browser.click("#play");
    shown();
    assert_eq!(browser.script(TAPS), json!(["2", "0"]));
    let back = seek(1.5);
    assert_eq!(browser.script(TAPS), json!(["1", "0"]));
    // Opened again, it goes on where it was.
    open(&browser, &daemon, &format!("check?line=1&minutes=5&item={recording}"));
    browser.wait_for("!!document.getElementById('main').dataset.shown");
    assert!((shown() - back).abs() < 0.01, "{} s", shown());
    assert_eq!(browser.script(TAPS), json!(["1", "0"]));
    browser.click("#discard");
    assert_eq!(browser.script(TAPS), json!(["0", "0"]));
    assert_eq!(shown(), 0.0);
    // A skipped part was not watched, and is no longer left out where it is played after all.
    let left_out = "return JSON.parse(localStorage.getItem(Object.keys(localStorage)
        .find(key => key.startsWith('check ')))).pauses.reduce((ms, [from, to]) => ms + to - from, 0)";
    for seconds in [2.9, 1.5] {
        let ms = seek(seconds) * 1000.0;
        let left_out = browser.script(left_out).as_f64().unwrap();
        // Both ends are rounded to milliseconds, and so is the picture's time.
        assert!((left_out - ms).abs() <= 2.0, "{left_out} ms of {ms} ms");
    }
    browser.click("#discard");
    // At four times the speed a reaction of 0.4 s is 1.6 s of the recording: 1.2 s more than the server knows of.
    seek(2.0);
    browser.script("document.getElementById('speed').value = '4'");
    press(&browser, "o");
    let early = "const { from, taps } = JSON.parse(localStorage.getItem(Object.keys(localStorage)
        .find(key => key.startsWith('check '))));
        return document.getElementById('seek').value * 1000 + from - taps[0].time";
    let early = browser.script(early).as_f64().unwrap();
    assert!((early - 1200.0).abs() <= 2.0, "{early} ms");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_certificate_is_one_sheet_of_paper() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let [check, _] = pages(&daemon);
    open(&browser, &daemon, &check);
    let a4 = json!({ "paperWidth": 8.27, "paperHeight": 11.69, "printBackground": true });
    let printed = browser.devtools("Page.printToPDF", a4)["data"].as_str().unwrap().to_owned();
    let printed = base64::engine::general_purpose::STANDARD.decode(printed).unwrap();
    if let Some(folder) = std::env::var_os("SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&folder).join("certificate.pdf"), &printed).unwrap();
    }
    let sheets = printed.windows(12).filter(|part| part.starts_with(b"/Type /Page") && part[11] != b's');
    assert_eq!(sheets.count(), 1);
}
