//! Counting lines: what a user draws, and which lines are valid.
//!
//! A line runs from `a` to `b`, two different points of the frame. *In* is crossing from its right-hand side to its
//! left. For somebody at `a` who looks at `b`, objects going in come from the right.
//!
//! A line drawn upwards counts movement to the left as in. A line drawn from left to right counts movement upwards as
//! in. The user may name both directions.
//!
//! A line covers only the segment between its ends, with one exception: an end at the edge of the frame extends
//! beyond it. Objects that enter there with their feet below the frame cross the line all the same.

use super::detection::Class;
use super::geometry::{Aspect, Bounds, Point};
use tallycam_base::json;

json::words! {
    Direction { In "in", Out "out" }
    Recrossing { Every "every", Once "once" }
    Anchor {
        BottomCenter "bottom", Center "center", TopCenter "top", LeftCenter "left", RightCenter "right", WholeBox "box"
    }
}

/// Id of a line. The id of a deleted line is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u64);

/// Direction of a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the right-hand side of a→b to its left.
    In,
    /// From the left-hand side of a→b to its right.
    Out,
}

impl Direction {
    /// The opposite direction.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::In => Direction::Out,
            Direction::Out => Direction::In,
        }
    }
}

/// Which crossings of one track count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recrossing {
    /// All of them, in either direction.
    #[default]
    Every,
    /// Only the first.
    Once,
}

/// The count point: the point of a box that must cross the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anchor {
    /// The middle of the lower edge: feet and wheels, where an object touches the ground.
    #[default]
    BottomCenter,
    /// The middle of the box: for cameras that look straight down.
    Center,
    /// The middle of the upper edge: heads, where legs are often hidden.
    TopCenter,
    /// The middle of the left edge.
    LeftCenter,
    /// The middle of the right edge.
    RightCenter,
    /// All four corners: an object has crossed only when all of it has.
    WholeBox,
}

impl Anchor {
    /// The points of a box: four corners, or a single point four times.
    pub fn points(self, b: &Bounds) -> [Point; 4] {
        let center = b.center();
        let point = match self {
            Anchor::BottomCenter => Point::new(center.x, b.bottom),
            Anchor::Center => center,
            Anchor::TopCenter => Point::new(center.x, b.top),
            Anchor::LeftCenter => Point::new(b.left, center.y),
            Anchor::RightCenter => Point::new(b.right, center.y),
            Anchor::WholeBox => {
                return [
                    Point::new(b.left, b.top),
                    Point::new(b.right, b.top),
                    Point::new(b.left, b.bottom),
                    Point::new(b.right, b.bottom),
                ];
            }
        };
        [point; 4]
    }
}

/// Why two points are no valid counting line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A coordinate is infinite or NaN.
    #[error("an end of the line is no place on the picture")]
    NoPlace,
    /// Both ends are the same point, or nearly.
    #[error("both ends of the line are the same point; a line needs two different ones")]
    EqualEnds,
    /// No part of the line is on the frame.
    #[error("the line is outside the picture; coordinates go from 0 to 1")]
    OutsidePicture,
    /// An end is more than one frame beyond the edge.
    #[error(
        "an end of the line is more than a picture beyond the edge; coordinates go from 0 to 1 across the picture"
    )]
    FarEnd,
}

/// A line with its counting rules.
#[derive(Debug, Clone, PartialEq)]
pub struct CountingLine {
    /// The id.
    pub id: LineId,
    /// The user's name for it.
    pub name: String,
    a: Point,
    b: Point,
    /// The user's names for in and out.
    pub direction_names: [String; 2],
    /// The classes that count; all if empty.
    pub classes: Vec<Class>,
    /// The count point.
    pub anchor: Anchor,
    /// Whether each crossing of a track counts or only its first.
    pub recrossing: Recrossing,
}

impl CountingLine {
    /// The line from `a` to `b`, in fractions of the frame. It counts every crossing of all classes by the middle of
    /// the lower edge, and calls its directions `in` and `out`.
    pub fn new(id: LineId, name: impl Into<String>, a: Point, b: Point) -> Result<CountingLine, LineError> {
        if !(a.is_finite() && b.is_finite()) {
            return Err(LineError::NoPlace);
        }
        if (a.x - b.x).abs() < LEAST_LENGTH && (a.y - b.y).abs() < LEAST_LENGTH {
            return Err(LineError::EqualEnds);
        }
        let near = |p: Point| (-1.0..=2.0).contains(&p.x) && (-1.0..=2.0).contains(&p.y);
        if !crosses_picture(a, b) {
            return Err(LineError::OutsidePicture);
        }
        if !(near(a) && near(b)) {
            return Err(LineError::FarEnd);
        }
        Ok(CountingLine {
            id,
            name: name.into(),
            a,
            b,
            direction_names: [Direction::In.as_str().to_owned(), Direction::Out.as_str().to_owned()],
            classes: Vec::new(),
            anchor: Anchor::default(),
            recrossing: Recrossing::default(),
        })
    }

    /// The first end, in fractions of the frame.
    pub fn start(&self) -> Point {
        self.a
    }

    /// The second end, in fractions of the frame.
    pub fn b(&self) -> Point {
        self.b
    }

    /// True if this class counts on the line.
    pub fn counts(&self, class: Class) -> bool {
        self.classes.is_empty() || self.classes.contains(&class)
    }
}

/// Ends closer to each other than this, in fractions along both axes, are one point: less than half a pixel of the
/// largest frames.
const LEAST_LENGTH: f32 = 1e-4;

/// True if any part of the segment is on the frame (Liang and Barsky's clipping, 1984).
fn crosses_picture(a: Point, b: Point) -> bool {
    let (mut from, mut to) = (0.0f32, 1.0f32);
    for (start, step) in [(a.x, b.x - a.x), (a.y, b.y - a.y)] {
        if step == 0.0 {
            if !(0.0..=1.0).contains(&start) {
                return false;
            }
            continue;
        }
        let (first, last) = ((0.0 - start) / step, (1.0 - start) / step);
        from = from.max(first.min(last));
        to = to.min(first.max(last));
    }
    from <= to
}

/// An end is at the edge of the frame if the line, extended by this much, is outside. Heights.
const AT_EDGE: f32 = 0.03;

/// Tolerance that makes the ends belong to the line despite rounding. Heights.
const END_WIDTH: f32 = 1e-4;

/// The geometry of a counting line, in heights.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    a: Point,
    /// Unit vector from a to b.
    along: Point,
    /// Range of distances from `a`, in the direction of `b`, that counts as between the ends.
    reach: [f32; 2],
}

impl Segment {
    /// The segment of a line on a frame of this aspect.
    pub fn new(line: &CountingLine, aspect: Aspect) -> Segment {
        let (a, b) = (aspect.to_heights(line.a), aspect.to_heights(line.b));
        let length = ((b.x - a.x) * (b.x - a.x) + (b.y - a.y) * (b.y - a.y)).sqrt();
        let along = Point::new((b.x - a.x) / length, (b.y - a.y) / length);
        let back = Point::new(-along.x, -along.y);
        let mut reach = [-END_WIDTH, length + END_WIDTH];
        if distance_to_edge(a, back, aspect) <= AT_EDGE {
            reach[0] = f32::NEG_INFINITY;
        }
        if distance_to_edge(b, along, aspect) <= AT_EDGE {
            reach[1] = f32::INFINITY;
        }
        Segment { a, along, reach }
    }

    /// Distance of `point` to the left of a→b as seen on the frame; negative to its right.
    pub(crate) fn signed_distance(&self, point: Point) -> f32 {
        // y points down, which inverts the usual sign of the cross product.
        self.along.y * (point.x - self.a.x) - self.along.x * (point.y - self.a.y)
    }

    /// True if `point` is at most `most` away from the line and its extension.
    pub fn is_near(&self, point: Point, most: f32) -> bool {
        let reach = self.reach[0] - most..=self.reach[1] + most;
        self.signed_distance(point).abs() <= most && reach.contains(&self.position_along(point))
    }

    /// The intersection of the path `from`→`to` with the line or its extension, as a share of the path (0–1); true if
    /// it is between the ends. `None` if both points are on the same side. The ends belong to the line. A point on
    /// the line counts as on its left.
    pub fn intersect(&self, from: Point, to: Point) -> Option<(f32, bool)> {
        let (before, after) = (self.signed_distance(from), self.signed_distance(to));
        if (before >= 0.0) == (after >= 0.0) {
            return None;
        }
        let share = before / (before - after);
        let place = self.position_along(from) * (1.0 - share) + self.position_along(to) * share;
        Some((share, (self.reach[0]..=self.reach[1]).contains(&place)))
    }

    /// Distance of `point` from `a` along the line.
    fn position_along(&self, point: Point) -> f32 {
        self.along.x * (point.x - self.a.x) + self.along.y * (point.y - self.a.y)
    }
}

/// Distance from `from` along the unit vector `way` to the edge of the frame; 0 or less if `from` is outside.
fn distance_to_edge(from: Point, way: Point, aspect: Aspect) -> f32 {
    let leave = |at: f32, step: f32, end: f32| {
        if step > 0.0 {
            (end - at) / step
        } else if step < 0.0 {
            at / -step
        } else if (0.0..=end).contains(&at) {
            f32::INFINITY
        } else {
            0.0
        }
    };
    leave(from.x, way.x, aspect.ratio()).min(leave(from.y, way.y, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: (u32, u32) = (100, 100);

    fn line(ax: f32, ay: f32, bx: f32, by: f32) -> Result<CountingLine, LineError> {
        CountingLine::new(LineId(1), "door", Point::new(ax, ay), Point::new(bx, by))
    }

    fn segment(ax: f32, ay: f32, bx: f32, by: f32) -> Segment {
        Segment::new(&line(ax, ay, bx, by).unwrap(), Aspect::new(SQUARE.0, SQUARE.1))
    }

    #[test]
    fn left_is_left_as_seen_on_the_picture() {
        let p = Point::new;
        let up = segment(0.5, 0.9, 0.5, 0.1);
        assert!(up.signed_distance(p(0.4, 0.5)) > 0.0 && up.signed_distance(p(0.6, 0.5)) < 0.0);
        let rightwards = segment(0.1, 0.5, 0.9, 0.5);
        assert!(
            rightwards.signed_distance(p(0.5, 0.4)) > 0.0 && rightwards.signed_distance(p(0.5, 0.6)) < 0.0
        );
        assert!((rightwards.signed_distance(p(0.5, 0.2)) - 0.3).abs() < 1e-6);
    }

    #[test]
    fn lengths_do_not_depend_on_the_direction_in_a_wide_picture() {
        let wide = Aspect::new(1600, 800);
        let upright = Segment::new(&line(0.5, 0.9, 0.5, 0.1).unwrap(), wide);
        // A tenth of the width is a fifth of the height.
        assert!((upright.signed_distance(wide.to_heights(Point::new(0.4, 0.5))) - 0.2).abs() < 1e-6);
    }

    #[test]
    fn an_intersection_is_between_the_ends_or_beside_them() {
        let p = Point::new;
        let s = segment(0.2, 0.5, 0.8, 0.5);
        let (share, between) = s.intersect(p(0.3, 0.4), p(0.3, 0.6)).unwrap();
        assert!((share - 0.5).abs() < 1e-6 && between);
        assert_eq!(s.intersect(p(0.1, 0.4), p(0.1, 0.6)).map(|pass| pass.1), Some(false));
        assert_eq!(s.intersect(p(0.9, 0.6), p(0.9, 0.4)).map(|pass| pass.1), Some(false));
        assert_eq!(s.intersect(p(0.3, 0.4), p(0.7, 0.45)), None);
        assert_eq!(s.intersect(p(0.0, 0.1), p(0.5, 0.7)).map(|pass| pass.1), Some(true), "slanting in");
        assert_eq!(s.intersect(p(0.2, 0.4), p(0.2, 0.6)).map(|pass| pass.1), Some(true), "through the end");
    }

    #[test]
    fn an_end_at_the_edge_extends_beyond_it() {
        let p = Point::new;
        let to_edge = segment(0.5, 0.5, 0.5, 0.99);
        assert_eq!(to_edge.intersect(p(0.4, 1.1), p(0.6, 1.1)).map(|pass| pass.1), Some(true));
        assert_eq!(to_edge.intersect(p(0.4, 0.3), p(0.6, 0.3)).map(|pass| pass.1), Some(false));
        // The end runs along the edge, not towards it.
        let beside = segment(0.2, 0.99, 0.8, 0.99);
        assert_eq!(beside.intersect(p(0.9, 0.9), p(0.9, 1.1)).map(|pass| pass.1), Some(false));
        let short = segment(0.5, 0.5, 0.5, 0.9);
        assert_eq!(short.intersect(p(0.4, 1.1), p(0.6, 1.1)).map(|pass| pass.1), Some(false));
    }

    #[test]
    fn invalid_lines_are_refused() {
        assert_eq!(line(0.5, 0.5, 0.5, 0.5), Err(LineError::EqualEnds));
        assert_eq!(line(f32::NAN, 0.5, 0.5, 0.5), Err(LineError::NoPlace));
        assert_eq!(line(0.5, 0.5, 0.5, f32::INFINITY), Err(LineError::NoPlace));
        assert_eq!(line(1.1, 0.0, 1.1, 1.0), Err(LineError::OutsidePicture));
        assert_eq!(line(-0.5, 0.4, 0.4, -0.5), Err(LineError::OutsidePicture), "past a corner");
        assert_eq!(line(300.0, 400.0, 300.0, 120.0), Err(LineError::OutsidePicture), "pixels");
        assert!(line(-0.2, 0.5, 1.2, 0.5).is_ok(), "right through");
        assert_eq!(line(-0.2, 0.5, 2.6, 0.5), Err(LineError::FarEnd), "right through, and far on");
    }
}
