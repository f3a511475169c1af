//! Long work on the whole file, in small steps between other work: backup, check, vacuum.

pub(super) mod backup;
pub(super) mod backup_verify;
pub(super) mod check;
pub(super) mod jobs;
pub(super) mod vacuum;

use tokio::sync::oneshot;

use crate::store::media::{Backup, CheckReport, Media, MediaError, Vacuumed};
use backup::BackupJob;
use check::CheckJob;
use vacuum::VacuumJob;

impl Media {
    /// Gives all unused room of the file back to the file system, in small steps between other work. Answers when done,
    /// with the bytes given back. `wipe`: what was deleted is freed and overwritten with zeros before.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn vacuum(&self, wipe: bool) -> Result<Vacuumed, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(VacuumJob::everything(wipe, tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// Looks at every invariant, in small steps between other work; with `repair` mends what can be.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn check(&self, repair: bool) -> Result<CheckReport, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(CheckJob::new(repair, tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// A copy of the file as it is now, whatever is written meanwhile: a whole SQLite file, in pieces, without a second
    /// copy on the disk. Reading is in small steps on the writer's own connection.
    ///
    /// # Errors
    /// Another backup runs.
    pub async fn backup(&self) -> Result<Backup, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(BackupJob::new(tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }
}
