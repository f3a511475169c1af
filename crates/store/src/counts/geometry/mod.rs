//! Lines and zones: checks of drafts, and their rows.

pub(super) mod line_status;
pub(super) mod lines;
pub(super) mod orientation;
pub(super) mod shapes;
pub(super) mod validation;
pub(super) mod zones;
