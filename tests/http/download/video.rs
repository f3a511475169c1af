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

#[test]
fn few_videos_are_made_at_a_time_and_none_for_a_client_that_takes_nothing() {
    if !can_be_made() {
        return;
    }
    // No client is disconnected for its pause.
    let stall = std::time::Duration::from_secs(3600);
    let stored = StoredMedia::with(ServerSettings { stall, ..ServerSettings::default() });
    // Noise compresses badly: more than the buffers in between hold.
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
    let id = stored.record("noise.avi", MediaOrigin::Asked, chunks);
    assert_eq!(stored.get("/api/v1/video").json(), serde_json::json!({"possible": true, "now": null}));
    let asked = || {
        let mut client = narrow(&stored);
        client.send(&format!("GET /api/v1/media/{id}/video HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        let status = client.head().status;
        (client, status)
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    let clients: Vec<_> = (0..if cores < 4 { 1 } else { 2 }).map(|_| asked()).collect();
    assert!(clients.iter().all(|(_, status)| *status == 200));
    let other = stored.get(&format!("/api/v1/media/{id}/video"));
    assert_eq!(other.status, 503, "{}", other.text());
    assert!(other.header("retry-after").unwrap().parse::<u32>().unwrap() >= 2);
    assert_eq!(stored.get("/api/v1/video").json()["now"]["id"], id);
    let head =
        stored.served.ask(&format!("HEAD /api/v1/media/{id}/video HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
    assert_eq!(head.status, 200, "nothing is made for it");
    // One that takes nothing for some seconds loses its place to another.
    let mut others = Vec::new();
    crate::common::wait_until("there is room", || {
        let (client, status) = asked();
        others.extend((status == 200).then_some(client));
        !others.is_empty()
    });
    // A client that has left stops the encoder, or one that sends its end.
    drop(clients);
    let last = others.pop().unwrap();
    last.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    crate::common::wait_until("the place is free", || stored.get("/api/v1/video").json()["now"].is_null());
    let (_again, status) = asked();
    assert_eq!(status, 200);
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
