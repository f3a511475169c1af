//! What the engine lets us compute by ourselves: one trait, and the two smallest kernels.
//!
//! A kernel makes channels out of channels, each a plane of rows and columns, and any range of what it
//! makes can be asked for alone: that is how threads share the work. A channel comes out the same, bit by
//! bit, whoever computes it.

/// Computes the channels of a picture.
pub trait Kernel: std::fmt::Debug + Send + Sync {
    /// What it is, for messages.
    fn name(&self) -> &'static str;

    /// Numbers in one channel that it makes.
    fn channel_len(&self) -> usize;

    /// Channels that are made together: a range that is asked for begins at a multiple of it.
    fn channels_at_once(&self) -> usize {
        1
    }

    /// Makes the channels from `first` on, as many as `output` has room for, out of the whole `input`.
    /// What is in neither is left as it is.
    fn run(&self, first: usize, input: &[f32], output: &mut [f32]);
}

/// Enlarges by whole factors: every number is repeated to the right and downwards.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// Rows and columns of a channel that goes in.
    pub input: [usize; 2],
    /// How often rows and columns are repeated.
    pub factor: [usize; 2],
}

impl Kernel for Repeat {
    fn name(&self) -> &'static str {
        "Repeat"
    }

    fn channel_len(&self) -> usize {
        self.input[0] * self.factor[0] * self.input[1] * self.factor[1]
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let width = self.input[1] * self.factor[1];
        let rows = input.chunks_exact(self.input[1]).skip(first * self.input[0]);
        for (row, repeated) in rows.zip(output.chunks_exact_mut(width * self.factor[0])) {
            let (line, others) = repeated.split_at_mut(width);
            for (&value, out) in row.iter().zip(line.chunks_exact_mut(self.factor[1])) {
                out.fill(value);
            }
            others.chunks_exact_mut(width).for_each(|other| other.copy_from_slice(line));
        }
    }
}

/// The largest number of a window that moves by single steps: along the rows first, then down the
/// columns, for the largest of a rectangle is the largest of its rows' largest.
#[derive(Debug, Clone)]
pub struct MaxPool {
    /// Rows and columns of a channel that goes in.
    pub input: [usize; 2],
    /// Rows and columns of a channel that comes out.
    pub output: [usize; 2],
    /// Rows and columns of the window.
    pub window: [usize; 2],
    /// Rows and columns that the first window lies outside, above and to the left.
    pub before: [usize; 2],
}

impl Kernel for MaxPool {
    fn name(&self) -> &'static str {
        "MaxPool"
    }

    fn channel_len(&self) -> usize {
        self.output[0] * self.output[1]
    }

    fn run(&self, first: usize, input: &[f32], output: &mut [f32]) {
        let [height, width] = self.input;
        let [out_height, out_width] = self.output;
        // One row with a border that never is the largest, and the largest of all rows' windows.
        let mut line = vec![f32::NEG_INFINITY; (self.before[1] + width).max(out_width + self.window[1] - 1)];
        let mut across = vec![0.0; height * out_width];
        let planes = input.chunks_exact(height * width).skip(first);
        for (plane, output) in planes.zip(output.chunks_exact_mut(out_height * out_width)) {
            for (row, across) in plane.chunks_exact(width).zip(across.chunks_exact_mut(out_width)) {
                line[self.before[1]..][..width].copy_from_slice(row);
                across.copy_from_slice(&line[..out_width]);
                for right in 1..self.window[1] {
                    keep_maximum(across, &line[right..]);
                }
            }
            for (y, row) in output.chunks_exact_mut(out_width).enumerate() {
                row.fill(f32::NEG_INFINITY);
                let begin = y.saturating_sub(self.before[0]);
                let end = (y + self.window[0]).saturating_sub(self.before[0]).min(height);
                for across in across.chunks_exact(out_width).take(end).skip(begin) {
                    keep_maximum(row, across);
                }
            }
        }
    }
}

fn keep_maximum(largest: &mut [f32], values: &[f32]) {
    for (largest, &value) in largest.iter_mut().zip(values) {
        *largest = if value > *largest { value } else { *largest };
    }
}
