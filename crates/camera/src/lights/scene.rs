//! Turns a scene into pixels: colour, brightness, gamma, limit, ranges, status LED. Pure.
//!
//! Each colour of a pixel is `colour × brightness / 255`, raised to `gamma` and scaled so that full is `limit`. A
//! colour above zero is at least 1, so it never goes dark.

use super::strip::{Color, StripKind, StripSettings};

/// Colours with a name.
pub const PRESETS: [(&str, Color); 8] = [
    ("white", [255, 255, 255]),
    ("warm", [255, 167, 87]),
    ("red", [255, 0, 0]),
    ("green", [0, 255, 0]),
    ("blue", [0, 0, 255]),
    ("amber", [255, 126, 0]),
    ("violet", [160, 32, 255]),
    ("night", [64, 8, 0]),
];

/// Brightness of the status LED before gamma and limit: visible by day, and not a lamp at night.
pub(crate) const STATUS_BRIGHTNESS: u8 = 96;

/// A range of pixels with its own colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// The first pixel, from 0.
    pub from: u16,
    /// The last pixel.
    pub to: u16,
    /// Colour of the range.
    pub color: Color,
}

/// The state of a light that is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LitLight {
    /// Colour of all pixels outside the ranges.
    pub color: Color,
    /// Brightness, 0–255.
    pub brightness: u8,
    /// Ranges with their own colour; later ones cover earlier ones. Pixels beyond the strip are ignored.
    pub ranges: Vec<Paint>,
}

impl LitLight {
    /// White at full brightness.
    pub fn full_brightness() -> LitLight {
        LitLight { color: [255; 3], brightness: 255, ranges: Vec::new() }
    }
}

/// The scene to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LightScene {
    /// The light; `None` if it is off.
    pub light: Option<LitLight>,
    /// Colour of the status LED, the first pixel. It covers the light.
    pub status: Option<Color>,
}

/// The level for a colour value of 0–255 at a brightness, with the strip's gamma and limit.
pub(crate) fn corrected_level(value: u8, brightness: u8, settings: &StripSettings) -> u8 {
    let asked = f64::from(value) * f64::from(brightness) / (255.0 * 255.0);
    if asked <= 0.0 {
        return 0;
    }
    let level = asked.powf(settings.gamma) * f64::from(settings.limit);
    // The limit is at most 255.
    level.round().clamp(1.0, 255.0) as u8
}

/// The strip's pixels for a scene. A lamp has one pixel without colour: it is on or off.
pub fn pixels(scene: &LightScene, settings: &StripSettings) -> Vec<Color> {
    let mut pixels = vec![[0; 3]; settings.count()];
    if settings.kind == StripKind::Lamp {
        if scene.light.as_ref().is_some_and(|light| light.brightness > 0) {
            pixels.fill([255; 3]);
        }
        return pixels;
    }
    if let Some(light) = &scene.light {
        let table: Vec<u8> =
            (0..=255).map(|value| corrected_level(value, light.brightness, settings)).collect();
        let shown = |color: Color| color.map(|value| table[usize::from(value)]);
        pixels.fill(shown(light.color));
        for range in &light.ranges {
            let end = pixels.len().min(usize::from(range.to) + 1);
            if let Some(painted) = pixels.get_mut(usize::from(range.from)..end) {
                painted.fill(shown(range.color));
            }
        }
    }
    if let (Some(color), Some(first)) = (scene.status, pixels.first_mut()) {
        *first = color.map(|value| corrected_level(value, STATUS_BRIGHTNESS, settings));
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strip(pixels: u16, limit: u8, gamma: f64) -> StripSettings {
        StripSettings { kind: StripKind::Sim, pixels, limit, gamma, ..StripSettings::default() }
    }

    fn light(color: Color, brightness: u8) -> LightScene {
        LightScene { light: Some(LitLight { color, brightness, ranges: Vec::new() }), status: None }
    }

    #[test]
    fn brightness_gamma_and_limit_give_the_level() {
        // value, brightness, limit, gamma, expected level.
        for (value, brightness, limit, gamma, want) in [
            (0, 255, 255, 1.0, 0),
            (1, 255, 255, 1.0, 1),
            (255, 255, 255, 1.0, 255),
            (255, 128, 255, 1.0, 128),
            (128, 128, 255, 1.0, 64),
            (200, 0, 255, 1.0, 0),
            (255, 255, 100, 1.0, 100),
            (128, 255, 100, 1.0, 50),
            (255, 255, 1, 1.0, 1),
            (255, 255, 255, 2.2, 255),
            (128, 255, 255, 2.2, 56),
            (64, 255, 255, 2.2, 12),
            (255, 128, 100, 2.2, 22),
            // A value above zero never becomes dark.
            (1, 255, 255, 5.0, 1),
            (255, 1, 255, 2.2, 1),
            (64, 255, 255, 0.5, 128),
        ] {
            let got = corrected_level(value, brightness, &strip(1, limit, gamma));
            assert_eq!(got, want, "{value} at {brightness}, limit {limit}, gamma {gamma}");
        }
    }

    #[test]
    fn levels_never_fall_as_values_rise_nor_exceed_the_limit() {
        for gamma in [0.2, 0.45, 1.0, 2.2, 5.0] {
            for limit in [1, 77, 255] {
                let strip = strip(1, limit, gamma);
                let levels: Vec<u8> = (0..=255).map(|value| corrected_level(value, 255, &strip)).collect();
                assert!(levels.windows(2).all(|pair| pair[0] <= pair[1]), "gamma {gamma}");
                assert_eq!((levels[0], levels[255]), (0, limit));
            }
        }
    }

    #[test]
    fn ranges_lie_over_the_colour_and_the_status_over_both() {
        let paint = |from, to, color| Paint { from, to, color };
        let (red, green, blue) = ([255, 0, 0], [0, 255, 0], [0, 0, 255]);
        let ranges = vec![paint(0, 2, green), paint(2, 2, blue), paint(4, 900, blue), paint(7, 8, red)];
        let mut scene =
            LightScene { light: Some(LitLight { color: red, brightness: 255, ranges }), status: None };
        let strip = strip(6, 255, 1.0);
        assert_eq!(pixels(&scene, &strip), [green, green, blue, red, blue, blue]);
        scene.status = Some(red);
        assert_eq!(pixels(&scene, &strip), [[96, 0, 0], green, blue, red, blue, blue]);
        scene.light = None;
        assert_eq!(pixels(&scene, &strip), [[96, 0, 0], [0; 3], [0; 3], [0; 3], [0; 3], [0; 3]]);
    }

    #[test]
    fn a_lamp_is_on_or_off_whatever_its_colour() {
        let lamp = StripSettings { kind: StripKind::Lamp, limit: 10, ..StripSettings::default() };
        assert_eq!(pixels(&light([0; 3], 1), &lamp), [[255; 3]]);
        assert_eq!(pixels(&light([255; 3], 0), &lamp), [[0; 3]]);
        assert_eq!(pixels(&LightScene { light: None, status: Some([255; 3]) }, &lamp), [[0; 3]]);
    }

    #[test]
    fn without_a_strip_there_are_no_pixels() {
        assert!(pixels(&light([255; 3], 255), &StripSettings::default()).is_empty());
    }
}
