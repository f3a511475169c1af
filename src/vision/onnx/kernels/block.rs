//! A block of convolutions computed together, some rows at a time: one that makes channels, a depthwise one,
//! one of one by one, and a sum with what went in.
//!
//! MobileNetV2 is made of such blocks (inverted residuals; Sandler et al., 2018, figure 3 and §5.1, which
//! also says that they need never be in memory whole). Of the many channels between the first and the last
//! convolution only the rows exist that the depthwise one is just looking at, in a ring: they stay in the
//! cache. All pictures here are in the order row, column, channel.

use std::cell::RefCell;
use std::ops::Range;

use super::depthwise_rows::{DepthwiseRows, MOST_ROWS};
use super::layout::ConvGeometry;
use super::product::{Pixels, Product};
use super::vector::Instructions;

/// Pixels from which on a product is not computed any faster by having more of them.
const ENOUGH_PIXELS: usize = 48;

/// What makes the channels that a block begins with.
#[derive(Debug, Clone)]
pub enum First {
    /// Nothing: they are what goes in.
    Input,
    /// A convolution of one by one.
    Product(Product),
    /// A convolution of few channels, as a product: the numbers that a pixel's kernel sees, tap after tap of
    /// every channel, are gathered first. This picture is in the order channel, row, column.
    Gathered(ConvGeometry, Product),
}

/// Convolutions one behind the other.
#[derive(Debug, Clone)]
pub struct Block {
    first: First,
    depthwise: Option<DepthwiseRows>,
    last: Option<Product>,
    /// Rows and columns that come out.
    output: [usize; 2],
}

thread_local! {
    /// Rows between the convolutions: kept, for fresh memory costs more than what is done with it.
    static ROOM: RefCell<[Vec<f32>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

impl Block {
    /// One of a depthwise convolution and what is before and behind it. `None` if they do not fit together.
    pub fn new(first: First, depthwise: DepthwiseRows, last: Option<Product>) -> Option<Block> {
        let ConvGeometry { input: plane, output, .. } = *depthwise.geometry();
        let channels = depthwise.channels();
        let fits = match &first {
            First::Input => true,
            First::Product(product) => product.output_channels() == channels,
            First::Gathered(geometry, product) => {
                let taps = geometry.kernel[0] * geometry.kernel[1];
                let fits = geometry.output == plane && product.output_channels() == channels;
                fits && taps > 0 && product.input_channels() % taps == 0
            }
        };
        let fits = fits && last.as_ref().is_none_or(|last| last.input_channels() == channels);
        fits.then_some(Block { first, depthwise: Some(depthwise), last, output })
    }

    /// One of a product alone, of pictures of these rows and columns.
    pub fn product_only(product: Product, plane: [usize; 2]) -> Block {
        Block { first: First::Product(product), depthwise: None, last: None, output: plane }
    }

    /// Channels that go in.
    pub fn input_channels(&self) -> usize {
        match (&self.first, &self.depthwise) {
            (First::Product(product), _) => product.input_channels(),
            (First::Gathered(geometry, product), _) => {
                product.input_channels() / (geometry.kernel[0] * geometry.kernel[1])
            }
            (First::Input, depthwise) => depthwise.as_ref().map_or(0, DepthwiseRows::channels),
        }
    }

    /// Rows, columns and channels that come out.
    pub fn output_shape(&self) -> [usize; 3] {
        let channels = match (&self.last, &self.depthwise, &self.first) {
            (Some(product), _, _) => product.output_channels(),
            (None, Some(depthwise), _) => depthwise.channels(),
            (None, None, First::Product(product) | First::Gathered(_, product)) => product.output_channels(),
            (None, None, First::Input) => 0,
        };
        [self.output[0], self.output[1], channels]
    }

    /// Whether what comes out is that of a product.
    pub fn is_product_last(&self) -> bool {
        self.last.is_some() || self.depthwise.is_none()
    }

    /// Whether the picture that goes in is in the order channel, row, column.
    pub fn takes_planar_input(&self) -> bool {
        matches!(self.first, First::Gathered(..))
    }

    /// Makes these rows of the output out of the whole `input`. `added`, the same rows of a picture like the
    /// output, is added to them.
    pub fn run(
        &self,
        instructions: Instructions,
        rows: Range<usize>,
        input: &[f32],
        added: Option<&[f32]>,
        output: &mut [f32],
    ) {
        let [_, width, channels] = self.output_shape();
        match (&self.first, &self.depthwise) {
            (_, Some(depthwise)) => ROOM.with_borrow_mut(|room| {
                self.run_rows(depthwise, instructions, rows, input, added, output, room);
            }),
            (First::Product(product), None) => {
                let from = Pixels {
                    rows: &[rows.start * width * product.input_channels()],
                    step: product.input_channels(),
                };
                let to = Pixels { rows: &[0], step: channels };
                product.run(instructions, rows.len() * width, (input, from), added, (output, to));
            }
            (First::Input | First::Gathered(..), None) => {}
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of run's one call")]
    fn run_rows(
        &self,
        depthwise: &DepthwiseRows,
        instructions: Instructions,
        rows: Range<usize>,
        input: &[f32],
        added: Option<&[f32]>,
        output: &mut [f32],
        [ring, gathered, between]: &mut [Vec<f32>; 3],
    ) {
        let ConvGeometry { input: [height, in_width], output: [_, width], kernel, stride, before, .. } =
            *depthwise.geometry();
        let [_, _, channels] = self.output_shape();
        let step = depthwise.pixel_stride();
        let together = (ENOUGH_PIXELS / width).clamp(1, rows.len().max(1));
        // A ring of rows with zeros at both ends, and a row of zeros behind it.
        let ring_rows = (together - 1) * stride[0] + kernel[0];
        let row_len = depthwise.row_pixels() * step;
        ring.clear();
        ring.resize((ring_rows + 1) * row_len, 0.0);
        between.resize(between.len().max(together * width * step), 0.0);
        let mut made = (rows.start * stride[0]).saturating_sub(before[0]);
        let mut places = Vec::with_capacity(ring_rows);
        let mut begin = rows.start;
        while begin < rows.end {
            let end = (begin + together).min(rows.end);
            let needed = ((end - 1) * stride[0] + kernel[0]).saturating_sub(before[0]).min(height);
            if made < needed {
                places.clear();
                places.extend((made..needed).map(|y| y % ring_rows * row_len + before[1] * step));
                self.prepare_rows(instructions, made..needed, in_width, input, gathered, ring, &places, step);
                made = needed;
            }
            for y in begin..end {
                let place = |down: usize| match (y * stride[0] + down).checked_sub(before[0]) {
                    Some(y) if y < height => y % ring_rows * row_len,
                    _ => ring_rows * row_len,
                };
                let seen: [usize; MOST_ROWS] = std::array::from_fn(place);
                let seen = &seen[..kernel[0]];
                if self.last.is_some() {
                    let line = &mut between[(y - begin) * width * step..];
                    depthwise.run(instructions, ring, seen, line, step);
                } else {
                    let line = &mut output[(y - rows.start) * width * channels..][..width * channels];
                    depthwise.run(instructions, ring, seen, line, channels);
                }
            }
            if let Some(last) = &self.last {
                let place = (begin - rows.start) * width * channels;
                let len = (end - begin) * width * channels;
                let to = Pixels { rows: &[0], step: channels };
                let from = Pixels { rows: &[0], step };
                let added = added.map(|added| &added[place..][..len]);
                let output = (&mut output[place..][..len], to);
                last.run(instructions, (end - begin) * width, (between, from), added, output);
            }
            begin = end;
        }
    }

    /// Makes rows of what the depthwise convolution sees, `width` pixels each, at these places of the ring.
    #[expect(clippy::too_many_arguments, reason = "the parts of run_rows' one call")]
    fn prepare_rows(
        &self,
        instructions: Instructions,
        rows: Range<usize>,
        width: usize,
        input: &[f32],
        gathered: &mut Vec<f32>,
        ring: &mut [f32],
        places: &[usize],
        step: usize,
    ) {
        let to = Pixels { rows: places, step };
        match &self.first {
            First::Input => {
                let channels = self.input_channels();
                let pixels = input.chunks_exact(channels).skip(rows.start * width);
                let lines = places.iter().flat_map(|place| (0..width).map(move |x| place + x * step));
                for (pixel, place) in pixels.zip(lines) {
                    ring[place..][..channels].copy_from_slice(pixel);
                }
            }
            First::Product(product) => {
                let takes = product.input_channels();
                let lines: Vec<usize> = rows.map(|y| y * width * takes).collect();
                let from = Pixels { rows: &lines, step: takes };
                product.run(instructions, width, (input, from), None, (ring, to));
            }
            First::Gathered(geometry, product) => {
                let takes = product.input_channels();
                gathered.clear();
                gathered.resize(rows.len() * width * takes, 0.0);
                for (y, line) in rows.clone().zip(gathered.chunks_exact_mut(width * takes)) {
                    gather_row(geometry, input, y, takes, line);
                }
                let lines: Vec<usize> = (0..rows.len()).map(|y| y * width * takes).collect();
                let from = Pixels { rows: &lines, step: takes };
                product.run(instructions, width, (gathered, from), None, (ring, to));
            }
        }
    }
}

/// Gathers what the kernels of the pixels of row `y` see, `takes` numbers each: channel after channel, in
/// each row by row. `line` must hold zeros.
fn gather_row(geometry: &ConvGeometry, input: &[f32], y: usize, takes: usize, line: &mut [f32]) {
    let ConvGeometry { input: [height, width], kernel, stride, dilation, before, .. } = *geometry;
    for tap in 0..takes {
        let (channel, at) = (tap / (kernel[0] * kernel[1]), tap % (kernel[0] * kernel[1]));
        let (down, right) = (at / kernel[1] * dilation[0], at % kernel[1] * dilation[1]);
        let Some(row) = (y * stride[0] + down).checked_sub(before[0]).filter(|&row| row < height) else {
            continue;
        };
        let row = &input[(channel * height + row) * width..][..width];
        let skipped = before[1].saturating_sub(right).div_ceil(stride[1]);
        let pixels = line.iter_mut().skip(tap).step_by(takes).skip(skipped);
        let first = (skipped * stride[1] + right).saturating_sub(before[1]);
        for (place, &value) in pixels.zip(row.iter().skip(first).step_by(stride[1])) {
            *place = value;
        }
    }
}

/// Writes a matrix of `columns` columns with rows and columns exchanged: planes of channels become pixels
/// with all their channels together, and the other way round.
pub fn exchange(columns: usize, input: &[f32], output: &mut [f32]) {
    /// Of a square of so many numbers each way both sides stay in the cache.
    const SIDE: usize = 16;
    let Some(rows) = input.len().checked_div(columns) else { return };
    for top in (0..rows).step_by(SIDE) {
        for left in (0..columns).step_by(SIDE) {
            for column in left..(left + SIDE).min(columns) {
                let end = (top + SIDE).min(rows);
                for (row, place) in (top..end).zip(&mut output[column * rows + top..column * rows + end]) {
                    *place = input[row * columns + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::onnx::kernels::layout::Limits;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
    }

    /// A depthwise convolution of a picture in the order row, column, channel, as it is written in books.
    fn plainly(
        geometry: &ConvGeometry,
        channels: usize,
        weights: &[f32],
        bias: &[f32],
        input: &[f32],
    ) -> Vec<f32> {
        let [height, width] = geometry.output;
        let places = (0..height * width * channels).map(|at| (at / channels, at % channels));
        let sum = |(pixel, channel): (usize, usize)| {
            let mut sum = f64::from(bias[channel]);
            for (tap, &weight) in weights[channel * geometry.kernel[0] * geometry.kernel[1]..]
                .iter()
                .enumerate()
                .take(geometry.kernel[0] * geometry.kernel[1])
            {
                let at = [pixel / width, pixel % width];
                let tap = [tap / geometry.kernel[1], tap % geometry.kernel[1]];
                let [Some(y), Some(x)] = [0, 1].map(|axis| {
                    (at[axis] * geometry.stride[axis] + tap[axis])
                        .checked_sub(geometry.before[axis])
                        .filter(|&place| place < geometry.input[axis])
                }) else {
                    continue;
                };
                sum += f64::from(weight) * f64::from(input[(y * geometry.input[1] + x) * channels + channel]);
            }
            sum as f32
        };
        places.map(sum).collect()
    }

    /// With every kind of vector that this processor has, every size, and also some rows alone.
    #[test]
    fn every_vector_computes_what_the_books_say() {
        for (side, stride, channels, size) in [
            (3, 1, 40, [9, 14]),
            (3, 2, 16, [12, 7]),
            (5, 1, 7, [6, 5]),
            (2, 3, 33, [10, 11]),
            (3, 1, 24, [1, 1]),
        ] {
            let before = side / 2;
            let output = size.map(|size| (size + 2 * before - side) / stride + 1);
            let geometry = ConvGeometry {
                input: size,
                output,
                kernel: [side; 2],
                stride: [stride; 2],
                dilation: [1; 2],
                before: [before; 2],
            };
            let (weights, bias) = (numbers(channels * side * side, 1), numbers(channels, 2));
            let (expand, project) = (numbers(channels * 6, 3), numbers(channels * 21, 4));
            let limits = Limits { least: -0.5, most: 0.75 };
            let depthwise =
                DepthwiseRows::new(geometry, &weights, &bias, Limits::NONE).expect("sizes that fit");
            let first = Product::new(&expand, &bias, limits).expect("sizes that fit");
            let last = Product::new(&project, &numbers(21, 5), Limits::NONE).expect("sizes that fit");
            let block = Block::new(First::Product(first), depthwise, Some(last)).expect("parts that fit");
            let (picture, added) =
                (numbers(size[0] * size[1] * 6, 6), numbers(output[0] * output[1] * 21, 7));

            let product = |input: &[f32], weights: &[f32], bias: &[f32], limits: Limits| -> Vec<f32> {
                let takes = weights.len() / bias.len();
                let sum = |pixel: &[f32], at: usize| {
                    let terms = pixel.iter().zip(&weights[at * takes..]).map(|(a, b)| f64::from(a * b));
                    limits.clamp([(f64::from(bias[at]) + terms.sum::<f64>()) as f32])[0]
                };
                input.chunks(takes).flat_map(|pixel| (0..bias.len()).map(move |at| sum(pixel, at))).collect()
            };
            let wide = product(&picture, &expand, &bias, limits);
            let wide = plainly(&geometry, channels, &weights, &bias, &wide);
            let mut expected = product(&wide, &project, &numbers(21, 5), Limits::NONE);
            expected.iter_mut().zip(&added).for_each(|(value, more)| *value += more);

            for instructions in Instructions::available() {
                let mut given = vec![f32::NAN; expected.len()];
                block.run(instructions, 0..output[0], &picture, Some(&added), &mut given);
                for (given, expected) in given.iter().zip(&expected) {
                    let error = (given - expected).abs();
                    assert!(error < 1e-4, "{instructions:?} {side} {stride}: {given}, truly {expected}");
                }
                let rows = output[0] / 3..output[0] / 2;
                let part = rows.start * output[1] * 21..rows.end * output[1] * 21;
                let mut alone = vec![f32::NAN; part.len()];
                block.run(instructions, rows, &picture, Some(&added[part.clone()]), &mut alone);
                assert_eq!(alone, given[part], "rows alone");
            }
        }
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let geometry = ConvGeometry {
            input: [4, 4],
            output: [4, 4],
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            before: [1, 1],
        };
        let depthwise =
            |geometry, weights| DepthwiseRows::new(geometry, &vec![0.0; weights], &[0.0; 2], Limits::NONE);
        assert!(depthwise(geometry, 17).is_none());
        assert!(depthwise(ConvGeometry { dilation: [2, 1], ..geometry }, 18).is_none());
        assert!(depthwise(ConvGeometry { output: [usize::MAX, 4], ..geometry }, 18).is_none());
        let depthwise = depthwise(geometry, 18).expect("sizes that fit");
        let product =
            |takes: usize, gives| Product::new(&vec![0.0; takes * gives], &vec![0.0; gives], Limits::NONE);
        assert!(Product::new(&[0.0; 7], &[0.0; 2], Limits::NONE).is_none());
        assert!(Product::new(&[], &[], Limits::NONE).is_none());
        assert!(Block::new(First::Input, depthwise.clone(), product(3, 1)).is_none());
        let first = First::Product(product(3, 1).expect("sizes that fit"));
        assert!(Block::new(first, depthwise.clone(), None).is_none());
        assert!(Block::new(First::Input, depthwise, product(2, 1)).is_some());
    }

    #[test]
    fn rows_and_columns_are_exchanged_and_back() {
        let input = numbers(19 * 35, 1);
        let (mut once, mut twice) = (vec![0.0; 19 * 35], vec![0.0; 19 * 35]);
        exchange(35, &input, &mut once);
        assert_eq!(once[3 * 19 + 2], input[2 * 35 + 3]);
        exchange(19, &once, &mut twice);
        assert_eq!(twice, input);
    }
}
