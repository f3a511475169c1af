//! The protocol between tallycam and its libcamera helper.
//!
//! The helper is a separate process, with one binary for each soname of libcamera: a fatal assertion in a camera's
//! algorithm ends the helper and not the daemon. Both share a `SOCK_SEQPACKET` socket, which the helper inherits as
//! its standard input ([`DESCRIPTOR`]). A message is one JSON object in one packet; a message about a buffer carries
//! its descriptor.
//!
//! ```text
//! helper                                   daemon
//!   Hello, Cameras                    ─►
//!                                     ◄─   Open
//!   Configured, Buffer …              ─►                    one Buffer a buffer and stream, each with its descriptor
//!   Frame, Frame, …  Metadata         ─►                    Metadata once a second
//!                                     ◄─   Return, Set      a buffer is the daemon's from Frame to Return
//!   WasSet or Refused                 ─►                    one answer for each Set, in order
//! ```
//!
//! The helper ends when the socket is closed. Another [`ToHelper::Open`] reconfigures an open camera: buffers of the
//! configuration before become invalid at the next [`FromHelper::Configured`].

mod channel;

pub use channel::{Channel, MAX_MESSAGE, ReceiveError};

use serde::{Deserialize, Serialize};

/// The version of this protocol. Both sides refuse any other.
pub const VERSION: u32 = 1;

/// The helper's descriptor of the socket: its standard input.
pub const DESCRIPTOR: i32 = 0;

/// The helper's exit status if its libcamera is not installed. A shell uses the same for a missing program, and so
/// does the dynamic loader.
pub const NOT_INSTALLED: i32 = 127;

/// Messages of the helper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromHelper {
    /// The first message.
    Hello(Hello),
    /// The list of cameras; sent again when one is added or removed.
    Cameras(Vec<Camera>),
    /// The camera is open with this configuration; buffers follow, then frames.
    Configured(Configured),
    /// A buffer of a stream, with its descriptor.
    Buffer(Buffer),
    /// A frame is in a buffer.
    Frame(Frame),
    /// The latest measurements, with libcamera's names of controls in snake case: `lux`, `exposure_time` (µs),
    /// `af_state`.
    Metadata(Vec<(String, f64)>),
    /// A control was set to this value.
    WasSet(Value),
    /// A control was not set.
    Refused {
        /// The control's name.
        name: String,
        /// The reason, without a full stop.
        why: String,
    },
    /// The camera is unusable; the helper ends.
    Fault(Fault),
}

/// Messages of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHelper {
    /// Opens a camera, or configures the open one again, and starts its frames.
    Open(Open),
    /// Returns a buffer.
    Return {
        /// The buffer's number.
        buffer: u32,
    },
    /// Sets a control.
    Set(Value),
}

/// Introduction of the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub protocol: u32,
    /// The version of the helper's package.
    pub helper: String,
    /// libcamera's own version: "0.7.1".
    pub libcamera: String,
}

/// A camera found by libcamera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// libcamera's permanent id: "/base/soc/i2c0mux/i2c@1/imx708@1a".
    pub id: String,
    /// The sensor's model: "imx708".
    pub model: String,
    /// Position of the camera.
    pub location: Location,
    /// Formats for viewers, best first.
    pub formats: Vec<Format>,
    /// Orientations that the camera itself supports.
    pub orientations: Vec<Orientation>,
    /// Its controls, at their defaults.
    pub controls: Vec<Control>,
}

/// Position of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the device, facing its user.
    Front,
    /// In the device, facing away from its user. Raspberry Pi's camera modules belong here, too.
    Back,
    /// Attached by a cable, as USB cameras are.
    External,
    /// libcamera does not tell.
    Unknown,
}

/// Orientation of frames when they leave the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// As the sensor is mounted.
    #[default]
    Upright,
    /// Rotated by half a turn.
    Rotated180,
    /// Left and right swapped.
    Mirrored,
    /// Top and bottom swapped.
    Flipped,
}

/// A pixel format with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Format {
    /// V4L2's and DRM's code: "NV12", "YU12", "MJPG".
    pub fourcc: String,
    /// Offered sizes, width and height.
    pub sizes: Vec<(u32, u32)>,
    /// Sizes between the smallest and the largest are possible, too.
    pub is_range: bool,
}

/// The kind of values that a control accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 0 or 1.
    Boolean,
    /// Whole numbers.
    Integer,
    /// Fractions.
    Decimal,
    /// One of [`Control::choices`].
    Menu,
    /// Triggers an action when set to 1.
    Button,
}

/// A control of an open camera. A control of several numbers in libcamera (the two colour gains) becomes several
/// here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// libcamera's name in snake case: `analogue_gain`, `colour_gains_red`.
    pub name: String,
    /// The kind of values that it accepts.
    pub kind: Kind,
    /// Unit, such as "µs" or "dioptres"; empty for none.
    pub unit: String,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Distance between values; 0 for none.
    pub step: f64,
    /// The camera's default.
    pub default: f64,
    /// The choices of a menu: number, and libcamera's name with spaces.
    pub choices: Vec<(i64, String)>,
}

/// The requested configuration. `None` leaves the choice to the helper.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Open {
    /// The camera's [`Camera::id`].
    pub camera: String,
    /// "NV12", "YU12" or "MJPG".
    pub format: Option<String>,
    /// Width in pixels.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames a second; the helper keeps this rate.
    pub fps: Option<f64>,
    /// Orientation of the frames.
    #[serde(default)]
    pub orientation: Orientation,
    /// Width and height of a second, small stream of the same frames.
    pub second: Option<(u32, u32)>,
}

/// The actual configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// The camera's model.
    pub model: String,
    /// The main stream, and the second one if there is one.
    pub streams: Vec<Stream>,
    /// Number of buffers of each stream; they are numbered from 0.
    pub buffers: u32,
    /// Frames a second.
    pub fps: f64,
    /// Orientation of the frames.
    pub orientation: Orientation,
    /// The controls with their current ranges.
    pub controls: Vec<Control>,
}

/// The frames of a stream. Planes are contiguous in one buffer: chroma begins `stride · height` bytes after luma;
/// rows of YU12's chroma have half the stride.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// "NV12", "YU12", "MJPG".
    pub fourcc: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from row to row of luma; 0 for MJPG.
    pub stride: u32,
}

/// A buffer. The descriptor sent along is memory of at least `bytes` that cannot shrink: a dma-buf, or a memfd with
/// `F_SEAL_SHRINK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// 0 for the main stream, 1 for the second.
    pub stream: u32,
    /// Its number, shared by the buffers of both streams that are filled together.
    pub buffer: u32,
    /// Length in bytes.
    pub bytes: u64,
}

/// A frame, in the buffers of this number of all streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The buffer's number.
    pub buffer: u32,
    /// The camera's number of the frame; a gap means lost frames.
    pub sequence: u64,
    /// Capture time in microseconds of `CLOCK_MONOTONIC`.
    pub stamp_us: u64,
    /// Used bytes of the main stream's buffer; relevant for MJPG.
    pub bytes: u64,
}

/// A value of a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The control's name.
    pub name: String,
    /// The value; for a menu its number, for a boolean 0 or 1.
    pub value: f64,
}

/// Why a camera is unusable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// One sentence without a full stop.
    pub what: String,
    /// libcamera's messages, if there were any.
    pub causes: Vec<String>,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// There is no such camera.
    Absent,
    /// Another program uses it.
    Busy,
    /// The helper may not open it.
    Denied,
    /// It has been removed.
    Unplugged,
    /// It does not support the request.
    Unsupported,
    /// Anything else.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_short_readable_line() {
        let frame =
            FromHelper::Frame(Frame { buffer: 2, sequence: 7, stamp_us: 1_000_000, bytes: 1_382_400 });
        let line = serde_json::to_string(&frame).unwrap();
        assert_eq!(line, r#"{"frame":{"buffer":2,"sequence":7,"stamp_us":1000000,"bytes":1382400}}"#);
        assert_eq!(serde_json::from_str::<FromHelper>(&line).unwrap(), frame);
    }

    #[test]
    fn a_value_that_is_no_number_is_refused() {
        let value = ToHelper::Set(Value { name: "lux".into(), value: f64::NAN });
        let line = serde_json::to_string(&value).unwrap();
        assert!(serde_json::from_str::<ToHelper>(&line).is_err(), "{line}");
    }
}
