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
//! memory but the chunk under way, the two that wait for the disk, and the pre-roll (or 2 MiB) that waits behind them.
//!
//! `chunking`, `continuity`, `backlog`, `time_lapse` and `trigger` are pure, `recording` joins them, `record` is the
//! thread (`order` what it is told, `waits` what it waits for, `view` its look at the hub); `snapshot` takes single pictures.

mod assembly;
mod chunking;
mod continuity;
mod order;
mod queue;
mod record;
mod shared;
mod snapshot;
mod time_lapse;
mod trigger;
mod view;
mod waits;

pub mod import;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use crate::base::Worker;
use crate::encode::NoRoom;
use crate::media::View;
use crate::store::Counts;
use crate::store::media::{AsideFile, Item, Media, MediaError, Origin};

use super::Pipeline;
use record::Recorder;
use shared::{COMMANDS, Command, RecorderState};
use trigger::Trigger;

/// The pre-roll holds at most so many bytes, unless told otherwise.
const PRE_ROLL_BYTES: usize = 16 << 20;

/// Pictures a second that a recording may be held down to.
const FPS: std::ops::RangeInclusive<f64> = 0.01..=240.0;

/// Times between two pictures of a time-lapse.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// Behind the source of a recording whose pictures are those that viewers saw.
pub const AS_SHOWN: &str = ", as shown";

/// An empty store in the place of one that was set aside is waited for so long.
const OPENS_WITHIN: Duration = Duration::from_secs(5);

/// The longest that [`Keeping::wait_closed`] waits.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// How pictures are kept. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct KeepingSettings {
    /// The camera's name.
    pub name: String,
    /// The time zone that dates are told in.
    pub zone: TimeZone,
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
    /// A time-lapse of at least so much from picture to picture lets the camera sleep between.
    pub sleeps_from: Duration,
    /// No picture is kept.
    pub counts_only: bool,
}

impl Default for KeepingSettings {
    fn default() -> KeepingSettings {
        KeepingSettings {
            name: String::from("camera"),
            zone: TimeZone::system(),
            warm_up: 3,
            max_duration: Some(Duration::from_secs(3600)),
            max_bytes: None,
            fps: None,
            pre_roll: Duration::ZERO,
            pre_roll_bytes: PRE_ROLL_BYTES,
            on_crossing: Vec::new(),
            after_crossing: Duration::from_secs(10),
            sleeps_from: Duration::from_secs(20),
            counts_only: false,
        }
    }
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
    /// Ends after this time, the pre-roll not counted; `None`: as configured, and a time-lapse when somebody ends it.
    pub duration: Option<Duration>,
    /// Ends at so many bytes; `None`: as configured.
    pub bytes: Option<u64>,
    /// The pictures as viewers see them, not the camera's own. Such a recording has no pre-roll.
    pub as_shown: bool,
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PictureChange {
    /// At most so many pixels a row, 16–8192; never more than it has.
    pub width: Option<u32>,
    /// As this shows it.
    pub view: View,
}

/// A picture could not be taken or kept, or a recording not begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeepError {
    /// `[privacy] counts_only`.
    #[error("no snapshot is stored: privacy mode is on")]
    CountsOnly,
    /// There is no picture to be had; the words of the camera's state, what can be done, and what everybody is told instead.
    #[error("{0}")]
    NoPicture(String, Option<String>, Option<&'static str>),
    /// A recording runs already.
    #[error("{0:?} is being recorded already")]
    Recording(String),
    /// A wish is out of its range.
    #[error("{0}")]
    Wrong(String),
    /// The picture is too large for this machine's memory to be changed, now or at all.
    #[error("the picture could not be changed: {0}")]
    NoRoom(NoRoom),
    /// The picture could not be changed as wanted.
    #[error("the picture could not be changed: {0}")]
    Picture(String),
    /// A recording has ended, and the store does not take that for the moment: it does later by itself.
    #[error(
        "the recording has ended, and is closed when the store takes that; {lost} pictures of its end are lost: {why}"
    )]
    NotClosed {
        /// Pictures of its end.
        lost: u64,
        /// Why.
        why: MediaError,
    },
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
    /// Pictures on the disk so far: those of the last second are on their way.
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
    shared: Arc<RecorderState>,
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
        pipeline.set_warm_up(settings.warm_up);
        let (commands, obeyed) = mpsc::channel(COMMANDS);
        let shared = Arc::new(RecorderState::new(pipeline.clone(), media, settings, commands));
        let runtime = waits::runtime()?;
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
        Ok((Keeping { shared }, worker))
    }

    /// Keeps by other settings from now on. A recording under way goes on as it was begun, but is ended where no picture
    /// is to be kept any more.
    pub fn set_settings(&self, settings: KeepingSettings) {
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

    /// Sets the store aside and begins an empty one. A recording under way is ended before, so that its last pictures are
    /// in the file that is set aside, too. One that could not be opened is set aside as it is; `zone` is that of the date
    /// in its name.
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

    /// Sets a store aside that could not be opened. Whoever opens the store tries it again every other second, and begins
    /// an empty one: that is waited for, so that things can be kept from the answer on.
    async fn set_aside(&self, directory: PathBuf, zone: TimeZone) -> Result<AsideFile, MediaError> {
        let until = Instant::now() + OPENS_WITHIN;
        let pause = Duration::from_millis(50);
        let aside = loop {
            let (directory, zone) = (directory.clone(), zone.clone());
            let done = spawn_blocking(move || Media::set_aside(&directory, &zone)).await;
            match done.map_err(|_| MediaError::Busy)? {
                // Whoever tries to open it has it for that long.
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
    /// [`KeepError`].
    pub async fn record(&self, wish: RecordingWish) -> Result<Item, KeepError> {
        self.shared.store()?;
        check(&wish)?;
        let (begun, answer) = oneshot::channel();
        self.send_command(Command::Begin(Box::new(wish), begun)).await?;
        answer.await.map_err(|_| KeepError::Media(MediaError::Busy))?
    }

    /// Ends the recording under way; answers when its last chunk is on the disk. `None`: none was under way, or it had
    /// not a single picture.
    ///
    /// # Errors
    /// The disk does not take it.
    pub async fn end_recording(&self) -> Result<Option<Item>, KeepError> {
        self.shared.store()?;
        let (told, answer) = oneshot::channel();
        self.send_command(Command::End(told)).await?;
        answer.await.map_err(|_| KeepError::Media(MediaError::Busy))?
    }

    async fn send_command(&self, command: Command) -> Result<(), KeepError> {
        // The receiver is gone only when the thread is.
        self.shared.commands.send(command).await.map_err(|_| KeepError::Media(MediaError::Busy))
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

fn check(wish: &RecordingWish) -> Result<(), KeepError> {
    let wrong = |what: String| Err(KeepError::Wrong(what));
    if let Some(fps) = wish.fps.filter(|fps| !FPS.contains(fps)) {
        return wrong(format!("{fps} pictures a second are none: 0.01 to 240"));
    }
    if let Some(every) = wish.every.filter(|every| !EVERY.contains(every)) {
        return wrong(format!("one picture in {} s is none: 1 s to 1 h", every.as_secs_f64()));
    }
    if wish.fps.is_some() && wish.every.is_some() {
        return wrong(String::from("either so many pictures a second, or one in so much time"));
    }
    if wish.duration.is_some_and(|duration| duration.is_zero()) || wish.bytes == Some(0) {
        return wrong(String::from("a recording of no time or no bytes is none"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_out_of_range_are_refused() {
        let fine =
            RecordingWish { fps: Some(0.01), duration: Some(Duration::from_millis(1)), ..Default::default() };
        assert!(check(&fine).is_ok());
        let lapse = |every| RecordingWish { every: Some(every), ..RecordingWish::default() };
        assert!(check(&lapse(Duration::from_secs(3600))).is_ok());
        for wrong in [
            RecordingWish { fps: Some(0.0), ..fine.clone() },
            RecordingWish { fps: Some(f64::NAN), ..fine.clone() },
            RecordingWish { fps: Some(241.0), ..fine.clone() },
            RecordingWish { every: Some(Duration::from_secs(2)), ..fine.clone() },
            RecordingWish { duration: Some(Duration::ZERO), ..fine.clone() },
            RecordingWish { bytes: Some(0), ..fine },
            lapse(Duration::from_millis(999)),
            lapse(Duration::from_secs(3601)),
        ] {
            assert!(matches!(check(&wrong), Err(KeepError::Wrong(_))), "{wrong:?}");
        }
    }
}
