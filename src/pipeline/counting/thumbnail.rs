//! Thumbnails of objects that cross a line, cut from the analysed picture if the settings ask for them. Lives on the
//! detect thread.

use bytes::Bytes;

use super::inference::PictureReader;
use tallycam_camera::encode::{CompressError, Encoder};
use tallycam_camera::media::canvas::{Canvas, Ink};
use tallycam_camera::media::{Geometry, Picture, SmallImage};

/// Longer side of the thumbnail of a live crossing, in pixels.
pub const LONGEST: u32 = 160;
/// Margin around the box on each side, as a share of its longer side.
pub const MARGIN: f32 = 0.1;
/// JPEG quality; enough to recognise the object.
const QUALITY: u8 = 70;

/// Cuts thumbnails.
#[derive(Debug)]
pub struct Cutter {
    longest: u32,
    encoder: Encoder,
    canvas: Canvas,
}

impl Cutter {
    /// A cutter of thumbnails whose longer side has at most this many pixels.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new(longest: u32) -> Result<Cutter, CompressError> {
        Ok(Cutter { longest, encoder: Encoder::new(QUALITY)?, canvas: Canvas::new(2, 2, Ink::srgb(0)) })
    }

    /// A JPEG of the area `bounds` (left, top, right, bottom in fractions of the picture in `geometry`). `None` if
    /// that is outside the picture or cannot be encoded.
    pub fn encode(
        &mut self,
        reading: &mut PictureReader,
        picture: &Picture,
        geometry: &Geometry,
        bounds: [f32; 4],
    ) -> Option<Bytes> {
        let size = geometry.visible_size((picture.width, picture.height));
        let image = reading.read(picture, None, geometry, size).ok()?;
        self.canvas.load(&crop(image, bounds, self.longest)?);
        let frame = self.canvas.frame(picture.stamp, picture.sequence);
        self.encoder.encode(&frame).ok().map(|thumbnail| thumbnail.jpeg())
    }
}

/// The area `bounds` with its margin, reduced to at most `most` pixels a side.
fn crop(image: &SmallImage, bounds: [f32; 4], most: u32) -> Option<SmallImage> {
    let [left, top, right, bottom] = bounds;
    let (width, height) = (image.width as f32, image.height as f32);
    let margin = MARGIN * ((right - left) * width).max((bottom - top) * height);
    // `as` turns NaN into 0, which gives an empty area.
    let cut = |at: f32, most: usize| (at.max(0.0) as usize).min(most);
    let (x0, x1) = (cut(left * width - margin, image.width), cut(right * width + margin, image.width));
    let (y0, y1) = (cut(top * height - margin, image.height), cut(bottom * height + margin, image.height));
    if x0 + 2 > x1 || y0 + 2 > y1 {
        return None;
    }
    let (width, height) = (x1 - x0, y1 - y0);
    let longest = width.max(height).max(most as usize);
    let fit = |side: usize| (side * most as usize / longest).max(2) & !1;
    let (to_width, to_height) = (fit(width), fit(height));
    let chroma = |plane: &[u8]| {
        if image.chroma_width == 0 {
            return Vec::new();
        }
        let (sx, sy) = (
            image.chroma_width as f32 / image.width as f32,
            image.chroma_height as f32 / image.height as f32,
        );
        let area = [x0 as f32 * sx, y0 as f32 * sy, x1 as f32 * sx, y1 as f32 * sy];
        average(plane, image.chroma_width, image.chroma_height, area, to_width / 2, to_height / 2)
    };
    let area = [x0 as f32, y0 as f32, x1 as f32, y1 as f32];
    let (u, v) = (chroma(&image.u), chroma(&image.v));
    let has_chroma = !u.is_empty();
    Some(SmallImage {
        width: to_width,
        height: to_height,
        y: average(&image.y, image.width, image.height, area, to_width, to_height),
        u,
        v,
        chroma_width: if has_chroma { to_width / 2 } else { 0 },
        chroma_height: if has_chroma { to_height / 2 } else { 0 },
        of: image.of,
        stamp: image.stamp,
        sequence: image.sequence,
    })
}

/// The part `area` of a plane of `width` × `height`; each pixel is the mean of those that it covers.
fn average(
    plane: &[u8],
    width: usize,
    height: usize,
    [left, top, right, bottom]: [f32; 4],
    to_width: usize,
    to_height: usize,
) -> Vec<u8> {
    let span = |from: f32, to: f32, at: usize, of: usize, most: usize| {
        let step = (to - from) / of as f32;
        let start = ((from + at as f32 * step) as usize).min(most - 1);
        let end = ((from + (at + 1) as f32 * step) as usize).clamp(start + 1, most);
        start..end
    };
    let mut out = Vec::with_capacity(to_width * to_height);
    for y in 0..to_height {
        let rows = span(top, bottom, y, to_height, height);
        for x in 0..to_width {
            let columns = span(left, right, x, to_width, width);
            let count = (rows.len() * columns.len()) as u32;
            let sum: u32 = rows
                .clone()
                .flat_map(|row| &plane[row * width..][columns.clone()])
                .map(|&value| u32::from(value))
                .sum();
            out.push(((sum + count / 2) / count) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tallycam_base::ClockTime;

    /// 400 × 200, the right half bright and blue.
    fn image() -> SmallImage {
        let (width, height) = (400, 200);
        let half = |width: usize, height: usize, left: u8, right: u8| {
            (0..width * height)
                .map(|at| if at % width < width / 2 { left } else { right })
                .collect::<Vec<u8>>()
        };
        SmallImage {
            width,
            height,
            y: half(width, height, 50, 200),
            u: half(width / 2, height / 2, 128, 240),
            v: vec![128; width * height / 4],
            chroma_width: width / 2,
            chroma_height: height / 2,
            of: (400, 200),
            stamp: ClockTime::now(),
            sequence: 3,
        }
    }

    #[test]
    fn a_thumbnail_shows_the_box_with_its_margin() {
        let cut = crop(&image(), [0.75, 0.25, 0.9, 0.75], LONGEST).unwrap();
        assert_eq!((cut.width, cut.height), (80, 120), "60×100 and a margin of 10 all around");
        assert!(cut.y.iter().all(|&y| y == 200) && cut.u.iter().all(|&u| u == 240));
        let cut = crop(&image(), [0.25, 0.0, 0.75, 1.0], LONGEST).unwrap();
        assert_eq!(cut.width, 160, "no more than the longest side");
        assert_eq!((cut.y[0], *cut.y.last().unwrap()), (50, 200));
        assert_eq!(cut.u.len(), cut.chroma_width * cut.chroma_height);
    }

    #[test]
    fn boxes_beyond_the_edge_are_clipped_and_those_outside_give_none() {
        assert!(crop(&image(), [-0.5, -0.5, 0.2, 0.5], LONGEST).is_some());
        assert!(crop(&image(), [1.5, 0.2, 1.8, 0.5], LONGEST).is_none());
        assert!(crop(&image(), [f32::NAN, 0.0, f32::NAN, 1.0], LONGEST).is_none());
        let mut grey = image();
        (grey.u, grey.v, grey.chroma_width, grey.chroma_height) = (Vec::new(), Vec::new(), 0, 0);
        assert!(crop(&grey, [0.1, 0.1, 0.5, 0.5], LONGEST).unwrap().u.is_empty());
    }
}
