//! Skips the first frames after an open, while exposure and white balance settle. Pure: times are microseconds of any
//! clock.

/// Minimum of the time limit for skipping. Even a slow camera has settled by then, and somebody waits.
const AT_MOST_US: u64 = 800_000;

/// Frame rate that converts a number of frames to a time.
const USUAL_FPS: u64 = 30;

/// The first frames after an open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarmUp {
    frames: u32,
    seen: u32,
    first_us: Option<u64>,
}

impl WarmUp {
    /// Skips this many frames after an open, but for no longer than they take at 30 fps (or 0.8 s, if that is
    /// longer). A camera with one frame per second has settled by its second one.
    pub fn new(frames: u32) -> WarmUp {
        WarmUp { frames, seen: 0, first_us: None }
    }

    /// Records the next frame, captured at `at_us`. Returns true if the camera has settled.
    pub fn is_warm_after(&mut self, at_us: u64) -> bool {
        let first_us = *self.first_us.get_or_insert(at_us);
        let longest_us = AT_MOST_US.max(u64::from(self.frames) * 1_000_000 / USUAL_FPS);
        let is_over = self.seen >= self.frames || at_us.saturating_sub(first_us) >= longest_us;
        self.seen = self.seen.saturating_add(1);
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_over(frames: u32, step_us: u64) -> u64 {
        let mut warm_up = WarmUp::new(frames);
        (0..1000).take_while(|n| !warm_up.is_warm_after(7 + n * step_us)).count() as u64
    }

    #[test]
    fn skipping_ends_by_number_or_by_time() {
        assert_eq!(passed_over(0, 33_333), 0);
        assert_eq!(passed_over(3, 33_333), 3);
        assert_eq!(passed_over(300, 33_333), 300);
        // The second frame of a slow camera is good.
        assert_eq!(passed_over(3, 1_000_000), 1);
        assert_eq!(passed_over(3, 300_000), 3);
        assert_eq!(passed_over(60, 500_000), 4);
    }
}
