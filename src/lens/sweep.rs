//! The focus sweep: where a lens is sharpest, found by looking at a few of its places, coarse and then fine.
//!
//! 1. *Coarse*: 13 places, evenly over all there are, so that no place is farther than half a gap from one of them.
//! 2. *Middle*: a third of the coarse gap about the best of them, and about a second hill that promises almost as much.
//! 3. *Fine*: half of that, then half again, about the best so far, down to its neighbours.
//! 4. What is left of the 25 looks goes to neighbours that were not looked at.
//!
//! The answer is the best place that was looked at; where neighbouring looks contradict each other by more than a
//! smooth hill allows, it is the top of the parabola through those near the best (least squares), which the noise of a
//! single look moves little. A figure that hardly changes from one end to the other is no answer at all.
//!
//! Pure: the owner of the lens asks [`Sweep::next_place`] where to go, and says what was seen there.

/// At most so many places are looked at.
pub const MOST_STEPS: u32 = 25;

/// Places of the first look.
const COARSE: usize = 13;

/// Finer than so many places a lens is not searched: those between are as sharp.
const MOST_PLACES: usize = 200;

/// A second hill is looked at, too, where it may reach this share of the first.
const SECOND_HILL: f64 = 0.6;

/// The sharpest place must be so much better than the worst.
const CONTRAST: f64 = 1.1;

/// Looks above this share of the hill are near its top.
const TOP: f64 = 0.7;

/// A search that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    places: Vec<i64>,
    /// What was seen, by the index of the place; in no order.
    seen: Vec<(usize, f64)>,
    /// Places still to look at in this stage.
    ahead: Vec<usize>,
    stage: SweepStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SweepStage {
    Coarse,
    Middle,
    /// So many places to either side of the best.
    Fine(usize),
    Over,
}

/// What came of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SweepResult {
    /// The sharpest place.
    At(i64),
    /// No place is sharper than another: the lens does nothing, or there is nothing to see.
    NothingToSee,
}

impl Sweep {
    /// A search over the places from `first` to `last`, `step` apart (at least 1).
    pub fn new(first: i64, last: i64, step: i64) -> Sweep {
        let step = step.max(1);
        let count = usize::try_from((last - first).max(0) / step + 1).unwrap_or(usize::MAX);
        let places = match count {
            0..=MOST_PLACES => (0..count as i64).map(|n| first + n * step).collect(),
            // The middles of as many parts.
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

    /// The place to look at next; `None`: it is over.
    pub fn next_place(&mut self) -> Option<i64> {
        while self.ahead.is_empty() && self.stage != SweepStage::Over {
            self.next_stage();
        }
        self.ahead.last().map(|&at| self.places[at])
    }

    /// How sharp it was at the place that [`Sweep::next_place`] named. What is no number is as unsharp as can be.
    pub fn record_sharpness(&mut self, sharpness: f64) {
        if let Some(at) = self.ahead.pop() {
            self.seen.push((at, if sharpness.is_finite() { sharpness.max(0.0) } else { 0.0 }));
        }
    }

    /// How many places were looked at.
    pub fn places_done(&self) -> u32 {
        self.seen.len() as u32
    }

    /// How many it may become.
    pub fn places_total(&self) -> u32 {
        MOST_STEPS.min(self.places.len() as u32)
    }

    /// The sharpest place, as far as is known.
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

    /// What was seen around `at` without a break that is at least `level`, by its place.
    fn run_above(&self, at: usize, level: f64) -> Vec<(usize, f64)> {
        let mut seen = self.seen.clone();
        seen.sort_by_key(|(n, _)| *n);
        let Some(middle) = seen.iter().position(|(n, _)| *n == at) else { return Vec::new() };
        let is_high = |(_, value): &&(usize, f64)| *value >= level;
        let left = seen[..middle].iter().rev().take_while(is_high).count();
        let right = seen[middle..].iter().take_while(is_high).count();
        seen[middle - left..middle + right].to_vec()
    }

    /// What comes after a stage.
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

    /// Looks ahead at `count` places to either side of `at`, `gap` apart, those that were not looked at yet, as far as
    /// there are looks left.
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
        // Taken from the end.
        self.ahead.reverse();
    }

    /// The place of a second hill of the coarse looks, away from the `best`, that may be as high.
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

/// Whether these looks, in the order of their places, rise to one top and fall from it.
fn is_unimodal(near: &[(usize, f64)]) -> bool {
    let falls = near.windows(2).position(|two| two[1].1 < two[0].1).unwrap_or(near.len());
    near.windows(2).skip(falls).all(|two| two[1].1 <= two[0].1)
}

/// The place, among these of at least five, at which the parabola with the least squares of what they are off is
/// highest; `None` where it has no top.
fn parabola_peak(near: &[(usize, f64)]) -> Option<usize> {
    let (Some(first), Some(last)) = (near.first(), near.last()) else { return None };
    if near.len() < 5 {
        return None;
    }
    // About the middle and in units of the reach, so that the sums are well-behaved.
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
