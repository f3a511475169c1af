//! Plain data that several pages show, filled by whoever serves them.
//!
//! Times are wall time in microseconds since 1970-01-01T00:00:00Z; the zone they are told in is part of
//! the page's data. Texts are as they were typed: pages escape them.

pub mod diagnosis;
pub mod lens;
pub mod lights;

use std::rc::Rc;

use jiff::tz::TimeZone;

use crate::base::json;
use crate::store::{OccupancyRow, Scene, ZoneRow};

json::words! {
    AlertKind { Camera "camera", Counting "counting", Storage "storage", Clock "clock", Password "password" }
}

/// What stands above every page but the live one, which knows more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// The camera's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// One word: `live`, `asleep`, `waking`, `paused`, or a kind of trouble.
    pub state: String,
    /// The state in words: "Live", "Camera idle", "Camera in use".
    pub headline: String,
    /// What keeps it from its work, the worst first. Every page says so.
    pub alerts: Vec<Alert>,
    /// Who looks at it.
    pub reader: Reader,
    /// The address that signs in and leads back to the page.
    pub sign_in: String,
    /// The form that was sent from this page and not carried out.
    pub returned: Option<Rc<ReturnedForm>>,
}

/// What whoever looks at a page may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// Look.
    #[default]
    Viewer,
    /// Draw, record, pause and turn, too.
    Operator,
    /// Everything.
    Admin,
}

/// What an alert is about, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// There is no picture.
    Camera,
    /// Nothing is counted.
    Counting,
    /// No snapshot or recording can be stored.
    Storage,
    /// The time is not known.
    Clock,
    /// Anyone on the network can change the camera.
    Password,
}

impl AlertKind {
    /// Whether something does not work; else something is to be done.
    pub fn is_bad(self) -> bool {
        matches!(self, AlertKind::Camera | AlertKind::Counting | AlertKind::Storage)
    }
}

/// What keeps the camera from its work.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Alert {
    /// What it is about.
    pub kind: AlertKind,
    /// Of counting, why, in one word: `no_model`; of the camera its kind of trouble.
    pub why: Option<String>,
    /// In a few words: "Not counting".
    pub headline: &'static str,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// What the reader can do.
    pub hint: Option<String>,
    /// Since when, where that is known.
    #[schemars(with = "Option<json::Rfc3339>")]
    pub since: Option<String>,
    /// The camera or counting does not work; else it works, and something is to be done.
    pub bad: bool,
    /// Since when, for people: "14:02"; empty where that is not known.
    #[serde(skip)]
    pub since_words: String,
}

impl Alert {
    /// One of which only this is known.
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
        }
    }

    /// Why, in one word; empty where that is not known.
    pub(super) fn why(&self) -> &str {
        self.why.as_deref().unwrap_or_default()
    }
}

/// The clock on the wall.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalClock {
    pub now_us: u64,
    /// The zone that days and hours are told in.
    pub zone: TimeZone,
    /// The hour, 0–23, at which a day begins.
    pub day_starts: u8,
}

/// How counting is going.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct CountingReport {
    /// One word: `counting`, `idle` (no line), `waiting` (no picture), `off`, `trouble`.
    #[schemars(extend("enum" = ["counting", "idle", "waiting", "off", "trouble"]))]
    pub word: &'static str,
    /// Why it does not count, in one word; `null` while it does.
    pub why: Option<&'static str>,
    /// Since when.
    #[schemars(with = "json::Rfc3339")]
    pub since: String,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// What can be done about it.
    pub hint: Option<String>,
    /// What is not as it was asked for though it may count, in sentences.
    pub notes: Vec<String>,
    /// `onnx`, `motion`, `replay`; empty before one was made.
    pub backend: &'static str,
    /// The name of the model; empty where the back end has none.
    pub model: String,
    /// Looks a second over the last seconds.
    pub looks_per_second: f64,
    /// Looks since the start, and those of them that asked no model, for nothing moved.
    pub looks: u64,
    pub looks_saved: u64,
    /// Median time of a look, in milliseconds.
    pub look_ms: f64,
    pub tracks: usize,
    pub scene: Scene,
    /// Lines of the scene.
    pub lines: usize,
    /// Why counts.db takes no crossings at present.
    pub ledger: Option<String>,
    /// The classes it tells apart.
    #[serde(skip)]
    pub labels: Vec<String>,
    /// Whether the classes mean what things are.
    #[serde(skip)]
    pub tells_classes: bool,
    /// The inference in a look, in milliseconds: the network's part, or the detector's where there is none.
    #[serde(skip)]
    pub inference_ms: f64,
}

/// A zone, and how many are in it now.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ZoneNow {
    #[serde(flatten)]
    pub row: ZoneRow,
    pub occupancy: u32,
}

/// How many were in a zone over a time.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneFigures {
    /// Its number.
    pub id: u64,
    pub name: String,
    /// How many are in it now.
    pub inside: u32,
    /// Bucket by bucket; empty if nothing is known of it.
    pub buckets: Vec<OccupancyRow>,
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
    /// Which part of the program: `source::v4l2`.
    #[serde(rename = "target")]
    pub place: String,
    /// What it said; may have several lines.
    #[serde(rename = "message")]
    pub text: String,
}

/// A form that was sent: its page shows it again, or what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReturnedForm {
    /// The address that it was sent to, without its leading slash: `api/v1/lines/3`.
    pub action: String,
    /// The page's own address, seen from there.
    pub base: String,
    /// The version of what it changes that its page was made of; empty: none.
    pub version: String,
    /// What was typed, in its order.
    pub fields: Vec<(String, String)>,
    /// All of it as one text, for the page that signs in.
    pub kept: String,
    /// Why it was not carried out; `None`: it was.
    pub refusal: Option<RefusalReason>,
}

impl ReturnedForm {
    /// What was typed into the field of this name; the last, where it is there more than once.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().rfind(|(key, _)| key == name).map(|(_, text)| text.as_str())
    }

    /// The number at the end of the address; `None`: it is of something new.
    pub fn id(&self) -> Option<u64> {
        self.action.rsplit('/').next()?.parse().ok()
    }

    /// The reason in one line, with what can be done.
    pub fn said(&self) -> String {
        let Some(RefusalReason { detail, hint, .. }) = &self.refusal else { return String::new() };
        if hint.is_empty() { detail.clone() } else { format!("{detail}: {hint}") }
    }
}

/// What went wrong with something that was sent from a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalReason {
    /// What could not be done and why, in a sentence.
    pub detail: String,
    /// What can be done about it; empty when nothing.
    pub hint: String,
    /// The name of the field that is wrong; empty: none by itself.
    pub field: String,
    /// What is wrong, field by field: name and sentence.
    pub errors: Vec<(String, String)>,
}
