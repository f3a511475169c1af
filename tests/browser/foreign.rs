//! A page of another site, in the browser of a signed-in user: it sends every changing request to the camera's
//! address and to a rebound name, and nothing changes.
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use serde_json::{Value, json};

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::webdriver::{Browser, Wanted};

/// `me:correct horse`.
const BASIC: &str = "Authorization: Basic bWU6Y29ycmVjdCBob3JzZQ==\r\n";

/// Sends each request in every way that a page has: a fetch that may not read, one that may, an image, a form of each
/// kind.
const ATTACK: &str = r#"
    const [bases, requests] = ARGUMENTS;
    const kinds = ["application/x-www-form-urlencoded", "text/plain", "application/json"];
    window.opened = 0;
    window.read = [];
    const attempt = async (base, { method, path, body }) => {
        const url = base + path;
        const text = method === "GET" ? undefined : JSON.stringify(body);
        const form = method === "GET" ? undefined : new URLSearchParams(body);
        for (const mode of ["no-cors", "cors"]) {
            if (mode === "no-cors" && !["GET", "POST"].includes(method)) continue;
            for (const kind of method === "GET" ? [null] : kinds) {
                const headers = kind ? { "Content-Type": kind } : {};
                const options = { method, mode, headers, credentials: "include", redirect: "manual" };
                options.body = kind === kinds[0] ? form : text;
                options.signal = AbortSignal.timeout(5000);
                try {
                    const answer = await fetch(url, options);
                    if (answer.ok) window.read.push(method + " " + url);
                } catch { /* as it should be */ }
            }
        }
        if (method === "GET") new Image().src = url;
        if (method === "POST") {
            const frame = document.createElement("iframe");
            frame.name = "frame" + window.opened++;
            const sent = document.createElement("form");
            Object.assign(sent, { method: "post", action: url, target: frame.name });
            for (const [name, value] of Object.entries(body)) {
                const field = document.createElement("input");
                Object.assign(field, { name, value });
                sent.append(field);
            }
            document.body.append(frame, sent);
            sent.submit();
        }
    };
    const all = bases.flatMap((base) => requests.map((request) => () => attempt(base, request)));
    const worker = async () => { for (let next; (next = all.pop());) await next(); };
    window.done = false;
    Promise.all([worker(), worker(), worker(), worker()]).then(() => setTimeout(() => { window.done = true; }, 500));
"#;

/// Another site: an empty page on every path.
fn other_site() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // The browser opens connections ahead of its requests: each gets a thread.
            std::thread::spawn(|| greet(stream.unwrap()));
        }
    });
    address
}

fn greet(mut stream: TcpStream) {
    let page = "<!doctype html><title>free horses</title><body>";
    let len = page.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length";
    if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
        let _ = write!(stream, "{head}: {len}\r\n\r\n{page}");
    }
}

fn ask(daemon: &Daemon, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let (kind, body) = match body {
        Some(body) => ("Content-Type: application/json\r\n", body.to_string()),
        None => ("", String::new()),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{BASIC}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client::ask(daemon.address, &request)
}

/// Requests whose effect is visible if the client has the right.
fn telling(media: u64, line: u64) -> Vec<(&'static str, String, Value)> {
    let request = |method, path: &str, body| (method, path.to_owned(), body);
    vec![
        request("PATCH", "/api/v1/settings", json!({ "stream.quality": 31 })),
        request("POST", "/api/v1/pause", json!({})),
        request("PATCH", "/api/v1/picture", json!({ "grayscale": true })),
        request("PATCH", "/api/v1/light", json!({ "brightness": 0.4 })),
        request("POST", "/api/v1/snapshots", json!({})),
        request("POST", "/api/v1/lines", json!({ "name": "theirs", "a": [0.1, 0.1], "b": [0.9, 0.9] })),
        request("PATCH", &format!("/api/v1/lines/{line}"), json!({ "name": "renamed" })),
        request("PATCH", &format!("/api/v1/media/{media}"), json!({ "name": "renamed" })),
        request("POST", "/api/v1/tokens", json!({ "name": "theirs", "scopes": ["control"] })),
        request("PUT", "/api/v1/users/mallory", json!({ "role": "admin", "password": "mallory's horse" })),
        request("GET", "/grayscale?value=1", json!({})),
        request("GET", "/set_brightness?brightness=3", json!({})),
        request("GET", "/resolution?value=half", json!({})),
    ]
}

/// The camera's visible state: each list and setting that a request could change.
fn shown(daemon: &Daemon) -> BTreeMap<&'static str, Value> {
    let paths = [
        "/api/v1/settings",
        "/api/v1/picture",
        "/api/v1/light",
        "/api/v1/lines",
        "/api/v1/zones",
        "/api/v1/media",
        "/api/v1/media/retention",
        "/api/v1/tokens",
        "/api/v1/users",
        "/api/v1/model",
        "/api/v1/recording",
    ];
    let mut shown: BTreeMap<_, _> = paths
        .into_iter()
        .map(|path| {
            let answer = ask(daemon, "GET", path, None);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            (path, answer.json())
        })
        .collect();
    let state = ask(daemon, "GET", "/api/v1/state", None).json()["state"].clone();
    shown.insert("paused", json!(state == "paused"));
    // The last use of a token and the free space of the disk change by themselves.
    for value in shown.values_mut() {
        if let Some(own) = value.as_object_mut() {
            own.retain(|key, _| !["storage", "free_bytes", "as_of", "now"].contains(&&**key));
        }
    }
    shown
}

/// Every changing route of the OpenAPI document, filled with existing ids.
fn changing(daemon: &Daemon, media: u64, line: u64) -> Vec<Value> {
    let document = ask(daemon, "GET", "/api/v1/openapi.json", None).json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let right = operation["x-right"].as_str().unwrap();
            // Routes that switch something off are not tried, in case one ever gets through.
            if method != "get" || ["operator", "admin", "key"].contains(&right) {
                let id = if path.contains("lines") { line } else { media };
                let path = path.replace("{id}", &id.to_string()).replace("{name}", "nobody.jpg");
                all.push(json!({ "method": method.to_uppercase(), "path": path, "body": {} }));
            }
        }
    }
    all
}

fn attack(browser: &Browser, bases: &[String], requests: &[Value]) -> Vec<Value> {
    let arguments = json!([bases, requests]).to_string();
    browser.script(&ATTACK.replace("ARGUMENTS", &arguments));
    browser.wait_for("window.done");
    browser.script("return window.read").as_array().unwrap().clone()
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let Some(browser) = Browser::start(Wanted::DESKTOP) else { return };
    let sets = crate::scene(&["lights.kind=\"sim\"", "lights.pixels=8", "detect.backend=\"none\""]);
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets);
    let port = daemon.address.port();
    let site = other_site();
    let taken = ask(&daemon, "POST", "/api/v1/snapshots", Some(&json!({})));
    let media = taken.json()["id"].as_u64().unwrap();
    let line = json!({ "name": "ours", "a": [0.2, 0.5], "b": [0.8, 0.5] });
    let line = ask(&daemon, "POST", "/api/v1/lines", Some(&line)).json()["id"].as_u64().unwrap();
    let telling: Vec<Value> = telling(media, line)
        .into_iter()
        .map(|(method, path, body)| json!({ "method": method, "path": path, "body": body }))
        .collect();
    let requests = [&telling[..], &changing(&daemon, media, line)].concat();
    assert!(requests.len() > 90, "{}", requests.len());
    let bases = [format!("http://{}", daemon.address), format!("http://rebound.example:{port}")];

    // Without a password, as shipped: this machine's own browser may do everything, the site in it nothing.
    let before = shown(&daemon);
    // Another port of the same host stands for a rebound name: the browser treats it as the same site.
    for host in ["horses.example", "rebound.example"] {
        browser.goto(&format!("http://{host}:{}/", site.port()));
        assert_eq!(attack(&browser, &bases, &requests), Vec::<Value>::new());
        assert_eq!(shown(&daemon), before, "by {host}, without a password");
    }
    browser.goto(&format!("http://rebound.example:{port}/"));
    assert!(browser.text("body").contains("rebound.example"), "{}", browser.text("body"));

    // Signed in, with a stored cookie.
    let password = json!({ "password": "correct horse" });
    assert_eq!(ask(&daemon, "PUT", "/api/v1/password", Some(&password)).status, 200);
    let before = shown(&daemon);
    browser.goto(&format!("http://{}/sign-in", daemon.address));
    browser.fill("input[name=password]", "correct horse");
    browser.click("form[action='sign-in'] button");
    browser.wait_for("!location.pathname.endsWith('sign-in')");
    for host in ["horses.example", "rebound.example"] {
        browser.goto(&format!("http://{host}:{}/", site.port()));
        assert_eq!(attack(&browser, &bases, &requests), Vec::<Value>::new());
        assert_eq!(shown(&daemon), before, "by {host}, beside a session");
    }

    // From the camera's own page the same requests do change it, so the attack was a real one.
    browser.goto(&format!("http://{}/", daemon.address));
    attack(&browser, &bases[..1], &telling);
    let after = shown(&daemon);
    let changed: Vec<_> = before.keys().filter(|path| before[*path] != after[*path]).collect();
    for path in
        ["paused", "/api/v1/settings", "/api/v1/lines", "/api/v1/media", "/api/v1/tokens", "/api/v1/users"]
    {
        assert!(changed.contains(&&path), "{path} is as it was; changed: {changed:?}");
    }
}
