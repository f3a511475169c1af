//! A buffer of the helper, mapped and read in place.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::SealFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use tallycam_base::Fault;

/// A mapped buffer that cannot shrink: shrinking would end this process by SIGBUS.
#[derive(Debug)]
pub(crate) struct FrameMemory {
    at: NonNull<c_void>,
    len: usize,
    descriptor: OwnedFd,
    is_dma_buf: bool,
}

// SAFETY: the mapping is read only, belongs to this value alone, and can be read and unmapped by any thread.
unsafe impl Send for FrameMemory {}

/// The error for a pipe, a socket, or a file that could be truncated.
fn other_kind() -> Fault {
    Fault::wrong("the descriptor of a buffer is none of memory that keeps its size")
}

impl FrameMemory {
    /// Maps `bytes` of `descriptor`, which is a dma-buf or a memfd sealed against shrinking.
    ///
    /// # Errors
    /// It is none of these, is smaller, or cannot be mapped.
    pub fn map(descriptor: OwnedFd, bytes: u64) -> Result<FrameMemory, Fault> {
        let is_sealed =
            rustix::fs::fcntl_get_seals(&descriptor).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
        let is_dma_buf = !is_sealed && is_dma_buf(&descriptor);
        if !is_sealed && !is_dma_buf {
            return Err(other_kind());
        }
        // The end of a dma-buf is its size.
        let has = rustix::fs::seek(&descriptor, rustix::fs::SeekFrom::End(0)).map_err(|_| other_kind())?;
        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
        if has < bytes || len == 0 {
            return Err(Fault::wrong(format!("a buffer has {has} bytes and was to have {bytes}")));
        }
        // SAFETY: a new mapping at an address of the kernel's choice touches no other memory.
        let at = unsafe {
            mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, descriptor.as_fd(), 0)
        };
        let at = at.and_then(|at| NonNull::new(at).ok_or(rustix::io::Errno::NOMEM));
        let at = at.map_err(|error| Fault::wrong(format!("a buffer could not be mapped: {error}")))?;
        Ok(FrameMemory { at, len, descriptor, is_dma_buf })
    }

    /// Its bytes. If the camera writes meanwhile, against the protocol, the pixels change.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are mapped for as long as this value lives, and the memory keeps its size
        // ([`FrameMemory::map`]).
        unsafe { std::slice::from_raw_parts(self.at.as_ptr().cast(), self.len) }
    }

    /// Announces the beginning or end of reading: the kernel synchronizes the processor's caches with what the camera
    /// has written (Linux, "Buffer Sharing and Synchronization (dma-buf)").
    pub(crate) fn read_begins(&self, begins: bool) {
        /// `_IOW('b', 0, struct dma_buf_sync)`, a structure of one 64-bit number.
        const DMA_BUF_IOCTL_SYNC: libc::Ioctl = 0x4008_6200;
        const READ: u64 = 1;
        const END: u64 = 4;
        if self.is_dma_buf {
            let flags: u64 = READ | if begins { 0 } else { END };
            // SAFETY: the descriptor is open, and the kernel reads eight bytes of `flags`. A refusal changes nothing.
            unsafe { libc::ioctl(self.descriptor.as_raw_fd(), DMA_BUF_IOCTL_SYNC, &raw const flags) };
        }
    }
}

impl Drop for FrameMemory {
    fn drop(&mut self) {
        // SAFETY: this value's own mapping, whose bytes nobody can borrow any more.
        let _ = unsafe { munmap(self.at.as_ptr(), self.len) };
    }
}

fn is_dma_buf(descriptor: &OwnedFd) -> bool {
    /// linux/magic.h
    const DMA_BUF_MAGIC: i64 = 0x444d_4142;
    rustix::fs::fstatfs(descriptor).is_ok_and(|system| system.f_type == DMA_BUF_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{MemfdFlags, fcntl_add_seals, memfd_create};
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    fn memory(text: &[u8]) -> OwnedFd {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create("frame", flags).unwrap();
        rustix::io::write(&fd, text).unwrap();
        fd
    }

    #[test]
    fn sealed_memory_is_read_in_place() {
        let fd = memory(b"pixels");
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        let mapped = FrameMemory::map(fd.try_clone().unwrap(), 6).unwrap();
        mapped.read_begins(true);
        assert_eq!(mapped.bytes(), b"pixels");
        // By the C library: the compiler may assume that a system call of rustix's writing changes no mapped memory.
        File::from(fd).write_all_at(b"P", 0).unwrap();
        assert_eq!(mapped.bytes(), b"Pixels");
    }

    #[test]
    fn truncatable_or_short_memory_is_refused() {
        assert_eq!(FrameMemory::map(memory(b"pixels"), 6).unwrap_err(), other_kind());
        let sealed = memory(b"pixels");
        fcntl_add_seals(&sealed, SealFlags::SHRINK).unwrap();
        let short = FrameMemory::map(sealed.try_clone().unwrap(), 7);
        assert_eq!(short.unwrap_err().to_string(), "a buffer has 6 bytes and was to have 7");
        assert!(FrameMemory::map(sealed, 0).is_err());
        let (read, _write) = rustix::pipe::pipe().unwrap();
        assert_eq!(FrameMemory::map(read, 1).unwrap_err(), other_kind());
        let file: OwnedFd = std::fs::File::open("/proc/self/exe").unwrap().into();
        assert_eq!(FrameMemory::map(file, 1).unwrap_err(), other_kind());
    }
}
