//! The thread `media`: the only writer of the store.
//!
//! Each turn writes all queued commands in one transaction: chunks, snapshots, edits, the consequences of a clock
//! change, and then freeing. Changes are announced only after the commit.
//!
//! If a turn fails (a full or failing disk), nothing of it is stored. Edits and snapshots are refused. Chunks stay in
//! the queue, at most two for a recording, and are tried again every second. The connection is opened again unless
//! the disk is only full.
//!
//! Between turns the writer frees room while nothing is written, and does long work (`maintenance`), both in small
//! steps. Without work it writes nothing.

mod background;
pub(super) mod edits;
mod exchange;
mod failure;
pub(super) mod retime;
pub(super) mod rotate;
pub(super) mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::chunks::{self, ChunkPictures};
use super::handle::{MediaShared, RecordingTrack};
use super::maintenance::jobs::Job;
use super::retention::{apply as apply_retention, reclaim};
use super::rows::{self, MediaRowError};
use super::schema::media_error;
use super::storage::Totals;
use super::{AsideFile, Chunk, Ended, Item, MediaError, MediaSettings};
use crate::clock_correction::{Clock, ClockChange, WallClock};
use tallycam_base::private::Lock;
use tallycam_base::{ClockTime, Heartbeat, ballast};
use transaction::{MediaFault, MediaJob, MediaOnCommit, MediaState, MediaTransaction};

/// Time between two observations of the clock.
const TICK: Duration = Duration::from_secs(1);

/// Time before a failed turn is tried again.
const RETRY: Duration = if cfg!(test) { Duration::from_millis(5) } else { TICK };

/// Pause between two turns of freeing while nothing is written, for about 16 MB a second.
const FREEING_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 250 });

/// The room that a test write after a failure needs.
const PROBE_BYTES: u64 = 1 << 20;

/// Within this time after the newest chunk, freeing happens only together with chunks.
const QUIET_US: u64 = 5_000_000;

/// Time between two applications of retention while nothing is written, or while the rules cannot be met.
const RETIRING_US: u64 = 30_000_000;

/// A command for the writer.
pub(super) enum MediaWrite {
    /// An edit whose caller waits for the result.
    Edit(Option<MediaJob>),
    /// A chunk of a recording; the flag is true if it was in a failed turn.
    Chunk(Arc<RecordingTrack>, Chunk, bool),
    End(Arc<RecordingTrack>, Ended, Option<EndReply>),
    /// Sets the store aside.
    Anew(oneshot::Sender<Result<AsideFile, MediaError>>),
    Job(Box<dyn Job>),
    /// The retention rules have changed; true if they are stricter.
    Rules(bool),
    /// A new camera name and time zone.
    Words(String, TimeZone),
}

impl MediaWrite {
    /// The recording to which a chunk belongs.
    fn chunk_of(&self) -> Option<u64> {
        match self {
            MediaWrite::Chunk(track, ..) => Some(track.id),
            _ => None,
        }
    }
}

/// Receives the item of an ended recording.
pub(super) type EndReply = mpsc::SyncSender<Result<Option<Item>, MediaError>>;

/// A job, and when its next step is due.
struct RunningJob {
    job: Box<dyn Job>,
    due_us: u64,
}

pub(super) struct MediaWriter {
    pub(super) connection: Connection,
    file: PathBuf,
    directory: PathBuf,
    _lock: Lock,
    clock: Arc<dyn Clock + Sync>,
    shared: Arc<MediaShared>,
    camera: String,
    zone: TimeZone,
    boot: i64,
    /// The newest sure time that was stored before this boot.
    newest_sure_us: i64,
    pub(super) state: MediaState,
    /// Commands that no turn has committed yet.
    held: VecDeque<MediaWrite>,
    jobs: Vec<RunningJob>,
    /// When pictures were last written, and when room was last freed, by `CLOCK_MONOTONIC`.
    written_us: u64,
    freed_us: u64,
    is_hurried: bool,
    /// The rules have changed since retention was last applied.
    is_hurried_by_rules: bool,
    /// The rules became stricter, so freed room returns to the file system.
    is_lowered: bool,
    /// When retention was last applied, and why its rules could not be met.
    retired_us: u64,
    unmet: Option<String>,
    /// Why and when the last turn failed.
    failed: Option<(MediaError, u64)>,
    /// Bytes of pictures that do not fit beside `min_free`, and when that was checked.
    lacks_room: Option<(u64, u64)>,
    /// A write has failed: the state in memory may differ from the disk, and SQLite may have given up the connection.
    /// Nothing runs before the file is opened again.
    is_stale: bool,
}

impl MediaWriter {
    /// Repairs the remains of an earlier run.
    pub(super) fn new(
        connection: Connection,
        lock: Lock,
        settings: MediaSettings,
        file: PathBuf,
        clock: Arc<dyn Clock + Sync>,
        shared: Arc<MediaShared>,
    ) -> Result<MediaWriter, MediaRowError> {
        let now = clock.now();
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
        let (boot, mut wall) = retime::boot(&transaction, &clock.boot(), now)?;
        let newest_sure_us = retime::newest_sure(&transaction)?;
        let change = wall.observe(now, clock.is_synchronised(), newest_sure_us);
        retime::apply_change(&transaction, change, boot, wall, &settings.zone)?;
        let closed = chunks::end_leftover_recordings(&transaction, |_| false)?;
        transaction.commit()?;
        if closed > 0 {
            log::info!("media.db: closed {closed} recording(s) that the last run left open");
        }
        shared.change_status(|status| status.is_clock_sure = wall.is_sure);
        ballast::make(&settings.directory);
        let state = MediaState {
            wall,
            recordings: BTreeMap::new(),
            totals: Totals::read(&connection)?,
            is_freeing: reclaim::has_marked_items(&connection)?,
        };
        Ok(MediaWriter {
            connection,
            file,
            directory: settings.directory,
            _lock: lock,
            clock,
            shared,
            camera: settings.camera,
            zone: settings.zone,
            boot,
            newest_sure_us,
            state,
            held: VecDeque::new(),
            jobs: Vec::new(),
            written_us: 0,
            freed_us: 0,
            is_hurried: false,
            is_hurried_by_rules: false,
            is_lowered: false,
            retired_us: 0,
            unmet: None,
            failed: None,
            lacks_room: None,
            is_stale: false,
        })
    }

    /// Runs turns until the inbox is closed.
    pub(super) fn run_thread(mut self, beat: &Heartbeat) {
        let shared = Arc::clone(&self.shared);
        loop {
            let mut is_closed = shared.inbox.wait(self.idle_timeout());
            if !is_closed && self.failed.is_some() {
                is_closed = self.wait_to_retry(beat);
            }
            beat.beat();
            self.run_once(shared.inbox.take_all());
            if is_closed {
                break;
            }
            beat.beat();
            self.run_background();
            beat.beat();
        }
        self.shut_down();
    }

    /// Waits until a failed turn is tried again. True if the inbox is closed. Long work continues meanwhile, because
    /// a backup is needed most when the disk is full.
    pub(super) fn wait_to_retry(&mut self, beat: &Heartbeat) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut waited = Duration::ZERO;
        loop {
            let now_us = self.clock.now().monotonic_us;
            let until_due = self.jobs.iter().map(|running| running.due_us.saturating_sub(now_us)).min();
            let pause = until_due.map_or(RETRY, Duration::from_micros).min(RETRY - waited);
            shared.inbox.sleep_unless_closed(pause);
            // A step counts as at least a millisecond, so that any amount of work ends in a retry.
            waited = (waited + pause.max(Duration::from_millis(1))).min(RETRY);
            let is_closed = shared.inbox.wait(Duration::ZERO);
            if is_closed || waited == RETRY {
                return is_closed;
            }
            self.run_long_work(self.clock.now());
            beat.beat();
        }
    }

    /// Time until something is due, if no command comes.
    fn idle_timeout(&self) -> Duration {
        let now_us = self.clock.now().monotonic_us;
        let mut due_us = now_us + TICK.as_micros() as u64;
        due_us = self.jobs.iter().map(|running| running.due_us).fold(due_us, u64::min);
        if self.can_free(now_us) {
            due_us = due_us.min(self.freed_us + FREEING_PAUSE.as_micros() as u64);
        }
        Duration::from_micros(due_us.saturating_sub(now_us))
    }

    /// One turn: takes `commands`, writes, announces.
    pub(super) fn run_once(&mut self, commands: VecDeque<MediaWrite>) {
        for command in commands {
            match command {
                MediaWrite::Anew(tell) => {
                    self.flush();
                    // Dropped if the caller has gone.
                    let _ = tell.send(self.recreate());
                }
                MediaWrite::Job(job) => self.jobs.push(RunningJob { job, due_us: 0 }),
                MediaWrite::Rules(is_lower) => {
                    self.is_hurried_by_rules = true;
                    self.is_lowered |= is_lower;
                }
                MediaWrite::Words(camera, zone) => (self.camera, self.zone) = (camera, zone),
                command => self.held.push_back(command),
            }
        }
        self.flush();
    }

    /// Writes all held commands. While the disk fails, edits run in a transaction of their own, because one of them
    /// may make room. Before them, recordings without waiting pictures end, because only an ended one can be removed.
    fn flush(&mut self) {
        if self.failed.is_some() {
            let waiting: BTreeSet<u64> = self.held.iter().filter_map(MediaWrite::chunk_of).collect();
            let (ends, others) = self.held.drain(..).partition(
                |command| matches!(command, MediaWrite::End(track, ..) if !waiting.contains(&track.id)),
            );
            self.held = others;
            self.flush_commands(ends);
            let (edits, others) =
                self.held.drain(..).partition(|command| matches!(command, MediaWrite::Edit(_)));
            self.held = others;
            self.flush_commands(edits);
        }
        let held = std::mem::take(&mut self.held);
        self.flush_commands(held);
    }

    /// Writes `commands` and answers their callers. Commands to be tried again are held.
    fn flush_commands(&mut self, mut commands: VecDeque<MediaWrite>) {
        let now = self.clock.now();
        let mut wall = self.state.wall;
        let change = wall.observe(now, self.clock.is_synchronised(), self.newest_sure_us);
        if wall.offset_us != self.state.wall.offset_us {
            self.shared.clock_was_set(now);
        }
        if commands.is_empty() && change == ClockChange::None {
            return;
        }
        if let Err(error) = self.reopen_if_needed() {
            return self.handle_failed_turn(&error, commands);
        }
        let mut turn = WriterTurn { now, told: Vec::new(), ended: BTreeMap::new() };
        match self.write(&mut commands, wall, change, &mut turn) {
            Ok(CommittedMedia { state, bytes, refused, is_changed, unmet }) => {
                self.state = state;
                let is_sure = self.state.wall.is_sure;
                self.shared.change_status(|status| status.is_clock_sure = is_sure);
                if bytes > 0 {
                    self.written_us = now.monotonic_us;
                    if self.can_apply_retention(now) {
                        self.note_retention(now, unmet);
                    }
                }
                if bytes == 0 && matches!(self.failed, Some((MediaError::Full, _))) {
                    // The ballast's room makes an edit possible, and no place for pictures.
                    self.look_for_room(now, PROBE_BYTES);
                }
                if bytes > 0 || self.held.is_empty() {
                    self.recover_from_failure();
                }
                if refused > 0 {
                    self.note_room(now, Some(refused));
                }
                self.shared.change_status(|status| status.revision += u64::from(is_changed));
                for tell in turn.told {
                    tell(Ok(()));
                }
                for command in commands {
                    match command {
                        MediaWrite::Chunk(track, chunk, _) => track.chunk_written(chunk),
                        MediaWrite::End(track, _, Some(tell)) => {
                            // Dropped if the caller has gone.
                            let _ = tell.send(Ok(turn.ended.remove(&track.id).flatten()));
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => {
                let error = match error {
                    MediaFault::Edit(error) => error,
                    MediaFault::File(error) => {
                        let is_change =
                            |held: &MediaWrite| matches!(held, MediaWrite::Edit(_) | MediaWrite::End(..));
                        let error = media_error(&self.file, &error);
                        if matches!(error, MediaError::Full) && commands.iter().any(is_change) {
                            // The next try has its room, which pictures still leave free.
                            ballast::release(&self.directory);
                        }
                        error
                    }
                };
                for tell in turn.told {
                    tell(Err(error.clone()));
                }
                self.handle_failed_turn(&error, commands);
            }
        }
    }

    /// Writes `commands` in one transaction.
    fn write(
        &self,
        commands: &mut VecDeque<MediaWrite>,
        wall: WallClock,
        change: ClockChange,
        turn: &mut WriterTurn,
    ) -> Result<CommittedMedia, MediaFault> {
        let mut state = MediaState { wall, ..self.state.clone() };
        let MediaWriter { connection, file, boot, camera, zone, shared, .. } = self;
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let mut is_changed = retime::apply_change(&transaction, change, *boot, wall, zone)?;
        let mut tx = MediaTransaction {
            connection: &transaction,
            file,
            now: turn.now,
            boot: *boot,
            camera,
            zone,
            min_free: shared.retention_beside_loans().min_free,
            state: &mut state,
            written: 0,
            refused: 0,
            is_changed: false,
        };
        let mut lost = 0;
        for command in commands.iter_mut() {
            match command {
                MediaWrite::Chunk(track, chunk, was_tried) => {
                    let Some(mut sums) = tx.state.recordings.get(&track.id).copied() else {
                        // It was closed meanwhile, when the store was set aside or by a failure.
                        log::warn!(
                            "{} pictures came after recording {} was closed, and are lost",
                            chunk.frames.len(),
                            track.id
                        );
                        lost += 1;
                        continue;
                    };
                    // A commit that was reported as failed may have reached the disk, and with it this chunk.
                    let is_there = chunk.frames.last().is_some_and(|last| last.at_us <= sums.to_us);
                    if *was_tried && sums.frames > 0 && is_there {
                        continue;
                    }
                    tx.require_space(chunk.jpegs.len() as u64)?;
                    chunks::insert(&transaction, track.id, &mut sums, &ChunkPictures::from(&*chunk))?;
                    tx.state.recordings.insert(track.id, sums);
                    tx.state.totals.recordings.1 += chunk.jpegs.len() as u64;
                }
                MediaWrite::End(track, ended, _) => {
                    if let Some(sums) = tx.state.recordings.remove(&track.id) {
                        tx.allow_ballast();
                        chunks::close(&transaction, track.id, &sums, *ended)?;
                        if sums.frames == 0 {
                            tx.state.totals.recordings.0 = tx.state.totals.recordings.0.saturating_sub(1);
                        }
                        tx.is_changed = true;
                    }
                    let item = match track.closed_item() {
                        Some(item) => item,
                        None => rows::item_of(&transaction, track.id)?,
                    };
                    turn.ended.insert(track.id, item);
                }
                MediaWrite::Edit(edit) => {
                    // Runs once; if the turn fails, the caller gets an error and there is no second try.
                    let Some(edit) = edit.take() else { continue };
                    transaction.execute_batch("SAVEPOINT edit")?;
                    let before = (tx.state.clone(), tx.written, tx.is_changed);
                    match edit(Ok(&mut tx)) {
                        Ok(told) => turn.told.push(told),
                        Err(MediaFault::Edit(_)) => {
                            transaction.execute_batch("ROLLBACK TO edit")?;
                            (*tx.state, tx.written, tx.is_changed) = before;
                        }
                        Err(MediaFault::File(error)) => return Err(error.into()),
                    }
                    transaction.execute_batch("RELEASE edit")?;
                }
                MediaWrite::Anew(_) | MediaWrite::Job(_) | MediaWrite::Rules(_) | MediaWrite::Words(..) => {}
            }
        }
        let (bytes, refused) = (tx.written, tx.refused);
        is_changed |= tx.is_changed;
        let mut unmet = None;
        if bytes > 0 && self.can_apply_retention(turn.now) {
            let gone;
            (gone, unmet) = apply_retention::apply(
                &transaction,
                &self.directory,
                &shared.retention_beside_loans(),
                &mut state.totals,
                shared.retention_now(turn.now),
            )?;
            state.is_freeing |= gone > 0;
            is_changed |= gone > 0;
        }
        if bytes > 0 && state.is_freeing {
            state.is_freeing = reclaim::free_up_to(&transaction, bytes, &mut state.totals)?;
        }
        transaction.commit()?;
        shared.change_status(|status| status.chunks_dropped += lost);
        Ok(CommittedMedia { state, bytes, refused, is_changed, unmet })
    }

    /// Whether to apply retention after this write. If all remaining items are protected, this happens rarely,
    /// because it reads all rows.
    fn can_apply_retention(&self, now: ClockTime) -> bool {
        self.unmet.is_none() || now.monotonic_us.saturating_sub(self.retired_us) >= RETIRING_US
    }

    fn note_retention(&mut self, now: ClockTime, unmet: Option<String>) {
        self.retired_us = now.monotonic_us;
        if self.unmet != unmet {
            match &unmet {
                Some(words) => log::warn!("media.db: retention rules cannot be met: {words}"),
                None => log::info!("media.db: retention rules are met again"),
            }
            self.unmet = unmet;
        }
    }

    /// Closes the recordings under way, then the file.
    fn shut_down(mut self) {
        if let Err(error) = self.reopen_if_needed() {
            log::debug!("media.db: it cannot be opened again: {error}");
        }
        let ended = (|| {
            let mut closed = BTreeMap::new();
            if self.state.recordings.is_empty() || self.is_stale {
                return Ok(closed);
            }
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            for (&id, sums) in &self.state.recordings {
                // Waiting chunks are not written any more.
                let waits =
                    |command: &MediaWrite| matches!(command, MediaWrite::Chunk(track, ..) if track.id == id);
                let ended = if self.held.iter().any(waits) { Ended::Cut } else { Ended::Stopped };
                chunks::end_recording(&transaction, id, sums, ended)?;
                closed.insert(id, rows::item_of(&transaction, id)?);
            }
            transaction.commit()?;
            Ok(closed)
        })();
        match ended {
            Ok(closed) => self.shared.close_tracks(&closed),
            Err(error) => {
                let error: MediaRowError = error;
                log::warn!("media.db: a recording could not be closed ({error}); the next start closes it");
            }
        }
        self.state.recordings.clear();
    }

    /// Limits the growth of the file to `pages`, as a full disk does; `None` removes the limit.
    #[cfg(test)]
    pub(super) fn limit_growth(&self, pages: Option<i64>) {
        let count: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .expect("it can be asked");
        let most = pages.map_or(i64::from(u32::MAX) - 1, |pages| count + pages);
        self.connection
            .pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
            .expect("it can be set");
    }
}

impl Drop for MediaWriter {
    fn drop(&mut self) {
        // However the thread ends, no caller keeps waiting.
        self.shared.inbox.close();
        drop(self.shared.inbox.take_all());
        self.shared.close_tracks(&BTreeMap::new());
    }
}

/// The answers that a turn collects.
struct WriterTurn {
    now: ClockTime,
    told: Vec<MediaOnCommit>,
    ended: BTreeMap<u64, Option<Item>>,
}

struct CommittedMedia {
    state: MediaState,
    bytes: u64,
    /// Largest number of picture bytes that did not fit at once.
    refused: u64,
    is_changed: bool,
    /// Why the retention rules cannot be met.
    unmet: Option<String>,
}
