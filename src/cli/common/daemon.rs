//! Client of the service that runs here: its HTTP API over TCP or a Unix socket, one request per connection.
//!
//! Bodies go up and come down in pieces, with exact lengths: a body that is cut off is an error, never a short file.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::cli::Failure;
use crate::daemon::counting::state_directory;
use crate::http;
use tallycam_base::{block_on, child};
use tallycam_config::{Config, Listen, StoreConfig};

/// Time limit for a connection and for quick answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// After this time without an answer, the service has to show by another request that it runs at all.
const SILENT_FOR: Duration = Duration::from_secs(3);

/// Time limit for a query of the stores.
const READS_WITHIN: Duration = Duration::from_secs(120);

/// Time limit for work on a whole store, and for files.
pub const WORKS_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// Size of one read of a file, in bytes.
const PIECE: usize = 64 << 10;

/// Largest answer in text or JSON, in bytes.
const LONGEST_WORDS: u64 = 256 << 20;

/// The address of a running service.
#[derive(Debug, Clone)]
pub struct Daemon {
    listen: Listen,
    patience: Duration,
}

/// The body of a request.
#[derive(Debug)]
pub enum RequestBody<'a> {
    Nothing,
    Json(&'a Value),
    /// A settings file.
    Text(&'a str),
    /// A file from its start, at its present length.
    File(&'a File),
}

/// An answer whose body is not read yet.
pub struct Answer {
    runtime: Runtime,
    response: Response<Incoming>,
    patience: Duration,
    /// Received bytes of the body that are not read yet.
    come: Bytes,
}

trait DaemonSocket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> DaemonSocket for T {}

impl Daemon {
    /// Finds the service at its own socket for the command line, else at the first address of the configuration that
    /// answers, else where systemd listens for it.
    pub fn find(config: &Config) -> Option<Daemon> {
        let heard = |listen| {
            let daemon = Daemon { listen, patience: ANSWERS_WITHIN };
            daemon.is_heard().then_some(daemon)
        };
        // The control socket asks for no password. Users who may not open it go through the other addresses.
        let control = http::listen::control_path(&state_directory(config));
        let own = std::iter::once(Listen::Unix(control));
        let configured = own.chain(config.http.listen.iter().cloned()).find_map(heard);
        configured.or_else(|| systemd_listen_addresses(config).into_iter().find_map(heard))
    }

    /// As [`Daemon::find`], but its absence is a failure that begins with `what`.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn require(config: &Config, what: &str) -> Result<Daemon, Failure> {
        Daemon::find(config).ok_or_else(|| none_runs(what))
    }

    /// The service that has the counts and media of this configuration. Other addresses are tried only if this user
    /// may not open its control socket, because a service behind them may have other counts and media.
    ///
    /// # Errors
    /// No such service runs here.
    pub fn require_own(config: &Config, what: &str) -> Result<Daemon, Failure> {
        let control = http::listen::control_path(&state_directory(config));
        match UnixStream::connect(control) {
            Err(error) if error.kind() != ErrorKind::PermissionDenied => Err(none_runs(what)),
            _ => Ok(Daemon::require(config, what)?.with_timeout(READS_WITHIN)),
        }
    }

    /// The same service with another time limit for answers.
    #[must_use]
    pub fn with_timeout(mut self, patience: Duration) -> Daemon {
        self.patience = patience;
        self
    }

    /// True if something listens at the address.
    pub fn is_heard(&self) -> bool {
        match &self.listen {
            Listen::Tcp(address) => TcpStream::connect_timeout(&reachable(*address), ANSWERS_WITHIN).is_ok(),
            // The control socket was tried before.
            Listen::Https(_) => false,
            Listen::Unix(path) => UnixStream::connect(path).is_ok(),
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn DaemonSocket>> {
        Ok(match &self.listen {
            Listen::Tcp(address) => Box::new(tokio::net::TcpStream::connect(reachable(*address)).await?),
            Listen::Https(_) => return Err(ErrorKind::Unsupported.into()),
            Listen::Unix(path) => Box::new(tokio::net::UnixStream::connect(path).await?),
        })
    }

    /// Connects for one request.
    async fn sender(&self) -> io::Result<SendRequest<SentBody>> {
        let socket = timeout(ANSWERS_WITHIN, self.connect()).await??;
        let (sender, connection) = handshake(TokioIo::new(socket)).await.map_err(http_error)?;
        // An error of the connection also reaches the caller of `send_request`.
        drop(tokio::spawn(connection));
        Ok(sender)
    }

    /// Fails if the service answers nothing at all: the kernel takes connections for a program that hangs, too.
    async fn check_alive(&self) -> io::Result<()> {
        let request = RequestBody::Nothing.into_request("GET", "/health")?;
        let mut sender = self.sender().await?;
        let answer = timeout(ANSWERS_WITHIN.saturating_sub(SILENT_FOR), sender.send_request(request)).await?;
        answer.map(drop).map_err(http_error)
    }

    /// Sends a request and waits for the head of the answer. `path` must be percent-encoded.
    ///
    /// # Errors
    /// The service cannot be reached, does not answer, or answers something other than HTTP.
    pub fn request(&self, method: &str, path: &str, sent: RequestBody<'_>) -> Result<Answer, Failure> {
        let asked = || -> io::Result<Answer> {
            let request = sent.into_request(method, path)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let response = block_on(&runtime, async {
                let mut sender = self.sender().await?;
                let mut answer = pin!(sender.send_request(request));
                let early = timeout(SILENT_FOR, &mut answer).await;
                let answer = match early {
                    Ok(answer) => answer,
                    Err(_) => {
                        self.check_alive().await?;
                        timeout(self.patience, answer).await?
                    }
                };
                answer.map_err(http_error)
            })?;
            Ok(Answer { runtime, response, patience: self.patience, come: Bytes::new() })
        };
        asked().map_err(|error| connection_failure(&error))
    }

    /// Sends a request and reads the answer as JSON. A status above 299 becomes a failure whose message begins with
    /// `what`, as in "nothing was reset".
    ///
    /// # Errors
    /// As [`Daemon::request`], and every refusal of the service.
    pub fn json<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        sent: RequestBody<'_>,
        what: &str,
    ) -> Result<T, Failure> {
        self.request(method, path, sent)?.expect_success(what)?.read()
    }
}

fn none_runs(what: &str) -> Failure {
    Failure::failed(format!("{what} needs the running service, and none runs here"))
        .hint("start it (`tallycam serve`, `systemctl start tallycam`) and try again")
}

impl RequestBody<'_> {
    fn into_request(self, method: &str, path: &str) -> io::Result<Request<SentBody>> {
        let (kind, body) = match self {
            RequestBody::Nothing => (None, SentBody::Text(Bytes::new())),
            RequestBody::Json(value) => (Some("application/json"), SentBody::Text(value.to_string().into())),
            RequestBody::Text(text) => (Some("application/toml"), SentBody::Text(text.to_owned().into())),
            RequestBody::File(file) => {
                let (file, left) = (file.try_clone()?, file.metadata()?.len());
                (Some("application/octet-stream"), SentBody::File { file, left })
            }
        };
        let mut request =
            Request::builder().method(method).uri(path).header(HOST, "localhost").header(CONNECTION, "close");
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        request.body(body).map_err(io::Error::other)
    }
}

/// The body of a request while it is sent.
enum SentBody {
    Text(Bytes),
    /// A file and the number of bytes still to send.
    File {
        file: File,
        left: u64,
    },
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match &mut *self {
            SentBody::Text(text) if text.is_empty() => return Poll::Ready(None),
            SentBody::Text(text) => Ok(std::mem::take(text)),
            SentBody::File { left: 0, .. } => return Poll::Ready(None),
            SentBody::File { file, left } => {
                let mut piece = vec![0; PIECE.min(usize::try_from(*left).unwrap_or(PIECE))];
                match file.read(&mut piece) {
                    // The file has shrunk, so the announced length cannot be sent.
                    Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                    Ok(len) => {
                        piece.truncate(len);
                        *left -= len as u64;
                        Ok(piece.into())
                    }
                    Err(error) => Err(error),
                }
            }
        };
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            SentBody::Text(text) => text.len() as u64,
            SentBody::File { left, .. } => *left,
        })
    }
}

impl Answer {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The value of a header.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.response.headers().get(wanted)?.to_str().ok()
    }

    /// The answer, unless it is a refusal. The failure's message begins with `what` and quotes the service.
    ///
    /// # Errors
    /// The status is above 299.
    pub fn expect_success(self, what: &str) -> Result<Answer, Failure> {
        let status = self.status();
        if status < 300 {
            return Ok(self);
        }
        let text = self.into_text().unwrap_or_default();
        let problem: Value = serde_json::from_str(text.trim()).unwrap_or_default();
        let word = |key: &str| problem.get(key).and_then(Value::as_str).map(str::to_owned);
        let detail = word("detail").or_else(|| word("title")).unwrap_or_else(|| match status {
            404 => String::from("the service there does not know this request; is it another version?"),
            _ => format!("the answer was {status}"),
        });
        let hint = match status {
            // The control socket asks for no password.
            401 => Some(String::from("run it as the service's user, or as root: `sudo tallycam ...`")),
            _ => word("hint"),
        };
        Err(Failure::Failed { message: format!("{what}: {detail}"), hint })
    }

    /// As [`Answer::expect_success`] for typed values: an invalid value (400, 422) is wrong usage.
    ///
    /// # Errors
    /// As [`Answer::expect_success`].
    pub fn expect_valid(self, what: &str) -> Result<Answer, Failure> {
        let is_wrong = matches!(self.status(), 400 | 422);
        self.expect_success(what).map_err(|failure| match failure {
            Failure::Failed { message, hint } if is_wrong => Failure::Usage { message, hint },
            failure => failure,
        })
    }

    /// Reads the answer as JSON.
    ///
    /// # Errors
    /// The answer is cut off or has another form.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Failure> {
        let text = self.into_text().map_err(|error| connection_failure(&error))?;
        // An empty body reads as `null`, so that an `Option` works.
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| {
            Failure::failed(format!("the service's answer is not understood: {error}"))
                .hint("is it another version? Restart the service")
        })
    }

    /// Reads the answer as a table, without its byte order mark.
    ///
    /// # Errors
    /// The answer is cut off or is no text.
    pub fn table(self) -> Result<String, Failure> {
        let text = self.into_text().map_err(|error| connection_failure(&error))?;
        Ok(text.trim_start_matches('\u{feff}').to_owned())
    }

    fn into_text(self) -> io::Result<String> {
        let mut text = String::new();
        self.take(LONGEST_WORDS).read_to_string(&mut text)?;
        // A table that is cut looks complete.
        if text.len() as u64 == LONGEST_WORDS {
            return Err(io::Error::other("it is longer than 256 MiB; ask for less at once"));
        }
        Ok(text)
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.come.is_empty() {
            let body = self.response.body_mut();
            match block_on(&self.runtime, async { timeout(self.patience, body.frame()).await })? {
                None => return Ok(0),
                Some(frame) => self.come = frame.map_err(http_error)?.into_data().unwrap_or_default(),
            }
        }
        let len = self.come.len().min(buffer.len());
        self.come.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}

/// Prefers the cause that hyper wraps, because hyper's own words say little.
fn http_error(error: hyper::Error) -> io::Error {
    let kind = if error.is_incomplete_message() { ErrorKind::UnexpectedEof } else { ErrorKind::Other };
    match std::error::Error::source(&error) {
        Some(cause) => io::Error::new(kind, cause.to_string()),
        None if error.is_parse() => io::Error::other("the program there does not speak HTTP"),
        None => io::Error::new(kind, error),
    }
}

/// The failure for an error of the connection.
fn connection_failure(error: &io::Error) -> Failure {
    let message = match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => String::from("the service does not answer"),
        _ => format!("the service could not be reached: {error}"),
    };
    Failure::io(message)
}

/// An address to connect to: the loopback address if the service listens on all.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Addresses of tallycam.socket, if it is active and belongs to the service of this configuration.
fn systemd_listen_addresses(config: &Config) -> Vec<Listen> {
    if config.store.unit.as_deref() != Some(Path::new(StoreConfig::SERVICE)) {
        return Vec::new();
    }
    let shown = child::command("systemctl")
        .args(["show", "--property=ActiveState,Listen", "tallycam.socket"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    // Without systemd there is no socket unit.
    shown.map(|shown| parse_listen_addresses(&String::from_utf8_lossy(&shown.stdout))).unwrap_or_default()
}

/// Parses the addresses of an active socket unit from systemctl(1), one per line: `Listen=[::]:80 (Stream)`.
fn parse_listen_addresses(shown: &str) -> Vec<Listen> {
    if !shown.lines().any(|line| line == "ActiveState=active") {
        return Vec::new();
    }
    let addresses = shown.lines().filter_map(|line| line.strip_prefix("Listen=")?.strip_suffix(" (Stream)"));
    addresses
        .filter_map(|address| match address.starts_with('/') {
            true => Some(Listen::Unix(address.into())),
            false => address.parse().ok().map(Listen::Tcp),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn addresses_of_the_socket_unit_are_read() {
        let tcp = |address: &str| Listen::Tcp(address.parse().unwrap());
        let shown = "Listen=[::]:80 (Stream)\nListen=/run/a b (Stream)\nListen=127.0.0.1:9 \
            (Datagram)\nListen=1.2.3.4:81 (Stream)\nActiveState=active\n";
        assert_eq!(
            parse_listen_addresses(shown),
            [tcp("[::]:80"), Listen::Unix("/run/a b".into()), tcp("1.2.3.4:81")]
        );
        assert_eq!(parse_listen_addresses(&shown.replace("=active", "=inactive")), []);
        assert_eq!(parse_listen_addresses(""), []);
    }

    #[test]
    fn the_unspecified_address_becomes_loopback() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.2:80".parse().unwrap()).to_string(), "10.0.0.2:80");
    }

    /// The result of a request that is answered with `bytes`, and the head that was sent.
    fn asked(bytes: &'static [u8], sent: RequestBody<'_>) -> (Result<String, Failure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = Listen::Tcp(listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1000];
            let got = stream.read(&mut head).unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // The rest of the request is read, so that the answer is not lost with the connection.
            let _ = io::copy(&mut stream, &mut io::sink());
            String::from_utf8_lossy(&head[..got]).into_owned()
        });
        let daemon = Daemon { listen, patience: ANSWERS_WITHIN };
        let answer = daemon.request("POST", "/api/v1/media?name=a", sent);
        let text = answer.and_then(|answer| {
            let answer = answer.expect_success("nothing was done")?;
            answer.into_text().map_err(|error| connection_failure(&error))
        });
        (text, server.join().unwrap())
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        let (text, head) = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour", RequestBody::Nothing);
        assert_eq!(text.unwrap(), "four");
        assert!(head.starts_with("POST /api/v1/media?name=a HTTP/1.1\r\n"), "{head}");
        let cases: [&[u8]; 4] = [
            b"",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfou",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
        ];
        for bytes in cases {
            assert!(asked(bytes, RequestBody::Nothing).0.is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn refusals_quote_the_service() {
        let refused = |bytes| asked(bytes, RequestBody::Text("a = 1")).0.unwrap_err().to_text();
        let text = refused(
            b"HTTP/1.1 409 Conflict\r\nContent-Length: 99\r\n\r\n{\"detail\": \"it is there\", \"hint\": \"look\"}",
        );
        let cut_off = "tallycam: nothing was done: the answer was 409";
        assert_eq!(text, cut_off, "a cut body has no message");
        let text = refused(b"HTTP/1.1 409 Conflict\r\n\r\n{\"detail\": \"it is there\", \"hint\": \"look\"}");
        assert_eq!(text, "tallycam: nothing was done: it is there\nhint: look");
    }

    #[test]
    fn a_slow_answer_is_awaited_while_the_service_answers_another_request() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = Listen::Tcp(listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let accept = || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1000];
                let got = stream.read(&mut head).unwrap();
                (stream, String::from_utf8_lossy(&head[..got]).into_owned())
            };
            let (mut slow, _) = accept();
            let (mut other, head) = accept();
            other.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            slow.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow").unwrap();
            head
        });
        let daemon = Daemon { listen, patience: ANSWERS_WITHIN };
        let answer = daemon.request("GET", "/api/v1/counts", RequestBody::Nothing).unwrap();
        assert_eq!(answer.into_text().unwrap(), "slow");
        let head = server.join().unwrap();
        assert!(head.starts_with("GET /health HTTP/1.1\r\n"), "{head}");
    }

    #[test]
    fn an_early_answer_is_read_though_the_body_was_not_sent() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let (text, head) = asked(answer, RequestBody::File(&file));
        assert!(head.to_ascii_lowercase().contains("content-length: 67108864\r\n"), "{head}");
        let text = text.unwrap_err().to_text();
        assert_eq!(text, "tallycam: nothing was done: the answer was 413");
    }
}
