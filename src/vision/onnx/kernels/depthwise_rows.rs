//! Depthwise convolution of pictures in the order row, column, channel, a row at a time: what stands in the middle
//! of a [`Block`](super::block::Block). Some channels of a pixel are one vector.

use super::layout::{ConvGeometry, Limits};
use super::product::{BLOCK, Lanes, blocks_of};
use super::vector::{Instructions, Vector, compiled_for};

/// The most rows of a depthwise kernel.
pub const MOST_ROWS: usize = 8;

/// A depthwise convolution with its weights: the sum, plus the bias, within limits.
#[derive(Debug, Clone)]
pub struct DepthwiseRows {
    geometry: ConvGeometry,
    /// For every block of channels, tap after tap.
    weights: Vec<Lanes>,
    /// For every block of channels.
    bias: Vec<Lanes>,
    limits: Limits,
    channels: usize,
}

impl DepthwiseRows {
    /// One with as many channels as `bias` has numbers; `weights` are kernel after kernel, row by row. `None`
    /// if the sizes do not fit together or the kernel is dilated or too high.
    pub fn new(
        geometry: ConvGeometry,
        weights: &[f32],
        bias: &[f32],
        limits: Limits,
    ) -> Option<DepthwiseRows> {
        let ConvGeometry { input, output, kernel, stride, dilation, before } = geometry;
        let taps = kernel[0].checked_mul(kernel[1])?;
        let some = [input, output, kernel, stride].iter().flatten().all(|&size| size > 0);
        // Every window begins in the picture or in the zeros before it.
        let reaches =
            (0..2).all(|axis| (output[axis] - 1).saturating_mul(stride[axis]) < input[axis] + before[axis]);
        let plain = dilation == [1, 1] && kernel[0] <= MOST_ROWS;
        let fits = some && plain && reaches && Some(weights.len()) == taps.checked_mul(bias.len());
        fits.then(|| DepthwiseRows {
            geometry,
            weights: blocks_of(bias.len(), taps, |channel, tap| weights[channel * taps + tap]),
            bias: blocks_of(bias.len(), 1, |channel, _| bias[channel]),
            limits,
            channels: bias.len(),
        })
    }

    /// The sizes.
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// From one pixel to the next where a pixel has room for whole blocks.
    pub(in crate::vision::onnx) fn pixel_stride(&self) -> usize {
        self.bias.len() * BLOCK
    }

    /// Pixels of a row with the zeros before and behind it.
    pub(in crate::vision::onnx) fn row_pixels(&self) -> usize {
        let ConvGeometry { input, output, kernel, stride, before, .. } = self.geometry;
        (before[1] + input[1]).max((output[1] - 1) * stride[1] + kernel[1])
    }

    /// Makes one row. `rows` is where the rows that the kernel sees begin in `input`, `step` from one pixel
    /// of the output to the next; where there is room, the last block is filled up.
    pub(in crate::vision::onnx) fn run(
        &self,
        instructions: Instructions,
        input: &[f32],
        rows: &[usize],
        output: &mut [f32],
        step: usize,
    ) {
        let ConvGeometry { output: [_, width], kernel, .. } = self.geometry;
        let room = step.min(self.pixel_stride());
        assert!(rows.len() == kernel[0] && step >= self.channels);
        assert!(rows.iter().all(|row| row + self.row_pixels() * self.pixel_stride() <= input.len()));
        assert!((width - 1) * step + room <= output.len());
        let call = RowCall { depthwise: self, input, rows, output: output.as_mut_ptr(), step, room };
        // SAFETY: The processor has the instructions (`Instructions` is made only of those it has), and
        // all pixels lie within the numbers given, as was asserted.
        unsafe { compiled_for!(instructions, depthwise_row(call: RowCall<'_>)) }
    }
}

/// One call of [`DepthwiseRows::run`].
struct RowCall<'a> {
    depthwise: &'a DepthwiseRows,
    input: &'a [f32],
    rows: &'a [usize],
    output: *mut f32,
    step: usize,
    room: usize,
}

/// # Safety
/// The processor must have the vector's instructions, and all rows must lie within the numbers of the call.
#[inline(always)]
unsafe fn depthwise_row<V: Vector, const B: usize>(call: RowCall<'_>) {
    let ConvGeometry { kernel, stride, .. } = call.depthwise.geometry;
    // SAFETY: The caller's promise; the side is the kernel's.
    unsafe {
        match (kernel, stride[1]) {
            ([3, 3], 1) => row_sized::<V, 3>(&call, 1),
            ([3, 3], 2) => row_sized::<V, 3>(&call, 2),
            _ => row_of_any::<V>(&call),
        }
    }
}

/// A square kernel of `SIDE`, whose weights stay in the registers.
///
/// # Safety
/// As [`depthwise_row`]; the kernel must be of that side, and that be its stride to the right.
#[inline(always)]
unsafe fn row_sized<V: Vector, const SIDE: usize>(call: &RowCall<'_>, stride: usize) {
    let depthwise = call.depthwise;
    let step = depthwise.pixel_stride();
    for channel in (0..call.room).step_by(V::LANES) {
        let (block, lane) = (channel / BLOCK, channel % BLOCK);
        // SAFETY: The block and its taps are there; a row has room for all taps of all pixels.
        unsafe {
            let weights = depthwise.weights.as_ptr().add(block * SIDE * SIDE).cast::<f32>().add(lane);
            let bias = V::load(depthwise.bias.as_ptr().add(block).cast::<f32>().add(lane));
            let weights: [[V; SIDE]; SIDE] = std::array::from_fn(|down| {
                std::array::from_fn(|right| V::load(weights.add((down * SIDE + right) * BLOCK)))
            });
            let rows: [*const f32; SIDE] =
                std::array::from_fn(|down| call.input.as_ptr().add(call.rows[down] + channel));
            let (least, most) = (V::splat(depthwise.limits.least), V::splat(depthwise.limits.most));
            for x in 0..depthwise.geometry.output[1] {
                let mut sum = bias;
                for (row, weights) in rows.iter().zip(&weights) {
                    for (right, weight) in weights.iter().enumerate() {
                        sum = V::load(row.add((x * stride + right) * step)).times_add(*weight, sum);
                    }
                }
                write(call, x, channel, sum.hold(least, most));
            }
        }
    }
}

/// A kernel of any size.
///
/// # Safety
/// As [`depthwise_row`].
#[inline(always)]
unsafe fn row_of_any<V: Vector>(call: &RowCall<'_>) {
    let depthwise = call.depthwise;
    let ConvGeometry { output, kernel, stride, .. } = depthwise.geometry;
    let step = depthwise.pixel_stride();
    for channel in (0..call.room).step_by(V::LANES) {
        let (block, lane) = (channel / BLOCK, channel % BLOCK);
        // SAFETY: The block and its taps are there; a row has room for all taps of all pixels.
        unsafe {
            let weights =
                depthwise.weights.as_ptr().add(block * kernel[0] * kernel[1]).cast::<f32>().add(lane);
            let bias = V::load(depthwise.bias.as_ptr().add(block).cast::<f32>().add(lane));
            let (least, most) = (V::splat(depthwise.limits.least), V::splat(depthwise.limits.most));
            for x in 0..output[1] {
                let mut sum = bias;
                for (down, &row) in call.rows.iter().enumerate() {
                    let row = call.input.as_ptr().add(row + channel + x * stride[1] * step);
                    for right in 0..kernel[1] {
                        let weight = V::load(weights.add((down * kernel[1] + right) * BLOCK));
                        sum = V::load(row.add(right * step)).times_add(weight, sum);
                    }
                }
                write(call, x, channel, sum.hold(least, most));
            }
        }
    }
}

/// Writes a vector of channels of the pixel `x`, as far as there is room.
///
/// # Safety
/// As [`depthwise_row`].
#[inline(always)]
unsafe fn write<V: Vector>(call: &RowCall<'_>, x: usize, channel: usize, sum: V) {
    let room = (call.room - channel).min(V::LANES);
    // SAFETY: The pixel has this much room.
    unsafe {
        let place = call.output.add(x * call.step + channel);
        if room == V::LANES {
            sum.store(place);
        } else {
            let mut numbers = [0.0; BLOCK];
            sum.store(numbers.as_mut_ptr());
            place.copy_from_nonoverlapping(numbers.as_ptr(), room);
        }
    }
}
