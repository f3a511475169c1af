//! Lines and zones over a picture, as SVG: for readers without scripts, and until the script draws its own.
//! `overlay.js` and `lines.js` draw the same shapes in pixels of the window.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::ZoneNow;
use tallycam_store::{LineRow, ZoneDraft};

/// Width of the drawing in its own units, so that strokes and words have the same size on every picture.
const WIDE: f64 = 960.0;

/// Width and height of the drawing over a picture of `size` pixels.
pub(in crate::ui) fn view_box(size: (u32, u32)) -> (f64, f64) {
    let (width, height) = (f64::from(size.0.max(1)), f64::from(size.1.max(1)));
    (WIDE, (WIDE * height / width).round().clamp(1.0, 16.0 * WIDE))
}

/// Half of the width of words: a letter is about 9 wide.
fn half_width(words: &str) -> f64 {
    4.5 * words.chars().count() as f64 + 4.0
}

/// Room for the words over a picture: those that would touch others are left out.
#[derive(Default)]
pub(in crate::ui) struct LabelRoom(Vec<[f64; 4]>);

impl LabelRoom {
    /// Takes the first of `places` where `words` touch no others.
    fn take(&mut self, words: &str, places: &[[f64; 2]]) -> Option<[f64; 2]> {
        let half = half_width(words);
        places.iter().copied().find(|[x, y]| {
            let own = [x - half, y - 16.0, x + half, y + 6.0];
            let is_free = !self.0.iter().any(|other| {
                own[0] < other[2] && other[0] < own[2] && own[1] < other[3] && other[1] < own[3]
            });
            if is_free {
                self.0.push(own);
            }
            is_free
        })
    }
}

/// A word with its middle at the first of `places` that is free.
fn word(class: &str, words: &str, room: &mut LabelRoom, places: &[[f64; 2]]) -> String {
    if words.is_empty() {
        return String::new();
    }
    room.take(words, places).map_or_else(String::new, |[x, y]| {
        format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", Text(words))
    })
}

/// The zones and lines, each with its name, and the lines with an arrow to their inner side.
pub(in crate::ui) fn all(lines: &[LineRow], zones: &[ZoneNow], size: (u32, u32)) -> String {
    let mut room = LabelRoom::default();
    // Arrows of many lines would touch.
    let has_arrows = lines.len() <= 4;
    let lines: String = lines
        .iter()
        .map(|LineRow { draft, .. }| {
            let in_name = if has_arrows { draft.in_name.as_str() } else { "" };
            line((draft.a, draft.b), &draft.name, in_name, size, &mut room)
        })
        .collect();
    let draw = |row: &ZoneNow| {
        let ZoneDraft { name, points, exclude, .. } = &row.row.draft;
        zone(name, points, *exclude, size, &mut room)
    };
    zones.iter().map(draw).collect::<String>() + &lines
}

/// One line from a to b, with its name and an arrow to `in_name`; without a word there is no arrow.
pub(in crate::ui) fn line(
    ends: ([f64; 2], [f64; 2]),
    name: &str,
    in_name: &str,
    size: (u32, u32),
    room: &mut LabelRoom,
) -> String {
    let (width, height) = view_box(size);
    let mut svg = String::new();
    let [a, b] = [ends.0, ends.1].map(|[x, y]| [x * width, y * height]);
    let along = [b[0] - a[0], b[1] - a[1]];
    let long = along[0].hypot(along[1]).max(1e-6);
    // To the left of a→b, as seen on the picture, whose y points down.
    let left = [along[1] / long, -along[0] / long];
    let middle = [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let beside = |far: f64, on: f64| {
        [middle[0] + left[0] * far + along[0] / long * on, middle[1] + left[1] * far + along[1] / long * on]
    };
    let (foot, tip, one, other) =
        (beside(6.0, 0.0), beside(46.0, 0.0), beside(34.0, -9.0), beside(34.0, 9.0));
    let arrow = match in_name {
        "" => String::new(),
        _ => format!(
            "M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}",
            foot[0], foot[1], tip[0], tip[1], one[0], one[1], tip[0], tip[1], other[0], other[1]
        ),
    };
    let bar = format!("M{:.1} {:.1}L{:.1} {:.1}", a[0], a[1], b[0], b[1]);
    // The word stands beyond the arrow's tip, however long it is: a letter is about 8 wide, and half of them reach
    // back.
    let half = (4.0 * in_name.chars().count() as f64).max(8.0);
    let way = beside(56.0 + half * left[0].abs() + 8.0 * left[1].abs(), 0.0);
    let edge = (half + 16.0).min(width / 2.0);
    let name_edge = half_width(name).min(width / 2.0);
    let (low, high) = if a[1] > b[1] { (a, b) } else { (b, a) };
    let within = |x: f64, y: f64, edge: f64| [x.max(edge).min(width - edge), y.max(16.0).min(height - 10.0)];
    // The name stands at the end that has room.
    let ends = [within(low[0], low[1] + 24.0, name_edge), within(high[0], high[1] - 12.0, name_edge)];
    let _ = write!(
        svg,
        "<path class=\"case\" d=\"{bar}{arrow}\"/><path class=\"line\" d=\"{bar}\"/>\
         <path class=\"arrow\" d=\"{arrow}\"/>{}{}",
        word("hi mid", in_name, room, &[within(way[0], way[1] + 5.0, edge)]),
        word("mid", name, room, &ends),
    );
    svg
}

/// The letters a and b at a line's ends, as in its form.
pub(super) fn ends(a: [f64; 2], b: [f64; 2], size: (u32, u32)) -> String {
    let (width, height) = view_box(size);
    let mut svg = String::new();
    for (letter, [x, y]) in [("a", a), ("b", b)] {
        let (x, y) =
            ((x * width + 12.0).clamp(4.0, width - 20.0), (y * height - 24.0).clamp(16.0, height - 8.0));
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{letter}</text>");
    }
    svg
}

/// One zone with its name.
pub(super) fn zone(
    name: &str,
    points: &[[f64; 2]],
    is_excluded: bool,
    size: (u32, u32),
    room: &mut LabelRoom,
) -> String {
    let (width, height) = view_box(size);
    let corners: Vec<[f64; 2]> = points.iter().map(|[x, y]| [x * width, y * height]).collect();
    let mut path = String::from("M");
    let mut middle = [0.0; 2];
    for (n, [x, y]) in corners.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { "" } else { "L" });
        middle = [middle[0] + x / corners.len() as f64, middle[1] + y / corners.len() as f64];
    }
    format!(
        "<path class=\"zone{}\" d=\"{path}z\"/>{}",
        if is_excluded { " off" } else { "" },
        word(
            "mid",
            name,
            room,
            &[[middle[0].clamp(48.0, width - 48.0), middle[1].clamp(16.0, height - 10.0)]]
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(ends: ([f64; 2], [f64; 2]), name: &str, in_name: &str, size: (u32, u32)) -> String {
        super::line(ends, name, in_name, size, &mut LabelRoom::default())
    }

    #[test]
    fn words_that_would_touch_stand_at_the_other_end_or_are_left_out() {
        let mut room = LabelRoom::default();
        let mut draw =
            |x: f64| super::line(([x, 0.9], [x, 0.1]), "Main entrance", "in", (960, 720), &mut room);
        let [first, second, third] = [0.50, 0.51, 0.52].map(&mut draw);
        let name = |svg: &str| {
            svg.split_once("Main entrance")
                .map(|(before, _)| before.rsplit_once("y=\"").unwrap().1.to_owned())
        };
        assert_eq!([name(&first), name(&second)], [Some("672.0\">".into()), Some("60.0\">".into())]);
        assert_eq!(name(&third), None, "{third}");
        assert!(first.contains(">in</text>") && !second.contains(">in</text>"), "{second}");
    }

    #[test]
    fn the_arrow_points_to_the_left_of_a_to_b() {
        // Upwards: in is to the left. From left to right: in is up.
        let up = line(([0.5, 1.0], [0.5, 0.0]), "A & B", "in", (960, 720));
        assert!(up.contains("class=\"arrow\" d=\"M474.0 360.0L434.0 360.0"), "{up}");
        let right = line(([0.0, 0.5], [1.0, 0.5]), "A & B", "in", (960, 720));
        assert!(right.contains("class=\"arrow\" d=\"M480.0 354.0L480.0 314.0"), "{right}");
        assert!(right.contains("A &amp; B"));
    }

    #[test]
    fn a_long_word_lies_beyond_the_arrow_and_within_the_picture() {
        let word = |name: &str, x: f64, size| {
            let svg = line(([x, 1.0], [x, 0.0]), "A & B", name, size);
            let (_, rest) = svg.split_once("class=\"hi mid\" x=\"").unwrap();
            rest.split_once('"').unwrap().0.parse::<f64>().unwrap()
        };
        // The arrow's tip is at 434.
        assert_eq!(word("in", 0.5, (960, 720)), 416.0);
        assert_eq!(word("leftwards", 0.5, (960, 720)), 388.0);
        assert_eq!(word("leftwards", 0.01, (960, 720)), 52.0);
        let long = "x".repeat(1000);
        assert_eq!(word(&long, 0.5, (960, 720)), 480.0);
    }

    #[test]
    fn a_line_without_length_draws_no_nan_or_infinity() {
        let svg = line(([0.5, 0.5], [0.5, 0.5]), "A & B", "in", (0, 0));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
