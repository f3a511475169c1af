//! `/api/v1/media/{id}/content` and the old `/media/NAME`: a snapshot's JPEG, or a recording as a film made while it
//! is sent ([`Film`]). Ranges are possible, so downloads resume and players seek.
//!
//! Each piece is one short transaction on a thread that may block; the next one follows when the client has taken it.
//! A slow client costs some pieces of memory, but no thread and no lock on the store. If the recording is removed
//! meanwhile, the connection is cut, so that no client takes a part for the whole.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue,
};
use hyper::{Method, Response, StatusCode};
use tokio::sync::mpsc;

use crate::http::api::media::video;
use crate::http::request::problem::Problem;
use crate::http::request::query::wrong_value;
use crate::http::request::range;
use crate::http::request::range::FilePart;
use crate::http::server::body::{Body, BrokenBody};
use crate::http::server::link::{ConnectionUse, FILES};
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::place;
use crate::http::site::readers::{MediaReaders, ReadError};
use tallycam_base::{Fault, FaultKind};
use tallycam_camera::media::film::{Film, FilmFormat, FilmReadError};
use tallycam_camera::media::zip;
use tallycam_store::media::{self, CutFootage, Item, MediaKind, MediaReader, StoredFootage, film};

/// Maximum size of a piece in bytes.
pub const PIECE: usize = 64 << 10;

/// Pieces that may wait for a slow client.
pub const WAITING: usize = 1;

/// Takes a place for a file that is made while it is sent. Each holds some pieces in memory while its client is slow.
///
/// # Errors
/// All places are taken, or the address's share is.
pub fn take_place(request: &Request) -> Result<(), Problem> {
    place::take_place(&request.site, &request.link, ConnectionUse::File, FILES)
}

/// The problem of a recording that no film can be made of.
pub fn not_downloaded(fault: Fault) -> Problem {
    let is_too_long = fault.kind == FaultKind::Wrong;
    let hint =
        is_too_long.then(|| String::from("`?as=mjpeg` gives its pictures without times, however many"));
    Problem { hint, ..fault.into() }
}

/// The content of an item.
enum DownloadContent {
    Jpeg(Bytes),
    Film(Arc<Film>, FilmFormat),
}

/// `GET /api/v1/media/{id}/content`. Motion JPEG is never called `.mp4`, because most players of MP4 do not play it.
pub async fn content(request: Request) -> Result<Response<Body>, Problem> {
    let words = [
        ("jpg", None),
        ("mov", Some(FilmFormat::Mov)),
        // Its name in earlier versions.
        ("mp4", Some(FilmFormat::Mov)),
        ("avi", Some(FilmFormat::Avi)),
        ("mjpeg", Some(FilmFormat::Mjpeg)),
    ];
    let wanted = request.query.one_of("as", &words)?;
    let id = request.id;
    let item = request.site.media_readers()?.read(move |reader| reader.item(id)).await?;
    let format = match (item.kind, wanted) {
        (MediaKind::Snapshot, None | Some(None)) => None,
        (MediaKind::Recording, None) => Some(FilmFormat::Mov),
        (MediaKind::Recording, Some(Some(format))) => Some(format),
        (kind, _) => {
            let expected = match kind {
                MediaKind::Snapshot => "jpg for a snapshot",
                MediaKind::Recording => "mov, avi or mjpeg for a recording",
            };
            return Err(wrong_value("as", request.query.get("as").unwrap_or_default(), expected));
        }
    };
    let name = zip::stem(&item.name) + "." + format.map_or("jpg", FilmFormat::as_str);
    send(&request, item, format, &name).await
}

/// `GET /media/NAME`: the name's extension gives a recording's format, else it is H.264 in MP4; without `ffmpeg`
/// Motion JPEG in AVI, under that name.
pub async fn named(request: Request) -> Result<Response<Body>, Problem> {
    let name = request.name.clone();
    let find = move |reader: &MediaReader| match (reader.by_name(&name), name.strip_suffix(".mp4")) {
        // A video is found under the name of its download, too.
        (Err(error), Some(stem)) => reader.by_name(&format!("{stem}.avi")).map_err(|_| error),
        (found, _) => found,
    };
    let item = request.site.media_readers()?.read(find).await?;
    let ending = request.name.to_lowercase();
    let is_one_of = |endings: &[&str]| endings.iter().any(|own| ending.ends_with(own));
    let (format, name) = match item.kind {
        MediaKind::Snapshot => (None, item.name.clone()),
        MediaKind::Recording if is_one_of(&[".avi"]) => (Some(FilmFormat::Avi), item.name.clone()),
        MediaKind::Recording if is_one_of(&[".mjpeg", ".mjpg"]) => {
            (Some(FilmFormat::Mjpeg), item.name.clone())
        }
        MediaKind::Recording if is_one_of(&[".mov"]) => (Some(FilmFormat::Mov), item.name.clone()),
        MediaKind::Recording if request.site.videos.encoders().await.is_some() => {
            return video::send(&request, item, (0, u64::MAX), false).await;
        }
        MediaKind::Recording => (Some(FilmFormat::Avi), zip::stem(&item.name) + ".avi"),
    };
    send(&request, item, format, &name).await
}

/// `item` as a file called `name`, or the requested range of it.
async fn send(
    request: &Request,
    item: Item,
    format: Option<FilmFormat>,
    name: &str,
) -> Result<Response<Body>, Problem> {
    let readers = request.site.media_readers()?;
    let id = item.id;
    let (content, tag) = readers
        .read(move |reader| {
            // Only the facts that the bytes depend on: a new name or note does not make a new file.
            let Item { at_us, duration_us, .. } = item;
            let Some(format) = format else {
                let jpeg = reader.snapshot(id)?;
                let tag = format!("\"{id:x}-{at_us:x}-{:x}\"", jpeg.len());
                return Ok(Ok((DownloadContent::Jpeg(jpeg), tag)));
            };
            let rows = reader.chunks(id)?;
            let frames: u64 = rows.iter().map(|row| u64::from(row.frames)).sum();
            let bytes: u64 = rows.iter().map(|row| u64::from(row.bytes)).sum();
            let word = format.as_str();
            let tag = format!("\"{id:x}-{at_us:x}-{duration_us:x}-{frames:x}-{bytes:x}-{word}\"");
            Ok(film(&item, &rows, format).map(|film| (DownloadContent::Film(Arc::new(film), format), tag)))
        })
        .await?
        .map_err(not_downloaded)?;
    let (len, kind) = match &content {
        DownloadContent::Jpeg(jpeg) => (jpeg.len() as u64, "image/jpeg"),
        DownloadContent::Film(film, format) => (film.len(), format.media_type()),
    };
    let is_download = request.query.is_set("download")?;
    let (mut response, wanted) = FileHead { len, tag: &tag, kind, name, is_download }.answer(request);
    let Some(wanted) = wanted else { return Ok(response) };
    *response.body_mut() = match content {
        DownloadContent::Jpeg(jpeg) => Body::full(jpeg.slice(wanted.start as usize..wanted.end as usize)),
        DownloadContent::Film(film, _) => {
            take_place(request)?;
            request.link.may_pause();
            let (sender, pieces) = mpsc::channel(WAITING);
            let body = Body::sized(wanted.end - wanted.start, pieces);
            let site = request.site.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = pass(&readers, id, &film, wanted, &sender, &site).await {
                    log::warn!("a download of item {id} was cut off: {error}");
                    // The client may have gone.
                    let _ = sender.send(Err(BrokenBody)).await;
                }
            });
            body
        }
    };
    Ok(response)
}

/// The facts of a file for the head of its answer.
pub struct FileHead<'a> {
    pub len: u64,
    /// Its entity tag.
    pub tag: &'a str,
    pub kind: &'static str,
    pub name: &'a str,
    pub is_download: bool,
}

impl FileHead<'_> {
    /// The head of the answer, and the range of the bytes that follow; `None` if none follow.
    pub fn answer(&self, request: &Request) -> (Response<Body>, Option<Range<u64>>) {
        let FileHead { len, tag, .. } = *self;
        let mut response = Response::new(Body::full(""));
        put(&mut response, ETAG, tag);
        put(&mut response, ACCEPT_RANGES, "bytes");
        // The file may be cached, but is revalidated before use: items can be removed.
        put(&mut response, CACHE_CONTROL, "private, no-cache");
        if range::is_known(&request.headers, tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return (response, None);
        }
        let part = match request.method == Method::HEAD {
            true => FilePart::Whole,
            false => range::part(&request.headers, len, tag),
        };
        let wanted = match part {
            FilePart::Whole => 0..len,
            FilePart::Bytes(range) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                put(&mut response, CONTENT_RANGE, &format!("bytes {}-{}/{len}", range.start, range.end - 1));
                range
            }
            FilePart::None => {
                let problem =
                    Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, format!("the file has {len} bytes"));
                let is_old = request.id == 0;
                let mut response = problem.respond(!is_old);
                put(&mut response, CONTENT_RANGE, &format!("bytes */{len}"));
                return (response, None);
            }
        };
        put(&mut response, CONTENT_TYPE, self.kind);
        put(&mut response, CONTENT_DISPOSITION, &range::disposition(self.is_download, self.name));
        put(&mut response, CONTENT_LENGTH, &(wanted.end - wanted.start).to_string());
        (response, (request.method != Method::HEAD).then_some(wanted))
    }
}

/// Why a film is cut off when the server stops.
pub fn stopped() -> Fault {
    Fault::passing("the server stops")
}

/// Checks that sending may continue.
///
/// # Errors
/// The server stops, or privacy mode has begun.
pub fn go_on(site: &Site) -> Result<(), Fault> {
    match (site.stop.is_set(), site.is_counts_only()) {
        (true, _) => Err(stopped()),
        (_, true) => Err(Fault::passing("only counts are given now")),
        _ => Ok(()),
    }
}

/// Sends `range` of `film` in pieces. A client that leaves is no error.
async fn pass(
    readers: &MediaReaders,
    id: u64,
    film: &Arc<Film>,
    range: Range<u64>,
    to: &mpsc::Sender<Result<Bytes, BrokenBody>>,
    site: &Site,
) -> Result<(), Fault> {
    let mut at = range.start;
    while at < range.end {
        let most = (range.end - at).min(PIECE as u64) as usize;
        let piece = piece(readers, id, film, None, at, most).await?;
        go_on(site)?;
        at += piece.len() as u64;
        if to.send(Ok(piece)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// At most `most` bytes from `at` on of `film`, which is the whole recording or the part `cut`. Waits while others
/// read.
///
/// # Errors
/// A chunk is gone or unreadable, or the reader failed.
pub async fn piece(
    readers: &MediaReaders,
    id: u64,
    film: &Arc<Film>,
    cut: Option<media::FootageCut>,
    at: u64,
    most: usize,
) -> Result<Bytes, Fault> {
    loop {
        let film = film.clone();
        let read = readers.read(move |reader| {
            let mut whole = StoredFootage { reader, id };
            let piece = match cut {
                Some(cut) => film.read(at, most, &mut CutFootage { whole, cut }),
                None => film.read(at, most, &mut whole),
            };
            match piece {
                Ok(piece) => Ok(Ok(piece)),
                Err(FilmReadError::Footage(error)) => Err(error),
                Err(odd) => Ok(Err(odd)),
            }
        });
        return match read.await {
            // A download can wait.
            Err(ReadError::Busy) => continue,
            Err(ReadError::Store(error)) => Err(error.into()),
            Err(ReadError::Failed(why)) => Err(Fault::passing(why)),
            Ok(piece) => piece.map_err(|odd| Fault::new(FaultKind::File, odd.to_string())),
        };
    }
}

/// Sets a header to a printable value of our own.
pub fn put(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
