//! The pages for an unknown address, for an old address that changes something, and for a page that fails.

use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason};
use crate::ui::format::as_sentence;
use crate::ui::frame::{PageFrame, Tab, refusal_html};

/// The page for the unknown address `path`. It reveals nothing about the camera, because anybody may see it.
pub fn not_found_page(path: &str) -> String {
    let head = Head { state: String::from("idle"), headline: String::from("Not found"), ..Head::default() };
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>There is no such page</h1><p class=\"lead \
         muted\">Nothing is at <code>{}</code>.</p></div>\n<p class=\"row\"><a class=\"btn main\" href=\"./\">Go to \
         Live</a> <a class=\"btn\" href=\"counts\">Counts</a> <a class=\"btn\" href=\"media\">Media</a></p></main>\n",
        Text(path)
    );
    PageFrame::new(&head, Tab::None, "Not found", &["page.js"]).render(&main)
}

/// The page that asks whether the visit of `path`, which changes something, is meant. Its button sends `query` from our
/// own page.
pub fn ask_back_page(path: &str, query: &[(String, String)]) -> String {
    let head = Head { state: String::from("idle"), headline: String::from("Change"), ..Head::default() };
    let fields: String = query
        .iter()
        .map(|(name, value)| {
            format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", Text(name), Text(value))
        })
        .collect();
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>Change something?</h1><p class=\"lead \
         muted\">The address <code>{}</code> changes something on this camera. Another site may have led you \
         here.</p></div>\n<form method=\"get\" action=\"{}\" class=\"row\">{fields}<button class=\"btn main\">Do \
         it</button> <a class=\"btn\" href=\"{}./\">Go to Live</a></form></main>\n",
        Text(path),
        Text(path.rsplit('/').next().unwrap_or_default()),
        "../".repeat(path.trim_start_matches('/').matches('/').count()),
    );
    PageFrame::new(&head, Tab::None, "Change something?", &["page.js"]).render(&main)
}

/// The page that explains why another one is not available.
pub fn problem_page(head: &Head, why: &RefusalReason) -> String {
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n<div class=\"top\"><h1>This page is not available</h1></div>\n{}<p \
         class=\"row\"><a class=\"btn main\" href=\"./\">Go to Live</a> <a class=\"btn\" href=\"diagnosis\">Look at \
         the \
         diagnosis</a></p></main>\n",
        refusal_html(&RefusalReason {
            detail: as_sentence(&why.detail),
            hint: as_sentence(&why.hint),
            ..RefusalReason::default()
        }),
    );
    PageFrame::new(head, Tab::None, "Not available", &["page.js", "head.js"]).render(&main)
}
