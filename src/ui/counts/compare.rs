//! The comparison with an earlier time, hour by hour on the local clock.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime};

use super::ChartView;
use super::range::days_before;
use crate::ui::chart::{ChartSums, sums};
use crate::ui::format::{micros, to_zoned};
use tallycam_store::BucketRow;

/// Coverage from which an hour counts as complete: a detection may start a little late.
const IN_FULL: f64 = 0.99;

/// Share of the past time that must be known on both sides.
const LEAST_OVERLAP: f64 = 0.8;

/// Sums of the buckets that were complete both now and then.
pub(super) struct Compared {
    pub now: ChartSums,
    pub before: ChartSums,
    /// Their length together, in microseconds.
    pub time_us: u64,
    /// The length of all past buckets, in microseconds.
    pub passed_us: u64,
    /// The earlier sum for each bucket of the chart; `None` if part of it is unknown.
    pub marks: Vec<Option<ChartSums>>,
}

impl Compared {
    /// True if so much of the time is known on both sides that a change of the sums means something.
    pub(super) fn is_telling(&self) -> bool {
        self.time_us > 0 && self.time_us as f64 >= LEAST_OVERLAP * self.passed_us as f64
    }
}

/// As in "Fri 13 Nov", with the year if it is not this one.
fn day_name(day: Date, today: Date) -> String {
    let name = day.strftime("%a %-d %b").to_string();
    if day.year() == today.year() { name } else { format!("{name} {}", day.year()) }
}

impl ChartView<'_> {
    /// Compares past hours with the same local time that were complete on both sides.
    pub(super) fn comparison(&self) -> Option<Compared> {
        let [now, before] = self.page.compared.as_ref()?;
        let zone = &self.clock().zone;
        let later = jiff::Span::new().days(i64::from(self.page.ask.days_back));
        // Earlier hours by the present hour that they are compared with. When daylight saving ends, the second of two
        // equal hours is left out.
        let mut then: HashMap<DateTime, &BucketRow> = HashMap::new();
        let mut marks = vec![(0, 0, 0.0, 0.0); self.buckets.len()];
        for bucket in before {
            let Ok(hour) = to_zoned(bucket.start_us, zone).datetime().checked_add(later) else { continue };
            then.entry(hour).or_insert(bucket);
            let Ok(at) = hour.to_zoned(zone.clone()) else { continue };
            let at = micros(&at);
            let place = self.buckets.partition_point(|shown| shown.end_us <= at);
            if let Some(mark) = marks.get_mut(place) {
                let (count_in, out) = sums(bucket);
                *mark = (mark.0 + count_in, mark.1 + out, mark.2 + bucket.covered, mark.3 + 1.0);
            }
        }
        let mut compared =
            Compared { now: (0, 0), before: (0, 0), time_us: 0, passed_us: 0, marks: Vec::new() };
        for bucket in now.iter().filter(|bucket| bucket.end_us <= self.clock().now_us) {
            compared.passed_us += bucket.end_us.saturating_sub(bucket.start_us);
            if bucket.covered < IN_FULL {
                continue;
            }
            let hour = to_zoned(bucket.start_us, zone).datetime();
            let Some(other) = then.remove(&hour).filter(|other| other.covered >= IN_FULL) else { continue };
            let (this, that) = (sums(bucket), sums(other));
            compared.now = (compared.now.0 + this.0, compared.now.1 + this.1);
            compared.before = (compared.before.0 + that.0, compared.before.1 + that.1);
            compared.time_us += bucket.end_us.saturating_sub(bucket.start_us);
        }
        compared.marks = marks
            .into_iter()
            .map(|(count_in, out, covered, hours)| {
                (hours > 0.0 && covered >= IN_FULL * hours).then_some((count_in, out))
            })
            .collect();
        Some(compared)
    }

    /// The name of the compared time: "last Friday", "the 7 days before".
    pub(super) fn reference_name(&self) -> String {
        let ask = &self.page.ask;
        let day = ask.first.strftime("%A");
        if ask.with.is_some() {
            let then = |day| day_name(days_before(day, ask.days_back), self.today());
            return match self.is_one_day() {
                true => then(ask.first),
                false => format!("{} to {}", then(ask.first), then(ask.last)),
            };
        }
        match (self.is_one_day(), ask.days_back / 7) {
            (true, _) if ask.range == "today" => format!("last {day}"),
            (true, _) => format!("the {day} before"),
            (_, 1) if ask.range == "7d" => "the 7 days before".into(),
            (_, 1) => "the same days a week before".into(),
            (_, weeks) => format!("the same weekdays {weeks} weeks before"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ui::counts_page;
    use crate::ui::fixtures;

    #[test]
    fn the_compared_time_is_a_duration_and_inside_is_dated_when_it_was_set() {
        let mut page = fixtures::counts(&[]);
        for side in page.compared.iter_mut().flatten() {
            side.truncate(1);
            side.iter_mut().for_each(|bucket| bucket.end_us = bucket.start_us + 300_000_000);
        }
        let html = counts_page(&page);
        assert!(html.contains("compared over 5 min of 5 min"), "{html}");
        let mut rest = page.clone();
        for side in rest.compared.iter_mut().flatten() {
            let mut unknown = side[0].clone();
            (unknown.start_us, unknown.end_us) = (side[0].end_us, side[0].end_us + 76_000_000);
            unknown.covered = 0.0;
            side.push(unknown);
        }
        assert!(!counts_page(&rest).contains("chip"), "less than 80 % is known on both sides");
        page.tallies[0].inside_since_us += 6 * 3_600_000_000;
        let html = counts_page(&page);
        let figure = html.split("Inside now").nth(1).and_then(|rest| rest.split("</dd>").next());
        assert!(figure.is_some_and(|figure| figure.contains("since 06:00")), "{figure:?}");
    }
}
