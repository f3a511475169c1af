//! Flows: which line an object crossed after which, and how long it took. Read from the crossings; nothing is stored.

use rusqlite::params;

use super::opening::{self, Bucket, empty_buckets, open_buckets, read_size};
use crate::counts::rows::{CountsRowError, direction_of, number, unsigned};
use crate::counts::{BucketSize, CountsReader, CrossingsQuery, OpeningHours, Scene, StoreError};
use tallycam_vision::Direction;

/// Time before the first bucket in which an object may have crossed its first line, in microseconds.
const BEFORE_US: u64 = 3_600_000_000;

/// A line, and the direction of a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCrossed {
    /// The number of the line.
    pub line: u64,
    /// The direction.
    pub direction: Direction,
}

/// The number of objects that crossed one line after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowCount {
    /// The first crossing.
    pub from: LineCrossed,
    /// The next crossing of the same track at an exit.
    pub to: LineCrossed,
    /// The number of objects, at least 1.
    pub count: u64,
}

/// The lines at which flows begin and end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowEnds {
    /// Numbers of the lines that are entries; all, if there are none.
    pub entries: Vec<u64>,
    /// Numbers of the lines that are exits; all, if there are none.
    pub exits: Vec<u64>,
}

impl FlowEnds {
    /// Calls `each` with every exit of a track and the entry before it. Other lines between the two do not matter; an
    /// entry has one exit at most.
    fn each_pair<'a>(&self, way: &'a [WayStep], mut each: impl FnMut(&'a WayStep, &'a WayStep)) {
        let is_of = |lines: &[u64], step: &WayStep| lines.is_empty() || lines.contains(&step.crossed.line);
        let mut entered: Option<&WayStep> = None;
        for step in way {
            if is_of(&self.exits, step)
                && let Some(from) = entered.take()
            {
                each(from, step);
            }
            if is_of(&self.entries, step) {
                entered = Some(step);
            }
        }
    }
}

/// The flows of a bucket. A flow is in the bucket of its second crossing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowRow {
    /// Start of the bucket, wall time in microseconds.
    pub start_us: u64,
    /// Start of the next bucket.
    pub end_us: u64,
    /// The counts, without those that are 0, in order of both crossings.
    pub counts: Vec<FlowCount>,
}

impl FlowRow {
    fn count(&mut self, flow: FlowCount) {
        match self.counts.binary_search_by_key(&(flow.from, flow.to), |own| (own.from, own.to)) {
            Ok(at) => self.counts[at].count += flow.count,
            Err(at) => self.counts.insert(at, flow),
        }
    }

    /// All flows of these buckets as one.
    pub fn total(buckets: &[FlowRow]) -> FlowRow {
        opening::total(buckets)
    }
}

impl Bucket for FlowRow {
    fn bounds(&mut self) -> (&mut u64, &mut u64) {
        (&mut self.start_us, &mut self.end_us)
    }

    fn add(&mut self, hour: FlowRow) {
        hour.counts.into_iter().for_each(|flow| self.count(flow));
    }

    fn finish(&mut self, _: u32) {}
}

/// A crossing on the way of a track.
#[derive(Debug, Clone)]
pub(crate) struct WayStep {
    pub id: u64,
    pub crossed: LineCrossed,
    pub mono_us: i64,
    pub wall_us: i64,
    /// Speed on the ground in 100 m/h.
    pub speed: Option<u32>,
}

impl CountsReader {
    /// The flows from entries to exits, in buckets as for [`CountsReader::counts`]; excluded crossings are left
    /// out.
    ///
    /// # Errors
    /// As for [`CountsReader::counts`].
    pub fn flows(
        &self,
        scene: Scene,
        from_us: u64,
        to_us: u64,
        size: BucketSize,
        hours: Option<OpeningHours>,
        ends: &FlowEnds,
    ) -> Result<Vec<FlowRow>, StoreError> {
        let bounds = self.buckets(read_size(size, hours), number(from_us), number(to_us));
        let bounds = bounds.ok_or(StoreError::TooManyBuckets)?;
        let mut rows: Vec<FlowRow> = empty_buckets(&bounds);
        self.map_error(self.for_each_way(scene, &bounds, |way| {
            ends.each_pair(way, |from, to| {
                let at = bounds.partition_point(|&(_, end_us)| end_us <= to.wall_us);
                if let Some(row) = rows.get_mut(at).filter(|row| row.start_us <= to.wall_us.max(0) as u64) {
                    row.count(FlowCount { from: from.crossed, to: to.crossed, count: 1 });
                }
            });
        }))?;
        Ok(open_buckets(rows, size, hours, &self.calendar, self.now_us()))
    }

    /// Calls `each` with the crossings of every track in the buckets, in order of time. A track that crossed a line
    /// within an hour before or after them has that crossing, too.
    pub(crate) fn for_each_way(
        &self,
        scene: Scene,
        bounds: &[(i64, i64)],
        mut each: impl FnMut(&[WayStep]),
    ) -> Result<(), CountsRowError> {
        let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Ok(()) };
        let from_us = (first.0.max(0) as u64).saturating_sub(BEFORE_US);
        let to_us = last.1.max(0) + BEFORE_US as i64;
        let asked = CrossingsQuery {
            scene: Some(scene),
            from_us: Some(from_us),
            to_us: Some(to_us as u64),
            ..CrossingsQuery::default()
        };
        let Some((low, high)) = self.bounds(&asked)? else { return Ok(()) };
        let mut query = self.connection.prepare(
            "SELECT run, track, line, direction, mono_us, wall_us, id, speed FROM crossings
             WHERE id >= ?1 AND id <= ?2 AND scene = ?3 AND wall_us >= ?4 AND wall_us < ?5 AND mark < 2
             ORDER BY run, track, mono_us, id",
        )?;
        let mut rows = query.query(params![low, high, scene.as_str(), number(from_us), to_us])?;
        let (mut track, mut way) = ((0, 0), Vec::new());
        while let Some(row) = rows.next()? {
            let next: (i64, i64) = (row.get(0)?, row.get(1)?);
            if next != track {
                each(&way);
                way.clear();
                track = next;
            }
            let direction = direction_of(row.get_ref(3)?.as_str()?)?;
            way.push(WayStep {
                id: unsigned(row, 6)?,
                crossed: LineCrossed { line: unsigned(row, 2)?, direction },
                mono_us: row.get(4)?,
                wall_us: row.get(5)?,
                speed: row.get(7)?,
            });
        }
        each(&way);
        Ok(())
    }
}
