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
use tract_onnx::tract_core::ops::math::{Add, Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Sigmoid};

use super::dense::{Dense, Expanded};
use super::depthwise::Depthwise;
use super::kernel::{Kernel, MaxPool, Repeat};
use super::layout::{Geometry, Limits};
use super::silu::Silu;

/// Numbers of a picture from which on it is wider than a core's cache, and is better not written to memory
/// between two convolutions.
const LEAST_WIDE: usize = 1 << 18;

/// The most products to one output of a dense convolution that our own kernel computes faster than the
/// engine.
const MOST_TAPS: usize = 128;

/// The most channels that are expanded on the way into a depthwise convolution.
const MOST_CHANNELS_EXPANDED: usize = 32;

/// The least pixels of a picture that our own dense convolution makes.
const LEAST_PIXELS: usize = 1 << 12;

/// One of our own kernels as an operator of the engine.
#[derive(Debug, Clone)]
struct Operator {
    kernel: Arc<dyn Kernel>,
    shape: TVec<usize>,
}

impl Op for Operator {
    fn name(&self) -> StaticName {
        self.kernel.name().into()
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for Operator {
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
                let each = count.div_ceil(pool.current_num_threads()).next_multiple_of(kernel.together());
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

impl TypedOp for Operator {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}

/// Replaces by our own kernels what they compute faster. `repeats` names the enlargements that are
/// repetitions.
pub(super) fn put_in_kernels(model: &mut TypedModel, repeats: &[String]) -> TractResult<()> {
    for node in 0..model.nodes.len() {
        let patch = match convolution_in_place_of(model, node)? {
            Some(patch) => Some(patch),
            None => match silu_in_place_of(model, node)? {
                Some(patch) => Some(patch),
                None => kernel_in_place_of(model, node, repeats)?,
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
fn planes_of(
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
fn silu_in_place_of(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    let Some(TypedBinOp(operator, None)) = node.op_as::<TypedBinOp>() else { return Ok(None) };
    let ([first, second], true) = (&node.inputs[..], operator.is::<Mul>()) else { return Ok(None) };
    for (value, logistic) in [(first, second), (second, first)] {
        let logistic = model.node(logistic.node);
        let is = logistic.op_as::<ElementWiseOp>().is_some_and(|op| op.0.is::<Sigmoid>());
        let fact = model.outlet_fact(*value)?;
        let is_of_value = is && logistic.inputs[0] == *value && fact.datum_type == f32::datum_type();
        if is_of_value && fact.shape.as_concrete().is_some() && only_successor(model, logistic)?.is_some() {
            return operator_in_place_of(model, *value, node, Arc::new(Silu)).map(Some);
        }
    }
    Ok(None)
}

fn kernel_in_place_of(
    model: &TypedModel,
    node: usize,
    repeats: &[String],
) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    if node.inputs.is_empty() || node.outputs.is_empty() {
        return Ok(None);
    }
    let Some((input, output)) = planes_of(model, node.inputs[0], &node.outputs[0].fact)? else {
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
    operator_in_place_of(model, node.inputs[0], node, kernel).map(Some)
}

/// The names of the enlargements that repeat numbers, if their factors are whole: the nearest one of the
/// smaller picture, found in one of the two ways in which it is the same one for a whole block.
pub(super) fn repeats_of(graph: &pb::GraphProto) -> Vec<String> {
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
pub(super) struct Convolution {
    pub(super) geometry: Geometry,
    /// In the order channel that comes out, channel that goes in, row, column.
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// Channels that go in, and how many groups they form.
    pub(super) channels: usize,
    pub(super) groups: usize,
}

impl Convolution {
    pub(super) fn of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Convolution>> {
        let Some(conv) = node.op_as::<Conv>() else { return Ok(None) };
        let pool = &conv.pool_spec;
        let chw = matches!(pool.data_format, DataFormat::NCHW | DataFormat::CHW);
        if !chw || pool.rank() != 2 || conv.q_params.is_some() || conv.kernel_fmt != KernelFormat::OIHW {
            return Ok(None);
        }
        let sizes = planes_of(model, node.inputs[0], &node.outputs[0].fact)?;
        let (Some((input, output)), Some(weights), Some(mut bias)) =
            (sizes, constant(model, node.inputs[1])?, constant(model, node.inputs[2])?)
        else {
            return Ok(None);
        };
        if let [one] = bias[..] {
            bias = vec![one; pool.output_channels];
        }
        let padding = pool.computed_padding(&input);
        let geometry = Geometry {
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
pub(super) fn constant(model: &TypedModel, outlet: OutletId) -> TractResult<Option<Vec<f32>>> {
    let Some(tensor) = &model.outlet_fact(outlet)?.konst else { return Ok(None) };
    Ok(tensor.as_slice::<f32>().ok().map(<[f32]>::to_vec))
}

fn convolution_in_place_of(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
    let node = model.node(node);
    let Some(convolution) = Convolution::of(model, node)? else { return Ok(None) };
    let Convolution { geometry, weights, bias, channels, groups } = convolution;
    let (last, limits) = limits_after(model, node)?;
    let mut source = node.inputs[0];
    let kernel: Arc<dyn Kernel> = if groups > 1 && groups == channels && channels == bias.len() {
        let Some(depthwise) = Depthwise::new(geometry, weights, bias, limits) else { return Ok(None) };
        let wide = channels * geometry.input[0] * geometry.input[1] >= LEAST_WIDE;
        let before = if wide { dense_before(model, source)? } else { None };
        let expanded =
            before.and_then(|(dense, from)| Some((Expanded::new(dense, depthwise.clone())?, from)));
        match expanded {
            Some((expanded, from)) => {
                source = from;
                Arc::new(expanded)
            }
            None => Arc::new(depthwise),
        }
    } else if groups == 1 && weights.len() <= MOST_TAPS * bias.len() && geometry.kernel != [1, 1] {
        let pixels = geometry.output[0] * geometry.output[1];
        let depthwise_follows = match only_successor(model, last)? {
            Some((next, _)) => Convolution::of(model, next)?.is_some_and(|next| next.groups > 1),
            None => false,
        };
        // What a depthwise one takes is made together with it.
        if depthwise_follows && bias.len() * pixels >= LEAST_WIDE {
            return Ok(None);
        }
        match Dense::new(geometry, &weights, bias, limits) {
            Some(dense) if pixels >= LEAST_PIXELS => Arc::new(dense),
            _ => return Ok(None),
        }
    } else {
        return Ok(None);
    };
    operator_in_place_of(model, source, last, kernel).map(Some)
}

/// Puts `kernel` between `source` and all that takes what `last` gives.
fn operator_in_place_of(
    model: &TypedModel,
    source: OutletId,
    last: &TypedNode,
    kernel: Arc<dyn Kernel>,
) -> TractResult<TypedModelPatch> {
    let shape = last.outputs[0].fact.shape.as_concrete().unwrap_or_default().into();
    let mut patch = TypedModelPatch::new(kernel.name());
    let input = patch.tap_model(model, source)?;
    let output = patch.wire_node(&last.name, Operator { kernel, shape }, &[input])?;
    patch.shunt_outside(model, last.id.into(), output[0])?;
    Ok(patch)
}

/// The dense convolution whose value `outlet` is, if it is small and wanted nowhere else, and what it
/// takes.
fn dense_before(model: &TypedModel, outlet: OutletId) -> TractResult<Option<(Dense, OutletId)>> {
    // Upwards through limits and bias to the sum itself, then down again to see the limits.
    let mut node = model.node(outlet.node);
    let mut bias = None;
    while let Some(operator) = node.op_as::<TypedBinOp>() {
        let [first, second] = node.inputs[..] else { return Ok(None) };
        let (value, other) =
            if constant(model, second)?.is_some() { (first, second) } else { (second, first) };
        let Some(numbers) = constant(model, other)? else { return Ok(None) };
        let shape = &model.outlet_fact(other)?.shape;
        let by_channel = shape.rank() >= 3 && shape[shape.rank() - 3] == shape.volume();
        if operator.0.is::<Add>() && bias.is_none() && (by_channel || numbers.len() == 1) {
            bias = Some((numbers, node));
        } else if bias.is_some() || !(operator.0.is::<Max>() || operator.0.is::<Min>()) {
            return Ok(None);
        }
        node = model.node(value.node);
    }
    let summed = bias.as_ref().map_or(node, |(_, sum)| sum);
    let (last, limits) = limits_after(model, summed)?;
    if last.id != outlet.node || only_successor(model, last)?.is_none() {
        return Ok(None);
    }
    if summed.id != node.id && only_successor(model, node)?.is_none() {
        return Ok(None);
    }
    let dense = match Convolution::of(model, node)? {
        Some(c) if c.groups == 1 && bias.is_none() && c.weights.len() <= MOST_TAPS * c.bias.len() => {
            Dense::new(c.geometry, &c.weights, c.bias, limits)
        }
        Some(_) => None,
        None => pointwise_of(model, node, bias.map(|(numbers, _)| numbers), limits)?,
    };
    Ok(dense.map(|dense| (dense, node.inputs[dense_input(model, node)])))
}

/// Which input of a convolution or product is not constant.
fn dense_input(model: &TypedModel, node: &TypedNode) -> usize {
    let varies = |&at: &usize| model.outlet_fact(node.inputs[at]).is_ok_and(|fact| fact.konst.is_none());
    (0..node.inputs.len()).find(varies).unwrap_or(0)
}

/// The convolution of one by one that a product of weights with a picture is.
fn pointwise_of(
    model: &TypedModel,
    node: &TypedNode,
    bias: Option<Vec<f32>>,
    limits: Limits,
) -> TractResult<Option<Dense>> {
    let Some(product) = node.op_as::<EinSum>() else { return Ok(None) };
    if product.q_params.is_some() || node.inputs.len() != 2 {
        return Ok(None);
    }
    let at = dense_input(model, node);
    let weights_fact = model.outlet_fact(node.inputs[1 - at])?;
    let Some(weights) = &weights_fact.konst else { return Ok(None) };
    let Some((plane, out_plane)) = planes_of(model, node.inputs[at], &node.outputs[0].fact)? else {
        return Ok(None);
    };
    // Channels must come before rows and columns on both sides, rows and columns pass through.
    let rank = product.axes.rank(InOut::In(at));
    let out_rank = product.axes.rank(InOut::Out(0));
    if rank != out_rank || rank < 3 || weights.rank() != 2 || plane != out_plane {
        return Ok(None);
    }
    for axis in rank - 2..rank {
        let axis_in = product.axes.axis((InOut::In(at), axis))?;
        if axis_in.outputs[0][..] != [axis] || !axis_in.inputs[1 - at].is_empty() {
            return Ok(None);
        }
    }
    let goes_in = product.axes.axis((InOut::In(at), rank - 3))?;
    let comes_out = product.axes.axis((InOut::Out(0), rank - 3))?;
    let ([in_axis], [out_axis]) = (&goes_in.inputs[1 - at][..], &comes_out.inputs[1 - at][..]) else {
        return Ok(None);
    };
    if in_axis == out_axis || !goes_in.outputs[0].is_empty() || !comes_out.inputs[at].is_empty() {
        return Ok(None);
    }
    let (channels, made) = (weights.shape()[*in_axis], weights.shape()[*out_axis]);
    let weights = weights.as_slice::<f32>()?;
    let place =
        |out: usize, r#in: usize| if *out_axis == 0 { out * channels + r#in } else { r#in * made + out };
    let ordered: Vec<f32> = (0..made)
        .flat_map(|out| (0..channels).map(move |r#in| (out, r#in)))
        .map(|(o, i)| weights[place(o, i)])
        .collect();
    let bias = match bias {
        None => vec![0.0; made],
        Some(bias) if bias.len() == made => bias,
        Some(bias) if bias.len() == 1 => vec![bias[0]; made],
        Some(_) => return Ok(None),
    };
    if channels > MOST_CHANNELS_EXPANDED {
        return Ok(None);
    }
    let geometry = Geometry {
        input: plane,
        output: plane,
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        before: [0, 0],
    };
    Ok(Dense::new(geometry, &ordered, bias, limits))
}

/// Follows the limits put to what `node` gives, as long as nothing else wants it: the node that ends
/// them, and the limits.
pub(super) fn limits_after<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
) -> TractResult<(&'m TypedNode, Limits)> {
    let (mut last, mut limits) = (node, Limits::NONE);
    while let Some((successor, slot)) = only_successor(model, last)? {
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
pub(super) fn flatten_products(model: &mut TypedModel) -> TractResult<()> {
    for node in 0..model.nodes.len() {
        if let Some(patch) = flat_in_place_of(model, node)? {
            patch.apply(model)?;
        }
    }
    model.compact()
}

fn flat_in_place_of(model: &TypedModel, node: usize) -> TractResult<Option<TypedModelPatch>> {
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
                patch.wire_node(format!("{}.flat", node.name), flat(shape, first), &[inputs[at]])?[0];
            let axes = product.axes.remove_axis(inner.repr)?;
            let product = EinSum { axes, ..product.clone() };
            let output = patch.wire_node(format!("{}.product", node.name), product, &inputs)?[0];
            let (last, output) = flat_sums_after(model, node, *above, &mut patch, output)?;
            let high = flat(&last.outputs[0].fact.shape, *above).recip();
            let output = patch.wire_node(&last.name, high, &[output])?;
            patch.shunt_outside(model, last.id.into(), output[0])?;
            return Ok(Some(patch));
        }
    }
    Ok(None)
}

/// The reshaping that makes one axis of the one at `first` and the next.
fn flat(shape: &ShapeFact, first: usize) -> AxisOp {
    let (rows, columns) = (shape[first].clone(), shape[first + 1].clone());
    AxisOp::Reshape(first, tvec!(rows.clone(), columns.clone()), tvec!(rows * columns))
}

/// Brings over to the flat product what is added to `node` and what limits it, so that the engine can do
/// it in one go with the product: the last node that was brought over, and where its value is now.
fn flat_sums_after<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
    first: usize,
    patch: &mut TypedModelPatch,
    mut wire: OutletId,
) -> TractResult<(&'m TypedNode, OutletId)> {
    let mut last = node;
    while let Some((successor, slot)) = only_successor(model, last)? {
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
        let other_flat = patch.wire_node(name, flat(shape, first), &[other_flat])?[0];
        let inputs = if slot == 0 { [wire, other_flat] } else { [other_flat, wire] };
        wire = patch.wire_node(format!("{}.sum", successor.name), operator.clone(), &inputs)?[0];
        last = successor;
    }
    Ok((last, wire))
}

/// The only operator that takes what `node` gives, and in which place, if it is wanted nowhere else.
pub(super) fn only_successor<'m>(
    model: &'m TypedModel,
    node: &TypedNode,
) -> TractResult<Option<(&'m TypedNode, usize)>> {
    let wanted_elsewhere = model.output_outlets()?.iter().any(|outlet| outlet.node == node.id);
    let ([output], false) = (&node.outputs[..], wanted_elsewhere) else { return Ok(None) };
    let [next] = output.successors[..] else { return Ok(None) };
    Ok(Some((model.node(next.node), next.slot)))
}
