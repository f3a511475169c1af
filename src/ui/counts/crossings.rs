//! The page Crossings: one by one, newest first. The chosen one stands beside the table with its clip, and can be
//! marked as wrong. `counts.js` steps through them by keyboard.

use std::fmt::Write;

use jiff::civil::Date;

use crate::ui::counts::crossing_report::crossings_address;
use crate::ui::counts::range::{counting_day, day_start_us, days_before, export_name};
use crate::ui::escape::Text;
use crate::ui::facts::{Head, LocalClock, Reader, RefusalReason};
use crate::ui::form::{field, form_to, lock};
use crate::ui::format::{
    capital, class_name, day, format_long_day, format_sums, format_thousands, format_when, rfc3339, second,
    to_zoned,
};
use crate::ui::frame::{PageFrame, Tab, refusal_html};
use tallycam_base::unicode::percent_encoded;
use tallycam_store::{Direction, LineRow, StoredCrossing};

/// The parsed query of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingsAsk {
    /// Start and end of the shown time, in microseconds since 1970.
    pub from_us: u64,
    pub to_us: u64,
    /// The shown day; `None` for other times.
    pub day: Option<Date>,
    pub line: Option<u64>,
    pub class: Option<String>,
    /// Only crossings before this number.
    pub cursor: Option<u64>,
    /// The number of the chosen crossing.
    pub at: Option<u64>,
}

impl CrossingsAsk {
    /// The shown time: a day, or from `from` to `to`; today without a query. The day is `None` for other times than a
    /// whole day.
    pub fn span(
        date: Option<Date>,
        from_us: Option<u64>,
        to_us: Option<u64>,
        clock: &LocalClock,
    ) -> (u64, u64, Option<Date>) {
        let today = counting_day(clock.now_us, clock);
        let bounds = |day| (day_start_us(day, clock), day_start_us(days_before(day, -1), clock));
        let whole = from_us.zip(to_us).and_then(|(from_us, to_us)| {
            Some(counting_day(from_us, clock)).filter(|day| *day <= today && bounds(*day) == (from_us, to_us))
        });
        let date = date.or(whole);
        if date.is_none() && (from_us.is_some() || to_us.is_some()) {
            let to_us = to_us.unwrap_or(clock.now_us);
            let hour_ago = || to_us.min(clock.now_us).saturating_sub(3_600_000_000);
            return (from_us.unwrap_or_else(hour_ago).min(to_us), to_us, None);
        }
        let day = date.unwrap_or(today).min(today);
        let (from_us, to_us) = bounds(day);
        (from_us, to_us, Some(day))
    }
}

/// A crossing with its recording.
#[derive(Debug, Clone, PartialEq)]
pub struct ClippedCrossing {
    pub row: StoredCrossing,
    /// The recording that shows it: its number, and seconds from its start to the clip's start and end.
    pub clip: Option<(u64, f64, f64)>,
}

/// Data of the page Crossings.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossingsPage {
    pub head: Head,
    pub clock: LocalClock,
    pub scene: String,
    pub ask: CrossingsAsk,
    /// The lines of the scene, including deleted ones.
    pub lines: Vec<LineRow>,
    pub classes: Vec<String>,
    /// Crossings in and out in all of the shown time.
    pub sums: (u64, u64),
    /// Newest first.
    pub rows: Vec<ClippedCrossing>,
    pub chosen: Option<ClippedCrossing>,
    /// There are older ones.
    pub has_more: bool,
    /// Remarks in sentences; may be empty.
    pub note: String,
    /// Time and class of objects that ended at the line uncounted.
    pub missed: Vec<String>,
    /// The reader may see pictures.
    pub has_pictures: bool,
    /// Privacy mode: nobody sees a picture.
    pub is_counts_only: bool,
    /// Videos of clips can be made.
    pub has_video: bool,
    /// Crossings are not recorded, and the page can change that.
    pub offers_recording: bool,
    /// Every crossing is recorded.
    pub records_all: bool,
    pub refused: Option<RefusalReason>,
}

/// The page Crossings as HTML, at `crossings`.
pub fn crossings_page(page: &CrossingsPage) -> String {
    let ask = &page.ask;
    let name = page.line().map_or("Crossings", |line| line.draft.name.as_str());
    let older = match page.rows.iter().map(|one| one.row.id).min().filter(|_| page.has_more) {
        Some(last) => format!(
            "<p class=\"row\"><a class=\"btn\" rel=\"next\" href=\"{}\">Earlier ones</a></p>",
            Text(&page.address(None, Some(last)))
        ),
        None => String::new(),
    };
    let main = format!(
        include_str!("crossings.html"),
        name = Text(name),
        when = page.when(),
        steps = page.steps(),
        day = ask.day.map_or_else(String::new, |day| day.to_string()),
        today = counting_day(page.clock.now_us, &page.clock),
        lines = options(
            page.lines.iter().map(|line| (line.id.to_string(), line.draft.name.as_str().to_owned())),
            ask.line.map(|line| line.to_string())
        ),
        classes = options(
            page.classes.iter().map(|one| (one.clone(), capital(class_name(one)))),
            ask.class.clone()
        ),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        sums = format_sums(page.sums),
        camera = Text(&page.head.name),
        printed = format_when(&to_zoned(page.clock.now_us, &page.clock.zone), &to_zoned(0, &page.clock.zone)),
        csv = Text(&page.csv()),
        file = Text(&export_name(
            &page.head.name,
            ask.from_us,
            ask.to_us.min(page.clock.now_us + 1),
            &page.clock
        )),
        note = Text(&page.note),
        rows = page.table_rows(),
        older = older,
        missed = page.missed(),
        one = page.chosen.as_ref().map_or_else(|| page.none_chosen(), |chosen| page.chosen(chosen)),
        counts = ask.line.map_or_else(String::new, |line| format!("?line={line}")),
    );
    PageFrame::new(&page.head, Tab::Counts, "Crossings", &["page.js", "head.js", "counts.js"]).render(&main)
}

/// The options of a menu, one of them chosen.
fn options(all: impl Iterator<Item = (String, String)>, chosen: Option<String>) -> String {
    let mut html = String::new();
    for (value, name) in all {
        let selected = if chosen.as_ref() == Some(&value) { " selected" } else { "" };
        let _ = write!(html, "<option value=\"{}\"{selected}>{}</option>", Text(&value), Text(&name));
    }
    html
}

impl CrossingsPage {
    fn line(&self) -> Option<&LineRow> {
        self.lines.iter().find(|line| Some(line.id) == self.ask.line)
    }

    /// The shown day, or the shown time.
    fn when(&self) -> String {
        let of = |us| to_zoned(us, &self.clock.zone);
        let now = of(self.clock.now_us);
        match self.ask.day {
            Some(day) if day == counting_day(self.clock.now_us, &self.clock) => "today".into(),
            Some(day) if day.year() == now.year() => format_long_day(&of(self.ask.from_us)),
            Some(_) => format!("{} {}", format_long_day(&of(self.ask.from_us)), of(self.ask.from_us).year()),
            None => format!(
                "{} to {}",
                format_when(&of(self.ask.from_us), &now),
                format_when(&of(self.ask.to_us), &now)
            ),
        }
    }

    /// The address of this page with another chosen crossing or start.
    fn address(&self, at: Option<u64>, cursor: Option<u64>) -> String {
        let ask = &self.ask;
        let mut address = match ask.day {
            None => crossings_address(ask.line, ask.class.as_deref(), ask.from_us, ask.to_us),
            Some(day) => self.address_of_day(day),
        };
        for (name, number) in [("cursor", cursor), ("at", at)] {
            if let Some(number) = number {
                let _ = write!(address, "&{name}={number}");
            }
        }
        address
    }

    fn address_of_day(&self, day: Date) -> String {
        let line = self.ask.line.map_or_else(String::new, |line| format!("&line={line}"));
        let class = self.ask.class.as_ref();
        let class = class.map_or_else(String::new, |class| format!("&class={}", percent_encoded(class)));
        format!("crossings?day={day}{line}{class}")
    }

    /// Links to the days before and after.
    fn steps(&self) -> String {
        let Some(day) = self.ask.day else { return String::new() };
        let mut html = String::new();
        let next =
            Some(days_before(day, -1)).filter(|next| *next <= counting_day(self.clock.now_us, &self.clock));
        let days =
            [(Some(days_before(day, 1)), "prev", "Previous day", "‹"), (next, "next", "Next day", "›")];
        for (day, rel, name, sign) in days {
            let Some(day) = day else { continue };
            let _ = write!(
                html,
                "<a rel=\"{rel}\" href=\"{}\" aria-label=\"{name}\" title=\"{name}\">{sign}</a>",
                Text(&self.address_of_day(day))
            );
        }
        format!("<nav class=\"seg\" aria-label=\"Earlier or later\">{html}</nav>")
    }

    /// The API's address of exactly what is shown, as a table.
    fn csv(&self) -> String {
        let ask = &self.ask;
        let mut address = format!(
            "api/v1/crossings?from={}&to={}&scene={}",
            rfc3339(ask.from_us),
            rfc3339(ask.to_us),
            percent_encoded(&self.scene)
        );
        if let Some(line) = ask.line {
            let _ = write!(address, "&line={line}");
        }
        if let Some(class) = &ask.class {
            let _ = write!(address, "&class={}", percent_encoded(class));
        }
        address + "&format=csv"
    }

    /// The time of a crossing: "14:02:37", with the day if several are shown.
    fn time(&self, crossing: &StoredCrossing) -> String {
        let at = to_zoned(crossing.time_us, &self.clock.zone);
        let unsure = if crossing.is_time_sure { "" } else { "~" };
        match self.ask.day {
            Some(_) => format!("{unsure}{}", second(&at)),
            None => format!("{unsure}{} {}", day(&at), second(&at)),
        }
    }

    /// The name of the direction, and its style.
    fn way(&self, crossing: &StoredCrossing) -> (String, &'static str) {
        let line = self.lines.iter().find(|line| line.id == crossing.line_id);
        match crossing.direction {
            Direction::In => (line.map_or("in", |line| &line.draft.in_name).to_owned(), "in"),
            Direction::Out => (line.map_or("out", |line| &line.draft.out_name).to_owned(), "out"),
        }
    }

    fn table_rows(&self) -> String {
        let mut html = String::new();
        for ClippedCrossing { row, clip } in &self.rows {
            let (way, class) = self.way(row);
            let picture = match row.has_thumbnail && self.has_pictures {
                true => format!(
                    "<img src=\"api/v1/crossings/{}/thumbnail.jpg\" alt=\"\" width=\"48\" height=\"48\" \
                     loading=\"lazy\">",
                    row.id
                ),
                false => String::new(),
            };
            let is_chosen = self.chosen.as_ref().is_some_and(|chosen| chosen.row.id == row.id);
            let _ = write!(
                html,
                "<tr{wrong}><th scope=\"row\"><a class=\"at\" href=\"{address}#one\"{current}>{time}</a></th><td \
                 class=\"l {class}\">{way}</td><td class=\"l\">{what}{word}</td><td class=\"l\">{line}</td><td \
                 class=\"l pic\">{picture}</td><td class=\"l no-print\">{links}</td></tr>",
                wrong = if row.is_wrong { " class=\"wrong\"" } else { "" },
                address = Text(&self.address(Some(row.id), self.ask.cursor)),
                current = if is_chosen { " aria-current=\"true\"" } else { "" },
                time = self.time(row),
                way = Text(&way),
                what = Text(&capital(class_name(&row.class))),
                word = wrong_word(row),
                line = Text(&row.line),
                links = self.links(row.id, *clip),
            );
        }
        if html.is_empty() {
            html.push_str("<tr><td colspan=\"6\" class=\"l muted\">No crossings.</td></tr>");
        }
        html
    }

    /// Links that play and save a clip.
    fn links(&self, id: u64, clip: Option<(u64, f64, f64)>) -> String {
        let Some((item, from, _)) = clip else {
            return if self.has_pictures {
                "<span class=\"muted\">No recording</span>".into()
            } else {
                String::new()
            };
        };
        let save = match self.has_video {
            true => format!(
                " · <a href=\"api/v1/crossings/{id}/video\" data-video download>Save</a> <span \
                 role=\"status\"></span>"
            ),
            false => String::new(),
        };
        format!("<a href=\"player?id={item}&amp;t={from:.3}\">Play</a>{save}")
    }

    fn missed(&self) -> String {
        if self.missed.is_empty() {
            return String::new();
        }
        let all: String = self.missed.iter().map(|words| format!("<li>{}</li>", Text(words))).collect();
        format!(
            "<details class=\"no-print\"><summary>Not counted, but ended at the line: {}</summary><ul \
             class=\"small\">{all}</ul></details>",
            self.missed.len()
        )
    }

    /// The hint beside the table before a crossing is chosen.
    fn none_chosen(&self) -> String {
        let what = if self.has_pictures { "its picture and clip" } else { "more about it" };
        format!("<p class=\"muted\">Choose a time to see {what}.</p>{}", self.recording_note())
    }

    /// That every crossing is recorded, or the button for it.
    fn recording_note(&self) -> String {
        if self.records_all {
            return "<p class=\"small muted\">Every crossing is recorded.</p>".into();
        }
        if !self.offers_recording {
            return String::new();
        }
        let [lock, unlock] = lock(self.head.reader, Reader::Admin);
        format!(
            "{}{}{lock}<p class=\"small muted\">Crossings have no clip unless they are recorded.</p><button \
             class=\"btn\">Record every crossing</button>{unlock}</form>",
            form_to("patch", "api/v1/settings", &self.here(), " id=\"record-all\""),
            field("record.on_crossing", "*"),
        )
    }

    /// The address of this page, as the next page of a form.
    fn here(&self) -> String {
        let at = self.chosen.as_ref().map(|chosen| chosen.row.id);
        self.address(at, self.ask.cursor)
    }

    /// The chosen crossing: its clip or picture, and its mark.
    fn chosen(&self, chosen: &ClippedCrossing) -> String {
        let row = &chosen.row;
        let (way, _) = self.way(row);
        let screen = match chosen.clip.filter(|_| self.has_pictures) {
            Some((item, from, to)) => format!(
                "<img class=\"clip\" src=\"api/v1/media/{item}/frames?from={from:.3}&amp;to={to:.3}&amp;loop=1\" \
                 alt=\"The clip of this crossing\">"
            ),
            None if row.has_thumbnail && self.has_pictures => format!(
                "<img class=\"clip\" src=\"api/v1/crossings/{}/thumbnail.jpg\" alt=\"The crossing\">",
                row.id
            ),
            None => format!(
                "<p class=\"muted\">{}</p>",
                match (self.has_pictures, self.is_counts_only) {
                    (true, _) => "Nothing was recorded then.",
                    (false, true) => "Privacy mode shows no pictures.",
                    (false, false) => "Sign in as a viewer to see pictures.",
                }
            ),
        };
        let [lock, unlock] = lock(self.head.reader, Reader::Operator);
        let set = |wrong: bool| {
            form_to("patch", &format!("api/v1/crossings/{}", row.id), &self.here(), " class=\"row\"")
                + &field("wrong", if wrong { "true" } else { "false" })
        };
        let mark = match row.is_wrong {
            true => format!(
                "{}{lock}<span>Marked as wrong{}.</span><button class=\"btn\">It is right</button>{unlock}</form>",
                set(false),
                if row.is_excluded { ", not in the sums" } else { "" },
            ),
            false => format!(
                "{}{lock}<button class=\"btn\">Mark as wrong</button><label class=\"row\"><input type=\"checkbox\" \
                 name=\"excluded\" value=\"true\" checked> Leave it out of the sums</label>{unlock}</form>",
                set(true),
            ),
        };
        let offer = if chosen.clip.is_none() { self.recording_note() } else { String::new() };
        format!(
            "<h2>{}{}, {}</h2>{screen}<p class=\"row\">{}</p><p class=\"small muted\">{} · {} · #{}</p>{mark}{offer}",
            self.time(row),
            wrong_word(row),
            Text(&way),
            self.links(row.id, chosen.clip),
            Text(&row.line),
            Text(&capital(class_name(&row.class))),
            format_thousands(row.id),
        )
    }
}

/// As in " wrong, not in the sums"; empty for a right one.
fn wrong_word(row: &StoredCrossing) -> &'static str {
    match (row.is_wrong, row.is_excluded) {
        (false, _) => "",
        (true, false) => " <small>wrong</small>",
        (true, true) => " <small>wrong, left out</small>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn a_wrong_crossing_is_struck_out_and_can_be_taken_back() {
        let mut page = fixtures::crossings();
        page.ask.at = Some(page.rows[0].row.id);
        page.chosen = Some(page.rows[0].clone());
        let html = crossings_page(&page);
        assert!(html.contains("Mark as wrong") && !html.contains("<tr class=\"wrong\">"), "{html}");
        assert!(html.contains("<b>24\u{202f}570 in, 1\u{202f}200 out</b>"), "{html}");
        for row in page.rows.iter_mut().take(1).chain(&mut page.chosen) {
            (row.row.is_wrong, row.row.is_excluded) = (true, true);
        }
        let html = crossings_page(&page);
        assert!(html.contains("<tr class=\"wrong\">") && html.contains("It is right"), "{html}");
        assert!(!html.contains("Record every crossing"));
        page.offers_recording = true;
        page.chosen = None;
        assert!(crossings_page(&page).contains("Record every crossing"));
    }

    #[test]
    fn the_shown_time_is_a_day_unless_a_link_says_otherwise() {
        let clock = fixtures::crossings().clock;
        let (from, to, day) = CrossingsAsk::span(None, None, None, &clock);
        assert!(from <= clock.now_us && clock.now_us < to && day.is_some());
        assert_eq!(CrossingsAsk::span(None, Some(5), Some(9), &clock), (5, 9, None));
        assert_eq!(
            CrossingsAsk::span(None, Some(from), Some(to), &clock),
            (from, to, day),
            "a whole day is a day"
        );
        let later = clock.now_us + 1;
        assert_eq!(
            CrossingsAsk::span(None, Some(from), Some(later), &clock),
            (from, later, None),
            "more may come"
        );
        let late = day.map(|day| days_before(day, -30));
        assert_eq!(CrossingsAsk::span(late, None, None, &clock), (from, to, day), "it is not in the future");
    }
}
