//! `/api/v1/neighbours`: this tallycam and the others of the network.

use hyper::Response;

use crate::http::auth::host_names;
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::request::{reply, time_param};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::outbound::neighbours::{Neighbour, start_s};
use crate::ui::{InOut, NeighbourReport, NeighboursReport};
use tallycam_store::{BucketSize, CountsQuery, Direction};

/// `GET /api/v1/neighbours`.
pub async fn list(request: Request) -> Response<Body> {
    let own = StateReport::of(&request.site, &request.who);
    reply::json(wire::json(&report(&request, &own).await))
}

/// This tallycam with the state `own`, and its neighbours, redacted for the caller. A browser that knows this one by a
/// name in `.local` gets such names of the others.
pub async fn report(request: &Request, own: &StateReport) -> NeighboursReport {
    let site = &request.site;
    let is_local = host_names::named(&request.headers).is_some_and(|name| name.ends_with(".local"));
    let here = NeighbourReport {
        name: own.name.clone(),
        ledger: own.ledger.clone(),
        state: Some(own.state.to_owned()),
        headline: Some(own.headline.to_owned()),
        today: today(site).await,
        started_s: Some(start_s(own.uptime_s)),
        ..NeighbourReport::default()
    };
    let neighbours = site.neighbours.look(&site.settings().neighbours).await;
    let others = neighbours.into_iter().map(|neighbour| {
        let Neighbour { address, local, name, ledger, state, counts, problem, is_problem_inside, started_s } =
            neighbour;
        let (state, headline) = state.unzip();
        NeighbourReport {
            name,
            address: Some(local.filter(|_| is_local).unwrap_or(address)),
            ledger,
            state,
            headline,
            today: counts.map(|(r#in, out)| InOut { r#in, out }),
            problem,
            is_problem_inside,
            started_s,
        }
    });
    let all = NeighboursReport::of(std::iter::once(here).chain(others).collect());
    wire::redacted_for(&request.who, all)
}

/// The crossings of all lines today.
async fn today(site: &Site) -> Option<InOut> {
    let (scene, clock) = (site.counts().ok()?.scene(), site.clock());
    let query = CountsQuery {
        scene,
        from_us: time_param::day(&clock, 0),
        to_us: clock.now_us,
        bucket: BucketSize::Total,
        lines: Vec::new(),
        classes: Vec::new(),
        hours: None,
    };
    let rows = site.counts_readers().ok()?.read(move |reader| reader.counts(&query)).await.ok()?;
    let sum = |direction| {
        let counts = rows.iter().flat_map(|row| &row.counts).filter(|count| count.direction == direction);
        counts.map(|count| count.count).sum()
    };
    Some(InOut { r#in: sum(Direction::In), out: sum(Direction::Out) })
}
