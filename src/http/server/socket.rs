//! A stream socket, TCP or Unix, with the kernel's queue lengths.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::{TcpStream, UnixStream};

#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Sets the options of a TCP connection. Failures are ignored: the peer has gone, or the kernel does without.
    pub fn prepare(&self) {
        if let Socket::Tcp(tcp) = self {
            let _ = tcp.set_nodelay(true);
            let _ = sockopt::set_socket_keepalive(tcp, true);
        }
    }

    /// Sets `TCP_USER_TIMEOUT` (tcp(7)): the kernel resets a TCP connection whose peer has acknowledged nothing, or
    /// has had no room, for this `time`. It also applies after the close, which is its purpose here.
    pub fn give_up_after(&self, time: Duration) {
        if let Socket::Tcp(tcp) = self {
            // 0 would mean the system's own limit.
            let _ = sockopt::set_tcp_user_timeout(tcp, time.as_millis().clamp(1, u32::MAX.into()) as u32);
        }
    }

    /// Bytes that the kernel has taken and not sent. For a Unix socket: the memory that holds the bytes the peer has
    /// not read.
    pub fn unsent(&self) -> usize {
        match self {
            Socket::Tcp(_) => unsent(self),
            Socket::Unix(_) => queued::<SIOCOUTQ>(self.as_fd()),
        }
    }

    /// The local address of a TCP connection; `None` for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(s) => s.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Another descriptor of a TCP connection, for another thread; `None` for a Unix socket, or if no descriptor is
    /// free.
    pub fn another(&self) -> Option<OwnedFd> {
        match self {
            Socket::Tcp(s) => s.as_fd().try_clone_to_owned().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Bytes that the kernel has taken and the peer has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        queued::<SIOCOUTQ>(self.as_fd())
    }

    /// Makes the next close a reset, which frees the kernel's buffers at once.
    pub fn reset_on_close(&self) {
        let _ = sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }

    /// Reads without waiting.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_read(buffer),
            Socket::Unix(s) => s.try_read(buffer),
        }
    }

    /// Writes as much as possible without waiting.
    pub fn try_write_vectored(&self, runs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_write_vectored(runs),
            Socket::Unix(s) => s.try_write_vectored(runs),
        }
    }

    /// Ready when a read may succeed.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(s) => s.poll_read_ready(cx),
            Socket::Unix(s) => s.poll_read_ready(cx),
        }
    }

    /// Ready when a write may succeed.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(s) => s.poll_write_ready(cx),
            Socket::Unix(s) => s.poll_write_ready(cx),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(s) => s.as_fd(),
            Socket::Unix(s) => s.as_fd(),
        }
    }
}

/// `SIOCOUTQNSD` of linux/sockios.h: bytes not sent.
const SIOCOUTQNSD: rustix::ioctl::Opcode = 0x894B;
/// `SIOCOUTQ` of linux/sockios.h, the same number as `TIOCOUTQ`: bytes not acknowledged.
const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;

/// Bytes of a TCP connection that the kernel has taken and not sent.
pub fn unsent(socket: &impl AsFd) -> usize {
    queued::<SIOCOUTQNSD>(socket.as_fd())
}

/// One of the queue lengths; 0 if the kernel gives none.
fn queued<const WHICH: rustix::ioctl::Opcode>(socket: BorrowedFd<'_>) -> usize {
    // SAFETY: both requests only write one C int through the given pointer (tcp(7), unix(7)), and `Getter` provides
    // room for exactly that.
    let length = unsafe { rustix::ioctl::ioctl(socket, rustix::ioctl::Getter::<WHICH, i32>::new()) };
    length.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read;

    /// Writes until the socket takes no more; returns the number of bytes written.
    fn fill(socket: &Socket) -> usize {
        let run = [7; 16 * 1024];
        let mut bytes = 0;
        while let Ok(n) = socket.try_write_vectored(&[IoSlice::new(&run)]) {
            bytes += n;
        }
        bytes
    }

    async fn until(mut what: impl FnMut() -> bool) {
        for _ in 0..10_000 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("waited in vain");
    }

    #[tokio::test]
    async fn the_queues_of_a_tcp_socket_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Socket::Tcp(listener.accept().await.unwrap().0);
        socket.prepare();
        socket.give_up_after(Duration::from_secs(15));
        std::future::poll_fn(|cx| socket.poll_writable(cx)).await.unwrap();
        assert_eq!((socket.unsent(), socket.unacknowledged()), (0, 0));
        let written = fill(&socket);
        // The peer reads nothing: its kernel takes a part, the rest waits here.
        assert!(socket.unsent() > 0 && socket.unsent() <= socket.unacknowledged());
        assert!(socket.unacknowledged() <= written);
        let reader = std::thread::spawn(move || {
            let mut all = vec![0; written];
            peer.read_exact(&mut all).unwrap();
            peer
        });
        until(|| socket.unacknowledged() == 0).await;
        assert_eq!(socket.unsent(), 0);
        drop(reader.join().unwrap());
    }

    #[tokio::test]
    async fn bytes_that_a_unix_peer_has_not_read_count_as_unsent() {
        let (ours, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::Unix(UnixStream::from_std(ours).unwrap());
        std::future::poll_fn(|cx| socket.poll_writable(cx)).await.unwrap();
        assert_eq!(socket.unsent(), 0);
        let written = fill(&socket);
        assert!(socket.unsent() > 0);
        let mut all = vec![0; written];
        peer.read_exact(&mut all).unwrap();
        assert_eq!(socket.unsent(), 0);
    }
}
