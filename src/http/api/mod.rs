//! The API: one file per resource.

pub(in crate::http) mod camera;
pub(in crate::http) mod counting;
pub(in crate::http) mod machine;
pub(in crate::http) mod media;
