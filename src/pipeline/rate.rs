//! Measures and limits frame rates. Pure: times are microseconds of any clock.

/// Pictures per second over the last few seconds.
#[derive(Debug, Clone)]
pub struct RateMeter {
    times: [u64; RateMeter::WINDOW],
    count: u64,
}

impl Default for RateMeter {
    fn default() -> RateMeter {
        RateMeter { times: [0; RateMeter::WINDOW], count: 0 }
    }
}

impl RateMeter {
    /// Maximum number of measured pictures.
    const WINDOW: usize = 64;
    /// Maximum time span.
    const SPAN_US: u64 = 3_000_000;

    /// Records a picture at `now_us`.
    pub fn count(&mut self, now_us: u64) {
        self.times[(self.count % RateMeter::WINDOW as u64) as usize] = now_us;
        self.count += 1;
    }

    /// Pictures per second at `now_us`: over the last 3 s or 64 pictures, whichever is shorter. At least two pictures
    /// count, so that one picture in ten seconds reads 0.1 and not 0.
    pub fn per_second(&self, now_us: u64) -> f64 {
        let have = self.count.min(RateMeter::WINDOW as u64);
        if have < 2 {
            return 0.0;
        }
        let at = |back: u64| self.times[((self.count - 1 - back) % RateMeter::WINDOW as u64) as usize];
        let newest = at(0);
        let within =
            (2..have).take_while(|&b| newest.saturating_sub(at(b)) <= RateMeter::SPAN_US).count() as u64;
        let intervals = within + 1;
        let span = newest.saturating_sub(at(intervals));
        // An overdue picture counts as one that arrives now, so that the figure falls when pictures stop.
        let mean = span / intervals;
        let waited = now_us.saturating_sub(newest);
        let span = if waited > mean { span + waited - mean } else { span };
        if span == 0 { 0.0 } else { intervals as f64 * 1e6 / span as f64 }
    }
}

/// Usual interval between pictures.
#[derive(Debug, Clone, Default)]
pub struct Spacing {
    seen_us: Option<u64>,
    last_us: u64,
}

impl Spacing {
    /// Records a picture at `now_us`. Returns the longer one of the last two intervals, because a late picture is
    /// close to the next one. `None` for the first picture.
    pub fn record_picture(&mut self, now_us: u64) -> Option<u64> {
        let distance_us = now_us.saturating_sub(self.seen_us.replace(now_us)?);
        Some(distance_us.max(std::mem::replace(&mut self.last_us, distance_us)))
    }
}

/// Limits the rate of pictures, evenly and without drifting off the requested rate.
#[derive(Debug, Clone)]
pub struct RateLimit {
    step_us: f64,
    due_us: Option<f64>,
    spacing: Spacing,
}

impl RateLimit {
    /// At most `fps` (finite, > 0) pictures per second.
    pub fn new(fps: f64) -> RateLimit {
        RateLimit { step_us: 1e6 / fps, due_us: None, spacing: Spacing::default() }
    }

    /// True if a picture at `now_us` passes.
    ///
    /// A picture that is less than a quarter of a step early passes, too: cameras jitter, and all of 30 pictures must
    /// pass a limit of 30. It may be early by at most half the usual interval; otherwise the next picture is closer
    /// to the due time.
    pub fn accepts(&mut self, now_us: u64) -> bool {
        let now = now_us as f64;
        let due = self.due_us.unwrap_or(now);
        let half =
            self.spacing.record_picture(now_us).map_or(f64::INFINITY, |spacing_us| spacing_us as f64 / 2.0);
        if now < due - half.min(self.step_us / 4.0) {
            return false;
        }
        let next = due + self.step_us;
        self.due_us = Some(if next < now { now + self.step_us } else { next });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_pictures_are_measured_exactly() {
        let mut meter = RateMeter::default();
        assert_eq!(meter.per_second(0), 0.0);
        for n in 0..200 {
            meter.count(n * 40_000);
        }
        assert!((meter.per_second(199 * 40_000) - 25.0).abs() < 0.01);
    }

    #[test]
    fn slow_pictures_and_an_end_lower_the_rate() {
        let mut meter = RateMeter::default();
        for n in 0..3 {
            meter.count(n * 10_000_000);
        }
        assert!((meter.per_second(20_000_000) - 0.1).abs() < 1e-9);
        assert!(meter.per_second(60_000_000) < 0.05);
    }

    #[test]
    fn a_limit_at_the_cameras_own_rate_drops_nothing() {
        let mut limit = RateLimit::new(30.0);
        let jitter = [0, 3_000, -2_000, 4_000, -4_000];
        let passed =
            (0..300).filter(|&n| limit.accepts((1_000_000 + n * 33_333 + jitter[n as usize % 5]) as u64));
        assert_eq!(passed.count(), 300);
    }

    #[test]
    fn a_late_picture_does_not_delay_the_next_one() {
        let mut limit = RateLimit::new(30.0);
        let jitter = [0, 25_000, -5_000, 0];
        let passed =
            (0..300).filter(|&n| limit.accepts((1_000_000 + n * 33_333 + jitter[n as usize % 4]) as u64));
        assert_eq!(passed.count(), 300);
    }

    #[test]
    fn the_first_step_is_as_long_as_the_others() {
        for (camera_us, fps) in [(33_333, 5.0), (33_333, 1.0), (16_667, 10.0), (40_000, 5.0)] {
            let mut limit = RateLimit::new(fps);
            let passed: Vec<u64> =
                (0..200).map(|n| 7_000_000 + n * camera_us).filter(|&at| limit.accepts(at)).collect();
            for (n, at) in passed.iter().enumerate() {
                let due = 7e6 + n as f64 * 1e6 / fps;
                assert!((*at as f64 - due).abs() <= camera_us as f64 / 2.0, "{fps}: {n} at {at}");
            }
            assert!(passed.len() > 2);
        }
    }

    #[test]
    fn ten_of_thirty() {
        let mut limit = RateLimit::new(10.0);
        let passed = (0..300u64).filter(|&n| limit.accepts(n * 33_333)).count();
        assert!((99..=101).contains(&passed), "{passed}");
    }

    #[test]
    fn twenty_of_thirty() {
        let mut limit = RateLimit::new(20.0);
        let passed = (0..300u64).filter(|&n| limit.accepts(n * 33_333)).count();
        assert!((198..=202).contains(&passed), "{passed}");
    }
}
