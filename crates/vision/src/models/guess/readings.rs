//! The possible readings of outputs with given shapes, limited by the values in them.

use std::ops::Range;

use super::error::other_task;
use crate::models::known_labels;
use crate::onnx::card::{
    Activation, BackgroundColumn, BoxUnit, Colours, Corners, DecodedCard, DistributionCard, EndToEndCard,
    Family, InputCard, InputPlacement, ResizeMode, RowsCard,
};
use crate::onnx::families::{all_cells, as_rows, decoder, find_columns};
use crate::onnx::{InputShape, OutputShape};
use tallycam_base::Fault;

/// Strides of the usual three levels, and of variants: with P6, with P2, with both, tiny ones.
const LEVELS: [&[u32]; 6] =
    [&[8, 16, 32], &[8, 16, 32, 64], &[4, 8, 16, 32], &[4, 8, 16, 32, 64], &[16, 32], &[8, 16, 32, 64, 128]];
/// Values per row for a box in NanoDet and PicoDet: four sides of eight bins.
const DISTANCES: usize = 32;
/// Maximum number of rows of final boxes.
const MOST_FINAL: usize = 1000;
/// Maximum number of values in a row.
const LONGEST_ROW: usize = 2000;
/// Values of a person's key points: 17 positions, each with a confidence.
const KEY_POINTS: usize = 51;
/// Maximum side in pixels of the block for which a map has one value.
const MOST_BLOCK: usize = 32;
/// Mask coefficients per box in Ultralytics' models.
const MASKS: usize = 32;

/// One reading of the outputs: the family, the number of classes (`None` if the outputs do not show it), and the
/// preparation of the input.
#[derive(Debug, Clone)]
pub(super) struct Interpretation {
    pub family: Family,
    pub classes: Option<usize>,
    pub fed: InputCard,
}

/// An output's shape and values.
pub(super) struct OutputStats {
    pub shape: OutputShape,
    pub values: Vec<f32>,
}

impl OutputStats {
    pub fn rows(&self) -> Option<[usize; 2]> {
        as_rows(&self.shape.shape)
    }

    /// Whether all values of some columns can be scores. NaN counts as one here; another check finds it.
    fn are_scores(&self, columns: usize, which: Range<usize>) -> bool {
        let mut rows = self.values.chunks_exact(columns.max(1));
        rows.all(|row| row[which.clone()].iter().all(|value| value.is_nan() || is_score(*value)))
    }
}

/// Whether the values can be logits: most positions hold nothing, so some logits are below 0.
fn are_logits(values: &[f32]) -> bool {
    values.iter().any(|value| *value < -1e-3)
}

fn is_score(value: f32) -> bool {
    (-1e-3..=1.001).contains(&value)
}

/// The facts for recognizing outputs, and the readings found so far.
pub(super) struct GuessInput<'a> {
    pub input: &'a InputShape,
    pub all: &'a [OutputShape],
    /// The number of named classes.
    pub known: Option<usize>,
    /// The background among the names.
    pub named: BackgroundColumn,
    pub is_pose: bool,
    pub is_tensorflow: bool,
    /// The network takes the size or scale of the picture, too.
    pub takes_size: bool,
    pub readings: Vec<Interpretation>,
}

impl GuessInput<'_> {
    /// Adds a reading if the outputs have its shapes.
    fn push_reading(&mut self, family: Family, classes: Option<usize>, fed: InputCard) {
        let count = classes.or(self.known).unwrap_or(usize::from(u16::MAX));
        if decoder(&family, self.input, self.all, count).is_ok() {
            self.readings.push(Interpretation { family, classes, fed });
        }
    }

    pub fn read(&mut self, outputs: &[OutputStats]) -> Result<(), Fault> {
        let has_masks =
            outputs.iter().skip(1).any(|held| matches!(held.shape.shape[..], [1, _, h, w] if h > 1 && w > 1));
        let pairs = outputs.len() == 6 || outputs.len() == 8;
        if pairs && self.distributions(outputs) {
            return Ok(());
        }
        self.read_scores_and_boxes(outputs);
        if outputs.len() > 1 {
            self.read_scored_boxes();
        }
        if outputs.len() > 2 {
            self.read_separate_outputs();
        }
        let Some((first, [rows, columns])) = outputs.first().and_then(|held| Some((held, held.rows()?)))
        else {
            return Ok(());
        };
        if self.readings.is_empty() && !self.is_map([rows, columns]) {
            self.read_single_output(first, rows, columns)?;
            // With mask prototypes, boxes have as many coefficients. Raw heads do not matter here.
            let coefficients = |reading: &Interpretation| match &reading.family {
                Family::Yolov5(card) | Family::Yolov8(card) => card.extra == MASKS,
                _ => false,
            };
            let protos = outputs.len() == 2 && has_masks && outputs[1].shape.shape.get(1) == Some(&MASKS);
            if protos || has_masks && self.readings.iter().any(coefficients) {
                return Err(other_task("masks (segmentation)"));
            }
        }
        Ok(())
    }

    fn has_rows(&self, columns: usize) -> bool {
        self.all
            .iter()
            .any(|output| matches!(as_rows(&output.shape), Some([n, own]) if n > 1 && own == columns))
    }

    /// Whether the output has one value for each pixel or block of pixels.
    fn is_map(&self, [rows, columns]: [usize; 2]) -> bool {
        let size = [self.input.height as usize, self.input.width as usize];
        (1..=MOST_BLOCK).any(|block| [rows * block, columns * block] == size)
    }

    fn input_card(&self, colours: Colours, range: f32, resize: ResizeMode) -> InputCard {
        scaled_input_card(self.input, colours, range, resize)
    }

    fn read_single_output(&mut self, held: &OutputStats, first: usize, last: usize) -> Result<(), Fault> {
        let is_row = |columns: usize| (5..=LONGEST_ROW).contains(&columns);
        let levels = |n: usize| LEVELS.iter().find(|strides| all_cells(self.input, strides) == n).copied();
        let (down, across) = (levels(first), levels(last));
        if let Some(strides) = down.filter(|_| last > DISTANCES) {
            let point = if strides.len() == 4 { 0.0 } else { 0.5 };
            self.distribution(strides, point, last - DISTANCES);
        }
        let is_v5 = first.is_multiple_of(3) && levels(first / 3).is_some();
        if !is_v5 && last >= 6 && is_row(last) {
            self.read_final_rows(held, first, last)?;
        }
        if is_row(last) && last > 5 {
            if let Some(strides) = down {
                let family = Family::Yolox { strides: strides.to_vec() };
                self.push_reading(
                    family,
                    Some(last - 5),
                    self.input_card(Colours::Bgr, 1.0, LETTERBOX_TOP_LEFT),
                );
            }
            if is_v5 || down.is_some() || first > last {
                // In YOLOv6's output, objectness is always 1. YOLOX takes BGR from 0 to 255.
                let always = held.values.chunks_exact(last).all(|row| row[4] == 1.0);
                let fed = if down.is_some() && !always {
                    self.input_card(Colours::Bgr, 1.0, LETTERBOX_TOP_LEFT)
                } else {
                    self.input_card(Colours::Rgb, 255.0, LETTERBOX_CENTRE)
                };
                let scores = |count: usize| held.are_scores(last, 4..5 + count);
                let are_logits = held.values.chunks_exact(last).any(|row| are_logits(&row[4..]));
                self.decoded_rows(Family::Yolov5, last - 5, (&scores, are_logits), &fed, false);
            }
        }
        let by_columns = is_row(first) && last > 8;
        let by_rows = is_row(last) && first > 8;
        let orders: &[bool] = match (down, across) {
            (Some(_), None) => &[true],
            (None, Some(_)) => &[false],
            (None, None) if last < first => &[true, false],
            _ => &[false, true],
        };
        for &in_rows in orders {
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
                return Err(other_task("boxes at any angle (OBB)"));
            }
            let fed = self.input_card(Colours::Rgb, 255.0, LETTERBOX_CENTRE);
            let are_logits = if in_rows {
                held.values.chunks_exact(last).any(|row| are_logits(&row[4..]))
            } else {
                are_logits(&held.values[4 * last..])
            };
            self.decoded_rows(Family::Yolov8, count, (&scores, are_logits), &fed, in_rows && down.is_none());
        }
        Ok(())
    }

    /// Rows of a box and `count` more values.
    ///
    /// `scores` says whether the first values of that number can be scores, `are_logits` whether they can be logits.
    /// With `is_query` the rows are queries without a grid, as in RT-DETR.
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
        let is_posed = |known: &usize| {
            self.is_pose || leading < count && leading >= *known || count - known == KEY_POINTS
        };
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
        let units = if is_query {
            [BoxUnit::Fractions, BoxUnit::Pixels]
        } else {
            [BoxUnit::Pixels, BoxUnit::Fractions]
        };
        for (classes, extra) in parts {
            let is_logit = are_logits && !scores(classes);
            let activation = if is_logit { Activation::Sigmoid } else { Activation::None };
            for corners in [Corners::Cxcywh, Corners::Xyxy] {
                for unit in units {
                    let card = RowsCard { corners, unit, activation, extra };
                    let is_stretched = is_query && unit == BoxUnit::Fractions;
                    let resize = if is_stretched { ResizeMode::Stretch } else { fed.resize };
                    self.push_reading(family(card), Some(classes), InputCard { resize, ..fed.clone() });
                }
            }
        }
    }

    /// Rows of final boxes. The values show which columns hold score and class.
    fn read_final_rows(&mut self, held: &OutputStats, rows: usize, columns: usize) -> Result<(), Fault> {
        let is_number = |value: f32| value == value.trunc() && (-1.0..10_000.0).contains(&value);
        let column = |at: usize| held.values.chunks_exact(columns).map(move |row| row[at]);
        let are_classes = |at: usize| column(at).all(|value| value.is_nan() || is_number(value));
        // Some networks pad with rows of -1.
        let are_scores = |at: usize, class: usize| {
            let mut rows = held.values.chunks_exact(columns);
            rows.all(|row| row[at].is_nan() || is_score(row[at]) || row[class] == -1.0 && row[at] == -1.0)
        };
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
            if !begins || !are_classes(class) || !are_scores(score, class) {
                continue;
            }
            if columns == 7 && places == [0, 4, 5] && self.readings.is_empty() {
                return Err(other_task("boxes at any angle (OBB)"));
            }
            for unit in [BoxUnit::Pixels, BoxUnit::Fractions] {
                let card = EndToEndCard { corners: Corners::Xyxy, unit, first_class: 0, places };
                let feeds = if self.takes_size {
                    // PaddleDetection distorts the picture.
                    let stretched = |range| self.input_card(Colours::Rgb, range, ResizeMode::Stretch);
                    vec![stretched(255.0), imagenet(stretched(1.0))]
                } else {
                    vec![self.input_card(Colours::Rgb, 255.0, LETTERBOX_CENTRE)]
                };
                for fed in feeds {
                    self.push_reading(Family::EndToEnd(card), None, fed);
                }
            }
        }
        Ok(())
    }

    /// One output with rows of scores, another with rows of boxes.
    fn read_scores_and_boxes(&mut self, outputs: &[OutputStats]) {
        let is_called = |held: &OutputStats| {
            ["box", "dets"].iter().any(|word| held.shape.name.to_lowercase().contains(word))
        };
        // If both have four columns, the names show which has the boxes.
        let boxes_last = matches!(outputs, [one, two] if !is_called(one) && is_called(two));
        let mut last = None;
        for boxes in if boxes_last { [1, 0] } else { [0, 1] } {
            let Some(places) = find_columns(self.all, boxes).filter(|places| last != Some(*places)) else {
                continue;
            };
            last = Some(places);
            if let Some([_, columns]) = outputs[places.scores].rows() {
                self.boxes_and_scores(&outputs[places.scores], columns, boxes);
            }
        }
    }

    /// Final boxes with scores [n, 5], and classes. Input with ImageNet's means and deviations, as MMDetection's
    /// exporter does.
    fn read_scored_boxes(&mut self) {
        if !self.has_rows(5) {
            return;
        }
        for unit in [BoxUnit::Pixels, BoxUnit::Fractions] {
            let card = EndToEndCard { corners: Corners::Xyxy, unit, first_class: 0, places: [0, 4, 5] };
            let fed = imagenet(self.input_card(Colours::Rgb, 1.0, LETTERBOX_TOP_LEFT));
            self.push_reading(Family::EndToEnd(card), None, fed);
        }
    }

    fn boxes_and_scores(&mut self, scores: &OutputStats, columns: usize, boxes: usize) {
        let are_scores = scores.are_scores(columns, 0..columns);
        let usual = known_labels::labels_for_count(columns).is_none()
            && known_labels::labels_for_count(columns - 1).is_some();
        // The list of 91 has nothing in its first position. DETR has one column more.
        let is_of_paper = columns == known_labels::OF_PAPER;
        let is_of_detr = columns == known_labels::OF_PAPER + 1;
        let held = find_background(scores, columns, are_scores);
        let one_more = self.known.is_some_and(|known| known + 1 == columns);
        let background = match held {
            Some(background) => background,
            None if self.known == Some(columns) => self.named,
            None if columns < 2 => BackgroundColumn::None,
            None if are_scores && one_more => BackgroundColumn::First,
            None if are_scores && !self.is_tensorflow => BackgroundColumn::None,
            None if is_of_detr => BackgroundColumn::Last,
            None if self.known.is_none() && is_of_paper => BackgroundColumn::First,
            None if one_more || self.known.is_none() && usual => unused_column(scores, columns),
            None => BackgroundColumn::None,
        };
        let is_softmax = held.is_some() || is_of_detr && background == BackgroundColumn::Last;
        let activation = match (are_scores, is_softmax) {
            (false, true) => Activation::Softmax,
            (false, false) if are_logits(&scores.values) => Activation::Sigmoid,
            _ => Activation::None,
        };
        let classes = Some(columns - background.columns());
        use BoxUnit::{Fractions, Pixels};
        use Corners::{Cxcywh, Xyxy, Yxyx};
        let ways: &[(Corners, BoxUnit)] = if self.is_tensorflow {
            &[(Yxyx, Fractions), (Xyxy, Fractions), (Xyxy, Pixels), (Cxcywh, Fractions)]
        } else if are_scores || background == BackgroundColumn::First {
            &[(Xyxy, Pixels), (Xyxy, Fractions), (Cxcywh, Fractions), (Cxcywh, Pixels), (Yxyx, Fractions)]
        } else {
            &[(Cxcywh, Fractions), (Xyxy, Fractions), (Xyxy, Pixels), (Cxcywh, Pixels)]
        };
        for &(corners, unit) in ways {
            let card = DecodedCard { corners, unit, activation, background, boxes };
            let stretched = |range| self.input_card(Colours::Rgb, range, ResizeMode::Stretch);
            let feeds = match (corners, unit) {
                (Yxyx, _) => vec![stretched(1.0)],
                (_, Pixels) => vec![self.input_card(Colours::Rgb, 255.0, LETTERBOX_CENTRE)],
                // SSD in PyTorch.
                (Xyxy, Fractions) if background == BackgroundColumn::First => {
                    vec![InputCard { mean: [127.0; 3], deviation: [128.0; 3], ..stretched(1.0) }]
                }
                // DETR and its relatives use ImageNet's means and deviations, RT-DETR does not.
                _ if background != BackgroundColumn::None => vec![imagenet(stretched(1.0)), stretched(255.0)],
                _ => vec![stretched(255.0), imagenet(stretched(1.0))],
            };
            for fed in feeds {
                self.push_reading(Family::Decoded(card), classes, fed);
            }
        }
    }

    /// Scores and distances, a pair for each level. True if the outputs have this form.
    fn distributions(&mut self, outputs: &[OutputStats]) -> bool {
        let strides = LEVELS[usize::from(outputs.len() == 8)];
        let sizes =
            outputs.iter().filter(|held| held.rows().is_some_and(|rows| rows[1] == DISTANCES)).count();
        let Some([_, classes]) = outputs[0].rows().filter(|_| sizes >= strides.len()) else { return false };
        self.distribution(strides, 0.5, classes);
        true
    }

    /// NanoDet has ImageNet's means and deviations for BGR (of 0–255); PicoDet has the same for RGB.
    fn distribution(&mut self, strides: &[u32], point: f32, classes: usize) {
        let card = DistributionCard { strides: strides.to_vec(), point, activation: Activation::None };
        let is_picodet = point > 0.0 && strides.len() == 4;
        let mut fed = imagenet(self.input_card(Colours::Rgb, 1.0, ResizeMode::Stretch));
        if !is_picodet {
            fed.colours = Colours::Bgr;
            fed.mean.reverse();
            fed.deviation.reverse();
        }
        self.push_reading(Family::Distribution(card), Some(classes), fed);
    }

    /// Boxes, scores and classes in separate outputs. TensorFlow's models are recognized by their output names.
    fn read_separate_outputs(&mut self) {
        if !self.has_rows(4) {
            return;
        }
        let places = [0, 4, 5];
        let tensorflow =
            EndToEndCard { corners: Corners::Yxyx, unit: BoxUnit::Fractions, first_class: 1, places };
        let of = |unit| EndToEndCard { corners: Corners::Xyxy, unit, first_class: 0, places };
        let cards = if self.is_tensorflow {
            vec![(tensorflow, 1.0)]
        } else {
            vec![(of(BoxUnit::Pixels), 255.0), (of(BoxUnit::Fractions), 255.0)]
        };
        for (card, range) in cards {
            self.push_reading(
                Family::EndToEnd(card),
                None,
                self.input_card(Colours::Rgb, range, ResizeMode::Stretch),
            );
        }
    }
}

/// The first or last column, if it is the largest in nearly every row. Most positions hold nothing.
fn find_background(scores: &OutputStats, columns: usize, are_scores: bool) -> Option<BackgroundColumn> {
    let found = |background| {
        (columns > 1 && fits_background(scores, columns, background, are_scores)).then_some(background)
    };
    found(BackgroundColumn::First).or_else(|| found(BackgroundColumn::Last))
}

/// The first or last column, whichever stays lower. RF-DETR has one column more than classes, and counts from 0 or
/// from 1 depending on its data.
fn unused_column(scores: &OutputStats, columns: usize) -> BackgroundColumn {
    let most = |at: usize| scores.values.chunks_exact(columns).map(|row| row[at]).fold(f32::MIN, f32::max);
    if most(0) < most(columns - 1) { BackgroundColumn::First } else { BackgroundColumn::Last }
}

fn fits_background(
    scores: &OutputStats,
    columns: usize,
    background: BackgroundColumn,
    are_scores: bool,
) -> bool {
    let at = match background {
        BackgroundColumn::None => return false,
        BackgroundColumn::First => 0,
        BackgroundColumn::Last => columns - 1,
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

/// As YOLOX's exporter does.
const LETTERBOX_TOP_LEFT: ResizeMode = ResizeMode::Letterbox { place: InputPlacement::TopLeft, pad: 114 };
/// As Ultralytics does.
pub(super) const LETTERBOX_CENTRE: ResizeMode =
    ResizeMode::Letterbox { place: InputPlacement::Centre, pad: 114 };

/// Input values of 0–255 divided by `range`.
pub(super) fn scaled_input_card(
    input: &InputShape,
    colours: Colours,
    range: f32,
    resize: ResizeMode,
) -> InputCard {
    InputCard {
        size: Some((input.width, input.height)),
        layout: Some(input.layout),
        colours,
        mean: [0.0; 3],
        deviation: [range; 3],
        resize,
    }
}

/// With ImageNet's means and deviations for RGB values of 0–255.
fn imagenet(fed: InputCard) -> InputCard {
    InputCard { mean: [123.675, 116.28, 103.53], deviation: [58.395, 57.12, 57.375], ..fed }
}
