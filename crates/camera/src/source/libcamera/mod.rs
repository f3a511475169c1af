//! Cameras on a Pi's ribbon cable, and all others that libcamera supports.
//!
//! ```text
//! helpers ─► helper (a process) ─► choose ─► configured: memory ─► wait, newest ─► Frame, read in place
//! ```
//!
//! Only the helper uses libcamera; `tallycam_libcamera` defines the messages between the two. `survey` finds the
//! helper that fits the installed libcamera, `helper` holds the process, and `memory` its buffers; `choose` and
//! `controls` are pure. An open source lives on the capture thread. A frame is lent in the helper's own buffer, which
//! goes back when the next frame is requested.

mod choose;
mod clean;
mod controls;
mod helper;
mod memory;
mod survey;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tallycam_libcamera::{
    Camera, Configured, Frame as Filled, FromHelper, Open, Orientation, ToHelper, Value,
};

use super::{FormatRequest, Opener, Source, StreamFormat};
use crate::media::{CameraFormat, Control, ControlValue, Frame, SecondFrame, SourceError, SourceErrorKind};
use choose::Streams;
use clean::sanitise_text;
use controls::{LibcameraControls, ORIENTATION};
use helper::Helper;
use memory::FrameMemory;
pub use survey::{FittingHelper, Listed, Survey, folder, has_helpers, survey_libcamera};
use tallycam_base::{ClockTime, Stop, WakeFd};

/// How long configuring a camera may take: it loads algorithms and sets up the sensor.
const CONFIGURED_WITHIN: Duration = Duration::from_secs(5);
/// How long a helper may take to confirm a control.
const SET_WITHIN: Duration = Duration::from_secs(2);
/// Messages handled in a row: more than a helper can have queued for its reader.
const MESSAGES_AT_ONCE: usize = 64;
/// How often a wait for an answer checks the stop flag.
const LOOK: Duration = Duration::from_millis(50);

/// Opens a camera through libcamera.
#[derive(Debug)]
pub struct LibcameraOpener {
    folder: PathBuf,
    device: Option<String>,
    wanted: FormatRequest,
    /// A helper that was started to list cameras; the next open uses it.
    ready: Option<(Helper, Vec<Camera>)>,
    remembered: Arc<Mutex<Remembered>>,
}

/// Facts about the camera that remain while it is closed.
#[derive(Debug, Default)]
struct Remembered {
    camera: Option<Camera>,
    /// The last orientation of its frames.
    orientation: Orientation,
}

impl LibcameraOpener {
    /// Opens `device` (libcamera's id, its model, or its number from 0) through the helpers in `folder`; `None` is
    /// the first that is no USB camera.
    pub fn new(folder: PathBuf, device: Option<String>, wanted: FormatRequest) -> LibcameraOpener {
        LibcameraOpener { folder, device, wanted, ready: None, remembered: Arc::default() }
    }

    fn lock_remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_as(&mut self, wanted: &FormatRequest, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let (helper, cameras) = match self.ready.take() {
            Some(ready) => ready,
            None => survey::start(&self.folder, stop)?,
        };
        let camera = choose::camera(&cameras, self.device.as_deref())?.clone();
        let orientation = {
            let mut remembered = self.lock_remembered();
            if remembered.camera.as_ref().is_none_or(|before| before.id != camera.id) {
                remembered.orientation = Orientation::default();
            }
            remembered.camera = Some(camera.clone());
            remembered.orientation
        };
        let open = choose::open(&camera, wanted, orientation);
        let source = LibcameraSource::open(helper, camera, open, Arc::clone(&self.remembered), wanted, stop)?;
        Ok(Box::new(source))
    }

    /// The camera that would be opened; starts a helper if none is known yet.
    fn camera(&mut self) -> Result<Camera, SourceError> {
        if let Some(camera) = &self.lock_remembered().camera {
            return Ok(camera.clone());
        }
        let camera = match &self.ready {
            Some((_, cameras)) => choose::camera(cameras, self.device.as_deref())?.clone(),
            None => {
                let (_, cameras) = survey::start(&self.folder, &Stop::new())?;
                choose::camera(&cameras, self.device.as_deref())?.clone()
            }
        };
        self.lock_remembered().camera = Some(camera.clone());
        Ok(camera)
    }
}

impl Opener for LibcameraOpener {
    fn describe(&self) -> String {
        match &self.device {
            Some(device) => format!("{} (libcamera)", sanitise_text(device)),
            None => String::from("the first camera of libcamera"),
        }
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let wanted = self.wanted.clone();
        self.open_as(&wanted, stop)
    }

    fn largest_size(&mut self) -> Option<(u32, u32)> {
        choose::largest_size(&self.camera().ok()?, &self.wanted)
    }

    fn open_largest(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let Some((width, height)) = self.largest_size() else { return self.open(stop) };
        // The rate does not matter for one frame: the largest size often has only a slow one.
        let wanted =
            FormatRequest { width: Some(width), height: Some(height), fps: None, ..self.wanted.clone() };
        self.open_as(&wanted, stop)
    }

    fn identity(&mut self) -> Option<String> {
        Some(sanitise_text(&self.camera().ok()?.id))
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        let camera = self.camera()?;
        let orientation = self.lock_remembered().orientation;
        Ok(LibcameraControls::new(camera.controls, &camera.orientations, orientation).list())
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        Ok(choose::formats(&self.camera()?))
    }
}

struct LibcameraSource {
    helper: Helper,
    camera: Camera,
    /// The request.
    open: Open,
    delivers: StreamFormat,
    streams: Streams,
    /// By buffer number: memory of the main stream, and of the second one if there is one.
    buffers: Vec<(Option<FrameMemory>, Option<FrameMemory>)>,
    lent: Option<u32>,
    /// The newest frame that has not been lent.
    newest: Option<Filled>,
    controls: LibcameraControls,
    /// Answers to [`ToHelper::Set`].
    answers: VecDeque<Result<Value, String>>,
    /// It has missed an answer: a late answer could be taken for that to another request.
    is_over: bool,
    wake_fd: Option<WakeFd>,
    remembered: Arc<Mutex<Remembered>>,
}

impl LibcameraSource {
    fn open(
        helper: Helper,
        camera: Camera,
        open: Open,
        remembered: Arc<Mutex<Remembered>>,
        wanted: &FormatRequest,
        stop: &Stop,
    ) -> Result<LibcameraSource, SourceError> {
        let delivers = StreamFormat {
            name: format!("{} (libcamera {})", sanitise_text(&camera.model), helper.libcamera()),
            fourcc: crate::media::Fourcc::NV12,
            width: 0,
            height: 0,
            fps: None,
            notes: Vec::new(),
            is_simulated: false,
        };
        let controls = LibcameraControls::new(Vec::new(), &[], open.orientation);
        let mut source = LibcameraSource {
            helper,
            camera,
            open: open.clone(),
            delivers,
            streams: Streams::default(),
            buffers: Vec::new(),
            lent: None,
            newest: None,
            controls,
            answers: VecDeque::new(),
            is_over: false,
            wake_fd: None,
            remembered,
        };
        source.configure(open, stop)?;
        let size = (source.delivers.width, source.delivers.height);
        source.delivers.notes = wanted.unmet_requests(size, source.delivers.fps);
        Ok(source)
    }

    /// Configures the camera again; frames lent before become invalid.
    fn configure(&mut self, open: Open, stop: &Stop) -> Result<(), SourceError> {
        self.helper.send(&ToHelper::Open(open.clone()))?;
        let until = Instant::now() + CONFIGURED_WITHIN;
        let mut is_configured = false;
        loop {
            if Instant::now() >= until || stop.is_set() {
                let what = format!("{} was not set up within {CONFIGURED_WITHIN:?}", self.delivers.name);
                return Err(SourceError::new(SourceErrorKind::Silent, what)
                    .hint("tallycam retries; check the ribbon cable at both ends"));
            }
            match self.helper.receive()? {
                Some((FromHelper::Configured(configured), _)) => {
                    self.configured(configured)?;
                    is_configured = true;
                }
                Some((FromHelper::Buffer(buffer), descriptor)) if is_configured => {
                    self.add_buffer(buffer, descriptor)?;
                    if self.has_all_buffers() {
                        break;
                    }
                }
                // A frame of the configuration before.
                Some((FromHelper::Frame(_), _)) if !is_configured => {}
                Some((message, _)) => self.handle_message(message)?,
                None => {
                    self.helper.wait(LOOK, None);
                }
            }
        }
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.orientation = self.controls.orientation();
        drop(remembered);
        self.open = open;
        Ok(())
    }

    fn configured(&mut self, configured: Configured) -> Result<(), SourceError> {
        let streams =
            Streams::from_configured(&configured).map_err(|why| self.helper.invalid_message(&why))?;
        let Configured { buffers, fps, orientation, controls, .. } = configured;
        self.lent = None;
        self.newest = None;
        self.buffers.clear();
        self.buffers.resize_with(buffers as usize, || (None, None));
        self.delivers.fourcc = streams.main.fourcc;
        (self.delivers.width, self.delivers.height) = (streams.main.width, streams.main.height);
        self.delivers.fps = (fps.is_finite() && fps > 0.0).then_some(fps);
        self.streams = streams;
        let before = std::mem::replace(
            &mut self.controls,
            LibcameraControls::new(controls, &self.camera.orientations, orientation),
        );
        self.controls.carry_over(before);
        Ok(())
    }

    fn add_buffer(
        &mut self,
        announced: tallycam_libcamera::Buffer,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), SourceError> {
        let needed = match announced.stream {
            0 => Some(self.streams.main.min_buffer_bytes()),
            1 => self.streams.second.map(|second| second.min_buffer_bytes()),
            _ => None,
        };
        let place = self.buffers.get_mut(announced.buffer as usize);
        let (Some(needed), Some(place), Some(descriptor)) = (needed, place, descriptor) else {
            return Err(self
                .helper
                .invalid_message("a buffer that no stream has, or without its descriptor"));
        };
        if announced.bytes < needed {
            let why = format!("a buffer of {} bytes, and a frame has {needed}", announced.bytes);
            return Err(self.helper.invalid_message(&why));
        }
        let memory = match FrameMemory::map(descriptor, announced.bytes) {
            Ok(memory) => memory,
            Err(error) => return Err(self.helper.invalid_message(&error.to_string())),
        };
        *(if announced.stream == 0 { &mut place.0 } else { &mut place.1 }) = Some(memory);
        Ok(())
    }

    fn has_all_buffers(&self) -> bool {
        let has_second = self.streams.second.is_some();
        self.buffers.iter().all(|(main, second)| main.is_some() && (second.is_some() || !has_second))
    }

    /// Handles the helper's messages. The number is limited, so that a flood does not keep the thread from its
    /// heartbeat.
    fn receive_messages(&mut self) -> Result<(), SourceError> {
        if self.is_over {
            return Err(self.no_answer_fault());
        }
        for _ in 0..MESSAGES_AT_ONCE {
            let Some((message, _)) = self.helper.receive()? else { break };
            self.handle_message(message)?;
        }
        // Only the answer to the last request matters.
        self.answers.truncate(MESSAGES_AT_ONCE);
        Ok(())
    }

    fn handle_message(&mut self, message: FromHelper) -> Result<(), SourceError> {
        match message {
            FromHelper::Frame(frame) => {
                let taken = [self.lent, self.newest.map(|newest| newest.buffer)];
                let memory = self.buffers.get(frame.buffer as usize).and_then(|(main, _)| main.as_ref());
                let fits = memory.is_some_and(|memory| frame.bytes <= memory.bytes().len() as u64);
                if !fits || taken.contains(&Some(frame.buffer)) {
                    return Err(self.helper.invalid_message("a frame in a buffer that it cannot be in"));
                }
                // Only the newest frame matters; the other counts as lost, as its number shows.
                if let Some(older) = self.newest.replace(frame) {
                    self.return_buffer(older.buffer)?;
                }
            }
            FromHelper::Metadata(measured) => self.controls.record_measured(measured),
            FromHelper::WasSet(value) => self.answers.push_back(Ok(value)),
            FromHelper::Refused { name, why } => {
                self.answers.push_back(Err(format!("{}: {}", sanitise_text(&name), sanitise_text(&why))));
            }
            FromHelper::Cameras(cameras) => {
                if cameras.iter().all(|camera| camera.id != self.camera.id) {
                    let what = format!("{} has gone", self.delivers.name);
                    return Err(SourceError::new(SourceErrorKind::Unplugged, what)
                        .hint("check the ribbon cable with the Pi switched off"));
                }
            }
            FromHelper::Hello(_)
            | FromHelper::Configured(_)
            | FromHelper::Buffer(_)
            | FromHelper::Fault(_) => {
                return Err(self.helper.unexpected_message());
            }
        }
        Ok(())
    }

    fn return_buffer(&mut self, buffer: u32) -> Result<(), SourceError> {
        self.helper.send(&ToHelper::Return { buffer })
    }

    /// Sets a control and waits for the answer. Frames continue meanwhile; the newest is kept.
    fn set_value(&mut self, value: Value) -> Result<Result<Value, String>, SourceError> {
        self.answers.clear();
        self.helper.send(&ToHelper::Set(value))?;
        let until = Instant::now() + SET_WITHIN;
        loop {
            self.receive_messages()?;
            if let Some(answer) = self.answers.pop_front() {
                return Ok(answer);
            }
            if Instant::now() >= until {
                self.is_over = true;
                return Err(self.no_answer_fault());
            }
            self.helper.wait(LOOK, None);
        }
    }

    fn no_answer_fault(&self) -> SourceError {
        let what = format!("{} has not answered for {SET_WITHIN:?}", self.delivers.name);
        SourceError::new(SourceErrorKind::Silent, what)
    }
}

impl LibcameraSource {
    /// Repeats all settings: a camera that is configured again has forgotten them.
    fn restore_values(&mut self) -> Result<(), SourceError> {
        for value in self.controls.values_to_restore() {
            let name = value.name.clone();
            if let Err(why) = self.set_value(value)? {
                log::warn!("the camera's control {name} was not set again: {why}");
            }
        }
        Ok(())
    }
}

impl Source for LibcameraSource {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        if let Some(lent) = self.lent.take() {
            let (main, second) = &self.buffers[lent as usize];
            main.iter().chain(second).for_each(|memory| memory.read_begins(false));
            self.return_buffer(lent)?;
        }
        let until = Instant::now() + wait;
        let filled = loop {
            self.receive_messages()?;
            if let Some(newest) = self.newest.take() {
                break newest;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.helper.wait(left, self.wake_fd.as_ref()) {
                return Ok(None);
            }
        };
        self.lent = Some(filled.buffer);
        let (Some(main), second) = &self.buffers[filled.buffer as usize] else {
            return Err(self.helper.unexpected_message());
        };
        [main].into_iter().chain(second).for_each(|memory| memory.read_begins(true));
        let stream = self.streams.main;
        let data =
            if stream.fourcc.is_jpeg() { &main.bytes()[..filled.bytes as usize] } else { main.bytes() };
        let second = self.streams.second.zip(second.as_ref()).map(|(stream, memory)| SecondFrame {
            fourcc: stream.fourcc,
            width: stream.width,
            height: stream.height,
            stride: stream.stride,
            data: memory.bytes(),
        });
        Ok(Some(Frame {
            fourcc: stream.fourcc,
            width: stream.width,
            height: stream.height,
            stride: stream.stride,
            data,
            second,
            // A stamp in the future would delay callers that wait for a newer frame.
            stamp: ClockTime::at_monotonic(filled.stamp_us.min(tallycam_base::clock::monotonic_us())),
            sequence: filled.sequence,
        }))
    }

    fn set_wake_bell(&mut self, wake_fd: &WakeFd) {
        self.wake_fd = Some(wake_fd.clone());
    }

    fn identity(&self) -> Option<String> {
        Some(sanitise_text(&self.camera.id))
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(self.controls.list())
    }

    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        let unsupported = |why: String| {
            let what = format!("the camera does not set its control {} to {}", wanted.name, wanted.value);
            SourceError::new(SourceErrorKind::Unsupported, what).because(why)
        };
        if wanted.name == ORIENTATION {
            let orientation = self.controls.orientation_of(wanted.value);
            let orientation =
                orientation.ok_or_else(|| unsupported(String::from("it cannot turn its picture so")))?;
            if orientation != self.controls.orientation() {
                self.configure(Open { orientation, ..self.open.clone() }, &Stop::new())?;
                self.restore_values()?;
            }
            return Ok(self.controls.orientation_value());
        }
        if !self.controls.has(&wanted.name) {
            let what = format!("{} has no control {}", self.delivers.name, wanted.name);
            return Err(SourceError::new(SourceErrorKind::Unsupported, what));
        }
        match self.set_value(Value { name: wanted.name.clone(), value: wanted.value })? {
            Ok(set) if set.name == wanted.name && set.value.is_finite() => {
                let value = set.value;
                self.controls.record_set(set);
                Ok(value)
            }
            Ok(_) => Err(self.helper.unexpected_message()),
            Err(why) => Err(unsupported(why)),
        }
    }
}

/// The on-board cameras of libcamera, for `auto`: USB cameras belong to V4L2.
///
/// # Errors
/// No helper fits, or it failed.
pub(super) fn ribbon_cameras(
    folder: &Path,
    wanted: &FormatRequest,
    stop: &Stop,
) -> Result<Vec<LibcameraOpener>, SourceError> {
    let (helper, cameras) = survey::start(folder, stop)?;
    let ids = cameras.iter().filter(|camera| choose::is_on_board(camera)).map(|camera| camera.id.clone());
    let opener = |id| LibcameraOpener::new(folder.to_owned(), Some(id), wanted.clone());
    let mut openers: Vec<LibcameraOpener> = ids.map(opener).collect();
    if let Some(first) = openers.first_mut() {
        first.ready = Some((helper, cameras));
    }
    Ok(openers)
}
