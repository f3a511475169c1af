//! Lines and zones as they are drawn: what a draft may be, and what is on record of them.

pub(super) mod line_status;
pub(super) mod lines;
pub(super) mod orientation;
pub(super) mod shapes;
pub(super) mod validation;
pub(super) mod zones;
