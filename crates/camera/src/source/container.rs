//! The error of the readers of AVI and MP4.

use std::io;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// Its format or content, in a sentence that begins with "it" or "its".
    #[error("{0}")]
    Unfit(String),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The spool file cannot be written or read.
    #[error("it cannot be set aside while it is read: {0}")]
    Spool(io::Error),
}

impl ContainerError {
    /// [`ContainerError::Unfit`] with this sentence.
    pub fn unfit(what: impl Into<String>) -> ContainerError {
        ContainerError::Unfit(what.into())
    }

    /// The index contradicts itself.
    pub fn damaged(what: &str) -> ContainerError {
        ContainerError::Unfit(format!("its index is damaged: {what}"))
    }
}
