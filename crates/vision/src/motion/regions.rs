//! Connected components of a mask: removes specks, closes holes, and labels in one pass over runs (Rosenfeld and
//! Pfaltz, "Sequential operations in digital picture processing", JACM 13, 1966; by runs: He, Chao and Suzuki, 2008).

use memchr::memchr;

use crate::geometry::Bounds;

/// Gap in pixels sideways and rows downwards that still connects.
const GAP: u32 = 2;

/// One connected component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Region {
    /// Bounding box, in pixels.
    pub bounds: Bounds,
    /// Number of pixels.
    pub area: f32,
    /// Its part that shines like a lamp; only in dark frames.
    pub glare: Option<Glare>,
}

/// The pixels of a region that are as bright as a lamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Glare {
    /// Bounding box, in pixels.
    pub bounds: Bounds,
    /// Number of pixels.
    pub area: f32,
}

impl Region {
    /// Both as one.
    pub fn union(&self, other: &Region) -> Region {
        let glare = match (self.glare, other.glare) {
            (Some(a), Some(b)) => Some(Glare { bounds: a.bounds.union(&b.bounds), area: a.area + b.area }),
            (one, other) => one.or(other),
        };
        Region { bounds: self.bounds.union(&other.bounds), area: self.area + other.area, glare }
    }
}

/// Finds connected components and keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    sums: Vec<u8>,
    runs: Vec<PixelRun>,
    /// For each run, an earlier run that it is connected to, or itself.
    parents: Vec<u32>,
    /// The regions of the last mask.
    pub found: Vec<Region>,
}

#[derive(Debug, Clone, Copy)]
struct PixelRun {
    row: u32,
    from: u32,
    to: u32,
    /// The region of a run that is its own parent.
    region: u32,
}

impl Regions {
    /// Finds the components of `mask` (0 or 1, `width` pixels a row), without single pixels and thin lines.
    pub fn find(&mut self, mask: &mut [u8], width: usize) {
        self.smooth_mask(mask, width);
        self.find_all(mask, width);
    }

    /// Finds all components of `mask`.
    pub(crate) fn find_all(&mut self, mask: &[u8], width: usize) {
        self.extract_runs(mask, width);
        let mut first = 0;
        for at in 0..self.runs.len() {
            let run = self.runs[at];
            while self.runs[first].row + GAP + 1 < run.row {
                first += 1;
            }
            for before in first..at {
                let other = self.runs[before];
                if other.from <= run.to + GAP && run.from <= other.to + GAP {
                    self.union(before as u32, at as u32);
                }
            }
        }
        self.found.clear();
        for at in 0..self.runs.len() {
            let PixelRun { row, from, to, .. } = self.runs[at];
            let (top, left, right) = (row as f32, from as f32, to as f32);
            let bounds = Bounds::new(left, top, right, top + 1.0);
            let part = Region { bounds, area: right - left, glare: None };
            // A root precedes its children.
            let root = self.find_root(at as u32) as usize;
            if root == at {
                self.runs[at].region = self.found.len() as u32;
                self.found.push(part);
            } else {
                let whole = &mut self.found[self.runs[root].region as usize];
                *whole = whole.union(&part);
            }
        }
    }

    /// Finds the glare in the last regions: the pixels of `mask` whose colour `is_bright`, if at least `least` of
    /// them.
    pub(crate) fn find_glare(
        &mut self,
        mask: &[u8],
        width: usize,
        least: f32,
        is_bright: impl Fn(usize) -> bool,
    ) {
        for region in &mut self.found {
            let b = region.bounds;
            let mut glare: Option<Glare> = None;
            for row in b.top as usize..b.bottom as usize {
                let pixels = row * width + b.left as usize..row * width + b.right as usize;
                for at in pixels.filter(|&at| mask[at] == 1 && is_bright(at)) {
                    let (left, top) = ((at % width) as f32, row as f32);
                    let bounds = Bounds::new(left, top, left + 1.0, top + 1.0);
                    let known = glare.get_or_insert(Glare { bounds, area: 0.0 });
                    *known = Glare { bounds: known.bounds.union(&bounds), area: known.area + 1.0 };
                }
            }
            region.glare = glare.filter(|glare| glare.area >= least);
        }
    }

    /// Capacities of sums, runs, parents and regions.
    #[cfg(test)]
    pub fn room(&self) -> [usize; 4] {
        [self.sums.capacity(), self.runs.capacity(), self.parents.capacity(), self.found.capacity()]
    }

    /// Removes single pixels and thin lines from `mask` and fills nearly surrounded pixels: a pixel is set if at
    /// least four of the nine around it are. The edge pixels continue beyond the edge.
    fn smooth_mask(&mut self, mask: &mut [u8], width: usize) {
        if width < 3 {
            return;
        }
        let height = mask.len() / width;
        self.sums.resize(mask.len(), 0);
        for (row, sums) in mask.chunks_exact(width).zip(self.sums.chunks_exact_mut(width)) {
            for ((sum, before), (here, after)) in
                sums[1..].iter_mut().zip(row).zip(row[1..].iter().zip(&row[2..]))
            {
                *sum = before + here + after;
            }
            sums[0] = 2 * row[0] + row[1];
            sums[width - 1] = row[width - 2] + 2 * row[width - 1];
        }
        for (row, mask) in mask.chunks_exact_mut(width).enumerate() {
            let sums = |row: usize| &self.sums[row * width..(row + 1) * width];
            let (above, here, below) =
                (sums(row.saturating_sub(1)), sums(row), sums((row + 1).min(height - 1)));
            for (((pixel, above), here), below) in mask.iter_mut().zip(above).zip(here).zip(below) {
                *pixel = u8::from(above + here + below >= 4);
            }
        }
    }

    /// Cuts the rows of `mask` into runs.
    fn extract_runs(&mut self, mask: &[u8], width: usize) {
        self.runs.clear();
        for (row, pixels) in mask.chunks_exact(width).enumerate() {
            let mut at = 0;
            while let Some(start) = memchr(1, &pixels[at..]) {
                let from = at + start;
                let to = memchr(0, &pixels[from..]).map_or(width, |len| from + len);
                self.runs.push(PixelRun { row: row as u32, from: from as u32, to: to as u32, region: 0 });
                at = to;
            }
        }
        self.parents.clear();
        self.parents.extend(0..self.runs.len() as u32);
    }

    fn find_root(&mut self, mut of: u32) -> u32 {
        while self.parents[of as usize] != of {
            let above = self.parents[of as usize];
            self.parents[of as usize] = self.parents[above as usize];
            of = above;
        }
        of
    }

    fn union(&mut self, one: u32, other: u32) {
        let (one, other) = (self.find_root(one), self.find_root(other));
        let (low, high) = (one.min(other), one.max(other));
        self.parents[high as usize] = low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[&str]) -> Vec<(f32, f32, f32, f32, f32)> {
        let mut mask: Vec<u8> =
            rows.iter().flat_map(|row| row.bytes().map(|b| u8::from(b == b'#'))).collect();
        let mut regions = Regions::default();
        regions.find(&mut mask, rows[0].len());
        let (found, again) = (regions.found.clone(), &mut [0; 36]);
        regions.find(again, 9);
        assert!(regions.found.is_empty(), "of nothing");
        found.iter().map(|r| (r.bounds.left, r.bounds.top, r.bounds.right, r.bounds.bottom, r.area)).collect()
    }

    #[test]
    fn connected_pixels_are_one_region() {
        let two = ["##.##......", "##.##......", "#####......", "#####....##", ".........##", ".........##"];
        assert_eq!(found(&two), [(0.0, 0.0, 5.0, 4.0, 20.0), (9.0, 3.0, 11.0, 6.0, 6.0)]);
        let near = ["###..###", "###..###", "###..###"];
        assert_eq!(found(&near).len(), 1, "over a gap");
    }

    #[test]
    fn specks_go_and_holes_close() {
        assert_eq!(found(&[".....#.", ".......", ".......", ".....#."]), []);
        let ring = [".......", ".#####.", ".##.##.", ".#####.", "......."];
        assert_eq!(found(&ring), [(1.0, 1.0, 6.0, 4.0, 15.0)]);
    }
}
