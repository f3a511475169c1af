//! A recording as a stream of pictures at its own pace, for an `<img>` and for the player, and its index.
//!
//! The pace follows the stamps, times `speed`. A slow client skips: after a picture has left this machine, the one
//! due by then is sent. Gaps (the camera was away) are shortened to two seconds. A time-lapse runs at 25 pictures per
//! second. Each picture is read when it is due, in one short transaction.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, Response, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use crate::http::request::problem::Problem;
use crate::http::request::query::{Query, wrong_value};
use crate::http::request::reply;
use crate::http::server::body::{Body, BrokenBody};
use crate::http::server::link::{ConnectionUse, Link};
use crate::http::server::multipart;
use crate::http::server::multipart::{OPENING, REPEAT};
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::place;
use crate::http::site::readers::{MediaReadError, MediaReaders};
use tallycam_store::media::{ChunkFrame, ChunkRow, Item, MediaKind, MediaReader};

/// Maximum number of replays.
const PLACES: usize = 16;

/// Longest duration of a gap, in microseconds.
const GAP_US: u64 = 2_000_000;

/// Time after which unsent bytes are checked again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Allowed speeds.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.05..=100.0;

/// Pictures on a page of the index.
const PAGE: usize = 10_000;

/// `GET /api/v1/media/{id}/frames`.
pub async fn frames(request: Request) -> Result<Response<Body>, Problem> {
    let query = &request.query;
    let from_us = query.seconds("from")?.unwrap_or(0);
    let to_us = query.seconds("to")?.unwrap_or(u64::MAX);
    let speed = number(query, "speed", SPEEDS)?.unwrap_or(1.0);
    let fps = number(query, "fps", multipart::FPS)?;
    let is_endless = query.is_set("loop")?;
    if to_us < from_us {
        return Err(wrong_value("to", query.get("to").unwrap_or_default(), "no less than `from`"));
    }
    let readers = request.site.media_readers()?;
    let id = request.id;
    let (item, rows) = readers
        .read(move |reader| {
            let item = reader.item(id)?;
            let rows = if item.kind == MediaKind::Recording { reader.chunks(id)? } else { Vec::new() };
            Ok((item, rows))
        })
        .await?;
    if item.kind == MediaKind::Recording && rows.is_empty() {
        return Err(Problem::new(StatusCode::NOT_FOUND, "the recording has no pictures yet"));
    }
    if request.method == Method::HEAD {
        return Ok(multipart::head(Body::full("")));
    }
    place::take_place(&request.site, &request.link, ConnectionUse::Replay, PLACES)?;
    request.link.watches();
    let (sender, pieces) = mpsc::channel(1);
    let mut replay = Replay {
        readers,
        spots: spots(&rows, item.even_step_us()),
        step_even_us: item.even_step_us(),
        item,
        opened: None,
        from_us,
        to_us,
        speed,
        step_us: fps.map(|fps| speed * 1e6 / fps),
        sender,
        link: request.link.clone(),
        site: request.site.clone(),
        last: None,
    };
    tokio::task::spawn_local(async move {
        loop {
            match replay.once(is_endless).await {
                Ok(true) if is_endless => {}
                Ok(_) => return,
                Err(error) => {
                    log::warn!("a replay of item {} was cut off: {error}", replay.item.id);
                    // The client may have gone.
                    return drop(replay.sender.send(Err(BrokenBody)).await);
                }
            }
        }
    });
    Ok(multipart::head(Body::pieces(pieces)))
}

fn number(
    query: &Query,
    key: &'static str,
    range: std::ops::RangeInclusive<f64>,
) -> Result<Option<f64>, Problem> {
    let Some(text) = query.given(key)? else { return Ok(None) };
    match query.number(key) {
        Some(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(wrong_value(key, text, format!("a number from {} to {}", range.start(), range.end()))),
    }
}

/// A chunk with its times in the recording and in the replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    number: u64,
    /// Number of pictures before it.
    first: u64,
    /// Time of its first picture on the chunks' clock, in microseconds.
    from_us: u64,
    /// Time of that picture in the replay, with shortened gaps: microseconds since the first picture of all.
    shown_us: u64,
}

/// The chunks' spots. `even_us` is the interval between pictures, if it replaces the recorded times.
fn spots(rows: &[ChunkRow], even_us: Option<u64>) -> Vec<Spot> {
    let mut spots = Vec::with_capacity(rows.len());
    let mut shown_us = 0;
    let mut before: Option<&ChunkRow> = None;
    for row in rows {
        if let Some(before) = before {
            let pause = row.from_us.saturating_sub(before.to_us);
            let pause = if row.is_after_gap { pause.min(GAP_US) } else { pause };
            shown_us += before.to_us.saturating_sub(before.from_us) + pause;
        }
        let shown_us = even_us.map_or(shown_us, |even_us| row.first_frame * even_us);
        spots.push(Spot { number: row.number, first: row.first_frame, from_us: row.from_us, shown_us });
        before = Some(row);
    }
    spots
}

/// A picture: the index of its spot, and its index in the chunk.
type ReplayPlace = (usize, usize);

/// An even grid with fewer pictures than recorded, on the replay's time.
///
/// Like [`RateLimit`](crate::pipeline::rate::RateLimit) for live pictures: each due time is a step after the previous
/// due time, not after the previous picture. A slightly late picture therefore does not lower the rate.
#[derive(Debug)]
struct ReplayPace {
    step_us: f64,
    /// Due time of the next picture.
    due_us: f64,
}

impl ReplayPace {
    fn new(step_us: f64) -> ReplayPace {
        ReplayPace { step_us, due_us: f64::NEG_INFINITY }
    }

    /// Notes a shown picture. A picture more than a step late restarts the grid: the first one, one after a gap, or
    /// each one if the recording has at most the requested rate.
    fn shown(&mut self, shown_us: u64) {
        let shown_us = shown_us as f64;
        let next_us = self.due_us + self.step_us;
        self.due_us = if next_us < shown_us { shown_us + self.step_us } else { next_us };
    }

    /// Chooses between a picture at `before_us`, which is not after the due time, and the following one at
    /// `after_us`. True for the former: it is the nearer one, and early by at most a quarter of the step.
    fn takes_early(&self, before_us: u64, after_us: Option<u64>) -> bool {
        let early_us = self.due_us - before_us as f64;
        let late_us = after_us.map_or(f64::INFINITY, |after_us| after_us as f64 - self.due_us);
        early_us <= late_us.min(self.step_us / 4.0)
    }
}

/// The replay of a recording for one client.
struct Replay {
    readers: MediaReaders,
    item: Item,
    /// Empty for a snapshot.
    spots: Vec<Spot>,
    /// The interval between pictures, if it replaces the recorded times.
    step_even_us: Option<u64>,
    /// The index of the last used chunk.
    opened: Option<(usize, Vec<ChunkFrame>)>,
    from_us: u64,
    to_us: u64,
    speed: f64,
    /// Average interval between shown pictures, on the recording's time; `None` shows all.
    step_us: Option<f64>,
    sender: mpsc::Sender<Result<Bytes, BrokenBody>>,
    link: Rc<Link>,
    site: Rc<Site>,
    /// The last sent part, repeated while no other is due.
    last: Option<Bytes>,
}

impl Replay {
    /// Plays it once from start to end; false if the client has left.
    async fn once(&mut self, goes_on: bool) -> Result<bool, MediaReadError> {
        if self.last.is_none() && self.sender.send(Ok(OPENING)).await.is_err() {
            return Ok(false);
        }
        if self.spots.is_empty() {
            return self.one_picture(goes_on).await;
        }
        let base_us = self.spots[0].from_us;
        let end_us = base_us.saturating_add(self.to_us);
        let mut next = Some(self.at_time(base_us.saturating_add(self.from_us)).await?);
        // The clock starts with the first picture, which is never skipped.
        let mut began: Option<(Instant, u64)> = None;
        let mut pace = self.step_us.map(ReplayPace::new);
        while let Some(mut place) = next {
            if !self.has_room().await {
                return Ok(false);
            }
            if let Some((begin, first_us)) = began {
                // Skips to the picture due by now, if that is later.
                let due_us = first_us + (begin.elapsed().as_secs_f64() * self.speed * 1e6) as u64;
                place = place.max(self.at_shown(due_us).await?);
            }
            // Too late, beyond the end: show the last picture before it.
            if self.time_us(place).await? > end_us {
                place = self.at_time(end_us).await?;
            }
            let shown_us = self.shown_us(place).await?;
            let (begin, first_us) = *began.get_or_insert_with(|| (Instant::now(), shown_us));
            let after = match &mut pace {
                None => self.after(place).await?,
                Some(pace) => {
                    pace.shown(shown_us);
                    self.due(place, pace).await?
                }
            };
            next = match after {
                Some(after) if self.time_us(after).await? <= end_us => Some(after),
                _ => None,
            };
            let wait = (shown_us.saturating_sub(first_us)) as f64 / 1e6 / self.speed;
            if !self.wait_until(begin + Duration::from_secs_f64(wait)).await {
                return Ok(false);
            }
            let part = self.part(place, next.is_none() && !goes_on).await?;
            self.last = Some(part.clone());
            if self.sender.send(Ok(part)).await.is_err() {
                return Ok(false);
            }
        }
        if goes_on {
            // The last picture also has its time.
            return Ok(self.wait_until(Instant::now() + LAST.div_f64(self.speed)).await);
        }
        Ok(true)
    }

    /// Shows a snapshot; for a second if the replay repeats.
    async fn one_picture(&mut self, goes_on: bool) -> Result<bool, MediaReadError> {
        let id = self.item.id;
        let jpeg = self.readers.read(move |reader| reader.snapshot(id)).await?;
        let part = part(&jpeg, self.item.at_us, 0, 0, !goes_on);
        self.last = Some(part.clone());
        let is_there = self.has_room().await && self.sender.send(Ok(part)).await.is_ok();
        Ok(is_there && (!goes_on || self.wait_until(Instant::now() + REPEAT).await))
    }

    /// True if sending must end: the server stops, or privacy mode has begun.
    fn is_over(&self) -> bool {
        self.site.stop.is_set() || self.site.is_counts_only()
    }

    /// Waits until all sent bytes have left; false if the client has gone.
    async fn has_room(&self) -> bool {
        loop {
            if self.sender.is_closed() || self.is_over() {
                return false;
            }
            if self.sender.capacity() == 1 && self.link.has_room() {
                return true;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until then and repeats the last part now and then; false if the client has gone.
    async fn wait_until(&self, until: Instant) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            tokio::select! {
                () = tokio::time::sleep(left.min(REPEAT)) => {}
                () = self.sender.closed() => return false,
                () = self.site.stop.stopped() => return false,
            }
            if self.is_over() {
                return false;
            }
            if left <= REPEAT {
                return true;
            }
            if let Some(last) =
                self.last.clone().filter(|_| self.link.has_room() && self.sender.capacity() == 1)
                && self.sender.send(Ok(last)).await.is_err()
            {
                return false;
            }
        }
    }

    async fn open(&mut self, spot: usize) -> Result<&[ChunkFrame], MediaReadError> {
        if self.opened.as_ref().is_none_or(|(opened, _)| *opened != spot) {
            let (id, number) = (self.item.id, self.spots[spot].number);
            let frames = self.readers.read(move |reader| reader.frames(id, number)).await?;
            self.opened = Some((spot, frames));
        }
        Ok(self.opened.as_ref().map_or(&[], |(_, frames)| frames))
    }

    /// The last picture not after `time_us`, or the first one.
    async fn at_time(&mut self, time_us: u64) -> Result<ReplayPlace, MediaReadError> {
        let spot = self.spots.partition_point(|spot| spot.from_us <= time_us).saturating_sub(1);
        let frames = self.open(spot).await?;
        Ok((spot, frames.partition_point(|frame| frame.at_us <= time_us).saturating_sub(1)))
    }

    /// The same on the replay's time.
    async fn at_shown(&mut self, shown_us: u64) -> Result<ReplayPlace, MediaReadError> {
        let spot = self.spots.partition_point(|spot| spot.shown_us <= shown_us).saturating_sub(1);
        let Spot { from_us, shown_us: begin_us, .. } = self.spots[spot];
        let even_us = self.step_even_us;
        let frames = self.open(spot).await?;
        if let Some(even_us) = even_us {
            let frame = (shown_us.saturating_sub(begin_us) / even_us) as usize;
            return Ok((spot, frame.min(frames.len().saturating_sub(1))));
        }
        let is_due =
            |frame: &ChunkFrame| frame.at_us.saturating_sub(from_us) <= shown_us.saturating_sub(begin_us);
        Ok((spot, frames.partition_point(is_due).saturating_sub(1)))
    }

    async fn time_us(&mut self, (spot, frame): ReplayPlace) -> Result<u64, MediaReadError> {
        let from_us = self.spots[spot].from_us;
        Ok(self.open(spot).await?.get(frame).map_or(from_us, |frame| frame.at_us))
    }

    async fn shown_us(&mut self, place: ReplayPlace) -> Result<u64, MediaReadError> {
        let Spot { from_us, shown_us, .. } = self.spots[place.0];
        if let Some(even_us) = self.step_even_us {
            return Ok(shown_us + place.1 as u64 * even_us);
        }
        Ok(shown_us + self.time_us(place).await?.saturating_sub(from_us))
    }

    async fn after(&mut self, (spot, frame): ReplayPlace) -> Result<Option<ReplayPlace>, MediaReadError> {
        if frame + 1 < self.open(spot).await?.len() {
            return Ok(Some((spot, frame + 1)));
        }
        Ok((spot + 1 < self.spots.len()).then_some((spot + 1, 0)))
    }

    /// The next due picture after `place`: the nearer of the two around the due time.
    async fn due(
        &mut self,
        place: ReplayPlace,
        pace: &ReplayPace,
    ) -> Result<Option<ReplayPlace>, MediaReadError> {
        let before = self.at_shown(pace.due_us as u64).await?.max(place);
        let after = self.after(before).await?;
        if before == place {
            return Ok(after);
        }
        let before_us = self.shown_us(before).await?;
        let after_us = match after {
            Some(after) => Some(self.shown_us(after).await?),
            None => None,
        };
        Ok(if pace.takes_early(before_us, after_us) { Some(before) } else { after })
    }

    async fn part(&mut self, place: ReplayPlace, is_last: bool) -> Result<Bytes, MediaReadError> {
        let Spot { number, first, .. } = self.spots[place.0];
        let begin_us = self.spots[0].from_us;
        let id = self.item.id;
        let Some(frame) = self.open(place.0).await?.get(place.1).copied() else { return Ok(Bytes::new()) };
        let jpeg = self.readers.read(move |reader| reader.bytes(id, number, frame.offset, frame.len)).await?;
        let at_us = frame.at_us.saturating_sub(begin_us);
        Ok(part(&jpeg, self.item.at_us.saturating_add(frame.at_us), at_us, first + place.1 as u64, is_last))
    }
}

/// Duration of the last picture of a round.
const LAST: Duration = Duration::from_millis(500);

/// One part of the stream with the following boundary, which is the closing one if `is_last`.
fn part(jpeg: &[u8], wall_us: u64, at_us: u64, number: u64, is_last: bool) -> Bytes {
    let decimal = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let head = format!(
        "Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {}\r\nX-Time: {}\r\nX-Frame: {number}\r\n\r\n",
        jpeg.len(),
        decimal(wall_us),
        decimal(at_us),
    );
    let end: &[u8] = if is_last { b"\r\n--frame--\r\n" } else { b"\r\n--frame\r\n" };
    [head.as_bytes(), jpeg, end].concat().into()
}

/// A page of the index.
struct ReplayPage {
    item: Item,
    gaps: Vec<(u64, u64)>,
    /// Time, number and bytes of each picture.
    items: Vec<(u64, u64, u32)>,
    next: Option<u64>,
}

/// `GET /api/v1/media/{id}/index`.
pub async fn index(request: Request) -> Result<Response<Body>, Problem> {
    let query = &request.query;
    let from_us = query.seconds("from")?.unwrap_or(0);
    let to_us = query.seconds("to")?.unwrap_or(u64::MAX);
    let cursor = query.whole("cursor", 0..=u64::MAX)?.unwrap_or(0);
    let limit = query.whole("limit", 1..=PAGE as u64)?.map_or(PAGE, |limit| limit as usize);
    let id = request.id;
    let page = request
        .site
        .media_readers()?
        .read(move |reader| page(reader, id, (from_us, to_us), cursor, limit))
        .await?;
    let seconds = |us: u64| us as f64 / 1e6;
    Ok(reply::json(
        json!({
            "duration": seconds(page.item.duration_us),
            "frames": page.item.frames,
            "gaps": page.gaps.iter().map(|(from, to)| json!({"from": seconds(*from), "to": seconds(*to)})).collect::<Vec<_>>(),
            "items": page.items.iter().map(|(at, n, bytes)| json!([seconds(*at), n, bytes])).collect::<Vec<_>>(),
            "next": page.next.map(|next| next.to_string()),
        })
        .to_string(),
    ))
}

/// Pictures from number `cursor` on within the time range.
fn page(
    reader: &MediaReader,
    id: u64,
    (from_us, to_us): (u64, u64),
    cursor: u64,
    limit: usize,
) -> Result<ReplayPage, tallycam_store::media::MediaError> {
    let item = reader.item(id)?;
    let mut page = ReplayPage { item, gaps: Vec::new(), items: Vec::new(), next: None };
    if page.item.kind == MediaKind::Snapshot {
        if from_us == 0 && cursor == 0 {
            page.items.push((0, 0, page.item.bytes as u32));
        }
        return Ok(page);
    }
    let rows = reader.chunks(id)?;
    let base_us = rows.first().map_or(0, |row| row.from_us);
    let at = |us: u64| us.saturating_sub(base_us);
    page.gaps = rows
        .windows(2)
        .filter(|pair| pair[1].is_after_gap)
        .map(|pair| (at(pair[0].to_us), at(pair[1].from_us)))
        .filter(|(from, to)| *to >= from_us && *from <= to_us)
        .collect();
    for row in &rows {
        let last = row.first_frame + u64::from(row.frames);
        if last <= cursor || at(row.to_us) < from_us || at(row.from_us) > to_us {
            continue;
        }
        for (n, frame) in (row.first_frame..).zip(reader.frames(id, row.number)?) {
            let time = at(frame.at_us);
            if n < cursor || time < from_us || time > to_us {
                continue;
            }
            if page.items.len() == limit {
                page.next = Some(n);
                return Ok(page);
            }
            page.items.push((time, n, frame.len));
        }
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_shortened_and_pauses_are_not() {
        let row = |number, from_us, to_us, is_after_gap| ChunkRow {
            number,
            first_frame: number * 10,
            from_us,
            to_us,
            frames: 10,
            bytes: 1,
            width: 1,
            height: 1,
            is_after_gap,
        };
        let second = 1_000_000;
        let rows = [
            row(0, second, 2 * second, false),
            row(1, 12 * second, 13 * second, false),
            row(2, 113 * second, 114 * second, true),
            row(3, 115 * second, 116 * second, true),
        ];
        let lapse: Vec<u64> = spots(&rows, Some(40_000)).iter().map(|spot| spot.shown_us).collect();
        let firsts: Vec<u64> = rows.iter().map(|row| row.first_frame * 40_000).collect();
        assert_eq!(lapse, firsts, "25 pictures per second, whatever the intervals");
        let shown: Vec<u64> = spots(&rows, None).iter().map(|spot| spot.shown_us / second).collect();
        assert_eq!(shown, [0, 11, 14, 16]);
    }

    /// The stamps of the pictures that `Replay` shows to a client that keeps up.
    fn shown(stamps: &[u64], fps: f64) -> Vec<u64> {
        let mut pace = ReplayPace::new(1e6 / fps);
        let mut place = 0;
        let mut shown = Vec::new();
        loop {
            shown.push(stamps[place]);
            pace.shown(stamps[place]);
            let before = stamps.partition_point(|at| *at <= pace.due_us as u64).saturating_sub(1).max(place);
            let is_early =
                before > place && pace.takes_early(stamps[before], stamps.get(before + 1).copied());
            place = if is_early { before } else { before + 1 };
            if place >= stamps.len() {
                return shown;
            }
        }
    }

    #[test]
    fn the_requested_rate_is_kept() {
        // Three seconds of a camera with stamps that jitter by microseconds, then by milliseconds.
        let jitter = [0, 7, 3, 11, 2, 9, 5];
        for unit in [1, 500] {
            let stamps: Vec<u64> = (0..91).map(|n| n * 100_000 / 3 + unit * jitter[n as usize % 7]).collect();
            for (fps, want) in [(1.0, 4), (10.0, 31), (15.0, 46), (20.0, 61), (25.0, 76), (29.0, 88)] {
                let count = shown(&stamps, fps).len();
                assert!(count.abs_diff(want) <= 1, "{fps}: {count} and not {want}");
            }
            for fps in [30.0, 31.0, 60.0] {
                assert_eq!(shown(&stamps, fps), stamps, "{fps}");
            }
        }
    }

    #[test]
    fn a_thinned_grid_is_even_also_after_a_gap() {
        let stamps: Vec<u64> = (0..60).chain(300..360).map(|n| 50_000 + n * 100_000 / 3).collect();
        let shown = shown(&stamps, 10.0);
        assert_eq!(shown.len(), 40, "{shown:?}");
        for pair in shown.windows(2) {
            let far = pair[1] - pair[0];
            assert!((99_000..=101_000).contains(&far) || far > 8_000_000, "{shown:?}");
        }
    }

    #[test]
    fn a_part_ends_the_stream_only_if_it_is_the_last() {
        let want: &[u8] =
            b"Content-Type: image/jpeg\r\nContent-Length: 2\r\nX-Timestamp: 1.000002\r\nX-Time: \
            0.500000\r\nX-Frame: 7\r\n\r\nab\r\n--frame\r\n";
        assert_eq!(&part(b"ab", 1_000_002, 500_000, 7, false)[..], want);
        assert!(part(b"ab", 0, 0, 0, true).ends_with(b"ab\r\n--frame--\r\n"));
    }
}
