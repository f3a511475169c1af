//! An open camera: its configuration and its requests.

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};

use libcamera::camera::{ActiveCamera, CameraConfiguration};
use libcamera::control::ControlList;
use libcamera::control_value::ControlValue;
use libcamera::framebuffer::{AsFrameBuffer as _, FrameMetadataStatus, OwnedFrameBuffer};
use libcamera::framebuffer_allocator::FrameBuffer;
use libcamera::geometry::Size;
use libcamera::request::{Request, RequestStatus, ReuseFlag};
use libcamera::stream::{Stream as StreamHandle, StreamRole};
use rustix::time::{ClockId, clock_gettime};
use tallycam_libcamera::{Configured, Fault, FaultKind, Frame, Open, Stream, Value};

use crate::buffers::{self, Buffer, Layout, Memory};
use crate::cameras::{self, FOURCCS};
use crate::controls::{Controls, number};
use crate::names;
use crate::pace::Pacer;

const DEFAULT_SIZE: (u32, u32) = (1280, 720);
const DEFAULT_FPS: f64 = 30.0;
const FPS: std::ops::RangeInclusive<f64> = 0.01..=1000.0;
/// Enough for one frame that is shown, one that is read, and two that are filled in turns.
const BUFFERS: std::ops::RangeInclusive<u32> = 4..=6;
/// Interval of [`Session::metadata`].
const METADATA_US: u64 = 1_000_000;
/// Maximum number of successive unfilled requests: the camera is stopping, or does not accept this kind of memory.
const MOST_CANCELLED: u32 = 50;

pub struct Session<'d> {
    camera: ActiveCamera<'d>,
    main: StreamHandle,
    /// Bytes of a frame of the main stream if the camera does not tell.
    frame_size: u64,
    completed: Receiver<Request>,
    /// Requests whose buffers are free.
    idle: Vec<Request>,
    /// Requests whose buffers tallycam has, by number.
    lent: HashMap<u32, Request>,
    controls: Controls,
    /// Successive requests that came back unfilled.
    cancelled: u32,
    pacer: Pacer,
    /// Frames that were withheld on purpose, so that they do not count as lost.
    withheld: u64,
    metadata_names: HashMap<u32, String>,
    metadata_at: u64,
}

/// Measurements by name.
type Measured = Vec<(String, f64)>;

/// Results of opening a session for tallycam.
pub struct Opened {
    pub configured: Configured,
    /// For each stream, the buffers in order of their numbers.
    pub buffers: Vec<Vec<Memo>>,
}

/// A buffer's descriptor and length.
pub struct Memo {
    pub descriptor: std::os::fd::OwnedFd,
    pub bytes: u64,
}

/// Microseconds of the clock of the frames' stamps.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

pub fn fault(kind: FaultKind, what: impl Into<String>) -> Fault {
    Fault { kind, what: what.into(), causes: Vec::new() }
}

/// The fault for libcamera's error number while `what` was tried.
pub fn failed(what: &str, error: &io::Error) -> Fault {
    let kind = match error.raw_os_error() {
        Some(libc::EBUSY) => FaultKind::Busy,
        Some(libc::EACCES | libc::EPERM) => FaultKind::Denied,
        Some(libc::ENODEV | libc::ENXIO) => FaultKind::Unplugged,
        _ => FaultKind::Failed,
    };
    Fault { kind, what: what.to_owned(), causes: vec![error.to_string()] }
}

impl<'d> Session<'d> {
    /// Configures the camera and starts its frames. libcamera's thread calls `notify` after each frame.
    ///
    /// # Errors
    /// The camera does not support the request, or has been removed.
    pub fn start(
        mut camera: ActiveCamera<'d>,
        open: &Open,
        notify: impl Fn() + Send + 'd,
    ) -> Result<(Session<'d>, Opened), Fault> {
        let fps = open.fps.unwrap_or(DEFAULT_FPS);
        if !FPS.contains(&fps) {
            let what = format!("the camera cannot give {fps} frames a second");
            return Err(fault(FaultKind::Unsupported, what));
        }
        let mut configuration = configure(&mut camera, open)?;
        camera
            .configure(&mut configuration)
            .map_err(|error| failed("the camera could not be configured", &error))?;
        let streams = streams(&configuration)?;
        let count = configuration.get(0).map_or(0, |stream| stream.get_buffer_count()) as usize;
        let laid: Vec<(StreamHandle, Layout)> = (0..)
            .zip(&streams)
            .map_while(|(at, stream)| {
                let handle = configuration.get(at)?;
                Some((
                    handle.stream()?,
                    Layout::new(&stream.fourcc, stream.stride, stream.height, handle.get_frame_size()),
                ))
            })
            .collect();
        let [(main, layout), ..] = laid.as_slice() else {
            return Err(fault(FaultKind::Failed, "the camera has no stream"));
        };
        let (main, frame_size) = (*main, layout.bytes);
        let memory = buffers::allocate(&camera, &laid, count)
            .map_err(|error| failed("there is no memory that the camera could fill", &error))?;
        let (requests, buffers) = requests(&mut camera, &laid, memory)?;

        let mut controls = Controls::of_camera(&camera);
        let (fps, limits) = rate(&camera, &controls, fps);
        if limits.is_some() {
            controls.limit_exposure(1e6 / fps);
        }
        let configured = Configured {
            model: cameras::model(&camera),
            buffers: requests.len() as u32,
            fps,
            orientation: cameras::orientation(configuration.orientation()),
            controls: controls.list(),
            streams,
        };
        let (sender, completed) = channel();
        camera.on_request_completed(hand_over(sender, notify));
        let mut first = ControlList::new();
        if let Some((id, limits)) = limits {
            // This crate never returns an error here.
            let _ = first.set_raw(id, limits);
        }
        camera.start(Some(&first)).map_err(|error| failed("the camera could not be started", &error))?;
        let session = Session {
            camera,
            main,
            frame_size,
            completed,
            idle: requests,
            lent: HashMap::new(),
            controls,
            cancelled: 0,
            pacer: Pacer::new(fps),
            withheld: 0,
            metadata_names: HashMap::new(),
            metadata_at: 0,
        };
        Ok((session, Opened { configured, buffers }))
    }

    /// Stops the frames; the camera stays acquired.
    pub fn stop(self) -> ActiveCamera<'d> {
        let Session { mut camera, completed, idle, lent, .. } = self;
        // Cancels the queued requests and returns when all have come back. Fails for a camera that has been removed.
        let _ = camera.stop();
        drop((completed.try_iter().collect::<Vec<_>>(), completed, idle, lent));
        camera
    }

    pub fn id(&self) -> &str {
        self.camera.id()
    }

    /// The next completed frame, and once a second the measurements.
    ///
    /// # Errors
    /// The camera no longer fills requests.
    pub fn frame(&mut self) -> Result<Option<(Frame, Option<Measured>)>, Fault> {
        while let Ok(request) = self.completed.try_recv() {
            if request.status() != RequestStatus::Complete {
                self.cancelled += 1;
                if self.cancelled > MOST_CANCELLED {
                    return Err(fault(FaultKind::Failed, "the camera gives its requests back unfilled"));
                }
                self.free(request);
                continue;
            }
            self.cancelled = 0;
            let About { is_good, sequence, stamp, bytes } = self.about(&request);
            if !is_good {
                self.free(request);
                continue;
            }
            if !self.pacer.accept(stamp) {
                self.withheld += 1;
                self.free(request);
                continue;
            }
            let metadata = (stamp >= self.metadata_at + METADATA_US).then(|| {
                self.metadata_at = stamp;
                self.metadata(&request)
            });
            let buffer = request.cookie() as u32;
            let frame =
                Frame { buffer, sequence: sequence.saturating_sub(self.withheld), stamp_us: stamp, bytes };
            self.lent.insert(buffer, request);
            return Ok(Some((frame, metadata.filter(|measured| !measured.is_empty()))));
        }
        Ok(None)
    }

    /// Takes a buffer back. A buffer that was not lent belongs to an earlier configuration.
    pub fn take_back(&mut self, buffer: u32) {
        if let Some(request) = self.lent.remove(&buffer) {
            self.free(request);
        }
    }

    fn free(&mut self, mut request: Request) {
        request.reuse(ReuseFlag::REUSE_BUFFERS);
        self.idle.push(request);
    }

    /// # Errors
    /// Why the control was not set.
    pub fn set(&mut self, value: &Value) -> Result<(), String> {
        self.controls.set(value)
    }

    /// Queues the requests that are due.
    ///
    /// # Errors
    /// The camera accepts none.
    pub fn queue(&mut self) -> Result<(), Fault> {
        for _ in 0..self.pacer.due(self.idle.len(), now()) {
            let Some(mut request) = self.idle.pop() else { break };
            self.controls.write(request.controls_mut());
            match self.camera.queue_request(request) {
                Ok(()) => self.controls.taken(),
                Err((request, error)) => {
                    self.idle.push(request);
                    return Err(failed("the camera takes no request", &error));
                }
            }
        }
        Ok(())
    }

    /// Microseconds until a request is due.
    pub fn wait(&self) -> Option<u64> {
        self.pacer.wait(self.idle.len(), now())
    }

    fn about(&mut self, request: &Request) -> About {
        let ours = request.buffer::<OwnedFrameBuffer>(&self.main).map(|buffer| buffer.metadata());
        let filled =
            ours.or_else(|| request.buffer::<FrameBuffer>(&self.main).map(|buffer| buffer.metadata()));
        let mut about =
            About { is_good: true, sequence: request.sequence().into(), stamp: 0, bytes: self.frame_size };
        // libcamera 0.4's virtual cameras leave it empty.
        if let Some(filled) = filled.flatten() {
            about.is_good = filled.status() == FrameMetadataStatus::Success;
            about.sequence = filled.sequence().into();
            about.stamp = filled.timestamp() / 1000;
            let bytes: u64 = filled.planes().into_iter().map(|plane| u64::from(plane.bytes_used)).sum();
            if bytes > 0 {
                about.bytes = bytes;
            }
        }
        if let Some(stamp) = self.measured(request, "SensorTimestamp") {
            about.stamp = stamp as u64 / 1000;
        }
        if about.stamp == 0 {
            about.stamp = now();
        }
        about
    }

    fn learn_names(&mut self, request: &Request) {
        if self.metadata_names.is_empty() {
            let known = request.metadata().id_map().and_then(|map| map.iter());
            self.metadata_names =
                known.into_iter().flatten().map(|(id, about)| (id, about.name().to_owned())).collect();
        }
    }

    fn measured(&mut self, request: &Request, name: &str) -> Option<f64> {
        self.learn_names(request);
        let is_named = |id: u32| self.metadata_names.get(&id).is_some_and(|known| known == name);
        request.metadata().into_iter().find(|(id, _)| is_named(*id)).and_then(|(_, value)| number(&value))
    }

    fn metadata(&mut self, request: &Request) -> Measured {
        self.learn_names(request);
        let mut measured = Vec::new();
        for (id, value) in request.metadata() {
            let Some(name) = self.metadata_names.get(&id).map(|name| names::snake(name)) else { continue };
            match (&value, number(&value)) {
                (_, Some(_)) if name == "sensor_timestamp" => {}
                (_, Some(number)) => measured.push((name, number)),
                (ControlValue::Float(gains), _) if name == "colour_gains" && gains.len() == 2 => {
                    measured.push(("colour_gains_red".to_owned(), gains[0].into()));
                    measured.push(("colour_gains_blue".to_owned(), gains[1].into()));
                }
                _ => {}
            }
        }
        measured
    }
}

/// Facts about a frame.
struct About {
    is_good: bool,
    sequence: u64,
    /// Microseconds.
    stamp: u64,
    bytes: u64,
}

/// Runs in libcamera's thread, which holds a lock: only hands the request over. Queueing it again from here would
/// deadlock.
fn hand_over(sender: Sender<Request>, notify: impl Fn() + Send) -> impl FnMut(Request) + Send {
    move |request| {
        let _ = sender.send(request);
        notify();
    }
}

/// The configuration nearest to the request, with the second stream if possible.
fn configure(camera: &mut ActiveCamera<'_>, open: &Open) -> Result<CameraConfiguration, Fault> {
    let two = [[StreamRole::ViewFinder; 2], [StreamRole::VideoRecording, StreamRole::ViewFinder]];
    if let Some(second) = open.second {
        for roles in two {
            let configured = validated(camera, &roles, open, Some(second));
            if configured
                .as_ref()
                .is_ok_and(|configuration| streams(configuration).is_ok_and(|all| all.len() == 2))
            {
                return configured;
            }
        }
    }
    validated(camera, &[StreamRole::ViewFinder], open, None)
}

fn validated(
    camera: &ActiveCamera<'_>,
    roles: &[StreamRole],
    open: &Open,
    second: Option<(u32, u32)>,
) -> Result<CameraConfiguration, Fault> {
    let unsupported = |what: &str| fault(FaultKind::Unsupported, what);
    let mut configuration =
        camera.generate_configuration(roles).ok_or_else(|| unsupported("the camera has no such streams"))?;
    if configuration.len() != roles.len() {
        return Err(unsupported("the camera has no such streams"));
    }
    let main = (open.width.unwrap_or(DEFAULT_SIZE.0), open.height.unwrap_or(DEFAULT_SIZE.1));
    for (at, size) in [Some(main), second].into_iter().flatten().enumerate() {
        let wanted = if at == 0 { open.format.as_deref() } else { None };
        let Some(mut stream) = configuration.get_mut(at) else { continue };
        let offered: Vec<_> = stream.formats().pixel_formats().into_iter().collect();
        // A camera that lists no formats may still have them.
        let has = |format| offered.is_empty() || offered.contains(&format);
        let format = match wanted {
            Some(name) => cameras::pixel_format(name).filter(|format| has(*format)),
            None => FOURCCS.into_iter().filter_map(cameras::pixel_format).find(|format| has(*format)),
        };
        let format = format.ok_or_else(|| {
            unsupported(&format!("the camera has no {}", wanted.unwrap_or("NV12, YU12 or MJPG")))
        })?;
        stream.set_pixel_format(format);
        stream.set_size(Size { width: size.0, height: size.1 });
        let count = stream.get_buffer_count().clamp(*BUFFERS.start(), *BUFFERS.end());
        stream.set_buffer_count(count);
    }
    configuration.set_orientation(cameras::turn(open.orientation));
    if configuration.validate().is_invalid() {
        return Err(unsupported("the camera has no such configuration"));
    }
    Ok(configuration)
}

/// The streams of a validated configuration.
fn streams(configuration: &CameraConfiguration) -> Result<Vec<Stream>, Fault> {
    let described = |at: usize| {
        let stream = configuration.get(at)?;
        let fourcc = cameras::fourcc(stream.get_pixel_format())?;
        let size = stream.get_size();
        let stride = if fourcc == "MJPG" { 0 } else { stream.get_stride() };
        Some(Stream { fourcc: fourcc.to_owned(), width: size.width, height: size.height, stride })
    };
    let unreadable = || fault(FaultKind::Unsupported, "the camera gives none of NV12, YU12 and MJPG");
    (0..configuration.len()).map(|at| described(at).ok_or_else(unreadable)).collect()
}

type Requests = (Vec<Request>, Vec<Vec<Memo>>);

/// A request for each number, with the buffers of this number of all streams.
fn requests(
    camera: &mut ActiveCamera<'_>,
    streams: &[(StreamHandle, Layout)],
    memory: Vec<Vec<Buffer>>,
) -> Result<Requests, Fault> {
    let count = memory.iter().map(Vec::len).min().unwrap_or(0);
    let refused = |error: &io::Error| failed("the camera does not take these buffers", error);
    let mut requests = Vec::with_capacity(count);
    for number in 0..count {
        let request = camera.create_request(Some(number as u64));
        requests.push(request.ok_or_else(|| refused(&io::Error::other("it makes no requests")))?);
    }
    let mut all = Vec::with_capacity(memory.len());
    for ((stream, _), buffers) in streams.iter().zip(memory) {
        let mut memos = Vec::with_capacity(count);
        for (request, Buffer { memory, descriptor, bytes }) in requests.iter_mut().zip(buffers) {
            match memory {
                Memory::Ours(buffer) => request.add_buffer(stream, buffer),
                Memory::Theirs(buffer) => request.add_buffer(stream, buffer),
            }
            .map_err(|error| refused(&error))?;
            memos.push(Memo { descriptor, bytes });
        }
        all.push(memos);
    }
    Ok((requests, all))
}

/// The achievable rate, and the control that sets it if there is one.
fn rate(camera: &ActiveCamera<'_>, controls: &Controls, fps: f64) -> (f64, Option<(u32, ControlValue)>) {
    let known =
        controls.id("FrameDurationLimits").and_then(|id| Some((id, camera.controls().find(id).ok()?)));
    let Some((id, info)) = known else { return (fps, None) };
    let (Some(min), Some(max)) = (number(&info.min()), number(&info.max())) else { return (fps, None) };
    if !(min > 0.0 && min <= max) {
        return (fps, None);
    }
    // A rate below the camera's lowest is enforced here.
    let fps = fps.min(1e6 / min);
    let duration = (1e6 / fps).clamp(min, max).round() as i64;
    (fps, Some((id, ControlValue::from([duration; 2]))))
}
