//! State shared by the thread `record` and every [`super::RecorderHandle`]: requests one way, status the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::{RecordError, RecorderSettings, RecordingRequest, RecordingStatus};
use crate::pipeline::{Demand, Pipeline};
use tallycam_base::Stop;
use tallycam_store::media::{Item, Media, MediaError};

/// Maximum number of waiting requests; further ones wait to be queued.
pub const COMMANDS: usize = 8;

/// Answered when the recording has started.
pub type Begun = oneshot::Sender<Result<Item, RecordError>>;

/// Answered when its last chunk is on the disk.
pub type EndReply = oneshot::Sender<Result<Option<Item>, RecordError>>;

/// A request to the thread.
#[derive(Debug)]
pub enum RecordingCommand {
    /// Start a recording.
    Begin(Box<RecordingRequest>, Begun),
    End(EndReply),
}

/// Shared by the thread and every handle.
#[derive(Debug)]
pub struct RecorderState {
    pub pipeline: Pipeline,
    /// The store; it may be attached later.
    pub media: OnceLock<Media>,
    /// The latest reason why there is none.
    why_none: Mutex<MediaError>,
    pub settings: watch::Sender<Arc<RecorderSettings>>,
    pub commands: mpsc::Sender<RecordingCommand>,
    pub status: watch::Sender<Arc<RecordingStatus>>,
    pub stop: Stop,
    /// Only one picture is changed at a time, because that keeps the processor of a small machine busy.
    pub changing: Arc<Semaphore>,
    demands: AtomicUsize,
}

impl RecorderState {
    pub fn new(
        pipeline: Pipeline,
        media: Result<Media, MediaError>,
        settings: RecorderSettings,
        commands: mpsc::Sender<RecordingCommand>,
    ) -> RecorderState {
        let (media, why_none) = match media {
            Ok(media) => (OnceLock::from(media), MediaError::Busy),
            Err(error) => (OnceLock::new(), error),
        };
        RecorderState {
            pipeline,
            media,
            why_none: Mutex::new(why_none),
            settings: watch::Sender::new(Arc::new(settings)),
            commands,
            status: watch::Sender::default(),
            stop: Stop::new(),
            changing: Arc::new(Semaphore::new(1)),
            demands: AtomicUsize::new(0),
        }
    }

    /// The current settings.
    pub fn settings(&self) -> Arc<RecorderSettings> {
        Arc::clone(&self.settings.borrow())
    }

    /// The store, unless privacy mode forbids it.
    pub fn store(&self) -> Result<&Media, RecordError> {
        if self.settings().counts_only {
            return Err(RecordError::CountsOnly);
        }
        self.media.get().ok_or_else(|| RecordError::Media(self.no_store_reason()))
    }

    /// The reason why there is no store.
    pub fn no_store_reason(&self) -> MediaError {
        self.why_none.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records the reason of another failed attempt to open it.
    pub fn set_open_error(&self, error: MediaError) {
        *self.why_none.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Number of the pipeline's demands that belong to the recorder.
    pub fn demand_count(&self) -> usize {
        self.demands.load(Ordering::Relaxed)
    }
}

/// A counted demand of the recorder.
#[derive(Debug)]
pub struct CameraHold {
    shared: Arc<RecorderState>,
    _demand: Demand,
}

impl CameraHold {
    /// Keeps the camera open; with `is_brief` only for a moment.
    pub fn new(shared: &Arc<RecorderState>, is_brief: bool) -> CameraHold {
        shared.demands.fetch_add(1, Ordering::Relaxed);
        let pipeline = &shared.pipeline;
        let demand = if is_brief { pipeline.brief_demand() } else { pipeline.demand() };
        CameraHold { shared: Arc::clone(shared), _demand: demand }
    }
}

impl Drop for CameraHold {
    fn drop(&mut self) {
        self.shared.demands.fetch_sub(1, Ordering::Relaxed);
    }
}
