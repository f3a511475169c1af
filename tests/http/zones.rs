//! Zones on real sockets: excluded areas, occupancy of counting zones, and the page's form without scripts.
use crate::common::counted::{Counted, count};
use crate::common::testcam::TestCam;
use crate::common::wait_until;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The left half of the picture. The person of the stage stands at mid-height with its feet at 0.7.
const LEFT: &str = "0 0\r\n50 0\r\n50 100\r\n0 100";

fn counted() -> (TestCam, Counted) {
    let cam = TestCam::new();
    let counted = count(&cam);
    (cam, counted)
}

fn zone(served: &Counted, id: &Value) -> Value {
    served.get(&format!("/api/v1/zones/{id}")).json()
}

#[test]
fn a_person_in_an_excluded_zone_is_not_tracked_until_it_counts_again() {
    let (_cam, served) = counted();
    served.draw("Door");
    let left = json!({"name": "Screen", "points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], "exclude": true});
    let new = served.send("POST", "/api/v1/zones", JSON, &left.to_string());
    assert_eq!((new.status, &new.json()["exclude"]), (201, &json!(true)), "{}", new.text());
    let followed = || served.get("/api/v1/tracks").json()["items"].as_array().unwrap().len();
    served.stage.put(Some(0.8));
    wait_until("a person at the right is tracked", || followed() == 1);
    served.stage.put(Some(0.2));
    wait_until("no person at the left is tracked", || followed() == 0);
    let path = format!("/api/v1/zones/{}", new.json()["id"]);
    let patch = served.send("PATCH", &path, JSON, r#"{"exclude": false}"#);
    assert_eq!((patch.status, &patch.json()["exclude"]), (200, &json!(false)), "{}", patch.text());
    wait_until("a person at the left is tracked, and inside", || {
        followed() == 1 && zone(&served, &new.json()["id"])["occupancy"] == 1
    });
}

#[test]
fn the_occupancy_of_a_zone_is_stored_with_its_peak() {
    let (_cam, served) = counted();
    let hall = json!({"name": "Hall", "points": [[0, 0], [1, 0], [1, 1], [0, 1]]}).to_string();
    let id = served.send("POST", "/api/v1/zones", JSON, &hall).json()["id"].clone();
    let screen =
        json!({"name": "Screen", "points": [[0, 0], [0.1, 0], [0.1, 0.1]], "exclude": true}).to_string();
    assert_eq!(served.send("POST", "/api/v1/zones", JSON, &screen).status, 201);
    let path = "/api/v1/zones/occupancy?from=today&bucket=total";
    assert_eq!(
        served.get(path).json()["items"],
        json!([{"zone_id": id, "zone": "Hall", "peak": null, "peak_at": null, "buckets": []}])
    );
    assert!(served.get("/counts").text().contains("not watched in this time"));
    served.stage.put(Some(0.6));
    wait_until("the peak is stored", || served.get(path).json()["items"][0]["peak"] == 1);
    let zone = served.get(path).json()["items"][0].clone();
    assert!(zone["peak_at"].is_string() && zone["buckets"][0]["watched_s"].as_f64() > Some(0.0), "{zone}");
    let mean = zone["buckets"][0]["mean"].as_f64().unwrap();
    assert!(mean > 0.0 && mean <= 1.0, "{mean}");
    let page = served.get("/counts").text().to_owned();
    assert!(page.contains("id=\"occupancy\"") && page.contains("peak <b>1</b>, "), "{page}");
    for (query, status) in [("bucket=year", 400), ("from=tomorrowish", 400), ("scene=sim&bucket=day", 200)] {
        assert_eq!(served.get(&format!("/api/v1/zones/occupancy?{query}")).status, status, "{query}");
    }
    // A change of the zone ends the stay, cut; it rides along with the next rows.
    let stays = "/api/v1/zones/stays?from=today&bucket=total";
    assert_eq!(served.get(stays).json()["items"][0]["count"], 0, "it lasts");
    let zone = format!("/api/v1/zones/{id}");
    assert_eq!(served.send("PATCH", &zone, JSON, r#"{"anchor":"center"}"#).status, 200);
    wait_until("the stay is stored", || {
        assert_eq!(served.send("POST", "/api/v1/counts/reset", JSON, "").status, 201);
        served.get(stays).json()["items"][0]["cut"] == 1
    });
    let all = served.get(stays).json();
    assert_eq!((&all["items"][0]["zone"], all["steps_s"].as_array().unwrap().len()), (&json!("Hall"), 8));
    let table = served.get("/api/v1/zones/stays?from=today&bucket=hour&format=csv&bom=0").text().to_owned();
    assert!(table.starts_with("start,end,zone,count,cut,median_s,p90_s,under_10_s,"), "{table}");
    assert_eq!(table.lines().filter(|row| row.contains(",Hall,")).count(), 1, "{table}");
    let table =
        served.get("/api/v1/zones/occupancy?from=today&bucket=hour&format=csv&bom=0").text().to_owned();
    assert!(table.starts_with("start,end,zone,mean,peak,watched_s,zone_id,"), "{table}");
    assert_eq!(table.lines().filter(|row| row.contains(",Hall,")).count(), 1, "{table}");
    assert!(served.get("/counts").text().contains("</b> stays"));
    assert!(served.get("/metrics").text().contains("tallycam_zone_stay_seconds_count{"));
    // A deleted zone is in neither.
    assert_eq!(served.send("DELETE", &format!("/api/v1/zones/{id}"), JSON, "").status, 204);
    assert_eq!(served.get(path).json()["items"], json!([]));
    assert_eq!(served.get(stays).json()["items"], json!([]));
}

#[test]
fn a_zone_is_drawn_changed_and_deleted_by_the_form_alone() {
    let (_cam, served) = counted();
    assert_eq!(served.get("/zones").header("location"), Some("lines"));
    let new = served.get("/lines?zone=new");
    assert!(
        new.text().contains("action=\"api/v1/zones\"") && new.text().contains("value=\"Zone 1\""),
        "{}",
        new.text()
    );
    let send_to = |path: &str, form: &str| {
        let form = form.replace("LEFT", &LEFT.replace(' ', "+").replace("\r\n", "%0D%0A"));
        served.send("POST", path, FORM, &format!("next=lines%3Fzone%3D%7Bid%7D&{form}"))
    };
    let send = |form: &str| send_to("/api/v1/zones", form);
    let saved = send("name=Yard&corners=LEFT&exclude=&anchor=center");
    let zone = served.get("/api/v1/zones").json()["items"][0].clone();
    assert_eq!(
        saved.header("location"),
        Some(&*format!("../../lines?zone={}", zone["id"])),
        "{}",
        saved.text()
    );
    assert_eq!(
        (&zone["name"], &zone["anchor"], &zone["exclude"]),
        (&json!("Yard"), &json!("center"), &json!(false))
    );
    assert_eq!(zone["points"], json!([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]));
    // The page shows it with its occupancy.
    let page =
        served.get(saved.header("location").map(|place| place.replace("../../", "/")).unwrap().as_str());
    assert!(page.text().contains("50.0 100.0") && page.text().contains("inside now"), "{}", page.text());
    assert!(served.get("/").text().contains("<dt>Yard</dt><dd data-zone="));
    // A refused value is still in the form, and its field is marked.
    let twice = send("name=Yard&corners=LEFT");
    assert_eq!(twice.status, 409);
    assert!(twice.text().contains("value=\"Yard\" required") && twice.text().contains("data-field=\"name\""));
    assert!(twice.text().contains("aria-invalid=\"true\""), "{}", twice.text());
    let flat = send("name=Flat&corners=10+10%0A20+x");
    assert_eq!(flat.status, 422);
    assert!(flat.text().contains("10 10\n20 x</textarea>"), "the typed text is there again: {}", flat.text());
    assert!(flat.text().contains("rows=\"5\" required aria-invalid"), "{}", flat.text());
    let bow_tie = send("name=Tie&corners=10+10%0A90+10%0A10+90%0A90+90");
    assert_eq!(bow_tie.status, 422);
    assert!(bow_tie.text().contains("the outline of the zone crosses itself"), "{}", bow_tie.text());
    // A rename with the current version moves nothing; one with an older version is refused.
    let fine = json!({"points": [[0.12345, 0.1], [0.9, 0.1], [0.5, 0.66666]]}).to_string();
    let path = format!("/api/v1/zones/{}", zone["id"]);
    assert_eq!(served.send("PATCH", &path, JSON, &fine).status, 200);
    let form = "_method=put&name=Court&corners=12.3+10%0A90+10%0A50+66.7&exclude=1";
    assert_eq!(send_to(&path, form).status, 303);
    let court = served.get(&path).json();
    assert_eq!((&court["name"], &court["exclude"]), (&json!("Court"), &json!(true)));
    assert_eq!(court["points"], json!([[0.12345, 0.1], [0.9, 0.1], [0.5, 0.66666]]));
    assert_eq!(send_to(&path, &format!("{form}&_version=1")).status, 412);
    assert_eq!(send_to(&path, &format!("{form}&_version=x")).status, 412);
    let line = "next=lines&name=Ghost&ax=abc&ay=10&bx=90&by=90&anchor=bottom&recrossing=every";
    let refused = served.send("POST", "/api/v1/lines", FORM, line);
    assert_eq!(refused.status, 422, "an end that is no place: {}", refused.text());
    assert_eq!(served.get("/api/v1/zones").json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(send_to(&path, "_method=delete").header("location"), Some("../../../lines"));
    assert_eq!(served.get("/api/v1/zones").json()["items"], json!([]));
    let foreign = served.send_with("POST", "/api/v1/zones", "Sec-Fetch-Site: cross-site\r\n", "name=x");
    assert_eq!(foreign.status, 403);
}
