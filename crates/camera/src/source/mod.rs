//! Sources of frames: a trait that opens a source, a trait that reads it, and one file for each back end.
//!
//! A source is opened, used and dropped on the capture thread. It does not retry: after a fault it returns a
//! [`SourceError`]. The thread then drops it, and later opens a new one with the same [`Opener`].

mod auto;
mod avi;
mod clip;
mod container;
pub mod controls;
mod exec;
mod files;
pub mod libcamera;
mod mp4;
pub mod multipart;
mod pace;
pub mod sim;
pub mod url;
pub mod v4l2;

use std::time::Duration;

pub use auto::AutoOpener;
pub use avi::AviReader;
pub use clip::{ClipFrame, ClipReader, no_pictures};
pub use container::ContainerError;
pub use exec::ExecOpener;
pub use files::FilesOpener;
pub use mp4::Mp4Reader;

use crate::media::{CameraFormat, Control, ControlValue, Fourcc, Frame, SourceError, SourceErrorKind};
use tallycam_base::{Stop, WakeFd};

/// Width and height in pixels if the configuration sets none.
pub(crate) const DEFAULT_SIZE: (u32, u32) = (1280, 720);

/// The requested format. `None` leaves the choice to the back end, which takes what suits the pipeline best (a
/// camera's own JPEG before raw frames).
#[derive(Debug, Clone, PartialEq)]
pub struct FormatRequest {
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Pixel format.
    pub format: Option<Fourcc>,
}

impl FormatRequest {
    /// No requests.
    pub const ANYTHING: FormatRequest = FormatRequest { width: None, height: None, fps: None, format: None };

    /// The requested size; a missing side keeps 16:9.
    pub fn size(&self) -> (u32, u32) {
        let of = |n: u32, by: u64, over: u64| u32::try_from(u64::from(n) * by / over).unwrap_or(u32::MAX);
        match (self.width, self.height) {
            (None, None) => DEFAULT_SIZE,
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, of(width, 9, 16)),
            (None, Some(height)) => (of(height, 16, 9), height),
        }
    }

    /// Sentences for the log and the page on how a camera that delivers `size` at `fps` misses the request.
    pub(crate) fn unmet_requests(&self, (width, height): (u32, u32), fps: Option<f64>) -> Vec<String> {
        let mut notes = Vec::new();
        let differs = |request: Option<u32>, is: u32| request.is_some_and(|request| request != is);
        if differs(self.width, width) || differs(self.height, height) {
            let request = |n: Option<u32>| n.map_or_else(|| String::from("any"), |n| n.to_string());
            let (wide, high) = (request(self.width), request(self.height));
            notes.push(format!("The camera has no {wide}×{high}: {width}×{height} is the nearest."));
        }
        if let Some((request, is)) = self.fps.zip(fps)
            && !is_same_rate(is, request)
        {
            let is = (is * 100.0).round() / 100.0;
            notes.push(format!(
                "The camera has no {request} frames a second at {width}×{height}: {is} is the nearest."
            ));
        }
        notes
    }
}

/// True if two rates count as equal: 29.97 is 30.
fn is_same_rate(is: f64, request: f64) -> bool {
    (is / request).ln().abs() <= 0.01
}

/// The format that an open source delivers.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamFormat {
    /// Name for people: "HD Pro Webcam C920 (/dev/video0)".
    pub name: String,
    /// Pixel format of its frames.
    pub fourcc: Fourcc,
    /// Width in pixels; 0 if only the frames tell (a network stream).
    pub width: u32,
    /// Height in pixels; 0 if only the frames tell.
    pub height: u32,
    /// Promised frames a second; `None` without a promise.
    pub fps: Option<f64>,
    /// Unmet requests, in sentences for the log and the page.
    pub notes: Vec<String>,
    /// True for the simulation.
    pub is_simulated: bool,
}

/// A source that may still start when its first frame is late. It has a fault then, but stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateStart {
    /// The source is reopened after this time without a frame.
    pub within: Duration,
    /// The remedy.
    pub hint: &'static str,
}

/// Opens a source, again and again while the service runs.
pub trait Opener: Send {
    /// Name of the source for the log and the page: "/dev/video0", "http://…" (no password).
    fn describe(&self) -> String;

    /// Opens the source and starts its frames. May block for seconds, but ends soon after `stop` is set.
    ///
    /// # Errors
    /// The fault, with a hint.
    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError>;

    /// Sets how long an open source may be silent (`[source] silent_after`); called before each open. Time limits
    /// while opening must be at least as long.
    fn set_silent_after(&mut self, _time: Duration) {}

    /// A source to replace the one that was opened last and is in use. Called every few seconds, for openers that
    /// show a stand-in without a camera. May block as [`Opener::open`] may.
    fn find_better(&mut self, _stop: &Stop) -> Option<Box<dyn Source>> {
        None
    }

    /// Largest size of a still (width, height in pixels), if it is larger than the stream's. Also called while the
    /// source is open, which it must not disturb. `None`: the stream's size is the largest.
    fn largest_size(&mut self) -> Option<(u32, u32)> {
        None
    }

    /// Opens the source at [`Opener::largest_size`], for one frame. The open source has been dropped by then.
    ///
    /// # Errors
    /// As for [`Opener::open`].
    fn open_largest(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.open(stop)
    }

    /// Whether an open is worth trying now, by a very cheap check. While a source has a fault this is called twice a
    /// second, whatever the current pause between tries: a camera that is plugged in again is used at once.
    /// `None`: unknown without trying.
    fn is_present(&self) -> Option<bool> {
        None
    }

    /// Permanent name of the camera that is or would be opened; its settings are stored under this name. It stays the
    /// same at another port and after a restart. `None`: nothing can be stored for it, or it is absent.
    fn identity(&mut self) -> Option<String> {
        None
    }

    /// The controls of the camera that would be opened, without starting frames or disturbing other users. Called
    /// while the source is closed; an open one has [`Source::controls`]. Empty: it has none.
    ///
    /// # Errors
    /// The camera cannot be queried.
    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(Vec::new())
    }

    /// The selectable formats, sizes and rates, in the camera's own order. Also called while the source is open,
    /// which it must not disturb. Empty: there is nothing to choose.
    ///
    /// # Errors
    /// The camera cannot be queried.
    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        Ok(Vec::new())
    }
}

/// An open source of frames. Dropping it releases the device.
pub trait Source {
    /// The delivered format; constant while the source is open.
    fn source_info(&self) -> &StreamFormat;

    /// How long the first frame may take before the source counts as silent. Cameras behind a program or a network
    /// start more slowly than a device.
    fn first_frame_within(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// The second time limit of the first frame; `None`: after the first limit the source is reopened.
    fn late_start(&self) -> Option<LateStart> {
        None
    }

    /// Waits at most `wait` for a frame and lends it. `Ok(None)`: there was none in that time.
    ///
    /// If several frames have piled up, the newest is returned and the others are dropped, except by sources that
    /// deliver every frame (files at full speed).
    ///
    /// # Errors
    /// The source is unusable and must be dropped.
    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError>;

    /// Why the last request for a single picture gave none, once for each; the source goes on with the next. Asked
    /// after a wait without a frame.
    fn take_missed(&mut self) -> Option<SourceError> {
        None
    }

    /// From now on `wake_fd` also ends a wait for a frame, so that requests are handled before the next frame and not
    /// after it. A source that cannot be woken ignores it.
    fn set_wake_bell(&mut self, _bell: &WakeFd) {}

    /// Permanent name of the open camera, as [`Opener::identity`].
    fn identity(&self) -> Option<String> {
        None
    }

    /// Its controls with their current values and flags, in its own order; empty if it has none. Called between
    /// frames.
    ///
    /// # Errors
    /// They could not be read.
    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(Vec::new())
    }

    /// Sets one control at once, without interrupting the frames, and returns the value that the camera reports
    /// afterwards. Frames captured from now on show it.
    ///
    /// # Errors
    /// There is no such control, or the camera refuses the value.
    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        let what = format!("{} has no control {}", self.source_info().name, wanted.name);
        Err(SourceError::new(SourceErrorKind::Unsupported, what))
    }
}
