//! RTSP cameras whose clocks or key frames are odd, read through ffmpeg.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tallycam::base::Stop;
use tallycam::source::url::UrlOpener;
use tallycam::source::{FormatRequest, Opener};

use crate::cameras::served;
use crate::common::wait_until;
use crate::row;

/// Frames of a film, each as its NAL units without start codes.
type Film = Vec<Vec<Vec<u8>>>;

/// A film of `frames` different frames in H.264, with a key frame each `key` frames.
fn film(frames: usize, key: usize) -> Film {
    let source = format!("testsrc=s=160x120:r=10:d={}", frames as f64 / 10.0);
    let encoder =
        format!("keyint={key}:min-keyint={key}:scenecut=0:bframes=0:repeat-headers=1:sliced-threads=0");
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-x264-params", &encoder, "-f", "h264", "-"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let starts: Vec<usize> = memchr::memmem::find_iter(&made.stdout, &[0, 0, 1]).map(|at| at + 3).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([made.stdout.len()]);
    let (mut film, mut frame) = (Film::new(), Vec::new());
    for (start, end) in starts.iter().zip(ends) {
        let unit = &made.stdout[*start..end];
        let len = unit.iter().rposition(|&b| b != 0).unwrap() + 1;
        frame.push(unit[..len].to_vec());
        if (1..=5).contains(&(unit[0] & 31)) {
            film.push(std::mem::take(&mut frame));
        }
    }
    assert_eq!(film.len(), frames);
    film
}

/// A camera that plays `film` at 10 frames a second to each client, and then hangs up. `time` gives the time stamp of
/// a frame in seconds.
fn camera(film: Film, time: impl Fn(usize) -> f64 + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let shared = Arc::new((film, time));
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, shared) = (socket.unwrap(), Arc::clone(&shared));
            thread::spawn(move || {
                while let Some(head) = crate::cameras::request(&mut socket) {
                    if !answer(&mut socket, &head) {
                        continue;
                    }
                    let (mut sequence, began) = (0, Instant::now());
                    for (n, frame) in shared.0.iter().enumerate() {
                        if send(&mut socket, frame, shared.1(n), &mut sequence).is_err() {
                            return;
                        }
                        let next = Duration::from_millis(100 * (n as u64 + 1));
                        thread::sleep(next.saturating_sub(began.elapsed()));
                    }
                    return;
                }
            });
        }
    });
    host
}

/// Answers one request; true if it starts the stream.
fn answer(socket: &mut TcpStream, head: &str) -> bool {
    let method = head.split(' ').next().unwrap();
    let number = head.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap();
    let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
               a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n";
    let (lines, body) = match method {
        "DESCRIBE" => ("Content-Type: application/sdp\r\n", sdp),
        "SETUP" => ("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=600\r\n", ""),
        "PLAY" => ("Session: 1\r\n", ""),
        _ => ("Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n", ""),
    };
    let length = body.len();
    let text = format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{lines}Content-Length: {length}\r\n\r\n{body}");
    socket.write_all(text.as_bytes()).unwrap();
    method == "PLAY"
}

/// Sends a frame, one RTP packet for each of its NAL units.
fn send(socket: &mut TcpStream, frame: &[Vec<u8>], time: f64, sequence: &mut u16) -> std::io::Result<()> {
    let stamp = (1e9 + time * 9e4).round() as i64 as u32;
    for (n, unit) in frame.iter().enumerate() {
        let marker = if n + 1 == frame.len() { 0x80 } else { 0 };
        let mut packet = vec![b'$', 0];
        packet.extend((unit.len() as u16 + 12).to_be_bytes());
        packet.extend([0x80, 96 | marker]);
        packet.extend(sequence.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(unit);
        socket.write_all(&packet)?;
        *sequence = sequence.wrapping_add(1);
    }
    Ok(())
}

fn opener(host: &str, fps: Option<f64>) -> UrlOpener {
    let wanted = FormatRequest { fps, ..FormatRequest::ANYTHING };
    UrlOpener::new(&format!("rtsp://{host}/live"), None, wanted).unwrap()
}

/// Number of pictures from the opening to the end of the stream.
fn pictures(host: &str, fps: Option<f64>) -> u64 {
    let mut source = opener(host, fps).open(&Stop::new()).ok().unwrap();
    let (mut pictures, until) = (0, Instant::now() + Duration::from_secs(60));
    while Instant::now() < until {
        match source.next(Duration::from_secs(1)) {
            Ok(Some(frame)) => pictures = frame.sequence,
            Ok(None) => {}
            Err(_) => return pictures,
        }
    }
    panic!("the stream does not end");
}

#[test]
fn each_frame_is_one_picture_whatever_the_cameras_clock_does() {
    type Clock = fn(usize) -> f64;
    let film = film(30, 10);
    let clocks: [(&str, Clock); 6] = [
        ("RTSP, a steady clock", |n| n as f64 / 10.0),
        ("RTSP, a clock that is put back by ten minutes", |n| {
            n as f64 / 10.0 - if n < 15 { 0.0 } else { 600.0 }
        }),
        ("RTSP, a clock that is put forward by an hour", |n| {
            n as f64 / 10.0 + if n < 15 { 0.0 } else { 3600.0 }
        }),
        ("RTSP, a clock that starts again every second", |n| (n % 10) as f64 / 10.0),
        ("RTSP, a clock that stands still", |_| 0.0),
        ("RTSP, a clock that is ten times too slow", |n| n as f64 / 100.0),
    ];
    thread::scope(|scope| {
        for (sample, clock) in clocks {
            let film = film.clone();
            scope.spawn(move || {
                let host = camera(film, clock);
                row(
                    "Network cameras",
                    sample,
                    &format!("30 frames sent, {} pictures", pictures(&host, None)),
                );
                let some = pictures(&host, Some(2.0));
                // The first frames arrive together, so fewer than 6 may pass.
                assert!((3..=8).contains(&some), "{sample}: {some} pictures at 2 a second");
            });
        }
    });
}

#[test]
fn a_stream_without_a_key_frame_is_named_and_shown_when_one_comes() {
    // The client comes just behind a key frame, and the next one is 24 s away.
    let mut film = film(300, 250);
    film.drain(..10);
    let host = camera(film, |n| n as f64 / 10.0);
    let served = served(opener(&host, None));
    let _viewer = served.watch("/stream");
    wait_until("it has a fault", || served.state()["state"] == "silent");
    let state = served.state();
    wait_until("it is live", || served.state()["state"] == "live");
    let text = |key: &str| state[key].as_str().unwrap_or_default().replace(&host, "CAMERA");
    let said = [text("reason"), text("hint")].join(" ");
    let opens = served.state()["opens"].clone();
    row(
        "Network cameras",
        "RTSP, the first key frame after 24 s",
        &format!("after 20 s: {said}; then live, opened {opens} times"),
    );
}
