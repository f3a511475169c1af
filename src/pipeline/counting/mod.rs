//! Counting as the rest of the house sees it: one handle, and a thread that does it.
//!
//! ```text
//! Hub ─ newest picture ─► [detect]  reduce ► detector ► Counter ─► crossings ─► store::Counts
//!                                                         └─► overlay (watch) ─► SSE, [annotate] ─► Hub of annotated pictures
//! ```

use std::sync::Arc;

use tokio::sync::watch;

use super::{Demand, Pipeline};
use crate::base::{Stamp, Worker};
use crate::media::{Hub, Picture};
use crate::store::{Counts, Scene, StoreError};
use crate::vision::Detector;

/// A track as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownTrack {
    /// Its number, unique within the run.
    pub id: u64,
    /// The name of its class.
    pub class: Arc<str>,
    /// Its score, 0–1.
    pub score: f32,
    /// Left, top, right, bottom in fractions of the picture; may reach beyond it.
    pub bounds: [f32; 4],
    /// Velocity of its centre in fractions of the picture a second.
    pub velocity: [f32; 2],
    /// Whether the newest look has seen it; if not, it is where it should be.
    pub in_sight: bool,
}

/// What is drawn over the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// The stamp of the picture that was looked at.
    pub stamp: Stamp,
    /// Its number.
    pub sequence: u64,
    /// Its width and height in pixels.
    pub size: (u32, u32),
    /// In order of numbers.
    pub tracks: Vec<ShownTrack>,
    /// For each zone, its number and how many are in it.
    pub zones: Vec<(u64, u32)>,
}

/// How counting is going.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingStatus {
    /// One word: `counting`, `idle` (no line), `waiting` (no picture), `off`, `trouble`.
    pub word: &'static str,
    /// Why it does not count, in a sentence; empty while it does.
    pub reason: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// `onnx`, `motion`, `replay`; empty before one was made.
    pub backend: &'static str,
    /// The name of the model.
    pub model: String,
    /// Its classes.
    pub labels: Vec<String>,
    /// Whether the classes mean what things are.
    pub tells_classes: bool,
    /// Looks a second over the last seconds.
    pub looks_per_second: f64,
    /// Looks since start.
    pub looks: u64,
    /// Median time of a look over the last looks, in seconds: all of it, and the detector's part.
    pub look_s: f64,
    /// The detector's part of it.
    pub inference_s: f64,
    /// Tracks that live.
    pub tracks: usize,
    /// Looks that failed.
    pub failed: u64,
    /// What is not as it was asked for though it counts, in sentences: a class that the model does not
    /// know, a model that was not found.
    pub notes: Vec<String>,
    /// Whether counting itself keeps the camera open: it is one of the pipeline's demands.
    pub holds_camera: bool,
    /// What is shown and counted.
    pub scene: Scene,
}

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
pub struct Made {
    /// It.
    pub detector: Box<dyn Detector>,
    /// `onnx`, `motion` or `replay`.
    pub backend: &'static str,
}

/// Makes detectors: for a scene, and the model that was chosen on the page (its name), if any. May take
/// seconds. Called on the detect thread.
pub type MakeDetector = Box<dyn FnMut(Scene, Option<&str>) -> Result<Made, NoDetector> + Send>;

/// How counting is done.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingSettings {
    /// `false`: nothing is ever counted (`[detect] backend = "none"`).
    pub is_on: bool,
    /// At most so many looks a second; `None`: 10 with a model, 15 with motion.
    pub fps: Option<f64>,
    /// Classes that matter, by name; all if empty.
    pub classes: Vec<String>,
    /// Scores below this do not begin a track; `None`: the model's own.
    pub score: Option<f32>,
    /// What the source gives, unless it says that it is simulated.
    pub scene: Scene,
    /// Keep a small picture of everybody who crosses.
    pub thumbnails: bool,
    /// No picture is kept or served.
    pub counts_only: bool,
}

/// The handle. Clones share it.
#[derive(Debug, Clone)]
pub struct Counting {}

#[allow(clippy::todo, clippy::unused_async, unused_variables)]
impl Counting {
    /// Starts the threads `detect` and `annotate`.
    pub fn start(
        pipeline: &Pipeline,
        counts: Result<Counts, StoreError>,
        make: MakeDetector,
        settings: CountingSettings,
    ) -> std::io::Result<(Counting, Vec<Worker>)> {
        todo!()
    }
    /// The ledger: lines, zones, tallies, crossings.
    ///
    /// # Errors
    /// Why it could not be opened. The stream goes on without it, and nothing is counted.
    pub fn counts(&self) -> Result<&Counts, &StoreError> {
        todo!()
    }
    /// How it is going.
    pub fn status(&self) -> CountingStatus {
        todo!()
    }
    /// What is drawn over the picture, after every look.
    pub fn overlay(&self) -> watch::Receiver<Arc<Overlay>> {
        todo!()
    }
    /// Where annotated pictures appear while somebody wants them.
    pub fn annotated(&self) -> &Hub {
        todo!()
    }
    /// Has pictures annotated (and the camera awake) until it is dropped.
    pub fn annotate(&self) -> Demand {
        todo!()
    }
    /// `/start_stream`: counts whatever the lines say (with none drawn, one down the middle), and
    /// begins again from zero for [`Counting::since_start`]. Ended by [`Counting::let_go`].
    pub fn hold(&self) {
        todo!()
    }
    /// `/stop_stream`.
    pub fn let_go(&self) {
        todo!()
    }
    /// Persons (with a back end that tells no classes apart: everything) over all lines since the last
    /// [`Counting::hold`], or since the daemon's start: in, out.
    pub fn since_start(&self) -> (u64, u64) {
        todo!()
    }
    /// Uses this model from now on (`None`: the configured one) and remembers it.
    pub async fn use_model(&self, name: Option<String>) -> Result<(), NoDetector> {
        todo!()
    }
    /// A still picture for the line editor: the only one there is under `counts_only`.
    pub async fn still(&self, wait: std::time::Duration) -> Result<Picture, super::NoPicture> {
        todo!()
    }
    /// Whether no picture is kept or served.
    pub fn is_counts_only(&self) -> bool {
        todo!()
    }
    /// Ends the threads.
    pub fn stop(&self) {
        todo!()
    }
}
