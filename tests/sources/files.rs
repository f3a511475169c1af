//! Folders, lists and clips as cameras.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tallycam::media::SourceErrorKind;
use tallycam::source::FilesOpener;
use tallycam::source::{FormatRequest, Opener};

use super::hung::Hung;
use super::{Bytes, joined, next, open, picture, pictures, refused, to_the_end};

fn files(path: &Path, looped: bool) -> FilesOpener {
    FilesOpener::new(path.to_owned(), looped, false, FormatRequest::ANYTHING)
}

/// An AVI as a simple recorder writes it: sound beside the pictures, an index after them.
fn avi(pictures: &[Bytes], codec: &[u8; 4], fps: u32) -> Vec<u8> {
    fn chunk(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = [&id[..], &(body.len() as u32).to_le_bytes(), body].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }
    fn list(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
        chunk(b"LIST", &[&kind[..], &parts.concat()].concat())
    }
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    let strh =
        [&b"vids"[..], codec, &words(&[0, 0, 0, 1, fps, 0, pictures.len() as u32, 0, 0, 0, 0, 0])].concat();
    let strf = [words(&[40, 64, 48, 1 | 24 << 16]), codec.to_vec(), words(&[0; 5])].concat();
    let header = list(
        b"hdrl",
        &[
            chunk(b"avih", &[0; 56]),
            list(b"strl", &[chunk(b"strh", &strh), chunk(b"strf", &strf)]),
            list(b"strl", &[chunk(b"strh", b"auds"), chunk(b"strf", &[0; 16])]),
        ],
    );
    let movi: Vec<Vec<u8>> =
        pictures.iter().flat_map(|p| [chunk(b"00dc", p), chunk(b"01wb", &[7; 333])]).collect();
    let body = [&b"AVI "[..], &header, &list(b"movi", &movi), &chunk(b"idx1", &[0; 64])].concat();
    chunk(b"RIFF", &body)
}

/// Everything below a path, once; it must end as the end.
fn once(path: &Path) -> Vec<Bytes> {
    let (frames, trouble) = to_the_end(&mut *open(&mut files(path, false)));
    assert_eq!(trouble.kind, SourceErrorKind::Ended, "{trouble}");
    frames
}

#[test]
fn a_folder_plays_by_name_and_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let (a, b, c) = (picture(1), picture(2), picture(3));
    put("10.jpg", &b);
    put("9.JPEG", &a);
    put("notes.txt", b"not a picture");
    put(".hidden.jpg", &c);
    put("95.jpg", &c[..20]);
    assert_eq!(once(folder.path()), [a.clone(), b.clone()]);

    let mut source = open(&mut files(folder.path(), true));
    let take = |source: &mut dyn tallycam::source::Source| next(source).unwrap().0;
    assert_eq!([take(&mut *source), take(&mut *source)], [a.clone(), b.clone()]);
    put("95.jpg", &c);
    fs::remove_file(folder.path().join("10.jpg")).unwrap();
    // This round still has the name; the next one no longer has the other.
    assert_eq!([take(&mut *source), take(&mut *source), take(&mut *source)], [c.clone(), a, c]);
}

#[test]
fn a_list_names_paths_relative_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let (a, b) = (picture(1), picture(2));
    fs::write(folder.path().join("sub/a b.jpg"), &a).unwrap();
    let other = folder.path().join("b.jpg");
    fs::write(&other, &b).unwrap();
    let list = folder.path().join("list");
    let text = format!("# three\r\n\nsub/a b.jpg\r\n  {}\nmissing.jpg\nsub/a b.jpg", other.display());
    fs::write(&list, text).unwrap();
    assert_eq!(once(&list), [a.clone(), b.clone(), a]);
    // As an editor on Windows saves it.
    fs::write(&list, "\u{feff}b.jpg\r\n").unwrap();
    assert_eq!(once(&list), [b]);
}

#[test]
fn many_faulty_files_delay_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["1.jpg", "2.jpg"] {
        fs::write(folder.path().join(name), "no picture").unwrap();
    }
    fs::write(folder.path().join("3.jpg"), picture(1)).unwrap();
    let mut source = open(&mut files(folder.path(), false));
    for _ in 0..2 {
        assert!(source.next(Duration::ZERO).unwrap().is_none());
    }
    assert_eq!(next(&mut *source).unwrap().0, picture(1));
}

#[test]
fn clips_play_completely() {
    let folder = tempfile::tempdir().unwrap();
    let all = pictures(9);
    let path = folder.path().join("clip");
    let multipart: Vec<u8> = all
        .iter()
        .flat_map(|p| [&b"--x\r\nContent-Type: image/jpeg\r\n\r\n"[..], p, b"\r\n"].concat())
        .collect();
    for clip in [joined(&all), multipart, avi(&all, b"MJPG", 25)] {
        fs::write(&path, clip).unwrap();
        assert_eq!(once(&path), all);
        let mut source = open(&mut files(&path, true));
        for round in 0..3 {
            for (n, picture) in all.iter().enumerate() {
                let (frame, number) = next(&mut *source).unwrap();
                assert_eq!((&frame, number), (picture, round * 9 + n as u64 + 1));
            }
        }
    }
    fs::write(&path, picture(1)).unwrap();
    assert_eq!(once(&path), [picture(1)]);
}

#[test]
fn a_damaged_clip_plays_as_far_as_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let all = pictures(3);
    let path = folder.path().join("clip");
    let whole = avi(&all, b"MJPG", 25);
    fs::write(&path, &whole[..whole.len() - 64 - 8 - 333 - 1 - 8 - 10]).unwrap();
    assert_eq!(once(&path), all[..2]);
    let cut = &all[1][..all[1].len() / 2];
    fs::write(&path, [&*all[0], cut, &*all[2]].concat()).unwrap();
    assert_eq!(once(&path), [all[0].clone(), all[2].clone()]);
}

#[test]
fn the_pace_is_the_requested_one_or_the_clips_own() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let fps = |path: PathBuf, requested: Option<f64>| {
        let wanted = FormatRequest { fps: requested, ..FormatRequest::ANYTHING };
        let source = open(&mut FilesOpener::new(path, true, true, wanted));
        source.source_info().fps.map(|fps| (fps * 1000.0).round() / 1000.0)
    };
    let clip = put("clip.avi", &avi(&pictures(2), b"MJPG", 12));
    assert_eq!(fps(clip.clone(), None), Some(12.0));
    assert_eq!(fps(clip, Some(2.5)), Some(2.5));
    assert_eq!(fps(put("a.mjpeg", &joined(&pictures(2))), None), Some(30.0));
    assert_eq!(fps(put("a.jpg", &picture(1)), None), Some(1.0));
    assert_eq!(fps(folder.path().to_owned(), None), Some(1.0));

    // In real time the second picture is not there at once.
    let wanted = FormatRequest { fps: Some(0.01), ..FormatRequest::ANYTHING };
    let mut source = open(&mut FilesOpener::new(folder.path().join("a.mjpeg"), true, true, wanted));
    assert_eq!(next(&mut *source).unwrap().0, picture(1));
    assert!(source.next(Duration::from_millis(200)).unwrap().is_none());
}

#[test]
fn an_unplayable_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        refused(&mut files(&path, true))
    };
    let missing = folder.path().join("missing");
    assert_eq!(files(&missing, true).is_present(), Some(false));
    assert_eq!(refused(&mut files(&missing, true)).kind, SourceErrorKind::Absent);
    assert_eq!(refused(&mut files(folder.path(), true)).kind, SourceErrorKind::Absent);
    assert_eq!(put("empty list", b"# nothing\n").kind, SourceErrorKind::Absent);
    // A pipe without a writer must not block the capture thread.
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let trouble = refused(&mut files(&pipe, true));
    assert!(trouble.kind == SourceErrorKind::Failed && trouble.line().contains("no file"), "{trouble}");
    let trouble = put("xvid.avi", &avi(&pictures(1), b"XVID", 25));
    assert_eq!(
        (trouble.kind, trouble.causes),
        (SourceErrorKind::Unsupported, vec!["its video is XVID, not MJPEG".into()])
    );
    assert!(trouble.hint.unwrap().contains("ffmpeg"));
    assert_eq!(put("a.mp4", b"\0\0\0\x18ftypmp42").kind, SourceErrorKind::Unsupported);
    assert_eq!(put("empty", b"").kind, SourceErrorKind::Unsupported);

    for (name, bytes) in [
        ("no picture.avi", avi(&[], b"MJPG", 25)),
        ("empty chunks.avi", avi(&[Bytes(vec![]), Bytes(vec![])], b"MJPG", 25)),
        ("cut.jpg", picture(1)[..300].to_vec()),
        ("lists.txt", b"nowhere.jpg\nnor-here.jpg".to_vec()),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let trouble = next(&mut *open(&mut files(&path, true))).expect_err(name);
        assert_eq!(trouble.kind, SourceErrorKind::Broken, "{name}: {trouble}");
    }
}

/// Waiting for it never exceeds the given time, even when it is opened again, and only one thread hangs with it.
#[test]
fn a_file_system_that_hangs_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("1.jpg"), folder.path().join("2.jpg"));
    fs::write(&first, picture(1)).unwrap();
    fs::write(&second, picture(2)).unwrap();

    let mut opener = files(folder.path(), true);
    opener.set_silent_after(Duration::from_millis(300));
    let mut source = open(&mut opener);
    assert_eq!(next(&mut *source).unwrap().0, picture(1));
    let hung = Hung::new(&second);
    assert!(source.next(Duration::from_millis(100)).unwrap().is_none());
    assert!(source.next(Duration::from_millis(100)).unwrap().is_none());
    drop(source);
    for _ in 0..3 {
        let trouble = refused(&mut opener);
        assert!(
            trouble.kind == SourceErrorKind::Silent && trouble.line().contains("the thread files waits"),
            "{trouble}"
        );
        assert_eq!(opener.is_present(), None);
    }
    drop(hung);
    let mut source = open(&mut opener);
    assert_eq!([next(&mut *source).unwrap().0, next(&mut *source).unwrap().0], [picture(1), picture(2)]);
}

/// `/proc` and `/sys` have no pictures, and reading some of their files waits for ever.
#[test]
fn files_of_proc_and_sys_are_refused() {
    for path in ["/proc", "/proc/kmsg", "/proc/self/maps", "/sys", "/sys/devices/system/cpu/online"] {
        let trouble = refused(&mut files(Path::new(path), true));
        let why = "cannot be read: the kernel's own file systems, such as /proc and /sys, hold no pictures";
        assert_eq!(trouble.line(), format!("{path} {why}"));
    }
}

#[test]
fn films_of_ffmpeg_are_played() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, codec: &[&str]| {
        let path = folder.path().join(name);
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10"])
            .args(["-f", "lavfi", "-i", "sine", "-frames:v", "12", "-t", "1.2"])
            .args(codec)
            .arg(&path)
            .status();
        made.ok().map(|status| {
            assert!(status.success(), "ffmpeg cannot make {name}");
            path
        })
    };
    let Some(path) = make("sound.avi", &["-c:v", "mjpeg", "-c:a", "pcm_s16le"]) else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "ffmpeg is missing: `make test` installs it");
        eprintln!("left out: there is no ffmpeg on this machine");
        return;
    };
    let source = open(&mut FilesOpener::new(path.clone(), false, true, FormatRequest::ANYTHING));
    let delivers = source.source_info();
    assert_eq!((delivers.width, delivers.height, delivers.fps), (160, 120, Some(10.0)));
    for path in [path, make("a.mjpeg", &["-c:v", "mjpeg", "-an"]).unwrap()] {
        let frames = once(&path);
        assert_eq!(frames.len(), 12);
        for frame in frames {
            let seen = tallycam::media::jpeg::inspect(&frame).unwrap();
            assert_eq!((seen.width, seen.height), (160, 120));
        }
    }
    let trouble = refused(&mut files(&make("mpeg4.avi", &["-c:v", "mpeg4"]).unwrap(), true));
    assert!(trouble.line().contains("FMP4"), "{trouble}");
}
