//! Answers calls of the service's own parts: the API without a connection.
//!
//! A call takes a request's way from the search of its route on. It is admitted by the right of an operator, and its
//! name stands in the audit list. Pages, pictures without an end and old addresses are for clients outside.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};
use tokio::net::UnixStream;

use super::{Arrival, EarlyEnd, TakenBody};
use crate::http::auth::caller::{AuthError, Who};
use crate::http::request::problem::Problem;
use crate::http::server::body::Body;
use crate::http::server::link::Link;
use crate::http::server::socket::Socket;
use crate::http::site::Site;
use crate::http::site::handler::{Content, Tag};
use crate::outbound::api::{ApiCall, ApiCalls};

/// Maximum bytes of an answer; a longer one is refused.
const LONGEST: usize = 4 << 20;

/// Answers `calls` until no caller is left.
pub async fn serve_inside(site: Rc<Site>, mut calls: ApiCalls) {
    // Handlers know their client by its connection: this one leads nowhere.
    let (own, _other) = match UnixStream::pair() {
        Ok(pair) => pair,
        Err(error) => return log::error!("messages to other machines are off until the next start: {error}"),
    };
    let stall = site.settings().stall;
    let link = Link::new(Socket::Unix(own), None, "this service".into(), None, stall);
    while let Some(call) = calls.recv().await {
        let (site, link) = (site.clone(), link.clone());
        tokio::task::spawn_local(async move {
            let answered = answer(site, link, &call).await;
            let response = answered.unwrap_or_else(|problem| problem.respond(true));
            let status = response.status().as_u16();
            log::debug!("{}: {} {} {status}", call.name, call.method, call.address);
            // A body that breaks off, or is too long, is no answer.
            if let Ok(body) = Limited::new(response.into_body(), LONGEST).collect().await {
                call.answer(status, body.to_bytes());
            }
        });
    }
}

async fn answer(site: Rc<Site>, link: Rc<Link>, call: &ApiCall) -> Result<Response<Body>, Problem> {
    let unfit = |what: String| Problem::new(StatusCode::BAD_REQUEST, what);
    let method = Method::from_bytes(call.method.as_bytes()).map_err(|error| unfit(error.to_string()))?;
    let uri: Uri = call.address.parse().map_err(|error| unfit(format!("{}: {error}", call.address)))?;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    if !call.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let arrival = Arrival { site, link, method, uri, version: Version::HTTP_11, headers };
    arrival.go_on_inside(Who::Part(call.name), call.body.clone()).await
}

impl Arrival {
    async fn go_on_inside(self, who: Who, whole: Bytes) -> Result<Response<Body>, Problem> {
        let destination = match self.find_destination() {
            Ok(destination) => destination,
            Err(end) => return EarlyEnd::answered(end),
        };
        if let Err(end) = self.check_query(&destination) {
            return EarlyEnd::answered(end);
        }
        let (route, right) = (destination.route, destination.route.right(destination.is_guarded));
        let is_endless = route
            .doc
            .answers
            .iter()
            .any(|(.., content)| matches!(content, Content::Events | Content::Multipart));
        if route.doc.tag == Tag::Pages || is_endless {
            let what = format!("{} is for clients outside", route.path);
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, what));
        }
        if !who.has(right, false) {
            let needed = right.role().unwrap_or(crate::access::Role::Admin);
            return Err(AuthError::TooLow { needed, has: who.in_words() }.into());
        }
        self.hand_over(destination, who, TakenBody { whole, ..TakenBody::default() }).await
    }
}
