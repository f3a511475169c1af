//! YOLOv5 to v11 (Ultralytics and compatible exporters), decoded by the network itself.
//!
//! Versions 5, 6 and 7 have rows with an objectness score. Versions 8, 9 and 11 have columns with class scores only.
//! Further outputs are ignored: some exporters add the raw heads.

use super::{Decode, Found, best_score, logit, sigmoid, to_pixel_box, without_batch, wrong_outputs};
use crate::onnx::card::{Activation, RowsCard, wrong_labels};
use crate::onnx::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

fn first_shape(outputs: &[OutputShape]) -> Option<[usize; 2]> {
    without_batch(&outputs.first()?.shape, 2)?.try_into().ok()
}

/// Shared by both layouts.
#[derive(Debug)]
struct Rows {
    card: RowsCard,
    size: (f32, f32),
}

impl Rows {
    fn new(card: &RowsCard, input: &InputShape) -> Rows {
        Rows { card: *card, size: (input.width as f32, input.height as f32) }
    }

    fn corners(&self, numbers: [f32; 4]) -> [f32; 4] {
        to_pixel_box(numbers, self.card.corners, self.card.unit, self.size)
    }

    fn is_logit(&self) -> bool {
        self.card.activation == Activation::Sigmoid
    }

    fn score_of(&self, value: f32) -> f32 {
        if self.is_logit() { sigmoid(value) } else { value }
    }

    /// The value that corresponds to the score `least`.
    fn value_for_score(&self, least: f32) -> f32 {
        if self.is_logit() { logit(least) } else { least }
    }
}

/// [1, n, 5 + classes + extra].
#[derive(Debug)]
pub(super) struct Yolov5 {
    rows: Rows,
    columns: usize,
    classes: usize,
}

impl Yolov5 {
    pub(super) fn new(
        card: &RowsCard,
        input: &InputShape,
        outputs: &[OutputShape],
        labels: usize,
    ) -> Result<Yolov5, Fault> {
        let fixed = 5 + card.extra;
        match first_shape(outputs) {
            Some([rows, columns]) if columns == labels + fixed && rows > 0 => {
                Ok(Yolov5 { rows: Rows::new(card, input), columns, classes: labels })
            }
            Some([rows, columns]) if columns > fixed && rows > columns => {
                Err(wrong_labels(columns - fixed, labels))
            }
            _ => Err(wrong_outputs("yolov5", outputs, "one, [1, n, 5 + classes]")),
        }
    }
}

impl Decode for Yolov5 {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        let Some(output) = outputs.first() else { return };
        let bar = self.rows.value_for_score(least);
        for row in output.values.chunks_exact(self.columns) {
            if row[4].is_nan() || row[4] < bar {
                continue;
            }
            let Some((class, of_class)) = best_score(&row[5..5 + self.classes]) else { continue };
            let score = self.rows.score_of(row[4]) * self.rows.score_of(of_class);
            if score >= least {
                found(class as u16, score, self.rows.corners([row[0], row[1], row[2], row[3]]));
            }
        }
    }
}

/// [1, 4 + classes + extra, n], or transposed.
#[derive(Debug)]
pub(super) struct Yolov8 {
    rows: Rows,
    classes: usize,
    boxes: usize,
    /// The numbers of a box are contiguous.
    in_rows: bool,
}

impl Yolov8 {
    pub(super) fn new(
        card: &RowsCard,
        input: &InputShape,
        outputs: &[OutputShape],
        labels: usize,
    ) -> Result<Yolov8, Fault> {
        let fixed = 4 + card.extra;
        let of = |boxes, in_rows| Yolov8 { rows: Rows::new(card, input), classes: labels, boxes, in_rows };
        match first_shape(outputs) {
            Some([first, boxes]) if first == labels + fixed && boxes > 0 => Ok(of(boxes, false)),
            Some([boxes, last]) if last == labels + fixed && boxes > 0 => Ok(of(boxes, true)),
            Some(shape) if shape[0].min(shape[1]) > fixed && shape[0] != shape[1] => {
                Err(wrong_labels(shape[0].min(shape[1]) - fixed, labels))
            }
            _ => Err(wrong_outputs("yolov8", outputs, "one, [1, 4 + classes, n]")),
        }
    }
}

impl Decode for Yolov8 {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        let Some(output) = outputs.first() else { return };
        let (rows, bar) = (&self.rows, self.rows.value_for_score(least));
        if self.in_rows {
            for row in output.values.chunks_exact(4 + self.classes + rows.card.extra) {
                let surest = best_score(&row[4..4 + self.classes]).filter(|(_, value)| *value >= bar);
                if let Some((class, value)) = surest {
                    found(class as u16, rows.score_of(value), rows.corners([row[0], row[1], row[2], row[3]]));
                }
            }
            return;
        }
        // Class by class, in memory order. A box with two sure classes is reported for both; suppression keeps the
        // surer one of a group.
        let (geometry, scores) = output.values.split_at(4 * self.boxes);
        let number = |which: usize, at: usize| geometry[which * self.boxes + at];
        for (class, values) in scores.chunks_exact(self.boxes).take(self.classes).enumerate() {
            for (at, &value) in values.iter().enumerate() {
                if value >= bar {
                    let bounds = rows.corners([number(0, at), number(1, at), number(2, at), number(3, at)]);
                    found(class as u16, rows.score_of(value), bounds);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, input, of_shapes};
    use super::*;
    use crate::onnx::card::{BoxUnit, Corners, wrong_labels};

    fn yolov5(shapes: &[&[usize]], labels: usize) -> Result<Yolov5, Fault> {
        Yolov5::new(&RowsCard::default(), &input(100, 200), &of_shapes(shapes), labels)
    }

    fn yolov8(card: RowsCard, shapes: &[&[usize]], labels: usize) -> Result<Yolov8, Fault> {
        Yolov8::new(&card, &input(100, 200), &of_shapes(shapes), labels)
    }

    #[test]
    fn v5_multiplies_its_two_scores() {
        let v5 = yolov5(&[&[1, 100, 8]], 3).unwrap();
        let mut out = Tensor::filled(&[100, 8], 0.0);
        out.set_row(&[57], &[30.0, 40.0, 10.0, 20.0, 0.5, 0.1, 0.8, 0.3]);
        assert_one(&decode(&v5, &[out], 0.2), 1, 0.4, [25.0, 30.0, 35.0, 50.0]);
        let error = yolov5(&[&[1, 25200, 85]], 79).unwrap_err();
        assert_eq!(error, wrong_labels(80, 79));
        assert!(yolov5(&[&[1, 4]], 1).unwrap_err().to_string().starts_with("the outputs "));
    }

    #[test]
    fn v8_has_columns_or_rows() {
        let columns = yolov8(RowsCard::default(), &[&[1, 7, 50]], 3).unwrap();
        let mut out = Tensor::filled(&[7, 50], 0.0);
        for (at, value) in [30.0, 40.0, 10.0, 20.0, 0.1, 0.05, 0.7].into_iter().enumerate() {
            out.set(&[at, 49], value);
        }
        assert_one(&decode(&columns, &[out], 0.2), 2, 0.7, [25.0, 30.0, 35.0, 50.0]);
        let rows = yolov8(RowsCard::default(), &[&[50, 7]], 3).unwrap();
        let mut out = Tensor::filled(&[50, 7], 0.0);
        out.set_row(&[49], &[30.0, 40.0, 10.0, 20.0, 0.1, 0.05, 0.7]);
        assert_one(&decode(&rows, &[out], 0.2), 2, 0.7, [25.0, 30.0, 35.0, 50.0]);
        let error = yolov8(RowsCard::default(), &[&[1, 84, 8400]], 79).unwrap_err();
        assert_eq!(error, wrong_labels(80, 79));
    }

    #[test]
    fn fractions_logits_and_key_points() {
        let (unit, activation) = (BoxUnit::Fractions, Activation::Sigmoid);
        let card = RowsCard { corners: Corners::Xyxy, unit, activation, extra: 3 };
        let rows = yolov8(card, &[&[1, 50, 9], &[1, 8, 20, 20]], 2).unwrap();
        let mut out = Tensor::filled(&[50, 9], -9.0);
        out.set_row(&[7], &[0.1, 0.2, 0.3, 0.4, -9.0, 0.0, 99.0, 99.0, 99.0]);
        assert_one(&decode(&rows, &[out], 0.2), 1, 0.5, [10.0, 40.0, 30.0, 80.0]);
    }
}
