//! Reading the ledger without holding up the server's thread: a few read-only connections, each used
//! on a thread of the runtime's pool by one request at a time.
//!
//! When all are in use a request waits; when that takes too long it is answered 503. So however many
//! ask, so many threads read, and no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::store::{Counts, Reader, StoreError};

/// Requests that read at the same time.
const PLACES: usize = 4;

/// A request waits so long for a place.
const WAIT: Duration = Duration::from_secs(5);

/// The ledger could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// All places were taken for too long.
    #[error("the ledger is being read by too many at once")]
    Busy,
    /// The ledger itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mistake in tallycam.
    #[error("the ledger could not be read: {0}")]
    Failed(String),
}

/// The ledger's readers. Clones share them.
#[derive(Debug, Clone)]
pub struct Ledger {
    counts: Counts,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

impl Ledger {
    /// No reader yet: each is opened when it is first needed.
    pub fn new(counts: Counts) -> Ledger {
        Ledger { counts, places: Arc::new(Semaphore::new(PLACES)), idle: Arc::default() }
    }

    /// What `ask` reads, on a thread that may block.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let place = timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok).ok_or(LedgerError::Busy)?;
        let Ledger { counts, idle, .. } = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            // Kept until the reading is over, even if nobody waits for it any more.
            let _place = place;
            let known = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let reader = match known {
                Some(reader) => reader,
                None => counts.reader()?,
            };
            let read = ask(&reader)?;
            // One that failed is not used again.
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            Ok(read)
        });
        read.await.map_err(|e| LedgerError::Failed(e.to_string()))?
    }
}
