//! Disk faults for tests: the Nth operation of the writer on the files of a directory fails.

use std::ffi::{CStr, c_int};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::ffi;

/// A disk operation of the writer's VFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Open,
    Write,
    Sync,
    Truncate,
}

/// The operations that fail, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    None,
    /// Only this one.
    Nth(u64),
    /// This one and all later ones. For the file it looks as if the process had been killed.
    From(u64),
    /// Every write from this operation on, as on a full disk.
    FullFrom(u64),
}

#[derive(Debug)]
struct FaultPlan {
    directory: PathBuf,
    state: Mutex<(Failing, u64, u64)>,
}

/// The faults of one directory, shared.
#[derive(Debug, Clone)]
pub(super) struct Faults(Arc<FaultPlan>);

static PLANS: Mutex<Vec<Arc<FaultPlan>>> = Mutex::new(Vec::new());

impl Faults {
    /// Faults of the files in `directory` that are opened from now on; none at first.
    pub(super) fn register_directory(directory: &Path) -> Faults {
        let plan =
            Arc::new(FaultPlan { directory: directory.to_owned(), state: Mutex::new((Failing::None, 0, 0)) });
        PLANS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&plan));
        Faults(plan)
    }

    /// The faults of the file with this name, if any.
    pub(super) fn lookup(name: &CStr) -> Option<Faults> {
        let path = Path::new(name.to_str().ok()?);
        let plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
        plans.iter().rev().find(|plan| path.starts_with(&plan.directory)).cloned().map(Faults)
    }

    /// Sets the failing operations and restarts the count.
    pub(super) fn set(&self, failing: Failing) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = (failing, 0, 0);
    }

    /// Number of operations since the last `set`, and how many of them failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.1, state.2)
    }

    /// Counts an operation. Returns SQLite's error code if it fails.
    pub(super) fn next(&self, operation: Operation) -> Option<c_int> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        let (failing, count, _) = *state;
        let fails = match failing {
            Failing::None => false,
            Failing::Nth(n) => count == n,
            Failing::From(n) => count >= n,
            Failing::FullFrom(n) => count >= n && operation == Operation::Write,
        };
        state.2 += u64::from(fails);
        fails.then_some(match operation {
            Operation::Write if matches!(failing, Failing::FullFrom(_)) => ffi::SQLITE_FULL,
            Operation::Write => ffi::SQLITE_IOERR_WRITE,
            Operation::Open => ffi::SQLITE_CANTOPEN,
            Operation::Sync => ffi::SQLITE_IOERR_FSYNC,
            Operation::Truncate => ffi::SQLITE_IOERR_TRUNCATE,
        })
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // Only this value and the registry hold it.
        if Arc::strong_count(&self.0) == 2 {
            let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
            plans.retain(|plan| !Arc::ptr_eq(plan, &self.0));
        }
    }
}

pub(super) mod tests;
