//! The thread `counts`: the only writer of `counts.db`.
//!
//! Each turn writes all queued commands in one transaction: crossings with their sums, edits, the current span, and
//! the consequences of a clock change. Values are announced only after the commit.
//!
//! If a turn fails (a full or failing disk), nothing of it is stored. Its crossings stay in memory, at most
//! [`MOST_HELD`], and are tried again each second with newer ones. On a full disk the next try has the room of the
//! ballast. Edits are refused. A commit that failed but reached the disk does no harm: stored crossings are not
//! counted again, and announcements are read back from the file.

pub(super) mod crossings;
pub(super) mod publisher;
pub(super) mod retiming;
pub(super) mod transaction;
pub(super) mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use super::audit;
use super::clock_correction::{Clock, ClockChange, WallClock};
use super::coverage::counting_time::{EXTEND_AFTER_US, OpenSpan};
use super::geometry::line_status::LineHistory;
use super::geometry::lines;
use super::occupancy;
use super::rows::CountsRowError;
use super::schema::store_error;
use super::shared::CountsShared;
use super::sums::calendar::Calendar;
use super::sums::rollups::{RollupChanges, RollupTable};
use super::sums::tallies::TodayTotals;
use super::{AuditEntry, Coverage, LineRow, LineStatus, NewCrossing, OccupancySpan, Scene, StoreError};
use crossings::{insert_crossings, load_line_ids};
use retiming::{apply_change, newest_sure_end, record_calendar, reload_open_span};
use tallycam_base::private::Lock;
use tallycam_base::{Heartbeat, ballast};
use transaction::{CountsFault, CountsJob, CountsOnCommit, CountsTransaction, Moment};
use waiting::{WaitingRow, WaitingRows};

/// Average time between two commits in microseconds. Ten commits a second spare an SD card without a visible delay.
const PACE_US: i64 = 100_000;

/// Credit after a quiet time, in microseconds, so that consecutive edits, such as those of a start, need not wait.
const BURST_US: i64 = 3 * PACE_US;

/// Time between two observations of the clock, and before a failed turn is tried again.
const TICK: Duration = Duration::from_secs(1);

/// Maximum number of crossings in memory while the disk fails. More are lost, which is reported.
pub(super) const MOST_HELD: usize = 100_000;

/// Maximum bytes of thumbnails in memory while the disk fails. Further crossings are kept without one.
const MOST_HELD_BYTES: usize = 16 << 20;

/// Maximum number of coverage changes in memory while the disk fails. Later changes become one gap up to the newest
/// change, so coverage is never overstated.
pub(super) const MOST_HELD_COVERS: usize = 1000;

/// Maximum number of audit entries in memory while the disk fails.
pub(super) const MOST_HELD_AUDIT: usize = 100;

/// Maximum number of line verdicts in memory while the disk fails.
const MOST_HELD_JUDGED: usize = 100;

/// A command for the writer.
pub(super) enum CountsWrite {
    Record(Vec<NewCrossing>),
    /// The coverage since a `CLOCK_MONOTONIC` time.
    Cover(Coverage, i64),
    /// The current detector's verdicts on lines, since a `CLOCK_MONOTONIC` time.
    Judge(Vec<LineStatus>, i64),
    /// The scene that is shown.
    Show(Scene),
    Occupancy(Vec<OccupancySpan>),
    Waiting(WaitingRow),
    Audit(AuditEntry),
    /// An edit whose caller waits for the result.
    Edit(CountsJob),
    /// A new calendar for days and hours.
    Calendar(Calendar, oneshot::Sender<Result<(), StoreError>>),
}

/// The state that a turn changes only if it commits.
#[derive(Debug, Clone)]
pub(super) struct CountsState {
    pub wall: WallClock,
    pub scene: Scene,
    pub span: Option<OpenSpan>,
    pub judging: LineHistory,
}

pub(super) struct CountsWriter {
    pub(super) connection: Connection,
    file: PathBuf,
    _lock: Lock,
    pub(super) clock: Arc<dyn Clock + Sync>,
    pub(super) calendar: Calendar,
    pub(super) shared: Arc<CountsShared>,
    boot: i64,
    run: i64,
    /// The newest sure time that was stored before this boot.
    newest_sure_us: i64,
    pub(super) state: CountsState,
    /// Commands that no turn has committed yet.
    held: VecDeque<CountsWrite>,
    waiting: WaitingRows,
    held_crossings: usize,
    held_bytes: usize,
    held_covers: usize,
    lost: u64,
    /// The last turn failed.
    is_failing: bool,
    /// Stored data could not be read back and must still be announced.
    pub(super) is_behind: bool,
    /// The number of the last announced crossing.
    pub(super) announced: i64,
    pub(super) line_ids: BTreeSet<u64>,
    pub(super) all_lines: Vec<LineRow>,
    pub(super) board: TodayTotals,
    pub(super) totals: BTreeMap<RollupTable, u64>,
    /// When the next commit is due, by `CLOCK_MONOTONIC`. A past time allows several commits in a row.
    due_us: i64,
}

impl CountsWriter {
    /// Repairs the remains of an earlier run and starts a new run.
    pub(super) fn new(
        mut connection: Connection,
        lock: Lock,
        file: PathBuf,
        camera: &str,
        calendar: Calendar,
        clock: Arc<dyn Clock + Sync>,
        shared: Arc<CountsShared>,
    ) -> Result<CountsWriter, CountsRowError> {
        let (is_synchronised, now) = (clock.is_synchronised(), clock.now());
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        record_calendar(&transaction, &calendar)?;
        // A new file has none, and neither has a restored one, because a backup leaves it out.
        transaction.execute(
            "INSERT OR IGNORE INTO settings (key, value) VALUES ('ledger', lower(hex(randomblob(8))))",
            [],
        )?;
        let mut wall = WallClock { offset_us: now.wall_us as i64 - now.monotonic_us as i64, is_sure: false };
        let name = clock.boot();
        let known: Option<(i64, i64, bool)> = transaction
            .query_row("SELECT id, offset_us, sure FROM boots WHERE boot = ?1", [&name], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let boot = match known {
            Some((boot, offset_us, is_sure)) => {
                wall = WallClock { offset_us, is_sure };
                boot
            }
            None => {
                transaction.execute(
                    "INSERT INTO boots (boot, offset_us, sure) VALUES (?1, ?2, 0)",
                    params![name, wall.offset_us],
                )?;
                transaction.last_insert_rowid()
            }
        };
        let newest_sure_us = newest_sure_end(&transaction)?;
        let change = wall.observe(now, is_synchronised, newest_sure_us);
        apply_change(&transaction, change, boot, wall, &calendar)?;
        transaction.execute("INSERT INTO runs (boot, camera) VALUES (?1, ?2)", params![boot, camera])?;
        let run = transaction.last_insert_rowid();
        transaction.commit()?;

        let announced =
            connection.query_row("SELECT ifnull(max(id), 0) FROM crossings", [], |row| row.get(0))?;
        let scene = Scene::Camera;
        let all_lines = lines::load_all(&connection)?;
        let judging = LineHistory::load(&connection)?;
        let now_us = wall.wall_us(now.monotonic_us as i64);
        let board = TodayTotals::new(&connection, &calendar, scene, now_us, &all_lines)?;
        let mut writer = CountsWriter {
            connection,
            file,
            _lock: lock,
            clock,
            calendar,
            shared,
            boot,
            run,
            newest_sure_us,
            state: CountsState { wall, scene, span: None, judging },
            held: VecDeque::new(),
            waiting: WaitingRows::default(),
            held_crossings: 0,
            held_bytes: 0,
            held_covers: 0,
            lost: 0,
            is_failing: false,
            is_behind: false,
            announced,
            line_ids: BTreeSet::new(),
            all_lines,
            board,
            totals: BTreeMap::new(),
            due_us: 0,
        };
        writer.load_totals()?;
        writer.publish_edits()?;
        writer.publish_sums()?;
        Ok(writer)
    }

    pub(super) fn run_id(&self) -> u64 {
        self.run as u64
    }

    /// Limits the growth of the file to `pages`, as a full disk does.
    #[cfg(test)]
    pub(super) fn limit_growth(&self, pages: i64) {
        let count: i64 = self
            .connection
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .expect("it can be asked");
        let most = count + pages;
        self.connection
            .pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
            .expect("it can be set");
    }

    #[cfg(test)]
    pub(super) fn file(&self) -> &std::path::Path {
        &self.file
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Runs turns until the inbox is closed.
    pub(super) fn run_thread(mut self, beat: &Heartbeat) {
        let shared = Arc::clone(&self.shared);
        loop {
            if self.is_failing {
                shared.inbox.sleep_unless_closed(TICK);
            }
            let is_closed = shared.inbox.wait(TICK);
            if let Some(pause) = self.pause() {
                shared.inbox.sleep_unless_closed(pause);
            }
            beat.beat();
            self.run_once(shared.inbox.take_all());
            beat.beat();
            if is_closed {
                break;
            }
        }
        self.shut_down();
    }

    /// Time that the next turn has to wait, if any.
    pub(super) fn pause(&self) -> Option<Duration> {
        let left_us = self.due_us - self.clock.now().monotonic_us as i64;
        (left_us > 0).then(|| Duration::from_micros(left_us as u64))
    }

    /// One turn: takes `commands`, writes, announces.
    pub(super) fn run_once(&mut self, commands: VecDeque<CountsWrite>) {
        // Read before a calendar change, which can take seconds. Later commands are not in `commands`, and a clock
        // that is set meanwhile must not confirm earlier times.
        let (is_synchronised, now) = (self.clock.is_synchronised(), self.clock.now());
        for command in commands {
            match command {
                // Dropped if the caller has gone.
                CountsWrite::Calendar(calendar, answer) => drop(answer.send(self.change_calendar(calendar))),
                command => self.enqueue(command),
            }
        }
        let mono_us = now.monotonic_us as i64;
        let mut wall = self.state.wall;
        let change = wall.observe(now, is_synchronised, self.newest_sure_us);
        let is_due =
            self.state.span.as_ref().is_some_and(|span| mono_us - span.to_mono_us >= EXTEND_AFTER_US);
        let is_next_day = !self.board.is_current(self.state.scene, wall.wall_us(mono_us));
        if self.held.is_empty() && change == ClockChange::None && !is_due {
            if is_next_day || self.is_behind {
                let told = self.publish(false, false, is_next_day);
                self.record_publish_result(told);
            }
            return;
        }
        let is_edit = |held: &CountsWrite| matches!(held, CountsWrite::Edit(_));
        if self.is_failing || self.held.iter().any(is_edit) {
            // Before it fails, because an edit has no second try.
            self.file.parent().iter().for_each(|directory| ballast::release_if_full(directory));
        }
        let mut edits = Vec::new();
        let written = self.write(mono_us, wall, change, &mut edits);
        match written {
            Ok(CommittedCounts { state, is_edited, has_new_times }) => {
                let is_other_scene = state.scene != self.state.scene;
                self.state = state;
                self.held.clear();
                self.waiting = WaitingRows::default();
                (self.held_crossings, self.held_bytes, self.held_covers) = (0, 0, 0);
                let told = self.publish(is_edited, is_other_scene, has_new_times || is_next_day);
                for tell in edits {
                    tell(Ok(()));
                }
                if self.is_failing {
                    log::info!("counts.db: accepts crossings again; {} were lost", self.lost);
                }
                self.is_failing = false;
                self.record_publish_result(told);
            }
            Err(error) => {
                let is_full = is_disk_full(&error);
                if is_full {
                    self.release_ballast();
                }
                let error = store_error(&self.file, &error);
                for tell in edits {
                    tell(Err(error.clone()));
                }
                // Edits have been answered; everything else is tried again.
                self.held.retain(|command| !matches!(command, CountsWrite::Edit(_)));
                if !self.is_failing {
                    log::error!("counts.db takes nothing: {error}; it is tried again every second");
                }
                self.is_failing = true;
                self.publish_error(self.waiting_words(), &error, is_full);
            }
        }
        let now_us = self.clock.now().monotonic_us as i64;
        self.due_us = self.due_us.max(now_us - BURST_US) + PACE_US;
    }

    /// Changes the calendar and computes all sums again. Held commands are written with the new one.
    fn change_calendar(&mut self, calendar: Calendar) -> Result<(), StoreError> {
        let write = || -> Result<(), CountsRowError> {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            record_calendar(&transaction, &calendar)?;
            transaction.commit()
        };
        let written = match write() {
            Err(error) if is_disk_full(&error) && self.release_ballast() => write(),
            written => written,
        };
        written.map_err(|error| store_error(&self.file, &error))?;
        self.calendar = calendar.clone();
        self.shared.set_calendar(calendar);
        let told = self.publish(false, true, true);
        self.record_publish_result(told);
        Ok(())
    }

    /// Ends the span and the run.
    fn shut_down(mut self) {
        let mono_us = self.clock.now().monotonic_us as i64;
        let ended = (|| {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            if let Some(span) = &mut self.state.span {
                span.extend_to(&transaction, first_change_us(&self.held, mono_us), self.state.wall)?;
            }
            self.waiting.insert(&transaction, self.run, self.state.wall, mono_us)?;
            transaction.execute("UPDATE runs SET ended = 1 WHERE id = ?1", [self.run])?;
            transaction.commit()
        })();
        if self.held_crossings > 0 {
            log::error!("counts.db: {} crossings could not be written and are lost", self.held_crossings);
        }
        if let Err(error) = ended {
            log::warn!("counts.db: the end of the run is not stored: {error}");
        }
    }

    /// Holds a command, within the limits.
    fn enqueue(&mut self, mut command: CountsWrite) {
        if let CountsWrite::Record(crossings) = &mut command {
            // Unlimited while the disk works, because the inbox is bounded.
            let room =
                if self.is_failing { MOST_HELD.saturating_sub(self.held_crossings) } else { usize::MAX };
            let lost = crossings.len().saturating_sub(room);
            if lost > 0 {
                if self.lost == 0 {
                    log::error!("counts.db: {MOST_HELD} crossings wait for the disk; further ones are lost");
                }
                self.lost += lost as u64;
                self.shared.set_lost(self.lost);
                crossings.truncate(room);
                if crossings.is_empty() {
                    return;
                }
            }
            for crossing in crossings.iter_mut() {
                let bytes = crossing.thumbnail.as_ref().map_or(0, |jpeg| jpeg.len());
                if self.held_bytes + bytes > MOST_HELD_BYTES {
                    crossing.thumbnail = None;
                } else {
                    self.held_bytes += bytes;
                }
            }
            self.held_crossings += crossings.len();
        }
        match command {
            CountsWrite::Cover(cover, since_us) if self.is_failing => self.enqueue_cover(cover, since_us),
            CountsWrite::Judge(..) if self.is_failing => self.enqueue_verdicts(command),
            // The same rows come again later, with larger figures.
            CountsWrite::Occupancy(_) if self.is_failing => {}
            CountsWrite::Waiting(row) => self.waiting.add(row),
            CountsWrite::Audit(_) if self.is_failing && self.is_audit_full() => self.shared.drop_audit_row(),
            command => self.held.push_back(command),
        }
    }

    /// Holds a coverage change while the disk fails. Bounded, because a camera may come and go.
    fn enqueue_cover(&mut self, cover: Coverage, since_us: i64) {
        self.held_covers += 1;
        if self.held_covers > MOST_HELD_COVERS {
            // Beyond the limit only the newest change is kept; the time before it is a gap.
            if let Some(newest) = self.held.iter().rposition(|held| matches!(held, CountsWrite::Cover(..))) {
                self.held.remove(newest);
            }
        } else if self.held_covers == MOST_HELD_COVERS {
            self.held.push_back(CountsWrite::Cover(Coverage::Not("counts_db"), since_us));
        }
        self.held.push_back(CountsWrite::Cover(cover, since_us));
    }

    /// Holds line verdicts while the disk fails. The first may be about a time that is covered. No counting is
    /// claimed after that, so beyond the limit only the newest is kept.
    fn enqueue_verdicts(&mut self, command: CountsWrite) {
        let is_judged = |held: &CountsWrite| matches!(held, CountsWrite::Judge(..));
        if self.held.iter().filter(|held| is_judged(held)).count() >= MOST_HELD_JUDGED
            && let Some(newest) = self.held.iter().rposition(is_judged)
        {
            self.held.remove(newest);
        }
        self.held.push_back(command);
    }

    /// Whether the limit of held audit entries is reached.
    fn is_audit_full(&self) -> bool {
        self.held.iter().filter(|held| matches!(held, CountsWrite::Audit(_))).count() >= MOST_HELD_AUDIT
    }

    /// Writes all held commands in one transaction.
    fn write(
        &mut self,
        mono_us: i64,
        wall: WallClock,
        change: ClockChange,
        edits: &mut Vec<CountsOnCommit>,
    ) -> Result<CommittedCounts, CountsRowError> {
        let mut state = self.state.clone();
        let (run, boot) = (self.run, self.boot);
        let CountsWriter { connection, held, waiting, calendar, line_ids, file, .. } = self;
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let until_us = first_change_us(held, mono_us);
        if change == ClockChange::Step {
            // With the clock that was valid until now; the next span starts no earlier.
            if let Some(span) = &mut state.span {
                span.extend_to(&transaction, until_us, state.wall)?;
            }
        }
        state.wall = wall;
        apply_change(&transaction, change, boot, wall, calendar)?;
        match change {
            ClockChange::None => {}
            ClockChange::Mend => state.span = reload_open_span(&transaction, state.span.take())?,
            ClockChange::Step => {
                if let Some(span) = state.span.take() {
                    let from_us = until_us.max(span.to_mono_us);
                    let new = OpenSpan::insert(&transaction, run, span.cover, from_us, wall, span.to_us)?;
                    state.span = Some(new);
                }
            }
        }
        let mut sums = RollupChanges::new(calendar);
        let mut is_edited = false;
        for command in held.iter_mut() {
            let moment = Moment { run, mono_us, wall_us: wall.wall_us(mono_us), is_sure: wall.is_sure };
            let tx =
                CountsTransaction { connection: &transaction, moment, scene: state.scene, calendar, file };
            match command {
                CountsWrite::Record(crossings) => {
                    if crossings.iter().any(|crossing| !line_ids.contains(&crossing.line)) {
                        *line_ids = load_line_ids(&transaction)?;
                    }
                    insert_crossings(&transaction, crossings, run, wall, line_ids, &mut sums)?;
                }
                CountsWrite::Cover(cover, since_us) => {
                    let mut since_us = (*since_us).min(mono_us);
                    if state.span.as_ref().is_some_and(|span| span.cover == *cover) {
                        continue;
                    }
                    let mut floor_us = 0;
                    if let Some(span) = &mut state.span {
                        span.extend_to(&transaction, since_us, wall)?;
                        // The time that the old span already covers is not covered again.
                        (since_us, floor_us) = (since_us.max(span.to_mono_us), span.to_us);
                    } else if wall.is_sure {
                        floor_us = newest_sure_end(&transaction)?;
                    }
                    let new = OpenSpan::insert(&transaction, run, cover.clone(), since_us, wall, floor_us)?;
                    state.span = Some(new);
                }
                CountsWrite::Judge(judged, since_us) => {
                    let mono_us = (*since_us).min(mono_us);
                    let since = Moment { mono_us, wall_us: wall.wall_us(mono_us), ..moment };
                    lines::record_verdicts(&tx, &mut state.judging, judged, since)?;
                }
                CountsWrite::Show(scene) => {
                    state.scene = *scene;
                    if *scene == Scene::Sim {
                        match lines::create_sim_line(&tx) {
                            Ok(is_made) => is_edited |= is_made,
                            Err(CountsFault::File(error)) => return Err(error),
                            Err(CountsFault::Edit(_)) => {}
                        }
                    }
                }
                CountsWrite::Occupancy(spans) => {
                    occupancy::insert(&transaction, spans, run, wall)?;
                    // With a clock that is ahead, all rows would look old.
                    if wall.is_sure {
                        occupancy::roll_up(&transaction, calendar, moment.wall_us)?;
                    }
                }
                CountsWrite::Audit(entry) => audit::insert(&transaction, entry, run, wall)?,
                // Never held.
                CountsWrite::Calendar(..) | CountsWrite::Waiting(_) => {}
                CountsWrite::Edit(edit) => {
                    // An edit that removes crossings must find their sums in the table.
                    sums.write(&transaction)?;
                    // Runs once; if the turn fails, the caller gets an error and there is no second try.
                    let edit = std::mem::replace(edit, Box::new(|_| Ok(Box::new(|_| {}))));
                    transaction.execute_batch("SAVEPOINT edit")?;
                    match edit(&tx) {
                        Ok(told) => edits.push(told),
                        Err(CountsFault::Edit(_)) => transaction.execute_batch("ROLLBACK TO edit")?,
                        Err(CountsFault::File(error)) => return Err(error),
                    }
                    transaction.execute_batch("RELEASE edit")?;
                    is_edited = true;
                }
            }
        }
        sums.write(&transaction)?;
        waiting.insert(&transaction, run, wall, mono_us)?;
        if is_edited {
            state.judging.changed(&transaction, mono_us)?;
        }
        if let Some(span) = &mut state.span {
            span.extend_to(&transaction, mono_us, wall)?;
        }
        transaction.commit()?;
        Ok(CommittedCounts { state, is_edited, has_new_times: change != ClockChange::None })
    }

    /// Gives the next try the room of the ballast. True if there was any.
    fn release_ballast(&self) -> bool {
        self.file.parent().is_some_and(ballast::release)
    }
}

impl Drop for CountsWriter {
    fn drop(&mut self) {
        // However the thread ends, no sender keeps waiting.
        self.shared.inbox.close();
        drop(self.shared.inbox.take_all());
    }
}

fn is_disk_full(error: &CountsRowError) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Up to when the stored coverage is known to hold: the first held change, or now.
fn first_change_us(held: &VecDeque<CountsWrite>, now_us: i64) -> i64 {
    let first = held.iter().find_map(|command| match command {
        CountsWrite::Cover(_, since_us) => Some(*since_us),
        _ => None,
    });
    first.unwrap_or(now_us).min(now_us)
}

struct CommittedCounts {
    state: CountsState,
    is_edited: bool,
    has_new_times: bool,
}
