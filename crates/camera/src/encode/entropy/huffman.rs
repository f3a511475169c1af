//! Huffman codes, and tables that decode several at once. Pure.
//!
//! T.81 Annex C and F.2.2. A table is indexed by the next [`LOOK`] bits. An entry of [`Values`] holds up to two
//! coefficients that are complete in these bits, including the runs of zeros before them. At the start of a block
//! these are the DC difference and one coefficient. An entry of [`Lengths`] states how far all coefficients reach
//! that begin there. The rest is read one by one through [`Codes`].

use std::hint::black_box;

/// Bits that index a table of AC codes. More would be a little faster for consecutive images. But images come one by
/// one, and the work in between leaves little of larger tables in the cache.
pub const LOOK: u32 = 11;

/// Bits that index a table of DC codes.
const DC_LOOK: u32 = 10;

/// Coefficients of a block; positions from here on are outside it.
pub const BLOCK: u32 = 64;

/// Added to the position in a block at which the block ends.
pub const END: u32 = BLOCK;

/// Added to the position in a block if the table does not know what follows.
pub const UNKNOWN: u32 = 2 * BLOCK;

/// Maximum number of bits after an AC code and a DC code (T.81 tables F.1, F.2, for 8-bit samples).
const AC_SIZE: u32 = 10;
const DC_SIZE: u32 = 11;

/// The codes of one table.
#[derive(Debug)]
pub(crate) struct Codes {
    /// For each length: the lowest value of the next 16 bits that begins no code of this length or a shorter one.
    limits: [u32; 17],
    /// For each length: the number to add to a code to get the symbol's index, modulo 2³².
    offsets: [u32; 17],
    symbols: [u8; 256],
}

impl Codes {
    /// The codes of `counts_and_symbols` as in the file. `None` if they are no Huffman code.
    fn new(counts_and_symbols: &[u8]) -> Option<Codes> {
        let (counts, given) = counts_and_symbols.split_first_chunk::<16>()?;
        let mut codes = Codes { limits: [0; 17], offsets: [0; 17], symbols: [0; 256] };
        codes.symbols.get_mut(..given.len())?.copy_from_slice(given);
        let (mut code, mut place) = (0u32, 0u32);
        for (length, &count) in (1..=16).zip(counts) {
            codes.offsets[length] = place.wrapping_sub(code);
            code += u32::from(count);
            place += u32::from(count);
            // The code of all ones is reserved (T.81 C.2).
            if count > 0 && code >= 1 << length {
                return None;
            }
            codes.limits[length] = code << (16 - length);
            code <<= 1;
        }
        (place as usize == given.len()).then_some(codes)
    }

    /// The symbol at the highest bits of `bits`, and the length of its code.
    #[inline(never)]
    pub fn read(&self, bits: u64) -> Option<(u8, u32)> {
        let next = (bits >> 48) as u32;
        let length = (1..=16).find(|&length| next < self.limits[length])?;
        let place = (next >> (16 - length)).wrapping_add(self.offsets[length]);
        Some((*self.symbols.get(place as usize)?, length as u32))
    }

    /// Code and length for each symbol below `N`; the length is 0 if it has none.
    pub(crate) fn codes_by_symbol<const N: usize>(&self) -> [(u16, u8); N] {
        let mut codes = [(0, 0); N];
        let mut first = 0;
        for length in 1..=16 {
            let end = self.limits[length] >> (16 - length);
            for code in first..end {
                let symbol = self.symbols[code.wrapping_add(self.offsets[length]) as usize & 255];
                if let Some(entry) = codes.get_mut(usize::from(symbol)) {
                    *entry = (code as u16, length as u8);
                }
            }
            first = end << 1;
        }
        codes
    }

    /// For each value of the next `look` bits: the symbol and the length of its code, 0 if that is longer.
    fn lookup_table(&self, look: u32) -> Vec<(u8, u8)> {
        let mut found = vec![(0, 0); 1 << look];
        for (bits, entry) in found.iter_mut().enumerate() {
            if let Some((symbol, length)) = self.read((bits as u64) << (64 - look))
                && length <= look
            {
                *entry = (symbol, length as u8);
            }
        }
        found
    }
}

/// The number coded in the `size` highest bits of `bits` (T.81 F.1.2.1, EXTEND). `size` is at most 16.
#[inline(always)]
fn extend_sign(bits: u64, size: u32) -> i32 {
    // With a size of 0 no bits are left.
    let value = ((bits >> 1) >> (63 - size)) as i32;
    let is_negative = (bits >> 63) as i32 ^ 1;
    value - (((1 << size) - 1) & -is_negative)
}

/// The decoder of DC differences.
#[derive(Debug)]
pub(crate) struct Dc {
    pub codes: Codes,
    /// Indexed by the next [`DC_LOOK`] bits: length of the code (0 if longer), and in the high byte the number of
    /// bits after it.
    table: Box<[u16; 1 << DC_LOOK]>,
}

impl Dc {
    fn new(codes: Codes) -> Option<Dc> {
        // libjpeg refuses tables with other symbols.
        if codes.symbols.iter().any(|&symbol| symbol > 15) {
            return None;
        }
        let found = codes.lookup_table(DC_LOOK);
        let entry = |&(symbol, length): &(u8, u8)| u16::from(symbol) << 8 | u16::from(length);
        let table: Vec<u16> = found.iter().map(entry).collect();
        Some(Dc { codes, table: table.into_boxed_slice().try_into().ok()? })
    }

    /// The difference at the front of `bits`, and its length in bits: at most 27.
    #[inline(always)]
    pub fn read(&self, bits: u64) -> Option<(i32, u32)> {
        let entry = self.table[(bits >> (64 - DC_LOOK)) as usize];
        let (mut size, mut length) = (u32::from(entry >> 8), u32::from(entry & 255));
        if length == 0 {
            let (symbol, long) = self.codes.read(bits)?;
            (size, length) = (u32::from(symbol), long);
        }
        if size > DC_SIZE {
            return None;
        }
        Some((extend_sign(bits << length, size), length + size))
    }
}

/// The coefficient whose code is within the `there` highest of `bits`; the bits after the code may be missing.
/// `found` is [`Ac`]'s table of symbols.
fn decode_prefix(found: &[(u8, u8)], bits: u64, there: u32) -> Option<Coefficient> {
    let &(symbol, length) = found.get((bits >> (64 - LOOK)) as usize)?;
    let length = u32::from(length);
    (length > 0 && length <= there).then(|| Coefficient::decode(symbol, length, bits)).flatten()
}

/// The same, if the coefficient is complete.
fn decode_complete(found: &[(u8, u8)], bits: u64, there: u32) -> Option<Coefficient> {
    decode_prefix(found, bits, there).filter(|found| found.bits <= there)
}

/// The decoder of AC coefficients.
#[derive(Debug)]
pub(crate) struct Ac {
    codes: Codes,
    /// Indexed by the next [`LOOK`] bits: the symbol and the length of its code, 0 if that is longer.
    symbols: Box<[(u8, u8); 1 << LOOK]>,
    pub values: Box<[Values; 1 << LOOK]>,
    pub lengths: Box<[Lengths; 1 << LOOK]>,
}

/// Up to two coefficients; the first may be a DC difference. A single coefficient is both first and last.
///
/// The lowest 4 bits are their length in bits. One more bit marks the end of the block. The next 5 and 8 bits are the
/// steps from the position before to the first and to the last one. Each value has 7 bits.
///
/// Steps to the end of the block are [`END`] more, which only fits the steps to the last one. The end alone has an
/// empty coefficient before it, at a position that has not been read yet. In a useless entry the steps to the last
/// one are [`UNKNOWN`], and the length is 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values(u32);

impl Values {
    const IS_END: u32 = 16;

    /// Maximum number of steps to the first one.
    const MOST_STEPS: u32 = 16;

    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 & 15
    }

    #[inline(always)]
    pub fn is_end(self) -> bool {
        self.0 & Values::IS_END != 0
    }

    #[inline(always)]
    pub fn steps(self) -> (u32, u32) {
        (self.0 >> 5 & 31, self.0 >> 10 & 255)
    }

    #[inline(always)]
    pub fn values(self) -> (i16, i16) {
        let signed = self.0 as i32;
        ((signed << 7 >> 25) as i16, (signed >> 25) as i16)
    }

    /// A useless entry.
    const UNKNOWN: Values = Values(Values::MOST_STEPS << 5 | UNKNOWN << 10);

    /// `first` and the coefficient after it.
    fn combine(first: Coefficient, second: Option<Coefficient>) -> Values {
        let has_room = |coefficient: &Coefficient| (-64..64).contains(&coefficient.value);
        if !has_room(&first) {
            return Values::UNKNOWN;
        }
        match second.filter(has_room) {
            Some(last) => Values::new(first, last, first.bits + last.bits, first.steps + last.steps),
            None => Values::new(first, first, first.bits, first.steps),
        }
    }

    fn new(first: Coefficient, last: Coefficient, bits: u32, steps: u32) -> Values {
        let is_end = if last.steps == END { Values::IS_END } else { 0 };
        let seven = |value: i16| u32::from(value as u16 & 127);
        let steps = first.steps.min(Values::MOST_STEPS) << 5 | steps << 10;
        Values(bits | is_end | steps | seven(first.value) << 18 | seven(last.value) << 25)
    }
}

/// Extent of one or several coefficients. 6 bits are their length in bits (at most [`LOOK`] + 10). 1 bit marks the
/// end of the block. From bit 8 on there are the steps to the last one, as in [`Values`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths(u16);

impl Lengths {
    const IS_END: u32 = 64;

    #[inline(always)]
    pub fn bits(self) -> u32 {
        u32::from(self.0) & 63
    }

    #[inline(always)]
    pub fn is_end(self) -> bool {
        u32::from(self.0) & Lengths::IS_END != 0
    }

    #[inline(always)]
    pub fn steps(self) -> u32 {
        u32::from(self.0) >> 8
    }
}

/// One coefficient, or the end of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coefficient {
    /// Bits of its code and after it: at most 26.
    pub bits: u32,
    /// Steps from the position before: 1…16, or [`END`]; 0 for a DC difference.
    pub steps: u32,
    /// 0 for a run of zeros and for the end.
    pub value: i16,
}

impl Coefficient {
    /// Decodes `bits` after a code of `length` bits for `symbol`.
    #[inline(always)]
    fn decode(symbol: u8, length: u32, bits: u64) -> Option<Coefficient> {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (0, 0) => Some(Coefficient { bits: length, steps: END, value: 0 }),
            (15, 0) => Some(Coefficient { bits: length, steps: 16, value: 0 }),
            (_, 1..=AC_SIZE) => {
                let value = extend_sign(bits << length, size) as i16;
                Some(Coefficient { bits: length + size, steps: run + 1, value })
            }
            _ => None,
        }
    }
}

impl Ac {
    fn new(codes: Codes) -> Option<Ac> {
        let found = codes.lookup_table(LOOK);
        let values = |bits: u64| match decode_complete(&found, bits, LOOK) {
            None => Values::UNKNOWN,
            Some(first) if first.steps == END => Values::combine(first, None),
            Some(first) => {
                Values::combine(first, decode_complete(&found, bits << first.bits, LOOK - first.bits))
            }
        };
        let lengths = |bits: u64| {
            let (mut length, mut steps) = (0, 0);
            while length < LOOK && steps < END {
                match decode_prefix(&found, bits << length, LOOK - length) {
                    Some(found) if found.steps == END || steps + found.steps < BLOCK => {
                        (length, steps) = (length + found.bits, steps + found.steps);
                    }
                    _ => break,
                }
            }
            let is_end = if steps >= END { Lengths::IS_END } else { 0 };
            let steps = if length == 0 { UNKNOWN } else { steps };
            Lengths((steps << 8 | is_end | length) as u16)
        };
        let each = |look: u32| (0..1u64 << look).map(move |bits| bits << (64 - look));
        let values: Vec<Values> = each(LOOK).map(values).collect();
        let lengths: Vec<Lengths> = each(LOOK).map(lengths).collect();
        Some(Ac {
            codes,
            symbols: found.into_boxed_slice().try_into().ok()?,
            values: values.into_boxed_slice().try_into().ok()?,
            lengths: lengths.into_boxed_slice().try_into().ok()?,
        })
    }

    /// Code and length of the end of a block, if the table has one.
    pub(crate) fn end_of_block(&self) -> Option<(u16, u8)> {
        let [end] = self.codes.codes_by_symbol::<1>();
        (end.1 > 0).then_some(end)
    }

    /// The coefficient that is complete in the `there` highest of `bits`, at most [`LOOK`].
    fn lookup(&self, bits: u64, there: u32) -> Option<Coefficient> {
        decode_complete(self.symbols.as_slice(), bits, there)
    }

    /// The coefficient at the front of `bits`.
    // Frequent in a dense image: codes are short, but the bits after them reach beyond LOOK.
    #[inline]
    pub(crate) fn read_one(&self, bits: u64) -> Option<Coefficient> {
        let (symbol, length) = match self.symbols[(bits >> (64 - LOOK)) as usize] {
            (_, 0) => self.codes.read(bits)?,
            (symbol, length) => (symbol, u32::from(length)),
        };
        Coefficient::decode(symbol, length, bits)
    }
}

/// The codes of a component's blocks.
#[derive(Debug)]
pub(crate) struct Coding {
    pub dc: Dc,
    pub ac: Ac,
    /// For the start of a block: the DC difference, with 0 steps, and the first coefficient after it.
    pub begins: Box<[Values; 1 << LOOK]>,
}

impl Coding {
    fn new(dc: &[u8], ac: &[u8]) -> Option<Coding> {
        let (dc, ac) = (Dc::new(Codes::new(dc)?)?, Ac::new(Codes::new(ac)?)?);
        let begin = |bits: u64| {
            let Some((difference, length)) = dc.read(bits).filter(|&(_, length)| length <= LOOK) else {
                return Values::UNKNOWN;
            };
            let first = Coefficient { bits: length, steps: 0, value: difference as i16 };
            Values::combine(first, ac.lookup(bits << length, LOOK - length))
        };
        let begins: Vec<Values> = (0..1 << LOOK).map(|bits: u64| begin(bits << (64 - LOOK))).collect();
        Some(Coding { begins: begins.into_boxed_slice().try_into().ok()?, dc, ac })
    }

    /// Loads all cache lines of the tables at once. Otherwise each access depends on the one before, and the cache
    /// misses add up.
    pub(crate) fn prefetch(&self) {
        const LINE: usize = 64 / size_of::<Values>();
        let tables = [self.begins.as_slice(), self.ac.values.as_slice()];
        let lines = tables.iter().flat_map(|table| table.iter().step_by(LINE));
        black_box(lines.fold(0, |sum, entry| sum ^ entry.0));
    }
}

/// Tables with the definitions that they were made from: the next image of a camera has the same ones.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    kept: Vec<ComponentTables>,
}

/// The tables of one component, with the file's definitions for DC and AC.
#[derive(Debug)]
struct ComponentTables {
    dc: Vec<u8>,
    ac: Vec<u8>,
    coding: Coding,
}

/// Number of codings kept: two are in use, and a second source may take turns.
const KEPT: usize = 4;

impl Tables {
    /// The index of the coding for these tables for DC and AC, as in the file.
    pub fn find(&mut self, dc: &[u8], ac: &[u8]) -> Option<usize> {
        if let Some(place) = self.kept.iter().position(|kept| kept.dc == dc && kept.ac == ac) {
            return Some(place);
        }
        self.kept.push(ComponentTables { dc: dc.to_vec(), ac: ac.to_vec(), coding: Coding::new(dc, ac)? });
        Some(self.kept.len() - 1)
    }

    /// The coding at this index.
    pub fn get(&self, place: usize) -> Option<&Coding> {
        Some(&self.kept.get(place)?.coding)
    }

    /// Drops all codings if there are too many; earlier indices are invalid after that.
    pub(crate) fn evict_codings(&mut self) {
        if self.kept.len() > KEPT {
            self.kept.clear();
        }
    }
}
