//! Whether a store is sound, and mending what can be: every invariant, item by item, in small steps.
//!
//! What is looked at: the file as SQLite sees it (all of it when nobody else uses it or it is small, else its small
//! tables; the chunks are read whole anyway) · each item's row and sums · each chunk's index against its pictures and
//! the chunks before it · each picture's first and last two bytes · chunks without an item · names that two items
//! have · recordings that nobody makes and are open all the same · the sums the writer keeps in mind.
//!
//! What is mended: sums are computed again; what belongs to nothing is freed; of a chunk with pictures that are none
//! the others stay and a gap is marked; a chunk that cannot be read is dropped, and a gap marked after it; an item that
//! has no picture left goes. A page that is damaged costs the chunk it belongs to, and nothing else.
//!
//! Between two steps anything may be changed: an item is looked at as it is when its turn comes, and what was said of
//! it is compared in the step that sees its last chunk.

mod items;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;

use items::Walk;

use super::jobs::{Job, JobDesk, Next};
use crate::store::media::file::vfs;
use crate::store::media::rows::{MediaRowError, StoredSums, unsigned};
use crate::store::media::schema::{FILE_NAME, lock, media_error, open_to_write, without_check_hint};
use crate::store::media::storage::Totals;
use crate::store::media::{CheckReport, MediaError};

/// Mends something within a transaction, and says how in a sentence.
type Mend<'a> = &'a mut dyn FnMut(&Connection) -> Result<String, MediaRowError>;

/// Bytes of pictures that one step reads, about, and rows.
const BYTES_A_STEP: u64 = 1 << 20;
const ROWS_A_STEP: usize = 64;

/// Between two steps, so that a check takes no more than about half of what a slow card gives.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 20 });

/// A file up to so many bytes is examined as a whole even while it is used.
const SMALL: u64 = 16 << 20;

/// Faults that are told one by one; further ones are counted.
const MOST_TOLD: usize = 100;

/// Looks at the store in `directory` while no daemon uses it, and mends it if `repair`. A file that is too damaged to
/// be used is looked at as far as it can be read, and left as it is.
///
/// # Errors
/// The store is in use ([`MediaError::Locked`]: ask the daemon), there is none, or nothing of it can be read.
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
            // Something of it must be there to be looked at.
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

/// A check as work of the writer's.
pub struct CheckJob {
    told: Option<oneshot::Sender<Result<CheckReport, MediaError>>>,
    check: Check,
}

impl CheckJob {
    /// Work that tells what it found.
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
            // Nobody waits any more: that is all right.
            let _ = told.send(answer);
        }
        Next::Done
    }
}

/// What a step works with.
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

/// A check under way.
#[derive(Debug)]
struct Check {
    repair: bool,
    is_alone: bool,
    stage: CheckStage,
    report: CheckReport,
    untold: u64,
    /// The newest item that is done.
    item: u64,
    walk: Option<Walk>,
}

impl Check {
    fn new(repair: bool, is_alone: bool) -> Check {
        let report = CheckReport::default();
        Check { repair, is_alone, stage: CheckStage::File, report, untold: 0, item: 0, walk: None }
    }

    /// One step; whether it was the last.
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

    /// Says that something is wrong, and mends it if that is wanted and can be; whether it was mended.
    fn report_and_repair(
        &mut self,
        tx: &mut CheckContext<'_>,
        what: String,
        mend: Option<Mend<'_>>,
    ) -> Result<bool, MediaRowError> {
        if let (true, Some(mend)) = (self.repair, mend) {
            // A transaction of its own: what meets a damaged page cannot be committed any more.
            let transaction = Transaction::new_unchecked(tx.connection, TransactionBehavior::Immediate)?;
            match mend(&transaction).and_then(|how| transaction.commit().map(|()| how)) {
                Ok(how) => {
                    *tx.is_changed = true;
                    if self.report.mended.len() < MOST_TOLD {
                        self.report.mended.push(format!("{what}: {how}"));
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

    /// What SQLite itself says of the file.
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
                self.report.mended.push(String::from("an index of the file was damaged: it was made again"));
            }
        }
        for sentence in said {
            self.record_fault(format!("the file is damaged: {sentence}"));
        }
        Ok(())
    }

    /// Names that two items have: the index of names forbids it, unless it is damaged.
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

    /// The sums that the writer keeps in mind.
    fn check_totals(&mut self, tx: &mut CheckContext<'_>) -> Result<(), MediaRowError> {
        let totals = Totals::read(tx.connection)?;
        let is_same = |totals: &Totals, kept: &Totals| {
            (totals.snapshots, totals.recordings) == (kept.snapshots, kept.recordings)
        };
        if !is_same(&totals, tx.totals) {
            if self.repair {
                // Mending has changed them, or they were wrong: either way they are right now.
                *tx.totals = totals;
            } else {
                self.record_fault(String::from("the sums of all items are not those of the items"));
            }
        }
        Ok(())
    }
}

/// Sentences of SQLite's own examination; none if all is well.
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

/// Whether the file is damaged there, rather than the disk in trouble or the file in use.
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
