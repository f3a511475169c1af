//! Finds what moves, with no model at all: a background, what differs from it, what of that hangs
//! together, and what of that goes on from look to look.
//!
//! ```text
//! colours ─► background ─► foreground ─► regions ─► movers ─► boxes
//! ```
//!
//! It sees *that* something moves there, not what it is. Two who hide one another are one region; they
//! are carried on as they went until they part, which is right if neither stops or turns meanwhile. Who
//! comes in hidden by another from the first is not seen.
//!
//! A look at a picture of a size seen before takes no memory, save for more movers than ever before.

mod background;
mod gate;
mod movers;
mod regions;

use super::detection::{Class, Detection};
use super::detector::{DetectError, Detector};
use super::geometry::Bounds;
use super::labels::Labels;
use super::tracker::TrackerOptions;
use super::{CounterOptions, Hysteresis};
use crate::media::SmallImage;

use background::{Background, Colour};
pub use gate::MotionGate;
use movers::Movers;
use regions::Regions;

/// Pixels a row that are enough: somebody across a street is some ten pixels wide then.
const ENOUGH: u32 = 320;
/// For so long after a beginning nothing is said: what moves is in the background still. Seconds.
const SETTLING_S: f32 = 0.5;
/// A pause longer than this is a restart: everybody is elsewhere. Seconds.
const LONGEST_PAUSE_S: f32 = 5.0;

/// Sees what moves. See the module.
#[derive(Debug)]
pub struct MotionDetector {
    labels: Labels,
    background: Background,
    regions: Regions,
    movers: Movers,
    colours: Vec<Colour>,
    foreground: Vec<u8>,
    size: (usize, usize),
    newest_us: Option<u64>,
    settled: f32,
}

impl MotionDetector {
    /// A detector that has seen nothing yet.
    pub fn new() -> MotionDetector {
        MotionDetector {
            labels: Labels::new(["moving"]),
            background: Background::default(),
            regions: Regions::default(),
            movers: Movers::default(),
            colours: Vec::new(),
            foreground: Vec::new(),
            size: (0, 0),
            newest_us: None,
            settled: 0.0,
        }
    }
}

/// Luma and chroma of every pixel side by side.
fn colours_of(image: &SmallImage, to: &mut Vec<Colour>) {
    to.resize(image.y.len(), [0; 3]);
    if image.chroma_width == 0 {
        for (colour, &y) in to.iter_mut().zip(&image.y) {
            *colour = [y, 128, 128];
        }
        return;
    }
    let down = if image.chroma_height < image.height { 2 } else { 1 };
    let across = if image.chroma_width < image.width { 2 } else { 1 };
    let rows = to.chunks_exact_mut(image.width).zip(image.y.chunks_exact(image.width));
    for (row, (colours, luma)) in rows.enumerate() {
        let line = (row / down).min(image.chroma_height.saturating_sub(1));
        let chroma = line * image.chroma_width..(line + 1) * image.chroma_width;
        let (u, v) = (&image.u[chroma.clone()], &image.v[chroma]);
        if across == 2 {
            for ((colours, luma), (&u, &v)) in colours.chunks_mut(2).zip(luma.chunks(2)).zip(u.iter().zip(v))
            {
                for (colour, &y) in colours.iter_mut().zip(luma) {
                    *colour = [y, u, v];
                }
            }
        } else {
            for ((colour, &y), (&u, &v)) in colours.iter_mut().zip(luma).zip(u.iter().zip(v)) {
                *colour = [y, u, v];
            }
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

    fn tells_classes(&self) -> bool {
        false
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        let wide = width.min(ENOUGH);
        (wide, (u64::from(height) * u64::from(wide) / u64::from(width.max(1))) as u32)
    }

    /// Boxes are of movers told apart already, and one of them may hide another: nothing is
    /// suppressed.
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

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), DetectError> {
        found.clear();
        let now_us = image.stamp.monotonic_us;
        let before_us = self.newest_us.replace(now_us).unwrap_or(now_us);
        let seconds = now_us.saturating_sub(before_us) as f32 / 1e6;
        if self.size != (image.width, image.height) || seconds > LONGEST_PAUSE_S {
            self.restart();
            self.newest_us = Some(now_us);
            self.size = (image.width, image.height);
        }
        let seconds = seconds.clamp(0.001, LONGEST_PAUSE_S);
        colours_of(image, &mut self.colours);
        if !self.background.look(&self.colours, seconds, &mut self.foreground) {
            self.movers.forget();
            self.settled = 0.0;
            return Ok(());
        }
        self.settled += seconds;
        if self.settled < SETTLING_S {
            return Ok(());
        }
        self.regions.find(&mut self.foreground, image.width);
        let (width, height) = (image.width as f32, image.height as f32);
        self.movers.look(&self.regions.found, (width, height), seconds);
        found.extend(self.movers.seen().map(|b| Detection {
            class: Class(0),
            score: 0.9,
            bounds: Bounds::new(b.left / width, b.top / height, b.right / width, b.bottom / height),
        }));
        Ok(())
    }

    fn restart(&mut self) {
        self.background.restart();
        self.movers.forget();
        self.newest_us = None;
        self.settled = 0.0;
    }
}

#[cfg(test)]
mod tests;
