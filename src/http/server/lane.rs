//! A lone viewer's way past the tasks: the publishing thread writes its pictures.
//!
//! Waking the server's thread for one viewer and one picture costs more than all other work for it
//! (docs/performance.md). The lane is open while nothing of a viewer's stream is left to be written and the viewer
//! waits for the next picture. The publishing thread, usually `capture`, then hands the picture to the kernel and
//! never waits. If the kernel does not take all of it, the lane closes and the viewer's task writes the rest.
//!
//! A lane lives on both threads behind one lock, which is held for one write without waiting. Invariant: the task
//! writes to the socket only after it has closed the lane or found it closed.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use rustix::net::{SendFlags, send};

use crate::http::server::socket;
use crate::pipeline::RateMeter;
use tallycam_camera::media::{Direct, Picture};

/// The rate of pictures sent to a viewer, by the time since it came.
#[derive(Debug)]
pub struct SendRate {
    came: Instant,
    rate: Mutex<RateMeter>,
}

impl SendRate {
    /// For a viewer that comes now.
    pub fn new() -> Arc<SendRate> {
        Arc::new(SendRate { came: Instant::now(), rate: Mutex::default() })
    }

    /// Counts a sent picture.
    pub fn count(&self, now: Instant) {
        self.lock().count(self.age_us(now));
    }

    /// Pictures per second over the last seconds.
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
    /// The viewer's TCP socket; the task has another descriptor of it.
    socket: OwnedFd,
    /// Bytes handed to the kernel, by lane or task.
    written: Arc<AtomicU64>,
    sent: Arc<SendRate>,
    state: Mutex<LaneState>,
}

#[derive(Debug, Default)]
struct LaneState {
    is_open: bool,
    /// The number of the last written publication, by lane or task.
    last: u64,
    passed: Option<LanePicture>,
}

/// The pictures that went through a lane.
#[derive(Debug, Clone)]
pub struct LanePicture {
    /// The last publication's number.
    pub number: u64,
    /// How many pictures.
    pub count: u64,
    /// The last picture.
    pub picture: Picture,
    /// When the last picture was written.
    pub at: Instant,
    /// The bytes of the last picture that the kernel has not taken; may be empty.
    pub rest: Bytes,
}

impl Lane {
    /// A lane to `socket`. `written` and `sent` count everything that goes through.
    pub fn new(socket: OwnedFd, written: Arc<AtomicU64>, sent: Arc<SendRate>) -> Lane {
        Lane { socket, written, sent, state: Mutex::default() }
    }

    /// Opens the lane for pictures published after `number`. The kernel must have taken everything written before.
    pub fn open(&self, number: u64) {
        let mut state = self.lock();
        state.is_open = true;
        state.last = state.last.max(number);
    }

    /// Closes the lane.
    pub fn close(&self) {
        self.lock().is_open = false;
    }

    /// Closes the lane and returns the pictures that went through since the last call.
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
        // As for every viewer, no picture queues behind an older one.
        if socket::unsent(&self.socket) > 0 {
            state.is_open = false;
            return false;
        }
        let part = picture.part();
        // A fault of the connection shows when the task writes.
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
    use tallycam_base::ClockTime;
    use tallycam_camera::media::PictureBuilder;

    fn picture(number: u64, len: usize) -> Picture {
        let mut builder = PictureBuilder::with_capacity(len);
        builder.push(&vec![number as u8; len]);
        builder.finish(1, 1, ClockTime::now(), number, false)
    }

    /// A lane, both ends of its connection, and its counters.
    fn lane() -> (Lane, TcpStream, TcpStream, Arc<AtomicU64>, Arc<SendRate>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let (written, sent) = (Arc::new(AtomicU64::new(0)), SendRate::new());
        let another = near.as_fd().try_clone_to_owned().unwrap();
        (Lane::new(another, written.clone(), sent.clone()), near, far, written, sent)
    }

    /// Waits until `is_so` holds.
    #[track_caller]
    fn soon(mut is_so: impl FnMut() -> bool) {
        let until = Instant::now() + std::time::Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < until, "it never holds");
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
            // The kernel may not have sent the previous picture yet.
            soon(|| {
                lane.open(0);
                lane.offer(number, &picture)
            });
            assert_eq!(read(&mut far, picture.part().len()), picture.part());
            bytes += picture.part().len() as u64;
        }
        assert!(!lane.offer(4, &picture(4, 100)), "older than the last written one");
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
    fn the_task_writes_the_rest_that_the_kernel_refused() {
        let (lane, _near, mut far, written, _) = lane();
        lane.open(0);
        let large = picture(1, 64 << 20);
        assert!(!lane.offer(1, &large), "not all of it");
        assert!(!lane.offer(2, &picture(2, 100)), "closed by that");
        lane.open(1);
        assert!(!lane.offer(2, &picture(2, 100)), "no picture goes behind unsent bytes");
        let rest = lane.take_back().unwrap().rest;
        let taken = written.load(Ordering::Relaxed) as usize;
        assert!(taken > 0 && taken + rest.len() == large.part().len());
        assert!(read(&mut far, taken) == large.part()[..taken] && rest == large.part().slice(taken..));
    }

    #[test]
    fn a_broken_connection_closes_it() {
        let (lane, near, far, ..) = lane();
        drop(far);
        // The kernel may take the first write; a reset comes back.
        soon(|| send(&near, b"-", SendFlags::DONTWAIT | SendFlags::NOSIGNAL).is_err());
        soon(|| socket::unsent(&lane.socket) == 0);
        lane.open(0);
        assert!(!lane.offer(1, &picture(1, 1000)));
        assert!(!lane.lock().is_open && lane.take_back().is_none());
    }
}
