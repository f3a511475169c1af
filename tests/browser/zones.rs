//! The editor of lines and zones in a real browser. Zones are drawn by mouse, finger and keyboard and shown on the
//! other pages. Further: drawing as a mode, undo, and unsaved changes.

use std::process::Command;
use std::time::Duration;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, LEFT, Pointer, Wanted};
use serde_json::{Value, json};

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const CONTROL: &str = "\u{e009}";

/// A browser, and the program on the simulation, which has one line from the start.
fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &crate::scene(&["name=\"Yard\""]));
    crate::common::wait_until("there is a line", || !get(&daemon, "/api/v1/lines")["items"][0].is_null());
    Some((browser, daemon))
}

fn open(browser: &Browser, daemon: &Daemon, page: &str) {
    browser.goto(&format!("http://{}/{page}", daemon.address));
}

fn get(daemon: &Daemon, path: &str) -> Value {
    client::get(daemon.address, path).json()
}

fn zone(daemon: &Daemon) -> Value {
    get(daemon, "/api/v1/zones")["items"][0].clone()
}

fn wait_for_the_still(browser: &Browser) {
    browser.wait_for("document.getElementById('picture').naturalWidth > 0 && document.querySelector('#draw .grab') !== null");
}

/// The ends or corners as the form has them.
fn typed(browser: &Browser) -> Value {
    browser.script("return [...document.querySelectorAll('#form :is(.ends input, #points)')].map(one => one.value).join(' ')")
}

fn a_zone_is_drawn(wanted: Wanted, pointer: Pointer) {
    let Some((browser, daemon)) = start(wanted) else { return };
    open(&browser, &daemon, "lines?zone=new");
    wait_for_the_still(&browser);
    browser.click("#start");
    browser.drag(pointer, "#draw", [0.1, 0.1], [0.9, 0.9]);
    browser.wait_for("document.getElementById('start').getAttribute('aria-pressed') === 'false'");
    browser.fill("#shape-name", "Hall");
    browser.click("#save");
    browser.wait_for("location.hash === '#saved' && document.getElementById('saved')?.checkVisibility()");
    let saved = zone(&daemon);
    assert_eq!((&saved["name"], &saved["exclude"]), (&json!("Hall"), &json!(false)));
    let corners = saved["points"].as_array().unwrap();
    assert_eq!(corners.len(), 4);
    assert!(corners[0][0].as_f64() < Some(0.2) && corners[2][0].as_f64() > Some(0.8), "{saved}");

    // Another corner, moved by keyboard; then another kind.
    wait_for_the_still(&browser);
    browser.script("document.querySelector('#draw .grab').focus()");
    browser.click("#more");
    browser.wait_for("document.querySelectorAll('#draw .grab').length === 5");
    browser.script("document.querySelectorAll('#draw .grab')[1].focus()");
    let before = typed(&browser);
    browser.press(LEFT);
    browser.wait_for("document.getElementById('news').textContent.startsWith('Corner 2: ')");
    assert_ne!(typed(&browser), before);
    browser.click("#save");
    browser.wait_until("it is saved", || zone(&daemon)["points"].as_array().unwrap().len() == 5);

    // The live page shows the zone and its occupancy; the counts page has the occupancy over time.
    open(&browser, &daemon, "");
    browser.wait_for("document.querySelector('#zones dt')?.textContent === 'Hall'");
    browser.wait_for("document.querySelector('#overlay .zone') !== null");
    browser.wait_for("+document.querySelector('#zones [data-zone] b').textContent > 0");
    crate::common::wait_until("its peak is stored", || {
        get(&daemon, "/api/v1/zones/occupancy?from=today&bucket=total")["items"][0]["peak"].as_u64() > Some(0)
    });
    open(&browser, &daemon, "counts");
    browser.wait_for("[...document.querySelectorAll('#occupancy b')].some(one => +one.textContent > 0)");

    // A deleted zone is shown nowhere.
    open(&browser, &daemon, &format!("lines?zone={}", saved["id"]));
    wait_for_the_still(&browser);
    browser.script("document.querySelector('#form details:has(#delete)').open = true");
    browser.click("#delete");
    browser.wait_for("!location.search");
    assert_eq!(zone(&daemon), Value::Null);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_zone_is_drawn_by_mouse() {
    a_zone_is_drawn(Wanted::DESKTOP, Pointer::Mouse);
}

#[test]
fn a_zone_is_drawn_by_finger() {
    a_zone_is_drawn(Wanted::PHONE, Pointer::Finger);
}

fn a_mask_is_drawn(wanted: Wanted, pointer: Pointer) {
    let Some((browser, daemon)) = start(wanted) else { return };
    let areas = || get(&daemon, "/api/v1/masks")["items"].as_array().unwrap().clone();
    open(&browser, &daemon, "lines?mask=new");
    wait_for_the_still(&browser);
    browser.click("#start");
    browser.drag(pointer, "#draw", [0.1, 0.1], [0.9, 0.9]);
    browser.wait_for("document.getElementById('start').getAttribute('aria-pressed') === 'false'");
    browser.click("#save");
    browser.wait_for("location.hash === '#saved' && document.getElementById('saved')?.checkVisibility()");
    let drawn = areas();
    assert!(drawn.len() == 1 && drawn[0]["points"][2][0].as_f64() > Some(0.8), "{drawn:?}");
    wait_for_the_still(&browser);
    browser.script("document.querySelector('#draw .grab').focus()");
    browser.click("#more");
    browser.wait_for("document.querySelectorAll('#draw .grab').length === 5");
    browser.script("document.querySelectorAll('#draw .grab')[1].focus()");
    browser.press(LEFT);
    browser.wait_for("document.getElementById('news').textContent.startsWith('Corner 2: ')");
    browser.click("#save");
    browser.wait_until("it is saved", || areas()[0]["points"].as_array().unwrap().len() == 5);
    browser.script("document.querySelector('#form details:has(#delete)').open = true");
    browser.click("#delete");
    browser.wait_for("!location.search");
    assert_eq!(areas(), Vec::<Value>::new());
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_mask_is_drawn_by_mouse() {
    a_mask_is_drawn(Wanted::DESKTOP, Pointer::Mouse);
}

#[test]
fn a_mask_is_drawn_by_finger() {
    a_mask_is_drawn(Wanted::PHONE, Pointer::Finger);
}

#[test]
fn a_zone_is_drawn_by_clicks_and_closed_by_enter_or_its_first_corner() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    for (close, corners) in [(Some(ENTER), 3), (None, 4)] {
        open(&browser, &daemon, "lines?zone=new");
        wait_for_the_still(&browser);
        browser.click("#start");
        let spots = [[0.1, 0.1], [0.9, 0.2], [0.8, 0.9], [0.2, 0.8]];
        for spot in &spots[..corners] {
            browser.drag(Pointer::Mouse, "#draw", *spot, *spot);
        }
        browser.wait_for(&format!(
            "document.getElementById('news').textContent.startsWith('Corner {corners}.')"
        ));
        match close {
            Some(key) => browser.press(key),
            None => browser.drag(Pointer::Mouse, "#draw", spots[0], spots[0]),
        };
        browser.wait_for("document.getElementById('news').textContent.startsWith('Closed.')");
        browser.fill("#shape-name", &format!("Zone of {corners}"));
        browser.click("#save");
        browser.wait_for("location.hash === '#saved'");
        let zones = get(&daemon, "/api/v1/zones")["items"].clone();
        let saved = zones.as_array().unwrap().last().unwrap()["points"].as_array().unwrap().len();
        assert_eq!(saved, corners, "{zones}");
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_change_of_a_zone_by_somebody_else_shows_on_live_at_once() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let is_done = |answer: client::Answer| {
        assert!((200..300).contains(&answer.status), "{}", answer.text());
    };
    let send = |method: &str, path: &str, body: Value| {
        is_done(client::send_json(daemon.address, method, path, &body));
    };
    open(&browser, &daemon, "");
    browser.wait_for("document.querySelectorAll('#overlay .line').length === 1");
    send("POST", "/api/v1/zones", json!({"name": "Hall", "points": [[0, 0], [1, 0], [1, 1]]}));
    browser.wait_for("document.querySelectorAll('#overlay .zone').length === 1");
    browser.wait_for("document.getElementById('zones').checkVisibility() && document.querySelector('#zones dt').textContent === 'Hall'");
    let path = format!("/api/v1/zones/{}", zone(&daemon)["id"]);
    let shape = "return document.querySelector('#overlay .zone').getAttribute('d')";
    let before = browser.script(shape);
    send("PATCH", &path, json!({"points": [[0, 0], [0.5, 0], [0.5, 0.5]]}));
    browser.wait_until("it is moved", || browser.script(shape) != before);
    send("PATCH", &path, json!({"exclude": true}));
    browser.wait_for("!!document.querySelector('#overlay .zone.off') && document.querySelector('#zones dd').textContent === 'excluded'");
    is_done(client::ask(daemon.address, &format!("DELETE {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")));
    browser.wait_for(
        "!document.querySelector('#overlay .zone') && !document.getElementById('zones').checkVisibility()",
    );
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_swipe_over_the_picture_draws_nothing_until_drawing_was_begun() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    open(&browser, &daemon, "lines?line=new");
    wait_for_the_still(&browser);
    let before = typed(&browser);
    browser.drag(Pointer::Finger, "#draw", [0.8, 0.9], [0.85, 0.1]);
    assert_eq!(typed(&browser), before, "a swipe drew");
    let touch = "return getComputedStyle(document.getElementById('draw')).touchAction";
    assert_eq!(browser.script(touch), "auto");
    // A touch while the page still scrolls only stops it.
    browser.wait_until("the page rests", || {
        let was = browser.script("return scrollY");
        std::thread::sleep(Duration::from_millis(200));
        browser.script("return scrollY") == was
    });
    browser.click("#start");
    assert_eq!(browser.script(touch), "none");
    browser.drag(Pointer::Finger, "#draw", [0.8, 0.9], [0.7, 0.1]);
    assert_ne!(typed(&browser), before);
    assert_eq!(browser.script(touch), "auto", "one line, then the mode ends");
    // Save is within reach of the thumb.
    browser.script("document.getElementById('shot').scrollIntoView()");
    let inside = "const box = document.getElementById('save').getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight - 56";
    assert_eq!(browser.script(inside), json!(true));
}

#[test]
fn a_move_is_undone_and_leaving_unsaved_changes_asks_first() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    open(&browser, &daemon, "lines");
    wait_for_the_still(&browser);
    let before = typed(&browser);
    browser.script("document.querySelector('#draw .grab').focus()");
    browser.press(LEFT);
    browser.wait_for("document.getElementById('news').textContent.startsWith('End a: ')");
    let once = typed(&browser);
    browser.press(LEFT);
    browser.wait_until("it is moved again", || typed(&browser) != once);
    browser.press_with(CONTROL, "z");
    assert_eq!(typed(&browser), once);
    browser.press(ESCAPE);
    assert_eq!(typed(&browser), before);

    // Another page: the browser asks first, stays, then leaves.
    browser.press(LEFT);
    browser.click("#add");
    browser.wait_for("document.getElementById('leave').checkVisibility()");
    let stays = browser.script("return [location.search, document.activeElement.id]");
    assert_eq!(stays, json!(["", "stay"]));
    browser.click("#stay");
    assert_eq!(browser.script("return document.getElementById('leave').checkVisibility()"), json!(false));
    browser.click("#add");
    browser.click("#leave-go");
    browser.wait_for("location.search === '?line=new'");
    // The new line overlaps no existing one, and has the next number.
    browser.wait_for("document.getElementById('line-name')?.value === 'Line 2'");
    assert_ne!(browser.script("return document.getElementById('ax').value"), json!("50.0"));
}

#[test]
fn a_line_that_nothing_can_pass_is_warned_about_while_it_is_drawn() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    open(&browser, &daemon, "lines?line=new");
    wait_for_the_still(&browser);
    assert_eq!(browser.script("return document.getElementById('near').hidden"), json!(true));
    // Feet are never that near to the upper edge.
    browser.drag(Pointer::Mouse, "#draw", [0.9, 0.01], [0.1, 0.01]);
    browser.wait_for("document.getElementById('near').checkVisibility()");
    browser.drag(Pointer::Mouse, "#draw", [0.9, 0.6], [0.7, 0.4]);
    browser.wait_for("!document.getElementById('near').checkVisibility()");
}

#[test]
fn handles_at_the_edge_are_within_the_picture() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    open(&browser, &daemon, "lines");
    wait_for_the_still(&browser);
    let outside = "const shot = document.getElementById('shot').getBoundingClientRect();
        return [...document.querySelectorAll('#draw .grab :is(circle:not(.reach), text)')].map(e => e.getBoundingClientRect())
            .filter(box => box.left < shot.left || box.right > shot.right || box.top < shot.top || box.bottom > shot.bottom).length";
    assert_eq!(browser.script(outside), json!(0));
}

#[test]
fn a_refusal_is_shown_at_its_field_only() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    let line = &get(&daemon, "/api/v1/lines")["items"][0];
    let name = line["name"].as_str().unwrap().to_owned();
    open(&browser, &daemon, "lines?line=new#saved");
    wait_for_the_still(&browser);
    let saved = "document.getElementById('saved').checkVisibility()";
    browser.wait_for(saved);
    browser.fill("#line-name", &name);
    browser.wait_for(&format!("!{saved}"));
    browser.click("#save");
    browser.wait_for("document.getElementById('wrong').textContent.startsWith('Not saved: ')");
    let marked = "const field = document.getElementById('line-name'), told = document.getElementById('wrong');
        const box = told.getBoundingClientRect(), tabs = document.querySelector('.tabs').getBoundingClientRect();
        return [field.getAttribute('aria-invalid'), field.getAttribute('aria-describedby'), document.activeElement === field,
            field.value, box.height > 0 && box.top > 0 && box.bottom <= tabs.top, document.getElementById('said').textContent]";
    assert_eq!(browser.script(marked), json!(["true", "wrong", true, name, true, ""]));
    assert_eq!(browser.script(&format!("return {saved}")), json!(false));
    // A new name clears the message.
    browser.fill("#line-name", "Another");
    browser.wait_for(
        "!document.getElementById('wrong').textContent && !document.querySelector('[aria-invalid]')",
    );
    // The page asks before it deletes a line.
    open(&browser, &daemon, &format!("lines?line={}", line["id"]));
    assert_eq!(browser.script("return document.getElementById('delete').checkVisibility()"), json!(false));
    browser.script("document.getElementById('delete').closest('details').open = true");
    assert!(browser.text("#form .ask").contains(&format!("Delete {name}? It cannot be undone.")));
}
