//! Reads the pictures of an MP4 or a QuickTime film (MOV) with Motion JPEG video: ISO/IEC 14496-12 and Apple's
//! "QuickTime File Format Specification", with times, edit list and creation date.
//!
//! The input is read forwards, once. What has to be read out of order goes into a spool file: the index (`moov`), and
//! the pictures where they come before it or are not in order. The index is read from there through small buffers, so
//! memory does not grow with the film, whatever its tables claim.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;

use crate::media::Fourcc;

/// Seconds from 1904, where the format's times begin, to 1970.
const SINCE_1904: u64 = 2_082_844_800;
/// A creation date before this, in seconds since 1970, is that of a clock that was not set.
const YEAR: u64 = 366 * 86_400;
/// A sample of more bytes than this is no picture.
const MAX_PICTURE: u64 = 32 << 20;
/// Bytes of a table that are in memory.
const RUN: usize = 16 << 10;
/// The disk's room is looked at each time so many bytes more are kept on it.
const LOOK_EVERY: u64 = 16 << 20;
/// A picture that is shown for longer than this many units has a broken duration: players take the number for signed.
const LONGEST: u32 = i32::MAX as u32;
/// No time is later than this, in microseconds: the end of the year 9999.
const LATEST_US: u64 = 253_402_300_799_000_000;
/// The object type of JPEG in ISO/IEC 14496-1.
const OBJECT_JPEG: u8 = 0x6c;

/// Why a film cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    /// There is no `moov`.
    #[error("its index (moov) is missing, as in a recording that was never finished")]
    NoIndex,
    /// The index is spread over the film.
    #[error("it is a fragmented MP4; `ffmpeg -i CLIP -c copy CLIP.mov` puts its pieces together")]
    Fragmented,
    /// The index is packed (`cmov`).
    #[error("its index is compressed; `ffmpeg -i CLIP -c copy CLIP.mov` unpacks it")]
    Compressed,
    /// There is no video track.
    #[error("no video is in it")]
    NoVideo,
    /// The video is not Motion JPEG.
    #[error("its video is {0}, not Motion JPEG")]
    Codec(String),
    /// The index contradicts itself.
    #[error("its index is damaged: {0}")]
    Damaged(&'static str),
    /// The film cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The spool file cannot be written or read.
    #[error("it cannot be set aside while it is read: {0}")]
    Spool(io::Error),
}

/// Reads one picture after the other.
#[derive(Debug)]
pub struct Mp4Reader<R> {
    input: R,
    /// How far the input has been read.
    at: u64,
    spool: Spool,
    /// The pictures come from the input as it goes on, not from the spool file.
    is_forward: bool,
    track: Track,
    created_us: Option<u64>,
    /// Bytes of pictures that can still come: a sample that lies where another one does is not a film's.
    budget: u64,
}

impl<R: Read> Mp4Reader<R> {
    /// Reads the index. `spool`: an empty file that nobody else uses.
    ///
    /// # Errors
    /// [`Mp4Error`].
    pub fn open(input: R, spool: File) -> Result<Mp4Reader<R>, Mp4Error> {
        let mut scan =
            Scan { input, at: 0, spool: Spool { file: spool, base: 0, len: 0 }, is_spooling: false };
        let mut movie: Option<Movie> = None;
        let mut is_forward = false;
        loop {
            let (name, len) = match scan.head() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                // Some bytes behind a whole film, as recorders and tools for repair leave them.
                Err(Mp4Error::Damaged(_)) if movie.is_some() => break,
                Err(error) => return Err(error),
            };
            match &name {
                b"moov" if movie.is_none() => {
                    scan.start_spooling();
                    let from = scan.at;
                    if len == u64::MAX || scan.skip(len)? < len {
                        return Err(Mp4Error::NoIndex);
                    }
                    movie = Some(Movie::read(&scan.spool, Region { at: from, end: from + len })?);
                }
                b"mdat" => {
                    if let Some(movie) = &movie
                        && movie.track.places.clone().are_ascending_from(&scan.spool, scan.at)?
                    {
                        is_forward = true;
                        break;
                    }
                    scan.start_spooling();
                    scan.skip(len)?;
                }
                b"moof" if movie.as_ref().is_none_or(|movie| movie.track.sizes.left == 0) => {
                    return Err(Mp4Error::Fragmented);
                }
                _ => drop(scan.skip(len)?),
            }
        }
        let Movie { track, created_us } = movie.ok_or(Mp4Error::NoIndex)?;
        let Scan { input, at, spool, .. } = scan;
        let budget = if is_forward { u64::MAX } else { spool.len };
        Ok(Mp4Reader { input, at, spool, is_forward, track, created_us, budget })
    }

    /// When it was made, in microseconds since 1970, where it says so: the time of its beginning.
    pub fn created_us(&self) -> Option<u64> {
        self.created_us
    }

    /// Reads the next picture into `picture`; from when until when it is shown, in microseconds from the film's
    /// beginning. An empty one had more than 32 MiB. `None` at the end; a film that is cut off ends early.
    ///
    /// # Errors
    /// [`Mp4Error`].
    pub fn next(&mut self, picture: &mut Vec<u8>) -> Result<Option<(u64, u64)>, Mp4Error> {
        picture.clear();
        while let Some(Sample { at, len, shown_us }) = self.track.next(&self.spool)? {
            let Some(budget) = self.budget.checked_sub(len) else { return Ok(None) };
            self.budget = budget;
            let is_wanted = shown_us.is_some() && len <= MAX_PICTURE;
            if self.is_forward {
                // What is left out is read over at once, so that an index that tells of more than there is ends with the input.
                let Some(before) = at.checked_sub(self.at) else { return Ok(None) };
                let over = if is_wanted { before } else { before.saturating_add(len) };
                let passed = io::copy(&mut self.input.by_ref().take(over), &mut io::sink())?;
                self.at = self.at.saturating_add(passed);
                if passed < over {
                    return Ok(None);
                }
            }
            let Some(shown_us) = shown_us else { continue };
            if !is_wanted {
                return Ok(Some(shown_us));
            }
            if self.is_forward {
                let read = self.input.by_ref().take(len).read_to_end(picture)? as u64;
                self.at = self.at.saturating_add(read);
                if read < len {
                    return Ok(None);
                }
            } else {
                let end = self.spool.base + self.spool.len;
                if at < self.spool.base || at.saturating_add(len) > end {
                    return Ok(None);
                }
                picture.resize(len as usize, 0);
                self.spool.read(at, picture)?;
            }
            return Ok(Some(shown_us));
        }
        Ok(None)
    }
}

/// A part of the film that is kept in a file, from `base` on without a hole.
#[derive(Debug)]
struct Spool {
    file: File,
    base: u64,
    len: u64,
}

impl Spool {
    /// The film is to be stored on the same disk: what is kept here leaves room for as much again.
    fn check_free_space(&self) -> Result<(), Mp4Error> {
        let disk = rustix::fs::fstatvfs(&self.file).map_err(|error| Mp4Error::Spool(error.into()))?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < self.len {
            return Err(Mp4Error::Spool(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Fills `into` from this place of the film, as far as there is something; how far.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<usize, Mp4Error> {
        let Some(from) = at.checked_sub(self.base) else { return Ok(0) };
        let len = into.len().min(usize::try_from(self.len.saturating_sub(from)).unwrap_or(usize::MAX));
        self.file.read_exact_at(&mut into[..len], from).map_err(Mp4Error::Spool)?;
        Ok(len)
    }

    /// `N` bytes at the beginning of `region` plus `offset`; `None` where it is shorter.
    fn bytes<const N: usize>(&self, region: Region, offset: u64) -> Result<Option<[u8; N]>, Mp4Error> {
        let mut bytes = [0; N];
        let at = region.at.saturating_add(offset);
        if at.saturating_add(N as u64) > region.end {
            return Ok(None);
        }
        Ok((self.read(at, &mut bytes)? == N).then_some(bytes))
    }

    fn read_u32(&self, region: Region, offset: u64) -> Result<Option<u32>, Mp4Error> {
        Ok(self.bytes(region, offset)?.map(u32::from_be_bytes))
    }

    /// The box at the beginning of `region`, and what follows it.
    fn read_box(&self, region: Region) -> Result<Option<(Box4, Region)>, Mp4Error> {
        let Some(head) = self.bytes::<8>(region, 0)? else { return Ok(None) };
        let [a, b, c, d, name @ ..] = head;
        let (len, head) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (region.end - region.at, 8),
            1 => (self.bytes(region, 8)?.map_or(0, u64::from_be_bytes), 16),
            len => (u64::from(len), 8),
        };
        let end = region.at.saturating_add(len);
        // QuickTime ends lists with four bytes of zero, which are too short for a box.
        if len < head || end > region.end {
            return Ok(None);
        }
        let body = Region { at: region.at + head, end };
        Ok(Some((Box4 { name, body }, Region { at: end, end: region.end })))
    }

    /// The first box of this name in `region`.
    fn find_child(&self, mut region: Region, name: &[u8; 4]) -> Result<Option<Region>, Mp4Error> {
        while let Some((found, rest)) = self.read_box(region)? {
            if found.name == *name {
                return Ok(Some(found.body));
            }
            region = rest;
        }
        Ok(None)
    }
}

#[derive(Debug, Clone, Copy)]
struct Region {
    at: u64,
    end: u64,
}

struct Box4 {
    name: [u8; 4],
    body: Region,
}

/// The input while the index is looked for.
struct Scan<R> {
    input: R,
    at: u64,
    spool: Spool,
    is_spooling: bool,
}

impl<R: Read> Scan<R> {
    /// From here on everything is kept.
    fn start_spooling(&mut self) {
        if !self.is_spooling {
            self.is_spooling = true;
            self.spool.base = self.at;
        }
    }

    /// The next box at the top: its name and the bytes of its body, `u64::MAX` where it lasts to the end.
    fn head(&mut self) -> Result<Option<([u8; 4], u64)>, Mp4Error> {
        let mut head = [0; 8];
        if !self.read_exact_kept(&mut head)? {
            return Ok(None);
        }
        let [a, b, c, d, name @ ..] = head;
        let len = match u32::from_be_bytes([a, b, c, d]) {
            0 => Some(u64::MAX),
            1 => {
                let mut wide = [0; 8];
                if !self.read_exact_kept(&mut wide)? {
                    return Ok(None);
                }
                u64::from_be_bytes(wide).checked_sub(16)
            }
            len => u64::from(len).checked_sub(8),
        };
        len.map(|len| Some((name, len))).ok_or(Mp4Error::Damaged("a box is shorter than its head"))
    }

    /// Fills `bytes`, which are kept, too; `false` where the film ends before.
    fn read_exact_kept(&mut self, bytes: &mut [u8]) -> Result<bool, Mp4Error> {
        match self.input.read_exact(bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.spool_bytes(bytes)?;
        Ok(true)
    }

    fn spool_bytes(&mut self, bytes: &[u8]) -> Result<(), Mp4Error> {
        self.at = self.at.saturating_add(bytes.len() as u64);
        if self.is_spooling {
            self.spool.file.write_all(bytes).map_err(Mp4Error::Spool)?;
            let before = self.spool.len / LOOK_EVERY;
            self.spool.len += bytes.len() as u64;
            if self.spool.len / LOOK_EVERY > before {
                self.spool.check_free_space()?;
            }
        }
        Ok(())
    }

    /// Reads over `len` bytes; how many there were.
    fn skip(&mut self, len: u64) -> Result<u64, Mp4Error> {
        let mut run = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(4 * RUN)];
        let mut passed = 0;
        while passed < len {
            let most = run.len().min(usize::try_from(len - passed).unwrap_or(usize::MAX));
            match self.input.read(&mut run[..most]) {
                Ok(0) => break,
                Ok(read) => {
                    self.spool_bytes(&run[..read])?;
                    passed += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(passed)
    }
}

struct Movie {
    track: Track,
    created_us: Option<u64>,
}

/// What the heads of a movie and of a track's media begin with.
struct Timed {
    created_us: Option<u64>,
    /// Units a second; not 0.
    scale: u32,
}

impl Timed {
    fn read(spool: &Spool, body: Region) -> Result<Timed, Mp4Error> {
        let is_long = spool.bytes(body, 0)? == Some([1]);
        let created = if is_long {
            spool.bytes(body, 4)?.map(u64::from_be_bytes)
        } else {
            spool.read_u32(body, 4)?.map(u64::from)
        };
        let scale = spool.read_u32(body, if is_long { 20 } else { 12 })?.filter(|scale| *scale > 0);
        // Some writers count from 1970; no film is older than that.
        let seconds = created.map(|created| created.checked_sub(SINCE_1904).unwrap_or(created));
        let created_us =
            seconds.filter(|seconds| *seconds >= YEAR).and_then(|seconds| seconds.checked_mul(1_000_000));
        Ok(Timed {
            created_us: created_us.filter(|us| *us <= LATEST_US),
            scale: scale.ok_or(Mp4Error::Damaged("it has no time scale"))?,
        })
    }
}

impl Movie {
    fn read(spool: &Spool, moov: Region) -> Result<Movie, Mp4Error> {
        if spool.find_child(moov, b"cmov")?.is_some() {
            return Err(Mp4Error::Compressed);
        }
        let head = spool.find_child(moov, b"mvhd")?.ok_or(Mp4Error::Damaged("it has no head"))?;
        let head = Timed::read(spool, head)?;
        let is_fragmented = spool.find_child(moov, b"mvex")?.is_some();
        let mut other = None;
        let mut rest = moov;
        while let Some((found, next)) = spool.read_box(rest)? {
            rest = next;
            if found.name != *b"trak" {
                continue;
            }
            let Some(media) = spool.find_child(found.body, b"mdia")? else { continue };
            let handler = spool
                .find_child(media, b"hdlr")?
                .map(|body| spool.bytes::<4>(body, 8))
                .transpose()?
                .flatten();
            if handler != Some(*b"vide") {
                continue;
            }
            let table = spool
                .find_child(media, b"minf")?
                .map(|body| spool.find_child(body, b"stbl"))
                .transpose()?
                .flatten();
            let Some(table) = table else { continue };
            if let Some(codec) = unsupported_codec(spool, table)? {
                other.get_or_insert(codec);
                continue;
            }
            let track = Track::read(spool, found.body, media, table, head.scale)?;
            if track.sizes.left == 0 && is_fragmented {
                return Err(Mp4Error::Fragmented);
            }
            let created_us = match (head.created_us, spool.find_child(media, b"mdhd")?) {
                (None, Some(media)) => Timed::read(spool, media)?.created_us,
                (created_us, _) => created_us,
            };
            return Ok(Movie { track, created_us });
        }
        Err(other.map_or(Mp4Error::NoVideo, Mp4Error::Codec))
    }
}

/// What a track's video is called where it is not Motion JPEG.
fn unsupported_codec(spool: &Spool, table: Region) -> Result<Option<String>, Mp4Error> {
    let entry =
        spool.find_child(table, b"stsd")?.map(|body| Region { at: body.at.saturating_add(8), ..body });
    let entry =
        entry.filter(|entry| entry.at < entry.end).map(|entry| spool.read_box(entry)).transpose()?.flatten();
    let Some((entry, _)) = entry else { return Ok(Some(String::from("not described"))) };
    // Motion JPEG B (`mjpb`) has pictures that are no whole JPEGs.
    let object = match &entry.name {
        b"jpeg" | b"mjpa" | b"MJPG" | b"mjpg" | b"JPEG" | b"AVDJ" | b"dmb1" => return Ok(None),
        b"mp4v" => object_type(spool, entry.body)?,
        _ => None,
    };
    if object == Some(OBJECT_JPEG) {
        return Ok(None);
    }
    let name = match &entry.name {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => "H.264",
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "H.265 (HEVC)",
        b"av01" => "AV1",
        b"vp08" => "VP8",
        b"vp09" => "VP9",
        b"mp4v" => match object {
            Some(0x60..=0x65) => "MPEG-2",
            Some(0x6a) => "MPEG-1",
            Some(0x6d) => "PNG",
            Some(0x6e) => "JPEG 2000",
            _ => "MPEG-4",
        },
        b"mjp2" => "JPEG 2000",
        b"mjpb" => "Motion JPEG B",
        b"s263" | b"h263" | b"H263" => "H.263",
        b"apcn" | b"apch" | b"apcs" | b"apco" | b"ap4h" | b"ap4x" => "ProRes",
        b"png " => "PNG",
        b"raw " | b"2vuy" | b"yuv2" | b"v210" => "uncompressed",
        b"encv" => "encrypted",
        other => return Ok(Some(Fourcc(*other).to_string())),
    };
    Ok(Some(String::from(name)))
}

/// The object type that the `esds` of a sample entry names.
fn object_type(spool: &Spool, entry: Region) -> Result<Option<u8>, Mp4Error> {
    let Some(esds) = spool.find_child(Region { at: entry.at.saturating_add(78), ..entry }, b"esds")? else {
        return Ok(None);
    };
    let mut bytes = [0; 64];
    let len = usize::try_from(esds.end - esds.at).unwrap_or(usize::MAX).min(bytes.len());
    let read = spool.read(esds.at, &mut bytes[..len])?;
    let mut rest = bytes[..read].iter().copied().skip(4);
    // A descriptor: its tag, its length in one to four bytes.
    let descriptor = |rest: &mut dyn Iterator<Item = u8>, tag: u8| -> Option<()> {
        (rest.next()? == tag).then_some(())?;
        for _ in 0..4 {
            if rest.next()? & 0x80 == 0 {
                break;
            }
        }
        Some(())
    };
    let mut find = || -> Option<u8> {
        descriptor(&mut rest, 3)?;
        let flags = rest.by_ref().nth(2)?;
        let mut optional = 0;
        if flags & 0x80 != 0 {
            optional += 2;
        }
        if flags & 0x40 != 0 {
            optional += usize::from(rest.by_ref().nth(optional)?);
        }
        if flags & 0x20 != 0 {
            optional += 2;
        }
        for _ in 0..optional {
            rest.next()?;
        }
        descriptor(&mut rest, 4)?;
        rest.next()
    };
    Ok(find())
}

/// A table of the index, read through a small buffer.
#[derive(Debug, Clone)]
struct Entries {
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Entries {
    fn new(body: Region, head: u64) -> Entries {
        Entries { at: body.at.saturating_add(head), end: body.end, buffer: Vec::new(), used: 0 }
    }

    fn next<const N: usize>(&mut self, spool: &Spool) -> Result<Option<[u8; N]>, Mp4Error> {
        if self.buffer.len() - self.used < N {
            // Entries of one table have one length: what is left over is the table's torn end.
            let len = RUN / N * N;
            let len = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(len);
            self.buffer.resize(len, 0);
            let read = spool.read(self.at, &mut self.buffer)?;
            self.buffer.truncate(read);
            self.at += read as u64;
            self.used = 0;
        }
        let entry = self.buffer[self.used..].first_chunk::<N>().copied();
        self.used += if entry.is_some() { N } else { 0 };
        Ok(entry)
    }

    fn next_u32(&mut self, spool: &Spool) -> Result<Option<u32>, Mp4Error> {
        Ok(self.next(spool)?.map(u32::from_be_bytes))
    }
}

/// A picture in the film.
struct Sample {
    at: u64,
    len: u64,
    /// From when until when it is shown, in microseconds; `None`: the edit list leaves it out.
    shown_us: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Track {
    /// Units a second.
    scale: u32,
    sizes: Sizes,
    times: Times,
    places: Places,
    edit: Edit,
}

impl Track {
    fn read(
        spool: &Spool,
        track: Region,
        media: Region,
        table: Region,
        movie_scale: u32,
    ) -> Result<Track, Mp4Error> {
        let damaged = |what| move || Mp4Error::Damaged(what);
        let head = spool.find_child(media, b"mdhd")?.ok_or_else(damaged("its video has no head"))?;
        let scale = Timed::read(spool, head)?.scale;
        let child = |name, what| spool.find_child(table, name)?.ok_or_else(damaged(what));
        let times = child(b"stts", "it has no times")?;
        let runs = child(b"stsc", "it has no chunks")?;
        let (offsets, is_wide) = match spool.find_child(table, b"co64")? {
            Some(wide) => (wide, true),
            None => (child(b"stco", "it does not say where the pictures are")?, false),
        };
        let edits = spool
            .find_child(track, b"edts")?
            .map(|edits| spool.find_child(edits, b"elst"))
            .transpose()?
            .flatten();
        let edit = match edits {
            Some(list) => Edit::read(spool, list, movie_scale, scale)?,
            None => Edit::default(),
        };
        Ok(Track {
            scale,
            sizes: Sizes::read(spool, table)?,
            times: Times { entries: Entries::new(times, 8), left: 0, step: 0, at: 0 },
            places: Places {
                runs: Entries::new(runs, 8),
                offsets: Entries::new(offsets, 8),
                is_wide,
                chunk: 0,
                in_each: 0,
                next_run: None,
                left: 0,
                at: 0,
            },
            edit,
        })
    }

    fn next(&mut self, spool: &Spool) -> Result<Option<Sample>, Mp4Error> {
        let Some(len) = self.sizes.next(spool)? else { return Ok(None) };
        let Some(at) = self.places.next(spool, len)? else { return Ok(None) };
        let (begin, end) = self.times.next(spool)?;
        let shown = self.edit.shown_range(begin, end);
        let us = |units: u64| {
            u64::try_from(u128::from(units) * 1_000_000 / u128::from(self.scale))
                .unwrap_or(LATEST_US)
                .min(LATEST_US)
        };
        Ok(Some(Sample { at, len: u64::from(len), shown_us: shown.map(|(begin, end)| (us(begin), us(end))) }))
    }
}

/// Bytes of each picture.
#[derive(Debug)]
struct Sizes {
    left: u32,
    /// Of all of them; 0: each has an entry.
    common: u32,
    /// Bits of an entry: 32, 16, 8 or 4.
    bits: u8,
    entries: Entries,
    /// The second one of two that share a byte.
    second: Option<u8>,
}

impl Sizes {
    fn read(spool: &Spool, table: Region) -> Result<Sizes, Mp4Error> {
        let none = || Mp4Error::Damaged("it does not say how large the pictures are");
        let (body, is_compact) = match spool.find_child(table, b"stsz")? {
            Some(body) => (body, false),
            None => (spool.find_child(table, b"stz2")?.ok_or_else(none)?, true),
        };
        let field = spool.read_u32(body, 4)?.ok_or_else(none)?;
        let left = spool.read_u32(body, 8)?.ok_or_else(none)?;
        let (common, bits) = match (is_compact, field & 0xff) {
            (false, _) => (field, 32),
            (true, bits @ (4 | 8 | 16)) => (0, bits as u8),
            _ => return Err(none()),
        };
        Ok(Sizes { left, common, bits, entries: Entries::new(body, 12), second: None })
    }

    fn next(&mut self, spool: &Spool) -> Result<Option<u32>, Mp4Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        if self.common > 0 {
            return Ok(Some(self.common));
        }
        if let Some(second) = self.second.take() {
            return Ok(Some(u32::from(second)));
        }
        Ok(match self.bits {
            32 => self.entries.next_u32(spool)?,
            16 => self.entries.next(spool)?.map(|two| u32::from(u16::from_be_bytes(two))),
            8 => self.entries.next(spool)?.map(|[one]| u32::from(one)),
            _ => self.entries.next(spool)?.map(|[both]| {
                self.second = Some(both & 15);
                u32::from(both >> 4)
            }),
        })
    }
}

/// How long each picture is shown.
#[derive(Debug)]
struct Times {
    entries: Entries,
    /// Pictures of the present entry that are still to come.
    left: u32,
    step: u32,
    at: u64,
}

impl Times {
    /// When the next one begins and ends, in units. Beyond the table the last step goes on.
    fn next(&mut self, spool: &Spool) -> Result<(u64, u64), Mp4Error> {
        while self.left == 0 {
            let Some(entry) = self.entries.next::<8>(spool)? else { break };
            let [a, b, c, d, step @ ..] = entry;
            self.left = u32::from_be_bytes([a, b, c, d]);
            self.step = Some(u32::from_be_bytes(step)).filter(|step| *step <= LONGEST).unwrap_or(0);
        }
        self.left = self.left.saturating_sub(1);
        let begin = self.at;
        self.at = begin.saturating_add(u64::from(self.step));
        Ok((begin, self.at))
    }
}

/// Where the pictures are.
#[derive(Debug, Clone)]
struct Places {
    runs: Entries,
    offsets: Entries,
    is_wide: bool,
    /// The present chunk; the first is 1.
    chunk: u32,
    /// Pictures in each chunk of the present run.
    in_each: u32,
    /// The chunk at which the next run begins, and its pictures in each.
    next_run: Option<(u32, u32)>,
    /// Pictures of this chunk that are still to come, and where the next one is.
    left: u32,
    at: u64,
}

impl Places {
    fn offset(&mut self, spool: &Spool) -> Result<Option<u64>, Mp4Error> {
        Ok(if self.is_wide {
            self.offsets.next(spool)?.map(u64::from_be_bytes)
        } else {
            self.offsets.next_u32(spool)?.map(u64::from)
        })
    }

    /// Where the next picture is, of `len` bytes.
    fn next(&mut self, spool: &Spool, len: u32) -> Result<Option<u64>, Mp4Error> {
        while self.left == 0 {
            let Some(at) = self.offset(spool)? else { return Ok(None) };
            self.at = at;
            self.chunk = self.chunk.saturating_add(1);
            loop {
                if self.next_run.is_none() {
                    self.next_run = self.runs.next::<12>(spool)?.map(|[a, b, c, d, e, f, g, h, ..]| {
                        (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
                    });
                }
                match self.next_run {
                    Some((first, in_each)) if first <= self.chunk => {
                        self.in_each = in_each;
                        self.next_run = None;
                    }
                    _ => break,
                }
            }
            self.left = self.in_each;
        }
        self.left -= 1;
        let at = self.at;
        self.at = at.saturating_add(u64::from(len));
        Ok(Some(at))
    }

    /// Whether all chunks lie one behind the other, from `at` on.
    fn are_ascending_from(&mut self, spool: &Spool, mut at: u64) -> Result<bool, Mp4Error> {
        while let Some(offset) = self.offset(spool)? {
            if offset < at {
                return Ok(false);
            }
            at = offset;
        }
        Ok(true)
    }
}

/// What of the media is shown, and when it begins.
#[derive(Debug, Default)]
struct Edit {
    /// In units of the media: nothing is shown before.
    delay: u64,
    from: u64,
    to: Option<u64>,
}

impl Edit {
    /// Of a film that is put together of several pieces all pictures are taken, in the order in which they lie there.
    fn read(spool: &Spool, list: Region, movie_scale: u32, scale: u32) -> Result<Edit, Mp4Error> {
        let is_long = spool.bytes(list, 0)? == Some([1]);
        let count = spool.read_u32(list, 4)?.unwrap_or(0);
        let mut entries = Entries::new(list, 8);
        let units = |duration: u64| {
            let units = (u128::from(duration) * u128::from(scale)).div_ceil(u128::from(movie_scale));
            u64::try_from(units).unwrap_or(u64::MAX)
        };
        let mut edit = Edit::default();
        let mut pieces = 0;
        for _ in 0..count {
            let entry = if is_long {
                entries.next::<20>(spool)?.map(|[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..]| {
                    let duration = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                    (duration, i64::from_be_bytes([i, j, k, l, m, n, o, p]))
                })
            } else {
                entries.next::<12>(spool)?.map(|[a, b, c, d, e, f, g, h, ..]| {
                    let duration = u64::from(u32::from_be_bytes([a, b, c, d]));
                    (duration, i64::from(i32::from_be_bytes([e, f, g, h])))
                })
            };
            let Some((duration, from)) = entry else { break };
            match u64::try_from(from) {
                Err(_) if pieces == 0 => edit.delay = edit.delay.saturating_add(units(duration)),
                Err(_) => {}
                Ok(from) => {
                    pieces += 1;
                    edit.from = from;
                    edit.to = (duration > 0).then(|| from.saturating_add(units(duration)));
                }
            }
        }
        Ok(if pieces == 1 { edit } else { Edit { delay: edit.delay, ..Edit::default() } })
    }

    /// From when until when a picture of this time is shown.
    fn shown_range(&self, begin: u64, end: u64) -> Option<(u64, u64)> {
        let is_shown = (end > self.from || begin >= self.from) && self.to.is_none_or(|to| begin < to);
        let moved = |at: u64| (at.max(self.from) - self.from).saturating_add(self.delay);
        is_shown.then(|| (moved(begin), moved(self.to.map_or(end, |to| end.min(to)))))
    }
}

#[cfg(test)]
mod tests;
