//! The pages of what is kept, and what their forms send: media, player, database, and the buttons under the live
//! picture. A form that is carried out leads back to its page (303); one that is not gets the page again, with why.

use std::fmt::Write;

use hyper::{Response, StatusCode};

use crate::http::api::media::{items, storage};
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::caller::Who;
use crate::http::pages::html::{again, form, html, nothing_to_do, see};
use crate::http::pages::{data_counting, data_media};
use crate::http::readers::MediaReadError;
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::request::handler::Request;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::store::media::{Item, MediaEdit, MediaError, MediaKind, Vacuumed, wrong_field};
use crate::ui::{
    self, DatabasePage, MEDIA_PAGE, MediaAsk, MediaForm, MediaPage, PlayerPage, RefusalReason, SPEEDS,
};

/// Items that can be named in the address of a download: more would make it too long.
const MOST_IN_ADDRESS: usize = 700;

/// `GET /media`.
pub async fn media(request: Request) -> Response<Body> {
    let ask = MediaAsk::from_pairs(request.query.pairs());
    let refused = request.refused();
    html(ui::media_page(&media_page(&request, ask, refused).await))
}

async fn media_page(request: &Request, mut ask: MediaAsk, refused: Option<RefusalReason>) -> MediaPage {
    let (site, who) = (&request.site, &request.who);
    let clock = site.clock();
    let mut trouble = data_media::trouble(site, who);
    let mut listed = None;
    if let Ok(readers) = site.media_readers() {
        let query = data_media::query(&ask, &clock, MEDIA_PAGE);
        let mut read = readers.read(move |reader| reader.list(&query)).await;
        if ask.cursor.is_some() && matches!(read, Err(MediaReadError::Store(MediaError::Wrong(_)))) {
            // An address of somebody's own making: from the beginning.
            ask.cursor = None;
            let query = data_media::query(&ask, &clock, MEDIA_PAGE);
            read = readers.read(move |reader| reader.list(&query)).await;
        }
        match read {
            Ok(page) => listed = Some(page),
            Err(error) => {
                let problem = Problem::from(error);
                trouble.get_or_insert(ui::StorageFault {
                    what: ui::NotKept::Anything,
                    reason: problem.detail,
                    hint: problem.hint.unwrap_or_default(),
                });
            }
        }
    }
    let room = if listed.is_some() { data_media::room_at(site).await } else { None };
    let page = listed.unwrap_or(crate::store::media::ItemPage { items: Vec::new(), next: None });
    MediaPage {
        head: data_counting::head(request),
        clock,
        ask,
        rows: page.items,
        next: page.next,
        room,
        now: data_media::now_at(site),
        trouble,
        is_counts_only: site.is_counts_only(),
        refused,
    }
}

/// `POST /media`, from the forms of the page of media and of the player.
pub async fn post_media(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let fields = form(&request);
    let ask = MediaAsk::from_pairs(request.query.pairs());
    let back = format!("media{}", ask.query(None));
    if fields.get("do") == Some("edit") {
        return edit(site, &request.who, MediaForm::from_pairs(fields.pairs())).await;
    }
    let done = match (fields.get("do"), picked(&fields)) {
        (None, _) => return Err(nothing_to_do()),
        (_, ids) if ids.is_empty() => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "nothing is selected")
                .hint("select the items"))
        }
        (Some(word @ ("keep" | "unkeep")), ids) => match site.media()?.set_kept(ids, word == "keep").await {
            Ok(()) => Ok(back),
            Err(error) => Err(error.into()),
        },
        (Some("zip"), ids) => zip(&ids),
        (Some("delete"), ids) if fields.get("sure") == Some("1") => match site.media()?.remove(ids).await {
            Ok(()) => Ok(back),
            Err(error) => Err(error.into()),
        },
        (Some("delete"), ids) => match items(site, ids).await {
            Ok(items) => {
                let head = data_counting::head_of(&StateReport::of(site, &request.who));
                let page = html(ui::media_ask_page(&head, &site.clock(), &ask, &items));
                return Ok(noted(page, AuditNote::Nothing));
            }
            Err(problem) => Err(problem),
        },
        (Some(_), _) => return Err(nothing_to_do()),
    };
    match done {
        Ok(place) if fields.get("do") == Some("zip") => Ok(noted(see(&place), AuditNote::Nothing)),
        Ok(place) => Ok(noted(see(&place), AuditNote::Of(fields.get("do").unwrap_or_default().to_owned()))),
        Err(problem) => {
            let page = media_page(&request, ask, Some(data_counting::refusal(&problem))).await;
            Ok(again(&problem, ui::media_page(&page)))
        }
    }
}

/// The items that are picked, each once.
fn picked(fields: &Query) -> Vec<u64> {
    let ids = fields.pairs().iter().filter(|(key, _)| key == "id");
    let mut ids: Vec<u64> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Where all of them can be downloaded.
fn zip(ids: &[u64]) -> Result<String, Problem> {
    if ids.len() > MOST_IN_ADDRESS {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("{} items are too many for one download", ids.len()),
        )
        .hint(format!("take at most {MOST_IN_ADDRESS} at a time, or the whole file on the page Database")));
    }
    let mut place = String::from("api/v1/media/zip?ids=");
    for (n, id) in ids.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(place, "{}{id}", if n > 0 { "," } else { "" });
    }
    Ok(place)
}

async fn items(site: &Site, ids: Vec<u64>) -> Result<Vec<Item>, Problem> {
    let readers = site.media_readers()?;
    let read = readers.read(move |reader| ids.into_iter().map(|id| reader.item(id)).collect());
    Ok(read.await?)
}

/// Changes what the form says otherwise than the item is; the player again where that cannot be.
async fn edit(site: &Site, who: &Who, form: MediaForm) -> Result<Response<Body>, Problem> {
    let item = items::known(site, form.id).await?;
    let other = |typed: &str, is: &str| (typed != is).then(|| typed.to_owned());
    let edit = MediaEdit {
        name: other(&form.name, &item.name),
        date: other(&form.date, &item.date),
        note: other(&form.note, &item.note),
        is_kept: (form.is_kept != item.is_kept).then_some(form.is_kept),
    };
    if edit != MediaEdit::default()
        && let Err(error) = site.media()?.edit(form.id, form.version, edit.clone()).await
    {
        let problem = Problem::from(error);
        let field = wrong_field(&edit).unwrap_or_default().to_owned();
        let refused = Some((form, RefusalReason { field, ..data_counting::refusal(&problem) }));
        let page = player_page(site, who, item, 0, 1.0, refused).await?;
        return Ok(again(&problem, ui::player_page(&page)));
    }
    Ok(see(&format!("player?id={}#saved", form.id)))
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
    let page = player_page(site, &request.who, item, (seconds * 1e6).round() as u64, speed, None).await?;
    Ok(html(ui::player_page(&page)))
}

async fn player_page(
    site: &Site,
    who: &Who,
    item: Item,
    at_us: u64,
    speed: f64,
    refused: Option<(MediaForm, RefusalReason)>,
) -> Result<PlayerPage, Problem> {
    let item = wire::redacted_for(who, item);
    let (mut gaps, mut crossed) = (Vec::new(), None);
    let mut shown = item.clone();
    if item.kind == MediaKind::Recording {
        let id = item.id;
        let chunks = site.media_readers()?.read(move |reader| reader.chunks(id)).await?;
        gaps = data_media::gaps(&chunks);
        if item.is_open {
            // Of what is being recorded the row tells nothing yet.
            grow(&mut shown, &chunks);
        }
        let grown = Item { duration_us: shown.duration_us, ..item };
        crossed = data_media::crossed(site, &grown).await;
    }
    Ok(PlayerPage {
        head: data_counting::head_of(&StateReport::of(site, who)),
        clock: site.clock(),
        item: shown,
        at_us,
        speed,
        gaps,
        crossed,
        has_video: site.videos.encoders().await.is_some(),
        refused,
    })
}

/// What the chunks that are on the disk have, where that is more than the row says.
fn grow(row: &mut Item, chunks: &[crate::store::media::ChunkRow]) {
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
    let mut page = database_page(&request.site, &request.who, request.refused()).await;
    page.head.returned.clone_from(&request.returned);
    html(ui::database_page(&DatabasePage { done: done.map(String::from), ..page }))
}

async fn database_page(site: &Site, who: &Who, refused: Option<RefusalReason>) -> DatabasePage {
    let media = site.media().ok();
    DatabasePage {
        head: data_counting::head_of(&StateReport::of(site, who)),
        clock: site.clock(),
        file: media
            .filter(|_| who.sees_internals())
            .map(|media| media.file().display().to_string())
            .unwrap_or_default(),
        // What was known a moment ago may be of another file.
        room: storage::measure(site).await.ok().as_deref().cloned(),
        checked: None,
        done: None,
        trouble: data_media::trouble(site, who),
        is_counts_only: site.is_counts_only(),
        refused,
    }
}

/// `POST /database?do=…`, from the page's forms.
pub async fn post_database(request: Request) -> Result<Response<Body>, Problem> {
    let (site, who) = (&request.site, &request.who);
    let media = site.media()?;
    let fields = form(&request);
    let (mut checked, mut done) = (None, None);
    let cared = match request.query.get("do") {
        Some("check") => {
            media.check(fields.get("repair") == Some("1")).await.map(|report| checked = Some(report))
        }
        Some("vacuum") => {
            media.vacuum(fields.get("wipe") == Some("1")).await.map(|Vacuumed { freed, wiped }| {
                let [freed, wiped] = [freed, wiped].map(ui::format_bytes);
                done = Some(match fields.get("wipe") {
                    Some("1") => format!("{wiped} were overwritten, {freed} were given back to the disk"),
                    _ => format!("{freed} were given back to the disk"),
                });
            })
        }
        _ => return Err(nothing_to_do()),
    };
    if let Err(error) = cared {
        let problem = Problem::from(error);
        let page = database_page(site, who, Some(data_counting::refusal(&problem))).await;
        return Ok(again(&problem, ui::database_page(&page)));
    }
    let page = database_page(site, who, None).await;
    Ok(html(ui::database_page(&DatabasePage { checked, done, ..page })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_picked_is_taken_once_and_in_order() {
        let fields = Query::parse("do=zip&id=7&id=3&id=7&id=x&id=");
        assert_eq!(picked(&fields), [3, 7]);
        assert_eq!(zip(&[3, 7]).unwrap(), "api/v1/media/zip?ids=3,7");
        assert!(zip(&vec![1; MOST_IN_ADDRESS + 1]).is_err());
    }
}
