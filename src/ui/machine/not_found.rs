//! The page in place of one that is not there. It tells nothing of the camera: anybody may see it.

use crate::ui::escape::Text;
use crate::ui::facts::Head;
use crate::ui::frame::{Frame, Tab};

/// The page as HTML, at `path`.
pub fn not_found_page(path: &str) -> String {
    let head = Head { state: String::from("asleep"), headline: String::from("Not found"), ..Head::default() };
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>There is no such page</h1><p class=\"lead \
         muted\">Nothing is at <code>{}</code>.</p></div>\n<p class=\"row\"><a class=\"btn main\" href=\"./\">Go to \
         Live</a> <a class=\"btn\" href=\"counts\">Counts</a> <a class=\"btn\" href=\"media\">Media</a></p></main>\n",
        Text(path)
    );
    Frame::new(&head, Tab::None, "Not found", &["page.js"]).render(&main)
}
