//! NanoDet and PicoDet: for each side of a box the network gives a distribution over its distance from the cell's
//! point, in cells. The distance is the mean (Li et al., "Generalized Focal Loss", 2020).

use super::{Decode, Found, all_cells, cells, for_each_sure_class, without_batch, wrong_outputs};
use crate::onnx::card::{BackgroundColumn, DistributionCard, wrong_labels};
use crate::onnx::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

#[derive(Debug)]
pub(super) struct Distribution {
    card: DistributionCard,
    levels: Vec<DistributionLevel>,
    labels: usize,
    bins: usize,
}

/// A level and the position of its numbers.
#[derive(Debug)]
struct DistributionLevel {
    stride: f32,
    columns: usize,
    rows: usize,
    scores: BoxSide,
    distances: BoxSide,
}

/// A slice of each row of an output: `width` numbers from `offset` on.
#[derive(Debug, Clone, Copy)]
struct BoxSide {
    output: usize,
    first_row: usize,
    width: usize,
    offset: usize,
}

impl Distribution {
    pub(super) fn new(
        card: &DistributionCard,
        input: &InputShape,
        outputs: &[OutputShape],
        labels: usize,
    ) -> Result<Distribution, Fault> {
        let wrong = || {
            let all = all_cells(input, &card.strides);
            let wanted = format!("[1, {all}, classes + 4 · bins], or scores and distances for each level");
            wrong_outputs("nanodet", outputs, wanted)
        };
        let mut levels = Vec::new();
        let mut bins = 0;
        let mut first_row = 0;
        for (at, &stride) in card.strides.iter().enumerate() {
            let (columns, rows) = cells(input, stride);
            let part = |output, width, offset, first_row| BoxSide { output, first_row, width, offset };
            let (scores, distances) = if let [output] = outputs {
                let width = match without_batch(&output.shape, 2) {
                    Some(&[n, width]) if n == all_cells(input, &card.strides) => width,
                    _ => return Err(wrong()),
                };
                bins = bins_per_side(width.saturating_sub(labels))
                    .ok_or_else(|| wrong_labels(width.saturating_sub(32), labels))?;
                (part(0, width, 0, first_row), part(0, width, labels, first_row))
            } else {
                let of = |output: usize| match without_batch(&outputs.get(output)?.shape, 2)? {
                    &[n, width] if n == columns * rows => Some(width),
                    _ => None,
                };
                if outputs.len() != 2 * card.strides.len() {
                    return Err(wrong());
                }
                // All scores first, or alternating: only one order has the right rows.
                let (scores, distances) = [(at, at + card.strides.len()), (2 * at, 2 * at + 1)]
                    .into_iter()
                    .find(|&(scores, distances)| {
                        of(scores).is_some() && of(distances).and_then(bins_per_side).is_some()
                    })
                    .ok_or_else(wrong)?;
                let (width, of_distances) = (of(scores).unwrap_or(0), of(distances).unwrap_or(0));
                if width != labels {
                    return Err(wrong_labels(width, labels));
                }
                bins = bins_per_side(of_distances).ok_or_else(wrong)?;
                (part(scores, width, 0, 0), part(distances, of_distances, 0, 0))
            };
            first_row += columns * rows;
            levels.push(DistributionLevel { stride: stride as f32, columns, rows, scores, distances });
        }
        if levels.is_empty() {
            return Err(wrong());
        }
        Ok(Distribution { card: card.clone(), levels, labels, bins })
    }
}

/// Bins a side if `numbers` are those of four sides; both networks have 8.
fn bins_per_side(numbers: usize) -> Option<usize> {
    (numbers.is_multiple_of(4) && (8..=128).contains(&numbers)).then_some(numbers / 4)
}

/// The mean, in bins, of a distribution given as logits.
fn distribution_mean(logits: &[f32]) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for (bin, logit) in logits.iter().enumerate() {
        let weight = (logit - most).exp();
        sum += weight;
        weighted += weight * bin as f32;
    }
    weighted / sum
}

impl BoxSide {
    fn rows<'a>(&self, outputs: &[Output<'a>], length: usize) -> impl Iterator<Item = &'a [f32]> + use<'a> {
        let BoxSide { output, first_row, width, offset } = *self;
        let rows = outputs.get(output).map_or(&[][..], |output| output.values).chunks_exact(width);
        rows.skip(first_row).map(move |row| &row[offset..offset + length])
    }
}

impl Decode for Distribution {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        for level in &self.levels {
            let scores = level.scores.rows(outputs, self.labels);
            let distances = level.distances.rows(outputs, 4 * self.bins);
            for (cell, (scores, distances)) in
                scores.zip(distances).take(level.columns * level.rows).enumerate()
            {
                for_each_sure_class(
                    scores,
                    self.card.activation,
                    BackgroundColumn::None,
                    least,
                    |class, score| {
                        let x = ((cell % level.columns) as f32 + self.card.point) * level.stride;
                        let y = ((cell / level.columns) as f32 + self.card.point) * level.stride;
                        let side = |at: usize| {
                            distribution_mean(&distances[at * self.bins..][..self.bins]) * level.stride
                        };
                        found(class, score, [x - side(0), y - side(1), x + side(2), y + side(3)]);
                    },
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, input, of_shapes};
    use super::*;
    use crate::onnx::card::{Activation, wrong_labels};

    fn card(point: f32) -> DistributionCard {
        DistributionCard { strides: vec![8, 16], point, activation: Activation::None }
    }

    /// Distances of 1, 2, 3 and 0.5 cells; the last lies between two bins.
    fn distances() -> Vec<f32> {
        let mut all = vec![-50.0; 32];
        for place in [1, 8 + 2, 16 + 3, 24, 24 + 1] {
            all[place] = 50.0;
        }
        all
    }

    #[test]
    fn scores_and_distances_in_one_row() {
        let shapes = of_shapes(&[&[1, 8 * 4 + 4 * 2, 3 + 32]]);
        let nanodet = Distribution::new(&card(0.0), &input(64, 32), &shapes, 3).unwrap();
        let mut out = Tensor::filled(&[40, 35], 0.0);
        // Column 3, row 1 of the second level.
        out.set_row(&[32 + 7], &[&[0.0, 0.6, 0.1][..], &distances()].concat());
        assert_one(&decode(&nanodet, &[out], 0.3), 1, 0.6, [32.0, -16.0, 96.0, 24.0]);
    }

    #[test]
    fn scores_and_distances_apart_in_both_orders() {
        let (scores_0, scores_1, far_0, far_1): (&[usize], &[usize], &[usize], &[usize]) =
            (&[1, 32, 3], &[1, 8, 3], &[1, 32, 32], &[1, 8, 32]);
        for (shapes, scores, far) in
            [([scores_0, scores_1, far_0, far_1], 1, 3), ([scores_0, far_0, scores_1, far_1], 2, 3)]
        {
            let picodet = Distribution::new(&card(0.5), &input(64, 32), &of_shapes(&shapes), 3).unwrap();
            let mut tensors = shapes.map(|shape| Tensor::filled(shape, 0.0));
            tensors[scores].set(&[0, 7, 2], 0.9);
            tensors[far].set_row(&[0, 7], &distances());
            assert_one(&decode(&picodet, &tensors, 0.3), 2, 0.9, [40.0, -8.0, 104.0, 32.0]);
        }
    }

    #[test]
    fn shapes_must_fit() {
        let new = |shapes: &[&[usize]], labels| {
            Distribution::new(&card(0.5), &input(64, 32), &of_shapes(shapes), labels).unwrap_err()
        };
        assert_eq!(new(&[&[1, 40, 35]], 4), wrong_labels(3, 4));
        assert!(new(&[&[1, 41, 35]], 3).to_string().starts_with("the outputs "));
        let apart: [&[usize]; 4] = [&[1, 32, 3], &[1, 8, 3], &[1, 32, 32], &[1, 8, 32]];
        assert_eq!(new(&apart, 4), wrong_labels(3, 4));
        assert!(new(&apart[..3], 3).to_string().starts_with("the outputs "));
    }
}
