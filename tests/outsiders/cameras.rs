//! Network cameras with ideas of their own about HTTP, as a source reads them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tallycam::base::Stop;
use tallycam::source::url::UrlOpener;
use tallycam::source::{Opener, Wanted};

use crate::row;

const JPEG: &[u8] = include_bytes!("data/two-in-one.jpg");

/// A server that answers the nth request on the mth connection; `None` closes the connection.
fn server(answer: impl Fn(usize, usize, &str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
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

fn request(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn answer(lines: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {lines}\r\n\r\n").as_bytes(), body].concat()
}

/// What comes of a camera: so many pictures on one opening, or its trouble in one line.
fn seen(host: &str, login: Option<(&str, &str)>, fps: f64) -> String {
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    let wanted = Wanted { fps: Some(fps), ..Wanted::ANYTHING };
    let mut opener = UrlOpener::new(&format!("http://{host}/"), login, wanted).unwrap();
    let said = |trouble: tallycam::media::Trouble| trouble.line().replace(host, "CAMERA");
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

/// The first of the two in the sample.
fn jpeg() -> &'static [u8] {
    &JPEG[..find(JPEG, &[0xff, 0xd9]).unwrap() + 2]
}

#[test]
fn one_picture_and_an_end_is_a_still_whatever_its_type_says() {
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
        for fps in [20.0, 1.0] {
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
