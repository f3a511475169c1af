//! The page Counts: today or any days against the same weekdays before, bars, the heat map of the week, classes,
//! tables, and gaps.
//!
//! `compare` decides which hours may be compared; `charts` and `tables` draw the sections. The page is complete as
//! the server sends it. After a crossing `counts.js` fetches it again and replaces the old `#shown` by the new one.

mod charts;
pub mod checks;
mod compare;
pub mod crossing_report;
pub mod crossings;
mod movement;
mod occupancy;
pub mod range;
pub(in crate::ui) mod since;
mod tables;
pub(super) mod taps;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::ui::chart::{self, ChartSums, is_fine};
use crate::ui::counts::checks::{CheckBadge, badges_html};
use crate::ui::counts::crossing_report::crossings_address;
use crate::ui::counts::range::{CountsAsk, DateSpan, Heatmap, counting_day};
use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{CountingReport, Head, LocalClock, Reader, RefusalReason, ZoneFigures};
use crate::ui::form::{form_to, lock};
use crate::ui::format::{
    began_us, capital, class_name, day, format_long_day, format_thousands, maybe_sentence, minute, rfc3339,
    to_zoned,
};
use crate::ui::frame::{PageFrame, Tab, hidden_attribute, refusal_html, remedy};
use tallycam_base::unicode::percent_encoded;
use tallycam_store::{BucketRow, FlowCount, Gap, LineDistance, LineRow, Reset, SpeedRow, TallyRow, is_open};

/// Shown instead of an unknown sum.
const UNKNOWN: &str = "–";

/// Data of the page Counts.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsPage {
    pub head: Head,
    pub clock: LocalClock,
    /// The scene in use: `camera`, `files` or `sim`.
    pub scene: String,
    /// The parsed query of the page.
    pub ask: CountsAsk,
    /// Lines of the scene, including deleted ones.
    pub lines: Vec<LineRow>,
    /// The zones that count, with their occupancy in [`CountsAsk::shown`].
    pub zones: Vec<ZoneFigures>,
    /// The flows in [`CountsAsk::shown`]; `None` if it is too long to read them.
    pub flows: Option<Vec<FlowCount>>,
    /// The movement map of [`CountsAsk::shown`], row by row.
    pub movement: Option<Vec<u64>>,
    /// The speeds in [`CountsAsk::shown`], by line.
    pub speeds: Vec<(LineDistance, SpeedRow)>,
    /// Today's sums of the lines that are not deleted.
    pub tallies: Vec<TallyRow>,
    /// Today's highest number inside all lines together, and its time.
    pub peak: (u64, u64),
    /// The classes to choose from, by name: those counted now and those counted before.
    pub classes: Vec<String>,
    /// Buckets of [`CountsAsk::shown`], for the chosen line and class.
    pub shown: Vec<BucketRow>,
    /// Buckets of [`CountsAsk::compared`], likewise.
    pub compared: Option<[Vec<BucketRow>; 2]>,
    /// Buckets of [`CountsAsk::weeks`], likewise.
    pub weeks: Vec<BucketRow>,
    /// Times without counting that overlap [`CountsAsk::shown`], oldest first.
    pub gaps: Vec<Gap>,
    /// Additional gaps of each line by its number, if all lines are shown.
    pub line_gaps: BTreeMap<u64, Vec<Gap>>,
    /// Resets in [`CountsAsk::shown`].
    pub resets: Vec<Reset>,
    /// Moves of lines in the shown time: the line's number, and the time in microseconds since 1970.
    pub moves: Vec<(u64, u64)>,
    /// The newest check of each line.
    pub checks: Vec<CheckBadge>,
    pub counting: CountingReport,
    /// A reset that failed.
    pub refused: Option<RefusalReason>,
}

/// The value that a reset gave the counters: "zero", "12 inside".
fn set_to(reset: &Reset) -> String {
    reset.inside.map_or_else(|| "zero".to_owned(), |inside| format!("{} inside", format_thousands(inside)))
}

/// Buckets of the page and future ones, limited to the chosen hours.
fn shown_buckets(page: &CountsPage, known: Vec<BucketRow>) -> Vec<BucketRow> {
    let ask = &page.ask;
    let mut buckets = chart::with_future_buckets(known, ask.shown.to_us);
    if let Some(hours) = ask.hours.filter(|_| is_fine(ask.shown.bucket)) {
        let hour = |us| u8::try_from(to_zoned(us, &page.clock.zone).hour()).unwrap_or(0);
        buckets.retain(|bucket| is_open(hours, hour(bucket.start_us)));
    }
    buckets
}

/// The page Counts as HTML, at `counts`. It links to `api/v1/counts`.
pub fn counts_page(page: &CountsPage) -> String {
    let ask = &page.ask;
    let buckets = shown_buckets(page, page.shown.clone());
    let view = ChartView { page, buckets: &buckets };
    let [lock, unlock] = lock(page.head.reader, Reader::Operator);
    let main = format!(
        include_str!("counts.html"),
        definitions = chart::DEFINITIONS,
        title = view.range_title(),
        camera = Text(&page.head.name),
        printed = view.printed(),
        ranges = view.ranges(),
        steps = view.steps(),
        hours = view.hour_options(),
        with = view.comparison_options(),
        undo = view.undo(),
        // Other days have no counters.
        zero_hidden = hidden_attribute(!view.is_today()),
        lock = lock,
        unlock = unlock,
        against = ask.with.as_deref().filter(|with| with.contains('-')).unwrap_or_default(),
        range = view.range_fields(),
        ends_chosen = view.hidden_choices(&["line", "class", "open", "close", "with"]),
        line_options = view.line_options(ask.line, true),
        class_options = view.class_options(),
        filters_open = if view.choices().is_empty() { "" } else { " open" },
        own_open = if ask.range == "own" { " open" } else { "" },
        filters = view.hidden_choices(&["with"]),
        first = ask.first,
        last = ask.last,
        today = view.today(),
        refused = page.refused.as_ref().map_or_else(|| view.ignored_parameters(), refusal_html),
        is_today = view.is_today(),
        checks = badges_html(
            &page.checks,
            (page
                .lines
                .iter()
                .filter(|line| line.deleted_us.is_none() && ask.line.is_none_or(|id| id == line.id)))
            .map(|line| (line.id, line.draft.name.as_str())),
        ),
        shown = view.live_part(),
        zero_options = view.line_options(None, false),
        ends = view.ends_form(),
        speed = view.speed_form(),
    );
    PageFrame::new(&page.head, Tab::Counts, "Counts", &["page.js", "head.js", "counts.js"])
        .for_changes_by(Reader::Operator)
        .render(&main)
}

/// The page and the buckets of its chart, including future ones.
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

    /// Notes about parts of the query that were ignored.
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

    /// The date of printing, and the place: the time zone's name.
    fn printed(&self) -> String {
        let zone = &self.clock().zone;
        let now = to_zoned(self.clock().now_us, zone);
        let place =
            zone.iana_name().map_or_else(String::new, |place| format!(", {}", place.replace('_', " ")));
        format!("{} {} {}{}", day(&now), now.year(), minute(&now), Text(&place))
    }

    fn is_today(&self) -> bool {
        self.page.ask.last == self.today()
    }

    fn is_one_day(&self) -> bool {
        self.page.ask.first == self.page.ask.last
    }

    /// The shown days: "Today, Friday 20 November".
    fn range_title(&self) -> String {
        let ask = &self.page.ask;
        let of = |us| to_zoned(us, &self.clock().zone);
        let (first, last) = (of(ask.shown.from_us), of(ask.shown.to_us.saturating_sub(1)));
        if self.is_one_day() {
            let day = format_long_day(&first);
            return match ask.range {
                "today" => format!("Today, {day}"),
                "yesterday" => format!("Yesterday, {day}"),
                _ if first.year() == self.today().year() => day,
                _ => format!("{day} {}", first.year()),
            };
        }
        let is_this_year = last.year() == self.today().year() && first.year() == last.year();
        let year = if is_this_year { String::new() } else { format!(" {}", last.year()) };
        let from = if first.year() == last.year() {
            day(&first)
        } else {
            format!("{} {}", day(&first), first.year())
        };
        format!("{from} to {}{year}", day(&last))
    }

    /// The address of this page with another range, bucket or heat map.
    fn address(&self, range: &str, bucket: Option<&str>, heat: Heatmap) -> String {
        let ask = &self.page.ask;
        let mut address = format!("counts?range={range}");
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

    /// The chosen filters as names and values of the query.
    fn choices(&self) -> Vec<(&'static str, String)> {
        let ask = &self.page.ask;
        let (open, close) = ask.hours.unzip();
        let numbers = |ids: &[u64]| {
            (!ids.is_empty()).then(|| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(","))
        };
        let all = [
            ("line", ask.line.map(|line| line.to_string())),
            ("class", ask.class.clone()),
            ("open", open.map(|hour| hour.to_string())),
            ("close", close.map(|hour| hour.to_string())),
            ("with", ask.with.clone()),
            ("entry", numbers(&ask.ends.entries)),
            ("exit", numbers(&ask.ends.exits)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn choices_query(&self) -> String {
        self.choices().iter().map(|(name, value)| format!("&{name}={}", percent_encoded(value))).collect()
    }

    /// Links to the same number of days before and after.
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

    /// Menus for the first and last hour of a day.
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

    /// The menu of comparisons.
    fn comparison_options(&self) -> String {
        let with = self.page.ask.with.as_deref().unwrap_or_default();
        let before =
            if self.is_one_day() { "Against the day before" } else { "Against the time just before" };
        let mut all = vec![
            ("", "Compare: same weekday".to_owned()),
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

    /// Today's resets that no later one replaces, each with a button that undoes it.
    fn undo(&self) -> String {
        let today = range::day_start_us(self.today(), self.clock());
        let [lock, unlock] = lock(self.page.head.reader, Reader::Operator);
        let mut html = String::new();
        let mut shown = BTreeSet::new();
        for reset in self.page.resets.iter().rev().filter(|reset| reset.time_us >= today) {
            let is_replaced = shown.contains(&(None, false));
            if is_replaced || !shown.insert((reset.line_id, reset.inside.is_some())) {
                continue;
            }
            let line = self.page.lines.iter().find(|line| Some(line.id) == reset.line_id);
            let _ = write!(
                html,
                "{}{lock}<span>{} set to {} at {}.</span><button class=\"btn\">Undo</button>{unlock}</form>",
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
                set_to(reset),
                minute(&to_zoned(reset.time_us, &self.clock().zone)),
            );
        }
        html
    }

    /// The start of counting, if it is within the shown time.
    fn begun_us(&self) -> Option<u64> {
        let shown = &self.page.ask.shown;
        let end_us = shown.to_us.min(self.clock().now_us);
        began_us(&self.page.gaps).filter(|us| (shown.from_us + 1..end_us).contains(us))
    }

    /// The API's address of exactly the shown counts.
    fn export(&self, format: &str) -> String {
        self.export_of("counts", "&by=line,class,direction", format)
    }

    /// The address of a report on the shown time, in buckets.
    fn export_of(&self, report: &str, by: &str, format: &str) -> String {
        let ask = &self.page.ask;
        let mut address = self.address_of(report, &format!("&bucket={}{by}", ask.shown.bucket));
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

    /// The address of a report on the shown time.
    fn address_of(&self, report: &str, buckets: &str) -> String {
        let DateSpan { from_us, to_us, .. } = self.page.ask.shown;
        let (from, to, scene) = (rfc3339(from_us), rfc3339(to_us), percent_encoded(&self.page.scene));
        format!("api/v1/{report}?from={from}&to={to}{buckets}&scene={scene}")
    }

    /// The address of the crossings in a time, with the chosen class.
    fn crossings_of(&self, line: Option<u64>, from_us: u64, to_us: u64) -> String {
        crossings_address(line, self.page.ask.class.as_deref(), from_us, to_us)
    }

    fn ranges(&self) -> String {
        let ranges = [
            ("today", "Today"),
            ("yesterday", "Yesterday"),
            ("7d", "7 days"),
            ("30d", "30 days"),
            ("month", "Month"),
            ("year", "Year"),
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
                Text(&capital(class_name(class))),
            );
        }
        options
    }

    /// The shown days as hidden fields.
    fn range_fields(&self) -> String {
        let ask = &self.page.ask;
        let field = |name, value: &dyn std::fmt::Display| {
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
        };
        let dates = if ask.range == "own" {
            field("from", &ask.first) + &field("to", &ask.last)
        } else {
            String::new()
        };
        field("range", &ask.range) + &dates
    }

    /// What is chosen as hidden fields, except for `visible` ones.
    fn hidden_choices(&self, visible: &[&str]) -> String {
        let mut fields = String::new();
        for (name, value) in self.choices().into_iter().filter(|(name, _)| !visible.contains(name)) {
            let _ = write!(fields, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", Text(&value));
        }
        fields
    }

    /// The part of the page that changes with every crossing.
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
        } else if page.counting.state != "counting" && page.counting.reason.is_some() && self.is_today() {
            let _ = write!(
                html,
                "<div class=\"banner\"><p><b>Not counting now.</b> {} {}</p></div>",
                MarkedText(&maybe_sentence(&page.counting.reason)),
                remedy(page.counting.hint.as_deref().unwrap_or_default()),
            );
        }
        if page.scene == "sim" {
            html.push_str(
                "<p class=\"small muted like\">This is a simulation: demo data, kept apart from real counts.</p>",
            );
        }
        let compared = self.comparison();
        html.push_str(&self.headline_figures(compared.as_ref()));
        html.push_str(&self.bars(compared.as_ref()));
        html.push_str("<div class=\"split\"><div>");
        html.push_str(&self.lines());
        html.push_str(&self.week());
        html.push_str(&self.gaps_table());
        html.push_str("</div><div>");
        html.push_str(&self.chart_table(compared.as_ref()));
        html.push_str(&self.classes());
        html.push_str(&self.flows());
        html.push_str(&self.speeds());
        html.push_str(&self.movement());
        html.push_str(&self.occupancy());
        html.push_str(&self.marks());
        html.push_str("</div></div>\n");
        html
    }

    fn total(&self) -> ChartSums {
        chart::total(self.buckets)
    }

    /// Coverage of the past part of the shown time, and its uncovered microseconds.
    fn covered_share(&self) -> (f64, u64) {
        let (mut counted, mut passed) = (0.0, 0.0);
        // A day, week or month counts only with its shown hours.
        let hours = self.page.ask.hours.filter(|_| !is_fine(self.page.ask.shown.bucket));
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

    /// True if anything is known of the shown time.
    fn has_data(&self) -> bool {
        self.covered_share().0 > 0.0 || self.total() != (0, 0)
    }

    /// A sum over the shown time, or a dash if nothing is known of it.
    fn format_sum(&self, count: u64) -> String {
        if self.has_data() { format_thousands(count) } else { UNKNOWN.into() }
    }
}

/// Links, one of them marked as current. Addresses must be HTML already.
fn link_list<'a>(links: impl Iterator<Item = (String, &'a str, bool)>) -> String {
    let mut html = String::new();
    for (address, name, is_current) in links {
        let current = if is_current { " aria-current=\"true\"" } else { "" };
        let _ = write!(html, "<a href=\"{address}\"{current}>{name}</a>");
    }
    html
}
