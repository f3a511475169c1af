//! Matches counted crossings to those that really happened: a file of them, or somebody's taps.

use super::Direction;

/// The last step to the best pairs of two beginnings of the lists.
#[derive(Clone, Copy, PartialEq)]
enum PairStep {
    LeaveCounted,
    LeaveReal,
    Pair,
}

/// Pairs crossings of the same direction that are at most `tolerance_s` seconds apart, as indices of both lists in the
/// order of `counted`. Each is used once.
/// The number of pairs is the largest one, and their distances have the least sum.
/// Takes time and bytes in proportion to the product of both lengths, where no pause longer than the tolerance parts
/// the lists.
pub fn pair_crossings(
    counted: &[(f64, Direction)],
    real: &[(f64, Direction)],
    tolerance_s: f64,
) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    for direction in [Direction::In, Direction::Out] {
        let sorted = |all: &[(f64, Direction)]| {
            let mut own: Vec<usize> = (0..all.len()).filter(|at| all[*at].1 == direction).collect();
            own.sort_by(|a, b| all[*a].0.total_cmp(&all[*b].0));
            own
        };
        let (ours, theirs) = (sorted(counted), sorted(real));
        pairs.extend(
            pair_sorted(
                &ours.iter().map(|at| counted[*at].0).collect::<Vec<_>>(),
                &theirs.iter().map(|at| real[*at].0).collect::<Vec<_>>(),
                tolerance_s,
            )
            .into_iter()
            .map(|(own, other)| (ours[own], theirs[other])),
        );
    }
    pairs.sort_unstable();
    pairs
}

/// Pairs sorted times, one part after the other: no pair reaches over a pause longer than the tolerance.
fn pair_sorted(ours: &[f64], theirs: &[f64], tolerance_s: f64) -> Vec<(usize, usize)> {
    let (mut own, mut other) = (0, 0);
    let mut pairs = Vec::new();
    while own < ours.len() && other < theirs.len() {
        let (mut own_end, mut other_end) = (own, other);
        let mut last_s = ours[own].min(theirs[other]);
        loop {
            let next =
                [ours.get(own_end), theirs.get(other_end)].map(|next| next.map_or(f64::INFINITY, |s| *s));
            let next_s = next[0].min(next[1]);
            if next_s == f64::INFINITY || next_s > last_s + tolerance_s {
                break;
            }
            last_s = next_s;
            if next[0] <= next[1] { own_end += 1 } else { other_end += 1 }
        }
        let part = pair_part(&ours[own..own_end], &theirs[other..other_end], tolerance_s);
        pairs.extend(part.into_iter().map(|(a, b)| (own + a, other + b)));
        (own, other) = (own_end, other_end);
    }
    pairs
}

/// Pairs sorted times. Pairs that cross each other are never better, so the best of all beginnings suffices.
fn pair_part(ours: &[f64], theirs: &[f64], tolerance_s: f64) -> Vec<(usize, usize)> {
    let wide = theirs.len() + 1;
    let mut steps = vec![PairStep::LeaveReal; (ours.len() + 1) * wide];
    // Number of pairs and sum of distances, for the times of `ours` so far and each beginning of `theirs`.
    let mut before = vec![(0_usize, 0.0); wide];
    for (own, our_s) in ours.iter().enumerate() {
        let mut now = vec![(0, 0.0); wide];
        steps[(own + 1) * wide] = PairStep::LeaveCounted;
        for (other, their_s) in theirs.iter().enumerate() {
            let is_better =
                |one: (usize, f64), than: (usize, f64)| one.0 > than.0 || (one.0 == than.0 && one.1 < than.1);
            let (mut best, mut step) = (before[other + 1], PairStep::LeaveCounted);
            if is_better(now[other], best) {
                (best, step) = (now[other], PairStep::LeaveReal);
            }
            let apart_s = (our_s - their_s).abs();
            let paired = (before[other].0 + 1, before[other].1 + apart_s);
            if apart_s <= tolerance_s && is_better(paired, best) {
                (best, step) = (paired, PairStep::Pair);
            }
            now[other + 1] = best;
            steps[(own + 1) * wide + other + 1] = step;
        }
        before = now;
    }
    let (mut own, mut other) = (ours.len(), theirs.len());
    let mut pairs = Vec::new();
    while own > 0 && other > 0 {
        match steps[own * wide + other] {
            PairStep::LeaveCounted => own -= 1,
            PairStep::LeaveReal => other -= 1,
            PairStep::Pair => {
                (own, other) = (own - 1, other - 1);
                pairs.push((own, other));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::Direction::{In, Out};
    use super::*;

    #[test]
    fn each_crossing_matches_once_and_the_nearest_one() {
        let counted = [(1.0, In), (1.4, In), (5.0, Out), (9.0, In)];
        assert_eq!(pair_crossings(&counted, &[(1.5, In), (5.9, Out), (10.1, In)], 1.0), [(1, 0), (2, 1)]);
        assert_eq!(pair_crossings(&counted, &[(1.0, Out)], 1.0), []);
        assert_eq!(pair_crossings(&[], &[(1.0, Out)], 1.0), []);
    }

    #[test]
    fn as_many_as_possible_are_paired() {
        // The nearest pair alone would leave two that are too far from each other.
        let taps = [(1.7, In), (2.7, In)];
        assert_eq!(pair_crossings(&[(2.1, In), (1.0, In)], &taps, 1.5), [(0, 1), (1, 0)]);
    }

    /// Number of pairs and sum of distances of the best of all ways to pair, each tried.
    fn best(counted: &[f64], real: &[f64]) -> (usize, f64) {
        let Some((first, rest)) = counted.split_first() else { return (0, 0.0) };
        let better = |a: (usize, f64), b: (usize, f64)| if (b.0, -b.1) > (a.0, -a.1) { b } else { a };
        real.iter().enumerate().filter(|(_, time_s)| (*time_s - first).abs() <= 1.5).fold(
            best(rest, real),
            |so_far, (at, time_s)| {
                let (pairs, apart_s) = best(rest, &[&real[..at], &real[at + 1..]].concat());
                better(so_far, (pairs + 1, apart_s + (time_s - first).abs()))
            },
        )
    }

    #[test]
    fn no_way_to_pair_is_better() {
        let mut state = 1_u64;
        let mut times = |count: usize| {
            let next = |_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / (1 << 24) as f64 * 12.0
            };
            (0..count).map(next).collect::<Vec<_>>()
        };
        for count in (0..200).map(|at| at % 7) {
            let (ours, theirs) = (times(count), times((count + 3) % 7));
            let all = |times: &[f64]| times.iter().map(|time_s| (*time_s, In)).collect::<Vec<_>>();
            let pairs = pair_crossings(&all(&ours), &all(&theirs), 1.5);
            let apart_s: f64 = pairs.iter().map(|(own, other)| (ours[*own] - theirs[*other]).abs()).sum();
            let (most, least_s) = best(&ours, &theirs);
            assert!(pairs.len() == most && (apart_s - least_s).abs() < 1e-9, "{ours:?} {theirs:?} {pairs:?}");
        }
    }
}
