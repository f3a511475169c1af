//! Counting on the live page: chips over the picture, today's chart, the newest crossings, the state of counting.

use std::fmt::Write;

use crate::ui::chart::{self, Bars};
use crate::ui::counts::checks::{CheckBadge, badges_html};
use crate::ui::counts::since::{inside_in_words, reset_name, tally_sums};
use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{CountingReport, LocalClock, Reader, ZoneNow};
use crate::ui::form::change_link;
use crate::ui::format::{
    began_us, class_name, format_sums, format_thousands, is_before_begin, is_listed, maybe_sentence, minute,
    not_counted_reason, second, sentence, to_zoned,
};
use crate::ui::frame::{hidden_attribute, remedy};
use tallycam_store::{BucketRow, Direction, Gap, LineRow, StoredCrossing, TallyRow};

/// Data of counting on the live page.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveCounting {
    pub clock: LocalClock,
    pub facts: CountingReport,
    /// Lines of the scene in use that are not deleted.
    pub lines: Vec<LineRow>,
    pub zones: Vec<ZoneNow>,
    /// Today's sums, in the order of the lines.
    pub tallies: Vec<TallyRow>,
    /// Today by the hour, from the start of the day to its end, over all lines.
    pub hours: Vec<BucketRow>,
    /// Today's times without counting, oldest first.
    pub gaps: Vec<Gap>,
    /// The last five crossings, newest first.
    pub crossings: Vec<StoredCrossing>,
    /// Addresses of the player for crossings in recordings, by their numbers.
    pub clips: Vec<(u64, String)>,
    /// The newest check of each line.
    pub checks: Vec<CheckBadge>,
}

/// Rows of the list of the newest crossings.
const MOST_CROSSED: usize = 5;

/// Lines with a chip: more would cover the picture. The others are listed beside it.
const MOST_CHIPS: usize = 3;

/// The chips over the picture.
pub(in crate::ui) fn chips(counting: &LiveCounting) -> String {
    tally_items(counting, &counting.tallies[..counting.tallies.len().min(MOST_CHIPS)])
}

/// An item for each line with its sums of today.
fn tally_items(counting: &LiveCounting, tallies: &[TallyRow]) -> String {
    let mut html = String::new();
    for tally in tallies {
        let (in_name, out_name) = names(counting, tally.line_id);
        let _ = write!(
            html,
            "<li data-line=\"{}\"><b>{}</b> <span class=\"in\"><b>{}</b> <i>{}</i></span> <span \
             class=\"out\"><b>{}</b> <i>{}</i></span></li>",
            tally.line_id,
            Text(&tally.line),
            format_thousands(tally.count_in),
            Text(in_name),
            format_thousands(tally.count_out),
            Text(out_name),
        );
    }
    html
}

/// The names of a line's directions.
fn names(counting: &LiveCounting, line: u64) -> (&str, &str) {
    let line = counting.lines.iter().find(|own| own.id == line);
    line.map_or(("in", "out"), |line| (line.draft.in_name.as_str(), line.draft.out_name.as_str()))
}

/// The sections beside the picture.
pub(in crate::ui) fn sections_html(counting: &LiveCounting, reader: Reader) -> String {
    let LiveCounting { clock, facts, .. } = counting;
    let tallies: Vec<&TallyRow> = counting.tallies.iter().collect();
    let (count_in, out) = tally_sums(&tallies);
    let day_us = counting.hours.first().map_or(u64::MAX, |hour| hour.start_us);
    let reset = reset_name(&tallies, day_us, clock);
    // After a reset the sums of the whole day are shown too, as on Counts.
    let whole = reset.as_ref().map_or_else(String::new, |_| {
        format!(
            "Today in all: {}. <a href=\"counts#zero\">Undo</a>",
            format_sums(chart::total(&counting.hours))
        )
    });
    let chart = Bars {
        buckets: &counting.hours,
        bucket: "hour",
        before: &[],
        gaps: &counting.gaps,
        since_us: begun_us(counting).unwrap_or(0),
        clock,
        height: 72,
        has_scale: false,
        is_one_sided: false,
        at_least: 0,
        label: "In and out per hour today; the figures are on the page Counts",
    }
    .svg();
    let has_none = counting.lines.is_empty();
    // Without counts.db there are no lines either, and its fault matters more than the hint to draw one.
    let is_trouble = facts.state == "fault";
    format!(
        include_str!("counting.html"),
        nothing_hidden = hidden_attribute(!has_none || is_trouble),
        draw = change_link(reader, Reader::Operator, "btn main", "lines?line=new", "Draw a line"),
        zones_hidden = hidden_attribute(counting.zones.is_empty()),
        zones = zones(&counting.zones),
        today_hidden = hidden_attribute(has_none),
        offset = to_zoned(clock.now_us, &clock.zone).offset().seconds(),
        definitions = chart::DEFINITIONS,
        count_in = format_thousands(count_in),
        out = format_thousands(out),
        inside = format_thousands(tallies.iter().map(|tally| tally.inside).sum()),
        rest = tally_items(counting, counting.tallies.get(MOST_CHIPS..).unwrap_or_default()),
        chart = chart,
        checks = badges_html(&counting.checks, tallies.iter().map(|tally| (tally.line_id, &*tally.line))),
        since = Text(reset.as_deref().unwrap_or("Today")),
        whole = whole,
        inside_how = Text(&inside_in_words(&tallies, clock)),
        gaps = gaps_in_words(counting),
        log = log(counting),
    )
}

/// The row of counting in the table of the state.
pub(in crate::ui) fn facts_html(counting: &LiveCounting) -> String {
    let facts = &counting.facts;
    format!(
        "<div id=\"facts\"{}><dt>Counting</dt><dd><span id=\"count-state\">{}</span> · <span \
         id=\"count-rate\">{}</span> · <a href=\"models\" id=\"count-by\">{}</a></dd></div>\n        ",
        hidden_attribute(counting.lines.is_empty() && facts.state != "fault"),
        state(facts),
        describe_rate(facts),
        detector_name(facts),
    )
}

/// The occupancy of each zone.
fn zones(zones: &[ZoneNow]) -> String {
    let mut html = String::new();
    for ZoneNow { row, occupancy } in zones {
        let inside = match row.draft.exclude {
            true => "excluded".to_owned(),
            false => format!("<b>{occupancy}</b> inside now"),
        };
        let _ = write!(html, "<dt>{}</dt><dd data-zone=\"{}\">{inside}</dd>", Text(&row.draft.name), row.id);
    }
    html
}

/// The start of counting, if it was today.
fn begun_us(counting: &LiveCounting) -> Option<u64> {
    began_us(&counting.gaps).filter(|us| *us < counting.clock.now_us)
}

/// The section for a configuration without counting.
pub(in crate::ui) fn counting_off_html() -> String {
    "<section class=\"empty\" aria-labelledby=\"off-head\"><h2 id=\"off-head\">Counting is switched off</h2>\
     <p class=\"muted\">With another detector in the settings, and a line drawn, crossings are \
     counted.</p></section>\n    "
        .into()
}

/// Today's gaps in a sentence.
fn gaps_in_words(counting: &LiveCounting) -> String {
    let clock = &counting.clock;
    let of = |us| minute(&to_zoned(us, &clock.zone));
    let is_seen = |gap: &&Gap| is_listed(gap) && !is_before_begin(gap, begun_us(counting));
    let gaps: Vec<&Gap> = counting.gaps.iter().filter(is_seen).collect();
    let Some(last) = gaps.last() else {
        let since = begun_us(counting).map(|us| format!("Counting since {}. ", of(us))).unwrap_or_default();
        return format!("{since}By hour: in above the line, out below.");
    };
    let start = counting.hours.first().map_or(0, |hour| hour.start_us);
    let to = if last.to_us >= clock.now_us { "now".into() } else { of(last.to_us) };
    let more = match gaps.len() {
        1 => String::new(),
        2 => " And 1 more gap.".into(),
        n => format!(" And {} more gaps.", n - 1),
    };
    format!(
        "<span class=\"key g\"></span> Not counting {}–{to} ({}).{more}",
        of(last.from_us.max(start)),
        Text(&not_counted_reason(&last.why)),
    )
}

/// The newest crossings; empty rows keep their space.
fn log(counting: &LiveCounting) -> String {
    let mut html = String::new();
    for crossed in counting.crossings.iter().take(MOST_CROSSED) {
        let (in_name, out_name) = names(counting, crossed.line_id);
        let (class, name) = match crossed.direction {
            Direction::In => ("in", in_name),
            Direction::Out => ("out", out_name),
        };
        let clip = match counting.clips.iter().find(|(id, _)| *id == crossed.id) {
            Some((_, address)) => format!(" <a href=\"{}\">Clip</a>", Text(address)),
            None => String::new(),
        };
        let _ = write!(
            html,
            "<li data-id=\"{}\"><time>{}</time><b class=\"{class}\">{}</b><span>{}</span><span class=\"muted\" \
             title=\"Object {}\">{}{clip}</span></li>",
            crossed.id,
            // "~14:02:37" if the clock was perhaps not set.
            format_args!(
                "{}{}",
                if crossed.is_time_sure { "" } else { "~" },
                second(&to_zoned(crossed.time_us, &counting.clock.zone))
            ),
            Text(name),
            Text(&crossed.line),
            crossed.track,
            Text(class_name(&crossed.class)),
        );
    }
    if html.is_empty() {
        html.push_str("<li class=\"none muted\">No crossings yet.</li>");
    }
    html
}

/// The state of counting in a word or two.
fn state(facts: &CountingReport) -> &'static str {
    match facts.state {
        "counting" => "Counting",
        "idle" => "No line is drawn",
        "waiting" => "Waiting for a picture",
        "off" => "Off",
        _ => "Not counting",
    }
}

/// The reason and the remedy if it does not count, and the notes.
pub(in crate::ui) fn reason_html(facts: &CountingReport) -> String {
    let mut html = String::new();
    if facts.state != "counting" {
        let hint = remedy(facts.hint.as_deref().unwrap_or_default());
        let _ = write!(html, "{} {hint} ", MarkedText(&maybe_sentence(&facts.reason)));
    }
    for note in &facts.notes {
        let _ = write!(html, "{} ", MarkedText(&sentence(note)));
    }
    html.trim().to_owned()
}

/// The rate: "9.8 fps (61 ms), 93 % skipped without motion".
pub(in crate::ui) fn describe_rate(facts: &CountingReport) -> String {
    if facts.detections_per_second > 0.0 {
        let percent = facts.detections_skipped * 100 / facts.detections.max(1);
        let saved = match percent {
            1.. => format!(", {percent} % skipped without motion"),
            _ => String::new(),
        };
        format!("{:.1} fps ({:.0} ms){saved}", facts.detections_per_second, facts.detection_ms)
    } else {
        "idle".into()
    }
}

/// The detector's name: `yolox_nano_320` or `motion`.
fn detector_name(facts: &CountingReport) -> String {
    match (facts.backend, facts.model.as_str()) {
        ("", _) => "–".into(),
        ("motion", _) => "motion".into(),
        (backend, "") => Text(backend).to_string(),
        (_, model) => Text(model).to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn the_whole_day_is_shown_after_a_reset_too() {
        let mut counting = fixtures::live().counting.unwrap();
        let day_us = counting.hours[0].start_us;
        counting.tallies.iter_mut().for_each(|tally| tally.since_us = day_us);
        let html = sections_html(&counting, Reader::Admin);
        assert!(
            html.contains("<h2 id=\"today-head\">Today</h2>") && !html.contains("Today in all"),
            "{html}"
        );
        counting.tallies.iter_mut().for_each(|tally| tally.since_us = day_us + 3_600_000_000);
        let html = sections_html(&counting, Reader::Admin);
        assert!(html.contains("<h2 id=\"today-head\">Since 01:00</h2>"), "{html}");
        assert!(html.contains("Today in all: "), "{html}");
    }

    #[test]
    fn counting_since_names_the_first_counted_moment() {
        let mut counting = fixtures::live().counting.unwrap();
        let (day_us, now_us) = (counting.hours[0].start_us, counting.clock.now_us);
        let gap = |from_us, to_us, why: &str| Gap { from_us, to_us, why: why.into() };
        let mut said = |gaps: &[Gap]| {
            counting.gaps = gaps.to_vec();
            gaps_in_words(&counting)
        };
        let hour = 3_600_000_000;
        let before = gap(day_us, day_us + hour, "not_begun");
        assert!(said(std::slice::from_ref(&before)).starts_with("Counting since 01:00. "));
        let no_model = gap(day_us + hour, day_us + 2 * hour, "no_model");
        let html = said(&[before.clone(), no_model]);
        assert!(html.starts_with("Counting since 02:00. ") && !html.contains("Not counting"), "{html}");
        assert!(
            !said(&[before, gap(day_us + hour, now_us, "no_model")]).contains("since"),
            "nothing counted"
        );
    }

    #[test]
    fn a_moving_object_has_its_number_in_the_tooltip() {
        let mut counting = fixtures::live().counting.unwrap();
        counting.crossings[0].class = "moving".into();
        let html = sections_html(&counting, Reader::Admin);
        assert!(html.contains("title=\"Object 205\">object"), "{html}");
        assert!(html.contains("title=\"Object 195\">person"), "{html}");
    }

    #[test]
    fn a_fault_of_counting_is_shown_even_without_a_line() {
        let side = |word, reason: &str| {
            let mut counting = fixtures::live().counting.unwrap();
            counting.lines.clear();
            (counting.facts.state, counting.facts.reason) = (word, Some(reason.into()));
            let [sections, facts] = [sections_html(&counting, Reader::Admin), facts_html(&counting)];
            (sections, facts, reason_html(&counting.facts))
        };
        let (sections, facts, why) = side("fault", "counts.db: database or disk is full");
        assert!(sections.contains("id=\"nothing\" hidden>"), "{sections}");
        assert!(facts.starts_with("<div id=\"facts\"><dt>"), "{facts}");
        assert!(why.starts_with("counts.db: database or disk is full."), "{why}");
        let mut facts = fixtures::live().counting.unwrap().facts;
        facts.state = "fault";
        facts.hint = Some("`tallycam model add FILE` adds one".into());
        let html = reason_html(&facts);
        assert!(html.contains("Choose or add one: <a href=\"models\">Models</a>."), "{html}");
        let (sections, facts, _) = side("idle", "No line is drawn.");
        assert!(sections.contains("id=\"nothing\">") && facts.starts_with("<div id=\"facts\" hidden>"));
    }

    #[test]
    fn three_lines_have_chips_and_the_others_are_listed_beside_the_picture() {
        let mut counting = fixtures::live().counting.unwrap();
        counting.tallies = vec![counting.tallies[0].clone(); 5];
        let items = |html: &str| html.matches("<li data-line=").count();
        let sections = sections_html(&counting, Reader::Admin);
        assert_eq!([items(&chips(&counting)), items(&sections)], [3, 2]);
        counting.tallies.truncate(2);
        let sections = sections_html(&counting, Reader::Admin);
        assert_eq!([items(&chips(&counting)), items(&sections)], [2, 0]);
    }
}
