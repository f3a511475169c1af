//! Draws people, bicycles, cars and buses from the side, facing their direction.
//!
//! A figure is drawn in metres: x forwards from the middle of its box, y upwards from the ground.

use std::f32::consts::TAU;

use super::scene::{Dice, Heading, Mover, RoadPosition, SimClass};
use crate::media::canvas::{Canvas, Ink, PixelPoint};

const DARK: Ink = Ink::srgb(0x15171a);
const TYRE: Ink = Ink::srgb(0x1d1f22);
const METAL: Ink = Ink::srgb(0xa9aeb3);
const GLASS: Ink = Ink::srgb(0x27323b);
const LIGHT: Ink = Ink::srgb(0xffffff);
const SHADOW: Ink = Ink::srgb(0x101418);

const SKIN: [Ink; 5] =
    [Ink::srgb(0xe8bd9c), Ink::srgb(0xd9a47c), Ink::srgb(0xb97f57), Ink::srgb(0x8a5a3b), Ink::srgb(0x5d3b28)];
const HAIR: [Ink; 6] = [
    Ink::srgb(0x1c1714),
    Ink::srgb(0x3a271b),
    Ink::srgb(0x6b4a2d),
    Ink::srgb(0xb58a54),
    Ink::srgb(0x8d8a86),
    Ink::srgb(0x7a3a20),
];
const TOPS: [Ink; 10] = [
    Ink::srgb(0xb23a3a),
    Ink::srgb(0x2f5f8f),
    Ink::srgb(0xe7e3d8),
    Ink::srgb(0x3c6e4a),
    Ink::srgb(0xd9a13b),
    Ink::srgb(0x4a4f57),
    Ink::srgb(0x7b4f86),
    Ink::srgb(0x1f2a3c),
    Ink::srgb(0xc8805a),
    Ink::srgb(0x5fa3a8),
];
const TROUSERS: [Ink; 6] = [
    Ink::srgb(0x2b3547),
    Ink::srgb(0x1e2022),
    Ink::srgb(0x7d6c53),
    Ink::srgb(0x4b5563),
    Ink::srgb(0x5a3b32),
    Ink::srgb(0x3b4a63),
];
const PAINT: [Ink; 8] = [
    Ink::srgb(0xc9ccd0),
    Ink::srgb(0x24292f),
    Ink::srgb(0xa52a2a),
    Ink::srgb(0x2d5c9a),
    Ink::srgb(0xf0efea),
    Ink::srgb(0x6d7a6a),
    Ink::srgb(0xd7b24a),
    Ink::srgb(0x596571),
];

/// Draws a mover on a frame whose span is `span` pixels.
pub(super) fn draw(canvas: &mut Canvas, span: f32, mover: &Mover, place: RoadPosition) {
    let x = place.x * canvas.width() as f32;
    let metre = mover.height / mover.class.size().1 * span;
    let ahead = match mover.direction {
        Heading::LeftToRight => 1.0,
        Heading::RightToLeft => -1.0,
    };
    let ground = canvas.height() as f32 - (1.0 - mover.ground) * span;
    let mut pen = FigurePen { canvas, x, ground, metre, ahead };
    let dice = Dice::new(mover.look, 0, 0);
    // Covered distance in metres: legs and wheels turn with it.
    let gone = x * ahead / metre;
    match mover.class {
        SimClass::Person => draw_person(&mut pen, dice, gone, place.pace),
        SimClass::Bicycle => draw_bicycle(&mut pen, dice, gone),
        SimClass::Car => draw_car(&mut pen, dice, gone),
        SimClass::Bus => draw_bus(&mut pen, dice, gone),
    }
}

/// Draws in metres relative to a figure's position on the ground.
struct FigurePen<'a> {
    canvas: &'a mut Canvas,
    x: f32,
    ground: f32,
    metre: f32,
    ahead: f32,
}

impl FigurePen<'_> {
    fn to_canvas(&self, (x, y): PixelPoint) -> PixelPoint {
        (self.x + x * self.ahead * self.metre, self.ground - y * self.metre)
    }

    fn draw_limb(&mut self, from: PixelPoint, r_from: f32, to: PixelPoint, r_to: f32, ink: Ink) {
        let (a, b) = (self.to_canvas(from), self.to_canvas(to));
        self.canvas.draw_limb(a, r_from * self.metre, b, r_to * self.metre, ink);
    }

    fn line(&mut self, from: PixelPoint, to: PixelPoint, thick: f32, ink: Ink) {
        self.draw_limb(from, thick / 2.0, to, thick / 2.0, ink);
    }

    fn oval(&mut self, centre: PixelPoint, rx: f32, ry: f32, ink: Ink) {
        let at = self.to_canvas(centre);
        self.canvas.ellipse(at, rx * self.metre, ry * self.metre, ink);
    }

    fn fill_shape<const N: usize>(&mut self, corners: [PixelPoint; N], ink: Ink) {
        let corners = corners.map(|p| self.to_canvas(p));
        self.canvas.polygon(&corners, ink);
    }

    /// A rectangle with round corners between the heights `low` and `high`.
    fn draw_panel(&mut self, (back, low): PixelPoint, (front, high): PixelPoint, radius: f32, ink: Ink) {
        let (a, b) = (self.to_canvas((back, high)), self.to_canvas((front, low)));
        let (left, right) = (a.0.min(b.0), a.0.max(b.0));
        self.canvas.fill_rounded_rect((left, a.1), (right, b.1), radius * self.metre, ink);
    }

    /// The shadow of an object that reaches `half` metres to either side.
    fn draw_shadow(&mut self, half: f32, deep: f32) {
        self.oval((-0.04, 0.0), half, deep, SHADOW.opacity(0.28));
        self.oval((-0.02, 0.0), half * 0.82, deep * 0.6, SHADOW.opacity(0.3));
    }
}

/// The joint between two rigid links of the lengths `a` and `b` from `from` to `to`, on the front side (`side` 1) or
/// the back side (−1) on the way down.
fn joint_between(from: PixelPoint, to: PixelPoint, a: f32, b: f32, side: f32) -> PixelPoint {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let far = dx.hypot(dy).clamp(0.01, a + b - 0.001);
    let along = (a * a - b * b + far * far) / (2.0 * far);
    let out = (a * a - along * along).max(0.0).sqrt() * side;
    let (ux, uy) = (dx / far, dy / far);
    (from.0 + ux * along - uy * out, from.1 + uy * along + ux * out)
}

fn draw_person(pen: &mut FigurePen<'_>, mut dice: Dice, gone: f32, pace: f32) {
    let skin = dice.choose(&SKIN);
    let hair = dice.choose(&HAIR);
    let top = dice.choose(&TOPS);
    let trousers = dice.choose(&TROUSERS);
    let shoes = dice.choose(&[DARK, Ink::srgb(0x5b4030), Ink::srgb(0xd8d8d4)]);
    let (coat, shorts, bag, long_hair, cap) = (
        dice.unit_interval() < 0.3,
        dice.unit_interval() < 0.2,
        dice.unit_interval() < 0.35,
        dice.unit_interval() < 0.4,
        dice.unit_interval() < 0.15,
    );
    let shin = if shorts { skin } else { trousers };

    // A full cycle is two steps; at 0.42 rad legs of 0.86 m step 0.7 m.
    let phase = gone / 1.4 * TAU + dice.unit_interval() as f32 * TAU;
    let swing = 0.42 * pace;
    let leg = |phase: f32| {
        let thigh = swing * phase.sin();
        // The knee bends while the leg swings forwards.
        let bend = 0.05 + 0.95 * pace * phase.cos().max(0.0);
        let knee = (0.43 * thigh.sin(), -0.43 * thigh.cos());
        let lower = thigh - bend;
        (knee, (knee.0 + 0.41 * lower.sin(), knee.1 - 0.41 * lower.cos()), lower)
    };
    let legs = [leg(phase + TAU / 2.0), leg(phase)];
    // The lower foot stands on the ground and sets the height of the hip.
    let hip = 0.075 - legs[0].1.1.min(legs[1].1.1);
    let (waist, shoulder) = ((0.0, hip + 0.06), (0.025, hip + 0.5));
    let head = (0.05, shoulder.1 + 0.245);

    pen.draw_shadow(0.36, 0.07);
    let arm = |pen: &mut FigurePen<'_>, phase: f32, shade: f32| {
        let upper = -0.55 * pace * phase.sin();
        let fore = upper + 0.18 + 0.3 * pace;
        let elbow = (shoulder.0 + 0.27 * upper.sin(), shoulder.1 - 0.04 - 0.27 * upper.cos());
        let hand = (elbow.0 + 0.25 * fore.sin(), elbow.1 - 0.25 * fore.cos());
        let sleeve = top.blend_with(DARK, shade);
        pen.oval((hand.0, hand.1 - 0.02), 0.045, 0.055, skin.blend_with(DARK, shade));
        pen.draw_limb((shoulder.0, shoulder.1 - 0.04), 0.062, elbow, 0.05, sleeve);
        pen.draw_limb(elbow, 0.05, hand, 0.04, sleeve);
    };
    arm(pen, phase + TAU / 2.0, 0.35);
    for ((knee, ankle, lower), shade) in legs.into_iter().zip([0.35, 0.0]) {
        let (knee, ankle) = ((knee.0, knee.1 + hip), (ankle.0, ankle.1 + hip));
        let toe = (ankle.0 + 0.15 * (lower * 0.6).cos(), ankle.1 - 0.035 + 0.15 * (lower * 0.6).sin());
        pen.draw_limb((ankle.0 - 0.03, ankle.1 - 0.03), 0.044, toe, 0.034, shoes.blend_with(DARK, shade));
        pen.draw_limb(knee, 0.068, ankle, 0.045, shin.blend_with(DARK, shade));
        pen.draw_limb((0.0, hip), 0.105, knee, 0.07, trousers.blend_with(DARK, shade));
    }
    if bag {
        pen.draw_limb((-0.17, hip + 0.4), 0.085, (-0.16, hip + 0.16), 0.105, top.blend_with(DARK, 0.6));
    }
    if coat {
        pen.draw_limb((0.01, hip + 0.1), 0.13, (0.0, hip - 0.24), 0.145, top.blend_with(DARK, 0.12));
    }
    pen.draw_limb(shoulder, 0.06, (head.0 - 0.02, head.1 - 0.06), 0.05, skin.blend_with(DARK, 0.15));
    pen.draw_limb(waist, 0.125, (shoulder.0, shoulder.1 - 0.07), 0.14, top);
    // Light from above and behind: a bright back, a dark front.
    pen.draw_limb((-0.05, waist.1 + 0.05), 0.05, (-0.035, shoulder.1 - 0.06), 0.065, LIGHT.opacity(0.1));
    pen.draw_limb((0.085, waist.1), 0.035, (0.115, shoulder.1 - 0.12), 0.04, DARK.opacity(0.16));
    if long_hair {
        pen.draw_limb((head.0 - 0.05, head.1 + 0.02), 0.085, (head.0 - 0.09, head.1 - 0.17), 0.055, hair);
    }
    pen.oval((head.0 - 0.025, head.1 + 0.025), 0.112, 0.125, hair);
    pen.oval((head.0 + 0.028, head.1 - 0.018), 0.082, 0.108, skin);
    pen.oval((head.0 + 0.105, head.1 - 0.02), 0.022, 0.02, skin);
    if cap {
        pen.oval((head.0, head.1 + 0.085), 0.115, 0.062, top.blend_with(DARK, 0.4));
        pen.line((head.0, head.1 + 0.055), (head.0 + 0.17, head.1 + 0.05), 0.03, top.blend_with(DARK, 0.5));
    }
    arm(pen, phase, 0.06);
}

fn draw_bicycle(pen: &mut FigurePen<'_>, mut dice: Dice, gone: f32) {
    let paint = dice.choose(&PAINT);
    let (skin, top, trousers) = (dice.choose(&SKIN), dice.choose(&TOPS), dice.choose(&TROUSERS));
    let helmet = dice.choose(&[Ink::srgb(0xe4e4e0), Ink::srgb(0xc23b2e), DARK, Ink::srgb(0x2f7fb8)]);
    let (rear, front, crank) = ((-0.52, 0.34), (0.52, 0.34), (-0.06, 0.3));
    let (saddle, stem, bar) = ((-0.22, 0.92), (0.36, 0.9), (0.42, 1.04));
    let (hip, shoulder, head) = ((-0.2, 1.0), (0.12, 1.42), (0.25, 1.61));
    // One turn of the pedals in 4 m.
    let turn = -gone / 4.0 * TAU;
    let foot = |turn: f32| (crank.0 + 0.17 * turn.cos(), crank.1 + 0.17 * turn.sin());

    pen.draw_shadow(0.86, 0.07);
    let leg = |pen: &mut FigurePen<'_>, turn: f32, shade: f32| {
        let foot = foot(turn);
        let knee = joint_between(hip, (foot.0, foot.1 + 0.08), 0.43, 0.43, 1.0);
        pen.draw_limb((foot.0 - 0.07, foot.1 + 0.035), 0.045, (foot.0 + 0.12, foot.1 + 0.02), 0.035, DARK);
        pen.draw_limb(knee, 0.065, (foot.0, foot.1 + 0.08), 0.045, trousers.blend_with(DARK, shade));
        pen.draw_limb(hip, 0.1, knee, 0.07, trousers.blend_with(DARK, shade));
    };
    leg(pen, turn + TAU / 2.0, 0.4);
    for hub in [rear, front] {
        pen.oval(hub, 0.31, 0.31, METAL.opacity(0.14));
        draw_wheel_rim(pen, hub);
        for spoke in 0..5 {
            let angle = -gone / 0.34 + spoke as f32 * TAU / 5.0;
            let rim = (hub.0 + 0.31 * angle.cos(), hub.1 + 0.31 * angle.sin());
            pen.line(hub, rim, 0.012, METAL.opacity(0.6));
        }
    }
    for (from, to) in [
        (rear, crank),
        (rear, saddle),
        (crank, saddle),
        (crank, stem),
        (saddle, stem),
        (stem, front),
        (stem, bar),
    ] {
        pen.line(from, to, 0.045, paint);
    }
    pen.line((-0.34, 0.95), (-0.1, 0.95), 0.06, DARK);
    leg(pen, turn, 0.0);
    pen.draw_limb(hip, 0.13, shoulder, 0.135, top);
    pen.draw_limb(
        (hip.0 - 0.05, hip.1 + 0.07),
        0.05,
        (shoulder.0 - 0.07, shoulder.1),
        0.06,
        LIGHT.opacity(0.1),
    );
    pen.draw_limb(shoulder, 0.06, (head.0 - 0.02, head.1 - 0.05), 0.05, skin.blend_with(DARK, 0.15));
    pen.oval((head.0 + 0.02, head.1 - 0.02), 0.088, 0.11, skin);
    pen.oval((head.0 - 0.01, head.1 + 0.06), 0.125, 0.095, helmet);
    let elbow = joint_between(shoulder, (bar.0, bar.1 + 0.03), 0.28, 0.27, -1.0);
    pen.draw_limb((shoulder.0, shoulder.1 - 0.03), 0.06, elbow, 0.048, top.blend_with(DARK, 0.08));
    pen.draw_limb(elbow, 0.046, (bar.0, bar.1 + 0.03), 0.038, top.blend_with(DARK, 0.08));
    pen.oval((bar.0 + 0.01, bar.1 + 0.03), 0.045, 0.045, skin);
}

/// A bicycle's tyre.
fn draw_wheel_rim(pen: &mut FigurePen<'_>, hub: PixelPoint) {
    const PARTS: u8 = 20;
    let rim = |part: u8| {
        let angle = f32::from(part) * TAU / f32::from(PARTS);
        (hub.0 + 0.32 * angle.cos(), hub.1 + 0.32 * angle.sin())
    };
    for part in 0..PARTS {
        pen.line(rim(part), rim(part + 1), 0.04, TYRE);
    }
}

/// A wheel of a car or bus with turning spokes.
fn draw_wheel(pen: &mut FigurePen<'_>, hub: PixelPoint, radius: f32, gone: f32) {
    pen.oval(hub, radius, radius, TYRE);
    pen.oval(hub, radius * 0.66, radius * 0.66, METAL.blend_with(DARK, 0.45));
    for spoke in 0..5 {
        let angle = -gone / radius + spoke as f32 * TAU / 5.0;
        let end = (hub.0 + radius * 0.55 * angle.cos(), hub.1 + radius * 0.55 * angle.sin());
        pen.line(hub, end, radius * 0.2, METAL);
    }
    pen.oval(hub, radius * 0.14, radius * 0.14, DARK);
}

fn draw_car(pen: &mut FigurePen<'_>, mut dice: Dice, gone: f32) {
    let paint = dice.choose(&PAINT);
    let estate = dice.unit_interval() < 0.4;
    let tail = if estate { -1.95 } else { -1.55 };
    let roof = if estate { -1.6 } else { -0.95 };
    pen.draw_shadow(2.14, 0.14);
    // Body, roof, glass.
    pen.fill_shape(
        [(tail - 0.1, 0.86), (roof, 1.45), (-0.3, 1.48), (0.2, 1.44), (1.05, 0.88)],
        paint.blend_with(DARK, 0.08),
    );
    pen.fill_shape(
        [(roof - 0.02, 1.44), (-0.3, 1.48), (0.2, 1.44), (0.13, 1.41), (roof + 0.05, 1.41)],
        LIGHT.opacity(0.25),
    );
    pen.fill_shape([(tail + 0.22, 0.93), (roof + 0.1, 1.37), (-0.37, 1.4), (-0.37, 0.93)], GLASS);
    pen.fill_shape([(-0.28, 0.93), (-0.28, 1.4), (0.14, 1.37), (0.82, 0.93)], GLASS);
    pen.oval((0.02, 1.13), 0.1, 0.13, DARK.blend_with(SKIN[2], 0.35));
    pen.fill_shape([(-0.1, 0.93), (0.22, 1.33), (0.3, 1.27), (0.08, 0.93)], LIGHT.opacity(0.1));
    pen.fill_shape(
        [
            (-2.07, 0.28),
            (-2.1, 0.62),
            (-2.0, 0.88),
            (-1.5, 0.94),
            (0.95, 0.94),
            (1.8, 0.79),
            (2.06, 0.6),
            (2.08, 0.28),
        ],
        paint,
    );
    pen.fill_shape(
        [(-2.0, 0.86), (-1.5, 0.94), (0.95, 0.94), (1.8, 0.79), (1.0, 0.84), (-1.5, 0.86)],
        LIGHT.opacity(0.2),
    );
    pen.draw_panel((-2.08, 0.2), (2.08, 0.42), 0.1, paint.blend_with(DARK, 0.55));
    pen.draw_panel((-2.06, 0.36), (2.06, 0.58), 0.05, DARK.opacity(0.13));
    for x in [-1.02, -0.32, 0.72] {
        pen.line((x, 0.44), (x, 0.9), 0.02, DARK.opacity(0.5));
    }
    for x in [-0.5, 0.5] {
        pen.line((x - 0.2, 0.78), (x - 0.06, 0.78), 0.035, DARK.opacity(0.55));
    }
    pen.oval((0.78, 0.97), 0.09, 0.065, paint.blend_with(DARK, 0.25));
    pen.draw_limb((1.93, 0.66), 0.05, (1.78, 0.69), 0.06, Ink::srgb(0xfff3cf));
    pen.draw_limb((-2.04, 0.74), 0.04, (-1.9, 0.76), 0.055, Ink::srgb(0xb01f1f));
    for x in [-1.28, 1.3] {
        pen.oval((x, 0.36), 0.41, 0.4, DARK);
        draw_wheel(pen, (x, 0.33), 0.33, gone);
    }
}

fn draw_bus(pen: &mut FigurePen<'_>, mut dice: Dice, gone: f32) {
    let paint =
        dice.choose(&[Ink::srgb(0xb5332c), Ink::srgb(0x2a6a8f), Ink::srgb(0x3f7d4d), Ink::srgb(0xd8a72f)]);
    pen.draw_shadow(4.34, 0.18);
    pen.draw_panel((-4.27, 0.32), (4.27, 2.95), 0.22, paint);
    pen.draw_panel((-4.2, 2.72), (4.2, 2.93), 0.12, LIGHT.opacity(0.22));
    pen.draw_panel((-4.27, 0.32), (4.27, 0.72), 0.12, DARK.opacity(0.4));
    pen.draw_panel((-4.27, 1.08), (4.27, 1.22), 0.0, Ink::srgb(0xeeeae0));
    pen.draw_panel((-4.1, 1.38), (4.24, 2.42), 0.12, GLASS);
    for window in 0..5 {
        let x = -4.05 + 1.42 * window as f32;
        pen.line((x + 1.38, 1.4), (x + 1.38, 2.4), 0.09, paint.blend_with(DARK, 0.5));
        if dice.unit_interval() < 0.6 {
            let seat = x + 0.45 + 0.4 * dice.unit_interval() as f32;
            let (skin, top) = (dice.choose(&SKIN), dice.choose(&TOPS));
            pen.oval((seat, 1.5), 0.2, 0.14, top.blend_with(GLASS, 0.45));
            pen.oval((seat, 1.76), 0.1, 0.13, skin.blend_with(GLASS, 0.45));
        }
        pen.fill_shape(
            [(x + 0.15, 1.4), (x + 0.6, 2.38), (x + 0.85, 2.38), (x + 0.4, 1.4)],
            LIGHT.opacity(0.07),
        );
    }
    // The door, the sign with the line's number, lamps.
    pen.draw_panel((3.1, 0.5), (3.95, 2.42), 0.06, GLASS.blend_with(LIGHT, 0.12));
    pen.line((3.525, 0.55), (3.525, 2.38), 0.05, paint.blend_with(DARK, 0.4));
    pen.draw_panel((1.1, 2.5), (3.0, 2.74), 0.04, DARK);
    for letter in 0..7 {
        let x = 1.25 + 0.24 * letter as f32;
        pen.draw_panel(
            (x, 2.55),
            (x + 0.1 + 0.08 * dice.unit_interval() as f32, 2.69),
            0.02,
            Ink::srgb(0xffb52e),
        );
    }
    pen.draw_limb((4.17, 0.82), 0.07, (4.08, 0.84), 0.09, Ink::srgb(0xfff3cf));
    pen.draw_limb((-4.2, 0.9), 0.05, (-4.2, 1.02), 0.05, Ink::srgb(0x9c1c1c));
    for x in [-2.45, 2.4] {
        pen.oval((x, 0.5), 0.58, 0.56, DARK);
        draw_wheel(pen, (x, 0.46), 0.46, gone);
    }
}
