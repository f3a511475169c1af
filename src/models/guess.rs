//! What a network is, told by the shapes of its outputs and by what they hold when it looks at a picture.
//!
//! Shapes leave several ways to read the numbers. Each is tried on the test picture, and the first in which
//! scores are scores and boxes lie in the picture is taken; where one finds the things that are in the
//! picture, that one. How a picture is to be fed is taken to be what the family's own exporters do.

use super::ModelError;
use super::known_labels;
use super::metadata::Facts;
use super::proof::THINGS;
use crate::media::SmallImage;
use crate::vision::geometry::Bounds;
use crate::vision::onnx::card::{
    Activation, Background, Card, Colours, Corners, CountingCard, DecodedCard, DistributionCard,
    EndToEndCard, Family, InputCard, Place, Resize, RowsCard, Unit,
};
use crate::vision::onnx::families::{all_cells, decoder, shapes};
use crate::vision::onnx::letterbox::Fit;
use crate::vision::onnx::{InputShape, Layout, Letterbox, Network, OnnxError, Output, OutputShape};

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
    /// It is a model for something else.
    #[error("this is a model for {what}, not one that finds things with upright boxes")]
    Task {
        /// What for.
        what: &'static str,
    },
    /// However its outputs are read, they are no boxes.
    #[error("on the test picture {what}: the outputs {outputs} are none of a known family")]
    NotBoxes {
        /// What is wrong with them.
        what: &'static str,
        /// Their shapes.
        outputs: String,
    },
    /// The labels are not known, or there are too many or too few of them.
    #[error("{}, and {}", match network {
        Some(network) => format!("the model tells {network} classes apart"),
        None => String::from("the model does not say which classes it tells apart"),
    }, match given {
        Some(given) => format!("{given} labels are given"),
        None => String::from("their names are not known"),
    })]
    Labels {
        /// How many it has, where its outputs say so.
        network: Option<usize>,
        /// How many labels were given.
        given: Option<usize>,
    },
}

/// Scores that are none.
pub(super) const NO_SCORES: &str = "its scores are no scores";
/// Boxes that are none.
pub(super) const NO_BOXES: &str = "its boxes lie outside the picture or have no size";

/// Strides of the usual three levels, and of those who have others: P6, P2, both, and the tiny ones.
const LEVELS: [&[u32]; 6] =
    [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32], &[4, 8, 16, 32, 64], &[16, 32], &[8, 16, 32, 64, 128]];
/// Numbers a row that NanoDet and PicoDet have for the box: four sides of eight bins.
const DISTANCES: usize = 32;
/// More rows than any network gives whose boxes are final.
const MOST_FINAL: usize = 1000;
/// More numbers than a row has.
const LONGEST_ROW: usize = 2000;
/// Numbers of the key points of a person: 17 places, and how sure each is.
const KEY_POINTS: usize = 51;
/// Masks' coefficients a box that Ultralytics have.
const MASKS: usize = 32;

/// A way to read the outputs: the family, how many classes there are then (`None` where the outputs do not
/// say), and how a picture is fed.
#[derive(Debug, Clone)]
struct Reading {
    family: Family,
    classes: Option<usize>,
    fed: InputCard,
}

/// An output and what it held.
struct Held {
    shape: OutputShape,
    values: Vec<f32>,
}

impl Held {
    fn rows(&self) -> Option<[usize; 2]> {
        let shape = &self.shape.shape;
        let batch = shape.len().checked_sub(2)?;
        shape[..batch].iter().all(|&n| n == 1).then(|| shape[batch..].try_into().ok())?
    }

    /// Whether all numbers of some columns can be scores. What is no number is found out elsewhere.
    fn are_scores(&self, columns: usize, which: std::ops::Range<usize>) -> bool {
        let mut rows = self.values.chunks_exact(columns.max(1));
        rows.all(|row| row[which.clone()].iter().all(|value| value.is_nan() || is_score(*value)))
    }
}

/// Whether they can be logits: some are below 0, for most places hold nothing.
fn are_logits(values: &[f32]) -> bool {
    values.iter().any(|value| *value < -1e-3)
}

fn is_score(value: f32) -> bool {
    (-1e-3..=1.001).contains(&value)
}

/// What a network gave for the test picture, fed in one way.
struct Look {
    fed: InputCard,
    fit: Fit,
    outputs: Vec<Held>,
}

/// Describes a network, and says what of that is guessed. `labels`, where they are given, must be as many as it has
/// classes; otherwise the names in its file are taken, else the usual list of that length. `picture` is the test
/// picture.
///
/// # Errors
/// See [`GuessError`]; or it fails when it is run.
pub(super) fn guess(
    network: &mut Network,
    facts: &Facts,
    labels: Option<&[String]>,
    picture: &SmallImage,
) -> Result<(Card, Vec<String>), ModelError> {
    let input = network.input().clone();
    if let Some(what) = facts.task.as_deref().and_then(other_task) {
        return Err(GuessError::Task { what }.into());
    }
    let range = if network.takes_bytes() { 1.0 } else { 255.0 };
    let mut looks = vec![look(network, &fed(&input, Colours::Rgb, range, LETTERBOX_CENTRE), picture)?];
    let held = &looks[0].outputs;
    let all: Vec<OutputShape> = held.iter().map(|held| held.shape.clone()).collect();
    let unknown = || GuessError::Family { outputs: shapes(&all), width: input.width, height: input.height };
    let is_tensorflow = network.origin().producer.contains("tf2onnx")
        || input.layout == Layout::Nhwc
        || all.iter().any(|output| output.name.contains("detection_"));
    let known = labels.map(<[String]>::len).or(facts.names.as_ref().map(Vec::len));
    let is_pose = facts.task.as_deref() == Some("pose");
    let mut asked = Asked { input: &input, known, is_pose, is_tensorflow, readings: Vec::new() };
    asked.read(held)?;
    let mut readings = asked.readings;
    readings.retain(|reading| {
        let count = reading.classes.or(known).unwrap_or(usize::from(u16::MAX));
        decoder(&reading.family, &input, &all, count).is_ok()
    });
    if network.takes_bytes() {
        readings
            .iter_mut()
            .for_each(|reading| (reading.fed.mean, reading.fed.deviation) = ([0.0; 3], [1.0; 3]));
    }
    let fits = |reading: &Reading, known: usize| reading.classes.is_none_or(|classes| classes == known);
    // Names in the file that are not as many as there are classes are of something else.
    let names =
        facts.names.as_deref().filter(|names| readings.iter().any(|reading| fits(reading, names.len())));
    let mut notes = Vec::new();
    if let (None, None, Some(names)) = (labels, names, &facts.names) {
        notes.push(format!("the file names {} classes, which its outputs do not have", names.len()));
    }
    let given = labels.or(names);
    match given {
        Some(given) if readings.iter().any(|reading| fits(reading, given.len())) => {
            readings.retain(|reading| fits(reading, given.len()));
        }
        Some(_) => {}
        None => readings.sort_by_key(|reading| {
            reading.classes.is_some_and(|classes| known_labels::of_count(classes).is_none())
        }),
    }
    let chosen = choose(network, &mut looks, &readings, picture, given.map(<[String]>::len), &all)?;
    let Reading { mut family, classes, fed } = chosen.cloned().ok_or_else(unknown)?;
    let labels = match (given, classes) {
        (Some(given), None) => given.to_vec(),
        (Some(given), Some(classes)) if given.len() == classes => given.to_vec(),
        (Some(given), network) => return Err(GuessError::Labels { network, given: Some(given.len()) }.into()),
        (None, network) => {
            let list = network.and_then(known_labels::of_count);
            let list = list.ok_or(GuessError::Labels { network, given: None })?;
            notes.push(match &list[..] {
                [one] => format!("that its one class is {one} is guessed: name it with --labels FILE if it is another"),
                many => format!(
                    "the names of its {} classes are guessed, by how many they are: name them with --labels FILE if they are others",
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
    let about = facts.about.clone();
    let licence = facts.licence.clone();
    let card = Card {
        about,
        licence,
        origin: String::new(),
        sha256: None,
        input: fed,
        family,
        labels,
        groups: Vec::new(),
        counting: CountingCard::default(),
    };
    Ok((card, notes))
}

/// What a task of Ultralytics is, if it is not to find things.
fn other_task(task: &str) -> Option<&'static str> {
    match task {
        "segment" => Some("masks (segmentation)"),
        "obb" => Some("boxes at any angle (OBB)"),
        "classify" => Some("whole pictures (classification)"),
        "semantic" => Some("single pixels (semantic segmentation)"),
        _ => None,
    }
}

fn look(network: &mut Network, fed: &InputCard, picture: &SmallImage) -> Result<Look, ModelError> {
    let mut letterbox = Letterbox::new(network.input(), fed);
    let fit = letterbox.feed(picture);
    let shapes = network.outputs().to_vec();
    let outputs = network.run(letterbox.tensor()).map_err(OnnxError::Network)?;
    let values = outputs.iter().map(|output| output.values.to_vec());
    let outputs = shapes.into_iter().zip(values).map(|(shape, values)| Held { shape, values }).collect();
    Ok(Look { fed: fed.clone(), fit, outputs })
}

/// How well a reading does on the test picture.
#[derive(Debug, Clone, Copy)]
struct Weight {
    /// How much of its boxes lies in the picture, 0–1; `None` where it gives no score above 0.
    inside: Option<f32>,
    are_scores: bool,
    /// Scores of the boxes that are where things are in the picture, all together.
    hits: f32,
}

/// The first reading that holds on the test picture; of those that find the things in it, the first that finds as good
/// as all that any finds.
fn choose<'r>(
    network: &mut Network,
    looks: &mut Vec<Look>,
    readings: &'r [Reading],
    picture: &SmallImage,
    known: Option<usize>,
    all: &[OutputShape],
) -> Result<Option<&'r Reading>, ModelError> {
    let mut weighed = Vec::new();
    for reading in readings {
        let at = match looks.iter().position(|look| look.fed == reading.fed) {
            Some(at) => at,
            None => {
                looks.push(look(network, &reading.fed, picture)?);
                looks.len() - 1
            }
        };
        weighed.push((reading, weigh(reading, &looks[at], network.input(), known, all)));
    }
    let holds = |weight: &Weight| weight.are_scores && weight.inside.is_some_and(|inside| inside >= 0.5);
    let mut good: Vec<_> = weighed.iter().filter(|(_, weight)| holds(weight)).collect();
    if good.is_empty() {
        let said = weighed.iter().find(|(_, weight)| weight.inside.is_some());
        return match said {
            Some((_, weight)) => {
                let what = if weight.are_scores { NO_BOXES } else { NO_SCORES };
                Err(GuessError::NotBoxes { what, outputs: shapes(all) }.into())
            }
            // It gives nothing that could be read in one way or another.
            None => Ok(readings.first()),
        };
    }
    let most = |of: fn(&Weight) -> f32, good: &[&(&Reading, Weight)]| {
        good.iter().map(|(_, weight)| of(weight)).fold(0.0, f32::max)
    };
    let hits = most(|weight| weight.hits, &good);
    if hits >= 0.4 {
        good.retain(|(_, weight)| weight.hits >= 0.8 * hits);
    }
    let inside = most(|weight| weight.inside.unwrap_or(0.0), &good);
    good.retain(|(_, weight)| weight.inside.unwrap_or(0.0) >= inside - 0.1);
    Ok(good.first().map(|(reading, _)| *reading))
}

/// So many of the surest boxes are weighed.
const MOST_WEIGHED: usize = 64;
/// Those that have at least this share of the surest one's score.
const SURE_SHARE: f32 = 0.3;

fn weigh(
    reading: &Reading,
    look: &Look,
    input: &InputShape,
    known: Option<usize>,
    all: &[OutputShape],
) -> Weight {
    let none = Weight { inside: None, are_scores: true, hits: 0.0 };
    let count = reading.classes.or(known).unwrap_or(usize::from(u16::MAX));
    let Ok(decoder) = decoder(&reading.family, input, all, count) else { return none };
    let outputs: Vec<Output<'_>> = look
        .outputs
        .iter()
        .map(|held| Output { name: &held.shape.name, shape: &held.shape.shape, values: &held.values })
        .collect();
    let mut found: Vec<(f32, [f32; 4])> = Vec::new();
    let sort = |found: &mut Vec<(f32, [f32; 4])>| {
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found.truncate(MOST_WEIGHED);
    };
    decoder.decode(&outputs, f32::MIN_POSITIVE, &mut |_, score, bounds| {
        found.push((score, bounds));
        if found.len() == 64 * MOST_WEIGHED {
            sort(&mut found);
        }
    });
    sort(&mut found);
    let Some(&(surest, _)) = found.first() else { return none };
    found.retain(|(score, _)| *score >= SURE_SHARE * surest);
    let (width, height) = (input.width as f32, input.height as f32);
    let insides = found.iter().map(|(_, bounds)| inside(*bounds, width, height)).sum::<f32>();
    let hits = THINGS.iter().map(|thing| {
        let thing = Bounds::new(thing[0], thing[1], thing[2], thing[3]);
        let at = found.iter().filter(|(_, bounds)| look.fit.in_picture(*bounds).iou(&thing) >= 0.5);
        at.map(|(score, _)| score.min(1.0)).fold(0.0, f32::max)
    });
    Weight { inside: Some(insides / found.len() as f32), are_scores: surest <= 1.001, hits: hits.sum() }
}

/// How much of a box (left, top, right, bottom in pixels) lies in a picture of this size, 0–1; 0 for one that is a
/// point or inside out.
fn inside([left, top, right, bottom]: [f32; 4], width: f32, height: f32) -> f32 {
    let is_box = right - left >= (width / 250.0).max(2.0) && bottom - top >= (height / 250.0).max(2.0);
    if !is_box || ![left, top, right, bottom].iter().all(|side| side.is_finite()) {
        return 0.0;
    }
    let part = |from: f32, to: f32, most: f32| (to.min(most) - from.max(0.0)).max(0.0) / (to - from);
    part(left, right, width) * part(top, bottom, height)
}

/// Whether the outputs name the class of this number, by that reading.
fn has_class(card: &EndToEndCard, outputs: &[Held], number: usize) -> bool {
    let of_rows = outputs.first().and_then(|held| Some((held, held.rows()?[1])));
    match of_rows {
        Some((held, columns)) if columns >= 6 => {
            held.values.chunks_exact(columns).any(|row| row[card.places[2]] == number as f32)
        }
        _ => outputs.iter().any(|held| {
            let name = held.shape.name.to_lowercase();
            let are_classes = ["class", "label", "cls"].iter().any(|word| name.contains(word));
            are_classes && held.values.contains(&(number as f32))
        }),
    }
}

/// What is looked for in the outputs, and the ways to read them that were found.
struct Asked<'a> {
    input: &'a InputShape,
    /// How many classes are named.
    known: Option<usize>,
    is_pose: bool,
    is_tensorflow: bool,
    readings: Vec<Reading>,
}

impl Asked<'_> {
    fn put(&mut self, family: Family, classes: Option<usize>, fed: InputCard) {
        self.readings.push(Reading { family, classes, fed });
    }

    fn read(&mut self, outputs: &[Held]) -> Result<(), GuessError> {
        let has_masks =
            outputs.iter().skip(1).any(|held| matches!(held.shape.shape[..], [1, _, h, w] if h > 1 && w > 1));
        let pairs = outputs.len() == 6 || outputs.len() == 8;
        if let [one, two] = outputs {
            self.two_outputs(one, two);
        } else if pairs && self.distributions(outputs) {
            return Ok(());
        } else if outputs.len() == 3 || outputs.len() == 4 {
            self.apart(outputs);
        }
        let Some((first, [rows, columns])) = outputs.first().and_then(|held| Some((held, held.rows()?)))
        else {
            return Ok(());
        };
        if self.readings.is_empty() {
            self.one_output(first, rows, columns)?;
            // Prototypes of masks lie beside boxes with as many coefficients; raw heads are of no matter.
            let coefficients = |reading: &Reading| matches!(&reading.family, Family::Yolov5(card) | Family::Yolov8(card) if card.extra == MASKS);
            let protos = outputs.len() == 2 && has_masks && outputs[1].shape.shape.get(1) == Some(&MASKS);
            if protos || has_masks && self.readings.iter().any(coefficients) {
                return Err(GuessError::Task { what: "masks (segmentation)" });
            }
        }
        Ok(())
    }

    fn fed(&self, colours: Colours, range: f32, resize: Resize) -> InputCard {
        fed(self.input, colours, range, resize)
    }

    fn one_output(&mut self, held: &Held, first: usize, last: usize) -> Result<(), GuessError> {
        let is_row = |columns: usize| (5..=LONGEST_ROW).contains(&columns);
        let levels = |n: usize| LEVELS.iter().find(|strides| all_cells(self.input, strides) == n).copied();
        let (down, across) = (levels(first), levels(last));
        if let Some(strides) = down.filter(|_| last > DISTANCES) {
            let point = if strides.len() == 4 { 0.0 } else { 0.5 };
            self.distribution(strides, point, last - DISTANCES);
        }
        let is_v5 = first.is_multiple_of(3) && levels(first / 3).is_some();
        if !is_v5 && last >= 6 && is_row(last) {
            self.final_rows(held, first, last)?;
        }
        if is_row(last) && last > 5 {
            if let Some(strides) = down {
                let family = Family::Yolox { strides: strides.to_vec() };
                self.put(family, Some(last - 5), self.fed(Colours::Bgr, 1.0, LETTERBOX_TOP_LEFT));
            }
            if is_v5 || down.is_some() || first > last {
                // YOLOv6 is sure that something is everywhere; YOLOX is fed as it always is.
                let always = held.values.chunks_exact(last).all(|row| row[4] == 1.0);
                let fed = if down.is_some() && !always {
                    self.fed(Colours::Bgr, 1.0, LETTERBOX_TOP_LEFT)
                } else {
                    self.fed(Colours::Rgb, 255.0, LETTERBOX_CENTRE)
                };
                let scores = |count: usize| held.are_scores(last, 4..5 + count);
                let are_logits = held.values.chunks_exact(last).any(|row| are_logits(&row[4..]));
                self.decoded_rows(Family::Yolov5, last - 5, (&scores, are_logits), &fed, false);
            }
        }
        let by_columns = is_row(first) && last > 8;
        let by_rows = is_row(last) && first > 8;
        let columns_first = across.is_some() || down.is_none() && last >= first;
        for in_rows in if columns_first { [false, true] } else { [true, false] } {
            if in_rows && !by_rows || !in_rows && !by_columns {
                continue;
            }
            let count = if in_rows { last } else { first } - 4;
            let scores = |count: usize| {
                if in_rows {
                    held.are_scores(last, 4..4 + count)
                } else {
                    held.values[4 * last..(4 + count) * last].iter().all(|v| v.is_nan() || is_score(*v))
                }
            };
            let is_angled = count > 1 && self.known.is_some_and(|known| known + 1 == count);
            if is_angled && scores(count - 1) && !scores(count) {
                return Err(GuessError::Task { what: "boxes at any angle (OBB)" });
            }
            let fed = self.fed(Colours::Rgb, 255.0, LETTERBOX_CENTRE);
            let are_logits = if in_rows {
                held.values.chunks_exact(last).any(|row| are_logits(&row[4..]))
            } else {
                are_logits(&held.values[4 * last..])
            };
            self.decoded_rows(Family::Yolov8, count, (&scores, are_logits), &fed, in_rows && down.is_none());
        }
        Ok(())
    }

    /// Rows of a box and `count` more numbers, of which `scores` says whether so many can be scores, and `are_logits`
    /// whether they can be logits. `is_query`: rows of no grid, as RT-DETR has them.
    fn decoded_rows(
        &mut self,
        family: fn(RowsCard) -> Family,
        count: usize,
        (scores, are_logits): (&dyn Fn(usize) -> bool, bool),
        fed: &InputCard,
        is_query: bool,
    ) {
        let mut parts: Vec<(usize, usize)> = Vec::new();
        let all_scores = scores(count);
        let leading = if all_scores { count } else { (0..count).take_while(|&n| scores(n + 1)).count() };
        let is_posed = |known: &usize| self.is_pose || leading < count || count - known == KEY_POINTS;
        if let Some(known) = self.known.filter(|known| *known < count && is_posed(known)) {
            parts.push((known, count - known));
        }
        if self.known.is_none() && (self.is_pose || count == KEY_POINTS + 1) && count > 1 {
            parts.push((1, count - 1));
        }
        if !self.is_pose {
            parts.push((count, 0));
        }
        if leading > 0 && leading < count {
            parts.push((leading, count - leading));
        }
        let units = if is_query { [Unit::Fractions, Unit::Pixels] } else { [Unit::Pixels, Unit::Fractions] };
        for (classes, extra) in parts {
            let is_logit = are_logits && !scores(classes);
            let activation = if is_logit { Activation::Sigmoid } else { Activation::None };
            for corners in [Corners::Cxcywh, Corners::Xyxy] {
                for unit in units {
                    let card = RowsCard { corners, unit, activation, extra };
                    let is_stretched = is_query && unit == Unit::Fractions;
                    let resize = if is_stretched { Resize::Stretch } else { fed.resize };
                    self.put(family(card), Some(classes), InputCard { resize, ..fed.clone() });
                }
            }
        }
    }

    /// Boxes that are final, in rows; the columns of score and class are told by what they hold.
    fn final_rows(&mut self, held: &Held, rows: usize, columns: usize) -> Result<(), GuessError> {
        let is_number = |value: f32| value == value.trunc() && (-1.0..10_000.0).contains(&value);
        let column = |at: usize| held.values.chunks_exact(columns).map(move |row| row[at]);
        let are_classes = |at: usize| column(at).all(|value| value.is_nan() || is_number(value));
        let are_scores = |at: usize| held.are_scores(columns, at..at + 1);
        let counts = |at: usize| column(at).all(|value| value.is_nan() || value <= 0.0);
        let orders: &[[usize; 3]] = match columns {
            6 if rows <= MOST_FINAL => &[[0, 4, 5], [2, 1, 0], [0, 5, 4]],
            7 => &[[1, 6, 5], [1, 5, 6], [3, 2, 1], [0, 4, 6], [0, 4, 5]],
            _ if self.is_pose && rows <= MOST_FINAL => &[[0, 4, 5]],
            _ => &[],
        };
        for &places in orders {
            let [first, score, class] = places;
            let begins = columns != 7 || first == 0 || counts(0);
            if !begins || !are_classes(class) || !are_scores(score) {
                continue;
            }
            if columns == 7 && places == [0, 4, 5] && self.readings.is_empty() {
                return Err(GuessError::Task { what: "boxes at any angle (OBB)" });
            }
            for unit in [Unit::Pixels, Unit::Fractions] {
                let card = EndToEndCard { corners: Corners::Xyxy, unit, first_class: 0, places };
                self.put(Family::EndToEnd(card), None, self.fed(Colours::Rgb, 255.0, LETTERBOX_CENTRE));
            }
        }
        Ok(())
    }

    fn two_outputs(&mut self, one: &Held, two: &Held) {
        match (one.rows(), two.rows()) {
            (Some([n, 4]), Some([m, 4])) if n == m => {
                let is_called = |held: &Held| {
                    ["box", "dets"].iter().any(|word| held.shape.name.to_lowercase().contains(word))
                };
                let boxes_first = is_called(one) || !is_called(two);
                for boxes in if boxes_first { [0, 1] } else { [1, 0] } {
                    self.boxes_and_scores(if boxes == 0 { two } else { one }, 4, boxes);
                }
            }
            (Some([n, 4]), Some([m, columns])) if n == m => self.boxes_and_scores(two, columns, 0),
            (Some([n, columns]), Some([m, 4])) if n == m => self.boxes_and_scores(one, columns, 1),
            (Some([_, 5]), _) | (_, Some([_, 5])) => {
                for unit in [Unit::Pixels, Unit::Fractions] {
                    let card =
                        EndToEndCard { corners: Corners::Xyxy, unit, first_class: 0, places: [0, 4, 5] };
                    // As MMDetection's exporter does: ImageNet's means and deviations.
                    self.put(
                        Family::EndToEnd(card),
                        None,
                        imagenet(self.fed(Colours::Rgb, 1.0, LETTERBOX_TOP_LEFT)),
                    );
                }
            }
            _ => {}
        }
    }

    fn boxes_and_scores(&mut self, scores: &Held, columns: usize, boxes: usize) {
        let are_scores = scores.are_scores(columns, 0..columns);
        let usual =
            known_labels::of_count(columns).is_none() && known_labels::of_count(columns - 1).is_some();
        // The list of 91 has nothing in its first place; as many and one more is DETR's.
        let usual = usual || columns == known_labels::OF_PAPER;
        let background = match background(scores, columns, are_scores) {
            Some(background) => background,
            None if self.known.is_some_and(|known| known == columns) || columns < 2 => Background::None,
            None if !are_scores && (columns == known_labels::OF_PAPER + 1) => Background::Last,
            None if self.known.is_some_and(|known| known + 1 == columns) => {
                if are_scores {
                    Background::First
                } else {
                    Background::Last
                }
            }
            None if self.known.is_none() && usual => Background::First,
            None => Background::None,
        };
        let found = background_holds(scores, columns, background, are_scores);
        let activation = match (are_scores, found || background == Background::Last) {
            (false, true) => Activation::Softmax,
            (false, false) if are_logits(&scores.values) => Activation::Sigmoid,
            _ => Activation::None,
        };
        let classes = Some(columns - background.columns());
        use Corners::{Cxcywh, Xyxy, Yxyx};
        use Unit::{Fractions, Pixels};
        let ways: &[(Corners, Unit)] = if self.is_tensorflow {
            &[(Yxyx, Fractions), (Xyxy, Fractions), (Xyxy, Pixels), (Cxcywh, Fractions)]
        } else if are_scores || background == Background::First {
            &[(Xyxy, Pixels), (Xyxy, Fractions), (Cxcywh, Fractions), (Cxcywh, Pixels), (Yxyx, Fractions)]
        } else {
            &[(Cxcywh, Fractions), (Xyxy, Fractions), (Xyxy, Pixels), (Cxcywh, Pixels)]
        };
        for &(corners, unit) in ways {
            let card = DecodedCard { corners, unit, activation, background, boxes };
            let stretched = |range| self.fed(Colours::Rgb, range, Resize::Stretch);
            let feeds = match (corners, unit) {
                (Yxyx, _) => vec![stretched(1.0)],
                (_, Pixels) => vec![self.fed(Colours::Rgb, 255.0, LETTERBOX_CENTRE)],
                // SSD in PyTorch.
                (Xyxy, Fractions) if background == Background::First => {
                    vec![InputCard { mean: [127.0; 3], deviation: [128.0; 3], ..stretched(1.0) }]
                }
                // DETR and its kin with ImageNet's means and deviations, RT-DETR without.
                _ if background != Background::None => vec![imagenet(stretched(1.0)), stretched(255.0)],
                _ => vec![stretched(255.0), imagenet(stretched(1.0))],
            };
            for fed in feeds {
                self.put(Family::Decoded(card), classes, fed);
            }
        }
    }

    /// Scores and distances, a pair a level: whether it is so.
    fn distributions(&mut self, outputs: &[Held]) -> bool {
        let strides = LEVELS[usize::from(outputs.len() == 8)];
        let sizes =
            outputs.iter().filter(|held| held.rows().is_some_and(|rows| rows[1] == DISTANCES)).count();
        let Some([_, classes]) = outputs[0].rows().filter(|_| sizes >= strides.len()) else { return false };
        self.distribution(strides, 0.5, classes);
        true
    }

    /// NanoDet's means and deviations for BGR (ImageNet's, of 0–255); PicoDet has the same for RGB.
    fn distribution(&mut self, strides: &[u32], point: f32, classes: usize) {
        let card = DistributionCard { strides: strides.to_vec(), point, activation: Activation::None };
        let is_picodet = point > 0.0 && strides.len() == 4;
        let mut fed = imagenet(self.fed(Colours::Rgb, 1.0, Resize::Stretch));
        if !is_picodet {
            fed.colours = Colours::Bgr;
            fed.mean.reverse();
            fed.deviation.reverse();
        }
        self.put(Family::Distribution(card), Some(classes), fed);
    }

    /// Boxes, scores and classes apart: TensorFlow's names say that it is TensorFlow's.
    fn apart(&mut self, outputs: &[Held]) {
        if !outputs.iter().any(|held| held.rows().is_some_and(|rows| rows[1] == 4)) {
            return;
        }
        let places = [0, 4, 5];
        let tensorflow =
            EndToEndCard { corners: Corners::Yxyx, unit: Unit::Fractions, first_class: 1, places };
        let of = |unit| EndToEndCard { corners: Corners::Xyxy, unit, first_class: 0, places };
        let cards = if self.is_tensorflow {
            vec![(tensorflow, 1.0)]
        } else {
            vec![(of(Unit::Pixels), 255.0), (of(Unit::Fractions), 255.0)]
        };
        for (card, range) in cards {
            self.put(Family::EndToEnd(card), None, self.fed(Colours::Rgb, range, Resize::Stretch));
        }
    }
}

/// The column that is surest of nearly every row, if that is the first or the last: most places hold nothing.
fn background(scores: &Held, columns: usize, are_scores: bool) -> Option<Background> {
    let found = |background| {
        (columns > 1 && background_holds(scores, columns, background, are_scores)).then_some(background)
    };
    found(Background::First).or_else(|| found(Background::Last))
}

fn background_holds(scores: &Held, columns: usize, background: Background, are_scores: bool) -> bool {
    let at = match background {
        Background::None => return false,
        Background::First => 0,
        Background::Last => columns - 1,
    };
    let least = if are_scores { 0.5 } else { 0.0 };
    let rows = scores.values.chunks_exact(columns);
    let count = rows.len();
    let held = rows.filter(|row| {
        let others = row.iter().enumerate().filter(|(place, _)| *place != at);
        row[at] > least && others.map(|(_, value)| *value).fold(f32::NEG_INFINITY, f32::max) < row[at]
    });
    held.count() * 10 >= count * 6
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

/// With ImageNet's means and deviations, of 0–255 and for red, green and blue.
fn imagenet(fed: InputCard) -> InputCard {
    InputCard { mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375], ..fed }
}
