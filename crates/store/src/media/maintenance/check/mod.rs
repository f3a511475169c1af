//! Checks every invariant of a store, item by item in small steps, and repairs faults on request.
//!
//! SQLite's own check reads the whole file if nobody else uses it or it is small, otherwise its small tables. Chunks
//! are read whole anyway. Each item's row is compared with its chunks, and each chunk's index with its pictures and
//! the previous chunks. Each picture needs the first and last two bytes of a JPEG. Further faults are chunks without
//! an item, duplicate names, open recordings that nobody makes, and wrong sums in the writer's memory.
//!
//! Repairs: sums are computed again. Orphans are freed. A chunk with bad pictures keeps the good ones, with a gap
//! marked. An unreadable chunk is dropped, and a gap marked after it. An item without pictures is removed. A damaged
//! page costs only the chunk it belongs to.
//!
//! Between two steps anything may change. An item is read when its turn comes, and its row is compared in the step
//! that sees its last chunk.

mod items;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use items::Walk;

use super::jobs::{Job, JobDesk, Next};
use crate::media::file::vfs;
use crate::media::rows::{MediaRowError, StoredSums, unsigned};
use crate::media::schema::{FILE_NAME, lock, media_error, open_to_write, without_check_hint};
use crate::media::storage::Totals;
use crate::media::{CheckReport, MediaError};

/// A repair within a transaction; returns a sentence about it.
type Mend<'a> = &'a mut dyn FnMut(&Connection) -> Result<String, MediaRowError>;

/// Approximate bytes of pictures, and rows, that one step reads.
const BYTES_A_STEP: u64 = 1 << 20;
const ROWS_A_STEP: usize = 64;

/// Pause between two steps, so that a check takes at most about half of a slow card's throughput.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 20 });

/// Files up to this many bytes are checked as a whole even while in use.
const SMALL: u64 = 16 << 20;

/// Maximum number of listed faults; further ones are counted.
const MOST_TOLD: usize = 100;

/// Checks the store in `directory` while no daemon uses it, and repairs it with `repair`. An unusable file is checked
/// as far as it can be read, and not repaired.
///
/// # Errors
/// The store is in use ([`MediaError::Locked`]: ask the daemon), does not exist, or is unreadable.
pub fn check_offline(directory: &Path, repair: bool) -> Result<CheckReport, MediaError> {
    let file = directory.join(FILE_NAME);
    if !file.exists() {
        return Err(MediaError::File {
            file,
            reason: String::from("there is no such file"),
            hint: Some(String::from("it is made when `tallycam serve` starts")),
        });
    }
    let _lock = lock(directory)?;
    let (connection, unusable) = match open_to_write(&file) {
        Ok(connection) => (connection, None),
        Err(error) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection =
                vfs::open(&file, flags).map_err(|error| without_check_hint(media_error(&file, &error)))?;
            // At least the items must be readable.
            if connection.query_row("SELECT count(*) FROM items", [], |_| Ok(())).is_err() {
                return Err(without_check_hint(error));
            }
            (connection, Some(error))
        }
    };
    let mut check = Check::new(repair && unusable.is_none(), true);
    if let Some(error) = unusable {
        check.report.faults.push(format!("the store cannot be used: {error}"));
    }
    let mut recordings = BTreeMap::new();
    let mut totals = Totals::read(&connection).unwrap_or_default();
    let mut is_changed = false;
    loop {
        let mut tx = CheckContext {
            connection: &connection,
            recordings: &mut recordings,
            totals: &mut totals,
            is_changed: &mut is_changed,
        };
        if check.step(&mut tx).map_err(|error| without_check_hint(media_error(&file, &error)))? {
            return Ok(check.report);
        }
    }
}

/// A check as a job of the writer.
pub(crate) struct CheckJob {
    told: Option<oneshot::Sender<Result<CheckReport, MediaError>>>,
    check: Check,
}

impl CheckJob {
    /// Sends the report to `told`.
    pub fn new(repair: bool, told: oneshot::Sender<Result<CheckReport, MediaError>>) -> CheckJob {
        CheckJob { told: Some(told), check: Check::new(repair, false) }
    }
}

impl Job for CheckJob {
    fn step(&mut self, tx: &mut JobDesk<'_>) -> Next {
        if self.told.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return Next::Done;
        }
        let stepped = self.check.step(&mut CheckContext {
            connection: tx.connection,
            recordings: tx.recordings,
            totals: tx.totals,
            is_changed: tx.is_changed,
        });
        let answer = match stepped {
            Ok(false) => return Next::After(PAUSE),
            Ok(true) => Ok(std::mem::take(&mut self.check.report)),
            Err(error) => Err(media_error(tx.file, &error)),
        };
        if let Some(told) = self.told.take() {
            // Dropped if the caller has gone.
            let _ = told.send(answer);
        }
        Next::Done
    }
}

/// The context of a step.
struct CheckContext<'a> {
    connection: &'a Connection,
    recordings: &'a mut BTreeMap<u64, StoredSums>,
    totals: &'a mut Totals,
    is_changed: &'a mut bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum CheckStage {
    File,
    Items,
    Sums,
}

#[derive(Debug)]
struct Check {
    repair: bool,
    is_alone: bool,
    stage: CheckStage,
    report: CheckReport,
    untold: u64,
    /// The last item that is done.
    item: u64,
    walk: Option<Walk>,
}

impl Check {
    fn new(repair: bool, is_alone: bool) -> Check {
        let report = CheckReport::default();
        Check { repair, is_alone, stage: CheckStage::File, report, untold: 0, item: 0, walk: None }
    }

    /// Runs one step. True if it was the last.
    fn step(&mut self, tx: &mut CheckContext<'_>) -> Result<bool, MediaRowError> {
        match self.stage {
            CheckStage::File => {
                self.file(tx.connection)?;
                self.names(tx)?;
                self.stage = CheckStage::Items;
            }
            CheckStage::Items => {
                if self.check_items(tx)? {
                    self.stage = CheckStage::Sums;
                }
            }
            CheckStage::Sums => {
                self.check_totals(tx)?;
                if self.untold > 0 {
                    let told = format!("{} more faults of the same kinds", self.untold);
                    self.report.faults.push(told);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Repairs a fault if requested and possible, otherwise reports it. True if it was repaired.
    fn report_and_repair(
        &mut self,
        tx: &mut CheckContext<'_>,
        what: String,
        mend: Option<Mend<'_>>,
    ) -> Result<bool, MediaRowError> {
        if let (true, Some(mend)) = (self.repair, mend) {
            // A separate transaction, because one that meets a damaged page cannot be committed.
            let transaction = Transaction::new_unchecked(tx.connection, TransactionBehavior::Immediate)?;
            match mend(&transaction).and_then(|how| transaction.commit().map(|()| how)) {
                Ok(how) => {
                    *tx.is_changed = true;
                    if self.report.repaired.len() < MOST_TOLD {
                        self.report.repaired.push(format!("{what}: {how}"));
                    }
                    return Ok(true);
                }
                Err(error) if is_damage(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.record_fault(what);
        Ok(false)
    }

    fn record_fault(&mut self, what: String) {
        if self.report.faults.len() < MOST_TOLD {
            self.report.faults.push(what);
        } else {
            self.untold += 1;
        }
    }

    /// Runs SQLite's own check.
    fn file(&mut self, connection: &Connection) -> Result<(), MediaRowError> {
        let count = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let is_whole = self.is_alone
            || (count("page_count")?.max(0) as u64).saturating_mul(count("page_size")?.max(0) as u64)
                <= SMALL;
        let looks: &[&str] = if is_whole {
            &["PRAGMA integrity_check(20)"]
        } else {
            &[
                "PRAGMA integrity_check('items')",
                "PRAGMA integrity_check('settings')",
                "PRAGMA integrity_check('boots')",
            ]
        };
        let mut said = examination_messages(connection, looks)?;
        if self.repair && said.iter().any(|sentence| sentence.contains("index")) {
            let before = said.len();
            match connection.execute_batch("REINDEX") {
                Err(error) if is_damage(&error) => {}
                done => done?,
            }
            said = examination_messages(connection, looks)?;
            if said.len() < before {
                self.report.repaired.push(String::from("a damaged index of the file was made again"));
            }
        }
        for sentence in said {
            self.record_fault(format!("the file is damaged: {sentence}"));
        }
        Ok(())
    }

    /// Finds duplicate names, which can exist only if the index of names was damaged.
    fn names(&mut self, tx: &mut CheckContext<'_>) -> Result<(), MediaRowError> {
        let twice: Vec<(u64, String)> = {
            let mut query = tx.connection.prepare(
                "SELECT max(id), name FROM items NOT INDEXED WHERE state < 2 GROUP BY name HAVING count(*) > 1",
            )?;
            query.query_map([], |row| Ok((unsigned(row, 0)?, row.get(1)?)))?.collect::<Result<_, _>>()?
        };
        for (id, name) in twice {
            self.report_and_repair(
                tx,
                format!("two items are called {name:?}"),
                Some(&mut |connection| {
                    let other = format!("{name}-{id}");
                    connection.execute(
                        "UPDATE items SET name = ?2, version = version + 1 WHERE id = ?1",
                        params![id as i64, other],
                    )?;
                    Ok(format!("item {id} is now {other:?}"))
                }),
            )?;
        }
        Ok(())
    }

    /// Checks the sums in the writer's memory.
    fn check_totals(&mut self, tx: &mut CheckContext<'_>) -> Result<(), MediaRowError> {
        let totals = Totals::read(tx.connection)?;
        let is_same = |totals: &Totals, kept: &Totals| {
            (totals.snapshots, totals.recordings) == (kept.snapshots, kept.recordings)
        };
        if !is_same(&totals, tx.totals) {
            if self.repair {
                // Changed by repairs or wrong before; now they are right.
                *tx.totals = totals;
            } else {
                self.record_fault(String::from("the sums of all items are not those of the items"));
            }
        }
        Ok(())
    }
}

/// The messages of SQLite's own checks; empty for a sound file.
fn examination_messages(connection: &Connection, looks: &[&str]) -> Result<Vec<String>, MediaRowError> {
    let mut said = Vec::new();
    for look in looks {
        let sentences = (|| {
            let mut query = connection.prepare(look)?;
            query.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        })();
        match sentences {
            Ok(sentences) => said.extend(sentences.into_iter().filter(|sentence| sentence != "ok")),
            Err(error) if is_damage(&error) => said.push(error.to_string()),
            Err(error) => return Err(error),
        }
    }
    Ok(said)
}

/// Whether the error means a damaged file, rather than a disk fault or a file in use.
fn is_damage(error: &MediaRowError) -> bool {
    matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
    ) || error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

#[cfg(test)]
mod tests;
