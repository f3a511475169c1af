//! The latest log lines, from memory.

use hyper::Response;
use log::Level;
use serde::Serialize;

use crate::http::report::wire;
use crate::http::report::wire::WholeList;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::ui::LogLine;
use tallycam_base::MOST_LOGGED;
use tallycam_base::json::Rfc3339;

/// The names of levels, most urgent first.
pub const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

/// Default number of lines.
const USUAL: u64 = 200;

/// A line, in the form of the old address.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct OldLine {
    time: Rfc3339,
    #[schemars(extend("enum" = LEVELS.map(|(word, _)| word)))]
    level: &'static str,
    message: String,
}

/// The newest `most` lines that are at least as urgent as `least`; oldest first, as on the page.
pub fn lines(site: &Site, least: Level, most: usize) -> Vec<LogLine> {
    let lines = site.recent.lines(least, most).into_iter();
    lines
        .map(|line| LogLine {
            time_us: line.wall_us,
            level: word(line.level),
            place: line.place,
            text: line.text,
        })
        .collect()
}

fn word(level: Level) -> &'static str {
    LEVELS.iter().find(|(_, known)| *known == level).map_or("trace", |(word, _)| *word)
}

/// `GET /api/v1/log`.
pub async fn log(request: Request) -> Result<Response<Body>, Problem> {
    let most = request.query.whole("lines", 1..=MOST_LOGGED as u64)?.unwrap_or(USUAL);
    let least = request.query.one_of("level", &LEVELS)?.unwrap_or(Level::Trace);
    let items = lines(&request.site, least, usize::try_from(most).unwrap_or(usize::MAX));
    Ok(no_store(reply::fixed("application/json", wire::json(&WholeList { items }))))
}

/// `GET /logs`: all lines, oldest first.
pub async fn old(request: Request) -> Response<Body> {
    let lines: Vec<OldLine> = lines(&request.site, Level::Trace, usize::MAX)
        .into_iter()
        .map(|line| OldLine { time: Rfc3339(line.time_us), level: line.level, message: line.text })
        .collect();
    no_store(reply::fixed("application/json", wire::json(&lines)))
}
