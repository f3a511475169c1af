//! The store's handles, through which other modules use the writer's thread.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::loan::{Lent, Loan};
use super::maintenance::jobs::Job;
use super::retention::rules;
use super::schema::{self, media_error, open_to_write};
use super::writer::transaction::{MediaFault, MediaJob, MediaTransaction};
use super::writer::{MediaWrite, MediaWriter};
use super::writer::{edits, rotate};
use super::{
    AsideFile, Chunk, ClockWait, Ended, Item, MediaEdit, MediaError, MediaReader, MediaSettings, MediaStatus,
    NewRecording, NewSnapshot, RetentionPlan, RetentionRules, chunks, names, retention,
};
use crate::clock_correction::{Clock, SystemClock};
use crate::inbox::{Inbox, SendError as Full};
use tallycam_base::{ClockTime, Worker, ballast};

/// Maximum number of queued commands beside chunks. A queued snapshot includes its JPEG.
const CAPACITY: usize = 32;

/// Maximum number of chunks of a recording that wait for the disk.
const MOST_WAITING: usize = 2;

/// Time in microseconds after which an unsynchronized clock is trusted for retention, if it was not set meanwhile.
/// Until then a clock that jumps ahead deletes nothing.
const STEADY_US: u64 = 3_600_000_000;

/// Time that a sender waits for a place in a full inbox.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time limit for the start or end of a recording, with a slow card and held chunks.
const END_PATIENCE: Duration = Duration::from_secs(30);

/// State that the writer shares with the handles.
pub(super) struct MediaShared {
    pub inbox: Inbox<MediaWrite>,
    clock: Arc<dyn Clock + Sync>,
    /// When the wall clock was last set, by `CLOCK_MONOTONIC`.
    steady_us: AtomicU64,
    status: watch::Sender<Arc<MediaStatus>>,
    retention: Mutex<RetentionRules>,
    lent: Lent,
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
            lent: Lent::default(),
            tracks: Mutex::default(),
        }
    }

    /// Changes the status. Receivers are woken only if it differs.
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

    /// Records that the wall clock was set.
    pub(super) fn clock_was_set(&self, now: ClockTime) {
        self.steady_us.store(now.monotonic_us, Ordering::Relaxed);
    }

    /// Why deletion by age waits at `now`, if it does. The wall time is trusted only if the clock is synchronized or
    /// was not set for an hour.
    fn clock_wait(&self, now: ClockTime) -> Option<ClockWait> {
        if !now.wall_trusted {
            return Some(ClockWait::Unset);
        }
        let steady_us = now.monotonic_us.saturating_sub(self.steady_us.load(Ordering::Relaxed));
        let left_us = STEADY_US.saturating_sub(steady_us);
        (left_us > 0 && !self.clock.is_synchronised())
            .then(|| ClockWait::Until(now.wall_us.saturating_add(left_us)))
    }

    /// `now`, with its wall time trusted only if deletion by age does not wait.
    pub(super) fn retention_now(&self, now: ClockTime) -> ClockTime {
        ClockTime { wall_trusted: self.clock_wait(now).is_none(), ..now }
    }

    /// The rules for the writer: room that is lent counts as free.
    pub(super) fn retention_beside_loans(&self) -> RetentionRules {
        self.lent.beside(self.retention())
    }

    /// The rules in force.
    pub(super) fn retention(&self) -> RetentionRules {
        self.retention.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes all recordings under way; `items` has their rows.
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

/// State that a recording's handle and the writer share.
#[derive(Debug)]
pub(super) struct RecordingTrack {
    pub id: u64,
    state: Mutex<RecordingState>,
    /// Signals a written chunk or the closing.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct RecordingState {
    waiting: usize,
    /// Empty chunks whose buffers are reused.
    spare: Vec<Chunk>,
    trouble: Option<MediaError>,
    written: RecordingProgress,
    /// Set when it accepts no more chunks, with the item, if it has pictures.
    closed: Option<Option<Item>>,
}

/// The part of a recording under way that is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordingProgress {
    /// Number of pictures.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of gaps.
    pub gaps: u64,
    /// Time of the newest picture, in microseconds since the recording's start.
    pub to_us: u64,
}

impl RecordingProgress {
    /// Adds a chunk.
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

    /// Counts a written chunk and returns its buffer.
    pub(super) fn chunk_written(&self, chunk: Chunk) {
        self.state().written.add(&chunk);
        self.return_buffer(chunk);
    }

    /// Returns the buffer of a chunk that is done with.
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

    /// Sets why the disk does not take the waiting chunks.
    pub(super) fn set_error(&self, trouble: Option<MediaError>) {
        self.state().trouble = trouble;
        self.moved.notify_all();
    }

    /// The item, if the recording was closed from elsewhere.
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
    /// Opens the store, migrates and mends it, and starts the thread `media`. Mending closes an open recording. After
    /// [`Media::stop`] the thread writes everything that waits, and ends.
    ///
    /// # Errors
    /// The directory is not writable, another tallycam holds it, or the file is damaged, foreign or newer.
    pub fn open(settings: MediaSettings) -> Result<(Media, Worker), MediaError> {
        let (media, writer) = Media::open_parts(settings, Arc::new(SystemClock))?;
        // The directory, because the file itself has no fault.
        let directory = media.file.parent().unwrap_or(Path::new(".")).to_owned();
        let worker = Worker::spawn("media", move |beat| writer.run_thread(beat)).map_err(|error| {
            let reason = format!("the store's thread cannot be started: {error}");
            MediaError::File { file: directory, reason, hint: None }
        })?;
        Ok((media, worker))
    }

    /// The handle and the writer without a running thread; tests run its turns themselves.
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

    /// Sets an unusable store aside unchanged. The next [`Media::open`] starts an empty one.
    ///
    /// # Errors
    /// Another tallycam holds it, there is none, or the directory is not writable.
    pub fn set_aside(directory: &Path, zone: &jiff::tz::TimeZone) -> Result<AsideFile, MediaError> {
        let _lock = schema::lock(directory)?;
        rotate::complete(directory)?;
        let now_us = SystemClock.now().wall_us as i64;
        rotate::move_store_aside(directory, &names::format_stamp(now_us, zone))
    }

    /// The path of the store.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Opens a reader.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> Result<MediaReader, MediaError> {
        MediaReader::open(&self.file)
    }

    /// The store's status. The receiver is woken by changes.
    pub fn status(&self) -> watch::Receiver<Arc<MediaStatus>> {
        self.shared.status.subscribe()
    }

    /// Stores a snapshot. Returns when it is on the disk.
    ///
    /// # Errors
    /// The name is invalid or taken, or the write failed. Nothing is stored then.
    pub async fn add_snapshot(&self, snapshot: NewSnapshot) -> Result<Item, MediaError> {
        self.run_edit(move |tx| edits::add_snapshot(tx, snapshot)).await
    }

    /// Starts a recording. Its row is stored at once, open and without pictures. Blocks until then.
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
            // If the caller has gone, this drops the handle, which ends the recording.
            drop(tell.send(answer));
        };
        self.shared
            .inbox
            .push(MediaWrite::Edit(Some(edit(begin, tell))), PATIENCE)
            .map_err(|_| MediaError::Busy)?;
        told.recv_timeout(END_PATIENCE).unwrap_or(Err(MediaError::Busy))
    }

    /// Changes an item. With `version` only if the item still has it.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn edit(&self, id: u64, version: Option<u64>, edit: MediaEdit) -> Result<Item, MediaError> {
        self.run_edit(move |tx| edits::edit(tx, id, version, edit)).await
    }

    /// Protects items from retention, or unprotects them: all or none, in one transaction. Unchanged items keep their
    /// version.
    ///
    /// # Errors
    /// An item does not exist.
    pub async fn set_kept(&self, ids: Vec<u64>, is_kept: bool) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::set_kept(tx, &ids, is_kept)).await
    }

    /// Removes items, all or none. Returns when they are gone from every list. Their room is freed later.
    ///
    /// # Errors
    /// An item does not exist, or is being recorded.
    pub async fn remove(&self, ids: Vec<u64>) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::remove(tx, &ids)).await
    }

    /// Removes an item. With `version` only if the item still has it.
    ///
    /// # Errors
    /// As for several items, or it was changed.
    pub async fn remove_one(&self, id: u64, version: Option<u64>) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::remove_one(tx, id, version)).await
    }

    /// Sets the file aside under a name with the date and starts an empty one. A recording under way is closed in the
    /// old file, and [`RecordingHandle::append`] refuses from then on. Item numbers continue. A damaged file is set
    /// aside unchanged, and the settings that can be read are taken over.
    ///
    /// # Errors
    /// [`MediaError`]; the old file stays in use then.
    pub async fn recreate(&self) -> Result<AsideFile, MediaError> {
        let (tell, told) = oneshot::channel();
        self.push(MediaWrite::Anew(tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// Deletes a file that was set aside.
    ///
    /// # Errors
    /// There is no such file.
    pub async fn delete_aside_file(&self, name: String) -> Result<(), MediaError> {
        let directory = self.file.parent().unwrap_or(Path::new(".")).to_owned();
        self.run_edit(move |_| rotate::remove(&directory, &name).map_err(MediaFault::from)).await
    }

    /// Stores a small value, such as the rules of the page, or deletes it. [`MediaReader::setting`] reads it.
    ///
    /// # Errors
    /// The write failed.
    pub async fn set_setting(&self, key: &'static str, value: Option<String>) -> Result<(), MediaError> {
        self.run_edit(move |tx| edits::set_setting(tx, key, value.as_deref())).await
    }

    /// Applies the stored rules of the page, if any. Rules in `pinned` (keys of the configuration's `[retention]`,
    /// such as `snapshots_age`) stay unchanged. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn apply_saved_retention(&self, pinned: &[String]) -> Result<(), MediaError> {
        let Some(saved) = self.reader()?.setting(rules::SETTING)? else { return Ok(()) };
        self.set_retention(rules::overlay_rules(self.retention(), &saved, pinned));
        Ok(())
    }

    /// Applies rules from now on and stores them.
    ///
    /// # Errors
    /// The rules would keep more free than the size of the file system, which would delete everything in vain. Or the
    /// write failed. Nothing has changed then.
    pub async fn save_retention(&self, rules: RetentionRules) -> Result<(), MediaError> {
        self.check_rules(&rules)?;
        self.set_setting(rules::SETTING, Some(rules::to_text(&rules))).await?;
        self.set_retention(rules);
        Ok(())
    }

    /// The items that `rules` would delete and the current rules would not, like [`Media::deleted_by`]. Blocks.
    ///
    /// # Errors
    /// As for [`Media::save_retention`], or the file cannot be read.
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

    /// The items that `rules` delete at once, and those that go by age as soon as the clock is trusted, which may be
    /// in a minute ([`RetentionPlan::waits`]).
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
            // The clock will be set to a time after the newest item.
            now.wall_us = now.wall_us.max(reader.newest_us()?);
        }
        let mut plan = reader.plan(rules, ClockTime { wall_trusted: true, ..now })?;
        plan.waits = waits.filter(|_| plan.has_too_old());
        Ok(plan)
    }

    /// Why deletion by age waits at present, if it does.
    pub fn clock_wait(&self) -> Option<ClockWait> {
        self.shared.clock_wait(self.shared.clock.now())
    }

    fn check_rules(&self, rules: &RetentionRules) -> Result<(), MediaError> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        if rules.min_free != self.retention().min_free
            && let (Some(least), Some((_, total))) = (rules.min_free, ballast::space(directory))
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

    /// Applies rules from now on. Stricter rules return room to the file system, slowly enough to go unnoticed.
    pub fn set_retention(&self, rules: RetentionRules) {
        let mut kept = self.shared.retention.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lower = retention::is_lower(&kept, &rules);
        *kept = rules;
        drop(kept);
        // Fails only if the writer has ended.
        let _ = self.shared.inbox.push_unbounded(MediaWrite::Rules(is_lower));
    }

    /// Sets the camera's name and the time zone of dates for new items.
    pub fn set_camera_and_zone(&self, camera: String, zone: jiff::tz::TimeZone) {
        // Fails only if the writer has ended.
        let _ = self.shared.inbox.push_unbounded(MediaWrite::Words(camera, zone));
    }

    /// The rules in force.
    pub fn retention(&self) -> RetentionRules {
        self.shared.retention()
    }

    /// Bytes that files with a [`Loan`] may take together: up to half of `min_free`, and what is free beyond it.
    /// Blocks.
    pub fn lendable_bytes(&self) -> u64 {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        let free = ballast::space(directory).map_or(0, |(free, _)| free);
        self.shared.lent.limit(&self.retention(), free)
    }

    /// A loan of room for a file that can be removed at any time.
    pub fn loan(&self) -> Loan {
        self.shared.lent.loan()
    }

    /// The current time for retention, for [`MediaReader::plan`]. If the clock is not synchronized and was set
    /// recently, its wall time is not trusted, and nothing is deleted by age.
    pub fn retention_now(&self) -> ClockTime {
        self.shared.retention_now(self.shared.clock.now())
    }

    /// Makes the writer write everything, close open recordings, and end.
    pub fn stop(&self) {
        self.shared.inbox.close();
    }

    /// Starts long work on the writer's thread.
    pub(super) async fn run(&self, job: impl Job + 'static) -> Result<(), MediaError> {
        self.push(MediaWrite::Job(Box::new(job))).await
    }

    /// The queued commands, for tests that run the writer's turns.
    #[cfg(test)]
    pub(super) fn taken(&self) -> std::collections::VecDeque<MediaWrite> {
        self.shared.inbox.take_all()
    }

    /// Waits a moment for a queued command.
    #[cfg(test)]
    pub(super) fn waited(&self) {
        self.shared.inbox.wait(Duration::from_millis(1));
    }

    /// Runs an edit and waits for its commit, without holding a thread.
    pub(super) async fn run_edit<T: Send + 'static>(
        &self,
        make: impl FnOnce(&mut MediaTransaction<'_>) -> Result<T, MediaFault> + Send + 'static,
    ) -> Result<T, MediaError> {
        let (tell, told) = oneshot::channel();
        // Dropped if the caller has stopped waiting.
        self.push(MediaWrite::Edit(Some(edit(make, move |answer| drop(tell.send(answer)))))).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    async fn push(&self, command: MediaWrite) -> Result<(), MediaError> {
        self.shared.inbox.push_from_task(command, PATIENCE).await.map_err(|_| MediaError::Busy)
    }
}

/// An edit that reports its outcome: a mistake at once, otherwise after the commit.
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

/// A recording under way. Only the writer closes its row. Dropping the handle ends the recording as interrupted.
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

/// A refused chunk: two are waiting, or the recording is closed. The caller gets it back to offer it again or reuse
/// its buffer.
#[derive(Debug)]
pub struct RefusedChunk(pub Chunk);

/// The result of [`RecordingHandle::spare_chunk`].
#[derive(Debug)]
pub enum Spare {
    /// An empty chunk whose buffers are reused.
    Here(Chunk),
    /// None yet; a chunk is being written, and its buffers will come back.
    BeingWritten,
    /// None, and no chunk is being written.
    None,
}

impl RecordingHandle {
    /// The recording's number.
    pub fn id(&self) -> u64 {
        self.track.id
    }

    /// Gives a chunk to the writer. Returns an empty one to fill next, with reused buffers. Never waits.
    ///
    /// # Errors
    /// [`RefusedChunk`]: two are waiting already, or the recording is closed. The caller offers it again. Or it drops
    /// the pictures ([`RecordingHandle::count_dropped`]), reuses this buffer and sets [`Chunk::is_after_gap`].
    pub fn append(&mut self, chunk: Chunk) -> Result<Chunk, RefusedChunk> {
        self.offer_chunk(chunk)
    }

    /// Like [`RecordingHandle::append`], but waits for a place.
    ///
    /// # Errors
    /// The disk fails, or the store has ended.
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

    /// An empty chunk whose buffers have come back since [`RecordingHandle::append`] returned a new one.
    pub fn spare_chunk(&mut self) -> Spare {
        let mut state = self.track.state();
        match state.spare.pop() {
            Some(chunk) => Spare::Here(chunk),
            None if state.waiting > 0 => Spare::BeingWritten,
            None => Spare::None,
        }
    }

    /// The part of it that is on the disk.
    pub fn written(&self) -> RecordingProgress {
        self.track.state().written
    }

    /// Why the disk did not take the newest chunk, if so.
    pub fn error(&self) -> Option<MediaError> {
        self.track.state().trouble.clone()
    }

    /// Whether it accepts no more chunks, because the store was set aside or has ended.
    pub fn is_closed(&self) -> bool {
        self.track.state().closed.is_some()
    }

    /// Counts a dropped chunk in [`MediaStatus::chunks_dropped`].
    pub fn count_dropped(&self) {
        self.shared.change_status(|status| status.chunks_dropped += 1);
    }

    /// Ends the recording and removes it. Returns when it is gone. Blocks.
    ///
    /// # Errors
    /// The disk fails. The row stays and is closed later, at the latest by the next start.
    pub fn discard(self) -> Result<(), MediaError> {
        let shared = Arc::clone(&self.shared);
        let Some(item) = self.end(Ended::Interrupted)? else { return Ok(()) };
        let (tell, told) = mpsc::sync_channel(1);
        let remove = edit(move |tx| edits::remove(tx, &[item.id]), move |answer| drop(tell.send(answer)));
        shared.inbox.push(MediaWrite::Edit(Some(remove)), PATIENCE).map_err(|_| MediaError::Busy)?;
        told.recv_timeout(END_PATIENCE).unwrap_or(Err(MediaError::Busy))
    }

    /// Ends the recording. Returns when its last chunk is on the disk, with the item. A recording without pictures is
    /// removed and gives `None`. Blocks.
    ///
    /// # Errors
    /// The disk fails. The row stays open and is closed later, at the latest by the next start.
    pub fn end(mut self, ended: Ended) -> Result<Option<Item>, MediaError> {
        let (tell, told) = mpsc::sync_channel(1);
        self.is_ended = true;
        let command = MediaWrite::End(Arc::clone(&self.track), ended, Some(tell));
        let answer = match self.shared.inbox.push_unbounded(command) {
            Ok(()) => told.recv_timeout(END_PATIENCE).unwrap_or(Err(MediaError::Busy)),
            Err(_) => Err(MediaError::Busy),
        };
        match (answer, self.track.closed_item()) {
            // The store has ended, and closed the recording before.
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
            // Fails only if the writer has ended, which closed the recording.
            let _ = self.shared.inbox.push_unbounded(end);
        }
    }
}
