//! SiLU, the number times its own logistic: x / (1 + exp(−x)) (Elfwing et al., 2017).
//!
//! Networks of the YOLO family have it behind every convolution. The engine computes the logistic and the
//! product one after the other and must keep a copy of the number for that; here it is one step.

use super::kernel::Kernel;
use super::layout::LANES;

/// SiLU of every number.
#[derive(Debug, Clone)]
pub struct Silu;

impl Kernel for Silu {
    fn name(&self) -> &'static str {
        "Silu"
    }

    fn channel_len(&self) -> usize {
        LANES
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let input = &input[first * LANES..];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: The processor has what the function is compiled for: it was asked just now.
            return unsafe { all_avx2(input, output) };
        }
        apply_all::<{ cfg!(target_arch = "aarch64") }>(input, output);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn all_avx2(input: &[f32], output: &mut [f32]) {
    apply_all::<true>(input, output);
}

#[inline(always)]
fn apply_all<const FUSED: bool>(input: &[f32], output: &mut [f32]) {
    // One plain loop: the compiler makes vectors of it, and not of one by vectors.
    for (&value, out) in input.iter().zip(output) {
        *out = silu::<FUSED>(value);
    }
}

/// SiLU of one number, right to some units of the last place. What is no number stays none.
#[inline(always)]
fn silu<const FUSED: bool>(value: f32) -> f32 {
    value / (1.0 + exp::<FUSED>(-value))
}

/// The exponential function, right to two units of the last place where it is a normal number; beyond
/// that, at ±87, it does not change any more (Cephes' polynomial, Moshier, 1992).
#[inline(always)]
fn exp<const FUSED: bool>(value: f32) -> f32 {
    const REACH: f32 = 87.0;
    /// Added to a number, it rounds it to a whole one, which is left in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let value = if value > REACH { REACH } else { value };
    let value = if value < -REACH { -REACH } else { value };
    let rounded = times_add::<FUSED>(value, std::f32::consts::LOG2_E, ROUND);
    let power = rounded - ROUND;
    let rest = times_add::<FUSED>(power, -LN_2_HIGH, value);
    let rest = times_add::<FUSED>(power, -LN_2_LOW, rest);
    let mut sum = 1.987_569_1e-4;
    sum = times_add::<FUSED>(sum, rest, 1.398_199_9e-3);
    sum = times_add::<FUSED>(sum, rest, 8.333_452e-3);
    sum = times_add::<FUSED>(sum, rest, 4.166_579_6e-2);
    sum = times_add::<FUSED>(sum, rest, 1.666_666_5e-1);
    sum = times_add::<FUSED>(sum, rest, 0.5);
    sum = times_add::<FUSED>(sum, rest * rest, rest + 1.0);
    // Two to the power, made of its exponent.
    sum * f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

/// `a` times `b`, plus `c`. A function of its own, not a closure: only so it is compiled for the
/// processor of the function that calls it.
#[inline(always)]
fn times_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_number_times_its_logistic() {
        let input: Vec<f32> = (-4000..4003).map(|step| step as f32 * 0.03).collect();
        let mut output = vec![0.0; input.len()];
        Silu.run(0, &input, &mut output);
        let mut plain = vec![0.0; input.len()];
        apply_all::<false>(&input, &mut plain);
        for ((&x, &fast), &plain) in input.iter().zip(&output).zip(&plain) {
            let true_value = f64::from(x) / (1.0 + (-f64::from(x)).exp());
            for computed in [fast, plain] {
                let error = (f64::from(computed) - true_value).abs();
                assert!(error <= 1e-6 * true_value.abs() + 1e-30, "{x}: {computed}, truly {true_value}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_the_ends_are_right() {
        let mut output = [0.0; 4];
        Silu.run(0, &[f32::NAN, f32::INFINITY, 0.0, -500.0], &mut output);
        assert!(output[0].is_nan());
        assert_eq!(output[1], f32::INFINITY);
        assert_eq!(output[2], 0.0);
        assert!(output[3].abs() < 1e-30);
    }
}
