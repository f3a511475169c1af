//! Properties of counting that hold for any movement, tested on random detections and ways.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tallycam::vision::steps::{Passage, Segment, Tracker, TrackerOptions, suppress_overlaps};
use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Crossing, Detection, Direction, Hysteresis,
    Labels, LineId, Point,
};

use tallycam::base::proptest_floats::between;

fn labels() -> Labels {
    Labels::new(["person", "car", "truck"])
}

prop_compose! {
    fn any_detection()(
        class in 0u16..3,
        score in between(0.0f32, 1.0),
        left in between(-0.1f32, 0.9),
        top in between(-0.1f32, 0.9),
        width in between(0.01f32, 0.4),
        height in between(0.01f32, 0.4),
    ) -> Detection {
        let bounds = Bounds::new(left, top, left + width, top + height);
        Detection { class: Class(class), score, bounds }
    }
}

/// Numbers that no detector should give, and sound ones.
fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => between(-0.5f32, 1.5),
        1 => prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e38, -1e38, 1e-40]),
    ]
}

prop_compose! {
    fn mad_detection()(
        class in any::<u16>(),
        numbers in prop::array::uniform5(any_number()),
    ) -> Detection {
        let [score, left, top, right, bottom] = numbers;
        Detection { class: Class(class), score, bounds: Bounds::new(left, top, right, bottom) }
    }
}

/// A way across the picture, in points far enough from each other and from the edges to be a walk.
fn any_way() -> impl Strategy<Value = Vec<(f32, f32)>> {
    prop::collection::vec((between(0.2f32, 0.8), between(0.2f32, 0.8)), 2..40)
}

fn line(a: Point, b: Point) -> CountingLine {
    CountingLine::new(LineId(1), "line", a, b).unwrap()
}

/// The passages of one track on this way across a line, without the tracker.
fn passages(line: &CountingLine, way: &[(f32, f32)], aspect: Aspect) -> Vec<(Direction, u64)> {
    let segment = Segment::new(line, aspect);
    let at = |&(x, y): &(f32, f32)| [aspect.to_heights(Point::new(x, y)); 4];
    let mut passage = Passage::new(&segment, at(&way[0]), 0);
    let mut found = Vec::new();
    for (n, place) in way.iter().enumerate().skip(1) {
        let time_us = n as u64 * 100_000;
        if let Some(p) =
            passage.observe(&segment, at(place), at(place), 0.05, time_us, &Hysteresis::default())
        {
            found.push((p.direction, p.time_us));
        }
    }
    found
}

/// Two persons walk these ways, in small steps per frame, through the whole counter.
fn count(line: &CountingLine, ways: &[Vec<(f32, f32)>], size: (f32, f32), aspect: Aspect) -> Vec<Crossing> {
    let mut counter = Counter::new(CounterOptions::default(), labels(), aspect);
    counter.set_lines(vec![line.clone()]).unwrap();
    let mut crossings = Vec::new();
    for frame in 0..120u64 {
        let detections: Vec<Detection> = ways
            .iter()
            .map(|way| {
                let place = frame as f32 / 120.0 * (way.len() - 1) as f32;
                let (from, to) = (way[place as usize], way[(place as usize + 1).min(way.len() - 1)]);
                let share = place.fract();
                let (x, y) = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
                let bounds = Bounds::centered_at(Point::new(x, y), size.0, size.1);
                Detection { class: Class(0), score: 0.8, bounds }
            })
            .collect();
        crossings.extend(counter.update(&detections, frame * 100_000).crossings);
    }
    crossings
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nms_twice_is_nms_once(mut boxes in prop::collection::vec(any_detection(), 0..40), most in between(0.1f32, 0.9)) {
        suppress_overlaps(&mut boxes, &labels(), most);
        let once = boxes.clone();
        suppress_overlaps(&mut boxes, &labels(), most);
        prop_assert_eq!(&boxes, &once);
        for (at, a) in once.iter().enumerate() {
            for b in &once[..at] {
                let rivals = labels().group_id(a.class) == labels().group_id(b.class);
                prop_assert!(!rivals || a.bounds.iou(&b.bounds) <= most);
            }
        }
    }

    #[test]
    fn the_box_with_the_highest_score_is_kept(mut boxes in prop::collection::vec(any_detection(), 1..40)) {
        let best = boxes.iter().map(|d| d.score).fold(0.0, f32::max);
        suppress_overlaps(&mut boxes, &labels(), 0.5);
        prop_assert_eq!(boxes[0].score, best);
    }

    #[test]
    fn nobody_crosses_without_changing_sides(way in any_way(), x in between(0.3f32, 0.7)) {
        let line = line(Point::new(x, 0.95), Point::new(x, 0.05));
        // All of it on one side.
        let right: Vec<(f32, f32)> = way.iter().map(|&(px, py)| (x + 0.01 + (px - x).abs(), py)).collect();
        prop_assert_eq!(passages(&line, &right, Aspect::new(16, 9)), []);
        prop_assert_eq!(
            count(&line, &[right], (0.02, 0.1), Aspect::new(16, 9)).len(), 0
        );
    }

    #[test]
    fn crossings_of_one_track_alternate_on_a_line_right_across(way in any_way(), x in between(0.3f32, 0.7)) {
        let line = line(Point::new(x, 1.0), Point::new(x, 0.0));
        let found = passages(&line, &way, Aspect::new(4, 3));
        prop_assert!(found.windows(2).all(|two| two[0].0 != two[1].0 && two[0].1 <= two[1].1));
    }

    #[test]
    fn in_less_out_is_the_change_of_sides(way in any_way(), x in between(0.3f32, 0.7)) {
        let line = line(Point::new(x, 1.0), Point::new(x, 0.0));
        // It begins and ends well away from the line, so that it has settled.
        let mut way = way;
        for end in [0, way.len() - 1] {
            way[end].0 = if way[end].0 < x { x - 0.2 } else { x + 0.2 };
        }
        let net: i32 = passages(&line, &way, Aspect::new(4, 3))
            .iter()
            .map(|(direction, _)| if *direction == Direction::In { 1 } else { -1 })
            .sum();
        let left = |place: (f32, f32)| i32::from(place.0 < x);
        prop_assert_eq!(net, left(way[way.len() - 1]) - left(way[0]));
        // Back at its beginning, in and out are equal.
        way.push(way[0]);
        let closed = passages(&line, &way, Aspect::new(4, 3));
        let ins = closed.iter().filter(|found| found.0 == Direction::In).count();
        prop_assert_eq!(2 * ins, closed.len());
    }

    #[test]
    fn a_line_drawn_the_other_way_round_swaps_in_and_out(way in any_way(), ends in prop::array::uniform4(between(0.1f32, 0.9))) {
        let (a, b) = (Point::new(ends[0], ends[1]), Point::new(ends[2], ends[3]));
        prop_assume!((a.x - b.x).abs() > 0.05 || (a.y - b.y).abs() > 0.05);
        let there = passages(&line(a, b), &way, Aspect::new(4, 3));
        let back = passages(&line(b, a), &way, Aspect::new(4, 3));
        prop_assert_eq!(there.len(), back.len());
        for (one, other) in there.iter().zip(&back) {
            prop_assert_eq!(one.0, other.0.reversed());
            prop_assert!(one.1.abs_diff(other.1) < 1000);
        }
    }

    /// By steps of 1/64, which change no rounding noticeably.
    #[test]
    fn counts_do_not_depend_on_where_it_is(
        ways in prop::collection::vec(prop::collection::vec((between(0.3f32, 0.7), between(0.3f32, 0.7)), 2..6), 1..3),
        dx in -8i8..=8,
        dy in -8i8..=8,
    ) {
        let (dx, dy) = (f32::from(dx) / 64.0, f32::from(dy) / 64.0);
        let here = line(Point::new(0.5, 0.8), Point::new(0.5, 0.2));
        let there = line(Point::new(0.5 + dx, 0.8 + dy), Point::new(0.5 + dx, 0.2 + dy));
        let moved: Vec<Vec<(f32, f32)>> =
            ways.iter().map(|way| way.iter().map(|&(x, y)| (x + dx, y + dy)).collect()).collect();
        let size = (0.05, 0.12);
        let one = count(&here, &ways, size, Aspect::new(4, 3));
        let other = count(&there, &moved, size, Aspect::new(4, 3));
        let directions = |all: &[Crossing]| all.iter().map(|c| c.direction).collect::<Vec<_>>();
        prop_assert_eq!(directions(&one), directions(&other));
    }

    #[test]
    fn a_mirror_swaps_in_and_out(
        ways in prop::collection::vec(prop::collection::vec((between(0.3f32, 0.7), between(0.3f32, 0.7)), 2..6), 1..3),
        x in between(0.4f32, 0.6),
    ) {
        let here = line(Point::new(x, 0.8), Point::new(x, 0.2));
        let there = line(Point::new(1.0 - x, 0.8), Point::new(1.0 - x, 0.2));
        let mirrored: Vec<Vec<(f32, f32)>> =
            ways.iter().map(|way| way.iter().map(|&(x, y)| (1.0 - x, y)).collect()).collect();
        let size = (0.05, 0.12);
        let one = count(&here, &ways, size, Aspect::new(4, 3));
        let other = count(&there, &mirrored, size, Aspect::new(4, 3));
        let directions = |all: &[Crossing]| all.iter().map(|c| c.direction).collect::<Vec<_>>();
        let reversed: Vec<Direction> = other.iter().map(|c| c.direction.reversed()).collect();
        prop_assert_eq!(directions(&one), reversed);
    }

    /// With any detections it neither panics nor grows; track ids are new, and crossings unique.
    #[test]
    fn nonsense_detections_do_no_harm(
        frames in prop::collection::vec((prop::collection::vec(mad_detection(), 0..12), 0u64..10_000_000), 1..60),
    ) {
        let mut options = CounterOptions::default();
        options.tracker.most_tracks = 20;
        options.tracker.confirm_after = 1;
        options.tracker.confirm_age = 0.0;
        let mut counter = Counter::new(options, labels(), Aspect::new(16, 9));
        counter.set_lines(vec![line(Point::new(0.5, 1.0), Point::new(0.5, 0.0))]).unwrap();
        let mut crossings = Vec::new();
        let mut newest = 0;
        let mut known = BTreeSet::new();
        // Times are not in order, either.
        for (detections, time_us) in frames {
            let outcome = counter.update(&detections, time_us);
            crossings.extend(outcome.crossings);
            prop_assert!(counter.tracks().len() <= 20);
            prop_assert!(outcome.overlay.tracks.iter().all(|track| track.bounds.is_finite()));
            for track in counter.tracks() {
                let id = track.id().0;
                prop_assert!(id > newest || known.contains(&id), "an id came back");
                known.insert(id);
            }
            known.retain(|id| counter.tracks().iter().any(|track| track.id().0 == *id));
            newest = newest.max(counter.tracks().last().map_or(0, |track| track.id().0));
        }
        let names: BTreeSet<_> = crossings.iter().map(|c| (c.line, c.track, c.ordinal)).collect();
        prop_assert_eq!(names.len(), crossings.len());
    }

    #[test]
    fn no_detection_belongs_to_two_tracks(
        frames in prop::collection::vec(prop::collection::vec(any_detection(), 0..15), 1..20),
    ) {
        let mut tracker = Tracker::new(TrackerOptions::default(), Aspect::new(4, 3));
        for (n, mut detections) in frames.into_iter().enumerate() {
            suppress_overlaps(&mut detections, &labels(), 0.6);
            let matched = tracker
                .update(&detections, &labels(), n as u64 * 100_000)
                .iter()
                .filter(|track| track.is_matched())
                .count();
            prop_assert!(matched <= detections.len());
        }
    }
}
