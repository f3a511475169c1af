//! Data of the pages Crossings and Checks.

use std::collections::HashSet;

use crate::http::api::counting::checks;
use crate::http::api::media::video;
use crate::http::pages::data_counting::{classes, head, lines, recorded};
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::wrong_value;
use crate::http::request::right::Right;
use crate::http::request::time_param;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::ui::{
    self, CheckPage, CheckedMedia, ChecksPage, ClippedCrossing, CrossingsAsk, CrossingsPage, LocalClock,
    TapsPage,
};
use tallycam_store::media::{Item, MediaKind};
use tallycam_store::{CheckEvent, CrossingsQuery, EditError, StoredCrossing};

/// Maximum number of crossings on the page.
const MOST_SHOWN: usize = 200;

/// The data of the page; `None` if there is no such line.
pub async fn crossings_page(request: &Request) -> Result<Option<CrossingsPage>, Problem> {
    let site = &request.site;
    let (handle, counts) = (site.counting()?, site.counts()?);
    let (clock, scene) = (site.clock(), counts.scene());
    let ask = ask(request, &clock)?;
    // One extra row tells whether there are more.
    let asked = CrossingsQuery {
        from_us: Some(ask.from_us),
        to_us: Some(ask.to_us),
        lines: ask.line.into_iter().collect(),
        classes: ask.class.iter().cloned().collect(),
        after: ask.cursor,
        ..CrossingsQuery::newest(scene, MOST_SHOWN + 1)
    };
    let counts_db = site.counts_readers()?;
    let read = counts_db.read({
        let (ask, lines) = (ask.clone(), asked.lines.clone());
        move |reader| {
            let chosen = ask.at.map(|at| reader.crossing(at)).transpose()?.flatten();
            let gaps = reader.gaps_of_lines(scene, &lines, ask.from_us, ask.to_us)?;
            let rows = reader.crossings(&asked)?;
            let sums = reader.crossing_sums(&asked)?;
            let moves = reader.line_moves(ask.from_us, ask.to_us)?;
            Ok((reader.lines()?, rows, chosen, sums, gaps, moves))
        }
    });
    let (lines, mut rows, chosen, sums, gaps, moves) = read.await?;
    let lines: Vec<_> = (lines.into_iter().filter(|row| row.is_in_scene(scene)))
        .map(|row| wire::redacted_for(&request.who, row))
        .collect();
    if ask.line.is_some_and(|line| lines.iter().all(|row| row.id != line)) {
        return Ok(None);
    }
    let has_more = rows.len() > MOST_SHOWN;
    rows.truncate(MOST_SHOWN);
    // Recounted ones were stored later than they crossed.
    rows.sort_by_key(|row| std::cmp::Reverse((row.time_us, row.id)));
    let has_pictures = request.who.has(Right::Viewer, false) && !site.is_counts_only();
    let times = || rows.iter().chain(&chosen).map(|row| row.time_us);
    let recordings = match (times().min(), times().max()) {
        (Some(first_us), Some(last_us)) if has_pictures => recorded(site, first_us, last_us).await,
        _ => None,
    };
    let recordings = recordings.unwrap_or_default();
    let clipped = |row: StoredCrossing| ClippedCrossing { clip: clip(&recordings, row.time_us), row };
    let missed = match ask.line.filter(|_| ask.cursor.is_none()) {
        Some(line) => handle.missed(line, ask.from_us),
        None => Vec::new(),
    };
    let missed = missed.into_iter().filter(|track| track.time_us < ask.to_us).map(|track| {
        format!("{} {} #{}", ui::second_in_words(track.time_us, &clock), track.class, track.track)
    });
    let mut notes = vec![ui::not_counting_in_words(&gaps, &clock)];
    let moved = moves.iter().filter(|moved| ask.line.is_none_or(|line| moved.0 == line));
    notes.extend(moved.filter_map(|(line, us)| {
        let line = lines.iter().find(|row| row.id == *line)?;
        Some(format!("{} was moved at {}.", line.draft.name, ui::second_in_words(*us, &clock)))
    }));
    notes.retain(|note| !note.is_empty());
    Ok(Some(CrossingsPage {
        head: head(request),
        scene: scene.as_str().to_owned(),
        classes: classes(site, &request.who)?,
        lines,
        sums,
        rows: rows.into_iter().map(clipped).collect(),
        chosen: chosen.filter(|one| one.scene == scene).map(clipped),
        has_more,
        note: notes.join(" "),
        missed: missed.collect(),
        has_pictures,
        is_counts_only: site.is_counts_only(),
        has_video: !recordings.is_empty() && site.videos.encoders().await.is_some(),
        offers_recording: has_pictures && can_record(site),
        records_all: has_pictures && records(site).iter().any(|line| line == "*"),
        refused: request.refused(),
        ask,
        clock,
    }))
}

/// The query of the page.
fn ask(request: &Request, clock: &LocalClock) -> Result<CrossingsAsk, Problem> {
    let query = &request.query;
    let instant = |key: &'static str| -> Result<Option<u64>, Problem> {
        query.given(key)?.map(|text| time_param::instant(key, text, clock)).transpose()
    };
    let date = query.get("day").map(str::trim).filter(|text| !text.is_empty());
    let date = date.map(|text| text.parse().map_err(|_| wrong_value("day", text, "a date: 2026-11-20")));
    let (from_us, to_us, day) =
        CrossingsAsk::span(date.transpose()?, instant("from")?, instant("to")?, clock);
    Ok(CrossingsAsk {
        from_us,
        to_us,
        day,
        line: query.whole("line", 1..=u64::MAX)?,
        class: query.get("class").filter(|class| !class.is_empty()).map(str::to_owned),
        cursor: query.whole("cursor", 1..=u64::MAX)?,
        at: query.whole("at", 1..=u64::MAX)?,
    })
}

/// The lines whose crossings are recorded.
fn records(site: &Site) -> Vec<String> {
    let Ok(preferences) = site.preferences() else { return Vec::new() };
    preferences.in_force().resolved.config.record.on_crossing.clone()
}

/// True if no line's crossings are recorded, and the setting may be changed.
fn can_record(site: &Site) -> bool {
    const KEY: &str = "record.on_crossing";
    let Ok(preferences) = site.preferences() else { return false };
    let in_force = preferences.in_force();
    let is_pinned = in_force.resolved.origin(KEY).is_some_and(|origin| origin.is_operators());
    records(site).is_empty() && !is_pinned && site.media_readers().is_ok()
}

/// The recording that shows `time_us`, and the seconds of the clip around it.
fn clip(recordings: &[Item], time_us: u64) -> Option<(u64, f64, f64)> {
    let item = recordings.iter().find(|item| video::covers(item, time_us))?;
    let at_us = time_us.saturating_sub(item.at_us);
    let seconds = |us: u64| us as f64 / 1e6;
    Some((item.id, seconds(at_us.saturating_sub(video::AROUND_US)), seconds(at_us + video::AROUND_US)))
}

/// Maximum number of checks on the page Checks.
const MOST_CHECKS: usize = 200;

/// The time in which marked crossings are counted.
const MARKED_US: u64 = 90 * 86_400_000_000;

/// The data of the list of checks.
pub async fn checks_page(request: &Request) -> Result<ChecksPage, Problem> {
    let (site, who) = (&request.site, &request.who);
    let (clock, lines) = (site.clock(), lines(site.counts()?, who));
    let checked = checks::found(site, who, |reader| reader.checks(None, None, MOST_CHECKS)).await?;
    let (since_us, ids) =
        (clock.now_us.saturating_sub(MARKED_US), lines.iter().map(|line| line.id).collect::<Vec<_>>());
    let counts_db = site.counts_readers()?;
    let marked = counts_db.read(move |reader| {
        ids.into_iter().map(|line| reader.marked(line, since_us)).collect::<Result<Vec<_>, _>>()
    });
    let marked = marked.await?;
    let items = if sees_pictures(request) { recorded(site, 0, clock.now_us).await } else { None };
    Ok(ChecksPage {
        head: head(request),
        line: request.query.get("line").and_then(|line| line.parse().ok()),
        items: items.unwrap_or_default().into_iter().filter(|item| !item.is_open).collect(),
        checks: checked,
        marked: lines
            .iter()
            .zip(marked)
            .map(|(line, (all, marked))| (line.draft.name.clone(), all, marked))
            .collect(),
        refused: request.refused(),
        lines,
        clock,
    })
}

fn sees_pictures(request: &Request) -> bool {
    request.who.has(Right::Viewer, false) && !request.site.is_counts_only()
}

/// The data of one check, with a picture and a clip of each of its crossings, where there are.
pub async fn check_page(request: &Request, id: u64) -> Result<CheckPage, Problem> {
    let (site, who) = (&request.site, &request.who);
    let check = checks::check(site, who, id).await?;
    let mut recordings = Vec::new();
    if sees_pictures(request) {
        recordings = recorded(site, check.from_us, check.to_us).await.unwrap_or_default();
        if let (Some(id), Ok(readers)) = (check.recording, site.media_readers())
            && let Ok(item) = readers.read(move |reader| reader.item(id)).await
        {
            recordings.insert(0, item);
        }
    }
    let ids: Vec<u64> = check.crossings.iter().filter_map(|event| event.crossing).collect();
    let counts_db = site.counts_readers()?;
    let thumbnails = counts_db.read(move |reader| reader.with_thumbnail(&ids));
    let thumbnails = if sees_pictures(request) { thumbnails.await? } else { HashSet::new() };
    let shown = |event: &CheckEvent| {
        let is_watched = |item: &&Item| {
            let times = item.at_us..=item.at_us.saturating_add(item.duration_us);
            Some(item.id) == check.recording && times.contains(&event.time_us)
                || video::covers(item, event.time_us)
        };
        let item = recordings.iter().find(is_watched);
        let at_s = |item: &Item, early_us: u64| {
            event.time_us.saturating_sub(item.at_us).saturating_sub(early_us) as f64 / 1e6
        };
        let thumbnail = event.crossing.filter(|id| thumbnails.contains(id));
        let picture = match thumbnail {
            Some(id) => Some(format!("api/v1/crossings/{id}/thumbnail.jpg")),
            None => {
                item.map(|item| format!("api/v1/media/{}/frame.jpg?t={:.3}&w=192", item.id, at_s(item, 0)))
            }
        };
        let clip = item.map(|item| format!("player?id={}&t={:.3}", item.id, at_s(item, video::AROUND_US)));
        CheckedMedia { picture, clip }
    };
    Ok(CheckPage {
        head: head(request),
        clock: site.clock(),
        shown: check.crossings.iter().map(shown).collect(),
        is_recording_open: checks::recording(site, &check).await.map(|(_, is_open)| is_open),
        refused: request.refused(),
        check,
    })
}

/// The data of the page for tapping.
pub async fn taps_page(request: &Request) -> Result<TapsPage, Problem> {
    let (site, query) = (&request.site, &request.query);
    let id = query.whole("line", 1..=u64::MAX)?.unwrap_or_default();
    let line = lines(site.counts()?, &request.who).into_iter().find(|line| line.id == id);
    let item = match query.whole("item", 1..=u64::MAX)? {
        Some(id) => {
            let item = site.media_readers()?.read(move |reader| reader.item(id)).await?;
            if item.kind != MediaKind::Recording || site.is_counts_only() {
                return Err(wrong_value("item", &id.to_string(), "a recording"));
            }
            Some((item, query.seconds("t")?.unwrap_or(0)))
        }
        None => None,
    };
    let useless = match &item {
        Some((item, _)) => {
            let whole = checks::whole(site, id, item)?;
            let read = site.counts_readers()?.read(move |reader| reader.new_check(whole)).await?;
            read.err().map(|why| why.to_string())
        }
        None => None,
    };
    let report = StateReport::of(site, &request.who);
    let line = line.ok_or(EditError::Unknown { what: "line", id })?;
    let is_original = item.as_ref().is_some_and(|(item, _)| !item.is_as_shown());
    Ok(TapsPage {
        head: head(request),
        clock: site.clock(),
        line: if is_original { line.in_originals(&site.pipeline.view().borrow().geometry()) } else { line },
        useless,
        size: report.width.zip(report.height),
        minutes: query.whole("minutes", 1..=30)?.unwrap_or(15),
        item,
        is_counts_only: site.is_counts_only(),
        can_record: !site.is_counts_only()
            && site.recorder().is_ok_and(|recorder| recorder.status().now.is_none()),
        refused: request.refused(),
    })
}
