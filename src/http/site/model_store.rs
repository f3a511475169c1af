//! The models of this machine as whoever implements [`ModelLibrary`] keeps them: where they lie and how they are
//! fetched is its business.

use std::fmt;

use crate::base::Fault;

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
    /// There is none of this name, it is here already, or it does not come.
    fn fetch(&self, name: &str) -> Result<(), Fault>;
}
