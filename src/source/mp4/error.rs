//! Errors of reading an MP4.

use std::io;

/// Why an MP4 or MOV file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// There is no `moov`.
    #[error("its index (moov) is missing, as in a recording that was never finished")]
    NoIndex,
    /// The index is split over the file.
    #[error("it is a fragmented MP4; `ffmpeg -i CLIP -c copy CLIP.mov` puts its pieces together")]
    Fragmented,
    /// The index is compressed (`cmov`).
    #[error("its index is compressed; `ffmpeg -i CLIP -c copy CLIP.mov` unpacks it")]
    Compressed,
    /// There is no video track.
    #[error("no video is in it")]
    NoVideo,
    /// The video is not Motion JPEG.
    #[error("its video is {0}, not Motion JPEG")]
    Codec(String),
    /// The index contradicts itself.
    #[error("its index is damaged: {0}")]
    Damaged(&'static str),
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The spool file cannot be written or read.
    #[error("it cannot be set aside while it is read: {0}")]
    Spool(io::Error),
}
