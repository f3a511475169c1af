//! Speeds on the ground, where a zone with four corners is a rectangle of known size.

use std::collections::{BTreeMap, VecDeque};

use super::Zone;
use crate::geometry::{Aspect, Point};
use crate::line::Anchor;
use crate::tracker::{TrackId, Tracker};

/// A speed is that of the last way up to the crossing, at least this long and at most; microseconds.
const LEAST_US: u64 = 300_000;
const MOST_US: u64 = 1_500_000;
/// Fewer places in that time tell no speed.
const LEAST_PLACES: usize = 3;

/// Maps the picture to the ground: a homography, good to within one more length of the rectangle on each side.
#[derive(Debug)]
struct GroundPlane {
    /// Rows of the matrix from fractions of the picture to fractions of the rectangle.
    rows: [[f64; 3]; 3],
    /// First and second side in metres.
    size: [f64; 2],
}

impl GroundPlane {
    /// `None` if the zone is no rectangle seen from above: it must have four corners and no dent.
    fn new(zone: &Zone) -> Option<GroundPlane> {
        let corners: Vec<[f64; 2]> =
            zone.area.corners().iter().map(|p| [f64::from(p.x), f64::from(p.y)]).collect();
        let ([p0, p1, p2, p3], size) = (<[[f64; 2]; 4]>::try_from(corners).ok()?, zone.ground?);
        let minus = |p: [f64; 2], q: [f64; 2]| [p[0] - q[0], p[1] - q[1]];
        let cross = |p: [f64; 2], q: [f64; 2]| p[0] * q[1] - p[1] * q[0];
        // From the unit square to the picture (Heckbert 1989, 2.2.3), and its inverse.
        let (one, two, sum) = (minus(p1, p2), minus(p3, p2), minus(minus(p0, p1), minus(p3, p2)));
        let (g, h) = (cross(sum, two) / cross(one, two), cross(one, sum) / cross(one, two));
        let is_seen = [g + 1.0, h + 1.0, g + h + 1.0].iter().all(|depth| *depth > 1e-6);
        let [a, d] = [0, 1].map(|at| p1[at] - p0[at] + g * p1[at]);
        let [b, e] = [0, 1].map(|at| p3[at] - p0[at] + h * p3[at]);
        let [c, f] = p0;
        let rows = [
            [e - f * h, c * h - b, b * f - c * e],
            [f * g - d, a - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ];
        let first: f64 = rows[2][0] * c + rows[2][1] * f + rows[2][2];
        is_seen.then(|| GroundPlane { rows: rows.map(|row| row.map(|part| part * first.signum())), size })
    }

    /// The place on the ground in metres from the first corner.
    fn place(&self, point: Point) -> Option<[f64; 2]> {
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        let [u, v, depth] = self.rows.map(|row| row[0] * x + row[1] * y + row[2]);
        let [u, v] = [u / depth, v / depth];
        // Beyond the horizon the depth is not positive.
        let is_near = |share: f64| (-1.0..=2.0).contains(&share);
        (depth > 0.0 && is_near(u) && is_near(v)).then_some([u * self.size[0], v * self.size[1]])
    }
}

/// The newest places of all tracks, if there is a rectangle.
#[derive(Debug, Default)]
pub(crate) struct GroundSpeeds {
    grounds: Vec<GroundPlane>,
    ways: BTreeMap<TrackId, VecDeque<(u64, Point)>>,
}

impl GroundSpeeds {
    /// Measures by these zones from now on.
    pub(crate) fn set_zones(&mut self, zones: &[Zone]) {
        self.grounds = zones.iter().filter_map(GroundPlane::new).collect();
    }

    /// Takes in the tracks of a frame.
    pub(crate) fn update(&mut self, tracker: &Tracker, aspect: Aspect, time_us: u64) {
        if self.grounds.is_empty() {
            return self.ways.clear();
        }
        let is_new = |at_us: u64| time_us.saturating_sub(at_us) <= MOST_US;
        self.ways.retain(|_, way| way.back().is_some_and(|(at_us, _)| is_new(*at_us)));
        let foot = Anchor::default();
        let seen = tracker.tracks().iter().filter(|track| track.is_matched());
        for track in seen.filter(|track| !track.cut_edges().hides_anchor(foot)) {
            let way = self.ways.entry(track.id()).or_default();
            way.push_back((time_us, foot.points(&track.bounds(aspect))[0]));
            while way.front().is_some_and(|(at_us, _)| !is_new(*at_us)) {
                way.pop_front();
            }
        }
    }

    /// The speed of a track in kilometres an hour, by the first rectangle that its way is near to; `None` if unknown.
    pub(crate) fn kmh(&self, track: TrackId) -> Option<f32> {
        let way = self.ways.get(&track)?;
        self.grounds.iter().find_map(|ground| {
            let place = |(time_us, point): &(u64, Point)| Some((*time_us, ground.place(*point)?));
            let places: Vec<(u64, [f64; 2])> = way.iter().filter_map(place).collect();
            let (first_us, last_us) = (places.first()?.0, places.last()?.0);
            (places.len() >= LEAST_PLACES && last_us - first_us >= LEAST_US).then(|| kmh(&places))
        })
    }
}

/// The speed of the straight way that is nearest to these places, by least squares.
fn kmh(places: &[(u64, [f64; 2])]) -> f32 {
    let count = places.len() as f64;
    let seconds = |time_us: u64| (time_us - places[0].0) as f64 / 1e6;
    let mean = places.iter().map(|(time_us, _)| seconds(*time_us)).sum::<f64>() / count;
    let spread: f64 = places.iter().map(|(time_us, _)| (seconds(*time_us) - mean).powi(2)).sum();
    let along = |at: usize| {
        let sum: f64 = places.iter().map(|(time_us, place)| (seconds(*time_us) - mean) * place[at]).sum();
        sum / spread
    };
    (along(0).hypot(along(1)) * 3.6) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Labels, LineId, Polygon, ZoneId,
    };

    /// The view of a camera 5 m above the street that looks 25° down; a place is metres to the right, and ahead.
    fn seen([x, ahead]: [f64; 2]) -> Point {
        let (sin, cos) = 25f64.to_radians().sin_cos();
        let (depth, down) = (ahead * cos + 5.0 * sin, 5.0 * cos - ahead * sin);
        Point::new((0.5 + 0.9 * x / depth) as f32, (0.5 + 1.6 * down / depth) as f32)
    }

    fn counter(corners: [[f64; 2]; 4], size: [f64; 2]) -> Counter {
        let mut counter =
            Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(1280, 720));
        let area = Polygon::new(corners.map(seen).to_vec()).expect("an area");
        counter.set_zones(vec![Zone { ground: Some(size), ..Zone::new(ZoneId(1), "ground", area) }]);
        let [a, b] = [seen([-4.0, 10.0]), seen([4.0, 10.0])];
        counter.set_lines(vec![CountingLine::new(LineId(1), "line", a, b).expect("a line")]).expect("set");
        counter
    }

    /// Somebody goes this way from `from`, in metres a second; the boxes tremble by ±0.2 % of the picture.
    fn go(counter: &mut Counter, from: [f64; 2], way: [f64; 2], fps: f64) -> Vec<Option<f32>> {
        let mut noise = 5u32;
        let mut tremble = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((noise >> 8) as f32 / (1u32 << 24) as f32 - 0.5) * 0.004
        };
        let frames = (0..).map(|frame| f64::from(frame) / fps).take_while(|time| *time < 12.0);
        let step = |time: f64| {
            let foot = seen([from[0] + way[0] * time, from[1] + way[1] * time]);
            let (x, y) = (foot.x + tremble(), foot.y + tremble());
            let bounds = Bounds::new(x - 0.03, y - 0.2, x + 0.03, y);
            let is_seen = x.abs() < 1.0 && (0.25..0.98).contains(&y);
            let found = is_seen.then_some(Detection { class: Class(0), score: 0.9, bounds });
            let found: Vec<Detection> = found.into_iter().collect();
            counter.update(&found, (time * 1e6) as u64).crossings
        };
        frames.flat_map(step).map(|crossing| crossing.kmh).collect()
    }

    #[test]
    fn the_speed_on_the_ground_is_right_within_5_per_cent_at_every_angle() {
        let street = [[-2.0, 7.0], [2.0, 7.0], [2.0, 13.0], [-2.0, 13.0]];
        for (from, way) in [
            ([0.0, 14.0], [0.0, -1.4]),
            ([0.0, 7.0], [0.0, 1.4]),
            ([-1.5, 15.0], [0.4, -2.0]),
            ([2.0, 6.5], [-0.8, 1.0]),
            ([0.0, 17.0], [0.0, -4.0]),
        ] {
            for fps in [5.0, 10.0, 25.0] {
                let told = go(&mut counter(street, [4.0, 6.0]), from, way, fps);
                let [Some(told)] = told[..] else { panic!("{way:?} {fps}: {told:?}") };
                let known = way[0].hypot(way[1]) * 3.6;
                assert!((f64::from(told) / known - 1.0).abs() < 0.05, "{way:?} {fps}: {told} {known}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_no_speed() {
        let way = |counter: &mut Counter| go(counter, [0.0, 14.0], [0.0, -1.4], 10.0);
        // Far from the rectangle, a corner that is dented, and no size.
        let far = [[-2.0, 30.0], [2.0, 30.0], [2.0, 36.0], [-2.0, 36.0]];
        assert_eq!(way(&mut counter(far, [4.0, 6.0])), [None]);
        let dented = [[-2.0, 7.0], [2.0, 7.0], [-1.5, 8.0], [-2.0, 13.0]];
        assert_eq!(way(&mut counter(dented, [4.0, 6.0])), [None]);
        let mut counter = counter(far, [4.0, 6.0]);
        let zone = counter.zones().next().expect("the zone").clone();
        counter.set_zones(vec![Zone { ground: None, ..zone }]);
        assert_eq!(way(&mut counter), [None]);
        // Too few places.
        let mut speeds = GroundSpeeds::default();
        assert_eq!(speeds.kmh(TrackId(1)), None);
        speeds.ways.insert(TrackId(1), VecDeque::from([(0, Point::new(0.5, 0.5)); 2]));
        assert_eq!(speeds.kmh(TrackId(1)), None);
    }
}
