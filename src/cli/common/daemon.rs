//! Asking the daemon that runs here: plain HTTP/1.1 over TCP or a Unix socket, one request a connection.
//!
//! Bodies go up and come down as they are, in pieces, with exact lengths: a body that is cut off is an error, never a
//! short file. An answer that came is an answer, also where it came before all of a body was taken.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::child;
use crate::cli::Failure;
use crate::config::{Config, Listen, StoreConfig};
use crate::daemon::counting::state_directory;
use crate::http;

/// How long the daemon may take to be reached, and to answer what takes no time.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take for what goes through all that is kept.
pub const WORKS_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// A longer head of an answer is none.
const LONGEST_HEAD: u64 = 64 << 10;

/// A longer answer in words or JSON is not read.
const LONGEST_WORDS: u64 = 256 << 20;

/// A daemon that listens.
#[derive(Debug, Clone)]
pub struct Daemon {
    listen: Listen,
    patience: Duration,
}

/// What is sent with a request.
#[derive(Debug)]
pub enum RequestBody<'a> {
    Nothing,
    Json(&'a Value),
    /// A file of settings.
    Text(&'a str),
    /// A file, from its beginning, as long as it is now.
    File(&'a mut File),
}

/// An answer whose body has still to be read.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    headers: Vec<(String, String)>,
    body: AnswerBody,
}

/// The body as it comes.
struct AnswerBody {
    from: BufReader<Box<dyn Read>>,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// So many bytes are left.
    Length(u64),
    /// So many bytes of a chunk are left; `None`: a chunk's head comes next.
    Chunked(Option<u64>),
    /// It ends with the connection.
    Close,
    /// All of it is read.
    Over,
}

impl Daemon {
    /// The daemon at its own socket for the command line, else at the first configured address where somebody listens, or
    /// where systemd listens for it.
    pub fn find(config: &Config) -> Option<Daemon> {
        let heard = |listen| {
            let daemon = Daemon { listen, patience: ANSWERS_WITHIN };
            daemon.connect().is_ok().then_some(daemon)
        };
        // Nobody asks for a password there; who may not open it is asked like any other program.
        let control = http::listen::control_path(&state_directory(config));
        let own = std::iter::once(Listen::Unix(control));
        let configured = own.chain(config.http.listen.iter().cloned()).find_map(heard);
        configured.or_else(|| systemd_listen_addresses(config).into_iter().find_map(heard))
    }

    /// The same, or why nothing is done.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn require(config: &Config, what: &str) -> Result<Daemon, Failure> {
        Daemon::find(config).ok_or_else(|| {
            Failure::failed(format!("{what} needs the running service, and none runs here"))
                .hint("start it (`tallycam serve`, `systemctl start tallycam`) and try again")
        })
    }

    /// The same daemon, which may take so long to answer.
    #[must_use]
    pub fn with_timeout(mut self, patience: Duration) -> Daemon {
        self.patience = patience;
        self
    }

    fn connect(&self) -> io::Result<Connection> {
        let patience = Some(self.patience);
        match &self.listen {
            Listen::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&reachable(*address), ANSWERS_WITHIN)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)?;
                Ok(Connection { read: Box::new(stream.try_clone()?), write: Box::new(stream) })
            }
            // Its own socket is asked before.
            Listen::Https(_) => Err(ErrorKind::Unsupported.into()),
            Listen::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(patience)?;
                stream.set_write_timeout(patience)?;
                Ok(Connection { read: Box::new(stream.try_clone()?), write: Box::new(stream) })
            }
        }
    }

    /// Asks, and waits for the head of the answer. `path` is encoded already.
    ///
    /// # Errors
    /// It cannot be reached, does not answer, or what it answers is no HTTP.
    pub fn request(&self, method: &str, path: &str, sent: RequestBody<'_>) -> Result<Answer, Failure> {
        let talked = self.connect().and_then(|connection| exchange(connection, method, path, sent));
        talked.map_err(|error| connection_failure(&error))
    }

    /// Asks for something that is answered in JSON; an answer above 299 is a failure in its words, that begin with
    /// `what`: "nothing was reset".
    ///
    /// # Errors
    /// As [`Daemon::request`], and whatever the daemon refuses.
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

/// Both ways of a connection.
struct Connection {
    read: Box<dyn Read>,
    write: Box<dyn Write>,
}

fn exchange(connection: Connection, method: &str, path: &str, sent: RequestBody<'_>) -> io::Result<Answer> {
    let Connection { read, mut write } = connection;
    let text;
    let (kind, len, mut body): (&str, u64, Box<dyn Read + '_>) = match sent {
        RequestBody::Nothing => ("", 0, Box::new(io::empty())),
        RequestBody::Json(value) => {
            text = value.to_string();
            ("application/json", text.len() as u64, Box::new(text.as_bytes()))
        }
        RequestBody::Text(text) => ("application/toml", text.len() as u64, Box::new(text.as_bytes())),
        RequestBody::File(file) => {
            let len = file.metadata()?.len();
            ("application/octet-stream", len, Box::new(file.take(len)))
        }
    };
    let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{kind}Content-Length: {len}\r\n\r\n"
    );
    let written = write.write_all(head.as_bytes()).and_then(|()| {
        let copied = io::copy(&mut body, &mut write)?;
        write.flush()?;
        // The file has become shorter: what was promised cannot be sent, and the daemon notices, too.
        if copied < len { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    });
    match (written, read_head(read)) {
        (Err(error), Err(_)) => Err(error),
        (_, answer) => answer,
    }
}

fn read_head(read: Box<dyn Read>) -> io::Result<Answer> {
    let mut from = BufReader::new(read);
    loop {
        let mut head = Vec::new();
        let mut limited = (&mut from).take(LONGEST_HEAD);
        while !head.ends_with(b"\r\n\r\n") {
            if limited.read_until(b'\n', &mut head)? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed"));
            }
        }
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok());
        let status: u16 = status.ok_or_else(|| io::Error::other("the program there does not speak HTTP"))?;
        if status < 200 {
            continue;
        }
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, v)| v.as_str());
        let framing = match (status, header("transfer-encoding"), header("content-length")) {
            (204 | 304, ..) => Framing::Over,
            (_, Some(coding), _) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked(None),
            (_, Some(_), _) => {
                return Err(io::Error::other("the answer has an unknown encoding"));
            }
            (_, None, Some(len)) => match len.parse() {
                Ok(0) => Framing::Over,
                Ok(len) => Framing::Length(len),
                Err(_) => return Err(io::Error::other("the answer has an invalid length")),
            },
            (_, None, None) => Framing::Close,
        };
        return Ok(Answer { status, headers, body: AnswerBody { from, framing } });
    }
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// The body as it comes; its end is an error where it is cut off.
    pub fn body(self) -> impl Read {
        self.body
    }

    /// The answer if it is no refusal; else what the daemon says, after `what` was not done.
    ///
    /// # Errors
    /// The status is above 299.
    pub fn expect_success(self, what: &str) -> Result<Answer, Failure> {
        if self.status < 300 {
            return Ok(self);
        }
        let status = self.status;
        let text = self.into_text().unwrap_or_default();
        let problem: Value = serde_json::from_str(text.trim()).unwrap_or_default();
        let word = |key: &str| problem.get(key).and_then(Value::as_str).map(str::to_owned);
        let detail = word("detail").or_else(|| word("title")).unwrap_or_else(|| match status {
            404 => String::from("the service there does not know this request; is it another version?"),
            _ => format!("the answer was {status}"),
        });
        let hint = match status {
            // We are not asked at the daemon's own socket.
            401 => Some(String::from("run it as the service's user, or as root: `sudo tallycam ...`")),
            _ => word("hint"),
        };
        Err(Failure::Failed { message: format!("{what}: {detail}"), hint })
    }

    /// The answer's JSON.
    ///
    /// # Errors
    /// It is cut off, or something else.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Failure> {
        let text = self.into_text().map_err(|error| connection_failure(&error))?;
        // No content is `null`: an `Option` can be asked for.
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| {
            Failure::failed(format!("the daemon's answer is not understood: {error}"))
                .hint("is it another version? Restart the daemon")
        })
    }

    fn into_text(self) -> io::Result<String> {
        let mut text = String::new();
        self.body.take(LONGEST_WORDS).read_to_string(&mut text)?;
        Ok(text)
    }
}

impl AnswerBody {
    /// The head of the next chunk; 0 at the end.
    fn chunk(&mut self) -> io::Result<u64> {
        let mut line = String::new();
        (&mut self.from).take(1024).read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        u64::from_str_radix(size.trim(), 16).map_err(|_| io::Error::from(ErrorKind::UnexpectedEof))
    }

    fn read_line_end(&mut self) -> io::Result<()> {
        let mut end = [0; 2];
        self.from.read_exact(&mut end)?;
        if end == *b"\r\n" { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
    }
}

impl Read for AnswerBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let left = match self.framing {
            Framing::Over => return Ok(0),
            Framing::Close => return self.from.read(buffer),
            Framing::Length(left) | Framing::Chunked(Some(left)) => left,
            Framing::Chunked(None) => match self.chunk()? {
                0 => {
                    self.framing = Framing::Over;
                    return Ok(0);
                }
                len => len,
            },
        };
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = self.from.read(&mut buffer[..most])?;
        if got == 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the answer was cut off"));
        }
        let left = left - got as u64;
        self.framing = match (self.framing, left) {
            (Framing::Length(_), 0) => Framing::Over,
            (Framing::Length(_), left) => Framing::Length(left),
            (_, 0) => {
                self.read_line_end()?;
                Framing::Chunked(None)
            }
            (_, left) => Framing::Chunked(Some(left)),
        };
        Ok(got)
    }
}

/// What went wrong between us and the daemon.
fn connection_failure(error: &io::Error) -> Failure {
    let message = match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => String::from("the daemon does not answer"),
        _ => format!("the service could not be reached: {error}"),
    };
    Failure::io(message)
}

/// An address that one can connect to: where it listens everywhere, here.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Where tallycam.socket listens, if it does, for the service whose configuration this is.
fn systemd_listen_addresses(config: &Config) -> Vec<Listen> {
    if config.store.unit.as_deref() != Some(Path::new(StoreConfig::SERVICE)) {
        return Vec::new();
    }
    let shown = child::command("systemctl")
        .args(["show", "--property=ActiveState,Listen", "tallycam.socket"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    // Where there is no systemd nothing is held by it.
    shown.map(|shown| parse_listen_addresses(&String::from_utf8_lossy(&shown.stdout))).unwrap_or_default()
}

/// The addresses of an active socket unit, as systemctl(1) shows it: `Listen=[::]:80 (Stream)`, a line each.
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
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn what_systemd_listens_at_is_read() {
        let tcp = |address: &str| Listen::Tcp(address.parse().unwrap());
        let shown = "Listen=[::]:80 (Stream)\nListen=/run/a b (Stream)\nListen=127.0.0.1:9 (Datagram)\nListen=1.2.3.4:81 (Stream)\nActiveState=active\n";
        assert_eq!(
            parse_listen_addresses(shown),
            [tcp("[::]:80"), Listen::Unix("/run/a b".into()), tcp("1.2.3.4:81")]
        );
        assert_eq!(parse_listen_addresses(&shown.replace("=active", "=inactive")), []);
        assert_eq!(parse_listen_addresses(""), []);
    }

    #[test]
    fn everywhere_is_here() {
        assert_eq!(reachable("0.0.0.0:80".parse().unwrap()).to_string(), "127.0.0.1:80");
        assert_eq!(reachable("[::]:80".parse().unwrap()).to_string(), "[::1]:80");
        assert_eq!(reachable("10.0.0.2:80".parse().unwrap()).to_string(), "10.0.0.2:80");
    }

    fn answered(bytes: &'static [u8]) -> io::Result<(u16, String)> {
        let answer = read_head(Box::new(bytes))?;
        let status = answer.status;
        Ok((status, answer.into_text()?))
    }

    #[test]
    fn answers_are_read_to_their_exact_end() {
        let cases: [(&[u8], (u16, &str)); 5] = [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfourmore", (200, "four")),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", (201, "")),
            (b"HTTP/1.1 204 No Content\r\n\r\nrubbish", (204, "")),
            (b"HTTP/1.0 200 OK\r\n\r\nto the end", (200, "to the end")),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\nA;x=1\r\nten bytes!\r\n0\r\n\r\n",
                (200, "fourten bytes!"),
            ),
        ];
        for (bytes, (status, text)) in cases {
            assert_eq!(
                answered(bytes).unwrap(),
                (status, text.to_owned()),
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let cases: [&[u8]; 8] = [
            b"",
            b"HTTP/1.1 200",
            b"SSH-2.0-OpenSSH\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfou",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nfour",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfou",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxxxx",
        ];
        for bytes in cases {
            assert!(answered(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn refusals_are_told_in_the_daemons_words() {
        let refused = |bytes: &'static [u8]| {
            let Err(failure) = read_head(Box::new(bytes)).unwrap().expect_success("nothing was done") else {
                panic!("it was refused")
            };
            failure.to_text()
        };
        let text = refused(
            b"HTTP/1.1 409 Conflict\r\nContent-Length: 39\r\n\r\n{\"detail\": \"it is there\", \"hint\": \"look\"}",
        );
        assert_eq!(
            text, "tallycam: nothing was done: the answer was 409",
            "a body that is cut off says nothing"
        );
        let text = refused(b"HTTP/1.1 409 Conflict\r\n\r\n{\"detail\": \"it is there\", \"hint\": \"look\"}");
        assert_eq!(text, "tallycam: nothing was done: it is there\nhint: look");
    }

    #[test]
    fn an_answer_that_comes_before_the_body_is_taken_is_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = Listen::Tcp(listener.local_addr().unwrap());
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1000];
            let got = stream.read(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            // What was under way is read, so that the answer is not lost with the connection.
            let mut rest = vec![0; 4 << 20];
            let _ = stream.read(&mut rest);
            String::from_utf8_lossy(&head[..got]).into_owned()
        });
        let daemon = Daemon { listen, patience: ANSWERS_WITHIN };
        let asked = daemon.request("POST", "/api/v1/media?name=a", RequestBody::File(&mut file));
        let head = server.join().unwrap();
        assert!(head.starts_with("POST /api/v1/media?name=a HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Content-Length: 67108864\r\n"), "{head}");
        // The answer may be lost with a connection that is reset, and then that is what is told.
        if let Ok(answer) = asked {
            assert_eq!(answer.status, 413);
        }
    }
}
