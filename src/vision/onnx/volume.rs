//! No tensor of a network is larger than is allowed: neither one that the file holds nor one that is computed of such,
//! which the engine does while it still finds out shapes. Memory that cannot be had would end the program.
//!
//! Lives on whichever thread loads a network.

use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid as _, InferenceFact};

use super::network::{NetworkError, not_onnx, too_large};

/// The most memory that any single tensor may ask for.
const MOST_BYTES: usize = 256 << 20;

/// What an operator is known to take, give, and be told of others beside.
type Facts = (TVec<InferenceFact>, TVec<InferenceFact>, TVec<InferenceFact>);

/// Every tensor of the file is in it, and no larger than is allowed.
pub fn check_file(graph: &pb::GraphProto) -> Result<(), NetworkError> {
    let constants =
        graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
    for tensor in graph.initializer.iter().chain(constants) {
        if let Some(place) = tensor.external_data.first() {
            return Err(NetworkError::ExternalWeights { location: place.value.clone() });
        }
        check_dimensions(&tensor.name, tensor.dims.iter().copied())?;
    }
    Ok(())
}

/// Every tensor whose shape is known is no larger than is allowed.
pub fn check(model: &InferenceModel) -> Result<(), NetworkError> {
    model
        .nodes()
        .iter()
        .try_for_each(|node| node.outputs.iter().try_for_each(|outlet| check_fact(&node.name, &outlet.fact)))
}

/// Goes through `model` in the order in which it is run and computes what needs no picture, each operator only when what
/// it will give is known to be no larger than is allowed. What is wrong otherwise is left for the engine to tell.
pub fn check_before_computing(model: &mut InferenceModel) -> Result<(), NetworkError> {
    for node in model.eval_order().unwrap_or_default() {
        let Ok(known) = facts_of(model, node) else { continue };
        let mut operator = model.node(node).op.clone();
        let Ok((_, gives, _)) = operator.infer_facts(refs(&known.0), refs(&known.1), refs(&known.2)) else {
            continue;
        };
        gives.iter().try_for_each(|fact| check_fact(&model.node(node).name, fact))?;
        let Ok((_, gives, _)) = operator.infer(refs(&known.0), refs(&known.1), refs(&known.2)) else {
            continue;
        };
        for (slot, (fact, before)) in gives.iter().zip(&known.1).enumerate() {
            if let Ok(fact) = before.unify(fact) {
                // The node is there, and so is what it gives.
                let _ = model.set_outlet_fact(OutletId::new(node, slot), fact);
            }
        }
    }
    Ok(())
}

fn facts_of(model: &InferenceModel, node: usize) -> TractResult<Facts> {
    let (takes, gives) = model.node_facts(node)?;
    let beside = model.node(node).op.observe_outlets(model, model.node(node))?;
    let beside = beside.into_iter().map(|outlet| model.outlet_fact(outlet).cloned());
    Ok((
        takes.into_iter().cloned().collect(),
        gives.into_iter().cloned().collect(),
        beside.collect::<TractResult<_>>()?,
    ))
}

fn refs(facts: &TVec<InferenceFact>) -> TVec<&InferenceFact> {
    facts.iter().collect()
}

fn check_fact(name: &str, fact: &InferenceFact) -> Result<(), NetworkError> {
    let Some(dimensions) = fact.shape.concretize() else { return Ok(()) };
    check_dimensions(name, dimensions.iter().map(|dimension| dimension.to_i64().unwrap_or(0)))
}

/// Refuses a tensor with negative or too many elements.
fn check_dimensions(name: &str, dimensions: impl Iterator<Item = i64>) -> Result<(), NetworkError> {
    let mut bytes = 4_u128;
    for dimension in dimensions {
        let dimension = u128::try_from(dimension)
            .map_err(|_| not_onnx(&format!("the tensor {name} has a negative dimension")))?;
        bytes = bytes.saturating_mul(dimension);
    }
    if bytes > MOST_BYTES as u128 {
        return Err(too_large(&format!("the tensor {name}"), bytes, MOST_BYTES));
    }
    Ok(())
}
