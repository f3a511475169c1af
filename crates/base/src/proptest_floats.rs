//! Floating-point strategies for property tests, because proptest's own float ranges are unreliable.
//!
//! `0.1f32..0.9` as a strategy panics on a rare seed in proptest's sampler ("self.low - result < initial.step",
//! versions 1.10 and 1.12). Sound programs then fail their tests once in a while. Whole numbers work, and shrink
//! towards `low` as well.

use std::ops::{Add, Mul, Sub};

use proptest::prelude::*;

/// The largest number of steps that an `f32` between 0 and 1 can tell apart.
const STEPS: u32 = 1 << 24;

/// A number from `low` to `high`, both included.
pub fn between<T>(low: T, high: T) -> impl Strategy<Value = T> + Clone
where
    T: Copy + std::fmt::Debug + From<f32> + Add<Output = T> + Sub<Output = T> + Mul<Output = T>,
{
    (0..=STEPS).prop_map(move |step| at(low, high, step))
}

fn at<T>(low: T, high: T, step: u32) -> T
where
    T: Copy + From<f32> + Add<Output = T> + Sub<Output = T> + Mul<Output = T>,
{
    low + (high - low) * T::from(step as f32 / STEPS as f32)
}

#[test]
fn both_ends_are_reached_and_nothing_is_beyond() {
    assert_eq!([at(-0.5f32, 1.5, 0), at(-0.5f32, 1.5, STEPS / 2), at(-0.5f32, 1.5, STEPS)], [-0.5, 0.5, 1.5]);
    assert_eq!([at(0.01f64, 240.0, 0), at(0.01f64, 240.0, STEPS)], [0.01, 240.0]);
    proptest!(|(x in between(-0.5f32, 1.5), y in between(0.01f64, 240.0))| {
        prop_assert!((-0.5..=1.5).contains(&x) && (0.01..=240.0).contains(&y));
    });
}
