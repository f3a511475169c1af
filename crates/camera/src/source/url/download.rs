//! Downloads a single file over HTTP or HTTPS, complete and within a size limit.

use std::future::poll_fn;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::LOCATION;
use tokio::time::timeout;

use super::address::CameraUrl;
use super::wire::{self, Reach, UrlConnection, WireLimits};
use crate::media::{SourceError, SourceErrorKind};
use tallycam_base::block_on;
use tallycam_base::redact::redact_url;

/// Redirects followed in a row.
const MAX_REDIRECTS: usize = 5;

/// The file at `url`, of at most `most` bytes, within `limit`. Blocks; uses no proxy.
///
/// # Errors
/// A [`SourceError`] with the reason, without a hint: what to do depends on what the file is for.
pub fn download(url: &str, most: u64, limit: Duration) -> Result<Vec<u8>, SourceError> {
    let failed = |what: String| SourceError::new(SourceErrorKind::Failed, what);
    let (address, _) = CameraUrl::parse(url).map_err(|error| {
        let what = format!("{} is no address", redact_url(url));
        SourceError::new(SourceErrorKind::Unsupported, what).because(error)
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(String::from("nothing can be fetched")).because(error))?;
    let fetched = block_on(&runtime, async {
        // The timer belongs to the runtime.
        timeout(limit, fetch(address, most)).await
    });
    // Does not wait for a name lookup in progress.
    runtime.shutdown_background();
    fetched
        .unwrap_or_else(|_| Err(failed(format!("it was not there within {} s", limit.as_secs()))))
        .map_err(|fault| SourceError { hint: None, shell: None, ..fault })
}

async fn fetch(mut address: CameraUrl, most: u64) -> Result<Vec<u8>, SourceError> {
    let failed = |what: String| SourceError::new(SourceErrorKind::Failed, what);
    let mut reach = Reach::Anybody;
    for _ in 0..=MAX_REDIRECTS {
        let mut wire = UrlConnection::connect(&address, WireLimits::default(), reach).await?;
        reach = reach.intersect(wire.redirect_reach());
        let (head, mut body) = wire.get(&address, Vec::new()).await?.into_parts();
        if head.status == StatusCode::OK {
            let mut bytes = Vec::new();
            while let Some(chunk) = poll_fn(|cx| wire.poll_chunk(&mut body, cx)).await {
                bytes.extend_from_slice(&chunk.map_err(|error| wire::http_fault(&address, &error))?);
                if bytes.len() as u64 > most {
                    return Err(failed(format!("it is longer than {most} bytes")));
                }
            }
            return Ok(bytes);
        }
        let location = head.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let (true, Some(location)) = (head.status.is_redirection(), location) else {
            return Err(failed(format!("the server answers {}", head.status)));
        };
        let next = address
            .resolve_redirect(location)
            .map_err(|error| failed(format!("{address} redirects to what is no address")).because(error))?;
        if address.secure && !next.secure {
            return Err(failed(format!("{address} redirects to {next}, which is not secure")));
        }
        address = next;
    }
    Err(failed(format!("{address} redirects more than {MAX_REDIRECTS} times")))
}
