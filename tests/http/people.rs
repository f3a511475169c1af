//! Users, tokens, sessions and links over the API: each opens its addresses until it ends.

use serde_json::{Value, json};
use tallycam::http;

use crate::access::{Camera, FORM, PASSWORD, basic, camera_with, cookie};
use crate::common::client::Answer;

const JSON: &str = "Content-Type: application/json\r\n";

fn camera() -> (Camera, tempfile::TempDir) {
    camera_with(http::ServerSettings { is_view_open: false, ..http::ServerSettings::default() })
}

fn send(camera: &Camera, method: &str, path: &str, body: &Value) -> Answer {
    camera.beyond(method, path, &format!("{JSON}{}", basic("admin", PASSWORD)), &body.to_string())
}

fn looks(camera: &Camera, head: &str, path: &str) -> u16 {
    camera.beyond("HEAD", path, head, "").status
}

#[test]
fn a_user_has_a_role_until_removed() {
    let (camera, _folder) = camera();
    for (body, status) in [
        (json!({}), 422),
        (json!({"role": "guest", "password": "ann's horse"}), 422),
        (json!({"role": "viewer"}), 422),
        (json!({"role": "viewer", "password": "short"}), 422),
        (json!({"role": "viewer", "password": 12345678, "x": 1}), 422),
        (json!({"role": "viewer", "password": "ann's horse"}), 200),
    ] {
        let answer = send(&camera, "PUT", "/api/v1/users/ann", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(
            !answer.text().contains("ann's horse") && !answer.text().contains("12345678"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(send(&camera, "PUT", "/api/v1/users/a%20b", &json!({"password": "ann's horse"})).status, 422);
    assert_eq!(send(&camera, "PUT", "/api/v1/users/admin", &json!({"role": "viewer"})).status, 422);
    let ann = basic("ann", "ann's horse");
    let me = camera.beyond("GET", "/api/v1/me", &ann, "").json();
    assert_eq!(me, json!({"name": "ann", "role": "viewer", "view": "password"}));
    assert_eq!(looks(&camera, &ann, "/snapshot.jpg"), 200);
    let refused = camera.beyond("POST", "/api/v1/resume", &ann, "");
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert_eq!(refused.json()["detail"], "this takes the role operator, and who asks is ann (viewer)");

    let signed_in = camera.beyond("POST", "/sign-in", FORM, "name=ann&password=ann%27s+horse&next=.%2F");
    let session = cookie(&signed_in);
    assert_eq!(looks(&camera, &session, "/snapshot.jpg"), 200);
    let settings = camera.beyond("GET", "/settings", &session, "");
    assert_eq!(settings.header("location"), Some("sign-in?next=settings&needed=operator"));
    let page = camera.beyond("GET", "/sign-in?next=settings&needed=operator", &session, "").text().to_owned();
    assert!(page.contains("Signed in as ann (viewer). This needs an operator."), "{page}");
    assert_eq!(send(&camera, "PUT", "/api/v1/users/ann", &json!({"role": "operator"})).status, 200);
    assert_eq!(looks(&camera, &session, "/snapshot.jpg"), 401, "a user with a new role signs in again");
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &ann, "").status, 200);
    assert_eq!(send(&camera, "DELETE", "/api/v1/users/ann", &json!({})).status, 204);
    assert_eq!(send(&camera, "DELETE", "/api/v1/users/ann", &json!({})).status, 404);
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &ann, "").status, 401);
}

/// A browser left signed in locks nobody out, whichever address is used.
#[test]
fn changing_a_password_takes_the_current_one() {
    let (camera, _folder) = camera();
    let eve = json!({"role": "admin", "password": "eve's horse"});
    assert_eq!(
        send(&camera, "PUT", "/api/v1/users/eve", &eve).status,
        200,
        "another user's password needs none"
    );
    let as_eve = format!("{JSON}{}", basic("eve", "eve's horse"));
    for (name, current, wrong) in [
        ("admin", PASSWORD, json!({"password": "another horse"})),
        ("eve", "eve's horse", json!({"password": "another horse", "current": PASSWORD})),
    ] {
        let path = format!("/api/v1/users/{name}");
        let answer = camera.beyond("PUT", &path, &as_eve, &wrong.to_string());
        assert_eq!(answer.status, 403, "{name}: {}", answer.text());
        let body = json!({"password": "another horse", "current": current});
        let answer = camera.beyond("PUT", &path, &as_eve, &body.to_string());
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    assert_eq!(looks(&camera, &basic("eve", "another horse"), "/snapshot.jpg"), 200);
}

#[test]
fn a_user_changes_the_own_password() {
    let (camera, _folder) = camera();
    send(&camera, "PUT", "/api/v1/users/ann", &json!({"password": "ann's horse"}));
    let session = cookie(&camera.beyond("POST", "/sign-in", FORM, "name=ann&password=ann%27s+horse"));
    let form = "current=ann%27s+horse&password=another+one&again=another+one";
    let answer = camera.beyond("POST", "/sign-in", &format!("{FORM}{session}"), form);
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(looks(&camera, &basic("ann", "another one"), "/snapshot.jpg"), 200);
    assert_eq!(looks(&camera, &basic("ann", "ann's horse"), "/snapshot.jpg"), 401);
    assert_eq!(looks(&camera, &basic("", PASSWORD), "/snapshot.jpg"), 200, "the admin's is as it was");
}

#[test]
fn a_token_is_shown_once_and_opens_until_revoked() {
    let (camera, _folder) = camera();
    for body in [
        json!({"name": "hass"}),
        json!({"name": "hass", "scopes": []}),
        json!({"name": "hass", "scopes": ["everything"]}),
        json!({"name": "two/words", "scopes": ["stream"]}),
        json!({"name": "hass", "scopes": ["stream"], "days": 0}),
    ] {
        let answer = send(&camera, "POST", "/api/v1/tokens", &body);
        assert_eq!(answer.status, 422, "{body}: {}", answer.text());
    }
    // Given fields are not reported as missing.
    let detail = send(&camera, "POST", "/api/v1/tokens", &json!({"name": "hass"})).json()["detail"].clone();
    assert!(detail.as_str().unwrap().starts_with("`scopes` is missing; it should be a list of"), "{detail}");
    let made =
        send(&camera, "POST", "/api/v1/tokens", &json!({"name": "hass", "scopes": ["snapshot"], "days": 7}));
    assert_eq!(made.status, 201, "{}", made.text());
    let token = made.json()["token"].as_str().unwrap().to_owned();
    for head in [format!("Authorization: Bearer {token}\r\n"), basic("hass", &token)] {
        assert_eq!(looks(&camera, &head, "/snapshot.jpg"), 200);
        assert_eq!(looks(&camera, &head, "/api/v1/snapshot"), 200);
        assert_eq!(looks(&camera, &head, "/stream"), 403);
    }
    assert_eq!(looks(&camera, "", &format!("/snapshot.jpg?x=64&token={token}")), 200);
    assert_eq!(
        looks(&camera, "", &format!("/?action=snapshot&token={token}")),
        200,
        "as mjpg-streamer has it"
    );
    assert_eq!(looks(&camera, "", &format!("/?action=stream&token={token}")), 403);
    assert_eq!(looks(&camera, "", &format!("/api/v1/snapshot?token={token}")), 200, "the API knows the key");
    let list = send(&camera, "GET", "/api/v1/tokens", &json!({})).json();
    assert_eq!(
        (list["items"][0]["name"].clone(), list["items"][0]["token"].clone()),
        (json!("hass"), json!(null))
    );
    assert!(list["items"][0]["used"].is_string() && list["items"][0]["until"].is_string(), "{list}");
    let id = made.json()["id"].clone();
    assert_eq!(send(&camera, "DELETE", &format!("/api/v1/tokens/{id}"), &json!({})).status, 204);
    assert_eq!(looks(&camera, "", &format!("/snapshot.jpg?token={token}")), 401);
}

#[test]
fn sessions_are_ended_one_by_one() {
    let (camera, _folder) = camera();
    let (first, second) = (camera.signed_in(), camera.signed_in());
    let list = camera.beyond("GET", "/api/v1/sessions", &first, "").json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|session| session["own"] == false).unwrap();
    assert_eq!((&other["user"], &other["role"]), (&json!("admin"), &json!("admin")));
    let path = format!("/api/v1/sessions/{}", other["id"]);
    assert_eq!(camera.beyond("DELETE", &path, &first, "").status, 204);
    assert_eq!(camera.beyond("DELETE", &path, &first, "").status, 404);
    assert_eq!(
        (looks(&camera, &first, "/snapshot.jpg"), looks(&camera, &second, "/snapshot.jpg")),
        (200, 401)
    );
}

#[test]
fn a_link_opens_one_address_and_a_page_as_a_guest() {
    let (camera, _folder) = camera();
    for address in
        ["settings", "api/v1/pause", "media", "database/new", "stream#x", "nothing", "stream?token=x"]
    {
        let answer = send(&camera, "POST", "/api/v1/links", &json!({"address": address}));
        assert_eq!(answer.status, 422, "{address}: {}", answer.text());
    }
    let link = |address: &str| {
        let made = send(&camera, "POST", "/api/v1/links", &json!({"address": address, "hours": 1}));
        assert_eq!(made.status, 201, "{address}: {}", made.text());
        made.json()["link"].as_str().unwrap().to_owned()
    };
    let picture = link("snapshot.jpg?x=64");
    assert_eq!(looks(&camera, "", &format!("/{picture}")), 200);
    assert_eq!(looks(&camera, "", &format!("/{}", picture.replace("x=64", "x=128"))), 401);
    assert_eq!(looks(&camera, "", &format!("/{}", picture.replace("snapshot.jpg", "stream"))), 401);
    for (address, kind) in [("?action=snapshot", "image/jpeg"), ("./?action=stream&fps=5", "multipart/")] {
        let answer = camera.beyond("HEAD", &format!("/{}", link(address).trim_start_matches("./")), "", "");
        assert_eq!(answer.status, 200, "{address}");
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{address} is a picture");
        assert_eq!(answer.header("set-cookie"), None, "and opens nothing else");
    }

    let page = link("./");
    let answer = camera.beyond("GET", page.trim_start_matches('.'), "", "");
    assert_eq!((answer.status, answer.header("location")), (303, Some("./")), "{}", answer.text());
    let guest = cookie(&answer);
    assert_eq!(camera.beyond("GET", "/", &guest, "").status, 200);
    assert_eq!(looks(&camera, &guest, "/snapshot.jpg"), 200);
    let media = camera.beyond("GET", "/media", &guest, "");
    assert_eq!(media.header("location"), Some("sign-in?next=media&needed=viewer"));
    assert_eq!(camera.beyond("POST", "/api/v1/resume", &guest, "").status, 403);
    // A new password ends all links.
    camera.access.set(PASSWORD).unwrap();
    assert_eq!(looks(&camera, "", &format!("/{picture}")), 401);
    assert_eq!(looks(&camera, &guest, "/snapshot.jpg"), 401);
}

#[test]
fn links_end_with_the_user_who_made_them() {
    let (camera, _folder) = camera();
    let made =
        send(&camera, "PUT", "/api/v1/users/ann", &json!({"role": "operator", "password": "ann's horse"}));
    assert_eq!(made.status, 200);
    let head = format!("{JSON}{}", basic("ann", "ann's horse"));
    let link = camera.beyond("POST", "/api/v1/links", &head, r#"{"address": "snapshot.jpg"}"#).json();
    let link = format!("/{}", link["link"].as_str().unwrap());
    assert_eq!(looks(&camera, "", &link), 200);
    assert_eq!(send(&camera, "DELETE", "/api/v1/users/ann", &json!({})).status, 204);
    assert_eq!(looks(&camera, "", &link), 401);

    let token = json!({"name": "hass", "scopes": ["control"], "days": 1});
    let token = send(&camera, "POST", "/api/v1/tokens", &token).json();
    let head = format!("{JSON}Authorization: Bearer {}\r\n", token["token"].as_str().unwrap());
    let refused =
        camera.beyond("POST", "/api/v1/links", &head, r#"{"address": "snapshot.jpg", "hours": 8000}"#);
    assert_eq!(refused.status, 403, "a link would outlive the token");
}

#[test]
fn a_new_user_replaces_nobody_and_the_shared_password_is_the_admins() {
    let (camera, _folder) = camera();
    let body = json!({"role": "viewer", "password": "ann's horse"}).to_string();
    let head = format!("{JSON}If-None-Match: *\r\n{}", basic("admin", PASSWORD));
    let add = |name: &str| camera.beyond("PUT", &format!("/api/v1/users/{name}"), &head, &body).status;
    assert_eq!((add("ann"), add("ann"), add("admin")), (200, 412, 412));
    assert_eq!(add("viewer"), 200);
    let signed_in = camera.beyond("POST", "/sign-in", FORM, "name=viewer&password=ann%27s+horse&next=.%2F");
    let head = format!("{FORM}{}", cookie(&signed_in));
    let form = "current=ann%27s+horse&password=another+horse&again=another+horse";
    assert_eq!(camera.beyond("POST", "/sign-in", &head, form).status, 403);
}

#[test]
fn only_operators_learn_the_inside_of_the_machine() {
    let (camera, _folder) = camera_with(http::ServerSettings::default());
    for (name, role) in [("ann", "viewer"), ("bob", "operator")] {
        send(
            &camera,
            "PUT",
            &format!("/api/v1/users/{name}"),
            &json!({"role": role, "password": "some horse"}),
        );
    }
    let made = send(&camera, "POST", "/api/v1/tokens", &json!({"name": "prometheus", "scopes": ["metrics"]}));
    let token = format!("Authorization: Bearer {}\r\n", made.json()["token"].as_str().unwrap());
    for (head, is_told) in [
        (String::new(), false),
        (token, false),
        (basic("ann", "some horse"), false),
        (basic("bob", "some horse"), true),
        (basic("admin", PASSWORD), true),
    ] {
        // Opened once, so that there is a camera to report.
        assert_eq!(camera.beyond("GET", "/snapshot.jpg", &basic("bob", "some horse"), "").status, 200);
        for path in ["/state", "/api/v1/state"] {
            let answer = camera.beyond("GET", path, &head, "");
            let state = answer.json();
            assert_eq!(answer.status, 200, "{head}");
            for key in ["source", "viewer_list"] {
                assert_eq!(state.get(key).is_some(), is_told, "{key} {head}: {state}");
            }
            assert_eq!(state["camera"].is_string(), is_told, "{head}: {state}");
            assert!(state["viewers"].is_u64(), "how many is everybody's");
        }
        let page = camera.beyond("GET", "/", &head, "").text().to_owned();
        assert!(is_told || !page.contains("est camera"), "{head}");
        let password = camera.beyond("GET", "/api/v1/password", &head, "").json();
        let is_admin = head == basic("admin", PASSWORD);
        for key in ["file", "sessions", "first"] {
            assert_eq!(password.get(key).is_some(), is_admin, "{key} {head}: {password}");
        }
    }
    let document = camera.beyond("GET", "/api/v1/openapi.json", "", "").json();
    let schema = &document["components"]["schemas"]["State"];
    assert!(schema["description"].as_str().unwrap().contains("below operator"), "{schema}");
    assert!(!schema["required"].as_array().unwrap().contains(&json!("viewer_list")));
}

#[test]
fn the_page_of_access_is_for_admins() {
    let (camera, _folder) = camera_with(http::ServerSettings::default());
    send(&camera, "PUT", "/api/v1/users/ann", &json!({"role": "operator", "password": "some horse"}));
    let ann = basic("ann", "some horse");
    let page = camera.beyond("GET", "/access", &ann, "");
    assert_eq!(page.header("location"), Some("sign-in?next=access&needed=admin"));
    assert!(!camera.beyond("GET", "/settings", &ann, "").text().contains(">Access</a></div>"));
    assert!(!camera.beyond("GET", "/log", &ann, "").text().contains("href=\"access\""));
    let admin = basic("admin", PASSWORD);
    assert!(camera.beyond("GET", "/log", &admin, "").text().contains("href=\"access\""));
    let page = camera.beyond("GET", "/access", &admin, "").text().to_owned();
    assert!(page.contains("Only with a password") && page.contains("id=\"tokens\""), "{page}");
    let form = "current=wrong&password=another+horse&again=another+horse";
    assert_eq!(camera.beyond("POST", "/sign-in", &format!("{FORM}{admin}"), form).status, 403);
    let form =
        "next=access%3Fdone%3Dpassword&current=correct+horse&password=another+horse&again=another+horse";
    let set = camera.beyond("POST", "/sign-in", &format!("{FORM}{admin}"), form);
    assert_eq!((set.status, set.header("location")), (303, Some("access?done=password")));
    let page = camera.beyond("GET", "/access?done=password", &cookie(&set), "").text().to_owned();
    assert!(page.contains("The password is set."), "{page}");
    // Only the client that has just done it gets the message, whatever the address says.
    let another = basic("admin", "another horse");
    for address in ["/access?done=password", "/sign-in?done=password"] {
        let page = camera.beyond("GET", address, &another, "").text().to_owned();
        assert!(page.contains("<main") && !page.contains("The password is set."), "{page}");
    }
    assert_eq!(camera.beyond("GET", "/access", &cookie(&set), "").status, 200);
}

#[test]
fn the_page_mentions_the_first_password_until_it_is_changed() {
    let (camera, _folder) = camera_with(http::ServerSettings::default());
    camera.access.set_initial_password("made at random").unwrap();
    let first = basic("admin", "made at random");
    let words = "This password is in the log; choose your own.";
    assert!(camera.beyond("GET", "/access", &first, "").text().contains(words));
    assert_eq!(camera.beyond("GET", "/api/v1/password", &first, "").json()["first"], true);
    let form = "current=made+at+random&password=another+horse&again=another+horse";
    assert_eq!(camera.beyond("POST", "/sign-in", &format!("{FORM}{first}"), form).status, 303);
    let own = basic("admin", "another horse");
    assert!(!camera.beyond("GET", "/access", &own, "").text().contains(words));
    assert_eq!(camera.beyond("GET", "/api/v1/password", &own, "").json()["first"], false);
}
