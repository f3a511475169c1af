//! A model as it lies in one of the directories.

use std::path::PathBuf;

use crate::vision::onnx::Card;

/// A model as it lies there.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundModel {
    /// The files' name without its ending.
    pub name: String,
    /// The ONNX file.
    pub path: PathBuf,
    /// Bytes of that.
    pub bytes: u64,
    /// Its description; `None` when there is a problem with it.
    pub card: Option<Card>,
    /// Why it cannot be used, in words; `None` as far as its description tells. The network itself
    /// is only looked at when it is loaded.
    pub problem: Option<String>,
}
