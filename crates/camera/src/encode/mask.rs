//! The privacy mask: blackens areas of a frame before anything is made of it.
//!
//! Raw frames are copied and blackened. In the JPEGs that cameras usually send, the blocks under the mask are replaced
//! without decoding the others; every other JPEG is decoded and compressed again. A mask covers whole cells: 2×2
//! pixels of a raw frame, a unit of a JPEG (at most 32×32). A frame that cannot be masked is an error, never a
//! frame. Metadata of a JPEG is dropped, because it may have a thumbnail.

use std::ops::Range;
use std::sync::Arc;

use super::entropy::JpegReader;
use super::repair::Mender;
use super::{check, unsupported};
use crate::media::jpeg::{self, Jpeg};
use crate::media::{Fourcc, Frame, Orientation, SecondFrame};
use tallycam_base::Fault;

/// Areas to blacken: polygons in fractions of the camera's own picture, upright but neither rotated nor cropped. Clones
/// share them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PrivacyMask(Arc<[Vec<[f64; 2]>]>);

impl PrivacyMask {
    /// A mask of these polygons. Corners may lie outside the picture.
    pub fn new(areas: &[Vec<[f64; 2]>]) -> PrivacyMask {
        PrivacyMask(areas.into())
    }

    /// True if nothing is blackened.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The cells of an image that a mask touches.
#[derive(Debug, Default)]
struct Cells {
    mask: PrivacyMask,
    size: (usize, usize),
    cell: (usize, usize),
    across: usize,
    /// One for each cell, row by row.
    touched: Vec<bool>,
    /// Runs of touched cells: row, then columns.
    runs: Vec<(usize, Range<usize>)>,
}

impl Cells {
    /// Adapts the cells to an image of `size` pixels in cells of `cell` pixels.
    fn fit(&mut self, mask: &PrivacyMask, size: (usize, usize), cell: (usize, usize)) {
        if (self.size, self.cell) == (size, cell) && self.mask == *mask {
            return;
        }
        let (across, down) = (size.0.div_ceil(cell.0), size.1.div_ceil(cell.1));
        (self.mask, self.size, self.cell, self.across) = (mask.clone(), size, cell, across);
        self.touched.clear();
        self.touched.resize(across * down, false);
        self.runs.clear();
        let scale = [size.0 as f64 / cell.0 as f64, size.1 as f64 / cell.1 as f64];
        for (row, touched) in self.touched.chunks_exact_mut(across.max(1)).enumerate() {
            for area in mask.0.iter() {
                touch_row(area, scale, row as f64, touched);
            }
            let mut at = 0;
            while let Some(from) = touched[at..].iter().position(|&is| is).map(|n| at + n) {
                at = touched[from..].iter().position(|&is| !is).map_or(across, |n| from + n);
                self.runs.push((row, from..at));
            }
        }
    }

    /// For each touched row of cells: its rows of pixels and its columns of pixels.
    fn pixels(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let ((width, height), (w, h)) = (self.size, self.cell);
        self.runs.iter().map(move |(row, run)| {
            (row * h..((row + 1) * h).min(height), run.start * w..(run.end * w).min(width))
        })
    }

    /// True if the mask touches this unit, counted row by row.
    fn has(&self, unit: usize) -> bool {
        // A unit outside the mask's image is covered rather than shown.
        self.touched.get(unit).copied().unwrap_or(true)
    }

    /// Blackens pixels of three bytes.
    fn blacken_rgb(&mut self, mask: &PrivacyMask, pixels: &mut [u8], size: (usize, usize)) {
        self.fit(mask, size, (1, 1));
        for (rows, columns) in self.pixels() {
            for row in rows {
                pixels[3 * (row * size.0 + columns.start)..3 * (row * size.0 + columns.end)].fill(0);
            }
        }
    }
}

/// Marks the cells between `row` and `row` + 1 that `area` touches; `scale` turns its corners into cells. These are
/// the cells that a side passes through, and those between sides at half the row's height.
fn touch_row(area: &[[f64; 2]], scale: [f64; 2], row: f64, touched: &mut [bool]) {
    let mut mark = |from: f64, to: f64| {
        // `as` clamps; a corner at the very edge of a cell touches both.
        let (from, end) = ((from - 1e-6).floor() as usize, (to + 1e-6).floor().max(-1.0) + 1.0);
        let end = (end as usize).min(touched.len());
        if from < end {
            touched[from..end].fill(true);
        }
    };
    let mut between = Vec::new();
    let corner = |n: usize| [area[n % area.len()][0] * scale[0], area[n % area.len()][1] * scale[1]];
    for n in 0..area.len() {
        let (a, b) = (corner(n), corner(n + 1));
        let x_at =
            |y: f64| if b[1] == a[1] { a[0] } else { a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) };
        let (top, bottom) = (a[1].min(b[1]).max(row), a[1].max(b[1]).min(row + 1.0));
        if a[1] == b[1] && top <= bottom {
            mark(a[0].min(b[0]), a[0].max(b[0]));
        } else if top <= bottom {
            mark(x_at(top).min(x_at(bottom)), x_at(top).max(x_at(bottom)));
        }
        let middle = row + 0.5;
        if (a[1] > middle) != (b[1] > middle) {
            between.push(x_at(middle));
        }
    }
    between.sort_by(f64::total_cmp);
    between.chunks_exact(2).for_each(|pair| mark(pair[0], pair[1]));
}

/// Masks frames. Reuses its buffers; without a mask it has none and changes nothing.
#[derive(Debug, Default)]
pub struct Masker {
    main: RawCopy,
    second: RawCopy,
    cells: Cells,
    reader: JpegReader,
    /// Created for the first JPEG that must be decoded.
    mender: Option<Box<Mender>>,
}

impl Masker {
    /// `frame` with the areas of `mask` in black, and so its second frame. `quality` 1–100 is for a JPEG that must be
    /// compressed again.
    ///
    /// # Errors
    /// The mask cannot be applied. The next frame may be tried.
    pub fn apply<'a>(
        &'a mut self,
        frame: &Frame<'a>,
        mask: &PrivacyMask,
        quality: u8,
    ) -> Result<Frame<'a>, Fault> {
        if mask.is_empty() {
            return Ok(Frame { ..*frame });
        }
        let Masker { main, second, cells, reader, mender } = self;
        let second = frame.second.map(|small| second.blacken(&small.to_frame(frame), mask)).transpose();
        let second = second.map_err(refused)?.map(|small| SecondFrame {
            fourcc: small.fourcc,
            width: small.width,
            height: small.height,
            stride: small.stride,
            data: small.data,
        });
        if !frame.fourcc.is_jpeg() {
            return Ok(Frame { second, ..main.blacken(frame, mask).map_err(refused)? });
        }
        let found =
            jpeg::inspect_open(frame.data).map_err(|cause| refused(Fault::passing(cause.to_string())))?;
        let whole = found.decoder_parts(frame.data).concat();
        if is_plain(&found) {
            let Jpeg { width, height, unit, .. } = found;
            cells.fit(mask, (width as usize, height as usize), (unit.0 as usize, unit.1 as usize));
            if reader.blacken(&whole, |unit| cells.has(unit)).is_some() {
                return Ok(Frame { data: reader.blackened(), width, height, second, ..*frame });
            }
        }
        let mender = match mender {
            Some(mender) => mender,
            none => none.insert(Box::new(Mender::new()?)),
        };
        let blacken = |pixels: &mut [u8], size| cells.blacken_rgb(mask, pixels, size);
        let (data, width, height) = mender.repair(&whole, &found, quality, blacken).map_err(refused)?;
        Ok(Frame { data, width, height, second, ..*frame })
    }
}

/// True for an upright JPEG that views support.
fn is_plain(found: &Jpeg) -> bool {
    found.is_usual && found.orientation == Orientation::default()
}

fn refused(cause: Fault) -> Fault {
    Fault {
        what: format!("a frame is not shown, because the privacy mask cannot be applied: {}", cause.what),
        ..cause
    }
}

/// A copy of a raw frame.
#[derive(Debug, Default)]
struct RawCopy {
    bytes: Vec<u8>,
    cells: Cells,
}

impl RawCopy {
    fn blacken<'a>(&'a mut self, frame: &Frame<'_>, mask: &PrivacyMask) -> Result<Frame<'a>, Fault> {
        check(frame)?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        let stride = frame.stride as usize;
        let len =
            frame.fourcc.frame_len(frame.stride, frame.height).ok_or_else(|| unsupported(frame.fourcc))?;
        self.bytes.clear();
        self.bytes.extend_from_slice(&frame.data[..len]);
        self.cells.fit(mask, (width, height), (2, 2));
        let (first, chroma) = self.bytes.split_at_mut(stride * height);
        let chroma_stride = stride.div_ceil(2);
        let plane = chroma.len() / 2;
        for (rows, columns) in self.cells.pixels() {
            let pairs = columns.start / 2..columns.end.div_ceil(2);
            for row in rows.clone() {
                let row = &mut first[row * stride..][..stride];
                let end = (4 * pairs.end).min(stride);
                match frame.fourcc {
                    Fourcc::YUYV => put_pairs(&mut row[4 * pairs.start..end], [0, 128]),
                    Fourcc::UYVY => put_pairs(&mut row[4 * pairs.start..end], [128, 0]),
                    _ => row[columns.clone()].fill(0),
                }
            }
            let row = rows.start / 2;
            match frame.fourcc {
                Fourcc::NV12 => {
                    let row = &mut chroma[row * stride..][..stride];
                    row[2 * pairs.start..(2 * pairs.end).min(stride)].fill(128);
                }
                Fourcc::YU12 => {
                    for from in [0, plane] {
                        chroma[from + row * chroma_stride..][pairs.clone()].fill(128);
                    }
                }
                Fourcc::YUYV | Fourcc::UYVY | Fourcc::GREY => {}
                // A format that is added later must be added here, too.
                other => return Err(unsupported(other)),
            }
        }
        let Frame { fourcc, width, height, stride, stamp, sequence, .. } = *frame;
        Ok(Frame { fourcc, width, height, stride, data: &self.bytes, second: None, stamp, sequence })
    }
}

fn put_pairs(to: &mut [u8], pair: [u8; 2]) {
    to.chunks_mut(2).for_each(|to| to.copy_from_slice(&pair[..to.len()]));
}

#[cfg(test)]
mod tests;
