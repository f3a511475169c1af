//! Counting as the rest of the house sees it: one handle, and a thread that does it.
//!
//! Two threads: `detect` looks at the newest picture at its own pace and never slows the stream,
//! `annotate` draws only while somebody watches. Every crossing goes to counts.db before anybody is
//! told of it; what this module announces by itself is only what is seen now (the overlay).
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

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::{Demand, NoPicture, Pipeline};
use crate::base::Worker;
use crate::encode::{CompressError, Encoder};
use crate::media::{Hub, Picture};
use crate::store::{Counts, Scene, StoreError};

use annotate::Annotator;
use detect::Detect;
pub use detect::LOOK_TAKES;
use inference::PictureReader;
pub use inference::{MissedTrack, apply_filter, counter_options};
pub use lines::too_near_note;
pub use overlay::{Overlay, ShownTrack};
pub use settings::{CountingSettings, LoadedDetector, MODEL_SETTING, MakeDetector, NoDetector};
use shared::{CountingRequest, DetectorRequest, DetectorState};
pub use status::CountingStatus;

/// Requests for other models that wait to be tried. Who comes when there are so many waits.
const MODEL_REQUESTS: usize = 4;

/// Counting could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CountingError {
    /// The decoder or the compressor could not be set up.
    #[error(transparent)]
    Compressor(#[from] CompressError),
    /// No thread could be had, or none of what it waits by.
    #[error("the threads that count could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The handle. Clones share it.
#[derive(Debug, Clone)]
pub struct Counting {
    shared: Arc<DetectorState>,
    requests: mpsc::Sender<CountingRequest>,
}

impl Counting {
    /// Starts the threads `detect` and `annotate`, which end after [`Counting::stop`]. Without a
    /// ledger nothing is recorded, and the status says why.
    ///
    /// # Errors
    /// [`CountingError`].
    pub fn start(
        pipeline: &Pipeline,
        counts: Result<Counts, StoreError>,
        make: MakeDetector,
        settings: CountingSettings,
    ) -> Result<(Counting, Vec<Worker>), CountingError> {
        let (requests, asked) = mpsc::channel(MODEL_REQUESTS);
        let shared = Arc::new(DetectorState::new(pipeline.clone(), counts, settings));
        let (reading, crops) = (PictureReader::new()?, thumbnail::Cutter::new(thumbnail::LONGEST)?);
        let runtime = shared::runtime()?;
        // Who asks before the thread has begun, which may take a while where all processors are busy, is shown it, too.
        if let Ok(counts) = &shared.counts_db {
            counts.show_scene(shared.settings().scene);
        }
        let detect = Worker::spawn("detect", {
            let shared = Arc::clone(&shared);
            move |beat| Detect::new(shared, make, asked, reading, crops, beat).run(&runtime)
        })?;
        let counting = Counting { shared, requests };
        match counting.start_annotating() {
            Ok(annotate) => Ok((counting, vec![detect, annotate])),
            Err(error) => {
                // The worker is joined when it is dropped: let it end.
                counting.stop();
                Err(error)
            }
        }
    }

    fn start_annotating(&self) -> Result<Worker, CountingError> {
        let shared = Arc::clone(&self.shared);
        let (reading, encoder) =
            (PictureReader::new()?, Encoder::new(shared.pipeline.shared.settings().quality)?);
        let runtime = shared::runtime()?;
        let worker = Worker::spawn("annotate", move |beat| {
            Annotator::new(shared, reading, encoder, beat).run(&runtime);
        })?;
        Ok(worker)
    }

    /// counts.db: lines, zones, tallies, crossings.
    ///
    /// # Errors
    /// Why it could not be opened. The stream goes on without it, and nothing is recorded.
    pub fn counts(&self) -> Result<&Counts, &StoreError> {
        self.shared.counts_db.as_ref()
    }

    /// Why what crosses is not recorded, though it should be: counts.db could not be opened, or takes
    /// nothing. A daemon of which this is so is not healthy, for it loses what it is there to count.
    pub fn counts_error(&self) -> Option<String> {
        if !self.shared.settings().is_on {
            return None;
        }
        match &self.shared.counts_db {
            Ok(counts) => counts.error(),
            Err(error) => Some(error.to_string()),
        }
    }

    /// How it is going.
    pub fn status(&self) -> CountingStatus {
        self.shared.status()
    }

    /// Whether a small picture of each crossing is kept.
    pub fn keeps_thumbnails(&self) -> bool {
        let settings = self.shared.settings();
        settings.thumbnails && !settings.counts_only
    }

    /// Tracks that ended at a line since a wall time and were not counted there; at most those of the last hour.
    pub fn missed(&self, line: u64, since_us: u64) -> Vec<MissedTrack> {
        self.shared.lock_figures().missed.of_line(line, since_us)
    }

    /// What is drawn over the picture, after every look; without tracks while there are no looks.
    pub fn overlay(&self) -> watch::Receiver<Arc<Overlay>> {
        self.shared.overlay.subscribe()
    }

    /// Where annotated pictures appear while somebody wants them.
    pub fn annotated(&self) -> &Hub {
        &self.shared.annotated
    }

    /// Has pictures annotated (and the camera awake) until it is dropped.
    pub fn annotate(&self) -> Demand {
        self.shared.annotate()
    }

    /// `/start_stream`: counts whatever the lines say (with none drawn, one down the middle), and
    /// begins again from zero for [`Counting::since_start`]. Ended by [`Counting::release`].
    pub fn force_on(&self) {
        *self.shared.lock_since_start() = (0, 0);
        self.shared.requests.send_modify(|requests| {
            requests.is_held = true;
            requests.holds += 1;
        });
    }

    /// `/stop_stream`.
    pub fn release(&self) {
        self.shared.requests.send_modify(|requests| requests.is_held = false);
    }

    /// Persons (with a back end that tells no classes apart: everything) over all lines since the last
    /// [`Counting::force_on`], or since the daemon's start: in, out.
    pub fn since_start(&self) -> (u64, u64) {
        *self.shared.lock_since_start()
    }

    /// Uses this model from now on (`None`: the configured one) and remembers it. Returns when it is
    /// in use, which may take seconds.
    ///
    /// # Errors
    /// It cannot be used; the one before still is.
    pub async fn use_model(&self, name: Option<String>) -> Result<(), NoDetector> {
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

    /// Counts by other settings from now on, and with detectors that `make` makes, if that is another one. Returns when
    /// it is so, which may take seconds where another detector is wanted.
    ///
    /// # Errors
    /// The detector cannot be had; all is as it was then.
    pub async fn set_settings(
        &self,
        settings: CountingSettings,
        make: Option<MakeDetector>,
    ) -> Result<(), NoDetector> {
        self.request(DetectorRequest::Settings(settings, make)).await
    }

    async fn request(&self, wanted: DetectorRequest) -> Result<(), NoDetector> {
        let ends = || NoDetector { reason: String::from("tallycam stops"), hint: None };
        let (answer, answered) = oneshot::channel();
        self.requests.send(CountingRequest { wanted, answer }).await.map_err(|_| ends())?;
        answered.await.map_err(|_| ends())?
    }

    /// A still picture for the line editor: the only one there is under `counts_only`. Wakes a
    /// sleeping camera and waits at most `wait`.
    ///
    /// # Errors
    /// As [`Pipeline::snapshot`].
    pub async fn still_picture(&self, wait: Duration) -> Result<Picture, NoPicture> {
        self.shared.pipeline.snapshot_in_current_light(wait).await
    }

    /// The scene that something new is drawn in. While it is not known which one will be shown, wakes the camera to see
    /// it, and waits at most `wait`: what is drawn in the other one would not be seen again.
    ///
    /// # Errors
    /// As [`Pipeline::snapshot`], if it is still not known then.
    pub async fn scene(&self, wait: Duration) -> Result<Scene, NoPicture> {
        if self.shared.is_scene_unknown() {
            self.still_picture(wait).await?;
        }
        Ok(self.shared.scene_of_source(self.shared.pipeline.newest_source()))
    }

    /// Whether no picture is kept or served.
    pub fn is_counts_only(&self) -> bool {
        self.shared.settings().counts_only
    }

    /// Ends the threads. Join the workers afterwards.
    pub fn stop(&self) {
        self.shared.stop.set();
        self.shared.annotated.close();
    }
}
