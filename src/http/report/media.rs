//! What the API says of snapshots and recordings: the wire types, and how they are filled. Times are told in UTC,
//! lengths of time in seconds, amounts in bytes.

use std::rc::Rc;

use serde::Serialize;

use crate::base::clock::rfc3339;
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::site::Site;
use crate::pipeline::recording::RecordingStatus;
use crate::store::media::{
    AsideFile, CheckReport, Item, MediaStatus, RetentionPlan, RetentionRules, Storage,
};

/// A snapshot or a recording.
#[derive(Debug, Serialize)]
pub struct ItemReport {
    id: u64,
    name: String,
    kind: &'static str,
    date: String,
    time: String,
    time_sure: bool,
    added: String,
    width: u32,
    height: u32,
    duration: f64,
    frames: u64,
    gaps: u64,
    bytes: u64,
    camera: String,
    source: String,
    origin: &'static str,
    note: String,
    kept: bool,
    open: bool,
    version: u64,
}

impl Redact for Item {
    fn redact(&mut self) {
        self.source.clear();
    }
}

impl From<&Item> for ItemReport {
    fn from(item: &Item) -> ItemReport {
        ItemReport {
            id: item.id,
            name: item.name.clone(),
            kind: item.kind.as_str(),
            date: item.date.clone(),
            time: rfc3339(item.at_us),
            time_sure: item.is_sure,
            added: rfc3339(item.added_us),
            width: item.width,
            height: item.height,
            duration: seconds(item.duration_us),
            frames: item.frames,
            gaps: item.gaps,
            bytes: item.bytes,
            camera: item.camera.clone(),
            source: item.source.clone(),
            origin: item.origin.as_str(),
            note: item.note.clone(),
            kept: item.is_kept,
            open: item.is_open,
            version: item.version,
        }
    }
}

/// How recording stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordingReport {
    recording: bool,
    now: Option<NowReport>,
    dropped: u64,
    trouble: Option<String>,
    pre_roll: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct NowReport {
    id: u64,
    name: String,
    origin: &'static str,
    began: String,
    duration: f64,
    frames: u64,
    bytes: u64,
    gaps: u64,
    every: Option<f64>,
}

impl From<&RecordingStatus> for RecordingReport {
    fn from(status: &RecordingStatus) -> RecordingReport {
        let now = status.now.as_ref().map(|now| NowReport {
            id: now.id,
            name: now.name.clone(),
            origin: now.origin.as_str(),
            began: rfc3339(now.began_us),
            duration: seconds(now.duration_us),
            frames: now.frames,
            bytes: now.bytes,
            gaps: now.gaps,
            every: now.every.map(|every| every.as_secs_f64()),
        });
        RecordingReport {
            recording: now.is_some(),
            now,
            dropped: status.dropped,
            trouble: status.trouble.clone(),
            pre_roll: (status.pre_roll_s * 10.0).round() / 10.0,
        }
    }
}

impl Redact for RecordingReport {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.trouble, &mut None);
    }
}

/// How much room there is and what has it.
#[derive(Debug, Clone, Serialize)]
pub struct StorageReport {
    file: u64,
    unused: u64,
    snapshots: KindReport,
    recordings: KindReport,
    kept: u64,
    going: u64,
    free: u64,
    total: u64,
    bytes_a_day: Option<f64>,
    days_left: Option<f64>,
    aside: Vec<AsideReport>,
    /// Nothing more can be kept at present.
    full: bool,
    trouble: Option<String>,
    hint: Option<String>,
    chunks_dropped: u64,
    rules: RulesReport,
}

#[derive(Debug, Clone, Serialize)]
struct KindReport {
    items: u64,
    bytes: u64,
}

impl StorageReport {
    /// `storage` under `rules`, and how the store is.
    pub fn of(storage: &Storage, rules: &RetentionRules, status: &MediaStatus) -> StorageReport {
        let kind = |(items, bytes): (u64, u64)| KindReport { items, bytes };
        let (trouble, hint) = status.trouble.clone().unzip();
        StorageReport {
            file: storage.file_bytes,
            unused: storage.unused_bytes,
            snapshots: kind(storage.snapshots),
            recordings: kind(storage.recordings),
            kept: storage.kept_bytes,
            going: storage.going_bytes,
            free: storage.free_bytes,
            total: storage.total_bytes,
            bytes_a_day: storage.bytes_a_day.filter(|rate| rate.is_finite()).map(f64::round),
            days_left: tenths(storage.days_left),
            aside: storage.aside.iter().map(AsideReport::from).collect(),
            full: status.is_full,
            trouble,
            hint: hint.flatten(),
            chunks_dropped: status.chunks_dropped,
            rules: RulesReport::from(rules),
        }
    }
}

/// What is kept and the room there is, as `/state` has it.
#[derive(Debug, Default, Clone, Serialize)]
pub struct StorageSummary {
    pub snapshots: u64,
    pub recordings: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Bytes that the file system has free.
    pub free: u64,
    /// Days until there is no room left.
    pub days_left: Option<f64>,
    /// Nothing more can be kept at present.
    pub full: bool,
    /// Why nothing can be kept.
    pub trouble: Option<String>,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl StorageSummary {
    /// What was seen last; where the store cannot be used, why.
    pub fn of(site: &Site) -> Option<StorageSummary> {
        if site.is_counts_only() {
            return None;
        }
        let (status, storage) = match site.recorder.as_ref()?.media() {
            Ok(media) => (media.status().borrow().as_ref().clone(), site.storage_usage.known()?),
            Err(error) => {
                let trouble = Some((error.to_string(), error.hint().map(String::from)));
                (MediaStatus { trouble, ..MediaStatus::default() }, Rc::default())
            }
        };
        let (trouble, hint) = status.trouble.unzip();
        Some(StorageSummary {
            snapshots: storage.snapshots.0,
            recordings: storage.recordings.0,
            bytes: storage.snapshots.1 + storage.recordings.1,
            free: storage.free_bytes,
            days_left: tenths(storage.days_left),
            full: status.is_full,
            trouble,
            hint: hint.flatten(),
        })
    }
}

impl Redact for StorageSummary {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.trouble, &mut self.hint);
    }
}

/// A number with one decimal; what is no number is none.
fn tenths(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite()).map(|number| (number * 10.0).round() / 10.0)
}

/// A store that was set aside.
#[derive(Debug, Clone, Serialize)]
pub struct AsideReport {
    name: String,
    bytes: u64,
    time: String,
}

impl From<&AsideFile> for AsideReport {
    fn from(aside: &AsideFile) -> AsideReport {
        AsideReport { name: aside.name.clone(), bytes: aside.bytes, time: rfc3339(aside.at_us) }
    }
}

/// What is kept how long; `null` is without limit.
#[derive(Debug, Clone, Serialize)]
pub struct RulesReport {
    snapshots_age: Option<f64>,
    snapshots_size: Option<u64>,
    recordings_age: Option<f64>,
    recordings_size: Option<u64>,
    min_free: Option<u64>,
}

impl From<&RetentionRules> for RulesReport {
    fn from(rules: &RetentionRules) -> RulesReport {
        RulesReport {
            snapshots_age: rules.snapshots_age.map(|age| age.as_secs_f64()),
            snapshots_size: rules.snapshots_bytes,
            recordings_age: rules.recordings_age.map(|age| age.as_secs_f64()),
            recordings_size: rules.recordings_bytes,
            min_free: rules.min_free,
        }
    }
}

/// The rules, and what they would do now.
#[derive(Debug, Serialize)]
pub struct RetentionReport {
    rules: RulesReport,
    pinned: Vec<String>,
    /// Whether the clock is believed: else nothing goes by age.
    time_sure: bool,
    plan: PlanReport,
}

#[derive(Debug, Serialize)]
struct PlanReport {
    items: Vec<GoesReport>,
    /// Items in all, also those that are not listed.
    count: usize,
    bytes: u64,
    unmet: Option<String>,
}

#[derive(Debug, Serialize)]
struct GoesReport {
    #[serde(flatten)]
    item: ItemReport,
    why: &'static str,
}

impl RetentionReport {
    /// `plan` is what `rules` would do, with a clock that `is_clock_trusted` or not; at most `most` of its items are listed.
    pub fn of(
        rules: &RetentionRules,
        pinned: &[String],
        plan: &RetentionPlan,
        is_clock_trusted: bool,
        most: usize,
    ) -> RetentionReport {
        let goes = |(item, why): &(Item, _)| GoesReport {
            item: item.into(),
            why: crate::store::media::RetentionReason::as_str(*why),
        };
        RetentionReport {
            rules: rules.into(),
            pinned: pinned.to_vec(),
            time_sure: is_clock_trusted,
            plan: PlanReport {
                items: plan.goes.iter().take(most).map(goes).collect(),
                count: plan.goes.len(),
                bytes: plan.goes.iter().map(|(item, _)| item.bytes).sum(),
                unmet: plan.unmet.clone(),
            },
        }
    }
}

/// What a check found.
#[derive(Debug, Serialize)]
pub struct CheckedReport {
    clean: bool,
    items: u64,
    chunks: u64,
    pictures: u64,
    faults: Vec<String>,
    mended: Vec<String>,
}

impl From<CheckReport> for CheckedReport {
    fn from(report: CheckReport) -> CheckedReport {
        CheckedReport {
            clean: report.faults.is_empty(),
            items: report.items,
            chunks: report.chunks,
            pictures: report.pictures,
            faults: report.faults,
            mended: report.mended,
        }
    }
}

/// What became of unused room, in bytes.
#[derive(Debug, Serialize)]
pub struct VacuumReport {
    /// Given back to the file system.
    pub freed: u64,
    /// Overwritten with zeros.
    pub wiped: u64,
}

/// What the event `media` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MediaEvent {
    revision: u64,
    full: bool,
    trouble: Option<String>,
    hint: Option<String>,
}

impl From<&MediaStatus> for MediaEvent {
    fn from(status: &MediaStatus) -> MediaEvent {
        let (trouble, hint) = status.trouble.clone().unzip();
        MediaEvent { revision: status.revision, full: status.is_full, trouble, hint: hint.flatten() }
    }
}

impl Redact for MediaEvent {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.trouble, &mut self.hint);
    }
}

/// Microseconds as seconds.
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
