//! A mark of this process among all others: asked by a program that sends it, a server is asked by itself. Pure, but
//! for the chance that makes it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// The field of a request that carries the mark of whoever asks for a camera's picture.
pub const FIELD: &str = "x-tallycam-mark";

/// The mark: 16 letters and digits, the same as long as this process lives.
pub fn instance_id() -> &'static str {
    static MARK: LazyLock<String> =
        LazyLock::new(|| format!("{:016x}", RandomState::new().build_hasher().finish()));
    &MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays() {
        assert_eq!((instance_id(), instance_id().len()), (instance_id(), 16));
    }
}
