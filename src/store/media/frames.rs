//! The index of a chunk: where each picture lies and when it was taken, in about seven bytes a picture. Pure.
//!
//! One byte, the format (1). Then for each picture, as unsigned LEB128 numbers: microseconds since the picture before
//! it (the first: since the chunk's `from_us`, so 0), bytes of its JPEG, and the source's number of the frame minus the
//! one before it (the first: minus 0), zigzag. JPEGs lie back to back, so where one begins is the sum of those before
//! it.

use super::ChunkFrame;

/// The format that is written.
const FORMAT: u8 = 1;

/// The index of `frames`, which begin at `from_us`.
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

/// The frames of an index; `None` for one that nobody wrote.
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
        // What a row has beside: a dozen numbers. SQLite keeps 489 bytes of a long row in its own page.
        assert!(encode(&frames, 7_000_000).len() < 300, "{}", encode(&frames, 7_000_000).len());
    }

    #[test]
    fn what_nobody_wrote_is_none() {
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
