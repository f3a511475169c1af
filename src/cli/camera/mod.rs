//! Commands for the camera, its lens and its light.

pub(in crate::cli) mod controls;
pub(in crate::cli) mod devices;
pub(in crate::cli) mod focus;
pub(in crate::cli) mod light;
pub(in crate::cli) mod record;
pub(in crate::cli) mod snapshot;
