//! Stays of objects in zones, summed up. Each is a row, stored once it has ended.

use std::collections::BTreeMap;

use rusqlite::params;

use super::rows::{CountsRowError, number, unsigned};
use super::sums::opening::{self, Bucket, empty_buckets, open_buckets, read_size};
use super::{BucketSize, CountsReader, OpeningHours, Scene, StoreError};

/// The stays in a zone that began in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StayRow {
    /// Start of the bucket, wall time in microseconds.
    pub start_us: u64,
    /// Start of the next bucket.
    pub end_us: u64,
    /// Lengths of the whole stays in milliseconds, ascending.
    pub lengths_ms: Vec<u64>,
    /// Number of cut stays. Their lengths are unknown.
    pub cut: u64,
}

impl StayRow {
    /// Upper ends of the histogram's steps in seconds, each excluded. A last step has no end.
    pub const STEPS_S: [u64; 8] = [10, 30, 60, 120, 300, 600, 1800, 3600];

    /// The length in seconds that this share (0–1) of the whole stays does not exceed; `None` without a whole stay.
    pub fn quantile_s(&self, share: f64) -> Option<f64> {
        let rank = (self.lengths_ms.len() as f64 * share).ceil().max(1.0) as usize;
        self.lengths_ms.get(rank - 1).map(|&length_ms| length_ms as f64 / 1e3)
    }

    /// The step of a length.
    pub fn step_of(length_ms: u64) -> usize {
        Self::STEPS_S.partition_point(|&end_s| end_s * 1000 <= length_ms)
    }

    /// Number of whole stays in each step.
    pub fn histogram(&self) -> [u64; Self::STEPS_S.len() + 1] {
        let mut steps = [0; Self::STEPS_S.len() + 1];
        for &length_ms in &self.lengths_ms {
            steps[Self::step_of(length_ms)] += 1;
        }
        steps
    }

    /// All stays of these buckets as one.
    pub fn total(buckets: &[StayRow]) -> StayRow {
        opening::total(buckets)
    }
}

impl Bucket for StayRow {
    fn bounds(&mut self) -> (&mut u64, &mut u64) {
        (&mut self.start_us, &mut self.end_us)
    }

    fn add(&mut self, hour: StayRow) {
        self.lengths_ms.extend(hour.lengths_ms);
        self.cut += hour.cut;
    }

    fn finish(&mut self, _: u32) {
        self.lengths_ms.sort_unstable();
    }
}

impl CountsReader {
    /// The stays in each zone that is not deleted, by zone number, in buckets as for [`CountsReader::counts`]. A stay
    /// is in the bucket in which it began. Zones without stays are left out.
    ///
    /// # Errors
    /// As for [`CountsReader::counts`].
    pub fn stays(
        &self,
        scene: Scene,
        from_us: u64,
        to_us: u64,
        size: BucketSize,
        hours: Option<OpeningHours>,
    ) -> Result<BTreeMap<u64, Vec<StayRow>>, StoreError> {
        let bounds = self.buckets(read_size(size, hours), number(from_us), number(to_us));
        let read = self.map_error(self.read_stays(scene, &bounds.ok_or(StoreError::TooManyBuckets)?))?;
        let opened = |buckets| open_buckets(buckets, size, hours, &self.calendar, self.now_us());
        Ok(read.into_iter().map(|(zone, buckets)| (zone, opened(buckets))).collect())
    }

    fn read_stays(
        &self,
        scene: Scene,
        bounds: &[(i64, i64)],
    ) -> Result<BTreeMap<u64, Vec<StayRow>>, CountsRowError> {
        let mut zones: BTreeMap<u64, Vec<StayRow>> = BTreeMap::new();
        let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Ok(zones) };
        // Ordered by length, so that those of each bucket are, too.
        let mut query = self.connection.prepare(
            "SELECT zone, wall_us, length_ms, cut FROM stays WHERE wall_us >= ?1 AND wall_us < ?2 AND scene = ?3
             ORDER BY length_ms",
        )?;
        let mut rows = query.query(params![first.0, last.1, scene.as_str()])?;
        while let Some(row) = rows.next()? {
            let wall_us: i64 = row.get(1)?;
            let at = bounds.partition_point(|&(_, end_us)| end_us <= wall_us);
            let buckets = zones.entry(unsigned(row, 0)?).or_insert_with(|| empty_buckets(bounds));
            let Some(bucket) = buckets.get_mut(at) else { continue };
            match row.get(3)? {
                true => bucket.cut += 1,
                false => bucket.lengths_ms.push(unsigned(row, 2)?),
            }
        }
        Ok(zones)
    }
}
