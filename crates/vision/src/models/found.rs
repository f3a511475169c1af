//! A model found in one of the model directories.

use std::path::PathBuf;

use crate::onnx::Card;

/// A model file with its description.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundModel {
    /// The file name without its extension.
    pub name: String,
    /// The ONNX file.
    pub path: PathBuf,
    /// Length of the ONNX file in bytes.
    pub bytes: u64,
    /// Its description; `None` if there is a problem.
    pub card: Option<Card>,
    /// Why the model cannot be used, in words; `None` if its description is valid. The network itself is checked only
    /// when it is loaded.
    pub problem: Option<String>,
}
