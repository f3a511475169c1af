//! SSD (Liu et al., "SSD: Single Shot MultiBox Detector", 2016) with raw heads. Every cell of several levels has a
//! few anchors, boxes of known size. The network gives the offset of an object's box from each anchor, and its class
//! scores.

use super::{Decode, Found, cells, for_each_sure_class, logit, sigmoid, without_batch, wrong_outputs};
use crate::onnx::card::{Activation, SsdCard, wrong_labels};
use crate::onnx::network::{InputShape, Output, OutputShape};
use tallycam_base::Fault;

#[derive(Debug)]
pub(super) struct Ssd {
    levels: Vec<SsdLevel>,
    /// Outputs are maps, as convolutions give them, rather than rows.
    maps: bool,
    card: SsdCard,
    /// Scores of an anchor, including the background.
    classes: usize,
    size: (f32, f32),
}

#[derive(Debug)]
struct SsdLevel {
    columns: usize,
    rows: usize,
    /// Width and height in pixels.
    anchors: Vec<[f32; 2]>,
}

impl Ssd {
    pub(super) fn new(
        card: &SsdCard,
        input: &InputShape,
        outputs: &[OutputShape],
        labels: usize,
    ) -> Result<Ssd, Fault> {
        let classes = labels + usize::from(card.background);
        let wrong = || {
            let levels = card.anchors.len();
            wrong_outputs("ssd", outputs, format!("boxes and scores, a pair for each of its {levels} levels"))
        };
        let maps = outputs.len() == 2 * card.anchors.len()
            && outputs.iter().all(|output| output.shape.len() == 4 && output.shape[0] == 1);
        let mut levels = Vec::new();
        if maps {
            for (anchors, pair) in card.anchors.iter().zip(outputs.chunks_exact(2)) {
                let (boxes, scores) = (&pair[0].shape, &pair[1].shape);
                if anchors.is_empty() || boxes[1] != 4 * anchors.len() || boxes[2..] != scores[2..] {
                    return Err(wrong());
                }
                if scores[1] != classes * anchors.len() {
                    let network = (scores[1] / anchors.len()).saturating_sub(usize::from(card.background));
                    return Err(wrong_labels(network, labels));
                }
                levels.push(SsdLevel { columns: boxes[3], rows: boxes[2], anchors: anchors.clone() });
            }
        } else {
            if card.strides.len() != card.anchors.len() {
                return Err(wrong());
            }
            for (anchors, &stride) in card.anchors.iter().zip(&card.strides) {
                let (columns, rows) = cells(input, stride);
                levels.push(SsdLevel { columns, rows, anchors: anchors.clone() });
            }
            let all: usize = levels.iter().map(|l| l.columns * l.rows * l.anchors.len()).sum();
            let [boxes, scores] = outputs else { return Err(wrong()) };
            if without_batch(&boxes.shape, 2) != Some(&[all, 4]) {
                return Err(wrong());
            }
            match without_batch(&scores.shape, 2) {
                Some(&[n, columns]) if n == all && columns == classes => {}
                Some(&[n, columns]) if n == all => {
                    let network = columns.saturating_sub(usize::from(card.background));
                    return Err(wrong_labels(network, labels));
                }
                _ => return Err(wrong()),
            }
        }
        let size = (input.width as f32, input.height as f32);
        Ok(Ssd { levels, maps, card: card.clone(), classes, size })
    }

    /// The box with these offsets from an anchor of a cell.
    fn bounds(&self, level: &SsdLevel, anchor: [f32; 2], cell: usize, offsets: [f32; 4]) -> [f32; 4] {
        let [place, shape] = self.card.scales;
        let [x, y, width, height] = match offsets {
            [y, x, height, width] if self.card.y_first => [x, y, width, height],
            other => other,
        };
        let (column, row) = (cell % level.columns, cell / level.columns);
        let x = (column as f32 + 0.5) / level.columns as f32 * self.size.0 + x / place * anchor[0];
        let y = (row as f32 + 0.5) / level.rows as f32 * self.size.1 + y / place * anchor[1];
        let width = (width / shape).exp() * anchor[0] / 2.0;
        let height = (height / shape).exp() * anchor[1] / 2.0;
        [x - width, y - height, x + width, y + height]
    }

    fn decode_map(&self, level: &SsdLevel, boxes: &[f32], scores: &[f32], least: f32, found: &mut Found<'_>) {
        let cells = level.columns * level.rows;
        let skipped = usize::from(self.card.background);
        let is_logit = self.card.activation == Activation::Sigmoid;
        let bar = if is_logit { logit(least) } else { least };
        let each = boxes.chunks_exact(4 * cells).zip(scores.chunks_exact(self.classes * cells));
        for (&anchor, (boxes, scores)) in level.anchors.iter().zip(each) {
            let offsets = |cell: usize| [0, 1, 2, 3].map(|number| boxes[number * cells + cell]);
            if self.card.activation == Activation::Softmax {
                self.decode_softmax_map(scores, cells, least, &mut |class, score, cell| {
                    found(class, score, self.bounds(level, anchor, cell, offsets(cell)));
                });
                continue;
            }
            // Class by class, in memory order.
            for (class, values) in scores.chunks_exact(cells).skip(skipped).enumerate() {
                for (cell, &value) in values.iter().enumerate() {
                    if value >= bar {
                        let score = if is_logit { sigmoid(value) } else { value };
                        found(class as u16, score, self.bounds(level, anchor, cell, offsets(cell)));
                    }
                }
            }
        }
    }

    /// A softmax spans the classes of a cell, which are apart in a map.
    fn decode_softmax_map(
        &self,
        scores: &[f32],
        cells: usize,
        least: f32,
        take: &mut dyn FnMut(u16, f32, usize),
    ) {
        for cell in 0..cells {
            let values = || scores[cell..].iter().step_by(cells).copied();
            let most = values().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = values().map(|value| (value - most).exp()).sum();
            for (class, value) in values().skip(usize::from(self.card.background)).enumerate() {
                let score = (value - most).exp() / sum;
                if score >= least {
                    take(class as u16, score, cell);
                }
            }
        }
    }
}

impl Decode for Ssd {
    fn decode(&self, outputs: &[Output<'_>], least: f32, found: &mut Found<'_>) {
        if self.maps {
            for (level, pair) in self.levels.iter().zip(outputs.chunks_exact(2)) {
                self.decode_map(level, pair[0].values, pair[1].values, least, found);
            }
            return;
        }
        let [boxes, scores] = outputs else { return };
        let mut rows = boxes.values.chunks_exact(4).zip(scores.values.chunks_exact(self.classes));
        for level in &self.levels {
            for cell in 0..level.columns * level.rows {
                for (&anchor, (offsets, scores)) in level.anchors.iter().zip(rows.by_ref()) {
                    let offsets = [offsets[0], offsets[1], offsets[2], offsets[3]];
                    let take = |class, score| {
                        found(class, score, self.bounds(level, anchor, cell, offsets));
                    };
                    for_each_sure_class(
                        scores,
                        self.card.activation,
                        self.card.background.into(),
                        least,
                        take,
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tensor, assert_one, decode, input, of_shapes};
    use super::*;

    fn card(activation: Activation, background: bool) -> SsdCard {
        SsdCard {
            anchors: vec![vec![[20.0, 20.0], [10.0, 40.0]], vec![[60.0, 60.0]]],
            strides: vec![32, 64],
            scales: [10.0, 5.0],
            y_first: true,
            activation,
            background,
        }
    }

    /// 4 × 2 cells with two anchors, 2 × 1 with one.
    const MAPS: [&[usize]; 4] = [&[1, 8, 2, 4], &[1, 6, 2, 4], &[1, 4, 1, 2], &[1, 3, 1, 2]];

    #[test]
    fn maps_as_the_convolutions_give_them() {
        let ssd = Ssd::new(&card(Activation::Sigmoid, false), &input(128, 64), &of_shapes(&MAPS), 3).unwrap();
        let mut tensors = MAPS.map(|shape| Tensor::filled(shape, 0.0));
        for at in [1, 3] {
            tensors[at].values.fill(-9.0);
        }
        // The second anchor (10 × 40) of the cell in column 2, row 1, whose middle is at (80, 48).
        tensors[1].set(&[0, 3 + 2, 1, 2], 0.0);
        for (number, value) in [5.0, -2.0, 0.0, 5.0 * 2f32.ln()].into_iter().enumerate() {
            tensors[0].set(&[0, 4 + number, 1, 2], value);
        }
        let found = decode(&ssd, &tensors, 0.4);
        assert_one(&found, 2, 0.5, [68.0, 48.0, 88.0, 88.0]);
    }

    #[test]
    fn rows_level_after_level() {
        let shapes = of_shapes(&[&[1, 18, 4], &[1, 18, 3]]);
        let ssd = Ssd::new(&card(Activation::Sigmoid, false), &input(128, 64), &shapes, 3).unwrap();
        let mut boxes = Tensor::filled(&[18, 4], 0.0);
        let mut scores = Tensor::filled(&[18, 3], -9.0);
        let row = (4 + 2) * 2 + 1;
        boxes.set_row(&[row], &[5.0, -2.0, 0.0, 5.0 * 2f32.ln()]);
        scores.set(&[row, 2], 0.0);
        assert_one(&decode(&ssd, &[boxes.clone(), scores.clone()], 0.4), 2, 0.5, [68.0, 48.0, 88.0, 88.0]);
        scores.set(&[row, 2], -9.0);
        scores.set(&[17, 0], 9.0);
        assert_one(&decode(&ssd, &[boxes, scores], 0.4), 0, 0.99988, [66.0, 2.0, 126.0, 62.0]);
    }

    #[test]
    fn a_softmax_with_background_in_maps_and_rows() {
        let card = card(Activation::Softmax, true);
        let ssd = Ssd::new(&card, &input(128, 64), &of_shapes(&MAPS), 2).unwrap();
        let mut tensors = MAPS.map(|shape| Tensor::filled(shape, 0.0));
        // The background is sure everywhere but in one cell of the second level.
        for (at, anchors) in [(1, 2), (3, 1)] {
            for anchor in 0..anchors {
                let cells = tensors[at].shape[2] * tensors[at].shape[3];
                tensors[at].values[anchor * 3 * cells..][..cells].fill(9.0);
            }
        }
        tensors[3].set(&[0, 0, 0, 1], 0.0);
        tensors[3].set(&[0, 2, 0, 1], 9.0);
        assert_one(&decode(&ssd, &tensors, 0.4), 1, 0.99975, [66.0, 2.0, 126.0, 62.0]);
    }

    #[test]
    fn shapes_must_fit_anchors_and_labels() {
        let card = card(Activation::Sigmoid, false);
        let new = |shapes: &[&[usize]], labels| {
            Ssd::new(&card, &input(128, 64), &of_shapes(shapes), labels).unwrap_err()
        };
        assert_eq!(new(&MAPS, 4), wrong_labels(3, 4));
        assert_eq!(new(&[&[1, 18, 4], &[1, 18, 3]], 2), wrong_labels(3, 2));
        assert!(new(&MAPS[..2], 3).to_string().starts_with("the outputs "));
        assert!(new(&[&[1, 17, 4], &[1, 17, 3]], 3).to_string().starts_with("the outputs "));
    }
}
