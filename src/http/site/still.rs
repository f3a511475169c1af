//! The line editor's still in privacy mode: only for callers who may change something, and rarely renewed.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tallycam_camera::media::Picture;

/// In privacy mode, everybody gets the same still for this time. Drawing a line needs no newer one, and pictures this
/// far apart do not show what people do.
const STILL_STAYS: Duration = Duration::from_secs(10);

/// The last still that was served in privacy mode.
#[derive(Debug, Default)]
pub struct Still(RefCell<Option<(Instant, Picture)>>);

impl Still {
    /// The still to serve again.
    pub fn newest(&self, now: Instant) -> Option<Picture> {
        let last = self.0.borrow();
        let stays = |taken: &Instant| now.saturating_duration_since(*taken) < STILL_STAYS;
        last.as_ref().filter(|(taken, _)| stays(taken)).map(|(_, picture)| picture.clone())
    }

    /// The still to serve after `taken` was made: an earlier one that another request made, if there is one.
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
    use tallycam_base::ClockTime;
    use tallycam_camera::media::PictureBuilder;

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
        assert_eq!(still.instead_of(picture(2), almost).sequence, 1, "two requests came at once");
        let later = begin + STILL_STAYS;
        assert!(still.newest(later).is_none());
        assert_eq!(still.instead_of(picture(3), later).sequence, 3);
    }
}
