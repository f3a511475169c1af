//! The models of this machine. An implementation of [`ModelLibrary`] knows their files and how to download them.

use std::fmt;

use tallycam_base::Fault;

pub use crate::ui::{CatalogueModel, ModelRow};

/// The models of this machine, and a catalogue of others. Methods may read files and the network: call them on
/// threads that may block.
pub trait ModelLibrary: fmt::Debug + Send + Sync {
    /// The installed models, good or not, without regard to which is in use.
    fn found(&self) -> Vec<ModelRow>;

    /// The models to download.
    fn catalogue(&self) -> Vec<CatalogueModel>;

    /// The place in the operator's file that names the model (`config.toml:88`): then it cannot be chosen here.
    fn pinned(&self) -> Option<String>;

    /// Downloads a model of the catalogue, which may take minutes.
    ///
    /// # Errors
    /// There is no model of this name, it is installed already, or the download fails.
    fn fetch(&self, name: &str) -> Result<(), Fault>;
}
