//! What a network is, guessed from the shapes of its outputs.
//!
//! Families tell themselves apart by how many rows there are (every cell of a grid has one) and what is
//! left beside the box in a row. How the picture is to be fed cannot be seen; it is taken to be what
//! the family's own exporters do.

use super::known_labels;
use crate::vision::onnx::card::{
    Activation, Card, Colours, Corners, CountingCard, DecodedCard, DistributionCard, EndToEndCard, Family,
    InputCard, Place, Resize, Unit,
};
use crate::vision::onnx::families::{all_cells, decoder, shapes};
use crate::vision::onnx::{InputShape, OutputShape};

/// Why it cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuessError {
    /// No family has such outputs.
    #[error("no known family of models has the outputs {outputs} for pictures of {width}×{height}")]
    Family {
        /// Their shapes.
        outputs: String,
        /// Pixels in a row of the input.
        width: u32,
        /// Rows of it.
        height: u32,
    },
    /// The labels are not known, or there are too many or too few of them.
    #[error("the model tells {network} classes apart, and {}", match given { Some(given) => format!("{given} labels are given"), None => String::from("their names are not known") })]
    Labels {
        /// How many it has.
        network: usize,
        /// How many labels were given.
        given: Option<usize>,
    },
}

/// Strides of the usual three levels, and of those who have four.
const THREE: [u32; 3] = [8, 16, 32];
const FOUR: [u32; 4] = [8, 16, 32, 64];
/// Numbers a row that NanoDet and PicoDet have for the box: four sides of eight bins.
const DISTANCES: usize = 32;
/// More rows than any network gives whose boxes are final.
const MOST_FINAL: usize = 1000;

/// A family, how many classes it tells apart (`None` where the outputs do not say), and how it is fed.
type Guess = (Family, Option<usize>, InputCard);

/// Describes a network of this input and these outputs. `labels`, where they are given, must be as many
/// as it has classes; otherwise the usual list of that length is taken.
///
/// # Errors
/// See [`GuessError`].
pub fn guess(
    input: &InputShape,
    outputs: &[OutputShape],
    labels: Option<&[String]>,
) -> Result<Card, GuessError> {
    let unknown =
        || GuessError::Family { outputs: shapes(outputs), width: input.width, height: input.height };
    let (family, classes, fed) = family(input, outputs, labels.map(<[String]>::len)).ok_or_else(unknown)?;
    let labels = match (labels, classes) {
        (Some(labels), None) => labels.to_vec(),
        (Some(labels), Some(classes)) if labels.len() == classes => labels.to_vec(),
        (Some(labels), Some(network)) => {
            return Err(GuessError::Labels { network, given: Some(labels.len()) });
        }
        (None, classes) => {
            let network = classes.unwrap_or(known_labels::COCO.len());
            known_labels::of_count(network).ok_or(GuessError::Labels { network, given: None })?
        }
    };
    // Some are only alike.
    decoder(&family, input, outputs, labels.len()).map_err(|_| unknown())?;
    Ok(Card {
        about: String::new(),
        licence: String::new(),
        origin: String::new(),
        sha256: None,
        input: fed,
        family,
        labels,
        groups: Vec::new(),
        counting: CountingCard::default(),
    })
}

fn family(input: &InputShape, outputs: &[OutputShape], labels: Option<usize>) -> Option<Guess> {
    let rows = |output: &OutputShape| -> Option<[usize; 2]> {
        let batch = output.shape.len().checked_sub(2)?;
        output.shape[..batch].iter().all(|&n| n == 1).then(|| output.shape[batch..].try_into().ok())?
    };
    let (three, four) = (all_cells(input, &THREE), all_cells(input, &FOUR));
    match outputs {
        [one] => {
            let [first, last] = rows(one)?;
            one_output(input, first, last, (three, four), labels)
        }
        [one, two] => {
            let (one, two) = (rows(one)?, rows(two)?);
            let columns = if one[1] == 4 { two[1] } else { one[1] };
            (one[0] == two[0] && (one[1] == 4 || two[1] == 4)).then(|| decoded(input, columns))
        }
        many if many.len() == 2 * THREE.len() || many.len() == 2 * FOUR.len() => {
            let strides = if many.len() == 6 { &THREE[..] } else { &FOUR[..] };
            let classes = rows(&many[0])?[1];
            let sizes = many.iter().filter(|output| rows(output).is_some_and(|r| r[1] == DISTANCES)).count();
            (sizes >= strides.len()).then(|| distribution(input, strides, 0.5, classes))
        }
        [_, _, _] | [_, _, _, _] => {
            let boxes = outputs.iter().any(|output| rows(output).is_some_and(|r| r[1] == 4));
            boxes.then(|| apart(input, outputs))
        }
        _ => None,
    }
}

fn one_output(
    input: &InputShape,
    first: usize,
    last: usize,
    (three, four): (usize, usize),
    labels: Option<usize>,
) -> Option<Guess> {
    let is_list = |classes: usize| {
        labels.map_or_else(|| known_labels::of_count(classes).is_some(), |labels| labels == classes)
    };
    if first == four && last > DISTANCES {
        return Some(distribution(input, &FOUR, 0.0, last - DISTANCES));
    }
    if first == three && last > DISTANCES && !is_list(last - 5) && is_list(last - DISTANCES) {
        return Some(distribution(input, &THREE, 0.5, last - DISTANCES));
    }
    if first == three && last > 5 && labels.is_none_or(|labels| labels + 4 != last) {
        let family = Family::Yolox { strides: THREE.to_vec() };
        return Some((family, Some(last - 5), fed(input, Colours::Bgr, 1.0, LETTERBOX_TOP_LEFT)));
    }
    if first == 3 * three && last > 5 {
        return Some((Family::Yolov5, Some(last - 5), fed(input, Colours::Rgb, 255.0, LETTERBOX_CENTRE)));
    }
    if last == three && first > 4 || first == three && last > 4 {
        let classes = if last == three { first } else { last } - 4;
        return Some((Family::Yolov8, Some(classes), fed(input, Colours::Rgb, 255.0, LETTERBOX_CENTRE)));
    }
    if last == 6 && (1..=MOST_FINAL).contains(&first) {
        let card = EndToEndCard { corners: Corners::Xyxy, unit: Unit::Pixels, first_class: 0 };
        return Some((Family::EndToEnd(card), None, fed(input, Colours::Rgb, 255.0, LETTERBOX_CENTRE)));
    }
    None
}

/// As YOLOX's own exporter does.
const LETTERBOX_TOP_LEFT: Resize = Resize::Letterbox { place: Place::TopLeft, pad: 114 };
/// As Ultralytics do.
const LETTERBOX_CENTRE: Resize = Resize::Letterbox { place: Place::Centre, pad: 114 };

/// Fed with 0–255 divided by `range`.
fn fed(input: &InputShape, colours: Colours, range: f32, resize: Resize) -> InputCard {
    InputCard {
        size: Some((input.width, input.height)),
        layout: Some(input.layout),
        colours,
        mean: [0.0; 3],
        deviation: [range; 3],
        resize,
    }
}

/// SSD by TensorFlow: top, left, bottom, right in fractions, and 0–255 to begin with. Where there is one
/// class more than a known list has, it is the background.
fn decoded(input: &InputShape, columns: usize) -> Guess {
    let background = known_labels::of_count(columns).is_none()
        && columns > 1
        && known_labels::of_count(columns - 1).is_some();
    let card = DecodedCard {
        corners: Corners::Yxyx,
        unit: Unit::Fractions,
        activation: Activation::None,
        background,
    };
    let classes = columns - usize::from(background);
    (Family::Decoded(card), Some(classes), fed(input, Colours::Rgb, 1.0, Resize::Stretch))
}

/// NanoDet's means and deviations for BGR (ImageNet's, of 0–255); PicoDet has the same for RGB.
fn distribution(input: &InputShape, strides: &[u32], point: f32, classes: usize) -> Guess {
    let card = DistributionCard { strides: strides.to_vec(), point, activation: Activation::None };
    let is_picodet = point > 0.0 && strides.len() == FOUR.len();
    let (mut mean, mut deviation) = ([103.53, 116.28, 123.675], [57.375, 57.12, 58.395]);
    let colours = if is_picodet { Colours::Rgb } else { Colours::Bgr };
    if is_picodet {
        mean.reverse();
        deviation.reverse();
    }
    let fed = InputCard { mean, deviation, ..fed(input, colours, 1.0, Resize::Stretch) };
    (Family::Distribution(card), Some(classes), fed)
}

/// Boxes, scores and classes apart: TensorFlow's names say that it is TensorFlow's.
fn apart(input: &InputShape, outputs: &[OutputShape]) -> Guess {
    let is_tensorflow = outputs.iter().any(|output| output.name.contains("detection_boxes"));
    let (card, range) = if is_tensorflow {
        (EndToEndCard { corners: Corners::Yxyx, unit: Unit::Fractions, first_class: 1 }, 1.0)
    } else {
        (EndToEndCard { corners: Corners::Xyxy, unit: Unit::Pixels, first_class: 0 }, 255.0)
    };
    let classes = is_tensorflow.then_some(90);
    (Family::EndToEnd(card), classes, fed(input, Colours::Rgb, range, Resize::Stretch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::onnx::Layout;

    fn of(size: u32, shapes: &[&[usize]], labels: Option<usize>) -> Result<Card, GuessError> {
        let input = InputShape { name: "x".into(), width: size, height: size, layout: Layout::Nchw };
        let outputs: Vec<OutputShape> =
            shapes.iter().map(|s| OutputShape { name: String::new(), shape: s.to_vec() }).collect();
        let labels: Option<Vec<String>> = labels.map(|n| (0..n).map(|n| format!("thing {n}")).collect());
        guess(&input, &outputs, labels.as_deref())
    }

    #[test]
    fn families_tell_themselves_apart() {
        for (size, shapes, family, classes) in [
            (416, &[&[1, 3549, 85][..]][..], "yolox", 80),
            (640, &[&[1, 25200, 85]], "yolov5", 80),
            (640, &[&[1, 25200, 6]], "yolov5", 1),
            (640, &[&[1, 84, 8400]], "yolov8", 80),
            (640, &[&[1, 5, 8400]], "yolov8", 1),
            (640, &[&[1, 24, 8400]], "yolov8", 20),
            (640, &[&[1, 300, 6]], "end-to-end", 80),
            (640, &[&[1, 300, 4], &[1, 300], &[1, 300]], "end-to-end", 80),
            (416, &[&[1, 3598, 112]], "nanodet", 80),
            (416, &[&[1, 3549, 112]], "nanodet", 80),
            (300, &[&[1, 1917, 4], &[1, 1917, 90]], "decoded", 90),
            (300, &[&[1, 1917, 21], &[1, 1917, 4]], "decoded", 20),
        ] {
            let card = of(size, shapes, None).unwrap_or_else(|e| panic!("{shapes:?}: {e}"));
            assert_eq!((card.family.word(), card.labels.len()), (family, classes), "{shapes:?}");
        }
        let picodet: [&[usize]; 8] = [
            &[1, 2704, 80],
            &[1, 676, 80],
            &[1, 169, 80],
            &[1, 49, 80],
            &[1, 2704, 32],
            &[1, 676, 32],
            &[1, 169, 32],
            &[1, 49, 32],
        ];
        assert_eq!(of(416, &picodet, None).unwrap().family.word(), "nanodet");
    }

    #[test]
    fn labels_that_are_given_count() {
        assert_eq!(of(416, &[&[1, 3549, 12]], Some(7)).unwrap().labels[6], "thing 6");
        assert_eq!(of(416, &[&[1, 3549, 12]], Some(8)).unwrap().family.word(), "yolov8");
        let error = of(416, &[&[1, 3549, 12]], None).unwrap_err();
        assert_eq!(error.to_string(), "the model tells 7 classes apart, and their names are not known");
        let error = of(640, &[&[1, 84, 8400]], Some(3)).unwrap_err();
        assert_eq!(error.to_string(), "the model tells 80 classes apart, and 3 labels are given");
    }

    #[test]
    fn what_is_no_detector_is_not_taken_for_one() {
        for shapes in
            [&[&[1, 1000][..]][..], &[&[1, 21, 520, 520]], &[&[1, 8400, 4], &[1, 8400, 2], &[7]], &[]]
        {
            assert!(matches!(of(640, shapes, None), Err(GuessError::Family { .. })), "{shapes:?}");
        }
    }
}
