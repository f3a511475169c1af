//! tallycam shows what a camera sees to any number of browsers, and counts what crosses a line.
//!
//! # The map
//!
//! A layer imports only from layers below it. Cargo holds the crates to this. `tests/architecture.rs` reads the `use`
//! lines of the modules and fails on an arrow that points up.
//!
//! ```text
//! 4  cli
//! 3  daemon ─► http (+ ui) ─► outbound ─► pipeline, maintenance ─► card
//! 2  access
//!    tallycam_store ─► tallycam_vision ─► tallycam_camera ─► tallycam_base
//!                      tallycam_config ─►
//! ```
//!
//! # The path of a frame
//!
//! ```text
//! driver ─► [capture thread]  Source ─► Frame ─► Encoder ─► Picture ─► Hub ─► viewers, snapshots
//! ```
//!
//! A [`media::Frame`] is scarce, because it may occupy a driver's buffer, and is only lent. A [`media::Picture`] is a
//! finished JPEG that a slow viewer may hold as long as it likes.
//!
//! # As a library
//!
//! The items below this page are the public interface: they are documented and change with care. The modules behind
//! them serve the program, its tests and its benchmarks, and may change with every version.
//!
//! Your own source becomes a [`Pipeline`], which opens it while there is demand:
//!
//! ```
//! use std::time::Duration;
//! use tallycam::{CaptureOptions, ClockTime, Fourcc, Frame, Opener, Pipeline, Source, SourceError, Stop, StreamFormat};
//!
//! struct Grey(StreamFormat, Vec<u8>, u64);
//!
//! impl Source for Grey {
//!     fn source_info(&self) -> &StreamFormat {
//!         &self.0
//!     }
//!
//!     fn next(&mut self, _wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
//!         std::thread::sleep(Duration::from_millis(10));
//!         self.2 += 1;
//!         let (fourcc, width, height, stride) = (Fourcc::GREY, 64, 48, 64);
//!         let (stamp, sequence) = (ClockTime::now(), self.2);
//!         Ok(Some(Frame { fourcc, width, height, stride, data: &self.1, second: None, stamp, sequence }))
//!     }
//! }
//!
//! struct OpenGrey;
//!
//! impl Opener for OpenGrey {
//!     fn describe(&self) -> String {
//!         String::from("a grey wall")
//!     }
//!
//!     fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
//!         let (name, fourcc, fps) = (String::from("Wall"), Fourcc::GREY, Some(100.0));
//!         let (width, height, notes, is_simulated) = (64, 48, Vec::new(), true);
//!         let format = StreamFormat { name, fourcc, width, height, fps, notes, is_simulated };
//!         Ok(Box::new(Grey(format, vec![128; 64 * 48], 0)))
//!     }
//! }
//!
//! let (pipeline, capture) = Pipeline::start(Box::new(OpenGrey), CaptureOptions::default())?;
//! let demand = pipeline.demand(); // The source stays open until this is dropped.
//! let picture = pipeline.hub().subscribe().into_iter().find(|picture| !picture.is_card);
//! assert_eq!(picture.map(|picture| (picture.width, picture.height)), Some((64, 48)));
//! drop(demand);
//! pipeline.stop();
//! drop(capture); // Joins the thread.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same pictures as the body of your own HTTP server:
//!
//! ```
//! use tallycam::{Hub, StreamBody, stream_response};
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! let _entered = runtime.enter(); // A body has a timer.
//! let hub = Hub::new(); // Or that of a pipeline.
//! let response = stream_response(StreamBody::new(&hub));
//! let kind = response.headers()["content-type"].to_str()?;
//! assert!(kind.starts_with("multipart/x-mixed-replace"), "{kind}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/embed.rs` is a complete program with both.

#[doc(hidden)]
pub mod access;
#[doc(hidden)]
pub mod card;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod daemon;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod maintenance;
#[doc(hidden)]
pub mod outbound;
#[doc(hidden)]
pub mod pipeline;
#[doc(hidden)]
pub mod ui;
#[doc(hidden)]
pub use tallycam_base as base;
#[doc(hidden)]
pub use tallycam_camera::{encode, lens, lights, media, source};
#[doc(hidden)]
pub use tallycam_config as config;
#[doc(hidden)]
pub use tallycam_store as store;
#[doc(hidden)]
pub use {tallycam_vision as vision, tallycam_vision::models};

pub use http::multipart::{StreamBody, head as stream_response};
pub use pipeline::{CameraState, CaptureOptions, Demand, Pipeline};
pub use tallycam_base::{ClockTime, Stop};
pub use tallycam_camera::media::{Fourcc, Frame, Hub, Picture, SourceError};
pub use tallycam_camera::source::{Opener, Source, StreamFormat};
