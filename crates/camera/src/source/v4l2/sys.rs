//! The V4L2 requests that rscam lacks or makes otherwise, and the search for the descriptor that it hides.
//!
//! The structures are those of `linux/videodev2.h`. Requests go through libc's `ioctl`, as rscam's do, so that both
//! use the same device when a library is preloaded.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use rustix::ioctl::{Opcode, opcode};

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`, and `V4L2_MEMORY_MMAP`, which has the same number.
const VIDEO_CAPTURE: u32 = 1;
const MEMORY_MMAP: u32 = 1;

/// `V4L2_FIELD_NONE`: progressive.
const FIELD_NONE: u32 = 1;

/// `V4L2_CTRL_FLAG_NEXT_CTRL`: the control after this one.
const NEXT_CONTROL: u32 = 0x8000_0000;

/// The argument of one V4L2 request.
///
/// # Safety
/// `OPCODE` is the request that the kernel reads and writes exactly this structure for, and the
/// structure holds no pointer.
unsafe trait IoctlArgument {
    const OPCODE: Opcode;
}

/// Makes a request and repeats it when a signal interrupts.
fn ioctl_retry<T: IoctlArgument>(fd: BorrowedFd<'_>, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: by the promise of `IoctlArgument` the kernel stays within `argument`, which outlives the call.
        let answer = unsafe { libc::ioctl(fd.as_raw_fd(), T::OPCODE as _, std::ptr::from_mut(argument)) };
        if answer != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// `struct v4l2_capability`.
#[repr(C)]
#[derive(Default)]
struct RawCapability {
    driver: [u8; 16],
    card: [u8; 32],
    bus_info: [u8; 32],
    version: u32,
    capabilities: u32,
    device_caps: u32,
    reserved: [u32; 3],
}

// SAFETY: VIDIOC_QUERYCAP is `_IOR('V', 0, struct v4l2_capability)`.
unsafe impl IoctlArgument for RawCapability {
    const OPCODE: Opcode = opcode::read::<RawCapability>(b'V', 0);
}

/// Driver, name and capabilities of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Capability {
    /// Name of the driver: "uvcvideo".
    pub driver: String,
    /// Name of the device: "HD Pro Webcam C920".
    pub card: String,
    /// Bus address: "usb-0000:01:00.0-1.2".
    pub bus: String,
    /// `V4L2_CAP_…` of this very node.
    pub flags: u32,
}

/// `VIDIOC_QUERYCAP`.
///
/// # Errors
/// The system's; `ENOTTY` if it is no V4L2 device.
pub(crate) fn capability(fd: BorrowedFd<'_>) -> io::Result<Capability> {
    const DEVICE_CAPS: u32 = 0x8000_0000;
    let mut raw = RawCapability::default();
    ioctl_retry(fd, &mut raw)?;
    let of_node = if raw.capabilities & DEVICE_CAPS == 0 { raw.capabilities } else { raw.device_caps };
    Ok(Capability {
        driver: text_from_field(&raw.driver),
        card: text_from_field(&raw.card),
        bus: text_from_field(&raw.bus_info),
        flags: of_node,
    })
}

/// `struct v4l2_format` with its `pix` part. In C that is a union with structures that hold
/// pointers, hence the alignment.
#[repr(C)]
struct RawFormat {
    kind: u32,
    align: [usize; 0],
    width: u32,
    height: u32,
    pixelformat: u32,
    field: u32,
    bytesperline: u32,
    sizeimage: u32,
    rest: [u32; 44],
}

// SAFETY: VIDIOC_S_FMT is `_IOWR('V', 5, struct v4l2_format)`.
unsafe impl IoctlArgument for RawFormat {
    const OPCODE: Opcode = opcode::read_write::<RawFormat>(b'V', 5);
}

/// The current format of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceFormat {
    /// Pixel format.
    pub fourcc: [u8; 4],
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from row to row of the first plane, as the driver reports; often 0 for JPEG.
    pub bytes_per_line: u32,
    /// Least size of a buffer in bytes.
    pub size_image: u32,
}

/// `VIDIOC_S_FMT`: asks for whole frames of this format and size. The driver sets what it has, and answers that.
///
/// # Errors
/// The system's.
pub(crate) fn set_format(
    fd: BorrowedFd<'_>,
    fourcc: [u8; 4],
    (width, height): (u32, u32),
) -> io::Result<DeviceFormat> {
    let mut raw = RawFormat {
        kind: VIDEO_CAPTURE,
        align: [],
        width,
        height,
        pixelformat: u32::from_le_bytes(fourcc),
        field: FIELD_NONE,
        bytesperline: 0,
        sizeimage: 0,
        rest: [0; 44],
    };
    ioctl_retry(fd, &mut raw)?;
    Ok(DeviceFormat {
        fourcc: raw.pixelformat.to_le_bytes(),
        width: raw.width,
        height: raw.height,
        bytes_per_line: raw.bytesperline,
        size_image: raw.sizeimage,
    })
}

/// `struct v4l2_streamparm` with its `capture` part.
#[repr(C)]
struct RawParameters {
    kind: u32,
    capability: u32,
    capturemode: u32,
    numerator: u32,
    denominator: u32,
    rest: [u32; 46],
}

// SAFETY: VIDIOC_G_PARM is `_IOWR('V', 21, struct v4l2_streamparm)`.
unsafe impl IoctlArgument for RawParameters {
    const OPCODE: Opcode = opcode::read_write::<RawParameters>(b'V', 21);
}

#[repr(transparent)]
struct RawNewParameters(RawParameters);

// SAFETY: VIDIOC_S_PARM is `_IOWR('V', 22, struct v4l2_streamparm)`.
unsafe impl IoctlArgument for RawNewParameters {
    const OPCODE: Opcode = opcode::read_write::<RawParameters>(b'V', 22);
}

impl RawParameters {
    fn new(numerator: u32, denominator: u32) -> RawParameters {
        let kind = VIDEO_CAPTURE;
        RawParameters { kind, capability: 0, capturemode: 0, numerator, denominator, rest: [0; 46] }
    }
}

/// `VIDIOC_G_PARM`: the current time between frames, as a fraction of a second.
///
/// # Errors
/// The system's; many drivers have no such setting.
pub(crate) fn interval(fd: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    let mut raw = RawParameters::new(0, 0);
    ioctl_retry(fd, &mut raw)?;
    Ok((raw.numerator, raw.denominator))
}

/// `VIDIOC_S_PARM`: asks for this time between frames, and returns the one that the driver sets.
///
/// # Errors
/// The system's; many drivers have no such setting.
pub(crate) fn set_interval(
    fd: BorrowedFd<'_>,
    (numerator, denominator): (u32, u32),
) -> io::Result<(u32, u32)> {
    let mut raw = RawNewParameters(RawParameters::new(numerator, denominator));
    ioctl_retry(fd, &mut raw)?;
    Ok((raw.0.numerator, raw.0.denominator))
}

/// `struct v4l2_queryctrl`.
#[repr(C)]
#[derive(Default)]
struct RawControl {
    id: u32,
    kind: u32,
    name: [u8; 32],
    minimum: i32,
    maximum: i32,
    step: i32,
    default_value: i32,
    flags: u32,
    reserved: [u32; 2],
}

// SAFETY: VIDIOC_QUERYCTRL is `_IOWR('V', 36, struct v4l2_queryctrl)`.
unsafe impl IoctlArgument for RawControl {
    const OPCODE: Opcode = opcode::read_write::<RawControl>(b'V', 36);
}

/// A device's answer about one control. Numbers are those of 32-bit controls; others have ranges of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlAnswer {
    /// `V4L2_CID_…`.
    pub id: u32,
    /// `V4L2_CTRL_TYPE_…`.
    pub kind: u32,
    pub title: String,
    /// Least value, or first choice of a menu.
    pub minimum: i32,
    /// Greatest value, or last choice of a menu.
    pub maximum: i32,
    /// Distance between values; some drivers report 0 or less.
    pub step: i32,
    /// Value after power-on.
    pub default: i32,
    /// `V4L2_CTRL_FLAG_…`.
    pub flags: u32,
}

/// `VIDIOC_QUERYCTRL`.
///
/// # Errors
/// The system's: `EINVAL` if there is no such control.
pub(crate) fn control(fd: BorrowedFd<'_>, id: u32) -> io::Result<ControlAnswer> {
    let mut raw = RawControl { id, ..RawControl::default() };
    ioctl_retry(fd, &mut raw)?;
    Ok(ControlAnswer {
        id: raw.id,
        kind: raw.kind,
        title: text_from_field(&raw.name),
        minimum: raw.minimum,
        maximum: raw.maximum,
        step: raw.step,
        default: raw.default_value,
        flags: raw.flags,
    })
}

/// The first control after `id` (0 to start); `None` at the end.
///
/// rscam's own iteration gets stuck at a control whose value cannot be read.
pub(crate) fn control_after(fd: BorrowedFd<'_>, id: u32) -> Option<ControlAnswer> {
    // A driver that does not move forward would cause an endless loop.
    control(fd, id | NEXT_CONTROL).ok().filter(|next| next.id > id)
}

/// `struct v4l2_control`.
#[repr(C)]
struct RawValue {
    id: u32,
    value: i32,
}

// SAFETY: VIDIOC_G_CTRL is `_IOWR('V', 27, struct v4l2_control)`.
unsafe impl IoctlArgument for RawValue {
    const OPCODE: Opcode = opcode::read_write::<RawValue>(b'V', 27);
}

/// `VIDIOC_G_CTRL`: the current value of a 32-bit control.
///
/// # Errors
/// The system's: `EACCES` for a write-only control.
pub(crate) fn control_value(fd: BorrowedFd<'_>, id: u32) -> io::Result<i32> {
    let mut raw = RawValue { id, value: 0 };
    ioctl_retry(fd, &mut raw)?;
    Ok(raw.value)
}

/// `struct v4l2_querymenu`, which is packed in C. `name` is a member of its union; a number is in the first 8 bytes.
#[repr(C)]
struct RawChoice {
    id: u32,
    index: u32,
    name: [u8; 32],
    reserved: u32,
}

// SAFETY: VIDIOC_QUERYMENU is `_IOWR('V', 37, struct v4l2_querymenu)`.
unsafe impl IoctlArgument for RawChoice {
    const OPCODE: Opcode = opcode::read_write::<RawChoice>(b'V', 37);
}

/// `VIDIOC_QUERYMENU`: choice `index` of a menu as text, or of an integer menu as a number; `None` for a gap.
pub(crate) fn query_choice(fd: BorrowedFd<'_>, id: u32, index: u32, is_number: bool) -> Option<String> {
    let mut raw = RawChoice { id, index, name: [0; 32], reserved: 0 };
    ioctl_retry(fd, &mut raw).ok()?;
    if !is_number {
        return Some(text_from_field(&raw.name));
    }
    raw.name.first_chunk().map(|bytes| i64::from_ne_bytes(*bytes).to_string())
}

/// `struct v4l2_buffer`.
#[repr(C)]
struct RawBuffer {
    index: u32,
    kind: u32,
    bytesused: u32,
    flags: u32,
    field: u32,
    timestamp: libc::timeval,
    timecode: [u32; 4],
    sequence: u32,
    memory: u32,
    place: usize,
    length: u32,
    reserved: [u32; 2],
}

// SAFETY: VIDIOC_QUERYBUF is `_IOWR('V', 9, struct v4l2_buffer)`. `place` may hold an address of
// this process, but only for memory that the process gave (USERPTR), never for V4L2_MEMORY_MMAP.
unsafe impl IoctlArgument for RawBuffer {
    const OPCODE: Opcode = opcode::read_write::<RawBuffer>(b'V', 9);
}

#[repr(transparent)]
struct RawQueued(RawBuffer);

// SAFETY: VIDIOC_QBUF is `_IOWR('V', 15, struct v4l2_buffer)`; see above.
unsafe impl IoctlArgument for RawQueued {
    const OPCODE: Opcode = opcode::read_write::<RawBuffer>(b'V', 15);
}

#[repr(transparent)]
struct RawDequeued(RawBuffer);

// SAFETY: VIDIOC_DQBUF is `_IOWR('V', 17, struct v4l2_buffer)`; see above.
unsafe impl IoctlArgument for RawDequeued {
    const OPCODE: Opcode = opcode::read_write::<RawBuffer>(b'V', 17);
}

impl RawBuffer {
    fn new(index: u32) -> RawBuffer {
        RawBuffer {
            index,
            kind: VIDEO_CAPTURE,
            bytesused: 0,
            flags: 0,
            field: 0,
            timestamp: libc::timeval { tv_sec: 0, tv_usec: 0 },
            timecode: [0; 4],
            sequence: 0,
            memory: MEMORY_MMAP,
            place: 0,
            length: 0,
            reserved: [0; 2],
        }
    }
}

/// `struct v4l2_requestbuffers`.
#[repr(C)]
struct RawRequest {
    count: u32,
    kind: u32,
    memory: u32,
    capabilities: u32,
    flags: u32,
}

// SAFETY: VIDIOC_REQBUFS is `_IOWR('V', 8, struct v4l2_requestbuffers)`.
unsafe impl IoctlArgument for RawRequest {
    const OPCODE: Opcode = opcode::read_write::<RawRequest>(b'V', 8);
}

/// `VIDIOC_REQBUFS`: asks for `count` buffers, and returns how many there are.
///
/// # Errors
/// The system's: `EBUSY` if another program streams.
pub(crate) fn request_buffers(fd: BorrowedFd<'_>, count: u32) -> io::Result<u32> {
    let mut raw = RawRequest { count, kind: VIDEO_CAPTURE, memory: MEMORY_MMAP, capabilities: 0, flags: 0 };
    ioctl_retry(fd, &mut raw)?;
    Ok(raw.count)
}

/// `enum v4l2_buf_type` as the argument of a request.
#[repr(transparent)]
struct RawStreamOn(u32);
#[repr(transparent)]
struct RawStreamOff(u32);

// SAFETY: VIDIOC_STREAMON is `_IOW('V', 18, int)`.
unsafe impl IoctlArgument for RawStreamOn {
    const OPCODE: Opcode = opcode::write::<u32>(b'V', 18);
}

// SAFETY: VIDIOC_STREAMOFF is `_IOW('V', 19, int)`.
unsafe impl IoctlArgument for RawStreamOff {
    const OPCODE: Opcode = opcode::write::<u32>(b'V', 19);
}

/// `VIDIOC_STREAMON`.
///
/// # Errors
/// The system's: `ENOSPC` without enough bandwidth.
pub(crate) fn start_stream(fd: BorrowedFd<'_>) -> io::Result<()> {
    ioctl_retry(fd, &mut RawStreamOn(VIDEO_CAPTURE))
}

/// `VIDIOC_STREAMOFF`.
///
/// # Errors
/// The system's.
pub(crate) fn stop_stream(fd: BorrowedFd<'_>) -> io::Result<()> {
    ioctl_retry(fd, &mut RawStreamOff(VIDEO_CAPTURE))
}

/// A buffer of the driver in the memory of this process.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: *const u8,
    len: usize,
}

impl Mapping {
    /// Buffer `index` of the device.
    ///
    /// # Errors
    /// The system's; `EINVAL` if there is no such buffer.
    pub(crate) fn new(fd: BorrowedFd<'_>, index: u32) -> io::Result<Mapping> {
        let mut raw = RawBuffer::new(index);
        ioctl_retry(fd, &mut raw)?;
        let (len, shared, access) =
            (raw.length as usize, libc::MAP_SHARED, libc::PROT_READ | libc::PROT_WRITE);
        // The first 4 bytes of the union are the offset.
        let offset = u32::from_ne_bytes(raw.place.to_ne_bytes()[..4].try_into().unwrap_or_default());
        let hint = std::ptr::null_mut();
        // SAFETY: a new mapping at a place that the kernel chooses.
        let start = unsafe { libc::mmap(hint, len, access, shared, fd.as_raw_fd(), offset.into()) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Mapping { start: start.cast(), len })
    }

    /// The first `len` bytes. The driver must not fill the buffer meanwhile.
    pub(crate) fn bytes(&self, len: usize) -> &[u8] {
        // SAFETY: the mapping is readable, has `self.len` bytes, and lasts as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start, len.min(self.len)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is that of mmap, and no slice of it outlives `self`.
        unsafe { libc::munmap(self.start.cast_mut().cast(), self.len) };
    }
}

/// A filled buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilledBuffer {
    /// Its index.
    pub index: u32,
    /// Bytes that the driver has written.
    pub len: usize,
    /// Time stamp in microseconds, on the driver's clock.
    pub timestamp_us: u64,
    /// The driver's sequence number, which skips lost frames.
    pub sequence: u32,
}

/// `VIDIOC_QBUF`: gives buffer `index` to the driver.
///
/// # Errors
/// The system's.
pub(crate) fn queue_buffer(fd: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    ioctl_retry(fd, &mut RawQueued(RawBuffer::new(index)))
}

/// `VIDIOC_DQBUF`: takes the oldest filled buffer.
///
/// # Errors
/// The system's; `EAGAIN` if there is none.
pub(crate) fn dequeue_buffer(fd: BorrowedFd<'_>) -> io::Result<FilledBuffer> {
    let mut raw = RawDequeued(RawBuffer::new(0));
    ioctl_retry(fd, &mut raw)?;
    let RawDequeued(raw) = raw;
    // A driver may write any time stamp.
    let seconds_us = (raw.timestamp.tv_sec as u64).wrapping_mul(1_000_000);
    Ok(FilledBuffer {
        index: raw.index,
        len: raw.bytesused as usize,
        timestamp_us: seconds_us.wrapping_add(raw.timestamp.tv_usec as u64),
        sequence: raw.sequence,
    })
}

/// This process's descriptors of the character device with number `rdev`.
///
/// # Errors
/// `/proc/self/fd` cannot be read.
pub(crate) fn open_descriptors(rdev: u64) -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(number.filter(|&fd| device_number(fd) == Some(rdev)));
    }
    Ok(found)
}

/// The number of the character device behind a descriptor; `None` if it is none, or closed.
fn device_number(fd: RawFd) -> Option<u64> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` is writable and large enough; a closed `fd` is answered with EBADF.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: fstat returned 0, so it has written the structure.
    let stat = unsafe { stat.assume_init() };
    (stat.st_mode & libc::S_IFMT == libc::S_IFCHR).then_some(stat.st_rdev)
}

/// Text of a fixed field, up to the first NUL.
fn text_from_field(field: &[u8]) -> String {
    let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;

    #[test]
    #[cfg(all(target_pointer_width = "64", target_env = "gnu"))]
    fn structures_have_the_sizes_of_videodev2_h() {
        assert_eq!(RawCapability::OPCODE, 0x8068_5600);
        assert_eq!(RawFormat::OPCODE, 0xc0d0_5605);
        assert_eq!(RawParameters::OPCODE, 0xc0cc_5615);
        assert_eq!(RawNewParameters::OPCODE, 0xc0cc_5616);
        assert_eq!(RawRequest::OPCODE, 0xc014_5608);
        assert_eq!(RawQueued::OPCODE, 0xc058_560f);
        assert_eq!(RawDequeued::OPCODE, 0xc058_5611);
        assert_eq!(RawStreamOn::OPCODE, 0x4004_5612);
        assert_eq!(RawStreamOff::OPCODE, 0x4004_5613);
        assert_eq!(RawControl::OPCODE, 0xc044_5624);
        assert_eq!(RawValue::OPCODE, 0xc008_561b);
        assert_eq!(RawChoice::OPCODE, 0xc02c_5625);
        assert_eq!(RawBuffer::OPCODE, 0xc058_5609);
        assert_eq!(std::mem::offset_of!(RawFormat, width), 8);
        assert_eq!(std::mem::offset_of!(RawBuffer, timestamp), 24);
        assert_eq!(std::mem::offset_of!(RawBuffer, sequence), 56);
        assert_eq!(std::mem::offset_of!(RawBuffer, place), 64);
    }

    #[test]
    fn a_file_that_is_no_camera_gives_an_error() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert!(capability(null.as_fd()).is_err());
        assert!(set_format(null.as_fd(), *b"MJPG", (640, 480)).is_err());
        assert!(interval(null.as_fd()).is_err());
        assert!(set_interval(null.as_fd(), (1, 30)).is_err());
        assert!(request_buffers(null.as_fd(), 4).is_err());
        assert!(Mapping::new(null.as_fd(), 0).is_err());
        assert!(queue_buffer(null.as_fd(), 0).is_err());
        assert!(dequeue_buffer(null.as_fd()).is_err());
        assert!(start_stream(null.as_fd()).is_err());
        assert!(stop_stream(null.as_fd()).is_err());
        assert_eq!(control_after(null.as_fd(), 0), None);
        assert!(control_value(null.as_fd(), 1).is_err());
        assert_eq!(query_choice(null.as_fd(), 1, 0, false), None);
    }

    #[test]
    fn a_descriptor_is_found_by_its_device_number() {
        let zero = std::fs::File::open("/dev/full").unwrap();
        let rdev = zero.metadata().unwrap().rdev();
        assert!(open_descriptors(rdev).unwrap().contains(&zero.as_raw_fd()));
        assert_eq!(device_number(-1), None);
    }

    #[test]
    fn text_ends_at_its_nul() {
        assert_eq!(text_from_field(b"Camera \0junk"), "Camera");
        assert_eq!(text_from_field(b"full"), "full");
    }
}
