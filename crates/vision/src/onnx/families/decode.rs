//! Shared by the families: how numbers become scores and boxes.

use super::super::card::{Activation, BackgroundColumn, BoxUnit, Corners, unfit};
use super::super::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

/// Receives a box: class, score (0–1), and left, top, right, bottom in pixels of the input.
pub type Found<'a> = dyn FnMut(u16, f32, [f32; 4]) + 'a;

/// Decodes the outputs of one network.
pub(crate) trait Decode: Send + std::fmt::Debug {
    /// Calls `found` for every box with a score of at least `least`, raw: several for one object, in no order.
    /// `outputs` are in the order of [`Network::outputs`](super::super::Network::outputs). A NaN score is below every
    /// `least`.
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>);
}

/// Columns and rows of a level's cells.
pub fn cells(input: &InputShape, stride: u32) -> (usize, usize) {
    (input.width.div_ceil(stride) as usize, input.height.div_ceil(stride) as usize)
}

/// Number of cells of all levels.
pub(crate) fn all_cells(input: &InputShape, strides: &[u32]) -> usize {
    strides.iter().map(|&stride| cells(input, stride)).map(|(columns, rows)| columns * rows).sum()
}

/// Output shapes for messages: `[1, 3549, 85] and [1, 4]`.
pub(crate) fn format_shapes(outputs: &[OutputShape]) -> String {
    let all: Vec<String> = outputs.iter().map(|output| format!("{:?}", output.shape)).collect();
    match all.len() {
        0 => String::from("(none)"),
        1..=4 => all.join(" and "),
        more => format!("{} and {} more", all[..3].join(", "), more - 3),
    }
}

/// Number of rows and columns of an output of rows; some exporters write boxes as [1, n, 1, 4].
pub(crate) fn as_rows(shape: &[usize]) -> Option<[usize; 2]> {
    let rows = match without_batch(shape, 3) {
        Some(&[n, 1, 4]) if n > 1 => [n, 4],
        _ => without_batch(shape, 2)?.try_into().ok()?,
    };
    (rows[0] > 0 && rows[1] > 0).then_some(rows)
}

/// `shape` reduced to `rank` by dropping leading ones: exporters write none, one or two.
pub(super) fn without_batch(shape: &[usize], rank: usize) -> Option<&[usize]> {
    let extra = shape.len().checked_sub(rank)?;
    shape[..extra].iter().all(|&n| n == 1).then(|| &shape[extra..])
}

/// The error for outputs that do not belong to the family.
pub(crate) fn wrong_outputs(
    family: &'static str,
    outputs: &[OutputShape],
    wanted: impl Into<String>,
) -> Fault {
    let (outputs, wanted) = (format_shapes(outputs), wanted.into());
    unfit(format!("the outputs {outputs} are not those of the family {family}, which has {wanted}"))
}

pub(super) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// The logit of a score, so that logits compare without computing their scores. 0 and 1 become infinities, which
/// compare correctly.
pub(super) fn logit(score: f32) -> f32 {
    (score / (1.0 - score)).ln()
}

/// The greatest of `scores` and its index, without NaN; `None` if there is none.
pub(super) fn best_score(scores: &[f32]) -> Option<(usize, f32)> {
    let mut best: Option<(usize, f32)> = None;
    for (at, &score) in scores.iter().enumerate() {
        if best.map_or(!score.is_nan(), |(_, so_far)| score > so_far) {
            best = Some((at, score));
        }
    }
    best
}

/// Reports the classes of a row of scores or logits that reach `least`, never the background.
pub(super) fn for_each_sure_class(
    row: &[f32],
    activation: Activation,
    background: BackgroundColumn,
    least: f32,
    mut take: impl FnMut(u16, f32),
) {
    let skipped = usize::from(background == BackgroundColumn::First);
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
            let Some((best, most)) = best_score(row) else { return };
            // By far the most frequent case; it needs no sum.
            if background == BackgroundColumn::First && best == 0 && least > 0.5 {
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

/// Converts four numbers to left, top, right, bottom in pixels of an input of this size.
pub(super) fn to_pixel_box(numbers: [f32; 4], corners: Corners, unit: BoxUnit, size: (f32, f32)) -> [f32; 4] {
    let [left, top, right, bottom] = match (corners, numbers) {
        (Corners::Xyxy, numbers) => numbers,
        (Corners::Yxyx, [top, left, bottom, right]) => [left, top, right, bottom],
        (Corners::Cxcywh, [x, y, w, h]) => [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0],
    };
    match unit {
        BoxUnit::Pixels => [left, top, right, bottom],
        BoxUnit::Fractions => [left * size.0, top * size.1, right * size.0, bottom * size.1],
    }
}
