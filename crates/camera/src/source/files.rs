//! Images and clips from the file system, played at a pace like that of a camera.
//!
//! The path is a folder of JPEGs, a list of paths, one JPEG, an MJPEG file (concatenated JPEGs or a saved multipart
//! stream), or an AVI with MJPEG video.
//!
//! Files are read piece by piece, with one frame in memory at a time. A folder or list is read again in every round,
//! so its files may be exchanged meanwhile.
//!
//! A file system may hang (NFS, FUSE), so all access happens on a thread of its own (`reader.rs`), with the same time
//! limit as for any other camera.

mod reader;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::PROC_SUPER_MAGIC;

use super::avi::AviReader;
use super::container::ContainerError;
use super::multipart::{MAX_PICTURE, MultipartReader, Step};
use super::pace::{Pace, frame_interval};
use super::{FormatRequest, Opener, Source, StreamFormat};
use crate::media::jpeg::inspect_open;
use crate::media::{Fourcc, Frame, SourceError, SourceErrorKind};
use reader::{ReaderThread, ReelReader};
use tallycam_base::{ClockTime, Stop};

/// Pace of an MJPEG file, which does not state its own: 30 fps.
const CLIP_STEP: Duration = Duration::from_nanos(33_333_333);
/// Pace of single images.
const PICTURE_STEP: Duration = Duration::from_secs(1);
/// Maximum number of images in a folder or list.
const MAX_PICTURES: usize = 1_000_000;
/// Maximum length of a line of a list in bytes; longer ones are no paths.
const LONGEST_LINE: u64 = 64 << 10;
/// Maximum number of broken files that are remembered as logged.
const MAX_LOGGED: usize = 1000;
/// Bytes of one read of a clip.
const RUN: usize = 64 << 10;
/// Default time limit of an open.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// Time limit of the check whether the path exists.
const LOOK_WITHIN: Duration = Duration::from_millis(100);

/// Opens a folder, list or file; see the module.
#[derive(Debug)]
pub struct FilesOpener {
    path: PathBuf,
    looped: bool,
    real_time: bool,
    wanted: FormatRequest,
    silent_after: Duration,
    aside: ReaderThread,
}

impl FilesOpener {
    /// Plays `path`: in a loop if `looped`, else once (then [`SourceErrorKind::Ended`]).
    ///
    /// In `real_time` frames come at the requested pace, else at the AVI's own, else at 30 fps for an MJPEG file and
    /// 1 fps for images. Otherwise they come as fast as they are taken. Either way every frame is delivered.
    pub fn new(path: PathBuf, looped: bool, real_time: bool, wanted: FormatRequest) -> FilesOpener {
        let (silent_after, aside) = (OPEN_WITHIN, ReaderThread::default());
        FilesOpener { path, looped, real_time, wanted, silent_after, aside }
    }
}

impl Opener for FilesOpener {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn set_silent_after(&mut self, time: Duration) {
        self.silent_after = time;
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let (reader, own) = ReelReader::open(&self.aside, &self.path, self.looped, self.silent_after, stop)?;
        let step = self.wanted.fps.and_then(frame_interval).unwrap_or(own.step);
        let mut notes = Vec::new();
        if self.wanted.width.is_some() || self.wanted.height.is_some() {
            notes.push("pictures from files keep the size they have".into());
        }
        let delivers = StreamFormat {
            name: self.path.display().to_string(),
            fourcc: Fourcc::MJPG,
            width: own.width,
            height: own.height,
            fps: self.real_time.then(|| 1.0 / step.as_secs_f64()),
            notes,
            is_simulated: false,
        };
        Ok(Box::new(FilesSource {
            reader,
            pace: Pace::every(if self.real_time { step } else { Duration::ZERO }),
            delivers,
            sequence: 0,
            due: false,
            picture: Vec::new(),
        }))
    }

    fn is_present(&self) -> Option<bool> {
        let path = self.path.clone();
        self.aside.run_within(move || path.exists(), LOOK_WITHIN)
    }
}

/// A file, folder or list that is being played.
struct FilesSource {
    reader: ReelReader,
    pace: Pace,
    delivers: StreamFormat,
    sequence: u64,
    /// The next frame is due and has not been read yet.
    due: bool,
    picture: Vec<u8>,
}

impl Source for FilesSource {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let until = Instant::now() + wait;
        let left = || until.saturating_duration_since(Instant::now());
        loop {
            if !self.due && !self.pace.wait(left()) {
                return Ok(None);
            }
            self.due = true;
            match self.reader.advance(&mut self.picture, left())? {
                Some(Advance::Picture) => break,
                // A repeated frame: its time passes.
                Some(Advance::Nothing) => self.due = false,
                // Many faulty frames in a row must not exceed `wait`.
                Some(_) if left().is_zero() => return Ok(None),
                Some(_) => {}
                None => return Ok(None),
            }
        }
        self.due = false;
        self.sequence += 1;
        Ok(Some(Frame {
            fourcc: Fourcc::MJPG,
            width: self.delivers.width,
            height: self.delivers.height,
            stride: 0,
            data: &self.picture,
            second: None,
            stamp: ClockTime::now(),
            sequence: self.sequence,
        }))
    }
}

/// The kind of media that is played.
enum MediaFile {
    Pictures(FilePictures),
    Clip(Clip),
    Avi { reader: AviReader<File>, picture: Vec<u8> },
}

/// Pace and size stated by the media.
#[derive(Clone, Copy)]
struct ReelInfo {
    step: Duration,
    width: u32,
    height: u32,
}

/// Result of advancing to the next frame.
enum Advance {
    Picture,
    /// A moment without a frame of its own.
    Nothing,
    /// An unusable part was skipped; advance again.
    LeftOut,
    End,
}

impl MediaFile {
    fn open(path: &Path) -> Result<MediaFile, SourceError> {
        let is_folder = std::fs::metadata(path).map_err(|e| unreadable_fault(path, &e))?.is_dir();
        if is_folder {
            reject_kernel_files(path).map_err(|e| unreadable_fault(path, &e))?;
            return Ok(MediaFile::Pictures(FilePictures::open(path, folder)?));
        }
        let mut file = open_file(path).map_err(|e| unreadable_fault(path, &e))?;
        let mut head = [0; 4096];
        let mut len = 0;
        while len < head.len() {
            match file.read(&mut head[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(unreadable_fault(path, &e)),
            }
        }
        file.rewind().map_err(|e| unreadable_fault(path, &e))?;
        match FileKind::detect(&head[..len]) {
            FileKind::Avi => match AviReader::open(file) {
                Ok(reader) => Ok(MediaFile::Avi { reader, picture: Vec::new() }),
                Err(ContainerError::Io(e)) => Err(unreadable_fault(path, &e)),
                Err(error) => Err(unplayable_fault(path, error)),
            },
            FileKind::Jpegs => Ok(MediaFile::Clip(Clip::new(file))),
            FileKind::List => Ok(MediaFile::Pictures(FilePictures::open(path, list)?)),
            FileKind::Other(what) => Err(unplayable_fault(path, what)),
        }
    }

    fn advance(&mut self, path: &Path) -> Result<Advance, SourceError> {
        match self {
            MediaFile::Pictures(pictures) => Ok(pictures.advance()),
            MediaFile::Clip(clip) => clip.advance().map_err(|e| unreadable_fault(path, &e)),
            MediaFile::Avi { reader, picture } => match reader.next(picture) {
                Ok(false) => Ok(Advance::End),
                Ok(true) if picture.is_empty() => Ok(Advance::Nothing),
                Ok(true) => Ok(Advance::Picture),
                Err(e) => Err(unreadable_fault(path, &e)),
            },
        }
    }

    fn picture(&self) -> &[u8] {
        match self {
            MediaFile::Pictures(pictures) => &pictures.picture,
            MediaFile::Clip(clip) => clip.reader.bytes(clip.range.clone()),
            MediaFile::Avi { picture, .. } => picture,
        }
    }

    /// Its own pace, and the size of its frames if all have the same.
    fn own_pace(&mut self, path: &Path) -> Result<ReelInfo, SourceError> {
        let pictures = |step| ReelInfo { step, width: 0, height: 0 };
        Ok(match self {
            MediaFile::Pictures(_) => pictures(PICTURE_STEP),
            MediaFile::Avi { reader, .. } => {
                let video = reader.video();
                let step = video.step.unwrap_or(CLIP_STEP);
                ReelInfo { step, width: video.width, height: video.height }
            }
            MediaFile::Clip(clip) => {
                let is_one = clip.has_single_picture().map_err(|e| unreadable_fault(path, &e))?;
                pictures(if is_one { PICTURE_STEP } else { CLIP_STEP })
            }
        })
    }

    fn rewind(&mut self, path: &Path) -> Result<(), SourceError> {
        match self {
            MediaFile::Pictures(pictures) => pictures.read_names(path),
            MediaFile::Clip(clip) => clip.rewind().map_err(|e| unreadable_fault(path, &e)),
            MediaFile::Avi { reader, .. } => reader.rewind().map_err(|e| unreadable_fault(path, &e)),
        }
    }

    /// The fault after a round without a frame.
    fn no_picture_fault(&self, path: &Path) -> SourceError {
        let what = format!("no picture in {} can be shown", path.display());
        match self {
            MediaFile::Pictures(_) => SourceError::new(SourceErrorKind::Broken, what)
                .hint("the log names each file and what is wrong with it"),
            _ => SourceError::new(SourceErrorKind::Broken, what).because("it holds no whole JPEG"),
        }
    }
}

/// Type of a file, detected from its first bytes.
#[derive(Debug, PartialEq, Eq)]
enum FileKind {
    Avi,
    Jpegs,
    List,
    Other(&'static str),
}

impl FileKind {
    fn detect(head: &[u8]) -> FileKind {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(magic));
        // The end of the head may cut the last character.
        let is_text = match std::str::from_utf8(head) {
            Ok(_) => true,
            Err(e) => e.error_len().is_none(),
        };
        match () {
            () if at(0, b"RIFF") && at(8, b"AVI ") => FileKind::Avi,
            () if at(0, &[0xff, 0xd8, 0xff]) => FileKind::Jpegs,
            () if at(4, b"ftyp") => FileKind::Other("it is an MP4"),
            () if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => FileKind::Other("it is a Matroska or WebM file"),
            () if at(0, b"\x89PNG") => FileKind::Other("it is a PNG; only JPEGs are played"),
            () if head.is_empty() => FileKind::Other("it is empty"),
            () if is_text && !head.contains(&0) => FileKind::List,
            // A saved multipart stream.
            () if memchr::memmem::find(head, &[0xff, 0xd8, 0xff]).is_some() => FileKind::Jpegs,
            () => FileKind::Other("it is neither JPEG, MJPEG, AVI nor a list of paths"),
        }
    }
}

/// Images, by the names of their files.
struct FilePictures {
    names: Vec<PathBuf>,
    next: usize,
    read_names: fn(&Path) -> Result<Vec<PathBuf>, SourceError>,
    picture: Vec<u8>,
    logged: HashSet<PathBuf>,
}

impl FilePictures {
    fn open(
        path: &Path,
        read_names: fn(&Path) -> Result<Vec<PathBuf>, SourceError>,
    ) -> Result<FilePictures, SourceError> {
        let names = read_names(path)?;
        Ok(FilePictures { names, next: 0, read_names, picture: Vec::new(), logged: HashSet::new() })
    }

    fn read_names(&mut self, path: &Path) -> Result<(), SourceError> {
        self.names = (self.read_names)(path)?;
        self.next = 0;
        Ok(())
    }

    /// Advances to the next image, if it is usable.
    fn advance(&mut self) -> Advance {
        let Some(name) = self.names.get(self.next) else { return Advance::End };
        self.next += 1;
        match read_picture(name, &mut self.picture) {
            Ok(()) => {
                self.logged.remove(name);
                Advance::Picture
            }
            Err(why) => {
                if self.logged.len() < MAX_LOGGED && self.logged.insert(name.clone()) {
                    log::warn!("{} is skipped: {why}", name.display());
                }
                Advance::LeftOut
            }
        }
    }
}

/// Opens a regular file. Opening a pipe might wait for a writer for ever.
fn open_file(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path)?.is_file() {
        reject_kernel_files(path)?;
        File::open(path)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "it is no file"))
    }
}

/// The kernel's own files, such as /proc/kmsg, might also block for ever, and are never images.
fn reject_kernel_files(path: &Path) -> io::Result<()> {
    if [PROC_SUPER_MAGIC, SYSFS_MAGIC].contains(&rustix::fs::statfs(path)?.f_type) {
        let why = "the kernel's own file systems, such as /proc and /sys, hold no pictures";
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    Ok(())
}

fn read_picture(path: &Path, picture: &mut Vec<u8>) -> Result<(), String> {
    picture.clear();
    let limit = MAX_PICTURE as u64 + 1;
    open_file(path).and_then(|file| file.take(limit).read_to_end(picture)).map_err(|e| e.to_string())?;
    if picture.len() > MAX_PICTURE {
        return Err(format!("it has more than {MAX_PICTURE} bytes"));
    }
    inspect_open(picture).map(drop).map_err(|e| e.to_string())
}

/// The JPEGs of a folder in natural order of names.
fn folder(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| unreadable_fault(path, &e))? {
        let name = entry.map_err(|e| unreadable_fault(path, &e))?.path();
        let is_hidden = name.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if is_jpeg(&name) && !is_hidden {
            names.push(name);
        }
    }
    names.sort_by(|a, b| {
        natural_order(a.as_os_str().as_encoded_bytes(), b.as_os_str().as_encoded_bytes())
            .then_with(|| a.cmp(b))
    });
    checked(path, names, "it has no files that end in .jpg or .jpeg")
}

/// The paths in a list: one a line, of JPEGs in the list's own folder or below it. `#` begins a comment line; a
/// leading byte order mark is ignored. A user who may set the path could name any text file of this machine, so no
/// line is ever shown. The error states only how many lines are no such path, and the first one's number.
fn list(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut input = BufReader::new(open_file(path).map_err(|e| unreadable_fault(path, &e))?);
    let mut names = Vec::new();
    let mut line = String::new();
    let (mut number, mut left_out, mut first_left_out) = (0_u64, 0_u64, 0);
    while names.len() <= MAX_PICTURES {
        line.clear();
        number += 1;
        let len = input.by_ref().take(LONGEST_LINE).read_line(&mut line);
        if len.map_err(|e| unreadable_fault(path, &e))? == 0 {
            break;
        }
        let name = line.trim_start_matches('\u{feff}').trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        match join_below(folder, Path::new(name)).filter(|name| is_jpeg(name)) {
            Some(name) => names.push(name),
            None => {
                left_out += 1;
                first_left_out = if left_out == 1 { number } else { first_left_out };
            }
        }
    }
    if left_out > 0 && !names.is_empty() {
        log::warn!(
            "{}: {left_out} lines are left out, the first is line {first_left_out}: {NO_PICTURE_OF_A_LIST}",
            path.display()
        );
    }
    checked(path, names, "it names no .jpg or .jpeg in its own folder or below it")
}

/// statfs(2): sysfs.
const SYSFS_MAGIC: rustix::fs::FsWord = 0x6265_6572;

const NO_PICTURE_OF_A_LIST: &str = "a line names a .jpg or .jpeg in the list's own folder or below it";

/// `name` as a path, if it stays in `folder` or below it.
fn join_below(folder: &Path, name: &Path) -> Option<PathBuf> {
    let climbs = name.components().any(|part| part == Component::ParentDir);
    let is_in_it = name.is_relative() || (folder.is_absolute() && name.starts_with(folder));
    (!climbs && is_in_it).then(|| folder.join(name))
}

fn is_jpeg(name: &Path) -> bool {
    name.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
}

fn checked(path: &Path, names: Vec<PathBuf>, none: &str) -> Result<Vec<PathBuf>, SourceError> {
    let what = || format!("{} cannot be played", path.display());
    match names.len() {
        0 => Err(SourceError::new(SourceErrorKind::Absent, what()).because(none)),
        1..=MAX_PICTURES => Ok(names),
        _ => Err(SourceError::new(SourceErrorKind::Unsupported, what())
            .because(format!("it has more than {MAX_PICTURES} pictures"))),
    }
}

/// Compares names in natural order: runs of digits by their value, so that 2 comes before 10.
fn natural_order(mut a: &[u8], mut b: &[u8]) -> Ordering {
    fn split_digits(name: &[u8]) -> (&[u8], &[u8]) {
        name.split_at(name.iter().take_while(|b| b.is_ascii_digit()).count())
    }
    fn value(digits: &[u8]) -> &[u8] {
        &digits[digits.iter().take_while(|&&b| b == b'0').count()..]
    }
    loop {
        let (x, rest_a) = split_digits(a);
        let (y, rest_b) = split_digits(b);
        let order = if x.is_empty() || y.is_empty() {
            let (Some((x, rest_a)), Some((y, rest_b))) = (a.split_first(), b.split_first()) else {
                return a.len().cmp(&b.len());
            };
            (a, b) = (rest_a, rest_b);
            x.cmp(y)
        } else {
            (a, b) = (rest_a, rest_b);
            let (x, y) = (value(x), value(y));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Concatenated JPEGs in a file.
struct Clip {
    file: File,
    reader: MultipartReader,
    range: std::ops::Range<usize>,
    /// A faulty frame has been logged.
    is_reported: bool,
}

impl Clip {
    fn new(file: File) -> Clip {
        Clip { file, reader: MultipartReader::new(MAX_PICTURE), range: 0..0, is_reported: false }
    }

    fn advance(&mut self) -> io::Result<Advance> {
        loop {
            match self.reader.next_step() {
                Step::Picture(range) => {
                    self.range = range;
                    return Ok(Advance::Picture);
                }
                Step::Broken(_, error) => {
                    if !std::mem::replace(&mut self.is_reported, true) {
                        log::warn!("the clip is damaged: {error}; continuing with the next");
                    }
                    return Ok(Advance::LeftOut);
                }
                Step::Noise => return Ok(Advance::LeftOut),
                Step::More => {
                    let room = self.reader.read_buffer(RUN);
                    match self.file.read(&mut room[..RUN]) {
                        Ok(0) => return Ok(Advance::End),
                        Ok(len) => self.reader.fill(len),
                        Err(e) if e.kind() == ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
            }
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.reader = MultipartReader::new(MAX_PICTURE);
        self.file.rewind()
    }

    /// True if there is no second frame; leaves the clip at its start.
    fn has_single_picture(&mut self) -> io::Result<bool> {
        let mut pictures = 0;
        while pictures < 2 {
            match self.advance()? {
                Advance::Picture => pictures += 1,
                Advance::LeftOut => {}
                Advance::Nothing | Advance::End => break,
            }
        }
        self.rewind()?;
        Ok(pictures == 1)
    }
}

fn unreadable_fault(path: &Path, error: &io::Error) -> SourceError {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => SourceError::new(SourceErrorKind::Absent, format!("there is no {path}"))
            .hint("name a folder, a list of pictures or a clip")
            .shell("the service sees homes only where BindReadOnlyPaths= in a drop-in names them"),
        ErrorKind::PermissionDenied => {
            SourceError::new(SourceErrorKind::Denied, format!("{path} may not be read"))
                .because(error)
                .hint("its user must be allowed to read it")
                .shell(format!("`ls -ld {path}` shows who may"))
        }
        _ => SourceError::new(SourceErrorKind::Failed, format!("{path} cannot be read")).because(error),
    }
}

fn unplayable_fault(path: &Path, why: impl std::fmt::Display) -> SourceError {
    let path = path.display();
    let fault =
        SourceError::new(SourceErrorKind::Unsupported, format!("{path} cannot be played")).because(why);
    fault.hint("convert it to Motion JPEG, for example with ffmpeg").shell(format!(
        "ffmpeg can play it: [source] kind = \"exec\", command = \"ffmpeg -nostdin -loglevel error -re -i {path} \
         -f mjpeg -q:v 4 -\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_by_value() {
        let mut names = ["b1", "a10", "a2", "a", "a02b", "A3", "a2.5"];
        names.sort_by(|a, b| natural_order(a.as_bytes(), b.as_bytes()));
        assert_eq!(names, ["A3", "a", "a2", "a2.5", "a02b", "a10", "b1"]);
        assert_eq!(natural_order(b"0", b"00"), Ordering::Equal);
    }

    #[test]
    fn files_are_detected_by_their_first_bytes() {
        assert_eq!(FileKind::detect(b"RIFF\0\0\0\0AVI LIST"), FileKind::Avi);
        assert_eq!(FileKind::detect(b"\xff\xd8\xff\xe0"), FileKind::Jpegs);
        assert_eq!(FileKind::detect(b"--frame\r\n\r\n\xff\xd8\xff\xe0"), FileKind::Jpegs);
        assert_eq!(FileKind::detect("# Bilder\nä.jpg".as_bytes()), FileKind::List);
        assert_eq!(FileKind::detect(&"ä.jpg".as_bytes()[..1]), FileKind::List);
        for other in [&b""[..], b"\0\0\0\x18ftypmp42", b"\x89PNG\r\n", b"\x1a\x45\xdf\xa3", b"\x7fELF\x02\0"]
        {
            assert!(matches!(FileKind::detect(other), FileKind::Other(_)), "{other:?}");
        }
    }
}
