//! The pages: rendered on the server, one style sheet, a little script, all embedded in the program.
//!
//! Pure: data in, HTML out. URLs in pages are relative, so that any prefix works. No page carries
//! a style attribute, an inline script or an inline style, so the strictest content security policy
//! will do: `default-src 'none'; connect-src 'self'; form-action 'self'; img-src 'self';
//! script-src 'self'; style-src 'self'`.
//!
//! A page is one HTML file beside this one with `{names}` in it, filled by `format!` (so the
//! compiler checks the names), inside the frame that all pages share (`frame.html`).

mod assets;
mod counts;
mod escape;
mod facts;
mod lines;
mod live;
mod models;
mod range;

pub use assets::{Asset, asset};
pub use counts::{CountsPage, counts_page};
pub use facts::{
    ChartBucket, Clock, CountingFacts, Crossed, DrawnLine, Head, KindCount, LineTally, NotCounted, Refusal,
    SetToZero,
};
pub use lines::{ChosenLine, LineAction, LineForm, LinesPage, lines_page};
pub use live::{LiveCounting, LivePage, live_page};
pub use models::{CatalogueModel, FoundModel, ModelsPage, models_page};
pub use range::{CountsAsk, Heat, Span};

use escape::Text;

/// What is around every page: head, header and footer.
struct Frame<'a> {
    /// Begins the window's title.
    title: &'a str,
    /// The camera's name.
    name: &'a str,
    /// The program's version.
    version: &'a str,
    /// How the page looks at the state: see [`live`].
    look: &'a str,
    /// The state in words.
    headline: &'a str,
    /// The figures beside it; may be empty.
    figures: &'a str,
}

impl Frame<'_> {
    /// The whole page around `main`, which is HTML already.
    fn around(&self, main: &str) -> String {
        format!(
            include_str!("frame.html"),
            title = Text(self.title),
            name = Text(self.name),
            version = Text(self.version),
            look = Text(self.look),
            headline = Text(self.headline),
            figures = Text(self.figures),
            main = main,
        )
    }
}
