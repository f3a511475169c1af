//! Settings of counting, and the maker of detectors.

use tallycam_base::Fault;
use tallycam_store::Scene;
use tallycam_vision::{Detector, Filter, RegionMode};

/// Key in counts.db of the model chosen on the page.
pub const MODEL_SETTING: &str = "detect.model";

/// A detector with its description.
pub struct LoadedDetector {
    /// The detector.
    pub detector: Box<dyn Detector>,
    /// `onnx`, `motion` or `replay`.
    pub backend: &'static str,
    /// Deviations from the configuration, in sentences: for example, a model was not found.
    pub notes: Vec<String>,
}

/// Makes a detector for a scene and the model chosen on the page (its name), if any. May take seconds. Runs on the
/// detect thread.
/// Its faults are of the kind [`tallycam_base::FaultKind::Wrong`].
pub type MakeDetector = Box<dyn FnMut(Scene, Option<&str>) -> Result<LoadedDetector, Fault> + Send>;

/// Settings of counting.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingSettings {
    /// Counting is possible; false for `[detect] backend = "none"`.
    pub is_on: bool,
    /// Maximum detections per second; `None` means 5 with a model, 15 with motion.
    pub fps: Option<f64>,
    /// Counted classes, by name; all if empty.
    pub classes: Vec<String>,
    /// Minimum confidence that starts a track; `None` means the model's own.
    pub score: Option<f32>,
    /// The part of the picture for the detector; `None` means what suits the model.
    pub region: Option<RegionMode>,
    /// Minimum and maximum height, and excluded areas. Nothing else of the filter is used.
    pub filter: Filter,
    /// Scene of the source, unless it reports that it is simulated.
    pub scene: Scene,
    /// The simulation may stand in for the camera. The first open of the source shows which of the two it is.
    pub may_be_simulated: bool,
    /// Store a thumbnail of each crossing.
    pub thumbnails: bool,
    /// Make a movement map.
    pub movement_map: bool,
    /// No image is stored or served.
    pub counts_only: bool,
}
