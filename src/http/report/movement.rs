//! Reports of occupancy of zones, stays in them, flows, movement maps and speeds: JSON types and CSV tables. Pure.
//!
//! A bucket in which a zone was not watched and had no stay is `null`, and not in the table: zero would be wrong.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::http::report::wire::List;
use crate::http::request::csv::CsvTable;
use crate::http::request::time_param;
use tallycam_base::json::Rfc3339;
use tallycam_store::{
    Direction, FlowCount, FlowRow, LineDistance, LineRow, MOVEMENT_GRID, MeasuredSpeed, OccupancyRow,
    SpeedRow, StayRow, ZoneRow,
};

const SPEED_STEPS: usize = SpeedRow::STEPS_KMH.len();
const STEPS: usize = StayRow::STEPS_S.len();

/// Occupancy of a zone, by bucket.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct OccupancyReport {
    zone_id: u64,
    zone: String,
    peak: Option<u32>,
    peak_at: Option<Rfc3339>,
    buckets: Vec<OccupancyBucket>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct OccupancyBucket {
    start: Rfc3339,
    end: Rfc3339,
    watched_s: f64,
    mean: Option<f64>,
    peak: Option<u32>,
}

impl OccupancyReport {
    /// The occupancy of a zone.
    pub fn of(row: &ZoneRow, buckets: Vec<OccupancyRow>) -> OccupancyReport {
        let highest = OccupancyRow::highest(&buckets);
        let bucket = |bucket: &OccupancyRow| OccupancyBucket {
            start: Rfc3339(bucket.start_us),
            end: Rfc3339(bucket.end_us),
            watched_s: (bucket.watched_us as f64 / 1e5).round() / 10.0,
            mean: bucket.is_known().then(|| (bucket.mean * 100.0).round() / 100.0),
            peak: bucket.is_known().then_some(bucket.peak),
        };
        OccupancyReport {
            zone_id: row.id,
            zone: row.draft.name.clone(),
            peak: highest.map(|bucket| bucket.peak),
            peak_at: highest.filter(|bucket| bucket.peak > 0).map(|bucket| Rfc3339(bucket.peak_us)),
            buckets: buckets.iter().map(bucket).collect(),
        }
    }
}

/// Occupancies as a table: a row for each zone and bucket in which it was watched.
pub fn occupancy_csv(report: &List<OccupancyReport>, zone: &TimeZone, sheet: Option<bool>) -> String {
    let mut table = TimedTable::new(&["zone", "mean", "peak", "watched_s", "zone_id"], zone, sheet);
    for item in &report.items {
        for OccupancyBucket { start, end, watched_s, mean, peak } in &item.buckets {
            let Some((mean, peak)) = mean.zip(*peak) else { continue };
            table.row(start.0, end.0, |cells| {
                cells.text(&item.zone);
                cells.decimal(mean);
                cells.plain(peak);
                cells.decimal(*watched_s);
                cells.plain(item.zone_id);
            });
        }
    }
    table.cells.take()
}

/// The stays in the zones of a source class.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct StaysReport {
    items: Vec<ZoneStays>,
    /// Ends of the histogram's steps in seconds, each excluded. A last step has no end.
    steps_s: [u64; STEPS],
    /// Always `null`: there is only one page.
    next: Option<String>,
}

/// The stays in a zone, in all and by bucket. A stay is in the bucket in which it began.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ZoneStays {
    zone_id: u64,
    zone: String,
    #[serde(flatten)]
    all: StayFigures,
    buckets: Vec<StayBucket>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct StayBucket {
    start: Rfc3339,
    end: Rfc3339,
    #[serde(flatten)]
    figures: StayFigures,
}

/// Figures of whole stays.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct StayFigures {
    /// Number of whole stays.
    count: Option<u64>,
    /// Number of stays of unknown length: counting began or ended meanwhile, or the zone was changed.
    cut: u64,
    median_s: Option<f64>,
    /// 90 % of the stays are not longer.
    p90_s: Option<f64>,
    /// Number of whole stays in each step.
    histogram: [u64; STEPS + 1],
}

impl StayFigures {
    fn of(row: &StayRow, is_watched: bool) -> StayFigures {
        let count = row.lengths_ms.len() as u64;
        StayFigures {
            count: (is_watched || count + row.cut > 0).then_some(count),
            cut: row.cut,
            median_s: row.quantile_s(0.5),
            p90_s: row.quantile_s(0.9),
            histogram: row.histogram(),
        }
    }
}

impl StaysReport {
    /// The stays in `zones`. `watched` tells when each zone was watched.
    pub fn of<'a>(
        zones: impl Iterator<Item = &'a ZoneRow>,
        mut stays: BTreeMap<u64, Vec<StayRow>>,
        watched: &BTreeMap<u64, Vec<OccupancyRow>>,
    ) -> StaysReport {
        let report = |zone: &ZoneRow| {
            let watched = watched.get(&zone.id).map_or(&[][..], Vec::as_slice);
            let is_watched = |start_us: u64, end_us: u64| {
                let from = watched.partition_point(|bucket| bucket.end_us <= start_us);
                watched[from..].iter().take_while(|own| own.start_us < end_us).any(OccupancyRow::is_known)
            };
            let rows = stays.remove(&zone.id).unwrap_or_else(|| {
                let empty = |own: &OccupancyRow| StayRow {
                    start_us: own.start_us,
                    end_us: own.end_us,
                    ..StayRow::default()
                };
                watched.iter().map(empty).collect()
            });
            let bucket = |row: &StayRow| StayBucket {
                start: Rfc3339(row.start_us),
                end: Rfc3339(row.end_us),
                figures: StayFigures::of(row, is_watched(row.start_us, row.end_us)),
            };
            ZoneStays {
                zone_id: zone.id,
                zone: zone.draft.name.clone(),
                all: StayFigures::of(&StayRow::total(&rows), is_watched(0, u64::MAX)),
                buckets: rows.iter().map(bucket).collect(),
            }
        };
        StaysReport { items: zones.map(report).collect(), steps_s: StayRow::STEPS_S, next: None }
    }

    /// As a table: a row for each zone and bucket, and a column for each step of the histogram.
    pub fn csv(&self, zone: &TimeZone, sheet: Option<bool>) -> String {
        let ends = StayRow::STEPS_S.map(|end_s| format!("under_{end_s}_s"));
        let last = format!("from_{}_s", StayRow::STEPS_S[STEPS - 1]);
        let mut columns = vec!["zone", "count", "cut", "median_s", "p90_s"];
        columns.extend(ends.iter().map(String::as_str).chain([last.as_str(), "zone_id"]));
        let mut table = TimedTable::new(&columns, zone, sheet);
        for item in &self.items {
            for StayBucket { start, end, figures } in &item.buckets {
                let Some(count) = figures.count else { continue };
                table.row(start.0, end.0, |cells| {
                    cells.text(&item.zone);
                    cells.plain(count);
                    cells.plain(figures.cut);
                    for length in [figures.median_s, figures.p90_s] {
                        match length {
                            Some(length) => cells.decimal(length),
                            None => cells.empty(),
                        }
                    }
                    figures.histogram.iter().for_each(|count| cells.plain(count));
                    cells.plain(item.zone_id);
                });
            }
        }
        table.cells.take()
    }
}

/// The flows between the lines of a source class.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FlowsReport {
    /// The flows of the whole time.
    flows: Vec<FlowReport>,
    items: Vec<FlowBucket>,
    /// Always `null`: there is only one page.
    next: Option<String>,
}

/// The flows of a bucket. A flow is in the bucket of its second crossing.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FlowBucket {
    start: Rfc3339,
    end: Rfc3339,
    flows: Vec<FlowReport>,
}

/// The objects that crossed one line, and then another one or the same again.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FlowReport {
    from_line_id: u64,
    from_line: String,
    from_direction: Direction,
    to_line_id: u64,
    to_line: String,
    to_direction: Direction,
    count: u64,
}

impl FlowsReport {
    /// The flows of these buckets. `lines` has the names, also of deleted lines.
    pub fn of(rows: &[FlowRow], lines: &[LineRow]) -> FlowsReport {
        let name = |id: u64| {
            let line = lines.iter().find(|line| line.id == id);
            line.map(|line| line.draft.name.clone()).unwrap_or_default()
        };
        let flow = |flow: &FlowCount| FlowReport {
            from_line_id: flow.from.line,
            from_line: name(flow.from.line),
            from_direction: flow.from.direction,
            to_line_id: flow.to.line,
            to_line: name(flow.to.line),
            to_direction: flow.to.direction,
            count: flow.count,
        };
        let bucket = |row: &FlowRow| FlowBucket {
            start: Rfc3339(row.start_us),
            end: Rfc3339(row.end_us),
            flows: row.counts.iter().map(flow).collect(),
        };
        FlowsReport {
            flows: FlowRow::total(rows).counts.iter().map(flow).collect(),
            items: rows.iter().map(bucket).collect(),
            next: None,
        }
    }

    /// As a table: a row for each flow of a bucket.
    pub fn csv(&self, zone: &TimeZone, sheet: Option<bool>) -> String {
        let columns =
            ["from_line", "from_direction", "to_line", "to_direction", "count", "from_line_id", "to_line_id"];
        let mut table = TimedTable::new(&columns, zone, sheet);
        for bucket in &self.items {
            for flow in &bucket.flows {
                table.row(bucket.start.0, bucket.end.0, |cells| {
                    cells.text(&flow.from_line);
                    cells.plain(flow.from_direction.as_str());
                    cells.text(&flow.to_line);
                    cells.plain(flow.to_direction.as_str());
                    [flow.count, flow.from_line_id, flow.to_line_id].iter().for_each(|it| cells.plain(it));
                });
            }
        }
        table.cells.take()
    }
}

/// How many objects moved through each part of the picture. Standing ones are not counted.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MovementReport {
    from: Rfc3339,
    to: Rfc3339,
    /// For each of 36 rows from the top, the number of objects in each of 64 columns from the left; `null` if no map
    /// was made.
    rows: Option<Vec<Vec<u64>>>,
}

impl MovementReport {
    /// The map of a time.
    pub fn of(from_us: u64, to_us: u64, cells: Option<&[u64]>) -> MovementReport {
        let rows = cells.map(|cells| cells.chunks(MOVEMENT_GRID.0).map(<[u64]>::to_vec).collect());
        MovementReport { from: Rfc3339(from_us), to: Rfc3339(to_us), rows }
    }

    /// As a table: a row for each cell with movement.
    pub fn csv(&self, _: &TimeZone, sheet: Option<bool>) -> String {
        let mut table = CsvTable::new(&["column", "row", "count"], sheet == Some(true));
        for (y, row) in self.rows.iter().flatten().enumerate() {
            for (x, count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
                [x as u64, y as u64, *count].iter().for_each(|number| table.plain(number));
                table.end_row();
            }
        }
        table.take()
    }
}

/// The speeds at the lines whose distance to another one is known, or near a zone of known size. No evidence for fines:
/// the camera is not a calibrated instrument.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SpeedsReport {
    items: Vec<LineSpeeds>,
    /// Ends of the histogram's steps in kilometres an hour, each excluded. A last step has no end.
    steps_kmh: [f64; SPEED_STEPS],
    /// Always `null`: there is only one page.
    next: Option<String>,
    #[serde(skip)]
    measured: Vec<(LineDistance, MeasuredSpeed)>,
}

/// The speeds at a line, in all and by bucket.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct LineSpeeds {
    #[serde(flatten)]
    distance: LineDistance,
    #[serde(flatten)]
    all: SpeedFigures,
    buckets: Vec<SpeedBucket>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SpeedBucket {
    start: Rfc3339,
    end: Rfc3339,
    #[serde(flatten)]
    figures: SpeedFigures,
}

/// Figures of measured speeds.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SpeedFigures {
    /// Number of crossings of the line.
    crossings: u64,
    /// Number of those with a measured speed. The others have no known speed.
    measured: u64,
    mean_kmh: Option<f64>,
    /// 85 % of the speeds are not higher.
    v85_kmh: Option<f64>,
    /// Number of measured speeds in each step.
    histogram: [u64; SPEED_STEPS + 1],
}

impl SpeedFigures {
    fn of(row: &SpeedRow) -> SpeedFigures {
        SpeedFigures {
            crossings: row.crossings,
            measured: row.measured.len() as u64,
            mean_kmh: row.mean_kmh().map(tenths),
            v85_kmh: row.v85_kmh().map(tenths),
            histogram: row.histogram(),
        }
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

impl SpeedsReport {
    /// The speeds of these lines.
    pub fn of(lines: Vec<(LineDistance, Vec<SpeedRow>)>) -> SpeedsReport {
        let bucket = |row: &SpeedRow| SpeedBucket {
            start: Rfc3339(row.start_us),
            end: Rfc3339(row.end_us),
            figures: SpeedFigures::of(row),
        };
        let report = |(distance, rows): &(LineDistance, Vec<SpeedRow>)| LineSpeeds {
            distance: *distance,
            all: SpeedFigures::of(&SpeedRow::total(rows)),
            buckets: rows.iter().map(bucket).collect(),
        };
        let items = lines.iter().map(report).collect();
        let all =
            lines.into_iter().flat_map(|(distance, rows)| rows.into_iter().map(move |row| (distance, row)));
        let each =
            all.flat_map(|(distance, row)| row.measured.into_iter().map(move |speed| (distance, speed)));
        let mut measured: Vec<_> = each.collect();
        measured.sort_by_key(|(distance, speed)| (distance.line, speed.time_us));
        SpeedsReport { items, steps_kmh: SpeedRow::STEPS_KMH, next: None, measured }
    }

    /// As a table: a row for each measured speed.
    pub fn csv(&self, zone: &TimeZone, sheet: Option<bool>) -> String {
        let header = ["time", "crossing", "line_id", "direction", "kmh", "other_id"];
        let mut table = CsvTable::new(&header, sheet == Some(true));
        for (distance, speed) in &self.measured {
            table.plain(match sheet {
                Some(_) => time_param::for_spreadsheets(speed.time_us, zone),
                None => time_param::local_exactly(speed.time_us, zone),
            });
            table.plain(speed.crossing);
            table.plain(speed.crossed.line);
            table.plain(speed.crossed.direction.as_str());
            table.decimal(tenths(speed.kmh));
            match distance.other {
                Some(other) => table.plain(other),
                None => table.empty(),
            }
            table.end_row();
        }
        table.take()
    }
}

/// A table whose rows are of buckets, with their times as in the table of counts.
struct TimedTable<'a> {
    cells: CsvTable,
    zone: &'a TimeZone,
    is_sheet: bool,
}

impl TimedTable<'_> {
    fn new<'a>(columns: &[&str], zone: &'a TimeZone, sheet: Option<bool>) -> TimedTable<'a> {
        let (times, local) = (["start", "end"], ["local_start"]);
        let header = match sheet {
            Some(_) => [&local[..], &times, columns].concat(),
            None => [&times[..], columns, &local].concat(),
        };
        TimedTable { cells: CsvTable::new(&header, sheet == Some(true)), zone, is_sheet: sheet.is_some() }
    }

    fn row(&mut self, start_us: u64, end_us: u64, fill: impl FnOnce(&mut CsvTable)) {
        let local_start = time_param::for_spreadsheets(start_us, self.zone);
        if self.is_sheet {
            self.cells.plain(&local_start);
        }
        self.cells.plain(time_param::local(start_us, self.zone));
        self.cells.plain(time_param::local(end_us, self.zone));
        fill(&mut self.cells);
        if !self.is_sheet {
            self.cells.plain(local_start);
        }
        self.cells.end_row();
    }
}
