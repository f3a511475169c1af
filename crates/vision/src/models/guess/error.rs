//! Faults of the recognition of a network.

use tallycam_base::Fault;

/// The outputs do not hold boxes.
pub(crate) const NO_BOXES: &str = "its boxes lie outside the picture or have no size";

/// The outputs do not hold scores.
pub(crate) const NO_SCORES: &str = "its scores are no scores";

/// The hint for a network of an unknown format.
pub(crate) const DESCRIBE: &str =
    "write a .toml of its name (models/README.md says how), put it beside the file, and try again";

/// The fault of a model with another task.
pub(crate) fn other_task(what: &str) -> Fault {
    Fault::wrong(format!("this is a model for {what}, not one that finds things with upright boxes")).hint(
        "export the plain detection model of the same family (`yolo export model=yolo11n.pt format=onnx`)",
    )
}

/// The fault of outputs before they are decoded.
pub(crate) fn raw_heads(outputs: &str) -> Fault {
    Fault::wrong(format!(
        "its outputs {outputs} are raw heads, as programs for an NPU take them: its boxes are not decoded yet"
    ))
    .hint(
        "export it with the decoding inside (`yolo export format=onnx` of Ultralytics itself, not of an NPU's \
         variant); an SSD needs a .toml with its anchors (models/README.md)",
    )
}

/// The fault of YOLO-FastestV2's rows.
pub(crate) fn fastest_rows(classes: usize) -> Fault {
    Fault::wrong(format!(
        "a row of its output holds 3 anchors of 4 numbers, 3 objectness scores and {classes} classes, as \
         YOLO-FastestV2 has them: such rows are not read"
    ))
    .hint("take a model of another family: `tallycam model list` names one that can be downloaded")
}

/// The fault of missing labels, or of labels in the wrong number.
pub(crate) fn wrong_labels(network: Option<usize>, labels: String) -> Fault {
    let network = match network {
        Some(network) => format!("the model tells {network} classes apart"),
        None => String::from("the model does not say which classes it tells apart"),
    };
    Fault::wrong(format!("{network}, and {labels}")).hint("name them with --labels FILE, a label a line")
}
