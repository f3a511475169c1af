//! The pages of stored media: list, player, database.

use hyper::Response;

use crate::http::api::media::{items, storage};
use crate::http::pages::{data_counting, data_media};
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::forms;
use crate::http::site::handler::Request;
use crate::http::site::html::{html, see};
use crate::http::site::readers::MediaReadError;
use crate::ui::{
    self, DatabasePage, ItemEdit, MEDIA_PAGE, MediaAsk, MediaPage, PlayerPage, RefusalReason, SPEEDS,
};
use tallycam_store::media::{CheckReport, Item, MediaError, MediaKind, Vacuumed};

/// `GET /media`.
pub async fn media(request: Request) -> Response<Body> {
    let query = &request.query;
    let mut refused = request.refused().or_else(|| request.told().map(forms::refusal));
    if query.get("ask") != Some("delete") {
        return html(ui::media_page(
            &media_page(&request, MediaAsk::from_pairs(query.pairs()), refused).await,
        ));
    }
    // `next` is the address of the requesting page: its query tells which items it shows.
    let shown = query.get("next").and_then(|next| next.split_once('?')).map(|(_, shown)| Query::parse(shown));
    let ask = shown.map(|shown| MediaAsk::from_pairs(shown.pairs())).unwrap_or_default();
    match items(&request.site, query.list("ids").iter().filter_map(|id| id.parse().ok()).collect()).await {
        Ok(items) if !items.is_empty() => {
            let head = data_counting::head(&request);
            return html(ui::media_ask_page(&head, &request.site.clock(), &ask, &items));
        }
        Ok(_) => {
            let detail = String::from("nothing is selected");
            refused = Some(RefusalReason {
                detail,
                hint: String::from("select the items"),
                ..RefusalReason::default()
            });
        }
        Err(problem) => refused = Some(forms::refusal(&problem)),
    }
    html(ui::media_page(&media_page(&request, ask, refused).await))
}

async fn media_page(request: &Request, mut ask: MediaAsk, refused: Option<RefusalReason>) -> MediaPage {
    let site = &request.site;
    let clock = site.clock();
    let mut listed = None;
    if let Ok(readers) = site.media_readers() {
        let query = data_media::query(&ask, &clock, MEDIA_PAGE);
        let mut read = readers.read(move |reader| reader.list(&query)).await;
        if ask.cursor.is_some() && matches!(read, Err(MediaReadError::Store(MediaError::Wrong(_)))) {
            // The cursor of a hand-made address is invalid: start from the beginning.
            ask.cursor = None;
            let query = data_media::query(&ask, &clock, MEDIA_PAGE);
            read = readers.read(move |reader| reader.list(&query)).await;
        }
        // The page Database says why it cannot be read.
        listed = read.ok();
    }
    let room = if listed.is_some() { data_media::room_at(site).await } else { None };
    let mut page = listed.unwrap_or(tallycam_store::media::ItemPage { items: Vec::new(), next: None });
    data_media::settle_open(site, &mut page.items);
    let edit = edit(request);
    MediaPage {
        head: data_counting::head(request),
        clock,
        ask,
        rows: page.items,
        next: page.next,
        room,
        now: data_media::now_at(site),
        is_counts_only: site.is_counts_only(),
        refused: refused.filter(|_| edit.as_ref().is_none_or(|edit| edit.typed.is_none())),
        done: request.query.get("done").unwrap_or_default().to_owned(),
        edit,
    }
}

/// The form for the name and note of an item, which the address or a refused form names.
fn edit(request: &Request) -> Option<ItemEdit> {
    let refused = request.returned.as_ref().filter(|form| form.refusal.is_some());
    if let Some((form, id)) = refused.and_then(|form| Some((form, form.id()?))) {
        let typed = ["name", "note"].map(|name| form.get(name).unwrap_or_default().to_owned());
        return Some(ItemEdit { id, typed: Some(typed), said: form.said() });
    }
    let id = request.query.get("edit")?.parse().ok()?;
    Some(ItemEdit { id, ..ItemEdit::default() })
}

async fn items(site: &Site, ids: Vec<u64>) -> Result<Vec<Item>, Problem> {
    let readers = site.media_readers()?;
    let read = readers.read(move |reader| ids.into_iter().map(|id| reader.item(id)).collect());
    Ok(read.await?)
}

/// `GET /player`.
pub async fn player(request: Request) -> Result<Response<Body>, Problem> {
    let (site, query) = (&request.site, &request.query);
    let Some(id) = query.whole("id", 1..=u64::MAX)? else {
        return Ok(see("media"));
    };
    let item = items::known(site, id).await?;
    let seconds = query.number("t").unwrap_or(0.0).clamp(0.0, 1e9);
    let speed = query.number("speed").filter(|speed| SPEEDS.contains(speed)).unwrap_or(1.0);
    let page = player_page(&request, item, (seconds * 1e6).round() as u64, speed).await?;
    Ok(html(ui::player_page(&page)))
}

async fn player_page(request: &Request, item: Item, at_us: u64, speed: f64) -> Result<PlayerPage, Problem> {
    let (site, who) = (&request.site, &request.who);
    let mut item = wire::redacted_for(who, item);
    let is_unclosed = item.is_open;
    data_media::settle_open(site, std::slice::from_mut(&mut item));
    let ask = MediaAsk::from_pairs(request.query.pairs());
    let rows = data_media::around(site, &ask, &item).await?;
    let (mut gaps, mut crossed) = (Vec::new(), None);
    let mut shown = item.clone();
    if item.kind == MediaKind::Recording {
        let id = item.id;
        let chunks = site.media_readers()?.read(move |reader| reader.chunks(id)).await?;
        gaps = data_media::gaps(&chunks);
        if is_unclosed {
            // The row of a recording that is not closed has no totals yet.
            grow(&mut shown, &chunks);
        }
        let grown = Item { duration_us: shown.duration_us, ..item };
        crossed = data_media::crossed(site, &grown).await;
    }
    let size = (shown.width, shown.height);
    let encoder = site.videos.encoders().await.and_then(|encoders| encoders.best(size));
    let length = (shown.frames, shown.duration_us);
    let video_bytes = encoder.map(|encoder| encoder.estimate(size, length, shown.bytes));
    Ok(PlayerPage {
        head: data_counting::head(request),
        clock: site.clock(),
        item: shown,
        at_us,
        speed,
        gaps,
        crossed,
        video_bytes,
        ask,
        rows,
        refused: request.refused(),
    })
}

/// Raises the row's totals to those of the chunks on the disk.
fn grow(row: &mut Item, chunks: &[tallycam_store::media::ChunkRow]) {
    let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return };
    row.duration_us = row.duration_us.max(last.to_us.saturating_sub(first.from_us));
    row.frames = row.frames.max(last.first_frame + u64::from(last.frames));
    row.bytes = row.bytes.max(chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum());
    if row.width == 0 {
        (row.width, row.height) = (last.width, last.height);
    }
}

/// `GET /database`.
pub async fn database(request: Request) -> Response<Body> {
    let done = match request.query.get("done") {
        Some("new") if request.site.media().is_ok() => {
            Some("A new file is in use, and the old one was set aside: it stands below")
        }
        Some("new") => {
            Some("The file was set aside as it is. An empty one takes its place within some seconds")
        }
        Some("aside") => Some("The file that was set aside is deleted"),
        _ => None,
    };
    let (site, who, media) = (&request.site, &request.who, request.site.media().ok());
    let is_wiped = request.returned.as_ref().is_some_and(|form| form.get("wipe") == Some("1"));
    let vacuumed = request.told::<Vacuumed>().map(|Vacuumed { freed, wiped }| {
        let [freed, wiped] = [*freed, *wiped].map(ui::format_bytes);
        if is_wiped {
            format!("{wiped} were overwritten, {freed} were given back to the disk")
        } else {
            format!("{freed} were given back to the disk")
        }
    });
    html(ui::database_page(&DatabasePage {
        head: data_counting::head(&request),
        clock: site.clock(),
        file: media
            .filter(|_| who.sees_internals())
            .map(|media| media.file().display().to_string())
            .unwrap_or_default(),
        // A cached measurement may be of another file.
        room: storage::measure(site).await.ok().as_deref().cloned(),
        checked: request.told::<CheckReport>().cloned(),
        done: vacuumed.or(done.map(String::from)),
        trouble: data_media::trouble(site, who),
        is_counts_only: site.is_counts_only(),
        refused: request.refused(),
    }))
}
