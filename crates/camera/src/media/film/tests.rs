//! Properties of every film.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

/// Chunks in memory.
#[derive(Debug, Clone, Default)]
struct Reels {
    chunks: Vec<(Vec<FilmFrame>, Vec<u8>)>,
    /// Interval between chunk numbers.
    stride: u64,
    reads: usize,
}

impl Footage for Reels {
    type Error = Infallible;

    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, Infallible> {
        self.reads += 1;
        Ok(self.chunks[(number / self.stride) as usize].0.clone())
    }

    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, Infallible> {
        self.reads += 1;
        let bytes = &self.chunks[(number / self.stride) as usize].1;
        Ok(Bytes::copy_from_slice(&bytes[offset as usize..(offset + len) as usize]))
    }
}

impl Reels {
    /// Chunks of frames; each frame is a time and a number of bytes.
    fn new(chunks: &[Vec<(u64, usize)>]) -> Reels {
        let mut reels = Reels { stride: 3, ..Reels::default() };
        let mut n = 0u8;
        for chunk in chunks {
            let (mut frames, mut bytes) = (Vec::new(), Vec::new());
            for (at_us, len) in chunk {
                frames.push(FilmFrame { at_us: *at_us, offset: bytes.len() as u32 });
                n = n % 250 + 1;
                bytes.extend(std::iter::repeat_n(n, *len));
            }
            reels.chunks.push((frames, bytes));
        }
        reels
    }

    fn rows(&self) -> Vec<FilmChunk> {
        let row = |(n, (frames, bytes)): (usize, &(Vec<FilmFrame>, Vec<u8>))| FilmChunk {
            number: n as u64 * self.stride,
            frames: frames.len() as u32,
            bytes: bytes.len() as u32,
            from_us: frames.first().map_or(0, |frame| frame.at_us),
            to_us: frames.last().map_or(0, |frame| frame.at_us),
            width: 64 + n as u32 % 2,
            height: 48,
        };
        self.chunks.iter().enumerate().map(row).collect()
    }

    fn film(&self, format: FilmFormat) -> Film {
        Film::new(format, self.rows(), 1_700_000_000_000_000, 0).unwrap()
    }

    fn pictures(&self) -> Vec<(u64, &[u8])> {
        let mut all = Vec::new();
        for (frames, bytes) in &self.chunks {
            for (n, frame) in frames.iter().enumerate() {
                let end = frames.get(n + 1).map_or(bytes.len(), |next| next.offset as usize);
                all.push((frame.at_us, &bytes[frame.offset as usize..end]));
            }
        }
        all
    }
}

fn whole(film: &Film, footage: &mut Reels, most: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let part = film.read(all.len() as u64, most, footage).unwrap();
        if part.is_empty() {
            assert_eq!(all.len() as u64, film.len());
            return all;
        }
        assert!(part.len() <= most);
        all.extend_from_slice(&part);
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn little(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The content of a box, by its path.
fn find<'a>(mut bytes: &'a [u8], path: &[&[u8; 4]]) -> &'a [u8] {
    for name in path {
        let mut at = 0;
        bytes = loop {
            let len = match number(bytes, at) {
                1 => u64::from_be_bytes(bytes[at + 8..at + 16].try_into().unwrap()) as usize,
                len => len,
            };
            assert!(len >= 8, "a box of {len} bytes");
            if bytes[at + 4..at + 8] == **name {
                break &bytes[at + 8..at + len];
            }
            at += len;
        };
    }
    bytes
}

/// Time in microseconds, bytes and description of a frame.
type ReadSample<'a> = (u64, &'a [u8], usize);

/// Reads an MP4 through its tables: its frames, and its duration in microseconds.
fn read_mp4(file: &[u8]) -> (Vec<ReadSample<'_>>, u64) {
    let media: &[&[u8; 4]] = &[b"moov", b"trak", b"mdia"];
    let table = |name| find(file, &[media, &[b"minf", b"stbl", name]].concat());
    let header = find(file, &[media, &[b"mdhd"]].concat());
    let is_long = header[0] == 1;
    let scale = number(header, if is_long { 20 } else { 12 }) as u64;
    let (stts, stsz, stsc) = (table(b"stts"), table(b"stsz"), table(b"stsc"));
    let offsets = table(b"stco");
    assert_eq!(number(stsz, 4), 0);
    let (mut pictures, mut time, mut picture) = (Vec::new(), 0, 0);
    for chunk in 0..number(offsets, 4) {
        let mut at = number(offsets, 8 + 4 * chunk);
        assert_eq!(number(stsc, 8 + 12 * chunk), chunk + 1);
        for _ in 0..number(stsc, 12 + 12 * chunk) {
            let len = number(stsz, 12 + 4 * picture);
            pictures.push((time * 1_000_000 / scale, &file[at..at + len], number(stsc, 16 + 12 * chunk)));
            assert_eq!(number(stts, 8 + 8 * picture), 1);
            let delta = number(stts, 12 + 8 * picture) as u64;
            assert!(0 < delta && delta < 1 << 31);
            time += delta;
            at += len;
            picture += 1;
        }
    }
    assert_eq!((picture, picture), (number(stts, 4), number(stsz, 8)));
    (pictures, time * 1_000_000 / scale)
}

/// Reads an AVI from front to back: bytes of each slot with the offset of its head; then the interval.
fn read_avi(file: &[u8]) -> (Vec<(usize, &[u8])>, u64) {
    let (mut at, mut slots) = (0, Vec::new());
    while at < file.len() {
        let (name, len) = (&file[at..at + 4], little(file, at + 4));
        at += match name {
            b"RIFF" => 12,
            b"LIST" if &file[at + 8..at + 12] == b"movi" => 12,
            b"00dc" => {
                slots.push((at, &file[at + 8..at + 8 + len]));
                8 + len.next_multiple_of(2)
            }
            _ => {
                assert!(matches!(name, b"LIST" | b"JUNK" | b"idx1" | b"ix00"), "{name:?} at {at}");
                8 + len
            }
        };
    }
    assert_eq!(at, file.len());
    assert_eq!(little(file, 4).min(file.len() - 8), little(file, 4));
    let strh = find_all(file, b"strh")[0];
    (slots, little(file, strh + 8 + 20) as u64)
}

/// Checks that the indexes list every slot with its offset.
fn assert_indexed(file: &[u8], slots: &[(usize, &[u8])]) {
    let is_parted = find_all(file, b"ix00").len() > 1;
    let mut indexed = Vec::new();
    for ix in find_all(file, b"ix00") {
        let base = u64::from_le_bytes(file[ix + 20..ix + 28].try_into().unwrap()) as usize;
        for n in 0..little(file, ix + 12) {
            let entry = ix + 32 + 8 * n;
            indexed.push((base + little(file, entry) - 8, little(file, entry + 4) & 0x7fff_ffff));
        }
    }
    let lens = |slots: &[(usize, &[u8])]| -> Vec<(usize, usize)> {
        slots.iter().map(|(at, bytes)| (*at, bytes.len())).collect()
    };
    if is_parted {
        assert_eq!(indexed, lens(slots));
    }
    let old = find_all(file, b"idx1")[0];
    let movi = find_all(file, b"movi")[0];
    let old: Vec<(usize, usize)> = (0..little(file, old + 4) / 16)
        .map(|n| (movi + little(file, old + 16 + 16 * n), little(file, old + 20 + 16 * n)))
        .collect();
    assert_eq!(old, lens(&slots[..old.len()]));
    assert!(is_parted || old.len() == slots.len());
}

/// Frames are bytes up to 250, so that none looks like a name.
fn find_all(file: &[u8], name: &[u8; 4]) -> Vec<usize> {
    memchr::memmem::find_iter(file, name).collect()
}

/// Chunks as a camera would leave them: regular or not, with gaps, now and then with repeated stamps.
fn footage() -> impl Strategy<Value = Reels> {
    let picture = (prop_oneof![6 => 30_000u64..36_000, 1 => 0u64..3, 1 => 100_000u64..3_000_000], 1usize..40);
    let chunk = prop::collection::vec(picture, 1..9);
    prop::collection::vec(chunk, 1..9).prop_map(|chunks| {
        let mut now = 17;
        let timed = |chunk: &Vec<(u64, usize)>| -> Vec<(u64, usize)> {
            chunk
                .iter()
                .map(|(step, len)| {
                    let at = now;
                    now += step;
                    (at, *len)
                })
                .collect()
        };
        Reels::new(&chunks.iter().map(timed).collect::<Vec<_>>())
    })
}

const FORMATS: [FilmFormat; 3] = [FilmFormat::Mov, FilmFormat::Avi, FilmFormat::Mjpeg];

proptest! {
    #[test]
    fn any_range_is_that_of_the_whole(
        reels in footage(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 1usize..700), 1..20),
        parted in any::<bool>(),
    ) {
        let mut reels = reels;
        for format in FORMATS {
            let film = match format {
                FilmFormat::Avi if parted => {
                    let rows = reels.rows();
                    avi::layout_film(&rows, 0.into(), timeline::end_us(&rows, 0), 4_000_000).unwrap()
                }
                _ => reels.film(format),
            };
            let all = whole(&film, &mut reels, 1 << 20);
            for (at, most) in &cuts {
                let at = at.index(all.len());
                let part = film.read(at as u64, *most, &mut reels).unwrap();
                prop_assert!(!part.is_empty() && part.len() <= *most);
                prop_assert_eq!(&part[..], &all[at..at + part.len()]);
            }
            prop_assert_eq!(whole(&film, &mut reels, 7), all);
        }
    }

    #[test]
    fn an_mp4_lists_offset_and_time_of_every_frame(reels in footage()) {
        let mut reels = reels;
        let film = reels.film(FilmFormat::Mov);
        let file = whole(&film, &mut reels, 1 << 20);
        let (pictures, duration) = read_mp4(&file);
        let want = reels.pictures();
        prop_assert_eq!(pictures.len(), want.len());
        let base = want[0].0;
        // Repeated stamps differ by a microsecond each.
        let slack = want.len() as u64;
        for ((time, bytes, _), (at_us, jpeg)) in pictures.iter().zip(&want) {
            prop_assert_eq!(bytes, jpeg);
            prop_assert!(time.abs_diff(at_us - base) <= slack, "{} became {}", at_us - base, time);
        }
        prop_assert!(pictures.is_sorted_by(|a, b| a.0 < b.0));
        prop_assert!(duration > want[want.len() - 1].0 - base);
        prop_assert!(pictures.iter().all(|picture| picture.2 == 1));
    }

    #[test]
    fn an_avi_has_every_frame_in_order(reels in footage(), most in 2_000u64..40_000) {
        let mut reels = reels;
        let rows = reels.rows();
        // Parts that are too small for a chunk are refused, as a gap of years would be.
        let film = avi::layout_film(&rows, 0.into(), timeline::end_us(&rows, 0), most)
            .unwrap_or_else(|_| reels.film(FilmFormat::Avi));
        let file = whole(&film, &mut reels, 1 << 20);
        let (slots, step) = read_avi(&file);
        let pictures: Vec<&[u8]> = slots.iter().filter(|(_, b)| !b.is_empty()).map(|(_, b)| *b).collect();
        prop_assert_eq!(pictures, reels.pictures().iter().map(|(_, b)| *b).collect::<Vec<_>>());
        prop_assert_eq!((slots.len() as u64, step >= 1_000), (film.timeline.units(), true));
        assert_indexed(&file, &slots);
    }
}

/// A camera at 30 fps with some jitter, then at 12 fps, then a pause, then 30 fps again.
fn uneven() -> Reels {
    let mut chunks = Vec::new();
    let mut now = 1_000_000;
    for (rate, seconds) in [(30u64, 5), (12, 5), (30, 3)] {
        for second in 0..seconds {
            let begin = now + second * 1_000_000;
            let at = |n: u64| begin + n * 1_000_000 / rate + (n * 7919) % 3000;
            chunks.push((0..rate).map(|n| (at(n), 11 + n as usize)).collect());
        }
        now += seconds * 1_000_000 + if rate == 12 { 2_500_000 } else { 0 };
    }
    Reels::new(&chunks)
}

#[test]
fn an_avis_times_are_exact_within_an_interval() {
    let mut reels = uneven();
    let file = whole(&reels.film(FilmFormat::Avi), &mut reels, 1 << 20);
    let (slots, step) = read_avi(&file);
    assert!((32_000..34_000).contains(&step), "{step} µs");
    let shown = slots.iter().enumerate().filter(|(_, (_, bytes))| !bytes.is_empty());
    let want = reels.pictures();
    for ((slot, _), (at_us, _)) in shown.zip(&want) {
        let (told, is) = (slot as u64 * step, at_us - want[0].0);
        // An interval, and the three milliseconds of jitter.
        assert!(told.abs_diff(is) <= step + 3_000, "{is} µs became {told}");
    }
    let end = timeline::end_us(&reels.rows(), 0) - want[0].0;
    assert!((slots.len() as u64 * step).abs_diff(end) <= step);
}

/// A camera at 30 fps with jitter: the headers count no missing frames.
#[test]
fn an_avi_of_even_frames_has_a_frame_in_every_slot() {
    let at = |n: u64| n * 33_367 + (n * 7_919) % 9_000;
    let chunks: Vec<Vec<(u64, usize)>> =
        (0..60).map(|chunk| (0..30).map(|n| (at(30 * chunk + n), 11 + n as usize)).collect()).collect();
    let mut reels = Reels::new(&chunks);
    let file = whole(&reels.film(FilmFormat::Avi), &mut reels, 1 << 20);
    let (slots, step) = read_avi(&file);
    assert_eq!(slots.len(), 1800);
    assert!(slots.iter().all(|(_, bytes)| !bytes.is_empty()));
    let avih = find_all(&file, b"avih")[0];
    assert_eq!(little(&file, avih + 8 + 16), 1800);
    let first = at(0);
    for (n, slot) in (0..1800).map(|n| (n, n * step)) {
        assert!(slot.abs_diff(at(n) - first) <= 2 * step, "picture {n}");
    }
}

#[test]
fn an_avi_states_how_many_frames_it_has() {
    // A camera at 30 fps that loses six frames in a row now and then; and one whose rate changes.
    let lossy = |n: u64| n * 33_333 + n / 300 * 200_000;
    let chunks: Vec<Vec<(u64, usize)>> =
        (0..60).map(|chunk| (0..30).map(|n| (lossy(30 * chunk + n), 11 + n as usize)).collect()).collect();
    for (mut reels, is_even) in [(Reels::new(&chunks), true), (uneven(), false)] {
        let file = whole(&reels.film(FilmFormat::Avi), &mut reels, 1 << 20);
        let (slots, step) = read_avi(&file);
        let (rows, frames) = (reels.rows(), reels.pictures().len());
        let long = timeline::end_us(&rows, 0) - rows[0].from_us;
        let avih = find_all(&file, b"avih")[0] + 8;
        let mean = little(&file, avih) as u64;
        assert_eq!(little(&file, avih + 16), frames);
        assert!((mean * frames as u64).abs_diff(long) <= step + frames as u64, "{mean} µs");
        assert_eq!(slots.len() == frames, is_even, "{} slots", slots.len());
    }
}

#[test]
fn an_avi_of_many_parts_lists_each() {
    let mut reels = uneven();
    let rows = reels.rows();
    let film = avi::layout_film(&rows, 0.into(), timeline::end_us(&rows, 0), 5_000).unwrap();
    let file = whole(&film, &mut reels, 1 << 20);
    let (slots, _) = read_avi(&file);
    assert_indexed(&file, &slots);
    let parts = find_all(&file, b"AVIX").len() + 1;
    assert!(parts > 5, "{parts} parts");
    // The index of indexes: offset, bytes and slots of each.
    let indx = find_all(&file, b"indx")[0];
    assert_eq!(little(&file, indx + 12), parts);
    let mut told = 0;
    for n in 0..parts {
        let entry = indx + 32 + 16 * n;
        let at = u64::from_le_bytes(file[entry..entry + 8].try_into().unwrap()) as usize;
        assert_eq!(&file[at..at + 4], b"ix00");
        assert_eq!(little(&file, entry + 8), 8 + little(&file, at + 4));
        told += little(&file, entry + 12);
    }
    assert_eq!(told, slots.len());
    let total = find_all(&file, b"dmlh")[0];
    assert_eq!(little(&file, total + 8), reels.pictures().len());
}

#[test]
fn unusual_films_are_valid() {
    let one = || Reels::new(&[vec![(5_000_000, 9)]]);
    for (mut reels, duration_us, want_us) in [
        // One frame, with and without a duration.
        (one(), 0, 1_000_000),
        (one(), 40_000, 40_000),
        // All stamps are equal.
        (Reels::new(&[vec![(7, 3), (7, 4)], vec![(7, 5)]]), 0, 1_000_000),
        // A frame an hour, for a month: more than 32 bits of microseconds, and 31 bits between two.
        (
            Reels::new(&(0..720).map(|n| vec![(n * 3_600_000_000, 20)]).collect::<Vec<_>>()),
            0,
            720 * 3_600_000_000,
        ),
    ] {
        for format in FORMATS {
            let film = Film::new(format, reels.rows(), 0, duration_us).unwrap();
            let file = whole(&film, &mut reels, 1 << 20);
            if format == FilmFormat::Mov {
                let (pictures, duration) = read_mp4(&file);
                assert_eq!((pictures.len(), duration), (reels.pictures().len(), want_us));
            }
            if format == FilmFormat::Avi {
                assert_eq!(
                    read_avi(&file).0.iter().filter(|s| !s.1.is_empty()).count(),
                    reels.pictures().len()
                );
            }
        }
    }
    let none = Film::new(FilmFormat::Mov, [], 0, 0);
    assert_eq!(none, Err(empty_film()));
    let empty = FilmChunk { number: 0, frames: 0, bytes: 0, from_us: 0, to_us: 0, width: 1, height: 1 };
    assert_eq!(Film::new(FilmFormat::Avi, [empty], 0, 0), Err(empty_film()));
}

#[test]
fn beyond_four_gigabytes_offsets_have_64_bits() {
    // 3000 chunks of 2 MB without any data: only the requested part is made.
    let row = |n: u64| FilmChunk {
        number: n,
        frames: 30,
        bytes: 2_000_000,
        from_us: n * 1_000_000,
        to_us: n * 1_000_000 + 966_667,
        width: 1280,
        height: 720,
    };
    struct Nothing;
    impl Footage for Nothing {
        type Error = Infallible;
        fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, Infallible> {
            Ok((0..30)
                .map(|n| FilmFrame { at_us: number * 1_000_000 + n * 33_333, offset: n as u32 * 66_666 })
                .collect())
        }
        fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, Infallible> {
            Ok((0..len).map(|n| ((u64::from(offset + n) + number) % 250) as u8).collect::<Vec<_>>().into())
        }
    }
    let film = Film::new(FilmFormat::Mov, (0..3000).map(row), 0, 0).unwrap();
    let head = (0..film.len()).step_by(1 << 16).take(30).scan(0, |at, _| {
        let part = film.read(*at, 1 << 16, &mut Nothing).unwrap();
        *at += part.len() as u64;
        Some(part)
    });
    let head = head.collect::<Vec<_>>().concat();
    let tables = find(&head, &[b"moov", b"trak", b"mdia", b"minf", b"stbl"]);
    let offsets = find(tables, &[b"co64"]);
    let at = |chunk: usize| u64::from_be_bytes(offsets[8 + 8 * chunk..16 + 8 * chunk].try_into().unwrap());
    assert_eq!(at(2999), film.len() - 2_000_000);
    let mdat = at(0) as usize - 16;
    assert_eq!((number(&head, mdat), &head[mdat + 4..mdat + 8]), (1, &b"mdat"[..]));
    assert_eq!(u64::from_be_bytes(head[mdat + 8..mdat + 16].try_into().unwrap()), film.len() - mdat as u64);
    let part = film.read(at(2999) + 66_666, 10, &mut Nothing).unwrap();
    assert_eq!(part[0], ((66_666 + 2999) % 250) as u8);

    // The same as AVI: parts of a gigabyte, frames in the last of them.
    let film = Film::new(FilmFormat::Avi, (0..3000).map(row), 0, 0).unwrap();
    assert!(film.len() > 6_000_000_000);
    let last = film.timeline.places[2999].at;
    let part = film.read(last, 66_690, &mut Nothing).unwrap();
    assert_eq!((&part[..4], little(&part, 4)), (&b"00dc"[..], 66_666));
    assert_eq!(part[8], (2999 % 250) as u8);
    assert_eq!(
        film.sections.iter().filter(|s| matches!(s.what, FilmPart::Each(Table::SlotIndex { .. }, _))).count(),
        6
    );
}

#[test]
fn a_range_costs_no_more_at_the_end_than_at_the_beginning() {
    // A hundred thousand frames.
    let chunks: Vec<_> =
        (0..3334u64).map(|c| (0..30).map(|n| (c * 1_000_000 + n * 33_333, 2)).collect()).collect();
    let mut reels = Reels::new(&chunks);
    for format in FORMATS {
        let film = reels.film(format);
        reels.reads = 0;
        let mut at = 0;
        let mut most = 0;
        while at < film.len() {
            let before = reels.reads;
            film.read(at, 4096, &mut reels).unwrap();
            most = most.max(reels.reads - before);
            at += film.len() / 50;
        }
        // Tables of 4096 bytes cover some 34 chunks of 30 frames; frames are tiny here.
        assert!((1..=40).contains(&most), "{format:?}: {most} reads");
    }
}

#[test]
fn a_chunk_that_does_not_match_its_row_is_reported() {
    let mut reels = uneven();
    let rows = reels.rows();
    let film = Film::new(FilmFormat::Mov, rows.clone(), 0, 0).unwrap();
    reels.chunks[1].0.pop();
    let mut at = 0;
    let odd = loop {
        match film.read(at, 1 << 16, &mut reels) {
            Ok(part) => at += part.len() as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(odd, FilmReadError::Odd(rows[1].number));
}

#[test]
fn ffprobe_reads_an_avi_of_many_parts() {
    use std::process::Command;
    if Command::new("ffprobe").arg("-version").output().is_err() {
        println!("LEFT OUT: ffprobe does not run here");
        return;
    }
    let mut reels = uneven();
    let rows = reels.rows();
    let film = avi::layout_film(&rows, 0.into(), timeline::end_us(&rows, 0), 5_000).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parts.avi");
    let file = whole(&film, &mut reels, 1 << 20);
    std::fs::write(&path, &file).unwrap();
    // The frames are no JPEGs: ffprobe reads only packets, from the start and after a seek into a late part.
    let packets = |from: &str| -> Vec<(f64, usize)> {
        let arguments = ["-v", "quiet", "-of", "csv=p=0", "-read_intervals", from, "-show_entries"];
        let ran =
            Command::new("ffprobe").args(arguments).arg("packet=pts_time,size").arg(&path).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        let packet = |line: &str| {
            let (time, size) = line.split_once(',').unwrap();
            (time.parse().unwrap(), size.trim_end_matches(',').parse().unwrap())
        };
        text.lines().map(packet).filter(|(_, size)| *size > 0).collect()
    };
    let want = reels.pictures();
    let all = packets("0%+100");
    assert_eq!(
        all.iter().map(|(_, size)| *size).collect::<Vec<_>>(),
        want.iter().map(|w| w.1.len()).collect::<Vec<_>>()
    );
    let late = packets("14%+100");
    let is_late = |w: &&(u64, &[u8])| w.0 - want[0].0 >= 13_900_000;
    assert!(late.len().abs_diff(want.iter().filter(is_late).count()) <= 5, "{} are late", late.len());
    assert!(late[0].0 >= 13.8, "{late:?}");
}
