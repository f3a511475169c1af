//! A convolution of one by one: every pixel's channels times a matrix of weights.
//!
//! Pixels lie one after the other with all their channels together, so the picture is a matrix as it is:
//! nothing is packed. The weights are brought into blocks of [`BLOCK`] channels once, at load. The sums of
//! some pixels and one or two blocks stay in the registers while all channels that go in are gone through:
//! one number of the picture is multiplied with a vector of weights (the outer product scheme of Goto and
//! van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008).
//!
//! A pixel's sum goes through the channels in order, beginning with the bias, whatever pixels are computed
//! with it: the answer does not depend on how the picture is shared among threads.

use super::layout::Limits;
use super::vector::{Instructions, Vector, compiled_for};

/// Channels of a block of weights.
pub const BLOCK: usize = 16;

/// The weights of a block of channels for one channel that goes in.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Lanes(pub [f32; BLOCK]);

/// Brings numbers of channels into blocks: for every block, for each of `count`, the numbers that
/// `number_of(channel, at)` gives; 0 beyond the last channel.
pub fn blocks_of(channels: usize, count: usize, number_of: impl Fn(usize, usize) -> f32) -> Vec<Lanes> {
    let number = |channel, at| if channel < channels { number_of(channel, at) } else { 0.0 };
    (0..channels.div_ceil(BLOCK))
        .flat_map(|block| (0..count).map(move |at| (block * BLOCK, at)))
        .map(|(first, at)| Lanes(std::array::from_fn(|lane| number(first + lane, at))))
        .collect()
}

/// A convolution of one by one with its weights: the sum, plus the bias, within limits.
#[derive(Debug, Clone)]
pub struct Product {
    /// For every block of channels, for every channel that goes in.
    weights: Vec<Lanes>,
    /// For every block of channels.
    bias: Vec<Lanes>,
    limits: Limits,
    /// Channels that go in.
    takes: usize,
    /// Channels that come out.
    gives: usize,
}

/// Where pixels are.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a> {
    /// Where each row begins.
    pub rows: &'a [usize],
    /// From one pixel to the next.
    pub step: usize,
}

/// One call of [`Product::run`].
struct Call<'a> {
    product: &'a Product,
    pixels: usize,
    input: &'a [f32],
    from: Pixels<'a>,
    added: Option<&'a [f32]>,
    output: *mut f32,
    to: Pixels<'a>,
    room: usize,
}

impl Product {
    /// One with as many channels as `bias` has numbers. `weights` are in the order channel that comes out,
    /// channel that goes in. `None` if the sizes do not fit together.
    pub fn new(weights: &[f32], bias: &[f32], limits: Limits) -> Option<Product> {
        let (gives, takes) = (bias.len(), weights.len().checked_div(bias.len())?);
        let fits = takes > 0 && takes * gives == weights.len();
        fits.then(|| Product {
            weights: blocks_of(gives, takes, |channel, at| weights[channel * takes + at]),
            bias: blocks_of(gives, 1, |channel, _| bias[channel]),
            limits,
            takes,
            gives,
        })
    }

    /// Channels that go in.
    pub fn input_channels(&self) -> usize {
        self.takes
    }

    /// Channels that come out.
    pub fn output_channels(&self) -> usize {
        self.gives
    }

    /// Computes `pixels` pixels of every row of `from`, and writes them to the same row of `to`. `added`
    /// is added to the outcome; it is laid out as the output. Where a pixel of the output has room for it,
    /// its last block of channels is filled up with what is nobody's.
    ///
    /// # Panics
    /// If the rows reach beyond the numbers given.
    pub fn run(
        &self,
        instructions: Instructions,
        pixels: usize,
        (input, from): (&[f32], Pixels<'_>),
        added: Option<&[f32]>,
        (output, to): (&mut [f32], Pixels<'_>),
    ) {
        let room = to.step.min(self.gives.next_multiple_of(BLOCK));
        let fits = |numbers: usize, place: Pixels<'_>, channels: usize| {
            let longest = (pixels - 1) * place.step + channels;
            place.step >= channels && place.rows.iter().all(|row| row + longest <= numbers)
        };
        if pixels == 0 {
            return;
        }
        assert!(from.rows.len() == to.rows.len() && fits(input.len(), from, self.takes));
        assert!(fits(output.len(), to, room) && to.step >= self.gives);
        assert!(added.is_none_or(|added| added.len() >= output.len()));
        let output = output.as_mut_ptr();
        let call = Call { product: self, pixels, input, from, added, output, to, room };
        // SAFETY: The processor has the instructions (`Instructions` is made only of those it has), and
        // all pixels lie within the numbers given, as was asserted.
        unsafe { compiled_for!(instructions, all_blocks(call: Call<'_>)) }
    }
}

/// Goes through all blocks of channels, for each through all pixels: its weights stay in the cache.
///
/// # Safety
/// The processor must have the vector's instructions, and all pixels of the call must lie within its numbers.
#[inline(always)]
unsafe fn all_blocks<V: Vector, const B: usize>(call: Call<'_>) {
    let together = (B * V::LANES / BLOCK).max(1);
    let blocks = call.product.bias.len();
    let mut block = 0;
    while block < blocks {
        // SAFETY: The caller's promise; the blocks are there.
        unsafe {
            if block + together <= blocks {
                all_pixels::<V, B>(&call, block);
                block += together;
            } else {
                all_pixels::<V, 1>(&call, block);
                block += 1;
            }
        }
    }
}

/// # Safety
/// As [`all_blocks`]; the `B` vectors from `block` on must be there.
#[inline(always)]
unsafe fn all_pixels<V: Vector, const B: usize>(call: &Call<'_>, block: usize) {
    let tiles = call.pixels.div_ceil(V::PIXELS);
    for (&from, &to) in call.from.rows.iter().zip(call.to.rows) {
        let mut at = 0;
        for left in (1..=tiles).rev() {
            let count = (call.pixels - at).div_ceil(left);
            let (from, to) = (from + at * call.from.step, to + at * call.to.step);
            macro_rules! counts {
                ($($count:literal)*) => {
                    match count {
                        // SAFETY: The caller's promise: `count` pixels are there.
                        $($count if $count <= V::PIXELS => unsafe { tile::<V, $count, B>(call, block, from, to) },)*
                        _ => {}
                    }
                };
            }
            counts!(1 2 3 4 5 6 7 8 9 10 11 12);
            at += count;
        }
    }
}

/// Makes `B` vectors of channels of `P` pixels.
///
/// # Safety
/// As [`all_pixels`], from the places `from` and `to` on.
#[inline(always)]
unsafe fn tile<V: Vector, const P: usize, const B: usize>(
    call: &Call<'_>,
    block: usize,
    from: usize,
    to: usize,
) {
    let Call { product, input, .. } = call;
    let takes = product.takes;
    // SAFETY: The blocks from `block` on are there; vector `at` is the part of one that begins at its lane.
    // The pixels from `from` and `to` on are there. What is written is within the room of a pixel.
    unsafe {
        let weights = product.weights.as_ptr().add(block * takes).cast::<f32>();
        let bias = product.bias.as_ptr().add(block).cast::<f32>();
        let mut sums: [[V; B]; P] = [std::array::from_fn(|at| V::load(bias.add(at * V::LANES))); P];
        let place: [usize; B] =
            std::array::from_fn(|at| at * V::LANES / BLOCK * takes * BLOCK + at * V::LANES % BLOCK);
        let pixels: [*const f32; P] =
            std::array::from_fn(|pixel| input.as_ptr().add(from + pixel * call.from.step));
        for channel in 0..takes {
            let weights: [V; B] = std::array::from_fn(|at| V::load(weights.add(place[at] + channel * BLOCK)));
            for (sums, pixel) in sums.iter_mut().zip(&pixels) {
                let value = V::splat(*pixel.add(channel));
                for (sum, weight) in sums.iter_mut().zip(&weights) {
                    *sum = value.times_add(*weight, *sum);
                }
            }
        }
        let (least, most) = (V::splat(product.limits.least), V::splat(product.limits.most));
        for (pixel, sums) in sums.iter().enumerate() {
            for (at, sum) in sums.iter().enumerate() {
                let channel = block * BLOCK + at * V::LANES;
                let place = to + pixel * call.to.step + channel;
                let room = call.room.saturating_sub(channel).min(V::LANES);
                let held = sum.hold(least, most);
                if room == V::LANES {
                    let held = match call.added {
                        Some(added) => held.plus(V::load(added.as_ptr().add(place))),
                        None => held,
                    };
                    held.store(call.output.add(place));
                } else {
                    let mut numbers = [0.0; BLOCK];
                    held.store(numbers.as_mut_ptr());
                    for (lane, number) in numbers[..room].iter().enumerate() {
                        let more = call.added.map_or(0.0, |added| *added.as_ptr().add(place + lane));
                        *call.output.add(place + lane) = number + more;
                    }
                }
            }
        }
    }
}
