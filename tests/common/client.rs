//! The smallest honest HTTP client: every byte the server sends can be looked at.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::DEADLINE;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub version: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

/// A connection with a deadline on every read.
pub fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// One request on a connection of its own.
pub fn request(address: SocketAddr, method: &str, target: &str, more: &str) -> Answer {
    let mut socket = connect(address);
    write!(socket, "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}\r\n").unwrap();
    read_answer(&mut BufReader::new(socket), method == "HEAD")
}

pub fn get(address: SocketAddr, target: &str) -> Answer {
    request(address, "GET", target, "")
}

pub fn post(address: SocketAddr, target: &str) -> Answer {
    request(address, "POST", target, "Content-Length: 0\r\n")
}

/// Reads one answer; `is_head`: its body is not sent.
pub fn read_answer(reader: &mut impl BufRead, is_head: bool) -> Answer {
    let (version, status, headers) = read_head(reader);
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length").filter(|_| !is_head) {
        body.resize(length.parse().unwrap(), 0);
        reader.read_exact(&mut body).unwrap();
    } else if !is_head {
        reader.read_to_end(&mut body).unwrap();
    }
    Answer { status, version, headers, body }
}

fn read_head(reader: &mut impl BufRead) -> (String, u16, HashMap<String, String>) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split_whitespace();
    let version = words.next().unwrap_or_default().to_owned();
    let status = words.next().unwrap_or_default().parse().unwrap_or_else(|_| panic!("no status in {line:?}"));
    (version, status, read_fields(reader))
}

fn read_fields(reader: &mut impl BufRead) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the head breaks off");
        let Some(line) = line.strip_suffix("\r\n") else { panic!("a line without CRLF: {line:?}") };
        if line.is_empty() {
            return fields;
        }
        let (name, value) = line.split_once(':').unwrap();
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

/// A stream being watched: strict, any deviation from the form panics.
pub struct Parts {
    reader: BufReader<TcpStream>,
    pub headers: HashMap<String, String>,
    pub version: String,
}

/// One part of a stream.
#[derive(Debug)]
pub struct Part {
    pub fields: HashMap<String, String>,
    pub jpeg: Vec<u8>,
}

impl Part {
    /// The test picture's number; `None` for a still card.
    pub fn number(&self) -> Option<u64> {
        super::testcam::number_of(&self.jpeg)
    }
}

/// Opens a stream and reads its head.
pub fn watch(address: SocketAddr, target: &str) -> Parts {
    watch_on(connect(address), target)
}

/// Opens a stream on a connection made already.
pub fn watch_on(mut socket: TcpStream, target: &str) -> Parts {
    write!(socket, "GET {target} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut reader = BufReader::new(socket);
    let (version, status, headers) = read_head(&mut reader);
    assert_eq!(status, 200, "{headers:?}");
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "--frame\r\n");
    Parts { reader, headers, version }
}

impl Parts {
    /// The next part, to the boundary that follows it; `None` when the stream has ended.
    pub fn next(&mut self) -> Option<Part> {
        if self.reader.fill_buf().unwrap().is_empty() {
            return None;
        }
        let fields = read_fields(&mut self.reader);
        let mut jpeg = vec![0; fields["content-length"].parse().unwrap()];
        self.reader.read_exact(&mut jpeg).unwrap();
        let mut boundary = [0; 11];
        self.reader.read_exact(&mut boundary).unwrap();
        assert_eq!(&boundary, b"\r\n--frame\r\n");
        Some(Part { fields, jpeg })
    }

    /// The next part that is no still card.
    pub fn next_live(&mut self) -> u64 {
        loop {
            if let Some(number) = self.next().expect("the stream has ended").number() {
                return number;
            }
        }
    }

    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}
