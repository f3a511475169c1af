//! MQTT with a real broker: crossings over kills and restarts, replays, rights, certificates, copies; and with brokers
//! that are none.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use serde_json::{Value, json};
use tallycam::outbound::api;
use tallycam::outbound::mqtt::{MqttReport, MqttState};
use tempfile::TempDir;

use crate::common::client;
use crate::common::counted::{Counted, Setup, count_with};
use crate::common::daemon::{Daemon, free_address};
use crate::common::mosquitto::{Mosquitto, Subscriber};
use crate::common::outbound::OutboundTasks;
use crate::common::testcam::TestCam;
use crate::common::wait_until;

/// A camera that publishes; stopped when dropped.
struct Camera {
    served: Counted,
    tasks: OutboundTasks,
}

/// The configuration of the camera "door".
fn door(port: u16, more: &str) -> String {
    format!("[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\nid = \"door\"\n{more}\n")
}

fn mqtt_report(tasks: &OutboundTasks) -> Option<MqttReport> {
    tasks.notifier.mqtt().report()
}

/// The words about the connection, each of which docs/mqtt.md lists.
fn words(tasks: &OutboundTasks) -> String {
    let words = mqtt_report(tasks).and_then(|report| report.words).unwrap_or_default();
    let is_fault = |part: &&str| !part.is_empty() && !part.starts_with("connected to ");
    for part in words.split("; ").filter(is_fault) {
        assert!(faults().any(|parts| is_made_of(part, &parts)), "docs/mqtt.md does not list {part:?}");
    }
    words
}

/// The words of docs/mqtt.md, section Faults, without what differs from one to another.
fn faults() -> impl Iterator<Item = Vec<&'static str>> {
    let rows = include_str!("../../docs/mqtt.md").split_once("| Words | Remedy |").unwrap().1;
    let rows = rows.lines().skip(2).map_while(|row| row.strip_prefix("| ")?.split(" |").next());
    rows.map(|words| {
        let mut parts = vec![words];
        for other in ["HOST:PORT", "HOST", "PREFIX/ID", "ID", "N crossings", "N ", "32 ", "HH:MM"] {
            parts = parts.iter().flat_map(|part| part.split(other)).collect();
        }
        parts
    })
}

/// `text` begins with the first of `parts` and has the others in this order.
fn is_made_of(text: &str, parts: &[&str]) -> bool {
    let mut rest = text.starts_with(parts[0]).then_some(text);
    for part in parts {
        rest = rest.and_then(|rest| Some(rest.split_once(part)?.1));
    }
    rest.is_some()
}

#[test]
fn the_list_of_faults_has_the_words_of_the_program() {
    let own = concat!(
        include_str!("../../src/outbound/connect.rs"),
        include_str!("../../src/outbound/mqtt/task.rs"),
        include_str!("../../src/outbound/mqtt/link.rs"),
        include_str!("../../src/outbound/mqtt/link/hearing.rs"),
        include_str!("../../src/outbound/mqtt/discovery.rs"),
    );
    for part in faults().flatten() {
        // `MqttSettings::no_broker` puts two texts together.
        assert!(own.contains(part.trim_start_matches(": it ").trim()), "{part:?} is said nowhere");
    }
}

fn is_connected(tasks: &OutboundTasks) -> bool {
    mqtt_report(tasks).is_some_and(|report| report.state == MqttState::Connected)
}

/// A camera that keeps its progress in `folder`, and a caller of its API for more tasks.
fn camera(cam: &TestCam, folder: &TempDir, config: &str) -> (Camera, api::ApiCaller) {
    let (caller, calls) = api::channel();
    let served = count_with(cam, Setup { calls: Some(calls), ..Setup::default() });
    let tasks = OutboundTasks::start(caller.clone(), &served, folder, config);
    (Camera { served, tasks }, caller)
}

/// The numbers of the crossings that have come.
fn ids(seen: &[crate::common::mosquitto::Seen]) -> Vec<u64> {
    seen.iter().filter_map(|seen| seen.json()["id"].as_u64()).collect()
}

/// Waits until these crossings have come.
fn until_crossings(subscriber: &mut Subscriber, last: u64) {
    let is_last = |seen: &crate::common::mosquitto::Seen| {
        seen.topic == "tallycam/door/crossing" && seen.json()["id"] == last
    };
    while !subscriber.seen.iter().any(is_last) {
        subscriber.next("tallycam/door/crossing");
    }
}

#[test]
fn every_crossing_arrives_in_order_over_kills_of_the_broker_and_restarts_of_the_camera() {
    let Some(mut broker) = Mosquitto::start("allow_anonymous true") else { return };
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let (mut camera, caller) = camera(&cam, &folder, &door(broker.port, ""));
    let mut subscriber = broker.subscribe(&[]);
    let line = camera.served.draw("Door");
    wait_until("it is connected", || is_connected(&camera.tasks));
    camera.served.record(line, 3);
    until_crossings(&mut subscriber, 3);
    let first = subscriber.seen.iter().find(|seen| seen.topic == "tallycam/door/crossing").cloned().unwrap();
    let outside = camera.served.get("/api/v1/crossings?since=0").json();
    assert_eq!(first.json(), outside["items"][0], "the API's own JSON");
    assert!(!first.is_retained);
    subscriber.until("tallycam/door/ledger", &json!({"last": 3, "ledger": outside["ledger"]}).to_string());

    broker.kill();
    camera.served.record(line, 5);
    wait_until("it says how much is behind", || {
        words(&camera.tasks).contains("behind: 5 crossings since ") && !is_connected(&camera.tasks)
    });
    let report = mqtt_report(&camera.tasks).unwrap();
    assert!(report.behind == 5 && report.behind_since.is_some() && report.is_faulty, "{report:?}");
    assert!(report.words.unwrap().contains("nothing listens at 127.0.0.1"));
    broker.begin();
    let mut subscriber = broker.subscribe(&[]);
    until_crossings(&mut subscriber, 8);
    wait_until("nothing is behind", || mqtt_report(&camera.tasks).is_some_and(|report| report.behind == 0));

    camera.tasks.end();
    assert_eq!(subscriber.next("tallycam/door/availability").text, "offline", "a clean goodbye");
    camera.served.record(line, 2);
    camera.tasks = OutboundTasks::start(caller, &camera.served, &folder, &door(broker.port, ""));
    until_crossings(&mut subscriber, 10);
    let got = ids(&subscriber.all("tallycam/door/crossing"));
    assert_eq!(got, (4..=10).collect::<Vec<_>>(), "in order, and none again after the restart");
}

#[test]
fn the_state_is_retained_and_everything_comes_again_when_the_broker_has_forgotten_it() {
    let Some(mut broker) = Mosquitto::start("allow_anonymous true") else { return };
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let (camera, _) = camera(&cam, &folder, &door(broker.port, ""));
    let line = camera.served.draw("Door");
    wait_until("it is connected", || is_connected(&camera.tasks));
    camera.served.record(line, 2);
    for _ in 0..2 {
        let mut late = broker.subscribe(&[]);
        let topics = ["availability", "ledger", "state", "lines/1", "recording", "camera", "update"];
        let mut left: BTreeSet<String> =
            topics.iter().map(|topic| format!("tallycam/door/{topic}")).collect();
        left.insert(String::from("homeassistant/device/door/config"));
        while !left.is_empty() {
            let each: Vec<String> = left.iter().cloned().collect();
            late.next(&each[0]);
            left.retain(|topic| !late.seen.iter().any(|seen| &seen.topic == topic));
        }
        drop(late);
        // A broker without persistence forgets what it retained.
        broker.kill();
        broker.begin();
        wait_until("it is connected again", || is_connected(&camera.tasks));
    }
}

#[test]
fn a_replay_tells_of_every_number_and_one_at_a_time() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return };
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let (camera, _) = camera(&cam, &folder, &door(broker.port, ""));
    let line = camera.served.draw("Door");
    wait_until("it is connected", || is_connected(&camera.tasks));
    let mut subscriber = broker.subscribe(&[]);
    camera.served.record(line, 80);
    until_crossings(&mut subscriber, 80);
    let ledger = camera.served.state()["ledger"].clone();
    subscriber.until("tallycam/door/ledger", &json!({"last": 80, "ledger": ledger}).to_string());
    subscriber.seen.clear();
    for wrong in ["", "[]", "{\"since\": -1, \"until\": 3}", "{\"since\": 5, \"until\": 5}"] {
        broker.publish("tallycam/door/replay/set", wrong, &[]);
    }
    // Retained ones come again with each connection, and are none.
    broker.publish("tallycam/door/replay/set", "{\"since\": 0, \"until\": 9}", &["-r"]);
    assert_eq!(ids(&subscriber.all("tallycam/door/crossing")).len(), 9, "new, though it is kept");
    subscriber.seen.clear();
    broker.publish("tallycam/door/replay/set", "{\"since\": 10, \"until\": 9999}", &[]);
    until_crossings(&mut subscriber, 80);
    assert_eq!(ids(&subscriber.all("tallycam/door/crossing")), (11..=80).collect::<Vec<_>>());
}

#[test]
fn the_first_connection_sends_new_crossings_or_all() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return };
    for (history, want) in [("new", 3..=3), ("all", 1..=3)] {
        let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
        let off = "[mqtt]\nid = \"door\"\n";
        let (camera, _) = camera(&cam, &folder, off);
        assert_eq!(mqtt_report(&camera.tasks), None, "off");
        let line = camera.served.draw("Door");
        camera.served.record(line, 2);
        let mut subscriber = broker.subscribe(&[]);
        let more = format!("history = \"{history}\"");
        camera.tasks.change(&door(broker.port, &more));
        wait_until("it is connected", || is_connected(&camera.tasks));
        camera.served.record(line, 1);
        until_crossings(&mut subscriber, 3);
        let mut got = ids(&subscriber.all("tallycam/door/crossing"));
        got.sort_unstable();
        assert_eq!(got, want.collect::<Vec<_>>(), "{history}");
    }
}

#[test]
fn covered_time_is_told_by_line() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return };
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let mut subscriber = broker.subscribe(&[]);
    let (camera, _) = camera(&cam, &folder, "");
    let line = camera.served.draw("Door");
    camera.tasks.change(&door(broker.port, ""));
    let covered = subscriber.next("tallycam/door/coverage").json();
    assert_eq!((&covered["line_id"], &covered["bucket"]), (&json!(line), &json!("5min")));
    assert_eq!(covered["ledger"], camera.served.state()["ledger"]);
    assert!(covered["time_zone"].is_string() && covered["items"][0]["start"].is_string(), "{covered}");
}

#[test]
fn two_cards_with_one_id_are_noticed_and_one_stops() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return };
    let (cam, folders) = (TestCam::new(), [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()]);
    let (camera, caller) = camera(&cam, &folders[0], &door(broker.port, ""));
    wait_until("it is connected", || is_connected(&camera.tasks));
    let copy = OutboundTasks::start(caller, &camera.served, &folders[1], &door(broker.port, ""));
    let stopped =
        |tasks: &OutboundTasks| mqtt_report(tasks).is_some_and(|report| report.state == MqttState::Stopped);
    wait_until("one of them stops", || stopped(&camera.tasks) || stopped(&copy));
    let (first, other) = if stopped(&copy) { (&copy, &camera.tasks) } else { (&camera.tasks, &copy) };
    assert!(
        words(first).contains("another client has the id door: is this card a copy?"),
        "{}",
        words(first)
    );
    wait_until("the other one goes on", || is_connected(other));
    assert!(stopped(first), "it stays so");
    // Until the configuration changes.
    first.change(&door(broker.port, "").replace("door", "till"));
    wait_until("it has an id of its own", || is_connected(first));
}

#[test]
fn a_rule_writes_to_a_topic() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return };
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let rule = "[[notify]]\nname = \"Till\"\nwhen = \"crossing\"\nto = \"mqtt\"\naddress = \"shop/till\"\n";
    let mut subscriber = broker.subscribe(&[]);
    let (camera, _) = camera(&cam, &folder, &format!("{rule}{}", door(broker.port, "")));
    let line = camera.served.draw("Door");
    wait_until("it is connected", || is_connected(&camera.tasks));
    wait_until("the rule has begun", || folder.path().join("notify.json").exists());
    camera.served.record(line, 2);
    let told = subscriber.next("shop/till").json();
    assert_eq!((&told["type"], &told["data"]["crossing"]["id"]), (&json!("tallycam.crossing"), &json!(1)));
    assert_eq!(subscriber.next("shop/till").json()["data"]["crossing"]["id"], 2);
    camera.tasks.change(rule);
    wait_until("MQTT is off", || mqtt_report(&camera.tasks).is_none());
    camera.served.record(line, 1);
    let fault = || camera.tasks.notifier.report().rules.first().and_then(|rule| rule.fault.clone());
    wait_until("the rule says so", || fault().is_some_and(|fault| fault == "MQTT is off"));
    camera.tasks.change(&format!("{rule}{}", door(broker.port, "")));
    // The change may have met the acknowledgement of the second.
    let mut ids =
        std::iter::from_fn(|| subscriber.next("shop/till").json()["data"]["crossing"]["id"].as_u64());
    let next = ids.find(|id| *id != 2);
    assert_eq!(next, Some(3), "nothing is lost");
}

#[test]
fn rights_of_the_broker_are_told_though_it_acknowledges_what_it_drops() {
    let folder = TempDir::new().unwrap();
    let passwords = folder.path().join("passwords");
    let made =
        Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args(["door", "right"]).status();
    let acl = "pattern readwrite tallycam/%c/#\npattern write homeassistant/device/%c/config\n";
    std::fs::write(folder.path().join("acl"), acl).unwrap();
    let lines = "allow_anonymous false\npassword_file FOLDER/passwords\nacl_file FOLDER/acl";
    let Some(broker) = Mosquitto::start_in(folder, lines) else { return };
    assert!(made.is_ok_and(|made| made.success()));
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let user = |password: &str| format!("username = \"door\"\npassword = \"{password}\"");
    let (camera, _) = camera(&cam, &folder, &door(broker.port, &user("wrong")));
    let line = camera.served.draw("Door");
    camera.served.record(line, 1);
    wait_until("the password is refused", || words(&camera.tasks).starts_with("wrong user or password"));
    let other = format!("{}prefix = \"elsewhere\"\n", door(broker.port, &user("right")));
    camera.tasks.change(&other);
    wait_until("the rights are missing", || {
        words(&camera.tasks).starts_with("this camera is not allowed to write and read elsewhere/door")
    });
    assert!(mqtt_report(&camera.tasks).unwrap().hint.unwrap().contains("pattern readwrite elsewhere/%c/#"));
    camera.served.record(line, 1);
    camera.tasks.change(&door(broker.port, &user("right")));
    let mut subscriber = broker.subscribe(&["-u", "door", "-P", "right", "-i", "door-reader"]);
    wait_until("it is connected", || is_connected(&camera.tasks));
    // It may read nothing, so the ledger of the page tells.
    drop(subscriber.all("tallycam/door/crossing"));
    wait_until("nothing is lost", || mqtt_report(&camera.tasks).is_some_and(|report| report.behind == 0));
}

/// Certificates in `folder`: of an authority, and of a server with this name, valid for so many days from now; -1: it has expired.
fn certify(folder: &Path, name: &str, days: i32) {
    let run = |arguments: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let done = Command::new("openssl").args(&words).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    if !folder.join("ca.crt").exists() {
        run(&format!("req -x509 {curve} -days 30 -subj /CN=authority -keyout ca.key -out ca.crt"));
    }
    run(&format!("req -new {curve} -subj /CN={name} -keyout server.key -out server.csr"));
    std::fs::write(folder.join("extensions"), format!("subjectAltName=DNS:{name}\n")).unwrap();
    run(&format!(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -days {days} -out server.crt"
    ));
}

#[test]
fn certificates_are_told_apart_in_words() {
    let folder = TempDir::new().unwrap();
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::common::say("LEFT OUT: openssl is not installed");
    }
    certify(folder.path(), "localhost", 30);
    let ca = folder.path().join("ca.crt");
    let lines = "allow_anonymous true\ncertfile FOLDER/server.crt\nkeyfile FOLDER/server.key";
    let Some(mut broker) = Mosquitto::start_in(folder, lines) else { return };
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let secure = |more: &str| {
        let url = format!("mqtts://localhost:{}", broker.port);
        format!("[mqtt]\nurl = \"{url}\"\nid = \"door\"\n{more}")
    };
    let trusting = secure(&format!("ca = {:?}\n", ca.display().to_string()));
    let unknown = secure("");
    let (camera, _) = camera(&cam, &folder, &unknown);
    let words = |what: &str| wait_until(what, || words(&camera.tasks).contains(what));
    words("the certificate of localhost is of an authority that this machine does not know");
    camera.tasks.change(&trusting);
    wait_until("it is connected", || is_connected(&camera.tasks));
    let plain = door(broker.port, "");
    for (name, days, what) in [
        ("elsewhere.example", 30, "the certificate of localhost is for another name"),
        ("localhost", -1, "the certificate of localhost has expired"),
    ] {
        broker.kill();
        certify(broker.folder.path(), name, days);
        broker.begin();
        words(what);
    }
    camera.tasks.change(&plain);
    words(&format!("there is no MQTT broker at 127.0.0.1:{}: it closes the connection", broker.port));
    assert!(mqtt_report(&camera.tasks).unwrap().hint.unwrap().contains("mqtts://"));
}

/// A server that does this with each connection.
fn fake(act: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(&act));
    port
}

/// Answers as a broker does that lets everything in, and closes the connection at a packet of more than `most` bytes.
fn serve(mut socket: TcpStream, most: usize) {
    let (mut buffer, mut bytes) = ([0; 4096], Vec::new());
    while let Ok(count @ 1..) = socket.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..count]);
        while let Some((kind, whole)) = packet(&bytes) {
            let packet: Vec<u8> = bytes.drain(..whole).collect();
            let answer = answer(kind, &packet);
            if packet.len() > most || socket.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

/// Kind and length of the first packet, if it is whole.
fn packet(bytes: &[u8]) -> Option<(u8, usize)> {
    let (mut len, mut at) = (0, 1);
    loop {
        let byte = *bytes.get(at)?;
        len |= usize::from(byte & 127) << (7 * (at - 1));
        at += 1;
        if byte < 128 {
            return (bytes.len() >= at + len).then_some((bytes[0] >> 4, at + len));
        }
    }
}

fn answer(kind: u8, packet: &[u8]) -> Vec<u8> {
    let head = 1 + packet[1..].iter().position(|byte| *byte < 128).unwrap() + 1;
    match kind {
        1 => vec![0x20, 2, 0, 0],
        3 => {
            let topic = usize::from(packet[head]) << 8 | usize::from(packet[head + 1]);
            let id = &packet[head + 2 + topic..head + 4 + topic];
            let mut answer = vec![0x40, 2, id[0], id[1]];
            let topic = &packet[head + 2..head + 2 + topic];
            if topic.ends_with(b"/availability") {
                // It comes back to the subscriber, with QoS 0.
                let body = [&[0, topic.len() as u8], topic, b"online"].concat();
                answer.extend([0x30, body.len() as u8]);
                answer.extend(body);
            }
            answer
        }
        8 => vec![0x90, 3, packet[head], packet[head + 1], 1],
        12 => vec![0xd0, 0],
        _ => Vec::new(),
    }
}

#[test]
fn each_fault_has_its_sentence() {
    let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
    let (camera, _) = camera(&cam, &folder, "");
    let closed = free_address().port();
    let refuses = |code: u8| {
        fake(move |mut socket| {
            let _ = socket.read(&mut [0; 512]);
            let _ = socket.write_all(&[0x20, 2, 0, code]);
        })
    };
    let http = fake(|mut socket| {
        let _ = socket.read(&mut [0; 512]);
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let silent = fake(std::mem::forget);
    // It closes after a PUBLISH, as brokers in clouds do.
    let strict = fake(|mut socket| {
        let _ = socket.read(&mut [0; 512]);
        let _ = socket.write_all(&[0x20, 2, 0, 0]);
        let _ = socket.read(&mut [0; 4096]);
    });
    let flooding = fake(|mut socket| {
        let _ = socket.read(&mut [0; 512]);
        let _ = socket.write_all(&[0x20, 2, 0, 0]);
        let _ = socket.write_all(&[0x30, 0xff, 0xff, 0xff, 0x7f]);
        let _ = socket.read(&mut [0; 512]);
    });
    let pouring = fake(|mut socket| {
        let _ = socket.read(&mut [0; 512]);
        let _ = socket.write_all(&[0x20, 2, 0, 0]);
        let command = unasked("replay/set", "{}");
        while socket.write_all(&command.repeat(100)).is_ok() {}
    });
    let small = fake(|socket| serve(socket, 3000));
    // The device in Home Assistant is larger with each line.
    for name in ["Door", "Gate", "Till"] {
        camera.served.draw(name);
    }
    for (url, what) in [
        (String::from("mqtt://no.such.host.invalid"), "the address of no.such.host.invalid cannot be found"),
        (format!("mqtt://127.0.0.1:{closed}"), "nothing listens at 127.0.0.1:"),
        (format!("mqtt://127.0.0.1:{http}"), "it answers in another protocol"),
        (format!("mqtt://127.0.0.1:{silent}"), "it takes the connection and says nothing"),
        (format!("mqtt://127.0.0.1:{}", refuses(1)), "does not speak MQTT 3.1.1"),
        (format!("mqtt://127.0.0.1:{}", refuses(2)), "does not take the id door"),
        (format!("mqtt://127.0.0.1:{}", refuses(3)), "takes no clients at the moment"),
        (format!("mqtt://127.0.0.1:{}", refuses(4)), "wrong user or password for the broker"),
        (format!("mqtt://127.0.0.1:{}", refuses(5)), "wrong user or password for the broker"),
        (format!("mqtt://127.0.0.1:{strict}"), "this camera is not allowed to write and read tallycam/door"),
        (
            format!("mqtt://127.0.0.1:{flooding}"),
            "sends a message of 268435460 bytes, and 16384 are the limit",
        ),
        (format!("mqtt://127.0.0.1:{pouring}"), "sends more than 64 KiB in a second"),
        (format!("mqtt://127.0.0.1:{small}"), "bytes is too large for the broker, and is left out"),
        (format!("mqtt://127.0.0.1:{small}"), "connected to 127.0.0.1:"),
        (format!("mqtts://127.0.0.1:{http}"), "127.0.0.1 cannot be reached securely"),
    ] {
        camera.tasks.change(&format!("[mqtt]\nurl = \"{url}\"\nid = \"door\"\n"));
        wait_until(&format!("{url}: {what}"), || words(&camera.tasks).contains(what));
    }
    assert_eq!(camera.served.get("/health").text(), "True", "MQTT is no part of health");
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    program
}

#[test]
fn a_command_that_nobody_subscribed_to_is_none_without_control() {
    for control in [false, true] {
        let (cam, folder) = (TestCam::new(), tempfile::tempdir().unwrap());
        let (camera, _) = camera(&cam, &folder, "");
        let line = camera.served.draw("Door");
        camera.served.record(line, 1);
        let (told, replayed) = mpsc::channel();
        // It sends the command unasked, and asks for a replay after it: commands go first.
        let port = fake(move |mut socket| {
            let (mut buffer, mut bytes) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = socket.read(&mut buffer) {
                bytes.extend_from_slice(&buffer[..count]);
                while let Some((kind, whole)) = packet(&bytes) {
                    let packet: Vec<u8> = bytes.drain(..whole).collect();
                    let mut answer = answer(kind, &packet);
                    if answer.len() > 4 && kind == 3 {
                        answer.extend(unasked("camera/set", "OFF"));
                        answer.extend(unasked("replay/set", "{\"since\": 0, \"until\": 1}"));
                    }
                    let has = |word: &[u8]| packet.windows(word.len()).any(|part| part == word);
                    if kind == 3 && has(b"tallycam/door/crossing") {
                        let _ = told.send(());
                    }
                    let _ = socket.write_all(&answer);
                }
            }
        });
        camera.tasks.change(&door(port, &format!("control = {control}")));
        replayed.recv_timeout(crate::common::DEADLINE).unwrap();
        assert_eq!(camera.served.state()["state"] == "paused", control);
    }
}

/// A PUBLISH with QoS 0.
fn unasked(topic: &str, payload: &str) -> Vec<u8> {
    let topic = format!("tallycam/door/{topic}");
    let body = [&[0, topic.len() as u8], topic.as_bytes(), payload.as_bytes()].concat();
    [&[0x30, body.len() as u8], body.as_slice()].concat()
}

fn patch(daemon: &Daemon, changes: &Value) -> client::Answer {
    client::send_json(daemon.address, "PATCH", "/api/v1/settings", changes)
}

/// Simulated, with its state in `folder`.
fn started(folder: &TempDir, more: &[&str]) -> Daemon {
    let directory = format!("store.directory={:?}", folder.path().to_str().unwrap());
    let sets = ["source.kind=\"sim\"", "detect.backend=\"none\"", &directory];
    let sets: Vec<&str> = sets.iter().chain(more).flat_map(|set| ["--set", *set]).collect();
    Daemon::start(program(), &sets)
}

#[test]
fn a_killed_program_is_offline_and_commands_are_taken_only_where_they_are_allowed() {
    let Some(broker) = Mosquitto::start("allow_anonymous true") else { return };
    let mut subscriber = broker.subscribe(&[]);
    let url = format!("mqtt.url=\"mqtt://127.0.0.1:{}\"", broker.port);
    let folder = tempfile::tempdir().unwrap();
    let control = ["mqtt.id=\"door\"", &url, "mqtt.control=true"];
    let mut daemon = started(&folder, &control);
    subscriber.until("tallycam/door/availability", "online");
    subscriber.until("tallycam/door/camera", "ON");
    broker.publish("tallycam/door/camera/set", "OFF", &[]);
    subscriber.until("tallycam/door/camera", "OFF");
    assert_eq!(daemon.state()["state"], "paused");
    let audit = client::get(daemon.address, "/api/v1/audit").text().to_owned();
    assert!(audit.contains("mqtt"), "{audit}");
    let state = daemon.state();
    assert_eq!(
        (&state["mqtt"]["state"], &state["mqtt"]["topic"]),
        (&json!("connected"), &json!("tallycam/door"))
    );
    for page in ["/notifications", "/api/v1/diagnosis"] {
        let said = client::get(daemon.address, page).text().to_owned();
        assert!(said.contains("Connected to 127.0.0.1:"), "{page}: {said}");
    }
    daemon.kill();
    subscriber.until("tallycam/door/availability", "offline");

    // A command that the broker keeps is none, and without `control` nothing is.
    broker.publish("tallycam/door/camera/set", "OFF", &["-r"]);
    let daemon = started(&folder, &control[..2]);
    subscriber.until("tallycam/door/availability", "online");
    broker.publish("tallycam/door/camera/set", "OFF", &[]);
    subscriber.until("tallycam/door/camera", "ON");
    assert_ne!(daemon.state()["state"], "paused");
}

#[test]
fn the_page_names_no_private_host_and_a_password_stays_with_its_broker() {
    let folder = tempfile::tempdir().unwrap();
    let file = || std::fs::read_to_string(folder.path().join("settings.toml")).unwrap();
    let daemon = started(&folder, &[]);
    let set = patch(&daemon, &json!({"mqtt.url": "mqtts://127.0.0.1:1", "mqtt.password": "s3cret"}));
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(!set.text().contains("s3cret") && file().contains("s3cret"));
    let words = || daemon.state()["mqtt"]["words"].as_str().unwrap_or_default().to_owned();
    wait_until("it is refused", || {
        words().contains("a machine of this network, which the page may not name")
    });
    for (change, stays) in [
        (json!({"mqtt.url": "mqtts://127.0.0.1:2", "mqtt.password": "***"}), true),
        (json!({"mqtt.username": "me"}), true),
        (json!({"mqtt.url": "mqtt://127.0.0.1:2", "mqtt.password": "***"}), false),
        (json!({"mqtt.url": "mqtts://127.0.0.1:2", "mqtt.password": "s3cret"}), true),
        (json!({"mqtt.url": "mqtts://elsewhere.example"}), false),
    ] {
        let set = patch(&daemon, &change);
        assert_eq!(set.status, 200, "{}", set.text());
        assert_eq!(file().contains("s3cret"), stays, "{change}");
    }
    let wrong = patch(&daemon, &json!({"mqtt.url": "mqtt://me:s3cret@broker.example"}));
    assert!(wrong.status == 422 && wrong.text().contains("no user or password"), "{}", wrong.text());
    assert!(!wrong.text().contains("s3cret"), "{}", wrong.text());
}
