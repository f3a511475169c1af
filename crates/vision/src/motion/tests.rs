//! Drawn scenes: boxes that walk over a grey ground.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{Aspect, Counter, CountingLine, Direction, LineId, Point};
use tallycam_base::ClockTime;

const WIDTH: usize = 320;
const HEIGHT: usize = 180;

/// A frame with boxes (left, top, width, height, luma) on the ground. Its noise differs from frame to frame.
fn picture(number: u64, light: u8, boxes: &[(i32, i32, i32, i32, u8)]) -> SmallImage {
    let mut dice = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut y: Vec<u8> = (0..WIDTH * HEIGHT)
        .map(|_| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            light + (dice >> 61) as u8
        })
        .collect();
    for &(left, top, width, height, luma) in boxes {
        for row in top.max(0)..(top + height).min(HEIGHT as i32) {
            for column in left.max(0)..(left + width).min(WIDTH as i32) {
                y[row as usize * WIDTH + column as usize] = luma;
            }
        }
    }
    let time_us = 1 + number * 100_000;
    SmallImage {
        width: WIDTH,
        height: HEIGHT,
        y,
        of: (WIDTH as u32, HEIGHT as u32),
        stamp: ClockTime { monotonic_us: time_us, wall_us: time_us, wall_trusted: true },
        sequence: number,
        ..SmallImage::empty()
    }
}

/// The boxes found in each of `pictures`.
fn found(pictures: impl Iterator<Item = SmallImage>) -> Vec<Vec<Detection>> {
    let mut detector = MotionDetector::new();
    let mut found = Vec::new();
    pictures
        .map(|picture| {
            detector.detect(&picture, &mut found).unwrap();
            found.clone()
        })
        .collect()
}

#[test]
fn a_walker_is_one_box_and_noise_is_none() {
    let per_picture = found((0..60).map(|n| picture(n, 100, &[(n as i32 * 6 - 60, 60, 20, 60, 30)])));
    for (number, detections) in per_picture.iter().enumerate().skip(18).take(30) {
        let [one] = detections[..] else { panic!("picture {number}: {detections:?}") };
        let left = (number as f32 * 6.0 - 60.0) / WIDTH as f32;
        assert!((one.bounds.left - left).abs() < 0.02, "picture {number}: {one:?}");
        assert!((one.bounds.bottom - 120.0 / HEIGHT as f32).abs() < 0.03);
        assert!(one.bounds.width() < 0.1 && one.score > 0.8);
    }
    assert!(found((0..60).map(|n| picture(n, 100, &[]))).iter().all(Vec::is_empty));
}

#[test]
fn a_sudden_light_is_no_mover_and_the_next_mover_is_seen() {
    let per_picture = found((0..60).map(|n| {
        let walker = [(n as i32 * 8 - 260, 60, 20, 60, 30)];
        picture(n, if n < 20 { 80 } else { 160 }, if n < 34 { &[] } else { &walker })
    }));
    assert!(per_picture[..34].iter().all(Vec::is_empty));
    assert!(per_picture[40..55].iter().all(|detections| detections.len() == 1));
}

/// Windows and doors on the ground, `off` pixels to the right.
fn street(off: i32) -> Vec<(i32, i32, i32, i32, u8)> {
    (0..40).map(|n| (n % 8 * 44 + off, n / 8 * 36 + 6, 20, 20, if n % 3 == 0 { 40 } else { 170 })).collect()
}

#[test]
fn a_knocked_camera_is_blind_for_no_more_than_3_s() {
    // The whole frame shows houses, three quarters of it, or half of it: the rest is sky.
    for sky in [0, 45, 90] {
        let per_picture = found((0..120).map(|n| {
            let mut boxes = street(if n < 40 { 0 } else { 9 });
            boxes.retain(|house| house.1 >= sky - 10);
            boxes.extend((n >= 70).then_some((n as i32 * 6 - 420, 60, 20, 60, 250)));
            picture(n, 100, &boxes)
        }));
        assert!(per_picture[..40].iter().all(Vec::is_empty));
        assert!(per_picture[65..70].iter().all(Vec::is_empty), "nothing moves below {sky} of sky");
        assert!(per_picture[80..110].iter().all(|detections| detections.len() == 1), "the walker alone");
    }
}

#[test]
fn a_queue_of_cars_or_a_bus_that_stops_is_no_knocked_camera() {
    let queue = |n: i32| (0..6).map(|car| ((620 - n * 12).max(8) + car * 52, 96, 44, 66, 230)).collect();
    let bus = |n: i32| vec![((640 - n * 12).max(60), 10, 200, 150, 230)];
    for is_bus in [false, true] {
        let per_picture = found((0..120).map(|n| {
            let mut boxes = street(0);
            let stops: Vec<_> = if is_bus { bus(n as i32) } else { queue(n as i32) };
            boxes.extend(stops);
            picture(n, 100, &boxes)
        }));
        assert!(per_picture[50..80].iter().all(|detections| !detections.is_empty()), "bus: {is_bus}");
    }
}

/// A lamp, its beam, and a little of the car behind it, by night.
fn car_at_night(front: i32) -> [(i32, i32, i32, i32, u8); 3] {
    [(front, 98, 8, 8, 250), (front + 11, 96, 50, 14, 60), (front - 34, 86, 30, 16, 34)]
}

#[test]
fn a_car_at_night_is_counted_once_with_its_lamps_and_beam() {
    let pictures = (0..180).map(|n| picture(n, 10, &car_at_night((n as i32 % 90) * 6 - 70)));
    assert_eq!(crossings(pictures), [Direction::Out, Direction::Out]);
    let two_lamps = (0..90).map(|n| {
        let x = n as i32 * 5 - 60;
        picture(n, 10, &[(x, 98, 9, 9, 250), (x + 24, 98, 9, 9, 250)])
    });
    assert_eq!(crossings(two_lamps), [Direction::Out]);
}

#[test]
fn insects_before_an_infrared_lamp_are_not_counted() {
    let pictures = (0..200).map(|number| {
        let n = number as i32;
        let insects: Vec<_> = (0..5)
            .map(|k| {
                let x = (n * (3 + k) + 70 * k) % 400 - 30;
                let swing = ((number as f32) * 0.3 + k as f32).sin() * 20.0;
                (x, 30 + 24 * k + swing as i32, 10 + k, 10 + k, 220)
            })
            .collect();
        picture(number, 30, &insects)
    });
    assert_eq!(crossings(pictures), []);
    // Soft ones that touch at first, one above the other, and part before the line.
    let touching = (0..100).map(|number| {
        let n = number as i32;
        let apart = 16 + (n - 30).clamp(0, 12) * 2;
        let soft = |x: i32, y: i32| [(x, y, 18, 18, 60), (x + 6, y + 6, 6, 6, 220)];
        picture(number, 30, &[soft(n * 5 - 60, 70), soft(n * 5 - 60, 70 + apart)].concat())
    });
    assert_eq!(crossings(touching), []);
    // A person is taller than wide.
    let person = (0..90).map(|n| picture(n, 30, &[(n as i32 * 5 - 60, 70, 12, 36, 120)]));
    assert_eq!(crossings(person), [Direction::Out]);
}

#[test]
fn two_people_in_the_dark_are_two() {
    let walkers = |n: i32| [(n * 5 - 60, 70, 12, 36, 120), (n * 5 - 60 + 22, 74, 12, 36, 110)];
    let in_file = (0..100).map(|n| picture(n, 30, &walkers(n as i32)));
    assert_eq!(crossings(in_file), [Direction::Out, Direction::Out]);
    // The second one comes out of a door beside the first.
    let from_a_door = (0..100).map(|n| {
        let both = walkers(n as i32);
        picture(n, 30, if n < 24 { &both[1..] } else { &both })
    });
    assert_eq!(crossings(from_a_door), [Direction::Out, Direction::Out]);
}

#[test]
fn what_is_as_wide_as_high_in_the_dark_is_no_insect() {
    // A person from above, and a car from the front with its lamps.
    let from_above = (0..90).map(|n| picture(n, 30, &[(n as i32 * 5 - 60, 70, 28, 28, 120)]));
    assert_eq!(crossings(from_above), [Direction::Out]);
    let head_on = found((0..100).map(|number| {
        let n = number as i32 - 40;
        let (left, top, size) = (140 - n / 3, 30 + n, 14 + n / 3);
        let lamp = size / 4;
        let lamps = [left + 1, left + size - 1 - lamp].map(|x| (x, top + size / 2, lamp, lamp, 250));
        let car = [(left, top, size, size, 70), lamps[0], lamps[1]];
        picture(number, 20, if n < 0 { &[] } else { &car })
    }));
    assert!(head_on[50..].iter().all(|seen| seen.len() == 1), "{head_on:?}");
    // An oncoming car by night shows only its lamps, which part slowly.
    let lamps = found((0..100).map(|number| {
        let n = number as i32 - 40;
        let (x, y, size) = (150 - n / 2, 40 + n, 9 + n / 15);
        let lamps = [x, x + 18 + n / 5].map(|x| (x, y, size, size, 250));
        picture(number, 10, if n < 0 { &[] } else { &lamps })
    }));
    assert!(lamps[75..].iter().all(|seen| seen.len() == 1), "{lamps:?}");
}

#[test]
fn a_frame_of_another_size_restarts() {
    let mut detector = MotionDetector::new();
    let mut found = Vec::new();
    for number in 0..20 {
        detector.detect(&picture(number, 100, &[]), &mut found).unwrap();
    }
    let small = SmallImage { width: 160, height: 90, y: vec![7; 160 * 90], ..picture(20, 100, &[]) };
    detector.detect(&small, &mut found).unwrap();
    assert!(found.is_empty());
}

/// The crossings of the upright middle line in `pictures`.
fn crossings(pictures: impl Iterator<Item = SmallImage>) -> Vec<Direction> {
    let mut detector = MotionDetector::new();
    let aspect = Aspect::new(WIDTH as u32, HEIGHT as u32);
    let mut counter = Counter::new(detector.options(), detector.labels().clone(), aspect);
    let middle = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0));
    counter.set_lines(vec![middle.unwrap()]).unwrap();
    let mut found = Vec::new();
    let mut crossings: Vec<Direction> = pictures
        .flat_map(|picture| {
            detector.detect(&picture, &mut found).unwrap();
            counter.update(&found, picture.stamp.monotonic_us).crossings
        })
        .map(|crossing| crossing.direction)
        .collect();
    crossings.sort_by_key(|direction| direction.as_str());
    crossings
}

#[test]
fn two_who_meet_are_counted_once_each() {
    let pictures = (0..90).map(|number| {
        let n = number as i32;
        // The nearer one is drawn last; they hide each other beside the middle of the frame.
        let walkers = [(n * 5 - 110, 50, 20, 60, 30), (WIDTH as i32 + 80 - n * 5, 54, 22, 60, 200)];
        picture(number, 100, &walkers)
    });
    assert_eq!(crossings(pictures), [Direction::In, Direction::Out]);
}

#[test]
fn one_in_pieces_is_counted_once() {
    // An object whose middle looks like the ground enters as two pieces and is whole elsewhere.
    let pictures = (0..90).map(|number| {
        let left = number as i32 * 5 - 60;
        let whole = (100..220).contains(&left);
        let body = if whole { (left, 60, 24, 70, 30) } else { (left, 60, 24, 22, 30) };
        picture(number, 100, &[body, (left, 88, 24, 42, 30)])
    });
    assert_eq!(crossings(pictures), [Direction::Out]);
}

#[test]
fn a_walker_in_the_first_frame_leaves_no_ghost() {
    // It stands for three seconds and goes on over the line. The uncovered ground is not a mover for long.
    let walker = |n: i32| (20.max(20 + (n - 30) * 6), 60, 20, 60, 30);
    let pictures = || (0..90).map(|number| picture(number, 100, &[walker(number as i32)]));
    assert_eq!(crossings(pictures()), [Direction::Out]);
    let left = found(pictures());
    assert!(
        left[70..80].iter().all(|detections| detections.len() == 1 && detections[0].bounds.left > 0.5),
        "{left:?}"
    );
}

#[test]
fn a_long_stop_becomes_ground_and_is_no_crossing() {
    let per_picture = found((0..300).map(|number| {
        let left = (number as i32 * 6 - 820).min(150);
        picture(number, 100, &[(left, 60, 20, 60, 30)])
    }));
    assert_eq!(per_picture[240].len(), 1, "it stands there");
    assert!(per_picture[275..].iter().all(Vec::is_empty), "it is ground");
}

#[test]
fn a_detection_takes_no_memory_after_the_first_ones() {
    let mut detector = MotionDetector::new();
    let mut found = Vec::new();
    let mut rooms = Vec::new();
    for number in 0..60 {
        let walker = [(number as i32 * 6 - 60, 60, 20, 60, 30)];
        detector.detect(&picture(number, 100, &walker), &mut found).unwrap();
        rooms.push(detector.change.room());
    }
    assert!(rooms[30..].iter().all(|room| *room == rooms[30]), "{rooms:?}");
}
