//! The page Activity: sign-ins, refusals and changes, newest first.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{Head, LocalClock};
use crate::ui::format::{day, format_count, second, to_zoned};
use crate::ui::frame::{PageFrame, Tab};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityPage {
    pub head: Head,
    pub clock: LocalClock,
    /// Rows, newest first.
    pub rows: Vec<ActivityRow>,
    /// The page begins with the newest row.
    pub is_newest: bool,
    /// The cursor of the next page, if there is one.
    pub next: Option<u64>,
    /// Rows of this run that were lost.
    pub dropped: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// Microseconds since 1970.
    pub time_us: u64,
    /// The user, the token, or "this machine"; may be empty.
    pub who: String,
    /// The user's role; may be empty.
    pub role: String,
    /// The client's address.
    pub from: String,
    /// The browser's name for itself.
    pub browser: String,
    /// The action in words.
    pub what: String,
    /// The action was refused.
    pub is_refusal: bool,
}

/// The page as HTML, at `activity`.
pub fn activity_page(page: &ActivityPage) -> String {
    let (mut rows, mut last_day) = (String::new(), String::new());
    for row in &page.rows {
        let at = to_zoned(row.time_us, &page.clock.zone);
        let on = day(&at);
        if on != last_day {
            let _ = write!(rows, "<li class=\"on muted\">{on}</li>");
            last_day = on;
        }
        let role = if row.role.is_empty() { String::new() } else { format!(" ({})", row.role) };
        let (begin, end) = if row.is_refusal { ("<b>", "</b>") } else { ("", "") };
        let _ = write!(
            rows,
            "<li><time>{}</time> <span>{}{}</span> <span class=\"muted\" title=\"{}\">{}</span> \
             <span>{begin}{}{end}</span></li>",
            second(&at),
            Text(&row.who),
            Text(&role),
            Text(&row.browser),
            Text(&row.from),
            MarkedText(&row.what),
        );
    }
    let list = match page.rows.is_empty() {
        true => String::from("<p class=\"muted\">Nothing is on the list.</p>"),
        false => format!("<ol class=\"acts\">{rows}</ol>"),
    };
    let dropped = match page.dropped {
        0 => String::new(),
        dropped => format!(
            "<div class=\"banner\"><p><b>{} found no place on this list</b> since the program started, because the \
             disk did \
             not take them.</p></div>\n",
            format_count(dropped, "row")
        ),
    };
    let newer = if page.is_newest { "" } else { "<a class=\"btn\" href=\"activity\">Newest</a>" };
    let older = page
        .next
        .map(|cursor| format!("<a class=\"btn main\" href=\"activity?cursor={cursor}\">Older</a>"))
        .unwrap_or_default();
    let main = format!(
        "<main id=\"main\" class=\"page\">\n<div class=\"top\"><h1>Activity</h1><p class=\"lead muted\">Sign-ins, \
         refusals and \
         changes, the newest first. Kept for 400 days at most.</p></div>\n{dropped}<section class=\"panel\" \
         aria-label=\"Activity\">{list}</section>\n<p class=\"row\">{newer}{older}<a class=\"btn\" \
         href=\"api/v1/audit?format=csv\" download>Export as CSV</a></p></main>\n",
    );
    PageFrame::new(&page.head, Tab::Access, "Activity", &["page.js", "head.js"]).render(&main)
}
