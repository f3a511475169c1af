//! A fault is shown as a banner on every page, and can be solved by clicks alone.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");

/// A daemon with these settings of the page, and its state folder.
pub fn with_settings(toml: &str, more: &[&str]) -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.toml"), toml).unwrap();
    let directory = format!("store.directory={}", folder.path().display());
    let sets: Vec<&str> = more.iter().chain([&directory.as_str()]).flat_map(|&set| ["--set", set]).collect();
    (Daemon::start(Command::new(PROGRAM), &sets), folder)
}

fn url(daemon: &Daemon, page: &str) -> String {
    format!("http://{}/{page}", daemon.address)
}

/// The page as a client on the camera's network gets it, not on this machine.
fn page_from_elsewhere(daemon: &Daemon, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\n\r\n");
    client::ask(daemon.address, &request).text().to_owned()
}

#[test]
fn every_page_says_that_counting_is_off_and_a_click_starts_it() {
    let sets = ["source.kind=\"sim\"", "source.fps=10", "source.width=640", "source.height=360"];
    for has_script in [true, false] {
        // chromedriver hangs when a phone has no scripts.
        let size = if has_script { Wanted::PHONE } else { Wanted::DESKTOP };
        let Some(browser) = Browser::start(Wanted { has_script, ..size }) else { return };
        let (daemon, _folder) =
            with_settings("[detect]\nbackend = \"onnx\"\nmodel = \"nothing-of-this-name\"\n", &sets);
        browser.wait_until("counting has no model", || {
            daemon.state()["alerts"]
                .as_array()
                .is_some_and(|alerts| alerts.iter().any(|one| one["why"] == "no_model"))
        });
        for page in ["", "counts", "media", "lines", "settings", "models", "diagnosis"] {
            browser.goto(&url(&daemon, page));
            let banner = browser.text("#alerts");
            assert!(banner.starts_with("Not counting since "), "{page}: {banner}");
            assert!(
                banner.contains("Choose a model") && banner.contains("Count by motion"),
                "{page}: {banner}"
            );
            assert!(!banner.contains("tallycam model"), "no shell: {banner}");
            assert_eq!(browser.text("#headline"), "Not counting", "{page}");
        }
        let page = client::get(daemon.address, "/counts").text().to_owned();
        assert!(page.contains("<title>⚠ Counts"), "{page}");
        browser.goto(&url(&daemon, "counts"));
        browser.click("#alerts form .btn");
        browser.wait_until("it counts by motion", || daemon.state()["counting"]["backend"] == "motion");
        if has_script {
            browser.wait_for("!document.getElementById('alerts').textContent.includes('Not counting')");
            browser.wait_for("document.getElementById('headline').textContent !== 'Not counting'");
            browser.wait_for("!document.title.startsWith('⚠')");
        }
    }
}

#[test]
fn the_page_of_a_missing_camera_leads_on() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let settings = "[source]\nkind = \"v4l2\"\ndevice = \"/dev/nothing-of-this-name\"\n";
    let (daemon, _folder) = with_settings(settings, &["detect.backend=\"none\""]);
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.getElementById('alerts').textContent.includes('No camera since ')");
    // The words over the picture name no command either; hints for the shell belong to the log and the command line.
    browser.wait_for("document.getElementById('over-do').textContent.includes('choose another camera')");
    assert!(!browser.text("#over").contains("tallycam devices"), "{}", browser.text("#over"));
    assert!(!daemon.state()["hint"].as_str().unwrap().contains('`'));
    browser.click("#alerts a.btn");
    browser.wait_for("document.querySelector('h1').textContent === 'Cameras'");
    browser.click("form:has([value=sim]) button");
    browser.wait_for("document.body.dataset.look === 'live'");
    browser.wait_for("!document.getElementById('alerts').textContent.includes('No camera')");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn an_unknown_page_leads_on() {
    let Some(browser) = Browser::start(Wanted::PHONE) else { return };
    let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&["detect.backend=\"none\""]));
    browser.goto(&url(&daemon, "areas"));
    assert_eq!(browser.text("h1"), "There is no such page");
    browser.click("main .btn.main");
    browser.wait_for("document.body.dataset.look === 'live'");
    assert_eq!(client::get(daemon.address, "/areas").status, 404);
    assert!(!page_from_elsewhere(&daemon, "/areas").contains("<html"), "a program gets a line");
}

#[test]
fn the_buttons_are_one_row_and_say_what_they_did() {
    for size in [Wanted::PHONE, Wanted::DESKTOP] {
        let Some(browser) = Browser::start(size) else { return };
        let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&[]));
        browser.goto(&url(&daemon, ""));
        browser.wait_for("document.body.dataset.look === 'live'");
        browser.wait_for("document.querySelectorAll('#tallies li').length > 0");
        let rows = "return new Set([...document.querySelectorAll('.bar > * > .btn, .bar > .btn')]
            .filter(one => one.checkVisibility()).map(one => Math.round(one.getBoundingClientRect().top / 24))).size";
        assert_eq!(browser.script(rows), 1);
        if size.is_phone {
            let over = "const [shot, chips] = ['picture', 'tallies'].map(id => document.getElementById(id).getBoundingClientRect());
                return Math.max(0, shot.bottom - chips.top)";
            assert!(browser.script(over).as_f64().unwrap() < 1.0, "the chips are below the picture");
            assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true);
        }
        browser.click("#keep .btn");
        browser
            .wait_for("document.querySelector('#kept-said a[href^=\"player?id=\"] img')?.naturalWidth > 0");
        assert!(browser.text("#kept-said").starts_with("Saved as "));
        let is_near = "const [bar, said] = ['.bar', '#kept-said'].map(one => document.querySelector(one).getBoundingClientRect());
            return said.top - bar.bottom < 8 && said.top >= 0 && said.bottom <= innerHeight";
        assert_eq!(browser.script(is_near), true, "at the button and in sight");
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

#[test]
fn on_a_phone_no_button_wraps_and_an_upright_picture_leaves_room_for_them() {
    let Some(browser) = Browser::start(Wanted::PHONE) else { return };
    let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&[]));
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.body.dataset.look === 'live'");
    let wrapped = "return [...document.querySelectorAll('.bar .btn')].filter(one => one.checkVisibility()).filter(one => {
            const words = document.createRange();
            words.selectNodeContents(one);
            const lines = [...words.getClientRects()].filter(rect => rect.width);
            return Math.max(...lines.map(rect => rect.top)) >= Math.min(...lines.map(rect => rect.bottom));
        }).map(one => one.textContent)";
    assert_eq!(browser.script(wrapped), json!([]));
    browser.click("#record-button");
    browser.wait_for("/^0:0\\d, \\d/.test(document.getElementById('record-figures').textContent)");
    assert_eq!(browser.script(wrapped), json!([]), "while it records");
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true);
    browser.click("#record-button");
    browser.wait_for("document.getElementById('record-word').textContent === 'Record'");

    browser.click("#turn > summary");
    browser.click("#mine [data-mine=right]");
    browser.wait_for(
        "document.getElementById('picture').naturalHeight > document.getElementById('picture').naturalWidth",
    );
    let beyond = "const [head, tabs, bar, shot] = ['.head', '.tabs', '.bar', '#picture'].map(one => document.querySelector(one).offsetHeight);
        return shot - (innerHeight - head - tabs - bar)";
    assert!(browser.script(beyond).as_f64().unwrap() < 1.0, "{}", browser.script(beyond));
}

#[test]
fn the_state_stands_at_the_right_edge() {
    for width in [768, 1024, 1440] {
        let Some(browser) = Browser::start(Wanted { width, ..Wanted::DESKTOP }) else { return };
        let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&[]));
        for page in ["", "counts", "media"] {
            browser.goto(&url(&daemon, page));
            browser.wait_for("document.readyState === 'complete'");
            let room = "const end = document.createRange();
                end.selectNodeContents(document.querySelector('.state'));
                return document.documentElement.clientWidth - end.getBoundingClientRect().right";
            assert_eq!(browser.script(room), 24, "{page} at {width}");
        }
    }
}

#[test]
fn a_private_view_changes_nobody_elses_and_keeps_the_lines_in_place() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&[]));
    browser.goto(&url(&daemon, ""));
    let line = "document.querySelector('#overlay path.line')?.getAttribute('d')";
    browser.wait_for(&format!("!!{line}"));
    let before = browser.script(&format!("return {line}"));
    browser.click("#turn > summary");
    browser.click("#mine [data-mine=right]");
    browser.wait_for(
        "document.getElementById('picture').naturalHeight > document.getElementById('picture').naturalWidth",
    );
    browser.wait_until("the line lies across", || browser.script(&format!("return {line}")) != before);
    let lies = "const [, x1, y1, x2, y2] = document.querySelector('#overlay path.line').getAttribute('d')
        .match(/^M([\\d.-]+) ([\\d.-]+)L([\\d.-]+) ([\\d.-]+)/).map(Number);
        return Math.abs(y1 - y2) < 1 && Math.abs(x1 - x2) > 50";
    assert_eq!(browser.script(lies), true, "a vertical line of everyone's is horizontal here");
    let everyones = client::get(daemon.address, "/api/v1/picture").json();
    assert_eq!((&everyones["rotate"], &everyones["mirror"]), (&json!(0), &json!(false)));
    // The choice is stored, and undone.
    browser.goto(&url(&daemon, ""));
    browser.wait_for(
        "document.getElementById('picture').naturalHeight > document.getElementById('picture').naturalWidth",
    );
    browser.click("#turn > summary");
    browser.click("#mine [data-mine=left]");
    browser.wait_for(
        "document.getElementById('picture').naturalWidth > document.getElementById('picture').naturalHeight",
    );
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn lines_turn_with_the_picture_that_is_rotated_for_everyone() {
    let daemon = Daemon::start(Command::new(PROGRAM), &crate::scene(&[]));
    let line = || client::get(daemon.address, "/api/v1/lines").json()["items"][0].clone();
    crate::common::wait_until("the scene has its line", || line().is_object());
    let ends = |line: &Value| (line["a"].clone(), line["b"].clone());
    assert_eq!(ends(&line()), (json!([0.5, 1.0]), json!([0.5, 0.0])), "the scene's first line");
    let turn = |change: Value| {
        assert_eq!(client::send_json(daemon.address, "PATCH", "/api/v1/picture", &change).status, 200);
    };
    turn(json!({"rotate": 90}));
    assert_eq!(ends(&line()), (json!([0.0, 0.5]), json!([1.0, 0.5])));
    turn(json!({"rotate": 0}));
    assert_eq!(ends(&line()), (json!([0.5, 1.0]), json!([0.5, 0.0])));
    // In a mirror the ends are swapped, so that "in" stays "in".
    turn(json!({"mirror": true}));
    assert_eq!(ends(&line()), (json!([0.5, 0.0]), json!([0.5, 1.0])));
    turn(json!({"gray": true}));
    assert_eq!(ends(&line()), (json!([0.5, 0.0]), json!([0.5, 1.0])), "nothing is turned by that");
    // A part that is cropped off lies beyond the edge for now, and comes back.
    turn(json!({"mirror": false, "rotate": 270, "crop": [0.0, 0.0, 0.5, 0.5]}));
    assert_ne!(ends(&line()), (json!([0.5, 1.0]), json!([0.5, 0.0])));
    turn(json!({"rotate": 0, "crop": null}));
    assert_eq!(ends(&line()), (json!([0.5, 1.0]), json!([0.5, 0.0])));
}

#[test]
fn a_signed_out_page_offers_to_sign_in_and_keeps_the_typed_values() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let sets = crate::scene(&["access.local=\"password\"", "detect.backend=\"motion\""]);
    let daemon = Daemon::start(Command::new(PROGRAM), &sets);
    // The first password is set on the page, and the page says so.
    browser.goto(&url(&daemon, "access"));
    browser.fill("#claim [name=password]", "correct horse");
    browser.fill("#claim [name=again]", "correct horse");
    browser.click("#claim .btn.main");
    browser.wait_for("document.getElementById('done')?.textContent.startsWith('The password is set.')");
    // A user who searches for "sign-in" is still signed in.
    browser.goto(&url(&daemon, "media?q=sign-in"));
    browser.script("return freshPage(location.href).then(() => true)");
    assert_eq!(browser.script("return location.pathname"), "/media");
    browser.goto(&url(&daemon, "lines?line=new"));
    browser.wait_for("document.readyState === 'complete'");
    browser.fill("main [name=name]", "Back door");
    browser.script("return fetch('sign-out', { method: 'POST' }).then(() => true)");
    browser.script("send('PATCH', 'picture', { gray: true }).catch(() => {})");
    browser.wait_for("location.pathname === '/sign-in'");
    browser.fill("[name=password]", "correct horse");
    browser.click("main .btn.main");
    browser.wait_for(
        "location.pathname === '/lines' && document.querySelector('main [name=name]')?.value === 'Back door'",
    );
    browser.script("return fetch('sign-out', { method: 'POST' }).then(() => true)");
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.body.dataset.look === 'live'");
    assert_eq!(browser.text("#sign-in"), "Sign in to change");
    let hidden =
        "return ['keep', 'record', 'everyone', 'hands'].filter(id => document.getElementById(id)).length";
    assert_eq!(browser.script(hidden), 0);
    // The lines are shown, and nothing on the picture can be dragged.
    browser.goto(&url(&daemon, "lines"));
    browser.wait_for("document.readyState === 'complete' && !!document.querySelector('#others .line')");
    assert_eq!(browser.script("return document.querySelectorAll('.grab, #form, #add').length"), 0);
    assert!(browser.text(".bar").contains("Sign in to change"), "{}", browser.text(".bar"));
    browser.goto(&url(&daemon, "counts"));
    let open = "return [...document.querySelectorAll('#zero :is(select, button)')].filter(one => !one.matches(':disabled')).length";
    assert_eq!(browser.script(open), 0);
    assert!(browser.text("#locked").contains("Changes on this page need an operator."));
    browser.script("freshPage('access').catch(() => {})");
    browser.wait_for("location.pathname === '/sign-in'");
}
