//! Limited places: the share of one address, the reserve for known clients, and the release of each place when its
//! answer ends. The clients are named by a proxy on this machine.

use crate::common::client::{Answer, Client};
use crate::common::counted::{Setup, count_with};
use crate::common::items::long_recording;
use crate::common::kept::{Kept, keep};
use crate::common::served::{Served, serve, serve_run};
use crate::common::testcam::TestCam;
use crate::common::{DEADLINE, wait_until};
use tallycam::http::{Server, ServerSettings};
use tallycam::pipeline::Views;

/// Requests `path` for a client that a proxy names, or as a program on this machine; returns after the head of the
/// answer.
fn ask(served: &Served, who: Option<&str>, path: &str) -> (Client, Answer) {
    let whose = who.map_or(String::new(), |client| format!("X-Forwarded-For: {client}\r\n"));
    let mut client = served.connect();
    client.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{whose}\r\n"));
    let head = client.head();
    (client, head)
}

fn is_refused(answer: &Answer) -> bool {
    match answer.status {
        503 => {
            assert_eq!(answer.header("retry-after"), Some("5"));
            true
        }
        status => {
            assert_eq!(status, 200);
            false
        }
    }
}

/// Fills `places` with requests for `path`, which gets the number of the client. One address gets its quarter and
/// others still get in; together they get all but the reserve, and programs on this machine get that. Each place that
/// is released is taken again.
fn shares(served: &Served, places: usize, share: usize, path: impl Fn(usize) -> String) {
    let (kept, mut open) = (places.div_ceil(16), Vec::new());
    let take = |open: &mut Vec<Client>, who: Option<&str>| {
        let (client, answer) = ask(served, who, &path(open.len()));
        let is_in = !is_refused(&answer);
        if is_in {
            open.push(client);
        }
        is_in
    };
    for _ in 0..share {
        assert!(take(&mut open, Some("10.0.0.1")), "{} of its share", open.len());
    }
    assert!(!take(&mut open, Some("10.0.0.1")), "it has its share");
    // The address itself counts, however the proxy writes it.
    assert!(!take(&mut open, Some("10.9.9.9, ::ffff:10.0.0.1")));
    let mut other = 1;
    while open.len() < places - kept {
        other += 1;
        for _ in 0..share.min(places - kept - open.len()) {
            assert!(take(&mut open, Some(&format!("10.0.0.{other}"))), "the {other}th, {}", open.len());
        }
    }
    assert!(!take(&mut open, Some("10.0.1.1")), "the rest is reserved");
    for _ in 0..kept {
        assert!(take(&mut open, None), "a known client");
    }
    assert!(!take(&mut open, None), "all are taken");
    open.remove(0);
    wait_until("one is free", || take(&mut open, Some("10.0.0.1")));
}

#[test]
fn of_streams() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings { max_viewers: 20, ..ServerSettings::default() });
    shares(&served, 20, 5, |_| String::from("/stream"));
}

#[test]
fn of_views() {
    let run = TestCam::new().pipeline(tallycam::pipeline::CaptureOptions::default());
    let (views, maker) = Views::start(&run.pipeline).unwrap();
    let served = serve_run(run, None, |pipeline| {
        Server::new(ServerSettings::default(), pipeline, None).with_views(views.clone())
    });
    shares(&served, Views::MOST, 4, |n| format!("/stream?text={n}"));
    drop(served);
    views.stop();
    maker.join_within(DEADLINE).unwrap();
}

#[test]
fn of_listeners() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    shares(&served, 100, 25, |_| String::from("/api/v1/events?types=state"));
}

fn kept() -> (Kept, u64) {
    let kept = keep(&TestCam::new());
    let id = long_recording(&kept.media);
    (kept, id)
}

#[test]
fn of_replays() {
    let (kept, id) = kept();
    shares(&kept, 16, 4, |_| format!("/api/v1/media/{id}/frames?loop=1"));
}

#[test]
fn of_files_and_archives() {
    let (kept, id) = kept();
    shares(&kept, 16, 4, |n| match n % 2 {
        0 => format!("/api/v1/media/{id}/content"),
        _ => format!("/api/v1/media/zip?ids={id}&as=avi"),
    });
}

#[test]
fn a_table_of_crossings_takes_the_place_of_a_file() {
    let cam = TestCam::new();
    let served = count_with(&cam, Setup { keeps: true, ..Setup::default() });
    let id = long_recording(served.media());
    let mut open: Vec<Client> = (0..4)
        .map(|_| {
            let (client, answer) = ask(&served, Some("10.0.0.1"), &format!("/api/v1/media/{id}/content"));
            assert!(!is_refused(&answer));
            client
        })
        .collect();
    let table = "/api/v1/crossings?format=csv";
    assert!(is_refused(&ask(&served, Some("10.0.0.1"), table).1));
    assert!(
        !is_refused(&ask(&served, Some("10.0.0.1"), "/api/v1/crossings").1),
        "what is here as a whole is not"
    );
    assert!(!is_refused(&ask(&served, Some("10.0.0.2"), table).1));
    open.pop();
    wait_until("it is free again", || !is_refused(&ask(&served, Some("10.0.0.1"), table).1));
}
