//! Makes, replaces and releases the detector, and sets its rate.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::{Detect, MAKING_TAKES, MODEL_FPS, MOTION_FPS, MadeFor};
use crate::pipeline::counting::inference::Watch;
use crate::pipeline::counting::shared::{CountingRequest, DetectionTimes, DetectorRequest};
use crate::pipeline::counting::{CountingSettings, MakeDetector};
use crate::pipeline::rate::RateLimit;
use tallycam_base::Fault;
use tallycam_store::Scene;

impl Detect<'_> {
    pub(super) fn can_make_watch(&self, wanted: &MadeFor) -> bool {
        let now = Instant::now();
        self.refused.as_ref().is_none_or(|refused| refused.made_for != *wanted || refused.again_at <= now)
            && self.remake_at.is_none_or(|at| at <= now)
    }

    pub(super) fn make_watch(&mut self, scene: Scene, chosen: Option<&str>) -> Result<Watch, Fault> {
        self.clear_results();
        self.publish_loading();
        self.try_make_watch(scene, chosen)
    }

    /// Like `make_watch`, but keeps the results and the published status.
    pub(super) fn try_make_watch(&mut self, scene: Scene, chosen: Option<&str>) -> Result<Watch, Fault> {
        if let Some((_, watch)) = &self.watch {
            self.highest_track = watch.highest_track_id();
        }
        self.beat.beat_with_extension(MAKING_TAKES);
        let began = Instant::now();
        let make = &mut self.make;
        let made = catch_unwind(AssertUnwindSafe(|| make(scene, chosen)));
        let made = made.unwrap_or_else(|_| {
            Err(Fault::wrong("the detector could not be made: tallycam made a mistake")
                .hint("please report the lines of the log before this"))
        })?;
        let watch = Watch::new(made, &self.shared.settings(), self.highest_track)?;
        self.beat.beat();
        log::info!("detector ready: {} ({}), after {:?}", watch.name, watch.backend, began.elapsed());
        Ok(watch)
    }

    pub(super) fn install_watch(&mut self, made_for: MadeFor, watch: Watch) {
        {
            let mut figures = self.shared.lock_figures();
            let status = &mut figures.status;
            status.backend = watch.backend;
            status.model.clone_from(&watch.name);
            status.labels = watch.class_names().iter().map(|name| name.to_string()).collect();
            status.tells_classes = watch.tells_classes;
            figures.times = DetectionTimes::default();
        }
        self.watch = Some((made_for, watch));
        self.set_pace();
        self.working_since = Instant::now();
        self.drawn.told = None;
        (self.refused, self.remake_at, self.failing) = (None, None, None);
    }

    /// Limits detections to the rate that is configured for this detector.
    pub(super) fn set_pace(&mut self) {
        let is_motion = self.watch.as_ref().is_some_and(|(_, watch)| watch.backend == "motion");
        let usual = if is_motion { MOTION_FPS } else { MODEL_FPS };
        self.limit = RateLimit::new(self.shared.settings().fps.unwrap_or(usual));
    }

    /// Drops the detector. It may have panicked, and may panic again.
    pub(super) fn release_watch(&mut self) {
        let told = catch_unwind(AssertUnwindSafe(|| {
            self.end_stays();
            self.record_movement(None);
        }));
        if told.is_err() {
            log::error!("counting: the detector panicked when its stays were ended");
        }
        if let Some((_, watch)) = self.watch.take() {
            self.highest_track = watch.highest_track_id();
            if catch_unwind(AssertUnwindSafe(|| drop(watch))).is_err() {
                log::error!("counting: the detector panicked when it was let go");
            }
        }
    }

    /// Applies a change at once, so that its caller gets the result.
    pub(super) fn handle(&mut self, request: CountingRequest) {
        let answer = match request.wanted {
            DetectorRequest::Model(name) => self.change_model(name),
            DetectorRequest::Settings(settings, make) => self.change_settings(settings, make),
        };
        // The caller may be gone.
        let _ = request.answer.send(answer);
    }

    pub(super) fn change_model(&mut self, name: Option<String>) -> Result<(), Fault> {
        if !self.shared.settings().is_on {
            let hint = "set `detect.backend` to \"auto\"";
            return Err(Fault::wrong("counting is switched off").hint(hint));
        }
        let watch = self.make_watch(self.scene, name.as_deref())?;
        self.release_watch();
        self.chosen.clone_from(&name);
        self.install_watch((self.scene, name), watch);
        Ok(())
    }

    /// Makes another detector, or one for other classes, before the current one is dropped. Also makes one that was
    /// not needed so far, as a test; makes none if counting is off.
    pub(super) fn change_settings(
        &mut self,
        settings: CountingSettings,
        make: Option<MakeDetector>,
    ) -> Result<(), Fault> {
        let before = self.shared.settings();
        let is_watch_another = make.is_some()
            || settings.classes != before.classes
            || settings.score != before.score
            || settings.region != before.region
            || settings.filter != before.filter;
        let is_needed = make.is_some() || self.watch.is_some();
        let settings = Arc::new(settings);
        self.shared.set_settings(Arc::clone(&settings));
        let make_before = make.map(|make| std::mem::replace(&mut self.make, make));
        self.switch_scene(self.current_scene());
        if !settings.is_on {
            self.release_watch();
            self.clear_results();
        } else if is_watch_another && is_needed {
            let chosen = self.chosen.clone();
            match self.make_watch(self.scene, chosen.as_deref()) {
                Ok(watch) => {
                    self.release_watch();
                    self.install_watch((self.scene, chosen), watch);
                }
                Err(refused) => {
                    self.shared.set_settings(before);
                    if let Some(make) = make_before {
                        self.make = make;
                    }
                    self.switch_scene(self.current_scene());
                    return Err(refused);
                }
            }
        } else {
            self.set_pace();
            self.record_movement(None);
            let is_mapped = self.shared.settings().movement_map;
            self.watch.iter_mut().for_each(|(_, watch)| watch.set_movement_map(is_mapped));
        }
        self.refused = None;
        Ok(())
    }
}
