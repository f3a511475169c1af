//! Plain data of `media.db`.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::MediaError;
use tallycam_base::{ClockTime, json};

json::words! {
    MediaKind { Snapshot "snapshot", Recording "recording" }
    MediaOrigin { Asked "asked", Crossing "crossing", TimeLapse "time-lapse", Import "import" }
    RetentionReason { Age "age", Bytes "bytes", Free "free" }
    Ended {
        Asked "asked", Limit "limit", Quiet "quiet", Stopped "stopped", Interrupted "interrupted", Cut "cut"
    }
}

/// The kind of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// One picture.
    Snapshot,
    /// Pictures with their times.
    Recording,
}

/// The reason why an item was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaOrigin {
    /// A request: page, API, command line, or a route of the old program.
    Asked,
    /// A crossing.
    Crossing,
    /// A time-lapse that a user started.
    TimeLapse,
    /// The import of a file.
    Import,
}

/// Suffix of the source of a recording of shown pictures.
pub const AS_SHOWN: &str = ", as shown";

/// A stored snapshot or recording. Its number is never reused.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Item {
    /// Its number, from 1.
    pub id: u64,
    /// Its name: unique, 1–200 characters, all visible, no `/`, not `.` or `..`. Never a path.
    pub name: String,
    /// Its kind.
    pub kind: MediaKind,
    /// Its day, which users see and may change: `2026-11-20`, or the text given on a legacy route (at most 64
    /// characters).
    pub date: String,
    /// When its first picture was taken.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub at_us: u64,
    /// The time is sure. `false` if the machine's clock was not set, or the imported file has no time.
    #[serde(rename = "time_sure")]
    pub is_sure: bool,
    /// When it was added, from which its age counts.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "added", serialize_with = "json::time")]
    pub added_us: u64,
    /// Width of the first picture in pixels.
    pub width: u32,
    /// Height of the first picture in pixels.
    pub height: u32,
    /// From its first picture to its last plus one usual step; 0 for a snapshot.
    #[schemars(with = "f64")]
    #[serde(rename = "duration", serialize_with = "json::seconds")]
    pub duration_us: u64,
    /// Number of pictures; 1 for a snapshot.
    pub frames: u64,
    /// Number of places at which pictures are missing.
    pub gaps: u64,
    /// Bytes of its pictures.
    pub bytes: u64,
    /// The camera's name.
    pub camera: String,
    /// The source, in words: "HD Pro Webcam C920 (/dev/video0)", "simulated scene".
    pub source: String,
    /// Why it was made.
    pub origin: MediaOrigin,
    /// A user's note, at most 2000 characters.
    pub note: String,
    /// It is protected from retention.
    #[serde(rename = "kept")]
    pub is_kept: bool,
    /// It is still being recorded.
    #[serde(rename = "open")]
    pub is_open: bool,
    /// Differs after every change; used for the `ETag`.
    pub version: u64,
}

impl Item {
    /// It is a recording, not a snapshot.
    pub fn is_recording(&self) -> bool {
        self.kind == MediaKind::Recording
    }

    /// It is a recording of shown pictures, not of originals.
    pub fn is_as_shown(&self) -> bool {
        self.source.ends_with(AS_SHOWN)
    }

    /// The cursor of the items after this one, in the order of the query.
    pub fn cursor(&self) -> String {
        format!("{}.{}", self.at_us, self.id)
    }
}

/// A recording under way.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Recorded {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Why it was started.
    pub origin: MediaOrigin,
    /// When it started.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "began", serialize_with = "json::time")]
    pub began_us: u64,
    /// Its length so far.
    #[schemars(with = "f64")]
    #[serde(rename = "duration", serialize_with = "json::seconds")]
    pub duration_us: u64,
    /// Number of pictures on the disk; those of the last second are not yet included.
    pub frames: u64,
    /// Bytes of those pictures.
    pub bytes: u64,
    /// Number of gaps so far.
    pub gaps: u64,
    /// Time between two pictures of a time-lapse.
    #[serde(serialize_with = "json::maybe_span::serialize")]
    #[schemars(with = "Option<f64>")]
    pub every: Option<Duration>,
}

/// A picture to store as a snapshot.
#[derive(Debug, Clone)]
pub struct NewSnapshot {
    /// Its name; `None`: made of date and time. A taken name gets `-2`, `-3` … before its extension with
    /// [`NewSnapshot::may_rename`]; otherwise it is refused.
    pub name: Option<String>,
    /// A taken name may be changed.
    pub may_rename: bool,
    /// Its date as given; `None`: the day of `stamp`.
    pub date: Option<String>,
    /// A whole JPEG.
    pub jpeg: bytes::Bytes,
    /// When it was taken.
    pub stamp: ClockTime,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// See [`Item::source`].
    pub source: String,
    /// See [`Item::origin`].
    pub origin: MediaOrigin,
    /// See [`Item::note`].
    pub note: String,
}

/// A recording to start.
#[derive(Debug, Clone)]
pub struct NewRecording {
    /// As for a snapshot.
    pub name: Option<String>,
    /// As for a snapshot.
    pub may_rename: bool,
    /// As for a snapshot.
    pub date: Option<String>,
    /// The time of its first picture, from which the times in its chunks count.
    pub stamp: ClockTime,
    /// See [`Item::source`].
    pub source: String,
    /// See [`Item::origin`].
    pub origin: MediaOrigin,
    /// See [`Item::note`].
    pub note: String,
}

/// A picture in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkFrame {
    /// Time in microseconds since the recording's stamp; never less than that of the previous picture.
    pub at_us: u64,
    /// Offset of its JPEG in the chunk's bytes.
    pub offset: u32,
    /// Length of its JPEG in bytes.
    pub len: u32,
    /// The source's frame number.
    pub sequence: u64,
}

/// About a second of a recording, the unit of commits. All its pictures have one size. Pictures may be missing only
/// before its first one.
#[derive(Debug, Clone, Default)]
pub struct Chunk {
    /// Its pictures in order, at least one.
    pub frames: Vec<ChunkFrame>,
    /// Their JPEGs, back to back.
    pub jpegs: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pictures are missing between the previous chunk and this one.
    pub is_after_gap: bool,
    /// How long the last picture is shown, in microseconds, if the recording ends with it and that is known.
    /// Otherwise the usual step is used.
    pub last_us: Option<u64>,
}

/// A stored chunk without its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRow {
    /// Its number in the recording, from 0. Numbers increase; dropped chunks leave holes.
    pub number: u64,
    /// Number of pictures before it.
    pub first_frame: u64,
    /// Time of its first picture in microseconds since the recording's stamp.
    pub from_us: u64,
    /// Time of its last picture, likewise.
    pub to_us: u64,
    /// Number of pictures.
    pub frames: u32,
    /// Their bytes.
    pub bytes: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pictures are missing before it.
    pub is_after_gap: bool,
}

/// Why a recording ended, for the log and its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A user stopped it.
    Asked,
    /// Its limit of time or bytes was reached.
    Limit,
    /// No crossing came for long enough.
    Quiet,
    /// The daemon stopped, or `/stop_stream` closed the camera.
    Stopped,
    /// It was found open at a start, after a power cut or a kill.
    Interrupted,
    /// A user or a limit ended it, and its last pictures are lost because the disk failed. The loss is a gap at its
    /// end, outside its chunks.
    Cut,
}

/// Changes to an item; `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaEdit {
    /// The new name.
    pub name: Option<String>,
    /// The new date: `YYYY-MM-DD`, or with `THH:MM` or `THH:MM:SS`, and with `Z` or an offset such as `+01:00` for a
    /// time that is not local. It moves [`Item::at_us`], too; a day alone keeps the time of day.
    pub date: Option<String>,
    /// The new note.
    pub note: Option<String>,
    /// Protect the item from retention, or unprotect it.
    pub is_kept: Option<bool>,
}

/// A query for items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaQuery {
    /// Only this kind.
    pub kind: Option<MediaKind>,
    /// Only items whose name, note, date or camera contains this text, ignoring case.
    pub text: Option<String>,
    /// Only items taken from this time on, in microseconds since 1970.
    pub from_us: Option<u64>,
    /// Only items taken before this time.
    pub to_us: Option<u64>,
    /// Only protected items (`true`) or unprotected ones (`false`).
    pub is_kept: Option<bool>,
    /// The cursor from [`ItemPage::next`] of the previous page.
    pub cursor: Option<String>,
    /// Oldest first, and with a cursor the newer items.
    pub is_upward: bool,
    /// Maximum number of items, 1–1000.
    pub limit: usize,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemPage {
    /// In the order of the query.
    pub items: Vec<Item>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

/// Rules for deleting old media, in seconds and bytes; `null` means no limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RetentionRules {
    /// Maximum age of snapshots.
    #[schemars(with = "Option<f64>")]
    #[serde(with = "json::maybe_span")]
    pub snapshots_age: Option<Duration>,
    /// Maximum size of all snapshots together, in bytes.
    #[serde(rename = "snapshots_size")]
    pub snapshots_bytes: Option<u64>,
    /// Maximum age of recordings.
    #[schemars(with = "Option<f64>")]
    #[serde(with = "json::maybe_span")]
    pub recordings_age: Option<Duration>,
    /// Maximum size of all recordings together, in bytes.
    #[serde(rename = "recordings_size")]
    pub recordings_bytes: Option<u64>,
    /// Bytes that stay free on the file system.
    pub min_free: Option<u64>,
}

/// The rule that deletes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionReason {
    /// The item is too old.
    Age,
    /// Items of its kind have too many bytes.
    Bytes,
    /// The file system has too little room.
    Free,
}

/// The effect of retention at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RetentionPlan {
    /// The items to delete, oldest first, each with its rule.
    pub goes: Vec<(Item, RetentionReason)>,
    /// Why the rules are still not met: all remaining items are protected or open.
    pub unmet: Option<String>,
    /// Why items that are too old are not deleted yet, if so.
    pub waits: Option<ClockWait>,
}

/// Why deletion by age waits for the clock. Deleted items would not come back when a wrong clock is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockWait {
    /// Nothing has confirmed the clock. It is trusted at this time at the latest, in microseconds since 1970.
    Until(u64),
    /// The clock is not set.
    Unset,
}

impl RetentionPlan {
    /// Whether an item goes by age.
    pub(super) fn has_too_old(&self) -> bool {
        self.goes.iter().any(|(_, reason)| *reason == RetentionReason::Age)
    }
}

/// `2 items, 39.0 MB`, with a remark if some of it waits for the clock.
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

/// Room and its use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Storage {
    /// Bytes of `media.db`.
    pub file_bytes: u64,
    /// Unused bytes of the file, which new items use before it grows.
    pub unused_bytes: u64,
    /// Number and bytes of snapshots.
    pub snapshots: (u64, u64),
    /// Number and bytes of recordings.
    pub recordings: (u64, u64),
    /// Bytes of protected items.
    pub kept_bytes: u64,
    /// Bytes of removed items that are not freed yet.
    pub going_bytes: u64,
    /// Files that were set aside.
    pub aside: Vec<AsideFile>,
    /// Free bytes of the file system.
    pub free_bytes: u64,
    /// Total bytes of the file system.
    pub total_bytes: u64,
    /// The ballast is used up, and there is no room to make it again: the disk is full for pictures.
    pub lacks_ballast: bool,
    /// Bytes per day that were added over the last week, or since the first item if it is younger. `None` before the
    /// first hour.
    pub bytes_a_day: Option<f64>,
    /// Days until the room that retention and the file system leave is used, at that rate. `None` if unknown, or if
    /// retention makes room as fast as it is used.
    pub days_left: Option<f64>,
}

/// A store that was set aside.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct AsideFile {
    /// Its name in the store's directory: `media-2026-11-20-145307.db`.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was set aside.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub at_us: u64,
}

/// The status of the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MediaStatus {
    /// Increases with every change of the list of items.
    pub revision: u64,
    /// Why nothing can be stored at present, in words, and the remedy; `None` if all is well.
    pub trouble: Option<(String, Option<String>)>,
    /// The disk is full, or has less than `min_free` and nothing can be deleted.
    pub is_full: bool,
    /// The wall clock is known to be right, so new items have a sure time.
    pub is_clock_sure: bool,
    /// Number of chunks since the start that the disk did not take in time.
    pub chunks_dropped: u64,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckReport {
    /// Number of checked items.
    pub items: u64,
    /// Number of checked chunks.
    pub chunks: u64,
    /// Number of checked pictures. Each must start and end as a JPEG, within its chunk.
    pub pictures: u64,
    /// The faults, a sentence each.
    pub faults: Vec<String>,
    /// The repairs, a sentence each.
    pub repaired: Vec<String>,
}

/// Options of the store.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// The directory of `media.db`; created if missing.
    pub directory: PathBuf,
    /// The camera's name.
    pub camera: String,
    /// The time zone of days.
    pub zone: jiff::tz::TimeZone,
    /// The retention rules.
    pub retention: RetentionRules,
}

/// The result of compacting, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Vacuumed {
    /// Bytes returned to the file system.
    pub freed: u64,
    /// Bytes overwritten with zeros.
    pub wiped: u64,
}

/// A copy of the store that is being made.
#[derive(Debug)]
pub struct Backup {
    /// Total length in bytes.
    pub len: u64,
    /// Its pieces in order. An error ends it; the file is not whole then.
    pub pieces: mpsc::Receiver<Result<Bytes, MediaError>>,
}
