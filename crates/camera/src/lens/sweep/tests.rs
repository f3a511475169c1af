//! The sweep against lenses of 200 positions with many kinds of curves.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use tallycam_base::proptest_floats::between;

const POSITIONS: i64 = 200;

/// Sharpness of a lens by position; every curve reaches 1 at its top.
#[derive(Debug, Clone, Copy)]
enum Curve {
    Gaussian {
        width: f64,
    },
    Lorentzian {
        width: f64,
    },
    /// A peak on flat shoulders.
    Shoulders {
        width: f64,
        level: f64,
    },
    /// Steeper on one side than on the other.
    Skewed {
        left: f64,
        right: f64,
    },
    /// A lower hill beside the peak.
    Double {
        width: f64,
        apart: f64,
        second: f64,
    },
}

impl Curve {
    fn at(self, x: f64) -> f64 {
        let wake_fd = |x: f64, width: f64| (-0.5 * (x / width).powi(2)).exp();
        match self {
            Curve::Gaussian { width } => 0.02 + 0.98 * wake_fd(x, width),
            Curve::Lorentzian { width } => 1.0 / (1.0 + (x / width).powi(2)),
            Curve::Shoulders { width, level } => {
                let shoulder = if x.abs() < 4.0 * width { level } else { 0.15 };
                wake_fd(x, width).max(shoulder)
            }
            Curve::Skewed { left, right } => 0.05 + 0.95 * wake_fd(x, if x < 0.0 { left } else { right }),
            Curve::Double { width, apart, second } => {
                (0.05 + 0.95 * wake_fd(x, width)).max(second * wake_fd(x - apart, width))
            }
        }
    }
}

/// Reproducible noise for a seed: uniform, −1…1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        // SplitMix64 (Steele et al. 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// The result of the sweep and its number of measurements.
fn swept(curve: Curve, top: i64, noise: f64, seed: u64) -> (i64, u32) {
    let mut sweep = Sweep::new(0, POSITIONS - 1, 1);
    let mut dice = Noise(seed);
    while let Some(at) = sweep.next_place() {
        assert!((0..POSITIONS).contains(&at));
        sweep.record_sharpness(curve.at((at - top) as f64) * (1.0 + noise * dice.next()));
        assert!(sweep.places_done() <= MOST_STEPS, "{curve:?} at {top}");
    }
    let SweepResult::At(at) = sweep.result() else { panic!("{curve:?} at {top}: nothing to see") };
    (at, sweep.places_done())
}

fn curves() -> Vec<Curve> {
    let mut curves = Vec::new();
    for width in [6.0, 8.0, 12.0, 20.0, 40.0, 80.0] {
        curves.push(Curve::Gaussian { width });
        curves.push(Curve::Lorentzian { width });
        curves.push(Curve::Skewed { left: width, right: 2.5 * width });
        curves.push(Curve::Skewed { left: 1.8 * width, right: width });
        curves.push(Curve::Shoulders { width, level: 0.3 });
    }
    for (width, apart, second) in
        [(8.0, 45.0, 0.8), (12.0, -60.0, 0.85), (10.0, 30.0, 0.7), (16.0, 70.0, 0.9)]
    {
        curves.push(Curve::Double { width, apart, second });
    }
    curves
}

#[test]
fn the_sharpest_of_200_positions_is_found_wherever_it_lies() {
    let (mut most, mut missed) = (0, Vec::new());
    for curve in curves() {
        for top in 0..POSITIONS {
            let (at, looks) = swept(curve, top, 0.0, 0);
            if at != top {
                missed.push((curve, top, at));
            }
            most = most.max(looks);
        }
    }
    assert!(most <= 25, "{most} looks");
    assert!(missed.is_empty(), "{} missed: {missed:?}", missed.len());
}

#[test]
fn with_noise_the_result_is_about_as_sharp() {
    let (mut worst, mut sum, mut count, mut low) = (1.0_f64, 0.0, 0, Vec::new());
    for curve in curves() {
        for top in 0..POSITIONS {
            for (noise, least) in [(0.02, 0.95), (0.05, 0.92)] {
                let (at, _) = swept(curve, top, noise, top as u64 * 7919 + 1);
                let had = curve.at((at - top) as f64);
                if had < least {
                    low.push((curve, top, noise, at, had));
                }
                (worst, sum, count) = (worst.min(had), sum + had, count + 1);
            }
        }
    }
    assert!(low.is_empty(), "{} of {count} are low: {low:?}", low.len());
    assert!(sum / f64::from(count) > 0.99, "worst {worst:.3}");
}

#[test]
fn a_constant_figure_gives_no_result() {
    for value in [0.0, 7.0, f64::NAN] {
        let mut sweep = Sweep::new(0, 199, 1);
        while sweep.next_place().is_some() {
            sweep.record_sharpness(value);
        }
        assert_eq!(sweep.result(), SweepResult::NothingToSee);
    }
    assert_eq!(Sweep::new(3, 2, 1).result(), SweepResult::NothingToSee);
}

#[test]
fn a_lens_of_few_positions_is_measured_at_all_of_them() {
    let mut sweep = Sweep::new(10, 60, 10);
    let mut seen = Vec::new();
    while let Some(at) = sweep.next_place() {
        seen.push(at);
        sweep.record_sharpness(if at == 40 { 2.0 } else { 1.0 });
    }
    assert_eq!((seen, sweep.places_total()), (vec![10, 20, 30, 40, 50, 60], 6));
    assert_eq!(sweep.result(), SweepResult::At(40));
}

proptest! {
    #[test]
    fn any_lens_is_searched_within_its_places(
        first in -2000_i64..2000, width in 0_i64..5000, step in 1_i64..60, seed: u64, top in between(0.0_f64, 1.0),
        noise in between(0.0_f64, 0.05),
    ) {
        let mut sweep = Sweep::new(first, first + width, step);
        let mut dice = Noise(seed);
        let last = first + width / step * step;
        let peak = first as f64 + top * width as f64;
        while let Some(at) = sweep.next_place() {
            prop_assert!((first..=last).contains(&at) && (at - first) % step == 0);
            let x = (at as f64 - peak) / (width.max(1) as f64) * 10.0;
            sweep.record_sharpness((1.0 / (1.0 + x * x)) * (1.0 + noise * dice.next()));
        }
        prop_assert!(sweep.places_done() <= sweep.places_total() && sweep.places_total() <= MOST_STEPS);
        // With at least this many positions, the result is near the top.
        if width / step >= 30 {
            let SweepResult::At(at) = sweep.result() else { panic!("nothing to see") };
            prop_assert!((at as f64 - peak).abs() <= 0.08 * width as f64 + step as f64, "{} for {}", at, peak);
        }
    }

    #[test]
    fn it_ends_with_any_measurements(values in proptest::collection::vec(any::<f64>(), 40)) {
        let mut sweep = Sweep::new(0, 199, 1);
        let mut values = values.into_iter();
        while sweep.next_place().is_some() {
            sweep.record_sharpness(values.next().unwrap());
        }
        if let SweepResult::At(at) = sweep.result() {
            prop_assert!((0..200).contains(&at));
        }
    }
}
