//! A channel laid out for a convolution: every tap of the kernel reads consecutive numbers.
//!
//! There is a border of zeros, and for a stride of *s* every *s*-th column is brought together, which
//! makes *s* phases of the channel, one after the other.

/// Numbers that are computed together: two vectors of NEON and SSE, one of AVX2.
pub const LANES: usize = 8;

/// Sizes of a convolution, in elements. The picture is in the order channel, row, column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
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

/// How one channel is laid out.
#[derive(Debug, Clone)]
pub struct PlaneLayout {
    geometry: ConvGeometry,
    /// Columns of every phase. Vectors may reach beyond the last: what they find there is computed and
    /// thrown away.
    columns: usize,
    /// Rows of every phase.
    rows: usize,
}

impl PlaneLayout {
    /// The layout for a convolution; `None` if one of its sizes is 0 or too large to be counted.
    pub fn new(geometry: ConvGeometry) -> Option<PlaneLayout> {
        let ConvGeometry { input, output, kernel, stride, dilation, before } = geometry;
        if [input, output, kernel, stride, dilation].iter().flatten().any(|&size| size == 0) {
            return None;
        }
        let reach = (kernel[1] - 1).checked_mul(dilation[1])? / stride[1];
        let columns = output[1].checked_next_multiple_of(LANES)?.checked_add(reach)?;
        let columns = columns.max(input[1].checked_add(before[1])?.div_ceil(stride[1]));
        let down = (output[0] - 1).checked_mul(stride[0])?;
        let rows = down.checked_add((kernel[0] - 1).checked_mul(dilation[0])?)?.checked_add(1)?;
        let rows = rows.max(input[0].checked_add(before[0])?);
        rows.checked_mul(columns)?.checked_mul(stride[1])?;
        Some(PlaneLayout { geometry, columns, rows })
    }

    /// The sizes it is for.
    pub fn geometry(&self) -> &ConvGeometry {
        &self.geometry
    }

    /// Numbers of a row of a phase.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Numbers of a phase.
    pub fn phase_len(&self) -> usize {
        self.rows * self.columns
    }

    /// Numbers of the channel when it is laid out.
    pub fn len(&self) -> usize {
        self.phase_len() * self.geometry.stride[1]
    }

    /// Never: a channel has numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where every tap of the kernel begins to read, row by row of the kernel.
    pub fn tap_offsets(&self) -> impl Iterator<Item = usize> + use<'_> {
        let ConvGeometry { kernel, stride, dilation, .. } = self.geometry;
        (0..kernel[0] * kernel[1]).map(move |tap| {
            let (down, right) = (tap / kernel[1] * dilation[0], tap % kernel[1] * dilation[1]);
            right % stride[1] * self.phase_len() + down * self.columns + right / stride[1]
        })
    }

    /// Lays a channel out. The border must be zero, which this never changes.
    #[inline(always)]
    pub fn pad_plane(&self, plane: &[f32], laid_out: &mut [f32]) {
        let ConvGeometry { input: size, stride, before, .. } = self.geometry;
        for (y, row) in plane.chunks_exact(size[1]).enumerate() {
            let y = y + before[0];
            for phase in 0..stride[1] {
                // The first column of the picture that belongs to this phase, and its place there.
                let skipped = (phase + stride[1] - before[1] % stride[1]) % stride[1];
                let place = (skipped + before[1]) / stride[1];
                let line = &mut laid_out[phase * self.phase_len() + y * self.columns..][..self.columns];
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
}

/// The least and the most that a number may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// What is less becomes this.
    pub least: f32,
    /// What is more becomes this.
    pub most: f32,
}

impl Limits {
    /// No limits.
    pub const NONE: Limits = Limits { least: f32::NEG_INFINITY, most: f32::INFINITY };

    /// The numbers held within; what is no number stays none.
    #[inline(always)]
    pub fn clamp<const N: usize>(&self, mut values: [f32; N]) -> [f32; N] {
        for value in &mut values {
            *value = if self.least > *value { self.least } else { *value };
            *value = if self.most < *value { self.most } else { *value };
        }
        values
    }
}

/// Adds `values`, each times `weight`. `FUSED`: in one instruction, which must exist: without it it is a
/// slow call.
#[inline(always)]
pub fn add<const N: usize, const FUSED: bool>(sums: &mut [f32; N], weight: f32, values: &[f32; N]) {
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum = if FUSED { value.mul_add(weight, *sum) } else { value * weight + *sum };
    }
}
