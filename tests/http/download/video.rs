//! Recordings as H.264 in MP4. Without `ffmpeg` or `ffprobe` each test says so and is left out.

use super::*;

/// This machine can make and inspect videos.
fn can_be_made() -> bool {
    has("ffmpeg", &["-version"]) && has("ffprobe", &["-version"])
}

/// A picture whose brightness rises with `n`.
fn picture((width, height): (u32, u32), n: u64) -> Vec<u8> {
    let (width, height) = (width as usize, height as usize);
    let pixels: Vec<u8> =
        (0..width * height * 3).map(|i| (i / 97 % 40) as u8 + (n * 3 % 200) as u8).collect();
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels: &pixels[..], width, pitch: width * 3, height, format };
    turbojpeg::compress(image, 85, turbojpeg::Subsamp::Sub2x1).unwrap().to_vec()
}

/// A video: codec, pixels, format, duration in seconds, and the time of each picture.
#[derive(Debug)]
struct Probed {
    about: String,
    duration: f64,
    times: Vec<f64>,
}

/// A body of unknown length, without its chunk framing.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let len = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if len == 0 {
            return whole;
        }
        let from = end + 2;
        whole.extend(&body[from..from + len]);
        body = &body[from + len + 2..];
    }
}

/// Downloads a video, decodes it completely, and inspects it.
fn probed(stored: &StoredMedia, query: &str) -> Probed {
    // A body without a length ends with the connection here.
    let answer = stored.get_with(&format!("/api/v1/media/{query}"), "Connection: close\r\n");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("video/mp4")),
        "{query}: {}",
        answer.text()
    );
    let file = stored.folder().join("video.mp4");
    std::fs::write(&file, unchunked(&answer.body)).unwrap();
    let file = file.to_str().unwrap();
    // Errors are on its standard error, and in its exit code.
    run("ffmpeg", &["-v", "error", "-xerror", "-i", file, "-fps_mode", "passthrough", "-f", "null", "-"]);
    let show = |entries: &str| {
        run(
            "ffprobe",
            &[
                "-v",
                "error",
                "-of",
                "default=nw=1:nk=1",
                "-select_streams",
                "v",
                "-show_entries",
                entries,
                file,
            ],
        )
    };
    let times = show("packet=pts_time");
    Probed {
        about: show("stream=codec_name,width,height,pix_fmt")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        duration: show("format=duration").trim().parse().unwrap(),
        times: times.split_whitespace().map(|time| time.parse().unwrap()).collect(),
    }
}

#[track_caller]
fn assert_times(got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len(), "{got:?}");
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 0.0005, "{got} is not {wanted}");
    }
}

#[test]
fn a_video_has_the_times_of_its_pictures_despite_gaps_odd_sides_and_changes_of_size() {
    if !can_be_made() {
        return;
    }
    let stored = StoredMedia::new();
    let sizes = [(161, 121), (161, 121), (320, 180), (64, 200)];
    let mut times = Vec::new();
    let chunks: Vec<_> = (0..4)
        .map(|second| {
            // The steps vary, and the camera was away for a minute before the third second.
            let begin_us = second * 1_000_000 + if second >= 2 { 60_000_000 } else { 0 };
            let at_us: Vec<u64> = (0..10).map(|n| begin_us + n * 90_000 + n * n * 777).collect();
            times.extend(at_us.iter().map(|us| *us as f64 / 1e6));
            let size = sizes[second as usize];
            let frames = at_us.iter().enumerate().map(|(n, us)| (*us, picture(size, second * 10 + n as u64)));
            (second == 2, size, frames.collect())
        })
        .collect();
    let id = stored.record("odd.avi", MediaOrigin::Asked, chunks.into_iter());
    let duration = stored.get(&format!("/api/v1/media/{id}")).json()["duration"].as_f64().unwrap();
    let whole = probed(&stored, &format!("{id}/video"));
    assert_eq!(whole.about, "h264 160 120 yuv420p");
    assert_times(&whole.times, &times);
    assert!((whole.duration - duration).abs() < 0.002, "{} is not {duration}", whole.duration);

    // A part begins with the picture shown at `from`, and ends at `to`.
    let part = probed(&stored, &format!("{id}/video?from=0.5&to=1.5"));
    let first = times.iter().rposition(|time| *time <= 0.5).unwrap();
    let wanted: Vec<f64> =
        times[first..].iter().take_while(|time| **time < 1.5).map(|time| time - times[first]).collect();
    assert_times(&part.times, &wanted);
    assert!((part.duration - (1.5 - times[first])).abs() < 0.002, "{}", part.duration);
    let path = format!("/api/v1/media/{id}/video?from=0.5&to=1.5&download=1");
    let answer = stored.get_with(&path, "Connection: close\r\n");
    let name = answer.header("content-disposition").unwrap();
    assert!(name.starts_with("attachment; filename=\"odd ") && name.ends_with(".mp4\""), "{name}");
}

#[test]
fn a_time_lapse_has_25_pictures_a_second() {
    if !can_be_made() {
        return;
    }
    let stored = StoredMedia::new();
    let frame = |n: u64| (n * 10_000_000, picture((64, 48), n));
    let chunks = (0..6).map(|chunk| (false, (64, 48), (chunk * 5..chunk * 5 + 5).map(frame).collect()));
    let id = stored.record("lapse.avi", MediaOrigin::TimeLapse, chunks);
    let video = probed(&stored, &format!("{id}/video"));
    let wanted: Vec<f64> = (0..30).map(|n| f64::from(n) * 0.04).collect();
    assert_times(&video.times, &wanted);
    assert!((video.duration - 1.2).abs() < 0.001, "{}", video.duration);
    // The same as Motion JPEG.
    let film = stored.folder().join("lapse.mp4");
    std::fs::write(&film, stored.get(&format!("/api/v1/media/{id}/content?as=mp4")).body).unwrap();
    let said = run(
        "ffprobe",
        &["-v", "error", "-of", "csv=p=0", "-show_entries", "format=duration", film.to_str().unwrap()],
    );
    assert_eq!(said.trim(), "1.200000");
}

/// A recording of 300 pictures of noise, which compress badly: more than the buffers in between hold.
fn noise(stored: &StoredMedia, name: &str) -> u64 {
    let noise = |n: u64| {
        let pixels: Vec<u8> = (0..640 * 480_u64)
            .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(n * 0x5851_f42d) >> 33) as u8)
            .collect();
        let format = turbojpeg::PixelFormat::GRAY;
        let image = turbojpeg::Image { pixels: &pixels[..], width: 640, pitch: 640, height: 480, format };
        turbojpeg::compress(image, 95, turbojpeg::Subsamp::Gray).unwrap().to_vec()
    };
    let frame = |n: u64| (n * 40_000, noise(n));
    let chunks = (0..12).map(|chunk| (false, (640, 480), (chunk * 25..chunk * 25 + 25).map(frame).collect()));
    stored.record(name, MediaOrigin::Asked, chunks)
}

/// A client that asks for a video and takes nothing but the head of the answer, and the status.
fn asked(stored: &StoredMedia, id: u64) -> (Client, u16) {
    let mut client = narrow(stored);
    client.send(&format!("GET /api/v1/media/{id}/video HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
    let status = client.head().status;
    (client, status)
}

/// No client is disconnected for its pause.
fn patient() -> StoredMedia {
    let stall = std::time::Duration::from_secs(3600);
    StoredMedia::with(ServerSettings { stall, ..ServerSettings::default() })
}

#[test]
fn few_videos_are_made_at_a_time_and_none_that_nobody_waits_for() {
    if !can_be_made() {
        return;
    }
    let stored = patient();
    let cores = std::thread::available_parallelism().unwrap().get();
    let places = if cores < 4 { 1 } else { 2 };
    let ids: Vec<u64> = (0..=places).map(|n| noise(&stored, &format!("noise-{n}.avi"))).collect();
    assert_eq!(stored.get("/api/v1/video").json(), serde_json::json!({"possible": true, "now": null}));
    let clients: Vec<_> = ids[..places].iter().map(|id| asked(&stored, *id)).collect();
    assert!(clients.iter().all(|(_, status)| *status == 200));
    let last = ids[places];
    let other = stored.get(&format!("/api/v1/media/{last}/video"));
    assert_eq!(other.status, 503, "{}", other.text());
    assert!(other.header("retry-after").unwrap().parse::<u32>().unwrap() >= 2);
    assert_eq!(stored.get("/api/v1/video").json()["now"]["id"], ids[0]);
    let head =
        stored.served.ask(&format!("HEAD /api/v1/media/{last}/video HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
    assert_eq!(head.status, 200, "nothing is made for it");
    // The clients have left, one of them by sending its end: another takes the place.
    for (client, _) in clients {
        client.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    }
    crate::common::wait_until("there is room", || asked(&stored, last).1 == 200);
    crate::common::wait_until("the place is free", || stored.get("/api/v1/video").json()["now"].is_null());
}

#[test]
fn a_range_is_answered_with_the_finished_file_which_all_share() {
    if !can_be_made() {
        return;
    }
    let stored = StoredMedia::new();
    let frame = |n: u64| (n * 40_000, picture((320, 240), n));
    let chunks = (0..8).map(|chunk| (false, (320, 240), (chunk * 25..chunk * 25 + 25).map(frame).collect()));
    let id = stored.record("clip.avi", MediaOrigin::Asked, chunks);
    // As a browser opens an address: it asks, leaves, and its player asks for a range.
    let mut first = narrow(&stored);
    first.send("GET /media/clip.mp4 HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    let head = first.head();
    assert_eq!((head.status, head.header("content-length")), (200, None), "it is being made");
    drop(first);
    let part = stored.get_with("/media/clip.mp4", "Range: bytes=0-\r\n");
    assert_eq!((part.status, part.header("content-type")), (206, Some("video/mp4")), "{}", part.text());
    assert_eq!(part.header("etag"), head.header("etag"), "it is the same video");
    let (len, tag) = (part.body.len(), part.header("etag").unwrap());
    assert_eq!(part.header("content-range"), Some(format!("bytes 0-{}/{len}", len - 1).as_str()));
    assert_eq!(part.header("content-disposition"), Some("inline; filename=\"clip.mp4\""));
    for path in ["/media/clip.mp4", &format!("/api/v1/media/{id}/video")] {
        let whole = stored.get(path);
        assert_eq!((whole.status, whole.header("accept-ranges")), (200, Some("bytes")));
        assert_eq!(whole.header("content-length"), Some(len.to_string().as_str()));
        assert!(whole.body == part.body && whole.header("etag") == Some(tag));
        let some = stored.get_with(path, &format!("Range: bytes=100-199\r\nIf-Range: {tag}\r\n"));
        assert!(some.status == 206 && some.body == part.body[100..200]);
        assert_eq!(stored.get_with(path, &format!("If-None-Match: {tag}\r\n")).status, 304);
        assert_eq!(stored.get_with(path, &format!("Range: bytes={len}-\r\n")).status, 416);
        let head = stored.served.ask(&format!("HEAD {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        assert_eq!(head.header("content-length"), Some(len.to_string().as_str()));
    }
    let file = stored.folder().join("clip.mp4");
    std::fs::write(&file, &part.body).unwrap();
    let entries = ["-v", "error", "-of", "csv=p=0", "-show_entries", "stream=codec_name,nb_frames"];
    let said = run("ffprobe", &[&entries[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(said.trim(), "h264,200");
    wait(stored.media.remove(vec![id])).unwrap();
    assert_eq!(stored.get("/media/clip.mp4").status, 404);
}

#[test]
fn without_room_for_a_file_a_video_goes_to_its_client_who_may_take_it_over() {
    if !can_be_made() {
        return;
    }
    let stored = patient();
    let id = noise(&stored, "noise.avi");
    let kept =
        stored.served.send("POST", "/api/v1/media/keep", "application/json", &format!("{{\"ids\":[{id}]}}"));
    assert_eq!(kept.status, 204, "{}", kept.text());
    stored.media.set_retention(RetentionRules { min_free: Some(1 << 60), ..RetentionRules::default() });
    let (mut first, status) = asked(&stored, id);
    assert_eq!(status, 200);
    let (second, status) = asked(&stored, id);
    assert_eq!(status, 200, "the same client asks again");
    let mut piece = vec![0; 1 << 16];
    // The first is cut, by a close or a reset.
    while let Ok(1..) = first.0.read(&mut piece) {}
    drop(second);
    let whole = probed(&stored, &format!("{id}/video"));
    assert_eq!((whole.about.as_str(), whole.times.len()), ("h264 640 480 yuv420p", 300));
    let again = stored.get_with(&format!("/api/v1/media/{id}/video"), "Connection: close\r\n");
    assert_eq!(again.header("content-length"), None, "it was not kept");
}

#[test]
fn a_video_is_kept_while_recordings_fill_the_disk() {
    if !can_be_made() {
        return;
    }
    let stored = StoredMedia::new();
    let id = stored.recording("full.avi", 2, 0, &[]);
    let kept =
        stored.served.send("POST", "/api/v1/media/keep", "application/json", &format!("{{\"ids\":[{id}]}}"));
    assert_eq!(kept.status, 204, "{}", kept.text());
    let about = rustix::fs::statvfs(stored.folder()).unwrap();
    let min_free = Some(about.f_bavail * about.f_frsize);
    stored.media.set_retention(RetentionRules { min_free, ..RetentionRules::default() });
    let path = format!("/api/v1/media/{id}/video");
    assert_eq!(stored.get_with(&path, "Range: bytes=0-\r\n").status, 206, "its length is known");
}

#[test]
fn a_recording_of_which_no_video_can_be_made_is_in_an_archive_as_it_is() {
    if !can_be_made() || !has("/usr/bin/python3", &["-c", "import zipfile"]) {
        return;
    }
    let stored = StoredMedia::new();
    // Nothing that ffmpeg can decode.
    let frames = |chunk: u64| {
        (0..25).map(move |n| ((chunk * 25 + n) * 40_000, b"\xff\xd8no picture\xff\xd9".to_vec()))
    };
    let chunks = (0..2).map(|chunk| (false, (64, 48), frames(chunk).collect()));
    let bad = stored.record("bad.mp4", MediaOrigin::Asked, chunks);
    let good = stored.recording("good.mp4", 1, 0, &[]);
    let answer =
        stored.get_with(&format!("/api/v1/media/zip?ids={bad},{good}&as=mp4"), "Connection: close\r\n");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let film = stored.get(&format!("/api/v1/media/{bad}/content?as=avi")).body;
    let file = stored.folder().join("both.zip");
    std::fs::write(&file, unchunked(&answer.body)).unwrap();
    let script = "import zipfile,sys; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.namelist()); \
        open(sys.argv[1] + '.avi', 'wb').write(z.read('bad.avi'))";
    let path = file.to_str().unwrap();
    assert_eq!(run("/usr/bin/python3", &["-c", script, path]), "None ['bad.avi', 'good.mp4']\n");
    assert!(std::fs::read(format!("{path}.avi")).unwrap() == film, "it is whole");
}

#[test]
fn an_archive_of_two_recordings_has_two_videos() {
    if !can_be_made() || !has("unzip", &["-v"]) || !has("/usr/bin/python3", &["-c", "import zipfile"]) {
        return;
    }
    let stored = StoredMedia::new();
    let clip = |name: &str, size: (u32, u32)| {
        let frame = |n: u64| (n * 40_000, picture(size, n));
        let chunks = (0..2).map(|chunk| (false, size, (chunk * 25..chunk * 25 + 25).map(frame).collect()));
        stored.record(name, MediaOrigin::Asked, chunks)
    };
    let ids = [clip("door.mp4", (160, 120)), clip("2026-11-20_14-53-07.avi", (320, 240))];
    let snapshot = stored.snapshot("door.jpg", numbered_jpeg(7, 0));
    let path = format!("/api/v1/media/zip?ids={},{snapshot},{}", ids[0], ids[1]);
    let answer = stored.get_with(&path, "Connection: close\r\n");
    assert_eq!((answer.status, answer.header("content-length")), (200, None), "{}", answer.text());
    let file = stored.folder().join("two.zip");
    std::fs::write(&file, unchunked(&answer.body)).unwrap();
    let path = file.to_str().unwrap();
    let script = "import zipfile,sys; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.namelist())";
    assert_eq!(
        run("/usr/bin/python3", &["-c", script, path]),
        "None ['door.mp4', 'door.jpg', '2026-11-20_14-53-07.mp4']\n"
    );
    assert!(run("unzip", &["-t", path]).contains("No errors detected"));
    let out = stored.folder().join("two");
    run("unzip", &["-q", path, "-d", out.to_str().unwrap()]);
    for (name, size) in [("door.mp4", "160,120"), ("2026-11-20_14-53-07.mp4", "320,240")] {
        let video = out.join(name);
        let entries = ["-v", "error", "-of", "csv=p=0", "-count_frames", "-show_entries"];
        let fields = ["stream=codec_name,width,height,nb_read_frames", video.to_str().unwrap()];
        let said = run("ffprobe", &[&entries[..], &fields].concat());
        assert_eq!(said.trim(), format!("h264,{size},50"), "{name}");
    }
    assert_eq!(number_of(&std::fs::read(out.join("door.jpg")).unwrap()), Some(7));
}

#[test]
fn an_item_that_is_no_video_is_refused() {
    let stored = StoredMedia::new();
    let snapshot = stored.snapshot("a.jpg", numbered_jpeg(1, 0));
    let id = stored.recording("b.avi", 1, 0, &[]);
    for (path, status) in [
        (format!("{snapshot}/video"), 422),
        (format!("{}/video", id + 1), 404),
        (format!("{id}/video?from=2&to=1"), 400),
        (format!("{id}/video?from=x"), 400),
    ] {
        assert_eq!(stored.get(&format!("/api/v1/media/{path}")).status, status, "{path}");
    }
}
