//! Boxes and scores decoded by the network itself, before suppression: SSD as torchvision and others export it,
//! RetinaNet, RT-DETR and similar networks.

use super::{Decode, Found, as_rows, for_each_sure_class, to_pixel_box, wrong_outputs};
use crate::onnx::card::{DecodedCard, wrong_labels};
use crate::onnx::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

#[derive(Debug)]
pub(super) struct Decoded {
    card: DecodedCard,
    size: (f32, f32),
    /// Indices of the two outputs.
    boxes: usize,
    scores: usize,
    /// Length of a row of scores.
    columns: usize,
}

impl Decoded {
    pub(super) fn new(
        card: &DecodedCard,
        input: &InputShape,
        outputs: &[OutputShape],
        labels: usize,
    ) -> Result<Decoded, Fault> {
        let wanted = labels + card.background.columns();
        let wrong = || wrong_outputs("decoded", outputs, "boxes [1, n, 4] and scores [1, n, classes]");
        let DecodedOutputs { boxes, scores, columns } =
            find_columns(outputs, card.boxes).ok_or_else(wrong)?;
        if columns != wanted {
            let network = columns.saturating_sub(card.background.columns());
            return Err(wrong_labels(network, labels));
        }
        let size = (input.width as f32, input.height as f32);
        Ok(Decoded { card: *card, size, boxes, scores, columns })
    }
}

/// The outputs with the boxes and their scores, and the number of scores a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodedOutputs {
    /// Index of the output of boxes.
    pub boxes: usize,
    /// Index of the output of scores.
    pub scores: usize,
    /// Scores a box.
    pub columns: usize,
}

/// Finds boxes and scores among `outputs`. If two outputs have four columns each, `boxes` says which has the boxes.
/// Among more than two outputs the names decide; other outputs are ignored.
pub(crate) fn find_columns(outputs: &[OutputShape], boxes: usize) -> Option<DecodedOutputs> {
    let rows = |at: usize| as_rows(&outputs.get(at)?.shape);
    if let [_, _] = outputs {
        let (first, second) = (rows(0)?, rows(1)?);
        let boxes = match (first[1], second[1]) {
            (4, 4) => boxes.min(1),
            (4, _) => 0,
            (_, 4) => 1,
            _ => return None,
        };
        let columns = if boxes == 0 { second[1] } else { first[1] };
        return (first[0] == second[0]).then_some(DecodedOutputs { boxes, scores: 1 - boxes, columns });
    }
    let called = |at: usize, words: &[&str]| {
        let name = outputs[at].name.to_lowercase();
        words.iter().any(|word| name.contains(word))
    };
    let of_four: Vec<usize> = (0..outputs.len()).filter(|&at| matches!(rows(at), Some([_, 4]))).collect();
    let named: Vec<usize> = of_four.iter().copied().filter(|&at| called(at, &["box"])).collect();
    // Several outputs named so are one a level, and not decoded.
    let ((&[boxes], _) | (_, &[boxes])) = (&of_four[..], &named[..]) else { return None };
    let [count, _] = rows(boxes)?;
    let beside: Vec<usize> = (0..outputs.len())
        .filter(|&at| at != boxes && rows(at).is_some_and(|rows| rows[0] == count))
        .collect();
    let scores = match beside[..] {
        [one] => one,
        _ => beside
            .into_iter()
            .find(|&at| called(at, &["logit", "score", "conf", "prob", "class", "cls", "label"]))?,
    };
    Some(DecodedOutputs { boxes, scores, columns: rows(scores)?[1] })
}

impl Decode for Decoded {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        let DecodedCard { corners, unit, activation, background, .. } = self.card;
        let boxes = outputs[self.boxes].values.chunks_exact(4);
        for (row, scores) in boxes.zip(outputs[self.scores].values.chunks_exact(self.columns)) {
            for_each_sure_class(scores, activation, background, least, |class, score| {
                let numbers = [row[0], row[1], row[2], row[3]];
                found(class, score, to_pixel_box(numbers, corners, unit, self.size));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, input, of_shapes};
    use super::*;
    use crate::onnx::card::{Activation, BoxUnit, Corners, wrong_labels};

    fn card(activation: Activation, background: bool) -> DecodedCard {
        let background = background.into();
        DecodedCard { corners: Corners::Yxyx, unit: BoxUnit::Fractions, activation, background, boxes: 0 }
    }

    #[test]
    fn scores_beside_boxes_in_either_order() {
        for turned in [false, true] {
            let mut shapes: Vec<&[usize]> = vec![&[1, 10, 4], &[1, 10, 3]];
            let mut boxes = Tensor::filled(&[10, 4], 0.0);
            boxes.set_row(&[4], &[0.25, 0.1, 0.5, 0.3]);
            let mut scores = Tensor::filled(&[10, 3], 0.0);
            scores.set(&[4, 1], 0.6);
            let mut tensors = [boxes, scores];
            if turned {
                shapes.reverse();
                tensors.reverse();
            }
            let decoded =
                Decoded::new(&card(Activation::None, false), &input(100, 200), &of_shapes(&shapes), 3)
                    .unwrap();
            assert_one(&decode(&decoded, &tensors, 0.5), 1, 0.6, [10.0, 50.0, 30.0, 100.0]);
        }
    }

    #[test]
    fn a_background_is_not_a_class() {
        let shapes = of_shapes(&[&[1, 2, 4], &[1, 2, 3]]);
        let decoded = Decoded::new(&card(Activation::Softmax, true), &input(100, 100), &shapes, 2).unwrap();
        let boxes = Tensor::filled(&[2, 4], 0.5);
        let mut scores = Tensor::filled(&[2, 3], 0.0);
        scores.set_row(&[0], &[9.0, 0.0, 0.0]);
        scores.set_row(&[1], &[0.0, 0.0, 9.0]);
        let found = decode(&decoded, &[boxes, scores], 0.3);
        assert_eq!((found.len(), found[0].0), (1, 1));
    }

    #[test]
    fn the_description_names_the_boxes_of_two_outputs_with_four_columns() {
        let card = DecodedCard { boxes: 1, ..card(Activation::None, false) };
        let decoded =
            Decoded::new(&card, &input(100, 100), &of_shapes(&[&[1, 2, 4], &[1, 2, 4]]), 4).unwrap();
        let mut scores = Tensor::filled(&[2, 4], 0.0);
        scores.set(&[1, 3], 0.9);
        let mut boxes = Tensor::filled(&[2, 4], 0.0);
        boxes.set_row(&[1], &[0.1, 0.2, 0.5, 0.6]);
        assert_one(&decode(&decoded, &[scores, boxes], 0.5), 3, 0.9, [20.0, 10.0, 60.0, 50.0]);
    }

    #[test]
    fn other_outputs_are_ignored() {
        let of = |named: &[(&str, &[usize])]| -> Option<DecodedOutputs> {
            let outputs: Vec<OutputShape> = named
                .iter()
                .map(|(name, shape)| OutputShape { name: (*name).into(), shape: shape.to_vec() })
                .collect();
            find_columns(&outputs, 0)
        };
        let hidden: (&str, &[usize]) = ("last_hidden_state", &[1, 100, 256]);
        assert_eq!(
            of(&[hidden, ("logits", &[1, 100, 92]), ("pred_boxes", &[1, 100, 4])]),
            Some(DecodedOutputs { boxes: 2, scores: 1, columns: 92 })
        );
        assert_eq!(of(&[hidden, ("1", &[1, 100, 92]), ("2", &[1, 100, 4])]), None);
        let four_apart: (&str, &[usize]) = ("boxes", &[1, 100, 1, 4]);
        assert_eq!(of(&[four_apart, ("confs", &[1, 100, 80])]).map(|places| places.columns), Some(80));
        let four: (&str, &[usize]) = ("logits", &[1, 100, 4]);
        let boxes = of(&[hidden, four, ("pred_boxes", &[1, 100, 4])]).map(|places| places.boxes);
        assert_eq!(boxes, Some(2));
        let levels: [(&str, &[usize]); 4] = [
            ("cls_8", &[1, 64, 1]),
            ("cls_16", &[1, 16, 1]),
            ("bbox_8", &[1, 64, 4]),
            ("bbox_16", &[1, 16, 4]),
        ];
        assert_eq!(of(&levels), None);
        assert_eq!(of(&[("boxes", &[1, 0, 4]), ("scores", &[1, 0, 80])]), None);
    }

    #[test]
    fn counts_of_labels_and_rows_must_agree() {
        let new = |shapes: &[&[usize]], labels| {
            Decoded::new(&card(Activation::None, false), &input(300, 300), &of_shapes(shapes), labels)
                .unwrap_err()
        };
        assert_eq!(new(&[&[1, 10, 4], &[1, 10, 90]], 80), wrong_labels(90, 80));
        assert!(new(&[&[1, 10, 4], &[1, 11, 80]], 80).to_string().starts_with("the outputs "));
        assert!(new(&[&[1, 10, 4]], 80).to_string().starts_with("the outputs "));
    }
}
