//! The counts page in a real browser: choices act at once and stay in the address, days before and after, and a reset
//! of the counters that is undone.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};
use serde_json::{Value, json};

fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &crate::scene(&["name=\"Yard\""]));
    crate::common::wait_until("somebody crosses", || sum(&daemon) > 0);
    Some((browser, daemon))
}

fn open(browser: &Browser, daemon: &Daemon, page: &str) {
    browser.goto(&format!("http://{}/{page}", daemon.address));
}

/// Today's sum since the last reset: in and out together.
fn sum(daemon: &Daemon) -> u64 {
    let tallies: Value = client::get(daemon.address, "/api/v1/tallies").json();
    let lines = tallies["lines"].as_array().unwrap();
    lines.iter().map(|line| line["in"].as_u64().unwrap() + line["out"].as_u64().unwrap()).sum()
}

#[test]
fn a_choice_acts_at_once_and_is_kept_on_other_days() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    open(&browser, &daemon, "counts");
    assert_eq!(browser.script("return document.getElementById('show').hidden"), json!(true));
    let choose = |id: &str, value: &str| {
        browser.script(&format!(
            "const one = document.getElementById({id:?}); one.value = {value:?};
             one.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        ));
        browser.wait_for(&format!("new URLSearchParams(location.search).get({id:?}) === {value:?}"));
    };
    choose("open", "9");
    choose("close", "18");
    choose("with", "before");
    browser.click("a[rel=prev]");
    browser.wait_for(
        "location.search.includes('from=') && location.search.endsWith('&open=9&close=18&with=before')",
    );
    assert_eq!(browser.script("return document.querySelectorAll('#table tbody tr').length"), json!(9));
    browser.click("a[rel=next]");
    browser.wait_for("document.querySelector('a[rel=next]') === null");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn opening_hours_are_changed_in_either_order_and_go_over_midnight() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    open(&browser, &daemon, "counts?range=yesterday&open=9&close=18");
    let choose = |id: &str, value: &str| {
        browser.script(&format!(
            "const one = document.getElementById({id:?}); one.value = {value:?};
             one.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        ));
    };
    let address =
        |query: &str| format!("location.search.endsWith({query:?}) && document.readyState === 'complete'");
    // Opening hours that end as they begin are incomplete: nothing is sent, and the chosen values stay.
    choose("open", "18");
    choose("close", "2");
    browser.wait_for(&address("&open=18&close=2&with="));
    assert_eq!(browser.script("return document.querySelectorAll('#table tbody tr').length"), json!(8));
    let chosen = "return ['open', 'close'].map(id => document.getElementById(id).value)";
    assert_eq!(browser.script(chosen), json!(["18", "2"]));
    // The first time alone is valid, too.
    choose("close", "");
    browser.wait_for(&address("&open=18&close=&with="));
    choose("open", "20");
    browser.wait_for(&address("&open=20&close=&with="));
    assert_eq!(browser.script("return document.querySelectorAll('#table tbody tr').length"), json!(4));
}

#[test]
fn on_a_phone_figures_come_first_and_filters_are_folded_until_one_is_set() {
    let figures = "return document.querySelector('#shown dd').getBoundingClientRect().bottom";
    let seen = "return document.getElementById('line').checkVisibility({ contentVisibilityAuto: true, checkVisibilityCSS: true })";
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    open(&browser, &daemon, "counts");
    assert!(browser.script(figures).as_f64() < Some(740.0 - 56.0), "{}", browser.script(figures));
    assert_eq!(browser.script(seen), json!(false));
    browser.click("#filters > summary");
    assert_eq!(browser.script(seen), json!(true));
    open(&browser, &daemon, "counts?class=person");
    assert_eq!(browser.script(seen), json!(true));
    drop(browser);
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    open(&browser, &daemon, "counts");
    assert_eq!(browser.script(seen), json!(true));
    assert_eq!(
        browser.script("return document.querySelector('#filters > summary').checkVisibility()"),
        json!(false)
    );
}

#[test]
fn the_scale_stands_beside_the_bars_and_their_sum_comes_first() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    open(&browser, &daemon, "counts");
    let overlap = "const bars = document.querySelector('#bars svg svg').getBoundingClientRect();
        return [...document.querySelectorAll('#bars .scale')].filter(e => e.getBoundingClientRect().right > bars.left + 1).length";
    assert_eq!(browser.script(overlap), json!(0));
    // The input that reads a bar lies over the bars alone: its share of the width is an hour.
    let beside = "const box = selector => document.querySelector(selector).getBoundingClientRect();
        const [input, bars] = [box('#reader'), box('#bars .axis')];
        return Math.abs(input.left - bars.left) + Math.abs(input.right - bars.right)";
    assert!(browser.script(beside).as_f64().unwrap() < 2.0, "{}", browser.script(beside));
    let first = "const top = selector => document.querySelector(selector).getBoundingClientRect().top;
        return top('#table tfoot tr') < top('#table tbody tr')";
    assert_eq!(browser.script(first), json!(true));
    assert_eq!(browser.script("return document.documentElement.scrollWidth"), json!(360));
    browser.wait_for("document.getElementById('shown').textContent.includes('Counting since')");
}

#[test]
fn paper_has_every_row_and_the_table_on_its_first_page() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" }));
    open(&browser, &daemon, "counts");
    let cut = "const isCut = e => e.scrollHeight > e.clientHeight + 1;
        return [...document.querySelectorAll('.scroll')].filter(isCut).length";
    assert_eq!(browser.script(cut), json!(0));
    open(&browser, &daemon, "crossings");
    assert_eq!(browser.script(cut), json!(0));
    let kept = "return getComputedStyle(document.querySelector('#crossings').closest('.panel')).breakInside";
    assert_eq!(
        browser.script(kept),
        json!("auto"),
        "a table that is longer than a page may begin on the first"
    );
}

#[test]
fn a_crossing_that_was_chosen_on_a_phone_is_in_sight_with_its_row() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    crate::common::wait_until("three cross", || sum(&daemon) > 2);
    open(&browser, &daemon, "crossings");
    browser.click("#crossings a.at");
    browser.wait_for("!!document.querySelector('#one h2')");
    browser.wait_for(
        "[...document.querySelectorAll('#one h2, .at[aria-current]')].every(e => {
            const { top, bottom, left } = e.getBoundingClientRect();
            const over = document.elementFromPoint(left + 4, (top + bottom) / 2);
            return top >= 0 && bottom <= innerHeight && e.contains(over);
        })",
    );
}

#[test]
fn a_reset_of_the_counters_is_undone() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    crate::common::wait_until("more cross", || sum(&daemon) > 2);
    open(&browser, &daemon, "counts");
    browser.script("document.querySelector('#zero details').open = true");
    let before = sum(&daemon);
    browser.click("#zero .danger");
    browser.wait_for("document.querySelector('#zero form[action*=\"counts/reset/\"]') !== null");
    assert!(sum(&daemon) < before, "they begin again");
    open(&browser, &daemon, "");
    browser.wait_for("document.getElementById('today-whole').textContent.startsWith('Today in all: ')");
    browser.click("#today-whole a");
    browser.wait_for("location.hash === '#zero'");
    browser.click("#zero form[action*='counts/reset/'] .btn");
    browser.wait_for("document.querySelector('#zero form[action*=\"counts/reset/\"]') === null");
    assert!(sum(&daemon) >= before, "the whole day is counted again");
}

#[test]
fn crossings_are_stepped_through_by_keyboard_and_a_wrong_one_is_marked() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    crate::common::wait_until("three cross", || sum(&daemon) > 2);
    open(&browser, &daemon, "crossings");
    let chosen = "(document.querySelector('#one h2')?.textContent ?? '')";
    browser.press("j");
    browser.wait_for(&format!("{chosen} !== ''"));
    let first = browser.script(&format!("return {chosen}"));
    browser.press("j");
    browser.wait_for(&format!("{chosen} !== {first}"));
    browser.press("k");
    browser.wait_for(&format!("{chosen} === {first}"));
    assert_eq!(browser.script("return document.querySelectorAll('.at[aria-current]').length"), json!(1));
    browser.click("#one form[action*=crossings] .btn");
    browser.wait_for("!!document.querySelector('tr.wrong') && !!document.querySelector('#one h2 small')");
    let marked = client::get(daemon.address, "/api/v1/crossings?limit=5000").json();
    let wrong = marked["items"].as_array().unwrap().iter().filter(|one| one["wrong"] == true);
    assert!(wrong.eq(marked["items"].as_array().unwrap().iter().filter(|one| one["excluded"] == true)));
    browser.click("#one form[action*=crossings] .btn");
    browser.wait_for("!document.querySelector('tr.wrong')");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
