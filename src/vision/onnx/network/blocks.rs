//! Finds in a network what [`Block`] computes, and puts it in.
//!
//! Between two blocks the picture stays in the order row, column, channel; where the rest of the network
//! begins, it is brought back into the order that that expects. What is not recognised with certainty is left
//! as it is, to the other kernels or to the engine.

use std::collections::HashSet;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{
    EvalOp, InOut, Op, StaticName, TypedModelPatch, TypedOp, Validation, as_op, op_as_typed_op,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::Add;

use super::surgery::{Convolution, constant_values, following_limits, sole_successor};
use crate::vision::onnx::kernels::block::{Block, First, exchange};
use crate::vision::onnx::kernels::depthwise_rows::DepthwiseRows;
use crate::vision::onnx::kernels::product::Product;
use crate::vision::onnx::kernels::vector::Instructions;

/// The most numbers that are gathered for one output of a dense convolution; with more the engine is as fast.
const MOST_GATHERED: usize = 128;

/// A block as an operator of the engine.
#[derive(Debug, Clone)]
struct BlockOperator {
    block: Arc<Block>,
    instructions: Instructions,
}

impl Op for BlockOperator {
    fn name(&self) -> StaticName {
        "Block".into()
    }

    fn validation(&self) -> Validation {
        Validation::Rounding
    }

    op_as_typed_op!();
}

impl EvalOp for BlockOperator {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs.first().ok_or_else(|| TractError::msg("a block of nothing"))?;
        let input = input.as_slice::<f32>()?;
        let added = inputs.get(1).map(|added| added.as_slice::<f32>()).transpose()?;
        let [height, width, channels] = self.block.output_shape();
        // SAFETY: The block writes every number of its rows before anything reads one.
        let mut output = unsafe { Tensor::uninitialized::<f32>(&[height, width, channels])? };
        let all = output.as_slice_mut::<f32>()?;
        match multithread::current_tract_executor() {
            multithread::Executor::SingleThread => {
                self.block.run(self.instructions, 0..height, input, added, all);
            }
            multithread::Executor::MultiThread(pool) => {
                let each = height.div_ceil(pool.current_num_threads().max(1)).max(1);
                pool.scope(|scope| {
                    for (at, part) in all.chunks_mut(each * width * channels).enumerate() {
                        let rows = at * each..((at + 1) * each).min(height);
                        let added = added.map(|added| &added[at * each * width * channels..][..part.len()]);
                        scope.spawn(move |_| self.block.run(self.instructions, rows, input, added, part));
                    }
                });
            }
        }
        Ok(tvec!(output.into()))
    }
}

impl TypedOp for BlockOperator {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(self.block.output_shape())))
    }

    as_op!();
}

/// Brings a picture from one order into the other.
#[derive(Debug, Clone)]
struct Reorder {
    /// The dimensions of what comes out.
    shape: TVec<usize>,
    /// Into the order channel, row, column; else out of it.
    to_planes: bool,
}

impl Op for Reorder {
    fn name(&self) -> StaticName {
        "Reorder".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Reorder {
    fn is_stateless(&self) -> bool {
        true
    }

    fn eval(&self, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs.first().ok_or_else(|| TractError::msg("an order of nothing"))?;
        let mut output = Tensor::zero::<f32>(&self.shape)?;
        let (input, ordered) = (input.as_slice::<f32>()?, output.as_slice_mut::<f32>()?);
        let channel_axis = if self.to_planes { self.shape.len() - 3 } else { 2 };
        let channels = self.shape[channel_axis];
        let columns = if self.to_planes { channels } else { input.len() / channels.max(1) };
        exchange(columns, input, ordered);
        Ok(tvec!(output.into()))
    }
}

impl TypedOp for Reorder {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    as_op!();
}

/// Puts blocks in wherever they are found, from the beginning of the network on.
pub fn fuse_blocks(model: &mut TypedModel) -> TractResult<()> {
    let mut done = HashSet::new();
    for node in model.eval_order()? {
        if done.contains(&node) {
            continue;
        }
        let Some(found) = match_block(model, node)? else { continue };
        let Some(patch) = replace_with_block(model, &found)? else { continue };
        done.extend(found.nodes);
        patch.apply(model)?;
    }
    model.compact()
}

/// A block that was found.
struct FoundBlock {
    block: Block,
    /// What goes in, and what is added at the end.
    source: OutletId,
    added: Option<OutletId>,
    /// The nodes it stands for, the last of which gives what it gives.
    nodes: Vec<usize>,
    /// How many convolutions it has.
    parts: usize,
}

/// A product found in the network, with its bias and limits.
struct FoundProduct<'m> {
    product: Product,
    source: OutletId,
    plane: [usize; 2],
    last: &'m TypedNode,
}

fn match_block(model: &TypedModel, node: usize) -> TractResult<Option<FoundBlock>> {
    let node = model.node(node);
    let mut nodes = vec![node.id];
    if let Some(found) = match_product(model, node)? {
        let plane = found.plane;
        let next = sole_successor(model, found.last)?;
        let depthwise = match next {
            Some((next, 0)) => depthwise_at(model, next)?.filter(|(d, _)| {
                d.geometry().input == plane && d.channels() == found.product.output_channels()
            }),
            _ => None,
        };
        return match depthwise {
            Some((depthwise, last)) => {
                nodes.push(next.map_or(last.id, |(next, _)| next.id));
                with_depthwise(model, First::Product(found.product), depthwise, found.source, last, nodes)
            }
            None => {
                nodes.push(found.last.id);
                let block = Block::product_only(found.product, plane);
                Ok(Some(finished(model, block, found.source, found.last, nodes, 1)?))
            }
        };
    }
    if let Some((depthwise, last)) = depthwise_at(model, node)? {
        return with_depthwise(model, First::Input, depthwise, node.inputs[0], last, nodes);
    }
    let Some(dense) = Convolution::from_node(model, node)? else { return Ok(None) };
    let taps = dense.weights.len() / dense.bias.len().max(1);
    if dense.groups != 1 || taps > MOST_GATHERED {
        return Ok(None);
    }
    let (last, limits) = following_limits(model, node)?;
    let Some((next, 0)) = sole_successor(model, last)? else { return Ok(None) };
    let Some((depthwise, last)) = depthwise_at(model, next)? else { return Ok(None) };
    let Some(product) = Product::new(&dense.weights, &dense.bias, limits) else { return Ok(None) };
    nodes.push(next.id);
    let first = First::Gathered(dense.geometry, product);
    with_depthwise(model, first, depthwise, node.inputs[0], last, nodes)
}

/// The block of a beginning and a depthwise convolution that ends at `last`, and of what follows.
fn with_depthwise(
    model: &TypedModel,
    first: First,
    depthwise: DepthwiseRows,
    source: OutletId,
    last: &TypedNode,
    mut nodes: Vec<usize>,
) -> TractResult<Option<FoundBlock>> {
    let mut parts = if matches!(first, First::Input) { 1 } else { 2 };
    let (mut end, mut product) = (last, None);
    if let Some((next, _)) = sole_successor(model, last)?
        && let Some(found) = match_product(model, next)?
        && found.source == last.id.into()
        && found.product.input_channels() == depthwise.channels()
        && found.plane == depthwise.geometry().output
    {
        nodes.push(next.id);
        (end, product) = (found.last, Some(found.product));
        parts += 1;
    }
    let Some(block) = Block::new(first, depthwise, product) else { return Ok(None) };
    nodes.push(end.id);
    finished(model, block, source, end, nodes, parts).map(Some)
}

/// The block with what is added to its outcome, if it ends with a product and nothing else wants that.
fn finished(
    model: &TypedModel,
    block: Block,
    source: OutletId,
    end: &TypedNode,
    mut nodes: Vec<usize>,
    parts: usize,
) -> TractResult<FoundBlock> {
    let mut added = None;
    if block.is_product_last()
        && let Some((sum, slot)) = sole_successor(model, end)?
        && let Some(TypedBinOp(operator, None)) = sum.op_as::<TypedBinOp>()
        && operator.is::<Add>()
        && sum.inputs.len() == 2
        && sum.inputs[1 - slot].node != end.id
    {
        let other = model.outlet_fact(sum.inputs[1 - slot])?;
        if other.konst.is_none()
            && other.datum_type == f32::datum_type()
            && other.shape == end.outputs[0].fact.shape
        {
            added = Some(sum.inputs[1 - slot]);
            nodes.push(sum.id);
        }
    }
    Ok(FoundBlock { block, source, added, nodes, parts })
}

fn replace_with_block(model: &TypedModel, found: &FoundBlock) -> TractResult<Option<TypedModelPatch>> {
    let Some(&last) = found.nodes.last() else { return Ok(None) };
    let last = model.node(last);
    // One convolution alone is not worth it to bring the picture into another order.
    let in_order = model.node(found.source.node).op_as::<Reorder>().is_some_and(|reorder| reorder.to_planes);
    if found.parts < 2 && !in_order {
        return Ok(None);
    }
    let Some(shape) = last.outputs[0].fact.shape.as_concrete() else { return Ok(None) };
    let mut patch = TypedModelPatch::new("block");
    let mut inputs = tvec!();
    for (at, outlet) in std::iter::once(found.source).chain(found.added).enumerate() {
        let name = format!("{}.order.{at}", last.name);
        inputs.push(if at == 0 && found.block.takes_planar_input() {
            patch.tap_model(model, outlet)?
        } else {
            to_channels_last(model, &mut patch, outlet, name)?
        });
    }
    let operator = BlockOperator { block: Arc::new(found.block.clone()), instructions: Instructions::best() };
    let output = patch.wire_node(format!("{}.block", last.name), operator, &inputs)?;
    let reorder = Reorder { shape: shape.into(), to_planes: true };
    let output = patch.wire_node(&last.name, reorder, &output)?;
    patch.shunt_outside(model, last.id.into(), output[0])?;
    Ok(Some(patch))
}

/// The picture `outlet` in the order row, column, channel: where it was before, if it comes from there.
fn to_channels_last(
    model: &TypedModel,
    patch: &mut TypedModelPatch,
    outlet: OutletId,
    name: String,
) -> TractResult<OutletId> {
    let node = model.node(outlet.node);
    if node.op_as::<Reorder>().is_some_and(|reorder| reorder.to_planes) {
        return patch.tap_model(model, node.inputs[0]);
    }
    let input = patch.tap_model(model, outlet)?;
    let shape = model.outlet_fact(outlet)?.shape.as_concrete().unwrap_or_default();
    let [.., channels, height, width] = *shape else {
        return Err(TractError::msg("a picture without rows and columns"));
    };
    let reorder = Reorder { shape: tvec!(height, width, channels), to_planes: false };
    Ok(patch.wire_node(name, reorder, &[input])?[0])
}

/// The depthwise convolution with its limits that `node` is, and where it ends.
fn depthwise_at<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
) -> TractResult<Option<(DepthwiseRows, &'m TypedNode)>> {
    let Some(Convolution { geometry, weights, bias, channels, groups }) =
        Convolution::from_node(model, node)?
    else {
        return Ok(None);
    };
    if groups < 2 || groups != channels || channels != bias.len() {
        return Ok(None);
    }
    let (last, limits) = following_limits(model, node)?;
    Ok(DepthwiseRows::new(geometry, &weights, &bias, limits).map(|depthwise| (depthwise, last)))
}

/// The convolution of one by one that a product of weights with a picture is, with its bias and limits.
fn match_product<'m>(model: &'m TypedModel, node: &'m TypedNode) -> TractResult<Option<FoundProduct<'m>>> {
    let Some(product) = node.op_as::<EinSum>() else { return Ok(None) };
    if product.q_params.is_some() || node.inputs.len() != 2 {
        return Ok(None);
    }
    let constants = [constant_values(model, node.inputs[0])?, constant_values(model, node.inputs[1])?];
    let (at, weights) = match constants {
        [None, Some(weights)] => (0, weights),
        [Some(weights), None] => (1, weights),
        _ => return Ok(None),
    };
    let picture = model.outlet_fact(node.inputs[at])?;
    let outcome = &node.outputs[0].fact;
    let (Some(from), Some(to)) = (picture.shape.as_concrete(), outcome.shape.as_concrete()) else {
        return Ok(None);
    };
    let floats = picture.datum_type == f32::datum_type() && outcome.datum_type == f32::datum_type();
    let shape = &model.outlet_fact(node.inputs[1 - at])?.shape;
    let (rank, out_rank) = (from.len(), to.len());
    // Channels must come before rows and columns on both sides, rows and columns pass through.
    let one_picture = matches!(from, [_, _, _] | [1, _, _, _]) && matches!(to, [_, _, _] | [1, _, _, _]);
    if !floats || !one_picture || shape.rank() != 2 || from[rank - 2..] != to[out_rank - 2..] {
        return Ok(None);
    }
    for back in 1..=2 {
        let axis = product.axes.axis((InOut::In(at), rank - back))?;
        if axis.outputs[0][..] != [out_rank - back] || !axis.inputs[1 - at].is_empty() {
            return Ok(None);
        }
    }
    let goes_in = product.axes.axis((InOut::In(at), rank - 3))?;
    let comes_out = product.axes.axis((InOut::Out(0), out_rank - 3))?;
    let ([in_axis], [out_axis]) = (&goes_in.inputs[1 - at][..], &comes_out.inputs[1 - at][..]) else {
        return Ok(None);
    };
    if in_axis == out_axis || !goes_in.outputs[0].is_empty() || !comes_out.inputs[at].is_empty() {
        return Ok(None);
    }
    let (takes, gives) = (from[rank - 3], to[out_rank - 3]);
    if weights.len() != takes * gives {
        return Ok(None);
    }
    let place =
        |out: usize, r#in: usize| if *out_axis == 0 { out * takes + r#in } else { r#in * gives + out };
    let ordered: Vec<f32> = (0..gives)
        .flat_map(|out| (0..takes).map(move |r#in| (out, r#in)))
        .map(|(o, i)| weights[place(o, i)])
        .collect();
    let (last, bias) = bias_after(model, node, gives)?;
    let (last, limits) = following_limits(model, last)?;
    let Some(product) = Product::new(&ordered, &bias, limits) else { return Ok(None) };
    let plane = [from[rank - 2], from[rank - 1]];
    Ok(Some(FoundProduct { product, source: node.inputs[at], plane, last }))
}

/// What is added to each channel that `node` gives, zeros if nothing is, and the node that adds it.
fn bias_after<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
    channels: usize,
) -> TractResult<(&'m TypedNode, Vec<f32>)> {
    let none = (node, vec![0.0; channels]);
    let Some((sum, slot)) = sole_successor(model, node)? else { return Ok(none) };
    let Some(TypedBinOp(operator, None)) = sum.op_as::<TypedBinOp>() else { return Ok(none) };
    if !operator.is::<Add>()
        || sum.inputs.len() != 2
        || sum.outputs[0].fact.shape != node.outputs[0].fact.shape
    {
        return Ok(none);
    }
    let other = sum.inputs[1 - slot];
    let Some(numbers) = constant_values(model, other)? else { return Ok(none) };
    let shape = &model.outlet_fact(other)?.shape;
    let by_channel = shape.rank() >= 3 && shape[shape.rank() - 3] == shape.volume();
    Ok(match numbers[..] {
        [one] => (sum, vec![one; channels]),
        _ if by_channel && numbers.len() == channels => (sum, numbers),
        _ => none,
    })
}

#[cfg(test)]
mod tests {
    use tract_onnx::tract_core::internal::DimLike as _;
    use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec};
    use tract_onnx::tract_core::ops::math::{add, max, min};
    use tract_onnx::tract_core::ops::nn::DataFormat;

    use super::*;

    /// Numbers that look like chance.
    fn numbers(shape: &[usize], seed: usize) -> Tensor {
        let count = shape.iter().product::<usize>();
        let number = |at: usize| ((at * 7919 + seed * 104_729 + 13) % 1009) as f32 / 504.5 - 1.0;
        let all: Vec<f32> = (0..count).map(number).collect();
        Tensor::from_shape(shape, &all).expect("a shape of so many numbers")
    }

    /// Adds a convolution with a bias, limited to 0…6 if `limited`.
    fn convolution(
        model: &mut TypedModel,
        input: OutletId,
        (side, stride): (usize, usize),
        (channels, groups): (usize, usize),
        limited: bool,
    ) -> OutletId {
        let at = model.nodes.len();
        let takes = model.outlet_fact(input).expect("an input").shape[1].to_usize().expect("a number");
        let kernel = numbers(&[channels, takes / groups, side, side], at);
        let kernel = model.add_const(format!("kernel {at}"), kernel).expect("a constant");
        let bias = model.add_const(format!("bias {at}"), numbers(&[channels], at + 1)).expect("a constant");
        let pool_spec = PoolSpec::new(
            DataFormat::NCHW,
            tvec!(side, side),
            PaddingSpec::SameUpper,
            None,
            Some(tvec!(stride, stride)),
            takes,
            channels,
        );
        let conv = Conv { pool_spec, kernel_fmt: KernelFormat::OIHW, group: groups, q_params: None };
        let mut wire =
            model.wire_node(format!("conv {at}"), conv, &[input, kernel, bias]).expect("a conv")[0];
        for (limit, name) in [(0.0_f32, "least"), (6.0, "most")].into_iter().filter(|_| limited) {
            let limit = model.add_const(format!("{name} {at}"), tensor4(&[[[[limit]]]])).expect("a constant");
            let operator = if name == "least" { max() } else { min() };
            wire = model.wire_node(format!("{name} of {at}"), operator, &[wire, limit]).expect("a limit")[0];
        }
        wire
    }

    /// A network with all that blocks are made of: odd sizes, channels that fill no vector, both strides, a
    /// sum with what went in, a picture that is wanted twice, and something that is no block.
    fn network() -> TypedModel {
        let mut model = TypedModel::default();
        let image = model.add_source("image", f32::fact([1, 3, 37, 29])).expect("a source");
        let wire = convolution(&mut model, image, (3, 2), (18, 1), true);
        let wire = convolution(&mut model, wire, (3, 1), (18, 18), true);
        let narrow = convolution(&mut model, wire, (1, 1), (5, 1), false);
        let wire = convolution(&mut model, narrow, (1, 1), (40, 1), true);
        let wire = convolution(&mut model, wire, (3, 1), (40, 40), true);
        let wire = convolution(&mut model, wire, (1, 1), (5, 1), false);
        let sum = model.wire_node("sum", add(), &[wire, narrow]).expect("a sum")[0];
        let wire = convolution(&mut model, sum, (1, 1), (33, 1), true);
        let wide = convolution(&mut model, wire, (5, 2), (33, 33), false);
        let first = convolution(&mut model, wide, (1, 1), (50, 1), false);
        let between = convolution(&mut model, wide, (3, 1), (12, 3), false);
        let wire = convolution(&mut model, between, (3, 2), (12, 12), true);
        let second = convolution(&mut model, wire, (1, 1), (7, 1), true);
        model.set_output_outlets(&[first, second, sum]).expect("outputs");
        model.into_decluttered().expect("a sound network")
    }

    #[test]
    fn a_block_gives_what_the_engine_gives() {
        let plain = network();
        let mut blocks = plain.clone();
        fuse_blocks(&mut blocks).expect("blocks");
        let count = blocks.nodes.iter().filter(|node| node.op_is::<BlockOperator>()).count();
        assert_eq!(count, 5, "{blocks}");
        let picture = numbers(&[1, 3, 37, 29], 5);
        let run = |model: TypedModel, threads| {
            let executor = match threads {
                1 => multithread::Executor::SingleThread,
                more => multithread::Executor::multithread_with_name(more, "test"),
            };
            let options = PlanOptions { executor: Some(executor), ..PlanOptions::default() };
            let model = model.into_optimized().expect("a network that can be run");
            let plan = SimplePlan::new_with_options(model, &options).expect("a plan");
            plan.run(tvec!(picture.clone().into())).expect("a run")
        };
        let (expected, given, shared) = (run(plain, 1), run(blocks.clone(), 1), run(blocks, 3));
        for ((expected, given), shared) in expected.iter().zip(&given).zip(&shared) {
            assert_eq!(expected.shape(), given.shape());
            let [expected, given, shared] =
                [expected, given, shared].map(|tensor| tensor.as_slice::<f32>().expect("floats"));
            let scale = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
            for ((expected, given), shared) in expected.iter().zip(given).zip(shared) {
                assert!((expected - given).abs() <= 1e-5 * scale, "{expected} and {given} of {scale}");
                assert_eq!(given.to_bits(), shared.to_bits(), "shared among threads");
            }
        }
    }
}
