//! `/api/v1/crossings`: all stored crossings, page by page, or all of them as CSV.
//!
//! The cursor is the ID of the last crossing on the page. IDs only grow, so pages neither repeat nor skip crossings
//! while more are stored. With `since` the cursor is the place in the order of changes, `seq`. Crossings whose time was
//! corrected and those that were marked come again; those that a recount took back come as gone. A table is read and
//! sent in pieces, each with its own read, so that a slow client occupies neither memory nor counts.db.

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use jiff::tz::TimeZone;
use tokio::sync::mpsc;

use crate::http::api::counting::counts::{
    CountsFormat, as_table, classes_of, format, resolve, sheet, table_begins,
};
use crate::http::api::counting::shapes;
use crate::http::api::media::download;
use crate::http::report::wire;
use crate::http::report::wire::{CrossingReport, CrossingRow, CrossingsReport};
use crate::http::request::body;
use crate::http::request::csv::CsvTable;
use crate::http::request::problem::{Problem, counts_only};
use crate::http::request::reply::no_store;
use crate::http::request::{reply, time_param};
use crate::http::server::body::{Body, BrokenBody};
use crate::http::site::handler::Request;
use crate::http::site::readers::CountsReaders;
use tallycam_base::Stop;
use tallycam_store::{
    CountsReader, CrossingChange, CrossingMark, CrossingsQuery, Direction, EditError, StoreError,
    StoredCrossing,
};

/// Default number of crossings on a page.
const USUAL_LIMIT: u64 = 100;

/// Maximum number of crossings on a page.
const MOST: u64 = 5000;

/// Crossings in a piece of a table: some 60 kB.
const PIECE: usize = 500;

/// Pieces that may wait for a slow client.
const WAITING: usize = 2;

const LOCAL_TIME: &str = "local_time";

const HEADER: [&str; 19] = [
    "id",
    "time",
    "time_sure",
    "line_id",
    "line",
    "direction",
    "class",
    "score",
    "track",
    "ordinal",
    "run",
    "camera",
    "scene",
    // Later columns are last, for readers that go by column positions.
    LOCAL_TIME,
    "ledger",
    "seq",
    "gone",
    "wrong",
    "excluded",
];

/// `GET /api/v1/crossings`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let store = site.counts()?;
    let query = &request.query;
    let clock = site.clock();
    let instant = |key: &'static str| -> Result<Option<u64>, Problem> {
        let text = query.given(key)?;
        text.map(|text| time_param::instant(key, text, &clock)).transpose()
    };
    let directions = [("in", Direction::In), ("out", Direction::Out)];
    let limit = query.whole("limit", 1..=MOST)?;
    // Only changes after this place, which the caller has already; 0 for all. A cursor is a later place.
    let (since, cursor) = (query.whole("since", 0..=u64::MAX)?, query.whole("cursor", 1..=u64::MAX)?);
    let (format, begins, sheet) = (format(query)?, table_begins(query)?, sheet(query)?);
    let scene = match query.get("scene") {
        Some("all") => None,
        _ => Some(shapes::scene(&request, store)?),
    };
    let mut asked = CrossingsQuery {
        scene,
        from_us: instant("from")?,
        to_us: instant("to")?,
        lines: Vec::new(),
        classes: Vec::new(),
        direction: query.one_of("direction", &directions)?,
        after: cursor.max(since),
        oldest_first: query.one_of("order", &[("newest", false), ("oldest", true)])?.unwrap_or(false),
        limit: 0,
    };
    let counts_db = site.counts_readers()?;
    let (wanted, classes) = (query.values("line"), query.values("class"));
    if !wanted.is_empty() || !classes.is_empty() {
        let (scene, labels) = (scene.unwrap_or_else(|| store.scene()), site.counting()?.status().labels);
        let read = counts_db.read(move |reader| {
            let classes = classes_of(&classes, &labels, || reader.classes(scene))?;
            Ok(resolve("line", &wanted, || reader.lines(), scene)?.map(|lines| (lines, classes)))
        });
        (asked.lines, asked.classes) = read.await??;
    }
    if format == CountsFormat::Csv {
        if request.method != Method::HEAD {
            download::take_place(&request)?;
        }
        let left = limit.map(|limit| limit as usize);
        let (zone, stop) = (clock.zone, site.stop.clone());
        return Export { counts_db, asked, is_since: since.is_some(), left, zone, stop, sheet }
            .begin(begins)
            .await;
    }
    let limit = limit.unwrap_or(USUAL_LIMIT) as usize;
    // One extra row tells whether there are more.
    asked.limit = limit + 1;
    let is_left_asked = query.is_set("left")? && since.is_some();
    let read = counts_db.read(move |reader| {
        let mut rows = read(reader, &asked, since.is_some())?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(CrossingChange::seq).or(asked.after).unwrap_or(0);
        let left = is_left_asked.then(|| reader.changes_after(last)).transpose()?;
        Ok((rows, has_more, left))
    });
    let (rows, has_more, left) = read.await?;
    let next = rows.last().filter(|_| has_more).map(|last| place(last, since.is_some()).to_string());
    let items = rows.iter().map(CrossingRow::from).collect();
    Ok(reply::json(wire::json(&CrossingsReport { ledger: store.ledger(), items, next, left })))
}

fn read(
    reader: &CountsReader,
    asked: &CrossingsQuery,
    is_since: bool,
) -> Result<Vec<CrossingChange>, StoreError> {
    if is_since {
        return reader.changes(asked);
    }
    Ok(reader.crossings(asked)?.into_iter().map(CrossingChange::Stored).collect())
}

/// The cursor after a row.
fn place(row: &CrossingChange, is_since: bool) -> u64 {
    match row {
        CrossingChange::Stored(crossing) if !is_since => crossing.id,
        row => row.seq(),
    }
}

/// A table being sent.
struct Export {
    counts_db: CountsReaders,
    asked: CrossingsQuery,
    is_since: bool,
    /// Crossings still to send; `None`: all.
    left: Option<usize>,
    zone: TimeZone,
    stop: Stop,
    sheet: Option<bool>,
}

impl Export {
    /// Reads the first piece before the answer starts, so that the status can report an unreadable counts.db. Later
    /// failures cut the connection.
    async fn begin(mut self, begins: &str) -> Result<Response<Body>, Problem> {
        let has_commas = self.sheet == Some(true);
        let mut header = HEADER.to_vec();
        if self.sheet.is_some() {
            header.retain(|column| *column != LOCAL_TIME);
            header.insert(0, LOCAL_TIME);
        }
        let (first, is_last) = self.piece(CsvTable::new(&header, has_commas)).await?;
        let first = format!("{begins}{first}");
        let (sender, pieces) = mpsc::channel(WAITING);
        tokio::task::spawn_local(async move {
            let mut next = (first, is_last);
            loop {
                let (piece, is_last) = next;
                if sender.send(Ok(piece.into())).await.is_err() || is_last {
                    return;
                }
                next = match self.piece(CsvTable::begin(has_commas)).await {
                    Ok(piece) if !self.stop.is_set() => piece,
                    Ok(_) => return drop(sender.send(Err(BrokenBody)).await),
                    Err(problem) => {
                        log::warn!("a table of crossings was cut off: {}", problem.detail);
                        return drop(sender.send(Err(BrokenBody)).await);
                    }
                };
            }
        });
        Ok(as_table("crossings.csv", Body::pieces(pieces)))
    }

    /// Reads the next rows into `table`; true if they are the last.
    async fn piece(&mut self, mut table: CsvTable) -> Result<(String, bool), Problem> {
        let limit = self.left.unwrap_or(PIECE).min(PIECE);
        self.asked.limit = limit;
        let (asked, is_since, zone) = (self.asked.clone(), self.is_since, self.zone.clone());
        let is_sheet = self.sheet.is_some();
        let read = self.counts_db.read(move |reader| {
            let rows = read(reader, &asked, is_since)?;
            rows.iter().for_each(|row| write(&mut table, row, &zone, is_sheet));
            Ok((table.take(), rows.len(), rows.last().map(|row| place(row, is_since))))
        });
        let (text, rows, last) = read.await?;
        self.asked.after = last.or(self.asked.after);
        self.left = self.left.map(|left| left - rows.min(left));
        Ok((text, rows < limit || self.left == Some(0)))
    }
}

fn write(table: &mut CsvTable, row: &CrossingChange, zone: &TimeZone, is_sheet: bool) {
    let crossing = match row {
        CrossingChange::Stored(crossing) => crossing,
        CrossingChange::Gone(gone) => {
            if is_sheet {
                table.empty();
            }
            table.plain(gone.id);
            (0..if is_sheet { 12 } else { 13 }).for_each(|_| table.empty());
            end_row(table, &gone.ledger, gone.seq, None);
            return;
        }
    };
    let local_time = time_param::for_spreadsheets(crossing.time_us, zone);
    if is_sheet {
        table.plain(&local_time);
    }
    table.plain(crossing.id);
    table.plain(time_param::local_exactly(crossing.time_us, zone));
    table.plain(crossing.is_time_sure);
    table.plain(crossing.line_id);
    table.text(&crossing.line);
    table.plain(crossing.direction.as_str());
    table.text(&crossing.class);
    table.decimal(format_args!("{:.3}", crossing.score));
    table.plain(crossing.track);
    table.plain(crossing.ordinal);
    table.plain(crossing.run);
    table.text(&crossing.camera);
    table.plain(crossing.scene.as_str());
    if !is_sheet {
        table.plain(local_time);
    }
    end_row(table, &crossing.ledger, crossing.seq, Some(crossing));
}

/// The last columns; without a crossing the row is gone.
fn end_row(table: &mut CsvTable, ledger: &str, seq: u64, crossing: Option<&StoredCrossing>) {
    table.text(ledger);
    table.plain(seq);
    table.plain(crossing.is_none());
    table.plain(crossing.is_some_and(|crossing| crossing.is_wrong));
    table.plain(crossing.is_some_and(|crossing| crossing.is_excluded));
    table.end_row();
}

/// A person's verdict on a crossing. A missing field keeps its value.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct CrossingPatch {
    /// It did not happen so.
    wrong: Option<bool>,
    /// The sums leave it out; only for a wrong one.
    excluded: Option<bool>,
}

/// `PATCH /api/v1/crossings/{id}`.
pub async fn mark(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let patch: CrossingPatch = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    let id = request.id;
    let known = request.site.counts_readers()?.read(move |reader| reader.crossing(id)).await?;
    let known = known.ok_or(EditError::Unknown { what: "crossing", id })?;
    let is_wrong = patch.wrong.unwrap_or(known.is_wrong);
    let mark = match (is_wrong, patch.excluded.unwrap_or(is_wrong && known.is_excluded)) {
        (false, false) => CrossingMark::Right,
        (true, false) => CrossingMark::Wrong,
        (true, true) => CrossingMark::Excluded,
        (false, true) => {
            let words = "only a wrong crossing can be left out of the sums";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words).wrong(
                "excluded",
                "false, unless wrong is true",
                "true",
            ));
        }
    };
    let crossing = counts.mark_crossing(id, mark).await?;
    Ok(reply::json(wire::json(&CrossingReport::from(&crossing))))
}

/// `GET /api/v1/crossings/{id}/thumbnail.jpg`.
pub async fn thumbnail(request: Request) -> Result<Response<Body>, Problem> {
    if request.site.is_counts_only() {
        return Err(counts_only());
    }
    let id = request.id;
    let jpeg = request.site.counts_readers()?.read(move |reader| reader.thumbnail(id)).await?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("crossing {id} has no thumbnail"));
    let mut response = no_store(Response::new(Body::full(jpeg.ok_or_else(missing)?)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    Ok(response)
}
