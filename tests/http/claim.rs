//! `[access] claim = "network"`: nothing is answered before a browser on the network has set the first password.

use tallycam::access::Access;
use tallycam::http;

use crate::access::{Camera, FORM, PASSWORD, basic, camera_in, cookie};
use crate::common::client::Answer;

fn unclaimed() -> (Camera, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let camera = camera_in(folder.path(), http::ServerSettings::default());
    camera.access.start_claim_mode();
    (camera, folder)
}

fn claim(camera: &Camera, password: &str) -> Answer {
    let password = password.replace(' ', "+");
    camera.beyond("POST", "/claim", FORM, &format!("password={password}&again={password}"))
}

#[test]
fn nothing_is_answered_before_a_password_is_chosen() {
    let (camera, _folder) = unclaimed();
    for page in ["/", "/lines", "/settings", "/access", "/log"] {
        let answer = camera.beyond("GET", page, "", "");
        assert_eq!((answer.status, answer.header("location")), (303, Some("claim")), "{page}");
    }
    assert_eq!(camera.beyond("GET", "/sign-in", "", "").header("location"), Some("claim"));
    for path in
        ["/stream", "/snapshot.jpg", "/?action=snapshot", "/api/v1/state", "/metrics", "/api/v1/events"]
    {
        for lines in ["", &basic("admin", ""), &basic("admin", PASSWORD)] {
            let answer = camera.beyond("GET", path, lines, "");
            assert!(answer.status == 401 || answer.status == 303, "{path}: {}", answer.status);
            assert!(!answer.text().contains("bicycle") && answer.text().len() < 1000, "{path}");
        }
    }
    let put = camera.beyond(
        "PUT",
        "/api/v1/password",
        "Content-Type: application/json\r\n",
        r#"{"password":"wrong horse"}"#,
    );
    assert_eq!(put.status, 401, "{}", put.text());
    assert!(put.text().contains("/claim"), "{}", put.text());
    let page = camera.beyond("GET", "/claim", "", "");
    assert!(page.status == 200 && page.text().contains("action=\"claim\""), "{}", page.text());
    // Programs of this machine need no browser.
    assert_eq!(camera.here("GET", "/api/v1/state", "", "").status, 200);
}

#[test]
fn the_first_to_choose_a_password_is_signed_in_and_no_one_after() {
    let (camera, folder) = unclaimed();
    for (body, status, words) in [
        ("password=short&again=short", 422, "8"),
        ("password=correct+horse&again=correct+house", 422, "not the same"),
        ("", 422, "8"),
    ] {
        let answer = camera.beyond("POST", "/claim", FORM, body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert!(
            answer.text().contains(words) && answer.text().contains("action=\"claim\""),
            "{}",
            answer.text()
        );
    }
    let foreign = format!("{FORM}Origin: https://evil.example\r\n");
    assert_eq!(
        camera.beyond("POST", "/claim", &foreign, "password=wrong+horse&again=wrong+horse").status,
        403
    );
    assert!(camera.access.is_unclaimed());

    let first = claim(&camera, PASSWORD);
    assert_eq!((first.status, first.header("location")), (303, Some("./")), "{}", first.text());
    assert_eq!(camera.beyond("GET", "/settings", &cookie(&first), "").status, 200);

    let second = claim(&camera, "wrong horse");
    assert_eq!((second.status, second.header("location")), (303, Some("sign-in")), "{}", second.text());
    assert_eq!(camera.beyond("GET", "/claim", "", "").header("location"), Some("sign-in"));
    assert!(
        camera.access.verify_password("", PASSWORD).is_some()
            && camera.access.verify_password("", "wrong horse").is_none()
    );
    assert!(camera.access.claim("wrong horse").is_err(), "a client at the same moment");
    // Viewing is open as the setting says, also after the next start.
    assert_eq!(camera.beyond("GET", "/snapshot.jpg", "", "").status, 200);
    drop(camera);
    let again = Access::open(folder.path());
    again.start_claim_mode();
    assert!(!again.is_unclaimed() && !again.is_open());
}

#[test]
fn a_client_behind_a_proxy_does_not_count_as_near() {
    let (camera, _folder) = unclaimed();
    let lines = format!("{FORM}X-Forwarded-For: 192.168.1.7\r\n");
    let answer = camera.beyond("POST", "/claim", &lines, "password=correct+horse&again=correct+horse");
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("own network"), "{}", answer.text());
}
