//! Notifications: webhooks that fail by turns, rules that cannot work, tests and their refusals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};
use tallycam::media::SourceErrorKind;
use tallycam::outbound::api;
use tallycam::outbound::notify::NotifyReport;
use tempfile::TempDir;

use crate::common::client;
use crate::common::counted::{Counted, Setup, count_with};
use crate::common::daemon::Daemon;
use crate::common::outbound::OutboundTasks;
use crate::common::testcam::{TestCam, trouble};
use crate::common::wait_until;

const SECRET: &str = "correct horse battery";

/// A request to the receiver: the lines of its head, and its body.
#[derive(Debug, Clone)]
struct Hooked {
    head: String,
    body: Vec<u8>,
}

impl Hooked {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn crossing(&self) -> u64 {
        self.event()["data"]["crossing"]["id"].as_u64().unwrap()
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A receiver that answers each request as the function says; an empty answer closes the connection.
fn receiver(answer: impl Fn(usize) -> String + Send + 'static) -> (SocketAddr, Receiver<Hooked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, hooked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut count = 0;
        for socket in listener.incoming() {
            let mut socket = BufReader::new(socket.unwrap());
            while let Some(request) = read(&mut socket) {
                let answer = answer(count);
                count += 1;
                if sender.send(request).is_err() {
                    return;
                }
                if answer.is_empty() {
                    break;
                }
                socket.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (address, hooked)
}

fn read(socket: &mut BufReader<TcpStream>) -> Option<Hooked> {
    let (mut head, mut line) = (String::new(), String::new());
    while socket.read_line(&mut line).ok()? > 0 && line != "\r\n" {
        head.push_str(&line.replace('\r', ""));
        line.clear();
    }
    let mut hooked = Hooked { head, body: Vec::new() };
    let len = hooked.field("content-length")?.trim().parse().ok()?;
    hooked.body = vec![0; len];
    socket.read_exact(&mut hooked.body).ok()?;
    Some(hooked)
}

fn answer(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok")
}

/// A server with notifications, stopped when dropped.
struct Notified {
    served: Counted,
    tasks: OutboundTasks,
    _folder: Arc<TempDir>,
}

impl Notified {
    fn report(&self) -> NotifyReport {
        self.tasks.notifier.report()
    }

    fn fault(&self, rule: usize) -> String {
        self.report().rules.get(rule).and_then(|rule| rule.fault.clone()).unwrap_or_default()
    }
}

fn rule(name: &str, when: &str, address: SocketAddr, more: &str) -> String {
    format!(
        "[[notify]]\nname = \"{name}\"\nwhen = \"{when}\"\nto = \"webhook\"\naddress = \"http://{address}/hook\"\n\
         secret = \"{SECRET}\"\n{more}\n"
    )
}

/// Serves `cam` with these rules of the operator's file.
fn notified(cam: &TestCam, rules: &str, folder: &Arc<TempDir>) -> Notified {
    let (caller, calls) = api::channel();
    let served = count_with(cam, Setup { calls: Some(calls), ..Setup::default() });
    let tasks = OutboundTasks::start(caller, &served, folder, rules);
    Notified { served, tasks, _folder: folder.clone() }
}

/// Waits until the rules are at work: what is recorded before is not theirs.
fn begun(notified: &Notified, folder: &TempDir) {
    let kept = folder.path().join("notify.json");
    wait_until("the rules have begun", || kept.exists() && !notified.report().rules.is_empty());
}

fn is_signed(hooked: &Hooked) -> bool {
    use ring::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let hex = hooked.field("x-tallycam-signature").unwrap().strip_prefix("sha256=").unwrap();
    let tag: Vec<u8> = (0..32).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap()).collect();
    hmac::verify(&key, &hooked.body, &tag).is_ok()
}

#[test]
fn each_crossing_arrives_signed_and_in_order_though_the_receiver_fails_by_turns() {
    let cam = TestCam::new();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (address, hooked) = receiver(|count| match count {
        0 => answer("500 Broken"),
        1 => String::new(),
        4 => answer("302 Found"),
        _ => answer("200 OK"),
    });
    let mut first = notified(&cam, &rule("Till", "crossing", address, ""), &folder);
    let line = first.served.draw("Door");
    begun(&first, &folder);
    first.served.record(line, 6);
    let mut arrived: Vec<Hooked> = Vec::new();
    while arrived.last().is_none_or(|last| last.crossing() < 6) {
        arrived.push(hooked.recv().unwrap());
    }
    assert!(arrived.iter().all(is_signed), "each one is signed");
    let ids: Vec<u64> = arrived.iter().map(Hooked::crossing).collect();
    let mut each = ids.clone();
    each.dedup();
    assert_eq!(each, [1, 2, 3, 4, 5, 6], "in order, at least once: {ids:?}");
    assert!(ids.len() > 6, "what failed came again: {ids:?}");
    let event = arrived[0].event();
    assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("tallycam.crossing")));
    assert_eq!(arrived[0].field("content-type"), Some("application/cloudevents+json"));
    assert_eq!(arrived[0].event()["id"], arrived[1].event()["id"], "the same event");
    let outside = first.served.get("/api/v1/crossings?since=0").json();
    assert_eq!(event["data"]["crossing"], outside["items"][0], "the API's own JSON");
    wait_until("all is well again", || first.fault(0).is_empty());
    first.tasks.end();
}

#[test]
fn a_redirect_and_a_refusal_are_told_in_words_and_nothing_is_lost() {
    let cam = TestCam::new();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (address, hooked) = receiver(|_| {
        String::from("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/secret\r\nContent-Length: 0\r\n\r\n")
    });
    let first = notified(&cam, &rule("Till", "crossing", address, ""), &folder);
    let line = first.served.draw("Door");
    begun(&first, &folder);
    first.served.record(line, 1);
    wait_until("the redirect is told", || first.fault(0).contains("leads to http://127.0.0.1/secret"));
    let report = first.report();
    assert!(report.rules[0].hint.as_deref().unwrap().contains("not followed"));
    assert!(report.rules[0].behind_since.is_some(), "it waits");
    assert!(!report.deliveries[0].arrived && hooked.recv().unwrap().crossing() == 1);
}

#[test]
fn ntfy_gets_words() {
    let cam = TestCam::new();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (address, hooked) = receiver(|_| answer("200 OK"));
    let rules = rule("Tür", "crossing", address, "").replace("\"webhook\"", "\"ntfy\"");
    let first = notified(&cam, &rules, &folder);
    let line = first.served.draw("Door");
    begun(&first, &folder);
    first.served.record(line, 1);
    let told = hooked.recv().unwrap();
    assert_eq!(told.field("authorization"), Some(&*format!("Bearer {SECRET}")));
    assert_eq!(told.field("x-title"), Some("Tür"));
    let text = String::from_utf8(told.body).unwrap();
    assert!(text.ends_with(" person in at Door"), "{text}");
}

#[test]
fn a_rule_whose_place_is_deleted_says_so() {
    let cam = TestCam::new();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (address, _hooked) = receiver(|_| answer("200 OK"));
    let rules = [
        rule("Queue", "above", address, "place = \"Queue\"\nmore_than = 3"),
        rule("Till", "crossing", address, "place = \"Door\""),
    ];
    let first = notified(&cam, &rules.concat(), &folder);
    wait_until("the zone is missed", || first.fault(0) == "there is no zone or line called \"Queue\"");
    wait_until("the line is missed", || first.fault(1) == "there is no line called \"Door\"");
}

#[test]
fn trouble_is_told_once() {
    let cam = TestCam::new();
    cam.open_fault(Some(trouble(SourceErrorKind::Busy)));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (address, hooked) = receiver(|_| answer("200 OK"));
    let first = notified(&cam, &rule("Care", "trouble", address, "for = \"10s\""), &folder);
    let _demand = first.served.run.pipeline.demand();
    let told = hooked.recv().unwrap().event();
    assert_eq!(told["type"], "tallycam.trouble");
    assert!(told["data"]["link"].as_str().unwrap().starts_with("http://"), "{told}");
    wait_until("it has arrived", || first.report().deliveries.iter().any(|told| told.arrived));
    assert_eq!(first.report().deliveries.len(), 1, "once");
}

#[test]
fn the_clock_of_a_rule_runs_on_while_others_change() {
    let cam = TestCam::new();
    cam.open_fault(Some(trouble(SourceErrorKind::Busy)));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let (address, hooked) = receiver(|_| answer("200 OK"));
    let care = rule("Care", "trouble", address, "for = \"10s\"");
    let first = notified(&cam, &care, &folder);
    let _demand = first.served.run.pipeline.demand();
    // The other rule, the camera's name and this rule's own secret change all the time.
    let mut changes = 0;
    let told = loop {
        changes += 1;
        assert!(changes < 100, "its clock begins again with each change");
        let care = care.replace(SECRET, &format!("{SECRET} {changes}"));
        let other = rule("Other", "trouble", address, &format!("for = \"{changes}d\""));
        first.tasks.change(&format!("name = \"cam {changes}\"\n{care}{other}"));
        if let Ok(told) = hooked.recv_timeout(Duration::from_millis(500)) {
            break told.event();
        }
    };
    assert_eq!(told["data"]["rule"], "Care");
    assert!(told["data"]["text"].as_str().unwrap().starts_with("cam "), "{told}");
}

#[test]
fn people_get_one_message_for_all_crossings_that_wait() {
    let cam = TestCam::new();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let is_up = Arc::new(AtomicBool::new(false));
    let (address, hooked) = receiver({
        let is_up = is_up.clone();
        move |_| answer(if is_up.load(Ordering::SeqCst) { "200 OK" } else { "503 Down" })
    });
    let rules = rule("Till", "crossing", address, "").replace("\"webhook\"", "\"ntfy\"");
    let first = notified(&cam, &rules, &folder);
    let line = first.served.draw("Door");
    begun(&first, &folder);
    first.served.record(line, 1);
    hooked.recv().unwrap();
    first.served.record(line, 249);
    is_up.store(true, Ordering::SeqCst);
    wait_until("it has arrived", || first.report().deliveries[0].arrived);
    let report = first.report();
    assert!(report.deliveries[0].text.contains("250 crossings since "), "{report:?}");
    assert!(report.deliveries.len() == 1 && report.deliveries[0].tries > 1, "one message: {report:?}");
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    program
}

fn send(daemon: &Daemon, method: &str, path: &str, body: &Value) -> client::Answer {
    client::send_json(daemon.address, method, path, body)
}

#[test]
fn rules_of_the_page_are_settings_and_reach_no_machine_of_this_network() {
    let folder = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={:?}", folder.path().to_str().unwrap());
    let daemon = Daemon::start(program(), &["--set", "source.kind=\"sim\"", "--set", &directory]);
    let (address, hooked) = receiver(|_| answer("200 OK"));
    let rule = json!({
        "name": "Till", "when": "crossing", "to": "webhook", "address": format!("http://{address}/s3cret"),
        "secret": SECRET,
    });
    let set = send(&daemon, "PATCH", "/api/v1/settings", &json!({"notify": [rule]}));
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(!set.text().contains("s3cret") && !set.text().contains(SECRET), "no secret is shown again");
    let shown = set.json()["items"].as_array().unwrap().iter().find(|item| item["path"] == "notify").cloned();
    let shown = shown.unwrap()["value"].clone();
    assert_eq!(
        (&shown[0]["secret"], &shown[0]["address"]),
        (&json!("***"), &json!(format!("http://{address}/***")))
    );
    // The shown rules can be sent back, and stay the same.
    let again = send(&daemon, "PATCH", "/api/v1/settings", &json!({"notify": shown}));
    assert_eq!(again.status, 200, "{}", again.text());
    let file = std::fs::read_to_string(folder.path().join("settings.toml")).unwrap();
    assert!(file.contains("s3cret") && file.contains(SECRET), "{file}");
    let test = send(&daemon, "POST", "/api/v1/notifications/test", &json!({"name": "Till"}));
    assert_eq!(test.status, 422, "{}", test.text());
    assert!(test.text().contains("a machine of this network"), "{}", test.text());
    assert!(hooked.try_recv().is_err(), "nothing was sent");
    // A secret is not sent to another host than the one it was typed for.
    let mut elsewhere = json!({"notify": shown});
    elsewhere["notify"][0]["address"] = json!("https://elsewhere.example/");
    let moved = send(&daemon, "PATCH", "/api/v1/settings", &elsewhere);
    assert_eq!(moved.status, 422, "{}", moved.text());
    let unknown = send(&daemon, "POST", "/api/v1/notifications/test", &json!({"name": "None"}));
    assert_eq!(unknown.status, 404, "{}", unknown.text());
}

#[test]
fn a_test_says_what_the_other_side_answered() {
    let folder = tempfile::tempdir().unwrap();
    let directory = format!("store.directory={:?}", folder.path().to_str().unwrap());
    let (address, hooked) = receiver(|count| answer(["200 OK", "403 Forbidden"][count.min(1)]));
    let set =
        format!("notify=[{{name=\"Till\", when=\"daily\", to=\"webhook\", address=\"http://{address}/\"}}]");
    let arguments = ["--set", "source.kind=\"sim\"", "--set", &directory, "--set", &set];
    let daemon = Daemon::start(program(), &arguments);
    let test = || send(&daemon, "POST", "/api/v1/notifications/test", &json!({"name": "Till"}));
    let arrived = test();
    assert_eq!((arrived.status, &arrived.json()["answer"]), (200, &json!("200: ok")), "{}", arrived.text());
    let event = hooked.recv().unwrap();
    assert_eq!(
        (event.event()["type"].as_str(), event.field("x-tallycam-signature")),
        (Some("tallycam.test"), None)
    );
    let refused = test();
    assert_eq!(refused.status, 502, "{}", refused.text());
    let list = client::get(daemon.address, "/api/v1/notifications").json();
    assert_eq!(list["deliveries"][0]["arrived"], json!(false));
    assert_eq!(list["deliveries"][1]["arrived"], json!(true));
    let state = client::get(daemon.address, "/state").json();
    assert_eq!(state["notifications"]["rules"], json!(1), "{state}");
    let page = client::get(daemon.address, "/notifications");
    let page = page.text();
    assert!(page.contains("can be changed only there") && page.contains("Test Till"), "{page}");
}
