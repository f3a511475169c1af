//! Rows that wait for a transaction which is due for another reason: stays and movement maps. They cost no commit of
//! their own, and wait at most 30 s while counting runs.

use rusqlite::Connection;

use crate::clock_correction::WallClock;
use crate::counts::rows::CountsRowError;
use crate::counts::sums::movement;
use crate::counts::{NewMovement, NewStay, stays};

/// Maximum numbers of waiting stays and maps. Further ones are lost.
const MOST_STAYS: usize = 10_000;
const MOST_MAPS: usize = 100;

/// Age in microseconds up to which the rows are kept: 400 days, so that a month has the same one a year before.
const KEPT_US: i64 = 400 * 86_400_000_000;

/// Rows that may wait.
pub(in crate::counts) enum WaitingRow {
    Stays(Vec<NewStay>),
    Movement(NewMovement),
}

/// The rows that no transaction has stored yet.
#[derive(Debug, Default)]
pub(super) struct WaitingRows {
    stays: Vec<NewStay>,
    maps: Vec<NewMovement>,
}

impl WaitingRows {
    pub(super) fn add(&mut self, row: WaitingRow) {
        match row {
            WaitingRow::Stays(stays) => {
                let room = MOST_STAYS.saturating_sub(self.stays.len());
                self.stays.extend(stays.into_iter().take(room));
            }
            WaitingRow::Movement(map) if self.maps.len() < MOST_MAPS => self.maps.push(map),
            WaitingRow::Movement(_) => {}
        }
    }

    /// Stores the rows, and deletes old ones if the time is sure.
    pub(super) fn insert(
        &self,
        connection: &Connection,
        run: i64,
        wall: WallClock,
        mono_us: i64,
    ) -> Result<(), CountsRowError> {
        if self.stays.is_empty() && self.maps.is_empty() {
            return Ok(());
        }
        stays::insert(connection, &self.stays, run, wall)?;
        movement::insert(connection, &self.maps, run, wall)?;
        if wall.is_sure {
            let before_us = wall.wall_us(mono_us).saturating_sub(KEPT_US);
            connection.execute("DELETE FROM stays WHERE wall_us < ?1 AND sure", [before_us])?;
            connection.execute("DELETE FROM movement WHERE wall_us < ?1 AND sure", [before_us])?;
        }
        Ok(())
    }
}
