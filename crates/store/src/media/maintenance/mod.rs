//! Long work on the whole file, in small steps between other work: backup, check, vacuum.

pub(super) mod backup;
pub(super) mod backup_verify;
pub(super) mod check;
pub(super) mod jobs;
pub(super) mod vacuum;

use tokio::sync::oneshot;

use crate::media::{Backup, CheckReport, Media, MediaError, Vacuumed};
use backup::BackupJob;
use check::CheckJob;
use vacuum::VacuumJob;

impl Media {
    /// Returns all unused room of the file to the file system, in small steps. Answers when done, with the number of
    /// bytes. `wipe` first frees deleted data and overwrites it with zeros.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn vacuum(&self, wipe: bool) -> Result<Vacuumed, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(VacuumJob::everything(wipe, tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// Checks every invariant, in small steps; with `repair` also repairs faults.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn check(&self, repair: bool) -> Result<CheckReport, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(CheckJob::new(repair, tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// Copies the file as it is now, whatever is written meanwhile. The copy is a whole SQLite file, sent in pieces
    /// and never stored on the disk. The writer's connection reads it in small steps.
    ///
    /// # Errors
    /// Another backup is running.
    pub async fn backup(&self) -> Result<Backup, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(BackupJob::new(tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }
}
