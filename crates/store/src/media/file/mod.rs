//! The layer between SQLite and the disk, for backups, wiping, and disk faults in tests.

pub(super) mod free_list;
pub(super) mod frozen;
pub(super) mod vfs;
