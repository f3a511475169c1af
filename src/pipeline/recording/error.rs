//! Why a picture could not be taken or kept.

use crate::encode::NoRoom;
use crate::pipeline::{CameraState, NoPicture};
use crate::store::media::MediaError;

/// A picture could not be taken or kept, or a recording not begun.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// `[privacy] counts_only`.
    #[error("no snapshot is stored: privacy mode is on")]
    CountsOnly,
    /// There is no picture to be had; the words of the camera's state, what can be done, and what everybody is told
    /// instead.
    #[error("{0}")]
    NoPicture(String, Option<String>, Option<&'static str>),
    /// A recording runs already.
    #[error("{0:?} is being recorded already")]
    Recording(String),
    /// A request is out of its range.
    #[error("{0}")]
    Wrong(String),
    /// The picture is too large for this machine's memory to be changed, now or at all.
    #[error("the picture could not be changed: {0}")]
    NoRoom(NoRoom),
    /// The picture could not be changed as wanted.
    #[error("the picture could not be changed: {0}")]
    Picture(String),
    /// A recording has ended, and the store does not take that for the moment: it does later by itself.
    #[error(
        "the recording has ended, and is closed when the store takes that; {lost} pictures of its end are lost: {why}"
    )]
    NotClosed {
        /// Pictures of its end.
        lost: u64,
        why: MediaError,
    },
    /// The store.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl From<&NoPicture> for RecordError {
    fn from(none: &NoPicture) -> RecordError {
        match &none.state {
            CameraState::Asleep | CameraState::Waking | CameraState::Live => {
                RecordError::NoPicture(String::from("The camera gave no picture in time."), None, None)
            }
            state => no_picture_error(state),
        }
    }
}

/// Why a camera in this state gives no picture, with what can be done.
pub fn no_picture_error(state: &CameraState) -> RecordError {
    RecordError::NoPicture(describe_state(state), state.remedy_hint(), state.public_reason())
}

/// Headline and reason of a state, in sentences.
pub fn describe_state(state: &CameraState) -> String {
    let (headline, reason) = (state.headline(), state.reason());
    if reason.is_empty() { format!("{headline}.") } else { format!("{headline}. {reason}") }
}
