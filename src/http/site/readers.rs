//! Reads a store without blocking the server's thread: a few read-only connections, each used on a thread of the
//! runtime's pool by one request at a time.
//!
//! If all are in use, a request waits; after too long it is answered 503. At most [`PLACES`] threads read each store,
//! however many requests come.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::http::request::problem::{Problem, RETRY_COUNTS_DB};
use tallycam_store::media::{Media, MediaError, MediaReader};
use tallycam_store::{Counts, CountsReader, StoreError};

/// Requests that read a store at the same time.
const PLACES: usize = 4;

/// Longest wait of a request for a place.
const WAIT: Duration = Duration::from_secs(5);

/// A store with separate blocking readers.
pub trait Readable: Clone + Send + 'static {
    /// The reader.
    type Reader: Send + 'static;
    /// Why reading failed.
    type Error: Error + Clone + Send + 'static;

    /// Opens another reader.
    ///
    /// # Errors
    /// The file cannot be opened.
    fn open_reader(&self) -> Result<Self::Reader, Self::Error>;

    /// Identifies the file: a change means that another has replaced it, and readers of the old one are discarded.
    fn file_number(&self) -> u64 {
        0
    }

    /// True if `error` is a regular answer, and the reader is still good.
    fn is_answer(_error: &Self::Error) -> bool {
        false
    }
}

impl Readable for Counts {
    type Reader = CountsReader;
    type Error = StoreError;

    fn open_reader(&self) -> Result<CountsReader, StoreError> {
        self.reader()
    }

    fn file_number(&self) -> u64 {
        // Sums by another calendar count as another file.
        self.calendars()
    }
}

impl Readable for Media {
    type Reader = MediaReader;
    type Error = MediaError;

    fn open_reader(&self) -> Result<MediaReader, MediaError> {
        self.reader()
    }

    fn file_number(&self) -> u64 {
        use std::os::unix::fs::MetadataExt;
        // The kernel does not reuse an inode number while a reader has the old file open.
        std::fs::metadata(self.file()).map_or(0, |file| file.ino())
    }

    fn is_answer(error: &MediaError) -> bool {
        matches!(error, MediaError::Unknown(_) | MediaError::Wrong(_))
    }
}

/// A store could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError<E: Error + 'static> {
    /// All places were taken for too long.
    #[error("the store is being read by too many at once")]
    Busy,
    /// The store itself.
    #[error(transparent)]
    Store(#[from] E),
    /// An internal error.
    #[error("the store could not be read: {0}")]
    Failed(String),
}

pub type CountsReadError = ReadError<StoreError>;

pub type MediaReadError = ReadError<MediaError>;

pub type CountsReaders = Readers<Counts>;

pub type MediaReaders = Readers<Media>;

/// Unused readers, each with the number of its file.
type Idle<R> = Vec<(u64, R)>;

/// The readers of a store. Clones share them.
#[derive(Debug)]
pub struct Readers<S: Readable> {
    store: S,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Idle<S::Reader>>>,
}

impl<S: Readable> Clone for Readers<S> {
    fn clone(&self) -> Readers<S> {
        let Readers { store, places, idle } = self;
        Readers { store: store.clone(), places: Arc::clone(places), idle: Arc::clone(idle) }
    }
}

impl<S: Readable> Readers<S> {
    /// Opens no reader yet: each opens on first use.
    pub fn new(store: S) -> Readers<S> {
        Readers { store, places: Arc::new(Semaphore::new(PLACES)), idle: Arc::default() }
    }

    /// Runs `ask` with a reader, on a thread that may block.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&S::Reader) -> Result<T, S::Error> + Send + 'static,
    ) -> Result<T, ReadError<S::Error>> {
        let place = timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.ok().and_then(Result::ok).ok_or(ReadError::Busy)?;
        let (store, idle) = (self.store.clone(), Arc::clone(&self.idle));
        let read = tokio::task::spawn_blocking(move || {
            // Held until reading is over, even if nobody waits for it any more.
            let _place = place;
            let number = store.file_number();
            let known = {
                let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|(own, _)| *own == number);
                idle.pop()
            };
            let reader = match known {
                Some((_, reader)) => reader,
                None => store.open_reader()?,
            };
            let read = ask(&reader);
            // A reader that failed is discarded.
            if read.as_ref().err().is_none_or(S::is_answer) {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push((number, reader));
            }
            Ok(read?)
        });
        read.await.map_err(|e| ReadError::Failed(e.to_string()))?
    }
}

impl<E: std::error::Error + 'static> From<ReadError<E>> for Problem
where
    Problem: From<E>,
{
    fn from(error: ReadError<E>) -> Problem {
        let detail = error.to_string();
        match error {
            ReadError::Store(error) => Problem::from(error),
            ReadError::Busy => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_COUNTS_DB)
            }
            ReadError::Failed(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}
