//! The privacy mask in the API, in the form of the page Lines, and by role.
use serde_json::{Value, json};

use crate::access::{PASSWORD, basic};
use crate::common::daemon::Daemon;
use crate::common::wait_until;
use crate::locked::{ask, start_detecting};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn areas_of_the_mask_are_drawn_changed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start_detecting(folder.path(), "backend = \"motion\"");
    let admin = basic("me", PASSWORD);
    let send =
        |method: &str, path: &str, kind: &str, body: &str| ask(&daemon, method, path, &admin, kind, body);
    let setting = || {
        let all = send("GET", "/api/v1/settings", JSON, "").json();
        let mut items = all["items"].as_array().unwrap().iter();
        items.find(|item| item["path"] == "privacy.mask").unwrap()["value"].clone()
    };
    assert_eq!(setting(), json!([]));
    let area = json!({"points": [[0, 0], [0.25, 0], [0.25, 0.5]]}).to_string();
    let new = send("POST", "/api/v1/masks", JSON, &area);
    assert_eq!((new.status, new.header("location")), (201, Some("masks/1")), "{}", new.text());
    assert_eq!(new.json(), json!({"id": 1, "points": [[0.0, 0.0], [0.25, 0.0], [0.25, 0.5]]}));
    for (points, words) in [
        (json!([[0, 0], [1, 1]]), "3 to 32 corners"),
        (json!([[0, 0], [1, 1], [0, 1], [1, 0]]), "crosses itself"),
        (json!([[0, 0], [0.5, 0], [1, 0]]), "no inside"),
        (json!([[0, 0], [9, 0], [1, 1]]), "in fractions"),
    ] {
        let refused = send("POST", "/api/v1/masks", JSON, &json!({"points": points}).to_string());
        assert_eq!(refused.status, 422, "{points}");
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    // The form has the corners of the shown picture, which is rotated.
    let rotated = send("PATCH", "/api/v1/picture", JSON, r#"{"rotate": 90}"#);
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let page = send("GET", "/lines?mask=new", JSON, "");
    assert!(page.text().contains("action=\"api/v1/masks\"") && page.text().contains("Privacy mask 2"));
    assert!(page.text().contains("stored already stay as they are"), "{}", page.text());
    let corners = "corners=0+0%0D%0A50+0%0D%0A50+25&exclude=1&anchor=bottom";
    let form = format!("next=lines%3Fmask%3D%7Bid%7D&{corners}");
    let drawn = send("POST", "/api/v1/masks", FORM, &form);
    assert_eq!(drawn.header("location"), Some("../../lines?mask=2"), "{}", drawn.text());
    assert_eq!(setting()[1], json!([[0.0, 1.0], [0.0, 0.5], [0.25, 0.5]]));
    let page = send("GET", "/lines?mask=2", JSON, "");
    assert!(page.text().contains("0.0 0.0\n50.0 0.0\n50.0 25.0"), "{}", page.text());
    let first = send("GET", "/lines?mask=1", JSON, "");
    assert!(first.text().contains("100.0 0.0\n100.0 25.0\n50.0 25.0"), "{}", first.text());
    // A wrong value is there again, with the reason.
    let wrong =
        send("POST", "/api/v1/masks/2", FORM, "next=lines%3Fmask%3D2&_method=put&corners=1+x%0A2+2%0A3+9");
    assert!(wrong.status == 422 && wrong.text().contains("1 x\n2 2\n3 9</textarea>"), "{}", wrong.text());
    let moved = "next=lines%3Fmask%3D2&_method=put&corners=0+0%0A50+0%0A50+50";
    assert_eq!(send("POST", "/api/v1/masks/2", FORM, &format!("{moved}&_version=1")).status, 412);
    assert_eq!(send("POST", "/api/v1/masks/2", FORM, moved).status, 303);
    assert_eq!(setting()[1], json!([[0.0, 1.0], [0.0, 0.5], [0.5, 0.5]]));
    assert_eq!(send("PUT", "/api/v1/masks/3", JSON, &area).status, 404);
    assert_eq!(send("DELETE", "/api/v1/masks/0", JSON, "").status, 404);
    assert_eq!(send("DELETE", "/api/v1/masks/1", JSON, "").status, 204);
    let all = send("GET", "/api/v1/masks", JSON, "");
    assert_eq!(all.json()["items"][0]["points"], setting()[0], "{}", all.text());
    // It is a setting like others.
    let whole = json!({"privacy.mask": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}).to_string();
    assert_eq!(send("PATCH", "/api/v1/settings", JSON, &whole).status, 200);
    let black = send("GET", "/snapshot.jpg", JSON, "");
    let image = turbojpeg::decompress(&black.body, turbojpeg::PixelFormat::GRAY).unwrap();
    assert!(image.pixels.iter().all(|&luma| luma < 20), "the next snapshot is black");
    checks_by_role(&daemon);
    by_role(&daemon);
}

/// What a check says of its view names the mask's corners to operators only.
fn checks_by_role(daemon: &Daemon) {
    let admin = basic("me", PASSWORD);
    let line = json!({"name": "Gate", "a": [0.5, 0.0], "b": [0.5, 1.0]}).to_string();
    let drawn = ask(daemon, "POST", "/api/v1/lines", &admin, JSON, &line);
    let mut made = Value::Null;
    wait_until("a check of time that was counted", || {
        let now_us = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
        let (line, from) = (&drawn.json()["id"], now_us - 2_000_000);
        let check = json!({"line": line, "from": from, "to": now_us, "taps": []}).to_string();
        let answer = ask(daemon, "POST", "/api/v1/checks", &admin, JSON, &check);
        made = answer.json();
        answer.status == 201
    });
    let path = format!("/api/v1/checks/{}", made["id"]);
    for (head, sees) in [(basic("vera", "only looking"), false), (basic("ann", "ann's horse"), true)] {
        for path in ["/api/v1/checks", &path] {
            let told = ask(daemon, "GET", path, &head, JSON, "");
            assert!(told.status == 200 && told.text().contains("90°"), "{}", told.text());
            assert_eq!(told.text().contains("mask"), sees, "{}", told.text());
        }
    }
}

/// Only admins change the mask, and only operators see where it is.
fn by_role(daemon: &Daemon) {
    let area = json!({"points": [[0, 0], [0.25, 0], [0.25, 0.5]]}).to_string();
    for (head, sees) in
        [(String::new(), false), (basic("vera", "only looking"), false), (basic("ann", "ann's horse"), true)]
    {
        let list = ask(daemon, "GET", "/api/v1/masks", &head, JSON, "");
        assert_eq!(list.status == 200, sees, "{head}: {}", list.text());
        let page = ask(daemon, "GET", "/lines?mask=1", &head, JSON, "");
        assert_eq!(page.text().contains("Privacy mask 1"), sees, "{head}");
        assert!(!page.text().contains("action=\"api/v1/masks"), "{head}");
        for (method, path) in
            [("POST", "/api/v1/masks"), ("PUT", "/api/v1/masks/1"), ("DELETE", "/api/v1/masks/1")]
        {
            let refused = ask(daemon, method, path, &head, JSON, &area);
            assert!(matches!(refused.status, 401 | 403), "{method} {head}: {}", refused.status);
        }
        let state: Value = ask(daemon, "GET", "/api/v1/state", &head, JSON, "").json();
        assert!(!state.to_string().contains("mask"), "{state}");
    }
}
