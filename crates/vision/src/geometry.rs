//! Points, boxes and polygons on a frame, and its aspect ratio.
//!
//! Everything that enters or leaves [`vision`](crate) is in *fractions* of the frame: x from 0 (left) to 1
//! (right), y from 0 (top) to 1 (bottom). Fractions are not isotropic: in a 16:9 frame a step of 0.1 is longer
//! sideways than downwards. Code that measures lengths and angles works in *heights*: both axes in units of the
//! frame's height, x from 0 to the [`Aspect`]. The same types serve both; names and comments say which.

use tallycam_base::Fault;

/// A point on the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Distance from the left edge.
    pub x: f32,
    /// Distance from the upper edge.
    pub y: f32,
}

impl Point {
    /// The point at `x`, `y`.
    pub const fn new(x: f32, y: f32) -> Point {
        Point { x, y }
    }

    /// True if both coordinates are finite.
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }

    /// The nearest point clearly inside the frame. Boxes tremble about the edge at which an object leaves the frame,
    /// and areas end there.
    pub(crate) fn within_picture(self) -> Point {
        const EDGE: f32 = 0.01;
        Point::new(self.x.clamp(EDGE, 1.0 - EDGE), self.y.clamp(EDGE, 1.0 - EDGE))
    }
}

/// An upright box on the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge.
    pub bottom: f32,
}

impl Bounds {
    /// The whole frame, in fractions.
    pub const PICTURE: Bounds = Bounds::new(0.0, 0.0, 1.0, 1.0);

    /// The box with these edges.
    pub const fn new(left: f32, top: f32, right: f32, bottom: f32) -> Bounds {
        Bounds { left, top, right, bottom }
    }

    /// The box of this size around `center`.
    pub fn centered_at(center: Point, width: f32, height: f32) -> Bounds {
        let (w, h) = (width / 2.0, height / 2.0);
        Bounds::new(center.x - w, center.y - h, center.x + w, center.y + h)
    }

    /// Distance from the left to the right edge.
    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    /// Distance from the upper to the lower edge.
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// Width times height.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The middle.
    pub fn center(&self) -> Point {
        Point::new((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// The smallest box that holds both.
    pub fn union(&self, other: &Bounds) -> Bounds {
        Bounds::new(
            self.left.min(other.left),
            self.top.min(other.top),
            self.right.max(other.right),
            self.bottom.max(other.bottom),
        )
    }

    /// Area of the intersection; 0 if the boxes are apart.
    pub fn intersection_area(&self, other: &Bounds) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, 0–1: 1 for the same box, 0 for boxes that are apart. It is the same in fractions and
    /// in heights.
    pub fn iou(&self, other: &Bounds) -> f32 {
        let shared = self.intersection_area(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// True if all edges are finite.
    pub fn is_finite(&self) -> bool {
        self.left.is_finite() && self.top.is_finite() && self.right.is_finite() && self.bottom.is_finite()
    }
}

/// Width of the frame divided by its height; finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aspect(f32);

impl Aspect {
    /// The aspect of a frame of `width` × `height` pixels; 1 if either is 0.
    pub fn new(width: u32, height: u32) -> Aspect {
        if width == 0 || height == 0 { Aspect(1.0) } else { Aspect(width as f32 / height as f32) }
    }

    /// Width over height.
    pub fn ratio(self) -> f32 {
        self.0
    }

    /// Converts a point from fractions to heights.
    pub fn to_heights(self, point: Point) -> Point {
        Point::new(point.x * self.0, point.y)
    }

    /// Converts a box from fractions to heights.
    pub fn box_in_heights(self, b: &Bounds) -> Bounds {
        Bounds::new(b.left * self.0, b.top, b.right * self.0, b.bottom)
    }

    /// Converts a box from heights to fractions.
    pub(crate) fn box_in_fractions(self, b: &Bounds) -> Bounds {
        Bounds::new(b.left / self.0, b.top, b.right / self.0, b.bottom)
    }
}

/// A closed area on the frame, in fractions. If the outline crosses itself, the even-odd rule decides what is inside.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<Point>);

impl Polygon {
    /// Maximum number of corners, more than anyone draws.
    pub const MOST_CORNERS: usize = 100;

    /// The polygon with these corners, each at most one frame away from the frame.
    pub fn new(corners: Vec<Point>) -> Result<Polygon, Fault> {
        if corners.len() < 3 {
            return Err(Fault::wrong(format!(
                "an area needs at least three corners, and has {}",
                corners.len()
            )));
        }
        if corners.len() > Polygon::MOST_CORNERS {
            let (most, has) = (Polygon::MOST_CORNERS, corners.len());
            return Err(Fault::wrong(format!("an area has at most {most} corners, not {has}")));
        }
        let near = |v: f32| (-1.0..=2.0).contains(&v);
        if let Some(at) = corners.iter().position(|p| !(near(p.x) && near(p.y))) {
            return Err(Fault::wrong(format!("corner {} of an area is no place on the picture", at + 1)));
        }
        let first = corners[0];
        let far = corners.iter().copied().find(|p| *p != first).unwrap_or(first);
        let turn = |p: &Point| (far.x - first.x) * (p.y - first.y) - (far.y - first.y) * (p.x - first.x);
        if corners.iter().all(|p| turn(p).abs() < 1e-7) {
            return Err(Fault::wrong("an area has no inside: its corners lie on one line"));
        }
        Ok(Polygon(corners))
    }

    /// The corners, in order.
    pub fn corners(&self) -> &[Point] {
        &self.0
    }

    /// True if `point` is inside, by the even-odd rule. The left and upper parts of the outline belong to the area.
    pub fn contains(&self, point: Point) -> bool {
        let mut inside = false;
        let mut from = self.0[self.0.len() - 1];
        for &to in &self.0 {
            if (from.y > point.y) != (to.y > point.y) {
                let x = from.x + (to.x - from.x) * (point.y - from.y) / (to.y - from.y);
                inside ^= point.x < x;
            }
            from = to;
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_known_boxes() {
        let a = Bounds::new(0.0, 0.0, 0.2, 0.2);
        assert_eq!(a.iou(&a), 1.0);
        assert_eq!(a.iou(&Bounds::new(0.5, 0.5, 0.6, 0.6)), 0.0);
        let half = Bounds::new(0.1, 0.0, 0.3, 0.2);
        assert!((a.iou(&half) - 1.0 / 3.0).abs() < 1e-6);
        assert!((a.intersection_area(&half) - 0.02).abs() < 1e-6);
        let aspect = Aspect::new(1920, 1080);
        let (wide_a, wide_half) = (aspect.box_in_heights(&a), aspect.box_in_heights(&half));
        assert!((wide_a.iou(&wide_half) - 1.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn boxes_without_area_share_nothing() {
        let flat = Bounds::new(0.1, 0.1, 0.1, 0.3);
        assert_eq!(flat.iou(&flat), 0.0);
        assert_eq!(flat.intersection_area(&Bounds::PICTURE), 0.0);
    }

    #[test]
    fn a_polygon_knows_its_inside() {
        let arrow = Polygon::new(vec![
            Point::new(0.1, 0.1),
            Point::new(0.9, 0.1),
            Point::new(0.5, 0.5),
            Point::new(0.9, 0.9),
            Point::new(0.1, 0.9),
        ])
        .unwrap();
        assert!(arrow.contains(Point::new(0.2, 0.5)));
        assert!(arrow.contains(Point::new(0.7, 0.2)));
        assert!(!arrow.contains(Point::new(0.7, 0.5)), "in the notch");
        assert!(!arrow.contains(Point::new(0.05, 0.5)));
    }

    #[test]
    fn corners_that_make_no_area_are_refused() {
        let p = Point::new;
        for (corners, words) in [
            (vec![p(0.0, 0.0), p(1.0, 1.0)], "and has 2"),
            (vec![p(0.0, 0.0), p(0.5, 0.5), p(1.0, 1.0)], "has no inside"),
            (vec![p(0.0, 0.0), p(f32::NAN, 0.5), p(1.0, 1.0)], "corner 2 "),
            (vec![p(0.0, 0.0); 101], "not 101"),
            (vec![p(0.2, 0.2); 5], "has no inside"),
        ] {
            assert!(Polygon::new(corners).unwrap_err().to_string().contains(words), "{words}");
        }
    }

    #[test]
    fn a_picture_without_size_is_taken_as_square() {
        assert_eq!(Aspect::new(0, 480).ratio(), 1.0);
        assert_eq!(Aspect::new(1280, 720).ratio(), 1280.0 / 720.0);
    }
}
