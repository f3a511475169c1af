//! Long work on the whole file, in small steps between other work: backup, check, vacuum.

pub(super) mod backup;
pub(super) mod backup_verify;
pub(super) mod check;
pub(super) mod jobs;
pub(super) mod vacuum;
