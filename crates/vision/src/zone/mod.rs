//! Zones: areas of the frame with their occupancy, stays of objects, speeds on the ground, and the movement map.

pub(super) mod ground;
pub(super) mod movement;
mod stay;

use super::detection::Class;
use super::geometry::{Point, Polygon};
use super::line::Anchor;

pub use stay::Stay;
pub(crate) use stay::Stays;

/// Id of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneId(pub u64);

/// An area whose occupancy is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// The id.
    pub id: ZoneId,
    /// The user's name for it.
    pub name: String,
    /// The area.
    pub area: Polygon,
    /// The classes that count; all if empty.
    pub classes: Vec<Class>,
    /// The anchor that must be inside; for a whole box, every corner.
    pub anchor: Anchor,
    /// First and second side in metres, if the four corners are a rectangle on the ground: lines near it tell speeds.
    pub ground: Option<[f64; 2]>,
}

impl Zone {
    /// A zone that watches everything by the middle of its lower edge.
    pub fn new(id: ZoneId, name: impl Into<String>, area: Polygon) -> Zone {
        Zone { id, name: name.into(), area, classes: Vec::new(), anchor: Anchor::default(), ground: None }
    }

    /// True if an object of this class with its anchor at `points` (fractions) is in the zone. An anchor beyond the
    /// edge of the frame counts as at the edge.
    pub fn contains(&self, class: Class, points: &[Point; 4]) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && points.iter().all(|p| self.area.contains(p.within_picture()))
    }
}

/// The number of objects in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupancy {
    /// The zone.
    pub zone: ZoneId,
    /// Number of objects of each class, in order of classes, without zeros.
    pub by_class: Vec<(Class, u32)>,
}

impl Occupancy {
    /// An empty zone.
    pub fn empty(zone: ZoneId) -> Occupancy {
        Occupancy { zone, by_class: Vec::new() }
    }

    /// Adds an object of this class.
    pub fn add(&mut self, class: Class) {
        match self.by_class.binary_search_by_key(&class, |entry| entry.0) {
            Ok(at) => self.by_class[at].1 += 1,
            Err(at) => self.by_class.insert(at, (class, 1)),
        }
    }

    /// Number of objects of all classes.
    pub fn total(&self) -> u32 {
        self.by_class.iter().map(|entry| entry.1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Bounds;

    fn square() -> Polygon {
        let p = Point::new;
        Polygon::new(vec![p(0.2, 0.2), p(0.6, 0.2), p(0.6, 0.6), p(0.2, 0.6)]).unwrap()
    }

    #[test]
    fn the_anchor_decides_what_is_inside() {
        let mut zone = Zone::new(ZoneId(1), "waiting", square());
        let b = Bounds::new(0.3, 0.5, 0.4, 0.7);
        let holds = |zone: &Zone, class| zone.contains(Class(class), &zone.anchor.points(&b));
        assert!(!holds(&zone, 0), "its feet are below");
        zone.anchor = Anchor::Center;
        assert!(!holds(&zone, 0), "the edge below is outside");
        zone.anchor = Anchor::TopCenter;
        assert!(holds(&zone, 0));
        zone.anchor = Anchor::WholeBox;
        assert!(!holds(&zone, 0));
        zone.anchor = Anchor::TopCenter;
        zone.classes = vec![Class(2)];
        assert!(!holds(&zone, 0) && holds(&zone, 2));
    }

    #[test]
    fn an_anchor_at_the_edge_of_the_picture_is_inside() {
        let p = Point::new;
        let area = Polygon::new(vec![p(0.0, 0.6), p(0.3, 0.6), p(0.3, 1.0), p(0.0, 1.0)]).unwrap();
        let zone = Zone::new(ZoneId(1), "corner", area);
        for foot in [p(0.2, 1.0), p(0.2, 1.004), p(0.2, 0.996), p(-0.01, 0.8), p(-0.1, 1.2)] {
            assert!(zone.contains(Class(0), &[foot; 4]), "{foot:?}");
        }
        assert!(!zone.contains(Class(0), &[p(0.31, 1.0); 4]));
    }

    #[test]
    fn occupancy_adds_up() {
        let mut occupancy = Occupancy::empty(ZoneId(1));
        for class in [2, 0, 2] {
            occupancy.add(Class(class));
        }
        assert_eq!(occupancy.by_class, [(Class(0), 1), (Class(2), 2)]);
        assert_eq!(occupancy.total(), 3);
    }
}
