//! The content of a film: chunks of frames, and the trait that reads them.

use bytes::Bytes;

use tallycam_base::{Fault, FaultKind, json};

/// Facts about a chunk before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmChunk {
    /// Number for [`Footage`].
    pub number: u64,
    /// Number of frames.
    pub frames: u32,
    /// Bytes of the frames, without gaps.
    pub bytes: u32,
    /// Capture time of its first frame, in microseconds on the recording's own clock.
    pub from_us: u64,
    /// Capture time of its last frame.
    pub to_us: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// One frame of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmFrame {
    /// Capture time, on the clock of [`FilmChunk::from_us`].
    pub at_us: u64,
    /// Offset of its JPEG in the chunk's bytes.
    pub offset: u32,
}

/// A source of frames.
pub trait Footage {
    /// Why they cannot be read.
    type Error;

    /// The frames of the chunk `number`, in order.
    ///
    /// # Errors
    /// The chunk is gone, or cannot be read.
    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, Self::Error>;

    /// `len` bytes of the chunk's frames from `offset` on.
    ///
    /// # Errors
    /// As for [`Footage::frames`].
    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, Self::Error>;
}

json::words! { FilmFormat { Mov "mov", Avi "avi", Mjpeg "mjpeg" } }

/// The format of the file; its word is also the file name extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilmFormat {
    /// ISO/IEC 14496-12 with QuickTime's sample entry `jpeg`. Players of MP4 expect H.264, so it is not called `.mp4`.
    Mov,
    /// RIFF AVI with `MJPG`; above a gigabyte with OpenDML's parts and indexes.
    Avi,
    /// Concatenated JPEGs, without times.
    Mjpeg,
}

impl FilmFormat {
    /// Media type for `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            FilmFormat::Mov => "video/quicktime",
            FilmFormat::Avi => "video/x-msvideo",
            FilmFormat::Mjpeg => "video/x-motion-jpeg",
        }
    }
}

/// The fault of a recording without frames.
pub fn empty_film() -> Fault {
    Fault::new(FaultKind::Unknown, "the recording has no pictures yet")
}

/// The fault of a recording that the format's numbers are too small for.
pub(crate) fn film_too_long() -> Fault {
    Fault::wrong("the recording is too long for this format")
}

/// Why a part of a film could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilmReadError<E> {
    /// The frames could not be read.
    #[error(transparent)]
    Footage(E),
    /// A chunk does not match its row.
    #[error("chunk {0} of the recording is not what its row says")]
    Odd(u64),
}
