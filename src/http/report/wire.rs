//! The API's reports on counting. Internal types are not part of the API: renaming them changes nothing here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::http::auth::caller::Who;
use crate::http::request::problem::Problem;
use crate::pipeline::counting::{CountingStatus, Overlay};
use crate::ui::{CountingReport, NeighboursReport, ZoneNow};
use tallycam_base::clock::rfc3339;
use tallycam_base::json::{Rfc3339, thousandths};
use tallycam_store::{Counts, CrossingChange, Gap, GoneCrossing, LineRow, Scene, StoredCrossing, Tallies};

/// One page of a list.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "List_of_{T}")]
pub struct List<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; `null` at the end.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// A list on a single page.
    pub fn whole(items: impl IntoIterator<Item = T>) -> List<T> {
        List { items: items.into_iter().collect(), next: None }
    }
}

/// A complete list.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Items_of_{T}")]
pub struct WholeList<T> {
    pub items: Vec<T>,
}

/// A report with internals of the machine: the camera's address, paths, viewers. Only operators may see them.
pub trait Redact {
    /// Removes the internals.
    fn redact(&mut self);
}

/// `report`, redacted for `who`.
pub fn redacted_for<T: Redact>(who: &Who, mut report: T) -> T {
    if !who.sees_internals() {
        report.redact();
    }
    report
}

/// Everybody may know that there is a fault, but its words contain addresses and paths.
pub fn redact_reason(why: &mut Option<String>, hint: &mut Option<String>) {
    if why.is_some() {
        *why = Some(String::from("Only the camera's operators see the reason."));
    }
    *hint = None;
}

/// Everybody may know that the operator's file pins a value, but not its path.
pub fn redact_place(place: &mut Option<String>) {
    if let Some(place) = place {
        *place = String::from("the operator's file");
    }
}

impl Redact for ZoneNow {
    fn redact(&mut self) {
        redact_place(&mut self.row.pinned);
    }
}

impl Redact for NeighboursReport {
    fn redact(&mut self) {
        // Addresses stay: the page of all links to them.
        for one in self.items.iter_mut().filter(|one| one.is_problem_inside) {
            one.problem = Some(String::from("it cannot be reached"));
        }
    }
}

impl Redact for LineRow {
    fn redact(&mut self) {
        redact_place(&mut self.pinned);
    }
}

/// Lines and zones of the current scene: the event `lines`.
#[derive(Debug, Serialize)]
pub struct DrawingReport {
    /// The lines, as `/api/v1/lines` lists them.
    #[serde(flatten)]
    pub lines: List<LineRow>,
    /// The zones.
    pub zones: Vec<ZoneNow>,
}

/// A stored crossing.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CrossingReport<'a> {
    #[serde(flatten)]
    crossing: &'a StoredCrossing,
    /// Relative to `/api/v1/`, the address of this report.
    #[schemars(extend("format" = "uri-reference"))]
    thumbnail: Option<String>,
}

impl<'a> From<&'a StoredCrossing> for CrossingReport<'a> {
    fn from(crossing: &'a StoredCrossing) -> CrossingReport<'a> {
        let thumbnail = || format!("crossings/{}/thumbnail.jpg", crossing.id);
        CrossingReport { crossing, thumbnail: crossing.has_thumbnail.then(thumbnail) }
    }
}

/// A row of the list of crossings.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum CrossingRow<'a> {
    /// A stored crossing.
    Stored(CrossingReport<'a>),
    /// Only with `since`: a crossing that is no longer stored.
    Gone(&'a GoneCrossing),
}

impl<'a> From<&'a CrossingChange> for CrossingRow<'a> {
    fn from(change: &'a CrossingChange) -> CrossingRow<'a> {
        match change {
            CrossingChange::Stored(crossing) => CrossingRow::Stored(crossing.into()),
            CrossingChange::Gone(gone) => CrossingRow::Gone(gone),
        }
    }
}

/// A page of crossings.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CrossingsReport<'a> {
    /// Identifies the counts.db. If it is another one than before, a consumer starts again with `since=0`.
    pub ledger: String,
    /// The crossings of this page.
    pub items: Vec<CrossingRow<'a>>,
    /// The `cursor` of the next page; `null` at the end.
    pub next: Option<String>,
    /// With `left`: number of changes after this page, of all lines and source classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}

/// Today's sums.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TalliesReport {
    day: Rfc3339,
    scene: Scene,
    lines: Vec<TallyReport>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TallyReport {
    line_id: u64,
    line: String,
    r#in: u64,
    out: u64,
    /// What was inside at `inside_since`, plus in, minus out since then, plus `inside_corrected`.
    inside: u64,
    inside_since: Rfc3339,
    /// Crossings out while nobody was inside: they do not make it less than 0.
    inside_corrected: u64,
    /// All crossings in, of all time. Neither a reset nor a recount lowers it.
    in_total: u64,
    /// All crossings out, likewise.
    out_total: u64,
    since: Rfc3339,
    in_name: String,
    out_name: String,
    by_class: BTreeMap<String, [u64; 2]>,
}

impl TalliesReport {
    /// `tallies`, with the direction names of the lines in counts.db.
    pub fn of(tallies: &Tallies, counts: &Counts) -> TalliesReport {
        let lines = counts.lines();
        let lines = lines.borrow();
        let report = |row: &tallycam_store::TallyRow| {
            let draft = lines.iter().find(|line| line.id == row.line_id).map(|line| &line.draft);
            TallyReport {
                line_id: row.line_id,
                line: row.line.to_string(),
                r#in: row.count_in,
                out: row.count_out,
                inside: row.inside,
                inside_since: Rfc3339(row.inside_since_us),
                inside_corrected: row.corrected,
                in_total: row.total_in,
                out_total: row.total_out,
                since: Rfc3339(row.since_us),
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
            day: Rfc3339(tallies.day_us),
            scene: counts.scene(),
            lines: tallies.lines.iter().map(report).collect(),
        }
    }
}

/// Gaps of a single line, in addition to those of all counting.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct LineGapsReport<'a> {
    line_id: u64,
    line: &'a str,
    gaps: &'a [Gap],
}

impl<'a> From<&'a (LineRow, Vec<Gap>)> for LineGapsReport<'a> {
    fn from((row, gaps): &'a (LineRow, Vec<Gap>)) -> LineGapsReport<'a> {
        LineGapsReport { line_id: row.id, line: &row.draft.name, gaps }
    }
}

/// The current tracks.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TracksReport {
    time: Rfc3339,
    picture: PictureSize,
    items: Vec<TrackReport>,
    next: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PictureSize {
    width: u32,
    height: u32,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TrackReport {
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
            time: Rfc3339(overlay.stamp.wall_us),
            picture: PictureSize { width, height },
            items: overlay.tracks.iter().map(report).collect(),
            next: None,
        }
    }
}

/// The overlay that a page draws over the picture: short, because it is sent many times per second.
#[derive(Debug, Serialize)]
pub struct OverlayReport {
    /// Seconds since 1970, as in the picture's X-Timestamp.
    time: f64,
    size: (u32, u32),
    tracks: Vec<DrawnTrack>,
    zones: Vec<(u64, u32)>,
    /// Left, top, right, bottom of the part that was searched.
    searched: [f64; 4],
}

/// ID, class, confidence, left, top, right, bottom, velocity to the right and down, in sight.
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
            searched: overlay.searched.map(fine),
        }
    }
}

impl CountingReport {
    /// The report of `status` and of counts.db, if there is one.
    pub fn of(status: &CountingStatus, counts: Option<&Counts>) -> CountingReport {
        let lines = counts.map_or(0, |counts| {
            let lines = counts.lines();
            lines.borrow().iter().filter(|line| line.is_in_scene(status.scene)).count()
        });
        CountingReport {
            state: status.state,
            why: Some(status.why).filter(|why| !why.is_empty()),
            since: rfc3339(status.since_us),
            reason: Some(status.reason.clone()).filter(|reason| !reason.is_empty()),
            hint: status.hint.clone(),
            notes: status.notes.clone(),
            backend: status.backend,
            model: status.model.clone(),
            detections_per_second: (status.detections_per_second * 10.0).round() / 10.0,
            detections: status.detections,
            detections_skipped: status.detections_skipped,
            detection_ms: milliseconds(status.detection_s),
            tracks: status.tracks,
            scene: status.scene,
            lines,
            counts_db: counts.and_then(Counts::error),
            pinned: None,
            labels: status.labels.clone(),
            tells_classes: status.tells_classes,
            inference_ms: milliseconds(status.inference_s),
        }
    }
}

impl Redact for CountingReport {
    fn redact(&mut self) {
        self.notes.clear();
        redact_place(&mut self.pinned);
        redact_reason(&mut self.counts_db, &mut None);
        if self.state == "fault" {
            redact_reason(&mut self.reason, &mut self.hint);
        }
    }
}

/// Seconds as milliseconds with two decimals.
pub fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e5).round() / 1e2
}

/// A fraction of the frame, finer than a pixel of any camera.
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
