//! Every page at the widths of two phones, a tablet and a desktop, light and dark: nothing sticks out, and no texts
//! overlap. With a folder in `SCREENSHOTS` the test leaves a picture of each page there.
use std::path::Path;
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};
use serde_json::{Value, json};

/// Script: replaces small figures by those of a busy year.
const BUSY: &str = "for (const figure of document.querySelectorAll('.figs dd'))
    if (/^\\d+$/.test(figure.firstChild?.data?.trim())) figure.firstChild.data = '14,049';";

/// Script: elements that reach beyond `WIDTH` on the right (a phone makes its window as wide as the page), and texts
/// that overlap. Two pieces of text, each on one line, overlap if they share more than two pixels in both directions.
/// Elements that do not scroll with the page, or lie over the picture, are left out.
const MEASURE: &str = "
    const wide = document.documentElement.scrollWidth - WIDTH, wrong = wide > 0 ? [`${wide} px too wide`] : [];
    const isLoose = one => one.closest('svg, .shot, .popped, .sr, [hidden]') || !one.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const isFixed = one => { for (; one; one = one.parentElement) if (['fixed', 'sticky'].includes(getComputedStyle(one).position)) return true; };
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, parent = node.parentElement;
        if (!node.data.trim() || /^(SCRIPT|STYLE|NOSCRIPT|OPTION|TEXTAREA)$/.test(parent.tagName) || isLoose(parent) || isFixed(parent)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const box of range.getClientRects()) if (box.width > 2 && box.height > 2) found.push({ box, parent, text: node.data.trim().slice(0, 40) });
    }
    // An element that scrolls inside the page hides the part beyond its edge.
    const shown = ({ box, parent, text }) => {
        let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
        for (let one = parent; one; one = one.parentElement) {
            if (getComputedStyle(one).overflow === 'visible') continue;
            const edge = one.getBoundingClientRect();
            [left, top, right, bottom] = [Math.max(left, edge.left), Math.max(top, edge.top), Math.min(right, edge.right), Math.min(bottom, edge.bottom)];
        }
        return { left, top, right, bottom, parent, text };
    };
    const texts = found.map(shown).filter(one => one.right - one.left > 2 && one.bottom - one.top > 2).sort((a, b) => a.top - b.top);
    texts.forEach((a, i) => {
        if (a.right > WIDTH + 1) wrong.push(`beyond the edge: ${a.text}`);
        for (let k = i + 1; k < texts.length && texts[k].top < a.bottom - 2; k++) {
            const b = texts[k];
            if (a.parent === b.parent) continue;
            if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - b.top > 2)
                wrong.push(`on each other: ${a.text} | ${b.text}`);
        }
    });
    return wrong.slice(0, 8);";

fn post(daemon: &Daemon, path: &str, body: &Value) -> Value {
    client::send_json(daemon.address, "POST", path, body).json()
}

#[test]
fn nothing_sticks_out_or_overlaps_at_any_width() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let arguments = crate::scene(&["lights.kind=\"sim\"", "lights.on=true"]);
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let picture = post(&daemon, "/api/v1/snapshots", &json!({ "name": "One.jpg" }));
    let zone =
        json!({ "name": "Bench in the shade", "points": [[0.1, 0.6], [0.4, 0.6], [0.4, 0.9], [0.1, 0.9]] });
    post(&daemon, "/api/v1/zones", &zone);
    let player = format!("player?id={}", picture["id"]);
    let [check, watched] = crate::checks::pages(&daemon);
    let pages = [
        "",
        "counts",
        "media",
        &player,
        "lines",
        "lines?line=new",
        "lines?zone=1",
        "crossings?line=1",
        "checks",
        "check?line=1&minutes=5",
        &check,
        &watched,
        "models",
        "settings",
        "lights",
        "cameras",
        "welcome",
        "nothing-here",
        "diagnosis",
        "log",
        "database",
        "access",
        "activity",
        "sign-in",
        "notifications",
        "backup",
        "update",
    ];
    let kept = std::env::var_os("SCREENSHOTS");
    let mut wrong = Vec::new();
    for width in [360, 390, 768, 1440] {
        let height = if width < 500 { 800 } else { 1000 };
        let is_phone = width < 500;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        browser.devtools("Emulation.setDeviceMetricsOverride", size);
        for page in pages {
            browser.goto(&format!("http://{}/{page}", daemon.address));
            browser.wait_for("document.readyState !== 'loading'");
            if page.is_empty() {
                browser.wait_for("document.body.dataset.look === 'live' && document.getElementById('picture').naturalWidth > 0");
            }
            for is_dark in [false, true] {
                browser.prefer(is_dark);
                browser.script(BUSY);
                let found = browser.script(&MEASURE.replace("WIDTH", &width.to_string()));
                if found != json!([]) {
                    wrong.push(format!("/{page}, {width}, dark: {is_dark}: {found}"));
                }
                let share = "return document.getElementById('alerts').offsetHeight / innerHeight";
                if is_phone && browser.script(share).as_f64() > Some(0.1) {
                    wrong.push(format!("/{page}, {width}: the notice is too high"));
                }
                if let Some(folder) = &kept {
                    let name: String =
                        page.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
                    let name = if name.is_empty() { String::from("live") } else { name };
                    let tone = if is_dark { "dark" } else { "light" };
                    let path = Path::new(folder).join(format!("{name}-{width}-{tone}.png"));
                    std::fs::write(path, browser.screenshot()).unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
