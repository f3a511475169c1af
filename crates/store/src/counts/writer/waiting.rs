//! Rows that wait for a transaction which is due for another reason: stays and movement maps. They cost no commit of
//! their own, and wait at most 30 s while counting runs.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::clock_correction::WallClock;
use crate::counts::Scene;
use crate::counts::geometry::orientation;
use crate::counts::rows::{CountsRowError, number};
use tallycam_camera::media::Geometry;

/// Maximum numbers of waiting stays and maps. Further ones are lost.
const MOST_STAYS: usize = 10_000;
const MOST_MAPS: usize = 100;

/// Age in microseconds up to which the rows are kept: 400 days, so that a month has the same one a year before.
const KEPT_US: i64 = 400 * 86_400_000_000;

/// A stay to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStay {
    /// The number of the zone.
    pub zone: u64,
    /// The scene.
    pub scene: Scene,
    /// The number of the track, unique within the daemon's run.
    pub track: u64,
    /// The name of the class.
    pub class: Arc<str>,
    /// Start in microseconds of `CLOCK_MONOTONIC`.
    pub monotonic_us: u64,
    /// Length in microseconds. No change of the clock alters it.
    pub length_us: u64,
    /// Counting began or ended meanwhile, so the object stayed longer.
    pub is_cut: bool,
}

/// A movement map to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMovement {
    /// The scene.
    pub scene: Scene,
    /// How the picture was turned and cropped.
    pub picture: Geometry,
    /// Start in microseconds of `CLOCK_MONOTONIC`.
    pub monotonic_us: u64,
    /// The number of objects in each cell, row by row.
    pub cells: Vec<u16>,
}

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
        insert_stays(connection, &self.stays, run, wall)?;
        insert_maps(connection, &self.maps, run, wall)?;
        if wall.is_sure {
            let before_us = wall.wall_us(mono_us).saturating_sub(KEPT_US);
            connection.execute("DELETE FROM stays WHERE wall_us < ?1 AND sure", [before_us])?;
            connection.execute("DELETE FROM movement WHERE wall_us < ?1 AND sure", [before_us])?;
        }
        Ok(())
    }
}

/// Stores stays. Those in deleted zones are left out.
fn insert_stays(
    connection: &Connection,
    stays: &[NewStay],
    run: i64,
    wall: WallClock,
) -> Result<(), CountsRowError> {
    let mut row = connection.prepare(
        "INSERT OR IGNORE INTO stays (run, zone, scene, track, class, length_ms, cut, mono_us, wall_us, sure)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
         WHERE EXISTS (SELECT 1 FROM zones WHERE id = ?2 AND NOT deleted)",
    )?;
    for stay in stays {
        let mono_us = number(stay.monotonic_us);
        row.execute(params![
            run,
            number(stay.zone),
            stay.scene.as_str(),
            stay.track as i64,
            stay.class,
            number(stay.length_us / 1000),
            stay.is_cut,
            mono_us,
            wall.wall_us(mono_us),
            wall.is_sure
        ])?;
    }
    Ok(())
}

/// Stores maps.
fn insert_maps(
    connection: &Connection,
    maps: &[NewMovement],
    run: i64,
    wall: WallClock,
) -> Result<(), CountsRowError> {
    let mut row = connection.prepare(
        "INSERT INTO movement (run, scene, picture, cells, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for map in maps {
        let mono_us = number(map.monotonic_us);
        let (picture, cells) = (orientation::to_text(map.picture), pack(&map.cells));
        let (scene, wall_us) = (map.scene.as_str(), wall.wall_us(mono_us));
        row.execute(params![run, scene, picture, cells, mono_us, wall_us, wall.is_sure])?;
    }
    Ok(())
}

/// The counts as pairs of numbers: how many cells without movement come before a cell, and its count. A number has
/// seven bits a byte, the lowest first; the highest bit says that another byte follows.
pub(in crate::counts) fn pack(cells: &[u16]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut put = |mut number: usize| {
        while number > 0x7f {
            packed.push(number as u8 | 0x80);
            number >>= 7;
        }
        packed.push(number as u8);
    };
    let mut before = 0;
    for (at, count) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
        put(at - before);
        put(usize::from(*count));
        before = at + 1;
    }
    packed
}
