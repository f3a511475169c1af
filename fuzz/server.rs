//! The whole daemon with any request: nothing panics, and every client gets an answer.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tallycam::config::OperatorConfig;

/// The socket of this process's daemon.
static SOCKET: OnceLock<PathBuf> = OnceLock::new();

/// Maximum number of bytes read from an answer: a stream has no end.
const MOST: usize = 256 << 10;

/// Silence after which an answer counts as complete.
const IDLE: Duration = Duration::from_millis(30);

/// The first line is method and address, then head fields follow, and after an empty line the body. After a `!` the
/// bytes are sent unchanged. They are sent over a Unix socket, so with the owner's rights: every route is reached.
pub fn server(data: &[u8]) {
    let mut socket = UnixStream::connect(started()).expect("the daemon listens");
    socket.set_read_timeout(Some(IDLE)).expect("a socket");
    // The daemon may refuse the rest of the bytes.
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

/// A daemon runs here, and none of its threads may panic.
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

/// The socket of this process's daemon, which shows the simulation and has its own state folder.
fn started() -> &'static Path {
    SOCKET.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        // SAFETY: no other thread runs yet. With this PATH no program is found by its name, so that nothing switches
        // this machine off. A write to a closed connection is an error, as in every Rust program; here libFuzzer has
        // `main`.
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
            // An empty file: the files in this folder must not matter.
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
