//! Well-known lists of labels, chosen by their length.

/// The 80 classes of COCO (Lin et al. 2014) in the usual order; only TensorFlow's differs.
pub(crate) const COCO: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

/// Number of columns of models that number classes as in COCO's paper, 0 to 90.
pub(super) const OF_PAPER: usize = 91;

/// Numbers from 1 to 90 that COCO's paper has and its images do not.
const NOT_IN_COCO: [usize; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// The 20 classes of Pascal VOC (Everingham et al. 2010) in alphabetical order, with COCO's names where both have the
/// class.
const VOC: [&str; 20] = [
    "airplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorcycle",
    "person",
    "potted plant",
    "sheep",
    "couch",
    "train",
    "tv",
];

/// The labels for this number of classes, if a well-known list has it. A network with one class is assumed to detect
/// persons. Lists of 90 and 91 are COCO with the numbers of its paper, from 1 or from 0.
pub(super) fn labels_for_count(classes: usize) -> Option<Vec<String>> {
    let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    match classes {
        1 => Some(owned(&COCO[..1])),
        20 => Some(owned(&VOC)),
        80 => Some(owned(&COCO)),
        90 => Some(coco_paper_labels()),
        OF_PAPER => Some(std::iter::once(String::from("(none 0)")).chain(coco_paper_labels()).collect()),
        _ => None,
    }
}

fn coco_paper_labels() -> Vec<String> {
    let mut names = COCO.iter();
    (1..=90)
        .map(|number| match (NOT_IN_COCO.contains(&number), number) {
            (false, _) => names.next().map_or_else(String::new, |&name| name.to_owned()),
            (true, number) => format!("(none {number})"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_with_the_numbers_of_cocos_paper() {
        let names = labels_for_count(90).unwrap();
        assert_eq!(names.len(), 90);
        assert_eq!(
            (names[0].as_str(), names[12].as_str(), names[89].as_str()),
            ("person", "stop sign", "toothbrush")
        );
        assert_eq!(names[11], "(none 12)");
        assert_eq!(labels_for_count(7), None);
    }
}
