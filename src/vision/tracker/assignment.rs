//! Optimal assignment: who is who, at the least sum of costs.
//!
//! Shortest augmenting paths with potentials, O(n²·m): R. Jonker and A. Volgenant, "A shortest
//! augmenting path algorithm for dense and sparse linear assignment problems", Computing 38 (1987),
//! without their initial reductions. The matrix is small here (tracks × detections of one frame),
//! and pairs that cannot be are mostly cut off before (see [`Assignment::solve`]).

/// Solves assignment problems, one after another, in memory it keeps.
#[derive(Debug, Default)]
pub struct Assignment {
    /// Potentials of rows and columns.
    row_price: Vec<f32>,
    column_price: Vec<f32>,
    /// Which row a column belongs to, 0 for none; rows count from 1, column 0 is the start.
    row_of: Vec<usize>,
    /// The way back along the shortest path.
    before: Vec<usize>,
    distance: Vec<f32>,
    done: Vec<bool>,
    transposed: Vec<f32>,
}

impl Assignment {
    /// Pairs rows with columns so that the sum over all pairs of (cost − `limit`) is least; pairs
    /// that cost `limit` or more (or NaN) are never made. `costs` is row by row, `rows` ×
    /// `columns`. Gives for every row its column, if it has one.
    ///
    /// # Panics
    /// If `costs` is not `rows` × `columns` long.
    pub fn solve(&mut self, costs: &[f32], rows: usize, columns: usize, limit: f32) -> Vec<Option<usize>> {
        assert_eq!(costs.len(), rows * columns, "a cost for every pair");
        let mut columns_of = vec![None; rows];
        if rows == 0 || columns == 0 {
            return columns_of;
        }
        if rows <= columns {
            self.augment(rows, columns, |row, column| capped(costs[row * columns + column], limit));
        } else {
            // Every row of the matrix finds a column: lay the shorter side along the rows.
            let mut transposed = std::mem::take(&mut self.transposed);
            transposed.clear();
            for column in 0..columns {
                transposed.extend((0..rows).map(|row| capped(costs[row * columns + column], limit)));
            }
            self.augment(columns, rows, |column, row| transposed[column * rows + row]);
            self.transposed = transposed;
        }
        for (place, &owner) in self.row_of.iter().enumerate().skip(1).filter(|(_, owner)| **owner > 0) {
            let (row, column) = if rows <= columns { (owner - 1, place - 1) } else { (place - 1, owner - 1) };
            if costs[row * columns + column] < limit {
                columns_of[row] = Some(column);
            }
        }
        columns_of
    }

    /// Gives each of `rows` ≤ `columns` rows a column of its own at the least sum of costs. A pair
    /// at the limit stands for leaving both alone, so every row can be given one.
    fn augment(&mut self, rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f32) {
        refill(&mut self.row_price, rows + 1, 0.0);
        refill(&mut self.column_price, columns + 1, 0.0);
        refill(&mut self.row_of, columns + 1, 0);
        refill(&mut self.before, columns + 1, 0);
        for row in 1..=rows {
            refill(&mut self.distance, columns + 1, f32::INFINITY);
            refill(&mut self.done, columns + 1, false);
            self.row_of[0] = row;
            let mut column = 0;
            while self.row_of[column] != 0 {
                self.done[column] = true;
                let from = self.row_of[column];
                let mut nearest = f32::INFINITY;
                let mut next = 0;
                for other in 1..=columns {
                    if self.done[other] {
                        continue;
                    }
                    let reduced = cost(from - 1, other - 1) - self.row_price[from] - self.column_price[other];
                    if reduced < self.distance[other] {
                        self.distance[other] = reduced;
                        self.before[other] = column;
                    }
                    if self.distance[other] < nearest {
                        nearest = self.distance[other];
                        next = other;
                    }
                }
                for other in 0..=columns {
                    if self.done[other] {
                        self.row_price[self.row_of[other]] += nearest;
                        self.column_price[other] -= nearest;
                    } else {
                        self.distance[other] -= nearest;
                    }
                }
                column = next;
            }
            while column != 0 {
                let previous = self.before[column];
                self.row_of[column] = self.row_of[previous];
                column = previous;
            }
        }
    }
}

/// What leaving a pair alone costs is the most that any pair costs.
fn capped(cost: f32, limit: f32) -> f32 {
    if cost < limit { cost } else { limit }
}

fn refill<T: Clone>(values: &mut Vec<T>, len: usize, value: T) {
    values.clear();
    values.resize(len, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The least sum of (cost − limit) over all ways to pair, by trying them all.
    fn brute_force(costs: &[f32], columns: usize, limit: f32, row: usize, taken: u32) -> f32 {
        if row * columns >= costs.len() {
            return 0.0;
        }
        let mut best = brute_force(costs, columns, limit, row + 1, taken);
        for column in (0..columns).filter(|column| taken & 1 << column == 0) {
            let cost = costs[row * columns + column];
            if cost < limit {
                let rest = brute_force(costs, columns, limit, row + 1, taken | 1 << column);
                best = best.min(cost - limit + rest);
            }
        }
        best
    }

    #[test]
    fn the_best_whole_beats_the_best_pair() {
        // Row 0 would like column 0 best, but then row 1 has nobody.
        let costs = [0.1, 0.2, 0.1, 0.9];
        assert_eq!(Assignment::default().solve(&costs, 2, 2, 0.8), [Some(1), Some(0)]);
    }

    #[test]
    fn a_pair_that_cannot_be_is_not_made() {
        let costs = [0.9, f32::NAN, f32::INFINITY, 0.3];
        assert_eq!(Assignment::default().solve(&costs, 2, 2, 0.8), [None, Some(1)]);
        assert_eq!(Assignment::default().solve(&[], 0, 5, 1.0), []);
        assert_eq!(Assignment::default().solve(&[], 3, 0, 1.0), [None, None, None]);
    }

    proptest! {
        #[test]
        fn no_other_way_to_pair_is_cheaper(
            (rows, columns, costs) in (1usize..=6, 1usize..=6).prop_flat_map(|(rows, columns)| {
                (Just(rows), Just(columns), prop::collection::vec(0.0f32..1.0, rows * columns))
            }),
            limit in 0.1f32..1.2,
        ) {
            let pairs = Assignment::default().solve(&costs, rows, columns, limit);
            let mut taken: Vec<usize> = pairs.iter().copied().flatten().collect();
            let made = taken.len();
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), made, "a column was given twice");
            let mut sum = 0.0;
            for (row, column) in pairs.iter().enumerate() {
                if let Some(column) = column {
                    prop_assert!(costs[row * columns + column] < limit);
                    sum += costs[row * columns + column] - limit;
                }
            }
            let best = brute_force(&costs, columns, limit, 0, 0);
            prop_assert!((sum - best).abs() < 1e-4, "{} is not {}", sum, best);
        }
    }
}
