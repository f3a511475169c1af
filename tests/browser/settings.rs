//! Settings, controls, light and lens in a real browser. Every control of a camera is changed from the page and
//! reaches the device. Further: settings with and without scripts, pinned settings, two users at once, the light's
//! dots, the focus sweep, and signing in.
use std::io::Write as _;
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::fakecam::FakeCam;
use crate::webdriver::{Browser, ENTER, RIGHT, TAB, Wanted};
use serde_json::{Value, json};
use tallycam_base::testing::write_executable;

/// The WebDriver's code point of the key.
const BACKSPACE: &str = "\u{e003}";

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");

fn url(daemon: &Daemon, page: &str) -> String {
    format!("http://{}/{page}", daemon.address)
}

/// GET with the password that some of these tests set: `me:correct horse`.
fn get(daemon: &Daemon, path: &str) -> Value {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic bWU6Y29ycmVjdCBob3JzZQ==\r\n\r\n"
    );
    client::ask(daemon.address, &request).json()
}

fn send(daemon: &Daemon, method: &str, path: &str, body: &Value) -> client::Answer {
    client::send_json(daemon.address, method, path, body)
}

const SET: &str = "/api/v1/settings _method=patch&next=settings%3Fsaved%3D%7Bid%7D&";
const CONTROLS: &str = "/api/v1/controls _method=patch&next=settings%23controls&";
const IMPORT: &str = "/api/v1/settings.toml _method=put&next=settings%3Fdone%3Dimport&";

fn post(daemon: &Daemon, path: &str, body: &str) -> client::Answer {
    // An address may have hidden fields of its own.
    let (path, hidden) = path.split_once(' ').unwrap_or((path, ""));
    let body = format!("{hidden}{body}");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client::ask(daemon.address, &request)
}

fn setting(daemon: &Daemon, path: &str) -> (Value, String) {
    let report = get(daemon, "/api/v1/settings");
    let item = report["items"].as_array().unwrap().iter().find(|item| item["path"] == path).unwrap().clone();
    (item["value"].clone(), item["origin"].as_str().unwrap().to_owned())
}

/// The program on the simulation, with a light.
fn sim(more: &[&str]) -> Daemon {
    let sets = [&["lights.kind=\"sim\"", "lights.pixels=8"], more].concat();
    Daemon::start(Command::new(PROGRAM), &crate::scene(&sets))
}

fn start(wanted: Wanted, more: &[&str]) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    Some((browser, sim(more)))
}

fn said(browser: &Browser, path: &str) -> String {
    browser.text(&format!("[data-key='{path}'] .err"))
}

/// The page says for some seconds that the setting is saved.
fn is_saved(browser: &Browser, path: &str) -> bool {
    browser.script(&format!("return !!document.querySelector(\"[data-key='{path}'] .ok\")")) == true
}

fn unfold(browser: &Browser) {
    browser.script("document.querySelectorAll('main .adv').forEach(one => { one.open = true; })");
}

fn origin(browser: &Browser, path: &str) -> String {
    browser.text(&format!("[data-key='{path}'] .org"))
}

/// Types into the field of a setting and leaves it.
fn type_into(browser: &Browser, path: &str, text: &str) {
    browser.script(&format!(
        "const field = document.getElementById('s-{path}'), fold = field.closest('.adv'); if (fold) fold.open = true;
         field.scrollIntoView({{ block: 'center' }}); field.focus(); field.select()"
    ));
    browser.press(if text.is_empty() { BACKSPACE } else { text });
    browser.press(TAB);
}

// ---- settings with scripts

#[test]
fn a_setting_applies_as_soon_as_its_field_is_left() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    assert_eq!(origin(&browser, "stream.quality"), "");
    type_into(&browser, "stream.quality", "61");
    browser.wait_until("it is set", || setting(&daemon, "stream.quality") == (json!(61), "page".into()));
    browser.wait_until("the page says so", || is_saved(&browser, "stream.quality"));
    browser.wait_until("the page says where it comes from", || {
        origin(&browser, "stream.quality") == "Set on this page. Back to 80"
    });

    // Out of range: nothing changes, and the field says why.
    type_into(&browser, "stream.quality", "500");
    let wrong = "“JPEG quality” must be a whole number from 1 to 100, not 500.";
    browser.wait_until("it is refused", || said(&browser, "stream.quality") == wrong);
    assert_eq!(setting(&daemon, "stream.quality").0, 61);
    assert_eq!(browser.script("return document.getElementById('s-stream.quality').value"), "500");
    assert_eq!(
        browser.attribute("[data-key='stream.quality'] input", "aria-invalid").as_deref(),
        Some("true")
    );
    // An empty field goes back to the default; so does the button.
    type_into(&browser, "stream.quality", "");
    browser.wait_until("it is the default again", || {
        setting(&daemon, "stream.quality") == (json!(80), "default".into())
    });
    let switch = "picture.timestamp";
    browser.click("#s-picture\\.timestamp");
    browser.wait_until("a switch is set at once", || setting(&daemon, switch).0 == true);
    browser.wait_until("it offers the way back", || origin(&browser, switch).contains("Back to off"));
    browser.click("[data-key='picture.timestamp'] .link");
    browser.wait_until("and is taken back", || setting(&daemon, switch) == (json!(false), "default".into()));
    // The classes to detect are a list.
    type_into(&browser, "detect.classes", "person, car");
    browser.wait_until("a list is set", || setting(&daemon, "detect.classes").0 == json!(["person", "car"]));
    assert_eq!(browser.script("return document.title"), "Settings · camera · tallycam");
    let errors = browser.console_errors();
    // The browser reports refused requests, too.
    assert!(errors.iter().all(|error| error.contains("422")), "{errors:?}");
}

#[test]
fn pinned_settings_are_shown_and_cannot_be_changed() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &["stream.quality=55"]) else { return };
    browser.goto(&url(&daemon, "settings"));
    assert_eq!(origin(&browser, "stream.quality"), "Set in the command line, --set: change it there");
    assert_eq!(browser.script("return document.getElementById('s-stream.quality').disabled"), true);
    // A client that sends it all the same is refused.
    let answer = post(&daemon, SET, "stream.quality=60&was.stream.quality=55");
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.text().contains("can be changed only there"));
    assert_eq!(setting(&daemon, "stream.quality").0, 55);
}

/// The page gets the answer to a change only when the test calls `come`.
fn hold_answers(browser: &Browser) {
    browser.script(
        "const fetched = fetch;
         window.fetch = async (...request) => {
           const answer = await fetched(...request);
           if (request[1]?.method === 'POST') await new Promise(come => { window.come = come; });
           return answer;
         }",
    );
}

#[test]
fn typing_over_a_selected_value_replaces_it() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    hold_answers(&browser);
    type_into(&browser, "stream.quality", "62");
    browser.wait_for("!!window.come");
    browser.script("document.getElementById('s-stream.quality').select(); window.come()");
    browser.wait_until("the page says so", || is_saved(&browser, "stream.quality"));
    browser.press("63");
    assert_eq!(browser.script("return document.activeElement.value"), "63");
}

#[test]
fn a_value_typed_while_the_former_one_is_sent_is_kept_and_sent() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    hold_answers(&browser);
    type_into(&browser, "stream.quality", "62");
    browser.wait_for("!!window.come");
    browser.script("document.getElementById('s-stream.quality').select()");
    browser.press("63");
    browser.script("window.come()");
    browser.wait_until("the page says so", || is_saved(&browser, "stream.quality"));
    let typed = "return [document.activeElement.id, document.activeElement.value]";
    assert_eq!(browser.script(typed), json!(["s-stream.quality", "63"]));
    assert_eq!(setting(&daemon, "stream.quality").0, 62);
    browser.press(TAB);
    browser.wait_until("it is set", || setting(&daemon, "stream.quality").0 == 63);
}

#[test]
fn two_users_at_once_lose_nothing() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    type_into(&browser, "stream.stall", "6s");
    browser.wait_until("it is set", || setting(&daemon, "stream.stall").0 == "6s");
    // Another user changes another setting: no conflict.
    assert_eq!(send(&daemon, "PATCH", "/api/v1/settings", &json!({"name": "Door"})).status, 200);
    type_into(&browser, "stream.quality", "62");
    // The next page shows the new values.
    let is_shown = |value: &str| {
        browser
            .wait_for(&format!("document.getElementsByName('was.stream.quality')[0]?.value === '{value}'"));
    };
    is_shown("62");
    assert_eq!(setting(&daemon, "stream.quality").0, 62);
    // Now both change the same setting.
    assert_eq!(send(&daemon, "PATCH", "/api/v1/settings", &json!({"stream.quality": 40})).status, 200);
    type_into(&browser, "stream.quality", "63");
    browser.wait_until("the page says so", || {
        said(&browser, "stream.quality").contains("Somebody else has set this to 40 meanwhile")
    });
    assert_eq!(setting(&daemon, "stream.quality").0, 40);
    browser.click("[data-key='stream.quality'] .err button");
    is_shown("63");
    assert_eq!(setting(&daemon, "stream.quality").0, 63);
    assert_eq!(send(&daemon, "PATCH", "/api/v1/settings", &json!({"stream.quality": 41})).status, 200);
    type_into(&browser, "stream.quality", "64");
    browser.wait_until("the page says so", || said(&browser, "stream.quality").contains("to 41 meanwhile"));
    browser.click("[data-key='stream.quality'] .err a");
    browser.wait_for("document.getElementById('s-stream.quality').value === '41'");
    assert_eq!(setting(&daemon, "stream.quality").0, 41);
}

#[test]
fn at_most_25_rows_are_visible_and_none_of_absent_hardware() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let camera = FakeCam::new().formats("MJPG,YUYV").sizes("640x480,320x240");
    let device = format!("source.device={}", camera.path().display());
    for (sets, is_lit) in [
        (&["source.kind=sim"][..], false),
        (&["source.kind=sim", "lights.kind=sim"], true),
        (&["source.kind=v4l2", &device, "lights.kind=sim"], true),
        (&["source.kind=url", "source.url=http://127.0.0.1:9/", "lights.kind=sim"], true),
    ] {
        let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let daemon = Daemon::start(camera.command(PROGRAM), &arguments);
        browser.goto(&url(&daemon, "settings"));
        let rows = browser.script(
            "return [...document.querySelectorAll('main .set')].filter(row => row.checkVisibility()).map(row => row.dataset.key)",
        );
        let rows: Vec<&str> = rows.as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!((20..=25).contains(&rows.len()), "{}: {rows:?}", rows.len());
        let lights = rows.iter().filter(|path| path.starts_with("lights.")).count();
        assert_eq!(lights, if is_lit { 3 } else { 1 }, "{rows:?}");
        assert_eq!(rows.contains(&"source.url"), sets.contains(&"source.kind=url"));
        // All of them are there, folded.
        unfold(&browser);
        let all = "return document.querySelectorAll('main [data-key]').length";
        assert!(browser.script(all).as_u64() > Some(70));
        // Choices that do not exist on this machine are not offered.
        let kinds = browser.text("#s-source\\.kind");
        assert!(kinds.contains("Network camera") && !kinds.contains("Ribbon"), "{kinds}");
    }
}

#[test]
fn a_setting_is_found_by_its_name_and_by_its_key() {
    for has_script in [true, false] {
        let Some((browser, daemon)) = start(Wanted { has_script, ..Wanted::DESKTOP }, &[]) else { return };
        let shown = || {
            browser.devtools("Runtime.evaluate", json!({ "returnByValue": true, "expression":
                "[...document.querySelectorAll('main .set')].filter(row => row.checkVisibility()).map(row => row.dataset.key).join()" }))
                ["result"]["value"].as_str().unwrap_or_default().to_owned()
        };
        browser.goto(&url(&daemon, "settings"));
        let many = shown();
        for (word, path) in
            [("max_head", "http.max_head"), ("disconnect stalled", "stream.stall"), ("gamma", "lights.gamma")]
        {
            browser.fill("#find", word);
            browser.press(ENTER);
            browser.wait_until("it is found alone", || shown() == path);
            if !has_script {
                browser.click("#all");
            }
        }
        if has_script {
            browser.script("const find = document.getElementById('find'); find.value = ''; find.dispatchEvent(new Event('input'))");
        }
        browser.wait_until("all are there again", || shown() == many);
    }
}

#[test]
fn a_search_without_matches_says_so_and_common_names_are_found() {
    for has_script in [true, false] {
        let Some((browser, daemon)) = start(Wanted { has_script, ..Wanted::DESKTOP }, &[]) else { return };
        let told = || {
            browser.devtools("Runtime.evaluate", json!({ "returnByValue": true, "expression":
                "[...document.querySelectorAll('#none, main .set')].filter(row => row.checkVisibility()).map(row => row.textContent).join('|')" }))
                ["result"]["value"].as_str().unwrap_or_default().to_owned()
        };
        browser.goto(&url(&daemon, "settings"));
        assert!(!told().contains("Passwords, users and tokens"), "it is shown only to a search");
        for (word, said) in [
            ("zzz", "No setting has “zzz” in its name."),
            ("timezone", "Time zone"),
            ("wifi", "operating system"),
            ("password", "Passwords, users and tokens: Access"),
            ("backup", "Backup, restore and factory reset: Backup"),
        ] {
            browser.fill("#find", word);
            browser.press(ENTER);
            browser.wait_until("it is told", || told().contains(said));
            assert_eq!(told().contains("No setting has"), word == "zzz", "{word}: {}", told());
        }
    }
}

#[test]
fn the_word_saved_appears_at_the_field_and_vanishes_without_a_shift() {
    for wanted in [Wanted::DESKTOP, Wanted::PHONE] {
        let Some((browser, daemon)) = start(wanted, &[]) else { return };
        browser.goto(&url(&daemon, "settings"));
        let places = || {
            browser.script(
                "return [...document.querySelectorAll('main .set')].map(row => Math.round(row.getBoundingClientRect().height))",
            )
        };
        // On a phone the way back has a line of its own, once.
        type_into(&browser, "stream.quality", "60");
        browser.wait_until("it offers the way back", || origin(&browser, "stream.quality").contains("Back"));
        let before = places();
        type_into(&browser, "stream.quality", "61");
        browser.wait_until("it is set", || setting(&daemon, "stream.quality").0 == 61);
        browser.wait_for("document.getElementById('s-stream.quality').defaultValue === '61'");
        assert!(is_saved(&browser, "stream.quality"));
        assert_eq!(places(), before);
        let apart = "const [field, ok] = ['.unit', '.ok'].map(one => document.querySelector(`[data-key='stream.quality'] ${one}`).getBoundingClientRect());
            return Math.max(ok.left - field.right, ok.top - field.bottom, field.top - ok.bottom)";
        assert!(browser.script(apart).as_f64().unwrap().abs() < 60.0, "{}", browser.script(apart));
        browser.wait_for("getComputedStyle(document.querySelector(\"[data-key='stream.quality'] .ok\")).visibility === 'hidden'");
        assert_eq!(places(), before);
    }
}

#[test]
fn a_duration_is_a_number_and_a_unit_or_free_text() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    let age = "retention.recordings_age";
    assert_eq!(browser.attribute("#s-retention\\.recordings_age", "placeholder").as_deref(), Some("Never"));
    let choose = |unit: &str| {
        browser.script(&format!(
            "const unit = document.getElementById('s-retention.recordings_age-unit'); unit.value = '{unit}';
             unit.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        ));
    };
    let becomes = |is: &str, number: &str, unit: &str| {
        browser.wait_until(is, || setting(&daemon, age).0 == is);
        browser.wait_for(&format!(
            "document.querySelector(\"[name='was.retention.recordings_age']\").value === '{is}'
             && document.getElementById('s-retention.recordings_age').value === '{number}'
             && document.getElementById('s-retention.recordings_age-unit').value === '{unit}'"
        ));
    };
    type_into(&browser, age, "7");
    becomes("7d", "7", "d");
    assert!(origin(&browser, age).contains("Back to never"));
    type_into(&browser, age, "2 weeks");
    becomes("14d", "14", "d");
    type_into(&browser, age, "36 hours");
    becomes("36h", "36", "h");
    choose("d");
    becomes("36d", "36", "d");
    type_into(&browser, age, "1,5");
    becomes("36h", "36", "h");
    choose("never");
    becomes("never", "", "d");
    type_into(&browser, age, "soon");
    browser.wait_until("it is refused", || said(&browser, age).contains("“Delete recordings after” must be"));
    assert!(said(&browser, age).contains("not \"soon\""), "{}", said(&browser, age));
    type_into(&browser, age, "0");
    browser.wait_until("it is refused", || said(&browser, age).contains("at least"));
    // No message speaks of seconds.
    let page = post(&daemon, SET, "retention.recordings_age=7&was.retention.recordings_age=never");
    assert!(
        page.status == 422 && page.text().contains("7d") && !page.text().contains("unit: &quot;7s"),
        "{}",
        page.text()
    );
}

/// Adds a picture of more than 600 kB: most of it is comments.
fn upload(daemon: &Daemon, name: &str) {
    let picture = client::get(daemon.address, "/snapshot.jpg").body;
    let mut jpeg = picture[..2].to_vec();
    for _ in 0..10 {
        jpeg.extend([0xff, 0xfe, 0xea, 0x62]);
        jpeg.extend([b'.'; 60_000]);
    }
    jpeg.extend(&picture[2..]);
    let mut client = client::Client::new(std::net::TcpStream::connect(daemon.address).unwrap());
    let (path, len) = (format!("/api/v1/media?name={name}"), jpeg.len());
    client.send(&format!("POST {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: {len}\r\n\r\n"));
    client.0.get_mut().write_all(&jpeg).unwrap();
    assert_eq!(client.answer(false).status, 201);
}

#[test]
fn a_retention_rule_asks_before_it_deletes() {
    for has_script in [true, false] {
        let Some((browser, daemon)) = start(Wanted { has_script, ..Wanted::DESKTOP }, &[]) else { return };
        for n in 0..3 {
            upload(&daemon, &format!("{n}.jpg"));
        }
        let many = || get(&daemon, "/api/v1/media")["items"].as_array().unwrap().len();
        let (key, field) = ("retention.snapshots_size", "#s-retention\\.snapshots_size");
        let enter = |text: &str, button: &str| {
            if has_script {
                type_into(&browser, key, text);
            } else {
                browser.fill(field, text);
                browser.click(button);
            }
        };
        let apply = "#retention .btn.main";
        let asks = || {
            let row = browser.text(&format!("[data-key='{key}']"));
            row.contains("This deletes 2 items")
        };
        browser.goto(&url(&daemon, "settings#retention"));
        // A preview changes nothing.
        enter("1 MB", "#plan");
        if has_script {
            browser.wait_until("it is asked", asks);
            browser.click("#plan");
        }
        browser.wait_until("it is shown", || browser.text("#retention").contains("too much of its kind"));
        assert_eq!((many(), setting(&daemon, key).1.as_str()), (3, "default"));
        enter("1 MB", apply);
        browser.wait_until("it is asked", asks);
        assert_eq!((many(), setting(&daemon, key).1.as_str()), (3, "default"));
        browser.click(&format!("[data-key='{key}'] .ask a"));
        browser.wait_until("it is left", || {
            browser.script(&format!("return document.querySelector('{}').value", field.replace('\\', "\\\\")))
                == ""
        });
        assert_eq!((many(), setting(&daemon, key).1.as_str()), (3, "default"));
        // A rule that deletes nothing asks no question.
        enter("5", apply);
        browser.wait_until("it is set", || setting(&daemon, key).0 == "5GB");
        browser.wait_until("it says so", || is_saved(&browser, key));
        enter("1 MB", apply);
        browser.wait_until("it is asked again", asks);
        browser.click(&format!("[data-key='{key}'] .danger"));
        browser.wait_until("it is set", || setting(&daemon, key).0 == "1MB");
        browser.wait_until("they are gone", || many() == 1);
    }
}

#[test]
fn existing_things_are_chosen_from_lists() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let daemon = Daemon::start(Command::new(PROGRAM), &["--set", "source.kind=\"sim\""]);
    browser.goto(&url(&daemon, "settings"));
    // Width and height are one choice.
    assert!(browser.text("#mode").contains("1280 × 720"), "{}", browser.text("#mode"));
    browser.script("const menu = document.getElementById('mode'); menu.value = 'auto-640x360'; menu.dispatchEvent(new Event('change', { bubbles: true }))");
    browser.wait_until("it is set", || setting(&daemon, "source.height") == (json!(360), "page".into()));
    browser.wait_until("the page says so", || is_saved(&browser, "mode"));
    let zones = browser.script("return document.getElementById('s-counts.time_zone').list.options.length");
    assert!(zones.as_u64() > Some(300), "{zones}");
    // Lines are chosen by name.
    browser.click("#s-record\\.on_crossing");
    browser.click("[data-key='record.on_crossing'] .tick:last-child");
    browser.wait_until("it is set", || {
        setting(&daemon, "record.on_crossing").0 == json!(["Middle of the street"])
    });
    browser.wait_until("it says so", || browser.text("#s-record\\.on_crossing") == "Middle of the street");
    browser.click("[data-key='record.on_crossing'] .tick:first-child");
    browser.wait_until("it is nothing again", || setting(&daemon, "record.on_crossing").0 == json!([]));
}

// ---- settings without scripts

#[test]
fn everything_can_be_set_without_scripts() {
    let wanted = Wanted { has_script: false, ..Wanted::DESKTOP };
    let Some((browser, daemon)) = start(wanted, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    browser.fill("#s-stream\\.quality", "64");
    browser.click("#picture .adv > summary");
    browser.fill("#s-stream\\.idle_stop", "2m");
    browser.click("#picture .btn.main");
    browser.wait_until("it is set", || setting(&daemon, "stream.quality") == (json!(64), "page".into()));
    assert_eq!(setting(&daemon, "stream.idle_stop").0, "2m");
    assert_eq!(setting(&daemon, "stream.max_viewers").1, "default", "an untouched setting is not stored");
    browser
        .wait_until("the page is there again", || origin(&browser, "stream.quality").contains("Back to 80"));
    // Wrong values come back as typed.
    assert!(is_saved(&browser, "stream.quality") && is_saved(&browser, "stream.idle_stop"));
    browser.fill("#s-stream\\.quality", "500");
    browser.click("#picture .btn.main");
    browser.wait_until("the page says why", || {
        said(&browser, "stream.quality") == "“JPEG quality” must be a whole number from 1 to 100, not 500."
    });
    assert_eq!(browser.attribute("#s-stream\\.quality", "value").as_deref(), Some("500"));
    assert_eq!(setting(&daemon, "stream.quality").0, 64);
    // Back to the default.
    browser.click("[data-key='stream.quality'] .link");
    browser.wait_until("it is the default", || setting(&daemon, "stream.quality").0 == 80);

    // The switches under the picture, and the light.
    browser.goto(&url(&daemon, ""));
    browser.click("#turn > summary");
    browser.click("#everyone > summary");
    browser.click("#gray");
    browser.wait_until("everything is gray", || get(&daemon, "/api/v1/picture")["gray"] == true);
    browser.wait_until("the button says so", || {
        browser.attribute("#gray", "aria-pressed").as_deref() == Some("true")
    });
    browser.click("#turn > summary");
    browser.click("#everyone > summary");
    browser.click("#half");
    browser.wait_until("it is half as large", || get(&daemon, "/api/v1/picture")["scale"] == "1/2");
    browser.goto(&url(&daemon, "lights"));
    browser.click("#light-on");
    browser.wait_until("the light is on", || get(&daemon, "/api/v1/light")["on"] == true);
    browser.wait_until("the page says so", || browser.text("#light-shows") == "on");
    browser.click(".presets .btn:last-child");
    browser.wait_until("it has the colour", || {
        let light = get(&daemon, "/api/v1/light");
        light["presets"].as_array().unwrap().last().unwrap()["color"] == light["color"]
    });
}

#[test]
fn forms_are_carried_out_or_come_back() {
    let daemon = sim(&[]);
    let is = setting(&daemon, "stream.quality").0;
    for (path, body, status) in [
        ("/settings", "", 405),
        ("/api/v1/settings", "_method=fly&next=settings", 400),
        (SET, "stream.quality=abc&was.stream.quality=80", 422),
        (SET, "stream.quality=60&was.stream.quality=70", 412),
        (SET, "mode=large&was.mode=auto", 422),
        (SET, "no.such=60&was.no.such=70", 303),
        (SET, "source.command=rm&was.source.command=", 422),
        (CONTROLS, "no_such=1&was.no_such=0", 422),
        (IMPORT, "toml=%5Bstream%5D%0Aqality+%3D+1", 422),
        ("/api/v1/power", "next=settings&action=explode", 422),
        ("/api/v1/picture", "_method=patch&next=.%2F&gray=perhaps", 422),
        ("/api/v1/lens", "_method=patch&next=.%2F&step=x", 400),
        ("/api/v1/light", "_method=patch&next=lights&brightness=999", 400),
    ] {
        let answer = post(&daemon, path, body);
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
        if [412, 422].contains(&status) {
            assert!(answer.text().contains("<main"), "{path} {body} has its page again");
        }
    }
    assert_eq!(setting(&daemon, "stream.quality").0, is, "nothing was changed");
    // The page names the other user's value.
    let page = post(&daemon, SET, "stream.quality=60&was.stream.quality=70");
    assert!(page.text().contains("Somebody else has set this to 80 meanwhile"), "{}", page.text());
    // Only the page itself may send the form.
    let foreign = "PATCH /api/v1/settings HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(client::ask(daemon.address, foreign).status, 403);
    // Export and import of the same settings.
    assert_eq!(post(&daemon, SET, "name=Gate&was.name=camera").status, 303);
    let file = client::get(daemon.address, "/api/v1/settings.toml").text().to_owned();
    assert!(file.contains("Gate"), "{file}");
    assert_eq!(post(&daemon, SET, "_null=name").status, 303);
    assert_eq!(setting(&daemon, "name").0, "camera");
    let encoded: String = file.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = post(&daemon, IMPORT, &format!("toml={encoded}"));
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("../../settings?done=import")),
        "{}",
        answer.text()
    );
    assert_eq!(setting(&daemon, "name").0, "Gate");
    // curl calls the file a form.
    let as_curl = format!(
        "PUT /api/v1/settings.toml HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{file}",
        file.len()
    );
    assert_eq!(client::ask(daemon.address, &as_curl).status, 200);
    // Several ranges of pixels, as typed and as the page shows them again.
    let typed = "lights.ranges=0-3+ff0000%2C+7+0000FF&was.lights.ranges=";
    assert_eq!(post(&daemon, SET, typed).status, 303);
    assert_eq!(setting(&daemon, "lights.ranges").0, json!(["0-3 FF0000", "7 0000FF"]));
    let shown = client::get(daemon.address, "/settings");
    assert!(shown.text().contains("name=\"was.lights.ranges\" value=\"0-3 FF0000, 7 0000FF\""));
    let typed = "lights.ranges=7+0000FF&was.lights.ranges=0-3+FF0000%2C+7+0000FF";
    assert_eq!(post(&daemon, SET, typed).status, 303);
    assert_eq!(setting(&daemon, "lights.ranges").0, json!(["7 0000FF"]));
}

// ---- controls of the camera

#[test]
fn every_control_is_changed_from_the_page_and_reaches_the_camera() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let camera = FakeCam::new().formats("MJPG,YUYV").sizes("640x480,320x240").name("Bench Camera");
    let device = format!("source.device={}", camera.path().display());
    let kept = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={}", kept.path().display());
    let sets = ["source.kind=v4l2", &device, "detect.backend=none", &directory];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let start = || Daemon::start(camera.command(PROGRAM), &arguments);
    let mut daemon = start();
    let told = |line: &str| {
        let ctrl = format!("ctrl {line}");
        browser.wait_until(&ctrl, || camera.log().lines().any(|own| own.ends_with(&ctrl)));
    };
    // Somebody watches, so the camera gets the value at once.
    let mut viewer = client::Client::new(std::net::TcpStream::connect(daemon.address).unwrap());
    viewer.watch("/stream");
    crate::common::wait_until("the camera is live", || daemon.state()["state"] == "live");
    browser.goto(&url(&daemon, "settings#controls"));
    assert!(browser.text("#controls").contains("Bench Camera"), "{}", browser.text("#controls"));

    // A switch releases the control that it locked; a slider by keyboard; a menu; a button.
    browser.click("#c-white_balance_automatic");
    told("white_balance_automatic=0");
    browser.wait_for(
        "!document.querySelector(\"[data-control='white_balance_temperature']\").classList.contains('idle')",
    );
    for (name, key, then) in [
        ("brightness", RIGHT, "brightness=129"),
        ("contrast", RIGHT, "contrast=33"),
        ("saturation", RIGHT, "saturation=65"),
        ("white_balance_temperature", RIGHT, "white_balance_temperature=4610"),
    ] {
        browser.script(&format!("document.getElementById('c-{name}').focus()"));
        browser.press(key);
        told(then);
    }
    browser.script(
        "const menu = document.getElementById('c-auto_exposure'); menu.value = '1';
         menu.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    told("auto_exposure=1");
    browser.script("document.getElementById('c-exposure_time_absolute').focus()");
    browser.press(RIGHT);
    told("exposure_time_absolute=251");
    browser.script(
        "const menu = document.getElementById('c-power_line_frequency'); menu.value = '1';
         menu.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    told("power_line_frequency=1");
    browser.click("#c-do_white_balance");
    told("do_white_balance=1");
    browser.click("#c-focus_automatic_continuous");
    told("focus_automatic_continuous=0");
    browser.script("document.getElementById('c-focus_absolute').focus()");
    browser.press(RIGHT);
    told("focus_absolute=5");
    assert_eq!(camera.log().matches("streamon").count(), 1, "the stream was not touched");
    // The camera gets a value first, and the value that it took is stored then. A kill may take changes that the page
    // has no answer to.
    browser.wait_until("the last one is stored", || {
        browser.text("[data-control='focus_absolute'] .org").contains("Set on this page")
    });

    // Exactly these, in this order.
    let set = || -> Vec<String> {
        camera.log().lines().filter_map(|line| Some(line.split_once("ctrl ")?.1.to_owned())).collect()
    };
    let once = [
        "white_balance_automatic=0",
        "brightness=129",
        "contrast=33",
        "saturation=65",
        "white_balance_temperature=4610",
        "auto_exposure=1",
        "exposure_time_absolute=251",
        "power_line_frequency=1",
        "do_white_balance=1",
        "focus_automatic_continuous=0",
        "focus_absolute=5",
    ];
    assert_eq!(set(), once);
    // After unplugging and plugging in they are set again: automatic modes first, and no button is pressed …
    let again = [
        "white_balance_automatic=0",
        "auto_exposure=1",
        "focus_automatic_continuous=0",
        "brightness=129",
        "contrast=33",
        "saturation=65",
        "power_line_frequency=1",
        "white_balance_temperature=4610",
        "exposure_time_absolute=251",
        "focus_absolute=5",
    ];
    camera.control("unplug");
    camera.wait_for_log(" unplug");
    camera.control("plug");
    browser.wait_until("it is set again", || set().len() >= once.len() + again.len());
    assert_eq!(set()[once.len()..], again);
    crate::common::wait_until("the camera is live", || daemon.state()["state"] == "live");
    // … and after a restart of the program.
    daemon.kill();
    let daemon = start();
    let mut viewer = client::Client::new(std::net::TcpStream::connect(daemon.address).unwrap());
    viewer.watch("/stream");
    browser.wait_until("it is set again", || set().len() >= once.len() + 2 * again.len());
    assert_eq!(set()[once.len() + again.len()..], again);
    crate::common::wait_until("the camera is live", || daemon.state()["state"] == "live");
    browser.goto(&url(&daemon, "settings#controls"));

    // The values are stored for this camera, and reset one by one and all at once.
    browser.wait_until("it says so", || {
        browser.text("[data-control='brightness'] .org").contains("Set on this page. Back to 128")
    });
    browser.click("[data-control='brightness'] .link");
    told("brightness=128");
    browser.click("#controls-reset");
    told("contrast=32");
    browser.wait_for("document.querySelector('#c-contrast + output').textContent === '32'");

    // A mode that the camera really has.
    let modes = browser.text("#mode");
    assert!(modes.contains("640 × 480 MJPG") && modes.contains("320 × 240 YUYV"), "{modes}");
    browser.script(
        "const menu = document.getElementById('mode'); menu.value = 'MJPG-320x240';
         menu.dispatchEvent(new Event('change', { bubbles: true }))",
    );
    browser.wait_until("the camera gives it", || {
        let state = daemon.state();
        (&state["width"], &state["state"]) == (&json!(320), &json!("live"))
    });
    browser.wait_until("it is stored", || setting(&daemon, "source.width") == (json!(320), "page".into()));
}

#[test]
fn controls_are_set_without_scripts_too() {
    let wanted = Wanted { has_script: false, ..Wanted::DESKTOP };
    let Some((browser, daemon)) = start(wanted, &[]) else { return };
    browser.goto(&url(&daemon, "settings#controls"));
    let auto = || {
        let controls = get(&daemon, "/api/v1/controls");
        let items = controls["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["name"] == "focus_automatic_continuous").unwrap()["value"].clone()
    };
    let before = auto();
    browser.click("#c-focus_automatic_continuous");
    browser.click("#controls noscript .btn, #controls .btn.main");
    browser.wait_until("it is set", || auto() != before);
    browser.click("#controls-reset");
    browser.wait_until("it is the camera's default again", || auto() == before);
}

/// The program on a contrary camera that somebody watches. The camera refuses contrast above 64 and values that an
/// automatic mode controls; its saturation never exceeds 50.
fn contrary() -> (FakeCam, tempfile::TempDir, Daemon, client::Client) {
    let camera = FakeCam::new().formats("MJPG").sizes("320x240").faults("liar,strict");
    let kept = tempfile::tempdir().unwrap();
    let sets = [
        String::from("source.kind=v4l2"),
        format!("source.device={}", camera.path().display()),
        format!("store.directory={}", kept.path().display()),
        String::from("detect.backend=none"),
    ];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set.as_str()]).collect();
    let daemon = Daemon::start(camera.command(PROGRAM), &arguments);
    let mut viewer = client::Client::new(std::net::TcpStream::connect(daemon.address).unwrap());
    viewer.watch("/stream");
    crate::common::wait_until("the camera is live", || daemon.state()["state"] == "live");
    (camera, kept, daemon, viewer)
}

fn control(daemon: &Daemon, name: &str) -> Value {
    let report = get(daemon, "/api/v1/controls");
    report["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap()["value"].clone()
}

#[test]
fn a_deviating_camera_is_reported_at_the_control() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let (_camera, _kept, daemon, _viewer) = contrary();
    browser.goto(&url(&daemon, "settings#controls"));
    let said = |name: &str| browser.text(&format!("[data-control='{name}'] .err"));
    let right = |name: &str| {
        browser.script(&format!("document.getElementById('c-{name}').focus()"));
        browser.press(RIGHT);
    };
    right("exposure_time_absolute");
    browser.wait_until("it is refused, and why", || {
        said("exposure_time_absolute").contains("cannot be set while an automatic mode rules it")
    });
    assert_eq!(browser.attribute("#c-exposure_time_absolute", "aria-invalid").as_deref(), Some("true"));
    right("saturation");
    browser.wait_until("it is set to something else", || {
        said("saturation").contains("asked to set its control saturation to 65 and has set it to 50")
    });
    assert_eq!(browser.attribute("#c-saturation", "aria-invalid"), None);
    right("brightness");
    browser.wait_until("it is set", || control(&daemon, "brightness") == 129);
    assert_eq!(said("brightness"), "", "as it was asked");
    // A message about all controls stands above them.
    browser.click("#controls-reset");
    browser.wait_until("the deviation is reported", || {
        browser.text("#controls-said").contains("saturation to 64 and has set it to 50")
    });
    // Changes by other users are shown.
    assert_eq!(send(&daemon, "PATCH", "/api/v1/controls", &json!({"brightness": 200})).status, 200);
    browser.wait_for("document.getElementById('c-brightness').value === '200'");
    // The browser reports refused requests, too.
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("422")), "{errors:?}");
}

#[test]
fn a_deviating_camera_is_reported_without_scripts_too() {
    let (camera, _kept, daemon, _viewer) = contrary();
    let form = |body: &str| post(&daemon, CONTROLS, body);
    // Done, with another value: no refusal.
    let page = form("saturation=80&was.saturation=64");
    assert_eq!((page.status, control(&daemon, "saturation")), (200, json!(50)), "{}", page.text());
    assert!(page.text().contains("to set its control saturation to 80 and has set it to 50"));
    assert!(!page.text().contains("role=\"alert\""), "{}", page.text());
    let page = form("focus_absolute=42&was.focus_absolute=0&was.focus_automatic_continuous=1");
    assert_eq!((page.status, control(&daemon, "focus_absolute")), (200, json!(40)), "{}", page.text());
    assert!(page.text().contains("has no 42: it is set to 40"), "{}", page.text());
    // Done in part: each refused value is named at its field.
    let ruled = "exposure_time_absolute=300&was.exposure_time_absolute=250";
    let page = form(&format!("brightness=9&was.brightness=128&{ruled}"));
    assert_eq!((page.status, control(&daemon, "brightness")), (200, json!(9)), "{}", page.text());
    assert!(page.text().contains("cannot be set while an automatic mode rules it"), "{}", page.text());
    assert_eq!(page.text().matches("The camera has not taken this.").count(), 1);
    // Not done at all.
    let page = form(ruled);
    assert_eq!(page.status, 422, "{}", page.text());
    assert!(page.text().contains("role=\"alert\"") && page.text().contains("The camera has not taken this."));
    let page = form("brightness=999&was.brightness=9");
    assert_eq!(page.status, 422, "{}", page.text());
    assert!(page.text().contains("This takes a whole number from 0 to 255."), "{}", page.text());
    // A change that goes through leads back to the page.
    assert_eq!(form("brightness=10&was.brightness=9").status, 303);
    assert_eq!(post(&daemon, CONTROLS, "_null=brightness").status, 303);
    assert_eq!(control(&daemon, "brightness"), 128);
    assert_eq!(post(&daemon, CONTROLS, "do_white_balance=1").status, 303);
    camera.wait_for_log("ctrl do_white_balance=1");
}

#[test]
fn the_later_of_two_users_of_a_control_is_told() {
    let daemon = sim(&[]);
    let brighter = |value: i64| {
        assert_eq!(send(&daemon, "PATCH", "/api/v1/controls", &json!({"brightness": value})).status, 200);
    };
    let form = |brightness: &str, auto: &str| {
        let body = format!("brightness={brightness}&focus_automatic_continuous={auto}");
        post(&daemon, CONTROLS, &body)
    };
    let are = || ["brightness", "focus_automatic_continuous"].map(|name| control(&daemon, name));
    // The page was made at 4; another user sets 9.
    brighter(9);
    let page = form("7&was.brightness=4", "0&was.focus_automatic_continuous=1");
    assert_eq!(page.status, 412, "{}", page.text());
    for words in [
        "nothing of yours was changed",
        "Somebody else has set this to 9 meanwhile.",
        "value=\"7\" id=\"c-brightness\"",
        "name=\"was.brightness\" value=\"9\"",
    ] {
        assert!(page.text().contains(words), "no {words} in {}", page.text());
    }
    assert_eq!(are(), [json!(9), json!(true)]);
    // The other control is set on its own. Sending this one again confirms it.
    assert_eq!(form("4&was.brightness=4", "0&was.focus_automatic_continuous=1").status, 303);
    assert_eq!(are(), [json!(9), json!(false)]);
    assert_eq!(form("7&was.brightness=9", "0&was.focus_automatic_continuous=0").status, 303);
    assert_eq!(are(), [json!(7), json!(false)]);
}

// ---- light and lens

#[test]
fn simultaneous_rotations_are_all_applied() {
    let daemon = sim(&[]);
    let request = "POST /api/v1/picture HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: same-origin\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 31\r\n\r\n_method=patch&next=.%2F&turn=90";
    let address = daemon.address;
    let turns = [(); 3].map(|()| std::thread::spawn(move || client::ask(address, request).status));
    assert_eq!(turns.map(|turn| turn.join().unwrap()), [303; 3]);
    assert_eq!(get(&daemon, "/api/v1/picture")["rotate"], 270);
}

#[test]
fn the_strip_on_the_page_shows_what_the_light_shows() {
    let Some((browser, daemon)) = start(Wanted::PHONE, &[]) else { return };
    browser.goto(&url(&daemon, ""));
    let dots = "return [...document.querySelectorAll('#dots circle')].map(dot => dot.getAttribute('fill').slice(1).toUpperCase())";
    assert_eq!(browser.script(dots), json!(vec!["000000"; 8]));
    browser.script("for (const id of ['turn', 'everyone']) document.getElementById(id).open = true");
    browser.script("document.getElementById('hands').open = true");
    browser.click("#light-too");
    browser.wait_until("the dots shine", || browser.script(dots) == json!(vec!["FFFFFF"; 8]));
    assert_eq!(browser.attribute("#light-on", "aria-pressed").as_deref(), Some("true"));
    browser.script(
        "const colour = document.getElementById('color'); colour.value = '#ff0000';
         colour.dispatchEvent(new Event('input', { bubbles: true }))",
    );
    browser.wait_until("they are red", || browser.script(dots) == json!(vec!["FF0000"; 8]));
    // Changes by other users are shown, too.
    send(&daemon, "PATCH", "/api/v1/light", &json!({"on": false}));
    browser.wait_until("they are dark", || browser.script(dots) == json!(vec!["000000"; 8]));
    browser.wait_for("document.getElementById('light-too').getAttribute('aria-pressed') === 'false'");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn the_picture_is_turned_from_the_page() {
    let Some((browser, daemon)) = start(Wanted::PHONE, &[]) else { return };
    browser.goto(&url(&daemon, ""));
    browser.click("#turn > summary");
    browser.click("#everyone > summary");
    browser.click("#gray");
    browser.wait_until("it is gray", || get(&daemon, "/api/v1/picture")["gray"] == true);
    let rests = || browser.wait_for("!document.querySelector('#turn [aria-busy]')");
    rests();
    browser.click("#turn [value='90']");
    browser.wait_until("it is turned", || get(&daemon, "/api/v1/picture")["rotate"] == 90);
    // The picture is higher than wide now, and the page below it has settled.
    browser.wait_for("document.getElementById('last').height > document.getElementById('last').width");
    rests();
    browser.click("#turn [value='90']");
    browser.wait_until("and again", || get(&daemon, "/api/v1/picture")["rotate"] == 180);
    rests();
    browser.click("#mirror");
    browser.wait_until("it is mirrored", || get(&daemon, "/api/v1/picture")["mirror"] == true);
    browser.wait_for("document.getElementById('mirror').getAttribute('aria-pressed') === 'true'");
}

#[test]
fn a_focus_sweep_from_the_page_finds_the_sharpest() {
    let Some((browser, daemon)) =
        start(Wanted::DESKTOP, &["source.width=320", "source.height=240", "detect.backend=\"none\""])
    else {
        return;
    };
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.body.dataset.look === 'live'");
    // The figure follows the picture while its card is visible. The card is folded, below the picture.
    browser.script("document.getElementById('hands').open = true");
    browser.script("document.getElementById('lens-form').scrollIntoView({ block: 'center' })");
    browser.wait_for("document.getElementById('sharpness').textContent !== '–'");
    browser.click("#lens-form [name=step][value='0.05']");
    browser.wait_until("autofocus is off", || get(&daemon, "/api/v1/lens")["auto"] == false);
    browser.wait_for("document.getElementById('auto').getAttribute('aria-pressed') === 'false'");
    browser.click("#sweep");
    browser.wait_for("!document.getElementById('sweeping').hidden");
    browser.wait_for("document.getElementById('sweeping').hidden");
    browser.wait_for("document.getElementById('lens-said').textContent !== ''");
    let lens = get(&daemon, "/api/v1/lens");
    assert!(lens["position"].is_number() && lens["sweep"].is_null(), "{lens}");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_camera_without_focus_and_light_has_no_cards_and_the_diagnosis_says_why() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let camera = FakeCam::new().formats("MJPG").sizes("320x240").faults("nofocus");
    let device = format!("source.device={}", camera.path().display());
    let sets = ["--set", "source.kind=v4l2", "--set", &device, "--set", "detect.backend=none"];
    let daemon = Daemon::start(camera.command(PROGRAM), &sets);
    browser.goto(&url(&daemon, ""));
    assert_eq!(browser.script("return document.querySelectorAll('#lens, #light, #light-too').length"), 0);
    browser.goto(&url(&daemon, "diagnosis"));
    let words = browser.text("main");
    assert!(words.contains("Lens") && words.contains("focus"), "{words}");
    browser.goto(&url(&daemon, "lights"));
    assert!(browser.text("main").contains("No light configured"));
    browser.goto(&url(&daemon, "log"));
    assert!(browser.text("#lines").contains("tallycam"), "{}", browser.text("#lines"));
}

// ---- signing in

#[test]
fn a_change_from_elsewhere_asks_for_the_password_once() {
    let Some((browser, daemon)) = start(Wanted::PHONE, &[]) else { return };
    let set = send(&daemon, "PUT", "/api/v1/password", &json!({"password": "correct horse"}));
    assert_eq!(set.status, 200, "{}", set.text());
    // As through a proxy of this machine.
    browser.devtools("Network.enable", json!({}));
    browser.devtools("Network.setExtraHTTPHeaders", json!({ "headers": { "X-Forwarded-For": "10.0.0.7" } }));
    // The page of settings needs the right to see them.
    browser.goto(&url(&daemon, "settings"));
    browser.wait_for("location.pathname.endsWith('/sign-in')");
    browser.fill("[name=password]", "wrong");
    browser.press(ENTER);
    browser.wait_until("it is refused", || browser.text("main").contains("wrong"));
    browser.fill("[name=password]", "correct horse");
    browser.press(ENTER);
    browser.wait_for("location.pathname.endsWith('/settings')");
    // Values typed after the session has expired are there after the next sign-in.
    browser.devtools("Network.clearBrowserCookies", json!({}));
    type_into(&browser, "stream.quality", "61");
    browser.wait_for("location.pathname.endsWith('/sign-in')");
    browser.fill("[name=password]", "correct horse");
    browser.press(ENTER);
    browser.wait_until("it is set", || setting(&daemon, "stream.quality").0 == 61);
    browser.wait_for("location.pathname.endsWith('/settings')");
    // Signing out, from the menu.
    browser.click("#menu summary");
    browser.click("#menu a[href='sign-in']");
    browser.wait_for("location.pathname.endsWith('/sign-in')");
    browser.click("form[action='sign-out'] button");
    browser.wait_until("it is signed out", || browser.text("main").contains("User name, if you have one"));
}

#[test]
fn a_viewer_sees_no_field_that_looks_changeable() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    let set = send(&daemon, "PUT", "/api/v1/password", &json!({"password": "correct horse"}));
    assert_eq!(set.status, 200, "{}", set.text());
    let body = json!({"role": "operator", "password": "bob's horse"}).to_string();
    let request = format!(
        "PUT /api/v1/users/bob HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic bWU6Y29ycmVjdCBob3JzZQ==\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let made = client::ask(daemon.address, &request);
    assert_eq!(made.status, 200, "{}", made.text());
    browser.devtools("Network.enable", json!({}));
    browser.devtools("Network.setExtraHTTPHeaders", json!({ "headers": { "X-Forwarded-For": "10.0.0.7" } }));
    browser.goto(&url(&daemon, "settings"));
    browser.fill("[name=name]", "bob");
    browser.fill("[name=password]", "bob's horse");
    browser.press(ENTER);
    browser.wait_for("location.pathname.endsWith('/settings')");
    unfold(&browser);
    let open = "return [...document.querySelectorAll('main :is(input, select, textarea, button)')]
        .filter(e => !e.disabled && e.type !== 'search' && e.checkVisibility()).map(e => e.outerHTML)";
    assert_eq!(browser.script(open), json!([]));
    browser.click("#locked a");
    browser.wait_for("location.pathname.endsWith('/sign-in')");
}

// ---- the machine's power

#[test]
fn an_admin_restarts_and_switches_off_the_machine_from_the_page() {
    for has_script in [true, false] {
        let Some(browser) = Browser::start(Wanted { has_script, ..Wanted::DESKTOP }) else { return };
        // A stand-in for `systemctl` that writes down its arguments.
        let folder = tempfile::tempdir().unwrap();
        let (told, systemctl) = (folder.path().join("told"), folder.path().join("systemctl"));
        write_executable(&systemctl, &format!("#!/bin/sh\necho \"$1\" >> {}\n", told.display()));
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut program = Command::new(PROGRAM);
        program.env("PATH", path);
        let daemon = Daemon::start(program, &crate::scene(&["detect.backend=\"none\""]));
        let told = || std::fs::read_to_string(&told).unwrap_or_default();

        browser.goto(&url(&daemon, "settings"));
        // Opening the question does nothing yet.
        browser.click("#power details:nth-of-type(1) summary");
        assert_eq!(told(), "");
        browser.click("#power [value=reboot]");
        browser.wait_until("it restarts", || told() == "reboot\n");
        browser.wait_until("the page says so", || browser.text("main").contains("The machine is restarting"));
        browser.click("#power details:nth-of-type(2) summary");
        browser.click("#power [value=off]");
        browser.wait_until("it is switched off", || told() == "reboot\npoweroff\n");
        browser
            .wait_until("the page says so", || browser.text("main").contains("The machine is switching off"));

        // From another machine, as through a proxy of this one: the button is shown, but needs a password.
        browser.devtools("Network.enable", json!({}));
        let headers = json!({ "headers": { "X-Forwarded-For": "10.0.0.7" } });
        browser.devtools("Network.setExtraHTTPHeaders", headers);
        browser.goto(&url(&daemon, "settings"));
        browser.click("#power details:nth-of-type(1) summary");
        browser.click("#power [value=reboot]");
        browser.wait_until("the page says why not", || {
            browser.text("main").contains("ithout a password this machine is switched from itself only")
        });
        let set = send(&daemon, "PUT", "/api/v1/password", &json!({"password": "correct horse"}));
        assert_eq!(set.status, 200, "{}", set.text());
        browser.goto(&url(&daemon, "settings"));
        browser.wait_for("location.pathname.endsWith('/sign-in')");
        assert_eq!(told(), "reboot\npoweroff\n", "no second command was sent");
    }
}

// ---- on any window

#[test]
fn the_keyboard_reaches_every_setting() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "settings"));
    unfold(&browser);
    let wanted = "[...document.querySelectorAll('main :is(input, select, textarea, button, a)')]
        .filter(e => e.type !== 'hidden' && !e.disabled && e.tabIndex >= 0 && e.checkVisibility()).length";
    let count = browser.script(&format!("return {wanted}")).as_u64().unwrap();
    assert!(count > 60, "{count}");
    browser.script(
        "window.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))",
    );
    for _ in 0..count + 20 {
        browser.press(TAB);
    }
    let left = browser.script(
        "return [...document.querySelectorAll('main :is(input, select, textarea, button, a)')]
            .filter(e => e.type !== 'hidden' && !e.disabled && e.tabIndex >= 0 && e.checkVisibility() && !reached.has(e))
            .map(e => e.outerHTML)",
    );
    assert_eq!(left, json!([]));
}

#[test]
fn on_a_phone_nothing_scrolls_sideways_and_all_is_large_enough() {
    for (width, is_dark) in [(360, false), (320, true)] {
        let Some((browser, daemon)) = start(Wanted { width, is_dark, ..Wanted::PHONE }, &[]) else { return };
        for page in ["", "settings", "lights", "diagnosis", "log", "access", "sign-in"] {
            browser.goto(&url(&daemon, page));
            browser.wait_for("document.readyState !== 'loading'");
            assert_eq!(browser.script("return document.documentElement.scrollWidth"), width, "{page}");
            let small = "return [...document.querySelectorAll('.btn, .tabs a, #menu summary, select, textarea, input:not([type=checkbox], [type=hidden])')]
                .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)";
            assert_eq!(browser.script(small), json!([]), "too small for a finger, {page}");
            assert_eq!(browser.console_errors(), Vec::<String>::new(), "{page}");
        }
    }
}

// ---- the log, and a disk that takes nothing

#[test]
fn the_page_of_the_log_follows_it() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP, &[]) else { return };
    browser.goto(&url(&daemon, "log"));
    let log = || browser.text("ol.lines");
    assert!(!log().contains("log.level is now"));
    assert_eq!(send(&daemon, "PATCH", "/api/v1/settings", &json!({"log.level": "debug"})).status, 200);
    browser.wait_until("the new line is there", || log().contains("log.level is now debug"));
    assert!(browser.console_errors().is_empty(), "{:?}", browser.console_errors());
}

#[test]
fn a_light_whose_state_cannot_be_stored_is_switched_and_the_page_says_so() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let folder = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={}", folder.path().display());
    let daemon = sim(&[&directory]);
    // A folder blocks the file that is written.
    std::fs::create_dir(folder.path().join("settings.toml.new")).unwrap();
    browser.goto(&url(&daemon, ""));
    browser.script("document.getElementById('hands').open = true");
    browser.click("#light-on");
    browser.wait_until("it is on", || get(&daemon, "/api/v1/light")["on"] == true);
    browser.wait_until("the page says so", || browser.text("#light-said").contains("is not kept"));
    assert_eq!(browser.attribute("#light-on", "aria-pressed").as_deref(), Some("true"));
}

#[test]
fn a_control_that_cannot_be_stored_is_set_and_the_page_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={}", folder.path().display());
    let daemon = sim(&[&directory]);
    std::fs::create_dir(folder.path().join("settings.toml.new")).unwrap();
    let sent = post(&daemon, CONTROLS, "was.focus_automatic_continuous=1");
    assert_eq!(sent.status, 303, "{}", sent.text());
    assert_eq!(control(&daemon, "focus_automatic_continuous"), false);
    let page = client::get(daemon.address, "/settings");
    assert!(page.text().contains("id=\"unsaved\"") && page.text().contains("is not kept"), "{}", page.text());
}
