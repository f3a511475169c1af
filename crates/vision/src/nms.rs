//! Non-maximum suppression: of overlapping boxes of one object, the one with the highest score stays.
//!
//! Greedy, as in every detector since Felzenszwalb et al. 2010: from the highest score down, each box that overlaps a
//! kept one too much is dropped. Only boxes of one group of labels compete, so that a person in front of a car stays,
//! and *car* and *truck* of one vehicle become one.

use super::detection::Detection;
use super::labels::Labels;

/// Drops every detection whose IoU with a surer one of its group is above `most_iou` (0–1). The rest is in order of
/// falling score, equal scores in their original order. O(n²), without allocation.
pub fn suppress_overlaps(detections: &mut Vec<Detection>, labels: &Labels, most_iou: f32) {
    detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = 0;
    for at in 0..detections.len() {
        let candidate = detections[at];
        let group = labels.group_id(candidate.class);
        let covered = detections[..kept]
            .iter()
            .any(|k| labels.group_id(k.class) == group && k.bounds.iou(&candidate.bounds) > most_iou);
        if !covered {
            detections[kept] = candidate;
            kept += 1;
        }
    }
    detections.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detection::Class;
    use crate::geometry::Bounds;

    fn of(class: u16, score: f32, left: f32) -> Detection {
        Detection { class: Class(class), score, bounds: Bounds::new(left, 0.2, left + 0.2, 0.6) }
    }

    fn labels() -> Labels {
        Labels::new(["person", "car", "truck"])
    }

    #[test]
    fn the_box_with_the_highest_score_stays() {
        let mut boxes = vec![of(0, 0.5, 0.11), of(0, 0.9, 0.10), of(0, 0.7, 0.5)];
        suppress_overlaps(&mut boxes, &labels(), 0.5);
        assert_eq!(boxes, [of(0, 0.9, 0.10), of(0, 0.7, 0.5)]);
    }

    #[test]
    fn car_and_truck_are_one_vehicle_but_no_person() {
        let mut boxes = vec![of(1, 0.6, 0.1), of(2, 0.8, 0.11), of(0, 0.3, 0.1)];
        suppress_overlaps(&mut boxes, &labels(), 0.5);
        assert_eq!(boxes, [of(2, 0.8, 0.11), of(0, 0.3, 0.1)]);
    }

    #[test]
    fn a_dropped_box_drops_no_other() {
        // The second overlaps the first; the third overlaps only the second, which is dropped by then.
        let mut boxes = vec![of(0, 0.9, 0.0), of(0, 0.8, 0.06), of(0, 0.7, 0.12)];
        suppress_overlaps(&mut boxes, &labels(), 0.4);
        assert_eq!(boxes, [of(0, 0.9, 0.0), of(0, 0.7, 0.12)]);
    }
}
