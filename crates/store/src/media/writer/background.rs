//! The writer's work between turns, in small steps: retention, freeing, a test write after a disk fault, long work.

use rusqlite::{Transaction, TransactionBehavior};

use super::{FREEING_PAUSE, MediaWriter, PROBE_BYTES, QUIET_US, RETIRING_US, RunningJob, transaction};
use crate::media::maintenance::jobs::{JobDesk, Next};
use crate::media::maintenance::vacuum::VacuumJob;
use crate::media::retention::{self, apply as apply_retention, reclaim};
use crate::media::rows::MediaRowError;
use crate::media::{MediaError, storage};
use tallycam_base::{ClockTime, ballast};

/// Less unused room than this is not returned without a request. Moving pages wears the disk, and new items use them.
const LEAST_BACK: u64 = 16 << 20;

/// Time after a failure until a test write, if nothing is held.
const PROBE_US: u64 = 5_000_000;

impl MediaWriter {
    /// Whether freeing runs in separate turns now.
    pub(super) fn can_free(&self, now_us: u64) -> bool {
        let is_quiet = self.state.recordings.is_empty() || now_us.saturating_sub(self.written_us) > QUIET_US;
        self.state.is_freeing && (is_quiet || self.is_hurried || self.failed.is_some())
    }

    /// Applies retention while nothing is written, and while the disk fails: deletes old items and makes room.
    pub(super) fn apply_retention(&mut self, now: ClockTime) -> Result<(), MediaRowError> {
        let mut totals = self.state.totals;
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Deferred)?;
        let rules = self.shared.retention_beside_loans();
        let (gone, unmet) = apply_retention::apply(
            &transaction,
            &self.directory,
            &rules,
            &mut totals,
            self.shared.retention_now(now),
        )?;
        transaction.commit()?;
        if gone > 0 {
            (self.state.totals, self.state.is_freeing) = (totals, true);
            self.shared.change_status(|status| status.revision += 1);
        }
        self.note_retention(now, unmet);
        Ok(())
    }

    /// Returns room to the file system after stricter rules, or if it has less than `min_free`. Called when nothing
    /// is left to free. Other long work is finished first.
    pub(super) fn reclaim_space(&mut self) {
        if !self.jobs.is_empty() {
            return;
        }
        let Ok((_, unused)) = storage::pages(&self.connection) else { return };
        let rules = self.shared.retention_beside_loans();
        let bytes = if self.is_lowered {
            unused
        } else {
            // A file system of unknown size counts as having enough room.
            let free = ballast::space(&self.directory).map_or(u64::MAX, |(free, _)| free);
            // Nearly full, what was deleted gives the ballast and counts.db their room back.
            let full = if free < ballast::LAST_BYTES.saturating_mul(8) { unused.min(LEAST_BACK) } else { 0 };
            retention::bytes_to_reclaim(&rules, free, unused, LEAST_BACK).max(full)
        };
        self.is_lowered = false;
        if bytes > 0 {
            self.jobs.push(RunningJob { job: Box::new(VacuumJob::at_most(bytes)), due_us: 0 });
        }
    }

    /// Runs one step of the work that continues while nothing waits: retention, freeing, long work.
    pub(crate) fn run_background(&mut self) {
        if let Err(error) = self.reopen_if_needed() {
            log::debug!("media.db: it cannot be opened again: {error}");
            // Their callers get an error.
            self.jobs.clear();
            return;
        }
        let now = self.clock.now();
        let since_us = now.monotonic_us.saturating_sub(self.retired_us);
        if self.is_hurried_by_rules
            || since_us >= RETIRING_US
            || (self.failed.is_some() && since_us >= PROBE_US)
        {
            self.retired_us = now.monotonic_us;
            match self.apply_retention(now) {
                Ok(()) if self.state.is_freeing => self.is_hurried |= self.is_hurried_by_rules,
                Ok(()) => self.reclaim_space(),
                Err(error) => log::debug!("media.db: nothing can be retired now: {error}"),
            }
            self.is_hurried_by_rules = false;
            ballast::make(&self.directory);
            self.look_for_room(now, PROBE_BYTES);
        } else if let Some((bytes, since_us)) = self.lacks_room
            && now.monotonic_us.saturating_sub(since_us) >= PROBE_US
        {
            self.look_for_room(now, bytes);
        }
        if self.can_free(now.monotonic_us)
            && now.monotonic_us.saturating_sub(self.freed_us) >= FREEING_PAUSE.as_micros() as u64
        {
            self.freed_us = now.monotonic_us;
            match self.free_marked() {
                Ok(()) if self.state.is_freeing => {}
                Ok(()) => {
                    self.is_hurried = false;
                    self.reclaim_space();
                }
                Err(error) => log::debug!("media.db: nothing can be freed now: {error}"),
            }
        }
        self.probe_disk(now);
        self.run_long_work(now);
    }

    /// Checks whether `bytes` of pictures, and those refused before, would fit. While items are being freed, a lack
    /// is not reported.
    pub(super) fn look_for_room(&mut self, now: ClockTime, bytes: u64) {
        let bytes = self.lacks_room.map_or(bytes, |(refused, _)| refused.max(bytes));
        let least = self.shared.retention_beside_loans().min_free;
        match transaction::lacking(&self.connection, &self.directory, least, bytes) {
            Ok(0) => self.note_room(now, None),
            Ok(_) if self.state.is_freeing => {}
            Ok(_) => self.note_room(now, Some(bytes)),
            Err(error) => log::debug!("media.db: the room cannot be looked up now: {error}"),
        }
    }

    /// Runs a step of long work, if one is due.
    pub(super) fn run_long_work(&mut self, now: ClockTime) {
        let due = |running: &RunningJob| running.due_us <= now.monotonic_us;
        if let Some(at) = self.jobs.iter().position(due) {
            let mut running = self.jobs.remove(at);
            let mut is_changed = false;
            let next = running.job.step(&mut JobDesk {
                connection: &self.connection,
                file: &self.file,
                now,
                totals: &mut self.state.totals,
                recordings: &mut self.state.recordings,
                is_changed: &mut is_changed,
            });
            self.shared.change_status(|status| status.revision += u64::from(is_changed));
            if let Next::After(pause) = next {
                running.due_us = self.clock.now().monotonic_us + pause.as_micros() as u64;
                self.jobs.push(running);
            }
        }
    }

    /// After a failure with nothing held: tests whether the disk accepts a write again.
    pub(super) fn probe_disk(&mut self, now: ClockTime) {
        let Some((error, since_us)) = &mut self.failed else { return };
        if !self.held.is_empty() || now.monotonic_us.saturating_sub(*since_us) < PROBE_US {
            return;
        }
        *since_us = now.monotonic_us;
        if matches!(error, MediaError::Full) {
            let least =
                self.shared.retention_beside_loans().min_free.unwrap_or(0).saturating_add(PROBE_BYTES);
            if ballast::space(&self.directory).is_some_and(|(free, _)| free < least) {
                return;
            }
        }
        let written = (|| {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()
        })();
        match written {
            Ok(()) => self.recover_from_failure(),
            Err(_) => self.is_stale = true,
        }
    }

    pub(super) fn free_marked(&mut self) -> Result<(), MediaRowError> {
        ballast::release_if_full(&self.directory);
        self.state.is_freeing = reclaim::free_some(&self.connection, &mut self.state.totals)?;
        Ok(())
    }
}
