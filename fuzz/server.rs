//! The whole daemon before any request: nothing panics, and everybody gets an answer.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tallycam::config::OperatorConfig;

/// Where the daemon of this process listens.
static SOCKET: OnceLock<PathBuf> = OnceLock::new();

/// What is read of an answer: a stream has no end.
const MOST: usize = 256 << 10;

/// Silence that ends the reading of an answer that has begun.
const IDLE: Duration = Duration::from_millis(30);

/// The first line is method and address, then come head fields, and behind an empty line the body. After a `!` the bytes
/// are sent as they are. It comes over a Unix socket, so as the owner's: every route is reached.
pub fn server(data: &[u8]) {
    let mut socket = UnixStream::connect(started()).expect("the daemon listens");
    socket.set_read_timeout(Some(IDLE)).expect("a socket");
    // It may refuse the rest of what it is sent.
    let _ = socket.write_all(&request(data));
    let _ = socket.shutdown(Shutdown::Write);
    let (mut answer, mut piece, begun) = (0, [0; 16 << 10], Instant::now());
    let mut first = Vec::new();
    while answer < MOST {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(len) => {
                answer += len;
                first.extend_from_slice(&piece[..len.min(9_usize.saturating_sub(first.len()))]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && answer == 0 => {
                assert!(begun.elapsed() < Duration::from_secs(15), "no answer");
            }
            Err(_) => break,
        }
    }
    let is_http = first.starts_with(b"HTTP/1.1 ") || first.starts_with(b"HTTP/1.0 ");
    assert!(first.is_empty() || is_http, "the answer begins with {first:?}");
}

/// Whether a daemon runs here, none of whose threads may panic.
pub fn has_started() -> bool {
    SOCKET.get().is_some()
}

fn request(data: &[u8]) -> Vec<u8> {
    if let [b'!', raw @ ..] = data {
        return raw.to_vec();
    }
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let body = data.get(end + 2..).unwrap_or_default();
    let mut lines = data[..end].split(|byte| *byte == b'\n');
    let mut request = lines.next().unwrap_or_default().to_vec();
    request.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n");
    for line in lines {
        request.extend_from_slice(line);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// The socket of a daemon of this process, which shows the simulated scene and keeps in a folder of its own.
fn started() -> &'static Path {
    SOCKET.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        // SAFETY: no other thread has begun. No program is found by its name then: nothing switches this machine off. A
        // connection that is closed is an error, as in every program of Rust's, whose start is libFuzzer's here.
        unsafe {
            std::env::set_var("PATH", &folder);
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        }
        let socket = folder.join("socket");
        let sets = [
            format!("http.listen=[\"unix:{}\"]", socket.display()),
            format!("store.directory={:?}", folder.join("state").display().to_string()),
            String::from("source.kind=\"sim\""),
            String::from("source.width=160"),
            String::from("source.height=120"),
            String::from("detect.backend=\"none\""),
            String::from("log.level=\"error\""),
        ];
        let operator = move || {
            // A file that is there and empty: what lies in this folder is nobody's business.
            OperatorConfig::read(
                Some(Path::new("/dev/null")),
                &sets,
                std::iter::empty::<(OsString, OsString)>(),
            )
        };
        std::thread::spawn(move || {
            let ended = tallycam::daemon::serve(operator(), operator, true);
            panic!("the daemon has ended: {ended:?}");
        });
        while UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        socket
    })
}
