//! `/api/v1/counts`: how many crossed, by hour, day, week or month, as JSON or as a table.
//!
//! A bucket in which counting did not run, and nothing was counted, says `null`: a zero would be a lie. Where lines are
//! named, so does one in which none of them was drawn.

use std::collections::{BTreeMap, HashSet};

use hyper::Response;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::body::Body;
use super::csv::{self, Table};
use super::problem::Problem;
use super::query::{Query, WrongValue};
use super::route::{Request, no_store};
use super::wire::{self, GapReport, LineGapsReport};
use super::{lines, v1, when};
use crate::base::clock::rfc3339;
use crate::store::Direction;
use crate::store::{BucketRow, BucketSize, Count, CountsQuery, LineRow, MOST_BUCKETS, Scene, StoreError};

const BUCKETS: [(&str, BucketSize); 5] = [
    ("hour", BucketSize::Hour),
    ("day", BucketSize::Day),
    ("week", BucketSize::Week),
    ("month", BucketSize::Month),
    ("total", BucketSize::Total),
];

/// What the counts of a bucket are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct By {
    line: bool,
    class: bool,
    direction: bool,
}

/// What an answer is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// The format that is asked for.
pub fn format(query: &Query) -> Result<Format, WrongValue> {
    Ok(query.one_of("format", &[("json", Format::Json), ("csv", Format::Csv)])?.unwrap_or(Format::Json))
}

/// `GET /api/v1/counts`.
pub async fn counts(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let store = site.counts()?;
    let query = &request.query;
    let clock = site.clock();
    let instant =
        |key: &'static str, usual: &str| when::instant(key, query.given(key)?.unwrap_or(usual), &clock);
    let (from_us, to_us) = (instant("from", "today")?, instant("to", "now")?);
    if to_us <= from_us {
        return Err(WrongValue::new("to", query.get("to").unwrap_or("now"), "later than from").into());
    }
    let bucket = query.one_of("bucket", &BUCKETS)?.unwrap_or(BucketSize::Hour);
    let too_many = WrongValue::new(
        "bucket",
        query.get("bucket").unwrap_or("hour"),
        format!("longer: there are more than {MOST_BUCKETS} buckets between from and to"),
    );
    let (by, format) = (By::of(query)?, format(query)?);
    let scene = lines::scene(&request, store)?;
    let (wanted, classes) = (query.values("line"), query.values("class"));
    let labels = site.counting()?.status().labels;
    let ledger = site.ledger()?;
    let read = ledger.read(move |reader| {
        let lines = match resolve(&wanted, || reader.lines(), scene)? {
            Ok(lines) => lines,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let classes = classes_of(&classes, &labels, || reader.classes(scene))?;
        let asked = CountsQuery { scene, from_us, to_us, bucket, lines, classes };
        let rows = match reader.counts(&asked) {
            Err(StoreError::TooManyBuckets) => return Ok(Err(too_many)),
            rows => rows?,
        };
        let gaps = reader.gaps_of(scene, &asked.lines, from_us, to_us)?;
        let line_gaps = match by.line && format == Format::Json {
            true => Some(reader.gaps_by_line(scene, &asked.lines, from_us, to_us)?),
            false => None,
        };
        Ok(Ok((rows, gaps, line_gaps)))
    });
    let (rows, gaps, line_gaps) = read.await??;
    if format == Format::Csv {
        return Ok(table("counts.csv", rows_as_csv(&rows, by, &clock.zone)));
    }
    Ok(v1::json(wire::json(&CountsReport {
        camera: &site.settings().name,
        scene: scene.word(),
        time_zone: when::name_of(&clock.zone, clock.now_us),
        from: rfc3339(from_us),
        to: rfc3339(to_us),
        bucket: BUCKETS.iter().find(|(_, size)| *size == bucket).map_or("hour", |(word, _)| word),
        by: by.words(),
        items: rows.iter().map(|row| BucketReport::of(row, by)).collect(),
        gaps: gaps.iter().map(GapReport::from).collect(),
        line_gaps: line_gaps.map(|lines| lines.iter().map(LineGapsReport::from).collect()),
        next: None,
    })))
}

/// The numbers of the lines that `wanted` names, each by its number or its name, or some of them with commas, of all that
/// `rows` gives. Deleted lines count, too: what they counted is still there. What is the number of one and the name of
/// another is refused: whoever means one of them would be told of the other.
pub fn resolve<E>(
    wanted: &[String],
    rows: impl FnOnce() -> Result<Vec<LineRow>, E>,
    scene: Scene,
) -> Result<Result<Vec<u64>, WrongValue>, E> {
    if wanted.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let rows = rows()?;
    let is_here = |row: &LineRow| row.scene.is_none_or(|own| own == scene);
    let named = |text: &str| -> Result<Vec<u64>, WrongValue> {
        let called = rows.iter().filter(|row| is_here(row) && row.draft.name.as_str() == text);
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
                Err(WrongValue::new("line", text, expected))
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
                    return Ok(Err(WrongValue::new("line", part, "the number or the name of a line")));
                }
                Ok(ids) => found.extend(ids),
            }
        }
    }
    Ok(Ok(found))
}

/// The classes that `wanted` names, each by its name, or some of them with commas: a name with a comma in it is one of
/// `labels`, or of what `counted` gives. None of them has to be there. What was counted is asked for once at most: that
/// goes through all of it, and an address has room for hundreds of names.
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

impl By {
    fn of(query: &Query) -> Result<By, WrongValue> {
        if query.get("by").is_none() {
            return Ok(By { line: true, class: true, direction: true });
        }
        let mut by = By { line: false, class: false, direction: false };
        for word in query.list("by") {
            match word {
                "line" => by.line = true,
                "class" => by.class = true,
                "direction" => by.direction = true,
                _ => return Err(WrongValue::new("by", word, "any of line, class, direction, with commas")),
            }
        }
        Ok(by)
    }

    fn words(self) -> Vec<&'static str> {
        let all = [("line", self.line), ("class", self.class), ("direction", self.direction)];
        all.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(word, _)| word).collect()
    }
}

#[derive(Debug, Serialize)]
struct CountsReport<'a> {
    camera: &'a str,
    scene: &'static str,
    time_zone: String,
    from: String,
    to: String,
    bucket: &'static str,
    by: Vec<&'static str>,
    items: Vec<BucketReport<'a>>,
    gaps: Vec<GapReport>,
    /// Where lines are told apart: a line without counts may have been one that nothing was counted on.
    line_gaps: Option<Vec<LineGapsReport>>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct BucketReport<'a> {
    start: String,
    end: String,
    covered: f64,
    r#in: Option<u64>,
    out: Option<u64>,
    counts: Vec<CountReport<'a>>,
}

/// How many of one kind; what they are not told apart by is left out.
#[derive(Debug, PartialEq, Serialize)]
struct CountReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    count: u64,
}

impl BucketReport<'_> {
    fn of(row: &BucketRow, by: By) -> BucketReport<'_> {
        let sum = |direction: Direction| {
            let counts = row.counts.iter().filter(|count| count.direction == direction);
            is_known(row).then(|| counts.map(|count| count.count).sum())
        };
        BucketReport {
            start: rfc3339(row.start_us),
            end: rfc3339(row.end_us),
            covered: share(row.covered),
            r#in: sum(Direction::In),
            out: sum(Direction::Out),
            counts: grouped(&row.counts, by),
        }
    }
}

/// Whether it is known how many there were: counting ran at least for a while.
fn is_known(row: &BucketRow) -> bool {
    row.covered > 0.0 || !row.counts.is_empty()
}

/// A share with four decimals, 1 only if nothing is missing and 0 only if nothing was covered.
fn share(covered: f64) -> f64 {
    // A moment that was covered is not nothing: beside 0 there is no count, which is not a count of 0.
    if covered > 0.0 { (covered * 1e4).floor().max(1.0) / 1e4 } else { 0.0 }
}

/// What counts are told apart by: line, class, direction.
type Kind<'a> = (Option<u64>, Option<&'a str>, Option<Direction>);

fn grouped(counts: &[Count], by: By) -> Vec<CountReport<'_>> {
    let mut groups: BTreeMap<Kind<'_>, CountReport<'_>> = BTreeMap::new();
    for count in counts {
        let line_id = by.line.then_some(count.line_id);
        let class = by.class.then_some(&*count.class);
        let direction = by.direction.then_some(count.direction);
        let group = groups.entry((line_id, class, direction));
        group
            .or_insert_with(|| CountReport {
                line_id,
                line: by.line.then_some(&*count.line),
                class,
                direction: direction.map(Direction::word),
                count: 0,
            })
            .count += count.count;
    }
    groups.into_values().collect()
}

fn rows_as_csv(rows: &[BucketRow], by: By, zone: &TimeZone) -> String {
    let mut header = vec!["start", "end", "covered"];
    header.extend(by.words());
    header.push("count");
    // Last, for those who go by the places of columns: two lines may have been called the same, one after the other.
    header.extend(by.line.then_some("line_id"));
    let mut table = Table::new(&header);
    for row in rows {
        let mut groups = grouped(&row.counts, by);
        let is_empty = groups.is_empty();
        if is_empty {
            groups.push(CountReport { line_id: None, line: None, class: None, direction: None, count: 0 });
        }
        for group in groups {
            table.plain(when::local(row.start_us, zone));
            table.plain(when::local(row.end_us, zone));
            table.plain(share(row.covered));
            let texts = [(by.line, group.line), (by.class, group.class)];
            for (_, text) in texts.into_iter().filter(|(is_wanted, _)| *is_wanted) {
                table.text(text.unwrap_or_default());
            }
            if by.direction {
                table.plain(group.direction.unwrap_or_default());
            }
            if is_empty && !is_known(row) {
                table.empty();
            } else {
                table.plain(group.count);
            }
            match group.line_id {
                Some(line_id) => table.plain(line_id),
                None if by.line => table.empty(),
                None => {}
            }
            table.end_row();
        }
    }
    table.take()
}

/// A table as an answer, which browsers save under `name`.
pub fn table(name: &'static str, text: impl Into<bytes::Bytes>) -> Response<Body> {
    as_table(name, Body::full(text))
}

/// `body` as an answer that is a table.
pub fn as_table(name: &'static str, body: Body) -> Response<Body> {
    let mut response = no_store(Response::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(csv::CONTENT_TYPE));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;

    fn count(line_id: u64, line: &str, class: &str, direction: Direction, count: u64) -> Count {
        Count { line_id, line: line.into(), class: class.into(), direction, count }
    }

    fn rows() -> Vec<BucketRow> {
        const HOUR_US: u64 = 3_600_000_000;
        let bucket = |n: u64, covered: f64, counts: Vec<Count>| BucketRow {
            start_us: n * HOUR_US,
            end_us: (n + 1) * HOUR_US,
            covered,
            counts,
        };
        vec![
            bucket(
                0,
                0.99999,
                vec![
                    count(1, "Door", "person", Direction::In, 3),
                    count(1, "Door", "car", Direction::In, 2),
                    count(2, "=Gate", "person", Direction::Out, 1),
                ],
            ),
            bucket(1, 1.0, vec![]),
            bucket(2, 0.0, vec![]),
            bucket(3, 0.0, vec![count(1, "Door", "person", Direction::In, 1)]),
        ]
    }

    fn by(text: &str) -> By {
        By::of(&Query::parse(text)).unwrap()
    }

    #[test]
    fn a_number_that_is_also_a_name_is_refused_and_told_both_ways_out() {
        use crate::store::{Anchor, LineDraft, Recrossing};
        let line = |id: u64, name: &str, scene| LineRow {
            id,
            version: 1,
            scene: Some(scene),
            draft: LineDraft {
                name: name.to_owned(),
                a: [0.0, 0.0],
                b: [1.0, 1.0],
                in_name: String::new(),
                out_name: String::new(),
                classes: Vec::new(),
                anchor: Anchor::default(),
                recrossing: Recrossing::default(),
            },
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
            resolve(&[text.to_owned()], rows, Scene::Camera).unwrap().map_err(|wrong| wrong.to_string())
        };
        let both = "line is \"1\", and should be \"Door\" for the line of this number, or 2 for the line of this name: it is both";
        assert_eq!(ask("1"), Err(both.to_owned()));
        assert_eq!(ask("Door,1"), Err(both.to_owned()));
        // What is called so elsewhere is not meant here.
        assert_eq!(ask("2"), Ok(vec![2]));
        assert_eq!((ask("3"), ask("5,6"), ask("Door, 2")), (Ok(vec![3]), Ok(vec![4]), Ok(vec![1, 2])));
    }

    #[test]
    fn a_class_with_a_comma_in_its_name_is_one_where_there_is_such_a_class() {
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
        // The ledger is asked only where it has to be, and once whatever an address has.
        assert_eq!(ask(&["a,x", "y"]), (of(&["a,x", "y"]), 0));
        assert_eq!(ask(&["a, c,,x", "d", "b, y", "e,"]), (of(&["a", "c", "x", "d", "b, y", "e"]), 1));
        // Nothing but commas names none, which no filter is.
        assert_eq!(ask(&[",", "a"]).0, ["a"]);
    }

    #[test]
    fn what_was_not_covered_is_no_zero() {
        let rows = rows();
        let reports: Vec<_> = rows.iter().map(|row| BucketReport::of(row, by(""))).collect();
        let sums: Vec<_> = reports.iter().map(|r| (r.covered, r.r#in, r.out)).collect();
        assert_eq!(
            sums,
            [(0.9999, Some(5), Some(1)), (1.0, Some(0), Some(0)), (0.0, None, None), (0.0, Some(1), Some(0))]
        );
    }

    #[test]
    fn a_share_is_nought_and_whole_only_when_it_is() {
        assert_eq!([0.0, 1e-9, 0.5, 0.999_99, 1.0].map(share), [0.0, 0.0001, 0.5, 0.9999, 1.0]);
    }

    #[test]
    fn counts_are_added_up_over_what_they_are_not_told_apart_by() {
        let rows = rows();
        let counts = |query: &str| serde_json::to_value(grouped(&rows[0].counts, by(query))).unwrap();
        assert_eq!(counts("by="), serde_json::json!([{"count": 6}]));
        assert_eq!(
            counts("by=direction"),
            serde_json::json!([{"direction": "in", "count": 5}, {"direction": "out", "count": 1}])
        );
        assert_eq!(
            counts("by=line"),
            serde_json::json!([
                {"line_id": 1, "line": "Door", "count": 5}, {"line_id": 2, "line": "=Gate", "count": 1},
            ])
        );
        assert_eq!(counts("").as_array().unwrap().len(), 3);
        assert!(By::of(&Query::parse("by=line,colour")).is_err());
    }

    #[test]
    fn the_table_has_the_columns_asked_for() {
        let text = rows_as_csv(&rows(), by("by=line,direction"), &TimeZone::UTC);
        assert_eq!(
            text,
            "start,end,covered,line,direction,count,line_id\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,Door,in,5,1\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,'=Gate,out,1,2\r\n\
             1970-01-01T01:00:00+00:00,1970-01-01T02:00:00+00:00,1,,,0,\r\n\
             1970-01-01T02:00:00+00:00,1970-01-01T03:00:00+00:00,0,,,,\r\n\
             1970-01-01T03:00:00+00:00,1970-01-01T04:00:00+00:00,0,Door,in,1,1\r\n"
        );
        let text = rows_as_csv(&rows()[..2], by("by=direction"), &TimeZone::UTC);
        assert_eq!(
            text,
            "start,end,covered,direction,count\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,in,5\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,out,1\r\n\
             1970-01-01T01:00:00+00:00,1970-01-01T02:00:00+00:00,1,,0\r\n"
        );
    }
}
