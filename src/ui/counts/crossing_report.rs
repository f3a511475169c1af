//! Crossings of lines with a picture of each, so that an owner can judge the counts: a self-contained page (`tallycam
//! count --report`), and the page of a line's last hour.

use std::fmt::Write;

use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{Head, LocalClock};
use crate::ui::format::{format_count, format_when, not_counted_reason, rfc3339, second, to_zoned};
use crate::ui::frame::{PageFrame, Tab};
use tallycam_base::unicode::percent_encoded;
use tallycam_store::Gap;

/// The crossings and possible misses of a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineCrossings {
    pub name: String,
    pub count_in: usize,
    pub count_out: usize,
    /// Remarks on the accuracy, in sentences; may be empty.
    pub note: String,
    /// Counted crossings, oldest first.
    pub crossings: Vec<CrossingFigure>,
    /// Tracks that ended at the line uncounted.
    pub missed: Vec<CrossingFigure>,
}

/// A crossing or a possible miss.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingFigure {
    /// The address of its picture, perhaps a `data:` URL; `None` without a picture.
    pub picture: Option<String>,
    /// Time, direction and class.
    pub words: String,
    /// Known to be wrong.
    pub is_wrong: bool,
    pub clip: CrossingClip,
}

/// The recording of a crossing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum CrossingClip {
    /// The page says nothing about a recording.
    #[default]
    Unknown,
    /// No recording was running.
    None,
    /// Addresses of the player, and of a video if one can be made.
    At(String, Option<String>),
}

/// A self-contained HTML page. `by` describes the detector and its settings, in sentences.
pub fn report_page(title: &str, by: &str, lines: &[LineCrossings]) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n<style>{STYLE}</style>\n<h1>{0}</h1>\n\
         <p>Counted with {1}</p>\n",
        Text(title),
        Text(by)
    );
    for line in lines {
        let _ = writeln!(html, "<h2>{}</h2>", Text(&line.name));
        html.push_str(&line.html("h3"));
    }
    html.push_str("</html>\n");
    html
}

const STYLE: &str = "body{font-family:sans-serif;margin:1em auto;max-width:72em;padding:0 1em}\
    .crossed{display:grid;grid-template-columns:repeat(auto-fill,minmax(11em,1fr));gap:.5em}figure{margin:0}\
    img{width:100%;aspect-ratio:1;object-fit:contain;background:#ddd}figcaption{font-size:.85em}\
    .wrong img{outline:3px solid #c00}.missed img{outline:3px solid #e90}";

/// Largest number of listed closed times.
const MOST_CLOSED: usize = 12;

/// Times without counting and their reasons, in a sentence. Adjacent times with the same reason are joined; empty if
/// none lasts a second.
pub fn closed_in_words(gaps: &[Gap], clock: &LocalClock) -> String {
    let mut joined: Vec<Gap> = Vec::new();
    for gap in gaps {
        match joined.last_mut() {
            Some(last) if last.why == gap.why && gap.from_us <= last.to_us.saturating_add(SECOND_US) => {
                last.to_us = last.to_us.max(gap.to_us);
            }
            _ => joined.push(gap.clone()),
        }
    }
    joined.retain(|gap| gap.to_us.saturating_sub(gap.from_us) >= SECOND_US);
    let (now, more) = (to_zoned(clock.now_us, &clock.zone), joined.len().saturating_sub(MOST_CLOSED));
    let of = |us| {
        let at = to_zoned(us, &clock.zone);
        if at.date() == now.date() { second(&at) } else { format_when(&at, &now) }
    };
    let listed: Vec<String> = joined[more..]
        .iter()
        .map(|gap| format!("{}–{} ({})", of(gap.from_us), of(gap.to_us), not_counted_reason(&gap.why)))
        .collect();
    match (listed.is_empty(), more) {
        (true, _) => String::new(),
        (_, 0) => format!("Closed {}.", listed.join(", ")),
        _ => format!("Closed {}, and {more} times before.", listed.join(", ")),
    }
}

const SECOND_US: u64 = 1_000_000;

/// The address of a line's crossings in a time, of one class or all.
pub fn crossings_address(line: u64, class: Option<&str>, from_us: u64, to_us: u64) -> String {
    let of = |us| percent_encoded(&rfc3339(us));
    let class = class.map_or_else(String::new, |class| format!("&class={}", percent_encoded(class)));
    format!("crossings?line={line}{class}&from={}&to={}", of(from_us), of(to_us))
}

/// Data of the page of a line's crossings.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingsPage {
    pub head: Head,
    pub clock: LocalClock,
    pub line_id: u64,
    /// Start and end of the shown time, in microseconds since 1970.
    pub from_us: u64,
    pub to_us: u64,
    /// No time was asked for, so the last hour is shown.
    pub is_last_hour: bool,
    /// The address of earlier crossings, if there are more.
    pub next: Option<String>,
    pub line: LineCrossings,
    /// Why there are no pictures, in a sentence; empty if there may be some.
    pub no_pictures: String,
}

/// The page of a line's crossings as HTML, at `crossings?line=N`: the last hour, or from `from` to `to`.
pub fn crossings_page(page: &CrossingsPage) -> String {
    let lead = match page.no_pictures.as_str() {
        "" => String::new(),
        why => format!("<p class=\"muted\">{}</p>", MarkedText(why)),
    };
    let zone = &page.clock.zone;
    let now = to_zoned(page.clock.now_us, zone);
    let (from, to) = (to_zoned(page.from_us, zone), to_zoned(page.to_us, zone));
    let (title, time) = match page.is_last_hour {
        true => ("the last hour".to_owned(), format!("since {}", second(&from))),
        false => {
            let title = format!("{} to {}", format_when(&from, &now), format_when(&to, &now));
            (title, "in this time".to_owned())
        }
    };
    let next = match &page.next {
        Some(address) => format!("<a class=\"btn\" rel=\"next\" href=\"{}\">Earlier ones</a>", Text(address)),
        None => String::new(),
    };
    let main = format!(
        "<main id=\"main\" class=\"page\">\n<div class=\"top\"><h1>{name}: {title}</h1><p class=\"lead muted\">Every \
         crossing \
         {time}, and what may have been missed since the service started.</p></div>\n<section class=\"panel\" \
         aria-label=\"Crossings\">{lead}{line}\
         </section>\n<p class=\"row\">{next}<a class=\"btn\" href=\"counts?line={id}\">Counts of this \
         line</a></p></main>\n",
        name = Text(&page.line.name),
        line = page.line.html("h2"),
        id = page.line_id,
    );
    PageFrame::new(&page.head, Tab::Counts, "Crossings", &["page.js", "head.js"]).render(&main)
}

impl LineCrossings {
    /// `heading` is the element above the possible misses.
    fn html(&self, heading: &str) -> String {
        let mut html = format!("<p><b>{} in, {} out.</b>", self.count_in, self.count_out);
        if !self.note.is_empty() {
            let _ = write!(html, " {}", Text(&self.note));
        }
        html.push_str("</p>\n");
        figures(&mut html, &self.crossings, "");
        if !self.missed.is_empty() {
            let how_many = format_count(self.missed.len() as u64, "track");
            let _ = writeln!(html, "<{heading}>Ended at the line and not counted: {how_many}</{heading}>");
            figures(&mut html, &self.missed, "missed");
        }
        html
    }
}

fn figures(html: &mut String, figures: &[CrossingFigure], class: &str) {
    html.push_str("<div class=\"crossed\">\n");
    for figure in figures {
        let _ = write!(html, "<figure class=\"{}\">", if figure.is_wrong { "wrong" } else { class });
        if let Some(address) = &figure.picture {
            let _ = write!(html, "<img src=\"{}\" alt=\"\" loading=\"lazy\">", Text(address));
        }
        let clip = match &figure.clip {
            CrossingClip::Unknown => String::new(),
            CrossingClip::None => String::from("<br><span class=\"muted\">Not recorded</span>"),
            CrossingClip::At(player, video) => {
                let video = video.as_ref().map(|video| {
                    format!(
                        " · <a href=\"{}\" data-video download>Video</a> <span role=\"status\"></span>",
                        Text(video)
                    )
                });
                format!("<br><a href=\"{}\">Watch</a>{}", Text(player), video.unwrap_or_default())
            }
        };
        let _ = writeln!(html, "<figcaption>{}{clip}</figcaption></figure>", Text(&figure.words));
    }
    html.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn a_closed_time_is_listed_once_with_its_reason() {
        const S: u64 = SECOND_US;
        let clock = LocalClock { now_us: 7200 * S, zone: TimeZone::UTC, day_starts: 0 };
        let gap = |from: u64, to: u64, why: &str| Gap { from_us: from * S, to_us: to * S, why: why.into() };
        let pieces: Vec<Gap> = (0..14).map(|n| gap(60 * n, 60 * (n + 1), "no_model")).collect();
        assert_eq!(closed_in_words(&pieces, &clock), "Closed 00:00:00–00:14:00 (no usable model).");
        let gaps = [gap(60, 60, "paused"), gap(60, 90, "paused"), gap(90, 100, "off"), gap(200, 200, "off")];
        assert_eq!(
            closed_in_words(&gaps, &clock),
            "Closed 00:01:00–00:01:30 (paused), 00:01:30–00:01:40 (tallycam was off)."
        );
        assert_eq!(closed_in_words(&gaps[3..], &clock), "");
        let many: Vec<Gap> = (0..15).map(|n| gap(60 * n, 60 * n + 5, "paused")).collect();
        assert!(closed_in_words(&many, &clock).ends_with(", and 3 times before."));
    }
}
