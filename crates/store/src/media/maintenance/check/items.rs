//! Checks the items of a store and their chunks, one after another.

use rusqlite::{Connection, OptionalExtension, params};

use super::{BYTES_A_STEP, Check, CheckContext, ROWS_A_STEP, is_damage};
use crate::media::rows::{self, MediaRowError, StoredSums, unsigned};
use crate::media::schema::{GOING, OPEN, chunk_id, chunk_number};
use crate::media::{ChunkFrame, Ended, Item, MediaKind, chunks, frames};

/// The progress within an item, with the sums of its checked chunks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    item: u64,
    /// The first chunk that has not been checked.
    next: i64,
    sums: StoredSums,
    /// A chunk was dropped, so the next one follows a gap.
    is_gap: bool,
    /// An unusable chunk stayed, so the next chunk's sums of earlier ones are believed.
    is_lost: bool,
}

/// A row of `chunks`.
struct ChunkToCheck {
    id: i64,
    from_us: u64,
    to_us: u64,
    frames: u64,
    bytes: u64,
    size: (u32, u32),
    is_after_gap: bool,
    before: (u64, u64, u64),
    step_us: u64,
    index: Vec<u8>,
    jpegs: Vec<u8>,
}

impl Check {
    /// Checks items and their chunks. True when all are done.
    pub(super) fn check_items(&mut self, tx: &mut CheckContext<'_>) -> Result<bool, MediaRowError> {
        let mut bytes = 0;
        for _ in 0..ROWS_A_STEP {
            if bytes > BYTES_A_STEP {
                return Ok(false);
            }
            if let Some(walk) = self.walk {
                bytes += self.chunk(tx, walk)?;
                continue;
            }
            let next: Option<(u64, i64)> = tx
                .connection
                .query_row(
                    "SELECT id, state FROM items WHERE id > ?1 ORDER BY id LIMIT 1",
                    [self.item as i64],
                    |row| Ok((unsigned(row, 0)?, row.get(1)?)),
                )
                .optional()?;
            let until = next.map_or(i64::MAX, |(id, _)| chunk_id(id, 0));
            if self.find_orphan(tx, until)? {
                continue;
            }
            let Some((id, state)) = next else { return Ok(true) };
            if state == GOING {
                self.item = id;
                continue;
            }
            self.report.items += 1;
            // In a store that nobody has open, such as a copy made while recording, an open item is no fault: the
            // next start closes it.
            if state == OPEN && !tx.recordings.contains_key(&id) && (self.repair || !self.is_alone) {
                self.check_open_item(tx, id)?;
            }
            self.walk = Some(Walk {
                item: id,
                next: chunk_id(id, 0),
                sums: StoredSums::default(),
                is_gap: false,
                is_lost: false,
            });
        }
        Ok(false)
    }

    /// Handles the first chunk without an item between the current item and `until`. True if there was one and it has
    /// been handled.
    fn find_orphan(&mut self, tx: &mut CheckContext<'_>, until: i64) -> Result<bool, MediaRowError> {
        let from = chunk_id(self.item + 1, 0);
        let found: Option<i64> = tx
            .connection
            .query_row("SELECT min(id) FROM chunks WHERE id >= ?1 AND id < ?2", [from, until], |row| {
                row.get(0)
            })
            .or_else(|error| if is_damage(&error) { Ok(None) } else { Err(error) })?;
        let Some(id) = found else { return Ok(false) };
        let item = id >> 32;
        let count: i64 = tx.connection.query_row(
            "SELECT count(*) FROM chunks WHERE id >= ?1 AND id < ?2",
            [id, until.min((item + 1) << 32)],
            |row| row.get(0),
        )?;
        let mended = self.report_and_repair(
            tx,
            format!("{count} chunk(s) belong to item {item}, which is not there"),
            Some(&mut |connection| {
                // One at a time, because each may be megabytes.
                connection.execute("DELETE FROM chunks WHERE id = ?1", [id])?;
                Ok(String::from("one is freed"))
            }),
        )?;
        if !mended {
            self.item = item as u64;
        }
        Ok(true)
    }

    fn check_open_item(&mut self, tx: &mut CheckContext<'_>, id: u64) -> Result<(), MediaRowError> {
        self.report_and_repair(
            tx,
            format!("item {id} is open, and nobody records it"),
            Some(&mut |connection| {
                let sums = StoredSums::read(connection, id)?.unwrap_or_default();
                chunks::end_recording(connection, id, &sums, Ended::Interrupted)?;
                let stays = rows::item_of(connection, id)?.is_some();
                Ok(String::from(if stays { "it is closed" } else { "nothing of it stays" }))
            }),
        )?;
        Ok(())
    }

    /// Checks the next chunk of an item, or its end. Returns the number of bytes read.
    fn chunk(&mut self, tx: &mut CheckContext<'_>, mut walk: Walk) -> Result<u64, MediaRowError> {
        let range = [walk.next, chunk_id(walk.item + 1, 0)];
        let found = tx
            .connection
            .query_row(
                "SELECT id, bytes FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1",
                range,
                |row| Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?)),
            )
            .optional();
        let (id, bytes) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.check_item_end(tx, &walk)?;
                (self.item, self.walk) = (walk.item, None);
                return Ok(0);
            }
            Err(error) if is_damage(&error) => {
                self.record_fault(format!(
                    "item {}: from chunk {} on it cannot be read",
                    walk.item,
                    chunk_number(walk.next)
                ));
                (self.item, self.walk) = (walk.item, None);
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        walk.next = id + 1;
        self.report.chunks += 1;
        match read_row(tx.connection, id) {
            Ok(row) => self.row(tx, &mut walk, row)?,
            Err(error) if is_damage(&error) => {
                self.drop_chunk(tx, &mut walk, id, &format!("it cannot be read ({error})"))?;
            }
            Err(error) => return Err(error),
        }
        self.walk = Some(walk);
        Ok(bytes)
    }

    /// Checks a readable chunk.
    fn row(
        &mut self,
        tx: &mut CheckContext<'_>,
        walk: &mut Walk,
        row: ChunkToCheck,
    ) -> Result<(), MediaRowError> {
        let Some(index) = frames::decode(&row.index, row.from_us) else {
            return self.drop_chunk(tx, walk, row.id, "its index is none");
        };
        let good: Vec<ChunkFrame> =
            index.iter().copied().filter(|frame| picture(&row.jpegs, frame).is_some()).collect();
        self.report.pictures += index.len() as u64;
        if good.is_empty() {
            return self.drop_chunk(tx, walk, row.id, "it has no picture");
        }
        let number = chunk_number(row.id);
        let bad = index.len() - good.len();
        if bad > 0 {
            let what =
                format!("item {}, chunk {number}: {bad} of {} pictures are no JPEGs", walk.item, index.len());
            let sums = &mut walk.sums;
            let mended = self.report_and_repair(
                tx,
                what,
                Some(&mut |connection| {
                    rewrite_chunk(connection, &row, &good, sums)?;
                    Ok(String::from("they are dropped, and a gap is marked"))
                }),
            )?;
            if mended {
                walk.is_gap = false;
                return Ok(());
            }
        }
        let cut = index
            .iter()
            .filter_map(|frame| picture(&row.jpegs, frame))
            .filter(|jpeg| !has_jpeg_end(jpeg))
            .count();
        if cut > 0 {
            // It stays, because most programs show the part that exists.
            self.record_fault(format!(
                "item {}, chunk {number}: {cut} of {} pictures have no end",
                walk.item,
                index.len()
            ));
        }
        let (Some(first), Some(last)) = (index.first(), index.last()) else { return Ok(()) };
        let bytes: u64 = index.iter().map(|frame| u64::from(frame.len)).sum();
        let is_after_gap = row.is_after_gap || walk.is_gap;
        if walk.is_lost {
            (walk.sums.frames, walk.sums.bytes, walk.sums.gaps) = row.before;
            walk.is_lost = false;
        }
        let before = (walk.sums.frames, walk.sums.bytes, walk.sums.gaps);
        let mut wrong = Vec::new();
        let mut say = |is_wrong: bool, what: &'static str| {
            if is_wrong {
                wrong.push(what);
            }
        };
        say(row.frames != index.len() as u64, "its number of pictures");
        say(row.bytes != bytes || row.jpegs.len() as u64 != bytes, "its bytes");
        say(row.from_us != first.at_us || row.to_us != last.at_us, "its times");
        say(row.from_us < walk.sums.to_us, "that it begins before the chunk before it ends");
        say(row.before != before, "what comes before it");
        say(is_after_gap != row.is_after_gap, "the gap before it");
        if !wrong.is_empty() {
            self.report_and_repair(
                tx,
                format!("item {}, chunk {number}: not right is {}", walk.item, wrong.join(", ")),
                Some(&mut |connection| {
                    connection.execute(
                        "UPDATE chunks SET frames = ?2, bytes = ?3, to_us = ?4, gap = ?5, frames_before = ?6,
                           bytes_before = ?7, gaps_before = ?8 WHERE id = ?1",
                        params![
                            row.id,
                            index.len() as i64,
                            bytes as i64,
                            last.at_us as i64,
                            is_after_gap,
                            before.0 as i64,
                            before.1 as i64,
                            before.2 as i64
                        ],
                    )?;
                    Ok(String::from("it is set right"))
                }),
            )?;
        }
        add(&mut walk.sums, &row, index.len() as u64, bytes, is_after_gap, last.at_us);
        walk.is_gap = false;
        Ok(())
    }

    fn drop_chunk(
        &mut self,
        tx: &mut CheckContext<'_>,
        walk: &mut Walk,
        id: i64,
        why: &str,
    ) -> Result<(), MediaRowError> {
        let what = format!("item {}, chunk {}: {why}", walk.item, chunk_number(id));
        let mended = self.report_and_repair(
            tx,
            what,
            Some(&mut |connection| {
                connection.execute("DELETE FROM chunks WHERE id = ?1", [id])?;
                Ok(String::from("it is dropped, and a gap is marked"))
            }),
        )?;
        walk.is_gap |= mended;
        walk.is_lost |= !mended;
        Ok(())
    }

    /// Compares the row of an item with its chunks.
    fn check_item_end(&mut self, tx: &mut CheckContext<'_>, walk: &Walk) -> Result<(), MediaRowError> {
        let id = walk.item;
        if let Some(kept) = tx.recordings.get_mut(&id) {
            let anew = StoredSums { next: kept.next, ..walk.sums };
            if *kept != anew {
                let what = format!("recording {id} has not come to the sums of its chunks");
                if self.repair {
                    self.report.repaired.push(format!("{what}: they are computed again"));
                    *kept = anew;
                } else {
                    self.record_fault(what);
                }
            }
            return Ok(());
        }
        let text = format!("{} WHERE id = ?1 AND state < 2", rows::SELECT_ITEMS);
        let item = match tx.connection.query_row(&text, [id as i64], rows::read_item).optional() {
            Ok(Some(item)) if !item.is_open => item,
            // It is gone meanwhile, or it is open and was reported.
            Ok(_) => return Ok(()),
            Err(error @ rusqlite::Error::FromSqlConversionFailure(..)) => {
                self.record_fault(format!("item {id}: its row cannot be read ({error})"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if walk.sums.frames == 0 {
            // A chunk that could not be dropped still belongs to it.
            let range = [chunk_id(id, 0), chunk_id(id + 1, 0)];
            let has_chunks: bool = tx.connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM chunks WHERE id >= ?1 AND id < ?2)",
                range,
                |row| row.get(0),
            )?;
            let mut remove = |connection: &Connection| {
                connection.execute("DELETE FROM items WHERE id = ?1", [id as i64])?;
                Ok(String::from("it is removed"))
            };
            let what =
                format!("{} {:?} (item {id}) has no picture that can be read", item.kind.as_str(), item.name);
            self.report_and_repair(tx, what, if has_chunks { None } else { Some(&mut remove) })?;
            return Ok(());
        }
        let gaps_at_end = crate::media::rows::gaps_at_end(tx.connection, id)?;
        let sums = StoredSums { gaps: walk.sums.gaps + gaps_at_end, ..walk.sums };
        let wrong = differing_sums(&item, &sums);
        if !wrong.is_empty() {
            let duration_us = if item.kind == MediaKind::Snapshot { 0 } else { sums.duration_us() };
            self.report_and_repair(
                tx,
                format!("item {id}: not the sums of its chunks: {}", wrong.join(", ")),
                Some(&mut |connection| {
                    connection.execute(
                        "UPDATE items SET duration_us = ?2, frames = ?3, gaps = ?4, bytes = ?5, width = ?6,
                           height = ?7, version = version + 1 WHERE id = ?1",
                        params![
                            id as i64,
                            duration_us as i64,
                            sums.frames as i64,
                            sums.gaps as i64,
                            sums.bytes as i64,
                            sums.size.0,
                            sums.size.1
                        ],
                    )?;
                    Ok(String::from("they are computed again"))
                }),
            )?;
        }
        Ok(())
    }
}

fn read_row(connection: &Connection, id: i64) -> Result<ChunkToCheck, MediaRowError> {
    connection.query_row(
        "SELECT from_us, to_us, frames, bytes, width, height, gap, frames_before, bytes_before, gaps_before, step_us,
           frames_index, jpegs FROM chunks WHERE id = ?1",
        [id],
        |row| {
            Ok(ChunkToCheck {
                id,
                from_us: unsigned(row, 0)?,
                to_us: unsigned(row, 1)?,
                frames: unsigned(row, 2)?,
                bytes: unsigned(row, 3)?,
                size: (row.get(4)?, row.get(5)?),
                is_after_gap: row.get(6)?,
                before: (unsigned(row, 7)?, unsigned(row, 8)?, unsigned(row, 9)?),
                step_us: unsigned(row, 10)?,
                index: row.get(11)?,
                jpegs: row.get(12)?,
            })
        },
    )
}

/// The bytes of a picture, if a JPEG starts where the index says.
fn picture<'a>(jpegs: &'a [u8], frame: &ChunkFrame) -> Option<&'a [u8]> {
    let from = frame.offset as usize;
    let bytes = from.checked_add(frame.len as usize).and_then(|to| jpegs.get(from..to));
    bytes.filter(|jpeg| jpeg.starts_with(&[0xff, 0xd8]))
}

/// Whether a JPEG has an end marker. Some cameras and programs append data after it.
fn has_jpeg_end(jpeg: &[u8]) -> bool {
    jpeg.ends_with(&[0xff, 0xd9]) || memchr::memmem::rfind(jpeg, &[0xff, 0xd9]).is_some()
}

/// Adds a chunk to the sums of an item.
fn add(sums: &mut StoredSums, row: &ChunkToCheck, frames: u64, bytes: u64, is_after_gap: bool, to_us: u64) {
    if sums.frames == 0 {
        sums.size = row.size;
    }
    sums.next = chunk_number(row.id) + 1;
    sums.frames += frames;
    sums.bytes += bytes;
    sums.gaps += u64::from(is_after_gap);
    sums.to_us = to_us;
    sums.step_us = row.step_us;
}

/// Replaces a chunk with its good pictures, and marks a gap before it.
fn rewrite_chunk(
    connection: &Connection,
    row: &ChunkToCheck,
    good: &[ChunkFrame],
    sums: &mut StoredSums,
) -> Result<(), MediaRowError> {
    let mut jpegs = Vec::with_capacity(row.jpegs.len());
    let mut kept = Vec::with_capacity(good.len());
    for frame in good {
        let offset = jpegs.len() as u32;
        jpegs.extend_from_slice(&row.jpegs[frame.offset as usize..][..frame.len as usize]);
        kept.push(ChunkFrame { offset, ..*frame });
    }
    let (Some(first), Some(last)) = (kept.first(), kept.last()) else { return Ok(()) };
    connection.execute(
        "UPDATE chunks SET from_us = ?2, to_us = ?3, frames = ?4, bytes = ?5, gap = 1, frames_before = ?6,
           bytes_before = ?7, gaps_before = ?8, frames_index = ?9, jpegs = ?10 WHERE id = ?1",
        params![
            row.id,
            first.at_us as i64,
            last.at_us as i64,
            kept.len() as i64,
            jpegs.len() as i64,
            sums.frames as i64,
            sums.bytes as i64,
            sums.gaps as i64,
            frames::encode(&kept, first.at_us),
            jpegs
        ],
    )?;
    add(sums, row, kept.len() as u64, jpegs.len() as u64, true, last.at_us);
    Ok(())
}

/// The names of an item's sums that differ from its chunks.
fn differing_sums(item: &Item, sums: &StoredSums) -> Vec<&'static str> {
    let duration_us = if item.kind == MediaKind::Snapshot { 0 } else { sums.duration_us() };
    [
        (item.frames != sums.frames, "pictures"),
        (item.bytes != sums.bytes, "bytes"),
        (item.gaps != sums.gaps, "gaps"),
        ((item.width, item.height) != sums.size, "size"),
        (item.duration_us != duration_us, "duration"),
    ]
    .into_iter()
    .filter_map(|(is_wrong, what)| is_wrong.then_some(what))
    .collect()
}
