//! What the writer shares with the handles: its inbox, what it publishes, and small things under one lock.

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

/// Commands that wait at most.
const CAPACITY: usize = 1024;

/// Committed crossings that a slow listener may be behind. It is told that it missed some, and reads them in the
/// ledger.
const BROADCAST: usize = 1024;

/// What the writer shares with the handles.
pub struct CountsShared {
    pub inbox: Inbox<CountsWrite>,
    pub lines: watch::Sender<Arc<Vec<LineRow>>>,
    pub zones: watch::Sender<Arc<Vec<ZoneRow>>>,
    pub tallies: watch::Sender<Arc<Tallies>>,
    pub committed: broadcast::Sender<Arc<StoredCrossing>>,
    board: Mutex<CountsSnapshot>,
    /// What days and hours are told by, and how often that was another one.
    calendar: RwLock<(Calendar, u64)>,
}

/// Small things under one lock, held for no longer than a copy takes.
#[derive(Debug, Default)]
pub struct CountsSnapshot {
    pub scene: Scene,
    pub cover: Option<Coverage>,
    pub judged: Vec<LineStatus>,
    pub settings: BTreeMap<String, String>,
    pub totals: Arc<Vec<Count>>,
    pub trouble: Option<String>,
    /// Why the lines and zones of the operator's file are not those on record.
    pub unpinned: Option<Unpinned>,
    /// The lines and zones of the operator's file, as they are wanted by now.
    pub of_the_file: Pinned,
    pub lost: u64,
    pub dropped_audit_rows: u64,
    pub live: Option<Live>,
}

/// Why lines and zones of the operator's file are not counted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// None of them is.
    pub is_all: bool,
    /// Why, in words.
    pub why: String,
}

/// What the operator's file draws, each with its place there.
#[derive(Debug, Clone, Default)]
pub struct Pinned {
    pub lines: Vec<(LineDraft, String)>,
    pub zones: Vec<(ZoneDraft, String)>,
}

impl Pinned {
    /// Draws it; gives why, for each that is left out.
    pub fn pin(self, tx: &CountsTransaction<'_>) -> Result<Vec<EditError>, CountsFault> {
        let mut left_out = shapes::pin::<LineRow>(tx, self.lines)?;
        left_out.extend(shapes::pin::<ZoneRow>(tx, self.zones)?);
        Ok(left_out)
    }
}

/// The span under way and the clock: what readers add to what is on record.
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

    pub fn set_totals(&self, totals: Vec<Count>) {
        self.lock_board().totals = Arc::new(totals);
    }

    pub fn set_error(&self, trouble: Option<String>) {
        self.lock_board().trouble = trouble;
    }

    pub fn set_unpinned(&self, pinned: &Result<Vec<EditError>, EditError>) {
        self.lock_board().unpinned = match pinned {
            Ok(left_out) if left_out.is_empty() => None,
            Ok(left_out) => {
                let why: Vec<String> = left_out.iter().map(EditError::to_string).collect();
                Some(Unpinned { is_all: false, why: why.join("; ") })
            }
            Err(error) => Some(Unpinned { is_all: true, why: error.to_string() }),
        };
    }

    pub fn has_skipped_pins(&self) -> bool {
        self.lock_board().unpinned.as_ref().is_some_and(|unpinned| !unpinned.is_all)
    }

    pub fn pinned_by_file(&self) -> Pinned {
        self.lock_board().of_the_file.clone()
    }

    pub fn set_lost(&self, lost: u64) {
        self.lock_board().lost = lost;
    }

    /// A row of the audit list has found no place.
    pub fn drop_audit_row(&self) {
        let mut board = self.lock_board();
        if board.dropped_audit_rows == 0 {
            log::warn!("counts.db accepts no rows of the audit list: they are dropped and counted");
        }
        board.dropped_audit_rows += 1;
    }

    pub fn set_live(&self, live: Live) {
        self.lock_board().live = Some(live);
    }

    pub fn live(&self) -> Option<Live> {
        self.lock_board().live.clone()
    }

    /// What days and hours are told by, and how often that was another one.
    pub fn calendar(&self) -> (Calendar, u64) {
        self.calendar.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_calendar(&self, calendar: Calendar) {
        let mut now = self.calendar.write().unwrap_or_else(PoisonError::into_inner);
        *now = (calendar, now.1 + 1);
    }

    pub fn lock_board(&self) -> MutexGuard<'_, CountsSnapshot> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
