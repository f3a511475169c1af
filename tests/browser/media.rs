//! The pages of stored media in a real browser, served by the program on the simulation. A recording is made, listed,
//! played, stepped through, renamed, downloaded and deleted: by mouse, by keyboard, and without scripts.
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, ENTER, ESCAPE, LEFT, RIGHT, TAB, Wanted};
use serde_json::{Value, json};

/// A browser, and the program on the simulation with small pictures.
fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    Some((browser, Daemon::start(program, &crate::scene(&["name=\"Yard\""]))))
}

fn url(daemon: &Daemon, page: &str) -> String {
    format!("http://{}/{page}", daemon.address)
}

fn get(daemon: &Daemon, path: &str) -> Value {
    client::get(daemon.address, path).json()
}

fn post(daemon: &Daemon, path: &str, body: &Value) -> client::Answer {
    client::send_json(daemon.address, "POST", path, body)
}

/// The stored items, newest first.
fn items(daemon: &Daemon) -> Vec<Value> {
    get(daemon, "/api/v1/media")["items"].as_array().unwrap().clone()
}

fn snapshot(daemon: &Daemon, name: &str) -> Value {
    let answer = post(daemon, "/api/v1/snapshots", &json!({ "name": name }));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// Records at least this many pictures.
fn record(daemon: &Daemon, name: &str, pictures: u64) -> Value {
    let begun = post(daemon, "/api/v1/recordings", &json!({ "name": name }));
    assert_eq!(begun.status, 201, "{}", begun.text());
    crate::common::wait_until("it has pictures", || {
        get(daemon, "/api/v1/recording")["now"]["frames"].as_u64() >= Some(pictures)
    });
    let ended = post(daemon, "/api/v1/recording/stop", &json!({}));
    assert_eq!(ended.status, 200, "{}", ended.text());
    ended.json()
}

/// Times of a recording's pictures, in seconds from its beginning.
fn times(daemon: &Daemon, id: &Value) -> Vec<f64> {
    let index = get(daemon, &format!("/api/v1/media/{id}/index"));
    index["items"].as_array().unwrap().iter().map(|row| row[0].as_f64().unwrap()).collect()
}

/// One picture by the API: its time in microseconds, its number, and its path in the recording.
fn frame(daemon: &Daemon, id: &Value, query: &str) -> (u64, u64, f64) {
    let answer = client::get(daemon.address, &format!("/api/v1/media/{id}/frame.jpg?{query}"));
    assert_eq!(answer.status, 200, "{query}");
    let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("no {name}")).to_owned();
    let (seconds, micros) =
        header("x-timestamp").split_once('.').map(|(s, us)| (s.to_owned(), us.to_owned())).unwrap();
    assert_eq!(micros.len(), 6);
    let us = seconds.parse::<u64>().unwrap() * 1_000_000 + micros.parse::<u64>().unwrap();
    (us, header("x-frame").parse().unwrap(), header("x-time").parse().unwrap())
}

/// Time of the picture that the player claims to show, in microseconds.
fn shown(browser: &Browser) -> Option<u64> {
    browser.script("return +document.getElementById('stamp').dataset.us || null").as_u64()
}

/// Waits until the player shows the picture of this time.
#[track_caller]
fn wait_for_picture(browser: &Browser, us: u64) {
    browser.wait_until(&format!("the picture of {us} is shown"), || shown(browser) == Some(us));
}

/// Script: mean difference of the screen's pixels from the API's picture `n`, per value of 0–255.
const AWAY: &str = "
    const screen = document.getElementById('screen');
    const answer = await fetch(`api/v1/media/${document.getElementById('main').dataset.id}/frame.jpg?n=${N}`);
    const image = await createImageBitmap(await answer.blob());
    const paper = new OffscreenCanvas(screen.width, screen.height).getContext('2d');
    paper.drawImage(image, 0, 0);
    const [a, b] = [screen.getContext('2d'), paper].map(one => one.getImageData(0, 0, screen.width, screen.height).data);
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
    return sum / a.length;";

/// Asserts that the player's pixels are those of picture `n`.
#[track_caller]
fn assert_is_picture(browser: &Browser, n: u64) {
    let away =
        browser.script(&format!("return (async () => {{ {} }})()", AWAY.replace("${N}", &n.to_string())));
    assert!(away.as_f64().unwrap() < 0.5, "picture {n} differs by {away}");
}

/// Script: a small copy of the shown picture, to detect motion.
const LOOK: &str = "
    const paper = new OffscreenCanvas(64, 36).getContext('2d');
    paper.drawImage(document.getElementById('screen'), 0, 0, 64, 36);
    return paper.getImageData(0, 0, 64, 36).data.join();";

#[test]
fn a_recording_made_on_the_page_is_listed_and_played() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.body.dataset.look === 'live'");
    browser.click("#record-button");
    browser.wait_for("document.getElementById('record-word').textContent === 'Stop recording'");
    browser.wait_for("/^0:0[2-9], \\d/.test(document.getElementById('record-figures').textContent)");
    browser.click("#record-button");
    browser.wait_for("document.getElementById('record-word').textContent === 'Record'");
    browser.wait_for("document.getElementById('kept-said').textContent.startsWith('Saved as ')");
    // The newest item on the live page leads to the player.
    browser.wait_for("document.querySelector('#newest .item a[href^=\"player\"]') !== null");
    browser.wait_for("document.querySelector('#newest img')?.naturalWidth > 0");
    let item = items(&daemon)[0].clone();
    assert_eq!(item["kind"], "recording");
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    browser.goto(&url(&daemon, "media"));
    browser.wait_for("document.querySelectorAll('#days .item').length === 1");
    assert!(browser.text(".day").starts_with("Today"), "{}", browser.text(".day"));
    browser.wait_for("document.querySelector('#days img')?.naturalWidth > 0");
    browser.click("#days .item a");
    browser.wait_for("location.pathname.endsWith('/player')");

    let id = &item["id"];
    let first = frame(&daemon, id, "n=0");
    wait_for_picture(&browser, first.0);
    assert_is_picture(&browser, 0);
    browser.script("window.before = (() => { LOOK })()".replace("LOOK", LOOK).as_str());
    browser.click("#play");
    let mut looks = std::collections::HashSet::new();
    browser.wait_until("the picture moves", || {
        looks.insert(browser.script(LOOK).to_string());
        looks.len() >= 4
    });
    // The player runs to the end, stops and says so.
    let last = times(&daemon, id).len() as u64 - 1;
    browser.wait_for("document.getElementById('play').textContent === 'Play'");
    wait_for_picture(&browser, frame(&daemon, id, &format!("n={last}")).0);
    assert_is_picture(&browser, last);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_time_lapse_is_chosen_beside_record_on_the_live_page() {
    let Some((browser, daemon)) = start(Wanted::PHONE) else { return };
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.body.dataset.look === 'live'");
    browser.click("#lapses > summary");
    browser.click("#lapses [value='1s']");
    let now = || get(&daemon, "/api/v1/recording")["now"].clone();
    browser.wait_until("it has three pictures", || now()["frames"].as_u64() >= Some(3));
    assert_eq!((&now()["every"], &now()["origin"]), (&json!(1.0), &json!("time-lapse")));
    browser.wait_for("document.getElementById('record-word').textContent === 'Stop recording'");
    assert_eq!(browser.script("return document.getElementById('lapses').checkVisibility()"), false);
    browser.click("#record-button");
    browser.wait_for("document.getElementById('kept-said').textContent.startsWith('Saved as ')");
    browser.click("#kept-said a");
    browser.wait_for("location.pathname.endsWith('/player')");
    assert!(browser.text("main").contains("plays at 25 frames per second"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
    // Without scripts the form sends the same.
    let form = "next=.%2F&every=10s";
    let request = format!(
        "POST /api/v1/recordings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let answer = client::ask(daemon.address, &request);
    assert_eq!((answer.status, answer.header("location")), (303, Some("../.././")));
    browser.wait_until("it records every 10 s", || now()["every"] == json!(10.0));
}

#[test]
fn a_seek_lands_on_the_right_picture_and_the_address_says_where() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let item = record(&daemon, "Walk", 30);
    let (id, times) = (&item["id"], times(&daemon, &item["id"]));
    assert!(times.len() >= 30);
    // A time between two pictures gives the earlier one; the time of a picture gives that picture.
    for n in [7, 22, 13] {
        let between = (times[n] + times[n + 1]) / 2.0;
        browser.goto(&url(&daemon, &format!("player?id={id}&t={between:.6}")));
        let want = frame(&daemon, id, &format!("n={n}"));
        assert!((want.2 - times[n]).abs() < 2e-6, "{want:?} is not at {}", times[n]);
        wait_for_picture(&browser, want.0);
        assert_is_picture(&browser, n as u64);
        // By the seek bar, as with a mouse.
        let other = n + 4;
        let seek = format!(
            "const seek = document.getElementById('seek'); seek.value = {};
             seek.dispatchEvent(new Event('input')); seek.dispatchEvent(new Event('change'));",
            times[other] + 0.002
        );
        browser.script(&seek);
        let want = frame(&daemon, id, &format!("n={other}"));
        wait_for_picture(&browser, want.0);
        assert_is_picture(&browser, other as u64);
        let wall = browser.text("#stamp");
        let stamp = jiff::Timestamp::from_microsecond(want.0 as i64).unwrap();
        let local = stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S%.3f").to_string();
        // Thousandths are cut off, not rounded.
        assert!(wall == local || wall[..8] == local[..8], "{wall} is not {local}");
        // The address now shown leads to the same place.
        browser.wait_for("document.getElementById('link').href === location.href");
        let here = browser.script("return location.href").as_str().unwrap().to_owned();
        browser.goto(&here);
        wait_for_picture(&browser, want.0);
        // The link to the single picture gives the same picture.
        let link = browser.attribute("#frame", "href").unwrap();
        let answer = client::get(daemon.address, &format!("/{link}"));
        assert_eq!((answer.status, answer.header("x-frame")), (200, Some(other.to_string().as_str())));
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// `ffprobe`'s view of a film: times of its pictures and its length, in seconds.
fn probed(file: &std::path::Path) -> Option<(Vec<f64>, f64)> {
    let ask = |entries: &str| {
        let arguments = ["-v", "error", "-select_streams", "v", "-of", "csv=p=0", "-show_entries", entries];
        let output = Command::new("ffprobe").args(arguments).arg(file).output().ok()?;
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = String::from_utf8(output.stdout).unwrap();
        Some(lines.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect::<Vec<f64>>())
    };
    Some((ask("packet=pts_time")?, *ask("format=duration")?.first()?))
}

/// Two sources in turn, and a kill in the middle of the second: both recordings play and agree with ffprobe.
#[test]
fn recordings_of_two_sources_play_after_a_kill() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = format!("store.directory={}", folder.path().display());
    let serve = |more: &[&str]| {
        let sets = [&["--set", &store, "--set", "detect.backend=none"], more].concat();
        Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets)
    };
    let sim = serve(&["--set", "source.kind=sim", "--set", "source.fps=10"]);
    let first = record(&sim, "First", 20)["id"].clone();
    drop(sim);
    // Another tallycam is the network camera.
    let sets = [
        "--set",
        "source.kind=sim",
        "--set",
        "source.fps=15",
        "--set",
        "source.width=320",
        "--set",
        "source.height=180",
    ];
    let camera = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets);
    let address = format!("source.url=\"{}\"", url(&camera, "stream.mjpg"));
    let mut killed = serve(&["--set", "source.kind=url", "--set", &address]);
    let begun = post(&killed, "/api/v1/recordings", &json!({ "name": "Second" }));
    assert_eq!(begun.status, 201, "{}", begun.text());
    let second = begun.json()["id"].clone();
    crate::common::wait_until("a part of it is on the disk", || {
        get(&killed, &format!("/api/v1/media/{second}/index"))["items"]
            .as_array()
            .is_some_and(|rows| rows.len() >= 20)
    });
    killed.kill();

    let daemon = serve(&crate::scene(&[]));
    for id in [&first, &second] {
        let item = get(&daemon, &format!("/api/v1/media/{id}"));
        assert_eq!(item["open"], false, "{item}");
        let times = times(&daemon, id);
        assert!(times.len() >= 20 && item["frames"] == times.len(), "{item}");
        browser.goto(&url(&daemon, &format!("player?id={id}")));
        wait_for_picture(&browser, frame(&daemon, id, "n=0").0);
        browser.click("#play");
        let mut looks = std::collections::HashSet::new();
        browser.wait_until("the picture moves", || {
            looks.insert(browser.script(LOOK).to_string());
            looks.len() >= 4
        });
        let n = 13;
        browser.goto(&url(&daemon, &format!("player?id={id}&t={:.6}", (times[n] + times[n + 1]) / 2.0)));
        wait_for_picture(&browser, frame(&daemon, id, &format!("n={n}")).0);
        assert_is_picture(&browser, n as u64);

        // The button downloads the same file as the API.
        browser.click("#avi");
        let file = browser.downloaded(&format!("/{}.avi", item["name"].as_str().unwrap()));
        let film = client::get(daemon.address, &format!("/api/v1/media/{id}/content?as=avi"));
        assert_eq!(film.status, 200);
        assert!(std::fs::read(&file).unwrap() == film.body, "{}", file.display());
        let film = client::get(daemon.address, &format!("/api/v1/media/{id}/content?as=mp4"));
        let file = file.with_extension("mp4");
        std::fs::write(&file, &film.body).unwrap();
        let Some((packets, duration)) = probed(&file) else { continue };
        assert_eq!(packets.len(), times.len(), "{item}");
        for (packet, time) in packets.iter().zip(&times) {
            assert!((packet - time).abs() < 1e-4, "{packet} is not {time}");
        }
        let until = item["duration"].as_f64().unwrap();
        assert!((duration - until).abs() < 0.2, "{duration} is not {until}");
    }
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn keys_step_play_and_seek() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let item = record(&daemon, "Steps", 25);
    let id = &item["id"];
    let last = times(&daemon, id).len() as u64 - 1;
    let stamp = |n: u64| frame(&daemon, id, &format!("n={n}")).0;
    browser.goto(&url(&daemon, &format!("player?id={id}")));
    wait_for_picture(&browser, stamp(0));
    for n in 1..=5 {
        browser.press(RIGHT);
        wait_for_picture(&browser, stamp(n));
    }
    assert_is_picture(&browser, 5);
    browser.press(LEFT);
    wait_for_picture(&browser, stamp(4));
    assert_eq!(browser.text("#number"), format!("Frame 5 of {}", last + 1));
    // The focus on the seek bar, which has arrow keys of its own, makes no difference.
    browser.script("document.getElementById('seek').focus()");
    browser.press(RIGHT);
    wait_for_picture(&browser, stamp(5));
    // Several key presses before the first answer add up.
    browser.press(&RIGHT.repeat(4));
    wait_for_picture(&browser, stamp(9));
    browser.press(END);
    wait_for_picture(&browser, stamp(last));
    browser.press(RIGHT);
    browser.press(HOME);
    wait_for_picture(&browser, stamp(0));
    browser.press(" ");
    browser.wait_for("document.getElementById('play').textContent === 'Pause'");
    browser.wait_until("it plays", || shown(&browser) > Some(stamp(2)));
    browser.press(" ");
    browser.wait_for("document.getElementById('play').textContent === 'Play'");
    browser.press(">");
    browser.wait_for("document.getElementById('speed').value === '2'");
    browser.press("<");
    browser.press("<");
    browser.wait_for("document.getElementById('speed').value === '0.5'");
    // Keys typed into a field do not steer the player.
    let before = shown(&browser);
    browser.script("document.getElementById('note-field').focus()");
    browser.press("k f");
    assert_eq!(browser.script("return document.getElementById('note-field').value"), "k f");
    assert_eq!((shown(&browser), browser.text("#play").as_str()), (before, "Play"));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn the_player_stands_beside_the_list_and_goes_to_its_neighbours() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let [one, two] = ["One.jpg", "Two.jpg"].map(|name| snapshot(&daemon, name)["id"].clone());
    let film = record(&daemon, "Film", 5)["id"].clone();
    browser.goto(&url(&daemon, "media?kind=snapshot"));
    // Nothing is ticked: no actions.
    assert_eq!(browser.script("return document.getElementById('delete').checkVisibility()"), false);
    browser.click(&format!("#m{two} a"));
    let is_shown =
        |id: &Value| format!("location.search.startsWith('?id={id}&') && document.readyState === 'complete'");
    browser.wait_for(&is_shown(&two));
    let places = "const at = one => document.querySelector(one).getBoundingClientRect();
        const [list, play] = [at('.list'), at('.play')];
        return list.right <= play.left && list.top < innerHeight && document.querySelectorAll('.list .item').length";
    assert_eq!(browser.script(places), 2, "the filter stays");
    assert_eq!(
        browser.script("return document.querySelector('.list [aria-current]').closest('.item').id"),
        format!("m{two}")
    );
    browser.press("n");
    browser.wait_for(&is_shown(&one));
    assert_eq!(browser.script("return document.querySelector('[rel=next]')"), Value::Null);
    browser.press(LEFT);
    browser.wait_for(&is_shown(&two));
    browser.click("[rel=next]");
    browser.wait_for(&is_shown(&one));
    // A recording keeps the arrow keys for its frames.
    browser.goto(&url(&daemon, &format!("player?id={film}")));
    wait_for_picture(&browser, frame(&daemon, &film, "n=0").0);
    browser.press("n");
    browser.wait_for(&format!("location.search === '?id={two}'"));
    browser.resize(500, 800);
    assert_eq!(browser.script("return document.querySelector('.list').checkVisibility()"), false);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// WebDriver's code points of two keys.
const END: &str = "\u{e010}";
const HOME: &str = "\u{e011}";

#[test]
fn names_notes_and_protection_are_changed_in_place() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let (one, two) = (snapshot(&daemon, "One.jpg"), snapshot(&daemon, "Two.jpg"));
    browser.goto(&url(&daemon, "media"));
    let item = format!("#m{}", one["id"]);
    browser.click(&format!("{item} .edit"));
    browser.wait_for("document.querySelector('.rename [name=name]') !== null");
    // A name that is taken is refused in words, and the typed text stays.
    browser.fill(".rename [name=name]", "Two.jpg");
    browser.press(ENTER);
    browser.wait_for("document.querySelector('.rename .bad').textContent.includes('already')");
    let hostile = "<img src=x onerror=alert(1)> Gate & \"yard\" 'ü' 🚲";
    browser.script(&format!("document.querySelector('.rename [name=name]').value = {}", json!(hostile)));
    browser.fill(".rename textarea", "the one with the bicycle");
    browser.click(".rename .main");
    let named = format!("document.querySelector('{item} b').textContent === {}", json!(hostile));
    browser.wait_for(&named);
    assert_eq!(browser.text(&format!("{item} .note")), "the one with the bicycle");
    let path = format!("/api/v1/media/{}", one["id"]);
    assert_eq!(get(&daemon, &path)["name"], hostile);

    browser.click(&format!("{item} input[type=checkbox]"));
    assert!(browser.text("#count").starts_with("1 item selected, "), "{}", browser.text("#count"));
    browser.click("#picked [value=true]");
    browser.wait_for("document.getElementById('said').textContent.startsWith('1 item protected')");
    assert_eq!(get(&daemon, &path)["kept"], true);
    assert_eq!(get(&daemon, &format!("/api/v1/media/{}", two["id"]))["kept"], false);
    browser.goto(&url(&daemon, "media?kept=1"));
    assert_eq!(browser.script("return document.querySelectorAll('#days .item').length"), 1);
    browser.goto(&url(&daemon, "media?q=BICYCLE"));
    assert_eq!(browser.script("return document.querySelectorAll('#days .item').length"), 1);
    browser.goto(&url(&daemon, "media?q=nobody"));
    assert!(browser.text("main").contains("No matches"));
    let others: Vec<String> =
        browser.console_errors().into_iter().filter(|error| !error.contains("409 (Conflict)")).collect();
    assert_eq!(others, Vec::<String>::new());
}

#[test]
fn an_item_is_deleted_only_after_a_question() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let ids: Vec<Value> =
        ["a.jpg", "b.jpg", "c.jpg"].map(|name| snapshot(&daemon, name)["id"].clone()).to_vec();
    browser.goto(&url(&daemon, "media"));
    browser.click(&format!("#m{} input[type=checkbox]", ids[0]));
    browser.click(&format!("#m{} input[type=checkbox]", ids[2]));
    browser.click("#delete");
    browser.wait_for("document.activeElement.id === 'ask-no'");
    assert!(browser.text("#ask-head").starts_with("Delete 2 snapshots, "), "{}", browser.text("#ask-head"));
    browser.press(ESCAPE);
    browser.wait_for("document.getElementById('ask').hidden");
    assert_eq!(items(&daemon).len(), 3, "the question is cancelled");
    browser.click("#delete");
    browser.click("#ask-yes");
    browser.wait_for("document.querySelectorAll('#days .item').length === 1");
    let left = items(&daemon);
    assert_eq!((left.len(), &left[0]["id"]), (1, &ids[1]));
    // After the last item the page is empty and says what to do.
    browser.click("#every");
    browser.click("#delete");
    browser.click("#ask-yes");
    browser.wait_for("document.querySelector('.empty h2')?.textContent === 'No recordings yet'");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn many_items_come_page_by_page_and_are_deleted_together() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    for n in 0..65 {
        snapshot(&daemon, &format!("{n:02}.jpg"));
    }
    browser.goto(&url(&daemon, "media"));
    let count = "return document.querySelectorAll('#days .item').length";
    assert_eq!(browser.script(count), 60);
    browser.click("#older");
    browser.wait_for("document.querySelectorAll('#days .item').length === 65");
    browser.wait_for("document.getElementById('more').hidden");
    let ids = "return new Set([...document.querySelectorAll('#days .item')].map(item => item.id)).size";
    assert_eq!(browser.script(ids), 65, "no item is there twice");
    browser.click("#every");
    assert!(browser.text("#count").starts_with("65 items selected"));
    browser.click("#zip");
    let zip = std::fs::read(browser.downloaded(".zip")).unwrap();
    assert!(zip.starts_with(b"PK"));
    assert!(
        memchr::memmem::find(&zip, b"64.jpg").is_some() && memchr::memmem::find(&zip, b"00.jpg").is_some()
    );
}

#[test]
fn everything_works_without_javascript() {
    let wanted = Wanted { has_script: false, ..Wanted::DESKTOP };
    let Some((browser, daemon)) = start(wanted) else { return };
    browser.goto(&url(&daemon, ""));
    browser.wait_until("it is live", || daemon.state()["state"] == "live");
    browser.goto(&url(&daemon, ""));
    browser.click("#keep button");
    browser.wait_until("the snapshot is stored", || items(&daemon).len() == 1);
    browser.goto(&url(&daemon, ""));
    browser.click("#record-button");
    crate::common::wait_until("it has pictures", || {
        get(&daemon, "/api/v1/recording")["now"]["frames"].as_u64() >= Some(12)
    });
    browser.goto(&url(&daemon, "media"));
    assert!(browser.text("#now").contains("Recording now"), "{}", browser.text("#now"));
    browser.click("#now button");
    browser.wait_until("it is listed", || {
        items(&daemon).len() == 2 && !browser.text("#now").contains("Recording now")
    });
    let recording = items(&daemon)[0].clone();

    // Without scripts it plays as an image.
    browser.goto(&url(&daemon, &format!("player?id={}", recording["id"])));
    let (mut last, mut changes) = (browser.screenshot_of("#shot"), 0);
    browser.wait_until("the picture moves", || {
        let now = browser.screenshot_of("#shot");
        changes += i32::from(std::mem::replace(&mut last, now.clone()) != now);
        changes >= 3
    });
    browser.fill("#name-field", "Without a script");
    browser.click("#save");
    browser.wait_until("it is renamed", || browser.text("#title") == "Without a script");
    assert_eq!(browser.text("#saved"), "Saved.");

    browser.goto(&url(&daemon, "media"));
    browser.click(&format!("#m{} input[type=checkbox]", recording["id"]));
    browser.click("#delete");
    browser.wait_until("it is asked", || browser.text("main").contains("Delete 1 recording, "));
    assert_eq!(items(&daemon).len(), 2);
    browser.click(".btn.danger");
    browser.wait_until("it is gone", || items(&daemon).len() == 1);
}

#[test]
fn the_database_is_maintained_on_its_page() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    snapshot(&daemon, "old.jpg");
    let jpeg = client::get(daemon.address, "/snapshot.jpg").body;
    browser.goto(&url(&daemon, "database"));
    assert!(browser.text("main").contains("1 snapshot, "), "{}", browser.text("main"));
    browser.click("#check");
    browser.wait_for("document.getElementById('report-head')?.textContent === 'Nothing is wrong'");

    // The chosen file as bytes, dropped on the page as by a person.
    let drop = format!(
        "const bytes = Uint8Array.from({}); const data = new DataTransfer();
         data.items.add(new File([bytes], 'brought.jpg', {{ type: 'image/jpeg' }}));
         document.body.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true, cancelable: true }}));",
        json!(jpeg)
    );
    browser.script(&drop);
    browser.wait_for("document.querySelector('#brought a')?.textContent === 'brought.jpg'");
    assert_eq!(items(&daemon).len(), 2);
    let wrong = "const data = new DataTransfer(); data.items.add(new File(['words'], 'words.txt'));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));";
    browser.script(wrong);
    browser.wait_for("document.querySelector('#brought .bad')?.textContent.length > 10");

    // A new database file: the page asks first, and sets the old one aside.
    browser.click("details.act > summary");
    browser.click("#new");
    browser.wait_until("a new one is in use", || browser.text("#aside").contains("set aside "));
    assert_eq!(items(&daemon), Vec::<Value>::new());
    browser.click("#aside summary");
    browser.click("#aside .danger");
    browser.wait_until("it is gone", || browser.text("#aside").contains("None"));
}

#[test]
fn no_page_scrolls_sideways_on_a_phone() {
    for is_dark in [false, true] {
        let Some((browser, daemon)) = start(Wanted { is_dark, ..Wanted::PHONE }) else { return };
        browser.goto(&url(&daemon, "media"));
        assert!(browser.text(".empty").contains("No recordings yet"));
        let picture = snapshot(&daemon, &"a long name ".repeat(12));
        let film = record(&daemon, "Film", 12);
        let pages = [
            String::new(),
            "media".into(),
            "media?kept=0".into(),
            format!("player?id={}", picture["id"]),
            format!("player?id={}&t=0.5", film["id"]),
            "database".into(),
        ];
        for page in pages {
            browser.goto(&url(&daemon, &page));
            browser.wait_for("document.readyState !== 'loading'");
            assert_eq!(browser.script("return document.documentElement.scrollWidth"), 360, "{page}");
            let small = "return [...document.querySelectorAll('.btn, .edit, .tabs a, select, textarea, input:not([type=checkbox], [type=range], [type=hidden])')]
                .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 44).map(e => e.outerHTML)";
            assert_eq!(browser.script(small), json!([]), "too small for a finger, {page}");
            assert_eq!(browser.script(PALE), json!([]), "too pale, {page}, dark: {is_dark}");
            assert_eq!(browser.console_errors(), Vec::<String>::new(), "{page}");
        }
    }
}

/// Script: texts whose contrast on the nearest background is below WCAG 2.2.
const PALE: &str = "
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3)
            .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = e => {
        const colour = getComputedStyle(e).backgroundColor;
        return /, 0\\)$/.test(colour) && e.parentElement ? ground(e.parentElement) : colour;
    };
    return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.matches(':disabled')
        && !e.closest('.sr, .skip, svg, .shot') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
        .filter(e => {
            const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
            return (a + 0.05) / (b + 0.05) < 4.5;
        }).map(e => e.outerHTML);";

#[test]
fn the_buttons_under_the_picture_have_room_at_every_width() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    post(&daemon, "/api/v1/recordings", &json!({}));
    browser.goto(&url(&daemon, ""));
    browser.wait_for("document.getElementById('record-figures').textContent !== ''");
    for width in [1440, 1280, 1100, 1000, 800] {
        browser.resize(width, 800);
        // Each button lies within the bar and over no other, and the bar within the first screen.
        let wrong = "const bar = document.querySelector('.bar').getBoundingClientRect();
            const boxes = [...document.querySelectorAll('.bar .btn')].filter(e => e.checkVisibility())
                .map(e => [e.textContent, e.getBoundingClientRect()]);
            return boxes.filter(([, a], i) => a.left < bar.left || a.right > bar.right + 0.5 || a.bottom > bar.bottom + 0.5
                || boxes.slice(i + 1).some(([, b]) => a.left < b.right - 0.5 && b.left < a.right - 0.5
                    && a.top < b.bottom - 0.5 && b.top < a.bottom - 0.5)).map(([text]) => text);";
        assert_eq!(browser.script(wrong), json!([]), "at {width}");
    }
}

#[test]
fn the_keyboard_reaches_everything_on_the_page_of_media() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    let item = snapshot(&daemon, "Only.jpg");
    browser.goto(&url(&daemon, "media"));
    let focus = "return document.activeElement.value ?? document.activeElement.textContent";
    browser.wait_until("the tab key comes to the tick", || {
        browser.press(TAB);
        browser.script("return document.activeElement.name") == "ids"
    });
    assert_ne!(browser.script("return getComputedStyle(document.activeElement).outlineStyle"), "none");
    assert_eq!(browser.script(focus), item["id"].to_string());
    browser.press(" ");
    browser.wait_for("!document.getElementById('delete').disabled");
    browser.script("document.getElementById('every').focus()");
    browser.wait_until("the tab key comes to Delete", || {
        browser.press(TAB);
        browser.script("return document.activeElement.id") == "delete"
    });
    browser.press(ENTER);
    browser.wait_for("document.activeElement.id === 'ask-no'");
    browser.press(ENTER);
    browser.wait_for("document.getElementById('ask').hidden && document.activeElement.id === 'delete'");
    assert_eq!(items(&daemon).len(), 1);
}

/// The program without a browser.
fn alone(more: &[&str]) -> Daemon {
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    Daemon::start(program, &[&crate::scene(&[]), more].concat())
}

fn send_form(daemon: &Daemon, path: &str, site: &str, body: &str) -> client::Answer {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: {site}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client::ask(daemon.address, &request)
}

#[test]
fn another_site_changes_nothing() {
    let daemon = alone(&[]);
    let item = snapshot(&daemon, "Mine.jpg");
    let id = &item["id"];
    let own = format!("/api/v1/media/{id}");
    for (path, body) in [
        ("/api/v1/snapshots", String::from("next=.%2F")),
        ("/api/v1/recordings", String::from("next=.%2F")),
        ("/api/v1/media/delete", format!("next=media&ids={id}")),
        (&own, String::from("_method=patch&next=media&name=Theirs")),
        ("/api/v1/media/new", String::from("next=database")),
    ] {
        let answer = send_form(&daemon, path, "cross-site", &body);
        assert_eq!(answer.status, 403, "{path} {body}");
    }
    assert_eq!(items(&daemon), std::slice::from_ref(&item));
    // From its own page the same request is carried out, and leads back relative to its address.
    let body = format!("next=media%3Fkind%3Dsnapshot&kept=true&ids={id}");
    let answer = send_form(&daemon, "/api/v1/media/keep", "same-origin", &body);
    assert_eq!((answer.status, answer.header("location")), (303, Some("../../../media?kind=snapshot")));
    assert_eq!(get(&daemon, &format!("/api/v1/media/{id}"))["kept"], true);
    for (act, body, status) in [
        ("keep", "next=media&_method=fly", 400),
        ("keep", "next=media&kept=true", 400),
        ("delete", "next=media&ids=999", 404),
    ] {
        let answer = send_form(&daemon, &format!("/api/v1/media/{act}"), "same-origin", body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    // A form of an old page does not overwrite a newer change by somebody else.
    let next = format!("_method=patch&next=player%3Fid%3D{id}%23saved&_version={}", item["version"]);
    let answer = send_form(&daemon, &own, "same-origin", &format!("{next}&name=Old&date=&note=&kept=0"));
    assert_eq!(answer.status, 412, "{}", answer.text());
    assert!(answer.text().contains("value=\"Old\""), "the typed text is there again");
}

#[test]
fn privacy_mode_stores_nothing_and_says_so() {
    let daemon = alone(&["--set", "privacy.counts_only=true"]);
    for page in ["/media", "/database"] {
        let answer = client::get(daemon.address, page);
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.text().contains("Privacy mode"), "{}", answer.text());
        assert!(!answer.text().contains("thumbnail.jpg"));
    }
    assert!(!client::get(daemon.address, "/").text().contains("api/v1/recordings"));
    for path in ["/api/v1/media/keep", "/api/v1/media/check"] {
        let answer = send_form(&daemon, path, "same-origin", "next=media&ids=1");
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
    }
    assert_eq!(client::get(daemon.address, "/player?id=1").status, 403);
}
