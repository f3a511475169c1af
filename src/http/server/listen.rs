//! Listening sockets: made here, or handed over by systemd.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Type};

use tallycam_base::{Fault, FaultKind};
use tallycam_config::Listen;

/// Connections that may wait to be accepted; the kernel caps the number (`net.core.somaxconn`).
const BACKLOG: i32 = 1024;

/// Owner and group may connect to a Unix socket: the front web server joins the group.
const UNIX_MODE: u32 = 0o660;

/// A socket that accepts connections.
#[derive(Debug)]
pub enum Listener {
    /// TCP, version 4 or 6.
    Tcp(TcpListener),
    /// TCP for HTTPS.
    Https(TcpListener),
    /// A Unix stream socket.
    Unix(UnixListener),
}

impl Listener {
    /// The address people can use: `192.168.1.5:8080`, `https://192.168.1.5:8443`, `unix:/run/tallycam/http.sock`.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(tcp) => tcp.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string()),
            Listener::Https(tcp) => {
                tcp.local_addr().map_or_else(|e| e.to_string(), |a| Listen::Https(a).to_string())
            }
            Listener::Unix(unix) => {
                let path = unix.local_addr().ok().and_then(|a| a.as_pathname().map(Path::to_path_buf));
                path.map_or_else(|| String::from("unix:"), |path| format!("unix:{}", path.display()))
            }
        }
    }
}

impl Listener {
    /// True if other machines can reach it: it is not bound to a loopback address. A Unix socket counts as local; its
    /// web server in front decides who reaches it.
    pub fn is_reached(&self) -> bool {
        match self {
            Listener::Tcp(tcp) | Listener::Https(tcp) => {
                tcp.local_addr().is_ok_and(|a| !a.ip().to_canonical().is_loopback())
            }
            Listener::Unix(_) => false,
        }
    }

    /// True for HTTPS.
    pub fn is_https(&self) -> bool {
        matches!(self, Listener::Https(_))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(tcp) | Listener::Https(tcp) => tcp.as_fd(),
            Listener::Unix(unix) => unix.as_fd(),
        }
    }
}

/// True if the address may come later: no interface has it yet, or the socket's directory does not exist yet.
pub fn is_absent(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::AddrNotAvailable | ErrorKind::NotFound)
}

/// The fault of an address that cannot be listened on, with a remedy.
pub fn refused(listen: &Listen, cause: &io::Error) -> Fault {
    let address = listen.to_string();
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let hint = match (cause.kind(), port) {
        (ErrorKind::AddrInUse, Some(port)) => Some(format!(
            "another program listens there (`ss -ltnp 'sport = :{port}'` names it): stop it, or set another port in \
             `http.listen`"
        )),
        (ErrorKind::AddrInUse, None) => Some(
            "another program answers on this socket: stop it, or set another path in `http.listen`".into(),
        ),
        (ErrorKind::PermissionDenied, Some(port)) if port < 1024 => Some(format!(
            "ports below 1024 are for root: set a port above, or start through systemd's socket, which may have port \
             {port}"
        )),
        (ErrorKind::PermissionDenied, _) => Some(
            "this user may not create a socket there: choose another directory, or change its owner".into(),
        ),
        (ErrorKind::AddrNotAvailable, _) => {
            Some("this machine has no such address (`ip address` lists them): 0.0.0.0 means all".into())
        }
        (ErrorKind::NotFound, None) => Some("the directory does not exist".into()),
        _ => None,
    };
    Fault { hint, ..Fault::new(FaultKind::File, format!("cannot listen on {address}: {cause}")) }
}

/// Listens at the configured address. Replaces a Unix socket that a dead service left behind, but not one that
/// answers. Never removes a file that is not a socket.
///
/// # Errors
/// The operating system's; [`refused`] explains it.
pub fn bind(listen: &Listen) -> io::Result<Listener> {
    match listen {
        Listen::Tcp(address) => bind_tcp(*address).map(Listener::Tcp),
        Listen::Https(address) => bind_tcp(*address).map(Listener::Https),
        Listen::Unix(path) => bind_unix(path).map(Listener::Unix),
    }
}

/// Tries whether `address` can be listened on some time. A port in use counts as such: this process may have it.
///
/// # Errors
/// No interface has the address, or the port is forbidden. [`refused`] explains it.
pub fn try_address(address: SocketAddr) -> io::Result<()> {
    match bound_socket(address) {
        Err(cause) if cause.kind() != ErrorKind::AddrInUse => Err(cause),
        _ => Ok(()),
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound_socket(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bound_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart need not wait for the old connections' last minutes.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Allows "0.0.0.0:8080" and "[::]:8080" side by side.
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(e) if e.kind() == ErrorKind::AddrInUse && is_left_behind(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(UNIX_MODE))?;
    Ok(listener)
}

/// The socket for the command line, in the service's state `directory`.
pub fn control_path(directory: &Path) -> PathBuf {
    directory.join("control.sock")
}

/// Listens on a Unix socket that only this user and root can open. Replaces one that a dead service left behind.
///
/// # Errors
/// The operating system's: another service answers there, the directory is not writable, the path is longer than 107
/// bytes.
pub fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let listener = bind_unix(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// True for a socket without a listening process.
fn is_left_behind(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(listen: &Listen) -> Fault {
        refused(listen, &bind(listen).unwrap_err())
    }

    #[test]
    fn a_port_in_use_is_named_with_a_hint() {
        let first = bind(&Listen::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let address: SocketAddr = first.address().parse().unwrap();
        let error = refusal(&Listen::Tcp(address));
        assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
        assert!(error.hint.as_ref().unwrap().contains(&format!("sport = :{}", address.port())));
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("http.sock");
        let listen = Listen::Unix(path.clone());
        let first = bind(&listen).unwrap();
        assert_eq!(first.address(), format!("unix:{}", path.display()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, UNIX_MODE);
        assert!(refusal(&listen).hint.unwrap().starts_with("another program answers on this socket"));
        drop(first);
        // A child process that another test is starting holds a copy until it executes its program.
        let soon = (0..1000).any(|_| {
            bind(&listen).is_ok() || {
                std::thread::sleep(std::time::Duration::from_millis(10));
                false
            }
        });
        assert!(soon, "a dead socket is replaced");
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "keep me").unwrap();
        assert!(refusal(&Listen::Unix(path.clone())).hint.is_some());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "keep me");
        let nowhere = refusal(&Listen::Unix(dir.path().join("none/http.sock")));
        assert_eq!(nowhere.hint.as_deref(), Some("the directory does not exist"));
    }
}
