//! Keeps the frame rate if the camera does not.
//!
//! A camera with its own clock is not delayed: all its frames are passed on. If frames come clearly faster than
//! requested (libcamera's virtual cameras, a webcam without that rate), it gets one request for each tick of an
//! absolute grid instead.

/// A frame that follows the one before within this share of a period is early.
const EARLY: f64 = 0.75;
/// After this many early frames in succession the rate is enforced.
const ENOUGH: u32 = 3;
/// Early frames are dropped among this many first ones: a camera without a clock starts with a burst. Afterwards the
/// camera counts as having a clock, and all its frames are passed on.
const TRIAL: u32 = 30;

/// Enforces a frame rate. Times are in microseconds of one clock.
pub struct Pacer {
    period: f64,
    last: Option<u64>,
    accepted: u32,
    early: u32,
    grid: Option<Grid>,
}

struct Grid {
    origin: u64,
    /// Number of past ticks.
    passed: u64,
}

impl Pacer {
    pub fn new(fps: f64) -> Pacer {
        Pacer { period: 1e6 / fps, last: None, accepted: 0, early: 0, grid: None }
    }

    /// True if a frame with this time stamp is to be passed on.
    pub fn accept(&mut self, stamp: u64) -> bool {
        if let Some(grid) = &self.grid {
            // Everything queued before the rate was enforced comes at once.
            return stamp >= grid.origin;
        }
        let since = self.last.map_or(f64::INFINITY, |last| stamp.saturating_sub(last) as f64);
        let is_early = since < EARLY * self.period;
        self.early = if is_early { self.early + 1 } else { 0 };
        let is_accepted = !is_early || self.accepted >= TRIAL;
        if is_accepted {
            self.last = Some(stamp);
            self.accepted = self.accepted.saturating_add(1);
        }
        if self.early >= ENOUGH {
            let origin = self.last.unwrap_or(stamp) + self.period as u64;
            self.grid = Some(Grid { origin, passed: 0 });
        }
        is_accepted
    }

    /// How many of `idle` requests may be queued now: all, or one for each tick.
    pub fn due(&mut self, idle: usize, now: u64) -> usize {
        let Some(grid) = &mut self.grid else { return idle };
        if idle == 0 || now < grid.tick(self.period) {
            return 0;
        }
        // Unused ticks are over: no burst makes up for them. The new tick is at least the next one, because a
        // quotient may come out slightly too low.
        grid.passed = (((now - grid.origin) as f64 / self.period) as u64).max(grid.passed) + 1;
        1
    }

    /// Microseconds until the next tick; `None` if there is nothing to wait for.
    pub fn wait(&self, idle: usize, now: u64) -> Option<u64> {
        let grid = self.grid.as_ref().filter(|_| idle > 0)?;
        Some(grid.tick(self.period).saturating_sub(now))
    }
}

impl Grid {
    fn tick(&self, period: f64) -> u64 {
        self.origin + (self.passed as f64 * period).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_with_its_own_clock_is_never_delayed() {
        let mut pacer = Pacer::new(30.0);
        for n in 0..1000_u64 {
            // Jitter of a quarter.
            assert!(pacer.accept(1_000_000 + n * 33_333 + n % 2 * 8_000));
            assert_eq!(pacer.due(3, 0), 3);
            assert_eq!(pacer.wait(3, 0), None);
        }
    }

    #[test]
    fn a_camera_without_a_clock_gets_a_request_a_tick() {
        let mut pacer = Pacer::new(30.0);
        let accepted: Vec<bool> = (0..6).map(|n| pacer.accept(n * 2000)).collect();
        assert_eq!(accepted, [true, false, false, false, false, false]);
        let mut now = 12_000;
        let mut queued = 0;
        while now < 30_000_000 {
            queued += pacer.due(4, now);
            now += pacer.wait(4, now).unwrap().max(1);
        }
        assert!((898..=900).contains(&queued), "{queued}");
        assert!(pacer.accept(33_400));
    }

    #[test]
    fn ticks_without_a_request_are_not_made_up_for() {
        let mut pacer = Pacer::new(10.0);
        for n in 0..4 {
            pacer.accept(n);
        }
        assert_eq!(pacer.due(0, 1_000_000), 0);
        assert_eq!(pacer.due(4, 1_000_000), 1);
        assert_eq!(pacer.due(3, 1_000_001), 0);
        assert_eq!(pacer.wait(3, 1_000_001), Some(99_999));
    }
}
