//! Walks over a JPEG's markers: size, end, completeness. It decodes and allocates nothing, so it runs for every
//! frame.
//!
//! The format is ITU-T T.81 (ISO/IEC 10918-1), Annex B. Two deviations of cameras are accepted: UVC cameras omit the
//! Huffman tables (the AVI MJPEG convention, see [`STANDARD_HUFFMAN_TABLES`]) and pad the frame after its end.

use memchr::memchr;

use super::Orientation;

/// Maximum number of pixels; no camera has more, so larger claims are refused.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Facts about a JPEG.
///
/// Invariants: `0 < tables_at < scan_at < len`, and `len` is at most the length of the inspected bytes; `width`,
/// `height` > 0, and their product is at most [`MAX_PIXELS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jpeg {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Components: 1 is grey, 3 colour, 4 colour for print.
    pub components: u8,
    /// Width and height in pixels of its units (MCU, T.81 A.2): a block of the component with the fewest samples, 8
    /// times the largest sampling factors. A single component has units of one block.
    pub unit: (u32, u32),
    /// True for grey, and for Y'CbCr with a chroma subsampling of cameras: by 1, 2 or 4.
    pub is_usual: bool,
    /// Orientation stated by its Exif header.
    pub orientation: Orientation,
    /// True if it has several passes over the whole image (SOF2).
    pub is_progressive: bool,
    /// True if there is a Huffman table before the first scan. Otherwise it can be decoded, and shown by a browser,
    /// only with [`STANDARD_HUFFMAN_TABLES`] inserted at `tables_at`.
    pub has_huffman_tables: bool,
    /// Offset of the first scan's header (SOS), before which tables may be inserted.
    pub tables_at: usize,
    /// Offset of the first scan's entropy-coded bytes.
    pub scan_at: usize,
    /// Bytes from SOI up to and including EOI; padding may follow.
    pub len: usize,
    /// True if the EOI is present; otherwise `len` is everything without padding.
    pub has_end: bool,
}

impl Jpeg {
    /// The parts of the JPEG for a decoder. `data` are the inspected bytes; missing Huffman tables and a missing EOI
    /// are inserted.
    pub(crate) fn decoder_parts<'a>(&self, data: &'a [u8]) -> [&'a [u8]; 4] {
        let (before, after) = data[..self.len].split_at(self.tables_at);
        let tables: &[u8] = if self.has_huffman_tables { &[] } else { STANDARD_HUFFMAN_TABLES };
        [before, tables, after, if self.has_end { &[] } else { &[0xff, EOI] }]
    }
}

/// Why bytes are no valid JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegError {
    /// It does not begin with a start-of-image marker.
    #[error("not a JPEG: it does not begin with FF D8")]
    NotJpeg,
    /// It stops before its end-of-image marker.
    #[error("the JPEG is cut short: its end marker is missing")]
    Truncated,
    /// Rows are missing or destroyed.
    #[error("the JPEG is damaged: not all of its rows can be decoded")]
    Damaged,
    /// There is no frame header before the scan, or no scan: tables without an image.
    #[error("the JPEG has no picture in it")]
    NoFrameHeader,
    /// An invalid byte or segment.
    #[error("the JPEG is corrupt at byte {at}")]
    Corrupt {
        /// Offset of the offending byte or segment.
        at: usize,
    },
    /// A size of zero, or beyond [`MAX_PIXELS`].
    #[error("the JPEG claims to have {width} × {height} pixels")]
    BadSize {
        /// Width in pixels.
        width: u32,
        /// Height in pixels; 0 also means "stated after the first scan", which no camera uses.
        height: u32,
    },
    /// A coding process that browsers do not support: lossless, arithmetic, hierarchical, 12 bit.
    #[error("the JPEG is of a kind that browsers do not show (SOF{process}, {precision} bit)")]
    Unsupported {
        /// The frame header's number.
        process: u8,
        /// Bits a sample.
        precision: u8,
    },
}

const SOF0: u8 = 0xc0;
const SOF2: u8 = 0xc2;
const DHT: u8 = 0xc4;
const JPG: u8 = 0xc8;
const DAC: u8 = 0xcc;
const SOF15: u8 = 0xcf;
const RST0: u8 = 0xd0;
const RST7: u8 = 0xd7;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;
const TEM: u8 = 0x01;
/// The last of the meaningless codes after TEM.
const RESERVED: u8 = 0xbf;

/// Walks the headers of the JPEG at the front of `data`, and its entropy-coded data up to the first EOI, which costs
/// about ten microseconds for a camera's JPEG. `Ok` means that headers and end are present, not that the
/// entropy-coded data can be decoded.
///
/// # Errors
/// See [`JpegError`]. Every prefix of a JPEG that stops before its end is an error.
pub fn inspect(data: &[u8]) -> Result<Jpeg, JpegError> {
    inspect_open(data).and_then(|found| if found.has_end { Ok(found) } else { Err(JpegError::Truncated) })
}

/// Like [`inspect`], for a JPEG whose EOI may be missing ([`Jpeg::has_end`]): only a decoder can tell whether all
/// rows are present.
///
/// # Errors
/// See [`JpegError`].
pub(crate) fn inspect_open(data: &[u8]) -> Result<Jpeg, JpegError> {
    let mut at = start(data)?;
    let mut size = None;
    let mut orientation = Orientation::default();
    let mut adobe_transform = None;
    let mut has_huffman_tables = false;
    loop {
        let (code, body, end) = match marker(data, at)? {
            Marker::Segment { code, body, end } => (code, body, end),
            Marker::Standalone { code: TEM, end } => {
                at = end;
                continue;
            }
            Marker::Standalone { code: EOI, .. } => return Err(JpegError::NoFrameHeader),
            Marker::Standalone { .. } => return Err(JpegError::Corrupt { at }),
        };
        let segment = data.get(body..end).ok_or(JpegError::Truncated)?;
        match code {
            DHT => has_huffman_tables = true,
            SOS => {
                let size: FrameHeader = size.ok_or(JpegError::NoFrameHeader)?;
                let found = EndSearch { at: end, in_scan: true }.advance(data)?;
                return Ok(Jpeg {
                    width: size.width,
                    height: size.height,
                    components: size.components,
                    unit: size.unit,
                    // Adobe's 0 is not Y'CbCr (Adobe Technical Note 5116).
                    is_usual: size.is_usual && (size.components == 1 || adobe_transform != Some(0)),
                    orientation,
                    is_progressive: size.is_progressive,
                    has_huffman_tables,
                    tables_at: at,
                    scan_at: end,
                    len: found.unwrap_or_else(|| without_padding(data, end)),
                    has_end: found.is_some(),
                });
            }
            SOF0..=SOF15 if !matches!(code, JPG | DAC) => {
                if size.is_some() {
                    return Err(JpegError::Corrupt { at });
                }
                size = Some(frame_header(code, segment, at)?);
            }
            APP1 if segment.starts_with(b"Exif\0\0") => {
                orientation = exif_orientation(&segment[6..]).unwrap_or(orientation);
            }
            APP14 if segment.starts_with(b"Adobe") => adobe_transform = segment.get(11).copied(),
            _ => {}
        }
        at = end;
    }
}

/// The orientation in the first directory of a TIFF structure (Exif 2.32, 4.6.4, tag 0x0112).
fn exif_orientation(tiff: &[u8]) -> Option<Orientation> {
    let is_big = match tiff.get(..4)? {
        [b'M', b'M', 0, 42] => true,
        [b'I', b'I', 42, 0] => false,
        _ => return None,
    };
    let short = |at: usize| {
        let two = [*tiff.get(at)?, *tiff.get(at + 1)?];
        Some(if is_big { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) })
    };
    let (first, second) = (usize::from(short(4)?), usize::from(short(6)?));
    let directory = if is_big { first << 16 | second } else { second << 16 | first };
    let entries = (0..usize::from(short(directory)?)).map(|n| directory + 2 + 12 * n);
    let at = entries.into_iter().find(|&at| short(at) == Some(0x0112))?;
    let (quarters, mirrored) = match short(at + 8)? {
        2 => (0, true),
        3 => (2, false),
        4 => (2, true),
        5 => (1, true),
        6 => (1, false),
        7 => (3, true),
        8 => (3, false),
        _ => (0, false),
    };
    Some(Orientation { quarters, mirrored })
}

/// The offset after the EOI of a JPEG whose first scan's entropy-coded bytes begin at `from` ([`Jpeg::scan_at`]),
/// with any number of scans; `None` if it is missing, or the data are corrupt.
pub fn end_of_picture(data: &[u8], from: usize) -> Option<usize> {
    EndSearch { at: from, in_scan: true }.advance(data).ok().flatten()
}

/// Finds the end of a JPEG whose bytes are still arriving; examines each byte only once.
#[derive(Debug, Clone)]
pub struct EndSearch {
    at: usize,
    in_scan: bool,
}

impl EndSearch {
    /// A search that starts at a JPEG's SOI.
    pub fn new() -> EndSearch {
        EndSearch { at: 0, in_scan: false }
    }

    /// Continues through `data`: the JPEG's bytes from its SOI on, those of the last call and new ones. Returns the
    /// offset after its EOI, or `None` if that is still missing.
    ///
    /// # Errors
    /// [`JpegError::NotJpeg`] and [`JpegError::Corrupt`]: there is no end; look for another JPEG.
    pub fn advance(&mut self, data: &[u8]) -> Result<Option<usize>, JpegError> {
        if self.at == 0 {
            match start(data) {
                Ok(at) => self.at = at,
                Err(JpegError::Truncated) => return Ok(None),
                Err(other) => return Err(other),
            }
        }
        loop {
            if self.in_scan {
                let rest = data.get(self.at..).unwrap_or_default();
                let Some(ff) = memchr(0xff, rest) else {
                    self.at = self.at.max(data.len());
                    return Ok(None);
                };
                self.at += ff;
                match rest.get(ff + 1) {
                    None => return Ok(None),
                    // A stuffed zero or a restart: the scan continues.
                    Some(0x00 | RST0..=RST7) => self.at += 2,
                    // A fill byte.
                    Some(0xff) => self.at += 1,
                    // Valid markers after a scan (T.81 B.2.1, B.2.4).
                    Some(&(DHT | DAC | EOI..=DRI | APP0..=APP15 | COM)) => self.in_scan = false,
                    Some(_) => return Err(JpegError::Corrupt { at: self.at }),
                }
                continue;
            }
            match marker(data, self.at) {
                Ok(Marker::Standalone { code: EOI, end }) => return Ok(Some(end)),
                Ok(Marker::Standalone { code: TEM, end }) => self.at = end,
                Ok(Marker::Standalone { .. }) => return Err(JpegError::Corrupt { at: self.at }),
                Ok(Marker::Segment { code, end, .. }) => {
                    self.at = end;
                    self.in_scan = code == SOS;
                }
                Err(JpegError::Truncated) => return Ok(None),
                Err(other) => return Err(other),
            }
        }
    }
}

impl Default for EndSearch {
    fn default() -> EndSearch {
        EndSearch::new()
    }
}

/// Offset after the SOI.
fn start(data: &[u8]) -> Result<usize, JpegError> {
    match data {
        [0xff, SOI, ..] => Ok(2),
        [] | [0xff] => Err(JpegError::Truncated),
        _ => Err(JpegError::NotJpeg),
    }
}

enum Marker {
    /// A marker without a body.
    Standalone { code: u8, end: usize },
    /// A marker with a body, which may end beyond the data.
    Segment { code: u8, body: usize, end: usize },
}

/// The marker at `at`, after fill bytes (T.81 B.1.1.2).
fn marker(data: &[u8], at: usize) -> Result<Marker, JpegError> {
    let rest = data.get(at..).unwrap_or_default();
    if rest.first().is_some_and(|&b| b != 0xff) {
        return Err(JpegError::Corrupt { at });
    }
    let fill = rest.iter().take_while(|&&b| b == 0xff).count();
    let code = *rest.get(fill).ok_or(JpegError::Truncated)?;
    let body = at + fill + 1;
    match code {
        0x00 | 0x02..=RESERVED => Err(JpegError::Corrupt { at }),
        TEM | RST0..=EOI => Ok(Marker::Standalone { code, end: body }),
        _ => {
            let Some(&[high, low]) = data.get(body..body + 2) else {
                return Err(JpegError::Truncated);
            };
            // The length counts its own two bytes.
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length < 2 {
                return Err(JpegError::Corrupt { at });
            }
            Ok(Marker::Segment { code, body: body + 2, end: body + length })
        }
    }
}

#[derive(Clone, Copy)]
struct FrameHeader {
    width: u32,
    height: u32,
    components: u8,
    unit: (u32, u32),
    is_usual: bool,
    is_progressive: bool,
}

/// Parses the body of a SOF segment (T.81 B.2.2).
fn frame_header(code: u8, body: &[u8], at: usize) -> Result<FrameHeader, JpegError> {
    let &[precision, h1, h0, w1, w0, components, ref parameters @ ..] = body else {
        return Err(JpegError::Corrupt { at });
    };
    if code > SOF2 || precision != 8 {
        return Err(JpegError::Unsupported { process: code - SOF0, precision });
    }
    if !(1..=4).contains(&components) || parameters.len() != 3 * usize::from(components) {
        return Err(JpegError::Corrupt { at });
    }
    let (width, height) = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(JpegError::BadSize { width, height });
    }
    let factors = || parameters.chunks_exact(3).map(|own| (u32::from(own[1] >> 4), u32::from(own[1] & 15)));
    let most = factors().fold((1, 1), |most, own| (own.0.max(most.0), own.1.max(most.1)));
    let unit = if components == 1 { (8, 8) } else { (8 * most.0, 8 * most.1) };
    // Samples of luma for one of chroma; libjpeg takes components of these names for red, green and blue.
    let is_rgb = parameters.iter().step_by(3).eq(b"RGB");
    let luma = factors().next().unwrap_or((1, 1));
    let is_sampled_so = |(across, down): (u32, u32)| {
        across > 0
            && down > 0
            && luma.0 % across == 0
            && luma.1 % down == 0
            && matches!((luma.0 / across, luma.1 / down), (1 | 2, 1 | 2) | (4, 1) | (1, 4))
    };
    let mut chroma = factors().skip(1);
    let is_alike = factors().skip(1).all(|own| Some(own) == factors().nth(1));
    let is_usual = components == 1 || (components == 3 && !is_rgb && is_alike && chroma.all(is_sampled_so));
    Ok(FrameHeader { width, height, components, unit, is_usual, is_progressive: code == SOF2 })
}

/// The length of `data` without the zeros after its entropy-coded bytes, which begin at `from`. The zero after an FF
/// is one of them.
fn without_padding(data: &[u8], from: usize) -> usize {
    let last = data.iter().rposition(|&b| b != 0).unwrap_or(0).max(from);
    (last + 1 + usize::from(data.get(last) == Some(&0xff))).min(data.len())
}

/// The Huffman tables of T.81 Annex K.3 as one DHT segment with its marker: luminance DC and AC (tables 0),
/// chrominance DC and AC (tables 1). They apply to JPEGs of cameras that send none.
#[rustfmt::skip]
pub const STANDARD_HUFFMAN_TABLES: &[u8; 420] = &[
    0xff, 0xc4, 0x01, 0xa2,
    // Luminance DC (table K.3): number, counts of codes of 1…16 bits, their values.
    0x00,
    0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    // Luminance AC (table K.5): number, counts of codes of 1…16 bits, their values.
    0x10,
    0x00, 0x02, 0x01, 0x03, 0x03, 0x02, 0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00, 0x00, 0x01, 0x7d,
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
    // Chrominance DC (table K.4): number, counts of codes of 1…16 bits, their values.
    0x01,
    0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b,
    // Chrominance AC (table K.6): number, counts of codes of 1…16 bits, their values.
    0x11,
    0x00, 0x02, 0x01, 0x02, 0x04, 0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01, 0x02, 0x77,
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    /// SOI, APP0 with a complete image in it, SOF0 of 3 × 2 grey pixels, SOS, data with a stuffed zero and a restart,
    /// EOI.
    fn small() -> Vec<u8> {
        let mut jpeg = vec![0xff, SOI, 0xff, 0xe0, 0, 8, 0xff, SOI, 1, 2, 0xff, EOI];
        jpeg.extend([0xff, SOF0, 0, 11, 8, 0, 2, 0, 3, 1, 1, 0x11, 0]);
        jpeg.extend([0xff, SOS, 0, 8, 1, 1, 0, 0, 63, 0]);
        jpeg.extend([5, 0xff, 0, 6, 0xff, RST0, 7, 8, 0xff, EOI]);
        jpeg
    }

    #[test]
    fn size_end_and_missing_tables_are_found() {
        let jpeg = small();
        let want = Jpeg {
            width: 3,
            height: 2,
            components: 1,
            unit: (8, 8),
            is_usual: true,
            orientation: Orientation::default(),
            is_progressive: false,
            has_huffman_tables: false,
            tables_at: 25,
            scan_at: 35,
            len: 45,
            has_end: true,
        };
        assert_eq!(inspect(&jpeg), Ok(want));
        assert_eq!(end_of_picture(&jpeg, want.scan_at), Some(45));
    }

    #[test]
    fn padding_of_any_kind_is_not_part_of_the_jpeg() {
        for padding in [&[0; 100][..], &[0xff; 7], b"\r\n--frame", &small()] {
            let mut jpeg = small();
            let len = jpeg.len();
            jpeg.extend(padding);
            assert_eq!(inspect(&jpeg).map(|j| j.len), Ok(len), "{padding:02x?}");
            assert_eq!(end_of_picture(&jpeg, 35), Some(len));
        }
    }

    #[test]
    fn every_prefix_is_truncated() {
        let jpeg = small();
        for len in 0..jpeg.len() {
            assert_eq!(inspect(&jpeg[..len]), Err(JpegError::Truncated), "{len} bytes");
        }
    }

    #[test]
    fn tables_between_scans_do_not_end_a_jpeg() {
        let mut jpeg = small();
        jpeg[13] = SOF2;
        // A comment between two scans that contains an end marker, and stops right after it.
        let first_part = jpeg.len() - 2;
        jpeg.truncate(first_part);
        jpeg.extend([0xff, 0xfe, 0, 6, 1, 2, 0xff, EOI]);
        assert_eq!(inspect(&jpeg), Err(JpegError::Truncated));
        jpeg.extend([0xff, SOS, 0, 8, 1, 1, 0, 0, 63, 0, 9, 0xff, 0xff, EOI]);
        let seen = inspect(&jpeg).unwrap();
        assert_eq!((seen.len, seen.is_progressive), (jpeg.len(), true));
    }

    #[test]
    fn invalid_jpegs_are_named() {
        let with = |at: usize, bytes: &[u8]| {
            let mut jpeg = small();
            jpeg[at..at + bytes.len()].copy_from_slice(bytes);
            inspect(&jpeg)
        };
        assert_eq!(inspect(b"GIF89a"), Err(JpegError::NotJpeg));
        assert_eq!(with(0, &[0]), Err(JpegError::NotJpeg));
        assert_eq!(with(2, &[7]), Err(JpegError::Corrupt { at: 2 }));
        assert_eq!(with(4, &[0, 1]), Err(JpegError::Corrupt { at: 2 }));
        assert_eq!(with(3, &[SOI]), Err(JpegError::Corrupt { at: 2 }));
        assert_eq!(with(17, &[0, 0]), Err(JpegError::BadSize { width: 3, height: 0 }));
        assert_eq!(
            with(17, &[0xff, 0xff, 0xff, 0xff]),
            Err(JpegError::BadSize { width: 65535, height: 65535 })
        );
        assert_eq!(with(13, &[0xc3]), Err(JpegError::Unsupported { process: 3, precision: 8 }));
        assert_eq!(with(16, &[12]), Err(JpegError::Unsupported { process: 0, precision: 12 }));
        assert_eq!(with(21, &[2]), Err(JpegError::Corrupt { at: 12 }));
        // With the frame header turned into a comment there is a scan without a frame; then the same for the scan.
        assert_eq!(with(13, &[0xfe]), Err(JpegError::NoFrameHeader));
        assert_eq!(inspect(&[0xff, SOI, 0xff, EOI]), Err(JpegError::NoFrameHeader));
    }

    #[test]
    fn the_standard_tables_are_one_complete_segment() {
        let tables = STANDARD_HUFFMAN_TABLES;
        let length = usize::from(u16::from_be_bytes([tables[2], tables[3]]));
        assert_eq!((&tables[..2], length + 2), (&[0xff, DHT][..], tables.len()));
        // Four tables: class and number, 16 counts, as many values as the counts add up to.
        let mut rest = &tables[4..];
        for want in [0x00, 0x10, 0x01, 0x11] {
            assert_eq!(rest[0], want);
            let values: usize = rest[1..17].iter().map(|&n| usize::from(n)).sum();
            rest = &rest[17 + values..];
        }
        assert!(rest.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_panics(start in any::<bool>(), data in prop::collection::vec(byte(), 0..200)) {
            let data = if start { [&[0xff, SOI][..], &data].concat() } else { data };
            if let Ok(jpeg) = inspect(&data) {
                prop_assert!(0 < jpeg.tables_at && jpeg.tables_at < jpeg.scan_at);
                prop_assert!(jpeg.scan_at < jpeg.len && jpeg.len <= data.len());
            }
            let _ = end_of_picture(&data, 2);
        }

        #[test]
        fn a_search_in_pieces_ends_at_the_same_offset(
            data in prop::collection::vec(byte(), 0..200),
            cuts in prop::collection::vec(0usize..240, 0..8),
        ) {
            let data = [&small()[..35], &data].concat();
            let whole = EndSearch::new().advance(&data);
            let mut search = EndSearch::new();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&c| c < data.len()).collect();
            cuts.sort_unstable();
            cuts.push(data.len());
            let mut pieces = Ok(None);
            for cut in cuts {
                pieces = search.advance(&data[..cut]);
                if pieces != Ok(None) {
                    break;
                }
            }
            prop_assert_eq!(pieces, whole);
        }
    }

    /// Bytes that often form markers.
    fn byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            3 => Just(0xffu8),
            2 => Just(0u8),
            4 => 0xc0u8..=0xff,
            2 => 1u8..12,
            1 => any::<u8>(),
        ]
    }
}
