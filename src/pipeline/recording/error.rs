//! Errors of taking and storing pictures.

use crate::pipeline::{CameraState, NoPicture};
use tallycam_base::{Fault, FaultKind};
use tallycam_camera::encode::NoRoom;
use tallycam_store::media::MediaError;

/// A picture could not be taken or stored, or a recording not started.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// `privacy.counts_only`.
    #[error("no snapshot is stored: privacy mode is on")]
    CountsOnly,
    /// No picture is available: the state of the camera in words, the remedy, and the public reason.
    #[error("{0}")]
    NoPicture(String, Option<String>, Option<&'static str>),
    /// The change needs more memory than this machine has, now or at all.
    #[error("the picture could not be changed: {0}")]
    NoRoom(NoRoom),
    /// A recording is already in progress, a value of the request is out of range, or the change failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A recording has ended, but the store cannot close it at the moment. It retries on its own.
    #[error(
        "the recording has ended, and is closed when the store takes that; {lost} pictures of its end are lost: {why}"
    )]
    NotClosed {
        /// Lost pictures at its end.
        lost: u64,
        why: MediaError,
    },
    /// An error of the store.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// The error of a picture that could not be changed.
pub fn not_changed(why: &str) -> RecordError {
    Fault::new(FaultKind::File, format!("the picture could not be changed: {why}")).into()
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

/// The error for a camera in this state, with the remedy.
pub fn no_picture_error(state: &CameraState) -> RecordError {
    RecordError::NoPicture(describe_state(state), state.remedy_hint(), state.public_reason())
}

/// Headline and reason of a state, in sentences.
pub fn describe_state(state: &CameraState) -> String {
    let (headline, reason) = (state.headline(), state.reason());
    if reason.is_empty() { format!("{headline}.") } else { format!("{headline}. {reason}") }
}
