//! A recording downloaded as video and played by the browser's own player.

use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::common::testcam::has;
use crate::webdriver::{Browser, Wanted};
use serde_json::{Value, json};

/// Script: the state of the browser's own player.
const PLAYER: &str = "const v = document.querySelector('video'); return v && {at: v.currentTime, long: v.duration, ended: v.ended, \
                      wide: v.videoWidth, error: v.error && v.error.message};";

/// Plays the video of the current page, seeks in it, and plays it to its end.
fn plays(browser: &Browser, duration: f64) {
    let state = || browser.script(PLAYER);
    browser
        .wait_until("the browser opens it", || state()["long"].as_f64().is_some() && state()["wide"] == 640);
    let long = state()["long"].as_f64().unwrap();
    assert!((long - duration).abs() < 0.5, "{long} is not {duration}");
    browser.script("const v = document.querySelector('video'); v.muted = true; v.play();");
    let at = || state()["at"].as_f64().unwrap_or(0.0);
    browser.wait_until("it plays", || at() > 0.3);
    browser.script(&format!("document.querySelector('video').currentTime = {};", duration - 1.0));
    browser.wait_until("it plays to its end", || state()["ended"] == true);
    assert!(state()["error"].is_null(), "{}", state());
}

#[test]
fn a_clip_plays_at_its_address_and_in_a_page() {
    if !has("ffmpeg", &["-version"]) {
        return;
    }
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &crate::scene(&[]));
    let begun = client::send_json(daemon.address, "POST", "/api/v1/recordings", &json!({"duration": "6s"}));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["id"].clone();
    let item = || client::get(daemon.address, &format!("/api/v1/media/{id}")).json();
    crate::common::wait_until("some seconds are recorded", || item()["open"] == false);
    let item = item();
    let (name, duration) = (item["name"].as_str().unwrap(), item["duration"].as_f64().unwrap());
    assert!(name.ends_with(".avi"), "{name} is no MP4");
    // The address of the video.
    browser.goto(&format!("http://{}/api/v1/media/{id}/video", daemon.address));
    plays(&browser, duration);
    // A name that ends in .mp4.
    let renamed = client::send_json(
        daemon.address,
        "PATCH",
        &format!("/api/v1/media/{id}"),
        &json!({"name": "Street.mp4"}),
    );
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    browser.goto(&format!("http://{}/media/Street.mp4", daemon.address));
    plays(&browser, duration);
    // A part of it, in a page without a policy.
    browser.goto(&format!("http://{}/health", daemon.address));
    browser.script(&format!(
        "const v = document.createElement('video'); v.src = '/api/v1/media/{id}/video?from=1&to=4'; \
         document.body.append(v);"
    ));
    plays(&browser, 3.0);
}

#[test]
fn a_minute_of_the_street_is_downloaded_played_and_seeked() {
    if !has("ffmpeg", &["-version"]) || !has("ffprobe", &["-version"]) {
        return;
    }
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &crate::scene(&[]));
    let wanted = json!({"name": "Street", "duration": "60s"});
    let begun = client::send_json(daemon.address, "POST", "/api/v1/recordings", &wanted);
    assert_eq!(begun.status, 201, "{}", begun.text());
    let id = begun.json()["id"].clone();
    let item = || client::get(daemon.address, &format!("/api/v1/media/{id}")).json();
    // The recording ends by itself; no single wait exceeds the limit of the harness.
    for _ in 0..3 {
        if item()["open"] == true {
            std::thread::sleep(std::time::Duration::from_secs(21));
        }
    }
    crate::common::wait_until("a minute is recorded", || item()["open"] == false);
    let item = item();
    let (duration, frames) = (item["duration"].as_f64().unwrap(), item["frames"].as_f64().unwrap());
    assert!(duration > 59.0, "{item}");

    browser.goto(&format!("http://{}/player?id={id}", daemon.address));
    browser.wait_for("!!document.getElementById('video')");
    browser.click("#video");
    browser.wait_for("document.getElementById('making').textContent.startsWith('Making the video')");
    let file = browser.downloaded("/Street.mp4");
    browser.wait_until("the page says that it is over", || {
        browser
            .script("return document.getElementById('making').textContent")
            .as_str()
            .unwrap()
            .contains("H.264")
    });
    let entries = "stream=codec_name,pix_fmt,nb_frames:format=duration";
    let said = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv=p=0", "-show_entries", entries])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let fields: Vec<&str> = said.split([',', '\n']).collect();
    assert_eq!(&fields[..3], ["h264", "yuv420p", &frames.to_string()], "{said}");
    let one_frame = duration / frames;
    let shown: f64 = fields[3].parse().unwrap();
    assert!((shown - duration).abs() < one_frame, "{shown} is not {duration}");

    browser.goto(&format!("file://{}", file.display()));
    let is_ready = |player: &Value| player["long"].as_f64().is_some() && player["wide"] == 640;
    browser.wait_until("the browser opens it", || is_ready(&browser.script(PLAYER)));
    let player = browser.script(PLAYER);
    assert!((player["long"].as_f64().unwrap() - duration).abs() < one_frame, "{player}");
    browser.script("const v = document.querySelector('video'); v.muted = true; v.play();");
    let at = || browser.script(PLAYER)["at"].as_f64().unwrap();
    browser.wait_until("it plays", || (1.0..30.0).contains(&at()));
    browser.script("document.querySelector('video').currentTime = 55;");
    browser.wait_until("it plays on from where it was sought", || at() > 55.5);
    browser.wait_until("it plays to its end", || browser.script(PLAYER)["ended"] == true);
    assert!(browser.script(PLAYER)["error"].is_null());
}
