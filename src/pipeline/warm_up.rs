//! When a camera that was opened gives pictures worth keeping: its exposure and white balance settle over its
//! first frames. Pure: times come in as microseconds of any clock.

/// Frames are passed over for at least this long at most, however slow the camera: after that it has had time
/// enough to settle, and somebody waits.
const AT_MOST_US: u64 = 800_000;

/// A camera is taken to give so many frames a second when a number of frames is to be a time.
const USUAL_FPS: u64 = 30;

/// The first frames after an opening.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarmUp {
    frames: u32,
    seen: u32,
    first_us: Option<u64>,
}

impl WarmUp {
    /// So many frames after an opening are passed over, but no more than they take at 30 a second (or 0.8 s, if
    /// that is longer): a camera of one frame a second has settled by its second one.
    pub fn new(frames: u32) -> WarmUp {
        WarmUp { frames, seen: 0, first_us: None }
    }

    /// The next frame came, captured at `at_us`; tells whether it is good.
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
    fn so_many_frames_or_so_long() {
        assert_eq!(passed_over(0, 33_333), 0);
        assert_eq!(passed_over(3, 33_333), 3);
        assert_eq!(passed_over(300, 33_333), 300);
        // A slow camera's second frame is good.
        assert_eq!(passed_over(3, 1_000_000), 1);
        assert_eq!(passed_over(3, 300_000), 3);
        assert_eq!(passed_over(60, 500_000), 4);
    }
}
