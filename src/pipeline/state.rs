//! States of the camera, in words for programs and people. Pure.

use tallycam_base::sentence;
use tallycam_camera::media::{Picture, SourceError, SourceErrorKind};

/// State of the camera.
#[derive(Debug, Clone, PartialEq)]
pub enum CameraState {
    /// Closed, because there is no demand.
    Asleep,
    /// Being opened, or open before its first picture.
    Waking,
    /// Pictures arrive.
    Live,
    /// A fault; the camera is retried automatically.
    Trouble(SourceError),
    /// Closed by `/stop_stream` or Pause until it is resumed.
    Paused,
}

impl CameraState {
    /// A lower-case word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            CameraState::Asleep => "idle",
            CameraState::Waking => "starting",
            CameraState::Live => "live",
            CameraState::Trouble(trouble) => trouble.kind.as_str(),
            CameraState::Paused => "paused",
        }
    }

    /// Every word that [`CameraState::as_str`] returns.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        ["idle", "starting", "live", "paused"]
            .into_iter()
            .chain(SourceErrorKind::ALL.iter().map(|kind| kind.as_str()))
    }

    /// A few words for people: on the page, on the still card, in the service's status line.
    pub fn headline(&self) -> &'static str {
        match self {
            CameraState::Asleep => "Camera idle",
            CameraState::Waking => "Starting the camera",
            CameraState::Live => "Live",
            CameraState::Trouble(trouble) => trouble.kind.headline(),
            CameraState::Paused => "Paused",
        }
    }

    /// The reason in a sentence; empty if the headline is enough.
    pub fn reason(&self) -> String {
        match self {
            CameraState::Asleep => String::from("The camera is off until somebody needs it."),
            CameraState::Waking => String::from("The first frame arrives in a moment."),
            CameraState::Live => String::new(),
            CameraState::Trouble(trouble) => sentence(&trouble.reason()),
            CameraState::Paused => String::from("The camera was let go. Resume brings the picture back."),
        }
    }

    /// Replaces reason and hint for users below operator; `None` keeps both.
    pub fn public_reason(&self) -> Option<&'static str> {
        match self {
            CameraState::Trouble(trouble) => Some(trouble.kind.public_message()),
            _ => None,
        }
    }

    /// The remedy if a picture was requested. It includes the pause, which needs no hint next to the state.
    pub fn remedy_hint(&self) -> Option<String> {
        match self {
            CameraState::Paused => {
                Some(String::from("Resume the camera on the live page. `POST /api/v1/resume` does so, too."))
            }
            state => state.hint(),
        }
    }

    /// The remedy in a sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            CameraState::Trouble(trouble) => trouble.hint.as_deref().map(sentence),
            _ => None,
        }
    }
}

/// No live picture is available.
#[derive(Debug, Clone)]
pub struct NoPicture {
    /// The state as a picture; `None` if drawing failed.
    pub card: Option<Picture>,
    /// The state that explains it.
    pub state: CameraState,
}
