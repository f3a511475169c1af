//! Checks of a line: somebody watched it, tapped what crossed, and both lists are matched crossing by crossing.
//!
//! A row keeps the taps, what was counted then, and the circumstances; the figures are computed when it is read. A
//! recount of that time changes no check, but a crossing that is marked as wrong is a false one from then on.
//! Time in pauses and gaps is left out. Taps are late by about the same time: the median of what is found is taken off
//! before the final match. Intervals are Wilson's (1927), at 95 %; that of the error of the sum is Newcombe's for
//! paired shares (1998, method 10).

mod advice;
mod storing;

pub use advice::{CauseAdvice, CheckAdvice, CheckTaps, MOST_TRIED_FPS, TrialFigures};

use std::collections::HashSet;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::rows::{CountsRowError, from_json, parse_scene, unknown_word, unsigned};
use super::{EditError, LineDraft, LineRow, Scene};
use tallycam_base::json;
use tallycam_vision::{Direction, pair_crossings};

/// Maximum number of stored checks; a further one deletes the oldest.
const MOST_CHECKS: u64 = 1000;
/// Maximum number of taps of a check, of its pauses and of its crossings.
const MOST_EVENTS: usize = 5000;
/// A crossing is this long before or after its tap, at most; microseconds.
const TOLERANCE_US: i64 = 1_500_000;
/// Longest time from the end to the last tap.
const LATEST_US: u64 = 2_000_000;
/// Longest check.
const MOST_US: u64 = 24 * 3_600_000_000;
/// Least number of found crossings that tell how late the taps are.
const TELLING: usize = 5;
/// After this time a check has faded.
const FADES_US: u64 = 90 * 86_400_000_000;
const LINE_DELETED: &str = "the line was deleted";
const LINE_CHANGED: &str = "the line was changed";
const PICTURE_CHANGED: &str = "the picture was changed";
/// Changes are tried for checks of up to this length: longer ones would take a small machine a day.
const LONGEST_TRIAL_US: u64 = 3_600_000_000;
/// Quantile of the normal distribution for an interval of 95 %.
const Z: f64 = 1.959_964;

/// A draft of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckDraft {
    /// The number of the line.
    pub line: u64,
    /// The present scene.
    pub scene: Scene,
    /// Start, wall time in microseconds.
    pub from_us: u64,
    /// End, likewise.
    pub to_us: u64,
    /// The recording that was watched.
    pub recording: Option<u64>,
    /// Time and direction of each tap.
    pub taps: Vec<(u64, Direction)>,
    /// Times in which nobody watched.
    pub pauses: Vec<(u64, u64)>,
    /// The recording has the pictures as they were shown then, not the camera's own.
    pub is_as_shown: bool,
    /// The present circumstances.
    pub setup: CheckSetup,
}

impl CheckDraft {
    /// # Errors
    /// The first wrong value.
    fn validate(&self) -> Result<(), EditError> {
        let &CheckDraft { from_us, to_us, ref taps, ref pauses, .. } = self;
        let outside = || taps.iter().find(|(us, _)| !(from_us..=to_us + LATEST_US).contains(us));
        if !(from_us < to_us && to_us - from_us <= MOST_US) {
            let words = "a check ends after it began, and within a day";
            return Err(EditError::out_of_range("to", "up to a day after `from`", words));
        }
        if taps.len() > MOST_EVENTS || pauses.len() > MOST_EVENTS {
            let words = format!("a check has at most {MOST_EVENTS} taps and pauses");
            return Err(EditError::out_of_range("taps", "at most 5000", words));
        }
        outside().map_or(Ok(()), |(us, _)| {
            let words = format!("a tap is outside the check, at {}", tallycam_base::clock::rfc3339(*us));
            Err(EditError::out_of_range("taps", "times between `from` and `to`", words))
        })
    }
}

/// The circumstances of a check. It fades when they change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckSetup {
    /// The name of the model, or `motion`; empty if it is unknown.
    pub model: String,
    /// `people` if nothing else was counted, else `crossings`.
    pub objects: String,
    /// The camera's name.
    pub camera: String,
    /// Mean brightness of the picture, 0–255; `null` if it is unknown.
    pub light: Option<u8>,
    /// Width and height of the shown picture; `null` if they are unknown.
    pub size: Option<(u32, u32)>,
    /// Rotation, mirroring, crop and privacy mask, in words that only change with them; empty if they are unknown.
    pub view: String,
    /// The source of the pictures; may be secret.
    pub source: String,
    /// Detections per second at the end of a live check.
    #[serde(default)]
    pub rate: Option<f64>,
}

/// A check to store: its draft and what was counted in its time.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCheck {
    draft: CheckDraft,
    version: u64,
    drawn: LineDraft,
    left_out: Vec<(u64, u64)>,
    crossings: Vec<(u64, u64, Direction)>,
}

/// A share with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckedShare {
    /// The share.
    #[schemars(range(min = -1))]
    pub value: f64,
    /// Lower end of the interval.
    #[schemars(range(min = -1))]
    pub low: f64,
    /// Upper end.
    #[schemars(range(min = -1))]
    pub high: f64,
}

json::words! { CheckVerdict { Found "found", Missed "missed", False "false" } }

/// The verdict of a check on a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckVerdict {
    /// It was tapped and counted.
    Found,
    /// It was only tapped.
    Missed,
    /// It was only counted, or it is marked as wrong.
    False,
}

/// A crossing of a check.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CheckEvent {
    /// When it was counted; for a missed one when it was tapped, without the usual lateness.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "time", serialize_with = "json::time")]
    pub time_us: u64,
    /// Its direction.
    pub direction: Direction,
    /// The verdict.
    pub verdict: CheckVerdict,
    /// The number of the counted crossing.
    pub crossing: Option<u64>,
}

/// A stored check with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LineCheck {
    /// Its number, from 1.
    pub id: u64,
    /// The number of the line.
    pub line_id: u64,
    /// The name of the line then.
    pub line: String,
    /// The version of the line then.
    pub version: u64,
    /// The scene.
    pub scene: Scene,
    /// When it was stored.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "made", serialize_with = "json::time")]
    pub made_us: u64,
    /// Start.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "from", serialize_with = "json::time")]
    pub from_us: u64,
    /// End.
    #[schemars(with = "json::Rfc3339")]
    #[serde(rename = "to", serialize_with = "json::time")]
    pub to_us: u64,
    /// Seconds that were watched and counted.
    #[schemars(with = "f64")]
    #[serde(rename = "checked_s", serialize_with = "json::seconds")]
    pub checked_us: u64,
    /// The recording that was watched; `null`: it was watched live.
    pub recording: Option<u64>,
    /// The circumstances.
    #[serde(flatten)]
    pub setup: CheckSetup,
    /// Crossings that were tapped and counted.
    pub found: u64,
    /// Crossings that were only tapped.
    pub missed: u64,
    /// Crossings that were only counted, or are marked as wrong.
    #[serde(rename = "false")]
    pub wrong: u64,
    /// Those of them that are marked as wrong.
    pub marked: u64,
    /// How late the taps were, in seconds.
    #[schemars(range(min = -1))]
    pub late_s: f64,
    /// Found ones of all counted; `null` if nothing was counted.
    pub precision: Option<CheckedShare>,
    /// Found ones of all tapped; `null` if nothing was tapped.
    pub recall: Option<CheckedShare>,
    /// Error of the sum: 0.1 if a tenth more is counted than crosses; `null` if nothing was tapped.
    pub sum_error: Option<CheckedShare>,
    /// The result in a sentence.
    pub summary: String,
    /// Why it no longer holds, in a few words each; empty while it does.
    pub faded: Vec<&'static str>,
    /// The share of a trial that is done, while it runs.
    pub trial: Option<f64>,
    /// Why the last trial failed.
    pub trial_failed: Option<String>,
    /// What a trial on a recording found, or the tracks of a live check; `null` before.
    pub advice: Option<CheckAdvice>,
    /// The crossings in order of time; in lists empty.
    pub crossings: Vec<CheckEvent>,
    /// The line as it was then.
    #[serde(skip)]
    pub drawn: LineDraft,
}

impl LineCheck {
    /// The lower one of precision and recall, which the badge shows.
    pub fn share(&self) -> Option<f64> {
        let shares = self.precision.iter().chain(&self.recall).map(|share| share.value);
        shares.reduce(f64::min)
    }

    /// Why changes cannot be tried for it, as far as [`LineCheck::fade`] knows, and what helps.
    pub fn untriable(&self) -> Option<[&'static str; 2]> {
        let is_other =
            self.faded.iter().any(|why| [LINE_DELETED, LINE_CHANGED, PICTURE_CHANGED].contains(why));
        let is_long = self.to_us.saturating_sub(self.from_us) > LONGEST_TRIAL_US;
        match (is_other, is_long) {
            (true, _) => Some([
                "the line or the picture was changed since: what was tapped is not comparable",
                "check the line again",
            ]),
            (_, true) => Some(["changes are tried for checks of up to an hour", "check a shorter time"]),
            _ => None,
        }
    }

    /// Sets the reasons why it no longer holds. `now` are the present circumstances, `line` the present line.
    pub fn fade(&mut self, now: &CheckSetup, line: Option<&LineRow>, now_us: u64) {
        let then = &self.setup;
        // JSON may change the last digit of a place.
        let place = |[x, y]: [f64; 2]| [x, y].map(|part| (part * 1e6).round());
        // Names count nothing.
        let counts = |draft: &LineDraft| LineDraft {
            classes: draft.classes.clone(),
            anchor: draft.anchor,
            recrossing: draft.recrossing,
            ..LineDraft::new("", place(draft.a), place(draft.b))
        };
        let is_other = |then: &str, now: &str| !then.is_empty() && !now.is_empty() && then != now;
        let is_resized = then.size.zip(now.size).is_some_and(|(then, now)| then != now);
        let is_turned = is_other(&then.view, &now.view) || is_resized && then.view.is_empty();
        let line = line.filter(|line| line.deleted_us.is_none());
        let reasons = [
            (line.is_none(), LINE_DELETED),
            (line.is_some_and(|line| counts(&line.draft) != counts(&self.drawn)), LINE_CHANGED),
            (is_other(&then.model, &now.model), "the model was changed"),
            (is_other(&then.source, &now.source), "the camera was changed"),
            (is_turned, PICTURE_CHANGED),
            (is_resized && !is_turned, "the size of the picture was changed"),
            (now_us.saturating_sub(self.made_us) > FADES_US, "it is older than 90 days"),
        ];
        self.faded = reasons.into_iter().filter(|(is_so, _)| *is_so).map(|(_, why)| why).collect();
    }
}

/// Wilson's interval of `count` of `all`.
fn wilson(count: u64, all: u64) -> Option<CheckedShare> {
    let (count, all) = (count as f64, Some(all as f64).filter(|all| *all > 0.0)?);
    let value = count / all;
    let middle = value + Z * Z / (2.0 * all);
    let half = Z * (value * (1.0 - value) / all + Z * Z / (4.0 * all * all)).sqrt();
    let scale = 1.0 + Z * Z / all;
    let low = if count == 0.0 { 0.0 } else { (middle - half) / scale };
    let high = if count == all { 1.0 } else { (middle + half) / scale };
    Some(CheckedShare { value, low, high }.rounded())
}

/// The error of the sum: Newcombe's interval of the difference of two shares of everything that was tapped or counted,
/// those that were counted and those that were tapped.
fn sum_error(found: u64, missed: u64, wrong: u64) -> Option<CheckedShare> {
    let all = found + missed + wrong;
    let tapped = Some(found + missed).filter(|tapped| *tapped > 0)?;
    let (ours, real) = (wilson(found + wrong, all)?, wilson(tapped, all)?);
    let value = ours.value - real.value;
    // The correlation of both: nothing was neither counted nor tapped.
    let spread = ((found + wrong) * missed * tapped * wrong) as f64;
    let phi = if spread > 0.0 { -((wrong * missed) as f64) / spread.sqrt() } else { 0.0 };
    let far = |a: f64, b: f64| (a * a - 2.0 * phi * a * b + b * b).sqrt();
    let below = far(ours.value - ours.low, real.high - real.value);
    let above = far(ours.high - ours.value, real.value - real.low);
    let scaled = |share: f64| share * all as f64 / tapped as f64;
    // No sum is less than nothing.
    let low = scaled(value - below).max(-1.0);
    Some(CheckedShare { value: scaled(value), low, high: scaled(value + above) }.rounded())
}

impl CheckedShare {
    fn rounded(self) -> CheckedShare {
        let rounded = |value: f64| (value * 1e4).round() / 1e4;
        CheckedShare { value: rounded(self.value), low: rounded(self.low), high: rounded(self.high) }
    }
}

/// The matched crossings and taps.
struct Judged {
    events: Vec<CheckEvent>,
    /// Indices of the missed taps.
    missed: Vec<usize>,
    late_us: i64,
}

/// Matches taps and `crossings`: number, time and direction. Those that are `wrong` match nothing. The lateness of the
/// taps is taken off. Only times that `is_checked` count.
fn judge(
    taps: &[(u64, Direction)],
    crossings: &[(u64, u64, Direction)],
    wrong: &HashSet<u64>,
    is_checked: impl Fn(u64) -> bool,
) -> Judged {
    let (right, wrong): (Vec<_>, Vec<_>) = crossings.iter().partition(|(id, ..)| !wrong.contains(id));
    let seconds = |us: i64| us as f64 / 1e6;
    let counted: Vec<_> =
        right.iter().map(|(_, us, way): &(u64, u64, Direction)| (seconds(*us as i64), *way)).collect();
    let in_time = |us: u64, late_us: i64| (us as i64).saturating_sub(late_us);
    let matched = |late_us: i64| {
        let tapped: Vec<_> = taps.iter().map(|(us, way)| (seconds(in_time(*us, late_us)), *way)).collect();
        pair_crossings(&counted, &tapped, seconds(TOLERANCE_US))
    };
    let settled = |mut late_us: i64| {
        let mut pairs = matched(late_us);
        for _ in 0..3 {
            let mut late: Vec<i64> =
                pairs.iter().map(|(own, tap)| in_time(taps[*tap].0, right[*own].1 as i64)).collect();
            if late.len() < TELLING {
                break;
            }
            late.sort_unstable();
            late_us = late[late.len() / 2].clamp(-TOLERANCE_US / 3, LATEST_US as i64);
            pairs = matched(late_us);
        }
        (late_us, pairs)
    };
    // Taps of busy lines that are late by more than half of the tolerance would settle at wrong crossings. Another
    // start has to find clearly more.
    let (mut late_us, mut pairs) = settled(0);
    for start_us in (1..=4).map(|half| half * (LATEST_US as i64) / 4) {
        let other = settled(start_us);
        if other.1.len() > pairs.len() + pairs.len() / 10 {
            (late_us, pairs) = other;
        }
    }
    let found: HashSet<usize> = pairs.iter().map(|pair| pair.0).collect();
    let tapped: HashSet<usize> = pairs.iter().map(|pair| pair.1).collect();
    let counted = right
        .iter()
        .enumerate()
        .map(|(at, one)| (*one, if found.contains(&at) { CheckVerdict::Found } else { CheckVerdict::False }));
    let counted = counted.chain(wrong.into_iter().map(|one| (one, CheckVerdict::False)));
    let mut events: Vec<CheckEvent> = counted
        .map(|((id, time_us, direction), verdict)| CheckEvent {
            time_us,
            direction,
            verdict,
            crossing: Some(id),
        })
        .collect();
    let at = |at: usize| in_time(taps[at].0, late_us).max(0) as u64;
    let missed: Vec<usize> =
        (0..taps.len()).filter(|tap| !tapped.contains(tap) && is_checked(at(*tap))).collect();
    events.extend(missed.iter().map(|tap| CheckEvent {
        time_us: at(*tap),
        direction: taps[*tap].1,
        verdict: CheckVerdict::Missed,
        crossing: None,
    }));
    events.retain(|event| is_checked(event.time_us));
    events.sort_by_key(|event| event.time_us);
    Judged { events, missed, late_us }
}

/// "of 100 people about 94 to 99 are counted", and the number of false crossings, which a sum may hide.
fn in_words(recall: Option<CheckedShare>, wrong: u64, what: &str) -> String {
    let wrong = match wrong {
        0 => String::new(),
        1 => String::from("; 1 was counted that did not cross"),
        wrong => format!("; {wrong} were counted that did not cross"),
    };
    let Some(CheckedShare { low, high, .. }) = recall else {
        return format!("nothing was tapped, so no share can be told{wrong}");
    };
    let [low, high] = [low, high].map(|share| (share * 100.0).round());
    let range = if low < high { format!("about {low} to {high}") } else { format!("about {low}") };
    format!("of 100 {what} {range} are counted{wrong}")
}

/// `spans` within `from_us..to_us`, sorted and merged.
fn merged(mut spans: Vec<(u64, u64)>, from_us: u64, to_us: u64) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (from, to) in
        spans.into_iter().map(|(from, to)| (from.max(from_us), to.min(to_us))).filter(|(from, to)| from < to)
    {
        match all.last_mut() {
            Some(last) if last.1 >= from => last.1 = last.1.max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

const SELECT: &str = "SELECT id, line, version, drawn, scene, from_us, to_us, made_us, recording, setup, left_out, \
     taps, crossings, advice FROM checks";

/// Microseconds of `from_us..to_us` outside `left_out`.
fn watched(from_us: u64, to_us: u64, left_out: &[(u64, u64)]) -> u64 {
    (to_us - from_us) - left_out.iter().map(|(from, to)| to - from).sum::<u64>()
}

/// True for a time of `from_us..to_us` outside `left_out`.
fn checked_times(from_us: u64, to_us: u64, left_out: &[(u64, u64)]) -> impl Fn(u64) -> bool {
    move |us| (from_us..to_us).contains(&us) && !left_out.iter().any(|(from, to)| (*from..*to).contains(&us))
}

/// A row of the table.
pub(super) struct CheckRow {
    id: u64,
    line: u64,
    version: u64,
    drawn: LineDraft,
    scene: Scene,
    from_us: u64,
    to_us: u64,
    made_us: u64,
    recording: Option<u64>,
    setup: CheckSetup,
    left_out: Vec<(u64, u64)>,
    taps: Vec<(u64, Direction)>,
    crossings: Vec<(u64, u64, Direction)>,
    advice: Option<CheckAdvice>,
}

impl CheckRow {
    fn read(row: &Row<'_>) -> Result<CheckRow, CountsRowError> {
        let text = |column: usize| Ok::<_, CountsRowError>(row.get_ref(column)?.as_str()?);
        let check = CheckRow {
            id: unsigned(row, 0)?,
            line: unsigned(row, 1)?,
            version: unsigned(row, 2)?,
            drawn: from_json(text(3)?)?,
            scene: parse_scene(text(4)?)?,
            from_us: unsigned(row, 5)?,
            to_us: unsigned(row, 6)?,
            made_us: unsigned(row, 7)?,
            recording: row.get::<_, Option<i64>>(8)?.map(|id| id.max(0) as u64),
            setup: from_json(text(9)?)?,
            left_out: from_json(text(10)?)?,
            taps: from_json(text(11)?)?,
            crossings: from_json(text(12)?)?,
            // Words of another version; a trial tells it again.
            advice: row.get::<_, Option<String>>(13)?.and_then(|text| from_json(&text).ok()),
        };
        // Anything else would be endless work, or no time at all.
        let is_sound = check.from_us < check.to_us
            && check.left_out == merged(check.left_out.clone(), check.from_us, check.to_us)
            && check.taps.len().max(check.crossings.len()) <= MOST_EVENTS;
        if is_sound { Ok(check) } else { Err(unknown_word("check", &check.id.to_string())) }
    }

    /// The check with its figures; `marked` are numbers of crossings that are marked as wrong.
    fn judged(self, marked: &HashSet<u64>) -> LineCheck {
        let CheckRow { from_us, to_us, left_out, taps, crossings, .. } = &self;
        let Judged { events, late_us, .. } =
            judge(taps, crossings, marked, checked_times(*from_us, *to_us, left_out));
        let count = |verdict| events.iter().filter(|event| event.verdict == verdict).count() as u64;
        let (found, missed, wrong) =
            (count(CheckVerdict::Found), count(CheckVerdict::Missed), count(CheckVerdict::False));
        let recall = wilson(found, found + missed);
        LineCheck {
            checked_us: watched(*from_us, *to_us, left_out),
            marked: events.iter().filter_map(|event| event.crossing).filter(|id| marked.contains(id)).count()
                as u64,
            late_s: (late_us as f64 / 1e4).round() / 100.0,
            precision: wilson(found, found + wrong),
            sum_error: sum_error(found, missed, wrong),
            summary: in_words(recall, wrong, &self.setup.objects),
            faded: Vec::new(),
            id: self.id,
            line_id: self.line,
            line: self.drawn.name.clone(),
            version: self.version,
            scene: self.scene,
            made_us: self.made_us,
            from_us: self.from_us,
            to_us: self.to_us,
            recording: self.recording,
            setup: self.setup,
            crossings: events,
            trial: None,
            trial_failed: None,
            advice: self.advice,
            drawn: self.drawn,
            found,
            missed,
            wrong,
            recall,
        }
    }
}

/// Reads every stored check.
pub(super) fn read_all(connection: &rusqlite::Connection) -> Result<(), CountsRowError> {
    let mut query = connection.prepare(SELECT)?;
    query.query_map([], |row| CheckRow::read(row).map(drop))?.collect()
}

#[cfg(test)]
mod tests {
    use super::Direction::{In, Out};
    use super::*;

    const S: u64 = 1_000_000;
    /// Number, time and direction.
    type Counted = (u64, u64, Direction);

    #[test]
    fn intervals_are_wilsons() {
        let of = |count, all| wilson(count, all).map(|share| (share.value, share.low, share.high));
        assert_eq!(of(95, 100), Some((0.95, 0.8882, 0.9785)));
        assert_eq!((of(10, 10), of(0, 0)), (Some((1.0, 0.7225, 1.0)), None));
        let share = sum_error(90, 10, 5).expect("some crossed");
        assert_eq!(share.value, -0.05);
        assert!(share.low < share.value && share.value < share.high && share.high > 0.0, "{share:?}");
        assert_eq!(sum_error(0, 0, 3), None);
        // By hand: both errors are likely together, so the interval is wider than that of independent shares.
        let even = sum_error(40, 30, 30).expect("some crossed");
        assert!(even.value == 0.0 && even.high == -even.low && (0.21..0.23).contains(&even.high), "{even:?}");
        assert_eq!(in_words(wilson(195, 200), 0, "people"), "of 100 people about 94 to 99 are counted");
        let doubled = in_words(wilson(200, 200), 190, "crossings");
        assert_eq!(
            doubled,
            "of 100 crossings about 98 to 100 are counted; 190 were counted that did not cross"
        );
        let none = "nothing was tapped, so no share can be told; 1 was counted that did not cross";
        assert_eq!(in_words(wilson(0, 0), 1, "people"), none);
    }

    /// Ten crossings, each 7 s after the one before, with taps that are `late_us` too late.
    fn ten(late_us: u64) -> (Vec<Counted>, Vec<(u64, Direction)>) {
        let crossings: Vec<_> = (1..=10).map(|n| (n, n * 7 * S, if n % 3 == 0 { Out } else { In })).collect();
        let taps = crossings.iter().map(|(_, us, way)| (us + late_us, *way)).collect();
        (crossings, taps)
    }

    fn verdicts(judged: &Judged) -> [usize; 3] {
        CheckVerdict::ALL.map(|wanted| judged.events.iter().filter(|event| event.verdict == wanted).count())
    }

    #[test]
    fn the_usual_lateness_of_taps_costs_nothing() {
        let (mut crossings, mut taps) = ten(1_400_000);
        // One tap of them is 0.6 s later still, one is missing, and one is of the other direction.
        taps[4].0 += 600_000;
        taps.remove(7);
        taps.push((100 * S, In));
        crossings.push((11, 98_700_000, Out));
        let judged = judge(&taps, &crossings, &HashSet::new(), |_| true);
        assert_eq!((judged.late_us, verdicts(&judged)), (1_400_000, [9, 1, 2]));
        assert_eq!(
            judged.events.iter().find(|event| event.crossing.is_none()).map(|one| one.time_us),
            Some(98_600_000)
        );
    }

    #[test]
    fn taps_of_a_busy_line_that_are_later_than_the_tolerance_find_their_crossings() {
        // The pauses between crossings differ, and are about as long as the tolerance.
        let times = (1..=26_u64).scan(0, |us, n| {
            *us += S + n * n * 377_000 % (2 * S);
            Some(*us)
        });
        let crossings: Vec<_> =
            times.zip(1..).map(|(us, n)| (n, us, if n % 2 == 0 { Out } else { In })).collect();
        for late_us in [0, 300_000, 1_200_000, 1_600_000, 2_000_000] {
            let taps: Vec<_> = crossings.iter().map(|(_, us, way)| (us + late_us, *way)).collect();
            let judged = judge(&taps, &crossings, &HashSet::new(), |_| true);
            assert_eq!((judged.late_us, verdicts(&judged)), (late_us as i64, [26, 0, 0]));
            let few = judge(&taps[..3], &crossings[..3], &HashSet::new(), |_| true);
            assert_eq!(verdicts(&few), [3, 0, 0], "{late_us}");
        }
    }

    #[test]
    fn thousands_of_taps_are_matched_in_little_memory() {
        let crossings: Vec<_> = (1..=5000).map(|n| (n, n * 2 * S, In)).collect();
        let taps: Vec<_> = crossings.iter().map(|(_, us, way)| (us + 400_000, *way)).collect();
        assert_eq!(verdicts(&judge(&taps, &crossings, &HashSet::new(), |_| true)), [5000, 0, 0]);
    }

    #[test]
    fn what_is_marked_as_wrong_is_false_and_its_tap_is_missed() {
        let (crossings, taps) = ten(0);
        let judged = judge(&taps, &crossings, &HashSet::from([4, 5]), |_| true);
        assert_eq!(verdicts(&judged), [8, 2, 2]);
    }

    #[test]
    fn pauses_and_gaps_leave_out_crossings_and_taps() {
        let (mut crossings, mut taps) = ten(300_000);
        crossings.remove(2);
        taps.remove(8);
        let left_out = merged(vec![(60 * S, 64 * S), (20 * S, 22 * S), (63 * S, 99 * S)], 0, 66 * S);
        assert_eq!(left_out, [(20 * S, 22 * S), (60 * S, 66 * S)]);
        assert_eq!(watched(0, 66 * S, &left_out), 58 * S);
        let is_checked = checked_times(0, 66 * S, &left_out);
        assert_eq!(verdicts(&judge(&taps, &crossings, &HashSet::new(), is_checked)), [7, 0, 0]);
    }
}
