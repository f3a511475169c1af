//! TLS between hyper and the socket of a connection that came to an `https://` address.
//!
//! It is driven by the connection's own task, so that a handshake is part of its first read: time limits, places and
//! counts are those of every connection. At most [`BATCH`] bytes are sealed before the kernel has taken them: that is
//! what a slow peer costs, and a picture is a few records of 16 KiB, sealed and sent while they are in the processor's
//! cache.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, ServerConnection};

use crate::http::server::socket::Socket;

/// Plaintext that is sealed at a time: four records.
const BATCH: usize = 64 * 1024;

/// A certificate and its key, ready to be shown to whoever connects.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    fingerprint: String,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The first file has none.
    #[error("there is no certificate in it; it is to be PEM, with the line -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The second file has none.
    #[error("there is no private key in it; it is to be PEM, and not encrypted")]
    NoKey,
    /// They do not go together, or are of a kind that is not known.
    #[error("{0}")]
    Unfit(#[from] rustls::Error),
}

impl TlsIdentity {
    /// Reads a certificate, with those between it and the authority behind it, and its key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<TlsIdentity, IdentityError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|_| IdentityError::NoCertificate)?;
        let first = chain.first().ok_or(IdentityError::NoCertificate)?;
        let pairs: Vec<String> =
            digest(&SHA256, first).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let mut provider = default_provider();
        if !has_aes() {
            provider
                .cipher_suites
                .sort_by_key(|suite| !suite.suite().as_str().is_some_and(|name| name.contains("CHACHA20")));
        }
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // Clients know whether AES is fast where they are, not here.
        config.ignore_client_order = !has_aes();
        // HTTP/2 would need another connection layer: streams, limits and counts are per connection here.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsIdentity { config: Arc::new(config), fingerprint: pairs.join(":") })
    }

    /// The SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Whether the processor has instructions for AES: a Raspberry Pi before the fifth has none, and ChaCha20 costs it
/// less.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("aes")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// One connection's TLS.
#[derive(Debug)]
pub struct Tls {
    session: RefCell<ServerConnection>,
    /// Plaintext that is sealed and not all with the kernel.
    sealed: Cell<usize>,
    /// The first byte that came.
    first: Cell<Option<u8>>,
}

impl Tls {
    /// One that has not begun.
    ///
    /// # Errors
    /// rustls's.
    pub fn new(identity: &TlsIdentity) -> Result<Tls, rustls::Error> {
        let mut session = ServerConnection::new(identity.config.clone())?;
        session.set_buffer_limit(Some(BATCH));
        Ok(Tls { session: RefCell::new(session), sealed: Cell::new(0), first: Cell::new(None) })
    }

    /// Bytes of what was written that the kernel has not taken.
    pub fn unsent(&self) -> usize {
        self.sealed.get()
    }

    /// Whether the peer speaks plain HTTP: what came begins with a letter, which no handshake does (RFC 8446
    /// §5.1).
    pub fn is_plain(&self) -> bool {
        self.first.get().is_some_and(|byte| byte.is_ascii_alphabetic())
    }

    /// Reads what the peer says; 0 at its end. Before that is the handshake.
    pub fn poll_read(
        &self,
        wire: TlsSocket<'_>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.session.borrow_mut().reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                // Many clients close without a word; a request that is cut off is noticed by hyper.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                read => return Poll::Ready(read),
            }
            // Asked first: a viewer's task comes by with every picture, and there is nothing to read.
            ready!(wire.socket.poll_readable(cx))?;
            let mut tap = Tap { wire, first: &self.first };
            match self.session.borrow_mut().read_tls(&mut tap) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => continue,
                read => read?,
            };
            if self.is_plain() {
                return Poll::Ready(Err(io::Error::new(ErrorKind::InvalidData, "this is no TLS")));
            }
            let taken = self.session.borrow_mut().process_new_packets();
            // The server's part of the handshake, or why there is none. What the kernel does not take now goes out with
            // the next call; an error of the socket shows there, too.
            let _ = self.poll_flush(wire, cx)?;
            taken.map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        }
    }

    /// Seals what is due, up to [`BATCH`], and hands the kernel what it takes; pending while it has not taken all that
    /// was sealed before.
    pub fn poll_write(
        &self,
        wire: TlsSocket<'_>,
        cx: &mut Context<'_>,
        runs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(wire, cx))?;
        let bytes = self.session.borrow_mut().writer().write_vectored(runs)?;
        self.sealed.set(bytes);
        let _ = self.poll_flush(wire, cx)?;
        Poll::Ready(Ok(bytes))
    }

    /// Hands the kernel all that is sealed.
    pub fn poll_flush(&self, mut wire: TlsSocket<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut session = self.session.borrow_mut();
        while session.wants_write() {
            match session.write_tls(&mut wire) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => ready!(wire.socket.poll_writable(cx))?,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        self.sealed.set(0);
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more comes, once all that is sealed is out.
    pub fn poll_close(&self, wire: TlsSocket<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.borrow_mut().send_close_notify();
        self.poll_flush(wire, cx)
    }

    /// Writes the last words as far as they go without waiting.
    pub fn say(&self, mut wire: TlsSocket<'_>, words: &[u8]) -> io::Result<()> {
        let mut session = self.session.borrow_mut();
        session.writer().write_all(words)?;
        session.send_close_notify();
        while session.wants_write() {
            session.write_tls(&mut wire)?;
        }
        Ok(())
    }
}

/// The socket as rustls sees it, which counts what the kernel takes.
#[derive(Debug, Clone, Copy)]
pub struct TlsSocket<'a> {
    /// The connection's.
    pub socket: &'a Socket,
    /// Bytes that the kernel has taken.
    pub written: &'a AtomicU64,
}

impl Write for TlsSocket<'_> {
    fn write(&mut self, run: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(run)])
    }

    fn write_vectored(&mut self, runs: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = self.socket.try_write_vectored(runs)?;
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The socket's other way, which notes the first byte that comes.
struct Tap<'a> {
    wire: TlsSocket<'a>,
    first: &'a Cell<Option<u8>>,
}

impl Read for Tap<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.wire.socket.try_read(into)?;
        if self.first.get().is_none() {
            self.first.set(into[..bytes].first().copied());
        }
        Ok(bytes)
    }
}
