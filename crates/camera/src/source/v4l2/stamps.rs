//! The times of frames: the driver's stamps, or the times of arrival for a driver whose stamps are wrong. Pure: times
//! are microseconds of `CLOCK_MONOTONIC`.

/// A frame may be at least this old when it arrives.
const LEAST_AGE_US: u64 = 100_000;
/// No frame that arrives is older.
const MOST_AGE_US: u64 = 1_000_000;
/// Wrong stamps after which no more are used.
const MOST_WRONG: u32 = 8;
/// Right stamps in a row that make up for a wrong one: a busy machine takes a frame late now and then.
const RIGHT: u32 = 32;

/// The stamps of one stream.
#[derive(Debug)]
pub(crate) struct Stamps {
    /// Time between frames as the driver says; 0 if unknown.
    interval_us: u64,
    arrived_us: Option<u64>,
    last_us: u64,
    /// Age of the last frame with a right stamp.
    age_us: u64,
    right: u32,
    wrong: u32,
}

impl Stamps {
    /// For a driver that says `fps`.
    pub(crate) fn new(fps: Option<f64>) -> Stamps {
        let interval_us = fps.map_or(0, |fps| (1e6 / fps) as u64);
        Stamps { interval_us, arrived_us: None, last_us: 0, age_us: 0, right: 0, wrong: 0 }
    }

    /// True if a frame with this stamp is so new at `now_us` that there cannot be a newer one.
    pub(crate) fn is_fresh(&self, stamp_us: u64, now_us: u64) -> bool {
        self.wrong == 0 && now_us.checked_sub(stamp_us).is_some_and(|age_us| 2 * age_us < self.interval_us)
    }

    /// The time of the frame that has this stamp and arrived at `now_us`. Always later than the last one.
    ///
    /// A stamp is right if it rises and is not in the future, and if the frame is at most two frames old.
    pub(crate) fn record_frame(&mut self, stamp_us: u64, now_us: u64) -> u64 {
        let step_us = self.arrived_us.replace(now_us).map_or(0, |before| now_us - before);
        let limit_us = (2 * self.interval_us.max(step_us)).clamp(LEAST_AGE_US, MOST_AGE_US);
        let age_us =
            now_us.checked_sub(stamp_us).filter(|age_us| *age_us <= limit_us && stamp_us > self.last_us);
        match age_us {
            _ if self.wrong >= MOST_WRONG => self.age_us = 0,
            Some(age_us) => {
                self.age_us = age_us;
                self.right += 1;
                if self.right.is_multiple_of(RIGHT) {
                    self.wrong = self.wrong.saturating_sub(1);
                }
            }
            None => {
                self.wrong += 1;
                self.right = 0;
            }
        }
        self.last_us = (now_us - self.age_us.min(now_us)).max(self.last_us + 1);
        self.last_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times given to frames that arrive ten times a second, less the times of arrival, in ms.
    fn delays(stamp: impl Fn(u64, u64) -> u64) -> Vec<i64> {
        let mut stamps = Stamps::new(Some(10.0));
        let one = |n: u64| {
            let now_us = 60_000_000 + n * 100_000;
            stamps.record_frame(stamp(n, now_us), now_us).cast_signed() - now_us.cast_signed()
        };
        (0..100).map(one).map(|us| us / 1000).collect()
    }

    #[test]
    fn right_stamps_are_used() {
        assert!(delays(|_, now| now - 30_000).iter().all(|&ms| ms == -30));
        // One frame in fifty is taken late.
        let late = delays(|n, now| now - if n % 50 == 49 { 700_000 } else { 30_000 });
        assert!(late.iter().all(|&ms| ms == -30), "{late:?}");
    }

    #[test]
    fn wrong_stamps_are_replaced_by_the_time_of_arrival() {
        type Stamp = fn(u64, u64) -> u64;
        let wrong: [(&str, Stamp); 7] = [
            ("none", |_, _| 0),
            ("of another clock", |_, now| now + 1_700_000_000_000_000),
            ("standing still", |_, _| 60_000_000),
            ("late", |_, now| now - 3_000_000),
            ("ahead", |_, now| now + 2_000_000),
            ("jumping", |n, now| if n % 40 < 10 { now - 4_000_000 } else { now }),
            ("at half the speed", |_, now| 60_000_000 + (now - 60_000_000) / 2),
        ];
        for (name, stamp) in wrong {
            let delays = delays(stamp);
            // Up to two frames, until it is found out.
            assert!(delays.iter().all(|ms| (-200..=0).contains(ms)), "{name}: {delays:?}");
            assert!(delays[20..].iter().all(|&ms| ms == 0), "{name}: {delays:?}");
        }
    }

    #[test]
    fn a_fresh_frame_is_known_by_its_stamp() {
        let mut stamps = Stamps::new(Some(10.0));
        assert!(stamps.is_fresh(1_000_000, 1_049_000));
        assert!(!stamps.is_fresh(1_000_000, 1_051_000));
        assert!(!stamps.is_fresh(1_000_001, 1_000_000));
        assert!(!Stamps::new(None).is_fresh(1_000_000, 1_000_000));
        stamps.record_frame(9, 5_000_000);
        assert!(!stamps.is_fresh(1_000_000, 1_049_000), "a stamp was wrong");
    }
}
