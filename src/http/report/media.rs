//! The API's reports on snapshots and recordings. Times are UTC, durations are seconds, sizes are bytes.

use std::rc::Rc;

use serde::Serialize;

use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::site::Site;
use crate::pipeline::recording::RecordingStatus;
use tallycam_store::media::{
    AsideFile, CheckReport, Item, MediaStatus, Recorded, RetentionPlan, RetentionReason, RetentionRules,
    Storage,
};

impl Redact for Item {
    fn redact(&mut self) {
        self.source.clear();
    }
}

/// The state of recording.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct RecordingReport {
    recording: bool,
    now: Option<Recorded>,
    dropped: u64,
    fault: Option<String>,
    pre_roll: f64,
}

impl From<&RecordingStatus> for RecordingReport {
    fn from(status: &RecordingStatus) -> RecordingReport {
        RecordingReport {
            recording: status.now.is_some(),
            now: status.now.clone(),
            dropped: status.dropped,
            fault: status.trouble.clone(),
            pre_roll: (status.pre_roll_s * 10.0).round() / 10.0,
        }
    }
}

impl Redact for RecordingReport {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.fault, &mut None);
    }
}

/// Disk space and its use.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
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
    aside: Vec<AsideFile>,
    /// Currently there is no room for more.
    full: bool,
    fault: Option<String>,
    hint: Option<String>,
    chunks_dropped: u64,
    rules: RetentionRules,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct KindReport {
    items: u64,
    bytes: u64,
}

impl StorageReport {
    /// The report of `storage` under `rules`, with the store's status.
    pub fn of(storage: &Storage, rules: &RetentionRules, status: &MediaStatus) -> StorageReport {
        let kind = |(items, bytes): (u64, u64)| KindReport { items, bytes };
        let (fault, hint) = status.trouble.clone().unzip();
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
            aside: storage.aside.clone(),
            full: status.is_full || storage.lacks_ballast,
            fault,
            hint: hint.flatten(),
            chunks_dropped: status.chunks_dropped,
            rules: rules.clone(),
        }
    }
}

/// Stored media and disk space, in `/state`.
#[derive(Debug, Default, Clone, Serialize, schemars::JsonSchema)]
pub struct StorageSummary {
    pub snapshots: u64,
    pub recordings: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Bytes free on the file system.
    pub free: u64,
    /// Days until the space is used up.
    pub days_left: Option<f64>,
    /// Currently there is no room for more.
    pub full: bool,
    /// Why nothing can be stored.
    pub fault: Option<String>,
    /// A remedy.
    pub hint: Option<String>,
}

impl StorageSummary {
    /// The last measurement, or the fault if the store cannot be used.
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
        let (fault, hint) = status.trouble.unzip();
        Some(StorageSummary {
            snapshots: storage.snapshots.0,
            recordings: storage.recordings.0,
            bytes: storage.snapshots.1 + storage.recordings.1,
            free: storage.free_bytes,
            days_left: tenths(storage.days_left),
            full: status.is_full
                || storage.lacks_ballast
                || site.counts().is_ok_and(|counts| counts.is_full()),
            fault,
            hint: hint.flatten(),
        })
    }
}

impl Redact for StorageSummary {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.fault, &mut self.hint);
    }
}

/// A number with one decimal; `None` if it is not finite.
fn tenths(number: Option<f64>) -> Option<f64> {
    number.filter(|number| number.is_finite()).map(|number| (number * 10.0).round() / 10.0)
}

/// The rules, and what they would delete now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RetentionReport<'a> {
    rules: &'a RetentionRules,
    pinned: &'a [String],
    /// The machine's clock is set; until then nothing is deleted by age.
    time_sure: bool,
    plan: PlanReport<'a>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PlanReport<'a> {
    items: Vec<GoesReport<'a>>,
    /// Number of items, including those that are not listed.
    count: usize,
    bytes: u64,
    unmet: Option<&'a str>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct GoesReport<'a> {
    #[serde(flatten)]
    item: &'a Item,
    why: RetentionReason,
}

impl<'a> RetentionReport<'a> {
    /// `plan` is the effect of `rules`; `is_clock_trusted` tells whether the clock is right. At most `most` items are
    /// listed.
    pub fn of(
        rules: &'a RetentionRules,
        pinned: &'a [String],
        plan: &'a RetentionPlan,
        is_clock_trusted: bool,
        most: usize,
    ) -> RetentionReport<'a> {
        let goes = |(item, why): &'a (Item, _)| GoesReport { item, why: *why };
        RetentionReport {
            rules,
            pinned,
            time_sure: is_clock_trusted,
            plan: PlanReport {
                items: plan.goes.iter().take(most).map(goes).collect(),
                count: plan.goes.len(),
                bytes: plan.goes.iter().map(|(item, _)| item.bytes).sum(),
                unmet: plan.unmet.as_deref(),
            },
        }
    }
}

/// The result of a check.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CheckedReport {
    clean: bool,
    #[serde(flatten)]
    report: CheckReport,
}

impl From<CheckReport> for CheckedReport {
    fn from(report: CheckReport) -> CheckedReport {
        CheckedReport { clean: report.faults.is_empty(), report }
    }
}

/// The event `media`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MediaEvent {
    revision: u64,
    full: bool,
    fault: Option<String>,
    hint: Option<String>,
}

impl From<&MediaStatus> for MediaEvent {
    fn from(status: &MediaStatus) -> MediaEvent {
        let (fault, hint) = status.trouble.clone().unzip();
        MediaEvent { revision: status.revision, full: status.is_full, fault, hint: hint.flatten() }
    }
}

impl Redact for MediaEvent {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.fault, &mut self.hint);
    }
}
