//! The picture for viewers while there is no frame: a card with text.
//!
//! A card is readable from 160 × 120 to 8K: its letters scale with its size and words wrap. If room is short, lines
//! end with "…", then the hint and the body are omitted. Text keeps clear of the edges. The same text and size always
//! give the same bytes.

use super::canvas::{Canvas, Face, Ink};

/// The text of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardText {
    /// A few words, large: "Camera in use".
    pub headline: String,
    /// The state and its reason.
    pub body: String,
    /// The action to take, if there is one.
    pub hint: Option<String>,
}

// The colours of the pages, behind and over the picture.
const STAGE: Ink = Ink::srgb(0x0b0d0e);
const BRIGHT: Ink = Ink::srgb(0xe9ecee);
const MUTED: Ink = Ink::srgb(0x9ca6ad);
const RULE: Ink = Ink::srgb(0x3a444b);
const FAINT: Ink = Ink::srgb(0x727d85);
const TILE: Ink = Ink::srgb(0x1c2226);
const IN: Ink = Ink::srgb(0x3fa9e6);
const OUT: Ink = Ink::srgb(0xe69f00);

/// The smallest readable letters, as em in pixels.
const SMALLEST: f32 = 9.0;

/// Line spacing in ems.
const LEADING: f32 = 1.4;

/// Heights from the baseline to the top of capitals, and to the bottom of descenders, in ems.
const CAPITAL: f32 = 0.73;
const DESCENDER: f32 = 0.24;

/// Height of an accent above a capital, in ems.
const ACCENT: f32 = 0.22;

/// Empty pixels on every side of a card.
fn margin(width: u32, height: u32) -> f32 {
    (width.min(height) as f32 * 0.09).max(2.0).floor()
}

/// Draws a card of `width` × `height` pixels (rounded up to even ones).
pub fn draw(text: &CardText, width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::new(width, height, STAGE);
    let (width, height) = (canvas.width() as f32, canvas.height() as f32);
    let margin = margin(canvas.width(), canvas.height());
    let foot = foot_size(width, height);
    let below = if foot > 0.0 { margin + 2.0 * foot } else { margin };
    let room = (width - 2.0 * margin, height - margin - below);
    let block = TextBlock::largest_fitting(text, room);
    // A little above the middle, which looks balanced.
    let top = margin + ((room.1 - block.height()) * 0.45).max(0.0).floor();
    block.draw(&mut canvas, margin, top);
    if foot > 0.0 {
        draw_foot(&mut canvas, margin, height - margin, foot);
    }
    canvas
}

/// Size of the program's name at the foot; 0 if the text needs the room.
fn foot_size(width: f32, height: f32) -> f32 {
    let size = (width / 44.0).min(height / 26.0);
    if size < SMALLEST { 0.0 } else { size }
}

/// Draws the program's mark and name, standing on `bottom`.
fn draw_foot(canvas: &mut Canvas, left: f32, bottom: f32, size: f32) {
    let tile = size * 1.6;
    draw_mark(canvas, left, bottom - tile, tile);
    let baseline = bottom - tile / 2.0 + size * CAPITAL / 2.0;
    canvas.draw_text(Face::Bold, size, left + tile + size * 0.6, baseline, "tallycam", FAINT);
}

/// Draws the program's mark in a square of `size` pixels: objects going in above the line, objects going out below
/// it.
fn draw_mark(canvas: &mut Canvas, left: f32, top: f32, size: f32) {
    let unit = size / 16.0;
    let at = |x: f32, y: f32| (left + x * unit, top + y * unit);
    canvas.fill_rounded_rect(at(0.0, 0.0), at(16.0, 16.0), 3.0 * unit, TILE);
    canvas.rectangle(at(4.0, 4.0), at(7.0, 7.0), IN);
    canvas.rectangle(at(9.0, 2.0), at(12.0, 7.0), IN);
    canvas.rectangle(at(4.0, 9.0), at(7.0, 14.0), OUT);
    canvas.rectangle(at(9.0, 9.0), at(12.0, 12.0), OUT);
    canvas.rectangle(at(2.0, 7.5), at(14.0, 8.5), BRIGHT);
}

/// A part of the text, wrapped.
struct TextPart {
    face: Face,
    size: f32,
    ink: Ink,
    /// Pixels between the part above and the capitals of this one.
    gap: f32,
    /// Pixels from the block's left edge; an indented part has a rule beside it.
    inset: f32,
    lines: Vec<String>,
}

impl TextPart {
    /// Pixels from the top of the first line's capitals to the bottom of the last one's descenders.
    fn height(&self) -> f32 {
        let steps = self.lines.len().saturating_sub(1) as f32;
        self.size * (CAPITAL + DESCENDER + LEADING * steps)
    }
}

/// The card's text: headline, body and hint below each other.
struct TextBlock(Vec<TextPart>);

impl TextBlock {
    /// The block with the largest letters with which the whole text fits `room` (width, height); otherwise the
    /// smallest readable ones, and the text is truncated.
    fn largest_fitting(text: &CardText, room: (f32, f32)) -> TextBlock {
        let largest = (room.0 / 24.0).min(room.1 / 14.0);
        let mut size = largest;
        while size > SMALLEST {
            let block = TextBlock::layout(text, size, room.0, (usize::MAX, usize::MAX));
            if block.height() <= room.1 && block.0.first().is_none_or(|headline| headline.lines.len() <= 2) {
                return block;
            }
            size *= 0.92;
        }
        // Smaller than readable only if not even that fits.
        let size = SMALLEST.min(room.0 / 8.0).min(room.1 / 2.3);
        // As many lines as fit; the headline has priority.
        let of = |headline, others| TextBlock::layout(text, size, room.0, (headline, others));
        let others = (1..=12).rev().find(|&lines| of(2, lines).height() <= room.1).unwrap_or(1);
        let mut block = of(2, others);
        block.truncate_to_height(room.1);
        if block.0.is_empty() {
            block = of(1, 1);
            block.truncate_to_height(room.1);
        }
        block
    }

    /// The block with body letters of `size` pixels, `width` pixels wide. `most` limits the lines of the headline and
    /// of each of the other parts.
    fn layout(text: &CardText, size: f32, width: f32, most: (usize, usize)) -> TextBlock {
        let others = |words: &str, inset: f32| {
            wrap_text(&quoted(words), width - inset, most.1, |t| Face::Regular.width(size, t))
        };
        let large = size * 1.9;
        let headline = TextPart {
            face: Face::Bold,
            size: large,
            ink: BRIGHT,
            gap: 0.0,
            inset: 0.0,
            lines: wrap_text(&quoted(&text.headline), width, most.0, |t| Face::Bold.width(large, t)),
        };
        let body = TextPart {
            face: Face::Regular,
            size,
            ink: MUTED,
            gap: size * 1.1,
            inset: 0.0,
            lines: others(&text.body, 0.0),
        };
        let hint = TextPart {
            face: Face::Regular,
            size,
            ink: BRIGHT,
            gap: size * 1.4,
            inset: size,
            lines: others(text.hint.as_deref().unwrap_or_default(), size),
        };
        TextBlock([headline, body, hint].into_iter().filter(|part| !part.lines.is_empty()).collect())
    }

    /// Drops the last parts until the block is at most `height` pixels high.
    fn truncate_to_height(&mut self, height: f32) {
        while !self.0.is_empty() && self.height() > height {
            self.0.pop();
        }
    }

    /// Pixels from the top of the first line's accents to the bottom of the last one's descenders.
    fn height(&self) -> f32 {
        let parts: f32 = self.0.iter().map(|part| part.gap + part.height()).sum();
        self.space_above() + parts
    }

    /// Pixels above the first part's gap: room for accents without that gap, which is not needed.
    fn space_above(&self) -> f32 {
        self.0.first().map_or(0.0, |first| first.size * ACCENT - first.gap)
    }

    fn draw(&self, canvas: &mut Canvas, left: f32, top: f32) {
        let mut y = top + self.space_above();
        for part in &self.0 {
            y += part.gap;
            if part.inset > 0.0 {
                let thick = (part.size * 0.12).max(1.0).round();
                canvas.rectangle((left, y), (left + thick, y + part.height()), RULE);
            }
            for (n, line) in part.lines.iter().enumerate() {
                let baseline = y + part.size * (CAPITAL + LEADING * n as f32);
                canvas.draw_text(part.face, part.size, left + part.inset, baseline.round(), line, part.ink);
            }
            y += part.height();
        }
    }
}

/// `text` with the backquotes of our messages replaced by “quotation marks”.
fn quoted(text: &str) -> String {
    let mut open = false;
    let turn = |letter| match letter {
        '`' => {
            open = !open;
            if open { '“' } else { '”' }
        }
        other => other,
    };
    text.chars().map(turn).collect()
}

/// Breaks `text` into at most `most` lines of at most `width` by `measure`: between words, or within a word that is
/// longer than a line. Truncated text ends with "…".
fn wrap_text(text: &str, width: f32, most: usize, measure: impl Fn(&str) -> f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let tried = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if measure(&tried) <= width {
            line = tried;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            line.push(letter);
            if measure(&line) > width && line.chars().nth(1).is_some() {
                line.pop();
                lines.push(std::mem::replace(&mut line, letter.to_string()));
            }
        }
        if lines.len() > most {
            break;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push('…');
            while measure(last) > width && last.chars().nth(1).is_some() {
                last.pop();
                last.pop();
                last.truncate(last.trim_end().len());
                last.push('…');
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn busy() -> CardText {
        CardText {
            headline: "Camera in use".into(),
            body: "/dev/video0 is in use by another program: Device or resource busy".into(),
            hint: Some("`fuser /dev/video0` names it".into()),
        }
    }

    /// The card in characters, by the brightest pixel of each cell of 5 × 10 pixels.
    fn sketch(card: &Canvas) -> Vec<String> {
        let brightest = |column: u32, row: u32| {
            let pixels = (0..50).map(|i| card.luma(column * 5 + i % 5, row * 10 + i / 5).unwrap());
            pixels.max().unwrap()
        };
        let letter = |luma: u8| match luma {
            0..24 => ' ',
            24..110 => '.',
            110..200 => 'o',
            _ => '#',
        };
        let line = |row| (0..card.width() / 5).map(|c| letter(brightest(c, row))).collect::<String>();
        (0..card.height() / 10).map(|row| line(row).trim_end().to_owned()).collect()
    }

    #[test]
    fn a_card_looks_as_it_should() {
        let got = sketch(&draw(&busy(), 400, 300)).join("\n");
        assert!(got.trim_end() == include_str!("still_card.golden").trim_end(), "it looks like this:\n{got}");
    }

    #[test]
    fn each_part_is_drawn_and_changes_the_card() {
        let whole = draw(&busy(), 640, 480);
        let other = |change: fn(&mut CardText)| {
            let mut text = busy();
            change(&mut text);
            draw(&text, 640, 480)
        };
        for changed in [
            other(|t| t.headline.push('!')),
            other(|t| t.body.push('!')),
            other(|t| t.hint = Some("Wait".into())),
            other(|t| t.hint = None),
        ] {
            assert!(changed.yu12() != whole.yu12());
        }
        assert!(draw(&busy(), 640, 480).yu12() == whole.yu12(), "the same words gave another card");
    }

    #[test]
    fn larger_cards_have_larger_letters() {
        let bright = |width, height| {
            let card = draw(&busy(), width, height);
            let luma = &card.yu12()[..(width * height) as usize];
            luma.iter().filter(|&&y| y > 200).count() as f32 / luma.len() as f32
        };
        let (small, large) = (bright(640, 360), bright(3840, 2160));
        assert!(large > 0.8 * small && large < 1.3 * small, "{small} and {large}");
    }

    #[test]
    fn lines_break_between_words_then_within_them_and_end_in_an_ellipsis() {
        let wrap = |text, most| wrap_text(text, 6.0, most, |t| t.chars().count() as f32);
        assert_eq!(wrap(" one two  three four ", 9), ["one", "two", "three", "four"]);
        assert_eq!(wrap("a bc def", 9), ["a bc", "def"]);
        assert_eq!(wrap("abcdefghijklmno p", 9), ["abcdef", "ghijkl", "mno p"]);
        assert_eq!(wrap("one two three four", 3), ["one", "two", "three…"]);
        assert_eq!(wrap("a b c abcdef", 1), ["a b c…"]);
        assert_eq!(wrap("abcdefghi", 1), ["abcde…"]);
        assert!(wrap("", 3).is_empty() && wrap(" \n", 3).is_empty());
    }

    #[test]
    fn commands_are_quoted() {
        assert_eq!(quoted("`fuser x` names it"), "“fuser x” names it");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn text_never_leaves_the_card(
            width in 16u32..900,
            height in 16u32..700,
            headline in "[A-Za-zäß ]{0,60}",
            body in "[A-Za-z/:.–é ]{0,200}",
            hint in prop::option::of("\\PC{0,80}"),
        ) {
            let has_words = !headline.trim().is_empty();
            let card = draw(&CardText { headline, body, hint }, width, height);
            // Some letters (J, f) reach a little beyond their width.
            let edge = (margin(card.width(), card.height()) * 0.75) as u32;
            let mut words = false;
            for y in 0..card.height() {
                for x in 0..card.width() {
                    let empty = card.luma(x, y) == Some(STAGE.luma());
                    let inside = (edge..card.width() - edge).contains(&x) && (edge..card.height() - edge).contains(&y);
                    prop_assert!(empty || inside, "({}, {}) in the margin", x, y);
                    words |= !empty;
                }
            }
            prop_assert!(words || !has_words, "an empty card");
        }
    }
}
