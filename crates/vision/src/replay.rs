//! Replays recorded detections: the same ones for the same frames, regardless of the images.
//!
//! This compares trackers and lines on the same detections, and repeats a count without a network. A recording is
//! text, one detection a line: `frame,class,score,x1,y1,x2,y2`, with frames counted from 1 and corners in pixels of
//! the clip. A header line may come first. Pure: the caller reads the file and passes its text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::CounterOptions;
use super::detection::{Class, Detection};
use super::detector::Detector;
use super::geometry::Bounds;
use super::labels::Labels;
use tallycam_base::Fault;
use tallycam_camera::media::SmallImage;

/// Maximum number of detections in a recording: some 300 MB of text.
pub(crate) const MOST_DETECTIONS: usize = 10_000_000;

/// A parsed recording.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedDetections {
    labels: Labels,
    /// By frame; corners in pixels.
    detections: Vec<Detection>,
    frames: BTreeMap<u64, Range<usize>>,
}

impl RecordedDetections {
    /// Parses a recording. Lines may end in CR LF; empty lines are skipped. Classes are numbered in order of
    /// appearance.
    ///
    /// # Errors
    /// Each names the line.
    pub fn read(text: &str) -> Result<RecordedDetections, Fault> {
        let mut names: Vec<&str> = Vec::new();
        let mut rows: Vec<(u64, Detection)> = Vec::new();
        let mut is_first = true;
        for (index, row) in text.lines().enumerate() {
            let row = row.trim().trim_start_matches('\u{feff}');
            if row.is_empty() {
                continue;
            }
            let heads = std::mem::take(&mut is_first) && row.starts_with("frame,");
            if heads {
                continue;
            }
            if rows.len() == MOST_DETECTIONS {
                return Err(too_long());
            }
            rows.push(read_row(index + 1, row, &mut names)?);
        }
        let Some(_) = rows.first() else { return Err(Fault::wrong("the recording holds no detection")) };
        // Stable: the detections of a frame stay in the file's order.
        rows.sort_by_key(|(frame, _)| *frame);
        let mut frames: BTreeMap<u64, Range<usize>> = BTreeMap::new();
        for (at, (frame, _)) in rows.iter().enumerate() {
            frames.entry(*frame).or_insert(at..at).end = at + 1;
        }
        let detections = rows.into_iter().map(|(_, detection)| detection).collect();
        Ok(RecordedDetections { labels: Labels::new(names), detections, frames })
    }

    /// The last frame with a detection; the first of a clip is 1.
    pub fn last_frame(&self) -> u64 {
        self.frames.last_key_value().map_or(0, |(frame, _)| *frame)
    }

    /// The detections of a frame, corners in pixels of the clip.
    pub fn detections_in(&self, frame: u64) -> &[Detection] {
        self.frames.get(&frame).map_or(&[], |range| &self.detections[range.clone()])
    }
}

/// Parses one line into frame and detection.
fn read_row<'a>(line: usize, row: &'a str, names: &mut Vec<&'a str>) -> Result<(u64, Detection), Fault> {
    let words: Vec<&str> = row.split(',').map(str::trim).collect();
    let [frame, class, score, x1, y1, x2, y2] = words[..] else {
        let found = words.len();
        let what = format!("line {line} has {found} columns, not the 7 of frame,class,score,x1,y1,x2,y2");
        return Err(Fault::wrong(what));
    };
    let wrong = |column: &str, word: &str, wanted: &str| {
        Fault::wrong(format!("line {line}: {word:?} is no {column} ({wanted})"))
    };
    let number = frame.parse().ok().filter(|n| *n > 0);
    let number = number.ok_or_else(|| wrong("frame", frame, "a whole number from 1 on"))?;
    let real = |word: &str| word.parse::<f32>().ok().filter(|n| n.is_finite());
    let score = real(score)
        .filter(|s| (0.0..=1.0).contains(s))
        .ok_or_else(|| wrong("score", score, "a number from 0 to 1"))?;
    let corner = |column, word| {
        let sane = real(word).filter(|n| n.abs() <= 1e6);
        sane.ok_or_else(|| wrong(column, word, "a number of pixels"))
    };
    let bounds = Bounds::new(corner("x1", x1)?, corner("y1", y1)?, corner("x2", x2)?, corner("y2", y2)?);
    if bounds.right <= bounds.left || bounds.bottom <= bounds.top {
        let what = format!("line {line}: the corner x1, y1 must be left of and above x2, y2");
        return Err(Fault::wrong(what));
    }
    if class.is_empty() {
        return Err(Fault::wrong(format!("line {line} has no class")));
    }
    let known = names.iter().position(|name| *name == class);
    let class = known.unwrap_or_else(|| {
        names.push(class);
        names.len() - 1
    });
    let class = u16::try_from(class).map_err(|_| too_long())?;
    Ok((number, Detection { class: Class(class), score, bounds }))
}

fn too_long() -> Fault {
    Fault::wrong(format!("the recording holds more than {MOST_DETECTIONS} detections; cut it into parts"))
}

/// Maps frames of the source to frames of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The source's number of the recording's frame 1: 1 for a clip, whose first frame is 1; 0 for the simulation.
    /// Earlier frames have no detections.
    pub first: u64,
    /// Length in frames of a loop, after which the recording starts again; 0 for none.
    pub every: u64,
}

impl Default for ReplayOptions {
    fn default() -> ReplayOptions {
        ReplayOptions { first: 1, every: 0 }
    }
}

impl ReplayOptions {
    /// The recording's frame, from 1 on, for this number of the source.
    fn frame(&self, sequence: u64) -> Option<u64> {
        let since = sequence.checked_sub(self.first)?;
        Some(if self.every > 0 { since % self.every + 1 } else { since + 1 })
    }
}

/// A detector that returns the recorded detections.
#[derive(Debug, Clone)]
pub struct ReplayDetector {
    name: String,
    recording: RecordedDetections,
    options: ReplayOptions,
}

impl ReplayDetector {
    /// A detector called `name` (the file's) that replays `recording`.
    pub fn new(
        name: impl Into<String>,
        recording: RecordedDetections,
        options: ReplayOptions,
    ) -> ReplayDetector {
        ReplayDetector { name: name.into(), recording, options }
    }
}

impl Detector for ReplayDetector {
    fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> &Labels {
        &self.recording.labels
    }

    /// It does not use the image: any size is enough.
    fn least_size(&self, _width: u32, _height: u32) -> (u32, u32) {
        (1, 1)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        let Some(frame) = self.options.frame(image.sequence) else { return Ok(()) };
        let (width, height) = (image.of.0 as f32, image.of.1 as f32);
        found.extend(self.recording.detections_in(frame).iter().map(|detection| {
            let b = detection.bounds;
            let bounds = Bounds::new(b.left / width, b.top / height, b.right / width, b.bottom / height);
            Detection { bounds, ..*detection }
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "frame,class,score,x1,y1,x2,y2\r\n\
        3,person,0.9,100,50,200,150\r\n\
        \r\n\
        1,car,0.5,0,0,50,25\n\
        3,car,0.25,-10,0,50.5,25\n";

    fn image(sequence: u64) -> SmallImage {
        SmallImage { sequence, of: (400, 200), ..SmallImage::empty() }
    }

    fn seen(detector: &mut ReplayDetector, sequence: u64) -> Vec<Detection> {
        let mut found = vec![Detection { class: Class(9), score: 1.0, bounds: Bounds::PICTURE }];
        detector.detect(&image(sequence), &mut found).unwrap();
        found
    }

    #[test]
    fn a_frame_shows_what_was_recorded_of_it_in_fractions() {
        let recording = RecordedDetections::read(TEXT).unwrap();
        assert_eq!(recording.last_frame(), 3);
        let mut detector = ReplayDetector::new("clip.csv", recording, ReplayOptions::default());
        assert_eq!(detector.labels().names(), ["person", "car"]);
        assert_eq!(detector.name(), "clip.csv");
        assert!(seen(&mut detector, 0).is_empty() && seen(&mut detector, 2).is_empty());
        let three = seen(&mut detector, 3);
        assert_eq!(three.len(), 2);
        assert_eq!((three[0].class, three[0].score), (Class(0), 0.9));
        assert_eq!(three[0].bounds, Bounds::new(0.25, 0.25, 0.5, 0.75));
        assert_eq!((three[1].class, three[1].bounds.left), (Class(1), -0.025));
        assert_eq!(seen(&mut detector, 1)[0].class, Class(1));
        assert!(seen(&mut detector, 4).is_empty());
    }

    #[test]
    fn frames_can_begin_anywhere_and_loop() {
        let recording = RecordedDetections::read(TEXT).unwrap();
        let options = ReplayOptions { first: 10, every: 5 };
        let mut detector = ReplayDetector::new("clip", recording, options);
        let many: Vec<usize> = (8..20).map(|sequence| seen(&mut detector, sequence).len()).collect();
        assert_eq!(many, [0, 0, 1, 0, 2, 0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn an_error_names_its_line() {
        for (row, words) in [
            ("1,person,0.9,1,2,3", "line 2 has 6 columns"),
            ("1,person,0.9,1,2,3,4,5", "line 2 has 8 columns"),
            ("0,person,0.9,1,2,3,4", "line 2: \"0\" is no frame"),
            ("-1,person,0.9,1,2,3,4", "line 2: \"-1\" is no frame"),
            ("1,person,1.5,1,2,3,4", "line 2: \"1.5\" is no score (a number from 0 to 1)"),
            ("1,person,NaN,1,2,3,4", "line 2: \"NaN\" is no score"),
            ("1,person,0.9,one,2,3,4", "line 2: \"one\" is no x1"),
            ("1,person,0.9,1,2,inf,4", "line 2: \"inf\" is no x2"),
            ("1,person,0.9,1,2,3,1e9", "line 2: \"1e9\" is no y2"),
            ("1,person,0.9,3,2,1,4", "line 2: the corner x1, y1 must be left of"),
            ("1,person,0.9,1,4,3,4", "line 2: the corner x1, y1 must be left of"),
            ("1,,0.9,1,2,3,4", "line 2 has no class"),
            ("frame,class,score,x1,y1,x2,y2", "line 2: \"frame\" is no frame"),
        ] {
            let text = format!("1,person,0.9,1,2,3,4\n{row}\n");
            let error = RecordedDetections::read(&text).unwrap_err();
            assert!(error.to_string().starts_with(words), "{row}: {error}");
        }
        assert_eq!(RecordedDetections::read("\n\n"), Err(Fault::wrong("the recording holds no detection")));
        assert_eq!(
            RecordedDetections::read("frame,class,score,x1,y1,x2,y2\n"),
            Err(Fault::wrong("the recording holds no detection"))
        );
    }
}
