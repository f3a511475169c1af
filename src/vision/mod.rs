//! Counting, pure: detections and times in, crossings out.
//!
//! ```text
//! detections ─► sane? ─► filter ─► NMS ─► tracker ─► line ─► crossings
//!                                           ├──────► zone ─► occupancy
//!                                           └──────► overlay
//! ```
//!
//! [`Counter`] is the whole of it; every step is a module of its own and can be used alone. Nothing here uses a
//! thread, a clock, a file or a socket: times come with the detections, in microseconds of any clock that does not go
//! back. Positions are fractions of the frame (see [`geometry`]).
//!
//! All memory is bounded: a frame has at most 1000 detections, the tracker has a maximum number of tracks, and a line
//! keeps one small state for each living track.

pub mod counter;
pub mod crossing;
pub mod detection;
pub mod detector;
pub mod filter;
pub mod geometry;
pub mod labels;
pub mod line;
pub mod motion;
mod near_miss;
pub mod nms;
pub mod onnx;
pub mod passage;
mod passers;
pub mod region;
pub mod replay;
pub mod tracker;
pub mod zone;

pub use counter::{Counter, CounterOptions, CounterOverlay, Outcome, TrackView};
pub use crossing::Crossing;
pub use detection::{Class, Defect, Detection};
pub use detector::Detector;
pub use filter::Filter;
pub use geometry::{Aspect, Bounds, Point, Polygon};
pub use labels::Labels;
pub use line::{Anchor, CountingLine, Direction, LineError, LineId, Recrossing};
pub use motion::MotionDetector;
pub use near_miss::NearMiss;
pub use passage::Hysteresis;
pub use region::{ReadPicture, RegionMode, RegionSchedule};
pub use replay::{RecordedDetections, ReplayDetector, ReplayOptions};
pub use tracker::{Motion, Track, TrackId, TrackState, Tracker, TrackerOptions};
pub use zone::{Occupancy, Zone, ZoneId};
