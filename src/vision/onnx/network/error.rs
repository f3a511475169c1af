//! Why a network cannot be loaded or run.

/// A network that cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The bytes are not an ONNX file, or only the beginning of one.
    #[error("this is no ONNX file, or it is damaged ({reason}); fetch or export it again")]
    NotOnnx {
        /// What was found.
        reason: String,
    },
    /// The bytes are a file of another kind.
    #[error("this is no ONNX file but {what}")]
    OtherFile {
        /// What it is.
        what: &'static str,
        /// What can be done about it.
        instead: &'static str,
    },
    /// The network is made of operators that the engine does not have.
    #[error("the network uses operators that are not supported: {}; export it with plain ONNX operators (opset 9 to \
        18), without quantisation and without NMS inside", names.join(", "))]
    UnknownOperators {
        /// Their names, sorted, each once.
        names: Vec<String>,
    },
    /// The weights are in another file beside it.
    #[error("the network keeps its weights in another file ({location}); export it as a single file")]
    ExternalWeights {
        /// The other file, as the network names it.
        location: String,
    },
    /// What goes in is not one picture of three colours.
    #[error("the network does not take one picture of three colours: {reason}")]
    NotAPicture {
        /// What it takes.
        reason: String,
    },
    /// The file leaves the picture's size open and none was asked for.
    #[error("the file leaves the size of the picture open: say which width and height to use")]
    SizeOpen,
    /// The network does not take inputs of this size.
    #[error("the network cannot look at pictures of {width}×{height}: {reason}")]
    WrongSize {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// What the engine said.
        reason: String,
    },
    /// The file, or a tensor in it, is larger than is allowed.
    #[error("{what} is too large: {bytes} bytes, at most {most} are allowed")]
    TooLarge {
        /// Which part.
        what: String,
        /// What it asks for.
        bytes: u128,
        /// The limit.
        most: usize,
    },
    /// The engine cannot make a runnable network of the file.
    #[error("the network cannot be prepared: {reason}")]
    Unusable {
        /// What the engine said.
        reason: String,
    },
    /// [`crate::vision::onnx::Network::run`] was given too few or too many numbers.
    #[error("the network wants {wanted} numbers and was given {given}")]
    WrongLength {
        /// [`crate::vision::onnx::InputShape::len`].
        wanted: usize,
        /// What it was given.
        given: usize,
    },
    /// The network failed while it ran.
    #[error("the network failed while it ran: {reason}")]
    Run {
        /// What the engine said.
        reason: String,
    },
}

pub fn not_onnx_error(reason: &str) -> NetworkError {
    NetworkError::NotOnnx { reason: reason.to_owned() }
}

pub fn too_large_error(what: &str, bytes: u128, most: usize) -> NetworkError {
    NetworkError::TooLarge { what: what.to_owned(), bytes, most }
}
