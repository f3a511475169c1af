//! The boxes of a file: skipped, or stored for later.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;

use crate::source::container::ContainerError;

/// Bytes of a table that are in memory.
pub(super) const RUN: usize = 16 << 10;

/// Free space is checked each time this many bytes more are stored.
pub(super) const LOOK_EVERY: u64 = 16 << 20;

/// A contiguous part of the input, from `base` on, stored in a file.
#[derive(Debug)]
pub(super) struct Spool {
    pub(super) file: File,
    pub(super) base: u64,
    pub(super) len: u64,
}

impl Spool {
    /// Checks free space. The recording will be stored on the same disk, so as much space again must remain.
    pub(super) fn check_free_space(&self) -> Result<(), ContainerError> {
        let disk = rustix::fs::fstatvfs(&self.file).map_err(|error| ContainerError::Spool(error.into()))?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.len {
            return Err(ContainerError::Spool(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Reads from offset `at` of the input into `into`, as far as stored; returns the number of bytes.
    pub(super) fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, ContainerError> {
        let Some(from) = at.checked_sub(self.base) else { return Ok(0) };
        let len = into.len().min(usize::try_from(self.len.saturating_sub(from)).unwrap_or(usize::MAX));
        self.file.read_exact_at(&mut into[..len], from).map_err(ContainerError::Spool)?;
        Ok(len)
    }

    /// `N` bytes at the beginning of `region` plus `offset`; `None` if it is shorter.
    pub(super) fn bytes<const N: usize>(
        &self,
        region: ByteRegion,
        offset: u64,
    ) -> Result<Option<[u8; N]>, ContainerError> {
        let mut bytes = [0; N];
        let at = region.at.saturating_add(offset);
        if at.saturating_add(N as u64) > region.end {
            return Ok(None);
        }
        Ok((self.read(at, &mut bytes)? == N).then_some(bytes))
    }

    pub(super) fn read_u32(&self, region: ByteRegion, offset: u64) -> Result<Option<u32>, ContainerError> {
        Ok(self.bytes(region, offset)?.map(u32::from_be_bytes))
    }

    /// The box at the beginning of `region`, and the region after it.
    pub(super) fn read_box(&self, region: ByteRegion) -> Result<Option<(Box4, ByteRegion)>, ContainerError> {
        let Some(head) = self.bytes::<8>(region, 0)? else { return Ok(None) };
        let [a, b, c, d, name @ ..] = head;
        let (len, head) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (region.end - region.at, 8),
            1 => (self.bytes(region, 8)?.map_or(0, u64::from_be_bytes), 16),
            len => (u64::from(len), 8),
        };
        let end = region.at.saturating_add(len);
        // QuickTime ends lists with four zero bytes, which are too short for a box.
        if len < head || end > region.end {
            return Ok(None);
        }
        let body = ByteRegion { at: region.at + head, end };
        Ok(Some((Box4 { name, body }, ByteRegion { at: end, end: region.end })))
    }

    /// The first box of this name in `region`.
    pub(super) fn find_child(
        &self,
        mut region: ByteRegion,
        name: &[u8; 4],
    ) -> Result<Option<ByteRegion>, ContainerError> {
        while let Some((found, rest)) = self.read_box(region)? {
            if found.name == *name {
                return Ok(Some(found.body));
            }
            region = rest;
        }
        Ok(None)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ByteRegion {
    pub(super) at: u64,
    pub(super) end: u64,
}

pub(super) struct Box4 {
    pub(super) name: [u8; 4],
    pub(super) body: ByteRegion,
}

/// The input during the search for the index.
pub(super) struct IndexScan<R> {
    pub(super) input: R,
    pub(super) at: u64,
    pub(super) spool: Spool,
    pub(super) is_spooling: bool,
}

impl<R: Read> IndexScan<R> {
    /// Stores everything from here on.
    pub(super) fn start_spooling(&mut self) {
        if !self.is_spooling {
            self.is_spooling = true;
            self.spool.base = self.at;
        }
    }

    /// The next top-level box: its name and the length of its body, `u64::MAX` if it lasts to the end.
    pub(super) fn head(&mut self) -> Result<Option<([u8; 4], u64)>, ContainerError> {
        let mut head = [0; 8];
        if !self.read_exact_kept(&mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, name @ ..] = head;
        let len = match u32::from_be_bytes([a, b, c, d]) {
            0 => Some(u64::MAX),
            1 => {
                let mut wide = [0; 8];
                if !self.read_exact_kept(&mut wide)? {
                    return Ok(None);
                }
                u64::from_be_bytes(wide).checked_sub(16)
            }
            len => u64::from(len).checked_sub(8),
        };
        len.map(|len| Some((name, len)))
            .ok_or_else(|| ContainerError::damaged("a box is shorter than its head"))
    }

    /// Fills `bytes` and stores them; `false` if the input ends before.
    pub(super) fn read_exact_kept(&mut self, bytes: &mut [u8]) -> Result<bool, ContainerError> {
        match self.input.read_exact(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.spool_bytes(bytes)?;
        Ok(true)
    }

    pub(super) fn spool_bytes(&mut self, bytes: &[u8]) -> Result<(), ContainerError> {
        self.at = self.at.saturating_add(bytes.len() as u64);
        if self.is_spooling {
            self.spool.file.write_all(bytes).map_err(ContainerError::Spool)?;
            let before = self.spool.len / LOOK_EVERY;
            self.spool.len += bytes.len() as u64;
            if self.spool.len / LOOK_EVERY > before {
                self.spool.check_free_space()?;
            }
        }
        Ok(())
    }

    /// Skips up to `len` bytes; returns how many there were.
    pub(super) fn skip(&mut self, len: u64) -> Result<u64, ContainerError> {
        let mut run = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(4 * RUN)];
        let mut passed = 0;
        while passed < len {
            let most = run.len().min(usize::try_from(len - passed).unwrap_or(usize::MAX));
            match self.input.read(&mut run[..most]) {
                Ok(0) => break,
                Ok(read) => {
                    self.spool_bytes(&run[..read])?;
                    passed += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(passed)
    }
}
