//! Dense convolution of few channels: each output is a sum over all channels of the picture.
//!
//! A matrix product, as the engine does it, copies the picture into an order of its own first. With few
//! channels of many pixels (the first layers) that costs more than the arithmetic. Here four channels
//! are made at a time, sixteen pixels of a row at a time, straight from the picture.

use super::kernel::Kernel;
use super::layout::{ConvGeometry, Limits, PlaneLayout, add};

/// Channels that are made together.
const TOGETHER: usize = 4;

/// Pixels that are made together. Narrower pictures are left to the engine.
pub const PIXELS: usize = 16;

/// A dense convolution with its weights: the sum, plus the bias, within limits.
#[derive(Debug, Clone)]
pub struct Dense {
    geometry: ConvGeometry,
    layout: PlaneLayout,
    /// For every [`TOGETHER`] channels, for every tap, the weights of these channels.
    weights: Vec<[f32; TOGETHER]>,
    bias: Vec<f32>,
    limits: Limits,
    /// Where every tap begins to read, of all channels of the picture.
    taps: Vec<usize>,
    channels_in: usize,
}

impl Dense {
    /// One with as many channels as `bias` has numbers. `weights` are in the order channel that comes
    /// out, channel that goes in, row, column. `None` if the sizes do not fit together, or if a row that
    /// comes out is narrower than [`PIXELS`].
    pub fn new(geometry: ConvGeometry, weights: &[f32], bias: Vec<f32>, limits: Limits) -> Option<Dense> {
        let layout = PlaneLayout::new(geometry)?;
        let count = weights.len().checked_div(bias.len())?;
        let area = geometry.kernel[0] * geometry.kernel[1];
        let channels_in = count / area;
        if count * bias.len() != weights.len() || channels_in * area != count || channels_in == 0 {
            return None;
        }
        if geometry.output[1] < PIXELS {
            return None;
        }
        let taps = (0..channels_in)
            .flat_map(|channel| layout.tap_offsets().map(move |tap| (channel, tap)))
            .map(|(channel, tap)| channel * layout.len() + tap)
            .collect();
        let packed = (0..bias.len().div_ceil(TOGETHER))
            .flat_map(|block| (0..count).map(move |tap| (block * TOGETHER, tap)))
            .map(|(first, tap)| {
                std::array::from_fn(|at| weights.get((first + at) * count + tap).copied().unwrap_or(0.0))
            })
            .collect();
        Some(Dense { geometry, layout, weights: packed, bias, limits, taps, channels_in })
    }

    /// The picture, laid out to be read.
    fn prepare_input(&self, input: &[f32]) -> Vec<f32> {
        let (layout, [height, width]) = (&self.layout, self.geometry.input);
        let mut ready = vec![0.0; layout.len() * self.channels_in];
        for (plane, laid_out) in input.chunks_exact(height * width).zip(ready.chunks_exact_mut(layout.len()))
        {
            layout.pad_plane(plane, laid_out);
        }
        ready
    }

    /// Makes at most [`TOGETHER`] channels from `first`, a multiple of it, on.
    fn block(&self, first: usize, ready: &[f32], output: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: The processor has what the function is compiled for: it was asked just now.
            return unsafe { self.block_avx2(first, ready, output) };
        }
        // NEON, which every 64-bit ARM has, multiplies and adds in one step.
        self.block_as::<{ cfg!(target_arch = "aarch64") }>(first, ready, output);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn block_avx2(&self, first: usize, ready: &[f32], output: &mut [f32]) {
        self.block_as::<true>(first, ready, output);
    }

    #[inline(always)]
    fn block_as<const FUSED: bool>(&self, first: usize, ready: &[f32], output: &mut [f32]) {
        let [height, width] = self.geometry.output;
        let columns = self.layout.columns() * self.geometry.stride[0];
        let weights = &self.weights[first / TOGETHER * self.taps.len()..][..self.taps.len()];
        let mut bias = [0.0; TOGETHER];
        for (bias, &own) in bias.iter_mut().zip(&self.bias[first..]) {
            *bias = own;
        }
        for y in 0..height {
            let row = &ready[y * columns..];
            let mut x = 0;
            loop {
                // The last vectors end with the row: some of it is computed twice, to the same.
                x = x.min(width - PIXELS);
                let mut sums = [[0.0; PIXELS]; TOGETHER];
                for (sums, &bias) in sums.iter_mut().zip(&bias) {
                    *sums = [bias; PIXELS];
                }
                for (weights, &tap) in weights.iter().zip(&self.taps) {
                    let Some(values) = row[tap + x..].first_chunk() else { continue };
                    for (sums, &weight) in sums.iter_mut().zip(weights) {
                        add::<PIXELS, FUSED>(sums, weight, values);
                    }
                }
                for (plane, sums) in output.chunks_exact_mut(height * width).zip(sums) {
                    if let Some(out) = plane[y * width + x..].first_chunk_mut() {
                        *out = self.limits.clamp(sums);
                    }
                }
                x += PIXELS;
                if x >= width {
                    break;
                }
            }
        }
    }
}

impl Kernel for Dense {
    fn name(&self) -> &'static str {
        "Dense"
    }

    fn channel_len(&self) -> usize {
        self.geometry.output[0] * self.geometry.output[1]
    }

    fn channels_at_once(&self) -> usize {
        TOGETHER
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let ready = self.prepare_input(input);
        for (at, output) in output.chunks_mut(TOGETHER * self.channel_len()).enumerate() {
            self.block(first + at * TOGETHER, &ready, output);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a baseline processor computes is what this one does, but for rounding.
    #[test]
    fn with_and_without_the_processors_extras() {
        for (side, stride) in [(1, 1), (3, 1), (3, 2)] {
            let (input, before) = ([9, 40], side / 2);
            let output = input.map(|size| (size + 2 * before - side) / stride + 1);
            let geometry = ConvGeometry {
                input,
                output,
                kernel: [side; 2],
                stride: [stride; 2],
                dilation: [1; 2],
                before: [before; 2],
            };
            // Six channels: one block that is full, and one that is not.
            let weights: Vec<f32> = (0..6 * 3 * side * side).map(|at| (at % 11) as f32 * 0.1 - 0.5).collect();
            let limits = Limits { least: -1.0, most: 1.5 };
            let dense = Dense::new(geometry, &weights, vec![0.25; 6], limits).expect("sizes that fit");
            let picture: Vec<f32> = (0..3 * 9 * 40).map(|at| (at * 37 % 101) as f32 * 0.02 - 1.0).collect();
            let mut extras = vec![f32::NAN; 6 * dense.channel_len()];
            dense.run(0, &picture, &mut extras);
            let ready = dense.prepare_input(&picture);
            let mut baseline = vec![0.0; TOGETHER * dense.channel_len()];
            dense.block_as::<false>(0, &ready, &mut baseline);
            for (&one, &other) in extras.iter().zip(&baseline) {
                assert!((one - other).abs() < 1e-5, "{side}, {stride}: {one} and {other}");
            }
            // Part of the channels is the same as all of them, to the bit.
            let mut rest = vec![0.0; 2 * dense.channel_len()];
            dense.run(TOGETHER, &picture, &mut rest);
            assert_eq!(rest, extras[TOGETHER * dense.channel_len()..]);
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let geometry = ConvGeometry {
            input: [8, 32],
            output: [8, 32],
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            before: [1, 1],
        };
        let new =
            |geometry, weights: usize| Dense::new(geometry, &vec![0.0; weights], vec![0.0; 2], Limits::NONE);
        assert!(new(geometry, 36).is_some());
        assert!(new(geometry, 35).is_none());
        assert!(new(geometry, 0).is_none());
        assert!(new(ConvGeometry { output: [8, 15], ..geometry }, 36).is_none(), "left to the engine");
        assert!(Dense::new(geometry, &[], Vec::new(), Limits::NONE).is_none());
    }
}
