//! Edits of items within one transaction: new items, changes, removal.

use rusqlite::{OptionalExtension, params};

use super::retime;
use super::transaction::{MediaFault, MediaTransaction};
use crate::media::chunks::{self, ChunkPictures};
use crate::media::names::{
    check_date, check_day, check_name, check_note, default_name, edited_date, format_day, unused_name,
};
use crate::media::retention::reclaim;
use crate::media::rows::{self, MediaRowError, StoredSums};
use crate::media::schema::{OPEN, THERE};
use crate::media::{
    ChunkFrame, Item, MediaEdit, MediaError, MediaKind, MediaOrigin, NewRecording, NewSnapshot,
};
use tallycam_base::ClockTime;

/// The values of a new item of either kind.
struct ItemDescription {
    kind: MediaKind,
    name: Option<String>,
    may_rename: bool,
    date: Option<String>,
    stamp: ClockTime,
    source: String,
    origin: MediaOrigin,
    note: String,
}

/// Stores a snapshot.
pub fn add_snapshot(tx: &mut MediaTransaction<'_>, new: NewSnapshot) -> Result<Item, MediaFault> {
    let Ok(len) = u32::try_from(new.jpeg.len()) else {
        return Err(MediaError::Wrong(String::from("a picture has at most 4 GiB")).into());
    };
    if !new.jpeg.starts_with(&[0xff, 0xd8]) {
        return Err(MediaError::Wrong(String::from("the picture is no JPEG")).into());
    }
    tx.require_space(u64::from(len))?;
    let words = ItemDescription {
        kind: MediaKind::Snapshot,
        name: new.name,
        may_rename: new.may_rename,
        date: new.date,
        stamp: new.stamp,
        source: new.source,
        origin: new.origin,
        note: new.note,
    };
    let id = insert(tx, words)?;
    tx.connection.execute(
        "UPDATE items SET state = ?2, frames = 1, width = ?3, height = ?4, bytes = ?5 WHERE id = ?1",
        params![id as i64, THERE, new.width, new.height, len],
    )?;
    let pictures = ChunkPictures {
        frames: &[ChunkFrame { at_us: 0, offset: 0, len, sequence: 0 }],
        jpegs: &new.jpeg,
        size: (new.width, new.height),
        is_after_gap: false,
        last_us: None,
    };
    chunks::insert(tx.connection, id, &mut StoredSums::default(), &pictures)?;
    tx.state.totals.snapshots.0 += 1;
    tx.state.totals.snapshots.1 += u64::from(len);
    read_back(tx, id)
}

/// Starts a recording.
pub(crate) fn insert_recording(tx: &mut MediaTransaction<'_>, new: NewRecording) -> Result<u64, MediaFault> {
    tx.require_space(0)?;
    let words = ItemDescription {
        kind: MediaKind::Recording,
        name: new.name,
        may_rename: new.may_rename,
        date: new.date,
        stamp: new.stamp,
        source: new.source,
        origin: new.origin,
        note: new.note,
    };
    let id = insert(tx, words)?;
    tx.state.recordings.insert(id, StoredSums::default());
    tx.state.totals.recordings.0 += 1;
    Ok(id)
}

/// Inserts the row of a new item, open.
fn insert(tx: &mut MediaTransaction<'_>, words: ItemDescription) -> Result<u64, MediaFault> {
    check_note(&words.note)?;
    // An import has its own time; a picture of ours has that of this boot's clock.
    let is_ours = words.origin != MediaOrigin::Import;
    let at_us =
        if is_ours { tx.wall_us(words.stamp) } else { words.stamp.wall_us.min(i64::MAX as u64) as i64 };
    let (name, may_rename) = match words.name {
        Some(name) => (name, words.may_rename),
        None => (default_name(words.kind, at_us, tx.zone), true),
    };
    check_name(&name)?;
    let name = if !rows::has_name(tx.connection, &name)? {
        name
    } else if may_rename {
        unused_name(&name, |name| rows::has_name(tx.connection, name))?
    } else {
        return Err(MediaError::SameName(name).into());
    };
    let date = words.date.filter(|date| !date.is_empty());
    let is_dated = date.is_some();
    let (date, moved_us) = match date {
        Some(date) => {
            check_date(&date)?;
            // An import's date does not move its time, which was given as well.
            if is_ours { edited_date(&date, at_us, tx.zone) } else { (date, None) }
        }
        None => (format_day(at_us, tx.zone), None),
    };
    let is_known = is_ours || words.stamp.wall_trusted;
    let boot = match tx.state.wall.is_sure {
        false => Some(tx.boot),
        true if is_known => None,
        true => Some(retime::unknown_boot(tx.connection)?),
    };
    tx.connection.execute(
        "INSERT INTO items (name, kind, date, at_us, added_us, state, camera, source, origin, note, boot, mono_us,
           added_mono_us, dated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            name,
            words.kind.as_str(),
            date,
            moved_us.unwrap_or(at_us),
            tx.state.wall.wall_us(tx.now.monotonic_us as i64),
            OPEN,
            tx.camera,
            words.source,
            words.origin.as_str(),
            words.note,
            boot,
            // No clock moves a time that a user has set.
            ((is_ours || !is_known) && moved_us.is_none()).then_some(words.stamp.monotonic_us as i64),
            tx.now.monotonic_us as i64,
            is_dated
        ],
    )?;
    tx.is_changed = true;
    Ok(tx.connection.last_insert_rowid() as u64)
}

/// The item, if it still has this version.
fn item_at_version(tx: &MediaTransaction<'_>, id: u64, version: Option<u64>) -> Result<Item, MediaFault> {
    let Some(item) = rows::item_of(tx.connection, id)? else {
        return Err(MediaError::Unknown(id.to_string()).into());
    };
    match version {
        Some(version) if version != item.version => {
            Err(MediaError::Changed { id, version: item.version }.into())
        }
        _ => Ok(item),
    }
}

/// Changes name, date, note or protection of an item.
pub fn edit(
    tx: &mut MediaTransaction<'_>,
    id: u64,
    version: Option<u64>,
    edit: MediaEdit,
) -> Result<Item, MediaFault> {
    tx.allow_ballast();
    let item = item_at_version(tx, id, version)?;
    let set = |column: &str, value: &dyn rusqlite::ToSql| -> Result<usize, MediaRowError> {
        tx.connection
            .execute(&format!("UPDATE items SET {column} = ?2 WHERE id = ?1"), params![id as i64, value])
    };
    let mut changed = 0;
    if let Some(name) = edit.name.filter(|name| *name != item.name) {
        check_name(&name)?;
        if rows::has_name(tx.connection, &name)? {
            return Err(MediaError::SameName(name).into());
        }
        changed += set("name", &name)?;
    }
    if let Some(date) = edit.date.filter(|date| *date != item.date) {
        check_day(&date, tx.zone)?;
        let (date, moved_us) = edited_date(&date, item.at_us as i64, tx.zone);
        changed += set("date", &date)? + set("dated", &true)?;
        if let Some(moved_us) = moved_us {
            // The user knows this time, so no clock moves it any more.
            set("at_us", &moved_us)?;
            set("mono_us", &None::<i64>)?;
        }
    }
    if let Some(note) = edit.note.filter(|note| *note != item.note) {
        check_note(&note)?;
        changed += set("note", &note)?;
    }
    if let Some(is_kept) = edit.is_kept.filter(|is_kept| *is_kept != item.is_kept) {
        changed += set("kept", &is_kept)?;
    }
    if changed == 0 {
        return Ok(item);
    }
    tx.connection.execute("UPDATE items SET version = version + 1 WHERE id = ?1", [id as i64])?;
    tx.is_changed = true;
    read_back(tx, id)
}

/// Protects items from retention, or unprotects them: all or none.
pub fn set_kept(tx: &mut MediaTransaction<'_>, ids: &[u64], is_kept: bool) -> Result<(), MediaFault> {
    tx.allow_ballast();
    let mut is_so = tx.connection.prepare("SELECT kept = ?2 FROM items WHERE id = ?1 AND state < 2")?;
    let mut set = tx.connection.prepare("UPDATE items SET kept = ?2, version = version + 1 WHERE id = ?1")?;
    for &id in ids {
        let wanted = params![id as i64, is_kept];
        match is_so.query_row(wanted, |row| row.get(0)).optional()? {
            None => return Err(MediaError::Unknown(id.to_string()).into()),
            Some(true) => {}
            Some(false) => tx.is_changed |= set.execute(wanted)? > 0,
        }
    }
    Ok(())
}

/// Removes an item, if it still has this version.
pub fn remove_one(tx: &mut MediaTransaction<'_>, id: u64, version: Option<u64>) -> Result<(), MediaFault> {
    item_at_version(tx, id, version)?;
    remove(tx, &[id])
}

/// Removes items: all or none.
pub fn remove(tx: &mut MediaTransaction<'_>, ids: &[u64]) -> Result<(), MediaFault> {
    tx.allow_ballast();
    reclaim::remove(tx.connection, ids, &mut tx.state.totals)?;
    tx.state.is_freeing |= !ids.is_empty();
    tx.is_changed |= !ids.is_empty();
    Ok(())
}

/// Stores or deletes a small value.
pub fn set_setting(tx: &MediaTransaction<'_>, key: &str, value: Option<&str>) -> Result<(), MediaFault> {
    tx.allow_ballast();
    match value {
        Some(value) => tx
            .connection
            .execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)", [key, value])?,
        None => tx.connection.execute("DELETE FROM settings WHERE key = ?1", [key])?,
    };
    Ok(())
}

fn read_back(tx: &MediaTransaction<'_>, id: u64) -> Result<Item, MediaFault> {
    let item = rows::item_of(tx.connection, id)?;
    item.ok_or_else(|| MediaFault::File(MediaRowError::QueryReturnedNoRows))
}
