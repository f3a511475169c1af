//! The databases: counts in `counts.db`, snapshots and recordings in `media.db`. The only module that names SQLite.
//!
//! One thread writes each file and owns its connection. Readers have read-only connections and block, so they belong
//! on threads that may block. Nothing here knows a camera or a socket.
//!
//! ```text
//! crossings ─► Counts ─► [thread: writer] ─► counts.db ─► CountsReader ─► pages, API
//! pictures ──► Media ──► [thread: writer] ─► media.db ──► MediaReader ──► pages, API
//! ```
//!
//! ```
//! use tallycam_store::{Counts, CountsOptions, CountsReader, LineDraft};
//!
//! let folder = tempfile::tempdir()?;
//! let options = CountsOptions {
//!     directory: folder.path().to_owned(),
//!     camera: String::from("street"),
//!     zone: jiff::tz::TimeZone::UTC,
//!     day_starts: 0,
//! };
//! let (counts, writer) = Counts::open(options.clone())?;
//! let line = LineDraft {
//!     name: String::from("Door"),
//!     a: [0.5, 1.0],
//!     b: [0.5, 0.0],
//!     in_name: String::from("in"),
//!     out_name: String::from("out"),
//!     classes: Vec::new(),
//!     anchor: Default::default(),
//!     recrossing: Default::default(),
//! };
//! counts.pin(vec![(line, String::from("config.toml:1"))], Vec::new())?;
//! assert_eq!(CountsReader::open(&options)?.lines()?[0].draft.name, "Door");
//! counts.stop();
//! writer.join_within(std::time::Duration::from_secs(10))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod backup;
mod clock_correction;
mod counts;
mod inbox;
pub mod media;
mod sqlite;

pub use counts::{
    AuditEntry, AuditKind, AuditRow, BucketRow, BucketSize, CauseAdvice, CheckAdvice, CheckDraft, CheckEvent,
    CheckSetup, CheckTaps, CheckVerdict, CheckedShare, Count, Counts, CountsOptions, CountsQuery,
    CountsReader, Coverage, CrossingChange, CrossingMark, CrossingsQuery, EditError, FlowCount, FlowEnds,
    FlowRow, FoundAgain, Gap, GapsByLine, GoneCrossing, LineCheck, LineCrossed, LineDistance, LineDraft,
    LineRow, LineStatus, MOST_BUCKETS, MOST_TRIED_FPS, MeasuredSpeed, NewCheck, NewCrossing, NewMovement,
    NewStay, OccupancyRow, OccupancySpan, OpeningHours, Recount, RecountResult, Reset, Scene, SpeedRow,
    StayRow, StoreError, StoredCrossing, Tallies, TallyRow, TrialFigures, Unpinned, ZoneDraft, ZoneRow,
    is_open,
};

#[cfg(fuzzing)]
pub use counts::fuzz::fuzz_drafts;

/// Words that the rows of `counts.db` use, and the grid of movement maps.
pub use tallycam_vision::{Anchor, Direction, MOVEMENT_GRID, MissCause, Recrossing, TrialChange};
