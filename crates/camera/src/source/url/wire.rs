//! One connection to a server, plain or TLS, and its requests.
//!
//! Nothing runs in the background: a waiting caller drives the connection.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::CameraUrl;
use crate::media::{SourceError, SourceErrorKind};
use tallycam_base::{INSTANCE_FIELD, instance_id};

/// Time limit for connecting to a camera, and again for the TLS handshake.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Time limit for the head of an answer: some cameras wake their sensor for it.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The hint for a limit that a slow camera exceeds.
pub(super) const SLOW_CAMERA: &str = "A slow camera needs a longer camera timeout in Settings";
/// Read buffer of hyper in bytes; the head of an answer must fit.
const READ_AHEAD: usize = 128 << 10;

/// Time limits of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct WireLimits {
    /// For connecting and for the handshake, each.
    connect: Duration,
    /// For the head of an answer.
    answer: Duration,
}

impl WireLimits {
    /// Limits for a camera that may be silent for this long.
    pub(super) fn with_silence(silent_after: Duration) -> WireLimits {
        WireLimits { connect: CONNECT_WITHIN.max(silent_after), answer: ANSWER_WITHIN.max(silent_after) }
    }

    /// Limit of the whole opening. A single slow answer exceeds its own limit first, which gives a clearer error.
    pub(super) fn opening_limit(self) -> Duration {
        self.answer + CONNECT_WITHIN
    }
}

impl Default for WireLimits {
    fn default() -> WireLimits {
        WireLimits::with_silence(Duration::ZERO)
    }
}

trait AsyncSocket: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> AsyncSocket for T {}

/// An HTTP connection over a socket.
type Talk = Connection<TokioIo<Box<dyn AsyncSocket>>, Empty<Bytes>>;

pub(super) struct UrlConnection {
    sender: SendRequest<Empty<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Pin<Box<Talk>>>,
    limits: WireLimits,
    reach: Reach,
}

/// The servers that a connection may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All: the operator wrote the address, or a server of this machine redirects there.
    Anybody,
    /// Not this machine: a server elsewhere redirects there. Programs on this machine trust it more than others do
    /// (server-side request forgery, CWE-918).
    Others,
}

impl Reach {
    /// The servers that both allow.
    pub(super) fn intersect(self, other: Reach) -> Reach {
        if self == Reach::Others { self } else { other }
    }
}

impl UrlConnection {
    /// Connects within one limit, and completes the TLS handshake within another. The caller may have a shorter limit
    /// for both.
    pub(super) async fn connect(
        address: &CameraUrl,
        limits: WireLimits,
        reach: Reach,
    ) -> Result<UrlConnection, SourceError> {
        let limit = limits.connect;
        let tcp = timeout(limit, connect(address, limit, reach))
            .await
            .map_err(|_| silent_fault(address, limit))??;
        let is_of_this_machine = tcp.peer_addr().is_ok_and(|peer| is_own_address(peer.ip()));
        let reach = if is_of_this_machine { Reach::Anybody } else { Reach::Others };
        // Outside both limits: a slow card may take long to read hundreds of certificates.
        let trust = if address.secure { Some(tls_connector(address)?) } else { None };
        let connecting = async {
            let socket: Box<dyn AsyncSocket> = match trust {
                Some(trust) => Box::new(connect_tls(address, tcp, trust).await?),
                None => Box::new(tcp),
            };
            Builder::new()
                .max_buf_size(READ_AHEAD)
                .ignore_invalid_headers_in_responses(true)
                .allow_obsolete_multiline_headers_in_responses(true)
                .allow_spaces_after_header_name_in_responses(true)
                .handshake(TokioIo::new(socket))
                .await
                .map_err(|e| http_fault(address, &e))
        };
        let (sender, connection) =
            timeout(limit, connecting).await.map_err(|_| silent_fault(address, limit))??;
        Ok(UrlConnection { sender, connection: Some(Box::pin(connection)), limits, reach })
    }

    /// The servers that the server at the other end may redirect to.
    pub(super) fn redirect_reach(&self) -> Reach {
        self.reach
    }

    /// Requests a path of this connection's server, with further `fields`. The answer's head must arrive within a
    /// limit.
    pub(super) async fn get(
        &mut self,
        address: &CameraUrl,
        fields: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Response<Incoming>, SourceError> {
        let mut request = Request::get(address.path.as_str())
            .header(HOST, address.host_field())
            .header(USER_AGENT, concat!("tallycam/", env!("CARGO_PKG_VERSION")))
            .header(INSTANCE_FIELD, instance_id())
            .header(ACCEPT_ENCODING, "identity")
            .header(ACCEPT, "multipart/x-mixed-replace, image/jpeg, */*;q=0.5");
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(Empty::new()).map_err(|e| {
            SourceError::new(SourceErrorKind::Unsupported, format!("{address} cannot be asked for"))
                .because(e)
        })?;
        let limit = self.limits.answer;
        let asking = async {
            poll_fn(|cx| {
                self.poll_connection(cx);
                self.sender.poll_ready(cx)
            })
            .await?;
            let mut answer = std::pin::pin!(self.sender.send_request(request));
            poll_fn(|cx| {
                poll_driver(&mut self.connection, cx);
                answer.as_mut().poll(cx)
            })
            .await
        };
        timeout(limit, asking)
            .await
            .map_err(|_| silent_fault(address, limit))?
            .map_err(|e| http_fault(address, &e))
    }

    /// The next bytes of an answer's body; `None` at its end. Cancelling loses nothing.
    pub(super) fn poll_chunk(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Bytes>>> {
        loop {
            self.poll_connection(cx);
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers are ignored.
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Reads the rest of a short answer that is not needed; true if that was all of it.
    pub(super) async fn drain_body(&mut self, body: &mut Incoming) -> bool {
        const MOST: usize = 64 << 10;
        let reading = async {
            let mut read = 0;
            while let Some(chunk) = poll_fn(|cx| self.poll_chunk(body, cx)).await {
                read += chunk.map_or(MOST, |chunk| chunk.len());
                if read >= MOST {
                    return false;
                }
            }
            true
        };
        timeout(CONNECT_WITHIN, reading).await.unwrap_or(false)
    }

    /// True if another request may use it, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.connection.is_some() && !self.sender.is_closed()
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        poll_driver(&mut self.connection, cx);
    }
}

/// Drives the connection. Its end shows in whatever waits on it.
fn poll_driver<C: Future>(connection: &mut Option<Pin<Box<C>>>, cx: &mut Context<'_>) {
    if connection.as_mut().is_some_and(|c| c.as_mut().poll(cx).is_ready()) {
        *connection = None;
    }
}

/// True if the address may be this machine's own: loopback, link-local or unspecified.
fn is_own_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

/// Connects to the first of the host's addresses that answers; each has its share of `limit`.
async fn connect(address: &CameraUrl, limit: Duration, reach: Reach) -> Result<TcpStream, SourceError> {
    let host = (address.host.as_str(), address.port);
    let all: Vec<_> = match tokio::net::lookup_host(host).await {
        Ok(all) => all.collect(),
        Err(_) => {
            return Err(SourceError::new(
                SourceErrorKind::Absent,
                format!("the address of {} cannot be found", address.host),
            )
            .hint("check the name in the camera's address; its IP address always works"));
        }
    };
    // An address that swallows packets leaves time for the next.
    let each = limit / u32::try_from(all.len().clamp(1, 3)).unwrap_or(1);
    let mut last = None;
    for candidate in all {
        if reach == Reach::Others && is_own_address(candidate.ip()) {
            let what = format!("a server elsewhere redirects to {address}, which is this machine");
            return Err(SourceError::new(SourceErrorKind::Failed, what)
                .hint("if this is intended, set that address for the camera"));
        }
        match timeout(each, TcpStream::connect(candidate)).await {
            Ok(Ok(tcp)) => {
                // Requests are one small write: a delay gains nothing.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
    }
    let Some(error) = last else { return Err(silent_fault(address, limit)) };
    let fault = |what: String| {
        let hint = format!("check that the camera is on, and that {} is its port", address.port);
        Err(SourceError::new(SourceErrorKind::Absent, what).hint(hint))
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            fault(format!("{}:{} does not answer", address.host, address.port))
        }
        _ => fault(format!("{}:{} cannot be reached", address.host, address.port))
            .map_err(|fault| fault.because(error)),
    }
}

/// The system's trusted certificates, read again each time: one may have been added.
fn tls_connector(address: &CameraUrl) -> Result<TlsConnector, SourceError> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let fault = SourceError::new(SourceErrorKind::Unsupported, tls_error_message(address))
            .because("this system has no certificates of authorities");
        let fault = found.errors.iter().fold(fault, |fault, error| fault.because(error));
        return Err(fault.hint("sudo apt install ca-certificates"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| SourceError::new(SourceErrorKind::Failed, tls_error_message(address)).because(e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(settings)))
}

fn tls_error_message(address: &CameraUrl) -> String {
    format!("{}:{} cannot be reached securely", address.host, address.port)
}

async fn connect_tls(
    address: &CameraUrl,
    tcp: TcpStream,
    trust: TlsConnector,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, SourceError> {
    let name = ServerName::try_from(address.host.clone())
        .map_err(|e| SourceError::new(SourceErrorKind::Unsupported, tls_error_message(address)).because(e))?;
    trust.connect(name, tcp).await.map_err(|error| {
        let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(_)) => SourceError::new(
                SourceErrorKind::Denied,
                format!("the certificate of {} is not trusted", address.host),
            )
            .because(error)
            .hint("let the machine trust it, or use http://")
            .shell("put it into /usr/local/share/ca-certificates and run `sudo update-ca-certificates`"),
            _ => SourceError::new(SourceErrorKind::Failed, tls_error_message(address))
                .because(error)
                .hint("is it http:// rather than https://?"),
        }
    })
}

fn silent_fault(address: &CameraUrl, limit: Duration) -> SourceError {
    let what = format!("{}:{} does not answer", address.host, address.port);
    SourceError::new(SourceErrorKind::Absent, what)
        .because(format!("nothing came within {} s", limit.as_secs()))
        .hint(format!("check that the camera is on and in the same network. {SLOW_CAMERA}"))
}

/// hyper's message with its cause: alone it says little.
pub(super) fn http_fault(address: &CameraUrl, error: &hyper::Error) -> SourceError {
    let fault = SourceError::new(SourceErrorKind::Failed, format!("{address} gives no proper answer"));
    if error.to_string().contains("content-length") {
        return fault
            .because("its Content-Length is not one number")
            .hint("use the camera's rtsp:// address if it has one; newer firmware may fix it");
    }
    let fault = fault.because(error);
    match std::error::Error::source(error) {
        Some(cause) => fault.because(cause),
        None => fault,
    }
}
