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
//!
//! [`models`] finds and describes the networks that [`onnx`] runs.
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

#[doc(hidden)]
pub mod counter;
#[doc(hidden)]
pub mod crossing;
#[doc(hidden)]
pub mod detection;
#[doc(hidden)]
pub mod detector;
#[doc(hidden)]
pub mod filter;
#[doc(hidden)]
pub mod geometry;
#[doc(hidden)]
pub mod labels;
#[doc(hidden)]
pub mod line;
#[doc(hidden)]
pub mod models;
#[doc(hidden)]
pub mod motion;
mod near_miss;
#[doc(hidden)]
pub mod nms;
#[doc(hidden)]
pub mod onnx;
#[doc(hidden)]
pub mod passage;
mod passers;
#[doc(hidden)]
pub mod region;
#[doc(hidden)]
pub mod replay;
#[doc(hidden)]
pub mod tracker;
#[doc(hidden)]
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
