//! Detections, and the check that rejects impossible boxes.

use super::geometry::Bounds;

/// The class of an object: its index in the model's labels, see [`Labels`](super::Labels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u16);

/// One object found in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The class.
    pub class: Class,
    /// Confidence, 0–1.
    pub score: f32,
    /// Bounds, in fractions of the frame. They may reach beyond its edges.
    pub bounds: Bounds,
}

/// Why a detection is invalid. Faulty models and mislabelled files give such boxes; they must not reach the tracker's
/// arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A number is infinite or NaN, or the score is not within 0–1.
    NotANumber,
    /// An edge is on the wrong side of its opposite, or on it.
    Inverted,
    /// The box is wholly outside the frame, or reaches more than one frame beyond its edge.
    Outside,
}

impl Detection {
    /// The first defect, if there is one.
    pub(crate) fn find_defect(&self) -> Option<Defect> {
        let b = &self.bounds;
        if !b.is_finite() || !(0.0..=1.0).contains(&self.score) {
            return Some(Defect::NotANumber);
        }
        if b.right <= b.left || b.bottom <= b.top {
            return Some(Defect::Inverted);
        }
        let beyond = b.right <= 0.0 || b.left >= 1.0 || b.bottom <= 0.0 || b.top >= 1.0;
        let absurd = b.left < -1.0 || b.top < -1.0 || b.right > 2.0 || b.bottom > 2.0;
        (beyond || absurd).then_some(Defect::Outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defect(score: f32, left: f32, top: f32, right: f32, bottom: f32) -> Option<Defect> {
        Detection { class: Class(0), score, bounds: Bounds::new(left, top, right, bottom) }.find_defect()
    }

    #[test]
    fn invalid_boxes_are_told_apart() {
        assert_eq!(defect(0.5, 0.1, 0.1, 0.2, 0.3), None);
        assert_eq!(defect(0.5, -0.2, 0.1, 0.2, 1.3), None, "partly outside is sound");
        assert_eq!(defect(f32::NAN, 0.1, 0.1, 0.2, 0.3), Some(Defect::NotANumber));
        assert_eq!(defect(1.5, 0.1, 0.1, 0.2, 0.3), Some(Defect::NotANumber));
        assert_eq!(defect(0.5, f32::NAN, 0.1, 0.2, 0.3), Some(Defect::NotANumber));
        assert_eq!(defect(0.5, 0.1, 0.1, f32::INFINITY, 0.3), Some(Defect::NotANumber));
        assert_eq!(defect(0.5, 0.3, 0.1, 0.2, 0.3), Some(Defect::Inverted));
        assert_eq!(defect(0.5, 0.1, 0.3, 0.2, 0.3), Some(Defect::Inverted));
        assert_eq!(defect(0.5, 1.0, 0.1, 1.2, 0.3), Some(Defect::Outside));
        assert_eq!(defect(0.5, 0.1, -0.3, 0.2, 0.0), Some(Defect::Outside));
        assert_eq!(defect(0.5, 0.1, 0.1, 2.5, 0.3), Some(Defect::Outside));
    }
}
