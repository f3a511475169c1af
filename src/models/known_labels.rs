//! Lists of labels that models are commonly trained with, told by their length.

/// The 80 classes of COCO (Lin et al. 2014) in the order that all but TensorFlow use.
pub const COCO: [&str; 80] = [
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

/// The numbers of 0 to 90 in COCO's paper: as many columns have those who count by them.
pub(super) const OF_PAPER: usize = 91;

/// The numbers of 1 to 90 that COCO's paper has and its pictures have not.
const NOT_IN_COCO: [usize; 10] = [12, 26, 29, 30, 45, 66, 68, 69, 71, 83];

/// The 20 classes of Pascal VOC (Everingham et al. 2010) in alphabetical order, in COCO's words
/// where it has them.
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

/// The labels of so many classes, if that number says which they are. A network with one class is
/// taken for one of persons. The lists of 90 and 91 are COCO by the numbers
/// of its paper, from 1 on or from 0 on.
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
    fn the_papers_numbers() {
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
