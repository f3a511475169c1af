//! A browser for tests: Debian's Chromium, headless, driven through chromedriver by the W3C WebDriver protocol
//! (<https://www.w3.org/TR/webdriver2/>) over a plain socket. It has only the parts that the tests of the pages need.
#![allow(dead_code, reason = "each test program uses its part of this")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

/// Longest wait for anything. Generous, because it only ends a test that has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// WebDriver's code points of keys that are no characters, for [`Browser::press`].
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";
pub const SHIFT: &str = "\u{e008}";
pub const LEFT: &str = "\u{e012}";
pub const RIGHT: &str = "\u{e014}";
pub const UP: &str = "\u{e013}";

/// The pointing device that drags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointer {
    Mouse,
    Finger,
}

/// Key that marks a reference to an element in JSON (WebDriver §12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Kind of browser.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Width of the window, in CSS pixels.
    pub width: u32,
    /// Height of the window, in CSS pixels.
    pub height: u32,
    /// A phone: touch, two pixels per CSS pixel, and exactly the given size.
    pub is_phone: bool,
    /// The reader prefers dark pages.
    pub is_dark: bool,
    /// Pages may run scripts.
    pub has_script: bool,
}

impl Wanted {
    pub const DESKTOP: Wanted =
        Wanted { width: 1440, height: 900, is_phone: false, is_dark: false, has_script: true };
    pub const PHONE: Wanted = Wanted { width: 360, height: 740, is_phone: true, ..Wanted::DESKTOP };
}

/// One Chromium with one window, and the chromedriver that drives it. Both end on drop.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// The profile and the downloads.
    home: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser. Without chromium or chromedriver it returns `None` and says on standard error that the test
    /// is left out; with `CI=true` in the environment it fails instead.
    pub fn start(wanted: Wanted) -> Option<Browser> {
        let (Some(chromium), Some(chromedriver)) = (on_path("chromium"), on_path("chromedriver")) else {
            let word = "no chromium and chromedriver on PATH (Debian: chromium, chromium-driver)";
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{word}");
            let test = std::thread::current().name().unwrap_or("browser test").to_owned();
            // Directly to standard error: the test harness would hide captured output.
            let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: {word}");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let (driver, port) = start_driver(&chromedriver);
        let mut browser = Browser { driver, port, session: String::new(), home };
        let capabilities = capabilities(&chromium, wanted, browser.home.path());
        let session = browser.call("POST", "/session", Some(&capabilities));
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session id"));
        if wanted.is_dark {
            browser.prefer(true);
        }
        let downloads = browser.downloads();
        std::fs::create_dir(&downloads).unwrap();
        let allow = json!({ "behavior": "allow", "downloadPath": downloads });
        browser.devtools("Browser.setDownloadBehavior", allow);
        Some(browser)
    }

    /// The reader prefers dark pages, or light ones, from now on.
    pub fn prefer(&self, is_dark: bool) {
        let value = if is_dark { "dark" } else { "light" };
        let feature = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": feature }));
    }

    /// The folder of downloads.
    pub fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// Waits for a downloaded file whose name ends like this. Chromium first creates an empty file of the name, then
    /// replaces it by the complete one.
    #[track_caller]
    pub fn downloaded(&self, end: &str) -> PathBuf {
        let mut found = None;
        self.wait_until("the download is there", || {
            let files = std::fs::read_dir(self.downloads()).unwrap().map(|file| file.unwrap().path());
            let is_it = |path: &PathBuf| {
                path.to_string_lossy().ends_with(end)
                    && std::fs::metadata(path).is_ok_and(|file| file.len() > 0)
            };
            found = files.into_iter().find(is_it);
            found.is_some()
        });
        found.unwrap()
    }

    /// Opens a page and returns when its document is there. (Loading never ends with a live picture.)
    pub fn goto(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// A command to the element of a CSS selector; panics if there is none. It searches again if another page
    /// replaced the element's page in the meantime.
    fn of_element(&self, method: &str, selector: &str, command: &str, body: Option<&Value>) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let found = self.post("/element", json!({ "using": "css selector", "value": selector }));
            let element = found[ELEMENT].as_str().expect("an element");
            let path = format!("{}/element/{element}/{command}", self.session);
            match self.try_call(method, &path, body).expect("chromedriver answers") {
                (404 | 500, answer) if is_gone(&answer) && Instant::now() < until => {}
                (status, answer) => return value_of(method, &path, status, answer),
            }
        }
    }

    /// Clicks in the middle of an element after scrolling it into view, as a person would. Chromium drops a click
    /// before the page's first paint, which is late on a busy machine.
    pub fn click(&self, selector: &str) {
        let until = Instant::now() + DEADLINE;
        let scroll = format!(
            "document.querySelector({selector:?})?.scrollIntoView({{ block: 'center' }}); \
             return document.hidden || performance.getEntriesByType('paint').length > 0"
        );
        while self.script(&scroll) == json!(false) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        // The driver clicks a place: what moves while the page fills would be missed.
        let place = format!("return document.querySelector({selector:?})?.getBoundingClientRect()");
        let mut before = json!(0);
        while Instant::now() < until {
            let now = self.script(&place);
            if now == before {
                break;
            }
            before = now;
            std::thread::sleep(Duration::from_millis(30));
        }
        self.of_element("POST", selector, "click", Some(&json!({})));
    }

    /// The visible text of an element; empty if it is hidden.
    pub fn text(&self, selector: &str) -> String {
        let text = self.of_element("GET", selector, "text", None);
        text.as_str().expect("text").to_owned()
    }

    /// An attribute of an element, as in the document.
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let value = self.of_element("GET", selector, &format!("attribute/{name}"), None);
        value.as_str().map(str::to_owned)
    }

    /// Runs the body of a function in the page and returns its result.
    pub fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", json!({ "script": body, "args": [] }))
    }

    /// The window as PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        png(&self.get("/screenshot"))
    }

    /// One element as PNG.
    pub fn screenshot_of(&self, selector: &str) -> Vec<u8> {
        png(&self.of_element("GET", selector, "screenshot", None))
    }

    /// Sets the size of the window, frame included.
    pub fn resize(&self, width: u32, height: u32) {
        self.post("/window/rect", json!({ "width": width, "height": height }));
    }

    /// Presses and releases the keys in turn, at the focus.
    pub fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars() {
            actions.push(json!({ "type": "keyDown", "value": key }));
            actions.push(json!({ "type": "keyUp", "value": key }));
        }
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Presses and releases a key while another is held.
    pub fn press_with(&self, held: &str, key: &str) {
        let actions = [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)];
        let actions = actions.map(|(kind, value)| json!({ "type": kind, "value": value }));
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Presses at `from`, moves to `to` in some steps and releases; both in fractions of the element's box.
    pub fn drag(&self, pointer: Pointer, selector: &str, from: [f64; 2], to: [f64; 2]) {
        let kind = if pointer == Pointer::Mouse { "mouse" } else { "touch" };
        let script = format!(
            "const e = document.querySelector({selector:?}); e.scrollIntoView({{ block: 'center' }});
             const box = e.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]"
        );
        let bounds: Vec<f64> =
            self.script(&script).as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        let at = |share: f64| {
            let place =
                |i: usize| (bounds[i] + (from[i] + (to[i] - from[i]) * share) * bounds[i + 2]).round();
            json!({ "type": "pointerMove", "duration": 20, "x": place(0) as i64, "y": place(1) as i64 })
        };
        let (down, up) =
            (json!({ "type": "pointerDown", "button": 0 }), json!({ "type": "pointerUp", "button": 0 }));
        let actions = [at(0.0), down, at(0.3), at(0.7), at(1.0), up];
        let pointer = json!({
            "type": "pointer", "id": kind, "parameters": { "pointerType": kind }, "actions": actions,
        });
        self.post("/actions", json!({ "actions": [pointer] }));
    }

    /// Replaces the text of a field.
    pub fn fill(&self, selector: &str, text: &str) {
        self.of_element("POST", selector, "clear", Some(&json!({})));
        self.of_element("POST", selector, "value", Some(&json!({ "text": text })));
    }

    /// A command of Chromium's DevTools protocol, for actions that WebDriver lacks.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Errors on the page's console since the last call: scripts, loading, and refusals of the content security
    /// policy.
    pub fn console_errors(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" }));
        let entries = log.as_array().expect("a list of entries");
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Waits until a script's expression is true; panics with its last value.
    #[track_caller]
    pub fn wait_for(&self, expression: &str) {
        let body = format!("return {expression}");
        let mut last = Value::Null;
        self.wait_until(expression, || {
            last = self.script(&body);
            last == Value::Bool(true)
        });
    }

    /// Waits until `what` is true, polling often; panics with `name` and the text of the page.
    #[track_caller]
    pub fn wait_until(&self, name: &str, mut what: impl FnMut() -> bool) {
        let until = Instant::now() + DEADLINE;
        while !what() {
            assert!(
                Instant::now() < until,
                "waited in vain until {name}; the page says:\n{}\nand its console: {:?}",
                self.text("body"),
                self.console_errors()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", &format!("{}{path}", self.session), None)
    }

    fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", &format!("{}{path}", self.session), Some(&body))
    }

    /// One command (WebDriver §6): its value, or a panic with the driver's message.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.try_call(method, path, body).expect("chromedriver answers");
        value_of(method, path, status, answer)
    }

    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> std::io::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
        socket.set_read_timeout(Some(DEADLINE))?;
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        read_answer(BufReader::new(socket))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends Chromium with the session; a killed driver would leave it behind.
        if !self.session.is_empty() {
            let _ = self.try_call("DELETE", &self.session, None);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The capabilities of a new session (WebDriver §7), in chromedriver's form.
fn capabilities(chromium: &Path, wanted: Wanted, home: &Path) -> Value {
    let mut options = json!({
        "binary": chromium,
        "args": [
            "--headless",
            // Containers and root have no sandbox; the pages are our own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Side processes are left out: without them it starts a quarter sooner on slow memory.
            "--disable-breakpad",
            "--disable-crash-reporter",
            "--disable-extensions",
            "--disable-component-extensions-with-background-pages",
            "--disable-default-apps",
            "--disable-features=Translate,MediaRouter,DialMediaRouteProvider,OptimizationHints",
            "--metrics-recording-only",
            "--mute-audio",
            // Names of foreign sites, which resolve to this machine as a rebound name does.
            "--host-resolver-rules=MAP *.example 127.0.0.1",
            format!("--window-size={},{}", wanted.width, wanted.height),
            format!("--user-data-dir={}", home.join("profile").display()),
        ],
    });
    if wanted.is_phone {
        let (width, height) = (wanted.width, wanted.height);
        options["mobileEmulation"] = json!({
            "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2, "touch": true },
        });
    }
    if !wanted.has_script {
        options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
    }
    json!({
        "capabilities": {
            "alwaysMatch": {
                "browserName": "chrome",
                // The certificate is made by tallycam itself.
                "acceptInsecureCerts": true,
                "pageLoadStrategy": "eager",
                // An element may be missing while one page replaces another.
                "timeouts": { "implicit": 10_000 },
                "goog:chromeOptions": options,
                "goog:loggingPrefs": { "browser": "ALL" },
            },
        },
    })
}

/// A listening chromedriver and its port. It takes any free port of IPv6 and then the same one of IPv4; it ends if a
/// connection of another test has that port, and is started again.
fn start_driver(program: &Path) -> (Child, u16) {
    let mut said = String::new();
    for _ in 0..10 {
        let mut driver = Command::new(program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        match port_told_by(&mut driver) {
            Ok(port) => return (driver, port),
            Err(words) => said = words,
        }
        driver.wait().expect("chromedriver ends");
        if !said.contains("port not available") {
            break;
        }
    }
    panic!("chromedriver ended without a word of its port: {said}");
}

/// The port from chromedriver's greeting, or all of its output if it ended before. A thread reads and discards the
/// rest of the output, so that the pipe never fills.
fn port_told_by(driver: &mut Child) -> Result<u16, String> {
    let mut lines = BufReader::new(driver.stdout.take().expect("its output is a pipe")).lines();
    let mut said = String::new();
    let port = loop {
        let Some(line) = lines.next() else { return Err(said) };
        let line = line.expect("lines of text");
        if let Some((_, rest)) = line.split_once("started successfully on port ") {
            break rest.trim_end_matches('.').parse().expect("a port");
        }
        said += &format!("{line}\n");
    };
    std::thread::spawn(move || lines.for_each(drop));
    Ok(port)
}

/// The element went with its page between search and use. The driver reports this with its own error; if the page
/// goes during the command, it passes on Chromium's.
fn is_gone(answer: &Value) -> bool {
    let error = &answer["value"];
    error["error"] == "stale element reference"
        || error["message"].as_str().is_some_and(|words| words.contains("does not belong to the document"))
}

/// The value of a command; panics with the driver's message if it failed.
fn value_of(method: &str, path: &str, status: u16, mut answer: Value) -> Value {
    let value = answer["value"].take();
    assert!(status == 200, "{method} {path}: {} {}", value["error"], value["message"]);
    value
}

/// Status and JSON body of an answer that ends with its connection.
fn read_answer(mut socket: impl BufRead) -> std::io::Result<(u16, Value)> {
    let mut line = String::new();
    socket.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let mut length = None;
    loop {
        line.clear();
        socket.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse::<u64>().ok();
            }
            Some(_) => {}
        }
    }
    let mut body = Vec::new();
    socket.take(length.unwrap_or(u64::MAX)).read_to_end(&mut body)?;
    Ok((status, serde_json::from_slice(&body)?))
}

fn png(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a picture in base 64");
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
