//! What others ask of the capture thread between two frames: the camera's controls and formats, another source, other
//! settings.
//!
//! Commands wait in a queue of [`AT_ONCE`] and are answered by a oneshot each; while none waits, a frame costs one
//! look at a flag. Everything here is asked from tokio's thread and done on the capture thread.

use std::collections::BTreeMap;
use std::fmt;

use tokio::sync::oneshot;

use crate::media::{CameraFormat, Control, ControlValue, SourceError};
use crate::source::Opener;

/// Commands that wait at once; further ones are refused.
pub const AT_ONCE: usize = 16;

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
    /// What came out otherwise than it was asked, in sentences: of what was set now, or, of whoever only looks, of what
    /// is saved.
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
pub enum CaptureCommand {
    Controls(CommandAnswer<CameraControls>),
    RecentControls(CommandAnswer<CameraControls>),
    SetControls(WantedControls, CommandAnswer<CameraControls>),
    ResetControls(WantedControls, CommandAnswer<CameraControls>),
    Formats(CommandAnswer<Vec<CameraFormat>>),
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
pub type CommandAnswer<T> = oneshot::Sender<Result<T, ControlsError>>;

impl fmt::Debug for CaptureCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CaptureCommand::Controls(_) => "Controls",
            CaptureCommand::RecentControls(_) => "RecentControls",
            CaptureCommand::SetControls(..) => "SetControls",
            CaptureCommand::ResetControls(..) => "ResetControls",
            CaptureCommand::Formats(_) => "Formats",
            CaptureCommand::Replace(..) => "Replace",
        })
    }
}

impl CaptureCommand {
    /// Whether nobody waits for its answer any more: then it is not done.
    pub fn is_abandoned(&self) -> bool {
        match self {
            CaptureCommand::Controls(answer)
            | CaptureCommand::RecentControls(answer)
            | CaptureCommand::SetControls(_, answer)
            | CaptureCommand::ResetControls(_, answer) => answer.is_closed(),
            CaptureCommand::Formats(answer) => answer.is_closed(),
            CaptureCommand::Replace(_, answer) => answer.is_closed(),
        }
    }
}
