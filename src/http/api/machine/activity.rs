//! `/api/v1/audit`: sign-ins, refusals and changes, newest first.

use hyper::Response;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::http::api::counting::counts::{CountsFormat, as_table, format, table_begins};
use crate::http::api::media::download;
use crate::http::auth::refusals::Refusal;
use crate::http::report::schema_parts::{count, object, page_of, text, time};
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::csv::CsvTable;
use crate::http::request::problem::Problem;
use crate::http::request::reply::no_store;
use crate::http::request::{reply, time_param};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use tallycam_base::clock::rfc3339;
use tallycam_store::{AuditEntry, AuditKind, AuditRow};

/// Default and maximum number of rows on a page.
pub const USUAL: u64 = 100;
const MOST: u64 = 1000;

/// A row in words: "changed line Door", "12 wrong passwords".
pub fn in_words(row: &AuditRow) -> String {
    match row.entry.kind {
        AuditKind::Refused => Refusal::in_words(&row.entry.what, row.entry.count),
        _ if row.entry.count > 1 => format!("{} {} times", row.entry.what, row.entry.count),
        _ => row.entry.what.clone(),
    }
}

/// The columns of a row, in this order.
const COLUMNS: [&str; 12] =
    ["id", "time", "time_sure", "kind", "who", "role", "from", "browser", "method", "route", "what", "count"];

/// The values of a row; `time` is already in its format.
fn values(row: &AuditRow, time: String) -> [Value; COLUMNS.len()] {
    let AuditEntry { kind, who, role, address, browser, method, route, count, .. } = &row.entry;
    let what = in_words(row);
    [
        json!(row.id),
        json!(time),
        json!(row.is_time_sure),
        json!(kind.as_str()),
        json!(who),
        json!(role),
        json!(address),
        json!(browser),
        json!(method),
        json!(route),
        json!(what),
        json!(count),
    ]
}

/// A row as JSON.
fn report(row: &AuditRow) -> Value {
    COLUMNS.map(String::from).into_iter().zip(values(row, rfc3339(row.time_us))).collect()
}

/// The schema of the answer.
pub fn schemas() -> Value {
    let of = |column: &str| match column {
        "id" | "count" => count(),
        "time" => time(),
        "time_sure" => json!({"type": "boolean"}),
        "kind" => json!({"type": "string", "enum": AuditKind::ALL.map(AuditKind::as_str)}),
        _ => text(),
    };
    let row: Value = COLUMNS.iter().map(|&column| (column.to_owned(), of(column))).collect();
    json!({"Audit": page_of(object(row))})
}

/// `rows` as CSV.
pub fn table(rows: &[AuditRow], zone: &TimeZone) -> String {
    let mut table = CsvTable::new(&COLUMNS, false);
    for row in rows {
        for value in values(row, time_param::local_exactly(row.time_us, zone).to_string()) {
            match value.as_str() {
                Some(text) => table.text(text),
                None => table.plain(value),
            }
        }
        table.end_row();
    }
    table.take()
}

/// At most `limit` rows before `before`, and whether there are more.
pub async fn rows(
    request: &Request,
    before: Option<u64>,
    limit: usize,
) -> Result<(Vec<AuditRow>, bool), Problem> {
    request.site.audit.tell_sums();
    let counts_db = request.site.counts_readers()?;
    let mut rows = counts_db.read(move |reader| reader.audit(before, limit.saturating_add(1))).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok((rows, has_more))
}

/// `GET /api/v1/audit`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let query = &request.query;
    let (before, limit) = (query.whole("cursor", 1..=u64::MAX)?, query.whole("limit", 1..=MOST)?);
    let begins = table_begins(query)?;
    if format(query)? == CountsFormat::Csv {
        download::take_place(&request)?;
        // The list is bounded: all of it is a few megabytes, formatted on the thread that reads them.
        let (limit, zone) = (limit.map_or(usize::MAX, |limit| limit as usize), request.site.clock().zone);
        request.site.audit.tell_sums();
        let counts_db = request.site.counts_readers()?;
        let table = counts_db.read(move |reader| Ok(table(&reader.audit(before, limit)?, &zone))).await?;
        return Ok(as_table("activity.csv", Body::full(format!("{begins}{table}"))));
    }
    let (rows, has_more) = rows(&request, before, limit.unwrap_or(USUAL) as usize).await?;
    let next = rows.last().filter(|_| has_more).map(|last| last.id.to_string());
    let items = rows.iter().map(report).collect();
    Ok(no_store(reply::json(wire::json(&List { items, next }))))
}
