//! Crossings of lines with a picture of each, so that an owner can judge the counts: a self-contained page (`tallycam
//! count --report`). Also the words for times without counting.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::LocalClock;
use crate::ui::format::{
    began_us, format_count, format_when, is_before_begin, is_listed, minute, not_counted_reason, rfc3339,
    to_zoned,
};
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

/// Largest number of listed times without counting.
const MOST_LISTED: usize = 12;

/// Times without counting and their reasons, in a sentence. Adjacent times with the same reason are joined; empty if
/// none lasts a minute. The time before the start of counting is left out.
pub fn not_counting_in_words(gaps: &[Gap], clock: &LocalClock) -> String {
    let mut joined: Vec<Gap> = Vec::new();
    for gap in gaps {
        match joined.last_mut() {
            Some(last) if last.why == gap.why && gap.from_us <= last.to_us.saturating_add(SECOND_US) => {
                last.to_us = last.to_us.max(gap.to_us);
            }
            _ => joined.push(gap.clone()),
        }
    }
    let begun_us = began_us(gaps);
    joined.retain(|gap| is_listed(gap) && !is_before_begin(gap, begun_us));
    let (now, more) = (to_zoned(clock.now_us, &clock.zone), joined.len().saturating_sub(MOST_LISTED));
    let of = |us| {
        let at = to_zoned(us, &clock.zone);
        if at.date() == now.date() { minute(&at) } else { format_when(&at, &now) }
    };
    let listed: Vec<String> = joined[more..]
        .iter()
        .map(|gap| format!("{}–{} ({})", of(gap.from_us), of(gap.to_us), not_counted_reason(&gap.why)))
        .collect();
    match (listed.is_empty(), more) {
        (true, _) => String::new(),
        (_, 0) => format!("Not counting {}.", listed.join(", ")),
        _ => format!("Not counting {}, and {more} times before.", listed.join(", ")),
    }
}

const SECOND_US: u64 = 1_000_000;

/// The address of the crossings in a time, of one line and class or all.
pub fn crossings_address(line: Option<u64>, class: Option<&str>, from_us: u64, to_us: u64) -> String {
    let of = |us| percent_encoded(&rfc3339(us));
    let line = line.map_or_else(String::new, |line| format!("&line={line}"));
    let class = class.map_or_else(String::new, |class| format!("&class={}", percent_encoded(class)));
    format!("crossings?from={}&to={}{line}{class}", of(from_us), of(to_us))
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
        let _ = writeln!(html, "<figcaption>{}</figcaption></figure>", Text(&figure.words));
    }
    html.push_str("</div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn a_time_without_counting_is_listed_once_with_its_reason() {
        const S: u64 = SECOND_US;
        let clock = LocalClock { now_us: 7200 * S, zone: TimeZone::UTC, day_starts: 0 };
        let gap = |from: u64, to: u64, why: &str| Gap { from_us: from * S, to_us: to * S, why: why.into() };
        let pieces: Vec<Gap> = (0..14).map(|n| gap(60 * n, 60 * (n + 1), "no_model")).collect();
        assert_eq!(not_counting_in_words(&pieces, &clock), "Not counting 00:00–00:14 (no usable model).");
        let gaps =
            [gap(60, 60, "paused"), gap(60, 180, "paused"), gap(180, 240, "off"), gap(300, 359, "off")];
        assert_eq!(
            not_counting_in_words(&gaps, &clock),
            "Not counting 00:01–00:03 (paused), 00:03–00:04 (tallycam off)."
        );
        assert_eq!(not_counting_in_words(&gaps[3..], &clock), "", "less than a minute");
        let many: Vec<Gap> = (0..15).map(|n| gap(90 * n, 90 * n + 65, "paused")).collect();
        assert!(not_counting_in_words(&many, &clock).ends_with(", and 3 times before."));
    }
}
