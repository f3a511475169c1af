//! Imports files: a JPEG becomes a snapshot. An MJPEG file (concatenated pictures or a saved multipart stream), or an
//! AVI, MP4 or MOV with MJPEG video becomes a recording. Nothing is decoded: every picture keeps its bytes, except
//! that tables which AVI omits are added. An MP4 or MOV keeps its times and its date.
//!
//! The input is read once from start to end and need not be a file. One picture and the current chunk are in memory;
//! the store gets chunks as it accepts them. An MP4 with its index at the end is spooled to an unnamed file beside
//! the store. Import may block. If reading fails in the middle, nothing is left behind. A truncated file is imported
//! as far as it goes.

mod frames;

use std::future::Future;
use std::io::{self, Cursor, Read};

use jiff::tz::TimeZone;

use frames::{AviFrames, Forward, Frames, ImportedPictures, Mp4Frames, create_spool};
use tallycam_base::{ClockTime, block_on, clock};
use tallycam_camera::media::film::FilmStart;
use tallycam_camera::media::jpeg::{self, Jpeg, JpegError, STANDARD_HUFFMAN_TABLES};
use tallycam_camera::source::AviReader;
use tallycam_camera::source::ContainerError;
use tallycam_camera::source::Mp4Reader;
use tallycam_camera::source::multipart::MAX_PICTURE;
use tallycam_store::media::{
    Chunk, ChunkFrame, Ended, Item, Media, MediaError, MediaOrigin, NewRecording, NewSnapshot, ParsedDate,
    RecordingHandle, parse_date,
};

const DAY_US: u64 = 86_400_000_000;

/// Step of a clip without its own rate: 30 per second, as players assume.
const USUAL_STEP_US: u64 = 33_333;

/// Maximum step between two pictures, in microseconds. A longer one means that the clock was set, for example from
/// 1970.
const LONGEST_STEP_US: u64 = 86_400_000_000;

/// Maximum duration of a chunk, microseconds.
const CHUNK_US: u64 = 1_000_000;

/// Maximum bytes of a chunk.
const CHUNK_BYTES: usize = 2 << 20;

/// Bytes that identify the kind of a file.
const HEAD: usize = 4096;

const RUN: usize = 64 << 10;

/// Description of a file to import.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Name of the item; `None` derives it from date and time.
    pub name: Option<String>,
    /// A duplicate name gets a number; otherwise the file is refused.
    pub may_rename: bool,
    /// The date as given: `2026-11-20`, optionally with a time (`T14:53` or `T14:53:07`) and a zone (`Z` or
    /// `+05:00`); or any text.
    pub date: Option<String>,
    pub note: String,
    /// Capture time of the first picture; `None` uses the date or the file.
    pub stamp: Option<ClockTime>,
    /// Modification time of the file, microseconds since 1970. It is a fallback and not reliable. `None` means now.
    pub modified_us: Option<u64>,
    /// Pictures per second of a clip; `None` uses the file's own rate, or 30.
    pub fps: Option<f64>,
    /// Origin of the file, in words.
    pub source: String,
    /// Time zone of the date.
    pub zone: TimeZone,
}

/// The result of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub item: Item,
    /// Number of invalid pictures in the file, which were left out.
    pub left_out: u64,
}

/// A file could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("it could not be read: {0}")]
    Read(#[from] io::Error),
    /// It is none of the kinds that can be taken.
    #[error("{0}")]
    Kind(String),
    /// There is no room to spool a file that needs it.
    #[error("there is no place beside the store where it can be set aside while it is read: {0}")]
    Spool(io::Error),
    /// The file has no complete picture.
    #[error("there is no whole picture in it")]
    Empty,
    /// The picture cannot be displayed.
    #[error("the picture cannot be taken: {0}")]
    Jpeg(#[from] JpegError),
    /// The picture is larger than any camera makes.
    #[error("the picture has more than {} MB", MAX_PICTURE >> 20)]
    TooBig,
    /// The store refuses it.
    #[error(transparent)]
    Media(#[from] MediaError),
}

impl ImportError {
    /// [`ImportError::Kind`] of a file that is `what`.
    pub fn other_kind(what: &str) -> ImportError {
        ImportError::Kind(format!(
            "this is {what}; a JPEG, an MJPEG file, or an AVI, MP4 or MOV with MJPEG video can be taken"
        ))
    }

    /// The same for an error of the reader of `what`: "AVI" or "film".
    pub(super) fn unfit(what: &str) -> impl Fn(ContainerError) -> ImportError {
        move |error| match error {
            ContainerError::Io(error) => ImportError::Read(error),
            ContainerError::Spool(error) => ImportError::Spool(error),
            ContainerError::Unfit(why) => ImportError::Kind(format!("this {what} cannot be taken: {why}")),
        }
    }

    /// True if the fault is in this file, so that other files may still be imported.
    pub fn is_file_fault(&self) -> bool {
        match self {
            ImportError::Kind(_) | ImportError::Empty | ImportError::Jpeg(_) | ImportError::TooBig => true,
            ImportError::Media(error) => matches!(error, MediaError::Wrong(_) | MediaError::SameName(_)),
            ImportError::Read(_) | ImportError::Spool(_) => false,
        }
    }

    /// The remedy.
    pub fn hint(&self) -> Option<&str> {
        match self {
            ImportError::Kind(_) => Some(
                "ffmpeg makes one of most clips: ffmpeg -i CLIP -an -c:v mjpeg -q:v 3 -pix_fmt yuvj420p CLIP.mov",
            ),
            ImportError::Spool(_) => Some("make room on that disk, or add the file as an MJPEG file"),
            ImportError::Media(error) => error.hint(),
            _ => None,
        }
    }
}

/// Imports a file into the store. Blocks until its last byte is on the disk.
///
/// With a name in `.jpg` or `.jpeg` the first picture becomes a snapshot, whatever follows it: phones append clips
/// and depth maps to their pictures.
///
/// # Errors
/// [`ImportError`]; nothing is left in the store then.
pub fn import(media: &Media, mut input: impl Read, request: ImportRequest) -> Result<Imported, ImportError> {
    let mut head = Vec::with_capacity(HEAD);
    input.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    match ImportKind::detect(&head)? {
        ImportKind::Avi => {
            let reader = AviReader::open(Forward::new(Cursor::new(head).chain(input)));
            let reader = reader.map_err(ImportError::unfit("AVI"))?;
            let step_us = reader.video().step.map(|step| u64::try_from(step.as_micros()).unwrap_or(u64::MAX));
            record(media, AviFrames { reader, jpeg: Vec::new() }, step_us, request)
        }
        ImportKind::Mp4 => {
            let spool = create_spool(media.file())?;
            let reader =
                Mp4Reader::open(Cursor::new(head).chain(input), spool).map_err(ImportError::unfit("film"))?;
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
    let (stamp, date) = request.start_time(told_us.map(FilmStart::from));
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

/// Stores a clip. If reading fails before its end, nothing is left.
fn record(
    media: &Media,
    mut pictures: impl Frames,
    step_us: Option<u64>,
    request: ImportRequest,
) -> Result<Imported, ImportError> {
    let own_step = request.fps.filter(|fps| *fps > 0.0).map(|fps| (1e6 / fps).round() as u64);
    let mut pace =
        ImportPace { step_us: own_step.or(step_us).unwrap_or(USUAL_STEP_US).max(1), ..ImportPace::default() };
    let began = pictures.began();
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
            // A picture without duration, or out of order, gets the usual step.
            Some((from_us, to_us)) if own_step.is_none() && from_us >= pace.next_us && to_us > from_us => {
                pace.next_us = from_us + 1;
                until_us = Some(to_us);
                from_us
            }
            _ => {
                let at_us = pace.next(frame.told_us);
                // At the usual step the end of the last picture follows from the clip's own rate, if it has one.
                until_us = own_step.or(step_us).map(|_| pace.next_us);
                at_us
            }
        };
        if frame.jpeg.is_empty() {
            // An AVI shows the previous picture for longer like this.
            continue;
        }
        let Ok(found) = jpeg::inspect(frame.jpeg) else {
            left_out += 1;
            taken.iter_mut().for_each(|taken| taken.is_after_gap = true);
            continue;
        };
        if taken.is_none() {
            let later = |began: FilmStart| FilmStart { us: began.us.saturating_add(at_us), ..began };
            let told = began.map(later).or(pace.first_told_us.map(FilmStart::from));
            match ImportedFile::new(media, told, &request) {
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

/// A recording in progress from a clip.
struct ImportedFile {
    handle: RecordingHandle,
    chunk: Chunk,
    sequence: u64,
    is_after_gap: bool,
    first_us: Option<u64>,
}

impl ImportedFile {
    fn new(
        media: &Media,
        told: Option<FilmStart>,
        request: &ImportRequest,
    ) -> Result<ImportedFile, MediaError> {
        let (stamp, date) = request.start_time(told);
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

    /// Ends the recording. Its last picture is shown until `until_us`.
    fn finish(mut self, until_us: Option<u64>) -> Result<Option<Item>, MediaError> {
        if let Some(last) = self.chunk.frames.last() {
            let begun_us = self.first_us.unwrap_or(0).saturating_add(last.at_us);
            self.chunk.last_us =
                until_us.and_then(|until_us| until_us.checked_sub(begun_us)).filter(|us| *us > 0);
            self.append()?;
        }
        self.handle.end(Ended::Asked)
    }

    /// Removes the recording. An error is only logged, because the import already returns another one.
    fn discard(self) {
        let id = self.handle.id();
        if let Err(error) = self.handle.discard() {
            log::warn!("item {id}, part of a file that broke off, could not be removed: {error}");
        }
    }
}

impl ImportRequest {
    /// Capture time of the first picture, and its date.
    fn start_time(&self, told: Option<FilmStart>) -> (ClockTime, Option<String>) {
        let given = self.date.as_deref().map(str::trim).filter(|date| !date.is_empty());
        let said = given.and_then(|date| parse_date(date, &self.zone));
        let time = said.and_then(|said| match said {
            // A date alone means noon, so that it is the same day in neighbouring zones.
            ParsedDate::Day(day) => day.at(12, 0, 0, 0).to_zoned(self.zone.clone()).ok(),
            ParsedDate::Moment(moment) => Some(moment.to_zoned(self.zone.clone())),
        });
        let date = time.as_ref().map(|time| time.date().to_string()).or_else(|| given.map(str::to_owned));
        let said_us = time.and_then(|time| u64::try_from(time.timestamp().as_microsecond()).ok());
        let stamp = self.stamp.unwrap_or_else(|| {
            // A camera with a wrong clock may write future times.
            let now = ClockTime::now();
            let is_past =
                |told: &FilmStart| !now.wall_trusted || told.us <= now.wall_us.saturating_add(DAY_US);
            let known = said_us.map(FilmStart::from).or(told.filter(is_past));
            let wall_us = known.map(|known| known.us).or(self.modified_us).unwrap_or_else(clock::wall_us);
            let wall_trusted = known.is_some_and(|known| known.is_sure);
            ClockTime { monotonic_us: now.monotonic_us, wall_us, wall_trusted }
        });
        (stamp, date)
    }
}

fn is_picture_name(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["jpg", "jpeg", "jpe", "jfif"].iter().any(|own| extension.eq_ignore_ascii_case(own))
}

/// Blocks this thread until the store answers.
fn wait_for<T>(answer: impl Future<Output = Result<T, MediaError>>) -> Result<T, MediaError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    block_on(&runtime.map_err(|_| MediaError::Busy)?, answer)
}

/// Times of the pictures, from their reported times. A time is never earlier than the one before.
#[derive(Debug, Default)]
struct ImportPace {
    step_us: u64,
    next_us: u64,
    /// The first reported time, converted to the start of the clip.
    first_told_us: Option<u64>,
}

impl ImportPace {
    /// Time of the next picture in microseconds from the start of the clip.
    fn next(&mut self, told_us: Option<u64>) -> u64 {
        let own = self.next_us;
        let at_us = match told_us {
            Some(told) => {
                let first = *self.first_told_us.get_or_insert(told.saturating_sub(own));
                // A clock change inside the clip must not stretch it.
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

/// Kind of a file, by its first bytes.
enum ImportKind {
    Avi,
    Mp4,
    Jpegs,
}

impl ImportKind {
    fn detect(head: &[u8]) -> Result<ImportKind, ImportError> {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        Err(ImportError::other_kind(match () {
            () if at(0, b"RIFF") && at(8, b"AVI ") => return Ok(ImportKind::Avi),
            () if [b"heic", b"heix", b"heim", b"mif1", b"msf1"]
                .iter()
                .any(|brand| at(4, b"ftyp") && at(8, *brand)) =>
            {
                "a HEIC picture"
            }
            () if at(4, b"ftypavi") => "an AVIF picture",
            // Old QuickTime files start without a type.
            () if [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"]
                .iter()
                .any(|name| at(4, *name)) =>
            {
                return Ok(ImportKind::Mp4);
            }
            // At the start, or after the header of a saved multipart stream.
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
    fn a_clock_change_inside_a_clip_does_not_stretch_it() {
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
