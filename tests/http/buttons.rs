//! Every button of every page, pressed as nobody, viewer, operator and admin: with its own values, emptied, and with
//! nonsense. No answer names a key, a path of the machine, an error number or the words of a library.

use std::process::Command;

use serde_json::json;
use tallycam::access::{Access, Role};
use tallycam::base::unicode::percent_encoded;
use tallycam::config::keys;

use crate::access::{FORM, PASSWORD, basic, cookie};
use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;

const PAGES: &str = "/ /lines /lines?line=1 /lines?line=new /lines?zone=1 /lines?zone=new /lines?mask=new \
    /counts /crossings /checks /models /sign-in /claim /access /all /notifications /settings /backup \
    /factory-reset /update /lights /welcome /cameras \
    /diagnosis /log /activity /media /player?id=1 /database";

/// Forms that set the clock of this machine, or switch it off or on.
const NEVER: [&str; 3] = ["/api/v1/clock", "/api/v1/power", "/shutdown"];

/// Forms that remove what others are about: pressed last.
const LAST: &str = "reset restore media/new password sessions users tokens sign-out";

/// Words of the inside, besides the keys of the configuration.
const INSIDE: &str = "os error|errno|/var/|/tmp/|/etc/|/api/v1/|.toml|.db:|Err(|invalid type|missing field|unknown \
    field|SQLITE|constraint failed|expected value|not TOML|failed to lookup|`|panicked";

/// The words that a page is meant to show: the beginning of its title, and the words around.
const MEANT: [(&str, &str); 9] = [
    // The file in which a pinned setting can be changed.
    ("Settings", "Set in "),
    ("Cameras", "Set in "),
    // The path of the pictures, to find the file.
    ("Database", "Location"),
    // The card's file, which the reset applies again.
    ("Backup", "on a card,  tallycam.toml"),
    // Names and addresses of files.
    ("Models", "ssdlite_mobilenet_v2"),
    ("Models", "https://"),
    // A command that no page can replace.
    ("Media", "ffmpeg -i CLIP"),
    // Its findings are what `tallycam check` says.
    ("Diagnosis", ""),
    // Its lines are written for the operator of the machine.
    ("Log", ""),
];

/// The name of the model in use.
const MODEL: &str = "yolox_nano_320";

#[derive(Default)]
struct Form {
    id: String,
    method: String,
    is_file: bool,
    action: String,
    /// Name, type and value of each field.
    fields: Vec<(String, String, String)>,
    /// Name and value of each button; the method and the address, if they are others.
    buttons: Vec<(String, String, Option<String>, Option<String>)>,
}

fn unescaped(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescaped(rest.split('"').next()?))
}

/// Each tag with the text behind it.
fn tags(html: &str) -> impl Iterator<Item = (&str, &str)> {
    html.split('<').skip(1).filter_map(|part| part.split_once('>'))
}

fn forms(html: &str) -> Vec<Form> {
    let begins = tags(html).filter(|(tag, _)| tag.starts_with("form "));
    let form = |(tag, _)| {
        let [id, method, action] =
            ["id", "method", "action"].map(|name| attribute(tag, name).unwrap_or_default());
        Form { id, method, action, is_file: tag.contains("enctype=\"multipart"), ..Form::default() }
    };
    let mut all: Vec<Form> = begins.map(form).collect();
    let (mut begun, mut is_open) = (0, false);
    for (tag, text) in tags(html) {
        let get = |name: &str| attribute(tag, name).unwrap_or_default();
        let word = tag.split(' ').next().unwrap();
        (begun, is_open) = match word {
            "form" => (begun + 1, true),
            "/form" => (begun, false),
            _ => (begun, is_open),
        };
        let form = match attribute(tag, "form") {
            Some(id) => all.iter_mut().find(|form| form.id == id),
            None => all.get_mut(begun - usize::from(begun > 0)).filter(|_| is_open),
        };
        let Some(form) = form else { continue };
        let kind = attribute(tag, "type").unwrap_or_else(|| word.to_owned());
        match (word, &*kind) {
            ("button", "button" | "submit") => {
                let [method, action] = ["formmethod", "formaction"].map(|name| attribute(tag, name));
                form.buttons.push((get("name"), get("value"), method, action));
            }
            ("input", "checkbox" | "radio") if !tag.contains(" checked") => {}
            ("input" | "select" | "textarea", _) => {
                let value = if word == "textarea" { unescaped(text) } else { get("value") };
                form.fields.push((get("name"), kind, value));
            }
            ("option", _) => match form.fields.last_mut() {
                Some((.., value)) if value.is_empty() || tag.contains(" selected") => *value = get("value"),
                _ => {}
            },
            _ => {}
        }
    }
    all
}

/// The texts that a person reads, and the words of attributes, each after the text before it.
fn read_aloud(html: &str) -> Vec<(String, String)> {
    let (mut all, mut is_silent, mut before) = (Vec::new(), false, String::new());
    for (tag, text) in tags(html) {
        match tag.split(' ').next().unwrap() {
            "script" | "style" | "template" | "textarea" => is_silent = true,
            "/script" | "/style" | "/template" | "/textarea" => is_silent = false,
            _ => {}
        }
        let told = ["title", "aria-label", "placeholder", "alt"].map(|name| attribute(tag, name));
        all.extend(told.into_iter().flatten().map(|told| (String::new(), told)));
        if !is_silent && !text.trim().is_empty() {
            let text = unescaped(text);
            all.push((before, text.clone()));
            before = text;
        }
    }
    all
}

/// The inside words of an answer.
fn inside(answer: &Answer) -> Vec<String> {
    if !answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        return Vec::new();
    }
    let html = answer.text();
    let title = html.split_once("<title>").map_or("", |(_, rest)| rest);
    let is_key = |text: &str| {
        let is_one = |word: &str| {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
            // A name of a file begins with its date.
            word.contains('_') && word.starts_with(char::is_alphabetic) && word.chars().all(is_plain)
                || keys::all().any(|key| {
                    word == format!("[{}]", key.section) || word.contains('.') && word == key.path()
                })
        };
        text.split(|c: char| !(c.is_alphanumeric() || "._[]".contains(c)))
            .any(|word| is_one(word.trim_end_matches('.')))
    };
    let is_meant =
        |text: &str| MEANT.iter().any(|(page, words)| title.starts_with(page) && text.contains(words));
    let is_inside = |text: &str| INSIDE.split('|').any(|word| text.contains(word)) || is_key(text);
    let all = read_aloud(html).into_iter().filter(|(_, text)| is_inside(&text.replace(MODEL, "")));
    all.map(|(before, text)| format!("{before} {text}")).filter(|text| !is_meant(text)).collect()
}

fn sent(daemon: &Daemon, method: &str, path: &str, head: &str, body: &str) -> Answer {
    let head = format!("{head}Content-Length: {}\r\n", body.len());
    client::ask(daemon.address, &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{body}"))
}

struct Presser<'a> {
    daemon: &'a Daemon,
    name: &'static str,
    cookie: String,
    pressed: usize,
    found: Vec<String>,
}

impl Presser<'_> {
    fn sign_in(&mut self, after: &str) {
        if !self.name.is_empty() {
            // The admin is the owner, who is no user that a button can remove.
            let (name, password) =
                if self.name == "ada" { ("", PASSWORD) } else { (self.name, "some horse") };
            let body = format!("name={name}&password={}&next=.%2F", percent_encoded(password));
            self.cookie.clear();
            let answer = self.ask("POST", "/sign-in", FORM, &body);
            assert_eq!(answer.status, 303, "{:?} signs in after {after}", self.name);
            self.cookie = cookie(&answer);
        }
    }

    /// As a browser of another machine; each press from another one, so that no address is locked out.
    fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let ip = format!("10.0.{}.{}", self.pressed / 250, self.pressed % 250 + 1);
        let own = format!(
            "X-Forwarded-For: {ip}\r\nOrigin: http://localhost\r\nAccept: text/html\r\n{}",
            self.cookie
        );
        sent(self.daemon, method, path, &format!("{own}{head}"), body)
    }

    /// Presses each button of the form in three ways.
    fn press(&mut self, page: &str, form: &Form) {
        let none = [Default::default()];
        let buttons = if form.buttons.is_empty() { &none[..] } else { &form.buttons[..] };
        for ((name, value, method, action), way) in
            buttons.iter().flat_map(|button| ["nonsense", "empty", "own"].map(|way| (button, way)))
        {
            let action = action.as_ref().unwrap_or(&form.action);
            let path = match action.split('#').next().unwrap().trim_start_matches("./") {
                "" => page.split('?').next().unwrap().to_owned(),
                path => format!("/{path}"),
            };
            if NEVER.iter().any(|never| path.starts_with(never)) {
                continue;
            }
            let typed = |(name, kind, value): &(String, String, String)| match (&**kind, way) {
                ("hidden" | "checkbox" | "radio", _) | (_, "own") => value.clone(),
                (_, "empty") => String::new(),
                ("number" | "range" | "date" | "time", _) => String::from("x"),
                _ => "<b>é😀".repeat(1 + 59 * (name.len() % 2)),
            };
            let pair =
                |name: &str, text: &str| format!("{}={}", percent_encoded(name), percent_encoded(text));
            let mut sent: Vec<String> =
                form.fields.iter().map(|field| pair(&field.0, &typed(field))).collect();
            sent.extend(Some(pair(name, value)).filter(|_| !name.is_empty()));
            let sent = sent.join("&");
            let answer = if method.as_ref().unwrap_or(&form.method) != "post" {
                self.ask("GET", &format!("{}?{sent}", path.split('?').next().unwrap()), "", "")
            } else if form.is_file {
                let (field, ..) = form.fields.iter().find(|(_, kind, _)| kind == "file").unwrap();
                let name = format!("name=\"{field}\"; filename=\"x\"");
                let part = format!("--b\r\nContent-Disposition: form-data; {name}\r\n\r\n<b>\r\n--b--\r\n");
                let body = if way == "empty" { "--b--\r\n" } else { &part };
                self.ask("POST", &path, "Content-Type: multipart/form-data; boundary=b\r\n", body)
            } else {
                self.ask("POST", &path, FORM, &sent)
            };
            self.pressed += 1;
            self.look(&format!("{way} {name}={value}: {path} from {page}"), answer);
        }
    }

    fn look(&mut self, what: &str, mut answer: Answer) {
        if answer.status == 303 {
            let to = answer.header("location").unwrap().split('#').next().unwrap();
            let to = to.trim_start_matches("../").trim_start_matches("./");
            answer = self.ask("GET", &format!("/{to}"), "", "");
        }
        let words = inside(&answer);
        if answer.status == 500 || !words.is_empty() {
            self.found.push(format!("{:?} {what}: {} {words:?}", self.name, answer.status));
        }
        if answer.status == 401 {
            self.sign_in(what);
        }
    }
}

#[test]
fn no_button_is_answered_by_words_of_the_inside() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path());
    access.set(PASSWORD).unwrap();
    for (name, role) in [("vera", Role::Viewer), ("otto", Role::Operator), ("ada", Role::Admin)] {
        access.set_user(name, Some(role), Some("some horse")).unwrap();
    }
    drop(access);
    let file = folder.path().join("config.toml");
    let store = folder.path().display();
    let config = format!(
        "[source]\nkind = \"sim\"\nfps = 5\nwidth = 320\nheight = 180\n[lights]\nkind = \"sim\"\n[store]\n\
         directory = \"{store}\"\n"
    );
    std::fs::write(&file, config).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    let daemon = Daemon::start(program, &["--config", file.to_str().unwrap()]);
    for (path, body) in [
        ("lines", json!({"name": "Door", "a": [0.5, 1], "b": [0.5, 0]})),
        ("zones", json!({"name": "Hall", "points": [[0, 0], [1, 0], [1, 1]]})),
        ("tokens", json!({"name": "hass", "scopes": ["stream"]})),
        ("snapshots", json!({"name": "One.jpg"})),
    ] {
        let head = format!("{}Content-Type: application/json\r\n", basic("ada", "some horse"));
        let made = sent(&daemon, "POST", &format!("/api/v1/{path}"), &head, &body.to_string());
        assert_eq!(made.status, 201, "{path}: {}", made.text());
    }
    // A script of a page gets the pages' words, and a program the names of fields.
    let label = format!("“{}”", keys::find_path("access.view").unwrap().label);
    for (page, name) in [("X-Page: 1\r\n", &*label), ("", "`access.view`")] {
        let head = format!("{}{page}Content-Type: application/json\r\n", basic("ada", "some horse"));
        let refused = sent(&daemon, "PATCH", "/api/v1/settings", &head, "{\"access.view\": \"x\"}").json();
        assert!(refused["detail"].as_str().unwrap().starts_with(name), "{refused}");
    }
    let mut found = Vec::new();
    for (name, least) in [("", 10), ("vera", 20), ("otto", 50), ("ada", 80)] {
        let mut presser =
            Presser { daemon: &daemon, name, cookie: String::new(), pressed: 0, found: Vec::new() };
        presser.sign_in("the start");
        let mut all: Vec<(&str, Form)> = Vec::new();
        for page in PAGES.split_whitespace() {
            let answer = presser.ask("GET", page, "", "");
            if answer.status == 200 {
                all.extend(forms(answer.text()).into_iter().map(|form| (page, form)));
            }
            presser.look(page, answer);
        }
        assert!(all.len() >= least, "{name:?} sees {} forms", all.len());
        all.sort_by_key(|(_, form)| LAST.split(' ').any(|last| form.action.contains(last)));
        for (page, form) in &all {
            presser.press(page, form);
        }
        println!("{name:?}: {} forms, pressed {} times", all.len(), presser.pressed);
        found.extend(presser.found);
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{} answers:\n{}", found.len(), found.join("\n"));
}
