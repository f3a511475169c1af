//! Answers of every route and output of every read-only command, on a fixed store and configuration, compared with
//! `tests/golden/http/` (`UPDATE_GOLDEN=1` rewrites it). A change of words shows there as a diff; a refactoring
//! leaves it empty.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tallycam::access::{Access, Role};
use tallycam::base::clock;
use tallycam::store::media::Media;
use tallycam::store::{
    Anchor, Counts, CountsOptions, Direction, FoundAgain, LineDraft, Recount, Scene, ZoneDraft,
};

use crate::access::{PASSWORD, basic};
use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::common::items::{Items, MONDAY, recording, snapshot, wait};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tallycam");
const S: u64 = 1_000_000;

/// The program's clock at its start: 14:02:20 on [`MONDAY`].
const NOW_US: u64 = MONDAY + (4 * 3600 + 140) * S;

/// A folder with a store, and the program run on it at that time.
struct Fixed {
    items: Items,
    library: PathBuf,
    offset_us: i64,
}

impl Fixed {
    fn new() -> Fixed {
        let items = filled();
        fs::write(items.folder.path().join("config.toml"), CONFIG).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/set_clock.c");
        let library = items.folder.path().join("set_clock.so");
        let mut cc = Command::new("cc");
        let built = cc.args(["-O1", "-fPIC", "-shared", "-o"]).arg(&library).arg(source).output();
        let built = built.expect("a C compiler is needed: apt install gcc libc6-dev");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Fixed { items, library, offset_us: NOW_US as i64 - clock::monotonic_us() as i64 }
    }

    /// The program with its configuration; the caller adds a command.
    fn program(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.env("LD_PRELOAD", &self.library).env("WALL_OFFSET_US", self.offset_us.to_string());
        command.env("COLUMNS", "100").env_remove("STATE_DIRECTORY").current_dir(self.items.folder.path());
        let state = format!("store.directory={}", self.items.state().display());
        command.args(["--config", "config.toml", "--set", &state]);
        command
    }
}

/// The configuration of all requests below.
const CONFIG: &str = r#"
name = "door"
[source]
kind = "sim"
width = 640
height = 360
[detect]
backend = "none"
[counts]
time_zone = "UTC"
[lights]
kind = "sim"
[http]
allow_origins = ["https://panel.example"]
[retention]
snapshots_age = "60d"
[power]
key = "a key that is long enough"
[lens]
kind = "sim"
"#;

/// Addresses with a query, beside each route without one. The crossings and items are of 1 June 2026.
const ASKED: &[&str] = &[
    "/api/v1/counts?from=2026-06-01&to=2026-06-02&bucket=hour",
    "/api/v1/counts?from=2026-06-01&to=2026-06-02&bucket=day&format=csv",
    "/api/v1/counts?from=2026-06-01T09:00:00Z&to=2026-06-01T12:00:00Z&bucket=total&line=Door",
    "/api/v1/counts?from=nonsense",
    "/api/v1/counts?bucket=nonsense",
    "/api/v1/counts?line=Nowhere",
    "/api/v1/crossings?from=2026-06-01&to=2026-06-02",
    "/api/v1/crossings?from=2026-06-01&to=2026-06-02&format=csv",
    "/api/v1/crossings?from=2026-06-01&to=2026-06-02&limit=1",
    "/api/v1/lines?scene=files",
    "/api/v1/lines?nonsense=1",
    "/api/v1/zones?scene=sim",
    "/api/v1/media?limit=1",
    "/api/v1/media?kind=recording",
    "/api/v1/media?q=walk",
    "/api/v1/media/1/content",
    "/api/v1/media/2/content?format=avi",
    "/api/v1/media/2/content?format=nonsense",
    "/api/v1/media/2/index?format=csv",
    "/api/v1/media/zip?ids=1,2&as=avi",
    "/api/v1/media/zip?ids=x",
    "/api/v1/media/retention?snapshots_age=1d",
    "/api/v1/log?lines=0",
    "/snapshot?filename=",
    "/snapshot.jpg?rotate=45",
    "/api/v1/snapshot.jpg?rotate=45",
    "/autofocus?status=nonsense",
    "/set_focus?value=nonsense",
    "/step_focus?direction=nonsense",
    "/light?status=nonsense",
    "/set_brightness?value=nonsense",
    "/set_color?value=nonsense",
    "/shutdown?key=wrong",
    "/reboot?key=wrong",
    "/database/add?filename=nothing.jpg",
    "/database/remove?filename=nothing.jpg",
    "/nothing",
    "/api/v1/nothing",
    "/api/v1/lines/999",
    "/api/v1/media/999",
    "/media/nothing.jpg",
    "/lines?line=new",
    "/lines?line=1",
    "/counts?from=2026-06-01&to=2026-06-02",
    "/counts?from=nonsense",
    "/media?q=walk",
    "/media?ask=delete&ids=1",
    "/player?id=2",
    "/player?id=999",
    "/sign-in?next=lines",
];

/// Changes, in this order: each answer is recorded, also of those that succeed.
const CHANGES: &[(&str, &str, &str)] = &[
    ("POST", "/api/v1/lines", r#"{"name": "Gate", "a": [0.1, 0.2], "b": [0.9, 0.2]}"#),
    ("POST", "/api/v1/lines", r#"{"name": "Gate", "a": [0.1, 0.2], "b": [0.9, 0.2]}"#),
    ("POST", "/api/v1/lines", r#"{"name": "Point", "a": [0.1, 0.2], "b": [0.1, 0.2]}"#),
    ("POST", "/api/v1/lines", r#"{"name": 7}"#),
    ("POST", "/api/v1/lines", "{"),
    ("POST", "/api/v1/lines", ""),
    ("PATCH", "/api/v1/lines/1", r#"{"in_name": "home"}"#),
    ("PATCH", "/api/v1/lines/999", r#"{"in_name": "home"}"#),
    ("DELETE", "/api/v1/lines/2", ""),
    ("POST", "/api/v1/zones", r#"{"name": "Bench", "points": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]}"#),
    ("POST", "/api/v1/zones", r#"{"name": "Flat", "points": [[0.1, 0.1], [0.5, 0.1]]}"#),
    ("PATCH", "/api/v1/zones/1", r#"{"name": "Yard"}"#),
    ("PATCH", "/api/v1/media/1", r#"{"note": "a cat"}"#),
    ("PATCH", "/api/v1/media/1", r#"{"name": "walk.mp4"}"#),
    ("PATCH", "/api/v1/media/1", r#"{"name": "../x.jpg"}"#),
    ("POST", "/api/v1/media/keep", r#"{"ids": [1], "keep": true}"#),
    ("POST", "/api/v1/media/delete", r#"{"ids": [1, 999]}"#),
    ("POST", "/api/v1/media?name=bad.jpg", "no picture"),
    ("PUT", "/api/v1/media/retention", r#"{"recordings_age": "30d"}"#),
    ("PUT", "/api/v1/media/retention", r#"{"snapshots_age": "1d"}"#),
    ("PATCH", "/api/v1/settings", r#"{"stream.quality": 70}"#),
    ("PATCH", "/api/v1/settings", r#"{"stream.quality": 700}"#),
    ("PATCH", "/api/v1/settings", r#"{"stream.qualty": 70}"#),
    ("PATCH", "/api/v1/settings", r#"{"name": "window"}"#),
    ("PUT", "/api/v1/settings.toml", "[stream]\nquality = 0\n"),
    ("PATCH", "/api/v1/picture", r#"{"rotate": 90}"#),
    ("PATCH", "/api/v1/picture", r#"{"rotate": 45}"#),
    ("PATCH", "/api/v1/light", r#"{"on": true, "brightness": 0.5}"#),
    ("PATCH", "/api/v1/light", r#"{"brightness": 5}"#),
    ("PATCH", "/api/v1/controls", r#"{"nonsense": 1}"#),
    ("PATCH", "/api/v1/lens", r#"{"position": 5}"#),
    ("PUT", "/api/v1/model", r#"{"name": "nothing"}"#),
    ("POST", "/api/v1/model/fetch", r#"{"name": "nothing"}"#),
    ("PUT", "/api/v1/users/bob", r#"{"role": "viewer", "password": "a long password"}"#),
    ("PUT", "/api/v1/users/bob", r#"{"role": "nonsense"}"#),
    ("DELETE", "/api/v1/users/nobody", ""),
    ("POST", "/api/v1/tokens", r#"{"name": "x", "scopes": ["nonsense"]}"#),
    ("DELETE", "/api/v1/tokens/999", ""),
    ("DELETE", "/api/v1/sessions/999", ""),
    ("PUT", "/api/v1/password", r#"{"password": "x"}"#),
    ("POST", "/api/v1/links", r#"{"address": "/nothing", "for": "1h"}"#),
    ("POST", "/api/v1/counts/reset", r#"{"line": 999}"#),
    ("POST", "/api/v1/counts/recount", r#"{"recording": 999}"#),
    ("POST", "/api/v1/clock", r#"{"time": "soon"}"#),
    ("POST", "/api/v1/power", r#"{"do": "nonsense"}"#),
    ("POST", "/api/v1/media/aside/delete", r#"{"name": "nothing"}"#),
    ("POST", "/api/v1/media/check", "{}"),
];

const COMMANDS: &[&[&str]] = &[
    &["config", "check"],
    &["config", "show"],
    &["settings", "list"],
    &["settings", "get", "stream.quality"],
    &["settings", "get", "nonsense"],
    &["settings", "export"],
    &["counts", "show", "--from", "2026-06-01", "--to", "2026-06-02"],
    &["counts", "show", "--from", "2026-06-01", "--to", "2026-06-02", "--json"],
    &["counts", "export", "--from", "2026-06-01", "--to", "2026-06-02"],
    &["media", "list"],
    &["media", "list", "--json"],
    &["media", "show", "walk.mp4"],
    &["media", "show", "nothing.jpg"],
    &["media", "retention"],
    &["model", "list"],
    &["focus", "show"],
    &["light", "show"],
    &["controls", "list"],
    &["record", "status"],
    &["user", "list"],
    &["token", "list"],
    &["nonsense"],
    &["counts", "show", "--bucket", "nonsense"],
];

/// A counts.db with a line, a zone and two crossings on that Monday; two items; two users.
fn filled() -> Items {
    let items = Items::new();
    items.fill(|media: &Media| {
        snapshot(media, "still.jpg", 1, 200 * S);
        recording(media, "walk.mp4", 0, &(0..40).map(|at| at * S / 10).collect::<Vec<_>>());
    });
    let counts_db = CountsOptions {
        directory: items.state(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    };
    let (counts, worker) = Counts::open(counts_db).unwrap();
    let draft = LineDraft::new("Door", [0.5, 1.0], [0.5, 0.0]);
    let door = wait(counts.add_line(Scene::Sim, draft)).unwrap();
    let zone = ZoneDraft {
        name: String::from("Step"),
        points: vec![[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]],
        classes: Vec::new(),
        anchor: Anchor::default(),
        exclude: false,
    };
    wait(counts.add_zone(Scene::Sim, zone)).unwrap();
    let found = |track, direction, at_us| FoundAgain {
        line: door.id,
        track,
        ordinal: 1,
        class: "person".into(),
        direction,
        score: 0.5,
        time_us: MONDAY + at_us,
    };
    let recount = Recount {
        scene: Scene::Sim,
        camera: String::from("door"),
        recording: String::from("walk.mp4"),
        model: String::from("test"),
        is_time_sure: true,
        spans: vec![(MONDAY - 10 * S, MONDAY + 10 * S)],
        lines: vec![(door.id, door.version)],
        crossings: vec![found(1, Direction::In, 3 * S), found(2, Direction::Out, 4 * S)],
    };
    wait(counts.recount(recount)).unwrap();
    counts.stop();
    drop(worker);
    let file = rusqlite::Connection::open(items.state().join("counts.db")).unwrap();
    let ledger = "UPDATE settings SET value = '5c1e0d2f9b7a4468' WHERE key = 'ledger'";
    assert_eq!(file.execute(ledger, ()).unwrap(), 1);
    let access = Access::open(&items.state());
    access.set(PASSWORD).unwrap();
    access.set_user("ann", Some(Role::Operator), Some("ann's long password")).unwrap();
    items
}

/// The text with everything masked that differs from run to run.
fn masked(text: &str, daemon: &Daemon, items: &Items) -> String {
    let mut text = text
        .replace(&daemon.address.to_string(), "ADDRESS")
        .replace(&format!(":{}", daemon.address.port()), ":PORT")
        .replace(&items.folder.path().to_string_lossy().into_owned(), "FOLDER");
    for (pattern, mask) in PATTERNS {
        text = replaced(&text, pattern, mask);
    }
    for (before, mask) in VALUES {
        text = behind(&text, before, mask);
    }
    // The start and the question may or may not fall into the same interval.
    while let Some(at) = text.find("<td class=\"l\">tallycam was off</td>") {
        let from = text[..at].rfind("<tr>").unwrap();
        let to = at + text[at..].find("</tr>").unwrap() + "</tr>".len();
        text.replace_range(from..to, "");
    }
    text
}

/// Patterns of text that differs between runs and machines: the present, other dates than the Monday's, sizes of the
/// disk. `9` stands for any digit.
const PATTERNS: &[(&str, &str)] = &[
    ("T14:09:99.999999Z", "TNOW"),
    ("T14:09:99.999Z", "TNOW"),
    ("14:09:99", "NOW"),
    ("14:09", "NOW"),
    // The start and the question may or may not fall into the same interval.
    (",{\"from\":\"2026-06-01TNOW\",\"to\":\"2026-06-01TNOW\",\"why\":\"off\"}", ""),
    ("1780322999999", "VERSION"),
    ("58.99%", "58.NN%"),
    ("16.89%", "16.8N%"),
    ("\"x\" width=\"99.99%\"", "\"x\" width=\"NN%\""),
    ("999.9 GB", "N GB"),
    ("99.9 GB", "N GB"),
    ("9.9 GB", "N GB"),
    ("9.99 GB", "N GB"),
    ("999 GB", "N GB"),
    ("99 GB", "N GB"),
    ("9.9 TB", "N GB"),
    ("9.99 TB", "N GB"),
    ("9 TB", "N GB"),
];

/// Prefixes of values that differ. A value reaches to the next character that ends a number or a word.
const VALUES: &[(&str, &str)] =
    &[("\"free\":", "N"), ("\"uptime_s\":", "N"), ("\"total\":", "N"), ("&amp;_=", "N")];

fn replaced(text: &str, pattern: &str, mask: &str) -> String {
    let is_like = |part: &[u8]| {
        part.len() == pattern.len()
            && part.iter().zip(pattern.bytes()).all(|(&is, wanted)| match wanted {
                b'9' => is.is_ascii_digit(),
                wanted => is == wanted,
            })
    };
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let part = &bytes[at..(at + pattern.len()).min(bytes.len())];
        if is_like(part) {
            out.extend_from_slice(mask.as_bytes());
            at += part.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

fn behind(text: &str, before: &str, mask: &str) -> String {
    let mut parts = text.split(before);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end =
            part.find(|c: char| !c.is_ascii_alphanumeric() && !"._-+".contains(c)).unwrap_or(part.len());
        out += before;
        out += if end == 0 { "" } else { mask };
        out += &part[end..];
    }
    out
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/http")
}

/// Compares with the golden file, or writes it; returns the difference.
fn held(name: &str, actual: &str) -> Option<String> {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
        return None;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let lines = actual.lines().map(Some).chain(std::iter::repeat(None));
    let old = expected.lines().map(Some).chain(std::iter::repeat(None));
    let count = actual.lines().count().max(expected.lines().count());
    let differ = (1..=count).zip(lines.zip(old)).filter(|(_, (is, was))| is != was);
    let shown = differ.map(|(number, (is, was))| {
        let (is, was) = (is.unwrap_or("(the end)"), was.unwrap_or("(the end)"));
        let same = is.chars().zip(was.chars()).take_while(|(is, was)| is == was).count().saturating_sub(80);
        let show = |line: &str| line.chars().skip(same).take(300).collect::<String>();
        format!("{name}:{number}\n- {}\n+ {}\n", show(was), show(is))
    });
    let shown: String = shown.take(8).collect();
    (!shown.is_empty()).then_some(shown)
}

fn asked(daemon: &Daemon, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    let basic = basic("admin", PASSWORD);
    let len = body.len();
    client::ask(
        daemon.address,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{basic}{lines}Content-Length: {len}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

/// Status, the relevant headers, and the body if it is text.
fn written(answer: &Answer) -> String {
    let mut text = format!("{}\n", answer.status);
    for (name, value) in answer.headers() {
        if ![
            "date",
            "content-length",
            "set-cookie",
            "connection",
            "referrer-policy",
            "x-content-type-options",
            "x-timestamp",
        ]
        .contains(&&*name.to_lowercase())
        {
            writeln!(text, "{name}: {value}").unwrap();
        }
    }
    match std::str::from_utf8(&answer.body) {
        Ok("") => {}
        Ok(body) => writeln!(text, "\n{}", body.trim_end()).unwrap(),
        Err(_) => writeln!(text, "\n({} bytes)", if answer.body.is_empty() { "no" } else { "some" }).unwrap(),
    }
    text
}

struct Operation {
    method: String,
    path: String,
    is_page: bool,
    takes: Option<String>,
    is_endless: bool,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let answers = &operation["responses"]["200"]["content"];
            let takes = operation["requestBody"]["content"].as_object();
            all.push(Operation {
                method: method.to_uppercase(),
                path: path.replace("{id}", "1").replace("{name}", "still.jpg"),
                is_page: operation["tags"][0] == "pages",
                takes: takes.and_then(|kinds| kinds.keys().next().cloned()),
                is_endless: ["multipart/x-mixed-replace", "text/event-stream"].iter().any(|kind| {
                    answers.as_object().is_some_and(|all| all.keys().any(|said| said.contains(kind)))
                }) && path != "/",
            });
        }
    }
    all
}

/// The document, one path or schema per line.
fn in_lines(document: &Value) -> String {
    let mut text = String::new();
    for (key, value) in document.as_object().unwrap() {
        match (key.as_str(), value) {
            ("paths" | "components", Value::Object(all)) => {
                for (name, part) in all {
                    for (inner, value) in part.as_object().unwrap() {
                        writeln!(text, "{name} {inner} {value}").unwrap();
                    }
                }
            }
            _ => writeln!(text, "{key} {value}").unwrap(),
        }
    }
    text
}

/// Metrics without their values, except those of stored media and counts.
fn figures(text: &str) -> String {
    let value = |line: &str| {
        let fixed = ["tallycam_crossings", "tallycam_lines", "tallycam_media_items"];
        match line.rsplit_once(' ') {
            Some((series, _))
                if !line.starts_with('#') && !fixed.iter().any(|name| line.starts_with(name)) =>
            {
                format!("{series} VALUE\n")
            }
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(value).collect()
}

#[test]
fn every_route_and_every_read_only_command_answers_as_before() {
    let fixed = Fixed::new();
    let daemon = Daemon::start(fixed.program(), &[]);
    // Paused, so that the camera changes nothing.
    assert_eq!(asked(&daemon, "POST", "/api/v1/pause", "", "").status, 200);
    let mask = |text: &str| masked(text, &daemon, &fixed.items);
    let mut wrong = Vec::new();

    let document = asked(&daemon, "GET", "/api/v1/openapi.json", "", "").json();
    wrong.extend(held("openapi.txt", &mask(&in_lines(&document))));
    wrong.extend(held("metrics.txt", &mask(&figures(asked(&daemon, "GET", "/metrics", "", "").text()))));

    let all = operations(&document);
    let (mut api, mut refusals) = (String::new(), String::new());
    let left_out = [
        "/api/v1/openapi.json",
        "/metrics",
        "/api/v1/backup",
        "/api/v1/media/backup",
        "/api/v1/log",
        "/log",
        "/logs",
    ];
    let looks = all.iter().filter(|one| one.method == "GET" && !left_out.contains(&&*one.path));
    let looks = looks.map(|one| (one.is_page, one.is_endless, one.path.as_str()));
    let more = ASKED.iter().map(|path| {
        let plain = path.split('?').next().unwrap();
        (all.iter().any(|one| one.is_page && one.method == "GET" && one.path == plain), false, *path)
    });
    for (is_page, is_endless, path) in looks.chain(more) {
        // An old address that changes something is asked as by another site.
        let allow = asked(&daemon, "OPTIONS", path, "", "");
        let has_head = allow.header("allow").is_none_or(|allow| allow.contains("HEAD"));
        let method = if is_endless && has_head { "HEAD" } else { "GET" };
        let lines = if has_head || path.contains('?') { "" } else { "Origin: https://evil.example\r\n" };
        let answer = asked(&daemon, method, path, lines, "");
        let mut text = mask(&written(&answer));
        // The diagnosis depends on the machine.
        if path.contains("diagnosis") {
            text = format!("{}\n", answer.status);
        }
        if is_page {
            let name: String = path
                .trim_start_matches('/')
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            let name = if name.is_empty() { "live" } else { &name };
            wrong.extend(held(&format!("pages/{name}.txt"), &text));
        } else {
            writeln!(api, "=== {method} {path}\n{text}").unwrap();
        }
    }
    wrong.extend(held("api.txt", &api));

    for one in all.iter().filter(|one| one.method != "GET") {
        let Operation { method, path, takes, .. } = one;
        let answer = asked(&daemon, method, path, "Origin: https://evil.example\r\n", "");
        writeln!(refusals, "=== {method} {path} of another site\n{}", mask(&written(&answer))).unwrap();
        if path.starts_with("/api/") {
            let answer = asked(&daemon, method, &format!("{path}?nonsense=1"), "", "");
            writeln!(refusals, "=== {method} {path}?nonsense=1\n{}", mask(&written(&answer))).unwrap();
        }
        if takes.as_deref() == Some("application/json") {
            for body in ["{\"nonsense\": 1}", "nonsense"] {
                let answer = asked(&daemon, method, path, "Content-Type: application/json\r\n", body);
                writeln!(refusals, "=== {method} {path} {body}\n{}", mask(&written(&answer))).unwrap();
            }
        }
    }
    wrong.extend(held("refusals.txt", &refusals));

    let mut said = String::new();
    for arguments in COMMANDS {
        let listen = format!("http.listen=[\"{}\"]", daemon.address);
        let mut command = fixed.program();
        command.args(["--set", &listen]).args(*arguments);
        let (code, out, err) = crate::common::items::output_of(&command.output().unwrap());
        writeln!(said, "=== {}: {code}\n{}", arguments.join(" "), mask(&(out + &err))).unwrap();
    }
    wrong.extend(held("commands.txt", &said));

    let mut changes = String::new();
    for (method, path, body) in CHANGES {
        let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
        let lines = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let answer = asked(&daemon, method, path, &lines, body);
        writeln!(changes, "=== {method} {path} {body}\n{}", mask(&written(&answer))).unwrap();
    }
    wrong.extend(held("changes.txt", &changes));
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 rewrites them, if that is meant:\n{}", wrong.join("\n"));
}
