//! What the recorder waits for beside its own sleep: pictures, crossings. Each wait can be dropped and
//! begun again without losing anything.

use std::future::pending;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::broadcast;

use super::view::{NextPicture, RecordedView};
use crate::pipeline::recording::RecordError;
use crate::store::StoredCrossing;
use crate::store::media::{Ended, Item, Media, MediaError, NewRecording, RecordingHandle};

/// Makes the row, and reads it back.
pub fn create_row(media: &Media, new: NewRecording) -> Result<(RecordingHandle, Item), MediaError> {
    let handle = media.begin_recording(new)?;
    match media.reader().and_then(|reader| reader.item(handle.id())) {
        Ok(item) => Ok((handle, item)),
        Err(error) => {
            // Nothing is in it: no row is left.
            handle.end(Ended::Stopped)?;
            Err(error)
        }
    }
}

/// Why a recording that was ended too early has not begun.
pub fn ended_before_start() -> RecordError {
    RecordError::NoPicture(String::from("the recording was ended before its first picture"), None, None)
}

/// What the view sees next; waits for ever where there is none.
pub async fn next(view: &mut Option<RecordedView>) -> NextPicture {
    match view {
        Some(view) => view.next().await,
        None => pending().await,
    }
}

/// The next crossing that is told. Those that came too fast began what they were to begin.
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

/// The thread's runtime: timers, and a pool of as many threads as there are jobs at once.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(2).build()
}
