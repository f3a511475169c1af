//! Recognizes a network's format from the shapes of its outputs and from their values for the test picture.
//!
//! Shapes alone leave several readings. Each is tried on the test picture. A reading is valid if its scores are
//! between 0 and 1 and its boxes lie in the picture. A valid reading that finds the objects of the picture wins;
//! otherwise the first valid one. The input is prepared as the family's own exporters do.

mod error;
mod readings;
mod weigh;

use error::{DESCRIBE, fastest_rows, other_task, raw_heads, wrong_labels};
pub(super) use error::{NO_BOXES, NO_SCORES};

use super::known_labels;
use super::metadata::ModelMetadata;
use crate::onnx::card::{BackgroundColumn, Card, Colours, CountingCard, EndToEndCard, Family, InputCard};
use crate::onnx::families::format_shapes;
use crate::onnx::input::letterbox::Fit;
use crate::onnx::input::light::GainOffset;
use crate::onnx::{Letterbox, Network, OutputShape, TensorLayout};
use readings::{GuessInput, Interpretation, LETTERBOX_CENTRE, OutputStats, scaled_input_card};
use tallycam_base::Fault;
use tallycam_camera::media::SmallImage;
use weigh::choose;

/// Class names, and whether the first or last is the background, as in torchvision's lists.
#[derive(Debug, Clone, Copy)]
struct ClassNames<'a> {
    all: &'a [String],
    background: BackgroundColumn,
}

impl<'a> ClassNames<'a> {
    fn new(all: &'a [String]) -> ClassNames<'a> {
        let is_background = |name: Option<&String>| {
            let name = name.map(|name| name.trim_matches('_').to_ascii_lowercase());
            all.len() > 1
                && name.is_some_and(|name| ["background", "no-object", "no_object"].contains(&&*name))
        };
        let background = match (is_background(all.first()), is_background(all.last())) {
            (true, _) => BackgroundColumn::First,
            (_, true) => BackgroundColumn::Last,
            _ => BackgroundColumn::None,
        };
        ClassNames { all, background }
    }

    /// The names for `classes` classes, with or without the background.
    fn for_classes(&self, classes: usize) -> Option<&'a [String]> {
        let without = match self.background {
            BackgroundColumn::None => self.all,
            BackgroundColumn::First => &self.all[1..],
            BackgroundColumn::Last => &self.all[..self.all.len() - 1],
        };
        [self.all, without].into_iter().find(|names| names.len() == classes)
    }

    /// Whether the names fit the number of classes in `reading`.
    fn fits_reading(&self, reading: &Interpretation) -> bool {
        reading.classes.is_none_or(|classes| self.for_classes(classes).is_some())
    }
}

/// The outputs for the test picture, with one preparation of the input.
struct TrialOutput {
    fed: InputCard,
    fit: Fit,
    outputs: Vec<OutputStats>,
}

/// Describes a network, and notes the guessed parts.
///
/// `labels` must have one label per class. Without them it takes the names in the file, or else the usual list of
/// that length. `picture` is the test picture.
///
/// # Errors
/// The network has another task, is not recognized, or fails to run.
pub(super) fn guess_description(
    network: &mut Network,
    facts: &ModelMetadata,
    labels: Option<&[String]>,
    picture: &SmallImage,
) -> Result<Card, Fault> {
    let input = network.input().clone();
    if let Some(what) = facts.task.as_deref().and_then(unsupported_task) {
        return Err(other_task(what));
    }
    let network_takes_size = network.takes_size_input();
    let range = if network.takes_bytes_input() { 1.0 } else { 255.0 };
    let mut looks = vec![run_inference(
        network,
        &scaled_input_card(&input, Colours::Rgb, range, LETTERBOX_CENTRE),
        picture,
    )?];
    let held = &looks[0].outputs;
    let all: Vec<OutputShape> = held.iter().map(|held| held.shape.clone()).collect();
    let unknown = || {
        let (outputs, width, height) = (format_shapes(&all), input.width, input.height);
        if all.len() > 1 && all.iter().all(|output| is_raw_head(&output.shape)) {
            return raw_heads(&outputs);
        }
        Fault::wrong(format!(
            "no known family of models has the outputs {outputs} for pictures of {width}×{height}"
        ))
        .hint(DESCRIBE)
    };
    let is_tensorflow = network.origin().producer.contains("tf2onnx")
        || input.layout == TensorLayout::Nhwc
        || all.iter().any(|output| output.name.contains("detection_"));
    let written = labels.or(facts.names.as_deref()).map(ClassNames::new);
    if let Some(classes) = all.iter().find_map(|output| fastest_classes(&output.shape)) {
        return Err(fastest_rows(classes));
    }
    let mut asked = GuessInput {
        input: &input,
        all: &all,
        known: written.map(|names| names.all.len()),
        named: written.map_or(BackgroundColumn::None, |names| names.background),
        is_pose: facts.task.as_deref() == Some("pose"),
        is_tensorflow,
        takes_size: network_takes_size,
        readings: Vec::new(),
    };
    asked.read(held)?;
    let mut readings = asked.readings;
    if network.takes_bytes_input() {
        readings
            .iter_mut()
            .for_each(|reading| (reading.fed.mean, reading.fed.deviation) = ([0.0; 3], [1.0; 3]));
    }
    let mut guessed = Vec::new();
    let named = if labels.is_none() { written.map(|names| names.all.len()) } else { None };
    let does_fit = |names: &ClassNames<'_>| readings.iter().any(|reading| names.fits_reading(reading));
    let given = match written {
        // Names in the file that do not fit the number of classes belong to something else.
        Some(names) if labels.is_none() && !does_fit(&names) => {
            guessed
                .push(format!("the file names {} classes, which its outputs do not have", names.all.len()));
            None
        }
        written => written,
    };
    match given {
        Some(names) if does_fit(&names) => readings.retain(|reading| names.fits_reading(reading)),
        Some(_) => {}
        None => readings.sort_by_key(|reading| {
            reading.classes.is_some_and(|classes| known_labels::labels_for_count(classes).is_none())
        }),
    }
    let chosen = choose(network, &mut looks, &readings, picture, given.map(|names| names.all.len()), &all)?;
    let Interpretation { mut family, classes, fed } = chosen.cloned().ok_or_else(unknown)?;
    let labels = match (given, classes) {
        (Some(names), None) => names.all.to_vec(),
        (Some(names), Some(classes)) => {
            let given = names.all.len();
            let wrong = || wrong_labels(Some(classes), format!("{given} labels are given"));
            names.for_classes(classes).ok_or_else(wrong)?.to_vec()
        }
        (None, network) => {
            // These exporters' own models are trained on COCO.
            let network = network.or(network_takes_size.then_some(known_labels::COCO.len()));
            let list = network.and_then(known_labels::labels_for_count);
            let unnamed = || String::from("their names are not known");
            let names = || named.map_or_else(unnamed, |named| format!("its file names {named}"));
            let list = list.ok_or_else(|| wrong_labels(network, names()))?;
            guessed.push(match &list[..] {
                [one] => format!("that its one class is {one} is guessed: name it with --labels FILE if it is another"),
                many => format!(
                    "the names of its {} classes are guessed, by how many they are: name them with --labels FILE if \
                     they are others",
                    many.len()
                ),
            });
            list
        }
    };
    if let Family::EndToEnd(card) = &mut family
        && !is_tensorflow
        && looks.iter().any(|look| has_class(card, &look.outputs, labels.len()))
    {
        card.first_class = 1;
    }
    Ok(Card {
        about: facts.about.clone(),
        licence: facts.licence.clone(),
        origin: String::new(),
        sha256: None,
        guessed,
        input: fed,
        family,
        labels,
        groups: Vec::new(),
        counting: CountingCard::default(),
    })
}

/// True for a map of a grid's cells: [1, channels, rows, columns], or with the anchors apart.
fn is_raw_head(shape: &[usize]) -> bool {
    matches!(shape, [1, _, rows, columns] | [1, _, rows, columns, _] if *rows > 1 && *columns > 1)
}

/// The number of classes in the rows of YOLO-FastestV2, trained on COCO as it is published.
fn fastest_classes(shape: &[usize]) -> Option<usize> {
    let classes = known_labels::COCO.len();
    let is_row = shape.len() != 3 && shape.last() == Some(&(3 * 4 + 3 + classes));
    is_row.then_some(classes)
}

/// Ultralytics' tasks that are not upright-box detection, in words.
fn unsupported_task(task: &str) -> Option<&'static str> {
    match task {
        "segment" => Some("masks (segmentation)"),
        "obb" => Some("boxes at any angle (OBB)"),
        "classify" => Some("whole pictures (classification)"),
        "semantic" => Some("single pixels (semantic segmentation)"),
        _ => None,
    }
}

fn run_inference(network: &mut Network, fed: &InputCard, picture: &SmallImage) -> Result<TrialOutput, Fault> {
    let mut letterbox = Letterbox::new(network.input(), fed);
    let fit = letterbox.fill(picture, GainOffset::default());
    let shapes = network.outputs().to_vec();
    let outputs = network.run(letterbox.tensor())?;
    let values = outputs.iter().map(|output| output.values.to_vec());
    let outputs =
        shapes.into_iter().zip(values).map(|(shape, values)| OutputStats { shape, values }).collect();
    Ok(TrialOutput { fed: fed.clone(), fit, outputs })
}
/// Whether `outputs`, read with `card`, contain class `number`. Rows must then lack class 0.
fn has_class(card: &EndToEndCard, outputs: &[OutputStats], number: usize) -> bool {
    let of_rows = outputs.first().and_then(|held| Some((held, held.rows()?[1])));
    match of_rows {
        Some((held, columns)) if columns >= 6 => {
            let [_, score, class] = card.places;
            let has = |number: f32| {
                held.values.chunks_exact(columns).any(|row| row[class] == number && row[score] > 0.0)
            };
            has(number as f32) && !has(0.0)
        }
        _ => outputs.iter().any(|held| {
            let name = held.shape.name.to_lowercase();
            let are_classes = ["class", "label", "cls"].iter().any(|word| name.contains(word));
            are_classes && held.values.contains(&(number as f32))
        }),
    }
}
