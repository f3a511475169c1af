//! Zones on record. As [`super::lines`], but nothing counts by them for ever: their changes are not kept.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::lines::share_scene;
use super::validation::{self, MOST_ZONES};
use crate::store::counts::rows::{ReadError, from_json, parse_anchor, parse_scene, to_json, unsigned};
use crate::store::counts::writer::transaction::{CountsTransaction, Fault};
use crate::store::counts::{EditError, Scene, ZoneDraft, ZoneRow};

/// All zones that are not deleted, pinned ones first, then in order of numbers.
pub fn load_all(connection: &Connection) -> Result<Vec<ZoneRow>, ReadError> {
    let mut query = connection.prepare(
        "SELECT id, version, scene, name, points, classes, anchor, pinned, exclude FROM zones
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
        });
    }
    Ok(zones)
}

fn load_one(connection: &Connection, id: u64) -> Result<ZoneRow, Fault> {
    let found = load_all(connection)?.into_iter().find(|zone| zone.id == id);
    found.ok_or(Fault::Edit(EditError::Unknown { what: "zone", id }))
}

/// Draws a zone.
pub fn add(desk: &CountsTransaction<'_>, scene: Scene, draft: ZoneDraft) -> Result<ZoneRow, Fault> {
    let draft = validation::zone(draft)?;
    let zones = load_all(desk.connection)?;
    let others = || zones.iter().filter(|zone| share_scene(zone.scene, Some(scene)));
    is_free(others(), &draft)?;
    if others().count() >= MOST_ZONES {
        let words = format!("there are {MOST_ZONES} zones already; delete one first");
        return Err(EditError::invalid_whole(words).into());
    }
    let id = insert(desk, Some(scene), &draft, None)?;
    load_one(desk.connection, id)
}

/// Changes a zone of the page.
pub fn change_zone(
    desk: &CountsTransaction<'_>,
    id: u64,
    version: Option<u64>,
    draft: ZoneDraft,
) -> Result<ZoneRow, Fault> {
    let zone = load_editable(desk, id, version)?;
    let draft = validation::zone(draft)?;
    if draft == zone.draft {
        return Ok(zone);
    }
    let zones = load_all(desk.connection)?;
    is_free(zones.iter().filter(|other| other.id != id && share_scene(other.scene, zone.scene)), &draft)?;
    update_zone(desk, id, &draft, None)?;
    load_one(desk.connection, id)
}

/// Moves the zones of the page as `turn` says. Gives how many there are.
pub fn turn(desk: &CountsTransaction<'_>, turn: &dyn Fn([f64; 2]) -> [f64; 2]) -> Result<usize, Fault> {
    let mut moved = 0;
    for zone in load_all(desk.connection)?.into_iter().filter(|zone| zone.pinned.is_none()) {
        moved += 1;
        let points = zone.draft.points.iter().map(|&point| turn(point)).collect();
        let draft = validation::zone(ZoneDraft { points, ..zone.draft })?;
        update_zone(desk, zone.id, &draft, None)?;
    }
    Ok(moved)
}

/// Deletes a zone of the page.
pub fn delete(desk: &CountsTransaction<'_>, id: u64, version: Option<u64>) -> Result<(), Fault> {
    load_editable(desk, id, version)?;
    mark_deleted(desk, id)
}

/// Makes the operator's zones those of his file; matched by name, and left out, as his lines are.
pub fn pin(desk: &CountsTransaction<'_>, pinned: Vec<(ZoneDraft, String)>) -> Result<Vec<EditError>, Fault> {
    if pinned.len() > MOST_ZONES {
        return Err(EditError::invalid_whole(format!("there can be {MOST_ZONES} zones at most")).into());
    }
    let zones = load_all(desk.connection)?;
    let (mut names, mut left_out) = (BTreeSet::new(), Vec::new());
    for (draft, origin) in pinned {
        let draft = validation::zone(draft)?;
        if !names.insert(draft.name.clone()) {
            return Err(EditError::SameName { what: "zone", name: draft.name }.into());
        }
        if zones.iter().any(|zone| zone.scene.is_some() && clash(&zone.draft, &draft)) {
            left_out.push(EditError::Drawn { what: "zone", name: draft.name, origin });
            continue;
        }
        match zones.iter().find(|zone| zone.scene.is_none() && zone.draft.name == draft.name) {
            None => {
                insert(desk, None, &draft, Some(&origin))?;
            }
            Some(zone) if zone.draft == draft && zone.pinned.as_ref() == Some(&origin) => {}
            Some(zone) => update_zone(desk, zone.id, &draft, Some(&origin))?,
        }
    }
    for zone in zones.iter().filter(|zone| zone.scene.is_none() && !names.contains(&zone.draft.name)) {
        mark_deleted(desk, zone.id)?;
    }
    Ok(left_out)
}

/// Whether the two cannot be told apart: a zone that is excluded has no figures that could be taken for the other's.
fn clash(one: &ZoneDraft, other: &ZoneDraft) -> bool {
    one.name == other.name && !one.exclude && !other.exclude
}

fn is_free<'a>(mut others: impl Iterator<Item = &'a ZoneRow>, draft: &ZoneDraft) -> Result<(), EditError> {
    if others.any(|other| clash(&other.draft, draft)) {
        return Err(EditError::SameName { what: "zone", name: draft.name.clone() });
    }
    Ok(())
}

fn load_editable(desk: &CountsTransaction<'_>, id: u64, version: Option<u64>) -> Result<ZoneRow, Fault> {
    let zone = load_one(desk.connection, id)?;
    if let Some(origin) = zone.pinned {
        return Err(EditError::Pinned { name: zone.draft.name, origin }.into());
    }
    if version.is_some_and(|version| version != zone.version) {
        return Err(EditError::Changed { what: "zone", id, version: zone.version }.into());
    }
    Ok(zone)
}

fn insert(
    desk: &CountsTransaction<'_>,
    scene: Option<Scene>,
    draft: &ZoneDraft,
    pinned: Option<&str>,
) -> Result<u64, Fault> {
    desk.connection.execute(
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
    Ok(desk.connection.last_insert_rowid() as u64)
}

fn update_zone(
    desk: &CountsTransaction<'_>,
    id: u64,
    draft: &ZoneDraft,
    pinned: Option<&str>,
) -> Result<(), Fault> {
    desk.connection.execute(
        "UPDATE zones SET version = version + 1, name = ?2, points = ?3, classes = ?4, anchor = ?5, exclude = ?6, pinned = ?7
         WHERE id = ?1",
        params![
            id as i64,
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

fn mark_deleted(desk: &CountsTransaction<'_>, id: u64) -> Result<(), Fault> {
    desk.connection
        .execute("UPDATE zones SET deleted = 1, version = version + 1 WHERE id = ?1", [id as i64])?;
    // Nobody can ask for its figures any more.
    desk.connection.execute("DELETE FROM occupancy WHERE zone = ?1", [id as i64])?;
    Ok(())
}
