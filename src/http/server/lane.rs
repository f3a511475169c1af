//! A lone viewer's way past the tasks: its pictures are written where they are published.
//!
//! To wake the server's thread for one viewer and one picture costs more than all else that is done for it
//! (docs/performance.md). So while nothing of a viewer's stream is left to be written and it waits for the next
//! picture, its lane is open: the publisher's thread, usually the one that captures, gives the kernel the picture. It
//! never waits there: what the kernel does not take at once is left to the viewer's task, and the lane is closed.
//!
//! Lives on both threads, behind one lock, which is held for one write without waiting. Invariant: only who has
//! closed a lane, or found it closed, writes to its socket otherwise.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use rustix::net::{SendFlags, send};

use crate::http::server::socket;
use crate::media::{Direct, Picture};
use crate::pipeline::RateMeter;

/// The rate at which a viewer is sent pictures, by the time since it came.
#[derive(Debug)]
pub struct SendRate {
    came: Instant,
    rate: Mutex<RateMeter>,
}

impl SendRate {
    /// None yet, of one who comes now.
    pub fn new() -> Arc<SendRate> {
        Arc::new(SendRate { came: Instant::now(), rate: Mutex::default() })
    }

    /// One was sent.
    pub fn count(&self, now: Instant) {
        self.lock().count(self.age_us(now));
    }

    /// Pictures a second over the last seconds.
    pub fn per_second(&self) -> f64 {
        self.lock().per_second(self.age_us(Instant::now()))
    }

    fn age_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.came).as_micros() as u64
    }

    fn lock(&self) -> MutexGuard<'_, RateMeter> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One viewer's lane; closed at first.
#[derive(Debug)]
pub struct Lane {
    /// The viewer's TCP socket, of which the task has another descriptor.
    socket: OwnedFd,
    /// Bytes handed to the kernel, by whomever.
    written: Arc<AtomicU64>,
    sent: Arc<SendRate>,
    state: Mutex<LaneState>,
}

#[derive(Debug, Default)]
struct LaneState {
    is_open: bool,
    /// The last publication that has been written, by whomever.
    last: u64,
    passed: Option<LanePicture>,
}

/// What has gone through a lane.
#[derive(Debug, Clone)]
pub struct LanePicture {
    /// The last publication's number.
    pub number: u64,
    /// How many they are.
    pub count: u64,
    /// The last picture.
    pub picture: Picture,
    /// When it was written.
    pub at: Instant,
    /// What of it the kernel has not taken; may be empty.
    pub rest: Bytes,
}

impl Lane {
    /// A lane to `socket`; `written` and `sent` are told of all that goes through.
    pub fn new(socket: OwnedFd, written: Arc<AtomicU64>, sent: Arc<SendRate>) -> Lane {
        Lane { socket, written, sent, state: Mutex::default() }
    }

    /// From now on pictures go through that were published after `number`; everything written so far is with the
    /// kernel.
    pub fn open(&self, number: u64) {
        let mut state = self.lock();
        state.is_open = true;
        state.last = state.last.max(number);
    }

    /// From now on none goes through.
    pub fn close(&self) {
        self.lock().is_open = false;
    }

    /// The same; what has gone through since the last call.
    pub fn take_back(&self) -> Option<LanePicture> {
        let mut state = self.lock();
        state.is_open = false;
        state.passed.take()
    }

    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Direct for Lane {
    fn offer(&self, number: u64, picture: &Picture) -> bool {
        let mut state = self.lock();
        if !state.is_open || number <= state.last {
            return false;
        }
        // As for every viewer: no picture queues behind an older one.
        if socket::unsent(&self.socket) > 0 {
            state.is_open = false;
            return false;
        }
        let part = picture.part();
        // What is wrong with the connection shows when the task writes.
        let Ok(taken) = send(&self.socket, &part, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) else {
            state.is_open = false;
            return false;
        };
        self.written.fetch_add(taken as u64, Ordering::Relaxed);
        let (at, rest) = (Instant::now(), part.slice(taken..));
        self.sent.count(at);
        let count = 1 + state.passed.as_ref().map_or(0, |passed| passed.count);
        (state.is_open, state.last) = (rest.is_empty(), number);
        state.passed = Some(LanePicture { number, count, picture: picture.clone(), at, rest });
        state.is_open
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;
    use crate::base::ClockTime;
    use crate::media::PictureBuilder;

    fn picture(number: u64, len: usize) -> Picture {
        let mut builder = PictureBuilder::with_capacity(len);
        builder.push(&vec![number as u8; len]);
        builder.finish(1, 1, ClockTime::now(), number, false)
    }

    /// A lane, both ends of its connection, and what is counted.
    fn lane() -> (Lane, TcpStream, TcpStream, Arc<AtomicU64>, Arc<SendRate>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let (written, sent) = (Arc::new(AtomicU64::new(0)), SendRate::new());
        let another = near.as_fd().try_clone_to_owned().unwrap();
        (Lane::new(another, written.clone(), sent.clone()), near, far, written, sent)
    }

    /// Waits until it is so.
    #[track_caller]
    fn soon(mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + std::time::Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < until, "it never is");
            std::thread::yield_now();
        }
    }

    fn read(far: &mut TcpStream, len: usize) -> Vec<u8> {
        let mut read = vec![0; len];
        far.read_exact(&mut read).unwrap();
        read
    }

    #[test]
    fn pictures_go_through_while_it_is_open_and_none_twice() {
        let (lane, _near, mut far, written, sent) = lane();
        assert!(!lane.offer(1, &picture(1, 100)), "closed at first");
        lane.open(1);
        assert!(!lane.offer(1, &picture(1, 100)), "written by the task");
        let mut bytes = 0;
        for number in [2, 3, 5] {
            let picture = picture(number, 1000);
            // The kernel may not have sent the last one yet.
            soon(|| {
                lane.open(0);
                lane.offer(number, &picture)
            });
            assert_eq!(read(&mut far, picture.part().len()), picture.part());
            bytes += picture.part().len() as u64;
        }
        assert!(!lane.offer(4, &picture(4, 100)), "older than what was written");
        assert_eq!(written.load(Ordering::Relaxed), bytes);
        assert!(sent.per_second() > 0.0);
        let passed = lane.take_back().unwrap();
        assert_eq!((passed.number, passed.count, passed.picture.sequence), (5, 3, 5));
        assert!(passed.rest.is_empty());
        assert!(lane.take_back().is_none() && !lane.offer(6, &picture(6, 100)), "closed again");
        lane.open(5);
        lane.close();
        assert!(!lane.offer(6, &picture(6, 100)));
    }

    #[test]
    fn what_the_kernel_does_not_take_is_left_to_the_task() {
        let (lane, _near, mut far, written, _) = lane();
        lane.open(0);
        let large = picture(1, 64 << 20);
        assert!(!lane.offer(1, &large), "not all of it");
        assert!(!lane.offer(2, &picture(2, 100)), "closed by that");
        lane.open(1);
        assert!(!lane.offer(2, &picture(2, 100)), "nothing goes behind what is unsent");
        let rest = lane.take_back().unwrap().rest;
        let taken = written.load(Ordering::Relaxed) as usize;
        assert!(taken > 0 && taken + rest.len() == large.part().len());
        assert!(read(&mut far, taken) == large.part()[..taken] && rest == large.part().slice(taken..));
    }

    #[test]
    fn a_broken_connection_closes_it() {
        let (lane, near, far, ..) = lane();
        drop(far);
        // The first may still be taken; what comes back is a reset.
        soon(|| send(&near, b"-", SendFlags::DONTWAIT | SendFlags::NOSIGNAL).is_err());
        soon(|| socket::unsent(&lane.socket) == 0);
        lane.open(0);
        assert!(!lane.offer(1, &picture(1, 1000)));
        assert!(!lane.lock().is_open && lane.take_back().is_none());
    }
}
