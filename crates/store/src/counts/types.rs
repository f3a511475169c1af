//! Plain data of `counts.db`.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use tallycam_base::json;
use tallycam_vision::{Anchor, Direction, Recrossing};

json::words! { Scene { Camera "camera", Files "files", Sim "sim" } }

/// The source class of frames. Crossings and lines of different scenes are never mixed: a demonstration must not end
/// up in a shop's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scene {
    /// A camera: v4l2, libcamera, url, exec.
    #[default]
    Camera,
    /// Files: a folder, a list, a clip.
    Files,
    /// The simulation.
    Sim,
}

/// A line as a user describes it. Its name has 1–60 characters, all visible, and is unique among the lines of its scene
/// that are not deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LineDraft {
    /// A name.
    pub name: String,
    /// Start: x and y in fractions of the frame.
    pub a: [f64; 2],
    /// End: x and y in fractions of the frame.
    pub b: [f64; 2],
    /// The name of the direction in, from the right-hand side of a→b to its left; 1–30 characters.
    #[serde(default = "inwards")]
    pub in_name: String,
    /// The name of the direction out; 1–30 characters.
    #[serde(default = "outwards")]
    pub out_name: String,
    /// Names of the classes that are counted; all if empty.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The point of a box that must cross the line.
    #[serde(default)]
    pub anchor: Anchor,
    /// Whether the same object counts each time it crosses.
    #[serde(default)]
    pub recrossing: Recrossing,
}

fn inwards() -> String {
    String::from("in")
}

fn outwards() -> String {
    String::from("out")
}

impl LineDraft {
    /// A line from `a` to `b` with the directions "in" and "out", for all classes, with the default anchor and
    /// recrossing.
    pub fn new(name: impl Into<String>, a: [f64; 2], b: [f64; 2]) -> LineDraft {
        LineDraft {
            name: name.into(),
            a,
            b,
            in_name: inwards(),
            out_name: outwards(),
            classes: Vec::new(),
            anchor: Anchor::default(),
            recrossing: Recrossing::default(),
        }
    }
}

/// A detector's verdict on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineStatus {
    /// The line's number.
    pub line: u64,
    /// The judged version of the line.
    pub version: u64,
    /// The detector knows a class that the line counts.
    pub is_able: bool,
}

/// A stored line. Its number is never reused.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LineRow {
    /// Its number, from 1.
    pub id: u64,
    /// Increases with every change; the entity tag.
    pub version: u64,
    /// The user's values.
    #[serde(flatten)]
    pub draft: LineDraft,
    /// The scene in which it was drawn; `null` for all scenes (lines of the operator's file).
    pub scene: Option<Scene>,
    /// The place in the operator's file that sets it (`config.toml:112`). The page cannot change it then.
    pub pinned: Option<String>,
    /// When it was drawn.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "created", serialize_with = "json::time")]
    pub created_us: u64,
    /// When its ends or its count point were last changed. A turned or cropped picture does not count.
    #[schemars(with = "Option<json::Rfc3339>")]
    #[serde(rename = "moved", serialize_with = "json::maybe_time")]
    pub moved_us: Option<u64>,
    /// When it was deleted; its counts stay.
    #[schemars(with = "Option<json::Rfc3339>")]
    #[serde(rename = "deleted", serialize_with = "json::maybe_time")]
    pub deleted_us: Option<u64>,
}

impl LineRow {
    /// Whether it counts in `scene`.
    pub fn is_in_scene(&self, scene: Scene) -> bool {
        self.scene.is_none_or(|own| own == scene)
    }

    /// The simulation brought it along, and nobody has changed it.
    pub fn is_given(&self) -> bool {
        self.scene == Some(Scene::Sim) && self.version == 1 && self.draft.name == GIVEN_LINE
    }
}

/// The name of the line that the simulation brings along.
pub(crate) const GIVEN_LINE: &str = "Middle of the street";

/// A zone as a user describes it. The rules for its name are those of a line's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ZoneDraft {
    /// A name.
    pub name: String,
    /// Its corners, 3–32, in fractions of the frame.
    #[schemars(length(min = 3, max = 32))]
    pub points: Vec<[f64; 2]>,
    /// Names of the classes that are counted; all if empty.
    #[serde(default)]
    pub classes: Vec<String>,
    /// The point of a box that must be in the zone.
    #[serde(default)]
    pub anchor: Anchor,
    /// Nothing in the zone is tracked, and so nothing is counted there.
    #[serde(default)]
    pub exclude: bool,
}

/// The occupancy of a zone in a few minutes of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OccupancySpan {
    /// The number of the zone.
    pub zone: u64,
    /// The scene.
    pub scene: Scene,
    /// Start in microseconds of `CLOCK_MONOTONIC`. A later record with the same start replaces this one.
    pub monotonic_us: u64,
    /// Microseconds in which the zone was watched.
    pub watched_us: u64,
    /// Sum of the times of all objects in the zone, in microseconds.
    pub inside_us: u64,
    /// Maximum number of objects at once.
    pub peak: u32,
    /// Microseconds from the start to the first such moment.
    pub peak_after_us: u64,
}

/// The occupancy of a zone in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OccupancyRow {
    /// Start of the bucket, wall time in microseconds.
    pub start_us: u64,
    /// Start of the next bucket.
    pub end_us: u64,
    /// Microseconds in which the zone was watched.
    pub watched_us: u64,
    /// Mean number of objects in the watched time.
    pub mean: f64,
    /// Maximum number of objects at once.
    pub peak: u32,
    /// Wall time in microseconds of the first such moment; 0 without objects.
    pub peak_us: u64,
}

impl OccupancyRow {
    /// Whether the zone was watched.
    pub fn is_known(&self) -> bool {
        self.watched_us > 0
    }

    /// The bucket with the highest peak, the first of equal ones; `None` if the zone was never watched.
    pub fn highest(buckets: &[OccupancyRow]) -> Option<&OccupancyRow> {
        buckets.iter().rev().filter(|bucket| bucket.is_known()).max_by_key(|bucket| bucket.peak)
    }
}

/// A stored zone.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct ZoneRow {
    /// Its number, from 1.
    pub id: u64,
    /// Increases with every change.
    #[serde(skip)]
    pub version: u64,
    /// The user's values.
    #[serde(flatten)]
    pub draft: ZoneDraft,
    /// The scene in which it was drawn; `null` for all scenes (zones of the operator's file).
    pub scene: Option<Scene>,
    /// The place in the operator's file that sets it; the page cannot change it then.
    pub pinned: Option<String>,
    /// First and second side in metres, if the four corners are a rectangle on the ground: lines near it tell speeds.
    pub ground: Option<[f64; 2]>,
}

impl ZoneRow {
    /// Whether it is watched in `scene`.
    pub fn is_in_scene(&self, scene: Scene) -> bool {
        self.scene.is_none_or(|own| own == scene)
    }
}

/// A crossing to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCrossing {
    /// The number of the line.
    pub line: u64,
    /// The scene.
    pub scene: Scene,
    /// The number of the track, unique within the daemon's run.
    pub track: u64,
    /// The number of this crossing among those of this track and line, from 1.
    pub ordinal: u32,
    /// The name of the class.
    pub class: Arc<str>,
    /// The direction.
    pub direction: Direction,
    /// The score, 0–1.
    pub score: f32,
    /// The time in microseconds of `CLOCK_MONOTONIC`; the writer converts it to wall time.
    pub monotonic_us: u64,
    /// Speed on the ground in kilometres an hour; `None` if unknown.
    pub kmh: Option<f32>,
    /// A small JPEG of the object, if the user wants thumbnails.
    pub thumbnail: Option<Bytes>,
}

/// A stored crossing.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct StoredCrossing {
    /// Identifies the counts.db: another one after a factory reset or a restore. A crossing is known everywhere by
    /// (ledger, id).
    #[serde(serialize_with = "text")]
    pub ledger: Arc<str>,
    /// Its number in counts.db, from 1 and increasing; used for cursors and event IDs.
    pub id: u64,
    /// Its place in the order of changes, the cursor of `since`: the id, or a later number once its time was corrected
    /// or it was marked.
    pub seq: u64,
    /// The run of the daemon that counted it.
    pub run: u64,
    /// The camera's name at that time.
    #[serde(serialize_with = "text")]
    pub camera: Arc<str>,
    /// The scene.
    pub scene: Scene,
    /// The current name of the line.
    #[serde(serialize_with = "text")]
    pub line: Arc<str>,
    /// The number of the line.
    pub line_id: u64,
    /// The number of the track.
    pub track: u64,
    /// The number of this crossing among those of this track and line, from 1.
    pub ordinal: u32,
    /// The name of the class.
    #[serde(serialize_with = "text")]
    pub class: Arc<str>,
    /// The direction.
    pub direction: Direction,
    /// The score, 0–1.
    #[serde(serialize_with = "json::score")]
    pub score: f32,
    /// The time of the crossing.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub time_us: u64,
    /// The time is sure: the machine's clock was right, or has been corrected since.
    #[serde(rename = "time_sure")]
    pub is_time_sure: bool,
    /// Somebody marked it as wrong.
    #[serde(rename = "wrong")]
    pub is_wrong: bool,
    /// It is wrong, and the sums leave it out.
    #[serde(rename = "excluded")]
    pub is_excluded: bool,
    /// A thumbnail is stored.
    #[serde(skip)]
    pub has_thumbnail: bool,
    /// It was found by a recount, so it is not announced as a new event.
    #[serde(skip)]
    pub is_recounted: bool,
}

/// A person's verdict on a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossingMark {
    /// It is right.
    Right,
    /// It is wrong, and still in the sums.
    Wrong,
    /// It is wrong, and the sums leave it out.
    Excluded,
}

/// A crossing that a recount took back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct GoneCrossing {
    /// Identifies the counts.db.
    #[serde(serialize_with = "text")]
    pub ledger: Arc<str>,
    /// The number of the crossing.
    pub id: u64,
    /// Its place in the order of changes.
    pub seq: u64,
    /// Always true.
    #[serde(rename = "gone")]
    pub is_gone: bool,
}

/// A row of [`super::CountsReader::changes`].
#[derive(Debug, Clone, PartialEq)]
pub enum CrossingChange {
    /// A new crossing, or a stored one with its corrected time or its mark.
    Stored(StoredCrossing),
    /// A crossing that is no longer stored.
    Gone(GoneCrossing),
}

impl CrossingChange {
    /// Its place in the order of changes.
    pub fn seq(&self) -> u64 {
        match self {
            CrossingChange::Stored(crossing) => crossing.seq,
            CrossingChange::Gone(gone) => gone.seq,
        }
    }
}

fn text<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

/// Whether counting runs. A value holds until the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// Counting runs in this scene.
    Counting(Scene),
    /// Counting does not run, for this reason, a lower-case word: `paused`, `no_line`, a kind of fault, `no_model`,
    /// `no_class`.
    Not(&'static str),
}

/// A time in which nothing was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Gap {
    /// Start.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "from", serialize_with = "json::time")]
    pub from_us: u64,
    /// End.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "to", serialize_with = "json::time")]
    pub to_us: u64,
    /// The reason, one word: `paused`, `no_line`, `no_model`, a kind of fault; `off` while the service did not run.
    pub why: String,
}

/// The gaps of several lines, together and for each.
#[derive(Debug, Clone, PartialEq)]
pub struct GapsByLine {
    /// Times in which none of them was counted.
    pub all: Vec<Gap>,
    /// Further gaps of each line, by line number. The line was not drawn, the detector knew none of its classes, or
    /// only other lines were recounted from a recording. May overlap with `all`.
    pub by_line: Vec<(LineRow, Vec<Gap>)>,
}

/// A query for crossings. Newest first unless `oldest_first`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CrossingsQuery {
    /// The scene; `None` for all.
    pub scene: Option<Scene>,
    /// The first wall time in microseconds.
    pub from_us: Option<u64>,
    /// The end of the time, which is excluded; wall time in microseconds.
    pub to_us: Option<u64>,
    /// Numbers of lines; all if empty.
    pub lines: Vec<u64>,
    /// Names of classes; all if empty.
    pub classes: Vec<String>,
    /// The direction; `None` for both.
    pub direction: Option<Direction>,
    /// The cursor: only crossings after this number, in the order of the query.
    pub after: Option<u64>,
    /// Sort by number, the order of storing.
    pub oldest_first: bool,
    /// Maximum number of crossings, 1–10 000.
    pub limit: usize,
}

impl CrossingsQuery {
    /// The newest `limit` crossings of a scene, or of all.
    pub fn newest(scene: impl Into<Option<Scene>>, limit: usize) -> CrossingsQuery {
        CrossingsQuery { scene: scene.into(), limit, ..CrossingsQuery::default() }
    }
}

/// The size of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketSize {
    /// This many minutes of the wall clock, a divisor of an hour.
    Minutes(u8),
    /// An hour of the wall clock.
    Hour,
    /// A day, from the hour at which days start.
    Day,
    /// A week, from Monday.
    Week,
    /// A calendar month.
    Month,
    /// The whole time as one bucket.
    Total,
}

/// A query for counts.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsQuery {
    /// The scene.
    pub scene: Scene,
    /// A wall time in microseconds, in the first bucket.
    pub from_us: u64,
    /// The end of the time, which is excluded; the moment before it is in the last bucket.
    pub to_us: u64,
    /// The size of a bucket.
    pub bucket: BucketSize,
    /// Numbers of lines; all if empty, including deleted ones.
    pub lines: Vec<u64>,
    /// Names of classes; all if empty.
    pub classes: Vec<String>,
    /// Only the time between these hours; `None`: all day.
    pub hours: Option<super::OpeningHours>,
}

/// The number of crossings of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The number of the line.
    pub line_id: u64,
    /// The current name of the line.
    pub line: Arc<str>,
    /// The name of the class.
    pub class: Arc<str>,
    /// The direction.
    pub direction: Direction,
    /// The number of crossings, at least 1.
    pub count: u64,
}

/// A bucket of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct BucketRow {
    /// Start, wall time in microseconds; buckets are consecutive.
    pub start_us: u64,
    /// Start of the next bucket.
    pub end_us: u64,
    /// Share of the bucket in which counting ran, 0–1; in the current bucket, of the part that has passed.
    pub covered: f64,
    /// The counts, without those that are 0.
    pub counts: Vec<Count>,
}

/// The sums of one line since the start of the day or its reset, whichever was later.
#[derive(Debug, Clone, PartialEq)]
pub struct TallyRow {
    /// The number of the line.
    pub line_id: u64,
    /// The name of the line.
    pub line: Arc<str>,
    /// Number of crossings in.
    pub count_in: u64,
    /// Number of crossings out.
    pub count_out: u64,
    /// The number inside at [`TallyRow::inside_since_us`], plus crossings in, minus crossings out since then, plus
    /// [`TallyRow::corrected`].
    pub inside: u64,
    /// Number of crossings out since then while nobody was inside. Somebody came in unseen before each.
    pub corrected: u64,
    /// The highest number inside since then, and its wall time in microseconds.
    pub peak: (u64, u64),
    /// When that was set, or the start of the day; wall time in microseconds.
    pub inside_since_us: u64,
    /// Number of all crossings in, of all time. Neither a reset nor a recount lowers it.
    pub total_in: u64,
    /// Number of all crossings out, likewise.
    pub total_out: u64,
    /// Start of the sums, wall time in microseconds.
    pub since_us: u64,
    /// Class, in and out, by class name.
    pub by_class: Vec<(Arc<str>, u64, u64)>,
}

/// Today's sums of the lines of the current scene.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tallies {
    /// Start of the day, wall time in microseconds.
    pub day_us: u64,
    /// The lines in their order, without deleted ones.
    pub lines: Vec<TallyRow>,
    /// The highest number inside all lines together, and its wall time in microseconds.
    pub peak: (u64, u64),
}

/// A reset of counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Reset {
    /// Its number.
    pub id: u64,
    /// When the counters were reset.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub time_us: u64,
    /// The number of the line; `null` for all lines.
    pub line_id: Option<u64>,
    /// The number that is inside since then, if only that was set; `null` if the counters were set to zero.
    pub inside: Option<u64>,
}
