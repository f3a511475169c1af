//! What is changed in a network before the engine makes it ready: our own kernels put in, products of
//! matrices made flat. Only this file, `blocks` and `network` name `tract`.
//!
//! Everything here replaces something by what computes the same, but for the last bits of a sum. What is
//! not recognised with certainty is left as it is, so a network of another kind is slower, never wrong.

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core;
use tract_onnx::tract_core::internal::{
    Axis, AxisOp, EvalOp, InOut, Op, ShapeFact, StaticName, TypedModelPatch, TypedOp, Validation, as_op,
    op_as_typed_op,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::math::{Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Sigmoid};

use super::error::NetworkError;
use crate::vision::onnx::kernels::dense::Dense;
use crate::vision::onnx::kernels::depthwise::Depthwise;
use crate::vision::onnx::kernels::kernel::{Kernel, MaxPool, Repeat};
use crate::vision::onnx::kernels::layout::{ConvGeometry, Limits};
use crate::vision::onnx::kernels::silu::Silu;

/// The most products to one output of a dense convolution that our own kernel computes faster than the
/// engine.
const MOST_TAPS: usize = 128;

/// The least pixels of a picture that our own dense convolution makes.
const LEAST_PIXELS: usize = 1 << 12;

/// One of our own kernels as an operator of the engine.
#[derive(Debug, Clone)]
struct KernelOperator {
    kernel: Arc<dyn Kernel>,
    shape: TVec<usize>,
}

impl Op for KernelOperator {
    fn name(&self) -> StaticName {
        self.kernel.name().into()
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for KernelOperator {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs.first().ok_or_else(|| TractError::msg("a kernel of nothing"))?;
        let input = input.as_slice::<f32>()?;
        let mut output = Tensor::zero::<f32>(&self.shape)?;
        let channels = output.as_slice_mut::<f32>()?;
        let kernel = &*self.kernel;
        match multithread::current_tract_executor() {
            multithread::Executor::SingleThread => kernel.run(0, input, channels),
            multithread::Executor::MultiThread(pool) => {
                let count = channels.len().div_ceil(kernel.channel_len());
                let each =
                    count.div_ceil(pool.current_num_threads()).next_multiple_of(kernel.channels_at_once());
                pool.scope(|scope| {
                    for (at, part) in channels.chunks_mut(each * kernel.channel_len()).enumerate() {
                        scope.spawn(move |_| kernel.run(at * each, input, part));
                    }
                });
            }
        }
        Ok(tvec!(output.into()))
    }
}

impl TypedOp for KernelOperator {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}

/// Replaces by our own kernels what they compute faster. `repeats` names the enlargements that are
/// repetitions.
pub fn replace_with_kernels(model: &mut TypedModel, repeats: &[String]) -> TractResult<()> {
    for node in 0..model.nodes.len() {
        let patch = match replace_with_convolution(model, node)? {
            Some(patch) => Some(patch),
            None => match replace_with_silu(model, node)? {
                Some(patch) => Some(patch),
                None => replace_with_kernel(model, node, repeats)?,
            },
        };
        if let Some(patch) = patch {
            patch.apply(model)?;
        }
    }
    model.compact()
}

/// Rows and columns of a picture that goes in and of the one that comes out, if both are of floats and
/// their sizes are known; also if they have not the same number of channels.
fn plane_sizes(
    model: &TypedModel,
    input: OutletId,
    output: &TypedFact,
) -> TractResult<Option<([usize; 2], [usize; 2])>> {
    let input = model.outlet_fact(input)?;
    let (Some(from), Some(to)) = (input.shape.as_concrete(), output.shape.as_concrete()) else {
        return Ok(None);
    };
    let floats = input.datum_type == f32::datum_type() && output.datum_type == f32::datum_type();
    let (Some((above, &before)), Some((above_too, &after))) =
        (from.split_last_chunk(), to.split_last_chunk())
    else {
        return Ok(None);
    };
    let one = matches!((above, above_too), ([_], [_]) | ([1, _], [1, _]));
    Ok((floats && one).then_some((before, after)))
}

/// A number times its own logistic becomes one step.
fn replace_with_silu(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    let Some(TypedBinOp(operator, None)) = node.op_as::<TypedBinOp>() else { return Ok(None) };
    let ([first, second], true) = (&node.inputs[..], operator.is::<Mul>()) else { return Ok(None) };
    for (value, logistic) in [(first, second), (second, first)] {
        let logistic = model.node(logistic.node);
        let is = logistic.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Sigmoid>());
        let fact = model.outlet_fact(*value)?;
        let is_of_value = is && logistic.inputs[0] == *value && fact.datum_type == f32::datum_type();
        if is_of_value && fact.shape.as_concrete().is_some() && sole_successor(model, logistic)?.is_some() {
            return replace_operators(model, *value, node, Arc::new(Silu)).map(Some);
        }
    }
    Ok(None)
}

fn replace_with_kernel(
    model: &TypedModel,
    node: usize,
    repeats: &[String],
) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    if node.inputs.is_empty() || node.outputs.is_empty() {
        return Ok(None);
    }
    let Some((input, output)) = plane_sizes(model, node.inputs[0], &node.outputs[0].fact)? else {
        return Ok(None);
    };
    if node.outputs.len() != 1 {
        return Ok(None);
    }
    let kernel: Arc<dyn Kernel> = if let Some(pool) = node.op_as::<tract_core::ops::cnn::MaxPool>() {
        let pool = &pool.pool_spec;
        let chw = matches!(pool.data_format, DataFormat::NCHW | DataFormat::CHW);
        let single_steps = pool.strides().iter().chain(pool.dilations().iter()).all(|&step| step == 1);
        if !chw || !single_steps || pool.rank() != 2 {
            return Ok(None);
        }
        let window = [pool.kernel_shape[0], pool.kernel_shape[1]];
        let padding = pool.computed_padding(&input);
        let before = [padding[0].pad_before, padding[1].pad_before];
        // Every window must reach into the picture.
        if (0..2).any(|axis| before[axis] >= window[axis] || output[axis] > input[axis] + before[axis]) {
            return Ok(None);
        }
        Arc::new(MaxPool { input, output, window, before })
    } else if node.op.name() == "Resize" && repeats.contains(&node.name) {
        let factor = [output[0] / input[0], output[1] / input[1]];
        if (0..2).any(|axis| factor[axis] == 0 || factor[axis] * input[axis] != output[axis]) {
            return Ok(None);
        }
        Arc::new(Repeat { input, factor })
    } else {
        return Ok(None);
    };
    replace_operators(model, node.inputs[0], node, kernel).map(Some)
}

/// Takes the empty names from the end of what an operator takes. To ONNX they say the same as nothing; the engine counts
/// them, and misses an input. PyTorch writes one for the value of a Pad.
pub fn drop_absent_inputs(graph: &mut pb::GraphProto) {
    for node in &mut graph.node {
        let present = node.input.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        node.input.truncate(present);
    }
}

/// Writes enlargements in the ways that the engine knows, where these are the same.
///
/// # Errors
/// There is one that it does not know.
pub fn plain_resizes(graph: &mut pb::GraphProto) -> Result<(), NetworkError> {
    let mut names = Vec::new();
    for node in graph.node.iter_mut().filter(|node| node.op_type == "Resize") {
        let says = |name: &str| {
            let attribute = node.attribute.iter().find(|attribute| attribute.name == name);
            attribute.map_or_else(String::new, |a| String::from_utf8_lossy(&a.s).into_owned())
        };
        let mode = says("mode");
        let place = says("coordinate_transformation_mode");
        let plain = match &*place {
            // Another for a picture of one pixel only, and where sizes are no multiples.
            "pytorch_half_pixel" | "half_pixel_symmetric" => "half_pixel",
            // Half a pixel further, which counts for nothing where it is cut off.
            "tf_half_pixel_for_nn" if says("nearest_mode") == "floor" => "asymmetric",
            "tf_half_pixel_for_nn" | "tf_crop_and_resize" => {
                names.push(format!("Resize ({place})"));
                continue;
            }
            _ => "",
        };
        if mode == "cubic" {
            names.push(String::from("Resize (cubic)"));
        }
        if let Some(own) = node.attribute.iter_mut().find(|a| a.name == "coordinate_transformation_mode")
            && !plain.is_empty()
        {
            own.s = plain.as_bytes().to_vec();
        }
    }
    names.sort();
    names.dedup();
    if names.is_empty() { Ok(()) } else { Err(NetworkError::UnknownOperators { names }) }
}

/// The names of the enlargements that repeat numbers, if their factors are whole: the nearest one of the
/// smaller picture, found in one of the two ways in which it is the same one for a whole block.
pub fn integer_resizes(graph: &pb::GraphProto) -> Vec<String> {
    let says = |node: &pb::NodeProto, name: &str, default: &str| {
        let attribute = node.attribute.iter().find(|attribute| attribute.name == name);
        attribute.map_or_else(|| default.to_owned(), |a| String::from_utf8_lossy(&a.s).into_owned())
    };
    let resizes = graph.node.iter().filter(|node| node.op_type == "Resize");
    resizes
        .filter(|node| says(node, "mode", "nearest") == "nearest")
        .filter(|node| {
            let place = says(node, "coordinate_transformation_mode", "half_pixel");
            let nearest = says(node, "nearest_mode", "round_prefer_floor");
            matches!((&*place, &*nearest), ("asymmetric", "floor") | ("half_pixel", "round_prefer_floor"))
        })
        .filter_map(|node| if node.name.is_empty() { node.output.first() } else { Some(&node.name) })
        .cloned()
        .collect()
}

/// A convolution of floats of one picture in the order channel, row, column, with its weights.
pub struct Convolution {
    pub geometry: ConvGeometry,
    /// In the order channel that comes out, channel that goes in, row, column.
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    /// Channels that go in, and how many groups they form.
    pub channels: usize,
    pub groups: usize,
}

impl Convolution {
    pub fn from_node(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Convolution>> {
        let Some(conv) = node.op_as::<Conv>() else { return Ok(None) };
        let pool = &conv.pool_spec;
        let chw = matches!(pool.data_format, DataFormat::NCHW | DataFormat::CHW);
        if !chw || pool.rank() != 2 || conv.q_params.is_some() || conv.kernel_fmt != KernelFormat::OIHW {
            return Ok(None);
        }
        let sizes = plane_sizes(model, node.inputs[0], &node.outputs[0].fact)?;
        let (Some((input, output)), Some(weights), Some(mut bias)) =
            (sizes, constant_values(model, node.inputs[1])?, constant_values(model, node.inputs[2])?)
        else {
            return Ok(None);
        };
        if let [one] = bias[..] {
            bias = vec![one; pool.output_channels];
        }
        let padding = pool.computed_padding(&input);
        let geometry = ConvGeometry {
            input,
            output,
            kernel: [pool.kernel_shape[0], pool.kernel_shape[1]],
            stride: [pool.stride(0), pool.stride(1)],
            dilation: [pool.dilation(0), pool.dilation(1)],
            before: [padding[0].pad_before, padding[1].pad_before],
        };
        let (channels, groups) = (pool.input_channels, conv.group);
        Ok((bias.len() == pool.output_channels).then_some(Convolution {
            geometry,
            weights,
            bias,
            channels,
            groups,
        }))
    }
}

/// The numbers of a constant.
pub fn constant_values(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Vec<f32>>> {
    let Some(tensor) = &model.outlet_fact(outlet)?.konst else { return Ok(None) };
    Ok(tensor.as_slice::<f32>().ok().map(<[f32]>::to_vec))
}

fn replace_with_convolution(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    let Some(convolution) = Convolution::from_node(model, node)? else { return Ok(None) };
    let Convolution { geometry, weights, bias, channels, groups } = convolution;
    let (last, limits) = following_limits(model, node)?;
    let kernel: Arc<dyn Kernel> = if groups > 1 && groups == channels && channels == bias.len() {
        match Depthwise::new(geometry, weights, bias, limits) {
            Some(depthwise) => Arc::new(depthwise),
            None => return Ok(None),
        }
    } else if groups == 1 && weights.len() <= MOST_TAPS * bias.len() && geometry.kernel != [1, 1] {
        match Dense::new(geometry, &weights, bias, limits) {
            Some(dense) if geometry.output[0] * geometry.output[1] >= LEAST_PIXELS => Arc::new(dense),
            _ => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    replace_operators(model, node.inputs[0], last, kernel).map(Some)
}

/// Puts `kernel` between `source` and all that takes what `last` gives.
fn replace_operators(
    model: &TypedModel,
    source: OutletId,
    last: &TypedNode,
    kernel: Arc<dyn Kernel>,
) -> TractResult<TypedModelPatch> {
    let shape = last.outputs[0].fact.shape.as_concrete().unwrap_or_default().into();
    let mut patch = TypedModelPatch::new(kernel.name());
    let input = patch.tap_model(model, source)?;
    let output = patch.wire_node(&last.name, KernelOperator { kernel, shape }, &[input])?;
    patch.shunt_outside(model, last.id.into(), output[0])?;
    Ok(patch)
}

/// Follows the limits put to what `node` gives, as long as nothing else wants it: the node that ends
/// them, and the limits.
pub fn following_limits<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
) -> TractResult<(&'m TypedNode, Limits)> {
    let (mut last, mut limits) = (node, Limits::NONE);
    while let Some((successor, slot)) = sole_successor(model, last)? {
        let Some(TypedBinOp(operator, None)) = successor.op_as::<TypedBinOp>() else { break };
        let [_, _] = successor.inputs[..] else { break };
        let other = model.outlet_fact(successor.inputs[1 - slot])?;
        let Some(limit) = other.uniform.as_ref().and_then(|limit| limit.cast_to_scalar::<f32>().ok()) else {
            break;
        };
        if successor.outputs[0].fact.shape != last.outputs[0].fact.shape {
            break;
        }
        // First the least, then the most: another order is another function.
        if operator.is::<Max>() && limits == Limits::NONE {
            limits.least = limit;
        } else if operator.is::<Min>() && limits.most == f32::INFINITY {
            limits.most = limit;
        } else {
            break;
        }
        last = successor;
    }
    Ok((last, limits))
}

/// Makes one axis of the rows and columns that pass through a product of matrices.
///
/// A convolution of 1×1 is such a product, of the weights with all pixels of the picture. The engine would
/// do it row by row, and the rows of the deeper layers (19 and 10 pixels) fill its tiles badly.
pub fn flatten_products(model: &mut TypedModel) -> TractResult<()> {
    for node in 0..model.nodes.len() {
        if let Some(patch) = replace_with_flat(model, node)? {
            patch.apply(model)?;
        }
    }
    model.compact()
}

fn replace_with_flat(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    let Some(product) = node.op_as::<EinSum>() else { return Ok(None) };
    if product.q_params.is_some() || node.inputs.len() != 2 {
        return Ok(None);
    }
    for at in 0..2 {
        let shape = &model.outlet_fact(node.inputs[at])?.shape;
        for (first, second) in (0..shape.rank()).zip(1..shape.rank()) {
            let outer = product.axes.axis((InOut::In(at), first))?;
            let inner = product.axes.axis((InOut::In(at), second))?;
            let alone = |axis: &Axis| axis.inputs[at].len() == 1 && axis.inputs[1 - at].is_empty();
            let ([above], [below]) = (&outer.outputs[0][..], &inner.outputs[0][..]) else { continue };
            let trivial = shape[first].is_one() || shape[second].is_one();
            if !alone(outer) || !alone(inner) || *below != above + 1 || trivial {
                continue;
            }
            let mut patch = TypedModelPatch::new("flat product");
            let mut inputs = patch.taps(model, &node.inputs)?;
            inputs[at] =
                patch.wire_node(format!("{}.flat", node.name), merge_axes_op(shape, first), &[inputs[at]])?
                    [0];
            let axes = product.axes.remove_axis(inner.repr)?;
            let product = EinSum { axes, ..product.clone() };
            let output = patch.wire_node(format!("{}.product", node.name), product, &inputs)?[0];
            let (last, output) = move_flat_sums(model, node, *above, &mut patch, output)?;
            let high = merge_axes_op(&last.outputs[0].fact.shape, *above).recip();
            let output = patch.wire_node(&last.name, high, &[output])?;
            patch.shunt_outside(model, last.id.into(), output[0])?;
            return Ok(Some(patch));
        }
    }
    Ok(None)
}

/// The reshaping that makes one axis of the one at `first` and the next.
fn merge_axes_op(shape: &ShapeFact, first: usize) -> AxisOp {
    let (rows, columns) = (shape[first].clone(), shape[first + 1].clone());
    AxisOp::Reshape(first, tvec!(rows.clone(), columns.clone()), tvec!(rows * columns))
}

/// Brings over to the flat product what is added to `node` and what limits it, so that the engine can do
/// it in one go with the product: the last node that was brought over, and where its value is now.
fn move_flat_sums<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
    first: usize,
    patch: &mut TypedModelPatch,
    mut wire: OutletId,
) -> TractResult<(&'m TypedNode, OutletId)> {
    let mut last = node;
    while let Some((successor, slot)) = sole_successor(model, last)? {
        let Some(operator) = successor.op_as::<TypedBinOp>() else { break };
        let [_, _] = successor.inputs[..] else { break };
        let other = successor.inputs[1 - slot];
        let shape = &model.outlet_fact(other)?.shape;
        let whole = &last.outputs[0].fact.shape;
        let axes = first..first + 2;
        let same = shape.rank() == whole.rank() && shape[axes.clone()] == whole[axes.clone()];
        let none = shape.rank() == whole.rank() && shape[axes].iter().all(TDim::is_one);
        if successor.outputs[0].fact.shape != *whole || !(same || none) {
            break;
        }
        let name = format!("{}.flat", successor.name);
        let other_flat = patch.tap_model(model, other)?;
        let other_flat = patch.wire_node(name, merge_axes_op(shape, first), &[other_flat])?[0];
        let inputs = if slot == 0 { [wire, other_flat] } else { [other_flat, wire] };
        wire = patch.wire_node(format!("{}.sum", successor.name), operator.clone(), &inputs)?[0];
        last = successor;
    }
    Ok((last, wire))
}

/// The only operator that takes what `node` gives, and in which place, if it is wanted nowhere else.
pub fn sole_successor<'m>(
    model: &'m TypedModel,
    node: &TypedNode,
) -> TractResult<Option<(&'m TypedNode, usize)>> {
    let wanted_elsewhere = model.output_outlets()?.iter().any(|outlet| outlet.node == node.id);
    let ([output], false) = (&node.outputs[..], wanted_elsewhere) else { return Ok(None) };
    let [next] = output.successors[..] else { return Ok(None) };
    Ok(Some((model.node(next.node), next.slot)))
}
