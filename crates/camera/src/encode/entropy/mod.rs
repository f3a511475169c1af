//! Decodes JPEGs of cameras partly, and faster than libjpeg-turbo: planes at an eighth to a half of the size, or a
//! quarter as wide and half as high. It also makes the image without colour, or with parts in black, for which it
//! decodes no coefficient and copies the bits of blocks.
//!
//! It supports only the kinds that cameras send (see `headers`) and gives `None` for everything else. libjpeg-turbo,
//! which supports more and reports errors, is then used instead. The results are those of libjpeg-turbo, bit for bit,
//! where that has the scale; the tests check it.
//!
//! Pure; runs on the thread that transforms the image. Reuses its buffers, and its tables from one image to the next.

mod bits;
mod gray;
mod headers;
mod huffman;
mod masked;
mod planes;
mod reduced;

use bits::EntropyScan;
use headers::Headers;
use huffman::Tables;
pub(crate) use planes::OutputPlane;

/// Decodes JPEGs.
#[derive(Debug, Default)]
pub(crate) struct JpegReader {
    scan: EntropyScan,
    tables: Tables,
    strips: [Vec<u8>; 3],
    luma: gray::Buffers,
    masked: masked::MaskedImage,
}

impl JpegReader {
    /// Decodes `jpeg` into `planes` (luma, maybe both of chroma) at `eighths` of its width and height, which gives
    /// `size`. `subsampling` is the number of luma samples across and down for one of chroma. `None`, with undefined
    /// `planes`, if the JPEG does not match this or is of an unsupported kind.
    pub fn decode(
        &mut self,
        jpeg: &[u8],
        eighths: usize,
        size: (usize, usize),
        subsampling: (usize, usize),
        planes: &mut [OutputPlane<'_>],
    ) -> Option<()> {
        let read = match eighths {
            1 => planes::read::<1>,
            2 => planes::read::<2>,
            3 => planes::read::<3>,
            4 => planes::read::<4>,
            _ => return None,
        };
        let headers = Headers::read(jpeg)?;
        let [luma, chroma @ ..] = headers.components() else { return None };
        let scaled = |length: usize| (length * eighths).div_ceil(8);
        let is_so = (scaled(headers.width), scaled(headers.height)) == size
            && (luma.across, luma.down) == subsampling
            && (planes.len() == 1 || planes.len() == 1 + chroma.len())
            && planes.iter().all(|plane| plane.stride > 0);
        if !is_so {
            return None;
        }
        let places = self.prepare(jpeg, &headers)?;
        let (scan, tables, strips) = (&self.scan, &self.tables, &mut self.strips);
        read(&headers, scan, tables, &places, strips, planes)
    }

    /// Makes the image without colour, with its metadata, for [`JpegReader::gray`]. `None` if `jpeg` has no colour or
    /// is of an unsupported kind.
    pub(crate) fn make_gray(&mut self, jpeg: &[u8]) -> Option<()> {
        let headers = Headers::read(jpeg)?;
        // libjpeg-turbo removes colour only from images of luma and chroma.
        if headers.components().len() == 1 || headers.may_be_rgb() {
            return None;
        }
        let places = self.prepare(jpeg, &headers)?;
        gray::read(&headers, &self.scan, &self.tables, &places, &mut self.luma)
    }

    /// The last image made without colour.
    pub fn gray(&self) -> &[u8] {
        self.luma.jpeg()
    }

    /// Makes the image with units in black, for [`JpegReader::blackened`]: those for which `is_masked`, counted row by
    /// row. `None` if `jpeg` is of an unsupported kind.
    pub(crate) fn blacken(&mut self, jpeg: &[u8], is_masked: impl Fn(usize) -> bool) -> Option<()> {
        let headers = Headers::read(jpeg)?;
        let places = self.prepare(jpeg, &headers)?;
        masked::read(jpeg, &headers, &self.scan, &self.tables, &places, is_masked, &mut self.masked)
    }

    /// The last image made with units in black.
    pub(crate) fn blackened(&self) -> &[u8] {
        &self.masked.jpeg
    }

    /// Splits the scan and returns the index of each component's coding.
    fn prepare(&mut self, jpeg: &[u8], headers: &Headers<'_>) -> Option<Vec<usize>> {
        let (across, down) = headers.units();
        let segments = match headers.restart {
            0 => 1,
            restart => (across * down).div_ceil(restart),
        };
        self.scan.split_segments(jpeg.get(headers.scan_at..)?, segments)?;
        // Each block takes at least two bits, so that an invented size allocates nothing.
        let in_unit: usize = headers.components().iter().map(|own| own.across * own.down).sum();
        if across * down * in_unit > 4 * self.scan.bytes().len() {
            return None;
        }
        self.tables.evict_codings();
        let mut places = Vec::with_capacity(3);
        for component in headers.components() {
            let (_, dc, ac) = headers.tables(component)?;
            places.push(self.tables.find(dc, ac)?);
        }
        Some(places)
    }
}
