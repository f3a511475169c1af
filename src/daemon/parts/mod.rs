//! From `[section]` of the configuration to the settings and the start of each part.

pub mod counting;
pub mod lights;
pub mod model_sandbox;
pub mod models;
pub mod picture;
pub mod recording;
pub mod server;
pub mod source;
pub mod still;
