//! Reports on one concept each, for all readers: the API, events, pages.

pub(in crate::http) mod alerts;
pub mod controls;
pub(crate) mod counts;
pub(in crate::http) mod light;
pub(in crate::http) mod media;
pub(in crate::http) mod movement;
pub(in crate::http) mod schema_parts;
pub(in crate::http) mod set_up;
pub(in crate::http) mod state;
pub(crate) mod wire;
