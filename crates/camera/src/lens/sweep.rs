//! The focus sweep: finds the sharpest lens position by measuring a few positions, first coarsely and then finely.
//!
//! The coarse stage measures 13 positions, evenly over the range: no position is farther than half a gap from one of
//! them. The middle stage measures at a third of that gap around the best one, and around a second hill that promises
//! almost as much. The fine stage halves the gap, then halves it again, around the best so far, down to its
//! neighbours. The rest of the 25 measurements goes to neighbours that were not measured.
//!
//! The result is the best measured position. If neighbours contradict each other more than a smooth hill allows, it
//! is the top of a least-squares parabola through those near the best. Noise in one measurement moves that top
//! little. If the figure hardly changes over the range, there is no result.
//!
//! Pure: the owner of the lens asks [`Sweep::next_place`] for the next position and reports the sharpness there.

/// Maximum number of measured positions.
pub(crate) const MOST_STEPS: u32 = 25;

const COARSE: usize = 13;

/// Maximum number of candidate positions. Positions between them are as sharp.
const MOST_PLACES: usize = 200;

/// A second hill is searched if it may reach this share of the first.
const SECOND_HILL: f64 = 0.6;

/// Minimum ratio of the best figure to the worst.
const CONTRAST: f64 = 1.1;

/// Measurements above this share of the hill are near its top.
const TOP: f64 = 0.7;

/// A search in progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    places: Vec<i64>,
    /// Index of a position and its sharpness, in any order.
    seen: Vec<(usize, f64)>,
    /// Positions still to measure in this stage.
    ahead: Vec<usize>,
    stage: SweepStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SweepStage {
    Coarse,
    Middle,
    /// Number of positions on either side of the best.
    Fine(usize),
    Over,
}

/// Result of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SweepResult {
    /// The sharpest position.
    At(i64),
    /// No position is sharper than another: the lens does nothing, or the scene has no detail.
    NothingToSee,
}

impl Sweep {
    /// A search over the positions from `first` to `last`, `step` apart (at least 1).
    pub fn new(first: i64, last: i64, step: i64) -> Sweep {
        let step = step.max(1);
        let count = usize::try_from((last - first).max(0) / step + 1).unwrap_or(usize::MAX);
        let places = match count {
            0..=MOST_PLACES => (0..count as i64).map(|n| first + n * step).collect(),
            // The middles of [`MOST_PLACES`] equal parts.
            _ => (0..MOST_PLACES as i64)
                .map(|n| first + ((2 * n + 1) * (count as i64 - 1) / (2 * MOST_PLACES as i64)) * step)
                .collect(),
        };
        let mut sweep = Sweep { places, seen: Vec::new(), ahead: Vec::new(), stage: SweepStage::Coarse };
        let len = sweep.places.len();
        sweep.ahead = match len {
            0..=25 => (0..len).rev().collect(),
            _ => (0..COARSE).rev().map(|n| (2 * n + 1) * len / (2 * COARSE)).collect(),
        };
        sweep
    }

    /// The next position to measure; `None` when the search is over.
    pub fn next_place(&mut self) -> Option<i64> {
        while self.ahead.is_empty() && self.stage != SweepStage::Over {
            self.next_stage();
        }
        self.ahead.last().map(|&at| self.places[at])
    }

    /// Records the sharpness at the position that [`Sweep::next_place`] returned. A value that is not finite counts
    /// as 0.
    pub fn record_sharpness(&mut self, sharpness: f64) {
        if let Some(at) = self.ahead.pop() {
            self.seen.push((at, if sharpness.is_finite() { sharpness.max(0.0) } else { 0.0 }));
        }
    }

    /// Number of measured positions.
    pub fn places_done(&self) -> u32 {
        self.seen.len() as u32
    }

    /// Maximum number of positions that this search measures.
    pub fn places_total(&self) -> u32 {
        MOST_STEPS.min(self.places.len() as u32)
    }

    /// The sharpest position so far.
    pub fn result(&self) -> SweepResult {
        let Some((at, most)) = self.best() else { return SweepResult::NothingToSee };
        let least = self.least_sharpness();
        if most <= 0.0 || most < CONTRAST * least {
            return SweepResult::NothingToSee;
        }
        let near = self.run_above(at, least + TOP * (most - least));
        let smoothed = if is_unimodal(&near) { None } else { parabola_peak(&near) };
        SweepResult::At(self.places[smoothed.unwrap_or(at)])
    }

    fn best(&self) -> Option<(usize, f64)> {
        self.seen.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn least_sharpness(&self) -> f64 {
        self.seen.iter().map(|(_, value)| *value).fold(f64::MAX, f64::min)
    }

    /// The measurements around `at` that are at least `level` without a break, in order of position.
    fn run_above(&self, at: usize, level: f64) -> Vec<(usize, f64)> {
        let mut seen = self.seen.clone();
        seen.sort_by_key(|(n, _)| *n);
        let Some(middle) = seen.iter().position(|(n, _)| *n == at) else { return Vec::new() };
        let is_high = |(_, value): &&(usize, f64)| *value >= level;
        let left = seen[..middle].iter().rev().take_while(is_high).count();
        let right = seen[middle..].iter().take_while(is_high).count();
        seen[middle - left..middle + right].to_vec()
    }

    fn next_stage(&mut self) {
        let Some((best, _)) = self.best() else {
            self.stage = SweepStage::Over;
            return;
        };
        let coarse = (self.places.len() / COARSE).max(1);
        let third = (coarse / 3).max(1);
        self.stage = match self.stage {
            SweepStage::Coarse => {
                self.plan_around(best, third, 2);
                if let Some(second) = self.find_second_peak(best, coarse) {
                    self.plan_around(second, third, 2);
                }
                SweepStage::Middle
            }
            SweepStage::Middle => {
                self.plan_around(best, (third / 2).max(1), 1);
                SweepStage::Fine((third / 4).max(1))
            }
            SweepStage::Fine(gap) => {
                self.plan_around(best, gap, 1);
                match (self.ahead.is_empty(), gap) {
                    (true, 1) => SweepStage::Over,
                    (true, gap) => SweepStage::Fine(gap / 2),
                    (false, gap) => SweepStage::Fine((gap / 2).max(1)),
                }
            }
            SweepStage::Over => SweepStage::Over,
        };
    }

    /// Plans `count` positions on either side of `at`, `gap` apart. Skips measured ones and stops at the maximum
    /// number.
    fn plan_around(&mut self, at: usize, gap: usize, count: usize) {
        for n in 1..=count {
            for place in [at.checked_sub(n * gap), Some(at + n * gap)].into_iter().flatten() {
                let is_known = self.seen.iter().any(|(n, _)| *n == place) || self.ahead.contains(&place);
                let left =
                    MOST_STEPS as usize - (self.seen.len() + self.ahead.len()).min(MOST_STEPS as usize);
                if place < self.places.len() && !is_known && left > 0 {
                    self.ahead.push(place);
                }
            }
        }
        // [`Sweep::next_place`] takes from the end.
        self.ahead.reverse();
    }

    /// The position of a second hill of the coarse stage, away from `best`, that may be as high.
    fn find_second_peak(&self, best: usize, coarse: usize) -> Option<usize> {
        let mut seen = self.seen.clone();
        seen.sort_by_key(|(n, _)| *n);
        let (most, least) = (self.best()?.1, self.least_sharpness());
        let value = |n: Option<usize>| n.and_then(|n| seen.get(n)).map_or(least, |(_, value)| *value);
        let hills = seen.iter().enumerate().filter(|(n, (at, here))| {
            let is_top = *here >= value(n.checked_sub(1)) && *here >= value(Some(n + 1));
            is_top && at.abs_diff(best) > coarse + coarse / 2
        });
        let second = hills.max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
        (second.1.1 - least >= SECOND_HILL * (most - least)).then_some(second.1.0)
    }
}

/// True if these measurements, in order of position, rise to one top and fall from it.
fn is_unimodal(near: &[(usize, f64)]) -> bool {
    let falls = near.windows(2).position(|two| two[1].1 < two[0].1).unwrap_or(near.len());
    near.windows(2).skip(falls).all(|two| two[1].1 <= two[0].1)
}

/// Position of the top of the least-squares parabola through at least five measurements, among their positions.
/// `None` if it has no top.
fn parabola_peak(near: &[(usize, f64)]) -> Option<usize> {
    let (Some(first), Some(last)) = (near.first(), near.last()) else { return None };
    if near.len() < 5 {
        return None;
    }
    // Centred and scaled, so that the sums are well-behaved.
    let (middle, reach) = ((first.0 + last.0) as f64 / 2.0, (last.0 - first.0) as f64 / 2.0);
    let points: Vec<(f64, f64)> = near.iter().map(|(n, y)| ((*n as f64 - middle) / reach, *y)).collect();
    let sum = |power: i32| points.iter().map(|(x, _)| x.powi(power)).sum::<f64>();
    let with = |power: i32| points.iter().map(|(x, y)| x.powi(power) * y).sum::<f64>();
    let (s0, s1, s2, s3, s4) = (sum(0), sum(1), sum(2), sum(3), sum(4));
    let (t0, t1, t2) = (with(0), with(1), with(2));
    // Cramer's rule on the normal equations of y = a x² + b x + c.
    let det = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = det([[s0, s1, s2], [s1, s2, s3], [s2, s3, s4]]);
    let b = det([[s0, t0, s2], [s1, t1, s3], [s2, t2, s4]]) / whole;
    let a = det([[s0, s1, t0], [s1, s2, t1], [s2, s3, t2]]) / whole;
    let top = middle - b / (2.0 * a) * reach;
    (a < 0.0 && top.is_finite()).then(|| top.round().clamp(first.0 as f64, last.0 as f64) as usize)
}

#[cfg(test)]
mod tests;
