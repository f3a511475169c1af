//! The empty street: houses, pavements and the road, drawn once.

use super::scene::{Dice, HORIZON, pixels_per_metre, span};
use crate::media::canvas::{Area, Canvas, Ink};

/// Borders between parts of the street, 0–1 down the span (see [`span`]).
const WALL: f32 = 0.44;
const FAR_KERB: f32 = 0.515;
const ROAD: f32 = 0.525;
const CYCLES: f32 = 0.715;
const NEAR_KERB: f32 = 0.778;
const PAVEMENT: f32 = 0.795;

const DARK: Ink = Ink::srgb(0x15171a);
const WHITE: Ink = Ink::srgb(0xdedfda);
const GLASS: Ink = Ink::srgb(0x39464f);
const SLABS: Ink = Ink::srgb(0xa49f94);
const ASPHALT: Ink = Ink::srgb(0x5d6063);
const KERB: Ink = Ink::srgb(0xbab6ac);

const WALLS: [Ink; 7] = [
    Ink::srgb(0x9c6a55),
    Ink::srgb(0xc9bda3),
    Ink::srgb(0x8d8f8b),
    Ink::srgb(0xb79a78),
    Ink::srgb(0x7b5a4d),
    Ink::srgb(0xa9b0a8),
    Ink::srgb(0xd0c8b8),
];
const TRIMS: [Ink; 6] = [
    Ink::srgb(0x2f4a44),
    Ink::srgb(0x5a2f2d),
    Ink::srgb(0x2b3a52),
    Ink::srgb(0x3a3733),
    Ink::srgb(0x6f5a32),
    Ink::srgb(0x4a5a63),
];

/// Draws the empty street of a seed.
pub(super) fn draw(seed: u64, width: u32, height: u32) -> Canvas {
    let mut canvas = Canvas::new(width, height, WALLS[2]);
    let (w, h) = (canvas.width() as f32, canvas.height() as f32);
    let view = StreetView { width: w, height: h, span: span(w, h) };
    draw_houses(&mut canvas, &view, seed);
    draw_ground(&mut canvas, &view);
    grain(&mut canvas, &view, seed);
    canvas
}

/// Maps metres of the street to pixels of a frame of `width` × `height` pixels, with `span` pixels in a span.
struct StreetView {
    width: f32,
    height: f32,
    span: f32,
}

impl StreetView {
    /// The row at the depth `ground`.
    fn row(&self, ground: f32) -> f32 {
        self.height - (1.0 - ground) * self.span
    }

    /// The column at `metres` to the right of the middle at the depth `ground`.
    fn column(&self, metres: f32, ground: f32) -> f32 {
        self.width / 2.0 + metres * pixels_per_metre(ground) * self.span
    }

    /// Metres from the middle of the frame to its edge at the depth `ground`.
    fn half_width_at(&self, ground: f32) -> f32 {
        self.width / 2.0 / (pixels_per_metre(ground) * self.span)
    }
}

/// A row of houses with shops, up to the top of the frame.
fn draw_houses(canvas: &mut Canvas, view: &StreetView, seed: u64) {
    let metre = pixels_per_metre(WALL) * view.span;
    let foot = view.row(WALL);
    let floors = (foot / (3.1 * metre)).ceil() as u32 + 1;
    let reach = view.half_width_at(WALL);
    let (mut left, mut number) = (-reach - 2.0, 0);
    while left < reach {
        let mut dice = Dice::new(seed, u64::MAX, number);
        let wide = 5.2 + 2.4 * dice.unit_interval() as f32;
        let (wall, trim) = (dice.choose(&WALLS), dice.choose(&TRIMS));
        // In metres from the house's left foot, y upwards.
        let at = |x: f32, y: f32| (view.width / 2.0 + (left + x) * metre, foot - y * metre);
        canvas.rectangle(at(0.0, view.height), at(wide, 0.0), wall);
        for floor in 1..floors {
            let sill = 3.6 + 3.1 * (floor - 1) as f32 + 0.75;
            for window in 0..2 {
                let x = wide * (0.16 + 0.42 * window as f32);
                let pane = wide * 0.26;
                canvas.rectangle(
                    at(x - 0.12, sill + 1.82),
                    at(x + pane + 0.12, sill - 0.12),
                    wall.blend_with(WHITE, 0.55),
                );
                canvas.rectangle(
                    at(x, sill + 1.7),
                    at(x + pane, sill),
                    GLASS.blend_with(DARK, dice.unit_interval() as f32 * 0.4),
                );
                canvas.rectangle(
                    at(x + pane * 0.48, sill + 1.7),
                    at(x + pane * 0.54, sill),
                    WHITE.opacity(0.7),
                );
                canvas.rectangle(at(x, sill + 0.95), at(x + pane, sill + 0.87), WHITE.opacity(0.7));
                canvas.rectangle(
                    at(x - 0.2, sill - 0.1),
                    at(x + pane + 0.2, sill - 0.24),
                    wall.blend_with(DARK, 0.35),
                );
            }
        }
        // The shop: a sign, a window with goods behind it, a door.
        canvas.rectangle(at(0.1, 3.55), at(wide - 0.1, 0.0), trim);
        canvas.rectangle(at(0.1, 3.62), at(wide - 0.1, 3.5), WHITE.blend_with(trim, 0.5));
        let letters = 4 + (dice.next_u64() % 5) as u32;
        for letter in 0..letters {
            let x = wide * 0.2 + 0.34 * letter as f32;
            canvas.rectangle(at(x, 3.3), at(x + 0.2, 2.98), WHITE.blend_with(trim, 0.25));
        }
        let door = wide - 1.5;
        canvas.rectangle(at(0.35, 2.75), at(door - 0.3, 0.55), GLASS);
        for _ in 0..5 {
            let x = 0.5 + (door - 1.6) * dice.unit_interval() as f32;
            let high = 0.3 + 0.7 * dice.unit_interval() as f32;
            let thing = dice.choose(&WALLS).blend_with(GLASS, 0.35);
            canvas.rectangle(at(x, 0.6 + high), at(x + 0.45, 0.6), thing);
        }
        canvas.polygon(&[at(0.8, 0.55), at(1.9, 2.75), at(2.5, 2.75), at(1.4, 0.55)], WHITE.opacity(0.08));
        canvas.rectangle(at(door, 2.6), at(door + 1.05, 0.0), trim.blend_with(DARK, 0.45));
        canvas.rectangle(at(door + 0.15, 2.45), at(door + 0.9, 1.0), GLASS.blend_with(WHITE, 0.12));
        canvas.ellipse(at(door + 0.15, 0.85), 0.06 * metre, 0.06 * metre, WHITE);
        if dice.unit_interval() < 0.6 {
            let cloth = dice.choose(&[Ink::srgb(0xa8483c), Ink::srgb(0x3f6b57), Ink::srgb(0x43618a)]);
            for stripe in 0..8 {
                let x = |part: f32| 0.2 + (door - 0.35) * part / 8.0;
                let ink = if stripe % 2 == 0 { cloth } else { WHITE };
                let (a, b) = (x(stripe as f32), x(stripe as f32 + 1.0));
                canvas.polygon(&[at(a, 2.95), at(b, 2.95), at(b, 2.3), at(a, 2.3)], ink);
            }
            canvas.rectangle(at(0.2, 2.3), at(door - 0.15, 2.0), DARK.opacity(0.35));
        }
        canvas.rectangle(at(wide - 0.07, view.height), at(wide + 0.07, 0.0), DARK.opacity(0.4));
        left += wide;
        number += 1;
    }
}

/// Pavements, kerbs and the road, seen from above the near pavement.
fn draw_ground(canvas: &mut Canvas, view: &StreetView) {
    let mut strip = |from: f32, to: f32, ink: Ink| {
        canvas.rectangle((0.0, view.row(from)), (view.width, view.row(to)), ink);
    };
    strip(WALL, FAR_KERB, SLABS);
    strip(WALL, WALL + 0.012, SLABS.blend_with(DARK, 0.45));
    strip(FAR_KERB, ROAD, KERB);
    strip(ROAD, NEAR_KERB, ASPHALT);
    strip(ROAD, ROAD + 0.008, ASPHALT.blend_with(DARK, 0.5));
    strip(CYCLES, NEAR_KERB, Ink::srgb(0x7b5850));
    strip(CYCLES - 0.004, CYCLES + 0.004, WHITE.blend_with(ASPHALT, 0.2));
    strip(NEAR_KERB, PAVEMENT, KERB);
    strip(NEAR_KERB - 0.008, NEAR_KERB, ASPHALT.blend_with(DARK, 0.4));
    strip(PAVEMENT, 1.0, SLABS.blend_with(WHITE, 0.08));
    strip(PAVEMENT, PAVEMENT + 0.005, SLABS.blend_with(DARK, 0.3));

    // The middle line of the road, and the joints of the slabs.
    let mut patch = |from: f32, to: f32, left: f32, right: f32, ink: Ink| {
        let corners = [
            (view.column(left, from), view.row(from)),
            (view.column(right, from), view.row(from)),
            (view.column(right, to), view.row(to)),
            (view.column(left, to), view.row(to)),
        ];
        canvas.polygon(&corners, ink);
    };
    let reach = view.half_width_at(ROAD) as i32 + 1;
    for dash in (-reach..=reach).filter(|d| d.rem_euclid(4) == 0) {
        patch(0.612, 0.622, dash as f32 + 0.3, dash as f32 + 2.1, WHITE.blend_with(ASPHALT, 0.15));
    }
    let joint = SLABS.blend_with(DARK, 0.35);
    for (from, to, wide, rows) in [(WALL + 0.012, FAR_KERB, 1.2, 3), (PAVEMENT + 0.005, 1.0, 0.9, 4)] {
        let reach = (view.half_width_at(from) / wide) as i32 + 1;
        for slab in -reach..=reach {
            let x = slab as f32 * wide;
            patch(from, to, x - 0.012, x + 0.012, joint);
        }
        // Rows of slabs are equally deep in metres: 1/(ground − horizon) falls evenly.
        let (near, far) = (1.0 / (to - HORIZON), 1.0 / (from - HORIZON));
        for row in 1..rows {
            let ground = HORIZON + 1.0 / (far + (near - far) * row as f32 / rows as f32);
            let thick = pixels_per_metre(ground) * 0.03;
            let reach = view.half_width_at(ground) + 1.0;
            patch(ground, ground + thick, -reach, reach, joint);
        }
    }
}

/// Adds the grain of stone, brick and asphalt, and darkens the corners.
fn grain(canvas: &mut Canvas, view: &StreetView, seed: u64) {
    let all = Area { left: 0, top: 0, right: canvas.width(), bottom: canvas.height() };
    let (wall, road) = (view.row(WALL), (view.row(ROAD), view.row(NEAR_KERB)));
    let metre = pixels_per_metre(WALL) * view.span;
    let course = (0.3 * metre).max(2.0);
    let mut dice = Dice::new(seed, 1, 0);
    canvas.adjust_luma(all, |x, y| {
        let (column, row) = (x as f32 + 0.5, y as f32 + 0.5);
        let noise = dice.next_u64();
        let coarse = (noise & 15) as i16 - 7;
        let rough = if row > road.0 && row < road.1 { coarse } else { coarse / 3 };
        let brick = if row < wall && row % course < 1.0 { -6 } else { 0 };
        let (dx, dy) = (column / view.width - 0.5, row / view.height - 0.5);
        let fall = (dx * dx + dy * dy) * -44.0;
        rough + brick + fall as i16
    });
}
