//! Why a network cannot be told by what it gives.

/// Why it cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuessError {
    /// No family has such outputs.
    #[error("no known family of models has the outputs {outputs} for pictures of {width}×{height}")]
    Family {
        /// Their shapes.
        outputs: String,
        /// Pixels in a row of the input.
        width: u32,
        /// Rows of it.
        height: u32,
    },
    /// It is a model for something else.
    #[error("this is a model for {what}, not one that finds things with upright boxes")]
    Task {
        /// What for.
        what: &'static str,
    },
    /// However its outputs are read, they are no boxes.
    #[error("on the test picture {what}: the outputs {outputs} are none of a known family")]
    NotBoxes {
        /// What is wrong with them.
        what: &'static str,
        /// Their shapes.
        outputs: String,
    },
    /// The labels are not known, or there are too many or too few of them.
    #[error("{}, and {}", match network {
        Some(network) => format!("the model tells {network} classes apart"),
        None => String::from("the model does not say which classes it tells apart"),
    }, match (given, named) {
        (Some(given), _) => format!("{given} labels are given"),
        (None, Some(named)) => format!("its file names {named}"),
        (None, None) => String::from("their names are not known"),
    })]
    Labels {
        /// How many it has, where its outputs say so.
        network: Option<usize>,
        /// How many labels were given.
        given: Option<usize>,
        /// How many the file names.
        named: Option<usize>,
    },
}

/// Boxes that are none.
pub const NO_BOXES: &str = "its boxes lie outside the picture or have no size";

/// Scores that are none.
pub const NO_SCORES: &str = "its scores are no scores";
