//! A random mark of this process. A program that gets a request with its own mark is its own camera source. Pure,
//! except for the random number.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// Header field with the mark of the program that requests a frame.
pub const INSTANCE_FIELD: &str = "x-tallycam-mark";

/// The mark: 16 hexadecimal digits, constant while the process lives.
pub fn instance_id() -> &'static str {
    static MARK: LazyLock<String> =
        LazyLock::new(|| format!("{:016x}", RandomState::new().build_hasher().finish()));
    &MARK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_constant() {
        assert_eq!((instance_id(), instance_id().len()), (instance_id(), 16));
    }
}
