//! The page Notifications: a rule is made, tested, changed and deleted without scripts, and by the keyboard.

use std::process::Command;

use serde_json::{Value, json};

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, TAB, Wanted};

fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    let arguments = crate::scene(&["detect.backend=\"none\""]);
    Some((browser, Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments)))
}

fn rules(daemon: &Daemon) -> Value {
    let settings = client::get(daemon.address, "/api/v1/settings").json();
    let items = settings["items"].as_array().unwrap();
    items.iter().find(|item| item["path"] == "notify").unwrap()["value"].clone()
}

#[test]
fn rules_come_and_go_without_scripts() {
    let Some((browser, daemon)) = start(Wanted { has_script: false, ..Wanted::DESKTOP }) else { return };
    browser.goto(&format!("http://{}/notifications", daemon.address));
    browser.fill("#name-0", "Till");
    browser.fill("#address-0", "ftp://hooks.example/x");
    browser.click("#rule-0 .btn.main");
    browser.wait_until("the address is refused", || {
        browser.text("main").contains("must be a URL that begins with http:// or https://")
    });
    assert_eq!(browser.attribute("#name-0", "value").as_deref(), Some("Till"), "as it was typed");
    browser.fill("#address-0", "http://127.0.0.1:9/s3cret");
    browser.fill("#secret-0", "correct horse");
    browser.click("#rule-0 .btn.main");
    browser.wait_until("the rule is there", || rules(&daemon)[0]["name"] == "Till");
    assert_eq!(rules(&daemon)[0]["secret"], "***");
    browser.wait_until("the page shows it", || browser.text("#rule-0 h2") == "Till");
    assert_eq!(browser.attribute("#address-0", "value").as_deref(), Some("http://127.0.0.1:9/***"));
    browser.click("#rule-0 > summary");
    browser.click("#rule-0 [aria-label='Test Till']");
    browser.wait_until("the test is refused in words", || {
        browser.text("main").contains("a machine of this network")
    });
    browser.click("#rule-0 > summary");
    browser.click("#rule-0 .danger");
    browser.wait_until("it is gone", || rules(&daemon) == json!([]));
}

#[test]
fn the_keyboard_reaches_everything_on_the_page_of_notifications() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&format!("http://{}/notifications", daemon.address));
    let wanted = "[...document.querySelectorAll('main :is(input, select, button, summary)')]
        .filter(e => e.type !== 'hidden' && !e.disabled && e.checkVisibility())";
    let count = browser.script(&format!("return {wanted}.length")).as_u64().unwrap();
    assert!(count > 15, "{count}");
    browser.script(
        "window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))",
    );
    for _ in 0..count + 25 {
        browser.press(TAB);
    }
    let left = browser.script(&format!("return {wanted}.filter(e => !reached.has(e)).map(e => e.outerHTML)"));
    assert_eq!(left, json!([]));
}
