//! Streams end with their right: a removed or expired token, user, session, link or guest. Others go on.

use std::io::BufRead;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tallycam::access::{Access, Person, Role, Scope};
use tallycam::http::{Server, ServerSettings};
use tallycam::pipeline;
use tokio::sync::watch;

use crate::access::{Camera, PASSWORD, basic, camera_with};
use crate::common::client::Client;
use crate::common::served::serve_at;
use crate::common::testcam::TestCam;

const JSON: &str = "Content-Type: application/json\r\n";

/// A viewer that reads nothing for a while is not disconnected for that.
fn settings() -> ServerSettings {
    ServerSettings { is_view_open: false, stall: Duration::from_secs(60), ..ServerSettings::default() }
}

fn camera() -> (Camera, tempfile::TempDir) {
    camera_with(settings())
}

fn now_s(access: &Access) -> u64 {
    access.now_s()
}

/// A running answer to `GET path` with these header lines.
fn running(address: SocketAddr, path: &str, lines: &str) -> Client {
    let local = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), address.port());
    let mut client = Client::new(TcpStream::connect(local).unwrap());
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"));
    let head = client.head();
    assert_eq!(head.status, 200, "{path} with {lines}: {head:?}");
    client
}

/// Reads to the end, which may be a reset.
fn ends(mut client: Client) {
    if let Err(error) = client.rest() {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it still runs");
    }
}

/// Reads the first part of a stream, and those that came meanwhile.
fn goes_on(mut client: Client) {
    let mut line = String::new();
    client.0.read_line(&mut line).unwrap();
    assert_eq!(line, "--frame\r\n");
    for _ in 0..20 {
        assert!(client.part().is_some());
    }
}

fn cookie(access: &Access, person: Person, page: &str, until_s: u64) -> (String, u64) {
    let token = access.create_session(&person, "", "", page, (now_s(access), until_s)).unwrap();
    let number = access.session(&token, now_s(access)).unwrap().number;
    (format!("Cookie: tallycam_{}={token}\r\n", access.cookie_id()), number)
}

#[test]
fn streams_and_events_end_with_their_credentials_and_others_go_on() {
    let (camera, _folder) = camera();
    let (access, address) = (&camera.access, camera.served.address);
    let later = now_s(access) + 3600;
    let person = |name: &str, role| Person { name: name.into(), role };
    access.set_user("ann", Some(Role::Operator), Some("ann's horse")).unwrap();
    access.set_user("bob", Some(Role::Viewer), Some("bob's horse")).unwrap();
    let (token, facts) = access.add_token("hass", &[Scope::Stream, Scope::Counts], 0, None).unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let (session, number) = cookie(access, person("bob", Role::Viewer), "", later);
    let (guest, _) = cookie(access, person("", Role::Guest), "/", later);
    let link = |path: &str| format!("{path}?link={later}.{}", access.sign_link(path, later));
    let other = running(address, "/stream", &basic("admin", PASSWORD));
    let by = |path: &str, lines: &str| running(address, path, lines);

    // Nothing to do with them.
    let streams = [by("/stream", &bearer), by("/stream?fps=5", &bearer), by("/stream", &session)];
    access.add_token("other", &[Scope::Stream], 0, None).unwrap();
    access.revoke_token(facts.number).unwrap();
    let [one, limited, of_session] = streams;
    ends(one);
    ends(limited);
    assert!(access.end_session(number));
    ends(of_session);

    let of_users = [by("/stream", &basic("ann", "ann's horse")), by("/stream", &basic("bob", "bob's horse"))];
    let of_link = [by(&link("/stream"), ""), by("/stream", &guest)];
    access.remove_user("bob").unwrap();
    let [ann, bob] = of_users;
    ends(bob);
    // Another password for ann, who may have made the link.
    access.set_user("ann", None, Some("another horse")).unwrap();
    ends(ann);
    of_link.into_iter().for_each(ends);
    goes_on(other);
}

#[test]
fn events_with_internals_end_with_the_role_that_sees_them() {
    let (camera, _folder) = camera_with(ServerSettings { is_view_open: true, ..settings() });
    let (access, address) = (&camera.access, camera.served.address);
    let password = |name: &str| format!("{name}'s horse");
    for name in ["ann", "bob"] {
        access.set_user(name, Some(Role::Operator), Some(&password(name))).unwrap();
    }
    let events = |lines: &str| running(address, "/api/v1/events?types=state", lines);
    let by = |name: &str| events(&basic(name, &password(name)));
    let [removed, demoted, nobodys] = [by("ann"), by("bob"), events("")];
    let stream = running(address, "/stream", &basic("ann", &password("ann")));
    access.remove_user("ann").unwrap();
    ends(removed);
    access.set_user("bob", Some(Role::Viewer), None).unwrap();
    ends(demoted);
    // Anybody may see the pictures, and the events without internals.
    goes_on(stream);
    assert_eq!(camera.beyond("POST", "/api/v1/pause", &basic("admin", PASSWORD), "").status, 200);
    nobodys.0.lines().map(Result::unwrap).find(|line| line.contains("paused")).unwrap();
}

#[test]
fn streams_end_with_the_time_of_their_credentials() {
    let (camera, _folder) = camera();
    let (access, address) = (&camera.access, camera.served.address);
    let soon = now_s(access) + 4;
    let (token, _) = access.add_token("hass", &[Scope::Stream], 0, Some(soon)).unwrap();
    let viewer = Person { name: String::from("admin"), role: Role::Admin };
    let (session, _) = cookie(access, viewer, "", soon);
    let link = format!("/stream?link={soon}.{}", access.sign_link("/stream", soon));
    let all = [
        running(address, "/stream", &format!("Authorization: Bearer {token}\r\n")),
        running(address, "/stream", &session),
        running(address, &link, ""),
    ];
    all.into_iter().for_each(ends);
}

#[test]
fn streams_of_nobody_end_when_viewing_takes_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path());
    access.set(PASSWORD).unwrap();
    let closed = settings();
    let open = ServerSettings { is_view_open: true, ..settings() };
    let (change, settings) = watch::channel(Arc::new(open));
    let run = TestCam::new().pipeline(pipeline::CaptureOptions::default());
    let served = serve_at("127.0.0.1:0", run, None, |pipeline| {
        Server::new(ServerSettings::default(), pipeline, None)
            .with_access(access.clone())
            .with_live_settings(settings)
    });
    let nobodys = running(served.address, "/stream", "");
    let admins = running(served.address, "/stream", &basic("", PASSWORD));
    change.send_replace(Arc::new(closed));
    ends(nobodys);
    goes_on(admins);
}

#[test]
fn a_guest_sees_the_linked_page_and_no_more() {
    let (camera, _folder) = camera();
    let link = |address: &str| {
        let head = format!("{JSON}{}", basic("admin", PASSWORD));
        let made = camera.beyond("POST", "/api/v1/links", &head, &json!({"address": address}).to_string());
        let link = made.json()["link"].as_str().unwrap().trim_start_matches("./").to_owned();
        let answer = camera.beyond("GET", &format!("/{link}"), "", "");
        assert_eq!(answer.status, 303, "{}", answer.text());
        crate::access::cookie(&answer)
    };
    let status = |path: &str, lines: &str| camera.beyond("HEAD", path, lines, "").status;
    let guest = link("counts?range=7d");
    assert_ne!(status("/counts?range=1d", &guest), 303);
    for path in ["/snapshot.jpg", "/stream", "/api/v1/state", "/api/v1/media"] {
        assert_eq!(status(path, &guest), 401, "{path}");
    }
    for path in ["/", "/crossings", "/lines"] {
        assert_eq!(status(path, &guest), 303, "{path}");
    }
    // A user's password counts for more than the cookie.
    assert_eq!(status("/api/v1/state", &format!("{guest}{}", basic("admin", PASSWORD))), 200);
    let lines = link("lines");
    assert_eq!((status("/snapshot.jpg", &lines), status("/stream", &lines)), (200, 401));
    let whole = link("./");
    assert_eq!((status("/snapshot.jpg", &whole), status("/stream", &whole)), (200, 200));
    // It ends with the key that signed it.
    camera.access.set_user("ann", Some(Role::Operator), Some("ann's horse")).unwrap();
    assert_eq!(status("/snapshot.jpg", &whole), 200);
    camera.access.remove_user("ann").unwrap();
    assert_eq!(status("/snapshot.jpg", &whole), 401, "ann may have made the link");
}

#[test]
fn a_clock_that_is_set_back_revives_nothing() {
    let (camera, folder) = camera();
    let access = &camera.access;
    let ended = now_s(access) + 3600;
    let (token, _) = access.add_token("hass", &[Scope::Snapshot], 0, Some(ended)).unwrap();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let link = format!("/snapshot.jpg?link={ended}.{}", access.sign_link("/snapshot.jpg", ended));
    let admin = Person { name: String::from("admin"), role: Role::Admin };
    let (session, _) = cookie(access, admin, "", ended);
    let status = |camera: &Camera, path: &str, lines: &str| camera.beyond("HEAD", path, lines, "").status;
    for (path, lines) in [("/snapshot.jpg", &*bearer), (&*link, ""), ("/snapshot.jpg", &*session)] {
        assert_eq!(status(&camera, path, lines), 200);
    }
    drop(camera);
    // A run before this one has seen a later time.
    let file = folder.path().join("access.json");
    let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    kept["seen"] = json!(ended + 10);
    std::fs::write(&file, kept.to_string()).unwrap();
    let camera = crate::access::camera_in(folder.path(), settings());
    for (path, lines) in [("/snapshot.jpg", &*bearer), (&*link, ""), ("/snapshot.jpg", &*session)] {
        assert_eq!(status(&camera, path, lines), 401, "{path} {lines}");
    }
    assert_eq!(status(&camera, "/snapshot.jpg", &camera.signed_in()), 200, "whoever signs in now is in");
}
