//! Reads what most of a camera's JPEG is, its Huffman codes, faster than libjpeg-turbo where less than all of it is
//! wanted: planes at an eighth to a half of the size, or a quarter as wide and half as high, and the picture without
//! its colour, for which no coefficient is decoded at all: the bits of luma are copied.
//!
//! It knows only what cameras send (see `headers`) and gives `None` for all else and for whatever is odd, so that
//! libjpeg-turbo, which understands more and can say what is wrong, has the last word. What it does read comes out bit
//! for bit as libjpeg-turbo would have it, where that knows the scale; the tests hold it to that.
//!
//! Pure; lives on whichever thread changes a picture. Reuses its buffers, and tables from one picture to the next.

mod bits;
mod gray;
mod headers;
mod huffman;
mod planes;
mod reduced;

use bits::EntropyScan;
use headers::Headers;
use huffman::Tables;
pub use planes::OutputPlane;

/// Reads JPEGs.
#[derive(Debug, Default)]
pub struct JpegReader {
    scan: EntropyScan,
    tables: Tables,
    strips: [Vec<u8>; 3],
    luma: gray::Buffers,
}

impl JpegReader {
    /// Decodes `jpeg` at so many eighths of its width and height, which then is `size`, with chroma of one sample for
    /// so many of luma as `subsampling` says, into `planes`: luma and maybe both of chroma. `None`, and nothing of
    /// worth in `planes`, if it is not so, or not as cameras make it.
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

    /// Makes the picture without its colour, with all that is written about it, which [`JpegReader::gray`] gives then.
    /// `None` if `jpeg` has none, or is not as cameras make it.
    pub fn make_gray(&mut self, jpeg: &[u8]) -> Option<()> {
        let headers = Headers::read(jpeg)?;
        // Of what is not luma and chroma libjpeg-turbo takes no colour.
        if headers.components().len() == 1 || headers.may_be_rgb() {
            return None;
        }
        let places = self.prepare(jpeg, &headers)?;
        gray::read(&headers, &self.scan, &self.tables, &places, &mut self.luma)
    }

    /// The picture without its colour that was made last.
    pub fn gray(&self) -> &[u8] {
        self.luma.jpeg()
    }

    /// Takes the scan apart and gives the place of each component's coding.
    fn prepare(&mut self, jpeg: &[u8], headers: &Headers<'_>) -> Option<Vec<usize>> {
        let (across, down) = headers.units();
        let segments = match headers.restart {
            0 => 1,
            restart => (across * down).div_ceil(restart),
        };
        self.scan.split_segments(jpeg.get(headers.scan_at..)?, segments)?;
        // Each block takes two bits at least: nothing is set up for a size that is only claimed.
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
