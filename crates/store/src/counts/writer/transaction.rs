//! The context and the result of an edit within the writer's transaction.

use std::path::Path;

use rusqlite::Connection;

use crate::counts::rows::CountsRowError;
use crate::counts::sums::calendar::Calendar;
use crate::counts::{EditError, Scene, StoreError};

/// An edit within the transaction. Returns the function that reports the outcome of the commit.
pub(crate) type CountsJob =
    Box<dyn FnOnce(&CountsTransaction<'_>) -> Result<CountsOnCommit, CountsFault> + Send>;

/// Reports the outcome to the waiting caller.
pub(crate) type CountsOnCommit = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The context of an edit.
pub(crate) struct CountsTransaction<'a> {
    /// The writer's connection, within a transaction.
    pub connection: &'a Connection,
    /// The time of the edit.
    pub moment: Moment,
    pub scene: Scene,
    /// The calendar of days and hours.
    pub calendar: &'a Calendar,
    /// The path of `counts.db`, for messages.
    pub file: &'a Path,
}

/// A time as rows store it.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub run: i64,
    pub mono_us: i64,
    pub wall_us: i64,
    pub is_sure: bool,
}

/// Why an edit failed.
#[derive(Debug)]
pub(crate) enum CountsFault {
    /// The edit is invalid; only it is refused.
    Edit(EditError),
    /// The file failed, and with it the whole turn.
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
