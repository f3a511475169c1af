//! The thread `media`: the one writer of the store.
//!
//! Each turn takes everything that waits and makes one transaction of it: chunks, snapshots, edits, what a look at the
//! clock demands; after them, freeing of what is going. Only after the commit is anything told. If a turn fails (a full
//! disk, a disk that gives errors), nothing of it is on record: edits and snapshots are told so; chunks wait
//! where they are, two of a recording at most, and are tried again every second; the connection is opened anew
//! unless the disk is merely full. Between turns go, in small steps, freeing while nothing is written, and long
//! work (`jobs`). When nothing is to be done nothing is written.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use jiff::tz::TimeZone;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::chunks::{self, Pictures};
use super::handle::{MediaShared, Track};
use super::jobs::{Job, JobDesk, Next};
use super::rows::{self, ReadError, StoredSums};
use super::schema::{media_error, open_to_write};
use super::storage::{self, Totals};
use super::transaction::{Edit, Fault, MediaTransaction, State, Told};
use super::vacuum::VacuumJob;
use super::{
    AsideFile, Chunk, Ended, Item, MediaError, MediaSettings, apply_retention, names, reclaim, retention,
    retime, rotate,
};
use crate::base::private::Lock;
use crate::base::{ClockTime, Heartbeat};
use crate::store::clock_correction::{Change, Clock, WallClock};

/// Between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// Before what failed is tried again.
const RETRY: Duration = if cfg!(test) { Duration::from_millis(5) } else { TICK };

/// Between two turns of freeing while nothing is written: about 16 MB a second.
const FREEING_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 250 });

/// So long after the newest chunk freeing is left to the chunks.
const QUIET_US: u64 = 5_000_000;

/// Between two looks at retention while nothing is written, and when it cannot be met.
const RETIRING_US: u64 = 30_000_000;

/// Less room than this is not given back by itself: moving pages wears the disk, and new items use them.
const LEAST_BACK: u64 = 16 << 20;

/// How long after a failure with nothing left to be written the disk is tried, and how much room there must be then.
const PROBE_US: u64 = 5_000_000;
const PROBE_BYTES: u64 = 1 << 20;

/// Something that is to be done.
pub(super) enum Command {
    /// A change that somebody waits for.
    Edit(Option<Edit>),
    /// A chunk of a recording, and whether it was in a turn that failed.
    Chunk(Arc<Track>, Chunk, bool),
    /// The end of a recording.
    End(Arc<Track>, Ended, Option<EndReply>),
    /// The store is to be set aside.
    Anew(oneshot::Sender<Result<AsideFile, MediaError>>),
    /// Long work.
    Job(Box<dyn Job>),
    /// There are other rules of retention; whether less is to be kept by them.
    Rules(bool),
    /// The camera's name and the time zone are others from now on.
    Words(String, TimeZone),
}

/// Who waits for the end of a recording.
pub(super) type EndReply = mpsc::SyncSender<Result<Option<Item>, MediaError>>;

/// A job and when its next step is due.
struct RunningJob {
    job: Box<dyn Job>,
    due_us: u64,
}

/// The writer.
pub(super) struct Writer {
    pub(super) connection: Connection,
    file: PathBuf,
    directory: PathBuf,
    _lock: Lock,
    clock: Arc<dyn Clock + Sync>,
    shared: Arc<MediaShared>,
    camera: String,
    zone: TimeZone,
    boot: i64,
    /// The newest sure time on record before this boot.
    newest_sure_us: i64,
    pub(super) state: State,
    /// What no turn has committed yet.
    held: VecDeque<Command>,
    jobs: Vec<RunningJob>,
    /// When pictures were written last, and when something was freed last.
    written_us: u64,
    freed_us: u64,
    is_hurried: bool,
    /// There are other rules since retention was looked at last.
    is_hurried_by_rules: bool,
    /// Less is to be kept than before: the room that leaves goes back to the file system.
    is_lowered: bool,
    /// When retention was looked at last, and why it could not be met.
    retired_us: u64,
    unmet: Option<String>,
    /// Why the last turn failed, and when.
    failed: Option<(MediaError, u64)>,
    /// A write has failed: what the writer believes may not be what is on the disk, and SQLite may have given the
    /// connection up. Nothing is done before the file has been opened anew.
    is_stale: bool,
}

impl Writer {
    /// Mends what an earlier run left.
    pub(super) fn new(
        connection: Connection,
        lock: Lock,
        settings: MediaSettings,
        file: PathBuf,
        clock: Arc<dyn Clock + Sync>,
        shared: Arc<MediaShared>,
    ) -> Result<Writer, ReadError> {
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
        let state = State {
            wall,
            recordings: BTreeMap::new(),
            totals: Totals::read(&connection)?,
            is_freeing: reclaim::has_marked_items(&connection)?,
        };
        Ok(Writer {
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
            is_stale: false,
        })
    }

    /// The thread.
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

    /// Waits until what failed is tried again; whether the inbox is closed. Long work goes on at its own pace: a backup is
    /// wanted most when the disk is full.
    pub(super) fn wait_to_retry(&mut self, beat: &Heartbeat) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut waited = Duration::ZERO;
        loop {
            let now_us = self.clock.now().monotonic_us;
            let until_due = self.jobs.iter().map(|running| running.due_us.saturating_sub(now_us)).min();
            let pause = until_due.map_or(RETRY, Duration::from_micros).min(RETRY - waited);
            shared.inbox.sleep_unless_closed(pause);
            // A step counts as a millisecond, so that what failed has its turn however much work there is.
            waited = (waited + pause.max(Duration::from_millis(1))).min(RETRY);
            let is_closed = shared.inbox.wait(Duration::ZERO);
            if is_closed || waited == RETRY {
                return is_closed;
            }
            self.run_long_work(self.clock.now());
            beat.beat();
        }
    }

    /// How long there is nothing to be done unless something comes in.
    fn idle_timeout(&self) -> Duration {
        let now_us = self.clock.now().monotonic_us;
        let mut due_us = now_us + TICK.as_micros() as u64;
        due_us = self.jobs.iter().map(|running| running.due_us).fold(due_us, u64::min);
        if self.can_free(now_us) {
            due_us = due_us.min(self.freed_us + FREEING_PAUSE.as_micros() as u64);
        }
        Duration::from_micros(due_us.saturating_sub(now_us))
    }

    /// Whether freeing has turns of its own now.
    fn can_free(&self, now_us: u64) -> bool {
        let is_quiet = self.state.recordings.is_empty() || now_us.saturating_sub(self.written_us) > QUIET_US;
        self.state.is_freeing && (is_quiet || self.is_hurried || self.failed.is_some())
    }

    /// One turn: takes `commands`, writes, tells.
    pub(super) fn run_once(&mut self, commands: VecDeque<Command>) {
        for command in commands {
            match command {
                Command::Anew(tell) => {
                    self.flush();
                    // Nobody waits any more: that is all right.
                    let _ = tell.send(self.recreate());
                }
                Command::Job(job) => self.jobs.push(RunningJob { job, due_us: 0 }),
                Command::Rules(is_lower) => {
                    self.is_hurried_by_rules = true;
                    self.is_lowered |= is_lower;
                }
                Command::Words(camera, zone) => (self.camera, self.zone) = (camera, zone),
                command => self.held.push_back(command),
            }
        }
        self.flush();
    }

    /// Writes everything that is held. While the disk does not take pictures, changes have a transaction of their own:
    /// one of them may make room.
    fn flush(&mut self) {
        if self.failed.is_some() {
            let (edits, others) =
                self.held.drain(..).partition(|command| matches!(command, Command::Edit(_)));
            self.held = others;
            self.flush_commands(edits);
        }
        let held = std::mem::take(&mut self.held);
        self.flush_commands(held);
    }

    /// Writes `commands` and tells what came of them; what is to be tried again is held.
    fn flush_commands(&mut self, mut commands: VecDeque<Command>) {
        let now = self.clock.now();
        let mut wall = self.state.wall;
        let change = wall.observe(now, self.clock.is_synchronised(), self.newest_sure_us);
        if wall.offset_us != self.state.wall.offset_us {
            self.shared.clock_was_set(now);
        }
        if commands.is_empty() && change == Change::None {
            return;
        }
        if let Err(error) = self.reopen_if_needed() {
            return self.handle_failed_turn(&error, commands);
        }
        let mut turn = Turn { now, told: Vec::new(), ended: BTreeMap::new() };
        match self.write(&mut commands, wall, change, &mut turn) {
            Ok(Written { state, bytes, is_changed, unmet }) => {
                self.state = state;
                if bytes > 0 {
                    self.written_us = now.monotonic_us;
                    if self.can_apply_retention(now) {
                        self.note_retention(now, unmet);
                    }
                }
                if bytes > 0 || self.held.is_empty() {
                    self.recover_from_failure();
                }
                self.shared.change_status(|status| status.revision += u64::from(is_changed));
                for tell in turn.told {
                    tell(Ok(()));
                }
                for command in commands {
                    match command {
                        Command::Chunk(track, chunk, _) => track.chunk_written(chunk),
                        Command::End(track, _, Some(tell)) => {
                            // Nobody waits any more: that is all right.
                            let _ = tell.send(Ok(turn.ended.remove(&track.id).flatten()));
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => {
                let error = match error {
                    Fault::Edit(error) => error,
                    Fault::File(error) => media_error(&self.file, &error),
                };
                for tell in turn.told {
                    tell(Err(error.clone()));
                }
                self.handle_failed_turn(&error, commands);
            }
        }
    }

    /// A turn came to nothing: changes that were made were told so and are not tried again; the others stay. Changes alone
    /// of which not one could be begun are refused: nobody waits for them until the disk is well.
    fn handle_failed_turn(&mut self, error: &MediaError, mut commands: VecDeque<Command>) {
        if self.failed.is_none() {
            log::error!("pictures cannot be kept: {error}; it is tried again every second");
        }
        self.failed = Some((error.clone(), self.clock.now().monotonic_us));
        let is_none_begun = commands.iter().all(|command| matches!(command, Command::Edit(Some(_))));
        let cut_short = self.drop_writes_when_full(error, &mut commands);
        commands.retain_mut(|command| match command {
            // It ends in the next turn.
            Command::End(track, ..) if cut_short.contains(&track.id) => true,
            Command::Chunk(track, _, was_tried) => {
                track.set_error(Some(error.clone()));
                *was_tried = true;
                true
            }
            Command::End(track, _, tell) => {
                track.set_error(Some(error.clone()));
                if let Some(tell) = tell.take() {
                    // Nobody waits any more: that is all right.
                    let _ = tell.send(Err(error.clone()));
                }
                true
            }
            Command::Edit(edit) if is_none_begun => {
                if let Some(edit) = edit.take() {
                    // It tells whoever waits.
                    let _ = edit(Err(error.clone()));
                }
                false
            }
            Command::Edit(edit) => edit.is_some(),
            _ => false,
        });
        commands.append(&mut self.held);
        self.held = commands;
        self.shared.change_status(|status| {
            status.trouble = Some((error.to_string(), error.hint().map(str::to_owned)));
            status.is_full = matches!(error, MediaError::Full);
        });
        self.is_stale |= !matches!(error, MediaError::Full);
    }

    /// On a full disk a recording that is to end does so without what there is no room for: else it would stay open, and
    /// could not even be removed to make room. Its row tells that its end is missing. Gives the numbers of those.
    fn drop_writes_when_full(&self, error: &MediaError, commands: &mut VecDeque<Command>) -> Vec<u64> {
        if !matches!(error, MediaError::Full) {
            return Vec::new();
        }
        let ends = |command: &Command| match command {
            Command::End(track, ..) => Some(track.id),
            _ => None,
        };
        let ending: Vec<u64> = commands.iter().filter_map(ends).collect();
        let mut cut_short = Vec::new();
        commands.retain_mut(|command| {
            let Command::Chunk(track, chunk, _) = command else { return true };
            if !ending.contains(&track.id) {
                return true;
            }
            // Whoever ends it tells what is lost of it in all.
            log::debug!("{} pictures of recording {} are lost: {error}", chunk.frames.len(), track.id);
            self.shared.change_status(|status| status.chunks_dropped += 1);
            track.return_buffer(std::mem::take(chunk));
            cut_short.push(track.id);
            false
        });
        for command in commands {
            if let Command::End(track, ended, _) = command
                && cut_short.contains(&track.id)
            {
                *ended = Ended::Cut;
            }
        }
        cut_short
    }

    /// Opens the file anew where that has to be; what the writer believes is read from it.
    fn reopen_if_needed(&mut self) -> Result<(), MediaError> {
        if !self.is_stale {
            return Ok(());
        }
        let connection = open_to_write(&self.file)?;
        let loaded = self.load(&connection).map_err(|error| media_error(&self.file, &error))?;
        self.connection = connection;
        (self.boot, self.state) = loaded;
        self.is_stale = false;
        Ok(())
    }

    /// What the file says of what the writer believes. A recording that the file has open and nobody makes (its
    /// beginning was told as failed and was on the disk after all) is closed; one that it does not have is dropped.
    /// With them comes this boot's row: the file may be a new one.
    fn load(&self, connection: &Connection) -> Result<(i64, State), ReadError> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let (boot, _) = retime::boot(&transaction, &self.clock.boot(), self.clock.now())?;
        chunks::end_leftover_recordings(&transaction, |id| self.state.recordings.contains_key(&id))?;
        transaction.commit()?;
        let mut recordings = BTreeMap::new();
        for &id in self.state.recordings.keys() {
            if rows::item_of(connection, id)?.is_some_and(|item| item.is_open) {
                recordings.insert(id, StoredSums::read(connection, id)?.unwrap_or_default());
            }
        }
        let state = State {
            wall: self.state.wall,
            recordings,
            totals: Totals::read(connection)?,
            is_freeing: reclaim::has_marked_items(connection)?,
        };
        Ok((boot, state))
    }

    /// The disk takes what it is given.
    fn recover_from_failure(&mut self) {
        if self.failed.take().is_some() {
            log::info!("media.db accepts recordings again");
            self.shared.change_status(|status| {
                status.trouble = None;
                status.is_full = false;
            });
        }
    }

    /// `commands` in one transaction.
    fn write(
        &self,
        commands: &mut VecDeque<Command>,
        wall: WallClock,
        change: Change,
        turn: &mut Turn,
    ) -> Result<Written, Fault> {
        let mut state = State { wall, ..self.state.clone() };
        let Writer { connection, file, boot, camera, zone, shared, .. } = self;
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let mut is_changed = retime::apply_change(&transaction, change, *boot, wall, zone)?;
        let mut desk = MediaTransaction {
            connection: &transaction,
            file,
            now: turn.now,
            boot: *boot,
            camera,
            zone,
            min_free: shared.retention().min_free,
            state: &mut state,
            written: 0,
            is_changed: false,
        };
        let mut lost = 0;
        for command in commands.iter_mut() {
            match command {
                Command::Chunk(track, chunk, was_tried) => {
                    let Some(mut sums) = desk.state.recordings.get(&track.id).copied() else {
                        // It was closed meanwhile, with the store that was set aside or by a failure.
                        log::warn!(
                            "{} pictures came after recording {} was closed, and are lost",
                            chunk.frames.len(),
                            track.id
                        );
                        lost += 1;
                        continue;
                    };
                    // A commit may be told as failed and be on the disk all the same: then so is this chunk.
                    let is_there = chunk.frames.last().is_some_and(|last| last.at_us <= sums.to_us);
                    if *was_tried && sums.frames > 0 && is_there {
                        continue;
                    }
                    desk.require_space(chunk.jpegs.len() as u64)?;
                    chunks::insert(&transaction, track.id, &mut sums, &Pictures::from(&*chunk))?;
                    desk.state.recordings.insert(track.id, sums);
                    desk.state.totals.recordings.1 += chunk.jpegs.len() as u64;
                }
                Command::End(track, ended, _) => {
                    if let Some(sums) = desk.state.recordings.remove(&track.id) {
                        chunks::close(&transaction, track.id, &sums, *ended)?;
                        if sums.frames == 0 {
                            desk.state.totals.recordings.0 = desk.state.totals.recordings.0.saturating_sub(1);
                        }
                        desk.is_changed = true;
                    }
                    let item = match track.closed_item() {
                        Some(item) => item,
                        None => rows::item_of(&transaction, track.id)?,
                    };
                    turn.ended.insert(track.id, item);
                }
                Command::Edit(edit) => {
                    // It is made once; if the turn fails, it is told so and not tried again.
                    let Some(edit) = edit.take() else { continue };
                    transaction.execute_batch("SAVEPOINT edit")?;
                    let before = (desk.state.clone(), desk.written, desk.is_changed);
                    match edit(Ok(&mut desk)) {
                        Ok(told) => turn.told.push(told),
                        Err(Fault::Edit(_)) => {
                            transaction.execute_batch("ROLLBACK TO edit")?;
                            (*desk.state, desk.written, desk.is_changed) = before;
                        }
                        Err(Fault::File(error)) => return Err(error.into()),
                    }
                    transaction.execute_batch("RELEASE edit")?;
                }
                Command::Anew(_) | Command::Job(_) | Command::Rules(_) | Command::Words(..) => {}
            }
        }
        let bytes = desk.written;
        is_changed |= desk.is_changed;
        let mut unmet = None;
        if bytes > 0 && self.can_apply_retention(turn.now) {
            let gone;
            (gone, unmet) = apply_retention::apply(
                &transaction,
                &self.directory,
                &shared.retention(),
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
        Ok(Written { state, bytes, is_changed, unmet })
    }

    /// Whether retention is looked at after what is written now. If all that is left is kept, rarely: each look goes
    /// through all rows then.
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

    /// Retention while nothing is written, and when the disk takes nothing: what has grown too old goes, and room is made.
    fn apply_retention(&mut self, now: ClockTime) -> Result<(), ReadError> {
        let mut totals = self.state.totals;
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)?;
        let rules = self.shared.retention();
        let (gone, unmet) = apply_retention::apply(
            &transaction,
            &self.directory,
            &rules,
            &mut totals,
            self.shared.retention_now(now),
        )?;
        transaction.commit()?;
        if gone > 0 {
            (self.state.totals, self.state.is_freeing) = (totals, true);
            self.shared.change_status(|status| status.revision += 1);
        }
        self.note_retention(now, unmet);
        Ok(())
    }

    /// Gives room back to the file system when less is to be kept than before, or it has less free than it is to have.
    /// Called when nothing is going any more; other long work is let finish first.
    fn reclaim_space(&mut self) {
        if !self.jobs.is_empty() {
            return;
        }
        let Ok((_, unused)) = storage::pages(&self.connection) else { return };
        let rules = self.shared.retention();
        let bytes = if self.is_lowered {
            unused
        } else {
            // A file system that does not say how much is free has enough.
            let free = storage::file_system_space(&self.directory).map_or(u64::MAX, |(free, _)| free);
            retention::bytes_to_reclaim(&rules, free, unused, LEAST_BACK)
        };
        self.is_lowered = false;
        if bytes > 0 {
            self.jobs.push(RunningJob { job: Box::new(VacuumJob::at_most(bytes)), due_us: 0 });
        }
    }

    /// One step of what goes on while nothing waits: retention, freeing, long work.
    pub(super) fn run_background(&mut self) {
        if let Err(error) = self.reopen_if_needed() {
            log::debug!("media.db: it cannot be opened anew: {error}");
            // Who waits for one is answered.
            self.jobs.clear();
            return;
        }
        let now = self.clock.now();
        let since_us = now.monotonic_us.saturating_sub(self.retired_us);
        if self.is_hurried_by_rules
            || since_us >= RETIRING_US
            || (self.failed.is_some() && since_us >= PROBE_US)
        {
            self.retired_us = now.monotonic_us;
            match self.apply_retention(now) {
                Ok(()) if self.state.is_freeing => self.is_hurried |= self.is_hurried_by_rules,
                Ok(()) => self.reclaim_space(),
                Err(error) => log::debug!("media.db: nothing can be retired now: {error}"),
            }
            self.is_hurried_by_rules = false;
        }
        if self.can_free(now.monotonic_us)
            && now.monotonic_us.saturating_sub(self.freed_us) >= FREEING_PAUSE.as_micros() as u64
        {
            self.freed_us = now.monotonic_us;
            match self.free_marked() {
                Ok(()) if self.state.is_freeing => {}
                Ok(()) => {
                    self.is_hurried = false;
                    self.reclaim_space();
                }
                Err(error) => log::debug!("media.db: nothing can be freed now: {error}"),
            }
        }
        self.probe_disk(now);
        self.run_long_work(now);
    }

    /// A step of long work, if one is due.
    fn run_long_work(&mut self, now: ClockTime) {
        let due = |running: &RunningJob| running.due_us <= now.monotonic_us;
        if let Some(at) = self.jobs.iter().position(due) {
            let mut running = self.jobs.remove(at);
            let mut is_changed = false;
            let next = running.job.step(&mut JobDesk {
                connection: &self.connection,
                file: &self.file,
                now,
                totals: &mut self.state.totals,
                recordings: &mut self.state.recordings,
                is_changed: &mut is_changed,
            });
            self.shared.change_status(|status| status.revision += u64::from(is_changed));
            if let Next::After(pause) = next {
                running.due_us = self.clock.now().monotonic_us + pause.as_micros() as u64;
                self.jobs.push(running);
            }
        }
    }

    /// After a failure with nothing left to be written: whether the disk would take something again.
    fn probe_disk(&mut self, now: ClockTime) {
        let Some((error, since_us)) = &mut self.failed else { return };
        if !self.held.is_empty() || now.monotonic_us.saturating_sub(*since_us) < PROBE_US {
            return;
        }
        *since_us = now.monotonic_us;
        if matches!(error, MediaError::Full) {
            let least = self.shared.retention().min_free.unwrap_or(0).saturating_add(PROBE_BYTES);
            if storage::file_system_space(&self.directory).is_some_and(|(free, _)| free < least) {
                return;
            }
        }
        let written = (|| {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()
        })();
        match written {
            Ok(()) => self.recover_from_failure(),
            Err(_) => self.is_stale = true,
        }
    }

    fn free_marked(&mut self) -> Result<(), ReadError> {
        self.state.is_freeing = reclaim::free_some(&self.connection, &mut self.state.totals)?;
        Ok(())
    }

    /// Sets the store aside. What was held is written, or this fails.
    fn recreate(&mut self) -> Result<AsideFile, MediaError> {
        let readied = match &self.failed {
            Some((error, _)) => Err(error.clone()),
            None => self.prepare_exchange(),
        };
        let tell = |error: ReadError| media_error(&self.file, &error);
        let (closed, is_damaged) = match readied {
            Ok(closed) => (closed, false),
            Err(error) if error.is_damage() => {
                log::warn!("{error}: the file is renamed and kept");
                rotate::prepare_replacement(&self.connection, &self.directory)?;
                (BTreeMap::new(), true)
            }
            Err(error) => return Err(error),
        };
        self.state.recordings.clear();
        self.shared.close_tracks(&closed);
        self.jobs.clear();
        // Nobody may have the file open while it is moved: its journal has its name.
        let nothing = Connection::open_in_memory().map_err(tell)?;
        drop(std::mem::replace(&mut self.connection, nothing));
        let now_us = self.state.wall.wall_us(self.clock.now().monotonic_us as i64);
        let exchange = if is_damaged { rotate::replace_damaged } else { rotate::exchange };
        let exchanged = exchange(&self.directory, &names::format_stamp(now_us, &self.zone));
        // Whichever file has the place now. What is sure of this boot's clock stays so.
        self.is_stale = true;
        if let Err(error) = self.reopen_if_needed() {
            self.handle_failed_turn(&error, VecDeque::new());
            return exchanged.and(Err(error));
        }
        if is_damaged && exchanged.is_ok() {
            self.recover_from_failure();
        }
        self.shared.change_status(|status| status.revision += 1);
        exchanged
    }

    /// Makes the new store, and closes the recordings under way in the old one. Gives what they came to.
    fn prepare_exchange(&self) -> Result<BTreeMap<u64, Option<Item>>, MediaError> {
        rotate::prepare(&self.connection, &self.directory)?;
        let tell = |error: ReadError| media_error(&self.file, &error);
        let transaction =
            Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate).map_err(tell)?;
        let mut closed = BTreeMap::new();
        for (&id, sums) in &self.state.recordings {
            chunks::close(&transaction, id, sums, Ended::Stopped).map_err(tell)?;
            closed.insert(id, rows::item_of(&transaction, id).map_err(tell)?);
        }
        transaction.commit().map_err(tell)?;
        Ok(closed)
    }

    /// The last turn: recordings that are under way are closed, then the file.
    fn shut_down(mut self) {
        if let Err(error) = self.reopen_if_needed() {
            log::debug!("media.db: it cannot be opened anew: {error}");
        }
        let ended = (|| {
            let mut closed = BTreeMap::new();
            if self.state.recordings.is_empty() || self.is_stale {
                return Ok(closed);
            }
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            for (&id, sums) in &self.state.recordings {
                // What waits still is not written any more.
                let waits =
                    |command: &Command| matches!(command, Command::Chunk(track, ..) if track.id == id);
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
                let error: ReadError = error;
                log::warn!("media.db: a recording could not be closed ({error}); the next start closes it");
            }
        }
        self.state.recordings.clear();
    }

    /// Lets the file grow no further than by so many pages, as a disk that is full does; `None`: as it likes.
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

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ended, nobody waits for it in vain.
        self.shared.inbox.close();
        drop(self.shared.inbox.take_all());
        self.shared.close_tracks(&BTreeMap::new());
    }
}

/// What a turn gathers for those who wait.
struct Turn {
    now: ClockTime,
    told: Vec<Told>,
    ended: BTreeMap<u64, Option<Item>>,
}

/// A turn that was committed.
struct Written {
    state: State,
    bytes: u64,
    is_changed: bool,
    /// Why retention cannot be met.
    unmet: Option<String>,
}
