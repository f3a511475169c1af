//! Events on real sockets: no crossing is missed or repeated, and the order is kept, for slow and returning
//! listeners, too.
use std::time::Duration;

use crate::common::counted::{Counted, Event, Listener, Setup, count, count_with, patient};
use crate::common::testcam::TestCam;
use crate::common::wait_until;
use serde_json::json;
use tallycam::base::clock::wall_us;
use tallycam::http::ServerSettings;

const CROSSINGS: &str = "/api/v1/events?types=crossing";

fn counted() -> (TestCam, Counted, u64) {
    let cam = TestCam::new();
    let served = count(&cam);
    let door = served.draw("Door");
    (cam, served, door)
}

/// The ids of the next `many` crossings.
fn ids(listener: &mut Listener, many: usize) -> Vec<u64> {
    (0..many)
        .map(|_| {
            let event = listener.next("crossing");
            assert_eq!(event.data["id"].as_u64(), event.id);
            event.id.unwrap()
        })
        .collect()
}

fn listeners(served: &Counted) -> String {
    served.figure(r#"tallycam_listeners{camera="camera"}"#).unwrap()
}

#[test]
fn a_new_listener_gets_the_state_and_then_events() {
    let (_cam, served, door) = counted();
    served.record(door, 2);
    let mut listener = served.listen("/api/v1/events?types=crossing,tally,lines,state", "");
    let opening = listener.block().unwrap();
    assert_eq!((opening["retry"].as_str(), opening["id"].as_str()), ("2000", "2"));
    let lines = listener.event().unwrap();
    assert_eq!((lines.name.as_str(), &lines.data["items"][0]["name"]), ("lines", &json!("Door")));
    let state = listener.event().unwrap();
    assert_eq!((state.name.as_str(), state.data["counting"]["scene"].as_str()), ("state", Some("camera")));
    let tally = listener.event().unwrap();
    assert_eq!((tally.name.as_str(), &tally.data), ("tally", &served.get("/api/v1/tallies").json()));

    served.record(door, 1);
    let (mut crossing, mut out) = (None, 0);
    // Either event may come first.
    while crossing.is_none() || out != 1 {
        let event = listener.event().unwrap();
        match event.name.as_str() {
            "crossing" => crossing = Some(event),
            "tally" => out = event.data["lines"][0]["out"].as_u64().unwrap(),
            _ => {}
        }
    }
    let crossing = crossing.unwrap();
    assert_eq!(crossing.id, Some(3));
    assert_eq!(crossing.data, served.get("/api/v1/crossings?limit=1").json()["items"][0]);
    served.draw("Gate");
    assert_eq!(listener.next("lines").data["items"].as_array().unwrap().len(), 2);
    let hall = r#"{"name": "Hall", "points": [[0, 0], [1, 0], [1, 1]]}"#;
    let made = served.send("POST", "/api/v1/zones", "application/json", hall);
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(listener.next("lines").data["zones"], json!([made.json()]));
    let moved = r#"{"points": [[0, 0], [0.5, 0], [0.5, 1]], "exclude": true}"#;
    let path = format!("/api/v1/zones/{}", made.json()["id"]);
    assert_eq!(served.send("PATCH", &path, "application/json", moved).status, 200);
    assert_eq!(listener.next("lines").data["zones"], json!([served.get(&path).json()]));
    served.post("/api/v1/pause");
    loop {
        let state = listener.next("state").data;
        if state["state"] == "paused" && state["counting"]["state"] == "waiting" {
            break;
        }
    }
}

#[test]
fn a_returning_listener_continues_where_it_stopped() {
    let (_cam, served, door) = counted();
    served.record(door, 250);
    // By the header, as a browser does, and by the query; later crossings follow.
    let mut by_header = served.listen(CROSSINGS, "Last-Event-ID: 7\r\n");
    let mut by_query = served.listen("/api/v1/events?types=crossing&last_event_id=0", "");
    served.record(door, 100);
    assert_eq!(ids(&mut by_header, 343), (8..=350).collect::<Vec<u64>>());
    assert_eq!(ids(&mut by_query, 350), (1..=350).collect::<Vec<u64>>());
    // An id of a counts.db that is gone: events begin now.
    let mut ahead = served.listen(CROSSINGS, "Last-Event-ID: 9999\r\n");
    assert_eq!(ahead.block().unwrap()["id"], "350");
    served.record(door, 1);
    assert_eq!(ids(&mut ahead, 1), [351]);
    assert_eq!(ids(&mut by_header, 1), [351]);
}

fn with_unix(cam: &TestCam) -> Counted {
    count_with(cam, Setup { http: patient(), has_unix: true, ..Setup::default() })
}

#[test]
fn a_slow_listener_misses_no_crossing() {
    let cam = TestCam::new();
    let served = with_unix(&cam);
    let door = served.draw("Door");
    let mut slow = served.listen_nearby(CROSSINGS);
    assert!(slow.block().is_some());
    let mut quick = served.listen(CROSSINGS, "");
    // More than counts.db keeps for slow listeners, and than the buffers on the way hold.
    for _ in 0..8 {
        served.record(door, 500);
        ids(&mut quick, 500);
    }
    assert_eq!(ids(&mut slow, 4000), (1..=4000).collect::<Vec<u64>>());
    served.record(door, 3);
    assert_eq!(ids(&mut slow, 3), [4001, 4002, 4003]);
}

#[test]
fn a_slow_listener_skips_overlays() {
    let cam = TestCam::new();
    let served = with_unix(&cam);
    served.draw("Door");
    served.stage.put(Some(0.3));
    let looks = || served.counting.status().detections;
    let mut slow = served.listen_nearby("/api/v1/events?types=overlay");
    slow.next("overlay");
    let before = looks();
    wait_until("many detections have run", || looks() > before + 100);
    let resumed = wall_us() as f64 / 1e6;
    let is_old = |event: &Event| event.data["time"].as_f64().unwrap() < resumed;
    let old = std::iter::from_fn(|| slow.event()).take_while(is_old).count();
    assert!(old <= 3, "{old} old overlays");
}

#[test]
fn a_comment_comes_while_nothing_happens() {
    let cam = TestCam::new();
    let http = ServerSettings { heartbeat: Duration::from_millis(20), ..ServerSettings::default() };
    let served = count_with(&cam, Setup { http, ..Setup::default() });
    let mut listener = served.listen(CROSSINGS, "");
    assert!(listener.block().unwrap().contains_key("retry"));
    for _ in 0..3 {
        // A line that begins with a colon: its name is empty.
        let beat = listener.block().unwrap();
        assert_eq!(beat.into_iter().collect::<Vec<_>>(), [(String::new(), String::new())]);
    }
}

#[test]
fn a_departed_listener_is_noticed_and_releases_the_camera() {
    let cam = TestCam::new();
    let served = count(&cam);
    let mut open: Vec<_> = (0..3).map(|_| served.listen("/api/v1/events", "")).collect();
    for listener in &mut open {
        assert!(listener.block().is_some());
    }
    assert_eq!(listeners(&served), "3");
    assert_eq!((served.run.pipeline.status().demands, cam.opens()), (0, 0));
    drop(open.pop());
    wait_until("one has left", || listeners(&served) == "2");
    drop(open);
    wait_until("all have left", || listeners(&served) == "0");
}

#[test]
fn the_number_of_listeners_is_limited() {
    let cam = TestCam::new();
    let served = count(&cam);
    // Seven places are reserved for known clients.
    let mut open: Vec<_> = (0..93).map(|_| served.listen(CROSSINGS, "")).collect();
    let refused = served.get(CROSSINGS);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    open.pop();
    wait_until("there is room again", || listeners(&served) == "92");
    served.listen(CROSSINGS, "");
    // HEAD takes no place.
    let head =
        served.ask(&format!("HEAD {CROSSINGS} HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n"));
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
}

#[test]
fn events_end_when_the_server_stops() {
    let (_cam, mut served_of) = {
        let (cam, served, _) = counted();
        (cam, served)
    };
    let mut listeners: Vec<_> = (0..5).map(|_| served_of.listen("/api/v1/events", "")).collect();
    // A listener over HTTP/1.1, as in browsers: its chunks end properly.
    let mut chunked = served_of.connect();
    chunked.send(&format!("GET {CROSSINGS} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
    assert_eq!(chunked.head().header("transfer-encoding"), Some("chunked"));
    served_of.stop();
    served_of.join();
    for listener in &mut listeners {
        while listener.event().is_some() {}
    }
    // The last chunk is empty. It is the only one if the stop came before any event.
    let rest = chunked.rest().unwrap();
    assert!(rest == b"0\r\n\r\n" || rest.ends_with(b"\r\n0\r\n\r\n"), "{:?}", String::from_utf8_lossy(&rest));
}
