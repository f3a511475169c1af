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
//! The thread `record` is a viewer like any other: what it skips, and what the store does not take in time, is a gap in
//! the recording, told in its row, and costs viewers and counting nothing. One recording runs at a time. Nothing of it
//! is in memory but the chunk under way, the two that wait for the disk, and the pre-roll (or 2 MiB) that waits behind
//! them.
//!
//! `chunking`, `continuity`, `queue`, `time_lapse` and `trigger` are pure, `assembly` joins them, `record` is the
//! thread (`order` what it is told, `waits` what it waits for, `view` its look at the hub); `snapshot` takes single
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

use crate::base::Worker;
use crate::store::Counts;
use crate::store::media::{AsideFile, Item, Media, MediaError};

pub use super::PictureChange;
use super::Pipeline;
pub use error::RecordError;
use record::Recorder;
use request::check;
pub use request::{AS_SHOWN, RecordingRequest, SnapshotRequest, Which};
pub use settings::RecorderSettings;
use shared::{COMMANDS, RecorderState, RecordingCommand};
pub use status::RecordingStatus;
use trigger::Trigger;

/// Limit of the wait for an empty store in place of one that was set aside.
const OPENS_WITHIN: Duration = Duration::from_secs(5);

/// The longest that [`RecorderHandle::wait_closed`] waits.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// Snapshots and recordings. Clones share it.
#[derive(Debug, Clone)]
pub struct RecorderHandle {
    shared: Arc<RecorderState>,
}

/// Keeping could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the thread that records could not be started: {0}")]
pub struct RecorderStartError(#[from] std::io::Error);

impl RecorderHandle {
    /// Starts the thread `record`. Without a store it answers everything with why there is none.
    ///
    /// # Errors
    /// [`RecorderStartError`].
    pub fn start(
        pipeline: &Pipeline,
        media: Result<Media, MediaError>,
        counts: Option<Counts>,
        settings: RecorderSettings,
    ) -> Result<(RecorderHandle, Worker), RecorderStartError> {
        pipeline.set_warm_up(settings.warm_up);
        let (commands, obeyed) = mpsc::channel(COMMANDS);
        let shared = Arc::new(RecorderState::new(pipeline.clone(), media, settings, commands));
        let runtime = record::waits::runtime()?;
        let worker = Worker::spawn("record", {
            let shared = Arc::clone(&shared);
            move |beat| {
                // Until there is a store nothing can be recorded, and nobody is let ask for it.
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
        })?;
        Ok((RecorderHandle { shared }, worker))
    }

    /// Keeps by other settings from now on. A recording under way goes on as it was begun, but is ended where no
    /// picture is to be kept any more.
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

    /// The store, or why there is none.
    ///
    /// # Errors
    /// It could not be opened.
    pub fn media(&self) -> Result<&Media, MediaError> {
        self.shared.media.get().ok_or_else(|| self.shared.no_store_reason())
    }

    /// Another try to open the store has failed: from now on this is why there is none.
    pub fn set_open_error(&self, error: MediaError) {
        self.shared.set_open_error(error);
    }

    /// A store that could not be opened at the start is there now. The thread `record` begins within a second.
    pub fn attach_store(&self, media: Media) {
        // One that is there already stays.
        let _ = self.shared.media.set(media);
    }

    /// What is wrong with the names of `[record] on_crossing`, if none of `lines` has one of them.
    pub fn unknown_lines<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Option<String> {
        let settings = self.shared.settings();
        Trigger::new(&settings.on_crossing, settings.after_crossing)?.unknown_names_note(lines)
    }

    /// Sets the store aside and begins an empty one. A recording under way is ended before, so that its last pictures
    /// are in the file that is set aside, too. One that could not be opened is set aside as it is; `zone` is that of
    /// the date in its name.
    ///
    /// # Errors
    /// [`MediaError`]; then the store is as it was.
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

    /// Sets a store aside that could not be opened. The opener retries every other second, and begins
    /// an empty one: that is waited for, so that things can be kept from the answer on.
    async fn set_aside(&self, directory: PathBuf, zone: TimeZone) -> Result<AsideFile, MediaError> {
        let until = Instant::now() + OPENS_WITHIN;
        let pause = Duration::from_millis(50);
        let aside = loop {
            let (directory, zone) = (directory.clone(), zone.clone());
            let done = spawn_blocking(move || Media::set_aside(&directory, &zone)).await;
            match done.map_err(|_| MediaError::Busy)? {
                // A retry of the opener holds it for that long.
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

    /// Begins a recording; answers when its first picture is on its way and its row is there. One that a crossing began
    /// is ended for it.
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

    /// Ends the recording under way; answers when its last chunk is on the disk. `None`: none was under way, or it had
    /// not a single picture.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn end_recording(&self) -> Result<Option<Item>, RecordError> {
        self.shared.store()?;
        let (reply, answer) = oneshot::channel();
        self.send_command(RecordingCommand::End(reply)).await?;
        answer.await.map_err(|_| RecordError::Media(MediaError::Busy))?
    }

    async fn send_command(&self, command: RecordingCommand) -> Result<(), RecordError> {
        // The receiver is gone only when the thread is.
        self.shared.commands.send(command).await.map_err(|_| RecordError::Media(MediaError::Busy))
    }

    /// Ends when nothing is being recorded any more, after 2 s at the latest: a pause closes a recording by itself.
    pub async fn wait_closed(&self) {
        let mut statuses = self.statuses();
        let nothing = statuses.wait_for(|status| status.now.is_none());
        let _ = tokio::time::timeout(CLOSES_WITHIN, nothing).await;
    }

    /// Whether no picture is kept or given.
    pub fn is_counts_only(&self) -> bool {
        self.shared.settings().counts_only
    }

    /// How many of the pipeline's demands are for recordings and the pre-roll, and no viewers.
    pub fn demand_count(&self) -> usize {
        self.shared.demand_count()
    }

    /// How recording stands; cheap.
    pub fn status(&self) -> RecordingStatus {
        self.shared.status.borrow().as_ref().clone()
    }

    /// The same, to wait for changes (at most a few a second).
    pub fn statuses(&self) -> watch::Receiver<Arc<RecordingStatus>> {
        self.shared.status.subscribe()
    }

    /// Closes a recording under way properly and ends the thread.
    pub fn stop(&self) {
        self.shared.stop.set();
    }
}
