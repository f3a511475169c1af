//! The base of all other layers: clocks, the stop flag, named threads, the log ring. It knows nothing of cameras.

pub mod child;
pub mod clock;
#[cfg(test)]
pub mod corpus;
pub mod fault;
pub mod instance_id;
pub mod json;
pub mod log_ring;
pub mod memory;
pub mod outline;
pub mod private;
#[cfg(test)]
pub mod proptest_floats;
pub mod redact;
pub mod stop;
pub mod thread_priority;
pub mod unicode;
pub mod wake_fd;
pub mod worker;

pub use clock::ClockTime;
pub use fault::{Fault, FaultKind};
pub use log_ring::Recent;
pub use stop::Stop;
pub use thread_priority::{ThreadPriority, set_nice_only};
pub use wake_fd::WakeFd;
pub use worker::{Heartbeat, IDLE, Worker, block_on, wait_job};
