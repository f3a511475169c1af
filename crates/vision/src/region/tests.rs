#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use super::plan::RegionShape;
use super::*;
use crate::{
    Aspect, Class, CounterOptions, CountingLine, Direction, Labels, LineId, Point, Polygon, Zone, ZoneId,
};
use tallycam_base::ClockTime;

const HD: (u32, u32) = (1280, 720);

/// A detector that finds nothing and accepts some shapes.
struct Network {
    labels: Labels,
    takes_any: bool,
    waits: bool,
    shape: Option<RegionShape>,
}

impl Detector for Network {
    fn name(&self) -> &str {
        "network"
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn least_size(&self, _: u32, _: u32) -> (u32, u32) {
        (300, 300)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, _: &SmallImage, found: &mut Vec<Detection>) -> Result<(), tallycam_base::Fault> {
        found.clear();
        Ok(())
    }

    fn waits_for_motion(&self) -> bool {
        self.waits
    }

    fn set_region(&mut self, _: RegionMode, shape: RegionShape, _: (u32, u32)) -> bool {
        self.shape = Some(shape);
        self.takes_any || matches!(shape, RegionShape::Picture | RegionShape::Square)
    }
}

fn network(takes_any: bool, waits: bool) -> Network {
    Network { labels: Labels::new(["person"]), takes_any, waits, shape: None }
}

fn counter(size: (u32, u32), lines: &[[f32; 4]]) -> Counter {
    let mut counter =
        Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(size.0, size.1));
    set_lines(&mut counter, size, lines);
    counter
}

fn set_lines(counter: &mut Counter, size: (u32, u32), lines: &[[f32; 4]]) {
    let at = |x: f32, y: f32| Point::new(x / size.0 as f32, y / size.1 as f32);
    let line = |(id, [ax, ay, bx, by]): (usize, &[f32; 4])| {
        CountingLine::new(LineId(id as u64), id.to_string(), at(*ax, *ay), at(*bx, *by)).unwrap()
    };
    counter.set_lines(lines.iter().enumerate().map(line).collect()).unwrap();
}

/// A grey scene with a dark area (in pixels of 160 × 90).
fn scene(tenth: u64, dark: Option<[usize; 4]>) -> SmallImage {
    let (width, height) = (160, 90);
    let mut y = vec![120_u8; width * height];
    if let Some([left, top, right, bottom]) = dark {
        (top..bottom).for_each(|row| y[row * width + left..row * width + right].fill(40));
    }
    let stamp = ClockTime { monotonic_us: tenth * 100_000, wall_us: 0, wall_trusted: false };
    SmallImage { width, height, y, of: HD, stamp, ..SmallImage::empty() }
}

/// A schedule with its detector and counter.
struct Asked {
    schedule: RegionSchedule,
    network: Network,
    counter: Counter,
    tenth: u64,
}

impl Asked {
    fn new(network: Network, lines: &[[f32; 4]]) -> Asked {
        let counter = counter(HD, lines);
        let schedule = RegionSchedule::new(RegionMode::Line);
        Asked { schedule, network, counter, tenth: 0 }
    }

    /// The region of the next frame, a tenth of a second later, in pixels.
    fn next(&mut self, dark: Option<[usize; 4]>) -> Option<[i32; 4]> {
        self.tenth += 1;
        let image = scene(self.tenth, dark);
        let Asked { schedule, network, counter, tenth } = self;
        let next = schedule.next(HD, *tenth * 100_000, network, counter, |_| Ok::<_, Infallible>(&image));
        let Ok(next) = next;
        next.map(|b| {
            [b.left * 1280.0, b.top * 720.0, b.right * 1280.0, b.bottom * 720.0].map(|v| v.round() as i32)
        })
    }
}

const PICTURE: [i32; 4] = [0, 0, 1280, 720];
const CORNERS: [[f32; 4]; 2] = [[10.0, 10.0, 10.0, 100.0], [1270.0, 620.0, 1270.0, 710.0]];
const REGIONS: [[i32; 4]; 2] = [[0, 0, 360, 360], [920, 360, 1280, 720]];

#[test]
fn regions_take_turns_and_one_frame_of_twenty_is_detected_whole() {
    let mut asked = Asked::new(network(true, false), &CORNERS);
    let detections: Vec<[i32; 4]> = (0..240).map(|_| asked.next(None).unwrap()).collect();
    let of = |part: [i32; 4]| detections.iter().filter(|one| **one == part).count();
    assert_eq!((of(PICTURE), of(REGIONS[0]), of(REGIONS[1])), (12, 114, 114));
}

#[test]
fn somebody_outside_the_region_is_shown_at_every_rate() {
    for step_us in [33_333, 100_000, 200_000, 300_000] {
        let mut asked = Asked::new(network(true, false), &CORNERS[..1]);
        let mut whole = 0;
        let mut shown = Vec::new();
        let pictures = 60_000_000 / step_us;
        for n in 0..pictures {
            let image = scene(0, None);
            let Asked { schedule, network, counter, .. } = &mut asked;
            let Ok(next) = schedule.next(HD, n * step_us, network, counter, |_| Ok::<_, Infallible>(&image));
            let region = next.unwrap();
            whole += u64::from(region == Bounds::PICTURE);
            // Walks along the lower edge, far from the line.
            let x = 0.4 + 0.5 * n as f32 / pictures as f32;
            let person =
                Detection { class: Class(0), score: 0.9, bounds: Bounds::new(x, 0.7, x + 0.05, 0.95) };
            let found: &[Detection] = if region == Bounds::PICTURE { &[person] } else { &[] };
            let outcome = counter.update_region(found, n * step_us, &region);
            shown.push(!outcome.overlay.tracks.is_empty());
        }
        let times = shown.windows(2).filter(|pair| pair[1] && !pair[0]).count();
        assert!(times >= 2, "shown {times} times in a minute, a picture every {step_us} µs");
        assert!(whole <= pictures.div_ceil(20) + 9, "{whole} of {pictures} detections");
    }
}

/// A frame with a known person.
struct Known(SmallImage);

impl ReadPicture for Known {
    type Error = Infallible;

    fn size(&self) -> (u32, u32) {
        HD
    }

    fn time_us(&self) -> u64 {
        self.0.stamp.monotonic_us
    }

    fn read(&mut self, _: &Bounds, _: (u32, u32)) -> Result<&SmallImage, Infallible> {
        Ok(&self.0)
    }
}

#[test]
fn people_larger_than_the_region_make_it_larger() {
    // A door of 200 pixels, people of 140 × 420, and a network that recognizes two thirds of a person or more.
    let mut asked = Asked::new(network(true, false), &[[640.0, 600.0, 640.0, 400.0]]);
    for tenth in 0..900_u64 {
        let x = 200.0 + 10.0 * (tenth % 90) as f32;
        let b = Bounds::new((x - 70.0) / 1280.0, 140.0 / 720.0, (x + 70.0) / 1280.0, 560.0 / 720.0);
        let Asked { schedule, network, counter, .. } = &mut asked;
        let mut picture = Known(scene(tenth, None));
        let Ok(_) = schedule.detect(&mut picture, network, counter, |_, _, part, found| {
            found.clear();
            let (left, top) = (b.left.max(part.left), b.top.max(part.top));
            let (right, bottom) = (b.right.min(part.right), b.bottom.min(part.bottom));
            if (right - left).max(0.0) * (bottom - top).max(0.0) > b.area() * 2.0 / 3.0 {
                let across = |x: f32| (x - part.left) / part.width();
                let down = |y: f32| (y - part.top) / part.height();
                let bounds = Bounds::new(across(left), down(top), across(right), down(bottom));
                found.push(Detection { class: Class(0), score: 0.9, bounds });
            }
            Ok(())
        });
    }
    let (width, height) = pixels(&asked.schedule.plan.regions[0], HD);
    assert!((500..=660).contains(&width) && width.abs_diff(height) <= 2, "{width} × {height}");
}

#[test]
fn a_detector_without_regions_gets_the_whole_frame() {
    struct Whole(Network);
    impl Detector for Whole {
        fn name(&self) -> &str {
            self.0.name()
        }
        fn labels(&self) -> &Labels {
            self.0.labels()
        }
        fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
            self.0.least_size(width, height)
        }
        fn options(&self) -> CounterOptions {
            self.0.options()
        }
        fn detect(
            &mut self,
            image: &SmallImage,
            found: &mut Vec<Detection>,
        ) -> Result<(), tallycam_base::Fault> {
            self.0.detect(image, found)
        }
    }
    let (mut whole, counter, image) = (Whole(network(true, false)), counter(HD, &CORNERS), scene(0, None));
    let mut schedule = RegionSchedule::new(RegionMode::Line);
    for n in 0..100 {
        let Ok(next) = schedule.next(HD, n * 100_000, &mut whole, &counter, |_| Ok::<_, Infallible>(&image));
        assert_eq!(next, Some(Bounds::PICTURE));
    }
}

#[test]
fn without_motion_each_region_is_detected_once_in_ten_seconds() {
    let mut asked = Asked::new(network(true, true), &CORNERS);
    (0..40).for_each(|_| {
        asked.next(None);
    });
    let detections: Vec<[i32; 4]> = (0..200).filter_map(|_| asked.next(None)).collect();
    assert!((4..=6).contains(&detections.len()), "{detections:?}");
    assert!(REGIONS.iter().all(|region| detections.contains(region)), "{detections:?}");
}

#[test]
fn the_first_frame_with_motion_is_detected_where_it_moves() {
    let mut asked = Asked::new(network(true, true), &CORNERS);
    (0..41).for_each(|_| {
        asked.next(None);
    });
    assert_eq!(asked.next(None), None);
    assert_eq!(asked.next(Some([10, 20, 14, 30])), Some(REGIONS[0]));
    assert_eq!(asked.next(None), None);
    assert_eq!(asked.next(Some([76, 40, 84, 50])), None, "between both");
    assert_eq!(asked.next(Some([150, 70, 154, 80])), Some(REGIONS[1]));
}

#[test]
fn constant_motion_at_one_line_does_not_starve_the_other() {
    let mut asked = Asked::new(network(true, true), &CORNERS);
    let flicker = |n: u64| (n as usize * 13) % 36;
    let flicker = |n: u64| Some([flicker(n), 5, flicker(n) + 6, 20]);
    let detections: Vec<Option<[i32; 4]>> = (0..300).map(|n| asked.next(flicker(n))).collect();
    let other = detections[100..].iter().flatten().filter(|one| **one == REGIONS[1]).count();
    assert!((1..=3).contains(&other), "{other} detections where nothing moves");
    // Somebody enters there: both regions have their turns.
    let mut both = asked;
    let person = Detection { class: Class(0), score: 0.9, bounds: Bounds::new(0.9, 0.8, 0.93, 0.95) };
    let region = Bounds::new(920.0 / 1280.0, 0.5, 1.0, 1.0);
    both.counter.update_region(&[person], both.tenth * 100_000, &region);
    let detections: Vec<[i32; 4]> = (0..3).filter_map(|n| both.next(flicker(n))).collect();
    assert!(detections.contains(&REGIONS[1]) && detections.contains(&REGIONS[0]), "{detections:?}");
}

#[test]
fn a_region_with_a_track_is_detected_until_the_track_ends() {
    let mut asked = Asked::new(network(true, true), &CORNERS[..1]);
    (0..40).for_each(|_| {
        asked.next(None);
    });
    let person = Detection { class: Class(0), score: 0.9, bounds: Bounds::new(0.1, 0.2, 0.13, 0.35) };
    let mut detections = 0;
    for n in 0..100 {
        match asked.next(None) {
            Some(region) => {
                let part = Bounds::new(0.0, 0.0, region[2] as f32 / 1280.0, region[3] as f32 / 720.0);
                // He stands for five seconds, which is no motion.
                let found: &[Detection] = if (1..50).contains(&n) { &[person] } else { &[] };
                asked.counter.update_region(found, asked.tenth * 100_000, &part);
                detections += 1;
            }
            None => {
                asked.counter.update_region(&[], asked.tenth * 100_000, &NOWHERE);
                if n == 0 {
                    // As if a detection had found him.
                    asked.counter.update(&[person], asked.tenth * 100_000);
                }
            }
        }
    }
    assert!(
        (75..=88).contains(&detections),
        "{detections} detections for five seconds and three of patience"
    );
}

#[test]
fn a_cheap_detector_runs_on_every_frame() {
    let mut asked = Asked::new(network(true, false), &CORNERS[..1]);
    assert!((0..100).all(|_| asked.next(None).is_some()));
}

#[test]
fn other_lines_other_sizes_and_other_networks_have_other_regions() {
    let mut asked = Asked::new(network(true, false), &[[100.0, 400.0, 1200.0, 400.0]]);
    assert_eq!(asked.next(None), Some([100, 134, 1200, 666]));
    assert_eq!(asked.network.shape, Some(RegionShape::Wide));
    set_lines(&mut asked.counter, HD, &CORNERS[..1]);
    asked.schedule.replan();
    assert_eq!(asked.next(None), Some(REGIONS[0]));
    assert_eq!(asked.network.shape, Some(RegionShape::Square));
    // After a rotation the same fractions are elsewhere.
    let turned = (720, 1280);
    let image = scene(0, None);
    let Asked { schedule, network: own, counter, .. } = &mut asked;
    let Ok(next) = schedule.next(turned, 0, own, counter, |_| Ok::<_, Infallible>(&image));
    assert_eq!(next.map(|region| pixels(&region, turned)), Some((360, 360)));

    let mut fixed = Asked::new(network(false, false), &[[100.0, 400.0, 1200.0, 400.0]]);
    assert_eq!(fixed.next(None), Some(PICTURE));
    assert_eq!(fixed.network.shape, Some(RegionShape::Picture));
}

#[test]
fn regions_hold_zones_and_no_lines_mean_the_whole_frame() {
    let mut asked = Asked::new(network(true, false), &[]);
    assert_eq!(asked.next(None), Some(PICTURE));
    let corners = [(0.0, 0.0), (0.2, 0.0), (0.2, 0.3)].map(|(x, y)| Point::new(x, y));
    let area = Polygon::new(corners.to_vec()).unwrap();
    asked.counter.set_zones(vec![Zone::new(ZoneId(1), "corner", area)]);
    asked.schedule.replan();
    assert_eq!(asked.next(None), Some([0, 0, 360, 360]));
    let mut whole = RegionSchedule::new(RegionMode::Picture);
    let image = scene(0, None);
    let Ok(next) = whole.next(HD, 0, &mut asked.network, &asked.counter, |_| Ok::<_, Infallible>(&image));
    assert_eq!(next, Some(Bounds::PICTURE));
}

#[test]
fn a_lines_classes_decide_the_region() {
    let labels = || Labels::new(["person", "car", "truck"]);
    let line = |id: u64, classes: &[u16]| {
        let (a, b) = (Point::new(0.1, 0.5), Point::new(0.1, 0.3));
        let mut line = CountingLine::new(LineId(id), id.to_string(), a, b).unwrap();
        line.classes = classes.iter().map(|class| Class(*class)).collect();
        line
    };
    let turns = |lines: Vec<CountingLine>, kept: &[u16]| {
        let mut options = CounterOptions::default();
        options.filter.classes = kept.iter().map(|class| Class(*class)).collect();
        let counter = Counter::new(options, labels(), Aspect::new(HD.0, HD.1));
        let schedule = RegionSchedule::new(RegionMode::Classes);
        let mut asked = Asked { schedule, network: network(true, false), counter, tenth: 0 };
        asked.counter.set_lines(lines).unwrap();
        [asked.next(None), asked.next(None), asked.next(None)].map(|next| next == Some(PICTURE))
    };
    assert_eq!(turns(vec![line(1, &[0])], &[]), [false; 3], "people: around the line");
    assert_eq!(turns(vec![line(1, &[1, 2])], &[]), [true; 3], "vehicles: the whole picture");
    assert_eq!(turns(vec![line(1, &[])], &[1]), [true; 3], "the settings leave vehicles alone");
    assert_eq!(turns(vec![line(1, &[])], &[0]), [false; 3]);
    for lines in [vec![line(1, &[])], vec![line(1, &[0]), line(2, &[1])]] {
        let [first, second, third] = turns(lines, &[]);
        assert!(first != second && second != third, "both: by turns");
    }
    assert_eq!(turns(Vec::new(), &[]), [true; 3]);
}

#[test]
fn a_parked_car_is_detected_once_a_second_and_motion_at_once() {
    let mut asked = Asked::new(network(true, true), &[]);
    asked.schedule = RegionSchedule::new(RegionMode::Classes);
    asked.counter = Counter::new(CounterOptions::default(), Labels::new(["car"]), Aspect::new(HD.0, HD.1));
    set_lines(&mut asked.counter, HD, &CORNERS[..1]);
    let parked = Detection { class: Class(0), score: 0.9, bounds: Bounds::new(0.6, 0.6, 0.8, 0.8) };
    let mut looks = |tenths: u64, dark: fn(u64) -> Option<[usize; 4]>| {
        let looked = (0..tenths).filter(|&tenth| {
            let region = asked.next(dark(tenth));
            if region.is_some() {
                asked.counter.update_region(&[parked], asked.tenth * 100_000, &Bounds::PICTURE);
            }
            region.is_some()
        });
        looked.count()
    };
    looks(50, |_| None);
    let standing = looks(100, |_| None);
    assert!((9..=20).contains(&standing), "{standing} detections in ten seconds");
    let moving = looks(40, |tenth| Some([2 * tenth as usize, 30, 2 * tenth as usize + 16, 50]));
    assert!(moving >= 36, "{moving} detections in four seconds");
}

#[test]
fn a_line_of_twelve_pixels_gets_half_the_frame_at_a_sufficient_size() {
    let mut asked = Asked::new(network(true, false), &[[640.0, 360.0, 652.0, 360.0]]);
    assert_eq!(asked.next(None), Some([466, 180, 826, 540]));
    assert_eq!(asked.schedule.least_size(HD, &asked.network), (1067, 600));
}

/// A person of 40 × 160 pixels walks from left to right over a line in the middle of `part`, whose edges cut the box
/// off.
fn walk(part: Bounds, foot: f32) -> Vec<Direction> {
    let mut counter = counter(HD, &[[640.0, 420.0, 640.0, 300.0]]);
    let mut crossings = Vec::new();
    for tenth in 0..100_u64 {
        let x = 0.3 + 0.004 * tenth as f32;
        let whole = Bounds::new(x - 0.016, foot - 0.22, x + 0.016, foot);
        let seen = Bounds::new(
            whole.left.max(part.left),
            whole.top.max(part.top),
            whole.right.min(part.right),
            whole.bottom.min(part.bottom),
        );
        let shows = seen.width() > 0.005 && seen.height() > 0.02;
        let found = Detection { class: Class(0), score: 0.9, bounds: seen };
        let found = if shows { std::slice::from_ref(&found) } else { &[] };
        let outcome = counter.update_region(found, tenth * 100_000, &part);
        crossings.extend(outcome.crossings.iter().map(|crossing| crossing.direction));
    }
    crossings
}

#[test]
fn a_box_cut_off_below_by_the_region_is_no_crossing() {
    let part = Bounds::new(0.36, 0.25, 0.64, 0.57);
    assert_eq!(walk(part, 0.55), [Direction::Out], "all of him is seen");
    assert_eq!(walk(part, 0.45), [Direction::Out], "his feet are seen, his head is not");
    assert_eq!(walk(part, 0.68), [], "his feet are below the line's end, which no detection sees");
    assert_eq!(walk(Bounds::PICTURE, 0.68), []);
}

#[test]
fn a_line_moved_over_a_person_counts_nothing() {
    let mut asked = Asked::new(network(true, false), &[[600.0, 420.0, 600.0, 300.0]]);
    let person =
        |x: f32| Detection { class: Class(0), score: 0.9, bounds: Bounds::new(x, 0.3, x + 0.03, 0.5) };
    let mut crossings = 0;
    for tenth in 0..40_u64 {
        if tenth == 20 {
            set_lines(&mut asked.counter, HD, &[[700.0, 420.0, 700.0, 300.0]]);
            asked.schedule.replan();
        }
        let region = asked.next(None).unwrap();
        let [left, top, right, bottom] = region.map(|v| v as f32);
        let part = Bounds::new(left / 1280.0, top / 720.0, right / 1280.0, bottom / 720.0);
        crossings += asked.counter.update_region(&[person(0.5)], tenth * 100_000, &part).crossings.len();
    }
    assert_eq!(crossings, 0);
}
