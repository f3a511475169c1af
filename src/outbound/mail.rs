//! A client that sends one letter by SMTP, and only over TLS: from the beginning, or by STARTTLS before anything else.
//! A server without TLS gets nothing.
//!
//! lettre speaks SMTP. The connection is [`connect`]'s, so the same hosts are allowed and the same
//! certificates are trusted as for webhooks.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lettre::address::{Address, Envelope};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::Starttls;
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::connect::{HostLimit, OutboundSocket, OutboundTls, connect, load_tls, secure};
use super::letter::Letter;
use super::web::shortened;
use tallycam_base::redact::STARS;
use tallycam_base::{Fault, FaultKind, clock};
use tallycam_config::MailServer;

/// Time limit for an answer; and for that to the letter, which the server may look through.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const TAKES_WITHIN: Duration = Duration::from_secs(60);

/// Time limit for the answer to the farewell.
const LEAVES_WITHIN: Duration = Duration::from_secs(2);

/// Bytes of all answers together.
const MOST_READ: usize = 65_536;

/// Sends `letter`, if `limit` allows the server; `sign_in`: user and password. Returns what the server answered.
///
/// # Errors
/// It has not arrived, in words.
pub async fn send(
    server: &MailServer,
    limit: &HostLimit,
    sign_in: Option<(String, String)>,
    letter: &Letter,
) -> Result<String, Fault> {
    let name = own_name();
    let envelope = envelope(letter)?;
    let at = Timestamp::from_microsecond(clock::wall_us() as i64).unwrap_or_default();
    let text = letter.formatted(&name, at);
    let tls = load_tls(None).await?;
    let talk = MailTalk { host: &server.host, name: ClientId::Domain(name), sign_in: &sign_in };
    let socket = if server.is_tls_first {
        let socket = connect(&server.host, server.port, Some(&tls), limit).await?;
        SmtpSocket::new(socket, b"", None)
    } else {
        let socket = connect(&server.host, server.port, None, limit).await?;
        // The greeting came before TLS.
        SmtpSocket::new(talk.start_tls(socket, &tls).await?, b"220 again\r\n", None)
    };
    let mut session = talk.begin(socket).await?;
    if let Some((user, password)) = &sign_in {
        let credentials = Credentials::new(user.clone(), password.clone());
        let signed = talk.within(ANSWERS_WITHIN, session.auth(DEFAULT_MECHANISMS, &credentials)).await?;
        signed.map_err(|error| match error.status() {
            Some(_) => talk.foreign(format!("refuses user or password: it answers {}", talk.answer(&error))),
            None => talk.fault(&error),
        })?;
    }
    let sent = talk.within(TAKES_WITHIN, session.send(&envelope, text.as_bytes())).await?;
    let answer = sent.map_err(|error| match error.status() {
        Some(_) => talk.foreign(format!("refuses the e-mail: it answers {}", talk.answer(&error))),
        None => talk.fault(&error),
    })?;
    // It has taken the letter, whatever it says now.
    drop(timeout(LEAVES_WITHIN, session.quit()).await);
    let text: Vec<&str> = answer.message().collect();
    Ok(talk.shown(&format!("{}: {}", answer.code(), text.join(" "))))
}

fn envelope(letter: &Letter) -> Result<Envelope, Fault> {
    let address =
        |text: &str| text.parse::<Address>().map_err(|error| Fault::wrong(format!("{text}: {error}")));
    let envelope = Envelope::new(Some(address(&letter.from)?), vec![address(&letter.to)?]);
    envelope.map_err(|error| Fault::wrong(format!("the e-mail cannot be sent: {error}")))
}

/// The machine's name for the greeting.
fn own_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
    if name.is_empty() { String::from("tallycam") } else { name }
}

/// The host, own name and sign-in of a session.
struct MailTalk<'a> {
    host: &'a str,
    name: ClientId,
    sign_in: &'a Option<(String, String)>,
}

impl MailTalk<'_> {
    /// Reads the greeting and says who comes.
    async fn begin(&self, socket: SmtpSocket) -> Result<AsyncSmtpConnection, Fault> {
        let begun = AsyncSmtpConnection::connect_with_transport(Box::new(socket), &self.name);
        self.within(ANSWERS_WITHIN, begun).await?.map_err(|error| self.fault(&error))
    }

    /// Asks for TLS and begins it. The session before is dropped with all that the server said in it (CVE-2011-0411).
    async fn start_tls(
        &self,
        socket: Box<dyn OutboundSocket>,
        tls: &OutboundTls,
    ) -> Result<Box<dyn OutboundSocket>, Fault> {
        let (back, returned) = oneshot::channel();
        let mut session = self.begin(SmtpSocket::new(socket, b"", Some(back))).await?;
        if !session.can_starttls() {
            return Err(self.foreign(String::from("offers no TLS (STARTTLS), so it got nothing")).hint(
                "anybody on the way could read the message: name a server with TLS, perhaps smtps://",
            ));
        }
        let ready = self.within(ANSWERS_WITHIN, session.command(Starttls)).await?;
        ready.map_err(|error| self.fault(&error))?;
        drop(session);
        let socket = returned.await.map_err(|_| self.foreign(String::from("ends the connection")))?;
        secure(self.host, socket, tls).await
    }

    async fn within<T>(&self, limit: Duration, step: impl Future<Output = T>) -> Result<T, Fault> {
        let late = |_| {
            let what = format!("{} takes the connection and does not answer", self.host);
            Fault::new(FaultKind::Unreachable, what)
                .hint("smtps:// is for a port that begins with TLS, such as 465")
        };
        timeout(limit, step).await.map_err(late)
    }

    fn foreign(&self, what: String) -> Fault {
        Fault::new(FaultKind::Foreign, format!("{} {what}", self.host))
    }

    fn fault(&self, error: &SmtpError) -> Fault {
        if error.status().is_some() {
            self.foreign(format!("answers {}", self.answer(error)))
        } else if error.is_client() {
            self.foreign(format!("cannot do what is needed: {}", self.reason(error)))
        } else if error.is_response() {
            self.foreign(format!("does not speak SMTP: {}", self.reason(error)))
        } else {
            self.foreign(format!("ends the connection: {}", self.reason(error)))
        }
    }

    /// The server's refusal: "535: Authentication failed".
    fn answer(&self, error: &SmtpError) -> String {
        let code = error.status().map(|code| code.to_string()).unwrap_or_default();
        self.shown(&format!("{code}: {}", self.reason(error)))
    }

    fn reason(&self, error: &SmtpError) -> String {
        let source = std::error::Error::source(error);
        self.shown(&source.map_or_else(|| error.to_string(), ToString::to_string))
    }

    /// A foreign text without what nobody may see, in one line.
    fn shown(&self, text: &str) -> String {
        let mut text = text.replace(['\r', '\n'], " ").replace('`', "'");
        if let Some((user, password)) = self.sign_in {
            let sent = [format!("\0{user}\0{password}"), user.clone(), password.clone()];
            for secret in sent.iter().map(|sent| STANDARD.encode(sent)).chain(sent.iter().cloned()) {
                text = text.replace(&secret, STARS);
            }
        }
        shortened(text.trim())
    }
}

/// A socket for lettre.
struct SmtpSocket {
    socket: Option<Box<dyn OutboundSocket>>,
    /// Is read before what the server says.
    greeting: &'static [u8],
    /// Bytes that may still be read.
    left: usize,
    /// Gets the socket when lettre drops it.
    back: Option<oneshot::Sender<Box<dyn OutboundSocket>>>,
}

impl SmtpSocket {
    fn new(
        socket: Box<dyn OutboundSocket>,
        greeting: &'static [u8],
        back: Option<oneshot::Sender<Box<dyn OutboundSocket>>>,
    ) -> SmtpSocket {
        SmtpSocket { socket: Some(socket), greeting, left: MOST_READ, back }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut Box<dyn OutboundSocket>>> {
        self.socket.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for SmtpSocket {
    fn drop(&mut self) {
        if let (Some(back), Some(socket)) = (self.back.take(), self.socket.take()) {
            // Nobody may wait for it any more.
            let _ = back.send(socket);
        }
    }
}

impl fmt::Debug for SmtpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSocket").finish_non_exhaustive()
    }
}

impl AsyncTokioStream for SmtpSocket {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for SmtpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("it says too much")));
        }
        let before = buffer.filled().len();
        let read = self.socket()?.poll_read(context, buffer);
        self.left = self.left.saturating_sub(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for SmtpSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.socket()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(context)
    }
}
