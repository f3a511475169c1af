//! The page of figures.

use super::facts::{
    ChartBucket, Clock, CountingFacts, DrawnLine, Head, LineTally, NotCounted, Refusal, SetToZero,
};
use super::range::CountsAsk;

/// What the page of figures shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsPage {
    /// What stands above.
    pub head: Head,
    /// The clock on the wall.
    pub clock: Clock,
    /// The scene in use: `camera`, `files` or `sim`.
    pub scene: String,
    /// What is asked for.
    pub ask: CountsAsk,
    /// Lines of the scene, deleted ones too.
    pub lines: Vec<DrawnLine>,
    /// Today's sums of the lines that are not deleted.
    pub tallies: Vec<LineTally>,
    /// Every class there is to choose, by name: those of the model and those ever counted.
    pub classes: Vec<String>,
    /// [`CountsAsk::shown`], of the line and class asked for.
    pub shown: Vec<ChartBucket>,
    /// [`CountsAsk::compared`], likewise.
    pub compared: Option<[Vec<ChartBucket>; 2]>,
    /// [`CountsAsk::weeks`], likewise.
    pub weeks: Vec<ChartBucket>,
    /// Times without counting that meet [`CountsAsk::shown`], oldest first.
    pub gaps: Vec<NotCounted>,
    /// Resets in [`CountsAsk::shown`].
    pub resets: Vec<SetToZero>,
    /// How counting is going.
    pub counting: CountingFacts,
    /// A reset that could not be carried out.
    pub refused: Option<Refusal>,
}

/// The page of figures as HTML, at `counts`. It posts `counts/reset` (a field `line` with a number, or
/// none for all lines; answered by 303 to `counts`) and links to `api/v1/counts`.
pub fn counts_page(page: &CountsPage) -> String {
    let _ = page;
    todo!()
}
