//! The part of the frame that a detector saw. Boxes end at its edges; objects may not.

use super::super::geometry::{Aspect, Bounds};
use super::super::line::Anchor;

/// A box this near to the edge is cut off by it. Heights.
pub(super) const AT_EDGE: f32 = 0.01;

/// The part of the frame that a detector saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DetectionField {
    /// In heights.
    pub(super) bounds: Bounds,
    /// The left, top, right and bottom edge lie within the frame.
    inner: [bool; 4],
}

impl DetectionField {
    /// `part` in fractions of a frame of this aspect.
    pub(super) fn new(part: &Bounds, aspect: Aspect) -> DetectionField {
        let inner = [part.left > 0.0, part.top > 0.0, part.right < 1.0, part.bottom < 1.0];
        DetectionField { bounds: aspect.box_in_heights(part), inner }
    }

    /// True if an object with this box, in heights, is visible in the part.
    pub(super) fn contains(&self, bounds: &Bounds) -> bool {
        let (center, [left, top, right, bottom]) = (bounds.center(), self.inner);
        let b = &self.bounds;
        !(left && center.x < b.left
            || top && center.y < b.top
            || right && center.x > b.right
            || bottom && center.y > b.bottom)
    }

    /// The edges of a box, in heights, that are the part's. The frame's own edges cut nothing off: nothing more can
    /// be seen.
    pub(super) fn cut_edges(&self, bounds: &Bounds) -> CutEdges {
        let ([left, top, right, bottom], b) = (self.inner, &self.bounds);
        CutEdges {
            left: left && bounds.left < b.left + AT_EDGE,
            top: top && bounds.top < b.top + AT_EDGE,
            right: right && bounds.right > b.right - AT_EDGE,
            bottom: bottom && bounds.bottom > b.bottom - AT_EDGE,
        }
    }
}

/// The edges of a box beyond which the object may continue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CutEdges {
    left: bool,
    top: bool,
    right: bool,
    bottom: bool,
}

impl CutEdges {
    /// True if the anchor's position on the box is not its position on the object.
    pub(crate) fn hides_anchor(self, anchor: Anchor) -> bool {
        let (across, down) = (self.left || self.right, self.top || self.bottom);
        match anchor {
            Anchor::BottomCenter => across || self.bottom,
            Anchor::TopCenter => across || self.top,
            Anchor::LeftCenter => self.left || down,
            Anchor::RightCenter => self.right || down,
            Anchor::Center | Anchor::WholeBox => across || down,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(left: f32, top: f32, right: f32, bottom: f32) -> CutEdges {
        let field = DetectionField::new(&Bounds::new(0.25, 0.0, 0.75, 0.5), Aspect::new(2, 1));
        field.cut_edges(&Bounds::new(left, top, right, bottom))
    }

    #[test]
    fn an_anchor_is_hidden_by_cuts_of_its_own_edges() {
        let inside = cut(0.8, 0.1, 1.0, 0.4);
        assert!(Anchor::WORDS.iter().all(|(_, anchor)| !inside.hides_anchor(*anchor)));
        let aside = cut(0.5, 0.1, 0.6, 0.4);
        assert!(aside.hides_anchor(Anchor::BottomCenter) && aside.hides_anchor(Anchor::LeftCenter));
        assert!(!aside.hides_anchor(Anchor::RightCenter));
        let below = cut(0.8, 0.1, 1.0, 0.55);
        assert!(below.hides_anchor(Anchor::BottomCenter) && below.hides_anchor(Anchor::WholeBox));
        assert!(!below.hides_anchor(Anchor::TopCenter));
    }

    #[test]
    fn the_frames_own_edge_cuts_nothing() {
        assert_eq!(cut(0.8, -0.1, 1.0, 0.4), CutEdges::default());
    }

    #[test]
    fn an_object_outside_the_part_is_not_contained() {
        let field = DetectionField::new(&Bounds::new(0.25, 0.0, 0.75, 0.5), Aspect::new(2, 1));
        assert!(field.contains(&Bounds::new(0.6, -0.3, 0.7, 0.1)), "the upper edge is the frame's own");
        assert!(!field.contains(&Bounds::new(0.2, 0.1, 0.6, 0.3)));
        assert!(!field.contains(&Bounds::new(0.6, 0.4, 0.8, 0.8)));
    }
}
