//! What is kept of pictures, as plain data.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::MediaError;
use crate::base::{ClockTime, json};

json::words! {
    MediaKind { Snapshot "snapshot", Recording "recording" }
    MediaOrigin { Asked "asked", Crossing "crossing", TimeLapse "time-lapse", Import "import" }
    RetentionReason { Age "age", Bytes "bytes", Free "free" }
    Ended {
        Asked "asked", Limit "limit", Quiet "quiet", Stopped "stopped", Interrupted "interrupted", Cut "cut"
    }
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// One picture.
    Snapshot,
    /// Pictures with their times.
    Recording,
}

/// What had an item made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaOrigin {
    /// Somebody asked for it: page, API, command line, an old route.
    Asked,
    /// A crossing.
    Crossing,
    /// A time-lapse that somebody began.
    TimeLapse,
    /// It was brought in as a file.
    Import,
}

/// One row of the index, and what is told of it. Its number is never given to another one.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Item {
    /// Its number, from 1.
    pub id: u64,
    /// Its name: unique, 1–200 characters, no control character nor another that is not seen, no `/`, not `.` or `..`.
    /// Never a path.
    pub name: String,
    /// What it is.
    pub kind: MediaKind,
    /// The day that people see and may change: `2026-11-20`, or whatever an old route was given (at most 64
    /// characters).
    pub date: String,
    /// When its first picture was taken.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub at_us: u64,
    /// `false`: the machine's clock was not set then, or the file that was taken in tells no time.
    #[serde(rename = "time_sure")]
    pub is_sure: bool,
    /// When it came into the store: what its age is counted from.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "added", serialize_with = "json::time")]
    pub added_us: u64,
    /// Pixels in a row, of the first picture.
    pub width: u32,
    /// Rows, of the first picture.
    pub height: u32,
    /// From its first picture to its last plus one usual step; 0 for a snapshot.
    #[schemars(with = "f64")]
    #[serde(rename = "duration", serialize_with = "json::seconds")]
    pub duration_us: u64,
    /// Pictures in it; 1 for a snapshot.
    pub frames: u64,
    /// Places at which pictures are missing.
    pub gaps: u64,
    /// Bytes of its pictures.
    pub bytes: u64,
    /// The camera's name.
    pub camera: String,
    /// What the pictures came from, in words: "HD Pro Webcam C920 (/dev/video0)", "simulated scene".
    pub source: String,
    /// What had it made.
    pub origin: MediaOrigin,
    /// What somebody wrote about it, at most 2000 characters.
    pub note: String,
    /// Retention leaves it alone.
    #[serde(rename = "kept")]
    pub is_kept: bool,
    /// It is still being recorded.
    #[serde(rename = "open")]
    pub is_open: bool,
    /// Changed by every change: what an `ETag` is made of.
    pub version: u64,
}

/// A recording under way.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Recorded {
    /// Its number.
    pub id: u64,
    pub name: String,
    /// What had it made.
    pub origin: MediaOrigin,
    /// When it began.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "began", serialize_with = "json::time")]
    pub began_us: u64,
    /// How long it is so far.
    #[schemars(with = "f64")]
    #[serde(rename = "duration", serialize_with = "json::seconds")]
    pub duration_us: u64,
    /// Pictures on the disk so far: those of the last second are on their way.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Gaps so far.
    pub gaps: u64,
    /// Between two pictures of a time-lapse.
    #[serde(serialize_with = "json::maybe_span::serialize")]
    #[schemars(with = "Option<f64>")]
    pub every: Option<Duration>,
}

/// A picture that is to become a snapshot.
#[derive(Debug, Clone)]
pub struct NewSnapshot {
    /// Its name; `None`: made of date and time. A taken one gets `-2`, `-3` … before its extension if
    /// [`NewSnapshot::may_rename`], else it is refused.
    pub name: Option<String>,
    /// Whether a taken name may be changed.
    pub may_rename: bool,
    /// Its date as given; `None`: the day of `stamp`.
    pub date: Option<String>,
    /// A whole JPEG.
    pub jpeg: bytes::Bytes,
    /// When it was taken.
    pub stamp: ClockTime,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// See [`Item::source`].
    pub source: String,
    /// See [`Item::origin`].
    pub origin: MediaOrigin,
    /// See [`Item::note`].
    pub note: String,
}

/// A recording that begins.
#[derive(Debug, Clone)]
pub struct NewRecording {
    /// As for a snapshot.
    pub name: Option<String>,
    /// As for a snapshot.
    pub may_rename: bool,
    /// As for a snapshot.
    pub date: Option<String>,
    /// When its first picture was (or will be) taken: times in its chunks count from here.
    pub stamp: ClockTime,
    /// See [`Item::source`].
    pub source: String,
    /// See [`Item::origin`].
    pub origin: MediaOrigin,
    /// See [`Item::note`].
    pub note: String,
}

/// One picture in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkFrame {
    /// Since the recording's own stamp, in microseconds; never less than the one before.
    pub at_us: u64,
    /// Where its JPEG begins in the chunk's bytes.
    pub offset: u32,
    /// Bytes of its JPEG.
    pub len: u32,
    /// The source's number of the frame.
    pub sequence: u64,
}

/// About a second of a recording: what is committed at once. All its pictures have one size; pictures are missing
/// only before its first, never within.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// Its pictures in order, at least one.
    pub frames: Vec<ChunkFrame>,
    /// Their JPEGs, back to back.
    pub jpegs: Vec<u8>,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether pictures are missing between the chunk before and this one.
    pub is_after_gap: bool,
    /// How long the last picture is shown, microseconds, where the recording ends with it and that is known; else as
    /// long as is usual in it.
    pub last_us: Option<u64>,
}

/// What is known of a stored chunk without its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRow {
    /// Its number in the recording, from 0. Numbers grow; those that were dropped are missing.
    pub number: u64,
    /// How many pictures come before it.
    pub first_frame: u64,
    /// Time of its first picture since the recording's stamp, microseconds.
    pub from_us: u64,
    /// Time of its last picture.
    pub to_us: u64,
    /// Pictures in it.
    pub frames: u32,
    /// Bytes of them.
    pub bytes: u32,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Pictures are missing before it.
    pub is_after_gap: bool,
}

/// Why a recording has ended, for the log and its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody stopped it.
    Asked,
    /// Its limit of time or bytes was reached.
    Limit,
    /// Nothing has crossed for long enough.
    Quiet,
    /// The daemon stopped, or the camera was let go by `/stop_stream`.
    Stopped,
    /// It was found open at a start: a power cut, a kill.
    Interrupted,
    /// Somebody stopped it, or a limit did, and its last pictures are lost: the disk took no more. That is a gap at its
    /// end, which none of its chunks tells.
    Cut,
}

/// What is to be changed of an item; `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaEdit {
    /// Its name.
    pub name: Option<String>,
    /// Its date: `YYYY-MM-DD`, or with `THH:MM` or `THH:MM:SS`, and with `Z` or an offset such as `+01:00` where the
    /// time is not the local one. It moves [`Item::at_us`], too (a day alone keeps the time of day).
    pub date: Option<String>,
    /// Its note.
    pub note: Option<String>,
    /// Whether retention leaves it alone.
    pub is_kept: Option<bool>,
}

/// Which items, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaQuery {
    /// Only of this kind.
    pub kind: Option<MediaKind>,
    /// Only those whose name, note, date or camera contains this, letters alike in both cases.
    pub text: Option<String>,
    /// Only those taken from this time on, microseconds since 1970.
    pub from_us: Option<u64>,
    /// Only those taken before this time.
    pub to_us: Option<u64>,
    /// Only those that retention leaves alone (`true`) or may take (`false`).
    pub is_kept: Option<bool>,
    /// Where the page before ended: `next` of it.
    pub cursor: Option<String>,
    /// At most so many, 1–1000.
    pub limit: usize,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemPage {
    /// Newest first.
    pub items: Vec<Item>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// What is kept how long, in seconds and bytes; `null` is without limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RetentionRules {
    /// Snapshots older than this go.
    #[schemars(with = "Option<f64>")]
    #[serde(with = "json::maybe_span")]
    pub snapshots_age: Option<Duration>,
    /// Snapshots together are at most so many bytes.
    #[serde(rename = "snapshots_size")]
    pub snapshots_bytes: Option<u64>,
    /// Recordings older than this go.
    #[schemars(with = "Option<f64>")]
    #[serde(with = "json::maybe_span")]
    pub recordings_age: Option<Duration>,
    /// Recordings together are at most so many bytes.
    #[serde(rename = "recordings_size")]
    pub recordings_bytes: Option<u64>,
    /// The file system keeps so many bytes free.
    pub min_free: Option<u64>,
}

/// Why retention takes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionReason {
    /// It is too old.
    Age,
    /// There are too many bytes of its kind.
    Bytes,
    /// The file system has too little room.
    Free,
}

/// What retention would do now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetentionPlan {
    /// What goes, oldest first, and why.
    pub goes: Vec<(Item, RetentionReason)>,
    /// Why the rules cannot be met even so: all that is left is kept, or open.
    pub unmet: Option<String>,
    /// What of it is too old does not go yet.
    pub waits: Option<ClockWait>,
}

/// What keeps all that is too old from going: what is removed does not come back when the clock does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockWait {
    /// Nothing has confirmed the clock: it is believed when something does, at the latest at this time, in microseconds
    /// since 1970.
    Until(u64),
    /// The clock is not set.
    Unset,
}

impl RetentionPlan {
    /// Whether something goes by its age.
    pub(super) fn has_too_old(&self) -> bool {
        self.goes.iter().any(|(_, reason)| *reason == RetentionReason::Age)
    }
}

/// `2 items, 39.0 MB`, and that some of it waits for the clock
impl std::fmt::Display for RetentionPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.goes.iter().map(|(item, _)| item.bytes).sum();
        let items = if self.goes.len() == 1 { "item" } else { "items" };
        write!(f, "{} {items}, {}", self.goes.len(), super::retention::bytes(bytes))?;
        match self.waits {
            Some(ClockWait::Until(_)) => f.write_str(
                " (what is too old as soon as the clock is confirmed, at the latest an hour after it was last set)",
            ),
            Some(ClockWait::Unset) => f.write_str(" (what is too old as soon as the clock is set)"),
            None => Ok(()),
        }
    }
}

/// How much room there is and what has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Storage {
    /// Bytes of `media.db`.
    pub file_bytes: u64,
    /// Of these, bytes that new items will use before the file grows.
    pub unused_bytes: u64,
    /// Snapshots: how many, and bytes.
    pub snapshots: (u64, u64),
    /// Recordings: how many, and bytes.
    pub recordings: (u64, u64),
    /// Bytes of items that retention leaves alone.
    pub kept_bytes: u64,
    /// Bytes of items that are gone and whose room is being freed.
    pub going_bytes: u64,
    /// Files that were set aside.
    pub aside: Vec<AsideFile>,
    /// Bytes that the file system has free for us.
    pub free_bytes: u64,
    /// Bytes of the file system.
    pub total_bytes: u64,
    /// Bytes a day that were added over the last week (or since the first item, if that is less than a week ago);
    /// `None` before there is an hour of experience.
    pub bytes_a_day: Option<f64>,
    /// Days until the room that retention and the file system leave is used up, at that rate; `None`: not known, or
    /// retention makes room as fast as it is used.
    pub days_left: Option<f64>,
}

/// A store that was set aside by `new`.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AsideFile {
    /// Its name in the store's directory: `media-2026-11-20-145307.db`.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was set aside.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub at_us: u64,
}

/// How the store is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaStatus {
    /// Grows with every change of the list of items.
    pub revision: u64,
    /// Why nothing can be kept at the moment, in words, with what to do; `None`: all is well.
    pub trouble: Option<(String, Option<String>)>,
    /// The disk is full, or has less than `min_free` and nothing may go.
    pub is_full: bool,
    /// The wall clock is known to be right: what is kept now has a time that is sure.
    pub is_clock_sure: bool,
    /// Chunks that the disk did not take in time, since the start.
    pub chunks_dropped: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckReport {
    /// Items looked at.
    pub items: u64,
    /// Chunks looked at.
    pub chunks: u64,
    /// Pictures looked at (each begins and ends as a JPEG, each within its chunk).
    pub pictures: u64,
    /// What is wrong, one sentence each.
    pub faults: Vec<String>,
    /// What was mended, one sentence each.
    pub mended: Vec<String>,
}

/// How the store is kept.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// The directory in which `media.db` lies; made if it is not there.
    pub directory: PathBuf,
    /// The camera's name.
    pub camera: String,
    /// The time zone that days are told in.
    pub zone: jiff::tz::TimeZone,
    /// What is kept how long.
    pub retention: RetentionRules,
}

/// What became of unused room, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Vacuumed {
    /// Given back to the file system.
    pub freed: u64,
    /// Overwritten with zeros.
    pub wiped: u64,
}

/// A copy of the store under way.
#[derive(Debug)]
pub struct Backup {
    /// Bytes it has in all.
    pub len: u64,
    /// Its pieces in order. An error ends it: what came is not a whole file.
    pub pieces: mpsc::Receiver<Result<Bytes, MediaError>>,
}
