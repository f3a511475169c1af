//! Dense convolution of few channels: each output is a sum over all channels of the picture.
//!
//! A matrix product, as the engine does it, copies the picture into an order of its own first. With few
//! channels of many pixels (the first layers) that costs more than the arithmetic. Here four channels
//! are made at a time, sixteen pixels of a row at a time, straight from the picture.
//!
//! [`Expanded`] puts a depthwise convolution behind it without ever having all channels in memory: the
//! widest layers of MobileNetV2 (Sandler et al., 2018) are three times larger than the cache of a core,
//! and writing and reading them again was most of their time.

use super::depthwise::Depthwise;
use super::kernel::Kernel;
use super::layout::{Geometry, Limits, PlaneLayout, add};

/// Channels that are made together.
const TOGETHER: usize = 4;

/// Pixels that are made together. Narrower pictures are left to the engine.
pub const PIXELS: usize = 16;

/// A dense convolution with its weights: the sum, plus the bias, within limits.
#[derive(Debug, Clone)]
pub struct Dense {
    geometry: Geometry,
    /// `None` where the picture can be read as it lies: a kernel of one by one.
    layout: Option<PlaneLayout>,
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
    pub fn new(geometry: Geometry, weights: &[f32], bias: Vec<f32>, limits: Limits) -> Option<Dense> {
        let layout = PlaneLayout::new(geometry)?;
        let count = weights.len().checked_div(bias.len())?;
        let area = geometry.kernel[0] * geometry.kernel[1];
        let channels_in = count / area;
        if count * bias.len() != weights.len() || channels_in * area != count || channels_in == 0 {
            return None;
        }
        let as_it_lies = geometry.kernel == [1, 1] && geometry.stride == [1, 1] && geometry.before == [0, 0];
        let layout = (!as_it_lies || geometry.input != geometry.output).then_some(layout);
        // A kernel of one by one does not see rows: the picture is one long one.
        let (geometry, taps) = match &layout {
            None => {
                let len = geometry.input[0] * geometry.input[1];
                let geometry = Geometry { input: [1, len], output: [1, len], ..geometry };
                (geometry, (0..channels_in).map(|channel| channel * len).collect())
            }
            Some(layout) => {
                let taps = (0..channels_in)
                    .flat_map(|channel| layout.taps().map(move |tap| channel * layout.len() + tap))
                    .collect();
                (geometry, taps)
            }
        };
        if geometry.output[1] < PIXELS {
            return None;
        }
        let packed = (0..bias.len().div_ceil(TOGETHER))
            .flat_map(|block| (0..count).map(move |tap| (block * TOGETHER, tap)))
            .map(|(first, tap)| {
                std::array::from_fn(|at| weights.get((first + at) * count + tap).copied().unwrap_or(0.0))
            })
            .collect();
        Some(Dense { geometry, layout, weights: packed, bias, limits, taps, channels_in })
    }

    /// How many channels come out.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Makes the picture ready to be read: as it lies, or in `room`.
    fn ready<'a>(&self, input: &'a [f32], room: &'a mut Vec<f32>) -> &'a [f32] {
        let Some(layout) = &self.layout else { return input };
        let [height, width] = self.geometry.input;
        room.clear();
        room.resize(layout.len() * self.channels_in, 0.0);
        for (plane, laid_out) in input.chunks_exact(height * width).zip(room.chunks_exact_mut(layout.len())) {
            layout.lay_out(plane, laid_out);
        }
        room
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
        let columns = self.layout.as_ref().map_or(0, PlaneLayout::columns) * self.geometry.stride[0];
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
                        *out = self.limits.hold(sums);
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

    fn together(&self) -> usize {
        TOGETHER
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let mut room = Vec::new();
        let ready = self.ready(input, &mut room);
        for (at, output) in output.chunks_mut(TOGETHER * self.channel_len()).enumerate() {
            self.block(first + at * TOGETHER, ready, output);
        }
    }
}

/// A dense convolution and a depthwise one behind it.
#[derive(Debug, Clone)]
pub struct Expanded {
    dense: Dense,
    depthwise: Depthwise,
}

impl Expanded {
    /// `depthwise` takes what `dense` makes; `None` if their sizes are not the same.
    pub fn new(dense: Dense, depthwise: Depthwise) -> Option<Expanded> {
        let [height, width] = depthwise.geometry().input;
        let same = dense.channels() == depthwise.channels() && dense.channel_len() == height * width;
        same.then_some(Expanded { dense, depthwise })
    }
}

impl Kernel for Expanded {
    fn name(&self) -> &'static str {
        "Expanded"
    }

    fn channel_len(&self) -> usize {
        self.depthwise.channel_len()
    }

    fn together(&self) -> usize {
        TOGETHER
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let mut room = Vec::new();
        let ready = self.dense.ready(input, &mut room);
        let mut between = vec![0.0; TOGETHER * self.dense.channel_len()];
        for (at, output) in output.chunks_mut(TOGETHER * self.channel_len()).enumerate() {
            let first = first + at * TOGETHER;
            let between = &mut between[..output.len() / self.channel_len() * self.dense.channel_len()];
            self.dense.block(first, ready, between);
            self.depthwise.run_part(first, between, output);
        }
    }
}
