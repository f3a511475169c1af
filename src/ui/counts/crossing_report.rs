//! Crossings of lines, each with its picture, so that an owner sees whether the count can be trusted: as a page of its own
//! (`tallycam count --report`) and as the page of a line's last hour.

use std::fmt::Write;

use crate::ui::escape::{Text, Words};
use crate::ui::facts::{Clock, Head};
use crate::ui::format::{format_count, second, to_zoned};
use crate::ui::frame::{Frame, Tab};

/// A line, what was counted on it, and what may have been missed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineCrossings {
    pub name: String,
    /// How many went in.
    pub count_in: usize,
    /// How many went out.
    pub count_out: usize,
    /// More about how right that is, in sentences; may be empty.
    pub note: String,
    /// What was counted, the oldest first.
    pub crossings: Vec<CrossingFigure>,
    /// Tracks that ended at the line uncounted.
    pub missed: Vec<CrossingFigure>,
}

/// A crossing, or what may have been one.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingFigure {
    /// The address of its picture, where there is one; that may be a `data:` URL.
    pub picture: Option<String>,
    /// When, which way, and what.
    pub words: String,
    /// It is known to be wrong.
    pub is_wrong: bool,
    /// The recording that shows it.
    pub clip: CrossingClip,
}

/// Where a crossing can be watched.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum CrossingClip {
    /// Nothing is said of it.
    #[default]
    Unknown,
    /// No recording was under way.
    None,
    /// The address of the player, and of a video where one can be made.
    At(String, Option<String>),
}

/// A page that needs nothing else, as HTML. `by`: what it was counted with, in sentences.
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

/// What the page of a line's last hour shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingsPage {
    /// What stands above.
    pub head: Head,
    /// The clock on the wall.
    pub clock: Clock,
    /// The number of the line.
    pub line_id: u64,
    pub line: LineCrossings,
    /// Why there are no pictures, in a sentence; empty if there may be some.
    pub no_pictures: String,
}

/// The page of a line's last hour as HTML, at `crossings?line=N`.
pub fn crossings_page(page: &CrossingsPage) -> String {
    let lead = match page.no_pictures.as_str() {
        "" => String::new(),
        why => format!("<p class=\"muted\">{}</p>", Words(why)),
    };
    let main = format!(
        "<main id=\"main\" class=\"page\">\n<div class=\"top\"><h1>{name}: the last hour</h1><p class=\"lead muted\">Every crossing \
         since {since}, and what may have been missed since the service started.</p></div>\n<section class=\"panel\" aria-label=\"Crossings\">{lead}{line}\
         </section>\n<p class=\"row\"><a class=\"btn\" href=\"counts?line={id}\">Counts of this line</a></p></main>\n",
        name = Text(&page.line.name),
        since = second(&to_zoned(page.clock.now_us.saturating_sub(3_600_000_000), &page.clock.zone)),
        line = page.line.html("h2"),
        id = page.line_id,
    );
    Frame::new(&page.head, Tab::Counts, "Crossings", &["page.js", "head.js"]).render(&main)
}

impl LineCrossings {
    /// `heading`: the element above what was missed.
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
                let video =
                    video.as_ref().map(|video| format!(" · <a href=\"{}\" download>Video</a>", Text(video)));
                format!("<br><a href=\"{}\">Watch</a>{}", Text(player), video.unwrap_or_default())
            }
        };
        let _ = writeln!(html, "<figcaption>{}{clip}</figcaption></figure>", Text(&figure.words));
    }
    html.push_str("</div>\n");
}
