//! The models of this machine as whoever implements [`ModelLibrary`] keeps them: where they lie and how they are fetched
//! is its business.

use std::fmt;

use hyper::StatusCode;

use crate::http::request::problem::Problem;

pub use crate::ui::{CatalogueModel, ModelRow};

/// The models of this machine, and a catalogue of others. Its methods may read files and the network:
/// they are called on threads that may block.
pub trait ModelLibrary: fmt::Debug + Send + Sync {
    /// The models that are here, good or not. Which one is in use is not theirs to say.
    fn found(&self) -> Vec<ModelRow>;

    /// The models that could be fetched.
    fn catalogue(&self) -> Vec<CatalogueModel>;

    /// Where the operator's file names the model (`config.toml:88`): it cannot be chosen here.
    fn pinned(&self) -> Option<String>;

    /// Fetches a model of the catalogue, which may take minutes.
    ///
    /// # Errors
    /// [`NotFetched`].
    fn fetch(&self, name: &str) -> Result<(), NotFetched>;
}

/// A model could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    /// The catalogue has none of this name.
    #[error("the catalogue has no model called {0:?}")]
    Unknown(String),
    /// It is here already, or another one is called so.
    #[error("{reason}")]
    Here {
        /// What it is called here.
        reason: String,
    },
    /// Another one is being fetched: a download takes a thread and memory for minutes.
    #[error("another model is being fetched")]
    Busy,
    /// There is no way to where it lies.
    #[error("{reason}")]
    Offline {
        /// What was tried and how it ended.
        reason: String,
        /// What can be done without the Internet.
        hint: Option<String>,
    },
    /// What came is not what should have come, or it could not be kept.
    #[error("{reason}")]
    Failed {
        /// What is wrong.
        reason: String,
        /// What can be done.
        hint: Option<String>,
    },
}

/// A model cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotChosen {
    /// This daemon has no folder of models.
    #[error("models are not available")]
    NoModels,
    /// The operator's file says which.
    #[error("the model is set in {0} and can be changed only there")]
    Pinned(String),
}

impl From<NotFetched> for Problem {
    fn from(error: NotFetched) -> Problem {
        let detail = error.to_string();
        let (status, hint) = match error {
            NotFetched::Unknown(_) => (StatusCode::NOT_FOUND, None),
            NotFetched::Here { .. } => {
                let hint =
                    "choose it by this name; for it to be fetched once more, its files have to go first";
                (StatusCode::CONFLICT, Some(String::from(hint)))
            }
            NotFetched::Busy => {
                (StatusCode::SERVICE_UNAVAILABLE, Some(String::from("wait until that one is here")))
            }
            NotFetched::Offline { hint, .. } => (StatusCode::SERVICE_UNAVAILABLE, hint),
            NotFetched::Failed { hint, .. } => (StatusCode::BAD_GATEWAY, hint),
        };
        Problem { hint, ..Problem::new(status, detail) }
    }
}

impl From<NotChosen> for Problem {
    fn from(error: NotChosen) -> Problem {
        let status = match error {
            NotChosen::NoModels => StatusCode::SERVICE_UNAVAILABLE,
            NotChosen::Pinned(_) => StatusCode::CONFLICT,
        };
        Problem::new(status, error.to_string())
    }
}
