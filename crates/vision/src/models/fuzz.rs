//! Invariants of model descriptions and of the metadata in model files. For fuzzing (`fuzz/`) and for the tests that
//! replay its findings.

use super::{description, metadata};
use crate::onnx::OnnxHeader;

/// Reads `data` as a description, and as class names.
pub fn fuzz_description(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    if let Ok(card) = description::read(&text) {
        let written = description::write(&card);
        assert!(description::read(&written).is_ok_and(|again| again == card), "{written}");
    }
    let properties = vec![(String::from("names"), text)];
    let facts = metadata::read_facts(&OnnxHeader { producer: String::new(), properties });
    assert!(facts.names.is_none_or(|names| !names.is_empty() && names.iter().all(|name| !name.is_empty())));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_findings_hold() {
        tallycam_base::testing::replay("words", super::fuzz_description);
    }
}
