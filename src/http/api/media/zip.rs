//! `/api/v1/media/zip`: selected items as one archive, made while it is sent ([`Zip`]): snapshots as JPEG, recordings
//! as H.264 in MP4, or as Motion JPEG in AVI. If no video can be made, the recording is in AVI.
//!
//! Memory never holds the archive or a whole entry. Without videos its length is known in advance, so that browsers
//! show progress. A recording that still grows is included as it was at the request. If an item is removed meanwhile,
//! the connection is cut.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{Method, Response, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::http::api::media::download;
use crate::http::api::media::download::{PIECE, WAITING, put};
use crate::http::api::media::video;
use crate::http::request::json_body;
use crate::http::request::kinds::ItemIds;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::range::disposition;
use crate::http::request::reply::no_store;
use crate::http::server::body::{Body, BrokenBody};
use crate::http::server::link::Link;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::readers::{MediaReadError, MediaReaders};
use tallycam_base::{Fault, FaultKind, json};
use tallycam_camera::media::film::{Film, FilmFormat};
use tallycam_camera::media::zip::{FileNames, Zip, ZipEntry, stem};
use tallycam_store::media::{Item, MediaKind, film};

/// Maximum number of items in an archive.
pub const MOST: usize = 5000;

/// Items per read of the store.
const AT_ONCE: usize = 50;

/// The items of an archive.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArchiveIds {
    #[serde(deserialize_with = "json_body::wholes")]
    #[schemars(with = "ItemIds<MOST>")]
    ids: Vec<u64>,
    /// The format of recordings.
    #[serde(rename = "as", default)]
    format: Option<ArchiveFormat>,
}

json::words! { ArchiveFormat { Mp4 "mp4", Avi "avi" } }

/// The format of recordings in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArchiveFormat {
    /// H.264 in MP4, made by `ffmpeg`.
    Mp4,
    /// Motion JPEG in AVI, as recorded.
    Avi,
}

impl ArchiveFormat {
    /// The film that is sent, or that the video is made of.
    fn film(self) -> FilmFormat {
        match self {
            ArchiveFormat::Mp4 => FilmFormat::Mov,
            ArchiveFormat::Avi => FilmFormat::Avi,
        }
    }
}

/// An item for the archive.
struct Packed {
    item: Item,
    /// Number of a recording's chunks at the request.
    chunks: usize,
    /// Its bytes; `None` for a video.
    len: Option<u64>,
}

/// `GET` and `POST /api/v1/media/zip`.
pub async fn archive(request: Request) -> Result<Response<Body>, Problem> {
    let readers = request.site.media_readers()?;
    let (ids, format) = chosen(&request)?;
    let can_be_made = request.site.videos.encoders().await.is_some();
    let format = format.unwrap_or(if can_be_made { ArchiveFormat::Mp4 } else { ArchiveFormat::Avi });
    let packed = look_up(&readers, ids, format).await?;
    if !can_be_made && packed.iter().any(|packed| packed.len.is_none()) {
        return Err(video::no_encoder());
    }
    let clock = request.site.clock();
    let mut names = FileNames::default();
    let entries = packed.iter().map(|Packed { item, len, .. }| {
        let ending = if item.kind == MediaKind::Snapshot { "jpg" } else { format.as_str() };
        let changed_s = (item.at_us / 1_000_000) as i64;
        ZipEntry {
            name: names.unique_name(&item.name, ending),
            len: *len,
            changed_s,
            changed: local(changed_s, &clock.zone),
        }
    });
    let mut zip = Zip::new(entries.collect());
    let mut response = no_store(Response::new(Body::full("")));
    let [year, month, day, ..] = local((clock.now_us / 1_000_000) as i64, &clock.zone);
    let name = format!("{} {year:04}-{month:02}-{day:02}.zip", stem(&request.site.settings().name));
    put(&mut response, CONTENT_TYPE, "application/zip");
    put(&mut response, CONTENT_DISPOSITION, &disposition(true, &name));
    let len = zip.total_bytes();
    if let Some(len) = len {
        put(&mut response, CONTENT_LENGTH, &len.to_string());
    }
    if request.method == Method::HEAD {
        return Ok(response);
    }
    download::take_place(&request)?;
    request.link.may_pause();
    let (sender, pieces) = mpsc::channel(WAITING);
    *response.body_mut() = match len {
        Some(len) => Body::sized(len, pieces),
        None => Body::pieces(pieces),
    };
    let (site, link) = (request.site.clone(), request.link.clone());
    let mut sending =
        Sending { readers, sender, site, link, names, check: crc32fast::Hasher::new(), sent: 0 };
    tokio::task::spawn_local(async move {
        if let Err(error) = sending.all(&mut zip, &packed).await {
            log::warn!("an archive of {} items was cut off: {error}", packed.len());
            // The client may have gone.
            let _ = sending.sender.send(Err(BrokenBody)).await;
        }
    });
    Ok(response)
}

/// The requested IDs, without duplicates, and the requested format.
fn chosen(request: &Request) -> Result<(Vec<u64>, Option<ArchiveFormat>), Problem> {
    let wrong = |words: String| Problem::new(StatusCode::BAD_REQUEST, words);
    let begin = request.body.iter().find(|byte| !byte.is_ascii_whitespace());
    let (ids, format) = match begin {
        Some(b'{') => {
            let body = json_body::read::<ArchiveIds>(&request.headers, &request.body)?;
            (body.ids, body.format)
        }
        begin => {
            let form = begin.map(|_| Query::parse(&String::from_utf8_lossy(&request.body)));
            let query = form.as_ref().unwrap_or(&request.query);
            let number =
                |text: &str| text.parse().map_err(|_| wrong(format!("{text:?} is no number of an item")));
            let ids = query.list("ids").into_iter().map(number).collect::<Result<Vec<u64>, Problem>>()?;
            (ids, query.one_of("as", &ArchiveFormat::WORDS)?)
        }
    };
    let mut known = std::collections::HashSet::new();
    let ids: Vec<u64> = ids.into_iter().filter(|id| known.insert(*id)).collect();
    match ids.len() {
        0 => Err(wrong(String::from("no item is named"))
            .wrong("ids", "a list of numbers of items", "")
            .hint("`ids=1,2` names them")),
        n if n > MOST => Err(Problem {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            ..wrong(format!("{n} items are too many for one archive; {MOST} are not"))
        }),
        _ => Ok((ids, format)),
    }
}

async fn look_up(
    readers: &MediaReaders,
    ids: Vec<u64>,
    format: ArchiveFormat,
) -> Result<Vec<Packed>, Problem> {
    let mut packed = Vec::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let ids = ids.to_owned();
        let found = readers.read(move |reader| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let item = reader.item(id)?;
                if item.kind == MediaKind::Snapshot {
                    found.push(Packed { len: Some(item.bytes), chunks: 0, item });
                    continue;
                }
                let rows = reader.chunks(id)?;
                // A recording without pictures, or one that the format cannot hold, is left out.
                if let Ok(film) = film(&item, &rows, format.film()) {
                    let len = (format == ArchiveFormat::Avi).then(|| film.len());
                    found.push(Packed { len, chunks: rows.len(), item });
                }
            }
            Ok(found)
        });
        packed.extend(found.await?);
    }
    Ok(packed)
}

fn local(second: i64, zone: &TimeZone) -> [i16; 6] {
    let time = Timestamp::from_second(second).unwrap_or_default().to_zoned(zone.clone());
    let small = i16::from;
    [
        time.year(),
        small(time.month()),
        small(time.day()),
        small(time.hour()),
        small(time.minute()),
        small(time.second()),
    ]
}

/// An archive being sent.
struct Sending {
    readers: MediaReaders,
    sender: mpsc::Sender<Result<Bytes, BrokenBody>>,
    site: Rc<Site>,
    link: Rc<Link>,
    /// The names in the archive.
    names: FileNames,
    /// The checksum of the current entry, and its bytes so far.
    check: crc32fast::Hasher,
    sent: u64,
}

struct Gone;

/// Why an entry has no video.
enum NoVideo {
    /// The client has left.
    Gone,
    /// `is_begun`: a part of it was sent.
    Failed { reason: String, is_begun: bool },
}

impl From<Gone> for NoVideo {
    fn from(_: Gone) -> NoVideo {
        NoVideo::Gone
    }
}

impl Sending {
    async fn all(&mut self, zip: &mut Zip, packed: &[Packed]) -> Result<(), Fault> {
        let mut check_sums = Vec::with_capacity(packed.len());
        for (n, packed) in packed.iter().enumerate() {
            let sent = match packed.len {
                Some(len) => self.stored(zip, n, packed, len).await?,
                None => self.video_or_film(zip, n, packed).await?,
            };
            // A client that has left is no failure.
            let Ok(check_sum) = sent else { return Ok(()) };
            check_sums.push(check_sum);
        }
        let _ = self.send(zip.directory(&check_sums).into()).await;
        Ok(())
    }

    /// Sends the header of entry `n`.
    async fn begin(&mut self, zip: &Zip, n: usize) -> Result<(), Gone> {
        (self.check, self.sent) = (crc32fast::Hasher::new(), 0);
        self.send(zip.local_header(n).into()).await
    }

    /// Sends the descriptor of entry `n`, and returns the checksum.
    async fn end(&mut self, zip: &mut Zip, n: usize) -> Result<u32, Gone> {
        let check_sum = self.check.clone().finalize();
        zip.set_len(n, self.sent);
        self.send(zip.data_descriptor(n, check_sum).into()).await?;
        Ok(check_sum)
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), Gone> {
        self.sender.send(Ok(piece)).await.map_err(|_| Gone)
    }

    /// Sends bytes of the current entry.
    async fn add(&mut self, piece: Bytes) -> Result<(), Gone> {
        self.check.update(&piece);
        self.sent += piece.len() as u64;
        self.send(piece).await
    }

    /// Sends entry `n`, a snapshot or a film of `len` bytes.
    async fn stored(
        &mut self,
        zip: &mut Zip,
        n: usize,
        packed: &Packed,
        len: u64,
    ) -> Result<Result<u32, Gone>, Fault> {
        let id = packed.item.id;
        if self.begin(zip, n).await.is_err() {
            return Ok(Err(Gone));
        }
        if packed.item.kind == MediaKind::Snapshot {
            let jpeg = self.readers.read(move |reader| reader.snapshot(id)).await.map_err(failed)?;
            if jpeg.len() as u64 != len {
                return Err(odd(id));
            }
            download::go_on(&self.site)?;
            if self.add(jpeg).await.is_err() {
                return Ok(Err(Gone));
            }
            return Ok(self.end(zip, n).await);
        }
        let film = Arc::new(self.film(packed).await?);
        if film.len() != len {
            return Err(odd(id));
        }
        let mut at = 0;
        while at < film.len() {
            let piece = download::piece(&self.readers, id, &film, None, at, PIECE).await?;
            download::go_on(&self.site)?;
            at += piece.len() as u64;
            if self.add(piece).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(self.end(zip, n).await)
    }

    /// The recording in AVI, as it was at the request.
    async fn film(&self, packed: &Packed) -> Result<Film, Fault> {
        let (item, chunks) = (packed.item.clone(), packed.chunks);
        let id = item.id;
        let rows = self.readers.read(move |reader| reader.chunks(id)).await.map_err(failed)?;
        film(&item, &rows[..chunks.min(rows.len())], FilmFormat::Avi).map_err(|_| odd(id))
    }

    /// Sends entry `n` as a video; as a film if no video can be made of it.
    async fn video_or_film(
        &mut self,
        zip: &mut Zip,
        n: usize,
        packed: &Packed,
    ) -> Result<Result<u32, Gone>, Fault> {
        let (reason, is_begun) = match self.video(zip, n, packed.item.clone()).await {
            Ok(()) => return Ok(self.end(zip, n).await),
            Err(NoVideo::Gone) => return Ok(Err(Gone)),
            Err(NoVideo::Failed { reason, is_begun }) => (reason, is_begun),
        };
        download::go_on(&self.site)?;
        log::warn!("{:?} is in an archive as AVI: {reason}", packed.item.name);
        if is_begun && self.end(zip, n).await.is_err() {
            return Ok(Err(Gone));
        }
        let len = self.film(packed).await?.len();
        zip.exchange(
            n,
            is_begun,
            self.names.unique_name(&packed.item.name, ArchiveFormat::Avi.as_str()),
            len,
        );
        self.stored(zip, n, packed, len).await
    }

    /// Sends the header of entry `n` and its video. The header waits for the first bytes: most failures come before.
    async fn video(&mut self, zip: &Zip, n: usize, item: Item) -> Result<(), NoVideo> {
        let mut is_begun = false;
        let failed = |reason: String, is_begun| NoVideo::Failed { reason, is_begun };
        let made = tokio::select! {
            made = video::pieces(&self.site, &self.link, item) => made,
            () = self.sender.closed() => return Err(NoVideo::Gone),
        };
        let mut pieces = made.map_err(|problem| failed(problem.detail, false))?;
        while let Some(piece) = pieces.recv().await {
            let piece = piece.map_err(|error| failed(error.to_string(), is_begun))?;
            if !is_begun {
                self.begin(zip, n).await?;
                is_begun = true;
            }
            self.add(piece).await?;
        }
        if is_begun { Ok(()) } else { Err(failed(String::from("it has no bytes"), false)) }
    }
}

fn odd(id: u64) -> Fault {
    Fault::new(FaultKind::File, format!("item {id} is not what it was"))
}

fn failed(error: MediaReadError) -> Fault {
    Fault::passing(error.to_string())
}
