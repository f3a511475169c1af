//! Finds out whether and where anything moves, before a network runs: a network costs a hundred times as much.

use super::change::ChangeFinder;
use crate::geometry::Bounds;
use crate::onnx::input::light::GainOffset;
use tallycam_camera::media::SmallImage;

/// Sufficient pixels a row.
const ENOUGH: u32 = 160;
/// Regions of fewer pixels are noise.
const LEAST_AREA: f32 = 3.0;
/// Margin around moving regions, in fractions of the frame: the edges of an object may have the ground's colour.
const MARGIN: f32 = 0.02;
/// Time after a start in which everything counts as moving: the background still contains moving objects. Seconds.
const SETTLING_S: f32 = 2.0;

/// Finds where something moves. It is more sensitive than [`MotionDetector`](super::MotionDetector): motion that it
/// misses is not counted.
#[derive(Debug, Default)]
pub struct MotionGate {
    change: ChangeFinder,
    moving: Vec<Bounds>,
}

impl MotionGate {
    /// Least width and height to which a frame of this size is reduced.
    pub fn least_size(size: (u32, u32)) -> (u32, u32) {
        ChangeFinder::least_size(size, ENOUGH)
    }

    /// Takes in the next frame.
    pub fn observe(&mut self, image: &SmallImage) {
        self.moving.clear();
        // Around lines, the network gets a dull frame stretched and finds objects that hardly differ from the ground.
        self.change.measure(image, GainOffset::contrast_stretch(image).gain);
        if self.change.settled_s() < SETTLING_S {
            self.moving.push(Bounds::PICTURE);
            return;
        }
        let (width, height) = (image.width as f32, image.height as f32);
        let found = self.change.all_regions().iter().filter(|region| region.area >= LEAST_AREA);
        self.moving.extend(found.map(|region| {
            let b = region.bounds;
            let (left, right) = (b.left / width - MARGIN, b.right / width + MARGIN);
            Bounds::new(left, b.top / height - MARGIN, right, b.bottom / height + MARGIN)
        }));
    }

    /// True if something moves within `region`, in fractions of the frame.
    pub(crate) fn has_motion_in(&self, region: &Bounds) -> bool {
        self.moving.iter().any(|moving| moving.intersection_area(region) > 0.0)
    }

    /// Forgets the background.
    pub fn restart(&mut self) {
        self.change.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_base::ClockTime;

    const WIDTH: usize = 160;
    const HEIGHT: usize = 90;

    /// The frame at a time in tenths of a second, as light as `ground`, with a dark object of 4 × 8 pixels at `x`.
    fn image(tenth: u64, ground: u8, x: Option<usize>) -> SmallImage {
        let mut y = vec![ground; WIDTH * HEIGHT];
        if let Some(x) = x {
            (40..48).for_each(|row| y[row * WIDTH + x..row * WIDTH + x + 4].fill(ground / 2));
        }
        let stamp = ClockTime { monotonic_us: tenth * 100_000, wall_us: 0, wall_trusted: false };
        SmallImage { width: WIDTH, height: HEIGHT, y, of: (1280, 720), stamp, ..SmallImage::empty() }
    }

    fn settled() -> MotionGate {
        let mut gate = MotionGate::default();
        (0..40).for_each(|tenth| gate.observe(&image(tenth, 120, None)));
        gate
    }

    #[test]
    fn a_still_frame_has_no_motion_and_the_first_frames_have_motion_everywhere() {
        let mut gate = MotionGate::default();
        gate.observe(&image(0, 120, None));
        assert!(gate.has_motion_in(&Bounds::new(0.9, 0.9, 1.0, 1.0)));
        assert!(!settled().has_motion_in(&Bounds::PICTURE));
    }

    #[test]
    fn motion_is_located_in_the_first_frame_that_shows_it() {
        let mut gate = settled();
        gate.observe(&image(40, 120, Some(20)));
        assert!(gate.has_motion_in(&Bounds::new(0.0, 0.3, 0.3, 0.7)));
        assert!(!gate.has_motion_in(&Bounds::new(0.5, 0.0, 1.0, 1.0)));
    }

    #[test]
    fn somebody_far_away_and_somebody_in_the_dark_are_seen() {
        // One pixel wide and four high, like a person of 8 × 32 pixels in a frame 1280 wide.
        let mut gate = settled();
        let mut far = image(40, 120, None);
        (40..44).for_each(|row| far.y[row * WIDTH + 20] = 60);
        gate.observe(&far);
        assert!(gate.has_motion_in(&Bounds::new(0.0, 0.3, 0.3, 0.7)));
        // Four levels of contrast in a frame that has twenty.
        let night = |tenth, x| {
            let mut night = image(tenth, 20, x);
            night.y.iter_mut().for_each(|y| *y = if *y == 10 { 16 } else { 20 });
            night
        };
        let mut gate = MotionGate::default();
        (0..40).for_each(|tenth| gate.observe(&night(tenth, None)));
        assert!(!gate.has_motion_in(&Bounds::PICTURE));
        gate.observe(&night(40, Some(20)));
        assert!(gate.has_motion_in(&Bounds::new(0.0, 0.3, 0.3, 0.7)));
    }

    #[test]
    fn a_switched_on_light_and_a_pause_open_the_gate() {
        let mut gate = settled();
        gate.observe(&image(40, 240, None));
        assert!(gate.has_motion_in(&Bounds::new(0.9, 0.9, 1.0, 1.0)));
        let mut gate = settled();
        gate.observe(&image(140, 120, None));
        assert!(gate.has_motion_in(&Bounds::new(0.9, 0.9, 1.0, 1.0)), "much may have changed in ten seconds");
    }
}
