//! Finds moving objects without a model: background, foreground, connected regions, and the same regions from
//! detection to detection.
//!
//! ```text
//! colours ─► background ─► foreground ─► regions ─► movers ─► boxes
//! ```
//!
//! It sees *that* something moves, not what it is. Two objects that hide each other are one region. Both are carried
//! on at their velocity until they part, which is right if neither stops or turns meanwhile. An object that enters
//! hidden behind another is not seen.
//!
//! A detection on a frame of a known size allocates nothing, except when there are more movers than ever before.

mod background;
mod change;
mod gate;
mod movers;
mod regions;

use super::detection::{Class, Detection};
use super::detector::Detector;
use super::geometry::Bounds;
use super::labels::Labels;
use super::tracker::TrackerOptions;
use super::{CounterOptions, Hysteresis};
use tallycam_base::Fault;
use tallycam_camera::media::SmallImage;

use change::ChangeFinder;
pub use gate::MotionGate;
use movers::MotionTracks;

/// Sufficient pixels a row: a person across a street is then about ten pixels wide.
const ENOUGH: u32 = 320;
/// The user is told of spots that were seen for so long within about this time. Seconds.
const MANY_SPOTS_S: f32 = 15.0;
const SPOTS_WITHIN_S: f32 = 60.0;
/// Nothing is reported for this time after a start: moving objects are still in the background. Seconds.
const SETTLING_S: f32 = 0.5;

/// Detects moving objects; see the module.
#[derive(Debug)]
pub struct MotionDetector {
    labels: Labels,
    change: ChangeFinder,
    movers: MotionTracks,
    /// Seconds with spots in the dark, of the last minute or so.
    spots_s: f32,
}

impl MotionDetector {
    /// A detector that has seen nothing yet.
    pub fn new() -> MotionDetector {
        let labels = Labels::new(["moving"]);
        MotionDetector {
            labels,
            change: ChangeFinder::default(),
            movers: MotionTracks::default(),
            spots_s: 0.0,
        }
    }
}

impl Default for MotionDetector {
    fn default() -> MotionDetector {
        MotionDetector::new()
    }
}

impl Detector for MotionDetector {
    fn name(&self) -> &str {
        "motion"
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn has_classes(&self) -> bool {
        false
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        ChangeFinder::least_size((width, height), ENOUGH)
    }

    /// Suppresses nothing: the boxes are of movers already told apart, and one may hide another.
    fn options(&self) -> CounterOptions {
        CounterOptions {
            most_iou: 1.0,
            tracker: TrackerOptions {
                most_covered: 1.0,
                confirm_after: 4,
                confirm_age: 0.4,
                ..TrackerOptions::default()
            },
            hysteresis: Hysteresis::default(),
            ..CounterOptions::default()
        }
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        let seconds = self.change.measure(image, 1.0);
        if self.change.settled_s() == 0.0 {
            self.movers.clear();
        }
        if self.change.settled_s() < SETTLING_S {
            return Ok(());
        }
        let (width, height) = (image.width as f32, image.height as f32);
        let is_dark = self.change.is_dark();
        self.movers.update(self.change.regions(is_dark), (width, height), seconds, is_dark);
        let has_spots = self.movers.has_insects();
        self.spots_s += if has_spots { seconds } else { 0.0 };
        self.spots_s -= self.spots_s * (seconds / SPOTS_WITHIN_S).min(1.0);
        found.extend(self.movers.visible_boxes().map(|b| Detection {
            class: Class(0),
            score: 0.9,
            bounds: Bounds::new(b.left / width, b.top / height, b.right / width, b.bottom / height),
        }));
        Ok(())
    }

    fn advice(&self) -> Option<&'static str> {
        (self.spots_s >= MANY_SPOTS_S).then_some(
            "Small bright spots move in the dark, perhaps insects before an infrared lamp: they are not counted. If \
             larger ones are, set `detect.least_height`, and put the lamp away from the camera.",
        )
    }

    fn restart(&mut self) {
        self.change.restart();
        self.movers.clear();
    }
}

#[cfg(test)]
mod tests;
