//! The counts page without scripts: days before and after, hours, comparisons, reset counters and their undo, and the
//! file names of exported tables.
use crate::common::counted::{Counted, Setup, count, count_with};
use crate::common::testcam::TestCam;
use crate::common::wait_until;
use serde_json::json;
use tallycam::http::ServerSettings;

const FORM: &str = "application/x-www-form-urlencoded";

fn counted() -> (TestCam, Counted) {
    let cam = TestCam::new();
    let counted = count(&cam);
    (cam, counted)
}

/// The values of this attribute on a page, with `&` as in addresses.
fn values(page: &str, mark: &str) -> Vec<String> {
    page.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&")).collect()
}

#[test]
fn a_reset_is_undone() {
    let (_cam, served) = counted();
    let door = served.draw("Door");
    served.record(door, 6);
    let sums = || {
        let tally = served.get("/api/v1/tallies").json()["lines"][0].clone();
        (tally["in"].as_u64().unwrap(), tally["out"].as_u64().unwrap())
    };
    wait_until("all are counted", || sums() == (4, 2));
    assert!(!served.get("/counts").text().contains("counts/reset/"));
    let reset = served.send("POST", "/api/v1/counts/reset", FORM, "next=counts%23zero&line=");
    assert_eq!(reset.header("location"), Some("../../../counts#zero"));
    wait_until("they are at zero", || sums() == (0, 0));
    let page = served.get("/counts").text().to_owned();
    assert!(page.contains("All lines were set to zero at "), "{page}");
    let live = served.get("/").text().to_owned();
    assert!(live.contains("Today in all: 4 in, 2 out. <a href=\"counts#zero\">Undo</a>"), "{live}");
    // Both pages show the same figure under the same name.
    let name = live.split("id=\"today-head\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(name.starts_with("Since "), "{name}");
    assert!(page.contains(&format!("id=\"since\">{name}: 0 in, 0 out, as on Live.")), "{page}");
    assert!(page.contains("id=\"sum-in\" class=\"in\">4 "), "{page}");
    let undo = format!("/api/v1/counts/reset/{}", values(&page, "action=\"api/v1/counts/reset/")[0]);
    let form = "_method=delete&next=counts%23zero";
    assert_eq!(served.send("POST", &undo, FORM, form).status, 303);
    wait_until("they are as before", || sums() == (4, 2));
    let again = served.send("POST", &undo, FORM, form);
    assert_eq!((again.status, again.header("content-type")), (404, Some("text/html; charset=utf-8")));
}

#[test]
fn days_hours_and_comparisons_are_in_the_address_and_stay_there() {
    let (_cam, served) = counted();
    let door = served.draw("Door");
    served.record(door, 3);
    let mut page = String::new();
    wait_until("it counts", || {
        page = served.get("/counts").text().to_owned();
        page.contains("Counting since ")
    });
    // Counting began today: no wall of gaps, and nothing closed before.
    assert!(!page.contains("counting had not started"));
    assert!(!page.contains("rel=\"next\""), "tomorrow has no figures");
    let before = values(&page, "rel=\"prev\" href=\"").remove(0);
    let day = before.split("from=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    assert_eq!(before, format!("counts?from={day}&to={day}"));
    let yesterday =
        served.get(&format!("/{before}&open=9&close=18&with=before&class=person")).text().to_owned();
    let next = values(&yesterday, "rel=\"next\" href=\"").remove(0);
    assert!(next.ends_with("&class=person&open=9&close=18&with=before"), "{next}");
    for chosen in [
        "<option value=\"9\" selected>09:00",
        "<option value=\"18\" selected>18:00",
        "<option value=\"before\" selected>",
    ] {
        assert!(yesterday.contains(chosen), "{chosen}");
    }
    // Only nine hours of the day are shown.
    assert_eq!(yesterday.matches("<tr data-n=").count(), 9, "{yesterday}");
    assert!(yesterday.contains("&amp;open=9&amp;close=18&amp;format=csv"), "the export has the same hours");
    let week = served.get("/counts?range=7d&open=9&with=2020-02-03").text().to_owned();
    assert!(week.contains("Against Mon 3 Feb 2020 to Sun 9 Feb 2020"), "{week}");
    assert!(served.get("/counts?open=9&close=9").text().contains("end where they begin: shown is all day"));
    // Hours over midnight, as in a bar.
    let night = served.get(&format!("/{before}&open=18&close=2")).text().to_owned();
    assert_eq!(night.matches("<tr data-n=").count(), 8, "{night}");
    assert!(night.contains("<option value=\"2\" selected>02:00") && night.contains("“Day begins at”"));
}

#[test]
fn a_table_is_named_by_camera_and_days_and_has_rows_of_one_shape() {
    let cam = TestCam::new();
    let http = ServerSettings { name: String::from("Back yard"), ..ServerSettings::default() };
    let served = count_with(&cam, Setup { http, ..Setup::default() });
    let door = served.draw("Door");
    served.record(door, 3);
    let csv = served.get("/api/v1/counts?from=2026-01-01&to=2026-01-03&bucket=day&format=csv");
    let name = "attachment; filename=\"tallycam-Back-yard-2026-01-01..2026-01-02.csv\"";
    assert_eq!(csv.header("content-disposition"), Some(name));
    assert_eq!(csv.text().lines().count(), 1, "nothing was counted, so there are no rows: {}", csv.text());
    let today = served.get("/api/v1/counts?from=today&bucket=hour&format=csv").text().to_owned();
    let rows: Vec<&str> = today.lines().skip(1).collect();
    assert!(!rows.is_empty() && rows.iter().all(|row| row.contains(",Door,person,")), "{today}");
    // Without grouping: one row per bucket, and none without counting.
    let days = served.get("/api/v1/counts?from=2026-01-01&to=2026-01-03&bucket=day&by=&format=csv");
    assert_eq!(days.text().lines().count(), 3, "{}", days.text());
    // The page and the export use the same hours.
    let open = |query: &str| {
        let path = format!("/api/v1/counts?from=2026-01-01&to=2026-01-03&by=&format=csv&{query}");
        served.get(&path).text().lines().count() - 1
    };
    assert_eq!(
        (open("bucket=hour&open=9&close=18"), open("bucket=day&open=9"), open("bucket=total&close=12")),
        (18, 2, 1)
    );
    assert_eq!((open("bucket=hour&open=18&close=2"), open("bucket=day&open=18&close=2")), (16, 2));
    for wrong in ["open=9&close=9", "open=24", "close=0", "close=x"] {
        for path in ["/api/v1/counts", "/api/v1/zones/occupancy", "/api/v1/zones/stays", "/api/v1/flows"] {
            assert_eq!(served.get(&format!("{path}?{wrong}")).status, 400, "{path} {wrong}");
        }
    }
    let page = served.get("/counts").text().to_owned();
    assert!(page.contains("download=\"tallycam-Back-yard-"), "{page}");
    assert_eq!(served.get("/api/v1/counts?from=today&bucket=total").json()["items"][0]["in"], json!(2));
}

#[test]
fn a_table_keeps_the_letters_of_the_cameras_name() {
    let cam = TestCam::new();
    let http = ServerSettings { name: String::from("H\u{f6}f 2/3"), ..ServerSettings::default() };
    let served = count_with(&cam, Setup { http, ..Setup::default() });
    let csv = served.get("/api/v1/counts?from=2026-01-01&to=2026-01-02&bucket=day&format=csv");
    let name = "attachment; filename=\"tallycam-H_f-2-3-2026-01-01..2026-01-01.csv\"; \
                filename*=UTF-8''tallycam-H%C3%B6f-2-3-2026-01-01..2026-01-01.csv";
    assert_eq!(csv.header("content-disposition"), Some(name));
}
