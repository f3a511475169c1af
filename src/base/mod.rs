//! What every other layer stands on: time, the stop flag, named threads. Knows nothing of cameras.

pub mod clock;
pub mod giving_way;
pub mod stop;
pub mod worker;

pub use clock::Stamp;
pub use giving_way::GivingWay;
pub use stop::Stop;
pub use worker::{Beat, LeftBehind, Worker};
