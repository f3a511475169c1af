//! Stretches the luma of a dull frame to the contrast that networks are trained on.

use tallycam_camera::media::SmallImage;

/// Shares of the pixels below and above the stretched range.
const DARKEST: f32 = 0.03;
const LIGHTEST: f32 = 0.97;
/// Levels between the two after stretching; a frame that already has them stays unchanged.
const LEVELS: f32 = 192.0;
/// Largest gain: a larger one would amplify the noise of a night.
const MOST_GAIN: f32 = 4.0;
/// Only each third pixel is counted.
const STEP: usize = 3;

/// Luma × `gain` + `offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GainOffset {
    /// Factor.
    pub gain: f32,
    /// Summand, in levels.
    pub offset: f32,
}

impl Default for GainOffset {
    /// Unchanged luma.
    fn default() -> GainOffset {
        GainOffset { gain: 1.0, offset: 0.0 }
    }
}

impl GainOffset {
    /// The stretch for the luma of `image`: its darkest part becomes black.
    pub fn contrast_stretch(image: &SmallImage) -> GainOffset {
        let mut counts = [0_u32; 256];
        for &y in image.y.iter().step_by(STEP) {
            counts[usize::from(y)] += 1;
        }
        let all = counts.iter().sum::<u32>() as f32;
        let level = |share: f32| {
            let mut below = 0.0;
            let is_beyond = |count: &u32| {
                below += *count as f32;
                below > share * all
            };
            counts.iter().position(is_beyond).unwrap_or(255) as f32
        };
        let (dark, light) = (level(DARKEST), level(LIGHTEST));
        let gain = (LEVELS / (light - dark).max(1.0)).min(MOST_GAIN);
        if gain <= 1.0 { GainOffset::default() } else { GainOffset { gain, offset: -dark * gain } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn light(levels: impl Iterator<Item = u8>) -> GainOffset {
        let y: Vec<u8> = levels.collect();
        GainOffset::contrast_stretch(&SmallImage { width: y.len(), y, ..SmallImage::empty() })
    }

    #[test]
    fn a_well_exposed_picture_stays_as_it_is() {
        assert_eq!(light((0..3000).map(|n| if n % 2 == 0 { 0 } else { 255 })), GainOffset::default());
    }

    #[test]
    fn a_dull_one_is_stretched_and_a_black_one_not_beyond_measure() {
        let dull = light((0..3000).map(|n| if n % 2 == 0 { 100 } else { 200 }));
        assert_eq!(dull, GainOffset { gain: 1.92, offset: -192.0 });
        assert_eq!(light((0..3000).map(|_| 7)).gain, MOST_GAIN);
    }
}
