//! The handle of `counts.db`, through which other modules use the writer's thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot, watch};

use super::clock_correction::{Clock, SystemClock};
use super::geometry::{orientation, shapes};
use super::schema::{self, store_error};
use super::shared::{CountsShared, Pinned, Unpinned};
use super::sums::calendar::Calendar;
use super::sums::resets::{reset_tallies, undo_reset};
use super::sums::speeds::{set_distance, set_ground};
use super::writer::crossings::mark_crossing;
use super::writer::transaction::{CountsFault, CountsJob, CountsTransaction};
use super::writer::waiting::WaitingRow;
use super::writer::{CountsWrite, CountsWriter};
use super::{
    AuditEntry, Count, CountsOptions, CountsReader, Coverage, CrossingMark, EditError, LineDraft, LineRow,
    LineStatus, NewCrossing, NewMovement, NewStay, OccupancySpan, Recount, RecountResult, Reset, Scene,
    StoreError, StoredCrossing, Tallies, ZoneDraft, ZoneRow, recounts,
};
use tallycam_base::Worker;
use tallycam_camera::media::Geometry;

/// Time that a sender waits for a place in a full inbox.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time limit for pinning the operator's lines.
const PIN_PATIENCE: Duration = Duration::from_secs(30);

/// `counts.db`. Clones share it.
#[derive(Clone)]
pub struct Counts {
    shared: Arc<CountsShared>,
    clock: Arc<dyn Clock + Sync>,
    file: PathBuf,
    pub(super) run: u64,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts").field("file", &self.file).field("run", &self.run).finish_non_exhaustive()
    }
}

impl Counts {
    /// Opens `counts.db`, migrates and mends it, starts a run and the thread `counts`. After [`Counts::stop`] the
    /// thread writes everything that waits, and ends.
    ///
    /// # Errors
    /// The directory is not writable, another tallycam holds it, or the file is damaged, foreign or newer.
    pub fn open(settings: CountsOptions) -> Result<(Counts, Worker), StoreError> {
        let (counts, writer) = Counts::open_parts(settings, Arc::new(SystemClock))?;
        let file = counts.file.clone();
        let worker = Worker::spawn("counts", move |beat| writer.run_thread(beat)).map_err(|error| {
            StoreError::file(&file, format!("its thread cannot be started: {error}"), None)
        })?;
        Ok((counts, worker))
    }

    /// The handle and the writer without a running thread; tests run its turns themselves.
    pub(super) fn open_parts(
        settings: CountsOptions,
        clock: Arc<dyn Clock + Sync>,
    ) -> Result<(Counts, CountsWriter), StoreError> {
        let lock = schema::lock(&settings.directory)?;
        let file = settings.directory.join(schema::FILE_NAME);
        let connection = schema::open_to_write(&file)?;
        let calendar = Calendar::new(settings.zone, settings.day_starts);
        let shared = Arc::new(CountsShared::new(calendar.clone()));
        let writer = CountsWriter::new(
            connection,
            lock,
            file.clone(),
            &settings.camera,
            calendar,
            Arc::clone(&clock),
            Arc::clone(&shared),
        )
        .map_err(|error| store_error(&file, &error))?;
        let run = writer.run_id();
        Ok((Counts { shared, clock, file, run }, writer))
    }

    /// Takes crossings to store. Waits at most 2 s while 1024 commands are queued. A crossing is stored when
    /// [`Counts::subscribe_crossings`] announces it.
    ///
    /// # Errors
    /// [`StoreError::Busy`]: they were not taken, and [`Counts::error`] says so.
    pub fn record(&self, crossings: Vec<NewCrossing>) -> Result<(), StoreError> {
        if crossings.is_empty() {
            return Ok(());
        }
        self.push(CountsWrite::Record(crossings))
    }

    /// Takes figures of zones. Never waits; without a place in the queue they are dropped.
    pub fn record_occupancy(&self, spans: Vec<OccupancySpan>) {
        drop(self.shared.inbox.push(CountsWrite::Occupancy(spans), Duration::ZERO));
    }

    /// Takes stays in zones, which are stored with the next transaction. Never waits; without a place in the queue they
    /// are dropped.
    pub fn record_stays(&self, stays: Vec<NewStay>) {
        if !stays.is_empty() {
            drop(self.shared.inbox.push(CountsWrite::Waiting(WaitingRow::Stays(stays)), Duration::ZERO));
        }
    }

    /// Takes a movement map, like [`Counts::record_stays`].
    pub fn record_movement(&self, map: NewMovement) {
        drop(self.shared.inbox.push(CountsWrite::Waiting(WaitingRow::Movement(map)), Duration::ZERO));
    }

    /// Adds an entry to the audit list. Never waits; without a place in the queue it is dropped and counted.
    pub fn audit(&self, entry: AuditEntry) {
        if self.shared.inbox.push(CountsWrite::Audit(entry), Duration::ZERO).is_err() {
            self.shared.drop_audit_row();
        }
    }

    /// Number of dropped audit entries in this run.
    pub fn dropped_audit_rows(&self) -> u64 {
        self.shared.lock_board().dropped_audit_rows
    }

    /// Sets whether counting runs from now on. Waits at most 2 s for a place in the queue. Cheap to repeat, and meant
    /// to be: a repetition delivers what the writer could not take.
    pub fn set_coverage(&self, cover: Coverage) {
        if self.shared.lock_board().cover.as_ref() == Some(&cover) {
            return;
        }
        let now_us = self.clock.now().monotonic_us as i64;
        if self.push(CountsWrite::Cover(cover.clone(), now_us)).is_ok() {
            self.shared.lock_board().cover = Some(cover);
        }
    }

    /// Sets which lines the current detector can count on, from now on, and which it cannot. A negative verdict holds
    /// since the line's last change. Lines outside `judged` keep their state. Waits and is repeated like
    /// [`Counts::set_coverage`], and must be called before it.
    pub fn set_line_verdicts(&self, judged: &[LineStatus]) {
        if self.shared.lock_board().judged == judged {
            return;
        }
        let now_us = self.clock.now().monotonic_us as i64;
        if self.push(CountsWrite::Judge(judged.to_vec(), now_us)).is_ok() {
            self.shared.lock_board().judged = judged.to_vec();
        }
    }

    /// Sets the scene whose lines, zones and tallies are shown. Waits and is repeated like [`Counts::set_coverage`].
    pub fn show_scene(&self, scene: Scene) {
        if self.scene() == scene {
            return;
        }
        if self.push(CountsWrite::Show(scene)).is_ok() {
            self.shared.lock_board().scene = scene;
        }
    }

    /// The scene that is shown; initially `camera`.
    pub fn scene(&self) -> Scene {
        self.shared.lock_board().scene
    }

    /// All lines of all scenes that are not deleted, pinned ones first. The receiver is woken by changes.
    pub fn lines(&self) -> watch::Receiver<Arc<Vec<LineRow>>> {
        self.shared.lines.subscribe()
    }

    /// All zones, like [`Counts::lines`].
    pub fn zones(&self) -> watch::Receiver<Arc<Vec<ZoneRow>>> {
        self.shared.zones.subscribe()
    }

    /// Today's sums of the scene that is shown. Sent after every commit, reset and change of day.
    pub fn subscribe_tallies(&self) -> watch::Receiver<Arc<Tallies>> {
        self.shared.tallies.subscribe()
    }

    /// All stored crossings of the scene that is shown, by line name, class and direction. Never falls while the
    /// daemon shows the same scene.
    pub fn totals(&self) -> Vec<Count> {
        let totals = Arc::clone(&self.shared.lock_board().totals);
        totals.to_vec()
    }

    /// Stored crossings in order of commit. A receiver that is more than 1024 behind gets an error and finds the
    /// missed ones in `counts.db`.
    pub fn subscribe_crossings(&self) -> broadcast::Receiver<Arc<StoredCrossing>> {
        self.shared.committed.subscribe()
    }

    /// Pins the lines and zones of the operator's file, each with its place in that file. A line with the name of an
    /// earlier run's line is the same line. A line whose name a drawn one has is left out until that is renamed or
    /// deleted. Blocks until everything is stored.
    ///
    /// # Errors
    /// An invalid draft: nothing is changed. Or the first of those that are left out.
    pub fn pin(
        &self,
        lines: Vec<(LineDraft, String)>,
        zones: Vec<(ZoneDraft, String)>,
    ) -> Result<(), EditError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let wanted = Pinned { lines, zones };
        self.shared.lock_board().of_the_file = wanted.clone();
        let make = move |tx: &CountsTransaction<'_>| wanted.pin(tx);
        let shared = Arc::clone(&self.shared);
        let asked = self.push(CountsWrite::Edit(edit(make, move |answer| {
            // Set even if the answer comes after the time limit.
            shared.set_unpinned(&answer);
            drop(tell.send(answer));
        })));
        let pinned = match asked {
            Ok(()) => match told.recv_timeout(PIN_PATIENCE) {
                Ok(pinned) => {
                    return pinned.and_then(|left_out| left_out.into_iter().next().map_or(Ok(()), Err));
                }
                Err(_) => Err(EditError::Store(StoreError::Busy)),
            },
            Err(error) => Err(EditError::Store(error)),
        };
        self.shared.set_unpinned(&pinned);
        pinned.map(|_| ())
    }

    /// Why some lines or zones of the operator's file are not set.
    pub fn unpinned_reason(&self) -> Option<Unpinned> {
        self.shared.lock_board().unpinned.clone()
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The draft is invalid, or its name is taken.
    pub async fn add_line(&self, scene: Scene, draft: LineDraft) -> Result<LineRow, EditError> {
        self.edit(move |tx| shapes::add(tx, scene, draft)).await
    }

    /// Changes a line. With `version` only if the line still has it.
    ///
    /// # Errors
    /// As for a new line; also if it is deleted, pinned, or has another version.
    pub async fn change_line(
        &self,
        id: u64,
        version: Option<u64>,
        draft: LineDraft,
    ) -> Result<LineRow, EditError> {
        self.run_edit(move |tx| shapes::change(tx, id, version, draft)).await
    }

    /// Deletes a line. Its counts stay.
    ///
    /// # Errors
    /// It is deleted, pinned, or has another version.
    pub async fn delete_line(&self, id: u64, version: Option<u64>) -> Result<(), EditError> {
        self.run_edit(move |tx| shapes::delete::<LineRow>(tx, id, version)).await
    }

    /// Moves all drawn lines and zones if the picture's rotation, mirroring or crop has changed since the last call,
    /// in one transaction. Returns the number of moved shapes.
    ///
    /// # Errors
    /// The write failed, or a shape would be too far outside the picture. None has moved then.
    pub async fn follow_picture(&self, shown: Geometry) -> Result<usize, EditError> {
        self.run_edit(move |tx| orientation::follow(tx, shown)).await
    }

    /// Like [`Counts::follow_picture`], for the start. Blocks until it is stored.
    ///
    /// # Errors
    /// As for [`Counts::follow_picture`].
    pub fn follow_picture_now(&self, shown: Geometry) -> Result<usize, EditError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let make = move |tx: &CountsTransaction<'_>| orientation::follow(tx, shown);
        self.push(CountsWrite::Edit(edit(make, move |answer| drop(tell.send(answer)))))?;
        told.recv_timeout(PIN_PATIENCE).unwrap_or(Err(EditError::Store(StoreError::Busy)))
    }

    /// Adds a zone.
    ///
    /// # Errors
    /// As for lines.
    pub async fn add_zone(&self, scene: Scene, draft: ZoneDraft) -> Result<ZoneRow, EditError> {
        self.edit(move |tx| shapes::add(tx, scene, draft)).await
    }

    /// Changes a zone. With `version` only if the zone still has it.
    ///
    /// # Errors
    /// As for lines.
    pub async fn change_zone(
        &self,
        id: u64,
        version: Option<u64>,
        draft: ZoneDraft,
    ) -> Result<ZoneRow, EditError> {
        self.run_edit(move |tx| shapes::change(tx, id, version, draft)).await
    }

    /// Deletes a zone.
    ///
    /// # Errors
    /// As for lines.
    pub async fn delete_zone(&self, id: u64, version: Option<u64>) -> Result<(), EditError> {
        self.run_edit(move |tx| shapes::delete::<ZoneRow>(tx, id, version)).await
    }

    /// Sets today's counters of a line, or of all lines of the scene that is shown, to zero. Nothing is deleted.
    ///
    /// # Errors
    /// There is no such line.
    pub async fn reset(&self, line: Option<u64>) -> Result<Reset, EditError> {
        self.edit(move |tx| reset_tallies(tx, line, None)).await
    }

    /// Sets the number inside a line, which later crossings change. The counters stay.
    ///
    /// # Errors
    /// There is no such line.
    pub async fn set_inside(&self, line: u64, inside: u64) -> Result<Reset, EditError> {
        self.edit(move |tx| reset_tallies(tx, Some(line), Some(inside))).await
    }

    /// Marks a crossing as wrong, or takes that back. It stays stored; the sums leave it out if it is `excluded`. It
    /// gets a new place in the order of changes.
    ///
    /// # Errors
    /// There is no crossing with this number.
    pub async fn mark_crossing(&self, id: u64, mark: CrossingMark) -> Result<StoredCrossing, EditError> {
        self.edit(move |tx| mark_crossing(tx, id, mark)).await
    }

    /// Sets the distance in metres of a line to another one, or with `None` forgets it. Crossings of `line` get speeds.
    ///
    /// # Errors
    /// One of the lines does not exist, both are the same, or the distance is out of range.
    pub async fn set_distance(&self, line: u64, to: Option<(u64, f64)>) -> Result<(), EditError> {
        self.edit(move |tx| set_distance(tx, line, to)).await
    }

    /// Sets the size of a zone on the ground, first and second side in metres, or with `None` forgets it. Crossings of
    /// lines near it get speeds if it has four corners.
    ///
    /// # Errors
    /// There is no such zone, or a side is out of range.
    pub async fn set_ground(&self, zone: u64, size: Option<[f64; 2]>) -> Result<(), EditError> {
        self.edit(move |tx| set_ground(tx, zone, size)).await
    }

    /// Takes back a reset of the scene that is shown.
    ///
    /// # Errors
    /// There is no reset with this number.
    pub async fn undo_reset(&self, id: u64) -> Result<(), EditError> {
        self.edit(move |tx| undo_reset(tx, id)).await
    }

    /// Replaces the crossings of a time with those of a recount. The replaced ones are kept apart. Listeners are not
    /// notified. [`Counts::totals`] stays as it is until the next start, because it only ever grows.
    ///
    /// # Errors
    /// The recount is invalid, or one of its lines was deleted or changed meanwhile.
    pub async fn recount(&self, recount: Recount) -> Result<RecountResult, EditError> {
        self.edit(move |tx| recounts::replace(tx, tx.calendar, &recount)).await
    }

    /// Changes the time zone and the hour at which days start. All sums are computed again, in a time proportional to
    /// the number of crossings. Readers that were opened before still use the old calendar.
    ///
    /// # Errors
    /// The write failed; nothing has changed.
    pub async fn set_calendar(&self, zone: jiff::tz::TimeZone, day_starts: u8) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        self.push(CountsWrite::Calendar(Calendar::new(zone, day_starts), tell))?;
        told.await.unwrap_or(Err(StoreError::Busy))
    }

    /// Number of calendar changes. A reader that was opened before the last one must be opened again.
    pub fn calendars(&self) -> u64 {
        self.shared.calendar().1
    }

    /// Renames the camera in all crossings of this run.
    ///
    /// # Errors
    /// The write failed.
    pub async fn set_camera(&self, name: String) -> Result<(), StoreError> {
        let rename = move |tx: &CountsTransaction<'_>| {
            let run = tx.moment.run;
            tx.connection
                .execute("UPDATE runs SET camera = ?2 WHERE id = ?1", rusqlite::params![run, name])?;
            Ok(())
        };
        self.edit(rename).await.map_err(|error| match error {
            EditError::Store(error) => error,
            _ => StoreError::Busy,
        })
    }

    /// Identifies this counts.db: a new one after a factory reset or a restore.
    pub fn ledger(&self) -> String {
        self.setting("ledger").unwrap_or_default()
    }

    /// A small stored value, such as the model that was chosen on the page.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.shared.lock_board().settings.get(key).cloned()
    }

    /// Stores a small value, or deletes it.
    ///
    /// # Errors
    /// The write failed.
    pub async fn set_setting(&self, key: &'static str, value: Option<String>) -> Result<(), StoreError> {
        let set = move |tx: &CountsTransaction<'_>| {
            match value {
                Some(value) => tx
                    .connection
                    .execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)", [key, &value])?,
                None => tx.connection.execute("DELETE FROM settings WHERE key = ?1", [key])?,
            };
            Ok(())
        };
        self.edit(set).await.map_err(|error| match error {
            EditError::Store(error) => error,
            _ => StoreError::Busy,
        })
    }

    /// Why `counts.db` cannot take crossings at present.
    pub fn error(&self) -> Option<String> {
        self.shared.lock_board().trouble.clone()
    }

    /// `counts.db` cannot take crossings because the disk is full.
    pub fn is_full(&self) -> bool {
        self.shared.lock_board().is_full
    }

    /// The wall clock is known to be right, so new crossings have a sure time.
    pub fn is_clock_sure(&self) -> bool {
        self.shared.live().is_some_and(|live| live.wall.is_sure)
    }

    /// Crossings are being lost: more wait for the disk than fit in memory.
    pub fn is_losing(&self) -> bool {
        self.shared.lock_board().is_losing
    }

    /// Crossings of this run that were lost because more waited for the disk than fit in memory.
    pub fn lost_count(&self) -> u64 {
        self.shared.lock_board().lost
    }

    /// Opens a read connection, for a thread that may block.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reader(&self) -> Result<CountsReader, StoreError> {
        CountsReader::open_beside_writer(
            &self.file,
            self.shared.calendar().0,
            Arc::clone(&self.clock),
            Arc::clone(&self.shared),
        )
    }

    /// Writes everything that waits, then ends the thread.
    pub fn stop(&self) {
        self.shared.inbox.close();
    }

    /// The queued commands, for tests that run the writer's turns.
    #[cfg(test)]
    pub(super) fn taken(&self) -> std::collections::VecDeque<CountsWrite> {
        self.shared.inbox.take_all()
    }

    fn push(&self, command: CountsWrite) -> Result<(), StoreError> {
        self.shared.inbox.push(command, PATIENCE).map_err(|_| self.busy_error())
    }

    fn busy_error(&self) -> StoreError {
        let mut board = self.shared.lock_board();
        if board.trouble.is_none() {
            board.trouble =
                Some(String::from("the writer of counts.db does not keep up: crossings are refused"));
        }
        StoreError::Busy
    }

    /// Runs an edit that may free a name for the operator's file, and pins left-out shapes again. Waits for the
    /// commit without holding a thread.
    async fn run_edit<T: Send + 'static>(
        &self,
        make: impl FnOnce(&CountsTransaction<'_>) -> Result<T, CountsFault> + Send + 'static,
    ) -> Result<T, EditError> {
        let shared = Arc::clone(&self.shared);
        let make = move |tx: &CountsTransaction<'_>| {
            let done = make(tx)?;
            let pinned =
                if shared.has_skipped_pins() { Some(shared.pinned_by_file().pin(tx)?) } else { None };
            Ok((done, pinned))
        };
        let (done, pinned) = self.edit(make).await?;
        if let Some(left_out) = pinned {
            self.shared.set_unpinned(&Ok(left_out));
        }
        Ok(done)
    }

    pub(super) async fn edit<T: Send + 'static>(
        &self,
        make: impl FnOnce(&CountsTransaction<'_>) -> Result<T, CountsFault> + Send + 'static,
    ) -> Result<T, EditError> {
        let (tell, told) = oneshot::channel();
        // Dropped if the caller has stopped waiting.
        let command = CountsWrite::Edit(edit(make, move |answer| drop(tell.send(answer))));
        let pushed = self.shared.inbox.push_from_task(command, PATIENCE).await;
        pushed.map_err(|_| self.busy_error())?;
        told.await.unwrap_or(Err(EditError::Store(StoreError::Busy)))
    }
}

/// An edit that reports its outcome: a mistake at once, otherwise after the commit.
fn edit<T: Send + 'static>(
    make: impl FnOnce(&CountsTransaction<'_>) -> Result<T, CountsFault> + Send + 'static,
    tell: impl FnOnce(Result<T, EditError>) + Send + 'static,
) -> CountsJob {
    Box::new(move |tx| match make(tx) {
        Ok(made) => Ok(Box::new(move |committed| tell(committed.map(|()| made).map_err(EditError::Store)))),
        Err(CountsFault::Edit(error)) => {
            tell(Err(error.clone()));
            Err(CountsFault::Edit(error))
        }
        Err(CountsFault::File(error)) => {
            tell(Err(EditError::Store(store_error(tx.file, &error))));
            Err(CountsFault::File(error))
        }
    })
}
