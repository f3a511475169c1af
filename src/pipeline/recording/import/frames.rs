//! The pictures of a file in order, for every kind of file.

use std::fs::File;
use std::io;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::{ImportError, RUN};
use tallycam_base::private;
use tallycam_camera::media::film::FilmStart;
use tallycam_camera::source::AviReader;
use tallycam_camera::source::Mp4Reader;
use tallycam_camera::source::multipart::{MAX_PICTURE, MultipartReader, PartError, Step};

pub(super) struct ReadFrame<'a> {
    /// JPEG bytes; empty to show the previous picture for longer.
    pub(super) jpeg: &'a [u8],
    /// Capture time in microseconds since 1970, if the file has it.
    pub(super) told_us: Option<u64>,
    /// Start and end of its display in microseconds from the start of the clip, if the file has times.
    pub(super) shown_us: Option<(u64, u64)>,
}

pub(super) trait Frames {
    fn next(&mut self) -> Result<Option<ReadFrame<'_>>, ImportError>;

    /// Start of the clip, if the file has it apart from its pictures.
    fn began(&self) -> Option<FilmStart> {
        None
    }

    /// Number of invalid pictures.
    fn skipped_count(&self) -> u64;
}

pub(super) struct AviFrames<R: Read + Seek> {
    pub(super) reader: AviReader<R>,
    pub(super) jpeg: Vec<u8>,
}

impl<R: Read + Seek> Frames for AviFrames<R> {
    fn next(&mut self) -> Result<Option<ReadFrame<'_>>, ImportError> {
        let is_there = self.reader.next(&mut self.jpeg)?;
        Ok(is_there.then_some(ReadFrame { jpeg: &self.jpeg, told_us: None, shown_us: None }))
    }

    fn began(&self) -> Option<FilmStart> {
        self.reader.began()
    }

    fn skipped_count(&self) -> u64 {
        0
    }
}

pub(super) struct Mp4Frames<R> {
    pub(super) reader: Mp4Reader<R>,
    pub(super) jpeg: Vec<u8>,
}

impl<R: Read> Frames for Mp4Frames<R> {
    fn next(&mut self) -> Result<Option<ReadFrame<'_>>, ImportError> {
        let shown_us = self.reader.next(&mut self.jpeg).map_err(ImportError::unfit("film"))?;
        Ok(shown_us.map(|_| ReadFrame { jpeg: &self.jpeg, told_us: None, shown_us }))
    }

    fn began(&self) -> Option<FilmStart> {
        self.reader.began()
    }

    fn skipped_count(&self) -> u64 {
        0
    }
}

/// An unnamed file on the disk of the store, which disappears when it is closed.
pub(super) fn create_spool(store: &Path) -> Result<File, ImportError> {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private::unnamed(folder).map_err(ImportError::Spool)
}

/// Concatenated pictures.
pub(super) struct ImportedPictures<R> {
    input: R,
    reader: MultipartReader,
    /// A picture that was put back and comes next.
    put_back: Option<(Vec<u8>, Option<u64>)>,
    /// A peeked picture that comes after that.
    ahead: Option<(Vec<u8>, Option<u64>)>,
    current: Vec<u8>,
    left_out: u64,
    pub(super) is_too_big: bool,
}

impl<R: Read> ImportedPictures<R> {
    pub(super) fn jpegs(input: R) -> ImportedPictures<R> {
        ImportedPictures {
            input,
            reader: MultipartReader::new(MAX_PICTURE),
            put_back: None,
            ahead: None,
            current: Vec::new(),
            left_out: 0,
            is_too_big: false,
        }
    }

    /// Reads the next picture. Returns its range in the reader's buffer.
    pub(super) fn read(&mut self) -> io::Result<Option<std::ops::Range<usize>>> {
        loop {
            match self.reader.next_step() {
                Step::Picture(range) => return Ok(Some(range)),
                Step::Broken(_, error) => {
                    self.left_out += 1;
                    self.is_too_big |= matches!(error, PartError::TooBig { .. });
                }
                Step::Noise => {}
                Step::More => match self.input.read(&mut self.reader.read_buffer(RUN)[..RUN]) {
                    Ok(0) => return Ok(None),
                    Ok(len) => self.reader.fill(len),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Checks if another picture follows, and keeps it.
    pub(super) fn peek_next(&mut self) -> io::Result<Option<()>> {
        let Some(range) = self.read()? else { return Ok(None) };
        self.ahead = Some((self.reader.bytes(range).to_vec(), self.reader.captured_us()));
        Ok(Some(()))
    }

    pub(super) fn unread(&mut self, jpeg: Vec<u8>, told_us: Option<u64>) {
        self.put_back = Some((jpeg, told_us));
    }
}

impl<R: Read> Frames for ImportedPictures<R> {
    fn next(&mut self) -> Result<Option<ReadFrame<'_>>, ImportError> {
        if let Some((jpeg, told_us)) = self.put_back.take().or_else(|| self.ahead.take()) {
            self.current = jpeg;
            return Ok(Some(ReadFrame { jpeg: &self.current, told_us, shown_us: None }));
        }
        self.current = Vec::new();
        let Some(range) = self.read()? else { return Ok(None) };
        let told_us = self.reader.captured_us();
        Ok(Some(ReadFrame { jpeg: self.reader.bytes(range), told_us, shown_us: None }))
    }

    fn skipped_count(&self) -> u64 {
        self.left_out
    }
}

/// Skips by reading: adapts a forward-only input to a reader that seeks.
pub(super) struct Forward<R> {
    input: R,
    at: u64,
}

impl<R: Read> Forward<R> {
    pub(super) fn new(input: R) -> Forward<R> {
        Forward { input, at: 0 }
    }
}

impl<R: Read> Read for Forward<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(into)?;
        self.at += len as u64;
        Ok(len)
    }
}

impl<R: Read> Seek for Forward<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let ahead = match to {
            SeekFrom::Current(by) => u64::try_from(by).ok(),
            SeekFrom::Start(place) => place.checked_sub(self.at),
            SeekFrom::End(_) => None,
        };
        let ahead = ahead.ok_or(io::ErrorKind::Unsupported)?;
        // A position beyond the end acts as the end.
        self.at += io::copy(&mut self.input.by_ref().take(ahead), &mut io::sink())?;
        Ok(self.at)
    }
}
