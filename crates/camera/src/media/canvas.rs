//! Draws on planar 4:2:0 images: anti-aliased shapes, text, and restored rectangles.
//!
//! Coordinates are pixels: (0, 0) is the outer corner of the top left pixel, x grows to the right and y downwards,
//! and the pixel (3, 5) covers 3…4 × 5…6. Everything outside is clipped.
//!
//! Every shape is convex and is given by its *span* at a height: the points at which a horizontal line enters and
//! leaves it.
//!
//! The canvas takes four lines a row, which give the coverage of a pixel (exact along the row, in quarters across
//! it). It blends luma by that, and chroma by the mean of the four pixels that share it. Drawing does not allocate,
//! except for [`Canvas::draw_text`].

mod letters;

pub use letters::{Face, Mask};

use super::{Fourcc, Frame, SmallImage};
use tallycam_base::ClockTime;

/// Coverage of a whole pixel, and opacity of an opaque ink.
const FULL: u16 = 256;

/// Horizontal lines in a row of pixels.
const LINES: u16 = 4;

/// A colour with its opacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink {
    y: u8,
    u: u8,
    v: u8,
    opacity: u16,
}

impl Ink {
    /// An opaque ink of the sRGB colour 0xRRGGBB, converted as in JFIF (ITU-R BT.601, full range).
    pub const fn srgb(colour: u32) -> Ink {
        let (r, g, b) = ((colour >> 16 & 0xff) as i32, (colour >> 8 & 0xff) as i32, (colour & 0xff) as i32);
        // The factors of JFIF 1.02, page 3, in 1/65536.
        let y = (19_595 * r + 38_470 * g + 7_471 * b + 32_768) >> 16;
        let u = ((-11_059 * r - 21_709 * g + 32_768 * b + 32_767) >> 16) + 128;
        let v = ((32_768 * r - 27_439 * g - 5_329 * b + 32_767) >> 16) + 128;
        Ink { y: y as u8, u: u as u8, v: v as u8, opacity: FULL }
    }

    /// The same colour with an opacity from 0 (invisible) to 1 (opaque).
    #[must_use]
    pub fn opacity(self, share: f32) -> Ink {
        Ink { opacity: (share.clamp(0.0, 1.0) * f32::from(FULL)) as u16, ..self }
    }

    /// A colour between this one (`share` 0) and `other` (1), as opaque as this one.
    #[must_use]
    pub(crate) fn blend_with(self, other: Ink, share: f32) -> Ink {
        let part = (share.clamp(0.0, 1.0) * f32::from(FULL)) as u16;
        Ink {
            y: blend(self.y, other.y, part),
            u: blend(self.u, other.u, part),
            v: blend(self.v, other.v, part),
            opacity: self.opacity,
        }
    }

    /// Its luma, 0–255.
    pub fn luma(self) -> u8 {
        self.y
    }
}

/// A rectangle of whole pixels: `left..right` × `top..bottom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// The column after the last.
    pub right: u32,
    /// The row after the last.
    pub bottom: u32,
}

impl Area {
    /// True if it contains no pixel.
    pub fn is_empty(&self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }

    /// The smallest area that holds both.
    fn union(self, other: Area) -> Area {
        Area {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// A point in pixels.
pub type PixelPoint = (f32, f32);

/// An image to draw on.
///
/// Invariants: width and height are even and at least 2; the planes Y, U and V follow each other without padding, so
/// that `Canvas::yu12` is a complete `YU12` frame.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: u32,
    height: u32,
    planes: Vec<u8>,
    /// Coverage of two rows that share their chroma, 0 to [`FULL`].
    cover: Vec<u16>,
    touched: Option<Area>,
}

impl Canvas {
    /// A canvas filled with `ink`. Odd sizes are rounded up to even ones, 0 to 2.
    pub fn new(width: u32, height: u32, ink: Ink) -> Canvas {
        let (width, height) = (width.max(1).next_multiple_of(2), height.max(1).next_multiple_of(2));
        let luma = width as usize * height as usize;
        let mut planes = vec![ink.y; luma + luma / 2];
        planes[luma..luma + luma / 4].fill(ink.u);
        planes[luma + luma / 4..].fill(ink.v);
        Canvas { width, height, planes, cover: vec![0; 2 * width as usize], touched: None }
    }

    /// Becomes a copy of `image` of any size. Odd sizes are rounded up by repeating the last row and column; chroma
    /// is averaged to 4:2:0. Allocates only when it grows.
    pub fn load(&mut self, image: &SmallImage) {
        let (width, height) = (image.width.next_multiple_of(2), image.height.next_multiple_of(2));
        let luma = width * height;
        (self.width, self.height) = (width as u32, height as u32);
        self.planes.resize(luma + luma / 2, 0);
        self.cover.resize(2 * width, 0);
        self.touched = None;
        let (ys, chroma) = self.planes.split_at_mut(luma);
        for (row, to) in ys.chunks_exact_mut(width).enumerate() {
            let from = &image.y[row.min(image.height - 1) * image.width..][..image.width];
            to[..image.width].copy_from_slice(from);
            to[image.width..].fill(from[image.width - 1]);
        }
        if image.chroma_width == 0 || image.chroma_height == 0 {
            chroma.fill(128);
            return;
        }
        let (us, vs) = chroma.split_at_mut(luma / 4);
        let size = (image.chroma_width, image.chroma_height);
        for (plane, to) in [(&image.u, us), (&image.v, vs)] {
            downsample_chroma(plane, size, to, (width / 2, height / 2));
        }
    }

    /// Width in pixels; even.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels; even.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The planes Y (`width` × `height` bytes), U and V (a quarter of that each), without padding.
    pub(crate) fn yu12(&self) -> &[u8] {
        &self.planes
    }

    /// The image as a frame of a source.
    pub fn frame(&self, stamp: ClockTime, sequence: u64) -> Frame<'_> {
        Frame {
            fourcc: Fourcc::YU12,
            width: self.width,
            height: self.height,
            stride: self.width,
            data: &self.planes,
            second: None,
            stamp,
            sequence,
        }
    }

    /// Luma of the pixel (x, y); `None` outside.
    pub fn luma(&self, x: u32, y: u32) -> Option<u8> {
        (x < self.width && y < self.height).then(|| self.planes[(y * self.width + x) as usize])
    }

    /// The smallest area, with even edges, that holds everything drawn since the last call. Restoring this area
    /// leaves no trace.
    pub fn take_dirty_area(&mut self) -> Option<Area> {
        self.touched.take()
    }

    /// Copies `area` from `ground`, which must have the same size (otherwise nothing happens). The area grows to even
    /// edges and is clipped.
    pub fn restore(&mut self, ground: &Canvas, area: Area) {
        if (self.width, self.height) != (ground.width, ground.height) {
            return;
        }
        let area = self.clip_to_even(area);
        if area.is_empty() {
            return;
        }
        let (width, luma) = (self.width as usize, self.width as usize * self.height as usize);
        let (left, right) = (area.left as usize, area.right as usize);
        for row in area.top as usize..area.bottom as usize {
            let run = row * width + left..row * width + right;
            self.planes[run.clone()].copy_from_slice(&ground.planes[run]);
        }
        for plane in [luma, luma + luma / 4] {
            for row in area.top as usize / 2..area.bottom as usize / 2 {
                let start = plane + row * (width / 2);
                let run = start + left / 2..start + right / 2;
                self.planes[run.clone()].copy_from_slice(&ground.planes[run]);
            }
        }
        self.mark_dirty(area);
    }

    /// Fills a rectangle.
    pub fn rectangle(&mut self, (left, top): PixelPoint, (right, bottom): PixelPoint, ink: Ink) {
        self.convex([left, top, right, bottom], ink, |_| Some((left, right)));
    }

    /// Fills a rectangle whose corners are quarter circles of `radius`.
    pub fn fill_rounded_rect(
        &mut self,
        (left, top): PixelPoint,
        (right, bottom): PixelPoint,
        radius: f32,
        ink: Ink,
    ) {
        let r = radius.min((right - left) / 2.0).min((bottom - top) / 2.0).max(0.0);
        self.convex([left, top, right, bottom], ink, |y| {
            let into = (top + r - y).max(y - (bottom - r)).clamp(0.0, r);
            let inset = r - (r * r - into * into).max(0.0).sqrt();
            Some((left + inset, right - inset))
        });
    }

    /// Fills an ellipse around `centre` with the half axes `rx` and `ry`.
    pub(crate) fn ellipse(&mut self, centre: PixelPoint, rx: f32, ry: f32, ink: Ink) {
        let (x, y) = centre;
        self.convex([x - rx, y - ry, x + rx, y + ry], ink, |at| circle(x, rx, (at - y) / ry));
    }

    /// Draws a line with round ends: fills circles around `from` and `to` with the radii `r_from` and `r_to`, and
    /// everything between them. With different radii it is a limb.
    pub fn draw_limb(&mut self, from: PixelPoint, r_from: f32, to: PixelPoint, r_to: f32, ink: Ink) {
        let ((ax, ay), (bx, by)) = (from, to);
        let bounds = [
            (ax - r_from).min(bx - r_to),
            (ay - r_from).min(by - r_to),
            (ax + r_from).max(bx + r_to),
            (ay + r_from).max(by + r_to),
        ];
        let (dx, dy) = (bx - ax, by - ay);
        let length = dx.hypot(dy);
        if length <= (r_from - r_to).abs() {
            // One circle contains the other.
            let (x, y, r) = if r_from > r_to { (ax, ay, r_from) } else { (bx, by, r_to) };
            return self.ellipse((x, y), r, r, ink);
        }
        // The common tangents touch both circles at the angle `tilt` from the perpendicular of the axis.
        let (ux, uy) = (dx / length, dy / length);
        let tilt = (r_from - r_to) / length;
        let rise = (1.0 - tilt * tilt).max(0.0).sqrt();
        let (px, py) = (tilt * ux - rise * uy, tilt * uy + rise * ux);
        let (qx, qy) = (tilt * ux + rise * uy, tilt * uy - rise * ux);
        let quad = [
            (ax + r_from * px, ay + r_from * py),
            (bx + r_to * px, by + r_to * py),
            (bx + r_to * qx, by + r_to * qy),
            (ax + r_from * qx, ay + r_from * qy),
        ];
        self.convex(bounds, ink, |y| {
            let ends = [circle(ax, r_from, (y - ay) / r_from), circle(bx, r_to, (y - by) / r_to)];
            ends.into_iter().flatten().chain(polygon_row_span(&quad, y)).reduce(hull)
        });
    }

    /// Fills a convex polygon, whose corners are in order, either way round.
    pub fn polygon(&mut self, corners: &[PixelPoint], ink: Ink) {
        let bounds = corners.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |b, &(x, y)| {
            [b[0].min(x), b[1].min(y), b[2].max(x), b[3].max(y)]
        });
        self.convex(bounds, ink, |y| polygon_row_span(corners, y));
    }

    /// Adds `change(column, row)` to the luma of every pixel of `area`, row by row.
    pub(crate) fn adjust_luma(&mut self, area: Area, mut change: impl FnMut(u32, u32) -> i16) {
        let area = self.clip_to_even(area);
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                let luma = &mut self.planes[(y * self.width + x) as usize];
                *luma = i16::from(*luma).saturating_add(change(x, y)).clamp(0, 255) as u8;
            }
        }
        if !area.is_empty() {
            self.mark_dirty(area);
        }
    }

    /// Writes `text` in one line from `x` on, standing on `baseline`, with an em of `size` pixels.
    pub fn draw_text(&mut self, face: Face, size: f32, x: f32, baseline: f32, text: &str, ink: Ink) {
        face.for_each_glyph(size, x, baseline, text, |glyph| self.stamp(&glyph, 0, 0, ink));
    }

    /// Draws a mask with its origin at the pixel (x, y).
    pub fn stamp(&mut self, mask: &Mask, x: i32, y: i32, ink: Ink) {
        let (left, top) = (i64::from(x) + i64::from(mask.left), i64::from(y) + i64::from(mask.top));
        let clip = |at: i64, most: u32| at.clamp(0, i64::from(most)) as u32;
        let area = Area {
            left: clip(left, self.width),
            top: clip(top, self.height),
            right: clip(left + mask.width as i64, self.width),
            bottom: clip(top + i64::from(mask.height()), self.height),
        };
        self.blend_pairs(area, ink, |row, start, cover| {
            if (area.top..area.bottom).contains(&row) {
                let from = (i64::from(row) - top) as usize * mask.width;
                let skip = (i64::from(area.left) - left) as usize;
                let run = &mask.cover[from + skip..][..(area.right - area.left) as usize];
                let place = (area.left - start) as usize;
                for (c, &m) in cover[place..].iter_mut().zip(run) {
                    *c = u16::from(m) + u16::from(m >> 7);
                }
            }
        });
    }

    /// Fills the convex shape within `bounds` (left, top, right, bottom) whose span at `y` is `span(y)`.
    fn convex(&mut self, bounds: [f32; 4], ink: Ink, span: impl Fn(f32) -> Option<(f32, f32)>) {
        // `max` and `as` turn a NaN into 0 and infinities into the canvas's edges.
        let clip = |at: f32, most: u32| at.max(0.0).min(most as f32) as u32;
        let area = Area {
            left: clip(bounds[0].floor(), self.width),
            top: clip(bounds[1].floor(), self.height),
            right: clip(bounds[2].ceil(), self.width),
            bottom: clip(bounds[3].ceil(), self.height),
        };
        self.blend_pairs(area, ink, |row, start, cover| {
            for line in 0..LINES {
                let y = row as f32 + (f32::from(line) + 0.5) / f32::from(LINES);
                if y < bounds[1] || y > bounds[3] {
                    continue;
                }
                if let Some((from, to)) = span(y) {
                    add_span(cover, from - start as f32, to - start as f32);
                }
            }
        });
    }

    /// Blends `ink` into `area`, two rows at a time. `fill(row, column, coverage)` adds the coverage of a row to a
    /// slice of zeros that begins at that column.
    fn blend_pairs(&mut self, area: Area, ink: Ink, mut fill: impl FnMut(u32, u32, &mut [u16])) {
        let area = self.clip_to_even(area);
        if area.is_empty() || ink.opacity == 0 {
            return;
        }
        self.mark_dirty(area);
        let (width, luma) = (self.width as usize, self.width as usize * self.height as usize);
        let (left, run) = (area.left as usize, (area.right - area.left) as usize);
        let (ys, chroma) = self.planes.split_at_mut(luma);
        let (us, vs) = chroma.split_at_mut(luma / 4);
        for pair in (area.top..area.bottom).step_by(2) {
            let cover = &mut self.cover[..2 * run];
            cover.fill(0);
            let (upper, lower) = cover.split_at_mut(run);
            fill(pair, area.left, upper);
            fill(pair + 1, area.left, lower);
            if ink.opacity < FULL {
                cover
                    .iter_mut()
                    .for_each(|c| *c = (u32::from(*c) * u32::from(ink.opacity) / u32::from(FULL)) as u16);
            }
            let (upper, lower) = cover.split_at(run);
            for (row, cover) in [(pair as usize, upper), (pair as usize + 1, lower)] {
                for (y, &c) in ys[row * width + left..].iter_mut().zip(cover) {
                    *y = blend(*y, ink.y, c);
                }
            }
            let start = pair as usize / 2 * (width / 2) + left / 2;
            let quads = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for ((u, v), (a, b)) in us[start..].iter_mut().zip(&mut vs[start..]).zip(quads) {
                let c = (a[0] + a[1] + b[0] + b[1] + 2) / 4;
                *u = blend(*u, ink.u, c);
                *v = blend(*v, ink.v, c);
            }
        }
    }

    /// Clips `area` to the canvas and grows it to even edges; an empty one stays empty.
    fn clip_to_even(&self, area: Area) -> Area {
        if area.is_empty() {
            return area;
        }
        Area {
            left: area.left & !1,
            top: area.top & !1,
            right: area.right.min(self.width).next_multiple_of(2),
            bottom: area.bottom.min(self.height).next_multiple_of(2),
        }
    }

    fn mark_dirty(&mut self, area: Area) {
        self.touched = Some(self.touched.map_or(area, |a| a.union(area)));
    }
}

/// Reduces a chroma plane to 4:2:0: the mean of two samples where it has more.
fn downsample_chroma(
    plane: &[u8],
    (width, height): (usize, usize),
    to: &mut [u8],
    (to_width, to_height): (usize, usize),
) {
    if (width, height) == (to_width, to_height) {
        return to.copy_from_slice(&plane[..to_width * to_height]);
    }
    let (per_column, per_row) = (1 + usize::from(width > to_width), 1 + usize::from(height > to_height));
    for (row, to) in to.chunks_exact_mut(to_width).take(to_height).enumerate() {
        let line = |at: usize| &plane[at.min(height - 1) * width..][..width];
        let (upper, lower) = (line(row * per_row), line(row * per_row + per_row - 1));
        for (column, to) in to.iter_mut().enumerate() {
            let left = (column * per_column).min(width - 1);
            let right = (column * per_column + per_column - 1).min(width - 1);
            let four = [upper[left], upper[right], lower[left], lower[right]];
            *to = ((four.into_iter().map(u16::from).sum::<u16>() + 2) / 4) as u8;
        }
    }
}

/// Mixes `share` (0 to [`FULL`]) of `over` into `under`.
fn blend(under: u8, over: u8, share: u16) -> u8 {
    // At most 255 · 256 + 128: it fits 16 bits, and so eight pixels fit a vector register.
    ((u16::from(under) * (FULL - share) + u16::from(over) * share + 128) >> 8) as u8
}

/// Adds one horizontal line from `from` to `to` to the coverage of a row.
fn add_span(cover: &mut [u16], from: f32, to: f32) {
    const UNIT: f32 = (FULL / LINES) as f32;
    let end = cover.len();
    let (from, to) = (from.max(0.0), to.min(end as f32));
    if from >= to {
        return;
    }
    let (first, last) = (from as usize, to as usize);
    if first == last {
        cover[first] += ((to - from) * UNIT) as u16;
        return;
    }
    cover[first] += (((first + 1) as f32 - from) * UNIT) as u16;
    cover[first + 1..last].iter_mut().for_each(|c| *c += FULL / LINES);
    if last < end {
        cover[last] += ((to - last as f32) * UNIT) as u16;
    }
}

/// Span of a circle or ellipse with the half axis `rx` around `x`, at `t` half axes from its middle.
fn circle(x: f32, rx: f32, t: f32) -> Option<(f32, f32)> {
    let half = rx * (1.0 - t * t).max(0.0).sqrt();
    (half > 0.0).then_some((x - half, x + half))
}

fn hull(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0.min(b.0), a.1.max(b.1))
}

/// Span of a convex polygon: the points at which its edges meet the horizontal line `y`.
fn polygon_row_span(corners: &[PixelPoint], y: f32) -> Option<(f32, f32)> {
    let mut span = None;
    let mut from = *corners.last()?;
    for &to in corners {
        if (from.1 <= y) != (to.1 <= y) {
            let x = from.0 + (y - from.1) / (to.1 - from.1) * (to.0 - from.0);
            span = Some(span.map_or((x, x), |found| hull(found, (x, x))));
        }
        from = to;
    }
    span
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use tallycam_base::proptest_floats::between;

    const BLACK: Ink = Ink::srgb(0);
    const WHITE: Ink = Ink::srgb(0xffffff);
    const RED: Ink = Ink::srgb(0xff0000);

    /// Number of white pixels on a black canvas.
    fn painted(canvas: &Canvas) -> f32 {
        let luma = (canvas.width() * canvas.height()) as usize;
        canvas.yu12()[..luma].iter().map(|&y| f32::from(y)).sum::<f32>() / 255.0
    }

    fn near(got: f32, want: f32) {
        assert!((got - want).abs() < 0.02 * want, "{got} pixels are not about {want}");
    }

    #[test]
    fn colours_are_those_of_jfif() {
        let yuv = |colour| {
            let ink = Ink::srgb(colour);
            (ink.y, ink.u, ink.v)
        };
        assert_eq!(yuv(0x000000), (0, 128, 128));
        assert_eq!(yuv(0xffffff), (255, 128, 128));
        assert_eq!(yuv(0xff0000), (76, 85, 255));
        assert_eq!(yuv(0x00ff00), (150, 44, 21));
        assert_eq!(yuv(0x0000ff), (29, 255, 107));
    }

    #[test]
    fn an_image_of_any_sampling_is_loaded() {
        // 3 × 3 pixels with chroma of as many samples, of half the columns, of a quarter, of none.
        for (chroma_width, chroma_height) in [(3, 3), (2, 3), (2, 2), (0, 0)] {
            let chroma = chroma_width * chroma_height;
            let image = SmallImage {
                width: 3,
                height: 3,
                y: (1..=9).collect(),
                u: vec![20; chroma],
                v: (0..chroma as u8).collect(),
                chroma_width,
                chroma_height,
                of: (3, 3),
                stamp: ClockTime::now(),
                sequence: 0,
            };
            let mut canvas = Canvas::new(640, 480, RED);
            canvas.load(&image);
            assert_eq!((canvas.width(), canvas.height()), (4, 4));
            let (y, chroma) = canvas.yu12().split_at(16);
            assert_eq!(y, [1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 7, 8, 9, 9]);
            let v = match (chroma_width, chroma_height) {
                (3, 3) => [2, 4, 7, 8],
                (2, 3) => [1, 2, 4, 5],
                (2, 2) => [0, 1, 2, 3],
                _ => [128; 4],
            };
            assert_eq!(chroma[4..], v, "{chroma_width} × {chroma_height}");
            assert!(chroma[..4].iter().all(|&u| u == if chroma_width == 0 { 128 } else { 20 }));
            canvas.rectangle((0.0, 0.0), (4.0, 4.0), WHITE);
            assert!(canvas.yu12()[..16].iter().all(|&y| y == 255));
        }
    }

    #[test]
    fn sizes_are_even_and_planes_are_whole() {
        let canvas = Canvas::new(5, 0, RED);
        assert_eq!((canvas.width(), canvas.height()), (6, 2));
        assert_eq!(canvas.yu12(), [[76; 12].as_slice(), &[85; 3], &[255; 3]].concat());
        let frame = canvas.frame(ClockTime::now(), 3);
        assert_eq!(Some(frame.data.len()), Fourcc::YU12.frame_len(frame.stride, frame.height));
    }

    #[test]
    fn a_rectangle_has_sharp_edges_on_pixels_and_soft_ones_between() {
        let mut canvas = Canvas::new(8, 8, BLACK);
        canvas.rectangle((2.0, 2.0), (4.0, 4.0), RED);
        assert_eq!(canvas.take_dirty_area(), Some(Area { left: 2, top: 2, right: 4, bottom: 4 }));
        let row: Vec<_> = (0..6).map(|x| canvas.luma(x, 3).unwrap()).collect();
        assert_eq!(row, [0, 0, 76, 76, 0, 0]);
        assert_eq!(canvas.yu12()[64..68], [128; 4]);
        assert_eq!(canvas.yu12()[68..72], [128, 85, 128, 128]);

        let mut canvas = Canvas::new(8, 8, BLACK);
        canvas.rectangle((2.5, 2.0), (4.0, 2.5), WHITE);
        assert_eq!((canvas.luma(2, 2), canvas.luma(3, 2), canvas.luma(3, 3)), (Some(64), Some(128), Some(0)));
    }

    #[test]
    fn chroma_is_blended_by_the_mean_of_its_four_pixels() {
        let mut canvas = Canvas::new(2, 2, BLACK);
        canvas.rectangle((0.0, 0.0), (1.0, 1.0), RED);
        assert_eq!(canvas.yu12(), [76, 0, 0, 0, 128 - 11, 128 + 32]);
    }

    #[test]
    fn a_half_opaque_ink_is_blended_by_half() {
        let mut canvas = Canvas::new(2, 2, WHITE);
        canvas.rectangle((0.0, 0.0), (2.0, 2.0), BLACK.opacity(0.5));
        assert_eq!(canvas.luma(0, 0), Some(128));
        assert_eq!(BLACK.blend_with(WHITE, 0.5).luma(), 128);
    }

    #[test]
    fn shapes_cover_their_areas() {
        use std::f32::consts::PI;
        let draw = |draw: &dyn Fn(&mut Canvas)| {
            let mut canvas = Canvas::new(100, 80, BLACK);
            draw(&mut canvas);
            painted(&canvas)
        };
        near(draw(&|c| c.ellipse((50.3, 40.2), 30.0, 20.0, WHITE)), PI * 600.0);
        near(
            draw(&|c| c.fill_rounded_rect((10.0, 10.0), (60.0, 50.0), 10.0, WHITE)),
            2000.0 - (4.0 - PI) * 100.0,
        );
        near(draw(&|c| c.polygon(&[(5.0, 70.0), (90.0, 60.0), (30.0, 5.0)], WHITE)), 2637.5);
        // A line of 50 pixels (3-4-5), 10 thick, with round ends.
        near(draw(&|c| c.draw_limb((20.0, 20.0), 5.0, (60.0, 50.0), 5.0, WHITE)), 500.0 + PI * 25.0);
        // Circles of 15 and 5 in 40 pixels: tilt t = asin(10/40), tangents 40·cos t long.
        let tilt = 0.25f32.asin();
        let limb = (15.0 + 5.0) * 40.0 * tilt.cos() + (PI / 2.0 + tilt) * 225.0 + (PI / 2.0 - tilt) * 25.0;
        near(draw(&|c| c.draw_limb((30.0, 40.0), 15.0, (70.0, 40.0), 5.0, WHITE)), limb);
        near(draw(&|c| c.draw_limb((30.0, 40.0), 15.0, (32.0, 41.0), 5.0, WHITE)), PI * 225.0);
    }

    #[test]
    fn text_stands_on_its_baseline_and_keeps_its_width() {
        let mut canvas = Canvas::new(200, 60, BLACK);
        canvas.draw_text(Face::Bold, 30.0, 10.0, 40.0, "Hill", WHITE);
        let width = Face::Bold.width(30.0, "Hill");
        let lit = |x: u32, y: u32| canvas.luma(x, y).unwrap() > 0;
        let columns = (0..200).filter(|&x| (0..60).any(|y| lit(x, y)));
        let (first, last) = columns.fold((200, 0), |(a, b), x| (x.min(a), x.max(b)));
        assert!((10..16).contains(&first) && last as f32 <= 10.0 + width && last as f32 > width);
        assert!((40..60).all(|y| (0..200).all(|x| !lit(x, y))), "letters hang below the baseline");
        assert!((0..200).any(|x| lit(x, 39)) && (0..200).any(|x| lit(x, 20)));
    }

    #[test]
    fn a_mask_is_clipped_at_the_edges() {
        let mask = Mask::letter(Face::Bold, 24.0, '8');
        let mut whole = Canvas::new(60, 60, BLACK);
        whole.stamp(&mask, 30, 40, RED);
        let mut cut = Canvas::new(60, 60, BLACK);
        cut.stamp(&mask, -6, 10, RED);
        for (x, y) in (0..20).flat_map(|x| (0..14).map(move |y| (x, y))) {
            assert_eq!(cut.luma(x, y), whole.luma(x + 36, y + 30), "({x}, {y})");
        }
    }

    fn wild() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => between(-40.0f32, 120.0),
            1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 0.0]),
        ]
    }

    fn draw_wildly(canvas: &mut Canvas, kind: u8, p: &[f32; 6]) {
        let ink = RED.opacity(0.7);
        match kind {
            0 => canvas.rectangle((p[0], p[1]), (p[2], p[3]), ink),
            1 => canvas.fill_rounded_rect((p[0], p[1]), (p[2], p[3]), p[4], ink),
            2 => canvas.ellipse((p[0], p[1]), p[2], p[3], ink),
            3 => canvas.draw_limb((p[0], p[1]), p[4], (p[2], p[3]), p[5], ink),
            4 => canvas.polygon(&[(p[0], p[1]), (p[2], p[3]), (p[4], p[5])], ink),
            5 => canvas.draw_text(Face::Regular, p[0].min(60.0), p[1], p[2], "gä→", ink),
            _ => canvas.stamp(&Mask::letter(Face::Bold, 20.0, 'Q'), p[0] as i32, p[1] as i32, ink),
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_the_dirty_area_can_be_restored(
            width in 1u32..90,
            height in 1u32..70,
            drawn in prop::collection::vec((0u8..7, prop::array::uniform6(wild())), 1..6),
        ) {
            let mut ground = Canvas::new(width, height, BLACK);
            ground.adjust_luma(Area { left: 0, top: 0, right: width, bottom: height }, |x, y| (x * 7 + y * 3) as i16 % 90);
            let mut canvas = ground.clone();
            canvas.take_dirty_area();
            for (kind, numbers) in &drawn {
                draw_wildly(&mut canvas, *kind, numbers);
            }
            if let Some(area) = canvas.take_dirty_area() {
                canvas.restore(&ground, area);
            }
            prop_assert!(canvas.yu12() == ground.yu12());
        }
    }
}
