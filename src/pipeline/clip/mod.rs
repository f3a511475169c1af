//! Counting in a clip: every frame, or every Nth, as fast as the machine can, with the clip's own times.
//!
//! ```text
//! [clip]  ffmpeg ► ClipReader ─ 4 frames ─► caller: reduce ► detector ► Counter ─► crossings
//!                      ▲─────── empty buffers ──────┘                └─► the caller's `see`
//! ```
//!
//! The thread `clip` decodes while the caller's thread looks. When four frames wait, decoding waits:
//! nothing is ever left out, so the same clip gives the same answer. The detector and the counter are those of live
//! counting, fed the same way.

mod annotate;

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::base::{ClockTime, Fault, Worker};
use crate::media::{Fourcc, Frame, SmallImage};
use crate::source::clip::{ClipFrame, ClipReader, no_pictures};
use crate::vision::{
    Aspect, Bounds, Counter, CounterOverlay, Crossing, Detector, NearMiss, Outcome, ReadPicture, RegionMode,
    RegionSchedule, region,
};

pub use annotate::ClipAnnotator;

/// Decoded frames that wait to be looked at.
const WAITING: usize = 4;

/// Counting in a clip came to an early end.
#[derive(Debug, thiserror::Error)]
pub enum ClipCountError {
    /// The clip cannot be read.
    #[error(transparent)]
    Clip(#[from] Fault),
    /// There is no thread to be had.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
    /// The detector could look at none of the frames.
    #[error("{0}")]
    Detector(String),
    /// The caller's `see` failed: what is drawn cannot be written.
    #[error("{0}")]
    Onlooker(std::io::Error),
}

/// A crossing, and where it is in the clip.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipCrossing {
    /// The crossing; its time is that of the clip.
    pub crossing: Crossing,
    /// The first frame (from 1) that is shown at or after that time.
    pub frame: u64,
}

/// A frame that was looked at.
#[derive(Debug)]
pub struct CountedFrame<'a> {
    pub frame: &'a ClipFrame,
    /// What is in it.
    pub overlay: &'a CounterOverlay,
    /// What was counted by it.
    pub crossings: &'a [ClipCrossing],
    /// Tracks that ended with it, and that may have crossed a line unseen.
    pub missed: &'a [NearMiss],
}

/// What came of a clip.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClipCount {
    /// Frames it has.
    pub frames: u64,
    /// Frames that were looked at.
    pub looks: u64,
    /// Of these, how many showed that nothing moved, and were not shown to the detector.
    pub saved: u64,
    /// When the last frame is shown, in microseconds.
    pub last_us: u64,
    /// What was counted, in the order of counting.
    pub crossings: Vec<ClipCrossing>,
    /// Why the clip is not whole; `None` if it is.
    pub broken_off: Option<String>,
    /// Frames whose size is another than that of the frame before: their numbers and sizes. What was followed
    /// is forgotten there; lines keep their fractions.
    pub resized: Vec<(u64, u32, u32)>,
    /// How many looks failed, and why the last of them did.
    pub failed: (u64, Option<String>),
    /// How often `ffmpeg` complained about damaged data, and its last words.
    pub complaints: (u64, Option<String>),
}

/// What the decoding thread sends last.
struct ClipEnd {
    broken_off: Option<String>,
    complaints: (u64, Option<String>),
}

enum ClipMessage {
    Frame(ClipFrame),
    End(ClipEnd),
    Failed(Fault),
}

/// A clip that is being decoded.
pub struct ClipRun {
    first: ClipFrame,
    /// How long the clip says it is.
    duration_us: Option<u64>,
    decoded: Receiver<ClipMessage>,
    empty: SyncSender<Vec<u8>>,
    /// Dropped after the channels, whose end ends it.
    _worker: Worker,
}

impl ClipRun {
    /// Begins to decode `file`, and waits for its first frame.
    ///
    /// # Errors
    /// See [`ClipCountError`].
    pub fn open(file: &Path) -> Result<ClipRun, ClipCountError> {
        let mut reader = ClipReader::open(file)?;
        let duration_us = reader.duration_us();
        let (send, decoded) = sync_channel(WAITING);
        // One place more than frames can be under way, so that giving a buffer back never waits.
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
                // Full: waits until a frame is taken. Nobody there any more: the clip is not wanted.
                if send.send(message).is_err() || !goes_on {
                    return;
                }
            }
        })
        .map_err(ClipCountError::Thread)?;
        match decoded.recv() {
            Ok(ClipMessage::Frame(first)) => {
                Ok(ClipRun { first, duration_us, decoded, empty, _worker: worker })
            }
            Ok(ClipMessage::Failed(error)) => Err(error.into()),
            // A reader without a frame fails; this is a thread that panicked.
            Ok(ClipMessage::End(_)) | Err(_) => Err(no_pictures(file).into()),
        }
    }

    /// Pixels in a row and rows of the first frame.
    pub fn size(&self) -> (u32, u32) {
        (self.first.width, self.first.height)
    }

    /// How long the clip says it is, in microseconds.
    pub fn duration_us(&self) -> Option<u64> {
        self.duration_us
    }

    /// Looks at the frames 1, 1 + `every`, 1 + 2 · `every` … (`every` ≥ 1), where `region` says, and shows each look to
    /// `see`.
    ///
    /// # Errors
    /// See [`ClipCountError`].
    pub fn count(
        self,
        detector: &mut dyn Detector,
        counter: &mut Counter,
        every: u64,
        region: RegionMode,
        mut see: impl FnMut(&CountedFrame<'_>) -> std::io::Result<()>,
    ) -> Result<ClipCount, ClipCountError> {
        // The worker is declared first, to be joined last: it waits for the channels to end.
        let ClipRun { _worker, first, duration_us: _, decoded, empty } = self;
        let mut size = (first.width, first.height);
        counter.set_aspect(Aspect::new(size.0, size.1));
        let mut count = ClipCount::default();
        // When each frame is shown: eight bytes a frame.
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
                    // After the first frame, what was counted is still worth something.
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
                count.looks += 1;
                let mut picture = ClipPicture { frame: &frame, image: &mut image, part: &mut part };
                let mut is_skipped = true;
                let detected =
                    regions.detect(&mut picture, detector, counter, |detector, image, _, found| {
                        is_skipped = false;
                        detector.detect(image, found).map_err(|error| error.to_string())
                    });
                count.saved += u64::from(is_skipped && detected.is_ok());
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
                        see(&counted).map_err(ClipCountError::Onlooker)?;
                    }
                    Err(reason) => count.failed = (count.failed.0 + 1, Some(reason)),
                }
            }
            // No room: there are buffers enough.
            let _ = empty.try_send(frame.planes);
        }
        match count.failed {
            (failed, Some(reason)) if failed == count.looks => Err(ClipCountError::Detector(reason)),
            _ => Ok(count),
        }
    }
}

/// A frame, and rooms for what is made of it.
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
        let least = region::picture_size(region, self.size(), least);
        self.image.reduce(&to_frame(self.frame), least).map_err(|error| error.to_string())?;
        if *region == Bounds::PICTURE {
            return Ok(self.image);
        }
        self.image.crop_into(region::geometry(region).visible_part(self.image.of), self.part);
        Ok(self.part)
    }
}

/// The frame as any source gives frames.
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
