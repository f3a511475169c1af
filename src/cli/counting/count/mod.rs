//! `tallycam count`.

mod film;
mod printed;
pub mod report;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::common::terminal::{Of, Progress};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::{detector_factory, region_mode, settings, state_directory};
use crate::daemon::models::{ModelStore, configured_model};
use crate::pipeline::clip::{ClipCount, ClipRun, CountedFrame};
use crate::pipeline::counting::{apply_filter, counter_options, too_near_note};
use film::AnnotatedFilm;
use printed::{PrintedLineCounts, PrintedReport};
use report::{ReportCollector, read_true_crossings};
use tallycam_base::{Fault, FaultKind};
use tallycam_config::{Config, DetectConfig, DetectorKind};
use tallycam_store::Scene;
use tallycam_vision::{
    Aspect, Counter, CountingLine, Detector, Labels, LineError, LineId, Point, RegionMode,
};

/// A line of fewer pixels is shorter than every object that could cross it.
const SHORT_LINE: f64 = 10.0;

/// Count crossings in a clip.
///
/// Reads every frame of any clip that ffmpeg supports, as fast as possible, and counts like the service, with the
/// clip's own times. The same clip, lines and model always give the same result. A truncated clip is counted to its
/// end; the exit code is then 1.
#[derive(Debug, Args)]
pub struct CountArgs {
    /// The clip
    #[arg(value_name = "CLIP")]
    clip: PathBuf,
    /// A line from X1,Y1 to X2,Y2, in pixels, or in fractions of the frame if all four are at most 1. In is from its
    /// right-hand side to its left. May be repeated
    #[arg(long = "line", value_name = "[NAME=]X1,Y1,X2,Y2", required = true, allow_hyphen_values = true)]
    lines: Vec<GivenLine>,
    /// Detector: the name of a model, an ONNX file with its description beside it, or motion; default: the configured
    /// one
    #[arg(long, value_name = "NAME|FILE.onnx|motion", conflicts_with = "replay")]
    model: Option<String>,
    /// Recorded detections instead of a model: rows of frame, class, score, x1, y1, x2, y2 in pixels
    #[arg(long, value_name = "DETECTIONS.csv")]
    replay: Option<PathBuf>,
    /// Frames per second, in place of the clip's own times: a raw .h264 file has none, and its header often lies
    #[arg(long, value_name = "N", value_parser = parse_fps)]
    fps: Option<f64>,
    /// Use every Nth frame only: 1, 1 + N, 1 + 2N.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    every: u64,
    /// Count these classes only, for example person,bicycle; default: the configured ones
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    classes: Vec<String>,
    /// Write an annotated film; replaces an existing file
    #[arg(long, value_name = "OUT.avi|OUT.mjpeg")]
    annotate: Option<PathBuf>,
    /// Write a page with an image of each crossing, and of each object that ended uncounted at a line, up to 20 MB of
    /// them; replaces an existing file
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
    /// The true crossings, for precision and recall on that page: rows of a line's name, seconds, and in or out
    #[arg(long, value_name = "TRUTH.csv", requires = "report")]
    truth: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().filter(|fps| (0.01..=1000.0).contains(fps));
    fps.ok_or_else(|| String::from("it is a number from 0.01 to 1000"))
}

/// A line of the command line, before the size of the frames is known.
#[derive(Debug, Clone, PartialEq)]
struct GivenLine {
    name: Option<String>,
    ends: [f64; 4],
}

impl std::str::FromStr for GivenLine {
    type Err = String;

    fn from_str(text: &str) -> Result<GivenLine, String> {
        let (name, ends) = match text.rsplit_once('=') {
            Some((name, _)) if name.trim().is_empty() => {
                return Err(String::from("the line's name is empty"));
            }
            Some((name, ends)) => (Some(name.trim().to_owned()), ends),
            None => (None, text),
        };
        let numbers: Result<Vec<f64>, _> =
            ends.split(',').map(|number| number.trim().parse::<f64>()).collect();
        let ends = numbers.ok().and_then(|numbers| <[f64; 4]>::try_from(numbers).ok());
        match ends {
            Some(ends) if ends.iter().all(|end| end.is_finite()) => Ok(GivenLine { name, ends }),
            _ => Err(String::from("a line is four numbers: x and y of its start, x and y of its end")),
        }
    }
}

impl GivenLine {
    /// The line on frames of this size.
    fn to_counting_line(
        &self,
        number: usize,
        (width, height): (u32, u32),
    ) -> Result<CountingLine, LineError> {
        let (across, down) =
            if self.are_fractions() { (1.0, 1.0) } else { (f64::from(width), f64::from(height)) };
        let [ax, ay, bx, by] = self.ends;
        let point = |x: f64, y: f64| Point::new((x / across) as f32, (y / down) as f32);
        CountingLine::new(LineId(number as u64), self.name(number), point(ax, ay), point(bx, by))
    }

    /// Numbers that are all at most 1 are fractions: a line of one pixel makes no sense.
    fn are_fractions(&self) -> bool {
        self.ends.iter().all(|end| end.abs() <= 1.0)
    }

    /// The length of a line that is suspiciously short in pixels. One number above 1 makes pixels of all four, also
    /// where fractions were meant.
    fn short_length_pixels(&self) -> Option<f64> {
        let [ax, ay, bx, by] = self.ends;
        let apart = (bx - ax).hypot(by - ay);
        (!self.are_fractions() && apart < SHORT_LINE).then_some(apart)
    }

    /// The reason and a hint, in the units that were given: the library speaks of fractions.
    fn explain_line_error(&self, error: LineError, (width, height): (u32, u32)) -> (String, String) {
        let pictures = format!("the pictures are {width} × {height} pixels");
        if self.are_fractions() {
            return (error.to_string(), pictures);
        }
        let what = match error {
            LineError::OutsidePicture => String::from("the line is outside the picture"),
            LineError::FarEnd => String::from("an end of the line is more than a picture beyond the edge"),
            LineError::NoPlace | LineError::EqualEnds => error.to_string(),
        };
        (what, format!("{pictures}, and the ends of this line are in pixels"))
    }

    fn name(&self, number: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("line {number}"))
    }
}

impl CountArgs {
    /// Counts and prints.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        self.check_names()?;
        self.check_outputs()?;
        let resolved = given.load()?;
        let pinned = configured_model(self.model.as_deref(), &resolved);
        let config = resolved.config;
        let run = ClipRun::open(&self.clip, self.fps)?;
        let size = run.size();
        let lines = self.lines_on(size)?;
        self.warn_doubtful_lines();
        let mut detector = self.detector(&config, pinned)?;
        let labels = detector.labels().clone();
        let mut notes = Vec::new();
        let (classes, place) = if self.classes.is_empty() {
            (&config.detect.classes, "[detect] classes")
        } else {
            (&self.classes, "--classes")
        };
        let score = config.detect.score.map(|score| score as f32);
        let mut options = counter_options(&*detector, classes, score, place, &mut notes)?;
        // Excluded areas belong to the camera's picture, not to a clip, and are left out.
        let heights = settings(&config).filter;
        apply_filter(&mut options, &heights, &mut notes);
        for note in notes {
            eprintln!("tallycam: {note}");
        }
        let mut film = match &self.annotate {
            Some(path) => Some((path, AnnotatedFilm::new(path, &lines, labels.clone(), size)?)),
            None => None,
        };
        let truth = self.truth.as_deref().map(|path| read_true_crossings(path, &lines)).transpose()?;
        let mut page = match &self.report {
            Some(path) => {
                let page = ReportCollector::new(path, &lines, labels.clone());
                Some((path, page.map_err(not_written(path))?))
            }
            None => None,
        };
        let mut counter = Counter::new(options, labels.clone(), Aspect::new(size.0, size.1));
        counter.set_lines(lines).map_err(|error| usage_error(error.to_string(), None))?;
        let looked = region_mode(&config.detect).unwrap_or(detector.default_region());
        let progress = Progress::new(
            &self.clip.file_name().unwrap_or_default().to_string_lossy(),
            run.duration_us().map_or(Of::Unknown, Of::ClipTime),
        );
        let see = |look: &CountedFrame<'_>| {
            progress.set_frames(look.frame.number);
            progress.set(look.frame.time_us);
            film.as_mut().map_or(Ok(()), |(path, film)| film.push(look).map_err(not_written(path)))?;
            page.as_mut().map_or(Ok(()), |(path, page)| page.push(look).map_err(not_written(path)))
        };
        let count = run.count(detector.as_mut(), &mut counter, self.every, looked, see)?;
        drop(progress);
        self.print_warnings(&count);
        if let Some(advice) = detector.advice() {
            eprintln!("tallycam: {advice}");
        }
        let mut report = self.report(detector.name(), &labels, &count);
        for (line, past) in counter.late_appearances() {
            let own = report.lines.iter_mut().filter(|own| own.name == line.name);
            own.for_each(|own| own.note = Some(too_near_note(&line.name, past)));
        }
        if self.json {
            print_json(&report)?
        } else {
            print_stdout(&report.to_text(&count))?
        }
        if let Some((path, film)) = film {
            film.finish(&count).map_err(not_written(path))?;
        }
        if let Some((path, page)) = page {
            let written =
                page.finish(&self.clip, &self.describe(detector.name(), looked, &count), truth.as_deref());
            written.map_err(not_written(path))?;
        }
        check_complete(&self.clip, &count)
    }

    /// Describes the detector, the settings and how much of the clip was read.
    fn describe(&self, model: &str, region: RegionMode, count: &ClipCount) -> String {
        let region = match region {
            RegionMode::Line => "around the lines",
            RegionMode::Picture => "on whole frames",
            RegionMode::Classes => "as suits what each line counts",
        };
        let used = match self.every {
            1 => String::from("all were used"),
            every => format!("one in {every} was used"),
        };
        let mut text = format!(
            "{model}, {region}. {} frames, {:.1} s; {used}, {} of {} skipped without motion.",
            count.frames,
            count.last_us as f64 / 1e6,
            count.skipped,
            count.detections
        );
        if let Some(reason) = &count.broken_off {
            let _ = write!(text, " The clip is truncated after frame {}: {reason}.", count.frames);
        }
        if let (failed @ 1.., Some(reason)) = (count.failed.0, &count.failed.1) {
            let _ = write!(text, " {failed} frames could not be processed: {reason}.");
        }
        text
    }

    /// The requested detector, made as the service makes it.
    fn detector(&self, config: &Config, pinned: Option<String>) -> Result<Box<dyn Detector>, Failure> {
        let mut detect: DetectConfig = config.detect.clone();
        match (&self.replay, self.model.as_deref()) {
            (Some(path), _) => {
                (detect.backend, detect.replay) = (DetectorKind::Replay, Some(path.clone()));
            }
            (None, Some("motion")) => detect.backend = DetectorKind::Motion,
            (None, Some(model)) => {
                (detect.backend, detect.model) = (DetectorKind::Onnx, Some(model.to_owned()));
            }
            // No other model stands in, so that results do not depend on which models are installed.
            (None, None) if matches!(detect.backend, DetectorKind::Auto | DetectorKind::None) => {
                detect.backend = DetectorKind::Onnx;
            }
            (None, None) => {}
        }
        let model_store = ModelStore::new(&state_directory(config), pinned);
        let made = detector_factory(detect, model_store)(Scene::Files, None)?;
        for note in &made.notes {
            eprintln!("tallycam: {note}");
        }
        Ok(made.detector)
    }

    /// Refuses outputs that would overwrite an input or the other output, whatever paths name them.
    fn check_outputs(&self) -> Result<(), Failure> {
        let film = self.annotate.as_deref();
        let read = [
            (Some(self.clip.as_path()), "the clip"),
            (self.replay.as_deref(), "the file of recorded detections"),
            (self.truth.as_deref(), "the file of true crossings"),
            (self.model.as_deref().map(Path::new), "the model"),
        ];
        let pairs = read.into_iter().flat_map(|file| [(film, file), (self.report.as_deref(), file)]);
        for (out, (other, what)) in pairs.chain([(self.report.as_deref(), (film, "the annotated film"))]) {
            if let Some((out, other)) = out.zip(other)
                && is_same_file(out, other)
            {
                let hint = Some(String::from("give what is written another name"));
                return Err(usage_error(format!("{} is {what} itself", out.display()), hint));
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), Failure> {
        let names: Vec<String> = self.lines.iter().enumerate().map(|(at, line)| line.name(at + 1)).collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                let hint = Some(String::from("give each line a name of its own: --line door=…"));
                return Err(usage_error(format!("two lines are called {name:?}"), hint));
            }
        }
        Ok(())
    }

    fn lines_on(&self, size: (u32, u32)) -> Result<Vec<CountingLine>, Failure> {
        let on = |(at, line): (usize, &GivenLine)| {
            line.to_counting_line(at + 1, size).map_err(|error| {
                let (what, hint) = line.explain_line_error(error, size);
                usage_error(format!("{}: {what}", line.name(at + 1)), Some(hint))
            })
        };
        self.lines.iter().enumerate().map(on).collect()
    }

    /// Warns on standard error of lines that are probably a mistake.
    fn warn_doubtful_lines(&self) {
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(apart) = line.short_length_pixels() {
                eprintln!(
                    "tallycam: {}: its ends are in pixels, {apart:.1} from each other; they are fractions of the \
                     picture \
                     only where all four are between 0 and 1",
                    line.name(at + 1)
                );
            }
        }
    }

    fn report(&self, model: &str, labels: &Labels, count: &ClipCount) -> PrintedReport {
        let lines = self.lines.iter().enumerate().map(|(at, line)| {
            let id = LineId(at as u64 + 1);
            let own = count.crossings.iter().filter(|found| found.crossing.line == id);
            PrintedLineCounts::new(line.name(at + 1), line.ends, own, labels)
        });
        PrintedReport {
            clip: self.clip.to_string_lossy().into_owned(),
            model: model.to_owned(),
            frames: count.frames,
            detections: count.detections,
            skipped: count.skipped,
            complete: count.broken_off.is_none() && count.failed.0 == 0,
            lines: lines.collect(),
        }
    }

    /// Prints warnings about the result on standard error.
    fn print_warnings(&self, count: &ClipCount) {
        for (frame, width, height) in &count.resized {
            eprintln!(
                "tallycam: from frame {frame} on the pictures are {width} × {height} pixels; lines keep their \
                 fractions of the frame, and tracking starts again there"
            );
        }
        if let (times @ 1.., Some(last)) = (count.complaints.0, &count.complaints.1) {
            eprintln!("tallycam: ffmpeg complained {times} times about damaged data, last: {last}");
        }
    }
}

/// True if both paths name one file, also one that does not exist yet.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    match (found(one), found(other)) {
        (None, None) => std::path::absolute(one).ok() == std::path::absolute(other).ok(),
        (one, other) => one == other,
    }
}

fn not_written(path: &Path) -> impl Fn(io::Error) -> Fault {
    move |error| Fault::new(FaultKind::File, format!("{} could not be written: {error}", path.display()))
}

/// Reports incomplete work, with exit code 1.
fn check_complete(clip: &Path, count: &ClipCount) -> Result<(), Failure> {
    let message = if let Some(reason) = &count.broken_off {
        format!("{} is truncated after frame {}: {reason}", clip.display(), count.frames)
    } else if let (times @ 1.., Some(reason)) = (count.failed.0, &count.failed.1) {
        format!("{times} of {} frames could not be processed: {reason}", count.detections)
    } else {
        return Ok(());
    };
    Err(Failure::failed(message).hint("the frames before were counted"))
}

fn usage_error(message: String, hint: Option<String>) -> Failure {
    Failure::Usage { message, hint }
}
