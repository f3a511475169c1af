//! Whether anything moves, and where: asked before a network is, which costs a hundred times as much.

use super::background::{Background, Colour};
use super::regions::Regions;
use super::{LONGEST_PAUSE_S, colours_of};
use crate::media::SmallImage;
use crate::vision::geometry::Bounds;

/// Pixels a row that are enough.
const ENOUGH: u32 = 160;
/// What has fewer pixels is noise.
const LEAST_AREA: f32 = 3.0;
/// What moves is taken for so much larger on each side, in fractions of the picture: its edges may be of the ground's colour.
const MARGIN: f32 = 0.02;
/// For so long after a beginning everything moves: what does is in the background still. Seconds.
const SETTLING_S: f32 = 2.0;

/// Sees where something moves, more easily than [`MotionDetector`](super::MotionDetector): what it misses nobody counts.
#[derive(Debug, Default)]
pub struct MotionGate {
    background: Background,
    regions: Regions,
    colours: Vec<Colour>,
    foreground: Vec<u8>,
    size: (usize, usize),
    newest_us: Option<u64>,
    settled: f32,
    moving: Vec<Bounds>,
}

impl MotionGate {
    /// The least width and height that a picture of this size is to be reduced to.
    pub fn least_size((width, height): (u32, u32)) -> (u32, u32) {
        let wide = width.min(ENOUGH);
        (wide, (u64::from(height) * u64::from(wide) / u64::from(width.max(1))) as u32)
    }

    /// Looks at the next picture.
    pub fn look(&mut self, image: &SmallImage) {
        let now_us = image.stamp.monotonic_us;
        let before_us = self.newest_us.replace(now_us).unwrap_or(now_us);
        let seconds = now_us.saturating_sub(before_us) as f32 / 1e6;
        if self.size != (image.width, image.height) || seconds > LONGEST_PAUSE_S {
            self.restart();
            self.newest_us = Some(now_us);
            self.size = (image.width, image.height);
        }
        colours_of(image, &mut self.colours);
        self.moving.clear();
        let is_known = self.background.look(&self.colours, seconds.max(0.001), &mut self.foreground);
        self.settled = if is_known { self.settled + seconds } else { 0.0 };
        if self.settled < SETTLING_S {
            self.moving.push(Bounds::PICTURE);
            return;
        }
        self.regions.find(&mut self.foreground, image.width);
        let (width, height) = (image.width as f32, image.height as f32);
        let found = self.regions.found.iter().filter(|region| region.area >= LEAST_AREA);
        self.moving.extend(found.map(|region| {
            let b = region.bounds;
            let (left, right) = (b.left / width - MARGIN, b.right / width + MARGIN);
            Bounds::new(left, b.top / height - MARGIN, right, b.bottom / height + MARGIN)
        }));
    }

    /// Whether something moves within `region`, in fractions of the picture.
    pub fn moves_in(&self, region: &Bounds) -> bool {
        self.moving.iter().any(|moving| moving.shared_area(region) > 0.0)
    }

    /// Forgets the background.
    pub fn restart(&mut self) {
        *self = MotionGate { foreground: std::mem::take(&mut self.foreground), ..MotionGate::default() };
        self.moving.push(Bounds::PICTURE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;

    const WIDTH: usize = 160;
    const HEIGHT: usize = 90;

    /// The picture at a time in tenths of a second, as light as `ground`, with a dark thing of 4 × 8 pixels at `x`.
    fn image(tenth: u64, ground: u8, x: Option<usize>) -> SmallImage {
        let mut y = vec![ground; WIDTH * HEIGHT];
        if let Some(x) = x {
            (40..48).for_each(|row| y[row * WIDTH + x..row * WIDTH + x + 4].fill(ground / 2));
        }
        let stamp = Stamp { monotonic_us: tenth * 100_000, wall_us: 0, wall_trusted: false };
        SmallImage { width: WIDTH, height: HEIGHT, y, of: (1280, 720), stamp, ..SmallImage::empty() }
    }

    fn settled() -> MotionGate {
        let mut gate = MotionGate::default();
        (0..40).for_each(|tenth| gate.look(&image(tenth, 120, None)));
        gate
    }

    #[test]
    fn nothing_moves_in_a_still_picture_and_everything_in_the_first_ones() {
        let mut gate = MotionGate::default();
        gate.look(&image(0, 120, None));
        assert!(gate.moves_in(&Bounds::new(0.9, 0.9, 1.0, 1.0)));
        assert!(!settled().moves_in(&Bounds::PICTURE));
    }

    #[test]
    fn what_moves_is_seen_in_the_first_picture_and_where_it_is() {
        let mut gate = settled();
        gate.look(&image(40, 120, Some(20)));
        assert!(gate.moves_in(&Bounds::new(0.0, 0.3, 0.3, 0.7)));
        assert!(!gate.moves_in(&Bounds::new(0.5, 0.0, 1.0, 1.0)));
    }

    #[test]
    fn a_light_that_is_switched_on_and_a_pause_open_it() {
        let mut gate = settled();
        gate.look(&image(40, 240, None));
        assert!(gate.moves_in(&Bounds::new(0.9, 0.9, 1.0, 1.0)));
        let mut gate = settled();
        gate.look(&image(140, 120, None));
        assert!(gate.moves_in(&Bounds::new(0.9, 0.9, 1.0, 1.0)), "much may have changed in ten seconds");
    }
}
