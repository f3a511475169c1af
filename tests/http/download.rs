//! Downloads of stored media: films by range, archives, single pictures and replays on a real socket, and in curl,
//! unzip, Python, bsdtar and ffprobe.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::client::{Answer, Client};
use crate::common::items::{new_recording, new_snapshot, push_frame};
use crate::common::served::{Served, serve_run};
use crate::common::testcam::{TestCam, has, number_of, numbered_jpeg};
use socket2::{Domain, Socket, Type};
use tallycam::base::{ClockTime, Worker};
use tallycam::http::{Server, ServerSettings};
use tallycam::media::jpeg;
use tallycam::pipeline::recording::{RecorderHandle, RecorderSettings};
use tallycam::store::media::{Chunk, Ended, Media, MediaOrigin, MediaSettings, RetentionRules};
use tempfile::TempDir;

mod video;

/// A server on a store; the camera is never used.
struct StoredMedia {
    served: Served,
    media: Media,
    recorder: RecorderHandle,
    workers: Vec<Worker>,
    directory: TempDir,
}

impl Drop for StoredMedia {
    fn drop(&mut self) {
        self.served.stop();
        self.served.join();
        self.recorder.stop();
        self.media.stop();
        self.workers.clear();
    }
}

impl StoredMedia {
    fn new() -> StoredMedia {
        StoredMedia::with(ServerSettings::default())
    }

    fn with(http: ServerSettings) -> StoredMedia {
        let directory = tempfile::tempdir().unwrap();
        let settings = MediaSettings {
            directory: directory.path().to_owned(),
            camera: http.name.clone(),
            zone: http.zone.clone(),
            retention: RetentionRules::default(),
        };
        let (media, writer) = Media::open(settings).unwrap();
        let run = TestCam::new().pipeline(tallycam::pipeline::CaptureOptions::default());
        let recorder = RecorderSettings { counts_only: http.counts_only, ..RecorderSettings::default() };
        let (recorder, recording) =
            RecorderHandle::start(&run.pipeline, Ok(media.clone()), None, recorder).unwrap();
        let served = serve_run(run, None, |pipeline| {
            Server::new(http, pipeline, None).with_recorder(recorder.clone())
        });
        StoredMedia { served, media, recorder, workers: vec![recording, writer], directory }
    }

    fn snapshot(&self, name: &str, jpeg: Vec<u8>) -> u64 {
        wait(self.media.add_snapshot(new_snapshot(name, jpeg))).unwrap().id
    }

    /// A recording of chunks, each a second of 25 pictures of `len` bytes. A gap precedes the chunks in `after_gap`.
    fn recording(&self, name: &str, seconds: u64, len: usize, after_gap: &[u64]) -> u64 {
        let mut gaps = 0;
        let chunk = |second: u64| {
            gaps += u64::from(after_gap.contains(&second));
            let begin_us = (second + gaps * 100) * 1_000_000;
            let frames = (0..25).map(|n| (begin_us + n * 40_000, numbered_jpeg(second * 25 + n, len)));
            (after_gap.contains(&second), (64, 48), frames.collect())
        };
        self.record(name, MediaOrigin::Asked, (0..seconds).map(chunk))
    }

    /// A recording of these chunks: gap before it, size of its pictures, and their times and numbers.
    fn record(
        &self,
        name: &str,
        origin: MediaOrigin,
        chunks: impl Iterator<Item = (bool, (u32, u32), Vec<(u64, Vec<u8>)>)>,
    ) -> u64 {
        let mut handle = self.media.begin_recording(new_recording(name, origin, ClockTime::now())).unwrap();
        let mut sequence = 0;
        for (is_after_gap, (width, height), frames) in chunks {
            let mut chunk = Chunk { width, height, is_after_gap, ..Chunk::default() };
            for (at_us, jpeg) in frames {
                push_frame(&mut chunk, at_us, sequence, &jpeg);
                sequence += 1;
            }
            handle.append_waiting(chunk).unwrap();
        }
        handle.end(Ended::Asked).unwrap().unwrap().id
    }

    fn get(&self, path: &str) -> Answer {
        self.served.get(path)
    }

    fn get_with(&self, path: &str, lines: &str) -> Answer {
        self.served.ask(&format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n{lines}\r\n"))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.served.address)
    }

    fn folder(&self) -> &Path {
        self.directory.path()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Output of a program that must succeed.
fn run(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{program} {arguments:?}: {said}{errors}");
    said.into_owned()
}

#[test]
fn any_range_of_a_film_is_that_of_the_whole() {
    let stored = StoredMedia::new();
    let id = stored.recording("street.mp4", 3, 20_000, &[]);
    for format in ["mov", "avi", "mjpeg"] {
        let path = format!("/api/v1/media/{id}/content?as={format}");
        let whole = stored.get(&path);
        assert_eq!((whole.status, whole.header("accept-ranges")), (200, Some("bytes")));
        let len = whole.body.len();
        assert!(len > 75 * 20_000);
        let tag = whole.header("etag").unwrap().to_owned();
        for (range, want) in [
            ("0-0", 0..1),
            ("1-700", 1..701),
            ("40-1200000", 40..1_200_001),
            ("1300000-", 1_300_000..len),
            ("-100", len - 100..len),
        ] {
            let lines = format!("Range: bytes={range}\r\nIf-Range: {tag}\r\n");
            let part = stored.get_with(&path, &lines);
            assert_eq!(part.status, 206, "{range}");
            let content_range = format!("bytes {}-{}/{len}", want.start, want.end - 1);
            assert_eq!(part.header("content-range"), Some(content_range.as_str()));
            assert!(part.body == whole.body[want], "{format}: {range}");
        }
        // For another file: the whole.
        let other = stored.get_with(&path, "Range: bytes=5-9\r\nIf-Range: \"other\"\r\n");
        assert_eq!((other.status, other.body.len()), (200, len));
        let several = stored.get_with(&path, "Range: bytes=0-1,5-6\r\n");
        assert_eq!((several.status, several.body.len()), (200, len));
        let beyond = stored.get_with(&path, &format!("Range: bytes={len}-\r\n"));
        assert_eq!(
            (beyond.status, beyond.header("content-range")),
            (416, Some(format!("bytes */{len}").as_str()))
        );
        let same = stored.get_with(&path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((same.status, same.body.len()), (304, 0));
        let head = stored
            .served
            .ask(&format!("HEAD {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nRange: bytes=0-4\r\n\r\n"));
        assert_eq!((head.status, head.header("content-length")), (200, Some(len.to_string().as_str())));
        assert_eq!(head.header("etag"), Some(tag.as_str()));
    }
}

#[test]
fn names_and_kinds_are_reported() {
    let stored = StoredMedia::new();
    let snapshot = stored.snapshot("Tür \"1\".jpg", numbered_jpeg(1, 0));
    let recording = stored.recording("b.avi", 1, 0, &[]);
    let content = |id: u64, rest: &str| stored.get(&format!("/api/v1/media/{id}/content{rest}"));
    let jpeg = content(snapshot, "?download=1");
    assert_eq!(jpeg.header("content-type"), Some("image/jpeg"));
    assert_eq!(
        jpeg.header("content-disposition"),
        Some("attachment; filename=\"T_r _1_.jpg\"; filename*=UTF-8''T%C3%BCr%20_1_.jpg")
    );
    assert_eq!(number_of(&jpeg.body), Some(1));
    let part = stored.get_with(&format!("/api/v1/media/{snapshot}/content"), "Range: bytes=0-1\r\n");
    assert_eq!((part.status, &part.body[..]), (206, &[0xff, 0xd8][..]));
    let film = content(recording, "");
    assert_eq!(film.header("content-type"), Some("video/quicktime"));
    assert_eq!(film.header("content-disposition"), Some("inline; filename=\"b.mov\""));
    // Motion JPEG is not called .mp4, by no name.
    let old = content(recording, "?as=mp4");
    assert!(old.body == film.body && old.header("content-disposition") == film.header("content-disposition"));
    // By its name it gets the type of its ending.
    let old = stored.get("/media/b.avi");
    assert_eq!((old.status, old.header("content-type")), (200, Some("video/x-msvideo")));
    assert!(old.body.starts_with(b"RIFF"));
    assert_eq!(stored.get("/media/T%C3%BCr%20%221%22.jpg").body, jpeg.body);
    for (path, status) in [
        ("/media/none.jpg".to_owned(), 404),
        ("/media/..%2Fmedia.db".to_owned(), 404),
        (format!("/api/v1/media/{}/content", recording + 1), 404),
        (format!("/api/v1/media/{recording}/content?as=gif"), 400),
        (format!("/api/v1/media/{recording}/content?as=jpg"), 400),
        (format!("/api/v1/media/{snapshot}/content?as=mp4"), 400),
    ] {
        assert_eq!(stored.get(&path).status, status, "{path}");
    }
}

#[test]
fn curl_resumes_and_ffprobe_reads_over_http() {
    if !has("curl", &["--version"]) || !has("ffprobe", &["-version"]) {
        return;
    }
    let stored = StoredMedia::new();
    let id = stored.recording("street.mp4", 4, 20_000, &[2]);
    let url = stored.url(&format!("/api/v1/media/{id}/content"));
    let whole = stored.get(&format!("/api/v1/media/{id}/content")).body;
    let file = stored.folder().join("resumed.mp4");
    std::fs::write(&file, &whole[..777_777]).unwrap();
    run("curl", &["-sS", "--fail", "-C", "-", "-o", file.to_str().unwrap(), &url]);
    assert!(std::fs::read(&file).unwrap() == whole);
    let entries = "stream=nb_read_packets,duration";
    let said =
        run("ffprobe", &["-v", "error", "-of", "csv=p=0", "-count_packets", "-show_entries", entries, &url]);
    assert_eq!(said.trim(), "104.000000,100");
    // A seek into the last second over HTTP finds the right picture.
    let seek = ["-v", "error", "-ss", "103.1", "-i", &url, "-frames:v", "1", "-c", "copy", "-f", "mjpeg"];
    let out = stored.folder().join("one.jpg");
    run("ffmpeg", &[&seek[..], &[out.to_str().unwrap()]].concat());
    let number = number_of(&std::fs::read(out).unwrap()).unwrap();
    assert!((75..=78).contains(&number), "picture {number}");
}

#[test]
fn an_archive_is_read_by_everybody() {
    let stored = StoredMedia::new();
    let ids = [
        stored.snapshot("door", numbered_jpeg(7, 0)),
        stored.snapshot("Door.jpg", numbered_jpeg(8, 0)),
        stored.recording("Straße.avi", 2, 10_000, &[]),
    ];
    let ids = ids.map(|id| id.to_string()).join(",");
    let answer = stored.get(&format!("/api/v1/media/zip?ids={ids}&as=avi"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/zip")));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment; filename=\"camera 20"));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let posted = stored.served.send(
        "POST",
        "/api/v1/media/zip",
        "application/json",
        &format!("{{\"ids\":[{ids}],\"as\":\"avi\"}}"),
    );
    assert!(posted.body == answer.body);
    let form = "application/x-www-form-urlencoded";
    let posted = stored.served.send(
        "POST",
        "/api/v1/media/zip",
        form,
        &format!("as=avi&ids={}", ids.replace(',', "&ids=")),
    );
    assert!(posted.body == answer.body);
    for wrong in ["", "?ids=", "?ids=a", "?ids=-1", "?ids=1&as=mov"] {
        assert_eq!(stored.get(&format!("/api/v1/media/zip{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(stored.get("/api/v1/media/zip?ids=999").status, 404);

    let file = stored.folder().join("all.zip");
    std::fs::write(&file, &answer.body).unwrap();
    let film = stored.get("/media/Stra%C3%9Fe.avi");
    assert_eq!(film.status, 200);
    let film = film.body;
    let path = file.to_str().unwrap();
    if has("unzip", &["-v"]) {
        assert!(run("unzip", &["-t", path]).contains("No errors detected"));
        let out = stored.folder().join("out");
        run("unzip", &["-q", path, "-d", out.to_str().unwrap()]);
        assert_eq!(number_of(&std::fs::read(out.join("door.jpg")).unwrap()), Some(7));
        assert_eq!(number_of(&std::fs::read(out.join("Door-2.jpg")).unwrap()), Some(8));
        assert!(std::fs::read(out.join("Straße.avi")).unwrap() == film);
    }
    if has("/usr/bin/python3", &["-c", "import zipfile"]) {
        let script = "import zipfile,sys; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.namelist())";
        assert_eq!(
            run("/usr/bin/python3", &["-c", script, path]),
            "None ['door.jpg', 'Door-2.jpg', 'Straße.avi']\n"
        );
    }
    // From a pipe the reader has no directory of the archive.
    if has("bsdtar", &["--version"]) {
        let mut child = Command::new("bsdtar");
        let mut child =
            child.args(["-xOf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let body = answer.body.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&body).unwrap());
        let ran = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(ran.status.success());
        assert!(ran.stdout == [numbered_jpeg(7, 0), numbered_jpeg(8, 0), film].concat());
    }
}

#[test]
fn single_pictures_are_found_by_time_and_number() {
    let stored = StoredMedia::new();
    let id = stored.recording("street.mp4", 4, 0, &[2]);
    let frame = |query: &str| stored.get(&format!("/api/v1/media/{id}/frame.jpg{query}"));
    let began_us = stored.media.reader().unwrap().item(id).unwrap().at_us;
    for (query, want) in [
        ("", 0),
        ("?t=0", 0),
        ("?t=0.039", 0),
        ("?t=0.04", 1),
        ("?t=1.5", 37),
        // In the gap: the last picture before it.
        ("?t=50", 49),
        ("?t=102", 50),
        ("?t=1e9", 99),
        ("?n=0", 0),
        ("?n=49", 49),
        ("?n=99", 99),
    ] {
        let answer = frame(query);
        assert_eq!((answer.status, number_of(&answer.body)), (200, Some(want)), "{query}");
        assert_eq!(answer.header("x-frame"), Some(want.to_string().as_str()));
        let second = want / 25 + if want >= 50 { 100 } else { 0 };
        let at_us = second * 1_000_000 + want % 25 * 40_000;
        let decimal = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        assert_eq!(answer.header("x-time"), Some(decimal(at_us).as_str()));
        assert_eq!(answer.header("x-timestamp"), Some(decimal(began_us + at_us).as_str()));
    }
    assert_eq!(
        frame("?n=7&download=1").header("content-disposition"),
        Some("attachment; filename=\"street-7.jpg\"")
    );
    for (query, status) in
        [("?n=100", 404), ("?t=-1", 400), ("?t=x", 400), ("?w=5", 400), ("?rotate=45", 400)]
    {
        assert_eq!(frame(query).status, status, "{query}");
    }
    let turned = jpeg::inspect(&frame("?n=3&rotate=90&w=24&gray=1").body).unwrap();
    assert_eq!((turned.width, turned.height, turned.components), (24, 32, 1));
    // The gap of a hundred seconds before its first picture does not change that picture's time.
    let late = stored.recording("late.mp4", 1, 0, &[0]);
    let began_us = stored.media.reader().unwrap().item(late).unwrap().at_us + 100_000_000;
    let answer = stored.get(&format!("/api/v1/media/{late}/frame.jpg?t=0"));
    let taken = format!("{}.{:06}", began_us / 1_000_000, began_us % 1_000_000);
    assert_eq!(answer.header("x-time"), Some("0.000000"));
    assert_eq!(answer.header("x-timestamp"), Some(taken.as_str()));
    // On request that time is written into the picture.
    let local =
        jiff::Timestamp::from_microsecond(began_us as i64).unwrap().to_zoned(jiff::tz::TimeZone::system());
    let words = local.strftime("%Y-%m-%d %H:%M:%S").to_string().replace(' ', "%20");
    let written = |query: &str| stored.get(&format!("/api/v1/media/{late}/frame.jpg?t=0&{query}")).body;
    let stamped = written("timestamp=1");
    assert!(stamped == written(&format!("text={words}")), "not at {words}");
    assert!(stamped != written("text=1970-01-01%2000:00:00"), "the time is not told at all");
}

#[test]
fn thumbnails_are_small_and_cached_by_browsers() {
    let stored = StoredMedia::new();
    let pixels = vec![90; 1280 * 720 * 3];
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels: &pixels[..], width: 1280, pitch: 1280 * 3, height: 720, format };
    let large = turbojpeg::compress(image, 90, turbojpeg::Subsamp::Sub2x1).unwrap().to_vec();
    let ids = [stored.snapshot("large.jpg", large), stored.snapshot("small.jpg", numbered_jpeg(3, 0))];
    let thumbnail = |id: u64| stored.get(&format!("/api/v1/media/{id}/thumbnail.jpg"));
    let answer = thumbnail(ids[0]);
    let seen = jpeg::inspect(&answer.body).unwrap();
    assert_eq!((answer.status, seen.width, seen.height), (200, 320, 180));
    assert!(answer.header("cache-control").unwrap().contains("max-age"));
    let tag = answer.header("etag").unwrap();
    let path = format!("/api/v1/media/{}/thumbnail.jpg", ids[0]);
    assert_eq!(stored.get_with(&path, &format!("If-None-Match: {tag}\r\n")).status, 304);
    // A small picture is its own thumbnail.
    assert_eq!(thumbnail(ids[1]).body, numbered_jpeg(3, 0));
    assert_eq!(number_of(&thumbnail(stored.recording("r.mp4", 1, 0, &[])).body), Some(0));
    assert_eq!(thumbnail(999).status, 404);
}

/// A part of a replay: number, second, JPEG; and true for the last one.
fn part(client: &mut Client) -> (u64, String, Vec<u8>, bool) {
    let mut line = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut client.0, &mut line).unwrap();
        line.trim_end().to_owned()
    };
    let fields: Vec<String> = (0..6).map(|_| line()).collect();
    let value = |name: &str| {
        let field = fields.iter().find_map(|field| field.strip_prefix(name));
        field.unwrap_or_else(|| panic!("no {name} in {fields:?}")).to_owned()
    };
    assert_eq!((fields[0].as_str(), fields[5].as_str()), ("Content-Type: image/jpeg", ""));
    let mut jpeg = vec![0; value("Content-Length: ").parse().unwrap()];
    client.0.read_exact(&mut jpeg).unwrap();
    let mut boundary = [0; 11];
    client.0.read_exact(&mut boundary).unwrap();
    let is_last = &boundary == b"\r\n--frame--";
    assert!(is_last || &boundary == b"\r\n--frame\r\n");
    (value("X-Frame: ").parse().unwrap(), value("X-Time: "), jpeg, is_last)
}

#[test]
fn a_replay_goes_from_its_beginning_to_its_end() {
    let stored = StoredMedia::new();
    let id = stored.recording("street.mp4", 4, 0, &[2]);
    let snapshot = stored.snapshot("one.jpg", numbered_jpeg(5, 0));
    for (query, first, last) in [
        ("speed=100", 0, 99),
        ("speed=100&from=1.5&to=1.9", 37, 47),
        ("speed=20&from=0.2&to=1.9&fps=50", 5, 47),
        ("speed=100&from=200", 99, 99),
    ] {
        let mut client = stored.served.connect();
        client.watch(&format!("/api/v1/media/{id}/frames?{query}"));
        let mut numbers = Vec::new();
        loop {
            let (number, time, jpeg, is_last) = part(&mut client);
            assert_eq!(number_of(&jpeg), Some(number));
            let second = number / 25 + if number >= 50 { 100 } else { 0 };
            assert_eq!(time, format!("{second}.{:06}", number % 25 * 40_000));
            numbers.push(number);
            if is_last {
                break;
            }
        }
        assert_eq!(client.rest().unwrap(), b"\r\n", "{query}: nothing comes after the end");
        assert!(numbers.is_sorted_by(|a, b| a < b), "{query}: {numbers:?}");
        assert_eq!(numbers[0], first, "{query}: {numbers:?}");
        if query.contains("fps") {
            // At twenty times the pace and 50 fps the parts are 0.4 s of the recording apart: ten pictures. A late
            // part leaves less time to the next one, but there are never more parts.
            assert!(numbers.len() <= 5, "{numbers:?}");
            assert!((last - 10..=last).contains(&numbers[numbers.len() - 1]), "{numbers:?}");
        } else {
            assert_eq!(numbers[numbers.len() - 1], last, "{query}");
        }
    }
    // Repeated for ever.
    let mut client = stored.served.connect();
    client.watch(&format!("/api/v1/media/{id}/frames?speed=100&from=0.8&to=1&loop=1"));
    let mut rounds = 0;
    while rounds < 2 {
        let (number, _, _, is_last) = part(&mut client);
        assert!(!is_last && (20..=25).contains(&number), "{number}");
        rounds += u32::from(number == 20);
    }
    let mut client = stored.served.connect();
    client.watch(&format!("/api/v1/media/{snapshot}/frames"));
    let (_, _, jpeg, is_last) = part(&mut client);
    assert_eq!((number_of(&jpeg), is_last), (Some(5), true));
    for wrong in ["speed=0", "speed=x", "speed=1&speed=2", "loop=forever", "from=-1", "from=2&to=1", "fps=0"]
    {
        assert_eq!(stored.get(&format!("/api/v1/media/{id}/frames?{wrong}")).status, 400, "{wrong}");
    }
    let head =
        stored.served.ask(&format!("HEAD /api/v1/media/{id}/frames HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("multipart/x-mixed-replace; boundary=frame"));
}

#[test]
fn the_index_comes_in_pages() {
    let stored = StoredMedia::new();
    let id = stored.recording("street.mp4", 4, 0, &[2]);
    let index = |query: &str| stored.get(&format!("/api/v1/media/{id}/index{query}")).json();
    let len = numbered_jpeg(0, 0).len();
    let all = index("");
    assert_eq!((all["frames"].as_u64(), all["duration"].as_f64()), (Some(100), Some(104.0)));
    assert_eq!(all["gaps"], serde_json::json!([{"from": 1.96, "to": 102.0}]));
    let items = all["items"].as_array().unwrap();
    assert_eq!((items.len(), &all["next"]), (100, &serde_json::Value::Null));
    assert_eq!(items[50], serde_json::json!([102.0, 50, len]));
    let (mut paged, mut cursor) = (Vec::new(), String::from("0"));
    loop {
        let page = index(&format!("?limit=33&cursor={cursor}"));
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(&paged, items);
    let some = index("?from=1.9&to=102.04");
    let numbers: Vec<u64> =
        some["items"].as_array().unwrap().iter().map(|i| i[1].as_u64().unwrap()).collect();
    assert_eq!(numbers, [48, 49, 50, 51]);
}

/// A client with a small receive buffer.
fn narrow(stored: &StoredMedia) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&stored.served.address.into()).unwrap();
    Client::new(TcpStream::from(socket))
}

#[test]
fn a_slow_client_delays_nobody_and_a_removed_recording_ends_its_download() {
    let stored = StoredMedia::new();
    let id = stored.recording("long.mp4", 10, 80_000, &[]);
    let clients: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = narrow(&stored);
            client.send(&format!("GET /api/v1/media/{id}/content HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    // All of them are under way, more than there are readers; the store is still written and read.
    let other = stored.snapshot("other.jpg", numbered_jpeg(1, 0));
    assert_eq!(stored.get(&format!("/api/v1/media/{other}/content")).status, 200);
    wait(stored.media.remove(vec![id])).unwrap();
    for mut client in clients {
        let mut got = 0;
        let mut buffer = vec![0; 1 << 16];
        // The download is cut off before its end, by a close or a reset.
        while let Ok(bytes @ 1..) = client.0.read(&mut buffer) {
            got += bytes;
        }
        assert!(got < 10 * 25 * 80_000, "{got} bytes came");
    }
    assert_eq!(stored.get(&format!("/api/v1/media/{id}/content")).status, 404);
}

#[test]
fn a_player_may_pause_for_longer_than_a_viewer_may_stall() {
    let stall = Duration::from_secs(1);
    let stored = StoredMedia::with(ServerSettings { stall, ..ServerSettings::default() });
    let id = stored.recording("long.mp4", 4, 80_000, &[]);
    let mut client = narrow(&stored);
    client.send(&format!(
        "GET /api/v1/media/{id}/content HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n"
    ));
    let head = client.head();
    let len: usize = head.header("content-length").unwrap().parse().unwrap();
    assert!(len > 4 * 25 * 80_000, "more than the kernel holds");
    // Longer than a viewer may stall, and longer than the kernel's limit for other answers. A player has twelve times
    // as long.
    std::thread::sleep(stall * 5);
    assert_eq!(client.rest().unwrap().len(), len);
}

#[test]
fn privacy_mode_cuts_off_running_downloads() {
    let stored = StoredMedia::new();
    let id = stored.recording("r.avi", 20, 80_000, &[]);
    let snapshot = stored.snapshot("s.jpg", numbered_jpeg(1, 0));
    let begin = |path: &str| {
        let mut client = narrow(&stored);
        client.send(&format!("GET /api/v1/media/{path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        assert_eq!(client.head().status, 200, "{path}");
        client
    };
    let clients = [
        // Slow enough for minutes; repeated for ever.
        begin(&format!("{id}/frames?speed=0.05")),
        begin(&format!("{snapshot}/frames?loop=1")),
        // More than the buffers hold.
        begin(&format!("{id}/content")),
        begin(&format!("zip?ids={id}&as=avi")),
    ];
    stored.recorder.set_settings(RecorderSettings { counts_only: true, ..RecorderSettings::default() });
    for (n, mut client) in clients.into_iter().enumerate() {
        let (mut got, mut buffer) = (0, vec![0; 1 << 16]);
        // A close or a reset, no endless wait: the client waits half a minute at most for a byte.
        loop {
            match client.0.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => got += bytes,
                Err(error) => {
                    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "{n} was not cut");
                    break;
                }
            }
            assert!(got < 20 * 25 * 80_000, "{n}: {got} bytes came");
        }
    }
}

#[test]
fn in_privacy_mode_nothing_is_served() {
    let stored = StoredMedia::with(ServerSettings { counts_only: true, ..ServerSettings::default() });
    for path in ["1/content", "1/thumbnail.jpg", "1/frame.jpg", "1/frames", "1/index", "zip?ids=1"] {
        assert_eq!(stored.get(&format!("/api/v1/media/{path}")).status, 403, "{path}");
    }
    assert_eq!(stored.get("/media/a.jpg").status, 403);
}
