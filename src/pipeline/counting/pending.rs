//! Crossings on their way to counts.db: they wait in memory until its writer has taken them over, are offered again
//! after a refusal, and are bounded in number. Lives on the detect thread.
//!
//! The writer keeps what it took over until the commit, and recognises a repeated crossing. An offer with unknown
//! outcome may therefore be repeated.

use tallycam_store::{Counts, NewCrossing, StoreError};

/// Maximum number of waiting crossings. Beyond it the oldest are lost, and the status reports that.
const MOST_WAITING: usize = 10_000;

/// Crossings that the writer of counts.db has not taken over yet.
#[derive(Debug, Default)]
pub struct Unrecorded {
    waiting: Vec<NewCrossing>,
    trouble: Option<String>,
    lost: u64,
}

impl Unrecorded {
    /// Adds a crossing.
    pub fn add(&mut self, crossing: NewCrossing) {
        self.waiting.push(crossing);
    }

    /// The reason why counts.db rejected the last offer.
    pub fn error(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Number of lost crossings since the start.
    pub fn lost_count(&self) -> u64 {
        self.lost
    }

    /// Offers the waiting crossings to counts.db, which may take 2 s. Without counts.db they are dropped, as its fault
    /// on the page says.
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
    use tallycam_store::{CountsOptions, Scene};
    use tallycam_vision::Direction;

    #[test]
    fn rejected_crossings_are_kept_within_a_bound() {
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
                kmh: None,
                thumbnail: None,
            });
        }
        unrecorded.flush(&counts_db);
        assert!(unrecorded.error().is_some());
        assert_eq!((unrecorded.waiting.len(), unrecorded.lost_count()), (MOST_WAITING, 3));
        assert_eq!(unrecorded.waiting[0].track, 3, "the oldest are lost");
        // Without counts.db they can never be recorded, and the status says so.
        unrecorded.flush(&Err(StoreError::Busy));
        assert!(unrecorded.waiting.is_empty());
    }
}
