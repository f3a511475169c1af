//! The lens: what of a camera's controls focuses it, how sharp a picture is, and the search for the sharpest place.
//!
//! Pure: controls and luma in, values and figures out. It knows no camera, no thread and no clock; `pipeline/focus.rs`
//! turns what is said here into control changes.

mod drive;
mod sharpness;
mod sweep;

pub use drive::{Drive, LensChange, Move, Unmoved};
pub use sharpness::sharpness;
pub use sweep::{MOST_STEPS, Sweep, SweepResult};
