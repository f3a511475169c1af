//! The thread `counts`: the one writer of the ledger.
//!
//! Each turn takes everything that waits and makes one transaction of it: crossings with their sums, edits,
//! the span under way, and what a look at the clock demands. Only after the commit is anything told. If a
//! turn fails (a full disk, a disk that gives errors), nothing of it is on record: its crossings stay
//! in memory and are tried again each second with what has come meanwhile, [`MOST_HELD`] at most; edits
//! are refused. A commit that failed and yet reached the disk does no harm, for a crossing that is there already is
//! not counted again, and what is told is read back from the file.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::calendar::Calendar;
use super::handle::{Live, Shared};
use super::mending::{Change, Clock, WallClock};
use super::rollups::{self, Changes, Kind};
use super::rows::{ReadError, SELECT_CROSSINGS, crossing, unsigned};
use super::schema::{Lock, store_error};
use super::spans::{EXTEND_AFTER_US, OpenSpan};
use super::tallies::Board;
use super::{Count, Cover, EditError, LineRow, NewCrossing, Scene, StoreError, lines, zones};
use crate::base::Beat;

/// Between two commits at least: ten a second spare an SD card, and nobody sees the difference.
const PACE: Duration = Duration::from_millis(100);

/// Between two looks at the clock, and before what failed is tried again.
const TICK: Duration = Duration::from_secs(1);

/// Crossings that are kept in memory while the disk takes none: more are lost, and that is said.
pub(super) const MOST_HELD: usize = 100_000;

/// Bytes of thumbnails that are kept then; crossings beyond go without.
const MOST_HELD_BYTES: usize = 16 << 20;

/// Something that is to be done.
pub(super) enum Command {
    /// Crossings for the record.
    Record(Vec<NewCrossing>),
    /// Whether counting runs, since a moment of `CLOCK_MONOTONIC`.
    Cover(Cover, i64),
    /// The scene that is shown.
    Show(Scene),
    /// A change that somebody waits for.
    Edit(Edit),
}

/// A change, made within the transaction. It gives what is to be told once the commit is known.
pub(super) type Edit = Box<dyn FnOnce(&Desk<'_>) -> Result<Told, Fault> + Send>;

/// Tells whoever waits how it ended.
pub(super) type Told = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What an edit works with.
pub(super) struct Desk<'a> {
    /// The writer's connection, within a transaction.
    pub connection: &'a Connection,
    /// When.
    pub moment: Moment,
    /// The scene that is shown.
    pub scene: Scene,
    /// The ledger's file, for words about it.
    pub file: &'a Path,
}

/// When something was done, in terms of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub run: i64,
    pub mono_us: i64,
    pub wall_us: i64,
    pub is_sure: bool,
}

/// Why an edit was not made.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is wrong: only it is refused.
    Edit(EditError),
    /// The file does not take it: the whole turn has failed.
    File(ReadError),
}

impl From<EditError> for Fault {
    fn from(error: EditError) -> Fault {
        Fault::Edit(error)
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        Fault::File(error)
    }
}

/// What the writer believes and does, changed by a turn only if that is committed.
#[derive(Debug, Clone)]
struct State {
    wall: WallClock,
    scene: Scene,
    span: Option<OpenSpan>,
}

/// The writer.
pub(super) struct Writer {
    connection: Connection,
    file: PathBuf,
    _lock: Lock,
    clock: Arc<dyn Clock + Sync>,
    calendar: Calendar,
    shared: Arc<Shared>,
    boot: i64,
    run: i64,
    /// The newest sure time on record before this boot.
    newest_sure_us: i64,
    state: State,
    /// What no turn has committed yet.
    held: VecDeque<Command>,
    held_crossings: usize,
    held_bytes: usize,
    lost: u64,
    /// Whether the last turn failed.
    is_failing: bool,
    /// Whether something that is on record could not be read back, and has to be told yet.
    is_behind: bool,
    /// The last crossing that was told.
    announced: i64,
    line_ids: BTreeSet<u64>,
    all_lines: Vec<LineRow>,
    board: Board,
    totals: BTreeMap<Kind, u64>,
    last_commit_us: i64,
}

impl Writer {
    /// Mends what an earlier run left, and begins a run.
    pub(super) fn begin(
        mut connection: Connection,
        lock: Lock,
        file: PathBuf,
        camera: &str,
        calendar: Calendar,
        clock: Arc<dyn Clock + Sync>,
        shared: Arc<Shared>,
    ) -> Result<Writer, ReadError> {
        let now = clock.now();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        keep_calendar(&transaction, &calendar)?;
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
        let change = wall.observe(now, clock.is_synchronised(), newest_sure_us);
        apply_change(&transaction, change, boot, wall, &calendar)?;
        transaction.execute("INSERT INTO runs (boot, camera) VALUES (?1, ?2)", params![boot, camera])?;
        let run = transaction.last_insert_rowid();
        transaction.commit()?;

        let announced =
            connection.query_row("SELECT ifnull(max(id), 0) FROM crossings", [], |row| row.get(0))?;
        let scene = Scene::Camera;
        let all_lines = lines::all(&connection)?;
        let now_us = wall.wall_us(now.monotonic_us as i64);
        let board = Board::new(&connection, &calendar, scene, now_us, &all_lines)?;
        let mut writer = Writer {
            connection,
            file,
            _lock: lock,
            clock,
            calendar,
            shared,
            boot,
            run,
            newest_sure_us,
            state: State { wall, scene, span: None },
            held: VecDeque::new(),
            held_crossings: 0,
            held_bytes: 0,
            lost: 0,
            is_failing: false,
            is_behind: false,
            announced,
            line_ids: BTreeSet::new(),
            all_lines,
            board,
            totals: BTreeMap::new(),
            last_commit_us: 0,
        };
        writer.load_totals()?;
        writer.tell_edits()?;
        writer.tell_sums()?;
        Ok(writer)
    }

    /// The number of the run.
    pub(super) fn run_id(&self) -> u64 {
        self.run as u64
    }

    /// Lets the file grow no further than by so many pages, as a disk that is full does.
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

    /// The thread.
    pub(super) fn work(mut self, beat: &Beat) {
        let shared = Arc::clone(&self.shared);
        loop {
            if self.is_failing {
                shared.inbox.pause(TICK);
            }
            let is_closed = shared.inbox.wait(TICK);
            let since_us = (self.clock.now().monotonic_us as i64).saturating_sub(self.last_commit_us);
            if let Some(left) = PACE.checked_sub(Duration::from_micros(since_us.max(0) as u64)) {
                shared.inbox.pause(left);
            }
            beat.beat();
            self.turn(shared.inbox.take());
            beat.beat();
            if is_closed {
                break;
            }
        }
        self.end();
    }

    /// One turn: takes `commands`, writes, tells.
    pub(super) fn turn(&mut self, commands: VecDeque<Command>) {
        for command in commands {
            self.hold(command);
        }
        let now = self.clock.now();
        let mono_us = now.monotonic_us as i64;
        let mut wall = self.state.wall;
        let change = wall.observe(now, self.clock.is_synchronised(), self.newest_sure_us);
        let is_due =
            self.state.span.as_ref().is_some_and(|span| mono_us - span.to_mono_us >= EXTEND_AFTER_US);
        let is_next_day = !self.board.is_of(self.state.scene, wall.wall_us(mono_us));
        if self.held.is_empty() && change == Change::None && !is_due {
            if is_next_day || self.is_behind {
                let told = self.tell(false, false, is_next_day);
                self.settle(told);
            }
            return;
        }
        let mut edits = Vec::new();
        let written = self.write(mono_us, wall, change, &mut edits);
        match written {
            Ok(Written { state, is_edited, has_new_times }) => {
                let is_other_scene = state.scene != self.state.scene;
                self.state = state;
                self.held.clear();
                (self.held_crossings, self.held_bytes) = (0, 0);
                let told = self.tell(is_edited, is_other_scene, has_new_times || is_next_day);
                for tell in edits {
                    tell(Ok(()));
                }
                if self.is_failing {
                    log::info!("counts.db: crossings are taken again");
                }
                self.is_failing = false;
                self.settle(told);
            }
            Err(error) => {
                let error = store_error(&self.file, &error);
                for tell in edits {
                    tell(Err(error.clone()));
                }
                // Edits were told; what counts is tried again.
                self.held.retain(|command| !matches!(command, Command::Edit(_)));
                if !self.is_failing {
                    log::error!("the ledger takes nothing: {error}; it is tried again every second");
                }
                self.is_failing = true;
                self.say_trouble(&error);
            }
        }
        self.last_commit_us = self.clock.now().monotonic_us as i64;
    }

    /// The last turn, then the file is closed.
    fn end(mut self) {
        let mono_us = self.clock.now().monotonic_us as i64;
        let ended = (|| {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            if let Some(span) = &mut self.state.span {
                span.extend(&transaction, mono_us, self.state.wall)?;
            }
            transaction.execute("UPDATE runs SET ended = 1 WHERE id = ?1", [self.run])?;
            transaction.commit()
        })();
        if self.held_crossings > 0 {
            log::error!("counts.db: {} crossings could not be written and are lost", self.held_crossings);
        }
        if let Err(error) = ended {
            log::warn!("counts.db: the end of the run is not on record: {error}");
        }
    }

    /// Takes a command in, within the bound.
    fn hold(&mut self, mut command: Command) {
        if let Command::Record(crossings) = &mut command {
            // A disk that takes what it is given gets all of it: the inbox is bounded.
            let room =
                if self.is_failing { MOST_HELD.saturating_sub(self.held_crossings) } else { usize::MAX };
            let lost = crossings.len().saturating_sub(room);
            if lost > 0 {
                if self.lost == 0 {
                    log::error!("counts.db: {MOST_HELD} crossings wait for the disk; further ones are lost");
                }
                self.lost += lost as u64;
                crossings.truncate(room);
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
        self.held.push_back(command);
    }

    /// Everything that is held, in one transaction.
    fn write(
        &mut self,
        mono_us: i64,
        wall: WallClock,
        change: Change,
        edits: &mut Vec<Told>,
    ) -> Result<Written, ReadError> {
        let mut state = self.state.clone();
        let (run, boot) = (self.run, self.boot);
        let Writer { connection, held, calendar, line_ids, file, .. } = self;
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        if change == Change::Step {
            // Up to now by the clock that was right until now; the next span begins no earlier.
            if let Some(span) = &mut state.span {
                span.extend(&transaction, mono_us, state.wall)?;
            }
        }
        state.wall = wall;
        apply_change(&transaction, change, boot, wall, calendar)?;
        match change {
            Change::None => {}
            Change::Mend => state.span = reload_span(&transaction, state.span.take())?,
            Change::Step => {
                if let Some(span) = state.span.take() {
                    let new = OpenSpan::begin(&transaction, run, span.cover, mono_us, wall, span.to_us)?;
                    state.span = Some(new);
                }
            }
        }
        let mut sums = Changes::new(calendar);
        let mut is_edited = false;
        for command in held.iter_mut() {
            let moment = Moment { run, mono_us, wall_us: wall.wall_us(mono_us), is_sure: wall.is_sure };
            let desk = Desk { connection: &transaction, moment, scene: state.scene, file };
            match command {
                Command::Record(crossings) => {
                    if crossings.iter().any(|crossing| !line_ids.contains(&crossing.line)) {
                        *line_ids = known_lines(&transaction)?;
                    }
                    insert(&transaction, crossings, run, wall, line_ids, &mut sums)?;
                }
                Command::Cover(cover, since_us) => {
                    let since_us = (*since_us).min(mono_us);
                    if state.span.as_ref().is_some_and(|span| span.cover == *cover) {
                        continue;
                    }
                    let mut floor_us = 0;
                    if let Some(span) = &mut state.span {
                        span.extend(&transaction, since_us, wall)?;
                        floor_us = span.to_us;
                    } else if wall.is_sure {
                        floor_us = newest_sure_end(&transaction)?;
                    }
                    let new = OpenSpan::begin(&transaction, run, cover.clone(), since_us, wall, floor_us)?;
                    state.span = Some(new);
                }
                Command::Show(scene) => {
                    state.scene = *scene;
                    if *scene == Scene::Sim {
                        match lines::make_sim_line(&desk) {
                            Ok(is_made) => is_edited |= is_made,
                            Err(Fault::File(error)) => return Err(error),
                            Err(Fault::Edit(_)) => {}
                        }
                    }
                }
                Command::Edit(edit) => {
                    // It is made once; if the turn fails, it is told so and not tried again.
                    let edit = std::mem::replace(edit, Box::new(|_| Ok(Box::new(|_| {}))));
                    transaction.execute_batch("SAVEPOINT edit")?;
                    match edit(&desk) {
                        Ok(told) => edits.push(told),
                        Err(Fault::Edit(_)) => transaction.execute_batch("ROLLBACK TO edit")?,
                        Err(Fault::File(error)) => return Err(error),
                    }
                    transaction.execute_batch("RELEASE edit")?;
                    is_edited = true;
                }
            }
        }
        sums.write(&transaction)?;
        if let Some(span) = &mut state.span {
            span.extend(&transaction, mono_us, wall)?;
        }
        transaction.commit()?;
        Ok(Written { state, is_edited, has_new_times: change != Change::None })
    }

    /// Tells what has been committed.
    fn tell(&mut self, is_edited: bool, is_other_scene: bool, has_new_times: bool) -> Result<(), ReadError> {
        let (is_edited, is_other_scene) = (is_edited || self.is_behind, is_other_scene || self.is_behind);
        self.is_behind = true;
        let committed = self.read_new()?;
        if is_edited {
            self.tell_edits()?;
        }
        if is_other_scene {
            self.load_totals()?;
        }
        for crossing in committed {
            if crossing.scene == self.state.scene && !is_other_scene {
                let kind = Kind {
                    scene: crossing.scene,
                    line: crossing.line_id,
                    class: Arc::clone(&crossing.class),
                    direction: crossing.direction,
                };
                *self.totals.entry(kind).or_insert(0) += 1;
            }
            // Nobody listens: then it is for the ledger alone.
            let _ = self.shared.committed.send(Arc::new(crossing));
        }
        if is_edited || is_other_scene || has_new_times {
            self.renew_board()?;
        }
        self.tell_sums()?;
        self.is_behind = false;
        Ok(())
    }

    /// Crossings on record that were not told yet.
    fn read_new(&mut self) -> Result<Vec<super::Crossing>, ReadError> {
        let mut new =
            self.connection.prepare(&format!("{SELECT_CROSSINGS} WHERE c.id > ?1 ORDER BY c.id"))?;
        let committed = new.query_map([self.announced], crossing)?.collect::<Result<Vec<_>, _>>()?;
        if let Some(last) = committed.last() {
            self.announced = last.id as i64;
        }
        Ok(committed)
    }

    fn tell_edits(&mut self) -> Result<(), ReadError> {
        self.all_lines = lines::all(&self.connection)?;
        self.line_ids = self.all_lines.iter().map(|line| line.id).collect();
        let shown: Vec<LineRow> =
            self.all_lines.iter().filter(|line| line.deleted_us.is_none()).cloned().collect();
        let tell = |old: &mut Arc<Vec<_>>, new| {
            let is_new = **old != new;
            if is_new {
                *old = Arc::new(new);
            }
            is_new
        };
        self.shared.lines.send_if_modified(|old| tell(old, shown));
        let zones = zones::all(&self.connection)?;
        self.shared.zones.send_if_modified(|old| {
            let is_new = **old != zones;
            if is_new {
                *old = Arc::new(zones);
            }
            is_new
        });
        let mut query = self.connection.prepare("SELECT key, value FROM settings")?;
        let settings =
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        self.shared.set_settings(settings);
        Ok(())
    }

    fn renew_board(&mut self) -> Result<(), ReadError> {
        let now_us = self.state.wall.wall_us(self.clock.now().monotonic_us as i64);
        self.board = Board::new(&self.connection, &self.calendar, self.state.scene, now_us, &self.all_lines)?;
        Ok(())
    }

    fn load_totals(&mut self) -> Result<(), ReadError> {
        let scene = self.state.scene;
        let mut query = self.connection.prepare(
            "SELECT line, class, direction, sum(count) FROM daily WHERE scene = ?1 GROUP BY line, class, direction",
        )?;
        let mut rows = query.query([scene.word()])?;
        let mut totals = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let direction = super::rows::direction_of(row.get_ref(2)?.as_str()?)?;
            let kind = Kind { scene, line: unsigned(row, 0)?, class: row.get(1)?, direction };
            totals.insert(kind, unsigned(row, 3)?);
        }
        self.totals = totals;
        Ok(())
    }

    /// Today's sums, all sums, and the span under way.
    fn tell_sums(&mut self) -> Result<(), ReadError> {
        let tallies = self.board.tallies(&self.connection, &self.all_lines)?;
        self.shared.tallies.send_if_modified(|old| {
            let is_new = **old != tallies;
            if is_new {
                *old = Arc::new(tallies);
            }
            is_new
        });
        let names: BTreeMap<u64, Arc<str>> =
            self.all_lines.iter().map(|line| (line.id, Arc::from(line.draft.name.as_str()))).collect();
        let totals = self.totals.iter().map(|(kind, &count)| Count {
            line_id: kind.line,
            line: names.get(&kind.line).cloned().unwrap_or_default(),
            class: Arc::clone(&kind.class),
            direction: kind.direction,
            count,
        });
        self.shared.set_totals(totals.collect());
        self.shared.set_live(Live { wall: self.state.wall, span: self.state.span.clone() });
        Ok(())
    }

    /// What telling came to. What is on record stays so even if it could not be read back.
    fn settle(&mut self, told: Result<(), ReadError>) {
        match told {
            Ok(()) if self.lost == 0 => self.shared.set_trouble(None),
            Ok(()) => {
                let lost = self.lost;
                self.shared.set_trouble(Some(format!(
                    "{lost} crossings were lost while the disk took none; those before and after are on record"
                )));
            }
            Err(error) => self.say_trouble(&store_error(&self.file, &error)),
        }
    }

    fn say_trouble(&self, error: &StoreError) {
        let (waiting, lost) = (self.held_crossings, self.lost);
        let mut words = format!("the ledger takes nothing: {error}; {waiting} crossings wait in memory");
        if lost > 0 {
            words.push_str(&format!(", {lost} are lost"));
        }
        if let StoreError::File { hint: Some(hint), .. } = error {
            words.push_str(&format!("; {hint}"));
        }
        self.shared.set_trouble(Some(words));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ended, nobody waits for it in vain.
        self.shared.inbox.close();
        drop(self.shared.inbox.take());
    }
}

/// A turn that was committed.
struct Written {
    state: State,
    is_edited: bool,
    has_new_times: bool,
}

/// Notes the calendar that the sums are made for; if it was another one, they are made anew.
fn keep_calendar(connection: &Connection, calendar: &Calendar) -> Result<(), ReadError> {
    let identity = calendar.identity();
    let kept: Option<String> = connection
        .query_row("SELECT value FROM settings WHERE key = 'calendar'", [], |row| row.get(0))
        .optional()?;
    if kept.as_ref() == Some(&identity) {
        return Ok(());
    }
    if let Some(kept) = kept {
        log::info!("counts.db: days and hours were those of {kept}, now {identity}: all sums are made anew");
    }
    rollups::rebuild(connection, calendar)?;
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('calendar', ?1)", [identity])?;
    Ok(())
}

/// The end of the newest span that a sure clock measured; 0 if there is none.
fn newest_sure_end(connection: &Connection) -> Result<i64, ReadError> {
    connection
        .query_row("SELECT to_us FROM spans WHERE sure ORDER BY to_us DESC LIMIT 1", [], |row| row.get(0))
        .optional()
        .map(|end| end.unwrap_or(0))
}

fn known_lines(connection: &Connection) -> Result<BTreeSet<u64>, ReadError> {
    let mut query = connection.prepare("SELECT id FROM lines")?;
    query.query_map([], |row| unsigned(row, 0))?.collect()
}

fn reload_span(connection: &Connection, span: Option<OpenSpan>) -> Result<Option<OpenSpan>, ReadError> {
    let Some(mut span) = span else {
        return Ok(None);
    };
    (span.from_us, span.to_us) =
        connection.query_row("SELECT from_us, to_us FROM spans WHERE id = ?1", [span.id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Some(span))
}

/// Does to the rows of this boot what a change of the clock demands.
fn apply_change(
    connection: &Connection,
    change: Change,
    boot: i64,
    wall: WallClock,
    calendar: &Calendar,
) -> Result<(), ReadError> {
    if change == Change::None {
        return Ok(());
    }
    connection.execute(
        "UPDATE boots SET offset_us = ?2, sure = ?3 WHERE id = ?1",
        params![boot, wall.offset_us, wall.is_sure],
    )?;
    if change == Change::Step {
        return Ok(());
    }
    const MINE: &str = "run IN (SELECT id FROM runs WHERE boot = ?1) AND NOT sure";
    let mut sums = Changes::new(calendar);
    let mut moved = connection.prepare(&format!(
        "SELECT id, scene, line, class, direction, wall_us, mono_us FROM crossings WHERE {MINE}"
    ))?;
    let mut rows = moved.query([boot])?;
    let mut count = 0u64;
    while let Some(row) = rows.next()? {
        let kind = Kind {
            scene: super::rows::scene_of(row.get_ref(1)?.as_str()?)?,
            line: unsigned(row, 2)?,
            class: row.get(3)?,
            direction: super::rows::direction_of(row.get_ref(4)?.as_str()?)?,
        };
        let (id, was_us, is_us) = (row.get(0)?, row.get(5)?, wall.wall_us(row.get(6)?));
        if was_us != is_us {
            sums.add(kind.clone(), was_us, id, -1);
            sums.add(kind, is_us, id, 1);
            count += 1;
        }
    }
    sums.write(connection)?;
    for table in ["crossings", "resets", "line_changes"] {
        connection.execute(
            &format!("UPDATE {table} SET wall_us = max(mono_us + ?2, 0), sure = ?3 WHERE {MINE}"),
            params![boot, wall.offset_us, wall.is_sure],
        )?;
    }
    // A time that was covered by a sure clock is not covered again.
    let floor_us = if wall.is_sure { newest_sure_end(connection)? } else { 0 };
    connection.execute(
        &format!(
            "UPDATE spans SET from_us = max(from_mono_us + ?2, ?4), to_us = max(to_mono_us + ?2, ?4), sure = ?3
             WHERE {MINE}"
        ),
        params![boot, wall.offset_us, wall.is_sure, floor_us],
    )?;
    if count > 0 {
        log::info!("counts.db: the clock was set; {count} crossings of this boot have their right time now");
    }
    Ok(())
}

/// Puts crossings on record, and into the sums those that were not there yet.
fn insert(
    connection: &Connection,
    crossings: &[NewCrossing],
    run: i64,
    wall: WallClock,
    lines: &BTreeSet<u64>,
    sums: &mut Changes<'_>,
) -> Result<(), ReadError> {
    let mut row = connection.prepare(
        "INSERT INTO crossings (run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
    )?;
    for new in crossings {
        if !lines.contains(&new.line) {
            log::error!("counts.db: a crossing of line {}, which never was, is not recorded", new.line);
            continue;
        }
        let mono_us = new.monotonic_us as i64;
        let wall_us = wall.wall_us(mono_us);
        // SQLite has no place for what is not a number.
        let score = if new.score.is_finite() { f64::from(new.score) } else { 0.0 };
        let inserted = row.execute(params![
            run,
            new.scene.word(),
            new.line as i64,
            new.track as i64,
            new.ordinal,
            new.class,
            new.direction.word(),
            score,
            mono_us,
            wall_us,
            wall.is_sure
        ])?;
        if inserted == 0 {
            continue;
        }
        let id = connection.last_insert_rowid();
        let kind = Kind {
            scene: new.scene,
            line: new.line,
            class: Arc::clone(&new.class),
            direction: new.direction,
        };
        sums.add(kind, wall_us, id, 1);
        if let Some(jpeg) = &new.thumbnail {
            connection
                .execute("INSERT INTO thumbnails (crossing, jpeg) VALUES (?1, ?2)", params![id, &jpeg[..]])?;
        }
    }
    Ok(())
}
