//! Real numbers for property tests, where proptest's own ranges of them cannot be relied on.
//!
//! `0.1f32..0.9` as a strategy panics on a rare seed, in an assertion of proptest's own ("self.low - result <
//! initial.step", in its sampler of floats; 1.10 and 1.12 alike), so that a sound program fails its tests once in a
//! great while. Whole numbers have no such trouble, and shrink as well: towards `low`.

use std::ops::{Add, Mul, Sub};

use proptest::prelude::*;

/// As many steps as leave each a number of its own between 0 and 1, for the smaller floats too.
const STEPS: u32 = 1 << 24;

/// A number from `low` to `high`, both of them among what may come.
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
