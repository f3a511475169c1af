//! A newcomer with a phone, from the first start to the video of a crossing: no terminal, and the clicks are counted.
use std::cell::Cell;
use std::time::Instant;

use crate::alerts::with_settings;
use crate::webdriver::{Browser, Pointer, Wanted};

/// Maximum number of clicks for the whole way.
const MOST_CLICKS: u32 = 30;

struct Stranger {
    browser: Browser,
    clicks: Cell<u32>,
    began: Instant,
}

impl Stranger {
    fn click(&self, selector: &str) {
        self.clicks.set(self.clicks.get() + 1);
        self.browser.wait_for(&format!("!!document.querySelector({selector:?})?.checkVisibility()"));
        // Not beneath the tabs at the bottom.
        self.browser
            .script(&format!("document.querySelector({selector:?}).scrollIntoView({{ block: 'center' }})"));
        self.browser.click(selector);
    }

    fn tell(&self, what: &str) {
        println!("{what}: {} clicks, {:.0} s", self.clicks.get(), self.began.elapsed().as_secs_f64());
    }

    fn set_up(&self, text: &str) {
        self.browser.wait_for(&format!("document.getElementById('set-up')?.textContent === {text:?}"));
    }

    fn heading(&self, text: &str) {
        self.browser.wait_for(&format!("document.querySelector('h1').textContent === {text:?}"));
    }
}

#[test]
fn a_stranger_gets_from_the_first_start_to_the_video_of_a_crossing() {
    let Some(browser) = Browser::start(Wanted::PHONE) else { return };
    let settings = "[source]\nkind = \"v4l2\"\ndevice = \"/dev/nothing-of-this-name\"\n";
    let sets = ["source.width=640", "source.height=360", "source.fps=10"];
    let (daemon, _folder) = with_settings(settings, &sets);
    let way = Stranger { browser, clicks: Cell::new(0), began: Instant::now() };
    way.browser.goto(&format!("http://{}/", daemon.address));
    way.set_up("Set up: 0 of 4 · Next: camera");
    way.click("#set-up a[href=welcome]");
    way.heading("Set up this camera");
    way.browser.fill("#called", "Front door");
    way.click("form:has(#called) .btn");
    way.browser.wait_for("document.getElementById('name').textContent === 'Front door'");

    way.click("main a[href=cameras]");
    way.heading("Cameras");
    way.click("form:has([value=sim]) button");
    way.browser.wait_for("document.body.dataset.look === 'live'");
    way.tell("a picture");

    way.click("#set-up a[href=welcome]");
    // The simulation is no camera, and holds nobody up.
    way.set_up("Set up: 0 of 4 · Next: password");
    way.click("main a[href=access]");
    way.browser.fill("[name=password]", "a horse on the roof");
    way.browser.fill("[name=again]", "a horse on the roof");
    way.click("main form:has([name=again]) .btn.main");
    way.browser.wait_for("document.getElementById('done')?.textContent.startsWith('The password is set.')");
    way.tell("a password");

    // The line on the page leads on from there.
    way.set_up("Set up: 1 of 4 · Next: first line");
    way.click("#set-up a[href='lines?line=new']");
    way.browser.wait_for(
        "document.getElementById('picture').naturalWidth > 0 && !!document.querySelector('#draw .grab')",
    );
    way.click("#start");
    way.browser.drag(Pointer::Finger, "#draw", [0.45, 0.98], [0.45, 0.02]);
    way.browser.fill("#form [name=name]", "Door");
    way.click("#save");
    way.browser.wait_for("location.hash === '#saved'");
    way.tell("a line");

    way.click(".tabs a[href='./']");
    way.browser.wait_for("document.body.dataset.look === 'live'");
    // A password and a line: nobody is led any further.
    assert_eq!(way.browser.script("return document.getElementById('set-up')"), serde_json::Value::Null);
    way.browser.wait_for("!!document.querySelector('#log li[data-id]')");
    way.tell("a crossing");

    way.click("#record-button");
    way.browser.wait_for("document.getElementById('record-word').textContent === 'Stop recording'");
    let newest = "Math.max(...[...document.querySelectorAll('#log li[data-id]')].map(one => one.dataset.id))";
    let before = way.browser.script(&format!("return {newest}"));
    way.browser.wait_for(&format!("{newest} > {before}"));
    // A row that appears by itself has its clip, too.
    way.browser.wait_for(&format!(
        "[...document.querySelectorAll('#log li:has(a)')].some(one => +one.dataset.id > {before})"
    ));
    way.click("#record-button");

    way.click(".tabs a[href=counts]");
    way.click("a[href*='range=yesterday']");
    way.browser.wait_for("document.querySelector('h1').textContent.startsWith('Yesterday')");
    way.tell("yesterday");

    way.click("a[href*='range=today']");
    way.browser.wait_for(
        "document.querySelector('h1').textContent.startsWith('Today') && !!document.getElementById('inside')",
    );
    way.click("#list");
    way.click("#crossings a[download]");
    let video = std::fs::read(way.browser.downloaded(".mp4")).unwrap();
    assert_eq!(&video[4..8], b"ftyp");
    way.tell("the video of a crossing");
    assert!(way.clicks.get() <= MOST_CLICKS, "{} clicks", way.clicks.get());
}
