//! The trait of all detectors; each back end has its own file.

use std::time::Duration;

use super::detection::Detection;
use super::labels::Labels;
use super::region::RegionMode;
use super::region::plan::RegionShape;
use tallycam_base::Fault;
use tallycam_camera::media::SmallImage;

/// Finds objects in frames. A detector may remember earlier frames (a background model does), so frames come in
/// order. Lives on the detect thread.
pub trait Detector: Send {
    /// Name for the log and the page, such as `yolox_nano_320` or `motion`.
    fn name(&self) -> &str;

    /// The classes it tells apart; only `moving` if it tells none apart.
    fn labels(&self) -> &Labels;

    /// True if its classes say what objects are; false for a detector that only sees motion.
    fn has_classes(&self) -> bool {
        true
    }

    /// Least width and height in pixels to which a frame of `width` × `height` should be reduced. A larger image
    /// costs time, a smaller one accuracy. Never more than the frame itself.
    fn least_size(&self, width: u32, height: u32) -> (u32, u32);

    /// Counter options that suit its detections: scores, sizes, tracker thresholds.
    fn options(&self) -> super::CounterOptions;

    /// Clears `found` and fills it with the objects in `image`, in fractions of the frame. They are raw: the counter
    /// filters and suppresses.
    ///
    /// # Errors
    /// The detector failed on this frame; the next one may be tried.
    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault>;

    /// Duration of the last inference, if there is a network. The rest of a detection prepares the input and decodes
    /// the output.
    fn inference(&self) -> Option<Duration> {
        None
    }

    /// The region it gets unless the settings say otherwise.
    fn default_region(&self) -> RegionMode {
        RegionMode::Picture
    }

    /// True if a detection is so expensive that motion is checked first.
    fn waits_for_motion(&self) -> bool {
        false
    }

    /// Prepares for regions of this shape in frames of this size; may take seconds. Returns `false` if it cannot use
    /// them. Every detector can use the whole frame.
    fn set_region(&mut self, _mode: RegionMode, shape: RegionShape, _picture: (u32, u32)) -> bool {
        shape == RegionShape::Picture
    }

    /// A sentence for the user about what it sees, if a setting would help.
    fn advice(&self) -> Option<&'static str> {
        None
    }

    /// Forgets earlier frames, because the camera sees something else now.
    fn restart(&mut self) {}
}
