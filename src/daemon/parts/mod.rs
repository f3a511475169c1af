//! Each part as the configuration wants it: from `[section]` to what the part takes, and its start.

pub mod counting;
pub mod lights;
pub mod model_sandbox;
pub mod models;
pub mod picture;
pub mod recording;
pub mod server;
pub mod source;
pub mod still;
