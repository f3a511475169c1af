//! Which part of each picture a detector is given: all of it, or a region around lines and zones.
//!
//! ```text
//! lines, zones ─► plan ─► regions ─► a region where something moves, in turns ─► boxes, mapped back to the picture
//! ```
//!
//! [`RegionSchedule`] chooses the region of the next picture, and skips pictures in which nothing moves. Its caller decodes
//! the region.

pub mod plan;

use super::counter::{Counter, Outcome};
use super::detection::Detection;
use super::detector::Detector;
use super::geometry::{Bounds, Point};
use super::motion::MotionGate;
use crate::media::{Geometry, SmallImage};
use plan::{RegionNeed, RegionPlan};

/// One picture of this many is detected as a whole, so that things away from lines are shown too.
pub const WHOLE_EVERY: u64 = 20;
/// Longest time between two detections in a region where nothing moves: somebody may stand there. Microseconds.
const LOOK_WITHIN_US: u64 = 10_000_000;
/// While every region has a track, the gate gets one picture of this many: its background stays current.
const GATE_EVERY: u64 = 5;
/// No part of the picture.
const NOWHERE: Bounds = Bounds::new(1.0, 1.0, 0.0, 0.0);

/// `[detect] region`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionMode {
    /// Around lines and zones.
    Line,
    /// The whole picture.
    #[default]
    Picture,
}

impl RegionMode {
    /// Both with their words in configuration and descriptions.
    pub const WORDS: [(&'static str, RegionMode); 2] =
        [("line", RegionMode::Line), ("picture", RegionMode::Picture)];
}

/// Chooses the region of each picture.
#[derive(Debug)]
pub struct RegionSchedule {
    mode: RegionMode,
    lines: Vec<[Point; 2]>,
    areas: Vec<Vec<Point>>,
    size: (u32, u32),
    plan: RegionPlan,
    is_planned: bool,
    /// Time of the last detection in each region.
    looked_us: Vec<Option<u64>>,
    pictures: u64,
    turn: usize,
    /// Used only for a detector that waits for motion.
    gate: MotionGate,
}

impl RegionSchedule {
    /// A schedule without lines: the whole picture.
    pub fn new(mode: RegionMode) -> RegionSchedule {
        RegionSchedule {
            mode,
            lines: Vec::new(),
            areas: Vec::new(),
            size: (0, 0),
            plan: RegionPlan::picture(),
            is_planned: false,
            looked_us: Vec::new(),
            pictures: 0,
            turn: 0,
            gate: MotionGate::default(),
        }
    }

    /// Whether regions are around lines.
    pub fn watches_regions_only(&self) -> bool {
        self.mode == RegionMode::Line
    }

    /// The lines and zones in force are now those of `counter`.
    pub fn set_lines(&mut self, counter: &Counter) {
        self.lines = counter.lines().map(|line| [line.start(), line.b()]).collect();
        self.areas = counter.zones().map(|zone| zone.area.corners().to_vec()).collect();
        self.is_planned = false;
    }

    /// The region of a picture of `size`, in fractions; `None` if the detector is not needed. After a change of lines, zones
    /// or size, `detector` may load its network for another shape, which takes seconds. `read` gives the whole picture
    /// with at least this many pixels a row and rows.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn next<'a, E>(
        &mut self,
        size: (u32, u32),
        time_us: u64,
        detector: &mut dyn Detector,
        counter: &Counter,
        read: impl FnOnce((u32, u32)) -> Result<&'a SmallImage, E>,
    ) -> Result<Option<Bounds>, E> {
        if !self.is_planned || self.size != size {
            self.plan(size, detector);
        }
        self.pictures += 1;
        let waits = detector.waits_for_motion();
        if waits {
            let is_busy = self.plan.regions.iter().all(|region| counter.has_track_within(region));
            if !is_busy || self.pictures.is_multiple_of(GATE_EVERY) {
                self.gate.observe(read(MotionGate::least_size(size))?);
            }
        }
        let is_due = |region: &Bounds, looked_us: Option<u64>| {
            let is_overdue = looked_us.is_none_or(|at| time_us.saturating_sub(at) >= LOOK_WITHIN_US);
            !waits || is_overdue || self.gate.has_motion_in(region) || counter.has_track_within(region)
        };
        let count = self.plan.regions.len();
        let mut turns = (1..=count).map(|ahead| (self.turn + ahead) % count);
        let next = turns.find(|&at| is_due(&self.plan.regions[at], self.looked_us[at]));
        if self.pictures.is_multiple_of(WHOLE_EVERY) && is_due(&Bounds::PICTURE, Some(time_us)) {
            return Ok(Some(Bounds::PICTURE));
        }
        let Some(next) = next else { return Ok(None) };
        self.turn = next;
        self.looked_us[next] = Some(time_us);
        Ok(Some(self.plan.regions[next]))
    }

    fn plan(&mut self, size: (u32, u32), detector: &mut dyn Detector) {
        (self.size, self.is_planned, self.turn) = (size, true, 0);
        let needs: Vec<RegionNeed> = match self.mode {
            RegionMode::Picture => Vec::new(),
            RegionMode::Line => {
                let lines = self.lines.iter().filter_map(|&[a, b]| RegionNeed::from_line(a, b, size));
                lines
                    .chain(self.areas.iter().filter_map(|corners| RegionNeed::from_area(corners, size)))
                    .collect()
            }
        };
        self.plan = RegionPlan::new(&needs, size, true);
        if !detector.set_region(self.mode, self.plan.shape) {
            self.plan = RegionPlan::new(&needs, size, false);
            detector.set_region(self.mode, self.plan.shape);
        }
        self.looked_us = vec![None; self.plan.regions.len()];
    }

    /// Starts over after a cut in the pictures.
    pub fn restart(&mut self) {
        self.gate.restart();
        self.looked_us.fill(None);
    }

    /// The least size of the whole picture, which is of `size`, at which each region has its least.
    pub fn least_size(&self, size: (u32, u32), detector: &dyn Detector) -> (u32, u32) {
        let least = self.plan.regions.iter().map(|region| least_picture_size(region, size, detector));
        least.fold((1, 1), |most, (width, height)| (most.0.max(width), most.1.max(height)))
    }
}

/// Updates `counter` for a picture without detection: time passes, and no track counts as missed.
pub fn skip_picture(counter: &mut Counter, time_us: u64) -> Outcome {
    counter.update_region(&[], time_us, &NOWHERE)
}

/// The least size at which `detector` needs `region` of a picture of `size`.
pub fn least_region_size(region: &Bounds, size: (u32, u32), detector: &dyn Detector) -> (u32, u32) {
    let (width, height) = pixels(region, size);
    detector.least_size(width, height)
}

/// The least size of the whole picture, which is of `size`, at which `region` has its least.
pub fn least_picture_size(region: &Bounds, size: (u32, u32), detector: &dyn Detector) -> (u32, u32) {
    let part = pixels(region, size);
    let (width, height) = least_region_size(region, size, detector);
    let whole = |least: u32, part: u32, all: u32| {
        (u64::from(least) * u64::from(all)).div_ceil(u64::from(part.max(1))).min(u64::from(all)) as u32
    };
    (whole(width, part.0, size.0), whole(height, part.1, size.1))
}

/// Width and height of a region of a picture of `size`.
pub fn pixels(region: &Bounds, size: (u32, u32)) -> (u32, u32) {
    let across = |share: f32, all: u32| ((share * all as f32).round() as u32).max(1);
    (across(region.width(), size.0), across(region.height(), size.1))
}

/// The crop that is `region`.
pub fn geometry(region: &Bounds) -> Geometry {
    let [left, top, right, bottom] = [region.left, region.top, region.right, region.bottom].map(f64::from);
    Geometry { crop: Some([left, top, right - left, bottom - top]), ..Geometry::default() }
}

/// Converts boxes from fractions of `region` to fractions of the picture.
pub fn to_picture_coordinates(found: &mut [Detection], region: &Bounds) {
    let (width, height) = (region.width(), region.height());
    for Detection { bounds: b, .. } in found {
        *b = Bounds::new(
            region.left + b.left * width,
            region.top + b.top * height,
            region.left + b.right * width,
            region.top + b.bottom * height,
        );
    }
}

#[cfg(test)]
mod tests;
