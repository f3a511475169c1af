//! One recording under way: from the pictures that wait to the store, chunk by chunk. Never waits for the store, except
//! at its end. Knows no thread and no clock: times are microseconds of the monotonic clock.
//!
//! The store takes a chunk, or refuses it for the moment: then the chunk is offered again, while pictures wait behind
//! it. When there are too many of those it is dropped, which is a gap.

use crate::pipeline::rate::RateLimit;
use crate::store::media::{
    Chunk, Ended, Item, MediaError, RecordingHandle, RecordingProgress, RefusedChunk, Spare,
};

use super::chunking::Chunking;
use super::queue::{Backlog, Shot};

/// While a chunk is being written, so many bytes of pictures wait for its buffer to come back before another one is
/// taken: a disk that is not slow has no need of two.
const AWAITED: usize = 512 << 10;

/// And so much time of them, in microseconds: small pictures that waited for bytes alone would still be in no chunk
/// when the disk has time for the next one.
const AWAITED_US: u64 = 450_000;

/// Where chunks go: the store's writer.
pub trait RecordingSink: Send + 'static {
    /// See [`RecordingHandle::append`].
    fn append(&mut self, chunk: Chunk) -> Result<Chunk, RefusedChunk>;
    /// See [`RecordingHandle::append_waiting`].
    fn append_waiting(&mut self, chunk: Chunk) -> Result<Chunk, MediaError>;
    /// See [`RecordingHandle::spare`].
    fn spare_chunk(&mut self) -> Spare;
    /// See [`RecordingHandle::written`].
    fn written(&self) -> RecordingProgress;
    /// See [`RecordingHandle::trouble`].
    fn error(&self) -> Option<MediaError>;
    /// See [`RecordingHandle::is_closed`].
    fn is_closed(&self) -> bool;
    /// See [`RecordingHandle::count_dropped`].
    fn count_dropped(&self);
    /// See [`RecordingHandle::end`].
    fn end(self, ended: Ended) -> Result<Option<Item>, MediaError>;
}

impl RecordingSink for RecordingHandle {
    fn append(&mut self, chunk: Chunk) -> Result<Chunk, RefusedChunk> {
        RecordingHandle::append(self, chunk)
    }

    fn append_waiting(&mut self, chunk: Chunk) -> Result<Chunk, MediaError> {
        RecordingHandle::append_waiting(self, chunk)
    }

    fn spare_chunk(&mut self) -> Spare {
        RecordingHandle::spare_chunk(self)
    }

    fn written(&self) -> RecordingProgress {
        RecordingHandle::written(self)
    }

    fn error(&self) -> Option<MediaError> {
        RecordingHandle::error(self)
    }

    fn is_closed(&self) -> bool {
        RecordingHandle::is_closed(self)
    }

    fn count_dropped(&self) {
        RecordingHandle::count_dropped(self);
    }

    fn end(self, ended: Ended) -> Result<Option<Item>, MediaError> {
        RecordingHandle::end(self, ended)
    }
}

/// What a recording is made of, and where it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RecordingLimits {
    /// At most so many pictures a second.
    pub fps: Option<f64>,
    /// Pictures from this time on are none of it.
    pub until_us: Option<u64>,
    /// At most so many bytes, but one picture at least.
    pub bytes: Option<u64>,
    /// Each picture is a chunk of its own: it is on the disk as soon as it can be.
    pub is_each_a_chunk: bool,
}

/// How much there is of it, what waits for the disk included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTally {
    /// Pictures.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Places at which some are missing.
    pub gaps: u64,
    /// From the first to the newest, microseconds.
    pub duration_us: u64,
    /// Pictures that the store did not take.
    pub dropped: u64,
    /// Those of them that were to be its end.
    pub dropped_at_end: u64,
}

/// A recording under way.
#[derive(Debug)]
pub struct Recording<S> {
    /// None while the row is being made.
    sink: Option<S>,
    terms: RecordingLimits,
    began_us: u64,
    chunking: Chunking,
    /// When the first picture of the chunk under way was taken.
    open_since_us: Option<u64>,
    /// A chunk that has ended and that the store has not taken yet.
    closed: Option<Chunk>,
    /// The picture that comes next.
    next: Option<Shot>,
    limit: Option<RateLimit>,
    /// Pictures are missing before the next one that is wanted.
    is_after_gap: bool,
    /// The store did not take what came after the newest chunk that it took.
    is_end_lost: bool,
    newest_us: Option<u64>,
    is_over: bool,
    tally: FrameTally,
}

impl<S: RecordingSink> Recording<S> {
    /// A recording whose times count from `began_us`. Nothing is handed over before [`Recording::begin`].
    pub fn new(began_us: u64, terms: RecordingLimits) -> Recording<S> {
        Recording {
            sink: None,
            terms,
            began_us,
            chunking: Chunking::new(began_us),
            open_since_us: None,
            closed: None,
            next: None,
            limit: terms.fps.map(RateLimit::new),
            is_after_gap: false,
            is_end_lost: false,
            newest_us: None,
            is_over: false,
            tally: FrameTally::default(),
        }
    }

    /// The store is ready for it.
    pub fn attach_sink(&mut self, sink: S) {
        self.sink = Some(sink);
    }

    /// How much there is of it.
    pub fn tally(&self) -> FrameTally {
        self.tally
    }

    /// How much of it is on the disk.
    pub fn written(&self) -> RecordingProgress {
        self.sink.as_ref().map(RecordingSink::written).unwrap_or_default()
    }

    /// Whether a limit is reached: nothing more is taken.
    pub fn has_reached_limit(&self) -> bool {
        self.is_over
    }

    /// Whether the store has closed it by itself: it was set aside, or has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some() && self.sink.as_ref().is_some_and(RecordingSink::is_closed)
    }

    /// Why the store takes nothing, if so.
    pub fn error(&self) -> Option<MediaError> {
        self.sink.as_ref().and_then(RecordingSink::error)
    }

    /// Whether a chunk waits to be offered again.
    pub fn is_refused(&self) -> bool {
        self.closed.is_some()
    }

    /// When the chunk under way has to end, whether another picture comes or not.
    pub fn chunk_ends_us(&self) -> Option<u64> {
        self.open_since_us.map(|since_us| since_us + self.chunking.longest_us())
    }

    /// Takes what waits in `backlog` as far as the store does. What it does not take waits there, up to `room` bytes.
    pub fn drain_backlog(&mut self, backlog: &mut Backlog, room: usize, now_us: u64) {
        if self.sink.is_none() {
            while backlog.bytes() > room && backlog.drop_oldest().is_some() {
                self.tally.dropped += 1;
            }
            return;
        }
        while self.offer_chunk(backlog.bytes() > room)
            && !self.is_waiting_for_buffer(backlog)
            && self.append_next(backlog)
        {}
        // What has waited until now belongs to it still.
        if self.closed.is_none() && self.chunk_ends_us().is_some_and(|ends_us| now_us >= ends_us) {
            self.close();
            self.offer_chunk(false);
        }
    }

    /// Whether what comes next waits for the buffer of the chunk that is being written.
    fn is_waiting_for_buffer(&mut self, backlog: &Backlog) -> bool {
        let Some(sink) = self.sink.as_mut().filter(|_| self.chunking.needs_buffer()) else { return false };
        match sink.spare_chunk() {
            Spare::Here(chunk) => {
                self.chunking.reuse(chunk);
                false
            }
            Spare::BeingWritten => backlog.bytes() < AWAITED && backlog.span_us() < AWAITED_US,
            Spare::None => false,
        }
    }

    /// Takes one picture, or ends a chunk before it; `false`: there is none to be taken.
    fn append_next(&mut self, backlog: &mut Backlog) -> bool {
        if self.is_over {
            return false;
        }
        let Some(shot) = self.next.take().or_else(|| self.next_wanted(backlog)) else { return false };
        let at_us = shot.picture.stamp.monotonic_us;
        let len = shot.picture.jpeg_len() as u64;
        self.is_over = self.terms.until_us.is_some_and(|until_us| at_us >= until_us)
            || (self.tally.frames > 0 && self.terms.bytes.is_some_and(|most| self.tally.bytes + len > most));
        if self.is_over {
            self.close();
        } else if self.chunking.must_end_before(&shot) {
            self.close();
            self.next = Some(shot);
        } else {
            self.chunking.push(&shot);
            self.open_since_us.get_or_insert(at_us);
            self.tally.frames += 1;
            self.tally.bytes += len;
            self.tally.duration_us = self.tally.duration_us.max(at_us.saturating_sub(self.began_us));
            if self.terms.is_each_a_chunk {
                self.close();
            }
        }
        true
    }

    /// The next picture that is wanted. One held down to fewer pictures has a gap only where one comes late.
    fn next_wanted(&mut self, backlog: &mut Backlog) -> Option<Shot> {
        while let Some(mut shot) = backlog.pop() {
            let at_us = shot.picture.stamp.monotonic_us;
            self.is_after_gap |= shot.is_after_gap;
            if self.limit.as_mut().is_some_and(|limit| !limit.accepts(at_us)) {
                continue;
            }
            let step_us = self.terms.fps.map_or(0.0, |fps| 1e6 / fps);
            let is_late = self
                .newest_us
                .is_some_and(|newest_us| at_us.saturating_sub(newest_us) as f64 > 1.5 * step_us);
            shot.is_after_gap = std::mem::take(&mut self.is_after_gap) && is_late;
            self.newest_us = Some(at_us);
            return Some(shot);
        }
        None
    }

    /// Ends the chunk under way.
    fn close(&mut self) {
        if self.closed.is_some() || self.chunking.is_empty() {
            return;
        }
        let chunk = self.chunking.finish_chunk();
        self.open_since_us = None;
        self.tally.gaps += u64::from(chunk.is_after_gap);
        self.closed = Some(chunk);
    }

    /// Offers the chunk that has ended; `is_to_go`: it is dropped if it is not taken. Tells whether none waits.
    fn offer_chunk(&mut self, is_to_go: bool) -> bool {
        let Some((chunk, sink)) = self.closed.take().zip(self.sink.as_mut()) else { return true };
        match sink.append(chunk) {
            Ok(spare) => {
                self.is_end_lost = false;
                self.chunking.reuse(spare);
            }
            Err(RefusedChunk(chunk)) if is_to_go => {
                sink.count_dropped();
                self.is_end_lost = true;
                self.subtract_chunk(&chunk);
                self.chunking.reuse(chunk);
                self.chunking.mark_gap();
            }
            Err(RefusedChunk(chunk)) => {
                self.closed = Some(chunk);
                return false;
            }
        }
        true
    }

    fn subtract_chunk(&mut self, chunk: &Chunk) {
        let frames = chunk.frames.len() as u64;
        self.tally.dropped += frames;
        self.tally.frames -= frames;
        self.tally.bytes -= chunk.jpegs.len() as u64;
        self.tally.gaps -= u64::from(chunk.is_after_gap);
    }

    /// Writes what is left, and answers when it is on the disk: blocks as long as that takes. `None`: there is not one
    /// picture of it. Tells how much there was of it, too. Where its last pictures are lost it ends as [`Ended::Cut`].
    pub fn finish(
        mut self,
        mut backlog: Backlog,
        ended: Ended,
    ) -> (Result<Option<Item>, MediaError>, FrameTally) {
        let Some(mut sink) = self.sink.take() else { return (Ok(None), self.tally) };
        let dropped = self.tally.dropped;
        // What was set aside is whole without the chunk under way.
        while !sink.is_closed() {
            if let Some(chunk) = self.closed.take() {
                let (frames, bytes) = (chunk.frames.len() as u64, chunk.jpegs.len() as u64);
                let gaps = u64::from(chunk.is_after_gap);
                match sink.append_waiting(chunk) {
                    Ok(spare) => {
                        self.is_end_lost = false;
                        self.chunking.reuse(spare);
                    }
                    Err(error) => {
                        log::debug!("{frames} pictures of a recording's end are lost: {error}");
                        self.tally.dropped += frames;
                        self.tally.frames -= frames;
                        self.tally.bytes -= bytes;
                        self.tally.gaps -= gaps;
                        break;
                    }
                }
            } else if !self.append_next(&mut backlog) {
                self.close();
                if self.closed.is_none() {
                    break;
                }
            }
        }
        // What is left was not taken: the store was closed before the end, or takes nothing.
        if let Some(chunk) = self.closed.take() {
            self.subtract_chunk(&chunk);
        }
        // Its gap, if it has one, is not counted yet.
        let under_way = Chunk { is_after_gap: false, ..self.chunking.finish_chunk() };
        self.subtract_chunk(&under_way);
        if !self.is_over {
            self.tally.dropped += u64::from(self.next.is_some()) + backlog.len() as u64;
        }
        self.tally.dropped_at_end = self.tally.dropped - dropped;
        self.is_end_lost |= self.tally.dropped_at_end > 0;
        let ended = if self.is_end_lost { Ended::Cut } else { ended };
        (sink.end(ended), self.tally)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use super::super::chunking::CHUNK_US;
    use super::super::queue::tests::shot;
    use super::*;

    /// A store that takes chunks or does not.
    #[derive(Debug, Clone, Default)]
    struct Disk(Arc<Mutex<State>>);

    #[derive(Debug, Default)]
    struct State {
        is_slow: bool,
        is_aside: bool,
        /// What was given to it comes back by `spare` alone.
        has_one_buffer: bool,
        spare: Option<Chunk>,
        dropped: u64,
        chunks: Vec<Chunk>,
        ended: Option<Ended>,
    }

    impl Disk {
        fn is_slow(&self, is_slow: bool) {
            self.0.lock().unwrap().is_slow = is_slow;
        }

        /// Numbers of the pictures of each chunk, negative after a gap.
        fn chunks(&self) -> Vec<(bool, Vec<u64>)> {
            let state = self.0.lock().unwrap();
            let numbers = |chunk: &Chunk| chunk.frames.iter().map(|frame| frame.sequence).collect();
            state.chunks.iter().map(|chunk| (chunk.is_after_gap, numbers(chunk))).collect()
        }

        fn pictures(&self) -> Vec<u64> {
            self.chunks().into_iter().flat_map(|(_, numbers)| numbers).collect()
        }
    }

    impl RecordingSink for Disk {
        fn append(&mut self, chunk: Chunk) -> Result<Chunk, RefusedChunk> {
            let mut state = self.0.lock().unwrap();
            if state.is_slow || state.is_aside {
                return Err(RefusedChunk(chunk));
            }
            state.chunks.push(chunk);
            if state.has_one_buffer {
                return Ok(Chunk::default());
            }
            Ok(Chunk { jpegs: vec![1; 9], is_after_gap: true, ..Chunk::default() })
        }

        fn append_waiting(&mut self, chunk: Chunk) -> Result<Chunk, MediaError> {
            self.append(chunk).map_err(|_| MediaError::Full)
        }

        fn spare_chunk(&mut self) -> Spare {
            let mut state = self.0.lock().unwrap();
            match state.spare.take() {
                Some(chunk) => Spare::Here(chunk),
                None if state.has_one_buffer => Spare::BeingWritten,
                None => Spare::None,
            }
        }

        fn written(&self) -> RecordingProgress {
            let mut written = RecordingProgress::default();
            self.0.lock().unwrap().chunks.iter().for_each(|chunk| written.add(chunk));
            written
        }

        fn error(&self) -> Option<MediaError> {
            self.0.lock().unwrap().is_slow.then_some(MediaError::Full)
        }

        fn is_closed(&self) -> bool {
            self.0.lock().unwrap().is_aside
        }

        fn count_dropped(&self) {
            self.0.lock().unwrap().dropped += 1;
        }

        fn end(self, ended: Ended) -> Result<Option<Item>, MediaError> {
            self.0.lock().unwrap().ended = Some(ended);
            Ok(None)
        }
    }

    const STEP_US: u64 = 33_333;

    /// Records `numbers` at 30 a second, each taken as it comes.
    fn run(
        recording: &mut Recording<Disk>,
        room: usize,
        numbers: std::ops::Range<u64>,
        len: usize,
    ) -> Backlog {
        let mut backlog = Backlog::default();
        for n in numbers {
            backlog.push(shot(n, n * STEP_US, len));
            recording.drain_backlog(&mut backlog, room, n * STEP_US);
        }
        backlog
    }

    fn begun(terms: RecordingLimits) -> (Recording<Disk>, Disk) {
        let disk = Disk::default();
        let mut recording = Recording::new(0, terms);
        recording.attach_sink(disk.clone());
        (recording, disk)
    }

    #[test]
    fn every_picture_in_order_and_the_rest_at_the_end() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let mut backlog = run(&mut recording, 0, 0..100, 10);
        assert_eq!(disk.pictures().len(), 84, "three chunks are on their way");
        backlog.push(shot(100, 100 * STEP_US, 10));
        let tally = recording.finish(backlog, Ended::Asked).1;
        assert_eq!(disk.pictures(), (0..=100).collect::<Vec<u64>>());
        assert!(disk.chunks().iter().all(|(is_after_gap, _)| !is_after_gap));
        assert_eq!((tally.frames, tally.bytes, tally.gaps, tally.dropped), (101, 1010, 0, 0));
        assert_eq!((tally.duration_us, disk.0.lock().unwrap().ended), (100 * STEP_US, Some(Ended::Asked)));
    }

    #[test]
    fn a_chunk_ends_in_time_though_no_more_pictures_come() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let mut backlog = run(&mut recording, 0, 0..3, 10);
        assert_eq!(recording.chunk_ends_us(), Some(CHUNK_US));
        recording.drain_backlog(&mut backlog, 0, CHUNK_US - 1);
        assert_eq!(disk.pictures(), [0_u64; 0]);
        recording.drain_backlog(&mut backlog, 0, CHUNK_US);
        assert_eq!(disk.pictures(), [0, 1, 2]);
        assert_eq!(recording.chunk_ends_us(), None);
    }

    #[test]
    fn pictures_wait_for_the_buffer_that_is_being_written_but_only_so_many() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        run(&mut recording, 0, 0..5, 10);
        disk.0.lock().unwrap().has_one_buffer = true;
        let mut backlog = Backlog::default();
        let mut push = |recording: &mut Recording<Disk>, n: u64, len| {
            backlog.push(shot(n, n * STEP_US, len));
            recording.drain_backlog(&mut backlog, 1 << 30, n * STEP_US);
            backlog.len()
        };
        let waiting: Vec<usize> = (5..32).map(|n| push(&mut recording, n, 10)).collect();
        // The first that belongs to the next chunk has been taken out of the backlog.
        assert_eq!(waiting[22..], [0, 0, 1, 2, 3], "{waiting:?}");
        let buffer = Chunk { jpegs: Vec::with_capacity(1000), ..Chunk::default() };
        disk.0.lock().unwrap().spare = Some(buffer);
        assert_eq!(push(&mut recording, 32, 10), 0, "it is back");
        // The second chunk ends, and its buffer stays away.
        let waiting: Vec<usize> = (33..62).map(|n| push(&mut recording, n, 100_000)).collect();
        let most = AWAITED / 100_000;
        assert_eq!(waiting.iter().max(), Some(&most), "{waiting:?}");
        assert_eq!(recording.finish(Backlog::default(), Ended::Asked).1.frames, 62);
        assert_eq!(disk.pictures(), (0..62).collect::<Vec<u64>>());
    }

    #[test]
    fn small_pictures_wait_for_the_buffer_half_a_second_at_most() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        disk.0.lock().unwrap().has_one_buffer = true;
        let mut backlog = Backlog::default();
        let mut most = 0;
        for n in 0..55 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 1 << 30, n * STEP_US);
            most = most.max(backlog.len());
        }
        assert_eq!(most, 14, "of them the oldest and the newest are less than that apart");
        assert_eq!(disk.chunks().len(), 1);
        recording.finish(backlog, Ended::Asked).0.unwrap();
        assert_eq!(disk.pictures(), (0..55).collect::<Vec<u64>>());
    }

    #[test]
    fn a_slow_disk_is_waited_for_and_then_costs_whole_chunks_and_a_gap() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let mut backlog = run(&mut recording, 1000, 0..30, 10);
        disk.is_slow(true);
        // A hiccup: what comes meanwhile waits.
        for n in 30..90 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 1000, n * STEP_US);
        }
        assert!(recording.is_refused());
        disk.is_slow(false);
        recording.drain_backlog(&mut backlog, 1000, 90 * STEP_US);
        assert_eq!((recording.tally().dropped, recording.tally().frames), (0, 90));
        assert_eq!(backlog.bytes(), 0);
        // It lasts: more than 1000 bytes are not held.
        disk.is_slow(true);
        for n in 90..400 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 1000, n * STEP_US);
            assert!(backlog.bytes() <= 1010);
        }
        disk.is_slow(false);
        let tally = recording.finish(backlog, Ended::Asked).1;
        let pictures = disk.pictures();
        assert_eq!(tally.gaps, 1);
        assert!(disk.0.lock().unwrap().dropped > 1, "chunks");
        assert_eq!((pictures.len() as u64, tally.frames), (tally.frames, 400 - tally.dropped));
        assert!(tally.dropped > 100 && tally.dropped < 300, "{tally:?}");
        // One hole, told where it is.
        let holes: Vec<u64> = pictures.windows(2).filter(|w| w[1] != w[0] + 1).map(|w| w[1]).collect();
        let after: Vec<u64> = disk.chunks().iter().filter(|c| c.0).map(|c| c.1[0]).collect();
        assert_eq!((holes.len(), &holes), (1, &after));
    }

    #[test]
    fn what_comes_while_the_row_is_made_waits_and_is_bounded() {
        let mut recording = Recording::new(0, RecordingLimits::default());
        let mut backlog = run(&mut recording, 100, 0..25, 10);
        assert_eq!((backlog.bytes(), recording.tally().dropped), (100, 15));
        let disk = Disk::default();
        recording.attach_sink(disk.clone());
        recording.drain_backlog(&mut backlog, 100, 0);
        recording.finish(backlog, Ended::Limit).0.unwrap();
        assert_eq!(disk.pictures(), (15..25).collect::<Vec<u64>>());
    }

    #[test]
    fn limits_of_time_and_bytes_are_kept() {
        let (mut recording, disk) =
            begun(RecordingLimits { until_us: Some(10 * STEP_US), ..RecordingLimits::default() });
        let backlog = run(&mut recording, 0, 0..30, 10);
        assert!(recording.has_reached_limit());
        recording.finish(backlog, Ended::Limit).0.unwrap();
        assert_eq!(disk.pictures(), (0..10).collect::<Vec<u64>>());

        let (mut recording, disk) = begun(RecordingLimits { bytes: Some(55), ..RecordingLimits::default() });
        let backlog = run(&mut recording, 0, 0..30, 10);
        assert!(recording.has_reached_limit());
        recording.finish(backlog, Ended::Limit).0.unwrap();
        assert_eq!(disk.pictures(), [0, 1, 2, 3, 4]);

        let (mut recording, disk) = begun(RecordingLimits { bytes: Some(5), ..RecordingLimits::default() });
        let backlog = run(&mut recording, 0, 0..3, 10);
        recording.finish(backlog, Ended::Limit).0.unwrap();
        assert_eq!(disk.pictures(), [0], "a recording has a picture");
    }

    #[test]
    fn fewer_pictures_are_an_even_grid_and_no_gaps() {
        let (mut recording, disk) = begun(RecordingLimits { fps: Some(10.0), ..RecordingLimits::default() });
        let mut backlog = Backlog::default();
        for n in 0..90 {
            // One is missing where none is wanted, and five in a row.
            if n == 31 || (60..65).contains(&n) {
                continue;
            }
            let is_after_gap = n == 32 || n == 65;
            backlog.push(Shot { is_after_gap, ..shot(n, n * STEP_US, 10) });
            recording.drain_backlog(&mut backlog, 0, n * STEP_US);
        }
        let tally = recording.finish(backlog, Ended::Asked).1;
        let pictures = disk.pictures();
        assert_eq!(&pictures[..12], [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33]);
        assert_eq!(tally.gaps, 1);
        let after: Vec<u64> = disk.chunks().iter().filter(|c| c.0).map(|c| c.1[0]).collect();
        assert_eq!(after, [65]);
    }

    #[test]
    fn each_picture_of_a_time_lapse_is_on_its_way_at_once() {
        let (mut recording, disk) =
            begun(RecordingLimits { is_each_a_chunk: true, ..RecordingLimits::default() });
        run(&mut recording, 0, 0..3, 10);
        assert_eq!(disk.chunks(), [(false, vec![0]), (false, vec![1]), (false, vec![2])]);
    }

    #[test]
    fn a_store_that_was_set_aside_ends_it() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        run(&mut recording, 1000, 0..30, 10);
        assert!(!recording.is_closed());
        disk.0.lock().unwrap().is_aside = true;
        let backlog = run(&mut recording, 1000, 30..60, 10);
        assert!(recording.is_closed());
        let tally = recording.finish(backlog, Ended::Stopped).1;
        // What had not been written by then is told as lost.
        assert_eq!((disk.pictures().len(), tally.frames, tally.bytes, tally.dropped), (28, 28, 280, 32));
    }

    #[test]
    fn a_disk_that_takes_nothing_at_the_end_loses_the_end_and_says_so() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let backlog = run(&mut recording, 0, 0..30, 10);
        disk.is_slow(true);
        assert!(recording.error().is_some());
        let tally = recording.finish(backlog, Ended::Stopped).1;
        assert_eq!((disk.pictures().len(), tally.dropped, tally.dropped_at_end), (28, 2, 2));
        assert_eq!(disk.0.lock().unwrap().ended, Some(Ended::Cut));
    }

    #[test]
    fn what_was_dropped_before_an_end_without_more_pictures_is_a_lost_end() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let mut backlog = run(&mut recording, 0, 0..30, 10);
        disk.is_slow(true);
        for n in 30..90 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 0, n * STEP_US);
        }
        assert!(recording.tally().dropped > 0);
        // What is told of it meanwhile is what is on the disk.
        let written = recording.written();
        assert_eq!((written.frames, written.bytes, written.to_us), (28, 280, 27 * STEP_US));
        let tally = recording.finish(backlog, Ended::Limit).1;
        assert_eq!((tally.frames, tally.dropped, tally.gaps), (28, 62, 0));
        assert_eq!(disk.0.lock().unwrap().ended, Some(Ended::Cut));
        // Once it goes on there is a gap where it was, and none at the end.
        let (mut recording, disk) = begun(RecordingLimits::default());
        run(&mut recording, 0, 0..30, 10);
        disk.is_slow(true);
        run(&mut recording, 0, 30..90, 10);
        disk.is_slow(false);
        let backlog = run(&mut recording, 0, 90..120, 10);
        assert_eq!(recording.finish(backlog, Ended::Limit).1.gaps, 1);
        assert_eq!(disk.0.lock().unwrap().ended, Some(Ended::Limit));
    }
}
