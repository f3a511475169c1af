//! Connects pictures and the store: snapshots, recordings, time-lapse, and recordings on a crossing.
//!
//! ```text
//!   Hub: the newest picture
//!    │ every picture, or at the requested rate
//!  [record]  ring of the last seconds (pre-roll) ─► current chunk ── full, or a second old ──► [media]
//!    ▲ start, end, crossings (committed)            one thread, owns the recording
//!  page, API, old routes
//! ```
//!
//! The thread `record` subscribes like any viewer. Pictures that it skips, or that the store does not accept in time,
//! become a gap in the recording's row, and cost viewers and counting nothing. One recording runs at a time. In
//! memory are only the current chunk, the two that wait for the disk, and the pre-roll (or 2 MiB) behind them.
//!
//! `chunking`, `continuity`, `queue`, `time_lapse` and `trigger` are pure, and `assembly` joins them. `record` is the
//! thread, with its orders in `order`, its waits in `waits` and its subscription in `view`. `snapshot` takes single
//! pictures.

mod assembly;
mod chunking;
mod continuity;
mod error;
mod queue;
mod record;
mod request;
mod settings;
mod shared;
mod snapshot;
mod status;
mod time_lapse;
mod trigger;

pub mod import;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use tallycam_base::{Fault, Worker};
use tallycam_store::Counts;
use tallycam_store::media::{AsideFile, Item, Media, MediaError};

pub use super::PictureChange;
use super::{Pipeline, not_started};
pub use error::RecordError;
use record::Recorder;
use request::check;
pub use request::{RecordingRequest, SnapshotRequest, Which};
pub use settings::RecorderSettings;
use shared::{COMMANDS, RecorderState, RecordingCommand};
pub use status::RecordingStatus;
use trigger::Trigger;

/// Timeout for an empty store to replace one that was set aside.
const OPENS_WITHIN: Duration = Duration::from_secs(5);

/// Maximum wait of [`RecorderHandle::wait_closed`].
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// Snapshots and recordings. Clones share it.
#[derive(Debug, Clone)]
pub struct RecorderHandle {
    shared: Arc<RecorderState>,
}

impl RecorderHandle {
    /// Starts the thread `record`. Without a store every request fails with the reason.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        pipeline: &Pipeline,
        media: Result<Media, MediaError>,
        counts: Option<Counts>,
        settings: RecorderSettings,
    ) -> Result<(RecorderHandle, Worker), Fault> {
        pipeline.set_warm_up(settings.warm_up);
        let (commands, obeyed) = mpsc::channel(COMMANDS);
        let shared = Arc::new(RecorderState::new(pipeline.clone(), media, settings, commands));
        let failed = not_started("the thread that records");
        let runtime = record::waits::runtime().map_err(&failed)?;
        let worker = Worker::spawn("record", {
            let shared = Arc::clone(&shared);
            move |beat| {
                // Without a store nothing can be recorded, and requests are refused before they get here.
                while shared.media.get().is_none() {
                    beat.beat();
                    if shared.stop.sleep(Duration::from_secs(1)) {
                        return;
                    }
                }
                if let Some(media) = shared.media.get().cloned() {
                    Recorder::new(shared, media, counts, obeyed, beat).run(&runtime);
                }
            }
        })
        .map_err(failed)?;
        Ok((RecorderHandle { shared }, worker))
    }

    /// Replaces the settings. A current recording keeps its own, but ends if privacy mode starts.
    pub fn set_settings(&self, settings: RecorderSettings) {
        self.shared.pipeline.set_warm_up(settings.warm_up);
        self.shared.settings.send_if_modified(|now| {
            let is_another = **now != settings;
            if is_another {
                *now = Arc::new(settings);
            }
            is_another
        });
    }

    /// The store, or the reason why there is none.
    ///
    /// # Errors
    /// The store could not be opened.
    pub fn media(&self) -> Result<&Media, MediaError> {
        self.shared.media.get().ok_or_else(|| self.shared.no_store_reason())
    }

    /// Records the reason of another failed attempt to open the store.
    pub fn set_open_error(&self, error: MediaError) {
        self.shared.set_open_error(error);
    }

    /// Attaches a store that could not be opened at the start. The thread `record` uses it within a second.
    pub fn attach_store(&self, media: Media) {
        // An attached store stays.
        let _ = self.shared.media.set(media);
    }

    /// A message about unknown names in `[record] on_crossing`; `None` if `lines` has all of them.
    pub fn unknown_lines<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Option<String> {
        let settings = self.shared.settings();
        Trigger::new(&settings.on_crossing, settings.after_crossing)?.unknown_names_note(lines)
    }

    /// Sets the store aside and creates an empty one. A current recording ends before, so that its last pictures are
    /// in the old file. A store that cannot be opened is set aside as it is. `zone` is the time zone of the date in
    /// its new name.
    ///
    /// # Errors
    /// [`MediaError`]; the store is unchanged then.
    pub async fn recreate_store(&self, zone: &TimeZone) -> Result<AsideFile, MediaError> {
        let media = match self.media() {
            Ok(media) => media,
            Err(error) => match error.unusable_store_file().and_then(Path::parent) {
                Some(directory) => return self.set_aside(directory.to_owned(), zone.clone()).await,
                None => return Err(error),
            },
        };
        if let Err(error) = self.end_recording().await {
            log::warn!("a recording was not ended before its store is set aside: {error}");
        }
        let aside = media.recreate().await?;
        log::info!("media.db is new; the former one is {:?}", aside.name);
        Ok(aside)
    }

    /// Sets aside a store that could not be opened. The opener retries every two seconds and creates an empty store.
    /// This waits for it, so that the new store is usable when this returns.
    async fn set_aside(&self, directory: PathBuf, zone: TimeZone) -> Result<AsideFile, MediaError> {
        let until = Instant::now() + OPENS_WITHIN;
        let pause = Duration::from_millis(50);
        let aside = loop {
            let (directory, zone) = (directory.clone(), zone.clone());
            let done = spawn_blocking(move || Media::set_aside(&directory, &zone)).await;
            match done.map_err(|_| MediaError::Busy)? {
                // A retry of the opener may hold the lock for a moment.
                Err(MediaError::Locked { .. }) if Instant::now() < until => sleep(pause).await,
                done => break done?,
            }
        };
        log::warn!("media.db could not be opened; it is now {:?}", aside.name);
        while self.media().is_err() && Instant::now() < until {
            sleep(pause).await;
        }
        Ok(aside)
    }

    /// Starts a recording. Returns when its first picture has arrived and its row exists. Ends a current recording
    /// that a crossing started.
    ///
    /// # Errors
    /// [`RecordError`].
    pub async fn record(&self, wanted: RecordingRequest) -> Result<Item, RecordError> {
        self.shared.store()?;
        check(&wanted)?;
        let (begun, answer) = oneshot::channel();
        self.send_command(RecordingCommand::Begin(Box::new(wanted), begun)).await?;
        answer.await.map_err(|_| RecordError::Media(MediaError::Busy))?
    }

    /// Ends the current recording. Returns when its last chunk is on the disk. `None` if there was none, or if it has
    /// no picture.
    ///
    /// # Errors
    /// The disk refuses it.
    pub async fn end_recording(&self) -> Result<Option<Item>, RecordError> {
        self.shared.store()?;
        let (reply, answer) = oneshot::channel();
        self.send_command(RecordingCommand::End(reply)).await?;
        answer.await.map_err(|_| RecordError::Media(MediaError::Busy))?
    }

    async fn send_command(&self, command: RecordingCommand) -> Result<(), RecordError> {
        // The receiver lives as long as the thread.
        self.shared.commands.send(command).await.map_err(|_| RecordError::Media(MediaError::Busy))
    }

    /// Waits until no recording is in progress, for at most 2 s. A pause closes a recording automatically.
    pub async fn wait_closed(&self) {
        let mut statuses = self.statuses();
        let nothing = statuses.wait_for(|status| status.now.is_none());
        let _ = tokio::time::timeout(CLOSES_WITHIN, nothing).await;
    }

    /// True if no image is stored or served.
    pub fn is_counts_only(&self) -> bool {
        self.shared.settings().counts_only
    }

    /// Number of the pipeline's demands that belong to recordings and the pre-roll, not to viewers.
    pub fn demand_count(&self) -> usize {
        self.shared.demand_count()
    }

    /// Status of recording; cheap.
    pub fn status(&self) -> RecordingStatus {
        self.shared.status.borrow().as_ref().clone()
    }

    /// Status of recording, as a channel with at most a few changes per second.
    pub fn statuses(&self) -> watch::Receiver<Arc<RecordingStatus>> {
        self.shared.status.subscribe()
    }

    /// Closes a current recording properly and ends the thread.
    pub fn stop(&self) {
        self.shared.stop.set();
    }
}
