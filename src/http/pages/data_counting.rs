//! Data of counts.db and the counting thread in the pages' own types. Makes no decisions.

use std::collections::BTreeMap;

use hyper::Method;

use crate::http::api::counting::checks::badges;
use crate::http::api::counting::zones::drawn;
use crate::http::api::media::video;
use crate::http::auth::caller::{Who, cookies};
use crate::http::report::counts::BUCKETS;
use crate::http::report::set_up;
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
    Alert, CountingReport, CountsAsk, CountsPage, DateSpan, Head, LiveCounting, LocalClock, StorageFault,
    ZoneFigures, ZoneNow,
};
use tallycam_store::media::Item;
use tallycam_store::{
    BucketRow, BucketSize, Counts, CountsQuery, CountsReader, CrossingsQuery, FlowEnds, FlowRow, Gap,
    GapsByLine, LineDistance, LineRow, OccupancyRow, OpeningHours, Reset, Scene, SpeedRow, StayRow,
    StoreError, StoredCrossing, TallyRow,
};

/// Longest time in microseconds whose flows and speeds a page shows: they are read crossing by crossing.
const MOST_WAYS_US: u64 = 8 * 86_400_000_000;

/// Crossings on the live page.
const NEWEST: usize = 5;

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
        set_up: set_up::unfinished(&request.site, report),
        alerts: alerts(request, &report.alerts),
        ..head_of(report)
    }
}

/// The alerts; the notes that this browser has closed for today are marked by its cookies, which `page.js` sets.
pub fn alerts(request: &Request, alerts: &[Alert]) -> Vec<Alert> {
    let is_closed = |alert: &Alert| {
        let name =
            |cookie: &str| cookie.strip_prefix("closed-").is_some_and(|kind| kind == alert.kind.as_str());
        !alert.kind.is_bad() && cookies(&request.headers).any(|(cookie, _)| name(cookie))
    };
    alerts.iter().map(|alert| Alert { is_closed: is_closed(alert), ..alert.clone() }).collect()
}

/// The same, for a page without forms.
pub fn head_of(report: &StateReport) -> Head {
    Head {
        name: report.name.clone(),
        version: describe_version(),
        state: report.state.to_owned(),
        headline: report.headline.to_owned(),
        has_neighbours: report.has_neighbours,
        alerts: report.alerts.clone(),
        reader: report.reader,
        sign_in: String::new(),
        returned: None,
        set_up: None,
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
        checks: badges(site, who).await,
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

/// The classes to choose from, by name: those counted now and those counted before.
pub fn classes(site: &Site, who: &Who) -> Result<Vec<String>, Problem> {
    let counts = site.counts()?;
    let mut classes: Vec<String> =
        lines(counts, who).into_iter().flat_map(|line| line.draft.classes).collect();
    classes.extend(counts.totals().into_iter().map(|count| count.class.to_string()));
    classes.sort_unstable();
    classes.dedup();
    Ok(classes)
}

/// The data of the counts page.
pub async fn counts_page(request: &Request) -> Result<CountsPage, Problem> {
    let site = &request.site;
    let (handle, counts) = (site.counting()?, site.counts()?);
    let (clock, scene, status) = (site.clock(), counts.scene(), handle.status());
    let numbers = |key| request.query.list(key).iter().filter_map(|number| number.parse().ok()).collect();
    let ends = FlowEnds { entries: numbers("entry"), exits: numbers("exit") };
    let ask = CountsAsk { ends, ..CountsAsk::from_query(|name| request.query.get(name), &clock) };
    let counts_db = site.counts_readers()?;
    let asked = ask.clone();
    let read = counts_db.read(move |reader| read_counts(reader, &asked, scene)).await?;
    let classes = classes(site, &request.who)?;
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
                stays: read.stays.get(&zone.row.id).cloned().unwrap_or_default(),
                is_rectangle: zone.row.draft.points.len() == 4,
                ground: zone.row.ground,
            })
            .collect(),
        movement: read.movement,
        speeds: read.speeds.into_iter().map(|(of, rows)| (of, SpeedRow::total(&rows))).collect(),
        flows: read.flows.map(|flows| FlowRow::total(&flows).counts),
        tallies: tallies(counts),
        peak: counts.subscribe_tallies().borrow().peak,
        classes,
        shown: read.shown,
        compared: read.compared,
        weeks: read.weeks,
        gaps: read.gaps.all,
        line_gaps: read.gaps.by_line.into_iter().map(|(line, gaps)| (line.id, gaps)).collect(),
        resets: read.resets,
        moves: read.moves,
        checks: badges(site, &request.who).await,
        counting: counting(&status, &request.who),
        refused: request.refused(),
    })
}

fn read_counts(reader: &CountsReader, ask: &CountsAsk, scene: Scene) -> Result<CountsData, StoreError> {
    let lines: Vec<u64> = ask.line.into_iter().collect();
    let classes: Vec<String> = ask.class.iter().cloned().collect();
    let of = |span: DateSpan| buckets(reader, scene, span, ask.hours, &lines, &classes);
    let compared = match ask.compared {
        Some([now, before]) => Some([of(now)?, of(before)?]),
        None => None,
    };
    let DateSpan { from_us, to_us, bucket } = ask.shown;
    let (size, hours) = (bucket_size(bucket), ask.hours);
    let (mut flows, mut speeds) = (None, Vec::new());
    if to_us.saturating_sub(from_us) <= MOST_WAYS_US {
        flows = Some(reader.flows(scene, from_us, to_us, size, hours, &ask.ends)?);
        speeds = reader.speeds(scene, from_us, to_us, size, hours)?;
    }
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
        occupancy: reader.occupancy(scene, from_us, to_us, size, hours)?,
        stays: reader.stays(scene, from_us, to_us, size, hours)?,
        movement: reader.movement(scene, from_us, to_us)?,
        speeds,
        flows,
    })
}

/// The recordings that may show crossings of this time; `None` without a readable store.
pub(super) async fn recorded(site: &Site, from_us: u64, to_us: u64) -> Option<Vec<Item>> {
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
    stays: BTreeMap<u64, Vec<StayRow>>,
    flows: Option<Vec<FlowRow>>,
    movement: Option<Vec<u64>>,
    speeds: Vec<(LineDistance, Vec<SpeedRow>)>,
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
