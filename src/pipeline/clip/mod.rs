//! Counts crossings in a clip: every frame, or every Nth, at full speed, with the clip's own times.
//!
//! ```text
//! [clip]  ffmpeg ► ClipReader ─ 4 frames ─► caller: reduce ► detector ► Counter ─► crossings
//!                      ▲─────── empty buffers ──────┘                └─► the caller's `see`
//! ```
//!
//! The thread `clip` decodes while the caller's thread runs the detector. When four frames wait, decoding waits. No
//! frame is skipped, so the same clip always gives the same result. Detector and counter are those of live counting,
//! with the same input.

mod annotate;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tallycam_base::{ClockTime, Fault, Worker};
use tallycam_camera::media::{Fourcc, Frame, SmallImage};
use tallycam_camera::source::{ClipFrame, ClipReader, no_pictures};
use tallycam_vision::{
    Aspect, Bounds, Counter, CounterOverlay, Crossing, Detector, NearMiss, Outcome, ReadPicture, RegionMode,
    RegionSchedule, region_geometry, region_size,
};

pub use annotate::ClipAnnotator;

/// Maximum number of decoded frames that wait.
const WAITING: usize = 4;

/// A crossing and its frame in the clip.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipCrossing {
    /// The crossing; its time is the clip's own.
    pub crossing: Crossing,
    /// Number of the first frame (from 1) at or after that time.
    pub frame: u64,
}

/// A frame after detection.
#[derive(Debug)]
pub struct CountedFrame<'a> {
    pub frame: &'a ClipFrame,
    /// Its overlay.
    pub overlay: &'a CounterOverlay,
    /// Crossings counted at this frame.
    pub crossings: &'a [ClipCrossing],
    /// Tracks that ended at this frame and may have crossed without a count.
    pub missed: &'a [NearMiss],
}

/// Result of counting in a clip.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClipCount {
    /// Frames of the clip.
    pub frames: u64,
    /// Frames with a detection.
    pub detections: u64,
    /// Those of them that skipped the detector, because nothing moved.
    pub skipped: u64,
    /// Display time of the last frame, in microseconds.
    pub last_us: u64,
    /// Crossings in order of counting.
    pub crossings: Vec<ClipCrossing>,
    /// The reason why the clip is incomplete; `None` if it is complete.
    pub broken_off: Option<String>,
    /// Numbers and sizes of frames whose size differs from the frame before. Tracks end there; lines keep their
    /// fractions.
    pub resized: Vec<(u64, u32, u32)>,
    /// Number of failed detections, and the reason of the last one.
    pub failed: (u64, Option<String>),
    /// Number of `ffmpeg`'s messages on damaged data, and the last one.
    pub complaints: (u64, Option<String>),
}

struct ClipEnd {
    broken_off: Option<String>,
    complaints: (u64, Option<String>),
}

enum ClipMessage {
    Frame(ClipFrame),
    End(ClipEnd),
    Failed(Fault),
}

/// A clip being decoded.
pub struct ClipRun {
    first: ClipFrame,
    /// Duration according to the clip.
    duration_us: Option<u64>,
    decoded: Receiver<ClipMessage>,
    empty: SyncSender<Vec<u8>>,
    /// Dropped after the channels, whose end ends the thread.
    _worker: Worker,
}

impl ClipRun {
    /// Starts to decode `file` and waits for its first frame. `fps` replaces the file's own times.
    ///
    /// # Errors
    /// The clip cannot be read.
    pub fn open(file: &Path, fps: Option<f64>) -> Result<ClipRun, Fault> {
        let mut reader = ClipReader::open(file, fps)?;
        let duration_us = reader.duration_us();
        let (send, decoded) = sync_channel(WAITING);
        // One place more than frames can be in use, so that returning a buffer never blocks.
        let (empty, buffers) = sync_channel::<Vec<u8>>(WAITING + 2);
        let worker = Worker::spawn("clip", move |beat| {
            loop {
                beat.beat();
                let (message, goes_on) = match reader.next(buffers.try_recv().unwrap_or_default()) {
                    Ok(Some(frame)) => (ClipMessage::Frame(frame), true),
                    Ok(None) => {
                        let (times, last) = reader.complaints();
                        let complaints = (times, last.map(str::to_owned));
                        let broken_off = reader.incomplete_reason().map(str::to_owned);
                        (ClipMessage::End(ClipEnd { broken_off, complaints }), false)
                    }
                    Err(error) => (ClipMessage::Failed(error), false),
                };
                // Blocks while the channel is full. Fails if the receiver is gone, because nobody wants the clip.
                if send.send(message).is_err() || !goes_on {
                    return;
                }
            }
        })
        .map_err(|error| Fault::passing(format!("no thread could be started: {error}")))?;
        match decoded.recv() {
            Ok(ClipMessage::Frame(first)) => {
                Ok(ClipRun { first, duration_us, decoded, empty, _worker: worker })
            }
            Ok(ClipMessage::Failed(error)) => Err(error),
            // A reader without a frame fails, so this is a thread that panicked.
            Ok(ClipMessage::End(_)) | Err(_) => Err(no_pictures(file)),
        }
    }

    /// Width and height of the first frame in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.first.width, self.first.height)
    }

    /// Duration according to the clip, in microseconds.
    pub fn duration_us(&self) -> Option<u64> {
        self.duration_us
    }

    /// Runs the detector on the frames 1, 1 + `every`, 1 + 2 · `every` … (`every` ≥ 1) with the mode `region`, and
    /// passes each result to `see`.
    ///
    /// # Errors
    /// The detector failed on all frames, or `see` failed.
    pub fn count(
        self,
        detector: &mut dyn Detector,
        counter: &mut Counter,
        every: u64,
        region: RegionMode,
        mut see: impl FnMut(&CountedFrame<'_>) -> Result<(), Fault>,
    ) -> Result<ClipCount, Fault> {
        // The worker is declared first, to be joined last: it waits for the channels to end.
        let ClipRun { _worker, first, duration_us: _, decoded, empty } = self;
        let mut size = (first.width, first.height);
        counter.set_aspect(Aspect::new(size.0, size.1));
        let mut count = ClipCount::default();
        // Display time of each frame: eight bytes per frame.
        let mut times: Vec<u64> = Vec::new();
        let mut regions = RegionSchedule::new(region);
        let (mut image, mut part) = (SmallImage::empty(), SmallImage::empty());
        let mut next = Some(first);
        loop {
            let frame =
                match next.take().map_or_else(|| decoded.recv(), |first| Ok(ClipMessage::Frame(first))) {
                    Ok(ClipMessage::Frame(frame)) => frame,
                    Ok(ClipMessage::End(end)) => {
                        (count.broken_off, count.complaints) = (end.broken_off, end.complaints);
                        break;
                    }
                    // After the first frame the counts so far are still useful.
                    Ok(ClipMessage::Failed(error)) => {
                        count.broken_off = Some(error.to_string());
                        break;
                    }
                    Err(_) => {
                        count.broken_off = Some(String::from("decoding has ended without a reason"));
                        break;
                    }
                };
            count.frames = frame.number;
            count.last_us = frame.time_us;
            times.push(frame.time_us);
            if (frame.width, frame.height) != size {
                size = (frame.width, frame.height);
                count.resized.push((frame.number, size.0, size.1));
                counter.set_aspect(Aspect::new(size.0, size.1));
                counter.restart();
                detector.restart();
                regions.restart();
            }
            if (frame.number - 1).is_multiple_of(every.max(1)) {
                count.detections += 1;
                let mut picture = ClipPicture { frame: &frame, image: &mut image, part: &mut part };
                let mut is_skipped = true;
                let detected =
                    regions.detect(&mut picture, detector, counter, |detector, image, _, found| {
                        is_skipped = false;
                        detector.detect(image, found).map_err(|error| error.to_string())
                    });
                count.skipped += u64::from(is_skipped && detected.is_ok());
                match detected {
                    Ok(outcome) => {
                        let crossings = outcome.crossings.iter().copied().map(|crossing| {
                            let frame = times.partition_point(|&time| time < crossing.time_us) as u64 + 1;
                            ClipCrossing { crossing, frame }
                        });
                        let new = count.crossings.len();
                        count.crossings.extend(crossings);
                        let crossings = &count.crossings[new..];
                        let Outcome { overlay, missed, .. } = &outcome;
                        let counted = CountedFrame { frame: &frame, overlay, crossings, missed };
                        see(&counted)?;
                    }
                    Err(reason) => count.failed = (count.failed.0 + 1, Some(reason)),
                }
            }
            // If the channel is full, there are enough buffers.
            let _ = empty.try_send(frame.planes);
        }
        match count.failed {
            (failed, Some(reason)) if failed == count.detections => Err(Fault::wrong(reason)),
            _ => Ok(count),
        }
    }
}

/// A frame and buffers for its reduced images.
struct ClipPicture<'a> {
    frame: &'a ClipFrame,
    image: &'a mut SmallImage,
    part: &'a mut SmallImage,
}

impl ReadPicture for ClipPicture<'_> {
    type Error = String;

    fn size(&self) -> (u32, u32) {
        (self.frame.width, self.frame.height)
    }

    fn time_us(&self) -> u64 {
        self.frame.time_us
    }

    fn read(&mut self, region: &Bounds, least: (u32, u32)) -> Result<&SmallImage, String> {
        let least = region_size(region, self.size(), least);
        self.image.reduce(&to_frame(self.frame), least).map_err(|error| error.to_string())?;
        if *region == Bounds::PICTURE {
            return Ok(self.image);
        }
        self.image.crop_into(region_geometry(region).visible_part(self.image.of), self.part);
        Ok(self.part)
    }
}

fn to_frame(frame: &ClipFrame) -> Frame<'_> {
    Frame {
        fourcc: Fourcc::YU12,
        width: frame.width,
        height: frame.height,
        stride: frame.width,
        data: &frame.planes,
        second: None,
        stamp: ClockTime { monotonic_us: frame.time_us, wall_us: 0, wall_trusted: false },
        sequence: frame.number,
    }
}
