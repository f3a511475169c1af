//! What tallycam and its libcamera helper say to each other.
//!
//! The helper is a process of its own, one binary for each soname of libcamera, so that a fatal assertion in a camera's
//! algorithm ends the helper and not the daemon. The two share a `SOCK_SEQPACKET` socket, which the helper inherits as its
//! standard input ([`DESCRIPTOR`]). A message is one JSON object in one packet; a buffer's message carries its descriptor.
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
//! The helper ends when the socket is closed. Another [`ToHelper::Open`] reconfigures a camera that is open: buffers of the
//! configuration before are void from the next [`FromHelper::Configured`] on.

mod channel;

pub use channel::{Channel, MAX_MESSAGE, ReceiveError};

use serde::{Deserialize, Serialize};

/// The version of this protocol. Both sides refuse another.
pub const VERSION: u32 = 1;

/// The helper's descriptor of the socket: its standard input.
pub const DESCRIPTOR: i32 = 0;

/// The helper's exit status where its libcamera is not installed, as a shell's for a program that it cannot find. The
/// dynamic loader ends it with the same.
pub const NOT_INSTALLED: i32 = 127;

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromHelper {
    /// First of all.
    Hello(Hello),
    /// The cameras there are; again when one comes or goes.
    Cameras(Vec<Camera>),
    /// The camera is open with this configuration; its frames follow after the buffers.
    Configured(Configured),
    /// A buffer of a stream. Its descriptor comes with this message.
    Buffer(Buffer),
    /// A frame is in a buffer.
    Frame(Frame),
    /// What the camera measured last, by the names of libcamera's controls in snake case: `lux`, `exposure_time` (µs),
    /// `af_state`.
    Metadata(Vec<(String, f64)>),
    /// A control was set to this value.
    WasSet(Value),
    /// A control was not set.
    Refused {
        /// Its name.
        name: String,
        /// Why not, without a full stop.
        why: String,
    },
    /// The camera is of no more use; the helper ends.
    Fault(Fault),
}

/// What the daemon says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToHelper {
    /// Open a camera, or configure the open one anew, and start its frames.
    Open(Open),
    /// The daemon has done with a buffer.
    Return {
        /// Its number.
        buffer: u32,
    },
    /// Set a control.
    Set(Value),
}

/// Who the helper is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub protocol: u32,
    /// The version of the package that the helper is of.
    pub helper: String,
    /// libcamera's own version: "0.7.1".
    pub libcamera: String,
}

/// A camera that libcamera knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// libcamera's lasting name of it: "/base/soc/i2c0mux/i2c@1/imx708@1a".
    pub id: String,
    /// The sensor's model: "imx708".
    pub model: String,
    /// Where it is.
    pub location: Location,
    /// The formats it can give a viewer, best first.
    pub formats: Vec<Format>,
    /// How its picture can be turned by the camera itself.
    pub orientations: Vec<Orientation>,
    /// Its controls, at their defaults.
    pub controls: Vec<Control>,
}

/// Where a camera is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the device, looking at its user.
    Front,
    /// In the device, looking away from its user. Raspberry Pi's camera modules are here, too.
    Back,
    /// Attached by a cable, as USB cameras are.
    External,
    /// It does not tell.
    Unknown,
}

/// How the picture is turned before it leaves the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Orientation {
    /// As the sensor is mounted.
    #[default]
    Upright,
    /// By half a turn.
    Rotated180,
    /// Left and right changed.
    Mirrored,
    /// Top and bottom changed.
    Flipped,
}

/// A pixel format with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Format {
    /// As V4L2 and DRM write it: "NV12", "YU12", "MJPG".
    pub fourcc: String,
    /// Sizes that are offered, width and height.
    pub sizes: Vec<(u32, u32)>,
    /// Whether sizes between the smallest and the largest can be had, too.
    pub is_range: bool,
}

/// What a control takes.
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
    /// Does something when it is set to 1.
    Button,
}

/// A control of an open camera. One that libcamera has as several numbers (the two colour gains) is several here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// libcamera's name in snake case: `analogue_gain`, `colour_gains_red`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// Its unit: "µs", "dioptres"; empty where it has none.
    pub unit: String,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Distance of values; 0 where it has none.
    pub step: f64,
    /// The camera's default.
    pub default: f64,
    /// The choices of a menu: number and libcamera's name of it, with spaces.
    pub choices: Vec<(i64, String)>,
}

/// The configuration that is wanted. `None` leaves the choice to the helper.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Open {
    /// The camera's [`Camera::id`].
    pub camera: String,
    /// "NV12", "YU12" or "MJPG".
    pub format: Option<String>,
    /// Pixels in a row.
    pub width: Option<u32>,
    /// Rows.
    pub height: Option<u32>,
    /// Frames a second; the helper holds it.
    pub fps: Option<f64>,
    /// How the picture is turned.
    #[serde(default)]
    pub orientation: Orientation,
    /// Width and height of a second, small stream of the same picture.
    pub second: Option<(u32, u32)>,
}

/// The configuration that holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// The camera's model.
    pub model: String,
    /// The main stream, and the second one if there is one.
    pub streams: Vec<Stream>,
    /// How many buffers each stream has; they have the numbers from 0 on.
    pub buffers: u32,
    /// Frames a second.
    pub fps: f64,
    /// How the picture is turned.
    pub orientation: Orientation,
    /// The controls with what they take now.
    pub controls: Vec<Control>,
}

/// The frames of a stream. Planes follow each other without a gap in one buffer: chroma begins `stride · height` bytes
/// behind luma; rows of YU12's chroma have half the stride.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// "NV12", "YU12", "MJPG".
    pub fourcc: String,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from one row of luma to the next; 0 for MJPG.
    pub stride: u32,
}

/// A buffer. The descriptor that comes with it is memory of at least `bytes` that cannot become smaller: a dma-buf, or a
/// memfd with `F_SEAL_SHRINK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// 0: main, 1: second.
    pub stream: u32,
    /// Its number, the same for the buffers of both streams that are filled together.
    pub buffer: u32,
    /// Bytes of it.
    pub bytes: u64,
}

/// A frame: every stream's buffer of this number holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The buffer's number.
    pub buffer: u32,
    /// The camera's number of the frame; a jump is a frame that was lost.
    pub sequence: u64,
    /// When it was captured, in microseconds of `CLOCK_MONOTONIC`.
    pub stamp_us: u64,
    /// Bytes in the main stream's buffer; what counts for MJPG.
    pub bytes: u64,
}

/// A control's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The control's name.
    pub name: String,
    /// Its value; a menu's number, 0 or 1 for a boolean.
    pub value: f64,
}

/// Why a camera is of no more use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Its kind.
    pub kind: FaultKind,
    /// One sentence without a full stop.
    pub what: String,
    /// libcamera's words, where it had any.
    pub causes: Vec<String>,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// There is no such camera.
    Absent,
    /// Another program has it.
    Busy,
    /// It may not be opened.
    Denied,
    /// It was there and has gone.
    Unplugged,
    /// It cannot do what is asked.
    Unsupported,
    /// Anything else.
    Failed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_short_line_that_one_can_read() {
        let frame =
            FromHelper::Frame(Frame { buffer: 2, sequence: 7, stamp_us: 1_000_000, bytes: 1_382_400 });
        let line = serde_json::to_string(&frame).unwrap();
        assert_eq!(line, r#"{"frame":{"buffer":2,"sequence":7,"stamp_us":1000000,"bytes":1382400}}"#);
        assert_eq!(serde_json::from_str::<FromHelper>(&line).unwrap(), frame);
    }

    #[test]
    fn a_value_that_is_no_number_is_no_message() {
        let value = ToHelper::Set(Value { name: "lux".into(), value: f64::NAN });
        let line = serde_json::to_string(&value).unwrap();
        assert!(serde_json::from_str::<ToHelper>(&line).is_err(), "{line}");
    }
}
