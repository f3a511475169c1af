//! Finds a camera that sends fewer frames than it promises, as cameras do in dim light. Pure.

use std::time::{Duration, Instant};

use tallycam_camera::media::Control;

/// Time over which frames are counted.
const SPAN: Duration = Duration::from_secs(5);
/// A camera is slow below this share of the promised frames, and well again above the other.
const SLOW: f64 = 0.6;
const WELL: f64 = 0.85;
/// A larger change of the slow pace replaces the note.
const CHANGED: f64 = 0.3;
/// Beginning of the note, by which it is found again.
const BEGINS: &str = "The camera sends ";

/// The frames of an open camera.
#[derive(Debug)]
pub struct SensorPace {
    promised: f64,
    since: Instant,
    frames: u64,
    /// Frames a second when the camera was last found to be slow.
    slow: Option<f64>,
}

impl SensorPace {
    /// For a camera that promises `fps`, from `now` on.
    pub fn new(fps: f64, now: Instant) -> SensorPace {
        SensorPace { promised: fps, since: now, frames: 0, slow: None }
    }

    /// Records a frame and the `lost` ones before it, which the camera sent as well. Returns the frames a second when
    /// the camera gets slow or its slow pace changes, and `Some(None)` when it is well again.
    pub fn record_frame(&mut self, lost: u64, now: Instant) -> Option<Option<f64>> {
        self.frames += 1 + lost;
        let span = now.saturating_duration_since(self.since);
        if span < SPAN {
            return None;
        }
        let fps = self.frames as f64 / span.as_secs_f64();
        (self.since, self.frames) = (now, 0);
        let share = fps / self.promised;
        let slow = match self.slow {
            Some(before) if share <= WELL && (fps / before - 1.0).abs() > CHANGED => Some(fps),
            None if share < SLOW => Some(fps),
            Some(_) if share > WELL => None,
            _ => return None,
        };
        self.slow = slow;
        Some(slow)
    }

    /// Replaces the note on the pace in `notes`: a camera that sends `fps` and has these `controls`, or is well again.
    pub fn note(&self, notes: &mut Vec<String>, fps: Option<f64>, controls: &[Control]) {
        notes.retain(|note| !note.starts_with(BEGINS));
        let Some(fps) = fps else { return };
        let rules_pace = |control: &&Control| {
            control.value != 0.0
                && ["dynamic_framerate", "auto_priority"].iter().any(|name| control.name.contains(name))
        };
        let control = controls.iter().find(rules_pace).map_or_else(String::new, |control| {
            format!(", or set its control {} to 0, which makes the picture darker", control.name)
        });
        notes.push(format!(
            "{BEGINS}{fps:.0} of {:.0} frames a second. Most cameras expose longer in dim light: add light{control}.",
            self.promised
        ));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slow_camera_is_found_and_released() {
        let start = Instant::now();
        let mut pace = SensorPace::new(30.0, start);
        let mut ms = 0;
        let mut run = |pace: &mut SensorPace, seconds: u64, step: u64, lost: u64| {
            let all: Vec<_> = (0..seconds * 1000 / step)
                .filter_map(|_| {
                    ms += step;
                    pace.record_frame(lost, start + Duration::from_millis(ms))
                })
                .collect();
            all
        };
        assert!(run(&mut pace, 20, 33, 0).is_empty());
        // A busy machine takes one frame of six.
        assert!(run(&mut pace, 20, 200, 5).is_empty());
        assert!(matches!(run(&mut pace, 40, 200, 0)[..], [Some(fps)] if (4.0..6.0).contains(&fps)));
        assert!(matches!(run(&mut pace, 40, 500, 0)[..], [Some(fps)] if (1.0..3.0).contains(&fps)));
        let mut notes = vec![String::from("other")];
        pace.note(&mut notes, Some(5.04), &[]);
        pace.note(&mut notes, Some(5.04), &[]);
        assert!(notes[1].starts_with("The camera sends 5 of 30 frames a second."), "{notes:?}");
        assert!(matches!(run(&mut pace, 20, 33, 0)[..], [.., None]));
        pace.note(&mut notes, None, &[]);
        assert_eq!(notes, ["other"]);
    }
}
