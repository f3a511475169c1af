//! Occupancy of zones and stays in them, flows between lines, movement maps and speeds, as JSON or CSV.

use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::api::counting::counts::{
    CountsFormat, as_table, format, hours, resolve, sheet, span, table_begins, too_many,
};
use crate::http::api::counting::shapes::scene;
use crate::http::report::movement::{
    FlowsReport, MovementReport, OccupancyReport, SpeedsReport, StaysReport, occupancy_csv,
};
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::body;
use crate::http::request::kinds::{NumberIn, WholeIn};
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::ui;
use jiff::tz::TimeZone;
use tallycam_store::{
    BucketSize, CountsReader, EditError, FlowEnds, LineDistance, OpeningHours, Scene, StoreError, ZoneRow,
};

/// The query of these routes.
#[derive(Clone, Copy)]
struct Asked {
    scene: Scene,
    from_us: u64,
    to_us: u64,
    bucket: BucketSize,
    hours: Option<OpeningHours>,
}

/// `GET /api/v1/zones/occupancy`.
pub async fn occupancy(request: Request) -> Result<Response<Body>, Problem> {
    let read = |reader: &CountsReader, Asked { scene, from_us, to_us, bucket, hours }: Asked| {
        reader.occupancy(scene, from_us, to_us, bucket, hours)
    };
    let (asked, mut read) = read_asked(&request, read).await?;
    let zones = request.site.counts()?.zones().borrow().clone();
    let of = |row| OccupancyReport::of(row, read.remove(&row.id).unwrap_or_default());
    let report = List::whole(counted(&zones, asked.scene).map(of));
    answer(&request, asked, "occupancy", &report, occupancy_csv)
}

/// `GET /api/v1/zones/stays`.
pub async fn stays(request: Request) -> Result<Response<Body>, Problem> {
    let read = |reader: &CountsReader, asked: Asked| {
        let Asked { scene, from_us, to_us, bucket, hours } = asked;
        let stays = reader.stays(scene, from_us, to_us, bucket, hours)?;
        Ok((stays, reader.occupancy(scene, from_us, to_us, bucket, hours)?))
    };
    let (asked, (stays, watched)) = read_asked(&request, read).await?;
    let zones = request.site.counts()?.zones().borrow().clone();
    let report = StaysReport::of(counted(&zones, asked.scene), stays, &watched);
    answer(&request, asked, "stays", &report, StaysReport::csv)
}

/// `GET /api/v1/flows`.
pub async fn flows(request: Request) -> Result<Response<Body>, Problem> {
    let wanted = ["entry", "exit"].map(|key| (key, request.query.values(key)));
    let read = move |reader: &CountsReader, Asked { scene, from_us, to_us, bucket, hours }: Asked| {
        let lines = reader.lines()?;
        let rows = || Ok::<_, StoreError>(lines.clone());
        let [entries, exits] = wanted.map(|(key, wanted)| resolve(key, &wanted, rows, scene));
        let ends = match (entries?, exits?) {
            (Ok(entries), Ok(exits)) => FlowEnds { entries, exits },
            (Err(wrong), _) | (_, Err(wrong)) => return Ok(Err(wrong)),
        };
        let flows = reader.flows(scene, from_us, to_us, bucket, hours, &ends)?;
        Ok(Ok(FlowsReport::of(&flows, &lines)))
    };
    let (asked, report) = read_asked(&request, read).await?;
    answer(&request, asked, "flows", &report?, FlowsReport::csv)
}

/// `GET /api/v1/movement`.
pub async fn movement(request: Request) -> Result<Response<Body>, Problem> {
    let read = |reader: &CountsReader, Asked { scene, from_us, to_us, .. }: Asked| {
        let cells = reader.movement(scene, from_us, to_us)?;
        Ok(MovementReport::of(from_us, to_us, cells.as_deref()))
    };
    let (asked, report) = read_asked(&request, read).await?;
    answer(&request, asked, "movement", &report, MovementReport::csv)
}

/// `GET /api/v1/speeds`.
pub async fn speeds(request: Request) -> Result<Response<Body>, Problem> {
    let read = |reader: &CountsReader, Asked { scene, from_us, to_us, bucket, hours }: Asked| {
        Ok(SpeedsReport::of(reader.speeds(scene, from_us, to_us, bucket, hours)?))
    };
    let (asked, report) = read_asked(&request, read).await?;
    answer(&request, asked, "speeds", &report, SpeedsReport::csv)
}

/// The distance between two lines.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DistanceDraft {
    /// The line whose crossings get a speed.
    line: WholeIn<1, { u64::MAX }>,
    /// The other line.
    other: WholeIn<1, { u64::MAX }>,
    /// The distance in metres, along the way of the objects.
    metres: NumberIn<10, 1_000_000>,
}

/// `POST /api/v1/speeds`: sets the distance between two lines.
pub async fn set_distance(request: Request) -> Result<Response<Body>, Problem> {
    let draft = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    let DistanceDraft { line: WholeIn(line), other: WholeIn(other), metres: NumberIn(metres) } = draft;
    let set = request.site.counts()?.set_distance(line, Some((other, metres))).await;
    set.map_err(|error| match error {
        // The numbers are in the body, not in the address.
        EditError::Unknown { id, .. } => {
            let key = if id == line { "line" } else { "other" };
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("there is no line {id}"));
            problem.wrong(key, "the number of a line that is there", id.to_string())
        }
        error => Problem::from(error),
    })?;
    Ok(reply::json(wire::json(&LineDistance { line, other: Some(other), metres: Some(metres) })))
}

/// `DELETE /api/v1/speeds/{id}`: forgets the distance of the line `id`.
pub async fn forget_distance(request: Request) -> Result<Response<Body>, Problem> {
    request.site.counts()?.set_distance(request.id, None).await?;
    Ok(reply::no_content())
}

/// The sides of a zone with four corners on the ground.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GroundDraft {
    /// From the first corner to the second, in metres.
    width: NumberIn<10, 1_000_000>,
    /// From the second corner to the third, in metres.
    depth: NumberIn<10, 1_000_000>,
}

/// `POST /api/v1/zones/{id}/ground`: sets the size of a zone on the ground.
pub async fn set_ground(request: Request) -> Result<Response<Body>, Problem> {
    let draft = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    let GroundDraft { width: NumberIn(width), depth: NumberIn(depth) } = draft;
    request.site.counts()?.set_ground(request.id, Some([width, depth])).await?;
    Ok(reply::no_content())
}

/// `DELETE /api/v1/zones/{id}/ground`: forgets the size of a zone on the ground.
pub async fn forget_ground(request: Request) -> Result<Response<Body>, Problem> {
    request.site.counts()?.set_ground(request.id, None).await?;
    Ok(reply::no_content())
}

/// The zones of a scene that count.
fn counted(zones: &[ZoneRow], scene: Scene) -> impl Iterator<Item = &ZoneRow> {
    zones.iter().filter(move |zone| zone.is_in_scene(scene) && !zone.draft.exclude)
}

async fn read_asked<T: Send + 'static>(
    request: &Request,
    read: impl FnOnce(&CountsReader, Asked) -> Result<T, StoreError> + Send + 'static,
) -> Result<(Asked, T), Problem> {
    let scene = scene(request, request.site.counts()?)?;
    let (from_us, to_us, bucket) = span(request)?;
    let asked = Asked { scene, from_us, to_us, bucket, hours: hours(&request.query)? };
    let too_many = too_many(&request.query);
    let counts_db = request.site.counts_readers()?;
    let read = counts_db.read(move |reader| match read(reader, asked) {
        Err(StoreError::TooManyBuckets) => Ok(Err(too_many)),
        read => read.map(Ok),
    });
    Ok((asked, read.await??))
}

fn answer<T: Serialize>(
    request: &Request,
    asked: Asked,
    what: &str,
    report: &T,
    csv: impl FnOnce(&T, &TimeZone, Option<bool>) -> String,
) -> Result<Response<Body>, Problem> {
    let (site, query) = (&request.site, &request.query);
    let (begins, sheet, clock) = (table_begins(query)?, sheet(query)?, site.clock());
    Ok(match format(query)? {
        CountsFormat::Csv => {
            let name = ui::export_name(&site.settings().name, asked.from_us, asked.to_us, &clock);
            let text = format!("{begins}{}", csv(report, &clock.zone, sheet));
            as_table(&format!("{name}-{what}.csv"), Body::full(text))
        }
        CountsFormat::Json => reply::json(wire::json(report)),
    })
}
