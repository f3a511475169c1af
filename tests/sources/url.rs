//! Network cameras: small servers, each with its own variant of HTTP.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tallycam::base::Stop;
use tallycam::media::SourceErrorKind;
use tallycam::source::url::UrlOpener;
use tallycam::source::{FormatRequest, Opener};

use super::{Bytes, LONG, joined, next, open, picture, pictures, refused, to_the_end, until};

/// An address that refuses connections while the socket exists: it is bound, and nothing listens there.
fn nobody_listens() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A server that passes every connection to `serve`, with the number of earlier ones. Its thread ends with the test's
/// process.
pub fn server(serve: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (number, connection) in listener.incoming().enumerate() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(connection.unwrap(), number));
        }
    });
    host
}

/// A request's head; `None` after the end.
fn request(connection: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if connection.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Waits for the end of the other side.
fn hold(mut connection: TcpStream) {
    let mut rest = [0; 1024];
    while connection.read(&mut rest).is_ok_and(|len| len > 0) {}
}

fn url(url: &str) -> UrlOpener {
    UrlOpener::new(url, None, FormatRequest::ANYTHING).unwrap()
}

/// A server that answers every request with these bytes, then waits or closes.
fn answers(answer: Vec<u8>, closes: bool) -> String {
    server(move |mut connection, _| {
        if request(&mut connection).is_some() {
            let _ = connection.write_all(&answer);
            if closes {
                let _ = connection.shutdown(Shutdown::Write);
            }
            hold(connection);
        }
    })
}

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=\"--frame\"\r\n\r\n";

fn stream(between: impl Fn(usize) -> String, pictures: &[&Bytes]) -> Vec<u8> {
    let mut bytes = STREAM.to_vec();
    for picture in pictures {
        bytes.extend(between(picture.len()).into_bytes());
        bytes.extend(&***picture);
    }
    bytes
}

#[test]
fn streams_of_every_make() {
    let (a, b) = (picture(1), picture(2));
    for head in [
        "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: LEN\r\nX-Timestamp: 1.0\r\n\r\n",
        "\r\n--other\r\nContent-Type: image/jpeg\r\n\r\n",
        "\n----frame\nContent-Length: 10\n\n",
        "--frame\r\nContent-Length: 123456\r\n\r\n",
        "",
    ] {
        let host = answers(stream(|len| head.replace("LEN", &len.to_string()), &[&a, &b]), false);
        let mut source = open(&mut url(&format!("http://{host}/video")));
        let frames = until(&mut *source, &b);
        assert!(frames.iter().all(|frame| *frame == a || *frame == b), "{head:?}");
        assert_eq!(source.next(Duration::ZERO).map(|frame| frame.is_some()), Ok(false));
    }
}

#[test]
fn chunked_and_closing_answers_are_read() {
    let a = picture(1);
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in a.chunks(100) {
        chunked.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    let old = [b"HTTP/1.0 200 OK\r\nContent-Type: video/x-motion-jpeg\r\n\r\n", &a[..]].concat();
    for answer in [chunked, old] {
        let host = answers(answer, false);
        until(&mut *open(&mut url(&format!("http://{host}"))), &a);
    }
}

#[test]
fn an_end_is_reported_after_the_last_picture() {
    let (a, b) = (picture(1), picture(2));
    let host = answers(stream(|_| "--frame\r\n\r\n".into(), &[&b, &a]), true);
    let (frames, trouble) = to_the_end(&mut *open(&mut url(&format!("http://{host}/"))));
    assert_eq!(frames.last(), Some(&a));
    assert_eq!(trouble.kind, SourceErrorKind::Failed);
    assert!(trouble.what.contains("closed the connection"), "{trouble}");

    let cut = [b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", &a[..]].concat();
    let host = answers(cut, true);
    let (frames, trouble) = to_the_end(&mut *open(&mut url(&format!("http://{host}/"))));
    assert_eq!(frames, [a]);
    assert!(trouble.what.contains("broke off"), "{trouble}");
}

#[test]
fn a_stream_without_pictures_is_given_up() {
    let host = server(|mut connection, _| {
        if request(&mut connection).is_some() {
            let _ = connection.write_all(STREAM);
            while connection.write_all(&[b'x'; 65536]).is_ok() {}
        }
    });
    let (frames, trouble) = to_the_end(&mut *open(&mut url(&format!("http://{host}/"))));
    assert!(frames.is_empty());
    assert_eq!(trouble.kind, SourceErrorKind::Broken);
}

#[test]
fn after_an_oversized_and_a_truncated_picture_the_next_is_shown() {
    let good = picture(2);
    let host = server({
        let good = good.clone();
        move |mut connection, _| {
            if request(&mut connection).is_some() {
                let bad = picture(1);
                let giant = vec![7; 33 << 20];
                for bytes in [STREAM, &bad[..300], &bad[..bad.len() / 2], &giant, &*good] {
                    if connection.write_all(bytes).is_err() {
                        return;
                    }
                }
                hold(connection);
            }
        }
    });
    let mut source = open(&mut url(&format!("http://{host}/")));
    let frames = until(&mut *source, &good);
    // Faulty frames are lent, too, so that the caller can count them; none of them is a picture.
    for frame in &frames[..frames.len() - 1] {
        assert!(tallycam::media::jpeg::inspect(frame).is_err());
    }
}

#[test]
fn a_pause_is_no_error() {
    let host = answers(STREAM.to_vec(), false);
    let mut source = open(&mut url(&format!("http://{host}/")));
    assert_eq!(source.next(Duration::from_millis(20)).map(|frame| frame.is_some()), Ok(false));
}

#[test]
fn opening_ends_on_the_stop_flag() {
    let asked = Arc::new(AtomicUsize::new(0));
    let host = server({
        let asked = Arc::clone(&asked);
        move |mut connection, _| {
            request(&mut connection);
            asked.fetch_add(1, Ordering::SeqCst);
            hold(connection);
        }
    });
    let stop = Stop::new();
    let opening = std::thread::spawn({
        let stop = stop.clone();
        move || url(&format!("http://{host}/")).open(&stop).err()
    });
    while asked.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    stop.set();
    let trouble = opening.join().unwrap().expect("it opens");
    assert!(trouble.what.contains("given up"), "{trouble}");
}

#[test]
fn single_pictures_are_asked_for_over_one_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let host = server({
        let connections = Arc::clone(&connections);
        move |mut connection, number| {
            connections.store(number + 1, Ordering::SeqCst);
            let mut n = 0;
            while request(&mut connection).is_some() {
                n += 1;
                let picture = picture(n);
                // The second is truncated; the third has no length and ends the connection.
                let (bytes, length) = match n {
                    2 => (&picture[..picture.len() / 2], Some(picture.len() / 2)),
                    3 => (&picture[..], None),
                    _ => (&picture[..], Some(picture.len())),
                };
                let length = length.map_or(String::new(), |len| format!("Content-Length: {len}\r\n"));
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{length}\r\n");
                connection.write_all(&[head.as_bytes(), bytes].concat()).unwrap();
                if n == 3 {
                    let _ = connection.shutdown(Shutdown::Write);
                    return hold(connection);
                }
            }
        }
    });
    let wanted = FormatRequest { fps: Some(100.0), ..FormatRequest::ANYTHING };
    let mut opener = UrlOpener::new(&format!("http://{host}/snapshot.jpg"), None, wanted).unwrap();
    let mut source = open(&mut opener);
    assert_eq!(source.source_info().fps, Some(100.0));
    let cut = Bytes(picture(2)[..picture(2).len() / 2].to_vec());
    for want in [picture(1), cut, picture(3), picture(1)] {
        assert_eq!(next(&mut *source).unwrap().0, want);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn logins_basic_and_digest() {
    for digest in [false, true] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let host = server({
            let seen = Arc::clone(&seen);
            move |mut connection, _| {
                while let Some(head) = request(&mut connection) {
                    let sent = head.lines().find_map(|line| line.strip_prefix("authorization: "));
                    let is_right = sent.is_some_and(|sent| match digest {
                        false => sent == "Basic YWRtaW46cEBzOnM=",
                        true => is_right_digest(sent),
                    });
                    seen.lock().unwrap().push(sent.map(String::from));
                    let picture = picture(1);
                    let answer = if is_right {
                        let len = picture.len();
                        let head = format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n"
                        );
                        [head.as_bytes(), &picture].concat()
                    } else {
                        let kind = if digest {
                            "Digest realm=\"cam\", nonce=\"abc\", qop=\"auth\", algorithm=MD5"
                        } else {
                            "Basic realm=\"cam\""
                        };
                        format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {kind}\r\nContent-Length: 0\r\n\r\n")
                            .into_bytes()
                    };
                    connection.write_all(&answer).unwrap();
                }
            }
        });
        let wanted = FormatRequest { fps: Some(100.0), ..FormatRequest::ANYTHING };
        let login = Some(("admin".to_owned(), "p@s:s".to_owned()));
        let mut given = UrlOpener::new(&format!("http://{host}/a?b"), login, wanted.clone()).unwrap();
        let inside = format!("http://admin:p%40s:s@{host}/a?b");
        let mut inside = UrlOpener::new(&inside, None, wanted).unwrap();
        for opener in [&mut given, &mut inside] {
            let mut source = open(opener);
            for _ in 0..3 {
                assert_eq!(next(&mut *source).unwrap().0, picture(1));
            }
        }
        // No credentials are sent before they are requested, and then no request is sent twice.
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen.iter().filter(|sent| sent.is_none()).count(), 2, "{seen:?}");

        let trouble = refused(&mut url(&format!("http://{host}/a")));
        assert_eq!(trouble.kind, SourceErrorKind::Denied);
        assert!(trouble.hint.unwrap().contains("user name"));
        let trouble = refused(&mut url(&format!("http://admin:wrong@{host}/a")));
        assert_eq!(trouble.kind, SourceErrorKind::Denied);
        assert!(trouble.what.contains("refuses") && !trouble.line().contains("wrong"), "{trouble}");
    }
}

/// Checks a digest as a server does, by computing it from the password.
fn is_right_digest(sent: &str) -> bool {
    let mut header = digest_auth::AuthorizationHeader::parse(sent).unwrap();
    let response = header.response.clone();
    header.digest(&digest_auth::AuthContext::new("admin", "p@s:s", "/a?b"));
    header.response == response && header.uri == "/a?b"
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let a = picture(1);
    let goal = answers(stream(|_| "--frame\r\n\r\n".into(), &[&a]), false);
    let host = server(move |mut connection, _| {
        let head = request(&mut connection).unwrap_or_default();
        let location = match head.split(' ').nth(1) {
            Some("/start") => "next".to_owned(),
            Some("/next") => format!("http://{goal}/video"),
            Some("/gopher") => "gopher://x".into(),
            _ => "/again".into(),
        };
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(answer.as_bytes()).unwrap();
    });
    until(&mut *open(&mut url(&format!("http://{host}/start"))), &a);
    let trouble = refused(&mut url(&format!("http://{host}/again")));
    assert!(trouble.what.contains("more than 5 times"), "{trouble}");
    assert_eq!(refused(&mut url(&format!("http://{host}/gopher"))).kind, SourceErrorKind::Failed);
}

/// An address of this machine that is neither loopback nor link-local, if it has one.
fn own_address() -> Option<IpAddr> {
    // Nothing is sent: connecting only selects a route.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.77:9").ok()?;
    let IpAddr::V4(ip) = socket.local_addr().ok()?.ip() else { return None };
    (!ip.is_loopback() && !ip.is_unspecified() && !ip.is_link_local()).then_some(ip.into())
}

#[test]
fn a_remote_server_cannot_redirect_to_this_machine() {
    let Some(elsewhere) = own_address() else {
        return println!("LEFT OUT: this machine has no address but loopback");
    };
    // A request that is redirected here would be admitted as a program of this machine.
    let asked = Arc::new(AtomicUsize::new(0));
    let here = server({
        let asked = Arc::clone(&asked);
        move |mut connection, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            let _ = request(&mut connection);
        }
    });
    let port = here.rsplit(':').next().unwrap().to_owned();
    let listener = TcpListener::bind((elsewhere, 0)).unwrap();
    let camera = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let head = request(&mut connection).unwrap_or_default();
            let host = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{host}/database/new\r\nContent-Length: 0\r\n\r\n"
            );
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    for host in
        ["127.0.0.1", "127.1.2.3", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"]
    {
        let trouble = refused(&mut url(&format!("http://{camera}/{host}:{port}")));
        assert!(trouble.what.contains("redirects to"), "{host}: {trouble}");
        assert!(trouble.what.contains("which is this machine"), "{host}: {trouble}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_login_is_not_sent_to_another_server() {
    let received = Arc::new(Mutex::new(None));
    let other = server({
        let received = Arc::clone(&received);
        move |mut connection, _| {
            *received.lock().unwrap() = request(&mut connection);
            let answer = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
            connection.write_all(answer).unwrap();
        }
    });
    let host = answers(
        format!("HTTP/1.1 301 Moved\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n").into_bytes(),
        false,
    );
    assert_eq!(refused(&mut url(&format!("http://a:b@{host}/"))).kind, SourceErrorKind::Denied);
    assert!(!received.lock().unwrap().take().unwrap().contains("authorization"));
}

#[test]
fn every_refusal_has_its_own_words() {
    for (status, kind) in [
        ("403 Forbidden", SourceErrorKind::Denied),
        ("404 Not Found", SourceErrorKind::Absent),
        ("503 Service Unavailable", SourceErrorKind::Busy),
        ("500 Oh", SourceErrorKind::Failed),
    ] {
        let host = answers(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes(), true);
        let trouble = refused(&mut url(&format!("http://{host}/")));
        assert_eq!(trouble.kind, kind, "{trouble}");
    }
    for (kind, hint) in
        [("text/html; charset=utf-8", "page"), ("video/mp4", "ffmpeg"), ("image/png", "image")]
    {
        let host =
            answers(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n<html>").into_bytes(), true);
        let trouble = refused(&mut url(&format!("http://{host}/")));
        assert_eq!(trouble.kind, SourceErrorKind::Unsupported);
        assert!(trouble.what.contains(kind.split(';').next().unwrap()), "{trouble}");
        assert!(trouble.hint.unwrap().contains(hint));
    }
    let host = answers(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), true);
    assert_eq!(refused(&mut url(&format!("http://{host}/"))).kind, SourceErrorKind::Failed);
    let flood = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Flood: 1\r\n".repeat(100_000)].concat();
    let host = answers(flood, true);
    assert_eq!(refused(&mut url(&format!("http://{host}/"))).kind, SourceErrorKind::Failed);

    let (_held, closed) = nobody_listens();
    let trouble = refused(&mut url(&format!("http://{closed}/")));
    assert_eq!(trouble.kind, SourceErrorKind::Absent);
    assert!(trouble.what.contains("does not answer"), "{trouble}");
    let trouble = refused(&mut url("http://no-such-host.invalid/"));
    assert_eq!(trouble.kind, SourceErrorKind::Absent, "{trouble}");
}

#[test]
fn a_flood_gives_the_newest_picture() {
    let all = pictures(50);
    let (sent, is_sent) = std::sync::mpsc::channel();
    let sent = Mutex::new(sent);
    let host = server({
        let all = all.clone();
        move |mut connection, _| {
            request(&mut connection);
            connection.write_all(&[STREAM.to_vec(), joined(&all)].concat()).unwrap();
            sent.lock().unwrap().send(()).unwrap();
            hold(connection);
        }
    });
    let mut source = open(&mut url(&format!("http://{host}/")));
    is_sent.recv_timeout(LONG).unwrap();
    let mut taken = 0;
    loop {
        let (frame, number) = next(&mut *source).unwrap();
        taken += 1;
        if frame == all[49] {
            assert_eq!(number, 50);
            break;
        }
    }
    assert!(taken < 50, "{taken} old pictures were given");
}

#[test]
fn cameras_that_need_ffmpeg_are_shown() {
    let clip = tempfile::tempdir().unwrap();
    let file = clip.path().join("clip.ts");
    let made = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"])
        .args(["-t", "3", "-c:v", "mpeg2video"])
        .arg(&file)
        .status();
    if made.is_err() {
        eprintln!("left out: there is no ffmpeg on this machine; only that this is said is tested");
        let trouble = refused(&mut url("rtsp://127.0.0.1:9/live"));
        assert_eq!(trouble.kind, SourceErrorKind::Unsupported);
        assert!(trouble.hint.unwrap().contains("apt install ffmpeg"));
        return;
    }
    let bytes = std::fs::read(file).unwrap();
    let host = server(move |mut connection, _| {
        let _ = connection.write_all(&bytes);
        let _ = connection.shutdown(Shutdown::Write);
        hold(connection);
    });
    let wanted = FormatRequest { width: Some(80), height: Some(60), ..FormatRequest::ANYTHING };
    let mut source = open(&mut UrlOpener::new(&format!("tcp://{host}"), None, wanted).unwrap());
    let (frame, _) = next(&mut *source).unwrap();
    let seen = tallycam::media::jpeg::inspect(&frame).unwrap();
    assert_eq!((seen.width, seen.height), (80, 60));

    // While it runs, every user of the machine can read its command line.
    let camera = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = camera.local_addr().unwrap();
    let running = open(&mut url(&format!("rtsp://me:hu%24h@{host}/live/it's?a=1")));
    let (mut asked, _) = camera.accept().unwrap();
    let mut head = [0; 64];
    let len = asked.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..len]);
    assert!(head.starts_with(&format!("OPTIONS rtsp://{host}/live/it's?a=1 ")), "{head}");
    let mut lines = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap() {
        let process = process.unwrap().path();
        let of = |name| std::fs::read(process.join(name)).unwrap_or_default();
        let line = String::from_utf8_lossy(&of("cmdline")).replace('\0', " ");
        if line.starts_with("ffmpeg ") && line.contains("concat") {
            lines.push(format!("{line}{}", String::from_utf8_lossy(&of("environ"))));
        }
    }
    assert!(!lines.is_empty() && lines.iter().all(|line| !line.contains("hu%24h")), "{lines:?}");
    drop(running);

    // ffmpeg's message is quoted without the password.
    let (_held, closed) = nobody_listens();
    let (_, trouble) = to_the_end(&mut *open(&mut url(&format!("rtsp://me:hush@{closed}/live"))));
    assert_eq!(trouble.kind, SourceErrorKind::Failed);
    assert!(!trouble.causes.is_empty() && !trouble.line().contains("hush"), "{trouble}");
    assert!(trouble.what.contains(&format!("rtsp://{closed}/*** ended")), "{trouble}");
}
