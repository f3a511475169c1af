//! Files become items: a JPEG a snapshot; an MJPEG file (pictures one behind another, or a multipart stream that
//! was saved) or an AVI, MP4 or MOV with MJPEG video a recording. Nothing is decoded: every picture keeps its bytes,
//! but for the tables that the AVI convention leaves out. An MP4 or MOV keeps its times and its date.
//!
//! A file is read from its beginning to its end, once, and need not be a file: one picture and the chunk under way
//! are in memory, and chunks are handed to the store as it takes them. An MP4 whose index comes last is set aside in a
//! nameless file beside the store until the index is there. Who reads it may block and wait. What cannot
//! be read to its end, for the disk or the network failed, leaves nothing behind; a file that was itself cut off is
//! taken as far as it goes.

mod frames;

use std::future::Future;
use std::io::{self, Cursor, Read};

use jiff::tz::TimeZone;

use crate::base::{ClockTime, block_on, clock};
use crate::media::jpeg::{self, Jpeg, JpegError, STANDARD_HUFFMAN_TABLES};
use crate::source::avi::{AviError, AviReader};
use crate::source::mp4::{Mp4Error, Mp4Reader};
use crate::source::multipart::MAX_PICTURE;
use crate::store::media::{
    Chunk, ChunkFrame, Ended, Item, Media, MediaError, MediaOrigin, NewRecording, NewSnapshot, ParsedDate,
    RecordingHandle, parse_date,
};
use frames::{AviFrames, Forward, Frames, ImportedPictures, Mp4Frames, create_spool};

const DAY_US: u64 = 86_400_000_000;

/// The pace of a clip that does not tell its own: 30 a second, as where such a file is played.
const USUAL_STEP_US: u64 = 33_333;

/// More time than this from one picture to the next, in microseconds, is none: the clock was set, as that of a machine
/// that begins in 1970 is.
const LONGEST_STEP_US: u64 = 86_400_000_000;

/// Length of a chunk, microseconds.
const CHUNK_US: u64 = 1_000_000;

/// A chunk ends at so many bytes.
const CHUNK_BYTES: usize = 2 << 20;

/// What is looked at to tell what a file is.
const HEAD: usize = 4096;

/// Bytes asked for in one read.
const RUN: usize = 64 << 10;

/// What is known of a file beside its bytes.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// The item's name; `None`: made of its date and time.
    pub name: Option<String>,
    /// Whether a taken name gets a number; else the file is refused.
    pub may_rename: bool,
    /// Its date as given: `2026-11-20`, with `T14:53` or `T14:53:07` a time, too, with `Z` or `+05:00` one of another
    /// zone; or any text.
    pub date: Option<String>,
    pub note: String,
    /// When its first picture was taken; `None`: as the date or the file itself says.
    pub stamp: Option<ClockTime>,
    /// When the file was written, microseconds since 1970: its time where nothing says another one, and no sure one.
    /// `None`: now.
    pub modified_us: Option<u64>,
    /// Pictures a second of a clip; `None`: as it says itself, else 30.
    pub fps: Option<f64>,
    /// Where it comes from, in words.
    pub source: String,
    /// The time zone of the date.
    pub zone: TimeZone,
}

/// A file that has become an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub item: Item,
    /// Pictures in the file that were none and were left out.
    pub left_out: u64,
}

/// A file could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("it could not be read: {0}")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("this is {0}; a JPEG, an MJPEG file, or an AVI, MP4 or MOV with MJPEG video can be taken")]
    Kind(&'static str),
    /// The AVI is none, or its video is not MJPEG.
    #[error("this AVI cannot be taken: {0}")]
    Avi(String),
    /// Likewise an MP4 or a MOV.
    #[error("this film cannot be taken: {0}")]
    Mp4(String),
    /// A file that has to be set aside while it is read has no place.
    #[error("there is no place beside the store where it can be set aside while it is read: {0}")]
    Spool(io::Error),
    /// There is no whole picture in it.
    #[error("there is no whole picture in it")]
    Empty,
    /// The picture is not one that can be shown.
    #[error("the picture cannot be taken: {0}")]
    Jpeg(#[from] JpegError),
    /// A picture beyond what any camera makes.
    #[error("the picture has more than {} MB", MAX_PICTURE >> 20)]
    TooBig,
    /// The store does not take it.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl ImportError {
    /// Whether something is wrong with this file: another one may be taken all the same.
    pub fn is_file_fault(&self) -> bool {
        match self {
            ImportError::Kind(_) | ImportError::Avi(_) | ImportError::Mp4(_) | ImportError::Empty => true,
            ImportError::Jpeg(_) | ImportError::TooBig => true,
            ImportError::Media(error) => matches!(error, MediaError::Wrong(_) | MediaError::SameName(_)),
            ImportError::Read(_) | ImportError::Spool(_) => false,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<&str> {
        match self {
            ImportError::Kind(_) | ImportError::Avi(_) | ImportError::Mp4(_) => Some(
                "ffmpeg makes one of most clips: ffmpeg -i CLIP -an -c:v mjpeg -q:v 3 -pix_fmt yuvj420p CLIP.mov",
            ),
            ImportError::Spool(_) => Some("make room on that disk, or add the file as an MJPEG file"),
            ImportError::Media(error) => error.hint(),
            _ => None,
        }
    }
}

/// Takes a file into the store. Blocks until its last byte is on the disk.
///
/// A name that ends in `.jpg` or `.jpeg` makes it a snapshot of the first picture, whatever follows it (phones
/// put clips and depths behind their pictures).
///
/// # Errors
/// [`ImportError`]; then nothing is left of it.
pub fn import(media: &Media, mut input: impl Read, request: ImportRequest) -> Result<Imported, ImportError> {
    let mut head = Vec::with_capacity(HEAD);
    input.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    match ImportKind::detect(&head)? {
        ImportKind::Avi => {
            let reader = AviReader::open(Forward::new(Cursor::new(head).chain(input)))?;
            let step_us = reader.video().step.map(|step| u64::try_from(step.as_micros()).unwrap_or(u64::MAX));
            record(media, AviFrames { reader, jpeg: Vec::new() }, step_us, request)
        }
        ImportKind::Mp4 => {
            let spool = create_spool(media.file())?;
            let reader = Mp4Reader::open(Cursor::new(head).chain(input), spool)?;
            record(media, Mp4Frames { reader, jpeg: Vec::new() }, None, request)
        }
        ImportKind::Jpegs => {
            let mut pictures = ImportedPictures::jpegs(Cursor::new(head).chain(input));
            let first = pictures.next()?.map(|first| (first.jpeg.to_vec(), first.told_us));
            let (jpeg, told_us) = match first {
                Some(first) => first,
                None if pictures.is_too_big => return Err(ImportError::TooBig),
                None => return Err(ImportError::Empty),
            };
            let found = jpeg::inspect(&jpeg);
            if request.name.as_deref().is_some_and(is_picture_name) || pictures.peek_next()?.is_none() {
                return picture(media, jpeg, found?, told_us, request);
            }
            pictures.unread(jpeg, told_us);
            record(media, pictures, None, request)
        }
    }
}

/// Keeps one picture.
fn picture(
    media: &Media,
    mut bytes: Vec<u8>,
    found: Jpeg,
    told_us: Option<u64>,
    request: ImportRequest,
) -> Result<Imported, ImportError> {
    bytes.truncate(found.len);
    if !found.has_huffman_tables {
        bytes.splice(found.tables_at..found.tables_at, STANDARD_HUFFMAN_TABLES.iter().copied());
    }
    let (stamp, date) = request.start_time(told_us);
    let snapshot = NewSnapshot {
        name: request.name,
        may_rename: request.may_rename,
        date,
        jpeg: bytes.into(),
        stamp,
        width: found.width,
        height: found.height,
        source: request.source,
        origin: MediaOrigin::Import,
        note: request.note,
    };
    let item = wait_for(media.add_snapshot(snapshot))?;
    Ok(Imported { item, left_out: 0 })
}

/// Keeps a clip. Of one that cannot be read to its end nothing is left.
fn record(
    media: &Media,
    mut pictures: impl Frames,
    step_us: Option<u64>,
    request: ImportRequest,
) -> Result<Imported, ImportError> {
    let own_step = request.fps.filter(|fps| *fps > 0.0).map(|fps| (1e6 / fps).round() as u64);
    let mut pace =
        ImportPace { step_us: own_step.or(step_us).unwrap_or(USUAL_STEP_US).max(1), ..ImportPace::default() };
    let began_us = pictures.began_us();
    let mut taken: Option<ImportedFile> = None;
    let mut left_out = 0;
    let mut until_us = None;
    let read = loop {
        let frame = match pictures.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        let at_us = match frame.shown_us {
            // One that is shown for no time, or before the one before it, takes the usual pace.
            Some((from_us, to_us)) if own_step.is_none() && from_us >= pace.next_us && to_us > from_us => {
                pace.next_us = from_us + 1;
                until_us = Some(to_us);
                from_us
            }
            _ => {
                let at_us = pace.next(frame.told_us);
                // What takes the usual pace, for want of another, takes that of its own times to the end.
                until_us = own_step.or(step_us).map(|_| pace.next_us);
                at_us
            }
        };
        if frame.jpeg.is_empty() {
            // An AVI's way to say that the picture before is shown for longer.
            continue;
        }
        let Ok(found) = jpeg::inspect(frame.jpeg) else {
            left_out += 1;
            taken.iter_mut().for_each(|taken| taken.is_after_gap = true);
            continue;
        };
        if taken.is_none() {
            let told_us = began_us.map(|began_us| began_us.saturating_add(at_us)).or(pace.first_told_us);
            match ImportedFile::new(media, told_us, &request) {
                Ok(begun) => taken = Some(begun),
                Err(error) => break Err(error.into()),
            }
        }
        let Some(taken) = &mut taken else { continue };
        if let Err(error) = taken.push(at_us, frame.jpeg, &found) {
            break Err(error.into());
        }
    };
    let Some(taken) = taken else { return read.and(Err(ImportError::Empty)) };
    let item = match read {
        Ok(()) => taken.finish(until_us)?.ok_or(ImportError::Empty)?,
        Err(error) => {
            taken.discard();
            return Err(error);
        }
    };
    Ok(Imported { item, left_out: left_out + pictures.skipped_count() })
}

/// A recording that is being made of a clip.
struct ImportedFile {
    handle: RecordingHandle,
    chunk: Chunk,
    sequence: u64,
    is_after_gap: bool,
    first_us: Option<u64>,
}

impl ImportedFile {
    fn new(media: &Media, told_us: Option<u64>, request: &ImportRequest) -> Result<ImportedFile, MediaError> {
        let (stamp, date) = request.start_time(told_us);
        let handle = media.begin_recording(NewRecording {
            name: request.name.clone(),
            may_rename: request.may_rename,
            date,
            stamp,
            source: request.source.clone(),
            origin: MediaOrigin::Import,
            note: request.note.clone(),
        })?;
        Ok(ImportedFile { handle, chunk: Chunk::default(), sequence: 0, is_after_gap: false, first_us: None })
    }

    fn push(&mut self, at_us: u64, jpeg: &[u8], found: &Jpeg) -> Result<(), MediaError> {
        let at_us = at_us - *self.first_us.get_or_insert(at_us);
        let is_full = self.chunk.frames.first().is_some_and(|first| {
            at_us - first.at_us >= CHUNK_US
                || self.chunk.jpegs.len() + found.len > CHUNK_BYTES
                || (self.chunk.width, self.chunk.height) != (found.width, found.height)
                || self.is_after_gap
        });
        if is_full {
            self.append()?;
        }
        let chunk = &mut self.chunk;
        if chunk.frames.is_empty() {
            (chunk.width, chunk.height) = (found.width, found.height);
            chunk.is_after_gap = std::mem::take(&mut self.is_after_gap);
        }
        let offset = chunk.jpegs.len();
        let (before, after) = jpeg[..found.len].split_at(found.tables_at);
        chunk.jpegs.extend_from_slice(before);
        if !found.has_huffman_tables {
            chunk.jpegs.extend_from_slice(STANDARD_HUFFMAN_TABLES);
        }
        chunk.jpegs.extend_from_slice(after);
        chunk.frames.push(ChunkFrame {
            at_us,
            // Both are at most some 34 MiB.
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            len: u32::try_from(chunk.jpegs.len() - offset).unwrap_or(u32::MAX),
            sequence: self.sequence,
        });
        self.sequence += 1;
        Ok(())
    }

    fn append(&mut self) -> Result<(), MediaError> {
        let chunk = std::mem::take(&mut self.chunk);
        self.chunk = self.handle.append_waiting(chunk)?;
        self.chunk.frames.clear();
        self.chunk.jpegs.clear();
        Ok(())
    }

    /// Ends it with its last picture, which is shown until then.
    fn finish(mut self, until_us: Option<u64>) -> Result<Option<Item>, MediaError> {
        if let Some(last) = self.chunk.frames.last() {
            let begun_us = self.first_us.unwrap_or(0).saturating_add(last.at_us);
            self.chunk.last_us =
                until_us.and_then(|until_us| until_us.checked_sub(begun_us)).filter(|us| *us > 0);
            self.append()?;
        }
        self.handle.end(Ended::Asked)
    }

    /// Takes it away again. What that meets is in the log: there is another error to tell already.
    fn discard(self) {
        let id = self.handle.id();
        if let Err(error) = self.handle.discard() {
            log::warn!("item {id}, part of a file that broke off, could not be removed: {error}");
        }
    }
}

impl ImportRequest {
    /// When the first picture was taken, and what its date is.
    fn start_time(&self, told_us: Option<u64>) -> (ClockTime, Option<String>) {
        let given = self.date.as_deref().map(str::trim).filter(|date| !date.is_empty());
        let said = given.and_then(|date| parse_date(date, &self.zone));
        let time = said.and_then(|said| match said {
            // A day has noon, so that it is the same day in the zones around.
            ParsedDate::Day(day) => day.at(12, 0, 0, 0).to_zoned(self.zone.clone()).ok(),
            ParsedDate::Moment(moment) => Some(moment.to_zoned(self.zone.clone())),
        });
        let date = time.as_ref().map(|time| time.date().to_string()).or_else(|| given.map(str::to_owned));
        let said_us = time.and_then(|time| u64::try_from(time.timestamp().as_microsecond()).ok());
        let stamp = self.stamp.unwrap_or_else(|| {
            // A camera whose clock was wrong tells of days to come.
            let now = ClockTime::now();
            let is_past = |us: &u64| !now.wall_trusted || *us <= now.wall_us.saturating_add(DAY_US);
            let known_us = said_us.or(told_us.filter(is_past));
            let wall_us = known_us.or(self.modified_us).unwrap_or_else(clock::wall_us);
            ClockTime { monotonic_us: now.monotonic_us, wall_us, wall_trusted: known_us.is_some() }
        });
        (stamp, date)
    }
}

fn is_picture_name(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["jpg", "jpeg", "jpe", "jfif"].iter().any(|own| extension.eq_ignore_ascii_case(own))
}

/// Waits on this thread for what the store answers.
fn wait_for<T>(answer: impl Future<Output = Result<T, MediaError>>) -> Result<T, MediaError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    block_on(&runtime.map_err(|_| MediaError::Busy)?, answer)
}

/// When pictures were taken, from what is told of each: never earlier than the one before.
#[derive(Debug, Default)]
struct ImportPace {
    step_us: u64,
    next_us: u64,
    /// What the first picture that told a time told, as that of the clip's beginning.
    first_told_us: Option<u64>,
}

impl ImportPace {
    /// Microseconds from the clip's beginning.
    fn next(&mut self, told_us: Option<u64>) -> u64 {
        let own = self.next_us;
        let at_us = match told_us {
            Some(told) => {
                let first = *self.first_told_us.get_or_insert(told.saturating_sub(own));
                // A clock that jumped in the middle of a clip stretches nothing.
                let nearest = own.saturating_sub(self.step_us);
                let farthest = nearest.saturating_add(LONGEST_STEP_US);
                told.checked_sub(first).filter(|at| (nearest..=farthest).contains(at)).unwrap_or(own)
            }
            None => own,
        };
        self.next_us = at_us.saturating_add(self.step_us);
        at_us
    }
}

/// What a file is, by its first bytes.
enum ImportKind {
    Avi,
    Mp4,
    Jpegs,
}

impl ImportKind {
    fn detect(head: &[u8]) -> Result<ImportKind, ImportError> {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        Err(ImportError::Kind(match () {
            () if at(0, b"RIFF") && at(8, b"AVI ") => return Ok(ImportKind::Avi),
            () if [b"heic", b"heix", b"heim", b"mif1", b"msf1"]
                .iter()
                .any(|brand| at(4, b"ftyp") && at(8, *brand)) =>
            {
                "a HEIC picture"
            }
            () if at(4, b"ftypavi") => "an AVIF picture",
            // Old QuickTime films begin without a type.
            () if [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"]
                .iter()
                .any(|name| at(4, *name)) =>
            {
                return Ok(ImportKind::Mp4);
            }
            // At once, or behind the head of a multipart stream that was saved.
            () if memchr::memmem::find(head, &[0xff, 0xd8, 0xff]).is_some() => return Ok(ImportKind::Jpegs),
            () if head.is_empty() => "an empty file",
            () if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => "a Matroska or WebM file",
            () if at(0, b"\x89PNG") => "a PNG",
            () if at(0, b"GIF8") => "a GIF",
            () if at(0, b"RIFF") && at(8, b"WEBP") => "a WebP picture",
            () => "something else",
        }))
    }
}

impl From<AviError> for ImportError {
    fn from(error: AviError) -> ImportError {
        match error {
            AviError::Io(error) => ImportError::Read(error),
            other => ImportError::Avi(other.to_string()),
        }
    }
}

impl From<Mp4Error> for ImportError {
    fn from(error: Mp4Error) -> ImportError {
        match error {
            Mp4Error::Io(error) => ImportError::Read(error),
            Mp4Error::Spool(error) => ImportError::Spool(error),
            other => ImportError::Mp4(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_with_an_offset_is_that_moment() {
        let request = ImportRequest {
            date: Some(String::from("2020-07-01T02:00:00+10:00")),
            zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone"),
            name: None,
            may_rename: false,
            note: String::new(),
            stamp: None,
            modified_us: None,
            fps: None,
            source: String::new(),
        };
        let (stamp, date) = request.start_time(None);
        assert_eq!((stamp.wall_us, date.as_deref()), (1_593_532_800_000_000, Some("2020-06-30")));
    }

    #[test]
    fn a_clock_that_is_set_in_the_middle_of_a_clip_stretches_nothing() {
        let second = 1_000_000;
        let since_1970 = 1_800_000_000 * second;
        let paced = |told: &[u64]| -> Vec<u64> {
            let mut pace = ImportPace { step_us: second, ..ImportPace::default() };
            told.iter().map(|told| pace.next(Some(*told)) / second).collect()
        };
        assert_eq!(paced(&[7, 8, 3608, 3609].map(|at| at * second)), [0, 1, 3601, 3602], "an hour's pause");
        assert_eq!(paced(&[7 * second, 8 * second, since_1970, since_1970 + second]), [0, 1, 2, 3]);
        assert_eq!(paced(&[since_1970, since_1970 + second, 9 * second, 10 * second]), [0, 1, 2, 3]);
    }
}
