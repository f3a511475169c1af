//! The page Log: the last lines of the log, newest last, and the choice of the level.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::{Head, LocalClock, LogLine};
use crate::ui::format::{day, second, to_zoned};
use crate::ui::frame::{PageFrame, Tab};

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct LogPage {
    pub head: Head,
    pub clock: LocalClock,
    /// The least urgent level that is shown: `error`, `warn`, `info`, `debug`, `trace`.
    pub level: &'static str,
    /// Lines, oldest first.
    pub lines: Vec<LogLine>,
}

/// The levels, most urgent first, each with the name for itself and those before it.
pub const LEVELS: [(&str, &str); 5] =
    [("error", "Errors"), ("warn", "Warnings"), ("info", "Normal"), ("debug", "More"), ("trace", "All")];

/// The page as HTML, at `log`, with `level`.
pub fn log_page(page: &LogPage) -> String {
    let mut levels = String::new();
    for (level, name) in LEVELS {
        let current = if level == page.level { " aria-current=\"true\"" } else { "" };
        let _ = write!(levels, "<a href=\"log?level={level}\"{current}>{name}</a>");
    }
    let (mut lines, mut last_day) = (String::new(), String::new());
    for line in &page.lines {
        let at = to_zoned(line.time_us, &page.clock.zone);
        let on = day(&at);
        if on != last_day {
            let _ = write!(lines, "<li class=\"muted\">{on}</li>");
            last_day = on;
        }
        let _ = write!(
            lines,
            "<li class=\"{level}\" title=\"{}\"><time>{}</time> <b>{level}</b> <span>{}</span></li>",
            Text(&line.place),
            second(&at),
            Text(&line.text),
            level = Text(line.level),
        );
    }
    if page.lines.is_empty() {
        lines.push_str("<li class=\"muted\">No messages of this level.</li>");
    }
    let main = format!(
        "<main id=\"main\" class=\"page\">\n<div class=\"top\"><h1>Log</h1><nav class=\"seg low\" aria-label=\"What is \
         shown\">{levels}</nav><p class=\"lead muted\">The last lines, the newest at the end. All of it: \
         <code>journalctl \
         -u tallycam</code></p></div>\n<section class=\"panel\" aria-label=\"Log\"><ol class=\"lines\" id=\"lines\" \
         tabindex=\"0\" data-level=\"{level}\">{lines}</ol></section>\n<p class=\"row\"><a class=\"btn main\" \
         href=\"log?level={level}\">Reload</a></p></main>\n",
        level = page.level,
    );
    PageFrame::new(&page.head, Tab::Log, "Log", &["page.js", "head.js"]).render(&main)
}
