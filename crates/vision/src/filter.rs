//! Selects detections by class, score, size and excluded area.

use super::detection::{Class, Detection};
use super::geometry::{Bounds, Point, Polygon};

/// Conditions for a detection to be tracked. The default accepts everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// The classes to track; all if empty.
    pub classes: Vec<Class>,
    /// Least scores (0–1) of single classes, in addition to the tracker's own thresholds.
    pub least_scores: Vec<(Class, f32)>,
    /// Least height of a box, as a share of the frame's (0–1).
    pub least_height: f32,
    /// Greatest height of a box, as a share of the frame's; `None` for any.
    pub most_height: Option<f32>,
    /// Greatest area of a box, as a share of the frame's; `None` for any.
    pub most_area: Option<f32>,
    /// Areas in which nothing is tracked, such as a television, a mirror, a poster or the neighbour's garden. A
    /// detection is inside if the middle of its lower edge is.
    pub excluded: Vec<Polygon>,
}

impl Filter {
    /// True if `detection` meets all conditions.
    pub fn accepts(&self, detection: &Detection) -> bool {
        let Detection { class, score, bounds } = detection;
        let known = self.classes.is_empty() || self.classes.contains(class);
        let sure = self.least_scores.iter().all(|(of, least)| of != class || score >= least);
        known && sure && self.is_within_size(bounds) && !self.is_in_excluded_zone(bounds)
    }

    fn is_within_size(&self, b: &Bounds) -> bool {
        b.height() >= self.least_height
            && self.most_height.is_none_or(|most| b.height() <= most)
            && self.most_area.is_none_or(|most| b.area() <= most)
    }

    fn is_in_excluded_zone(&self, b: &Bounds) -> bool {
        // A box that reaches below the frame is judged by where it leaves the frame.
        let foot = Point::new(b.center().x, b.bottom).within_picture();
        self.excluded.iter().any(|area| area.contains(foot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: u16, score: f32, bounds: Bounds) -> Detection {
        Detection { class: Class(class), score, bounds }
    }

    const SOMEBODY: Bounds = Bounds::new(0.4, 0.3, 0.5, 0.6);

    #[test]
    fn the_default_lets_everything_through() {
        assert!(Filter::default().accepts(&of(7, 0.01, SOMEBODY)));
    }

    #[test]
    fn classes_and_their_scores() {
        let filter = Filter {
            classes: vec![Class(0), Class(2)],
            least_scores: vec![(Class(2), 0.5)],
            ..Filter::default()
        };
        assert!(filter.accepts(&of(0, 0.2, SOMEBODY)));
        assert!(!filter.accepts(&of(1, 0.9, SOMEBODY)));
        assert!(!filter.accepts(&of(2, 0.4, SOMEBODY)));
        assert!(filter.accepts(&of(2, 0.6, SOMEBODY)));
    }

    #[test]
    fn sizes() {
        let tall = Filter { least_height: 0.4, ..Filter::default() };
        let low = Filter { most_height: Some(0.2), ..Filter::default() };
        let small = Filter { most_area: Some(0.02), ..Filter::default() };
        for filter in [tall, low, small] {
            assert!(!filter.accepts(&of(0, 0.9, SOMEBODY)), "{filter:?}");
        }
        let about =
            Filter { least_height: 0.2, most_height: Some(0.4), most_area: Some(0.04), ..Filter::default() };
        assert!(about.accepts(&of(0, 0.9, SOMEBODY)));
    }

    #[test]
    fn excluded_areas() {
        let p = Point::new;
        let floor = Polygon::new(vec![p(0.3, 0.5), p(0.7, 0.5), p(0.7, 1.0), p(0.3, 1.0)]).unwrap();
        let filter = Filter { excluded: vec![floor], ..Filter::default() };
        assert!(!filter.accepts(&of(0, 0.9, SOMEBODY)), "stands there");
        assert!(filter.accepts(&of(0, 0.9, Bounds::new(0.4, 0.1, 0.5, 0.4))), "stands above");
        assert!(!filter.accepts(&of(0, 0.9, Bounds::new(0.4, 0.8, 0.5, 1.2))), "stands below");
    }
}
