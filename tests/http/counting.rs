//! Counting on real sockets: lines and zones, counts and crossings, and the contract of every route. Crossings are
//! put into a real counts.db, or a person walks before a real counting thread.
use std::collections::HashSet;
use std::sync::Arc;

use crate::common::counted::{Counted, Setup, count, count_with};
use crate::common::served::serve;
use crate::common::testcam::{TestCam, number_of};
use crate::common::wait_until;
use serde_json::{Value, json};
use tallycam::base::{Fault, FaultKind};
use tallycam::http::{CatalogueModel, ModelLibrary, ModelRow, ServerSettings};
use tallycam::store::{LineDraft, Scene};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn counted() -> (TestCam, Counted) {
    let cam = TestCam::new();
    let counted = count(&cam);
    (cam, counted)
}

fn names(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[test]
fn a_line_is_drawn_changed_and_deleted() {
    let (_cam, served) = counted();
    let lines = "/api/v1/lines";
    assert_eq!(served.get(lines).json(), json!({"items": [], "next": null}));
    let draft = json!({"name": "Door", "a": [0.5, 1], "b": [0.5, 0.25], "classes": ["person"]});
    let new = served.send("POST", lines, JSON, &draft.to_string());
    assert_eq!(new.status, 201, "{}", new.text());
    let line = new.json();
    let id = line["id"].as_u64().unwrap();
    assert_eq!(new.header("location"), Some(&*format!("lines/{id}")));
    for (key, want) in [
        ("name", json!("Door")),
        ("b", json!([0.5, 0.25])),
        ("in_name", json!("in")),
        ("anchor", json!("bottom")),
        ("recrossing", json!("every")),
        ("scene", json!("camera")),
        ("pinned", json!(null)),
        ("moved", json!(null)),
        ("deleted", json!(null)),
    ] {
        assert_eq!(line[key], want, "{key}");
    }
    let path = format!("{lines}/{id}");
    let got = served.get(&path);
    assert_eq!((got.status, got.json()), (200, line.clone()));
    let tag = got.header("etag").unwrap().to_owned();
    assert_eq!(new.header("etag"), Some(&*tag));

    // A received line may be sent back; only its differences are changes.
    let mut moved = line.clone();
    moved["a"] = json!([0.4, 1.0]);
    let put = served.send_with("PUT", &path, &format!("If-Match: {tag}\r\n"), &moved.to_string());
    assert_eq!((put.status, &put.json()["a"]), (200, &json!([0.4, 1.0])), "{}", put.text());
    assert!(put.json()["moved"].is_string());
    assert_ne!(put.header("etag"), Some(&*tag));
    for method in ["PUT", "PATCH", "DELETE"] {
        let late = served.send_with(method, &path, &format!("If-Match: {tag}\r\n"), &draft.to_string());
        assert_eq!((late.status, late.header("content-type")), (412, Some("application/problem+json")));
    }
    let patch = served.send("PATCH", &path, JSON, r#"{"in_name":"north"}"#);
    assert_eq!((patch.status, &patch.json()["in_name"]), (200, &json!("north")));
    assert_eq!(patch.json()["a"], json!([0.4, 1.0]));
    let tag = patch.header("etag").unwrap().to_owned();
    let about_the_same = served.send_with("DELETE", &path, &format!("If-Match: W/{tag}\r\n"), "");
    assert_eq!(about_the_same.status, 412, "a weak tag is not accepted as a version");
    let gone = served.send_with("DELETE", &path, &format!("If-Match: {tag}\r\n"), "");
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    assert_eq!(served.get(lines).json()["items"], json!([]));
    // Its crossings and its name stay.
    assert_eq!(names(&served.get("/api/v1/lines?deleted=1").json()), ["Door"]);
    assert!(served.get(&path).json()["deleted"].is_string());
    assert_eq!(served.send("DELETE", &path, JSON, "").status, 404);
}

#[test]
fn an_invalid_line_is_refused_in_words() {
    let (_cam, served) = counted();
    served.draw("Door");
    let good = json!({"name": "Gate", "a": [0.1, 0.1], "b": [0.9, 0.9]});
    let with = |key: &str, value: Value| {
        let mut draft = good.clone();
        draft[key] = value;
        draft.to_string()
    };
    for (kind, body, status, word) in [
        (JSON, String::new(), 400, "needs a body"),
        (JSON, String::from("{\"name\":"), 400, "no JSON"),
        ("image/png", String::from("x"), 415, "image/png"),
        (JSON, String::from("[]"), 422, "not what is wanted"),
        // The values in the order of our own declaration; no order is guaranteed.
        (JSON, String::from(r#"["Gate", [0.1, 0.1], [0.9, 0.9]]"#), 422, "should be an object"),
        (JSON, with("colour", json!("red")), 422, "colour"),
        (JSON, with("a", json!([0.5])), 422, "`a` should be [x, y]"),
        (JSON, with("a", json!(null)), 422, "`a` is missing"),
        (JSON, with("a", json!([0.9, 0.9])), 422, "same point"),
        (JSON, with("a", json!([7, 7])), 422, "from 0 to 1"),
        (JSON, with("name", json!("")), 422, "name"),
        (JSON, with("name", json!("Door")), 409, "Door"),
        (JSON, with("anchor", json!("foot")), 422, "bottom, center"),
        (JSON, with("recrossing", json!("twice")), 422, "one of every, once"),
        (JSON, format!("{{\"name\":\"{}\"}}", "x".repeat(70_000)), 413, "longer"),
    ] {
        let answer = served.send("POST", "/api/v1/lines", kind, &body);
        let said = answer.text().to_owned();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json"))
        );
        assert!(said.contains(word), "{body:.60} says {said}");
    }
    // The answer names the value, the expectation, and the given value.
    let square = json!([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]);
    let zone = |key: &str, value: Value| {
        let mut draft = json!({"name": "Queue", "points": square});
        draft[key] = value;
        ("/api/v1/zones", draft.to_string())
    };
    let line = |key: &str, value: Value| ("/api/v1/lines", with(key, value));
    let reset = |body: &str| ("/api/v1/counts/reset", body.to_owned());
    for ((path, body), status, field, range, given) in [
        (line("name", json!(7)), 422, "name", "a text", "7"),
        (line("name", json!(" ")), 422, "name", "1 to 60 characters", " "),
        (line("name", json!("Door")), 409, "name", "no other has", "Door"),
        (line("a", json!([0.2])), 422, "a", "[x, y]", "[0.2]"),
        (line("b", json!([0.2, "x"])), 422, "b", "[x, y]", "[0.2,\"x\"]"),
        (line("b", json!([0.1, 0.1])), 422, "b", "another point", "[0.1,0.1]"),
        (line("a", json!([7, 7])), 422, "a", "from -1 to 2", "[7,7]"),
        (line("b", json!([7, 0.1])), 422, "b", "from -1 to 2", "[7,0.1]"),
        (line("in_name", json!("")), 422, "in_name", "1 to 30 characters", ""),
        (line("out_name", json!("in")), 422, "out_name", "another name", "in"),
        (line("classes", json!("person")), 422, "classes", "list of texts", "person"),
        (line("classes", json!([""])), 422, "classes", "1 to 60 characters", "[\"\"]"),
        (line("anchor", json!("foot")), 422, "anchor", "bottom, center", "foot"),
        (line("recrossing", json!("maybe")), 422, "recrossing", "every, once", "maybe"),
        (line("colour", json!("red")), 422, "colour", "anchor, recrossing", "red"),
        (zone("name", json!("")), 422, "name", "1 to 60 characters", ""),
        (zone("points", json!([[0, 0], [1, 1]])), 422, "points", "3 to 32", "[[0,0],[1,1]]"),
        (zone("points", json!([[0, 0], [1, 1], [1]])), 422, "points", "list of [x, y]", "[[0,0],[1,1],[1]]"),
        (zone("points", json!([[2, 2], [3, 2], [3, 3]])), 422, "points", "3 to 32", "[[2,2],[3,2],[3,3]]"),
        (zone("exclude", json!("yes")), 422, "exclude", "true or false", "yes"),
        (zone("colour", json!("red")), 422, "colour", "classes, anchor, exclude", "red"),
        (zone("anchor", json!(1)), 422, "anchor", "bottom, center", "1"),
        (reset(r#"{"line":"x"}"#), 422, "line", "a whole number", "x"),
        (reset(r#"{"line":-1}"#), 422, "line", "a whole number", "-1"),
        (reset(r#"{"line":null}"#), 422, "line", "left out", "null"),
        (reset(r#"{"lines":1}"#), 422, "lines", "one of line", "1"),
    ] {
        let answer = served.send("POST", path, JSON, &body);
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["field"], &problem["given"]),
            (status, &json!(field), &json!(given)),
            "{body}: {problem}"
        );
        assert!(problem["range"].as_str().unwrap().contains(range), "{body}: {problem}");
    }
    // Null does not remove a required value.
    for (key, path) in [("a", "/api/v1/lines/1"), ("anchor", "/api/v1/lines/1")] {
        let refused = served.send("PATCH", path, JSON, &json!({ key: null }).to_string());
        assert_eq!((refused.status, &refused.json()["field"]), (422, &json!(key)), "{}", refused.text());
    }
    let sent_back = served.get("/api/v1/lines/1").text().to_owned();
    assert_eq!(served.send("PATCH", "/api/v1/lines/1", JSON, &sent_back).status, 200);
    let place = "[x, y] in fractions of the picture";
    for (path, body, missing) in [
        ("/api/v1/lines", json!({"name": "a"}), &[("a", place), ("b", place)][..]),
        ("/api/v1/lines", json!({"a": [0.1, 0.1], "b": [0.9, 0.9]}), &[("name", "a name")]),
        (
            "/api/v1/zones",
            json!({}),
            &[("name", "a name"), ("points", "a list of [x, y] in fractions of the picture")],
        ),
    ] {
        let problem = served.send("POST", path, JSON, &body.to_string()).json();
        assert_eq!((&problem["field"], &problem["range"]), (&json!(missing[0].0), &json!(missing[0].1)));
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let paths: Vec<&str> = errors.iter().filter_map(|error| error["path"].as_str()).collect();
        let all: Vec<&str> = missing.iter().map(|(key, _)| *key).collect();
        assert_eq!(paths, if all.len() > 1 { all.clone() } else { Vec::new() }, "{problem}");
        assert!(
            all.iter()
                .all(|key| problem["detail"].as_str().unwrap().contains(&format!("`{key}` is missing")))
        );
    }
    assert_eq!(names(&served.get("/api/v1/lines").json()), ["Door"]);
    assert_eq!(served.send("PATCH", "/api/v1/lines/99", JSON, "{}").status, 404);
    // As `curl -d` sends it, and as a form has it.
    let form = served.send("POST", "/api/v1/lines", FORM, "name=Gate&a=0.1,0.1&b=0.9,0.9&classes=car,person");
    assert_eq!((form.status, &form.json()["classes"]), (201, &json!(["car", "person"])), "{}", form.text());
    for (method, path) in [
        ("POST", "/api/v1/lines"),
        ("PUT", "/api/v1/lines/1"),
        ("PATCH", "/api/v1/lines/1"),
        ("DELETE", "/api/v1/lines/1"),
    ] {
        let foreign = served.send_with(method, path, "Origin: https://evil.example\r\n", &good.to_string());
        assert_eq!(foreign.status, 403, "{method}");
    }
}

#[test]
fn a_refusal_of_a_line_or_zone_names_the_sent_value() {
    let (_cam, served) = counted();
    served.draw("Door");
    let zone = json!({"name": "Yard", "points": [[0, 0], [1, 0], [1, 1]]});
    assert_eq!(served.send("POST", "/api/v1/zones", JSON, &zone.to_string()).status, 201);
    let (lines, door, zones, yard) = ("/api/v1/lines", "/api/v1/lines/1", "/api/v1/zones", "/api/v1/zones/1");
    let reset = "/api/v1/counts/reset";
    let many = json!({"name": "Hall", "points": vec![[0, 0]; 33]}).to_string();
    for (method, path, kind, body, status, field, range, given) in [
        // If two values exclude each other, the answer names the one that was sent.
        ("PATCH", door, JSON, r#"{"a":[0.5,0]}"#, 422, "a", "another point", "[0.5,0]"),
        ("PATCH", door, JSON, r#"{"b":[0.5,1]}"#, 422, "b", "another point", "[0.5,1]"),
        ("PATCH", door, JSON, r#"{"in_name":"out"}"#, 422, "in_name", "another name", "out"),
        ("PATCH", door, JSON, r#"{"out_name":"in"}"#, 422, "out_name", "another name", "in"),
        ("PATCH", door, JSON, r#"{"a":[0.1,7]}"#, 422, "a", "from -1 to 2", "[0.1,7]"),
        // The line lies outside the picture, though each end alone is allowed.
        ("POST", lines, JSON, r#"{"name":"T","a":[0,1.5],"b":[1,1.5]}"#, 422, "b", "with some of", "[1,1.5]"),
        // Null is refused for a required value.
        ("POST", lines, JSON, r#"{"name":"T","a":null,"b":[0,1]}"#, 422, "a", "[x, y]", "null"),
        ("PUT", door, JSON, r#"{"name":null,"a":[1,1],"b":[0,1]}"#, 422, "name", "a name", "null"),
        ("PUT", yard, JSON, r#"{"name":"Yard","points":null}"#, 422, "points", "a list of [x, y]", "null"),
        ("PATCH", yard, JSON, r#"{"points":null}"#, 422, "points", "left out", "null"),
        ("PATCH", yard, JSON, r#"{"classes":null}"#, 422, "classes", "left out", "null"),
        // Not a number, in JSON and in forms.
        ("POST", lines, JSON, r#"{"name":"T","a":[0,NaN],"b":[0,1]}"#, 400, "a", "finite", "NaN"),
        ("POST", lines, JSON, r#"{"name":"T","a":[0,0],"b":[0,1e400]}"#, 400, "b", "finite", "1e400"),
        ("POST", lines, FORM, "name=T&a=NaN,0&b=0,1", 422, "a", "[x, y]", "[\"NaN\",0]"),
        ("POST", lines, FORM, "name=T&a=0,0&b=0,1e400", 422, "b", "[x, y]", "[0,\"1e400\"]"),
        ("POST", lines, FORM, "name=T&a=0.2&b=0,1", 422, "a", "[x, y]", "[0.2]"),
        ("POST", zones, FORM, "name=T&points=0,0+1,1", 422, "points", "3 to 32", "[[0,0],[1,1]]"),
        ("POST", zones, JSON, &many, 422, "points", "3 to 32", ""),
        (
            "POST",
            zones,
            JSON,
            r#"{"name":"T","points":[[0,0],[0.5,0.5],[1,1]]}"#,
            422,
            "points",
            "not all on one line",
            "[[0,0],[0.5,0.5],[1,1]]",
        ),
        (
            "POST",
            zones,
            JSON,
            r#"{"name":"Yard","points":[[0,0],[1,0],[1,1]]}"#,
            409,
            "name",
            "no other",
            "Yard",
        ),
        // The body says which line.
        ("POST", reset, JSON, r#"{"line":99}"#, 404, "line", "a line that is there", "99"),
        ("POST", reset, FORM, "line=x", 422, "line", "a whole number", "x"),
    ] {
        let answer = served.send(method, path, kind, body);
        let problem = answer.json();
        assert_eq!((answer.status, &problem["field"]), (status, &json!(field)), "{body}: {problem}");
        assert!(problem["range"].as_str().unwrap().contains(range), "{body}: {problem}");
        let said = problem["given"].as_str().unwrap();
        assert!(if given.is_empty() { said.len() == 100 } else { said == given }, "{body}: {problem}");
    }
    // An answer may be sent back, and a number may be written as in a form.
    for path in [door, yard] {
        let sent = served.get(path).text().to_owned();
        for method in ["PATCH", "PUT"] {
            assert_eq!(served.send(method, path, JSON, &sent).status, 200, "{method} {sent}");
        }
    }
    let unknown = served.send("PATCH", yard, JSON, r#"{"exclude":"yes","occupancy":null}"#).json();
    assert!(!unknown.to_string().contains("occupancy"), "{unknown}");
    for (kind, body) in
        [(JSON, r#"{"line":1}"#), (JSON, r#"{"line":"1"}"#), (FORM, "line=1"), (JSON, "{}"), (JSON, "")]
    {
        assert_eq!(served.send("POST", reset, kind, body).status, 201, "{body}");
    }
}

#[test]
fn a_line_of_the_configuration_file_is_pinned() {
    let (_cam, served) = counted();
    let draft = LineDraft::new("Door", [0.5, 1.0], [0.5, 0.0]);
    served.counts.pin(vec![(draft, String::from("config.toml:112"))], Vec::new()).unwrap();
    let lines = served.get("/api/v1/lines").json();
    let line = &lines["items"][0];
    assert_eq!((&line["pinned"], &line["scene"]), (&json!("config.toml:112"), &json!(null)));
    let path = format!("/api/v1/lines/{}", line["id"]);
    for method in ["PATCH", "DELETE"] {
        let answer = served.send(method, &path, JSON, r#"{"name":"Gate"}"#);
        assert_eq!(answer.status, 409);
        assert!(answer.text().contains("config.toml:112"), "{}", answer.text());
    }
}

#[test]
fn a_zone_is_drawn_changed_and_deleted() {
    let (_cam, served) = counted();
    let draft = json!({"name": "Yard", "points": [[0, 0], [1, 0], [1, 1]]});
    let new = served.send("POST", "/api/v1/zones", JSON, &draft.to_string());
    assert_eq!((new.status, &new.json()["occupancy"]), (201, &json!(0)), "{}", new.text());
    let path = format!("/api/v1/zones/{}", new.json()["id"]);
    let tag = new.header("etag").unwrap().to_owned();
    let patch = served.send_with("PATCH", &path, &format!("If-Match: {tag}\r\n"), r#"{"name":"Court"}"#);
    assert_eq!((patch.status, &patch.json()["points"]), (200, &new.json()["points"]));
    let late = served.send_with("PUT", &path, &format!("If-Match: {tag}\r\n"), &draft.to_string());
    assert_eq!(late.status, 412);
    assert_eq!(names(&served.get("/api/v1/zones").json()), ["Court"]);
    let line = served.send("POST", "/api/v1/zones", JSON, r#"{"name":"x","points":[[0,0],[1,1]]}"#);
    assert_eq!(line.status, 422, "{}", line.text());
    assert_eq!(served.send("DELETE", &path, JSON, "").status, 204);
    assert_eq!(served.get(&path).status, 404);
}

#[test]
fn counts_by_the_hour_as_json_and_as_a_table() {
    let (_cam, served) = counted();
    let door = served.draw("=Door");
    served.record(door, 7);
    let report = served.get("/api/v1/counts?from=-3h&to=now").json();
    assert_eq!(
        (&report["bucket"], &report["scene"], &report["next"]),
        (&json!("hour"), &json!("camera"), &json!(null))
    );
    assert_eq!(report["by"], json!(["line", "class", "direction"]));
    let items = report["items"].as_array().unwrap();
    assert!((3..=4).contains(&items.len()), "{report:#}");
    // An hour without counting is not a zero.
    assert_eq!(
        (&items[0]["in"], &items[0]["covered"], &items[0]["counts"]),
        (&json!(null), &json!(0.0), &json!([]))
    );
    // Neither is the time before the first start, in that hour and in those before it.
    let gap = &report["gaps"][0];
    assert_eq!((&gap["from"], &gap["why"]), (&report["from"], &json!("not_begun")), "{report:#}");
    // The line itself has a gap before it was drawn.
    let [of_the_line] = &report["line_gaps"].as_array().unwrap()[..] else { panic!("{report:#}") };
    assert_eq!((&of_the_line["line"], &of_the_line["line_id"]), (&json!("=Door"), &json!(door)));
    assert_eq!(of_the_line["gaps"][0]["from"], report["from"], "{report:#}");
    assert_eq!(served.get("/api/v1/counts?by=direction").json().get("line_gaps"), Some(&Value::Null));
    let sum = |key: &str| items.iter().filter_map(|item| item[key].as_u64()).sum::<u64>();
    assert_eq!((sum("in"), sum("out")), (5, 2));
    let total = served.get("/api/v1/counts?from=-3h&bucket=total&by=direction&class=person").json();
    assert_eq!(
        total["items"][0]["counts"],
        json!([{"direction": "in", "count": 5}, {"direction": "out", "count": 2}])
    );
    let none = served.get("/api/v1/counts?from=-3h&bucket=total&class=car").json();
    assert_eq!(none["items"][0]["counts"], json!([]));
    let table = served.get(&format!("/api/v1/counts?from=-3h&bucket=total&format=csv&line={door}"));
    assert_eq!(table.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(table.header("content-disposition").unwrap().contains("filename=\"tallycam-"));
    let rows: Vec<&str> = table.text().split_terminator("\r\n").collect();
    assert_eq!(rows[0], "\u{feff}start,end,covered,line,class,direction,count,line_id,local_start");
    assert!(rows[1].contains(&format!(",'=Door,person,in,5,{door},20")), "{}", rows[1]);
    assert!(rows[2].contains(&format!(",'=Door,person,out,2,{door},20")), "{}", rows[2]);
    // A name may contain a comma and stand beside others.
    served.draw("Hall, left");
    for (line, status) in [
        ("Hall%2C%20left", 200),
        ("Hall%2C%20left&line=%3DDoor", 200),
        (&*format!("{door},%3DDoor"), 200),
        ("Hall", 400),
        ("%3DDoor,Hall%2C%20left", 400),
    ] {
        assert_eq!(served.get(&format!("/api/v1/counts?line={line}")).status, status, "{line}");
        assert_eq!(served.get(&format!("/api/v1/crossings?line={line}")).status, status, "{line}");
    }
    // By its name, too, and for a deleted line.
    served.send("DELETE", &format!("/api/v1/lines/{door}"), JSON, "");
    let named = served.get("/api/v1/counts?from=-3h&bucket=total&by=&line=%3DDoor").json();
    assert_eq!(named["items"][0]["counts"], json!([{"count": 7}]));
}

#[test]
fn a_class_with_a_comma_in_its_name_can_be_queried() {
    let (_cam, served) = counted();
    let door = served.draw("Door");
    for (class, many) in [("a,x", 3), ("a", 2), ("b", 1)] {
        served.record_of(class, door, many);
    }
    for (class, many) in [("a%2Cx", 3), ("a%2Cx&class=b", 4), ("a,b", 3), ("a", 2), ("b%2Cy", 1)] {
        let total = served.get(&format!("/api/v1/counts?from=-3h&bucket=total&by=&class={class}")).json();
        assert_eq!(total["items"][0]["counts"], json!([{"count": many}]), "{class}");
        let crossings = served.get(&format!("/api/v1/crossings?class={class}")).json();
        assert_eq!(crossings["items"].as_array().map(Vec::len), Some(many), "{class}");
    }
}

#[test]
fn a_meaningless_value_is_reported() {
    let (_cam, served) = counted();
    for (path, word) in [
        ("/api/v1/counts?from=soon", "`from` is \"soon\""),
        ("/api/v1/counts?from=now&to=-1h", "later than from"),
        ("/api/v1/counts?from=-1h&from=-2h", "`from` is \"-2h\", and should be given once"),
        ("/api/v1/crossings?to=now&to=-2h", "`to` is \"-2h\", and should be given once"),
        ("/api/v1/counts?bucket=minute", "hour, day, week, month, total"),
        ("/api/v1/counts?by=colour", "line, class, direction"),
        ("/api/v1/counts?from=2000-01-01", "more than 20000 buckets"),
        ("/api/v1/counts?line=99", "the number or the name of a line"),
        ("/api/v1/counts?scene=moon", "camera, files, sim"),
        ("/api/v1/counts?format=xml", "json, csv"),
        ("/api/v1/crossings?limit=0", "from 1 to 5000"),
        ("/api/v1/crossings?cursor=x", "`cursor` is"),
        ("/api/v1/crossings?order=up", "newest, oldest"),
        ("/api/v1/crossings?direction=left", "in, out"),
        ("/api/v1/crossings?to=2026-99-01", "`to` is"),
        ("/api/v1/lines?deleted=maybe", "`deleted` is"),
        ("/api/v1/events?types=pictures", "crossing, tally"),
        ("/api/v1/events?last_event_id=x", "`last_event_id` is"),
    ] {
        let answer = served.get(path);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, Some("application/problem+json")),
            "{path}"
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(word), "{path} says {detail}");
    }
    // Empty values come from form fields that were left empty.
    assert_eq!(served.get("/api/v1/counts?from=&to=&line=&class=&bucket=&scene=&_=123").status, 200);
    assert_eq!(served.get("/api/v1/crossings?from=&to=&limit=&cursor=&order=&direction=").status, 200);
}

/// All ids on the pages of `path`, and the number of pages.
fn ids(served: &Counted, path: &str) -> (Vec<u64>, usize) {
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = served.get(&format!("{path}{cursor}")).json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (ids, pages),
        }
    }
}

#[test]
fn crossings_page_by_page_and_as_a_table() {
    let (_cam, served) = counted();
    let (door, gate) = (served.draw("Door"), served.draw("Gate"));
    served.record(door, 25);
    served.record(gate, 5);
    let page = served.get("/api/v1/crossings").json();
    let newest = &page["items"][0];
    assert_eq!(
        (&newest["line"], &newest["line_id"], &newest["track"]),
        (&json!("Gate"), &json!(gate), &json!(1_000_029))
    );
    assert_eq!((&newest["score"], &newest["thumbnail"]), (&json!(0.75), &json!(null)));
    // Whether the clock is right depends on the machine.
    assert!(newest["time_sure"].is_boolean());
    let all: Vec<u64> = (1..=30).collect();
    let reversed: Vec<u64> = all.iter().rev().copied().collect();
    assert_eq!(ids(&served, "/api/v1/crossings?limit=7&order=oldest"), (all, 5));
    assert_eq!(ids(&served, "/api/v1/crossings?limit=15"), (reversed, 2));
    assert_eq!(ids(&served, "/api/v1/crossings?line=Gate").0.len(), 5);
    assert_eq!(ids(&served, &format!("/api/v1/crossings?line={door},{gate}&direction=out")).0.len(), 10);
    assert_eq!(ids(&served, "/api/v1/crossings?to=-1h").0.len(), 0);
    assert_eq!(ids(&served, "/api/v1/crossings?from=-1h&class=person").0.len(), 30);
    let thumbnail = served.get("/api/v1/crossings/1/thumbnail.jpg");
    assert_eq!((thumbnail.status, thumbnail.header("content-type")), (404, Some("application/problem+json")));

    // More than one piece, each crossing once.
    served.record(door, 600);
    served.record(gate, 600);
    let ask = |path: &str| served.ask(&format!("GET {path} HTTP/1.0\r\nHost: 192.0.2.1\r\n\r\n"));
    let table = ask("/api/v1/crossings?format=csv&order=oldest");
    assert_eq!((table.status, table.header("content-length")), (200, None));
    let mut rows = table.text().split_terminator("\r\n");
    assert_eq!(
        rows.next(),
        Some(
            "\u{feff}id,time,time_sure,line_id,line,direction,class,score,track,ordinal,run,camera,scene,local_time,\
             ledger,seq,gone,wrong,excluded"
        )
    );
    let times: Vec<&str> = table.text().lines().skip(1).filter_map(|row| row.split(',').nth(1)).collect();
    assert!(times.iter().all(|time| time.len() == "2026-11-20T08:00:00.975+01:00".len()), "{times:?}");
    let numbers: Vec<u64> = rows.map(|row| row.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..=1230).collect::<Vec<u64>>());
    assert_eq!(ask("/api/v1/crossings?format=csv&limit=3").text().lines().count(), 4);
    assert_eq!(ask("/api/v1/crossings?format=csv&limit=501").text().lines().count(), 502);
    assert_eq!(ask("/api/v1/crossings?format=csv&to=-1h").text().lines().count(), 1);
    for address in ["/api/v1/crossings?format=csv&bom=0", "/api/v1/counts?format=csv&bom=0"] {
        assert!(!ask(address).text().starts_with('\u{feff}'), "{address}");
    }
}

#[test]
fn crossings_that_are_new_or_changed_since_the_last_one() {
    let (_cam, served) = counted();
    let door = served.draw("Door");
    served.record(door, 9);
    let ledger = served.state()["ledger"].clone();
    assert_eq!(ledger.as_str().map(str::len), Some(16));
    let ask = |since: u64, more: &str| served.get(&format!("/api/v1/crossings?since={since}{more}")).json();
    let page = ask(4, "&limit=2&scene=all");
    assert_eq!((&page["ledger"], &page["next"]), (&ledger, &json!("6")));
    assert_eq!((&page["items"][0]["ledger"], &page["items"][1]["seq"]), (&ledger, &json!(6)));
    let following = ask(4, "&limit=2&cursor=6");
    assert_eq!((&following["items"][0]["id"], &following["next"]), (&json!(7), &json!("8")));
    assert_eq!(ask(9, ""), json!({"ledger": ledger, "items": [], "next": null}));
    let line = served.get(&format!("/api/v1/lines/{door}")).json();
    let first_us = served.counts.reader().unwrap().crossing(1).unwrap().unwrap().time_us;
    let recount = json!({"scene": "camera", "camera": "camera", "recording": "walk.mp4", "model": "test",
        "time_sure": true, "spans": [[first_us, first_us]], "crossings": [],
        "lines": [{"id": door, "version": line["version"]}]});
    let made = served.send("POST", "/api/v1/counts/recount", JSON, &recount.to_string());
    assert_eq!(made.status, 201, "{}", made.text());
    let gone = ask(9, "");
    assert_eq!(gone["items"][0], json!({"ledger": ledger, "id": 1, "seq": 10, "gone": true}));
    let table = served.get("/api/v1/crossings?since=9&format=csv&bom=0");
    let row = format!("1,,,,,,,,,,,,,,{},10,true,false,false", ledger.as_str().unwrap_or_default());
    assert!(table.text().lines().any(|line| line == row), "{}", table.text());
    let tally = served.get("/api/v1/tallies").json()["lines"][0].clone();
    assert_eq!((&tally["in_total"], &tally["out_total"]), (&json!(6), &json!(3)), "{tally}");
}

#[test]
fn a_wrong_crossing_is_struck_out_on_the_page_and_told_to_followers() {
    let (_cam, served) = counted();
    let door = served.draw("Door");
    served.record(door, 3);
    let mark = |id: u64, body: &str| served.send("PATCH", &format!("/api/v1/crossings/{id}"), JSON, body);
    let marked = mark(2, r#"{"wrong": true, "excluded": true}"#);
    assert_eq!((marked.status, &marked.json()["excluded"]), (200, &json!(true)), "{}", marked.text());
    assert_eq!(mark(9, r#"{"wrong": true}"#).status, 404);
    let refused = mark(1, r#"{"wrong": false, "excluded": true}"#);
    assert_eq!((refused.status, &refused.json()["field"]), (422, &json!("excluded")));
    assert_eq!(mark(1, r#"{"excluded": true}"#).status, 422);
    // A missing field keeps its value.
    for (body, is_excluded) in [
        (r#"{"wrong": true}"#, true),
        (r#"{"excluded": false}"#, false),
        (r#"{"wrong": true}"#, false),
        (r#"{"excluded": true}"#, true),
        ("{}", true),
    ] {
        let kept = mark(2, body).json();
        assert_eq!((&kept["wrong"], &kept["excluded"]), (&json!(true), &json!(is_excluded)), "{body}");
    }
    let since = served.get("/api/v1/crossings?since=3").json();
    assert_eq!((&since["items"][0]["id"], &since["items"][0]["wrong"]), (&json!(2), &json!(true)));
    let counts = served.get("/api/v1/counts?bucket=total").json();
    assert_eq!((&counts["items"][0]["in"], &counts["items"][0]["out"]), (&json!(1), &json!(1)), "{counts}");
    let day = served.get("/crossings");
    assert!(day.text().contains("<b>1 in, 1 out</b>"), "{}", day.text());
    assert_eq!(day.text().matches("<tr class=\"wrong\">").count(), 1, "{}", day.text());
    let one = served.get("/crossings?at=2");
    assert!(one.text().contains("Marked as wrong, not in the sums"), "{}", one.text());
    // The page's form takes it back.
    let form = "_method=patch&next=crossings%3Fat%3D2&wrong=false";
    let back = served.send("POST", "/api/v1/crossings/2", FORM, form);
    assert_eq!(
        (back.status, back.header("location")),
        (303, Some("../../../crossings?at=2")),
        "{}",
        back.text()
    );
    assert!(served.get("/crossings").text().contains("<b>2 in, 1 out</b>"));
    assert_eq!(served.get("/crossings?day=2026-99-99").status, 400);
    assert_eq!(served.get("/crossings?day=2020-01-01").text().matches("class=\"at\"").count(), 0);
    // Numbers are written as the reader's language does.
    (0..3).for_each(|_| served.record(door, 700));
    let german =
        served.ask("GET /crossings HTTP/1.0\r\nHost: 192.0.2.1\r\nAccept-Language: de-DE,en\r\n\r\n");
    assert!(german.text().contains("data-thousands=\".\"") && german.text().contains("1.402 in, 701 out"));
}

#[test]
fn todays_counters_and_their_reset() {
    let (_cam, served) = counted();
    let (door, gate) = (served.draw("Door"), served.draw("Gate"));
    served.record(door, 6);
    served.record(gate, 3);
    let tally = |n: usize| {
        let tallies = served.get("/api/v1/tallies").json();
        let line = &tallies["lines"][n];
        (line["in"].as_u64().unwrap(), line["out"].as_u64().unwrap(), line["inside"].as_u64().unwrap())
    };
    assert_eq!((tally(0), tally(1)), ((4, 2, 2), (2, 1, 1)));
    let tallies = served.get("/api/v1/tallies").json();
    assert_eq!(tallies["lines"][0]["by_class"], json!({"person": [4, 2]}));
    assert_eq!(tallies["scene"], "camera");
    let reset = served.send("POST", "/api/v1/counts/reset", JSON, &json!({"line": door}).to_string());
    assert_eq!((reset.status, &reset.json()["line_id"]), (201, &json!(door)), "{}", reset.text());
    wait_until("one is zero", || (tally(0), tally(1)) == ((0, 0, 0), (2, 1, 1)));
    let reset = served.post("/api/v1/counts/reset");
    assert_eq!((reset.status, &reset.json()["line_id"]), (201, &json!(null)));
    wait_until("all are", || tally(1) == (0, 0, 0));
    let undo = format!("/api/v1/counts/reset/{}", reset.json()["id"]);
    assert_eq!(served.send("DELETE", &undo, JSON, "").status, 204);
    wait_until("one is as before", || (tally(0), tally(1)) == ((0, 0, 0), (2, 1, 1)));
    assert_eq!(served.send("DELETE", &undo, JSON, "").status, 404, "it is gone");
    assert_eq!(served.send("POST", "/api/v1/counts/reset", JSON, r#"{"line":99}"#).status, 404);
    assert_eq!(served.send("POST", "/api/v1/counts/reset", JSON, r#"{"lines":1}"#).status, 422);
    // Nothing is deleted.
    assert_eq!(ids(&served, "/api/v1/crossings?").0.len(), 9);
}

#[test]
fn metrics_of_counting() {
    let (_cam, served) = counted();
    let door = served.draw("Door \"1\"");
    served.record(door, 4);
    // The same name once more: one series.
    served.send("DELETE", &format!("/api/v1/lines/{door}"), JSON, "");
    let again = served.draw("Door \"1\"");
    served.record(again, 2);
    let mut listener = served.listen("/api/v1/events?types=state", "");
    listener.next("state");
    let line = r#"camera="camera",line="Door \"1\"""#;
    for (series, want) in [
        (format!(r#"tallycam_crossings_total{{{line},direction="in",class="person"}}"#), "4"),
        (format!(r#"tallycam_crossings_total{{{line},direction="out",class="person"}}"#), "2"),
        (format!(r"tallycam_inside{{{line}}}"), "0"),
        (String::from(r#"tallycam_listeners{camera="camera"}"#), "1"),
        (String::from(r#"tallycam_counts_db_healthy{camera="camera"}"#), "1"),
        (String::from(r#"tallycam_crossings_lost_total{camera="camera"}"#), "0"),
        (String::from(r#"tallycam_healthy{camera="camera"}"#), "1"),
    ] {
        wait_until(&format!("{series} is {want}"), || served.figure(&series).as_deref() == Some(want));
    }
    let text = served.get("/metrics").text().to_owned();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let series: Vec<&str> = samples.map(|line| line.rsplit_once(' ').unwrap().0).collect();
    assert_eq!(series.iter().collect::<HashSet<_>>().len(), series.len(), "no series twice:\n{text}");
    for name in ["tallycam_detections_total", "tallycam_detection_seconds", "tallycam_tracks"] {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
    }
}

/// A person walks to and fro over the middle, one step per detection and small enough for the tracker, until
/// `is_enough`.
fn walk_until(served: &Counted, what: &str, mut is_enough: impl FnMut() -> bool) {
    let (mut x, mut step, mut seen) = (0.2_f32, 0.02_f32, 0);
    wait_until(what, || {
        let looks = served.counting.status().detections;
        if looks != seen {
            seen = looks;
            x += step;
            if !(0.15..0.85).contains(&x) {
                step = -step;
            }
            served.stage.put(Some(x));
        }
        is_enough()
    });
}

#[test]
fn the_old_programs_count_with_a_line_down_the_middle() {
    let (_cam, served) = counted();
    let counts = || served.get("/get_counts").text().to_owned();
    assert_eq!(counts(), r#"{"in_count":0,"out_count":0}"#);
    assert_eq!(served.post("/start_stream").text(), r#"{"status":"started"}"#);
    wait_until("it counts", || served.state()["counting"]["state"] == "counting");
    walk_until(&served, "somebody has gone both ways", || {
        let now = served.get("/get_counts").json();
        now["in_count"].as_u64() > Some(0) && now["out_count"].as_u64() > Some(0)
    });
    // Nobody drew that line, so it is in no counts.db.
    assert_eq!(served.get("/api/v1/crossings").json()["items"], json!([]));
    served.stage.put(None);
    assert_eq!(served.post("/stop_stream").text(), r#"{"status":"stopped"}"#);
    let kept = counts();
    assert_ne!(kept, r#"{"in_count":0,"out_count":0}"#);
    assert_eq!(counts(), kept, "the counts stay after the stop");
    assert_eq!(served.post("/start_stream").text(), r#"{"status":"started"}"#);
    assert_eq!(counts(), r#"{"in_count":0,"out_count":0}"#, "from zero again");
}

#[test]
fn a_person_before_the_camera_is_counted_announced_and_shown() {
    let (_cam, served) = counted();
    served.draw("Door");
    let mut listener = served.listen("/api/v1/events?types=crossing,overlay", "");
    wait_until("it counts", || served.state()["counting"]["state"] == "counting");
    walk_until(&served, "somebody has crossed", || {
        !served.get("/api/v1/crossings").json()["items"].as_array().unwrap().is_empty()
    });
    let tracks = served.get("/api/v1/tracks").json();
    assert_eq!(tracks["picture"], json!({"width": 64, "height": 48}));
    assert_eq!(tracks["items"][0]["class"], "person");
    let overlay = listener.next("overlay");
    assert_eq!(overlay.id, None);
    let crossing = listener.next("crossing");
    let oldest = &served.get("/api/v1/crossings?order=oldest&limit=1").json()["items"][0];
    assert_eq!((crossing.id, &crossing.data), (oldest["id"].as_u64(), oldest));
    let state = served.state();
    assert_eq!((&state["counting"]["model"], &state["counting"]["lines"]), (&json!("stage"), &json!(1)));
    served.stage.put(None);
}

#[test]
fn the_annotated_stream_is_separate_and_counts_towards_max_viewers() {
    let cam = TestCam::new();
    let http = ServerSettings { max_viewers: 1, ..ServerSettings::default() };
    let served = count_with(&cam, Setup { http, ..Setup::default() });
    served.draw("Door");
    let mut viewer = served.watch("/stream?annotated=1");
    // The picture was encoded again, so it has lost the camera's number.
    assert_eq!(number_of(&viewer.part().unwrap()), None);
    let state = served.state();
    assert_eq!((&state["viewers"], &state["viewer_list"][0]["skipped"].is_u64()), (&json!(1), &true));
    let full = served.get("/stream");
    assert_eq!((full.status, full.header("retry-after")), (503, Some("5")));
    drop(viewer);
    wait_until("it has left", || served.state()["viewers"] == 0);
    assert!(number_of(&served.watch("/stream").part().unwrap()).is_some());
    wait_until("it has left, too", || served.state()["viewers"] == 0);
    wait_until("it counts", || served.state()["counting"]["state"] == "counting");
    assert_eq!(number_of(&served.watch("/video_feed").part().unwrap()), None);
}

#[test]
fn in_privacy_mode_no_picture_is_served() {
    let cam = TestCam::new();
    for by_the_server in [true, false] {
        let http = ServerSettings { counts_only: by_the_server, ..ServerSettings::default() };
        let served = count_with(&cam, Setup { http, counts_only: !by_the_server, ..Setup::default() });
        let document = served.get("/api/v1/openapi.json").json();
        let mut pictures = vec![String::from("/?action=stream"), String::from("/?action=snapshot")];
        for (path, methods) in document["paths"].as_object().unwrap() {
            let content = &methods["get"]["responses"]["200"]["content"];
            if content.as_object().is_some_and(|kinds| {
                kinds.keys().any(|k| k.starts_with("image/jpeg") || k.starts_with("multipart/"))
            }) {
                pictures.push(path.replace("{id}", "1"));
            }
        }
        // `/` is a page and is served, except for its actions.
        pictures.retain(|path| !["/api/v1/still.jpg", "/"].contains(&&**path));
        pictures.extend([String::from("/stream?annotated=1"), String::from("/snapshot?filename=a")]);
        assert!(pictures.len() >= 12, "{pictures:?}");
        for path in &pictures {
            let answer = served.get(path);
            let is_api = path.starts_with("/api/");
            let kind = if is_api { "application/problem+json" } else { "text/plain; charset=utf-8" };
            assert_eq!((answer.status, answer.header("content-type")), (403, Some(kind)), "{path}");
            assert!(answer.text().contains("counts only"), "{path}: {}", answer.text());
        }
        let still = served.get("/api/v1/still.jpg");
        assert_eq!((still.status, still.header("content-type")), (200, Some("image/jpeg")));
        assert_eq!(served.get("/").status, 200);
    }
}

#[test]
fn the_first_line_belongs_to_the_scene_that_is_shown() {
    let form = "next=lines&name=Gate&ax=10&ay=10&bx=90&by=90&anchor=bottom&recrossing=every";
    let line = json!({"name": "Gate", "a": [0.5, 1], "b": [0.5, 0.25]}).to_string();
    let zone = json!({"name": "Gate", "points": [[0, 0], [1, 0], [1, 1]]}).to_string();
    for (path, kind, body, want, list) in [
        ("/api/v1/lines", JSON, &*line, 201, "/api/v1/lines"),
        ("/api/v1/zones", JSON, &*zone, 201, "/api/v1/zones"),
        ("/api/v1/lines", FORM, form, 303, "/api/v1/lines"),
    ] {
        let cam = TestCam::new().simulated();
        let served = count_with(&cam, Setup { may_be_simulated: true, ..Setup::default() });
        assert_eq!(cam.opens(), 0);
        let answer = served.send("POST", path, kind, body);
        assert_eq!(answer.status, want, "{path}: {}", answer.text());
        let drawn = served.get(&format!("{list}?scene=sim")).json();
        assert!(names(&drawn).contains(&"Gate"), "{path}: {drawn}");
    }
}

#[test]
fn the_still_of_privacy_mode_is_no_video_and_not_for_other_sites() {
    let cam = TestCam::new();
    let still = |served: &Counted, lines: &str| {
        served.ask(&format!("GET /api/v1/still.jpg HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}\r\n"))
    };
    let elsewhere = [
        "Sec-Fetch-Site: cross-site\r\n",
        "Origin: http://evil.example\r\n",
        "Referer: http://evil.example/page\r\n",
    ];
    let http = ServerSettings { counts_only: true, ..ServerSettings::default() };
    let served = count_with(&cam, Setup { http, ..Setup::default() });
    let page = "Sec-Fetch-Site: same-origin\r\nReferer: http://192.0.2.1/lines\r\n";
    let first = still(&served, page);
    assert_eq!((first.status, first.header("cross-origin-resource-policy")), (200, Some("same-origin")));
    let shown = || served.run.pipeline.hub().newest().map(|picture| picture.sequence);
    let demand = served.run.pipeline.demand();
    let before = shown();
    wait_until("there are others", || shown() != before);
    drop(demand);
    let again = still(&served, "");
    assert_eq!((again.status, again.header("x-timestamp")), (200, first.header("x-timestamp")));
    assert_eq!(again.body, first.body);
    for lines in elsewhere {
        assert_eq!(still(&served, lines).status, 403, "{lines}");
    }
    assert!(served.get("/lines").text().contains("sign-in?next=lines"));
    // Outside privacy mode this is a picture like any other.
    let served = count(&cam);
    for lines in elsewhere {
        let still = still(&served, lines);
        assert_eq!((still.status, still.header("cross-origin-resource-policy")), (200, Some("cross-origin")));
    }
    assert!(!served.get("/lines").text().contains("sign-in?next=lines"));
}

#[test]
fn without_counting_every_route_says_so() {
    let cam = TestCam::new();
    let served = serve(&cam, ServerSettings::default());
    for path in [
        "lines",
        "lines/1",
        "zones",
        "zones/1",
        "counts",
        "crossings",
        "tracks",
        "tallies",
        "events?types=crossing,tally",
        "model",
        "still.jpg",
        "crossings/1/thumbnail.jpg",
    ] {
        let answer = served.get(&format!("/api/v1/{path}"));
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (503, Some("application/problem+json")),
            "{path}"
        );
        assert_eq!(answer.json()["detail"], "counting is not available", "{path}");
    }
    for path in ["/lines", "/counts", "/crossings?line=1", "/models"] {
        assert_eq!(served.get(path).status, 503, "{path}");
    }
    assert_eq!(served.state()["counting"], json!(null));
    assert_eq!(served.get("/get_counts").text(), r#"{"in_count":0,"out_count":0}"#);
    // A plain client that asks for the annotated stream gets the ordinary one.
    assert!(number_of(&served.watch("/stream?annotated=1").part().unwrap()).is_some());
}

#[test]
fn without_a_counts_db_the_rest_goes_on() {
    let cam = TestCam::new();
    let served = count_with(&cam, Setup { has_counts_db: false, ..Setup::default() });
    for path in
        ["/api/v1/lines", "/api/v1/counts", "/api/v1/crossings", "/api/v1/events?types=lines,crossing"]
    {
        let answer = served.get(path);
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.json()["detail"], "`counts.db`: it is damaged", "{path}");
        assert_eq!(answer.json()["hint"], "read the test", "{path}");
    }
    let page = served.get("/counts");
    assert_eq!((page.status, page.header("content-type")), (503, Some("text/plain; charset=utf-8")));
    assert_eq!(served.get("/").status, 200);
    assert_eq!(served.get("/api/v1/tracks").status, 200);
    assert!(served.state()["counting"].is_object());
    let mut listener = served.listen("/api/v1/events", "");
    assert!(listener.next("state").data["counting"].is_object());
    // Nothing is recorded, so the health check fails.
    assert_eq!((served.get("/health").status, served.get("/health").text()), (503, "False"));
    assert_eq!(served.state()["healthy"], false);
    assert!(number_of(&served.watch("/stream").part().unwrap()).is_some());
}

#[test]
fn pages_and_their_forms() {
    let (_cam, served) = counted();
    for path in ["/", "/lines", "/lines?line=new", "/counts", "/counts?range=7d", "/models"] {
        let page = served.get(path);
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    }
    let draft = "next=lines%3Fline%3D%7Bid%7D&name=Front+door&ax=50&ay=100&bx=50&by=0&classes=person&anchor=bottom&\
        recrossing=every";
    let saved = served.send("POST", "/api/v1/lines", FORM, draft);
    let line = served.get("/api/v1/lines").json()["items"][0].clone();
    assert_eq!(saved.status, 303, "{}", saved.text());
    assert_eq!(saved.header("location"), Some(&*format!("../../lines?line={}", line["id"])));
    assert_eq!((&line["name"], &line["b"]), (&json!("Front door"), &json!([0.5, 0.0])));
    let again = served.send("POST", "/api/v1/lines", FORM, draft);
    assert_eq!((again.status, again.header("content-type")), (409, Some("text/html; charset=utf-8")));
    assert!(again.text().contains("Front door") && again.text().contains("already"));
    assert!(again.text().contains("<base href=\"../../lines?line=new\">"), "{}", again.text());
    assert!(again.header("content-security-policy").unwrap().contains("base-uri 'self'"));
    // Without a page to go on with, a form gets the same answer as a program.
    let own = served.send("POST", "/api/v1/lines", FORM, "name=Front+door&a=0.5,1&b=0.5,0");
    assert_eq!((own.status, own.header("content-type")), (409, Some("application/problem+json")));
    // Nor has JSON, which curl calls a form: its texts may look like a form's fields.
    let text = r#"{"name":"A&next=B&_method=delete","a":[0.1,0.5],"b":[0.9,0.5]}"#;
    let own = served.send("POST", "/api/v1/lines", FORM, text);
    assert_eq!((own.status, &own.json()["name"]), (201, &json!("A&next=B&_method=delete")));
    let part =
        served.send("PATCH", &format!("/api/v1/lines/{}", own.json()["id"]), FORM, "ax=10&ay=10&bx=20");
    assert_eq!(part.status, 422, "a line is not moved to where nobody put it");
    assert!(part.text().contains("`by` is missing"), "{}", part.text());
    let own = format!("/api/v1/lines/{}", own.json()["id"]);
    assert_eq!(served.send("DELETE", &own, JSON, "").status, 204);
    let equal = served.send("POST", "/api/v1/lines", FORM, "next=lines&name=Second&ax=50&ay=50&bx=50&by=50");
    assert_eq!(equal.status, 422);
    assert!(equal.text().contains("Second"), "the typed text is there again");
    let form = format!("next=lines&name={}&ax=500&ay=50&bx=50&by=50&in_name=x&out_name=x", "n".repeat(61));
    let wrong = served.send("POST", "/api/v1/lines", FORM, &form);
    let invalid = wrong.text().matches("aria-invalid=\"true\"").count();
    assert_eq!((wrong.status, invalid), (422, 3), "name, end a and direction out: {}", wrong.text());
    assert!(
        wrong.text().contains("is too long") && wrong.text().contains("have the same name"),
        "{}",
        wrong.text()
    );
    // The form has tenths of a per cent. Renaming a line does not move it.
    let fine = json!({"name": "Fine", "a": [-0.12345, 0.5], "b": [1.2, 0.33333]});
    let fine = served.send("POST", "/api/v1/lines", JSON, &fine.to_string()).json();
    let path = format!("/api/v1/lines/{}", fine["id"]);
    let long = format!("_method=put&next=lines&name={}", "n".repeat(70_000));
    assert_eq!(served.send("POST", &path, FORM, &long).status, 413);
    let form = "_method=put&next=lines&_version=1&name=Finer&ax=-12.3&ay=50.0&bx=120.0&by=33.3";
    assert_eq!(served.send("POST", &path, FORM, form).status, 303);
    let renamed = served.get(&path).json();
    assert_eq!((&renamed["name"], &renamed["moved"]), (&json!("Finer"), &json!(null)));
    assert_eq!((&renamed["a"], &renamed["b"]), (&fine["a"], &fine["b"]));
    let stale = served.send("POST", &path, FORM, form);
    assert_eq!(stale.status, 412);
    assert!(
        stale.text().contains("value=\"Finer\"") && stale.text().contains("name=\"_version\" value=\"2\"")
    );
    let form = form.replace("by=33.3", "by=33.5").replace("_version=1", "_version=2");
    assert_eq!(served.send("POST", &path, FORM, &form).status, 303);
    for (method, status) in [("get", 400), ("fly", 400), ("PUT", 303)] {
        let form =
            form.replace("_method=put", &format!("_method={method}")).replace("_version=2", "_version=");
        assert_eq!(served.send("POST", &path, FORM, &form).status, status, "{method}");
    }
    let hostile = form.replace("next=lines", "next=%2F%2Fevil.example").replace("_version=2", "_version=");
    assert_eq!(served.send("POST", &path, FORM, &hostile).header("location"), Some("../../.././"));
    let moved = served.get(&path).json();
    assert_eq!((&moved["a"], &moved["b"]), (&fine["a"], &json!([1.2, 0.335])));
    assert!(moved["moved"].is_string());
    assert_eq!(served.send("DELETE", &path, JSON, "").status, 204);
    served.record(line["id"].as_u64().unwrap(), 3);
    assert!(served.get("/").text().contains("Front door"));
    let hour = served.get(&format!("/crossings?line={}", line["id"]));
    assert_eq!((hour.status, hour.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(hour.text().matches("class=\"at\"").count(), 3, "{}", hour.text());
    assert!(hour.text().contains("Front door, today") && !hour.text().contains("thumbnail.jpg"));
    let line_number = &line["id"];
    let earlier = served.get(&format!("/crossings?line={line_number}&from=-2d&to=-1d")).text().to_owned();
    assert_eq!(earlier.matches("class=\"at\"").count(), 0, "{earlier}");
    assert!(!earlier.contains("had not started") && !earlier.contains("today</h1>"), "{earlier}");
    let all = served.get(&format!("/crossings?line={line_number}&from=-2d"));
    assert_eq!(all.text().matches("class=\"at\"").count(), 3, "{}", all.text());
    assert!(all.text().contains("<b>2 in, 1 out</b>"), "{}", all.text());
    assert_eq!(served.get(&format!("/crossings?line={line_number}&from=x")).status, 400);
    let address = format!("&amp;line={line_number}\">Crossings</a>");
    assert!(served.get(&format!("/counts?line={line_number}")).text().contains(&address));
    // For one class only, and the link keeps it.
    let none = served.get(&format!("/crossings?line={line_number}&class=zeppelin&from=-2d"));
    assert_eq!(none.text().matches("class=\"at\"").count(), 0, "{}", none.text());
    let address = format!("&amp;line={line_number}&amp;class=zeppelin\">Crossings</a>");
    let filtered = served.get(&format!("/counts?line={line_number}&class=zeppelin"));
    assert!(filtered.text().contains(&address), "{}", filtered.text());
    assert_eq!(served.get("/crossings?line=99").status, 404);
    assert_eq!(served.get("/crossings?line=x").status, 400);
    let reset =
        served.send("POST", "/api/v1/counts/reset", FORM, &format!("next=counts%23zero&line={}", line["id"]));
    assert_eq!(
        (reset.status, reset.header("location")),
        (303, Some("../../../counts#zero")),
        "{}",
        reset.text()
    );
    let reset = served.send("POST", "/api/v1/counts/reset", FORM, "next=counts&line=");
    assert_eq!(reset.status, 303);
    let unknown = served.send("POST", "/api/v1/counts/reset", FORM, "next=counts&line=99");
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("text/html; charset=utf-8")));
    let gone = served.send(
        "POST",
        &format!("/api/v1/lines/{line_number}"),
        FORM,
        "_method=put&_method=delete&next=lines&name=x",
    );
    assert_eq!((gone.status, gone.header("location")), (303, Some("../../../lines")), "{}", gone.text());
    assert_eq!(served.get("/api/v1/lines").json()["items"], json!([]));
    for (path, method) in
        [("/api/v1/lines", "post"), ("/api/v1/counts/reset", "post"), ("/api/v1/model", "put")]
    {
        let head = format!("Sec-Fetch-Site: cross-site\r\nContent-Type: {FORM}\r\n");
        let foreign = served.send_with("POST", path, &head, &format!("_method={method}&next=lines&name=x"));
        assert_eq!(foreign.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(foreign.status, 403, "{path}");
    }
}

/// A folder with one good and one bad model, and a catalogue that cannot be reached.
#[derive(Debug)]
struct Folder {
    pinned: Option<String>,
}

impl ModelLibrary for Folder {
    fn found(&self) -> Vec<ModelRow> {
        let model = |name: &str, problem: Option<&str>| ModelRow {
            name: name.to_owned(),
            about: String::new(),
            family: String::from("ssd"),
            input: Some((300, 300)),
            classes: 80,
            licence: String::from("Apache-2.0"),
            bytes: 9_000_000,
            is_in_use: false,
            guessed: Vec::new(),
            problem: problem.map(str::to_owned),
        };
        vec![model("stage", None), model("bad", Some("it is no ONNX"))]
    }

    fn catalogue(&self) -> Vec<CatalogueModel> {
        vec![CatalogueModel {
            name: String::from("nano"),
            about: String::from("Better and faster"),
            licence: String::from("Apache-2.0"),
            bytes: 3_700_000,
            url: String::from("https://models.example/nano.onnx"),
            is_here: false,
        }]
    }

    fn pinned(&self) -> Option<String> {
        self.pinned.clone()
    }

    fn fetch(&self, name: &str) -> Result<(), Fault> {
        match name {
            "nano" => Err(Fault::new(FaultKind::Unreachable, "models.example cannot be reached")
                .hint("copy it there by hand")),
            "torn" => Err(Fault::new(FaultKind::Foreign, "it came in two")),
            "here" => Ok(()),
            "twice" => Err(Fault::new(FaultKind::Taken, "it is here already")),
            _ => Err(Fault::new(FaultKind::Unknown, "the catalogue has none of this name")),
        }
    }
}

fn with_models(cam: &TestCam, pinned: Option<&str>) -> Counted {
    let models: Arc<dyn ModelLibrary> = Arc::new(Folder { pinned: pinned.map(str::to_owned) });
    count_with(cam, Setup { models: Some(models), ..Setup::default() })
}

#[test]
fn models_are_chosen_and_fetched() {
    let cam = TestCam::new();
    let served = with_models(&cam, None);
    served.draw("Door");
    wait_until("there is a detector", || served.get("/api/v1/model").json()["model"] == "stage");
    let report = served.get("/api/v1/model").json();
    assert_eq!((&report["backend"], &report["labels"]), (&json!("replay"), &json!(["person"])));
    assert_eq!((&report["items"][0]["in_use"], &report["items"][1]["in_use"]), (&json!(true), &json!(false)));
    assert_eq!(report["items"][1]["problem"], "it is no ONNX");
    let put = served.send("PUT", "/api/v1/model", JSON, r#"{"name":"stage"}"#);
    assert_eq!((put.status, &put.json()["chosen"]), (200, &json!("stage")), "{}", put.text());
    let bad = served.send("PUT", "/api/v1/model", JSON, r#"{"name":"bad"}"#);
    assert_eq!((bad.status, &bad.json()["hint"]), (422, &json!("read the test")));
    let put = served.send("PUT", "/api/v1/model", JSON, r#"{"name":null}"#);
    assert_eq!((put.status, &put.json()["chosen"]), (200, &json!(null)), "{}", put.text());
    for (name, status) in [("nano", 503), ("torn", 502), ("none", 404), ("here", 200), ("twice", 409)] {
        let body = json!({"name": name}).to_string();
        let answer = served.send("POST", "/api/v1/model/fetch", JSON, &body);
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
    let offline = served.send("POST", "/api/v1/model/fetch", FORM, "next=models&name=nano");
    assert_eq!((offline.status, offline.header("content-type")), (503, Some("text/html; charset=utf-8")));
    assert!(offline.text().contains("Copy it there by hand"));
    let used = served.send("POST", "/api/v1/model", FORM, "_method=put&next=models&name=stage");
    assert_eq!((used.status, used.header("location")), (303, Some("../../models")));

    let pinned = with_models(&cam, Some("config.toml:88"));
    let put = pinned.send("PUT", "/api/v1/model", JSON, r#"{"name":"stage"}"#);
    assert_eq!(put.status, 409);
    assert!(put.text().contains("config.toml:88"));
}

#[test]
fn answers_have_exactly_the_properties_that_the_document_names() {
    let cam = TestCam::new();
    let served = with_models(&cam, None);
    let door = served.draw("Door");
    served.record(door, 1);
    let zone = json!({"name": "Yard", "points": [[0, 0], [1, 0], [1, 1]]}).to_string();
    assert_eq!(served.send("POST", "/api/v1/zones", JSON, &zone).status, 201);
    served.stage.put(Some(0.3));
    wait_until("a person is there", || served.get("/api/v1/tracks").json()["items"][0].is_object());
    let document = served.get("/api/v1/openapi.json").json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<HashSet<_>>();
    let schema = |pointer: &str| {
        keys(&document.pointer(&format!("/components/schemas/{pointer}")).unwrap()["properties"])
    };
    let same = |answer: &Value, pointer: &str| {
        let mut named = schema(pointer);
        // Only with `since`.
        if pointer == "Crossings" {
            named.remove("left");
        }
        assert_eq!(keys(answer), named, "{pointer}");
    };
    same(&served.state()["counting"], "Counting");
    for (path, name, item) in [
        ("/api/v1/lines", "Lines", "Line"),
        ("/api/v1/zones", "Zones", "Zone"),
        ("/api/v1/crossings", "Crossings", "Crossing"),
        ("/api/v1/counts?from=-1h", "CountsReport", "Bucket"),
        ("/api/v1/tracks", "Tracks", "Track"),
        ("/api/v1/model", "Model", "ModelRow"),
    ] {
        let answer = served.get(path).json();
        same(&answer, name);
        same(&answer["items"][0], item);
    }
    let tallies = served.get("/api/v1/tallies").json();
    same(&tallies, "Tallies");
    same(&tallies["lines"][0], "Tally");
    same(&served.post("/api/v1/counts/reset").json(), "Reset");
    let model = served.get("/api/v1/model").json();
    same(&model["catalogue"][0], "CatalogueModel");
    // Every address of the document answers with a documented status, also with counting.
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (mut client, path) = (served.connect(), path.replace("{id}", "1"));
            client.send(&format!("{} {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", method.to_uppercase()));
            let status = client.head().status.to_string();
            assert!(operation["responses"].get(&status).is_some(), "{method} {path}: {status}");
        }
    }
    served.stage.put(None);
    assert_eq!(served.counts.scene(), Scene::Camera);
}
