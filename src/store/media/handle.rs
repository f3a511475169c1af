//! The store's handles: what the rest of the house holds of the writer's thread.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::maintenance::jobs::Job;
use super::retention::rules;
use super::schema::{self, media_error, open_to_write};
use super::writer::transaction::{MediaFault, MediaJob, MediaTransaction};
use super::writer::{MediaWrite, MediaWriter};
use super::writer::{edits, rotate};
use super::{
    AsideFile, Chunk, ClockWait, Ended, Item, MediaEdit, MediaError, MediaReader, MediaSettings, MediaStatus,
    NewRecording, NewSnapshot, RetentionPlan, RetentionRules, chunks, names, retention, storage,
};
use crate::base::{ClockTime, Worker};
use crate::store::clock_correction::{Clock, SystemClock};
use crate::store::inbox::{Inbox, SendError as Full};

/// Commands that wait at most, beside chunks: a snapshot's picture waits with it.
const CAPACITY: usize = 32;

/// Chunks of a recording that wait for the disk at most.
const MOST_WAITING: usize = 2;

/// A clock that nothing keeps right is gone by for ages when it has not been set for so long: one that jumps ahead has
/// nothing removed until then.
const STEADY_US: u64 = 3_600_000_000;

/// How long a sender waits for a place in a full inbox.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the beginning or end of a recording may take: a slow card, and what was held before it.
const END_PATIENCE: Duration = Duration::from_secs(30);

/// What the writer shares with the handles.
pub(super) struct MediaShared {
    pub inbox: Inbox<MediaWrite>,
    clock: Arc<dyn Clock + Sync>,
    /// Since when the wall clock has gone on without being set.
    steady_us: AtomicU64,
    status: watch::Sender<Arc<MediaStatus>>,
    retention: Mutex<RetentionRules>,
    tracks: Mutex<BTreeMap<u64, Weak<RecordingTrack>>>,
}

impl MediaShared {
    fn new(retention: RetentionRules, clock: Arc<dyn Clock + Sync>) -> MediaShared {
        MediaShared {
            inbox: Inbox::new(CAPACITY),
            steady_us: AtomicU64::new(clock.now().monotonic_us),
            clock,
            status: watch::Sender::default(),
            retention: Mutex::new(retention),
            tracks: Mutex::default(),
        }
    }

    /// Changes the status; whoever waits hears of it if it is another one.
    pub(super) fn change_status(&self, change: impl FnOnce(&mut MediaStatus)) {
        self.status.send_if_modified(|status| {
            let mut changed = MediaStatus::clone(status);
            change(&mut changed);
            let is_other = changed != **status;
            if is_other {
                *status = Arc::new(changed);
            }
            is_other
        });
    }

    /// The wall clock was set.
    pub(super) fn clock_was_set(&self, now: ClockTime) {
        self.steady_us.store(now.monotonic_us, Ordering::Relaxed);
    }

    /// What keeps all that is too old from going at `now`: the wall time is believed only while something keeps the
    /// clock right or it has stood the test of time.
    fn clock_wait(&self, now: ClockTime) -> Option<ClockWait> {
        if !now.wall_trusted {
            return Some(ClockWait::Unset);
        }
        let steady_us = now.monotonic_us.saturating_sub(self.steady_us.load(Ordering::Relaxed));
        let left_us = STEADY_US.saturating_sub(steady_us);
        (left_us > 0 && !self.clock.is_synchronised())
            .then(|| ClockWait::Until(now.wall_us.saturating_add(left_us)))
    }

    /// `now`, its wall time believed only if nothing waits for the clock.
    pub(super) fn retention_now(&self, now: ClockTime) -> ClockTime {
        ClockTime { wall_trusted: self.clock_wait(now).is_none(), ..now }
    }

    /// The rules in force.
    pub(super) fn retention(&self) -> RetentionRules {
        self.retention.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has all recordings under way take no more chunks; `items` says what they came to.
    pub(super) fn close_tracks(&self, items: &BTreeMap<u64, Option<Item>>) {
        for (id, track) in std::mem::take(&mut *self.tracks()) {
            if let Some(track) = track.upgrade() {
                track.close(items.get(&id).cloned().flatten());
            }
        }
    }

    fn tracks(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<RecordingTrack>>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a recording's handle and the writer share.
#[derive(Debug)]
pub(super) struct RecordingTrack {
    pub id: u64,
    state: Mutex<RecordingState>,
    /// A chunk was taken, or the recording closed.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct RecordingState {
    waiting: usize,
    /// Empty chunks whose buffers are used again.
    spare: Vec<Chunk>,
    trouble: Option<MediaError>,
    written: RecordingProgress,
    /// It takes no more chunks; what it came to.
    closed: Option<Option<Item>>,
}

/// How much of a recording under way is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordingProgress {
    /// Pictures.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Places at which some are missing.
    pub gaps: u64,
    /// The time of the newest since the recording's beginning, microseconds.
    pub to_us: u64,
}

impl RecordingProgress {
    /// A chunk more.
    pub fn add(&mut self, chunk: &Chunk) {
        self.frames += chunk.frames.len() as u64;
        self.bytes += chunk.jpegs.len() as u64;
        self.gaps += u64::from(chunk.is_after_gap);
        self.to_us = chunk.frames.last().map_or(self.to_us, |last| last.at_us);
    }
}

impl RecordingTrack {
    fn new(id: u64) -> RecordingTrack {
        RecordingTrack { id, state: Mutex::default(), moved: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, RecordingState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A chunk is on the disk: it counts, and its buffer goes back.
    pub(super) fn chunk_written(&self, chunk: Chunk) {
        self.state().written.add(&chunk);
        self.return_buffer(chunk);
    }

    /// The buffer of a chunk that nobody writes any more goes back.
    pub(super) fn return_buffer(&self, mut chunk: Chunk) {
        chunk.frames.clear();
        chunk.jpegs.clear();
        (chunk.width, chunk.height, chunk.is_after_gap) = (0, 0, false);
        let mut state = self.state();
        state.waiting = state.waiting.saturating_sub(1);
        state.trouble = None;
        if state.spare.len() < MOST_WAITING {
            state.spare.push(chunk);
        }
        self.moved.notify_all();
    }

    /// Why the disk does not take what waits.
    pub(super) fn set_error(&self, trouble: Option<MediaError>) {
        self.state().trouble = trouble;
        self.moved.notify_all();
    }

    /// What it came to, if it was closed by somebody else.
    pub(super) fn closed_item(&self) -> Option<Option<Item>> {
        self.state().closed.clone()
    }

    fn close(&self, item: Option<Item>) {
        let mut state = self.state();
        if state.closed.is_none() {
            state.closed = Some(item);
        }
        self.moved.notify_all();
    }
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Media {
    shared: Arc<MediaShared>,
    file: PathBuf,
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Media {
    /// Opens the store, migrates and mends it (a recording that was under way is closed), and starts the thread
    /// `media`, which ends with everything written after [`Media::stop`].
    ///
    /// # Errors
    /// The directory cannot be written to, another tallycam has it, or the file is damaged, foreign or newer.
    pub fn open(settings: MediaSettings) -> Result<(Media, Worker), MediaError> {
        let (media, writer) = Media::open_parts(settings, Arc::new(SystemClock))?;
        // The directory's name: nothing is wrong with the file.
        let directory = media.file.parent().unwrap_or(Path::new(".")).to_owned();
        let worker = Worker::spawn("media", move |beat| writer.run_thread(beat)).map_err(|error| {
            let reason = format!("the store's thread cannot be started: {error}");
            MediaError::File { file: directory, reason, hint: None }
        })?;
        Ok((media, worker))
    }

    /// The handle and the writer, whose thread has not begun: tests take its turns themselves.
    pub(super) fn open_parts(
        settings: MediaSettings,
        clock: Arc<dyn Clock + Sync>,
    ) -> Result<(Media, MediaWriter), MediaError> {
        let lock = schema::lock(&settings.directory)?;
        rotate::complete(&settings.directory)?;
        let file = settings.directory.join(schema::FILE_NAME);
        let connection = open_to_write(&file)?;
        let shared = Arc::new(MediaShared::new(settings.retention.clone(), Arc::clone(&clock)));
        let writer = MediaWriter::new(connection, lock, settings, file.clone(), clock, Arc::clone(&shared))
            .map_err(|error| media_error(&file, &error))?;
        Ok((Media { shared, file }, writer))
    }

    /// Sets a store aside that cannot be opened, as it is; the next [`Media::open`] begins an empty one.
    ///
    /// # Errors
    /// Another tallycam has it, there is none, or the directory cannot be written to.
    pub fn set_aside(directory: &Path, zone: &jiff::tz::TimeZone) -> Result<AsideFile, MediaError> {
        let _lock = schema::lock(directory)?;
        rotate::complete(directory)?;
        let now_us = SystemClock.now().wall_us as i64;
        rotate::move_store_aside(directory, &names::format_stamp(now_us, zone))
    }

    /// Where it lies.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A reader of its own.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> Result<MediaReader, MediaError> {
        MediaReader::open(&self.file)
    }

    /// How it is, to look at and to wait for changes.
    pub fn status(&self) -> watch::Receiver<Arc<MediaStatus>> {
        self.shared.status.subscribe()
    }

    /// Keeps a picture. Answers when it is on the disk.
    ///
    /// # Errors
    /// The name is none or taken, or the disk does not take it: then there is neither row nor picture.
    pub async fn add_snapshot(&self, snapshot: NewSnapshot) -> Result<Item, MediaError> {
        self.run_edit(move |tx| edits::add_snapshot(tx, snapshot)).await
    }

    /// Begins a recording. Its row is there at once, open, without pictures. Blocks until then.
    ///
    /// # Errors
    /// As for a snapshot.
    pub fn begin_recording(&self, recording: NewRecording) -> Result<RecordingHandle, MediaError> {
        let (tell, told) = mpsc::sync_channel(1);
        let shared = Arc::clone(&self.shared);
        let begin = move |tx: &mut MediaTransaction<'_>| {
            let id = edits::insert_recording(tx, recording)?;
            let track = Arc::new(RecordingTrack::new(id));
            Ok(RecordingHandle { track, shared, is_ended: false })
        };
        let tell = move |answer: Result<RecordingHandle, MediaError>| {
            if let Ok(handle) = &answer {
                let mut tracks = handle.shared.tracks();
                tracks.retain(|_, track| track.strong_count() > 0);
                tracks.insert(handle.track.id, Arc::downgrade(&handle.track));
            }
            // When nobody waits any more the handle is dropped, which ends the recording.
            drop(tell.send(answer));
        };
        self.shared
            .inbox
            .push(MediaWrite::Edit(Some(edit(begin, tell))), PATIENCE)
            .map_err(|_| MediaError::Busy)?;
        told.recv_timeout(END_PATIENCE).unwrap_or(Err(MediaError::Busy))
    }

    /// Changes an item; `version`: only if it still has this one.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn edit(&self, id: u64, version: Option<u64>, edit: MediaEdit) -> Result<Item, MediaError> {
        self.run_edit(move |tx| edits::edit(tx, id, version, edit)).await
    }

    /// Has retention leave items alone, or no longer: all or none, in one transaction. Those that are so already do
    /// not change, and keep their version.
    ///
    /// # Errors
    /// One is not there.
    pub async fn set_kept(&self, ids: Vec<u64>, is_kept: bool) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::set_kept(tx, &ids, is_kept)).await
    }

    /// Removes items, all or none; answers when they are gone from every list. Their room is freed in time.
    ///
    /// # Errors
    /// One is not there, or is being recorded.
    pub async fn remove(&self, ids: Vec<u64>) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::remove(tx, &ids)).await
    }

    /// Removes an item; `version`: only if it still has this one.
    ///
    /// # Errors
    /// As for several, or it has been changed.
    pub async fn remove_one(&self, id: u64, version: Option<u64>) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::remove_one(tx, id, version)).await
    }

    /// Sets the file aside under a name with the date and begins an empty one. A recording under way is closed in the
    /// old one; [`RecordingHandle::append`] refuses from then on. Numbers of items go on. A file that turns out to be
    /// damaged is set aside as it is: what can be read of it goes on.
    ///
    /// # Errors
    /// [`MediaError`]; then the old one stays in use.
    pub async fn recreate(&self) -> Result<AsideFile, MediaError> {
        let (tell, told) = oneshot::channel();
        self.push(MediaWrite::Anew(tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// Deletes a file that was set aside.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn delete_aside_file(&self, name: String) -> Result<(), MediaError> {
        let directory = self.file.parent().unwrap_or(Path::new(".")).to_owned();
        self.run_edit(move |_| rotate::remove(&directory, &name).map_err(MediaFault::from)).await
    }

    /// Something small that outlives restarts, such as rules made on the page; [`MediaReader::setting`] gives it.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn set_setting(&self, key: &'static str, value: Option<String>) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::set_setting(tx, key, value.as_deref())).await
    }

    /// The rules that were made on the page, if any, from now on; those of `pinned` (keys of the configuration's
    /// `[retention]`, such as `snapshots_age`) stay as they are. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn apply_saved_retention(&self, pinned: &[String]) -> Result<(), MediaError> {
        let Some(saved) = self.reader()?.setting(rules::SETTING)? else { return Ok(()) };
        self.set_retention(rules::overlay_rules(self.retention(), &saved, pinned));
        Ok(())
    }

    /// Other rules from now on and after a restart.
    ///
    /// # Errors
    /// More is to stay free from now on than the file system has in all: everything would be deleted for it, in vain.
    /// Or they could not be written. Then nothing is changed.
    pub async fn save_retention(&self, rules: RetentionRules) -> Result<(), MediaError> {
        self.check_rules(&rules)?;
        self.set_setting(rules::SETTING, Some(rules::to_text(&rules))).await?;
        self.set_retention(rules);
        Ok(())
    }

    /// What `rules` would delete that those in force leave, as [`Media::deleted_by`]. Blocks.
    ///
    /// # Errors
    /// As [`Media::save_retention`], or the file cannot be read.
    pub fn deletions(&self, rules: &RetentionRules) -> Result<RetentionPlan, MediaError> {
        self.check_rules(rules)?;
        let in_force = self.retention();
        if !retention::is_lower(&in_force, rules) {
            return Ok(RetentionPlan::default());
        }
        let reader = self.reader()?;
        let mut plan = self.deleted_by(&reader, rules)?;
        let anyway: HashSet<u64> =
            self.deleted_by(&reader, &in_force)?.goes.iter().map(|(item, _)| item.id).collect();
        plan.goes.retain(|(item, _)| !anyway.contains(&item.id));
        plan.waits = plan.waits.filter(|_| plan.has_too_old());
        Ok(plan)
    }

    /// What `rules` delete: at once, and what is too old as soon as the clock is believed, which may be in a minute
    /// ([`RetentionPlan::waits`]).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn deleted_by(
        &self,
        reader: &MediaReader,
        rules: &RetentionRules,
    ) -> Result<RetentionPlan, MediaError> {
        let mut now = self.shared.clock.now();
        let waits = self.shared.clock_wait(now);
        if waits == Some(ClockWait::Unset) {
            // What it will be set to is not before what is there.
            now.wall_us = now.wall_us.max(reader.newest_us()?);
        }
        let mut plan = reader.plan(rules, ClockTime { wall_trusted: true, ..now })?;
        plan.waits = waits.filter(|_| plan.has_too_old());
        Ok(plan)
    }

    /// What keeps all that is too old from going at present.
    pub fn clock_wait(&self) -> Option<ClockWait> {
        self.shared.clock_wait(self.shared.clock.now())
    }

    fn check_rules(&self, rules: &RetentionRules) -> Result<(), MediaError> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        if rules.min_free != self.retention().min_free
            && let (Some(least), Some((_, total))) = (rules.min_free, storage::file_system_space(directory))
            && least > total
        {
            return Err(MediaError::Wrong(format!(
                "{:.1} GB cannot stay free: the file system has {:.1} GB in all",
                least as f64 / 1e9,
                total as f64 / 1e9
            )));
        }
        Ok(())
    }

    /// Other rules from now on. When less is to be kept than there is, the room goes back to the file system, paced so
    /// that nobody notices.
    pub fn set_retention(&self, rules: RetentionRules) {
        let mut kept = self.shared.retention.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lower = retention::is_lower(&kept, &rules);
        *kept = rules;
        drop(kept);
        // A writer that has ended keeps no rule.
        let _ = self.shared.inbox.push_unbounded(MediaWrite::Rules(is_lower));
    }

    /// What is added from now on is from the camera of this name, and has its date in this time zone.
    pub fn set_camera_and_zone(&self, camera: String, zone: jiff::tz::TimeZone) {
        // A writer that has ended adds nothing.
        let _ = self.shared.inbox.push_unbounded(MediaWrite::Words(camera, zone));
    }

    /// The rules in force.
    pub fn retention(&self) -> RetentionRules {
        self.shared.retention()
    }

    /// The present as retention takes it: a clock that nothing keeps right and that was set not long ago is not
    /// believed, and then nothing goes by age. For [`MediaReader::plan`].
    pub fn retention_now(&self) -> ClockTime {
        self.shared.retention_now(self.shared.clock.now())
    }

    /// Has the writer end once everything is written: recordings that are open are closed.
    pub fn stop(&self) {
        self.shared.inbox.close();
    }

    /// Has the writer begin long work.
    pub(super) async fn run(&self, job: impl Job + 'static) -> Result<(), MediaError> {
        self.push(MediaWrite::Job(Box::new(job))).await
    }

    /// What waits for the writer, for tests that take its turns.
    #[cfg(test)]
    pub(super) fn taken(&self) -> std::collections::VecDeque<MediaWrite> {
        self.shared.inbox.take_all()
    }

    /// Waits a moment for something to wait for the writer.
    #[cfg(test)]
    pub(super) fn waited(&self) {
        self.shared.inbox.wait(Duration::from_millis(1));
    }

    /// Has a change made and waits for its commit, without holding a thread.
    pub(super) async fn run_edit<T: Send + 'static>(
        &self,
        make: impl FnOnce(&mut MediaTransaction<'_>) -> Result<T, MediaFault> + Send + 'static,
    ) -> Result<T, MediaError> {
        let (tell, told) = oneshot::channel();
        // Nobody waits any more: that is all right.
        self.push(MediaWrite::Edit(Some(edit(make, move |answer| drop(tell.send(answer)))))).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    async fn push(&self, command: MediaWrite) -> Result<(), MediaError> {
        self.shared.inbox.push_from_task(command, PATIENCE).await.map_err(|_| MediaError::Busy)
    }
}

/// A change that tells how it ended: at once what is wrong with it, else after the commit.
fn edit<T: Send + 'static>(
    make: impl FnOnce(&mut MediaTransaction<'_>) -> Result<T, MediaFault> + Send + 'static,
    tell: impl FnOnce(Result<T, MediaError>) + Send + 'static,
) -> MediaJob {
    Box::new(move |tx| {
        let tx = match tx {
            Ok(tx) => tx,
            Err(error) => {
                tell(Err(error.clone()));
                return Err(MediaFault::Edit(error));
            }
        };
        match make(tx) {
            Ok(made) => Ok(Box::new(move |committed| tell(committed.map(|()| made)))),
            Err(MediaFault::Edit(error)) => {
                tell(Err(error.clone()));
                Err(MediaFault::Edit(error))
            }
            Err(MediaFault::File(error)) => {
                tell(Err(media_error(tx.file, &error)));
                Err(MediaFault::File(error))
            }
        }
    })
}

/// A recording under way; only the store's writer ends it for good. Dropped without an end, it ends as interrupted.
pub struct RecordingHandle {
    track: Arc<RecordingTrack>,
    shared: Arc<MediaShared>,
    is_ended: bool,
}

impl std::fmt::Debug for RecordingHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingHandle").field("id", &self.track.id).finish_non_exhaustive()
    }
}

/// Why a chunk was not taken: two are waiting, or the disk takes nothing. Here it is back, its buffer to be used again.
#[derive(Debug)]
pub struct RefusedChunk(pub Chunk);

/// What [`RecordingHandle::spare_chunk`] has.
#[derive(Debug)]
pub enum Spare {
    /// An empty chunk whose buffers are used again.
    Here(Chunk),
    /// None yet: a chunk is being written, whose buffers come back.
    BeingWritten,
    /// None, and none is being written.
    None,
}

impl RecordingHandle {
    /// The recording's number.
    pub fn id(&self) -> u64 {
        self.track.id
    }

    /// Hands a chunk to the writer and gets an empty one back, to be filled next: buffers go round. Never waits.
    ///
    /// # Errors
    /// [`RefusedChunk`]: two are waiting already, or the recording is closed. The caller offers it again, or drops what
    /// it has ([`RecordingHandle::count_dropped`]), goes on with this buffer and sets [`Chunk::is_after_gap`].
    pub fn append(&mut self, chunk: Chunk) -> Result<Chunk, RefusedChunk> {
        self.offer_chunk(chunk)
    }

    /// The same for those who have time: waits until there is a place.
    ///
    /// # Errors
    /// The disk does not take it, or the store has ended.
    pub fn append_waiting(&mut self, chunk: Chunk) -> Result<Chunk, MediaError> {
        if let Some(fault) = chunks::find_fault(&chunk) {
            return Err(MediaError::Wrong(format!("the chunk cannot be kept: {fault}")));
        }
        let mut state = self.track.state();
        while state.waiting >= MOST_WAITING && state.closed.is_none() {
            if let Some(trouble) = &state.trouble {
                return Err(trouble.clone());
            }
            state = self.track.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.offer_chunk(chunk).map_err(|_| MediaError::Busy)
    }

    /// An empty chunk to be filled whose buffers have come back since [`RecordingHandle::append`] gave a new one.
    pub fn spare_chunk(&mut self) -> Spare {
        let mut state = self.track.state();
        match state.spare.pop() {
            Some(chunk) => Spare::Here(chunk),
            None if state.waiting > 0 => Spare::BeingWritten,
            None => Spare::None,
        }
    }

    /// How much of it is on the disk.
    pub fn written(&self) -> RecordingProgress {
        self.track.state().written
    }

    /// Why the disk did not take the newest chunk, if so.
    pub fn error(&self) -> Option<MediaError> {
        self.track.state().trouble.clone()
    }

    /// Whether it takes no more chunks: the store was set aside, or has ended.
    pub fn is_closed(&self) -> bool {
        self.track.state().closed.is_some()
    }

    /// A chunk was dropped because the disk did not take it in time: [`MediaStatus::chunks_dropped`] counts it.
    pub fn count_dropped(&self) {
        self.shared.change_status(|status| status.chunks_dropped += 1);
    }

    /// Ends it and removes what it has, for what turned out to be of no use. Answers when it is gone. Blocks.
    ///
    /// # Errors
    /// The disk does not take it: the row stays and is closed when it does, or at the next start.
    pub fn discard(self) -> Result<(), MediaError> {
        let shared = Arc::clone(&self.shared);
        let Some(item) = self.end(Ended::Interrupted)? else { return Ok(()) };
        let (tell, told) = mpsc::sync_channel(1);
        let remove = edit(move |tx| edits::remove(tx, &[item.id]), move |answer| drop(tell.send(answer)));
        shared.inbox.push(MediaWrite::Edit(Some(remove)), PATIENCE).map_err(|_| MediaError::Busy)?;
        told.recv_timeout(END_PATIENCE).unwrap_or(Err(MediaError::Busy))
    }

    /// Ends it; answers when its last chunk is on the disk. Blocks. A recording without a picture leaves no row, and
    /// `None` is given.
    ///
    /// # Errors
    /// The disk does not take it: the row stays open and is closed when it does, or at the next start.
    pub fn end(mut self, ended: Ended) -> Result<Option<Item>, MediaError> {
        let (tell, told) = mpsc::sync_channel(1);
        self.is_ended = true;
        let command = MediaWrite::End(Arc::clone(&self.track), ended, Some(tell));
        let answer = match self.shared.inbox.push_unbounded(command) {
            Ok(()) => told.recv_timeout(END_PATIENCE).unwrap_or(Err(MediaError::Busy)),
            Err(_) => Err(MediaError::Busy),
        };
        match (answer, self.track.closed_item()) {
            // The store has ended, and closed it before.
            (Err(MediaError::Busy), Some(Some(item))) => Ok(Some(item)),
            (answer, _) => answer,
        }
    }

    fn offer_chunk(&self, chunk: Chunk) -> Result<Chunk, RefusedChunk> {
        if let Some(fault) = chunks::find_fault(&chunk) {
            log::error!("a chunk of recording {} cannot be kept: {fault}", self.track.id);
            return Err(RefusedChunk(chunk));
        }
        let mut state = self.track.state();
        if state.closed.is_some() || state.waiting >= MOST_WAITING {
            return Err(RefusedChunk(chunk));
        }
        match self.shared.inbox.push_unbounded(MediaWrite::Chunk(Arc::clone(&self.track), chunk, false)) {
            Ok(()) => {
                state.waiting += 1;
                Ok(state.spare.pop().unwrap_or_default())
            }
            Err(
                Full::Full(MediaWrite::Chunk(_, chunk, _)) | Full::Closed(MediaWrite::Chunk(_, chunk, _)),
            ) => Err(RefusedChunk(chunk)),
            Err(_) => Err(RefusedChunk(Chunk::default())),
        }
    }
}

impl Drop for RecordingHandle {
    fn drop(&mut self) {
        if !self.is_ended {
            let end = MediaWrite::End(Arc::clone(&self.track), Ended::Interrupted, None);
            // When the writer has ended it has closed the recording.
            let _ = self.shared.inbox.push_unbounded(end);
        }
    }
}
