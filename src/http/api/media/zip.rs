//! `/api/v1/media/zip`: selected items as one archive, made while it is sent ([`Zip`]): snapshots as JPEG, recordings
//! as MP4.
//!
//! Its length is known in advance, so that browsers show progress; memory never holds the archive or a whole entry. A
//! recording that still grows is included as it was at the request. If an item is removed meanwhile, the connection
//! is cut.

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
use crate::http::request::json_body;
use crate::http::request::kinds::ItemIds;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::range::disposition;
use crate::http::request::reply::no_store;
use crate::http::server::body::{Body, BrokenBody};
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::readers::{MediaReadError, MediaReaders};
use tallycam_base::{Fault, FaultKind};
use tallycam_camera::media::film::FilmFormat;
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
}

/// An item for the archive.
struct Packed {
    item: Item,
    /// Number of a recording's chunks at the request.
    chunks: usize,
    len: u64,
}

/// `GET` and `POST /api/v1/media/zip`.
pub async fn archive(request: Request) -> Result<Response<Body>, Problem> {
    let readers = request.site.media_readers()?;
    let packed = look_up(&readers, chosen(&request)?).await?;
    let clock = request.site.clock();
    let mut names = FileNames::default();
    let entries = packed.iter().map(|Packed { item, len, .. }| {
        let ending = if item.kind == MediaKind::Snapshot { "jpg" } else { FilmFormat::Mp4.as_str() };
        let changed_s = (item.at_us / 1_000_000) as i64;
        ZipEntry {
            name: names.unique_name(&item.name, ending),
            len: *len,
            changed_s,
            changed: local(changed_s, &clock.zone),
        }
    });
    let zip = Zip::new(entries.collect());
    let mut response = no_store(Response::new(Body::full("")));
    let [year, month, day, ..] = local((clock.now_us / 1_000_000) as i64, &clock.zone);
    let name = format!("{} {year:04}-{month:02}-{day:02}.zip", stem(&request.site.settings().name));
    put(&mut response, CONTENT_TYPE, "application/zip");
    put(&mut response, CONTENT_DISPOSITION, &disposition(true, &name));
    put(&mut response, CONTENT_LENGTH, &zip.total_bytes().to_string());
    if request.method == Method::HEAD {
        return Ok(response);
    }
    download::take_place(&request)?;
    request.link.may_pause();
    let (sender, pieces) = mpsc::channel(WAITING);
    *response.body_mut() = Body::sized(zip.total_bytes(), pieces);
    let mut sending =
        Sending { readers, sender, site: request.site.clone(), check: crc32fast::Hasher::new() };
    tokio::task::spawn_local(async move {
        if let Err(error) = sending.all(&zip, &packed).await {
            log::warn!("an archive of {} items was cut off: {error}", packed.len());
            // The client may have gone.
            let _ = sending.sender.send(Err(BrokenBody)).await;
        }
    });
    Ok(response)
}

/// The requested IDs, without duplicates.
fn chosen(request: &Request) -> Result<Vec<u64>, Problem> {
    let wrong = |words: String| Problem::new(StatusCode::BAD_REQUEST, words);
    let begin = request.body.iter().find(|byte| !byte.is_ascii_whitespace());
    let ids = match begin {
        Some(b'{') => json_body::read::<ArchiveIds>(&request.headers, &request.body)?.ids,
        begin => {
            let form = begin.map(|_| Query::parse(&String::from_utf8_lossy(&request.body)));
            let query = form.as_ref().unwrap_or(&request.query);
            let number =
                |text: &str| text.parse().map_err(|_| wrong(format!("{text:?} is no number of an item")));
            query.list("ids").into_iter().map(number).collect::<Result<Vec<u64>, Problem>>()?
        }
    };
    let mut known = std::collections::HashSet::new();
    let ids: Vec<u64> = ids.into_iter().filter(|id| known.insert(*id)).collect();
    match ids.len() {
        0 => Err(wrong(String::from("no item is named")).hint("`ids=1,2` names them")),
        n if n > MOST => Err(Problem {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            ..wrong(format!("{n} items are too many for one archive; {MOST} are not"))
        }),
        _ => Ok(ids),
    }
}

async fn look_up(readers: &MediaReaders, ids: Vec<u64>) -> Result<Vec<Packed>, Problem> {
    let mut packed = Vec::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let ids = ids.to_owned();
        let found = readers.read(move |reader| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let item = reader.item(id)?;
                if item.kind == MediaKind::Snapshot {
                    found.push(Packed { len: item.bytes, chunks: 0, item });
                    continue;
                }
                let rows = reader.chunks(id)?;
                // A recording without pictures, or one that MP4 cannot hold, is left out.
                if let Ok(film) = film(&item, &rows, FilmFormat::Mp4) {
                    found.push(Packed { len: film.len(), chunks: rows.len(), item });
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
    /// The checksum of the current entry.
    check: crc32fast::Hasher,
}

struct Gone;

impl Sending {
    async fn all(&mut self, zip: &Zip, packed: &[Packed]) -> Result<(), Fault> {
        let mut check_sums = Vec::with_capacity(packed.len());
        for (n, packed) in packed.iter().enumerate() {
            if self.send(zip.local_header(n).into()).await.is_err() {
                return Ok(());
            }
            self.check = crc32fast::Hasher::new();
            if self.entry(packed).await?.is_err() {
                return Ok(());
            }
            let check_sum = self.check.clone().finalize();
            check_sums.push(check_sum);
            if self.send(zip.data_descriptor(n, check_sum).into()).await.is_err() {
                return Ok(());
            }
        }
        // A client that has left is no failure.
        let _ = self.send(zip.directory(&check_sums).into()).await;
        Ok(())
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), Gone> {
        self.sender.send(Ok(piece)).await.map_err(|_| Gone)
    }

    async fn entry(&mut self, packed: &Packed) -> Result<Result<(), Gone>, Fault> {
        let (item, chunks) = (packed.item.clone(), packed.chunks);
        let id = item.id;
        let odd = |id| Fault::new(FaultKind::File, format!("item {id} is not what it was"));
        let failed = |error: MediaReadError| Fault::passing(error.to_string());
        if item.kind == MediaKind::Snapshot {
            let jpeg = self.readers.read(move |reader| reader.snapshot(id)).await.map_err(failed)?;
            if jpeg.len() as u64 != packed.len {
                return Err(odd(id));
            }
            download::go_on(&self.site)?;
            self.check.update(&jpeg);
            return Ok(self.send(jpeg).await);
        }
        let rows = self.readers.read(move |reader| reader.chunks(id)).await.map_err(failed)?;
        let film = film(&item, &rows[..chunks.min(rows.len())], FilmFormat::Mp4);
        let film = Arc::new(film.map_err(|_| odd(id))?);
        if film.len() != packed.len {
            return Err(odd(id));
        }
        let mut at = 0;
        while at < film.len() {
            let piece = download::piece(&self.readers, id, &film, None, at, PIECE).await?;
            download::go_on(&self.site)?;
            at += piece.len() as u64;
            self.check.update(&piece);
            if self.send(piece).await.is_err() {
                return Ok(Err(Gone));
            }
        }
        Ok(Ok(()))
    }
}
