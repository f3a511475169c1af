//! The memory for all images that are decoded or transformed at one time: a JPEG of some hundred bytes that claims a
//! huge size must not exhaust the machine.
//!
//! Each decoder has a [`Share`]. It grows before memory is allocated, which fails if the budget is exhausted, and is
//! released with the buffers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tallycam_base::allowed_memory;

/// The share of the process's memory for images, as a divisor: 96 MB of the 384 that the service has on a machine
/// with 512, or 16 megapixels of 4:2:0.
const PART: u64 = 4;

/// Least budget on any machine, in bytes: four images of 1920 × 1080.
const LEAST: u64 = 48 << 20;

/// Assumed memory of the process if it is unknown, in bytes.
const UNKNOWN: u64 = 512 << 20;

/// A larger share is reduced when images become much smaller. Below this size, keeping buffers is better. Bytes.
const LARGE: u64 = 48 << 20;

/// The budget has no room for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it takes {} MB of memory, and all pictures that are decoded may take {} MB together",
    needed.div_ceil(1_000_000),
    most / 1_000_000
)]
pub struct NoRoom {
    /// Bytes needed.
    pub needed: u64,
    /// Bytes of the whole budget.
    pub most: u64,
}

impl NoRoom {
    /// True if there may be room for it at another time.
    pub fn is_temporary(&self) -> bool {
        self.needed <= self.most
    }
}

/// A memory budget for images.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    most: u64,
    taken: AtomicU64,
}

impl MemoryBudget {
    /// A budget of this many bytes.
    pub fn new(most: u64) -> Arc<MemoryBudget> {
        Arc::new(MemoryBudget { most, taken: AtomicU64::new(0) })
    }

    /// The budget of this process.
    pub(crate) fn process_wide() -> Arc<MemoryBudget> {
        static OWN: OnceLock<Arc<MemoryBudget>> = OnceLock::new();
        let most = || (allowed_memory().unwrap_or(UNKNOWN) / PART).max(LEAST);
        Arc::clone(OWN.get_or_init(|| MemoryBudget::new(most())))
    }
}

/// A share of a [`MemoryBudget`], returned when it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<MemoryBudget>,
    bytes: u64,
}

impl Share {
    /// An empty share of `room`.
    pub fn new(room: &Arc<MemoryBudget>) -> Share {
        Share { room: Arc::clone(room), bytes: 0 }
    }

    /// Returns all of it.
    pub fn release(&mut self) {
        self.room.taken.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }

    /// Grows it to at least this many bytes. Returns true if it has become much smaller, so that buffers must be
    /// freed.
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
        assert_eq!(one.grow(100 * MB), Ok(false), "slightly smaller: the share stays");
        assert!(other.grow(51 * MB).is_err());
        assert_eq!(one.grow(MB), Ok(true));
        assert_eq!(other.grow(199 * MB), Ok(false));
        drop(other);
        assert_eq!(one.grow(200 * MB), Ok(false));
        drop(one);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
    }
}
