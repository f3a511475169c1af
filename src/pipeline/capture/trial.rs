//! Another source in the camera's place, on trial until its first picture.

use tokio::sync::oneshot;

use super::camera_info::CameraInfo;
use crate::media::{SourceError, SourceErrorKind};
use crate::source::Opener;

/// Another source, to be tried.
pub struct Swap {
    pub opener: Box<dyn Opener>,
    pub answer: oneshot::Sender<Result<(), SourceError>>,
}

/// A source on trial: it has the camera's place until its first picture says that it may keep it.
pub struct SourceTrial {
    /// What is opened again if it gives none.
    pub before: Box<dyn Opener>,
    /// What is known of that.
    pub known: CameraInfo,
    pub answer: oneshot::Sender<Result<(), SourceError>>,
}

/// A source was let go while it was tried.
pub fn source_released() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, "the camera was let go before the new source gave a picture")
}

/// Nobody waits for the outcome of a trial any more.
pub fn trial_abandoned() -> SourceError {
    SourceError::new(SourceErrorKind::Failed, "nobody waited for the new source's first picture")
}
