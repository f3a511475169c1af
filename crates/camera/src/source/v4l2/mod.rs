//! Cameras through V4L2: USB cameras, capture cards, and all other `/dev/video…` nodes that give frames.
//!
//! ```text
//! node ─► device ─► choose ─► start ─► wait, dequeue ─► stride ─► Frame
//! ```
//!
//! `choose`, `controls`, `stamps` and `stride` are pure. `device` holds the open device and is the only file that names
//! rscam. `sys` makes the requests that rscam lacks. `node` finds, lists and names nodes. `failure` explains errors. An
//! open source lives on the capture thread.

mod choose;
mod controls;
mod device;
mod failure;
mod found;
mod node;
mod stamps;
mod stride;
mod sys;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::media::{Control, ControlKind, ControlValue, Frame, SourceError, SourceErrorKind};
use tallycam_base::{ClockTime, Stop, WakeFd};

use super::{FormatRequest, Opener, Source, StreamFormat};
use choose::ModeChoice;
use device::{Buffer, Device, DeviceStartError, Ready};
use stamps::Stamps;

pub use crate::media::{CameraFormat, Mode};
pub use found::{is_usable, no_usable_camera, node_title, usable_nodes};
pub use node::{NodeInfo, VideoNode, list, list_under};
pub(super) use node::{Nodes, cameras_under};

/// Buffers requested from the driver: one is lent, one is being filled, two absorb delays of the capture thread.
const BUFFERS: u32 = 4;

/// A camera is broken if it sends only bad frames for this long, and at least this many.
const BAD_FOR: Duration = Duration::from_secs(1);
const BAD_FRAMES: u32 = 3;

/// Opens a V4L2 camera.
#[derive(Debug, Clone)]
pub struct V4l2Opener {
    root: PathBuf,
    device: Option<String>,
    wanted: FormatRequest,
    nodes: Nodes,
    /// Path of the camera that was opened last.
    last: Option<PathBuf>,
}

impl V4l2Opener {
    /// Opens `device`: a path, a name in `/dev/v4l/by-id`, or an index ("0" is `/dev/video0`); `None` is the first
    /// camera that can be opened.
    pub fn new(device: Option<String>, wanted: FormatRequest) -> V4l2Opener {
        V4l2Opener::with_root(Path::new("/"), device, wanted)
    }

    /// As [`V4l2Opener::new`], with another root than `/` for the `dev` folder (a container that has the machine's
    /// devices mounted elsewhere).
    pub fn with_root(root: &Path, device: Option<String>, wanted: FormatRequest) -> V4l2Opener {
        V4l2Opener { root: root.to_owned(), device, wanted, nodes: Nodes::with_root(root), last: None }
    }

    fn path(&self) -> Option<PathBuf> {
        self.device.as_deref().map(|name| node::resolve_name(&self.root, name))
    }

    /// The camera to query without opening it here: the configured one, the last opened one, or the first.
    fn known_path(&self) -> Option<PathBuf> {
        self.path().or_else(|| self.last.clone()).or_else(|| cameras_under(&self.root).next())
    }
}

impl Opener for V4l2Opener {
    fn describe(&self) -> String {
        self.path().map_or_else(|| String::from("the first V4L2 camera"), |p| p.display().to_string())
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        if let Some(path) = self.path() {
            return Ok(Box::new(V4l2Source::open(&self.root, &path, &self.wanted)?));
        }
        self.nodes.refresh();
        let mut first = None;
        for path in cameras_under(&self.root) {
            if stop.is_set() {
                break;
            }
            match V4l2Source::open(&self.root, &path, &self.wanted) {
                Ok(source) => {
                    self.last = Some(path);
                    return Ok(Box::new(source));
                }
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        Err(first.unwrap_or_else(no_camera_fault))
    }

    fn largest_size(&mut self) -> Option<(u32, u32)> {
        let (device, _) = node::open_node(&self.known_path()?).ok()?;
        choose::largest_size(&device.list_formats(), &self.wanted)
    }

    fn open_largest(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let Some((path, (width, height))) = self.known_path().zip(self.largest_size()) else {
            return self.open(stop);
        };
        // The rate does not matter for one frame: the largest size often has only a slow one.
        let wanted =
            FormatRequest { width: Some(width), height: Some(height), fps: None, ..self.wanted.clone() };
        Ok(Box::new(V4l2Source::open(&self.root, &path, &wanted)?))
    }

    fn is_present(&self) -> Option<bool> {
        match self.path() {
            Some(path) => Some(path.exists()),
            None => Some(self.nodes.has_new_node()),
        }
    }

    fn identity(&mut self) -> Option<String> {
        let path = self.known_path()?;
        let (_, capability) = node::open_node(&path).ok()?;
        Some(node::camera_identity(&self.root, &path, &capability))
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        let (device, _) = node::open_node(&self.known_path().ok_or_else(no_camera_fault)?)?;
        Ok(device.controls())
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        let (device, _) = node::open_node(&self.known_path().ok_or_else(no_camera_fault)?)?;
        Ok(node::formats(&device))
    }
}

/// The fault if there is nothing to open.
pub(super) fn no_camera_fault() -> SourceError {
    SourceError::new(SourceErrorKind::Absent, "no camera was found")
        .hint("plug one in, or choose another camera")
        .shell("`tallycam devices` lists what is there")
}

struct V4l2Source {
    /// The frame that is lent. Declared before the device: it must go back before that is closed.
    lent: Option<Buffer>,
    device: Device,
    delivers: StreamFormat,
    /// Bytes a row and bytes a buffer, as the driver reports.
    said: (u32, u32),
    identity: String,
    /// Its controls when they were last read, for their names. Empty: not read yet.
    controls: Vec<Control>,
    /// Ends a wait for a frame.
    wake_fd: Option<WakeFd>,
    numbers: Numbers,
    stamps: Stamps,
    bad: Bad,
}

impl V4l2Source {
    fn open(root: &Path, path: &Path, wanted: &FormatRequest) -> Result<V4l2Source, SourceError> {
        let (mut device, capability) = node::open_node(path)?;
        if let Some(reason) = node::unusable_reason(&capability) {
            let what = format!("{} ({}) {reason}", path.display(), capability.card);
            return Err(SourceError::new(SourceErrorKind::Unsupported, what)
                .hint("choose another camera")
                .shell("`tallycam devices` lists the cameras"));
        }
        let offers = device.list_formats();
        let choice = choose::choose(&offers, wanted, |f, size| device.intervals(f, size));
        let choice = choice.map_err(|no| {
            let what = format!("{} ({}) {no}", path.display(), capability.card);
            choose::advise(SourceError::new(SourceErrorKind::Unsupported, what), &offers, path)
        })?;
        let started = device.start(&choice, BUFFERS).map_err(|error| start_fault(path, &choice, error))?;
        let (width, height) = (started.format.width, started.format.height);
        let fps = started.interval.map(|interval| interval.fps());
        let mut notes = wanted.unmet_requests((width, height), fps);
        if !started.sets_interval {
            notes.push(
                "The driver has no setting for the frame rate: frames come at the camera's own.".into(),
            );
        }
        Ok(V4l2Source {
            lent: None,
            device,
            delivers: StreamFormat {
                name: format!("{} ({})", capability.card, path.display()),
                fourcc: choice.fourcc,
                width,
                height,
                fps,
                notes,
                is_simulated: false,
            },
            said: (started.format.bytes_per_line, started.format.size_image),
            identity: node::camera_identity(root, path, &capability),
            controls: Vec::new(),
            wake_fd: None,
            numbers: Numbers::default(),
            stamps: Stamps::new(fps),
            bad: Bad::default(),
        })
    }

    /// Waits at most `wait` for a good frame and takes it, or the newest if several are ready.
    fn newest(&mut self, wait: Duration) -> Result<Option<(Buffer, u32)>, SourceError> {
        let until = Instant::now() + wait;
        let mut newest: Option<(Buffer, u32)> = None;
        let mut taken = 0;
        loop {
            let left = match newest {
                Some(_) => Duration::ZERO,
                None => until.saturating_duration_since(Instant::now()),
            };
            // More frames than the driver had buffers: it is faster than this loop.
            if taken >= BUFFERS && left.is_zero() {
                return Ok(newest);
            }
            let ready = self.device.wait(left, self.wake_fd.as_ref()).map_err(|e| self.io_fault(&e))?;
            let frame = match ready {
                Ready::Nothing | Ready::Called => return Ok(newest),
                Ready::Gone | Ready::Failing if newest.is_some() => return Ok(newest),
                Ready::Gone => return Err(failure::unplugged_fault(self.device.path())),
                Ready::Failing | Ready::Frame => self.device.dequeue(),
            };
            taken += 1;
            match frame {
                Ok(None) if ready == Ready::Failing => return Err(self.failing_fault()),
                Ok(None) => {}
                Ok(Some(buffer)) => match self.frame_stride(&buffer) {
                    Some(stride) => {
                        self.bad = Bad::default();
                        let is_fresh =
                            self.stamps.is_fresh(buffer.timestamp_us(), ClockTime::now().monotonic_us);
                        newest = Some((buffer, stride));
                        // There cannot be a newer one yet.
                        if is_fresh {
                            return Ok(newest);
                        }
                    }
                    None if newest.is_none() => self.handle_bad_frame(buffer.bytes().len())?,
                    None => {}
                },
                Err(_) if newest.is_some() => return Ok(newest),
                // "Can also indicate temporary problems": the frame is lost, not the camera.
                Err(error) if error.raw_os_error() == Some(libc::EIO) && ready == Ready::Frame => {
                    self.handle_bad_frame(0)?;
                }
                Err(error) => return Err(self.io_fault(&error)),
            }
        }
    }

    fn frame_stride(&self, buffer: &Buffer) -> Option<u32> {
        let StreamFormat { fourcc, width, height, .. } = self.delivers;
        stride::frame_stride(fourcc, (width, height), self.said, buffer.bytes().len())
    }

    fn handle_bad_frame(&mut self, len: usize) -> Result<(), SourceError> {
        log::debug!("{}: a frame of {len} bytes is none", self.delivers.name);
        if !self.bad.record_bad_frame(Instant::now()) {
            return Ok(());
        }
        let StreamFormat { fourcc, width, height, .. } = self.delivers;
        let what = format!("{} sends broken frames", self.device.path().display());
        let cause = format!("{len} bytes are no {fourcc} frame of {width}×{height}");
        Err(SourceError::new(SourceErrorKind::Broken, what)
            .because(cause)
            .hint("try another USB port or cable, or a smaller size")
            .shell("`tallycam devices` lists the camera's formats"))
    }

    fn io_fault(&self, error: &io::Error) -> SourceError {
        if self.device.path().exists() {
            failure::io_fault(self.device.path(), "read", error)
        } else {
            failure::unplugged_fault(self.device.path())
        }
    }

    fn failing_fault(&self) -> SourceError {
        self.io_fault(&io::Error::other("the driver reports an error and no frame"))
    }
}

impl Source for V4l2Source {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        self.lent = None;
        let Some((buffer, stride)) = self.newest(wait)? else {
            return Ok(None);
        };
        let stamp_us = self.stamps.record_frame(buffer.timestamp_us(), ClockTime::now().monotonic_us);
        let sequence = self.numbers.next(buffer.sequence());
        let buffer = self.lent.insert(buffer);
        Ok(Some(Frame {
            fourcc: self.delivers.fourcc,
            width: self.delivers.width,
            height: self.delivers.height,
            stride,
            data: buffer.bytes(),
            second: None,
            stamp: ClockTime::at_monotonic(stamp_us),
            sequence,
        }))
    }

    fn set_wake_bell(&mut self, wake_fd: &WakeFd) {
        self.wake_fd = Some(wake_fd.clone());
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        self.controls = self.device.controls();
        Ok(self.controls.clone())
    }

    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        if self.controls.is_empty() {
            self.controls = self.device.controls();
        }
        let known = self.controls.iter().find(|control| control.name == wanted.name);
        let Some(control) = known else {
            let what = format!("{} has no control {}", self.delivers.name, wanted.name);
            return Err(SourceError::new(SourceErrorKind::Unsupported, what));
        };
        if let Err(error) = self.device.set(control.id, wanted.value as i64) {
            let gone = matches!(error.raw_os_error(), Some(libc::ENODEV));
            let kind = if gone { SourceErrorKind::Unplugged } else { SourceErrorKind::Unsupported };
            let what = format!("the camera does not set its control {} to {}", wanted.name, wanted.value);
            return Err(SourceError::new(kind, what).because(error));
        }
        if control.kind == ControlKind::Button {
            return Ok(wanted.value);
        }
        // A write-only control is assumed to have the written value.
        Ok(self.device.control(control.id).map_or(wanted.value, |now| now.value))
    }
}

fn start_fault(path: &Path, choice: &ModeChoice, error: DeviceStartError) -> SourceError {
    let ModeChoice { fourcc, width, height, .. } = *choice;
    match error {
        DeviceStartError::System(error) => failure::io_fault(path, "start", &error),
        DeviceStartError::Mode(cause) => SourceError::new(
            SourceErrorKind::Unsupported,
            format!("{} cannot be set to {fourcc} {width}×{height}", path.display()),
        )
        .because(cause)
        .hint("choose another size, fps or format")
        .shell("`tallycam devices` lists those it has"),
    }
}

/// Numbers frames: by the driver's sequence where it counts, else one by one.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    driver: Option<u32>,
}

impl Numbers {
    /// The number of the frame with the driver's `count`. Always greater than the last one.
    fn next(&mut self, count: u32) -> u64 {
        let step = self.driver.replace(count).map_or(1, |last| count.wrapping_sub(last));
        // A count that stands still or goes back is not used.
        self.last += if (1..1 << 16).contains(&step) { u64::from(step) } else { 1 };
        self.last
    }
}

/// Bad frames since the last good one.
#[derive(Debug, Default)]
struct Bad {
    since: Option<Instant>,
    frames: u32,
}

impl Bad {
    /// Records a bad frame at `now`; true if the camera counts as broken.
    fn record_bad_frame(&mut self, now: Instant) -> bool {
        self.frames += 1;
        now.saturating_duration_since(*self.since.get_or_insert(now)) >= BAD_FOR && self.frames >= BAD_FRAMES
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_follow_the_driver_and_never_go_back() {
        let mut numbers = Numbers::default();
        let counts = [7, 8, 11, 40, 40, 3, u32::MAX, 1];
        assert_eq!(counts.map(|count| numbers.next(count)), [1, 2, 5, 34, 35, 36, 37, 39]);
    }

    #[test]
    fn a_second_of_bad_frames_is_enough() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut fast = Bad::default();
        assert!(![0, 33, 66, 500, 999].into_iter().any(|ms| fast.record_bad_frame(at(ms))));
        assert!(fast.record_bad_frame(at(1000)));
        let mut slow = Bad::default();
        assert!(![0, 5000].into_iter().any(|ms| slow.record_bad_frame(at(ms))));
        assert!(slow.record_bad_frame(at(10_000)));
    }

    #[test]
    fn a_missing_device_is_absent() {
        let root = tempfile::tempdir().unwrap();
        let stop = Stop::new();
        let mut named = V4l2Opener::with_root(root.path(), Some("9".to_owned()), FormatRequest::ANYTHING);
        let fault = named.open(&stop).err().unwrap();
        assert_eq!(fault.kind, SourceErrorKind::Absent);
        assert!(fault.line().contains("video9 does not exist; plug it in"), "{fault}");
        assert_eq!(named.is_present(), Some(false));

        let mut any = V4l2Opener::with_root(root.path(), None, FormatRequest::ANYTHING);
        assert_eq!(any.open(&stop).err().unwrap().kind, SourceErrorKind::Absent);
        assert_eq!(any.is_present(), Some(false));
        assert_eq!(any.describe(), "the first V4L2 camera");
    }

    #[test]
    fn a_device_that_is_no_camera_is_unsupported() {
        let mut opener = V4l2Opener::new(Some("/dev/null".to_owned()), FormatRequest::ANYTHING);
        assert_eq!(opener.open(&Stop::new()).err().unwrap().kind, SourceErrorKind::Unsupported);
    }
}
