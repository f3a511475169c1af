//! The embedded font: widths of text, and masks of letters.
//!
//! The only file that names the font renderer.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, ScaleFont};

/// Largest size of letters in pixels: the height of an 8K image.
const LARGEST_LETTER: f32 = 4320.0;

/// A face of the embedded font, which has Latin-1, dashes, curly quotes, … and →. Other characters show as an empty
/// box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Sans, upright.
    Regular,
    /// Sans, bold.
    Bold,
}

static REGULAR: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../font/sans.ttf")).ok());
static BOLD: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(include_bytes!("../font/sans-bold.ttf")).ok());

impl Face {
    /// Width of `text` in pixels in one line, with an em of `size` pixels.
    pub fn width(self, size: f32, text: &str) -> f32 {
        self.layout_glyphs(size, text, |_, _| ())
    }

    /// Calls `draw` with the mask of each letter of `text`, relative to the canvas's origin.
    pub(super) fn for_each_glyph(
        self,
        size: f32,
        x: f32,
        baseline: f32,
        text: &str,
        mut draw: impl FnMut(Mask),
    ) {
        let Some((font, scale)) = self.scaled(size) else { return };
        self.layout_glyphs(size, text, |id, pen| {
            let at = ab_glyph::point(x + pen, baseline);
            if let Some(outline) = font.outline_glyph(id.with_scale_and_position(scale, at)) {
                draw(Mask::from_outline(&outline));
            }
        });
    }

    /// Calls `place` with each glyph and its offset from the first; returns the total width.
    fn layout_glyphs(self, size: f32, text: &str, mut place: impl FnMut(ab_glyph::GlyphId, f32)) -> f32 {
        let Some((font, scale)) = self.scaled(size) else { return 0.0 };
        let scaled = font.as_scaled(scale);
        let (mut pen, mut before) = (0.0, None);
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            if let Some(before) = before.replace(id) {
                pen += scaled.kern(before, id);
            }
            place(id, pen);
            pen += scaled.h_advance(id);
        }
        pen
    }

    /// The font, and the scale at which its em has `size` pixels.
    fn scaled(self, size: f32) -> Option<(&'static FontRef<'static>, ab_glyph::PxScale)> {
        let font = match self {
            Face::Regular => REGULAR.as_ref()?,
            Face::Bold => BOLD.as_ref()?,
        };
        let size = size.clamp(0.0, LARGEST_LETTER);
        // The renderer's scale is the height from descender to ascender, not the em.
        let scale = size * font.height_unscaled() / font.units_per_em()?;
        (scale > 0.0).then_some((font, scale.into()))
    }
}

/// The shape of some letters, rasterized once and drawn often.
#[derive(Debug, Clone)]
pub struct Mask {
    /// First column and row, relative to the origin (the pen's position on the baseline).
    pub(super) left: i32,
    pub(super) top: i32,
    /// Width in pixels.
    pub(super) width: usize,
    /// Coverage of each pixel, 0 to 255, row by row.
    pub(super) cover: Vec<u8>,
}

impl Mask {
    /// The letter `letter`, of `size` pixels to the em.
    pub fn letter(face: Face, size: f32, letter: char) -> Mask {
        let mut mask = Mask { left: 0, top: 0, width: 0, cover: Vec::new() };
        face.for_each_glyph(size, 0.0, 0.0, letter.encode_utf8(&mut [0; 4]), |glyph| mask = glyph);
        mask
    }

    fn from_outline(outline: &ab_glyph::OutlinedGlyph) -> Mask {
        let bounds = outline.px_bounds();
        let (width, height) = (bounds.width() as usize, bounds.height() as usize);
        let mut cover = vec![0; width * height];
        outline.draw(|x, y, share| {
            if let Some(place) = cover.get_mut(y as usize * width + x as usize) {
                *place = (share * 255.0 + 0.5) as u8;
            }
        });
        Mask { left: bounds.min.x as i32, top: bounds.min.y as i32, width, cover }
    }

    /// Height in pixels.
    pub(super) fn height(&self) -> u32 {
        self.cover.len().checked_div(self.width).unwrap_or(0) as u32
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_faces_have_the_letters_of_messages() {
        for face in [Face::Regular, Face::Bold] {
            let (font, _) = face.scaled(20.0).unwrap();
            for letter in (' '..='~').chain('\u{a0}'..='ÿ').chain("–—…“”‘’×·→".chars()) {
                assert_ne!(font.glyph_id(letter).0, 0, "{face:?} lacks {letter:?}");
            }
        }
        assert!(Face::Bold.width(20.0, "tally") > Face::Regular.width(20.0, "tally"));
        assert!(Face::Regular.width(20.0, "AV") < 2.0 * Face::Regular.width(20.0, "A"));
        assert_eq!(Face::Regular.width(f32::NAN, "tally"), 0.0);
    }
}
