//! Errors for which a network's file is refused in two or more places.

use tallycam_base::Fault;

pub(crate) fn not_onnx_error(reason: &str) -> Fault {
    Fault::wrong(format!("this is no ONNX file, or it is damaged ({reason}); fetch or export it again"))
}

pub(crate) fn too_large_error(what: &str, bytes: u128, most: usize) -> Fault {
    Fault::wrong(format!("{what} is too large: {bytes} bytes, at most {most} are allowed")).hint(SMALLER)
}

/// Hint for a model that needs too much memory.
pub const SMALLER: &str = "take a smaller model, or a smaller size under [detect]";
