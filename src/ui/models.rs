//! The page of models.

use super::facts::{CountingFacts, Head, Refusal};

/// What the page of models shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelsPage {
    /// What stands above.
    pub head: Head,
    /// What looks at the pictures now, and how fast.
    pub counting: CountingFacts,
    /// The model that was chosen on the page, if one was.
    pub chosen: Option<String>,
    /// Where the operator's file says which (`config.toml:88`): the page cannot change it.
    pub pinned: Option<String>,
    /// Models that are here.
    pub found: Vec<FoundModel>,
    /// Models that could be fetched.
    pub catalogue: Vec<CatalogueModel>,
    /// Something that could not be carried out.
    pub refused: Option<Refusal>,
}

/// A model that is on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundModel {
    /// Its name.
    pub name: String,
    /// Its family: `ssd`, `yolox`, …
    pub family: String,
    /// Width and height of what it looks at, in pixels.
    pub input: Option<(u32, u32)>,
    /// How many classes it tells apart.
    pub classes: usize,
    /// Its licence.
    pub licence: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether it is the one in use.
    pub is_in_use: bool,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// A model of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueModel {
    /// Its name.
    pub name: String,
    /// What it is good for.
    pub about: String,
    /// Its licence.
    pub licence: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Where it is fetched from.
    pub url: String,
    /// Whether it is here already.
    pub is_here: bool,
}

/// The page of models as HTML, at `models`. It posts `models/use` and `models/fetch`, each with a field
/// `name` (`models/use` with an empty one: as configured); both are answered by 303 to `models`, or by this
/// page with [`ModelsPage::refused`].
pub fn models_page(page: &ModelsPage) -> String {
    let _ = page;
    todo!()
}
