//! The index of a chunk: position and time of each picture, in about seven bytes per picture. Pure.
//!
//! It starts with one byte, the format (1). Each picture follows as three unsigned LEB128 numbers. The first is the
//! time in microseconds since the previous picture, or since the chunk's `from_us`. The second is the length of its
//! JPEG. The third is the source's frame number minus the previous one (initially 0), zigzag. JPEGs lie back to back,
//! so an offset is the sum of the previous lengths.

use super::ChunkFrame;

/// The format for new indices.
const FORMAT: u8 = 1;

/// The index of `frames`, whose times start at `from_us`.
pub(super) fn encode(frames: &[ChunkFrame], from_us: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + frames.len() * 8);
    bytes.push(FORMAT);
    let (mut at_us, mut sequence) = (from_us, 0u64);
    for frame in frames {
        put_varint(&mut bytes, frame.at_us.saturating_sub(at_us));
        put_varint(&mut bytes, u64::from(frame.len));
        let step = frame.sequence.wrapping_sub(sequence) as i64;
        put_varint(&mut bytes, ((step << 1) ^ (step >> 63)) as u64);
        (at_us, sequence) = (at_us.max(frame.at_us), frame.sequence);
    }
    bytes
}

/// The frames of an index; `None` if it is invalid.
pub(super) fn decode(bytes: &[u8], from_us: u64) -> Option<Vec<ChunkFrame>> {
    let (&FORMAT, mut rest) = bytes.split_first()? else { return None };
    let mut frames = Vec::with_capacity(rest.len() / 6);
    let (mut at_us, mut offset, mut sequence) = (from_us, 0u32, 0u64);
    while !rest.is_empty() {
        at_us = at_us.checked_add(take_varint(&mut rest)?)?;
        let len = u32::try_from(take_varint(&mut rest)?).ok()?;
        let step = take_varint(&mut rest)?;
        sequence = sequence.wrapping_add((step >> 1) ^ (step & 1).wrapping_neg());
        frames.push(ChunkFrame { at_us, offset, len, sequence });
        offset = offset.checked_add(len)?;
    }
    Some(frames)
}

fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return None;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_second_of_pictures_fits_into_the_row_of_its_chunk() {
        let frames: Vec<ChunkFrame> = (0..30)
            .map(|n| ChunkFrame {
                at_us: 7_000_000 + n * 33_333,
                offset: 0,
                len: 100_000,
                sequence: 1_000_000 + n,
            })
            .collect();
        // The row's other columns are a dozen numbers. SQLite keeps 489 bytes of a long row in its own page.
        assert!(encode(&frames, 7_000_000).len() < 300, "{}", encode(&frames, 7_000_000).len());
    }

    #[test]
    fn an_invalid_index_is_refused() {
        for bytes in [&[][..], &[2], &[1, 0x80], &[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0], &[1, 0, 1]] {
            assert_eq!(decode(bytes, 0), None, "{bytes:?}");
        }
        assert_eq!(decode(&[1], 5), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn every_index_comes_back(
            steps in proptest::collection::vec((0u64..1 << 40, 0u32..1 << 24, any::<u64>()), 0..40),
            from_us in 0u64..1 << 50,
        ) {
            let (mut at_us, mut offset) = (from_us, 0);
            let frames: Vec<ChunkFrame> = steps.iter().enumerate().map(|(n, &(step, len, sequence))| {
                at_us += if n == 0 { 0 } else { step };
                let frame = ChunkFrame { at_us, offset, len, sequence };
                offset += len;
                frame
            }).collect();
            prop_assert_eq!(decode(&encode(&frames, from_us), from_us), Some(frames));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), from_us in any::<u64>()) {
            let _ = decode(&bytes, from_us);
        }
    }
}
