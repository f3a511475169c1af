//! What lies between SQLite and the disk: the file of the store, read and written our own way.

pub(super) mod direct;
pub(super) mod free_list;
pub(super) mod frozen;
pub(super) mod vfs;
