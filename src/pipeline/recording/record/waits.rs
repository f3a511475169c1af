//! Waits of the recorder for pictures and crossings. Each can be cancelled and repeated without loss.

use std::future::pending;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::broadcast;

use super::view::{NextPicture, RecordedView};
use crate::pipeline::recording::RecordError;
use tallycam_store::StoredCrossing;
use tallycam_store::media::{Ended, Item, Media, MediaError, NewRecording, RecordingHandle};

/// Creates the row and reads it back.
pub fn create_row(media: &Media, new: NewRecording) -> Result<(RecordingHandle, Item), MediaError> {
    let handle = media.begin_recording(new)?;
    match media.reader().and_then(|reader| reader.item(handle.id())) {
        Ok(item) => Ok((handle, item)),
        Err(error) => {
            // An empty recording leaves no row.
            handle.end(Ended::Stopped)?;
            Err(error)
        }
    }
}

/// The error of a recording that was ended before its first picture.
pub fn ended_before_start() -> RecordError {
    RecordError::NoPicture(String::from("the recording was ended before its first picture"), None, None)
}

/// The next event of the view; pending without one.
pub async fn next(view: &mut Option<RecordedView>) -> NextPicture {
    match view {
        Some(view) => view.next().await,
        None => pending().await,
    }
}

/// The next crossing. Crossings missed in a burst need no recording of their own.
pub async fn next_crossing(
    crossings: &mut Option<broadcast::Receiver<Arc<StoredCrossing>>>,
) -> Arc<StoredCrossing> {
    while let Some(receiver) = crossings {
        match receiver.recv().await {
            Ok(crossing) => return crossing,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => *crossings = None,
        }
    }
    pending().await
}

/// The thread's runtime: timers, and a pool for two concurrent jobs.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(2).build()
}
