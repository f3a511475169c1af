//! Streams on real sockets: the properties that viewers rely on.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::common::client::Client;
use crate::common::served::{Served, serve, serve_run, serve_with};
use crate::common::testcam::{Manner, Running, TestCam, number_of, trouble};
use crate::common::wait_until;
use socket2::{Domain, Socket, Type};
use tallycam::base::Stop;
use tallycam::http::{Server, ServerSettings};
use tallycam::media::{SourceError, SourceErrorKind};
use tallycam::pipeline::Pipeline;
use tallycam::source::{Opener, Source};

/// A viewer whose receive buffer is set to `bytes` before it connects, as the kernel requires.
fn narrow(address: std::net::SocketAddr, bytes: usize) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(bytes).unwrap();
    socket.connect(&address.into()).unwrap();
    Client::new(TcpStream::from(socket))
}

/// Serves a camera that gives pictures only on request, and never times out.
fn serve_on_request(cam: &TestCam) -> Served {
    cam.manner(Manner::OnRequest);
    let pipe = tallycam::pipeline::CaptureOptions {
        silent_after: Duration::from_secs(3600),
        ..tallycam::pipeline::CaptureOptions::default()
    };
    serve_with(cam, ServerSettings::default(), pipe, None)
}

struct Slow {
    cam: TestCam,
    may_open: Receiver<()>,
}

impl Opener for Slow {
    fn describe(&self) -> String {
        self.cam.describe()
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        // A failed test drops the sender, which also ends the wait.
        let _ = self.may_open.recv();
        self.cam.open(stop)
    }
}

#[test]
fn a_card_is_shown_while_the_camera_opens() {
    for path in ["/stream", "/video_feed"] {
        let cam = TestCam::new();
        let (open, may_open) = channel();
        let slow = Slow { cam: cam.clone(), may_open };
        let (pipeline, worker) = Pipeline::start(Box::new(slow), Default::default()).unwrap();
        let served = serve_run(Running::of(pipeline, worker), None, |pipeline| {
            Server::new(ServerSettings::default(), pipeline, None)
        });
        let mut viewer = served.watch(path);
        assert_eq!(number_of(&viewer.part().unwrap()), None, "{path}: a card");
        assert_eq!((served.state()["state"].as_str(), cam.opens()), (Some("starting"), 0));
        open.send(()).unwrap();
        while number_of(&viewer.part().unwrap()).is_none() {}
    }
}

#[test]
fn parts_are_exact_and_in_order() {
    let cam = TestCam::new().picture_len(50_000);
    let served = serve(&cam, ServerSettings::default());
    let mut viewer = served.watch("/stream");
    let (mut last, mut new, mut again) = (0, 0, 0);
    while new < 20 {
        let number = number_of(&viewer.part().unwrap()).unwrap();
        // On a busy machine the last picture may come once more.
        assert!(number >= last, "{number} after {last}");
        *(if number > last { &mut new } else { &mut again }) += 1;
        assert!(again < 5, "{number} comes again and again");
        last = number;
    }
}

#[test]
fn every_old_address_streams_with_any_query() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    for path in [
        "/stream",
        "/live?_=1700000000",
        "/stream.mjpg?123456",
        "/video_feed",
        "/?action=stream",
        "/?action=stream&987654",
        "/stream?fps=fast&%zz",
    ] {
        assert!(number_of(&served.watch(path).part().unwrap()).is_some(), "{path}");
    }
}

#[test]
fn a_single_viewer_goes_on_while_others_join_and_leave() {
    /// A viewer, and the newest picture it has seen.
    fn ten_more(viewer: &mut Client, newest: &mut u64) {
        for _ in 0..10 {
            let number = number_of(&viewer.part().unwrap()).unwrap();
            // On a busy machine the last picture may come once more.
            assert!(number >= *newest, "{number} after {newest}");
            *newest = number;
        }
    }
    let cam = TestCam::new().picture_len(100_000);
    let served = serve(&cam, ServerSettings::default());
    let (mut first, mut of_first) = (served.watch("/stream"), 0);
    for _ in 0..5 {
        ten_more(&mut first, &mut of_first);
        let (mut second, mut of_second) = (served.watch("/stream"), of_first);
        ten_more(&mut second, &mut of_second);
        ten_more(&mut first, &mut of_first);
        drop(second);
        wait_until("the second one has left", || served.state()["viewers"] == 1);
    }
    let start = of_first;
    ten_more(&mut first, &mut of_first);
    assert!(of_first > start + 5, "{start}, {of_first}");
    let viewer = &served.state()["viewer_list"][0];
    assert!(viewer["fps"].as_f64().unwrap() > 1.0, "{viewer}");
}

#[test]
fn the_first_two_pictures_are_repeated_to_a_single_viewer() {
    let cam = TestCam::new();
    let served = serve_on_request(&cam);
    let mut viewer = served.watch("/stream");
    for number in 1..=3 {
        cam.give();
        while number_of(&viewer.part().unwrap()) != Some(number) {}
        assert_eq!(number_of(&viewer.part().unwrap()), Some(number), "repeated");
    }
}

#[test]
fn pictures_for_a_single_viewer_do_not_wake_the_servers_thread() {
    /// Number of times that the server's thread woke up for a hundred pictures, each seen by all viewers before the
    /// next.
    fn woken(cam: &TestCam, served: &Served, viewers: &mut [Client], newest: &mut u64) -> u64 {
        let before = served.waits();
        for _ in 0..100 {
            cam.give();
            *newest += 1;
            for viewer in viewers.iter_mut() {
                while number_of(&viewer.part().unwrap()) != Some(*newest) {}
            }
        }
        served.waits() - before
    }
    let cam = TestCam::new();
    let served = serve_on_request(&cam);
    let (mut viewers, mut newest) = (vec![served.watch("/stream")], 0);
    let alone = woken(&cam, &served, &mut viewers, &mut newest);
    viewers.push(served.watch("/stream"));
    let two = woken(&cam, &served, &mut viewers, &mut newest);
    viewers.pop();
    wait_until("the second one has left", || served.state()["viewers"] == 1);
    let alone_again = woken(&cam, &served, &mut viewers, &mut newest);
    // Two waits that fall together are one, so two viewers wake it less than a hundred times on a busy machine.
    let most_alone = alone.max(alone_again);
    assert!(most_alone < 20 && two > 2 * most_alone.max(5), "{alone}, {two}, {alone_again}");
}

#[test]
fn pictures_sent_in_pieces_are_complete_even_at_a_stop() {
    // More than a socket's buffers hold, at any speed of the other end.
    let most = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap();
    let most: usize = most.split_whitespace().last().unwrap().parse().unwrap();
    let cam = TestCam::new().picture_len(most + most / 2);
    let served = serve_on_request(&cam);
    let mut viewer = narrow(served.address, 16 * 1024);
    viewer.watch("/stream");
    let mut seen = String::new();
    for number in 1..=5 {
        cam.give();
        // The previous picture may be repeated first.
        let mut head = viewer.part_head().unwrap();
        while head.0 == seen {
            viewer.part_body(head.1);
            head = viewer.part_head().unwrap();
        }
        if number == 5 {
            // The viewer has read only the head of the last picture.
            served.stop();
        }
        assert_eq!(number_of(&viewer.part_body(head.1)), Some(number));
        seen = head.0;
    }
    assert_eq!(viewer.part(), None, "it ends behind a whole one");
}

#[test]
fn a_late_viewer_gets_the_newest_picture_at_once_and_again_while_none_follows() {
    let cam = TestCam::new();
    let served = serve_on_request(&cam);
    let mut early = served.watch("/stream");
    cam.give();
    assert_eq!(number_of(&early.part().unwrap()), Some(1));
    let mut late = served.watch("/stream");
    assert_eq!(number_of(&late.part().unwrap()), Some(1));
    for viewer in [&mut early, &mut late] {
        assert_eq!(number_of(&viewer.part().unwrap()), Some(1), "repeated");
    }
    cam.give();
    for viewer in [&mut early, &mut late] {
        let mut number = number_of(&viewer.part().unwrap());
        while number == Some(1) {
            number = number_of(&viewer.part().unwrap());
        }
        assert_eq!(number, Some(2));
    }
}

#[test]
fn a_fault_of_the_camera_disconnects_no_viewer() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    let mut viewer = served.watch("/stream");
    assert!(number_of(&viewer.part().unwrap()).is_some());
    cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    while number_of(&viewer.part().unwrap()).is_some() {}
    assert_eq!(served.state()["state"], "unplugged");
    cam.manner(Manner::Flows(Duration::from_millis(20)));
    while number_of(&viewer.part().unwrap()).is_none() {}
}

#[test]
fn a_resumed_viewer_gets_at_most_two_old_pictures_beyond_its_buffer() {
    let cam = TestCam::new().picture_len(50_000);
    let served =
        serve(&cam, ServerSettings { stall: Duration::from_secs(3600), ..ServerSettings::default() });
    let mut viewer = narrow(served.address, 32 * 1024);
    viewer.watch("/stream");
    viewer.part().unwrap();
    // The viewer reads nothing while two hundred pictures pass.
    let start = cam.sequence();
    wait_until("200 pictures have passed", || cam.sequence() > start + 200);
    let resumed = cam.sequence();
    let old = std::iter::from_fn(|| viewer.part()).take_while(|p| number_of(p).unwrap() < resumed).count();
    assert!(old <= 3, "{old} old pictures");
}

#[test]
fn a_unix_socket_streams_and_holds_little() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("http.sock");
    let cam = TestCam::new().picture_len(50_000);
    let settings = ServerSettings { stall: Duration::from_secs(3600), ..ServerSettings::default() };
    let _served = serve_with(&cam, settings, tallycam::pipeline::CaptureOptions::default(), Some(&path));
    let mut viewer = UnixStream::connect(&path).unwrap();
    viewer.set_read_timeout(Some(crate::common::DEADLINE)).unwrap();
    viewer.write_all(b"GET /stream HTTP/1.0\r\n\r\n").unwrap();
    let start = cam.sequence();
    wait_until("100 pictures have passed", || cam.sequence() > start + 100);
    let resumed = cam.sequence();
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    let mut old = std::collections::BTreeSet::new();
    loop {
        let bytes = viewer.read(&mut buffer).unwrap();
        read.extend_from_slice(&buffer[..bytes]);
        // A picture's number is in its first bytes; only complete ones are examined.
        let numbers = read.windows(33).filter(|w| w.starts_with(&[0xff, 0xd8])).filter_map(number_of);
        let numbers: Vec<_> = numbers.collect();
        old.extend(numbers.iter().copied().filter(|n| *n < resumed));
        if numbers.iter().any(|n| *n >= resumed) {
            break;
        }
    }
    assert!(read.starts_with(b"HTTP/1.0 200 OK\r\n"));
    // The kernel has one buffer for both ends: it holds one picture at most.
    assert!(old.len() <= 2, "{old:?}");
}

#[test]
fn a_stalled_viewer_is_disconnected_and_slows_nobody() {
    let cam = TestCam::new().picture_len(200_000);
    let served = serve(&cam, ServerSettings { stall: Duration::from_secs(2), ..ServerSettings::default() });
    let mut stalled = narrow(served.address, 16 * 1024);
    stalled.watch("/stream");
    let mut good = served.watch("/stream");
    good.part().unwrap();
    assert_eq!(served.state()["viewers"], 2);
    // The good viewer goes on meanwhile, and stays.
    let mut last = 0;
    wait_until("the stalled viewer is gone", || {
        let number = number_of(&good.part().unwrap()).unwrap();
        assert!(number > last);
        last = number;
        served.run.pipeline.status().demands == 1
    });
    assert!(stalled.rest().is_err(), "reset, not ended");
    assert_eq!(served.state()["viewers"], 1);
    good.part().unwrap();
}

#[test]
fn a_slow_but_moving_viewer_stays() {
    let cam = TestCam::new().picture_len(100_000);
    let served =
        serve(&cam, ServerSettings { stall: Duration::from_millis(1500), ..ServerSettings::default() });
    let mut slow = narrow(served.address, 16 * 1024);
    slow.watch("/stream");
    let mut numbers = Vec::new();
    while numbers.len() < 30 {
        numbers.push(number_of(&slow.part().unwrap()).unwrap());
        let now = cam.sequence();
        wait_until("five more pictures", || cam.sequence() > now + 5);
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    let skipped = served.state()["viewer_list"][0]["skipped"].as_u64().unwrap();
    assert!(skipped > 30, "{skipped} skipped");
}

#[test]
fn fifty_viewers_get_complete_pictures_and_leave_nothing_behind() {
    let cam = TestCam::new().picture_len(30_000);
    let served = serve(&cam, ServerSettings::default());
    let viewers: Vec<_> = (0..50).map(|_| served.watch("/stream")).collect();
    let threads: Vec<_> = viewers
        .into_iter()
        .map(|mut viewer| {
            std::thread::spawn(move || {
                let numbers: Vec<_> = (0..25).map(|_| number_of(&viewer.part().unwrap()).unwrap()).collect();
                assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    wait_until("the camera is not needed", || served.run.pipeline.status().demands == 0);
    assert_eq!(served.state()["viewers"], 0);
}

#[test]
fn a_viewer_with_a_low_frame_rate_gets_the_newest_pictures() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    let mut few = served.watch("/stream?fps=10");
    let first = number_of(&few.part().unwrap()).unwrap();
    let mut last = first;
    for _ in 0..20 {
        let number = number_of(&few.part().unwrap()).unwrap();
        assert!(number > last);
        last = number;
    }
    // The camera gives at most 50 pictures per second, so 20 steps of a tenth span at most 100 of them (fewer on a
    // loaded machine). Without a limit the 20 steps would span 20.
    assert!(last - first > 25, "{} pictures of the camera in 20 of the viewer", last - first);
}

#[test]
fn a_viewer_over_the_limit_is_refused_until_one_leaves() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings { max_viewers: 1, ..ServerSettings::default() });
    let mut first = served.watch("/stream");
    first.part().unwrap();
    let refused = served.get("/stream");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    drop(first);
    wait_until("the place is free", || served.get("/state").json()["viewers"] == 0);
    served.watch("/stream").part().unwrap();
}

#[test]
fn a_stop_ends_streams_between_two_parts() {
    let cam = TestCam::new();
    let mut served = serve(&cam, ServerSettings::default());
    let mut viewers: Vec<_> = (0..5).map(|_| served.watch("/stream")).collect();
    for viewer in &mut viewers {
        viewer.part().unwrap();
    }
    let mut idle = served.connect();
    idle.send("GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    assert_eq!(idle.answer(false).status, 200);
    served.stop();
    for viewer in &mut viewers {
        // `part` checks that each part is complete; the end comes after one.
        while viewer.part().is_some() {}
    }
    assert!(idle.rest().unwrap().is_empty());
    served.join();
    assert!(TcpStream::connect(served.address).is_err(), "the listener is closed");
}

#[test]
fn head_answers_without_a_body_and_without_a_camera() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    let mut client = served.connect();
    client.send("HEAD /stream HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    let head = client.head();
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("multipart/x-mixed-replace; boundary=frame"));
    assert!(client.rest().unwrap().is_empty());
    assert_eq!(cam.opens(), 0);
}
