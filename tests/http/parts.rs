//! The service's own parts call the API without a connection: the answers of HTTP, the rights of an operator, and a
//! name of their own in the audit list.

use serde_json::{Value, json};
use tallycam::base::block_on;
use tallycam::outbound::api::{self, ApiCaller, ApiReply};

use crate::common::counted::{Counted, Setup, count_with};
use crate::common::testcam::TestCam;
use crate::common::wait_until;

fn served(cam: &TestCam) -> (Counted, ApiCaller) {
    let (caller, calls) = api::channel();
    (count_with(cam, Setup { calls: Some(calls), ..Setup::default() }), caller.named("MQTT"))
}

fn call(caller: &ApiCaller, method: &'static str, address: &str, json: Option<&Value>) -> ApiReply {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    block_on(&runtime, caller.call(method, address, json)).unwrap()
}

#[test]
fn a_part_gets_the_answers_of_http() {
    let cam = TestCam::new();
    let (served, caller) = served(&cam);
    let line = served.draw("Door");
    served.record(line, 3);
    for address in ["/api/v1/crossings?since=1", "/api/v1/lines", "/api/v1/lines?nothing=1", "/api/v1/none"] {
        let (inside, outside) = (call(&caller, "GET", address, None), served.get(address));
        assert_eq!((inside.status, inside.json()), (outside.status, outside.json()), "{address}");
    }
    let refused = call(&caller, "GET", "/api/v1/crossings?since=x", None);
    assert!(!refused.is_success() && refused.refusal().contains("since"), "{}", refused.refusal());
}

#[test]
fn a_part_is_an_operator_and_audited_by_its_name() {
    let cam = TestCam::new();
    let (served, caller) = served(&cam);
    let line = json!({"name": "Door", "a": [0.1, 0.5], "b": [0.9, 0.5]});
    let made = call(&caller, "POST", "/api/v1/lines", Some(&line));
    assert_eq!(made.status, 201, "{}", made.refusal());
    assert_eq!(call(&caller, "GET", "/api/v1/audit", None).status, 403, "the list is the admin's");
    let rows = || served.get("/api/v1/audit").json()["items"].clone();
    wait_until("the change is on the list", || rows()[0]["who"] == "MQTT");
    assert_eq!((&rows()[0]["from"], &rows()[0]["route"]), (&json!("this service"), &json!("/api/v1/lines")));
}

#[test]
fn what_has_no_end_is_for_clients_outside() {
    let cam = TestCam::new();
    let (_served, caller) = served(&cam);
    for address in ["/stream", "/api/v1/events", "/settings"] {
        assert_eq!(call(&caller, "GET", address, None).status, 501, "{address}");
    }
}

#[test]
fn a_server_that_ends_answers_nobody() {
    let cam = TestCam::new();
    let (mut served, caller) = served(&cam);
    served.stop();
    served.join();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(block_on(&runtime, caller.get("/state")), Err(api::NoAnswer));
}
