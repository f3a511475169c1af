//! A recording as a video file for players: Motion JPEG in MP4 or AVI, or the JPEGs alone. Pure.
//!
//! Nothing is written ahead. The length is known, and any part can be made without the parts before it. It needs only
//! the store's rows (40 bytes for each chunk of about a second) and the frame index of the chunks that it touches. A
//! download therefore needs no more memory for a day than for a minute, can be resumed, and allows seeking. The
//! existing muxing crates (mp4, muxide, mp4_muxer, containr, re_mp4, riff, avirus) process whole files from front to
//! back and know the length at the end. None produces a range of a file that does not exist.
//!
//! Times: a chunk begins at its own time, in units of the format, but each frame before it gets at least one unit.
//! The same holds for frames within a chunk. Every frame thus has its own increasing time, and its offset in the file
//! follows from the rows alone, whatever its stamp.
//!
//! Sizes that change within a recording: each frame keeps its own, which its JPEG states. The file states the first
//! one's. ffmpeg and OpenCV return each frame as it is; other players scale to the first size, or show the rest
//! badly.

mod avi;
mod footage;
pub mod h264;
mod layout;
mod mp4;
mod start;
mod timeline;

#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

pub use footage::{FilmChunk, FilmFormat, FilmFrame, FilmReadError, Footage, empty_film};
pub use layout::Film;
use layout::{FilmPart, Layout, OpenedChunk, Table};
pub use start::FilmStart;
use tallycam_base::Fault;
use timeline::Timeline;

impl Film {
    /// Lays `chunks` out as a file. `began` is the capture time of the first frame.
    /// `duration_us` is the time from there to the end of the last frame; if it is too short, a typical interval
    /// after the last frame is used.
    ///
    /// # Errors
    /// The film is empty or too long.
    pub fn new(
        format: FilmFormat,
        chunks: impl IntoIterator<Item = FilmChunk>,
        began: impl Into<FilmStart>,
        duration_us: u64,
    ) -> Result<Film, Fault> {
        Film::laid_out(format, chunks.into_iter().collect(), began.into(), duration_us)
    }

    /// Like [`Film::new`], with a fixed interval of `step_us` microseconds instead of the frames' own times.
    ///
    /// # Errors
    /// The film is empty or too long.
    pub fn evenly(
        format: FilmFormat,
        chunks: impl IntoIterator<Item = FilmChunk>,
        began: impl Into<FilmStart>,
        step_us: u64,
    ) -> Result<Film, Fault> {
        let mut frames = 0;
        let mut even = |chunk: FilmChunk| {
            let from_us = frames * step_us;
            frames += u64::from(chunk.frames);
            FilmChunk { from_us, to_us: from_us + u64::from(chunk.frames.max(1) - 1) * step_us, ..chunk }
        };
        let chunks: Vec<FilmChunk> = chunks.into_iter().map(&mut even).collect();
        let film = Film::laid_out(format, chunks, began.into(), frames * step_us)?;
        Ok(Film { step_us: Some(step_us), ..film })
    }

    fn laid_out(
        format: FilmFormat,
        chunks: Vec<FilmChunk>,
        began: FilmStart,
        duration_us: u64,
    ) -> Result<Film, Fault> {
        let rows: Vec<FilmChunk> = chunks.into_iter().filter(|chunk| chunk.frames > 0).collect();
        if rows.is_empty() {
            return Err(empty_film());
        }
        let end_us = timeline::end_us(&rows, duration_us);
        match format {
            FilmFormat::Mov => mp4::layout_film(&rows, began, end_us),
            FilmFormat::Avi => avi::layout_film(&rows, began, end_us, avi::PART),
            FilmFormat::Mjpeg => {
                let timeline = Timeline::new(&rows, end_us, timeline::MICROSECONDS);
                let mut layout = Layout::default();
                layout.for_each_entry(Table::Pictures, 0..rows.len(), timeline.bytes());
                Ok(layout.film(timeline))
            }
        }
    }

    /// Length of the file in bytes.
    #[expect(clippy::len_without_is_empty, reason = "there is always something in it")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Duration in microseconds.
    pub fn duration_us(&self) -> u64 {
        self.timeline.duration_us()
    }

    /// Number of frames.
    pub fn frames(&self) -> u64 {
        self.timeline.frames()
    }

    /// Width and height in pixels of its first frame.
    pub fn size(&self) -> (u32, u32) {
        self.timeline.size
    }

    /// A part of the file from `at` on: at least one byte and at most `most` (frames of one chunk only); empty only
    /// at the end. The next part begins where this one ends.
    ///
    /// # Errors
    /// [`FilmReadError`].
    pub fn read<F: Footage>(
        &self,
        at: u64,
        most: usize,
        footage: &mut F,
    ) -> Result<Bytes, FilmReadError<F::Error>> {
        if at >= self.len {
            return Ok(Bytes::new());
        }
        let n = self.sections.partition_point(|section| section.at <= at) - 1;
        let section = &self.sections[n];
        let end = self.sections.get(n + 1).map_or(self.len, |next| next.at);
        let within = at - section.at;
        let most = (most.max(1) as u64).min(end - at) as usize;
        match &section.what {
            FilmPart::Fixed(bytes) => {
                let from = within as usize;
                Ok(Bytes::copy_from_slice(&bytes[from..from + most]))
            }
            FilmPart::Each(table, chunks) => self.read_table(*table, chunks.clone(), within, most, footage),
        }
    }

    fn read_table<F: Footage>(
        &self,
        table: Table,
        chunks: Range<usize>,
        at: u64,
        most: usize,
        footage: &mut F,
    ) -> Result<Bytes, FilmReadError<F::Error>> {
        let places = &self.timeline.places;
        let start = |chunk: usize| self.offset(table, chunk) - self.offset(table, chunks.start);
        // Finds the last chunk that begins at or before `at`.
        let (mut low, mut high) = (chunks.start, chunks.end);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if start(middle) <= at { low = middle } else { high = middle }
        }
        let mut chunk = low;
        let mut within = at - start(chunk);
        if table == Table::Pictures {
            let len = (u64::from(places[chunk].bytes) - within).min(most as u64);
            let bytes = footage.bytes(places[chunk].number, within as u32, len as u32);
            let bytes = bytes.map_err(FilmReadError::Footage)?;
            return if bytes.len() as u64 == len { Ok(bytes) } else { Err(self.inconsistent_chunk(chunk)) };
        }
        let mut out = Vec::with_capacity(most);
        while out.len() < most && chunk < chunks.end {
            let room = most - out.len();
            match table {
                Table::Slots => {
                    let opened = self.open(chunk, footage)?;
                    avi::slots(&self.timeline, chunk, &opened, within, room, &mut out, footage)?;
                }
                Table::SlotIndex { base } => {
                    let opened = self.open(chunk, footage)?;
                    avi::slot_index(&places[chunk], &opened, base, within, room, &mut out);
                }
                Table::OldIndex { base } => {
                    let opened = self.open(chunk, footage)?;
                    avi::write_old_index(&places[chunk], &opened, base, within, room, &mut out);
                }
                Table::Durations | Table::Sizes => {
                    let opened = self.open(chunk, footage)?;
                    mp4::write_picture_entries(table, &opened, within, &mut out);
                }
                Table::Together | Table::Offsets { .. } => {
                    mp4::write_chunk_entry(table, &self.timeline, chunk, within, &mut out);
                }
                Table::Pictures => {}
            }
            chunk += 1;
            within = 0;
        }
        out.truncate(most);
        Ok(out.into())
    }

    /// Offset of a chunk's part in a table of all chunks.
    fn offset(&self, table: Table, chunk: usize) -> u64 {
        let place = &self.timeline.places[chunk];
        match table {
            Table::Pictures | Table::Slots => place.at,
            Table::Durations => 8 * place.first,
            Table::Sizes => 4 * place.first,
            Table::Together => 12 * chunk as u64,
            Table::Offsets { is_wide, .. } => (if is_wide { 8 } else { 4 }) * chunk as u64,
            Table::SlotIndex { .. } => 8 * place.start,
            Table::OldIndex { .. } => 16 * place.start,
        }
    }

    /// Opens a chunk: reads offsets and times of its frames.
    fn open<F: Footage>(
        &self,
        chunk: usize,
        footage: &mut F,
    ) -> Result<OpenedChunk, FilmReadError<F::Error>> {
        let (place, next) = (&self.timeline.places[chunk], &self.timeline.places[chunk + 1]);
        let frames = footage.frames(place.number).map_err(FilmReadError::Footage)?;
        // Bytes between two frames count to the first of them.
        let mut bounds: Vec<u32> = frames.iter().map(|frame| frame.offset).collect();
        bounds.push(place.bytes);
        if frames.len() as u64 != next.first - place.first || bounds[0] != 0 || !bounds.is_sorted() {
            return Err(self.inconsistent_chunk(chunk));
        }
        let mut ticks = Vec::with_capacity(frames.len() + 1);
        let mut earliest = place.start;
        for (n, frame) in frames.iter().enumerate() {
            // The following frames need one unit each.
            let latest = next.start - (frames.len() - n) as u64;
            // The first frame begins its chunk, whatever its own stamp.
            let latest = if n == 0 { place.start } else { latest };
            let at_us = self.step_us.map_or(frame.at_us, |step_us| (place.first + n as u64) * step_us);
            let tick = self.timeline.tick_at(at_us).clamp(earliest, latest);
            ticks.push(tick);
            earliest = tick + 1;
        }
        ticks.push(next.start);
        Ok(OpenedChunk { bounds, ticks })
    }

    fn inconsistent_chunk<E>(&self, chunk: usize) -> FilmReadError<E> {
        FilmReadError::Odd(self.timeline.places[chunk].number)
    }
}
