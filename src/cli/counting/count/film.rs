//! The film of `tallycam count --annotate`.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use super::{not_written, usage_error};
use crate::cli::Failure;
use crate::pipeline::clip::{ClipAnnotator, ClipCount, CountedFrame};
use tallycam_camera::encode::AviWriter;
use tallycam_vision::{CountingLine, Labels};

/// JPEG quality of the film, on libjpeg's scale.
const QUALITY: u8 = 85;

/// An annotated film that is being written.
pub struct AnnotatedFilm {
    out: FilmFile,
    annotator: ClipAnnotator,
    first_us: Option<u64>,
    last_us: u64,
    frames: u64,
}

enum FilmFile {
    Avi(AviWriter<BufWriter<File>>),
    /// One JPEG after another.
    Mjpeg(BufWriter<File>),
}

impl AnnotatedFilm {
    /// Starts a film at `path` with frames of this size. The file's ending selects AVI or a sequence of JPEGs.
    ///
    /// # Errors
    /// The ending is unknown, or the file cannot be written.
    pub fn new(
        path: &Path,
        lines: &[CountingLine],
        labels: Labels,
        size: (u32, u32),
    ) -> Result<AnnotatedFilm, Failure> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let is_avi = match ending.as_deref() {
            Some("avi") => true,
            Some("mjpeg" | "mjpg") => false,
            _ => {
                let message = format!("{} has an unknown film format", path.display());
                return Err(usage_error(
                    message,
                    Some(String::from("call it something.avi or something.mjpeg")),
                ));
            }
        };
        let open = || -> io::Result<AnnotatedFilm> {
            let annotator = ClipAnnotator::new(lines, labels, QUALITY)?;
            let file = BufWriter::new(File::create(path)?);
            let even = |edge: u32| edge.next_multiple_of(2);
            let out = if is_avi {
                FilmFile::Avi(AviWriter::new(file, even(size.0), even(size.1))?)
            } else {
                FilmFile::Mjpeg(file)
            };
            Ok(AnnotatedFilm { out, annotator, first_us: None, last_us: 0, frames: 0 })
        };
        Ok(open().map_err(not_written(path))?)
    }

    /// Adds the next frame.
    ///
    /// # Errors
    /// The frame cannot be drawn or written.
    pub fn push(&mut self, look: &CountedFrame<'_>) -> io::Result<()> {
        let picture = self.annotator.draw(look)?;
        self.first_us.get_or_insert(look.frame.time_us);
        self.last_us = look.frame.time_us;
        self.frames += 1;
        match &mut self.out {
            FilmFile::Avi(avi) => avi.push(&picture.jpeg()),
            FilmFile::Mjpeg(file) => file.write_all(&picture.jpeg()),
        }
    }

    /// Ends the film. An AVI has one frame rate: the mean of the clip's.
    ///
    /// # Errors
    /// The film cannot be written.
    pub fn finish(self, count: &ClipCount) -> io::Result<()> {
        let elapsed = self.last_us - self.first_us.unwrap_or(self.last_us);
        let steps = self.frames.saturating_sub(1);
        let step_us = elapsed.checked_div(steps).filter(|step| *step > 0).unwrap_or(100_000);
        debug_assert!(self.frames <= count.detections);
        match self.out {
            FilmFile::Avi(avi) => avi.finish(u32::try_from(step_us).unwrap_or(u32::MAX)).map(drop),
            FilmFile::Mjpeg(mut file) => file.flush(),
        }
    }
}
