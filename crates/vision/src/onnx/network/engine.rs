//! The engine: `tract`, which loads and runs a network.

use std::time::Duration;

use tract_onnx::pb::{self, tensor_shape_proto::dimension, type_proto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::InferenceFact;

use super::error::not_onnx_error;
use super::{InputShape, Network, OnnxHeader, OutputShape, TensorLayout, unusable, volume};
use tallycam_base::{Fault, FaultKind};

/// Largest width and height of a network's input, in pixels.
const LONGEST_SIDE: u32 = 4096;

/// ONNX's numbers of the element types used here (onnx.proto, `TensorProto.DataType`).
mod element {
    pub(super) const FLOAT: i32 = 1;
    pub(super) const UINT8: i32 = 2;
    pub(super) const INT32: i32 = 6;
    pub(super) const INT64: i32 = 7;
    pub(super) const FLOAT16: i32 = 10;
}

/// A loaded network and the results of its last run.
pub(super) struct Engine {
    plan: Arc<TypedSimplePlan>,
    /// The element type that the file's first operator takes.
    takes: DatumType,
    /// The results of the last run.
    given: Vec<Tensor>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("takes", &self.takes).finish_non_exhaustive()
    }
}

impl Engine {
    /// True if it takes a colour as a byte, 0–255, rather than as a float.
    pub(super) fn takes_bytes(&self) -> bool {
        self.takes == u8::datum_type()
    }

    /// The numbers of the output `at` of the last run.
    pub(super) fn values(&self, at: usize) -> Option<&[f32]> {
        self.given.get(at)?.as_plain_ram()?.as_slice().ok()
    }

    /// Runs on the numbers of one image; see [`Network::run`].
    pub(super) fn run(
        &mut self,
        input: &InputShape,
        numbers: &[f32],
        outputs: &[OutputShape],
    ) -> Result<(), String> {
        self.compute(input, numbers, outputs).map_err(|error| format!("{error:#}"))
    }

    fn compute(&mut self, input: &InputShape, numbers: &[f32], outputs: &[OutputShape]) -> TractResult<()> {
        let picture = Tensor::from_shape(&input.dimensions(), numbers)?;
        let picture = if self.takes == f32::datum_type() {
            picture
        } else {
            // A network of bytes: values outside 0–255 saturate.
            let bytes: Vec<u8> = numbers.iter().map(|&value| value.round() as u8).collect();
            Tensor::from_shape(&input.dimensions(), &bytes)?
        };
        self.given.clear();
        for (value, expected) in self.plan.run(tvec!(picture.into()))?.into_iter().zip(outputs) {
            let tensor = value.into_tensor();
            let tensor = if tensor.datum_type() == f32::datum_type() {
                tensor
            } else {
                tensor.cast_to::<f32>()?.into_owned()
            };
            if tensor.shape() != expected.shape {
                let shape = tensor.shape();
                return Err(TractError::msg(format!("{} came out as {shape:?}", expected.name)));
            }
            self.given.push(tensor);
        }
        Ok(())
    }
}

/// Loads a network; see [`Network::load`].
pub(super) fn load(bytes: &[u8], size: Option<(u32, u32)>, threads: usize) -> Result<Network, Fault> {
    let onnx = tract_onnx::onnx();
    let mut file =
        onnx.proto_model_for_read(&mut &*bytes).map_err(|error| not_onnx_error(&format!("{error:#}")))?;
    let properties =
        std::mem::take(&mut file.metadata_props).into_iter().map(|of| (of.key, of.value)).collect();
    let origin = OnnxHeader { producer: file.producer_name.clone(), properties };
    let graph = file.graph.as_mut().ok_or_else(|| not_onnx_error("it holds no graph"))?;
    drop_absent_inputs(graph);
    check_operators(&onnx, graph)?;
    check_wires(graph)?;
    volume::check_file(graph)?;
    let input = match (find_input(graph, size), origin.size()) {
        // A file that accepts any size gets the one it was trained at.
        (Err(open), Some(trained)) if open.kind == FaultKind::Unknown => find_input(graph, Some(trained))?,
        (input, _) => input?,
    };
    let takes_size = fill_known_inputs(graph, &input)?;
    let is_quantised =
        graph.node.iter().any(|node| node.op_type.to_ascii_lowercase().ends_with("quantizelinear"));
    clear_inner_shapes(graph);
    widen_halves(graph);
    let takes = match element_type(&graph.input[0]) {
        Some(element::UINT8) => u8::datum_type(),
        _ => f32::datum_type(),
    };
    let names: Vec<String> = graph.output.iter().map(|output| output.name.clone()).collect();

    let failed = |error: TractError| unusable_network(size, &error);
    let fact = InferenceFact::dt_shape(takes, input.dimensions());
    let mut model =
        onnx.model_for_proto_model(&file).and_then(|model| model.with_input_fact(0, fact)).map_err(failed)?;
    drop(file);
    volume::analyse_model(&mut model, bytes.len(), failed)?;
    volume::check(&model)?;
    let model = model.into_typed().and_then(TypedModel::into_optimized).map_err(failed)?;
    let outputs = names
        .into_iter()
        .enumerate()
        .map(|(at, name)| {
            let fact = model.output_fact(at).map_err(failed)?;
            let shape = fact.shape.as_concrete().ok_or_else(|| {
                unusable(&format!("the size of its output {name} depends on what is in the picture"))
            })?;
            Ok(OutputShape { name, shape: shape.to_vec() })
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let options = RunOptions { executor: Some(executor(threads)), ..RunOptions::default() };
    let plan = TypedSimplePlan::new_with_options(model, &options).map_err(failed)?;
    let engine = Engine { plan, takes, given: Vec::new() };
    Ok(Network { engine, input, outputs, origin, is_quantised, takes_size, took: Duration::ZERO })
}

/// The threads that share the work of one image.
fn executor(threads: usize) -> multithread::Executor {
    match threads {
        0 | 1 => multithread::Executor::SingleThread,
        more => multithread::Executor::multithread_with_name(more, "network"),
    }
}

fn check_operators(onnx: &tract_onnx::Onnx, graph: &pb::GraphProto) -> Result<(), Fault> {
    // These operators hold graphs of their own that are not checked before they run, or outputs whose size is not
    // known beforehand.
    const OF_ANY_SIZE: [&str; 16] = [
        "Attention",
        "BlackmanWindow",
        "Compress",
        "ConstantLike",
        "DFT",
        "EyeLike",
        "GatherBlockQuantized",
        "GroupQueryAttention",
        "HammingWindow",
        "HannWindow",
        "MatMulNBits",
        "MelWeightMatrix",
        "MultiHeadAttention",
        "NonMaxSuppression",
        "NonZero",
        "STFT",
    ];
    let mut quantised: Vec<&str> = graph.node.iter().map(|node| &*node.op_type).collect();
    quantised.retain(|name| name.starts_with("QLinear") || ["QGemm", "QAttention"].contains(name));
    quantised.sort();
    quantised.dedup();
    if !quantised.is_empty() {
        let names = quantised.join(", ");
        return Err(Fault::wrong(format!(
            "the network is quantised in the form QOperator ({names}), which is not supported"
        ))
        .hint(
            "quantise it in the form QDQ (quant_format=QuantFormat.QDQ in onnxruntime), or take the model that it was \
             made of",
        ));
    }
    let has_own =
        |node: &pb::NodeProto| node.attribute.iter().any(|own| own.g.is_some() || !own.graphs.is_empty());
    let is_refused = |node: &&pb::NodeProto| {
        let is_known = onnx.op_register.0.contains_key(&node.op_type);
        !is_known || has_own(node) || OF_ANY_SIZE.contains(&node.op_type.as_str())
    };
    let mut names: Vec<String> =
        graph.node.iter().filter(is_refused).map(|node| node.op_type.clone()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { Ok(()) } else { Err(unknown_operators(&names)) }
}

/// Drops empty names from the end of an operator's inputs. In ONNX they mean an absent input; the engine counts them
/// for some operators, Conv among them.
fn drop_absent_inputs(graph: &mut pb::GraphProto) {
    for node in &mut graph.node {
        let present = node.input.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        node.input.truncate(present);
    }
}

/// Checks that every output has a producer: the engine takes that for granted.
fn check_wires(graph: &pb::GraphProto) -> Result<(), Fault> {
    if graph.output.is_empty() {
        return Err(not_onnx_error("it gives nothing"));
    }
    for output in &graph.output {
        let made = graph.node.iter().any(|node| node.output.contains(&output.name));
        if !made {
            return Err(not_onnx_error(&format!("no operator gives its output {:?}", output.name)));
        }
    }
    Ok(())
}

/// Finds the image input and leaves only that in `graph.input`: older files list their weights there too.
fn find_input(graph: &mut pb::GraphProto, size: Option<(u32, u32)>) -> Result<InputShape, Fault> {
    let (inputs, initializers) = (&mut graph.input, &graph.initializer);
    inputs.retain(|input| !initializers.iter().any(|tensor| tensor.name == input.name));
    let no_picture = |reason: String| {
        Fault::wrong(format!("the network does not take one picture of three colours: {reason}"))
    };
    let pictures: Vec<_> = inputs.iter().filter(|input| !is_known_input(&input.name)).collect();
    let [input] = pictures[..] else {
        let names: Vec<&str> = inputs.iter().map(|input| &*input.name).collect();
        let (count, names) = (names.len(), names.join(", "));
        return Err(no_picture(format!(
            "it takes {count} inputs ({names}); export it with the picture as its only one"
        )));
    };
    if !matches!(element_type(input), Some(element::FLOAT | element::FLOAT16 | element::UINT8)) {
        return Err(no_picture("its numbers are neither floats nor bytes".to_owned()));
    }
    // `None` for a dimension that the file leaves open.
    let dimensions: Vec<Option<i64>> = match tensor_shape(input) {
        Some(shape) => shape
            .dim
            .iter()
            .map(|dimension| match dimension.value {
                Some(dimension::Value::DimValue(value)) if value > 0 => Some(value),
                _ => None,
            })
            .collect(),
        None => return Err(no_picture("the file does not say what it takes".to_owned())),
    };
    let (layout, height, width) = match dimensions[..] {
        [None | Some(1), Some(3), height, width] => (TensorLayout::Nchw, height, width),
        [None | Some(1), height, width, Some(3)] => (TensorLayout::Nhwc, height, width),
        // All dimensions open, as in files of Transformers' exporter.
        [None | Some(1), None, height, width] => (TensorLayout::Nchw, height, width),
        _ => {
            let words: Vec<String> =
                dimensions.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
            return Err(no_picture(format!("it takes [{}]", words.join(", "))));
        }
    };
    let (width, height) = match (size, width, height) {
        (Some((width, height)), _, _) => (i64::from(width), i64::from(height)),
        (None, Some(width), Some(height)) => (width, height),
        _ => {
            let open = "the file leaves the size of the picture open: say which width and height to use";
            return Err(Fault::new(FaultKind::Unknown, open).hint(
                "with --size, for example --size 640x640; or put a .toml of its name beside the file that has width \
                 and height under [input]",
            ));
        }
    };
    let side = |pixels: i64| u32::try_from(pixels).ok().filter(|side| (1..=LONGEST_SIDE).contains(side));
    match (side(width), side(height)) {
        (Some(width), Some(height)) => Ok(InputShape { name: input.name.clone(), width, height, layout }),
        _ => Err(no_picture(format!("its sides are {width} and {height}: 1 to {LONGEST_SIDE} are allowed"))),
    }
}

/// Two numbers for the picture that the network takes.
type InputValues = fn(&InputShape) -> [f32; 2];

/// Inputs beside the picture, which become constants: names and values. Boxes come out in pixels of the network's
/// input.
const KNOWN_INPUTS: [(&str, InputValues); 5] = [
    ("orig_target_sizes", |input| [input.width as f32, input.height as f32]),
    ("orig_size", |input| [input.width as f32, input.height as f32]),
    ("im_shape", |input| [input.height as f32, input.width as f32]),
    ("image_shape", |input| [input.height as f32, input.width as f32]),
    ("scale_factor", |_| [1.0, 1.0]),
];

/// True if the input of this name has a known value.
fn is_known_input(name: &str) -> bool {
    KNOWN_INPUTS.iter().any(|(own, _)| *own == name)
}

/// Replaces all inputs but the picture by constants. Returns true if there were any.
///
/// # Errors
/// One has another form than two numbers.
fn fill_known_inputs(graph: &mut pb::GraphProto, picture: &InputShape) -> Result<bool, Fault> {
    let beside: Vec<pb::ValueInfoProto> =
        graph.input.extract_if(.., |input| input.name != picture.name).collect();
    for input in &beside {
        let wrong = || Fault::wrong(format!("the network's input {} is no row of two numbers", input.name));
        let (_, values) = KNOWN_INPUTS.iter().find(|(name, _)| *name == input.name).ok_or_else(wrong)?;
        let values = values(picture);
        let rank = tensor_shape(input).map_or(2, |shape| shape.dim.len());
        let dims = match rank {
            1 => vec![2],
            2 => vec![1, 2],
            _ => return Err(wrong()),
        };
        let (data_type, raw_data) = match element_type(input) {
            Some(element::INT64) => {
                (element::INT64, values.iter().flat_map(|value| (*value as i64).to_le_bytes()).collect())
            }
            Some(element::INT32) => {
                (element::INT32, values.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect())
            }
            // Halves are widened.
            Some(element::FLOAT | element::FLOAT16) => {
                (element::FLOAT, values.iter().flat_map(|value| value.to_le_bytes()).collect())
            }
            _ => return Err(wrong()),
        };
        let name = input.name.clone();
        graph.initializer.push(pb::TensorProto {
            name,
            dims,
            data_type,
            raw_data,
            ..pb::TensorProto::default()
        });
    }
    Ok(!beside.is_empty())
}

fn tensor_type(value: &pb::ValueInfoProto) -> Option<&type_proto::Tensor> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    Some(tensor)
}

fn tensor_shape(value: &pb::ValueInfoProto) -> Option<&pb::TensorShapeProto> {
    tensor_type(value)?.shape.as_ref()
}

fn element_type(value: &pb::ValueInfoProto) -> Option<i32> {
    tensor_type(value).map(|tensor| tensor.elem_type)
}

/// Forgets the file's intermediate shapes: they are true only for the file's own size.
fn clear_inner_shapes(graph: &mut pb::GraphProto) {
    graph.value_info.clear();
    for output in &mut graph.output {
        output.r#type = None;
    }
}

/// Widens all 16-bit floats to 32 bits: weights, constants, casts and the input.
fn widen_halves(graph: &mut pb::GraphProto) {
    for tensor in &mut graph.initializer {
        widen_to_f32(tensor);
    }
    for node in &mut graph.node {
        let is_cast = node.op_type == "Cast";
        for attribute in &mut node.attribute {
            if let Some(tensor) = &mut attribute.t {
                widen_to_f32(tensor);
            }
            if is_cast && attribute.name == "to" && attribute.i == i64::from(element::FLOAT16) {
                attribute.i = i64::from(element::FLOAT);
            }
        }
    }
    for input in &mut graph.input {
        if let Some(pb::TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) =
            &mut input.r#type
            && tensor.elem_type == element::FLOAT16
        {
            tensor.elem_type = element::FLOAT;
        }
    }
}

/// Widens one tensor of 16-bit floats. Its bits are in `raw_data` or, one to an element, in `int32_data`.
fn widen_to_f32(tensor: &mut pb::TensorProto) {
    if tensor.data_type != element::FLOAT16 {
        return;
    }
    let wide = |bits: u16| f16::from_bits(bits).to_f32().to_le_bytes();
    tensor.raw_data = if tensor.raw_data.is_empty() {
        tensor.int32_data.drain(..).flat_map(|bits| wide(bits as u16)).collect()
    } else {
        tensor.raw_data.chunks_exact(2).flat_map(|two| wide(u16::from_le_bytes([two[0], two[1]]))).collect()
    };
    tensor.data_type = element::FLOAT;
}

fn unusable_network(size: Option<(u32, u32)>, error: &TractError) -> Fault {
    let reason = format!("{error:#}");
    match size {
        Some((width, height)) => {
            Fault::wrong(format!("the network cannot look at pictures of {width}×{height}: {reason}"))
        }
        None => unusable(&reason),
    }
}

fn unknown_operators(names: &[String]) -> Fault {
    Fault::wrong(format!(
        "the network uses operators that are not supported: {}; export it with plain ONNX operators (opset 9 to 18), \
         without quantisation and without NMS inside",
        names.join(", ")
    ))
}
