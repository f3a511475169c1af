//! The base of all other layers: clocks, the stop flag, named threads, the log ring. It knows nothing of cameras.
//!
//! The root has threads, faults and the newest log lines. Its rooms are [`ballast`] (room on a full disk), [`clock`],
//! [`child`] (processes), [`json`], [`private`] (files and folders), [`redact`] and [`unicode`].
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

pub mod ballast;
pub mod child;
pub mod clock;
mod fault;
mod instance_id;
pub mod json;
mod log_ring;
mod memory;
mod outline;
pub mod private;
#[cfg(any(test, feature = "testing"))]
pub mod proptest_floats;
pub mod redact;
mod stop;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod thread_priority;
pub mod unicode;
mod wake_fd;
mod worker;

pub use clock::ClockTime;
pub use fault::{Fault, FaultKind, as_sentence, capital, sentence, without_error_number};
pub use instance_id::{INSTANCE_FIELD, instance_id};
pub use log_ring::{LoggedLine, MOST_LOGGED, Recent};
pub use memory::allowed_memory;
pub use outline::{CROSSES_ITSELF, crosses_itself};
pub use stop::Stop;
pub use thread_priority::{ThreadPriority, set_nice_only};
pub use wake_fd::WakeFd;
pub use worker::{Heartbeat, IDLE, Worker, block_on, wait_job};
