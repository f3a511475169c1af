//! The difference between a frame and its background; shared by the detector and the gate.

use super::background::{Background, Colour};
use super::regions::{Region, Regions};
use tallycam_camera::media::SmallImage;

/// A longer pause is a restart: everything has moved meanwhile. Seconds.
pub(crate) const LONGEST_PAUSE_S: f32 = 5.0;

/// Mean luma of a dark frame. An infrared view of a yard has about 40, a road with lamps alone 15.
const DARK: u64 = 50;
/// Least luma of a lamp, and of an insect's middle before an infrared lamp: people and cars in that light have 80 to
/// 150. Fewer pixels are a reflection.
const GLARE: u8 = 160;
const LEAST_GLARE: f32 = 4.0;

/// Compares each frame with the background of earlier ones. Keeps its buffers from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct ChangeFinder {
    background: Background,
    regions: Regions,
    colours: Vec<Colour>,
    foreground: Vec<u8>,
    size: (usize, usize),
    newest_us: Option<u64>,
    settled_s: f32,
}

impl ChangeFinder {
    /// Least width and height for a frame of this size if `enough` pixels a row suffice.
    pub fn least_size((width, height): (u32, u32), enough: u32) -> (u32, u32) {
        let wide = width.min(enough);
        (wide, (u64::from(height) * u64::from(wide) / u64::from(width.max(1))) as u32)
    }

    /// Takes in the next frame and returns the seconds since the one before. For `gain` see [`Background::update`].
    pub fn measure(&mut self, image: &SmallImage, gain: f32) -> f32 {
        let now_us = image.stamp.monotonic_us;
        let before_us = self.newest_us.replace(now_us).unwrap_or(now_us);
        let seconds = now_us.saturating_sub(before_us) as f32 / 1e6;
        if self.size != (image.width, image.height) || seconds > LONGEST_PAUSE_S {
            self.restart();
            self.newest_us = Some(now_us);
            self.size = (image.width, image.height);
        }
        let seconds = seconds.clamp(0.001, LONGEST_PAUSE_S);
        colours_of(image, &mut self.colours);
        let is_known =
            self.background.update(&self.colours, image.width, seconds, gain, &mut self.foreground);
        self.settled_s = if is_known { self.settled_s + seconds } else { 0.0 };
        seconds
    }

    /// Age of the background in seconds; 0 if this frame started a new one.
    pub(crate) fn settled_s(&self) -> f32 {
        self.settled_s
    }

    /// Foreground regions of the newest frame, in its pixels, without single pixels and thin lines; with their glare
    /// if the frame `is_dark`. Call it at most once a frame.
    pub fn regions(&mut self, is_dark: bool) -> &[Region] {
        let width = self.size.0;
        self.regions.find(&mut self.foreground, width);
        if is_dark {
            let is_bright = |at: usize| self.colours[at][0] >= GLARE;
            self.regions.find_glare(&self.foreground, width, LEAST_GLARE, is_bright);
        }
        &self.regions.found
    }

    /// Foreground regions with single pixels and thin lines: a distant person is a thin line.
    pub(crate) fn all_regions(&mut self) -> &[Region] {
        self.regions.find_all(&self.foreground, self.size.0);
        &self.regions.found
    }

    /// True if the newest frame is dark: lamps are all that is seen of vehicles, and insects are as bright.
    pub(crate) fn is_dark(&self) -> bool {
        let sum: u64 = self.colours.iter().map(|colour| u64::from(colour[0])).sum();
        sum < DARK * self.colours.len() as u64
    }

    /// Forgets the background.
    pub fn restart(&mut self) {
        self.background.restart();
        self.newest_us = None;
        self.settled_s = 0.0;
    }

    /// Capacities of the buffers in pixels and regions.
    #[cfg(test)]
    pub fn room(&self) -> (usize, [usize; 4], usize, usize) {
        let ChangeFinder { background, regions, colours, foreground, .. } = self;
        (background.room(), regions.room(), colours.capacity(), foreground.capacity())
    }
}

/// Interleaves luma and chroma of every pixel.
fn colours_of(image: &SmallImage, to: &mut Vec<Colour>) {
    to.resize(image.y.len(), [0; 3]);
    if image.chroma_width == 0 {
        for (colour, &y) in to.iter_mut().zip(&image.y) {
            *colour = [y, 128, 128];
        }
        return;
    }
    let down = if image.chroma_height < image.height { 2 } else { 1 };
    let across = if image.chroma_width < image.width { 2 } else { 1 };
    let rows = to.chunks_exact_mut(image.width).zip(image.y.chunks_exact(image.width));
    for (row, (colours, luma)) in rows.enumerate() {
        let line = (row / down).min(image.chroma_height.saturating_sub(1));
        let chroma = line * image.chroma_width..(line + 1) * image.chroma_width;
        let (u, v) = (&image.u[chroma.clone()], &image.v[chroma]);
        if across == 2 {
            for ((colours, luma), (&u, &v)) in colours.chunks_mut(2).zip(luma.chunks(2)).zip(u.iter().zip(v))
            {
                for (colour, &y) in colours.iter_mut().zip(luma) {
                    *colour = [y, u, v];
                }
            }
        } else {
            for ((colour, &y), (&u, &v)) in colours.iter_mut().zip(luma).zip(u.iter().zip(v)) {
                *colour = [y, u, v];
            }
        }
    }
}
