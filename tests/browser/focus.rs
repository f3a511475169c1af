//! A click on the picture sets the autofocus spot, with a fake camera that has such a control.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::helper::Helpers;
use crate::webdriver::{Browser, ENTER, ESCAPE, Pointer, RIGHT, UP, Wanted};

/// Script: where the picture's spot lies in the box of the cross-hair, both in fractions. The picture fills the box
/// in one direction.
const SPOT: &str = "const { width, height } = document.getElementById('aim').getBoundingClientRect();
    const { naturalWidth: w, naturalHeight: h } = document.getElementById('picture');
    const scale = Math.min(width / w, height / h);
    return [0.5 + (X - 0.5) * w * scale / width, 0.5 + (Y - 0.5) * h * scale / height]";

#[test]
fn a_click_on_the_picture_sets_the_autofocus_spot() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let helpers = Helpers::new();
    let kept = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={}", kept.path().display());
    let sets =
        ["source.kind=libcamera", "source.width=640", "source.height=480", "detect.backend=none", &directory];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let program = helpers.program(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(Command::new(program), &arguments);
    // The abilities of a lens are known once the camera is open.
    browser.goto(&format!("http://{}/", daemon.address));
    browser.wait_for(
        "document.body.dataset.look === 'live' && document.getElementById('picture').naturalWidth > 0",
    );
    browser.goto(&format!("http://{}/", daemon.address));
    browser.wait_for("document.getElementById('picture').naturalWidth > 0");
    let window = || client::get(daemon.address, "/api/v1/lens").json()["window"].clone();
    let is_near = |x: f64, y: f64| {
        let window = window();
        let near =
            |axis: &str, wanted: f64| window[axis].as_f64().is_some_and(|at| (at - wanted).abs() < 0.01);
        near("x", x) && near("y", y)
    };

    browser.script("document.getElementById('hands').open = true");
    browser.click("#spot");
    let at = browser.script(&SPOT.replace("(X", "(0.25").replace("(Y", "(0.75"));
    let at = [at[0].as_f64().unwrap(), at[1].as_f64().unwrap()];
    browser.drag(Pointer::Mouse, "#aim", at, at);
    browser.wait_until("the spot is set", || is_near(0.25, 0.75));
    assert_eq!(browser.script("return document.getElementById('aim')"), serde_json::Value::Null);
    let was_set = |name: &str, wanted: f64| {
        helpers.set().iter().any(|(own, value)| own == name && (value - wanted).abs() < 0.01)
    };
    assert!(was_set("af_window_x", 0.25) && was_set("af_window_y", 0.75), "{:?}", helpers.set());

    // By keyboard, from the last place; Escape leaves it there.
    browser.click("#spot");
    browser.press(RIGHT);
    browser.press(UP);
    browser.press(ENTER);
    browser.wait_until("the spot has moved a little", || is_near(0.27, 0.73));
    browser.click("#spot");
    browser.press(RIGHT);
    browser.press(ESCAPE);
    assert_eq!(
        browser.script("return [document.getElementById('aim'), document.activeElement.id]"),
        serde_json::json!([null, "spot"])
    );
    assert!(is_near(0.27, 0.73), "{}", window());
    browser.click("button[value=window]");
    browser.wait_until("the spot is cleared", || window().is_null());
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}
