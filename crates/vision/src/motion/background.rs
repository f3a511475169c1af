//! The background of a frame: for every pixel the two colours it has shown longest.
//!
//! Each pixel has a mixture of few colours; the one seen longest is the ground (Stauffer and Grimson, "Adaptive
//! background mixture models for real-time tracking", CVPR 1999). Each colour follows the light by one level a
//! detection (the Σ-Δ filter of Manzanera and Richefeu, "A new motion detection algorithm based on Σ-Δ background
//! estimation", Pattern Recognition Letters 28, 2007). Weights are seconds, not detections, so that the detection
//! rate does not change what is ground.
//!
//! The model heals itself. An object in the first frame is outvoted by the ground once the ground has been seen for
//! longer. An object that stops becomes ground after [`LONGEST_S`]; the ground behind it is still known if it moves
//! on soon after.

/// Longest time that a colour gathers weight: colours seen for longer are equally much ground. Seconds.
pub(crate) const LONGEST_S: f32 = 10.0;

/// Least tolerance of luma and chroma against the ground, in addition to the noise.
const LEAST_LUMA_OFF: f32 = 8.0;
const LEAST_CHROMA_OFF: f32 = 6.0;
/// Tolerance of luma in multiples of the noise (mean absolute difference).
const NOISES: f32 = 4.0;

/// A greater share of foreground means that the light or the view has changed.
const MOST_FOREGROUND: f32 = 0.65;
/// A knocked camera shows another view: for this time (milliseconds), most of the ground's edges are elsewhere, those
/// of one direction at least. A queue of cars or a bus that stops covers the edges of its place alone, a person close
/// to the camera up to three quarters. A sky has none.
const STAYS_MS: u16 = 1200;
const EDGES_MOVED: f32 = 0.8;
/// Fewer edges than this share of the pixels tell nothing: a few doors of a bare hall may all be covered.
const LEAST_EDGES: f32 = 0.01;
/// The pixels of an edge are this far apart and differ by this multiple of the tolerance of luma.
const EDGE_SPAN: usize = 2;
const EDGE_HEIGHT: u8 = 2;
/// Least share of pixels whose change stays. The edges are looked at only then.
const STAYS_SHARE: f32 = 0.02;

/// A colour: luma, blue, red.
pub(crate) type Colour = [u8; 3];

/// One pixel: its ground, another colour, and for how many milliseconds it showed each.
#[derive(Debug, Clone, Copy, Default)]
struct Pixel {
    ground: Colour,
    other: Colour,
    ground_ms: u16,
    other_ms: u16,
}

/// The ground of a frame.
#[derive(Debug, Default)]
pub(crate) struct Background {
    pixels: Vec<Pixel>,
    /// Mean absolute difference of luma between ground pixels and the ground.
    noise: f32,
}

impl Background {
    /// Forgets everything.
    pub fn restart(&mut self) {
        self.pixels.clear();
    }

    /// Capacity in pixels.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.pixels.capacity()
    }

    /// True if it knows a ground for images of `len` pixels.
    fn has_model_for(&self, len: usize) -> bool {
        self.pixels.len() == len
    }

    /// Takes in an image of `width` pixels a row, seen `seconds` after the one before, and sets `foreground` to 1 where
    /// it is not ground. Returns `false` if so much has changed that the image becomes the new ground; there is no
    /// foreground then. `gain` (at least 1) is the contrast stretch of a dull image: it lowers the tolerance.
    pub fn update(
        &mut self,
        colours: &[Colour],
        width: usize,
        seconds: f32,
        gain: f32,
        foreground: &mut Vec<u8>,
    ) -> bool {
        foreground.clear();
        foreground.resize(colours.len(), 0);
        let elapsed = (seconds * 1000.0).clamp(1.0, 1000.0) as u16;
        if !self.has_model_for(colours.len()) {
            self.initialise(colours, elapsed);
            return false;
        }
        let luma_off = (LEAST_LUMA_OFF / gain + NOISES * self.noise).min(40.0) as u8;
        let chroma_off = (LEAST_CHROMA_OFF + self.noise).min(25.0) as u8;
        let most_off = [luma_off, chroma_off, chroma_off];
        let most = (LONGEST_S * 1000.0) as u16;
        let (mut off, mut still, mut moving, mut staying) = (0u64, 0u32, 0u32, 0u32);
        let pixels = self.pixels.iter_mut().zip(colours).zip(foreground.iter_mut());
        for ((pixel, colour), foreground) in pixels {
            if is_similar(&pixel.ground, colour, &most_off) {
                off += u64::from(pixel.ground[0].abs_diff(colour[0]));
                still += 1;
                step_towards(&mut pixel.ground, colour);
                pixel.ground_ms = (pixel.ground_ms + elapsed).min(most);
                pixel.other_ms = pixel.other_ms.saturating_sub(elapsed);
                continue;
            }
            if is_similar(&pixel.other, colour, &most_off) {
                step_towards(&mut pixel.other, colour);
                pixel.other_ms = (pixel.other_ms + elapsed).min(most + elapsed);
            } else {
                pixel.other = *colour;
                pixel.other_ms = elapsed;
            }
            if pixel.other_ms > pixel.ground_ms {
                std::mem::swap(&mut pixel.ground, &mut pixel.other);
                std::mem::swap(&mut pixel.ground_ms, &mut pixel.other_ms);
                pixel.ground_ms = pixel.ground_ms.min(most);
                continue;
            }
            *foreground = 1;
            moving += 1;
            staying += u32::from(pixel.other_ms >= STAYS_MS);
        }
        let is_another_view = staying as f32 > STAYS_SHARE * colours.len() as f32
            && [EDGE_SPAN, EDGE_SPAN * width]
                .into_iter()
                .any(|apart| self.have_edges_moved(apart, width, luma_off, foreground));
        if is_another_view || moving as f32 > MOST_FOREGROUND * colours.len() as f32 {
            self.initialise(colours, elapsed);
            foreground.fill(0);
            return false;
        }
        if still > 0 {
            self.noise += 0.1 * (off as f32 / still as f32 - self.noise);
        }
        true
    }

    /// True if the ground has edges between pixels so far `apart`, and most of them are covered for a while.
    fn have_edges_moved(&self, apart: usize, width: usize, luma_off: u8, foreground: &[u8]) -> bool {
        let (mut edges, mut moved) = (0u32, 0u32);
        let is_changed = |at: usize| foreground[at] == 1 && self.pixels[at].other_ms >= STAYS_MS;
        let is_in_row = |at: &usize| at % width >= apart || apart >= width;
        for at in (apart..self.pixels.len()).filter(is_in_row) {
            let (one, other) = (&self.pixels[at - apart].ground, &self.pixels[at].ground);
            if one[0].abs_diff(other[0]) > EDGE_HEIGHT.saturating_mul(luma_off) {
                edges += 1;
                moved += u32::from(is_changed(at - apart) || is_changed(at));
            }
        }
        edges as f32 >= LEAST_EDGES * self.pixels.len() as f32 && moved as f32 >= EDGES_MOVED * edges as f32
    }

    fn initialise(&mut self, colours: &[Colour], elapsed: u16) {
        self.pixels.clear();
        self.pixels.extend(colours.iter().map(|&ground| Pixel {
            ground,
            ground_ms: elapsed,
            ..Pixel::default()
        }));
    }
}

/// True if two colours differ by no more than `most_off`.
#[inline]
fn is_similar(one: &Colour, other: &Colour, most_off: &Colour) -> bool {
    // Without a branch for each of the three.
    (one[0].abs_diff(other[0]) <= most_off[0])
        & (one[1].abs_diff(other[1]) <= most_off[1])
        & (one[2].abs_diff(other[2]) <= most_off[2])
}

/// Moves a known colour one level towards the seen one.
#[inline]
fn step_towards(known: &mut Colour, seen: &Colour) {
    for (known, seen) in known.iter_mut().zip(seen) {
        *known = known.wrapping_add(u8::from(*known < *seen)).wrapping_sub(u8::from(*known > *seen));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: Colour = [100, 128, 128];
    const DARK: Colour = [30, 128, 128];

    /// Counts the foreground among 100 pixels: the first ten show `colour`, the others grey.
    fn moving(background: &mut Background, colour: Colour) -> usize {
        let mut foreground = Vec::new();
        let colours: Vec<Colour> = (0..100).map(|at| if at < 10 { colour } else { GREY }).collect();
        background.update(&colours, 10, 0.1, 1.0, &mut foreground);
        foreground.iter().filter(|&&f| f == 1).count()
    }

    #[test]
    fn a_stopped_object_becomes_ground_and_leaves_no_ghost() {
        let mut background = Background::default();
        for _ in 0..200 {
            assert_eq!(moving(&mut background, GREY), 0);
        }
        let stays = (0..200).take_while(|_| moving(&mut background, DARK) == 10).count();
        assert!((95..=101).contains(&stays), "{stays} detections");
        // It moves on a second later: the ground behind it is still known.
        (0..10).for_each(|_| assert_eq!(moving(&mut background, DARK), 0));
        let ghost = (0..200).take_while(|_| moving(&mut background, GREY) == 10).count();
        assert!(ghost <= 12, "{ghost} detections");
    }

    #[test]
    fn an_object_in_the_first_frame_is_outvoted() {
        let mut background = Background::default();
        (0..5).for_each(|_| assert_eq!(moving(&mut background, DARK), 0));
        let ghost = (0..50).take_while(|_| moving(&mut background, GREY) == 10).count();
        assert!(ghost <= 5, "{ghost} detections");
    }

    #[test]
    fn slow_light_is_followed_and_sudden_light_is_learned_again() {
        let mut background = Background::default();
        let mut foreground = Vec::new();
        for level in 60..200u8 {
            assert!(
                background.update(&[[level, 128, 128]; 50], 10, 0.1, 1.0, &mut foreground) || level == 60
            );
            assert!(foreground.iter().all(|&f| f == 0), "at {level}");
        }
        assert!(!background.update(&[[90, 128, 128]; 50], 10, 0.1, 1.0, &mut foreground));
        assert!(background.update(&[[90, 128, 128]; 50], 10, 0.1, 1.0, &mut foreground));
        assert!(foreground.iter().all(|&f| f == 0));
    }
}
