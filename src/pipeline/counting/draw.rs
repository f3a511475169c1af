//! Draws the overlay of an annotated picture: boxes with trails and names, lines with arrow and counts, zones with
//! their occupancy. Pure.
//!
//! Colours are those of the pages: *in* is blue and *out* is orange, which colour-blind viewers can tell apart.
//! Everything else is white with a dark edge, visible on any background.

use std::collections::BTreeMap;

use tallycam_camera::media::canvas::{Canvas, Face, Ink, PixelPoint};

use super::{Overlay, ShownTrack};

const IN: Ink = Ink::srgb(0x0072b2);
const OUT: Ink = Ink::srgb(0xe69f00);
const WHITE: Ink = Ink::srgb(0xffffff);
const DARK: Ink = Ink::srgb(0x101418);

/// Maximum number of points in a track's trail.
const TRAIL: usize = 48;
/// Maximum extrapolation of a track by its velocity, seconds.
const MOST_AHEAD: f32 = 1.0;
/// An overlay that is older than this, in seconds, is not drawn.
const STALE: f32 = 3.0;

/// A line to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnLine {
    pub name: String,
    /// Start of the line, in fractions of the picture.
    pub a: [f64; 2],
    /// End of the line.
    pub b: [f64; 2],
    /// Names of the directions in and out.
    pub names: [String; 2],
    /// Today's counts in and out.
    pub counts: [u64; 2],
}

/// A zone to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnZone {
    /// Number of the zone.
    pub id: u64,
    pub name: String,
    /// Corners in fractions of the picture.
    pub points: Vec<[f64; 2]>,
}

/// Past positions of the tracks. Bounded: [`TRAIL`] points each, and ended tracks are removed.
#[derive(Debug, Default)]
pub struct Trails {
    places: BTreeMap<u64, Vec<[f32; 2]>>,
    newest: Option<u64>,
}

impl Trails {
    /// Adds the positions of a detection, once.
    pub fn update(&mut self, overlay: &Overlay) {
        let number = overlay.stamp.monotonic_us;
        if self.newest.replace(number) == Some(number) {
            return;
        }
        self.places.retain(|id, _| overlay.tracks.iter().any(|track| track.id == *id));
        for track in overlay.tracks.iter().filter(|track| track.in_sight) {
            let places = self.places.entry(track.id).or_default();
            if places.len() == TRAIL {
                places.remove(0);
            }
            places.push(bottom_center(&track.bounds));
        }
    }
}

fn bottom_center(bounds: &[f32; 4]) -> [f32; 2] {
    [(bounds[0] + bounds[2]) / 2.0, bounds[3]]
}

/// Draws the whole overlay. The picture is `ahead_s` seconds newer than the detection.
pub fn draw(
    canvas: &mut Canvas,
    overlay: &Overlay,
    ahead_s: f32,
    trails: &Trails,
    lines: &[DrawnLine],
    zones: &[DrawnZone],
) {
    let mut pen = OverlayPen::new(canvas);
    for zone in zones {
        let inside = overlay.zones.iter().find(|(id, _)| *id == zone.id).map(|(_, inside)| *inside);
        pen.zone(zone, inside);
    }
    for track in overlay.tracks.iter().filter(|_| ahead_s <= STALE) {
        if let Some(places) = trails.places.get(&track.id) {
            pen.draw_trail(places);
        }
        pen.draw_track(track, ahead_s.clamp(0.0, MOST_AHEAD));
    }
    // Lines go last, so that no box covers their counts.
    for line in lines {
        pen.line(line);
    }
}

/// The canvas with matching sizes of strokes and letters.
struct OverlayPen<'a> {
    canvas: &'a mut Canvas,
    width: f32,
    height: f32,
    /// Half the width of a stroke, in pixels.
    stroke: f32,
    /// Size of letters, in pixels.
    letters: f32,
}

impl<'a> OverlayPen<'a> {
    fn new(canvas: &'a mut Canvas) -> OverlayPen<'a> {
        let (width, height) = (canvas.width() as f32, canvas.height() as f32);
        let letters = (width.min(height) / 32.0).clamp(9.0, 48.0);
        OverlayPen { canvas, width, height, stroke: (letters / 16.0).max(1.0), letters }
    }

    fn to_point(&self, [x, y]: [f64; 2]) -> PixelPoint {
        (x as f32 * self.width, y as f32 * self.height)
    }

    /// A stroke with a dark edge.
    fn draw_outlined(&mut self, from: PixelPoint, to: PixelPoint, ink: Ink) {
        let (thin, thick) = (self.stroke, 2.0 * self.stroke);
        self.canvas.draw_limb(from, thick, to, thick, DARK.opacity(0.5));
        self.canvas.draw_limb(from, thin, to, thin, ink);
    }

    /// Words on a plate with its upper left corner at `corner`, moved to be fully visible. Returns the plate's width.
    fn draw_label(&mut self, corner: PixelPoint, words: &str, ink: Ink, ground: Ink) -> f32 {
        let pad = self.letters * 0.35;
        let (width, height) = (Face::Bold.width(self.letters, words) + 2.0 * pad, self.letters * 1.4);
        let x = corner.0.min(self.width - width).max(0.0);
        let y = corner.1.min(self.height - height).max(0.0);
        self.canvas.fill_rounded_rect((x, y), (x + width, y + height), pad, ground);
        self.canvas.draw_text(Face::Bold, self.letters, x + pad, y + self.letters * 1.05, words, ink);
        width
    }

    fn draw_track(&mut self, track: &ShownTrack, ahead_s: f32) {
        let [dx, dy] = track.velocity.map(|v| v * ahead_s);
        let [left, top, right, bottom] = track.bounds;
        let x = |at: f32| (at + dx) * self.width;
        let y = |at: f32| (at + dy) * self.height;
        let (left, top, right, bottom) = (x(left), y(top), x(right), y(bottom));
        let share = if track.in_sight { 1.0 } else { 0.4 };
        self.frame((left, top), (right, bottom), 2.0 * self.stroke, DARK.opacity(0.5 * share));
        self.frame((left, top), (right, bottom), self.stroke, WHITE.opacity(share));
        let words = format!("{} {}", track.class, track.id);
        let above = top - self.letters * 1.4 - 2.0 * self.stroke;
        self.draw_label((left, above), &words, WHITE, DARK.opacity(0.75 * share));
    }

    /// The four edges of a rectangle, `half` pixels to both sides; corners are drawn once.
    fn frame(&mut self, (left, top): PixelPoint, (right, bottom): PixelPoint, half: f32, ink: Ink) {
        self.canvas.rectangle((left - half, top - half), (right + half, top + half), ink);
        self.canvas.rectangle((left - half, bottom - half), (right + half, bottom + half), ink);
        self.canvas.rectangle((left - half, top + half), (left + half, bottom - half), ink);
        self.canvas.rectangle((right - half, top + half), (right + half, bottom - half), ink);
    }

    fn draw_trail(&mut self, places: &[[f32; 2]]) {
        for (at, pair) in places.windows(2).enumerate() {
            let age = (at + 1) as f32 / places.len() as f32;
            let [from, to] = [pair[0], pair[1]].map(|[x, y]| (x * self.width, y * self.height));
            self.canvas.draw_limb(from, self.stroke, to, self.stroke, WHITE.opacity(0.7 * age));
        }
    }

    fn zone(&mut self, zone: &DrawnZone, inside: Option<u32>) {
        let corners: Vec<PixelPoint> = zone.points.iter().map(|&point| self.to_point(point)).collect();
        let Some(&last) = corners.last() else { return };
        let mut from = last;
        for &to in &corners {
            self.draw_outlined(from, to, WHITE.opacity(0.8));
            from = to;
        }
        let words = match inside {
            Some(inside) => format!("{} {inside}", zone.name),
            None => zone.name.clone(),
        };
        let top = corners.iter().copied().reduce(|a, b| if b.1 < a.1 { b } else { a }).unwrap_or(last);
        self.draw_label(top, &words, WHITE, DARK.opacity(0.75));
    }

    fn line(&mut self, line: &DrawnLine) {
        let (a, b) = (self.to_point(line.a), self.to_point(line.b));
        self.draw_outlined(a, b, WHITE);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = dx.hypot(dy);
        if length < 1.0 {
            return;
        }
        // To the left of a→b in the picture, whose y grows downwards.
        let (nx, ny) = (dy / length, -dx / length);
        let middle = ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
        let reach = 2.2 * self.letters;
        let tip = (middle.0 + nx * reach, middle.1 + ny * reach);
        self.arrow(middle, tip, IN);
        // The plates stand in a row beside the arrow's tip, so that they do not hide it.
        let gap = self.letters * 0.4;
        let mut x = tip.0 + gap;
        let y = tip.1 + gap;
        x += self.draw_label((x, y), &line.name, WHITE, DARK.opacity(0.75)) + gap / 2.0;
        let [in_name, out_name] = &line.names;
        x += self.draw_label((x, y), &format!("{in_name} {}", line.counts[0]), WHITE, IN) + gap / 2.0;
        self.draw_label((x, y), &format!("{out_name} {}", line.counts[1]), DARK, OUT);
    }

    fn arrow(&mut self, from: PixelPoint, tip: PixelPoint, ink: Ink) {
        let (dx, dy) = (tip.0 - from.0, tip.1 - from.1);
        let length = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / length, dy / length);
        let head = self.letters * 0.7;
        let neck = (tip.0 - ux * head, tip.1 - uy * head);
        let half = head * 0.6;
        let corners =
            [tip, (neck.0 - uy * half, neck.1 + ux * half), (neck.0 + uy * half, neck.1 - ux * half)];
        let thick = 1.6 * self.stroke;
        self.canvas.draw_limb(from, 2.0 * thick, neck, 2.0 * thick, WHITE);
        self.canvas.draw_limb(from, thick, neck, thick, ink);
        self.canvas.polygon(&corners, ink);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_base::ClockTime;

    const GREY: Ink = Ink::srgb(0x808080);

    fn overlay(at_us: u64, bounds: [f32; 4]) -> Overlay {
        let track = ShownTrack {
            id: 7,
            class: "person".into(),
            score: 0.9,
            bounds,
            velocity: [0.1, 0.0],
            in_sight: true,
        };
        let stamp = ClockTime { monotonic_us: at_us, wall_us: 0, wall_trusted: false };
        let (size, tracks, zones) = ((640, 480), vec![track], vec![(3, 2)]);
        Overlay { stamp, sequence: 1, size, tracks, zones, searched: [0.0; 4] }
    }

    fn line() -> DrawnLine {
        DrawnLine {
            name: String::from("door"),
            a: [0.5, 0.9],
            b: [0.5, 0.1],
            names: [String::from("in"), String::from("out")],
            counts: [3, 1],
        }
    }

    fn drawn(ahead_s: f32, lines: &[DrawnLine], zones: &[DrawnZone]) -> Canvas {
        let mut canvas = Canvas::new(640, 480, GREY);
        draw(&mut canvas, &overlay(1, [0.1, 0.4, 0.2, 0.8]), ahead_s, &Trails::default(), lines, zones);
        canvas
    }

    #[test]
    fn a_box_is_at_its_track_and_moves_with_it() {
        let canvas = drawn(0.0, &[], &[]);
        assert_eq!(canvas.luma(64, 300), Some(255), "its left edge");
        assert_eq!(canvas.luma(96, 300), Some(128), "its inside is untouched");
        let later = drawn(0.5, &[], &[]);
        assert_eq!((later.luma(64, 300), later.luma(96, 300)), (Some(128), Some(255)));
        assert_eq!(drawn(STALE + 1.0, &[], &[]).take_dirty_area(), None, "an old overlay is not drawn");
    }

    #[test]
    fn the_arrow_points_to_the_left_of_the_line() {
        let canvas = drawn(9.0, &[line()], &[]);
        assert_eq!(canvas.luma(320, 400), Some(255), "the line itself");
        // The line goes upwards, so in is to the left.
        assert_eq!(canvas.luma(300, 240), Some(IN.luma()));
        assert_eq!(canvas.luma(340, 240), Some(128));
        let turned = DrawnLine { a: [0.5, 0.1], b: [0.5, 0.9], ..line() };
        assert_eq!(drawn(9.0, &[turned], &[]).luma(340, 240), Some(IN.luma()));
    }

    #[test]
    fn zones_have_an_outline() {
        let zone = DrawnZone {
            id: 3,
            name: String::from("hall"),
            points: vec![[0.6, 0.6], [0.9, 0.6], [0.9, 0.9], [0.6, 0.9]],
        };
        let canvas = drawn(9.0, &[], &[zone]);
        assert!(canvas.luma(576, 400).is_some_and(|luma| luma > 200));
        assert_eq!(canvas.luma(480, 400), Some(128));
    }

    #[test]
    fn invalid_positions_draw_nothing() {
        let mut canvas = Canvas::new(64, 48, GREY);
        let mad = DrawnLine { a: [f64::NAN, 0.0], b: [f64::INFINITY, 1e30], ..line() };
        let none = DrawnZone { id: 1, name: String::new(), points: Vec::new() };
        let beyond = overlay(1, [f32::NAN, -1e9, 1e9, f32::INFINITY]);
        draw(&mut canvas, &beyond, 0.0, &Trails::default(), &[mad], &[none]);
    }

    #[test]
    fn trails_are_bounded_and_end_with_their_track() {
        let mut trails = Trails::default();
        for n in 0..200 {
            let x = n as f32 / 400.0;
            trails.update(&overlay(n, [x, 0.4, x + 0.1, 0.8]));
            trails.update(&overlay(n, [x, 0.4, x + 0.1, 0.8]));
        }
        let places = &trails.places[&7];
        assert_eq!(places.len(), TRAIL);
        assert_eq!(places.last(), Some(&bottom_center(&[199.0 / 400.0, 0.4, 199.0 / 400.0 + 0.1, 0.8])));
        let mut nobody = overlay(500, [0.0; 4]);
        nobody.tracks.clear();
        trails.update(&nobody);
        assert!(trails.places.is_empty());
    }
}
