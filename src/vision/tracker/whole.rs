//! How large a thing is when all of it shows, and where all of it is while something covers a part.
//!
//! A car that waits half behind a lorry has not moved, though the middle of its box has: of the two edges of an axis
//! one is where it was, and the other is the lorry's. So the size is remembered, and a box that has become a part of
//! itself is completed to it, from the edge that is where it should be. What becomes smaller in both axes alike goes
//! away from the camera, and nothing covers it; nor is anything completed at the picture's edge, where the tracker
//! expects boxes to shrink.

use super::super::geometry::Bounds;
use super::field::AT_EDGE;

/// Of a thing whose box is narrower, or lower, than this share of its size (0–1) a part is covered. The widths of a
/// walker's boxes keep within it mostly.
const PART: f32 = 0.8;
/// How fast the remembered size follows boxes that are larger, and smaller ones that are no parts. Seconds.
const GROWS: f32 = 0.15;
const SHRINKS: f32 = 0.5;
/// How fast it follows parts, too, while the thing moves: it may have turned. Seconds.
const TURNS: f32 = 1.0;
/// Slower than this a thing stands: a box that trembles seems to move. Sizes a second.
pub(super) const STANDS: f32 = 0.3;

/// The size of a thing, and what of it shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    width: f32,
    height: f32,
    /// What of its box is covered, as shares of its size from the left, top, right and bottom; 0 where nothing is.
    covered: [f32; 4],
}

/// One axis of a box: from, to.
type Span = (f32, f32);

impl Whole {
    pub(super) fn new(seen: &Bounds) -> Whole {
        Whole { width: seen.width(), height: seen.height(), covered: [0.0; 4] }
    }

    /// Whether something covered a part of it when it was last seen.
    pub(super) fn is_part(&self) -> bool {
        self.covered != [0.0; 4]
    }

    /// What shows of a thing that is at `whole`, if as much of it is covered as when it was last seen.
    pub(super) fn visible_part(&self, whole: &Bounds) -> Bounds {
        let [left, top, right, bottom] = self.covered;
        let (width, height) = (whole.width(), whole.height());
        Bounds::new(
            whole.left + left * width,
            whole.top + top * height,
            whole.right - right * width,
            whole.bottom - bottom * height,
        )
    }

    /// Where all of a thing is that is seen as `seen` and should be at `expected`, `seconds` after it was last seen;
    /// `speed` in sizes a second. `field` is the detection's region.
    pub(super) fn complete(
        &mut self,
        seen: &Bounds,
        expected: &Bounds,
        seconds: f32,
        speed: f32,
        field: &Bounds,
    ) -> Bounds {
        let shares = [seen.width() / self.width, seen.height() / self.height];
        let scale = shares[0].max(shares[1]).min(1.0);
        let change = TrackChange { seconds, scale, moves: speed > STANDS };
        let (across, should) = ((seen.left, seen.right), (expected.left, expected.right));
        let (left, right) = change.solve_axis(&mut self.width, across, should, (field.left, field.right));
        let (down, should) = ((seen.top, seen.bottom), (expected.top, expected.bottom));
        let (top, bottom) = change.solve_axis(&mut self.height, down, should, (field.top, field.bottom));
        let whole = Bounds::new(left, top, right, bottom);
        self.covered = [
            (seen.left - whole.left) / whole.width(),
            (seen.top - whole.top) / whole.height(),
            (whole.right - seen.right) / whole.width(),
            (whole.bottom - seen.bottom) / whole.height(),
        ];
        whole
    }
}

/// What has come over a thing since it was last seen.
struct TrackChange {
    seconds: f32,
    /// By how much both axes are smaller.
    scale: f32,
    moves: bool,
}

impl TrackChange {
    /// How much of a change shows after the seconds, if most does after `within`.
    fn smoothing_factor(&self, within: f32) -> f32 {
        self.seconds / (self.seconds + within)
    }

    /// Brings `size` up to date and gives where all of it is along an axis on which the detection covers `field`.
    fn solve_axis(&self, size: &mut f32, seen: Span, expected: Span, field: Span) -> Span {
        let shows = seen.1 - seen.0;
        let is_cut = seen.0 < field.0 + AT_EDGE || seen.1 > field.1 - AT_EDGE;
        if shows >= *size {
            *size += (shows - *size) * self.smoothing_factor(GROWS);
            return seen;
        }
        if is_cut {
            return seen;
        }
        if shows >= PART * self.scale * *size {
            *size += (shows - *size) * self.smoothing_factor(SHRINKS);
            return seen;
        }
        *size *= 1.0 - (1.0 - self.scale) * self.smoothing_factor(SHRINKS);
        if self.moves {
            *size += (shows - *size) * self.smoothing_factor(TURNS);
        }
        // By how much each edge is off if it is the true one; the one that is less off counts.
        let middle = (expected.0 + expected.1) / 2.0;
        let off = (seen.0 - (middle - *size / 2.0), seen.1 - (middle + *size / 2.0));
        let trust = |off: f32| 1.0 / (off * off + square(0.02 * *size));
        let (first, second) = (trust(off.0), trust(off.1));
        let moved = (off.0 * first + off.1 * second) / (first + second);
        let from = (middle + moved - *size / 2.0).min(seen.0).max(seen.1 - *size);
        (from, from + *size)
    }
}

fn square(v: f32) -> f32 {
    v * v
}
