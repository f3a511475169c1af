//! `/api/v1/counts`: crossings by hour, day, week or month, as JSON or CSV.
//!
//! A bucket without counting and without counts is `null`, because zero would be wrong. If lines are named, so is a
//! bucket in which none of them existed.

use std::collections::HashSet;

use hyper::Response;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use crate::http::api::counting::shapes;
use crate::http::report::counts::{BUCKETS, By, Counted};
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::{Query, wrong_value};
use crate::http::request::range::disposition;
use crate::http::request::reply::no_store;
use crate::http::request::{csv, reply, time_param};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::ui;
use tallycam_store::{BucketSize, CountsQuery, LineRow, MOST_BUCKETS, OpeningHours, Scene, StoreError};

/// The format of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountsFormat {
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

pub fn format(query: &Query) -> Result<CountsFormat, Problem> {
    Ok(query
        .one_of("format", &[("json", CountsFormat::Json), ("csv", CountsFormat::Csv)])?
        .unwrap_or(CountsFormat::Json))
}

/// `GET /api/v1/counts`.
pub async fn counts(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let store = site.counts()?;
    let query = &request.query;
    let clock = site.clock();
    let (from_us, to_us, bucket) = span(&request)?;
    let too_many = too_many(query);
    let (by, format, hours, begins) = (by(query)?, format(query)?, hours(query)?, table_begins(query)?);
    let sheet = sheet(query)?;
    let scene = shapes::scene(&request, store)?;
    let (wanted, classes) = (query.values("line"), query.values("class"));
    let labels = site.counting()?.status().labels;
    let counts_db = site.counts_readers()?;
    let read = counts_db.read(move |reader| {
        let lines = match resolve("line", &wanted, || reader.lines(), scene)? {
            Ok(lines) => lines,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let classes = classes_of(&classes, &labels, || reader.classes(scene))?;
        let asked = CountsQuery { scene, from_us, to_us, bucket, lines, classes, hours };
        let rows = match reader.counts(&asked) {
            Err(StoreError::TooManyBuckets) => return Ok(Err(too_many)),
            rows => rows?,
        };
        let (gaps, line_gaps) = if format == CountsFormat::Csv {
            (Vec::new(), None)
        } else if by.line {
            let gaps = reader.gaps_by_line(scene, &asked.lines, from_us, to_us)?;
            (gaps.all, Some(gaps.by_line))
        } else {
            (reader.gaps_of_lines(scene, &asked.lines, from_us, to_us)?, None)
        };
        Ok(Ok(Counted { scene, from_us, to_us, bucket, by, rows, gaps, line_gaps }))
    });
    let counted = read.await??.with_whole_buckets(clock.now_us);
    Ok(match format {
        CountsFormat::Csv => {
            let name = ui::export_name(&site.settings().name, from_us, to_us, &clock);
            let text = format!("{begins}{}", counted.csv(&clock.zone, sheet));
            as_table(&format!("{name}.csv"), Body::full(text))
        }
        CountsFormat::Json => reply::json(wire::json(&counted.report(&site.settings().name, &clock))),
    })
}

/// The requested time and its bucket size.
pub fn span(request: &Request) -> Result<(u64, u64, BucketSize), Problem> {
    let (query, clock) = (&request.query, request.site.clock());
    let instant =
        |key: &'static str, usual: &str| time_param::instant(key, query.given(key)?.unwrap_or(usual), &clock);
    let (from_us, to_us) = (instant("from", "today")?, instant("to", "now")?);
    if to_us <= from_us {
        return Err(wrong_value("to", query.get("to").unwrap_or("now"), "later than from"));
    }
    Ok((from_us, to_us, query.one_of("bucket", &BUCKETS)?.unwrap_or(BucketSize::Hour)))
}

/// The requested hours of the day.
pub fn hours(query: &Query) -> Result<Option<OpeningHours>, Problem> {
    let hour = |key, range| Ok::<_, Problem>(query.whole(key, range)?.map(|hour| hour as u8));
    let (open, close) = (hour("open", 0..=23)?, hour("close", 1..=24)?);
    let hours = (open.unwrap_or(0), close.unwrap_or(24));
    if hours.0 == hours.1 {
        return Err(wrong_value("close", query.get("close").unwrap_or("24"), "another hour than open"));
    }
    Ok(Some(hours).filter(|hours| *hours != (0, 24)))
}

/// The error for too small buckets.
pub fn too_many(query: &Query) -> Problem {
    let words = format!("longer: there are more than {MOST_BUCKETS} buckets between from and to");
    wrong_value("bucket", query.get("bucket").unwrap_or("hour"), words)
}

/// The requested grouping of counts.
fn by(query: &Query) -> Result<By, Problem> {
    if query.get("by").is_none() {
        return Ok(By::ALL);
    }
    By::of_words(query.list("by"))
        .map_err(|word| wrong_value("by", word, "any of line, class, direction, with commas"))
}

/// The IDs of the lines in `wanted`, the values of `key`: each item is an ID, a name, or several of them with commas.
/// `rows` gives all lines, including deleted ones, whose counts still exist. A text that is the ID of one line and the
/// name of another is refused as ambiguous.
pub fn resolve<E>(
    key: &'static str,
    wanted: &[String],
    rows: impl FnOnce() -> Result<Vec<LineRow>, E>,
    scene: Scene,
) -> Result<Result<Vec<u64>, Problem>, E> {
    if wanted.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let rows = rows()?;
    let named = |text: &str| -> Result<Vec<u64>, Problem> {
        let called = rows.iter().filter(|row| row.is_in_scene(scene) && row.draft.name.as_str() == text);
        let called: Vec<u64> = called.map(|row| row.id).collect();
        let number = text.parse::<u64>().ok();
        let Some(of_number) = rows.iter().find(|row| Some(row.id) == number) else { return Ok(called) };
        match called.iter().find(|id| **id != of_number.id) {
            None => Ok(vec![of_number.id]),
            Some(id) => {
                let name = &of_number.draft.name;
                let expected = format!(
                    "{name:?} for the line of this number, or {id} for the line of this name: it is both"
                );
                Err(wrong_value(key, text, expected))
            }
        }
    };
    let mut found = Vec::new();
    for text in wanted {
        match named(text) {
            Err(wrong) => return Ok(Err(wrong)),
            Ok(whole) if !whole.is_empty() => {
                found.extend(whole);
                continue;
            }
            Ok(_) => {}
        }
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match named(part) {
                Err(wrong) => return Ok(Err(wrong)),
                Ok(ids) if ids.is_empty() => {
                    return Ok(Err(wrong_value(key, part, "the number or the name of a line")));
                }
                Ok(ids) => found.extend(ids),
            }
        }
    }
    Ok(Ok(found))
}

/// The classes in `wanted`: each item is a name, or several with commas. A name that contains a comma must be in
/// `labels` or in the output of `counted`; other names need not exist. `counted` reads the whole table, so it is
/// called at most once, however many of the hundreds of possible names an address has.
pub fn classes_of<E>(
    wanted: &[String],
    labels: &[String],
    counted: impl FnOnce() -> Result<HashSet<String>, E>,
) -> Result<Vec<String>, E> {
    let mut found = Vec::new();
    let (mut ask, mut counted) = (Some(counted), HashSet::new());
    for text in wanted {
        let is_whole = !text.contains(',') || labels.contains(text);
        if !is_whole && let Some(ask) = ask.take() {
            counted = ask()?;
        }
        if is_whole || counted.contains(text) {
            found.push(text.clone());
        } else {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            found.extend(parts.map(str::to_owned));
        }
    }
    Ok(found)
}

/// The beginning of a table: the byte order mark for spreadsheets, unless a program does not want it.
pub fn table_begins(query: &Query) -> Result<&'static str, Problem> {
    let has_mark = query.one_of("bom", &[("1", true), ("true", true), ("0", false), ("false", false)])?;
    Ok(if has_mark.unwrap_or(true) { csv::BYTE_ORDER_MARK } else { "" })
}

/// A table for people's spreadsheets, and whether their language has decimal commas; `None`: for programs.
pub fn sheet(query: &Query) -> Result<Option<bool>, Problem> {
    Ok(query.is_set("sheet")?.then(ui::has_decimal_commas))
}

/// A CSV answer with this body.
pub fn as_table(name: &str, body: Body) -> Response<Body> {
    let mut response = no_store(Response::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(csv::CONTENT_TYPE));
    if let Ok(value) = HeaderValue::from_str(&disposition(true, name)) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_id_that_is_also_a_name_is_refused_with_both_remedies() {
        use tallycam_store::LineDraft;
        let line = |id: u64, name: &str, scene| LineRow {
            id,
            version: 1,
            scene: Some(scene),
            draft: LineDraft::new(name, [0.0, 0.0], [1.0, 1.0]),
            pinned: None,
            created_us: 0,
            moved_us: None,
            deleted_us: None,
        };
        let rows = [
            line(1, "Door", Scene::Camera),
            line(2, "1", Scene::Camera),
            line(3, "3", Scene::Camera),
            line(4, "5,6", Scene::Camera),
            line(5, "2", Scene::Sim),
        ];
        let ask = |text: &str| {
            let rows = || Ok::<_, std::convert::Infallible>(rows.to_vec());
            resolve("line", &[text.to_owned()], rows, Scene::Camera).unwrap().map_err(|wrong| wrong.detail)
        };
        let both = "`line` is \"1\", and should be \"Door\" for the line of this number, or 2 for the line of this \
            name: it is both";
        assert_eq!(ask("1"), Err(both.to_owned()));
        assert_eq!(ask("Door,1"), Err(both.to_owned()));
        // A line of another scene with this name does not count.
        assert_eq!(ask("2"), Ok(vec![2]));
        assert_eq!((ask("3"), ask("5,6"), ask("Door, 2")), (Ok(vec![3]), Ok(vec![4]), Ok(vec![1, 2])));
    }

    #[test]
    fn a_name_with_a_comma_is_one_class_if_that_class_exists() {
        let labels = [String::from("a,x"), String::from("a")];
        let ask = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|&text| text.to_owned()).collect();
            let asked = Cell::new(0);
            let counted = || {
                asked.set(asked.get() + 1);
                Ok::<_, std::convert::Infallible>(HashSet::from([String::from("b, y")]))
            };
            let classes = classes_of(&wanted, &labels, counted).unwrap();
            (classes, asked.get())
        };
        let of = |classes: &[&str]| classes.iter().map(|&class| class.to_owned()).collect::<Vec<_>>();
        assert_eq!(ask(&["b, y", "a"]), (of(&["b, y", "a"]), 1));
        // counts.db is read only if necessary, and only once.
        assert_eq!(ask(&["a,x", "y"]), (of(&["a,x", "y"]), 0));
        assert_eq!(ask(&["a, c,,x", "d", "b, y", "e,"]), (of(&["a", "c", "x", "d", "b, y", "e"]), 1));
        // Commas alone name no class, which would be no filter.
        assert_eq!(ask(&[",", "a"]).0, ["a"]);
    }
}
