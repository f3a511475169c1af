//! Huffman codes, and tables that read several at once. Pure.
//!
//! T.81 Annex C and F.2.2. A table is looked up with the next [`LOOK`] bits. One entry of [`Values`] holds up to two
//! coefficients that these bits hold whole, runs of zeros before them included (where a block begins, the difference of
//! DC and one coefficient); one of [`Lengths`] says how far as many coefficients reach as begin there. What does not
//! fit is read one by one through [`Codes`].

use std::hint::black_box;

/// Bits that a table of AC codes is looked up with. More would be quicker by a little where pictures come one upon the
/// other; but they come one by one, and whatever is done between them leaves little of larger tables in the cache.
pub const LOOK: u32 = 11;

/// Bits that a table of DC codes is looked up with.
const DC_LOOK: u32 = 10;

/// Coefficients of a block, from which places in it are counted that are none.
pub const BLOCK: u32 = 64;

/// What is added to the place in a block where it ends.
pub const END: u32 = BLOCK;

/// What is added to the place in a block where a table does not know what follows.
pub const UNKNOWN: u32 = 2 * BLOCK;

/// Bits behind an AC code, and a DC code, at most (T.81 tables F.1, F.2, of 8-bit samples).
const AC_SIZE: u32 = 10;
const DC_SIZE: u32 = 11;

/// The codes of one table.
#[derive(Debug)]
pub struct Codes {
    /// For each length the least of the next 16 bits that begin no code of it or a shorter one.
    limits: [u32; 17],
    /// For each length what is added to a code of it to get the symbol's place, modulo 2³².
    offsets: [u32; 17],
    symbols: [u8; 256],
}

impl Codes {
    /// The codes of `counts_and_symbols` as the file has them. `None` if they are no Huffman code.
    fn new(counts_and_symbols: &[u8]) -> Option<Codes> {
        let (counts, given) = counts_and_symbols.split_first_chunk::<16>()?;
        let mut codes = Codes { limits: [0; 17], offsets: [0; 17], symbols: [0; 256] };
        codes.symbols.get_mut(..given.len())?.copy_from_slice(given);
        let (mut code, mut place) = (0u32, 0u32);
        for (length, &count) in (1..=16).zip(counts) {
            codes.offsets[length] = place.wrapping_sub(code);
            code += u32::from(count);
            place += u32::from(count);
            // The code of ones alone is kept free (T.81 C.2).
            if count > 0 && code >= 1 << length {
                return None;
            }
            codes.limits[length] = code << (16 - length);
            code <<= 1;
        }
        (place as usize == given.len()).then_some(codes)
    }

    /// The symbol that the highest bits of `bits` begin with, and the length of its code.
    #[inline(never)]
    pub fn read(&self, bits: u64) -> Option<(u8, u32)> {
        let next = (bits >> 48) as u32;
        let length = (1..=16).find(|&length| next < self.limits[length])?;
        let place = (next >> (16 - length)).wrapping_add(self.offsets[length]);
        Some((*self.symbols.get(place as usize)?, length as u32))
    }

    /// For each symbol below `N` its code and the length of that, 0 if it has none.
    pub fn codes_by_symbol<const N: usize>(&self) -> [(u16, u8); N] {
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

    /// For each value of the next `look` bits the symbol and the length of its code, 0 if that is longer.
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

/// The number that `size` bits, the highest ones of `bits`, stand for (T.81 F.1.2.1, EXTEND). `size` is at most 16.
#[inline(always)]
fn extend_sign(bits: u64, size: u32) -> i32 {
    // Of no bits none are left.
    let value = ((bits >> 1) >> (63 - size)) as i32;
    let is_negative = (bits >> 63) as i32 ^ 1;
    value - (((1 << size) - 1) & -is_negative)
}

/// What codes DC.
#[derive(Debug)]
pub struct Dc {
    pub codes: Codes,
    /// By the next [`DC_LOOK`] bits: how many bits the code has, 0 if more, and in the high byte how many follow.
    table: Box<[u16; 1 << DC_LOOK]>,
}

impl Dc {
    fn new(codes: Codes) -> Option<Dc> {
        // libjpeg refuses tables with others.
        if codes.symbols.iter().any(|&symbol| symbol > 15) {
            return None;
        }
        let found = codes.lookup_table(DC_LOOK);
        let entry = |&(symbol, length): &(u8, u8)| u16::from(symbol) << 8 | u16::from(length);
        let table: Vec<u16> = found.iter().map(entry).collect();
        Some(Dc { codes, table: table.into_boxed_slice().try_into().ok()? })
    }

    /// The difference that `bits` begin with, and how many bits it takes: at most 27.
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

/// The coefficient whose code the `there` highest of `bits` hold; the bits behind the code may be missing. `found` is
/// [`Ac`]'s table of symbols.
fn decode_prefix(found: &[(u8, u8)], bits: u64, there: u32) -> Option<Coefficient> {
    let &(symbol, length) = found.get((bits >> (64 - LOOK)) as usize)?;
    let length = u32::from(length);
    (length > 0 && length <= there).then(|| Coefficient::decode(symbol, length, bits)).flatten()
}

/// The same of one that is there whole.
fn decode_complete(found: &[(u8, u8)], bits: u64, there: u32) -> Option<Coefficient> {
    decode_prefix(found, bits, there).filter(|found| found.bits <= there)
}

/// What codes AC.
#[derive(Debug)]
pub struct Ac {
    codes: Codes,
    /// By the next [`LOOK`] bits: the symbol they begin with and the length of its code, 0 if that is longer.
    symbols: Box<[(u8, u8); 1 << LOOK]>,
    pub values: Box<[Values; 1 << LOOK]>,
    pub lengths: Box<[Lengths; 1 << LOOK]>,
}

/// Up to two coefficients, of which the first may be a difference of DC. From the lowest bit on: 4 bits for their
/// length in bits, one that says whether the block ends there, 5 and 8 bits for the steps from the place before to the
/// first and to the last of them, and 7 bits for the value of each. One alone is both.
///
/// Steps to the end of the block are [`END`] more, which only those to the last have room for: alone, the end has an
/// empty coefficient before it, at a place that nothing was read to yet. Steps to the last are [`UNKNOWN`] where this
/// is no use, and the length is 0.
#[derive(Debug, Clone, Copy)]
pub struct Values(u32);

impl Values {
    const IS_END: u32 = 16;

    /// The most steps to the first one.
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

    /// What tells nothing.
    const UNKNOWN: Values = Values(Values::MOST_STEPS << 5 | UNKNOWN << 10);

    /// `first` and what comes behind it.
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

/// How far one or several coefficients reach: 6 bits for their length in bits, at most [`LOOK`] + 10, one that says
/// whether the block ends there, and from bit 8 on the steps to the last one, as in [`Values`].
#[derive(Debug, Clone, Copy)]
pub struct Lengths(u16);

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
pub struct Coefficient {
    /// Its code and the bits behind it: at most 26.
    pub bits: u32,
    /// From the place before: 1…16, or [`END`]; 0 of a difference of DC.
    pub steps: u32,
    /// 0 of a run of zeros, and of the end.
    pub value: i16,
}

impl Coefficient {
    /// What `bits` begin with, after a code of `length` bits for `symbol`.
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

    /// The coefficient that the `there` highest of `bits` hold whole, at most [`LOOK`].
    fn lookup(&self, bits: u64, there: u32) -> Option<Coefficient> {
        decode_complete(self.symbols.as_slice(), bits, there)
    }

    /// The one coefficient that `bits` begin with.
    // In a dense picture not a few: their codes are short, but the bits behind them reach beyond LOOK.
    #[inline]
    pub fn read_one(&self, bits: u64) -> Option<Coefficient> {
        let (symbol, length) = match self.symbols[(bits >> (64 - LOOK)) as usize] {
            (_, 0) => self.codes.read(bits)?,
            (symbol, length) => (symbol, u32::from(length)),
        };
        Coefficient::decode(symbol, length, bits)
    }
}

/// How the blocks of a component are coded.
#[derive(Debug)]
pub struct Coding {
    pub dc: Dc,
    pub ac: Ac,
    /// Where a block begins: the difference of DC, at no steps, and the first coefficient behind it.
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

    /// Brings the tables into the cache, all lines at once: where each is looked up only when the one before has said
    /// where, each is waited for alone.
    pub fn prefetch(&self) {
        const LINE: usize = 64 / size_of::<Values>();
        let tables = [self.begins.as_slice(), self.ac.values.as_slice()];
        let lines = tables.iter().flat_map(|table| table.iter().step_by(LINE));
        black_box(lines.fold(0, |sum, entry| sum ^ entry.0));
    }
}

/// Tables that were made, with what they were made of: the next picture of a camera has the same ones.
#[derive(Debug, Default)]
pub struct Tables {
    kept: Vec<ComponentTables>,
}

/// The tables of one component, and the file's own of DC and AC.
#[derive(Debug)]
struct ComponentTables {
    dc: Vec<u8>,
    ac: Vec<u8>,
    coding: Coding,
}

/// Codings that are kept: two are in use, and a second source may take turns.
const KEPT: usize = 4;

impl Tables {
    /// The place of the coding by the tables for DC and AC as the file has them.
    pub fn find(&mut self, dc: &[u8], ac: &[u8]) -> Option<usize> {
        if let Some(place) = self.kept.iter().position(|kept| kept.dc == dc && kept.ac == ac) {
            return Some(place);
        }
        self.kept.push(ComponentTables { dc: dc.to_vec(), ac: ac.to_vec(), coding: Coding::new(dc, ac)? });
        Some(self.kept.len() - 1)
    }

    /// The coding at this place.
    pub fn get(&self, place: usize) -> Option<&Coding> {
        Some(&self.kept.get(place)?.coding)
    }

    /// Forgets the codings when there are too many. Places that were found are none after that.
    pub fn evict_codings(&mut self) {
        if self.kept.len() > KEPT {
            self.kept.clear();
        }
    }
}
