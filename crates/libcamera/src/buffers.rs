//! Memory for frames, which libcamera fills and tallycam reads: the planes of a buffer are contiguous in one
//! descriptor.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use libcamera::camera::ActiveCamera;
use libcamera::framebuffer::{AsFrameBuffer, FrameBufferPlane, OwnedFrameBuffer};
use libcamera::framebuffer_allocator::{FrameBuffer, FrameBufferAllocator};
use libcamera::stream::Stream;
use rustix::fs::{MemfdFlags, SealFlags};

/// Heaps of memory that devices can write to. A Pi's comes first: the processor reads it through its cache.
const HEAPS: [&str; 3] = ["/dev/dma_heap/vidbuf_cached", "/dev/dma_heap/linux,cma", "/dev/dma_heap/system"];

/// A buffer for libcamera, in its own memory or in ours.
pub enum Memory {
    Ours(OwnedFrameBuffer),
    Theirs(FrameBuffer),
}

pub struct Buffer {
    pub memory: Memory,
    /// Descriptor for tallycam.
    pub descriptor: OwnedFd,
    pub bytes: u64,
}

/// The memory layout of a frame.
pub struct Layout {
    /// Bytes of each plane.
    pub planes: Vec<u32>,
    /// Total bytes, as libcamera reports.
    pub bytes: u64,
}

impl Layout {
    pub fn new(fourcc: &str, stride: u32, height: u32, frame_size: u32) -> Layout {
        let luma = stride * height;
        let planes = match fourcc {
            "NV12" => vec![luma, luma / 2],
            "YU12" => vec![luma, luma / 4, luma / 4],
            _ => vec![frame_size],
        };
        let all: u64 = planes.iter().map(|bytes| u64::from(*bytes)).sum();
        Layout { planes, bytes: all.max(frame_size.into()) }
    }
}

/// Sources of memory.
enum Provider {
    Heap(File),
    Udmabuf(File),
    /// The camera's driver.
    Library(FrameBufferAllocator),
    /// Memory that only programs can write to. It suffices for libcamera's virtual cameras.
    Memfd,
}

/// Allocates `count` buffers for each stream.
///
/// # Errors
/// No memory suits the camera.
pub fn allocate(
    camera: &ActiveCamera<'_>,
    streams: &[(Stream, Layout)],
    count: usize,
) -> io::Result<Vec<Vec<Buffer>>> {
    let heaps = HEAPS.iter().filter_map(|path| open(path)).map(Provider::Heap);
    let udmabuf = open("/dev/udmabuf").map(Provider::Udmabuf);
    // After the sources that do not need libcamera's own memory; `Memfd` is the last, because no device can write to
    // it.
    let rest = [Provider::Library(FrameBufferAllocator::new(camera)), Provider::Memfd];
    let mut failed = Vec::new();
    for mut provider in heaps.chain(udmabuf).chain(rest) {
        let of_stream = |(stream, layout): &(Stream, Layout)| provider.buffers(stream, layout, count);
        match streams.iter().map(of_stream).collect() {
            Ok(buffers) => return Ok(buffers),
            Err(error) => failed.push(format!("{}: {error}", provider.name())),
        }
    }
    Err(io::Error::other(failed.join("; ")))
}

fn open(path: &str) -> Option<File> {
    File::options().read(true).write(true).open(path).ok()
}

impl Provider {
    fn name(&self) -> &'static str {
        match self {
            Provider::Heap(_) => "dma_heap",
            Provider::Udmabuf(_) => "udmabuf",
            Provider::Library(_) => "the camera's driver",
            Provider::Memfd => "memfd",
        }
    }

    fn buffers(&mut self, stream: &Stream, layout: &Layout, count: usize) -> io::Result<Vec<Buffer>> {
        let bytes = layout.bytes.next_multiple_of(rustix::param::page_size() as u64);
        let one = |provider: &mut Provider| match provider {
            Provider::Heap(heap) => heap_memory(heap, bytes),
            Provider::Udmabuf(device) => udmabuf(device, bytes),
            Provider::Library(_) | Provider::Memfd => memfd(bytes),
        };
        if let Provider::Library(allocator) = self {
            return allocator.alloc(stream)?.into_iter().map(|buffer| theirs(buffer, layout)).collect();
        }
        (0..count).map(|number| ours(one(self)?, layout, bytes, number as u64)).collect()
    }
}

fn ours(descriptor: OwnedFd, layout: &Layout, bytes: u64, number: u64) -> io::Result<Buffer> {
    let mut offset = 0;
    let mut planes = Vec::with_capacity(layout.planes.len());
    let mut left_open: Vec<RawFd> = Vec::with_capacity(layout.planes.len());
    for &length in &layout.planes {
        let fd = descriptor.try_clone()?;
        left_open.push(fd.as_raw_fd());
        planes.push(FrameBufferPlane { fd, offset, length });
        offset += length;
    }
    let memory = Memory::Ours(OwnedFrameBuffer::new(planes, Some(number))?);
    for fd in left_open {
        // SAFETY: the crate has taken these descriptors out of their owners, libcamera has duplicated them, and
        // nobody else closes the originals. Without this, each buffer leaks one for each plane.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    Ok(Buffer { memory, descriptor, bytes })
}

/// A buffer of the camera's driver, if its planes have the layout that tallycam reads.
fn theirs(buffer: FrameBuffer, layout: &Layout) -> io::Result<Buffer> {
    let scattered = || io::Error::other("its planes do not follow each other");
    let descriptor = {
        let planes = buffer.planes();
        let mut expected = (planes.get(0).ok_or_else(scattered)?.fd(), 0);
        if planes.len() != layout.planes.len() {
            return Err(scattered());
        }
        for (plane, &length) in planes.into_iter().zip(&layout.planes) {
            if (plane.fd(), plane.offset().unwrap_or(0)) != expected || plane.len() < length as usize {
                return Err(scattered());
            }
            expected.1 += length as usize;
        }
        // SAFETY: the descriptor is libcamera's and open as long as `buffer` is there.
        unsafe { BorrowedFd::borrow_raw(expected.0) }.try_clone_to_owned()?
    };
    Ok(Buffer { memory: Memory::Theirs(buffer), descriptor, bytes: layout.bytes })
}

fn memfd(bytes: u64) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("tallycam-frame", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&memory, bytes)?;
    rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK)?;
    Ok(memory)
}

/// `struct dma_heap_allocation_data`.
#[repr(C)]
struct HeapAllocation {
    len: u64,
    fd: u32,
    fd_flags: u32,
    heap_flags: u64,
}

/// `struct udmabuf_create`.
#[repr(C)]
struct UdmabufCreate {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

const DMA_HEAP_IOCTL_ALLOC: u32 = 0xc018_4800;
const UDMABUF_CREATE: u32 = 0x4018_7542;
const UDMABUF_FLAGS_CLOEXEC: u32 = 1;

fn heap_memory(heap: &File, bytes: u64) -> io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_CLOEXEC;
    let mut wanted = HeapAllocation { len: bytes, fd: 0, fd_flags: flags as u32, heap_flags: 0 };
    // SAFETY: the request takes this structure and writes to it.
    let done = unsafe { libc::ioctl(heap.as_raw_fd(), DMA_HEAP_IOCTL_ALLOC as _, &mut wanted) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this program alone.
    Ok(unsafe { OwnedFd::from_raw_fd(wanted.fd as RawFd) })
}

fn udmabuf(device: &File, bytes: u64) -> io::Result<OwnedFd> {
    let memory = memfd(bytes)?;
    let memfd = memory.as_fd().as_raw_fd() as u32;
    let wanted = UdmabufCreate { memfd, flags: UDMABUF_FLAGS_CLOEXEC, offset: 0, size: bytes };
    // SAFETY: the request takes this structure.
    let made = unsafe { libc::ioctl(device.as_raw_fd(), UDMABUF_CREATE as _, &wanted) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just opened it for this program alone.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}
