//! What others ask of the capture thread between two frames: the camera's controls and formats, another source, other
//! settings.
//!
//! Commands wait in a queue of [`AT_ONCE`] and are answered by a oneshot each; while none waits, a frame costs one
//! look at a flag. Everything here is asked from tokio's thread and done on the capture thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{CaptureOptions, Pipeline};
use crate::lens::Drive;
use crate::media::{Control, ControlValue, Format, SourceError, SourceErrorKind};
use crate::source::Opener;

/// Commands that wait at once; who comes then is told that too many do.
pub const AT_ONCE: usize = 16;

/// The longest that controls and formats are waited for: an open that is under way comes first, and may take long.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The formats that a camera offers are told again for so long.
const FORMATS_STAY: Duration = Duration::from_secs(1);

/// The longest that another source is waited for.
const REPLACED_WITHIN: Duration = Duration::from_secs(60);

/// Which values controls are to have after every open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedControls {
    /// The operator's, for every camera. They go before the others.
    pub pinned: BTreeMap<String, f64>,
    /// What was set here, by the camera's identity and the control's name.
    pub cameras: BTreeMap<String, BTreeMap<String, f64>>,
}

impl SavedControls {
    /// What holds for the camera with this identity, by the controls' names.
    pub fn for_camera(&self, identity: Option<&str>) -> BTreeMap<String, f64> {
        let mut values =
            identity.and_then(|identity| self.cameras.get(identity)).cloned().unwrap_or_default();
        values.extend(self.pinned.iter().map(|(name, value)| (name.clone(), *value)));
        values
    }
}

/// A camera's controls at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraControls {
    /// The camera's lasting name, under which its controls are saved; `None`: nothing can be saved for it.
    pub identity: Option<String>,
    /// The camera in words.
    pub camera: String,
    /// In the camera's own order; empty: it has none.
    pub controls: Vec<Control>,
    /// What came out otherwise than it was asked, in sentences: of what was set now, or, of whoever only looks, of what is
    /// saved.
    pub notes: Vec<String>,
    /// Names of those that were to be set and that the camera did not set.
    pub refused: Vec<String>,
}

/// A control cannot be set to what was given.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongControl {
    /// The control's name, as given.
    pub name: String,
    /// The value, as given.
    pub given: f64,
    /// What is wrong and what was expected, in a sentence.
    pub message: String,
}

/// Controls could not be read or set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ControlsError {
    /// Names or values mean nothing to this camera: nothing was set.
    #[error("{}", .0.iter().map(|wrong| wrong.message.as_str()).collect::<Vec<_>>().join(" "))]
    Wrong(Vec<WrongControl>),
    /// The camera cannot be asked.
    #[error(transparent)]
    Camera(#[from] SourceError),
    /// As many wait already as can.
    #[error("too many want something of the camera at once")]
    Busy,
    /// What was meant is another one.
    #[error("another camera is there now")]
    OtherCamera,
    /// The camera's driver does not return.
    #[error("the camera did not answer in time")]
    NoAnswer,
    /// tallycam stops.
    #[error("tallycam is stopping")]
    Ending,
}

/// What is asked of the capture thread.
pub enum Command {
    Controls(Answer<CameraControls>),
    RecentControls(Answer<CameraControls>),
    SetControls(WantedControls, Answer<CameraControls>),
    ResetControls(WantedControls, Answer<CameraControls>),
    Formats(Answer<Vec<Format>>),
    Replace(Box<dyn Opener>, oneshot::Sender<Result<(), SourceError>>),
}

/// What is wanted of the controls of one camera: where another one has come into its place, nothing is set.
#[derive(Debug, Clone)]
pub struct WantedControls {
    /// Its lasting name, as [`CameraControls::identity`].
    pub identity: Option<String>,
    /// What they are to have.
    pub values: Vec<ControlValue>,
}

/// Where the answer to a command goes. Who has gone does not mind.
pub type Answer<T> = oneshot::Sender<Result<T, ControlsError>>;

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Command::Controls(_) => "Controls",
            Command::RecentControls(_) => "RecentControls",
            Command::SetControls(..) => "SetControls",
            Command::ResetControls(..) => "ResetControls",
            Command::Formats(_) => "Formats",
            Command::Replace(..) => "Replace",
        })
    }
}

impl Pipeline {
    /// The controls of the camera, with their present values and flags. A closed camera is looked at without
    /// streaming from it; of a paused one it is told what was seen last.
    ///
    /// # Errors
    /// [`ControlsError`]; an empty list where there are none.
    pub async fn controls(&self) -> Result<CameraControls, ControlsError> {
        self.request(Command::Controls).await
    }

    /// The same as they were read within the last second, if nothing was set since: for whoever only looks, and may look
    /// often. A camera is asked for each of its controls, and however many look, one at a time waits in the queue.
    ///
    /// # Errors
    /// As [`Pipeline::controls`].
    pub async fn recent_controls(&self) -> Result<CameraControls, ControlsError> {
        self.shared.controls.get(Duration::ZERO, self.request(Command::RecentControls)).await
    }

    /// Sets controls, all of them or (where one means nothing) none: auto modes before the values that they rule. An
    /// open camera is set between two frames; what is set on a closed one holds from its next open on, unless another
    /// value is saved before. What the camera really took is in the answer, with a note where that is something else.
    /// Where one of them moves the lens, a focus sweep that is under way ends first.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn set_controls(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.set_outside_sweep(wanted, Command::SetControls).await
    }

    /// As [`Pipeline::set_controls`], where `wanted` are the controls' defaults: values go before the auto modes that rule
    /// them from then on, and what one rules already is set while that is manual for a moment.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn reset_controls(&self, wanted: WantedControls) -> Result<CameraControls, ControlsError> {
        self.set_outside_sweep(wanted, Command::ResetControls).await
    }

    async fn set_outside_sweep(
        &self,
        wanted: WantedControls,
        command: fn(WantedControls, Answer<CameraControls>) -> Command,
    ) -> Result<CameraControls, ControlsError> {
        let ended = self.stop_sweep_for(&wanted.values).await;
        let names: Vec<String> = wanted.values.iter().map(|wish| wish.name.clone()).collect();
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
        self.request(|answer| Command::SetControls(wanted, answer)).await
    }

    /// The formats, sizes and rates that the camera offers, as they were within the last second; empty where there is
    /// nothing to choose. However many ask, one at a time waits in the queue.
    ///
    /// # Errors
    /// [`ControlsError`].
    pub async fn formats(&self) -> Result<Vec<Format>, ControlsError> {
        self.shared.formats.get(FORMATS_STAY, self.request(Command::Formats)).await
    }

    /// Which values controls have after every open from now on; those of an open camera that are others now are set
    /// at once. Where the lens's are among them, a focus sweep that is under way ends, and leaves the lens there.
    pub fn set_saved_controls(&self, saved: SavedControls) {
        self.shared.request(|wishes| {
            let before = std::mem::replace(&mut wishes.saved, Arc::new(saved));
            wishes.has_new_saved = true;
            self.shared.sweep.send_if_modified(|sweep| {
                sweep.as_mut().is_some_and(|sweep| sweep.sync_saved(&before, &wishes.saved))
            });
        });
    }

    /// Puts other settings in force, from the next frame on.
    pub fn set_settings(&self, settings: CaptureOptions) {
        self.shared.request(|wishes| wishes.settings = settings);
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
        match self.command(Command::Replace(opener, answer)) {
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
    async fn request<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, ControlsError> {
        let (answer, answered) = oneshot::channel();
        self.command(command(answer))?;
        match timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ControlsError::Ending),
            Err(_) => Err(ControlsError::NoAnswer),
        }
    }

    /// Puts a command into the queue.
    fn command(&self, command: Command) -> Result<(), ControlsError> {
        self.shared.request(|wishes| {
            let commands = wishes.commands.as_mut().ok_or(ControlsError::Ending)?;
            commands.retain(|waiting| !waiting.is_abandoned());
            if commands.len() >= AT_ONCE {
                return Err(ControlsError::Busy);
            }
            commands.push_back(command);
            Ok(())
        })
    }
}

impl Command {
    /// Whether nobody waits for its answer any more: then it is not done.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Command::Controls(answer)
            | Command::RecentControls(answer)
            | Command::SetControls(_, answer)
            | Command::ResetControls(_, answer) => answer.is_closed(),
            Command::Formats(answer) => answer.is_closed(),
            Command::Replace(_, answer) => answer.is_closed(),
        }
    }
}
