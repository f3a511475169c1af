//! Stored media over HTTP, on a real socket with the real store: list, change, remove, upload, storage.

use std::io::Write;
use std::time::Duration;

use crate::common::client::Client;
use crate::common::counted::Listener;
use crate::common::kept::{Kept, avi, keep, keep_with};
use crate::common::testcam::{Manner, TestCam, number_of, numbered_jpeg};
use crate::common::wait_until;
use serde_json::{Value, json};
use tallycam::http;
use tallycam::pipeline::recording::RecorderSettings;
use tallycam::store::media::MediaReader;

fn all_jpegs(kept: &Kept, id: u64) -> Vec<(u64, Vec<u8>)> {
    let reader = kept.media.reader().unwrap();
    let mut pictures = Vec::new();
    for chunk in reader.chunks(id).unwrap() {
        for frame in reader.frames(id, chunk.number).unwrap() {
            let jpeg = reader.bytes(id, chunk.number, frame.offset, frame.len).unwrap();
            pictures.push((frame.at_us, jpeg.to_vec()));
        }
    }
    pictures
}

fn pictures(many: u64) -> Vec<Vec<u8>> {
    (1..=many).map(|number| numbered_jpeg(number, 0)).collect()
}

#[test]
fn a_snapshot_is_taken_read_changed_and_removed() {
    let kept = keep(&TestCam::new());
    let made = kept.json(
        "POST",
        "/api/v1/snapshots",
        &json!({"name": "Door.jpg", "date": "2026-11-01", "note": "it rains", "picture": "original"}),
    );
    assert_eq!((made.status, made.header("location")), (201, Some("media/1")), "{}", made.text());
    assert_eq!(made.header("etag"), Some(format!("\"{}\"", made.json()["version"]).as_str()));
    let item = kept.get("/api/v1/media/1");
    assert_eq!(item.json(), made.json());
    let item = item.json();
    for (key, want) in [
        ("id", json!(1)),
        ("name", json!("Door.jpg")),
        ("kind", json!("snapshot")),
        ("date", json!("2026-11-01")),
        ("time_sure", json!(true)),
        ("width", json!(64)),
        ("height", json!(48)),
        ("duration", json!(0.0)),
        ("frames", json!(1)),
        ("gaps", json!(0)),
        ("camera", json!("camera")),
        ("origin", json!("asked")),
        ("note", json!("it rains")),
        ("kept", json!(false)),
        ("open", json!(false)),
    ] {
        assert_eq!(item[key], want, "{key}");
    }
    assert!(item["bytes"].as_u64().unwrap() > 100 && item["source"].as_str().unwrap().contains("est camera"));
    let change = json!({"name": "Front.jpg", "note": "", "kept": true});
    let changed = kept.json("PATCH", "/api/v1/media/1", &change);
    assert_eq!(changed.status, 200, "{}", changed.text());
    let changed = changed.json();
    assert_eq!(
        (&changed["name"], &changed["note"], &changed["kept"]),
        (&json!("Front.jpg"), &json!(""), &json!(true))
    );
    assert_ne!(changed["version"], item["version"]);
    assert_eq!(kept.ask("DELETE /api/v1/media/1 HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").status, 204);
    for (method, path) in
        [("GET", "/api/v1/media/1"), ("DELETE", "/api/v1/media/1"), ("GET", "/api/v1/media/7")]
    {
        let gone = kept.ask(&format!("{method} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        assert_eq!((gone.status, gone.header("content-type")), (404, Some("application/problem+json")));
    }
    assert!(kept.items().is_empty());
}

#[test]
fn two_changes_on_one_version_do_not_both_succeed() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    let tag = kept.get("/api/v1/media/1").header("etag").unwrap().to_owned();
    let patch = |name: &str, tag: &str| {
        let lines = format!("Content-Type: application/json\r\nIf-Match: {tag}\r\n");
        kept.send_with("PATCH", "/api/v1/media/1", &lines, &json!({"name": name}).to_string())
    };
    let first = patch("b.jpg", &tag);
    assert_eq!(first.status, 200);
    assert_eq!(patch("c.jpg", &tag).status, 412);
    assert_eq!(kept.names(), ["b.jpg"]);
    let lines = format!("If-Match: {tag}\r\n");
    assert_eq!(kept.send_with("DELETE", "/api/v1/media/1", &lines, "").status, 412);
    assert_eq!(patch("c.jpg", first.header("etag").unwrap()).status, 200);
    assert_eq!(patch("d.jpg", "*").status, 200);
    // Both at the same time: the store decides, and one of them is refused.
    let tag = kept.get("/api/v1/media/1").header("etag").unwrap().to_owned();
    let request = |name: &str| {
        let body = json!({"name": name}).to_string();
        format!(
            "PATCH /api/v1/media/1 HTTP/1.1\r\nHost: 192.0.2.1\r\nIf-Match: {tag}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (mut one, mut other) = (kept.connect(), kept.connect());
    one.send(&request("e.jpg"));
    other.send(&request("f.jpg"));
    let mut statuses = [one.answer(false).status, other.answer(false).status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[test]
fn bodies_and_names_agree_with_the_document() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    let ids: Vec<u64> = (1_000_000_000_000..1_000_000_010_001).collect();
    for path in ["/api/v1/media/delete", "/api/v1/media/keep", "/api/v1/media/zip"] {
        let many = kept.json("POST", path, &json!({"ids": ids}));
        assert_eq!(many.status, 422, "{path}: {}", many.text());
        let all = if path.ends_with("zip") { &ids[..5000] } else { &ids[..10_000] };
        assert_eq!(kept.json("POST", path, &json!({"ids": all})).status, 404, "{path}");
        assert_eq!(kept.json("POST", path, &json!({"ids": [1], "other": 1})).status / 100, 4, "{path}");
    }
    assert_eq!(kept.json("POST", "/api/v1/media/check", &json!({"repair": null})).status, 400);
    for (method, path, allow) in [
        ("GET", "/api/v1/media/a.jpg", None),
        ("PATCH", "/api/v1/media/a.jpg", None),
        ("DELETE", "/api/v1/media/a.jpg", None),
        ("OPTIONS", "/api/v1/media/backup", Some("GET, HEAD, OPTIONS")),
        ("OPTIONS", "/api/v1/media/1", Some("GET, PATCH, DELETE, HEAD, OPTIONS")),
    ] {
        let answer = kept.send_with(method, path, "", "");
        let status = if allow.is_some() { 204 } else { 404 };
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}");
    }
    // Answers that the document once lacked.
    let document = kept.get("/api/v1/openapi.json").json();
    let told = |path: &str, method: &str, status: &str| {
        let response = &document["paths"][path][method]["responses"][status];
        assert!(response.is_object(), "{method} {path}: {status}");
        response.clone()
    };
    assert_eq!(kept.get("/player?id=x").status, 400);
    told("/player", "get", "400");
    for path in ["/api/v1/lens", "/api/v1/light"] {
        told(path, "patch", "422");
    }
    for path in ["/api/v1/media/keep", "/api/v1/media/zip", "/api/v1/media/aside/delete"] {
        told(path, "post", "422");
    }
    let kinds = told("/snapshot", "get", "200")["content"].as_object().unwrap().clone();
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["image/jpeg", "text/plain"]);
    // Request schemas forbid unknown properties, except schemas whose names the client chooses.
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let is_sent = ["Draft", "Patch", "Ids", "Keep", "Wish", "Choice", "Name", "Rules"];
        if is_sent.iter().any(|end| name.ends_with(end)) {
            assert!(!schema["additionalProperties"].is_null(), "{name}");
        }
    }
}

#[test]
fn an_invalid_request_is_refused_in_words() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    kept.add("b.jpg", 2);
    for (body, status) in [
        (json!({"name": null}), 400),
        (json!({"note": null}), 400),
        (json!({"kept": null}), 400),
        (json!({"nmae": "x"}), 400),
        (json!({"id": 7}), 400),
        (json!(["name"]), 400),
        (json!("name"), 400),
        (json!({"name": 7}), 400),
        (json!({"kept": "perhaps"}), 400),
        (json!({"name": ""}), 422),
        (json!({"name": "../a"}), 422),
        (json!({"name": "a\u{0}b"}), 422),
        (json!({"name": "x".repeat(201)}), 422),
        (json!({"note": "x".repeat(2001)}), 422),
        (json!({"date": "x".repeat(65)}), 422),
        (json!({"date": "bad"}), 422),
        (json!({"date": ""}), 422),
        (json!({"date": "<script>"}), 422),
        (json!({"date": "0001-01-01"}), 422),
        (json!({"date": "9999-12-31T23:59:59"}), 422),
        (json!({"date": "2018-02-30"}), 422),
        (json!({"name": "b.jpg"}), 409),
    ] {
        let answer = kept.json("PATCH", "/api/v1/media/1", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(!answer.json()["detail"].as_str().unwrap().is_empty());
    }
    assert_eq!(kept.json("PATCH", "/api/v1/media/1", &json!({})).status, 200);
    assert_eq!(kept.send("PATCH", "/api/v1/media/1", "application/json", "").status, 400);
    assert_eq!(kept.send("PATCH", "/api/v1/media/1", "image/png", "x").status, 415);
    for (path, body) in [
        ("/api/v1/snapshots", json!({"w": 15})),
        ("/api/v1/snapshots", json!({"rotate": 45})),
        ("/api/v1/snapshots", json!({"picture": "best"})),
        ("/api/v1/snapshots", json!({"file": "a"})),
        ("/api/v1/recordings", json!({"fps": 0})),
        ("/api/v1/recordings", json!({"every": "2h"})),
        ("/api/v1/recordings", json!({"every": "500ms"})),
        ("/api/v1/media/delete", json!({"ids": []})),
        ("/api/v1/media/delete", json!({"ids": ["a"]})),
        ("/api/v1/media/delete", json!({})),
        ("/api/v1/media/keep", json!({"ids": [1], "kept": 3})),
        ("/api/v1/media/aside/delete", json!({})),
    ] {
        let answer = kept.json("POST", path, &body);
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text());
    }
    assert_eq!(kept.json("POST", "/api/v1/snapshots", &json!({"name": "a/b"})).status, 422);
    assert_eq!(kept.json("POST", "/api/v1/snapshots", &json!({"date": "someday"})).status, 422);
    assert_eq!(kept.json("POST", "/api/v1/recordings", &json!({"date": "someday"})).status, 422);
    for query in ["kind=film", "limit=0", "limit=1001", "from=soon", "kept=maybe", "cursor=nonsense"] {
        let answer = kept.get(&format!("/api/v1/media?{query}"));
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    assert_eq!(kept.names().len(), 2);
}

#[test]
fn the_list_is_newest_first_and_has_pages() {
    let kept = keep(&TestCam::new());
    for (name, date) in [("a.jpg", "2026-01-01"), ("b.jpg", "2026-03-01"), ("c.jpg", "2026-02-01")] {
        let path = format!("/api/v1/media?name={name}&date={date}&note=of+{name}");
        let answer = kept.upload("POST", &path, "", &numbered_jpeg(1, 0));
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.json()["date"], date);
    }
    let clip = kept.upload("POST", "/api/v1/media?name=d.mjpeg&date=2026-04-01", "", &pictures(3).concat());
    assert_eq!(clip.status, 201, "{}", clip.text());
    assert_eq!(kept.names(), ["d.mjpeg", "b.jpg", "c.jpg", "a.jpg"]);
    let names = |path: &str| -> Vec<String> {
        let items = kept.get(path).json()["items"].clone();
        items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/api/v1/media?kind=snapshot"), ["b.jpg", "c.jpg", "a.jpg"]);
    assert_eq!(names("/api/v1/media?kind=recording"), ["d.mjpeg"]);
    assert_eq!(names("/api/v1/media?q=OF+C"), ["c.jpg"]);
    assert_eq!(names("/api/v1/media?from=2026-02-01&to=2026-03-02"), ["b.jpg", "c.jpg"]);
    assert_eq!(kept.json("POST", "/api/v1/media/keep", &json!({"ids": [1, 3]})).status, 204);
    assert_eq!(names("/api/v1/media?kept=1"), ["c.jpg", "a.jpg"]);
    assert_eq!(names("/api/v1/media?kept=0"), ["d.mjpeg", "b.jpg"]);
    assert_eq!(kept.json("POST", "/api/v1/media/keep", &json!({"ids": [1], "kept": false})).status, 204);
    assert_eq!(names("/api/v1/media?kept=1"), ["c.jpg"]);
    // All or none, and an item that is already in that state does not change.
    assert_eq!(kept.json("POST", "/api/v1/media/keep", &json!({"ids": [1, 99]})).status, 404);
    assert_eq!(names("/api/v1/media?kept=1"), ["c.jpg"]);
    let version = |id: u64| kept.get(&format!("/api/v1/media/{id}")).json()["version"].as_u64().unwrap();
    let before = [1, 2, 3].map(version);
    assert_eq!(kept.json("POST", "/api/v1/media/keep", &json!({"ids": [1, 2, 3, 1]})).status, 204);
    assert_eq!([1, 2, 3].map(version), [before[0] + 1, before[1] + 1, before[2]]);
    assert_eq!(kept.json("POST", "/api/v1/media/keep", &json!({"ids": [1, 2], "kept": false})).status, 204);
    let mut seen = Vec::new();
    let mut path = String::from("/api/v1/media?limit=3");
    loop {
        let page = kept.get(&path).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/media?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [4, 2, 3, 1]);
    // All or none.
    assert_eq!(kept.json("POST", "/api/v1/media/delete", &json!({"ids": [1, 99]})).status, 404);
    assert_eq!(kept.names().len(), 4);
    let lines = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(kept.send_with("POST", "/api/v1/media/delete", lines, "ids=1,4").status, 204);
    assert_eq!(kept.names(), ["b.jpg", "c.jpg"]);
}

#[test]
fn a_recording_begins_reports_progress_and_ends() {
    let kept = keep(&TestCam::new());
    assert_eq!(kept.get("/api/v1/recording").json()["recording"], false);
    assert_eq!(kept.post("/api/v1/recording/stop").status, 204);
    let begun = kept.json("POST", "/api/v1/recordings", &json!({"name": "clip.mp4", "note": "n"}));
    assert_eq!((begun.status, begun.header("location")), (201, Some("media/1")), "{}", begun.text());
    assert_eq!((&begun.json()["open"], &begun.json()["kind"]), (&json!(true), &json!("recording")));
    assert_eq!(kept.json("POST", "/api/v1/recordings", &json!({})).status, 409);
    assert_eq!(kept.send("DELETE", "/api/v1/media/1", "application/json", "").status, 409);
    wait_until("pictures are recorded", || {
        kept.get("/api/v1/recording").json()["now"]["frames"].as_u64() >= Some(5)
    });
    let now = kept.get("/api/v1/recording").json();
    assert_eq!(
        (&now["recording"], &now["now"]["id"], &now["now"]["name"]),
        (&json!(true), &json!(1), &json!("clip.mp4"))
    );
    let figure = |name: &str| {
        let text = kept.get("/metrics").text().to_owned();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
    };
    assert_eq!(figure("tallycam_recording{camera=\"camera\"}").as_deref(), Some("1"));
    assert_eq!(kept.state()["recording"]["now"]["id"], 1);
    let ended = kept.post("/api/v1/recording/stop");
    assert_eq!(ended.status, 200);
    let item = ended.json();
    assert_eq!((&item["open"], &item["gaps"]), (&json!(false), &json!(0)));
    let recorded = all_jpegs(&kept, 1);
    assert_eq!(recorded.len() as u64, item["frames"].as_u64().unwrap());
    let numbers: Vec<u64> = recorded.iter().map(|(_, jpeg)| number_of(jpeg).unwrap()).collect();
    assert!(numbers.is_sorted() && numbers.len() >= 5, "{numbers:?}");
    assert_eq!(figure("tallycam_recording{camera=\"camera\"}").as_deref(), Some("0"));
    assert_eq!(figure("tallycam_media_items{camera=\"camera\",kind=\"recording\"}").as_deref(), Some("1"));
    assert!(figure("tallycam_storage_free_bytes{camera=\"camera\"}").is_some());
    let state = kept.state();
    assert_eq!(
        (&state["storage"]["recordings"], &state["recording"]["recording"]),
        (&json!(1), &json!(false))
    );
}

#[test]
fn files_become_snapshots_or_recordings() {
    let kept = keep(&TestCam::new());
    // A JPEG, followed by the data that phones append.
    let jpeg = numbered_jpeg(1, 0);
    let with_more = [&jpeg[..], &numbered_jpeg(2, 0), b"\0\0\0 ftyp and so on"].concat();
    let answer = kept.upload("PUT", "/api/v1/media?name=a.JPG&date=2020-05-06T07:08:09", "", &with_more);
    assert_eq!((answer.status, answer.header("location")), (201, Some("media/1")), "{}", answer.text());
    let item = answer.json();
    assert_eq!(
        (&item["kind"], &item["origin"], &item["date"]),
        (&json!("snapshot"), &json!("import"), &json!("2020-05-06"))
    );
    assert_eq!(kept.media.reader().unwrap().snapshot(1).unwrap(), jpeg);
    // Concatenated pictures, at the given pace.
    let all = pictures(5);
    let answer = kept.upload("POST", "/api/v1/media?name=b.mjpeg&fps=10", "", &all.concat());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let taken = all_jpegs(&kept, 2);
    assert_eq!(taken.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 100_000, 200_000, 300_000, 400_000]);
    assert!(taken.iter().map(|(_, jpeg)| jpeg).eq(&all));
    // A saved stream has its own times.
    let mut saved = b"--frame\r\n".to_vec();
    for (n, jpeg) in all.iter().enumerate() {
        let head = format!("Content-Type: image/jpeg\r\nX-Timestamp: 1763650382.{n}00000\r\n\r\n");
        saved.extend([head.as_bytes(), jpeg, b"\r\n--frame\r\n"].concat());
    }
    let item = kept.upload("POST", "/api/v1/media", "", &saved).json();
    assert_eq!((&item["time"], &item["frames"]), (&json!("2025-11-20T14:53:02.000Z"), &json!(5)), "{item}");
    assert_eq!(all_jpegs(&kept, 3)[4].0, 400_000);
    // An AVI at its own pace, of several chunks.
    let all = pictures(40);
    let item = kept.upload("POST", "/api/v1/media?name=c.avi", "", &avi(&all, 50_000)).json();
    assert_eq!(
        (&item["name"], &item["frames"], &item["duration"], &item["gaps"]),
        (&json!("c.avi"), &json!(40), &json!(2.0), &json!(0)),
        "{item}"
    );
    let taken = all_jpegs(&kept, 4);
    assert!(taken.iter().map(|(_, jpeg)| jpeg).eq(&all));
    assert_eq!(taken[39].0, 39 * 50_000);
    assert!(kept.media.reader().unwrap().chunks(4).unwrap().len() >= 2);
    // A taken name gets a number.
    assert_eq!(kept.upload("POST", "/api/v1/media?name=c.avi", "", &jpeg).json()["name"], "c-2.avi");
}

#[test]
fn truncated_files_are_taken_as_far_as_they_go() {
    let kept = keep(&TestCam::new());
    let all = pictures(6);
    let whole = avi(&all, 50_000);
    let fifth = whole.windows(all[4].len()).position(|window| window == all[4]).unwrap();
    let item = kept.upload("POST", "/api/v1/media?name=a.avi", "", &whole[..fifth + 30]).json();
    assert_eq!(item["frames"], 4, "{item}");
    let mjpeg = all.concat();
    let item = kept.upload("POST", "/api/v1/media?name=b.mjpeg", "", &mjpeg[..mjpeg.len() - 10]).json();
    assert_eq!(item["frames"], 5, "{item}");
    // A broken picture in the middle leaves a gap.
    let mut broken = all.clone();
    broken[2] = b"\xff\xd8\xff\xc0 this is none".to_vec();
    let item = kept.upload("POST", "/api/v1/media?name=c.avi", "", &avi(&broken, 50_000)).json();
    assert_eq!((&item["frames"], &item["gaps"]), (&json!(5), &json!(1)), "{item}");
    let count = kept.items().len();
    for (body, status) in [
        (&all[0][..all[0].len() / 2], 422),
        (&b""[..], 415),
        (&b"words"[..], 415),
        (&b"\x89PNG\r\n\x1a\n"[..], 415),
        (&whole[..100], 415),
        (&b"RIFF\0\0\0\0AVI LIST\xff\xff\xff\xffmovi"[..], 415),
        (&b"\xff\xd8\xff\xd9"[..], 422),
    ] {
        let answer = kept.upload("POST", "/api/v1/media?name=x", "", body);
        assert_eq!(answer.status, status, "{:?}: {}", &body[..body.len().min(20)], answer.text());
    }
    assert_eq!(kept.upload("POST", "/api/v1/media?name=a%2Fb", "", &all[0]).status, 422);
    assert_eq!(kept.upload("POST", "/api/v1/media?fps=0", "", &all[0]).status, 400);
    assert_eq!(kept.items().len(), count);
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    let kept = keep(&TestCam::new());
    let many = pictures(300).concat();
    let mut client = kept.connect();
    client.send(&format!(
        "POST /api/v1/media?name=a HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: {}\r\n\r\n",
        many.len() + 9
    ));
    client.0.get_mut().write_all(&many).unwrap();
    wait_until("it has begun", || kept.names() == ["a"]);
    drop(client);
    wait_until("nothing is left of it", || kept.items().is_empty());
    // The name is free again.
    assert_eq!(kept.add("a", 1), 2);
}

#[test]
fn a_silent_upload_times_out() {
    let settings =
        http::ServerSettings { head_timeout: Duration::from_millis(300), ..http::ServerSettings::default() };
    let kept = keep_with(&TestCam::new(), settings, RecorderSettings::default());
    let mut clients: Vec<Client> = (0..2).map(|_| kept.connect()).collect();
    for client in &mut clients {
        client.send("POST /api/v1/media HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 1000\r\n\r\n\u{7f}");
    }
    for client in &mut clients {
        let answer = client.answer(false);
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")), "{}", answer.text());
    }
    kept.add("a.jpg", 1);
}

#[test]
fn more_than_the_disk_holds_is_refused_at_once() {
    let kept = keep(&TestCam::new());
    let mut client = kept.connect();
    client.send("POST /api/v1/media HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 9000000000000000\r\n\r\n");
    let answer = client.answer(false);
    assert_eq!(answer.status, 507, "{}", answer.text());
    // A picture that never ends: 33 MB of comment segments.
    let mut body = vec![0xff, 0xd8];
    while body.len() < 34 << 20 {
        body.extend([0xff, 0xfe, 0xff, 0xff]);
        body.resize(body.len() + 65_533, b'.');
    }
    assert_eq!(kept.upload("POST", "/api/v1/media", "", &body).status, 413);
    assert!(kept.items().is_empty());
}

#[test]
fn a_form_uploads_files_without_a_script() {
    let kept = keep(&TestCam::new());
    let form = |parts: &[(&str, Option<&str>, &[u8])]| {
        let mut body = Vec::new();
        for (name, file, bytes) in parts {
            let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
            body.extend(
                format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes(),
            );
            body.extend([bytes, &b"\r\n"[..]].concat());
        }
        body.extend(b"--B--\r\n");
        body
    };
    let lines = "Content-Type: multipart/form-data; boundary=B\r\n";
    let (one, two) = (numbered_jpeg(1, 0), pictures(3).concat());
    let both = form(&[
        ("note", None, b"from the phone"),
        ("file", Some("C:\\Pictures\\one.jpg"), &one),
        ("file", Some("two.mjpeg"), &two),
    ]);
    let answer = kept.upload("POST", "/api/v1/media", lines, &both);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(answer.json()["items"][0]["name"], "one.jpg");
    assert_eq!(answer.json()["items"][1]["note"], "from the phone");
    assert_eq!(kept.media.reader().unwrap().snapshot(1).unwrap(), one);
    // A file that is no picture does not spoil the others, and is named.
    let mixed = form(&[
        ("file", Some("three.jpg"), &one),
        ("file", Some("four.jpg"), b"words"),
        ("file", Some("last.jpg"), &one),
    ]);
    let answer = kept.upload("POST", "/api/v1/media", lines, &mixed);
    assert_eq!(answer.status, 207, "{}", answer.text());
    let said = answer.json();
    let names: Vec<&Value> = said["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
    assert_eq!(names, ["three.jpg", "last.jpg"]);
    let refused = said["refused"].as_array().unwrap();
    assert_eq!(
        (refused.len(), &refused[0]["name"], &refused[0]["status"]),
        (1, &json!("four.jpg"), &json!(415))
    );
    assert!(refused[0]["detail"].as_str().unwrap().starts_with("this is something else"), "{said}");
    let page = kept.upload("POST", "/api/v1/media?next=media", lines, &mixed);
    assert_eq!(page.status, 207);
    assert!(page.text().contains("2 of 3 files are kept; four.jpg: this is"), "{}", page.text());
    let bad = form(&[("file", Some("four.jpg"), b"words"), ("file", Some("five.jpg"), b"more words")]);
    let answer = kept.upload("POST", "/api/v1/media", lines, &bad);
    assert_eq!(answer.status, 415);
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("four.jpg: this is") && detail.contains("; five.jpg: this is"), "{detail}");
    // A form that breaks off stores nothing, whatever files came before.
    let answer = kept.upload("POST", "/api/v1/media", lines, &mixed[..mixed.len() - 8]);
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    assert_eq!(kept.items().len(), 6);
    let single = form(&[("file", Some("five.jpg"), &one)]);
    let answer = kept.upload("POST", "/api/v1/media?next=media", lines, &single);
    assert_eq!((answer.status, answer.header("location")), (303, Some("../../media")), "{}", answer.text());
    for body in [&both[..both.len() - 8], &form(&[("file", Some(""), b"")])[..], b"--B", b"nonsense"] {
        let answer = kept.upload("POST", "/api/v1/media", lines, body);
        assert!((400..500).contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(
        kept.upload("POST", "/api/v1/media", "Content-Type: multipart/form-data\r\n", &both).status,
        400
    );
    assert_eq!(kept.items().len(), 7);
}

/// As `curl -T FILE` does: it appends the name to an address that ends with a slash.
#[test]
fn a_file_may_be_put_under_its_name() {
    let kept = keep(&TestCam::new());
    let answer =
        kept.upload("PUT", "/api/v1/media/T%C3%BCr%201.avi?date=2018-01-31", "", &avi(&pictures(3), 50_000));
    assert_eq!((answer.status, answer.header("location")), (201, Some("1")), "{}", answer.text());
    let item = answer.json();
    assert_eq!(
        (&item["name"], &item["frames"], &item["date"]),
        (&json!("Tür 1.avi"), &json!(3), &json!("2018-01-31"))
    );
    assert_eq!(kept.upload("PUT", "/api/v1/media/none.avi", "", b"words").status, 415);
    let answer = kept.upload("PUT", "/api/v1/media/1", "", &numbered_jpeg(1, 0));
    assert_eq!((answer.status, answer.header("allow").is_some()), (405, true), "{}", answer.text());
    assert_eq!(kept.names(), ["Tür 1.avi"]);
}

/// The command line imports an old folder this way; its dates may be words.
#[test]
fn the_time_of_a_file_may_be_given_beside_its_date() {
    let kept = keep(&TestCam::new());
    let path = "/api/v1/media?name=a.jpg&date=someday&taken=2018-01-31T12:00:00Z";
    let item = kept.upload("POST", path, "", &numbered_jpeg(1, 0)).json();
    assert_eq!(
        (&item["date"], &item["time"]),
        (&json!("someday"), &json!("2018-01-31T12:00:00.000Z")),
        "{item}"
    );
    assert_eq!(kept.upload("POST", "/api/v1/media?taken=soon", "", &numbered_jpeg(1, 0)).status, 400);
}

#[test]
fn other_sites_change_nothing_and_privacy_mode_serves_nothing() {
    let routes: [(&str, &str, Value); 11] = [
        ("POST", "/api/v1/snapshots", json!({})),
        ("POST", "/api/v1/recordings", json!({})),
        ("POST", "/api/v1/recording/stop", json!({})),
        ("POST", "/api/v1/media", json!({})),
        ("PATCH", "/api/v1/media/1", json!({"note": "x"})),
        ("DELETE", "/api/v1/media/1", json!({})),
        ("POST", "/api/v1/media/delete", json!({"ids": [1]})),
        ("POST", "/api/v1/media/keep", json!({"ids": [1]})),
        ("PUT", "/api/v1/media/retention", json!({"min_free": 1})),
        ("POST", "/api/v1/media/new", json!({})),
        ("POST", "/api/v1/media/aside/delete", json!({"name": "x"})),
    ];
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    for (method, path, body) in &routes {
        let lines = "Sec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\n";
        let answer = kept.send_with(method, path, lines, &body.to_string());
        assert_eq!(answer.status, 403, "{method} {path}");
    }
    assert_eq!((kept.names(), kept.items()[0]["note"].as_str()), (vec![String::from("a.jpg")], Some("")));
    let settings = RecorderSettings { counts_only: true, ..RecorderSettings::default() };
    let kept = keep_with(&TestCam::new(), http::ServerSettings::default(), settings);
    for (method, path, body) in &routes {
        assert_eq!(kept.json(method, path, body).status, 403, "{method} {path}");
    }
    for path in [
        "/api/v1/media",
        "/api/v1/media/1",
        "/api/v1/recording",
        "/api/v1/media/storage",
        "/api/v1/media/retention",
        "/api/v1/media/backup",
        "/api/v1/snapshot.jpg",
    ] {
        assert_eq!(kept.get(path).status, 403, "{path}");
    }
    let state = kept.state();
    assert_eq!((&state["storage"], &state["recording"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_missing_store_is_reported() {
    let cam = TestCam::new();
    let served = crate::common::served::serve(&cam, http::ServerSettings::default());
    for path in ["/api/v1/media", "/api/v1/recording", "/api/v1/media/storage", "/get_database"] {
        assert_eq!(served.get(path).status, 503, "{path}");
    }
    assert_eq!(served.get("/snapshot?filename=a").text(), "Error with snapshot");
    assert_eq!(served.state()["storage"], Value::Null);
}

/// Everything reported of a running recording is in the file that is set aside, including pictures that wait for
/// their chunk.
#[test]
fn a_recording_is_ended_before_its_store_is_set_aside() {
    let kept = keep(&TestCam::new());
    assert_eq!(kept.json("POST", "/api/v1/recordings", &json!({"name": "clip.mp4"})).status, 201);
    let told = || kept.get("/api/v1/recording").json()["now"]["frames"].as_u64().unwrap();
    wait_until("pictures are recorded", || told() >= 3);
    let seen = told();
    let aside = kept.post("/api/v1/media/new");
    assert_eq!(aside.status, 201, "{}", aside.text());
    let status = kept.get("/api/v1/recording").json();
    assert_eq!((&status["recording"], &status["now"]), (&json!(false), &Value::Null));
    let old = kept.folder().join(aside.json()["name"].as_str().unwrap());
    let item = MediaReader::open(&old).unwrap().by_name("clip.mp4").unwrap();
    assert!(!item.is_open && item.frames >= seen, "{} of {seen} pictures", item.frames);
}

#[test]
fn the_store_is_set_aside_and_the_old_one_deleted() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    let aside = kept.post("/api/v1/media/new");
    assert_eq!(aside.status, 201, "{}", aside.text());
    let name = aside.json()["name"].as_str().unwrap().to_owned();
    assert!(kept.folder().join(&name).exists() && kept.items().is_empty());
    let storage = kept.get("/api/v1/media/storage").json();
    assert_eq!(storage["aside"][0]["name"], name.as_str());
    assert_eq!(storage["snapshots"]["items"], 0);
    for wrong in ["media.db", "../x.db", "media-none.db", ""] {
        let answer = kept.json("POST", "/api/v1/media/aside/delete", &json!({"name": wrong}));
        assert!((400..500).contains(&answer.status), "{wrong}: {}", answer.text());
    }
    assert_eq!(kept.json("POST", "/api/v1/media/aside/delete", &json!({"name": name})).status, 204);
    assert!(!kept.folder().join(&name).exists() && kept.media.file().exists());
}

#[test]
fn a_picture_is_served_in_the_requested_form() {
    let cam = TestCam::new();
    let kept = keep(&cam);
    let plain = kept.get("/api/v1/snapshot.jpg");
    assert!(number_of(&plain.body).is_some());
    let small = kept.get("/snapshot.jpg?w=32&rotate=90&gray=1");
    assert_eq!((small.status, small.header("content-type")), (200, Some("image/jpeg")), "{:?}", small.status);
    let size = tallycam::media::jpeg::inspect(&small.body).unwrap();
    assert_eq!((size.width, size.height, size.components), (32, 43, 1));
    assert_eq!(kept.get("/api/v1/snapshot.jpg?rotate=45").status, 400);
    let made = kept.json("POST", "/api/v1/snapshots", &json!({"w": 32, "text": "door", "timestamp": true}));
    assert_eq!((made.status, &made.json()["width"]), (201, &json!(32)), "{}", made.text());
    // The query has the same keys as the body; both together are refused.
    let made = kept.post("/api/v1/snapshots?w=32&rotate=90&gray=1&name=q.jpg");
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(
        (&made["width"], &made["height"], &made["name"]),
        (&json!(32), &json!(43), &json!("q.jpg")),
        "{made}"
    );
    let both = kept.json("POST", "/api/v1/snapshots?w=32&note=a", &json!({"w": 48}));
    assert_eq!((both.status, &both.json()["field"]), (400, &json!("w")), "{}", both.text());
    for wrong in ["w=15", "rotate=45", "picture=nonsense", "w=32&w=48"] {
        assert_eq!(kept.post(&format!("/api/v1/snapshots?{wrong}")).status, 400, "{wrong}");
    }
    cam.manner(Manner::Silent);
}

#[test]
fn rules_are_shown_tried_out_and_set() {
    let settings =
        http::ServerSettings { pinned_retention: vec![String::from("min_free")], ..Default::default() };
    let kept = keep_with(&TestCam::new(), settings, RecorderSettings::default());
    for (name, number) in [("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3)] {
        let jpeg = numbered_jpeg(number, 600_000);
        assert_eq!(kept.upload("POST", &format!("/api/v1/media?name={name}"), "", &jpeg).status, 201);
    }
    kept.json("PATCH", "/api/v1/media/1", &json!({"kept": true}));
    let bytes = kept.items()[0]["bytes"].as_u64().unwrap();
    let now = kept.get("/api/v1/media/retention").json();
    assert_eq!((&now["rules"]["snapshots_size"], &now["plan"]["count"]), (&Value::Null, &json!(0)));
    assert_eq!(now["pinned"], json!(["min_free"]));
    // A dry run removes nothing, however often it is repeated.
    let query = format!("/api/v1/media/retention?snapshots_size={}", bytes * 2);
    for _ in 0..2 {
        let plan = kept.get(&query).json()["plan"].clone();
        assert_eq!((&plan["count"], &plan["bytes"]), (&json!(1), &json!(bytes)), "{plan}");
        assert_eq!((&plan["items"][0]["name"], &plan["items"][0]["why"]), (&json!("b.jpg"), &json!("bytes")));
    }
    assert_eq!(kept.get("/api/v1/media/retention").json()["rules"], now["rules"]);
    for (body, status) in [
        (json!({"min_free": 5}), 409),
        (json!({"snapshots_age": 0}), 400),
        (json!({"snapshots_age": "59s"}), 400),
        (json!({"snapshots_size": 0}), 400),
        (json!({"recordings_size": "999kB"}), 400),
        (json!({"snapshots_age": "soon"}), 400),
        (json!({"recordings_size": -1}), 400),
        (json!({"everything": 1}), 400),
        (json!([]), 400),
    ] {
        let answer = kept.json("PUT", "/api/v1/media/retention", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    assert_eq!(kept.get("/api/v1/media/retention?snapshots_age=soon").status, 400);
    assert_eq!(kept.names().len(), 3);
    let wanted = json!({"snapshots_size": bytes * 2, "recordings_age": "30d"});
    // A rule that would delete something asks first.
    let asked = kept.json("PUT", "/api/v1/media/retention", &wanted);
    let detail = asked.json()["detail"].as_str().unwrap().to_owned();
    assert!(asked.status == 409 && detail.contains("would delete 1 item, 60"), "{}", asked.text());
    assert_eq!(
        (kept.names().len(), &kept.get("/api/v1/media/retention").json()["rules"]),
        (3, &now["rules"])
    );
    let set = kept.json("PUT", "/api/v1/media/retention?confirm=1", &wanted);
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(set.json()["rules"]["recordings_age"], json!(2_592_000.0));
    wait_until("the oldest items are gone", || kept.names() == ["c.jpg", "a.jpg"]);
    // An omitted rule stays; null means no limit.
    let set = kept.json("PUT", "/api/v1/media/retention", &json!({"snapshots_size": null})).json();
    assert_eq!(
        (&set["rules"]["snapshots_size"], &set["rules"]["recordings_age"]),
        (&Value::Null, &json!(2_592_000.0))
    );
}

/// The rule would delete everything, in vain.
#[test]
fn keep_free_cannot_exceed_the_size_of_the_disk() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    let before = kept.get("/api/v1/media/retention").json();
    let refused = kept.json("PUT", "/api/v1/media/retention", &json!({"min_free": 1u64 << 60}));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains(" GB cannot stay free"), "{}", refused.text());
    assert_eq!(kept.get("/api/v1/media/retention").json()["rules"], before["rules"]);
    assert_eq!(kept.names(), ["a.jpg"]);
}

#[test]
fn a_copy_is_a_complete_store() {
    let kept = keep(&TestCam::new());
    kept.add("a.jpg", 1);
    kept.upload("POST", "/api/v1/media?name=b.mjpeg", "", &pictures(40).concat());
    let copy = kept.get("/api/v1/media/backup");
    assert_eq!((copy.status, copy.header("content-type")), (200, Some("application/vnd.sqlite3")));
    assert_eq!(copy.header("content-length"), Some(copy.body.len().to_string().as_str()));
    let name = copy.header("content-disposition").unwrap();
    assert!(name.starts_with("attachment; filename=\"tallycam-media-2") && name.ends_with(".db\""), "{name}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("media.db"), &copy.body).unwrap();
    let reader = tallycam::store::media::MediaReader::open(&folder.path().join("media.db")).unwrap();
    assert_eq!(reader.legacy_list().unwrap().len(), 2);
    assert_eq!(reader.snapshot(1).unwrap(), numbered_jpeg(1, 0));
    assert_eq!(reader.item(2).unwrap().frames, 40);
    let head = kept.ask("HEAD /api/v1/media/backup HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    assert_eq!((head.status, head.header("content-type")), (200, Some("application/vnd.sqlite3")));
    // A client that leaves midway does not keep others from their copies.
    let mut client = kept.connect();
    client.send("GET /api/v1/media/backup HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    client.head();
    drop(client);
    wait_until("another copy can be had", || kept.get("/api/v1/media/backup").status == 200);
}

#[test]
fn the_store_is_checked_and_compacted() {
    let kept = keep(&TestCam::new());
    let many = pictures(300);
    kept.upload("POST", "/api/v1/media?name=a.mjpeg", "", &many.concat());
    kept.add("b.jpg", 1);
    let report = kept.json("POST", "/api/v1/media/check", &json!({"repair": true}));
    assert_eq!(report.status, 200, "{}", report.text());
    let report = report.json();
    assert_eq!(
        (&report["clean"], &report["items"], &report["pictures"]),
        (&json!(true), &json!(2), &json!(301)),
        "{report}"
    );
    assert_eq!(kept.post("/api/v1/media/check").json()["clean"], true);
    assert_eq!(kept.json("POST", "/api/v1/media/check", &json!({"repair": "perhaps"})).status, 400);
    assert_eq!(kept.json("POST", "/api/v1/media/delete", &json!({"ids": [1]})).status, 204);
    let storage = || kept.get("/api/v1/media/storage").json();
    wait_until("its room is free", || storage()["going"] == 0);
    let before = storage();
    let freed = kept.post("/api/v1/media/vacuum");
    assert_eq!(freed.status, 200, "{}", freed.text());
    assert_eq!(freed.json()["wiped"], 0);
    let wiped = kept.json("POST", "/api/v1/media/vacuum", &json!({"wipe": true}));
    assert_eq!(wiped.status, 200, "{}", wiped.text());
    assert!(wiped.json()["wiped"].is_u64());
    assert_eq!(kept.json("POST", "/api/v1/media/vacuum", &json!({"wipe": "perhaps"})).status, 400);
    let after = storage();
    assert!(after["file"].as_u64() < before["file"].as_u64(), "{before} {after}");
    assert_eq!(after["snapshots"], json!({"items": 1, "bytes": kept.items()[0]["bytes"]}));
    assert_eq!(after["recordings"]["items"], 0);
    assert!(after["free"].as_u64().unwrap() > 0 && after["total"].as_u64() >= after["free"].as_u64());
}

#[test]
fn an_item_is_downloaded_by_its_name() {
    let kept = keep(&TestCam::new());
    kept.add("caf%C3%A9%201.jpg", 1);
    let answer = kept.get("/media/caf%C3%A9%201.jpg");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(answer.body, numbered_jpeg(1, 0));
    for path in ["/media/none.jpg", "/media/..%2Fmedia.db", "/media/media.db", "/media/a/b"] {
        assert_eq!(kept.get(path).status, 404, "{path}");
    }
}

#[test]
fn listeners_get_events_of_stored_media() {
    let kept = crate::common::counted::count_and_keep(&TestCam::new());
    let mut listener = kept.listen("/api/v1/events?types=media,recording", "");
    let first = listener.next("media").data;
    assert_eq!((&first["full"], &first["fault"]), (&json!(false), &Value::Null));
    assert_eq!(listener.next("recording").data["recording"], false);
    let revision = first["revision"].as_u64().unwrap();
    assert_eq!(kept.send("POST", "/api/v1/snapshots", "application/json", "{}").status, 201);
    let next = listener.next("media").data;
    assert!(next["revision"].as_u64().unwrap() > revision, "{next}");
    assert_eq!(
        kept.send("POST", "/api/v1/recordings", "application/json", "{\"name\":\"clip\"}").status,
        201
    );
    let begun = listener.next("recording").data;
    assert_eq!((&begun["recording"], &begun["now"]["name"]), (&json!(true), &json!("clip")), "{begun}");
    assert_eq!(kept.post("/api/v1/recording/stop").status, 200);
    while listener.next("recording").data["recording"] == true {}
    // A listener gets these events only if it asks for them.
    let wrong = kept.get("/api/v1/events?types=media,films");
    assert!(wrong.status == 400 && wrong.text().contains("recording"), "{}", wrong.text());
}

#[test]
fn saved_rules_survive_a_restart() {
    let kept = keep(&TestCam::new());
    let rules = json!({"recordings_size": "20GB", "snapshots_age": "30d"});
    assert_eq!(kept.json("PUT", "/api/v1/media/retention", &rules).status, 200);
    // As at the next start: the configured rules, overridden by the saved ones.
    kept.media.set_retention(tallycam::store::media::RetentionRules::default());
    kept.media.apply_saved_retention(&[]).unwrap();
    let rules = kept.media.retention();
    assert_eq!((rules.recordings_bytes, rules.snapshots_bytes), (Some(20_000_000_000), None));
    assert_eq!(rules.snapshots_age, Some(Duration::from_secs(30 * 86_400)));
}

#[test]
fn without_a_live_picture_the_card_is_shown_in_every_form() {
    let kept = keep(&TestCam::new());
    kept.post("/api/v1/pause");
    for path in ["/snapshot", "/snapshot?w=320", "/snapshot.jpg?gray=1", "/?action=snapshot&picture=original"]
    {
        let card = kept.get(path);
        let is_jpeg = card.body.starts_with(&[0xff, 0xd8]);
        assert_eq!(
            (card.status, card.header("content-type"), is_jpeg),
            (503, Some("image/jpeg"), true),
            "{path}"
        );
        assert!(card.header("retry-after").is_some(), "{path}");
    }
    let problem = kept.get("/api/v1/snapshot?w=320");
    assert_eq!((problem.status, problem.header("content-type")), (503, Some("application/problem+json")));
}

#[test]
fn events_of_stored_media_need_no_counting() {
    let kept = keep(&TestCam::new());
    for types in ["", "?types=crossing,media,recording,state"] {
        let mut listener = Listener::new(kept.connect(), &format!("/api/v1/events{types}"), "");
        assert_eq!(listener.next("state").data["counting"], Value::Null);
        let revision = listener.next("media").data["revision"].as_u64().unwrap();
        assert_eq!(listener.next("recording").data["recording"], false);
        kept.add(&format!("{}.jpg", types.len()), 1);
        assert!(listener.next("media").data["revision"].as_u64().unwrap() > revision);
    }
    // Only a request for unavailable event types alone is refused.
    for path in ["/api/v1/events?types=crossing", "/api/v1/events?types=lines,tally,overlay"] {
        let none = kept.get(path);
        assert_eq!(
            (none.status, &none.json()["detail"]),
            (503, &json!("counting is not available")),
            "{path}"
        );
    }
}
