//! What must hold for any bytes whatever. Shared by the fuzz targets and by `tests/corpus.rs`.

#![allow(dead_code, reason = "each fuzz target takes one of these")]

use std::io::Cursor;

use tallycam::media::jpeg::{EndSearch, JpegError, MAX_PIXELS, end_of_picture, inspect};
use tallycam::source::avi::AviReader;
use tallycam::source::multipart::{MAX_HEAD, MultipartReader, PartError, Step};

/// A picture that is accepted has sane figures, and any of its prefixes is refused as cut short.
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
    // Headers that are whole cannot become anything but cut short when less is there.
    for len in (0..jpeg.scan_at).step_by(5) {
        assert_eq!(inspect(&data[..len]), Err(JpegError::Truncated), "{len} bytes");
    }
    if let Some(end) = end_of_picture(data, jpeg.scan_at) {
        assert!(end <= data.len() && data[..end].ends_with(&[0xff, 0xd9]));
    }
}

/// The same is found however the stream is split, and memory stays bounded. The first byte chooses
/// the split, the second the limit.
pub fn multipart(data: &[u8]) {
    let [split, limit, stream @ ..] = data else { return };
    let (split, limit) = (usize::from(*split) + 1, 8 + 16 * usize::from(*limit));
    let all = |run: usize| {
        let mut reader = MultipartReader::new(limit);
        let mut found: Vec<(Vec<u8>, Option<PartError>)> = Vec::new();
        for run in stream.chunks(run) {
            assert!(reader.room(run.len()).len() <= 2 * (limit + MAX_HEAD + run.len()));
            reader.push(run);
            loop {
                let (range, error) = match reader.step() {
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

/// Any file plays to an end, twice the same.
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
