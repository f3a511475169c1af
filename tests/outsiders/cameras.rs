//! Network cameras with unusual HTTP, read as a source.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tallycam::base::Stop;
use tallycam::http::{self, Server};
use tallycam::pipeline::{CaptureOptions, Pipeline};
use tallycam::source::ExecOpener;
use tallycam::source::url::UrlOpener;
use tallycam::source::{FormatRequest, Opener};

use crate::common::served::{Served, serve_run};
use crate::common::testcam::Running;
use crate::common::wait_until;
use crate::row;

const JPEG: &[u8] = include_bytes!("data/two-in-one.jpg");

/// A server that answers the nth request on the mth connection; `None` closes the connection.
pub fn server(answer: impl Fn(usize, usize, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (answer, asked) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for (connection, socket) in listener.incoming().enumerate() {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            std::thread::spawn(move || {
                let mut socket = socket.unwrap();
                while let Some(head) = request(&mut socket) {
                    let bytes = answer(connection, asked.fetch_add(1, Ordering::SeqCst), &head);
                    let Some(bytes) = bytes else { break };
                    let _ = socket.write_all(&bytes);
                    if find(&bytes, b"Connection: close").is_some() {
                        let _ = socket.shutdown(Shutdown::Write);
                    }
                }
            });
        }
    });
    host
}

pub fn request(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

pub fn answer(lines: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {lines}\r\n\r\n").as_bytes(), body].concat()
}

/// Result of reading a camera: the number of pictures on one opening, or its fault in one line.
pub fn seen(host: &str, login: Option<(&str, &str)>, fps: f64) -> String {
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    let wanted = FormatRequest { fps: Some(fps), ..FormatRequest::ANYTHING };
    let mut opener = UrlOpener::new(&format!("http://{host}/"), login, wanted).unwrap();
    let said = |trouble: tallycam::media::SourceError| trouble.line().replace(host, "CAMERA");
    let mut source = match opener.open(&Stop::new()) {
        Ok(source) => source,
        Err(trouble) => return said(trouble),
    };
    let (mut pictures, until) = (0, Instant::now() + Duration::from_secs(60));
    while pictures < 6 && Instant::now() < until {
        match source.next(Duration::from_secs(1)) {
            Ok(Some(_)) => pictures += 1,
            Ok(None) => {}
            Err(trouble) if pictures == 0 => return said(trouble),
            Err(trouble) => return format!("ends after {pictures}: {}", said(trouble)),
        }
    }
    format!("{pictures} pictures on one opening")
}

/// A server on this camera, which `/health` calls broken after one failed read.
pub fn served(opener: impl Opener + 'static) -> Served {
    let settings = CaptureOptions { failed_reads: 1, ..CaptureOptions::default() };
    let (pipeline, worker) = Pipeline::start(Box::new(opener), settings).unwrap();
    serve_run(Running::of(pipeline, worker), None, |pipeline| {
        Server::new(http::ServerSettings::default(), pipeline, None)
    })
}

pub fn camera(host: &str, fps: f64) -> UrlOpener {
    let wanted = FormatRequest { fps: Some(fps), ..FormatRequest::ANYTHING };
    UrlOpener::new(&format!("http://{host}/"), None, wanted).unwrap()
}

/// The view of a browser until the camera is live or has a fault, and the words of the page and `/health` then.
fn shown(opener: impl Opener + 'static, host: &str) -> String {
    let served = served(opener);
    let mut viewer = served.watch("/stream");
    let header = turbojpeg::read_header(&viewer.part().unwrap()).unwrap();
    let first = if (header.width, header.height) == (1280, 720) { "a card first" } else { "no card" };
    let before = served.state()["state"].clone();
    wait_until("it is live or has a fault", || served.state()["state"] != "starting");
    let (state, health) = (served.state(), served.get("/health"));
    let text = |key: &str| state[key].as_str().unwrap_or_default().replace(host, "CAMERA");
    let then = [text("headline"), text("reason"), text("hint")].join(" ");
    format!(
        "{first}, while it is {}; then: {}; /health says {}",
        before.as_str().unwrap(),
        then.trim(),
        health.text()
    )
}

/// The first of the two pictures in the sample.
pub fn jpeg() -> &'static [u8] {
    &JPEG[..find(JPEG, &[0xff, 0xd9]).unwrap() + 2]
}

#[test]
fn one_picture_and_an_end_is_a_still_of_any_type() {
    let part = [&b"--cam\r\nContent-Type: image/jpeg\r\n\r\n"[..], jpeg(), b"\r\n--cam--\r\n"].concat();
    for (sample, kind, body) in [
        ("a still, image/jpeg", "Content-Type: image/jpeg\r\n", jpeg()),
        ("a still without a type", "", jpeg()),
        ("a still, application/octet-stream", "Content-Type: application/octet-stream\r\n", jpeg()),
        (
            "a still, multipart without a part",
            "Content-Type: multipart/x-mixed-replace;boundary=cam\r\n",
            jpeg(),
        ),
        (
            "a still as the one part of multipart",
            "Content-Type: multipart/x-mixed-replace;boundary=cam\r\n",
            &part,
        ),
        ("a still without its end (FF D9)", "", &jpeg()[..jpeg().len() - 2]),
    ] {
        let bytes = answer(&format!("200 OK\r\n{kind}Connection: close"), body);
        let host = server(move |_, _, _| Some(bytes.clone()));
        row("Network cameras", sample, &seen(&host, None, 20.0));
    }
}

#[test]
fn a_bad_answer_among_good_ones_is_a_missed_picture() {
    let html = b"<html>Device Busy</html>";
    let length = jpeg().len();
    for (sample, bad) in [
        (
            "every third answer an HTML page",
            answer("200 OK\r\nContent-Type: text/html\r\nConnection: close", html),
        ),
        ("every third answer empty", answer("200 OK\r\nContent-Type: image/jpeg\r\nConnection: close", b"")),
        ("every third answer 503", answer("503 Busy\r\nContent-Length: 0\r\nConnection: close", b"")),
        (
            "every third answer cut short",
            answer(
                &format!(
                    "200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\nConnection: close"
                ),
                &jpeg()[..99],
            ),
        ),
        ("every third answer none at all", Vec::new()),
    ] {
        for fps in [10.0, 1.0] {
            let bad = bad.clone();
            let good = answer("200 OK\r\nContent-Type: image/jpeg\r\nConnection: close", jpeg());
            let host = server(move |_, asked, _| match asked % 3 {
                2 if bad.is_empty() => None,
                2 => Some(bad.clone()),
                _ => Some(good.clone()),
            });
            row("Network cameras", &format!("{sample}, asked {fps} times a second"), &seen(&host, None, fps));
        }
    }
}

#[test]
fn lengths_and_codings_are_understood_or_named() {
    let part = [&b"--f\r\nContent-Type: image/jpeg\r\n\r\n"[..], jpeg(), b"\r\n"].concat().repeat(8);
    let stream = "200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\nConnection: close";
    for (sample, lines, body) in [
        ("Content-Length: infinite", format!("{stream}\r\nContent-Length: infinite"), part.clone()),
        ("Content-Length: -1", format!("{stream}\r\nContent-Length: -1"), part.clone()),
        (
            "Content-Length twice, not the same",
            format!("{stream}\r\nContent-Length: 7\r\nContent-Length: 8"),
            part.clone(),
        ),
        ("Content-Length: 0", format!("{stream}\r\nContent-Length: 0"), part),
        ("Content-Encoding: gzip", format!("{stream}\r\nContent-Encoding: gzip"), vec![31, 139, 8]),
        (
            "parts of video/x-h264",
            stream.to_owned(),
            b"--f\r\nContent-Type: video/x-h264\r\n\r\n\0\0\0\x01gB".to_vec(),
        ),
        ("video/mp4", "200 OK\r\nContent-Type: video/mp4\r\nConnection: close".to_owned(), vec![0; 64]),
    ] {
        let bytes = answer(&lines, &body);
        let host = server(move |_, _, _| Some(bytes.clone()));
        row("Network cameras", sample, &seen(&host, None, 20.0));
    }
}

#[test]
fn a_right_password_is_never_called_wrong() {
    let right = |head: &str| head.contains("authorization: Digest") && head.contains("username=\"me\"");
    let good =
        || answer(&format!("200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}", jpeg().len()), jpeg());
    let challenge =
        |text: String| answer(&format!("401 No\r\nWWW-Authenticate: {text}\r\nContent-Length: 2"), b"no");
    let nonce =
        |head: &str| head.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);

    let host = server(move |connection, _, head| {
        let own = format!("n{connection}");
        let is_own = nonce(head).is_some_and(|nonce| nonce == own);
        Some(if right(head) && is_own {
            good()
        } else {
            challenge(format!("Digest realm=\"c\", nonce=\"{own}\", qop=\"auth\""))
        })
    });
    row("Network cameras", "Digest, a nonce bound to its connection", &seen(&host, Some(("me", "s")), 20.0));

    let host = server(move |_, asked, head| {
        let is_fresh = nonce(head).is_some_and(|nonce| nonce == format!("n{}", asked - 1));
        Some(if right(head) && is_fresh {
            good()
        } else {
            challenge(format!("Digest realm=\"c\", nonce=\"n{asked}\", qop=\"auth\""))
        })
    });
    row(
        "Network cameras",
        "Digest, each nonce good for the next request alone",
        &seen(&host, Some(("me", "s")), 20.0),
    );

    let host = server(move |_, asked, head| {
        let stale = if asked == 1 { ", stale=true" } else { "" };
        Some(if right(head) && asked > 1 {
            good()
        } else {
            challenge(format!("Digest realm=\"c\", nonce=\"n{asked}\"{stale}"))
        })
    });
    row(
        "Network cameras",
        "Digest without qop, the first nonce stale",
        &seen(&host, Some(("me", "s")), 20.0),
    );

    let host = server(move |_, _, head| {
        Some(if right(head) && head.contains("SHA-256") {
            good()
        } else {
            challenge("Digest realm=\"c\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"".into())
        })
    });
    row("Network cameras", "Digest with SHA-256", &seen(&host, Some(("me", "s")), 20.0));

    let host = server(move |_, _, _| Some(challenge("Digest realm=\"c\", nonce=\"n\", qop=\"auth\"".into())));
    row("Network cameras", "Digest, a wrong password", &seen(&host, Some(("me", "s")), 20.0));
}

/// A stream whose first picture comes `late` after its head; `None` means never.
fn late_stream(late: Option<Duration>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let part = [&b"--f\r\nContent-Type: image/jpeg\r\n\r\n"[..], jpeg(), b"\r\n"].concat();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, part) = (socket.unwrap(), part.clone());
            thread::spawn(move || {
                request(&mut socket);
                let kind = "Content-Type: multipart/x-mixed-replace; boundary=f";
                let _ = socket.write_all(&answer(&format!("200 OK\r\n{kind}"), b""));
                let Some(late) = late else {
                    let _ = socket.read_to_end(&mut Vec::new());
                    return;
                };
                thread::sleep(late);
                while socket.write_all(&part).is_ok() {
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
    host
}

#[test]
fn a_slow_camera_is_shown_in_the_end_and_a_limit_names_its_key() {
    const LATE: Duration = Duration::from_secs(6);
    let still = || answer("200 OK\r\nContent-Type: image/jpeg\r\nConnection: close", jpeg());
    let late_answer = || {
        server(move |_, asked, _| {
            thread::sleep(if asked == 0 { LATE } else { Duration::ZERO });
            Some(still())
        })
    };
    let no_answer = || {
        server(|_, _, _| {
            thread::sleep(Duration::from_secs(3600));
            None
        })
    };
    let program = |begin: &str| {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outsiders/data/two-in-one.jpg");
        let script = format!("{begin}; while cat '{file}'; do sleep 0.1; done");
        ExecOpener::new(vec!["sh".into(), "-c".into(), script], FormatRequest::ANYTHING)
            .described("PROGRAM".into(), Vec::new())
    };
    thread::scope(|scope| {
        let url = |sample: &'static str, host: String| {
            scope.spawn(move || row("Network cameras", sample, &shown(camera(&host, 5.0), &host)));
        };
        url("the first answer after 6 s", late_answer());
        url("a stream, its first picture after 6 s", late_stream(Some(LATE)));
        url("a stream without a picture", late_stream(None));
        url("takes the call and says nothing", no_answer());
        for (sample, begin) in [
            ("a program, its first picture after 6 s", "sleep 6"),
            ("a program without a picture", "exec sleep 60"),
        ] {
            let opener = program(begin);
            scope.spawn(move || row("Network cameras", sample, &shown(opener, "PROGRAM")));
        }
    });
}

/// The words of the page and of `/health` for a camera that fails again and again, after several tries.
fn flapping(sample: &str, opener: impl Opener + 'static) {
    let settings = CaptureOptions { silent_after: Duration::from_millis(500), ..CaptureOptions::default() };
    let (pipeline, worker) = Pipeline::start(Box::new(opener), settings).unwrap();
    let served = serve_run(Running::of(pipeline, worker), None, |pipeline| {
        Server::new(http::ServerSettings::default(), pipeline, None)
    });
    let _viewer = served.watch("/stream");
    wait_until("it is unhealthy", || served.get("/health").text() == "False");
    let pictures = || served.state()["pictures"].as_u64().unwrap();
    let from = pictures();
    while pictures() < from + 6 {
        let (health, state) = (served.get("/health"), served.state());
        assert_eq!(health.text(), "False", "{state}");
        assert_ne!(state["state"], "live", "{state}");
    }
    row("Network cameras", sample, "its fault, also while a picture comes; /health says False");
}

#[test]
fn a_camera_that_fails_most_of_the_time_is_not_called_live() {
    let part = [&b"--f\r\nContent-Type: image/jpeg\r\n\r\n"[..], jpeg(), b"\r\n"].concat();
    let stream = "200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f";
    let ends = answer(&format!("{stream}\r\nConnection: close"), &part.repeat(2));
    let host = server(move |_, _, _| Some(ends.clone()));
    let stops = answer(stream, &part);
    let silent = server(move |_, _, _| Some(stops.clone()));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outsiders/data/two-in-one.jpg");
    let command = ["cat", file].map(String::from).to_vec();
    let program = ExecOpener::new(command, FormatRequest::ANYTHING);
    let still = answer("200 OK\r\nContent-Type: image/jpeg\r\nConnection: close", jpeg());
    let busy = answer("200 OK\r\nContent-Type: text/html\r\nConnection: close", b"<html>Device Busy</html>");
    let stills = server(move |_, asked, _| Some(if asked % 3 == 0 { still.clone() } else { busy.clone() }));
    thread::scope(|scope| {
        scope.spawn(|| {
            flapping("a stream that ends after two pictures, again and again", camera(&host, 10.0))
        });
        scope.spawn(|| {
            flapping("a stream of one picture and then nothing, again and again", camera(&silent, 10.0))
        });
        scope.spawn(|| flapping("two of three answers an HTML page", camera(&stills, 10.0)));
        scope.spawn(|| flapping("a program that writes two pictures and ends", program));
    });
}

#[test]
fn the_page_and_health_agree_on_bad_answers() {
    let is_busy = Arc::new(AtomicBool::new(false));
    let good = answer("200 OK\r\nContent-Type: image/jpeg\r\nConnection: close", jpeg());
    let bad = answer("200 OK\r\nContent-Type: text/html\r\nConnection: close", b"<html>Device Busy</html>");
    let host = server({
        let is_busy = Arc::clone(&is_busy);
        move |_, asked, _| {
            let is_bad = is_busy.load(Ordering::SeqCst) || asked % 3 == 2;
            Some(if is_bad { bad.clone() } else { good.clone() })
        }
    });
    let served = served(camera(&host, 10.0));
    let _viewer = served.watch("/stream");
    // `/health` between two reads of the state: if both are equal, the state was the same in between.
    let agree = || {
        let (before, health, after) = (served.state(), served.get("/health"), served.state());
        let works = |state: &serde_json::Value| state["state"] == "live";
        if before["state"] == after["state"] && before["state"] != "starting" {
            assert_eq!(health.text() == "True", works(&before), "{before}");
        }
        works(&after)
    };
    wait_until("it is live", agree);
    let pictures = || served.state()["pictures"].as_u64().unwrap();
    let from = pictures();
    wait_until("ten pictures came", || {
        assert!(agree(), "a bad answer among good ones ended it");
        pictures() >= from + 10
    });
    assert_eq!(served.state()["opens"], 1);
    is_busy.store(true, Ordering::SeqCst);
    wait_until("it has a fault", || !agree());
    is_busy.store(false, Ordering::SeqCst);
    wait_until("it is back", agree);
    row(
        "Network cameras",
        "an HTML page now and then, then for good, then pictures again",
        "the page and /health say the same all the time",
    );
}
