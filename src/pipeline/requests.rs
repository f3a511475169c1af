//! Requests of a handle to the capture thread, on tokio's thread: the camera's controls and formats, another source,
//! other settings.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::commands::{
    AT_ONCE, CameraControls, CaptureCommand, CommandAnswer, ControlsError, SavedControls, WantedControls,
};
use super::{CaptureOptions, Pipeline};
use tallycam_camera::lens::Drive;
use tallycam_camera::media::{CameraFormat, SourceError, SourceErrorKind};
use tallycam_camera::source::Opener;

/// Timeout for controls and formats. An open in progress goes first and may take long.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Time that the formats of a camera stay cached.
const FORMATS_STAY: Duration = Duration::from_secs(1);

/// Timeout for a change of the source.
const REPLACED_WITHIN: Duration = Duration::from_secs(60);

impl Pipeline {
    /// The controls of the camera with their current values and flags. A closed camera is read without streaming; a
    /// paused one is described by its last known controls.
    ///
    /// # Errors
    /// [`ControlsError`]. An empty list means that there are no controls.
    pub async fn controls(&self) -> Result<CameraControls, ControlsError> {
        self.request(CaptureCommand::Controls).await
    }

    /// The controls as they were read within the last second, if nothing was set since. For readers that may ask
    /// often: reading accesses each control, and only one reader at a time waits in the queue.
    ///
    /// # Errors
    /// Like [`Pipeline::controls`].
    pub async fn recent_controls(&self) -> Result<CameraControls, ControlsError> {
        self.shared.controls.get(Duration::ZERO, self.request(CaptureCommand::RecentControls)).await
    }

    /// Sets all controls, or none if one is wrong. Auto modes go before the values that they manage.
    ///
    /// An open camera is set between two frames. A closed one gets the values at its next open, unless other values
    /// are saved before. The answer has the values that the camera accepted, with a note on each difference. If one
    /// of them moves the lens, a focus sweep in progress ends first.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn set_controls(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.set_outside_sweep(wanted, CaptureCommand::SetControls).await
    }

    /// Like [`Pipeline::set_controls`] with `wanted` as the controls' defaults. Values go before the auto modes that
    /// will manage them. If a mode manages one already, the mode is manual meanwhile.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn reset_controls(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.set_outside_sweep(wanted, CaptureCommand::ResetControls).await
    }

    async fn set_outside_sweep(
        &self,
        wanted: WantedControls,
        command: fn(WantedControls, CommandAnswer<CameraControls>) -> CaptureCommand,
    ) -> Result<CameraControls, ControlsError> {
        let ended = self.stop_sweep_for(&wanted.values).await;
        let names: Vec<String> = wanted.values.iter().map(|wanted| wanted.name.clone()).collect();
        let set = self.request(|answer| command(wanted, answer)).await;
        let is_taken = |back: &Drive| {
            let is_refused = |name| set.as_ref().map_or(true, |set| set.refused.contains(name));
            names.iter().any(|name| back.is_moved_by(name) && !is_refused(name))
        };
        if let Some(ended) = ended.filter(|ended| !is_taken(&ended.back)) {
            // Nobody else restores it.
            let back = WantedControls { identity: ended.identity, values: ended.back.current_values() };
            if let Err(error) = self.set_in_sweep(back).await {
                log::warn!("the focus position was not restored after a sweep: {error}");
            }
        }
        set
    }

    /// Sets controls on behalf of the sweep itself.
    pub(super) async fn set_in_sweep(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.request(|answer| CaptureCommand::SetControls(wanted, answer)).await
    }

    /// The formats, sizes and rates of the camera, at most a second old; empty if there is no choice. Only one
    /// request at a time waits in the queue.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn formats(&self) -> Result<Vec<CameraFormat>, ControlsError> {
        self.shared.formats.get(FORMATS_STAY, self.request(CaptureCommand::Formats)).await
    }

    /// Replaces the values that controls get after every open; an open camera gets the changed ones at once. If they
    /// include the lens's controls, a focus sweep in progress ends and leaves the lens there.
    pub fn set_saved_controls(&self, saved: SavedControls) {
        self.shared.request(|requests| {
            let before = std::mem::replace(&mut requests.saved, Arc::new(saved));
            requests.has_new_saved = true;
            self.shared.sweep.send_if_modified(|sweep| {
                sweep.as_mut().is_some_and(|sweep| sweep.sync_saved(&before, &requests.saved))
            });
        });
    }

    /// Replaces the settings, from the next frame on. Frames of before another mask are given to nobody any more.
    pub fn set_settings(&self, settings: CaptureOptions) {
        self.shared.request(|requests| {
            let is_masked_anew = requests.settings.mask != settings.mask;
            requests.settings = settings;
            if is_masked_anew {
                self.shared.hub.expire();
            }
        });
    }

    /// Replaces the source; viewers stay. If the new source gives no picture within its first timeout, the previous
    /// one is opened again.
    ///
    /// An idle camera is opened for one picture to try it. A paused one stays closed: the new source is accepted
    /// untried, and a fault appears when the pause ends.
    ///
    /// # Errors
    /// The reason why the new source gives no picture; the previous one is in use then. Also an error if the caller
    /// stops waiting before the first picture.
    pub async fn replace_source(&self, opener: Box<dyn Opener>) -> Result<(), SourceError> {
        let (answer, answered) = oneshot::channel();
        let failed = |why: &str| {
            Err(SourceError::new(SourceErrorKind::Failed, format!("the source was not changed: {why}")))
        };
        match self.command(CaptureCommand::Replace(opener, answer)) {
            Err(ControlsError::Busy) => failed("too many want something of the camera at once"),
            Err(_) => failed("tallycam is stopping"),
            // The new source has its own time to start, and so has an open in progress.
            Ok(()) => {
                let replaced = timeout(REPLACED_WITHIN, answered).await;
                self.shared.formats.invalidate().await;
                match replaced {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) => failed("tallycam is stopping"),
                    Err(_) => failed("the camera's driver does not return"),
                }
            }
        }
    }

    /// Sends a command and waits for the answer.
    async fn request<T>(
        &self,
        command: impl FnOnce(CommandAnswer<T>) -> CaptureCommand,
    ) -> Result<T, ControlsError> {
        let (answer, answered) = oneshot::channel();
        self.command(command(answer))?;
        match timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ControlsError::Ending),
            Err(_) => Err(ControlsError::NoAnswer),
        }
    }

    fn command(&self, command: CaptureCommand) -> Result<(), ControlsError> {
        self.shared.request(|requests| {
            let commands = requests.commands.as_mut().ok_or(ControlsError::Ending)?;
            commands.retain(|waiting| !waiting.is_abandoned());
            if commands.len() >= AT_ONCE {
                return Err(ControlsError::Busy);
            }
            commands.push_back(command);
            Ok(())
        })
    }
}
