//! Writes JPEGs as an AVI file with MJPEG video, which every player accepts.
//!
//! The layout is that of Microsoft's "AVI RIFF File Reference": a list of headers, the frames, an index. Sizes and
//! the frame rate are filled in at the end, so the file must be seekable. Memory: 8 bytes a frame, for the index.

use std::io::{self, Seek, SeekFrom, Write};

/// The file's own sizes have 32 bits; many players take them for signed.
const MOST_BYTES: u64 = (1 << 31) - (1 << 20);
/// Offset of the four letters `movi`, from which positions of frames are counted.
const MOVI_AT: u64 = 12 + 8 + HEADERS as u64 + 8;
/// Bytes of the list of headers after its size.
const HEADERS: u32 = 4 + (8 + 56) + 8 + (4 + (8 + 56) + (8 + 40));
/// Index flag of a frame that does not depend on others.
const KEY_FRAME: u32 = 0x10;
/// Main header flag: there is an index.
const HAS_INDEX: u32 = 0x10;

/// Writes an AVI file. Without [`AviWriter::finish`] it has no index, and players may refuse it.
#[derive(Debug)]
pub struct AviWriter<W> {
    out: W,
    size: (u32, u32),
    /// Offset from `movi` and length of each frame.
    index: Vec<(u32, u32)>,
    /// Bytes written so far.
    at: u64,
    largest: u32,
}

impl<W: Write + Seek> AviWriter<W> {
    /// Starts a file with frames of `width` × `height` pixels.
    ///
    /// # Errors
    /// The file cannot be written; the same for the other methods.
    pub fn new(mut out: W, width: u32, height: u32) -> io::Result<AviWriter<W>> {
        let mut writer = Vec::new();
        headers(&mut writer, (width, height), 0, 0, 0, 0);
        out.write_all(&writer)?;
        Ok(AviWriter { out, size: (width, height), index: Vec::new(), at: writer.len() as u64, largest: 0 })
    }

    /// Appends a frame: a complete JPEG.
    ///
    /// # Errors
    /// Also if the file would exceed the limit of AVI, two gigabytes.
    pub fn push(&mut self, jpeg: &[u8]) -> io::Result<()> {
        let padded = jpeg.len().next_multiple_of(2) as u64;
        let end = self.at + 8 + padded + 8 + 16 * (self.index.len() as u64 + 1);
        let Some(len) = u32::try_from(jpeg.len()).ok().filter(|_| end <= MOST_BYTES) else {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "an AVI holds two gigabytes at most; a file of MJPEG (.mjpeg) has no such limit",
            ));
        };
        self.out.write_all(b"00dc")?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(jpeg)?;
        if jpeg.len() % 2 == 1 {
            self.out.write_all(&[0])?;
        }
        self.index.push(((self.at - MOVI_AT) as u32, len));
        self.largest = self.largest.max(len);
        self.at += 8 + padded;
        Ok(())
    }

    /// Writes the index and the time between frames, `step_us` in microseconds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, step_us: u32) -> io::Result<W> {
        let mut index = Vec::with_capacity(8 + 16 * self.index.len());
        index.extend(b"idx1");
        push_u32s(&mut index, &[16 * self.index.len() as u32]);
        for (at, len) in &self.index {
            index.extend(b"00dc");
            push_u32s(&mut index, &[KEY_FRAME, *at, *len]);
        }
        self.out.write_all(&index)?;
        let mut start = Vec::new();
        let (frames, movi) = (self.index.len() as u32, (self.at - MOVI_AT) as u32);
        let whole = (self.at + index.len() as u64 - 8) as u32;
        headers(&mut start, self.size, frames, step_us.max(1), movi, whole);
        // No player needs these sizes, but some allocate their buffers by them.
        let suggested = (self.largest + 8).to_le_bytes();
        for place in [SUGGESTED_MAIN, SUGGESTED_STREAM] {
            start[place..place + 4].copy_from_slice(&suggested);
        }
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&start)?;
        self.out.seek(SeekFrom::End(0))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Offsets of the suggested buffer sizes.
const SUGGESTED_MAIN: usize = 12 + 12 + 8 + 28;
const SUGGESTED_STREAM: usize = 12 + 12 + (8 + 56) + 12 + 8 + 36;

/// Writes everything before the first frame.
fn headers(out: &mut Vec<u8>, (width, height): (u32, u32), frames: u32, step_us: u32, movi: u32, whole: u32) {
    out.extend(b"RIFF");
    push_u32s(out, &[whole]);
    out.extend(b"AVI LIST");
    push_u32s(out, &[HEADERS]);
    out.extend(b"hdrlavih");
    push_u32s(out, &[56, step_us, 0, 0, HAS_INDEX, frames, 0, 1, 0, width, height, 0, 0, 0, 0]);
    out.extend(b"LIST");
    push_u32s(out, &[4 + (8 + 56) + (8 + 40)]);
    out.extend(b"strlstrh");
    push_u32s(out, &[56]);
    out.extend(b"vidsMJPG");
    // Flags, priority, initial frames, scale and rate (their ratio is the frame rate), start, length.
    push_u32s(out, &[0, 0, 0, step_us, 1_000_000, 0, frames, 0, u32::MAX, 0]);
    for edge in [0, 0, width, height] {
        out.extend((edge as u16).to_le_bytes());
    }
    out.extend(b"strf");
    // A BITMAPINFOHEADER: its size, width, height, planes and bits a pixel.
    push_u32s(out, &[40, 40, width, height, 1 | 24 << 16]);
    out.extend(b"MJPG");
    push_u32s(out, &[width * height * 3, 0, 0, 0, 0]);
    out.extend(b"LIST");
    push_u32s(out, &[movi]);
    out.extend(b"movi");
}

fn push_u32s(out: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        out.extend(number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Cursor;

    #[test]
    fn sizes_and_offsets_add_up() {
        let mut avi = AviWriter::new(Cursor::new(Vec::new()), 64, 48).unwrap();
        avi.push(b"first").unwrap();
        avi.push(b"second").unwrap();
        let file = avi.finish(40_000).unwrap().into_inner();
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(number(4) + 8, file.len(), "the whole");
        assert_eq!(number(16), HEADERS as usize);
        let movi = MOVI_AT as usize;
        assert_eq!(&file[movi - 8..movi - 4], b"LIST");
        assert_eq!(&file[movi..movi + 8], b"movi00dc");
        let index = movi + number(movi - 4);
        assert_eq!(&file[index..index + 4], b"idx1");
        for (n, text) in [b"first".as_slice(), b"second"].into_iter().enumerate() {
            let entry = index + 8 + 16 * n;
            let (at, len) = (movi + number(entry + 8), number(entry + 12));
            assert_eq!(&file[at..at + 4], b"00dc");
            assert_eq!((&file[at + 8..at + 8 + len], number(at + 4)), (text, len));
        }
        assert_eq!(number(32), 40_000, "time between frames");
        assert_eq!(number(32 + 16), 2, "pictures");
        assert_eq!((number(SUGGESTED_MAIN), number(SUGGESTED_STREAM)), (14, 14));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let mut avi = AviWriter::new(Cursor::new(Vec::new()), 64, 48).unwrap();
        avi.at = MOST_BYTES - 20;
        assert_eq!(avi.push(b"one").unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
