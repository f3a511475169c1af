//! The camera's lens: where it stands, how sharp its pictures are, and the sweep that looks for the sharpest place.
//!
//! ```text
//!            look, set ──────► Pipeline::controls, set_controls ──► capture thread ──► camera
//!   sweep ──► set ── settle ── pictures captured after it ──► sharpness (on tokio's pool) ──► lens::Sweep ──► set …
//! ```
//!
//! Invariants: one sweep at a time; a sweep ends with the lens at the sharpest place, or where it was before; how sharp
//! a picture is is worked out only when somebody asks, once for all who ask, and never on the capture thread. Whatever
//! moves the lens ends a sweep, be it by a control that is set or by what is saved for one, and the lens is where that
//! has it. Runs in the tasks of those who ask.

mod cancel;
mod figure;
mod under_way;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::commands::{CameraControls, ControlsError, WantedControls};
use super::{CameraState, Pipeline};
use crate::base::{ClockTime, Stop};
use crate::config::LensKind;
pub use crate::lens::Move;
use crate::lens::{Drive, LensChange, Sweep, SweepResult, Unmoved};
use crate::media::view::Geometry;
use crate::media::{ControlValue, Picture};
use figure::Figure;
pub(super) use under_way::UnderWay;

/// The camera's controls are read at most so often for those who only look: reading one is a transfer on its bus.
const FRESH: Duration = Duration::from_secs(1);

/// Limit of the wait for the camera's own picture, where another one is shown.
const ORIGINAL_WITHIN: Duration = Duration::from_secs(1);

/// Limit for the first picture of an idle camera.
const WAKES_WITHIN: Duration = Duration::from_secs(20);

/// Pictures measured at one place; their mean counts.
const PICTURES: u32 = 2;

/// How a sweep waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FocusSettings {
    /// After a move the lens swings, and frames from before it are on their way: nothing is measured for this time.
    pub settle: Duration,
    /// A picture that does not come in this time ends the sweep.
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
    /// What was read last, and when.
    known: Mutex<Option<(Instant, Result<CameraControls, ControlsError>)>>,
    /// Held while a picture is looked at: who asks for the same one meanwhile finds the figure.
    figure: Arc<tokio::sync::Mutex<Figure>>,
    ended: Mutex<Option<SweepEnd>>,
    turn: tokio::sync::Mutex<()>,
}

/// The lens, as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct LensStatus {
    /// Why it cannot be focused from here; `None`: it can.
    pub reason: Option<String>,
    /// Where it stands, 0 (far) to 1 (near), where it tells.
    pub position: Option<f64>,
    /// Whether autofocus is on; `None` where there is none.
    pub auto: Option<bool>,
    /// Whether it can be sent to a place.
    pub has_position: bool,
    /// Whether it can be moved by hand at all.
    pub is_movable: bool,
    /// Where autofocus looks, in 0…1 of the picture as it is shown, or `None` for all of it; the outer `None`: it
    /// cannot be told.
    pub window: Option<Option<[f64; 2]>>,
    /// Of the sweep that is under way: places looked at, and how many there will be at most.
    pub sweep: Option<(u32, u32)>,
    /// How the last sweep ended.
    pub ended: Option<SweepEnd>,
}

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepEnd {
    /// The lens stands at the sharpest place.
    Found {
        /// Where that is, 0–1.
        position: f64,
    },
    /// It was not found.
    NotFound {
        /// Why not.
        why: NotFound,
        /// Where the lens is.
        lens: LensAfterSweep,
    },
}

/// Why a sweep has not found the sharpest place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// Somebody ended it.
    #[error("The sweep was ended.")]
    Cancelled,
    /// No place is sharper than another.
    #[error("No place is sharper than another: is there something to see, and light on it?")]
    NothingToSee,
    /// It could not go on.
    #[error("The sweep came to no end: {0}.")]
    Failed(String),
}

impl From<ControlsError> for NotFound {
    fn from(error: ControlsError) -> NotFound {
        // Readers of the state see how a sweep ended.
        NotFound::Failed(match &error {
            ControlsError::Camera(trouble) => trouble.kind.public_message().trim_end_matches('.').to_owned(),
            error => error.to_string(),
        })
    }
}

/// How a sweep that has found nothing leaves the lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensAfterSweep {
    /// Where it was.
    Back,
    /// Where somebody else has sent it meanwhile.
    Sent,
    /// Somewhere: it could not be brought back.
    Astray,
    /// It is another camera's now, and was left alone.
    Other,
}

impl SweepEnd {
    /// In a sentence or two.
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
    /// There is no lens to be moved from here.
    #[error("the lens cannot be focused from here: {0}")]
    Unsupported(String),
    /// This one cannot be moved so.
    #[error(transparent)]
    Unmoved(#[from] Unmoved),
    /// The camera did not do it.
    #[error(transparent)]
    Controls(#[from] ControlsError),
    /// There is one already.
    #[error("a focus sweep is under way")]
    Sweeping,
}

/// What is to be set, and of which camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The camera's lasting name.
    pub identity: Option<String>,
    /// What is to be set, and kept.
    pub change: LensChange,
    /// What brings it back to where it is now.
    pub before: Vec<ControlValue>,
}

impl Planned {
    /// What [`Focus::set`] is to be given.
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

    /// How the lens is. The camera is asked at most once a second.
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

    /// How sharp the newest live picture is, where viewers see it; `None` without one, or where it is too dark to say.
    /// Worked out on tokio's pool, once for each picture. It is the camera's own picture that is looked at: what is
    /// written into the one that is shown is sharp wherever the lens stands.
    pub async fn sharpness(&self) -> Option<f64> {
        if *self.0.pipeline.shared.state.borrow() != CameraState::Live {
            return None;
        }
        let newest = self.0.pipeline.newest().filter(|picture| !picture.is_card)?;
        // The very same, or one that is made because somebody asks.
        let mut pictures = self.0.pipeline.originals().subscribe();
        loop {
            let picture = timeout(ORIGINAL_WITHIN, pictures.next()).await.ok()??;
            if !picture.is_card && picture.stamp.monotonic_us >= newest.stamp.monotonic_us {
                return self.sharpness_of(picture).await;
            }
        }
    }

    /// What is to be set so that `request` comes true, from where the lens stands now. During a sweep, from where that
    /// would bring it back to: it goes on until something is set ([`Focus::set`]), and goes back only if nothing is.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn plan(&self, kind: LensKind, request: Move) -> Result<Planned, FocusError> {
        let sweep = || self.0.pipeline.shared.sweep.borrow().clone();
        let was_swept = sweep().is_some();
        let (mut drive, mut identity) = self.find_drive(kind, false).await?;
        // Who sets it without waiting between sets it in the midst of this very sweep.
        match sweep() {
            Some(sweep) if sweep.identity == identity => drive = sweep.back,
            // Of a camera that was there before.
            Some(_) => {
                self.cancel_sweep().await;
                (drive, identity) = self.find_drive(kind, false).await?;
            }
            // It was read in the midst of it.
            None if was_swept => (drive, identity) = self.find_drive(kind, false).await?,
            None => {}
        }
        Ok(Planned { identity, change: drive.change(request)?, before: drive.current_values() })
    }

    /// What makes autofocus look there, in 0…1 of the picture as it is shown; `None`: at all of it.
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

    /// The camera's controls have changed: what was read of them is not so any more.
    pub fn invalidate(&self) {
        *self.lock_known() = None;
    }

    fn shown_geometry(&self) -> Geometry {
        self.0.pipeline.view().borrow().geometry()
    }

    /// Whether there is a lens that can be told something.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn require_lens(&self, kind: LensKind) -> Result<(), FocusError> {
        self.find_drive(kind, true).await.map(drop)
    }

    /// Whether `request` is one that this lens can follow.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn check_move(&self, kind: LensKind, request: Move) -> Result<(), FocusError> {
        let (drive, _) = self.find_drive(kind, true).await?;
        Ok(drive.change(request).map(drop)?)
    }

    /// Sets what was planned on the camera; keeps nothing. Ends a sweep that is under way.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn set(&self, wanted: WantedControls) -> Result<(), ControlsError> {
        let set = self.0.pipeline.set_controls(wanted).await;
        *self.lock_known() = None;
        set.map(drop)
    }

    /// Begins a sweep, which is run by [`Sweeping::run`].
    ///
    /// # Errors
    /// [`FocusError`]: among others, one is under way.
    pub async fn start_sweep(&self, kind: LensKind) -> Result<Sweeping, FocusError> {
        let (drive, identity) = self.find_drive(kind, false).await?;
        let Some(last) = drive.last_place() else {
            return Err(if drive.is_movable() { Unmoved::OnlySteps } else { Unmoved::OnlyAuto }.into());
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
            return Err(FocusError::Sweeping);
        }
        Ok(Sweeping { focus: self.clone(), drive, identity, search, cancel, has_moved: false })
    }

    /// Ends the sweep that is under way; done when it is over and the lens is where it was. Tells whether there was
    /// one.
    pub async fn cancel_sweep(&self) -> bool {
        self.0.pipeline.end_sweep(false, |_| true).await.is_some()
    }

    /// Held while controls are set and saved, or a sweep begins: else what is kept of an earlier change could
    /// come in the midst of a later sweep. Held until it is kept, or has begun. The sweep itself takes none.
    pub async fn lock_controls(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// What the sweep has found could not be kept, for the reason `why`: the lens goes back. Said before it is over.
    pub fn record_not_saved(&self, why: String) {
        *self.lock_sweep_end() =
            Some(SweepEnd::NotFound { why: NotFound::Failed(why), lens: LensAfterSweep::Back });
    }

    /// What moves the lens; with `may_be_known`, as it was read within the last second.
    async fn find_drive(
        &self,
        kind: LensKind,
        may_be_known: bool,
    ) -> Result<(Drive, Option<String>), FocusError> {
        let unsupported = |why: &str| Err(FocusError::Unsupported(why.to_owned()));
        match kind {
            LensKind::None => return unsupported("[lens] kind = \"none\" says that it is set by hand"),
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
                return unsupported("[lens] kind = \"sim\" is for the simulated scene");
            }
            LensKind::V4l2 if is_simulated => {
                return unsupported(
                    "[lens] kind = \"v4l2\" is for a camera, and this is the simulated scene",
                );
            }
            _ => {}
        }
        let drive = Drive::from_controls(&controls.controls).ok_or_else(|| {
            FocusError::Unsupported(format!("{} has no control that focuses it", controls.camera))
        })?;
        Ok((drive, controls.identity))
    }

    /// How sharp `picture` is.
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

/// The lasting name of the simulated scene.
const SIMULATED: &str = "sim";

/// A sweep that was begun, and is under way until this is dropped: ending it waits for that. Dropped without being
/// run to its end, it leaves the lens where it is.
#[derive(Debug)]
pub struct Sweeping {
    focus: Focus,
    drive: Drive,
    identity: Option<String>,
    search: Sweep,
    cancel: Stop,
    /// The lens was sent somewhere.
    has_moved: bool,
}

impl Sweeping {
    /// What it sets at both ends of the lens: for callers that check whether it may go from one to the other.
    pub fn end_plans(&self) -> [Planned; 2] {
        [i64::MIN, i64::MAX].map(|at| Planned {
            identity: self.identity.clone(),
            change: self.drive.move_to(at),
            before: self.drive.current_values(),
        })
    }

    /// Runs it to its end: what is to be kept where it has found the sharpest place, and the lens stands there.
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

    /// Finds the sharpest place, and sends the lens there.
    async fn find(&mut self) -> Result<i64, NotFound> {
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
        let SweepResult::At(at) = self.search.result() else { return Err(NotFound::NothingToSee) };
        self.set(self.drive.move_to(at).values).await?;
        // What was said meanwhile of where the lens is to be is newer than what was found.
        if self.cancel.is_set() {
            return Err(NotFound::Cancelled);
        }
        // A move while this is being saved starts from here.
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

    /// Brings the lens back to where it was, or where what is saved has it since, unless the caller that ended the
    /// sweep moves it.
    async fn restore_lens(&self) -> LensAfterSweep {
        // One that has not moved stands where it was.
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
            // It may have been sent elsewhere meanwhile.
            stands = Some(now.back);
        }
    }

    /// Sets the lens's controls, which ends no sweep; of no other camera.
    async fn set(&self, values: Vec<ControlValue>) -> Result<(), ControlsError> {
        let wanted = WantedControls { identity: self.identity.clone(), values };
        let set = self.focus.0.pipeline.set_in_sweep(wanted).await;
        *self.focus.lock_known() = None;
        set.map(drop)
    }

    async fn unless_cancelled<T>(
        &self,
        step: impl Future<Output = Result<T, NotFound>>,
    ) -> Result<T, NotFound> {
        tokio::select! {
            biased;
            () = self.cancel.stopped() => Err(NotFound::Cancelled),
            done = step => done,
        }
    }

    /// Waits until the camera gives pictures.
    async fn first_picture(&self) -> Result<(), NotFound> {
        // It is no snapshot: nothing flashes for it.
        match self.focus.0.pipeline.snapshot_in_current_light(WAKES_WITHIN).await {
            Ok(_) => Ok(()),
            Err(none) => {
                Err(NotFound::Failed(format!("there is no live picture ({})", none.state.headline())))
            }
        }
    }

    /// How sharp pictures are with the lens at the place `at`.
    async fn measure_at(&self, at: i64) -> Result<f64, NotFound> {
        self.set(self.drive.move_to(at).values).await?;
        let FocusInner { pipeline, settings, .. } = &*self.focus.0;
        let settled_us = ClockTime::now().monotonic_us + settings.settle.as_micros() as u64;
        let mut pictures = pipeline.originals().subscribe();
        let (mut sum, mut count) = (0.0, 0);
        while count < PICTURES {
            let picture = match timeout(settings.settle + settings.picture_within, pictures.next()).await {
                Ok(Some(picture)) => picture,
                Ok(None) => return Err(NotFound::Failed(String::from("tallycam is stopping"))),
                Err(_) => return Err(NotFound::Failed(String::from("no picture came in time"))),
            };
            if picture.is_card {
                let state = pipeline.shared.state.borrow().headline();
                return Err(NotFound::Failed(format!("there is no live picture ({state})")));
            }
            if picture.stamp.monotonic_us >= settled_us {
                // What is too dark to tell is as unsharp as can be.
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
