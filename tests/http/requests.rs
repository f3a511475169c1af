//! Requests on real sockets: the contract of every address, and the limits.
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::client::Answer;
use crate::common::served::{Served, serve, serve_run};
use crate::common::testcam::{Manner, TestCam, number_of, trouble};
use crate::common::wait_until;
use tallycam::base::Stop;
use tallycam::config::{Config, Listen};
use tallycam::http::{
    Changing, PreferenceChanges, Preferences, Server, ServerSettings, SettingsInForce, Terms, listen,
};
use tallycam::media::SourceErrorKind;
use tallycam::pipeline::CameraState;

fn served() -> (TestCam, Served) {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    (cam, served)
}

#[test]
fn the_old_programs_answers_are_exact() {
    let (cam, served) = served();
    let json = Some("application/json");
    for (path, kind, body) in [
        ("/start_stream", json, r#"{"status":"started"}"#),
        ("/start_stream", json, r#"{"status":"already_running"}"#),
        ("/stop_stream", json, r#"{"status":"stopped"}"#),
        ("/stop_stream", json, r#"{"status":"stopped"}"#),
        ("/shutdown", Some("text/plain; charset=utf-8"), "Capture released"),
    ] {
        let answer = served.post(path);
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.text()),
            (200, kind, body),
            "{path}"
        );
        assert_eq!(cam.is_open(), path == "/start_stream", "{path}");
    }
    let counts = served.get("/get_counts");
    assert_eq!(counts.text(), r#"{"in_count":0,"out_count":0}"#);
    let failed = served.get("/snapshot?filename=a");
    assert_eq!((failed.status, failed.text()), (500, "Error with snapshot"));
    cam.open_fault(Some(trouble(SourceErrorKind::Busy)));
    let error = served.post("/start_stream");
    assert_eq!(error.text(), r#"{"status":"error","message":"Could not open camera."}"#);
    assert_eq!(error.status, 200);
}

#[test]
fn health_follows_the_camera() {
    let (cam, served) = served();
    let well = served.get("/health");
    assert_eq!((well.status, well.text()), (200, "True"));
    cam.open_fault(Some(trouble(SourceErrorKind::Denied)));
    let _demand = served.run.pipeline.demand();
    wait_until("it is unwell", || served.get("/health").status == 503);
    assert_eq!(served.get("/health").text(), "False");
    cam.open_fault(None);
    wait_until("it is well again", || served.get("/health").text() == "True");
}

#[test]
fn a_snapshot_opens_the_camera_or_says_why_it_cannot() {
    let (cam, served) = served();
    for path in ["/snapshot", "/snapshot.jpg?_=1", "/?action=snapshot", "/api/v1/snapshot"] {
        let picture = served.get(path);
        assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/jpeg")), "{path}");
        assert_eq!(picture.header("cache-control"), Some("no-store"));
        assert!(picture.header("x-timestamp").unwrap().contains('.'));
        assert!(number_of(&picture.body).is_some());
    }
    cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    wait_until("it has a fault", || served.state()["state"] == "unplugged");
    let card = served.get("/snapshot");
    assert_eq!((card.status, card.header("content-type")), (503, Some("image/jpeg")));
    assert!(card.header("retry-after").is_some());
    assert!(card.body.starts_with(&[0xff, 0xd8]) && number_of(&card.body).is_none());
    let problem = served.get("/api/v1/snapshot");
    assert_eq!((problem.status, problem.header("content-type")), (503, Some("application/problem+json")));
    assert!(problem.header("retry-after").is_some());
    assert_eq!(problem.json()["detail"], "Camera unplugged. the test camera is unplugged.");
    assert_eq!(problem.json()["hint"], "read the test.");
    let state = served.state();
    assert_eq!(state["headline"], "Camera unplugged");
    assert_eq!(state["hint"], "read the test.");
}

#[test]
fn pause_and_resume_by_api_and_by_form() {
    let (cam, served) = served();
    assert_eq!(served.get("/snapshot").status, 200);
    let paused = served.post("/api/v1/pause");
    assert_eq!((paused.status, &paused.json()["state"]), (200, &"paused".into()));
    assert!(!cam.is_open());
    // A snapshot does not reopen it.
    assert_eq!(served.get("/snapshot").status, 503);
    let problem = served.get("/api/v1/snapshot");
    assert_eq!((problem.status, problem.header("content-type")), (503, Some("application/problem+json")));
    let hint = "Resume the camera on the live page. `POST /api/v1/resume` does so, too.";
    assert_eq!(problem.json()["hint"], hint);
    assert_eq!(served.post("/api/v1/resume").json()["state"], "idle");
    assert_eq!(served.get("/snapshot").status, 200);
    for path in ["/api/v1/pause", "/api/v1/resume"] {
        let answer = served.send("POST", path, "application/x-www-form-urlencoded", "next=.%2F");
        assert_eq!((answer.status, answer.header("location")), (303, Some("../.././")));
    }
    assert_eq!(served.state()["state"], "idle");
}

#[test]
fn pages_of_named_origins_may_read_and_change_nothing() {
    let cam = TestCam::new();
    let panel = "https://panel.example";
    let settings = ServerSettings { allow_origins: vec![panel.to_owned()], ..ServerSettings::default() };
    let served = serve(&cam, settings);
    let varies_by_origin =
        |answer: &Answer| answer.headers().contains(&(String::from("vary"), String::from("Origin")));
    let ask = |method: &str, path: &str, origin: &str| {
        served.send_with(method, path, &format!("Origin: {origin}\r\n"), "")
    };
    let mut listener = served.connect();
    listener.send(&format!(
        "GET /api/v1/events?types=state HTTP/1.1\r\nHost: 192.0.2.1\r\nOrigin: {panel}\r\nLast-Event-ID: 3\r\n\r\n"
    ));
    let head = listener.head();
    assert_eq!((head.status, head.header("access-control-allow-origin")), (200, Some(panel)));
    for path in ["/snapshot", "/snapshot.jpg", "/api/v1/snapshot", "/state", "/metrics", "/api/v1/counts"] {
        let answer = ask("GET", path, panel);
        assert_eq!(answer.header("access-control-allow-origin"), Some(panel), "{path}");
        assert_eq!(answer.header("access-control-expose-headers"), Some("X-Timestamp, Retry-After"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(varies_by_origin(&answer), "{path}");
        let other = ask("GET", path, "https://other.example");
        assert_eq!(other.status, answer.status);
        assert_eq!(other.header("access-control-allow-origin"), None, "{path}");
        assert!(varies_by_origin(&other), "{path}");
    }
    let problem = ask("GET", "/api/v1/counts?nothing=1", panel);
    assert_eq!((problem.status, problem.header("access-control-allow-origin")), (400, Some(panel)));
    let preflight = ask("OPTIONS", "/api/v1/lines", panel);
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-methods")),
        (204, Some("GET, HEAD"))
    );
    let change = ask("POST", "/api/v1/pause", panel);
    assert_eq!((change.status, change.header("access-control-allow-origin")), (403, None));
    let kept = ask("GET", "/snapshot?filename=a", panel);
    assert_eq!(kept.header("access-control-allow-origin"), None, "it keeps a picture");
    assert_eq!(ask("GET", "/settings", panel).header("access-control-allow-origin"), None);
    let mut viewer = served.connect();
    viewer.send(&format!("GET /stream HTTP/1.1\r\nHost: 192.0.2.1\r\nOrigin: {panel}\r\n\r\n"));
    assert_eq!(viewer.head().header("access-control-allow-origin"), Some(panel));
    let (_cam, plain) = self::served();
    let answer = plain.send_with("GET", "/state", &format!("Origin: {panel}\r\n"), "");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert!(!varies_by_origin(&answer));
}

#[test]
fn the_state_counts_the_viewers() {
    let (_cam, served) = served();
    let mut viewer = served.watch("/stream");
    viewer.part().unwrap();
    // The first picture is served a moment before its camera is reported live.
    wait_until("it is live", || served.state()["state"] == "live");
    let state = served.state();
    assert_eq!(state, {
        let again = served.get("/api/v1/state").json();
        let mut same = state.clone();
        for key in ["uptime_s", "frames", "pictures", "bytes", "fps", "viewer_list", "connections"] {
            same[key] = again[key].clone();
        }
        assert_eq!(same, again);
        state.clone()
    });
    assert_eq!(state["viewers"], 1);
    let own = viewer.0.get_ref().local_addr().unwrap().to_string();
    assert_eq!(state["viewer_list"][0]["address"], own);
    assert_eq!(
        (&state["width"], &state["height"], &state["format"]),
        (&64.into(), &48.into(), &"MJPG".into())
    );
    let metrics = served.get("/metrics");
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.text().contains("\ntallycam_viewers{camera=\"camera\"} 1\n"));
    assert!(metrics.text().contains("tallycam_camera_state{camera=\"camera\",state=\"live\"} 1\n"));
}

#[test]
fn unknown_addresses_and_methods_are_refused() {
    let (_cam, served) = served();
    let missing = served.get("/nothing?x=%00");
    assert_eq!((missing.status, missing.text()), (404, "there is nothing at /nothing"));
    let missing = served.get("/api/v1/nothing");
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/problem+json")));
    // Every query key of the API has a meaning. Old addresses ignore unknown keys, and so does every address for keys
    // that bypass caches.
    let unknown = served.get("/api/v1/state?width=7");
    let problem = unknown.json();
    assert_eq!(
        (unknown.status, problem["field"].as_str(), problem["range"].as_str()),
        (400, Some("width"), Some("nothing"))
    );
    assert!(served.get("/api/v1/snapshot?width=7").json()["range"].as_str().unwrap().contains("rotate"));
    for path in
        ["/api/v1/state?_=1700000000", "/api/v1/state?1700000000", "/api/v1/state?t=1", "/state?width=7"]
    {
        assert_eq!(served.get(path).status, 200, "{path}");
    }
    let wrong = served.get("/stop_stream");
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("POST, OPTIONS")));
    let options = served.ask("OPTIONS /state HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    for path in ["/", "/health", "/state", "/metrics", "/snapshot", "/favicon.ico", "/robots.txt"] {
        let head =
            served.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n"));
        assert_eq!(head.status, 200, "{path}");
        assert_ne!(head.header("content-length"), Some("0"), "{path}");
    }
}

#[test]
fn pages_are_framed_by_this_camera_and_the_named_sites_only() {
    let cam = TestCam::new();
    let policy = |allow_frames: Vec<String>| {
        let served = serve(&cam, ServerSettings { allow_frames, ..ServerSettings::default() });
        served.get("/").header("content-security-policy").unwrap().to_owned()
    };
    assert!(policy(Vec::new()).ends_with("; frame-ancestors 'self'"));
    let panels = ["http://panel.lan:8123", "https://panel.example"].map(String::from).to_vec();
    assert!(policy(panels).ends_with("; frame-ancestors 'self' http://panel.lan:8123 https://panel.example"));
}

#[test]
fn an_address_that_comes_later_is_listened_on() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("mounted later/http.sock");
    let run = TestCam::new().pipeline(tallycam::pipeline::CaptureOptions::default());
    let served = serve_run(run, None, |pipeline| {
        let server = Server::new(ServerSettings::default(), pipeline, None);
        server.with_absent(vec![Listen::Unix(absent.clone())])
    });
    assert_eq!(served.get("/health").status, 200);
    std::fs::create_dir(absent.parent().unwrap()).unwrap();
    wait_until("it listens there", || std::os::unix::net::UnixStream::connect(&absent).is_ok());
}

#[test]
fn a_page_and_its_files() {
    let (_cam, served) = served();
    let page = served.get("/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    let icon = served.get("/icon.svg");
    let etag = icon.header("etag").unwrap();
    assert_eq!(icon.header("cache-control"), Some("no-cache"));
    let again = served
        .ask(&format!("GET /icon.svg HTTP/1.1\r\nHost: 192.0.2.1\r\nIf-None-Match: \"x\", W/{etag}\r\n\r\n"));
    assert_eq!((again.status, again.header("etag")), (304, Some(etag)));
}

#[test]
fn other_sites_may_embed_only_pictures() {
    let (_cam, served) = served();
    let policy = |path: &str| served.get(path).header("cross-origin-resource-policy").map(str::to_owned);
    for path in ["/snapshot", "/api/v1/snapshot.jpg", "/?action=snapshot", "/icon.svg"] {
        assert_eq!(policy(path).as_deref(), Some("cross-origin"), "{path}");
    }
    for path in ["/", "/state", "/metrics", "/health", "/api/v1/log", "/api/v1/openapi.json", "/nothing"] {
        assert_eq!(policy(path).as_deref(), Some("same-origin"), "{path}");
    }
    let mut viewer = served.connect();
    viewer.send("GET /stream HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    assert_eq!(viewer.head().header("cross-origin-resource-policy"), Some("cross-origin"));
    // The header would change the browser's cached picture.
    let etag = served.get("/icon.svg").header("etag").unwrap().to_owned();
    let same = served.send_with("GET", "/icon.svg", &format!("If-None-Match: {etag}\r\n"), "");
    assert_eq!((same.status, same.header("cross-origin-resource-policy")), (304, None));
}

#[test]
fn a_request_names_its_host_once() {
    let (_cam, served) = served();
    for wrong in ["", "Host: 192.0.2.1\r\nHost: 192.0.2.1\r\n", "Host: 192.0.2.1\r\nhost: localhost\r\n"] {
        let answer = served.ask(&format!("GET /health HTTP/1.1\r\n{wrong}\r\n"));
        assert_eq!(answer.status, 400, "{wrong:?}: {}", answer.text());
    }
    // Neither is the request line alone enough: the field is required.
    assert_eq!(served.ask("GET http://192.0.2.1/health HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(served.ask("GET http://192.0.2.1/health HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").status, 200);
    assert_eq!(served.ask("GET /health HTTP/1.0\r\n\r\n").status, 200);
    assert_eq!(served.ask("GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n").status, 400);
}

#[test]
fn a_request_with_a_camera_name_changes_nothing() {
    let (cam, served) = served();
    served.post("/start_stream");
    assert!(cam.is_open());
    for (method, path) in [
        ("POST", "/stop_stream"),
        ("POST", "/api/v1/pause"),
        ("GET", "/database/new"),
        ("GET", "/snapshot?filename=a"),
        ("GET", "/video_capture?status=false"),
        ("GET", "/shutdown?key=a"),
    ] {
        let lines = "X-Tallycam-Mark: 0123456789abcdef\r\n";
        let answer = served.send_with(method, path, lines, "");
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(answer.text().contains("another tallycam"), "{}", answer.text());
    }
    assert!(cam.is_open());
    assert_eq!(served.send_with("GET", "/snapshot", "X-Tallycam-Mark: 0123456789abcdef\r\n", "").status, 200);
}

/// One connection sends many requests at once, another one sends one, all before the server reads any. The server
/// answers the other one before the third of the many.
#[test]
fn pipelined_requests_keep_nobody_waiting() {
    let run = TestCam::new().pipeline(tallycam::pipeline::CaptureOptions::default());
    let listener = listen::bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
    let address: std::net::SocketAddr = listener.address().parse().unwrap();
    let send = |requests: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = "GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";
        stream.write_all(request.repeat(requests).as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let (mut many, mut one) = (send(40), send(1));
    // Number of answers received.
    let answers = |stream: &mut TcpStream, read: &mut Vec<u8>| {
        let mut buffer = [0; 65536];
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            read.extend_from_slice(&buffer[..bytes]);
        }
        String::from_utf8_lossy(read).matches("HTTP/1.1 200 OK").count()
    };
    let stop = Stop::new();
    let server = Server::new(ServerSettings::default(), run.pipeline.clone(), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let look = async {
            let (mut of_many, mut of_one) = (Vec::new(), Vec::new());
            let mut most_before = 0;
            while answers(&mut one, &mut of_one) == 0 {
                most_before = answers(&mut many, &mut of_many);
                tokio::task::yield_now().await;
            }
            assert!(most_before <= 2, "{most_before} answers went out first");
            while answers(&mut many, &mut of_many) < 40 {
                tokio::task::yield_now().await;
            }
            stop.set();
        };
        let (served, ()) = tokio::join!(server.run(vec![listener], stop.clone()), look);
        served.unwrap();
    });
}

#[test]
fn another_site_changes_nothing() {
    let (_cam, served) = served();
    served.post("/start_stream");
    for line in ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example", "Origin: null"] {
        for path in ["/stop_stream", "/shutdown", "/api/v1/pause"] {
            let answer = served.ask(&format!(
                "POST {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{line}\r\nContent-Length: 0\r\n\r\n"
            ));
            assert_eq!(answer.status, 403, "{path} with {line}");
        }
    }
    assert_eq!(served.state()["held"], true);
    let own = served
        .ask("POST /stop_stream HTTP/1.1\r\nHost: 192.0.2.1\r\nOrigin: http://192.0.2.1\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(own.status, 200);
    // Reading is free.
    let look = served.ask("GET /state HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: cross-site\r\n\r\n");
    assert_eq!(look.status, 200);
}

#[test]
fn heads_have_a_size_and_a_time() {
    let cam = TestCam::new();
    let settings = ServerSettings {
        head_timeout: Duration::from_secs(1),
        keep_alive: Duration::from_secs(2),
        ..ServerSettings::default()
    };
    let served = serve(&cam, settings);
    let flood = format!("GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\nX-Flood: {}\r\n\r\n", "x".repeat(60_000));
    assert_eq!(served.ask(&flood).status, 431);
    assert_eq!(served.ask("nonsense\r\n\r\n").status, 400);

    let mut late = served.connect();
    late.send("GET /health HTTP/1.1\r\nHost:");
    let answer = late.answer(false);
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(late.rest().unwrap().is_empty());

    let mut silent = served.connect();
    assert!(silent.rest().unwrap().is_empty(), "one that never asks is closed without a word");

    let mut idle = served.connect();
    for _ in 0..3 {
        idle.send("GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        assert_eq!(idle.answer(false).text(), "True");
    }
    assert!(idle.rest().unwrap().is_empty(), "an idle one too");
    wait_until("no connection but the asking one is open", || served.state()["connections"] == 1);
}

#[test]
fn bodies_have_a_size_and_a_time() {
    let cam = TestCam::new();
    let served =
        serve(&cam, ServerSettings { head_timeout: Duration::from_secs(1), ..ServerSettings::default() });
    let mut client = served.connect();
    client.send("POST /api/v1/resume HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 5\r\n\r\na=b&c");
    assert_eq!(client.answer(false).status, 200);
    client.send(
        "POST /api/v1/resume HTTP/1.1\r\nHost: 192.0.2.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
    );
    assert_eq!(client.answer(false).status, 200, "the connection serves on");

    let long = served.ask("POST /api/v1/resume HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 70000\r\n\r\n");
    assert_eq!((long.status, long.header("connection")), (413, Some("close")));
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(3);
    let long = served.ask(&format!(
        "POST /api/v1/resume HTTP/1.1\r\nHost: 192.0.2.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"
    ));
    assert_eq!(long.status, 413);
    let slow = served.ask("POST /api/v1/resume HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 9\r\n\r\nab");
    assert_eq!((slow.status, slow.header("content-type")), (408, Some("application/problem+json")));
}

#[test]
fn a_connection_over_the_limit_gets_503() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings { max_connections: 2, ..ServerSettings::default() });
    let mut open: Vec<_> = (0..2).map(|_| served.connect()).collect();
    for client in &mut open {
        client.send("GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        assert_eq!(client.answer(false).status, 200);
    }
    // The connection that has been idle longest is closed.
    let mut third = served.connect();
    third.send("GET /health HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    assert_eq!(third.answer(false).status, 200);
    assert_eq!(open[0].0.read(&mut [0; 1]).unwrap(), 0, "it is closed");
    open[1].watch("/stream");
    third.watch("/stream");
    let refused = served.get("/health");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    drop((open, third));
    wait_until("there is room again", || served.get("/health").status == 200);
}

/// Settings of a program that embeds the server and has a bug.
#[derive(Debug)]
struct Faulty;

impl Preferences for Faulty {
    fn in_force(&self) -> Arc<SettingsInForce> {
        let resolved = Config::from_text(Path::new("config.toml"), "", &[], []).unwrap();
        let resolved = Arc::new(resolved);
        Arc::new(SettingsInForce {
            version: 1,
            resolved,
            complaint: String::new(),
            unsaved: String::new(),
            needs_restart: Vec::new(),
        })
    }

    fn change(&self, _: PreferenceChanges, _: Terms) -> Changing<'_> {
        panic!("the test's settings panic")
    }

    fn export(&self) -> String {
        panic!("the test's settings panic")
    }

    fn stored(&self) -> String {
        panic!("the test's settings panic")
    }

    fn import(&self, _: String, _: Terms) -> Changing<'_> {
        panic!("the test's settings panic")
    }
}

#[test]
fn a_handler_that_panics_ends_its_own_connection_and_gives_its_place_back() {
    let settings = ServerSettings { max_connections: 2, ..ServerSettings::default() };
    let run = TestCam::new().pipeline(tallycam::pipeline::CaptureOptions::default());
    let served = serve_run(run, None, |pipeline| {
        Server::new(settings, pipeline, None).with_preferences(Arc::new(Faulty))
    });
    for _ in 0..5 {
        let mut client = served.connect();
        client.send("GET /api/v1/settings.toml HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        let mut answer = Vec::new();
        client.0.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"", "it says nothing and closes");
    }
    assert_eq!(served.get("/health").status, 200);
    wait_until("no other client is there", || served.state()["connections"] == 1);
}

#[test]
fn a_thousand_clients_leave_nothing_behind() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    assert_eq!(served.get("/health").status, 200);
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for n in 0..1000 {
        let mut client = served.connect();
        match n % 5 {
            0 => {}
            1 => client.send("GET /stream HTTP/1.1\r\n"),
            2 => client.send("GET /stream HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"),
            3 => client.0.get_ref().shutdown(Shutdown::Write).unwrap(),
            _ => client.watch("/stream"),
        }
    }
    wait_until("all are gone", || served.state()["connections"] == 1);
    assert_eq!(served.state()["viewers"], 0);
    assert_eq!(served.run.pipeline.status().demands, 0);
    // The test program has other tests' descriptors, too; a leak would be many.
    wait_until("their descriptors are gone", || descriptors() < 500);
}

#[test]
fn metrics_are_well_formed() {
    let cam = TestCam::new();
    let served =
        serve(&cam, ServerSettings { name: String::from("Yard \"north\"\\\n"), ..ServerSettings::default() });
    let answer = served.get("/metrics");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let mut kinds = HashMap::new();
    let mut series = HashSet::new();
    let mut helped = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap().0;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, helped, "TYPE follows HELP");
            assert!(kinds.insert(name, kind).is_none(), "{name} is there twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        } else {
            let (left, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            assert!(series.insert(left), "{left} is there twice");
            let (name, labels) = left.split_once('{').unwrap_or((left, ""));
            assert_eq!(name, helped, "a sample stands under its own head");
            assert!(name.starts_with("tallycam_") || name.starts_with("process_"));
            if name.starts_with("tallycam_") {
                assert!(labels.starts_with(r#"camera="Yard \"north\"\\\n""#), "{labels}");
                assert!(labels.ends_with("\"}"));
            }
        }
    }
    let states: Vec<_> = text.lines().filter(|l| l.starts_with("tallycam_camera_state{")).collect();
    assert_eq!(states.len(), CameraState::all_names().count());
    assert_eq!(states.iter().filter(|l| l.ends_with(" 1")).count(), 1);
    // OpenMetrics names a counter's family without `_total`: no gauge may have that name.
    for counter in kinds.keys().filter_map(|name| name.strip_suffix("_total")) {
        assert!(!kinds.contains_key(counter), "{counter} is a counter and something else");
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(kinds.contains_key(name), "{name} is missing");
    }
}

#[test]
fn the_state_has_exactly_the_properties_that_the_document_names() {
    let (_cam, served) = served();
    let mut viewer = served.watch("/stream");
    viewer.part().unwrap();
    let document = served.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let state = served.state();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
    let schema = |name: &str| keys(&document["components"]["schemas"][name]["properties"]);
    assert_eq!(keys(&state), schema("State"));
    assert_eq!(keys(&state["viewer_list"][0]), schema("Viewer"));
    // Every address of the document answers with a documented status.
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (mut client, path) = (served.connect(), path.replace("{id}", "1"));
            client.send(&format!("{} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", method.to_uppercase()));
            let status = client.head().status.to_string();
            assert!(operation["responses"].get(&status).is_some(), "{method} {path}: {status}");
        }
    }
}

#[test]
fn a_client_that_closes_its_sending_side_still_gets_the_answer() {
    let cam = TestCam::new().picture_len(2_000_000);
    let served = serve(&cam, ServerSettings::default());
    for path in ["/health", "/snapshot"] {
        let mut client = served.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.answer(false).status, 200, "{path}");
        assert!(client.rest().unwrap().is_empty(), "{path}: the connection ends");
    }
}
