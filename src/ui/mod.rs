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
mod escape;
mod live;

pub use assets::{Asset, asset};
pub use live::{LivePage, live_page};

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

/// An embedded file.
#[derive(Debug)]
pub struct Asset {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
    /// Its entity tag, quotes included.
    pub etag: &'static str,
}

/// The embedded file with this relative URL.
pub fn asset(path: &str) -> Option<&'static Asset> {
    static ICON: Asset = Asset {
        content_type: "image/svg+xml",
        body: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        etag: "\"1\"",
    };
    (path == "icon.svg").then_some(&ICON)
}

/// The live page as HTML.
pub fn live_page(page: &LivePage) -> String {
    format!("<!doctype html><title>{}</title><img src=stream>", page.name)
}
