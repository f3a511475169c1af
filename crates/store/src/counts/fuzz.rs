//! Invariants of drafts of lines and zones. For fuzzing (`fuzz/`) and for the tests that replay its findings.

use super::geometry::validation;
use super::types::{LineDraft, ZoneDraft};
use tallycam_vision::{Anchor, CountingLine, LineId, Point, Polygon, Recrossing};

/// Reads the first lines of `data` as names, and the bytes after an empty line as numbers.
pub fn fuzz_drafts(data: &[u8]) {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let numbers = data.get(end + 2..).unwrap_or_default().chunks_exact(4);
    let points: Vec<[f64; 2]> = numbers
        .map(|four| f64::from(f32::from_le_bytes([four[0], four[1], four[2], four[3]])))
        .collect::<Vec<f64>>()
        .chunks_exact(2)
        .map(|two| [two[0], two[1]])
        .collect();
    let text = String::from_utf8_lossy(&data[..end]).into_owned();
    let mut names = text.lines().map(str::to_owned);
    let mut name = || names.next().unwrap_or_default();
    let (name, in_name, out_name) = (name(), name(), name());
    let classes: Vec<String> = names.collect();
    let at = |n: usize| points.get(n).copied().unwrap_or_default();
    let place = |[x, y]: [f64; 2]| Point::new(x as f32, y as f32);
    let anchor = Anchor::default();
    let line = LineDraft {
        name: name.clone(),
        a: at(0),
        b: at(1),
        in_name,
        out_name,
        classes: classes.clone(),
        anchor,
        recrossing: Recrossing::default(),
    };
    if let Ok(line) = validation::line(line) {
        assert!(CountingLine::new(LineId(1), line.name.as_str(), place(line.a), place(line.b)).is_ok());
        assert!(line.in_name != line.out_name && line.name.trim() == line.name);
        assert_eq!(validation::line(line.clone()).ok(), Some(line), "what was taken is taken again");
    }
    if let Ok(zone) = validation::zone(ZoneDraft { name, points, classes, anchor, exclude: false }) {
        assert!(Polygon::new(zone.points.iter().map(|point| place(*point)).collect()).is_ok());
        assert_eq!(validation::zone(zone.clone()).ok(), Some(zone), "what was taken is taken again");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_findings_hold() {
        tallycam_base::testing::replay("drawn", super::fuzz_drafts);
    }
}
