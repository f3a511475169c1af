//! The store's errors.

use std::path::{Path, PathBuf};

use super::schema;
use crate::sqlite::{ELSEWHERE, IN_USE};
use tallycam_base::{Fault, FaultKind};

/// An error of storing, finding or changing media.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MediaError {
    /// The file cannot be used, or the disk fails.
    #[error("`{}`: {reason}", file.display())]
    File {
        /// The path.
        file: PathBuf,
        /// The problem.
        reason: String,
        /// The remedy, if known.
        hint: Option<String>,
    },
    /// The disk is full.
    #[error("there is no room left on the disk for pictures")]
    Full,
    /// Another process, probably the daemon, writes to this store.
    #[error("`{}`: another tallycam keeps its pictures there", file.display())]
    Locked {
        /// The lock file.
        file: PathBuf,
    },
    /// The writer did not keep up, or has ended.
    #[error("the store of pictures does not answer")]
    Busy,
    /// Another backup is running.
    #[error("another backup is being made; one at a time")]
    BackingUp,
    /// There is no such item.
    #[error("there is no item {0}")]
    Unknown(String),
    /// The name is taken.
    #[error("there is an item called {0:?} already")]
    SameName(String),
    /// The name, date, note or cursor is invalid.
    #[error("{0}")]
    Wrong(String),
    /// The item was changed meanwhile.
    #[error("item {id} has been changed meanwhile")]
    Changed {
        /// Its number.
        id: u64,
        /// Its current version.
        version: u64,
    },
    /// The item is being recorded and cannot be removed.
    #[error("item {0} is still being recorded; stop the recording first")]
    Open(u64),
}

impl From<MediaError> for Fault {
    fn from(error: MediaError) -> Fault {
        Fault { hint: error.hint().map(str::to_owned), ..Fault::new(FaultKind::File, error.to_string()) }
    }
}

impl MediaError {
    /// The remedy, if known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            MediaError::File { hint, .. } => hint.as_deref(),
            MediaError::Full => Some("delete something, or tighten retention"),
            MediaError::Locked { .. } => Some("end it, or give each its own state directory"),
            _ => None,
        }
    }

    /// The store's file, if the file itself is unusable, so that it can be set aside. `None` if the directory or the
    /// file system is at fault, or another program is writing the file.
    pub fn unusable_store_file(&self) -> Option<&Path> {
        match self {
            MediaError::File { file, hint, .. }
                if file.ends_with(schema::FILE_NAME)
                    && !matches!(hint.as_deref(), Some(IN_USE | ELSEWHERE)) =>
            {
                Some(file)
            }
            _ => None,
        }
    }

    /// Whether SQLite found the file damaged.
    pub(super) fn is_damage(&self) -> bool {
        self.hint() == Some(schema::DAMAGED)
    }
}
