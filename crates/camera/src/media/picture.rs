//! A finished JPEG with its multipart header, made once and shared by all viewers.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use tallycam_base::ClockTime;

/// The bytes between two parts: `frame` is the boundary of every stream. They follow a picture immediately, because
/// Chromium shows a part only when the next boundary has arrived.
const DELIMITER: &[u8] = b"\r\n--frame\r\n";

/// Room for the longest part header: three fields with 20-digit numbers.
const HEAD_ROOM: usize = 128;

/// Bytes of one copy. From some kilobytes on, the C library of a PC copies with `rep movsb`. Some processors and all
/// emulated ones need several times as long for that as for vector code (glibc's bug 30994).
const AT_ONCE: usize = if cfg!(target_arch = "x86_64") { 2048 } else { usize::MAX };

/// A complete JPEG, kept as long as needed. Clones share the bytes.
///
/// Invariant: [`Picture::part`] is `Content-Type`, `Content-Length`, `X-Timestamp`, an empty line, exactly
/// [`Picture::jpeg`], then CRLF, the boundary and CRLF. After an opening `--frame\r\n`, any sequence of parts is a
/// well-formed `multipart/x-mixed-replace` body (RFC 2046 §5.1).
#[derive(Debug, Clone)]
pub struct Picture {
    part: Bytes,
    head: u16,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Capture time; for a still card, the time at which it was drawn.
    pub stamp: ClockTime,
    /// The source's number of the frame; 0 for a still card.
    pub sequence: u64,
    /// True for a still card with text instead of what the camera sees.
    pub is_card: bool,
}

impl Picture {
    /// The JPEG alone.
    pub fn jpeg(&self) -> Bytes {
        self.part.slice(usize::from(self.head)..self.part.len() - DELIMITER.len())
    }

    /// The whole multipart part: header, JPEG, and the following boundary.
    pub fn part(&self) -> Bytes {
        self.part.clone()
    }

    /// Length of the JPEG in bytes.
    pub fn jpeg_len(&self) -> usize {
        self.part.len() - DELIMITER.len() - usize::from(self.head)
    }
}

/// Buffers of unused pictures for later ones: a steady stream needs no new memory from the system, whose fresh pages
/// cost more than the copy into them. Clones share it.
///
/// Bounded: it keeps at most [`PicturePool::SPARE`] buffers, and none that is much too large.
#[derive(Debug, Clone, Default)]
pub struct PicturePool(Arc<Mutex<Vec<Vec<u8>>>>);

impl PicturePool {
    /// The newest picture, the one being made and the one being sent to a viewer are constantly replaced. Buffers
    /// that slow viewers hold beyond that are returned to the system.
    pub const SPARE: usize = 3;

    /// A builder with room for a JPEG of `expected` bytes (more is allowed, at the cost of a copy).
    pub fn builder(&self, expected: usize) -> PictureBuilder {
        let needed = HEAD_ROOM + expected + DELIMITER.len();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Checks all of them: a steady stream reuses the top one or two, so that a far too large one would stay below
        // them for ever.
        spare.retain(|bytes| bytes.capacity() / 4 <= needed);
        let mut bytes = spare.pop().unwrap_or_default();
        drop(spare);
        bytes.clear();
        bytes.reserve(needed);
        bytes.resize(HEAD_ROOM, 0);
        PictureBuilder { bytes, pool: self.clone() }
    }
}

/// A finished picture's bytes, which return to their pool.
struct Pooled {
    bytes: Vec<u8>,
    pool: PicturePool,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let mut spare = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < PicturePool::SPARE {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// Collects a JPEG's bytes after room for the header, which is known only at the end, so that each byte is written
/// once.
#[derive(Debug)]
pub struct PictureBuilder {
    bytes: Vec<u8>,
    pool: PicturePool,
}

impl PictureBuilder {
    /// A builder whose buffer is used for this picture only. For many pictures use a [`PicturePool`].
    pub fn with_capacity(expected: usize) -> PictureBuilder {
        PicturePool::default().builder(expected)
    }

    /// Appends bytes of the JPEG.
    pub fn push(&mut self, run: &[u8]) {
        for run in run.chunks(AT_ONCE) {
            self.bytes.extend_from_slice(run);
        }
    }

    /// Finishes a picture of `width` × `height` pixels.
    pub fn finish(
        mut self,
        width: u32,
        height: u32,
        stamp: ClockTime,
        sequence: u64,
        is_card: bool,
    ) -> Picture {
        let len = self.bytes.len() - HEAD_ROOM;
        let mut head = FromBehind { bytes: &mut self.bytes[..HEAD_ROOM], start: HEAD_ROOM };
        head.prepend(b"\r\n\r\n");
        head.prepend_number(stamp.wall_us % 1_000_000, 6);
        head.prepend(b".");
        head.prepend_number(stamp.wall_us / 1_000_000, 1);
        head.prepend(b"\r\nX-Timestamp: ");
        head.prepend_number(len as u64, 1);
        head.prepend(b"Content-Type: image/jpeg\r\nContent-Length: ");
        let start = head.start;
        self.bytes.extend_from_slice(DELIMITER);
        let part = Bytes::from_owner(Pooled { bytes: self.bytes, pool: self.pool }).slice(start..);
        Picture { part, head: (HEAD_ROOM - start) as u16, width, height, stamp, sequence, is_card }
    }
}

/// Writes backwards from the end of its bytes. The formatting machinery would cost as much as everything else that is
/// done for a camera's own JPEG, except for the copy.
struct FromBehind<'a> {
    bytes: &'a mut [u8],
    start: usize,
}

impl FromBehind<'_> {
    fn prepend(&mut self, text: &[u8]) {
        let end = self.start;
        self.start -= text.len();
        self.bytes[self.start..end].copy_from_slice(text);
    }

    /// Writes `number` in decimal, with at least this many digits.
    fn prepend_number(&mut self, mut number: u64, digits: usize) {
        let least = self.start - digits;
        while number > 0 || self.start > least {
            self.prepend(&[b'0' + (number % 10) as u8]);
            number /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_names_its_exact_length() {
        let stamp = ClockTime { monotonic_us: 5, wall_us: 1_700_000_000_000_042, wall_trusted: true };
        let mut builder = PictureBuilder::with_capacity(4);
        builder.push(&[0xff, 0xd8]);
        builder.push(&[1, 2, 0xff, 0xd9]);
        let picture = builder.finish(8, 8, stamp, 7, false);
        assert_eq!(&picture.jpeg()[..], [0xff, 0xd8, 1, 2, 0xff, 0xd9]);
        assert_eq!(picture.jpeg_len(), 6);
        let want: &[u8] = b"Content-Type: image/jpeg\r\nContent-Length: 6\r\nX-Timestamp: \
            1700000000.000042\r\n\r\n\xff\xd8\x01\x02\xff\xd9\r\n--frame\r\n";
        assert_eq!(&picture.part()[..], want);
    }

    #[test]
    fn buffers_are_reused_once_they_are_free() {
        let pool = PicturePool::default();
        let make = |len: usize| {
            let mut builder = pool.builder(len);
            builder.push(&vec![7; len]);
            builder.finish(1, 1, ClockTime::now(), 0, false)
        };
        let first = make(1000);
        let (place, jpeg) = (first.part().as_ptr(), first.jpeg());
        drop(first);
        assert_ne!(make(1000).part().as_ptr(), place, "somebody still has its JPEG");
        drop(jpeg);
        let spare = |pool: &PicturePool| pool.0.lock().unwrap().len();
        assert_eq!(spare(&pool), 2);
        assert_eq!(make(1000).part().as_ptr(), place);
        drop((0..10).map(|_| make(1000)).collect::<Vec<_>>());
        assert_eq!(spare(&pool), PicturePool::SPARE);
        // A small picture does not keep a large one's buffer.
        assert!(pool.builder(1).bytes.capacity() < 1000);
        // A large buffer does not stay below the small ones for ever.
        let (large, small) = (make(100_000), make(1000));
        drop((large, small));
        drop(make(1000));
        assert!(pool.0.lock().unwrap().iter().all(|bytes| bytes.capacity() < 100_000));
    }

    #[test]
    fn the_longest_header_fits_and_the_shortest_has_its_digits() {
        let head = |wall_us| {
            let mut builder = PictureBuilder::with_capacity(0);
            builder.push(b"");
            let stamp = ClockTime { monotonic_us: 0, wall_us, wall_trusted: false };
            String::from_utf8(builder.finish(1, 1, stamp, 0, false).part().to_vec()).unwrap()
        };
        assert!(head(0).contains("Content-Length: 0\r\nX-Timestamp: 0.000000\r\n\r\n"));
        assert!(head(u64::MAX).contains("X-Timestamp: 18446744073709.551615\r\n\r\n"));
        let longest = format!("{}{}", head(u64::MAX), usize::MAX);
        assert!(longest.len() - DELIMITER.len() <= HEAD_ROOM);
    }
}
