//! What is said of counts, in the API and on the command line alike: the wire types, the table, and how they are
//! filled.
//!
//! Pure. A bucket in which counting did not run, and nothing was counted, says `null`, and its count in the table is
//! empty: a zero would be a lie.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::base::json::Rfc3339;
use crate::http::report::wire::LineGapsReport;
use crate::http::request::csv::CsvTable;
use crate::http::request::time_param;
use crate::store::{BucketRow, BucketSize, Count, Direction, Gap, LineRow, Scene};
use crate::ui::LocalClock;

/// How long a bucket is, in words.
pub const BUCKETS: [(&str, BucketSize); 5] = [
    ("hour", BucketSize::Hour),
    ("day", BucketSize::Day),
    ("week", BucketSize::Week),
    ("month", BucketSize::Month),
    ("total", BucketSize::Total),
];

/// What the counts of a bucket are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By {
    /// By the line that was crossed.
    pub line: bool,
    /// By what crossed it.
    pub class: bool,
    /// By the way it went.
    pub direction: bool,
}

impl By {
    /// By all there is.
    pub const ALL: By = By { line: true, class: true, direction: true };

    /// What there is, in the order of columns.
    pub const WORDS: [&str; 3] = ["line", "class", "direction"];

    /// By what these words say, and by nothing else.
    ///
    /// # Errors
    /// The first word that is none of [`By::WORDS`].
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

/// What was read of counts.db, and how it is to be told.
#[derive(Debug)]
pub struct Counted {
    /// What was looked at.
    pub scene: Scene,
    /// From when on, wall time in microseconds.
    pub from_us: u64,
    /// Up to when.
    pub to_us: u64,
    /// How long a bucket is.
    pub bucket: BucketSize,
    /// What its counts are told apart by.
    pub by: By,
    /// The buckets.
    pub rows: Vec<BucketRow>,
    /// When nothing was counted.
    pub gaps: Vec<Gap>,
    /// What goes beyond it for each line, where lines are told apart and that is asked for.
    pub line_gaps: Option<Vec<(LineRow, Vec<Gap>)>>,
}

impl Counted {
    /// The rows for who reads them beside others: of the bucket under way, the share of the whole in which counting
    /// ran.
    pub fn with_whole_buckets(mut self, now_us: u64) -> Counted {
        for row in self.rows.iter_mut().filter(|row| (row.start_us..row.end_us).contains(&now_us)) {
            row.covered *= (now_us - row.start_us) as f64 / (row.end_us - row.start_us) as f64;
        }
        self
    }

    /// As JSON has it, for programs.
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

    /// As a table, for spreadsheets: a row for each kind of each bucket that has any; of buckets that are told apart by
    /// nothing, a row for each.
    pub fn csv(&self, zone: &TimeZone) -> String {
        rows_as_csv(&self.rows, self.by, zone)
    }
}

/// What was counted between two times.
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
    /// Where lines are told apart: a line without counts may have been one that nothing could be counted on.
    line_gaps: Option<Vec<LineGapsReport<'a>>>,
    /// There is no other page.
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

/// How many of one kind; what they are not told apart by is left out.
#[derive(Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CountReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line_id: Option<u64>,
    /// The name of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<&'a str>,
    /// What crossed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'a str>,
    /// `in` or `out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// How many.
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

/// Whether it is known how many there were: counting ran at least for a while.
pub fn is_known(row: &BucketRow) -> bool {
    row.covered > 0.0 || !row.counts.is_empty()
}

/// How many crossed in one direction; `None` where counting did not run and nothing was counted.
pub fn sum(row: &BucketRow, direction: Direction) -> Option<u64> {
    let counts = row.counts.iter().filter(|count| count.direction == direction);
    is_known(row).then(|| counts.map(|count| count.count).sum())
}

/// A share with four decimals, 1 only if nothing is missing and 0 only if nothing was covered.
fn share(covered: f64) -> f64 {
    // A moment that was covered is not nothing: beside 0 there is no count, which is not a count of 0.
    if covered > 0.0 { (covered * 1e4).floor().max(1.0) / 1e4 } else { 0.0 }
}

/// What counts are told apart by: line, class, direction.
type Kind<'a> = (Option<u64>, Option<&'a str>, Option<Direction>);

/// The counts of a bucket, those of one kind added up.
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

fn rows_as_csv(rows: &[BucketRow], by: By, zone: &TimeZone) -> String {
    let mut header = vec!["start", "end", "covered"];
    header.extend(by.words());
    header.push("count");
    // Last, for those who go by the places of columns: two lines may have been called the same, one after the other.
    header.extend(by.line.then_some("line_id"));
    header.push("local_start");
    let mut table = CsvTable::new(&header);
    for row in rows {
        let mut groups = grouped(&row.counts, by);
        let is_empty = groups.is_empty();
        // A row is of something that was counted, or of the whole bucket.
        if is_empty && by.words().is_empty() {
            groups.push(CountReport { line_id: None, line: None, class: None, direction: None, count: 0 });
        }
        for group in groups {
            table.plain(time_param::local(row.start_us, zone));
            table.plain(time_param::local(row.end_us, zone));
            table.plain(share(row.covered));
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
            table.plain(time_param::for_spreadsheets(row.start_us, zone));
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
    fn what_was_not_covered_is_no_zero() {
        let rows = rows();
        let reports: Vec<_> = rows.iter().map(|row| BucketReport::of(row, By::ALL)).collect();
        let sums: Vec<_> = reports.iter().map(|r| (r.covered, r.r#in, r.out)).collect();
        assert_eq!(
            sums,
            [(0.9999, Some(5), Some(1)), (1.0, Some(0), Some(0)), (0.0, None, None), (0.0, Some(1), Some(0))]
        );
    }

    #[test]
    fn of_a_bucket_under_way_the_share_of_the_whole_is_told() {
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
    fn a_share_is_nought_and_whole_only_when_it_is() {
        assert_eq!([0.0, 1e-9, 0.5, 0.999_99, 1.0].map(share), [0.0, 0.0001, 0.5, 0.9999, 1.0]);
    }

    #[test]
    fn counts_are_added_up_over_what_they_are_not_told_apart_by() {
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
    fn the_table_has_the_columns_asked_for() {
        let text = rows_as_csv(&rows(), by("line,direction"), &TimeZone::UTC);
        assert_eq!(
            text,
            "start,end,covered,line,direction,count,line_id,local_start\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,Door,in,5,1,1970-01-01 00:00:00\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,'=Gate,out,1,2,1970-01-01 00:00:00\r\n\
             1970-01-01T03:00:00+00:00,1970-01-01T04:00:00+00:00,0,Door,in,1,1,1970-01-01 03:00:00\r\n"
        );
        let text = rows_as_csv(&rows()[..2], by("direction"), &TimeZone::UTC);
        assert_eq!(
            text,
            "start,end,covered,direction,count,local_start\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,in,5,1970-01-01 00:00:00\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,out,1,1970-01-01 00:00:00\r\n"
        );
        let text = rows_as_csv(&rows()[..3], by(""), &TimeZone::UTC);
        assert_eq!(
            text,
            "start,end,covered,count,local_start\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,6,1970-01-01 00:00:00\r\n\
             1970-01-01T01:00:00+00:00,1970-01-01T02:00:00+00:00,1,0,1970-01-01 01:00:00\r\n\
             1970-01-01T02:00:00+00:00,1970-01-01T03:00:00+00:00,0,,1970-01-01 02:00:00\r\n"
        );
    }

    #[test]
    fn a_report_says_what_it_is_of() {
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
