//! The page of `tallycam count --report`: a picture of each crossing, possible misses, and the accuracy.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::Failure;
use crate::pipeline::clip::{ClipAnnotator, ClipCrossing, CountedFrame};
use crate::pipeline::counting::inference::PictureReader;
use crate::pipeline::counting::thumbnail::{Cutter, MARGIN};
use crate::ui::{CrossingFigure, LineCrossings, report_page};
use tallycam_camera::media::{Geometry, Picture};
use tallycam_vision::{Bounds, Class, CountingLine, Direction, Labels, LineId, TrackId, pair_crossings};

/// JPEG quality of the kept frames, on libjpeg's scale.
const QUALITY: u8 = 80;
/// Age of the oldest kept frame, in microseconds: crossings and lost tracks are reported later than they happen.
const KEPT_US: u64 = 6_000_000;
/// The largest number of kept frames.
const MOST_KEPT: usize = 200;
/// The longer side of a picture in pixels, and all pictures of the page in bytes. One picture has about 15 kB.
const LONGEST: u32 = 256;
const MOST_BYTES: usize = 20_000_000;
/// Height of a picture in heights of the box, and its least share of the frame's height.
const AROUND: f32 = 3.0;
const LEAST_SHOWN: f32 = 0.35;
/// Largest distance in seconds between a counted crossing and the true one that it matches.
const TOLERANCE_S: f64 = 1.0;

/// A crossing that really happened, from the file given with `--truth`.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueCrossing {
    pub line: String,
    pub time_s: f64,
    pub direction: Direction,
}

impl TrueCrossing {
    /// Reads rows of line, seconds, and `in` or `out`. A header row may come first.
    ///
    /// # Errors
    /// The first invalid row.
    pub fn read(text: &str) -> Result<Vec<TrueCrossing>, String> {
        // Excel starts a file with a byte order mark.
        let rows = text.trim_start_matches('\u{feff}').lines().enumerate();
        let rows = rows.map(|(at, row)| (at + 1, row.trim()));
        // A header row: three words, none of them a time or a direction.
        let is_names = |row: &str| {
            let mut words = row.rsplitn(3, ',').map(str::trim);
            let is_word = |word: Option<&str>| word.is_some_and(|word| word.parse::<f64>().is_err());
            words.next().is_some_and(|word| Direction::parse(word).is_none())
                && is_word(words.next())
                && words.next().is_some()
        };
        let rows = rows.filter(|(at, row)| !(row.is_empty() || *at == 1 && is_names(row)));
        rows.map(|(at, row)| {
            let mut words = row.rsplitn(3, ',').map(str::trim);
            let direction = words.next().and_then(|word| Direction::parse(&word.to_ascii_lowercase()));
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

struct KeptFrame {
    frame: u64,
    time_us: u64,
    picture: Picture,
    tracks: Vec<(TrackId, Bounds)>,
}

/// A crossing or a possible miss at a line.
struct LineMoment {
    line: LineId,
    time_s: f64,
    /// `None` for a possible miss.
    direction: Option<Direction>,
    words: String,
    picture: Option<String>,
}

/// Collects the content of the page, frame by frame.
pub struct ReportCollector {
    annotator: ClipAnnotator,
    labels: Labels,
    lines: Vec<CountingLine>,
    kept: VecDeque<KeptFrame>,
    shown: Vec<LineMoment>,
    reading: PictureReader,
    cutter: Cutter,
    /// Bytes of all pictures so far.
    bytes: usize,
    out: File,
}

impl ReportCollector {
    /// Creates the file at `path` and starts a page for these lines.
    ///
    /// # Errors
    /// The file cannot be created, or libjpeg-turbo fails.
    pub fn new(path: &Path, lines: &[CountingLine], labels: Labels) -> io::Result<ReportCollector> {
        Ok(ReportCollector {
            annotator: ClipAnnotator::new(lines, labels.clone(), QUALITY)?,
            labels,
            lines: lines.to_vec(),
            kept: VecDeque::new(),
            shown: Vec::new(),
            reading: PictureReader::new().map_err(io::Error::other)?,
            cutter: Cutter::new(LONGEST).map_err(io::Error::other)?,
            bytes: 0,
            out: File::create(path)?,
        })
    }

    /// Adds the next frame.
    ///
    /// # Errors
    /// Its picture could not be made.
    pub fn push(&mut self, look: &CountedFrame<'_>) -> io::Result<()> {
        let picture = self.annotator.draw(look)?;
        let tracks = look.overlay.tracks.iter().map(|track| (track.id, track.bounds)).collect();
        let (frame, time_us) = (look.frame.number, look.frame.time_us);
        self.kept.push_back(KeptFrame { frame, time_us, picture, tracks });
        let is_old = |kept: &KeptFrame| time_us.saturating_sub(kept.time_us) > KEPT_US;
        while self.kept.len() > MOST_KEPT || self.kept.front().is_some_and(is_old) {
            self.kept.pop_front();
        }
        for ClipCrossing { crossing, frame } in look.crossings {
            let shown = LineMoment {
                line: crossing.line,
                time_s: crossing.time_us as f64 / 1e6,
                direction: Some(crossing.direction),
                words: format!(
                    "{} {}",
                    crossing.direction.as_str(),
                    self.thing(crossing.class, crossing.track)
                ),
                picture: self.picture(crossing.track, |kept| kept.frame.abs_diff(*frame)),
            };
            self.shown.push(shown);
        }
        for miss in look.missed {
            let shown = LineMoment {
                line: miss.line,
                time_s: miss.time_us as f64 / 1e6,
                direction: None,
                words: self.thing(miss.class, miss.track),
                picture: self.picture(miss.track, |kept| kept.time_us.abs_diff(miss.time_us)),
            };
            self.shown.push(shown);
        }
        Ok(())
    }

    fn thing(&self, class: Class, track: TrackId) -> String {
        format!("{} #{}", self.labels.name(class).unwrap_or("unknown"), track.0)
    }

    /// A picture of a track from the kept frame with the least `away`, as a `data:` URL.
    fn picture(&mut self, track: TrackId, away: impl Fn(&KeptFrame) -> u64) -> Option<String> {
        if self.bytes >= MOST_BYTES {
            return None;
        }
        let kept = self.kept.iter().min_by_key(|kept| away(kept))?;
        let of_track =
            |kept: &KeptFrame| kept.tracks.iter().find(|(id, _)| *id == track).map(|(_, bounds)| *bounds);
        // A track that was not confirmed yet in that frame has a box in the newest one.
        let bounds = of_track(kept).or_else(|| self.kept.back().and_then(of_track))?;
        let part = square_around(&bounds, (kept.picture.width, kept.picture.height));
        let jpeg = self.cutter.encode(&mut self.reading, &kept.picture, &Geometry::default(), part)?;
        let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(&jpeg));
        self.bytes += url.len();
        Some(url)
    }

    /// Writes the page.
    ///
    /// # Errors
    /// The page cannot be written.
    pub fn finish(self, clip: &Path, by: &str, truth: Option<&[TrueCrossing]>) -> io::Result<()> {
        let title = clip.file_name().unwrap_or(clip.as_os_str()).to_string_lossy();
        let ReportCollector { lines, shown, bytes, mut out, .. } = self;
        let mut of_lines: Vec<Vec<LineMoment>> = lines.iter().map(|_| Vec::new()).collect();
        for shown in shown {
            if let Some(at) = lines.iter().position(|line| line.id == shown.line) {
                of_lines[at].push(shown);
            }
        }
        let mut reports: Vec<LineCrossings> =
            lines.iter().zip(of_lines).map(|(line, shown)| report(line, shown, truth)).collect();
        if bytes >= MOST_BYTES {
            let full =
                format!(" Later ones have no image: the page holds {} MB of them.", MOST_BYTES / 1_000_000);
            reports.iter_mut().for_each(|report| report.note.push_str(&full));
        }
        out.write_all(report_page(&title, by, &reports).as_bytes())
    }
}

/// Left, top, right and bottom of the square around a box that is cut from a frame of this size, without the cutter's
/// margin. In fractions of the frame.
fn square_around(bounds: &Bounds, (width, height): (u32, u32)) -> [f32; 4] {
    let (center, ratio) = (bounds.center(), width as f32 / height as f32);
    let side = (AROUND * bounds.height()).clamp(LEAST_SHOWN, 1.0).min(ratio);
    let (half_width, half_height) = (side / ratio / 2.0, side / 2.0);
    let x = center.x.clamp(half_width, 1.0 - half_width);
    let y = center.y.clamp(half_height, 1.0 - half_height);
    let inner = 1.0 / (1.0 + 2.0 * MARGIN);
    let (across, down) = (half_width * inner, half_height * inner);
    [x - across, y - down, x + across, y + down]
}

/// The section of the page about one line.
fn report(line: &CountingLine, shown: Vec<LineMoment>, truth: Option<&[TrueCrossing]>) -> LineCrossings {
    let (mut crossings, missed): (Vec<LineMoment>, Vec<LineMoment>) =
        shown.into_iter().partition(|shown| shown.direction.is_some());
    crossings.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    let counted: Vec<(f64, Direction)> =
        crossings.iter().filter_map(|shown| Some((shown.time_s, shown.direction?))).collect();
    let count = |way| counted.iter().filter(|counted| counted.1 == way).count();
    let mut report = LineCrossings {
        name: line.name.clone(),
        count_in: count(Direction::In),
        count_out: count(Direction::Out),
        ..LineCrossings::default()
    };
    let real = truth.map(|truth| {
        let of_line = truth.iter().filter(|real| real.line == line.name);
        of_line.map(|real| (real.time_s, real.direction)).collect::<Vec<_>>()
    });
    let pairs = real.as_ref().map(|real| pair_crossings(&counted, real, TOLERANCE_S));
    if let (Some(real), Some(pairs)) = (&real, &pairs) {
        report.note = how_right(counted.len(), real, pairs);
    }
    let figure = |(at, shown): (usize, LineMoment)| CrossingFigure {
        is_wrong: shown.direction.is_some()
            && pairs.as_ref().is_some_and(|pairs| !pairs.iter().any(|pair| pair.0 == at)),
        words: format!("{:.1} s {}", shown.time_s, shown.words),
        picture: shown.picture,
    };
    report.crossings = crossings.into_iter().enumerate().map(figure).collect();
    report.missed = missed.into_iter().enumerate().map(figure).collect();
    report
}

/// Precision, recall, and the times of missed crossings, in sentences.
fn how_right(counted: usize, real: &[(f64, Direction)], pairs: &[(usize, usize)]) -> String {
    let share = |of: usize| match of {
        0 => String::from("–"),
        _ => format!("{:.3}", pairs.len() as f64 / of as f64),
    };
    let (precision, recall) = (share(counted), share(real.len()));
    let figures = format!("{} true: precision {precision}, recall {recall}.", real.len());
    let missed = (0..real.len()).filter(|at| !pairs.iter().any(|pair| pair.1 == *at));
    let times: Vec<String> =
        missed.map(|at| format!("{:.1} s ({})", real[at].0, real[at].1.as_str())).collect();
    match times.as_slice() {
        [] => figures,
        times => format!("{figures} Missed at {}.", times.join(", ")),
    }
}

/// Reads a file of true crossings. Each must name a line of `lines`.
///
/// # Errors
/// The file cannot be read or is invalid.
pub fn read_true_crossings(path: &Path, lines: &[CountingLine]) -> Result<Vec<TrueCrossing>, Failure> {
    let wrong = |reason: String| {
        Failure::usage(format!("{}: {reason}", path.display()))
            .hint("true crossings are rows of a line's name, seconds, and in or out")
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
    use tallycam_vision::Point;

    #[test]
    fn a_line_reports_precision_and_recall() {
        let line = CountingLine::new(LineId(1), "door", Point::new(0.5, 0.2), Point::new(0.5, 0.8)).unwrap();
        let shown = |time_s, direction| LineMoment {
            line: LineId(1),
            time_s,
            direction,
            words: "person #3".into(),
            picture: None,
        };
        let truth = TrueCrossing::read("door,2,in\ndoor,9,out\n").unwrap();
        let all = || vec![shown(5.0, Some(Direction::In)), shown(2.2, Some(Direction::In)), shown(8.8, None)];
        let report_of = report(&line, all(), Some(&truth));
        assert_eq!(report_of.note, "2 true: precision 0.500, recall 0.500. Missed at 9.0 s (out).");
        assert_eq!((report_of.count_in, report_of.count_out), (2, 0));
        assert_eq!(report_of.crossings.iter().map(|one| one.is_wrong).collect::<Vec<_>>(), [false, true]);
        assert_eq!(report_of.missed.iter().map(|one| one.is_wrong).collect::<Vec<_>>(), [false]);
        let without = report(&line, all(), None);
        assert!(without.note.is_empty() && !without.crossings[1].is_wrong);
    }

    #[test]
    fn true_crossings_are_read_or_the_invalid_row_is_named() {
        let read =
            TrueCrossing::read("\u{feff}line,time_s,direction\nthe door, left,1.5,In\n\nB,2,out\n").unwrap();
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
}
