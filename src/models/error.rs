//! What can be wrong with a model, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::catalogue::CATALOGUE;
use super::description::DescriptionError;
use super::guess::GuessError;
use crate::vision::DetectError;
use crate::vision::onnx::{NetworkError, OnnxError};

/// A model cannot be used, or not be added.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// There is none of this name.
    #[error("there is no model called {name:?}")]
    Unknown {
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// It cannot be a name.
    #[error("{0:?} is no name for a model")]
    Name(String),
    /// A model of the name is there already.
    #[error("{} is there already", path.display())]
    Taken {
        /// Its ONNX file.
        path: PathBuf,
        /// Whether it may be replaced.
        is_own: bool,
    },
    /// A model of the catalogue is here already, under this or another name.
    #[error("{entry} of the catalogue is here already: it is called {name}")]
    Here {
        /// Its name in the catalogue.
        entry: String,
        /// Its name here.
        name: String,
    },
    /// What is to be added is neither here nor in the catalogue.
    #[error("{} is no file here, and no model of the catalogue", path.display())]
    Nowhere {
        /// What was named.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It was tried in a process of its own, and is not good.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
        /// What can be done about it.
        hint: Option<String>,
        /// Whether a file could not be read: it may be the next time, as it is.
        may_pass: bool,
    },
    /// It was being tried in a process of its own when somebody ended that.
    #[error("it was being tried when that was ended from outside")]
    Interrupted,
    /// It looks for so long that nothing would be counted.
    #[error("it takes {seconds:.0} s to look once")]
    TooSlow {
        /// For how long.
        seconds: f64,
    },
    /// It was tried in a process of its own, and ended that.
    #[error("it takes more than {} MB of memory, or than {seconds} s, to be loaded and to look \
        once", memory / 1_000_000)]
    TooMuch {
        /// Bytes that it may have had.
        memory: u64,
        /// For so long.
        seconds: u64,
    },
    /// A file is larger than any network that is of use.
    #[error("{} is too large for a model: {bytes} bytes", path.display())]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How large.
        bytes: u64,
    },
    /// There is no description beside the ONNX file.
    #[error("{} has no description beside it", path.display())]
    NotDescribed {
        /// The ONNX file.
        path: PathBuf,
    },
    /// The description is wrong.
    #[error("{}: {error}", path.display())]
    Description {
        /// The description.
        path: PathBuf,
        /// What is wrong with it.
        error: DescriptionError,
    },
    /// The file is not the one that was described.
    #[error("{} is damaged or another file: its SHA-256 is {found}, its description says {wanted}", path.display())]
    Sum {
        /// The ONNX file.
        path: PathBuf,
        /// The sum described.
        wanted: String,
        /// Its own.
        found: String,
    },
    /// It cannot be told what it is.
    #[error(transparent)]
    Guess(#[from] GuessError),
    /// What it says of a picture cannot be boxes.
    #[error("on {picture} {what}: it is not what its description says")]
    NotBoxes {
        /// Which picture.
        picture: String,
        /// What is wrong with them.
        what: &'static str,
    },
    /// It names a class that has no label.
    #[error("it tells class {class} apart, and only {labels} labels are given")]
    Unnamed {
        /// Which, the first is 1.
        class: usize,
        /// How many labels there are.
        labels: usize,
    },
    /// It is no network that can be run, or not as described.
    #[error(transparent)]
    Network(#[from] OnnxError),
    /// It failed when it was tried.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The picture to try it on is none.
    #[error("{what} is no picture to try a model on: {reason}")]
    Picture {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// It cannot be fetched.
    #[error("{url} cannot be fetched: {reason}")]
    Download {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// What was fetched is another file.
    #[error("{url} is another file than it should be (SHA-256 {found}); nothing was added")]
    WrongDownload {
        /// The address.
        url: String,
        /// Its sum.
        found: String,
    },
}

impl ModelError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ModelError::Unknown { known, .. } if known.is_empty() => {
                String::from("`tallycam model add FILE` adds one; `tallycam model list` shows the catalogue")
            }
            ModelError::Unknown { known, .. } => format!("there are: {}", known.join(", ")),
            ModelError::Nowhere { .. } => {
                let names: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
                format!("name a file, its address, or one of the catalogue ({})", names.join(", "))
            }
            ModelError::Name(_) => String::from(
                "letters, digits, - and _ make a name (but for auto, onnx, motion, replay, none); give one with --name",
            ),
            ModelError::Taken { is_own: true, .. } => {
                String::from("--force replaces it, or give the new one another name with --name")
            }
            ModelError::Taken { .. } => String::from("give the new one another name with --name"),
            ModelError::Here { name, .. } => {
                format!(
                    "set [detect] model = {name:?} to count with it, or fetch it once more with --name or --force"
                )
            }
            ModelError::NotDescribed { path } => {
                format!("`tallycam model add {}` finds out what it is", path.display())
            }
            ModelError::Sum { .. } => String::from(
                "copy or fetch it again; if you changed it on purpose, correct sha256 in its .toml",
            ),
            ModelError::Description { .. } => {
                String::from("models/README.md explains every key of a description")
            }
            ModelError::Guess(GuessError::Labels { .. }) => {
                String::from("name them with --labels FILE, a label a line")
            }
            ModelError::Unnamed { .. } => String::from("name all of them with --labels FILE, a label a line"),
            ModelError::NotBoxes { .. } => String::from(
                "correct family, corners, unit and activation in its .toml (models/README.md explains them), or remove \
                 it \
                 and let `tallycam model add` find out",
            ),
            ModelError::Guess(GuessError::Task { .. }) => String::from(
                "export the plain detection model of the same family (`yolo export model=yolo11n.pt format=onnx`)",
            ),
            ModelError::Network(OnnxError::Network(NetworkError::OtherFile { instead, .. })) => {
                (*instead).into()
            }
            ModelError::Guess(GuessError::Family { .. } | GuessError::NotBoxes { .. }) => String::from(
                "write a .toml of its name (models/README.md says how), put it beside the file, and try again",
            ),
            ModelError::Network(OnnxError::Network(NetworkError::SizeOpen)) => String::from(
                "write a .toml of its name (models/README.md says how) that has width and height under [input], put it \
                 beside the file, and try again",
            ),
            ModelError::Network(OnnxError::Card(_)) => {
                String::from("correct its .toml, or name the labels with --labels FILE, a label a line")
            }
            ModelError::Detect(DetectError::NoNumbers { .. }) => String::from(
                "the file is damaged, or colours, mean and deviation in its .toml are not what it was trained with",
            ),
            ModelError::Refused { hint, .. } => return hint.clone(),
            ModelError::TooSlow { .. }
            | ModelError::Network(OnnxError::Network(NetworkError::TooLarge { .. })) => {
                String::from("take a smaller model, or a smaller size under [detect]")
            }
            ModelError::TooMuch { .. } => String::from(
                "take a smaller model, or a smaller size under [detect]; `tallycam model check` tries it without these \
                 limits",
            ),
            ModelError::Picture { .. } => String::from("give a JPEG with --picture"),
            ModelError::Download { url, .. } | ModelError::WrongDownload { url, .. } => format!(
                "on a computer with internet download {url}, copy it here, and run `tallycam model add FILE`"
            ),
            ModelError::Read { .. }
            | ModelError::Write { .. }
            | ModelError::TooLarge { .. }
            | ModelError::Interrupted
            | ModelError::Network(_)
            | ModelError::Detect(_) => return None,
        };
        Some(hint)
    }

    /// Whether a file or socket failed, rather than that the model is wrong.
    pub fn is_input_or_output(&self) -> bool {
        matches!(
            self,
            ModelError::Nowhere { .. }
                | ModelError::Read { .. }
                | ModelError::Write { .. }
                | ModelError::Download { .. }
                | ModelError::Taken { .. }
                | ModelError::Here { .. }
        )
    }
}
