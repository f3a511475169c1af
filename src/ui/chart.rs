//! Charts as SVG, drawn on the server. In stands above the axis and out below; time without counting is hatched,
//! never zero. Pure.
//!
//! Bars and cells are single paths in an inner drawing that is stretched sideways. Hatches, lines and words stand in
//! the outer drawing, in per cent and pixels, so that nothing is distorted at any width. The style sheet's classes
//! set every colour and stroke.

use std::fmt::Write;

use crate::ui::escape::Text;
use crate::ui::facts::LocalClock;
use crate::ui::format::{format_thousands, to_zoned};
use tallycam_store::{BucketRow, Direction, Gap};

/// SVG definitions, once per page for all of its charts.
pub(super) const DEFINITIONS: &str = "<svg class=\"sr\" aria-hidden=\"true\"><defs><pattern id=\"hatch\" \
    width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
    <path class=\"hl\" d=\"M0 0v6\"/></pattern></defs></svg>";

/// Width of a bucket in units of the inner drawing.
const WIDE: f64 = 10.0;
/// Pixels below the bars, for the axis labels.
const FOOT: u32 = 24;
/// A bucket with a smaller coverage has no figure.
pub(super) const NOTHING: f64 = 0.000_1;

/// True for a bucket of an hour or less.
pub(super) fn is_fine(bucket: &str) -> bool {
    bucket == "hour" || bucket.ends_with("min")
}

/// Crossings in and out.
pub(super) type ChartSums = (u64, u64);

pub(super) fn sums(bucket: &BucketRow) -> ChartSums {
    bucket.counts.iter().fold((0, 0), |(count_in, out), kind| match kind.direction {
        Direction::In => (count_in + kind.count, out),
        Direction::Out => (count_in, out + kind.count),
    })
}

/// In and out of all buckets.
pub(super) fn total(buckets: &[BucketRow]) -> ChartSums {
    buckets.iter().map(sums).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// True if nothing is known of a bucket: it was not counted, or is in the future.
pub(super) fn is_unknown(bucket: &BucketRow) -> bool {
    bucket.covered < NOTHING && bucket.counts.is_empty()
}

/// Appends future buckets, so that a day has all of its hours.
pub(super) fn with_future_buckets(mut buckets: Vec<BucketRow>, to_us: u64) -> Vec<BucketRow> {
    const HOUR: u64 = 3_600_000_000;
    // A clock change may make one of them shorter.
    let length_us = |bucket: &BucketRow| bucket.end_us.saturating_sub(bucket.start_us);
    let step_us = buckets.iter().map(length_us).max().unwrap_or(0);
    while let Some(last) = buckets.last() {
        let start_us = last.end_us;
        if start_us >= to_us || step_us == 0 || step_us > HOUR {
            break;
        }
        buckets.push(BucketRow {
            start_us,
            end_us: (start_us + step_us).min(to_us),
            covered: 0.0,
            counts: Vec::new(),
        });
    }
    buckets
}

/// A bar chart over time.
pub(super) struct Bars<'a> {
    /// In order, without holes.
    pub buckets: &'a [BucketRow],
    /// `5min`, `15min`, `30min`, `hour`, `day`, `week` or `month`.
    pub bucket: &'static str,
    /// The sums to compare each bucket with, if known.
    pub before: &'a [Option<ChartSums>],
    pub gaps: &'a [Gap],
    /// The start of counting: nothing before it is hatched.
    pub since_us: u64,
    pub clock: &'a LocalClock,
    /// Height of the bars on both sides of the axis, in pixels; even.
    pub height: u32,
    /// The scale is written beside the grid.
    pub has_scale: bool,
    /// The axis is at the bottom, because there is no out.
    pub is_one_sided: bool,
    /// Least upper end of the scale, so that charts side by side have the same one.
    pub at_least: u64,
    /// Description of the chart for screen readers.
    pub label: &'a str,
}

impl Bars<'_> {
    /// The chart as one `svg` element.
    pub fn svg(&self) -> String {
        let (width, height) = (self.buckets.len().max(1) as f64 * WIDE, f64::from(self.height));
        let axis = if self.is_one_sided { height } else { height / 2.0 };
        let top = self.axis_max();
        let scale = axis / top as f64;
        // Thin bars would be all edge.
        let many = if self.buckets.len() > 60 { " many" } else { "" };
        let mut svg = format!(
            "<svg role=\"img\" aria-label=\"{}\" height=\"{}\">",
            Text(self.label),
            self.height + FOOT
        );
        for (from, to) in self.unknown_spans() {
            let (x, wide) = (self.position(from), self.position(to) - self.position(from));
            if wide > 0.05 {
                let _ = write!(
                    svg,
                    "<rect class=\"hatch\" x=\"{x:.2}%\" width=\"{wide:.2}%\" height=\"{height}\"/>"
                );
            }
        }
        if self.has_scale {
            let both = [axis / 2.0, 0.5, axis * 1.5, height - 0.5];
            for y in both.into_iter().take(if self.is_one_sided { 2 } else { 4 }) {
                let _ = write!(svg, "<line class=\"grid\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>");
            }
        }
        svg.push_str("<rect class=\"col\" width=\"0\" height=\"0\"/>");
        let _ = write!(
            svg,
            "<svg width=\"100%\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             preserveAspectRatio=\"none\"><path class=\"i\" d=\"{}\"/><path class=\"o{many}\" d=\"{}\"/>",
            self.path(|(count_in, _)| *count_in as f64 * -scale, axis),
            self.path(|(_, out)| *out as f64 * scale, axis),
        );
        let was = self.marks(axis, scale);
        if !was.is_empty() {
            let _ = write!(svg, "<path class=\"was\" d=\"{was}\"/>");
        }
        let _ = write!(svg, "</svg><line class=\"axis\" x2=\"100%\" y1=\"{axis}\" y2=\"{axis}\"/>");
        if self.has_scale {
            let scale = [
                (10.0, top, " in"),
                (height - 2.0, top, " out"),
                (axis / 2.0 + 4.0, top / 2, " in"),
                (axis * 1.5 + 4.0, top / 2, " out"),
            ];
            let scale = match (self.is_one_sided, self.height < 160) {
                (true, _) => vec![(10.0, top, ""), (axis / 2.0 + 4.0, top / 2, "")],
                // A low chart has no room for the halves.
                (false, true) => scale[..2].to_vec(),
                (false, false) => scale.to_vec(),
            };
            for (y, value, word) in scale {
                let value = format_thousands(value);
                let _ = write!(svg, "<text class=\"scale\" x=\"-8\" y=\"{y}\">{value}{word}</text>");
            }
        }
        let (Some(first), Some(last)) = (self.buckets.first(), self.buckets.last()) else {
            return svg + "</svg>";
        };
        if (first.start_us..last.end_us).contains(&self.clock.now_us) && is_fine(self.bucket) {
            let x = self.position(self.clock.now_us);
            let _ = write!(svg, "<line class=\"now\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y2=\"{height}\"/>");
        }
        self.write_ticks(&mut svg);
        svg + "</svg>"
    }

    /// The upper end of the scale: a round number with a round half, a little above the highest bar.
    fn axis_max(&self) -> u64 {
        let shown = self.buckets.iter().map(sums).chain(self.before.iter().flatten().copied());
        let most = shown.map(|(count_in, out)| count_in.max(out)).fold(self.at_least, u64::max);
        let mut unit = 1;
        loop {
            let tops = [2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16].map(|m| m * unit);
            if let Some(top) = tops.into_iter().find(|top| *top >= most && top % 2 == 0) {
                return top;
            }
            unit *= 10;
        }
    }

    /// Position of a moment, in per cent of the chart's width. All buckets are equally wide, whatever daylight saving
    /// and the calendar make of their length.
    fn position(&self, us: u64) -> f64 {
        let at = self.buckets.partition_point(|bucket| bucket.end_us <= us);
        let within = self.buckets.get(at).map_or(0.0, |bucket| {
            let long = bucket.end_us.saturating_sub(bucket.start_us).max(1);
            us.saturating_sub(bucket.start_us) as f64 / long as f64
        });
        (at as f64 + within) / self.buckets.len().max(1) as f64 * 100.0
    }

    /// The bars of one side, `rise` pixels from the axis, as a path.
    fn path(&self, rise: impl Fn(&ChartSums) -> f64, axis: f64) -> String {
        let margin = if self.buckets.len() > 100 { 0.5 } else { 1.5 };
        let mut path = String::new();
        for (n, bucket) in self.buckets.iter().enumerate() {
            let rise = rise(&sums(bucket));
            if rise != 0.0 {
                let x = n as f64 * WIDE + margin;
                let _ = write!(path, "M{x} {axis}v{rise:.1}h{}V{axis}", WIDE - 2.0 * margin);
            }
        }
        path
    }

    /// Strokes at the height of the compared sums.
    fn marks(&self, axis: f64, scale: f64) -> String {
        let mut path = String::new();
        for (n, before) in self.before.iter().enumerate() {
            let Some((count_in, out)) = before else { continue };
            for (count, rise) in [(*count_in, -scale), (*out, scale)] {
                if count > 0 {
                    let (x, y) = (n as f64 * WIDE + 1.0, axis + count as f64 * rise);
                    let _ = write!(path, "M{x} {y:.1}h{}", WIDE - 2.0);
                }
            }
        }
        path
    }

    /// Spans without data, in order and without overlap: the gaps, and past buckets without coverage.
    fn unknown_spans(&self) -> Vec<(u64, u64)> {
        let (Some(first), Some(last)) = (self.buckets.first(), self.buckets.last()) else {
            return Vec::new();
        };
        let end = last.end_us.min(self.clock.now_us);
        let mut spans: Vec<(u64, u64)> = self.gaps.iter().map(|gap| (gap.from_us, gap.to_us)).collect();
        spans.extend(self.buckets.iter().filter(|b| is_unknown(b)).map(|b| (b.start_us, b.end_us)));
        spans.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (from, to) in spans {
            let (from, to) = (from.max(first.start_us).max(self.since_us), to.min(end));
            match merged.last_mut() {
                _ if from >= to => {}
                Some(before) if from <= before.1 => before.1 = before.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        merged
    }

    /// Writes the axis labels.
    fn write_ticks(&self, svg: &mut String) {
        let y = self.height + 18;
        let count = self.buckets.len();
        let mut text = |percent: f64, anchor: &str, words: &str| {
            let _ = write!(svg, "<text x=\"{percent:.2}%\" y=\"{y}\" class=\"{anchor}\">{words}</text>");
        };
        let share = |n: usize| n as f64 / count as f64 * 100.0;
        if self.bucket == "hour" && count <= 25 {
            for (n, bucket) in self.buckets.iter().enumerate() {
                let hour = to_zoned(bucket.start_us, &self.clock.zone).hour();
                let name = format!("{hour:02}");
                match (n, hour % 6, hour % 3) {
                    (0, ..) => text(0.0, "", &name),
                    (_, 0, _) if n + 1 < count => text(share(n), "mid", &name),
                    (_, _, 0) if n + 1 < count => text(share(n), "mid minor", &name),
                    _ => {}
                }
            }
            let end = self.buckets.last().map_or(0, |last| to_zoned(last.end_us, &self.clock.zone).hour());
            text(100.0, "end", &format!("{:02}", if end == 0 { 24 } else { end }));
            return;
        }
        let chosen: Vec<usize> = (0..count).filter(|n| self.has_label(*n)).collect();
        let step = chosen.len().div_ceil(12).max(1);
        for (k, n) in chosen.iter().step_by(step).enumerate() {
            let at = to_zoned(self.buckets[*n].start_us, &self.clock.zone);
            let format = match self.bucket {
                fine if is_fine(fine) && self.is_one_day() => "%H",
                fine if is_fine(fine) => "%a %-d",
                "day" if count <= 10 => "%a %-d",
                "month" => "%b %Y",
                _ => "%-d %b",
            };
            let words = at.strftime(format).to_string();
            let is_many = chosen.len() / step > 5;
            let anchor = match (k, is_many && k % 2 == 1) {
                (0, _) if self.bucket != "day" || count > 10 => "",
                (_, false) => "mid",
                (_, true) => "mid minor",
            };
            let middle = if is_fine(self.bucket) || anchor.is_empty() { 0.0 } else { 50.0 / count as f64 };
            let place = share(*n) + middle;
            if place < 96.0 || anchor.is_empty() || count <= 10 {
                text(place, anchor, &words);
            }
        }
    }

    /// True if the chart shows no more than a day.
    fn is_one_day(&self) -> bool {
        let ends = self.buckets.first().zip(self.buckets.last());
        ends.is_some_and(|(first, last)| last.end_us.saturating_sub(first.start_us) <= 25 * 3_600_000_000)
    }

    /// True if the bucket `n` gets a label.
    fn has_label(&self, n: usize) -> bool {
        let Some(bucket) = self.buckets.get(n) else { return false };
        let at = to_zoned(bucket.start_us, &self.clock.zone);
        match self.bucket {
            fine if is_fine(fine) && self.is_one_day() => at.minute() == 0 && at.hour() % 3 == 0,
            fine if is_fine(fine) => {
                at.minute() == 0 && at.hour() == i8::try_from(self.clock.day_starts).unwrap_or(0)
            }
            "day" => self.buckets.len() <= 10 || at.weekday() == jiff::civil::Weekday::Monday,
            _ => true,
        }
    }
}

/// A heat map of weekdays by hours: the mean count of each hour, weighted by coverage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WeekMap {
    /// Means for each weekday from Monday and each hour from the start of the day; `None` with less than half an hour
    /// of coverage in all.
    pub means: [[Option<f64>; 24]; 7],
    pub first_hour: u8,
}

impl WeekMap {
    /// The map of hourly buckets; `count` selects the shown sum.
    pub fn new(buckets: &[BucketRow], clock: &LocalClock, count: impl Fn(ChartSums) -> u64) -> WeekMap {
        let mut cells = [[(0.0, 0.0); 24]; 7];
        for bucket in buckets.iter().filter(|bucket| bucket.end_us <= clock.now_us) {
            let at = to_zoned(bucket.start_us, &clock.zone);
            let hour = usize::try_from(at.hour()).unwrap_or(0);
            let first = usize::from(clock.day_starts);
            // Hours before the start of the day belong to the day before.
            let weekday = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
            let row = if hour < first { (weekday + 6) % 7 } else { weekday };
            let cell = &mut cells[row][(hour + 24 - first) % 24];
            cell.0 += count(sums(bucket)) as f64;
            cell.1 += bucket.covered;
        }
        let means = cells.map(|row| row.map(|(sum, covered)| (covered >= 0.5).then(|| sum / covered)));
        WeekMap { means, first_hour: clock.day_starts }
    }

    /// A mean: all with a decimal if all are small, else all as whole numbers.
    pub fn in_words(&self, mean: f64) -> String {
        let is_fine = self.means.iter().flatten().flatten().all(|mean| *mean < 9.95);
        if is_fine { format!("{mean:.1}") } else { format_thousands(mean.round() as u64) }
    }

    /// Upper bounds of the four lower colour steps above zero.
    pub fn steps(&self) -> [f64; 4] {
        let most = self.means.iter().flatten().flatten().fold(0.0_f64, |most, mean| most.max(*mean));
        // Whole numbers, unless all means are small.
        let fine = if most < 5.0 { 10.0 } else { 1.0 };
        [0.2, 0.4, 0.6, 0.8].map(|share| (share * most * fine).ceil() / fine)
    }

    /// The colour step of a mean, 0–5.
    fn step_index(mean: f64, steps: &[f64; 4]) -> usize {
        if mean < 0.05 { 0 } else { 1 + steps.iter().filter(|step| mean > **step).count() }
    }

    /// The map as one `svg` element with seven rows of 24 px.
    pub fn svg(&self, label: &str) -> String {
        let steps = self.steps();
        // A cell is as wide as two digits.
        let has_figures = self.means.iter().flatten().flatten().all(|mean| *mean < 99.5);
        let mut paths: [String; 6] = Default::default();
        let (mut hatch, mut values, mut deep) = (String::new(), String::new(), String::new());
        for (row, means) in self.means.iter().enumerate() {
            for (hour, mean) in means.iter().enumerate() {
                let (x, y) = (hour as f64 / 24.0 * 100.0, row * 24);
                let Some(mean) = mean else {
                    let _ = write!(
                        hatch,
                        "<rect class=\"hatch\" x=\"{x:.2}%\" y=\"{y}\" width=\"4.17%\" height=\"23\"/>"
                    );
                    continue;
                };
                let step = WeekMap::step_index(*mean, &steps);
                let _ = write!(paths[step], "M{} {y}h9.8v23h-9.8z", hour * 10);
                if step > 0 && has_figures {
                    let into = if step > 3 { &mut deep } else { &mut values };
                    let value = self.in_words(*mean);
                    let _ = write!(into, "<text x=\"{:.2}%\" y=\"{}\">{value}</text>", x + 2.08, y + 16);
                }
            }
        }
        let mut svg = format!(
            "<svg role=\"img\" aria-label=\"{}\" height=\"192\">{hatch}<svg width=\"100%\" height=\"168\" \
             viewBox=\"0 0 240 168\" preserveAspectRatio=\"none\">",
            Text(label)
        );
        for (step, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let _ = write!(svg, "<path class=\"h{step}\" d=\"{path}\"/>");
        }
        let _ = write!(svg, "</svg><g class=\"val\">{values}<g class=\"d\">{deep}</g></g>");
        for column in (0..24).step_by(3) {
            let hour = (column + u32::from(self.first_hour)) % 24;
            let anchor = match column {
                0 => "",
                column if column % 6 == 0 => "mid",
                _ => "mid minor",
            };
            let x = f64::from(column) / 24.0 * 100.0;
            let _ = write!(svg, "<text x=\"{x:.2}%\" y=\"186\" class=\"{anchor}\">{hour:02}</text>");
        }
        let end = if self.first_hour == 0 { 24 } else { self.first_hour };
        let _ = write!(svg, "<text x=\"100%\" y=\"186\" class=\"end\">{end:02}</text>");
        svg + "</svg>"
    }
}

/// The name of a bucket in a table: "13:00", "Thu 12 Nov", "Week of 9 Nov", "November 2026".
pub(super) fn bucket_name(bucket: &BucketRow, kind: &str, is_one_day: bool, clock: &LocalClock) -> String {
    let at = to_zoned(bucket.start_us, &clock.zone);
    let format = match kind {
        fine if is_fine(fine) && is_one_day => "%H:%M",
        fine if is_fine(fine) => "%a %-d %b %H:%M",
        "week" => "Week of %-d %b",
        "month" => "%B %Y",
        _ => "%a %-d %b",
    };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::tz::TimeZone;

    use super::*;
    use tallycam_store::Count;

    const HOUR: u64 = 3_600_000_000;
    /// Monday 16 November 2026, 00:00 UTC.
    const MONDAY: u64 = 1_794_787_200_000_000;

    fn clock(now_us: u64) -> LocalClock {
        LocalClock { now_us, zone: TimeZone::UTC, day_starts: 0 }
    }

    fn bucket(n: u64, covered: f64, count_in: u64, out: u64) -> BucketRow {
        let kinds =
            [(Direction::In, count_in), (Direction::Out, out)].into_iter().filter(|(_, count)| *count > 0);
        BucketRow {
            start_us: MONDAY + n * HOUR,
            end_us: MONDAY + (n + 1) * HOUR,
            covered,
            counts: kinds
                .map(|(direction, count)| Count {
                    line_id: 1,
                    line: "Line".into(),
                    class: "person".into(),
                    direction,
                    count,
                })
                .collect(),
        }
    }

    fn bars<'a>(buckets: &'a [BucketRow], gaps: &'a [Gap], clock: &'a LocalClock) -> Bars<'a> {
        Bars {
            buckets,
            bucket: "hour",
            before: &[],
            gaps,
            since_us: 0,
            clock,
            height: 100,
            has_scale: true,
            is_one_sided: false,
            at_least: 0,
            label: "x",
        }
    }

    #[test]
    fn in_stands_above_the_axis_and_out_below() {
        let clock = clock(MONDAY + 24 * HOUR);
        let buckets = [bucket(0, 1.0, 10, 5), bucket(1, 1.0, 0, 0)];
        let svg = bars(&buckets, &[], &clock).svg();
        // Ten of ten fills the upper half, five fills half of the lower one, and zero draws nothing.
        assert!(svg.contains("<path class=\"i\" d=\"M1.5 50v-50.0h7V50\"/>"), "{svg}");
        assert!(svg.contains("<path class=\"o\" d=\"M1.5 50v25.0h7V50\"/>"), "{svg}");
        assert!(svg.contains("10 in") && svg.contains("10 out"));
        assert!(!svg.contains("class=\"hatch\""));
    }

    #[test]
    fn gaps_are_hatched_to_the_minute_and_the_future_is_not() {
        let clock = clock(MONDAY + 2 * HOUR);
        let buckets =
            with_future_buckets(vec![bucket(0, 0.0, 0, 0), bucket(1, 0.5, 1, 0)], MONDAY + 4 * HOUR);
        assert_eq!(buckets.len(), 4);
        let gaps = [Gap { from_us: MONDAY + HOUR, to_us: MONDAY + HOUR * 3 / 2, why: "off".into() }];
        let svg = bars(&buckets, &gaps, &clock).svg();
        assert_eq!(svg.matches("class=\"hatch\"").count(), 1);
        assert!(svg.contains("<rect class=\"hatch\" x=\"0.00%\" width=\"37.50%\""), "{svg}");
        assert!(svg.contains("class=\"now\" x1=\"50.00%\""), "{svg}");
    }

    #[test]
    fn scales_are_round_and_have_a_round_half() {
        let clock = clock(MONDAY + HOUR);
        for (most, top) in [
            (0, 2),
            (1, 2),
            (3, 4),
            (5, 6),
            (7, 8),
            (11, 12),
            (17, 20),
            (41, 50),
            (64, 70),
            (600, 600),
            (999, 1000),
            (1500, 1600),
        ] {
            let buckets = [bucket(0, 1.0, most, 0)];
            assert_eq!(bars(&buckets, &[], &clock).axis_max(), top);
        }
    }

    #[test]
    fn means_are_weighted_by_coverage() {
        let clock = clock(MONDAY + 30 * 24 * HOUR);
        // Two Mondays at 00:00: one with full coverage, one with half, one with none.
        let week = 7 * 24;
        let buckets = [
            bucket(0, 1.0, 6, 1),
            bucket(week, 0.5, 3, 0),
            bucket(2 * week, 0.0, 0, 0),
            bucket(1, 0.4, 1, 0),
            bucket(25, 1.0, 0, 0),
        ];
        let map = WeekMap::new(&buckets, &clock, |(count_in, _)| count_in);
        assert_eq!(map.means[0][0], Some(6.0));
        assert_eq!(map.means[0][1], None, "too little coverage");
        assert_eq!(map.means[1][1], Some(0.0), "a true zero");
        assert_eq!(map.means[6][23], None);
        let svg = map.svg("x");
        assert_eq!(svg.matches("class=\"hatch\"").count(), 7 * 24 - 2);
        assert!(svg.contains("class=\"h5\"") && svg.contains(">6.0</text>"), "{svg}");
    }

    #[test]
    fn a_day_that_begins_later_has_its_small_hours_at_its_end() {
        let mut clock = clock(MONDAY + 30 * 24 * HOUR);
        clock.day_starts = 5;
        // Tuesday 02:00 belongs to Monday.
        let map = WeekMap::new(&[bucket(26, 1.0, 4, 0)], &clock, |(count_in, _)| count_in);
        assert_eq!(map.means[0][21], Some(4.0));
    }

    #[test]
    fn no_chart_contains_nan_or_infinity() {
        let clock = clock(MONDAY);
        let svg = bars(&[], &[], &clock).svg();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
