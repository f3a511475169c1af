//! The page of `tallycam count --report`: each crossing's picture, what may have been missed, and how right it all is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::Failure;
use crate::pipeline::clip::{ClipAnnotator, Look};
use crate::ui::Text;
use crate::vision::{Bounds, CountingLine, Direction, Labels, LineId, Point};

/// Quality of the pictures, on libjpeg's scale.
const QUALITY: u8 = 70;
/// Pictures are kept for so long: a crossing is counted, and a track given up, later than it happens. Microseconds.
const KEPT_US: u64 = 6_000_000;
/// And never more than this many.
const MOST_KEPT: usize = 200;
/// Most crossings, and most tracks that may have been missed, that are shown: a picture is some 50 kB.
const MOST_SHOWN: usize = 1000;
/// What ended within so many sizes of its box of a line may have crossed it.
const NEAR: f32 = 0.5;
/// A picture shows so many times the box's height, and at least this share of the frame's.
const AROUND: f32 = 3.0;
const LEAST_SHOWN: f32 = 0.35;
/// A counted crossing is a true one that is at most so far from it. Seconds.
const TOLERANCE_S: f64 = 1.0;

/// What really crossed: of the file given with `--truth`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueCrossing {
    line: String,
    time_s: f64,
    direction: Direction,
}

impl TrueCrossing {
    /// Reads rows of line, seconds, and `in` or `out`. A row of names may stand first.
    ///
    /// # Errors
    /// The first row that is none.
    pub fn read(text: &str) -> Result<Vec<TrueCrossing>, String> {
        let rows = text.lines().enumerate().map(|(at, row)| (at + 1, row.trim()));
        let rows = rows.filter(|(at, row)| !(row.is_empty() || *at == 1 && row.starts_with("line,")));
        rows.map(|(at, row)| {
            let mut words = row.rsplitn(3, ',').map(str::trim);
            let direction = words.next().and_then(Direction::of_word);
            let time_s =
                words.next().and_then(|word| word.parse().ok()).filter(|time: &f64| time.is_finite());
            match (words.next(), time_s, direction) {
                (Some(line), Some(time_s), Some(direction)) => {
                    Ok(TrueCrossing { line: line.to_owned(), time_s, direction })
                }
                _ => Err(format!("row {at} is not a line's name, seconds, and in or out")),
            }
        })
        .collect()
    }
}

/// A frame that is kept for a while.
struct Kept {
    frame: u64,
    time_us: u64,
    jpeg: Bytes,
    tracks: Vec<(u64, Bounds)>,
}

/// A picture of something at a line.
struct Shown {
    line: LineId,
    time_s: f64,
    /// `None` of what was not counted.
    direction: Option<Direction>,
    words: String,
    jpeg: Bytes,
    bounds: Option<Bounds>,
}

/// Collects what the page shows, look by look.
pub struct CountReport {
    annotator: ClipAnnotator,
    labels: Labels,
    lines: Vec<CountingLine>,
    size: (u32, u32),
    kept: VecDeque<Kept>,
    /// Where each track was last seen, and in which frame.
    followed: BTreeMap<u64, (u64, Bounds)>,
    counted: BTreeSet<(LineId, u64)>,
    shown: Vec<Shown>,
}

impl CountReport {
    /// Of these lines.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new(lines: &[CountingLine], labels: Labels, size: (u32, u32)) -> io::Result<CountReport> {
        Ok(CountReport {
            annotator: ClipAnnotator::new(lines, labels.clone(), QUALITY)?,
            labels,
            lines: lines.to_vec(),
            size,
            kept: VecDeque::new(),
            followed: BTreeMap::new(),
            counted: BTreeSet::new(),
            shown: Vec::new(),
        })
    }

    /// Takes in the next look.
    ///
    /// # Errors
    /// Its picture could not be made.
    pub fn push(&mut self, look: &Look<'_>) -> io::Result<()> {
        let jpeg = self.annotator.draw(look)?.jpeg();
        let tracks: Vec<(u64, Bounds)> =
            look.overlay.tracks.iter().map(|track| (track.id.0, track.bounds)).collect();
        let (frame, time_us) = (look.frame.number, look.frame.time_us);
        self.kept.push_back(Kept { frame, time_us, jpeg, tracks });
        let is_old = |kept: &Kept| time_us.saturating_sub(kept.time_us) > KEPT_US;
        while self.kept.len() > MOST_KEPT || self.kept.front().is_some_and(is_old) {
            self.kept.pop_front();
        }
        for found in look.crossings {
            let crossing = &found.crossing;
            self.counted.insert((crossing.line, crossing.track.0));
            let class = self.labels.name(crossing.class).unwrap_or("unknown");
            let words = format!("{} {class} #{}", crossing.direction.word(), crossing.track.0);
            let time_s = crossing.time_us as f64 / 1e6;
            self.show(
                crossing.line,
                time_s,
                Some(crossing.direction),
                words,
                (crossing.track.0, found.frame),
            );
        }
        let seen = look.overlay.tracks.iter().filter(|track| track.in_sight);
        let seen: Vec<(u64, Bounds)> = seen.map(|track| (track.id.0, track.bounds)).collect();
        let is_followed = |id: &u64| look.overlay.tracks.iter().any(|track| track.id.0 == *id);
        let ended: Vec<(u64, (u64, Bounds))> =
            self.followed.iter().filter(|(id, _)| !is_followed(id)).map(|(id, last)| (*id, *last)).collect();
        self.followed.retain(|id, _| is_followed(id));
        self.followed.extend(seen.into_iter().map(|(id, bounds)| (id, (frame, bounds))));
        for (id, (last, bounds)) in ended {
            let near = self.lines.iter().filter(|line| is_near(line, &bounds, self.size));
            let uncounted = near.map(|line| line.id).filter(|line| !self.counted.contains(&(*line, id)));
            for line in uncounted.collect::<Vec<LineId>>() {
                let time_us =
                    self.kept.iter().find(|kept| kept.frame == last).map_or(time_us, |kept| kept.time_us);
                self.show(line, time_us as f64 / 1e6, None, format!("#{id} ended here"), (id, last));
            }
        }
        Ok(())
    }

    /// Shows a track in the kept frame that is nearest to this one.
    fn show(
        &mut self,
        line: LineId,
        time_s: f64,
        direction: Option<Direction>,
        words: String,
        (track, frame): (u64, u64),
    ) {
        if self.shown.len() >= MOST_SHOWN {
            return;
        }
        let Some(kept) = self.kept.iter().min_by_key(|kept| kept.frame.abs_diff(frame)) else { return };
        let of_track =
            |kept: &Kept| kept.tracks.iter().find(|(id, _)| *id == track).map(|(_, bounds)| *bounds);
        // Who was not believed yet in that frame is in the newest.
        let bounds = of_track(kept).or_else(|| self.kept.back().and_then(of_track));
        self.shown.push(Shown { line, time_s, direction, words, jpeg: kept.jpeg.clone(), bounds });
    }

    /// The page.
    pub fn html(&self, clip: &Path, model: &str, truth: Option<&[TrueCrossing]>) -> String {
        let title = clip.file_name().unwrap_or(clip.as_os_str()).to_string_lossy();
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{0}</title>\n<style>{STYLE}</style>\n\
             <h1>{0}</h1>\n<p>Counted with {1}.</p>\n",
            Text(&title),
            Text(model)
        );
        for line in &self.lines {
            self.line(&mut html, line, truth);
        }
        html.push_str("</html>\n");
        html
    }

    fn line(&self, html: &mut String, line: &CountingLine, truth: Option<&[TrueCrossing]>) {
        let of_line = self.shown.iter().filter(|shown| shown.line == line.id);
        let (mut crossings, missed): (Vec<&Shown>, Vec<&Shown>) =
            of_line.partition(|shown| shown.direction.is_some());
        crossings.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
        let count = |way| crossings.iter().filter(|shown| shown.direction == Some(way)).count();
        let (into, out) = (count(Direction::In), count(Direction::Out));
        let _ = writeln!(html, "<h2>{}</h2>\n<p>{into} in, {out} out.", Text(&line.name));
        let real: Vec<(f64, Direction)> = truth
            .into_iter()
            .flatten()
            .filter(|real| real.line == line.name)
            .map(|real| (real.time_s, real.direction))
            .collect();
        let counted: Vec<(f64, Direction)> =
            crossings.iter().filter_map(|shown| Some((shown.time_s, shown.direction?))).collect();
        let pairs = pairs(&counted, &real);
        if truth.is_some() {
            let share = |of: usize| if of == 0 { 1.0 } else { pairs.len() as f64 / of as f64 };
            let (precision, recall) = (share(counted.len()), share(real.len()));
            let _ = write!(html, " {} true: precision {precision:.3}, recall {recall:.3}.", real.len());
            let times: Vec<String> = (0..real.len())
                .filter(|at| !pairs.iter().any(|pair| pair.1 == *at))
                .map(|at| format!("{:.1} s ({})", real[at].0, real[at].1.word()))
                .collect();
            if !times.is_empty() {
                let _ = write!(html, " Missed at {}.", times.join(", "));
            }
        }
        html.push_str("</p>\n<div>\n");
        for (at, shown) in crossings.iter().enumerate() {
            let is_wrong = truth.is_some() && !pairs.iter().any(|pair| pair.0 == at);
            self.figure(html, shown, if is_wrong { "wrong" } else { "" });
        }
        html.push_str("</div>\n");
        if !missed.is_empty() {
            html.push_str("<h3>Ended at the line and not counted</h3>\n<div>\n");
            missed.iter().for_each(|shown| self.figure(html, shown, "missed"));
            html.push_str("</div>\n");
        }
    }

    fn figure(&self, html: &mut String, shown: &Shown, class: &str) {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        let (center, high) = match shown.bounds {
            Some(bounds) => (bounds.center(), bounds.height() * height),
            None => (Point::new(0.5, 0.5), height),
        };
        let side = (AROUND * high).max(LEAST_SHOWN * height).min(width).min(height);
        let left = (center.x * width - side / 2.0).clamp(0.0, width - side);
        let top = (center.y * height - side / 2.0).clamp(0.0, height - side);
        let _ = writeln!(
            html,
            "<figure class=\"{class}\"><svg viewBox=\"{left:.0} {top:.0} {side:.0} {side:.0}\"><image width=\"{width}\" \
             height=\"{height}\" href=\"data:image/jpeg;base64,{}\"/></svg><figcaption>{:.1} s {}</figcaption></figure>",
            STANDARD.encode(&shown.jpeg),
            shown.time_s,
            Text(&shown.words)
        );
    }
}

const STYLE: &str = "body{font-family:sans-serif;margin:1em auto;max-width:72em;padding:0 1em}\
    div{display:flex;flex-wrap:wrap;gap:.5em}figure{margin:0;width:11em}svg{width:100%;aspect-ratio:1;background:#ddd}\
    figcaption{font-size:.85em}.wrong svg{outline:3px solid #c00}.missed svg{outline:3px solid #e90}";

/// Whether a box that is not seen any more may have been about to cross.
fn is_near(line: &CountingLine, bounds: &Bounds, (width, height): (u32, u32)) -> bool {
    let (width, height) = (width as f32, height as f32);
    let pixels = |p: Point| (p.x * width, p.y * height);
    let foot = line.anchor.points(bounds).map(pixels);
    let x = foot.iter().map(|p| p.0).sum::<f32>() / 4.0;
    let y = foot.iter().map(|p| p.1).sum::<f32>() / 4.0;
    let ((ax, ay), (bx, by)) = (pixels(line.a()), pixels(line.b()));
    let (dx, dy) = (bx - ax, by - ay);
    let along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
    let along = along.clamp(0.0, 1.0);
    let apart = (x - ax - along * dx).hypot(y - ay - along * dy);
    apart <= NEAR * (bounds.width() * width + bounds.height() * height) / 2.0
}

/// Which counted crossing is which true one, as places in both: the nearest first, each once.
fn pairs(counted: &[(f64, Direction)], real: &[(f64, Direction)]) -> Vec<(usize, usize)> {
    let mut near: Vec<(f64, usize, usize)> = Vec::new();
    for (at, one) in counted.iter().enumerate() {
        for (of, other) in real.iter().enumerate() {
            let apart = (one.0 - other.0).abs();
            if one.1 == other.1 && apart <= TOLERANCE_S {
                near.push((apart, at, of));
            }
        }
    }
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, at, of) in near {
        if pairs.iter().all(|pair| pair.0 != at && pair.1 != of) {
            pairs.push((at, of));
        }
    }
    pairs
}

/// Reads a file of true crossings, whose lines must be among those that are counted on.
///
/// # Errors
/// It cannot be read, or is none.
pub fn read_truth(path: &Path, lines: &[CountingLine]) -> Result<Vec<TrueCrossing>, Failure> {
    let wrong = |reason: String| Failure::Usage {
        message: format!("{}: {reason}", path.display()),
        hint: Some(String::from("true crossings are rows of a line's name, seconds, and in or out")),
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let truth = TrueCrossing::read(&text).map_err(wrong)?;
    match truth.iter().find(|real| !lines.iter().any(|line| line.name == real.line)) {
        Some(real) => Err(wrong(format!("no --line is called {:?}", real.line))),
        None => Ok(truth),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn true_crossings_are_read_or_the_row_is_named() {
        let read = TrueCrossing::read("line,time_s,direction\nthe door, left,1.5,in\n\nB,2,out\n").unwrap();
        assert_eq!(
            read[0],
            TrueCrossing { line: "the door, left".into(), time_s: 1.5, direction: Direction::In }
        );
        assert_eq!(read.len(), 2);
        for text in ["A,1", "A,x,in", "A,inf,in", "A,1,up"] {
            assert_eq!(
                TrueCrossing::read(text),
                Err("row 1 is not a line's name, seconds, and in or out".into())
            );
        }
    }

    #[test]
    fn each_true_crossing_serves_once_and_the_nearest_first() {
        use Direction::{In, Out};
        let counted = [(1.0, In), (1.4, In), (5.0, Out), (9.0, In)];
        assert_eq!(pairs(&counted, &[(1.5, In), (5.9, Out), (10.1, In)]), [(1, 0), (2, 1)]);
        assert_eq!(pairs(&counted, &[(1.0, Out)]), []);
    }

    #[test]
    fn what_ends_at_a_line_is_told_from_what_ends_elsewhere() {
        let line = CountingLine::new(LineId(1), "door", Point::new(0.5, 0.2), Point::new(0.5, 0.8)).unwrap();
        let at = |x: f32, y: f32| Bounds::new(x - 0.02, y - 0.2, x + 0.02, y);
        let near = |x, y| is_near(&line, &at(x, y), (1000, 500));
        assert!(near(0.52, 0.5) && near(0.48, 0.7));
        assert!(!near(0.6, 0.5) && !near(0.5, 0.95));
    }
}
