//! The tallycams of the network: real ones that name each other, one with a password, and others that are none.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};
use tallycam::access::{Access, Role};

use crate::access::{PASSWORD, basic};
use crate::common::client;
use crate::common::daemon::{Daemon, free_address};
use crate::common::wait_until;

/// A tallycam on the simulation that names these others.
fn start(address: SocketAddr, name: &str, neighbours: &[SocketAddr], more: &[&str]) -> Daemon {
    let named: Vec<String> = neighbours.iter().map(|address| format!("\"http://{address}\"")).collect();
    let (name, named) = (format!("name=\"{name}\""), format!("http.neighbours=[{}]", named.join(", ")));
    let size = ["source.kind=\"sim\"", "source.width=320", "source.height=240"];
    let sets = size.into_iter().chain([name.as_str(), named.as_str()]).chain(more.iter().copied());
    let arguments: Vec<&str> = sets.flat_map(|set| ["--set", set]).collect();
    Daemon::start_on(address, Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments)
}

fn items(daemon: &Daemon) -> (Vec<Value>, Value) {
    let answer = client::get(daemon.address, "/api/v1/neighbours").json();
    (answer["items"].as_array().unwrap().clone(), answer["sum"].clone())
}

/// A server that accepts, passes each head on, and never answers.
fn silent() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for socket in listener.incoming() {
            let mut socket = BufReader::new(socket.unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while socket.read_line(&mut line).is_ok_and(|len| len > 2) {
                head.push_str(&line.to_ascii_lowercase());
                line.clear();
            }
            open.push(socket);
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    (address, heads)
}

#[test]
fn two_that_name_each_other_show_each_other_and_their_sum() {
    let (yard, hall) = (free_address(), free_address());
    // A camera that names itself is shown once.
    let yard = start(yard, "Yard", &[hall, yard], &["detect.backend=\"motion\""]);
    let hall = start(hall, "<b>Hall", &[yard.address], &["detect.backend=\"none\""]);
    let line = json!({"name": "Door", "a": [0.5, 1.0], "b": [0.5, 0.0]});
    wait_until("the first picture", || {
        client::send_json(yard.address, "POST", "/api/v1/lines", &line).status == 201
    });
    let count = |today: &Value| today["in"].as_u64().unwrap() + today["out"].as_u64().unwrap();
    wait_until("a crossing is shown by the other one", || {
        let (items, sum) = items(&hall);
        let names: Vec<&Value> = items.iter().map(|item| &item["name"]).collect();
        assert_eq!(names, ["<b>Hall", "Yard"]);
        assert_eq!((items[0]["address"].is_null(), &items[1]["problem"]), (true, &Value::Null));
        assert_eq!(items[1]["address"], format!("http://{}", yard.address));
        assert_eq!(items[1]["ledger"], yard.state()["ledger"]);
        assert_eq!(count(&sum), count(&items[0]["today"]) + count(&items[1]["today"]));
        count(&sum) > 0
    });
    let (of_yard, sum) = items(&yard);
    assert_eq!((of_yard.len(), sum.is_object()), (2, true), "{of_yard:?}");
    let page = client::get(yard.address, "/all");
    let html = page.text();
    let still = format!("<img src=\"http://{}/snapshot.jpg?w=480&amp;_=", hall.address);
    assert!(html.contains(&still) && html.contains("Together</h2>"), "{html}");
    assert!(html.contains("&lt;b&gt;Hall") && !html.contains("<b>Hall"), "{html}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains(&format!("img-src 'self' http://{} data: blob:;", hall.address)), "{policy}");
    // The browser may load it, and only it.
    let picture = client::get(hall.address, "/snapshot.jpg?w=480&_=1");
    assert_eq!(picture.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert!(client::get(yard.address, "/log").text().contains("<a href=\"all\">All cameras</a>"));
}

#[test]
fn each_keeps_its_sign_in_and_one_that_hangs_is_named() {
    let locked = start(free_address(), "Locked", &[], &["access.view=\"password\""]);
    let password = json!({"password": "a password that is long enough"});
    let set = client::send_json(locked.address, "PUT", "/api/v1/password", &password);
    assert_eq!(set.status, 200, "{}", set.text());
    let (hung, heads) = silent();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let yard = start(free_address(), "Yard", &[locked.address, hung, nobody], &["detect.backend=\"none\""]);
    let request = "GET /api/v1/neighbours HTTP/1.1\r\nHost: localhost\r\nCookie: tallycam_1=secret\r\nReferer: \
        http://localhost/\r\nAuthorization: Basic c2VjcmV0OnNlY3JldA==\r\n\r\n";
    let answer = client::ask(yard.address, request).json();
    let problems: Vec<&str> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["problem"].as_str().unwrap_or_default())
        .collect();
    let closed = format!("nothing listens at {nobody}");
    assert_eq!(problems, ["", "sign in there to see it", "it does not answer", &closed]);
    assert!(answer["sum"].is_null() && answer["items"][1]["today"].is_null(), "{answer}");
    let head = heads.recv().unwrap();
    assert!(head.starts_with("get /api/v1/state http/1.1\r\n"), "{head}");
    assert!(
        !["cookie", "authorization", "referer", "secret"].iter().any(|word| head.contains(word)),
        "{head}"
    );
    let html = client::get(yard.address, "/all");
    let html = html.text();
    assert!(html.contains("Sign in there to see it.") && !html.contains("Together</h2>"), "{html}");
    assert!(!html.contains(&format!("{}/snapshot.jpg", locked.address)), "{html}");
}

#[test]
fn a_reader_that_goes_away_begins_no_second_round() {
    let (hung, heads) = silent();
    let yard = start(free_address(), "Yard", &[hung], &["detect.backend=\"none\""]);
    let mut reader = TcpStream::connect(yard.address).unwrap();
    reader.write_all(b"GET /api/v1/neighbours HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    heads.recv().unwrap();
    drop(reader);
    let (items, _) = items(&yard);
    assert_eq!(items[1]["problem"], "it does not answer");
    assert!(heads.try_recv().is_err(), "the neighbour is asked again");
}

#[test]
fn the_neighbours_need_a_sign_in_and_faults_of_connections_are_for_operators() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path());
    access.set(PASSWORD).unwrap();
    access.set_user("ann", Some(Role::Viewer), Some("only looking")).unwrap();
    drop(access);
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    let store = format!("store.directory=\"{}\"", folder.path().display());
    let yard = start(free_address(), "Yard", &[nobody], &["detect.backend=\"none\"", &store]);
    let get = |path: &str, head: &str| {
        let begin = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\n");
        client::ask(yard.address, &format!("{begin}{head}\r\n"))
    };
    assert_eq!(get("/api/v1/state", "").status, 200, "reading is open");
    for path in ["/api/v1/neighbours", "/all"] {
        let refused = get(path, "");
        assert!(refused.status != 200 && !refused.text().contains(&nobody.to_string()), "{}", refused.text());
    }
    let (viewer, admin) = (basic("ann", "only looking"), basic("me", PASSWORD));
    let problem = |head: &str| get("/api/v1/neighbours", head).json()["items"][1]["problem"].clone();
    assert_eq!(problem(&viewer), "it cannot be reached");
    assert_eq!(problem(&admin), format!("nothing listens at {nobody}"));
    let html = get("/all", &viewer);
    let html = html.text();
    assert!(html.contains(&format!("<a href=\"http://{nobody}/\">")), "{html}");
    assert!(html.contains("It cannot be reached.") && !html.contains("nothing listens"), "{html}");
}

#[test]
fn the_page_of_all_is_in_the_menu_only_if_there_are_others() {
    let yard = start(free_address(), "Yard", &[], &["detect.backend=\"none\""]);
    let html = client::get(yard.address, "/all");
    assert!(html.text().contains("No other tallycam is found on this network."), "{}", html.text());
    assert!(!client::get(yard.address, "/").text().contains("href=\"all\""));
    // It is the operator's: nobody sets it on the page.
    let patch = json!({"http.neighbours": ["http://169.254.169.254"]});
    let refused = client::send_json(yard.address, "PATCH", "/api/v1/settings", &patch);
    assert!(refused.status >= 400, "{}", refused.text());
}
