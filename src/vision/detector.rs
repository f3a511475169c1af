//! Whatever finds things in a picture: one trait, a back end a file.

use std::time::Duration;

use super::detection::Detection;
use super::labels::Labels;
use super::region::RegionMode;
use super::region::plan::RegionShape;
use crate::base::Fault;
use crate::media::SmallImage;

/// Finds things in pictures. It may remember the pictures before (a background model does), so it
/// is given them in order. Lives on the detect thread.
pub trait Detector: Send {
    /// What it is, for the log and the page: `yolox_nano_320`, `motion`.
    fn name(&self) -> &str;

    /// The classes it tells apart. One that tells none apart has one label, `moving`.
    fn labels(&self) -> &Labels;

    /// Whether its classes mean what things are; `false` for one that only sees that something
    /// moves.
    fn has_classes(&self) -> bool {
        true
    }

    /// The least width and height, in pixels, that a picture of `width` × `height` should be reduced
    /// to for it; reducing it less costs time, reducing it more costs accuracy. Never more than the
    /// picture itself.
    fn least_size(&self, width: u32, height: u32) -> (u32, u32);

    /// What a counter should make of its detections: scores, sizes, tracker thresholds.
    fn options(&self) -> super::CounterOptions;

    /// Looks at `image` and leaves in `found` (which is cleared first) what is in it, in fractions
    /// of the picture, raw: the counter filters and suppresses.
    ///
    /// # Errors
    /// It failed on this picture; the next may be tried.
    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault>;

    /// How long the network itself took of the last detection, if there is one; the rest of it made the picture into
    /// numbers and the numbers into detections.
    fn inference(&self) -> Option<Duration> {
        None
    }

    /// The region that it gets unless the settings say otherwise.
    fn default_region(&self) -> RegionMode {
        RegionMode::Picture
    }

    /// Whether a detection costs so much that it is worth asking first whether anything moves.
    fn waits_for_motion(&self) -> bool {
        false
    }

    /// Gets ready for regions of this shape in pictures of this width and height; may take seconds. `false`: it cannot
    /// use them. Every detector can use the whole picture.
    fn set_region(&mut self, _mode: RegionMode, shape: RegionShape, _picture: (u32, u32)) -> bool {
        shape == RegionShape::Picture
    }

    /// Forgets what it remembers of earlier pictures: the camera sees something else now.
    fn restart(&mut self) {}
}
