//! YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430): one row a cell, no anchors. The
//! centre is relative to the cell's corner, in cells; the size is the logarithm of cells.

use super::{Decode, Found, all_cells, best_score, cells, without_batch, wrong_outputs};
use crate::onnx::card::wrong_labels;
use crate::onnx::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

/// Centre, size and objectness score.
const BEFORE_CLASSES: usize = 5;

#[derive(Debug)]
pub(super) struct Yolox {
    /// Stride, columns and rows of each level.
    levels: Vec<(f32, usize, usize)>,
    columns: usize,
}

impl Yolox {
    pub(super) fn new(
        strides: &[u32],
        input: &InputShape,
        outputs: &[OutputShape],
        labels: usize,
    ) -> Result<Yolox, Fault> {
        let rows = all_cells(input, strides);
        // Further outputs, such as the raw maps, are ignored.
        let shape = outputs.first().and_then(|output| without_batch(&output.shape, 2));
        match shape {
            Some(&[n, columns]) if n == rows && columns > BEFORE_CLASSES => {
                if columns - BEFORE_CLASSES != labels {
                    return Err(wrong_labels(columns - BEFORE_CLASSES, labels));
                }
                let levels = strides
                    .iter()
                    .map(|&stride| (stride as f32, cells(input, stride)))
                    .map(|(stride, (columns, rows))| (stride, columns, rows))
                    .collect();
                Ok(Yolox { levels, columns })
            }
            _ => Err(wrong_outputs("yolox", outputs, format!("one, [1, {rows}, 5 + classes]"))),
        }
    }
}

impl Decode for Yolox {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        let Some(output) = outputs.first() else { return };
        let mut cells = output.values.chunks_exact(self.columns);
        for &(stride, columns, rows) in &self.levels {
            for (at, cell) in cells.by_ref().take(columns * rows).enumerate() {
                let present = cell[4];
                // Class scores are at most 1, so they only lower it.
                if present.is_nan() || present < least {
                    continue;
                }
                let Some((class, of_class)) = best_score(&cell[BEFORE_CLASSES..]) else { continue };
                let score = present * of_class;
                if score >= least {
                    let x = (cell[0] + (at % columns) as f32) * stride;
                    let y = (cell[1] + (at / columns) as f32) * stride;
                    let (w, h) = (cell[2].exp() * stride / 2.0, cell[3].exp() * stride / 2.0);
                    found(class as u16, score, [x - w, y - h, x + w, y + h]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, input, of_shapes};
    use super::*;

    #[test]
    fn a_box_of_the_second_level() {
        let shapes = of_shapes(&[&[1, 8 * 4 + 4 * 2 + 2, 8]]);
        let yolox = Yolox::new(&[8, 16, 32], &input(64, 32), &shapes, 3).unwrap();
        let mut out = Tensor::filled(&[42, 8], 0.0);
        // Column 2, row 1 of 4 × 2 cells of 16 pixels.
        out.set_row(&[32 + 6], &[0.5, 0.25, 2f32.ln(), 0.0, 0.8, 0.1, 0.2, 0.9]);
        assert_one(&decode(&yolox, &[out.clone()], 0.3), 2, 0.72, [24.0, 12.0, 56.0, 28.0]);
        assert_eq!(decode(&yolox, &[out], 0.75), []);
    }

    #[test]
    fn other_shapes_are_refused() {
        let strides = [8, 16, 32];
        let wrong = |shapes: &[&[usize]], labels| {
            Yolox::new(&strides, &input(416, 416), &of_shapes(shapes), labels).unwrap_err()
        };
        assert_eq!(wrong(&[&[1, 3549, 85]], 20), wrong_labels(80, 20));
        assert_eq!(
            wrong(&[&[1, 8400, 85]], 80).to_string(),
            "the outputs [1, 8400, 85] are not those of the family yolox, which has one, [1, 3549, 5 + classes]"
        );
        wrong(&[&[1, 3549, 4], &[1, 3549, 80]], 80);
    }
}
