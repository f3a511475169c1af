//! Counting, pure: detections and times in, crossings out.
//!
//! ```text
//! detections ─► sane? ─► filter ─► NMS ─► tracker ─► line ─► crossings
//!                                           ├──────► zone ─► occupancy, stays
//!                                           └──────► overlay
//! ```
//!
//! [`Counter`] is the whole of it; every step is a module of its own and can be used alone. Nothing here uses a
//! thread, a clock, a file or a socket: times come with the detections, in microseconds of any clock that does not go
//! back. Positions are fractions of the frame (see [`Bounds`]).
//!
//! All memory is bounded: a frame has at most 1000 detections, the tracker has a maximum number of tracks, and a line
//! keeps one small state for each living track.
//!
//! [`models`] finds and describes the networks that [`onnx`] runs; [`steps`] has single steps of a count.
//!
//! ```
//! use tallycam_vision::{Aspect, Bounds, Class, Counter, CounterOptions, CountingLine};
//! use tallycam_vision::{Detection, Labels, LineId, Point};
//!
//! let mut counter = Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(640, 480));
//! counter.set_lines(vec![CountingLine::new(LineId(1), "door", Point::new(0.5, 1.0), Point::new(0.5, 0.0))?])?;
//! let mut crossings = Vec::new();
//! // Somebody walks from left to right for three seconds.
//! for n in 0..30 {
//!     let bounds = Bounds::centered_at(Point::new(0.2 + 0.02 * n as f32, 0.5), 0.06, 0.2);
//!     let detection = Detection { class: Class(0), score: 0.9, bounds };
//!     crossings.extend(counter.update(&[detection], n * 100_000).crossings);
//! }
//! assert_eq!(crossings.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counter;
mod crossing;
mod detection;
mod detector;
mod filter;
mod geometry;
mod labels;
mod line;
mod matching;
pub mod models;
mod motion;
mod near_miss;
mod nms;
pub mod onnx;
mod passage;
mod passers;
mod region;
mod replay;
mod tracker;
mod trial;
mod zone;

pub use counter::{Counter, CounterOptions, CounterOverlay, Outcome, TrackView, TrialFrame};
pub use crossing::Crossing;
pub use detection::{Class, Detection};
pub use detector::Detector;
pub use filter::Filter;
pub use geometry::{Aspect, Bounds, Point, Polygon};
pub use labels::Labels;
pub use line::{Anchor, CountingLine, Direction, LineError, LineId, Recrossing};
pub use matching::pair_crossings;
pub use motion::MotionDetector;
pub use near_miss::NearMiss;
pub use passage::Hysteresis;
pub use region::{ReadPicture, RegionMode, RegionSchedule, RegionShape, region_geometry, region_size};
pub use replay::{RecordedDetections, ReplayDetector, ReplayOptions};
pub use tracker::{Motion, TrackId};
pub use trial::{MissCause, Trial, TrialChange, TrialCrossing, TrialTracks};
pub use zone::movement::MOVEMENT_GRID;
pub use zone::{Occupancy, Stay, Zone, ZoneId};

/// Single steps of a count, for tests and measurements.
pub mod steps {
    pub use super::line::Segment;
    pub use super::motion::MotionGate;
    pub use super::nms::suppress_overlaps;
    pub use super::passage::Passage;
    pub use super::tracker::{TrackState, Tracker, TrackerOptions, mean_side};
}
