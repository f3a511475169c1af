//! Limited places for long responses: streams, views, replays, events, files.

use hyper::StatusCode;

use crate::http::request::problem::Problem;
use crate::http::server::link::{ConnectionUse, Link, NoPlace, SHARE, kept};
use crate::http::site::Site;

/// Takes one of `most` places of a kind for a connection, until its answer ends.
///
/// # Errors
/// All places are taken, or the address's share is, or the free ones are reserved for known clients.
pub fn take_place(site: &Site, link: &Link, uses: ConnectionUse, most: usize) -> Result<(), Problem> {
    let Err(none) = site.links.take_place(link, uses, most) else { return Ok(()) };
    let users = uses.users();
    let words = match none {
        NoPlace::Taken => format!("all {most} places for {users} are taken"),
        NoPlace::Kept => format!("all {} places for {users} are taken", most - kept(most)),
        NoPlace::Share => {
            format!(
                "this address has {} places for {users} already, as many as one may",
                most.div_ceil(SHARE)
            )
        }
    };
    let hint = match (none, uses) {
        (NoPlace::Kept, _) => "some more are kept for whoever is signed in",
        (_, ConnectionUse::Stream) => "`stream.max_viewers` allows more",
        (_, ConnectionUse::File) => "wait until one is over",
        _ => "close pages and programs that nobody looks at",
    };
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, words).hint(hint).retry_after(5))
}
