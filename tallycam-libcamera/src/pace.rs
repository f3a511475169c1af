//! The frame rate, where the camera does not hold it by itself.
//!
//! A camera with a clock of its own is not delayed: whatever it gives is passed on. One whose frames come clearly faster than
//! asked (libcamera's virtual cameras, a webcam that has no such rate) gets one request a tick of an absolute grid instead.

/// Of a period. A frame that comes sooner after the one before is early.
const EARLY: f64 = 0.75;
/// So many early ones in succession, and the rate is held.
const ENOUGH: u32 = 3;
/// So many frames at first, early ones are not passed on: a camera without a clock would begin with a burst. After these it
/// has one, and its frames are passed on as they come.
const TRIAL: u32 = 30;

/// Times are in microseconds of one clock.
pub struct Pacer {
    period: f64,
    last: Option<u64>,
    accepted: u32,
    early: u32,
    grid: Option<Grid>,
}

struct Grid {
    origin: u64,
    /// Ticks that have passed.
    passed: u64,
}

impl Pacer {
    pub fn new(fps: f64) -> Pacer {
        Pacer { period: 1e6 / fps, last: None, accepted: 0, early: 0, grid: None }
    }

    /// Whether a frame of this time is to be passed on.
    pub fn accept(&mut self, stamp: u64) -> bool {
        if let Some(grid) = &self.grid {
            // What was queued before the rate was held comes at once, all of it.
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

    /// How many of `idle` requests may be queued now: all, or one a tick.
    pub fn due(&mut self, idle: usize, now: u64) -> usize {
        let Some(grid) = &mut self.grid else { return idle };
        if idle == 0 || now < grid.tick(self.period) {
            return 0;
        }
        // Ticks that nobody could use are over: no burst makes up for them.
        // At least this one: a quotient may come out just below the number that it is.
        grid.passed = (((now - grid.origin) as f64 / self.period) as u64).max(grid.passed) + 1;
        1
    }

    /// Microseconds until the next tick; `None` where there is none to wait for.
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
    fn a_camera_with_a_clock_of_its_own_is_never_held() {
        let mut pacer = Pacer::new(30.0);
        for n in 0..1000_u64 {
            // Jitter of a quarter.
            assert!(pacer.accept(1_000_000 + n * 33_333 + n % 2 * 8_000));
            assert_eq!(pacer.due(3, 0), 3);
            assert_eq!(pacer.wait(3, 0), None);
        }
    }

    #[test]
    fn one_without_gets_a_request_a_tick() {
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
