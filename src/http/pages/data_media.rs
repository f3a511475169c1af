//! Data of the store and the recorder in the pages' own types. Makes no decisions.

use crate::http::api::media::storage;
use crate::http::auth::caller::Who;
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::site::Site;
use crate::ui::{LISTED, LiveRecording, LocalClock, MediaAsk, NotKept, RetentionPreview, StorageFault};
use tallycam_store::media::{ChunkRow, Item, MediaKind, MediaQuery, Recorded, RetentionPlan, Storage};
use tallycam_store::{CrossingsQuery, Direction};

/// Items on the live page.
const NEWEST: usize = 6;

/// Newer and older items beside the player.
const NEWER: usize = 4;
const OLDER: usize = 26;

/// Maximum number of marked crossings of a recording.
const MARKED: usize = 4000;

/// The current recording; `None` also without a store.
pub fn now_at(site: &Site) -> Option<Recorded> {
    site.recorder().ok()?.status().now
}

/// Disk usage; if `None`, [`trouble`] says why.
pub async fn room_at(site: &Site) -> Option<Storage> {
    storage::room(site).await.ok().as_deref().cloned()
}

/// The gravest reason why nothing, or not everything, can be stored. `None` also in privacy mode, which is no fault.
pub fn trouble(site: &Site, who: &Who) -> Option<StorageFault> {
    whole_fault(site).map(|trouble| wire::redacted_for(who, trouble))
}

fn whole_fault(site: &Site) -> Option<StorageFault> {
    if site.is_counts_only() {
        return None;
    }
    let of = |problem: Problem| StorageFault {
        what: NotKept::Anything,
        reason: problem.detail,
        hint: problem.hint.unwrap_or_default(),
    };
    let media = match site.media() {
        Ok(media) => media,
        Err(problem) => return Some(of(problem)),
    };
    let status = media.status().borrow().clone();
    // The banner of every page says that the disk is full.
    if status.is_full {
        return None;
    }
    if let Some((reason, hint)) = &status.trouble {
        return Some(StorageFault {
            what: NotKept::Anything,
            reason: reason.clone(),
            hint: hint.clone().unwrap_or_default(),
        });
    }
    let status = site.recorder().ok()?.status();
    let reason = status.trouble.filter(|_| status.now.is_some())?;
    Some(StorageFault {
        what: NotKept::Recording,
        reason,
        hint: "It goes on by itself when that is over.".into(),
    })
}

/// The live page's data on stored media; `None` without a store.
pub async fn live(site: &Site) -> Option<LiveRecording> {
    site.recorder().ok()?;
    let query = MediaQuery { limit: NEWEST, ..MediaQuery::default() };
    let page = match site.media_readers() {
        Ok(readers) => readers.read(move |reader| reader.list(&query)).await.ok(),
        Err(_) => None,
    };
    Some(LiveRecording {
        clock: site.clock(),
        now: now_at(site),
        newest: page.map(|page| page.items).unwrap_or_default(),
        said: String::new(),
        stored: None,
    })
}

/// The store query of the media page. Its days are calendar days.
pub fn query(ask: &MediaAsk, clock: &LocalClock, limit: usize) -> MediaQuery {
    let begin = |day: jiff::civil::Date| {
        let at = day.at(0, 0, 0, 0).to_zoned(clock.zone.clone()).ok()?;
        u64::try_from(at.timestamp().as_microsecond()).ok()
    };
    MediaQuery {
        kind: MediaKind::parse(ask.kind),
        text: Some(ask.text.clone()).filter(|text| !text.is_empty()),
        from_us: ask.from.and_then(begin),
        to_us: ask.to.and_then(|day| day.tomorrow().ok()).and_then(begin),
        is_kept: ask.is_kept,
        cursor: ask.cursor.clone(),
        is_upward: false,
        limit,
    }
}

/// An item that is not closed yet counts as recorded only while it is.
pub fn settle_open(site: &Site, rows: &mut [Item]) {
    let now = now_at(site).map(|now| now.id);
    rows.iter_mut().for_each(|row| row.is_open &= Some(row.id) == now);
}

/// The items around `item` among those that `ask` finds, newest first.
pub async fn around(site: &Site, ask: &MediaAsk, item: &Item) -> Result<Vec<Item>, Problem> {
    let older = MediaQuery { cursor: Some(item.cursor()), ..query(ask, &site.clock(), OLDER) };
    let newer = MediaQuery { is_upward: true, limit: NEWER, ..older.clone() };
    let readers = site.media_readers()?;
    let read = readers.read(move |reader| Ok((reader.list(&newer)?.items, reader.list(&older)?.items)));
    let (newer, older) = read.await?;
    let mut rows: Vec<Item> = newer.into_iter().rev().chain([item.clone()]).chain(older).collect();
    settle_open(site, &mut rows);
    Ok(rows)
}

/// The gaps between a recording's chunks, in microseconds since its first picture.
pub fn gaps(chunks: &[ChunkRow]) -> Vec<(u64, u64)> {
    let begin = chunks.first().map_or(0, |first| first.from_us);
    let since = |us: u64| us.saturating_sub(begin);
    let pairs = chunks.windows(2).filter_map(|pair| match pair {
        [before, after] if after.is_after_gap => Some((since(before.to_us), since(after.from_us))),
        _ => None,
    });
    pairs.collect()
}

/// Crossings during a recording: microseconds since its start, and true for in. `None` if unknown.
pub async fn crossed(site: &Site, item: &Item) -> Option<Vec<(u64, bool)>> {
    let counts_db = site.counts_readers().ok()?;
    let (from_us, long) = (item.at_us, item.duration_us);
    // Only one scene exists at a time; which one it was then is unknown.
    let asked = CrossingsQuery {
        from_us: Some(from_us),
        to_us: Some(from_us.saturating_add(long)),
        oldest_first: true,
        ..CrossingsQuery::newest(None, MARKED)
    };
    let crossings = counts_db.read(move |reader| reader.crossings(&asked)).await.ok()?;
    let relative = crossings
        .iter()
        .map(|crossing| (crossing.time_us.saturating_sub(from_us), crossing.direction == Direction::In));
    Some(relative.collect())
}

/// The effect of retention rules.
pub fn plan(plan: &RetentionPlan, clock: LocalClock) -> RetentionPreview {
    let taken_us = |one: Option<&(Item, _)>| one.map(|(item, _)| item.at_us);
    RetentionPreview {
        items: plan.goes.len(),
        bytes: plan.goes.iter().map(|(item, _)| item.bytes).sum(),
        span_us: taken_us(plan.goes.first()).zip(taken_us(plan.goes.last())),
        goes: plan.goes.iter().take(LISTED).map(|(item, why)| (item.clone(), why.as_str())).collect(),
        unmet: plan.unmet.clone(),
        waits: plan.waits,
        clock,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chunk(from_us: u64, to_us: u64, is_after_gap: bool) -> ChunkRow {
        ChunkRow {
            number: 0,
            first_frame: 0,
            from_us,
            to_us,
            frames: 1,
            bytes: 1,
            width: 16,
            height: 16,
            is_after_gap,
        }
    }

    #[test]
    fn gaps_lie_between_chunks() {
        assert_eq!(gaps(&[]), []);
        assert_eq!(gaps(&[chunk(0, 9, true)]), []);
        let chunks = [chunk(5, 9, false), chunk(10, 19, false), chunk(50, 59, true), chunk(60, 69, false)];
        assert_eq!(gaps(&chunks), [(14, 45)]);
    }

    #[test]
    fn a_day_lasts_from_midnight_to_midnight() {
        let clock =
            LocalClock { now_us: 0, zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(1)), day_starts: 4 };
        let day = "2026-11-12".parse().unwrap();
        let ask = MediaAsk { from: Some(day), to: Some(day), kind: "recording", ..MediaAsk::default() };
        let query = query(&ask, &clock, 60);
        assert_eq!(query.from_us, Some(1_794_438_000_000_000));
        assert_eq!(query.to_us, Some(1_794_438_000_000_000 + 86_400_000_000));
        assert_eq!((query.kind, query.text, query.limit), (Some(MediaKind::Recording), None, 60));
    }
}
