//! `/api/v1/mqtt`: makes the broker forget this camera.

use hyper::Response;

use crate::http::api::machine::notifications::notifier;
use crate::http::request::problem::Problem;
use crate::http::request::reply::no_content;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;

/// `POST /api/v1/mqtt/forget`: answered once the broker has acknowledged it.
pub async fn forget(request: Request) -> Result<Response<Body>, Problem> {
    notifier(&request.site)?.mqtt().forget().await?;
    Ok(no_content())
}
