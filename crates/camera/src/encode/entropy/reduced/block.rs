//! A block of coefficients and its samples, and constants of its transforms.

/// Coefficients of a block, row by row, and room for positions outside it: as many as a byte can index.
pub(crate) type Coefficients = [i16; 256];

/// Quantization of a block, row by row.
pub(crate) type Quantization = [i16; 64];

/// Samples of a block, row by row, four to a row.
pub(crate) type Samples = [[u8; 4]; 4];

/// Products of the first row beyond this are reported as out of range.
pub(super) const MOST: i32 = 8191;
