//! What must hold for any description of a model, and for whatever a model's file says of itself. For fuzzing (`fuzz/`)
//! and the tests that replay what it found.

use super::{description, metadata};
use crate::vision::onnx::OnnxHeader;

/// Reads `data` as a description, and as names of classes.
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
    fn what_was_found_holds() {
        crate::base::corpus::replay("words", super::fuzz_description);
    }
}
