//! Groups pictures into chunks. Pure.
//!
//! A chunk ends before the picture that would make it longer than 0.9 s (0.75 s once it has 384 KiB) or larger than 2
//! MiB. It also ends before a picture of another size, before a gap, and when its first picture has waited that long.
//! A power cut then costs at most one second: the current chunk and the one being written. This assumes that a card
//! takes at most 70 ms for a small chunk, or a quarter of a second for a large one.
//!
//! Shorter chunks would cost more: each adds some 15 pages, which is nearly a quarter of a chunk of 0.3 MB. Larger
//! chunks also take longer to write, and can afford to end sooner.

use tallycam_store::media::{Chunk, ChunkFrame};

use super::queue::Shot;

/// Maximum duration of a chunk, in microseconds.
pub const CHUNK_US: u64 = 900_000;

/// Maximum duration of a chunk with [`LARGE_BYTES`], in microseconds, because writing it takes longer. A stream of
/// 2.8 MB/s or more reaches [`CHUNK_BYTES`] sooner.
const LARGE_US: u64 = 750_000;

/// Bytes of pictures that outweigh the other pages of a chunk (about 15).
const LARGE_BYTES: usize = 384 << 10;

/// Maximum bytes of a chunk, unless it is a single picture.
pub const CHUNK_BYTES: usize = 2 << 20;

/// The current chunk.
#[derive(Debug)]
pub struct Chunking {
    chunk: Chunk,
    /// Start of the recording, which its times count from (`CLOCK_MONOTONIC`, microseconds).
    began_us: u64,
    /// Time of the newest picture since then. Times never go back.
    last_us: u64,
    /// A gap precedes the next picture.
    is_after_gap: bool,
}

impl Chunking {
    /// Empty, for a recording whose times count from `began_us`.
    pub fn new(began_us: u64) -> Chunking {
        Chunking { chunk: Chunk::default(), began_us, last_us: 0, is_after_gap: false }
    }

    /// True if the current chunk has no picture.
    pub fn is_empty(&self) -> bool {
        self.chunk.frames.is_empty()
    }

    /// True if the next picture needs new memory: the chunk is empty and has no buffer.
    pub fn needs_buffer(&self) -> bool {
        self.is_empty() && self.chunk.jpegs.capacity() == 0
    }

    /// Marks a gap before the next picture.
    pub fn mark_gap(&mut self) {
        self.is_after_gap = true;
    }

    /// True if the current chunk must end before `shot`.
    pub fn must_end_before(&self, shot: &Shot) -> bool {
        let Some(first) = self.chunk.frames.first() else { return false };
        let picture = &shot.picture;
        shot.is_after_gap
            || self.is_after_gap
            || (self.chunk.width, self.chunk.height) != (picture.width, picture.height)
            || self.time(shot) - first.at_us >= self.longest_us()
            || self.chunk.jpegs.len() + picture.jpeg_len() > CHUNK_BYTES
    }

    /// Maximum duration of the current chunk at its current size, in microseconds.
    pub fn longest_us(&self) -> u64 {
        if self.chunk.jpegs.len() < LARGE_BYTES { CHUNK_US } else { LARGE_US }
    }

    /// Adds a picture. This is the only copy that recording makes of it.
    pub fn push(&mut self, shot: &Shot) {
        let at_us = self.time(shot);
        let picture = &shot.picture;
        let jpeg = picture.jpeg();
        if self.is_empty() {
            // Reserved in one piece; pages that are never written use no memory.
            self.chunk.jpegs.reserve_exact(CHUNK_BYTES.max(jpeg.len()));
            (self.chunk.width, self.chunk.height) = (picture.width, picture.height);
            self.chunk.is_after_gap = std::mem::take(&mut self.is_after_gap) || shot.is_after_gap;
        }
        let offset = self.chunk.jpegs.len();
        self.chunk.jpegs.extend_from_slice(&jpeg);
        // A chunk has a few MiB, so both fit.
        let (offset, len) = (offset as u32, jpeg.len() as u32);
        self.chunk.frames.push(ChunkFrame { at_us, offset, len, sequence: picture.sequence });
        self.last_us = at_us;
    }

    /// Ends the current chunk. The next one needs a buffer: see [`Chunking::reuse`].
    pub fn finish_chunk(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// Fills the buffers of `spare` next; its content is lost.
    pub fn reuse(&mut self, mut spare: Chunk) {
        debug_assert!(self.is_empty());
        spare.frames.clear();
        spare.jpegs.clear();
        // A single huge picture must not keep its memory for ever.
        spare.jpegs.shrink_to(CHUNK_BYTES);
        spare.is_after_gap = false;
        self.chunk = spare;
    }

    fn time(&self, shot: &Shot) -> u64 {
        shot.picture.stamp.monotonic_us.saturating_sub(self.began_us).max(self.last_us)
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::tests::shot;
    use super::*;

    fn chunks(shots: &[Shot]) -> Vec<Chunk> {
        let mut chunking = Chunking::new(shots[0].picture.stamp.monotonic_us);
        let mut chunks = Vec::new();
        for shot in shots {
            if chunking.must_end_before(shot) {
                chunks.push(chunking.finish_chunk());
            }
            chunking.push(shot);
        }
        chunks.push(chunking.finish_chunk());
        chunks
    }

    fn counts(shots: &[Shot]) -> Vec<usize> {
        chunks(shots).iter().map(|chunk| chunk.frames.len()).collect()
    }

    #[test]
    fn a_chunk_is_a_second_or_two_mebibytes() {
        let shots: Vec<Shot> = (0..60).map(|n| shot(n, 5_000_000 + n * 33_333, 10)).collect();
        assert_eq!(counts(&shots), [28, 28, 4], "27 steps of 33 ms take less than 0.9 s, 28 take more");
        let at_rate = |len| (0..60).map(|n| shot(n, n * 33_333, len)).collect::<Vec<Shot>>();
        assert_eq!(counts(&at_rate(14_000)), [28, 28, 4], "at 0.42 MB/s it is small");
        assert_eq!(counts(&at_rate(20_000)), [23, 23, 14], "at 0.6 MB/s it ends before 0.75 s");
        let large: Vec<Shot> = (0..9).map(|n| shot(n, n * 1000, 700_000)).collect();
        assert_eq!(counts(&large), [2, 2, 2, 2, 1]);
        let huge: Vec<Shot> = (0..3).map(|n| shot(n, n * 1000, 3 << 20)).collect();
        assert_eq!(counts(&huge), [1, 1, 1]);
    }

    #[test]
    fn a_chunk_ends_at_a_gap_and_at_another_size() {
        let mut shots: Vec<Shot> = (0..9).map(|n| shot(n, n * 33_333, 10)).collect();
        shots[3].is_after_gap = true;
        shots[6].picture.width = 9;
        shots[7].picture.width = 9;
        let chunks = chunks(&shots);
        let found: Vec<_> = chunks.iter().map(|c| (c.frames.len(), c.is_after_gap, c.width)).collect();
        assert_eq!(found, [(3, false, 8), (3, true, 8), (2, false, 9), (1, false, 8)]);
    }

    #[test]
    fn a_marked_gap_ends_the_chunk_and_is_reported_once() {
        let mut chunking = Chunking::new(0);
        chunking.push(&shot(1, 1, 1));
        chunking.mark_gap();
        let next = shot(2, 2, 1);
        assert!(chunking.must_end_before(&next));
        assert!(!chunking.finish_chunk().is_after_gap);
        chunking.push(&next);
        assert!(!chunking.must_end_before(&shot(3, 3, 1)));
        assert!(chunking.finish_chunk().is_after_gap);
    }

    #[test]
    fn bytes_and_times_are_those_of_the_pictures_and_times_never_go_back() {
        let mut chunking = Chunking::new(1_000_000);
        for (n, at_us) in [1_000_000, 1_040_000, 1_020_000, 900_000, 1_060_000].into_iter().enumerate() {
            chunking.push(&shot(n as u64 * 2, at_us, 5 + n));
        }
        let chunk = chunking.finish_chunk();
        let times: Vec<u64> = chunk.frames.iter().map(|frame| frame.at_us).collect();
        assert_eq!(times, [0, 40_000, 40_000, 40_000, 60_000]);
        assert_eq!(chunk.frames.iter().map(|f| f.sequence).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
        let mut offset = 0;
        for (n, frame) in chunk.frames.iter().enumerate() {
            assert_eq!((frame.offset, frame.len), (offset, 5 + n as u32));
            let jpeg = &chunk.jpegs[offset as usize..][..frame.len as usize];
            assert_eq!(jpeg, &shot(n as u64 * 2, 0, 5 + n).picture.jpeg()[..]);
            offset += frame.len;
        }
        assert_eq!(chunk.jpegs.len(), offset as usize);
    }

    #[test]
    fn a_buffer_is_reused_and_keeps_its_size() {
        let mut chunking = Chunking::new(0);
        chunking.push(&shot(1, 1, 5 << 20));
        let chunk = chunking.finish_chunk();
        chunking.reuse(chunk);
        assert!(chunking.is_empty());
        chunking.push(&shot(2, 2, 3));
        let chunk = chunking.finish_chunk();
        assert_eq!((chunk.frames.len(), chunk.jpegs.len()), (1, 3));
        assert!(chunk.jpegs.capacity() <= CHUNK_BYTES + 3);
    }
}
