//! `/api/v1/neighbours`: this tallycam and the others of the network.

use hyper::Response;

use crate::http::auth::host_names;
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::outbound::neighbours::Neighbour;
use crate::ui::{InOut, NeighbourReport, NeighboursReport};

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
        address: None,
        ledger: own.ledger.clone(),
        state: Some(own.state.to_owned()),
        headline: Some(own.headline.to_owned()),
        today: today(site),
        problem: None,
        is_problem_inside: false,
    };
    let neighbours = site.neighbours.look(&site.settings().neighbours).await;
    let others = neighbours.into_iter().map(|neighbour| {
        let Neighbour { address, local, name, ledger, state, counts, problem, is_problem_inside } = neighbour;
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
        }
    });
    let all = NeighboursReport::of(std::iter::once(here).chain(others).collect());
    wire::redacted_for(&request.who, all)
}

/// The crossings of all lines today.
fn today(site: &Site) -> Option<InOut> {
    let counts = site.counts().ok()?;
    let tallies = counts.subscribe_tallies().borrow().clone();
    let sum = |sum: InOut, line: &tallycam_store::TallyRow| InOut {
        r#in: sum.r#in.saturating_add(line.count_in),
        out: sum.out.saturating_add(line.count_out),
    };
    Some(tallies.lines.iter().fold(InOut::default(), sum))
}
