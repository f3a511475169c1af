//! What every other layer stands on: time, the stop flag, named threads, the last lines of the log. Knows nothing of cameras.

pub mod bell;
pub mod child;
pub mod clock;
#[cfg(test)]
pub mod corpus;
pub mod giving_way;
pub mod letters;
pub mod memory;
pub mod own_mark;
pub mod private;
#[cfg(test)]
pub mod reals;
pub mod recent;
pub mod secrets;
pub mod stop;
pub mod waiting;
pub mod worker;

pub use bell::Bell;
pub use clock::Stamp;
pub use giving_way::{GivingWay, be_merely_nice};
pub use recent::Recent;
pub use stop::Stop;
pub use waiting::block_on;
pub use worker::{Beat, IDLE, LeftBehind, Worker};
