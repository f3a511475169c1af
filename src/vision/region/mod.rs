//! Which part of each picture a detector is given: all of it, or a region around lines and zones.
//!
//! ```text
//! lines, zones ─► plan ─► regions ─► a region where something moves, in turns ─► boxes, mapped back to the picture
//! ```
//!
//! [`RegionSchedule::detect`] does all of it for one picture; its caller reads the picture and runs the detector.

pub mod plan;

use super::counter::{Counter, Outcome};
use super::detection::{Class, Detection};
use super::detector::Detector;
use super::geometry::Bounds;
use super::motion::MotionGate;
use crate::media::{Geometry, SmallImage};
use plan::{RegionNeed, RegionPlan, RegionShape};

/// One picture of this many is detected as a whole, so that things away from lines are shown too.
const WHOLE_SHARE: u64 = 20;
/// What is seen in a whole picture counts as seen this many times, where most pictures are of regions.
const WHOLE_WEIGHT: i32 = 5;
/// Longest time between two detections in a region where nothing moves: somebody may stand there. Microseconds.
const LOOK_WITHIN_US: u64 = 10_000_000;
/// Longest time between two detections on the whole picture while all that is followed stands. Microseconds.
const STANDING_WITHIN_US: u64 = 1_000_000;
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
    /// Each line's classes decide: its surroundings, the whole picture for vehicles, both by turns for both.
    Classes,
}

impl RegionMode {
    /// Each mode and its word in a description.
    pub const WORDS: [(&'static str, RegionMode); 3] =
        [("line", RegionMode::Line), ("picture", RegionMode::Picture), ("classes", RegionMode::Classes)];
}

/// A picture that is to be looked at.
pub trait ReadPicture {
    /// Why it was not.
    type Error;

    /// Its width and height.
    fn size(&self) -> (u32, u32);

    /// When it was taken, in microseconds of a clock that does not go back.
    fn time_us(&self) -> u64;

    /// A `region` of it, in fractions, with at least this many pixels a row and rows.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&mut self, region: &Bounds, least: (u32, u32)) -> Result<&SmallImage, Self::Error>;
}

/// Chooses the region of each picture.
#[derive(Debug)]
pub struct RegionSchedule {
    mode: RegionMode,
    /// The size of the pictures that the plan is for; `None` if the lines have changed since.
    planned_for: Option<(u32, u32)>,
    /// The whole picture takes turns with the regions, because a line or zone counts vehicles.
    has_picture_turn: bool,
    needs: Vec<RegionNeed>,
    plan: RegionPlan,
    /// Time of the last detection in each region.
    looked_us: Vec<Option<u64>>,
    pictures: u64,
    whole: WholeRun,
    /// Used only for a detector that waits for motion.
    gate: MotionGate,
    found: Vec<Detection>,
}

/// Whole pictures that follow one another, enough of them for a track to be confirmed.
#[derive(Debug, Default)]
struct WholeRun {
    is_running: bool,
    since_us: u64,
    pictures: u64,
    /// Pictures since its end.
    others: u64,
}

impl WholeRun {
    /// Whether the picture of this time is detected as a whole: one in [`WHOLE_SHARE`]. A track needs `hits`, and this
    /// age.
    fn has_turn(&mut self, time_us: u64, (hits, age_us): (u64, u64)) -> bool {
        if !self.is_running {
            self.others += 1;
            if self.others < (WHOLE_SHARE - 1) * self.pictures.max(hits) {
                return false;
            }
            // The next one begins it.
            *self = WholeRun { is_running: true, ..WholeRun::default() };
            return false;
        }
        if self.pictures == 0 {
            self.since_us = time_us;
        }
        self.pictures += 1;
        self.is_running = self.pictures < hits || time_us.saturating_sub(self.since_us) < age_us;
        true
    }
}

impl RegionSchedule {
    /// A schedule that has planned nothing yet.
    pub fn new(mode: RegionMode) -> RegionSchedule {
        RegionSchedule {
            mode,
            planned_for: None,
            has_picture_turn: false,
            needs: Vec::new(),
            plan: RegionPlan::picture(),
            looked_us: Vec::new(),
            pictures: 0,
            whole: WholeRun::default(),
            gate: MotionGate::default(),
            found: Vec::new(),
        }
    }

    /// Lines or zones have changed.
    pub fn replan(&mut self) {
        self.planned_for = None;
    }

    /// Looks at the next picture: chooses a region, reads it, has `detect` leave in a list what is in it (in fractions
    /// of the region), and counts. Does not call `detect` if nothing moves there. After a change of lines, zones or
    /// size, `detector` may load its network for another shape, which takes seconds.
    ///
    /// # Errors
    /// Those of the picture and of `detect`.
    pub fn detect<P: ReadPicture>(
        &mut self,
        picture: &mut P,
        detector: &mut dyn Detector,
        counter: &mut Counter,
        detect: impl FnOnce(&mut dyn Detector, &SmallImage, &Bounds, &mut Vec<Detection>) -> Result<(), P::Error>,
    ) -> Result<Outcome, P::Error> {
        let (size, time_us) = (picture.size(), picture.time_us());
        let next =
            self.next(size, time_us, detector, counter, |least| picture.read(&Bounds::PICTURE, least))?;
        let Some(region) = next else {
            return Ok(counter.update_region(&[], time_us, &NOWHERE));
        };
        let (width, height) = pixels(&region, size);
        let image = picture.read(&region, detector.least_size(width, height))?;
        detect(detector, image, &region, &mut self.found)?;
        to_picture_coordinates(&mut self.found, &region);
        let outcome = counter.update_region(&self.found, time_us, &region);
        // Only a whole picture shows all of what is larger than a region, and there are few.
        let is_rare = region == Bounds::PICTURE && !self.plan.regions.contains(&Bounds::PICTURE);
        self.observe(&outcome, if is_rare { WHOLE_WEIGHT } else { 1 }, size, detector);
        Ok(outcome)
    }

    /// Makes regions as large as the things at the lines need.
    fn observe(&mut self, outcome: &Outcome, looks: i32, size: (u32, u32), detector: &mut dyn Detector) {
        let (width, height) = (size.0 as f32, size.1 as f32);
        for b in outcome.overlay.tracks.iter().filter(|track| track.in_sight).map(|track| track.bounds) {
            let seen = Bounds::new(b.left * width, b.top * height, b.right * width, b.bottom * height);
            self.needs.iter_mut().for_each(|need| need.observe(&seen, looks));
        }
        if self.needs.iter().any(RegionNeed::needs_plan) {
            self.make_plan(size, detector, true);
        }
    }

    /// The region of a picture of `size`, in fractions; `None` if the detector is not needed. `read` gives the whole
    /// picture with at least this many pixels a row and rows.
    fn next<'a, E>(
        &mut self,
        size: (u32, u32),
        time_us: u64,
        detector: &mut dyn Detector,
        counter: &Counter,
        read: impl FnOnce((u32, u32)) -> Result<&'a SmallImage, E>,
    ) -> Result<Option<Bounds>, E> {
        if self.planned_for != Some(size) {
            self.plan(size, counter, detector);
        }
        self.pictures += 1;
        let waits = detector.waits_for_motion();
        let has_picture_turn = self.has_picture_turn;
        let is_followed =
            |region: &Bounds, since_us: u64| match has_picture_turn && *region == Bounds::PICTURE {
                // Something always stands somewhere: it is looked at now and then.
                true => {
                    counter.has_moving_track()
                        || since_us >= STANDING_WITHIN_US && counter.has_track_within(region)
                }
                false => counter.has_track_within(region),
            };
        if waits {
            let is_busy = self.plan.regions.iter().all(|region| is_followed(region, 0));
            if !is_busy || self.pictures.is_multiple_of(GATE_EVERY) {
                self.gate.observe(read(MotionGate::least_size(size))?);
            }
        }
        let is_due = |region: &Bounds, since_us: u64| {
            let is_overdue = since_us >= LOOK_WITHIN_US;
            !waits || is_overdue || self.gate.has_motion_in(region) || is_followed(region, since_us)
        };
        let has_rare_turn = !self.plan.regions.contains(&Bounds::PICTURE) && is_due(&Bounds::PICTURE, 0);
        if has_rare_turn && self.whole.has_turn(time_us, counter.confirmation()) {
            return Ok(Some(Bounds::PICTURE));
        }
        // The one that has waited longest.
        let waits = self.looked_us.iter().map(|at| at.map_or(u64::MAX, |at| time_us.saturating_sub(at)));
        let waits = self.plan.regions.iter().zip(waits).enumerate();
        let due = waits.filter(|(_, (region, since_us))| is_due(region, *since_us));
        let next = due.max_by_key(|(_, (_, since_us))| *since_us).map(|(at, _)| at);
        let Some(next) = next else { return Ok(None) };
        self.looked_us[next] = Some(time_us);
        Ok(Some(self.plan.regions[next]))
    }

    fn plan(&mut self, size: (u32, u32), counter: &Counter, detector: &mut dyn Detector) {
        self.planned_for = Some(size);
        let is_near = |classes: &[Class]| match self.mode {
            RegionMode::Line => true,
            RegionMode::Picture => false,
            RegionMode::Classes => counter.may_count(classes, false),
        };
        let lines = counter.lines().filter(|line| is_near(&line.classes));
        let lines = lines.map(|line| RegionNeed::from_line(line.start(), line.b(), size));
        let zones = counter.zones().filter(|zone| is_near(&zone.classes));
        let zones = zones.map(|zone| RegionNeed::from_area(zone.area.corners(), size));
        self.needs = lines.chain(zones).flatten().collect();
        let lines = counter.lines().map(|line| &line.classes);
        let mut all = lines.chain(counter.zones().map(|zone| &zone.classes));
        self.has_picture_turn =
            self.mode == RegionMode::Classes && all.any(|classes| counter.may_count(classes, true));
        self.make_plan(size, detector, false);
    }

    /// Plans for the needs. If things grew too large for regions (`keeps_shape`), the network stays as it is loaded for
    /// squares: loading takes seconds, and things may shrink again.
    fn make_plan(&mut self, size: (u32, u32), detector: &mut dyn Detector, keeps_shape: bool) {
        self.needs.iter_mut().for_each(RegionNeed::set_planned);
        let needs = &self.needs;
        // Rectangles of any shape, then squares, then what every detector can use.
        let mut plans = [RegionPlan::new(needs, size, true), RegionPlan::new(needs, size, false)];
        if keeps_shape && self.plan.shape == RegionShape::Square {
            let too_large = plans.iter_mut().filter(|plan| plan.shape == RegionShape::Picture);
            too_large.for_each(|plan| plan.shape = RegionShape::Square);
        }
        let taken = plans.into_iter().find(|plan| detector.set_region(self.mode, plan.shape, size));
        self.plan = taken.unwrap_or_else(|| {
            let picture = RegionPlan::picture();
            detector.set_region(self.mode, picture.shape, size);
            picture
        });
        if self.has_picture_turn && self.plan.regions != [Bounds::PICTURE] {
            self.plan.regions.push(Bounds::PICTURE);
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
        let least = self.plan.regions.iter().map(|region| {
            let (width, height) = pixels(region, size);
            picture_size(region, size, detector.least_size(width, height))
        });
        least.fold((1, 1), |most, (width, height)| (most.0.max(width), most.1.max(height)))
    }
}

/// The least size of the whole picture, which is of `size`, at which `region` has at least `least`.
pub fn picture_size(region: &Bounds, size: (u32, u32), least: (u32, u32)) -> (u32, u32) {
    let part = pixels(region, size);
    let whole = |least: u32, part: u32, all: u32| {
        (u64::from(least) * u64::from(all)).div_ceil(u64::from(part.max(1))).min(u64::from(all)) as u32
    };
    (whole(least.0, part.0, size.0), whole(least.1, part.1, size.1))
}

/// Width and height of a region of a picture of `size`.
fn pixels(region: &Bounds, size: (u32, u32)) -> (u32, u32) {
    let across = |share: f32, all: u32| ((share * all as f32).round() as u32).max(1);
    (across(region.width(), size.0), across(region.height(), size.1))
}

/// The crop that is `region`.
pub fn geometry(region: &Bounds) -> Geometry {
    if *region == Bounds::PICTURE {
        return Geometry::default();
    }
    let [left, top, right, bottom] = [region.left, region.top, region.right, region.bottom].map(f64::from);
    Geometry { crop: Some([left, top, right - left, bottom - top]), ..Geometry::default() }
}

/// Converts boxes from fractions of `region` to fractions of the picture.
fn to_picture_coordinates(found: &mut [Detection], region: &Bounds) {
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
