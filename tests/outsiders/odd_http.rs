//! Network cameras with odd redirects, types, parts and logins.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use digest_auth::Algorithm;
use tallycam::base::Stop;
use tallycam::source::Opener;

use crate::cameras::{answer, camera, jpeg, seen, server};
use crate::row;

/// An answer with a picture.
fn still(lines: &str) -> Vec<u8> {
    answer(&format!("200 OK\r\nContent-Type: image/jpeg\r\n{lines}Content-Length: {}", jpeg().len()), jpeg())
}

fn refused(status: &str) -> Vec<u8> {
    answer(&format!("{status}\r\nContent-Length: 0"), b"")
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn only_permanent_redirects_are_kept() {
    // A goal is good for the request behind its redirect alone.
    let host = server(|_, asked, head| {
        Some(match path(head) {
            "/" => refused(&format!("302 Found\r\nLocation: /img/{asked}")),
            goal if goal == format!("/img/{}", asked - 1) => still(""),
            _ => refused("403 Forbidden"),
        })
    });
    row("Network cameras", "a still behind a redirect (302) that is good once", &seen(&host, None, 20.0));

    let firsts = Arc::new(AtomicUsize::new(0));
    let host = server({
        let firsts = Arc::clone(&firsts);
        move |_, _, head| {
            if path(head) == "/new" {
                return Some(still(""));
            }
            firsts.fetch_add(1, Ordering::SeqCst);
            Some(refused("301 Moved Permanently\r\nLocation: /new"))
        }
    });
    let seen_here = seen(&host, None, 20.0);
    let firsts = firsts.load(Ordering::SeqCst);
    row(
        "Network cameras",
        "a still that has moved for good (301)",
        &format!("{seen_here}, the old address asked {firsts} time"),
    );

    let host = server(|_, _, head| {
        Some(refused(if path(head) == "/" { "302 Found\r\nLocation: /img/7" } else { "403 Forbidden" }))
    });
    row("Network cameras", "a redirect (302) to what is refused", &seen(&host, None, 20.0));
}

#[test]
fn cookies_are_kept_while_it_is_asked() {
    let host = server(|_, _, head| {
        let cookie = head.lines().find_map(|line| line.strip_prefix("cookie: "));
        Some(match (path(head), cookie) {
            (_, Some("session=7")) => still(""),
            ("/", None) => refused("302 Found\r\nLocation: /\r\nSet-Cookie: session=7; Path=/; HttpOnly"),
            _ => refused("403 Forbidden"),
        })
    });
    row("Network cameras", "a cookie that each request must bring", &seen(&host, None, 20.0));
}

#[test]
fn the_bytes_decide_and_not_the_types_name() {
    let part = |kind: &str, body: &[u8]| {
        let head = format!("--f\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body, b"\r\n"].concat()
    };
    let parts = part("image/jpeg", jpeg()).repeat(8);
    let other_parts = part("video/mjpg", jpeg()).repeat(8);
    let raw = jpeg().repeat(8);
    let meta = [&b"META\xff\xd8\xff\xe0"[..], &[0x11; 3000]].concat();
    let mixed = [part("image/jpeg", jpeg()), part("application/octet-stream", &meta)].concat().repeat(8);
    let multipart = "multipart/x-mixed-replace; boundary=f";
    for (sample, kind, body) in [
        ("parts, as video/mjpg", "video/mjpg", &parts),
        ("parts, as video/mpjpeg", "video/mpjpeg;boundary=f", &parts),
        ("parts of video/mjpg", multipart, &other_parts),
        ("pictures one behind the other, as image/mjpeg", "image/mjpeg", &raw),
        ("pictures one behind the other, as video/jpeg", "video/jpeg", &raw),
        ("pictures one behind the other, as text/plain", "text/plain", &raw),
        ("a part of binary data with FF D8 FF in it behind each picture", multipart, &mixed),
    ] {
        let bytes = answer(&format!("200 OK\r\nContent-Type: {kind}"), body);
        let host = server(move |_, _, _| Some(bytes.clone()));
        row("Network cameras", sample, &first(&host));
    }
    let length = jpeg().len();
    for (sample, range) in [
        ("a still, 206 with the whole of it", format!("bytes 0-{}/{length}", length - 1)),
        ("a still, 206 with a part of it", format!("bytes 0-{}/{}", length - 1, 2 * length)),
    ] {
        let lines = format!("206 Partial Content\r\nContent-Type: image/jpeg\r\nContent-Range: {range}");
        let bytes = answer(&format!("{lines}\r\nContent-Length: {length}"), jpeg());
        let host = server(move |_, _, _| Some(bytes.clone()));
        row("Network cameras", sample, &seen(&host, None, 20.0));
    }
}

/// The result of the first answer of a stream.
fn first(host: &str) -> String {
    let mut opener = camera(host, 5.0);
    let mut source = match opener.open(&Stop::new()) {
        Ok(source) => source,
        Err(fault) => return fault.line().replace(host, "CAMERA"),
    };
    loop {
        match source.next(Duration::from_secs(60)) {
            Ok(Some(frame)) if frame.sequence == 8 => {
                let is_picture = tallycam::media::jpeg::inspect(frame.data).is_ok();
                return if is_picture { "8 pictures" } else { "no picture at the end" }.to_owned();
            }
            Ok(Some(frame)) => assert!(frame.sequence < 8, "more pictures than were sent"),
            Ok(None) => panic!("nothing comes"),
            Err(fault) => return fault.line().replace(host, "CAMERA"),
        }
    }
}

/// A camera that challenges with `field`, and accepts the Digest of `user` and `password` in bytes.
fn digest(field: &'static str, realm: &'static [u8], user: &'static [u8], password: &'static [u8]) -> String {
    server(move |_, _, head| {
        let sent = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        let value = |name: &str| {
            let at = sent?.find(&format!("{name}="))? + name.len() + 1;
            Some(sent?[at..].split(", ").next()?.trim_matches('"').as_bytes().to_vec())
        };
        let hash = |parts: &[&[u8]]| Algorithm::default().hash(&parts.join(&b':')).into_bytes();
        let expected = || {
            let login = hash(&[user, realm, password]);
            let request = hash(&[b"GET", b"/"]);
            let (count, random) = (value("nc")?, value("cnonce")?);
            Some(hash(&[&login, b"N", &count, &random, b"auth", &request]))
        };
        let is_right = value("response").is_some_and(|response| Some(response) == expected());
        Some(if is_right { still("") } else { refused(&format!("401 No\r\nWWW-Authenticate: {field}")) })
    })
}

#[test]
fn challenges_are_bytes_in_any_case() {
    let login = Some(("admin", "cam"));
    for (sample, field, realm) in [
        ("Digest, a realm in UTF-8", "Digest realm=\"摄像机\", nonce=\"N\", qop=\"auth\"", "摄像机"),
        ("Digest, capital names", "Digest Realm=\"cam\", Nonce=\"N\", Algorithm=MD5, Qop=\"auth\"", "cam"),
        ("Digest, spaces around =", "Digest realm = \"cam\", nonce = \"N\", qop = \"auth\"", "cam"),
    ] {
        let host = digest(field, realm.as_bytes(), b"admin", b"cam");
        row("Network cameras", sample, &seen(&host, login, 20.0));
    }
    let field = "Digest realm=\"cam\", nonce=\"N\", qop=\"auth\"";
    for (sample, password) in [
        ("Digest, a password in UTF-8", &b"p\xc3\xa4ss"[..]),
        ("Digest, a password in Latin-1", &b"p\xe4ss"[..]),
    ] {
        let host = digest(field, b"cam", b"admin", password);
        row("Network cameras", sample, &seen(&host, Some(("admin", "päss")), 20.0));
    }
    for (sample, right) in [
        ("Basic, a password in UTF-8", "Basic YWRtaW46cMOkc3M="),
        ("Basic, a password in Latin-1", "Basic YWRtaW46cORzcw=="),
    ] {
        let host = server(move |_, _, head| {
            let is_right = head.lines().any(|line| line == format!("authorization: {right}"));
            Some(if is_right { still("") } else { refused("401 No\r\nWWW-Authenticate: Basic realm=\"ü\"") })
        });
        row("Network cameras", sample, &seen(&host, Some(("admin", "päss")), 20.0));
    }
    for (sample, field) in [
        ("NTLM and Negotiate", "NTLM, Negotiate"),
        ("Digest with an unknown algorithm", "Digest realm=\"c\", nonce=\"N\", algorithm=SHA-1"),
    ] {
        let host = server(move |_, _, _| Some(refused(&format!("401 No\r\nWWW-Authenticate: {field}"))));
        row("Network cameras", sample, &seen(&host, login, 20.0));
    }
}
