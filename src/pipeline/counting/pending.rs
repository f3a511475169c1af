//! Crossings on their way to counts.db: kept until it has taken them, offered again and again, and
//! bounded. Lives on the detect thread.
//!
//! counts.db takes a crossing twice and counts it once, so that an offer of which it is not known how it
//! ended may be repeated.

use crate::store::{Counts, NewCrossing, StoreError};

/// Crossings that wait at most; beyond, the oldest are lost, and that is said.
const MOST_WAITING: usize = 10_000;

/// Crossings that counts.db has not taken yet.
#[derive(Debug, Default)]
pub struct Unrecorded {
    waiting: Vec<NewCrossing>,
    trouble: Option<String>,
    lost: u64,
}

impl Unrecorded {
    /// One more.
    pub fn add(&mut self, crossing: NewCrossing) {
        self.waiting.push(crossing);
    }

    /// Why counts.db did not take what it was offered last.
    pub fn error(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How many were lost since the start.
    pub fn lost_count(&self) -> u64 {
        self.lost
    }

    /// Offers counts.db what it has not taken yet, which may take 2 s. Where there is none, nothing is kept.
    pub fn flush(&mut self, counts_db: &Result<Counts, StoreError>) {
        if self.waiting.is_empty() {
            return;
        }
        let Ok(counts) = counts_db else { return self.waiting.clear() };
        match counts.record(self.waiting.clone()) {
            Ok(()) => {
                self.waiting.clear();
                if self.trouble.take().is_some() {
                    log::info!("counting: counts.db accepts crossings again");
                }
            }
            Err(error) => {
                if self.trouble.is_none() {
                    log::error!("counting: crossings wait to be recorded: {error}");
                }
                self.trouble = Some(error.to_string());
                let too_many = self.waiting.len().saturating_sub(MOST_WAITING);
                if too_many > 0 {
                    log::error!("counting: {too_many} crossings are lost, for counts.db takes none: {error}");
                    self.waiting.drain(..too_many);
                    self.lost += too_many as u64;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{CountsOptions, Scene};
    use crate::vision::Direction;

    #[test]
    fn what_counts_db_does_not_take_is_kept_within_a_bound() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = CountsOptions {
            directory: folder.path().to_owned(),
            camera: String::from("door"),
            zone: jiff::tz::TimeZone::UTC,
            day_starts: 0,
        };
        let (counts, writer) = Counts::open(settings).expect("counts.db opens");
        counts.stop();
        drop(writer);
        let counts_db = Ok(counts);
        let mut unrecorded = Unrecorded::default();
        for track in 0..MOST_WAITING as u64 + 3 {
            unrecorded.add(NewCrossing {
                line: 1,
                scene: Scene::Camera,
                track,
                ordinal: 1,
                class: Arc::from("person"),
                direction: Direction::In,
                score: 0.5,
                monotonic_us: track,
                thumbnail: None,
            });
        }
        unrecorded.flush(&counts_db);
        assert!(unrecorded.error().is_some());
        assert_eq!((unrecorded.waiting.len(), unrecorded.lost_count()), (MOST_WAITING, 3));
        assert_eq!(unrecorded.waiting[0].track, 3, "the oldest are lost");
        // Without a counts.db nothing will ever take them, and how counting stands says so.
        unrecorded.flush(&Err(StoreError::Busy));
        assert!(unrecorded.waiting.is_empty());
    }
}
