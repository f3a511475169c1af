//! Reports of counts, for the API and the command line: JSON types and the CSV table.
//!
//! Pure. A bucket without counting and without counts is `null`, and empty in the table: zero would be wrong.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::http::report::wire::LineGapsReport;
use crate::http::request::csv::CsvTable;
use crate::http::request::time_param;
use crate::ui::LocalClock;
use tallycam_base::json::Rfc3339;
use tallycam_store::{BucketRow, BucketSize, Count, Direction, Gap, LineRow, Scene};

/// Bucket sizes by name.
pub const BUCKETS: [(&str, BucketSize); 8] = [
    ("5min", BucketSize::Minutes(5)),
    ("15min", BucketSize::Minutes(15)),
    ("30min", BucketSize::Minutes(30)),
    ("hour", BucketSize::Hour),
    ("day", BucketSize::Day),
    ("week", BucketSize::Week),
    ("month", BucketSize::Month),
    ("total", BucketSize::Total),
];

/// The columns that counts are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    pub line: bool,
    pub class: bool,
    pub direction: bool,
}

impl By {
    /// By all of them.
    pub const ALL: By = By { line: true, class: true, direction: true };

    /// Their names, in the order of columns.
    pub const WORDS: [&str; 3] = ["line", "class", "direction"];

    /// By the columns that `words` name.
    ///
    /// # Errors
    /// The first word that is not in [`By::WORDS`].
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<By, &'a str> {
        let mut by = By { line: false, class: false, direction: false };
        for word in words {
            match word {
                "line" => by.line = true,
                "class" => by.class = true,
                "direction" => by.direction = true,
                _ => return Err(word),
            }
        }
        Ok(by)
    }

    fn words(self) -> Vec<&'static str> {
        let is_wanted = [self.line, self.class, self.direction];
        By::WORDS
            .into_iter()
            .zip(is_wanted)
            .filter_map(|(word, is_wanted)| is_wanted.then_some(word))
            .collect()
    }
}

/// Rows from counts.db, and how to report them.
#[derive(Debug)]
pub struct Counted {
    pub scene: Scene,
    /// Start, wall time in microseconds.
    pub from_us: u64,
    /// End, wall time in microseconds.
    pub to_us: u64,
    pub bucket: BucketSize,
    pub by: By,
    pub rows: Vec<BucketRow>,
    /// Times without counting.
    pub gaps: Vec<Gap>,
    /// Additional gaps of each line, if requested and grouped by line.
    pub line_gaps: Option<Vec<(LineRow, Vec<Gap>)>>,
}

impl Counted {
    /// The rows for comparison with others: in the current bucket, coverage is the share of the whole bucket.
    pub fn with_whole_buckets(mut self, now_us: u64) -> Counted {
        for row in self.rows.iter_mut().filter(|row| (row.start_us..row.end_us).contains(&now_us)) {
            row.covered *= (now_us - row.start_us) as f64 / (row.end_us - row.start_us) as f64;
        }
        self
    }

    /// As JSON, for programs.
    pub fn report<'a>(&'a self, camera: &'a str, clock: &LocalClock) -> CountsReport<'a> {
        CountsReport {
            camera,
            scene: self.scene,
            time_zone: time_param::name_of(&clock.zone, clock.now_us),
            from: Rfc3339(self.from_us),
            to: Rfc3339(self.to_us),
            bucket: BUCKETS.iter().find(|(_, size)| *size == self.bucket).map_or("hour", |(word, _)| word),
            by: self.by.words(),
            items: self.rows.iter().map(|row| BucketReport::of(row, self.by)).collect(),
            gaps: &self.gaps,
            line_gaps: self.line_gaps.as_ref().map(|lines| lines.iter().map(LineGapsReport::from).collect()),
            next: None,
        }
    }

    /// As a table: one row per group of a bucket, or one row per bucket without grouping. For a `sheet` the local time
    /// is first, and cells end in semicolons if it has decimal commas.
    pub fn csv(&self, zone: &TimeZone, sheet: Option<bool>) -> String {
        rows_as_csv(&self.rows, self.by, zone, sheet)
    }
}

/// The counts between two times.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CountsReport<'a> {
    camera: &'a str,
    scene: Scene,
    time_zone: String,
    from: Rfc3339,
    to: Rfc3339,
    #[schemars(extend("enum" = BUCKETS.map(|(word, _)| word)))]
    bucket: &'static str,
    #[schemars(extend("items" = {"type": "string", "enum": By::WORDS}))]
    by: Vec<&'static str>,
    items: Vec<BucketReport<'a>>,
    gaps: &'a [Gap],
    /// If grouped by line: gaps of single lines. A line without counts may have been unable to count.
    line_gaps: Option<Vec<LineGapsReport<'a>>>,
    /// Always `null`: there is only one page.
    next: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct BucketReport<'a> {
    start: Rfc3339,
    end: Rfc3339,
    #[schemars(range(min = 0, max = 1))]
    covered: f64,
    r#in: Option<u64>,
    out: Option<u64>,
    counts: Vec<CountReport<'a>>,
}

/// The number of one group; ungrouped columns are left out.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CountReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line_id: Option<u64>,
    /// The name of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<&'a str>,
    /// The class of the objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'a str>,
    /// `in` or `out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Number of crossings.
    pub count: u64,
}

impl BucketReport<'_> {
    fn of(row: &BucketRow, by: By) -> BucketReport<'_> {
        BucketReport {
            start: Rfc3339(row.start_us),
            end: Rfc3339(row.end_us),
            covered: share(row.covered),
            r#in: sum(row, Direction::In),
            out: sum(row, Direction::Out),
            counts: grouped(&row.counts, by),
        }
    }
}

/// True if the counts of a bucket are known: counting ran for at least part of it.
pub fn is_known(row: &BucketRow) -> bool {
    row.covered > 0.0 || !row.counts.is_empty()
}

/// Crossings in one direction; `None` without counting and without counts.
pub fn sum(row: &BucketRow, direction: Direction) -> Option<u64> {
    let counts = row.counts.iter().filter(|count| count.direction == direction);
    is_known(row).then(|| counts.map(|count| count.count).sum())
}

/// A share with four decimals: 1 only if nothing is missing, and 0 only if nothing was covered.
fn share(covered: f64) -> f64 {
    // A moment of coverage is not zero: a share of 0 means that there is no count, and not a count of 0.
    if covered > 0.0 { (covered * 1e4).floor().max(1.0) / 1e4 } else { 0.0 }
}

/// A group: line, class, direction.
type Kind<'a> = (Option<u64>, Option<&'a str>, Option<Direction>);

/// The counts of a bucket, summed by group.
pub fn grouped(counts: &[Count], by: By) -> Vec<CountReport<'_>> {
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
                direction,
                count: 0,
            })
            .count += count.count;
    }
    groups.into_values().collect()
}

fn rows_as_csv(rows: &[BucketRow], by: By, zone: &TimeZone, sheet: Option<bool>) -> String {
    let mut header = if sheet.is_some() { vec!["local_start"] } else { Vec::new() };
    header.extend(["start", "end", "covered"]);
    header.extend(by.words());
    header.push("count");
    // Last, for readers that go by column positions. Two lines may have had the same name, one after the other.
    header.extend(by.line.then_some("line_id"));
    header.extend(sheet.is_none().then_some("local_start"));
    let mut table = CsvTable::new(&header, sheet == Some(true));
    for row in rows {
        let mut groups = grouped(&row.counts, by);
        let is_empty = groups.is_empty();
        // Without grouping, every bucket has a row, even if it is empty.
        if is_empty && by.words().is_empty() {
            groups.push(CountReport { line_id: None, line: None, class: None, direction: None, count: 0 });
        }
        for group in groups {
            let local_start = time_param::for_spreadsheets(row.start_us, zone);
            if sheet.is_some() {
                table.plain(&local_start);
            }
            table.plain(time_param::local(row.start_us, zone));
            table.plain(time_param::local(row.end_us, zone));
            table.decimal(share(row.covered));
            let texts = [(by.line, group.line), (by.class, group.class)];
            for (_, text) in texts.into_iter().filter(|(is_wanted, _)| *is_wanted) {
                table.text(text.unwrap_or_default());
            }
            if by.direction {
                table.plain(group.direction.map_or("", Direction::as_str));
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
            if sheet.is_none() {
                table.plain(local_start);
            }
            table.end_row();
        }
    }
    table.take()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

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
        By::of_words(text.split(',').filter(|word| !word.is_empty())).unwrap()
    }

    #[test]
    fn an_uncovered_bucket_is_null_and_not_zero() {
        let rows = rows();
        let reports: Vec<_> = rows.iter().map(|row| BucketReport::of(row, By::ALL)).collect();
        let sums: Vec<_> = reports.iter().map(|r| (r.covered, r.r#in, r.out)).collect();
        assert_eq!(
            sums,
            [(0.9999, Some(5), Some(1)), (1.0, Some(0), Some(0)), (0.0, None, None), (0.0, Some(1), Some(0))]
        );
    }

    #[test]
    fn the_current_bucket_has_its_share_of_the_whole() {
        let (by, bucket) = (By::ALL, BucketSize::Hour);
        let counted = Counted {
            scene: Scene::Files,
            from_us: 0,
            to_us: 1,
            bucket,
            by,
            rows: rows(),
            gaps: Vec::new(),
            line_gaps: None,
        };
        let at = 3_600_000_000 + 180_000_000;
        let counted = counted.with_whole_buckets(at);
        let shares: Vec<f64> = counted.rows.iter().map(|row| share(row.covered)).collect();
        assert_eq!(shares, [0.9999, 0.05, 0.0, 0.0]);
        assert!(is_known(&counted.rows[1]));
    }

    #[test]
    fn a_share_is_0_or_1_only_if_exact() {
        assert_eq!([0.0, 1e-9, 0.5, 0.999_99, 1.0].map(share), [0.0, 0.0001, 0.5, 0.9999, 1.0]);
    }

    #[test]
    fn counts_are_summed_over_ungrouped_columns() {
        let rows = rows();
        let counts = |words: &str| serde_json::to_value(grouped(&rows[0].counts, by(words))).unwrap();
        assert_eq!(counts(""), json!([{"count": 6}]));
        assert_eq!(
            counts("direction"),
            json!([{"direction": "in", "count": 5}, {"direction": "out", "count": 1}])
        );
        assert_eq!(
            counts("line"),
            json!([
                {"line_id": 1, "line": "Door", "count": 5}, {"line_id": 2, "line": "=Gate", "count": 1},
            ])
        );
        assert_eq!(counts("line,class,direction").as_array().unwrap().len(), 3);
        assert_eq!(By::of_words(["line", "colour"]), Err("colour"));
    }

    #[test]
    fn the_table_has_the_requested_columns() {
        let text = rows_as_csv(&rows(), by("line,direction"), &TimeZone::UTC, None);
        assert_eq!(
            text,
            "start,end,covered,line,direction,count,line_id,local_start\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,Door,in,5,1,1970-01-01 00:00:00\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,'=Gate,out,1,2,1970-01-01 00:00:00\r\n\
             1970-01-01T03:00:00+00:00,1970-01-01T04:00:00+00:00,0,Door,in,1,1,1970-01-01 03:00:00\r\n"
        );
        let text = rows_as_csv(&rows()[..2], by("direction"), &TimeZone::UTC, None);
        assert_eq!(
            text,
            "start,end,covered,direction,count,local_start\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,in,5,1970-01-01 00:00:00\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,out,1,1970-01-01 00:00:00\r\n"
        );
        let text = rows_as_csv(&rows()[..3], by(""), &TimeZone::UTC, None);
        assert_eq!(
            text,
            "start,end,covered,count,local_start\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,6,1970-01-01 00:00:00\r\n\
             1970-01-01T01:00:00+00:00,1970-01-01T02:00:00+00:00,1,0,1970-01-01 01:00:00\r\n\
             1970-01-01T02:00:00+00:00,1970-01-01T03:00:00+00:00,0,,1970-01-01 02:00:00\r\n"
        );
        let text = rows_as_csv(&rows()[..1], by("direction"), &TimeZone::UTC, Some(true));
        assert!(
            text.starts_with("local_start;start;end;covered;direction;count\r\n1970-01-01 00:00:00;"),
            "{text}"
        );
        assert!(text.contains(";0,9999;in;5\r\n"), "{text}");
    }

    #[test]
    fn a_report_names_its_scene_and_times() {
        let line_gaps = None;
        let gap = Gap { from_us: 0, to_us: 1_000_000, why: String::from("paused") };
        let by = by("direction,line");
        let (rows, gaps, bucket) = (rows(), vec![gap], BucketSize::Hour);
        let counted =
            Counted { scene: Scene::Files, from_us: 0, to_us: 1, bucket, by, rows, gaps, line_gaps };
        let clock = LocalClock { now_us: 0, zone: TimeZone::UTC, day_starts: 0 };
        let json = serde_json::to_value(counted.report("hall", &clock)).unwrap();
        let told = ["camera", "scene", "time_zone", "bucket", "by", "gaps", "line_gaps", "next"];
        let gap =
            json!({"from": "1970-01-01T00:00:00.000Z", "to": "1970-01-01T00:00:01.000Z", "why": "paused"});
        assert_eq!(
            json!(told.map(|key| json[key].clone())),
            json!(["hall", "files", "UTC", "hour", ["line", "direction"], [gap], null, null])
        );
        assert_eq!((&json["items"][1]["in"], &json["items"][2]["in"]), (&json!(0), &json!(null)));
    }
}
