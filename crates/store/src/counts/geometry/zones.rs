//! Zones in `counts.db`. Unlike lines, no stored counts depend on them, so their changes are not stored and a deleted
//! zone is gone.

use rusqlite::{Connection, params};

use super::shapes::{ShapeChange, ShapeColumns, ShapeRow, Turn};
use super::validation::{self, MOST_ZONES};
use crate::counts::rows::{CountsRowError, from_json, parse_anchor, parse_scene, to_json, unsigned};
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{EditError, Scene, ZoneDraft, ZoneRow};

impl ShapeRow for ZoneRow {
    type Draft = ZoneDraft;
    const WHAT: &'static str = "zone";
    const MOST: usize = MOST_ZONES;

    fn load_all(connection: &Connection) -> Result<Vec<ZoneRow>, CountsRowError> {
        load_all(connection)
    }

    fn columns(&self) -> ShapeColumns<'_, ZoneDraft> {
        ShapeColumns {
            id: self.id,
            version: self.version,
            scene: self.scene,
            draft: &self.draft,
            pinned: self.pinned.as_deref(),
            is_deleted: false,
        }
    }

    fn name(draft: &ZoneDraft) -> &str {
        &draft.name
    }

    fn validate(draft: ZoneDraft) -> Result<ZoneDraft, EditError> {
        validation::zone(draft)
    }

    /// An excluded zone has no figures that could be confused with another's.
    fn clash(one: &ZoneDraft, other: &ZoneDraft) -> bool {
        one.name == other.name && !one.exclude && !other.exclude
    }

    fn turned(draft: &ZoneDraft, turn: Turn<'_>, _: bool) -> ZoneDraft {
        ZoneDraft { points: draft.points.iter().map(|&point| turn(point)).collect(), ..draft.clone() }
    }

    fn insert(
        tx: &CountsTransaction<'_>,
        scene: Option<Scene>,
        draft: &ZoneDraft,
        pinned: Option<&str>,
    ) -> Result<u64, CountsFault> {
        tx.connection.execute(
            "INSERT INTO zones (version, scene, name, points, classes, anchor, exclude, pinned)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                scene.map(Scene::as_str),
                draft.name,
                to_json(&draft.points)?,
                to_json(&draft.classes)?,
                draft.anchor.as_str(),
                draft.exclude,
                pinned
            ],
        )?;
        Ok(tx.connection.last_insert_rowid() as u64)
    }

    fn update(
        &self,
        tx: &CountsTransaction<'_>,
        draft: &ZoneDraft,
        pinned: Option<&str>,
        why: ShapeChange,
    ) -> Result<(), CountsFault> {
        if why == ShapeChange::Edited && draft.points != self.draft.points {
            let text = "UPDATE zones SET width = NULL, depth = NULL WHERE id = ?1";
            tx.connection.execute(text, [self.id as i64])?;
        }
        tx.connection.execute(
            "UPDATE zones SET version = version + 1, name = ?2, points = ?3, classes = ?4, anchor = ?5, exclude = ?6,
               pinned = ?7
             WHERE id = ?1",
            params![
                self.id as i64,
                draft.name,
                to_json(&draft.points)?,
                to_json(&draft.classes)?,
                draft.anchor.as_str(),
                draft.exclude,
                pinned
            ],
        )?;
        Ok(())
    }

    fn mark_deleted(&self, tx: &CountsTransaction<'_>) -> Result<(), CountsFault> {
        let text = "UPDATE zones SET deleted = 1, version = version + 1 WHERE id = ?1";
        tx.connection.execute(text, [self.id as i64])?;
        // The figures of a deleted zone cannot be requested any more.
        tx.connection.execute("DELETE FROM occupancy WHERE zone = ?1", [self.id as i64])?;
        tx.connection.execute("DELETE FROM stays WHERE zone = ?1", [self.id as i64])?;
        Ok(())
    }

    fn revive(&self, _: &CountsTransaction<'_>, _: &ZoneDraft) -> Result<(), CountsFault> {
        Ok(())
    }
}

/// All zones that are not deleted, pinned ones first, then by number.
pub fn load_all(connection: &Connection) -> Result<Vec<ZoneRow>, CountsRowError> {
    let mut query = connection.prepare(
        "SELECT id, version, scene, name, points, classes, anchor, pinned, exclude, width, depth FROM zones
         WHERE NOT deleted ORDER BY scene IS NOT NULL, id",
    )?;
    let mut rows = query.query([])?;
    let mut zones = Vec::new();
    while let Some(row) = rows.next()? {
        let scene: Option<String> = row.get(2)?;
        zones.push(ZoneRow {
            id: unsigned(row, 0)?,
            version: unsigned(row, 1)?,
            scene: scene.map(|word| parse_scene(&word)).transpose()?,
            draft: ZoneDraft {
                name: row.get(3)?,
                points: from_json(row.get_ref(4)?.as_str()?)?,
                classes: from_json(row.get_ref(5)?.as_str()?)?,
                anchor: parse_anchor(row.get_ref(6)?.as_str()?)?,
                exclude: row.get(8)?,
            },
            pinned: row.get(7)?,
            ground: row.get::<_, Option<f64>>(9)?.zip(row.get(10)?).map(<[f64; 2]>::from),
        });
    }
    Ok(zones)
}
