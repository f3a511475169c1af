//! Speeds of crossings. Between two lines of known distance: the distance over the time between two crossings of one
//! track; only the distances are stored. On the ground: as measured and stored with each crossing.

use std::collections::BTreeMap;

use rusqlite::params;

use super::flows::{LineCrossed, WayStep};
use super::opening::{self, Bucket, empty_buckets, open_buckets, read_size};
use crate::counts::rows::{CountsRowError, number, unsigned};
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{BucketSize, CountsReader, EditError, LineRow, OpeningHours, Scene, StoreError};

/// Range of a distance in metres.
const METRES: std::ops::RangeInclusive<f64> = 0.1..=10_000.0;

/// How the crossings of `line` get a speed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct LineDistance {
    /// The number of the line.
    pub line: u64,
    /// The number of the other line; `null` if the speeds are those on the ground, by a zone of known size.
    pub other: Option<u64>,
    /// The distance between the lines, in metres along the way of the objects.
    pub metres: Option<f64>,
}

impl LineDistance {
    /// The speed of a crossing in kilometres an hour. `placed_us` has the time since which each line is where it is.
    fn kmh(&self, way: &[WayStep], at: usize, placed_us: &BTreeMap<u64, u64>) -> Option<f64> {
        let step = &way[at];
        let Some((other, metres)) = self.other.zip(self.metres) else {
            return step.speed.map(|speed| f64::from(speed) / 10.0);
        };
        let is_pair = |step: &&WayStep| [self.line, other].contains(&step.crossed.line);
        // The one before or after, if it is of the other line: a turn gives no speed.
        let beside = [way[..at].iter().rfind(is_pair), way[at + 1..].iter().find(is_pair)];
        let beside = beside.into_iter().flatten().find(|beside| beside.crossed.line == other)?;
        let placed_us = [self.line, other].map(|id| placed_us.get(&id).copied().unwrap_or(u64::MAX));
        let is_placed = |step: &WayStep| placed_us.iter().all(|us| *us <= step.wall_us.max(0) as u64);
        let time = step.mono_us.abs_diff(beside.mono_us);
        (time > 0 && is_placed(beside) && is_placed(step)).then(|| metres / (time as f64 / 1e6) * 3.6)
    }
}

/// The speed of a crossing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredSpeed {
    /// The number of the crossing.
    pub crossing: u64,
    /// Its time, wall time in microseconds.
    pub time_us: u64,
    /// Its line and direction.
    pub crossed: LineCrossed,
    /// Kilometres an hour.
    pub kmh: f64,
}

/// The speeds of a bucket, of one line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpeedRow {
    /// Start of the bucket, wall time in microseconds.
    pub start_us: u64,
    /// Start of the next bucket.
    pub end_us: u64,
    /// Number of crossings of the line.
    pub crossings: u64,
    /// The measured speeds, slowest first. A crossing without one has no known speed.
    pub measured: Vec<MeasuredSpeed>,
}

impl SpeedRow {
    /// Upper ends of the histogram's steps in kilometres an hour, each excluded. A last step has no end.
    pub const STEPS_KMH: [f64; 12] = [2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 70.0, 100.0];

    /// The mean in kilometres an hour; `None` without a measured speed.
    pub fn mean_kmh(&self) -> Option<f64> {
        let sum: f64 = self.measured.iter().map(|speed| speed.kmh).sum();
        (!self.measured.is_empty()).then(|| sum / self.measured.len() as f64)
    }

    /// V85 in kilometres an hour: the speed that 85 % do not exceed.
    pub fn v85_kmh(&self) -> Option<f64> {
        let rank = (self.measured.len() as f64 * 0.85).ceil().max(1.0) as usize;
        self.measured.get(rank - 1).map(|speed| speed.kmh)
    }

    /// Number of measured speeds in each step.
    pub fn histogram(&self) -> [u64; Self::STEPS_KMH.len() + 1] {
        let mut steps = [0; Self::STEPS_KMH.len() + 1];
        for speed in &self.measured {
            steps[Self::STEPS_KMH.partition_point(|end| *end <= speed.kmh)] += 1;
        }
        steps
    }

    /// All speeds of these buckets as one.
    pub fn total(buckets: &[SpeedRow]) -> SpeedRow {
        opening::total(buckets)
    }
}

impl Bucket for SpeedRow {
    fn bounds(&mut self) -> (&mut u64, &mut u64) {
        (&mut self.start_us, &mut self.end_us)
    }

    fn add(&mut self, hour: SpeedRow) {
        self.crossings += hour.crossings;
        self.measured.extend(hour.measured);
    }

    fn finish(&mut self, _: u32) {
        self.measured.sort_by(|one, other| one.kmh.total_cmp(&other.kmh));
    }
}

/// Sets the distance of a line to another one, or with `None` forgets it.
pub(in crate::counts) fn set_distance(
    tx: &CountsTransaction<'_>,
    line: u64,
    to: Option<(u64, f64)>,
) -> Result<(), CountsFault> {
    let Some((other, metres)) = to else {
        let gone = tx.connection.execute("DELETE FROM distances WHERE line = ?1", [number(line)])?;
        return if gone == 0 { Err(EditError::Unknown { what: "line", id: line }.into()) } else { Ok(()) };
    };
    for id in [line, other] {
        let text = "SELECT EXISTS (SELECT 1 FROM lines WHERE id = ?1 AND NOT deleted)";
        let is_there: bool = tx.connection.query_row(text, [number(id)], |row| row.get(0))?;
        if !is_there {
            return Err(EditError::Unknown { what: "line", id }.into());
        }
    }
    if line == other {
        let words = "the distance is to another line; choose two lines";
        return Err(EditError::out_of_range("other", "the number of another line", words).into());
    }
    if !METRES.contains(&metres) {
        let range = format!("a number from {} to {}", METRES.start(), METRES.end());
        return Err(EditError::out_of_range("metres", range, "the distance is too small or too large").into());
    }
    tx.connection.execute(
        "INSERT OR REPLACE INTO distances (line, other, metres) VALUES (?1, ?2, ?3)",
        params![number(line), number(other), metres],
    )?;
    Ok(())
}

/// Sets the size of a zone on the ground, first and second side in metres, or with `None` forgets it.
pub(in crate::counts) fn set_ground(
    tx: &CountsTransaction<'_>,
    zone: u64,
    size: Option<[f64; 2]>,
) -> Result<(), CountsFault> {
    let [width, depth] = size.map_or([None; 2], |size| size.map(Some));
    for (field, side) in [("width", width), ("depth", depth)] {
        if side.is_some_and(|side| !METRES.contains(&side)) {
            let range = format!("a number from {} to {}", METRES.start(), METRES.end());
            return Err(EditError::out_of_range(field, range, "the side is too short or too long").into());
        }
    }
    let text = "UPDATE zones SET width = ?2, depth = ?3, version = version + 1 WHERE id = ?1 AND NOT deleted";
    match tx.connection.execute(text, params![number(zone), width, depth])? {
        0 => Err(EditError::Unknown { what: "zone", id: zone }.into()),
        _ => Ok(()),
    }
}

impl CountsReader {
    /// The set distances, and with a zone of known size the ground at each line.
    fn read_distances(&self, scene: Scene) -> Result<Vec<LineDistance>, CountsRowError> {
        let mut query = self.connection.prepare(
            "SELECT d.line, d.other, d.metres FROM distances d JOIN lines l ON l.id = d.line
             WHERE l.scene IS NULL OR l.scene = ?1
             UNION SELECT id, NULL, NULL FROM lines WHERE (scene IS NULL OR scene = ?1) AND EXISTS
             (SELECT 1 FROM zones WHERE width NOTNULL AND NOT deleted AND (scene IS NULL OR scene = ?1))
             ORDER BY 1, 2",
        )?;
        let read = query.query_map([scene.as_str()], |row| {
            let other: Option<i64> = row.get(1)?;
            Ok(LineDistance {
                line: unsigned(row, 0)?,
                other: other.map(|id| id as u64),
                metres: row.get(2)?,
            })
        })?;
        read.collect()
    }

    /// The speeds at each line with a distance, and at each with a speed on the ground, in buckets as for
    /// [`CountsReader::counts`]. With a distance, the object crossed the other line just before or after, and crossings
    /// from before a line was last moved have no speed.
    ///
    /// # Errors
    /// As for [`CountsReader::counts`].
    pub fn speeds(
        &self,
        scene: Scene,
        from_us: u64,
        to_us: u64,
        size: BucketSize,
        hours: Option<OpeningHours>,
    ) -> Result<Vec<(LineDistance, Vec<SpeedRow>)>, StoreError> {
        let distances = self.map_error(self.read_distances(scene))?;
        if distances.is_empty() {
            return Ok(Vec::new());
        }
        let bounds = self.buckets(read_size(size, hours), number(from_us), number(to_us));
        let bounds = bounds.ok_or(StoreError::TooManyBuckets)?;
        let empty: Vec<SpeedRow> = empty_buckets(&bounds);
        let placed_us: BTreeMap<u64, u64> =
            self.lines()?.iter().map(|line| (line.id, placed(line))).collect();
        let mut read: Vec<_> = distances.into_iter().map(|distance| (distance, empty.clone())).collect();
        self.map_error(self.for_each_way(scene, &bounds, |way| {
            for (distance, rows) in &mut read {
                for (at, step) in
                    way.iter().enumerate().filter(|(_, step)| step.crossed.line == distance.line)
                {
                    let time_us = step.wall_us.max(0) as u64;
                    let bucket = bounds.partition_point(|&(_, end_us)| end_us <= step.wall_us);
                    let row = rows.get_mut(bucket).filter(|row| row.start_us <= time_us);
                    let Some(row) = row else { continue };
                    row.crossings += 1;
                    if let Some(kmh) = distance.kmh(way, at, &placed_us) {
                        row.measured.push(MeasuredSpeed {
                            crossing: step.id,
                            time_us,
                            crossed: step.crossed,
                            kmh,
                        });
                    }
                }
            }
        }))?;
        // Most lines are not near the ground that is known.
        let is_used = |rows: &[SpeedRow]| rows.iter().any(|row| !row.measured.is_empty());
        read.retain(|(distance, rows)| distance.other.is_some() || is_used(rows));
        let opened = |(distance, mut rows): (LineDistance, Vec<SpeedRow>)| {
            rows.iter_mut().for_each(|row| row.finish(0));
            (distance, open_buckets(rows, size, hours, &self.calendar, self.now_us()))
        };
        Ok(read.into_iter().map(opened).collect())
    }
}

/// The time since which a line is where it is, wall time in microseconds.
fn placed(line: &LineRow) -> u64 {
    line.moved_us.map_or(line.created_us, |moved_us| moved_us.max(line.created_us))
}
