//! The current span: whether counting runs, as a row that grows while nothing changes.
//!
//! A span is a row (run, scene or none, reason, from, to). A run's last span grows at each commit, and on its own
//! every 30 s (a page of the log each time, some 12 MB a day). After a power cut the last known time is at most that
//! old. No span ends before it starts. Spans of a sure clock never overlap: after the clock was set back, the new
//! span starts where the old one ended.

use rusqlite::{Connection, params};

use crate::counts::Coverage;
use crate::counts::clock_correction::WallClock;
use crate::counts::rows::CountsRowError;

/// A span is extended on its own when it is this far behind.
pub(crate) const EXTEND_AFTER_US: i64 = 30_000_000;

/// The last span of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenSpan {
    pub id: i64,
    pub cover: Coverage,
    pub from_mono_us: i64,
    pub from_us: i64,
    pub to_mono_us: i64,
    pub to_us: i64,
}

impl OpenSpan {
    /// Starts a span at a `CLOCK_MONOTONIC` time, not before the wall time `floor_us`.
    pub fn insert(
        connection: &Connection,
        run: i64,
        cover: Coverage,
        mono_us: i64,
        clock: WallClock,
        floor_us: i64,
    ) -> Result<OpenSpan, CountsRowError> {
        let from_us = clock.wall_us(mono_us).max(floor_us);
        let (scene, why) = match &cover {
            Coverage::Counting(scene) => (Some(scene.as_str()), "counting"),
            Coverage::Not(why) => (None, *why),
        };
        connection.execute(
            "INSERT INTO spans (run, scene, state, from_mono_us, to_mono_us, from_us, to_us, sure)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5, ?6)",
            params![run, scene, why, mono_us, from_us, clock.is_sure],
        )?;
        let id = connection.last_insert_rowid();
        Ok(OpenSpan { id, cover, from_mono_us: mono_us, from_us, to_mono_us: mono_us, to_us: from_us })
    }

    /// Extends the span to this time; an earlier time changes nothing.
    pub(crate) fn extend_to(
        &mut self,
        connection: &Connection,
        mono_us: i64,
        clock: WallClock,
    ) -> Result<(), CountsRowError> {
        let to_us = clock.wall_us(mono_us);
        if to_us <= self.to_us || mono_us <= self.to_mono_us {
            return Ok(());
        }
        (self.to_us, self.to_mono_us) = (to_us, mono_us);
        connection.execute(
            "UPDATE spans SET to_us = ?2, to_mono_us = ?3, sure = ?4 WHERE id = ?1",
            params![self.id, self.to_us, self.to_mono_us, clock.is_sure],
        )?;
        Ok(())
    }
}
