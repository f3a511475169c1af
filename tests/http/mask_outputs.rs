//! Every picture that leaves the service, and every picture in its store and its backup, with and without the privacy
//! mask. The camera sees a blue sign, and people pass below it. With the mask no picture has anything blue.
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tallycam::base::ClockTime;
use tallycam::encode::Encoder;
use tallycam::media::{Fourcc, Frame};
use tallycam::store::media::{Media, MediaSettings, RetentionRules};
use tallycam::store::{Counts, CountsOptions};

use crate::common::client::{self, Client};
use crate::common::daemon::Daemon;
use crate::common::{DEADLINE, wait_until};

const SIZE: (usize, usize) = (320, 240);

/// A picture with a blue sign in its middle, and a dark passer whose left side is at `at` pixels.
fn picture(at: usize) -> Vec<u8> {
    let pixel = |x: usize, y: usize| match (x, y) {
        (_, 106..220) if (at..at + 48).contains(&x) => [20, 128, 128],
        (144..240, 60..120) => [150, 220, 110],
        _ => [90, 128, 128],
    };
    let data: Vec<u8> = (0..SIZE.1)
        .flat_map(|y| (0..SIZE.0).map(move |x| (x, y)))
        .flat_map(|(x, y)| [pixel(x, y)[0], pixel(x, y)[1 + x % 2]])
        .collect();
    let frame = Frame {
        fourcc: Fourcc::YUYV,
        width: SIZE.0 as u32,
        height: SIZE.1 as u32,
        stride: 2 * SIZE.0 as u32,
        data: &data,
        second: None,
        stamp: ClockTime::now(),
        sequence: 1,
    };
    Encoder::new(90).unwrap().encode(&frame).unwrap().jpeg().to_vec()
}

/// True if the sign is in the picture; in one without colour, if something is as bright. Lines that are drawn on it are
/// blue, too, but thin.
fn has_sign(jpeg: &[u8], is_drawn_on: bool) -> bool {
    let image = turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::RGB).unwrap();
    let pixels = || image.pixels.chunks_exact(3);
    let is_gray = pixels().all(|rgb| rgb[0] == rgb[1] && rgb[1] == rgb[2]);
    let is_of_it = |rgb: &&[u8]| {
        if is_gray { rgb[0] > 125 } else { rgb[2] > 170 && rgb[2] - 60 > rgb[0] }
    };
    pixels().filter(is_of_it).count() > if is_drawn_on { pixels().count() / 25 } else { 20 }
}

/// The JPEGs among these bytes.
fn jpegs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let find = |from: usize, what: &[u8]| {
        bytes[from..].windows(what.len()).position(|part| part == what).map(|at| from + at)
    };
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(begin) = find(from, &[0xff, 0xd8, 0xff]) {
        let Some(end) = find(begin, &[0xff, 0xd9]) else { break };
        found.push(bytes[begin..end + 2].to_vec());
        from = end + 2;
    }
    found
}

/// The pictures in a state folder: those of crossings, and those of snapshots and recordings.
fn stored(folder: &Path) -> [Vec<Vec<u8>>; 2] {
    let (directory, camera, zone) = (folder.to_owned(), String::from("door"), jiff::tz::TimeZone::UTC);
    let options = CountsOptions {
        directory: directory.clone(),
        camera: camera.clone(),
        zone: zone.clone(),
        day_starts: 0,
    };
    let (counts, counts_db) = Counts::open(options).unwrap();
    let reader = counts.reader().unwrap();
    let crossings = (1..1000).filter_map(|id| reader.thumbnail(id).unwrap()).collect();
    let retention = RetentionRules::default();
    let (media, writer) = Media::open(MediaSettings { directory, camera, zone, retention }).unwrap();
    let reader = media.reader().unwrap();
    let frames = |id: u64| {
        let all = reader.frames(id, 0).unwrap();
        all.into_iter().map(|frame| reader.bytes(id, 0, frame.offset, frame.len).unwrap().to_vec()).collect()
    };
    let items = (1..20).filter(|&id| reader.item(id).is_ok());
    let items = items.flat_map(|id| -> Vec<Vec<u8>> { frames(id) }).collect();
    counts.stop();
    media.stop();
    counts_db.join_within(DEADLINE).unwrap();
    writer.join_within(DEADLINE).unwrap();
    [crossings, items]
}

/// Asserts that each of these pictures has the sign if there is no mask, and only then.
#[track_caller]
fn check(is_masked: bool, what: &str, pictures: &[Vec<u8>]) {
    assert!(!pictures.is_empty(), "{what}: none");
    let is_drawn_on = what.contains("annotated") || what.contains("video_feed");
    let seen = pictures.iter().filter(|jpeg| has_sign(jpeg, is_drawn_on)).count();
    match is_masked {
        true => assert_eq!(seen, 0, "{what}: of {} pictures", pictures.len()),
        false => assert!(seen > 0, "{what}: the test would not see the sign"),
    }
}

fn run(is_masked: bool) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (pictures, state) = (folder.path().join("pictures"), folder.path().join("state"));
    fs::create_dir(&pictures).unwrap();
    for n in 0..40 {
        // The picture is empty for a while, and the passer beyond its right edge.
        fs::write(pictures.join(format!("{n:02}.jpg")), picture(n * 12)).unwrap();
    }
    let mask = "mask = [[[0.44, 0.24], [0.76, 0.24], [0.76, 0.51], [0.44, 0.51]]]";
    let config = format!(
        "[source]\nkind = \"files\"\npath = \"{}\"\nloop = true\nfps = 15\n[store]\ndirectory = \"{}\"\n\
         [detect]\nbackend = \"motion\"\n[privacy]\n{}\n[[line]]\nname = \"Door\"\na = [0.5, 0.0]\nb = [0.5, 1.0]\n",
        pictures.display(),
        state.display(),
        if is_masked { mask } else { "" }
    );
    let file = folder.path().join("config.toml");
    fs::write(&file, config).unwrap();
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let mut daemon = Daemon::start(program, &["--config", file.to_str().unwrap()]);
    let get = |path: &str| client::get(daemon.address, path);
    let send = |method: &str, path: &str, body| client::send_json(daemon.address, method, path, &body);
    let check = |what: &str, pictures: &[Vec<u8>]| check(is_masked, what, pictures);
    let parts = |path: &str, count| -> Vec<Vec<u8>> {
        let mut viewer = Client::new(std::net::TcpStream::connect(daemon.address).unwrap());
        viewer.watch(path);
        (0..count).map(|_| viewer.part().unwrap()).collect()
    };
    // The first picture of all.
    check("first", &parts("/stream", 1));
    for view in [
        json!({}),
        json!({"rotate": 90}),
        json!({"rotate": 0, "flip": true, "crop": [0.3, 0.1, 0.6, 0.8]}),
        json!({"flip": false, "mirror": true, "rotate": 270, "scale": "1/2"}),
    ] {
        let name = view.to_string();
        let set = send("PATCH", "/api/v1/picture", view);
        assert_eq!(set.status, 200, "{name}: {}", set.text());
        for path in [
            "/stream",
            "/stream?gray=1",
            "/stream?scale=1/2",
            "/stream?rotate=90",
            "/stream?flip=1&mirror=1",
            "/stream?crop=0.3,0.1,0.6,0.8",
            "/stream?annotated=1",
            "/video_feed",
        ] {
            check(&format!("{name} {path}"), &parts(path, 6));
        }
        for path in [
            "/snapshot",
            "/snapshot.jpg",
            "/snapshot.jpg?picture=original",
            "/snapshot.jpg?picture=largest",
            "/snapshot.jpg?width=160",
            "/snapshot.jpg?rotate=180",
            "/api/v1/snapshot.jpg?gray=1",
            "/api/v1/still.jpg",
        ] {
            let answer = get(path);
            assert_eq!(answer.status, 200, "{name} {path}: {}", answer.text());
            check(&format!("{name} {path}"), &[answer.body]);
        }
        for draft in [json!({"picture": "shown"}), json!({"picture": "original"}), json!({"every": 1})] {
            let wanted = if draft["every"].is_null() { 4 } else { 1 };
            let begun = send("POST", "/api/v1/recordings", draft);
            assert_eq!(begun.status, 201, "{}", begun.text());
            let frames = || get("/api/v1/recording").json()["now"]["frames"].as_u64();
            wait_until("pictures are recorded", || frames() > Some(wanted));
            let id = send("POST", "/api/v1/recording/stop", json!({})).json()["id"].as_u64().unwrap();
            check(&name, &jpegs(&get(&format!("/api/v1/media/{id}/content?as=avi")).body));
            for picture in ["thumbnail.jpg", "frame.jpg"] {
                check(&name, &[get(&format!("/api/v1/media/{id}/{picture}")).body]);
            }
        }
        let id = send("POST", "/api/v1/snapshots", json!({})).json()["id"].as_u64().unwrap();
        check(&name, &[get(&format!("/api/v1/media/{id}/content")).body]);
        // Motion counts them while they pass sideways.
        if name.contains("90") || name.contains("270") {
            continue;
        }
        let crossings = || get("/api/v1/crossings").json()["items"].as_array().unwrap().len();
        let before = crossings();
        wait_until("somebody crosses the line", || crossings() > before);
    }
    let backup = folder.path().join("backup");
    fs::create_dir(&backup).unwrap();
    let all = client::ask(daemon.address, "GET /api/v1/backup?media=1 HTTP/1.0\r\nHost: localhost\r\n\r\n");
    fs::write(backup.join("all.tar"), all.body).unwrap();
    let unpacked = Command::new("tar").arg("-C").arg(&backup).arg("-xf").arg(backup.join("all.tar")).status();
    assert!(unpacked.unwrap().success());
    daemon.stop();
    for place in [backup, state] {
        let [crossings, items] = stored(&place);
        check("crossings", &crossings);
        check("items", &items);
    }
}

#[test]
fn no_output_has_what_the_mask_covers() {
    run(true);
}

#[test]
fn without_the_mask_every_output_has_it() {
    run(false);
}
