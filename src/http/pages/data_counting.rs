//! Data of counts.db and the counting thread in the pages' own types. Makes no decisions.

use std::collections::BTreeMap;

use hyper::Method;

use crate::http::api::counting::zones::drawn;
use crate::http::api::media::video;
use crate::http::auth::caller::Who;
use crate::http::report::counts::BUCKETS;
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::request::problem::Problem;
use crate::http::request::right::Right;
use crate::http::request::time_param;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::readers::CountsReadError;
use crate::http::site::way::sign_in_for;
use crate::maintenance::update::describe_version;
use crate::pipeline::counting::{Counting, CountingStatus};
use crate::ui::{
    self, CountingReport, CountsAsk, CountsPage, CrossingClip, CrossingFigure, CrossingsPage, DateSpan, Head,
    LineCrossings, LiveCounting, LocalClock, StorageFault, ZoneFigures, ZoneNow,
};
use tallycam_store::media::Item;
use tallycam_store::{
    BucketRow, BucketSize, Counts, CountsQuery, CountsReader, CrossingsQuery, Direction, Gap, GapsByLine,
    LineRow, OccupancyRow, OpeningHours, Reset, Scene, StoreError, StoredCrossing, TallyRow,
};

/// Crossings on the live page.
const NEWEST: usize = 5;
/// Maximum number of crossings on a line's page.
const MOST_SHOWN: usize = 500;
const HOUR_US: u64 = 3_600_000_000;

/// The head of the requested page.
pub fn head(request: &Request) -> Head {
    head_with(request, &StateReport::of(&request.site, &request.who))
}

/// The same, from this report.
pub fn head_with(request: &Request, report: &StateReport) -> Head {
    let query = request.uri.query().filter(|_| request.method == Method::GET);
    Head {
        returned: request.returned.clone(),
        sign_in: sign_in_for(request.table, request.uri.path(), query),
        ..head_of(report)
    }
}

/// The same, for a page without forms.
pub fn head_of(report: &StateReport) -> Head {
    Head {
        name: report.name.clone(),
        version: describe_version(),
        state: report.state.to_owned(),
        headline: report.headline.to_owned(),
        alerts: report.alerts.clone(),
        reader: report.reader,
        sign_in: String::new(),
        returned: None,
    }
}

impl Redact for StorageFault {
    fn redact(&mut self) {
        let mut told = Some(std::mem::take(&mut self.reason));
        wire::redact_reason(&mut told, &mut None);
        (self.reason, self.hint) = (told.unwrap_or_default(), String::new());
    }
}

/// The state of counting.
pub fn counting(status: &CountingStatus, who: &Who) -> CountingReport {
    wire::redacted_for(who, CountingReport::of(status, None))
}

/// The current scene's lines that are not deleted, pinned ones first.
pub fn lines(counts: &Counts, who: &Who) -> Vec<LineRow> {
    let (rows, scene) = (counts.lines().borrow().clone(), counts.scene());
    rows.iter()
        .filter(|row| row.is_in_scene(scene))
        .cloned()
        .map(|row| wire::redacted_for(who, row))
        .collect()
}

/// The current scene's zones, with their occupancy.
pub fn zones(counting: &Counting, counts: &Counts, who: &Who) -> Vec<ZoneNow> {
    let (rows, scene) = (counts.zones().borrow().clone(), counts.scene());
    let overlay = counting.overlay().borrow().clone();
    let here = rows.iter().filter(|row| row.is_in_scene(scene));
    here.map(|row| wire::redacted_for(who, drawn(row, &overlay))).collect()
}

pub fn tallies(counts: &Counts) -> Vec<TallyRow> {
    counts.subscribe_tallies().borrow().lines.clone()
}

/// The live page's data on counting. If counts.db cannot be read, its part is left out, and the state says why.
pub async fn live(site: &Site, who: &Who) -> Option<LiveCounting> {
    let handle = site.counting.as_ref()?;
    let clock = site.clock();
    let facts = counting(&handle.status(), who);
    let mut page = LiveCounting {
        clock,
        facts,
        lines: Vec::new(),
        zones: Vec::new(),
        tallies: Vec::new(),
        hours: Vec::new(),
        gaps: Vec::new(),
        crossings: Vec::new(),
        clips: Vec::new(),
    };
    let Ok(counts) = handle.counts() else { return Some(page) };
    page.lines = lines(counts, who);
    page.zones = zones(handle, counts, who);
    page.tallies = tallies(counts);
    let sees_pictures = who.has(Right::Viewer, false);
    match today(site, counts.scene(), &page.clock).await {
        Ok((hours, gaps, crossings)) => {
            let first_us = crossings.last().map(|crossing| crossing.time_us);
            let recordings = match first_us.filter(|_| sees_pictures) {
                Some(first_us) => recorded(site, first_us, page.clock.now_us).await.unwrap_or_default(),
                None => Vec::new(),
            };
            let clip = |crossing: &StoredCrossing| {
                let item = recordings.iter().find(|item| video::covers(item, crossing.time_us))?;
                Some((crossing.id, clip_address(item, crossing.time_us)))
            };
            page.clips = crossings.iter().filter_map(clip).collect();
            (page.hours, page.gaps, page.crossings) = (hours, gaps, crossings);
        }
        Err(error) => log::warn!("the live page shows no history: {error}"),
    }
    Some(page)
}

type Today = (Vec<BucketRow>, Vec<Gap>, Vec<StoredCrossing>);

async fn today(site: &Site, scene: Scene, clock: &LocalClock) -> Result<Today, CountsReadError> {
    let Some(counts_db) = &site.counts_readers else { return Ok(Today::default()) };
    let (from_us, to_us) = (time_param::day(clock, 0), time_param::day(clock, 1));
    let read = counts_db.read(move |reader| {
        let span = DateSpan { from_us, to_us, bucket: "hour" };
        let asked = CrossingsQuery::newest(scene, NEWEST);
        let hours = buckets(reader, scene, span, None, &[], &[])?;
        Ok((hours, reader.gaps(scene, from_us, to_us)?, reader.crossings(&asked)?))
    });
    read.await
}

/// The data of the counts page.
pub async fn counts_page(request: &Request) -> Result<CountsPage, Problem> {
    let site = &request.site;
    let (handle, counts) = (site.counting()?, site.counts()?);
    let (clock, scene, status) = (site.clock(), counts.scene(), handle.status());
    let ask = CountsAsk::from_query(|name| request.query.get(name), &clock);
    let counts_db = site.counts_readers()?;
    let read = counts_db.read({
        let ask = ask.clone();
        move |reader| {
            let lines: Vec<u64> = ask.line.into_iter().collect();
            let classes: Vec<String> = ask.class.iter().cloned().collect();
            let of = |span: DateSpan| buckets(reader, scene, span, ask.hours, &lines, &classes);
            let compared = match ask.compared {
                Some([now, before]) => Some([of(now)?, of(before)?]),
                None => None,
            };
            let DateSpan { from_us, to_us, .. } = ask.shown;
            Ok(CountsData {
                lines: reader.lines()?,
                shown: of(ask.shown)?,
                compared,
                weeks: buckets(reader, scene, ask.weeks, None, &lines, &classes)?,
                gaps: match ask.line {
                    Some(_) => {
                        let all = reader.gaps_of_lines(scene, &lines, from_us, to_us)?;
                        GapsByLine { all, by_line: Vec::new() }
                    }
                    None => reader.gaps_by_line(scene, &[], from_us, to_us)?,
                },
                resets: reader.resets(scene, from_us, to_us)?,
                moves: reader.line_moves(from_us, to_us)?,
                occupancy: reader.occupancy(
                    scene,
                    from_us,
                    to_us,
                    bucket_size(ask.shown.bucket),
                    ask.hours,
                )?,
            })
        }
    });
    let read = read.await?;
    let drawn_now = lines(counts, &request.who);
    let mut classes: Vec<String> = drawn_now.into_iter().flat_map(|line| line.draft.classes).collect();
    classes.extend(counts.totals().into_iter().map(|count| count.class.to_string()));
    classes.sort_unstable();
    classes.dedup();
    Ok(CountsPage {
        head: head(request),
        clock,
        scene: scene.as_str().to_owned(),
        ask,
        lines: (read.lines.into_iter().filter(|row| row.is_in_scene(scene)))
            .map(|row| wire::redacted_for(&request.who, row))
            .collect(),
        zones: (zones(handle, counts, &request.who).into_iter().filter(|zone| !zone.row.draft.exclude))
            .map(|zone| ZoneFigures {
                id: zone.row.id,
                name: zone.row.draft.name,
                inside: zone.occupancy,
                buckets: read.occupancy.get(&zone.row.id).cloned().unwrap_or_default(),
            })
            .collect(),
        tallies: tallies(counts),
        classes,
        shown: read.shown,
        compared: read.compared,
        weeks: read.weeks,
        gaps: read.gaps.all,
        line_gaps: read.gaps.by_line.into_iter().map(|(line, gaps)| (line.id, gaps)).collect(),
        resets: read.resets,
        moves: read.moves,
        counting: counting(&status, &request.who),
        refused: request.refused(),
    })
}

/// The crossings of a line in the last hour or the requested time; `None` if there is no such line.
pub async fn crossings_page(request: &Request, line: u64) -> Result<Option<CrossingsPage>, Problem> {
    let site = &request.site;
    let (handle, counts) = (site.counting()?, site.counts()?);
    let (clock, scene) = (site.clock(), counts.scene());
    let instant = |key: &'static str| -> Result<Option<u64>, Problem> {
        request.query.given(key)?.map(|text| time_param::instant(key, text, &clock)).transpose()
    };
    let (from, to) = (instant("from")?, instant("to")?);
    let is_last_hour = from.is_none() && to.is_none();
    let to_us = to.unwrap_or(clock.now_us).min(clock.now_us);
    let from_us = from.unwrap_or_else(|| to_us.saturating_sub(HOUR_US)).min(to_us);
    let class = request.query.get("class").filter(|class| !class.is_empty()).map(str::to_owned);
    let after = request.query.whole("cursor", 1..=u64::MAX)?;
    // One extra row tells whether there are more.
    let asked = CrossingsQuery {
        from_us: Some(from_us),
        to_us: to.map(|_| to_us),
        lines: vec![line],
        classes: class.iter().cloned().collect(),
        after,
        ..CrossingsQuery::newest(scene, MOST_SHOWN + 1)
    };
    let counts_db = site.counts_readers()?;
    let read = counts_db.read(move |reader| {
        let gaps = reader.gaps_of_lines(scene, &[line], from_us, to_us)?;
        Ok((reader.lines()?, reader.crossings(&asked)?, gaps, reader.line_moves(from_us, to_us)?))
    });
    let (lines, mut crossings, gaps, moves) = read.await?;
    let Some(row) = lines.iter().find(|row| row.id == line && row.is_in_scene(scene)) else {
        return Ok(None);
    };
    let sees_pictures = request.who.has(Right::Viewer, false);
    let no_pictures = match (site.is_counts_only(), sees_pictures) {
        (true, _) => "Only counts are kept here (`[privacy] counts_only`): there are no pictures.",
        (false, false) => "Sign in as a viewer to see the pictures.",
        (false, true) if handle.keeps_thumbnails() => "",
        (false, true) => "Small pictures of crossings are kept with `[detect] thumbnails = true`.",
    };
    let is_shown = no_pictures.is_empty();
    let time = |us: u64| ui::second_in_words(us, &clock);
    let has_more = crossings.len() > MOST_SHOWN;
    crossings.truncate(MOST_SHOWN);
    crossings.reverse();
    let next = crossings.first().filter(|_| has_more).map(|oldest| {
        format!("{}&cursor={}", ui::crossings_address(line, class.as_deref(), from_us, to_us), oldest.id)
    });
    let ends = crossings.first().zip(crossings.last()).map(|(first, last)| (first.time_us, last.time_us));
    let recorded = match ends.filter(|_| sees_pictures) {
        Some((first_us, last_us)) => recorded(site, first_us, last_us).await,
        None => None,
    };
    let has_video = recorded.is_some() && site.videos.encoders().await.is_some();
    let clip = |crossing: &StoredCrossing| {
        let Some(recordings) = &recorded else { return CrossingClip::Unknown };
        let Some(item) = recordings.iter().find(|item| video::covers(item, crossing.time_us)) else {
            // Only the newest recordings are searched: an older one may show it.
            let is_looked_at = recordings.len() < video::LOOKED_AT
                || recordings.iter().any(|item| item.at_us <= crossing.time_us);
            return if is_looked_at { CrossingClip::None } else { CrossingClip::Unknown };
        };
        CrossingClip::At(
            clip_address(item, crossing.time_us),
            has_video.then(|| format!("api/v1/crossings/{}/video", crossing.id)),
        )
    };
    let shown = crossings.iter().map(|crossing| {
        let way = if crossing.direction == Direction::In { &row.draft.in_name } else { &row.draft.out_name };
        let address = format!("api/v1/crossings/{}/thumbnail.jpg", crossing.id);
        CrossingFigure {
            picture: (is_shown && crossing.has_thumbnail).then_some(address),
            words: format!("{} {way}: {} #{}", time(crossing.time_us), crossing.class, crossing.track),
            is_wrong: false,
            clip: clip(crossing),
        }
    });
    let missed =
        handle.missed(line, from_us).into_iter().filter(|track| after.is_none() && track.time_us < to_us);
    let missed = missed.map(|track| CrossingFigure {
        picture: None,
        words: format!("{} {} #{}", time(track.time_us), track.class, track.track),
        is_wrong: false,
        clip: CrossingClip::Unknown,
    });
    let count = |way| crossings.iter().filter(|crossing| crossing.direction == way).count();
    let mut notes = Vec::new();
    if has_more || after.is_some() {
        notes.push(format!("At most {MOST_SHOWN} are shown and summed at once, the newest first."));
    }
    notes.extend(Some(ui::closed_in_words(&gaps, &clock)).filter(|closed| !closed.is_empty()));
    let moved = moves.iter().filter(|moved| moved.0 == line);
    notes.extend(moved.map(|moved| format!("The line was moved at {}.", time(moved.1))));
    Ok(Some(CrossingsPage {
        line_id: line,
        from_us,
        to_us,
        is_last_hour,
        next,
        line: LineCrossings {
            name: row.draft.name.clone(),
            count_in: count(Direction::In),
            count_out: count(Direction::Out),
            note: notes.join(" "),
            crossings: shown.collect(),
            missed: missed.collect(),
        },
        no_pictures: no_pictures.into(),
        head: head(request),
        clock,
    }))
}

/// The recordings that may show crossings of this time; `None` without a readable store.
async fn recorded(site: &Site, from_us: u64, to_us: u64) -> Option<Vec<Item>> {
    let readers = site.media_readers().ok()?;
    let read = readers.read(move |reader| video::recordings_before(reader, to_us)).await;
    let is_near = |item: &Item| item.is_open || item.at_us.saturating_add(item.duration_us) >= from_us;
    Some(read.ok()?.into_iter().filter(is_near).collect())
}

struct CountsData {
    lines: Vec<LineRow>,
    shown: Vec<BucketRow>,
    compared: Option<[Vec<BucketRow>; 2]>,
    weeks: Vec<BucketRow>,
    gaps: GapsByLine,
    resets: Vec<Reset>,
    moves: Vec<(u64, u64)>,
    occupancy: BTreeMap<u64, Vec<OccupancyRow>>,
}

fn bucket_size(bucket: &str) -> BucketSize {
    BUCKETS.iter().find(|(word, _)| *word == bucket).map_or(BucketSize::Hour, |(_, size)| *size)
}

fn buckets(
    reader: &CountsReader,
    scene: Scene,
    span: DateSpan,
    hours: Option<OpeningHours>,
    lines: &[u64],
    classes: &[String],
) -> Result<Vec<BucketRow>, StoreError> {
    let bucket = bucket_size(span.bucket);
    reader.counts(&CountsQuery {
        scene,
        from_us: span.from_us,
        to_us: span.to_us,
        bucket,
        lines: lines.to_vec(),
        classes: classes.to_vec(),
        hours,
    })
}

/// The player's address for `item`, starting a little before `at_us`.
fn clip_address(item: &Item, at_us: u64) -> String {
    let begin_us = at_us.saturating_sub(item.at_us).saturating_sub(video::AROUND_US);
    format!("player?id={}&t={:.3}", item.id, begin_us as f64 / 1e6)
}
