//! Counting in a stored recording: its own pictures with their own times, looked at as the service looks.
//!
//! ```text
//! MediaReader ─ a chunk at a time ─► caller: reduce ► detector ► Counter ─► who crossed, and when
//! ```
//!
//! The watch that is used is that of live counting, and it sees the same bytes. Every picture is looked at, or as many
//! a second as is asked for, so the same recording, lines and model always give the same answer. Where no picture was
//! taken for longer than [`LONGEST_STEP_US`] nobody can be followed: everybody is forgotten there, and that time is
//! not among the spans for which the answer stands. Works on the caller's thread; one chunk is in memory.

use bytes::Bytes;

use super::counting::inference::{PictureReader, Watch};
use super::counting::{CountingSettings, LoadedDetector, NoDetector};
use super::recording::AS_SHOWN;
use crate::base::ClockTime;
use crate::encode::CompressError;
use crate::media::{Geometry, PictureBuilder};
use crate::store::media::{ChunkFrame, ChunkRow, Item, MediaError, MediaReader};
use crate::store::{FoundAgain, LineRow, Scene};

/// Pictures that are further apart than this do not follow each other: nobody can be followed from one to the next.
pub const LONGEST_STEP_US: u64 = 1_000_000;

/// A recording could not be counted again.
#[derive(Debug, thiserror::Error)]
pub enum RecountError {
    /// It cannot be read.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// There is no detector, or it knows none of what is wanted.
    #[error(transparent)]
    Detector(#[from] NoDetector),
    /// libjpeg-turbo could not be set up.
    #[error(transparent)]
    Decoder(#[from] CompressError),
    /// No line of its scene counts.
    #[error("no line counts in the scene {:?}{why}", .scene.as_str())]
    NoLine {
        /// Which.
        scene: Scene,
        /// Why those that are drawn there do not; empty if none is.
        why: String,
    },
    /// Its pictures are too far apart.
    #[error("its pictures are more than a second apart: nobody can be followed from one to the next")]
    TooSparse,
    /// Too many pictures could not be looked at to believe the rest.
    #[error("{times} of {looks} pictures could not be looked at: {reason}")]
    MachineDiagnosis {
        /// How many failed.
        times: u64,
        /// Of how many.
        looks: u64,
        /// Why the last of them did.
        reason: String,
    },
}

/// What counting a recording again has found.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingCount {
    /// Who crossed, in the order of being counted; times are wall times in microseconds.
    pub crossings: Vec<FoundAgain>,
    /// Where its pictures follow each other: wall time in microseconds, both ends included.
    pub spans: Vec<(u64, u64)>,
    /// The lines that were counted on, with their versions.
    pub lines: Vec<(u64, u64)>,
    /// The model's name.
    pub model: String,
    /// Pictures that were looked at.
    pub looks: u64,
    /// What could not be had as it was wanted, in sentences.
    pub notes: Vec<String>,
}

/// Counts who crosses the `lines` of `scene` in a recording, at most `fps` looks a second (`None`: every picture).
/// Of a recording of the camera's own pictures what `geometry` shows is counted; one of what viewers saw is as it is.
/// `progress` is told how many pictures are done after each chunk.
///
/// # Errors
/// [`RecountError`].
#[allow(clippy::too_many_arguments)]
pub fn count_recording(
    reader: &MediaReader,
    item: &Item,
    made: LoadedDetector,
    settings: &CountingSettings,
    lines: &[LineRow],
    scene: Scene,
    fps: Option<f64>,
    geometry: Geometry,
    mut progress: impl FnMut(u64),
) -> Result<RecordingCount, RecountError> {
    let mut watch = Watch::new(made, settings, 0)?;
    let judged = watch.set_lines(lines, &[], scene, false);
    if judged.countable_lines() == 0 {
        let notes: Vec<&str> = judged.notes.iter().map(|note| note.trim_end_matches('.')).collect();
        let why = if notes.is_empty() { String::new() } else { format!(": {}", notes.join("; ")) };
        return Err(RecountError::NoLine { scene, why });
    }
    let mut notes = judged.notes;
    notes.extend(watch.notes.iter().cloned());
    let lines: Vec<(u64, u64)> =
        lines.iter().filter(|line| watch.counts_line(line.id)).map(|line| (line.id, line.version)).collect();
    let mut looker = RecordingCounter {
        watch,
        reading: PictureReader::new()?,
        geometry: if item.source.ends_with(AS_SHOWN) { Geometry::default() } else { geometry },
        item,
        least_step_us: fps.map_or(0, |fps| (1e6 / fps) as u64),
        next_look_us: 0,
        spans: Vec::new(),
        crossings: Vec::new(),
        looks: 0,
        failed: (0, String::new()),
    };
    let mut done = 0;
    for chunk in reader.chunks(item.id)? {
        looker.chunk(reader, &chunk)?;
        done += u64::from(chunk.frames);
        progress(done);
    }
    let RecordingCounter { watch, spans, mut crossings, looks, failed, .. } = looker;
    // One damaged picture in a hundred is a damaged picture; more is an answer that nobody should believe.
    if failed.0 * 100 > looks {
        return Err(RecountError::MachineDiagnosis { times: failed.0, looks, reason: failed.1 });
    }
    if failed.0 > 0 {
        notes.push(format!("{} of {looks} pictures could not be looked at: {}.", failed.0, failed.1));
    }
    let spans: Vec<(u64, u64)> = spans.into_iter().filter(|(from, to)| from < to).collect();
    if spans.is_empty() {
        return Err(RecountError::TooSparse);
    }
    // A time between two pictures is within the span that both are in; nothing else can be said of it.
    crossings.retain(|found| spans.iter().any(|&(from, to)| (from..=to).contains(&found.time_us)));
    Ok(RecordingCount { crossings, spans, lines, model: watch.name.clone(), looks, notes })
}

/// What goes along a recording.
struct RecordingCounter<'a> {
    watch: Watch,
    reading: PictureReader,
    geometry: Geometry,
    item: &'a Item,
    /// Between two looks at least; 0: every picture is looked at.
    least_step_us: u64,
    /// Earlier pictures are passed over, since the recording's beginning.
    next_look_us: u64,
    /// Wall times.
    spans: Vec<(u64, u64)>,
    crossings: Vec<FoundAgain>,
    looks: u64,
    /// How many looks failed, and why the last of them did.
    failed: (u64, String),
}

impl RecordingCounter<'_> {
    fn chunk(&mut self, reader: &MediaReader, chunk: &ChunkRow) -> Result<(), RecountError> {
        let frames = reader.frames(self.item.id, chunk.number)?;
        let jpegs = reader.bytes(self.item.id, chunk.number, 0, chunk.bytes)?;
        for frame in &frames {
            let (from, to) = (frame.offset as usize, frame.offset as usize + frame.len as usize);
            match jpegs.get(from..to) {
                Some(_) => self.frame(frame, &jpegs.slice(from..to), (chunk.width, chunk.height))?,
                // What a damaged index names is no picture.
                None => self.failed = (self.failed.0 + 1, String::from("it is not in its chunk")),
            }
        }
        Ok(())
    }

    fn frame(
        &mut self,
        frame: &ChunkFrame,
        jpeg: &Bytes,
        (width, height): (u32, u32),
    ) -> Result<(), RecountError> {
        let at_us = self.item.at_us.saturating_add(frame.at_us);
        match self.spans.last_mut() {
            Some((_, last)) if at_us.saturating_sub(*last) <= LONGEST_STEP_US => *last = at_us.max(*last),
            _ => {
                if !self.spans.is_empty() {
                    self.watch.restart();
                }
                self.spans.push((at_us, at_us));
                self.next_look_us = frame.at_us;
            }
        }
        if frame.at_us < self.next_look_us {
            return Ok(());
        }
        // Evenly, however the pictures come.
        self.next_look_us =
            (self.next_look_us + self.least_step_us).max(frame.at_us.saturating_sub(self.least_step_us));
        self.looks += 1;
        let mut builder = PictureBuilder::with_capacity(jpeg.len());
        builder.push(jpeg);
        let stamp = ClockTime { monotonic_us: at_us, wall_us: at_us, wall_trusted: self.item.is_sure };
        let picture = builder.finish(width, height, stamp, frame.sequence, false);
        match self.watch.run_inference(&mut self.reading, &picture, None, &self.geometry) {
            Ok(seen) => self.crossings.extend(seen.crossed.into_iter().map(|crossed| FoundAgain {
                line: crossed.line,
                track: crossed.track,
                ordinal: crossed.ordinal,
                class: crossed.class,
                direction: crossed.direction,
                score: crossed.score,
                time_us: crossed.monotonic_us,
            })),
            // A detector that has panicked is not used again.
            Err(error) if error.is_detector_lost() => {
                let (times, looks) = (self.failed.0 + 1, self.looks);
                return Err(RecountError::MachineDiagnosis { times, looks, reason: error.to_string() });
            }
            Err(error) => self.failed = (self.failed.0 + 1, error.to_string()),
        }
        Ok(())
    }
}
