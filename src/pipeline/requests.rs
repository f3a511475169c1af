//! What a handle asks of the capture thread between two frames, on tokio's thread: the camera's controls and formats,
//! another source, other settings.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::commands::{
    AT_ONCE, CameraControls, CaptureCommand, CommandAnswer, ControlsError, SavedControls, WantedControls,
};
use super::{CaptureOptions, Pipeline};
use crate::lens::Drive;
use crate::media::{CameraFormat, SourceError, SourceErrorKind};
use crate::source::Opener;

/// The longest that controls and formats are waited for: an open that is under way comes first, and may take long.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// How long the formats of a camera are cached.
const FORMATS_STAY: Duration = Duration::from_secs(1);

/// The longest that another source is waited for.
const REPLACED_WITHIN: Duration = Duration::from_secs(60);

impl Pipeline {
    /// The controls of the camera, with their present values and flags. A closed camera is looked at without
    /// streaming from it; of a paused one it is told what was seen last.
    ///
    /// # Errors
    /// [`ControlsError`]; an empty list where there are none.
    pub async fn controls(&self) -> Result<CameraControls, ControlsError> {
        self.request(CaptureCommand::Controls).await
    }

    /// The same as they were read within the last second, if nothing was set since: for whoever only looks, and may
    /// look often. A camera is asked for each of its controls, and however many look, one at a time waits in the queue.
    ///
    /// # Errors
    /// As [`Pipeline::controls`].
    pub async fn recent_controls(&self) -> Result<CameraControls, ControlsError> {
        self.shared.controls.get(Duration::ZERO, self.request(CaptureCommand::RecentControls)).await
    }

    /// Sets controls, all of them or (where one means nothing) none: auto modes before the values that they rule. An
    /// open camera is set between two frames; what is set on a closed one holds from its next open on, unless another
    /// value is saved before. What the camera really took is in the answer, with a note where that is something else.
    /// Where one of them moves the lens, a focus sweep that is under way ends first.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn set_controls(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.set_outside_sweep(wanted, CaptureCommand::SetControls).await
    }

    /// As [`Pipeline::set_controls`], where `wanted` are the controls' defaults: values go before the auto modes that
    /// rule them from then on, and what one rules already is set while that is manual for a moment.
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
            // Nobody else does it now.
            let back = WantedControls { identity: ended.identity, values: ended.back.current_values() };
            if let Err(error) = self.set_in_sweep(back).await {
                log::warn!("the focus position was not restored after a sweep: {error}");
            }
        }
        set
    }

    /// The same for the sweep itself.
    pub(super) async fn set_in_sweep(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.request(|answer| CaptureCommand::SetControls(wanted, answer)).await
    }

    /// The formats, sizes and rates that the camera offers, as they were within the last second; empty where there is
    /// nothing to choose. However many ask, one at a time waits in the queue.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn formats(&self) -> Result<Vec<CameraFormat>, ControlsError> {
        self.shared.formats.get(FORMATS_STAY, self.request(CaptureCommand::Formats)).await
    }

    /// Which values controls have after every open from now on; those of an open camera that are others now are set
    /// at once. Where the lens's are among them, a focus sweep that is under way ends, and leaves the lens there.
    pub fn set_saved_controls(&self, saved: SavedControls) {
        self.shared.request(|requests| {
            let before = std::mem::replace(&mut requests.saved, Arc::new(saved));
            requests.has_new_saved = true;
            self.shared.sweep.send_if_modified(|sweep| {
                sweep.as_mut().is_some_and(|sweep| sweep.sync_saved(&before, &requests.saved))
            });
        });
    }

    /// Puts other settings in force, from the next frame on.
    pub fn set_settings(&self, settings: CaptureOptions) {
        self.shared.request(|requests| requests.settings = settings);
    }

    /// Takes pictures from another source from now on. Viewers stay. Where it gives no picture in the time that it
    /// has for its first, the one before is opened again.
    ///
    /// A camera that is asleep is woken for one picture to try it. A paused one stays closed: the new source is taken
    /// untried, and speaks for itself when the pause ends.
    ///
    /// # Errors
    /// Why the new source gives no picture; the one before is in use then. Also when this is no longer waited for
    /// before it has given one.
    pub async fn replace_source(&self, opener: Box<dyn Opener>) -> Result<(), SourceError> {
        let (answer, answered) = oneshot::channel();
        let failed = |why: &str| {
            Err(SourceError::new(SourceErrorKind::Failed, format!("the source was not changed: {why}")))
        };
        match self.command(CaptureCommand::Replace(opener, answer)) {
            Err(ControlsError::Busy) => failed("too many want something of the camera at once"),
            Err(_) => failed("tallycam is stopping"),
            // A source has its own time to begin, and so had the one that is being opened now.
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

    /// Asks and waits for the answer.
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

    /// Puts a command into the queue.
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
