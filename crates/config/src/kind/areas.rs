//! Places in the frame: points, corners, and the areas of the privacy mask.

use toml::Spanned;
use toml::de::DeValue;

use super::scalar::{describe_value, number};
use super::value::{BadValue, Kind};
use super::wrong::Complaint;
use tallycam_base::{CROSSES_ITSELF, crosses_itself};

/// Maximum distance of a coordinate from the frame, in frame sizes.
const BEYOND: f64 = 1.0;

/// Areas of the frame: polygons of 3 to 32 corners, in fractions of it.
#[derive(Debug)]
pub(crate) struct MaskAreas;

/// Maximum number of areas.
const MOST_AREAS: usize = 32;

impl Kind for MaskAreas {
    type Value = Vec<Vec<[f64; 2]>>;
    const WORD: &'static str = "areas";
    const EXPECTED: &'static str =
        "a list of at most 32 areas such as [[[0.0, 0.0], [0.3, 0.0], [0.3, 0.4]]], each a list of corners";
    const IS_EXPLAINED: bool = true;

    fn read(&self, given: &DeValue<'_>) -> Result<(Self::Value, String), BadValue> {
        let areas =
            given.as_array().filter(|areas| areas.len() <= MOST_AREAS).ok_or(BadValue::Other(None))?;
        let named = |(message, hint): Complaint| (format!("has an area that {message}"), hint);
        let read = areas.iter().map(|area| corners(area).map_err(named)).collect::<Result<Vec<_>, _>>()?;
        // A number may have been written without a point.
        let shown = format!("{read:?}");
        Ok((read, shown))
    }
}

/// Hint for a wrong coordinate.
pub(crate) const FRACTIONS: &str =
    "[0, 0] is the upper left corner and [1, 1] the lower right; 0.5 is the middle";

/// `[x, y]` in fractions of the frame.
pub(crate) fn parse_point(value: &Spanned<DeValue<'_>>) -> Result<[f64; 2], Complaint> {
    let must = |hint: Option<&str>| {
        let not = match value.get_ref() {
            DeValue::Array(list) => {
                let numbers: Vec<String> = list.iter().map(|item| describe_value(item.get_ref())).collect();
                format!("[{}]", numbers.join(", "))
            }
            other => describe_value(other),
        };
        (format!("must be [x, y] in fractions of the picture, not {not}"), hint.map(str::to_owned))
    };
    let list = value.get_ref().as_array().filter(|list| list.len() == 2).ok_or_else(|| must(None))?;
    let mut point = [0.0; 2];
    for (to, item) in point.iter_mut().zip(list.iter()) {
        *to = number(item.get_ref()).filter(|n| n.is_finite()).ok_or_else(|| must(None))?;
    }
    if point.iter().any(|n| !(-BEYOND..=1.0 + BEYOND).contains(n)) {
        return Err(must(Some(FRACTIONS)));
    }
    Ok(point)
}

/// 3 to 32 corners that have an inside, in fractions of the frame.
pub(crate) fn corners(value: &Spanned<DeValue<'_>>) -> Result<Vec<[f64; 2]>, Complaint> {
    let list = value.get_ref().as_array().filter(|list| (3..=32).contains(&list.len()));
    let list = list.ok_or_else(|| (String::from("must be a list of 3 to 32 corners [x, y]"), None))?;
    let points = list.iter().map(parse_point).collect::<Result<Vec<[f64; 2]>, Complaint>>()?;
    if is_collinear(&points) {
        return Err((String::from("has no inside: its corners lie on one line"), None));
    }
    if crosses_itself(&points) {
        return Err((String::from(CROSSES_ITSELF), None));
    }
    let is_beyond = |axis: usize, beyond: fn(f64) -> bool| points.iter().all(|point| beyond(point[axis]));
    if (0..2).any(|axis| is_beyond(axis, |v| v < 0.0) || is_beyond(axis, |v| v > 1.0)) {
        return Err((String::from("lies outside the picture"), Some(String::from(FRACTIONS))));
    }
    Ok(points)
}

fn is_collinear(corners: &[[f64; 2]]) -> bool {
    let Some((first, rest)) = corners.split_first() else { return true };
    let Some(far) = rest.iter().find(|corner| *corner != first) else { return true };
    let turn =
        |c: &[f64; 2]| (far[0] - first[0]) * (c[1] - first[1]) - (far[1] - first[1]) * (c[0] - first[0]);
    rest.iter().all(|corner| turn(corner).abs() < 1e-7)
}
