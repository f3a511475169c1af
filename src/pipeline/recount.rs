//! Counts crossings in a stored recording, with its own pictures and times, like the live service.
//!
//! ```text
//! MediaReader ─ chunk by chunk ─► caller: reduce ► detector ► Counter ─► crossings with times
//! ```
//!
//! It uses the `Watch` of live counting on the same bytes. It analyses every picture, or the requested number per
//! second, so the same recording, lines and model always give the same result. Across a gap longer than
//! [`LONGEST_STEP_US`] no object can be tracked: all tracks end there, and the gap is not part of the counted spans.
//! Runs on the caller's thread with one chunk in memory.

use bytes::Bytes;

use super::counting::inference::{PictureReader, Watch};
use super::counting::{CountingSettings, LoadedDetector};
use tallycam_base::{ClockTime, Fault};
use tallycam_camera::media::{Geometry, PictureBuilder};
use tallycam_store::media::{ChunkFrame, ChunkRow, Item, MediaError, MediaReader};
use tallycam_store::{FoundAgain, LineRow, Scene};
use tallycam_vision::Trial;

/// Maximum distance of consecutive pictures. Across a longer gap no object can be tracked.
pub const LONGEST_STEP_US: u64 = 1_000_000;

/// A recording could not be recounted.
#[derive(Debug, thiserror::Error)]
pub enum RecountError {
    /// The recording cannot be read.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// No line of the recording's scene counts.
    #[error("no line counts in the scene {:?}{why}", .scene.as_str())]
    NoLine {
        /// The scene.
        scene: Scene,
        /// The reason why its lines do not count; empty if there are none.
        why: String,
    },
    /// The detector knows none of the wanted classes, or the pictures do not allow counting.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The fault of a recording in which too many pictures could not be analysed.
fn too_many_failed(times: u64, detections: u64, reason: &str) -> RecountError {
    Fault::wrong(format!("{times} of {detections} pictures could not be looked at: {reason}")).into()
}

/// Result of recounting a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingCount {
    /// Crossings in order of counting; times are wall times in microseconds.
    pub crossings: Vec<FoundAgain>,
    /// Spans without gaps: wall time in microseconds, both ends included.
    pub spans: Vec<(u64, u64)>,
    /// The counted lines with their versions.
    pub lines: Vec<(u64, u64)>,
    /// The model's name.
    pub model: String,
    /// Number of analysed pictures.
    pub detections: u64,
    /// Deviations from the request, in sentences.
    pub notes: Vec<String>,
    /// The kept detections.
    pub trial: Option<Trial>,
}

/// What to count.
pub struct RecountPlan<'a> {
    /// The settings of counting.
    pub settings: &'a CountingSettings,
    /// The lines of all scenes.
    pub lines: &'a [LineRow],
    /// The scene whose lines count.
    pub scene: Scene,
    /// Maximum detections per second; `None` for every picture.
    pub fps: Option<f64>,
    /// Applied to a recording of originals; a recording of shown pictures is used as it is.
    pub geometry: Geometry,
    /// Only chunks of this time are read; wall time in microseconds.
    pub within_us: (u64, u64),
    /// The line for which the detections are kept.
    pub tried: Option<u64>,
}

/// Counts crossings in a recording. `progress` gets the number of finished pictures and of all after each chunk.
///
/// # Errors
/// [`RecountError`].
pub fn count_recording(
    reader: &MediaReader,
    item: &Item,
    made: LoadedDetector,
    plan: &RecountPlan<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<RecordingCount, RecountError> {
    let &RecountPlan { settings, lines, scene, fps, geometry, within_us, tried } = plan;
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
        reading: PictureReader::new().map_err(Fault::from)?,
        geometry: if item.is_as_shown() { Geometry::default() } else { geometry },
        item,
        least_step_us: fps.map_or(0, |fps| (1e6 / fps) as u64),
        next_look_us: 0,
        spans: Vec::new(),
        crossings: Vec::new(),
        detections: 0,
        failed: (0, String::new()),
    };
    if tried.is_some() {
        looker.watch.keep_detections();
    }
    let mut chunks = reader.chunks(item.id)?;
    let at_us = |us| item.at_us.saturating_add(us);
    chunks.retain(|chunk| at_us(chunk.to_us) >= within_us.0 && at_us(chunk.from_us) <= within_us.1);
    let all = chunks.iter().map(|chunk| u64::from(chunk.frames)).sum();
    let mut done = 0;
    for chunk in chunks {
        looker.chunk(reader, &chunk)?;
        done += u64::from(chunk.frames);
        progress(done, all);
    }
    let RecordingCounter { watch, spans, mut crossings, detections, failed, .. } = looker;
    // A few damaged pictures are normal. More than one in a hundred make the result unreliable.
    if failed.0 * 100 > detections {
        return Err(too_many_failed(failed.0, detections, &failed.1));
    }
    if failed.0 > 0 {
        notes.push(format!("{} of {detections} pictures could not be looked at: {}.", failed.0, failed.1));
    }
    let spans: Vec<(u64, u64)> = spans.into_iter().filter(|(from, to)| from < to).collect();
    if spans.is_empty() {
        let what = "its pictures are more than a second apart: nobody can be followed from one to the next";
        let hint = "a time-lapse cannot be counted; record with a higher frame rate";
        return Err(Fault::wrong(what).hint(hint).into());
    }
    // A crossing between two pictures must be in the span of both; nothing else is known about its time.
    crossings.retain(|found| spans.iter().any(|&(from, to)| (from..=to).contains(&found.time_us)));
    let model = watch.name.clone();
    let trial = tried.and_then(|line| watch.into_trial(line));
    Ok(RecordingCount { crossings, spans, lines, model, detections, notes, trial })
}

/// State of a pass through a recording.
struct RecordingCounter<'a> {
    watch: Watch,
    reading: PictureReader,
    geometry: Geometry,
    item: &'a Item,
    /// Minimum time between two analysed pictures; 0 for every picture.
    least_step_us: u64,
    /// Time from the start of the recording before which pictures are skipped.
    next_look_us: u64,
    /// Wall times.
    spans: Vec<(u64, u64)>,
    crossings: Vec<FoundAgain>,
    detections: u64,
    /// Number of failures and the reason of the last one.
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
                // A damaged index may point outside its chunk.
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
        // Evenly spaced, even if the pictures are not.
        self.next_look_us =
            (self.next_look_us + self.least_step_us).max(frame.at_us.saturating_sub(self.least_step_us));
        self.detections += 1;
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
            // A detector that has panicked must not be used again.
            Err(error) if self.watch.has_panicked => {
                return Err(too_many_failed(self.failed.0 + 1, self.detections, &error.what));
            }
            Err(error) => self.failed = (self.failed.0 + 1, error.to_string()),
        }
        Ok(())
    }
}
