//! What the API says of counting: the wire types, and how they are filled. Inner types are not the
//! API: what is renamed inside stays as it is here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::clock::rfc3339;
use crate::http::auth::caller::Who;
use crate::http::request::problem::Problem;
use crate::pipeline::counting::{CountingStatus, Overlay};
use crate::store::{Counts, Crossing, Gap, LineRow, Occupancy, Reset, Tallies, ZoneRow};

/// A list, and where it goes on.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// This page of it.
    pub items: Vec<T>,
    /// What `cursor` is to be for the next page; `null` at the end.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// All of a list.
    pub fn whole(items: impl IntoIterator<Item = T>) -> List<T> {
        List { items: items.into_iter().collect(), next: None }
    }
}

/// A report that says how the machine is inside: where the camera is, what lies where, who watches. Only operators are
/// told that.
pub trait Redact {
    /// Takes it out.
    fn redact(&mut self);
}

/// `report` as far as `who` is told.
pub fn redacted_for<T: Redact>(who: &Who, mut report: T) -> T {
    if !who.sees_internals() {
        report.redact();
    }
    report
}

/// That there is a trouble is for everybody; its words have addresses and paths.
pub fn redact_reason(why: &mut Option<String>, hint: &mut Option<String>) {
    if why.is_some() {
        *why = Some(String::from("Why is told to the camera's operators."));
    }
    *hint = None;
}

/// That the operator's file sets it is for everybody; where that lies is not.
pub fn redact_place(place: &mut Option<String>) {
    if let Some(place) = place {
        *place = String::from("the operator's file");
    }
}

/// A counting line.
#[derive(Debug, Serialize)]
pub struct LineReport {
    id: u64,
    version: u64,
    name: String,
    a: [f64; 2],
    b: [f64; 2],
    in_name: String,
    out_name: String,
    classes: Vec<String>,
    anchor: &'static str,
    recrossing: &'static str,
    scene: Option<&'static str>,
    pinned: Option<String>,
    created: String,
    moved: Option<String>,
    deleted: Option<String>,
}

impl From<&LineRow> for LineReport {
    fn from(row: &LineRow) -> LineReport {
        let draft = &row.draft;
        LineReport {
            id: row.id,
            version: row.version,
            name: draft.name.clone(),
            a: draft.a,
            b: draft.b,
            in_name: draft.in_name.clone(),
            out_name: draft.out_name.clone(),
            classes: draft.classes.clone(),
            anchor: draft.anchor.as_str(),
            recrossing: draft.recrossing.as_str(),
            scene: row.scene.map(|scene| scene.as_str()),
            pinned: row.pinned.clone(),
            created: rfc3339(row.created_us),
            moved: row.moved_us.map(rfc3339),
            deleted: row.deleted_us.map(rfc3339),
        }
    }
}

impl Redact for LineRow {
    fn redact(&mut self) {
        redact_place(&mut self.pinned);
    }
}

/// A zone, and how many are in it.
#[derive(Debug, Serialize)]
pub struct ZoneReport {
    id: u64,
    name: String,
    points: Vec<[f64; 2]>,
    classes: Vec<String>,
    anchor: &'static str,
    exclude: bool,
    scene: Option<&'static str>,
    pinned: Option<String>,
    occupancy: u32,
}

impl Redact for ZoneReport {
    fn redact(&mut self) {
        redact_place(&mut self.pinned);
    }
}

impl ZoneReport {
    /// A zone, and what the newest look saw in it.
    pub fn of(row: &ZoneRow, overlay: &Overlay) -> ZoneReport {
        ZoneReport {
            id: row.id,
            name: row.draft.name.clone(),
            points: row.draft.points.clone(),
            classes: row.draft.classes.clone(),
            anchor: row.draft.anchor.as_str(),
            exclude: row.draft.exclude,
            scene: row.scene.map(|scene| scene.as_str()),
            pinned: row.pinned.clone(),
            occupancy: overlay.zones.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, inside)| *inside),
        }
    }
}

/// Lines and zones of the scene that is shown: the event `lines`.
#[derive(Debug, Serialize)]
pub struct DrawingReport {
    /// The lines, as `/api/v1/lines` lists them.
    #[serde(flatten)]
    pub lines: List<LineReport>,
    /// The zones.
    pub zones: Vec<ZoneReport>,
}

/// How many were in a zone, by bucket.
#[derive(Debug, Serialize)]
pub struct OccupancyReport {
    zone_id: u64,
    zone: String,
    peak: Option<u32>,
    peak_at: Option<String>,
    buckets: Vec<OccupancyBucket>,
}

#[derive(Debug, Serialize)]
struct OccupancyBucket {
    start: String,
    end: String,
    watched_s: f64,
    mean: Option<f64>,
    peak: Option<u32>,
}

impl OccupancyReport {
    /// Of a zone, what was seen in it.
    pub fn of(row: &ZoneRow, buckets: Vec<Occupancy>) -> OccupancyReport {
        let highest = Occupancy::highest(&buckets);
        let bucket = |bucket: &Occupancy| OccupancyBucket {
            start: rfc3339(bucket.start_us),
            end: rfc3339(bucket.end_us),
            watched_s: (bucket.watched_us as f64 / 1e5).round() / 10.0,
            mean: bucket.is_known().then(|| (bucket.mean * 100.0).round() / 100.0),
            peak: bucket.is_known().then_some(bucket.peak),
        };
        OccupancyReport {
            zone_id: row.id,
            zone: row.draft.name.clone(),
            peak: highest.map(|bucket| bucket.peak),
            peak_at: highest.filter(|bucket| bucket.peak > 0).map(|bucket| rfc3339(bucket.peak_us)),
            buckets: buckets.iter().map(bucket).collect(),
        }
    }
}

/// A crossing on record.
#[derive(Debug, Serialize)]
pub struct CrossingReport {
    id: u64,
    run: u64,
    camera: String,
    scene: &'static str,
    line: String,
    line_id: u64,
    track: u64,
    ordinal: u32,
    class: String,
    direction: &'static str,
    score: f64,
    time: String,
    time_sure: bool,
    /// Relative to `/api/v1/`, where this report was asked for.
    thumbnail: Option<String>,
}

impl From<&Crossing> for CrossingReport {
    fn from(crossing: &Crossing) -> CrossingReport {
        CrossingReport {
            id: crossing.id,
            run: crossing.run,
            camera: crossing.camera.to_string(),
            scene: crossing.scene.as_str(),
            line: crossing.line.to_string(),
            line_id: crossing.line_id,
            track: crossing.track,
            ordinal: crossing.ordinal,
            class: crossing.class.to_string(),
            direction: crossing.direction.as_str(),
            score: thousandths(crossing.score),
            time: rfc3339(crossing.time_us),
            time_sure: crossing.is_time_sure,
            thumbnail: crossing.has_thumbnail.then(|| format!("crossings/{}/thumbnail.jpg", crossing.id)),
        }
    }
}

/// Today's sums.
#[derive(Debug, Serialize)]
pub struct TalliesReport {
    day: String,
    scene: &'static str,
    lines: Vec<TallyReport>,
}

#[derive(Debug, Serialize)]
struct TallyReport {
    line_id: u64,
    line: String,
    r#in: u64,
    out: u64,
    inside: u64,
    since: String,
    in_name: String,
    out_name: String,
    by_class: BTreeMap<String, [u64; 2]>,
}

impl TalliesReport {
    /// `tallies`, with the names of directions from counts.db's lines.
    pub fn of(tallies: &Tallies, counts: &Counts) -> TalliesReport {
        let lines = counts.lines();
        let lines = lines.borrow();
        let report = |row: &crate::store::TallyRow| {
            let draft = lines.iter().find(|line| line.id == row.line_id).map(|line| &line.draft);
            TallyReport {
                line_id: row.line_id,
                line: row.line.to_string(),
                r#in: row.count_in,
                out: row.count_out,
                inside: row.inside,
                since: rfc3339(row.since_us),
                in_name: draft.map_or_else(|| String::from("in"), |draft| draft.in_name.clone()),
                out_name: draft.map_or_else(|| String::from("out"), |draft| draft.out_name.clone()),
                by_class: row
                    .by_class
                    .iter()
                    .map(|(class, count_in, count_out)| (class.to_string(), [*count_in, *count_out]))
                    .collect(),
            }
        };
        TalliesReport {
            day: rfc3339(tallies.day_us),
            scene: counts.scene().as_str(),
            lines: tallies.lines.iter().map(report).collect(),
        }
    }
}

/// A time without counting.
#[derive(Debug, Serialize)]
pub struct GapReport {
    from: String,
    to: String,
    why: String,
}

impl From<&Gap> for GapReport {
    fn from(gap: &Gap) -> GapReport {
        GapReport { from: rfc3339(gap.from_us), to: rfc3339(gap.to_us), why: gap.why.clone() }
    }
}

/// Times in which nothing could be counted on a line, beyond those in which nothing was counted on any.
#[derive(Debug, Serialize)]
pub struct LineGapsReport {
    line_id: u64,
    line: String,
    gaps: Vec<GapReport>,
}

impl From<&(LineRow, Vec<Gap>)> for LineGapsReport {
    fn from((row, gaps): &(LineRow, Vec<Gap>)) -> LineGapsReport {
        let gaps = gaps.iter().map(GapReport::from).collect();
        LineGapsReport { line_id: row.id, line: row.draft.name.clone(), gaps }
    }
}

/// Counting was set to zero.
#[derive(Debug, Serialize)]
pub struct ResetReport {
    id: u64,
    time: String,
    line_id: Option<u64>,
}

impl From<&Reset> for ResetReport {
    fn from(reset: &Reset) -> ResetReport {
        ResetReport { id: reset.id, time: rfc3339(reset.time_us), line_id: reset.line_id }
    }
}

/// The tracks that live.
#[derive(Debug, Serialize)]
pub struct TracksReport {
    time: String,
    picture: PictureReport,
    items: Vec<TrackReport>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct PictureReport {
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize)]
struct TrackReport {
    id: u64,
    class: String,
    score: f64,
    r#box: [f64; 4],
    velocity: [f64; 2],
    in_sight: bool,
}

impl From<&Overlay> for TracksReport {
    fn from(overlay: &Overlay) -> TracksReport {
        let (width, height) = overlay.size;
        let report = |track: &crate::pipeline::counting::ShownTrack| TrackReport {
            id: track.id,
            class: track.class.to_string(),
            score: thousandths(track.score),
            r#box: track.bounds.map(fine),
            velocity: track.velocity.map(fine),
            in_sight: track.in_sight,
        };
        TracksReport {
            time: rfc3339(overlay.stamp.wall_us),
            picture: PictureReport { width, height },
            items: overlay.tracks.iter().map(report).collect(),
            next: None,
        }
    }
}

/// What a page draws over the picture: short, for it is sent many times a second.
#[derive(Debug, Serialize)]
pub struct OverlayReport {
    /// Seconds since 1970, as the picture's X-Timestamp.
    time: f64,
    size: (u32, u32),
    tracks: Vec<DrawnTrack>,
    zones: Vec<(u64, u32)>,
}

/// Number, class, score, left, top, right, bottom, velocity to the right and down, in sight.
type DrawnTrack = (u64, String, f64, f64, f64, f64, f64, f64, f64, bool);

impl From<&Overlay> for OverlayReport {
    fn from(overlay: &Overlay) -> OverlayReport {
        let drawn = |track: &crate::pipeline::counting::ShownTrack| {
            let [left, top, right, bottom] = track.bounds.map(fine);
            let [x, y] = track.velocity.map(fine);
            let score = thousandths(track.score);
            (track.id, track.class.to_string(), score, left, top, right, bottom, x, y, track.in_sight)
        };
        OverlayReport {
            time: overlay.stamp.wall_us as f64 / 1e6,
            size: overlay.size,
            tracks: overlay.tracks.iter().map(drawn).collect(),
            zones: overlay.zones.clone(),
        }
    }
}

/// How counting is going, as `/state` has it.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct CountingReport {
    /// One word: `counting`, `idle`, `waiting`, `off`, `trouble`.
    pub word: &'static str,
    /// Why it does not count, in one word; `null` while it does.
    pub why: Option<&'static str>,
    /// Since when.
    pub since: String,
    /// The same in a sentence.
    pub reason: Option<String>,
    /// What can be done about it.
    pub hint: Option<String>,
    notes: Vec<String>,
    backend: &'static str,
    model: String,
    looks_per_second: f64,
    /// Looks since the start, and those of them that asked no model, for nothing moved.
    looks: u64,
    looks_saved: u64,
    look_ms: f64,
    tracks: usize,
    scene: &'static str,
    lines: usize,
    /// Why counts.db takes no crossings at present.
    ledger: Option<String>,
}

impl CountingReport {
    /// `status`, and what counts.db, where there is one, says.
    pub fn of(status: &CountingStatus, counts: Option<&Counts>) -> CountingReport {
        let lines = counts.map_or(0, |counts| {
            let lines = counts.lines();
            lines.borrow().iter().filter(|line| line.is_in_scene(status.scene)).count()
        });
        CountingReport {
            word: status.word,
            why: Some(status.why).filter(|why| !why.is_empty()),
            since: rfc3339(status.since_us),
            reason: Some(status.reason.clone()).filter(|reason| !reason.is_empty()),
            hint: status.hint.clone(),
            notes: status.notes.clone(),
            backend: status.backend,
            model: status.model.clone(),
            looks_per_second: (status.looks_per_second * 10.0).round() / 10.0,
            looks: status.looks,
            looks_saved: status.looks_saved,
            look_ms: milliseconds(status.look_s),
            tracks: status.tracks,
            scene: status.scene.as_str(),
            lines,
            ledger: counts.and_then(Counts::error),
        }
    }
}

impl Redact for CountingReport {
    fn redact(&mut self) {
        self.notes.clear();
        redact_reason(&mut self.ledger, &mut None);
        if self.word == "trouble" {
            redact_reason(&mut self.reason, &mut self.hint);
        }
    }
}

/// Seconds as milliseconds with two decimals.
pub fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e5).round() / 1e2
}

/// A score, as far as it means anything.
fn thousandths(value: f32) -> f64 {
    (f64::from(value) * 1e3).round() / 1e3
}

/// A fraction of the picture: finer than a pixel of any camera.
fn fine(value: f32) -> f64 {
    (f64::from(value) * 1e5).round() / 1e5
}

/// `report` as JSON. Strings, finite numbers, and lists of them: this cannot fail.
pub fn json(report: &impl Serialize) -> String {
    serde_json::to_string(report).unwrap_or_default()
}

impl Redact for Problem {
    fn redact(&mut self) {
        if let Some(said) = self.outside {
            (self.detail, self.hint) = (said.to_owned(), None);
        }
    }
}
