//! What is kept: counts.db of counts in `counts.db`, snapshots and recordings in `media.db`. The only module that
//! names SQLite.
//!
//! One thread writes each file and owns its connection; readers have read-only connections of their
//! own and block, so they are used from threads that may. Nothing here knows a camera or a socket.

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

/// What counts.db's rows are told in.
pub use crate::vision::{Anchor, Direction, Recrossing};
