//! One mover as it looks: a small picture of it, how sure each pixel of that is, and where it is.
//!
//! The picture is learned while the mover is alone, and found again in the next looks by shifting it
//! about: that tells movers apart while they hide one another (A. Senior et al., "Appearance models
//! for occlusion handling", Image and Vision Computing 24, 2006). What swings (legs, arms) is learned
//! as unsure and counts little.

use super::background::Colour;
use super::regions::Frame;

/// A pixel surer than this (0–255) is a part of the mover.
const SURE: u8 = 96;
/// How far colours may be off: sum over luma and both of chroma.
pub const MOST_OFF: u32 = 60;
/// About how many pixels are compared at one place.
const SAMPLES: i32 = 400;

/// A look at a picture, taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Pixels in a row.
    pub width: i32,
    /// Rows.
    pub height: i32,
    /// The colours.
    pub colours: &'a [Colour],
    /// 1 where it is not ground.
    pub foreground: &'a [u8],
    /// For each pixel, the number of its region + 1.
    pub labels: &'a [u16],
}

impl Seen<'_> {
    /// The whole picture.
    pub fn frame(&self) -> Frame {
        Frame { left: 0, top: 0, right: self.width, bottom: self.height }
    }

    /// The index of a pixel inside the picture.
    pub fn at(&self, x: i32, y: i32) -> usize {
        (y * self.width + x) as usize
    }
}

/// One pixel of a mover's picture.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    colour: Colour,
    sure: u8,
}

/// Where a mover's picture fits.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// How far from where it should be.
    pub x: i32,
    /// The same downwards.
    pub y: i32,
    /// Mean difference of colours of what can be seen of it, at most [`MOST_OFF`].
    pub off: f32,
    /// What share of it nothing nearer hides (0–1).
    pub visible: f32,
}

/// A mover.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Where the middle of its picture is, and how fast it goes (pixels, pixels a second).
    pub x: f32,
    pub y: f32,
    pub speed: (f32, f32),
    /// What holds all of it, from the middle of its picture.
    pub reach: [f32; 4],
    /// Whole pixels by which the picture lies off the middle.
    parts_at: (i32, i32),
    parts_size: (i32, i32),
    parts: Vec<Part>,
    /// Seconds since it was first seen, and since it was last seen.
    pub age: f32,
    pub unseen: f32,
    /// How much of it was seen by the newest look, 0–1.
    pub visible: f32,
    /// How often it looked like two.
    pub two: f32,
    /// Seconds for which it was seen by itself.
    pub alone: f32,
    /// Whether it is one of two that were told apart by their heads.
    pub is_half: bool,
    /// Whether it may go on beyond the left or the right edge of the picture.
    pub comes_in: (bool, bool),
}

impl Figure {
    /// What is seen in `frame`, where `is` says of a pixel's index whether it belongs to it.
    pub fn new(seen: &Seen<'_>, frame: &Frame, is: impl Fn(usize) -> bool) -> Figure {
        let (x, y) = ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2);
        let mut figure = Figure {
            x: x as f32,
            y: y as f32,
            speed: (0.0, 0.0),
            reach: [0.0; 4],
            parts_at: (0, 0),
            parts_size: (0, 0),
            parts: Vec::new(),
            age: 0.0,
            unseen: 0.0,
            visible: 1.0,
            two: 0.0,
            alone: 0.0,
            is_half: false,
            comes_in: (frame.left <= 2, frame.right >= seen.width - 2),
        };
        figure.set_reach(frame, 1.0);
        figure.learn(seen, frame, is);
        figure
    }

    /// The pixel of its middle.
    pub fn place(&self) -> (i32, i32) {
        (self.x.round() as i32, self.y.round() as i32)
    }

    /// What holds all of it.
    pub fn frame(&self) -> Frame {
        let [left, top, right, bottom] = self.reach;
        Frame {
            left: (self.x + left).round() as i32,
            top: (self.y + top).round() as i32,
            right: (self.x + right).round() as i32,
            bottom: (self.y + bottom).round() as i32,
        }
    }

    /// Goes on as it went.
    pub fn predict(&mut self, seconds: f32) {
        self.x += self.speed.0 * seconds;
        self.y += self.speed.1 * seconds;
        self.age += seconds;
        self.unseen += seconds;
        self.visible = 0.0;
    }

    /// It was found `x`, `y` pixels from where it should be.
    pub fn correct(&mut self, x: f32, y: f32, seconds: f32, gain: f32) {
        // An alpha-beta filter; at first all is news.
        let young = self.age < 0.35;
        let (alpha, beta) = if young { (1.0, 0.6) } else { (0.8 * gain, 0.25 * gain) };
        self.x += alpha * x;
        self.y += alpha * y;
        self.speed.0 += beta * x / seconds;
        self.speed.1 += beta * y / seconds;
        if !young {
            self.speed.1 *= 0.9;
        }
    }

    /// All of it is in `frame`; `share` (0–1) of that is believed at once.
    pub fn set_reach(&mut self, frame: &Frame, share: f32) {
        let now = [
            frame.left as f32 - self.x,
            frame.top as f32 - self.y,
            frame.right as f32 - self.x,
            frame.bottom as f32 - self.y,
        ];
        for (reach, now) in self.reach.iter_mut().zip(now) {
            *reach += share * (now - *reach);
        }
    }

    /// It was seen in `frame` of a picture of this width.
    pub fn comes_in_at(&mut self, frame: &Frame, width: i32) {
        self.comes_in = (frame.left <= 2, frame.right >= width - 2);
    }

    fn part(&self, x: i32, y: i32) -> Option<&Part> {
        let inside = x >= 0 && y >= 0 && x < self.parts_size.0 && y < self.parts_size.1;
        inside.then(|| &self.parts[(y * self.parts_size.0 + x) as usize])
    }

    /// Where its picture lies.
    pub fn picture(&self) -> Frame {
        let (x, y) = self.place();
        let (left, top) = (x + self.parts_at.0, y + self.parts_at.1);
        Frame { left, top, right: left + self.parts_size.0, bottom: top + self.parts_size.1 }
    }

    /// Where it fits best, up to `far` pixels sideways and `high` downwards from where it should be,
    /// of what is not `claimed` by nearer ones. `None` if hardly anything of it can be seen.
    pub fn fit(&self, seen: &Seen<'_>, claimed: &[u8], far: i32, high: i32) -> Option<Fit> {
        let picture = self.picture();
        let step = (((self.parts.len() as f32) / SAMPLES as f32).sqrt().ceil() as i32).max(1);
        let mut best: Option<Fit> = None;
        let mut best_cost = f32::INFINITY;
        for y in -high..=high {
            for x in -far..=far {
                let (mut off, mut visible, mut all) = (0u32, 0u32, 0u32);
                let mut row = step / 2;
                while row < self.parts_size.1 {
                    let to_y = picture.top + row + y;
                    let mut column = (row / step % 2) * step / 2;
                    while column < self.parts_size.0 {
                        let part = &self.parts[(row * self.parts_size.0 + column) as usize];
                        let to_x = picture.left + column + x;
                        column += step;
                        if part.sure < SURE {
                            continue;
                        }
                        all += 1;
                        if to_x < 0 || to_y < 0 || to_x >= seen.width || to_y >= seen.height {
                            continue;
                        }
                        let at = seen.at(to_x, to_y);
                        if claimed[at] != 0 {
                            continue;
                        }
                        visible += 1;
                        off += if seen.foreground[at] == 0 {
                            MOST_OFF
                        } else {
                            apart(&part.colour, &seen.colours[at]).min(MOST_OFF)
                        };
                    }
                    row += step;
                }
                if all == 0 || visible < 8 || visible * 8 < all {
                    continue;
                }
                let mean = off as f32 / visible as f32;
                let cost = mean + 0.25 * ((x * x) as f32).sqrt() + 1.5 * (y * y) as f32;
                if cost < best_cost {
                    best_cost = cost;
                    best = Some(Fit { x, y, off: mean, visible: visible as f32 / all as f32 });
                }
            }
        }
        best
    }

    /// Claims what can be seen of it: pixels of its picture that look like it.
    /// Gives what holds them.
    pub fn claim(&self, seen: &Seen<'_>, number: u8, claimed: &mut [u8]) -> Frame {
        let (mut own, mut count) = (Frame::NOTHING, 0);
        let picture = self.picture();
        let inside = picture.shared(&seen.frame());
        for y in inside.top..inside.bottom {
            for x in inside.left..inside.right {
                let at = seen.at(x, y);
                if claimed[at] != 0 || seen.foreground[at] == 0 {
                    continue;
                }
                let Some(part) = self.part(x - picture.left, y - picture.top) else { continue };
                if part.sure >= SURE / 2 && apart(&part.colour, &seen.colours[at]) < MOST_OFF {
                    claimed[at] = number;
                    own = own.add(&Frame { left: x, top: y, right: x + 1, bottom: y + 1 });
                    count += 1;
                }
            }
        }
        if count > 20 { own } else { self.frame() }
    }

    /// Whether its picture has a part of it at a place.
    pub fn is_at(&self, x: i32, y: i32) -> bool {
        let picture = self.picture();
        self.part(x - picture.left, y - picture.top).is_some_and(|part| part.sure >= SURE / 2)
    }

    /// How many pixels it has.
    pub fn body(&self) -> i32 {
        self.parts.iter().filter(|part| part.sure >= SURE / 2).count().max(1) as i32
    }

    /// Learns how it looks in `frame`, where `is` says of a pixel's index whether it belongs to it.
    pub fn learn(&mut self, seen: &Seen<'_>, frame: &Frame, is: impl Fn(usize) -> bool) {
        let frame = frame.shared(&seen.frame());
        if frame.width() <= 0 || frame.height() <= 0 {
            return;
        }
        let old = self.picture();
        let mut parts = Vec::with_capacity(frame.area() as usize);
        for y in frame.top..frame.bottom {
            for x in frame.left..frame.right {
                let at = seen.at(x, y);
                let mut part = self.part(x - old.left, y - old.top).copied().unwrap_or_default();
                if is(at) {
                    let colour = seen.colours[at];
                    if part.sure == 0 {
                        part = Part { colour, sure: SURE };
                    } else if apart(&part.colour, &colour) < MOST_OFF {
                        part.sure += (255 - part.sure) / 4;
                        for (old, new) in part.colour.iter_mut().zip(colour) {
                            *old = ((u16::from(*old) * 2 + u16::from(new)) / 3) as u8;
                        }
                    } else {
                        part.sure = part.sure / 4 * 3;
                        if part.sure < SURE / 2 {
                            part.colour = colour;
                        }
                    }
                } else {
                    part.sure = part.sure / 4 * 3;
                }
                parts.push(part);
            }
        }
        let (x, y) = self.place();
        self.parts = parts;
        self.parts_at = (frame.left - x, frame.top - y);
        self.parts_size = (frame.width(), frame.height());
    }

    /// Something is where it should be, and it does not look as it did: it is still it (it has turned
    /// round, or was learned badly), and looks so now.
    pub fn see_changed(&mut self, seen: &Seen<'_>, claimed: &[u8]) {
        let frame = self.frame().shared(&seen.frame());
        let free = |at: usize| claimed[at] == 0 && seen.foreground[at] != 0;
        let mut count = 0;
        for y in frame.top..frame.bottom {
            count += (frame.left..frame.right).filter(|&x| free(seen.at(x, y))).count() as i32;
        }
        if count * 10 > self.body() * 6 {
            self.learn(seen, &frame, free);
            self.visible = 0.5;
            self.unseen = 0.0;
        }
    }

    /// Only this part of it, `frame` on the picture, is one; what is beyond is another.
    pub fn cut(&self, frame: &Frame) -> Figure {
        let mut cut = self.clone();
        let picture = self.picture();
        let (old_x, old_y) = self.place();
        let kept = picture.shared(frame);
        let mut parts = Vec::new();
        for y in kept.top..kept.bottom {
            for x in kept.left..kept.right {
                parts.push(self.part(x - picture.left, y - picture.top).copied().unwrap_or_default());
            }
        }
        let (x, y) = ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2);
        cut.x += (x - old_x) as f32;
        cut.y += (y - old_y) as f32;
        cut.set_reach(frame, 1.0);
        let (x, y) = cut.place();
        cut.parts = parts;
        cut.parts_at = (kept.left - x, kept.top - y);
        cut.parts_size = (kept.width().max(0), kept.height().max(0));
        cut.two = 0.0;
        cut.is_half = true;
        cut
    }
}

/// How far apart two colours are.
pub fn apart(one: &Colour, other: &Colour) -> u32 {
    let [y, u, v] = [0, 1, 2].map(|at| u32::from(one[at].abs_diff(other[at])));
    y + u + v
}
