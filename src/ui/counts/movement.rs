//! Stays in a zone, flows and speeds between lines, and the movement map.

use std::fmt::Write;

use super::ChartView;
use crate::ui::chart::bucket_name;
use crate::ui::escape::Text;
use crate::ui::facts::{Reader, ZoneFigures};
use crate::ui::form::{form_to, lock};
use crate::ui::format::{format_duration, format_thousands};
use tallycam_store::{
    BucketRow, Direction, FlowEnds, LineCrossed, LineDistance, LineRow, MOVEMENT_GRID, SpeedRow, StayRow,
};

/// The keys of the ends of flows.
const ENDS: [&str; 2] = ["entry", "exit"];

/// Shades of the movement map.
const LEVELS: u32 = 8;

impl ChartView<'_> {
    /// As in "38 stays, half of them up to 79 s", with the histogram of each bucket.
    pub(super) fn stays(&self, zone: &ZoneFigures) -> String {
        let total = StayRow::total(&zone.stays);
        if total.lengths_ms.is_empty() && total.cut == 0 {
            return String::new();
        }
        let ends = StayRow::STEPS_S.map(|end_s| format_duration(end_s * 1_000_000));
        let heads: String = ends.iter().map(|end| format!("<th scope=\"col\">&lt; {end}</th>")).collect();
        let mut rows = String::new();
        for row in zone.stays.iter().rev().filter(|row| !row.lengths_ms.is_empty() || row.cut > 0) {
            let bucket =
                BucketRow { start_us: row.start_us, end_us: row.end_us, covered: 1.0, counts: Vec::new() };
            let name = bucket_name(&bucket, self.page.ask.shown.bucket, self.is_one_day(), self.clock());
            let _ = write!(rows, "<tr><th scope=\"row\">{name}</th>{}</tr>", cells(row));
        }
        format!(
            "<p class=\"num\">{}</p><details id=\"stays-{id}\"><summary>Lengths of stay</summary><div class=\"scroll\" \
             tabindex=\"0\" role=\"region\" aria-label=\"Lengths of stay in {name}\"><table><thead><tr><th \
             scope=\"col\">From</th><th scope=\"col\">Stays</th><th scope=\"col\">Median</th><th \
             scope=\"col\">90 %</th>{heads}<th scope=\"col\">Longer</th></tr></thead><tfoot><tr><th \
             scope=\"row\">All</th>{}</tr></tfoot><tbody>{rows}\
             </tbody></table></div></details>",
            in_words(&total),
            cells(&total),
            id = zone.id,
            name = Text(&zone.name),
        )
    }

    /// The exports of the stays in all zones.
    pub(super) fn stay_links(&self) -> String {
        if self.page.zones.iter().all(|zone| zone.stays.is_empty()) {
            return String::new();
        }
        self.links("stays", &self.export_of("zones/stays", "", "csv"), "Stays")
    }

    /// The table of flows, if there are any and all lines are shown.
    pub(super) fn flows(&self) -> String {
        let (page, ends) = (self.page, &self.page.ask.ends);
        if !self.has_flows() {
            return String::new();
        }
        let flows = page.flows.as_deref().unwrap_or_default();
        let distinct = |of: &dyn Fn(usize) -> LineCrossed| {
            let mut all: Vec<LineCrossed> = (0..flows.len()).map(of).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let (from, to) = (distinct(&|n| flows[n].from), distinct(&|n| flows[n].to));
        let heads: String =
            to.iter().map(|to| format!("<th scope=\"col\">{}</th>", self.crossed(*to))).collect();
        let mut rows = String::new();
        for from in from {
            let _ = write!(rows, "<tr><th scope=\"row\">{}</th>", self.crossed(from));
            for to in &to {
                let flow = flows.iter().find(|flow| flow.from == from && flow.to == *to);
                let _ = write!(rows, "<td>{}</td>", format_thousands(flow.map_or(0, |flow| flow.count)));
            }
            rows.push_str("</tr>");
        }
        let table = if page.flows.is_none() {
            String::from("<p>This page shows flows of up to 8 days; the CSV has more.</p>")
        } else if rows.is_empty() {
            String::from("<p>Nothing went from an entry to an exit.</p>")
        } else {
            format!(
                "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of \
                 flows\"><table><thead><tr><th scope=\"col\">From</th>{heads}</tr></thead><tbody>{rows}\
                 </tbody></table></div>"
            )
        };
        let what = if *ends == FlowEnds::default() {
            "From a line to the next one"
        } else {
            "From an entry to the next exit"
        };
        let chosen: String = (self.choices().iter().filter(|(name, _)| ENDS.contains(name)))
            .map(|(name, value)| format!("&{name}={value}"))
            .collect();
        format!(
            "<section class=\"panel\" id=\"flows\" aria-labelledby=\"flows-head\"><header><h2 \
             id=\"flows-head\">Flows</h2><p class=\"small muted\">{what}</p></header>{table}{}</section>",
            self.links("flows", &self.export_of("flows", &chosen, "csv"), "Flows")
        )
    }

    /// There are flows to show, or entries and exits were chosen.
    fn has_flows(&self) -> bool {
        let (page, ask) = (self.page, &self.page.ask);
        let has_any = page.flows.as_ref().is_some_and(|flows| !flows.is_empty());
        (has_any || ask.ends != FlowEnds::default()) && ask.line.is_none() && ask.class.is_none()
    }

    /// The form for the entries and exits of flows.
    pub(super) fn ends_form(&self) -> String {
        let (page, ends) = (self.page, &self.page.ask.ends);
        if !self.has_flows() {
            return String::new();
        }
        let ticks = |key: &str, legend: &str, chosen: &[u64]| {
            let tick = |line: &LineRow| {
                format!(
                    "<label class=\"tick\"><input type=\"checkbox\" name=\"{key}\" \
                     value=\"{}\"{}> {}</label> ",
                    line.id,
                    if chosen.contains(&line.id) { " checked" } else { "" },
                    Text(&line.draft.name)
                )
            };
            let all: String = page.lines.iter().filter(|line| line.deleted_us.is_none()).map(tick).collect();
            format!("<fieldset class=\"field\"><legend>{legend}</legend>{all}</fieldset>")
        };
        format!(
            "<section class=\"panel no-print\" id=\"ends\" aria-label=\"Entries and \
             exits\"><details{}><summary>Entries and exits of flows …</summary><form class=\"row\" \
             method=\"get\">{}{}{}{}<button class=\"btn\">Show</button></form><p class=\"small muted\">With none \
             chosen, each line is both. Lines that are neither do not matter.</p></details></section>",
            if *ends == FlowEnds::default() { "" } else { " open" },
            self.range_fields(),
            self.hidden_choices(&ENDS),
            ticks("entry", "Entries", &ends.entries),
            ticks("exit", "Exits", &ends.exits),
        )
    }

    /// The table of speeds, if a distance is known and all lines are shown.
    pub(super) fn speeds(&self) -> String {
        let page = self.page;
        if page.speeds.is_empty() || page.ask.line.is_some() || page.ask.class.is_some() {
            return String::new();
        }
        let (mut rows, mut steps) = (String::new(), String::new());
        let ends = SpeedRow::STEPS_KMH.map(|end| format!("<th scope=\"col\">&lt; {end}</th>")).concat();
        for (LineDistance { line, other, metres }, row) in &page.speeds {
            let kmh =
                |speed: Option<f64>| speed.map_or_else(|| "–".to_owned(), |speed| format!("{speed:.0} km/h"));
            // Crossings far from the known ground cannot be measured.
            let of = other.map_or_else(String::new, |_| format!(" of {}", format_thousands(row.crossings)));
            let fastest = row.measured.last().map(|speed| speed.kmh);
            let line_name = self.line_name(*line);
            let (name, forget) = match other.zip(*metres) {
                Some((other, metres)) => (
                    format!("{} – {line_name}, {metres} m", self.line_name(other)),
                    self.forget(&format!("api/v1/speeds/{line}"), &format!("the distance of {line_name}")),
                ),
                None => (format!("{line_name}, on the ground"), String::new()),
            };
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{name}</th><td>{}{of}</td><td>{}</td><td>{}</td><td>{}</td><td \
                 class=\"no-print\">{forget}</td></tr>",
                format_thousands(row.measured.len() as u64),
                kmh(row.mean_kmh()),
                kmh(row.v85_kmh()),
                kmh(fastest),
            );
            let _ = write!(steps, "<tr><th scope=\"row\">{name}</th>{}</tr>", step_cells(&row.histogram()));
        }
        format!(
            "<section class=\"panel\" id=\"speeds\" aria-labelledby=\"speeds-head\"><header><h2 \
             id=\"speeds-head\">Speed</h2><p class=\"small muted\">No evidence for fines</p></header><div \
             class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of speeds\"><table><thead><tr><th \
             scope=\"col\">Lines</th><th scope=\"col\">Measured</th><th scope=\"col\">Mean</th><th \
             scope=\"col\">V85</th><th scope=\"col\">Fastest</th><td \
             class=\"no-print\"></td></tr></thead><tbody>{rows}\
             </tbody></table></div><details id=\"speed-steps\"><summary>How many at each speed</summary><div \
             class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Number at each speed\"><table><thead><tr>\
             <th scope=\"col\">km/h</th>{ends}<th scope=\"col\">Faster</th></tr></thead><tbody>{steps}</tbody></table>\
             </div></details>{}</section>",
            self.links("speeds", &self.export_of("speeds", "", "csv"), "Speeds")
        )
    }

    /// The forms for the distance between two lines, and for the size of a zone on the ground.
    pub(super) fn speed_form(&self) -> String {
        let page = self.page;
        let [lock, unlock] = lock(page.head.reader, Reader::Operator);
        let mut forms = String::new();
        if page.lines.iter().filter(|line| line.deleted_us.is_none()).count() > 1 {
            let second =
                page.lines.iter().filter(|line| line.deleted_us.is_none()).nth(1).map(|line| line.id);
            let [lines, others] = [None, second].map(|chosen| self.line_options(chosen, false));
            let _ = write!(
                forms,
                "{}{lock}<label for=\"speed-other\">From</label><select id=\"speed-other\" \
                 name=\"other\">{lines}</select> <label for=\"speed-line\">to</label><select id=\"speed-line\" \
                 name=\"line\">{others}</select> <label for=\"speed-metres\">Distance in m</label>{} <button \
                 class=\"btn\">Set</button>{unlock}</form><p class=\"small muted\">Measure along the way of the \
                 objects on the ground. The speed is the mean between the lines.</p>",
                form_to("post", "api/v1/speeds", "counts#speeds", " class=\"row\""),
                metres("speed-metres", "metres", None),
            );
        }
        for ZoneFigures { id, name, ground, .. } in page.zones.iter().filter(|zone| zone.is_rectangle) {
            let (name, address) = (Text(name), format!("api/v1/zones/{id}/ground"));
            let side =
                |at: usize, key: &str| metres(&format!("{key}-{id}"), key, ground.map(|size| size[at]));
            let _ = write!(
                forms,
                "{}{lock}<span>{name}</span> <label for=\"width-{id}\">First side in m</label>{} <label \
                 for=\"depth-{id}\">Second side in m</label>{} <button class=\"btn\" aria-label=\"Set the size of \
                 {name}\">Set</button>{unlock}</form>",
                form_to("post", &address, "counts#speed", " class=\"row\""),
                side(0, "width"),
                side(1, "depth"),
            );
            if ground.is_some() {
                forms += &self.forget(&address, &format!("the size of {name}"));
            }
        }
        if forms.is_empty() {
            return forms;
        }
        format!(
            "<section class=\"panel no-print\" id=\"speed\" aria-label=\"Measure speed\"><details{}><summary>Measure \
             speed …</summary>{forms}<p class=\"small muted\">A zone whose four corners are a rectangle on the \
             ground gives speeds to the crossings in and near it. No speed is evidence for \
             fines.</p></details></section>",
            if page.refused.is_some() { " open" } else { "" }
        )
    }

    fn forget(&self, address: &str, what: &str) -> String {
        let [lock, unlock] = lock(self.page.head.reader, Reader::Operator);
        let form = form_to("delete", address, "counts#speed", "");
        format!(
            "{form}{lock}<button class=\"btn\" aria-label=\"Forget {what}\">Forget</button>{unlock}</form>"
        )
    }

    fn line_name(&self, id: u64) -> String {
        let line = self.page.lines.iter().find(|line| line.id == id);
        line.map(|line| Text(&line.draft.name).to_string()).unwrap_or_default()
    }

    /// The movement map over the picture, if one was made and all lines are shown.
    pub(super) fn movement(&self) -> String {
        let (page, (columns, rows)) = (self.page, MOVEMENT_GRID);
        let cells = page.movement.as_deref().unwrap_or_default();
        let most = cells.iter().copied().max().unwrap_or(0);
        if most == 0 || page.ask.line.is_some() || page.ask.class.is_some() {
            return String::new();
        }
        // Each level is twice the one before, so that paths of few objects are seen beside those of many.
        let level =
            |count: u64| count.checked_ilog2().map(|log| most.ilog2() - log).filter(|below| *below < LEVELS);
        let mut paths = String::new();
        for below in 0..LEVELS {
            let mut path = String::new();
            for (y, row) in cells.chunks(columns).enumerate() {
                let mut x = 0;
                for run in row.chunk_by(|one, other| level(*one) == level(*other)) {
                    if level(run[0]) == Some(below) {
                        let _ = write!(path, "M{x} {y}h{}v1H{x}z", run.len());
                    }
                    x += run.len();
                }
            }
            let opacity = f64::from(LEVELS - below) * 0.8 / f64::from(LEVELS);
            let _ = write!(paths, "<path fill=\"#f03\" fill-opacity=\"{opacity:.2}\" d=\"{path}\"/>");
        }
        let busiest = cells.iter().position(|count| *count == most).unwrap_or(0);
        let place = |at: usize, of: usize| (at * 200 + 100) / (of * 2);
        format!(
            "<section class=\"panel\" id=\"movement\" aria-labelledby=\"movement-head\"><header><h2 \
             id=\"movement-head\">Movement map</h2><p class=\"small muted\">Up to {} objects a cell</p></header><svg \
             viewBox=\"0 0 {columns} {rows}\" width=\"100%\" role=\"img\" aria-label=\"Where objects moved. Most \
             of them {} % from the left and {} % from the top.\"><image href=\"api/v1/still.jpg\" \
             width=\"{columns}\" \
             height=\"{rows}\" preserveAspectRatio=\"none\"/>{paths}</svg>{}</section>",
            format_thousands(most),
            place(busiest % columns, columns),
            place(busiest / columns, rows),
            self.links(
                "movement",
                &Text(&self.address_of("movement", "&format=csv")).to_string(),
                "Movement map"
            )
        )
    }

    /// As in "Door, in".
    fn crossed(&self, crossed: LineCrossed) -> String {
        let line = self.page.lines.iter().find(|line| line.id == crossed.line).map(|line| &line.draft);
        let way = line.map(|line| match crossed.direction {
            Direction::In => line.in_name.as_str(),
            Direction::Out => line.out_name.as_str(),
        });
        let name = line.map_or("", |line| line.name.as_str());
        format!("{}, {}", Text(name), Text(way.unwrap_or(crossed.direction.as_str())))
    }

    fn links(&self, id: &str, csv: &str, name: &str) -> String {
        format!(
            "<p class=\"row no-print\"><a class=\"btn\" id=\"{id}-csv\" href=\"{csv}\" download aria-label=\"{name} as \
             CSV\">CSV</a> <a class=\"btn\" href=\"{csv}&amp;sheet=1\" download aria-label=\"{name} as a \
             spreadsheet\">Spreadsheet</a></p>"
        )
    }
}

/// A field for metres.
fn metres(id: &str, key: &str, value: Option<f64>) -> String {
    let value = value.map(|metres| format!(" value=\"{metres}\"")).unwrap_or_default();
    format!(
        "<input id=\"{id}\" name=\"{key}\" type=\"number\" min=\"0.1\" max=\"10000\" step=\"any\"{value} required>"
    )
}

/// Number, median, 90 %, and the histogram.
fn cells(row: &StayRow) -> String {
    let length =
        |share| row.quantile_s(share).map_or_else(|| "–".to_owned(), |s| format_duration((s * 1e6) as u64));
    format!(
        "<td>{}</td><td>{}</td><td>{}</td>{}",
        format_thousands(row.lengths_ms.len() as u64),
        length(0.5),
        length(0.9),
        step_cells(&row.histogram())
    )
}

/// The steps of a histogram.
fn step_cells(counts: &[u64]) -> String {
    counts.iter().map(|count| format!("<td>{}</td>", format_thousands(*count))).collect()
}

fn in_words(total: &StayRow) -> String {
    let mut words = vec![format!("<b>{}</b> stays", format_thousands(total.lengths_ms.len() as u64))];
    for (share, what) in [(0.5, "half of them"), (0.9, "9 of 10")] {
        if let Some(length_s) = total.quantile_s(share) {
            words.push(format!("{what} up to <b>{}</b>", format_duration((length_s * 1e6) as u64)));
        }
    }
    if total.cut > 0 {
        words.push(format!("{} more cut off when counting began or ended", format_thousands(total.cut)));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::ui::fixtures;
    use crate::ui::{CountsAsk, CountsPage, counts_page};
    use tallycam_store::FlowEnds;

    #[test]
    fn stays_and_flows_are_shown_with_their_exports() {
        let html = counts_page(&fixtures::counts(&[]));
        for wanted in [
            "</b> stays, half of them up to <b>",
            "more cut off when counting began",
            "href=\"api/v1/zones/stays?from=",
            "<h2 id=\"flows-head\">Flows</h2>",
            "<td>87</td>",
            "href=\"api/v1/flows?from=",
            "M32 20h32v1H32z",
            "<td>20 of 31</td><td>20 km/h</td><td>26 km/h</td><td>29 km/h</td>",
            "West walk, on the ground</th>",
            "<td>5</td><td>10</td><td>0</td>",
            "name=\"metres\"",
            "action=\"api/v1/zones/1/ground\"",
            "name=\"depth\" type=\"number\" min=\"0.1\" max=\"10000\" step=\"any\" value=\"7.5\"",
            "99 % from the left and 56 % from the top",
        ] {
            assert!(html.contains(wanted), "{wanted}: {html}");
        }
        assert!(!counts_page(&fixtures::counts(&[("line", "1")])).contains("id=\"flows\""));
        let ask =
            CountsAsk { ends: FlowEnds { entries: vec![1], exits: vec![2, 7] }, ..fixtures::counts(&[]).ask };
        let html = counts_page(&CountsPage { flows: Some(Vec::new()), ask, ..fixtures::counts(&[]) });
        for wanted in [
            "From an entry to the next exit",
            "<p>Nothing went from an entry to an exit.</p>",
            "name=\"entry\" value=\"1\" checked",
            "name=\"exit\" value=\"1\">",
            "name=\"exit\" value=\"2\" checked",
            "&amp;bucket=hour&amp;entry=1&amp;exit=2,7&amp;scene=",
            "<input type=\"hidden\" name=\"exit\" value=\"2,7\">",
            "&amp;entry=1&amp;exit=2%2C7",
        ] {
            assert!(html.contains(wanted), "{wanted}: {html}");
        }
    }
}
