//! The line editor.

use super::facts::{Clock, CountingFacts, DrawnLine, Head, LineTally, Refusal};

/// What the line editor shows.
#[derive(Debug, Clone, PartialEq)]
pub struct LinesPage {
    /// What stands above.
    pub head: Head,
    /// The clock on the wall.
    pub clock: Clock,
    /// Lines of the scene in use that are not deleted, pinned ones first.
    pub lines: Vec<DrawnLine>,
    /// Their sums of today.
    pub tallies: Vec<LineTally>,
    /// Which is edited.
    pub chosen: ChosenLine,
    /// Width and height of the picture, for the layout; `None` while unknown.
    pub size: Option<(u32, u32)>,
    /// How counting is going, and which classes there are.
    pub counting: CountingFacts,
    /// Under `[privacy] counts_only`: the one still is the only picture.
    pub is_counts_only: bool,
    /// What was typed and could not be taken: shown again, to be mended.
    pub refused: Option<(LineForm, Refusal)>,
}

/// Which line is edited: the value of `line` in the page's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenLine {
    /// `line=7`. A number that is not there is as [`ChosenLine::First`].
    Number(u64),
    /// `line=new`: one that is still to be drawn.
    New,
    /// Nothing said: the first that is not pinned, else the first, else a new one.
    First,
}

impl ChosenLine {
    /// The line of this value of `line`.
    pub fn of(value: Option<&str>) -> ChosenLine {
        let _ = value;
        todo!()
    }
}

/// What the editor's form sends: `POST lines`, `application/x-www-form-urlencoded`. After it has been
/// carried out the browser is sent (303) to `lines?line=ID`, or to `lines` after a deletion.
#[derive(Debug, Clone, PartialEq)]
pub struct LineForm {
    /// What to do.
    pub action: LineAction,
    /// The line; `None`: a new one.
    pub id: Option<u64>,
    /// The version it had when the page was made, as If-Match.
    pub version: Option<u64>,
    /// Its name.
    pub name: String,
    /// Where it begins, in fractions of the picture.
    pub a: [f64; 2],
    /// Where it ends.
    pub b: [f64; 2],
    /// What going in is called.
    pub in_name: String,
    /// What going out is called.
    pub out_name: String,
    /// Names of the classes that are counted; everything if empty.
    pub classes: Vec<String>,
    /// Which point of a box has to pass.
    pub anchor: String,
    /// `every` or `once`.
    pub recrossing: String,
}

/// What a [`LineForm`] wants. Turning the arrow round needs no word of its own: the form that is read
/// has `a` and `b` changed already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineAction {
    /// Keep it as it is in the form.
    Save,
    /// Delete it.
    Delete,
}

impl LineForm {
    /// Reads the fields of the form, decoded, in their order. What is missing or no number is as it was
    /// never typed (empty, 0): the ledger says what is wrong with such a line.
    pub fn of(fields: &[(String, String)]) -> LineForm {
        let _ = fields;
        todo!()
    }
}

/// The line editor as HTML, at `lines`. It refers to `api/v1/still.jpg` and, from the script, to
/// `api/v1/lines` and `api/v1/events`.
pub fn lines_page(page: &LinesPage) -> String {
    let _ = page;
    todo!()
}
