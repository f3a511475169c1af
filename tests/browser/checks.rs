//! The page for tapping in a real browser: keys and buttons, live and in a recording, and taps that outlive a reload.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};
use serde_json::json;

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
    // Another check begins with nothing.
    open(&browser, &daemon, "check?line=1&minutes=5");
    browser.wait_for("document.getElementById('pause').textContent === 'Begin'");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_recording_is_watched_and_its_end_is_the_end_of_the_check() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let made = client::send_json(daemon.address, "POST", "/api/v1/recordings", &json!({})).json();
    crate::common::wait_until("three seconds are recorded", || {
        let state = client::get(daemon.address, "/api/v1/recording").json();
        state["now"]["duration"].as_f64() > Some(3.0)
    });
    client::send_json(daemon.address, "POST", "/api/v1/recording/stop", &json!({}));
    open(&browser, &daemon, &format!("check?line=1&minutes=5&item={}", made["id"]));
    browser.wait_for("!!document.getElementById('main').dataset.shown");
    press(&browser, " ");
    browser.wait_for("+document.getElementById('seek').value > 0.5");
    press(&browser, "o");
    assert_eq!(browser.script(TAPS), json!(["0", "1"]));
    browser.wait_for("location.search.startsWith('?id=') && !!document.querySelector('#result')");
    let check = client::get(daemon.address, "/api/v1/checks").json()["items"][0].clone();
    assert_eq!((&check["recording"], check["light"].is_u64()), (&made["id"], true), "{check}");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
