//! The pages of counting in a real browser, served by the program on the simulation. Lines are drawn by mouse, finger
//! and keyboard, figures are live, and charts agree with the API.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, LEFT, Pointer, SHIFT, UP, Wanted};
use serde_json::{Value, json};

/// A browser, and the program on the simulation, which has one line from the start.
fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &crate::scene(&["name=\"Yard\""]));
    Some((browser, daemon))
}

fn url(daemon: &Daemon, page: &str) -> String {
    format!("http://{}/{page}", daemon.address)
}

fn get(daemon: &Daemon, path: &str) -> Value {
    client::get(daemon.address, path).json()
}

fn line(daemon: &Daemon, name: &str) -> Option<Value> {
    let lines = get(daemon, "/api/v1/lines");
    lines["items"].as_array().unwrap().iter().find(|line| line["name"] == name).cloned()
}

/// Today's sums of a line: in and out.
fn tally(daemon: &Daemon, name: &str) -> (u64, u64) {
    let tallies = get(daemon, "/api/v1/tallies");
    let lines = tallies["lines"].as_array().unwrap();
    lines
        .iter()
        .find(|line| line["line"] == name)
        .map_or((0, 0), |line| (line["in"].as_u64().unwrap(), line["out"].as_u64().unwrap()))
}

/// Waits until the simulation has its line.
fn wait_for_a_line(daemon: &Daemon) -> Value {
    let mut first = Value::Null;
    crate::common::wait_until("there is a line", || {
        first = get(daemon, "/api/v1/lines")["items"][0].clone();
        !first.is_null()
    });
    first
}

/// Script: where a fraction of the picture lies on the drawing over it, whose box may be wider or higher.
const PLACE: &str = "
    const box = document.getElementById('draw').getBoundingClientRect();
    const picture = document.getElementById('picture');
    const scale = Math.min(box.width / picture.naturalWidth, box.height / picture.naturalHeight);
    return [picture.naturalWidth * scale / box.width, picture.naturalHeight * scale / box.height];";

/// Converts a point of the picture to a point of the drawing, both in fractions.
fn on_drawing(browser: &Browser, [x, y]: [f64; 2]) -> [f64; 2] {
    let share = browser.script(PLACE);
    let place = |at: f64, i: usize| 0.5 + (at - 0.5) * share[i].as_f64().unwrap();
    [place(x, 0), place(y, 1)]
}

fn wait_for_the_still(browser: &Browser) {
    browser.wait_for("document.getElementById('picture').naturalWidth > 0");
}

/// Draws a line across the street, saves it, and waits until it counts.
fn a_drawn_line_counts(wanted: Wanted, pointer: Pointer) {
    let Some((browser, daemon)) = start(wanted) else { return };
    wait_for_a_line(&daemon);
    browser.goto(&url(&daemon, "lines?line=new"));
    wait_for_the_still(&browser);
    let (a, b) = ([0.4, 0.97], [0.4, 0.03]);
    if pointer == Pointer::Finger {
        browser.click("#start");
    }
    browser.drag(pointer, "#draw", on_drawing(&browser, a), on_drawing(&browser, b));
    browser.fill("#line-name", "Door");
    browser.click("#save");
    browser.wait_for("location.hash === '#saved' && document.getElementById('saved')?.checkVisibility()");

    let saved = line(&daemon, "Door").expect("the line is stored");
    for (end, want) in [("a", a), ("b", b)] {
        for axis in 0..2 {
            let is = saved[end][axis].as_f64().unwrap();
            // A pixel of a small window is half a per cent.
            assert!((is - want[axis]).abs() < 0.02, "{end}: {is} is not {}", want[axis]);
        }
    }
    // The line counts without a restart, and the live page shows it at once.
    browser.goto(&url(&daemon, ""));
    let sums = format!(
        "const chip = document.querySelector('#tallies [data-line=\"{}\"]');
         return chip ? [...chip.querySelectorAll('span b')].map(b => +b.textContent) : null",
        saved["id"]
    );
    browser.wait_until("a person crosses it", || {
        let shown = browser.script(&sums);
        shown.as_array().is_some_and(|sums| sums.iter().any(|sum| sum.as_u64() > Some(0)))
    });
    browser.wait_until("page and counts.db agree", || {
        let (count_in, out) = tally(&daemon, "Door");
        browser.script(&sums) == json!([count_in, out])
    });
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_line_drawn_by_mouse_counts() {
    a_drawn_line_counts(Wanted::DESKTOP, Pointer::Mouse);
}

#[test]
fn a_line_drawn_by_finger_counts() {
    a_drawn_line_counts(Wanted::PHONE, Pointer::Finger);
}

/// The browser's time zone differs from the camera's.
#[test]
fn the_live_page_has_one_clock() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon =
        Daemon::start(program, &crate::scene(&["name=\"Yard\"", "counts.time_zone=\"Asia/Kathmandu\""]));
    wait_for_a_line(&daemon);
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.getElementById('state').textContent.startsWith('Live since ')");
    let state = get(&daemon, "/api/v1/state");
    let since: jiff::Timestamp = state["since"].as_str().unwrap().parse().unwrap();
    let there = (since + jiff::SignedDuration::from_mins(5 * 60 + 45)).strftime("%H:%M").to_string();
    let state_text = browser.script("return document.getElementById('state').textContent");
    assert!(state_text.as_str().unwrap().ends_with(&there), "{state_text}, not {there}");
}

#[test]
fn an_end_is_dragged_by_mouse_and_moved_by_the_keyboard() {
    an_end_is_dragged(Wanted::DESKTOP, Pointer::Mouse);
}

#[test]
fn an_end_is_dragged_by_finger() {
    an_end_is_dragged(Wanted::PHONE, Pointer::Finger);
}

fn an_end_is_dragged(window: Wanted, pointer: Pointer) {
    let Some((browser, daemon)) = start(window) else { return };
    let first = wait_for_a_line(&daemon);
    let name = first["name"].as_str().unwrap();
    browser.goto(&url(&daemon, "lines"));
    wait_for_the_still(&browser);
    let from = |end: &str| [0, 1].map(|axis| first[end][axis].as_f64().unwrap());
    // Half of the handle lies beyond the edge there: the test grips its inner half.
    let [x, y] = from("b");
    let grip = [x, y.clamp(0.005, 0.995)];
    browser.drag(pointer, "#draw", on_drawing(&browser, grip), on_drawing(&browser, [0.3, 0.2]));
    let focused = "return document.activeElement.dataset.end ?? null";
    assert_eq!(browser.script(focused), "b");
    browser.press(LEFT);
    browser.press_with(SHIFT, UP);
    browser.wait_for("document.getElementById('news').textContent.startsWith('End b: ')");
    browser.click("#save");
    browser.wait_for("document.getElementById('saved').checkVisibility()");

    let saved = line(&daemon, name).unwrap();
    let [x, y] = [0, 1].map(|axis| saved["b"][axis].as_f64().unwrap());
    assert!((x - 0.295).abs() < 0.01, "{x}");
    assert!((y - 0.15).abs() < 0.015, "{y}");
    assert_eq!(saved["a"], first["a"], "the other end stayed");
    assert_eq!(saved["id"], first["id"], "it is the same line");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn two_editors_of_one_line_do_not_overwrite_each_other() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let first = wait_for_a_line(&daemon);
    browser.goto(&url(&daemon, "lines"));
    browser.wait_for("document.querySelector('#draw .grab') !== null");
    let mut theirs = json!({});
    for key in ["a", "b", "in_name", "out_name", "classes", "anchor", "recrossing"] {
        theirs[key] = first[key].clone();
    }
    theirs["name"] = json!("Theirs");
    let path = format!("/api/v1/lines/{}", first["id"]);
    let answer = client::send_json(daemon.address, "PUT", &path, &theirs);
    assert_eq!(answer.status, 200, "{}", answer.text());
    browser
        .wait_for("document.getElementById('said').textContent.startsWith('Somebody else has just changed')");

    browser.fill("#line-name", "Mine");
    browser.click("#save");
    browser.wait_for("document.getElementById('said').textContent.includes('Yours is shown: save it again')");
    assert!(line(&daemon, "Theirs").is_some() && line(&daemon, "Mine").is_none());
    browser.click("#said a");
    browser.wait_for("document.getElementById('line-name')?.value === 'Theirs'");
}

#[test]
fn the_counts_page_agrees_with_the_api() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let first = wait_for_a_line(&daemon);
    let name = first["name"].as_str().unwrap();
    crate::common::wait_until("somebody crosses", || tally(&daemon, name) != (0, 0));
    browser.goto(&url(&daemon, "counts"));
    // The page follows by itself, without a reload.
    browser.script("window.isTheSamePage = true");
    let figures = "return ['sum-in', 'sum-out'].map(id => parseInt(document.getElementById(id).textContent))";
    let before = tally(&daemon, name);
    crate::common::wait_until("more cross", || tally(&daemon, name) != before);
    browser.wait_until("page and API agree", || {
        let counts = get(&daemon, "/api/v1/counts?from=today&bucket=total&by=direction");
        let total = &counts["items"][0];
        browser.script(figures) == json!([total["in"], total["out"]]) && total["in"].is_u64()
    });
    assert_eq!(browser.script("return window.isTheSamePage"), Value::Bool(true));

    // The export has the same figures.
    let csv = browser.attribute("#csv", "href").unwrap();
    let export = client::get(daemon.address, &format!("/{csv}"));
    assert_eq!(export.status, 200, "{}", export.text());
    assert!(export.text().starts_with("\u{feff}start,end,covered,"), "{}", export.text());
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_line_is_renamed_without_javascript() {
    let Some((browser, daemon)) = start(Wanted { has_script: false, ..Wanted::DESKTOP }) else { return };
    wait_for_a_line(&daemon);
    browser.goto(&url(&daemon, "lines"));
    browser.fill("#line-name", "Gate");
    browser.click("#save");
    browser.wait_until("the new name is stored", || line(&daemon, "Gate").is_some());
    browser.wait_until("the page shows it", || browser.text("#title") == "Gate");
}

#[test]
fn no_page_scrolls_sideways_on_a_phone() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    let line = wait_for_a_line(&daemon);
    let wide = json!({ "name": "W".repeat(60), "in_name": "W".repeat(30), "out_name": "M".repeat(30) });
    let path = format!("/api/v1/lines/{}", line["id"]);
    assert_eq!(client::send_json(daemon.address, "PATCH", &path, &wide).status, 200);
    for page in ["", "counts", "counts?range=30d", "lines", "lines?line=new", "lines?zone=new", "models"] {
        browser.goto(&url(&daemon, page));
        browser.wait_for("document.readyState !== 'loading'");
        assert_eq!(browser.script("return document.documentElement.scrollWidth"), 360, "{page}");
        let small = "return [...document.querySelectorAll('.btn, .tabs a, select, input[type=text]')]
            .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.textContent)";
        assert_eq!(browser.script(small), json!([]), "too small for a finger, {page}");
        assert_eq!(browser.console_errors(), Vec::<String>::new(), "{page}");
    }
}
