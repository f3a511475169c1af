//! Advice from a check: the detections of its recording are counted again with single settings changed. A change that
//! finds a crossing tells why it was missed; tracks at the line tell the rest. Nothing that is stored changes.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    CheckEvent, CheckVerdict, CheckedShare, Judged, LineCheck, checked_times, judge, merged, wilson,
};

use tallycam_vision::{Direction, MissCause, Trial, TrialChange, TrialCrossing, TrialTracks};

/// Most detections per second that are tried.
pub const MOST_TRIED_FPS: f64 = 15.0;
/// Detections per second that are tried.
const RATES: [f64; 3] = [5.0, 10.0, MOST_TRIED_FPS];
/// Scores that start a track.
const SCORES: [f32; 7] = [0.6, 0.5, 0.45, 0.35, 0.25, 0.2, 0.15];
/// Distances of other places of the line, in sizes of what crosses.
const PLACES: [f32; 4] = [0.75, 1.5, 2.5, 4.0];
/// Least difference of two scores, and of two figures.
const OTHER: f32 = 0.04;
const BETTER: f64 = 0.004;
/// Below this mean brightness it is dark.
const DARK: u8 = 40;
/// A track that ended this long before or after a missed crossing is of the same object. Microseconds.
const ENDED_US: u64 = 3_000_000;
/// A false crossing of a trial is the same one within this time. Microseconds.
const SAME_US: u64 = 1_000_000;

/// The taps of a check and the time that they are of.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckTaps {
    /// Start and end, wall time in microseconds.
    pub span: (u64, u64),
    /// Time and direction of each.
    pub taps: Vec<(u64, Direction)>,
    /// Times in pauses and gaps.
    pub left_out: Vec<(u64, u64)>,
    /// Mean brightness of the picture, 0–255.
    pub light: Option<u8>,
}

/// The figures of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TrialFigures {
    /// Crossings that were tapped and counted.
    pub found: u64,
    /// Crossings that were only tapped.
    pub missed: u64,
    /// Crossings that were only counted.
    #[serde(rename = "false")]
    pub wrong: u64,
    /// Found ones of all tapped; `null` if nothing was tapped.
    pub recall: Option<CheckedShare>,
    /// Found ones of all counted; `null` if nothing was counted.
    pub precision: Option<CheckedShare>,
}

/// The errors of one cause, and the change that helps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CauseAdvice {
    /// The cause.
    pub cause: MissCause,
    /// Crossings that are missed for it.
    pub missed: u64,
    /// Crossings that are falsely counted for it.
    #[serde(rename = "false")]
    pub wrong: u64,
    /// The change that helps; `null`: none of those tried does.
    pub change: Option<TrialChange>,
    /// The figures with it.
    pub after: Option<TrialFigures>,
}

/// Advice from a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CheckAdvice {
    /// The number of the recording; `null`: what the tracks of a live check told.
    pub recording: Option<u64>,
    /// The figures with the settings in force.
    pub before: TrialFigures,
    /// The causes, the most common one first.
    pub causes: Vec<CauseAdvice>,
}

impl TrialFigures {
    /// Twice the found ones of all tapped and all counted.
    fn f1(&self) -> f64 {
        let all = 2 * self.found + self.missed + self.wrong;
        if all == 0 { 0.0 } else { 2.0 * self.found as f64 / all as f64 }
    }
}

/// One count of a trial, matched with the taps.
struct ChangeCount {
    change: Option<TrialChange>,
    figures: TrialFigures,
    judged: Judged,
}

/// All counts of a trial that matter.
struct TrialCounts {
    base: ChangeCount,
    /// The best one of each kind that improves the figures, best first.
    better: Vec<ChangeCount>,
    /// Crossings of `base` by objects that crossed before, or stood on the line.
    lingering: HashSet<u64>,
    tracks: TrialTracks,
}

impl ChangeCount {
    fn new(change: Option<TrialChange>, judged: Judged) -> ChangeCount {
        let [found, missed, wrong] = CheckVerdict::ALL
            .map(|kind| judged.events.iter().filter(|event| event.verdict == kind).count() as u64);
        let (recall, precision) = (wilson(found, found + missed), wilson(found, found + wrong));
        ChangeCount { change, figures: TrialFigures { found, missed, wrong, recall, precision }, judged }
    }

    /// The best of some trials of one kind; a later one must be better by [`BETTER`].
    fn best(all: Vec<ChangeCount>, base: &ChangeCount) -> Option<ChangeCount> {
        let mut best = None;
        let mut f1 = base.figures.f1();
        for one in all {
            if one.figures.f1() > f1 + BETTER {
                f1 = one.figures.f1();
                best = Some(one);
            }
        }
        best
    }

    fn events(&self, verdict: CheckVerdict) -> impl Iterator<Item = &CheckEvent> {
        self.judged.events.iter().filter(move |event| event.verdict == verdict)
    }

    /// True if it does not count this false crossing.
    fn avoids(&self, event: &CheckEvent) -> bool {
        let is_same = |other: &CheckEvent| {
            other.direction == event.direction && other.time_us.abs_diff(event.time_us) <= SAME_US
        };
        !self.events(CheckVerdict::False).any(is_same)
    }
}

impl CheckTaps {
    /// TrialCounts changes on the detections of the recording with this number, in wall times.
    pub fn advise(&self, recording: u64, trial: &Trial) -> CheckAdvice {
        let TrialCounts { base, better, lingering, tracks } = self.try_changes(trial);
        let others = base.events(CheckVerdict::Found).map(|event| (event.time_us, event.direction));
        let others: Vec<(u64, Direction)> = others.collect();
        let is_dark = self.light.is_some_and(|light| light < DARK);
        let cause_by = |found: Option<&ChangeCount>| match found?.change? {
            TrialChange::Rate(_) => Some(MissCause::Rate),
            TrialChange::Score(_) if is_dark => Some(MissCause::Dark),
            TrialChange::Score(_) => Some(MissCause::Score),
            TrialChange::Line(_) | TrialChange::Once(_) => None,
        };
        // In the order of their times, as the taps may not be.
        let mut taps = base.judged.missed.clone();
        taps.sort_by_key(|tap| self.taps[*tap].0);
        let missed = base.events(CheckVerdict::Missed).zip(taps).map(|(event, tap)| {
            let found = better.iter().find(|tried| !tried.judged.missed.contains(&tap));
            let tracked = || tracks.cause(event.time_us, event.direction, &others);
            (event, cause_by(found).unwrap_or_else(tracked), found)
        });
        let wrong = base.events(CheckVerdict::False).map(|event| {
            let found = better.iter().find(|tried| tried.avoids(event));
            let lingers = event.crossing.is_some_and(|id| lingering.contains(&id));
            let cause = Some(MissCause::Standing).filter(|_| lingers).or_else(|| cause_by(found));
            (event, cause.unwrap_or(MissCause::Unknown), found)
        });
        let mut causes: BTreeMap<MissCause, CauseAdvice> = BTreeMap::new();
        for (event, cause, found) in missed.chain(wrong) {
            let advice = causes.entry(cause).or_insert_with(|| CauseAdvice::new(cause));
            advice.add(event);
            if let (None, Some(found)) = (advice.change, found) {
                (advice.change, advice.after) = (found.change, Some(found.figures));
            }
        }
        CheckAdvice { recording: Some(recording), before: base.figures, causes: sorted(causes) }
    }

    /// Counts with the settings in force and with each change.
    fn try_changes(&self, trial: &Trial) -> TrialCounts {
        let left_out = self.unseen(trial);
        let matched = |change, crossings: &[TrialCrossing]| {
            let numbered: Vec<_> =
                (0..).zip(crossings).map(|(id, one)| (id, one.time_us, one.direction)).collect();
            let is_checked = checked_times(self.span.0, self.span.1, &left_out);
            ChangeCount::new(change, judge(&self.taps, &numbered, &HashSet::new(), is_checked))
        };
        // One count has all lines.
        let mut placed = vec![(0.0, None), (0.0, Some(TrialChange::Once(true)))];
        placed.extend(trial.places(&PLACES).into_iter().map(|(by, change)| (by, Some(change))));
        let (counted, tracks) = trial.count(&placed);
        let numbered = (0..).zip(counted.first().into_iter().flatten());
        let lingering = numbered.filter(|(_, one)| one.lingers).map(|(id, _)| id).collect();
        let mut placed: Vec<ChangeCount> =
            placed.iter().zip(&counted).map(|((_, change), crossings)| matched(*change, crossings)).collect();
        let (places, once) = (placed.split_off(2), placed.pop());
        let base = placed.pop().unwrap_or_else(|| matched(None, &[]));
        let alone = |change| {
            let crossings = trial.count(&[(0.0, Some(change))]).0.pop().unwrap_or_default();
            matched(Some(change), &crossings)
        };
        let kinds = [
            rates(trial).into_iter().map(TrialChange::Rate).map(alone).collect(),
            scores(trial).into_iter().map(TrialChange::Score).map(alone).collect(),
            places,
            once.into_iter().collect(),
        ];
        let mut better: Vec<ChangeCount> =
            kinds.into_iter().filter_map(|tried| ChangeCount::best(tried, &base)).collect();
        better.sort_by(|a, b| b.figures.f1().total_cmp(&a.figures.f1()));
        TrialCounts { base, better, lingering, tracks }
    }

    /// Times that the check left out, and those without frames.
    fn unseen(&self, trial: &Trial) -> Vec<(u64, u64)> {
        let (from, to) = self.span;
        let frames = &trial.frames;
        let first = frames.first().map_or(to, |frame| frame.time_us);
        let last = frames.last().map_or(from, |frame| frame.time_us);
        let gaps =
            frames.windows(2).filter(|pair| pair[1].restarts).map(|pair| (pair[0].time_us, pair[1].time_us));
        merged(
            gaps.chain([(from, first), (last, to)]).chain(self.left_out.iter().copied()).collect(),
            from,
            to,
        )
    }
}

impl CheckAdvice {
    /// Advice without a recording: a track that `ended` at the line tells why a crossing was missed.
    pub fn from_near_misses(check: &LineCheck, ended: &[u64]) -> CheckAdvice {
        let mut causes: BTreeMap<MissCause, CauseAdvice> = BTreeMap::new();
        for event in check.crossings.iter().filter(|event| event.verdict != CheckVerdict::Found) {
            let is_missed = event.verdict == CheckVerdict::Missed;
            let is_at_its_end = ended.iter().any(|us| us.abs_diff(event.time_us) <= ENDED_US);
            let cause = if is_missed && is_at_its_end { MissCause::Ended } else { MissCause::Unknown };
            causes.entry(cause).or_insert_with(|| CauseAdvice::new(cause)).add(event);
        }
        let &LineCheck { found, missed, wrong, recall, precision, .. } = check;
        let before = TrialFigures { found, missed, wrong, recall, precision };
        CheckAdvice { recording: None, before, causes: sorted(causes) }
    }
}

/// The most common cause comes first.
fn sorted(causes: BTreeMap<MissCause, CauseAdvice>) -> Vec<CauseAdvice> {
    let mut causes: Vec<CauseAdvice> = causes.into_values().collect();
    causes.sort_by_key(|one| (one.cause == MissCause::Unknown, std::cmp::Reverse(one.missed + one.wrong)));
    causes
}

impl CauseAdvice {
    fn new(cause: MissCause) -> CauseAdvice {
        CauseAdvice { cause, missed: 0, wrong: 0, change: None, after: None }
    }

    /// The cause in words.
    pub fn in_words(&self) -> &'static str {
        match self.cause {
            MissCause::Late => "first seen past the line",
            MissCause::Ended => "lost at the line",
            MissCause::Score => "seen with too little confidence",
            MissCause::Dark => "too dark",
            MissCause::Merged => "two seen as one",
            MissCause::Rate => "too fast for the detection rate",
            MissCause::Hidden => "behind something at the line",
            MissCause::Standing => "standing on the line",
            MissCause::Unknown => "cause unknown",
        }
    }

    /// "with 10 detections a second: 98 %"; `None` without a change that helps.
    pub fn change_in_words(&self) -> Option<String> {
        let after = self.after?;
        let share = |share: Option<CheckedShare>| (share.map_or(0.0, |share| share.value) * 100.0).round();
        let with = match self.change? {
            TrialChange::Rate(rate) => format!("with {rate} detections a second"),
            TrialChange::Score(score) if self.cause == MissCause::Dark => {
                format!("with more light, or a confidence threshold of {score:.2}")
            }
            TrialChange::Score(score) => format!("with a confidence threshold of {score:.2}"),
            TrialChange::Line([ax, ay, bx, by]) => format!(
                "with the line from {:.0}, {:.0} to {:.0}, {:.0} % of the picture",
                ax * 100.0,
                ay * 100.0,
                bx * 100.0,
                by * 100.0
            ),
            TrialChange::Once(_) => String::from("with each object counted once"),
        };
        let (recall, precision) = (share(after.recall), share(after.precision));
        let right = if self.wrong > 0 || precision < 100.0 {
            format!(", {precision} % of the counts are right")
        } else {
            String::new()
        };
        Some(format!("{with}: {recall} %{right}"))
    }

    fn add(&mut self, event: &CheckEvent) {
        match event.verdict {
            CheckVerdict::Missed => self.missed += 1,
            _ => self.wrong += 1,
        }
    }
}

/// Detections per second above those in force that the recording has.
fn rates(trial: &Trial) -> Vec<f64> {
    let most = trial.frame_rate();
    let now = trial.rate.unwrap_or(most).min(most);
    let mut rates: Vec<f64> =
        RATES.into_iter().filter(|rate| *rate > now * 1.2 && *rate <= most * 1.02).collect();
    if rates.is_empty() && most > now * 1.2 && most < MOST_TRIED_FPS {
        rates.push((most * 10.0).floor() / 10.0);
    }
    rates
}

/// Other scores than the one in force, the nearest first.
fn scores(trial: &Trial) -> Vec<f32> {
    let now = trial.options.tracker.birth_score;
    let all = SCORES.into_iter().chain([trial.own.birth_score]);
    let mut scores: Vec<f32> = all.filter(|score| (score - now).abs() >= OTHER).collect();
    scores.sort_by(|a, b| (a - now).abs().total_cmp(&(b - now).abs()));
    scores.dedup();
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_vision::{
        Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Labels, LineId, Point,
        TrialTracks,
    };

    const STEP_US: u64 = 100_000;

    /// Ten people, each 9 s after the one before, walk to the right over the line at `x`, in 6 s from 0 to 1 of the
    /// frame and `speed` times as fast. They are seen with this score where `is_seen` says so.
    fn advice(
        x: f32,
        speed: f32,
        score: f32,
        rate: Option<f64>,
        light: u8,
        is_seen: impl Fn(f32) -> bool,
    ) -> CheckAdvice {
        let mut options = CounterOptions::default();
        let own = options.tracker.clone();
        options.tracker.set_score(0.45);
        let mut counter = Counter::new(options, Labels::new(["person"]), Aspect::new(640, 480));
        let line = CountingLine::new(LineId(1), "door", Point::new(x, 1.0), Point::new(x, 0.0));
        counter.set_lines(vec![line.expect("a line")]).expect("it counts");
        counter.keep_detections();
        let mut taps = Vec::new();
        for frame in 0..900_u64 {
            let at = |frame: u64| (frame % 90) as f32 / 60.0 * speed;
            let place = at(frame);
            let bounds = Bounds::centered_at(Point::new(place, 0.5), 0.06, 0.2);
            let seen =
                (place < 1.02 && is_seen(place)).then_some(Detection { class: Class(0), score, bounds });
            counter.update(seen.as_slice(), frame * STEP_US);
            if frame % 90 > 0 && at(frame - 1) < x && place >= x {
                taps.push((frame * STEP_US, Direction::Out));
            }
        }
        let mut trial = Trial::new(counter, LineId(1), own).expect("it has the line");
        trial.rate = rate;
        let span = (0, 900 * STEP_US);
        assert_eq!(taps.len(), 10);
        CheckTaps { span, taps, left_out: Vec::new(), light: Some(light) }.advise(7, &trial)
    }

    /// The most common cause and the change, which must find all.
    fn first(advice: &CheckAdvice) -> (MissCause, Option<TrialChange>) {
        let first = advice.causes.first().unwrap_or_else(|| panic!("{advice:?}"));
        assert!(first.missed >= 8 && first.after.is_some_and(|after| after.found >= 9), "{advice:?}");
        (first.cause, first.change)
    }

    #[test]
    fn each_fault_is_named_and_its_change_helps() {
        let good = advice(0.5, 1.0, 0.9, Some(5.0), 118, |_| true);
        assert_eq!((good.before.found, good.causes.len()), (10, 0), "{good:?}");
        let fast = advice(0.5, 4.0, 0.9, Some(1.0), 118, |_| true);
        assert_eq!(first(&fast), (MissCause::Rate, Some(TrialChange::Rate(10.0))));
        let words = fast.causes[0].change_in_words();
        assert_eq!(words.as_deref(), Some("with 10 detections a second: 100 %"));
        let unsure = advice(0.5, 1.0, 0.4, Some(5.0), 118, |_| true);
        assert_eq!(first(&unsure), (MissCause::Score, Some(TrialChange::Score(0.35))));
        let dark = advice(0.5, 1.0, 0.4, Some(5.0), 20, |_| true);
        assert_eq!(first(&dark), (MissCause::Dark, Some(TrialChange::Score(0.35))));
        let pillar = advice(0.5, 0.5, 0.9, Some(5.0), 118, |x| (x - 0.5).abs() > 0.16);
        assert!(matches!(first(&pillar), (MissCause::Hidden, Some(TrialChange::Line(_)))), "{pillar:?}");
        let door = advice(0.2, 1.0, 0.9, Some(5.0), 118, |x| x > 0.22);
        assert!(matches!(first(&door), (MissCause::Late, Some(TrialChange::Line(_)))), "{door:?}");
        let exit = advice(0.8, 1.0, 0.9, Some(5.0), 118, |x| x < 0.78);
        assert!(matches!(first(&exit), (MissCause::Ended, Some(TrialChange::Line(_)))), "{exit:?}");
    }

    #[test]
    fn who_stands_on_the_line_or_walks_abreast_is_told_of() {
        let counted = [(5_000_000, Direction::Out)];
        let nothing = TrialTracks::default();
        assert_eq!(nothing.cause(5_400_000, Direction::Out, &counted), MissCause::Merged);
        assert_eq!(nothing.cause(5_400_000, Direction::In, &counted), MissCause::Unknown);
    }
}
