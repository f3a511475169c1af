//! The result of `tallycam count` as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::pipeline::clip::{ClipCount, ClipCrossing};
use tallycam_vision::{Direction, Labels};

/// The output of `--json`.
#[derive(Debug, Serialize)]
pub struct PrintedReport {
    pub clip: String,
    pub model: String,
    pub frames: u64,
    /// Frames that were analysed.
    pub detections: u64,
    /// Analysed frames without motion, which the model did not get.
    pub skipped: u64,
    /// False if the clip is truncated or a frame could not be analysed. Left out otherwise.
    #[serde(skip_serializing_if = "Clone::clone")]
    pub complete: bool,
    pub lines: Vec<PrintedLineCounts>,
}

#[derive(Debug, Serialize)]
pub struct PrintedLineCounts {
    pub name: String,
    /// The start as it was given.
    a: [f64; 2],
    b: [f64; 2],
    #[serde(rename = "in")]
    into: u64,
    out: u64,
    /// A warning about the position of the line, as far as the clip shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    by_class: BTreeMap<String, DirectionCounts>,
    crossings: Vec<PrintedCrossing>,
}

#[derive(Debug, Default, Serialize)]
struct DirectionCounts {
    #[serde(rename = "in")]
    into: u64,
    out: u64,
}

#[derive(Debug, Serialize)]
struct PrintedCrossing {
    frame: u64,
    time_s: f64,
    track: u64,
    class: String,
    direction: &'static str,
}

impl PrintedLineCounts {
    /// The report of a line with these ends, from the crossings that were found on it.
    pub fn new<'a>(
        name: String,
        [ax, ay, bx, by]: [f64; 4],
        found: impl Iterator<Item = &'a ClipCrossing>,
        labels: &Labels,
    ) -> PrintedLineCounts {
        let mut report = PrintedLineCounts {
            name,
            a: [ax, ay],
            b: [bx, by],
            into: 0,
            out: 0,
            note: None,
            by_class: BTreeMap::new(),
            crossings: Vec::new(),
        };
        let mut found: Vec<&ClipCrossing> = found.collect();
        // Crossings come in the order in which they were confirmed and are listed by time.
        found.sort_by_key(|c| (c.crossing.time_us, c.crossing.track, c.crossing.ordinal));
        for ClipCrossing { crossing, frame } in found {
            let class = labels.name(crossing.class).unwrap_or("unknown").to_owned();
            let ways = report.by_class.entry(class.clone()).or_default();
            let (own, of_class) = match crossing.direction {
                Direction::In => (&mut report.into, &mut ways.into),
                Direction::Out => (&mut report.out, &mut ways.out),
            };
            (*own, *of_class) = (*own + 1, *of_class + 1);
            report.crossings.push(PrintedCrossing {
                frame: *frame,
                // Rounded to milliseconds: finer values are interpolated between two frames.
                time_s: ((crossing.time_us + 500) / 1000) as f64 / 1000.0,
                track: crossing.track.0,
                class,
                direction: crossing.direction.as_str(),
            });
        }
        report
    }
}

impl PrintedReport {
    /// The text for people.
    pub fn to_text(&self, count: &ClipCount) -> String {
        let seconds = count.last_us as f64 / 1e6;
        let mut text = format!("{}: {} frames, {seconds:.1} s, {}\n", self.clip, self.frames, self.model);
        let wide = self.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0).max(4);
        let _ = writeln!(text, "\n{:wide$} {:>6} {:>6}  by class (in/out)", "line", "in", "out");
        for line in &self.lines {
            let classes: Vec<String> = line
                .by_class
                .iter()
                .map(|(name, ways)| format!("{name} {}/{}", ways.into, ways.out))
                .collect();
            let row = format!("{:wide$} {:>6} {:>6}  {}", line.name, line.into, line.out, classes.join(", "));
            let _ = writeln!(text, "{}", row.trim_end());
        }
        for note in self.lines.iter().filter_map(|line| line.note.as_ref()) {
            let _ = writeln!(text, "\n{note}");
        }
        text
    }
}
