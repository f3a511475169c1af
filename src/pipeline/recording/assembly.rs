//! A recording in progress: moves waiting pictures to the store, chunk by chunk. It waits for the store only at its
//! end. It uses no thread and no clock; times are microseconds of the monotonic clock.
//!
//! The store accepts a chunk or refuses it for the moment. A refused chunk is offered again while pictures wait
//! behind it. If too many wait, the chunk is dropped, which is a gap.

use crate::pipeline::rate::RateLimit;
use tallycam_store::media::{
    Chunk, Ended, Item, MediaError, RecordingHandle, RecordingProgress, RefusedChunk, Spare,
};

use super::chunking::Chunking;
use super::queue::{Backlog, Shot};

/// While a chunk is being written, up to this many bytes of pictures wait for its buffer before a second one is
/// allocated. A fast disk does not need two.
const AWAITED: usize = 512 << 10;

/// The same limit as a time, in microseconds. Without it small pictures would still be in no chunk when the disk has
/// time for the next one.
const AWAITED_US: u64 = 450_000;

/// Receiver of chunks: the store's writer. Its methods are those of [`RecordingHandle`].
pub trait RecordingSink: Send + 'static {
    fn append(&mut self, chunk: Chunk) -> Result<Chunk, RefusedChunk>;
    fn append_waiting(&mut self, chunk: Chunk) -> Result<Chunk, MediaError>;
    fn spare_chunk(&mut self) -> Spare;
    fn written(&self) -> RecordingProgress;
    fn error(&self) -> Option<MediaError>;
    fn is_closed(&self) -> bool;
    fn count_dropped(&self);
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

/// Limits of a recording, and its rate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RecordingLimits {
    /// Maximum pictures per second.
    pub fps: Option<f64>,
    /// Time of its end; later pictures do not belong to it.
    pub until_us: Option<u64>,
    /// Maximum bytes; a recording has at least one picture.
    pub bytes: Option<u64>,
    /// Each picture is a chunk of its own, so that it is on the disk as soon as possible.
    pub is_each_a_chunk: bool,
}

/// Size of a recording, including chunks that wait for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTally {
    /// Pictures.
    pub frames: u64,
    /// Bytes of the pictures.
    pub bytes: u64,
    /// Number of gaps.
    pub gaps: u64,
    /// Time from the first to the newest picture, microseconds.
    pub duration_us: u64,
    /// Pictures that the store did not accept.
    pub dropped: u64,
    /// Those of them that belonged to the end.
    pub dropped_at_end: u64,
}

/// A recording in progress.
#[derive(Debug)]
pub struct Recording<S> {
    /// None while the row is being created.
    sink: Option<S>,
    terms: RecordingLimits,
    began_us: u64,
    chunking: Chunking,
    /// Capture time of the first picture in the current chunk.
    open_since_us: Option<u64>,
    /// A finished chunk that the store has not accepted yet.
    closed: Option<Chunk>,
    next: Option<Shot>,
    limit: Option<RateLimit>,
    is_after_gap: bool,
    /// The store refused everything after the newest chunk that it accepted.
    is_end_lost: bool,
    newest_us: Option<u64>,
    is_over: bool,
    tally: FrameTally,
}

impl<S: RecordingSink> Recording<S> {
    /// A recording whose times count from `began_us`. It hands over nothing before [`Recording::attach_sink`].
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

    /// Connects the store.
    pub fn attach_sink(&mut self, sink: S) {
        self.sink = Some(sink);
    }

    /// Size of the recording.
    pub fn tally(&self) -> FrameTally {
        self.tally
    }

    /// The part of the recording on the disk.
    pub fn written(&self) -> RecordingProgress {
        self.sink.as_ref().map(RecordingSink::written).unwrap_or_default()
    }

    /// A limit is reached; no more pictures are accepted.
    pub fn has_reached_limit(&self) -> bool {
        self.is_over
    }

    /// The store has closed the recording on its own: it was set aside or has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some() && self.sink.as_ref().is_some_and(RecordingSink::is_closed)
    }

    /// The reason why the store accepts nothing, if so.
    pub fn error(&self) -> Option<MediaError> {
        self.sink.as_ref().and_then(RecordingSink::error)
    }

    /// A chunk waits to be offered again.
    pub fn is_refused(&self) -> bool {
        self.closed.is_some()
    }

    /// Time at which the current chunk must end, even without another picture.
    pub fn chunk_ends_us(&self) -> Option<u64> {
        self.open_since_us.map(|since_us| since_us + self.chunking.longest_us())
    }

    /// Moves pictures from `backlog` to the store as far as it accepts them. The rest waits there, up to `room`
    /// bytes.
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
        // Pictures that have waited until now still belong to the chunk.
        if self.closed.is_none() && self.chunk_ends_us().is_some_and(|ends_us| now_us >= ends_us) {
            self.close();
            self.offer_chunk(false);
        }
    }

    /// True if the next picture waits for the buffer of the chunk that is being written.
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

    /// Accepts one picture, or ends a chunk before it. False if there is no picture to accept.
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

    /// The next wanted picture. At a reduced rate only a late picture marks a gap.
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

    fn close(&mut self) {
        if self.closed.is_some() || self.chunking.is_empty() {
            return;
        }
        let chunk = self.chunking.finish_chunk();
        self.open_since_us = None;
        self.tally.gaps += u64::from(chunk.is_after_gap);
        self.closed = Some(chunk);
    }

    /// Offers the finished chunk; with `is_to_go` a refused chunk is dropped. Returns true if none waits afterwards.
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

    /// Writes the rest and blocks until it is on the disk. `None` if the recording has no picture. Also returns the
    /// size. If its last pictures are lost, it ends as [`Ended::Cut`].
    pub fn finish(
        mut self,
        mut backlog: Backlog,
        ended: Ended,
    ) -> (Result<Option<Item>, MediaError>, FrameTally) {
        let Some(mut sink) = self.sink.take() else { return (Ok(None), self.tally) };
        let dropped = self.tally.dropped;
        // A recording that was set aside is complete without the current chunk.
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
        // A remaining chunk was not accepted: the store was closed before the end, or accepts nothing.
        if let Some(chunk) = self.closed.take() {
            self.subtract_chunk(&chunk);
        }
        // Its gap, if any, is not counted yet.
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

    #[derive(Debug, Clone, Default)]
    struct Disk(Arc<Mutex<State>>);

    #[derive(Debug, Default)]
    struct State {
        is_slow: bool,
        is_aside: bool,
        /// Buffers return only through `spare`.
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

        /// For each chunk, true after a gap, and the numbers of its pictures.
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

    /// Records `numbers` at 30 per second, each as it arrives.
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
        assert_eq!(disk.pictures().len(), 84, "three chunks are handed over");
        backlog.push(shot(100, 100 * STEP_US, 10));
        let tally = recording.finish(backlog, Ended::Asked).1;
        assert_eq!(disk.pictures(), (0..=100).collect::<Vec<u64>>());
        assert!(disk.chunks().iter().all(|(is_after_gap, _)| !is_after_gap));
        assert_eq!((tally.frames, tally.bytes, tally.gaps, tally.dropped), (101, 1010, 0, 0));
        assert_eq!((tally.duration_us, disk.0.lock().unwrap().ended), (100 * STEP_US, Some(Ended::Asked)));
    }

    #[test]
    fn a_chunk_ends_in_time_without_more_pictures() {
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
    fn a_limited_number_of_pictures_waits_for_the_buffer() {
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
        // The first picture of the next chunk has left the backlog.
        assert_eq!(waiting[22..], [0, 0, 1, 2, 3], "{waiting:?}");
        let buffer = Chunk { jpegs: Vec::with_capacity(1000), ..Chunk::default() };
        disk.0.lock().unwrap().spare = Some(buffer);
        assert_eq!(push(&mut recording, 32, 10), 0, "the buffer has returned");
        // The second chunk ends, and its buffer does not return.
        let waiting: Vec<usize> = (33..62).map(|n| push(&mut recording, n, 100_000)).collect();
        let most = AWAITED / 100_000;
        assert_eq!(waiting.iter().max(), Some(&most), "{waiting:?}");
        assert_eq!(recording.finish(Backlog::default(), Ended::Asked).1.frames, 62);
        assert_eq!(disk.pictures(), (0..62).collect::<Vec<u64>>());
    }

    #[test]
    fn small_pictures_wait_for_the_buffer_for_half_a_second_at_most() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        disk.0.lock().unwrap().has_one_buffer = true;
        let mut backlog = Backlog::default();
        let mut most = 0;
        for n in 0..55 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 1 << 30, n * STEP_US);
            most = most.max(backlog.len());
        }
        assert_eq!(most, 14, "the oldest and the newest are less than that apart");
        assert_eq!(disk.chunks().len(), 1);
        recording.finish(backlog, Ended::Asked).0.unwrap();
        assert_eq!(disk.pictures(), (0..55).collect::<Vec<u64>>());
    }

    #[test]
    fn a_slow_disk_delays_pictures_and_then_costs_whole_chunks_and_a_gap() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let mut backlog = run(&mut recording, 1000, 0..30, 10);
        disk.is_slow(true);
        // A hiccup: arriving pictures wait.
        for n in 30..90 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 1000, n * STEP_US);
        }
        assert!(recording.is_refused());
        disk.is_slow(false);
        recording.drain_backlog(&mut backlog, 1000, 90 * STEP_US);
        assert_eq!((recording.tally().dropped, recording.tally().frames), (0, 90));
        assert_eq!(backlog.bytes(), 0);
        // The delay lasts: no more than 1000 bytes are held.
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
        // A single gap, marked in its place.
        let holes: Vec<u64> = pictures.windows(2).filter(|w| w[1] != w[0] + 1).map(|w| w[1]).collect();
        let after: Vec<u64> = disk.chunks().iter().filter(|c| c.0).map(|c| c.1[0]).collect();
        assert_eq!((holes.len(), &holes), (1, &after));
    }

    #[test]
    fn pictures_wait_within_a_bound_while_the_row_is_created() {
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
    fn a_reduced_rate_is_even_and_has_no_gaps() {
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
    fn each_picture_of_a_time_lapse_is_handed_over_at_once() {
        let (mut recording, disk) =
            begun(RecordingLimits { is_each_a_chunk: true, ..RecordingLimits::default() });
        run(&mut recording, 0, 0..3, 10);
        assert_eq!(disk.chunks(), [(false, vec![0]), (false, vec![1]), (false, vec![2])]);
    }

    #[test]
    fn a_store_that_was_set_aside_ends_the_recording() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        run(&mut recording, 1000, 0..30, 10);
        assert!(!recording.is_closed());
        disk.0.lock().unwrap().is_aside = true;
        let backlog = run(&mut recording, 1000, 30..60, 10);
        assert!(recording.is_closed());
        let tally = recording.finish(backlog, Ended::Stopped).1;
        // Pictures that were not written by then count as lost.
        assert_eq!((disk.pictures().len(), tally.frames, tally.bytes, tally.dropped), (28, 28, 280, 32));
    }

    #[test]
    fn a_failing_disk_at_the_end_loses_the_end_and_reports_it() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let backlog = run(&mut recording, 0, 0..30, 10);
        disk.is_slow(true);
        assert!(recording.error().is_some());
        let tally = recording.finish(backlog, Ended::Stopped).1;
        assert_eq!((disk.pictures().len(), tally.dropped, tally.dropped_at_end), (28, 2, 2));
        assert_eq!(disk.0.lock().unwrap().ended, Some(Ended::Cut));
    }

    #[test]
    fn pictures_dropped_just_before_the_end_are_a_lost_end() {
        let (mut recording, disk) = begun(RecordingLimits::default());
        let mut backlog = run(&mut recording, 0, 0..30, 10);
        disk.is_slow(true);
        for n in 30..90 {
            backlog.push(shot(n, n * STEP_US, 10));
            recording.drain_backlog(&mut backlog, 0, n * STEP_US);
        }
        assert!(recording.tally().dropped > 0);
        // The published figures are those on the disk.
        let written = recording.written();
        assert_eq!((written.frames, written.bytes, written.to_us), (28, 280, 27 * STEP_US));
        let tally = recording.finish(backlog, Ended::Limit).1;
        assert_eq!((tally.frames, tally.dropped, tally.gaps), (28, 62, 0));
        assert_eq!(disk.0.lock().unwrap().ended, Some(Ended::Cut));
        // After a recovery the gap is in its place, and not at the end.
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
