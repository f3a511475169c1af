//! Applies a changed configuration to the running parts, section by section.
//!
//! Steps that can fail (source, detector, stored rules) come first, and a failure undoes the earlier ones. The others
//! follow. Runs on the main thread; blocking work runs on the runtime's pool.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::external_change::DatabaseSettings;
use crate::daemon::log;
use crate::daemon::parts::counting::detector_factory;
use crate::daemon::parts::models::ModelStore;
use crate::daemon::parts::server::{http_settings, pipeline_settings};
use crate::daemon::parts::{counting, lights, models, picture, recording, source};
use crate::http;
use crate::pipeline::{Counting, Lights, Pipeline, RecorderHandle, SavedControls};
use tallycam_base::Fault;
use tallycam_config::{Config, DetectConfig, Origin, Resolved, SourceConfig};
use tallycam_store::Counts;
use tallycam_store::media::RetentionPlan;

/// Handles of all parts that use the configuration. Clones share them.
#[derive(Debug, Clone)]
pub struct Parts {
    pub pipeline: Pipeline,
    pub counting: Counting,
    /// The installed models.
    pub model_store: ModelStore,
    pub recorder: RecorderHandle,
    pub lights: Lights,
    /// counts.db, if it could be opened.
    pub counts: Option<Counts>,
    /// The server's settings.
    pub http: watch::Sender<Arc<http::ServerSettings>>,
    /// The configuration of the messages to other machines.
    pub outbound: watch::Sender<Arc<Resolved>>,
    /// True if `auto` shows the simulation when no camera is found.
    pub fallback_to_sim: bool,
}

impl Parts {
    /// The settings that are stored in the databases.
    pub fn stored_settings(&self) -> DatabaseSettings {
        DatabaseSettings { recorder: self.recorder.clone(), counts: self.counts.clone() }
    }

    /// Applies `to` in place of `from`.
    ///
    /// # Errors
    /// A step failed; everything is as before.
    pub async fn apply(&self, from: &Resolved, to: &Resolved) -> Result<(), Fault> {
        self.source(from, to).await?;
        if let Err(refused) = self.detector(from, to).await {
            self.log_rollback(self.source(to, from).await);
            return Err(refused);
        }
        let stored = match self.rules(from, to).await {
            Ok(()) => {
                let labelled = self.apply_counts(from, to).await;
                if labelled.is_err() {
                    self.log_rollback(self.apply_counts(to, from).await);
                    self.log_rollback(self.rules(to, from).await);
                }
                labelled
            }
            refused => refused,
        };
        if let Err(refused) = stored {
            self.log_rollback(self.detector(to, from).await);
            self.log_rollback(self.source(to, from).await);
            return Err(refused);
        }
        if let Err(error) = self.turn_lines(from, to).await {
            self.log_rollback(self.apply_counts(to, from).await);
            self.log_rollback(self.rules(to, from).await);
            self.log_rollback(self.detector(to, from).await);
            self.log_rollback(self.source(to, from).await);
            return Err(error);
        }
        self.notify_changed(from, to);
        Ok(())
    }

    /// Moves lines and zones along when the shown picture is rotated, mirrored or cropped. Otherwise counts.db is not
    /// asked, so that settings that free space work on a full disk too.
    async fn turn_lines(&self, from: &Resolved, to: &Resolved) -> Result<(), Fault> {
        let [before, after] = [from, to].map(|settings| picture::view(&settings.config).geometry());
        let Some(counts) = self.counts.as_ref().filter(|_| after != before) else { return Ok(()) };
        let moved = counts.follow_picture(after).await;
        moved.map(drop).map_err(|error| {
            Fault::passing(format!("lines and zones could not be moved along with the picture: {error}"))
        })
    }

    /// Applies the camera's name in every row, the time zone and the start of a day.
    async fn apply_counts(&self, from: &Resolved, to: &Resolved) -> Result<(), Fault> {
        let (before, after) = (counting::store_settings(&from.config), counting::store_settings(&to.config));
        let is_renamed = before.camera != after.camera;
        let is_moved = (&before.zone, before.day_starts) != (&after.zone, after.day_starts);
        if let Some(counts) = &self.counts {
            if is_moved {
                counts.set_calendar(after.zone.clone(), after.day_starts).await?;
            }
            if is_renamed {
                counts.set_camera(after.camera.clone()).await?;
            }
        }
        if let (Ok(media), true) = (self.recorder.media(), is_moved || is_renamed) {
            media.set_camera_and_zone(after.camera, after.zone);
        }
        Ok(())
    }

    /// Applies changed rules of the operator's file, and the page's where the file has none any more. Blocks while it
    /// reads a small file.
    pub fn apply_retention_rules(&self, to: &Resolved) {
        if let Ok(media) = self.recorder.media() {
            media.set_retention(recording::retention(&to.config));
            recording::apply_saved_rules(media, &recording::pinned_keys(to));
        }
    }

    /// Draws changed lines and zones of the operator's file.
    pub async fn draw(&self, from: &Config, to: &Config) {
        if (&from.lines, &from.zones) == (&to.lines, &to.zones) {
            return;
        }
        if let Some(counts) = self.counts.clone() {
            let config = to.clone();
            // `pin` logs its errors.
            let _ = spawn_blocking(move || counting::pin(&counts, &config)).await;
        }
    }

    async fn source(&self, from: &Resolved, to: &Resolved) -> Result<(), Fault> {
        if opening_settings(&from.config.source) == opening_settings(&to.config.source) {
            return Ok(());
        }
        let opener = source::make_opener(&to.config.source, self.fallback_to_sim)?;
        // Set first, so that the new source gets its controls as soon as it opens.
        self.pipeline.set_saved_controls(saved_controls(&to.config));
        let replaced = self.pipeline.replace_source(opener).await;
        if replaced.is_err() {
            self.pipeline.set_saved_controls(saved_controls(&from.config));
        }
        Ok(replaced?)
    }

    async fn detector(&self, from: &Resolved, to: &Resolved) -> Result<(), Fault> {
        let (before, after) = (effective_detector(from), effective_detector(to));
        let (was_pinned, is_pinned) = (models::pinned_origin(from), models::pinned_origin(to));
        let is_another = before != after || was_pinned != is_pinned;
        let settings_of =
            |resolved: &Resolved| counting::daemon_settings(&resolved.config, self.fallback_to_sim);
        let (settings_before, settings) = (settings_of(from), settings_of(to));
        let is_told = is_another || settings != settings_before;
        if is_told {
            self.model_store.set_pinned(is_pinned);
            let make = is_another.then(|| detector_factory(after, self.model_store.clone()));
            if let Err(refused) = self.counting.set_settings(settings, make).await {
                self.model_store.set_pinned(was_pinned);
                return Err(refused);
            }
        }
        // A model that the page chose is stored in counts.db; the operator's is part of the detector's settings.
        let chosen = |resolved: &Resolved| match resolved.origin("detect.model") {
            Some(Origin::Page { line: 0, .. }) => resolved.config.detect.model.clone(),
            _ => None,
        };
        let (was, is) = (chosen(from), chosen(to));
        let may_choose = !to.origin("detect.model").is_some_and(Origin::is_operators);
        if was == is || !may_choose {
            return Ok(());
        }
        let Err(refused) = self.counting.use_model(is).await else { return Ok(()) };
        if is_told {
            self.model_store.set_pinned(was_pinned);
            let make = is_another.then(|| detector_factory(before, self.model_store.clone()));
            self.log_rollback(self.counting.set_settings(settings_before, make).await);
        }
        Err(refused)
    }

    async fn rules(&self, from: &Resolved, to: &Resolved) -> Result<(), Fault> {
        let rules = recording::retention(&to.config);
        if rules == recording::retention(&from.config) {
            return Ok(());
        }
        let Ok(media) = self.recorder.media() else {
            let what = "the rules for what is kept are in media.db, which could not be opened";
            return Err(Fault::passing(what).hint("`tallycam check` says what is wrong with it"));
        };
        Ok(media.save_retention(rules).await?)
    }

    /// The items that the rules of `to` would delete beyond those in force.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn deletions(&self, to: &Resolved) -> Result<RetentionPlan, Fault> {
        let Ok(media) = self.recorder.media().cloned() else { return Ok(RetentionPlan::default()) };
        let rules = recording::retention(&to.config);
        if rules == media.retention() {
            return Ok(RetentionPlan::default());
        }
        let looked = spawn_blocking(move || media.deletions(&rules)).await;
        Ok(looked.map_err(|panicked| Fault::passing(panicked.to_string()))??)
    }

    /// Applies the settings that cannot fail.
    fn notify_changed(&self, from: &Resolved, to: &Resolved) {
        let (before, after) = (&from.config, &to.config);
        if before.log.level != after.log.level {
            log::set_level(after.log.level);
            ::log::info!("log.level is now {}", after.log.level.as_str().to_lowercase());
        }
        if pipeline_settings(before) != pipeline_settings(after) {
            self.pipeline.set_settings(pipeline_settings(after));
        }
        if saved_controls(before) != saved_controls(after) {
            self.pipeline.set_saved_controls(saved_controls(after));
        }
        // An equal view changes nothing.
        self.pipeline.set_view(picture::view(after));
        if before.lights != after.lights {
            self.lights.set(lights::settings(after));
        }
        self.recorder.set_settings(recording::settings(after));
        if from != to {
            self.outbound.send_replace(Arc::new(to.clone()));
        }
        self.http.send_if_modified(|now| {
            let settings = server_settings(to);
            let is_another = **now != settings;
            if is_another {
                *now = Arc::new(settings);
            }
            is_another
        });
    }

    fn log_rollback(&self, undone: Result<(), Fault>) {
        if let Err(refused) = undone {
            ::log::error!("what was in force could not be put in force again: {refused}");
        }
    }
}

/// The server's settings, with the retention keys that the operator pins.
pub fn server_settings(resolved: &Resolved) -> http::ServerSettings {
    http::ServerSettings {
        pinned_retention: recording::pinned_keys(resolved),
        ..http_settings(&resolved.config)
    }
}

/// The camera controls to set after every open.
pub fn saved_controls(config: &Config) -> SavedControls {
    SavedControls {
        pinned: config.source.controls.iter().cloned().collect(),
        cameras: config.controls.clone(),
    }
}

/// The keys of `[source]` that decide what is opened, and how. The others are at their defaults.
fn opening_settings(source: &SourceConfig) -> SourceConfig {
    let usual = Config::default().source;
    SourceConfig {
        silent_after: usual.silent_after,
        failed_reads: usual.failed_reads,
        controls: Vec::new(),
        ..source.clone()
    }
}

/// The settings that decide which detector is made. A model that the page chose is left out: `detector` passes it
/// separately.
fn effective_detector(resolved: &Resolved) -> DetectConfig {
    let usual = Config::default().detect;
    let detect = resolved.config.detect.clone();
    let is_chosen = matches!(resolved.origin("detect.model"), Some(Origin::Page { line: 0, .. }));
    DetectConfig {
        model: detect.model.filter(|_| !is_chosen),
        // The counter uses these keys, not the detector.
        fps: usual.fps,
        classes: usual.classes,
        score: usual.score,
        least_height: usual.least_height,
        most_height: usual.most_height,
        thumbnails: usual.thumbnails,
        movement_map: usual.movement_map,
        ..detect
    }
}
