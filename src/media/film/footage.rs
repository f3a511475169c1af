//! What a film is made of: chunks of pictures, and where they are had.

use bytes::Bytes;

use crate::base::json;

/// What is known of a chunk before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmChunk {
    /// Its number, with which it is asked for.
    pub number: u64,
    /// Pictures in it.
    pub frames: u32,
    /// Bytes of them, back to back.
    pub bytes: u32,
    /// When its first picture was taken, microseconds on the recording's own clock.
    pub from_us: u64,
    /// When its last one was.
    pub to_us: u64,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// One picture of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilmFrame {
    /// When it was taken, on the clock of [`FilmChunk::from_us`].
    pub at_us: u64,
    /// Where its JPEG begins in the chunk's bytes.
    pub offset: u32,
}

/// Where the pictures are.
pub trait Footage {
    /// Why they cannot be had.
    type Error;

    /// The pictures of the chunk `number`, in order.
    ///
    /// # Errors
    /// The chunk is gone, or cannot be read.
    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, Self::Error>;

    /// `len` bytes of the chunk's pictures from `offset` on.
    ///
    /// # Errors
    /// Likewise.
    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, Self::Error>;
}

json::words! { FilmFormat { Mp4 "mp4", Avi "avi", Mjpeg "mjpeg" } }

/// What the file is to be; the word is also what its name ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilmFormat {
    /// ISO/IEC 14496-12 with QuickTime's `jpeg` as what the pictures are.
    Mp4,
    /// RIFF AVI with `MJPG`; beyond a gigabyte with OpenDML's parts and indexes.
    Avi,
    /// The JPEGs one after the other, without times.
    Mjpeg,
}

impl FilmFormat {
    /// What such a file is called in `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            FilmFormat::Mp4 => "video/mp4",
            FilmFormat::Avi => "video/x-msvideo",
            FilmFormat::Mjpeg => "video/x-motion-jpeg",
        }
    }
}

/// A film cannot be made of these chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilmError {
    /// There is not a single picture.
    #[error("the recording has no pictures yet")]
    Empty,
    /// The format's numbers end before.
    #[error("the recording is too long for this format")]
    TooLong,
}

/// A part of a film could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilmReadError<E> {
    /// The pictures could not be had.
    #[error(transparent)]
    Footage(E),
    /// A chunk is not what its row says.
    #[error("chunk {0} of the recording is not what its row says")]
    Odd(u64),
}
