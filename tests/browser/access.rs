//! The page of access in a real browser: the first password, who may watch without one, and the life of a token.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");

fn start() -> Option<(Browser, Daemon)> {
    let browser = Browser::start(Wanted::PHONE)?;
    let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&["detect.backend=\"none\""]));
    Some((browser, daemon))
}

/// The status that a client on another machine gets.
fn status(daemon: &Daemon, path: &str, head: &str) -> u16 {
    let request =
        format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\n{head}\r\n");
    client::ask(daemon.address, &request).status
}

fn unfold(browser: &Browser, part: &str) {
    browser.click(&format!("{part} > summary"));
}

/// Elements that reach beyond the window on the right, or would if they were not clipped.
fn too_wide(browser: &Browser) -> serde_json::Value {
    browser.script(
        "return [...document.querySelectorAll('main, main *')]
            .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5).map(one => one.outerHTML.slice(0, 120))",
    )
}

#[test]
fn the_pages_access_and_activity_do_not_scroll_sideways_on_a_phone() {
    let Some((browser, daemon)) = start() else { return };
    claim(&browser, &daemon);
    for part in ["#watching", "#own", "#viewer", "#users", "#tokens", "#links", "#sessions"] {
        let is_open = format!("return document.querySelector('{part}').open");
        assert_eq!(browser.script(&is_open), false, "{part} is unfolded only on request");
        unfold(&browser, part);
    }
    browser.fill("#users [name=name]", &"a".repeat(40));
    browser.fill("#users form.fields [name=password]", "some horse");
    browser.click("#users form.fields .btn");
    browser.wait_until("one more", || browser.text("#users-are") == "1");
    assert_eq!(too_wide(&browser), serde_json::json!([]));
    assert!(
        browser.text("#users form.fields").contains("letters, digits, dots"),
        "the rule stands beside the field"
    );
    let long = "Authorization: Basic YW5uOnNvbWUgaG9yc2U=\r\nUser-Agent: curl\r\n";
    assert_eq!(status(&daemon, "/api/v1/users", long), 401);
    // The audit entry is written a moment after the answer.
    browser.wait_until("the refusal is in the list", || {
        browser.goto(&format!("http://{}/activity", daemon.address));
        browser.text(".acts").contains("a wrong password")
    });
    assert_eq!(too_wide(&browser), serde_json::json!([]));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Sets the first password on the page; afterwards only signed-in users may watch.
fn claim(browser: &Browser, daemon: &Daemon) {
    browser.goto(&format!("http://{}/access", daemon.address));
    browser.click("#claim [value=password]");
    browser.fill("#claim [name=password]", "correct horse");
    browser.fill("#claim [name=again]", "correct horse");
    browser.click("#claim .btn.main");
    browser.wait_for("document.getElementById('tokens') !== null");
}

#[test]
fn the_first_password_is_set_together_with_the_right_to_watch() {
    let Some((browser, daemon)) = start() else { return };
    assert_eq!(status(&daemon, "/snapshot.jpg", ""), 200, "anyone may watch");
    claim(&browser, &daemon);
    assert_eq!(status(&daemon, "/snapshot.jpg", ""), 401);
    assert_eq!(browser.script("return document.querySelector('#watching [value=password]').checked"), true);
    unfold(&browser, "#sessions");
    browser.wait_until("the user who set it is signed in", || {
        browser.text("#sessions .rows").contains("this browser")
    });
    assert_eq!(
        browser.script("return document.documentElement.scrollWidth <= innerWidth"),
        true,
        "nothing goes sideways"
    );
    unfold(&browser, "#watching");
    browser.click("#watching [value=open]");
    browser.click("#watching .btn");
    browser.wait_until("anyone may watch again", || status(&daemon, "/snapshot.jpg", "") == 200);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_token_from_the_page_opens_the_stream_until_it_is_revoked() {
    let Some((browser, daemon)) = start() else { return };
    claim(&browser, &daemon);
    unfold(&browser, "#tokens");
    unfold(&browser, "#tokens .rows details");
    browser.fill("#tokens .fields [name=name]", "Shop window");
    browser.click("#tokens .fields .btn");
    browser.wait_for(
        "document.querySelector('#tokens .said').textContent.startsWith('Permissions: a list of some of ')",
    );
    assert_eq!(
        browser.script("return document.querySelector('#tokens .fields [name=name]').value"),
        "Shop window"
    );
    browser.click("#tokens .fields [value=stream]");
    browser.click("#tokens .fields .btn");
    browser.wait_for("document.querySelector('#tokens .made input') !== null");
    let token = browser.script("return document.querySelector('#tokens .made input').value");
    let token = token.as_str().unwrap();
    let image = browser.script("return document.querySelectorAll('#tokens .made input')[1].value");
    assert!(image.as_str().unwrap().ends_with(&format!("/stream?token={token}\">")), "{image}");
    let head = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(status(&daemon, "/stream", &head), 200);
    assert_eq!(status(&daemon, &format!("/stream?token={token}"), ""), 200);
    assert_eq!(status(&daemon, "/snapshot.jpg", &head), 403, "it opens nothing else");
    browser.wait_until("it is listed", || browser.text("#tokens .rows").contains("Shop window"));
    browser.click("#tokens .rows summary");
    browser.click("#tokens .rows .danger");
    browser.wait_until("it opens nothing", || status(&daemon, "/stream", &head) == 401);
    browser.wait_until("the page says so", || browser.text("#tokens .rows").contains("None yet."));
    // The browser itself reports the refused request.
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("status of 422")), "{errors:?}");
}

#[test]
fn a_user_is_added_removed_and_has_a_role() {
    let Some((browser, daemon)) = start() else { return };
    claim(&browser, &daemon);
    unfold(&browser, "#users");
    browser.fill("#users [name=name]", "ann");
    browser.fill("#users form.fields [name=password]", "some horse");
    browser.click("#users form.fields .btn");
    browser.wait_until("she is there", || browser.text("#users .rows").contains("ann"));
    // ann:some horse
    let head = "Authorization: Basic YW5uOnNvbWUgaG9yc2U=\r\n";
    assert_eq!((status(&daemon, "/media", head), status(&daemon, "/access", head)), (200, 303));
    browser.click("#users .rows summary[aria-label='Remove ann']");
    browser.click("#users .rows .danger");
    browser.wait_until("she is gone", || browser.text("#users .rows").contains("Nobody but the admin"));
    unfold(&browser, "#viewer");
    browser.fill("#viewer [name=password]", "only looking");
    browser.click("#viewer form .btn");
    browser.wait_until("there is one", || browser.text("#viewer-are") == "Set");
    unfold(&browser, "#links");
    browser.click("#links form .btn");
    browser.wait_for("document.querySelector('#links .made input') !== null");
    let link = browser.script("return new URL(document.querySelector('#links .made input').value).search");
    assert!(link.as_str().unwrap().starts_with("?link="), "{link}");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn without_scripts_people_come_and_go_as_well() {
    let Some(browser) = Browser::start(Wanted { has_script: false, ..Wanted::DESKTOP }) else { return };
    let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&["detect.backend=\"none\""]));
    claim(&browser, &daemon);
    unfold(&browser, "#users");
    let add = || {
        browser.fill("#users [name=name]", "ann");
        browser.fill("#users form.fields [name=password]", "some horse");
        browser.click("#users form.fields .btn");
    };
    add();
    browser.wait_until("she is there", || browser.text("#users .said") == "User ann added.");
    add();
    browser.wait_until("nobody is there twice", || {
        browser.text("#users .said").starts_with("There is a user ann already")
    });
    assert_eq!(browser.attribute("#users [name=name]", "value").as_deref(), Some("ann"), "as it was typed");
    browser.click("#users .rows summary[aria-label='Remove ann']");
    browser.click("#users .rows .danger");
    browser.wait_until("she is gone", || browser.text("#users .rows") == "Nobody but the admin.");

    unfold(&browser, "#tokens");
    browser.click("#tokens [aria-label='Create a token for Home Assistant']");
    browser.wait_until("it is shown", || browser.text("#tokens").contains("copy this now"));
    let counts = browser.text("#tokens .made textarea");
    assert!(counts.contains("Authorization: Bearer tc_"), "the lines of its configuration: {counts}");
    let token = browser.attribute("#tokens .made input", "value").unwrap();
    assert_eq!(status(&daemon, "/stream", &format!("Authorization: Bearer {token}\r\n")), 200);
    unfold(&browser, "#links");
    browser.click("#links form .btn");
    browser.wait_until("it is made", || browser.text("#links").contains("This link is good until "));
    let link = browser.attribute("#links .made input", "value").unwrap();
    let path = link.strip_prefix(&format!("http://{}", daemon.address)).unwrap();
    assert_eq!(status(&daemon, path, ""), 303, "{link}");
}
