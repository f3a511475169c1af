//! YOLOv5 to v11 (Ultralytics and those who export alike), decoded to centre and size in pixels by
//! the network itself: v5, v6 and v7 row by row with a score that something is there, v8, v9 and v11
//! column by column with the scores of the classes alone.

use super::{Decode, Found, in_pixels, not_these, surest, without_batch};
use crate::vision::onnx::card::{CardError, Corners, Unit};
use crate::vision::onnx::network::{Output, OutputShape};

fn corners(x: f32, y: f32, width: f32, height: f32) -> [f32; 4] {
    in_pixels([x, y, width, height], Corners::Cxcywh, Unit::Pixels, (1.0, 1.0))
}

fn only_shape(outputs: &[OutputShape]) -> Option<[usize; 2]> {
    let [output] = outputs else { return None };
    without_batch(&output.shape, 2)?.try_into().ok()
}

/// [1, n, 5 + classes].
#[derive(Debug)]
pub(super) struct Yolov5 {
    columns: usize,
}

impl Yolov5 {
    pub(super) fn new(outputs: &[OutputShape], labels: usize) -> Result<Yolov5, CardError> {
        match only_shape(outputs) {
            Some([rows, columns]) if columns == labels + 5 && rows > 0 => Ok(Yolov5 { columns }),
            Some([rows, columns]) if columns > 5 && rows > columns => {
                Err(CardError::Labels { network: columns - 5, described: labels })
            }
            _ => Err(not_these("yolov5", outputs, "one, [1, n, 5 + classes]")),
        }
    }
}

impl Decode for Yolov5 {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        let [output] = outputs else { return };
        for row in output.values.chunks_exact(self.columns) {
            if row[4].is_nan() || row[4] < least {
                continue;
            }
            let Some((class, of_class)) = surest(&row[5..]) else { continue };
            let score = row[4] * of_class;
            if score >= least {
                found(class as u16, score, corners(row[0], row[1], row[2], row[3]));
            }
        }
    }
}

/// [1, 4 + classes, n], or turned.
#[derive(Debug)]
pub(super) struct Yolov8 {
    classes: usize,
    boxes: usize,
    /// Whether the numbers of a box lie together.
    in_rows: bool,
}

impl Yolov8 {
    pub(super) fn new(outputs: &[OutputShape], labels: usize) -> Result<Yolov8, CardError> {
        let wanted = labels + 4;
        match only_shape(outputs) {
            Some([first, boxes]) if first == wanted && boxes > 0 => {
                Ok(Yolov8 { classes: labels, boxes, in_rows: false })
            }
            Some([boxes, last]) if last == wanted && boxes > 0 => {
                Ok(Yolov8 { classes: labels, boxes, in_rows: true })
            }
            Some(shape) if shape[0].min(shape[1]) > 4 && shape[0] != shape[1] => {
                Err(CardError::Labels { network: shape[0].min(shape[1]) - 4, described: labels })
            }
            _ => Err(not_these("yolov8", outputs, "one, [1, 4 + classes, n]")),
        }
    }
}

impl Decode for Yolov8 {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        let [output] = outputs else { return };
        if self.in_rows {
            for row in output.values.chunks_exact(4 + self.classes) {
                if let Some((class, score)) = surest(&row[4..]).filter(|(_, score)| *score >= least) {
                    found(class as u16, score, corners(row[0], row[1], row[2], row[3]));
                }
            }
            return;
        }
        // Class by class, as the numbers lie. A box of two sure classes is handed over for both;
        // the surer of a group stays.
        let (geometry, scores) = output.values.split_at(4 * self.boxes);
        let number = |which: usize, at: usize| geometry[which * self.boxes + at];
        for (class, scores) in scores.chunks_exact(self.boxes).enumerate() {
            for (at, &score) in scores.iter().enumerate() {
                if score >= least {
                    let bounds = corners(number(0, at), number(1, at), number(2, at), number(3, at));
                    found(class as u16, score, bounds);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, of_shapes};
    use super::*;

    #[test]
    fn v5_multiplies_its_two_scores() {
        let v5 = Yolov5::new(&of_shapes(&[&[1, 100, 8]]), 3).unwrap();
        let mut out = Tensor::filled(&[100, 8], 0.0);
        out.set_row(&[57], &[30.0, 40.0, 10.0, 20.0, 0.5, 0.1, 0.8, 0.3]);
        assert_one(&decode(&v5, &[out], 0.2), 1, 0.4, [25.0, 30.0, 35.0, 50.0]);
        let error = Yolov5::new(&of_shapes(&[&[1, 25200, 85]]), 79).unwrap_err();
        assert_eq!(error, CardError::Labels { network: 80, described: 79 });
        assert!(matches!(Yolov5::new(&of_shapes(&[&[1, 4]]), 1), Err(CardError::Outputs { .. })));
    }

    #[test]
    fn v8_lies_in_columns_or_rows() {
        let columns = Yolov8::new(&of_shapes(&[&[1, 7, 50]]), 3).unwrap();
        let mut out = Tensor::filled(&[7, 50], 0.0);
        for (at, value) in [30.0, 40.0, 10.0, 20.0, 0.1, 0.05, 0.7].into_iter().enumerate() {
            out.set(&[at, 49], value);
        }
        assert_one(&decode(&columns, &[out], 0.2), 2, 0.7, [25.0, 30.0, 35.0, 50.0]);
        let rows = Yolov8::new(&of_shapes(&[&[50, 7]]), 3).unwrap();
        let mut out = Tensor::filled(&[50, 7], 0.0);
        out.set_row(&[49], &[30.0, 40.0, 10.0, 20.0, 0.1, 0.05, 0.7]);
        assert_one(&decode(&rows, &[out], 0.2), 2, 0.7, [25.0, 30.0, 35.0, 50.0]);
        let error = Yolov8::new(&of_shapes(&[&[1, 84, 8400]]), 79).unwrap_err();
        assert_eq!(error, CardError::Labels { network: 80, described: 79 });
    }
}
