//! From a network's numbers to boxes, a family a file.
//!
//! A decoder is made once for a network and proves then that the outputs have the shapes it is going to
//! read; decoding itself cannot fail and allocates nothing. Numbers that are not sure enough are passed
//! over before anything is computed from them: of thousands of cells a dozen matter.

mod decoded;
mod distribution;
mod end_to_end;
mod ssd;
mod yolo;
mod yolox;

pub use decoded::{Places, places};

use super::card::{Activation, Background, CardError, Corners, Family, Unit};
use super::network::{InputShape, Output, OutputShape};

/// Takes a box that was found: class, score (0–1), and left, top, right, bottom in pixels of the
/// input.
pub type Found<'a> = dyn FnMut(u16, f32, [f32; 4]) + 'a;

/// Reads the outputs of one network.
pub trait Decode: Send + std::fmt::Debug {
    /// Hands over every box with a score of at least `least`, raw: several for one thing, in no order.
    /// `outputs` are in the order of [`Network::outputs`](super::Network::outputs). A score that is
    /// no number is not sure enough.
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>);
}

/// The decoder of a family, for a network of this input and these outputs that tells `labels`
/// classes apart.
///
/// # Errors
/// [`CardError::Outputs`] where the outputs are not the family's, [`CardError::Labels`] where they
/// are for another number of classes.
pub fn decoder(
    family: &Family,
    input: &InputShape,
    outputs: &[OutputShape],
    labels: usize,
) -> Result<Box<dyn Decode>, CardError> {
    Ok(match family {
        Family::Ssd(card) => Box::new(ssd::Ssd::new(card, input, outputs, labels)?),
        Family::Decoded(card) => Box::new(decoded::Decoded::new(card, input, outputs, labels)?),
        Family::Yolox { strides } => Box::new(yolox::Yolox::new(strides, input, outputs, labels)?),
        Family::Yolov5(card) => Box::new(yolo::Yolov5::new(card, input, outputs, labels)?),
        Family::Yolov8(card) => Box::new(yolo::Yolov8::new(card, input, outputs, labels)?),
        Family::EndToEnd(card) => Box::new(end_to_end::EndToEnd::new(card, input, outputs)?),
        Family::Distribution(card) => {
            Box::new(distribution::Distribution::new(card, input, outputs, labels)?)
        }
    })
}

/// The cells of a level: columns and rows.
pub fn cells(input: &InputShape, stride: u32) -> (usize, usize) {
    (input.width.div_ceil(stride) as usize, input.height.div_ceil(stride) as usize)
}

/// The cells of all levels together.
pub fn all_cells(input: &InputShape, strides: &[u32]) -> usize {
    strides.iter().map(|&stride| cells(input, stride)).map(|(columns, rows)| columns * rows).sum()
}

/// Outputs as people write them: `[1, 3549, 85] and [1, 4]`.
pub fn shapes(outputs: &[OutputShape]) -> String {
    let all: Vec<String> = outputs.iter().map(|output| format!("{:?}", output.shape)).collect();
    match all.len() {
        0 => String::from("(none)"),
        1..=4 => all.join(" and "),
        more => format!("{} and {} more", all[..3].join(", "), more - 3),
    }
}

/// Rows and numbers a row of an output, if it is of rows: some exporters write boxes as [1, n, 1, 4].
pub fn rows_of(shape: &[usize]) -> Option<[usize; 2]> {
    let rows = match without_batch(shape, 3) {
        Some(&[n, 1, 4]) if n > 1 => [n, 4],
        _ => without_batch(shape, 2)?.try_into().ok()?,
    };
    (rows[0] > 0 && rows[1] > 0).then_some(rows)
}

/// `shape` without leading ones, of which exporters write none, one or two, down to `rank`.
fn without_batch(shape: &[usize], rank: usize) -> Option<&[usize]> {
    let extra = shape.len().checked_sub(rank)?;
    shape[..extra].iter().all(|&n| n == 1).then(|| &shape[extra..])
}

fn not_these(family: &'static str, outputs: &[OutputShape], wanted: impl Into<String>) -> CardError {
    CardError::Outputs { family, outputs: shapes(outputs), wanted: wanted.into() }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The logit of a score, so that logits can be compared without computing their scores. 0 and 1
/// become infinities, which compare as they should.
fn logit(score: f32) -> f32 {
    (score / (1.0 - score)).ln()
}

/// The greatest of `scores` and its place; `None` where there is none that is a number.
fn surest(scores: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (at, &score) in scores.iter().enumerate() {
        if best.map_or(!score.is_nan(), |(_, so_far)| score > so_far) {
            best = Some((at, score));
        }
    }
    best
}

/// Hands over the classes of a row of scores or logits that are sure enough. The background, if
/// there is one, is never handed over.
fn sure_classes(
    row: &[f32],
    activation: Activation,
    background: Background,
    least: f32,
    mut take: impl FnMut(u16, f32),
) {
    let skipped = usize::from(background == Background::First);
    let classes = row.len().saturating_sub(background.columns());
    match activation {
        Activation::None | Activation::Sigmoid => {
            let is_logit = activation == Activation::Sigmoid;
            let bar = if is_logit { logit(least) } else { least };
            for (class, &value) in row.iter().skip(skipped).take(classes).enumerate() {
                if value >= bar {
                    take(class as u16, if is_logit { sigmoid(value) } else { value });
                }
            }
        }
        Activation::Softmax => {
            let Some((best, most)) = surest(row) else { return };
            // The usual case by far, and no sum is needed for it.
            if background == Background::First && best == 0 && least > 0.5 {
                return;
            }
            let sum: f32 = row.iter().map(|value| (value - most).exp()).sum();
            let bar = most + (least * sum).ln();
            for (class, &value) in row.iter().skip(skipped).take(classes).enumerate() {
                if value >= bar {
                    take(class as u16, (value - most).exp() / sum);
                }
            }
        }
    }
}

/// Four numbers as left, top, right, bottom in pixels of an input of this size.
fn in_pixels(numbers: [f32; 4], corners: Corners, unit: Unit, size: (f32, f32)) -> [f32; 4] {
    let [left, top, right, bottom] = match (corners, numbers) {
        (Corners::Xyxy, numbers) => numbers,
        (Corners::Yxyx, [top, left, bottom, right]) => [left, top, right, bottom],
        (Corners::Cxcywh, [x, y, w, h]) => [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0],
    };
    match unit {
        Unit::Pixels => [left, top, right, bottom],
        Unit::Fractions => [left * size.0, top * size.1, right * size.0, bottom * size.1],
    }
}

/// What the tests of the families share.
#[cfg(test)]
pub(super) mod tests {
    use super::super::network::Layout;
    use super::*;

    pub fn input(width: u32, height: u32) -> InputShape {
        InputShape { name: "image".into(), width, height, layout: Layout::Nchw }
    }

    pub fn of_shapes(shapes: &[&[usize]]) -> Vec<OutputShape> {
        let named =
            |(at, shape): (usize, &&[usize])| OutputShape { name: format!("out{at}"), shape: shape.to_vec() };
        shapes.iter().enumerate().map(named).collect()
    }

    /// A tensor made by hand: zeros, and then what is set.
    #[derive(Debug, Clone)]
    pub struct Tensor {
        pub shape: Vec<usize>,
        pub values: Vec<f32>,
    }

    impl Tensor {
        pub fn filled(shape: &[usize], value: f32) -> Tensor {
            Tensor { shape: shape.to_vec(), values: vec![value; shape.iter().product()] }
        }

        pub fn set(&mut self, at: &[usize], value: f32) {
            let place = at.iter().zip(&self.shape).fold(0, |place, (at, size)| place * size + at);
            self.values[place] = value;
        }

        pub fn set_row(&mut self, at: &[usize], values: &[f32]) {
            for (last, &value) in values.iter().enumerate() {
                self.set(&[at, &[last]].concat(), value);
            }
        }
    }

    pub fn decode(decoder: &dyn Decode, tensors: &[Tensor], least: f32) -> Vec<(u16, f32, [f32; 4])> {
        let outputs: Vec<Output<'_>> = tensors
            .iter()
            .map(|tensor| Output { name: "", shape: &tensor.shape, values: &tensor.values })
            .collect();
        let mut all = Vec::new();
        decoder.decode(&outputs, least, &mut |class, score, bounds| all.push((class, score, bounds)));
        all
    }

    pub fn assert_one(found: &[(u16, f32, [f32; 4])], class: u16, score: f32, bounds: [f32; 4]) {
        let [(found_class, found_score, found_bounds)] = found[..] else { panic!("{found:?}") };
        assert_eq!(found_class, class);
        assert!((found_score - score).abs() < 1e-4, "{found_score} is not {score}");
        for (f, w) in found_bounds.iter().zip(bounds) {
            assert!((f - w).abs() < 1e-2, "{found_bounds:?} is not {bounds:?}");
        }
    }

    #[test]
    fn the_softmax_of_a_row_is_compared_with_its_background() {
        let row = [0.0, 3.0_f32.ln(), f32::ln(4.0)];
        let classes = |background: bool, least| {
            let mut all = Vec::new();
            sure_classes(&row, Activation::Softmax, background.into(), least, |class, score| {
                all.push((class, score))
            });
            all
        };
        let [(1, half)] = classes(true, 0.4)[..] else { panic!() };
        assert!((half - 0.5).abs() < 1e-6);
        assert_eq!(classes(true, 0.1).len(), 2);
        assert_eq!(classes(false, 0.1).len(), 3);
        assert_eq!(classes(true, 0.6), []);
        let mut last = Vec::new();
        sure_classes(&row, Activation::Softmax, Background::Last, 0.3, |class, score| {
            last.push((class, score))
        });
        let [(1, score)] = last[..] else { panic!("{last:?}") };
        assert!((score - 0.375).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_number_is_no_score() {
        for activation in [Activation::None, Activation::Sigmoid, Activation::Softmax] {
            sure_classes(&[f32::NAN; 3], activation, Background::None, 0.1, |_, _| panic!("{activation:?}"));
        }
        assert_eq!(surest(&[f32::NAN, 0.2, f32::NAN, 0.3]), Some((3, 0.3)));
        assert_eq!(surest(&[f32::NAN]), None);
    }
}
