//! Requests that the capture thread serves between two frames: the camera's controls and formats, another source,
//! other settings.
//!
//! Commands wait in a queue of [`AT_ONCE`]; each is answered by a oneshot channel. While none waits, a frame costs
//! one check of a flag. Requests are made on tokio's thread and served on the capture thread.

use std::collections::BTreeMap;
use std::fmt;

use tokio::sync::oneshot;

use tallycam_camera::media::{CameraFormat, Control, ControlValue, SourceError};
use tallycam_camera::source::Opener;

/// Maximum number of waiting commands; further ones are refused.
pub const AT_ONCE: usize = 16;

/// Values that controls get after every open.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedControls {
    /// The operator's values for every camera. They win over the others.
    pub pinned: BTreeMap<String, f64>,
    /// Values set by users, by the camera's identity and the control's name.
    pub cameras: BTreeMap<String, BTreeMap<String, f64>>,
}

impl SavedControls {
    /// The values for the camera with this identity, by control name.
    pub fn for_camera(&self, identity: Option<&str>) -> BTreeMap<String, f64> {
        let mut values =
            identity.and_then(|identity| self.cameras.get(identity)).cloned().unwrap_or_default();
        values.extend(self.pinned.iter().map(|(name, value)| (name.clone(), *value)));
        values
    }
}

/// The controls of a camera at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraControls {
    /// The camera's permanent identity, under which its controls are saved; `None` if nothing can be saved for it.
    pub identity: Option<String>,
    /// The camera's name.
    pub camera: String,
    /// Controls in the camera's own order; may be empty.
    pub controls: Vec<Control>,
    /// Deviations from the requested values, in sentences: of the values just set, or, for a reader, of the saved
    /// ones.
    pub notes: Vec<String>,
    /// Names of the requested controls that the camera did not set.
    pub refused: Vec<String>,
}

/// A control that cannot have the given value.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongControl {
    /// The control's name, as given.
    pub name: String,
    /// The value, as given.
    pub given: f64,
    /// The fault and the expected value, in a sentence.
    pub message: String,
}

/// Controls could not be read or set.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ControlsError {
    /// Names or values are wrong for this camera: nothing was set.
    #[error("{}", .0.iter().map(|wrong| wrong.message.as_str()).collect::<Vec<_>>().join(" "))]
    Wrong(Vec<WrongControl>),
    /// The camera cannot be accessed.
    #[error(transparent)]
    Camera(#[from] SourceError),
    /// Too many commands are waiting.
    #[error("too many want something of the camera at once")]
    Busy,
    /// Another camera has replaced the one that was meant.
    #[error("another camera is there now")]
    OtherCamera,
    /// The camera's driver does not return.
    #[error("the camera did not answer in time")]
    NoAnswer,
    /// tallycam is stopping.
    #[error("tallycam is stopping")]
    Ending,
}

/// A command for the capture thread.
pub enum CaptureCommand {
    Controls(CommandAnswer<CameraControls>),
    RecentControls(CommandAnswer<CameraControls>),
    SetControls(WantedControls, CommandAnswer<CameraControls>),
    ResetControls(WantedControls, CommandAnswer<CameraControls>),
    Formats(CommandAnswer<Vec<CameraFormat>>),
    Replace(Box<dyn Opener>, oneshot::Sender<Result<(), SourceError>>),
}

/// Values for the controls of one camera. If another camera is present, nothing is set.
#[derive(Debug, Clone)]
pub struct WantedControls {
    /// The camera's permanent identity, like [`CameraControls::identity`].
    pub identity: Option<String>,
    /// The requested values.
    pub values: Vec<ControlValue>,
}

/// Receiver of an answer; it may be gone.
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
    /// True if nobody waits for the answer any more. The command is then skipped.
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
