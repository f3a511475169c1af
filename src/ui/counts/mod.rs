//! The page of figures: today (or any days) against the same weekdays before, bars, the week hour by hour,
//! classes, tables, and what was not counted.
//!
//! `compare` decides which hours may be compared, `charts` and `tables` draw the sections.
//!
//! It is complete as the server draws it. `counts.js` fetches the same page again when something has
//! crossed, and puts its new `#shown` in place of the old one.

mod charts;
mod compare;
pub mod crossing_report;
mod occupancy;
pub mod range;
pub(in crate::ui) mod since;
mod tables;

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::base::unicode::percent_encoded;
use crate::store::{BucketRow, Gap, LineRow, Reset, TallyRow, is_open};
use crate::ui::chart::{self, ChartSums};
use crate::ui::counts::crossing_report::crossings_address;
use crate::ui::counts::range::{CountsAsk, Heatmap, counting_day};
use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{CountingReport, Head, LocalClock, Reader, RefusalReason, ZoneFigures};
use crate::ui::form::{form_to, lock};
use crate::ui::format::{
    began_us, capital, day, format_long_day, format_thousands, maybe_sentence, minute, rfc3339, to_zoned,
};
use crate::ui::frame::{PageFrame, Tab, refusal_html, remedy};

/// Stands in place of a sum of which nothing is known.
const UNKNOWN: &str = "–";

/// What the page of figures shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsPage {
    /// What stands above.
    pub head: Head,
    /// The clock on the wall.
    pub clock: LocalClock,
    /// The scene in use: `camera`, `files` or `sim`.
    pub scene: String,
    /// What is asked for.
    pub ask: CountsAsk,
    /// Lines of the scene, deleted ones too.
    pub lines: Vec<LineRow>,
    /// The zones that count, and how many were in each in [`CountsAsk::shown`].
    pub zones: Vec<ZoneFigures>,
    /// Today's sums of the lines that are not deleted.
    pub tallies: Vec<TallyRow>,
    /// Every class there is to choose, by name: those that are counted and those that ever were.
    pub classes: Vec<String>,
    /// [`CountsAsk::shown`], of the line and class asked for.
    pub shown: Vec<BucketRow>,
    /// [`CountsAsk::compared`], likewise.
    pub compared: Option<[Vec<BucketRow>; 2]>,
    /// [`CountsAsk::weeks`], likewise.
    pub weeks: Vec<BucketRow>,
    /// Times without counting that meet [`CountsAsk::shown`], oldest first.
    pub gaps: Vec<Gap>,
    /// What goes beyond it for each line, by its number, where all of them are shown.
    pub line_gaps: BTreeMap<u64, Vec<Gap>>,
    /// Resets in [`CountsAsk::shown`].
    pub resets: Vec<Reset>,
    /// Every time that a line was moved in the time that is shown: its number, and when.
    pub moves: Vec<(u64, u64)>,
    /// How counting is going.
    pub counting: CountingReport,
    /// A reset that could not be carried out.
    pub refused: Option<RefusalReason>,
}

/// Buckets of the page with those to come, between the hours that are shown.
fn shown_buckets(page: &CountsPage, known: Vec<BucketRow>) -> Vec<BucketRow> {
    let ask = &page.ask;
    let mut buckets = chart::with_future_buckets(known, ask.shown.to_us);
    if let Some(hours) = ask.hours.filter(|_| ask.shown.bucket == "hour") {
        let hour = |us| u8::try_from(to_zoned(us, &page.clock.zone).hour()).unwrap_or(0);
        buckets.retain(|bucket| is_open(hours, hour(bucket.start_us)));
    }
    buckets
}

/// The page of figures as HTML, at `counts`. It links to `api/v1/counts`.
pub fn counts_page(page: &CountsPage) -> String {
    let ask = &page.ask;
    let buckets = shown_buckets(page, page.shown.clone());
    let view = ChartView { page, buckets: &buckets };
    let [lock, unlock] = lock(page.head.reader, Reader::Operator);
    let own_dates = if ask.range == "own" {
        format!(
            "<input type=\"hidden\" name=\"from\" value=\"{}\"><input type=\"hidden\" name=\"to\" value=\"{}\">",
            ask.first, ask.last
        )
    } else {
        String::new()
    };
    let main = format!(
        include_str!("counts.html"),
        definitions = chart::DEFINITIONS,
        title = view.range_title(),
        ranges = view.ranges(),
        steps = view.steps(),
        hours = view.hour_options(),
        with = view.comparison_options(),
        undo = view.undo(),
        lock = lock,
        unlock = unlock,
        against = ask.with.as_deref().filter(|with| with.contains('-')).unwrap_or_default(),
        range = ask.range,
        own_dates = own_dates,
        line_options = view.line_options(ask.line, true),
        class_options = view.class_options(),
        filters_open = if view.choices().is_empty() { "" } else { " open" },
        own_open = if ask.range == "own" { " open" } else { "" },
        filters = view.filters(),
        first = ask.first,
        last = ask.last,
        today = view.today(),
        refused = page.refused.as_ref().map_or_else(|| view.ignored_parameters(), refusal_html),
        is_today = view.is_today(),
        shown = view.live_part(),
        zero_options = view.line_options(None, false),
    );
    PageFrame::new(&page.head, Tab::Counts, "Counts", &["page.js", "head.js", "counts.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

/// The page and the buckets of its chart, those that are still to come too.
struct ChartView<'a> {
    page: &'a CountsPage,
    buckets: &'a [BucketRow],
}

impl ChartView<'_> {
    fn clock(&self) -> &LocalClock {
        &self.page.clock
    }

    fn today(&self) -> jiff::civil::Date {
        counting_day(self.clock().now_us, self.clock())
    }

    /// What was asked for and is not shown so.
    fn ignored_parameters(&self) -> String {
        let mut told = self.page.ask.misread.clone();
        if let Some(line) =
            self.page.ask.line.filter(|line| self.page.lines.iter().all(|own| own.id != *line))
        {
            told.push(format!("There is no line {line}."));
        }
        if told.is_empty() {
            return String::new();
        }
        format!("<div class=\"banner\" role=\"status\"><p>{}</p></div>", Text(&told.join(" ")))
    }

    fn is_today(&self) -> bool {
        self.page.ask.last == self.today()
    }

    fn is_one_day(&self) -> bool {
        self.page.ask.first == self.page.ask.last
    }

    /// The days that are shown: "Today, Friday 20 November".
    fn range_title(&self) -> String {
        let ask = &self.page.ask;
        let of = |us| to_zoned(us, &self.clock().zone);
        let (first, last) = (of(ask.shown.from_us), of(ask.shown.to_us.saturating_sub(1)));
        let time =
            |date: jiff::civil::Date, words: String| format!("<time datetime=\"{date}\">{words}</time>");
        if self.is_one_day() {
            let day = format_long_day(&first);
            return match ask.range {
                "today" => format!("Today, {}", time(ask.first, day)),
                "yesterday" => format!("Yesterday, {}", time(ask.first, day)),
                _ if first.year() == self.today().year() => time(ask.first, day),
                _ => time(ask.first, format!("{day} {}", first.year())),
            };
        }
        let is_this_year = last.year() == self.today().year() && first.year() == last.year();
        let year = if is_this_year { String::new() } else { format!(" {}", last.year()) };
        let from = if first.year() == last.year() {
            day(&first)
        } else {
            format!("{} {}", day(&first), first.year())
        };
        format!("{} to {}", time(ask.first, from), time(ask.last, day(&last) + &year))
    }

    /// An address of this page with something else asked for.
    fn address(&self, range: &str, bucket: Option<&str>, heat: Heatmap) -> String {
        let ask = &self.page.ask;
        let mut address = format!("counts?range={range}");
        // Writing to a string does not fail.
        if range == "own" {
            let _ = write!(address, "&from={}&to={}", ask.first, ask.last);
        }
        if let Some(bucket) = bucket {
            let _ = write!(address, "&bucket={bucket}");
        }
        address.push_str(&self.choices_query());
        if heat != Heatmap::Both {
            let _ = write!(address, "&heat={}", heat.as_str());
        }
        Text(&address).to_string()
    }

    /// What is chosen beside the days: as names and values of the address.
    fn choices(&self) -> Vec<(&'static str, String)> {
        let ask = &self.page.ask;
        let (open, close) = ask.hours.unzip();
        let all = [
            ("line", ask.line.map(|line| line.to_string())),
            ("class", ask.class.clone()),
            ("open", open.map(|hour| hour.to_string())),
            ("close", close.map(|hour| hour.to_string())),
            ("with", ask.with.clone()),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn choices_query(&self) -> String {
        self.choices().iter().map(|(name, value)| format!("&{name}={}", percent_encoded(value))).collect()
    }

    /// The way to as many days before and after.
    fn steps(&self) -> String {
        let names = if self.is_one_day() { ["Previous day", "Next day"] } else { ["Earlier", "Later"] };
        let mut html = String::new();
        let days = self.page.ask.neighbours(self.today());
        for ((days, name), (rel, sign)) in days.into_iter().zip(names).zip([("prev", "‹"), ("next", "›")])
        {
            let Some((first, last)) = days else { continue };
            let address = format!("counts?from={first}&to={last}{}", self.choices_query());
            let _ = write!(
                html,
                "<a rel=\"{rel}\" href=\"{}\" aria-label=\"{name}\" title=\"{name}\">{sign}</a>",
                Text(&address)
            );
        }
        html
    }

    /// The hours that may be chosen, from and to.
    fn hour_options(&self) -> String {
        let (open, close) = self.page.ask.hours.unzip();
        let options = |chosen: Option<u8>, all: &str| {
            let mut html = format!("<option value=\"\">{all}</option>");
            for hour in 1..24 {
                let selected = if chosen == Some(hour) { " selected" } else { "" };
                let _ = write!(html, "<option value=\"{hour}\"{selected}>{hour:02}:00</option>");
            }
            html
        };
        format!(
            "<label class=\"sr\" for=\"open\">From hour</label><select id=\"open\" name=\"open\">{}</select><label \
             class=\"sr\" for=\"close\">To hour</label><select id=\"close\" name=\"close\">{}</select>",
            options(open, "From 00:00"),
            options(close, "to 24:00"),
        )
    }

    /// What it may be compared with.
    fn comparison_options(&self) -> String {
        let with = self.page.ask.with.as_deref().unwrap_or_default();
        let before =
            if self.is_one_day() { "Against the day before" } else { "Against the time just before" };
        let mut all = vec![
            ("", "Against the same weekdays".to_owned()),
            ("before", before.to_owned()),
            ("4w", "Against 4 weeks before".to_owned()),
            ("year", "Against a year before".to_owned()),
        ];
        if all.iter().all(|(value, _)| *value != with) {
            all.push((with, format!("Against {}", self.reference_name())));
        }
        let mut html = String::new();
        for (value, name) in all {
            let selected = if with == value { " selected" } else { "" };
            let _ = write!(html, "<option value=\"{}\"{selected}>{}</option>", Text(value), Text(&name));
        }
        html
    }

    /// What of today was set to zero, each with the way back.
    fn undo(&self) -> String {
        let today = range::day_start_us(self.today(), self.clock());
        let [lock, unlock] = lock(self.page.head.reader, Reader::Operator);
        let mut html = String::new();
        for reset in self.page.resets.iter().rev().filter(|reset| reset.time_us >= today) {
            let line = self.page.lines.iter().find(|line| Some(line.id) == reset.line_id);
            let _ = write!(
                html,
                "{}{lock}<span>{} set to zero at {}.</span><button class=\"btn\">Undo</button>{unlock}</form>",
                form_to(
                    "delete",
                    &format!("api/v1/counts/reset/{}", reset.id),
                    "counts#zero",
                    " class=\"row\""
                ),
                line.map_or_else(
                    || "All lines were".into(),
                    |line| format!("{} was", Text(&line.draft.name))
                ),
                minute(&to_zoned(reset.time_us, &self.clock().zone)),
            );
        }
        html
    }

    /// When counting first began, if that was in the time that is shown.
    fn begun_us(&self) -> Option<u64> {
        let shown = &self.page.ask.shown;
        let end_us = shown.to_us.min(self.clock().now_us);
        began_us(&self.page.gaps).filter(|us| (shown.from_us + 1..end_us).contains(us))
    }

    /// The API's address of exactly what is shown.
    fn export(&self, format: &str) -> String {
        let ask = &self.page.ask;
        let mut address = format!(
            "api/v1/counts?from={}&to={}&bucket={}&by=line,class,direction&scene={}",
            rfc3339(ask.shown.from_us),
            rfc3339(ask.shown.to_us),
            ask.shown.bucket,
            percent_encoded(&self.page.scene),
        );
        if let Some(line) = ask.line {
            let _ = write!(address, "&line={line}");
        }
        if let Some(class) = &ask.class {
            let _ = write!(address, "&class={}", percent_encoded(class));
        }
        if let Some((open, close)) = ask.hours {
            let _ = write!(address, "&open={open}&close={close}");
        }
        let _ = write!(address, "&format={format}");
        Text(&address).to_string()
    }

    fn ranges(&self) -> String {
        let ranges = [
            ("today", "Today"),
            ("yesterday", "Yesterday"),
            ("7d", "7 days"),
            ("30d", "30 days"),
            ("month", "Month"),
        ];
        link_list(ranges.iter().map(|(range, name)| {
            (self.address(range, None, self.page.ask.heat), *name, *range == self.page.ask.range)
        }))
    }

    fn line_options(&self, chosen: Option<u64>, with_deleted: bool) -> String {
        let mut options = String::new();
        for line in self.page.lines.iter().filter(|line| with_deleted || line.deleted_us.is_none()) {
            let _ = write!(
                options,
                "<option value=\"{}\"{}>{}{}</option>",
                line.id,
                if chosen == Some(line.id) { " selected" } else { "" },
                Text(&line.draft.name),
                if line.deleted_us.is_some() { " (deleted)" } else { "" },
            );
        }
        options
    }

    fn class_options(&self) -> String {
        let mut options = String::new();
        for class in &self.page.classes {
            let _ = write!(
                options,
                "<option value=\"{}\"{}>{}</option>",
                Text(class),
                if self.page.ask.class.as_ref() == Some(class) { " selected" } else { "" },
                Text(&capital(class)),
            );
        }
        options
    }

    /// The filters as fields that are not seen.
    fn filters(&self) -> String {
        let mut fields = String::new();
        // What it is compared with is a field that is seen.
        for (name, value) in self.choices().into_iter().filter(|(name, _)| *name != "with") {
            let _ = write!(fields, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", Text(&value));
        }
        fields
    }

    /// Everything that changes when something crosses.
    fn live_part(&self) -> String {
        let page = self.page;
        let has_counted = self.total() != (0, 0);
        let mut html = String::new();
        if page.lines.iter().all(|line| line.deleted_us.is_some()) {
            html.push_str(
                "<div class=\"empty panel\"><h2>No line yet</h2><p class=\"muted\">Draw a line where people pass. From \
                 then on every crossing is stored, with or without viewers.</p>\
                 <a class=\"btn main\" href=\"lines?line=new\">Draw a line</a></div>",
            );
            if page.lines.is_empty() && !has_counted {
                html.push_str(&self.occupancy());
                return html;
            }
        } else if page.counting.word != "counting" && page.counting.reason.is_some() && self.is_today() {
            let _ = write!(
                html,
                "<div class=\"banner\"><p><b>Not counting now.</b> {} {}</p></div>",
                MarkedText(&maybe_sentence(&page.counting.reason)),
                remedy(page.counting.hint.as_deref().unwrap_or_default()),
            );
        }
        if page.scene == "sim" {
            html.push_str(
                "<div class=\"banner\"><p><b>This is a simulation.</b> Demo data, kept apart from \
                 real counts.</p></div>",
            );
        }
        let compared = self.comparison();
        html.push_str(&self.headline_figures(compared.as_ref()));
        html.push_str(&self.bars(compared.as_ref()));
        html.push_str(&self.lines());
        html.push_str(&self.occupancy());
        html.push_str(&self.last_hour());
        html.push_str(&self.week());
        html.push_str("<div class=\"split wide\">");
        html.push_str(&self.chart_table(compared.as_ref()));
        html.push_str("<div>");
        html.push_str(&self.classes());
        html.push_str(&self.gaps_table());
        html.push_str(&self.marks());
        html.push_str("</div></div>\n");
        html
    }

    /// The ways to the last hour of the lines that are shown, crossing by crossing.
    fn last_hour(&self) -> String {
        let (mut ways, mut all) = (String::new(), String::new());
        for line in self.page.lines.iter().filter(|line| self.page.ask.line.is_none_or(|id| line.id == id)) {
            // Writing to a string does not fail.
            let _ = write!(ways, " <a href=\"crossings?line={}\">{}</a>", line.id, Text(&line.draft.name));
            let shown = &self.page.ask.shown;
            let address =
                crossings_address(line.id, self.page.ask.class.as_deref(), shown.from_us, shown.to_us);
            let _ = write!(all, " <a href=\"{}\">{}</a>", Text(&address), Text(&line.draft.name));
        }
        if ways.is_empty() {
            return ways;
        }
        format!(
            "<p id=\"last-hour\">The last hour, crossing by crossing:{ways}<br>All of the time that is shown:{all}</p>"
        )
    }

    /// The line whose crossings alone are shown, if it is one.
    fn only_line(&self) -> Option<u64> {
        match (self.page.ask.line, self.page.lines.as_slice()) {
            (Some(line), _) => Some(line),
            (None, [only]) => Some(only.id),
            _ => None,
        }
    }

    fn total(&self) -> ChartSums {
        chart::total(self.buckets)
    }

    /// The share of what has passed that was counted, and the microseconds that were not.
    fn covered_share(&self) -> (f64, u64) {
        let (mut counted, mut passed) = (0.0, 0.0);
        // Of a longer bucket only the hours that are shown.
        let hours = self.page.ask.hours.filter(|_| self.page.ask.shown.bucket != "hour");
        let part =
            hours.map_or(1.0, |hours| (0..24).filter(|hour| is_open(hours, *hour)).count() as f64 / 24.0);
        let begun_us = self.begun_us().unwrap_or(0);
        for bucket in self.buckets {
            let end_us = bucket.end_us.min(self.clock().now_us);
            passed += end_us.saturating_sub(bucket.start_us.max(begun_us)) as f64 * part;
            counted += end_us.saturating_sub(bucket.start_us) as f64 * bucket.covered * part;
        }
        let share = if passed > 0.0 { (counted / passed).min(1.0) } else { 0.0 };
        (share, (passed - counted).max(0.0) as u64)
    }

    /// Whether anything is known of the time that is shown.
    fn has_data(&self) -> bool {
        self.covered_share().0 > 0.0 || self.total() != (0, 0)
    }

    /// A sum over the time that is shown; a dash where nothing is known of it.
    fn format_sum(&self, count: u64) -> String {
        if self.has_data() { figure(count) } else { UNKNOWN.into() }
    }
}

/// A count with separators for thousands; the script uses the browser's.
fn figure(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        _ => format!("<data value=\"{count}\">{}</data>", format_thousands(count)),
    }
}

/// Links of which one is where the reader is. Addresses are HTML already.
fn link_list<'a>(links: impl Iterator<Item = (String, &'a str, bool)>) -> String {
    let mut html = String::new();
    for (address, name, is_current) in links {
        let current = if is_current { " aria-current=\"true\"" } else { "" };
        let _ = write!(html, "<a href=\"{address}\"{current}>{name}</a>");
    }
    html
}
