//! Coverage of time by counting: spans in, gaps and shares out.
//!
//! Pure. Spans may touch and, while the clock is not sure, overlap. A moment is covered if any counting span contains
//! it. Other moments have the reason of the span that contains them, or `off` without one.

pub(super) mod counting_time;

use std::sync::Arc;

use super::{Gap, Scene};

/// A time with one state. Wall time in microseconds, `from_us <= to_us`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CoverageSpan {
    pub from_us: i64,
    pub to_us: i64,
    /// The scene that was counted in, if any.
    pub scene: Option<Scene>,
    /// Otherwise the reason. Shared, because the spans of a year are copied for each line.
    pub why: Arc<str>,
}

/// A time that was recounted from recordings, and the lines of the recount.
#[derive(Debug, Clone)]
pub(super) struct RecountedSpan {
    pub span: CoverageSpan,
    pub lines: Arc<[u64]>,
}

/// The times within `from_us..to_us` in which `scene` was counted: in order and disjoint.
pub(super) fn covered_times(
    spans: &[CoverageSpan],
    scene: Scene,
    from_us: i64,
    to_us: i64,
) -> Vec<(i64, i64)> {
    let mut counting: Vec<(i64, i64)> = spans
        .iter()
        .filter(|span| span.scene == Some(scene))
        .map(|span| (span.from_us.max(from_us), span.to_us.min(to_us)))
        .filter(|(from, to)| from < to)
        .collect();
    counting.sort_unstable();
    let mut merged: Vec<(i64, i64)> = Vec::with_capacity(counting.len());
    for (from, to) in counting {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Cuts the spans in which `scene` was counted to `times`. The parts cut off get the reason `why`.
pub(super) fn clip_to_times(
    spans: Vec<CoverageSpan>,
    scene: Scene,
    times: &[(i64, i64)],
    why: &str,
) -> Vec<CoverageSpan> {
    let (mut times, why) = (times.to_vec(), Arc::<str>::from(why));
    times.sort_unstable();
    let mut cut = Vec::with_capacity(spans.len());
    for span in spans {
        if span.scene != Some(scene) || span.from_us >= span.to_us {
            cut.push(span);
            continue;
        }
        let mut put = |from_us: i64, to_us: i64, scene: Option<Scene>, reason: &Arc<str>| {
            if from_us < to_us {
                cut.push(CoverageSpan { from_us, to_us, scene, why: Arc::clone(reason) });
            }
        };
        let mut at = span.from_us;
        for &(from, to) in &times {
            let (from, to) = (from.clamp(at, span.to_us), to.clamp(at, span.to_us));
            put(at, from, None, &why);
            put(from, to, span.scene, &span.why);
            at = to.max(from);
        }
        put(at, span.to_us, None, &why);
    }
    cut
}

/// A timeline of `from_us..to_us` for one line. It counts as covered except where a gap of `spans` is outside `all`,
/// the gaps that are already reported. Those exceptions keep their reasons.
pub(super) fn uncovered_spans(
    spans: &[CoverageSpan],
    all: &[Gap],
    scene: Scene,
    from_us: i64,
    to_us: i64,
) -> Vec<CoverageSpan> {
    let (mut timeline, mut first, mut at) = (Vec::new(), 0, from_us);
    for gap in gaps(spans, scene, from_us, to_us) {
        let why: Arc<str> = gap.why.into();
        let mut put = |begin: u64, end: u64| {
            if begin < end {
                let (begin, end) = (begin as i64, end as i64);
                timeline.push(CoverageSpan { from_us: at, to_us: begin, scene: Some(scene), why: "".into() });
                timeline.push(CoverageSpan {
                    from_us: begin,
                    to_us: end,
                    scene: None,
                    why: Arc::clone(&why),
                });
                at = end;
            }
        };
        while all.get(first).is_some_and(|told| told.to_us <= gap.from_us) {
            first += 1;
        }
        let mut from = gap.from_us;
        for told in all[first..].iter().take_while(|told| told.from_us < gap.to_us) {
            put(from, told.from_us);
            from = from.max(told.to_us);
        }
        put(from, gap.to_us);
    }
    timeline.push(CoverageSpan { from_us: at, to_us, scene: Some(scene), why: "".into() });
    timeline
}

/// Covered shares of consecutive buckets.
#[derive(Debug)]
pub(super) struct Shares {
    covered: Vec<(i64, i64)>,
    next: usize,
    now_us: i64,
}

impl Shares {
    /// `covered` is the result of [`covered_times`].
    pub(super) fn new(covered: Vec<(i64, i64)>, now_us: i64) -> Shares {
        Shares { covered, next: 0, now_us }
    }

    /// The covered share of the bucket, 0–1; of the current one, of the part that has passed. 0 for the future.
    /// Buckets must come in order of their start.
    pub(super) fn covered_share(&mut self, start_us: i64, end_us: i64) -> f64 {
        let end_us = end_us.min(self.now_us);
        if end_us <= start_us {
            return 0.0;
        }
        while self.covered.get(self.next).is_some_and(|&(_, to)| to <= start_us) {
            self.next += 1;
        }
        let meets = self.covered[self.next..].iter().take_while(|&&(from, _)| from < end_us);
        let sum: i64 = meets.map(|&(from, to)| to.min(end_us) - from.max(start_us)).sum();
        (sum as f64 / (end_us - start_us) as f64).clamp(0.0, 1.0)
    }
}

/// Shorter times without a span are no gap: messages take time.
const LEAST_GAP_US: u64 = 1_000_000;

/// The times within `from_us..to_us` that are not covered, cut to it, with reasons, oldest first.
pub(super) fn gaps(spans: &[CoverageSpan], scene: Scene, from_us: i64, to_us: i64) -> Vec<Gap> {
    let mut gaps = all_gaps(spans, scene, from_us, to_us);
    gaps.retain(is_reportable);
    gaps
}

/// The gaps of one line beyond `all`, the gaps that are already reported. `spans` are those of [`uncovered_spans`]
/// and the line's own. A piece next to one in `all` is reported however short it is.
pub(super) fn line_gaps(
    spans: &[CoverageSpan],
    all: &[Gap],
    scene: Scene,
    from_us: i64,
    to_us: i64,
) -> Vec<Gap> {
    let goes_on = |gap: &Gap| {
        let next_to_it = all[all.partition_point(|told| told.to_us < gap.from_us)..].iter();
        next_to_it.take_while(|told| told.from_us <= gap.to_us).any(|told| told.why == "off")
    };
    let mut gaps = all_gaps(spans, scene, from_us, to_us);
    gaps.retain(|gap| is_reportable(gap) || goes_on(gap));
    gaps
}

/// Whether the gap is longer than delays of messages.
fn is_reportable(gap: &Gap) -> bool {
    gap.why != "off" || gap.to_us - gap.from_us >= LEAST_GAP_US
}

fn all_gaps(spans: &[CoverageSpan], scene: Scene, from_us: i64, to_us: i64) -> Vec<Gap> {
    let mut reasons: Vec<&CoverageSpan> = spans.iter().filter(|span| span.scene != Some(scene)).collect();
    reasons.sort_by_key(|span| (span.from_us, span.to_us));
    let mut gaps: Vec<Gap> = Vec::new();
    let mut add = |from: i64, to: i64, why: &str| {
        if from >= to {
            return;
        }
        match gaps.last_mut() {
            Some(last) if last.to_us == from as u64 && last.why == why => last.to_us = to as u64,
            _ => gaps.push(Gap { from_us: from as u64, to_us: to as u64, why: why.to_owned() }),
        }
    };
    let counted = covered_times(spans, scene, from_us, to_us);
    let ends = std::iter::once(from_us).chain(counted.iter().map(|&(_, to)| to));
    let begins = counted.iter().map(|&(from, _)| from).chain([to_us]);
    let mut first = 0;
    for (mut from, to) in ends.zip(begins) {
        while reasons.get(first).is_some_and(|span| span.to_us <= from) {
            first += 1;
        }
        for span in reasons[first..].iter().take_while(|span| span.from_us < to) {
            let (begin, end) = (span.from_us.max(from), span.to_us.min(to));
            if begin >= end {
                continue;
            }
            add(from, begin, "off");
            add(begin, end, if span.scene.is_some() { "other_scene" } else { &span.why });
            from = end;
        }
        add(from, to, "off");
    }
    gaps
}

/// Times of lines, as (from, to).
#[derive(Default)]
pub(crate) struct LineTimes {
    pub drawn: Vec<(i64, i64)>,
    /// Times in which they were drawn and the detector knew one of their classes.
    pub able: Vec<(i64, i64)>,
}

/// State of a line while its changes are read.
#[derive(Default)]
pub(crate) struct LineNow {
    pub drawn_since: Option<i64>,
    pub is_unable: bool,
    pub able_since: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: i64 = 1_000_000;

    fn span(from: i64, to: i64, scene: Option<Scene>, why: &str) -> CoverageSpan {
        CoverageSpan { from_us: from * S, to_us: to * S, scene, why: why.into() }
    }

    fn gap(from: u64, to: u64, why: &str) -> Gap {
        Gap { from_us: from * S as u64, to_us: to * S as u64, why: why.to_owned() }
    }

    #[test]
    fn a_gap_has_a_reason() {
        let spans = [
            span(10, 20, Some(Scene::Camera), ""),
            span(20, 30, None, "paused"),
            span(30, 40, Some(Scene::Camera), ""),
            span(60, 70, Some(Scene::Sim), ""),
        ];
        assert_eq!(
            gaps(&spans, Scene::Camera, 0, 80 * S),
            [
                gap(0, 10, "off"),
                gap(20, 30, "paused"),
                gap(40, 60, "off"),
                gap(60, 70, "other_scene"),
                gap(70, 80, "off"),
            ]
        );
        assert_eq!(gaps(&spans, Scene::Camera, 12 * S, 18 * S), []);
        assert_eq!(gaps(&spans, Scene::Camera, 22 * S, 28 * S), [gap(22, 28, "paused")]);
    }

    #[test]
    fn a_line_is_counted_on_only_while_it_is_drawn() {
        let spans = vec![span(0, 40, Some(Scene::Camera), ""), span(40, 50, None, "paused")];
        let cut = |drawn: &[(i64, i64)]| clip_to_times(spans.clone(), Scene::Camera, drawn, "no_line");
        // Two lines, one of them drawn twice; the last is still drawn.
        let drawn = [(30 * S, i64::MAX), (10 * S, 20 * S), (12 * S, 15 * S)];
        assert_eq!(
            gaps(&cut(&drawn), Scene::Camera, 0, 50 * S),
            [gap(0, 10, "no_line"), gap(20, 30, "no_line"), gap(40, 50, "paused")]
        );
        assert!(covered_times(&cut(&[]), Scene::Camera, 0, 50 * S).is_empty());
        assert_eq!(covered_times(&cut(&[(-S, 100 * S)]), Scene::Camera, 0, 50 * S), [(0, 40 * S)]);
        // Other scenes are not cut.
        assert_eq!(clip_to_times(spans.clone(), Scene::Sim, &[], "no_line"), spans);
    }

    #[test]
    fn the_present_bucket_is_measured_by_what_has_passed() {
        let covered = covered_times(&[span(0, 15, Some(Scene::Camera), "")], Scene::Camera, 0, 100 * S);
        let mut shares = Shares::new(covered, 20 * S);
        assert_eq!(shares.covered_share(0, 10 * S), 1.0);
        assert_eq!(shares.covered_share(10 * S, 60 * S), 0.5);
        assert_eq!(shares.covered_share(60 * S, 70 * S), 0.0);
    }

    proptest! {
        /// The gaps of all lines and the further gaps of one line are together that line's gaps, moment by moment,
        /// and do not overlap.
        #[test]
        fn common_gaps_and_further_gaps_of_a_line_are_its_gaps(
            raw in prop::collection::vec((0i64..60, 0i64..20, 0u8..4), 0..8),
            again in prop::collection::vec((0i64..80, 0i64..6, 0usize..3), 0..12),
        ) {
            // Some pieces are too short to be reported on their own.
            const PIECE: i64 = 400_000;
            let piece = |from: i64, length: i64, scene, why: &str| {
                CoverageSpan { from_us: from * PIECE, to_us: (from + length) * PIECE, scene, why: why.into() }
            };
            let spans: Vec<CoverageSpan> = raw.iter().map(|&(from, length, kind)| match kind {
                0 => piece(from, length, Some(Scene::Camera), ""),
                1 => piece(from, length, None, "paused"),
                2 => piece(from, length, None, "off"),
                _ => piece(from, length, Some(Scene::Sim), ""),
            }).collect();
            // Recounted on the first line, on the second, on both.
            let on: [&[usize]; 3] = [&[0], &[1], &[0, 1]];
            let with = |timeline: &[CoverageSpan], is_meant: &dyn Fn(&[usize]) -> bool| {
                let recounts = again.iter().filter(|&&(.., lines)| is_meant(on[lines]));
                let recounts = recounts.map(|&(from, length, _)| piece(from, length, Some(Scene::Camera), ""));
                timeline.iter().cloned().chain(recounts).collect::<Vec<CoverageSpan>>()
            };
            let end = 100 * PIECE;
            let all = gaps(&with(&spans, &|_| true), Scene::Camera, 0, end);
            let timeline = uncovered_spans(&spans, &all, Scene::Camera, 0, end);
            for line in 0..2 {
                let is_meant = |lines: &[usize]| lines.contains(&line);
                let whole = gaps(&with(&spans, &is_meant), Scene::Camera, 0, end);
                let own = line_gaps(&with(&timeline, &is_meant), &all, Scene::Camera, 0, end);
                for at in (0..100).map(|number| (number * PIECE) as u64) {
                    let at_once = |gaps: &[Gap]| -> Vec<String> {
                        let holds = gaps.iter().filter(|gap| gap.from_us <= at && at < gap.to_us);
                        holds.map(|gap| gap.why.clone()).collect()
                    };
                    prop_assert_eq!([at_once(&all), at_once(&own)].concat(), at_once(&whole), "at {}", at);
                }
            }
        }

        /// Gaps and covered times fill everything, second by second, compared with a naive computation.
        #[test]
        fn every_moment_is_covered_or_a_gap(
            raw in prop::collection::vec((0i64..60, 0i64..20, 0u8..3), 0..12),
        ) {
            let spans: Vec<CoverageSpan> = raw.iter().map(|&(from, length, kind)| match kind {
                0 => span(from, from + length, Some(Scene::Camera), ""),
                1 => span(from, from + length, None, "paused"),
                _ => span(from, from + length, Some(Scene::Sim), ""),
            }).collect();
            let counted = covered_times(&spans, Scene::Camera, 0, 100 * S);
            let gaps = gaps(&spans, Scene::Camera, 0, 100 * S);
            for second in 0..100 {
                let at = second * S;
                let holds = |span: &&CoverageSpan| span.from_us <= at && at < span.to_us;
                let is_counted = spans.iter().filter(holds).any(|span| span.scene == Some(Scene::Camera));
                prop_assert_eq!(counted.iter().filter(|(from, to)| *from <= at && at < *to).count(), usize::from(is_counted));
                let why: Vec<&str> = gaps.iter().filter(|gap| gap.from_us as i64 <= at && at < gap.to_us as i64)
                    .map(|gap| gap.why.as_str()).collect();
                prop_assert_eq!(why.len(), usize::from(!is_counted));
                if !is_counted {
                    prop_assert_eq!(why[0] == "off", !spans.iter().any(|span| holds(&span)));
                }
            }
            let mut shares = Shares::new(counted.clone(), i64::MAX);
            for bucket in 0..10 {
                let (from, to) = (bucket * 10 * S, (bucket + 1) * 10 * S);
                let naive = (bucket * 10..bucket * 10 + 10)
                    .filter(|second| counted.iter().any(|(from, to)| *from <= second * S && second * S < *to)).count();
                prop_assert!((shares.covered_share(from, to) - naive as f64 / 10.0).abs() < 1e-9);
            }
        }
    }
}
