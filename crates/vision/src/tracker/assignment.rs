//! Optimal assignment of rows to columns at the least sum of costs.
//!
//! Most pairs of a track and a detection are impossible, so the problem falls apart into independent *clusters*,
//! usually of a handful of neighbours. Each is solved by shortest augmenting paths with potentials, O(n²·m): R.
//! Jonker and A. Volgenant, "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
//! Computing 38 (1987), without their initial reductions.

/// Solves assignment problems and reuses its buffers.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    cluster: Cluster,
    rows_done: Vec<bool>,
    columns_done: Vec<bool>,
    paths: Paths,
}

/// Rows and columns linked by possible pairs.
#[derive(Debug, Default)]
struct Cluster {
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// Its part of the matrix; rows are the shorter side.
    costs: Vec<f32>,
}

/// Buffers of the search for shortest paths. Rows and columns count from 1 here.
#[derive(Debug, Default)]
struct Paths {
    /// Potentials.
    row_price: Vec<f32>,
    column_price: Vec<f32>,
    /// The row of each column, 0 for none; column 0 is the start of a path.
    row_of: Vec<usize>,
    /// Predecessors along the shortest path.
    before: Vec<usize>,
    distance: Vec<f32>,
    done: Vec<bool>,
}

impl Assignment {
    /// Pairs rows with columns so that the sum of (cost − `limit`) over all pairs is least. Pairs that cost `limit`
    /// or more (or NaN) are never made. `costs` has `rows` × `columns` entries, row by row. Returns the column of
    /// every row, if it has one.
    ///
    /// # Panics
    /// If `costs` is not `rows` × `columns` long.
    pub(crate) fn solve(
        &mut self,
        costs: &[f32],
        rows: usize,
        columns: usize,
        limit: f32,
    ) -> Vec<Option<usize>> {
        assert_eq!(costs.len(), rows * columns, "a cost for every pair");
        let mut columns_of = vec![None; rows];
        reset_to(&mut self.rows_done, rows, false);
        reset_to(&mut self.columns_done, columns, false);
        for row in 0..rows {
            if !self.rows_done[row] {
                self.gather_cluster(row, costs, columns, limit);
                self.solve_cluster(costs, columns, limit, &mut columns_of);
            }
        }
        columns_of
    }

    /// Gathers the cluster that contains `row`.
    fn gather_cluster(&mut self, row: usize, costs: &[f32], columns: usize, limit: f32) {
        let Cluster { rows: members, columns: others, .. } = &mut self.cluster;
        members.clear();
        others.clear();
        members.push(row);
        self.rows_done[row] = true;
        let (mut next_row, mut next_column) = (0, 0);
        while next_row < members.len() || next_column < others.len() {
            if let Some(&row) = members.get(next_row) {
                next_row += 1;
                for (column, done) in self.columns_done.iter_mut().enumerate().filter(|(_, done)| !**done) {
                    if costs[row * columns + column] < limit {
                        *done = true;
                        others.push(column);
                    }
                }
            } else {
                let column = others[next_column];
                next_column += 1;
                for (row, done) in self.rows_done.iter_mut().enumerate().filter(|(_, done)| !**done) {
                    if costs[row * columns + column] < limit {
                        *done = true;
                        members.push(row);
                    }
                }
            }
        }
    }

    fn solve_cluster(&mut self, costs: &[f32], columns: usize, limit: f32, columns_of: &mut [Option<usize>]) {
        let Cluster { rows: members, columns: others, costs: own } = &mut self.cluster;
        // A pair at the limit means that both stay alone, so that every member of the shorter side can get a partner.
        let capped = |row: usize, column: usize| {
            let cost = costs[row * columns + column];
            if cost < limit { cost } else { limit }
        };
        own.clear();
        let tall = members.len() > others.len();
        let (short, long) = if tall { (&*others, &*members) } else { (&*members, &*others) };
        for &one in short {
            own.extend(long.iter().map(|&other| if tall { capped(other, one) } else { capped(one, other) }));
        }
        self.paths.solve(own, short.len(), long.len());
        for (place, &owner) in self.paths.row_of.iter().enumerate().skip(1).filter(|(_, owner)| **owner > 0) {
            let (one, other) = (short[owner - 1], long[place - 1]);
            let (row, column) = if tall { (other, one) } else { (one, other) };
            if costs[row * columns + column] < limit {
                columns_of[row] = Some(column);
            }
        }
    }
}

impl Paths {
    /// Gives each of `rows` ≤ `columns` rows a column of its own at the least sum of costs.
    fn solve(&mut self, costs: &[f32], rows: usize, columns: usize) {
        reset_to(&mut self.row_price, rows + 1, 0.0);
        reset_to(&mut self.column_price, columns + 1, 0.0);
        reset_to(&mut self.row_of, columns + 1, 0);
        reset_to(&mut self.before, columns + 1, 0);
        for row in 1..=rows {
            reset_to(&mut self.distance, columns + 1, f32::INFINITY);
            reset_to(&mut self.done, columns + 1, false);
            self.row_of[0] = row;
            let mut column = 0;
            while self.row_of[column] != 0 {
                column = self.extend_path(column, costs, columns);
            }
            while column != 0 {
                let previous = self.before[column];
                self.row_of[column] = self.row_of[previous];
                column = previous;
            }
        }
    }

    /// Extends the path from `column` to the nearest unvisited column.
    fn extend_path(&mut self, column: usize, costs: &[f32], columns: usize) -> usize {
        self.done[column] = true;
        let from = self.row_of[column];
        let row = &costs[(from - 1) * columns..from * columns];
        let (mut nearest, mut next) = (f32::INFINITY, 0);
        for other in 1..=columns {
            if self.done[other] {
                continue;
            }
            let reduced = row[other - 1] - self.row_price[from] - self.column_price[other];
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
        next
    }
}

fn reset_to<T: Clone>(values: &mut Vec<T>, len: usize, value: T) {
    values.clear();
    values.resize(len, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tallycam_base::proptest_floats::between;

    /// The least sum of (cost − limit) over all pairings, by exhaustive search.
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
    fn the_best_total_beats_the_best_pair() {
        // Row 0 prefers column 0, but then row 1 has no partner.
        let costs = [0.1, 0.2, 0.1, 0.9];
        assert_eq!(Assignment::default().solve(&costs, 2, 2, 0.8), [Some(1), Some(0)]);
    }

    #[test]
    fn impossible_pairs_are_not_made() {
        let costs = [0.9, f32::NAN, f32::INFINITY, 0.3];
        assert_eq!(Assignment::default().solve(&costs, 2, 2, 0.8), [None, Some(1)]);
        assert_eq!(Assignment::default().solve(&[], 0, 5, 1.0), []);
        assert_eq!(Assignment::default().solve(&[], 3, 0, 1.0), [None, None, None]);
    }

    proptest! {
        #[test]
        fn no_other_pairing_is_cheaper(
            (rows, columns, costs) in (1usize..=6, 1usize..=6).prop_flat_map(|(rows, columns)| {
                (Just(rows), Just(columns), prop::collection::vec(between(0.0f32, 1.0), rows * columns))
            }),
            limit in prop::sample::select(vec![0.1f32, 0.3, 0.6, 1.2]),
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
