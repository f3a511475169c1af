//! A source on trial: it takes the camera's place until its first picture decides.

use tokio::sync::oneshot;

use super::camera_info::CameraInfo;
use tallycam_camera::media::{SourceError, SourceErrorKind};
use tallycam_camera::source::Opener;

/// Another source to try.
pub struct Swap {
    pub opener: Box<dyn Opener>,
    pub answer: oneshot::Sender<Result<(), SourceError>>,
}

/// A source on trial. It stays if it delivers a picture.
pub struct SourceTrial {
    /// The source to restore if it fails.
    pub before: Box<dyn Opener>,
    /// Known facts of that source.
    pub known: CameraInfo,
    pub answer: oneshot::Sender<Result<(), SourceError>>,
}

/// The fault of a source that was closed during its trial.
pub fn source_released() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, "the camera was let go before the new source gave a picture")
}

/// The fault of a trial whose requester has gone.
pub fn trial_abandoned() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, "nobody waited for the new source's first picture")
}
