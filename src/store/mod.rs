//! The databases: counts in `counts.db`, snapshots and recordings in `media.db`. The only module that names SQLite.
//!
//! One thread writes each file and owns its connection. Readers have read-only connections and block, so they belong
//! on threads that may block. Nothing here knows a camera or a socket.

pub mod backup;
mod clock_correction;
pub mod counts;
mod inbox;
pub mod media;
mod sqlite;

pub use counts::{
    AuditEntry, AuditKind, AuditRow, BucketRow, BucketSize, Count, Counts, CountsOptions, CountsQuery,
    CountsReader, Coverage, CrossingsQuery, EditError, FoundAgain, Gap, GapsByLine, LineDraft, LineRow,
    LineStatus, MOST_BUCKETS, MOST_RECOUNTED, NewCrossing, OccupancyRow, OccupancySpan, OpeningHours,
    Recount, RecountResult, Reset, Scene, StoreError, StoredCrossing, Tallies, TallyRow, Unpinned, ZoneDraft,
    ZoneRow, is_open,
};

/// Words that the rows of `counts.db` use.
pub use crate::vision::{Anchor, Direction, Recrossing};
