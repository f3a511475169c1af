//! The page of cameras and the first start: a camera that is not in use can be seen before it is chosen.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::helper::{CAMERA, Helpers};
use crate::webdriver::{Browser, Wanted};
use serde_json::json;

/// Path of the still picture of this camera.
fn still(camera: &str) -> String {
    format!("/api/v1/cameras/still.jpg?camera={}", camera.replace(' ', "+"))
}

#[test]
fn an_unused_camera_is_opened_on_request() {
    let Some(browser) = Browser::start(Wanted::PHONE) else { return };
    let helpers = Helpers::new();
    let kept = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={}", kept.path().display());
    let program = Command::new(helpers.program(env!("CARGO_BIN_EXE_tallycam")));
    let daemon = Daemon::start(program, &crate::scene(&["detect.backend=\"none\"", &directory]));
    let opened = || helpers.requests().iter().filter(|request| request.get("open").is_some()).count();
    browser.goto(&format!("http://{}/cameras", daemon.address));
    browser.wait_for("document.readyState === 'complete'");
    assert_eq!(browser.script("return document.querySelector('main li img').naturalWidth"), 0);
    assert_eq!(opened(), 0, "it opens only on request");
    browser.click("main li summary");
    browser.wait_for("document.querySelector('main li img').naturalWidth === 640");
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true);
    assert_eq!(opened(), 1);
    // The camera was released, and is not opened again at once.
    let camera = format!("libcamera {CAMERA}");
    let again = client::get(daemon.address, &still(&camera));
    assert_eq!((again.status, again.header("content-type"), opened()), (200, Some("image/jpeg"), 1));
    assert_eq!(daemon.state()["source"], "the simulated scene", "the one in use stays in use");
    // The first start shows the camera, too, with the same button.
    browser.goto(&format!("http://{}/welcome", daemon.address));
    browser.click("main li li summary");
    browser.wait_for("document.querySelector('main li li img').naturalWidth === 640");
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true);
    let chosen = "const { elements } = document.querySelector('main li li form');
        return elements['source.kind'].value + ' ' + elements['source.device'].value";
    assert_eq!(browser.script(chosen), camera);
    // Only cameras that were found are opened.
    for wrong in ["libcamera /etc/passwd", "files /etc", "libcamera", ""] {
        assert_eq!(client::get(daemon.address, &still(wrong)).status, 404, "{wrong}");
    }
    // A paused camera may be the same one.
    let post = |path: &str| {
        let request = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client::ask(daemon.address, &request).status, 200, "{path}");
    };
    post("/api/v1/pause");
    let paused = client::get(daemon.address, &still(&camera));
    assert_eq!(paused.status, 409, "{}", paused.text());
    post("/api/v1/resume");
}

#[test]
fn a_camera_that_gives_no_picture_says_why_in_its_place() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let helpers = Helpers::new();
    helpers.goes_wrong("libcamera-0.7", &json!({"open": ["busy", "imx708 is in use by another program"]}));
    let program = Command::new(helpers.program(env!("CARGO_BIN_EXE_tallycam")));
    let daemon = Daemon::start(program, &crate::scene(&["detect.backend=\"none\""]));
    let answer = client::get(daemon.address, &still(&format!("libcamera {CAMERA}")));
    assert_eq!((answer.status, answer.header("content-type")), (503, Some("image/jpeg")));
    browser.goto(&format!("http://{}/cameras", daemon.address));
    browser.click("main li summary");
    // The card in place of the picture is a picture, too.
    browser.wait_for("document.querySelector('main li img').naturalWidth === 640");
}

#[test]
fn the_page_of_all_shows_stills_that_come_from_the_other_cameras() {
    let Some(browser) = Browser::start(Wanted::PHONE) else { return };
    let start = |more: &str| {
        let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        Daemon::start(program, &crate::scene(&["detect.backend=\"none\"", more]))
    };
    let hall = start("name=\"Hall\"");
    let yard = start(&format!("http.neighbours=[\"http://{}\"]", hall.address));
    browser.goto(&format!("http://{}/all", yard.address));
    let loaded =
        "[...document.querySelectorAll('.cams img')].filter(one => one.naturalWidth > 0).length === 2";
    browser.wait_for(loaded);
    assert_eq!(browser.script("return document.documentElement.scrollWidth <= innerWidth"), true);
    assert_eq!(
        browser.script("return document.querySelectorAll('.cams a')[1].href"),
        format!("http://{}/", hall.address)
    );
    // The list is fetched again while the page is in sight: new stills have another address.
    let first = browser.script("return document.querySelectorAll('.cams img')[1].src");
    browser.wait_for(&format!("document.querySelectorAll('.cams img')[1].src !== {first}"));
    browser.wait_for(loaded);
}
