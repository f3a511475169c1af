//! A descriptor that wakes a thread that waits for a device: a descriptor to poll beside the device's own.
//!
//! Invariant: after [`WakeFd::notify`] a poll of the descriptor ends at once, until somebody has called
//! [`WakeFd::clear`]. Rings between two polls are one. Any thread rings; the one that waits hushes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// A wake-up descriptor; clones are the same one.
#[derive(Debug, Clone)]
pub struct WakeFd(Option<Arc<OwnedFd>>);

impl WakeFd {
    /// One that is clear. Where the system has no descriptor left it stays silent for good: who waits for a device then
    /// sees what is new when that has something.
    pub fn new() -> WakeFd {
        let made = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        WakeFd(made.inspect_err(|error| log::warn!("no descriptor for a bell: {error}")).ok().map(Arc::new))
    }

    /// Wakes who waits.
    pub fn notify(&self) {
        // Full means that it rings already.
        let _ = self.0.as_ref().map(|fd| rustix::io::write(fd, &1_u64.to_ne_bytes()));
    }

    /// Ends the ringing.
    pub fn clear(&self) {
        // Empty means that it is silent.
        let _ = self.0.as_ref().map(|fd| rustix::io::read(fd, &mut [0_u8; 8]));
    }

    /// What is readable while it rings.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|fd| fd.as_fd())
    }
}

impl Default for WakeFd {
    fn default() -> WakeFd {
        WakeFd::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    fn rings(wake_fd: &WakeFd) -> bool {
        let fd = wake_fd.descriptor().expect("no descriptor");
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&at_once)) == Ok(1)
    }

    #[test]
    fn it_rings_until_it_is_hushed() {
        let wake_fd = WakeFd::new();
        assert!(!rings(&wake_fd));
        wake_fd.clone().notify();
        wake_fd.notify();
        assert!(rings(&wake_fd) && rings(&wake_fd));
        wake_fd.clear();
        assert!(!rings(&wake_fd));
        wake_fd.clear();
        wake_fd.notify();
        assert!(rings(&wake_fd));
    }
}
