//! The old routes that store pictures, on a real socket, byte for byte; `sqlite3` inspects the store.

use crate::common::client::{Answer, Client};
use crate::common::kept::{Kept, keep, keep_with};
use crate::common::testcam::{TestCam, number_of, numbered_jpeg, trouble};
use crate::common::wait_until;
use tallycam::http;
use tallycam::media::SourceErrorKind;
use tallycam::pipeline::recording::RecorderSettings;

/// Status, type and body, as an old client sees them.
fn said(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.header("content-type").unwrap_or_default(), answer.text())
}

const DONE: (u16, &str, &str) = (200, "text/plain; charset=utf-8", "200");
const NO_SNAPSHOT: (u16, &str, &str) = (500, "text/plain; charset=utf-8", "Error with snapshot");
/// The request was invalid.
const NO_SUCH_SNAPSHOT: (u16, &str, &str) = (400, "text/plain; charset=utf-8", "Error with snapshot");
const NO_RECORDING: (u16, &str, &str) = (400, "text/plain; charset=utf-8", "Error with recording video");

/// Headers that a browser sends for a script of another site.
const FOREIGN: [&str; 3] =
    ["Sec-Fetch-Site: cross-site\r\n", "Origin: http://evil.example\r\n", "Origin: null\r\n"];

fn get_with(kept: &Kept, path: &str, lines: &str) -> Answer {
    kept.ask(&format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}\r\n"))
}

#[test]
fn a_snapshot_is_stored_under_its_name_and_date() {
    let kept = keep(&TestCam::new());
    assert_eq!(said(&kept.get("/snapshot?filename=a&date=2018-01-31")), DONE);
    assert_eq!(said(&kept.get("/snapshot?filename=b.jpg&date=2018-02-01")), DONE);
    // A name that is taken gets a number.
    assert_eq!(said(&kept.get("/snapshot?filename=a&date=2018-02-02")), DONE);
    let answer = kept.get("/get_database");
    assert_eq!(
        said(&answer),
        (
            200,
            "application/json",
            r#"[{"date":"2018-01-31","filename":"a.jpg"},{"date":"2018-02-01","filename":"b.jpg"},{"date":"2018-02-02","filename":"a-2.jpg"}]"#
        )
    );
    let id = kept.items().last().unwrap()["id"].as_u64().unwrap();
    let jpeg = kept.media.reader().unwrap().snapshot(id).unwrap();
    assert!(number_of(&jpeg).is_some(), "not the camera's own picture");
    if let Some(rows) = kept.sqlite3("SELECT id, date, filename FROM media ORDER BY id") {
        assert_eq!(rows, "1|2018-01-31|a.jpg\n2|2018-02-01|b.jpg\n3|2018-02-02|a-2.jpg\n");
    }
    // They are found on their days.
    let days = kept.get("/api/v1/media?from=2018-01-31&to=2018-02-02").json();
    let names: Vec<_> = days["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect();
    assert_eq!(names, ["b.jpg", "a.jpg"], "{days}");
    // Without the key the answer is the picture, and nothing is stored.
    let picture = kept.get("/snapshot");
    assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(kept.items().len(), 3);
}

#[test]
fn a_snapshot_is_stored_in_the_requested_form() {
    let kept = keep(&TestCam::new());
    assert_eq!(said(&kept.get("/snapshot?filename=view&w=32&rotate=90&gray=1")), DONE);
    let item = kept.items().remove(0);
    assert_eq!((item["width"].as_u64(), item["height"].as_u64()), (Some(32), Some(43)), "{item}");
    let jpeg = kept.media.reader().unwrap().snapshot(item["id"].as_u64().unwrap()).unwrap();
    assert_eq!(tallycam::media::jpeg::inspect(&jpeg).unwrap().components, 1);
    // Meaningless values change nothing, as when the picture is only served; and a date is stored in ISO 8601.
    assert_eq!(said(&kept.get("/snapshot?filename=usual&picture=nonsense&w=1&date=2018-5-1")), DONE);
    let item = kept.items().pop().unwrap();
    assert_eq!((item["width"].as_u64(), item["date"].as_str()), (Some(64), Some("2018-05-01")), "{item}");
}

#[test]
fn a_snapshot_that_fails_leaves_no_row() {
    let cam = TestCam::new();
    let kept = keep(&cam);
    let long = "x".repeat(300);
    for name in ["..%2Fa", "a%2Fb", "%2Fetc%2Fpasswd", "a%00b", "a%0Ab", "a%7Fb", &long] {
        assert_eq!(said(&kept.get(&format!("/snapshot?filename={name}"))), NO_SUCH_SNAPSHOT, "{name}");
    }
    // A repeated key is ambiguous.
    for query in ["filename=c&filename=d", "filename=c&date=2018-01-31&date=2018-02-01"] {
        assert_eq!(said(&kept.get(&format!("/snapshot?{query}"))), NO_SUCH_SNAPSHOT, "{query}");
    }
    assert_eq!(said(&kept.get("/get_database")), (200, "application/json", "[]"));
    if let Some(rows) = kept.sqlite3("SELECT count(*) FROM items") {
        assert_eq!(rows, "0\n");
    }
    // A paused camera is not opened again for a snapshot.
    kept.post("/stop_stream");
    assert_eq!(said(&kept.get("/snapshot?filename=c")), NO_SNAPSHOT);
    assert!(!cam.is_open());
    assert_eq!(kept.get("/get_database").text(), "[]");
}

#[test]
fn without_a_camera_it_is_an_error_in_the_old_words() {
    let cam = TestCam::new();
    cam.open_fault(Some(trouble(SourceErrorKind::Absent)));
    let kept = keep(&cam);
    for path in ["/snapshot?filename=a", "/snapshot?filename=&date=2018-01-31"] {
        let answer = kept.get(path);
        assert_eq!((said(&answer), answer.header("retry-after")), (NO_SNAPSHOT, None), "{path}");
    }
    let answer = kept.get("/video_capture?status=false&filename=clip");
    let (_, kind, words) = NO_RECORDING;
    assert_eq!((said(&answer), answer.header("retry-after")), ((500, kind, words), None));
    assert_eq!(said(&kept.get("/video_capture?status=true")), DONE, "no recording is under way");
    assert_eq!(kept.get("/get_database").text(), "[]");
}

#[test]
fn names_are_stored_exactly() {
    let kept = keep(&TestCam::new());
    for (sent, name) in [
        ("caf%C3%A9%20%F0%9F%90%88", "café 🐈.jpg"),
        ("%22quoted%27", "\"quoted'.jpg"),
        ("'%3B%20DROP%20TABLE%20items%3B--", "'; DROP TABLE items;--.jpg"),
        ("%3Cscript%3E", "<script>.jpg"),
        ("..a", "..a.jpg"),
        ("A.JPG", "A.JPG"),
        (".jpg", ".jpg.jpg"),
    ] {
        assert_eq!(said(&kept.get(&format!("/snapshot?filename={sent}"))), DONE, "{sent}");
        assert_eq!(kept.names().first().map(String::as_str), Some(name));
    }
    // An empty name counts as none: the name is made of date and time.
    assert_eq!(said(&kept.get("/snapshot?filename=")), DONE);
    let name = kept.names().remove(0);
    assert!(name.len() == "2026-11-20_14-53-07.jpg".len() && name.ends_with(".jpg"), "{name}");
}

#[test]
fn a_recording_begins_with_false_and_ends_with_true() {
    let kept = keep(&TestCam::new());
    assert_eq!(said(&kept.get("/video_capture?status=true")), DONE, "no recording is under way");
    assert_eq!(said(&kept.get("/video_capture?status=false&filename=clip&date=2018-01-31")), DONE);
    assert_eq!(said(&kept.get("/video_capture?status=false&filename=other")), NO_RECORDING, "one runs");
    wait_until("some pictures are recorded", || {
        kept.recorder.status().now.is_some_and(|now| now.frames >= 3)
    });
    assert_eq!(said(&kept.get("/video_capture?status=true&filename=clip")), DONE);
    let items = kept.items();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["name"], "clip.avi");
    assert_eq!((items[0]["kind"].as_str(), items[0]["open"].as_bool()), (Some("recording"), Some(false)));
    assert!(items[0]["frames"].as_u64().unwrap() >= 3);
    assert_eq!(kept.get("/get_database").text(), r#"[{"date":"2018-01-31","filename":"clip.avi"}]"#);
    let (_, kind, words) = NO_RECORDING;
    assert_eq!(said(&kept.get("/video_capture?status=false&filename=a%2Fb")), (400, kind, words));
    for query in ["", "?status=", "?status=maybe"] {
        assert_eq!(said(&kept.get(&format!("/video_capture{query}"))), DONE, "{query}");
    }
    assert_eq!(kept.items().len(), 1);
}

#[test]
fn a_file_is_added_by_its_name_and_removed_by_it() {
    let kept = keep(&TestCam::new());
    let file = kept.put("old.jpg", &numbered_jpeg(7, 0));
    kept.put("words.jpg", b"no picture at all");
    std::fs::write(kept.folder().join("secret.jpg"), numbered_jpeg(8, 0)).unwrap();
    std::os::unix::fs::symlink(kept.folder().join("secret.jpg"), kept.folder().join("import/link.jpg"))
        .unwrap();
    assert_eq!(said(&kept.get("/database/add?filename=old.jpg&date=2018-01-31")), DONE);
    // Again: it is already there.
    assert_eq!(said(&kept.get("/database/add?filename=old.jpg")), DONE);
    assert_eq!(kept.get("/get_database").text(), r#"[{"date":"2018-01-31","filename":"old.jpg"}]"#);
    assert!(file.exists(), "the user's own file stays");
    // The same if the folder no longer has such a file.
    std::fs::remove_file(file).unwrap();
    assert_eq!(said(&kept.get("/database/add?filename=old.jpg&date=2019-01-31")), DONE);
    assert_eq!(kept.get("/get_database").text(), r#"[{"date":"2018-01-31","filename":"old.jpg"}]"#);
    for name in ["none.jpg", "../secret.jpg", "link.jpg", "..", ".", "", "import/old.jpg", "a\u{1}b"] {
        let sent: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = kept.get(&format!("/database/add?filename={sent}"));
        let want = format!("Unable to find {name}");
        assert_eq!(said(&answer), (404, "text/plain; charset=utf-8", want.as_str()));
    }
    assert_eq!(kept.get("/database/add").text(), "Unable to find ");
    let words = kept.get("/database/add?filename=words.jpg");
    assert_eq!(words.status, 415);
    assert!(words.text().starts_with("this is something else"), "{}", words.text());
    assert!(!words.text().ends_with('\n'), "old texts have no end of line: {:?}", words.text());
    let none = kept.get("/media/none");
    assert!(none.status == 404 && !none.text().ends_with('\n'), "{} {:?}", none.status, none.text());
    let beyond = get_with(&kept, "/media/old.jpg", "Range: bytes=99999999-\r\n");
    assert!(beyond.status == 416 && !beyond.text().ends_with('\n'), "{} {:?}", beyond.status, beyond.text());
    // Two names are ambiguous.
    for twice in
        ["/database/remove?filename=old.jpg&filename=new.jpg", "/database/add?filename=a.jpg&filename=b.jpg"]
    {
        assert_eq!(kept.get(twice).status, 400, "{twice}");
    }
    let removed = kept.get("/database/remove?filename=old.jpg");
    assert_eq!(said(&removed), DONE);
    let again = kept.get("/database/remove?filename=old.jpg");
    assert_eq!(said(&again), (404, "text/plain; charset=utf-8", "Unable to find old.jpg"));
    assert_eq!(kept.get("/get_database").text(), "[]");
}

#[test]
fn one_name_added_by_several_at_once_is_added_once() {
    let kept = keep(&TestCam::new());
    kept.put("old.jpg", &numbered_jpeg(7, 0));
    let mut clients: Vec<Client> = (0..8).map(|_| kept.connect()).collect();
    for client in &mut clients {
        client.send("GET /database/add?filename=old.jpg HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(said(&client.answer(false)), DONE);
    }
    assert_eq!(kept.names(), ["old.jpg"]);
}

#[test]
fn a_recording_under_way_is_not_removed() {
    let kept = keep(&TestCam::new());
    assert_eq!(said(&kept.get("/video_capture?status=false&filename=clip")), DONE);
    assert_eq!(kept.get("/database/remove?filename=clip.avi").status, 409);
    assert_eq!(said(&kept.get("/video_capture?status=true")), DONE);
}

#[test]
fn new_destroys_nothing() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    assert_eq!(said(&kept.get("/database/new")), DONE);
    assert_eq!(kept.get("/get_database").text(), "[]");
    let aside = kept.get("/api/v1/media/storage").json()["aside"].as_array().unwrap().clone();
    assert_eq!(aside.len(), 1);
    let file = kept.folder().join(aside[0]["name"].as_str().unwrap());
    assert!(file.exists());
    // Numbers are not reused.
    assert_eq!(kept.add("b.jpg", 2), 2);
    assert_eq!(kept.names(), ["b.jpg"]);
}

#[test]
fn other_sites_change_nothing() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    kept.put("b.jpg", &numbered_jpeg(2, 0));
    for path in [
        "/snapshot?filename=x",
        "/video_capture?status=false&filename=x",
        "/video_capture?status=true",
        "/database/add?filename=b.jpg",
        "/database/remove?filename=a.jpg",
        "/database/new",
    ] {
        for lines in FOREIGN {
            let answer = get_with(&kept, path, lines);
            assert_eq!(answer.status, 403, "{path} {lines}");
            assert!(answer.text().starts_with("this request comes from another site"), "{}", answer.text());
        }
        // Neither does a HEAD request.
        let head = kept.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        assert_eq!((head.status, head.header("allow")), (405, Some("GET, OPTIONS")), "{path}");
    }
    assert_eq!(kept.names(), ["a.jpg"]);
    // Pictures are for everybody.
    assert_eq!(get_with(&kept, "/snapshot", FOREIGN[0]).status, 200);
    assert_eq!(get_with(&kept, "/get_database", FOREIGN[0]).status, 200);
    // The camera's own page may.
    assert_eq!(said(&get_with(&kept, "/snapshot?filename=x", "Sec-Fetch-Site: same-origin\r\n")), DONE);
}

#[test]
fn in_privacy_mode_nothing_is_stored_or_served() {
    let settings = RecorderSettings { counts_only: true, ..RecorderSettings::default() };
    let kept = keep_with(&TestCam::new(), http::ServerSettings::default(), settings);
    for path in [
        "/snapshot?filename=x",
        "/video_capture?status=false",
        "/video_capture?status=true",
        "/get_database",
        "/database/add?filename=x",
        "/database/remove?filename=x",
        "/database/new",
        "/snapshot?w=320",
    ] {
        assert_eq!(kept.get(path).status, 403, "{path}");
    }
    if let Some(rows) = kept.sqlite3("SELECT count(*) FROM items") {
        assert_eq!(rows, "0\n");
    }
}

#[test]
fn several_at_once_are_all_stored() {
    let kept = keep(&TestCam::new());
    let mut clients: Vec<Client> = (0..8).map(|_| kept.connect()).collect();
    for client in &mut clients {
        client.send("GET /snapshot?filename=same HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(said(&client.answer(false)), DONE);
    }
    let mut names = kept.names();
    names.sort();
    let mut want: Vec<String> = (2..=8).map(|n| format!("same-{n}.jpg")).collect();
    want.push("same.jpg".into());
    want.sort();
    assert_eq!(names, want);
}
