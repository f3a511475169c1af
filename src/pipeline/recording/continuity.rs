//! Where pictures are missing. Pure.
//!
//! A jump in the source's numbers, or a picture that this subscriber skipped, is a gap if it is longer from one picture
//! to the next than usual: a camera that is held down to fewer pictures jumps at every one, and misses none. That it
//! takes long alone is no gap: a camera may be slow by nature. What the camera did not see at all (trouble, a pause, it
//! was opened again) is one always.

/// Steps that are looked back on.
const STEPS: usize = 16;

/// Fewer steps tell nothing of what is usual.
const ENOUGH: usize = 4;

/// Follows a run of pictures.
#[derive(Debug, Default)]
pub struct Continuity {
    /// Number and time of the newest.
    last: Option<(u64, u64)>,
    steps: [u64; STEPS],
    count: usize,
    is_broken: bool,
}

impl Continuity {
    /// The camera has stopped seeing: the next picture comes after a gap.
    pub fn mark_gap(&mut self) {
        self.is_broken = true;
    }

    /// The picture `sequence`, captured at `at_us`, comes next; `has_skipped`: pictures before it were not seen by this
    /// subscriber. Tells whether pictures are missing before it.
    pub fn is_after_gap(&mut self, sequence: u64, at_us: u64, has_skipped: bool) -> bool {
        let is_broken = std::mem::take(&mut self.is_broken);
        let Some((last, last_us)) = self.last.replace((sequence, at_us)) else {
            return false;
        };
        // Numbers begin again when the source is opened again.
        if is_broken || sequence <= last {
            return true;
        }
        let step_us = at_us.saturating_sub(last_us);
        let is_late = match self.typical_step() {
            Some(usual_us) => step_us > usual_us + usual_us / 2,
            None => has_skipped,
        };
        self.steps[self.count % STEPS] = step_us;
        self.count += 1;
        (has_skipped || sequence > last + 1) && is_late
    }

    /// The step that three of four are no longer than: of a camera whose frames come now after one step, now after
    /// two, the longer one.
    fn typical_step(&self) -> Option<u64> {
        let known = self.count.min(STEPS);
        let mut steps = self.steps;
        let steps = &mut steps[..known];
        steps.sort_unstable();
        (known >= ENOUGH).then(|| steps[known * 3 / 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers before which pictures are missing.
    fn gaps(pictures: impl IntoIterator<Item = (u64, u64)>) -> Vec<u64> {
        let mut continuity = Continuity::default();
        pictures
            .into_iter()
            .filter(|&(number, at_us)| continuity.is_after_gap(number, at_us, false))
            .map(|(number, _)| number)
            .collect()
    }

    #[test]
    fn a_lost_frame_is_a_gap_and_a_slow_camera_has_none() {
        let lost = (0..100).filter(|n| ![40, 41, 70].contains(n)).map(|n| (n, n * 33_333));
        assert_eq!(gaps(lost), [42, 71]);
        assert_eq!(gaps((0..30).map(|n| (n, n * 1_000_000))), [0_u64; 0]);
        // Dusk: from 30 to 5 a second.
        let dusk = (0..60).map(|n| (n, if n < 30 { n * 33_333 } else { 30 * 33_333 + (n - 30) * 200_000 }));
        assert_eq!(gaps(dusk), [0_u64; 0]);
    }

    #[test]
    fn held_down_to_fewer_none_is_missing_but_what_is_lost_beyond_that() {
        assert_eq!(gaps((0..50).map(|n| (n * 3, n * 100_000))), [0_u64; 0]);
        assert_eq!(gaps((0..50).filter(|n| *n != 20).map(|n| (n * 3, n * 100_000))), [63]);
        // Every second frame, then every one, now and then: the encoder is at its limit.
        let uneven: Vec<(u64, u64)> =
            (0..60u64).scan(0, |at, n| Some((*at, *at += 1 + n % 2).0)).map(|n| (n, n * 33_333)).collect();
        assert!(gaps(uneven.clone()).len() <= 1, "{:?}", gaps(uneven));
    }

    #[test]
    fn a_new_beginning_is_a_gap_and_the_first_picture_is_none() {
        assert_eq!(gaps([(7, 1), (8, 2), (0, 3), (1, 4)]), [0]);
        let mut continuity = Continuity::default();
        continuity.mark_gap();
        assert!(!continuity.is_after_gap(1, 1, false), "nothing was before it");
        continuity.mark_gap();
        assert!(continuity.is_after_gap(2, 33_334, false));
        assert!(!continuity.is_after_gap(3, 66_667, false));
    }

    #[test]
    fn what_was_skipped_is_a_gap_where_it_is_seen() {
        let mut continuity = Continuity::default();
        for n in 0..10 {
            assert!(!continuity.is_after_gap(n, n * 33_333, false));
        }
        // Two publications of which one was a card of no duration.
        assert!(!continuity.is_after_gap(10, 333_330, true));
        assert!(continuity.is_after_gap(12, 399_996, true));
        let mut young = Continuity::default();
        young.is_after_gap(1, 1, false);
        assert!(young.is_after_gap(9, 2, true));
    }
}
