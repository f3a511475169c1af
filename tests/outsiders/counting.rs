//! Objects that are half hidden, lost and found again, seen as two classes, or never seen before a line.

use tallycam::vision::{
    Aspect, Bounds, Counter, CounterOptions, CountingLine, Detection, Direction, Labels, LineId, Point,
};

use crate::row;

/// A detection in a frame: the class, and left, top, right and bottom in pixels of a picture of 640 × 480.
type Sight = (&'static str, [f32; 4]);

/// Reproducible pseudo-random numbers from −1 to 1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Counts frames at 10 fps on a line; boxes tremble by up to 4 pixels. Returns in words the crossings in and out, and
/// whether the line is reported as too near to the edge.
fn counted(ends: [f32; 4], frames: u64, seen: impl Fn(u64) -> Vec<Sight>) -> String {
    let mut answers: Vec<String> = Vec::new();
    for seed in 1..=20 {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 + seed);
        let labels =
            Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck", "Car", "Truck", "van"]);
        let mut counter = Counter::new(CounterOptions::default(), labels.clone(), Aspect::new(640, 480));
        let point = |at: usize| Point::new(ends[at] / 640.0, ends[at + 1] / 480.0);
        counter.set_lines(vec![CountingLine::new(LineId(1), "line", point(0), point(2)).unwrap()]).unwrap();
        let (mut into, mut out) = (0, 0);
        for frame in 0..frames {
            let mut edge = |at: f32, end: f32| ((at + 4.0 * dice.roll()) / end).clamp(0.0, 1.0);
            let detections: Vec<Detection> = seen(frame)
                .iter()
                .map(|(class, [left, top, right, bottom])| Detection {
                    class: labels.class(class).unwrap(),
                    score: 0.85,
                    bounds: Bounds::new(
                        edge(*left, 640.0),
                        edge(*top, 480.0),
                        edge(*right, 640.0),
                        edge(*bottom, 480.0),
                    ),
                })
                .collect();
            for crossing in counter.update(&detections, frame * 100_000).crossings {
                *if crossing.direction == Direction::In { &mut into } else { &mut out } += 1;
            }
        }
        let past = counter.late_appearances().map(|(_, past)| format!(", {past} first seen past the line"));
        answers.push(format!("{into} in, {out} out{}", past.collect::<String>()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    answers.swap_remove(0)
}

/// A vehicle of this width that drives from right to left, cut off at the right edge; `at` is the place of its left
/// edge in a frame, and the parts of a box are shares of the vehicle's.
fn part_of(frame: u64, wide: f32, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
    let front = 630.0 - 9.0 * frame as f32;
    [
        (front + left * wide).min(640.0),
        200.0 + 160.0 * top,
        (front + right * wide).min(640.0),
        200.0 + 160.0 * bottom,
    ]
}

/// Boxes with some width; a detector gives none for the rest.
fn shown(boxes: Vec<Sight>) -> Vec<Sight> {
    boxes.into_iter().filter(|(_, b)| b[2] - b[0] > 20.0).collect()
}

const WHOLE: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

#[test]
fn one_vehicle_under_several_names_or_in_several_boxes() {
    let line = [320.0, 480.0, 320.0, 0.0];
    let by_turns = counted(line, 100, |frame| {
        let class = if frame / 5 % 2 == 0 { "Truck" } else { "Car" };
        shown(vec![(class, part_of(frame, 120.0, [0.0, 0.4, 1.0, 1.0]))])
    });
    let at_once = counted(line, 100, |frame| {
        let at = part_of(frame, 120.0, [0.0, 0.4, 1.0, 1.0]);
        shown(vec![("car", at), ("van", at)])
    });
    let cab = |frame| ("car", part_of(frame, 300.0, [0.02, 0.25, 0.35, 0.97]));
    let lorry = |frame| ("truck", part_of(frame, 300.0, WHOLE));
    let with_cab = counted(line, 120, |frame| shown(vec![lorry(frame), cab(frame)]));
    let half_the_time = counted(line, 120, |frame| {
        let is_whole = frame % 3 != 0;
        shown(if is_whole { vec![lorry(frame), cab(frame)] } else { vec![cab(frame)] })
    });
    let bus = counted(line, 120, |frame| {
        let rear = ("bus", part_of(frame, 350.0, [0.55, 0.02, 0.99, 0.98]));
        let all = ("bus", part_of(frame, 350.0, WHOLE));
        shown(if frame % 2 == 0 { vec![all, rear] } else { vec![all] })
    });
    for (sample, now) in [
        ("a pick-up seen as Truck and Car by turns", by_turns),
        ("a van seen as car and van at once", at_once),
        ("a lorry, and a car in the place of its cab", with_cab),
        ("the same, the lorry seen in two of three frames", half_the_time),
        ("a bus, and its rear half in every other frame", bus),
    ] {
        assert_eq!(now, "1 in, 0 out", "{sample}");
        row("Counting", sample, &now);
    }
}

#[test]
fn two_that_show_one_within_the_other() {
    let line = [320.0, 480.0, 320.0, 0.0];
    let family = counted(line, 120, |frame| {
        let adult = ("person", part_of(frame, 70.0, WHOLE));
        let child = ("person", part_of(frame, 70.0, [0.2, 0.45, 0.8, 0.98]));
        shown(vec![adult, child])
    });
    let overtaking = counted(line, 120, |frame| {
        let x = 700.0 - 14.0 * frame as f32;
        let car = ("car", [x.min(640.0), 280.0, (x + 110.0).clamp(0.0, 640.0), 358.0]);
        shown(vec![("truck", part_of(frame, 300.0, WHOLE)), car])
    });
    for (sample, now) in [
        ("an adult, and a child before the adult", family),
        ("a car that overtakes a lorry within the lorry's box", overtaking),
    ] {
        assert_eq!(now, "2 in, 0 out", "{sample}");
        row("Counting", sample, &now);
    }
}

/// A car that drives to 25 pixels before the line, waits until frame 340, and drives on across it.
fn waiting_car(frame: u64) -> [f32; 4] {
    let left = match frame {
        0..40 => 585.0 - 8.0 * frame as f32,
        40..340 => 265.0,
        _ => 265.0 - 8.0 * (frame - 340) as f32,
    };
    [left, 240.0, left + 160.0, 330.0]
}

#[test]
fn half_hidden_before_the_line() {
    let now = counted([320.0, 480.0, 320.0, 0.0], 390, |frame| {
        let [left, top, right, bottom] = waiting_car(frame);
        let is_covered = (80..300).contains(&frame) && frame / 30 % 2 == 0;
        vec![("car", [left, top, if is_covered { left + 80.0 } else { right }, bottom])]
    });
    assert_eq!(now, "1 in, 0 out");
    row("Counting", "a car waits before the line, half covered again and again, and crosses it", &now);
}

#[test]
fn lost_on_the_line_and_found_again() {
    let now = counted([335.0, 480.0, 335.0, 0.0], 390, |frame| {
        let is_hidden = (80..160).contains(&frame);
        (!is_hidden).then(|| ("car", waiting_car(frame))).into_iter().collect()
    });
    assert_eq!(now, "1 in, 0 out");
    row("Counting", "a car waits on the line, is hidden for eight seconds, and goes on", &now);
}

#[test]
fn riders() {
    let line = [320.0, 480.0, 320.0, 0.0];
    let at = |frame: u64, wide: f32, top: f32, bottom: f32| {
        let middle = 640.0 - 10.0 * frame as f32;
        [middle - wide / 2.0, top, middle + wide / 2.0, bottom]
    };
    let by_turns = counted(line, 64, |frame| {
        let class = if frame / 5 % 2 == 0 { "motorcycle" } else { "person" };
        vec![(class, at(frame, 80.0, 200.0, 340.0))]
    });
    let changed = counted(line, 64, |frame| {
        let class = if frame < 31 { "bicycle" } else { "person" };
        vec![(class, at(frame, 80.0, 220.0, 340.0))]
    });
    let both = counted(line, 64, |frame| {
        vec![("person", at(frame, 50.0, 200.0, 330.0)), ("bicycle", at(frame, 100.0, 265.0, 345.0))]
    });
    for (sample, now) in [
        ("a rider seen as a person and a motorcycle by turns", by_turns),
        ("a cyclist seen as a bicycle before the line and as a person beyond it", changed),
        ("a cyclist seen as a person and a bicycle at once", both),
    ] {
        assert_eq!(now, "1 in, 0 out", "{sample}");
        row("Counting", sample, &now);
    }
}

#[test]
fn a_line_too_near_to_the_edge() {
    let cars = |frame: u64| {
        let bottom = 20.0 + 5.3 * (frame % 95) as f32;
        let shows = bottom > 25.0 && frame % 95 < 85;
        shows.then_some(("car", [220.0, (bottom - 80.0).max(0.0), 340.0, bottom])).into_iter().collect()
    };
    let near = counted([0.0, 10.0, 640.0, 10.0], 285, cars);
    assert_eq!(near, "0 in, 0 out, 3 first seen past the line");
    row("Counting", "three cars come in at the picture's edge, right past a line along it", &near);
    let away = counted([0.0, 150.0, 640.0, 150.0], 285, cars);
    assert_eq!(away, "0 in, 3 out");
    row("Counting", "the same cars, and the line away from the edge", &away);
}
