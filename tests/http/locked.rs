//! A page offers its reader only permitted changes: every page as each role, its forms compared with the rights that
//! the OpenAPI document states for their routes. And pages of a database that cannot be read.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tallycam::access::{Access, Role};

use crate::access::{PASSWORD, basic};
use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;
use crate::rights::rights;

/// Pages with a query, beside each without one.
const MORE: [&str; 7] = [
    "/lines?line=1",
    "/lines?line=new",
    "/lines?zone=1",
    "/lines?mask=1",
    "/lines?mask=new",
    "/crossings?line=1",
    "/player?id=1",
];

/// Links to changes that need a role.
const LINKS: [(&str, Role); 2] =
    [("player?id=1#edit\"", Role::Operator), ("models\">Choose a model<", Role::Admin)];

pub fn start(folder: &Path) -> Daemon {
    start_detecting(folder, "backend = \"onnx\"\nmodel = \"nothing-of-this-name\"")
}

/// The same with these settings of the detector.
pub fn start_detecting(folder: &Path, detect: &str) -> Daemon {
    let access = Access::open(folder);
    access.set(PASSWORD).unwrap();
    access.set_user("vera", Some(Role::Viewer), Some("only looking")).unwrap();
    access.set_user("ann", Some(Role::Operator), Some("ann's horse")).unwrap();
    drop(access);
    let config = format!(
        "[source]\nkind = \"sim\"\nwidth = 320\nheight = 180\nfps = 5\n[store]\ndirectory = \"{}\"\n\
         [detect]\n{detect}\n[lights]\nkind = \"sim\"\n[access]\nview = \"open\"\n",
        folder.display()
    );
    let file = folder.join("config.toml");
    std::fs::write(&file, config).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    Daemon::start(program, &["--config", file.to_str().unwrap()])
}

/// The answer to a browser on another machine.
pub fn ask(daemon: &Daemon, method: &str, path: &str, head: &str, kind: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\nAccept: text/html\r\n{head}Content-Type: \
         {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client::ask(daemon.address, &request)
}

fn page(daemon: &Daemon, path: &str, head: &str) -> Answer {
    ask(daemon, "GET", path, head, "text/plain", "")
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next())
}

/// The addresses, without queries, to which enabled controls of the page post.
fn offered(html: &str, path: &str) -> BTreeSet<String> {
    let tags: Vec<&str> =
        html.match_indices('<').filter_map(|(at, _)| html[at..].split_inclusive('>').next()).collect();
    let address = |text: &str| match text.split(['?', '#']).next().unwrap() {
        "" => path.split('?').next().unwrap().to_owned(),
        page => format!("/{}", page.trim_start_matches("./")),
    };
    let target = |form: &str| {
        let is_sent = attribute(form, "method") == Some("post");
        is_sent.then(|| address(attribute(form, "action").unwrap_or_default()))
    };
    let form_of = |id: &str| {
        let is_it = |tag: &&&str| tag.starts_with("<form ") && attribute(tag, "id") == Some(id);
        tags.iter().find(is_it).and_then(|form| target(form))
    };
    let (mut form, mut off, mut found) = (None, Vec::new(), BTreeSet::new());
    for tag in &tags {
        let name = tag[1..].split([' ', '>']).next().unwrap();
        match name {
            "form" => form = target(tag),
            "/form" => form = None,
            "fieldset" => off.push(tag.contains(" disabled")),
            "/fieldset" => drop(off.pop()),
            "input" | "button" | "select" | "textarea" => {
                let is_off = tag.contains(" disabled") || off.contains(&true);
                let own = attribute(tag, "form").map_or_else(|| form.clone(), form_of);
                let is_sent = attribute(tag, "formmethod") != Some("get");
                let elsewhere = attribute(tag, "formaction").filter(|_| is_sent).map(address);
                if !is_off && attribute(tag, "type") != Some("hidden") {
                    found.extend(own.into_iter().chain(elsewhere));
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn no_page_offers_a_change_that_its_route_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let admin = basic("me", PASSWORD);
    for (path, body) in [
        ("/api/v1/lines", r#"{"name": "Door", "a": [0.5, 1], "b": [0.5, 0]}"#),
        ("/api/v1/zones", r#"{"name": "Hall", "points": [[0, 0], [1, 0], [1, 1]]}"#),
        ("/api/v1/masks", r#"{"points": [[0, 0], [0.1, 0], [0.1, 0.1]]}"#),
        ("/api/v1/snapshots", r#"{"name": "One.jpg"}"#),
    ] {
        let made = ask(&daemon, "POST", path, &admin, "application/json", body);
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let document = page(&daemon, "/api/v1/openapi.json", "").json();
    let right =
        |method: &str, path: &str| document["paths"][path][method]["x-right"].as_str().map(str::to_owned);
    // A form names its method in a field; a number stands for any id.
    let any = |path: &str| ["post", "put", "patch", "delete"].iter().find_map(|method| right(method, path));
    let pattern = |path: &str| {
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts: Vec<&str> =
            path.split('/').map(|part| if is_number(part) { "{id}" } else { part }).collect();
        if parts.contains(&"users") && parts.len() == 5 {
            parts[4] = "{name}";
        }
        parts.join("/")
    };
    let is_page = |own: &Value| own["get"]["tags"][0] == "pages";
    let paths = document["paths"].as_object().unwrap().iter().filter(|(_, own)| is_page(own));
    let all: Vec<&str> = paths.map(|(path, _)| path.as_str()).chain(MORE).collect();
    let everybody = [
        (None, String::new()),
        (Some(Role::Viewer), basic("vera", "only looking")),
        (Some(Role::Operator), basic("ann", "ann's horse")),
        (Some(Role::Admin), admin),
    ];
    let mut by_role = Vec::new();
    for (role, head) in everybody {
        let rights = rights(role, None);
        let mut seen = BTreeSet::new();
        for path in &all {
            let answer = page(&daemon, path, &head);
            let is_html = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            if answer.status != 200 || !is_html {
                continue;
            }
            for (link, least) in LINKS {
                let is_offered = answer.text().contains(&format!("href=\"{link}"));
                assert!(!is_offered || role >= Some(least), "{path} leads {role:?} to {link}");
            }
            for address in offered(answer.text(), path) {
                let address = pattern(&address);
                let Some(right) = any(&address) else {
                    panic!("{path} posts to {address}, which is no route");
                };
                assert!(rights.contains(&*right), "{path} offers {address} ({right}) to {role:?}");
                seen.insert(address);
            }
        }
        by_role.push(seen);
    }
    let [nobody, viewer, operator, admin] = &by_role[..] else { panic!("{by_role:?}") };
    assert_eq!(nobody.iter().collect::<Vec<_>>(), ["/sign-in"]);
    assert!(viewer.is_superset(nobody) && !viewer.contains("/api/v1/lines"), "{viewer:?}");
    for address in [
        "/api/v1/lines",
        "/api/v1/zones/{id}",
        "/api/v1/counts/reset",
        "/api/v1/media/keep",
        "/api/v1/light",
        "/api/v1/snapshots",
        "/api/v1/pause",
    ] {
        assert!(operator.contains(address) && admin.contains(address), "{address}: {operator:?}");
    }
    for address in ["/api/v1/settings", "/api/v1/media/check", "/api/v1/welcome/done"] {
        assert!(!operator.contains(address) && admin.contains(address), "{address}: {admin:?}");
    }
}

#[test]
fn a_locked_page_names_the_required_role_and_shows_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let door = r#"{"name": "Door", "a": [0.5, 1], "b": [0.5, 0]}"#;
    let admin = basic("me", PASSWORD);
    assert_eq!(ask(&daemon, "POST", "/api/v1/lines", &admin, "application/json", door).status, 201);
    for (path, next) in [("/models", "models"), ("/counts", "counts"), ("/lines", "lines?line=1")] {
        let answer = page(&daemon, path, "");
        let link = format!("href=\"sign-in?next={next}\">Sign in to change</a>");
        assert!(answer.text().contains(&link), "{path}: {}", answer.text());
    }
    let lines = page(&daemon, "/lines", "");
    assert!(
        lines.text().contains("<dt>End a</dt>") && !lines.text().contains("id=\"form\""),
        "{}",
        lines.text()
    );
    let cameras = page(&daemon, "/cameras", &basic("ann", "ann's horse"));
    let said = "You are signed in as an operator. Changes on this page need an admin.";
    assert!(
        cameras.text().contains(said) && !cameras.text().contains("Sign in to change"),
        "{}",
        cameras.text()
    );
}

#[test]
fn typed_values_survive_the_end_of_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let kind = "application/x-www-form-urlencoded";
    let form = "next=lines%3Fzone%3D%7Bid%7D&name=Yard&corners=1+2%0A3+4";
    let own = "Origin: http://localhost\r\n";
    let out = ask(&daemon, "POST", "/api/v1/zones", own, kind, form);
    assert_eq!(out.status, 401);
    let kept =
        attribute(out.text().split("<input ").find(|tag| tag.contains("name=\"kept\"")).unwrap(), "value");
    let kept =
        kept.unwrap().replace("&amp;", "&").replace('%', "%25").replace('&', "%26").replace('=', "%3D");
    let password = PASSWORD.replace(' ', "+");
    let sign_in = format!("password={password}&next=lines&kept={kept}");
    let wrong = ask(&daemon, "POST", "/sign-in", own, kind, &sign_in.replace("password=", "password=x"));
    assert!(wrong.status == 422 && wrong.text().contains("name=\"kept\""), "{}", wrong.text());
    let again = ask(&daemon, "POST", "/sign-in", own, kind, &sign_in);
    assert_eq!(again.status, 200, "{}", again.text());
    assert!(again.header("set-cookie").is_some(), "signed in");
    for words in
        ["<base href=\"lines?zone=new\">", "value=\"Yard\"", "1 2\n3 4</textarea>", "nothing was changed"]
    {
        assert!(again.text().contains(words), "no {words} in {}", again.text());
    }
}

#[test]
fn a_database_that_cannot_be_read_is_reported_on_a_page() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("counts.db"), "no database ".repeat(1000)).unwrap();
    let daemon = start(folder.path());
    let admin = basic("me", PASSWORD);
    let form = "application/x-www-form-urlencoded";
    let asked = ["/lines", "/counts", "/crossings?line=1"].map(|path| page(&daemon, path, &admin));
    let browser = format!("{admin}Origin: http://localhost\r\n");
    let done = ask(&daemon, "POST", "/api/v1/counts/reset", &browser, form, "next=counts");
    for answer in asked.into_iter().chain([done]) {
        let text = answer.text();
        assert_eq!(answer.status, 503, "{text}");
        for words in
            ["<h1>This page is not available</h1>", "aria-label=\"Pages\"", "role=\"alert\"", "counts.db"]
        {
            assert!(text.contains(words), "no {words} in {text}");
        }
    }
    // A program gets one line, as before.
    let request = "GET /counts HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.7\r\n\r\n";
    let plain = client::ask(daemon.address, request);
    assert_eq!((plain.status, plain.header("content-type")), (503, Some("text/plain; charset=utf-8")));
}
