//! The right to change the camera, over sockets: every changing route, from this machine and from another one, by
//! Basic, by cookie, and without either.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use crate::webdriver::{Browser, Wanted};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tallycam::access::Access;
use tallycam::base::LoggedLine;
use tallycam::base::Recent;
use tallycam::http::{self, Server};
use tallycam::pipeline;

use crate::common::client::{self, Answer};
use crate::common::served::{Served, serve_at};
use crate::common::testcam::TestCam;

pub const PASSWORD: &str = "correct horse";

/// A server that listens on all addresses of this machine.
pub struct Camera {
    pub served: Served,
    pub access: Access,
    recent: Recent,
}

pub fn camera_in(folder: &Path, settings: http::ServerSettings) -> Camera {
    let (access, recent) = (Access::open(folder), Recent::default());
    let run = TestCam::new().pipeline(pipeline::CaptureOptions::default());
    let served = serve_at("0.0.0.0:0", run, None, |pipeline| {
        Server::new(settings, pipeline, None).with_access(access.clone()).with_recent(recent.clone())
    });
    Camera { served, access, recent }
}

/// A camera with a password and `[access] local` = "open", and the folder of its state.
pub fn camera() -> (Camera, tempfile::TempDir) {
    camera_with(http::ServerSettings { is_local_open: true, ..http::ServerSettings::default() })
}

/// A camera with a password, and the folder of its state.
pub fn camera_with(settings: http::ServerSettings) -> (Camera, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera_in(folder.path(), settings);
    camera.access.set(PASSWORD).unwrap();
    (camera, folder)
}

/// An address of this machine other than loopback, if it has one. Requests from it count as remote.
pub fn own_address() -> Option<IpAddr> {
    // Nothing is sent: connecting only selects a route.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.77:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

impl Camera {
    fn port(&self) -> u16 {
        self.served.address.port()
    }

    /// A request from this machine.
    pub fn here(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        self.ask("127.0.0.1".parse().unwrap(), method, path, &format!("Host: localhost\r\n{lines}"), body)
    }

    /// A remote request: from another address, or else through a proxy.
    pub fn beyond(&self, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        match own_address() {
            Some(ip) => self.ask(ip, method, path, &format!("Host: 192.0.2.1\r\n{lines}"), body),
            None => self.behind("10.0.0.7", method, path, lines, body),
        }
    }

    /// A request that a proxy on this machine forwards for `client`.
    fn behind(&self, client: &str, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let lines = format!("Host: localhost\r\nX-Forwarded-For: {client}\r\n{lines}");
        self.ask("127.0.0.1".parse().unwrap(), method, path, &lines, body)
    }

    fn ask(&self, ip: IpAddr, method: &str, path: &str, lines: &str, body: &str) -> Answer {
        let request =
            format!("{method} {path} HTTP/1.1\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len());
        client::ask(SocketAddr::new(ip, self.port()), &request)
    }

    /// The cookie of a new session.
    pub fn signed_in(&self) -> String {
        let answer = self.beyond("POST", "/sign-in", FORM, "password=correct+horse&next=lines");
        assert_eq!((answer.status, answer.header("location")), (303, Some("lines")), "{}", answer.text());
        cookie(&answer)
    }
}

pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The cookie that an answer sets, as a header line of the next request.
pub fn cookie(answer: &Answer) -> String {
    let set = answer.header("set-cookie").unwrap();
    format!("Cookie: {}\r\n", set.split(';').next().unwrap())
}

pub fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

#[test]
fn in_privacy_mode_the_still_is_only_for_users_who_may_change_something() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        http::ServerSettings { counts_only: true, is_local_open: true, ..http::ServerSettings::default() };
    let camera = camera_in(folder.path(), settings);
    let path = "/api/v1/still.jpg";
    // Nothing is counted here, so an admitted client gets 503.
    assert_eq!(camera.beyond("GET", path, "", "").status, 503, "there is no password yet");
    camera.access.set(PASSWORD).unwrap();
    for method in ["GET", "HEAD"] {
        assert_eq!(camera.beyond(method, path, "", "").status, 401, "{method}");
    }
    let signed_in = camera.signed_in();
    for lines in [basic("", PASSWORD), signed_in] {
        assert_eq!(camera.beyond("GET", path, &lines, "").status, 503);
    }
    assert_eq!(camera.here("GET", path, "", "").status, 503);
    assert_eq!(camera.here("GET", path, "Origin: http://evil.example\r\n", "").status, 403);
}

#[test]
fn programs_send_the_password_by_basic() {
    let (camera, _folder) = camera();
    for user in ["", "admin", "übermut"] {
        let answer = camera.beyond("POST", "/api/v1/resume", &basic(user, PASSWORD), "");
        assert_eq!(answer.status, 200, "{user}: {}", answer.text());
    }
    assert_eq!(
        camera.beyond("POST", "/stop_stream", &basic("x", PASSWORD), "").text(),
        r#"{"status":"stopped"}"#
    );
    let answer = camera.beyond("POST", "/api/v1/resume", &basic("admin", "wrong horse"), "");
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Basic realm=\"tallycam\"")));
    assert_eq!(answer.json()["detail"], "the password is wrong");
    let answer = camera.beyond("POST", "/stop_stream", "Authorization: Bearer abc\r\n", "");
    assert_eq!(answer.status, 401);
    assert!(answer.text().starts_with("the password is wrong\n"));
}

#[test]
fn a_browser_gets_no_password_dialog() {
    let (camera, _folder) = camera();
    for line in
        ["Origin: http://192.0.2.1\r\n", "Sec-Fetch-Mode: cors\r\n", "User-Agent: Mozilla/5.0 (X11)\r\n"]
    {
        for path in ["/api/v1/pause", "/stop_stream"] {
            let answer = camera.beyond("POST", path, line, "");
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, None), "{line}");
        }
    }
}

/// An unmarked proxy or forwarder on the same machine makes every client look local.
#[test]
fn once_there_is_a_password_a_loopback_address_is_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera_in(folder.path(), http::ServerSettings::default());
    let json = "Content-Type: application/json\r\n";
    let password = r#"{"password":"correct horse"}"#;
    assert_eq!(
        camera.here("POST", "/api/v1/resume", "", "").status,
        200,
        "nobody is asked without a password"
    );
    assert_eq!(
        camera.here("PUT", "/api/v1/password", json, password).status,
        200,
        "the first is set from here"
    );
    for (method, path) in [
        ("POST", "/api/v1/resume"),
        ("POST", "/api/v1/password/random"),
        ("DELETE", "/api/v1/password"),
        ("PUT", "/api/v1/password"),
    ] {
        let refused = camera.here(method, path, json, r#"{"password":"mine for ever"}"#);
        assert!(matches!(refused.status, 401 | 403), "{method} {path}: {}", refused.status);
    }
    let right = basic("me", PASSWORD);
    assert_eq!(camera.here("POST", "/api/v1/resume", &right, "").status, 200);
    let session = camera.signed_in();
    assert_eq!(
        camera.here("POST", "/api/v1/resume", &session, "").status,
        200,
        "a browser is not asked twice"
    );
}

#[test]
fn a_request_for_a_picture_of_a_camera_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera_in(folder.path(), http::ServerSettings::default());
    let mark = "X-Tallycam-Mark: 0123456789abcdef\r\n";
    for path in ["/database/new", "/snapshot?filename=a&date=2026-01-01"] {
        assert_eq!(camera.here("GET", path, mark, "").status, 403, "{path}");
    }
    assert_eq!(camera.here("GET", "/snapshot", mark, "").status, 200);
}

#[test]
fn this_machine_needs_no_password() {
    let (camera, _folder) = camera();
    assert_eq!(camera.here("POST", "/api/v1/resume", "", "").status, 200);
    let resumed = camera.here("POST", "/api/v1/resume", FORM, "next=.%2F");
    assert_eq!(resumed.header("location"), Some("../.././"));
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    assert_eq!(camera.ask(loopback, "POST", "/api/v1/resume", "Host: 192.0.2.1\r\n", "").status, 401);
    // A foreign name that resolves to this machine.
    assert_eq!(camera.ask(loopback, "POST", "/api/v1/resume", "Host: rebound.example\r\n", "").status, 421);
    for name in ["evil.example", "localhost:x@evil.example"] {
        let named = format!(
            "POST http://{name}/api/v1/resume HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
        );
        assert_eq!(client::ask(SocketAddr::new(loopback, camera.port()), &named).status, 421, "{name}");
    }
    let old = "POST /api/v1/resume HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client::ask(SocketAddr::new(loopback, camera.port()), old).status, 401);
}

#[test]
fn a_form_leads_to_the_sign_in_page_and_back() {
    let (camera, folder) = camera();
    let browser = format!("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n{FORM}");
    let form = "next=lines&name=Yard&corners=1+2&password=hidden+horse";
    let answer = camera.beyond("POST", "/api/v1/zones", &browser, form);
    assert_eq!(answer.status, 401);
    let base = "<base href=\"../../sign-in?next=lines\">";
    assert!(answer.text().contains(base) && !answer.text().contains("horse"), "{}", answer.text());
    // The fields of a program's form are not even read.
    let unread = camera.beyond("POST", "/api/v1/zones", FORM, form);
    assert_eq!((unread.status, unread.header("content-type")), (401, Some("application/problem+json")));
    let page = camera.beyond("GET", "/sign-in?next=lines", "", "");
    assert!(page.text().contains("name=\"next\" value=\"lines\""), "{}", page.text());

    let answer = camera.beyond("POST", "/sign-in", FORM, "name=ann&password=wrong&next=lines");
    assert_eq!((answer.status, answer.header("set-cookie")), (422, None));
    assert!(
        answer.text().contains("The password is wrong") || answer.text().contains("the password is wrong")
    );
    assert!(
        answer.text().contains("value=\"ann\"") && answer.text().contains("aria-invalid"),
        "{}",
        answer.text()
    );
    let answer = camera.beyond("POST", "/sign-in", FORM, "password=correct+horse&next=lines%3Fline%3D2");
    assert_eq!((answer.status, answer.header("location")), (303, Some("lines?line=2")));
    let set = answer.header("set-cookie").unwrap();
    let (name, rest) = set.split_once('=').unwrap();
    let (token, attributes) = rest.split_once("; ").unwrap();
    assert!(name.len() == 17 && name.starts_with("tallycam_") && token.len() == 43, "{set}");
    // Without a path the cookie fits any prefix of the page's address.
    assert_eq!(attributes, "Max-Age=2592000; HttpOnly; SameSite=Strict");
    assert!(!std::fs::read_to_string(folder.path().join("access.json")).unwrap().contains(token));

    let mine = cookie(&answer);
    assert_eq!(
        camera.beyond("POST", "/api/v1/resume", &format!("{FORM}{mine}"), "next=.%2F").header("location"),
        Some("../.././")
    );
    let others = mine.replace("Cookie: ", "Cookie: theme=dark; tallycam_99999999=x; ");
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &others, "").status, 200);
    assert!(camera.beyond("GET", "/sign-in", &mine, "").text().contains("action=\"sign-out\""));

    let answer = camera.beyond("POST", "/sign-out", &mine, "");
    assert_eq!((answer.status, answer.header("location")), (303, Some("sign-in")));
    assert!(answer.header("set-cookie").unwrap().contains("=; Max-Age=0;"));
    assert_eq!(
        camera.beyond("POST", "/api/v1/resume", &mine, "").status,
        401,
        "a stolen copy is worth nothing"
    );
}

#[test]
fn signing_out_ends_each_session_that_the_browser_shows() {
    let (camera, _folder) = camera();
    let (first, second) = (camera.signed_in(), camera.signed_in());
    let both = format!("{}; {}\r\n", first.trim_end(), second.trim_start_matches("Cookie: ").trim_end());
    assert_eq!(camera.beyond("POST", "/sign-out", &both, "").status, 303);
    for cookie in [first, second] {
        assert_eq!(camera.beyond("POST", "/api/v1/resume", &cookie, "").status, 401);
    }
}

#[test]
fn signing_in_redirects_only_within_the_site() {
    let (camera, _folder) = camera();
    let answer = camera.beyond("POST", "/sign-in", FORM, "password=correct+horse&next=%2F%2Fevil.example");
    assert_eq!((answer.status, answer.header("location")), (303, Some("./")));
    let foreign = format!("{FORM}Origin: http://evil.example\r\n");
    assert_eq!(camera.beyond("POST", "/sign-in", &foreign, "password=correct+horse").status, 403);
    let cookie = camera.signed_in();
    let foreign = format!("{cookie}Sec-Fetch-Site: cross-site\r\n");
    assert_eq!(
        camera.beyond("POST", "/stop_stream", &foreign, "").status,
        403,
        "a cookie does not make it ours"
    );
}

#[test]
fn forged_and_expired_cookies_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let settings = http::ServerSettings { session: Duration::ZERO, ..http::ServerSettings::default() };
    let camera = camera_in(folder.path(), settings);
    camera.access.set(PASSWORD).unwrap();
    let expired = camera.signed_in();
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &expired, "").status, 401);
    let name = expired.trim_start_matches("Cookie: ").split('=').next().unwrap();
    let huge = "x".repeat(7000);
    for value in ["", "AAAA", "null", "../../etc/passwd", "%00", huge.as_str()] {
        let forged = format!("Cookie: {name}={value}\r\n");
        assert_eq!(camera.beyond("POST", "/api/v1/resume", &forged, "").status, 401, "{value}");
    }
    let many = format!("Cookie: {}\r\n", vec![format!("{name}=a"); 250].join(";"));
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &many, "").status, 401);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &basic("a", &"x".repeat(4500)), "").status, 401);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &basic("a", &"x".repeat(9000)), "").status, 431);
}

#[test]
fn sessions_survive_a_restart_and_end_with_the_password() {
    let (camera, folder) = camera();
    let (one, two) = (camera.signed_in(), camera.signed_in());
    drop(camera);
    let camera = camera_in(
        folder.path(),
        http::ServerSettings { is_local_open: true, ..http::ServerSettings::default() },
    );
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &one, "").status, 200);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &two, "").status, 200);
    let json = "Content-Type: application/json\r\n";
    // A cookie alone is not enough to lock the owner out.
    let draft = |current: &str| json!({"password": "another horse", "current": current}).to_string();
    let answer = camera.beyond("PUT", "/api/v1/password", &format!("{json}{one}"), &draft("wrong"));
    assert_eq!(answer.status, 403, "{}", answer.text());
    let answer = camera.beyond("PUT", "/api/v1/password", &format!("{json}{one}"), &draft(PASSWORD));
    assert_eq!((answer.status, &answer.json()["sessions"]), (200, &json!(0)), "{}", answer.text());
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &two, "").status, 401);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &basic("", PASSWORD), "").status, 401);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &basic("", "another horse"), "").status, 200);
    for (body, field) in [
        (r#"{"password":"short77"}"#, "password"),
        (r#"{"password":55}"#, "password"),
        (r#"{}"#, "password"),
        (r#"{"password":"long enough","current":5}"#, "current"),
        (r#"{"password":"short77","password":"short77"}"#, "password"),
        (r#"{"short77":5}"#, "***"),
        (r#""short77""#, "body"),
    ] {
        let answer = camera.here("PUT", "/api/v1/password", json, body);
        let problem = answer.json();
        assert_eq!((answer.status, &problem["field"]), (422, &json!(field)), "{body}: {problem}");
        assert!(problem["range"].is_string(), "{problem}");
        assert!(!answer.text().contains("short77") && !answer.text().contains("55"), "{problem}");
    }
    let short = camera.here("PUT", "/api/v1/password", json, r#"{"password":"short"}"#).json();
    assert_eq!(short["range"], "a text of 8 to 200 characters that can be typed");
    assert!(short.get("given").is_none(), "{short}");
    // A value that may have been meant as the password is not echoed.
    for (body, field) in [(r#"{"password":1e55555}"#, "password"), (r#"{"short77":1e55555}"#, "***")] {
        let answer = camera.here("PUT", "/api/v1/password", json, body);
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{}", answer.text());
        assert!(!answer.text().contains("short77") && !answer.text().contains("55555"), "{}", answer.text());
    }
    let number = camera.here("PUT", "/api/v1/password", json, r#"{"password":12345678}"#);
    assert!((400..500).contains(&number.status) && !number.text().contains("12345678"), "{}", number.text());
}

#[test]
fn the_password_is_changed_on_the_page() {
    let (camera, _folder) = camera();
    let (mine, other) = (camera.signed_in(), camera.signed_in());
    let change = |body: &str| {
        camera.beyond(
            "POST",
            "/sign-in",
            &format!("{FORM}{mine}"),
            &format!("next=sign-in%3Fdone%3Dpassword&{body}"),
        )
    };
    for (body, status, said) in [
        (
            "current=wrong&password=another+horse&again=another+horse",
            403,
            "The current password is another one",
        ),
        ("current=correct+horse&password=another+horse&again=another+hors", 422, "are not the same"),
        ("current=correct+horse&password=short&again=short", 422, "needs 8 to 200 characters"),
    ] {
        let answer = change(body);
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text().to_lowercase().contains(&said.to_lowercase()), "{}", answer.text());
        assert!(!answer.text().contains("horse"), "no password is shown again");
        assert!(!answer.text().contains("show-how"), "{}", answer.text());
    }
    // The page of access marks the field, and unfolds no other part.
    let unlike = "next=access&current=correct+horse&password=another+horse&again=another+hors";
    let answer = camera.beyond("POST", "/sign-in", &format!("{FORM}{mine}"), unlike);
    assert_eq!((answer.status, answer.text().matches("aria-invalid").count()), (422, 1), "{}", answer.text());
    assert!(answer.text().contains("id=\"own\" open>") && answer.text().contains("id=\"watching\">"));
    let answer = change("current=correct+horse&password=another+horse&again=another+horse");
    assert_eq!((answer.status, answer.header("location")), (303, Some("sign-in?done=password")));
    let anew = cookie(&answer);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &anew, "").status, 200);
    for gone in [mine, other] {
        assert_eq!(camera.beyond("POST", "/api/v1/resume", &gone, "").status, 401);
    }
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &basic("", "another horse"), "").status, 200);
}

#[test]
fn a_removed_password_is_mentioned_on_every_page() {
    const WORDS: &str = "Anyone on this network can watch and change this camera.";
    let (camera, _folder) = camera();
    let pages = ["/", "/media", "/sign-in", "/database"];
    for page in pages {
        assert!(!camera.beyond("GET", page, "", "").text().contains(WORDS), "{page}");
    }
    let right = basic("", PASSWORD);
    for (method, path) in [("DELETE", "/api/v1/password"), ("POST", "/api/v1/password/random")] {
        assert_eq!(camera.beyond(method, path, &right, "").status, 403, "only on the machine itself");
    }
    assert_eq!(camera.here("DELETE", "/api/v1/password", "", "").json()["set"], false);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", "", "").status, 200);
    for page in pages {
        assert!(camera.beyond("GET", page, "", "").text().contains(WORDS), "{page}");
    }
    assert_eq!(camera.beyond("GET", "/state", "", "").json()["open"], true);
    let page = |lines: &str| camera.beyond("GET", "/media", lines, "").text().to_owned();
    assert!(page("").contains(WORDS) && page("Cookie: closed-clock=1\r\n").contains(WORDS));
    assert!(!page("Cookie: a=b; closed-password=1\r\n").contains(WORDS), "it is closed until tomorrow");
    // A passer-by cannot lock the owner out.
    let draft = r#"{"password":"mine for ever"}"#;
    assert_eq!(
        camera.beyond("PUT", "/api/v1/password", "Content-Type: application/json\r\n", draft).status,
        403
    );
    let made = camera.here("POST", "/api/v1/password/random", "", "");
    assert_eq!(made.status, 201);
    let password = made.json()["password"].as_str().unwrap().to_owned();
    assert_eq!(camera.beyond("POST", "/api/v1/resume", "", "").status, 401);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &basic("", &password), "").status, 200);
    assert_eq!(camera.beyond("GET", "/state", "", "").json()["open"], false);
}

#[test]
fn a_camera_that_only_this_machine_reaches_is_not_called_open() {
    let run = TestCam::new().pipeline(pipeline::CaptureOptions::default());
    let served =
        serve_at("127.0.0.1:0", run, None, |p| Server::new(http::ServerSettings::default(), p, None));
    assert_eq!(served.state()["open"], false);
}

/// Without a password, a typed address and the link of a page that hides its own look alike.
#[test]
fn a_visit_that_changes_something_is_asked_back() {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera_in(folder.path(), http::ServerSettings::default());
    let browser = "User-Agent: Mozilla/5.0 (X11)\r\nAccept-Language: en\r\nAccept: text/html\r\n\
                   Upgrade-Insecure-Requests: 1\r\n";
    let path = "/snapshot?filename=%3Ca%22.jpg&date=2026-01-01";
    let asked = camera.beyond("GET", path, browser, "");
    assert_eq!((asked.status, asked.header("content-type")), (403, Some("text/html; charset=utf-8")));
    assert!(asked.header("content-security-policy").unwrap().contains("frame-ancestors 'self'"));
    assert!(asked.text().contains("<form method=\"get\" action=\"snapshot\""), "{}", asked.text());
    assert!(asked.text().contains("name=\"filename\" value=\"&lt;a&quot;.jpg\""), "{}", asked.text());
    // There is no store here: what is carried out fails.
    let is_done =
        |lines: &str| camera.beyond("GET", path, lines, "").text().starts_with("Error with snapshot");
    let host = own_address().map_or_else(|| String::from("localhost"), |_| String::from("192.0.2.1"));
    assert!(is_done(&format!("{browser}Referer: http://{host}/snapshot\r\n")), "the page's button");
    assert!(is_done(&format!("{browser}Sec-Fetch-Site: none\r\n")), "the browser says that it was typed");
    assert!(is_done(""), "a program");
    assert!(!is_done(&format!("{browser}Referer: http://{host}:81/\r\n")), "another port");
    assert_eq!(camera.beyond("GET", "/snapshot", browser, "").status, 200, "it changes nothing");
    camera.access.set(PASSWORD).unwrap();
    assert!(is_done(&format!("{browser}{}", camera.signed_in())), "no other site sends the cookie");
    assert!(!is_done(&format!("{browser}{}", basic("", PASSWORD))), "a browser shows it to any page's link");
}

#[test]
fn guesses_take_longer_and_longer() {
    let (camera, _folder) = camera();
    let guess = |client: &str, password: &str| {
        camera.behind(client, "POST", "/api/v1/resume", &basic("", password), "")
    };
    let tries: Vec<Answer> = (0..40).map(|n| guess("10.9.9.9", &format!("guess {n}"))).collect();
    let looked_at = tries.iter().filter(|answer| answer.status == 401).count();
    let late = tries.iter().find(|answer| answer.status == 429).expect("it never has to wait");
    assert!(looked_at >= 10, "people may mistype: {looked_at}");
    assert!(late.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(late.header("www-authenticate"), None);
    // A client that has to wait does not even learn whether its guess is right now; a cookie is no guess.
    let mut last = guess("10.9.9.9", "guess");
    while last.status != 429 {
        last = guess("10.9.9.9", "guess");
    }
    assert_eq!(guess("10.9.9.9", PASSWORD).status, 429);
    let page = camera.behind("10.9.9.9", "POST", "/sign-in", FORM, "password=correct+horse");
    assert_eq!((page.status, page.header("set-cookie")), (429, None));
    let cookie = camera.signed_in();
    assert_eq!(camera.behind("10.9.9.9", "POST", "/api/v1/resume", &cookie, "").status, 200);
    assert_eq!(guess("10.9.9.10", PASSWORD).status, 200, "others do not wait");
}

/// A guest on the owner's network guesses from many addresses. IPv6 machines have the first 64 bits in common.
#[test]
fn guesses_of_a_neighbour_do_not_delay_the_owner() {
    let (camera, _folder) = camera();
    let guess =
        |client: &str| camera.behind(client, "POST", "/api/v1/resume", &basic("", "guess"), "").status;
    for network in ["fd00::bad", "fe80::bad", "2001:db8::bad"] {
        assert!((0..40).any(|_| guess(network) == 429), "{network} never has to wait");
    }
    for owner in ["fd00::1", "fe80::1", "2001:db8::1", "10.0.0.7"] {
        let answer = camera.behind(owner, "POST", "/sign-in", FORM, "password=correct+horse");
        assert_eq!(answer.status, 303, "{owner}: {}", answer.text());
    }
}

#[test]
fn a_viewer_who_signs_in_gets_no_more_guesses_at_the_admins_password() {
    let (camera, _folder) = camera();
    camera.access.set_user("viewer", None, Some("only looking")).unwrap();
    let show = |name: &str, password: &str| {
        camera.behind("10.9.9.9", "POST", "/api/v1/resume", &basic(name, password), "").status
    };
    // The server verifies each spelling of the viewer's name.
    let guesses: Vec<u16> = (0..25)
        .map(|n| {
            show(&format!("me {n}"), "only looking");
            show("admin", &format!("guess {n}"))
        })
        .collect();
    assert!(guesses.contains(&429), "{guesses:?}");
}

#[test]
fn simultaneous_guesses_are_limited_like_sequential_ones() {
    let (camera, _folder) = camera();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..40)
            .map(|n| {
                let camera = &camera;
                scope.spawn(move || {
                    camera
                        .behind("10.9.9.9", "POST", "/api/v1/resume", &basic("", &format!("guess {n}")), "")
                        .status
                })
            })
            .collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429 | 503)), "{statuses:?}");
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!((1..=12).contains(&looked_at), "{looked_at} guesses were looked at");
}

#[test]
fn the_log_is_shown_without_secrets() {
    let (camera, _folder) = camera();
    for (n, level) in [log::Level::Error, log::Level::Info, log::Level::Debug].into_iter().enumerate() {
        camera.recent.add(LoggedLine {
            wall_us: 1_795_164_062_123_456 + n as u64 * 1_000_000,
            level,
            place: String::from("source::v4l2"),
            text: format!("line {n}"),
        });
    }
    let known = basic("", PASSWORD);
    let ask = |path: &str| camera.beyond("GET", path, &known, "");
    let log = ask("/api/v1/log").json();
    assert_eq!(
        log["items"][0],
        json!({"time": "2026-11-20T08:41:02.123Z", "level": "error", "target": "source::v4l2", "message": "line 0"})
    );
    assert_eq!(log["items"].as_array().unwrap().len(), 3);
    let log = ask("/api/v1/log?level=info&lines=1").json();
    assert_eq!(log["items"].as_array().unwrap().len(), 1);
    assert_eq!(log["items"][0]["message"], "line 1");
    for wrong in ["lines=0", "lines=1001", "lines=x", "level=loud"] {
        assert_eq!(ask(&format!("/api/v1/log?{wrong}")).status, 400, "{wrong}");
    }
    let old = ask("/logs");
    assert_eq!(old.header("content-type"), Some("application/json"));
    assert!(
        old.text().starts_with(r#"[{"time":"2026-11-20T08:41:02.123Z","level":"error","message":"line 0"},"#),
        "{}",
        old.text()
    );
}

#[test]
fn there_is_no_controller() {
    let (camera, _folder) = camera();
    let answer = camera.beyond("GET", "/get_controller_data", "", "");
    assert_eq!((answer.status, answer.text()), (403, "Controller unavailable"));
}

#[test]
fn a_browser_signs_in_and_out_without_a_script() {
    let Some(ip) = own_address() else {
        return crate::common::say("LEFT OUT: this machine has no address but loopback");
    };
    let Some(browser) = Browser::start(Wanted { has_script: false, ..Wanted::DESKTOP }) else { return };
    let (camera, _folder) = camera();
    let url = |path: &str| format!("http://{ip}:{}/{path}", camera.port());
    browser.goto(&url("sign-in?next=media"));
    browser.fill("input[name=password]", PASSWORD);
    browser.click("main button");
    browser.wait_until("it is led on", || browser.text("h1") != "Sign in");
    assert_eq!(browser.text("h1"), "Media");
    browser.goto(&url("sign-in"));
    browser.click("main button");
    browser.wait_until("it is signed out", || browser.text("h1") == "Sign in");
    assert!(camera.access.sessions(0).is_empty());
}
