//! The one place that joins pictures and the store: snapshots, recordings, time-lapse, what a crossing starts.
//!
//! ```text
//!   Hub: the newest picture
//!    │ every picture, or at the pace wanted
//!  [record]  ring of the last seconds (pre-roll) ─► chunk under way ── full, or a second old ──► [media]
//!    ▲ begin, end, crossings (committed)              one thread, owns the recording
//!  page, API, old routes
//! ```
//!
//! The thread `record` is a viewer like any other: what it skips, and what the store does not take in time, is a gap in the
//! recording, told in its row, and costs viewers and counting nothing. One recording runs at a time. Nothing of it is in
//! memory but the chunk under way, the two that wait for the disk, and the pre-roll.

pub mod import;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::base::Worker;
use crate::media::Picture;
use crate::store::Counts;
use crate::store::media::{Item, Media, MediaError, Origin};

use super::Pipeline;

/// How pictures are kept. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct KeepingSettings {
    /// Frames after a camera's opening that are no snapshot yet: its exposure settles.
    pub warm_up: u32,
    /// A recording ends after this time; `None`: when somebody ends it.
    pub max_duration: Option<Duration>,
    /// A recording ends at so many bytes.
    pub max_bytes: Option<u64>,
    /// At most so many pictures a second are recorded; `None`: every one.
    pub fps: Option<f64>,
    /// So much of what was before goes into a recording (needs the camera awake); zero: nothing.
    pub pre_roll: Duration,
    /// The pre-roll holds at most so many bytes.
    pub pre_roll_bytes: usize,
    /// Crossings of these lines (by name; `*`: of every line) start a recording.
    pub on_crossing: Vec<String>,
    /// Such a recording ends so long after the last crossing.
    pub after_crossing: Duration,
    /// No picture is kept.
    pub counts_only: bool,
}

/// What is wanted of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingWish {
    /// Its name; `None`: made of date and time. A taken one gets a number.
    pub name: Option<String>,
    /// Its date as given; `None`: today.
    pub date: Option<String>,
    /// A note.
    pub note: String,
    /// At most so many pictures a second; `None`: as configured.
    pub fps: Option<f64>,
    /// One picture in this time, 1 s to 1 h, the camera asleep between where that is long enough; `None`: no time-lapse.
    pub every: Option<Duration>,
    /// Ends after this time; `None`: as configured.
    pub duration: Option<Duration>,
    /// Ends at so many bytes; `None`: as configured.
    pub bytes: Option<u64>,
}

/// Which picture a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// What viewers see.
    #[default]
    Shown,
    /// The camera's own.
    Original,
    /// The camera's largest size: it is opened anew for it, and viewers wait a moment.
    Largest,
}

/// What is wanted of a snapshot that is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SnapshotWish {
    /// Its name; `None`: made of date and time. A taken one gets a number.
    pub name: Option<String>,
    /// Its date as given; `None`: today.
    pub date: Option<String>,
    /// A note.
    pub note: String,
    /// Which picture.
    pub which: Which,
    /// What is done with it.
    pub change: PictureChange,
}

/// What is done with a picture before it is given or kept. The default leaves its bytes as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PictureChange {
    /// At most so many pixels a row, 16–8192; never more than it has.
    pub width: Option<u32>,
    /// Turned clockwise by 0, 90, 180 or 270 degrees.
    pub rotate: u16,
    /// Without colour.
    pub gray: bool,
}

/// A picture could not be taken or kept, or a recording not begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepError {
    /// `[privacy] counts_only`.
    #[error("no picture is kept: the configuration wants only counts")]
    CountsOnly,
    /// There is no picture to be had; the words of the camera's state.
    #[error("{0}")]
    NoPicture(String),
    /// A recording runs already.
    #[error("{0:?} is being recorded already")]
    Recording(String),
    /// A wish is out of its range.
    #[error("{0}")]
    Wrong(String),
    /// The picture could not be changed as wanted.
    #[error("the picture could not be changed: {0}")]
    Picture(String),
    /// The store.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// How recording stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingStatus {
    /// The recording under way.
    pub now: Option<Recorded>,
    /// What was dropped because the disk was too slow, pictures, since the start.
    pub dropped: u64,
    /// Why it does not go on as it should (disk full, camera lost), in words; recording goes on when that ends.
    pub trouble: Option<String>,
    /// Seconds of pre-roll at hand.
    pub pre_roll_s: f64,
}

/// A recording under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What had it made.
    pub origin: Origin,
    /// When it began, microseconds since 1970.
    pub began_us: u64,
    /// So long it is, microseconds.
    pub duration_us: u64,
    /// Pictures so far, those that wait for the disk included.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Gaps so far.
    pub gaps: u64,
    /// Between two pictures of a time-lapse.
    pub every: Option<Duration>,
}

/// Snapshots and recordings. Clones share it.
#[derive(Debug, Clone)]
pub struct Keeping {
    media: Result<Media, MediaError>,
    settings: KeepingSettings,
}

/// Keeping could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the thread that records could not be started: {0}")]
pub struct KeepingError(#[from] std::io::Error);

impl Keeping {
    /// Starts the thread `record`. Without a store it answers everything with why there is none.
    ///
    /// # Errors
    /// [`KeepingError`].
    pub fn start(
        pipeline: &Pipeline,
        media: Result<Media, MediaError>,
        counts: Option<Counts>,
        settings: KeepingSettings,
    ) -> Result<(Keeping, Worker), KeepingError> {
        let _ = (pipeline, media, counts, settings);
        todo!()
    }

    /// The store, or why there is none.
    ///
    /// # Errors
    /// It could not be opened.
    pub fn media(&self) -> Result<&Media, &MediaError> {
        self.media.as_ref()
    }

    /// Takes a picture without keeping it: the camera is woken, warm-up frames are passed over; waits at most `wait`.
    ///
    /// # Errors
    /// [`KeepError`].
    pub async fn picture(
        &self,
        which: Which,
        change: PictureChange,
        wait: Duration,
    ) -> Result<Picture, KeepError> {
        let _ = (which, change, wait);
        todo!()
    }

    /// Takes a picture and keeps it.
    ///
    /// # Errors
    /// [`KeepError`]; then there is neither row nor picture.
    pub async fn snapshot(&self, wish: SnapshotWish) -> Result<Item, KeepError> {
        let _ = wish;
        todo!()
    }

    /// Begins a recording; answers when its first picture is on its way and its row is there. One that a crossing began
    /// is ended for it.
    ///
    /// # Errors
    /// [`KeepError`].
    pub async fn record(&self, wish: RecordingWish) -> Result<Item, KeepError> {
        let _ = wish;
        todo!()
    }

    /// Ends the recording under way; answers when its last chunk is on the disk. `None`: none was under way, or it had
    /// not a single picture.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn end(&self) -> Result<Option<Item>, KeepError> {
        todo!()
    }

    /// Whether no picture is kept or given.
    pub fn is_counts_only(&self) -> bool {
        self.settings.counts_only
    }

    /// How recording stands; cheap.
    pub fn status(&self) -> RecordingStatus {
        self.statuses().borrow().as_ref().clone()
    }

    /// The same, to wait for changes (at most a few a second).
    pub fn statuses(&self) -> watch::Receiver<Arc<RecordingStatus>> {
        todo!()
    }

    /// Closes a recording under way properly and ends the thread.
    pub fn stop(&self) {
        todo!()
    }
}
