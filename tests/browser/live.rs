//! The live page in a real browser (Debian's Chromium), served by the program.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, ENTER, ESCAPE, TAB, Wanted};
use serde_json::Value;

/// The program on the simulation.
fn serve_on(address: Option<SocketAddr>) -> Daemon {
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let arguments = crate::scene(&["name=\"Yard\""]);
    match address {
        Some(address) => Daemon::start_on(address, program, &arguments),
        None => Daemon::start(program, &arguments),
    }
}

fn url(daemon: &Daemon) -> String {
    format!("http://{}/", daemon.address)
}

/// Script: the shown picture differs from that of the previous call. Chromium scales a still picture in more than one
/// way, so that it differs a little from one drawing to the next. A value counts as changed if it differs by an
/// eighth of its range.
pub const HAS_CHANGED: &str = "
    const picture = document.getElementById('picture');
    if (!picture.naturalWidth) return false;
    const canvas = document.createElement('canvas');
    canvas.width = 320; canvas.height = 180;
    const paper = canvas.getContext('2d', { willReadFrequently: true });
    paper.drawImage(picture, 0, 0, 320, 180);
    const before = window.look ?? [], now = window.look = paper.getImageData(0, 0, 320, 180).data;
    return now.some((value, i) => Math.abs(value - before[i]) > 32);";

fn has_changed(browser: &Browser) -> bool {
    browser.script(HAS_CHANGED).as_bool().unwrap()
}

/// Waits until the picture is visible and has changed three times.
#[track_caller]
pub fn wait_until_it_moves(browser: &Browser) {
    browser.wait_for("document.body.dataset.look === 'live' && document.getElementById('over').hidden");
    let mut changes = 0;
    browser.wait_until("the picture moves", || {
        changes += i32::from(has_changed(browser));
        changes >= 3
    });
}

/// Number of requests for the state that the page has made.
fn asked(browser: &Browser) -> i64 {
    let count =
        "return performance.getEntriesByType('resource').filter(e => e.name.endsWith('api/v1/state')).length";
    browser.script(count).as_i64().unwrap()
}

/// Waits for two more answers to the page.
fn wait_for_answers(browser: &Browser) {
    let before = asked(browser);
    browser.wait_until("the page asks twice", || asked(browser) >= before + 2);
}

fn start(wanted: Wanted) -> Option<(Browser, Daemon)> {
    let browser = Browser::start(wanted)?;
    Some((browser, serve_on(None)))
}

#[test]
fn the_picture_moves_and_the_status_is_right() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    browser.wait_for("document.getElementById('viewers').textContent === '1 viewer'");
    browser.wait_for("/^\\d+\\.\\d fps$/.test(document.getElementById('rate').textContent)");

    let state = daemon.state();
    assert_eq!(browser.text("#headline"), "Live");
    assert!(browser.text("#state").starts_with("Live since "), "{}", browser.text("#state"));
    assert!(browser.text("#figures").ends_with(", 1 watching"), "{}", browser.text("#figures"));
    let size = format!("{} × {}", state["width"], state["height"]);
    assert!(browser.text("#size").starts_with(&size), "{} is not {size}", browser.text("#size"));
    assert_eq!(browser.text("#camera"), state["camera"].as_str().unwrap());
    assert_eq!(browser.script("return document.title"), "Live · Yard · tallycam");
    assert!(browser.text("#simulated").starts_with("This is a simulation."));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn pause_by_keyboard_names_what_stops_and_resume_undoes_it() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    browser.wait_for("document.getElementById('viewers').textContent === '1 viewer'");

    let focus = "return document.activeElement.textContent";
    browser.wait_until("the tab key comes to Pause", || {
        browser.press(TAB);
        browser.script(focus) == "Pause"
    });
    assert_ne!(browser.script("return getComputedStyle(document.activeElement).outlineStyle"), "none");
    browser.press(ENTER);
    browser.wait_for("document.getElementById('stops').textContent.includes('for 1 viewer')");
    assert_eq!(
        browser.text("#pause .popped p"),
        "Pause stops the camera for everyone, and counting. The stream stops for 1 viewer, until Resume or a restart."
    );
    // Cancelled, and started again.
    browser.press(ESCAPE);
    assert_eq!(browser.text("#pause .popped p"), "");
    browser.press(ENTER);
    browser.press(TAB);
    browser.press(ENTER);

    browser.wait_for("document.body.dataset.look === 'paused'");
    assert!(browser.text("#over").starts_with("Paused since "), "{}", browser.text("#over"));
    assert!(browser.text("#over").contains("Last frame "));
    assert!(!browser.text("#over").contains("another page"), "it was this one");
    assert_eq!(browser.attribute("#shot", "data-show").as_deref(), Some("last"));
    assert!(browser.text("#news").starts_with("Paused. "), "{}", browser.text("#news"));
    assert_eq!(daemon.state()["state"], "paused");
    browser.wait_until("the picture stands still", || {
        wait_for_answers(&browser);
        !has_changed(&browser)
    });

    // The focus is on the next step.
    assert_eq!(browser.script(focus), "Resume");
    browser.press(ENTER);
    wait_until_it_moves(&browser);
    assert_eq!(browser.script(focus), "Pause");
    assert_eq!(browser.attribute("#shot", "data-show").as_deref(), Some(""));
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

#[test]
fn a_pause_from_elsewhere_is_reported() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    let mut socket = TcpStream::connect(daemon.address).unwrap();
    write!(socket, "POST /stop_stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n").unwrap();
    browser.wait_for("document.body.dataset.look === 'paused'");
    assert!(browser.text("#over").contains("Stopped from another page or program."));
    browser.click("#resume button");
    wait_until_it_moves(&browser);
}

#[test]
fn the_snapshot_is_a_jpeg_with_a_useful_name() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    browser.click("#turn > summary");
    browser.click("#snapshot");
    let saved = browser.downloaded(".jpg");
    let name = saved.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("yard-20") && name.len() == "yard-2026-11-20-140237.jpg".len(), "{name}");
    let jpeg = std::fs::read(&saved).unwrap();
    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
}

#[test]
fn full_screen_by_key_and_by_button() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    let fills = "document.fullscreenElement?.id === 'shot' \
                 && document.getElementById('picture').clientWidth === innerWidth \
                 && document.getElementById('picture').clientHeight === innerHeight";
    browser.click("#full");
    browser.wait_for(fills);
    browser.press("f");
    browser.wait_for("document.fullscreenElement === null");
    browser.press("f");
    browser.wait_for(fills);
    wait_until_it_moves(&browser);
}

#[test]
fn the_page_comes_back_by_itself_after_a_restart() {
    let Some((browser, mut daemon)) = start(Wanted::DESKTOP) else { return };
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    wait_for_answers(&browser);
    browser.script("window.isTheSamePage = true");
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    daemon.kill();
    browser.wait_for("document.body.dataset.look === 'lost'");
    assert_eq!(browser.text("#headline"), "Connection lost");
    let stale = "return [document.querySelector('#pause form button').disabled,
        getComputedStyle(document.querySelector('.side .facts')).opacity < 1]";
    assert_eq!(
        browser.script(stale),
        serde_json::json!([true, true]),
        "old figures are dim, and nothing is offered"
    );
    let words = browser.text("#over");
    assert!(words.contains("No answer from 127.0.0.1 for "), "{words}");
    assert!(words.contains("The last frame is from "), "{words}");
    assert!(words.contains("This page reconnects automatically."), "{words}");
    assert_eq!(browser.attribute("#shot", "data-show").as_deref(), Some("last"));

    let daemon = serve_on(Some(daemon.address));
    wait_until_it_moves(&browser);
    assert_eq!(browser.script("return window.isTheSamePage"), Value::Bool(true));
    browser.wait_until("the new run counts one viewer", || daemon.state()["viewers"] == 1);
}

#[test]
fn a_hidden_page_closes_its_stream_and_reopens_it() {
    let Some((browser, daemon)) = start(Wanted::DESKTOP) else { return };
    // A page that the test can hide.
    let source = "
        let isHidden = false;
        Object.defineProperty(document, 'hidden', { get: () => isHidden });
        window.hide = yes => { isHidden = yes; document.dispatchEvent(new Event('visibilitychange')); };";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": source }));
    browser.goto(&url(&daemon));
    wait_until_it_moves(&browser);
    browser.wait_until("one watches", || daemon.state()["viewers"] == 1);
    browser.script("hide(true)");
    browser.wait_until("nobody watches", || daemon.state()["viewers"] == 0);
    browser.script("hide(false)");
    wait_until_it_moves(&browser);
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Script: records every layout shift (Layout Instability API) from the first paint on, with the elements that moved.
const NOTE_SHIFTS: &str = "
    window.shifts = [];
    new PerformanceObserver(list => list.getEntries().forEach(shift => window.shifts.push(
        shift.value + ' ' + shift.sources.map(source => source.node?.outerHTML ?? source.node?.data))))
        .observe({ type: 'layout-shift', buffered: true });";

#[test]
fn on_a_phone_nothing_scrolls_sideways_or_jumps() {
    for (width, height) in [(360, 740), (320, 640), (740, 360)] {
        let Some((browser, daemon)) = start(Wanted { width, height, ..Wanted::PHONE }) else { return };
        // At the very first start the scene's own line and the camera's abilities come a moment later; until then the
        // page rightly offers to draw a line.
        crate::common::wait_until("the scene is there", || {
            crate::common::client::get(daemon.address, "/api/v1/lines").json()["items"][0].is_object()
                && daemon.state()["simulated"] == true
        });
        browser
            .devtools("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": NOTE_SHIFTS }));
        browser.goto(&url(&daemon));
        wait_until_it_moves(&browser);
        wait_for_answers(&browser);
        assert_eq!(browser.script("return innerWidth"), width);
        assert_eq!(browser.script("return document.documentElement.scrollWidth"), width);
        assert_eq!(browser.script("return document.getElementById('picture').clientWidth"), width);
        // The header's state ends at the right edge: another word begins elsewhere, and moves nothing else.
        let shifts = "return window.shifts.filter(shift => !/^[\\d.e-]+ <p class=\"state\">/.test(shift))";
        assert_eq!(browser.script(shifts), serde_json::json!([]), "at {width} × {height}");
        let small = "return [...document.querySelectorAll('.btn')].filter(b => b.checkVisibility() \
                     && b.getBoundingClientRect().height < 44).map(b => b.textContent)";
        assert_eq!(browser.script(small), serde_json::json!([]), "too small for a finger");
    }
}

/// A proxy that sends each page from `behind` in two halves: the page ends before `half` for a moment. It serves
/// while the test's process lives, and counts the pages that it has cut.
fn in_halves(behind: SocketAddr, half: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cuts = Arc::new(AtomicUsize::new(0));
    let cut = Arc::clone(&cuts);
    let pass = move |mut near: TcpStream| {
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        while !request.ends_with(b"\r\n\r\n") {
            let mut more = [0; 4096];
            let read = near.read(&mut more)?;
            request
                .extend_from_slice(more.get(..read).filter(|read| !read.is_empty()).unwrap_or(b"\r\n\r\n"));
        }
        let mut far = TcpStream::connect(behind)?;
        let request =
            String::from_utf8_lossy(&request).replace("Connection: keep-alive", "Connection: close");
        // A compressed page cannot be cut at a word.
        far.write_all(request.replace("Accept-Encoding: gzip", "Accept-Encoding: identity").as_bytes())?;
        far.read_to_end(&mut answer)?;
        let middle = answer.windows(half.len()).position(|bytes| bytes == half.as_bytes()).unwrap_or(0);
        let (first, second) = answer.split_at(middle);
        near.write_all(first)?;
        if middle > 0 {
            cut.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        near.write_all(second)
    };
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let pass = pass.clone();
            std::thread::spawn(move || pass(near));
        }
    });
    (address, cuts)
}

#[test]
fn a_page_that_comes_in_two_halves_does_not_jump() {
    let wanted = Wanted { width: 800, height: 600, ..Wanted::DESKTOP };
    let Some(browser) = Browser::start(wanted) else { return };
    // The longer the page, the less room is left for a long name.
    let arguments = crate::scene(&["name=\"The yard behind the house\""]);
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    // Each state has a word of another width.
    crate::common::wait_until("it is live", || daemon.state()["state"] == "live");
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", serde_json::json!({ "source": NOTE_SHIFTS }));
    for half in ["<nav class=\"tabs\"", "<details id=\"menu\"", "<p class=\"state\""] {
        let (address, cuts) = in_halves(daemon.address, half);
        browser.goto(&format!("http://{address}/diagnosis"));
        browser.wait_for("document.readyState === 'complete'");
        assert_eq!(cuts.load(Ordering::SeqCst), 1, "cut before {half}");
        // A shift is reported after the frame in which it happened.
        browser.script(
            "window.frames = 0; const count = () => { ++window.frames; requestAnimationFrame(count) }; count();",
        );
        browser.wait_for("window.frames > 3");
        assert_eq!(browser.script("return window.shifts"), serde_json::json!([]), "in two before {half}");
    }
}

#[test]
fn light_and_dark_are_legible() {
    for (is_dark, is_phone) in [(false, false), (true, false), (true, true)] {
        let size = if is_phone { Wanted::PHONE } else { Wanted::DESKTOP };
        let Some((browser, daemon)) = start(Wanted { is_dark, ..size }) else { return };
        browser.goto(&url(&daemon));
        wait_until_it_moves(&browser);
        browser.click("#pause summary");
        // Script: the contrast (WCAG 2.2) of every visible text on the nearest background.
        let pale = browser.script(
            "const light = colour => {
                const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3)
                    .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = e => {
                const colour = getComputedStyle(e).backgroundColor;
                return /, 0\\)$/.test(colour) && e.parentElement ? ground(e.parentElement) : colour;
            };
            const texts = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility()
                && !e.closest('.sr, .skip, svg') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
            const pale = texts.map(e => {
                const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
                return [(a + 0.05) / (b + 0.05), e.textContent];
            }).filter(([contrast]) => contrast < 4.5);
            return { count: texts.length, pale, ground: light(ground(document.body)) };",
        );
        assert!(pale["count"].as_u64().unwrap() > 15, "{pale}");
        assert_eq!(pale["pale"], serde_json::json!([]), "dark: {is_dark}");
        let ground = pale["ground"].as_f64().unwrap();
        assert!(if is_dark { ground < 0.05 } else { ground > 0.8 }, "dark: {is_dark}, ground {ground}");
    }
}

#[test]
fn everything_works_without_javascript() {
    let Some((browser, daemon)) = start(Wanted { has_script: false, ..Wanted::DESKTOP }) else { return };
    browser.goto(&url(&daemon));
    browser.wait_until("somebody watches", || daemon.state()["state"] == "live");
    browser.goto(&url(&daemon));
    assert!(browser.text("noscript .muted").contains("Without JavaScript"), "scripts run after all");
    assert_eq!(browser.text("#headline"), "Live");
    let (mut last, mut changes) = (browser.screenshot_of("#picture"), 0);
    browser.wait_until("the picture moves", || {
        let now = browser.screenshot_of("#picture");
        changes += i32::from(std::mem::replace(&mut last, now.clone()) != now);
        changes >= 3
    });

    browser.click("#pause summary");
    assert!(browser.text("#pause .popped p").contains("until Resume or a restart."));
    browser.click("#pause .popped button");
    browser.wait_until("the page says paused", || browser.text("#headline") == "Paused");
    assert_eq!(daemon.state()["state"], "paused");
    browser.click("#resume button");
    browser.wait_until("the page no longer says paused", || browser.text("#headline") != "Paused");
    browser.wait_until("the picture is back", || daemon.state()["state"] == "live");
    // Without scripts this link opens the stream itself.
    assert_eq!(browser.attribute("#full", "href").as_deref(), Some("stream"));
}

#[test]
fn pictures_events_and_sign_in_work_over_https() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let state = tempfile::tempdir().unwrap();
    tallycam::access::Access::open(state.path()).set("correct horse").unwrap();
    let directory = format!("store.directory={:?}", state.path().to_str().unwrap());
    let arguments = crate::scene(&["name=\"Yard\"", "access.local=\"password\"", &directory]);
    let daemon = Daemon::start_https(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let url = format!("https://{}/", daemon.address);
    browser.goto(&url);
    wait_until_it_moves(&browser);
    browser.script(
        "window.told = 0;
         new EventSource('api/v1/events?types=state').addEventListener('state', () => window.told++);",
    );
    browser.wait_for("window.told > 0");
    browser.goto(&format!("{url}sign-in"));
    browser.wait_for("document.body.textContent.includes('SHA-256')");
    browser.script(
        "document.querySelector('input[type=password]').value = 'correct horse';
         document.querySelector('main form').requestSubmit();",
    );
    browser.wait_for("location.pathname === '/' && document.getElementById('picture') !== null");
    browser.goto(&format!("{url}settings"));
    browser.wait_for("location.pathname === '/settings'");
}
