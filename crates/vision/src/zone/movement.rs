//! The movement map: how many objects moved through each cell of a grid over the frame.

use std::collections::BTreeMap;

use crate::geometry::Aspect;
use crate::line::Anchor;
use crate::tracker::{TrackId, TrackState, Tracker};

/// The grid over the frame: columns and rows.
pub const MOVEMENT_GRID: (usize, usize) = (64, 36);

/// An object is in another cell only if it is so far beyond the edge of its own, in cells: boxes tremble.
const BEYOND: f32 = 0.25;

/// Counts the objects that come into each cell. One that stands counts nowhere.
#[derive(Debug)]
pub(crate) struct MovementMap {
    /// Row by row.
    cells: Vec<u16>,
    /// The cell of each track, column and row.
    at: BTreeMap<TrackId, (i32, i32)>,
}

impl MovementMap {
    pub(crate) fn new() -> MovementMap {
        MovementMap { cells: vec![0; MOVEMENT_GRID.0 * MOVEMENT_GRID.1], at: BTreeMap::new() }
    }

    /// Takes in the tracks of a frame.
    pub(crate) fn update(&mut self, tracker: &Tracker, aspect: Aspect) {
        let (columns, rows) = (MOVEMENT_GRID.0 as f32, MOVEMENT_GRID.1 as f32);
        self.at.retain(|id, _| tracker.track(*id).is_some());
        for track in tracker.tracks().iter().filter(|track| track.is_matched()) {
            if track.state() != TrackState::Confirmed
                || tracker.is_shown_part(track)
                || track.cut_edges().hides_anchor(Anchor::default())
            {
                continue;
            }
            let foot = Anchor::default().points(&track.bounds(aspect))[0].within_picture();
            let (x, y) = (foot.x * columns, foot.y * rows);
            let cell = ((x as i32).min(columns as i32 - 1), (y as i32).min(rows as i32 - 1));
            let last = *self.at.entry(track.id()).or_insert(cell);
            let is_beyond = |at: f32, last: i32| (at - last as f32 - 0.5).abs() > 0.5 + BEYOND;
            if !is_beyond(x, last.0) && !is_beyond(y, last.1) {
                continue;
            }
            // All cells on the way: a fast object leaves out none.
            let (right, down) = (cell.0 - last.0, cell.1 - last.1);
            let steps = right.abs().max(down.abs());
            for step in 1..=steps {
                let along = |from: i32, way: i32| (from * steps + way * step + steps / 2).div_euclid(steps);
                let place = along(last.1, down) * columns as i32 + along(last.0, right);
                if let Some(count) = usize::try_from(place).ok().and_then(|at| self.cells.get_mut(at)) {
                    *count = count.saturating_add(1);
                }
            }
            self.at.insert(track.id(), cell);
        }
    }

    /// The counts since the last call, row by row; `None` if nothing has moved.
    pub(crate) fn take(&mut self) -> Option<Vec<u16>> {
        let has_moved = self.cells.iter().any(|count| *count > 0);
        has_moved.then(|| std::mem::replace(&mut self.cells, vec![0; MOVEMENT_GRID.0 * MOVEMENT_GRID.1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bounds, Class, Counter, CounterOptions, Detection, Labels, Point};

    fn counter() -> Counter {
        let mut counter =
            Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(640, 360));
        counter.set_movement_map(true);
        counter
    }

    fn see(counter: &mut Counter, n: u64, x: f32, foot: f32) {
        let bounds = Bounds::centered_at(Point::new(x, foot - 0.1), 0.06, 0.2);
        counter.update(&[Detection { class: Class(0), score: 0.9, bounds }], n * 100_000);
    }

    #[test]
    fn a_walk_marks_every_cell_once_and_standing_none() {
        let mut counter = counter();
        // Two columns a frame, along the middle of row 18. After a stop the smoothed place goes on a little.
        (0..25).for_each(|n| see(&mut counter, n, 0.1 + 0.03 * n as f32, 18.5 / 36.0));
        (25..60).for_each(|n| see(&mut counter, n, 0.82, 18.5 / 36.0));
        let cells = counter.take_movement().unwrap();
        let sum = |cells: &[u16]| cells.iter().map(|count| u32::from(*count)).sum::<u32>();
        let row = &cells[18 * 64..19 * 64];
        assert_eq!(sum(&cells), sum(row), "{row:?}");
        let first = row.iter().position(|count| *count > 0).unwrap();
        assert!(first <= 17 && row[first..50].iter().all(|count| *count == 1), "{row:?}");
        // Standing and trembling.
        (60..200).for_each(|n| see(&mut counter, n, 0.82 + 0.004 * (n % 3) as f32, 18.5 / 36.0));
        assert_eq!(counter.take_movement(), None);
        (200..210).for_each(|n| see(&mut counter, n, 0.82, 18.5 / 36.0 + 0.03 * (n - 200) as f32));
        let cells = counter.take_movement().unwrap();
        let columns: Vec<usize> = (0..cells.len()).filter(|at| cells[*at] > 0).map(|at| at % 64).collect();
        assert!(columns.len() >= 6 && columns.iter().all(|x| (51..=54).contains(x)), "{columns:?}");
    }

    #[test]
    fn it_is_off_until_asked_for() {
        let mut counter = counter();
        counter.set_movement_map(false);
        (0..25).for_each(|n| see(&mut counter, n, 0.1 + 0.03 * n as f32, 0.5));
        assert_eq!(counter.take_movement(), None);
    }
}
