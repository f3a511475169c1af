//! ONNX's GridSample, which the engine does not have: a picture read at places that another tensor names, as the
//! deformable attention of RT-DETR does. Only this file, `surgery`, `blocks`, `volume` and `network` name `tract`.
//!
//! Between four numbers by their distances; what is outside the picture is 0.

use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb;
use tract_onnx::tract_hir::internal::*;

/// A map and places in it, both of one batch: [n, c, h, w] and [n, rows, columns, 2] give [n, c, rows, columns].
#[derive(Debug, Clone, Hash)]
struct GridSample {
    /// Whether −1 and 1 are the middles of the outermost numbers, rather than their outer edges.
    is_aligned: bool,
}

/// Makes it known to the engine.
pub fn register_grid_sample(operators: &mut OnnxOpRegister) {
    operators.insert("GridSample", read);
}

/// What of a GridSample is not supported, if something is.
pub fn unsupported_attribute(node: &pb::NodeProto) -> Option<String> {
    let word = |name: &str| node.attribute.iter().find(|own| own.name == name).map(|own| own.s.as_slice());
    let is_known = |name, known: &[&[u8]]| word(name).is_none_or(|word| known.contains(&word));
    let plain =
        is_known("mode", &[&b"bilinear"[..], b"linear"]) && is_known("padding_mode", &[&b"zeros"[..]]);
    let words: Vec<_> =
        ["mode", "padding_mode"].into_iter().filter_map(word).map(String::from_utf8_lossy).collect();
    (!plain).then(|| format!("GridSample ({})", words.join(", ")))
}

fn read(
    _context: &ParsingContext<'_>,
    node: &pb::NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let is_aligned = node.attribute.iter().any(|own| own.name == "align_corners" && own.i != 0);
    Ok((expand(GridSample { is_aligned }), Vec::new()))
}

impl Expansion for GridSample {
    fn name(&self) -> StaticName {
        "GridSample".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 2)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[1].datum_type, f32::datum_type())?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        for tensor in [&inputs[0], &inputs[1], &outputs[0]] {
            solver.equals(&tensor.rank, 4)?;
        }
        solver.equals(&inputs[1].shape[3], TDim::from(2_i64))?;
        solver.equals(&inputs[1].shape[0], &inputs[0].shape[0])?;
        for axis in 0..2 {
            solver.equals(&outputs[0].shape[axis], &inputs[0].shape[axis])?;
            solver.equals(&outputs[0].shape[2 + axis], &inputs[1].shape[1 + axis])?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for GridSample {
    fn name(&self) -> StaticName {
        "GridSample".into()
    }

    op_as_typed_op!();
}

impl EvalOp for GridSample {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (map, places) = args_2!(inputs);
        let (&[batch, channels, height, width], &[as_many, rows, columns, 2]) = (map.shape(), places.shape())
        else {
            bail!("GridSample of {:?} at {:?}", map.shape(), places.shape());
        };
        ensure!(batch == as_many, "GridSample of {batch} maps at places for {as_many}");
        let mut output = Tensor::zero::<f32>(&[batch, channels, rows, columns])?;
        let (numbers, places) = (map.as_slice::<f32>()?, places.as_slice::<f32>()?);
        let results = output.as_slice_mut::<f32>()?;
        let (plane, count) = (height * width, rows * columns);
        for (picture, places) in places.chunks_exact((2 * count).max(1)).enumerate() {
            for (at, place) in places.chunks_exact(2).enumerate() {
                for (offset, weight) in self.neighbours(place[0], place[1], width, height) {
                    for channel in picture * channels..(picture + 1) * channels {
                        results[channel * count + at] += weight * numbers[channel * plane + offset];
                    }
                }
            }
        }
        Ok(tvec!(output.into_tvalue()))
    }
}

impl GridSample {
    /// Where the numbers around a place are in their plane, and their weights.
    fn neighbours(&self, x: f32, y: f32, width: usize, height: usize) -> impl Iterator<Item = (usize, f32)> {
        let along = |share: f32, length: usize| {
            let length = length as f32;
            let place = if self.is_aligned {
                (share + 1.0) / 2.0 * (length - 1.0)
            } else {
                ((share + 1.0) * length - 1.0) / 2.0
            };
            // What is no number is nowhere.
            (place > -1.0 && place < length).then(|| (place.floor(), place - place.floor()))
        };
        let corner = move |(at, part): (f32, f32), further: usize, length: usize| {
            let at = at as isize + further as isize;
            let weight = if further == 0 { 1.0 - part } else { part };
            usize::try_from(at).ok().filter(|at| *at < length).map(|at| (at, weight))
        };
        let place = along(x, width).zip(along(y, height));
        place.into_iter().flat_map(move |(x, y)| {
            (0..4).filter_map(move |which| {
                let (column, across) = corner(x, which % 2, width)?;
                let (row, down) = corner(y, which / 2, height)?;
                Some((row * width + column, across * down))
            })
        })
    }
}

impl TypedOp for GridSample {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let [map, places] = inputs else { bail!("GridSample takes two inputs") };
        ensure!(map.rank() == 4 && places.rank() == 4, "GridSample takes a map and places of four axes");
        let shape = [&map.shape[0], &map.shape[1], &places.shape[1], &places.shape[2]];
        Ok(tvec!(f32::fact(shape.map(Clone::clone))))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(is_aligned: bool, places: &[f32]) -> Vec<f32> {
        let map = Tensor::from_shape(&[1, 1, 2, 2], &[1.0_f32, 2.0, 3.0, 4.0]).unwrap();
        let places = Tensor::from_shape(&[1, 1, places.len() / 2, 2], places).unwrap();
        let out = GridSample { is_aligned }.eval(tvec!(map.into_tvalue(), places.into_tvalue())).unwrap();
        out[0].as_slice::<f32>().unwrap().to_vec()
    }

    #[test]
    fn as_pytorch_does() {
        // torch.nn.functional.grid_sample of [[1, 2], [3, 4]].
        let places = [0.0, 0.0, -1.0, -1.0, 1.0, -1.0, 0.5, 0.5, -1.25, 0.0];
        assert_eq!(sampled(true, &places), [2.5, 1.0, 2.0, 3.25, 1.75]);
        assert_eq!(sampled(false, &places), [2.5, 0.25, 0.5, 4.0, 0.5]);
        assert_eq!(sampled(false, &[f32::NAN, 0.0, f32::INFINITY, 0.0, 9.0, 9.0, -9e30, 0.0]), [0.0; 4]);
    }
}
