//! One open V4L2 device. The only file that names rscam, which lists formats and sets controls.
//!
//! rscam streams only from drivers with a setting for the frame rate, so the stream is our own. rscam hides its
//! descriptor, which is therefore found once, right after the open, by its device number among the process's own, and
//! set non-blocking. Callers wait for a frame with [`Device::wait`] first.
//!
//! Invariant: a [`Buffer`] must not outlive its [`Device`], because dropping it returns it to the driver by raw
//! descriptor number. Code that holds both declares the buffer first.

use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::FdFlags;

use crate::media::{Control, Fourcc, SourceError, SourceErrorKind};
use tallycam_base::WakeFd;

use super::choose::{Interval, Intervals, ModeChoice, Offer, SizeRange};
use super::controls::{Ask, LeftOut};
use super::{controls, failure, sys};

/// Held while a device is opened or closed, so that the process's descriptors of it do not change meanwhile.
static DESCRIPTORS: Mutex<()> = Mutex::new(());

/// An open device. Dropping it stops the stream and closes the device.
pub(crate) struct Device {
    path: PathBuf,
    camera: ManuallyDrop<rscam::Camera>,
    descriptor: RawFd,
    is_streaming: bool,
    buffers: Vec<Rc<sys::Mapping>>,
    /// Values written to controls since the open.
    written: BTreeMap<u32, i64>,
}

/// The mode of a started device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StartedStream {
    /// The frame format that the driver reports.
    pub format: sys::DeviceFormat,
    /// Time between frames, if the driver tells.
    pub interval: Option<Interval>,
    /// The driver has a setting for that time.
    pub sets_interval: bool,
}

/// Result of [`Device::wait`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// A frame is ready.
    Frame,
    /// There was no frame in that time.
    Nothing,
    /// There is no frame yet; the wake-up descriptor has rung.
    Called,
    /// The driver is in an error state and gives no frames.
    Failing,
    /// The device is gone.
    Gone,
}

/// A frame in a driver's buffer; dropping it returns the buffer.
pub(crate) struct Buffer {
    memory: Rc<sys::Mapping>,
    filled: sys::FilledBuffer,
    descriptor: RawFd,
}

impl Buffer {
    /// The frame's bytes, as many as the driver has written.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.bytes(self.filled.len)
    }

    /// The driver's time stamp of the frame in microseconds, mostly on `CLOCK_MONOTONIC`.
    pub(crate) fn timestamp_us(&self) -> u64 {
        self.filled.timestamp_us
    }

    /// The driver's sequence number of the frame, which skips lost frames. Some drivers do not count.
    pub(crate) fn sequence(&self) -> u32 {
        self.filled.sequence
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the device owns this descriptor and outlives the buffer.
        let fd = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        // A driver that refuses it has one buffer less, or is gone.
        let _ = sys::queue_buffer(fd, self.filled.index);
    }
}

impl Device {
    /// Opens the device at `path` without changing it.
    ///
    /// # Errors
    /// Absent, denied, busy, or not a device.
    pub(crate) fn open(path: &Path) -> Result<Device, SourceError> {
        let failed = |error: &io::Error| failure::io_fault(path, "open", error);
        let node = std::fs::metadata(path).map_err(|e| failed(&e))?;
        if !node.file_type().is_char_device() {
            return Err(SourceError::new(
                SourceErrorKind::Unsupported,
                format!("{} is not a camera device", path.display()),
            ));
        }
        let name = path.to_str().ok_or_else(|| {
            SourceError::new(
                SourceErrorKind::Unsupported,
                format!("the name {} is not UTF-8", path.display()),
            )
        })?;
        let (camera, descriptor) = open_with_descriptor(name, node.rdev()).map_err(|e| failed(&e))?;
        let device = Device {
            path: path.to_owned(),
            camera: ManuallyDrop::new(camera),
            descriptor,
            is_streaming: false,
            buffers: Vec::new(),
            written: BTreeMap::new(),
        };
        device.set_non_blocking().map_err(|e| failed(&e))?;
        Ok(device)
    }

    /// The path that was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the camera owns this descriptor and closes it in our drop, after every borrow.
        unsafe { BorrowedFd::borrow_raw(self.descriptor) }
    }

    fn set_non_blocking(&self) -> io::Result<()> {
        let flags = rustix::fs::fcntl_getfl(self.fd())?;
        rustix::fs::fcntl_setfl(self.fd(), flags | OFlags::NONBLOCK)?;
        // A program started later must not keep the camera busy.
        Ok(rustix::io::fcntl_setfd(self.fd(), FdFlags::CLOEXEC)?)
    }

    /// Driver, name and capabilities that the device reports.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn capability(&self) -> io::Result<sys::Capability> {
        sys::capability(self.fd())
    }

    /// The pixel formats and sizes it offers, in its own order.
    pub(crate) fn list_formats(&self) -> Vec<Offer> {
        // The iterator repeats an error for ever, so it ends at the first one.
        let mut offers: Vec<Offer> = Vec::new();
        for format in self.camera.formats().map_while(Result::ok) {
            let fourcc = Fourcc(format.format);
            if !offers.iter().any(|offer| offer.fourcc == fourcc) {
                offers.push(Offer {
                    fourcc,
                    description: format.description,
                    sizes: self.list_sizes(fourcc),
                });
            }
        }
        offers
    }

    fn list_sizes(&self, fourcc: Fourcc) -> SizeRange {
        let is_size = |&(w, h): &(u32, u32)| w > 0 && h > 0;
        match self.camera.resolutions(&fourcc.0) {
            Ok(rscam::ResolutionInfo::Discretes(list)) => {
                let list: Vec<_> = list.into_iter().filter(is_size).collect();
                if list.is_empty() { SizeRange::Unknown } else { SizeRange::List(list) }
            }
            Ok(rscam::ResolutionInfo::Stepwise { min, max, step }) if is_size(&min) && is_size(&max) => {
                SizeRange::Range { min, max, step }
            }
            // rscam returns zeros for a driver that does not tell.
            _ => SizeRange::Unknown,
        }
    }

    /// The intervals it offers for frames of `fourcc` at `size`.
    pub(crate) fn intervals(&self, fourcc: Fourcc, size: (u32, u32)) -> Intervals {
        let interval = |(numerator, denominator)| Interval::new(numerator, denominator);
        match self.camera.intervals(&fourcc.0, size) {
            Ok(rscam::IntervalInfo::Discretes(list)) => {
                let list: Vec<_> = list.into_iter().filter_map(interval).collect();
                if list.is_empty() { Intervals::Unknown } else { Intervals::List(list) }
            }
            Ok(rscam::IntervalInfo::Stepwise { min, max, step }) => match (interval(min), interval(max)) {
                (Some(min), Some(max)) => Intervals::Range { min, max, step: interval(step) },
                _ => Intervals::Unknown,
            },
            Err(_) => Intervals::Unknown,
        }
    }

    /// The controls it offers, in its own order. Controls that no number can set, or whose value cannot be read, are
    /// omitted.
    pub(crate) fn controls(&self) -> Vec<Control> {
        let mut found = Vec::new();
        let mut last = 0;
        while let Some(answer) = sys::control_after(self.fd(), last) {
            last = answer.id;
            let title = answer.title.clone();
            match controls::control(answer, self) {
                Ok(control) => found.push(control),
                Err(LeftOut(None)) => {}
                Err(LeftOut(Some(why))) => {
                    log::debug!("control {title} ({last:#x}) of {} is left out: {why}", self.path.display());
                }
            }
        }
        controls::make_names_unique(&mut found);
        found
    }

    /// Sets a control.
    ///
    /// # Errors
    /// The system's: `ERANGE`, `EINVAL`, `EACCES`, or what the device says.
    pub(crate) fn set(&mut self, id: u32, value: i64) -> io::Result<()> {
        self.camera.set_control(id, &value)?;
        self.written.insert(id, value);
        Ok(())
    }

    /// The current state of a control, including whether another control rules it.
    ///
    /// # Errors
    /// The system's; also for a control that [`Device::controls`] omits.
    pub(crate) fn control(&self, id: u32) -> io::Result<Control> {
        let answer = sys::control(self.fd(), id)?;
        controls::control(answer, self)
            .map_err(|LeftOut(why)| io::Error::other(why.unwrap_or_else(|| String::from("it is not in use"))))
    }

    /// Sets the mode and starts the stream with about `buffers` buffers. A driver may change size and interval to
    /// supported values.
    ///
    /// # Errors
    /// Busy, out of bandwidth, unplugged, or a mode that cannot be set.
    pub(crate) fn start(
        &mut self,
        choice: &ModeChoice,
        buffers: u32,
    ) -> Result<StartedStream, DeviceStartError> {
        let fd = self.fd();
        let format = sys::set_format(fd, choice.fourcc.0, (choice.width, choice.height))?;
        let fourcc = Fourcc(format.fourcc);
        if fourcc != choice.fourcc && !(fourcc.is_jpeg() && choice.fourcc.is_jpeg()) {
            return Err(DeviceStartError::Mode(format!("the driver sets {fourcc}")));
        }
        let (interval, sets_interval) = self.set_interval(choice.interval)?;
        let mapped =
            (0..sys::request_buffers(fd, buffers)?).map(|index| sys::Mapping::new(fd, index).map(Rc::new));
        let mapped: Vec<_> = mapped.collect::<io::Result<_>>()?;
        for index in 0..mapped.len() {
            sys::queue_buffer(fd, index as u32)?;
        }
        sys::start_stream(fd)?;
        self.buffers = mapped;
        self.is_streaming = true;
        Ok(StartedStream { format, interval, sets_interval })
    }

    /// Sets the time between frames, and returns the one in force. False: the driver has no such setting, which
    /// analogue grabbers and bridges for camera modules lack.
    fn set_interval(&self, wanted: Option<Interval>) -> io::Result<(Option<Interval>, bool)> {
        let present = self.present_interval();
        let Some(wanted) = wanted.or(present) else { return Ok((None, false)) };
        match sys::set_interval(self.fd(), (wanted.numerator, wanted.denominator)) {
            Ok((numerator, denominator)) => Ok((Interval::new(numerator, denominator).or(present), true)),
            Err(error) if [Some(libc::ENOTTY), Some(libc::EINVAL)].contains(&error.raw_os_error()) => {
                log::debug!("{} sets no frame rate: {error}", self.path.display());
                Ok((present, false))
            }
            Err(error) => Err(error),
        }
    }

    fn present_interval(&self) -> Option<Interval> {
        sys::interval(self.fd())
            .ok()
            .and_then(|(numerator, denominator)| Interval::new(numerator, denominator))
    }

    /// Waits at most `time` for a frame, or until `wake_fd` rings, which is then cleared.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn wait(&self, time: Duration, wake_fd: Option<&WakeFd>) -> io::Result<Ready> {
        let until = Instant::now() + time;
        let fd = self.fd();
        let ringing = wake_fd.and_then(WakeFd::descriptor);
        let other = ringing.as_ref().unwrap_or(&fd);
        let mut both = [PollFd::new(&fd, PollFlags::IN), PollFd::new(other, PollFlags::IN)];
        let polled = &mut both[..1 + usize::from(ringing.is_some())];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos().into() };
            match poll(polled, Some(&left)) {
                Ok(0) => return Ok(Ready::Nothing),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let (Some(wake_fd), [device, other]) = (wake_fd, &*polled)
            && other.revents().contains(PollFlags::IN)
        {
            wake_fd.clear();
            // A frame that is ready comes first; the request that rang is handled after it.
            if device.revents().is_empty() {
                return Ok(Ready::Called);
            }
        }
        let events = polled[0].revents();
        Ok(if events.intersects(PollFlags::HUP | PollFlags::NVAL) {
            Ready::Gone
        } else if events.contains(PollFlags::ERR) {
            Ready::Failing
        } else {
            Ready::Frame
        })
    }

    /// Takes the oldest frame that the driver has ready; `None` if there is none. Only while streaming.
    ///
    /// # Errors
    /// The system's: `ENODEV` when unplugged, `EIO` for a frame that was lost inside the device.
    pub(crate) fn dequeue(&self) -> io::Result<Option<Buffer>> {
        let filled = match sys::dequeue_buffer(self.fd()) {
            Ok(filled) => filled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let memory = self.buffers.get(filled.index as usize).cloned();
        let memory =
            memory.ok_or_else(|| io::Error::other("the driver gives a buffer that it does not have"))?;
        Ok(Some(Buffer { memory, filled, descriptor: self.descriptor }))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.is_streaming
            && let Err(error) = sys::stop_stream(self.fd())
        {
            log::debug!("stopping {}: {error}", self.path.display());
        }
        let _closing = DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the camera is dropped here and nowhere else, and not used after.
        unsafe { ManuallyDrop::drop(&mut self.camera) };
    }
}

/// Why a device could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceStartError {
    /// The system's answer.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The driver does not apply a mode that it offers.
    #[error("{0}")]
    Mode(String),
}

/// Opens a camera and finds its descriptor.
fn open_with_descriptor(name: &str, rdev: u64) -> io::Result<(rscam::Camera, RawFd)> {
    let _opening = DESCRIPTORS.lock().unwrap_or_else(PoisonError::into_inner);
    let before = sys::open_descriptors(rdev)?;
    let camera = rscam::Camera::new(name)?;
    let after = sys::open_descriptors(rdev)?;
    let descriptor = after.into_iter().find(|fd| !before.contains(fd));
    // Another device may have taken the name between the check and the open.
    descriptor.map(|fd| (camera, fd)).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}

impl Ask for Device {
    fn value(&self, id: u32) -> io::Result<i32> {
        sys::control_value(self.fd(), id)
    }

    fn query_wide(&self, id: u32) -> io::Result<[i64; 5]> {
        match self.camera.get_control(id)?.data {
            rscam::CtrlData::Integer64 { value, default, minimum, maximum, step } => {
                Ok([minimum, maximum, step, default, value])
            }
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    fn last_written(&self, id: u32) -> Option<i64> {
        self.written.get(&id).copied()
    }

    fn query_choice(&self, id: u32, index: u32, is_number: bool) -> Option<String> {
        sys::query_choice(self.fd(), id, index, is_number)
    }
}
