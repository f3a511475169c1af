//! Reads the frames of an MP4 or QuickTime file (MOV) with Motion JPEG video: ISO/IEC 14496-12 and Apple's "QuickTime
//! File Format Specification", with times, edit list and creation date.
//!
//! The input is read forwards, once. Parts needed out of order go into a spool file: the index (`moov`), and the
//! frames if they precede it or are not in order. The index is read from there through small buffers, so that memory
//! does not grow with the file, whatever its tables claim.

mod scan;
mod track;

use std::fs::File;
use std::io::{self, Read};

use crate::media::Fourcc;
use crate::media::film::FilmStart;
use crate::source::container::ContainerError;
use scan::{ByteRegion, IndexScan, Spool};
use track::{Mp4Track, Sample, Timed};

/// Larger samples are no frames. Bytes.
const MAX_PICTURE: u64 = 32 << 20;
/// The object type of JPEG in ISO/IEC 14496-1.
const OBJECT_JPEG: u8 = 0x6c;

/// Reads one frame after another.
#[derive(Debug)]
pub struct Mp4Reader<R> {
    input: R,
    /// Bytes of the input that have been read.
    at: u64,
    spool: Spool,
    /// Frames come directly from the input, not from the spool file.
    is_forward: bool,
    track: Mp4Track,
    began: Option<FilmStart>,
    /// Bytes of frames that can still come. It ends files whose samples overlap.
    budget: u64,
}

impl<R: Read> Mp4Reader<R> {
    /// Reads the index. `spool`: an empty file for exclusive use.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn open(input: R, spool: File) -> Result<Mp4Reader<R>, ContainerError> {
        let mut scan =
            IndexScan { input, at: 0, spool: Spool { file: spool, base: 0, len: 0 }, is_spooling: false };
        let mut movie: Option<Movie> = None;
        let mut is_forward = false;
        loop {
            let (name, len) = match scan.head() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                // Recorders and repair tools leave some bytes behind a complete file.
                Err(ContainerError::Unfit(_)) if movie.is_some() => break,
                Err(error) => return Err(error),
            };
            match &name {
                b"moov" if movie.is_none() => {
                    scan.start_spooling();
                    let from = scan.at;
                    if len == u64::MAX || scan.skip(len)? < len {
                        return Err(no_index());
                    }
                    movie = Some(Movie::read(&scan.spool, ByteRegion { at: from, end: from + len })?);
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
                    return Err(fragmented());
                }
                _ => drop(scan.skip(len)?),
            }
        }
        let Movie { track, began } = movie.ok_or_else(no_index)?;
        let IndexScan { input, at, spool, .. } = scan;
        let budget = if is_forward { u64::MAX } else { spool.len };
        Ok(Mp4Reader { input, at, spool, is_forward, track, began, budget })
    }

    /// Creation time, which is that of the first frame, if stated.
    pub fn began(&self) -> Option<FilmStart> {
        self.began
    }

    /// Reads the next frame into `picture`. Returns its begin and end in microseconds from the start of the file;
    /// `None` at the end. A frame of more than 32 MiB is empty. An incomplete file ends early.
    ///
    /// # Errors
    /// [`ContainerError`].
    pub fn next(&mut self, picture: &mut Vec<u8>) -> Result<Option<(u64, u64)>, ContainerError> {
        picture.clear();
        while let Some(Sample { at, len, shown_us }) = self.track.next(&self.spool)? {
            let Some(budget) = self.budget.checked_sub(len) else { return Ok(None) };
            self.budget = budget;
            let is_wanted = shown_us.is_some() && len <= MAX_PICTURE;
            if self.is_forward {
                // Samples outside the edit list are skipped at once, so that an index that lists more than there is
                // ends with the input.
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

struct Movie {
    track: Mp4Track,
    began: Option<FilmStart>,
}

impl Movie {
    fn read(spool: &Spool, moov: ByteRegion) -> Result<Movie, ContainerError> {
        if spool.find_child(moov, b"cmov")?.is_some() {
            let what = "its index is compressed; `ffmpeg -i CLIP -c copy CLIP.mov` unpacks it";
            return Err(ContainerError::unfit(what));
        }
        let head =
            spool.find_child(moov, b"mvhd")?.ok_or_else(|| ContainerError::damaged("it has no head"))?;
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
            let track = Mp4Track::read(spool, found.body, media, table, head.scale)?;
            if track.sizes.left == 0 && is_fragmented {
                return Err(fragmented());
            }
            let created_us = match (head.created_us, spool.find_child(media, b"mdhd")?) {
                (None, Some(media)) => Timed::read(spool, media)?.created_us,
                (created_us, _) => created_us,
            };
            return Ok(Movie { track, began: began(spool, moov, created_us)? });
        }
        Err(ContainerError::Unfit(match other {
            Some(codec) => format!("its video is {codec}, not Motion JPEG"),
            None => String::from("no video is in it"),
        }))
    }
}

/// The creation time of the head, with its fraction if the file states it as text, too.
fn began(
    spool: &Spool,
    moov: ByteRegion,
    created_us: Option<u64>,
) -> Result<Option<FilmStart>, ContainerError> {
    let user = spool.find_child(moov, b"udta")?;
    let day = user.map(|user| spool.find_child(user, b"\xa9day")).transpose()?.flatten();
    let mut text = [0; 64];
    let read = match day {
        Some(day) => spool.read(day.at, &mut text[..(day.end - day.at).min(64) as usize])?,
        None => 0,
    };
    // After its length and language.
    let stated = text.get(4..read).and_then(FilmStart::parse).filter(|stated| stated.us <= track::LATEST_US);
    let is_same = |stated: &FilmStart| created_us.is_none_or(|us| us == stated.us / 1_000_000 * 1_000_000);
    Ok(stated.filter(is_same).or(created_us.map(FilmStart::from)))
}

fn no_index() -> ContainerError {
    ContainerError::unfit("its index (moov) is missing, as in a recording that was never finished")
}

fn fragmented() -> ContainerError {
    ContainerError::unfit(
        "it is a fragmented MP4; `ffmpeg -i CLIP -c copy CLIP.mov` puts its pieces together",
    )
}

/// Name of a track's codec if it is not Motion JPEG.
fn unsupported_codec(spool: &Spool, table: ByteRegion) -> Result<Option<String>, ContainerError> {
    let entry =
        spool.find_child(table, b"stsd")?.map(|body| ByteRegion { at: body.at.saturating_add(8), ..body });
    let entry =
        entry.filter(|entry| entry.at < entry.end).map(|entry| spool.read_box(entry)).transpose()?.flatten();
    let Some((entry, _)) = entry else { return Ok(Some(String::from("not described"))) };
    // Motion JPEG B (`mjpb`) has frames that are no complete JPEGs.
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

/// The object type in the `esds` of a sample entry.
fn object_type(spool: &Spool, entry: ByteRegion) -> Result<Option<u8>, ContainerError> {
    let Some(esds) = spool.find_child(ByteRegion { at: entry.at.saturating_add(78), ..entry }, b"esds")?
    else {
        return Ok(None);
    };
    let mut bytes = [0; 64];
    let len = usize::try_from(esds.end - esds.at).unwrap_or(usize::MAX).min(bytes.len());
    let read = spool.read(esds.at, &mut bytes[..len])?;
    let mut rest = bytes[..read].iter().copied().skip(4);
    // A descriptor: its tag, then its length in one to four bytes.
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

#[cfg(test)]
mod tests;
