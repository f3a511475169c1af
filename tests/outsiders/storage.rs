//! Films and disks of other makers: their times and dates, and a counts.db that cannot be opened at once.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::common::daemon::Daemon;
use crate::common::items::{Items, jpeg, recording};
use crate::common::{client, wait_until};
use crate::row;

const S: u64 = 1_000_000;

/// Times of a recording's pictures, in microseconds from its beginning.
fn times(items: &Items, name: &str) -> Vec<u64> {
    let reader = items.reader();
    let id = reader.by_name(name).unwrap().id;
    let chunks = reader.chunks(id).unwrap();
    chunks
        .iter()
        .flat_map(|chunk| reader.frames(id, chunk.number).unwrap())
        .map(|frame| frame.at_us)
        .collect()
}

fn shown(items: &Items, name: &str) -> Value {
    items.json(&["media", "show", name, "--json"])
}

/// A film made by ffmpeg; false if it is not installed.
fn film(path: &Path, more: &[&str]) -> bool {
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=10:d=3"])
        .args(more)
        .arg(path)
        .status();
    made.is_ok_and(|status| {
        assert!(status.success(), "ffmpeg makes no {}", path.display());
        true
    })
}

/// Steps of a second, then of a tenth, and one of four seconds. The program once took such a film for 30 fps.
const VARIED: &str = "settb=1/1000,setpts='round(1000*if(lt(N,5),N,5+(N-5)/10+gt(N,20)*4))'";

fn varied() -> Vec<u64> {
    (0..30)
        .map(|n: u64| if n < 5 { n * S } else { 5 * S + (n - 5) * S / 10 + u64::from(n > 20) * 4 * S })
        .collect()
}

fn is_near(times: &[u64], wanted: &[u64]) -> bool {
    times.len() == wanted.len() && times.iter().zip(wanted).all(|(at, wanted)| at.abs_diff(*wanted) <= 1_000)
}

#[test]
fn our_own_film_is_imported_unchanged() {
    let items = Items::new();
    let taken = [0, 40_001, 90_000, 1_500_000, 1_700_007, 9_000_000, 9_033_333, 9_066_666];
    items.fill(|media| drop(recording(media, "walk", 60 * S + 123_456, &taken)));
    let _daemon = items.serve();
    let keys = ["time", "date", "frames", "time_sure"];
    let same = |names: [&str; 2], keys: &[&str]| {
        let [was, is] = names.map(|name| shown(&items, name));
        for key in keys {
            assert_eq!(was[key], is[key], "{names:?} {key}");
        }
    };
    for format in ["mov", "avi"] {
        let out = format!("out.{format}");
        assert_eq!(items.run(&["media", "export", "walk", &out]).0, 0);
        let (code, said, err) = items.run(&["media", "add", &out]);
        assert_eq!(code, 0, "{said}{err}");
        same(["walk", &out], &keys);
    }
    assert!(shown(&items, "walk")["time"].as_str().unwrap().ends_with(":00.123Z"));
    same(["walk", "out.mov"], &["duration"]);
    assert!(is_near(&times(&items, "out.mov"), &taken), "{:?}", times(&items, "out.mov"));
    // A time that is not sure does not become so on the way.
    std::fs::write(items.folder.path().join("a.mjpeg"), [jpeg(1), jpeg(2)].concat()).unwrap();
    assert_eq!(items.run(&["media", "add", "a.mjpeg"]).0, 0);
    assert_eq!(shown(&items, "a.mjpeg")["time_sure"], json!(false));
    for format in ["mov", "avi"] {
        let out = format!("unsure.{format}");
        assert_eq!(items.run(&["media", "export", "a.mjpeg", &out]).0, 0);
        assert_eq!(items.run(&["media", "add", &out]).0, 0);
        same(["a.mjpeg", &out], &keys);
    }
    row(
        "Recordings",
        "a recording exported as MOV or AVI, added again",
        "the same time to the millisecond, sure or not; as MOV also the times and duration of its pictures",
    );
}

#[test]
fn films_of_others_keep_their_times() {
    let items = Items::new();
    let place = |name: &str| items.folder.path().join(name);
    let dated = ["-metadata", "creation_time=2021-05-06T07:08:09Z"];
    let vary = ["-vf", VARIED, "-fps_mode", "passthrough", "-enc_time_base", "1:1000"];
    let mjpeg = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"];
    if !film(&place("camera.mov"), &[&mjpeg[..], &vary, &dated].concat()) {
        return;
    }
    // The index comes first, and there is no date.
    assert!(film(&place("undated.mp4"), &[&mjpeg[..], &vary, &["-movflags", "+faststart"]].concat()));
    assert!(film(&place("phone.mp4"), &["-c:v", "mpeg4"]));
    assert!(film(&place("fields.avi"), &mjpeg));
    // Its frames are twice as high by the header: each has two fields.
    let mut fields = std::fs::read(place("fields.avi")).unwrap();
    let format = memchr::memmem::find(&fields, b"strf").unwrap();
    assert_eq!(fields[format + 16..format + 20], 48u32.to_le_bytes());
    fields[format + 16..format + 20].copy_from_slice(&96u32.to_le_bytes());
    std::fs::write(place("fields.avi"), fields).unwrap();
    assert!(film(&place("pieces.mp4"), &[&mjpeg[..], &["-movflags", "frag_keyframe+empty_moov"]].concat()));
    let _daemon = items.serve();
    let add = |file: &str| items.run(&["media", "add", file]);
    for (file, is_dated) in [("camera.mov", true), ("undated.mp4", false)] {
        let (code, said, err) = add(file);
        assert_eq!(code, 0, "{said}{err}");
        assert!(is_near(&times(&items, file), &varied()), "{file}: {:?}", times(&items, file));
        let item = shown(&items, file);
        assert_eq!(item["time_sure"], json!(is_dated), "{item}");
        if is_dated {
            assert_eq!(item["time"], json!("2021-05-06T07:08:09.000Z"), "{item}");
        }
    }
    let (code, _, err) = add("phone.mp4");
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("this film cannot be taken: its video is MPEG-4, not Motion JPEG"), "{err}");
    assert!(err.contains("hint: ffmpeg makes one of most clips"), "{err}");
    let (code, _, err) = add("pieces.mp4");
    assert!(code == 1 && err.contains("fragmented"), "{err}");
    let (code, _, err) = add("fields.avi");
    assert!(code == 1 && err.contains("its video is interlaced, two fields of 64×48 a frame"), "{err}");
    assert!(err.contains("hint: ffmpeg makes one of most clips"), "{err}");
    for (sample, now) in [
        ("a Motion JPEG MOV of varying frame rate with a creation date", "its times, duration and date"),
        (
            "a Motion JPEG MP4 without a creation date",
            "its times; dated as the file, and the time is not sure",
        ),
        (
            "an MP4 with another codec",
            "refused: \"its video is MPEG-4, not Motion JPEG\", and how to convert it",
        ),
        ("a fragmented MP4", "refused: how to put its pieces together"),
        ("an AVI of interlaced Motion JPEG", "refused: the size of its fields, and how to convert it"),
    ] {
        row("Recordings", sample, now);
    }
}

/// The answer of a daemon that may be restarting.
fn answer(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn a_daemon_run_by_hand_also_opens_counts_db_later() {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let lock = File::create(folder.path().join("counts.lock")).unwrap();
    lock.lock().unwrap();
    let state = format!("store.directory={}", folder.path().display());
    let sets = ["--set", "source.kind=sim", "--set", "detect.backend=none", "--set", &state];
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &sets);
    let refused = client::get(daemon.address, "/api/v1/counts");
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("another tallycam keeps its counts there"), "{}", refused.text());
    lock.unlock().unwrap();
    wait_until("it has counts.db", || {
        answer(daemon.address, "/api/v1/counts").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    row(
        "Recordings",
        "another program has counts.db at the start",
        "503 that says so; opened within 30 s of its end, started by systemd or by hand",
    );
}
