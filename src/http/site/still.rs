//! The line editor's still, where only counts are wanted: for who may change something, and seldom another.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::media::Picture;

/// Where only counts are wanted, everybody gets the same still for so long. Whoever draws a line does not miss a newer
/// one; pictures that are so far apart are no video of who does what.
const STILL_STAYS: Duration = Duration::from_secs(10);

/// The last still that was given where only counts are wanted.
#[derive(Debug, Default)]
pub struct Still(RefCell<Option<(Instant, Picture)>>);

impl Still {
    /// The still that is to be given again.
    pub fn newest(&self, now: Instant) -> Option<Picture> {
        let last = self.0.borrow();
        let stays = |taken: &Instant| now.saturating_duration_since(*taken) < STILL_STAYS;
        last.as_ref().filter(|(taken, _)| stays(taken)).map(|(_, picture)| picture.clone())
    }

    /// What is to be given where `taken` was taken: somebody else's, where that came first.
    pub fn instead_of(&self, taken: Picture, now: Instant) -> Picture {
        if let Some(newest) = self.newest(now) {
            return newest;
        }
        *self.0.borrow_mut() = Some((now, taken.clone()));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ClockTime;
    use crate::media::PictureBuilder;

    fn picture(sequence: u64) -> Picture {
        PictureBuilder::with_capacity(0).finish(8, 8, ClockTime::now(), sequence, false)
    }

    #[test]
    fn a_still_is_given_again_until_it_is_old() {
        let (still, begin) = (Still::default(), Instant::now());
        assert!(still.newest(begin).is_none());
        assert_eq!(still.instead_of(picture(1), begin).sequence, 1);
        let almost = begin + STILL_STAYS - Duration::from_millis(1);
        assert_eq!(still.newest(almost).map(|picture| picture.sequence), Some(1));
        assert_eq!(still.instead_of(picture(2), almost).sequence, 1, "two have asked at once");
        let later = begin + STILL_STAYS;
        assert!(still.newest(later).is_none());
        assert_eq!(still.instead_of(picture(3), later).sequence, 3);
    }
}
