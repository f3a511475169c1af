//! How sharp the part of a picture is that is shown, worked out once for each picture. Runs on tokio's pool, one at a
//! time; takes no memory for a picture after the first of its size.

use crate::encode::Reducer;
use crate::lens;
use crate::media::{Geometry, Picture, SmallImage};

/// It is worked out at the scale at which what is shown still has so many pixels a row and rows: fine enough for the
/// last place of a lens, and a quarter of the work for a picture of 1280 × 720.
const LOOKED_AT: (u32, u32) = (640, 360);

/// What is needed to look at a picture, and what came of the last one.
#[derive(Debug, Default)]
pub struct Figure {
    reducer: Option<Reducer>,
    image: Option<SmallImage>,
    /// Number and stamp of the picture, what was shown of it, and how sharp that was.
    last: Option<(u64, u64, Geometry, Option<f64>)>,
}

impl Figure {
    /// How sharp what `shown` shows of `picture` is; `None` where that cannot be told.
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
