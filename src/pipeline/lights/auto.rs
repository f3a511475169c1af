//! When the light goes on and off by itself, from how bright the picture is. Pure: times come in as microseconds of any
//! clock, measurements about once a second.
//!
//! It goes on after [`DARK`] measurements in a row below the limit. From then on the picture shows its own light, so
//! the limit says nothing; and a camera that adjusts its exposure makes day and lamp look alike. So it goes off only on
//! trial, and stays off only where the picture is bright enough *without* it: a trial is due when the picture has
//! become brighter than the light alone had made it (by a quarter of the limit, at least 8, [`BRIGHT`] times in a row),
//! or after 15 minutes. A trial that finds it dark takes two seconds, and the next one by time comes after twice as
//! long, up to four hours.

/// So many measurements below the limit, one after the other, switch it on; so many above it in a trial leave it off.
const DARK: u32 = 3;

/// So many that are brighter than the light alone call for a trial.
const BRIGHT: u32 = 5;

/// So many after it went on are passed over: the camera adjusts.
const ADJUSTS: u32 = 5;

/// A trial comes after so long at first, microseconds, and after so long at most.
const FIRST_TRIAL_US: u64 = 15 * 60 * 1_000_000;
const LAST_TRIAL_US: u64 = 4 * 3600 * 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum AutoLightPhase {
    /// Off; so many measurements were dark, one after the other.
    Off { dark: u32 },
    /// Off, to see whether it is bright enough without; so many measurements, of which so many were bright.
    Trial { seen: u32, bright: u32 },
    /// On for so many measurements; the darkest with its light; how many were brighter, one after the other.
    On { seen: u32, lit: f64, brighter: u32 },
}

/// Whether it is dark.
#[derive(Debug, Clone, PartialEq)]
pub struct Auto {
    below: f64,
    phase: AutoLightPhase,
    on_since_us: u64,
    trial_after_us: u64,
}

impl Auto {
    /// Goes on below this mean luma, 0–255.
    pub fn with_threshold(below: f64) -> Auto {
        Auto { below, phase: AutoLightPhase::Off { dark: 0 }, on_since_us: 0, trial_after_us: FIRST_TRIAL_US }
    }

    pub fn limit(&self) -> f64 {
        self.below
    }

    /// Whether the light is to be on.
    pub fn is_on(&self) -> bool {
        matches!(self.phase, AutoLightPhase::On { .. })
    }

    /// Nobody looks, or another light shines: off, and it begins again.
    pub fn reset(&mut self) {
        *self = Auto::with_threshold(self.below);
    }

    /// The picture's mean luma at `now_us`; tells whether the light is to be on.
    pub fn record_luma(&mut self, now_us: u64, luma: f64) -> bool {
        let is_dark = luma < self.below;
        self.phase = match self.phase {
            AutoLightPhase::Off { dark } if is_dark && dark + 1 >= DARK => self.next_phase(now_us),
            AutoLightPhase::Off { dark } => AutoLightPhase::Off { dark: if is_dark { dark + 1 } else { 0 } },
            // The camera adjusts first.
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

    /// A room: its own light, what the lamp adds, and a camera that may adjust its exposure.
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
                // Exposure makes everything that has enough light look alike.
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
    fn it_goes_on_in_the_dark_and_its_own_light_does_not_switch_it_off() {
        for adjusts in [false, true] {
            let mut room = Room::new(60.0, 150.0, adjusts);
            room.seconds(2, 20.0);
            assert!(!room.is_on(), "two measurements are none");
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
    fn daylight_switches_it_off_soon_where_it_is_seen() {
        let mut room = Room::new(60.0, 100.0, false);
        room.seconds(60, 20.0);
        assert!(room.is_on());
        room.seconds(10, 120.0);
        assert!(!room.is_on(), "{:?}", room.switched);
        room.seconds(3600, 120.0);
        assert_eq!(room.switched.len(), 2, "{:?}", room.switched);
    }

    #[test]
    fn daylight_switches_it_off_in_a_quarter_of_an_hour_where_the_camera_hides_it() {
        let mut room = Room::new(60.0, 100.0, true);
        room.seconds(60, 20.0);
        assert!(room.is_on());
        room.seconds(15 * 60 + 5, 120.0);
        assert!(!room.is_on());
        room.seconds(3600, 120.0);
        assert_eq!(room.switched.len(), 2, "{:?}", room.switched);
    }

    #[test]
    fn a_flicker_is_no_dark() {
        let mut room = Room::new(60.0, 100.0, false);
        for _ in 0..100 {
            room.seconds(2, 20.0);
            room.seconds(1, 80.0);
        }
        assert!(room.switched.is_empty());
    }

    #[test]
    fn what_is_forgotten_begins_again() {
        let mut room = Room::new(60.0, 100.0, false);
        room.seconds(3, 20.0);
        room.auto.reset();
        assert!(!room.is_on() && room.auto == Auto::with_threshold(60.0));
    }
}
