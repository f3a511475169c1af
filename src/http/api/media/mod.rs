//! Snapshots and recordings.

pub(in crate::http) mod download;
pub(in crate::http) mod items;
pub(in crate::http) mod recordings;
pub(in crate::http) mod replay;
pub(in crate::http) mod snapshots;
pub(in crate::http) mod storage;
pub(in crate::http) mod thumbnail;
pub(in crate::http) mod uploads;
pub(in crate::http) mod video;
pub(in crate::http) mod zip;
