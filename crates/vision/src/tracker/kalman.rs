//! The Kalman filter of one box: centre, aspect and height, as in SORT (Bewley et al. 2016), DeepSORT and ByteTrack
//! (Zhang et al. 2022), but in real time.
//!
//! Those filters step from frame to frame. Here frames are skipped while the machine is busy. A step therefore has a
//! length in seconds, velocities are per second, and the added uncertainty grows with the step. This is *white noise
//! acceleration* (Bar-Shalom, Li and Kirubarajan, "Estimation with Applications to Tracking and Navigation", 2001,
//! §6.2.2).
//!
//! The original filter's noise is independent between the four quantities. Its 8 × 8 matrices therefore fall apart
//! into four filters of two numbers each, which are computed here.

use super::super::geometry::{Bounds, Point};

/// Parameters of motion and of measurement errors. Lengths are in *sizes*: the mean of the box's width and height,
/// about 1.2 m for a person and 3 m for a car. This treats near and far alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Error of a sure box's centre, in sizes (standard deviation).
    pub measurement: f32,
    /// Correlation time of that error, in seconds: observations at shorter intervals carry proportionally less
    /// weight.
    pub same_error: f32,
    /// Speed at the first observation, in sizes per second (standard deviation).
    pub speed: f32,
    /// Change of speed in one second, in sizes per second (standard deviation).
    pub acceleration: f32,
    /// Relative change of height in one second (standard deviation).
    pub growth: f32,
    /// Additional change of speed in one second for each size per second of speed. The height's relative change grows
    /// by a quarter of it.
    pub quickness: f32,
}

/// Growth for each unit of [`Motion::quickness`].
const QUICK_GROWTH: f32 = 0.25;

impl Default for Motion {
    /// Small detectors put the centre of a box 0.06–0.07 sizes off (measured against the ground truth of PETS 2009,
    /// two models), and a little more for small objects. The error is correlated between frames, which a Kalman
    /// filter does not expect: half of it is still there 0.2–0.5 s later (measured there, too). People walk at about
    /// 1.2 sizes a second, cars in a town drive at 3 to 5; two standard deviations should hold them. People turn
    /// round within about a second: a change of 1 size/s in a second is common.
    fn default() -> Motion {
        Motion {
            measurement: 0.1,
            same_error: 0.4,
            speed: 2.5,
            acceleration: 1.0,
            growth: 0.2,
            quickness: 0.0,
        }
    }
}

impl Motion {
    /// Vehicles. An approaching vehicle doubles its size and its speed in the frame within half a second. With
    /// people's motion its box fell behind, and one car in eight on a road was lost (docs/accuracy.md). A parked
    /// vehicle stays put.
    pub(crate) fn vehicle() -> Motion {
        Motion { speed: 4.0, quickness: 1.5, ..Motion::default() }
    }
}

/// A quantity and its rate per second, with their covariance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    value: f32,
    rate: f32,
    /// Variance of the value, covariance of both, variance of the rate.
    variance: [f32; 3],
}

impl Axis {
    fn new(value: f32, value_variance: f32, rate_variance: f32) -> Axis {
        Axis { value, rate: 0.0, variance: [value_variance, 0.0, rate_variance] }
    }

    /// Predicts `seconds` ahead; the rate's variance grows by `noise` a second.
    fn predict(&mut self, seconds: f32, noise: f32) {
        let [value, both, rate] = self.variance;
        self.value += self.rate * seconds;
        self.variance = [
            value + seconds * (2.0 * both + seconds * (rate + noise * seconds / 3.0)),
            both + seconds * (rate + noise * seconds / 2.0),
            rate + noise * seconds,
        ];
    }

    fn correct(&mut self, measured: f32, measurement_variance: f32) {
        let [value, both, rate] = self.variance;
        let total = value + measurement_variance;
        let (gain, rate_gain, rest) = (value / total, both / total, measurement_variance / total);
        let surprise = measured - self.value;
        self.value += gain * surprise;
        self.rate += rate_gain * surprise;
        // 1 − gain, written so that it never rounds to 0.
        self.variance = [rest * value, rest * both, rate - rate_gain * both];
    }
}

/// The estimated state of a box with its uncertainty. All in heights of the frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kalman {
    x: Axis,
    y: Axis,
    /// Width over height: changes with gait and view, without a rate.
    aspect: Axis,
    height: Axis,
}

/// No real box is lower; keeps the arithmetic away from 0.
const LEAST_HEIGHT: f32 = 1e-4;
/// Shorter than any interval of frames, in seconds; keeps the arithmetic away from 0.
const LEAST_STEP: f32 = 1e-3;
/// Standard deviation of a box's width over height, and of its change in a second.
const ASPECT_MEASUREMENT: f32 = 0.1;
const ASPECT_CHANGE: f32 = 0.3;

impl Kalman {
    /// An object at its first observation.
    pub fn new(seen: &Bounds, motion: &Motion) -> Kalman {
        let size = mean_side(seen);
        let center = seen.center();
        let place = square(motion.measurement * size);
        let speed = square(motion.speed * size);
        let height = seen.height().max(LEAST_HEIGHT);
        Kalman {
            x: Axis::new(center.x, place, speed),
            y: Axis::new(center.y, place, speed),
            aspect: Axis::new(seen.width() / height, square(ASPECT_MEASUREMENT), 0.0),
            height: Axis::new(height, square(motion.measurement * height), square(motion.growth * height)),
        }
    }

    /// Predicts `seconds` ≥ 0 ahead. An unseen object (`seen` is false) keeps its size: a box that shrank while
    /// somebody went behind a wall would shrink on to nothing. Its uncertainty grows no faster than for people;
    /// otherwise a car that has left would be found again in the next one.
    pub(crate) fn predict(&mut self, seconds: f32, seen: bool, motion: &Motion) {
        let quickness = if seen { motion.quickness * self.speed() } else { 0.0 };
        let noise = square((motion.acceleration + quickness) * self.size());
        self.x.predict(seconds, noise);
        self.y.predict(seconds, noise);
        self.aspect.variance[0] += square(ASPECT_CHANGE) * seconds;
        if !seen {
            self.height.rate = 0.0;
        }
        let growth = motion.growth + QUICK_GROWTH * quickness;
        self.height.predict(seconds, square(growth * self.height.value));
        self.height.value = self.height.value.max(LEAST_HEIGHT);
    }

    /// Takes in a detection, `seconds` after the one before. `doubt` ≥ 1 is the factor by which its box is less
    /// certain than a sure one.
    pub(crate) fn correct(&mut self, seen: &Bounds, seconds: f32, doubt: f32, motion: &Motion) {
        // Each of n observations with the same error carries an n-th of the information: n times the variance.
        let repeats = (motion.same_error / seconds.max(LEAST_STEP)).max(1.0);
        let doubt = doubt * repeats.sqrt();
        let center = seen.center();
        let height = seen.height().max(LEAST_HEIGHT);
        let place = square(doubt * motion.measurement * mean_side(seen));
        self.x.correct(center.x, place);
        self.y.correct(center.y, place);
        self.aspect.correct(seen.width() / height, square(doubt * ASPECT_MEASUREMENT));
        self.height.correct(height, square(doubt * motion.measurement * height));
        self.height.value = self.height.value.max(LEAST_HEIGHT);
        self.aspect.value = self.aspect.value.max(0.01);
    }

    /// The estimated bounds.
    pub fn bounds(&self) -> Bounds {
        let center = Point::new(self.x.value, self.y.value);
        Bounds::centered_at(center, self.aspect.value * self.height.value, self.height.value)
    }

    /// The mean of width and height.
    pub fn size(&self) -> f32 {
        (1.0 + self.aspect.value) * self.height.value / 2.0
    }

    /// Velocity of the centre, in heights a second.
    pub fn velocity(&self) -> Point {
        Point::new(self.x.rate, self.y.rate)
    }

    /// Speed of the centre, in sizes a second.
    pub fn speed(&self) -> f32 {
        let Point { x, y } = self.velocity();
        (x * x + y * y).sqrt() / self.size()
    }

    /// Squared Mahalanobis distance of a seen box's centre from the `expected` one. `slack` is the additional
    /// uncertainty of the box (a standard deviation, in heights).
    pub(crate) fn mahalanobis_squared(&self, expected: &Bounds, seen: &Bounds, slack: f32) -> f32 {
        let (center, expected) = (seen.center(), expected.center());
        let part = |axis: &Axis, off: f32| square(off) / (axis.variance[0] + square(slack));
        part(&self.x, center.x - expected.x) + part(&self.y, center.y - expected.y)
    }

    /// Largest horizontal and vertical distance of a box's centre at which [`Kalman::mahalanobis_squared`] stays
    /// below `most`.
    pub(crate) fn gate_size(&self, most: f32, slack: f32) -> Point {
        let part = |axis: &Axis| (most * (axis.variance[0] + square(slack))).sqrt();
        Point::new(part(&self.x), part(&self.y))
    }
}

/// The mean of width and height of a box.
pub fn mean_side(b: &Bounds) -> f32 {
    ((b.width() + b.height()) / 2.0).max(LEAST_HEIGHT)
}

fn square(v: f32) -> f32 {
    v * v
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walker(x: f32) -> Bounds {
        Bounds::centered_at(Point::new(x, 0.5), 0.08, 0.2)
    }

    /// Observed every `step` seconds on a straight path at 0.1 heights a second.
    fn followed(step: f32, times: usize) -> Kalman {
        let motion = Motion::default();
        let mut kalman = Kalman::new(&walker(0.0), &motion);
        for n in 1..=times {
            kalman.predict(step, true, &motion);
            kalman.correct(&walker(0.1 * step * n as f32), step, 1.0, &motion);
        }
        kalman
    }

    #[test]
    fn a_steady_walk_is_learnt_at_any_pace() {
        for (step, times) in [(0.033, 90), (0.1, 30), (0.3, 10)] {
            let kalman = followed(step, times);
            assert!((kalman.velocity().x - 0.1).abs() < 0.005, "{step}: {:?}", kalman.velocity());
            assert!(kalman.velocity().y.abs() < 1e-4);
            let b = kalman.bounds();
            assert!((b.height() - 0.2).abs() < 1e-3 && (b.width() - 0.08).abs() < 1e-3);
        }
    }

    #[test]
    fn one_long_step_is_as_uncertain_as_many_short_ones() {
        let motion = Motion::default();
        let (mut once, mut often) = (followed(0.1, 20), followed(0.1, 20));
        once.predict(1.0, true, &motion);
        for _ in 0..100 {
            often.predict(0.01, true, &motion);
        }
        assert!((once.x.value - often.x.value).abs() < 1e-4);
        for (a, b) in once.x.variance.iter().zip(often.x.variance) {
            assert!((a - b).abs() < 0.01 * a, "{a} is not {b}");
        }
    }

    #[test]
    fn uncertainty_grows_with_time() {
        let motion = Motion::default();
        let mut kalman = followed(0.1, 20);
        let beside = walker(0.4);
        let at_once = kalman.mahalanobis_squared(&kalman.bounds(), &beside, 0.01);
        kalman.predict(2.0, false, &motion);
        assert!(kalman.mahalanobis_squared(&kalman.bounds(), &beside, 0.01) < at_once / 10.0);
    }

    #[test]
    fn a_box_out_of_sight_keeps_its_size() {
        let motion = Motion::default();
        let mut kalman = Kalman::new(&walker(0.0), &motion);
        for n in 1..20 {
            kalman.predict(0.1, true, &motion);
            kalman.correct(
                &Bounds::centered_at(Point::new(0.0, 0.5), 0.08, 0.2 - 0.005 * n as f32),
                0.1,
                1.0,
                &motion,
            );
        }
        let height = kalman.bounds().height();
        kalman.predict(10.0, false, &motion);
        assert!((kalman.bounds().height() - height).abs() < 1e-4);
    }

    #[test]
    fn tiny_and_odd_boxes_keep_it_finite() {
        let motion = Motion::default();
        let dot = Bounds::new(0.5, 0.5, 0.5 + 1e-7, 0.5 + 1e-7);
        let mut kalman = Kalman::new(&dot, &motion);
        for _ in 0..100 {
            kalman.predict(1e6, false, &motion);
            kalman.correct(&dot, 1e6, 1.0, &motion);
        }
        assert!(
            kalman.bounds().is_finite()
                && kalman.mahalanobis_squared(&kalman.bounds(), &dot, 0.0).is_finite()
        );
    }
}
