//! Why something could not be kept, found or changed.

use std::path::{Path, PathBuf};

use super::schema;
use crate::store::sqlite::{ELSEWHERE, IN_USE};

/// Something could not be kept, found or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MediaError {
    /// The file cannot be used, or the disk does not take or give data.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// There is no room on the disk.
    #[error("there is no room left on the disk for pictures")]
    Full,
    /// Another process writes to this store: most likely the daemon.
    #[error("{}: another tallycam keeps its pictures there", file.display())]
    Locked {
        /// The lock.
        file: PathBuf,
    },
    /// The writer has not kept up, or has ended.
    #[error("the store of pictures does not answer")]
    Busy,
    /// Another backup runs.
    #[error("another backup is being made; one at a time")]
    BackingUp,
    /// There is no such item.
    #[error("there is no item {0}")]
    Unknown(String),
    /// The name is taken.
    #[error("there is an item called {0:?} already")]
    SameName(String),
    /// Name, date, note or cursor is none.
    #[error("{0}")]
    Wrong(String),
    /// It has been changed meanwhile; the version it has now.
    #[error("item {id} has been changed meanwhile")]
    Changed {
        /// Its number.
        id: u64,
        /// Its version now.
        version: u64,
    },
    /// It is being recorded and cannot be removed.
    #[error("item {0} is still being recorded; stop the recording first")]
    Open(u64),
}

impl MediaError {
    /// What the user can do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            MediaError::File { hint, .. } => hint.as_deref(),
            MediaError::Full => Some("delete something, or tighten retention"),
            MediaError::Locked { .. } => Some("end it, or give each its own state directory"),
            _ => None,
        }
    }

    /// The store's own file, where that is what cannot be used: it can be set aside as it is. None where the trouble is
    /// the directory's or the file system's, or another program is in the middle of writing the file.
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

    /// Whether SQLite has found what it read damaged.
    pub(super) fn is_damage(&self) -> bool {
        self.hint() == Some(schema::DAMAGED)
    }
}
