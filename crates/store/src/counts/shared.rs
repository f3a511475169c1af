//! State that the writer shares with the handles: its inbox, its published values, and small values under one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{broadcast, watch};

use super::clock_correction::WallClock;
use super::coverage::counting_time::OpenSpan;
use super::geometry::shapes;
use super::inbox::Inbox;
use super::sums::calendar::Calendar;
use super::writer::CountsWrite;
use super::writer::transaction::{CountsFault, CountsTransaction};
use super::{
    Count, Coverage, EditError, LineDraft, LineRow, LineStatus, Scene, StoredCrossing, Tallies, ZoneDraft,
    ZoneRow,
};

/// Maximum number of queued commands.
const CAPACITY: usize = 1024;

/// Number of committed crossings that a receiver may be behind. A slower one gets an error, and reads the missed ones
/// from `counts.db`.
const BROADCAST: usize = 1024;

/// State that the writer shares with the handles.
pub(crate) struct CountsShared {
    pub inbox: Inbox<CountsWrite>,
    pub lines: watch::Sender<Arc<Vec<LineRow>>>,
    pub zones: watch::Sender<Arc<Vec<ZoneRow>>>,
    pub tallies: watch::Sender<Arc<Tallies>>,
    pub committed: broadcast::Sender<Arc<StoredCrossing>>,
    board: Mutex<CountsSnapshot>,
    /// The calendar of days and hours, and the number of its changes.
    calendar: RwLock<(Calendar, u64)>,
}

/// Small values under one lock, which is held only for a copy.
#[derive(Debug, Default)]
pub(crate) struct CountsSnapshot {
    pub scene: Scene,
    pub cover: Option<Coverage>,
    /// The trouble is a full disk.
    pub is_full: bool,
    pub judged: Vec<LineStatus>,
    pub settings: BTreeMap<String, String>,
    pub totals: Arc<Vec<Count>>,
    pub trouble: Option<String>,
    /// Why the lines and zones of the operator's file are not all stored.
    pub unpinned: Option<Unpinned>,
    /// The current lines and zones of the operator's file.
    pub of_the_file: Pinned,
    pub lost: u64,
    /// Crossings have been lost since the disk failed.
    pub is_losing: bool,
    pub dropped_audit_rows: u64,
    pub live: Option<Live>,
}

/// Why lines and zones of the operator's file are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// All of them are left out.
    pub is_all: bool,
    /// The reason, in words.
    pub why: String,
}

/// The lines and zones of the operator's file, each with its place there.
#[derive(Debug, Clone, Default)]
pub struct Pinned {
    pub lines: Vec<(LineDraft, String)>,
    pub zones: Vec<(ZoneDraft, String)>,
}

impl Pinned {
    /// Pins them. Returns the reason for each that is left out.
    pub fn pin(self, tx: &CountsTransaction<'_>) -> Result<Vec<EditError>, CountsFault> {
        let mut left_out = shapes::pin::<LineRow>(tx, self.lines)?;
        left_out.extend(shapes::pin::<ZoneRow>(tx, self.zones)?);
        Ok(left_out)
    }
}

/// The current span and the clock, which readers add to the stored rows.
#[derive(Debug, Clone)]
pub struct Live {
    pub wall: WallClock,
    pub span: Option<OpenSpan>,
}

impl CountsShared {
    pub fn new(calendar: Calendar) -> CountsShared {
        CountsShared {
            inbox: Inbox::new(CAPACITY),
            lines: watch::Sender::default(),
            zones: watch::Sender::default(),
            tallies: watch::Sender::default(),
            committed: broadcast::Sender::new(BROADCAST),
            board: Mutex::default(),
            calendar: RwLock::new((calendar, 0)),
        }
    }

    pub fn set_settings(&self, settings: BTreeMap<String, String>) {
        self.lock_board().settings = settings;
    }

    pub(crate) fn set_totals(&self, totals: Vec<Count>) {
        self.lock_board().totals = Arc::new(totals);
    }

    pub(crate) fn set_error(&self, trouble: Option<String>, is_full: bool) {
        let mut board = self.lock_board();
        board.is_losing &= trouble.is_some();
        (board.trouble, board.is_full) = (trouble, is_full);
    }

    /// Crossings wait for the disk, or the writer does not keep up.
    pub(crate) fn has_error(&self) -> bool {
        self.lock_board().trouble.is_some()
    }

    pub(crate) fn set_unpinned(&self, pinned: &Result<Vec<EditError>, EditError>) {
        self.lock_board().unpinned = match pinned {
            Ok(left_out) if left_out.is_empty() => None,
            Ok(left_out) => {
                let why: Vec<String> = left_out.iter().map(EditError::to_string).collect();
                Some(Unpinned { is_all: false, why: why.join("; ") })
            }
            Err(error) => Some(Unpinned { is_all: true, why: error.to_string() }),
        };
    }

    pub(crate) fn has_skipped_pins(&self) -> bool {
        self.lock_board().unpinned.as_ref().is_some_and(|unpinned| !unpinned.is_all)
    }

    pub(crate) fn pinned_by_file(&self) -> Pinned {
        self.lock_board().of_the_file.clone()
    }

    pub(crate) fn set_lost(&self, lost: u64) {
        let mut board = self.lock_board();
        (board.lost, board.is_losing) = (lost, true);
    }

    /// Counts an audit entry for which there was no place.
    pub(crate) fn drop_audit_row(&self) {
        let mut board = self.lock_board();
        if board.dropped_audit_rows == 0 {
            log::warn!("counts.db accepts no rows of the audit list: they are dropped and counted");
        }
        board.dropped_audit_rows += 1;
    }

    pub(crate) fn set_live(&self, live: Live) {
        self.lock_board().live = Some(live);
    }

    pub fn live(&self) -> Option<Live> {
        self.lock_board().live.clone()
    }

    /// The calendar of days and hours, and the number of its changes.
    pub(crate) fn calendar(&self) -> (Calendar, u64) {
        self.calendar.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_calendar(&self, calendar: Calendar) {
        let mut now = self.calendar.write().unwrap_or_else(PoisonError::into_inner);
        *now = (calendar, now.1 + 1);
    }

    pub(crate) fn lock_board(&self) -> MutexGuard<'_, CountsSnapshot> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
