//! Sums by hour and day, and the calendar that bounds them.

pub(super) mod calendar;
pub(super) mod flows;
pub(super) mod movement;
pub(super) mod opening;
pub(super) mod resets;
pub(super) mod rollups;
pub(super) mod speeds;
pub(super) mod tallies;
