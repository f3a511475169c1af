//! How sharp the part of a picture is that is shown, worked out once for each picture. Runs on tokio's pool, one at a
//! time; takes no memory for a picture after the first of its size.

use crate::encode::Reducer;
use crate::lens;
use crate::media::{Picture, SmallImage, View};

/// It is worked out at the scale that still has so many pixels a row and rows: fine enough for the last place of a lens,
/// and a quarter of the work for a picture of 1280 × 720.
const LOOKED_AT: (u32, u32) = (640, 360);

/// Left, top, width and height of a part of a picture, as fractions of it.
pub type Region = [f64; 4];

/// The part of the camera's own picture that is shown: the view's crop, before it was mirrored, flipped and turned.
pub fn shown(view: &View) -> Region {
    let [mut left, mut top, width, height] = view.crop.unwrap_or([0.0, 0.0, 1.0, 1.0]);
    if view.mirror {
        left = 1.0 - left - width;
    }
    if view.flip {
        top = 1.0 - top - height;
    }
    match view.rotate {
        90 => [top, 1.0 - left - width, height, width],
        180 => [1.0 - left - width, 1.0 - top - height, width, height],
        270 => [1.0 - top - height, left, height, width],
        _ => [left, top, width, height],
    }
}

/// What is needed to look at a picture, and what came of the last one.
#[derive(Debug, Default)]
pub struct Figure {
    reducer: Option<Reducer>,
    image: Option<SmallImage>,
    /// The luma of the part that is looked at.
    luma: Vec<u8>,
    /// Number and stamp of the picture, the part of it, and its sharpness.
    last: Option<(u64, u64, Region, Option<f64>)>,
}

impl Figure {
    /// How sharp the part `region` of `picture` is; `None` where that cannot be told.
    pub fn of(&mut self, picture: &Picture, region: Region) -> Option<f64> {
        let key = (picture.sequence, picture.stamp.monotonic_us, region);
        if let Some((sequence, stamp, region, figure)) = self.last
            && (sequence, stamp, region) == key
        {
            return figure;
        }
        let reducer = match &mut self.reducer {
            Some(reducer) => reducer,
            none => none.insert(Reducer::new().map_err(|error| log::warn!("{error}")).ok()?),
        };
        let image = self.image.get_or_insert_with(SmallImage::empty);
        // As fine for a part as for the whole.
        let pixels = |least: u32, share: f64| (f64::from(least) / share.max(0.01)) as u32;
        let least = (pixels(LOOKED_AT.0, region[2]), pixels(LOOKED_AT.1, region[3]));
        let figure = match reducer.reduce(picture, least, image) {
            Ok(()) => {
                let width = cut(image, region, &mut self.luma);
                lens::sharpness(&self.luma, width)
            }
            Err(error) => {
                log::debug!("no sharpness: {error}");
                None
            }
        };
        self.last = Some((key.0, key.1, key.2, figure));
        figure
    }
}

/// Copies the luma of a part of `image`, and gives the pixels in one of its rows.
fn cut(image: &SmallImage, [left, top, width, height]: Region, luma: &mut Vec<u8>) -> usize {
    let span = |start: f64, length: f64, of: usize| {
        let first = ((start.clamp(0.0, 1.0) * of as f64) as usize).min(of - 1);
        let last = ((start + length).clamp(0.0, 1.0) * of as f64).round() as usize;
        first..last.clamp(first + 1, of)
    };
    let (columns, rows) = (span(left, width, image.width), span(top, height, image.height));
    luma.clear();
    for row in rows {
        luma.extend_from_slice(&image.y[row * image.width..][columns.clone()]);
    }
    columns.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_found_in_the_cameras_own_picture() {
        let crop = Some([0.1, 0.2, 0.3, 0.4]);
        let view = |rotate, mirror, flip| View { rotate, mirror, flip, crop, ..View::default() };
        let near = |view: &View, want: Region| {
            let region = shown(view);
            assert!(region.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9), "{view:?}: {region:?}");
        };
        near(&View::default(), [0.0, 0.0, 1.0, 1.0]);
        near(&View { crop: None, ..view(90, true, true) }, [0.0, 0.0, 1.0, 1.0]);
        near(&view(0, false, false), [0.1, 0.2, 0.3, 0.4]);
        near(&view(0, true, false), [0.6, 0.2, 0.3, 0.4]);
        near(&view(0, false, true), [0.1, 0.4, 0.3, 0.4]);
        near(&view(180, false, false), [0.6, 0.4, 0.3, 0.4]);
        // Turned clockwise, what was at the left is at the top.
        near(&view(90, false, false), [0.2, 0.6, 0.4, 0.3]);
        near(&view(270, false, false), [0.4, 0.1, 0.4, 0.3]);
    }

    #[test]
    fn a_part_is_cut_out_whole_pixel_by_pixel() {
        let image = SmallImage { width: 4, height: 3, y: (0..12).collect(), ..SmallImage::empty() };
        let mut luma = Vec::new();
        assert_eq!(cut(&image, [0.25, 0.0, 0.5, 1.0], &mut luma), 2);
        assert_eq!(luma, [1, 2, 5, 6, 9, 10]);
        assert_eq!((cut(&image, [0.0, 0.0, 1.0, 1.0], &mut luma), luma.len()), (4, 12));
        // Less than a pixel is one; beyond the edge is the edge.
        assert_eq!((cut(&image, [1.0, 1.0, 0.0, 0.0], &mut luma), luma.as_slice()), (1, &[11][..]));
    }
}
