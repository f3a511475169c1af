//! Where frames come from: one trait to open a source, one to read it, a back end a file.
//!
//! A source lives on the capture thread, is opened there, and is dropped there. Retrying is not
//! its business: it says what is wrong as a [`SourceError`], is dropped, and its [`Opener`] is asked
//! again later.

pub mod auto;
pub mod avi;
pub mod clip;
pub mod controls;
pub mod exec;
pub mod files;
pub mod libcamera;
pub mod mp4;
pub mod multipart;
pub mod pace;
pub mod sim;
pub mod url;
pub mod v4l2;

use std::time::Duration;

use crate::base::{Stop, WakeFd};
use crate::media::{CameraFormat, Control, ControlValue, Fourcc, Frame, SourceError, SourceErrorKind};

/// What is asked for when the configuration asks for no size: pixels in a row and rows.
pub(crate) const DEFAULT_SIZE: (u32, u32) = (1280, 720);

/// What is wanted of a camera. `None` leaves the choice to the back end, which takes what suits
/// the pipeline best (a camera's own JPEG before raw frames).
#[derive(Debug, Clone, PartialEq)]
pub struct FormatRequest {
    /// Pixels in a row.
    pub width: Option<u32>,
    /// Rows.
    pub height: Option<u32>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Pixel format.
    pub format: Option<Fourcc>,
}

impl FormatRequest {
    /// No requests.
    pub const ANYTHING: FormatRequest = FormatRequest { width: None, height: None, fps: None, format: None };

    /// The size asked for; what is left open keeps 16:9.
    pub fn size(&self) -> (u32, u32) {
        let of = |n: u32, by: u64, over: u64| u32::try_from(u64::from(n) * by / over).unwrap_or(u32::MAX);
        match (self.width, self.height) {
            (None, None) => DEFAULT_SIZE,
            (Some(width), Some(height)) => (width, height),
            (Some(width), None) => (width, of(width, 9, 16)),
            (None, Some(height)) => (of(height, 16, 9), height),
        }
    }

    /// What of it a camera that delivers `size` at `fps` frames a second has missed, in sentences for the log and the
    /// page.
    pub fn unmet_requests(&self, (width, height): (u32, u32), fps: Option<f64>) -> Vec<String> {
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

/// Whether two rates are one: 29.97 is 30.
fn is_same_rate(is: f64, request: f64) -> bool {
    (is / request).ln().abs() <= 0.01
}

/// What an open source delivers.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamFormat {
    /// What it is, for people: "HD Pro Webcam C920 (/dev/video0)".
    pub name: String,
    /// Pixel format of its frames.
    pub fourcc: Fourcc,
    /// Pixels in a row; 0 where only the pictures tell (a network stream).
    pub width: u32,
    /// Rows; 0 where only the pictures tell.
    pub height: u32,
    /// Frames a second it promised; `None` where it promises nothing.
    pub fps: Option<f64>,
    /// What was asked for and could not be had, in sentences for the log and the page.
    pub notes: Vec<String>,
    /// Whether this is a simulated scene and no camera at all.
    pub is_simulated: bool,
}

/// Opens a source, again and again as long as the daemon runs.
pub trait Opener: Send {
    /// What would be opened, for the log and the page: "/dev/video0", "http://…" (no password).
    fn describe(&self) -> String;

    /// Opens it and starts its frames. May block for seconds, but ends soon after `stop` is set.
    ///
    /// # Errors
    /// What is wrong, and what to do about it.
    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError>;

    /// How long the user lets an open source be silent (`[source] silent_after`), told before each opening: who waits
    /// for an answer while it opens waits at least as long.
    fn set_silent_after(&mut self, _time: Duration) {}

    /// A source that is to take the place of the one that was opened last and is in use: asked
    /// every few seconds meanwhile, for those that show a stand-in where there is no camera. May
    /// block as [`Opener::open`] may.
    fn find_better(&mut self, _stop: &Stop) -> Option<Box<dyn Source>> {
        None
    }

    /// The largest picture it can give, pixels in a row and rows, where that is more than it is opened for. Asked
    /// while it is open, too, and must not disturb that. `None`: it has only what it gives.
    fn largest_size(&mut self) -> Option<(u32, u32)> {
        None
    }

    /// Opens it at [`Opener::largest_size`], for one picture. The source that was opened before is dropped by then.
    ///
    /// # Errors
    /// As for [`Opener::open`].
    fn open_largest(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.open(stop)
    }

    /// Whether an open is worth trying now, by a look that costs next to nothing. While a source
    /// is in trouble this is asked twice a second, so that a camera that is plugged in again is
    /// taken at once, whatever the pause between tries has grown to.
    ///
    /// `None`: nothing is known without trying.
    fn is_present(&self) -> Option<bool> {
        None
    }

    /// The lasting name of the camera that would be opened, or is: what is saved for it is kept under this name. The
    /// same camera has the same one at another port or after a restart. `None`: nothing can be saved for it, or it is
    /// not there.
    fn identity(&mut self) -> Option<String> {
        None
    }

    /// The controls of the camera that would be opened, by a look that starts no frames and disturbs nobody. Asked
    /// while the source is closed; an open one is asked by [`Source::controls`]. Empty: it has none.
    ///
    /// # Errors
    /// What keeps it from being looked at.
    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(Vec::new())
    }

    /// The formats, sizes and rates that can be chosen, in the camera's own order. Asked while it is open, too, and
    /// must not disturb that. Empty: there is nothing to choose.
    ///
    /// # Errors
    /// What keeps it from being looked at.
    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        Ok(Vec::new())
    }
}

/// An open source of frames. Dropping it lets the device go.
pub trait Source {
    /// What it delivers; the same as long as it is open.
    fn source_info(&self) -> &StreamFormat;

    /// How long its first frame may take before the source counts as silent. Cameras behind a
    /// program or a network take longer to begin than a device.
    fn first_frame_within(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Waits at most `wait` for a frame and lends it. `Ok(None)`: nothing came in that time.
    ///
    /// When several frames have piled up, the newest is given and the others are let go, except
    /// by sources that are told to deliver every frame (files at full speed).
    ///
    /// # Errors
    /// The source is of no more use and is to be dropped.
    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError>;

    /// From now on a wait for a frame ends when `wake_fd` rings, so that what is asked meanwhile is done before the
    /// next frame and not after it. A source that cannot be woken ends its waits as it did.
    fn set_wake_bell(&mut self, _bell: &WakeFd) {}

    /// The lasting name of the camera that is open, as [`Opener::identity`].
    fn identity(&self) -> Option<String> {
        None
    }

    /// Its controls with their present values and flags, in its own order. Empty: it has none. Asked between frames.
    ///
    /// # Errors
    /// They could not be read.
    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(Vec::new())
    }

    /// Sets one control, at once, without touching the frames, and gives the value that the camera really took (what
    /// it says afterwards). The frames that are captured from now on show it.
    ///
    /// # Errors
    /// There is no such control, or the camera refuses the value.
    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        let what = format!("{} has no control {}", self.source_info().name, wanted.name);
        Err(SourceError::new(SourceErrorKind::Unsupported, what))
    }
}
