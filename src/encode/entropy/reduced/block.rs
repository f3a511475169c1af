//! A block of coefficients and its samples, and the numbers that its transforms share.

/// Coefficients of a block, row by row, and behind them room for what is none: as many places as a byte can name.
pub type Coefficients = [i16; 256];

/// Quantization of a block, row by row.
pub type Quantization = [i16; 64];

/// Samples of a block, row by row, four to a row.
pub type Samples = [[u8; 4]; 4];

/// Products of the first row that are beyond this are told as out of range.
pub(super) const MOST: i32 = 8191;

/// 1, √2 cos ⅛π and √2 cos ⅜π in 2¹³ parts: the frequencies of four samples.
pub(super) const COSINES: [i16; 3] = [8192, 10703, 4433];

/// The same, a quarter larger, for the differences between the two samples of a row. So few samples a row are as a rule
/// resized to hardly fewer, which blurs them by about as much: a detector then finds as much as in four a row.
pub(super) const SHARPENED: [i16; 3] = [10240, 13379, 5541];
