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

/// Numbers that are computed together: two vectors of NEON and SSE, one of AVX2.
const LANES: usize = 8;

/// Sizes of one depthwise convolution, in elements. The picture is in the order channel, row, column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Rows and columns of a channel that goes in.
    pub input: [usize; 2],
    /// Rows and columns of a channel that comes out.
    pub output: [usize; 2],
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Steps from one output to the next, down and to the right.
    pub stride: [usize; 2],
    /// Steps from one tap of the kernel to the next, down and to the right.
    pub dilation: [usize; 2],
    /// Zeros above the first row and left of the first column.
    pub before: [usize; 2],
}

/// A depthwise convolution with its weights: the sum, plus the bias, held within `least` and `most`.
#[derive(Debug, Clone)]
pub struct Depthwise {
    geometry: Geometry,
    /// Kernel after kernel, row by row.
    weights: Vec<f32>,
    /// One for each channel.
    bias: Vec<f32>,
    least: f32,
    most: f32,
    /// Where every tap begins to read in the laid-out channel.
    taps: Vec<usize>,
    /// Columns of the laid-out channel, for each of its phases.
    columns: usize,
    /// Rows of the laid-out channel.
    rows: usize,
}

impl Depthwise {
    /// One with as many channels as `bias` has numbers; `None` if the sizes do not fit together.
    pub fn new(
        geometry: Geometry,
        weights: Vec<f32>,
        bias: Vec<f32>,
        least: f32,
        most: f32,
    ) -> Option<Depthwise> {
        let Geometry { input, output, kernel, stride, dilation, before } = geometry;
        let sizes = [input, output, kernel, stride, dilation];
        let taps_of_all = kernel[0].checked_mul(kernel[1])?.checked_mul(bias.len())?;
        if sizes.iter().flatten().any(|&size| size == 0) || weights.len() != taps_of_all {
            return None;
        }
        // Vectors reach beyond the last column; what they find there is computed and thrown away.
        let reach = (kernel[1] - 1) * dilation[1] / stride[1];
        let columns = output[1].next_multiple_of(LANES) + reach;
        let columns = columns.max((input[1] + before[1]).div_ceil(stride[1]));
        let rows =
            ((output[0] - 1) * stride[0] + (kernel[0] - 1) * dilation[0] + 1).max(input[0] + before[0]);
        let taps = (0..kernel[0] * kernel[1])
            .map(|tap| {
                let (down, right) = (tap / kernel[1] * dilation[0], tap % kernel[1] * dilation[1]);
                (right % stride[1] * rows + down) * columns + right / stride[1]
            })
            .collect();
        Some(Depthwise { geometry, weights, bias, least, most, taps, columns, rows })
    }

    /// The sizes.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Computes the channels from `first` on: as many as `output` has room for. `input` holds the same
    /// ones. What is there of neither is left as it is.
    pub fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: The processor has what the function is compiled for: it was asked just now.
            return unsafe { self.run_avx2(first, input, output) };
        }
        // NEON, which every 64-bit ARM has, multiplies and adds in one step.
        #[cfg(target_arch = "aarch64")]
        self.run_as::<true>(first, input, output);
        #[cfg(not(target_arch = "aarch64"))]
        self.run_as::<false>(first, input, output);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, first: usize, input: &[f32], output: &mut [f32]) {
        self.run_as::<true>(first, input, output);
    }

    /// `FUSED`: multiply and add in one instruction, which must exist: without it it is a slow call.
    #[inline(always)]
    fn run_as<const FUSED: bool>(&self, first: usize, input: &[f32], output: &mut [f32]) {
        match self.geometry.kernel {
            [3, 3] => self.run_taps::<9, FUSED>(first, input, output),
            [5, 5] => self.run_taps::<25, FUSED>(first, input, output),
            _ => self.run_taps::<0, FUSED>(first, input, output),
        }
    }

    /// `TAPS`: how many taps the kernel has, if that is known here; else 0.
    #[inline(always)]
    fn run_taps<const TAPS: usize, const FUSED: bool>(
        &self,
        first: usize,
        input: &[f32],
        output: &mut [f32],
    ) {
        let Geometry { input: size, output: out_size, kernel, stride, .. } = self.geometry;
        let count = kernel[0] * kernel[1];
        let mut laid_out = vec![0.0; self.rows * self.columns * stride[1]];
        let channels =
            input.chunks_exact(size[0] * size[1]).zip(output.chunks_exact_mut(out_size[0] * out_size[1]));
        let own = self.weights.chunks_exact(count).zip(&self.bias).skip(first);
        for ((input, output), (weights, &bias)) in channels.zip(own) {
            self.lay_out(input, &mut laid_out);
            for (y, row) in output.chunks_exact_mut(out_size[1]).enumerate() {
                let base = y * stride[0] * self.columns;
                if TAPS == 0 {
                    self.row_of_any::<FUSED>(&laid_out[base..], weights, bias, row);
                } else {
                    self.row::<TAPS, FUSED>(&laid_out[base..], weights, bias, row);
                }
            }
        }
    }

    /// Brings one channel into the order that the taps read.
    #[inline(always)]
    fn lay_out(&self, input: &[f32], laid_out: &mut [f32]) {
        let Geometry { input: size, stride, before, .. } = self.geometry;
        for (y, row) in input.chunks_exact(size[1]).enumerate() {
            let y = y + before[0];
            for phase in 0..stride[1] {
                // The first column of the picture that belongs to this phase, and its place there.
                let skipped = (phase + stride[1] - before[1] % stride[1]) % stride[1];
                let place = (skipped + before[1]) / stride[1];
                let line = &mut laid_out[(phase * self.rows + y) * self.columns..][..self.columns];
                let line = &mut line[place..];
                match stride[1] {
                    1 => line[..size[1]].copy_from_slice(row),
                    2 => {
                        let row = &row[skipped.min(size[1])..];
                        let (pairs, rest) = row.as_chunks::<2>();
                        for (place, pair) in line.iter_mut().zip(pairs) {
                            *place = pair[0];
                        }
                        if let (Some(place), Some(&last)) = (line.get_mut(pairs.len()), rest.first()) {
                            *place = last;
                        }
                    }
                    _ => {
                        let column = row.iter().skip(skipped).step_by(stride[1]);
                        line.iter_mut().zip(column).for_each(|(place, &value)| *place = value);
                    }
                }
            }
        }
    }

    /// One row of the output of a kernel with `TAPS` taps. `from` begins at the first row it reads.
    #[inline(always)]
    fn row<const TAPS: usize, const FUSED: bool>(
        &self,
        from: &[f32],
        weights: &[f32],
        bias: f32,
        row: &mut [f32],
    ) {
        let vectors = row.len().div_ceil(LANES);
        let weights: [f32; TAPS] = std::array::from_fn(|tap| weights[tap]);
        let taps: [&[[f32; LANES]]; TAPS] =
            std::array::from_fn(|tap| from[self.taps[tap]..][..vectors * LANES].as_chunks().0);
        let taps = taps.map(|tap| &tap[..vectors]);
        for (at, out) in row.chunks_mut(LANES).enumerate() {
            let mut sums = [bias; LANES];
            for tap in 0..TAPS {
                add::<FUSED>(&mut sums, weights[tap], &taps[tap][at]);
            }
            self.store(sums, out);
        }
    }

    /// One row of the output of a kernel of any size.
    #[inline(always)]
    fn row_of_any<const FUSED: bool>(&self, from: &[f32], weights: &[f32], bias: f32, row: &mut [f32]) {
        for (at, out) in row.chunks_mut(LANES).enumerate() {
            let mut sums = [bias; LANES];
            for (&weight, tap) in weights.iter().zip(&self.taps) {
                if let Some(values) = from[tap + at * LANES..].first_chunk() {
                    add::<FUSED>(&mut sums, weight, values);
                }
            }
            self.store(sums, out);
        }
    }

    #[inline(always)]
    fn store(&self, mut sums: [f32; LANES], out: &mut [f32]) {
        for sum in &mut sums {
            *sum = sum.max(self.least).min(self.most);
        }
        match out.first_chunk_mut::<LANES>() {
            Some(out) => *out = sums,
            None => out.copy_from_slice(&sums[..out.len()]),
        }
    }
}

#[inline(always)]
fn add<const FUSED: bool>(sums: &mut [f32; LANES], weight: f32, values: &[f32; LANES]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum = if FUSED { value.mul_add(weight, *sum) } else { value * weight + *sum };
    }
}
