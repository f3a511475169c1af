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
/// Takes time and bytes in proportion to the product of both lengths.
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

/// Pairs sorted times. Pairs that cross each other are never better, so the best of all beginnings suffices.
fn pair_sorted(ours: &[f64], theirs: &[f64], tolerance_s: f64) -> Vec<(usize, usize)> {
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
}
