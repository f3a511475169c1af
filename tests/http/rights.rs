//! Rights: every route, requested by every kind of client in every form, compared with the right in the route table.
//! The table of docs/security.md is written from it (`UPDATE_TABLE=1`).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use tallycam::access::{Access, Person, Role, Scope};
use tallycam::http;

use crate::access::{Camera, PASSWORD, basic, camera_with};
use crate::common::client::Answer;
use crate::document::{Said, is_said, said};

const SOON_S: u64 = 3600;

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

struct Asked {
    method: String,
    /// With its parameters filled in.
    path: String,
    /// As in the document.
    shown: String,
    right: String,
    is_page: bool,
    said: Said,
}

/// Every operation except those without an end.
fn operations(camera: &Camera) -> Vec<Asked> {
    let document = camera.beyond("GET", "/api/v1/openapi.json", "", "").json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push(Asked {
                method: method.to_uppercase(),
                path: path.replace("{id}", "999999").replace("{name}", "nobody.jpg"),
                shown: path.clone(),
                right: operation["x-right"].as_str().unwrap().to_owned(),
                is_page: operation["tags"][0] == "pages",
                said: said(operation),
            });
        }
    }
    all
}

/// A client: its additions to head and query, and the rights that it has.
struct Who {
    name: String,
    head: String,
    query: String,
    rights: BTreeSet<&'static str>,
}

const LOOKS: [&str; 5] = ["look", "stream", "snapshot", "counts", "metrics"];

pub fn rights(role: Option<Role>, scope: Option<Scope>) -> BTreeSet<&'static str> {
    let mut rights = BTreeSet::from(["anyone", "key"]);
    match scope {
        Some(Scope::Control) => rights.extend(LOOKS.into_iter().chain(["viewer", "operator"])),
        Some(scope) => rights.extend([scope.as_str()]),
        None => {}
    }
    if role.is_some() {
        rights.extend(LOOKS);
    }
    for (least, word) in [(Role::Viewer, "viewer"), (Role::Operator, "operator"), (Role::Admin, "admin")] {
        if role >= Some(least) {
            rights.insert(word);
        }
    }
    rights
}

/// Every kind of client, in every form.
fn everybody(access: &Access) -> Vec<Who> {
    let who =
        |name: &str, head: String, query: String, rights| Who { name: name.into(), head, query, rights };
    let mut all = vec![
        who("nobody", String::new(), String::new(), rights(None, None)),
        who("a wrong cookie", "Cookie: tallycam_00000000=AAAA\r\n".into(), String::new(), rights(None, None)),
        who("a wrong token", String::new(), "token=tc_AAAA".into(), rights(None, None)),
        who("a wrong link", String::new(), "link=99999999999.AAAA".into(), rights(None, None)),
    ];
    access.set_user("viewer", Some(Role::Viewer), Some("only looking")).unwrap();
    access.set_user("ann", Some(Role::Operator), Some("ann's horse")).unwrap();
    for (name, password, role) in [
        ("viewer", "only looking", Role::Viewer),
        ("ann", "ann's horse", Role::Operator),
        ("admin", PASSWORD, Role::Admin),
    ] {
        let person = Person { name: name.into(), role };
        let token = access.create_session(&person, "", "", "", (now_s(), now_s() + SOON_S)).unwrap();
        let cookie = format!("Cookie: tallycam_{}={token}\r\n", access.cookie_id());
        all.push(who(&format!("{name}, cookie"), cookie, String::new(), rights(Some(role), None)));
        all.push(who(
            &format!("{name}, Basic"),
            basic(name, password),
            String::new(),
            rights(Some(role), None),
        ));
    }
    let guest = Person { name: String::new(), role: Role::Guest };
    let token = access.create_session(&guest, "", "", "/", (now_s(), now_s() + SOON_S)).unwrap();
    let cookie = format!("Cookie: tallycam_{}={token}\r\n", access.cookie_id());
    all.push(who("a guest, cookie", cookie, String::new(), rights(Some(Role::Guest), None)));
    for scope in Scope::ALL {
        let (token, _) = access.add_token(scope.as_str(), &[scope], now_s(), None).unwrap();
        let name = format!("token {}", scope.as_str());
        let rights = || rights(None, Some(scope));
        all.push(who(&name, format!("Authorization: Bearer {token}\r\n"), String::new(), rights()));
        all.push(who(&name, basic("x", &token), String::new(), rights()));
        all.push(who(&name, String::new(), format!("token={token}"), rights()));
    }
    all
}

/// The client was admitted, whatever the result.
fn is_in(answer: &Answer) -> bool {
    let to_sign_in = answer.status == 303
        && answer
            .header("location")
            .is_some_and(|to| to.trim_start_matches("../").starts_with("sign-in?next="));
    // The answer to HEAD has no words.
    let is_too_low =
        answer.status == 403 && (answer.body.is_empty() || answer.text().contains("this takes the role"));
    answer.status != 401 && !to_sign_in && !is_too_low
}

/// Sends the request as HEAD if possible and without a body, so that no answer is endless and nothing changes.
fn ask(camera: &Camera, asked: &Asked, query: &str, head: &str) -> Answer {
    let path = if query.is_empty() { asked.path.clone() } else { format!("{}?{query}", asked.path) };
    // An old GET that changes something has no HEAD.
    let head_too = camera.beyond("OPTIONS", &asked.path, "", "");
    let has_head = head_too.header("allow").is_some_and(|allow| allow.contains("HEAD"));
    let method = if asked.method == "GET" && has_head { "HEAD" } else { &asked.method };
    camera.beyond(method, &path, head, "")
}

/// Routes that end the credentials of all clients or switch the machine off; that answer 403 to everybody; or that
/// check a wrong password though they need none.
fn is_left_out(asked: &Asked) -> bool {
    ["/sign-out", "/shutdown", "/reboot", "/get_controller_data", "/api/v1/me"].contains(&&*asked.path)
}

fn walk(is_view_open: bool) -> (usize, Vec<Asked>) {
    let settings = http::ServerSettings { is_view_open, ..http::ServerSettings::default() };
    let (camera, _folder) = camera_with(settings);
    let all = operations(&camera);
    let everybody = everybody(&camera.access);
    let mut count = 0;
    let mut wrong = Vec::new();
    for asked in all.iter().filter(|asked| !is_left_out(asked)) {
        for who in &everybody {
            let may = who.rights.contains(&*asked.right) || (is_view_open && LOOKS.contains(&&*asked.right));
            let answer = ask(&camera, asked, &who.query, &who.head);
            if is_in(&answer) != may || !is_said(&asked.said, &answer) {
                wrong.push(format!(
                    "{} {} ({}) by {}: {}",
                    asked.method, asked.path, asked.right, who.name, answer.status
                ));
            }
            count += 1;
        }
        // A link opens only its signed address, for reading.
        let until_s = now_s() + SOON_S;
        let link = |path: &str| format!("link={until_s}.{}", camera.access.sign_link(path, until_s));
        let answer = ask(&camera, asked, &link(&asked.path), "");
        let is_free = asked.right == "anyone" || (is_view_open && LOOKS.contains(&&*asked.right));
        let is_get = asked.method == "GET";
        let may = is_free || (is_get && (LOOKS.contains(&&*asked.right) || asked.right == "viewer"));
        if is_in(&answer) != may {
            wrong.push(format!(
                "{} {} ({}) by a link: {}",
                asked.method, asked.path, asked.right, answer.status
            ));
        }
        if may && asked.is_page && !is_free {
            assert!(answer.header("set-cookie").is_some(), "{} {}", asked.method, asked.path);
        }
        let other = ask(&camera, asked, &link("/elsewhere"), "");
        if is_in(&other) != is_free {
            wrong.push(format!("{} {} by a link to elsewhere: {}", asked.method, asked.path, other.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    (count, all)
}

#[test]
fn every_route_keeps_to_its_right_with_open_viewing() {
    let (count, _) = walk(true);
    assert!(count > 2000, "{count}");
}

#[test]
fn every_route_keeps_to_its_right_if_viewing_needs_a_password() {
    let (count, all) = walk(false);
    assert!(count > 2000, "{count}");
    let free: Vec<String> = all
        .iter()
        .filter(|asked| asked.method != "GET" && ["anyone", "key"].contains(&&*asked.right))
        .map(|asked| format!("{} {}", asked.method, asked.path))
        .collect();
    assert_eq!(
        free,
        ["POST /claim", "POST /sign-in", "POST /sign-out"],
        "what changes something and asks for nothing"
    );
    written(&table(&all));
}

/// Routes by right, for docs/security.md.
fn table(all: &[Asked]) -> String {
    let mut text = String::from(
        "| Right | Nobody, view open | Nobody, view by password | Guest | Viewer | Operator | Admin | Tokens |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let words =
        ["anyone", "key", "look", "stream", "snapshot", "counts", "metrics", "viewer", "operator", "admin"];
    let yes = |is: bool| if is { "yes" } else { "–" };
    for word in words {
        let has = |role: Option<Role>| rights(role, None).contains(word);
        let scopes: Vec<&str> = Scope::ALL
            .into_iter()
            .filter(|scope| rights(None, Some(*scope)).contains(word))
            .map(Scope::as_str)
            .collect();
        let scopes = if scopes.len() == Scope::ALL.len() { "any".to_owned() } else { scopes.join(", ") };
        text += &format!(
            "| {word} | {} | {} | {} | {} | {} | {} | {} |\n",
            yes(has(None) || LOOKS.contains(&word)),
            yes(has(None)),
            yes(has(Some(Role::Guest))),
            yes(has(Some(Role::Viewer))),
            yes(has(Some(Role::Operator))),
            yes(has(Some(Role::Admin))),
            if scopes.is_empty() { "–" } else { &scopes },
        );
    }
    for word in words {
        let routes: Vec<String> = all
            .iter()
            .filter(|asked| asked.right == word)
            .map(|asked| format!("{} {}", asked.method, asked.shown))
            .collect();
        text += &format!("\n**{word}**: `{}`\n", routes.join("`, `"));
    }
    text
}

/// Asserts that docs/security.md has this table, or writes it.
fn written(table: &str) {
    let (begin, end) = ("<!-- rights -->\n", "<!-- end of rights -->");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (kept, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(&file, format!("{before}{begin}{table}{end}{after}")).unwrap();
    } else {
        assert_eq!(
            kept, table,
            "docs/security.md is old: UPDATE_TABLE=1 cargo test --test http rights writes it"
        );
    }
}
