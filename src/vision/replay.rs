//! Recorded detections instead of a detector: to see how tracker and lines do on a recording, and to
//! show others exactly what happened.
//!
//! A recording is CSV with the columns frame (the first is 1), class, score, x1, y1, x2, y2 (pixels
//! of the clip), with or without a line of their names. It is played along with the pictures' own
//! numbers: the first picture is frame 1, and behind the last frame it begins again.

use std::collections::BTreeMap;
use std::ops::Range;

use super::CounterOptions;
use super::detection::{Class, Detection};
use super::detector::{DetectError, Detector};
use super::geometry::Bounds;
use super::labels::Labels;
use crate::media::SmallImage;

/// Frames that a recording may have: more than a day of 30 a second.
const MOST_FRAMES: u64 = 3_000_000;
/// Classes that a recording may have.
const MOST_CLASSES: usize = 1000;

/// Why a text is no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A line is none of it.
    #[error("line {line} of the recorded detections {fault}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// It holds no detection.
    #[error("there are no recorded detections in it")]
    Empty,
}

/// Plays recorded detections. See the module.
#[derive(Debug)]
pub struct Replay {
    labels: Labels,
    /// In order of frames; places in pixels of the clip.
    detections: Vec<Detection>,
    /// Where in them a frame's are.
    frames: BTreeMap<u64, Range<usize>>,
    last: u64,
}

impl Replay {
    /// The recording `text`.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn parse(text: &str) -> Result<Replay, ReplayError> {
        let mut names: Vec<&str> = Vec::new();
        let mut rows: Vec<(u64, Detection)> = Vec::new();
        for (at, row) in text.lines().enumerate() {
            let row = row.trim();
            if row.is_empty() || (at == 0 && row.starts_with("frame")) {
                continue;
            }
            let wrong = |fault| ReplayError::Line { line: at + 1, fault };
            let fields: Vec<&str> = row.split(',').map(str::trim).collect();
            let [frame, class, numbers @ ..] = &fields[..] else {
                return Err(wrong("has not the seven columns frame, class, score, x1, y1, x2, y2"));
            };
            let [score, x1, y1, x2, y2] = numbers else {
                return Err(wrong("has not the seven columns frame, class, score, x1, y1, x2, y2"));
            };
            let frame = frame.parse().ok().filter(|frame| (1..=MOST_FRAMES).contains(frame));
            let frame = frame.ok_or_else(|| wrong("begins with no number of a frame (the first is 1)"))?;
            let number = |text: &str| {
                text.parse::<f32>()
                    .ok()
                    .filter(|n| n.is_finite())
                    .ok_or_else(|| wrong("has a number that is none"))
            };
            let place = names.iter().position(|name| name == class).unwrap_or_else(|| {
                names.push(class);
                names.len() - 1
            });
            if place >= MOST_CLASSES {
                return Err(wrong("has one class too many"));
            }
            let bounds = Bounds::new(number(x1)?, number(y1)?, number(x2)?, number(y2)?);
            rows.push((frame, Detection { class: Class(place as u16), score: number(score)?, bounds }));
        }
        // Stable: within a frame the order is the file's.
        rows.sort_by_key(|row| row.0);
        let last = rows.last().ok_or(ReplayError::Empty)?.0;
        let mut frames: BTreeMap<u64, Range<usize>> = BTreeMap::new();
        for (at, (frame, _)) in rows.iter().enumerate() {
            frames.entry(*frame).or_insert(at..at).end = at + 1;
        }
        let detections = rows.into_iter().map(|row| row.1).collect();
        Ok(Replay { labels: Labels::new(names), detections, frames, last })
    }

    /// Frames from the first to the last in which something was seen.
    pub fn frames(&self) -> u64 {
        self.last
    }
}

impl Detector for Replay {
    fn name(&self) -> &str {
        "replay"
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The picture itself is not looked at: the smallest will do.
    fn least_size(&self, _width: u32, _height: u32) -> (u32, u32) {
        (1, 1)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), DetectError> {
        found.clear();
        // Sources number their frames from 1 (0 would be a frame before the first).
        let frame = image.sequence.saturating_sub(1) % self.last + 1;
        let (width, height) = (image.of.0.max(1) as f32, image.of.1.max(1) as f32);
        let seen = self.frames.get(&frame).cloned().unwrap_or_default();
        found.extend(self.detections[seen].iter().map(|detection| {
            let b = &detection.bounds;
            let bounds = Bounds::new(b.left / width, b.top / height, b.right / width, b.bottom / height);
            Detection { bounds, ..*detection }
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(replay: &mut Replay, sequence: u64) -> Vec<Detection> {
        let image = SmallImage { of: (200, 100), sequence, ..SmallImage::empty() };
        let mut found = vec![Detection { class: Class(9), score: 0.1, bounds: Bounds::PICTURE }];
        replay.detect(&image, &mut found).unwrap();
        found
    }

    #[test]
    fn frames_are_played_by_the_pictures_numbers_and_again() {
        let text = "frame,class,score,x1,y1,x2,y2\n3,car,0.5,0,0,20,10\n1,person,0.9,20,10,40,50\n";
        let mut replay = Replay::parse(text).unwrap();
        assert_eq!(replay.labels().names(), ["car", "person"]);
        assert_eq!(replay.frames(), 3);
        let person = Detection { class: Class(1), score: 0.9, bounds: Bounds::new(0.1, 0.1, 0.2, 0.5) };
        assert_eq!(seen(&mut replay, 1), [person]);
        assert_eq!(seen(&mut replay, 2), []);
        assert_eq!(seen(&mut replay, 3)[0].class, Class(0));
        assert_eq!(seen(&mut replay, 4), [person], "and begins again");
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        let line = |text: &str| match Replay::parse(text) {
            Err(ReplayError::Line { line, .. }) => line,
            other => panic!("{other:?}"),
        };
        assert_eq!(line("frame,class\n1,person,0.9,1,2,3"), 2);
        assert_eq!(line("0,person,0.9,1,2,3,4"), 1);
        assert_eq!(line("1,person,0.9,1,2,3,4\n\n2,person,NaN,1,2,3,4"), 3);
        assert_eq!(line("1,person,0.9,1,2,x,4"), 1);
        assert_eq!(line("12345678901234,person,0.9,1,2,3,4"), 1);
        assert_eq!(Replay::parse("frame,class,score\n").err(), Some(ReplayError::Empty));
        assert_eq!(Replay::parse("").err(), Some(ReplayError::Empty));
    }
}
