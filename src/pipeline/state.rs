//! What the camera is doing, in words for programs and people. Pure.

use crate::media::{Picture, SourceError, SourceErrorKind};

/// What the camera is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
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

impl State {
    /// One lower-case word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            State::Asleep => "asleep",
            State::Waking => "waking",
            State::Live => "live",
            State::Trouble(trouble) => trouble.kind.as_str(),
            State::Paused => "paused",
        }
    }

    /// Every word [`State::as_str`] can give.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        ["asleep", "waking", "live", "paused"]
            .into_iter()
            .chain(SourceErrorKind::ALL.iter().map(|kind| kind.as_str()))
    }

    /// A few words for people: page, still card, the service's status line.
    pub fn headline(&self) -> &'static str {
        match self {
            State::Asleep => "Camera idle",
            State::Waking => "Starting the camera",
            State::Live => "Live",
            State::Trouble(trouble) => trouble.kind.headline(),
            State::Paused => "Paused",
        }
    }

    /// Why it is so, in a sentence; empty when the headline says it all.
    pub fn reason(&self) -> String {
        match self {
            State::Asleep => String::from("The camera is off until somebody needs it."),
            State::Waking => String::from("The first frame arrives in a moment."),
            State::Live => String::new(),
            State::Trouble(trouble) => sentence(&trouble.reason()),
            State::Paused => String::from("The camera was let go. Resume brings the picture back."),
        }
    }

    /// What is told instead of reason and hint to whoever is not told how the machine is inside; `None`: the same.
    pub fn public_reason(&self) -> Option<&'static str> {
        match self {
            State::Trouble(trouble) => Some(trouble.kind.public_message()),
            _ => None,
        }
    }

    /// What can be done where a picture was wanted: also of a pause, which nobody has to be told of who sees the state.
    pub fn remedy_hint(&self) -> Option<String> {
        match self {
            State::Paused => {
                Some(String::from("Resume the camera: on the live page, or by POST /api/v1/resume."))
            }
            state => state.hint(),
        }
    }

    /// What the reader can do, in a sentence.
    pub fn hint(&self) -> Option<String> {
        match self {
            State::Trouble(trouble) => trouble.hint.as_deref().map(sentence),
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
    pub state: State,
}
