//! What is done with a picture before it is given or kept: joins the request ([`PictureChange`]) to the encoder. Blocks
//! the thread that calls, for some milliseconds.

use bytes::Bytes;

use crate::base::ClockTime;
use crate::encode::Transformer;
pub use crate::encode::{NoRoom, TransformError, Transformed};
use crate::media::View;

/// What is done with a picture before it is given or kept. The default leaves its bytes as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PictureChange {
    /// At most so many pixels a row, 16–8192; never more than it has.
    pub width: Option<u32>,
    /// As this shows it.
    pub view: View,
}

/// `jpeg`, `taken` at this time, changed as wanted; `quality` (1–100) is used where it must be encoded again. Nothing
/// wanted gives the very bytes.
///
/// # Errors
/// [`TransformError`].
pub fn change_picture(
    jpeg: &Bytes,
    wanted: &PictureChange,
    taken: &ClockTime,
    quality: u8,
) -> Result<Transformed, TransformError> {
    let words = wanted.view.caption_text(taken);
    Transformer::new()?.transform(jpeg, &wanted.view, wanted.width, words.as_deref(), quality)
}
