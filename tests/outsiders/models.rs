//! Models of other makers: small networks whose output is the same for every picture, in the forms of the usual
//! exporters. Each reports an object from (25 %, 18.75 %) to (37.5 %, 56.25 %) of a square picture.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::protobuf::{bytes, number, text};
use crate::row;

// ---- the messages of onnx.proto ----

const FLOAT: i64 = 1;
const INT8: i64 = 3;
const INT64: i64 = 7;

fn typed_tensor(name: &str, dims: &[usize], element: i64, raw: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim as i64)).collect();
    out.extend([number(2, element), text(8, name), bytes(9, raw)].concat());
    out
}

fn tensor(name: &str, dims: &[usize], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    typed_tensor(name, dims, FLOAT, &raw)
}

fn typed_value(name: &str, dims: &[usize], element: i64) -> Vec<u8> {
    let shape: Vec<u8> = dims.iter().flat_map(|&dim| bytes(1, &number(1, dim as i64))).collect();
    [text(1, name), bytes(2, &bytes(1, &[number(1, element), bytes(2, &shape)].concat()))].concat()
}

fn value(name: &str, dims: &[usize]) -> Vec<u8> {
    typed_value(name, dims, FLOAT)
}

fn integer(name: &str, value: i64) -> Vec<u8> {
    [text(1, name), number(3, value), number(20, 2)].concat()
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut out: Vec<u8> = inputs.iter().flat_map(|input| text(1, input)).collect();
    out.extend([text(2, output), text(3, output), text(4, operator)].concat());
    out.extend(attributes.iter().flat_map(|attribute| bytes(5, attribute)));
    out
}

/// Side in pixels of the input of all these networks.
const SIDE: usize = 128;

/// A network with these outputs.
#[derive(Default, Clone)]
struct Onnx {
    producer: &'static str,
    metadata: Vec<(&'static str, &'static str)>,
    outputs: Vec<(&'static str, Vec<usize>, Vec<f32>)>,
    /// The picture is enlarged first, in this way.
    enlarged: Option<&'static str>,
    /// A second input of two numbers. Boxes are multiplied by `orig_target_sizes`.
    beside: Option<&'static str>,
}

impl Onnx {
    fn says(mut self, key: &'static str, value: &'static str) -> Onnx {
        self.metadata.push((key, value));
        self
    }

    /// An output of these dimensions, filled with `fill` except at `places`.
    fn gives(mut self, name: &'static str, dims: &[usize], fill: f32, places: &[(usize, f32)]) -> Onnx {
        let mut values = vec![fill; dims.iter().product()];
        for &(at, value) in places {
            values[at] = value;
        }
        self.outputs.push((name, dims.to_vec(), values));
        self
    }

    /// [1, rows, columns] with one row that is not `fill`.
    fn row(self, name: &'static str, [rows, columns]: [usize; 2], fill: f32, at: usize, row: &[f32]) -> Onnx {
        let places: Vec<(usize, f32)> =
            row.iter().enumerate().map(|(place, &value)| (at * columns + place, value)).collect();
        self.gives(name, &[1, rows, columns], fill, &places)
    }

    /// [1, columns, rows] with one column that is not `fill`.
    fn turned(self, name: &'static str, [columns, rows]: [usize; 2], fill: f32, row: &[f32]) -> Onnx {
        let places: Vec<(usize, f32)> =
            row.iter().enumerate().map(|(place, &value)| (place * rows + 20, value)).collect();
        self.gives(name, &[1, columns, rows], fill, &places)
    }

    fn encoded(&self) -> Vec<u8> {
        let ints = |name: &str, values: &[i64]| {
            let values: Vec<u8> = values.iter().flat_map(|&value| number(8, value)).collect();
            [text(1, name), values, number(20, 7)].concat()
        };
        let word = |name: &str, value: &str| [text(1, name), text(4, value), number(20, 3)].concat();
        let keep = integer("keepdims", 0);
        let mut graph = text(2, "outsider");
        let mut picture = "images";
        graph.extend(bytes(5, &tensor("zero", &[1], &[0.0])));
        if let Some(place) = self.enlarged {
            let attributes = [word("mode", "linear"), word("coordinate_transformation_mode", place)];
            graph.extend(bytes(5, &tensor("scales", &[4], &[1.0, 1.0, 2.0, 2.0])));
            graph.extend(bytes(1, &node("Resize", &["images", "", "scales"], "large", &attributes)));
            picture = "large";
        }
        graph.extend(bytes(1, &node("ReduceMean", &[picture], "mean", &[ints("axes", &[1, 2, 3]), keep])));
        graph.extend(bytes(1, &node("Mul", &["mean", "zero"], "nothing", &[])));
        for (name, dims, values) in &self.outputs {
            let constant = format!("{name} values");
            graph.extend(bytes(5, &tensor(&constant, dims, values)));
            let is_scaled = self.beside == Some("orig_target_sizes") && *name == "boxes";
            let sum = if is_scaled { "shares" } else { name };
            graph.extend(bytes(1, &node("Add", &["nothing", &constant], sum, &[])));
            if is_scaled {
                let sizes = ["sizes", "sizes"];
                graph.extend(bytes(
                    1,
                    &node("Cast", &["orig_target_sizes"], "sizes", &[integer("to", FLOAT)]),
                ));
                graph.extend(bytes(1, &node("Concat", &sizes, "corners", &[integer("axis", 1)])));
                graph.extend(bytes(1, &node("Mul", &["shares", "corners"], name, &[])));
            }
            graph.extend(bytes(12, &value(name, dims)));
        }
        graph.extend(bytes(11, &value("images", &[1, 3, SIDE, SIDE])));
        if let Some(name) = self.beside {
            let element = if name == "orig_target_sizes" { INT64 } else { FLOAT };
            graph.extend(bytes(11, &typed_value(name, &[1, 2], element)));
        }
        let mut model =
            [number(1, 8), text(2, self.producer), bytes(7, &graph), bytes(8, &number(2, 13))].concat();
        for (key, value) in &self.metadata {
            model.extend(bytes(14, &[text(1, key), text(2, value)].concat()));
        }
        model
    }
}

/// Result of `tallycam model` for `file`: the detected box or the refusal, and whether adding it wrote a description.
fn outcome(file: &[u8]) -> String {
    outcome_of(file, None)
}

/// The same with a description beside it.
fn outcome_of(file: &[u8], description: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("brought.onnx"), file).unwrap();
    if let Some(description) = description {
        std::fs::write(folder.path().join("brought.toml"), description).unwrap();
    }
    // By a name without folders, because the output contains it.
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outsiders/data/square.jpg");
    std::fs::copy(picture, folder.path().join("square.jpg")).unwrap();
    let run = |words: &[&str]| {
        let mut command_line = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TALLYCAM_") {
                command_line.env_remove(name);
            }
        }
        command_line.arg("model").args(words).arg("--json");
        command_line.current_dir(folder.path()).stdin(Stdio::null()).env_remove("STATE_DIRECTORY");
        command_line.output().unwrap()
    };
    let brought = ["brought.onnx", "--picture", "square.jpg"];
    let checked = run(&[&["check"][..], &brought].concat());
    let added = run(&[&["add"][..], &brought].concat()).status.success();
    assert_eq!(checked.status.success(), added, "only a good model is added");
    if !added {
        assert!(!folder.path().join("data/models/brought.onnx").exists());
        let said = String::from_utf8(checked.stderr).unwrap();
        let mut lines = said.lines();
        let why = lines.next().unwrap().strip_prefix("tallycam: ").unwrap();
        let hint = lines.next().map_or("", |line| line.strip_prefix("hint: ").unwrap_or(line));
        return format!("refused: {why} ({hint})");
    }
    let found: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let seen = found["seen"].as_array().unwrap();
    let mut says: Vec<String> = seen.iter().map(place).collect();
    if says.is_empty() {
        says.push(String::from("sees nothing"));
    }
    let listed: Value = serde_json::from_slice(&run(&["list"]).stdout).unwrap();
    let kept = listed["items"].as_array().unwrap().iter().find(|model| model["name"] == "brought").unwrap();
    assert_eq!(kept["notes"], found["notes"], "the guess is the same later");
    let notes = found["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned());
    says.extend(notes);
    says.join("; ")
}

fn place(seen: &Value) -> String {
    let class = seen["class"].as_str().unwrap();
    let sides: Vec<f64> = seen["box"].as_array().unwrap().iter().map(|side| side.as_f64().unwrap()).collect();
    let is_right =
        sides.iter().zip([0.25, 0.1875, 0.375, 0.5625]).all(|(found, right)| (found - right).abs() < 0.01);
    if is_right { format!("sees the {class}") } else { format!("sees {class} at {sides:.2?}") }
}

/// As centre and size, and as corners, in pixels and in fractions.
const CENTRE: [f32; 4] = [40.0, 48.0, 16.0, 48.0];
const CORNERS: [f32; 4] = [32.0, 24.0, 48.0, 72.0];
const CENTRE_SHARE: [f32; 4] = [0.3125, 0.375, 0.125, 0.375];
const CORNERS_SHARE: [f32; 4] = [0.25, 0.1875, 0.375, 0.5625];

fn with(bounds: [f32; 4], more: &[f32]) -> Vec<f32> {
    [&bounds[..], more].concat()
}

/// A row of the table: the outcome begins with `begins` and is written there.
#[track_caller]
fn check(sample: &str, onnx: &Onnx, begins: &str) {
    let now = outcome(&onnx.encoded());
    assert!(now.starts_with(begins), "{sample}: {now}");
    row("Models", sample, &now);
}

fn onnx() -> Onnx {
    Onnx { producer: "pytorch", ..Onnx::default() }
}

#[test]
fn class_names_come_from_the_file() {
    let one = |onnx: Onnx| onnx.turned("output0", [5, 336], 0.0, &with(CENTRE, &[0.9]));
    check(
        "YOLO11, names = {0: 'helmet'}",
        &one(onnx().says("names", "{0: 'helmet'}").says("task", "detect")),
        "sees the helmet",
    );
    let three = |onnx: Onnx| onnx.turned("output0", [7, 336], 0.0, &with(CENTRE, &[0.0, 0.9, 0.0]));
    let names = "{0: 'adult', 1: \"child's\", 2: 'pram'}";
    check("YOLO11, three names", &three(onnx().says("names", names)), "sees the child's");
    check(
        "YOLO11, names as a JSON list",
        &three(onnx().says("names", r#"["adult", "child", "pram"]"#)),
        "sees the child",
    );
    check(
        "id2label of Transformers",
        &three(onnx().says("id2label", r#"{"0": "adult", "1": "child", "2": "pram"}"#)),
        "sees the child",
    );
    check(
        "dataset_meta of MMDetection",
        &three(
            onnx()
                .says("dataset_meta", "{'classes': ('adult', 'child', 'pram'), 'palette': [(220, 20, 60)]}"),
        ),
        "sees the child",
    );
    check(
        "YOLO11, one class without a name",
        &one(onnx()),
        "sees the person; that its one class is person is guessed",
    );
    check(
        "YOLO11, three names for two classes",
        &onnx().says("names", names).turned("output0", [6, 336], 0.0, &with(CENTRE, &[0.9])),
        "refused: the model tells 2 classes apart, and its file names 3",
    );
    let logits = onnx().says("names", names).turned("output0", [84, 336], -6.0, &with(CENTRE, &[3.0]));
    check(
        "YOLO11, three names for 80 classes",
        &logits,
        "sees the person; the file names 3 classes, which its outputs do not have; the names of its 80 classes",
    );
    check(
        "YOLO11, three classes without names",
        &three(onnx()),
        "refused: the model tells 3 classes apart, and their names are not known",
    );
}

#[test]
fn the_format_of_yolo_rows_is_recognised() {
    let person = |count: usize| [&[0.9][..], &vec![0.0; count - 1]].concat();
    let v8 = |rows, bounds| onnx().turned("output0", [84, rows], 0.0, &with(bounds, &person(80)));
    check(
        "YOLOv8, 80 classes without names",
        &v8(336, CENTRE),
        "sees the person; the names of its 80 classes are guessed",
    );
    check("YOLOv8-P2", &v8(1360, CENTRE), "sees the person");
    check("YOLOv8-P6", &v8(340, CENTRE), "sees the person");
    check("YOLOv8, boxes in fractions", &v8(336, CENTRE_SHARE), "sees the person");
    check("YOLOv8, boxes as corners", &v8(336, CORNERS), "sees the person");
    let logits = onnx().turned("output0", [84, 336], -6.0, &with(CENTRE, &[3.0]));
    check("YOLOv8, logits for scores", &logits, "sees the person");
    let v5 = onnx().row("output", [1008, 85], 0.0, 20, &with(CENTRE, &[0.95, 0.9]));
    check("YOLOv5", &v5, "sees the person");
    let maps = [("a", 16), ("b", 8), ("c", 4)];
    let raw =
        maps.into_iter().fold(v5, |onnx, (name, side)| onnx.gives(name, &[1, 3, side, side, 85], 0.0, &[]));
    check("YOLOv5 or v7 with its raw maps behind", &raw, "sees the person");
    let mut v6 = onnx().row("outputs", [336, 85], 0.0, 200, &with(CENTRE, &[1.0, 0.9]));
    v6.outputs[0].2.chunks_mut(85).for_each(|row| row[4] = 1.0);
    check("YOLOv6", &v6, "sees the person");
    let yolox = |row: &[f32]| onnx().row("output", [336, 85], 0.0, 101, row);
    check("YOLOX", &yolox(&[0.0, 0.0, 2.0_f32.ln(), 6.0_f32.ln(), 0.95, 0.9]), "sees the person");
    check("YOLOX with --decode_in_inference", &yolox(&with(CENTRE, &[0.95, 0.9])), "sees the person");
}

#[test]
fn the_format_of_separate_boxes_and_scores_is_recognised() {
    let nas = onnx().row("boxes", [336, 4], 0.0, 7, &CORNERS).row("scores", [336, 80], 0.0, 7, &[0.9]);
    check("YOLO-NAS", &nas, "sees the person");
    let queries = |onnx: Onnx| onnx.row("pred_boxes", [300, 4], 0.0, 7, &CENTRE_SHARE);
    check(
        "RT-DETR of Transformers",
        &queries(onnx().row("logits", [300, 80], -6.0, 7, &[3.0])),
        "sees the person",
    );
    let four = onnx().says("id2label", "{0: 'a', 1: 'b', 2: 'c', 3: 'd'}").row(
        "logits",
        [300, 4],
        -6.0,
        7,
        &[-6.0, 3.0],
    );
    check("RT-DETR of Transformers, four classes", &queries(four), "sees the b");
    let mut nothing = onnx().row("logits", [100, 92], 0.0, 7, &[0.0, 9.0]);
    for (at, row) in nothing.outputs[0].2.chunks_mut(92).enumerate() {
        row[91] = if at == 7 { 0.0 } else { 9.0 };
    }
    check("DETR", &nothing.row("pred_boxes", [100, 4], 0.0, 7, &CENTRE_SHARE), "sees the person");
    let rf =
        onnx().row("dets", [300, 4], 0.0, 7, &CENTRE_SHARE).row("labels", [300, 91], -6.0, 7, &[-6.0, 3.0]);
    check("RF-DETR", &rf, "sees the person");
    let own = |onnx: Onnx, row: &[f32]| {
        onnx.says("names", "['a', 'b']").row("dets", [300, 4], 0.0, 7, &CENTRE_SHARE).row(
            "labels",
            [300, 3],
            -6.0,
            7,
            row,
        )
    };
    check("RF-DETR, two classes from 0 on", &own(onnx(), &[-6.0, 3.0]), "sees the b");
    check("RF-DETR, two classes from 1 on", &own(onnx(), &[-6.0, -6.0, 3.0]), "sees the b");
    let hidden = onnx().row("logits", [300, 80], -6.0, 7, &[3.0]);
    let hidden = queries(hidden).gives("last_hidden_state", &[1, 300, 256], 0.5, &[(0, -3.0)]);
    check("RT-DETR of Transformers with its hidden state", &hidden, "sees the person");
    let apart: Vec<(usize, f32)> =
        CORNERS_SHARE.into_iter().enumerate().map(|(at, side)| (28 + at, side)).collect();
    let v4 = onnx().gives("boxes", &[1, 336, 1, 4], 0.0, &apart).row("confs", [336, 80], 0.0, 7, &[0.9]);
    check("YOLOv4 in PyTorch, boxes [1, n, 1, 4]", &v4, "sees the person");
    let two = onnx().row("boxes", [336, 4], 0.0, 7, &CORNERS).row("scores", [336, 2], 0.0, 7, &[0.9]);
    check("Boxes and two scores, without names", &two, "refused: the model tells 2 classes apart");
    let mut named =
        onnx().says("names", "['BACKGROUND', 'a', 'b']").row("boxes", [300, 4], 0.0, 7, &CORNERS_SHARE);
    named = named.row("scores", [300, 3], 0.0, 7, &[0.0, 0.9, 0.1]);
    named.outputs[1].2.chunks_mut(3).filter(|row| row[1] == 0.0).for_each(|row| row[0] = 1.0);
    check("SSD in PyTorch, the background among its names", &named, "sees the a");
    let mut ssd = onnx().row("scores", [300, 21], 0.0, 7, &[0.0; 21]);
    ssd.outputs[0].2.chunks_mut(21).for_each(|row| row[0] = 1.0);
    ssd.outputs[0].2[7 * 21] = 0.1;
    ssd.outputs[0].2[7 * 21 + 15] = 0.9;
    check(
        "SSD in PyTorch, background first",
        &ssd.row("boxes", [300, 4], 0.0, 7, &CORNERS_SHARE),
        "sees the person",
    );
    let ultralytics = onnx().row("output0", [300, 84], 0.0, 7, &with(CENTRE_SHARE, &[0.9]));
    check("RT-DETR of Ultralytics", &ultralytics, "sees the person");
    let two = onnx().says("names", "{0: 'a', 1: 'b'}").row(
        "output0",
        [300, 6],
        0.0,
        7,
        &with(CENTRE_SHARE, &[0.9]),
    );
    check("RT-DETR of Ultralytics, two classes", &two, "sees the a");
    let mut caffe = onnx().row("mbox_conf", [300, 21], 0.0, 7, &[]);
    caffe.outputs[0].2.chunks_mut(21).for_each(|row| row[0] = 5.0);
    caffe.outputs[0].2[7 * 21 + 15] = 12.0;
    caffe.outputs[0].2[7 * 21 + 1] = -1.0;
    let caffe = caffe.row("mbox_loc", [300, 4], 0.0, 7, &CORNERS_SHARE);
    check("SSD, logits with the background first", &caffe, "sees the person");
    let [left, top, right, bottom] = CORNERS_SHARE;
    let tensorflow = Onnx { producer: "tf2onnx", ..onnx() }
        .row("raw_detection_boxes", [1917, 4], 0.0, 7, &[top, left, bottom, right])
        .row("raw_detection_scores", [1917, 90], 0.0, 7, &[0.9]);
    check("SSD in TensorFlow, y before x", &tensorflow, "sees the person");
}

#[test]
fn final_boxes_need_names() {
    let names = |onnx: Onnx| onnx.says("names", "{0: 'car', 1: 'person'}");
    let six = |onnx: Onnx| onnx.row("output0", [300, 6], 0.0, 0, &with(CORNERS, &[0.9, 1.0]));
    check("YOLOv10 or YOLO26, names in the file", &six(names(onnx())), "sees the person");
    check(
        "YOLOv10 without names",
        &six(onnx()),
        "refused: the model does not say which classes it tells apart",
    );
    let mmdet = names(onnx()).row("dets", [100, 5], 0.0, 0, &with(CORNERS, &[0.9]));
    check(
        "MMDetection, boxes with scores and labels",
        &mmdet.gives("labels", &[1, 100], 0.0, &[(0, 1.0)]),
        "sees the person",
    );
    let first = names(onnx()).gives("labels", &[1, 100], 0.0, &[(0, 1.0)]);
    check(
        "MMDetection, labels first",
        &first.row("dets", [100, 5], 0.0, 0, &with(CORNERS, &[0.9])),
        "sees the person",
    );
    let masks = names(onnx())
        .row("dets", [100, 5], 0.0, 0, &with(CORNERS, &[0.9]))
        .gives("labels", &[1, 100], 0.0, &[(0, 1.0)])
        .gives("masks", &[1, 100, 28, 28], 0.0, &[]);
    check("MMDetection with masks (Mask R-CNN)", &masks, "sees the person");
    let filled = names(onnx()).row("output0", [300, 6], -1.0, 0, &with(CORNERS, &[0.9, 1.0]));
    check("YOLOv10, filled up with rows of -1", &filled, "sees the person");
    let seven = [&[0.0][..], &CORNERS, &[1.0, 0.9]].concat();
    check(
        "YOLOv7 with NMS inside, [n, 7]",
        &names(onnx()).row("output", [20, 7], 0.0, 0, &seven),
        "sees the person",
    );
    let openvino = [&[0.0, 1.0, 0.9][..], &CORNERS_SHARE].concat();
    check(
        "OpenVINO's [1, 1, n, 7]",
        &names(onnx()).row("output", [20, 7], 0.0, 0, &openvino),
        "sees the person",
    );
    let paddle = [&[1.0, 0.9][..], &CORNERS].concat();
    check(
        "PaddleDetection's class, score, corners",
        &names(onnx()).row("output", [100, 6], 0.0, 0, &paddle),
        "sees the person",
    );
    let apart = names(onnx())
        .row("boxes", [100, 4], 0.0, 0, &CORNERS_SHARE)
        .gives("scores", &[1, 100], 0.0, &[(0, 0.9)])
        .gives("labels", &[1, 100], 0.0, &[(0, 1.0)]);
    check("Boxes in fractions, scores and labels", &apart, "sees the person");
}

#[test]
fn other_tasks_are_reported() {
    let pose = with(CENTRE, &[&[0.9][..], &[45.0, 50.0, 0.8].repeat(17)].concat());
    let points = |onnx: Onnx| onnx.turned("output0", [56, 336], 0.0, &pose);
    check(
        "YOLO11-pose",
        &points(onnx().says("names", "{0: 'person'}").says("task", "pose")),
        "sees the person",
    );
    check(
        "YOLO11-pose, nothing said but its name",
        &points(onnx().says("names", "['walker']")),
        "sees the walker",
    );
    check("YOLOv8-pose without names", &points(onnx()), "sees the person");
    let two =
        |onnx: Onnx, columns| onnx.turned("output0", [columns, 336], 0.0, &with(CENTRE, &[0.9, 0.0, 0.5]));
    check(
        "YOLO11-obb",
        &two(onnx().says("names", "{0: 'a', 1: 'b'}").says("task", "obb"), 7),
        "refused: this is a model for boxes at any angle",
    );
    let masks = |onnx: Onnx| two(onnx, 116).gives("output1", &[1, 32, 32, 32], 0.0, &[]);
    check("YOLO11-seg", &masks(onnx().says("task", "segment")), "refused: this is a model for masks");
    check("YOLOv8-seg without names", &masks(onnx()), "refused: this is a model for masks");
    check(
        "YOLO11-cls",
        &onnx().says("task", "classify").gives("output0", &[1, 1000], 0.0, &[]),
        "refused: this is a model for whole pictures",
    );
}

#[test]
fn outputs_that_cannot_be_boxes_are_refused() {
    let all = |values: &[f32]| {
        let mut onnx = onnx().says("names", "{0: 'a', 1: 'b'}").gives("output0", &[1, 336, 6], 0.0, &[]);
        onnx.outputs[0].2.chunks_mut(6).for_each(|row| row.copy_from_slice(values));
        onnx
    };
    check(
        "Boxes far outside the picture",
        &all(&[5e4, 5e4, 90.0, 90.0, 0.9, 0.1]),
        "refused: on the test picture its boxes lie outside",
    );
    check(
        "A number a pixel (depth)",
        &onnx().gives("depth", &[1, 1, 128, 128], 0.5, &[]),
        "refused: no known family of models has the outputs [1, 1, 128, 128]",
    );
    check(
        "No rows at all",
        &onnx().says("names", "['a']").gives("output0", &[1, 0, 6], 0.0, &[]),
        "refused: no known family of models has the outputs [1, 0, 6]",
    );
    check(
        "Scores of hundreds",
        &all(&[40.0, 48.0, 16.0, 48.0, 300.0, 200.0]),
        "refused: on the test picture its scores are no scores",
    );
    check("YOLOv8 that is sure of nothing", &all(&[40.0, 48.0, 16.0, 48.0, 0.0, 0.0]), "sees nothing");
}

#[test]
fn a_description_that_is_wrong_is_reported() {
    let labels = format!("{:?}", (0..80).map(|n| format!("class {n}")).collect::<Vec<_>>());
    let described = |heads: &str| {
        let head = "corners = \"xyxy\"\nunit = \"fractions\"\n";
        format!("family = \"decoded\"\nlabels = {labels}\n[input]\ncolours = \"rgb\"\n[heads]\n{head}{heads}")
    };
    let scores = |onnx: Onnx, fill, score| onnx.row("scores", [50, 80], fill, 7, &[score]);
    let mut everywhere = onnx().gives("boxes", &[1, 50, 4], 0.0, &[]);
    everywhere.outputs[0].2.chunks_mut(4).for_each(|row| row.copy_from_slice(&CORNERS_SHARE));
    let pixels = onnx().row("boxes", [50, 4], 0.0, 7, &CORNERS);
    for (sample, onnx, heads, says) in [
        ("Pixels, described as fractions", scores(pixels, 0.0, 0.9), "", "its boxes lie outside the picture"),
        (
            "Logits, described as scores",
            scores(everywhere.clone(), -6.0, 3.0),
            "",
            "its scores are no scores",
        ),
        (
            "Scores, described as logits",
            scores(everywhere, 0.0, 0.9),
            "activation = \"sigmoid\"\n",
            "its scores are no scores",
        ),
    ] {
        let now = outcome_of(&onnx.encoded(), Some(&described(heads)));
        assert!(now.starts_with("refused: ") && now.contains(says), "{sample}: {now}");
        row("Models", sample, &now);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    for (sample, file, begins) in [
        (
            "PyTorch (.pt) under .onnx",
            &b"PK\x03\x04\0\0\0\0yolo11n/data.pkl"[..],
            "refused: this is no ONNX file but a PyTorch file",
        ),
        (
            "PyTorch (pickle) under .onnx",
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
            "refused: this is no ONNX file but a PyTorch file",
        ),
        (
            "TensorFlow Lite under .onnx",
            b"\x1c\0\0\0TFL3\x14\0\x20\0",
            "refused: this is no ONNX file but a TensorFlow Lite file",
        ),
        (
            "Git LFS pointer under .onnx",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "refused: this is no ONNX file but a pointer of Git LFS",
        ),
        (
            "Web page under .onnx",
            b"\n<!DOCTYPE html>\n<html>",
            "refused: this is no ONNX file but a web page",
        ),
        (
            "Hailo (.hef) under .onnx",
            b"\x01HEF\0\0\0\x02\0\0",
            "refused: this is no ONNX file but a Hailo file",
        ),
        (
            "Sony IMX500 (.rpk) under .onnx",
            b"PK\x03\x04network.rpk\0\0",
            "refused: this is no ONNX file but a package for Sony's IMX500",
        ),
        (
            "Caffe (.caffemodel) under .onnx",
            b"\x0a\x0dMobileNet-SSD\xa2\x06\x10\x0a\x04data",
            "refused: this is no ONNX file but a Caffe file",
        ),
        (
            "Darknet (.weights) under .onnx",
            b"\0\0\0\0\x02\0\0\0\x05\0\0\0\0\xd4\xe8\x01",
            "refused: this is no ONNX file but a Darknet file",
        ),
        (
            "The error of a storage server (S3) under .onnx",
            b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code></Error>",
            "refused: this is no ONNX file but the error of a storage server",
        ),
    ] {
        let now = outcome(file);
        assert!(now.starts_with(begins), "{sample}: {now}");
        row("Models", sample, &now);
    }
}

#[test]
fn second_inputs_with_known_values_are_filled() {
    let fine = Onnx { beside: Some("orig_target_sizes"), ..onnx() }
        .gives("labels", &[1, 300], 0.0, &[])
        .row("boxes", [300, 4], 0.0, 0, &CORNERS_SHARE)
        .gives("scores", &[1, 300], 0.0, &[(0, 0.9)]);
    check(
        "D-FINE, with orig_target_sizes",
        &fine,
        "sees the person; the names of its 80 classes are guessed",
    );
    let places: Vec<(usize, f32)> = [0.0, 0.9].into_iter().chain(CORNERS).enumerate().collect();
    let paddle = Onnx { beside: Some("scale_factor"), ..onnx() }
        .gives("multiclass_nms3_0.tmp_0", &[20, 6], 0.0, &places)
        .gives("multiclass_nms3_0.tmp_2", &[1], 1.0, &[]);
    check("PaddleDetection, with scale_factor", &paddle, "sees the person; the names of its 80 classes");
    let other = Onnx { beside: Some("attention"), ..onnx() }.row("boxes", [300, 4], 0.0, 0, &CORNERS);
    check("A second input that is not known", &other, "refused: the network does not take one picture");
}

/// A convolution whose int8 weights have a scale for each channel of its output.
fn per_channel() -> Vec<u8> {
    let column = with(CENTRE, &[0.9]);
    let scales: Vec<f32> = column.iter().map(|value| value / 127.0).collect();
    let (classes, cells) = (column.len(), 336);
    let mut one = vec![0.0; cells];
    one[20] = 1.0;
    let nodes = [
        node("ReduceMean", &["images"], "mean", &[integer("keepdims", 0)]),
        node("Mul", &["mean", "zero"], "nothing", &[]),
        node("Add", &["one", "nothing"], "seen", &[]),
        node("DequantizeLinear", &["weights", "scales", "zeros"], "floats", &[integer("axis", 0)]),
        node("Conv", &["seen", "floats"], "rows", &[]),
        node("Squeeze", &["rows", "axis"], "output0", &[]),
    ];
    let constants = [
        tensor("zero", &[1], &[0.0]),
        tensor("one", &[1, 1, 1, cells], &one),
        typed_tensor("weights", &[classes, 1, 1, 1], INT8, &vec![127; classes]),
        tensor("scales", &[classes], &scales),
        typed_tensor("zeros", &[classes], INT8, &vec![0; classes]),
        typed_tensor("axis", &[1], INT64, &2_i64.to_le_bytes()),
    ];
    let mut graph = text(2, "outsider");
    graph.extend(nodes.iter().flat_map(|node| bytes(1, node)));
    graph.extend(constants.iter().flat_map(|constant| bytes(5, constant)));
    graph.extend(bytes(11, &value("images", &[1, 3, SIDE, SIDE])));
    graph.extend(bytes(12, &value("output0", &[1, classes, cells])));
    let names = [text(1, "names"), text(2, "{0: 'person'}")].concat();
    [number(1, 8), bytes(7, &graph), bytes(8, &number(2, 13)), bytes(14, &names)].concat()
}

#[test]
fn quantised_networks() {
    let now = outcome(&per_channel());
    assert_eq!(now, "sees the person");
    row("Models", "Quantised (QDQ), a scale for each channel", &now);
    let mut graph = text(2, "outsider");
    graph.extend(bytes(1, &node("QLinearConv", &["images"], "conv", &[])));
    graph.extend(bytes(1, &node("QLinearAdd", &["conv"], "output0", &[])));
    graph.extend(bytes(11, &value("images", &[1, 3, SIDE, SIDE])));
    graph.extend(bytes(12, &value("output0", &[1, 84, 336])));
    let now = outcome(&[number(1, 8), bytes(7, &graph), bytes(8, &number(2, 13))].concat());
    assert!(now.starts_with("refused: the network is quantised in the form QOperator"), "{now}");
    row("Models", "Quantised (QOperator)", &now);
}

#[test]
fn outputs_that_are_not_decoded_are_named() {
    let maps = [(16, ["a", "b"]), (8, ["c", "d"]), (4, ["e", "f"])];
    let heads = maps.into_iter().fold(onnx(), |onnx, (side, [boxes, scores])| {
        onnx.gives(boxes, &[1, 64, side, side], 0.1, &[]).gives(scores, &[1, 80, side, side], 0.1, &[])
    });
    check("Raw heads, as for an NPU", &heads, "refused: its outputs [1, 64, 16, 16], ");
    let rows = onnx().gives("out", &[80, 95], 0.0, &[(3, 40.0), (13, 0.9), (16, 0.9)]);
    check("YOLO-FastestV2's rows", &rows, "refused: a row of its output holds 3 anchors of 4 numbers");
}

#[test]
fn a_model_must_fit_the_test_picture() {
    let scores = |class: usize| [&vec![0.0; class][..], &[0.9], &vec![0.0; 79 - class]].concat();
    let banana = onnx().turned("output0", [84, 336], 0.0, &with(CENTRE, &scores(46)));
    check(
        "YOLOv8 that sees a banana for the person and the cat",
        &banana,
        "refused: it sees neither the person nor the cat on the test picture, but banana",
    );
    let mut everywhere = onnx().says("names", "['a']").gives("output0", &[1, 336, 5], 0.0, &[]);
    for (at, row) in everywhere.outputs[0].2.chunks_mut(5).take(36).enumerate() {
        let (x, y) = ((at % 6) as f32, (at / 6) as f32);
        row.copy_from_slice(&[20.0 + 18.0 * x, 36.0 + 12.0 * y, 12.0, 10.0, 0.9]);
    }
    check(
        "A model that sees dozens of things",
        &everywhere,
        "refused: it sees 36 things on the test picture",
    );
}

#[test]
fn every_way_to_resize_is_recognised() {
    for (place, begins) in [
        ("pytorch_half_pixel", "sees the helmet"),
        ("half_pixel_symmetric", "sees the helmet"),
        ("tf_crop_and_resize", "sees the helmet"),
    ] {
        let one =
            onnx().says("names", "{0: 'helmet'}").turned("output0", [5, 336], 0.0, &with(CENTRE, &[0.9]));
        check(&format!("Resize with {place}"), &Onnx { enlarged: Some(place), ..one }, begins);
    }
}
