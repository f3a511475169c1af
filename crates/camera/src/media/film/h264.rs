//! Converts a fragmented MP4, as `ffmpeg` writes it to a pipe, to an MP4 that every player opens, with seeking and a
//! known length. Pure.
//!
//! A pipe is not seekable, so `ffmpeg` writes fragments: each has its own index, and there is none for the whole.
//! Some players show no length for such a file and cannot seek in it. Here the media data of each fragment (`mdat`)
//! is passed on immediately. A single index (`moov`) follows at the end, as in files of cameras and phones. The file
//! is thus sent while it is made, and only the index is kept until then: about ten bytes a frame.

use super::mp4::{MovieTimes, SINCE_1904, push_u32, push_u64, write_box_header, write_information};

/// Units a second of the input video, as requested from `ffmpeg`.
pub const SCALE: u64 = 90_000;

/// Maximum length of an input index in bytes; a fragment of some seconds has none longer.
const LONGEST_INDEX: u64 = 8 << 20;

/// Maximum number of frames of a fragment.
const MOST_PICTURES: u32 = 1 << 16;

/// The input is no fragmented MP4 with one video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ffmpeg wrote something that is no fragmented MP4: {0}")]
pub struct NotFragmented(&'static str);

/// How the bytes of a box are handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum BoxAction {
    /// Collect the head of the next box.
    #[default]
    Head,
    /// Collect the whole box, of this length.
    Index([u8; 4], u64),
    /// Pass on this many remaining bytes.
    Pass(u64),
    /// Skip this many remaining bytes.
    Skip(u64),
}

/// Offset of a fragment's frames in the output.
#[derive(Debug, Clone, Copy)]
struct FragmentRun {
    at: u64,
    pictures: u32,
}

/// Converter to a regular MP4.
#[derive(Debug, Default)]
pub struct Remux {
    reading: BoxAction,
    gathered: Vec<u8>,
    /// Bytes written so far.
    written: u64,
    /// `stsd`, and the size of the frames.
    description: Option<(Vec<u8>, (u32, u32))>,
    /// Number of frames of the fragment whose data comes next.
    announced: u32,
    runs: Vec<FragmentRun>,
    sizes: Vec<u32>,
    /// Interval from each frame to the next; unknown for the last one.
    steps: Vec<u32>,
    /// Numbers, from 1, of frames that do not depend on others.
    keys: Vec<u32>,
    last_units: u64,
}

impl Remux {
    /// Takes the next bytes from `ffmpeg` and appends the finished part of the output to `out`.
    ///
    /// # Errors
    /// [`NotFragmented`].
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), NotFragmented> {
        let before = out.len();
        if self.written == 0 && self.gathered.is_empty() {
            write_box_header(out, b"ftyp", 32);
            out.extend(b"isom");
            push_u32(out, 512);
            out.extend(b"isomiso2avc1mp41");
        }
        while !bytes.is_empty() {
            match self.reading {
                BoxAction::Head => {
                    self.gather(&mut bytes, 8);
                    let Some((len, name)) = self.head()? else { continue };
                    self.reading = match &name {
                        b"moov" | b"moof" if len <= LONGEST_INDEX => BoxAction::Index(name, len),
                        b"moov" | b"moof" => return Err(NotFragmented("a very long index")),
                        b"mdat" => {
                            let at = self.written + (out.len() - before) as u64 + self.gathered.len() as u64;
                            self.runs.push(FragmentRun { at, pictures: std::mem::take(&mut self.announced) });
                            out.append(&mut self.gathered);
                            BoxAction::Pass(len)
                        }
                        _ => BoxAction::Skip(len),
                    };
                    match &mut self.reading {
                        BoxAction::Pass(left) | BoxAction::Skip(left) => {
                            *left -= if len > u64::from(u32::MAX) { 16 } else { 8 };
                            self.gathered.clear();
                        }
                        _ => {}
                    }
                }
                BoxAction::Index(name, len) => {
                    self.gather(&mut bytes, len as usize);
                    if self.gathered.len() as u64 == len {
                        let index = std::mem::take(&mut self.gathered);
                        if &name == b"moov" {
                            self.movie(&index[8..])?
                        } else {
                            self.fragment(&index[8..])?
                        }
                        self.reading = BoxAction::Head;
                    }
                }
                BoxAction::Pass(left) | BoxAction::Skip(left) => {
                    let (taken, rest) = bytes.split_at(left.min(bytes.len() as u64) as usize);
                    let is_passed = matches!(self.reading, BoxAction::Pass(_));
                    if is_passed {
                        out.extend_from_slice(taken);
                    }
                    bytes = rest;
                    self.reading = match (left - taken.len() as u64, is_passed) {
                        (0, _) => BoxAction::Head,
                        (left, true) => BoxAction::Pass(left),
                        (left, false) => BoxAction::Skip(left),
                    };
                }
            }
            if matches!(self.reading, BoxAction::Pass(0) | BoxAction::Skip(0)) {
                self.reading = BoxAction::Head;
            }
        }
        self.written += (out.len() - before) as u64;
        Ok(())
    }

    /// Number of frames announced so far.
    pub fn pictures(&self) -> u64 {
        self.sizes.len() as u64
    }

    /// Writes the index, which ends the file. `began_us` is the capture time of the first frame in microseconds since
    /// 1970; `duration_us` is the end of the last one.
    ///
    /// # Errors
    /// [`NotFragmented`]: there are no frames, or the last fragment is incomplete.
    pub fn finish(mut self, began_us: u64, duration_us: u64, out: &mut Vec<u8>) -> Result<(), NotFragmented> {
        let Some((description, size)) = self.description.take() else {
            return Err(NotFragmented("it has no description"));
        };
        let in_runs: u64 = self.runs.iter().map(|run| u64::from(run.pictures)).sum();
        if self.reading != BoxAction::Head
            || !self.gathered.is_empty()
            || in_runs != self.pictures()
            || in_runs == 0
        {
            return Err(NotFragmented("it ends in the middle"));
        }
        let units = (u128::from(duration_us) * u128::from(SCALE) / 1_000_000) as u64;
        let end = units.max(self.last_units + 1);
        self.steps.push(narrow(end - self.last_units));
        let times = MovieTimes { created: began_us / 1_000_000 + SINCE_1904, scale: SCALE, units: end, size };
        put(out, b"moov", |out| {
            times.movie_head(out);
            put(out, b"trak", |out| {
                times.track_head(out);
                put(out, b"mdia", |out| {
                    times.media_head(out);
                    put(out, b"minf", |out| {
                        write_information(out);
                        put(out, b"stbl", |out| {
                            out.extend(&description);
                            self.tables(out);
                        });
                    });
                });
            });
        });
        Ok(())
    }

    fn tables(&self, out: &mut Vec<u8>) {
        // Duration of each frame, run-length encoded.
        let mut steps: Vec<(u32, u32)> = Vec::new();
        for step in &self.steps {
            match steps.last_mut() {
                Some((count, same)) if same == step => *count += 1,
                _ => steps.push((1, *step)),
            }
        }
        table(out, b"stts", &[], steps.len(), |out| {
            steps.iter().for_each(|(count, step)| push_all(out, &[*count, *step]));
        });
        table(out, b"stss", &[], self.keys.len(), |out| push_all(out, &self.keys));
        let mut together: Vec<(u32, u32)> = Vec::new();
        for (number, run) in (1..).zip(&self.runs) {
            if together.last().is_none_or(|(_, pictures)| *pictures != run.pictures) {
                together.push((number, run.pictures));
            }
        }
        table(out, b"stsc", &[], together.len(), |out| {
            together.iter().for_each(|(first, pictures)| push_all(out, &[*first, *pictures, 1]));
        });
        table(out, b"stsz", &[0], self.sizes.len(), |out| push_all(out, &self.sizes));
        let is_wide = self.written > u64::from(u32::MAX);
        table(out, if is_wide { b"co64" } else { b"stco" }, &[], self.runs.len(), |out| {
            for run in &self.runs {
                if is_wide { push_u64(out, run.at) } else { push_u32(out, run.at as u32) }
            }
        });
    }

    /// Collects bytes of a box until there are `len`.
    fn gather(&mut self, bytes: &mut &[u8], len: usize) {
        let missing = len.saturating_sub(self.gathered.len()).min(bytes.len());
        self.gathered.extend_from_slice(&bytes[..missing]);
        *bytes = &bytes[missing..];
    }

    /// Length and name of the box whose head is complete. A fragment of some seconds has no box of 4 GB.
    fn head(&self) -> Result<Option<(u64, [u8; 4])>, NotFragmented> {
        let Some((len, name)) = self.gathered.split_first_chunk::<4>() else { return Ok(None) };
        let Ok(name) = <[u8; 4]>::try_from(name) else { return Ok(None) };
        match u32::from_be_bytes(*len) {
            0..8 => Err(NotFragmented("a box without a length")),
            len => Ok(Some((u64::from(len), name))),
        }
    }

    /// Parses `moov`; only the description of the frames is needed.
    fn movie(&mut self, movie: &[u8]) -> Result<(), NotFragmented> {
        let missing = NotFragmented("the track has no description");
        let track = find(movie, b"trak").ok_or(missing)?;
        let media = find(track, b"mdia").ok_or(missing)?;
        let scale = find(media, b"mdhd").and_then(|head| {
            let is_long = head.first()? == &1;
            number(head, if is_long { 20 } else { 12 })
        });
        if scale.map(u64::from) != Some(SCALE) {
            return Err(NotFragmented("another time scale"));
        }
        let table = find(media, b"minf").and_then(|information| find(information, b"stbl")).ok_or(missing)?;
        let description = find(table, b"stsd").ok_or(missing)?;
        // After version, flags, count, length, name, and 24 bytes of the entry.
        let size = number(description, 40).ok_or(missing)?;
        let mut whole = Vec::with_capacity(description.len() + 8);
        write_box_header(&mut whole, b"stsd", description.len() as u32 + 8);
        whole.extend_from_slice(description);
        self.description = Some((whole, (size >> 16, size & 0xffff)));
        Ok(())
    }

    /// Parses `moof`: the frames of the fragment whose data comes next.
    fn fragment(&mut self, fragment: &[u8]) -> Result<(), NotFragmented> {
        let broken = NotFragmented("a fragment without its pictures");
        let track = find(fragment, b"traf").ok_or(broken)?;
        let head = find(track, b"tfhd").ok_or(broken)?;
        let flags = number(head, 0).ok_or(broken)? & 0xff_ffff;
        let mut at = 8 + 8 * usize::from(flags & 1 != 0) + 4 * usize::from(flags & 2 != 0);
        let mut usual = [0; 3];
        for (usual, flag) in usual.iter_mut().zip([0x8, 0x10, 0x20]) {
            if flags & flag != 0 {
                *usual = number(head, at).ok_or(broken)?;
                at += 4;
            }
        }
        let time = find(track, b"tfdt").ok_or(broken)?;
        let mut units = match time.first() {
            Some(1) => {
                u64::from(number(time, 4).ok_or(broken)?) << 32 | u64::from(number(time, 8).ok_or(broken)?)
            }
            _ => u64::from(number(time, 4).ok_or(broken)?),
        };
        for run in boxes(track).filter(|(name, _)| name == b"trun").map(|(_, content)| content) {
            let flags = number(run, 0).ok_or(broken)? & 0xff_ffff;
            let count = number(run, 4).filter(|count| *count <= MOST_PICTURES).ok_or(broken)?;
            let mut at = 8 + 4 * usize::from(flags & 1 != 0);
            let mut first = None;
            if flags & 4 != 0 {
                first = Some(number(run, at).ok_or(broken)?);
                at += 4;
            }
            for n in 0..count {
                let mut next = |flag: u32, usual: u32| {
                    if flags & flag == 0 {
                        return Ok(usual);
                    }
                    at += 4;
                    number(run, at - 4).ok_or(broken)
                };
                let (step, size) = (next(0x100, usual[0])?, next(0x200, usual[1])?);
                let own = next(0x400, usual[2])?;
                let flags = first.filter(|_| n == 0).unwrap_or(own);
                if next(0x800, 0)? != 0 {
                    return Err(NotFragmented("pictures out of order"));
                }
                self.picture(units, size, flags & 0x1_0000 == 0);
                units += u64::from(step);
            }
            self.announced += count;
        }
        Ok(())
    }

    fn picture(&mut self, units: u64, size: u32, is_key: bool) {
        if self.sizes.is_empty() {
            // The first frame starts the file and is a key frame.
            self.last_units = 0;
        } else {
            // Each frame lasts at least one unit, whatever its stamp.
            let units = units.max(self.last_units + 1);
            self.steps.push(narrow(units - self.last_units));
            self.last_units = units;
        }
        self.sizes.push(size);
        if is_key {
            self.keys.push(self.sizes.len() as u32);
        }
    }
}

/// A time in 32 bits: they suffice for thirteen hours, longer than any frame is shown.
fn narrow(units: u64) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// Writes a box around the output of `content`.
fn put(out: &mut Vec<u8>, name: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    write_box_header(out, name, 0);
    content(out);
    let len = (out.len() - begin) as u32;
    out[begin..begin + 4].copy_from_slice(&len.to_be_bytes());
}

/// Writes a table of `count` entries, with the numbers `before` the count.
fn table(
    out: &mut Vec<u8>,
    name: &[u8; 4],
    before: &[u32],
    count: usize,
    entries: impl FnOnce(&mut Vec<u8>),
) {
    put(out, name, |out| {
        push_u32(out, 0);
        push_all(out, before);
        push_u32(out, count as u32);
        entries(out);
    });
}

fn push_all(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| push_u32(out, *number));
}

/// The 32-bit number at an offset.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// The complete boxes within a box: names and contents.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let len = number(bytes, 0)? as usize;
        let name = *bytes.get(4..)?.first_chunk::<4>()?;
        let content = bytes.get(8..len)?;
        bytes = &bytes[len..];
        Some((name, content))
    })
}

fn find<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(name, _)| name == wanted).map(|(_, content)| content)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A file of fragments, each with frames of these bytes, 3000 units apart.
    fn fragmented(fragments: &[&[&[u8]]]) -> Vec<u8> {
        let mut file = Vec::new();
        put(&mut file, b"ftyp", |out| out.extend(b"iso5\0\0\0\0"));
        put(&mut file, b"moov", |out| {
            put(out, b"trak", |out| {
                put(out, b"mdia", |out| {
                    put(out, b"mdhd", |out| push_all(out, &[0, 0, 0, SCALE as u32, 0, 0]));
                    put(out, b"minf", |out| {
                        put(out, b"stbl", |out| {
                            put(out, b"stsd", |out| {
                                push_all(out, &[0, 1]);
                                put(out, b"avc1", |out| {
                                    out.extend([0; 24]);
                                    push_u32(out, 640 << 16 | 480);
                                    out.extend([7; 60]);
                                });
                            });
                        });
                    });
                });
            });
        });
        let mut units = 0;
        for pictures in fragments {
            put(&mut file, b"moof", |out| {
                put(out, b"mfhd", |out| push_all(out, &[0, 1]));
                put(out, b"traf", |out| {
                    put(out, b"tfhd", |out| push_all(out, &[0x2_0028, 1, 3000, 0x101_0000]));
                    put(out, b"tfdt", |out| push_all(out, &[1 << 24, 0, units]));
                    put(out, b"trun", |out| {
                        push_all(out, &[0x205, pictures.len() as u32, 0, 0x200_0000]);
                        pictures.iter().for_each(|picture| push_u32(out, picture.len() as u32));
                    });
                });
            });
            put(&mut file, b"mdat", |out| pictures.iter().for_each(|picture| out.extend(*picture)));
            units += 3000 * pictures.len() as u32;
        }
        put(&mut file, b"mfra", |out| out.extend([0; 40]));
        file
    }

    fn remuxed(bytes: &[u8], at_once: usize) -> Result<Vec<u8>, NotFragmented> {
        let (mut remux, mut out) = (Remux::default(), Vec::new());
        for piece in bytes.chunks(at_once) {
            remux.push(piece, &mut out)?;
        }
        remux.finish(0, 200_000, &mut out)?;
        Ok(out)
    }

    fn numbers(table: &[u8]) -> Vec<u32> {
        table.chunks(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap())).collect()
    }

    #[test]
    fn the_index_lists_every_frame_with_its_offset() {
        let file = fragmented(&[&[b"first", b"second"], &[b"third"]]);
        let made = remuxed(&file, 1 << 20).unwrap();
        let movie = find(&made, b"moov").unwrap();
        let media = find(find(movie, b"trak").unwrap(), b"mdia").unwrap();
        let tables = find(find(media, b"minf").unwrap(), b"stbl").unwrap();
        let of = |name| numbers(find(tables, name).unwrap());
        // The last frame lasts until the end: 18 000 units are 0.2 s.
        assert_eq!(of(b"stts"), [0, 2, 2, 3000, 1, 12_000]);
        assert_eq!(of(b"stss"), [0, 2, 1, 3]);
        assert_eq!(of(b"stsc"), [0, 2, 1, 2, 1, 2, 1, 1]);
        assert_eq!(of(b"stsz"), [0, 0, 3, 5, 6, 5]);
        let places = of(b"stco");
        assert_eq!(places.len(), 4);
        assert_eq!(&made[places[2] as usize..][..11], b"firstsecond");
        assert_eq!(&made[places[3] as usize..][..5], b"third");
        assert_eq!(number(find(media, b"mdhd").unwrap(), 16), Some(18_000));
    }

    #[test]
    fn pieces_of_any_length_give_the_same_file() {
        let file = fragmented(&[&[b"first", b"second"], &[b"third", b""], &[b"x"]]);
        let whole = remuxed(&file, 1 << 20).unwrap();
        for at_once in [1, 2, 7, 8, 9, 100] {
            assert_eq!(remuxed(&file, at_once).unwrap(), whole, "{at_once} bytes at once");
        }
    }

    #[test]
    fn truncated_and_other_files_are_refused() {
        let file = fragmented(&[&[b"first", b"second"], &[b"third"]]);
        let data = file.windows(4).rposition(|name| name == b"mdat").unwrap();
        for len in [0, 3, 20, 200, data - 10, data + 6] {
            assert!(remuxed(&file[..len], 64).is_err(), "{len} bytes");
        }
        for wrong in [&b"\0\0\0\x03moov"[..], b"\xff\xff\xff\xffmoof", b"not a film at all, but text"] {
            assert!(remuxed(wrong, 64).is_err());
        }
        // A damaged index is refused without a panic.
        for at in 0..file.len().min(500) {
            let mut damaged = file.clone();
            damaged[at] ^= 0xff;
            let _ = remuxed(&damaged, 64);
        }
    }
}
