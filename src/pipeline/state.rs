//! What the camera is doing, in words for programs and people. Pure.

use crate::media::{Picture, SourceError, SourceErrorKind};

/// What the camera is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum CameraState {
    /// Closed, since nobody needs it.
    Asleep,
    /// Being opened, or open and not yet at its first picture.
    Waking,
    /// Pictures flow.
    Live,
    /// Something is wrong; it is tried again by itself.
    Trouble(SourceError),
    /// Let go by `/stop_stream` or Pause, until told otherwise.
    Paused,
}

impl CameraState {
    /// One lower-case word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            CameraState::Asleep => "asleep",
            CameraState::Waking => "waking",
            CameraState::Live => "live",
            CameraState::Trouble(trouble) => trouble.kind.as_str(),
            CameraState::Paused => "paused",
        }
    }

    /// Every word [`CameraState::as_str`] can give.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        ["asleep", "waking", "live", "paused"]
            .into_iter()
            .chain(SourceErrorKind::ALL.iter().map(|kind| kind.as_str()))
    }

    /// A few words for people: page, still card, the service's status line.
    pub fn headline(&self) -> &'static str {
        match self {
            CameraState::Asleep => "Camera idle",
            CameraState::Waking => "Starting the camera",
            CameraState::Live => "Live",
            CameraState::Trouble(trouble) => trouble.kind.headline(),
            CameraState::Paused => "Paused",
        }
    }

    /// Why it is so, in a sentence; empty when the headline says it all.
    pub fn reason(&self) -> String {
        match self {
            CameraState::Asleep => String::from("The camera is off until somebody needs it."),
            CameraState::Waking => String::from("The first frame arrives in a moment."),
            CameraState::Live => String::new(),
            CameraState::Trouble(trouble) => sentence(&trouble.reason()),
            CameraState::Paused => String::from("The camera was let go. Resume brings the picture back."),
        }
    }

    /// In place of reason and hint for clients below operator; `None`: the same.
    pub fn public_reason(&self) -> Option<&'static str> {
        match self {
            CameraState::Trouble(trouble) => Some(trouble.kind.public_message()),
            _ => None,
        }
    }

    /// What can be done where a picture was wanted: also of a pause, which nobody has to be told of who sees the state.
    pub fn remedy_hint(&self) -> Option<String> {
        match self {
            CameraState::Paused => {
                Some(String::from("Resume the camera: on the live page, or by POST /api/v1/resume."))
            }
            state => state.hint(),
        }
    }

    /// What the reader can do, in a sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            CameraState::Trouble(trouble) => trouble.hint.as_deref().map(sentence),
            _ => None,
        }
    }
}

/// `text` with a full stop, if it has no end of its own. Its first letter stays: it may be a path.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// There is no live picture to give.
#[derive(Debug, Clone)]
pub struct NoPicture {
    /// Words and reason as a picture; `None` if not even that could be made.
    pub card: Option<Picture>,
    /// The state that explains it.
    pub state: CameraState,
}
