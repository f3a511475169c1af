//! The movers of the simulated street and their positions: pure functions of a seed and a time.
//!
//! Time is divided into acts of [`ACT`] seconds, the street into lanes, and an act in a lane into slots. The seed,
//! the act, the lane and the slot's number alone decide who would like to enter in a slot.
//!
//! Admission is settled act by act in a drawn order. Each enters at the first moment of its slot at which it stays
//! [`APART`] from everybody admitted before while both are visible, or not at all. All are gone by the end of the
//! act. Any moment can therefore be computed directly, without earlier acts, and the street never ends.
//!
//! All walk or drive along one lane from one side of the frame to the other (some people stop on the way). Nobody
//! ever hides anybody. Each crosses the upright middle line x = 0.5 exactly once, by the middle of the lower edge of
//! its box.

use tallycam_base::json;

/// The street is measured in *spans*: a span is the frame's height, or 9/16 of its width if that is less. The street
/// fills the lowest span of the frame.
const SPAN_PER_WIDTH: f32 = 9.0 / 16.0;

/// Position of the horizon in the span (0 is its top, 1 its foot).
pub(super) const HORIZON: f32 = 0.167;

/// Spans a metre at the depth `ground`, the position (0–1) down the span on which an object stands.
pub(super) fn pixels_per_metre(ground: f32) -> f32 {
    (ground - HORIZON) * 0.297
}

/// Pixels in a span of a frame of `width` × `height` pixels.
pub(super) fn span(width: f32, height: f32) -> f32 {
    height.min(width * SPAN_PER_WIDTH)
}

/// Seconds in an act. Between two acts the street is empty for a moment.
const ACT: f64 = 120.0;

/// Age of the street at frame 0 in seconds, so that it is busy from the start.
const LEAD: f64 = 60.0;

/// Least distance in spans between the boxes of two visible movers: sideways, or up and down.
const APART: (f64, f32) = (0.055, 0.025);

/// Capacity for the movers of an act.
pub(super) const CROWD: usize = 128;

json::words! { SimClass { Person "person", Bicycle "bicycle", Car "car", Bus "bus" } }

/// Class of a mover, with the names of the COCO data set, which detection models use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SimClass {
    /// A person on foot.
    Person,
    /// A bicycle and its rider.
    Bicycle,
    Car,
    Bus,
}

impl SimClass {
    /// Width and height in metres; for a person, those of an adult in mid-stride.
    pub(super) fn size(self) -> (f32, f32) {
        match self {
            SimClass::Person => (0.9, 1.78),
            SimClass::Bicycle => (1.78, 1.78),
            SimClass::Car => (4.2, 1.48),
            SimClass::Bus => (8.6, 2.95),
        }
    }
}

/// Direction across the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heading {
    /// From the left edge to the right one.
    LeftToRight,
    /// From the right edge to the left one.
    RightToLeft,
}

/// A known crossing of the middle line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCrossing {
    /// The first frame that shows the figure beyond the line.
    pub frame: u64,
    /// Class of the mover.
    pub class: SimClass,
    /// Its direction.
    pub direction: Heading,
    /// The mover's number: the same as [`KnownBox::id`].
    pub id: u64,
}

/// Position of a figure in a frame, in fractions of the frame (x from the left, y from the top). Figures that enter
/// or leave lie partly beyond 0 or 1. The box keeps its size: in a long stride a foot may reach out of it by a tenth
/// of its height.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownBox {
    /// Number of the figure, which is unique in the seed.
    pub id: u64,
    /// Its class.
    pub class: SimClass,
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge, on which it stands.
    pub bottom: f32,
}

/// Every crossing of the middle line in the frames `from..to` of a seed, by frame.
///
/// `fps` is the frame rate; unless it is finite and > 0 there are no crossings. The size of the frame makes no
/// difference.
pub fn crossings(seed: u64, from: u64, to: u64, fps: f64) -> Vec<KnownCrossing> {
    let mut found = Vec::new();
    if !fps.is_normal() || fps < 0.0 {
        return found;
    }
    SimScene::new(seed).for_each_between(from as f64 / fps, to as f64 / fps, |mover| {
        // The frame after the crossing, then corrected by the positions in the frames.
        let mut frame = (mover.crosses_at() * fps).ceil().max(0.0) as u64;
        while frame > 0 && mover.is_beyond((frame - 1) as f64 / fps) {
            frame -= 1;
        }
        while !mover.is_beyond(frame as f64 / fps) {
            frame += 1;
        }
        // A figure that is beyond the line in frame 0 crossed it before.
        if frame > 0 && (from..to).contains(&frame) {
            found.push(KnownCrossing { frame, class: mover.class, direction: mover.direction, id: mover.id });
        }
    });
    found.sort_by_key(|c| (c.frame, c.id));
    found
}

/// The boxes of all figures at least partly visible in one frame of a seed, the farthest first, for a frame of
/// `width` × `height` pixels.
pub fn boxes(seed: u64, frame: u64, fps: f64, width: u32, height: u32) -> Vec<KnownBox> {
    let (width, height) = (width as f32, height as f32);
    let span = span(width, height);
    let mut movers = Vec::new();
    SimScene::new(seed).movers_at(frame as f64 / fps, &mut movers);
    movers
        .iter()
        .map(|(mover, place)| {
            let half = mover.width * span / width / 2.0;
            let bottom = 1.0 - (1.0 - mover.ground) * span / height;
            KnownBox {
                id: mover.id,
                class: mover.class,
                left: place.x - half,
                top: bottom - mover.height * span / height,
                right: place.x + half,
                bottom,
            }
        })
        .filter(|b| b.right > 0.0 && b.left < 1.0)
        .collect()
}

/// A mover and its path through the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mover {
    pub id: u64,
    pub class: SimClass,
    pub direction: Heading,
    /// Position of the feet or wheels, 0–1 down the lowest span.
    pub ground: f32,
    /// Width and height in spans.
    pub width: f32,
    pub height: f32,
    /// Selects clothes, paint and the like.
    pub look: u64,
    /// Seconds, from frame 0, at which it starts to enter.
    enters: f64,
    /// Widths of the frame a second.
    speed: f64,
    /// Length of its path in widths of the frame.
    way: f64,
    /// Seconds after entering at which a person stops, and for how long.
    stop: (f64, f64),
}

/// Position of a mover at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct RoadPosition {
    /// Middle of its box in widths of the frame; beyond 0–1 while it enters or leaves.
    pub x: f32,
    /// Relative speed: 1 at its own pace, 0 while it stands.
    pub pace: f32,
}

impl Mover {
    fn position_at(&self, time: f64) -> RoadPosition {
        let since = time - self.enters;
        let (stop, rest) = self.stop;
        let moving = since.min(stop) + (since - stop - rest).max(0.0);
        let done = moving * self.speed - (self.way - 1.0) / 2.0;
        let x = match self.direction {
            Heading::LeftToRight => done,
            Heading::RightToLeft => 1.0 - done,
        };
        let from_rest = (stop - since).max(since - stop - rest);
        let pace = if rest > 0.0 { (from_rest / 0.35).clamp(0.0, 1.0) } else { 1.0 };
        RoadPosition { x: x as f32, pace: pace as f32 }
    }

    /// Seconds from frame 0 at which it is on the middle line.
    fn crosses_at(&self) -> f64 {
        let moving = self.way / 2.0 / self.speed;
        let rest = if moving > self.stop.0 { self.stop.1 } else { 0.0 };
        self.enters + moving + rest
    }

    fn leaves_at(&self) -> f64 {
        self.enters + self.way / self.speed + self.stop.1
    }

    /// True if the two stay [`APART`] while both are on the way.
    fn keeps_clear_of(&self, other: &Mover) -> bool {
        let (from, to) = (self.enters.max(other.enters), self.leaves_at().min(other.leaves_at()));
        let above = (self.ground - self.height).max(other.ground - other.height);
        if from > to || above > self.ground.min(other.ground) + APART.1 {
            return true;
        }
        let least = (f64::from(self.width + other.width) / 2.0 + APART.0) * f64::from(SPAN_PER_WIDTH);
        let apart = |time: f64| f64::from(self.position_at(time).x - other.position_at(time).x);
        // Both move uniformly between these times, so only these need checking.
        let turns = [self, other].map(|m| [m.enters + m.stop.0, m.enters + m.stop.0 + m.stop.1]);
        let right = apart(from) > 0.0;
        [from, to].into_iter().chain(turns.into_iter().flatten().filter(|t| (from..to).contains(t))).all(
            |time| {
                let apart = apart(time);
                apart.abs() > least && (apart > 0.0) == right
            },
        )
    }

    /// True if it has crossed the middle line by `time`.
    fn is_beyond(&self, time: f64) -> bool {
        let x = self.position_at(time).x;
        match self.direction {
            Heading::LeftToRight => x > 0.5,
            Heading::RightToLeft => x < 0.5,
        }
    }
}

/// Users of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    OnFoot,
    Cycling,
    Driving,
}

#[derive(Debug)]
struct TrafficLane {
    /// Middle of the lane, 0–1 down the lowest span.
    ground: f32,
    direction: Heading,
    traffic: Traffic,
    /// Seconds in a slot, and the probability that somebody enters in it.
    slot: f64,
    chance: f64,
}

/// The lanes, the farthest first: traffic keeps to the right.
static LANES: [TrafficLane; 7] = {
    use Heading::{LeftToRight, RightToLeft};
    use Traffic::{Cycling, Driving, OnFoot};
    const fn plan_lane(
        ground: f32,
        direction: Heading,
        traffic: Traffic,
        slot: f64,
        chance: f64,
    ) -> TrafficLane {
        TrafficLane { ground, direction, traffic, slot, chance }
    }
    [
        plan_lane(0.456, LeftToRight, OnFoot, 5.0, 0.7),
        plan_lane(0.468, RightToLeft, OnFoot, 5.0, 0.7),
        plan_lane(0.580, RightToLeft, Driving, 8.0, 0.6),
        plan_lane(0.685, LeftToRight, Driving, 8.0, 0.6),
        plan_lane(0.745, LeftToRight, Cycling, 10.0, 0.5),
        plan_lane(0.930, RightToLeft, OnFoot, 4.0, 0.7),
        plan_lane(0.955, LeftToRight, OnFoot, 4.0, 0.7),
    ]
};

/// The simulated street of one seed. It keeps the act of the last request.
#[derive(Debug, Clone)]
pub(super) struct SimScene {
    seed: u64,
    act: Option<u64>,
    /// Movers of that act.
    entering: Vec<Mover>,
    hopefuls: Vec<Entrant>,
}

/// A mover that would like to enter in a slot.
#[derive(Debug, Clone)]
struct Entrant {
    /// Lower values are admitted first.
    turn: u64,
    mover: Mover,
    /// Maximum delay in seconds.
    patience: f64,
}

impl SimScene {
    pub fn new(seed: u64) -> SimScene {
        SimScene { seed, act: None, entering: Vec::with_capacity(CROWD), hopefuls: Vec::with_capacity(CROWD) }
    }

    /// Puts all who are on the way at `time` (seconds from frame 0) into `movers`, the farthest first.
    pub(crate) fn movers_at(&mut self, time: f64, movers: &mut Vec<(Mover, RoadPosition)>) {
        movers.clear();
        self.plan_act(act_at(time));
        let here = self.entering.iter().filter(|mover| mover.enters <= time && time < mover.leaves_at());
        movers.extend(here.map(|mover| (*mover, mover.position_at(time))));
        movers.sort_unstable_by(|(a, _), (b, _)| a.ground.total_cmp(&b.ground).then(a.id.cmp(&b.id)));
    }

    /// Calls `meet` for all who are on the way at some time from `from` to `to`.
    fn for_each_between(&mut self, from: f64, to: f64, mut meet: impl FnMut(&Mover)) {
        for act in act_at(from)..=act_at(to) {
            self.plan_act(act);
            self.entering.iter().filter(|m| m.enters <= to && m.leaves_at() >= from).for_each(&mut meet);
        }
    }

    /// Decides who enters in an act.
    fn plan_act(&mut self, act: u64) {
        if self.act == Some(act) {
            return;
        }
        self.act = Some(act);
        self.hopefuls.clear();
        self.entering.clear();
        for (number, lane) in LANES.iter().enumerate() {
            for slot in 0..(ACT / lane.slot) as u64 {
                let mut dice = Dice::new(self.seed, number as u64, (act << 8) + slot);
                if dice.unit_interval() >= lane.chance {
                    continue;
                }
                let begins = act as f64 * ACT - LEAD + slot as f64 * lane.slot;
                let id = ((act << 8) + slot) * LANES.len() as u64 + number as u64;
                let mover = lane.new_mover(id, begins, &mut dice);
                self.hopefuls.push(Entrant { turn: dice.next_u64(), mover, patience: lane.slot });
            }
        }
        self.hopefuls.sort_unstable_by_key(|hopeful| (hopeful.turn, hopeful.mover.id));
        let end = (act + 1) as f64 * ACT - LEAD;
        for hopeful in &self.hopefuls {
            let tries = (hopeful.patience / STEP) as u32;
            let fits = (0..tries)
                .map(|step| Mover { enters: hopeful.mover.enters + f64::from(step) * STEP, ..hopeful.mover })
                .find(|m| m.leaves_at() < end && self.entering.iter().all(|other| m.keeps_clear_of(other)));
            self.entering.extend(fits);
        }
    }
}

/// Step in seconds between tries to enter.
const STEP: f64 = 0.25;

/// The act that contains `time` (seconds from frame 0).
fn act_at(time: f64) -> u64 {
    ((time + LEAD) / ACT).floor().max(0.0) as u64
}

impl TrafficLane {
    fn new_mover(&self, id: u64, begins: f64, dice: &mut Dice) -> Mover {
        let (class, metres_per_second, aside, grown) = match self.traffic {
            // One in ten is a child.
            Traffic::OnFoot => {
                let grown =
                    if dice.unit_interval() < 0.1 { 0.68 } else { 0.93 + 0.12 * dice.unit_interval() };
                (
                    SimClass::Person,
                    1.15 + 0.45 * dice.unit_interval(),
                    0.008 * (2.0 * dice.unit_interval() - 1.0),
                    grown,
                )
            }
            Traffic::Cycling => (SimClass::Bicycle, 3.9, 0.0, 1.0),
            // One speed for all in a lane: nobody can run into the one ahead.
            Traffic::Driving => {
                (if dice.unit_interval() < 0.14 { SimClass::Bus } else { SimClass::Car }, 5.6, 0.0, 1.0)
            }
        };
        let ground = self.ground + aside as f32;
        let scale = pixels_per_metre(ground);
        let (wide, high) = class.size();
        let size = scale * grown as f32;
        let width = f64::from(wide * size * SPAN_PER_WIDTH);
        let speed = metres_per_second * f64::from(scale * SPAN_PER_WIDTH);
        let way = 1.0 + 1.2 * width;
        let enters = begins + dice.unit_interval() * self.slot;
        let mut stop = (0.0, 0.0);
        if class == SimClass::Person && dice.unit_interval() < 0.15 {
            let at = (0.1 + 0.8 * dice.unit_interval()) * way / speed;
            stop = (at, 1.5 + 3.0 * dice.unit_interval());
        }
        Mover {
            id,
            class,
            direction: self.direction,
            ground,
            width: wide * size,
            height: high * size,
            look: dice.next_u64(),
            enters,
            speed,
            way,
            stop,
        }
    }
}

/// A generator of random numbers: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, lane: u64, slot: u64) -> Dice {
        let mut dice = Dice(seed ^ lane.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.0 = dice.next_u64() ^ slot.wrapping_mul(0xa076_1d64_78bd_642f);
        dice
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A fraction: 0 ≤ x < 1.
    pub(crate) fn unit_interval(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of `choices`, which is not empty.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.next_u64() % choices.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn known_crossings_are_what_the_boxes_show_frame_by_frame() {
        for (seed, fps, first) in [(1, 30.0, 0), (2, 12.5, 0), (99, 29.97, 1_000_000)] {
            let frames = first..first + 3_000;
            let mut before: HashMap<u64, f32> = HashMap::new();
            let mut shown = Vec::new();
            for frame in frames.clone() {
                let boxes = boxes(seed, frame, fps, 1280, 720);
                let mut now = HashMap::new();
                for b in &boxes {
                    let x = (b.left + b.right) / 2.0;
                    let direction = match before.get(&b.id) {
                        Some(&was) if was <= 0.5 && x > 0.5 => Some(Heading::LeftToRight),
                        Some(&was) if was >= 0.5 && x < 0.5 => Some(Heading::RightToLeft),
                        _ => None,
                    };
                    shown.extend(direction.map(|direction| KnownCrossing {
                        frame,
                        class: b.class,
                        direction,
                        id: b.id,
                    }));
                    now.insert(b.id, x);
                }
                before = now;
            }
            shown.sort_by_key(|c| (c.frame, c.id));
            // A single frame's boxes show no crossing, hence `start + 1`.
            assert_eq!(shown, crossings(seed, frames.start + 1, frames.end, fps), "seed {seed}");
            assert!(shown.len() > 20, "seed {seed} shows only {}", shown.len());
            for direction in [Heading::LeftToRight, Heading::RightToLeft] {
                assert!(shown.iter().any(|c| c.direction == direction && c.class == SimClass::Person));
            }
        }
    }

    #[test]
    fn crossings_do_not_depend_on_the_first_frame() {
        let all = crossings(4, 0, 20_000, 30.0);
        let parts: Vec<_> =
            (0..20).flat_map(|part| crossings(4, part * 1000, part * 1000 + 1000, 30.0)).collect();
        assert_eq!(all, parts);
        let classes: std::collections::HashSet<_> = all.iter().map(|c| c.class).collect();
        assert_eq!(classes.len(), 4, "{classes:?}");
        let ids: std::collections::HashSet<_> = all.iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), all.len(), "somebody crossed twice");
    }

    #[test]
    fn an_invalid_frame_rate_has_no_crossings() {
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(crossings(1, 0, 1000, fps).is_empty());
        }
    }

    #[test]
    fn everybody_enters_from_outside_and_leaves_in_time() {
        SimScene::new(11).for_each_between(0.0, 4_000.0, |mover| {
            let (comes, goes) = (mover.position_at(mover.enters).x, mover.position_at(mover.leaves_at()).x);
            let half = mover.width * SPAN_PER_WIDTH / 2.0;
            for x in [comes, goes] {
                assert!(x + half < 0.001 || x - half > 0.999, "{mover:?} pops up at {x}");
            }
            assert!((comes < 0.5) != (goes < 0.5));
            assert!(act_at(mover.enters) == act_at(mover.leaves_at()), "{mover:?} is forgotten too early");
        });
    }

    #[test]
    fn nobody_hides_anybody_and_the_street_is_busy() {
        for seed in 1..=5 {
            let (mut scene, mut movers) = (SimScene::new(seed), Vec::new());
            let mut most = 0;
            for moment in 0..6_000 {
                scene.movers_at(f64::from(moment) * 0.1, &mut movers);
                most = most.max(movers.len());
                for (at, (a, here)) in movers.iter().enumerate() {
                    for (b, there) in &movers[at + 1..] {
                        let beside = (here.x - there.x).abs() / SPAN_PER_WIDTH - (a.width + b.width) / 2.0;
                        let above = (a.ground - a.height).max(b.ground - b.height) - a.ground.min(b.ground);
                        let clear = beside > APART.0 as f32 - 0.001 || above > APART.1 - 0.001;
                        assert!(clear, "at {moment}: {a:?} is in {b:?}");
                    }
                }
            }
            assert!((3..CROWD / 2).contains(&most), "{most} at once");
            let a_minute = crossings(seed, 0, 18_000, 30.0).len() / 10;
            assert!((12..=40).contains(&a_minute), "{a_minute} cross in a minute");
        }
    }

    #[test]
    fn a_moment_does_not_depend_on_earlier_requests() {
        let (mut forwards, mut backwards) = (SimScene::new(8), SimScene::new(8));
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let moments = || (0..400).map(|n| f64::from(n) * 2.9);
        let mut seen: Vec<_> = moments()
            .map(|time| {
                forwards.movers_at(time, &mut here);
                here.clone()
            })
            .collect();
        for time in moments().rev() {
            backwards.movers_at(time, &mut there);
            assert_eq!(seen.pop().as_ref(), Some(&there), "at {time}");
        }
    }

    #[test]
    fn farther_figures_are_smaller_and_come_first() {
        let mut most = 0;
        for frame in (0..3_000).step_by(50) {
            let boxes = boxes(1, frame, 30.0, 1920, 1080);
            most = most.max(boxes.len());
            assert!(boxes.windows(2).all(|two| two[0].bottom <= two[1].bottom));
        }
        assert!(most > 2);
        assert!(pixels_per_metre(0.5) < pixels_per_metre(0.9));
    }
}
