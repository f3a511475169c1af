//! Text is compressed for clients that accept gzip; tags, conditions and caches take account of it.

use std::io::Read as _;

use crate::common::client::Answer;
use crate::common::counted::{Counted, count};
use crate::common::kept::keep;
use crate::common::served::{Served, serve};
use crate::common::testcam::TestCam;
use flate2::read::GzDecoder;
use serde_json::json;
use tallycam::http::ServerSettings;

const GZIP: &str = "Accept-Encoding: gzip, deflate, br\r\n";

fn ask(served: &Served, method: &str, path: &str, lines: &str) -> Answer {
    served.ask(&format!("{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}\r\n"))
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

fn encoding(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("content-encoding"), answer.header("vary"))
}

const PLAIN: (Option<&str>, Option<&str>) = (None, Some("Accept-Encoding"));
const PACKED: (Option<&str>, Option<&str>) = (Some("gzip"), Some("Accept-Encoding"));
/// There is only one form.
const ONLY: (Option<&str>, Option<&str>) = (None, None);

#[test]
fn each_form_of_a_page_file_has_its_own_tag() {
    let served = serve(&TestCam::new(), ServerSettings::default());
    // The first answers may come before all files are compressed.
    for _ in 0..3 {
        for path in ["/tallycam.css", "/lines.js", "/api/v1/openapi.json"] {
            let plain = ask(&served, "GET", path, "");
            let packed = ask(&served, "GET", path, GZIP);
            assert_eq!((encoding(&plain), encoding(&packed)), (PLAIN, PACKED), "{path}");
            assert!(packed.body.len() * 2 < plain.body.len(), "{path}: {}", packed.body.len());
            assert_eq!(unpacked(&packed), plain.body, "{path}");
            assert_eq!(packed.header("content-type"), plain.header("content-type"), "{path}");
            let tag = plain.header("etag").unwrap();
            let own = format!("{}-gzip\"", tag.strip_suffix('"').unwrap());
            assert_eq!(packed.header("etag"), Some(own.as_str()), "{path}");

            let head = ask(&served, "HEAD", path, GZIP);
            assert_eq!((encoding(&head), head.header("etag")), (PACKED, Some(own.as_str())), "{path}");
            assert!(head.header("content-length").is_some(), "{path}");

            // Both forms of the client count as unchanged.
            for (asked, lines) in [(tag, ""), (tag, GZIP), (own.as_str(), GZIP)] {
                let lines = format!("{lines}If-None-Match: \"x\", {asked}\r\n");
                let same = ask(&served, "GET", path, &lines);
                assert_eq!((same.status, same.header("etag")), (304, Some(asked)), "{path} {lines}");
                assert_eq!(encoding(&same), PLAIN, "{path} {lines}");
            }
            let other = ask(&served, "GET", path, &format!("{GZIP}If-None-Match: \"x-gzip\"\r\n"));
            assert_eq!((other.status, encoding(&other)), (200, PACKED), "{path}");
        }
    }
    let refused = ask(&served, "GET", "/tallycam.css", "Accept-Encoding: gzip;q=0, *\r\n");
    assert_eq!(encoding(&refused), PLAIN);
}

#[test]
fn pages_and_data_are_compressed_pictures_and_events_are_not() {
    let kept = keep(&TestCam::new());
    for n in 0..20 {
        kept.add(&format!("a-picture-with-a-name-{n}.jpg"), n);
    }
    for path in ["/", "/settings", "/media", "/metrics", "/state", "/api/v1/media", "/get_database"] {
        let answer = ask(&kept, "GET", path, GZIP);
        assert_eq!((answer.status, encoding(&answer)), (200, PACKED), "{path}");
        assert!(!unpacked(&answer).is_empty(), "{path}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{path}");
    }
    let list = ask(&kept, "GET", "/get_database", GZIP);
    assert_eq!(unpacked(&list), kept.get("/get_database").body);
    for path in ["/health", "/snapshot", "/icon-512.png", "/api/v1/media/1/content", "/get_counts"] {
        let answer = ask(&kept, "GET", path, GZIP);
        assert_eq!((answer.status, encoding(&answer)), (200, ONLY), "{path}");
    }
    let part = ask(&kept, "GET", "/api/v1/media/1/content", &format!("{GZIP}Range: bytes=0-9\r\n"));
    assert_eq!((part.status, encoding(&part), part.body.len()), (206, ONLY, 10));
    let mut viewer = kept.connect();
    viewer.send(&format!("GET /stream HTTP/1.1\r\nHost: 192.0.2.1\r\n{GZIP}\r\n"));
    assert_eq!(encoding(&viewer.head()), ONLY);
}

#[test]
fn events_are_not_compressed() {
    let counted: Counted = count(&TestCam::new());
    let mut client = counted.connect();
    client.send(&format!("GET /api/v1/events HTTP/1.1\r\nHost: 192.0.2.1\r\n{GZIP}\r\n"));
    let head = client.head();
    assert_eq!((head.header("content-type"), encoding(&head)), (Some("text/event-stream"), ONLY));
}

#[test]
fn the_tag_of_the_compressed_form_is_valid_for_changes() {
    let counted = count(&TestCam::new());
    let classes: Vec<String> = (10..40).map(|n| format!("{n}{}", "x".repeat(50))).collect();
    let draft = json!({"name": "Door", "a": [0.5, 1], "b": [0.5, 0.25], "classes": classes});
    let new = counted.send("POST", "/api/v1/lines", "application/json", &draft.to_string());
    assert_eq!(new.status, 201, "{}", new.text());
    let path = format!("/api/v1/lines/{}", new.json()["id"]);
    let got = ask(&counted, "GET", &path, GZIP);
    let packed = got.header("etag").unwrap().to_owned();
    assert_eq!(encoding(&got), PACKED);
    assert!(packed.ends_with("-gzip\""), "{packed}");
    let change = |tag: &str| {
        let lines = format!("If-Match: {tag}\r\nContent-Type: application/json\r\n");
        counted.send_with("PATCH", &path, &lines, r#"{"in_name":"north"}"#).status
    };
    assert_eq!(change(&packed.replace("-gzip", "-br")), 412);
    assert_eq!(change(&packed), 200);
    assert_eq!(change(&packed), 412, "it has been changed");
}
