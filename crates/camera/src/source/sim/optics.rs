//! The simulated camera's controls and lens, and their effect on frames.
//!
//! The lens has 200 positions; one is sharp. At the others the frame is blurred by a box whose half-width grows with
//! the distance. Autofocus moves the lens to the sharp position over a few frames. While the lens is sharp and the
//! brightness at its default, as at the start, a frame costs nothing here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::media::control_name;
use crate::media::{Control, ControlKind, ControlValue};

/// The sharp position of the lens.
pub const SHARP: i64 = 122;

/// The last position; the first is 0.
const LAST: i64 = 199;

/// Greatest value added to or subtracted from luma.
const BRIGHTEST: i64 = 64;

/// Positions by which autofocus moves the lens in a frame.
const PACE: i64 = 12;

/// Half-width of the blur for each position out of focus, in pixels of a frame 1280 pixels wide.
const BLUR: f32 = 0.09;

const BRIGHTNESS: (u32, &str) = (0x0098_0900, "Brightness");
const FOCUS_ABSOLUTE: (u32, &str) = (0x009a_090a, "Focus, Absolute");
const FOCUS_AUTO: (u32, &str) = (0x009a_090c, "Focus, Automatic Continuous");

/// Values of the controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpticsSetting {
    /// Added to luma.
    pub brightness: i64,
    /// Position of the lens.
    pub focus: i64,
    /// Autofocus is on.
    pub is_auto: bool,
}

/// The controls. Like a camera's, they keep their values while the scene is closed. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct SimControls(Arc<Mutex<OpticsSetting>>);

impl SimControls {
    /// All at their defaults, with the lens in focus.
    pub fn new() -> SimControls {
        SimControls(Arc::new(Mutex::new(OpticsSetting { brightness: 0, focus: SHARP, is_auto: true })))
    }

    /// The values for the next frame; autofocus moves the lens by one step.
    pub(crate) fn for_frame(&self) -> OpticsSetting {
        let mut setting = self.lock();
        if setting.is_auto {
            setting.focus += (SHARP - setting.focus).clamp(-PACE, PACE);
        }
        *setting
    }

    /// The list of controls.
    pub fn list(&self) -> Vec<Control> {
        let OpticsSetting { brightness, focus, is_auto } = *self.lock();
        let control = |(id, title): (u32, &str), kind, default: i64, value: i64| Control {
            default: default as f64,
            value: value as f64,
            ..Control::new(id, control_name(title), title, kind)
        };
        let whole = |min, max| ControlKind::integer(min, max, 1);
        vec![
            control(BRIGHTNESS, whole(-BRIGHTEST, BRIGHTEST), 0, brightness),
            control(FOCUS_AUTO, ControlKind::Boolean, 1, i64::from(is_auto)),
            Control { inactive: is_auto, ..control(FOCUS_ABSOLUTE, whole(0, LAST), 0, focus) },
        ]
    }

    /// Sets one and returns its new value; `None` if there is none of this name. Autofocus overrides the lens
    /// position.
    pub fn set(&self, wanted: &ControlValue) -> Option<f64> {
        let control = self.list().into_iter().find(|control| control.name == wanted.name)?;
        let mut setting = self.lock();
        let value = wanted.value as i64;
        let taken = match control.id {
            id if id == BRIGHTNESS.0 => {
                setting.brightness = value.clamp(-BRIGHTEST, BRIGHTEST);
                setting.brightness
            }
            id if id == FOCUS_AUTO.0 => {
                setting.is_auto = value != 0;
                i64::from(setting.is_auto)
            }
            _ => {
                if !setting.is_auto {
                    setting.focus = value.clamp(0, LAST);
                }
                setting.focus
            }
        };
        Some(taken as f64)
    }

    fn lock(&self) -> MutexGuard<'_, OpticsSetting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies the controls to frames. Keeps its buffers between frames, and has none until they are needed.
#[derive(Debug, Default)]
pub(crate) struct Optics {
    seen: Vec<u8>,
    between: Vec<u8>,
    sums: Vec<u32>,
}

impl Optics {
    /// Applies `setting` to `yu12`, a frame of `width` × `height` pixels (both even); `None` if nothing changes.
    pub fn apply(
        &mut self,
        yu12: &[u8],
        width: usize,
        height: usize,
        setting: OpticsSetting,
    ) -> Option<&[u8]> {
        let off = (setting.focus - SHARP).unsigned_abs() as f32;
        let radius = off * BLUR * width as f32 / 1280.0;
        if radius <= 0.0 && setting.brightness == 0 {
            return None;
        }
        self.seen.clear();
        self.seen.extend_from_slice(yu12);
        let luma = width * height;
        if radius > 0.0 {
            let quarter = luma / 4;
            let planes = [(0, width, height, radius)]
                .into_iter()
                .chain([luma, luma + quarter].map(|start| (start, width / 2, height / 2, radius / 2.0)));
            for (start, width, height, radius) in planes {
                self.blur(start, width, height, BlurKernel::with_radius(radius));
            }
        }
        if setting.brightness != 0 {
            for y in &mut self.seen[..luma] {
                *y = (i64::from(*y) + setting.brightness).clamp(0, 255) as u8;
            }
        }
        Some(&self.seen)
    }

    /// Blurs the plane that begins at `start`, first along its rows, then across them. Edge pixels continue beyond
    /// the edges.
    fn blur(&mut self, start: usize, width: usize, height: usize, kernel: BlurKernel) {
        let plane = &mut self.seen[start..start + width * height];
        self.between.resize(width * height, 0);
        for (from, to) in plane.chunks_exact(width).zip(self.between.chunks_exact_mut(width)) {
            let at = |x: isize| u32::from(from[x.clamp(0, width as isize - 1) as usize]);
            let reach = kernel.whole as isize;
            let mut sum: u32 = (-reach..=reach).map(at).sum();
            for (x, to) in to.iter_mut().enumerate() {
                let x = x as isize;
                *to = kernel.average(sum, at(x - reach - 1) + at(x + reach + 1));
                sum = sum + at(x + reach + 1) - at(x - reach);
            }
        }
        let rows = &self.between;
        let row = |y: isize| {
            let y = y.clamp(0, height as isize - 1) as usize;
            &rows[y * width..(y + 1) * width]
        };
        let reach = kernel.whole as isize;
        self.sums.clear();
        self.sums.resize(width, 0);
        for y in -reach..=reach {
            for (sum, value) in self.sums.iter_mut().zip(row(y)) {
                *sum += u32::from(*value);
            }
        }
        for (y, to) in plane.chunks_exact_mut(width).enumerate() {
            let y = y as isize;
            let (above, below, leaves) = (row(y - reach - 1), row(y + reach + 1), row(y - reach));
            let edges = above.iter().zip(below).zip(leaves);
            for ((to, sum), ((above, below), leaves)) in to.iter_mut().zip(&mut self.sums).zip(edges) {
                *to = kernel.average(*sum, u32::from(*above) + u32::from(*below));
                *sum = *sum + u32::from(*below) - u32::from(*leaves);
            }
        }
    }
}

/// A mean over `2 · whole + 1` pixels and a fraction of one more at either end.
#[derive(Debug, Clone, Copy)]
struct BlurKernel {
    whole: usize,
    /// In 1/256.
    part: u32,
    /// 2^32 divided by the weights' sum.
    share: u64,
}

impl BlurKernel {
    fn with_radius(radius: f32) -> BlurKernel {
        let whole = radius.floor();
        let part = ((radius - whole) * 256.0) as u32;
        let weight = (2 * whole as u64 + 1) * 256 + 2 * u64::from(part);
        BlurKernel { whole: whole as usize, part, share: (1 << 32) / weight }
    }

    fn average(self, whole: u32, ends: u32) -> u8 {
        let sum = u64::from(whole * 256 + ends * self.part);
        ((sum * self.share + (1 << 31)) >> 32).min(255) as u8
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WIDTH: usize = 320;
    const HEIGHT: usize = 64;

    /// Luma of stripes of 8 pixels; no colour.
    fn stripes() -> Vec<u8> {
        let luma = (0..WIDTH * HEIGHT).map(|n| if ((n % WIDTH) / 8).is_multiple_of(2) { 40 } else { 200 });
        luma.chain((0..WIDTH * HEIGHT / 2).map(|_| 128)).collect()
    }

    fn set(knobs: &SimControls, name: &str, value: i64) -> Option<i64> {
        knobs.set(&ControlValue { name: name.to_owned(), value: value as f64 }).map(|taken| taken as i64)
    }

    fn contrast(luma: &[u8]) -> u64 {
        luma[..WIDTH * HEIGHT].windows(2).map(|two| u64::from(two[0].abs_diff(two[1])).pow(2)).sum()
    }

    #[test]
    fn default_controls_change_nothing() {
        assert_eq!(Optics::default().apply(&stripes(), WIDTH, HEIGHT, SimControls::new().for_frame()), None);
    }

    #[test]
    fn positions_out_of_focus_are_less_sharp_and_equally_bright() {
        let (ground, mut optics) = (stripes(), Optics::default());
        let mut last = contrast(&ground);
        for off in (7..=77).step_by(10) {
            let one = |optics: &mut Optics, focus: i64| {
                let setting = OpticsSetting { brightness: 0, focus, is_auto: false };
                optics.apply(&ground, WIDTH, HEIGHT, setting).unwrap().to_vec()
            };
            let (far, near) = (one(&mut optics, SHARP - off), one(&mut optics, SHARP + off));
            assert!(far == near, "both sides are alike");
            let now = contrast(&far);
            assert!(now < last, "{off} places off");
            last = now;
            let mean = |luma: &[u8]| luma.iter().map(|&y| u64::from(y)).sum::<u64>() / luma.len() as u64;
            assert!(mean(&far[..WIDTH * HEIGHT]).abs_diff(120) <= 2);
            assert!(far[WIDTH * HEIGHT..].iter().all(|&c| c.abs_diff(128) <= 1));
        }
    }

    #[test]
    fn a_blur_is_the_mean_of_its_box() {
        // A bright column in the dark, and half a pixel more than one to either side: weights 1/2 1 1 1 1/2.
        let mut plane = vec![0; 9 * 9];
        (0..9).for_each(|y| plane[y * 9 + 4] = 200);
        let mut optics = Optics { seen: plane, ..Optics::default() };
        optics.blur(0, 9, 9, BlurKernel::with_radius(1.5));
        for row in optics.seen.chunks_exact(9) {
            assert_eq!(row, [0, 0, 25, 50, 50, 50, 25, 0, 0]);
        }
        let turned: Vec<u8> = (0..81).map(|n| if n / 9 == 4 { 200 } else { 0 }).collect();
        optics.seen = turned;
        optics.blur(0, 9, 9, BlurKernel::with_radius(1.5));
        let column: Vec<u8> = optics.seen.iter().copied().step_by(9).collect();
        assert_eq!(column, [0, 0, 25, 50, 50, 50, 25, 0, 0]);
        // Wider than the frame.
        optics.blur(0, 9, 9, BlurKernel::with_radius(30.0));
    }

    #[test]
    fn brightness_is_added_and_ends_at_white() {
        let (ground, mut optics) = (stripes(), Optics::default());
        let setting = OpticsSetting { brightness: 60, focus: SHARP, is_auto: true };
        let seen = optics.apply(&ground, WIDTH, HEIGHT, setting).unwrap();
        assert_eq!((seen[0], seen[8], seen[WIDTH * HEIGHT]), (100, 255, 128));
    }

    #[test]
    fn autofocus_controls_the_lens_and_brings_it_back() {
        let knobs = SimControls::new();
        assert_eq!(set(&knobs, "focus_absolute", 10), Some(SHARP), "autofocus has it");
        assert_eq!(set(&knobs, "focus_automatic_continuous", 0), Some(0));
        assert_eq!(set(&knobs, "focus_absolute", 400), Some(199));
        assert_eq!(set(&knobs, "brightness", -400), Some(-64));
        assert_eq!(set(&knobs, "zoom", 1), None);
        assert_eq!(knobs.for_frame(), OpticsSetting { brightness: -64, focus: 199, is_auto: false });
        set(&knobs, "focus_automatic_continuous", 1);
        let way: Vec<i64> = (0..8).map(|_| knobs.for_frame().focus).collect();
        assert_eq!(way, [187, 175, 163, 151, 139, 127, 122, 122]);
        let list = knobs.list();
        assert_eq!(
            list.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
            ["brightness", "focus_automatic_continuous", "focus_absolute"]
        );
        assert!(list[2].inactive && !list[0].inactive);
    }
}
