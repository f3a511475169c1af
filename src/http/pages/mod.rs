//! The HTML pages and their data.

pub(in crate::http) mod assets;
pub(in crate::http) mod cameras;
pub(in crate::http) mod counting;
pub(in crate::http) mod data_counting;
pub(in crate::http) mod data_crossings;
pub(in crate::http) mod data_media;
pub(in crate::http) mod data_settings;
pub(in crate::http) mod live_controls;
pub(in crate::http) mod machine;
pub(in crate::http) mod media;
pub(in crate::http) mod retention;
pub(in crate::http) mod settings;
pub(in crate::http) mod sign_in;
pub(in crate::http) mod welcome;
