//! Counting: lines, zones, crossings, checks, events.

pub(in crate::http) mod checks;
pub(in crate::http) mod counts;
pub(in crate::http) mod crossings;
pub(in crate::http) mod events;
pub(in crate::http) mod lines;
pub(in crate::http) mod model;
pub(in crate::http) mod movement;
pub(in crate::http) mod recount;
pub(in crate::http) mod shapes;
pub(in crate::http) mod tallies;
pub(in crate::http) mod zones;
