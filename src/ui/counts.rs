//! The page of figures: today (or any days) against the same weekdays before, bars, the week hour by hour,
//! classes, tables, and what was not counted.
//!
//! It is complete as the server draws it. `counts.js` fetches the same page again when something has
//! crossed, and puts its new `#shown` in place of the old one.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use jiff::civil::DateTime;

use super::chart::{self, Bars, Sums, WeekMap, bucket_name, is_unknown, sums};
use super::escape::{Text, Words};
use super::facts::{
    ChartBucket, Clock, CountingFacts, DrawnLine, Head, LineTally, NotCounted, Refusal, SetToZero,
};
use super::range::{CountsAsk, Heat, day_of};
use super::words::{
    capital, change, in_address, length, long_day, micros, percent, rfc3339, sentence, weekday, when,
    why_not, zoned,
};
use super::{Frame, Tab};

/// What the page of figures shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsPage {
    /// What stands above.
    pub head: Head,
    /// The clock on the wall.
    pub clock: Clock,
    /// The scene in use: `camera`, `files` or `sim`.
    pub scene: String,
    /// What is asked for.
    pub ask: CountsAsk,
    /// Lines of the scene, deleted ones too.
    pub lines: Vec<DrawnLine>,
    /// Today's sums of the lines that are not deleted.
    pub tallies: Vec<LineTally>,
    /// Every class there is to choose, by name: those that are counted and those that ever were.
    pub classes: Vec<String>,
    /// [`CountsAsk::shown`], of the line and class asked for.
    pub shown: Vec<ChartBucket>,
    /// [`CountsAsk::compared`], likewise.
    pub compared: Option<[Vec<ChartBucket>; 2]>,
    /// [`CountsAsk::weeks`], likewise.
    pub weeks: Vec<ChartBucket>,
    /// Times without counting that meet [`CountsAsk::shown`], oldest first.
    pub gaps: Vec<NotCounted>,
    /// Resets in [`CountsAsk::shown`].
    pub resets: Vec<SetToZero>,
    /// How counting is going.
    pub counting: CountingFacts,
    /// A reset that could not be carried out.
    pub refused: Option<Refusal>,
}

/// Gaps and marks that are listed at most; the rest is in the API.
const MOST_LISTED: usize = 12;
/// A share of an hour from which on it counts as counted in full: a look may begin a little late.
const IN_FULL: f64 = 0.99;

/// The page of figures as HTML, at `counts`. It posts `counts?do=reset` (a field `line` with a number, or an
/// empty one for all lines; answered by 303 to `counts`) and links to `api/v1/counts`.
pub fn counts_page(page: &CountsPage) -> String {
    let ask = &page.ask;
    let buckets = chart::with_the_rest(page.shown.clone(), ask.shown.to_us);
    let view = View { page, buckets: &buckets };
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
        title = Text(&view.title()),
        ranges = view.ranges(),
        range = ask.range,
        own_dates = own_dates,
        line_options = view.line_options(ask.line, true),
        class_options = view.class_options(),
        own_open = if ask.range == "own" { " open" } else { "" },
        filters = view.filters(),
        first = ask.first,
        last = ask.last,
        today = view.today(),
        refused = page.refused.as_ref().map(refusal).unwrap_or_default(),
        is_today = view.is_today(),
        shown = view.shown(),
        zero_options = view.line_options(None, false),
    );
    Frame::of(&page.head, Tab::Counts, "Counts", &["head.js", "counts.js"]).around(&main)
}

/// What could not be done, where the reader looks first.
pub(super) fn refusal(refusal: &Refusal) -> String {
    let hint = if refusal.hint.is_empty() { String::new() } else { format!(" {}", Words(&refusal.hint)) };
    format!(
        "<div class=\"banner trouble\" role=\"alert\"><p><b>{}</b>{hint}</p></div>",
        Words(&refusal.detail)
    )
}

/// The page and the buckets of its chart, those that are still to come too.
struct View<'a> {
    page: &'a CountsPage,
    buckets: &'a [ChartBucket],
}

/// What is compared: sums of the hours that were counted in full now and then.
struct Compared {
    now: Sums,
    before: Sums,
    hours: u32,
    /// For each bucket of the chart, what it was then; `None` where part of it is not known.
    marks: Vec<Option<Sums>>,
}

impl View<'_> {
    fn clock(&self) -> &Clock {
        &self.page.clock
    }

    fn today(&self) -> jiff::civil::Date {
        day_of(self.clock().now_us, self.clock())
    }

    fn is_today(&self) -> bool {
        self.page.ask.last == self.today()
    }

    fn is_one_day(&self) -> bool {
        self.page.ask.first == self.page.ask.last
    }

    /// The days that are shown: "Today, Friday 20 November".
    fn title(&self) -> String {
        let ask = &self.page.ask;
        let of = |us| zoned(us, &self.clock().zone);
        let first = of(ask.shown.from_us);
        if self.is_one_day() {
            let day = long_day(&first);
            return match ask.range {
                "today" => format!("Today, {day}"),
                "yesterday" => format!("Yesterday, {day}"),
                _ if first.year() == i16::from(self.today().year()) => day,
                _ => format!("{day} {}", first.year()),
            };
        }
        let last = of(ask.shown.to_us.saturating_sub(1));
        let year = if last.year() == self.today().year() && first.year() == last.year() {
            String::new()
        } else {
            format!(" {}", last.year())
        };
        let from = if first.year() == last.year() {
            super::words::day(&first)
        } else {
            format!("{} {}", super::words::day(&first), first.year())
        };
        format!("{from} to {}{year}", super::words::day(&last))
    }

    /// An address of this page with something else asked for.
    fn address(&self, range: &str, bucket: Option<&str>, heat: Heat) -> String {
        let ask = &self.page.ask;
        let mut address = format!("counts?range={range}");
        // Writing to a string does not fail.
        if range == "own" {
            let _ = write!(address, "&from={}&to={}", ask.first, ask.last);
        }
        if let Some(bucket) = bucket {
            let _ = write!(address, "&bucket={bucket}");
        }
        if let Some(line) = ask.line {
            let _ = write!(address, "&line={line}");
        }
        if let Some(class) = &ask.class {
            let _ = write!(address, "&class={}", in_address(class));
        }
        if heat != Heat::Both {
            let _ = write!(address, "&heat={}", heat.word());
        }
        Text(&address).to_string()
    }

    /// The API's address of exactly what is shown.
    fn export(&self, format: &str) -> String {
        let ask = &self.page.ask;
        let mut address = format!(
            "api/v1/counts?from={}&to={}&bucket={}&by=line,class,direction&scene={}",
            rfc3339(ask.shown.from_us),
            rfc3339(ask.shown.to_us),
            ask.shown.bucket,
            in_address(&self.page.scene),
        );
        if let Some(line) = ask.line {
            let _ = write!(address, "&line={line}");
        }
        if let Some(class) = &ask.class {
            let _ = write!(address, "&class={}", in_address(class));
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
        links(ranges.iter().map(|(range, name)| {
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
                Text(&line.name),
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
        if let Some(line) = self.page.ask.line {
            let _ = write!(fields, "<input type=\"hidden\" name=\"line\" value=\"{line}\">");
        }
        if let Some(class) = &self.page.ask.class {
            let _ = write!(fields, "<input type=\"hidden\" name=\"class\" value=\"{}\">", Text(class));
        }
        fields
    }

    /// Everything that changes when something crosses.
    fn shown(&self) -> String {
        let page = self.page;
        let has_counted = self.total() != (0, 0);
        let mut html = String::new();
        if page.lines.iter().all(|line| line.deleted_us.is_some()) {
            html.push_str(
                "<div class=\"empty panel\"><h2>Nothing is counted yet</h2><p class=\"muted\">Draw a line where \
                 people pass. From then on every crossing is kept, whether or not anyone watches.</p>\
                 <a class=\"btn main\" href=\"lines?line=new\">Draw a line</a></div>",
            );
            if page.lines.is_empty() && !has_counted {
                return html;
            }
        } else if page.counting.word != "counting" && !page.counting.reason.is_empty() && self.is_today() {
            let _ = write!(
                html,
                "<div class=\"banner\"><p><b>Not counting now.</b> {} {}</p></div>",
                Words(&sentence(&page.counting.reason)),
                Words(&sentence(&page.counting.hint)),
            );
        }
        if page.scene == "sim" {
            html.push_str(
                "<div class=\"banner\"><p><b>This is a simulated scene.</b> Its crossings are never summed \
                 with a camera’s.</p></div>",
            );
        }
        let compared = self.compared();
        html.push_str(&self.figures(compared.as_ref()));
        html.push_str(&self.bars(compared.as_ref()));
        html.push_str(&self.lines());
        html.push_str(&self.week());
        html.push_str("<div class=\"split wide\">");
        html.push_str(&self.table(compared.as_ref()));
        html.push_str("<div>");
        html.push_str(&self.classes());
        html.push_str(&self.not_counted());
        html.push_str(&self.marks());
        html.push_str("</div></div>\n");
        html
    }

    fn total(&self) -> Sums {
        self.buckets.iter().map(sums).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// The share of what has passed that was counted, and the microseconds that were not.
    fn covered(&self) -> (f64, u64) {
        let (mut counted, mut passed) = (0.0, 0.0);
        for bucket in self.buckets {
            let long = bucket.end_us.min(self.clock().now_us).saturating_sub(bucket.start_us) as f64;
            passed += long;
            counted += long * bucket.covered;
        }
        let share = if passed > 0.0 { (counted / passed).min(1.0) } else { 0.0 };
        (share, (passed - counted).max(0.0) as u64)
    }

    /// What is compared, hour by hour on the wall: hours that are over and were counted in full on both
    /// sides.
    fn compared(&self) -> Option<Compared> {
        let [now, before] = self.page.compared.as_ref()?;
        let zone = &self.clock().zone;
        let later = jiff::Span::new().days(i64::from(self.page.ask.weeks_back) * 7);
        // What hour each one of then is now. Two hours of the same name (daylight saving ends) are one.
        let mut then: HashMap<DateTime, &ChartBucket> = HashMap::new();
        let mut marks = vec![(0, 0, 0.0, 0.0); self.buckets.len()];
        for bucket in before {
            let Ok(hour) = zoned(bucket.start_us, zone).datetime().checked_add(later) else { continue };
            then.entry(hour).or_insert(bucket);
            let Ok(at) = hour.to_zoned(zone.clone()) else { continue };
            let at = micros(&at);
            let place = self.buckets.partition_point(|shown| shown.end_us <= at);
            if let Some(mark) = marks.get_mut(place) {
                let (count_in, out) = sums(bucket);
                *mark = (mark.0 + count_in, mark.1 + out, mark.2 + bucket.covered, mark.3 + 1.0);
            }
        }
        let mut compared = Compared { now: (0, 0), before: (0, 0), hours: 0, marks: Vec::new() };
        for bucket in now.iter().filter(|b| b.covered >= IN_FULL && b.end_us <= self.clock().now_us) {
            let hour = zoned(bucket.start_us, zone).datetime();
            let Some(other) = then.remove(&hour).filter(|other| other.covered >= IN_FULL) else { continue };
            let (this, that) = (sums(bucket), sums(other));
            compared.now = (compared.now.0 + this.0, compared.now.1 + this.1);
            compared.before = (compared.before.0 + that.0, compared.before.1 + that.1);
            compared.hours += 1;
        }
        compared.marks = marks
            .into_iter()
            .map(|(count_in, out, covered, hours)| {
                (hours > 0.0 && covered >= IN_FULL * hours).then_some((count_in, out))
            })
            .collect();
        Some(compared)
    }

    /// What it is compared with: "last Friday", "the 7 days before".
    fn than(&self) -> String {
        let ask = &self.page.ask;
        let day = weekday(ask.first.weekday());
        match (self.is_one_day(), ask.weeks_back) {
            (true, _) if ask.range == "today" => format!("last {day}"),
            (true, _) => format!("the {day} before"),
            (_, 1) if ask.range == "7d" => "the 7 days before".into(),
            (_, 1) => "the same days a week before".into(),
            (_, weeks) => format!("the same weekdays {weeks} weeks before"),
        }
    }

    /// The large figures.
    fn figures(&self, compared: Option<&Compared>) -> String {
        let (count_in, out) = self.total();
        let (share, missing) = self.covered();
        let is_known = share > 0.0 || (count_in, out) != (0, 0);
        let figure = |count: u64| if is_known { count.to_string() } else { "–".into() };
        let than = |now: fn(&Compared) -> (u64, u64)| {
            let words = compared.filter(|compared| compared.hours > 0).map(|compared| {
                let (now, before) = now(compared);
                match change(now, before) {
                    Some(change) => format!("{change} on {}*", self.than()),
                    None => format!("{now}, none {}*", self.than()),
                }
            });
            words.unwrap_or_else(|| if is_known { "\u{a0}".into() } else { "not counted".into() })
        };
        let mut html = String::from("<dl class=\"figs big panel\">");
        let mut put = |key: &str, name: &str, class: &str, value: &str, small: &str| {
            let _ = write!(
                html,
                "<div><dt>{key}{name}</dt><dd{class}>{value} <small class=\"muted\">{}</small></dd></div>",
                Text(small)
            );
        };
        put(
            "<span class=\"key\"></span>",
            "In",
            " id=\"sum-in\" class=\"in\"",
            &figure(count_in),
            &than(|c| (c.now.0, c.before.0)),
        );
        put(
            "<span class=\"key o\"></span>",
            "Out",
            " id=\"sum-out\" class=\"out\"",
            &figure(out),
            &than(|c| (c.now.1, c.before.1)),
        );
        let ask = &self.page.ask;
        let tallies: Vec<&LineTally> = self
            .page
            .tallies
            .iter()
            .filter(|tally| ask.line.is_none_or(|line| line == tally.line_id))
            .collect();
        if self.is_today() && ask.class.is_none() && !tallies.is_empty() {
            let inside: u64 = tallies.iter().map(|tally| tally.inside).sum();
            let since = tallies.iter().map(|tally| tally.since_us).max().unwrap_or_default();
            let zone = &self.clock().zone;
            let since = when(&zoned(since, zone), &zoned(self.clock().now_us, zone));
            put("", "Inside now", " id=\"inside\"", &inside.to_string(), &format!("since {since}"));
        }
        let lost = if missing < 1_000_000 {
            "nothing missing".to_owned()
        } else {
            format!("{} missing", length(missing))
        };
        let name = if self.is_today() { "Counted so far" } else { "Counted" };
        put("", name, " id=\"covered\"", &percent(share), &lost);
        html.push_str("</dl>");
        if let Some(compared) = compared.filter(|compared| compared.hours > 0) {
            let _ = write!(
                html,
                "<p class=\"small muted like\" id=\"like\">* Like for like, {}: only hours that were counted in \
                 full on both sides, {} of them: {} in and {} out against {} and {}.</p>",
                Text(&self.than()),
                compared.hours,
                compared.now.0,
                compared.now.1,
                compared.before.0,
                compared.before.1,
            );
        }
        html
    }

    /// The chart of everything.
    fn bars(&self, compared: Option<&Compared>) -> String {
        let ask = &self.page.ask;
        let marks: &[Option<Sums>] = compared.map_or(&[], |compared| compared.marks.as_slice());
        let has_marks = marks.iter().flatten().any(|mark| *mark != (0, 0));
        let heading = match ask.shown.bucket {
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
            clock: self.clock(),
            height: 256,
            has_scale: true,
            label: "Crossings in and out; the same figures are in the table below",
        }
        .svg();
        let buckets = ask.buckets();
        let by = if buckets.len() < 2 {
            String::new()
        } else {
            let links = links(buckets.iter().map(|bucket| {
                let name = match *bucket {
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
            format!("<span><span class=\"key t\"></span>{}</span> ", Text(&self.than()))
        } else {
            String::new()
        };
        let none = if self.covered().0 == 0.0 && self.total() == (0, 0) {
            "<p><b>Nothing was counted in this time.</b> <span class=\"muted\">Hatched is unknown, not \
             zero; the list of what was not counted says why.</span></p>"
        } else {
            ""
        };
        format!(
            "<section class=\"panel\" aria-labelledby=\"bars-head\"><header><h2 id=\"bars-head\">{heading}</h2>{by}\
             <p class=\"keys\"><span><span class=\"key\"></span>in, above the line</span> <span><span \
             class=\"key o\"></span>out, below</span> {was}<span><span class=\"key g\"></span>not counted</span>\
             </p></header>{none}<figure class=\"chart\" id=\"bars\">{svg}<input id=\"reader\" type=\"range\" \
             min=\"0\" max=\"{}\" value=\"0\" aria-label=\"Bar to read\" hidden></figure><output class=\"read\" \
             id=\"read\" for=\"reader\">The figures are in the table below.</output></section>",
            self.buckets.len().saturating_sub(1),
        )
    }

    /// A small chart a line.
    fn lines(&self) -> String {
        let ask = &self.page.ask;
        if ask.line.is_some() {
            return String::new();
        }
        let mut by_line: Vec<(&DrawnLine, Vec<ChartBucket>)> = Vec::new();
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
        let mut html = String::from("<div class=\"split\">");
        for (line, buckets) in &by_line {
            // What is unknown of all lines is unknown of each; a line without a crossing is not.
            let (count_in, out) = buckets.iter().map(sums).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
            let svg = Bars {
                buckets,
                bucket: ask.shown.bucket,
                before: &[],
                gaps: &self.page.gaps,
                clock: self.clock(),
                height: 112,
                has_scale: true,
                label: &format!("{} over time; the figures are in the exports", line.name),
            }
            .svg();
            let _ = write!(
                html,
                "<section class=\"panel\" aria-label=\"{name}\"><header><h2>{name}{deleted}</h2><p \
                 class=\"num\"><b class=\"in\">{count_in} {in_name}</b> &nbsp; <b class=\"out\">{out} \
                 {out_name}</b></p></header><figure class=\"chart\">{svg}</figure></section>",
                name = Text(&line.name),
                deleted = if line.deleted_us.is_some() { " <small>(deleted)</small>" } else { "" },
                in_name = Text(&line.in_name),
                out_name = Text(&line.out_name),
            );
        }
        html + "</div>"
    }

    /// The week, hour by hour.
    fn week(&self) -> String {
        let ask = &self.page.ask;
        let map = WeekMap::of(&self.page.weeks, self.clock(), |(count_in, out)| match ask.heat {
            Heat::In => count_in,
            Heat::Out => out,
            Heat::Both => count_in + out,
        });
        let svg =
            map.svg("Mean crossings of each hour of the week over four weeks; the same figures are in the table below");
        let choice = links([(Heat::Both, "Both"), (Heat::In, "In"), (Heat::Out, "Out")].into_iter().map(
            |(heat, name)| {
                (self.address(ask.range, Some(ask.shown.bucket), heat) + "#week", name, heat == ask.heat)
            },
        ));
        let mut names = String::new();
        for row in 0..7_i8 {
            let name = jiff::civil::Weekday::from_monday_zero_offset(row).map(weekday).unwrap_or_default();
            let _ = write!(names, "<li>{}</li>", name.get(..3).unwrap_or_default());
        }
        let steps = map.steps();
        let mut ramp = String::from(
            "<span><svg aria-hidden=\"true\"><rect class=\"h0\" width=\"14\" height=\"12\"/></svg>0</span> ",
        );
        if steps[3] > 0.0 {
            for (n, step) in steps.iter().enumerate() {
                let _ = write!(
                    ramp,
                    "<span><svg aria-hidden=\"true\"><rect class=\"h{}\" width=\"14\" height=\"12\"/></svg>to {step}</span> ",
                    n + 1
                );
            }
            ramp.push_str("<span><svg aria-hidden=\"true\"><rect class=\"h5\" width=\"14\" height=\"12\"/></svg>more</span> ");
        }
        format!(
            "<section class=\"panel\" id=\"week\" aria-labelledby=\"week-head\"><header><h2 id=\"week-head\">The \
             week, hour by hour</h2><p class=\"small muted\">Mean of an hour over four weeks, of hours that were \
             counted</p><nav class=\"seg low\" aria-label=\"Direction\">{choice}</nav></header><div class=\"week\">\
             <ul aria-hidden=\"true\">{names}</ul><figure class=\"chart\">{svg}</figure></div><p class=\"keys chart \
             ramp\">{ramp}<span><span class=\"key g\"></span>not counted</span></p><details><summary>The same as a \
             table</summary>{}</details></section>",
            week_table(&map),
        )
    }

    /// The figures of the chart, newest first.
    fn table(&self, compared: Option<&Compared>) -> String {
        let ask = &self.page.ask;
        let has_before = compared.is_some_and(|compared| compared.marks.iter().any(Option::is_some));
        let now = self.clock().now_us;
        let mut rows = String::new();
        for (n, bucket) in self.buckets.iter().enumerate().rev() {
            if bucket.start_us >= now {
                continue;
            }
            let (count_in, out) = sums(bucket);
            let figure = |count: u64| if is_unknown(bucket) { "–".to_owned() } else { count.to_string() };
            let counted = if bucket.end_us > now { "so far".to_owned() } else { percent(bucket.covered) };
            let _ = write!(
                rows,
                "<tr data-n=\"{n}\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
                bucket_name(bucket, ask.shown.bucket, self.is_one_day(), self.clock()),
                figure(count_in),
                figure(out),
            );
            if has_before {
                match compared.and_then(|compared| compared.marks.get(n).copied().flatten()) {
                    Some((count_in, out)) => {
                        let _ = write!(rows, "<td>{count_in}</td><td>{out}</td>");
                    }
                    None => rows.push_str("<td>–</td><td>–</td>"),
                }
            }
            let _ = write!(rows, "<td>{counted}</td></tr>");
        }
        let (count_in, out) = self.total();
        let (share, _) = self.covered();
        let is_known = share > 0.0 || (count_in, out) != (0, 0);
        let figure = |count: u64| if is_known { count.to_string() } else { "–".to_owned() };
        let kind = match ask.shown.bucket {
            "hour" => "Hour",
            "day" => "Day",
            "week" => "Week",
            _ => "Month",
        };
        let than = Text(&self.than()).to_string();
        let (heads, sums) = if has_before {
            (
                format!("<th scope=\"col\">In, {than}</th><th scope=\"col\">Out, {than}</th>"),
                "<td></td><td></td>",
            )
        } else {
            (String::new(), "")
        };
        format!(
            "<section class=\"panel\" aria-labelledby=\"table-head\"><header><h2 id=\"table-head\">Figures</h2><p \
             class=\"row\"><a class=\"btn\" id=\"csv\" href=\"{}\" download=\"counts.csv\">CSV</a> <a class=\"btn\" \
             id=\"json\" href=\"{}\" download=\"counts.json\">JSON</a></p></header><div class=\"scroll\" \
             tabindex=\"0\" role=\"region\" aria-label=\"Table of figures\"><table id=\"table\"><thead><tr><th \
             scope=\"col\">{kind}</th><th scope=\"col\">In</th><th scope=\"col\">Out</th>{heads}<th \
             scope=\"col\">Counted</th></tr></thead><tbody>{rows}</tbody><tfoot><tr><th scope=\"row\">All</th><td>{}\
             </td><td>{}</td>{sums}<td>{}</td></tr></tfoot></table></div><p class=\"small muted\">– is unknown: \
             not counted, never zero. The exports hold exactly these days, by line, class and direction.</p></section>",
            self.export("csv"),
            self.export("json"),
            figure(count_in),
            figure(out),
            percent(share),
        )
    }

    /// What crossed.
    fn classes(&self) -> String {
        let mut by_class: BTreeMap<&str, Sums> = BTreeMap::new();
        for kind in self.buckets.iter().flat_map(|bucket| &bucket.counts) {
            let sums = by_class.entry(&kind.class).or_default();
            if kind.is_in {
                sums.0 += kind.count;
            } else {
                sums.1 += kind.count;
            }
        }
        let mut sorted: Vec<(&str, Sums)> = by_class.into_iter().collect();
        sorted.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.0 + sums.1));
        let mut rows = String::new();
        for (class, (count_in, out)) in sorted {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td>{count_in}</td><td>{out}</td></tr>",
                Text(&capital(class))
            );
        }
        if rows.is_empty() {
            rows.push_str(
                "<tr><td colspan=\"3\" class=\"l muted\">Nothing has crossed in this time.</td></tr>",
            );
        }
        let facts = &self.page.counting;
        let by = match (facts.backend.as_str(), facts.model.as_str()) {
            ("", _) => String::new(),
            (_, "") => {
                "<p class=\"small muted\">Counted by movement: classes are not told apart. <a href=\"models\">Change</a></p>".into()
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
    fn not_counted(&self) -> String {
        let zone = &self.clock().zone;
        let now = zoned(self.clock().now_us, zone);
        let mut rows = String::new();
        let gaps: Vec<&NotCounted> =
            self.page.gaps.iter().filter(|gap| gap.to_us.saturating_sub(gap.from_us) >= 1_000_000).collect();
        for gap in gaps.iter().rev().take(MOST_LISTED) {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td class=\"l\">{}</td><td>{}</td></tr>",
                when(&zoned(gap.from_us, zone), &now),
                Text(&why_not(&gap.why)),
                length(gap.to_us.saturating_sub(gap.from_us)),
            );
        }
        if rows.is_empty() {
            rows.push_str("<tr><td colspan=\"3\" class=\"l muted\">Nothing is missing.</td></tr>");
        }
        if gaps.len() > MOST_LISTED {
            let _ = write!(
                rows,
                "<tr><td colspan=\"3\" class=\"l muted\">and {} earlier ones, in the JSON export</td></tr>",
                gaps.len() - MOST_LISTED
            );
        }
        format!(
            "<section class=\"panel\" aria-labelledby=\"gaps-head\"><h2 id=\"gaps-head\">Not counted</h2><table \
             id=\"gaps\"><thead><tr><th scope=\"col\">From</th><th scope=\"col\" class=\"l\">Why</th><th \
             scope=\"col\">Lost</th></tr></thead><tbody>{rows}</tbody></table></section>"
        )
    }

    /// What happened to lines and sums in this time: it explains a step in a chart.
    fn marks(&self) -> String {
        let ask = &self.page.ask;
        let mut marks: Vec<(u64, String)> = Vec::new();
        for line in self.page.lines.iter().filter(|line| ask.line.is_none_or(|chosen| chosen == line.id)) {
            marks.push((line.created_us, format!("{} drawn", line.name)));
            marks.extend(line.moved_us.map(|us| (us, format!("{} moved", line.name))));
            marks.extend(line.deleted_us.map(|us| (us, format!("{} deleted", line.name))));
        }
        for reset in &self.page.resets {
            let name = self.page.lines.iter().find(|line| Some(line.id) == reset.line_id);
            marks.push((
                reset.time_us,
                name.map_or_else(|| "All set to zero".into(), |line| format!("{} set to zero", line.name)),
            ));
        }
        marks.retain(|(us, _)| (ask.shown.from_us..ask.shown.to_us).contains(us));
        marks.sort_unstable_by(|a, b| b.cmp(a));
        if marks.is_empty() {
            return String::new();
        }
        let zone = &self.clock().zone;
        let now = zoned(self.clock().now_us, zone);
        let mut rows = String::new();
        for (us, what) in marks.iter().take(MOST_LISTED) {
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{}</th><td class=\"l\">{}</td></tr>",
                when(&zoned(*us, zone), &now),
                Text(what)
            );
        }
        format!(
            "<section class=\"panel\" aria-labelledby=\"marks-head\"><h2 id=\"marks-head\">Marks</h2><table><thead \
             class=\"sr\"><tr><th scope=\"col\">When</th><th scope=\"col\">What</th></tr></thead><tbody>{rows}</tbody>\
             </table></section>"
        )
    }
}

/// Links of which one is where the reader is. Addresses are HTML already.
fn links<'a>(links: impl Iterator<Item = (String, &'a str, bool)>) -> String {
    let mut html = String::new();
    for (address, name, is_current) in links {
        let current = if is_current { " aria-current=\"true\"" } else { "" };
        let _ = write!(html, "<a href=\"{address}\"{current}>{name}</a>");
    }
    html
}

/// The heat map's figures.
fn week_table(map: &WeekMap) -> String {
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of the week\"><table class=\"tight\"><thead><tr><th scope=\"col\">Hour</th>",
    );
    for row in 0..7_i8 {
        let name = jiff::civil::Weekday::from_monday_zero_offset(row).map(weekday).unwrap_or_default();
        let _ = write!(html, "<th scope=\"col\">{}</th>", name.get(..3).unwrap_or_default());
    }
    html.push_str("</tr></thead><tbody>");
    for column in 0..24 {
        let _ = write!(html, "<tr><th scope=\"row\">{:02}</th>", (column + usize::from(map.first_hour)) % 24);
        for row in &map.means {
            match row[column] {
                Some(mean) => {
                    let _ = write!(html, "<td>{mean:.1}</td>");
                }
                None => html.push_str("<td>–</td>"),
            }
        }
        html.push_str("</tr>");
    }
    html + "</tbody></table></div>"
}
