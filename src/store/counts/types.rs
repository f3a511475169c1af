//! counts.db's plain data.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::base::json;
use crate::vision::{Anchor, Direction, Recrossing};

json::words! { Scene { Camera "camera", Files "files", Sim "sim" } }

/// What kind of thing the pictures come from. Crossings and lines of different scenes are never
/// mixed: a demonstration must not end up in a shop's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scene {
    /// A camera: v4l2, libcamera, url, exec.
    #[default]
    Camera,
    /// Files: a folder, a list, a clip.
    Files,
    /// The simulated scene.
    Sim,
}

/// A line as a user describes it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LineDraft {
    /// Its name: 1–60 characters, none of them one that is not seen; unique among the lines of its
    /// scene that are not deleted.
    pub name: String,
    /// Where it begins: x and y in fractions of the picture.
    pub a: [f64; 2],
    /// Where it ends.
    pub b: [f64; 2],
    /// What going in (from the right-hand side of a→b to its left) is called; 1–30 characters.
    pub in_name: String,
    /// What going out is called.
    pub out_name: String,
    /// Names of the classes that are counted; everything if empty.
    pub classes: Vec<String>,
    /// Which point of a box has to pass.
    pub anchor: Anchor,
    /// Whether a track counts once.
    pub recrossing: Recrossing,
}

impl LineDraft {
    /// A line from `a` to `b` with the names "in" and "out", for every class, with the default anchor and recrossing.
    pub fn new(name: impl Into<String>, a: [f64; 2], b: [f64; 2]) -> LineDraft {
        LineDraft {
            name: name.into(),
            a,
            b,
            in_name: String::from("in"),
            out_name: String::from("out"),
            classes: Vec::new(),
            anchor: Anchor::default(),
            recrossing: Recrossing::default(),
        }
    }
}

/// What a detector makes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineStatus {
    /// The line's number.
    pub line: u64,
    /// Its version that was looked at.
    pub version: u64,
    /// Whether anything can be counted on it.
    pub is_able: bool,
}

/// A line on record, and what is told of it. Its number is never given to another one.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LineRow {
    /// Its number, from 1.
    pub id: u64,
    /// Grows with every change: the entity tag.
    pub version: u64,
    /// What the user wants of it.
    #[serde(flatten)]
    pub draft: LineDraft,
    /// The scene it was drawn in; `null`: every scene (lines of the operator's file).
    pub scene: Option<Scene>,
    /// Where the operator's file sets it (`config.toml:112`): the page cannot change it.
    pub pinned: Option<String>,
    /// When it was drawn.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "created", serialize_with = "json::time")]
    pub created_us: u64,
    /// When it was last moved (its ends or anchor changed).
    #[schemars(with = "Option<json::Rfc3339>")]
    #[serde(rename = "moved", serialize_with = "json::maybe_time")]
    pub moved_us: Option<u64>,
    /// When it was deleted; what it counted stays.
    #[schemars(with = "Option<json::Rfc3339>")]
    #[serde(rename = "deleted", serialize_with = "json::maybe_time")]
    pub deleted_us: Option<u64>,
}

impl LineRow {
    /// Whether it counts in `scene`.
    pub fn is_in_scene(&self, scene: Scene) -> bool {
        self.scene.is_none_or(|own| own == scene)
    }
}

/// A zone as a user describes it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ZoneDraft {
    /// Its name, as a line's.
    pub name: String,
    /// Its corners, 3–32, in fractions of the picture.
    #[schemars(length(min = 3, max = 32))]
    pub points: Vec<[f64; 2]>,
    /// Names of the classes that are counted; everything if empty.
    pub classes: Vec<String>,
    /// Which point of a box has to be in it.
    pub anchor: Anchor,
    /// Whether nothing is followed that stands in it; then nothing is counted in it, either.
    pub exclude: bool,
}

/// What was seen in a zone in a few minutes of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OccupancySpan {
    /// The number of the zone.
    pub zone: u64,
    /// The scene that was looked at.
    pub scene: Scene,
    /// When it began, in microseconds of `CLOCK_MONOTONIC`. What is recorded later of the same moment replaces it.
    pub monotonic_us: u64,
    /// Microseconds of it in which the zone was looked at.
    pub watched_us: u64,
    /// The sum over all who were in it of how long, in microseconds.
    pub inside_us: u64,
    /// The most that were in it at once.
    pub peak: u32,
    /// When that was first so, in microseconds after the beginning.
    pub peak_after_us: u64,
}

/// What was seen in a zone in a bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OccupancyRow {
    /// When the bucket begins, wall time in microseconds.
    pub start_us: u64,
    /// Where the next one begins.
    pub end_us: u64,
    /// Microseconds of it in which the zone was looked at.
    pub watched_us: u64,
    /// How many were in it on average while it was looked at.
    pub mean: f64,
    /// The most that were in it at once.
    pub peak: u32,
    /// When that was first so, wall time in microseconds; 0 if nobody was.
    pub peak_us: u64,
}

impl OccupancyRow {
    /// Whether the zone was looked at.
    pub fn is_known(&self) -> bool {
        self.watched_us > 0
    }

    /// The bucket with the most, the first of them; `None` if the zone was looked at in none.
    pub fn highest(buckets: &[OccupancyRow]) -> Option<&OccupancyRow> {
        buckets.iter().rev().filter(|bucket| bucket.is_known()).max_by_key(|bucket| bucket.peak)
    }
}

/// A zone on record, and what is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ZoneRow {
    /// Its number, from 1.
    pub id: u64,
    /// Grows with every change.
    #[serde(skip)]
    pub version: u64,
    /// What the user wants of it.
    #[serde(flatten)]
    pub draft: ZoneDraft,
    /// As a line's.
    pub scene: Option<Scene>,
    /// As a line's.
    pub pinned: Option<String>,
}

impl ZoneRow {
    /// Whether it is watched in `scene`.
    pub fn is_in_scene(&self, scene: Scene) -> bool {
        self.scene.is_none_or(|own| own == scene)
    }
}

/// A crossing that is to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCrossing {
    /// The number of the line.
    pub line: u64,
    /// The scene it happened in.
    pub scene: Scene,
    /// The number of the track, unique within the run of the daemon.
    pub track: u64,
    /// The how-manieth crossing of this line by this track, from 1.
    pub ordinal: u32,
    /// The name of the class.
    pub class: Arc<str>,
    /// Which way.
    pub direction: Direction,
    /// The score, 0–1.
    pub score: f32,
    /// When, in microseconds of `CLOCK_MONOTONIC`; the writer knows what that is in wall time.
    pub monotonic_us: u64,
    /// A small JPEG of who crossed, where the user wants that.
    pub thumbnail: Option<Bytes>,
}

/// A crossing on record, and what is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct StoredCrossing {
    /// Its place in counts.db, from 1, growing: what cursors and event ids are made of.
    pub id: u64,
    /// Which run of the daemon counted it.
    pub run: u64,
    /// The camera's name then.
    #[serde(serialize_with = "text")]
    pub camera: Arc<str>,
    /// The scene.
    pub scene: Scene,
    /// The name of the line, as it is now.
    #[serde(serialize_with = "text")]
    pub line: Arc<str>,
    /// The number of the line.
    pub line_id: u64,
    /// The track.
    pub track: u64,
    /// The how-manieth crossing of this line by this track.
    pub ordinal: u32,
    /// The name of the class.
    #[serde(serialize_with = "text")]
    pub class: Arc<str>,
    /// Which way.
    pub direction: Direction,
    /// The score, 0–1.
    #[serde(serialize_with = "json::score")]
    pub score: f32,
    /// When.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub time_us: u64,
    /// Whether the machine's clock was set then (or was mended since).
    #[serde(rename = "time_sure")]
    pub is_time_sure: bool,
    /// Whether there is a thumbnail.
    #[serde(skip)]
    pub has_thumbnail: bool,
    /// Whether it was found by counting a recording again: it is told to nobody as having just happened.
    #[serde(skip)]
    pub is_recounted: bool,
}

fn text<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

/// Whether counting runs. What is said holds until something else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// It runs, in this scene.
    Counting(Scene),
    /// It does not; one lower-case word why: `paused`, `no_line`, a kind of trouble, `no_model`, `no_class`.
    Not(&'static str),
}

/// A time in which nothing was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Gap {
    /// When it began.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "from", serialize_with = "json::time")]
    pub from_us: u64,
    /// When it ended.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "to", serialize_with = "json::time")]
    pub to_us: u64,
    /// Why, in one word: `paused`, `no_line`, `no_model`, a kind of trouble; `off` while the daemon did not run.
    pub why: String,
}

/// Times in which nothing was counted, of several lines and of each.
#[derive(Debug, Clone, PartialEq)]
pub struct GapsByLine {
    /// When nothing was counted on any of them.
    pub all: Vec<Gap>,
    /// Of each line, in order of numbers, when nothing could be counted on it besides: it was not drawn, the detector
    /// knew none of its classes, or only others were counted again from a recording. May overlap with the times above.
    pub by_line: Vec<(LineRow, Vec<Gap>)>,
}

/// Which crossings are asked for. Newest first unless `oldest_first`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrossingsQuery {
    /// The scene.
    pub scene: Scene,
    /// From this wall time in microseconds on.
    pub from_us: Option<u64>,
    /// Before this wall time.
    pub to_us: Option<u64>,
    /// Of these lines (numbers); all if empty.
    pub lines: Vec<u64>,
    /// Of these classes; all if empty.
    pub classes: Vec<String>,
    /// Of this direction.
    pub direction: Option<Direction>,
    /// Only those after this id in the order asked for: the cursor.
    pub after: Option<u64>,
    /// The order: by id, which is that of recording.
    pub oldest_first: bool,
    /// At most so many, 1–10 000.
    pub limit: usize,
}

impl CrossingsQuery {
    /// The newest `limit` of a scene, whatever they are.
    pub fn newest(scene: Scene, limit: usize) -> CrossingsQuery {
        CrossingsQuery { scene, limit, ..CrossingsQuery::default() }
    }
}

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketSize {
    /// An hour of the clock on the wall.
    Hour,
    /// A day, from the hour that days start at.
    Day,
    /// A week, from Monday.
    Week,
    /// A month of the calendar.
    Month,
    /// All of it in one.
    Total,
}

/// Which counts are asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsQuery {
    /// The scene.
    pub scene: Scene,
    /// From this wall time in microseconds on; begins the bucket it lies in.
    pub from_us: u64,
    /// Before this wall time; ends the bucket it lies in.
    pub to_us: u64,
    /// How long a bucket is.
    pub bucket: BucketSize,
    /// Of these lines (numbers); all, deleted ones too, if empty.
    pub lines: Vec<u64>,
    /// Of these classes; all if empty.
    pub classes: Vec<String>,
    /// Only what is between these hours; `None`: all day.
    pub hours: Option<super::OpeningHours>,
}

/// How many of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The number of the line.
    pub line_id: u64,
    /// Its name as it is now.
    pub line: Arc<str>,
    /// The name of the class.
    pub class: Arc<str>,
    /// Which way.
    pub direction: Direction,
    /// How many, at least 1.
    pub count: u64,
}

/// One bucket of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketRow {
    /// Wall time in microseconds; buckets follow each other without a hole.
    pub start_us: u64,
    /// Where the next one begins.
    pub end_us: u64,
    /// The share of it, 0–1, in which counting ran; of the bucket that is under way, the share of
    /// what has passed.
    pub covered: f64,
    /// What was counted; nothing that is 0.
    pub counts: Vec<Count>,
}

/// The sums of one line since the day began or it was reset, whichever was later.
#[derive(Debug, Clone, PartialEq)]
pub struct TallyRow {
    /// The number of the line.
    pub line_id: u64,
    /// Its name.
    pub line: Arc<str>,
    /// How many went in.
    pub count_in: u64,
    /// How many went out.
    pub count_out: u64,
    /// `count_in − count_out`, not below 0.
    pub inside: u64,
    /// Since when, wall time in microseconds.
    pub since_us: u64,
    /// By class, in order of names: class, in, out.
    pub by_class: Vec<(Arc<str>, u64, u64)>,
}

/// Today's sums, of the lines of the scene that is counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tallies {
    /// When the day began, wall time in microseconds.
    pub day_us: u64,
    /// In the order of lines; deleted lines are not among them.
    pub lines: Vec<TallyRow>,
}

/// Counting was set to zero by somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Reset {
    /// Its number.
    pub id: u64,
    /// When.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub time_us: u64,
    /// Of which line; `null`: of all.
    pub line_id: Option<u64>,
}
