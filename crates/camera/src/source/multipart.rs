//! Extracts JPEGs from a stream of bytes: `multipart/x-mixed-replace` (RFC 2046 §5.1), or JPEGs one after another
//! with anything in between.
//!
//! Cameras get multipart wrong in every possible way: other boundaries than announced, missing or wrong lengths, line
//! ends without CR, parts without headers. A JPEG marks its own beginning and end, so those decide, and boundaries
//! are ignored. Three lines of the text between JPEGs are used. `Content-Length` gives the end of a JPEG whose markers
//! cannot be followed, and `X-Timestamp` the capture time. A part whose `Content-Type` is no image, and that does not
//! begin as a JPEG, is passed over by its length: it may contain anything.
//!
//! Pure: no socket, no clock. Any split of a stream into pushes gives the same steps, and each byte is examined once.
//! Memory is bounded by `max_picture` bytes, [`MAX_HEAD`] and the last push, if every push is followed by steps until
//! [`Step::More`].

use std::ops::Range;

use memchr::memmem;

use crate::media::jpeg::{EndSearch, JpegError};
use crate::media::{Fourcc, Frame};
use tallycam_base::ClockTime;

/// Maximum distance in bytes between a JPEG and its `Content-Length`.
pub const MAX_HEAD: usize = 8 << 10;

/// Bytes without the beginning of a JPEG after which the stream is noise.
pub(crate) const MAX_BETWEEN: usize = 1 << 20;

/// Default maximum size of a JPEG in bytes.
pub const MAX_PICTURE: usize = 32 << 20;

/// A larger buffer is freed once it is empty. Bytes.
const KEPT_BUFFER: usize = 4 << 20;

/// The beginning of a JPEG: SOI, and the first byte of the marker that must follow.
const BEGINNING: &[u8] = &[0xff, 0xd8, 0xff];

/// The next item of the stream. [`MultipartReader::bytes`] lends its range until the next push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A complete JPEG, from SOI to EOI (with its padding, if a correct length includes it).
    Picture(Range<usize>),
    /// The beginning of a JPEG without a proper end: its bytes as far as they go. The stream continues after them.
    Broken(Range<usize>, PartError),
    /// `MAX_BETWEEN` bytes passed without the beginning of a JPEG.
    Noise,
    /// All pushed bytes have been examined.
    More,
}

/// Why a part is no JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// Invalid markers; most often the beginning of the next JPEG, because this one was truncated.
    #[error("a picture was cut short or is corrupt")]
    Corrupt,
    /// It has no end within the limit.
    #[error("a picture has more than {limit} bytes")]
    TooBig {
        /// The limit in bytes.
        limit: usize,
    },
}

/// The newest JPEG of the pushed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its bytes, for [`MultipartReader::bytes`]. Faulty ones are lent too, as far as they go, so that they count as
    /// broken frames.
    pub range: Range<usize>,
    /// Number of JPEGs found, including this one.
    pub found: u64,
    /// The fault of the last faulty one.
    pub error: Option<PartError>,
}

/// The stream is noise: `MAX_BETWEEN` bytes passed without the beginning of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_BETWEEN} bytes came and no JPEG began in them")]
pub struct Noise;

/// The reader; see the module.
#[derive(Debug)]
pub struct MultipartReader {
    /// The first `filled` bytes belong to the stream; the rest is free.
    buffer: Vec<u8>,
    filled: usize,
    place: ParserState,
    max_picture: usize,
    told_us: Option<u64>,
}

/// Parser state with offsets into the buffer.
#[derive(Debug)]
enum ParserState {
    /// Between JPEGs: examined up to `at`, which is `passed` bytes after the last JPEG.
    Between { at: usize, passed: usize },
    /// In a part without a JPEG: examined up to `at`, and `left` bytes of it are to come.
    Skipping { at: usize, left: usize },
    /// In a JPEG that begins at `at`.
    Inside { at: usize, search: EndSearch, announced: Option<usize>, corrupt: Option<usize> },
}

impl MultipartReader {
    /// A reader of JPEGs of at most `max_picture` bytes.
    pub fn new(max_picture: usize) -> MultipartReader {
        MultipartReader {
            buffer: Vec::new(),
            filled: 0,
            place: ParserState::Between { at: 0, passed: 0 },
            max_picture,
            told_us: None,
        }
    }

    /// Capture time of the last JPEG in microseconds since 1970, if its header states it
    /// (`X-Timestamp: 1763650382.123456`, as µStreamer and this program write it).
    pub fn captured_us(&self) -> Option<u64> {
        self.told_us
    }

    /// Appends bytes of the stream, with the only copy. Invalidates ranges for [`MultipartReader::bytes`].
    pub fn push(&mut self, run: &[u8]) {
        self.read_buffer(run.len())[..run.len()].copy_from_slice(run);
        self.filled += run.len();
    }

    /// Room for at least `len` bytes of the stream; call [`MultipartReader::fill`] afterwards. Invalidates ranges for
    /// [`MultipartReader::bytes`].
    pub fn read_buffer(&mut self, len: usize) -> &mut [u8] {
        self.shift_to_front();
        let wanted = self.filled + len;
        if self.buffer.len() < wanted {
            let grown = wanted.max((2 * self.buffer.len()).min(self.max_picture + len));
            self.buffer.resize(grown, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// Appends the first `len` bytes of the last [`MultipartReader::read_buffer`] to the stream.
    pub fn fill(&mut self, len: usize) {
        self.filled = (self.filled + len).min(self.buffer.len());
    }

    /// The bytes of a [`Step`].
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Ends the stream; another may follow. Returns the bytes of a truncated JPEG, if there is one.
    pub(crate) fn finish_stream(&mut self) -> Option<Range<usize>> {
        let place = std::mem::replace(&mut self.place, ParserState::Between { at: self.filled, passed: 0 });
        match place {
            ParserState::Inside { at, .. } => Some(at..self.filled),
            ParserState::Between { .. } | ParserState::Skipping { .. } => None,
        }
    }

    /// Advances to the next item.
    pub fn next_step(&mut self) -> Step {
        self.skip_other_parts();
        if let ParserState::Between { at, passed } = self.place {
            let left = MAX_BETWEEN - passed;
            // A beginning may start at the final byte allowed.
            let until = self.filled.min(at + left + BEGINNING.len() - 1);
            match memmem::find(&self.buffer[at..until], BEGINNING) {
                Some(found) => {
                    let head = at + found - (passed + found).min(MAX_HEAD);
                    let head = &self.buffer[head..at + found];
                    let announced = content_length(head).filter(|length| *length <= self.max_picture);
                    self.told_us = timestamp(head);
                    let search = EndSearch::new();
                    self.place = ParserState::Inside { at: at + found, search, announced, corrupt: None };
                }
                None => {
                    let looked = (until - at).saturating_sub(BEGINNING.len() - 1);
                    if looked == left {
                        self.place = ParserState::Between { at: at + looked, passed: 0 };
                        return Step::Noise;
                    }
                    self.place = ParserState::Between { at: at + looked, passed: passed + looked };
                    return Step::More;
                }
            }
        }
        let ParserState::Inside { at, search, announced, corrupt } = &mut self.place else {
            return Step::More;
        };
        let at = *at;
        let bytes = &self.buffer[at..self.filled];
        let bytes = &bytes[..bytes.len().min(self.max_picture)];
        let (len, error) = match Self::picture_len(bytes, search, corrupt, *announced) {
            Some(end) => end,
            None if bytes.len() == self.max_picture => {
                (bytes.len(), Some(PartError::TooBig { limit: self.max_picture }))
            }
            None => return Step::More,
        };
        self.place = ParserState::Between { at: at + len, passed: 0 };
        match error {
            None => Step::Picture(at..at + len),
            Some(error) => Step::Broken(at..at + len, error),
        }
    }

    /// Passes over the parts that say that they have no JPEG, as far as they are there.
    fn skip_other_parts(&mut self) {
        loop {
            match self.place {
                ParserState::Between { at, passed } => {
                    let from = at - passed.min(MAX_HEAD);
                    let until = self.filled.min(at + MAX_BETWEEN - passed);
                    let next =
                        memmem::find(&self.buffer[at..until], BEGINNING).map_or(until, |next| at + next);
                    let Some((body, left)) = other_part(&self.buffer[from..self.filled], next - from) else {
                        return;
                    };
                    self.place = ParserState::Skipping { at: from + body, left };
                }
                ParserState::Skipping { at, left } => {
                    let here = left.min(self.filled - at);
                    let (at, left) = (at + here, left - here);
                    if left > 0 {
                        self.place = ParserState::Skipping { at, left };
                        return;
                    }
                    self.place = ParserState::Between { at, passed: 0 };
                }
                ParserState::Inside { .. } => return,
            }
        }
    }

    /// A JPEG found here as a frame. Its own header tells its size.
    pub fn frame(&self, range: Range<usize>, stamp: ClockTime, sequence: u64) -> Frame<'_> {
        let (fourcc, data) = (Fourcc::MJPG, self.bytes(range));
        Frame { fourcc, width: 0, height: 0, stride: 0, data, second: None, stamp, sequence }
    }

    /// Takes all steps up to [`Step::More`] and returns the newest complete JPEG, or a faulty one if there was no
    /// complete one.
    ///
    /// # Errors
    /// [`Noise`], if there was noise and no JPEG.
    pub fn newest(&mut self) -> Result<Option<Newest>, Noise> {
        let mut newest: Option<Newest> = None;
        let mut noise = false;
        loop {
            let (range, error) = match self.next_step() {
                Step::Picture(range) => (range, None),
                Step::Broken(range, error) => (range, Some(error)),
                Step::Noise => {
                    noise = true;
                    continue;
                }
                Step::More if noise && newest.is_none() => return Err(Noise),
                Step::More => return Ok(newest),
            };
            newest = Some(match newest {
                Some(Newest { range: whole, found, error: None }) if error.is_some() => {
                    Newest { range: whole, found: found + 1, error }
                }
                Some(Newest { found, error: before, .. }) => {
                    Newest { range, found: found + 1, error: error.or(before) }
                }
                None => Newest { range, found: 1, error },
            });
        }
    }

    /// The length of the JPEG at the beginning of `bytes`, and its fault; `None` if it is incomplete.
    fn picture_len(
        bytes: &[u8],
        search: &mut EndSearch,
        corrupt: &mut Option<usize>,
        announced: Option<usize>,
    ) -> Option<(usize, Option<PartError>)> {
        let at = match *corrupt {
            Some(at) => at,
            None => match search.advance(bytes) {
                Ok(Some(len)) => return Some((len, None)),
                Ok(None) => return None,
                Err(JpegError::Corrupt { at }) => *corrupt.insert(at),
                Err(_) => *corrupt.insert(BEGINNING.len() - 1),
            },
        };
        // The markers make no sense. An announced end before that, with a boundary after it, counts; the decoder sees
        // whether the data are complete.
        let has_boundary =
            |length: &usize| bytes.get(*length..at).is_some_and(|behind| behind.starts_with(b"\r\n--"));
        if let Some(length) = announced.filter(|length| *length > BEGINNING.len() && has_boundary(length)) {
            return Some((length, None));
        }
        // The announced length may help, unless the next JPEG begins there.
        let next_begins = bytes[at..].starts_with(&BEGINNING[..2]);
        if let Some(length) = announced.filter(|length| !next_begins && *length > at) {
            let part = bytes.get(..length)?;
            if trim_trailing_zeros(part).ends_with(&[0xff, 0xd9]) {
                return Some((length, None));
            }
        }
        Some((at, Some(PartError::Corrupt)))
    }

    /// Moves the needed bytes to the front: usually less than a push.
    fn shift_to_front(&mut self) {
        let from = match &mut self.place {
            ParserState::Inside { at, .. } | ParserState::Skipping { at, .. } => std::mem::take(at),
            ParserState::Between { at, passed } => {
                let kept = (*passed).min(MAX_HEAD);
                let from = *at - kept;
                *at = kept;
                from
            }
        };
        if from > 0 {
            self.buffer.copy_within(from..self.filled, 0);
            self.filled -= from;
        }
        if self.buffer.len() > KEPT_BUFFER && self.filled < KEPT_BUFFER / 4 {
            self.buffer.truncate(KEPT_BUFFER / 4);
            self.buffer.shrink_to_fit();
        }
    }
}

fn trim_trailing_zeros(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    &bytes[..len]
}

/// Beginning and length of the first part that says that it is no image. Its header is in the first `most` bytes. Two
/// bytes of it must be there, too.
fn other_part(bytes: &[u8], most: usize) -> Option<(usize, usize)> {
    let head = &bytes[..most];
    let mut from = 0;
    loop {
        let lines = memmem::find_iter(&head[from..], b"\n");
        let blank = lines.map(|end| from + end + 1).find_map(|next| match head.get(next..)? {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        })?;
        let block = &head[from..blank];
        if is_other_type(value(block, b"content-type:").unwrap_or("image"))
            && let Some(length) = content_length(block)
            && begins_otherwise(&bytes[blank..])?
        {
            return Some((blank, length));
        }
        from = blank;
    }
}

/// True if the first two bytes after any line breaks are not those of a JPEG; `None` if they are not there yet.
fn begins_otherwise(body: &[u8]) -> Option<bool> {
    let from = body.iter().position(|byte| !b"\r\n".contains(byte))?;
    Some(body.get(from..from + 2)? != &BEGINNING[..2])
}

/// True for a type of neither an image nor parts, by any of its names.
fn is_other_type(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    !["image", "multipart", "jp"].iter().any(|part| kind.contains(part))
}

/// The length announced in a part's header.
fn content_length(head: &[u8]) -> Option<usize> {
    value(head, b"content-length:")?.parse().ok()
}

/// The capture time in a part's header; `None` if it is missing or invalid.
fn timestamp(head: &[u8]) -> Option<u64> {
    let seconds: f64 = value(head, b"x-timestamp:")?.parse().ok()?;
    // Up to the year 5138.
    (1.0..1e11).contains(&seconds).then_some((seconds * 1e6).round() as u64)
}

/// The value of the last line with this name (in lower case) in a part's header.
pub(super) fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let line = head
        .rsplit(|&b| b == b'\n')
        .find(|line| line.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name)))?;
    Some(std::str::from_utf8(&line[name.len()..]).ok()?.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    /// The smallest JPEG that the marker walk accepts, with `n` to tell it apart.
    fn picture(n: u8, len: usize) -> Vec<u8> {
        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, n, 0xff, 0xda, 0, 2];
        jpeg.extend((0..len).map(|i| (i % 250) as u8));
        jpeg.extend([0xff, 0xd9]);
        jpeg
    }

    #[test]
    fn a_part_may_state_its_time() {
        let mut reader = MultipartReader::new(1000);
        for (lines, want) in [
            ("--frame\r\nX-Timestamp: 1763650382.123456\r\n\r\n", Some(1_763_650_382_123_456)),
            ("\r\n--frame\r\nContent-Length: 15\r\n\r\n", None),
            ("x-timestamp:7\n", Some(7_000_000)),
            ("X-Timestamp: -1\r\n", None),
            ("X-Timestamp: inf\r\n", None),
            ("X-Timestamp: noon\r\n", None),
            ("", None),
        ] {
            reader.push(&[lines.as_bytes(), &picture(1, 3)].concat());
            assert!(matches!(reader.next_step(), Step::Picture(_)), "{lines}");
            assert_eq!(reader.captured_us(), want, "{lines}");
        }
    }

    /// All items found in `stream` when it comes in runs of `run` bytes.
    fn all(stream: &[u8], run: usize, max: usize) -> Vec<(Vec<u8>, Option<PartError>)> {
        let mut reader = MultipartReader::new(max);
        let mut found = Vec::new();
        for run in stream.chunks(run.max(1)) {
            reader.push(run);
            loop {
                match reader.next_step() {
                    Step::Picture(range) => found.push((reader.bytes(range).to_vec(), None)),
                    Step::Broken(range, e) => found.push((reader.bytes(range).to_vec(), Some(e))),
                    Step::Noise => found.push((Vec::new(), None)),
                    Step::More => break,
                }
            }
            assert!(reader.filled <= max + MAX_HEAD + run.len(), "{} bytes are kept", reader.filled);
        }
        found
    }

    fn pictures(stream: &[u8]) -> Vec<Vec<u8>> {
        let whole = all(stream, stream.len(), 1 << 20);
        for run in [1, 2, 3, 7, 64] {
            assert_eq!(all(stream, run, 1 << 20), whole, "in runs of {run}");
        }
        whole.into_iter().filter(|(_, error)| error.is_none()).map(|(bytes, _)| bytes).collect()
    }

    fn part(head: &str, picture: &[u8], tail: &str) -> Vec<u8> {
        [head.as_bytes(), picture, tail.as_bytes()].concat()
    }

    #[test]
    fn parts_of_many_cameras() {
        let (a, b) = (picture(1, 100), picture(2, 300));
        let (m, n) = (a.len(), b.len());
        for (head, tail) in [
            (
                "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: LEN\r\nX-Timestamp: 1.5\r\n\r\n",
                "\r\n",
            ),
            ("--frame\nContent-type:image/jpeg\nCONTENT-LENGTH:LEN\n\n", "\n"),
            ("--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n"),
            ("----other boundary\r\nContent-Length: LEN\r\n\r\n", ""),
            ("--frame\r\nContent-Length: 7\r\n\r\n", "\r\n"),
            ("--frame\r\nContent-Length: 999\r\n\r\n", "\r\n"),
            ("--frame\r\nContent-Length: -1\r\nContent-Length: 99999999999999999999\r\n\r\n", "\r\n"),
            ("--frame\r\n\r\n", "\r\n"),
            ("--frame\r\n", ""),
            ("", ""),
            ("preamble", "epilogue\0\0\0"),
        ] {
            let mut stream = part(&head.replace("LEN", &m.to_string()), &a, tail);
            stream.extend(part(&head.replace("LEN", &n.to_string()), &b, tail));
            assert_eq!(pictures(&stream), [a.clone(), b.clone()], "{head:?}");
        }
    }

    #[test]
    fn a_length_helps_where_markers_do_not() {
        // An unstuffed marker in the scan, as a few cameras write; browsers show it all the same.
        let mut odd = picture(1, 100);
        odd[50..52].copy_from_slice(&[0xff, 0x02]);
        let good = picture(2, 10);
        let with_length = format!("--b\r\nContent-Length: {}\r\n\r\n", odd.len());
        let stream = [part(&with_length, &odd, "\r\n"), good.clone()].concat();
        assert_eq!(pictures(&stream), [odd.clone(), good.clone()]);
        let stream = [part("--b\r\n\r\n", &odd, "\r\n"), good.clone()].concat();
        assert!(pictures(&stream).ends_with(std::slice::from_ref(&good)));
    }

    #[test]
    fn the_jpeg_after_a_truncated_one_is_found() {
        let (a, b) = (picture(1, 100), picture(2, 100));
        let head = format!("\r\n--b\r\nContent-Length: {}\r\n\r\n", a.len());
        for cut in 20..a.len() {
            let stream = [part(&head, &a[..cut], ""), part(&head, &b, "")].concat();
            let found = all(&stream, 16, 1 << 20);
            assert_eq!(found.len(), 2, "cut at {cut}");
            assert_eq!(found[0].1, Some(PartError::Corrupt));
            assert_eq!(found[1], (b.clone(), None));
        }
    }

    #[test]
    fn the_jpeg_after_an_oversized_one_is_found() {
        let (giant, good) = (picture(1, 5000), picture(2, 100));
        let found = all(&[giant, good.clone()].concat(), 99, 1000);
        assert_eq!(found[0].1, Some(PartError::TooBig { limit: 1000 }));
        assert_eq!(found[1..], [(good, None)]);
    }

    #[test]
    fn noise_is_reported_and_not_kept() {
        let good = picture(2, 100);
        for before in [MAX_BETWEEN - 1, MAX_BETWEEN, MAX_BETWEEN + 1, 3 * MAX_BETWEEN - 1] {
            let stream = [vec![b'x'; before], good.clone()].concat();
            for run in [4096, stream.len()] {
                let found = all(&stream, run, 1 << 20);
                assert_eq!(found.len(), before / MAX_BETWEEN + 1, "{before} bytes in runs of {run}");
                assert_eq!(found.last(), Some(&(good.clone(), None)));
            }
        }
        let mut reader = MultipartReader::new(MAX_PICTURE);
        for _ in 0..1000 {
            reader.push(&[b'x'; 4096]);
            while reader.next_step() != Step::More {}
            assert!(reader.buffer.len() < 64 << 10);
        }
    }

    #[test]
    fn memory_of_a_large_jpeg_is_freed() {
        let mut reader = MultipartReader::new(MAX_PICTURE);
        reader.push(&picture(1, 8 << 20));
        assert!(matches!(reader.next_step(), Step::Picture(_)));
        for n in 0..2 {
            reader.push(&picture(n, 100));
            assert!(matches!(reader.next_step(), Step::Picture(_)));
        }
        assert!(reader.buffer.capacity() <= KEPT_BUFFER);
    }

    #[test]
    fn the_newest_complete_jpeg_is_returned() {
        let mut reader = MultipartReader::new(1 << 20);
        let (a, b) = (picture(1, 10), picture(2, 20));
        assert_eq!(reader.newest(), Ok(None));
        reader.push(&[a.clone(), b.clone(), a[..20].to_vec(), b[..5].to_vec()].concat());
        let newest = reader.newest().unwrap().unwrap();
        assert_eq!(reader.bytes(newest.range), b);
        assert_eq!((newest.found, newest.error), (3, Some(PartError::Corrupt)));
        let cut = reader.finish_stream().unwrap();
        assert_eq!(reader.bytes(cut), &b[..5]);
        assert_eq!((reader.finish_stream(), reader.newest()), (None, Ok(None)));
        reader.push(&[b'x'; MAX_BETWEEN + 10]);
        assert_eq!(reader.newest(), Err(Noise));
        reader.push(&a[..20]);
        reader.push(&a);
        let newest = reader.newest().unwrap().unwrap();
        assert_eq!((newest.found, newest.error), (2, Some(PartError::Corrupt)));
        assert_eq!(reader.bytes(newest.range), a);
    }

    #[test]
    fn other_parts_are_passed_over_by_their_length() {
        let (a, b) = (picture(1, 30), picture(2, 30));
        let part = |kind: &str, body: &[u8]| {
            let head = format!("--f\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), body, b"\r\n"].concat()
        };
        let meta = [&b"META\xff\xd8\xff\xe0"[..], &[0x11; 300]].concat();
        for (kind, body, found) in [
            ("application/octet-stream", &meta, 2),
            ("text/xml", &meta, 2),
            // The bytes decide.
            ("application/octet-stream", &b, 3),
            ("video/mjpg", &b, 3),
        ] {
            let stream = [part("image/jpeg", &a), part(kind, body), part("image/jpeg", &a)].concat();
            for run in [1, 7, 100, 10_000] {
                let all = all(&stream, run, 2000);
                assert_eq!(all.len(), found, "{kind} in runs of {run}");
                assert!(all.iter().all(|(_, error)| error.is_none()), "{kind} in runs of {run}");
            }
        }
    }

    /// Found by lot: whether such a part begins like a JPEG was judged by the bytes before the next JPEG alone.
    #[test]
    fn a_part_of_another_type_is_passed_over_in_any_split() {
        let head = b"\r\nContent-Type: a/b\nContent-Length: 100\n\n";
        let stream = [&picture(1, 60)[..], head, b"\xff", &picture(2, 0), &picture(3, 120)].concat();
        for run in [1, 2, 3, 50] {
            assert_eq!(all(&stream, run, 200), all(&stream, stream.len(), 200), "in runs of {run}");
        }
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            (any::<u8>(), 0usize..80).prop_map(|(n, len)| picture(n, len)),
            (any::<u8>(), 0usize..80, 0usize..90).prop_map(|(n, len, cut)| {
                let jpeg = picture(n, len);
                jpeg[..cut.min(jpeg.len())].to_vec()
            }),
            (0usize..300).prop_map(|n| format!("\r\n--b\r\nContent-Length: {n}\r\n\r\n").into_bytes()),
            (0usize..300)
                .prop_map(|n| format!("\r\nContent-Type: a/b\nContent-Length: {n}\n\n").into_bytes()),
            prop::collection::vec(prop_oneof![Just(0xffu8), Just(0xd8), Just(0xda), any::<u8>()], 0..20),
        ]
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            pieces in prop::collection::vec(piece(), 0..12), run in 1usize..200, max in 20usize..400,
        ) {
            let stream = pieces.concat();
            prop_assert_eq!(all(&stream, run, max), all(&stream, stream.len(), max));
        }
    }
}
