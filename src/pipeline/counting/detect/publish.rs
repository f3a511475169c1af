//! Publishes the status of counting, and its coverage, stays and movement maps in counts.db.

use super::Detect;
use crate::pipeline::CameraState;
use crate::pipeline::counting::inference::LineStatuses;
use crate::pipeline::counting::status;
use crate::pipeline::counting::status::{DetectionState, StatusInputs};
use tallycam_base::ClockTime;
use tallycam_store::{Counts, Coverage, NewStay, OccupancySpan, Unpinned};

/// Length of a movement map, in microseconds of wall time.
const HOUR_US: u64 = 3_600_000_000;

impl Detect<'_> {
    /// Publishes that a detector is being made.
    pub(super) fn publish_loading(&mut self) {
        if self.demand.is_none() {
            return;
        }
        self.record_cover(Coverage::Not("loading"));
        let mut figures = self.shared.lock_figures();
        figures.status.state = "waiting";
        figures.status.reason = String::from("The detector is being made ready.");
        figures.status.hint = None;
    }

    /// Publishes the status, to counts.db and to everybody.
    pub(super) fn publish_status(
        &mut self,
        drawn: usize,
        with_middle: bool,
        is_held: bool,
        camera: &CameraState,
    ) {
        self.unrecorded.flush(&self.shared.counts_db);
        let (counts_db, counts_hint) = match &self.shared.counts_db {
            Ok(counts) => (self.unrecorded.error().map(str::to_owned).or_else(|| counts.error()), None),
            Err(error) => (Some(error.to_string()), error.hint()),
        };
        let has_lost_none = self.unrecorded.error().is_none()
            && self.shared.counts_db.as_ref().is_ok_and(|counts| !counts.is_losing());
        let looking = match (&self.failing, &self.last_look) {
            (Some(reason), _) => DetectionState::Failing(reason),
            (None, None) => DetectionState::NotYet,
            (None, Some(_)) if self.is_picture_overdue() => {
                self.recent.last_failure().map_or(DetectionState::Overdue, DetectionState::Failing)
            }
            (None, Some(_)) => DetectionState::Fine,
        };
        let standing = status::decide(&StatusInputs {
            is_on: self.shared.settings().is_on,
            scene: self.scene,
            counts_db: counts_db.as_deref(),
            counts_hint,
            has_lost_none,
            drawn,
            countable: self.judged.as_ref().map_or(drawn, LineStatuses::countable_lines),
            is_held,
            camera,
            refused: self.refused.as_ref().map(|refused| &refused.why),
            looking,
        });
        if let (Ok(counts), Some(judged)) = (&self.shared.counts_db, &self.judged) {
            // Goes before the coverage, which may start counting.
            counts.set_line_verdicts(&judged.lines);
        }
        self.record_cover(standing.cover.clone());
        let lost =
            self.shared.counts_db.as_ref().map_or(0, Counts::lost_count) + self.unrecorded.lost_count();
        let lost = (lost > 0).then(|| {
            format!("{lost} crossings since the start are lost, for counts.db could not take them in time.")
        });
        let unpinned = self.shared.counts_db.as_ref().ok().and_then(Counts::unpinned_reason);
        let unpinned = unpinned.map(|Unpinned { is_all, why }| match is_all {
            true => format!(
                "The lines and zones of the configuration are not counted on, none of them: {why}. Restart tallycam \
                 when that is mended."
            ),
            false => format!("Not all of the configuration is counted on: {why}."),
        });
        let mut figures = self.shared.lock_figures();
        figures.with_middle = with_middle;
        let status = &mut figures.status;
        standing.write_to(status);
        status.scene = self.scene;
        status.holds_camera = self.demand.is_some();
        status.notes.clear();
        status.notes.extend(unpinned);
        if let Some((_, watch)) = &self.watch {
            status.notes.extend_from_slice(&watch.notes);
            status.notes.extend(watch.advice());
        }
        if let Some(judged) = &self.judged {
            status.notes.extend_from_slice(&judged.notes);
        }
        status.notes.extend(lost);
        status.notes.extend(self.recent.sentence());
    }

    /// Tells counts.db the coverage. It ignores repetitions, and gets again what it could not record.
    pub(super) fn record_cover(&self, cover: Coverage) {
        self.publish_scene();
        if let Ok(counts) = &self.shared.counts_db {
            counts.set_coverage(cover);
        }
    }

    /// Records the movement map of the hour that is over at `now`, or of the hour so far.
    pub(super) fn record_movement(&mut self, now: Option<ClockTime>) {
        let began = now.map(|now| (now.wall_us / HOUR_US, now.monotonic_us));
        if let (Some(last), Some(now)) = (self.movement, began)
            && last.0 == now.0
        {
            return;
        }
        let last = std::mem::replace(&mut self.movement, began);
        let map = last.zip(self.watch.as_mut());
        let map = map.and_then(|((_, began_us), (_, watch))| watch.take_movement(began_us, self.geometry));
        if let (Ok(counts), Some(map)) = (&self.shared.counts_db, map) {
            counts.record_movement(map);
        }
    }

    pub(super) fn end_stays(&mut self) {
        let ended = self.watch.as_mut().map(|(_, watch)| watch.end_stays());
        self.record_stays(ended.unwrap_or_default());
    }

    pub(super) fn record_stays(&self, stays: Vec<NewStay>) {
        self.shared.lock_figures().stays.add(&stays);
        if let Ok(counts) = &self.shared.counts_db {
            counts.record_stays(stays);
        }
    }

    pub(super) fn record_occupancy(&self, rows: Vec<OccupancySpan>) {
        if let Ok(counts) = &self.shared.counts_db
            && !rows.is_empty()
        {
            counts.record_occupancy(rows);
        }
    }
}
