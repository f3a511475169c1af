//! counts.db's handle: what the rest of the house holds of the writer's thread.

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
use super::writer::transaction::{CountsFault, CountsJob, CountsTransaction};
use super::writer::{CountsWrite, CountsWriter};
use super::{
    AuditEntry, Count, CountsOptions, CountsReader, Coverage, EditError, LineDraft, LineRow, LineStatus,
    NewCrossing, OccupancySpan, Recount, RecountResult, Reset, Scene, StoreError, StoredCrossing, Tallies,
    ZoneDraft, ZoneRow, recounts,
};
use crate::base::Worker;
use crate::media::Geometry;

/// How long a sender waits for a place in a full inbox.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the operator's lines may take to be set.
const PIN_PATIENCE: Duration = Duration::from_secs(30);

/// counts.db. Clones share it.
#[derive(Clone)]
pub struct Counts {
    shared: Arc<CountsShared>,
    clock: Arc<dyn Clock + Sync>,
    file: PathBuf,
    run: u64,
}

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counts").field("file", &self.file).field("run", &self.run).finish_non_exhaustive()
    }
}

impl Counts {
    /// Opens counts.db, migrates and mends it, begins a run, and starts the thread `counts`. The thread ends,
    /// with everything written, after [`Counts::stop`].
    ///
    /// # Errors
    /// The directory cannot be written to, another tallycam has it, or the file is damaged, foreign or newer.
    pub fn open(settings: CountsOptions) -> Result<(Counts, Worker), StoreError> {
        let (counts, writer) = Counts::open_parts(settings, Arc::new(SystemClock))?;
        let file = counts.file.clone();
        let worker = Worker::spawn("counts", move |beat| writer.run_thread(beat)).map_err(|error| {
            StoreError::File { file, reason: format!("its thread cannot be started: {error}"), hint: None }
        })?;
        Ok((counts, worker))
    }

    /// The handle and the writer, whose thread has not begun: tests take its turns themselves.
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

    /// The number of this run of the daemon.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Takes crossings for recording. Waits at most 2 s when 1024 commands are waiting. They are on record when
    /// [`Counts::subscribe_crossings`] tells them.
    ///
    /// # Errors
    /// [`StoreError::Busy`]: they were not taken, and [`Counts::error`] says so.
    pub fn record(&self, crossings: Vec<NewCrossing>) -> Result<(), StoreError> {
        if crossings.is_empty() {
            return Ok(());
        }
        self.push(CountsWrite::Record(crossings))
    }

    /// Takes how many were in the zones. Never waits: what finds no place is dropped.
    pub fn record_occupancy(&self, spans: Vec<OccupancySpan>) {
        drop(self.shared.inbox.push(CountsWrite::Occupancy(spans), Duration::ZERO));
    }

    /// Puts a row on the audit list. Never waits: where there is no place for it, it is dropped and counted.
    pub fn audit(&self, entry: AuditEntry) {
        if self.shared.inbox.push(CountsWrite::Audit(entry), Duration::ZERO).is_err() {
            self.shared.drop_audit_row();
        }
    }

    /// Rows of the audit list that were dropped in this run.
    pub fn dropped_audit_rows(&self) -> u64 {
        self.shared.lock_board().dropped_audit_rows
    }

    /// Says whether counting runs from now on. Cheap to repeat, and to be repeated: what the writer could
    /// not take (it waits at most 2 s for a place) is told by the next repetition.
    pub fn set_coverage(&self, cover: Coverage) {
        if self.shared.lock_board().cover.as_ref() == Some(&cover) {
            return;
        }
        let now_us = self.clock.now().monotonic_us as i64;
        if self.push(CountsWrite::Cover(cover.clone(), now_us)).is_ok() {
            self.shared.lock_board().cover = Some(cover);
        }
    }

    /// Says which lines can count something with the detector at work and which cannot, from now on, and those that
    /// cannot since they are as they are; nothing of those that are not among them. Waits and is repeated like
    /// [`Counts::set_coverage`], before which it is to be said.
    pub fn set_line_verdicts(&self, judged: &[LineStatus]) {
        if self.shared.lock_board().judged == judged {
            return;
        }
        let now_us = self.clock.now().monotonic_us as i64;
        if self.push(CountsWrite::Judge(judged.to_vec(), now_us)).is_ok() {
            self.shared.lock_board().judged = judged.to_vec();
        }
    }

    /// The scene whose lines, zones and tallies are shown from now on. Waits and is repeated like
    /// [`Counts::set_coverage`].
    pub fn show_scene(&self, scene: Scene) {
        if self.scene() == scene {
            return;
        }
        if self.push(CountsWrite::Show(scene)).is_ok() {
            self.shared.lock_board().scene = scene;
        }
    }

    /// The scene that is shown: `camera` before any other was asked for.
    pub fn scene(&self) -> Scene {
        self.shared.lock_board().scene
    }

    /// All lines that are not deleted, pinned ones first, of all scenes; to look at and to wait for changes.
    pub fn lines(&self) -> watch::Receiver<Arc<Vec<LineRow>>> {
        self.shared.lines.subscribe()
    }

    /// Likewise the zones.
    pub fn zones(&self) -> watch::Receiver<Arc<Vec<ZoneRow>>> {
        self.shared.zones.subscribe()
    }

    /// Today's sums of the scene that is shown, after every commit, reset and change of day.
    pub fn subscribe_tallies(&self) -> watch::Receiver<Arc<Tallies>> {
        self.shared.tallies.subscribe()
    }

    /// All crossings ever, of the scene that is shown, by line name, class and direction; never falls
    /// while the daemon runs and shows one scene.
    pub fn totals(&self) -> Vec<Count> {
        let totals = Arc::clone(&self.shared.lock_board().totals);
        totals.to_vec()
    }

    /// Crossings that are on record, in order, as they are committed. A listener that is more than 1024 behind is
    /// told so and finds what it missed in counts.db.
    pub fn subscribe_crossings(&self) -> broadcast::Receiver<Arc<StoredCrossing>> {
        self.shared.committed.subscribe()
    }

    /// Sets the lines and zones of the operator's file, each with its place there. A line that was there in an earlier
    /// run under the same name is the same line. Those whose names are taken by what was drawn are left out, until that
    /// is renamed or deleted. Blocks until it is on record.
    ///
    /// # Errors
    /// A draft is none: then nothing is changed. Or [`EditError::Drawn`], the first of those that are left out.
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
            // Also when it comes so late that nobody waits any more.
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

    /// Why not all lines and zones of the operator's file could be set.
    pub fn unpinned_reason(&self) -> Option<Unpinned> {
        self.shared.lock_board().unpinned.clone()
    }

    /// Draws a line.
    ///
    /// # Errors
    /// The draft is none, or its name is taken.
    pub async fn add_line(&self, scene: Scene, draft: LineDraft) -> Result<LineRow, EditError> {
        self.edit(move |tx| shapes::add(tx, scene, draft)).await
    }

    /// Changes a line; `version`: only if it still has this one.
    ///
    /// # Errors
    /// As for a new one; and it is gone, pinned, or has been changed meanwhile.
    pub async fn change_line(
        &self,
        id: u64,
        version: Option<u64>,
        draft: LineDraft,
    ) -> Result<LineRow, EditError> {
        self.run_edit(move |tx| shapes::change(tx, id, version, draft)).await
    }

    /// Deletes a line. What it counted stays.
    ///
    /// # Errors
    /// It is gone, pinned, or has been changed meanwhile.
    pub async fn delete_line(&self, id: u64, version: Option<u64>) -> Result<(), EditError> {
        self.run_edit(move |tx| shapes::delete::<LineRow>(tx, id, version)).await
    }

    /// Moves all lines and zones of the page along where the picture is turned, mirrored or cropped otherwise than when
    /// that was last said, in one transaction. Gives how many have moved.
    ///
    /// # Errors
    /// It could not be written, or one would be too far from the picture: none has moved.
    pub async fn follow_picture(&self, shown: Geometry) -> Result<usize, EditError> {
        self.run_edit(move |tx| orientation::follow(tx, shown)).await
    }

    /// The same at a start. Blocks until it is on record.
    ///
    /// # Errors
    /// As [`Counts::follow_picture`].
    pub fn follow_picture_now(&self, shown: Geometry) -> Result<usize, EditError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let make = move |tx: &CountsTransaction<'_>| orientation::follow(tx, shown);
        self.push(CountsWrite::Edit(edit(make, move |answer| drop(tell.send(answer)))))?;
        told.recv_timeout(PIN_PATIENCE).unwrap_or(Err(EditError::Store(StoreError::Busy)))
    }

    /// Draws a zone.
    ///
    /// # Errors
    /// As for lines.
    pub async fn add_zone(&self, scene: Scene, draft: ZoneDraft) -> Result<ZoneRow, EditError> {
        self.edit(move |tx| shapes::add(tx, scene, draft)).await
    }

    /// Changes a zone; `version`: only if it still has this one.
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

    /// Sets today's sums of a line (or of all of the scene that is shown) to zero from now on. Nothing is deleted.
    ///
    /// # Errors
    /// There is no such line.
    pub async fn reset(&self, line: Option<u64>) -> Result<Reset, EditError> {
        self.edit(move |tx| reset_tallies(tx, line)).await
    }

    /// Takes a reset of the scene that is shown back.
    ///
    /// # Errors
    /// There is none of this number.
    pub async fn undo_reset(&self, id: u64) -> Result<(), EditError> {
        self.edit(move |tx| undo_reset(tx, id)).await
    }

    /// Puts what counting a recording again has found in the place of what was counted then; what gives way is kept
    /// beside. Listeners are not told, and [`Counts::totals`] stays as it is until the next start: it only ever grows.
    ///
    /// # Errors
    /// It is none, or a line that was counted on is gone or has been changed meanwhile.
    pub async fn recount(&self, recount: Recount) -> Result<RecountResult, EditError> {
        self.edit(move |tx| recounts::replace(tx, tx.calendar, &recount)).await
    }

    /// Tells days and hours in another time zone, or has days begin at another hour, from now on: all sums are made
    /// again, which takes as long as there are crossings. Readers that were opened before do not know of it.
    ///
    /// # Errors
    /// It could not be written: all is as it was.
    pub async fn set_calendar(&self, zone: jiff::tz::TimeZone, day_starts: u8) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        self.push(CountsWrite::Calendar(Calendar::new(zone, day_starts), tell))?;
        told.await.unwrap_or(Err(StoreError::Busy))
    }

    /// How often days and hours were told by another calendar: a reader that was opened before is to be opened again.
    pub fn calendars(&self) -> u64 {
        self.shared.calendar().1
    }

    /// The camera is called so from now on, in all crossings of this run.
    ///
    /// # Errors
    /// It could not be written.
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

    /// Something small that outlives restarts, such as the model that was chosen on the page.
    pub fn setting(&self, key: &str) -> Option<String> {
        self.shared.lock_board().settings.get(key).cloned()
    }

    /// Keeps it, or forgets it.
    ///
    /// # Errors
    /// It could not be written.
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

    /// Why counts.db does not take crossings at present.
    pub fn error(&self) -> Option<String> {
        self.shared.lock_board().trouble.clone()
    }

    /// Whether the wall clock is known to be right: what crosses now has a time that is sure.
    pub fn is_clock_sure(&self) -> bool {
        self.shared.live().is_some_and(|live| live.wall.is_sure)
    }

    /// Crossings of this run that were lost, for more waited for the disk than can be kept in memory.
    pub fn lost_count(&self) -> u64 {
        self.shared.lock_board().lost
    }

    /// A connection of its own, to be used on a thread that may block.
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

    /// Everything that waits is written, then the thread ends.
    pub fn stop(&self) {
        self.shared.inbox.close();
    }

    /// What waits for the writer, for tests that take its turns.
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

    /// Has an edit made and waits for its commit, without holding a thread.
    /// Changes or deletes what was drawn: its name may be free for the operator's file then.
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

    async fn edit<T: Send + 'static>(
        &self,
        make: impl FnOnce(&CountsTransaction<'_>) -> Result<T, CountsFault> + Send + 'static,
    ) -> Result<T, EditError> {
        let (tell, told) = oneshot::channel();
        // Nobody waits any more: that is all right.
        let command = CountsWrite::Edit(edit(make, move |answer| drop(tell.send(answer))));
        let pushed = self.shared.inbox.push_from_task(command, PATIENCE).await;
        pushed.map_err(|_| self.busy_error())?;
        told.await.unwrap_or(Err(EditError::Store(StoreError::Busy)))
    }
}

/// An edit that tells how it ended: at once what is wrong with it, else after the commit.
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
