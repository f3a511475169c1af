//! What the forms of lines and of zones share.

use crate::ui::escape::Text;

/// How one draws with a script, and without.
pub(super) fn how_to_draw(words: &str, ends: &str) -> String {
    format!(
        "<span id=\"how-js\" hidden>{words} {KEYS}</span><noscript>Its {ends} are numbers, under Advanced.</noscript>"
    )
}

/// How a line or zone is moved by keys.
const KEYS: &str = "Arrow keys move one; with Shift, further. Escape takes it back.";

/// What is asked before a line or zone is deleted.
pub(super) fn ask_to_delete(name: &str, stays: &str) -> String {
    format!(
        "<div class=\"ask\"><p><b>Delete {}?</b> It cannot be undone. {stays}</p><p class=\"row\"><button class=\"btn danger\" \
         id=\"delete\" name=\"do\" value=\"delete\" formnovalidate>Delete now</button></p></div>",
        Text(name)
    )
}
