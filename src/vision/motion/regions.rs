//! Which pixels hang together: specks taken out, gaps closed, connected components in two passes over
//! runs (Rosenfeld and Pfaltz, "Sequential operations in digital picture processing", JACM 13, 1966;
//! by runs, He, Chao and Suzuki, 2008).

/// A box of whole pixels; `right` and `bottom` are beyond the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// First column.
    pub left: i32,
    /// First row.
    pub top: i32,
    /// Beyond the last column.
    pub right: i32,
    /// Beyond the last row.
    pub bottom: i32,
}

impl Frame {
    /// Holds nothing; grows by [`Frame::add`].
    pub const NOTHING: Frame = Frame { left: i32::MAX, top: i32::MAX, right: i32::MIN, bottom: i32::MIN };

    /// Columns.
    pub fn width(&self) -> i32 {
        self.right - self.left
    }

    /// Rows.
    pub fn height(&self) -> i32 {
        self.bottom - self.top
    }

    /// Pixels.
    pub fn area(&self) -> i32 {
        self.width().max(0) * self.height().max(0)
    }

    /// The least frame that holds both.
    pub fn add(&self, other: &Frame) -> Frame {
        Frame {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// What both hold.
    pub fn shared(&self, other: &Frame) -> Frame {
        Frame {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Wider by `by` pixels on every side.
    pub fn wider(&self, by: i32) -> Frame {
        Frame { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }

    /// Moved.
    pub fn moved(&self, x: i32, y: i32) -> Frame {
        Frame { left: self.left + x, top: self.top + y, right: self.right + x, bottom: self.bottom + y }
    }
}

/// One connected component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// What holds all its pixels.
    pub frame: Frame,
    /// How many pixels it has.
    pub area: i32,
}

/// Finds components. Keeps its buffers.
#[derive(Debug, Default)]
pub struct Regions {
    near: Vec<u8>,
    runs: Vec<Run>,
    parents: Vec<u32>,
    /// For each pixel of the last mask, the number of its region + 1; 0 for none.
    pub labels: Vec<u16>,
    /// The regions of the last mask, from 0 on.
    pub found: Vec<Region>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    row: u32,
    from: u32,
    to: u32,
}

/// No picture has more movers; beyond them labels end.
const MOST: usize = u16::MAX as usize - 1;

impl Regions {
    /// Takes single pixels and thin lines out of `mask` (0 or 1, `width` pixels a row), and fills what
    /// is nearly surrounded: a pixel is what most of the nine around it are.
    pub fn smooth(&mut self, mask: &mut [u8], width: usize) {
        let height = mask.len() / width;
        self.near.clear();
        self.near.resize(mask.len(), 0);
        // Sums of three sideways, then of three rows.
        for (row, sums) in mask.chunks_exact(width).zip(self.near.chunks_exact_mut(width)) {
            for column in 1..width.saturating_sub(1) {
                sums[column] = row[column - 1] + row[column] + row[column + 1];
            }
            if width > 1 {
                sums[0] = 2 * row[0] + row[1];
                sums[width - 1] = 2 * row[width - 1] + row[width - 2];
            }
        }
        for row in 0..height {
            let (above, below) = (row.saturating_sub(1), (row + 1).min(height - 1));
            for column in 0..width {
                let sum = self.near[above * width + column]
                    + self.near[row * width + column]
                    + self.near[below * width + column];
                mask[row * width + column] = u8::from(sum >= 4);
            }
        }
    }

    /// Finds what hangs together in `mask`, over gaps of up to `gap` pixels sideways and downwards.
    pub fn find(&mut self, mask: &[u8], width: usize, gap: u32) {
        self.runs.clear();
        for (row, pixels) in mask.chunks_exact(width).enumerate() {
            let mut at = 0;
            while let Some(start) = pixels[at..].iter().position(|&p| p != 0) {
                let from = at + start;
                let to = pixels[from..].iter().position(|&p| p == 0).map_or(width, |len| from + len);
                self.runs.push(Run { row: row as u32, from: from as u32, to: to as u32 });
                at = to;
            }
        }
        self.parents.clear();
        self.parents.extend(0..self.runs.len() as u32);
        let mut first = 0;
        for at in 0..self.runs.len() {
            let run = self.runs[at];
            while self.runs[first].row + gap + 1 < run.row {
                first += 1;
            }
            for before in first..at {
                let other = self.runs[before];
                if other.from <= run.to + gap && run.from <= other.to + gap {
                    self.join(before as u32, at as u32);
                }
            }
        }
        self.found.clear();
        self.labels.clear();
        self.labels.resize(mask.len(), 0);
        let mut names = vec![0u16; self.runs.len()];
        for at in 0..self.runs.len() {
            let root = self.root(at as u32) as usize;
            if names[root] == 0 {
                if self.found.len() == MOST {
                    continue;
                }
                self.found.push(Region { frame: Frame::NOTHING, area: 0 });
                names[root] = self.found.len() as u16;
            }
            let Run { row, from, to } = self.runs[at];
            let region = &mut self.found[usize::from(names[root]) - 1];
            let (row, from, to) = (row as usize, from as usize, to as usize);
            region.area += (to - from) as i32;
            region.frame = region.frame.add(&Frame {
                left: from as i32,
                top: row as i32,
                right: to as i32,
                bottom: row as i32 + 1,
            });
            self.labels[row * width + from..row * width + to].fill(names[root]);
        }
    }

    fn root(&mut self, mut of: u32) -> u32 {
        while self.parents[of as usize] != of {
            let above = self.parents[of as usize];
            self.parents[of as usize] = self.parents[above as usize];
            of = above;
        }
        of
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        let (low, high) = (one.min(other), one.max(other));
        self.parents[high as usize] = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Vec<u8> {
        rows.iter().flat_map(|row| row.bytes().map(|b| u8::from(b == b'#'))).collect()
    }

    #[test]
    fn what_hangs_together_is_one_region() {
        let mask = mask(&["#..#.....", "#..#....#", "####....#", ".......##"]);
        let mut regions = Regions::default();
        regions.find(&mask, 9, 0);
        let found: Vec<_> = regions
            .found
            .iter()
            .map(|r| (r.frame.left, r.frame.top, r.frame.right, r.frame.bottom, r.area))
            .collect();
        assert_eq!(found, [(0, 0, 4, 3, 8), (7, 1, 9, 4, 4)]);
        assert_eq!(
            (regions.labels[0], regions.labels[3], regions.labels[17], regions.labels[1]),
            (1, 1, 2, 0)
        );
        regions.find(&mask, 9, 4);
        assert_eq!(regions.found.len(), 1, "over a gap of four");
        regions.find(&[0; 36], 9, 4);
        assert!(regions.found.is_empty());
    }

    #[test]
    fn specks_go_and_holes_close() {
        let mut noisy = mask(&[".....#.", ".###...", ".#.#...", ".###...", ".....#."]);
        Regions::default().smooth(&mut noisy, 7);
        assert_eq!(noisy[2 * 7 + 2], 1, "the hole");
        assert_eq!((noisy[5], noisy[4 * 7 + 5]), (0, 0), "the specks");
    }
}
