//! Cameras and what goes with them: devices in, pictures out.
//!
//! ```text
//! device ─► source ─► Frame ─► encode ─► Picture ─► media::Hub ─► viewers
//!            ▲ lens, lights: what a device is told
//! ```
//!
//! [`media`] is plain data; the others use devices. They never import each other.
//!
//! ```
//! use tallycam_base::ClockTime;
//! use tallycam_camera::encode::Encoder;
//! use tallycam_camera::media::{Fourcc, Frame, Hub};
//!
//! let grey = vec![128; 64 * 48];
//! let (fourcc, width, height, stride) = (Fourcc::GREY, 64, 48, 64);
//! let (stamp, sequence) = (ClockTime::now(), 1);
//! let frame = Frame { fourcc, width, height, stride, data: &grey, second: None, stamp, sequence };
//! let hub = Hub::new();
//! hub.publish(Encoder::new(80)?.encode(&frame)?);
//! assert_eq!(hub.newest().map(|picture| (picture.width, picture.height)), Some((64, 48)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod encode;
pub mod lens;
pub mod lights;
pub mod media;
pub mod source;
