//! The helper that reads a camera through libcamera for tallycam.
fn main() {}
