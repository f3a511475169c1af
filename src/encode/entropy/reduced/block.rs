//! A block of coefficients and its samples, and the numbers that its transforms share.

/// Coefficients of a block, row by row, and behind them room for what is none: as many places as a byte can name.
pub type Coefficients = [i16; 256];

/// Quantization of a block, row by row.
pub type Quantization = [i16; 64];

/// Samples of a block, row by row, four to a row.
pub type Samples = [[u8; 4]; 4];

/// Products of the first row that are beyond this are told as out of range.
pub(super) const MOST: i32 = 8191;
