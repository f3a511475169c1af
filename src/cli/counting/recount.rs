//! `tallycam counts recount`: counts crossings in stored recordings and replaces the former counts.
//!
//! This process counts, on the files. The service gets the result, because counts.db has one writer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::cli::common::daemon::{Daemon, RequestBody, WORKS_WITHIN};
use crate::cli::common::terminal::{Of, Progress};
use crate::cli::counting::counts::store_failure;
use crate::cli::media;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::{detector_factory, settings, state_directory, store_settings};
use crate::daemon::models::{ModelStore, configured_model};
use crate::daemon::picture;
use crate::http::{RecountBody, RecountReport};
use crate::pipeline::LoadedDetector;
use crate::pipeline::counting::MODEL_SETTING;
use crate::pipeline::recount::{RecordingCount, RecountError, RecountPlan, count_recording};
use tallycam_base::clock::{rfc3339, wall_us};
use tallycam_config::{Config, DetectConfig, DetectorKind};
use tallycam_store::media::{Item, MediaKind, MediaOrigin, MediaReader};
use tallycam_store::{self as store, CountsReader, CrossingsQuery, Direction, LineRow, Scene};

/// Crossings that are read from counts.db at once.
const PAGE: usize = 5000;

/// Count stored recordings again.
///
/// Counts recordings like the service, on the current lines, and replaces the counts of that time. The replaced
/// crossings stay in the database, outside every sum. Crossings in gaps of the recording and of deleted lines stay. An
/// object on a line at the start of the recording may be missed. The same recording, lines and model always give the
/// same result.
#[derive(Debug, Args)]
pub struct RecountArgs {
    /// Numbers or names of recordings
    #[arg(value_name = "RECORDING", required = true)]
    recordings: Vec<String>,
    /// Detector: the name of a model, an ONNX file with its description beside it, or motion; default: the service's
    #[arg(long, value_name = "NAME|FILE.onnx|motion")]
    model: Option<String>,
    /// Lines and counts of camera, files or sim; default: those of the recording's source, files for an imported
    /// recording
    #[arg(long, value_name = "SCENE", value_parser = ["camera", "files", "sim"])]
    scene: Option<String>,
    /// Detection rate, 1 to 240; default: every frame
    #[arg(long, value_name = "FPS", value_parser = parse_fps)]
    fps: Option<f64>,
    /// Show only what would change
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_fps(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fps) if (1.0..=240.0).contains(&fps) => Ok(fps),
        Ok(fps) if (0.0..1.0).contains(&fps) => {
            Err(String::from("at least 1: fewer are too few for tracking"))
        }
        _ => Err(String::from("a number from 1 to 240")),
    }
}

impl RecountArgs {
    /// Counts, stores the result, and prints the changes.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let resolved = given.load()?;
        let pinned = configured_model(self.model.as_deref(), &resolved);
        let config = resolved.config;
        let daemon = if self.dry_run {
            None
        } else {
            Some(Daemon::require_own(&config, "this")?.with_timeout(WORKS_WITHIN))
        };
        let media = media::reader(&config)?;
        let counts_db = CountsReader::open(&store_settings(&config)).map_err(store_failure)?;
        // All names are resolved first, because one count may take an hour.
        let items = self.recordings.iter().map(|wanted| recording(&media, wanted));
        let items: Vec<Item> = items.collect::<Result<_, _>>()?;
        let mut reports = Vec::new();
        for item in &items {
            let report =
                self.recount(daemon.as_ref(), &config, pinned.as_deref(), &media, &counts_db, item)?;
            if !self.json {
                print_stdout(&report.to_text())?;
            }
            reports.push(report);
        }
        if self.json { print_json(&json!({"items": reports, "next": null})) } else { Ok(()) }
    }

    fn recount(
        &self,
        daemon: Option<&Daemon>,
        config: &Config,
        pinned: Option<&str>,
        media: &MediaReader,
        counts_db: &CountsReader,
        item: &Item,
    ) -> Result<PrintedRecount, Failure> {
        let scene = match self.scene.as_deref().and_then(Scene::parse) {
            Some(scene) => scene,
            None => recorded_scene(counts_db, item, settings(config).scene).map_err(store_failure)?,
        };
        let lines: Vec<LineRow> = counts_db.lines().map_err(store_failure)?;
        let made = detector(self.model.as_deref(), config, pinned, counts_db, scene)?;
        let backend = made.backend;
        let mut notes = made.notes.clone();
        let plan = RecountPlan {
            settings: &settings(config),
            lines: &lines,
            scene,
            fps: self.fps,
            geometry: picture::view(config).geometry(),
            within_us: (0, u64::MAX),
            tried: None,
        };
        let progress = Progress::new(&item.name, Of::Frames(item.frames));
        let counted = count_recording(media, item, made, &plan, |done, _| progress.set(done));
        drop(progress);
        let mut counted = counted.map_err(|error| recount_failure(item, &lines, error))?;
        notes.append(&mut counted.notes);
        let was = previous_sums(counts_db, scene, &counted).map_err(store_failure)?;
        let recount = store::Recount {
            scene,
            camera: item.camera.clone(),
            recording: label(item),
            model: if backend == "motion" { String::from("motion") } else { counted.model.clone() },
            is_time_sure: item.is_sure,
            spans: counted.spans.clone(),
            lines: counted.lines.clone(),
            crossings: counted.crossings.clone(),
        };
        let made = daemon.map(|daemon| save_recount(daemon, &recount)).transpose()?;
        Ok(PrintedRecount::new(item, &recount, &counted, &lines, &was, notes, made))
    }
}

/// The detector, made as the service makes it: `model`, or the service's own.
pub(super) fn detector(
    model: Option<&str>,
    config: &Config,
    pinned: Option<&str>,
    counts_db: &CountsReader,
    scene: Scene,
) -> Result<LoadedDetector, Failure> {
    let mut detect: DetectConfig = config.detect.clone();
    let mut chosen = None;
    match model {
        Some("motion") => detect.backend = DetectorKind::Motion,
        Some(model) => {
            (detect.backend, detect.model) = (DetectorKind::Onnx, Some(model.to_owned()));
        }
        None if detect.model.is_none()
            && matches!(detect.backend, DetectorKind::Auto | DetectorKind::Onnx) =>
        {
            chosen = counts_db.setting(MODEL_SETTING).map_err(store_failure)?;
        }
        None => {}
    }
    let model_store = ModelStore::new(&state_directory(config), pinned.map(str::to_owned));
    Ok(detector_factory(detect, model_store)(scene, chosen.as_deref())?)
}

/// Finds the recording of this number or name.
fn recording(media: &MediaReader, wanted: &str) -> Result<Item, Failure> {
    let item = media::find_stored_item(media, wanted)?;
    let message = match () {
        () if item.kind != MediaKind::Recording => {
            format!("{:?} is a snapshot: there are no crossings in it", item.name)
        }
        () if item.is_open => format!("{:?} is still being recorded; stop the recording first", item.name),
        () => return Ok(item),
    };
    Err(Failure::failed(message))
}

fn label(item: &Item) -> String {
    format!("recording {}, {}", item.id, item.name)
}

/// The scene of a recording: the one that was counted most while it was made, else the configured one. An import
/// never belongs to the camera.
fn recorded_scene(
    counts_db: &CountsReader,
    item: &Item,
    configured: Scene,
) -> Result<Scene, store::StoreError> {
    if item.origin == MediaOrigin::Import {
        return Ok(Scene::Files);
    }
    // Cut at the present: nothing was counted in the future, yet no gap covers it. A wrong clock can set such times.
    let end_us = item.at_us.saturating_add(item.duration_us).max(item.at_us + 1);
    let (from_us, to_us) = (item.at_us, end_us.min(wall_us()).max(item.at_us));
    let mut best = (0, configured);
    for scene in Scene::ALL {
        let gaps = counts_db.gaps(scene, from_us, to_us)?;
        let missing: u64 = gaps.iter().map(|gap| gap.to_us - gap.from_us).sum();
        let covered = (to_us - from_us).saturating_sub(missing);
        if covered > best.0 {
            best = (covered, scene);
        }
    }
    Ok(best.1)
}

/// In and out by line.
type Sums = BTreeMap<u64, (u64, u64)>;

/// The present counts in counts.db that the recount replaces.
fn previous_sums(
    counts_db: &CountsReader,
    scene: Scene,
    counted: &RecordingCount,
) -> Result<Sums, store::StoreError> {
    let mut sums = Sums::new();
    let mut query = CrossingsQuery {
        from_us: counted.spans.first().map(|span| span.0),
        to_us: counted.spans.last().map(|span| span.1 + 1),
        lines: counted.lines.iter().map(|line| line.0).collect(),
        oldest_first: true,
        ..CrossingsQuery::newest(scene, PAGE)
    };
    loop {
        let page = counts_db.crossings(&query)?;
        for crossing in &page {
            if counted.spans.iter().any(|&(from, to)| (from..=to).contains(&crossing.time_us)) {
                add(&mut sums, crossing.line_id, crossing.direction);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => query.after = Some(last.id),
            _ => return Ok(sums),
        }
    }
}

fn add(sums: &mut Sums, line: u64, direction: Direction) {
    let sum = sums.entry(line).or_default();
    match direction {
        Direction::In => sum.0 += 1,
        Direction::Out => sum.1 += 1,
    }
}

/// Lets the service store the recount.
fn save_recount(daemon: &Daemon, recount: &store::Recount) -> Result<RecountReport, Failure> {
    let body = serde_json::to_value(RecountBody::from(recount))
        .map_err(|error| Failure::failed(error.to_string()))?;
    daemon.json("POST", "/api/v1/counts/recount", RequestBody::Json(&body), "nothing was changed")
}

/// `lines` are the lines of all scenes.
pub(super) fn recount_failure(item: &Item, lines: &[LineRow], error: RecountError) -> Failure {
    let message = format!("{}: {error}", item.name);
    match error {
        RecountError::Media(error) => media::store_failure(error),
        RecountError::Fault(fault) => Failure::Failed { message, hint: fault.hint },
        RecountError::NoLine { scene, why } if !why.is_empty() => {
            let mut hint =
                String::from("choose other classes for the lines or in [detect] classes, or another model");
            // The recording may belong to another scene than those lines.
            if let Some(others) = other_scene_options(scene, lines) {
                hint.push_str(&format!("; or choose other lines: {others}"));
            }
            Failure::failed(message).hint(hint)
        }
        RecountError::NoLine { scene, .. } => Failure::failed(message).hint(explain_no_lines(scene, lines)),
    }
}

/// A hint for a scene without lines. It names other scenes only if lines are drawn there.
fn explain_no_lines(scene: Scene, lines: &[LineRow]) -> String {
    match other_scene_options(scene, lines) {
        None => String::from("draw a line on the page"),
        Some(others) => format!("draw a line on the page, or choose other lines: {others}"),
    }
}

/// The options for other scenes in which lines are drawn.
fn other_scene_options(scene: Scene, lines: &[LineRow]) -> Option<String> {
    let is_drawn_in = |other: Scene| {
        other != scene && lines.iter().any(|line| line.scene == Some(other) && line.deleted_us.is_none())
    };
    let others = Scene::ALL.into_iter().filter(|other| is_drawn_in(*other));
    let others: Vec<String> = others.map(|other| format!("--scene {}", other.as_str())).collect();
    (!others.is_empty()).then(|| others.join(" or "))
}

#[derive(Debug, Serialize)]
struct PrintedRecount {
    id: u64,
    name: String,
    scene: &'static str,
    model: String,
    pictures: u64,
    spans: Vec<SpanReport>,
    lines: Vec<RecountedLine>,
    dry_run: bool,
    /// True if counts.db was changed; in a dry run, if any sum would change.
    changed: bool,
    superseded: u64,
    counted: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SpanReport {
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct RecountedLine {
    line_id: u64,
    line: String,
    r#in: u64,
    out: u64,
    in_before: u64,
    out_before: u64,
}

impl PrintedRecount {
    fn new(
        item: &Item,
        recount: &store::Recount,
        counted: &RecordingCount,
        lines: &[LineRow],
        was: &Sums,
        notes: Vec<String>,
        made: Option<RecountReport>,
    ) -> PrintedRecount {
        let mut now = Sums::new();
        counted.crossings.iter().for_each(|found| add(&mut now, found.line, found.direction));
        let of = |sums: &Sums, line: u64| sums.get(&line).copied().unwrap_or_default();
        let lines = counted.lines.iter().map(|&(line_id, _)| {
            let name = lines.iter().find(|line| line.id == line_id).map(|line| line.draft.name.clone());
            let ((into, out), (in_before, out_before)) = (of(&now, line_id), of(was, line_id));
            RecountedLine { line_id, line: name.unwrap_or_default(), r#in: into, out, in_before, out_before }
        });
        let before: u64 = was.values().map(|(into, out)| into + out).sum();
        let lines: Vec<RecountedLine> = lines.collect();
        let (changed, superseded, found) = match &made {
            Some(made) => (made.id.is_some(), made.superseded, made.counted),
            None => (
                lines.iter().any(|line| (line.r#in, line.out) != (line.in_before, line.out_before)),
                before,
                counted.crossings.len() as u64,
            ),
        };
        let spans =
            counted.spans.iter().map(|&(from, to)| SpanReport { from: rfc3339(from), to: rfc3339(to) });
        PrintedRecount {
            id: item.id,
            name: item.name.clone(),
            scene: recount.scene.as_str(),
            model: recount.model.clone(),
            pictures: counted.detections,
            spans: spans.collect(),
            lines,
            dry_run: made.is_none(),
            changed,
            superseded,
            counted: found,
            notes,
        }
    }

    /// The text for people.
    fn to_text(&self) -> String {
        let mut text =
            format!("{}: {} pictures, {}, scene {}\n\n", self.name, self.pictures, self.model, self.scene);
        let wide = self.lines.iter().map(|line| line.line.chars().count()).max().unwrap_or(0).max(4);
        let _ = writeln!(
            text,
            "{:wide$} {:>6} {:>6} {:>11} {:>11}",
            "line", "in", "out", "in before", "out before"
        );
        for line in &self.lines {
            let _ = writeln!(
                text,
                "{:wide$} {:>6} {:>6} {:>11} {:>11}",
                line.line, line.r#in, line.out, line.in_before, line.out_before
            );
        }
        let words = match (self.dry_run, self.changed) {
            (true, _) => String::from("nothing was changed: this is what would be counted"),
            (false, false) => String::from("the counts are the same already"),
            (false, true) if self.superseded == 0 && self.counted == 0 => {
                let crossed = self.lines.iter().any(|line| line.r#in + line.out > 0);
                let found = if crossed { "the crossings are the same" } else { "nobody crossed" };
                format!("{found}; it is now recorded as counted on these lines")
            }
            (false, true) => {
                let crossings =
                    media::format_count(usize::try_from(self.superseded).unwrap_or(usize::MAX), "crossing");
                format!("{crossings} replaced by {}; the former ones are kept outside the sums", self.counted)
            }
        };
        let _ = writeln!(text, "\n{words}");
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}
