//! Plain data that several pages show. Callers fill it.
//!
//! Times are in microseconds since 1970-01-01T00:00:00Z; the pages' data includes their time zone. Texts are
//! unescaped: pages escape them.

pub mod diagnosis;
pub mod lens;
pub mod lights;
pub mod neighbours;

use std::rc::Rc;

use jiff::tz::TimeZone;

use crate::ui::format::sentence;
use tallycam_base::json;
use tallycam_store::{OccupancyRow, Scene, StayRow, ZoneRow};

json::words! {
    AlertKind { Camera "camera", Counting "counting", Storage "storage", Clock "clock", Password "password" }
}

/// The head of every page except Live, which has more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    pub name: String,
    pub version: String,
    /// One word: `live`, `idle`, `starting`, `paused`, or a kind of fault.
    pub state: String,
    /// The state in words: "Live", "Camera idle", "Camera in use".
    pub headline: String,
    /// There are other tallycams.
    pub has_neighbours: bool,
    /// Faults and open tasks, the worst first. Every page shows them.
    pub alerts: Vec<Alert>,
    /// The rights of the reader.
    pub reader: Reader,
    /// The address that signs in and leads back to the page.
    pub sign_in: String,
    /// The form that was sent from this page and refused.
    pub returned: Option<Rc<ReturnedForm>>,
    /// How far the first set-up is; `None` once it is over, and for readers who may not set the camera up.
    pub set_up: Option<SetUp>,
}

/// How far the first set-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetUp {
    /// A camera gives the picture, not the simulation.
    pub has_camera: bool,
    /// The simulation gives the picture. It can be set up without a camera, but its camera is never done.
    pub is_simulated: bool,
    pub has_password: bool,
    /// There is a line that the simulation did not bring along.
    pub has_line: bool,
    /// A line of the reader's own has counted today.
    pub has_walked: bool,
}

impl SetUp {
    /// Which steps are done, in their order.
    pub fn done(&self) -> [bool; 4] {
        [self.has_camera, self.has_password, self.has_line, self.has_walked]
    }

    /// The number of the next step, from 0: the first open one. With the simulation, the camera is left to the reader.
    pub fn next(&self) -> Option<usize> {
        (0..4).find(|&step| !(self.done()[step] || step == 0 && self.is_simulated))
    }

    /// The reader need not be led any further.
    pub fn is_over(&self) -> bool {
        self.has_password && self.has_line
    }
}

/// The rights of a page's reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// Has not signed in; may watch if watching needs no password.
    #[default]
    Visitor,
    /// Has signed in, and may watch.
    Viewer,
    /// May also draw, record, pause, and move light and lens.
    Operator,
    /// May change everything.
    Admin,
}

/// The subject of an alert, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// There is no picture.
    Camera,
    Counting,
    /// No snapshot or recording can be stored.
    Storage,
    /// The time is not known.
    Clock,
    /// Anyone on the network can change the camera.
    Password,
}

impl AlertKind {
    /// True for a fault; false for an open task.
    pub fn is_bad(self) -> bool {
        matches!(self, AlertKind::Camera | AlertKind::Counting | AlertKind::Storage)
    }
}

/// A problem that keeps the camera from its work.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Alert {
    /// The subject.
    pub kind: AlertKind,
    /// Cause in one word: `no_model` for counting, the kind of fault for the camera.
    pub why: Option<String>,
    /// In a few words: "Not counting".
    pub headline: &'static str,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// The remedy for the reader.
    pub hint: Option<String>,
    /// Start, if known.
    #[schemars(with = "Option<json::Rfc3339>")]
    pub since: Option<String>,
    /// The camera, counting or storage does not work. False: they work, and something is to be done.
    pub bad: bool,
    /// Start for people: "14:02"; empty if unknown.
    #[serde(skip)]
    pub since_words: String,
    /// The place in the operator's file that sets the detector: the page cannot choose another one.
    #[serde(skip)]
    pub pinned: Option<String>,
    /// The reader has closed the note for today.
    #[serde(skip)]
    pub is_closed: bool,
}

impl Alert {
    /// An alert without details.
    pub fn new(kind: AlertKind, headline: &'static str) -> Alert {
        Alert {
            kind,
            why: None,
            headline,
            reason: None,
            hint: None,
            since: None,
            bad: kind.is_bad(),
            since_words: String::new(),
            pinned: None,
            is_closed: false,
        }
    }

    /// The cause in one word; empty if unknown.
    pub(super) fn why(&self) -> &str {
        self.why.as_deref().unwrap_or_default()
    }
}

/// The local clock.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalClock {
    pub now_us: u64,
    /// The time zone of days and hours.
    pub zone: TimeZone,
    /// The hour at which a day begins, 0–23.
    pub day_starts: u8,
}

/// The state of counting.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct CountingReport {
    /// One word: `counting`, `idle` (no line), `waiting` (no picture), `off`, `fault`.
    #[schemars(extend("enum" = ["counting", "idle", "waiting", "off", "fault"]))]
    pub state: &'static str,
    /// Why it does not count, in one word; `null` while it does.
    pub why: Option<&'static str>,
    /// Start of this state.
    #[schemars(with = "json::Rfc3339")]
    pub since: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// The remedy.
    pub hint: Option<String>,
    /// Deviations from the configuration that do not stop counting, in sentences.
    pub notes: Vec<String>,
    /// `onnx`, `motion` or `replay`; empty before the detector is loaded.
    pub backend: &'static str,
    /// The name of the model; empty where the back end has none.
    pub model: String,
    /// Detections per second over the last seconds.
    pub detections_per_second: f64,
    /// Detections since the start; `detections_skipped` of them asked no model because nothing moved.
    pub detections: u64,
    pub detections_skipped: u64,
    /// Median time of a detection, in milliseconds.
    pub detection_ms: f64,
    pub tracks: usize,
    pub scene: Scene,
    /// Lines of the scene.
    pub lines: usize,
    /// Why counts.db takes no crossings at present.
    pub counts_db: Option<String>,
    /// The place in the operator's file that sets the back end.
    #[serde(skip)]
    pub pinned: Option<String>,
    /// The classes of the detector.
    #[serde(skip)]
    pub labels: Vec<String>,
    /// True if classes name kinds of objects; motion has none.
    #[serde(skip)]
    pub tells_classes: bool,
    /// Time of the inference in a detection, in milliseconds: the network's, or the whole detector's without a
    /// network.
    #[serde(skip)]
    pub inference_ms: f64,
}

/// A zone and its present occupancy.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ZoneNow {
    #[serde(flatten)]
    pub row: ZoneRow,
    pub occupancy: u32,
}

/// Occupancy of a zone and stays in it over a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneFigures {
    pub id: u64,
    pub name: String,
    /// The present occupancy.
    pub inside: u32,
    /// Empty if nothing is known of the zone.
    pub buckets: Vec<OccupancyRow>,
    /// Empty without stays.
    pub stays: Vec<StayRow>,
    /// It has four corners, and so may be a rectangle on the ground.
    pub is_rectangle: bool,
    /// First and second side on the ground, in metres.
    pub ground: Option<[f64; 2]>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct LogLine {
    /// When.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub time_us: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    #[schemars(extend("enum" = ["error", "warn", "info", "debug", "trace"]))]
    pub level: &'static str,
    /// Part of the program: `source::v4l2`.
    #[serde(rename = "target")]
    pub place: String,
    /// The text; may have several lines.
    #[serde(rename = "message")]
    pub text: String,
}

/// A form that was sent. Its page shows it again, or shows the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReturnedForm {
    /// The address that it was sent to, without the leading slash: `api/v1/lines/3`.
    pub action: String,
    /// The page's own address, relative to that one.
    pub base: String,
    /// The version of the changed object when the page was made; empty if there is none.
    pub version: String,
    /// The typed values, in the form's order.
    pub fields: Vec<(String, String)>,
    /// The whole form as one text, for the sign-in page.
    pub kept: String,
    /// The reason of a refusal; `None` if it was carried out.
    pub refusal: Option<RefusalReason>,
}

impl ReturnedForm {
    /// The value typed into the field of this name; the last one if there are several.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().rfind(|(key, _)| key == name).map(|(_, text)| text.as_str())
    }

    /// The number at the end of the address; `None` for a new object.
    pub fn id(&self) -> Option<u64> {
        self.action.rsplit('/').next()?.parse().ok()
    }

    /// The reason and the remedy in one line.
    pub fn said(&self) -> String {
        let Some(RefusalReason { detail, hint, .. }) = &self.refusal else { return String::new() };
        [detail, hint].map(|part| sentence(part)).join(" ").trim_end().to_owned()
    }
}

/// The refusal of a request from a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalReason {
    /// The failed action and the reason, in a sentence.
    pub detail: String,
    /// The remedy; may be empty.
    pub hint: String,
    /// The name of the wrong field; empty if it is no single one.
    pub field: String,
    /// Name and sentence of each wrong field.
    pub errors: Vec<(String, String)>,
    /// The form was filled in on an outdated version.
    pub is_stale: bool,
}

impl RefusalReason {
    /// Begins the sentence about a field that names the expected values only.
    pub const TAKES: &str = "This takes ";
}
