//! The camera's lens: its position, the sharpness of its pictures, and the sweep for the sharpest position.
//!
//! ```text
//!           read, set ──────► Pipeline::controls, set_controls ──► capture thread ──► camera
//!  sweep ──► set ── settle ── pictures captured after it ──► sharpness (on tokio's pool) ──► lens::Sweep ──► set …
//! ```
//!
//! Invariants: Only one sweep runs at a time. A sweep leaves the lens at the sharpest position, or where it was
//! before. Sharpness is computed only on request, once for all requesters, and never on the capture thread. Every
//! other change of the lens, by a set control or a saved value, ends a sweep and wins. Runs in the tasks of the
//! callers.

mod cancel;
mod figure;
mod under_way;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::commands::{CameraControls, ControlsError, WantedControls};
use super::{CameraState, Pipeline};
use figure::Figure;
use tallycam_base::{ClockTime, Fault, FaultKind, Stop};
pub use tallycam_camera::lens::Move;
use tallycam_camera::lens::{Drive, LensChange, Sweep, SweepResult};
use tallycam_camera::media::Geometry;
use tallycam_camera::media::{ControlValue, Picture};
use tallycam_config::LensKind;
pub(super) use under_way::UnderWay;

/// Maximum age of controls for readers: reading a control is a transfer on the camera's bus.
const FRESH: Duration = Duration::from_secs(1);

/// Timeout for an original, if viewers see another picture.
const ORIGINAL_WITHIN: Duration = Duration::from_secs(1);

/// Timeout for the first picture of an idle camera.
const WAKES_WITHIN: Duration = Duration::from_secs(20);

/// Number of pictures measured at a position; their mean counts.
const PICTURES: u32 = 2;

/// Waiting times of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FocusSettings {
    /// Time after a move without measurements, because the lens swings and earlier frames are still on their way.
    pub settle: Duration,
    /// A picture that takes longer than this ends the sweep.
    pub picture_within: Duration,
}

impl Default for FocusSettings {
    fn default() -> FocusSettings {
        FocusSettings { settle: Duration::from_millis(150), picture_within: Duration::from_secs(5) }
    }
}

/// The lens of a pipeline's camera. Clones share it.
#[derive(Debug, Clone)]
pub struct Focus(Arc<FocusInner>);

#[derive(Debug)]
struct FocusInner {
    pipeline: Pipeline,
    settings: FocusSettings,
    /// Time and result of the last reading.
    known: Mutex<Option<(Instant, Result<CameraControls, ControlsError>)>>,
    /// Held while a picture is measured, so that later requests for it find the result.
    figure: Arc<tokio::sync::Mutex<Figure>>,
    ended: Mutex<Option<SweepEnd>>,
    turn: tokio::sync::Mutex<()>,
}

/// Status of the lens.
#[derive(Debug, Clone, PartialEq)]
pub struct LensStatus {
    /// The reason why it cannot be focused from here; `None` if it can.
    pub reason: Option<String>,
    /// Position, 0 (far) to 1 (near), if known.
    pub position: Option<f64>,
    /// True if autofocus is on; `None` if there is none.
    pub auto: Option<bool>,
    /// The lens can be sent to a position.
    pub has_position: bool,
    /// The lens can be moved manually.
    pub is_movable: bool,
    /// Middle of the area that autofocus measures, 0…1 of the shown picture. The inner `None` is the whole picture;
    /// the outer `None` means that the camera has no such setting.
    pub window: Option<Option<[f64; 2]>>,
    /// Measured positions of the current sweep, and their maximum number.
    pub sweep: Option<(u32, u32)>,
    /// Result of the last sweep.
    pub ended: Option<SweepEnd>,
}

/// Result of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepEnd {
    /// The lens is at the sharpest position.
    Found {
        /// The position, 0–1.
        position: f64,
    },
    /// The sharpest position was not found.
    NotFound {
        /// The reason, a sentence.
        why: String,
        /// Final position of the lens.
        lens: LensAfterSweep,
    },
}

/// Why a cancelled sweep has found nothing.
pub const CANCELLED: &str = "The sweep was ended.";

/// Why a sweep that could not go on has found nothing.
fn unfinished(cause: &str) -> String {
    format!("The sweep came to no end: {cause}.")
}

/// The same, if the camera refused a position. Users below operator see the result of a sweep, too.
fn not_set(error: ControlsError) -> String {
    match error {
        ControlsError::Camera(trouble) => unfinished(trouble.kind.public_message().trim_end_matches('.')),
        error => unfinished(&error.to_string()),
    }
}

/// Position of the lens after a sweep without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensAfterSweep {
    /// At its previous position.
    Back,
    /// At the position of another request.
    Sent,
    /// Unknown: the lens could not be restored.
    Astray,
    /// Another camera is present, whose lens was not touched.
    Other,
}

impl SweepEnd {
    /// The result in a sentence or two.
    pub fn describe(&self) -> String {
        match self {
            SweepEnd::Found { position } => format!("It is sharpest at {position:.2}."),
            SweepEnd::NotFound { why, lens } => {
                let lens = match lens {
                    LensAfterSweep::Back => "is where it was",
                    LensAfterSweep::Sent => "is where it was sent meanwhile",
                    LensAfterSweep::Astray => "could not be brought back to where it was",
                    LensAfterSweep::Other => "of the camera that is there now was left alone",
                };
                format!("{why} The lens {lens}.")
            }
        }
    }
}

/// The lens was not moved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FocusError {
    /// The camera has no lens that can be moved from here.
    #[error("the lens cannot be focused from here: {0}")]
    Unsupported(String),
    /// The camera did not move it.
    #[error(transparent)]
    Controls(#[from] ControlsError),
    /// This lens cannot move like that, or a sweep is already in progress.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A planned change of the lens and its camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The camera's permanent identity.
    pub identity: Option<String>,
    /// The values to set and to save.
    pub change: LensChange,
    /// The values that restore the current position.
    pub before: Vec<ControlValue>,
}

impl Planned {
    /// The argument for [`Focus::set`].
    pub fn controls(&self) -> WantedControls {
        WantedControls { identity: self.identity.clone(), values: self.change.values.clone() }
    }
}

impl Focus {
    /// The lens of `pipeline`'s camera.
    pub fn new(pipeline: Pipeline, settings: FocusSettings) -> Focus {
        Focus(Arc::new(FocusInner {
            pipeline,
            settings,
            known: Mutex::default(),
            figure: Arc::default(),
            ended: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// The status of the lens. The camera is read at most once a second.
    pub async fn status(&self, kind: LensKind) -> LensStatus {
        let drive = self.find_drive(kind, true).await.map(|(drive, _)| drive);
        let ended = self.lock_sweep_end().clone();
        let sweep = self.0.pipeline.shared.sweep.borrow().as_ref().map(|sweep| (sweep.done, sweep.of));
        let (reason, drive) = match drive {
            Ok(drive) => (None, Some(drive)),
            Err(FocusError::Unsupported(reason)) => (Some(reason), None),
            Err(other) => (Some(other.to_string()), None),
        };
        let drive = drive.as_ref();
        LensStatus {
            reason,
            position: drive.and_then(Drive::position),
            auto: drive.and_then(Drive::auto),
            has_position: drive.is_some_and(Drive::has_position),
            is_movable: drive.is_some_and(Drive::is_movable),
            window: drive
                .and_then(Drive::window)
                .map(|at| at.map(|at| self.shown_geometry().from_source(at))),
            sweep,
            ended,
        }
    }

    /// Sharpness of the newest live picture, within its shown part. `None` without a picture, or if it is too dark.
    ///
    /// Computed on tokio's pool, once per picture, from the original: an overlay in the shown picture is sharp at any
    /// position of the lens.
    pub async fn sharpness(&self) -> Option<f64> {
        if *self.0.pipeline.shared.state.borrow() != CameraState::Live {
            return None;
        }
        let newest = self.0.pipeline.newest().filter(|picture| !picture.is_card)?;
        // The same picture, or one that is made because of this subscription.
        let mut pictures = self.0.pipeline.originals().subscribe();
        loop {
            let picture = timeout(ORIGINAL_WITHIN, pictures.next()).await.ok()??;
            if !picture.is_card && picture.stamp.monotonic_us >= newest.stamp.monotonic_us {
                return self.sharpness_of(picture).await;
            }
        }
    }

    /// Plans the values for `request`, based on the current position. During a sweep the position to restore is the
    /// base. The sweep continues until [`Focus::set`] is called; it restores the lens only if that does not happen.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn plan(&self, kind: LensKind, request: Move) -> Result<Planned, FocusError> {
        let sweep = || self.0.pipeline.shared.sweep.borrow().clone();
        let was_swept = sweep().is_some();
        let (mut drive, mut identity) = self.find_drive(kind, false).await?;
        // A caller that sets it at once does so during this same sweep.
        match sweep() {
            Some(sweep) if sweep.identity == identity => drive = sweep.back,
            // The sweep belongs to a camera that was replaced.
            Some(_) => {
                self.cancel_sweep().await;
                (drive, identity) = self.find_drive(kind, false).await?;
            }
            // The position was read during the sweep.
            None if was_swept => (drive, identity) = self.find_drive(kind, false).await?,
            None => {}
        }
        Ok(Planned { identity, change: drive.change(request)?, before: drive.current_values() })
    }

    /// The values that make autofocus measure the area around `at`, 0…1 of the shown picture; `None` for the whole
    /// picture.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn autofocus_at(
        &self,
        kind: LensKind,
        at: Option<[f64; 2]>,
    ) -> Result<Vec<ControlValue>, FocusError> {
        let (drive, _) = self.find_drive(kind, false).await?;
        Ok(drive.focus_on(at.map(|at| self.shown_geometry().to_source(at)))?)
    }

    /// Discards the read controls, because they have changed.
    pub fn invalidate(&self) {
        *self.lock_known() = None;
    }

    fn shown_geometry(&self) -> Geometry {
        self.0.pipeline.view().borrow().geometry()
    }

    /// Checks that there is a lens to control.
    ///
    /// # Errors
    /// [`FocusError`] if there is none.
    pub async fn require_lens(&self, kind: LensKind) -> Result<(), FocusError> {
        self.find_drive(kind, true).await.map(drop)
    }

    /// Checks that this lens supports `request`.
    ///
    /// # Errors
    /// [`FocusError`] if it does not.
    pub async fn check_move(&self, kind: LensKind, request: Move) -> Result<(), FocusError> {
        let (drive, _) = self.find_drive(kind, true).await?;
        Ok(drive.change(request).map(drop)?)
    }

    /// Sets planned values on the camera without saving them. Ends a current sweep.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn set(&self, wanted: WantedControls) -> Result<(), ControlsError> {
        let set = self.0.pipeline.set_controls(wanted).await;
        *self.lock_known() = None;
        set.map(drop)
    }

    /// Starts a sweep, which [`Sweeping::run`] performs.
    ///
    /// # Errors
    /// [`FocusError`], for example if a sweep is in progress.
    pub async fn start_sweep(&self, kind: LensKind) -> Result<Sweeping, FocusError> {
        let (drive, identity) = self.find_drive(kind, false).await?;
        let Some(last) = drive.last_place() else {
            return Err(drive.no_place().into());
        };
        let search = Sweep::new(0, last, 1);
        let cancel = Stop::new();
        let new = UnderWay {
            done: 0,
            of: search.places_total(),
            cancel: cancel.clone(),
            identity: identity.clone(),
            back: drive.clone(),
            is_sent: false,
            is_taken_over: false,
        };
        let begun = self.0.pipeline.shared.sweep.send_if_modified(|now| {
            let is_free = now.is_none();
            if is_free {
                *now = Some(new);
            }
            is_free
        });
        if !begun {
            let hint = "any move of the lens ends it. `DELETE /api/v1/lens/sweep` does so, too";
            return Err(Fault::new(FaultKind::Busy, "a focus sweep is under way").hint(hint).into());
        }
        Ok(Sweeping { focus: self.clone(), drive, identity, search, cancel, has_moved: false })
    }

    /// Ends the current sweep, and waits until the lens is restored. Returns true if there was one.
    pub async fn cancel_sweep(&self) -> bool {
        self.0.pipeline.end_sweep(false, |_| true).await.is_some()
    }

    /// A lock for setting and saving controls, or for starting a sweep. Hold it until the values are saved or the
    /// sweep has started; otherwise an earlier saved change could disturb a later sweep. The sweep itself does not
    /// take it.
    pub async fn lock_controls(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// Records that the found position could not be saved, for the reason `why`, so that the lens is restored. Call
    /// it before the sweep is over.
    pub fn record_not_saved(&self, why: &str) {
        *self.lock_sweep_end() =
            Some(SweepEnd::NotFound { why: unfinished(why), lens: LensAfterSweep::Back });
    }

    /// The controls that move the lens. With `may_be_known` they may be a second old.
    async fn find_drive(
        &self,
        kind: LensKind,
        may_be_known: bool,
    ) -> Result<(Drive, Option<String>), FocusError> {
        let unsupported = |why: &str| Err(FocusError::Unsupported(why.to_owned()));
        match kind {
            LensKind::None => return unsupported("`lens.kind = \"none\"` says that it is set by hand"),
            LensKind::Auto | LensKind::V4l2 | LensKind::Sim => {}
        }
        let known = self.lock_known().clone().filter(|(read, _)| may_be_known && read.elapsed() < FRESH);
        let controls = match known {
            Some((_, controls)) => controls,
            None => {
                let pipeline = &self.0.pipeline;
                let controls =
                    if may_be_known { pipeline.recent_controls().await } else { pipeline.controls().await };
                *self.lock_known() = Some((Instant::now(), controls.clone()));
                controls
            }
        }?;
        let is_simulated = controls.identity.as_deref() == Some(SIMULATED);
        match kind {
            LensKind::Sim if !is_simulated => {
                return unsupported("`lens.kind = \"sim\"` is for the simulated scene");
            }
            LensKind::V4l2 if is_simulated => {
                return unsupported(
                    "`lens.kind = \"v4l2\"` is for a camera, and this is the simulated scene",
                );
            }
            _ => {}
        }
        let drive = Drive::from_controls(&controls.controls).ok_or_else(|| {
            FocusError::Unsupported(format!("{} has no control that focuses it", controls.camera))
        })?;
        Ok((drive, controls.identity))
    }

    async fn sharpness_of(&self, picture: Picture) -> Option<f64> {
        let shown = self.shown_geometry();
        let mut figure = Arc::clone(&self.0.figure).lock_owned().await;
        spawn_blocking(move || figure.sharpness(&picture, shown)).await.ok()?
    }

    fn lock_known(&self) -> MutexGuard<'_, Option<(Instant, Result<CameraControls, ControlsError>)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sweep_end(&self) -> MutexGuard<'_, Option<SweepEnd>> {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Identity of the simulation.
const SIMULATED: &str = "sim";

/// A sweep in progress until this is dropped; cancelling it waits for that. If dropped early, it leaves the lens at
/// its position.
#[derive(Debug)]
pub struct Sweeping {
    focus: Focus,
    drive: Drive,
    identity: Option<String>,
    search: Sweep,
    cancel: Stop,
    has_moved: bool,
}

impl Sweeping {
    /// The plans for both ends of the lens, for callers that check permissions before a sweep.
    pub fn end_plans(&self) -> [Planned; 2] {
        [i64::MIN, i64::MAX].map(|at| Planned {
            identity: self.identity.clone(),
            change: self.drive.move_to(at),
            before: self.drive.current_values(),
        })
    }

    /// Runs the sweep to its end. Returns the plan to save if it has found the sharpest position; the lens is there
    /// then.
    pub async fn run(&mut self) -> Option<Planned> {
        let _demand = self.focus.0.pipeline.demand();
        let (end, planned) = match self.find().await {
            Ok(at) => {
                let position = self.drive.share_of_place(at).unwrap_or_default();
                let (change, before) = (self.drive.move_to(at), self.drive.current_values());
                let planned = Planned { identity: self.identity.clone(), change, before };
                (SweepEnd::Found { position }, Some(planned))
            }
            Err(why) => (SweepEnd::NotFound { why, lens: self.restore_lens().await }, None),
        };
        log::info!("focus sweep, {} places looked at: {}", self.search.places_done(), end.describe());
        *self.focus.lock_sweep_end() = Some(end);
        planned
    }

    /// Finds the sharpest position and moves the lens there.
    async fn find(&mut self) -> Result<i64, String> {
        self.unless_cancelled(self.first_picture()).await?;
        while let Some(at) = self.search.next_place() {
            self.has_moved = true;
            let sharpness = self.unless_cancelled(self.measure_at(at)).await?;
            self.search.record_sharpness(sharpness);
            self.focus.0.pipeline.shared.sweep.send_modify(|now| {
                if let Some(now) = now {
                    now.done = self.search.places_done();
                }
            });
        }
        let SweepResult::At(at) = self.search.result() else {
            return Err(
                "No place is sharper than another: is there something to see, and light on it?".into()
            );
        };
        self.set(self.drive.move_to(at).values).await.map_err(not_set)?;
        // A position requested meanwhile wins over the found one.
        if self.cancel.is_set() {
            return Err(CANCELLED.into());
        }
        // A move during saving starts from this position.
        let place = self.drive.move_to(at).values;
        self.focus.0.pipeline.shared.sweep.send_modify(|now| {
            if let Some(now) = now {
                for value in &place {
                    now.back.record_value(&value.name, Some(value.value));
                }
            }
        });
        Ok(at)
    }

    /// Restores the previous position, or the one saved since, unless the caller that ended the sweep moves the lens.
    async fn restore_lens(&self) -> LensAfterSweep {
        // An unmoved lens is still at its previous position.
        let mut stands = (!self.has_moved).then(|| self.drive.clone());
        loop {
            let Some(now) = self.focus.0.pipeline.shared.sweep.borrow().clone() else {
                return LensAfterSweep::Back;
            };
            if now.is_taken_over {
                return LensAfterSweep::Sent;
            }
            if stands.as_ref() == Some(&now.back) {
                return if now.is_sent { LensAfterSweep::Sent } else { LensAfterSweep::Back };
            }
            match self.set(now.back.current_values()).await {
                Ok(()) => {}
                Err(ControlsError::OtherCamera) => return LensAfterSweep::Other,
                Err(error) => {
                    log::warn!("the focus position was not restored after a sweep: {error}");
                    return LensAfterSweep::Astray;
                }
            }
            // Another position may have been requested meanwhile.
            stands = Some(now.back);
        }
    }

    /// Sets the lens's controls without ending the sweep, and only on its camera.
    async fn set(&self, values: Vec<ControlValue>) -> Result<(), ControlsError> {
        let wanted = WantedControls { identity: self.identity.clone(), values };
        let set = self.focus.0.pipeline.set_in_sweep(wanted).await;
        *self.focus.lock_known() = None;
        set.map(drop)
    }

    async fn unless_cancelled<T>(&self, step: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        tokio::select! {
            biased;
            () = self.cancel.stopped() => Err(CANCELLED.into()),
            done = step => done,
        }
    }

    /// Waits for the first picture of the camera.
    async fn first_picture(&self) -> Result<(), String> {
        // This is no snapshot, so it gets no light.
        match self.focus.0.pipeline.snapshot_in_current_light(WAKES_WITHIN).await {
            Ok(_) => Ok(()),
            Err(none) => Err(unfinished(&format!("there is no live picture ({})", none.state.headline()))),
        }
    }

    /// Mean sharpness with the lens at the position `at`.
    async fn measure_at(&self, at: i64) -> Result<f64, String> {
        self.set(self.drive.move_to(at).values).await.map_err(not_set)?;
        let FocusInner { pipeline, settings, .. } = &*self.focus.0;
        let settled_us = ClockTime::now().monotonic_us + settings.settle.as_micros() as u64;
        let mut pictures = pipeline.originals().subscribe();
        let (mut sum, mut count) = (0.0, 0);
        while count < PICTURES {
            let picture = match timeout(settings.settle + settings.picture_within, pictures.next()).await {
                Ok(Some(picture)) => picture,
                Ok(None) => return Err(unfinished("tallycam is stopping")),
                Err(_) => return Err(unfinished("no picture came in time")),
            };
            if picture.is_card {
                let state = pipeline.shared.state.borrow().headline();
                return Err(unfinished(&format!("there is no live picture ({state})")));
            }
            if picture.stamp.monotonic_us >= settled_us {
                // A picture that is too dark counts as 0.
                sum += self.focus.sharpness_of(picture).await.unwrap_or_default();
                count += 1;
            }
        }
        Ok(sum / f64::from(PICTURES))
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.focus.0.pipeline.shared.sweep.send_replace(None);
    }
}
