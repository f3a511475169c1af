//! Switches the light by the brightness of the picture. Pure: times are microseconds of any clock, with a measurement
//! about once a second.
//!
//! The light goes on after [`DARK`] consecutive measurements below the limit. From then on the picture includes the
//! light, so the limit is no guide, and a camera that adjusts its exposure makes daylight and lamp look alike. The
//! light therefore goes off only for a trial, and stays off if the picture is bright enough *without* it.
//!
//! A trial starts when the picture is brighter than with the light alone: by a quarter of the limit, at least 8,
//! [`BRIGHT`] times in a row. It also starts after 15 minutes. A trial that finds it dark takes two seconds, and
//! doubles the time to the next one, up to four hours.

/// Number of consecutive dark measurements that switch the light on, and of bright ones in a trial that leave it off.
const DARK: u32 = 3;

/// Number of consecutive brighter measurements that start a trial.
const BRIGHT: u32 = 5;

/// Number of measurements to skip after switching on, while the camera adjusts.
const ADJUSTS: u32 = 5;

/// Initial and maximum time until a trial, microseconds.
const FIRST_TRIAL_US: u64 = 15 * 60 * 1_000_000;
const LAST_TRIAL_US: u64 = 4 * 3600 * 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum AutoLightPhase {
    /// Off; number of consecutive dark measurements.
    Off { dark: u32 },
    /// Off for a trial; number of measurements, and of bright ones.
    Trial { seen: u32, bright: u32 },
    /// On; number of measurements, the darkest value with the light, and the number of consecutive brighter ones.
    On { seen: u32, lit: f64, brighter: u32 },
}

/// Automatic switching of the light.
#[derive(Debug, Clone, PartialEq)]
pub struct Auto {
    below: f64,
    phase: AutoLightPhase,
    on_since_us: u64,
    trial_after_us: u64,
}

impl Auto {
    /// Switches on below this mean luma, 0–255.
    pub fn with_threshold(below: f64) -> Auto {
        Auto { below, phase: AutoLightPhase::Off { dark: 0 }, on_since_us: 0, trial_after_us: FIRST_TRIAL_US }
    }

    pub fn limit(&self) -> f64 {
        self.below
    }

    /// True if the light must be on.
    pub fn is_on(&self) -> bool {
        matches!(self.phase, AutoLightPhase::On { .. })
    }

    /// Starts again with the light off, because nobody watches or another light is on.
    pub fn reset(&mut self) {
        *self = Auto::with_threshold(self.below);
    }

    /// Records the picture's mean luma at `now_us`. Returns true if the light must be on.
    pub fn record_luma(&mut self, now_us: u64, luma: f64) -> bool {
        let is_dark = luma < self.below;
        self.phase = match self.phase {
            AutoLightPhase::Off { dark } if is_dark && dark + 1 >= DARK => self.next_phase(now_us),
            AutoLightPhase::Off { dark } => AutoLightPhase::Off { dark: if is_dark { dark + 1 } else { 0 } },
            // The first measurement is skipped while the camera adjusts.
            AutoLightPhase::Trial { seen: 0, bright } => AutoLightPhase::Trial { seen: 1, bright },
            AutoLightPhase::Trial { .. } if is_dark => {
                self.trial_after_us = (self.trial_after_us * 2).min(LAST_TRIAL_US);
                self.next_phase(now_us)
            }
            AutoLightPhase::Trial { bright, .. } if bright + 1 >= DARK => {
                self.trial_after_us = FIRST_TRIAL_US;
                AutoLightPhase::Off { dark: 0 }
            }
            AutoLightPhase::Trial { seen, bright } => {
                AutoLightPhase::Trial { seen: seen + 1, bright: bright + 1 }
            }
            AutoLightPhase::On { seen, .. } if seen < ADJUSTS => {
                AutoLightPhase::On { seen: seen + 1, lit: luma, brighter: 0 }
            }
            AutoLightPhase::On { seen, lit, brighter } => {
                let lit = lit.min(luma);
                let brighter = if luma >= lit + (self.below / 4.0).max(8.0) { brighter + 1 } else { 0 };
                if brighter >= BRIGHT || now_us.saturating_sub(self.on_since_us) >= self.trial_after_us {
                    AutoLightPhase::Trial { seen: 0, bright: 0 }
                } else {
                    AutoLightPhase::On { seen, lit, brighter }
                }
            }
        };
        self.is_on()
    }

    fn next_phase(&mut self, now_us: u64) -> AutoLightPhase {
        self.on_since_us = now_us;
        AutoLightPhase::On { seen: 0, lit: 255.0, brighter: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A room with daylight, a lamp, and a camera that may adjust its exposure.
    struct Room {
        auto: Auto,
        now_s: u64,
        lamp: f64,
        adjusts: bool,
        switched: Vec<(u64, bool)>,
    }

    impl Room {
        fn new(below: f64, lamp: f64, adjusts: bool) -> Room {
            Room { auto: Auto::with_threshold(below), now_s: 0, lamp, adjusts, switched: Vec::new() }
        }

        fn seconds(&mut self, many: u64, daylight: f64) {
            for _ in 0..many {
                let was_on = self.auto.is_on();
                let light = daylight + if was_on { self.lamp } else { 0.0 };
                // Exposure makes all scenes with enough light look alike.
                let luma = if self.adjusts && light > 60.0 { 110.0 } else { light.min(255.0) };
                if self.auto.record_luma(self.now_s * 1_000_000, luma) != was_on {
                    self.switched.push((self.now_s, !was_on));
                }
                self.now_s += 1;
            }
        }

        fn is_on(&self) -> bool {
            self.auto.is_on()
        }
    }

    #[test]
    fn it_goes_on_in_the_dark_and_its_own_light_keeps_it_on() {
        for adjusts in [false, true] {
            let mut room = Room::new(60.0, 150.0, adjusts);
            room.seconds(2, 20.0);
            assert!(!room.is_on(), "two measurements are not enough");
            room.seconds(1, 20.0);
            assert!(room.is_on());
            // A night of twelve hours: trials of two seconds, ever rarer.
            room.seconds(12 * 3600, 20.0);
            assert!(room.is_on());
            let offs: Vec<u64> = room.switched.iter().filter(|(_, on)| !on).map(|(at, _)| *at).collect();
            assert_eq!(offs.len(), 6, "{offs:?}");
            assert!(offs.windows(2).all(|pair| pair[1] - pair[0] >= 1800), "{offs:?}");
            let dark = room.switched.windows(2).filter(|pair| !pair[0].1).map(|pair| pair[1].0 - pair[0].0);
            assert!(dark.max() <= Some(2), "{:?}", room.switched);
        }
    }

    #[test]
    fn visible_daylight_switches_it_off_soon() {
        let mut room = Room::new(60.0, 100.0, false);
        room.seconds(60, 20.0);
        assert!(room.is_on());
        room.seconds(10, 120.0);
        assert!(!room.is_on(), "{:?}", room.switched);
        room.seconds(3600, 120.0);
        assert_eq!(room.switched.len(), 2, "{:?}", room.switched);
    }

    #[test]
    fn hidden_daylight_switches_it_off_within_a_quarter_of_an_hour() {
        let mut room = Room::new(60.0, 100.0, true);
        room.seconds(60, 20.0);
        assert!(room.is_on());
        room.seconds(15 * 60 + 5, 120.0);
        assert!(!room.is_on());
        room.seconds(3600, 120.0);
        assert_eq!(room.switched.len(), 2, "{:?}", room.switched);
    }

    #[test]
    fn a_flicker_does_not_count_as_dark() {
        let mut room = Room::new(60.0, 100.0, false);
        for _ in 0..100 {
            room.seconds(2, 20.0);
            room.seconds(1, 80.0);
        }
        assert!(room.switched.is_empty());
    }

    #[test]
    fn a_reset_starts_again() {
        let mut room = Room::new(60.0, 100.0, false);
        room.seconds(3, 20.0);
        room.auto.reset();
        assert!(!room.is_on() && room.auto == Auto::with_threshold(60.0));
    }
}
