//! Networks from ONNX files: small ones, written here number by number, compared with plain sums in 64 bits; and
//! files that are no network, damaged or hostile.

use tallycam::base::Fault;
use tallycam::vision::onnx::{Network, TensorLayout};

use crate::protobuf::{bytes, number, text};

/// Layers of a small network.
#[derive(Clone, Copy)]
enum Layer {
    /// Output channels, side of the kernel, stride; true for a separate kernel per channel.
    Convolution { channels: usize, side: usize, stride: usize, depthwise: bool },
    /// Limited to 0–6.
    Clip,
    /// Multiplied by its own logistic.
    Silu,
    /// The maximum of a square window around each.
    MaxPool { side: usize },
    /// Twice as large: every number four times.
    Repeat,
    /// To bytes and back.
    Quantise,
}

use Layer::{Clip, Convolution, MaxPool, Quantise, Repeat, Silu};

const fn dense(channels: usize, side: usize, stride: usize) -> Layer {
    Convolution { channels, side, stride, depthwise: false }
}

const fn depthwise(channels: usize, side: usize, stride: usize) -> Layer {
    Convolution { channels, side, stride, depthwise: true }
}

/// Reproducible numbers between −1 and 1.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    let mut state = seed as u32 ^ 0x9e37_79b9;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Eleven bits: 16-bit floats hold them without loss.
        (state >> 21) as f32 / 1024.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

// ---- the messages of onnx.proto ----

const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT64: i64 = 7;
const FLOAT16: i64 = 10;

fn tensor(name: &str, kind: i64, dims: &[i64], raw: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim)).collect();
    out.extend(number(2, kind));
    out.extend(text(8, name));
    out.extend(bytes(9, raw));
    out
}

fn floats(name: &str, dims: &[i64], values: &[f32], half: bool) -> Vec<u8> {
    if half {
        let raw: Vec<u8> = values.iter().flat_map(|&value| half_bits(value).to_le_bytes()).collect();
        tensor(name, FLOAT16, dims, &raw)
    } else {
        let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensor(name, FLOAT, dims, &raw)
    }
}

/// The bits of a number as a 16-bit float, which must hold it exactly (sign, at most eleven bits, not too small).
fn half_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if bits << 1 == 0 {
        return (bits >> 16) as u16;
    }
    let exponent = (bits >> 23 & 0xff) as i32 - 127 + 15;
    assert!((1..31).contains(&exponent) && bits & 0x1fff == 0, "{value} is no 16-bit float");
    (bits >> 16 & 0x8000) as u16 | (exponent as u16) << 10 | (bits >> 13 & 0x3ff) as u16
}

fn integers(name: &str, values: &[i64]) -> Vec<u8> {
    let mut out = text(1, name);
    out.extend(values.iter().flat_map(|&value| number(8, value)));
    out.extend(number(20, 7));
    out
}

fn word(name: &str, value: &str) -> Vec<u8> {
    [text(1, name), text(4, value), number(20, 3)].concat()
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    out.extend(text(2, output));
    out.extend(text(3, &format!("make {output}")));
    out.extend(text(4, operator));
    out.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    out
}

/// 0 is a dimension that the file leaves open.
fn value(name: &str, kind: i64, dims: &[i64]) -> Vec<u8> {
    let shape: Vec<u8> = dims
        .iter()
        .flat_map(|&dim| bytes(1, &if dim == 0 { text(2, "some") } else { number(1, dim) }))
        .collect();
    let tensor = [number(1, kind), bytes(2, &shape)].concat();
    [text(1, name), bytes(2, &bytes(1, &tensor))].concat()
}

#[derive(Default)]
struct File {
    nodes: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
    /// Intermediate shapes, which are valid for one size only.
    on_the_way: Vec<Vec<u8>>,
}

impl File {
    fn build(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        let parts = [
            (1, &self.nodes),
            (5, &self.tensors),
            (11, &self.inputs),
            (12, &self.outputs),
            (13, &self.on_the_way),
        ];
        for (field, parts) in parts {
            graph.extend(parts.iter().flat_map(|part| bytes(field, part)));
        }
        [number(1, 8), bytes(7, &graph), bytes(8, &number(2, 13))].concat()
    }
}

/// A network of these layers for pictures of 3 × `height` × `width`.
fn file(layers: &[Layer], height: i64, width: i64, half: bool) -> File {
    let mut file = File {
        inputs: vec![value("picture", FLOAT, &[1, 3, height, width])],
        tensors: vec![
            floats("zero", &[], &[0.0], false),
            floats("six", &[], &[6.0], false),
            floats("scales", &[4], &[1.0, 1.0, 2.0, 2.0], false),
            floats("step", &[], &[0.0625], false),
            tensor("middle", UINT8, &[], &[128]),
        ],
        ..File::default()
    };
    let (mut before, mut channels) = ("picture".to_owned(), 3);
    for (at, &layer) in layers.iter().enumerate() {
        let output = if at + 1 == layers.len() { "end".to_owned() } else { format!("v{at}") };
        match layer {
            Convolution { channels: made, side, stride, depthwise } => {
                let taken = if depthwise { 1 } else { channels };
                let (weights, bias) = weights_of(at, made, taken * side * side);
                let dims = [made, taken, side, side].map(|dim| dim as i64);
                let (w, b) = (format!("w{at}"), format!("b{at}"));
                file.tensors.push(floats(&w, &dims, &weights, half));
                file.tensors.push(floats(&b, &dims[..1], &bias, half));
                let (side, stride) = (side as i64, stride as i64);
                let attributes = [
                    integers("kernel_shape", &[side, side]),
                    integers("strides", &[stride, stride]),
                    integers("pads", &[side / 2; 4]),
                    [text(1, "group"), number(3, if depthwise { made as i64 } else { 1 }), number(20, 2)]
                        .concat(),
                ];
                file.nodes.push(node("Conv", &[&before, &w, &b], &output, &attributes));
                channels = made;
            }
            Clip => file.nodes.push(node("Clip", &[&before, "zero", "six"], &output, &[])),
            Silu => {
                let logistic = format!("l{at}");
                file.nodes.push(node("Sigmoid", &[&before], &logistic, &[]));
                file.nodes.push(node("Mul", &[&before, &logistic], &output, &[]));
            }
            MaxPool { side } => {
                let side = side as i64;
                let attributes = [integers("kernel_shape", &[side, side]), integers("pads", &[side / 2; 4])];
                file.nodes.push(node("MaxPool", &[&before], &output, &attributes));
            }
            Repeat => {
                let attributes = [
                    word("coordinate_transformation_mode", "asymmetric"),
                    word("mode", "nearest"),
                    word("nearest_mode", "floor"),
                ];
                file.nodes.push(node("Resize", &[&before, "", "scales"], &output, &attributes));
            }
            Quantise => {
                let small = format!("q{at}");
                file.nodes.push(node("QuantizeLinear", &[&before, "step", "middle"], &small, &[]));
                file.nodes.push(node("DequantizeLinear", &[&small, "step", "middle"], &output, &[]));
            }
        }
        before = output;
    }
    file.outputs.push(value("end", FLOAT, &[1, channels as i64, 7, 7]));
    file.on_the_way.push(value("v0", FLOAT, &[1, 99, 5, 5]));
    file
}

fn weights_of(at: usize, made: usize, taps: usize) -> (Vec<f32>, Vec<f32>) {
    (numbers(at, made * taps), numbers(at + 100, made))
}

/// Computes the same layers one sum at a time; the shape is channels, rows, columns.
fn plainly(
    layers: &[Layer],
    picture: &[f32],
    height: usize,
    width: usize,
) -> (usize, usize, usize, Vec<f64>) {
    let (mut c, mut h, mut w) = (3, height, width);
    let mut values: Vec<f64> = picture.iter().map(|&value| f64::from(value)).collect();
    for (at, &layer) in layers.iter().enumerate() {
        match layer {
            Convolution { channels, side, stride, depthwise } => {
                let taken = if depthwise { 1 } else { c };
                let (weights, bias) = weights_of(at, channels, taken * side * side);
                let (oh, ow) = (h.div_ceil(stride), w.div_ceil(stride));
                let mut made = Vec::with_capacity(channels * oh * ow);
                for out in 0..channels {
                    for place in 0..oh * ow {
                        let (y, x) = (place / ow * stride, place % ow * stride);
                        let mut sum = f64::from(bias[out]);
                        for tap in 0..taken * side * side {
                            let from = if depthwise { out } else { tap / (side * side) };
                            let row = (y + tap / side % side).checked_sub(side / 2).filter(|&row| row < h);
                            let column = (x + tap % side).checked_sub(side / 2).filter(|&column| column < w);
                            if let (Some(row), Some(column)) = (row, column) {
                                let weight = weights[out * taken * side * side + tap];
                                sum += f64::from(weight) * values[(from * h + row) * w + column];
                            }
                        }
                        made.push(sum);
                    }
                }
                (c, h, w, values) = (channels, oh, ow, made);
            }
            Clip => values.iter_mut().for_each(|value| *value = value.clamp(0.0, 6.0)),
            Silu => values.iter_mut().for_each(|value| *value /= 1.0 + (-*value).exp()),
            MaxPool { side } => {
                let near =
                    |at: usize, most: usize| at.saturating_sub(side / 2)..(at + side / 2 + 1).min(most);
                values = (0..c * h * w)
                    .map(|place| {
                        let (plane, y, x) = (place / (h * w), place / w % h, place % w);
                        let window = near(y, h).flat_map(|row| near(x, w).map(move |column| (row, column)));
                        window.fold(f64::MIN, |most, (row, column)| {
                            most.max(values[(plane * h + row) * w + column])
                        })
                    })
                    .collect();
            }
            Repeat => {
                values = (0..c * h * w * 4)
                    .map(|place| {
                        let (plane, y, x) = (place / (4 * h * w), place / (2 * w) % (2 * h), place % (2 * w));
                        values[(plane * h + y / 2) * w + x / 2]
                    })
                    .collect();
                (h, w) = (2 * h, 2 * w);
            }
            Quantise => values
                .iter_mut()
                .for_each(|value| *value = ((*value * 16.0).round_ties_even()).clamp(-128.0, 127.0) / 16.0),
        }
    }
    (c, h, w, values)
}

fn assert_right(layers: &[Layer], height: usize, width: usize) {
    let onnx = file(layers, height as i64, width as i64, false).build();
    let mut network = Network::load(&onnx, None, 1).expect("a network");
    let picture = numbers(7, 3 * height * width);
    let (c, h, w, truth) = plainly(layers, &picture, height, width);
    assert_eq!(network.outputs()[0].name, "end");
    assert_eq!(network.outputs()[0].shape, [1, c, h, w]);
    let outputs = network.run(&picture).expect("a run");
    let given = outputs.named("end").expect("the output").values;
    let scale = truth.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    for (at, (&given, &truth)) in given.iter().zip(&truth).enumerate() {
        assert!((f64::from(given) - truth).abs() < 1e-5 * scale, "{at}: {given}, truly {truth}");
    }
}

/// A first layer and an expansion, each followed by a depthwise convolution.
const WIDE: &[Layer] = &[
    dense(16, 3, 1),
    Clip,
    depthwise(16, 3, 1),
    Clip,
    dense(18, 1, 1),
    Clip,
    depthwise(18, 3, 2),
    dense(5, 1, 1),
];

const YOLO: &[Layer] = &[
    dense(8, 3, 2),
    Silu,
    depthwise(8, 5, 1),
    Silu,
    MaxPool { side: 5 },
    dense(6, 1, 1),
    Silu,
    Repeat,
    depthwise(6, 3, 2),
    Clip,
    depthwise(6, 5, 2),
    dense(4, 1, 1),
];

#[test]
fn layers_give_plain_sums() {
    assert_right(WIDE, 121, 137);
    assert_right(YOLO, 37, 52);
    assert_right(YOLO, 130, 133);
    assert_right(&[dense(4, 3, 1), Quantise, Clip, depthwise(4, 7, 3), MaxPool { side: 3 }], 20, 9);
    assert_right(&[depthwise(3, 3, 1)], 2, 1);
}

#[test]
fn threads_change_no_bit() {
    for (layers, side) in [(WIDE, 128), (YOLO, 64)] {
        let onnx = file(layers, side, side, false).build();
        let picture = numbers(3, 3 * (side * side) as usize);
        let answer = |threads| {
            let mut network = Network::load(&onnx, None, threads).expect("a network");
            let bits = |network: &mut Network| -> Vec<u32> {
                let outputs = network.run(&picture).expect("a run");
                outputs.iter().flat_map(|output| output.values.iter().map(|value| value.to_bits())).collect()
            };
            let first = bits(&mut network);
            assert_eq!(first, bits(&mut network), "twice the same");
            first
        };
        let one = answer(1);
        assert_eq!(one, answer(2));
        assert_eq!(one, answer(3));
    }
}

#[test]
fn halves_are_widened_without_loss() {
    let picture = numbers(3, 3 * 48 * 40);
    let answer = |half| {
        let onnx = file(YOLO, 48, 40, half).build();
        let mut network = Network::load(&onnx, None, 1).expect("a network");
        network.run(&picture).expect("a run").get(0).expect("an output").values.to_vec()
    };
    assert_eq!(answer(true), answer(false));
}

#[test]
fn another_size_than_the_files_can_be_asked_for() {
    let onnx = file(YOLO, 64, 64, false).build();
    let network = Network::load(&onnx, Some((96, 32)), 1).expect("a network");
    let input = network.input();
    assert_eq!((input.width, input.height, input.layout), (96, 32, TensorLayout::Nchw));
    assert_eq!(input.name, "picture");
    assert_eq!(network.outputs()[0].shape, [1, 4, 8, 24]);
    // Open in the file: only with a size.
    let open = file(YOLO, 0, 0, false).build();
    assert!(says(&Network::load(&open, None, 1).unwrap_err(), "size of the picture open"));
    assert!(Network::load(&open, Some((32, 32)), 1).is_ok());
    for size in [(0, 32), (32, 1 << 20)] {
        assert!(says(&Network::load(&open, Some(size), 1).unwrap_err(), "one picture of three colours"));
    }
}

fn says(fault: &Fault, words: &str) -> bool {
    fault.to_string().contains(words)
}

#[test]
fn the_wrong_count_of_numbers_is_reported() {
    let onnx = file(YOLO, 32, 32, false).build();
    let mut network = Network::load(&onnx, None, 1).expect("a network");
    let error = network.run(&[0.0; 10]).expect_err("too few");
    assert_eq!(error.to_string(), "the network wants 3072 numbers and was given 10");
    assert!(network.run(&[0.0; 3072]).is_ok(), "the next picture may be tried");
}

#[test]
fn a_file_that_is_no_network_is_refused() {
    let load = |onnx: &[u8]| Network::load(onnx, None, 1).expect_err("no network");
    assert!(says(&load(b""), "this is no ONNX file"));
    assert!(says(&load(b"#!/bin/sh\necho no network\n"), "this is no ONNX file"));
    assert!(says(&load(&[0xff; 1000]), "this is no ONNX file"));

    let plain = || file(YOLO, 32, 32, false);
    let mut unknown = plain();
    unknown.nodes.push(node("Frobnicate", &["end"], "more", &[]));
    unknown.nodes.push(node("Grumble", &["end"], "most", &[]));
    let error = load(&unknown.build());
    assert!(says(&error, "not supported: Frobnicate, Grumble;"), "{error}");

    let mut two = plain();
    two.inputs.push(value("sound", FLOAT, &[1, 3, 32, 32]));
    assert!(says(&load(&two.build()), "one picture of three colours"));
    for dims in [&[1, 4, 32, 32][..], &[2, 3, 32, 32], &[3, 32], &[]] {
        let mut other = plain();
        other.inputs = vec![value("picture", FLOAT, dims)];
        assert!(says(&load(&other.build()), "one picture of three colours"), "{dims:?}");
    }
    let mut whole = plain();
    whole.inputs = vec![value("picture", INT64, &[1, 3, 32, 32])];
    assert!(says(&load(&whole.build()), "one picture of three colours"));

    let mut nothing = plain();
    nothing.outputs = vec![value("nowhere", FLOAT, &[1])];
    assert!(says(&load(&nothing.build()), "this is no ONNX file"));

    let mut large = plain();
    large.tensors.push(tensor("large", FLOAT, &[1 << 40, 1 << 40], &[0; 8]));
    assert!(says(&load(&large.build()), " is too large: "));
    // Not in the file, but computed from it before any picture is seen.
    let mut endless = plain();
    endless.tensors.push(tensor(
        "shape",
        INT64,
        &[3],
        &[1i64, 84, 2_000_000_000].map(i64::to_le_bytes).concat(),
    ));
    endless.nodes.push(node("ConstantOfShape", &["shape"], "zeros", &[]));
    endless.nodes.push(node("Add", &["zeros", "zeros"], "endless", &[]));
    endless.outputs.push(value("endless", FLOAT, &[1, 84, 2_000_000_000]));
    assert!(says(&load(&endless.build()), " is too large: "));
    // The same if nobody uses the result.
    endless.outputs.pop();
    endless.nodes.pop();
    endless.nodes.push(node("Sin", &["zeros"], "wave", &[]));
    assert!(!Network::load(&endless.build(), None, 1).is_err_and(|error| says(&error, " is too large: ")));
    // The engine takes eight bytes for each of these.
    let shape = |elements: i64| tensor("shape", INT64, &[1], &elements.to_le_bytes());
    let wide = |elements: i64, count: usize| {
        let mut wide = plain();
        wide.tensors.push(shape(elements));
        for at in 0..count {
            let name = format!("wide{at}");
            wide.nodes.push(node("ConstantOfShape", &["shape"], &name, &[]));
            wide.outputs.push(value(&name, FLOAT, &[elements]));
        }
        wide.build()
    };
    assert!(says(&load(&wide(40 << 20, 1)), " is too large: "));
    // Each alone is small enough, and all together are too large.
    assert!(says(&load(&wide(1 << 20, 40)), " is too large: "));
    Network::load(&wide(1 << 10, 4), None, 1).expect("small ones are loaded");
    // The result is smaller than the intermediate values.
    let mut steps = plain();
    steps.tensors.push(floats("column", &[1, 1, 1, 16_384], &[0.5; 16_384], false));
    steps.tensors.push(tensor("sizes", INT64, &[4], &[1i64, 1, 1_000_000, 1].map(i64::to_le_bytes).concat()));
    steps.nodes.push(node("Resize", &["column", "", "", "sizes"], "row", &[]));
    steps.outputs.push(value("row", FLOAT, &[1, 1, 1_000_000, 1]));
    assert!(says(&load(&steps.build()), " is too large: "));
    // The size of the result is unknown.
    let mut many = plain();
    many.tensors.push(shape(4 << 20));
    many.nodes.push(node("ConstantOfShape", &["shape"], "none", &[]));
    many.nodes.push(node("NonZero", &["none"], "places", &[]));
    many.outputs.push(value("places", INT64, &[1, 0]));
    assert!(says(&load(&many.build()), "not supported: NonZero;"));
    // Hidden in a subgraph.
    let branch = |name: &str| {
        let own = node("ConstantOfShape", &["shape"], name, &[]);
        let graph =
            [bytes(1, &own), text(2, name), bytes(12, &value(name, FLOAT, &[2_000_000_000]))].concat();
        [text(1, &format!("{name}_branch")), bytes(6, &graph), number(20, 5)].concat()
    };
    let mut hidden = plain();
    hidden.tensors.push(shape(2_000_000_000));
    hidden.tensors.push(tensor("is_so", 9, &[], &[1]));
    hidden.nodes.push(node("If", &["is_so"], "hidden", &[branch("then"), branch("else")]));
    hidden.outputs.push(value("hidden", FLOAT, &[2_000_000_000]));
    assert!(says(&load(&hidden.build()), "not supported: If;"));
    let mut negative = plain();
    negative.tensors.push(tensor("negative", FLOAT, &[-4], &[0; 8]));
    assert!(says(&load(&negative.build()), "this is no ONNX file"));
    let mut outside = plain();
    let place = [text(1, "location"), text(2, "weights.bin")].concat();
    outside.tensors.push([tensor("outside", FLOAT, &[4], &[]), bytes(13, &place)].concat());
    assert!(says(&load(&outside.build()), "its weights in another file (weights.bin)"));

    // The total is right, and its parts do not fit together.
    let mut short = plain();
    short.tensors.push(tensor("short", FLOAT, &[100], &[0; 8]));
    load(&short.build());
    let mut misfit = plain();
    misfit.nodes.push(node("Add", &["v0", "v7"], "misfit", &[]));
    misfit.outputs.push(value("misfit", FLOAT, &[1]));
    load(&misfit.build());
}

/// A file truncated anywhere, or with any bit flipped, gives an error or another network, never an escaping panic.
#[test]
fn damaged_files_give_errors_and_no_panics() {
    // The caught panics need no output.
    std::panic::set_hook(Box::new(|_| {}));
    let onnx = file(&[dense(4, 3, 2), Silu, depthwise(4, 3, 1), Clip, Repeat], 16, 16, false).build();
    assert!(Network::load(&onnx, None, 1).is_ok());
    for end in (0..onnx.len()).step_by(17) {
        assert!(Network::load(&onnx[..end], None, 1).is_err(), "cut off after {end}");
    }
    for (at, bit) in (0..onnx.len()).step_by(7).zip((0..8).cycle()) {
        let mut damaged = onnx.clone();
        damaged[at] ^= 1 << bit;
        if let Ok(mut network) = Network::load(&damaged, None, 1) {
            let picture = vec![0.5; network.input().len()];
            let _ = network.run(&picture);
        }
    }
    let _ = std::panic::take_hook();
}
