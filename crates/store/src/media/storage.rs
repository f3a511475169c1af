//! Storage figures: room, its use, and how long it lasts. They come from the rows of items and a few chunks: the
//! newest of a recording under way, and the first that is left of a removed one.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::rows::{MediaRowError, StoredSums, unsigned};
use super::schema::{GOING, OPEN, chunk_id};
use super::{AsideFile, MediaKind, RetentionRules, Storage};
use tallycam_base::ClockTime;
use tallycam_base::ballast;

const DAY_US: f64 = 86_400e6;
const WEEK_US: u64 = 7 * 86_400_000_000;
const HOUR_US: u64 = 3_600_000_000;

/// Sums over items, which the writer keeps in memory and the page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    /// Number and bytes of snapshots.
    pub snapshots: (u64, u64),
    /// Number and bytes of recordings, including open ones.
    pub recordings: (u64, u64),
    /// Bytes of removed items that are not freed yet.
    pub going: u64,
}

impl Totals {
    /// Computes the sums from the rows.
    pub(super) fn read(connection: &Connection) -> Result<Totals, MediaRowError> {
        let mut totals = Totals::default();
        let mut query =
            connection.prepare("SELECT kind, state, count(*), sum(bytes) FROM items GROUP BY 1, 2")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (count, bytes) = (unsigned(row, 2)?, unsigned(row, 3)?);
            if row.get::<_, i64>(1)? == GOING {
                totals.going += bytes;
                continue;
            }
            let of_kind = totals.for_kind(MediaKind::parse(row.get_ref(0)?.as_str()?));
            of_kind.0 += count;
            of_kind.1 += bytes;
        }
        let mut query = connection.prepare("SELECT id, state FROM items WHERE state > 0 AND kind = ?1")?;
        let mut rows = query.query([MediaKind::Recording.as_str()])?;
        while let Some(row) = rows.next()? {
            let id = unsigned(row, 0)?;
            if row.get::<_, i64>(1)? == OPEN {
                totals.recordings.1 += StoredSums::read(connection, id)?.map_or(0, |sums| sums.bytes);
            } else {
                totals.going = totals.going.saturating_sub(freed_bytes(connection, id)?);
            }
        }
        Ok(totals)
    }

    /// The sums of a kind; an unknown kind counts as a recording.
    pub(super) fn for_kind(&mut self, kind: Option<MediaKind>) -> &mut (u64, u64) {
        match kind {
            Some(MediaKind::Snapshot) => &mut self.snapshots,
            _ => &mut self.recordings,
        }
    }
}

/// Bytes of a removed recording that are already freed: those before the first remaining chunk.
fn freed_bytes(connection: &Connection, id: u64) -> Result<u64, MediaRowError> {
    let left = connection
        .query_row(
            "SELECT bytes_before FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1",
            [chunk_id(id, 0), chunk_id(id + 1, 0)],
            |row| unsigned(row, 0),
        )
        .optional()?;
    match left {
        Some(freed) => Ok(freed),
        None => {
            connection.query_row("SELECT bytes FROM items WHERE id = ?1", [id as i64], |row| unsigned(row, 0))
        }
    }
}

/// The storage figures.
pub(super) fn read(
    connection: &Connection,
    file: &Path,
    rules: &RetentionRules,
    now: ClockTime,
) -> Result<Storage, MediaRowError> {
    let totals = Totals::read(connection)?;
    let (file_bytes, unused_bytes) = pages(connection)?;
    let directory = file.parent().unwrap_or(Path::new("."));
    let (free_bytes, total_bytes) = ballast::space(directory).unwrap_or((0, 0));
    let missing_bytes = ballast::missing_bytes(directory);
    let mut storage = Storage {
        file_bytes,
        unused_bytes,
        snapshots: totals.snapshots,
        recordings: totals.recordings,
        kept_bytes: kept_bytes(connection)?,
        going_bytes: totals.going,
        aside: aside_files(directory),
        free_bytes,
        total_bytes,
        // Nearly full, the writer gives unused bytes back to the file system.
        lacks_ballast: missing_bytes > 0
            && free_bytes.saturating_add(unused_bytes) < missing_bytes + ballast::LAST_BYTES,
        bytes_a_day: None,
        days_left: None,
    };
    if let Some(rates) = rates(connection, now)? {
        storage.bytes_a_day = Some(rates.iter().sum());
        storage.days_left = days_left(&storage, rates, rules);
    }
    Ok(storage)
}

/// Bytes of protected items.
fn kept_bytes(connection: &Connection) -> Result<u64, MediaRowError> {
    let mut bytes = 0;
    let mut query = connection.prepare("SELECT id, bytes, state FROM items WHERE kept AND state < 2")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        bytes += match row.get::<_, i64>(2)? {
            OPEN => StoredSums::read(connection, unsigned(row, 0)?)?.map_or(0, |sums| sums.bytes),
            _ => unsigned(row, 1)?,
        };
    }
    Ok(bytes)
}

/// Bytes of the file, and of its unused pages.
pub(super) fn pages(connection: &Connection) -> Result<(u64, u64), MediaRowError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| unsigned(row, 0));
    let size = pragma("page_size")?;
    Ok((pragma("page_count")?.saturating_mul(size), pragma("freelist_count")?.saturating_mul(size)))
}

/// The stores that were set aside in `directory`, oldest first.
pub(super) fn aside_files(directory: &Path) -> Vec<AsideFile> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<AsideFile> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok().filter(|name| is_aside_name(name))?;
            let about = entry.metadata().ok().filter(|about| about.is_file())?;
            let at = about.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(AsideFile { name, bytes: about.len(), at_us: at.as_micros() as u64 })
        })
        .collect();
    files.sort_by(|a, b| (a.at_us, &a.name).cmp(&(b.at_us, &b.name)));
    files
}

/// Whether `name` is that of a store that was set aside: `media-2026-11-20-145307.db`, possibly with `-2` ….
pub(super) fn is_aside_name(name: &str) -> bool {
    name.strip_prefix("media-").and_then(|rest| rest.strip_suffix(".db")).is_some_and(|date| {
        date.len() >= 17 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    })
}

/// Bytes per day of snapshots and of recordings, over the last week or since the oldest existing item.
fn rates(connection: &Connection, now: ClockTime) -> Result<Option<[f64; 2]>, MediaRowError> {
    let week_ago = now.wall_us.saturating_sub(WEEK_US);
    let oldest: Option<i64> = connection.query_row(
        "SELECT min(added_us) FROM items WHERE state < 2 AND (boot IS NULL OR ?1)",
        [!now.wall_trusted],
        |row| row.get(0),
    )?;
    let since = oldest.map_or(now.wall_us, |oldest| oldest.max(0) as u64).max(week_ago);
    let span = now.wall_us.saturating_sub(since);
    if span < HOUR_US {
        return Ok(None);
    }
    let mut rates = [0.0; 2];
    let mut query =
        connection.prepare("SELECT id, kind, bytes, state FROM items WHERE state < 2 AND added_us >= ?1")?;
    let mut rows = query.query([since as i64])?;
    while let Some(row) = rows.next()? {
        let mut bytes = unsigned(row, 2)?;
        if row.get::<_, i64>(3)? == OPEN {
            bytes = StoredSums::read(connection, unsigned(row, 0)?)?.map_or(0, |sums| sums.bytes);
        }
        let is_recording = row.get_ref(1)?.as_str()? == MediaKind::Recording.as_str();
        rates[usize::from(is_recording)] += bytes as f64 * DAY_US / span as f64;
    }
    Ok(Some(rates))
}

/// If `min_free` deletes the oldest items, days are shown only from this number on. A full ring has no days left and
/// lasts for ever.
const DAYS_BEFORE_THE_OLDEST_GO: f64 = 7.0;

/// Days until the room except `min_free` is used, at these rates of snapshots and of recordings. `None` if nothing
/// grows, or the rules keep it small enough for ever.
fn days_left(storage: &Storage, rates: [f64; 2], rules: &RetentionRules) -> Option<f64> {
    let least = rules.min_free.unwrap_or(0);
    let room = (storage.free_bytes + storage.unused_bytes + storage.going_bytes).saturating_sub(least) as f64;
    let days = days_until_full(room, storage, rates, rules)?;
    (rules.min_free.is_none() || days >= DAYS_BEFORE_THE_OLDEST_GO).then_some(days)
}

/// Days until `room` is used.
fn days_until_full(room: f64, storage: &Storage, rates: [f64; 2], rules: &RetentionRules) -> Option<f64> {
    // Bytes by which each kind may still grow.
    let growth = |now: u64, rate: f64, most: Option<u64>, age: Option<std::time::Duration>| {
        let by_bytes = most.map_or(f64::INFINITY, |most| most as f64);
        let by_age = age.map_or(f64::INFINITY, |age| rate * age.as_secs_f64() / 86_400.0);
        (by_bytes.min(by_age) - now as f64).max(0.0)
    };
    let growths = [
        growth(storage.snapshots.1, rates[0], rules.snapshots_bytes, rules.snapshots_age),
        growth(storage.recordings.1, rates[1], rules.recordings_bytes, rules.recordings_age),
    ];
    // First the kind that stops growing earlier, if the room lasts until then; after that only the other.
    let ends: Vec<f64> =
        (0..2).map(|kind| if rates[kind] > 0.0 { growths[kind] / rates[kind] } else { 0.0 }).collect();
    let (first, second) = if ends[0] <= ends[1] { (0, 1) } else { (1, 0) };
    let grown = (rates[0] + rates[1]) * ends[first];
    if grown >= room && rates[0] + rates[1] > 0.0 {
        return Some(room / (rates[0] + rates[1]));
    }
    let alone = rates[second];
    (alone > 0.0 && alone * (ends[second] - ends[first]) > room - grown)
        .then(|| ends[first] + (room - grown) / alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_of_files_that_were_set_aside() {
        assert!(is_aside_name("media-2026-11-20-145307.db") && is_aside_name("media-2026-11-20-145307-2.db"));
        for name in
            ["media.db", "media-.db", "media-../../x.db", "media-2026-11-20-145307.db-journal", "counts.db"]
        {
            assert!(!is_aside_name(name), "{name}");
        }
    }

    #[test]
    fn room_lasts_as_long_as_something_grows() {
        let storage =
            Storage { free_bytes: 900, unused_bytes: 100, recordings: (1, 500), ..Storage::default() };
        let rules = RetentionRules::default();
        let days = |rates, rules: &RetentionRules| days_left(&storage, rates, rules);
        assert_eq!(days([0.0, 100.0], &rules), Some(10.0));
        assert_eq!(days([0.0, 0.0], &rules), None);
        assert_eq!(days([50.0, 50.0], &rules), Some(10.0));
        // Recordings may grow only by 100, which takes a day and leaves 900 - 0 for snapshots.
        let bounded = RetentionRules { recordings_bytes: Some(600), ..RetentionRules::default() };
        assert_eq!(days([0.0, 100.0], &bounded), None);
        assert_eq!(days([100.0, 100.0], &bounded), Some(1.0 + 8.0));
        let aged = RetentionRules { recordings_age: Some(Duration::from_secs(86_400 * 7)), ..rules };
        assert_eq!(days([0.0, 100.0], &aged), None, "700 bytes in all");
        assert_eq!(days([0.0, 1000.0], &aged), Some(1.0));
        // The room of `min_free` does not count. If it will soon delete the oldest, no days are shown.
        let floor = RetentionRules { min_free: Some(200), ..RetentionRules::default() };
        assert_eq!(days([0.0, 100.0], &floor), Some(8.0));
        assert_eq!(days([0.0, 200.0], &floor), None);
        let more = RetentionRules { min_free: Some(5000), ..RetentionRules::default() };
        assert_eq!(days([0.0, 1.0], &more), None);
    }
}
