//! What an edit works with, and what becomes of it: within the writer's transaction.

use std::path::Path;

use rusqlite::Connection;

use crate::store::counts::rows::CountsRowError;
use crate::store::counts::sums::calendar::Calendar;
use crate::store::counts::{EditError, Scene, StoreError};

/// A change, made within the transaction. It gives what is to be told once the commit is known.
pub type CountsJob = Box<dyn FnOnce(&CountsTransaction<'_>) -> Result<CountsOnCommit, CountsFault> + Send>;

/// Tells whoever waits how it ended.
pub type CountsOnCommit = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// What an edit works with.
pub struct CountsTransaction<'a> {
    /// The writer's connection, within a transaction.
    pub connection: &'a Connection,
    /// When.
    pub moment: Moment,
    /// The scene that is shown.
    pub scene: Scene,
    /// What days and hours are told by.
    pub calendar: &'a Calendar,
    /// counts.db's file, for words about it.
    pub file: &'a Path,
}

/// When something was done, in terms of rows.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub run: i64,
    pub mono_us: i64,
    pub wall_us: i64,
    pub is_sure: bool,
}

/// Why an edit was not made.
#[derive(Debug)]
pub enum CountsFault {
    /// It is wrong: only it is refused.
    Edit(EditError),
    /// The file does not take it: the whole turn has failed.
    File(CountsRowError),
}

impl From<EditError> for CountsFault {
    fn from(error: EditError) -> CountsFault {
        CountsFault::Edit(error)
    }
}

impl From<CountsRowError> for CountsFault {
    fn from(error: CountsRowError) -> CountsFault {
        CountsFault::File(error)
    }
}
