//! Estimates the full size of an object, and its full bounds while a part is covered.
//!
//! A car that waits half behind a lorry has not moved, though the centre of its box has. On an axis one edge is where
//! it was, and the other is the lorry's. The size is therefore remembered, and a partial box is completed to it from
//! the edge that is where it should be. A box that shrinks alike in both axes moves away from the camera and is not
//! covered. Nothing is completed at the edge of the frame, where the tracker expects boxes to shrink.

use super::super::geometry::Bounds;
use super::field::AT_EDGE;

/// A box narrower or lower than this share of the object's size (0–1) is partly covered. The widths of a walker's
/// boxes mostly stay above it.
const PART: f32 = 0.8;
/// Time constants with which the remembered size follows larger boxes, and smaller ones that are not partial.
/// Seconds.
const GROWS: f32 = 0.15;
const SHRINKS: f32 = 0.5;
/// Time constant for partial boxes of a moving object, which may have turned. Seconds.
const TURNS: f32 = 1.0;
/// Below this speed an object stands: a trembling box seems to move. Sizes a second.
pub(super) const STANDS: f32 = 0.3;

/// The size of an object and its covered parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    width: f32,
    height: f32,
    /// Covered shares of its size from the left, top, right and bottom; 0 for none.
    covered: [f32; 4],
}

/// One axis of a box: from, to.
type Span = (f32, f32);

impl Whole {
    pub(super) fn new(seen: &Bounds) -> Whole {
        Whole { width: seen.width(), height: seen.height(), covered: [0.0; 4] }
    }

    /// True if something covered a part of it in the last observation.
    pub(super) fn is_part(&self) -> bool {
        self.covered != [0.0; 4]
    }

    /// The visible part of an object at `whole`, if as much is covered as in the last observation.
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

    /// The full bounds of an object seen as `seen` and predicted at `expected`, `seconds` after the last observation;
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

/// Change of an object since the last observation.
struct TrackChange {
    seconds: f32,
    /// Factor by which both axes are smaller.
    scale: f32,
    moves: bool,
}

impl TrackChange {
    /// Share of a change to follow after these seconds, with the time constant `within`.
    fn smoothing_factor(&self, within: f32) -> f32 {
        self.seconds / (self.seconds + within)
    }

    /// Updates `size` and returns the full extent on an axis on which the detection covers `field`.
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
        // Error of each edge if it is the true one; the edge with the smaller error weighs more.
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
