//! Connects the capture thread to the hub.
//!
//! ```text
//!           Opener ──open──► Source ──Frame──► Encoder ──Picture──► Hub ──► viewers, snapshots
//!           └──────────────── one thread, "capture" ─────────────┘
//!  Demand, pause, hold ───────► wakes it          State, figures ◄──── reported by it
//! ```

mod backoff;
mod capture;
mod capture_state;
mod change;
pub mod clip;
mod commands;
pub mod counting;
pub mod focus;
pub mod lights;
mod options;
mod rate;
pub mod recording;
pub mod recount;
mod requests;
mod single_flight;
mod stability;
mod state;
pub mod video;
mod views;
mod warm_up;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use tallycam_base::{ClockTime, Fault, Worker};
use tallycam_camera::encode::Encoder;
use tallycam_camera::media::{Hub, Picture, SmallImage, SourceError, SourceErrorKind, View};
use tallycam_camera::source::{Opener, StreamFormat};

use capture::Capture;
pub use capture::card_of;
pub use capture_state::Demand;
use capture_state::{CaptureState, Largest};
pub use change::{NoRoom, PictureChange, TransformError, Transformed, change_picture};
pub use commands::{CameraControls, ControlsError, SavedControls, WantedControls, WrongControl};
pub use counting::{
    Counting, CountingSettings, CountingStatus, LoadedDetector, MakeDetector, Overlay, ShownTrack,
};
pub use lights::{Lights, LightsSettings};
pub use options::{CaptureOptions, PrivacyMask};
pub use rate::RateMeter;
pub use recording::{RecorderHandle, RecorderSettings};
pub use state::{CameraState, NoPicture};
pub use tallycam_camera::source::controls::unknown_control_message as unknown_control;
pub use views::{Viewed, Views};

/// Maximum time that [`Pipeline::pause`] waits for a driver to close the camera.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);
/// A fault that lasts for this long counts as one more failed read.
const FAILED_READ_US: u64 = 5_000_000;
/// Maximum time that [`Pipeline::hold_open`] waits for a first picture.
const HOLD_WITHIN: Duration = Duration::from_secs(20);

/// Status of the camera at one moment.
#[derive(Debug, Clone)]
pub struct CameraStatus {
    /// State of the camera.
    pub state: CameraState,
    /// Time of the last change of the state.
    pub since: ClockTime,
    /// The source that is or will be opened.
    pub source: String,
    /// Format that the source delivers; for a closed source the last one.
    pub delivers: Option<StreamFormat>,
    /// Size of the newest live picture in pixels; `None` before the first.
    pub size: Option<(u32, u32)>,
    /// Pictures per second over the last seconds; 0 while not live.
    pub fps: f64,
    /// Frames taken from the source since start.
    pub frames: u64,
    /// Frames lost before tallycam received them (gaps of the driver or the network).
    pub lost: u64,
    /// Frames that could not become a picture.
    pub broken: u64,
    /// Pictures published.
    pub pictures: u64,
    /// Bytes of JPEG published.
    pub bytes: u64,
    /// Pictures that were changed for everyone.
    pub changed: u64,
    /// Successful opens.
    pub opens: u64,
    /// Failed reads (opens, silences, broken frames) in a row.
    pub failed_reads: u32,
    /// No fault, or one of fewer failed reads than the settings allow; each 5 s of a fault count as one.
    pub is_healthy: bool,
    /// `/start_stream` holds the camera open.
    pub is_held: bool,
    /// Number of demands for the camera: viewers, snapshots, recordings.
    pub demands: usize,
}

/// A camera that becomes pictures on demand. Clones share it.
#[derive(Debug, Clone)]
pub struct Pipeline {
    shared: Arc<CaptureState>,
}

/// A source from the view of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NewestSource {
    /// Number of the source, counted from 1.
    number: u64,
    /// Time at which it was opened. Pictures with an earlier stamp (`CLOCK_MONOTONIC`, microseconds) belong to
    /// another source.
    opened_us: u64,
    /// The source is a simulation.
    is_simulated: bool,
}

/// Outcome of [`Pipeline::hold_open`].
#[derive(Debug, Clone, PartialEq)]
pub enum HoldOutcome {
    /// The camera is open and held.
    Started,
    /// The camera was held already.
    AlreadyRunning,
    /// The camera could not be opened and is not held.
    CouldNotOpen(SourceError),
}

/// The fault of a thread, or its runtime, that could not be started.
fn not_started(what: &str) -> impl Fn(std::io::Error) -> Fault {
    move |error| Fault::passing(format!("{what} could not be started: {error}"))
}

impl Pipeline {
    /// Starts the capture thread. The camera stays closed until there is demand.
    ///
    /// # Errors
    /// The compressor could not be set up, or the thread not started.
    pub fn start(opener: Box<dyn Opener>, settings: CaptureOptions) -> Result<(Pipeline, Worker), Fault> {
        let encoder = Encoder::new(settings.quality)?;
        let shared = Arc::new(CaptureState::new(opener.describe(), settings));
        let worker = Worker::spawn("capture", {
            let shared = Arc::clone(&shared);
            move |beat| Capture::new(shared, opener, encoder, beat).run()
        })
        .map_err(not_started("the capture thread"))?;
        Ok((Pipeline { shared }, worker))
    }

    /// The hub with the pictures for viewers: live ones, or the still card during a fault or pause. While the camera
    /// is idle or starting the hub is empty, and viewers wait for the first picture.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// The hub with the camera's originals, before the changes of [`Pipeline::set_view`]; without changes they are
    /// the same pictures. It has cards, too. An original that must be encoded is made only while there are
    /// subscribers.
    pub fn originals(&self) -> &Hub {
        &self.shared.originals
    }

    /// The newest picture for internal use: the shown one, or the original if no viewer needs the shown one. May be a
    /// card.
    fn newest(&self) -> Option<Picture> {
        self.shared.hub.newest().or_else(|| self.shared.originals.newest())
    }

    /// Sets the changes of the pictures for everyone. New viewers never see the previous view. Views of single
    /// viewers and annotated streams follow with their next picture. No stream is interrupted.
    pub fn set_view(&self, view: View) {
        self.shared.view.send_if_modified(|now| {
            let is_new = **now != view;
            if is_new {
                *now = Arc::new(view);
                // The newest picture is rendered again if its original exists; otherwise the next frame is the first.
                self.shared.hub.clear_unless_card();
            }
            is_new
        });
    }

    /// JPEG quality of encoded pictures, 1–100.
    fn quality(&self) -> u8 {
        self.shared.lock_requests().settings.quality
    }

    /// The changes of the pictures for everyone, as a channel.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.shared.view.subscribe()
    }

    /// Opens the camera and keeps it open until the returned value is dropped and `idle_stop` has passed. Has no
    /// effect on a paused camera.
    pub fn demand(&self) -> Demand {
        Demand::new(&self.shared)
    }

    /// A demand for a moment. It does not restart the idle timeout of an idle camera.
    fn brief_demand(&self) -> Demand {
        Demand::brief(&self.shared)
    }

    /// Requests small images of at least this size beside the originals, if the camera has a second stream; `None`
    /// for none.
    fn request_small(&self, least: Option<(u32, u32)>) {
        self.shared.request_small(least);
    }

    /// The small image of the same moment as `picture`.
    fn small_image_of(&self, picture: &Picture) -> Option<Arc<SmallImage>> {
        self.shared.small_image_of(picture)
    }

    /// Sets the number of pictures after each open that are not used as snapshots.
    fn set_warm_up(&self, frames: u32) {
        self.shared.lock_figures().warm_up = frames;
    }

    /// The camera's name, or the source that is or will be opened.
    pub(crate) fn source_name(&self) -> String {
        let figures = self.shared.lock_figures();
        figures.delivers.as_ref().map_or_else(|| figures.source.clone(), |delivers| delivers.name.clone())
    }

    /// True if `picture` was captured after the camera had settled.
    fn is_warm(&self, picture: &Picture) -> bool {
        self.shared.lock_figures().is_warm(picture)
    }

    /// The status of the camera.
    pub fn status(&self) -> CameraStatus {
        let state = self.shared.state.borrow().clone();
        let (demands, is_held, failed_reads) = {
            let requests = self.shared.lock_requests();
            (requests.demands, requests.is_held, requests.settings.failed_reads)
        };
        let figures = self.shared.lock_figures();
        CameraStatus {
            since: figures.since,
            source: figures.source.clone(),
            delivers: figures.delivers.clone(),
            size: figures.size,
            fps: match state {
                CameraState::Live => figures.rate.per_second(ClockTime::now().monotonic_us),
                _ => 0.0,
            },
            frames: figures.frames,
            lost: figures.lost,
            broken: figures.broken,
            pictures: figures.pictures,
            bytes: figures.bytes,
            changed: figures.changed,
            opens: figures.opens,
            failed_reads: figures.failed_reads,
            is_healthy: match &state {
                CameraState::Trouble(fault) => {
                    // One try may take long, so a lasting fault counts as several reads.
                    let lasted_us = ClockTime::now().monotonic_us.saturating_sub(figures.since.monotonic_us);
                    let lasted = if fault.kind.is_final() { 0 } else { lasted_us / FAILED_READ_US };
                    lasted.max(u64::from(figures.failed_reads)) < u64::from(failed_reads)
                }
                // `/health` must not fail for a few broken pictures that the page does not mention.
                _ => true,
            },
            is_held,
            demands,
            state,
        }
    }

    /// The state, as a channel.
    pub fn states(&self) -> watch::Receiver<CameraState> {
        self.shared.state.subscribe()
    }

    /// Closes the camera for everyone, until [`Pipeline::resume`] or [`Pipeline::hold_open`]. Returns once the device
    /// is released, or after 2 s if the driver blocks. Releases the device even if another call ends the pause at
    /// once.
    pub async fn pause(&self) {
        let mut opening = self.shared.opening.subscribe();
        let mut states = self.states();
        let to_close = self.shared.update_requests(|requests| {
            requests.is_paused = true;
            requests.is_held = false;
            requests.is_to_close = true;
            requests.interrupt.set();
            *opening.borrow_and_update()
        });
        let released = async {
            // Both ends of the channel live as long as `self.shared`, so the wait cannot fail.
            let _ = opening.wait_for(|now| to_close.is_none() || *now != to_close).await;
            loop {
                // Each lock is released before the next is taken, because the capture thread takes both.
                let is_obeyed = *states.borrow_and_update() == CameraState::Paused;
                if is_obeyed || !self.shared.lock_requests().is_paused {
                    break;
                }
                // The end of the pause by another call may not change the state, so check at intervals, too.
                let _ = timeout(Duration::from_millis(100), states.changed()).await;
            }
        };
        if timeout(RELEASE_WITHIN, released).await.is_err() {
            log::error!("the camera's driver has not let go within {RELEASE_WITHIN:?}");
        }
    }

    /// Ends a pause and any hold: the camera opens on demand again.
    pub fn resume(&self) {
        self.shared.update_requests(|requests| {
            requests.is_paused = false;
            if std::mem::take(&mut requests.is_held) {
                requests.last_needed = std::time::Instant::now();
            }
            requests.try_again = true;
        });
        // Set at once, so that the next caller does not see a pause that is over. If the capture thread was faster,
        // its state stays.
        if *self.shared.state.borrow() == CameraState::Paused {
            self.shared.clear();
        }
        self.shared.set_state_if(|now| *now == CameraState::Paused, CameraState::Asleep);
    }

    /// Ends a pause and keeps the camera open without viewers, until [`Pipeline::pause`] or [`Pipeline::resume`].
    /// Returns at the first picture or a failed open, or earlier if one of these or [`Pipeline::stop`] is called.
    pub async fn hold_open(&self) -> HoldOutcome {
        let mut states = self.states();
        let failures = self.shared.lock_figures().failures;
        let own = self.shared.update_requests(|requests| {
            requests.is_paused = false;
            requests.try_again = true;
            let is_new = !std::mem::replace(&mut requests.is_held, true);
            requests.holds += u64::from(is_new);
            is_new.then_some(requests.holds)
        });
        let Some(own) = own else { return HoldOutcome::AlreadyRunning };
        let is_over = |requests: &capture_state::CaptureRequests| {
            !requests.is_held || requests.holds != own || requests.is_stopping
        };
        let outcome = timeout(HOLD_WITHIN, async {
            loop {
                let state = states.borrow_and_update().clone();
                if is_over(&self.shared.lock_requests()) {
                    let what = format!("{} was let go before its first picture", self.shared.source());
                    return Err(SourceError::new(SourceErrorKind::Failed, what));
                }
                match state {
                    CameraState::Live => return Ok(()),
                    CameraState::Trouble(_) if !self.shared.is_hopeless(&state) => return Ok(()),
                    CameraState::Trouble(trouble) if self.shared.lock_figures().failures > failures => {
                        return Err(trouble);
                    }
                    _ => {}
                }
                // The same fault again, or the end of a hold, is no new state, so check at intervals, too.
                let _ = timeout(Duration::from_millis(100), states.changed()).await;
            }
        });
        let trouble = match outcome.await {
            Ok(Ok(())) => return HoldOutcome::Started,
            Ok(Err(trouble)) => trouble,
            Err(_) => SourceError::new(
                SourceErrorKind::Silent,
                format!("{} gave no picture in time", self.shared.source()),
            ),
        };
        self.shared.update_requests(|requests| {
            // Another call may have taken its own hold meanwhile.
            if requests.holds == own {
                requests.is_held = false;
            }
        });
        HoldOutcome::CouldNotOpen(trouble)
    }

    /// Sets the light for snapshots.
    fn set_snapshot_light(&self, switch: lights::LightSwitch) {
        // A pipeline has one light during its whole life.
        let _ = self.shared.light.set(switch);
    }

    /// Full light for a snapshot, if configured and if a picture is possible.
    async fn snapshot_light(&self) -> Option<lights::LitShot> {
        let light = self.shared.light.get()?;
        let state = self.shared.state.borrow().clone();
        if self.shared.is_hopeless(&state) { None } else { light.full_light().await }
    }

    /// The newest live picture, with light if snapshots have it. Opens an idle camera and waits at most `wait`, plus
    /// the time of the light, for its first settled picture.
    ///
    /// # Errors
    /// [`NoPicture`] with a still card: paused, in trouble, or no picture in time.
    pub async fn snapshot(&self, wait: Duration) -> Result<Picture, NoPicture> {
        self.lit_snapshot(&self.shared.hub, wait).await
    }

    /// Like [`Pipeline::snapshot`], for the camera's original.
    ///
    /// # Errors
    /// Like [`Pipeline::snapshot`].
    pub async fn original_snapshot(&self, wait: Duration) -> Result<Picture, NoPicture> {
        self.lit_snapshot(&self.shared.originals, wait).await
    }

    /// The newest live picture without additional light.
    ///
    /// # Errors
    /// Like [`Pipeline::snapshot`].
    pub async fn snapshot_in_current_light(&self, wait: Duration) -> Result<Picture, NoPicture> {
        self.newest_of(&self.shared.hub, wait, None).await
    }

    async fn lit_snapshot(&self, hub: &Hub, wait: Duration) -> Result<Picture, NoPicture> {
        let _demand = self.demand();
        let shot = self.snapshot_light().await;
        self.newest_of(hub, wait, shot.as_ref()).await
    }

    async fn newest_of(
        &self,
        hub: &Hub,
        wait: Duration,
        shot: Option<&lights::LitShot>,
    ) -> Result<Picture, NoPicture> {
        let _demand = self.demand();
        let until = Instant::now() + wait + shot.map_or(Duration::ZERO, lights::LitShot::remaining);
        let is_lit = |picture: &Picture| shot.is_none_or(|shot| shot.is_lit_in(picture));
        let mut pictures = hub.subscribe();
        let mut states = self.states();
        loop {
            // Each lock is released before the next is taken, because the capture thread takes both.
            let state = states.borrow_and_update().clone();
            if self.shared.is_hopeless(&state) || self.is_ending() {
                break;
            }
            tokio::select! {
                picture = timeout_at(until, pictures.next()) => match picture {
                    Ok(Some(picture)) if !picture.is_card && self.is_warm(&picture) && is_lit(&picture) => {
                        return Ok(picture);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                },
                _ = states.changed() => {}
            }
        }
        let state = self.shared.state.borrow().clone();
        Err(NoPicture { card: self.card(&state).await, state })
    }

    /// A picture of the camera's largest size, invisible to everyone else. An open camera is closed, opened for this
    /// picture, and reopened as before. If nothing larger exists, this is [`Pipeline::snapshot`].
    ///
    /// # Errors
    /// [`NoPicture`], as for a snapshot. Its state may be a fault of this picture only.
    pub async fn largest_picture(&self, wait: Duration) -> Result<Picture, NoPicture> {
        let state = self.shared.state.borrow().clone();
        if self.shared.is_hopeless(&state) || self.is_ending() {
            return Err(NoPicture { card: self.card(&state).await, state });
        }
        let shot = self.snapshot_light().await;
        if let Some(shot) = &shot {
            shot.wait_settled().await;
        }
        let until = Instant::now() + wait;
        let asked = self.shared.update_requests(capture_state::CaptureRequests::request_largest);
        let answer = match asked {
            Some(answered) => timeout_at(until, answered).await,
            None => Ok(Ok(Largest::Failed(SourceError::new(
                SourceErrorKind::Busy,
                "too many pictures of the largest size are asked for at once",
            )))),
        };
        let state = match answer {
            Ok(Ok(Largest::Picture(picture))) => return Ok(picture),
            Ok(Ok(Largest::NothingLarger)) => {
                return self.snapshot(until.saturating_duration_since(Instant::now())).await;
            }
            Ok(Ok(Largest::Failed(trouble))) => CameraState::Trouble(trouble),
            Ok(Err(_)) | Err(_) => self.shared.state.borrow().clone(),
        };
        Err(NoPicture { card: self.card(&state).await, state })
    }

    /// The still card for `state`: the one in the hub, or a new one. The capture thread may be busy opening, so the
    /// card is drawn on a thread of the runtime's pool.
    async fn card(&self, state: &CameraState) -> Option<Picture> {
        if let Some(card) = self.shared.hub.newest().filter(|picture| picture.is_card) {
            return Some(card);
        }
        let size = self.shared.lock_figures().size.unwrap_or(capture::CARD_SIZE);
        let (quality, state) = (self.shared.settings().quality, state.clone());
        spawn_blocking(move || {
            let mut encoder = Encoder::new(quality).ok()?;
            capture::draw_card(&mut encoder, &state, size)
        })
        .await
        .ok()?
    }

    /// Closes the camera and the hub for good. Join the worker afterwards.
    pub fn stop(&self) {
        self.shared.update_requests(|requests| {
            requests.is_stopping = true;
            requests.interrupt.set();
        });
        self.shared.close();
    }

    /// The source that was opened last, open or closed; `None` before the first.
    fn newest_source(&self) -> Option<NewestSource> {
        let figures = self.shared.lock_figures();
        let delivers = figures.delivers.as_ref()?;
        Some(NewestSource {
            number: figures.opens,
            opened_us: figures.opened_us,
            is_simulated: delivers.is_simulated,
        })
    }

    fn is_ending(&self) -> bool {
        self.shared.lock_requests().is_stopping
    }
}
