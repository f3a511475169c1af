//! From the configuration to counting: the place of counts.db, lines and zones of the file, and the detector.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::models::ModelStore;
use super::picture;
use crate::maintenance::update::is_on_trial;
use crate::pipeline::{Counting, CountingSettings, LoadedDetector, MakeDetector, Pipeline};
use tallycam_base::{Fault, Worker, clock};
use tallycam_config::{Config, DetectConfig, DetectorKind, LineConfig, SourceKind, StoreConfig, ZoneConfig};
use tallycam_store::backup::is_counts_outdated;
use tallycam_store::{self as store, AuditEntry, Counts, LineDraft, Scene, StoreError, ZoneDraft};
use tallycam_vision::{
    Anchor, Filter, MotionDetector, RecordedDetections, Recrossing, RegionMode, ReplayDetector, ReplayOptions,
};

/// Running counting, with everything that must be ended in order.
#[derive(Debug)]
pub struct RunningCounting {
    pub counting: Counting,
    /// The threads `detect` and `annotate`.
    pub workers: Vec<Worker>,
    /// counts.db and the thread that writes it, if it could be opened.
    pub counts_db: Option<(Counts, Worker)>,
    /// The installed models.
    pub model_store: ModelStore,
}

impl RunningCounting {
    /// The threads that counting and annotating need.
    pub fn threads(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().chain(self.counts_db.as_ref().map(|(_, writer)| writer))
    }

    /// The threads with a steady heartbeat, for the watchdog.
    pub fn watched_workers(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter()
    }

    /// Tells every thread to end, after a failed start.
    pub fn request_stop(&self) {
        self.counting.stop();
        if let Some((counts, _)) = &self.counts_db {
            counts.stop();
        }
    }
}

/// Closes a counts.db that was not written to.
pub fn close(counts_db: OpenedCounts) {
    if let Ok((counts, writer)) = counts_db {
        counts.stop();
        drop(writer);
    }
}

/// counts.db and its thread, or the reason why there is none.
pub type OpenedCounts = Result<(Counts, Worker), StoreError>;

/// Delay before counts.db is opened again after a failure at the start.
pub const LATER: Duration = Duration::from_secs(5);

/// Longest delay between attempts, unless an attempt takes long.
const SELDOM: Duration = Duration::from_secs(30);

/// The delay after a failed attempt that `took` this long, when the last delay was `waited`. An attempt may read all
/// of a damaged file, so the delay is at least 20 times as long.
pub fn retry_delay(waited: Duration, took: Duration) -> Duration {
    waited.saturating_mul(2).min(SELDOM).max(took.saturating_mul(20))
}

/// The reason why a version on trial does not upgrade a file: the former version could not read it any more.
pub const ON_TRIAL: &str = "this version is on trial, and it is brought up to date when that has ended";

/// Opens counts.db, unless `is_on_trial` and this version would upgrade it.
fn open(config: &Config, is_on_trial: bool) -> OpenedCounts {
    let settings = store_settings(config);
    if is_on_trial && is_counts_outdated(&settings.directory) {
        return Err(StoreError::file(&settings.directory, ON_TRIAL, Some("wait a minute")));
    }
    Counts::open(settings)
}

/// Writes a row to the audit list of a restored counts.db.
pub fn record_audit_entry(config: &Config, entry: AuditEntry) {
    match open(config, is_on_trial()) {
        Ok((counts, writer)) => {
            counts.audit(AuditEntry { monotonic_us: clock::monotonic_us(), ..entry });
            close(Ok((counts, writer)));
        }
        Err(error) => {
            log::error!("{}, {}, {}: not on the audit list: {error}", entry.who, entry.address, entry.what)
        }
    }
}

/// True if counts.db can be opened now. Opening it also repairs it.
pub fn can_open_counts(config: &Config) -> bool {
    let opened = open(config, is_on_trial());
    let is_good = opened.is_ok();
    close(opened);
    is_good
}

/// Opens counts.db, adjusts lines and zones to the shown picture, and draws those of the file. May take a while,
/// because it repairs the damage of a power cut.
pub fn open_counts(config: &Config) -> OpenedCounts {
    let (counts, writer) = open(config, is_on_trial())?;
    match counts.follow_picture_now(picture::view(config).geometry()) {
        Ok(0) => {}
        Ok(moved) => log::info!(
            "the picture is shown another way than when tallycam last ran: {moved} lines and zones were moved along"
        ),
        Err(error) => log::error!(
            "the picture is shown another way than when lines and zones were drawn, and they could not be moved along: \
             {error}; draw them again"
        ),
    }
    pin(&counts, config);
    Ok((counts, writer))
}

/// Draws the lines and zones of the file. Blocks until they are stored.
pub fn pin(counts: &Counts, config: &Config) {
    let lines = config.lines.iter().map(line_draft).collect();
    let zones = config.zones.iter().map(to_zone_draft).collect();
    if let Err(error) = counts.pin(lines, zones) {
        // The file is valid, so either counts.db failed or a line of the page has the same name. In that case only
        // the line of the file is left out, until one is renamed. The counting status reports it, too.
        log::error!("not all of the configuration is counted on: {error}");
    }
}

/// Starts counting. Without counts.db it runs all the same and reports why nothing is stored. `fallback_to_sim` is
/// the value that the [opener](super::source::make_opener) got.
///
/// # Errors
/// A thread could not be started; then counts.db is closed.
pub fn start(
    config: &Config,
    pipeline: &Pipeline,
    counts_db: OpenedCounts,
    model_store: ModelStore,
    fallback_to_sim: bool,
) -> Result<RunningCounting, Fault> {
    let (counts, counts_db) = match counts_db {
        Ok((counts, writer)) => (Ok(counts.clone()), Some((counts, writer))),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            log::error!("nothing is counted: {error}{hint}; it is tried again");
            (Err(error), None)
        }
    };
    let make = detector_factory(config.detect.clone(), model_store.clone());
    match Counting::start(pipeline, counts, make, daemon_settings(config, fallback_to_sim)) {
        Ok((counting, workers)) => Ok(RunningCounting { counting, workers, counts_db, model_store }),
        Err(error) => {
            if let Some((counts, writer)) = counts_db {
                close(Ok((counts, writer)));
            }
            Err(error)
        }
    }
}

/// The counter's part of the configuration.
pub fn settings(config: &Config) -> CountingSettings {
    let detect = &config.detect;
    CountingSettings {
        is_on: detect.backend != DetectorKind::None,
        fps: detect.fps,
        classes: detect.classes.clone(),
        score: detect.score.map(|score| score as f32),
        region: region_mode(detect),
        filter: Filter {
            least_height: detect.least_height.unwrap_or_default() as f32,
            most_height: detect.most_height.map(|most| most as f32),
            ..Filter::default()
        },
        scene: scene(config.source.kind),
        may_be_simulated: false,
        thumbnails: detect.thumbnails,
        movement_map: detect.movement_map,
        counts_only: config.privacy.counts_only,
    }
}

/// The part of the frame that a model gets, if configured.
pub fn region_mode(detect: &DetectConfig) -> Option<RegionMode> {
    detect.at_lines.map(|at_lines| if at_lines { RegionMode::Line } else { RegionMode::Picture })
}

/// As [`settings`], for the daemon, whose [opener](super::source::make_opener) got `fallback_to_sim`.
pub fn daemon_settings(config: &Config, fallback_to_sim: bool) -> CountingSettings {
    let may_be_simulated = fallback_to_sim && config.source.kind == SourceKind::Auto;
    CountingSettings { may_be_simulated, ..settings(config) }
}

/// The scene of a source of this kind, unless the source reports that it is simulated.
fn scene(kind: SourceKind) -> Scene {
    match kind {
        SourceKind::Files => Scene::Files,
        SourceKind::Sim => Scene::Sim,
        SourceKind::Auto | SourceKind::V4l2 | SourceKind::Libcamera | SourceKind::Url | SourceKind::Exec => {
            Scene::Camera
        }
    }
}

/// counts.db's part of the configuration.
pub fn store_settings(config: &Config) -> store::CountsOptions {
    store::CountsOptions {
        directory: state_directory(config),
        camera: config.name.clone(),
        zone: zone(config.counts.time_zone.as_deref()),
        day_starts: config.counts.day_starts,
    }
}

/// The state directory.
pub fn state_directory(config: &Config) -> PathBuf {
    directory(&config.store, std::env::var_os("STATE_DIRECTORY"))
}

/// The configured directory; else the first that systemd passes (systemd.exec(5), `StateDirectory=`); else that of
/// the unit whose file it is; else `data` in the working directory.
fn directory(store: &StoreConfig, handed_over: Option<std::ffi::OsString>) -> PathBuf {
    let handed_over = handed_over.and_then(|list| std::env::split_paths(&list).next());
    let handed_over = handed_over.filter(|path| !path.as_os_str().is_empty());
    let found = store.directory.clone().or(handed_over).or_else(|| store.unit.clone());
    found.unwrap_or_else(|| PathBuf::from("data"))
}

pub(in crate::daemon) fn zone(name: Option<&str>) -> TimeZone {
    let Some(name) = name else { return TimeZone::system() };
    TimeZone::get(name).unwrap_or_else(|error| {
        log::error!("[counts] time_zone: {error}; days and hours are told in the system's time zone");
        TimeZone::system()
    })
}

fn line_draft(line: &LineConfig) -> (LineDraft, String) {
    let draft = LineDraft {
        name: line.name.clone(),
        a: line.a,
        b: line.b,
        in_name: line.in_name.clone(),
        out_name: line.out_name.clone(),
        classes: line.classes.clone(),
        anchor: Anchor::parse(line.anchor).unwrap_or_default(),
        recrossing: Recrossing::parse(line.recrossing).unwrap_or_default(),
    };
    (draft, line.origin.clone())
}

fn to_zone_draft(zone: &ZoneConfig) -> (ZoneDraft, String) {
    let draft = ZoneDraft {
        name: zone.name.clone(),
        points: zone.points.clone(),
        classes: zone.classes.clone(),
        anchor: Anchor::parse(zone.anchor).unwrap_or_default(),
        exclude: zone.exclude,
    };
    (draft, zone.origin.clone())
}

/// The factory of the configured detector. It loads nothing before it is called.
pub fn detector_factory(config: DetectConfig, model_store: ModelStore) -> MakeDetector {
    Box::new(move |scene, chosen| {
        // No other model stands in for a named one.
        let is_named = config.model.is_some() || chosen.is_some();
        match config.backend {
            DetectorKind::None => Err(Fault::wrong("counting is switched off").hint("set `detect.backend`")),
            DetectorKind::Auto if scene == Scene::Sim && !is_named => Ok(motion_detector(Vec::new())),
            DetectorKind::Auto if is_named => model_store.detector(&config, chosen),
            DetectorKind::Auto => model_store.detector(&config, None).or_else(|missing| {
                log::warn!("counting: no model is used: {missing}");
                Ok(motion_detector(vec![format!(
                    "Whatever moves is counted, persons are not told from cars: no model is used, for {missing}."
                )]))
            }),
            DetectorKind::Onnx => model_store.detector(&config, chosen),
            DetectorKind::Motion | DetectorKind::Replay if chosen.is_some() => {
                let hint = "set `detect.backend` to \"auto\" or \"onnx\"";
                Err(Fault::wrong("the configuration lets no model look").hint(hint))
            }
            DetectorKind::Motion => Ok(motion_detector(Vec::new())),
            DetectorKind::Replay => replay(&config, scene),
        }
    })
}

fn motion_detector(notes: Vec<String>) -> LoadedDetector {
    LoadedDetector { detector: Box::new(MotionDetector::new()), backend: "motion", notes }
}

fn replay(config: &DetectConfig, scene: Scene) -> Result<LoadedDetector, Fault> {
    const ROWS: &str = "a CSV file of frame, class, score, x1, y1, x2, y2";
    let Some(path) = &config.replay else {
        let hint = format!("set `detect.replay` to {ROWS}");
        return Err(Fault::wrong("no recorded detections are configured").hint(hint));
    };
    let wrong = |error: &dyn std::fmt::Display| {
        Fault::wrong(format!("{}: {error}", path.display())).hint(format!("recorded detections are {ROWS}"))
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let recording = RecordedDetections::read(&text).map_err(|error| wrong(&error))?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
    // The simulation numbers its frames from 0, a clip from 1.
    let first = if scene == Scene::Sim { 0 } else { ReplayOptions::default().first };
    let options = ReplayOptions { first, ..ReplayOptions::default() };
    let detector = ReplayDetector::new(name, recording, options);
    Ok(LoadedDetector { detector: Box::new(detector), backend: "replay", notes: Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use tallycam_camera::media::SmallImage;

    /// SQLite stores a file's version in 4 bytes at offset 60.
    #[test]
    fn a_version_on_trial_upgrades_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.store.directory = Some(folder.path().to_owned());
        close(open(&config, true));
        let file = folder.path().join("counts.db");
        let whole = std::fs::read(&file).unwrap();
        let mut older = whole.clone();
        older[60..64].copy_from_slice(&1u32.to_be_bytes());
        std::fs::write(&file, &older).unwrap();
        let refused = open(&config, true).map(drop).unwrap_err().to_string();
        assert!(refused.contains("on trial"), "{refused}");
        assert_eq!(std::fs::read(&file).unwrap(), older);
        std::fs::write(&file, &whole).unwrap();
        let opened = open(&config, true);
        assert!(opened.is_ok());
        close(opened);
    }

    #[test]
    fn the_state_directory_is_the_configured_one_else_systemds_else_here() {
        let systemds = Some("/var/lib/tallycam:/var/lib/other".into());
        let store = |directory: Option<&str>, unit: Option<&str>| StoreConfig {
            directory: directory.map(PathBuf::from),
            unit: unit.map(PathBuf::from),
        };
        let units = "/var/lib/tallycam-door";
        assert_eq!(directory(&store(Some("/mine"), Some(units)), systemds.clone()), Path::new("/mine"));
        assert_eq!(directory(&store(None, Some(units)), systemds), Path::new("/var/lib/tallycam"));
        assert_eq!(directory(&store(None, Some(units)), Some("".into())), Path::new(units));
        assert_eq!(directory(&store(None, Some(units)), None), Path::new(units));
        assert_eq!(directory(&store(None, None), Some("".into())), Path::new("data"));
        assert_eq!(directory(&store(None, None), None), Path::new("data"));
    }

    #[test]
    fn a_failing_counts_db_is_retried_less_and_less_often() {
        let seconds = Duration::from_secs;
        let waits = |took| [5, 10, 20, 30].map(|waited| retry_delay(seconds(waited), took).as_secs());
        assert_eq!(waits(Duration::ZERO), [10, 20, 30, 30]);
        assert_eq!(waits(seconds(1)), [20, 20, 30, 30]);
        assert_eq!(waits(seconds(9)), [180; 4]);
    }

    #[test]
    fn lines_of_the_file_are_pinned() {
        let line = LineConfig {
            name: String::from("Door"),
            a: [0.1, 0.2],
            b: [0.3, 0.4],
            in_name: String::from("up"),
            out_name: String::from("down"),
            classes: vec![String::from("person")],
            anchor: "center",
            recrossing: "once",
            origin: String::from("config.toml:7"),
        };
        let (draft, origin) = line_draft(&line);
        assert_eq!((draft.anchor, draft.recrossing), (Anchor::Center, Recrossing::Once));
        assert_eq!((draft.in_name.as_str(), origin.as_str()), ("up", "config.toml:7"));
    }

    #[test]
    fn excluded_zones_are_drawn_and_heights_reach_the_counter() {
        let zone = ZoneConfig {
            name: String::from("Screen"),
            points: vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]],
            classes: Vec::new(),
            anchor: "bottom",
            exclude: true,
            origin: String::from("config.toml:7"),
        };
        assert!(
            to_zone_draft(&zone).0.exclude
                && !to_zone_draft(&ZoneConfig { exclude: false, ..zone }).0.exclude
        );
        let detect = DetectConfig { least_height: Some(0.25), ..Config::default().detect };
        let filter = settings(&Config { detect, ..Config::default() }).filter;
        assert_eq!((filter.least_height, filter.most_height), (0.25, None));
        assert_eq!(settings(&Config::default()).filter, Filter::default());
    }

    #[test]
    fn the_simulation_stands_in_only_for_automatic_cameras() {
        for (kind, fallback_to_sim, want) in [
            (SourceKind::Auto, true, true),
            (SourceKind::Auto, false, false),
            (SourceKind::V4l2, true, false),
            (SourceKind::Sim, true, false),
        ] {
            let mut config = Config::default();
            config.source.kind = kind;
            assert_eq!(daemon_settings(&config, fallback_to_sim).may_be_simulated, want, "{kind:?}");
        }
    }

    fn make(detect: &DetectConfig, scene: Scene, chosen: Option<&str>) -> Result<LoadedDetector, Fault> {
        let model_store = ModelStore::in_folder(Path::new("no folder of models"));
        detector_factory(detect.clone(), model_store)(scene, chosen)
    }

    fn with(backend: DetectorKind) -> DetectConfig {
        DetectConfig { backend, ..Config::default().detect }
    }

    #[test]
    fn motion_stands_in_only_for_an_unnamed_model() {
        let auto = with(DetectorKind::Auto);
        let sim = make(&auto, Scene::Sim, None).unwrap();
        assert_eq!((sim.backend, sim.notes.len()), ("motion", 0), "motion is the detector of the simulation");
        let camera = make(&auto, Scene::Camera, None).unwrap();
        assert_eq!((camera.backend, camera.notes.len()), ("motion", 1));
        assert!(camera.notes[0].contains("no model is used"), "{:?}", camera.notes);
        for scene in [Scene::Sim, Scene::Camera] {
            assert!(make(&auto, scene, Some("mine")).is_err());
        }
        let named = DetectConfig { model: Some(String::from("mine")), ..auto };
        assert!(make(&named, Scene::Sim, None).is_err());
        assert!(make(&with(DetectorKind::Onnx), Scene::Camera, None).is_err());
    }

    #[test]
    fn a_configured_detector_ignores_the_chosen_model() {
        let motion = with(DetectorKind::Motion);
        assert_eq!(make(&motion, Scene::Camera, None).unwrap().backend, "motion");
        for backend in [DetectorKind::Motion, DetectorKind::Replay, DetectorKind::None] {
            assert!(make(&with(backend), Scene::Camera, Some("mine")).is_err());
        }
        let config = Config { detect: with(DetectorKind::None), ..Config::default() };
        assert!(!settings(&config).is_on);
    }

    #[test]
    fn recorded_detections_are_read_or_the_error_names_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen.csv");
        let replay = DetectConfig { replay: Some(path.clone()), ..with(DetectorKind::Replay) };
        assert!(make(&replay, Scene::Camera, None).err().unwrap().what.contains("seen.csv"));
        std::fs::write(&path, "1,person,0.9,1,2,3").unwrap();
        assert!(make(&replay, Scene::Camera, None).err().unwrap().what.contains("line 1"));
        std::fs::write(&path, "1,person,0.9,1,2,3,4").unwrap();
        assert_eq!(make(&replay, Scene::Camera, None).unwrap().backend, "replay");
        for (scene, first) in [(Scene::Camera, 1), (Scene::Files, 1), (Scene::Sim, 0)] {
            let mut detector = make(&replay, scene, None).unwrap().detector;
            let mut found = Vec::new();
            let seen = [0, 1, 2].map(|sequence| {
                let image = SmallImage { of: (8, 8), sequence, ..SmallImage::empty() };
                detector.detect(&image, &mut found).unwrap();
                found.len()
            });
            assert_eq!(seen, [0, 1, 2].map(|sequence| usize::from(sequence == first)), "{scene:?}");
        }
        let none = DetectConfig { replay: None, ..replay };
        assert!(make(&none, Scene::Camera, None).is_err());
    }
}
