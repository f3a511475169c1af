//! Detects gaps between pictures. Pure.
//!
//! A jump in the source's numbers, or a picture that this subscriber skipped, is a gap if the step is longer than
//! usual. A camera at a reduced rate jumps at every picture and has no gaps. A long step alone is not a gap, because
//! a camera may be slow. An interruption (trouble, a pause, a reopen) is always a gap.

const STEPS: usize = 16;

/// Minimum number of steps for a usual step.
const ENOUGH: usize = 4;

/// Follows a sequence of pictures.
#[derive(Debug, Default)]
pub struct Continuity {
    /// Number and time of the newest picture.
    last: Option<(u64, u64)>,
    steps: [u64; STEPS],
    count: usize,
    is_broken: bool,
}

impl Continuity {
    /// Records an interruption: the next picture follows a gap.
    pub fn mark_gap(&mut self) {
        self.is_broken = true;
    }

    /// Records the picture `sequence`, captured at `at_us`. `has_skipped` means that this subscriber skipped pictures
    /// before it. Returns true if it follows a gap.
    pub fn is_after_gap(&mut self, sequence: u64, at_us: u64, has_skipped: bool) -> bool {
        let is_broken = std::mem::take(&mut self.is_broken);
        let Some((last, last_us)) = self.last.replace((sequence, at_us)) else {
            return false;
        };
        // Numbers restart when the source is reopened.
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

    /// The step that three of four steps do not exceed. If frames arrive after one or two steps, this is the longer
    /// one.
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

    /// Numbers of the pictures after a gap.
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
        // At dusk the rate falls from 30 to 5 per second.
        let dusk = (0..60).map(|n| (n, if n < 30 { n * 33_333 } else { 30 * 33_333 + (n - 30) * 200_000 }));
        assert_eq!(gaps(dusk), [0_u64; 0]);
    }

    #[test]
    fn a_reduced_rate_has_gaps_only_where_more_is_lost() {
        assert_eq!(gaps((0..50).map(|n| (n * 3, n * 100_000))), [0_u64; 0]);
        assert_eq!(gaps((0..50).filter(|n| *n != 20).map(|n| (n * 3, n * 100_000))), [63]);
        // Every frame or every second one, alternating: the encoder is at its limit.
        let uneven: Vec<(u64, u64)> =
            (0..60u64).scan(0, |at, n| Some((*at, *at += 1 + n % 2).0)).map(|n| (n, n * 33_333)).collect();
        assert!(gaps(uneven.clone()).len() <= 1, "{:?}", gaps(uneven));
    }

    #[test]
    fn a_restart_is_a_gap_and_the_first_picture_is_none() {
        assert_eq!(gaps([(7, 1), (8, 2), (0, 3), (1, 4)]), [0]);
        let mut continuity = Continuity::default();
        continuity.mark_gap();
        assert!(!continuity.is_after_gap(1, 1, false), "it is the first picture");
        continuity.mark_gap();
        assert!(continuity.is_after_gap(2, 33_334, false));
        assert!(!continuity.is_after_gap(3, 66_667, false));
    }

    #[test]
    fn skipped_pictures_are_a_gap_if_the_step_is_long() {
        let mut continuity = Continuity::default();
        for n in 0..10 {
            assert!(!continuity.is_after_gap(n, n * 33_333, false));
        }
        // Two publications, one of them a card without duration.
        assert!(!continuity.is_after_gap(10, 333_330, true));
        assert!(continuity.is_after_gap(12, 399_996, true));
        let mut young = Continuity::default();
        young.is_after_gap(1, 1, false);
        assert!(young.is_after_gap(9, 2, true));
    }
}
