//! Counting: one handle and two threads.
//!
//! `detect` runs the detector on the newest picture at its own rate and never slows the stream. `annotate` draws only
//! while somebody watches. Every crossing is recorded in counts.db before it is announced. This module itself
//! announces only the overlay, which shows the present.
//!
//! ```text
//! Hub ─ newest picture ─► [detect]  reduce ► detector ► Counter ─► crossings ─► store::Counts
//!                                                     └─► overlay (watch) ─► SSE, [annotate] ─► Hub of annotated pictures
//! ```

mod annotate;
mod detect;
pub(super) mod draw;
pub(crate) mod inference;
mod lines;
mod occupancy;
mod overlay;
mod pending;
mod recent;
mod settings;
mod shared;
mod status;
pub(crate) mod thumbnail;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::{Demand, NoPicture, Pipeline, not_started};
use tallycam_base::{Fault, Worker};
use tallycam_camera::encode::Encoder;
use tallycam_camera::media::{Hub, Picture};
use tallycam_store::{Counts, Scene, StoreError};

use annotate::Annotator;
use detect::Detect;
pub use detect::{DETECTION_TAKES, MODEL_FPS, MOTION_FPS};
use inference::PictureReader;
pub use inference::{MissedTrack, apply_filter, counter_options};
pub use lines::too_near_note;
pub use overlay::{Overlay, ShownTrack};
pub use settings::{CountingSettings, LoadedDetector, MODEL_SETTING, MakeDetector};
pub use shared::StaySums;
use shared::{CountingRequest, DetectorRequest, DetectorState};
pub use status::CountingStatus;
pub use trial::Trials;

/// Maximum number of waiting requests for other models; further requests wait to be queued.
const MODEL_REQUESTS: usize = 4;

/// What [`not_started`] names.
const THREADS: &str = "the threads that count";

/// The handle of counting. Clones share it.
#[derive(Debug, Clone)]
pub struct Counting {
    shared: Arc<DetectorState>,
    requests: mpsc::Sender<CountingRequest>,
}

impl Counting {
    /// Starts the threads `detect` and `annotate`, which end after [`Counting::stop`]. Without counts.db nothing is
    /// recorded, and the status gives the reason.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up, or a thread not started.
    pub fn start(
        pipeline: &Pipeline,
        counts: Result<Counts, StoreError>,
        make: MakeDetector,
        settings: CountingSettings,
    ) -> Result<(Counting, Vec<Worker>), Fault> {
        let (requests, asked) = mpsc::channel(MODEL_REQUESTS);
        let shared = Arc::new(DetectorState::new(pipeline.clone(), counts, settings));
        let (reading, crops) = (PictureReader::new()?, thumbnail::Cutter::new(thumbnail::LONGEST)?);
        let runtime = shared::runtime().map_err(not_started(THREADS))?;
        // The thread may start late on a busy machine; earlier requests see the scene, too.
        if let Ok(counts) = &shared.counts_db {
            counts.show_scene(shared.settings().scene);
        }
        let detect = Worker::spawn("detect", {
            let shared = Arc::clone(&shared);
            move |beat| Detect::new(shared, make, asked, reading, crops, beat).run(&runtime)
        })
        .map_err(not_started(THREADS))?;
        let counting = Counting { shared, requests };
        match counting.start_annotating() {
            Ok(annotate) => Ok((counting, vec![detect, annotate])),
            Err(error) => {
                // Dropping the worker joins it, so it must end.
                counting.stop();
                Err(error)
            }
        }
    }

    fn start_annotating(&self) -> Result<Worker, Fault> {
        let shared = Arc::clone(&self.shared);
        let (reading, encoder) =
            (PictureReader::new()?, Encoder::new(shared.pipeline.shared.settings().quality)?);
        let runtime = shared::runtime().map_err(not_started(THREADS))?;
        Worker::spawn("annotate", move |beat| Annotator::new(shared, reading, encoder, beat).run(&runtime))
            .map_err(not_started(THREADS))
    }

    /// counts.db: lines, zones, counts, crossings.
    ///
    /// # Errors
    /// The reason why it could not be opened. The stream works without it, and nothing is recorded.
    pub fn counts(&self) -> Result<&Counts, &StoreError> {
        self.shared.counts_db.as_ref()
    }

    /// The reason why crossings are not recorded although they should be: counts.db could not be opened or rejects
    /// writes. The service is then unhealthy, because it loses counts.
    pub fn counts_error(&self) -> Option<String> {
        if !self.shared.settings().is_on {
            return None;
        }
        match &self.shared.counts_db {
            Ok(counts) => counts.error(),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The status of counting.
    pub fn status(&self) -> CountingStatus {
        self.shared.status()
    }

    /// True if a thumbnail of each crossing is stored.
    pub fn keeps_thumbnails(&self) -> bool {
        let settings = self.shared.settings();
        settings.thumbnails && !settings.counts_only
    }

    /// Tracks that ended at a line without a count since a wall time, from the last hour at most.
    pub fn missed(&self, line: u64, since_us: u64) -> Vec<MissedTrack> {
        self.shared.lock_figures().missed.of_line(line, since_us)
    }

    /// Sums of the stays in zones since the start.
    pub fn stays(&self) -> StaySums {
        self.shared.lock_figures().stays.clone()
    }

    /// The overlay after every detection; without tracks while there are none.
    pub fn overlay(&self) -> watch::Receiver<Arc<Overlay>> {
        self.shared.overlay.subscribe()
    }

    /// The hub of annotated pictures, filled while somebody watches.
    pub fn annotated(&self) -> &Hub {
        &self.shared.annotated
    }

    /// Makes annotated pictures, with the camera open, until the result is dropped.
    pub fn annotate(&self) -> Demand {
        self.shared.annotate()
    }

    /// `/start_stream`: counts in any case, without drawn lines on the middle line, and resets
    /// [`Counting::since_start`]. [`Counting::release`] ends it.
    pub fn force_on(&self) {
        *self.shared.lock_since_start() = (0, 0);
        self.shared.requests.send_modify(|requests| {
            requests.is_held = true;
            requests.holds += 1;
        });
    }

    /// `/stop_stream`: ends the hold of [`Counting::force_on`].
    pub fn release(&self) {
        self.shared.requests.send_modify(|requests| requests.is_held = false);
    }

    /// In and out over all lines since the last [`Counting::force_on`] or the start of the service. Counts persons;
    /// with a detector without classes, all objects.
    pub fn since_start(&self) -> (u64, u64) {
        *self.shared.lock_since_start()
    }

    /// Switches to this model (`None` for the configured one) and saves the choice. Returns when it is in use, which
    /// may take seconds.
    ///
    /// # Errors
    /// The model cannot be used; the previous one stays in use.
    pub async fn use_model(&self, name: Option<String>) -> Result<(), Fault> {
        self.request(DetectorRequest::Model(name.clone())).await?;
        match &self.shared.counts_db {
            Ok(counts) => {
                if let Err(error) = counts.set_setting(MODEL_SETTING, name).await {
                    log::warn!("the model is in use, but the choice is not saved: {error}");
                }
            }
            Err(error) => log::warn!("the model is in use, but the choice is not saved: {error}"),
        }
        Ok(())
    }

    /// Replaces the settings, and the maker of detectors if `make` is given. Returns when they are in force, which
    /// may take seconds if the detector changes.
    ///
    /// # Errors
    /// The detector cannot be made; nothing has changed.
    pub async fn set_settings(
        &self,
        settings: CountingSettings,
        make: Option<MakeDetector>,
    ) -> Result<(), Fault> {
        self.request(DetectorRequest::Settings(settings, make)).await
    }

    async fn request(&self, wanted: DetectorRequest) -> Result<(), Fault> {
        let ends = || Fault::wrong("tallycam stops");
        let (answer, answered) = oneshot::channel();
        self.requests.send(CountingRequest { wanted, answer }).await.map_err(|_| ends())?;
        answered.await.map_err(|_| ends())?
    }

    /// A still picture for the line editor: the only image under `counts_only`. Opens an idle camera and waits at
    /// most `wait`.
    ///
    /// # Errors
    /// Like [`Pipeline::snapshot`].
    pub async fn still_picture(&self, wait: Duration) -> Result<Picture, NoPicture> {
        self.shared.pipeline.snapshot_in_current_light(wait).await
    }

    /// The scene for a new shape. If it is unknown which scene will be shown, opens the camera and waits at most
    /// `wait`: a shape in the other scene would stay invisible.
    ///
    /// # Errors
    /// Like [`Pipeline::snapshot`], if the scene is still unknown then.
    pub async fn scene(&self, wait: Duration) -> Result<Scene, NoPicture> {
        if self.shared.is_scene_unknown() {
            self.still_picture(wait).await?;
        }
        Ok(self.shared.scene_of_source(self.shared.pipeline.newest_source()))
    }

    /// True if no image is stored or served.
    pub fn is_counts_only(&self) -> bool {
        self.shared.settings().counts_only
    }

    /// Ends the threads. Join the workers afterwards.
    pub fn stop(&self) {
        self.shared.stop.set();
        self.shared.annotated.close();
    }
}
