//! What is done with a picture before it is given or kept: joins the wish ([`PictureChange`]) to the encoder. Blocks
//! the thread that calls, for some milliseconds.

use bytes::Bytes;

use super::recording::PictureChange;
use crate::base::ClockTime;
use crate::encode::Transformer;
pub use crate::encode::{NoRoom, TransformError, Transformed};

/// `jpeg`, `taken` at this time, changed as wanted; `quality` (1–100) is used where it must be encoded anew. Nothing wanted gives the very
/// bytes.
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
