//! Networks with final boxes. YOLOv10 and similar networks have one output [1, n, 6] of four numbers, score and
//! class; others add the image's number in front or use another order. TensorFlow has one output each for boxes,
//! scores and classes. MMDetection has boxes with scores, and classes.

use super::{Decode, Found, to_pixel_box, without_batch, wrong_outputs};
use crate::onnx::card::{BoxUnit, Corners, EndToEndCard};
use crate::onnx::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

/// Positions of boxes, scores and classes in the outputs.
#[derive(Debug, Clone, Copy)]
enum ColumnOrder {
    /// One output whose rows have `columns` numbers.
    Together { columns: usize },
    /// Rows of a box and its score, and classes; indices of the outputs.
    Scored { boxes: usize, classes: usize },
    /// One output each; indices of the outputs.
    Apart { boxes: usize, scores: usize, classes: usize },
}

#[derive(Debug)]
pub(super) struct EndToEnd {
    order: ColumnOrder,
    corners: Corners,
    unit: BoxUnit,
    first_class: f32,
    places: [usize; 3],
    size: (f32, f32),
}

impl EndToEnd {
    pub(super) fn new(
        card: &EndToEndCard,
        input: &InputShape,
        outputs: &[OutputShape],
    ) -> Result<EndToEnd, Fault> {
        let [first, score, class] = card.places;
        let fits = |columns: usize| first + 4 <= columns && score < columns && class < columns;
        let fitting = order(outputs).filter(|order| match order {
            ColumnOrder::Together { columns } => fits(*columns),
            _ => true,
        });
        let order = fitting.ok_or_else(|| {
            wrong_outputs(
                "end-to-end",
                outputs,
                "one, [1, n, 6], or boxes [1, n, 4], scores [1, n] and classes [1, n], or boxes with scores [1, n, 5] \
                 and classes [1, n]",
            )
        })?;
        Ok(EndToEnd {
            order,
            corners: card.corners,
            unit: card.unit,
            first_class: f32::from(card.first_class),
            places: card.places,
            size: (input.width as f32, input.height as f32),
        })
    }

    fn push_detection(&self, numbers: &[f32], score: f32, class: f32, found: &mut Found<'_>) {
        let class = class.round() - self.first_class;
        let Ok(numbers) = numbers.try_into() else { return };
        if (0.0..=f32::from(u16::MAX)).contains(&class) {
            found(class as u16, score, to_pixel_box(numbers, self.corners, self.unit, self.size));
        }
    }
}

fn order(outputs: &[OutputShape]) -> Option<ColumnOrder> {
    let width = |output: &OutputShape| without_batch(&output.shape, 2).map(|rows| rows[1]);
    // [1, n] beside boxes [1, n, 4 or 5] is a list of n, not a row.
    let is_list = |n: usize| {
        outputs.iter().any(|o| matches!(without_batch(&o.shape, 2), Some(&[rows, 4 | 5]) if rows == n))
    };
    if let Some(columns) = outputs.first().and_then(width).filter(|n| *n >= 6 && !is_list(*n)) {
        return Some(ColumnOrder::Together { columns });
    }
    let scored = outputs.iter().enumerate().find_map(|(at, output)| match without_batch(&output.shape, 2) {
        Some(&[rows, 5]) if rows > 1 => Some((at, rows)),
        _ => None,
    });
    if let Some((boxes, rows)) = scored {
        let is_list = |output: &OutputShape| without_batch(&output.shape, 1) == Some(&[rows][..]);
        return Some(ColumnOrder::Scored { boxes, classes: outputs.iter().position(is_list)? });
    }
    let boxes = outputs.iter().position(|o| matches!(without_batch(&o.shape, 2), Some([_, 4])))?;
    let rows = without_batch(&outputs[boxes].shape, 2)?[0];
    // Their names tell them apart; without telling names, scores come first.
    let lists: Vec<usize> = (0..outputs.len())
        .filter(|&at| at != boxes && without_batch(&outputs[at].shape, 1).is_some_and(|s| s[0] == rows))
        .filter(|&at| !outputs[at].name.to_lowercase().contains("num"))
        .collect();
    let called = |words: &[&str]| {
        lists.iter().copied().find(|&at| {
            let name = outputs[at].name.to_lowercase();
            words.iter().any(|word| name.contains(word))
        })
    };
    let classes = called(&["class", "label", "cls"]);
    let scores = called(&["score", "conf", "prob"]).filter(|at| Some(*at) != classes);
    match (scores, classes, &lists[..]) {
        (Some(scores), Some(classes), _) => Some(ColumnOrder::Apart { boxes, scores, classes }),
        (Some(scores), None, &[a, b]) => {
            Some(ColumnOrder::Apart { boxes, scores, classes: if a == scores { b } else { a } })
        }
        (None, Some(classes), &[a, b]) => {
            Some(ColumnOrder::Apart { boxes, scores: if a == classes { b } else { a }, classes })
        }
        (None, None, &[scores, classes]) => Some(ColumnOrder::Apart { boxes, scores, classes }),
        _ => None,
    }
}

impl Decode for EndToEnd {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        match self.order {
            ColumnOrder::Together { columns } => {
                let [first, score, class] = self.places;
                let rows = outputs.first().map_or(&[][..], |output| output.values);
                for row in rows.chunks_exact(columns).filter(|row| row[score] >= least) {
                    self.push_detection(&row[first..first + 4], row[score], row[class], found);
                }
            }
            ColumnOrder::Scored { boxes, classes } => {
                let rows = outputs[boxes].values.chunks_exact(5).zip(outputs[classes].values);
                for (row, &class) in rows.filter(|(row, _)| row[4] >= least) {
                    self.push_detection(&row[..4], row[4], class, found);
                }
            }
            ColumnOrder::Apart { boxes, scores, classes } => {
                let rows = outputs[boxes].values.chunks_exact(4);
                let sure = outputs[scores].values.iter().zip(outputs[classes].values);
                for (numbers, (&score, &class)) in rows.zip(sure).filter(|(_, (score, _))| **score >= least) {
                    self.push_detection(numbers, score, class, found);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, input};
    use super::*;

    fn named(outputs: &[(&str, &[usize])]) -> Vec<OutputShape> {
        outputs
            .iter()
            .map(|(name, shape)| OutputShape { name: (*name).into(), shape: shape.to_vec() })
            .collect()
    }

    const PIXELS: EndToEndCard =
        EndToEndCard { corners: Corners::Xyxy, unit: BoxUnit::Pixels, first_class: 0, places: [0, 4, 5] };

    #[test]
    fn rows_of_six() {
        let whole = EndToEnd::new(&PIXELS, &input(640, 640), &named(&[("output0", &[1, 300, 6])])).unwrap();
        let mut out = Tensor::filled(&[300, 6], 0.0);
        out.set_row(&[0], &[10.0, 20.0, 30.0, 60.0, 0.9, 2.0]);
        out.set_row(&[1], &[10.0, 20.0, 30.0, 60.0, 0.9, -1.0]);
        out.set_row(&[2], &[10.0, 20.0, 30.0, 60.0, 0.9, f32::NAN]);
        assert_one(&decode(&whole, &[out], 0.5), 2, 0.9, [10.0, 20.0, 30.0, 60.0]);
    }

    #[test]
    fn rows_of_seven_begin_with_the_pictures_number() {
        let card = EndToEndCard { places: [1, 6, 5], ..PIXELS };
        let whole = EndToEnd::new(&card, &input(640, 640), &named(&[("output", &[20, 7])])).unwrap();
        let mut out = Tensor::filled(&[20, 7], 0.0);
        out.set_row(&[3], &[0.0, 10.0, 20.0, 30.0, 60.0, 2.0, 0.9]);
        assert_one(&decode(&whole, &[out], 0.5), 2, 0.9, [10.0, 20.0, 30.0, 60.0]);
        assert!(EndToEnd::new(&card, &input(640, 640), &named(&[("output", &[20, 6])])).is_err());
    }

    #[test]
    fn boxes_with_scores_and_classes_apart() {
        let shapes = named(&[("dets", &[1, 20, 5]), ("labels", &[1, 20])]);
        let whole = EndToEnd::new(&PIXELS, &input(640, 640), &shapes).unwrap();
        let mut tensors = shapes.iter().map(|s| Tensor::filled(&s.shape, 0.0)).collect::<Vec<_>>();
        tensors[0].set_row(&[0, 3], &[10.0, 20.0, 30.0, 60.0, 0.9]);
        tensors[1].set(&[0, 3], 2.0);
        assert_one(&decode(&whole, &tensors, 0.5), 2, 0.9, [10.0, 20.0, 30.0, 60.0]);
    }

    #[test]
    fn an_output_each_in_any_order() {
        let tensorflow =
            EndToEndCard { corners: Corners::Yxyx, unit: BoxUnit::Fractions, first_class: 1, ..PIXELS };
        let shapes = named(&[
            ("num_detections", &[1]),
            ("detection_classes", &[1, 20]),
            ("detection_boxes", &[1, 20, 4]),
            ("detection_scores", &[1, 20]),
        ]);
        let apart = EndToEnd::new(&tensorflow, &input(200, 100), &shapes).unwrap();
        let mut tensors: Vec<Tensor> = shapes.iter().map(|s| Tensor::filled(&s.shape, 0.0)).collect();
        tensors[1].set(&[0, 3], 18.0);
        tensors[2].set_row(&[0, 3], &[0.1, 0.2, 0.5, 0.4]);
        tensors[3].set(&[0, 3], 0.7);
        assert_one(&decode(&apart, &tensors, 0.5), 17, 0.7, [40.0, 10.0, 80.0, 50.0]);
    }

    #[test]
    fn scores_come_first_without_telling_names() {
        let shapes = named(&[("812", &[5, 4]), ("813", &[5]), ("814", &[5])]);
        let Some(ColumnOrder::Apart { boxes: 0, scores: 1, classes: 2 }) = order(&shapes) else { panic!() };
        let shapes = named(&[("labels", &[5]), ("boxes", &[5, 4]), ("x", &[5])]);
        let Some(ColumnOrder::Apart { boxes: 1, scores: 2, classes: 0 }) = order(&shapes) else { panic!() };
        let shapes = named(&[("scores", &[1, 20]), ("labels", &[1, 20]), ("boxes", &[1, 20, 4])]);
        let Some(ColumnOrder::Apart { boxes: 2, scores: 0, classes: 1 }) = order(&shapes) else { panic!() };
        assert!(order(&named(&[("boxes", &[1, 5, 4]), ("scores", &[1, 5, 80])])).is_none());
        assert!(order(&named(&[("boxes", &[1, 300, 5])])).is_none());
        let five = named(&[("boxes", &[1, 5, 4]), ("scores", &[1, 5]), ("labels", &[1, 5])]);
        let Some(ColumnOrder::Apart { boxes: 0, scores: 1, classes: 2 }) = order(&five) else { panic!() };
        let masks = named(&[("labels", &[1, 100]), ("dets", &[1, 100, 5]), ("masks", &[1, 100, 28, 28])]);
        let Some(ColumnOrder::Scored { boxes: 1, classes: 0 }) = order(&masks) else { panic!() };
    }
}
