//! The headline figures, the bars, and the heat map of the week.

use std::fmt::Write;

use super::compare::Compared;
use super::tables::week_table;
use super::{ChartView, UNKNOWN, link_list};
use crate::ui::chart::{Bars, ChartSums, NOTHING, WeekMap, sums};
use crate::ui::counts::range::{DateSpan, Heatmap, day_start_us};
use crate::ui::counts::since::{inside_in_words, reset_name, tally_sums};
use crate::ui::escape::Text;
use crate::ui::format::{
    LEAST_GAP_US, WEEKDAYS, format_change, format_duration, format_sums, format_thousands, format_when,
    percent, to_zoned,
};
use tallycam_store::{BucketRow, Gap, LineRow, TallyRow};

/// Least known time of a line, in microseconds, for a figure.
const LEAST_KNOWN_US: u64 = 2_000_000;

impl ChartView<'_> {
    /// The headline figures.
    pub(super) fn headline_figures(&self, compared: Option<&Compared>) -> String {
        let (count_in, out) = self.total();
        let (share, missing) = self.covered_share();
        let than = |now: fn(&Compared) -> (u64, u64)| {
            let words = compared.filter(|compared| compared.is_telling()).map(|compared| {
                let (now, before) = now(compared);
                let than = Text(&self.reference_name()).to_string();
                match format_change(now, before) {
                    Some(change) => format!("<b class=\"chip\">{change}</b> vs {than}*"),
                    None => format!("{}, none {than}*", format_thousands(now)),
                }
            });
            words.unwrap_or_else(|| if self.has_data() { "\u{a0}".into() } else { "not counted".into() })
        };
        let mut html = String::from("<dl class=\"figs big panel\">");
        let mut put = |key: &str, name: &str, class: &str, value: &str, small: &str| {
            let _ = write!(
                html,
                "<div><dt>{key}{name}</dt><dd{class}>{value} <small class=\"muted\">{small}</small></dd></div>",
            );
        };
        put(
            "<span class=\"key\"></span>",
            "In",
            " id=\"sum-in\" class=\"in\"",
            &self.format_sum(count_in),
            &than(|c| (c.now.0, c.before.0)),
        );
        put(
            "<span class=\"key o\"></span>",
            "Out",
            " id=\"sum-out\" class=\"out\"",
            &self.format_sum(out),
            &than(|c| (c.now.1, c.before.1)),
        );
        let ask = &self.page.ask;
        let tallies: Vec<&TallyRow> = self
            .page
            .tallies
            .iter()
            .filter(|tally| ask.line.is_none_or(|line| line == tally.line_id))
            .collect();
        if self.is_today() && ask.class.is_none() && !tallies.is_empty() {
            let inside: u64 = tallies.iter().map(|tally| tally.inside).sum();
            let how = Text(&inside_in_words(&tallies, self.clock())).to_string();
            let how = format!("{how}<span class=\"no-print\"> · <a href=\"#zero\">Set</a></span>");
            put("", "Inside now", " id=\"inside\"", &format_thousands(inside), &how);
        }
        if let Some((peak, at_us)) = self.peak_inside() {
            let at = to_zoned(at_us, &self.clock().zone);
            let when = format_when(&at, &to_zoned(self.clock().now_us, &self.clock().zone));
            put("", "Peak inside", " id=\"peak\"", &format_thousands(peak), &Text(&when).to_string());
        }
        let is_whole = missing < LEAST_GAP_US;
        // The share and the missing time agree.
        let share = if is_whole && share > 0.9 { 1.0 } else { share.min(0.99) };
        let lost = match (self.begun_us(), is_whole) {
            (None, true) => "nothing missing".to_owned(),
            (None, false) => format!("{} missing", format_duration(missing)),
            (Some(begun_us), is_whole) => {
                let zone = &self.clock().zone;
                let begun = format_when(&to_zoned(begun_us, zone), &to_zoned(self.clock().now_us, zone));
                let gone = format!(", {} missing", format_duration(missing));
                format!("Counting since {begun}{}", if is_whole { "" } else { &gone })
            }
        };
        let is_day = self.is_today() && self.is_one_day() && ask.class.is_none() && ask.hours.is_none();
        let reset = reset_name(&tallies, day_start_us(self.today(), self.clock()), self.clock());
        put("", "Coverage", " id=\"covered\"", &percent(share), &Text(&lost).to_string());
        html.push_str("</dl>");
        if let Some(name) = reset.filter(|_| is_day) {
            let _ = write!(
                html,
                "<p class=\"small muted like\" id=\"since\">{}: {}, as on Live. <a href=\"#zero\">Undo</a></p>",
                Text(&name),
                format_sums(tally_sums(&tallies)),
            );
        }
        if let Some(compared) = compared.filter(|compared| compared.is_telling()) {
            let _ = write!(
                html,
                "<p class=\"small muted like\" id=\"like\">* {}: compared over {} of {}, {} against {}.</p>",
                Text(&self.reference_name()),
                format_duration(compared.time_us),
                format_duration(compared.passed_us),
                format_sums(compared.now),
                format_sums(compared.before),
            );
        }
        html
    }

    /// The main chart.
    pub(super) fn bars(&self, compared: Option<&Compared>) -> String {
        let ask = &self.page.ask;
        let marks: &[Option<ChartSums>] = compared.map_or(&[], |compared| compared.marks.as_slice());
        let has_marks = marks.iter().flatten().any(|mark| *mark != (0, 0));
        let heading = match ask.shown.bucket {
            "5min" => "Every 5 minutes",
            "15min" => "Every 15 minutes",
            "30min" => "Every half hour",
            "hour" => "By the hour",
            "day" => "By the day",
            "week" => "By the week",
            _ => "By the month",
        };
        let svg = Bars {
            buckets: self.buckets,
            bucket: ask.shown.bucket,
            before: marks,
            gaps: &self.page.gaps,
            since_us: self.begun_us().unwrap_or(0),
            clock: self.clock(),
            height: 208,
            has_scale: true,
            is_one_sided: false,
            at_least: 0,
            label: "Crossings in and out; the same figures are in the table below",
        }
        .svg();
        let buckets = ask.buckets();
        let by = if buckets.len() < 2 {
            String::new()
        } else {
            let links = link_list(buckets.iter().map(|bucket| {
                let name = match *bucket {
                    "5min" => "5 min",
                    "15min" => "15 min",
                    "30min" => "30 min",
                    "hour" => "Hours",
                    "day" => "Days",
                    "week" => "Weeks",
                    _ => "Months",
                };
                (self.address(ask.range, Some(bucket), ask.heat), name, *bucket == ask.shown.bucket)
            }));
            format!("<nav class=\"seg low\" aria-label=\"Bars\">{links}</nav>")
        };
        let was = if has_marks {
            format!("<span><span class=\"key t\"></span>{}</span> ", Text(&self.reference_name()))
        } else {
            String::new()
        };
        let none = if !self.has_data() {
            "<p><b>Nothing was counted in this time.</b> <span class=\"muted\">Hatched means unknown, not zero; the \
             list “Not counting” says why.</span></p>"
        } else {
            ""
        };
        format!(
            "<section class=\"panel\" aria-labelledby=\"bars-head\"><header><h2 id=\"bars-head\">{heading}</h2>{by}\
             <p class=\"keys\"><span><span class=\"key\"></span>in, above the line</span> <span><span \
             class=\"key o\"></span>out, below</span> {was}<span><span class=\"key g\"></span>not counted</span>\
             </p></header>{none}<figure class=\"chart scaled\" id=\"bars\">{svg}<input id=\"reader\" type=\"range\" \
             min=\"0\" max=\"{}\" value=\"0\" aria-label=\"Bar to read\" aria-valuetext=\"{}\" \
             hidden></figure><output class=\"read\" \
             id=\"read\" for=\"reader\">The figures are in the table below.</output></section>",
            self.buckets.len().saturating_sub(1),
            Text(&self.newest_bar_in_words(compared)),
        )
    }

    /// A small chart for each line.
    pub(super) fn lines(&self) -> String {
        let ask = &self.page.ask;
        if ask.line.is_some() {
            return String::new();
        }
        let mut by_line: Vec<(&LineRow, Vec<BucketRow>)> = Vec::new();
        for line in &self.page.lines {
            let mut buckets = self.buckets.to_vec();
            for bucket in &mut buckets {
                bucket.counts.retain(|kind| kind.line_id == line.id);
            }
            if line.deleted_us.is_none() || buckets.iter().any(|bucket| !bucket.counts.is_empty()) {
                by_line.push((line, buckets));
            }
        }
        if by_line.len() < 2 {
            return String::new();
        }
        let all = by_line.iter().flat_map(|(_, buckets)| buckets).map(sums);
        let most = all.map(|(count_in, out)| count_in.max(out)).max().unwrap_or(0);
        let mut html = String::from(
            "<section class=\"panel\" aria-labelledby=\"lines-head\"><h2 id=\"lines-head\">Lines</h2>",
        );
        for (line, buckets) in &by_line {
            // A line without crossings shows a zero; a line on which nothing could be counted shows a dash.
            let (count_in, out) = buckets.iter().map(sums).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            let gaps = self.gaps_of_line(line);
            let is_known = (count_in, out) != (0, 0) || self.is_mostly_known(&gaps);
            let figure = |count: u64| if is_known { self.format_sum(count) } else { UNKNOWN.into() };
            let svg = Bars {
                buckets,
                bucket: ask.shown.bucket,
                before: &[],
                gaps: &gaps,
                since_us: self.begun_us().unwrap_or(0),
                clock: self.clock(),
                height: 40,
                has_scale: false,
                is_one_sided: false,
                at_least: most,
                label: &format!("{} over time; the figures are in the exports", line.draft.name),
            }
            .svg();
            let _ = write!(
                html,
                "<header><h3><a href=\"{crossings}\">{name}</a>{deleted}</h3><p class=\"num\"><b \
                 class=\"in\">{count_in} {in_name}</b> &nbsp; <b class=\"out\">{out} \
                 {out_name}</b></p></header><figure class=\"chart\">{svg}</figure>",
                crossings = Text(&self.crossings_of(Some(line.id), ask.shown.from_us, ask.shown.to_us)),
                count_in = figure(count_in),
                out = figure(out),
                name = Text(&line.draft.name),
                deleted = if line.deleted_us.is_some() { " <small>(deleted)</small>" } else { "" },
                in_name = Text(&line.draft.in_name),
                out_name = Text(&line.draft.out_name),
            );
        }
        html + "</section>"
    }

    /// Today's highest number inside the shown lines, and its time.
    fn peak_inside(&self) -> Option<(u64, u64)> {
        let ask = &self.page.ask;
        let peak = match ask.line {
            Some(line) => self.page.tallies.iter().find(|tally| tally.line_id == line)?.peak,
            None => self.page.peak,
        };
        Some(peak).filter(|peak| peak.0 > 0 && self.is_today() && self.is_one_day() && ask.class.is_none())
    }

    /// The newest bar, for screen readers.
    fn newest_bar_in_words(&self, compared: Option<&Compared>) -> String {
        let past = self.buckets.partition_point(|bucket| bucket.start_us < self.clock().now_us);
        let Some(newest) = past.checked_sub(1) else { return "still to come".into() };
        let mark = compared.and_then(|compared| compared.marks.get(newest).copied().flatten());
        self.bucket_in_words(&self.buckets[newest], mark)
    }

    /// The gaps of a line, oldest first, perhaps with overlaps. A line without an entry did not exist in the shown
    /// time, and all of it is a gap.
    fn gaps_of_line(&self, line: &LineRow) -> Vec<Gap> {
        let Some(own) = self.page.line_gaps.get(&line.id) else {
            return vec![Gap { from_us: 0, to_us: u64::MAX, why: "no_line".into() }];
        };
        let mut gaps = [&self.page.gaps[..], own].concat();
        gaps.sort_by_key(|gap| gap.from_us);
        gaps
    }

    /// True if these gaps, oldest first, leave enough of the shown time up to now.
    ///
    /// The rest must be longer than the pause of a restart and the difference of two clocks, and a noticeable share
    /// of the shown time. A line drawn in the last minutes of a year says nothing about that year.
    fn is_mostly_known(&self, gaps: &[Gap]) -> bool {
        let DateSpan { from_us, to_us, .. } = self.page.ask.shown;
        let to_us = to_us.min(self.clock().now_us);
        let (mut at, mut known_us) = (from_us, 0);
        for gap in gaps {
            known_us += gap.from_us.min(to_us).saturating_sub(at);
            at = at.max(gap.to_us);
        }
        known_us += to_us.saturating_sub(at);
        let least_share = (to_us.saturating_sub(from_us)) as f64 * NOTHING;
        known_us >= LEAST_KNOWN_US.max(least_share as u64)
    }

    /// The heat map of the week.
    pub(super) fn week(&self) -> String {
        let ask = &self.page.ask;
        let map = WeekMap::new(&self.page.weeks, self.clock(), |(count_in, out)| match ask.heat {
            Heatmap::In => count_in,
            Heatmap::Out => out,
            Heatmap::Both => count_in + out,
        });
        let svg =
            map.svg("Mean crossings of each hour of the week over four weeks; the same figures are in the table below");
        let choice =
            link_list([(Heatmap::Both, "Both"), (Heatmap::In, "In"), (Heatmap::Out, "Out")].into_iter().map(
                |(heat, name)| {
                    (self.address(ask.range, Some(ask.shown.bucket), heat) + "#week", name, heat == ask.heat)
                },
            ));
        let mut names = String::new();
        for name in WEEKDAYS {
            let _ = write!(names, "<li>{name}</li>");
        }
        let steps = map.steps();
        let mut ramp = String::from(
            "<span><svg aria-hidden=\"true\"><rect class=\"h0\" width=\"14\" height=\"12\"/></svg>0</span> ",
        );
        if steps[3] > 0.0 {
            for (n, step) in steps.iter().enumerate() {
                let _ = write!(
                    ramp,
                    "<span><svg aria-hidden=\"true\"><rect class=\"h{}\" width=\"14\" height=\"12\"/></svg>to \
                     {step}</span> ",
                    n + 1
                );
            }
            ramp.push_str(
                "<span><svg aria-hidden=\"true\"><rect class=\"h5\" width=\"14\" \
                height=\"12\"/></svg>more</span> ",
            );
        }
        format!(
            "<section class=\"panel\" id=\"week\" aria-labelledby=\"week-head\"><header><h2 id=\"week-head\">The \
             week, hour by hour</h2><p class=\"small muted\">4-week hourly average, of counted hours</p><nav \
             class=\"seg low\" aria-label=\"Direction\">{choice}</nav></header><div class=\"week\">\
             <ul aria-hidden=\"true\">{names}</ul><figure class=\"chart\">{svg}</figure></div><p class=\"keys chart \
             ramp\">{ramp}<span><span class=\"key g\"></span>not counted</span></p><details><summary>Show as \
             table</summary>{}</details></section>",
            week_table(&map),
        )
    }
}
