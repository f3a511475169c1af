//! Turns a network's numbers into boxes; each family has its own file.
//!
//! A decoder is made once for a network and checks that the outputs have the expected shapes. Decoding itself cannot
//! fail and allocates nothing. It skips unsure numbers before computing anything from them: of thousands of cells a
//! dozen matter.

mod decode;
mod decoded;
mod distribution;
mod end_to_end;
mod ssd;
mod yolo;
mod yolox;

pub(crate) use decode::{Decode, all_cells, as_rows, format_shapes, wrong_outputs};
pub use decode::{Found, cells};
pub(in crate::onnx::families) use decode::{
    best_score, for_each_sure_class, logit, sigmoid, to_pixel_box, without_batch,
};
pub(crate) use decoded::find_columns;

use super::card::Family;
use super::network::{InputShape, OutputShape};
use tallycam_base::Fault;

/// The decoder of a family, for a network with this input, these outputs and `labels` classes.
///
/// # Errors
/// The outputs are not the family's, or are for another number of classes.
pub(crate) fn decoder(
    family: &Family,
    input: &InputShape,
    outputs: &[OutputShape],
    labels: usize,
) -> Result<Box<dyn Decode>, Fault> {
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

/// Helpers for the tests of the families.
#[cfg(test)]
pub(super) mod tests {
    use super::super::card::{Activation, BackgroundColumn};
    use super::super::network::{Output, TensorLayout};
    use super::*;

    pub fn input(width: u32, height: u32) -> InputShape {
        InputShape { name: "image".into(), width, height, layout: TensorLayout::Nchw }
    }

    pub(crate) fn of_shapes(shapes: &[&[usize]]) -> Vec<OutputShape> {
        let named =
            |(at, shape): (usize, &&[usize])| OutputShape { name: format!("out{at}"), shape: shape.to_vec() };
        shapes.iter().enumerate().map(named).collect()
    }

    /// A tensor made by hand: zeros with some values set.
    #[derive(Debug, Clone)]
    pub(crate) struct Tensor {
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

        pub(crate) fn set_row(&mut self, at: &[usize], values: &[f32]) {
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

    pub(crate) fn assert_one(found: &[(u16, f32, [f32; 4])], class: u16, score: f32, bounds: [f32; 4]) {
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
            for_each_sure_class(&row, Activation::Softmax, background.into(), least, |class, score| {
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
        for_each_sure_class(&row, Activation::Softmax, BackgroundColumn::Last, 0.3, |class, score| {
            last.push((class, score))
        });
        let [(1, score)] = last[..] else { panic!("{last:?}") };
        assert!((score - 0.375).abs() < 1e-6);
    }

    #[test]
    fn a_nan_is_no_score() {
        for activation in [Activation::None, Activation::Sigmoid, Activation::Softmax] {
            for_each_sure_class(&[f32::NAN; 3], activation, BackgroundColumn::None, 0.1, |_, _| {
                panic!("{activation:?}")
            });
        }
        assert_eq!(best_score(&[f32::NAN, 0.2, f32::NAN, 0.3]), Some((3, 0.3)));
        assert_eq!(best_score(&[f32::NAN]), None);
    }
}
