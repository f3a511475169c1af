//! The memory that all pictures take together while they are decoded or turned: what a JPEG of some hundred bytes
//! claims to be must not take the machine's.
//!
//! Whoever decodes has a [`Share`]. It grows before the memory is taken, which fails where there is no room, and goes
//! when the buffers go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::base::memory;

/// Of the memory that this process may have, this part is for pictures: 96 MB of the 384 that the service has on a
/// machine with 512, which are 16 megapixels of 4:2:0.
const PART: u64 = 4;

/// So much there is on any machine: four pictures of 1920 × 1080.
const LEAST: u64 = 48 << 20;

/// Where nothing says how much memory there is.
const UNKNOWN: u64 = 512 << 20;

/// A share above this is given back when pictures have become much smaller. Below, buffers are worth more.
const LARGE: u64 = 48 << 20;

/// There is no memory for a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it takes {} MB of memory, and all pictures that are decoded may take {} MB together",
    needed.div_ceil(1_000_000),
    most / 1_000_000
)]
pub struct NoRoom {
    /// Bytes it would take.
    pub needed: u64,
    /// Bytes that there are for all pictures.
    pub most: u64,
}

impl NoRoom {
    /// Whether there is room for it at another time.
    pub fn is_temporary(&self) -> bool {
        self.needed <= self.most
    }
}

/// The memory for all pictures.
#[derive(Debug)]
pub struct MemoryBudget {
    most: u64,
    taken: AtomicU64,
}

impl MemoryBudget {
    /// One of so many bytes.
    pub fn new(most: u64) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { most, taken: AtomicU64::new(0) })
    }

    /// That of this process.
    pub fn process_wide() -> Arc<MemoryBudget> {
        static OWN: OnceLock<Arc<MemoryBudget>> = OnceLock::new();
        let most = || (memory::allowed().unwrap_or(UNKNOWN) / PART).max(LEAST);
        Arc::clone(OWN.get_or_init(|| MemoryBudget::new(most())))
    }
}

/// What one has of a [`MemoryBudget`], until it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<MemoryBudget>,
    bytes: u64,
}

impl Share {
    /// Nothing of `room` yet.
    pub fn new(room: &Arc<MemoryBudget>) -> Share {
        Share { room: Arc::clone(room), bytes: 0 }
    }

    /// Makes it nothing.
    pub fn release(&mut self) {
        self.room.taken.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }

    /// Makes it so many bytes at least. `true`: it has become much smaller, so that buffers have to be given back.
    pub fn grow(&mut self, bytes: u64) -> Result<bool, NoRoom> {
        let is_shrunk = self.bytes > LARGE && bytes < self.bytes / 4;
        if is_shrunk {
            self.room.taken.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
        let more = bytes.saturating_sub(self.bytes);
        let most = self.room.most;
        let grown = |taken: u64| taken.checked_add(more).filter(|&taken| taken <= most);
        match self.room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown) {
            Ok(_) => {
                self.bytes += more;
                Ok(is_shrunk)
            }
            Err(_) => Err(NoRoom { needed: bytes, most }),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    #[test]
    fn all_shares_together_are_bounded() {
        let room = MemoryBudget::new(200 * MB);
        let (mut one, mut other) = (Share::new(&room), Share::new(&room));
        assert_eq!(one.grow(150 * MB), Ok(false));
        let refused = other.grow(60 * MB).expect_err("there is no room");
        assert!(refused.is_temporary());
        assert!(!other.grow(201 * MB).expect_err("there never is").is_temporary());
        assert_eq!(other.grow(50 * MB), Ok(false));
        assert_eq!(one.grow(100 * MB), Ok(false), "a little smaller: what it has it keeps");
        assert!(other.grow(51 * MB).is_err());
        assert_eq!(one.grow(MB), Ok(true));
        assert_eq!(other.grow(199 * MB), Ok(false));
        drop(other);
        assert_eq!(one.grow(200 * MB), Ok(false));
        drop(one);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
    }
}
