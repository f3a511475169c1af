//! Occupancy of the zones: for each a chart of the peaks, and the highest peak.

use std::fmt::Write;

use super::{ChartView, shown_buckets};
use crate::ui::chart::Bars;
use crate::ui::escape::Text;
use crate::ui::facts::ZoneFigures;
use crate::ui::format::{format_when, to_zoned};
use tallycam_store::{BucketRow, Count, Direction, OccupancyRow};

/// A chart has at least so many bars.
const LEAST_BARS: usize = 7;

impl ChartView<'_> {
    /// The zones, if no line or class is chosen.
    pub(super) fn occupancy(&self) -> String {
        let page = self.page;
        if page.zones.is_empty() || page.ask.line.is_some() || page.ask.class.is_some() {
            return String::new();
        }
        let mut html = String::from(
            "<section class=\"panel\" id=\"occupancy\" aria-labelledby=\"occupancy-head\"><header><h2 \
             id=\"occupancy-head\">Occupancy of zones</h2><p class=\"small muted\">Peak per bar</p></header>",
        );
        for zone in &page.zones {
            let _ = write!(
                html,
                "<header><h3>{}</h3><p class=\"num\">{}</p></header>{}{}",
                Text(&zone.name),
                self.zone_figures(zone),
                self.zone_chart(zone),
                self.stays(zone)
            );
        }
        html + &self.stay_links() + "</section>"
    }

    /// As in "2 inside now, peak 46, 11:45, 3.1 on average".
    fn zone_figures(&self, zone: &ZoneFigures) -> String {
        let mut words = Vec::new();
        if self.is_today() {
            words.push(format!("<b>{}</b> inside now", zone.inside));
        }
        let watched: u64 = zone.buckets.iter().map(|bucket| bucket.watched_us).sum();
        match OccupancyRow::highest(&zone.buckets) {
            None => words.push("not watched in this time".into()),
            Some(OccupancyRow { peak: 0, .. }) => words.push("empty in this time".into()),
            Some(peak) => {
                let zone_of_time = &self.clock().zone;
                let when = to_zoned(peak.peak_us, zone_of_time);
                let now = to_zoned(self.clock().now_us, zone_of_time);
                words.push(format!("peak <b>{}</b>, {}", peak.peak, format_when(&when, &now)));
                let inside: f64 = zone.buckets.iter().map(|b| b.mean * b.watched_us as f64).sum();
                words.push(format!("{:.1} on average", inside / watched.max(1) as f64));
            }
        }
        words.join(" &nbsp; ")
    }

    fn zone_chart(&self, zone: &ZoneFigures) -> String {
        let bar = |bucket: &OccupancyRow| BucketRow {
            start_us: bucket.start_us,
            end_us: bucket.end_us,
            covered: bucket.watched_us as f64 / bucket.end_us.saturating_sub(bucket.start_us).max(1) as f64,
            counts: match bucket.peak {
                0 => Vec::new(),
                peak => vec![Count {
                    line_id: 0,
                    line: "".into(),
                    class: "".into(),
                    direction: Direction::In,
                    count: peak.into(),
                }],
            },
        };
        if zone.buckets.iter().all(|bucket| bucket.watched_us == 0) {
            return String::new();
        }
        // Before the zone was watched nothing is known of it, but a single bar would be as wide as the chart.
        let unknown = zone.buckets.iter().take_while(|bucket| bucket.watched_us == 0).count();
        let first = unknown.min(zone.buckets.len().saturating_sub(LEAST_BARS));
        let since_us = zone.buckets.get(unknown).map_or(0, |bucket| bucket.start_us);
        let buckets = shown_buckets(self.page, zone.buckets[first..].iter().map(bar).collect());
        let svg = Bars {
            buckets: &buckets,
            bucket: self.page.ask.shown.bucket,
            before: &[],
            gaps: &[],
            since_us: self.begun_us().unwrap_or(0).max(since_us),
            clock: self.clock(),
            height: 96,
            has_scale: true,
            is_one_sided: true,
            at_least: 0,
            label: &format!("The most in {} at once, over time", zone.name),
        }
        .svg();
        format!("<figure class=\"chart scaled\">{svg}</figure>")
    }
}

#[cfg(test)]
mod tests {
    use crate::ui::counts_page;
    use crate::ui::fixtures;

    #[test]
    fn the_peak_of_a_zone_is_shown_with_its_time() {
        let html = counts_page(&fixtures::counts(&[]));
        assert!(html.contains("<b>2</b> inside now &nbsp; peak <b>46</b>, 11:45"), "{html}");
        let html = counts_page(&fixtures::counts(&[("line", "1")]));
        assert!(!html.contains("id=\"occupancy\""), "a chosen line hides the zones");
    }
}
