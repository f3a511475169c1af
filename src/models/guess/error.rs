//! Why a network cannot be told by what it gives.

use crate::base::Fault;

/// Boxes that are none.
pub const NO_BOXES: &str = "its boxes lie outside the picture or have no size";

/// Scores that are none.
pub const NO_SCORES: &str = "its scores are no scores";

/// What can be done about a network that nobody knows how to read.
pub const DESCRIBE: &str =
    "write a .toml of its name (models/README.md says how), put it beside the file, and try again";

/// That it is a model for something else.
pub fn other_task(what: &str) -> Fault {
    Fault::wrong(format!("this is a model for {what}, not one that finds things with upright boxes")).hint(
        "export the plain detection model of the same family (`yolo export model=yolo11n.pt format=onnx`)",
    )
}

/// That there are too many or too few labels, or none.
pub fn wrong_labels(network: Option<usize>, labels: String) -> Fault {
    let network = match network {
        Some(network) => format!("the model tells {network} classes apart"),
        None => String::from("the model does not say which classes it tells apart"),
    };
    Fault::wrong(format!("{network}, and {labels}")).hint("name them with --labels FILE, a label a line")
}
