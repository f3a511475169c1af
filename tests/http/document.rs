//! The OpenAPI document agrees with the server: what it allows is accepted, and what it forbids is refused with a
//! documented answer. Tested for every key of every route: empty, twice, and with nonsense.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tallycam::access::Role;
use tallycam::http;

use crate::access::{FORM, basic, camera_with};
use crate::common::client::Answer;
use crate::common::counted::{Counted, count_and_keep};
use crate::common::testcam::TestCam;

const JSON: &str = "application/json";

/// Documented answers of an operation: the media types of each status.
pub type Said = BTreeMap<u16, Vec<String>>;

pub fn said(operation: &Value) -> Said {
    let answers = operation["responses"].as_object().unwrap().iter();
    let kinds = |answer: &Value| answer["content"].as_object().map(|kinds| kinds.keys().cloned().collect());
    answers.map(|(status, answer)| (status.parse().unwrap(), kinds(answer).unwrap_or_default())).collect()
}

/// The answer is one of these, with the media type of its content.
pub fn is_said(said: &Said, answer: &Answer) -> bool {
    let media = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_owned();
    let Some(kinds) = said.get(&answer.status) else { return false };
    answer.header("content-type").is_none_or(|kind| kinds.iter().any(|said| media(said) == media(kind)))
}

struct Operation {
    method: String,
    path: String,
    keys: Vec<Value>,
    said: Said,
}

impl Operation {
    fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }

    /// A HEAD request where possible, because some answers have no end.
    fn ask(&self, served: &Counted, query: &str) -> Answer {
        let path = format!("{}?{query}", self.path);
        let answer = served.send_with(&self.method, &path, "", "");
        // With this key the request changes something.
        if self.method == "HEAD" && answer.status == 405 { served.get(&path) } else { answer }
    }
}

fn operations(served: &Counted) -> Vec<Operation> {
    let document = served.get("/api/v1/openapi.json").json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.replace("{id}", "1").replace("{name}", "nobody.jpg");
            let allow = served.send_with("OPTIONS", &path, "", "");
            let has_head = allow.header("allow").is_some_and(|allow| allow.contains("HEAD"));
            let keys = operation["parameters"].as_array().unwrap().iter().filter(|key| key["in"] == "query");
            all.push(Operation {
                method: if method == "get" && has_head { "HEAD".into() } else { method.to_uppercase() },
                path,
                keys: keys.cloned().collect(),
                said: said(operation),
            });
        }
    }
    all
}

#[test]
fn every_key_of_every_route_is_accepted_or_refused_as_documented() {
    let cam = TestCam::new();
    let served = count_and_keep(&cam);
    served.draw("Door");
    assert_eq!(served.post("/api/v1/snapshots").status, 201);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for operation in operations(&served) {
        let is_refused = |answer: &Answer| (400..500).contains(&answer.status);
        let is_look = operation.method == "HEAD";
        let mut hold = |query: &str, is_right: &dyn Fn(&Answer) -> bool| {
            let answer = operation.ask(&served, query);
            count += 1;
            // The camera is paused by now; two old addresses report that in the old programs' words.
            let is_fault = answer.status == 500 && !answer.text().starts_with("Error with ");
            if !is_said(&operation.said, &answer) || is_fault || !is_right(&answer) {
                let Operation { method, path, .. } = &operation;
                let kind = answer.header("content-type");
                wrong.push(format!("{method} {path}?{query}: {} {kind:?} {}", answer.status, answer.text()));
            }
            answer.status
        };
        let without = hold("", &|_| true);
        if operation.keys.iter().any(|key| key["required"] == true) {
            // An absent light or lens is reported before anything else.
            hold("", &|answer| is_refused(answer) || answer.status == 503);
        }
        for key in &operation.keys {
            let (name, schema) = (key["name"].as_str().unwrap(), &key["schema"]);
            let is_none = key["allowEmptyValue"] == true && operation.is_api() && is_look;
            hold(&format!("{name}="), &|answer| !is_none || answer.status == without);
            let is_once = operation.is_api() && schema["type"] != "array";
            hold(&format!("{name}=1&{name}=1"), &|answer| !is_once || answer.status == 400);
            let is_text = schema["type"] == "array"
                || *schema == json!({"type": "string"})
                || schema["maxLength"].is_u64();
            hold(&format!("{name}=%01%3F"), &|answer| !operation.is_api() || is_text || is_refused(answer));
            let long = format!("{name}={}", "9".repeat(300));
            hold(&long, &|answer| !operation.is_api() || is_text || is_refused(answer));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 900, "{count}");
}

#[test]
fn null_is_refused_for_required_values_of_lines() {
    let served = count_and_keep(&TestCam::new());
    let id = served.draw("Door");
    let schema = served.get("/api/v1/openapi.json").json()["components"]["schemas"]["LineDraft"].clone();
    for key in ["in_name", "out_name", "classes", "anchor", "recrossing"] {
        assert!(schema["properties"][key]["type"].is_string(), "{key} may be null: {schema}");
        let mut draft = json!({"name": "Gate", "a": [0.5, 0.1], "b": [0.5, 0.9]});
        draft[key] = Value::Null;
        for (method, path) in [("POST", "/api/v1/lines".to_owned()), ("PUT", format!("/api/v1/lines/{id}"))] {
            let answer = served.send(method, &path, JSON, &draft.to_string());
            assert_eq!((answer.status, answer.json()["field"].as_str()), (422, Some(key)), "{method}");
        }
    }
}

#[test]
fn documented_maxima_are_enforced() {
    let served = count_and_keep(&TestCam::new());
    let schemas = served.get("/api/v1/openapi.json").json()["components"]["schemas"].clone();
    let most = schemas["MediaIds"]["properties"]["ids"]["items"]["maximum"].as_u64().unwrap();
    for (number, want) in [(most, 404), (most + 1, 400)] {
        let body = json!({"ids": [number]}).to_string();
        assert_eq!(served.send("POST", "/api/v1/media/delete", JSON, &body).status, want, "{number}");
    }
    let most =
        schemas["RetentionRules"]["properties"]["snapshots_age"]["anyOf"][0]["maximum"].as_f64().unwrap();
    for (seconds, want) in [(most, 200), (most + 1.0, 400)] {
        let body = json!({"snapshots_age": seconds}).to_string();
        assert_eq!(served.send("PUT", "/api/v1/media/retention", JSON, &body).status, want, "{seconds}");
    }
}

#[test]
fn every_operation_documents_the_answer_to_an_oversized_head() {
    let served = count_and_keep(&TestCam::new());
    let answer = served.get(&format!("/api/v1/media?q={}", "x".repeat(60_000)));
    assert_eq!(answer.status, 431);
    for operation in operations(&served) {
        assert!(is_said(&operation.said, &answer), "{} {}", operation.method, operation.path);
    }
}

#[test]
fn the_answer_to_too_many_wrong_passwords_is_documented() {
    let (camera, _folder) = camera_with(http::ServerSettings::default());
    camera.access.set_user("ann", Some(Role::Operator), Some("ann's horse")).unwrap();
    let document = camera.beyond("GET", "/api/v1/openapi.json", "", "").json();
    let said = said(&document["paths"]["/sign-in"]["post"]);
    let head = format!("{}{FORM}", basic("ann", "ann's horse"));
    let mut last = 0;
    for _ in 0..20 {
        let form = "current=wrong&password=another+horse&again=another+horse";
        let answer = camera.beyond("POST", "/sign-in", &head, form);
        assert!(is_said(&said, &answer), "{} {:?}", answer.status, answer.header("content-type"));
        last = answer.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
}
