#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::convert::Infallible;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::media::film::{Film, FilmChunk, FilmFormat, FilmFrame, Footage};

/// Capture times of the frames of two chunks.
const TIMES: [[u64; 3]; 2] = [[0, 40_001, 250_000], [1_500_000, 1_500_007, 1_533_333]];
const BEGAN: u64 = 1_790_000_000_000_000;

/// Frames of three bytes.
struct Two;

impl Footage for Two {
    type Error = Infallible;

    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, Infallible> {
        let times = TIMES[number as usize];
        Ok((0..3).map(|n| FilmFrame { at_us: times[n as usize], offset: 3 * n }).collect())
    }

    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, Infallible> {
        Ok((offset..offset + len).map(|at| (10 * number) as u8 + at as u8).collect::<Vec<_>>().into())
    }
}

fn ours() -> Vec<u8> {
    let row = |number: u64| FilmChunk {
        number,
        frames: 3,
        bytes: 9,
        from_us: TIMES[number as usize][0],
        to_us: TIMES[number as usize][2],
        width: 64,
        height: 48,
    };
    let film = Film::new(FilmFormat::Mov, (0..2).map(row), BEGAN, 0).unwrap();
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < film.len() {
        bytes.extend(film.read(bytes.len() as u64, 1 << 20, &mut Two).unwrap());
    }
    bytes
}

type Played = (Option<u64>, Vec<(u64, Vec<u8>)>);

fn play(film: &[u8]) -> Result<Played, ContainerError> {
    let mut reader = Mp4Reader::open(film, tempfile::tempfile().unwrap())?;
    let (mut picture, mut pictures) = (Vec::new(), Vec::new());
    while let Some((at, _)) = reader.next(&mut picture)? {
        pictures.push((at, picture.clone()));
    }
    Ok((reader.began().map(|began| began.us), pictures))
}

fn all() -> Vec<(u64, Vec<u8>)> {
    let at = |chunk: usize, n: usize| {
        let first = (10 * chunk + 3 * n) as u8;
        (TIMES[chunk][n], vec![first, first + 1, first + 2])
    };
    (0..2).flat_map(|chunk| (0..3).map(move |n| at(chunk, n))).collect()
}

/// `film` with the frames before the index, as cameras and ffmpeg write it.
fn index_last(film: &[u8]) -> Vec<u8> {
    let place = |name: &[u8]| film.windows(4).position(|four| four == name).unwrap();
    let (moov, mdat) = (place(b"moov") - 4, place(b"mdat") - 4);
    let mut index = film[moov..mdat].to_vec();
    let shift = (mdat - moov) as u32;
    let stco = index.windows(4).position(|four| four == b"stco").unwrap() + 12;
    for at in [stco, stco + 4] {
        let offset = u32::from_be_bytes(*index[at..].first_chunk().unwrap()) - shift;
        index[at..at + 4].copy_from_slice(&offset.to_be_bytes());
    }
    [&film[..moov], &film[mdat..], &index].concat()
}

#[test]
fn our_films_are_read_back_with_times_and_date() {
    let film = ours();
    assert_eq!(play(&film).unwrap(), (Some(BEGAN), all()));
    assert_eq!(play(&index_last(&film)).unwrap(), (Some(BEGAN), all()));
}

#[test]
fn a_film_cut_off_plays_as_far_as_it_goes() {
    let film = ours();
    let mdat = film.windows(4).position(|four| four == b"mdat").unwrap() + 4;
    for len in 0..film.len() {
        match play(&film[..len]) {
            Ok((_, pictures)) => assert_eq!(pictures, all()[..len.saturating_sub(mdat) / 3], "{len} bytes"),
            Err(error) => {
                assert!(len < mdat, "{len} bytes: {error}");
                assert_eq!(error.to_string(), no_index().to_string());
            }
        }
    }
    let film = index_last(&film);
    let cut = play(&film[..film.len() - 1]).unwrap_err();
    assert_eq!(cut.to_string(), no_index().to_string());
}

#[test]
fn a_missing_date_is_none() {
    let mut film = ours();
    for name in [b"mvhd", b"tkhd", b"mdhd"] {
        let at = film.windows(4).position(|four| four == name).unwrap() + 8;
        film[at..at + 8].fill(0);
    }
    let day = film.windows(4).position(|four| four == b"\xa9day").unwrap();
    film[day..day + 4].copy_from_slice(b"free");
    assert_eq!(play(&film).unwrap(), (None, all()));
}

#[test]
fn other_video_is_named() {
    let film = ours();
    let at = film.windows(4).position(|four| four == b"jpeg").unwrap();
    for (code, name) in
        [(b"avc1", "H.264"), (b"hvc1", "H.265 (HEVC)"), (b"mp4v", "MPEG-4"), (b"XyZ1", "XyZ1")]
    {
        let mut other = film.clone();
        other[at..at + 4].copy_from_slice(code);
        let said = play(&other).unwrap_err().to_string();
        assert_eq!(said, format!("its video is {name}, not Motion JPEG"));
    }
}

/// The times in a film according to ffprobe.
fn probed(film: &Path) -> Vec<u64> {
    let entries =
        ["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(entries).arg(film).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seconds = text.lines().map(|line| line.trim_end_matches(',').parse::<f64>().unwrap());
    seconds.map(|seconds| (seconds * 1e6).round() as u64).collect()
}

/// Films of ffmpeg: `jpeg` in MOV, `mp4v` with the object type of JPEG in MP4, both frame rates, sound between.
#[test]
fn films_of_ffmpeg_have_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let vary = "select='lt(mod(n,7),3)',settb=1/1000,setpts='PTS+floor(random(1)*9)'";
    for (name, more) in [
        ("steady.mov", &["-metadata", "creation_time=2021-05-06T07:08:09Z"][..]),
        ("varied.mp4", &["-vf", vary, "-fps_mode", "passthrough", "-enc_time_base", "1:1000"]),
        ("first.mp4", &["-vf", vary, "-fps_mode", "passthrough", "-movflags", "+faststart"]),
        ("sound.mov", &["-c:a", "pcm_s16le", "-movflags", "+faststart"]),
        ("late.mov", &["-vf", "setpts=PTS+0.5/TB", "-c:a", "pcm_s16le"]),
    ] {
        let film = folder.path().join(name);
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=2"])
            .args(["-f", "lavfi", "-i", "sine=d=2", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"])
            .args(if more.contains(&"-c:a") { &["-map", "0", "-map", "1"][..] } else { &["-an"] })
            .args(more)
            .arg(&film)
            .status();
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return;
        }
        assert!(made.unwrap().success(), "{name}");
        let (created, pictures) = play(&std::fs::read(&film).unwrap()).unwrap();
        let times: Vec<u64> = pictures.iter().map(|(at, _)| *at).collect();
        let want = probed(&film);
        assert!(want.len() > 15, "{name}: {want:?}");
        assert_eq!(times.len(), want.len(), "{name}");
        for (at, want) in times.iter().zip(&want) {
            assert!(at.abs_diff(*want) <= 1, "{name}: {times:?}\n{want:?}");
        }
        assert!(pictures.iter().all(|(_, jpeg)| jpeg.starts_with(&[0xff, 0xd8])), "{name}");
        let date = (name == "steady.mov").then_some(1_620_284_889_000_000);
        assert_eq!(created, date, "{name}");
    }
    let film = folder.path().join("pieces.mp4");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-c:v", "mjpeg"])
        .args(["-pix_fmt", "yuvj420p", "-movflags", "frag_keyframe+empty_moov"])
        .arg(&film)
        .status();
    assert!(status.unwrap().success());
    let refused = play(&std::fs::read(&film).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), fragmented().to_string());
}

proptest! {
    #[test]
    fn nothing_panics_or_takes_for_ever(
        changes in prop::collection::vec((0usize..900, any::<u8>()), 0..20),
        is_last in any::<bool>(),
    ) {
        let mut film = if is_last { index_last(&ours()) } else { ours() };
        for (at, value) in changes {
            let at = at % film.len();
            film[at] = value;
        }
        if let Ok((_, pictures)) = play(&film) {
            prop_assert!(pictures.len() <= film.len());
        }
    }
}
