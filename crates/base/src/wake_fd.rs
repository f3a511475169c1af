//! A descriptor to poll beside a device's own, so that another thread can wake the one that waits for the device.
//!
//! Invariant: after [`WakeFd::notify`] a poll of the descriptor ends at once, until [`WakeFd::clear`] is called.
//! Several notifications between two polls are one. Any thread notifies; the waiting thread clears.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// A wake-up descriptor. Clones share it.
#[derive(Debug, Clone)]
pub struct WakeFd(Option<Arc<OwnedFd>>);

impl WakeFd {
    /// A cleared descriptor. If the system has none left, it never wakes: the waiting thread then sees news when its
    /// device does.
    pub fn new() -> WakeFd {
        let made = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        WakeFd(made.inspect_err(|error| log::warn!("no descriptor for a bell: {error}")).ok().map(Arc::new))
    }

    /// Wakes the waiting thread.
    pub fn notify(&self) {
        // A full counter means that a notification is pending already.
        let _ = self.0.as_ref().map(|fd| rustix::io::write(fd, &1_u64.to_ne_bytes()));
    }

    /// Ends the notification.
    pub fn clear(&self) {
        // An empty counter means that there is none.
        let _ = self.0.as_ref().map(|fd| rustix::io::read(fd, &mut [0_u8; 8]));
    }

    /// The descriptor, readable while a notification is pending.
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
    fn it_is_readable_until_it_is_cleared() {
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
