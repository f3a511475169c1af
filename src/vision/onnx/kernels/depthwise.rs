//! Depthwise convolution: every channel of the picture is filtered by a small kernel of its own.
//!
//! Detectors for small computers are built of these (Howard et al., "MobileNets", 2017), and they ask
//! for another kernel than a matrix product: little arithmetic on much memory. One channel at a time is
//! laid out so that every tap of the kernel reads consecutive numbers: with a border of zeros, and for
//! a stride of *s* with every *s*-th column brought together. What is left is, for every row, a sum of
//! slices, each times a number, which the compiler turns into vector instructions by itself. It is
//! compiled twice on x86-64, the second time for processors with AVX2 and FMA, which is asked for when
//! the program runs.
//!
//! Every output is summed in the same order, tap after tap beginning with the bias, whoever computes it:
//! the answer does not depend on how channels are shared among threads.

use super::kernel::Kernel;
use super::layout::{ConvGeometry, LANES, Limits, PlaneLayout, add};

/// A depthwise convolution with its weights: the sum, plus the bias, within limits.
#[derive(Debug, Clone)]
pub struct Depthwise {
    layout: PlaneLayout,
    /// Kernel after kernel, row by row.
    weights: Vec<f32>,
    /// One for each channel.
    bias: Vec<f32>,
    limits: Limits,
    /// Where every tap begins to read in the laid-out channel.
    taps: Vec<usize>,
}

impl Depthwise {
    /// One with as many channels as `bias` has numbers; `None` if the sizes do not fit together.
    pub fn new(
        geometry: ConvGeometry,
        weights: Vec<f32>,
        bias: Vec<f32>,
        limits: Limits,
    ) -> Option<Depthwise> {
        let layout = PlaneLayout::new(geometry)?;
        let taps: Vec<usize> = layout.tap_offsets().collect();
        let fits = Some(weights.len()) == taps.len().checked_mul(bias.len());
        fits.then_some(Depthwise { layout, weights, bias, limits, taps })
    }

    fn geometry(&self) -> &ConvGeometry {
        self.layout.geometry()
    }
}

impl Kernel for Depthwise {
    fn name(&self) -> &'static str {
        "Depthwise"
    }

    fn channel_len(&self) -> usize {
        let [height, width] = self.geometry().output;
        height * width
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let [height, width] = self.geometry().input;
        let input = &input[first * height * width..];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: The processor has what the function is compiled for: it was asked just now.
            return unsafe { self.run_avx2(first, input, output) };
        }
        // NEON, which every 64-bit ARM has, multiplies and adds in one step.
        self.run_as::<{ cfg!(target_arch = "aarch64") }>(first, input, output);
    }
}

impl Depthwise {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, first: usize, input: &[f32], output: &mut [f32]) {
        self.run_as::<true>(first, input, output);
    }

    /// Makes the channels from `first` on, as many as `output` has room for; `input` begins with the first of them.
    /// `FUSED`: multiply and add in one instruction, which must exist: without it it is a slow call.
    #[inline(always)]
    fn run_as<const FUSED: bool>(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let ConvGeometry { kernel, stride, dilation, .. } = *self.geometry();
        match (kernel, stride, dilation) {
            ([3, 3], [1, 1], [1, 1]) => self.run_sized::<3, 1, FUSED>(first, input, output),
            ([3, 3], [2, 2], [1, 1]) => self.run_sized::<3, 2, FUSED>(first, input, output),
            ([5, 5], [1, 1], [1, 1]) => self.run_sized::<5, 1, FUSED>(first, input, output),
            ([5, 5], [2, 2], [1, 1]) => self.run_sized::<5, 2, FUSED>(first, input, output),
            _ => self.run_sized::<0, 0, FUSED>(first, input, output),
        }
    }

    /// `SIDE`: the side of a square kernel without dilation, and `STEP` its stride, if both are known
    /// here; else 0.
    #[inline(always)]
    fn run_sized<const SIDE: usize, const STEP: usize, const FUSED: bool>(
        &self,
        first: usize,
        input: &[f32],
        output: &mut [f32],
    ) {
        let ConvGeometry { input: size, output: out_size, kernel, stride, .. } = *self.geometry();
        let count = kernel[0] * kernel[1];
        let mut laid_out = vec![0.0; self.layout.len()];
        let inputs = input.chunks_exact(size[0] * size[1]);
        let outputs = output.chunks_exact_mut(out_size[0] * out_size[1]);
        let own = self.weights.chunks_exact(count).zip(&self.bias).skip(first);
        for ((input, output), (weights, &bias)) in inputs.zip(outputs).zip(own) {
            self.layout.pad_plane(input, &mut laid_out);
            for (y, row) in output.chunks_exact_mut(out_size[1]).enumerate() {
                if SIDE == 0 {
                    let base = y * stride[0] * self.layout.columns();
                    self.row_of_any::<FUSED>(&laid_out[base..], weights, bias, row);
                } else {
                    self.row::<SIDE, STEP, FUSED>(&laid_out, y, weights, bias, row);
                }
            }
        }
    }

    /// The row `y` of the output of a square kernel.
    #[inline(always)]
    fn row<const SIDE: usize, const STEP: usize, const FUSED: bool>(
        &self,
        laid_out: &[f32],
        y: usize,
        weights: &[f32],
        bias: f32,
        row: &mut [f32],
    ) {
        // For every row of the kernel and every phase one line, in which its taps lie side by side.
        let mut lines: [[&[f32]; STEP]; SIDE] = [[&[]; STEP]; SIDE];
        for (down, lines) in lines.iter_mut().enumerate() {
            for (phase, line) in lines.iter_mut().enumerate() {
                let begin = phase * self.layout.phase_len() + (y * STEP + down) * self.layout.columns();
                *line = &laid_out[begin..][..self.layout.columns()];
            }
        }
        let width = row.len();
        let (vectors, rest) = row.as_chunks_mut::<LANES>();
        for (at, out) in vectors.iter_mut().enumerate() {
            *out = self.sums::<SIDE, STEP, FUSED>(&lines, at * LANES, weights, bias);
        }
        if rest.is_empty() {
            return;
        }
        if let Some(out) = row.last_chunk_mut::<LANES>() {
            // A whole vector that ends with the row: some of it is computed twice, to the same.
            *out = self.sums::<SIDE, STEP, FUSED>(&lines, width - LANES, weights, bias);
        } else {
            let sums = self.sums::<SIDE, STEP, FUSED>(&lines, 0, weights, bias);
            row.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum);
        }
    }

    /// The output from column `x` on.
    #[inline(always)]
    fn sums<const SIDE: usize, const STEP: usize, const FUSED: bool>(
        &self,
        lines: &[[&[f32]; STEP]; SIDE],
        x: usize,
        weights: &[f32],
        bias: f32,
    ) -> [f32; LANES] {
        let weights = &weights[..SIDE * SIDE];
        let mut sums = [bias; LANES];
        for down in 0..SIDE {
            for right in 0..SIDE {
                let window = &lines[down][right % STEP][x..x + LANES + (SIDE - 1) / STEP];
                if let Some(values) = window[right / STEP..].first_chunk() {
                    add::<LANES, FUSED>(&mut sums, weights[down * SIDE + right], values);
                }
            }
        }
        self.limits.clamp(sums)
    }

    /// One row of the output of a kernel of any size.
    #[inline(always)]
    fn row_of_any<const FUSED: bool>(&self, from: &[f32], weights: &[f32], bias: f32, row: &mut [f32]) {
        for (at, out) in row.chunks_mut(LANES).enumerate() {
            let mut sums = [bias; LANES];
            for (&weight, tap) in weights.iter().zip(&self.taps) {
                if let Some(values) = from[tap + at * LANES..].first_chunk() {
                    add::<LANES, FUSED>(&mut sums, weight, values);
                }
            }
            out.iter_mut().zip(self.limits.clamp(sums)).for_each(|(out, sum)| *out = sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a baseline processor computes is what this one does, but for rounding.
    #[test]
    fn with_and_without_the_processors_extras() {
        for (side, stride, dilation) in [(3, 1, 1), (3, 2, 1), (5, 1, 1), (5, 2, 1), (3, 1, 2), (2, 3, 1)] {
            let (input, before) = ([19, 21], side / 2 * dilation);
            let output = input.map(|size| (size + 2 * before - (side - 1) * dilation - 1) / stride + 1);
            let geometry = ConvGeometry {
                input,
                output,
                kernel: [side; 2],
                stride: [stride; 2],
                dilation: [dilation; 2],
                before: [before; 2],
            };
            let weights: Vec<f32> = (0..4 * side * side).map(|at| (at % 7) as f32 * 0.3 - 1.0).collect();
            let bias = vec![0.5, -0.5, 0.0, 2.0];
            let limits = Limits { least: -3.0, most: 4.0 };
            let depthwise = Depthwise::new(geometry, weights, bias, limits).expect("sizes that fit");
            let picture: Vec<f32> = (0..4 * 19 * 21).map(|at| (at * 37 % 101) as f32 * 0.02 - 1.0).collect();
            let mut extras = vec![f32::NAN; 4 * depthwise.channel_len()];
            let mut baseline = extras.clone();
            depthwise.run(0, &picture, &mut extras);
            depthwise.run_as::<false>(0, &picture, &mut baseline);
            for (&one, &other) in extras.iter().zip(&baseline) {
                assert!((one - other).abs() < 1e-5, "{side}, {stride}, {dilation}: {one} and {other}");
            }
            // A channel alone is the same as with others, to the bit.
            let mut alone = vec![0.0; depthwise.channel_len()];
            depthwise.run(2, &picture, &mut alone);
            assert_eq!(alone, extras[2 * depthwise.channel_len()..][..depthwise.channel_len()]);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let geometry = ConvGeometry {
            input: [4, 4],
            output: [4, 4],
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            before: [1, 1],
        };
        let new = |geometry, weights: usize, channels: usize| {
            Depthwise::new(geometry, vec![0.0; weights], vec![0.0; channels], Limits::NONE)
        };
        assert!(new(geometry, 18, 2).is_some());
        assert!(new(geometry, 17, 2).is_none());
        assert!(new(ConvGeometry { stride: [0, 1], ..geometry }, 18, 2).is_none());
        assert!(new(ConvGeometry { output: [usize::MAX, 4], stride: [2, 1], ..geometry }, 18, 2).is_none());
    }
}
