//! Properties that hold for any bytes. Shared by the fuzz targets and by `tests/encode/corpus.rs`.

#![allow(dead_code, reason = "each fuzz target takes one of these")]

use std::io::{Cursor, Write as _};
use std::path::Path;

use bytes::Bytes;
use jiff::tz::TimeZone;
use tallycam::base::ClockTime;
use tallycam::card::files::{Before, plan};
use tallycam::card::{self, CLOUD, OWN, PRESEED, SystemInfo};
use tallycam::config::{Config, Saved};
use tallycam::encode::{Reducer, Transformer};
use tallycam::maintenance::restore::{RestoreOptions, stage_restore, verify_archive};
use tallycam::media::exif::{Label, labelled};
use tallycam::media::jpeg::{EndSearch, JpegError, MAX_PIXELS, end_of_picture, inspect};
use tallycam::media::{PictureBuilder, SmallImage, View};
use tallycam::outbound::neighbours::{MOST, mdns::announced};
use tallycam::source::AviReader;
use tallycam::source::Mp4Reader;
use tallycam::source::multipart::{MAX_HEAD, MultipartReader, PartError, Step};
use tallycam::vision::RecordedDetections;
use tallycam_libcamera::{FromHelper, ToHelper};
use turbojpeg::{Image, PixelFormat, ScalingFactor, Subsamp, YuvImage};

/// An accepted picture has plausible figures, and each of its prefixes is refused as truncated.
pub fn jpeg(data: &[u8]) {
    let whole = inspect(data);
    let mut search = EndSearch::new();
    for (n, _) in data.chunks(7).enumerate() {
        match search.advance(&data[..(7 * n).min(data.len())]) {
            Ok(None) => {}
            Ok(Some(end)) => {
                assert!(end <= data.len());
                break;
            }
            Err(_) => break,
        }
    }
    let Ok(jpeg) = whole else { return };
    assert!(0 < jpeg.tables_at && jpeg.tables_at < jpeg.scan_at);
    assert!(jpeg.scan_at < jpeg.len && jpeg.len <= data.len());
    assert!(jpeg.width > 0 && jpeg.height > 0);
    assert!(u64::from(jpeg.width) * u64::from(jpeg.height) <= MAX_PIXELS);
    assert!((1..=4).contains(&jpeg.components));
    assert!(data[..jpeg.len].ends_with(&[0xff, 0xd9]));
    // A prefix of complete headers can only be truncated.
    for len in (0..jpeg.scan_at).step_by(5) {
        assert_eq!(inspect(&data[..len]), Err(JpegError::Truncated), "{len} bytes");
    }
    if let Some(end) = end_of_picture(data, jpeg.scan_at) {
        assert!(end <= data.len() && data[..end].ends_with(&[0xff, 0xd9]));
    }
}

/// The pictures found do not depend on how the stream is split, and memory stays bounded. The first byte chooses the
/// split, the second the limit.
pub fn multipart(data: &[u8]) {
    let [split, limit, stream @ ..] = data else { return };
    let (split, limit) = (usize::from(*split) + 1, 8 + 16 * usize::from(*limit));
    let all = |run: usize| {
        let mut reader = MultipartReader::new(limit);
        let mut found: Vec<(Vec<u8>, Option<PartError>)> = Vec::new();
        for run in stream.chunks(run) {
            assert!(reader.read_buffer(run.len()).len() <= 2 * (limit + MAX_HEAD + run.len()));
            reader.push(run);
            loop {
                let (range, error) = match reader.next_step() {
                    Step::Picture(range) => (range, None),
                    Step::Broken(range, error) => (range, Some(error)),
                    Step::Noise => continue,
                    Step::More => break,
                };
                let bytes = reader.bytes(range);
                assert!(bytes.len() <= limit && bytes.starts_with(&[0xff, 0xd8]));
                found.push((bytes.to_vec(), error));
            }
        }
        found
    };
    assert_eq!(all(split), all(stream.len().max(1)));
}

/// Any file plays to an end, and twice the same.
pub fn avi(data: &[u8]) {
    let Ok(mut reader) = AviReader::open(Cursor::new(data)) else { return };
    let mut picture = Vec::new();
    let mut play = || {
        let mut lengths = Vec::new();
        while reader.next(&mut picture).expect("memory can be read") {
            lengths.push(picture.len());
        }
        reader.rewind().expect("memory can be rewound");
        lengths
    };
    let lengths = play();
    // Every chunk takes at least its own head.
    assert!(lengths.iter().sum::<usize>() + 8 * lengths.len() <= data.len());
    assert_eq!(play(), lengths);
}

/// Any answer by multicast DNS announces few cameras, each with a port, a host of one label and short texts.
pub fn mdns(data: &[u8]) {
    let found = announced(data);
    assert!(found.len() <= MOST, "{} cameras", found.len());
    for one in found {
        assert!(one.address.port() > 0);
        assert!(one.host.strip_suffix(".local").is_some_and(|name| !name.contains('.')), "{:?}", one.host);
        for text in [one.id, one.name].into_iter().flatten() {
            assert!((1..=100).contains(&text.chars().count()), "{text:?}");
        }
    }
}

/// Any film ends, and gives at most as many bytes as it has.
pub fn mp4(data: &[u8]) {
    let spool = tempfile::tempfile().expect("a file");
    let Ok(mut reader) = Mp4Reader::open(data, spool) else { return };
    let (mut picture, mut sum) = (Vec::new(), 0);
    while let Ok(Some((from, until))) = reader.next(&mut picture) {
        assert!(from <= until, "shown from {from} until {until}");
        sum += picture.len();
    }
    assert!(sum <= data.len(), "{sum} bytes of pictures in a file of {}", data.len());
}

/// A picture stays the same with an added header for its time; a picture with such a header keeps its own.
pub fn exif(data: &[u8]) {
    let [len, rest @ ..] = data else { return };
    let (name, jpeg) = rest.split_at(usize::from(*len).min(rest.len()));
    let name = String::from_utf8_lossy(name);
    let label = Label { name: &name, model: &name, stamp: ClockTime::now(), zone: &TimeZone::UTC };
    let with = labelled(Bytes::copy_from_slice(jpeg), &label);
    let Ok(before) = inspect(jpeg) else { return };
    let after = inspect(&with).expect("it is a picture still");
    assert_eq!((before.width, before.height), (after.width, after.height));
    assert!(with[after.scan_at..] == jpeg[before.scan_at..]);
    assert!(labelled(with.clone(), &label) == with, "only one header");
}

/// Any configuration is read or refused; a written one is read back unchanged.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let name = Path::new("config.toml");
    let read = |text: &str| Config::from_text(name, text, &[], []);
    if let Err(complaints) = read(&text) {
        assert!(!complaints.to_string().is_empty());
    }
    if let Ok((saved, _)) = Saved::read(name, &text) {
        let written = saved.to_toml();
        let (again, faulty) = Saved::read(name, &written).expect("what was written can be read");
        assert!(faulty.is_none() && again.to_toml() == written, "{written}");
    }
}

/// Any file of a card's boot partition is read or reported, one line for each entry. The first byte chooses the file.
pub fn card(data: &[u8]) {
    let [which, text @ ..] = data else { return };
    let names = [OWN, PRESEED, CLOUD[0], CLOUD[1], CLOUD[2]];
    let name = names[usize::from(*which) % names.len()];
    let facts = SystemInfo {
        is_zone: &|zone| zone == "Europe/Berlin",
        is_system_user: &|name| ["root", "tallycam"].contains(&name),
    };
    let found = card::read(&|asked| Ok((asked == name).then(|| text.to_vec())), &facts);
    for entry in &found.entries {
        assert!(!entry.line().contains(char::is_control), "{:?}", entry.line());
    }
    plan(&found.wanted, &Before::default());
}

/// Any archive is staged for a restore or refused; a refused one leaves nothing behind.
pub fn archive(data: &[u8]) {
    if verify_archive(data).is_err() {
        return;
    }
    let state = tempfile::tempdir().expect("a folder");
    if stage_restore(state.path(), data, RestoreOptions::default()).is_err() {
        let left = std::fs::read_dir(state.path()).expect("a folder").flatten();
        let left: Vec<_> =
            left.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Any recording of detections is read or refused.
pub fn recording(data: &[u8]) {
    let Ok(recording) = RecordedDetections::read(&String::from_utf8_lossy(data)) else { return };
    assert!(!recording.detections_in(recording.last_frame()).is_empty());
}

/// Any message of libcamera's helper, or to it, is read or refused, and written back unchanged.
pub fn helper(data: &[u8]) {
    if let Ok(message) = serde_json::from_slice::<FromHelper>(data) {
        let again = serde_json::to_vec(&message).expect("it can be written");
        // JSON has no NaN, so every value here equals itself.
        assert!(serde_json::from_slice::<FromHelper>(&again).is_ok_and(|again| again == message));
    }
    if let Ok(message) = serde_json::from_slice::<ToHelper>(data) {
        let again = serde_json::to_vec(&message).expect("it can be written");
        assert!(serde_json::from_slice::<ToHelper>(&again).is_ok_and(|again| again == message));
    }
}

/// Any network is loaded or refused.
pub fn onnx(data: &[u8]) {
    let mut file = tempfile::Builder::new().suffix(".onnx").tempfile().expect("a file");
    file.write_all(data).expect("room");
    let _ = tallycam::models::load_file(file.path());
}

/// Our own reader of entropy-coded data agrees with libjpeg-turbo: the planes at an eighth to a half of the size, and
/// the luma of a picture made grayscale. For pictures that our reader does not support, libjpeg-turbo did the work
/// itself.
pub fn entropy(data: &[u8]) {
    let Ok(found) = inspect(data) else { return };
    let (width, height) = (found.width as usize, found.height as usize);
    // Larger ones only take longer.
    if width * height > 1 << 20 {
        return;
    }
    let mut builder = PictureBuilder::with_capacity(found.len);
    builder.push(&data[..found.len]);
    let picture = builder.finish(found.width, found.height, ClockTime::now(), 1, false);
    let jpeg = picture.jpeg();
    let mut reducer = Reducer::new().expect("libjpeg-turbo can be set up");
    let mut small = SmallImage::empty();
    for eighths in 1..=4 {
        let least = ((width * eighths).div_ceil(8), (height * eighths).div_ceil(8));
        if reducer.reduce(&picture, (least.0 as u32, least.1 as u32), &mut small).is_ok() {
            compare_planes(&jpeg, &small);
        }
    }
    let view = View { gray: true, ..View::default() };
    let mut transformer = Transformer::new().expect("libjpeg-turbo can be set up");
    let Ok(gray) = transformer.transform(&jpeg, &view, None, None, 90) else { return };
    if let Some(luma) = luma(&jpeg) {
        assert!(self::luma(&gray.jpeg) == Some(luma), "without its colour, {width}×{height}");
    }
}

/// Compares the reducer's result for `jpeg` with libjpeg-turbo's.
fn compare_planes(jpeg: &[u8], small: &SmallImage) {
    let mut turbo = turbojpeg::Decompressor::new().expect("libjpeg-turbo can be set up");
    let header = turbo.read_header(jpeg).expect("the picture was read, so its header can be");
    let (across, down) = match header.subsamp {
        Subsamp::Gray | Subsamp::None => (1, 1),
        Subsamp::Sub2x1 => (2, 1),
        Subsamp::Sub1x2 => (1, 2),
        Subsamp::Sub2x2 => (2, 2),
        Subsamp::Sub4x1 => (4, 1),
        Subsamp::Sub1x4 => (1, 4),
        _ => return,
    };
    // The scale that the reducer chose.
    let of = |length: usize, n: usize| (length * n).div_ceil(8);
    let eighths = (1..8)
        .find(|&n| of(header.width, n) >= small.width && of(header.height, n) >= small.height)
        .unwrap_or(8);
    turbo.set_scaling_factor(ScalingFactor::new(eighths, 8)).expect("libjpeg-turbo has every eighth");
    turbo.set_scan_limit(100).expect("scans can be limited");
    let (y_stride, y_rows) = (small.width.next_multiple_of(across), small.height.next_multiple_of(down));
    let is_gray = header.subsamp == Subsamp::Gray;
    let (stride, rows) = if is_gray { (0, 0) } else { (y_stride / across, y_rows / down) };
    let mut planes = vec![0u8; y_stride * y_rows + 2 * stride * rows];
    let image = YuvImage {
        pixels: &mut planes[..],
        width: small.width,
        align: 1,
        height: small.height,
        subsamp: header.subsamp,
    };
    let done = turbo.decompress_to_yuv(jpeg, image);
    assert!(is_whole(&done), "libjpeg-turbo does not read it: {done:?}");
    let (y, chroma) = planes.split_at(y_stride * y_rows);
    assert!(rows_of(y, y_stride, small.width, small.height) == small.y, "luma at {eighths}/8");
    // At a quarter, each sample is used twice.
    if is_gray || across == 4 || down == 4 {
        return;
    }
    let (u, v) = chroma.split_at(stride * rows);
    let (width, height) = (small.chroma_width, small.chroma_height);
    assert!(rows_of(u, stride, width, height) == small.u, "blue at {eighths}/8");
    assert!(rows_of(v, stride, width, height) == small.v, "red at {eighths}/8");
}

/// The first `width` bytes of each of `height` rows of `plane`.
fn rows_of(plane: &[u8], stride: usize, width: usize, height: usize) -> Vec<u8> {
    plane.chunks_exact(stride).take(height).flat_map(|row| &row[..width]).copied().collect()
}

/// The luma of the whole `jpeg` by libjpeg-turbo; `None` if libjpeg-turbo cannot read it.
fn luma(jpeg: &[u8]) -> Option<Vec<u8>> {
    let mut turbo = turbojpeg::Decompressor::new().ok()?;
    turbo.set_scan_limit(100).ok()?;
    let header = turbo.read_header(jpeg).ok()?;
    let (width, height) = (header.width, header.height);
    let mut pixels = vec![0u8; width * height];
    let image = Image { pixels: &mut pixels[..], width, pitch: width, height, format: PixelFormat::GRAY };
    let done = turbo.decompress(jpeg, image);
    is_whole(&done).then_some(pixels)
}

/// The whole picture was read; extra bytes before its end are tolerated.
fn is_whole(done: &Result<(), turbojpeg::Error>) -> bool {
    done.as_ref().err().is_none_or(|error| error.to_string().contains("extraneous bytes before"))
}
