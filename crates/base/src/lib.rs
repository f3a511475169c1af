//! The base of all other layers: clocks, the stop flag, named threads, the log ring. It knows nothing of cameras.
//!
//! ```
//! use std::time::Duration;
//! use tallycam_base::{Stop, Worker};
//!
//! let stop = Stop::new();
//! let until = stop.clone();
//! // A thread with a name, an owner that joins it, and a sign of progress for the watchdog.
//! let worker = Worker::spawn("example", move |heartbeat| {
//!     while !until.is_set() {
//!         heartbeat.beat();
//!         until.sleep(Duration::from_millis(1));
//!     }
//! })?;
//! stop.set();
//! assert!(worker.join_within(Duration::from_secs(10)).is_ok());
//! # Ok::<(), std::io::Error>(())
//! ```

#[doc(hidden)]
pub mod child;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
#[cfg(any(test, feature = "testing"))]
pub mod corpus;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod instance_id;
#[doc(hidden)]
pub mod json;
#[doc(hidden)]
pub mod log_ring;
#[doc(hidden)]
pub mod memory;
#[doc(hidden)]
pub mod outline;
#[doc(hidden)]
pub mod private;
#[doc(hidden)]
#[cfg(any(test, feature = "testing"))]
pub mod proptest_floats;
#[doc(hidden)]
pub mod redact;
#[doc(hidden)]
pub mod stop;
#[doc(hidden)]
pub mod thread_priority;
#[doc(hidden)]
pub mod unicode;
#[doc(hidden)]
pub mod wake_fd;
#[doc(hidden)]
pub mod worker;

pub use clock::ClockTime;
pub use fault::{Fault, FaultKind};
pub use log_ring::Recent;
pub use stop::Stop;
pub use thread_priority::{ThreadPriority, set_nice_only};
pub use wake_fd::WakeFd;
pub use worker::{Heartbeat, IDLE, Worker, block_on, wait_job};
