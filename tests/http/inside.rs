//! Nobody below an operator learns the inside of the machine. Every GET address is requested by each of them, from a
//! camera whose address, folders and devices contain marks.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tallycam::access::{Access, Role, Scope};

use crate::access::{PASSWORD, basic};
use crate::common::client::{self, Answer, Client};
use crate::common::counted::Listener;
use crate::common::daemon::Daemon;
use crate::common::wait_until;

/// The camera's host, which answers nothing; and a word in every path.
const HOST: &str = "127.0.0.57";
const PLACE: &str = "secretplace";

/// Streams have no end.
const ENDLESS: [&str; 5] = ["/stream", "/stream.mjpg", "/live", "/video_feed", "/api/v1/events"];

/// Further addresses, with a query.
const MORE: [&str; 4] =
    ["/api/v1/snapshot?w=320", "/?action=snapshot", "/snapshot.jpg?w=320", "/api/v1/lines?deleted=1"];

struct Marked {
    daemon: Daemon,
    /// Header lines of all clients below an operator.
    below: Vec<String>,
}

/// The program with marks in all settings; `spoil` may change its folder before the start.
fn start(folder: &Path, spoil: impl FnOnce(&Path)) -> Marked {
    let access = Access::open(folder);
    access.set(PASSWORD).unwrap();
    access.set_user("ann", Some(Role::Viewer), Some("only looking")).unwrap();
    let token = |scope| access.add_token(Scope::as_str(scope), &[scope], 1, None).unwrap().0;
    let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Control);
    let tokens = scopes.map(|scope| format!("Authorization: Bearer {}\r\n", token(scope)));
    let below = [String::new(), basic("ann", "only looking")].into_iter().chain(tokens).collect();
    drop(access);
    spoil(folder);
    let place = folder.display();
    let config = format!(
        "[source]\nkind = \"url\"\nurl = \"http://{HOST}:9/{PLACE}/live\"\n[store]\ndirectory = \"{place}\"\n\
         [detect]\nbackend = \"onnx\"\nmodel = \"{place}/none.onnx\"\n\
         [lights]\nkind = \"spi\"\ndevice = \"/dev/{PLACE}\"\non = true\n\
         [[line]]\nname = \"Door\"\na = [0.5, 1.0]\nb = [0.5, 0.0]\n\
         [[zone]]\nname = \"Queue\"\npoints = [[0.1, 0.5], [0.4, 0.5], [0.4, 1.0]]\n"
    );
    // Only the name of the file may be shown.
    let file = folder.join(format!("{PLACE}.toml"));
    std::fs::write(&file, config).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    let daemon = Daemon::start(program, &["--config", file.to_str().unwrap()]);
    Marked { daemon, below }
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix(PLACE).tempdir().unwrap()
}

impl Marked {
    fn get(&self, path: &str, head: &str) -> Answer {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\n{head}\r\n");
        client::ask(self.daemon.address, &request)
    }

    /// The admin's answer, which contains everything.
    fn whole(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.get(path, &basic("me", PASSWORD)).body).into_owned()
    }

    /// Asserts that nobody below an operator sees a mark; returns the number of checked answers.
    fn walk(&self) -> usize {
        let document = self.get("/api/v1/openapi.json", "").json();
        let mut paths: Vec<String> = MORE.map(String::from).to_vec();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let right = methods["get"]["x-right"].as_str().unwrap_or("key");
            if !["key", "operator", "admin"].contains(&right) && !ENDLESS.contains(&&**path) {
                paths.push(path.replace("{id}", "1").replace("{name}", "nobody.jpg"));
            }
        }
        let mut leaks = Vec::new();
        for path in &paths {
            for head in &self.below {
                let answer = self.get(path, head);
                let text = String::from_utf8_lossy(&answer.body);
                if let Some(at) = [HOST, PLACE].iter().find_map(|mark| text.find(mark)) {
                    let before = text[..at].chars().count();
                    let around: String = text.chars().skip(before.saturating_sub(120)).take(160).collect();
                    leaks.push(format!("{path} by {head:?}, {}: …{around}…", answer.status));
                }
            }
        }
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
        paths.len() * self.below.len()
    }

    /// The first event of each of these names.
    fn events(&self, names: &[&str], head: &str) -> Vec<Value> {
        let client = Client::new(TcpStream::connect(self.daemon.address).unwrap());
        let lines = format!("X-Forwarded-For: 10.0.0.7\r\n{head}");
        let mut listener = Listener::new(client, "/api/v1/events", &lines);
        let mut found: Vec<(String, Value)> = Vec::new();
        while !names.iter().all(|name| found.iter().any(|(known, _)| known == name)) {
            let event = listener.event().unwrap();
            found.push((event.name, event.data));
        }
        found.into_iter().map(|(_, data)| data).collect()
    }
}

#[test]
fn only_operators_learn_the_address_of_a_lost_camera() {
    let folder = folder();
    let marked = start(folder.path(), |_| ());
    wait_until("the camera is missed", || {
        marked.get("/api/v1/snapshot", &basic("me", PASSWORD));
        marked.whole("/api/v1/state").contains("\"state\":\"absent\"")
    });
    for path in ["/api/v1/state", "/api/v1/controls", "/api/v1/snapshot", "/api/v1/still.jpg", "/api/v1/lens"]
    {
        assert!(marked.whole(path).contains(HOST), "{path}: {}", marked.whole(path));
    }
    for path in ["/api/v1/lines", "/api/v1/zones", "/api/v1/model", "/models", "/api/v1/light"] {
        assert!(marked.whole(path).contains(PLACE), "{path}: {}", marked.whole(path));
    }
    assert!(marked.walk() > 200);
    let kind = marked.get("/api/v1/snapshot", "").json();
    assert_eq!(kind["detail"], "The camera is not there, or does not answer.", "{kind}");
    let names = ["state", "lines", "media", "recording"];
    let said = Value::from(marked.events(&names, &basic("me", PASSWORD))).to_string();
    assert!(said.contains(HOST) && said.contains(PLACE), "{said}");
    for head in ["", &basic("ann", "only looking")] {
        let said = Value::from(marked.events(&names, head)).to_string();
        assert!(!said.contains(HOST) && !said.contains(PLACE), "{head:?}: {said}");
    }
}

#[test]
fn only_operators_learn_the_paths_of_unusable_stores() {
    let folder = folder();
    let marked = start(folder.path(), |folder| {
        for file in ["counts.db", "media.db"] {
            std::fs::write(folder.join(file), "no database ".repeat(1000)).unwrap();
        }
    });
    for path in ["/api/v1/state", "/api/v1/counts", "/api/v1/media"] {
        assert!(marked.whole(path).contains(PLACE), "{path}: {}", marked.whole(path));
    }
    assert!(marked.walk() > 200);
}
