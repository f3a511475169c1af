//! How counting is done, and what makes detectors.

use crate::store::Scene;
use crate::vision::{Detector, Filter, RegionMode};

/// The setting of counts.db that remembers which model was chosen on the page.
pub const MODEL_SETTING: &str = "detect.model";

/// A detector could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoDetector {
    /// What is wrong, in a sentence.
    pub reason: String,
    /// What can be done.
    pub hint: Option<String>,
}

/// A detector and what it is called.
pub struct LoadedDetector {
    /// It.
    pub detector: Box<dyn Detector>,
    /// `onnx`, `motion` or `replay`.
    pub backend: &'static str,
    /// What is not as the configuration wants it, in sentences: a model that was not found.
    pub notes: Vec<String>,
}

/// Makes detectors: for a scene, and the model that was chosen on the page (its name), if any. May take
/// seconds. Called on the detect thread.
pub type MakeDetector = Box<dyn FnMut(Scene, Option<&str>) -> Result<LoadedDetector, NoDetector> + Send>;

/// How counting is done.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingSettings {
    /// `false`: nothing is ever counted (`[detect] backend = "none"`).
    pub is_on: bool,
    /// At most so many detections a second; `None`: 5 with a model, 15 with motion.
    pub fps: Option<f64>,
    /// Classes that matter, by name; all if empty.
    pub classes: Vec<String>,
    /// Scores below this do not begin a track; `None`: the model's own.
    pub score: Option<f32>,
    /// The part of the picture that is looked at; `None`: what suits the model.
    pub region: Option<RegionMode>,
    /// Heights that matter, and areas in which nobody is looked for. Nothing else of it is used.
    pub filter: Filter,
    /// What the source gives, unless it says that it is simulated.
    pub scene: Scene,
    /// The simulated scene may stand in for the camera: which of the two it is, is known when the source has been open.
    pub may_be_simulated: bool,
    /// Keep a small picture of everybody who crosses.
    pub thumbnails: bool,
    /// No picture is kept or served.
    pub counts_only: bool,
}
