//! The sharpness of a frame: a figure that grows as the lens comes into focus. Pure.
//!
//! The measure is the root mean square of the luma's gradient by the Sobel operator, in percent of the mean luma per
//! pixel. The gradient's energy is Tenengrad (J. M. Tenenbaum, *Accommodation in computer vision*, 1970; E. Krotkov,
//! *Focusing*, IJCV 1, 1988). S. Pertuz et al. (*Analysis of focus measure operators for shape-from-focus*, Pattern
//! Recognition 46, 2013) found it among the best. It smooths across the direction it derives, so noise disturbs it
//! little.
//!
//! Division by the mean makes the figure independent of the light: gradients and mean grow alike with the exposure.
//! The root makes it proportional to the width of edges: twice as sharp is about twice the figure.
//!
//! The cost is about one pass over the luma, which should come from a reduced frame.

/// In a darker frame (mean luma, 0–255) the sensor's noise dominates.
const DARKEST: f64 = 3.0;

/// Sharpness of a frame of `width` pixels a row. `luma` has its rows without padding. `None` for fewer than 3 × 3
/// pixels or almost no light.
pub fn sharpness(luma: &[u8], width: usize) -> Option<f64> {
    if width < 3 || luma.len() < 3 * width {
        return None;
    }
    let rows: Vec<&[u8]> = luma.chunks_exact(width).collect();
    let sum: u64 = rows.iter().map(|row| row.iter().map(|&y| u64::from(y)).sum::<u64>()).sum();
    let mean = sum as f64 / (rows.len() * width) as f64;
    if mean < DARKEST {
        return None;
    }
    let mut energy = 0_u64;
    for three in rows.windows(3) {
        let [above, row, below] = three else { continue };
        energy += row_energy(above, row, below);
    }
    let count = (rows.len() - 2) * (width - 2);
    // A Sobel kernel gives eight times the slope per pixel.
    let slope = (energy as f64 / count as f64).sqrt() / 8.0;
    Some(100.0 * slope / mean)
}

fn row_energy(above: &[u8], row: &[u8], below: &[u8]) -> u64 {
    let threes = above.windows(3).zip(row.windows(3)).zip(below.windows(3));
    threes
        .map(|((a, b), c)| {
            let at = |three: &[u8], column: usize| i32::from(three[column]);
            let across = at(a, 2) + 2 * at(b, 2) + at(c, 2) - at(a, 0) - 2 * at(b, 0) - at(c, 0);
            let down = at(c, 0) + 2 * at(c, 1) + at(c, 2) - at(a, 0) - 2 * at(a, 1) - at(a, 2);
            (across * across + down * down) as u64
        })
        .sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const WIDTH: usize = 64;

    /// Stripes of 8 pixels, dark and bright, with edges `soft` pixels wide.
    fn stripes(soft: f64, gain: f64) -> Vec<u8> {
        let level = |x: usize| {
            let phase = (x as f64 % 16.0 - 8.0).abs() - 4.0;
            let share = (phase / soft + 0.5).clamp(0.0, 1.0);
            (gain * (40.0 + 120.0 * share)).round() as u8
        };
        (0..48).flat_map(|_| (0..WIDTH).map(level)).collect()
    }

    fn of(soft: f64, gain: f64) -> f64 {
        sharpness(&stripes(soft, gain), WIDTH).unwrap()
    }

    #[test]
    fn softer_edges_give_a_lower_figure() {
        let figures: Vec<f64> = [2.0, 3.0, 4.0, 6.0, 8.0].iter().map(|soft| of(*soft, 1.0)).collect();
        assert!(figures.windows(2).all(|two| two[0] > 1.05 * two[1]), "{figures:?}");
    }

    #[test]
    fn half_the_light_is_as_sharp() {
        for soft in [1.0, 4.0] {
            assert!((of(soft, 1.0) / of(soft, 0.5) - 1.0).abs() < 0.02);
        }
    }

    #[test]
    fn a_known_slope_gives_the_expected_figure() {
        // 2 levels per pixel at a mean of 100 make 2 %.
        let ramp: Vec<u8> = (0..20).flat_map(|_| (0..51).map(|x| 50 + 2 * x as u8)).collect();
        assert!((sharpness(&ramp, 51).unwrap() - 2.0).abs() < 1e-9);
        let turned: Vec<u8> = (0..51).flat_map(|y| vec![50 + 2 * y as u8; 20]).collect();
        assert!((sharpness(&turned, 20).unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_dark_or_tiny_frame_has_no_figure() {
        assert_eq!(sharpness(&[], 0), None);
        assert_eq!(sharpness(&[9; 8], 4), None);
        assert_eq!(sharpness(&[9; 20], 2), None);
        assert_eq!(sharpness(&[2; 100], 10), None, "the frame is dark");
        assert_eq!(sharpness(&[128; 100], 10), Some(0.0), "the frame has no detail");
    }
}
