//! Reads the JPEGs of an AVI with MJPEG video: RIFF (Microsoft's "AVI RIFF File Reference", 1992) with the additional
//! `AVIX` parts of OpenDML ("AVI File Format Extensions", 1996).
//!
//! Pure except for its input. It ignores the lengths of the lists around the frames and needs no index, so an
//! incomplete recording plays as far as it goes. Only the first MJPEG stream is played; sound is skipped. One frame
//! is in memory at a time.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use super::container::ContainerError;
use crate::media::Fourcc;
use crate::media::film::FilmStart;
use crate::media::jpeg::{self, Jpeg};

/// Larger chunks are no frames. Bytes.
const MAX_PICTURE: u32 = 32 << 20;
/// Maximum number of streams; no camera's AVI has more.
const MAX_STREAMS: u8 = 99;
/// Bytes of a stream's header that are read.
const HEADER: usize = 56;

/// The video stream that is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Video {
    /// Width in pixels, as the header claims.
    pub width: u32,
    /// Height in pixels, as the header claims.
    pub height: u32,
    /// Time between frames; `None` without a plausible value in the header.
    pub step: Option<Duration>,
    /// Its number in the file.
    stream: u8,
}

/// Reads one frame after another.
#[derive(Debug)]
pub struct AviReader<R: Read + Seek> {
    input: BufReader<R>,
    video: Video,
    began: Option<FilmStart>,
    /// Offset of the first frame.
    pictures: u64,
}

impl<R: Read + Seek> AviReader<R> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn open(input: R) -> Result<AviReader<R>, ContainerError> {
        let mut input = BufReader::with_capacity(64 << 10, input);
        let mut head = [0; 12];
        let is_whole = read_exact(&mut input, &mut head)?.is_some();
        if !is_whole || head[..4] != *b"RIFF" || head[8..] != *b"AVI " {
            return Err(ContainerError::unfit("not an AVI"));
        }
        let (video, began) = headers(&mut input)?;
        let pictures = input.stream_position()?;
        // The buffer is larger than the headers of the file and of its first frame.
        refuse_fields(input.fill_buf()?, &video)?;
        Ok(AviReader { input, video, began, pictures })
    }

    /// The video that is played.
    pub fn video(&self) -> &Video {
        &self.video
    }

    /// The capture time of the first frame, if the file states it exactly.
    pub fn began(&self) -> Option<FilmStart> {
        self.began
    }

    /// Goes back to the first frame.
    ///
    /// # Errors
    /// The file's.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.input.seek(SeekFrom::Start(self.pictures)).map(drop)
    }

    /// Reads the next frame into `picture`; `false` at the end. An empty frame repeats the one before: AVI marks
    /// dropped frames like that. Frames of more than 32 MiB are skipped.
    ///
    /// # Errors
    /// The file's.
    pub fn next(&mut self, picture: &mut Vec<u8>) -> io::Result<bool> {
        picture.clear();
        while let Some(chunk) = chunk(&mut self.input)? {
            match (&chunk.id, &chunk.list) {
                // These lists contain frames: enter them and ignore the claimed length.
                (b"RIFF", _) | (b"LIST", Some([b'm', b'o', b'v', b'i'] | [b'r', b'e', b'c', b' '])) => {}
                _ if chunk.list.is_none() && self.is_picture(chunk.id) && chunk.len <= MAX_PICTURE => {
                    let len = u64::from(chunk.len);
                    let read = self.input.by_ref().take(len).read_to_end(picture)?;
                    if read as u64 != len {
                        picture.clear();
                        return Ok(false);
                    }
                    skip(&mut self.input, len % 2)?;
                    return Ok(true);
                }
                _ => chunk.skip(&mut self.input)?,
            }
        }
        Ok(false)
    }

    /// True if `id` is two digits and `dc` or `db`, with the number of the stream.
    fn is_picture(&self, id: [u8; 4]) -> bool {
        let [tens, ones, b'd', b'c' | b'b'] = id else { return false };
        [tens, ones] == [b'0' + self.video.stream / 10, b'0' + self.video.stream % 10]
    }
}

/// Refuses frames of two fields, which are pictures of half the height: `ahead` is the beginning of the frames.
fn refuse_fields(ahead: &[u8], video: &Video) -> Result<(), ContainerError> {
    let first =
        memchr::memmem::find(ahead, b"\xff\xd8\xff").and_then(|at| jpeg::inspect_open(&ahead[at..]).ok());
    match first {
        Some(Jpeg { width, height, .. }) if (width, 2 * height) == (video.width, video.height) => {
            let what = format!("its video is interlaced, two fields of {width}×{height} a frame");
            Err(ContainerError::Unfit(what))
        }
        _ => Ok(()),
    }
}

/// Parses the headers and stops inside the list of frames.
fn headers(input: &mut (impl Read + Seek)) -> Result<(Video, Option<FilmStart>), ContainerError> {
    let mut found: Option<Video> = None;
    let mut began = None;
    let mut other: Option<Fourcc> = None;
    let mut frame_step = None;
    // The current stream, and its time step if it is video.
    let mut streams: u8 = 0;
    let mut rate: Option<Option<Duration>> = None;
    let mut handler = Fourcc(*b"    ");
    while let Some(chunk) = chunk(input)? {
        let mut body = [0; HEADER];
        match (&chunk.id, &chunk.list) {
            (b"LIST", Some([b'm', b'o', b'v', b'i'])) => {
                let mut video = found.ok_or_else(|| no_video(other))?;
                video.step = video.step.or(frame_step);
                return Ok((video, began));
            }
            (b"LIST", Some([b'h', b'd', b'r', b'l'] | [b'I', b'N', b'F', b'O'])) => {}
            (b"ICRD", _) => {
                chunk.read(input, &mut body)?;
                began = FilmStart::parse(&body);
            }
            (b"LIST", Some([b's', b't', b'r', b'l'])) if streams < MAX_STREAMS => {
                streams += 1;
                rate = None;
            }
            (b"avih", _) => {
                chunk.read(input, &mut body)?;
                frame_step = frame_interval(u32_at(&body, 0), 1_000_000);
            }
            (b"strh", _) => {
                chunk.read(input, &mut body)?;
                rate = (body[..4] == *b"vids").then(|| frame_interval(u32_at(&body, 20), u32_at(&body, 24)));
                handler = fourcc(&body, 4);
            }
            (b"strf", _) => {
                chunk.read(input, &mut body)?;
                let codec = fourcc(&body, 16);
                let (Some(step), Some(stream)) = (rate, streams.checked_sub(1)) else { continue };
                if is_mjpeg(codec) || is_mjpeg(handler) {
                    // A negative height means rows stored top down.
                    let (width, height) = (u32_at(&body, 4), (u32_at(&body, 8) as i32).unsigned_abs());
                    found.get_or_insert(Video { width, height, step, stream });
                } else {
                    other.get_or_insert(codec);
                }
            }
            _ => chunk.skip(input)?,
        }
    }
    Err(no_video(None))
}

/// `other` is the format of video that is no MJPEG.
fn no_video(other: Option<Fourcc>) -> ContainerError {
    ContainerError::Unfit(match other {
        Some(codec) => format!("its video is {codec}, not MJPEG"),
        None => String::from("no video is in it"),
    })
}

fn is_mjpeg(code: Fourcc) -> bool {
    // Capture cards of the nineties write the last two.
    [*b"MJPG", *b"JPEG", *b"AVRN", *b"DMB1"].contains(&code.0.map(|b| b.to_ascii_uppercase()))
}

/// `scale / rate` seconds, if that is between a millisecond and an hour.
fn frame_interval(scale: u32, rate: u32) -> Option<Duration> {
    let seconds = f64::from(scale) / f64::from(rate);
    (0.001..=3600.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

fn u32_at(body: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]])
}

fn fourcc(body: &[u8; HEADER], at: usize) -> Fourcc {
    Fourcc([body[at], body[at + 1], body[at + 2], body[at + 3]])
}

/// The head of a chunk; `RIFF` and `LIST` include the type of the list. The input is behind the part that has been
/// read.
struct RiffChunk {
    id: [u8; 4],
    len: u32,
    list: Option<[u8; 4]>,
}

impl RiffChunk {
    /// Reads the beginning of the body and skips the rest; missing bytes keep their values.
    fn read(&self, input: &mut (impl Read + Seek), body: &mut [u8; HEADER]) -> io::Result<()> {
        let len = body.len().min(self.len as usize);
        if read_exact(input, &mut body[..len])?.is_some() {
            let rest = u64::from(self.len) - len as u64;
            skip(input, rest + u64::from(self.len % 2))?;
        }
        Ok(())
    }

    fn skip(&self, input: &mut (impl Read + Seek)) -> io::Result<()> {
        let read = if self.list.is_some() { 4 } else { 0 };
        skip(input, u64::from(self.len).saturating_sub(read) + u64::from(self.len % 2))
    }
}

/// The next chunk's head; `None` at the end.
fn chunk(input: &mut impl Read) -> io::Result<Option<RiffChunk>> {
    let mut head = [0; 8];
    if read_exact(input, &mut head)?.is_none() {
        return Ok(None);
    }
    let id = [head[0], head[1], head[2], head[3]];
    let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let mut list = None;
    if matches!(&id, b"RIFF" | b"LIST") {
        let mut kind = [0; 4];
        if read_exact(input, &mut kind)?.is_none() {
            return Ok(None);
        }
        list = Some(kind);
    }
    Ok(Some(RiffChunk { id, len, list }))
}

/// Fills `bytes`; `None` if the input ends before that.
fn read_exact(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<Option<()>> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(Some(())),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

/// Skips `len` bytes; a position beyond the end acts as the end.
fn skip(input: &mut impl Seek, len: u64) -> io::Result<()> {
    // Chunks are shorter than 4 GiB, so it fits.
    input.seek_relative(i64::try_from(len).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = [&id[..], &(body.len() as u32).to_le_bytes(), body].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    fn list(id: &[u8; 4], kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
        chunk(id, &[&kind[..], &parts.concat()].concat())
    }

    fn stream(kind: &[u8; 4], codec: &[u8; 4]) -> Vec<u8> {
        let mut strh = [&kind[..], codec, &[0; 48]].concat();
        strh[20..24].copy_from_slice(&2u32.to_le_bytes());
        strh[24..28].copy_from_slice(&50u32.to_le_bytes());
        let mut strf = vec![0; 40];
        strf[4..8].copy_from_slice(&640u32.to_le_bytes());
        strf[8..12].copy_from_slice(&480u32.to_le_bytes());
        strf[16..20].copy_from_slice(codec);
        list(b"LIST", b"strl", &[chunk(b"strh", &strh), chunk(b"strf", &strf)])
    }

    /// Sound, then video; frames in a list of records, and in a second RIFF.
    fn clip() -> Vec<u8> {
        let hdrl = list(
            b"LIST",
            b"hdrl",
            &[chunk(b"avih", &[0; 56]), stream(b"auds", b"\x01\0\0\0"), stream(b"vids", b"MJPG")],
        );
        let records = list(
            b"LIST",
            b"rec ",
            &[chunk(b"00wb", b"sound"), chunk(b"01dc", b"one"), chunk(b"ix01", &[7; 9])],
        );
        let movi = list(b"LIST", b"movi", &[records, chunk(b"01dc", b""), chunk(b"01db", b"two!")]);
        let first = list(
            b"RIFF",
            b"AVI ",
            &[hdrl, list(b"LIST", b"INFO", &[chunk(b"ISFT", b"us")]), movi, chunk(b"idx1", &[1; 33])],
        );
        let second = list(b"RIFF", b"AVIX", &[list(b"LIST", b"movi", &[chunk(b"01dc", b"three")])]);
        [first, second].concat()
    }

    fn play(clip: &[u8]) -> Result<Vec<String>, ContainerError> {
        let mut reader = AviReader::open(Cursor::new(clip))?;
        let mut picture = Vec::new();
        let mut pictures = Vec::new();
        while reader.next(&mut picture)? {
            pictures.push(String::from_utf8_lossy(&picture).into_owned());
        }
        Ok(pictures)
    }

    #[test]
    fn pictures_come_in_order_from_all_parts() {
        assert_eq!(play(&clip()).unwrap(), ["one", "", "two!", "three"]);
        let mut reader = AviReader::open(Cursor::new(clip())).unwrap();
        let step = Some(Duration::from_millis(40));
        assert_eq!(*reader.video(), Video { width: 640, height: 480, step, stream: 1 });
        let mut picture = Vec::new();
        while reader.next(&mut picture).unwrap() {}
        reader.rewind().unwrap();
        assert!(reader.next(&mut picture).unwrap());
        assert_eq!(picture, b"one");
    }

    #[test]
    fn a_clip_cut_off_plays_as_far_as_it_goes() {
        let whole = clip();
        let all = play(&whole).unwrap();
        let headers = whole.windows(4).position(|four| four == b"movi").unwrap() + 4;
        for len in 0..whole.len() {
            match play(&whole[..len]) {
                Ok(pictures) => assert_eq!(pictures, all[..pictures.len()], "{len} bytes"),
                Err(error) => match error.to_string().as_str() {
                    "not an AVI" => assert!(len < 12),
                    "no video is in it" => assert!(len < headers),
                    other => panic!("{len} bytes: {other}"),
                },
            }
        }
    }

    #[test]
    fn other_video_is_named() {
        let hdrl = list(b"LIST", b"hdrl", &[stream(b"vids", b"FMP4")]);
        let clip = list(b"RIFF", b"AVI ", &[hdrl, list(b"LIST", b"movi", &[])]);
        assert_eq!(play(&clip).unwrap_err().to_string(), "its video is FMP4, not MJPEG");
        let hdrl = list(b"LIST", b"hdrl", &[stream(b"auds", b"\x01\0\0\0")]);
        let clip = list(b"RIFF", b"AVI ", &[hdrl, list(b"LIST", b"movi", &[])]);
        assert_eq!(play(&clip).unwrap_err().to_string(), "no video is in it");
        assert_eq!(play(b"RIFF\0\0\0\0WAVEfmt ").unwrap_err().to_string(), "not an AVI");
    }

    #[test]
    fn interlaced_video_is_refused() {
        // A JPEG of 640×240 as far as its first scan.
        let mut field = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 240, 2, 128, 1, 1, 0x11, 0];
        field.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 7, 7, 0xff, 0xd9]);
        let clip = |jpeg: &[u8]| {
            let hdrl = list(b"LIST", b"hdrl", &[stream(b"vids", b"MJPG")]);
            let movi = list(b"LIST", b"movi", &[chunk(b"00dc", &jpeg.repeat(2))]);
            list(b"RIFF", b"AVI ", &[hdrl, movi])
        };
        let refused = play(&clip(&field)).unwrap_err().to_string();
        assert_eq!(refused, "its video is interlaced, two fields of 640×240 a frame");
        field[7..9].copy_from_slice(&[1, 224]);
        assert_eq!(play(&clip(&field)).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(changes in prop::collection::vec((0usize..700, any::<u8>()), 0..20)) {
            let mut bytes = clip();
            for (at, value) in changes {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            let _ = play(&bytes);
        }
    }
}
