//! A streamed request body: pieces of up to 64 KiB, with limits to its length and to the sender's silence.
//!
//! ```text
//! socket ─► hyper ─► Upload ── 4 pieces ──► Received: Read, on a thread that blocks
//! ```
//!
//! The sender waits while the reading thread is busy with the disk, so pieces do not pile up. A body that breaks off
//! is an error for the reader, never an end.

use std::io::{self, Read};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::http::server::link::Link;

/// Network frames are gathered into pieces of this many bytes.
const PIECE: usize = 64 * 1024;

/// Pieces that may wait for a slow disk.
const WAITING: usize = 4;

/// A piece must be complete within this many times `patience`: some kilobytes per second.
const SLOWEST: u32 = 3;

/// Why a request's body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit.
    #[error("the request's body is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not complete in time.
    #[error("the request's body did not come in time")]
    TooSlow,
    /// The connection or the framing broke.
    #[error("the request's body is broken")]
    Broken,
}

/// A request's body that has not been read yet.
#[derive(Debug)]
pub struct Upload {
    body: Incoming,
    link: Rc<Link>,
    patience: Duration,
    /// Bytes that may still come.
    left: u64,
    is_over: bool,
}

impl Upload {
    /// The `body` of a request on `link`. Silence may last for `patience`.
    pub fn new(body: Incoming, link: Rc<Link>, patience: Duration) -> Upload {
        let is_over = body.is_end_stream();
        Upload { body, link, patience, left: u64::MAX, is_over }
    }

    /// The announced length in bytes, if known.
    pub fn len(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// Limits the body to this many bytes.
    ///
    /// # Errors
    /// The sender has announced more.
    pub fn limit(&mut self, bytes: u64) -> Result<(), BodyError> {
        self.left = bytes;
        match self.len() {
            Some(len) if len > bytes => Err(BodyError::TooLong { limit: clamp(bytes) }),
            _ => Ok(()),
        }
    }

    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        let mut piece = BytesMut::new();
        let complete_by = Instant::now() + self.patience * SLOWEST;
        while piece.len() < PIECE && !self.is_over {
            let until = complete_by.min(Instant::now() + self.patience);
            match timeout_at(until, self.body.frame()).await {
                Err(_) => return Err(BodyError::TooSlow),
                Ok(None) => self.is_over = true,
                Ok(Some(Err(error))) => {
                    log::debug!("{}: an upload broke off: {error}", self.link.peer());
                    return Err(BodyError::Broken);
                }
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let limit = self.left;
                    self.left = limit
                        .checked_sub(data.len() as u64)
                        .ok_or(BodyError::TooLong { limit: clamp(limit) })?;
                    piece.extend_from_slice(&data);
                }
            }
        }
        Ok(Some(piece.freeze()).filter(|piece| !piece.is_empty()))
    }

    /// Hands the body to `read`, on a thread that may block, until `read` has enough.
    ///
    /// # Errors
    /// The thread failed. A broken body is in the inner result; the output of `read` comes with it, so that the
    /// caller can undo it.
    pub async fn read_by<T: Send + 'static>(
        mut self,
        read: impl FnOnce(Received) -> T + Send + 'static,
    ) -> Result<(T, Result<(), BodyError>), String> {
        let (sender, pieces) = mpsc::channel(WAITING);
        let reading = tokio::task::spawn_blocking(move || {
            read(Received { pieces, piece: Bytes::new(), is_over: false })
        });
        let taken = loop {
            let piece = self.piece().await;
            let over = match &piece {
                Ok(Some(_)) => None,
                Ok(None) => Some(Ok(())),
                Err(error) => Some(Err(*error)),
            };
            // A reader that is gone has read enough.
            let is_gone = sender.send(piece).await.is_err();
            if let Some(over) = over.or(is_gone.then_some(Ok(()))) {
                break over;
            }
        };
        drop(sender);
        let read = reading.await.map_err(|panicked| panicked.to_string())?;
        Ok((read, taken))
    }
}

impl Drop for Upload {
    /// The rest of the body is not awaited: the connection lingers so that the answer arrives.
    fn drop(&mut self) {
        if !self.is_over && !self.body.is_end_stream() {
            self.link.cut();
        }
    }
}

fn clamp(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The received part of a body, for a thread that blocks. Reading ends only after the complete body.
#[derive(Debug)]
pub struct Received {
    /// `None` in the channel is the end of the body; a closed channel without it is an error.
    pieces: mpsc::Receiver<Result<Option<Bytes>, BodyError>>,
    piece: Bytes,
    is_over: bool,
}

impl Read for Received {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        while self.piece.is_empty() && !self.is_over {
            // The sender is gone: so is the connection.
            match self.pieces.blocking_recv().unwrap_or(Err(BodyError::Broken)) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => self.is_over = true,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let bytes = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..bytes]);
        Ok(bytes)
    }
}
