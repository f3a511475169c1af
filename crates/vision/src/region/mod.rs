//! Chooses the part of each frame that a detector gets: the whole frame, or a region around lines and zones.
//!
//! ```text
//! lines, zones ─► plan ─► regions ─► one with motion, in turns ─► boxes, mapped back to the frame
//! ```
//!
//! [`RegionSchedule::detect`] does all of it for one frame; its caller provides the frame and the detector.

pub(super) mod plan;

use super::counter::{Counter, Outcome};
use super::detection::{Class, Detection};
use super::detector::Detector;
use super::geometry::Bounds;
use super::motion::MotionGate;
pub use plan::RegionShape;
use plan::{RegionNeed, RegionPlan};
use tallycam_camera::media::{Geometry, SmallImage};

/// One frame of this many is detected as a whole, so that objects away from lines are shown too.
const WHOLE_SHARE: u64 = 20;
/// Weight of an observation in a whole frame, if most frames are of regions.
const WHOLE_WEIGHT: i32 = 5;
/// Longest time between two detections in a region without motion: somebody may stand there. Microseconds.
const LOOK_WITHIN_US: u64 = 10_000_000;
/// Longest time between two detections on the whole frame while all tracks stand. Microseconds.
const STANDING_WITHIN_US: u64 = 1_000_000;
/// While every region has a track, the gate gets one frame of this many, to keep its background current.
const GATE_EVERY: u64 = 5;
const NOWHERE: Bounds = Bounds::new(1.0, 1.0, 0.0, 0.0);

/// `[detect] region`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegionMode {
    /// Around lines and zones.
    Line,
    /// The whole frame.
    #[default]
    Picture,
    /// Depends on each line's classes: its surroundings, the whole frame for vehicles, or both in turns.
    Classes,
}

impl RegionMode {
    /// Each mode and its word in a description.
    pub const WORDS: [(&'static str, RegionMode); 3] =
        [("line", RegionMode::Line), ("picture", RegionMode::Picture), ("classes", RegionMode::Classes)];
}

/// A frame to run the detector on.
pub trait ReadPicture {
    /// Error of reading.
    type Error;

    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    /// Time of the frame, in microseconds of a clock that does not go back.
    fn time_us(&self) -> u64;

    /// Reads a `region` of it (in fractions) with at least this width and height in pixels.
    ///
    /// # Errors
    /// The frame cannot be read.
    fn read(&mut self, region: &Bounds, least: (u32, u32)) -> Result<&SmallImage, Self::Error>;
}

/// Chooses the region of each frame.
#[derive(Debug)]
pub struct RegionSchedule {
    mode: RegionMode,
    /// The frame size that the plan is for; `None` if the lines have changed since.
    planned_for: Option<(u32, u32)>,
    /// The whole frame takes turns with the regions, because a line or zone counts vehicles.
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

/// A run of whole frames, long enough to confirm a track.
#[derive(Debug, Default)]
struct WholeRun {
    is_running: bool,
    since_us: u64,
    pictures: u64,
    /// Frames since its end.
    others: u64,
}

impl WholeRun {
    /// True if the frame of this time is detected as a whole, as one in [`WHOLE_SHARE`] is. Confirming a track needs
    /// `hits` detections and this age.
    fn has_turn(&mut self, time_us: u64, (hits, age_us): (u64, u64)) -> bool {
        if !self.is_running {
            self.others += 1;
            if self.others < (WHOLE_SHARE - 1) * self.pictures.max(hits) {
                return false;
            }
            // The next frame starts a run.
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
    /// A schedule without a plan.
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

    /// Processes the next frame: chooses a region, reads it, calls `detect` to fill a list with its detections (in
    /// fractions of the region), and counts. Skips `detect` if nothing moves there. After a change of lines, zones or
    /// size, `detector` may reload its network for another shape, which takes seconds.
    ///
    /// # Errors
    /// Those of the frame and of `detect`.
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
        // Only a whole frame shows objects larger than a region completely, and whole frames are few.
        let is_rare = region == Bounds::PICTURE && !self.plan.regions.contains(&Bounds::PICTURE);
        self.observe(&outcome, if is_rare { WHOLE_WEIGHT } else { 1 }, size, detector);
        Ok(outcome)
    }

    /// Adapts the regions to the size of the objects at the lines.
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

    /// The region of a frame of `size`, in fractions; `None` if no detection is needed. `read` gives the whole frame
    /// with at least this width and height in pixels.
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
                // Some object always stands somewhere: that needs only an occasional detection.
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
        // The region that has waited longest.
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

    /// Plans for the needs. With `keeps_shape`, a network loaded for squares stays loaded if objects become too large
    /// for regions: loading takes seconds, and objects may shrink again.
    fn make_plan(&mut self, size: (u32, u32), detector: &mut dyn Detector, keeps_shape: bool) {
        self.needs.iter_mut().for_each(RegionNeed::set_planned);
        let needs = &self.needs;
        // Rectangles of any shape, then squares, then the whole frame, which every detector accepts.
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

    /// Restarts after a cut in the frames.
    pub fn restart(&mut self) {
        self.gate.restart();
        self.looked_us.fill(None);
    }

    /// Least size of the whole frame (now of `size`) at which each region has its least size.
    pub fn least_size(&self, size: (u32, u32), detector: &dyn Detector) -> (u32, u32) {
        let least = self.plan.regions.iter().map(|region| {
            let (width, height) = pixels(region, size);
            region_size(region, size, detector.least_size(width, height))
        });
        least.fold((1, 1), |most, (width, height)| (most.0.max(width), most.1.max(height)))
    }
}

/// Least size of the whole frame (now of `size`) at which `region` has at least `least`.
pub fn region_size(region: &Bounds, size: (u32, u32), least: (u32, u32)) -> (u32, u32) {
    let part = pixels(region, size);
    let whole = |least: u32, part: u32, all: u32| {
        (u64::from(least) * u64::from(all)).div_ceil(u64::from(part.max(1))).min(u64::from(all)) as u32
    };
    (whole(least.0, part.0, size.0), whole(least.1, part.1, size.1))
}

/// Width and height in pixels of a region of a frame of `size`.
fn pixels(region: &Bounds, size: (u32, u32)) -> (u32, u32) {
    let across = |share: f32, all: u32| ((share * all as f32).round() as u32).max(1);
    (across(region.width(), size.0), across(region.height(), size.1))
}

/// The crop for `region`.
pub fn region_geometry(region: &Bounds) -> Geometry {
    if *region == Bounds::PICTURE {
        return Geometry::default();
    }
    let [left, top, right, bottom] = [region.left, region.top, region.right, region.bottom].map(f64::from);
    Geometry { crop: Some([left, top, right - left, bottom - top]), ..Geometry::default() }
}

/// Converts boxes from fractions of `region` to fractions of the frame.
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
