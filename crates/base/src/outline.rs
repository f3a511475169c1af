//! Outlines of areas, given as corners in order.

/// Error text for an outline that [`crosses_itself`].
pub const CROSSES_ITSELF: &str = "crosses itself: put its corners in order around it";

/// True if two sides of the closed outline cross, so that its inside is undefined. Sides that only touch do not
/// cross.
pub fn crosses_itself(corners: &[[f64; 2]]) -> bool {
    let side = |n: usize| (corners[n], corners[(n + 1) % corners.len()]);
    let turn =
        |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let is_parted = |(a, b): ([f64; 2], [f64; 2]), (c, d)| turn(a, b, c) * turn(a, b, d) < 0.0;
    let mut pairs = (0..corners.len()).flat_map(|n| (0..n).map(move |m| (side(n), side(m))));
    pairs.any(|(one, other)| is_parted(one, other) && is_parted(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bow_tie_crosses_itself_and_an_arrow_does_not() {
        let square = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]];
        assert!(!crosses_itself(&square));
        let [a, b, c, d] = square;
        assert!(crosses_itself(&[a, b, d, c]), "a bow tie");
        assert!(!crosses_itself(&[a, b, [0.5, 0.5], c, d]), "an arrow's tail");
        assert!(!crosses_itself(&[a, b, [0.5, 0.1], c]), "a side that goes back on itself touches");
        assert!(!crosses_itself(&[a, b, c]) && !crosses_itself(&[a]) && !crosses_itself(&[]));
    }
}
