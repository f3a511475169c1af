//! The sharpness of the shown part of a picture, computed once per picture. Runs on tokio's pool, one at a time.
//! Allocates only for the first picture of a size.

use tallycam_camera::encode::Reducer;
use tallycam_camera::lens;
use tallycam_camera::media::{Geometry, Picture, SmallImage};

/// Minimum width and height of the analysed image: fine enough for the last position of a lens, and a quarter of the
/// work for a picture of 1280 × 720.
const LOOKED_AT: (u32, u32) = (640, 360);

/// Buffers of the measurement, and the last result.
#[derive(Debug, Default)]
pub struct Figure {
    reducer: Option<Reducer>,
    image: Option<SmallImage>,
    /// Number and stamp of the picture, its shown part, and the sharpness.
    last: Option<(u64, u64, Geometry, Option<f64>)>,
}

impl Figure {
    /// Sharpness of the part of `picture` that `shown` selects; `None` if it cannot be measured.
    pub fn sharpness(&mut self, picture: &Picture, shown: Geometry) -> Option<f64> {
        let (sequence, stamp) = (picture.sequence, picture.stamp.monotonic_us);
        if let Some((last, at, of, figure)) = self.last
            && (last, at, of) == (sequence, stamp, shown)
        {
            return figure;
        }
        let reducer = match &mut self.reducer {
            Some(reducer) => reducer,
            none => none.insert(Reducer::new().map_err(|error| log::warn!("{error}")).ok()?),
        };
        let image = self.image.get_or_insert_with(SmallImage::empty);
        let figure = match reducer.reduce_visible(picture, &shown, LOOKED_AT, image) {
            Ok(()) => lens::sharpness(&image.y, image.width),
            Err(error) => {
                log::debug!("no sharpness: {error}");
                None
            }
        };
        self.last = Some((sequence, stamp, shown, figure));
        figure
    }
}
