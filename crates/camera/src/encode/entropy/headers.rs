//! Parses the headers of a JPEG as far as its blocks need them. Pure.
//!
//! T.81 Annex B. Only the kinds that cameras send are supported: baseline or extended sequential Huffman of 8 bits,
//! one or three components, one scan of all of them. Everything unusual gives `None`, and libjpeg-turbo reports the
//! error.

/// Number of counts in a Huffman table.
const COUNTS: usize = 16;

const SOF0: u8 = 0xc0;
const SOF1: u8 = 0xc1;
const DHT: u8 = 0xc4;
const SOI: u8 = 0xd8;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;
const APP14: u8 = 0xee;

/// Maximum number of symbols of a Huffman table.
const MOST_SYMBOLS: usize = 256;

/// Maximum number of metadata segments; a file of nothing else would take four times its length in memory.
const MOST_BESIDE: usize = 256;

/// One component, luma first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Component {
    /// Its blocks in a unit, across and down.
    pub across: usize,
    pub down: usize,
    id: u8,
    quantization: u8,
    dc: u8,
    ac: u8,
}

/// The headers before the scan.
///
/// Invariants: `width` and `height` are above 0. There are one or three components. A single component has one block
/// in a unit. If there are three, the first has 1, 2 or 4 blocks, the others one. All needed tables are present.
#[derive(Debug)]
pub(crate) struct Headers<'a> {
    /// Width and height in pixels.
    pub width: usize,
    pub height: usize,
    components: [Component; 3],
    count: usize,
    /// Units between restart markers; 0 for none.
    pub restart: usize,
    /// Offset of the entropy-coded bytes.
    pub scan_at: usize,
    quantization: [Option<&'a [u8; 64]>; 4],
    dc: [Option<&'a [u8]>; 4],
    ac: [Option<&'a [u8]>; 4],
    /// Unchanged APPn and COM segments, including their FF.
    pub beside: Vec<&'a [u8]>,
}

impl<'a> Headers<'a> {
    /// Reads the headers before the scan of `jpeg`.
    pub fn read(jpeg: &'a [u8]) -> Option<Headers<'a>> {
        let mut headers = Headers {
            width: 0,
            height: 0,
            components: [Component::default(); 3],
            count: 0,
            restart: 0,
            scan_at: 0,
            quantization: [None; 4],
            dc: [None; 4],
            ac: [None; 4],
            beside: Vec::new(),
        };
        if !jpeg.starts_with(&[0xff, SOI]) {
            return None;
        }
        let mut at = 2;
        loop {
            let &[0xff, code, high, low] = jpeg.get(at..)?.first_chunk::<4>()? else { return None };
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            let body = jpeg.get(at + 4..end)?;
            match code {
                DQT => headers.read_quantization(body)?,
                DHT => headers.read_huffman(body)?,
                SOF0 | SOF1 => headers.read_frame(body)?,
                DRI => headers.restart = usize::from(u16::from_be_bytes(body.try_into().ok()?)),
                SOS => {
                    headers.read_scan(body)?;
                    headers.scan_at = end;
                    return Some(headers);
                }
                APP0..=APP15 | COM if headers.beside.len() < MOST_BESIDE => {
                    headers.beside.push(jpeg.get(at..end)?);
                }
                _ => return None,
            }
            at = end;
        }
    }

    fn read_quantization(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&place, rest)) = body.split_first() {
            // Sixteen bits (a high nibble of 1) are for twelve-bit samples.
            *self.quantization.get_mut(usize::from(place))? = Some(rest.first_chunk()?);
            body = rest.get(64..)?;
        }
        Some(())
    }

    fn read_huffman(&mut self, mut body: &'a [u8]) -> Option<()> {
        while let Some((&place, rest)) = body.split_first() {
            let symbols: usize = rest.get(..COUNTS)?.iter().map(|&count| usize::from(count)).sum();
            // Applies to unused tables, too: libjpeg refuses the image.
            if symbols > MOST_SYMBOLS {
                return None;
            }
            let tables = if place & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(place & !0x10))? = Some(rest.get(..COUNTS + symbols)?);
            body = rest.get(COUNTS + symbols..)?;
        }
        Some(())
    }

    fn read_frame(&mut self, body: &[u8]) -> Option<()> {
        let (&[precision, y1, y0, x1, x0, count], rest) = body.split_first_chunk::<6>()?;
        self.height = usize::from(u16::from_be_bytes([y1, y0]));
        self.width = usize::from(u16::from_be_bytes([x1, x0]));
        let is_first = self.count == 0;
        self.count = usize::from(count);
        let is_known = is_first && precision == 8 && matches!(count, 1 | 3) && rest.len() == 3 * self.count;
        if !is_known || self.width == 0 || self.height == 0 {
            return None;
        }
        for (component, read) in self.components.iter_mut().zip(rest.chunks_exact(3)) {
            let &[id, sampling, quantization] = read else { return None };
            let (across, down) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            *component = Component { across, down, id, quantization, dc: 0, ac: 0 };
        }
        let [luma, chroma @ ..] = &self.components[..self.count] else { return None };
        let is_known = match chroma {
            [] => (luma.across, luma.down) == (1, 1),
            _ => matches!((luma.across, luma.down), (1, 1 | 2 | 4) | (2, 1 | 2) | (4, 1)),
        };
        (is_known && chroma.iter().all(|chroma| (chroma.across, chroma.down) == (1, 1))).then_some(())
    }

    fn read_scan(&mut self, body: &[u8]) -> Option<()> {
        let (&count, rest) = body.split_first()?;
        if self.count == 0 || usize::from(count) != self.count {
            return None;
        }
        let (components, spectral) = rest.split_at_checked(2 * self.count)?;
        if spectral != [0, 63, 0] {
            return None;
        }
        for (component, read) in self.components.iter_mut().zip(components.chunks_exact(2)) {
            (component.dc, component.ac) = (read[1] >> 4, read[1] & 15);
            if component.id != read[0] {
                return None;
            }
        }
        self.components().iter().all(|component| self.tables(component).is_some()).then_some(())
    }

    /// True if the first component may be red rather than luma: there is an Adobe segment, or the components are
    /// called R, G and B.
    pub(crate) fn may_be_rgb(&self) -> bool {
        self.beside.iter().any(|segment| segment.get(1) == Some(&APP14))
            || self.components().iter().map(|component| component.id).eq(*b"RGB")
    }

    /// Luma, and chroma if present.
    pub fn components(&self) -> &[Component] {
        &self.components[..self.count]
    }

    /// The tables of a component: quantization in the order of the file, and the Huffman tables for DC and AC as in
    /// the file (sixteen counts, then the symbols).
    pub fn tables(&self, component: &Component) -> Option<(&'a [u8; 64], &'a [u8], &'a [u8])> {
        let quantization = (*self.quantization.get(usize::from(component.quantization))?)?;
        let dc = (*self.dc.get(usize::from(component.dc))?)?;
        let ac = (*self.ac.get(usize::from(component.ac))?)?;
        Some((quantization, dc, ac))
    }

    /// Units across and down.
    pub fn units(&self) -> (usize, usize) {
        let luma = self.components[0];
        (self.width.div_ceil(8 * luma.across), self.height.div_ceil(8 * luma.down))
    }

    /// Blocks of a component that show a part of the image, across and down (T.81 A.1.1, A.2.4).
    pub fn blocks(&self, component: &Component) -> (usize, usize) {
        let luma = self.components[0];
        let of = |length: usize, factor: usize, most: usize| (length * factor).div_ceil(8 * most);
        (of(self.width, component.across, luma.across), of(self.height, component.down, luma.down))
    }
}
