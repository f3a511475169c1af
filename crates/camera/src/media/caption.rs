//! Writes text into an image: one line on a dark plate in the lower left corner, readable on any background.
//!
//! Only the samples under the plate change. The shapes of letters are cached between images (the digits of a time are
//! rasterized once). Pure; runs on the thread that transforms images.

use std::collections::HashMap;

use super::SmallImage;
use super::canvas::{Canvas, Face, Ink, Mask};

/// Maximum number of letters in a line.
const LONGEST: usize = 200;

/// Marks the end of truncated text.
const MARK: char = '…';

/// Number of cached shapes above which all are dropped.
const SHAPES: usize = 256;

const WHITE: Ink = Ink::srgb(0xffffff);
const DARK: Ink = Ink::srgb(0x101418);

/// The planes of an image to write into: luma, and chroma of 4:2:0 (empty for grey), without padding.
#[derive(Debug)]
pub(crate) struct Paper<'a> {
    /// Width of luma in samples.
    pub width: usize,
    /// Height of luma in rows.
    pub height: usize,
    /// Luma.
    pub y: &'a mut [u8],
    /// Blue minus luma: ⌈width/2⌉ × ⌈height/2⌉ samples, or empty.
    pub u: &'a mut [u8],
    /// Red minus luma, as `u`.
    pub v: &'a mut [u8],
}

/// Writes text into images.
#[derive(Debug)]
pub(crate) struct Caption {
    /// Em of the cached letters, in pixels.
    size: f32,
    letters: HashMap<char, (Mask, f32)>,
    under: SmallImage,
    canvas: Canvas,
}

impl Default for Caption {
    fn default() -> Caption {
        Caption {
            size: 0.0,
            letters: HashMap::new(),
            under: SmallImage::empty(),
            canvas: Canvas::new(2, 2, DARK),
        }
    }
}

impl Caption {
    /// Writes `words` in one line; a mark shows that text was truncated. Control characters and line breaks are
    /// dropped.
    pub fn write(&mut self, words: &str, paper: Paper<'_>) {
        let least = paper.width.min(paper.height);
        let size = (least as f32 / 26.0).clamp(9.0, 48.0).floor();
        if size != self.size || self.letters.len() > SHAPES {
            self.letters.clear();
            self.size = size;
        }
        let pad = size * 0.4;
        let most = paper.width as f32 - 2.0 * pad;
        let line = self.line(words, most);
        let wide = line.last().map_or(0.0, |(_, end)| *end);
        // Whole pairs of samples, because chroma covers two by two.
        let width = ((wide + 2.0 * pad).ceil() as usize).next_multiple_of(2).min(paper.width / 2 * 2);
        let height = ((size * 1.5).ceil() as usize).next_multiple_of(2).min(paper.height / 2 * 2);
        if line.is_empty() || width < 2 || height < 2 {
            return;
        }
        let top = (paper.height - height) / 2 * 2;
        self.read_background(&paper, top, width, height);
        let (right, bottom) = (width as f32, height as f32);
        self.canvas.rectangle((0.0, 0.0), (right, bottom), DARK.opacity(0.7));
        let mut pen = pad;
        for (letter, end) in &line {
            if let Some((mask, _)) = self.letters.get(letter) {
                self.canvas.stamp(mask, pen.round() as i32, (size * 1.1).round() as i32, WHITE);
            }
            pen = pad + end;
        }
        self.write_back(paper, top, width, height);
    }

    /// The letters of `words` that fit into `most` pixels, each with its right edge; if others do not fit, the mark
    /// follows.
    fn line(&mut self, words: &str, most: f32) -> Vec<(char, f32)> {
        let mut line: Vec<(char, f32)> = Vec::with_capacity(LONGEST);
        for letter in words.chars().filter(|letter| !letter.is_control()) {
            let end = self.advance_after(&line, letter);
            if end <= most && line.len() < LONGEST {
                line.push((letter, end));
                continue;
            }
            while self.advance_after(&line, MARK) > most && line.pop().is_some() {}
            let end = self.advance_after(&line, MARK);
            if end <= most {
                line.push((MARK, end));
            }
            break;
        }
        line
    }

    /// The right edge of `letter` after `line`.
    fn advance_after(&mut self, line: &[(char, f32)], letter: char) -> f32 {
        let size = self.size;
        let (_, advance) = self.letters.entry(letter).or_insert_with(|| rasterise(size, letter));
        line.last().map_or(0.0, |(_, end)| *end) + *advance
    }

    /// Copies the background of the plate to the canvas.
    fn read_background(&mut self, paper: &Paper<'_>, top: usize, width: usize, height: usize) {
        let under = &mut self.under;
        (under.width, under.height) = (width, height);
        let has_colour = !paper.u.is_empty();
        (under.chroma_width, under.chroma_height) = if has_colour { (width / 2, height / 2) } else { (0, 0) };
        let half = paper.width.div_ceil(2);
        copy(paper.y, paper.width, top, width, height, &mut under.y);
        for (from, to) in [(&*paper.u, &mut under.u), (&*paper.v, &mut under.v)] {
            to.clear();
            if has_colour {
                copy(from, half, top / 2, width / 2, height / 2, to);
            }
        }
        self.canvas.load(under);
    }

    fn write_back(&self, paper: Paper<'_>, top: usize, width: usize, height: usize) {
        let luma = width * height;
        let planes = self.canvas.yu12();
        copy_plane(&planes[..luma], width, paper.y, paper.width, top);
        if !paper.u.is_empty() {
            let half = paper.width.div_ceil(2);
            copy_plane(&planes[luma..luma + luma / 4], width / 2, paper.u, half, top / 2);
            copy_plane(&planes[luma + luma / 4..], width / 2, paper.v, half, top / 2);
        }
    }
}

fn rasterise(size: f32, letter: char) -> (Mask, f32) {
    (Mask::letter(Face::Bold, size, letter), Face::Bold.width(size, letter.encode_utf8(&mut [0; 4])))
}

fn copy(from: &[u8], stride: usize, top: usize, width: usize, height: usize, to: &mut Vec<u8>) {
    to.clear();
    for row in from.chunks(stride).skip(top).take(height) {
        to.extend_from_slice(&row[..width]);
    }
}

fn copy_plane(from: &[u8], width: usize, to: &mut [u8], stride: usize, top: usize) {
    for (from, to) in from.chunks_exact(width).zip(to.chunks_mut(stride).skip(top)) {
        to[..width].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Luma of an image of one colour with `words` in it.
    fn written(words: &str, width: usize, height: usize, luma: u8) -> Vec<u8> {
        let (half, high) = (width.div_ceil(2), height.div_ceil(2));
        let (mut y, mut u, mut v) =
            (vec![luma; width * height], vec![90; half * high], vec![90; half * high]);
        let paper = Paper { width, height, y: &mut y, u: &mut u, v: &mut v };
        Caption::default().write(words, paper);
        y
    }

    #[test]
    fn text_is_readable_on_any_background_and_the_rest_is_unchanged() {
        for ground in [0, 128, 255] {
            let y = written("2026-11-20 door", 640, 480, ground);
            let (bright, dark) = (y.iter().max(), y.iter().min());
            assert!(bright > Some(&230) && dark < Some(&110), "{bright:?} {dark:?} on {ground}");
            assert!(y[..640 * 400].iter().all(|&luma| luma == ground), "only the lower left corner");
            assert!(y.chunks(640).all(|row| row[600..].iter().all(|&luma| luma == ground)));
        }
    }

    #[test]
    fn a_text_that_is_too_wide_ends_with_a_mark() {
        let wide = |letters: usize| written(&"W".repeat(letters), 640, 480, 128);
        let marked = |letters: usize| written(&("W".repeat(letters) + "…"), 640, 480, 128);
        let cut = wide(200);
        let whole = (1..200).find(|&letters| marked(letters) == cut);
        assert!(whole.is_some_and(|letters| letters > 20), "{whole:?}");
        // A text that fits has none.
        let fits = whole.unwrap_or_default();
        assert_ne!(wide(fits), marked(fits));
        assert_eq!(marked(200), cut, "an ellipsis in the text adds no second one");
        // The mark is also omitted without room for it.
        written("WW", 12, 9, 128);
    }

    #[test]
    fn any_text_is_accepted() {
        let plain = written("door", 320, 240, 128);
        assert_eq!(written("d\u{1b}o\0o\r\nr\u{7f}\u{9b}", 320, 240, 128), plain);
        let long = "x".repeat(100_000);
        assert_ne!(written(&long, 320, 240, 128), plain);
        written("\u{202e}\u{feff}日本\u{1f600}", 320, 240, 128);
        assert!(written("\u{7}\n", 64, 48, 128).iter().all(|&luma| luma == 128));
        for (width, height) in [(1, 1), (2, 2), (3, 9), (17, 5), (16, 16), (1, 400), (401, 3)] {
            written("door 12:00", width, height, 10);
        }
    }

    #[test]
    fn grey_images_have_no_chroma_to_write_into() {
        let mut y = vec![0; 200 * 100];
        let paper = Paper { width: 200, height: 100, y: &mut y, u: &mut [], v: &mut [] };
        Caption::default().write("door", paper);
        assert!(y.iter().any(|&luma| luma > 200));
    }
}
