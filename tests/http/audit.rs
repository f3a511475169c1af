//! The audit list of the running program: sign-ins, summed refusals, changes with their authors; no secrets, visible
//! to admins only.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tallycam::access::{Access, Role};

use crate::access::{FORM, PASSWORD, basic, cookie};
use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::common::wait_until;

const JSON: &str = "Content-Type: application/json\r\nUser-Agent: =cmd|x\r\n";

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
    program
}

fn directory(folder: &Path) -> String {
    format!("store.directory={:?}", folder.to_str().unwrap())
}

fn start(folder: &Path) -> Daemon {
    let daemon = Daemon::start(program(), &["--set", "source.kind=\"sim\"", "--set", &directory(folder)]);
    assert_eq!(client::get(daemon.address, "/health").status, 200);
    daemon
}

/// A request from elsewhere, through a proxy of this machine.
fn ask(daemon: &Daemon, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\n{lines}");
    client::ask(daemon.address, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn admin() -> String {
    format!("{JSON}{}", basic("me", PASSWORD))
}

fn rows(daemon: &Daemon) -> Vec<Value> {
    let answer = ask(daemon, "GET", "/api/v1/audit", &admin(), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

fn said(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["what"].as_str().unwrap()).collect()
}

/// The rows, once the newest says this.
fn rows_with(daemon: &Daemon, what: &str) -> Vec<Value> {
    wait_until(what, || said(&rows(daemon)).contains(&what));
    rows(daemon)
}

#[test]
fn sign_ins_refusals_and_changes_are_on_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path());
    access.set(PASSWORD).unwrap();
    access.set_user("eve", Some(Role::Viewer), Some("only looking")).unwrap();
    drop(access);
    let mut daemon = start(folder.path());
    let signed_in = ask(&daemon, "POST", "/sign-in", FORM, "name=admin&password=correct+horse&next=.%2F");
    assert_eq!(signed_in.status, 303);
    let session = cookie(&signed_in);
    let changes = json!({"stream.quality": 61, "source.password": "hunter2-is-secret"});
    let changed =
        ask(&daemon, "PATCH", "/api/v1/settings", &format!("{JSON}{session}"), &changes.to_string());
    assert_eq!(changed.status, 200, "{}", changed.text());
    let wrong =
        ask(&daemon, "PATCH", "/api/v1/settings", &format!("{JSON}{session}"), r#"{"stream.quality": 6000}"#);
    assert_eq!(wrong.status, 422, "a refused request is no change");
    let line = json!({"name": "Door", "a": [0.1, 0.5], "b": [0.9, 0.5]});
    let made = ask(&daemon, "POST", "/api/v1/lines", &admin(), &line.to_string());
    assert_eq!(made.status, 201, "{}", made.text());
    let path = format!("/api/v1/lines/{}", made.json()["id"]);
    assert_eq!(ask(&daemon, "PATCH", &path, &admin(), r#"{"in_name": "come"}"#).status, 200);
    let token = json!({"name": "hass", "scopes": ["control"]}).to_string();
    let token = ask(&daemon, "POST", "/api/v1/tokens", &admin(), &token).json()["token"].clone();
    let bearer = format!("Authorization: Bearer {}\r\n", token.as_str().unwrap());
    assert_eq!(ask(&daemon, "DELETE", &path, &bearer, "").status, 204);
    let eve = basic("eve", "only looking");
    assert_eq!(ask(&daemon, "GET", "/api/v1/audit", &eve, "").status, 403);
    assert_eq!(
        ask(&daemon, "GET", "/activity", &eve, "").header("location"),
        Some("sign-in?next=activity&needed=admin")
    );
    assert_eq!(ask(&daemon, "POST", "/sign-out", &format!("{FORM}{session}"), "").status, 303);

    rows_with(&daemon, "signed out");
    let rows = rows_with(&daemon, "2 requests beyond their rights");
    let of = |what: &str| {
        let row = rows.iter().find(|row| row["what"] == what);
        row.unwrap_or_else(|| panic!("{what} is not among {:?}", said(&rows)))
    };
    let change = of("changed settings: `source.password`, `stream.quality`");
    let fields = ["kind", "who", "role", "method", "route"].map(|key| change[key].as_str().unwrap());
    assert_eq!(fields, ["changed", "admin", "admin", "PATCH", "/api/v1/settings"]);
    assert_eq!((&change["browser"], &change["time_sure"].is_boolean()), (&json!("=cmd|x"), &true));
    assert!(change["from"].as_str().unwrap().starts_with("10.0.0.7"), "{change}");
    assert_eq!(of("added line Door")["kind"], "changed");
    assert_eq!(of("changed line Door: `in_name`")["who"], "admin");
    assert_eq!(
        (&of("removed line Door")["who"], &of("removed line Door")["role"]),
        (&json!("hass"), &json!("token"))
    );
    assert_eq!(of("created token hass")["count"], 1);
    assert_eq!(
        (&of("signed out")["who"], &of("signed out")["kind"]),
        (&json!("admin"), &json!("signed_out"))
    );
    let eves = rows.iter().find(|row| row["what"] == "signed in" && row["who"] == "eve").unwrap();
    assert_eq!((&eves["kind"], &eves["role"]), (&json!("signed_in"), &json!("viewer")));
    let first = &rows.last().unwrap()["what"];
    assert!(first.as_str().unwrap().starts_with("signed in"), "the newest come first: {first}");
    let beyond = rows.iter().find(|row| row["what"] == "2 requests beyond their rights").unwrap();
    assert_eq!((&beyond["who"], &beyond["count"]), (&json!("eve (viewer)"), &json!(2)));
    let all = Value::from(rows.clone()).to_string();
    for secret in ["hunter2", PASSWORD, "only looking", token.as_str().unwrap()] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }

    let page = ask(&daemon, "GET", "/api/v1/audit?limit=2", &admin(), "").json();
    let next = format!("/api/v1/audit?limit=2&cursor={}", page["next"].as_str().unwrap());
    assert_eq!(ask(&daemon, "GET", &next, &admin(), "").json()["items"][0]["id"], rows[2]["id"]);
    let table = ask(&daemon, "GET", "/api/v1/audit?format=csv", &admin(), "").text().to_owned();
    assert!(table.contains(",'=cmd|x,PATCH,/api/v1/settings,"), "{table}");
    let html = ask(&daemon, "GET", "/activity", &admin(), "").text().to_owned();
    assert!(
        html.contains("changed line Door: “Name along the arrow”") && html.contains("eve (viewer)"),
        "{html}"
    );

    daemon.kill();
    let daemon = start(folder.path());
    assert!(said(&self::rows(&daemon)).contains(&"changed line Door: `in_name`"), "it outlives the program");
    let listed =
        program().args(["audit", "--limit", "1000", "--set", &directory(folder.path())]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("  hass  10.0.0.7, through 127.0.0.1  removed line Door\n"), "{listed}");
}

#[test]
fn fifty_wrong_passwords_are_one_row() {
    let folder = tempfile::tempdir().unwrap();
    Access::open(folder.path()).set(PASSWORD).unwrap();
    let daemon = start(folder.path());
    for _ in 0..50 {
        let refused = ask(&daemon, "GET", "/api/v1/users", &basic("me", "wrong horse"), "");
        assert!(matches!(refused.status, 401 | 429), "{}", refused.text());
    }
    // From another address, because this one has to wait.
    let rows = || {
        let head = format!("Host: localhost\r\nX-Forwarded-For: 10.0.0.8\r\n{}", basic("me", PASSWORD));
        let request = format!("GET /api/v1/audit HTTP/1.1\r\n{head}\r\n");
        client::ask(daemon.address, &request).json()["items"].as_array().unwrap().clone()
    };
    wait_until("all are on the list", || said(&rows()).contains(&"50 wrong passwords"));
    let refused: Vec<Value> = rows().into_iter().filter(|row| row["kind"] == "refused").collect();
    assert_eq!((refused.len(), &refused[0]["count"]), (1, &json!(50)), "{refused:?}");
}

#[test]
fn sign_ins_of_one_user_are_one_row_a_minute_and_displace_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path());
    access.set(PASSWORD).unwrap();
    access.set_user("eve", Some(Role::Viewer), Some("only looking")).unwrap();
    drop(access);
    let daemon = start(folder.path());
    for _ in 0..40 {
        let answer = ask(&daemon, "POST", "/sign-in", FORM, "name=eve&password=only+looking&next=.%2F");
        assert_eq!(answer.status, 303);
    }
    let eves = || rows(&daemon).into_iter().filter(|row| row["who"] == "eve").collect::<Vec<_>>();
    let count = |rows: &[Value]| rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>();
    wait_until("all are on the list", || count(&eves()) == 40);
    // At most one per minute that has begun.
    assert!(eves().len() < 10, "{:?}", eves());
}

#[test]
fn a_change_is_on_the_list_even_if_its_client_disconnects_before_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    Access::open(folder.path()).set(PASSWORD).unwrap();
    let daemon = start(folder.path());
    // The password is remembered from now on, and not hashed again.
    rows(&daemon);
    let mut client = TcpStream::connect(daemon.address).unwrap();
    let head = format!("POST /api/v1/snapshots HTTP/1.1\r\nHost: localhost\r\n{}", basic("me", PASSWORD));
    // The request has to open the camera first.
    client.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).unwrap();
    drop(client);
    let is_kept = |row: &Value| row["what"].as_str().unwrap().starts_with("took a snapshot");
    wait_until("it is on the list", || rows(&daemon).iter().any(is_kept));
}
