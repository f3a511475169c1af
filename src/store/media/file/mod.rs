//! What lies between SQLite and the disk: what backups and wiping do past SQLite, and where tests let a disk fail.

pub(super) mod free_list;
pub(super) mod frozen;
pub(super) mod vfs;
