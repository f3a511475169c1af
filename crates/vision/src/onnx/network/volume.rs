//! Limits the size of every tensor of a network: of those in the file, and of those that the engine computes from
//! them while it infers shapes. A failed allocation would end the program.
//!
//! Runs on the thread that loads the network.

use std::collections::{BTreeSet, HashMap};

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid as _, InferenceFact};
use tract_onnx::tract_hir::ops::konst::Const;

use super::error::{not_onnx_error, too_large_error};
use tallycam_base::Fault;

/// Largest size of a single tensor.
const MOST_BYTES: usize = 256 << 20;

/// Facts about an operator's inputs, outputs and observed outlets.
type Facts = (TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>);

/// Checks that every tensor of the file is complete and within the limit.
pub fn check_file(graph: &pb::GraphProto) -> Result<(), Fault> {
    let constants =
        graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
    for tensor in graph.initializer.iter().chain(constants) {
        if let Some(place) = tensor.external_data.first() {
            return Err(Fault::wrong(format!(
                "the network keeps its weights in another file ({}); export it as a single file",
                place.value
            )));
        }
        check_dimensions(&tensor.name, 4, tensor.dims.iter().copied())?;
    }
    Ok(())
}

/// Checks that every tensor of known shape is within the limit.
pub fn check(model: &InferenceModel) -> Result<(), Fault> {
    model
        .nodes()
        .iter()
        .try_for_each(|node| node.outputs.iter().try_for_each(|outlet| check_fact(&node.name, &outlet.fact)))
}

/// Infers the facts of all tensors of `model` and computes constants, as the engine's own analysis does. An operator
/// computes only if its outputs are known to be within the limit. The total of computed bytes has a limit, too, which
/// depends on the file's length `file` in bytes.
///
/// # Errors
/// A tensor or the computed total is too large. Errors of the engine are converted by `failed`.
pub(crate) fn analyse_model(
    model: &mut InferenceModel,
    file: usize,
    failed: impl Fn(TractError) -> Fault,
) -> Result<(), Fault> {
    // Otherwise parts that no output needs would be computed, too.
    model.compact().map_err(&failed)?;
    let observers = observers(model).map_err(&failed)?;
    let mut left: BTreeSet<usize> = (0..model.nodes().len()).collect();
    // Computed bytes of each operator, which may compute again, and their total.
    let mut computed: Vec<u128> = vec![0; left.len()];
    let mut in_all = 0_u128;
    while let Some(node) = left.pop_first() {
        let place = format!("its operator {} ({})", model.node(node).name, model.node(node).op.name());
        let failed = |error: TractError| failed(error.context(place.clone()));
        let known = node_facts(model, node).map_err(&failed)?;
        let are_known = |facts: &TVec<InferenceFact>| facts.iter().all(|fact| fact.value.is_concrete());
        let (takes, gives, _) = (model.node(node).op.clone())
            .infer_facts(as_refs(&known.0), as_refs(&known.1), as_refs(&known.2))
            .map_err(&failed)?;
        let name = &model.node(node).name;
        gives.iter().try_for_each(|fact| check_fact(name, fact))?;
        let operator = &model.node(node).op;
        if let Some(bytes) =
            working_bytes(&operator.name(), &takes, &gives).filter(|bytes| *bytes > MOST_BYTES as u128)
        {
            return Err(too_large_error(&format!("what the operator {name} needs"), bytes, MOST_BYTES));
        }
        if !takes.is_empty() && are_known(&takes) {
            let bytes = gives.iter().filter_map(tensor_bytes).fold(0, u128::saturating_add);
            in_all = (in_all - std::mem::replace(&mut computed[node], bytes)).saturating_add(bytes);
            let most = max_precomputed_bytes(file);
            if in_all > most as u128 {
                return Err(too_large_error("what the network computes of its own numbers", in_all, most));
            }
        }
        for outlet in infer_outputs(model, node, &known).map_err(&failed)? {
            let after =
                model.node(outlet.node).outputs[outlet.slot].successors.iter().map(|inlet| inlet.node);
            left.extend(after.chain([outlet.node]));
            left.extend(observers.get(&outlet).into_iter().flatten());
        }
        left.remove(&node);
        set_computed(model, node).map_err(&failed)?;
    }
    model.compact().map_err(failed)
}

/// Replaces an operator by its computed output. Otherwise it computes it again in every later analysis, such as the
/// engine's own; and a Range of sizes then gives integers, which its own rules forbid.
fn set_computed(model: &mut InferenceModel, node: usize) -> TractResult<()> {
    let operator = model.node_mut(node);
    let [output] = &operator.outputs[..] else { return Ok(()) };
    let Some(value) = output.fact.value.concretize().filter(|_| !operator.inputs.is_empty()) else {
        return Ok(());
    };
    operator.op = Box::new(Const::new(value)?);
    for input in std::mem::take(&mut operator.inputs) {
        model.node_mut(input.node).outputs[input.slot].successors.retain(|inlet| inlet.node != node);
    }
    Ok(())
}

/// Limit of bytes computed before there is an image, for a file of this length: anchors, and the file's weights as
/// wider numbers.
fn max_precomputed_bytes(file: usize) -> usize {
    file.saturating_mul(8).saturating_add(64 << 20)
}

/// Most bytes that an operator holds while it computes, as far as shapes tell. A resize scales one axis after the
/// other; a convolution of constants lays out the inputs of each result.
fn working_bytes(name: &str, takes: &TVec<InferenceFact>, gives: &TVec<InferenceFact>) -> Option<u128> {
    let (first, given) = (takes.first()?, gives.first()?);
    match name {
        "Resize" => {
            let (from, to) = (first.shape.concretize()?, given.shape.concretize()?);
            let longest =
                from.iter().zip(&to).map(|(from, to)| Some(from.to_i64().ok()?.max(to.to_i64().ok()?)));
            let longest = longest.collect::<Option<Vec<_>>>()?;
            let elements = longest.into_iter().map(|side| u128::try_from(side).unwrap_or(0));
            Some(elements.fold(bytes_each(given) as u128, u128::saturating_mul))
        }
        _ if name.starts_with("Conv") && takes.iter().all(|fact| fact.value.is_concrete()) => {
            Some(tensor_bytes(given)?.saturating_mul(tensor_bytes(takes.get(1)?)?))
        }
        _ => None,
    }
}

/// The operators that observe each outlet without having it as an input.
fn observers(model: &InferenceModel) -> TractResult<HashMap<OutletId, Vec<usize>>> {
    let mut observers: HashMap<OutletId, Vec<usize>> = HashMap::new();
    for node in model.nodes() {
        for outlet in node.op.observe_outlets(model, node)? {
            observers.entry(outlet).or_default().push(node.id);
        }
    }
    Ok(observers)
}

/// Infers the facts of the operator `node`, and its outputs if all inputs are known. Returns the outlets with new
/// facts.
fn infer_outputs(model: &mut InferenceModel, node: usize, known: &Facts) -> TractResult<Vec<OutletId>> {
    let beside = model.node(node).op.observe_outlets(model, model.node(node))?;
    let operator = &mut model.node_mut(node).op;
    let (takes, gives, told) = operator.infer(as_refs(&known.0), as_refs(&known.1), as_refs(&known.2))?;
    let inputs = model.node(node).inputs.clone();
    let outputs = (0..known.1.len()).map(|slot| OutletId::new(node, slot));
    let outlets = inputs.into_iter().zip(takes).chain(outputs.zip(gives)).chain(beside.into_iter().zip(told));
    let mut refined = Vec::new();
    for (outlet, fact) in outlets.collect::<Vec<_>>() {
        let before = model.outlet_fact(outlet)?;
        let unified = before.unify(&fact)?;
        if unified != *before {
            model.set_outlet_fact(outlet, unified)?;
            refined.push(outlet);
        }
    }
    Ok(refined)
}

fn node_facts(model: &InferenceModel, node: usize) -> TractResult<Facts> {
    let (takes, gives) = model.node_facts(node)?;
    if model.node(node).op.nboutputs()? != gives.len() {
        return Err(TractError::msg(format!("{} has a wrong number of outputs", model.node(node).name)));
    }
    let beside = model.node(node).op.observe_outlets(model, model.node(node))?;
    let beside = beside.into_iter().map(|outlet| model.outlet_fact(outlet).cloned());
    Ok((
        takes.into_iter().cloned().collect(),
        gives.into_iter().cloned().collect(),
        beside.collect::<TractResult<_>>()?,
    ))
}

fn as_refs(facts: &TVec<InferenceFact>) -> TVec<&InferenceFact> {
    facts.iter().collect()
}

fn check_fact(name: &str, fact: &InferenceFact) -> Result<(), Fault> {
    let Some(dimensions) = fact.shape.concretize() else { return Ok(()) };
    check_dimensions(
        name,
        bytes_each(fact),
        dimensions.iter().map(|dimension| dimension.to_i64().unwrap_or(0)),
    )
}

/// Bytes of a tensor, if known.
fn tensor_bytes(fact: &InferenceFact) -> Option<u128> {
    let dimensions = fact.shape.concretize()?;
    let each =
        dimensions.iter().map(|dimension| dimension.to_i64().ok().and_then(|d| u128::try_from(d).ok()));
    let elements = each.collect::<Option<Vec<_>>>()?.into_iter().fold(1, u128::saturating_mul);
    Some(elements.saturating_mul(bytes_each(fact) as u128))
}

fn bytes_each(fact: &InferenceFact) -> usize {
    fact.datum_type.concretize().map_or(4, |datum| datum.size_of())
}

/// Refuses a tensor with a negative or too large number of elements of `bytes_each`.
fn check_dimensions(
    name: &str,
    bytes_each: usize,
    dimensions: impl Iterator<Item = i64>,
) -> Result<(), Fault> {
    let mut bytes = bytes_each as u128;
    for dimension in dimensions {
        let dimension = u128::try_from(dimension)
            .map_err(|_| not_onnx_error(&format!("the tensor {name} has a negative dimension")))?;
        bytes = bytes.saturating_mul(dimension);
    }
    if bytes > MOST_BYTES as u128 {
        return Err(too_large_error(&format!("the tensor {name}"), bytes, MOST_BYTES));
    }
    Ok(())
}
