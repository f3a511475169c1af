//! The entropy-coded bytes of a scan as bits. Pure.

use memchr::memchr;

const RST0: u8 = 0xd0;
const EOI: u8 = 0xd9;

/// Zero bytes after the last segment, so that eight bytes can be read at every position.
const BEHIND: usize = 16;

/// The scan without stuffed zeros and markers. Reuses its buffer.
#[derive(Debug, Default)]
pub(crate) struct EntropyScan {
    bytes: Vec<u8>,
    /// End of each segment, which is the beginning of the next.
    ends: Vec<usize>,
}

impl EntropyScan {
    /// Splits the entropy-coded bytes at the front of `data`, up to EOI, into `segments` at restart markers in the
    /// right order. `None` for other markers, another number of segments, or a missing end.
    pub(crate) fn split_segments(&mut self, mut data: &[u8], segments: usize) -> Option<()> {
        self.bytes.clear();
        self.bytes.reserve(data.len() + BEHIND);
        self.ends.clear();
        loop {
            let ff = memchr(0xff, data)?;
            match *data.get(ff + 1)? {
                0 => self.bytes.extend_from_slice(&data[..=ff]),
                marker => {
                    self.bytes.extend_from_slice(&data[..ff]);
                    self.ends.push(self.bytes.len());
                    if marker == EOI {
                        break;
                    }
                    if marker != RST0 + ((self.ends.len() - 1) % 8) as u8 || self.ends.len() == segments {
                        return None;
                    }
                }
            }
            data = &data[ff + 2..];
        }
        self.bytes.extend([0; BEHIND]);
        // Bit positions are counted in 32 bits.
        (self.ends.len() == segments && self.bytes.len() < 1 << 28).then_some(())
    }

    /// Reads from the front of the first segment.
    pub fn bits(&self) -> BitReader<'_> {
        BitReader { bytes: &self.bytes, at: 0, buffer: 0, count: 0 }
    }

    /// The bytes of all segments, and the padding.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the segment after `segment`, which has been read up to the bit `place`. `None` if `segment` ended too
    /// early or was not read to its last byte.
    pub(crate) fn segment_after(&self, segment: usize, place: usize) -> Option<BitReader<'_>> {
        let end = *self.ends.get(segment)?;
        let bits = BitReader { bytes: &self.bytes, at: end as u32, buffer: 0, count: 0 };
        (place.div_ceil(8) == end).then_some(bits)
    }

    /// True if `segment` reaches to the bit `place`.
    pub(crate) fn contains_bit(&self, segment: usize, place: usize) -> bool {
        self.ends.get(segment).is_some_and(|&end| place <= 8 * end)
    }
}

/// Reads bits, the highest of each byte first. After the last byte they are zeros.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Offset of the next byte that is not in the buffer. It has 32 bits, so that a single comparison shows whether
    /// eight bytes are available.
    at: u32,
    /// The next bits, from the highest on: `count` of them, and maybe some of the bytes at `at`.
    buffer: u64,
    count: u32,
}

/// Number of bits available after [`BitReader::refill`].
pub(crate) const REFILLED: u32 = 56;

impl BitReader<'_> {
    /// Makes at least [`REFILLED`] bits available.
    // Bits of bytes that do not fit completely are added, too; the next refill adds the same bits again.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        let at = self.at as usize;
        let next = match self.bytes.get(at..at + 8).and_then(|eight| eight.first_chunk()) {
            Some(next) => u64::from_be_bytes(*next),
            None => 0,
        };
        self.buffer |= next >> self.count;
        self.at += (63 - self.count) >> 3;
        self.count |= REFILLED;
    }

    /// The available bits, the next one highest.
    #[inline(always)]
    pub fn peek(&self) -> u64 {
        self.buffer
    }

    /// Skips `count` available bits; at most 63.
    #[inline(always)]
    pub fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// Number of bits skipped, from the first byte on.
    #[inline(always)]
    pub fn position(&self) -> usize {
        8 * self.at as usize - self.count as usize
    }
}
