//! A client that sends requests by POST and reads the beginning of the answer, or asks by GET. Redirects are not
//! followed.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response, Uri, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::connect::{HostLimit, connect, load_tls};
use tallycam_base::{Fault, FaultKind, INSTANCE_FIELD, instance_id};

/// Time limit for an answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read.
const READ: usize = 4096;

/// Characters of an answer that are shown.
const SHOWN: usize = 120;

/// The answer of the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAnswer {
    pub status: u16,
    /// The first line of the body, shortened.
    pub text: String,
    /// The target of a redirect.
    pub location: Option<String>,
}

impl WebAnswer {
    /// The status with the beginning of the text: "200: ok".
    pub fn in_words(&self) -> String {
        let colon = if self.text.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", self.status, self.text.replace('`', "'"))
    }

    /// # Errors
    /// The answer is no success.
    pub fn accepted(self, host: &str) -> Result<String, Fault> {
        let refused = |what: String| Fault::new(FaultKind::Foreign, what);
        match (self.status, &self.location) {
            (200..=299, _) => Ok(self.in_words()),
            (300..=399, Some(to)) => {
                Err(refused(format!("{host} answers {}, and leads to {to}", self.status))
                    .hint("redirects are not followed: write the address that it leads to"))
            }
            (401 | 403, _) => {
                Err(refused(format!("{host} refuses the secret: it answers {}", self.in_words())))
            }
            _ => Err(refused(format!("{host} answers {}", self.in_words()))),
        }
    }
}

/// An answer as it came. A body that was too long or too late is missing.
struct RawAnswer {
    status: u16,
    location: Option<String>,
    body: Option<Bytes>,
}

/// A client whose connection stays open for the next request to the same server.
#[derive(Debug, Default)]
pub struct WebClient {
    idle: Option<IdleConnection>,
}

#[derive(Debug)]
struct IdleConnection {
    /// The server and the limit that it was made for.
    server: WebServer,
    limit: HostLimit,
    sender: SendRequest<Full<Bytes>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct WebServer {
    host: String,
    port: u16,
    is_secure: bool,
}

impl WebServer {
    fn of(uri: &Uri) -> WebServer {
        let is_secure = uri.scheme_str() == Some("https");
        WebServer {
            host: uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            is_secure,
        }
    }

    async fn connect(&self, limit: &HostLimit) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let tls = if self.is_secure { Some(load_tls(None).await?) } else { None };
        let socket = connect(&self.host, self.port, tls.as_ref(), limit).await?;
        let shaken = handshake(TokioIo::new(socket)).await;
        let (sender, connection) = shaken.map_err(|error| no_answer(&self.host, &error))?;
        // It ends with its sender; an error also reaches the request.
        spawn_local(async move { drop(connection.await) });
        Ok(sender)
    }
}

impl WebClient {
    /// Sends `body` to `address`, if `limit` allows it, with these header fields.
    ///
    /// # Errors
    /// It cannot be reached, or gives no answer.
    pub async fn post(
        &mut self,
        address: &str,
        limit: &HostLimit,
        kind: &'static str,
        fields: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<WebAnswer, Fault> {
        let uri: Uri = address.parse().map_err(|_| Fault::wrong("the address is none"))?;
        let request = || {
            let mut request = request(Method::POST, &uri, body.clone())?;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            for (name, value) in fields {
                request.headers_mut().insert(HeaderName::from_static(name), field(value)?);
            }
            Ok(request)
        };
        let RawAnswer { status, location, body } = self.send(&uri, limit, request, READ).await?;
        let text = body.map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
        Ok(WebAnswer { status, text: shortened(text.trim()), location })
    }

    /// Asks `address` without credentials: the status, and the body, which has at most `most` bytes.
    ///
    /// # Errors
    /// It cannot be reached, or gives no whole answer.
    pub async fn get(
        &mut self,
        address: &str,
        limit: &HostLimit,
        most: usize,
    ) -> Result<(u16, Bytes), Fault> {
        let uri: Uri = address.parse().map_err(|_| Fault::wrong("the address is none"))?;
        let request = || {
            let mut request = request(Method::GET, &uri, Bytes::new())?;
            // A tallycam that asks itself is refused.
            request.headers_mut().insert(HeaderName::from_static(INSTANCE_FIELD), field(instance_id())?);
            Ok(request)
        };
        let answer = self.send(&uri, limit, request, most).await?;
        let incomplete =
            || Fault::new(FaultKind::Foreign, format!("the answer has more than {most} bytes, or stops"));
        Ok((answer.status, answer.body.ok_or_else(incomplete)?))
    }

    async fn send(
        &mut self,
        uri: &Uri,
        limit: &HostLimit,
        request: impl Fn() -> Result<Request<Full<Bytes>>, Fault>,
        most: usize,
    ) -> Result<RawAnswer, Fault> {
        let server = WebServer::of(uri);
        let is_usable =
            |idle: &IdleConnection| idle.server == server && idle.limit == *limit && !idle.sender.is_closed();
        if let Some(mut idle) = self.idle.take().filter(is_usable)
            && idle.sender.ready().await.is_ok()
            && let Ok(answer) = exchange(&mut idle.sender, request()?, &server.host, most).await
        {
            self.idle = answer.body.is_some().then_some(idle);
            return Ok(answer);
        }
        let mut sender = server.connect(limit).await?;
        let answer = exchange(&mut sender, request()?, &server.host, most).await?;
        self.idle = answer.body.is_some().then(|| IdleConnection { server, limit: limit.clone(), sender });
        Ok(answer)
    }
}

/// The answer to `request`, of whose body at most `most` bytes are read. The connection is free again with a body.
async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    host: &str,
    most: usize,
) -> Result<RawAnswer, Fault> {
    let late =
        |_| Fault::new(FaultKind::Unreachable, format!("{host} takes the message and does not answer"));
    let response = timeout(ANSWERS_WITHIN, sender.send_request(request)).await.map_err(late)?;
    Ok(read(response.map_err(|error| no_answer(host, &error))?, most).await)
}

fn no_answer(host: &str, error: &hyper::Error) -> Fault {
    Fault::new(FaultKind::Foreign, format!("{host} gives no proper answer: {error}"))
}

fn request(method: Method, uri: &Uri, body: Bytes) -> Result<Request<Full<Bytes>>, Fault> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::builder().method(method).uri(path).body(Full::new(body));
    let mut request = request.map_err(|error| Fault::wrong(error.to_string()))?;
    let headers = request.headers_mut();
    let authority = uri.authority().map(|named| named.as_str()).unwrap_or_default();
    headers.insert(HOST, field(authority)?);
    headers.insert(USER_AGENT, field(concat!("tallycam/", env!("CARGO_PKG_VERSION")))?);
    Ok(request)
}

fn field(text: &str) -> Result<HeaderValue, Fault> {
    // Names are UTF-8, which ntfy reads.
    HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| Fault::wrong("a secret or an address has characters that HTTP has not"))
}

async fn read(response: Response<Incoming>, most: usize) -> RawAnswer {
    let (head, body) = response.into_parts();
    let location = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()).map(shortened);
    let body = timeout(ANSWERS_WITHIN, Limited::new(body, most).collect()).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes());
    RawAnswer { status: head.status.as_u16(), location, body }
}

/// The first line, shortened.
pub(super) fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
