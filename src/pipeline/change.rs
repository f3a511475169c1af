//! Changes a picture before it is sent or stored: connects the request ([`PictureChange`]) to the encoder. Blocks the
//! calling thread for some milliseconds.

use bytes::Bytes;

use tallycam_base::ClockTime;
use tallycam_camera::encode::Transformer;
pub use tallycam_camera::encode::{NoRoom, TransformError, Transformed};
use tallycam_camera::media::View;

/// A change of a picture before it is sent or stored. The default leaves its bytes unchanged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PictureChange {
    /// Maximum width in pixels, 16–8192; a smaller picture is not enlarged.
    pub width: Option<u32>,
    /// View of the picture.
    pub view: View,
}

/// Changes `jpeg`, captured at `taken`, as `wanted` says. `quality` (1–100) applies if it must be encoded again.
/// Without a change the result has the same bytes.
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
