//! The lens: the controls that focus it, the sharpness of a frame, and the search for the sharpest position.
//!
//! Pure: controls and luma in, values and figures out. It knows no camera, thread or clock; `pipeline/focus` applies
//! the results.

mod drive;
mod sharpness;
mod sweep;

pub use drive::{Drive, LensChange, Move};
pub use sharpness::sharpness;
pub use sweep::{Sweep, SweepResult};
