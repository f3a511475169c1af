//! Checks whether an address can be listened on, and if not, which program has it.

use std::fs;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::http::SPEAKS_HTTPS;
use tallycam_config::Listen;

/// Time that a listener gets to identify itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Most bytes that are read of an answer.
const ANSWER: u64 = 64 * 1024;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortAddress {
    /// The address can be listened on.
    Free,
    /// A tallycam listens there already.
    Ours,
    /// Another program listens there; its name if known, as in "python3 (process 123)".
    Taken(Option<String>),
    /// The address cannot be listened on: the reason and a hint.
    Refused(String, Option<String>),
}

/// Tries to listen on `listen` and closes the socket again.
pub fn check_address(listen: &Listen) -> PortAddress {
    match listen {
        Listen::Tcp(address) | Listen::Https(address) => try_tcp(*address),
        Listen::Unix(path) => unix(path),
    }
}

fn try_tcp(address: SocketAddr) -> PortAddress {
    match TcpListener::bind(address) {
        Ok(_) => PortAddress::Free,
        Err(error) => match error.kind() {
            io::ErrorKind::AddrInUse if is_tallycam_at(address) => PortAddress::Ours,
            io::ErrorKind::AddrInUse => PortAddress::Taken(listening_program(address.port())),
            io::ErrorKind::PermissionDenied => PortAddress::Refused(
                error.to_string(),
                Some(String::from("ports below 1024 need root or systemd's sockets: use a higher one")),
            ),
            io::ErrorKind::AddrNotAvailable => PortAddress::Refused(
                format!("no network interface of this machine has the address {}", address.ip()),
                Some(format!("\"0.0.0.0:{}\" listens on all of them", address.port())),
            ),
            _ => PortAddress::Refused(error.to_string(), None),
        },
    }
}

fn unix(path: &Path) -> PortAddress {
    match UnixStream::connect(path) {
        Ok(stream) => {
            let limited = stream
                .set_read_timeout(Some(ANSWER_WITHIN))
                .and_then(|()| stream.set_write_timeout(Some(ANSWER_WITHIN)));
            match limited.and_then(|()| is_tallycam(stream)) {
                Ok(true) => PortAddress::Ours,
                _ => PortAddress::Taken(None),
            }
        }
        // A stale socket; the service replaces it at its start.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            PortAddress::Free
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(folder) if folder.is_dir() => match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK)
            {
                Ok(()) => PortAddress::Free,
                Err(error) => {
                    PortAddress::Refused(format!("{} may not be written: {error}", folder.display()), None)
                }
            },
            _ => PortAddress::Refused(
                String::from("its folder is not there"),
                path.parent().map(|folder| format!("mkdir {}", folder.display())),
            ),
        },
        Err(error) => PortAddress::Refused(error.to_string(), None),
    }
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(path).is_ok_and(|facts| facts.file_type().is_socket())
}

fn is_tallycam_at(mut address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let asked = TcpStream::connect_timeout(&address, ANSWER_WITHIN).and_then(|stream| {
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        is_tallycam(stream)
    });
    asked.unwrap_or(false)
}

/// Asks for `/metrics`, where our names begin with `tallycam_`. An HTTPS listener of ours says so in its answer.
fn is_tallycam(mut stream: impl io::Read + io::Write) -> io::Result<bool> {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // A time-out or reset may follow a useful answer.
    let _ = stream.take(ANSWER).read_to_end(&mut answer);
    let says = |words: &[u8]| answer.windows(words.len()).any(|window| window == words);
    Ok(says(b"tallycam_") || says(SPEAKS_HTTPS.as_bytes()))
}

/// The program that listens on TCP `port`, if this user may see it (proc_pid_fd(5)).
fn listening_program(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listener(line, port)).collect::<Vec<_>>())
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten().filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()))
    });
    for process in processes {
        let Ok(open) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = open
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|link| link.to_str().is_some_and(|link| inodes.iter().any(|inode| inode == link)));
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(format!("{} (process {})", name.trim(), process.file_name().to_string_lossy()));
        }
    }
    None
}

/// The inode of the socket in a line of /proc/net/tcp, if it listens on `port` (state 0A).
fn listener(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, local, _, "0A", ..] = fields.as_slice() else { return None };
    let of = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    (of == port).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::io::Write as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Listens, and answers one connection with `answer`.
    fn answering(answer: &'static [u8]) -> (TcpListener, std::thread::JoinHandle<()>) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let accepting = server.try_clone().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = accepting.accept().unwrap();
            let mut head = [0; 4];
            stream.read_exact(&mut head).unwrap();
            stream.write_all(answer).unwrap();
            // The client closes first: a close with half of the request unread would be a reset.
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        (server, thread)
    }

    #[test]
    fn a_free_address_is_free_and_a_foreign_one_is_refused() {
        assert_eq!(check_address(&Listen::Tcp("127.0.0.1:0".parse().unwrap())), PortAddress::Free);
        let PortAddress::Refused(why, hint) = check_address(&Listen::Tcp("192.0.2.1:8080".parse().unwrap()))
        else {
            panic!("a documentation address is nobody's");
        };
        assert!(why.contains("192.0.2.1") && hint.unwrap().contains("0.0.0.0:8080"));
    }

    #[test]
    fn another_program_is_named() {
        let (server, thread) = answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        let PortAddress::Taken(Some(owner)) = check_address(&Listen::Tcp(server.local_addr().unwrap()))
        else {
            panic!("not taken, or by nobody")
        };
        assert!(owner.contains(&format!("(process {})", std::process::id())), "{owner}");
        thread.join().unwrap();
    }

    #[test]
    fn a_running_tallycam_is_recognised_by_its_metrics() {
        let (server, thread) =
            answering(b"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\ntallycam_build_info 1");
        assert_eq!(check_address(&Listen::Tcp(server.local_addr().unwrap())), PortAddress::Ours);
        thread.join().unwrap();
    }

    #[test]
    fn unix_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        assert_eq!(check_address(&Listen::Unix(path.clone())), PortAddress::Free);
        let server = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || drop(server.accept().unwrap()));
        assert_eq!(check_address(&Listen::Unix(path.clone())), PortAddress::Taken(None));
        thread.join().unwrap();
        // A child process that another test is starting inherits the socket until it executes its program.
        let unused = || check_address(&Listen::Unix(path.clone())) == PortAddress::Free;
        let soon = (0..1000).any(|_| {
            unused() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(soon, "a stale socket is replaced");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(check_address(&Listen::Unix(file)), PortAddress::Refused(..)));
        let absent = folder.path().join("no/http.sock");
        assert!(matches!(check_address(&Listen::Unix(absent)), PortAddress::Refused(_, Some(_))));
    }

    #[test]
    fn lines_of_the_kernels_table() {
        let line =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 12345 1 x";
        assert_eq!(listener(line, 8080).as_deref(), Some("12345"));
        assert_eq!(listener(line, 8081), None);
        assert_eq!(listener(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(listener("  sl  local_address rem_address   st", 8080), None);
    }
}
