//! The camera's lens: where it stands, how sharp its pictures are, and the sweep that looks for the sharpest place.
//!
//! ```text
//!            look, set ──────► Pipeline::controls, set_controls ──► capture thread ──► camera
//!   sweep ──► set ── settle ── pictures captured after it ──► sharpness (on tokio's pool) ──► lens::Sweep ──► set …
//! ```
//!
//! Invariants: one sweep at a time; a sweep ends with the lens at the sharpest place, or where it was before; how sharp
//! a picture is is worked out only when somebody asks, once for all who ask, and never on the capture thread. Whatever
//! moves the lens ends a sweep. Runs in the tasks of those who ask.

mod figure;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::commands::{CameraControls, ControlsError};
use super::{Pipeline, State};
use crate::base::{Stamp, Stop};
use crate::config::LensKind;
pub use crate::lens::Move;
use crate::lens::{Change, Drive, Sweep, Swept, Unmoved};
use crate::media::{ControlValue, Picture};
use figure::Figure;

/// The camera's controls are read at most so often for those who only look: reading one is a transfer on its bus.
const FRESH: Duration = Duration::from_secs(1);

/// The camera's own picture is waited for so long, where another one is shown.
const ORIGINAL_WITHIN: Duration = Duration::from_secs(1);

/// A camera that is asleep is given so long for its first picture.
const WAKES_WITHIN: Duration = Duration::from_secs(20);

/// A place is looked at in so many pictures, of which the mean counts.
const PICTURES: u32 = 2;

/// Who moves the lens waits at most so long for a sweep to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// How a sweep waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FocusSettings {
    /// After a move the lens swings, and frames from before it are on their way: so long nothing is looked at.
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
pub struct Focus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pipeline: Pipeline,
    settings: FocusSettings,
    /// What was read last, and when.
    known: Mutex<Option<(Instant, Result<CameraControls, ControlsError>)>>,
    /// Held while a picture is looked at: who asks for the same one meanwhile finds the figure.
    figure: Arc<tokio::sync::Mutex<Figure>>,
    /// The sweep that is under way.
    sweep: watch::Sender<Option<UnderWay>>,
    ended: Mutex<Option<SweepEnd>>,
}

#[derive(Debug, Clone)]
struct UnderWay {
    done: u32,
    of: u32,
    cancel: Stop,
    /// Whoever ended it moves the lens: it is not brought back.
    is_taken_over: bool,
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
        /// How sharp it was there.
        sharpness: f64,
    },
    /// Somebody ended it.
    Cancelled,
    /// No place is sharper than another.
    NothingToSee,
    /// It could not go on.
    Failed(String),
}

impl SweepEnd {
    /// In a sentence.
    pub fn text(&self) -> String {
        match self {
            SweepEnd::Found { position, .. } => format!("It is sharpest at {position:.2}."),
            SweepEnd::Cancelled => String::from("The sweep was ended; the lens is where it was."),
            SweepEnd::NothingToSee => String::from(
                "No place is sharper than another: is there something to see, and light on it? The lens is where it was.",
            ),
            SweepEnd::Failed(why) => format!("The sweep came to no end: {why}. The lens is where it was."),
        }
    }
}

/// The lens was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The camera's lasting name.
    pub identity: Option<String>,
    /// What is to be set, and kept.
    pub change: Change,
    /// What brings it back to where it is now.
    pub before: Vec<ControlValue>,
}

impl Focus {
    /// The lens of `pipeline`'s camera.
    pub fn new(pipeline: Pipeline, settings: FocusSettings) -> Focus {
        Focus(Arc::new(Inner {
            pipeline,
            settings,
            known: Mutex::default(),
            figure: Arc::default(),
            sweep: watch::Sender::new(None),
            ended: Mutex::default(),
        }))
    }

    /// How the lens is. The camera is asked at most once a second.
    pub async fn look(&self, kind: LensKind) -> LensStatus {
        let drive = self.drive(kind, true).await.map(|(drive, _)| drive);
        let ended = self.ended().clone();
        let sweep = self.0.sweep.borrow().as_ref().map(|sweep| (sweep.done, sweep.of));
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
            sweep,
            ended,
        }
    }

    /// How sharp the newest live picture is, where viewers see it; `None` without one, or where it is too dark to say.
    /// Worked out on tokio's pool, once for each picture. It is the camera's own picture that is looked at: what is
    /// written into the one that is shown is sharp wherever the lens stands.
    pub async fn sharpness(&self) -> Option<f64> {
        if *self.0.pipeline.shared.state.borrow() != State::Live {
            return None;
        }
        let newest = self.0.pipeline.newest().filter(|picture| !picture.is_card)?;
        // The very same, or one that is made because somebody asks.
        let mut pictures = self.0.pipeline.originals().subscribe();
        loop {
            let picture = timeout(ORIGINAL_WITHIN, pictures.next()).await.ok()??;
            if !picture.is_card && picture.stamp.monotonic_us >= newest.stamp.monotonic_us {
                return self.figure_of(picture).await;
            }
        }
    }

    /// What is to be set so that `wish` comes true, from where the lens stands now. Ends a sweep that is under way.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn plan(&self, kind: LensKind, wish: Move) -> Result<Planned, FocusError> {
        self.end_sweep(true).await;
        let (drive, identity) = self.drive(kind, false).await?;
        Ok(Planned { identity, change: drive.change(wish)?, before: drive.as_it_is() })
    }

    /// Whether there is a lens that can be told something.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn is_there(&self, kind: LensKind) -> Result<(), FocusError> {
        self.drive(kind, true).await.map(drop)
    }

    /// Whether `wish` is one that this lens can follow.
    ///
    /// # Errors
    /// [`FocusError`].
    pub async fn can(&self, kind: LensKind, wish: Move) -> Result<(), FocusError> {
        let (drive, _) = self.drive(kind, true).await?;
        Ok(drive.change(wish).map(drop)?)
    }

    /// Sets what was planned on the camera; keeps nothing.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn set(&self, values: Vec<ControlValue>) -> Result<(), ControlsError> {
        let set = self.0.pipeline.set_controls(values).await;
        *self.known() = None;
        set.map(drop)
    }

    /// Begins a sweep, which is run by [`Sweeping::run`].
    ///
    /// # Errors
    /// [`FocusError`]: among others, one is under way.
    pub async fn sweep(&self, kind: LensKind) -> Result<Sweeping, FocusError> {
        let (drive, identity) = self.drive(kind, false).await?;
        let Some((first, last, step)) = drive.places() else {
            return Err(if drive.is_movable() { Unmoved::OnlySteps } else { Unmoved::OnlyAuto }.into());
        };
        let search = Sweep::new(first, last, step);
        let cancel = Stop::new();
        let new = UnderWay { done: 0, of: search.of(), cancel: cancel.clone(), is_taken_over: false };
        let begun = self.0.sweep.send_if_modified(|now| {
            let is_free = now.is_none();
            if is_free {
                *now = Some(new);
            }
            is_free
        });
        if !begun {
            return Err(FocusError::Sweeping);
        }
        Ok(Sweeping { focus: self.clone(), drive, identity, search, cancel })
    }

    /// Ends the sweep that is under way; done when it is over and the lens is where it was. Tells whether there was one.
    pub async fn cancel(&self) -> bool {
        self.end_sweep(false).await
    }

    async fn end_sweep(&self, is_taken_over: bool) -> bool {
        let mut sweep = self.0.sweep.subscribe();
        let ending = self.0.sweep.send_if_modified(|now| {
            now.as_mut().is_some_and(|now| {
                now.is_taken_over |= is_taken_over;
                now.cancel.set();
                true
            })
        });
        if ending && timeout(ENDS_WITHIN, sweep.wait_for(Option::is_none)).await.is_err() {
            log::warn!("a focus sweep has not ended within {ENDS_WITHIN:?}");
        }
        ending
    }

    /// What moves the lens; with `may_be_known`, as it was read within the last second.
    async fn drive(&self, kind: LensKind, may_be_known: bool) -> Result<(Drive, Option<String>), FocusError> {
        let unsupported = |why: &str| Err(FocusError::Unsupported(why.to_owned()));
        match kind {
            LensKind::None => return unsupported("[lens] kind = \"none\" says that it is set by hand"),
            LensKind::Libcamera => return unsupported("this tallycam has no libcamera back end"),
            LensKind::Auto | LensKind::V4l2 | LensKind::Sim => {}
        }
        let known = self.known().clone().filter(|(read, _)| may_be_known && read.elapsed() < FRESH);
        let controls = match known {
            Some((_, controls)) => controls,
            None => {
                let controls = self.0.pipeline.controls().await;
                *self.known() = Some((Instant::now(), controls.clone()));
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
        let drive = Drive::of(&controls.controls).ok_or_else(|| {
            FocusError::Unsupported(format!("{} has no control that focuses it", controls.camera))
        })?;
        Ok((drive, controls.identity))
    }

    /// How sharp `picture` is.
    async fn figure_of(&self, picture: Picture) -> Option<f64> {
        let shown = self.0.pipeline.view().borrow().geometry();
        let mut figure = Arc::clone(&self.0.figure).lock_owned().await;
        spawn_blocking(move || figure.of(&picture, shown)).await.ok()?
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, Result<CameraControls, ControlsError>)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> MutexGuard<'_, Option<SweepEnd>> {
        self.0.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lasting name of the simulated scene.
const SIMULATED: &str = "sim";

/// A sweep that was begun. Dropped without being run to its end, it leaves the lens where it is.
#[derive(Debug)]
pub struct Sweeping {
    focus: Focus,
    drive: Drive,
    identity: Option<String>,
    search: Sweep,
    cancel: Stop,
}

/// Why a sweep cannot go on.
enum Broken {
    Cancelled,
    Failed(String),
}

impl Sweeping {
    /// What it sets at both ends of the lens: for whoever has to know whether it may go from one to the other.
    pub fn ends(&self) -> [Planned; 2] {
        [i64::MIN, i64::MAX].map(|at| Planned {
            identity: self.identity.clone(),
            change: self.drive.place(at),
            before: self.drive.as_it_is(),
        })
    }

    /// Runs it to its end: what is to be kept where it has found the sharpest place, and the lens stands there.
    pub async fn run(mut self) -> Option<Planned> {
        let _demand = self.focus.0.pipeline.demand();
        let searched = self.search().await;
        let (end, planned) = match searched {
            Ok(Some((at, sharpness))) => {
                let change = self.drive.place(at);
                match self.focus.set(change.values.clone()).await {
                    Ok(()) => {
                        let position = self.drive.share(at).unwrap_or_default();
                        let before = self.drive.as_it_is();
                        let planned = Planned { identity: self.identity.take(), change, before };
                        (SweepEnd::Found { position, sharpness }, Some(planned))
                    }
                    Err(error) => (SweepEnd::Failed(error.to_string()), None),
                }
            }
            Ok(None) => (SweepEnd::NothingToSee, None),
            Err(Broken::Cancelled) => (SweepEnd::Cancelled, None),
            Err(Broken::Failed(why)) => (SweepEnd::Failed(why), None),
        };
        let is_taken_over = self.focus.0.sweep.borrow().as_ref().is_some_and(|sweep| sweep.is_taken_over);
        if planned.is_none()
            && !is_taken_over
            && let Err(error) = self.focus.set(self.drive.as_it_is()).await
        {
            log::warn!("the lens could not be brought back after a focus sweep: {error}");
        }
        log::info!("focus sweep, {} places looked at: {}", self.search.done(), end.text());
        *self.focus.ended() = Some(end);
        planned
    }

    /// The sharpest place and how sharp it was; `None`: there is none.
    async fn search(&mut self) -> Result<Option<(i64, f64)>, Broken> {
        let mut most = 0.0_f64;
        self.or_cancelled(self.first_picture()).await?;
        while let Some(at) = self.search.next_place() {
            let sharpness = self.or_cancelled(self.look_at(at)).await?;
            most = most.max(sharpness);
            self.search.saw(sharpness);
            self.focus.0.sweep.send_modify(|now| {
                if let Some(now) = now {
                    now.done = self.search.done();
                }
            });
        }
        Ok(match self.search.swept() {
            Swept::At(at) => Some((at, most)),
            Swept::NothingToSee => None,
        })
    }

    async fn or_cancelled<T>(&self, step: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
        tokio::select! {
            biased;
            () = self.cancel.stopped() => Err(Broken::Cancelled),
            done = step => done,
        }
    }

    /// Waits until the camera gives pictures.
    async fn first_picture(&self) -> Result<(), Broken> {
        // It is no snapshot: nothing flashes for it.
        match self.focus.0.pipeline.unlit_snapshot(WAKES_WITHIN).await {
            Ok(_) => Ok(()),
            Err(none) => Err(Broken::Failed(format!("there is no live picture ({})", none.state.headline()))),
        }
    }

    /// How sharp pictures are with the lens at the place `at`.
    async fn look_at(&self, at: i64) -> Result<f64, Broken> {
        let values = self.drive.place(at).values;
        self.focus.set(values).await.map_err(|error| Broken::Failed(error.to_string()))?;
        let Inner { pipeline, settings, .. } = &*self.focus.0;
        let settled_us = Stamp::now().monotonic_us + settings.settle.as_micros() as u64;
        let mut pictures = pipeline.originals().subscribe();
        let (mut sum, mut count) = (0.0, 0);
        while count < PICTURES {
            let picture = match timeout(settings.settle + settings.picture_within, pictures.next()).await {
                Ok(Some(picture)) => picture,
                Ok(None) => return Err(Broken::Failed(String::from("tallycam is stopping"))),
                Err(_) => return Err(Broken::Failed(String::from("no picture came in time"))),
            };
            if picture.is_card {
                let state = pipeline.shared.state.borrow().headline();
                return Err(Broken::Failed(format!("there is no live picture ({state})")));
            }
            if picture.stamp.monotonic_us >= settled_us {
                // What is too dark to tell is as unsharp as can be.
                sum += self.focus.figure_of(picture).await.unwrap_or_default();
                count += 1;
            }
        }
        Ok(sum / f64::from(PICTURES))
    }
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.focus.0.sweep.send_replace(None);
    }
}
