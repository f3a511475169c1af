//! Flows, speeds and movement maps on real sockets.
use std::sync::Arc;

use crate::common::counted::{Counted, count};
use crate::common::testcam::TestCam;
use crate::common::wait_until;
use serde_json::{Value, json};
use tallycam::base::clock;
use tallycam::media::Geometry;
use tallycam::store::{Direction, NewCrossing, NewMovement, Scene};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

fn counted() -> (TestCam, Counted) {
    let cam = TestCam::new();
    let served = count(&cam);
    (cam, served)
}

/// Records crossings: track, line, direction, and milliseconds ago.
fn cross(served: &Counted, crossings: &[(u64, u64, Direction, u64)]) {
    let now_us = clock::monotonic_us();
    let new = |&(track, line, direction, ago_ms): &(u64, u64, Direction, u64)| NewCrossing {
        line,
        scene: Scene::Camera,
        track: 2_000_000 + track,
        ordinal: 1,
        class: Arc::from("person"),
        direction,
        score: 0.75,
        monotonic_us: now_us - ago_ms * 1000,
        kmh: Some(7.25),
        thumbnail: None,
    };
    served.counts.record(crossings.iter().map(new).collect()).unwrap();
}

#[test]
fn flows_and_speeds_are_those_of_the_tracks() {
    let (_cam, served) = counted();
    let (north, south) = (served.draw("North"), served.draw("=South"));
    let page = || served.get("/counts").text().to_owned();
    assert!(!page().contains("id=\"flows\"") && !page().contains("id=\"speeds\""), "nothing is made up");
    assert_eq!(served.get("/api/v1/speeds?from=today").json()["items"], json!([]), "off until calibrated");
    // A form without scripts sets the distance.
    let form = format!("next=counts%23speeds&line={south}&other={north}&metres=10");
    let set = served.send("POST", "/api/v1/speeds", FORM, &form);
    assert_eq!((set.status, set.header("location")), (303, Some("../../counts#speeds")), "{}", set.text());
    for (body, key) in [
        (json!({"line": north, "other": north, "metres": 3}), "other"),
        (json!({"line": north, "other": 99, "metres": 3}), "other"),
        (json!({"line": 99, "other": north, "metres": 3}), "line"),
        (json!({"line": north, "other": south, "metres": 0}), "metres"),
    ] {
        let wrong = served.send("POST", "/api/v1/speeds", JSON, &body.to_string());
        assert_eq!(
            (wrong.status, wrong.text().contains(&format!("\"{key}\""))),
            (422, true),
            "{}",
            wrong.text()
        );
    }
    std::thread::sleep(std::time::Duration::from_millis(10));
    cross(
        &served,
        &[(1, north, Direction::In, 8), (1, south, Direction::Out, 4), (2, north, Direction::In, 2)],
    );
    let total = |path: &str| served.get(&format!("/api/v1/{path}?from=-1h&bucket=total")).json();
    wait_until("they are stored", || total("flows")["flows"].as_array().unwrap().len() == 1);
    let flow = json!({"from_line_id": north, "from_line": "North", "from_direction": "in",
        "to_line_id": south, "to_line": "=South", "to_direction": "out", "count": 1});
    assert_eq!(total("flows")["items"][0]["flows"], json!([flow]));
    let table = served.get("/api/v1/flows?from=-1h&bucket=total&format=csv&bom=0").text().to_owned();
    assert!(table.contains(&format!(",North,in,'=South,out,1,{north},{south},")), "{table}");
    // From entries to exits, by number or name.
    let flows = |query: &str| served.get(&format!("/api/v1/flows?from=-1h&bucket=total&{query}"));
    assert_eq!(flows(&format!("entry=North&exit={south}")).json()["flows"], json!([flow]));
    assert_eq!(flows("entry==South&entry=North&exit=North").json()["flows"], json!([]));
    let wrong = flows("exit=East");
    assert_eq!((wrong.status, &wrong.json()["field"]), (400, &json!("exit")), "{}", wrong.text());
    let chosen = served.get(&format!("/counts?entry={south}&exit={north}&exit={south}")).text().to_owned();
    assert!(chosen.contains("Nothing went from an entry to an exit."), "{chosen}");
    assert!(chosen.contains(&format!("value=\"{north},{south}\"")), "{chosen}");
    let long = served.get(&format!("/counts?range=30d&entry={south}")).text().to_owned();
    assert!(long.contains("This page shows flows of up to 8 days; the CSV has more."), "{long}");
    let speeds = total("speeds")["items"][0].clone();
    // 10 m in 4 ms.
    let told = |keys: [&str; 5]| json!(keys.map(|key| speeds[key].clone()));
    let want = json!([south, 1, 1, 9000.0, 9000.0]);
    let near = |value: &Value| (value.as_f64().unwrap() / 9000.0 - 1.0).abs() < 0.2;
    let got = told(["line", "crossings", "measured", "mean_kmh", "v85_kmh"]);
    assert!(
        got.as_array().unwrap()[..3] == want.as_array().unwrap()[..3] && near(&got[3]) && near(&got[4]),
        "{got}"
    );
    assert_eq!(speeds["histogram"][12], 1);
    let table = served.get("/api/v1/speeds?from=-1h&format=csv&bom=0").text().to_owned();
    assert!(table.starts_with("time,crossing,line_id,direction,kmh,other_id\r\n"), "{table}");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(page().contains("id=\"flows\"") && page().contains("North – =South, 10 m"), "{}", page());
    assert_eq!(served.send("DELETE", &format!("/api/v1/speeds/{south}"), JSON, "").status, 204);
    assert_eq!(served.send("DELETE", &format!("/api/v1/speeds/{south}"), JSON, "").status, 404);
    assert_eq!(total("speeds")["items"], json!([]));
    // A zone of known size tells the speeds on the ground.
    let drawn = r#"{"name":"Street","points":[[0.1,0.9],[0.9,0.9],[0.7,0.4],[0.3,0.4]]}"#;
    let zone = served.send("POST", "/api/v1/zones", JSON, drawn).json()["id"].as_u64().unwrap();
    let ground = format!("/api/v1/zones/{zone}/ground");
    assert!(page().contains(&format!("action=\"{}\"", &ground[1..])), "{}", page());
    for (body, status) in [(r#"{"width":4}"#, 422), (r#"{"width":4,"depth":0}"#, 422), ("", 400)] {
        assert_eq!(served.send("POST", &ground, JSON, body).status, status, "{body}");
    }
    let set = served.send("POST", &ground, FORM, "next=counts%23speed&width=4&depth=6.5");
    assert_eq!(
        (set.status, set.header("location")),
        (303, Some("../../../../counts#speed")),
        "{}",
        set.text()
    );
    assert_eq!(served.get("/api/v1/zones").json()["items"][0]["ground"], json!([4.0, 6.5]));
    let items = total("speeds")["items"].clone();
    let [north_speeds, south_speeds] = [0, 1].map(|n| items[n].clone());
    let told = ["line", "other", "metres", "crossings", "measured", "mean_kmh"].map(|key| &north_speeds[key]);
    assert_eq!(json!(told), json!([north, null, null, 2, 2, 7.3]), "{items}");
    assert_eq!(south_speeds["measured"], 1);
    assert!(page().contains("North, on the ground"), "{}", page());
    assert_eq!(served.send("DELETE", &ground, JSON, "").status, 204);
    assert_eq!(total("speeds")["items"], json!([]));
    assert_eq!(served.send("POST", "/api/v1/zones/99/ground", JSON, r#"{"width":4,"depth":6}"#).status, 404);
}

#[test]
fn a_person_that_crosses_a_line_on_known_ground_has_a_speed() {
    let (_cam, served) = counted();
    let line = served.draw("Door");
    let drawn = r#"{"name":"Street","points":[[0,1],[1,1],[1,0.5],[0,0.5]]}"#;
    let zone = served.send("POST", "/api/v1/zones", JSON, drawn).json()["id"].as_u64().unwrap();
    let ground = format!("/api/v1/zones/{zone}/ground");
    assert_eq!(served.send("POST", &ground, JSON, r#"{"width":10,"depth":5}"#).status, 204);
    served.stage.put(Some(0.2));
    let tracked = || served.get("/api/v1/tracks").json()["items"].as_array().unwrap().len();
    wait_until("the person is tracked", || tracked() == 1);
    // To the right, at 2.5 m/s.
    let began = std::time::Instant::now();
    let speeds = || served.get("/api/v1/speeds?from=-1h&bucket=total").json()["items"].clone();
    wait_until("the crossing has a speed", || {
        served.stage.put(Some((0.2 + 0.25 * began.elapsed().as_secs_f32()).min(0.9)));
        speeds()[0]["measured"] == 1
    });
    assert_eq!((&speeds()[0]["line"], &speeds()[0]["other"]), (&json!(line), &Value::Null));
    let kmh = speeds()[0]["mean_kmh"].as_f64().unwrap();
    assert!((4.5..18.0).contains(&kmh), "{kmh} of 9 km/h");
}

#[test]
fn a_movement_map_lies_over_the_picture() {
    let (_cam, served) = counted();
    let path = "/api/v1/movement?from=today";
    assert_eq!(served.get(path).json()["rows"], Value::Null, "no map is not an empty one");
    assert!(!served.get("/counts").text().contains("id=\"movement\""));
    let mut cells = vec![0; 64 * 36];
    (cells[0], cells[64 * 35 + 63]) = (7, 300);
    served.counts.record_movement(NewMovement {
        scene: Scene::Camera,
        picture: Geometry::default(),
        monotonic_us: clock::monotonic_us(),
        cells,
    });
    served.draw("Door");
    wait_until("it is stored", || !served.get(path).json()["rows"].is_null());
    let map = served.get(path).json();
    assert_eq!(
        (&map["rows"][0][0], &map["rows"][35][63], &map["rows"][35][62]),
        (&json!(7), &json!(300), &json!(0))
    );
    let table = served.get("/api/v1/movement?from=today&format=csv&bom=0");
    assert_eq!(table.text(), "column,row,count\r\n0,0,7\r\n63,35,300\r\n");
    let page = served.get("/counts").text().to_owned();
    assert!(
        page.contains("id=\"movement\"") && page.contains("99 % from the left and 98 % from the top"),
        "{page}"
    );
    assert_eq!(served.get("/api/v1/movement?bucket=hour").status, 400);
}
