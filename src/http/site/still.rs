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
    /// The still to serve again, unless it was captured before `expired_us` ([`Hub::expire`]).
    ///
    /// [`Hub::expire`]: tallycam_camera::media::Hub::expire
    pub fn newest(&self, now: Instant, expired_us: u64) -> Option<Picture> {
        let last = self.0.borrow();
        let stays = |taken: &Instant| now.saturating_duration_since(*taken) < STILL_STAYS;
        let is_valid = |picture: &Picture| picture.stamp.monotonic_us >= expired_us;
        last.as_ref()
            .filter(|(taken, picture)| stays(taken) && is_valid(picture))
            .map(|(_, picture)| picture.clone())
    }

    /// The still to serve after `taken` was made: an earlier one that another request made, if there is one.
    pub fn instead_of(&self, taken: Picture, now: Instant, expired_us: u64) -> Picture {
        if let Some(newest) = self.newest(now, expired_us) {
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
        assert!(still.newest(begin, 0).is_none());
        assert_eq!(still.instead_of(picture(1), begin, 0).sequence, 1);
        let almost = begin + STILL_STAYS - Duration::from_millis(1);
        assert_eq!(still.newest(almost, 0).map(|picture| picture.sequence), Some(1));
        assert_eq!(still.instead_of(picture(2), almost, 0).sequence, 1, "two requests came at once");
        assert!(still.newest(almost, u64::MAX).is_none(), "the mask has changed");
        let later = begin + STILL_STAYS;
        assert!(still.newest(later, 0).is_none());
        assert_eq!(still.instead_of(picture(3), later, 0).sequence, 3);
    }
}
