//! `tallycam serve --advise`: the child of the service that tries changes on the recording of a check.
//!
//! Prints the share that is done, line by line, and the advice as JSON in the last line.

use rustix::process::setpriority_process;

use crate::cli::counting::counts::store_failure;
use crate::cli::counting::recount::{detector, recount_failure};
use crate::cli::{ConfigArgs, Failure, media, write_stdout};
use crate::daemon::counting::{settings, store_settings};
use crate::daemon::models::configured_model;
use crate::daemon::picture;
use crate::pipeline::counting::{MODEL_FPS, MOTION_FPS};
use crate::pipeline::recount::{RecountPlan, count_recording};
use tallycam_store::{CountsReader, EditError, MOST_TRIED_FPS};

/// Frames before the check, so that its first crossings are tracked. Microseconds.
const BEFORE_US: u64 = 10_000_000;
const AFTER_US: u64 = 5_000_000;
const NICE: i32 = 19;
/// More detections per second of an hour would not be kept.
const MOST_FPS: f64 = 25.0;

/// Tries changes for the check with this number on the recording with that number.
pub fn run(given: &ConfigArgs, check: u64, recording: u64) -> Result<(), Failure> {
    // The service's own detections come first.
    let _ = setpriority_process(None, NICE);
    // Where memory runs out, the kernel ends this process and not the service. Every process may ask for that.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let resolved = given.load()?;
    let pinned = configured_model(None, &resolved);
    let config = resolved.config;
    let counts_db = CountsReader::open(&store_settings(&config)).map_err(store_failure)?;
    let unknown = || Failure::failed(EditError::Unknown { what: "check", id: check }.to_string());
    let stored = counts_db.checked(check).map_err(store_failure)?.ok_or_else(unknown)?;
    let taps = counts_db.check_taps(check).map_err(store_failure)?.ok_or_else(unknown)?;
    let media = media::reader(&config)?;
    let item = media.item(recording).map_err(media::store_failure)?;
    let mut lines = counts_db.lines().map_err(store_failure)?;
    lines.retain(|line| line.id == stored.line_id);
    let made = detector(None, &config, pinned.as_deref(), &counts_db, stored.scene)?;
    let usual = if made.backend == "motion" { MOTION_FPS } else { MODEL_FPS };
    let settings = settings(&config);
    let rate = settings.fps.unwrap_or(usual).min(MOST_FPS);
    let rate = stored.setup.rate.map_or(rate, |then| then.min(rate));
    let plan = RecountPlan {
        settings: &settings,
        lines: &lines,
        scene: stored.scene,
        fps: Some(MOST_TRIED_FPS.max(rate)),
        geometry: picture::view(&config).geometry(),
        within_us: (stored.from_us.saturating_sub(BEFORE_US), stored.to_us + AFTER_US),
        tried: Some(stored.line_id),
    };
    let share = |done: u64, all: u64| {
        let _ = write_stdout(format!("{:.3}\n", done as f64 / all.max(1) as f64).as_bytes());
    };
    let counted = count_recording(&media, &item, made, &plan, share);
    let counted = counted.map_err(|error| recount_failure(&item, &lines, error))?;
    let mut trial = counted.trial.ok_or_else(unknown)?;
    trial.rate = Some(rate);
    let advice = taps.advise(recording, &trial);
    let text = serde_json::to_string(&advice).map_err(|error| Failure::failed(error.to_string()))?;
    write_stdout(format!("{text}\n").as_bytes())
}
