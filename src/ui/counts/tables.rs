//! The tables of the page Counts: figures of the chart, classes, gaps, and events.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::compare::Compared;
use super::range::export_name;
use super::{ChartView, set_to};
use crate::ui::chart::{ChartSums, WeekMap, bucket_name, is_fine, is_unknown, sums};
use crate::ui::escape::Text;
use crate::ui::format::{
    WEEKDAYS, capital, class_name, format_duration, format_thousands, format_when, is_before_begin,
    is_listed, minute, not_counted_reason, percent, to_zoned,
};
use tallycam_store::{BucketRow, Direction, Gap};

/// Largest number of listed gaps and events; the API has all.
const MOST_LISTED: usize = 12;

impl ChartView<'_> {
    /// The figures of the chart, newest first.
    pub(super) fn chart_table(&self, compared: Option<&Compared>) -> String {
        let ask = &self.page.ask;
        let has_before = compared.is_some_and(|compared| compared.marks.iter().any(Option::is_some));
        let now = self.clock().now_us;
        let mut rows = String::new();
        // A sum needs all its rows.
        let mut all_before = Some((0, 0));
        for (n, bucket) in self.buckets.iter().enumerate().rev() {
            if bucket.start_us >= now {
                continue;
            }
            let (count_in, out) = sums(bucket);
            let before = compared.and_then(|compared| compared.marks.get(n).copied().flatten());
            all_before = all_before.zip(before).map(|(all, one)| (all.0 + one.0, all.1 + one.1));
            let of = |count: u64| if is_unknown(bucket) { "–".to_owned() } else { format_thousands(count) };
            let counted = if bucket.end_us > now { "so far".to_owned() } else { percent(bucket.covered) };
            let _ = write!(
                rows,
                "<tr data-n=\"{n}\" data-words=\"{}\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
                Text(&self.bucket_in_words(bucket, before)),
                self.way_to_crossings(
                    bucket,
                    bucket_name(bucket, ask.shown.bucket, self.is_one_day(), self.clock())
                ),
                of(count_in),
                of(out),
            );
            if has_before {
                rows.push_str(&two_cells(before));
            }
            let _ = write!(rows, "<td>{counted}</td></tr>");
        }
        let (count_in, out) = self.total();
        let (share, _) = self.covered_share();
        let kind = match ask.shown.bucket {
            "hour" => "Hour",
            fine if is_fine(fine) => "From",
            "day" => "Day",
            "week" => "Week",
            _ => "Month",
        };
        let than = Text(&self.reference_name()).to_string();
        let (heads, sums) = if has_before {
            (
                format!("<th scope=\"col\">In, {than}</th><th scope=\"col\">Out, {than}</th>"),
                two_cells(all_before),
            )
        } else {
            (String::new(), String::new())
        };
        format!(
            "<section class=\"panel\" aria-labelledby=\"table-head\"><header><h2 id=\"table-head\">Figures</h2><p \
             class=\"row\"><a class=\"btn\" id=\"list\" href=\"{crossings}\">Crossings</a> <a class=\"btn\" id=\"csv\" \
             href=\"{csv}\" download=\"{name}.csv\" title=\"For programs\">CSV</a> <a class=\"btn\" id=\"sheet\" \
             href=\"{csv}&amp;sheet=1\" \
             download=\"{name}-table.csv\">Spreadsheet</a> <a class=\"btn\" \
             id=\"json\" href=\"{json}\" download=\"{name}.json\">JSON</a></p></header><div class=\"scroll\" \
             tabindex=\"0\" role=\"region\" aria-label=\"Table of figures\"><table id=\"table\"><thead><tr><th \
             scope=\"col\">{kind}</th><th scope=\"col\">In</th><th scope=\"col\">Out</th>{heads}<th \
             scope=\"col\">Counted</th></tr></thead><tfoot><tr><th \
             scope=\"row\">All</th><td>{}</td><td>{}</td>{sums}<td>{}\
             </td></tr></tfoot><tbody>{rows}</tbody></table></div><p class=\"small muted\">– = not \
             counted. Exports match this table. <span class=\"no-print\">Choose a time for its \
             crossings.</span></p></section>",
            self.format_sum(count_in),
            self.format_sum(out),
            percent(share),
            crossings = Text(&self.crossings_of(ask.line, ask.shown.from_us, ask.shown.to_us)),
            csv = self.export("csv"),
            json = self.export("json"),
            name = Text(&export_name(
                &self.page.head.name,
                ask.shown.from_us,
                ask.shown.to_us.min(now + 1),
                self.clock()
            )),
        )
    }

    /// The name of an hour or a day as a link to its crossings.
    fn way_to_crossings(&self, bucket: &BucketRow, name: String) -> String {
        let ask = &self.page.ask;
        // A day may show only some of its hours, so it gets no link.
        let is_whole = is_fine(ask.shown.bucket) || ask.shown.bucket == "day" && ask.hours.is_none();
        let is_short = is_whole && sums(bucket) != (0, 0);
        if !is_short {
            return name;
        }
        let address = self.crossings_of(ask.line, bucket.start_us, bucket.end_us);
        format!("<a href=\"{}\">{name}</a>", Text(&address))
    }

    /// A bar for screen readers: "09:00–10:00: 33 in, 51 out (the Tuesday before: 31, 46)".
    pub(super) fn bucket_in_words(&self, bucket: &BucketRow, before: Option<ChartSums>) -> String {
        let kind = self.page.ask.shown.bucket;
        let mut words = bucket_name(bucket, kind, self.is_one_day(), self.clock());
        if is_fine(kind) {
            let _ = write!(words, "–{}", minute(&to_zoned(bucket.end_us, &self.clock().zone)));
        }
        if is_unknown(bucket) {
            words.push_str(": not counted");
        } else {
            let (count_in, out) = sums(bucket);
            let _ = write!(words, ": {} in, {} out", format_thousands(count_in), format_thousands(out));
        }
        if let Some((count_in, out)) = before {
            let _ = write!(
                words,
                " ({}: {}, {})",
                self.reference_name(),
                format_thousands(count_in),
                format_thousands(out)
            );
        }
        words
    }

    /// The table of classes.
    pub(super) fn classes(&self) -> String {
        let mut by_class: BTreeMap<&str, ChartSums> = BTreeMap::new();
        for kind in self.buckets.iter().flat_map(|bucket| &bucket.counts) {
            let sums = by_class.entry(&kind.class).or_default();
            match kind.direction {
                Direction::In => sums.0 += kind.count,
                Direction::Out => sums.1 += kind.count,
            }
        }
        let mut sorted: Vec<(&str, ChartSums)> = by_class.into_iter().collect();
        sorted.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.0 + sums.1));
        let facts = &self.page.counting;
        let is_of_today = self.is_today()
            && sorted.iter().all(|(class, _)| facts.labels.iter().any(|label| label == class));
        let mut rows = String::new();
        for (class, (count_in, out)) in sorted {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                Text(&capital(class_name(class))),
                format_thousands(count_in),
                format_thousands(out)
            );
        }
        if rows.is_empty() {
            rows.push_str(
                "<tr><td colspan=\"3\" class=\"l muted\">Nothing has crossed in this time.</td></tr>",
            );
        }
        // The present detector says nothing about past days, nor about classes that another one found today.
        let by = match (facts.backend, facts.model.as_str()) {
            ("", _) => String::new(),
            _ if !is_of_today => String::new(),
            ("motion", _) | (_, "") => {
                "<p class=\"small muted\">Counted by motion, without classes. <a href=\"models\">Change</a></p>".into()
            }
            (_, model) => {
                format!("<p class=\"small muted\">Counted by {}. <a href=\"models\">Change</a></p>", Text(model))
            }
        };
        format!(
            "<section class=\"panel\" aria-labelledby=\"class-head\"><h2 id=\"class-head\">Classes</h2><table><thead>\
             <tr><th scope=\"col\">Class</th><th scope=\"col\">In</th><th scope=\"col\">Out</th></tr></thead><tbody>\
             {rows}</tbody></table>{by}</section>"
        )
    }

    /// The list of gaps, newest first.
    pub(super) fn gaps_table(&self) -> String {
        let zone = &self.clock().zone;
        let now = to_zoned(self.clock().now_us, zone);
        let mut rows = String::new();
        let begun_us = self.begun_us();
        let is_told = |gap: &&Gap| is_listed(gap) && !is_before_begin(gap, begun_us);
        let gaps: Vec<&Gap> = self.page.gaps.iter().filter(is_told).collect();
        for gap in gaps.iter().rev().take(MOST_LISTED) {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td class=\"l\">{}</td><td>{}</td></tr>",
                format_when(&to_zoned(gap.from_us, zone), &now),
                Text(&not_counted_reason(&gap.why)),
                format_duration(gap.to_us.saturating_sub(gap.from_us)),
            );
        }
        if rows.is_empty() {
            rows.push_str("<tr><td colspan=\"3\" class=\"l muted\">No gaps of a minute or more.</td></tr>");
        }
        if gaps.len() > MOST_LISTED {
            let _ = write!(
                rows,
                "<tr><td colspan=\"3\" class=\"l muted\">and {} earlier ones, in the JSON export</td></tr>",
                gaps.len() - MOST_LISTED
            );
        }
        format!(
            "<section class=\"panel\" aria-labelledby=\"gaps-head\"><h2 id=\"gaps-head\">Not counting</h2><table \
             id=\"gaps\"><thead><tr><th scope=\"col\">From</th><th scope=\"col\" class=\"l\">Why</th><th \
             scope=\"col\">Length</th></tr></thead><tbody>{rows}</tbody></table></section>"
        )
    }

    /// Changes of lines and sums in the shown time, which explain steps in a chart.
    pub(super) fn marks(&self) -> String {
        let ask = &self.page.ask;
        let mut marks: Vec<(u64, String)> = Vec::new();
        for line in self.page.lines.iter().filter(|line| ask.line.is_none_or(|chosen| chosen == line.id)) {
            marks.push((line.created_us, format!("{} drawn", line.draft.name)));
            let moves = self.page.moves.iter().filter(|(id, _)| *id == line.id);
            marks.extend(moves.map(|(_, us)| (*us, format!("{} moved", line.draft.name))));
            marks.extend(line.deleted_us.map(|us| (us, format!("{} deleted", line.draft.name))));
        }
        let is_shown = |line: Option<u64>| line.is_none() || ask.line.is_none() || line == ask.line;
        for reset in self.page.resets.iter().filter(|reset| is_shown(reset.line_id)) {
            let name = self.page.lines.iter().find(|line| Some(line.id) == reset.line_id);
            marks.push((
                reset.time_us,
                name.map_or_else(
                    || format!("All lines set to {}", set_to(reset)),
                    |line| format!("{} set to {}", line.draft.name, set_to(reset)),
                ),
            ));
        }
        marks.retain(|(us, _)| (ask.shown.from_us..ask.shown.to_us).contains(us));
        marks.sort_unstable_by(|a, b| b.cmp(a));
        if marks.is_empty() {
            return String::new();
        }
        let zone = &self.clock().zone;
        let now = to_zoned(self.clock().now_us, zone);
        let mut rows = String::new();
        for (us, what) in marks.iter().take(MOST_LISTED) {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td class=\"l\">{}</td></tr>",
                format_when(&to_zoned(*us, zone), &now),
                Text(what)
            );
        }
        format!(
            "<section class=\"panel\" aria-labelledby=\"marks-head\"><h2 id=\"marks-head\">Events</h2><table><thead \
             class=\"sr\"><tr><th scope=\"col\">When</th><th scope=\"col\">What</th></tr></thead><tbody>{rows}</tbody>\
             </table></section>"
        )
    }
}

/// The cells of earlier sums; dashes if they are unknown.
fn two_cells(sums: Option<ChartSums>) -> String {
    match sums {
        Some((count_in, out)) => {
            format!("<td>{}</td><td>{}</td>", format_thousands(count_in), format_thousands(out))
        }
        None => "<td>–</td><td>–</td>".into(),
    }
}

/// The heat map's figures.
pub(super) fn week_table(map: &WeekMap) -> String {
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of the week\"><table \
         class=\"tight\"><thead><tr><th scope=\"col\">Hour</th>",
    );
    for name in WEEKDAYS {
        let _ = write!(html, "<th scope=\"col\">{name}</th>");
    }
    html.push_str("</tr></thead><tbody>");
    for column in 0..24 {
        let _ = write!(html, "<tr><th scope=\"row\">{:02}</th>", (column + usize::from(map.first_hour)) % 24);
        for row in &map.means {
            match row[column] {
                Some(mean) => {
                    let _ = write!(html, "<td>{}</td>", map.in_words(mean));
                }
                None => html.push_str("<td>–</td>"),
            }
        }
        html.push_str("</tr>");
    }
    html + "</tbody></table></div>"
}
