//! A plain HTTP client that exposes every byte of the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::DEADLINE;

pub fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut client = Client::new(TcpStream::connect(address).unwrap());
    client.send(request);
    client.answer(request.starts_with("HEAD "))
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"))
}

/// `method path` with JSON, as a program on this machine.
pub fn send_json(address: SocketAddr, method: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    ask(address, &(head + &body))
}

/// The client's side of a connection: TCP, or a layer over it.
pub struct Client<S: Read + Write = TcpStream>(pub BufReader<S>);

#[derive(Debug)]
pub struct Answer {
    pub version: String,
    pub status: u16,
    head: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers, in the order of arrival.
    pub fn headers(&self) -> &[(String, String)] {
        &self.head
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Client {
    pub fn new(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client::over(stream)
    }
}

impl<S: Read + Write> Client<S> {
    /// A client on a stream that has its own read timeout.
    pub fn over(stream: S) -> Client<S> {
        Client(BufReader::with_capacity(1024, stream))
    }

    pub fn send(&mut self, request: &str) {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// `GET path` as the connection's next request.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"));
        self.answer(false)
    }

    /// Begins to watch `path`, as a program on this machine.
    pub fn watch(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = self.head();
        assert_eq!((answer.status, answer.version.as_str()), (200, "HTTP/1.0"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("multipart/x-mixed-replace; boundary=frame"));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!(self.line(), "--frame");
    }

    pub fn head(&mut self) -> Answer {
        let status = self.line();
        let (version, rest) = status.split_once(' ').unwrap_or_else(|| panic!("no status line: {status:?}"));
        let mut answer = Answer {
            version: version.to_owned(),
            status: rest[..3].parse().unwrap(),
            head: self.fields(),
            body: Vec::new(),
        };
        answer.head.shrink_to_fit();
        answer
    }

    /// A complete response: up to `Content-Length`, or to the end.
    pub fn answer(&mut self, is_head: bool) -> Answer {
        let mut answer = self.head();
        if is_head || matches!(answer.status, 204 | 304) {
            return answer;
        }
        match answer.header("content-length").map(|n| n.parse().unwrap()) {
            Some(len) => {
                answer.body = vec![0; len];
                self.0.read_exact(&mut answer.body).unwrap();
            }
            None => {
                self.0.read_to_end(&mut answer.body).unwrap();
            }
        }
        answer
    }

    /// The next part's JPEG, with every byte around it checked; `None` at the end of the stream.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        let (_, len) = self.part_head()?;
        Some(self.part_body(len))
    }

    /// The next part's time, as text, and the length of its JPEG, which [`Client::part_body`] reads.
    pub fn part_head(&mut self) -> Option<(String, usize)> {
        if self.0.fill_buf().unwrap().is_empty() {
            return None;
        }
        let fields = self.fields();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Content-Type", "Content-Length", "X-Timestamp"]);
        assert_eq!(fields[0].1, "image/jpeg");
        let (seconds, micros) = fields[2].1.split_once('.').unwrap();
        assert!(seconds.parse::<u64>().unwrap() > 1_700_000_000 && micros.len() == 6);
        Some((fields[2].1.clone(), fields[1].1.parse().unwrap()))
    }

    /// The rest of a part whose head has been read.
    pub fn part_body(&mut self, len: usize) -> Vec<u8> {
        let mut jpeg = vec![0; len];
        self.0.read_exact(&mut jpeg).unwrap();
        assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "no whole JPEG");
        let mut between = [0; 11];
        self.0.read_exact(&mut between).unwrap();
        assert_eq!(&between, b"\r\n--frame\r\n");
        jpeg
    }

    /// The rest of the stream until the server closes it; panics if it does not.
    pub fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).map(|_| rest)
    }

    fn fields(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            fields.push((name.to_owned(), value.to_owned()));
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "the connection ended in the middle of {line:?}");
        line.truncate(line.len() - 2);
        line
    }
}
