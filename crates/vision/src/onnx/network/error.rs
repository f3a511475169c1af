//! Errors for which a network is refused in two or more places.

use tallycam_base::{Fault, FaultKind};

pub(crate) fn not_onnx_error(reason: &str) -> Fault {
    Fault::wrong(format!("this is no ONNX file, or it is damaged ({reason}); fetch or export it again"))
}

pub(crate) fn too_large_error(what: &str, bytes: u128, most: usize) -> Fault {
    Fault::wrong(format!("{what} is too large: {bytes} bytes, at most {most} are allowed")).hint(SMALLER)
}

/// Hint for a model that needs too much memory.
pub const SMALLER: &str = "take a smaller model, or a smaller `detect.size`";

/// Refuses any model in a build that cannot run one.
///
/// # Errors
/// The build lacks the feature `onnx`.
pub fn require_engine() -> Result<(), Fault> {
    if cfg!(feature = "onnx") {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Unsupported, "this build has no model engine")
        .hint("build it without --no-default-features, or set `detect.backend` to \"motion\""))
}
