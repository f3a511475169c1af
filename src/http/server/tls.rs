//! TLS between hyper and the socket of a connection to an `https://` address.
//!
//! The connection's own task drives it, and a handshake is part of the first read; time limits, places and counts are
//! the same as for every connection. At most [`BATCH`] bytes are encrypted before the kernel has taken them, which
//! bounds the cost of a slow peer. A picture is a few records of 16 KiB, encrypted and sent while they are in the
//! processor's cache.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use ring::digest::{SHA256, digest};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys, ServerConfig, ServerConnection};

use crate::http::server::socket::Socket;

/// Plaintext bytes encrypted at a time: four records.
const BATCH: usize = 64 * 1024;

/// A certificate with its key, ready for connections.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    config: Arc<ServerConfig>,
    der: CertificateDer<'static>,
    fingerprint: String,
}

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The first file contains none.
    #[error("there is no certificate in it; it is to be PEM, with the line -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The second file contains none.
    #[error("there is no private key in it; it is to be PEM, and not encrypted")]
    NoKey,
    /// The key belongs to another certificate.
    #[error("the private key belongs to none of the certificates")]
    Mismatch,
    /// They are of an unknown kind.
    #[error("{0}")]
    Unfit(#[from] rustls::Error),
}

impl TlsIdentity {
    /// Reads a certificate with its intermediate certificates, in any order, and its key.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<TlsIdentity, IdentityError> {
        // PEM is ASCII. Editors add a byte order mark, or write UTF-16.
        let ascii = |text: &[u8]| -> Vec<u8> {
            text.iter().copied().filter(|byte| byte.is_ascii() && *byte != 0).collect()
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&ascii(certificate)).collect();
        let chain = chain.map_err(|_| IdentityError::NoCertificate)?;
        if chain.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(&ascii(key)).map_err(|_| IdentityError::NoKey)?;
        let chain = led_by_own(chain, &key)?;
        let first = chain.first().ok_or(IdentityError::NoCertificate)?.clone();
        let pairs: Vec<String> =
            digest(&SHA256, &first).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
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
        // Clients order ciphers by their own speed; a server without AES instructions uses its own order.
        config.ignore_client_order = !has_aes();
        // HTTP/2 would need another connection layer: here streams, limits and counts are per connection.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsIdentity { config: Arc::new(config), der: first, fingerprint: pairs.join(":") })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// `chain` with the certificate of `key` first (RFC 8446 §4.4.2). Some files begin with the authority's.
fn led_by_own(
    mut chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let key = default_provider().key_provider.load_private_key(key.clone_key())?;
    let is_own = |certificate: &CertificateDer<'static>| {
        let pair = CertifiedKey::new(vec![certificate.clone()], key.clone());
        !matches!(pair.keys_match(), Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)))
    };
    match chain.iter().position(is_own) {
        None => return Err(IdentityError::Mismatch),
        Some(0) => {}
        Some(last) if last + 1 == chain.len() => chain.reverse(),
        Some(at) => chain[..=at].rotate_right(1),
    }
    Ok(chain)
}

/// True if the processor has AES instructions. A Raspberry Pi before the fifth has none, and ChaCha20 costs it less.
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

/// The TLS state of one connection.
#[derive(Debug)]
pub struct Tls {
    session: RefCell<ServerConnection>,
    /// Plaintext bytes that are encrypted and not all with the kernel.
    sealed: Cell<usize>,
    /// The first byte from the peer.
    first: Cell<Option<u8>>,
}

impl Tls {
    /// A session before its handshake.
    ///
    /// # Errors
    /// rustls's.
    pub fn new(identity: &TlsIdentity) -> Result<Tls, rustls::Error> {
        let mut session = ServerConnection::new(identity.config.clone())?;
        session.set_buffer_limit(Some(BATCH));
        Ok(Tls { session: RefCell::new(session), sealed: Cell::new(0), first: Cell::new(None) })
    }

    /// Written bytes that the kernel has not taken.
    pub fn unsent(&self) -> usize {
        self.sealed.get()
    }

    /// True if the peer speaks plain HTTP: its first byte is a letter, which never starts a handshake (RFC 8446
    /// §5.1).
    pub fn is_plain(&self) -> bool {
        self.first.get().is_some_and(|byte| byte.is_ascii_alphabetic())
    }

    /// Reads from the peer, after the handshake; 0 at the end of input.
    pub fn poll_read(
        &self,
        wire: TlsSocket<'_>,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.session.borrow_mut().reader().read(into) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                // Many clients close without notice; hyper detects a truncated request.
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Poll::Ready(Ok(0)),
                read => return Poll::Ready(read),
            }
            // Asked first, because a viewer's task comes by with every picture and there is usually nothing to read.
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
            // Sends the server's part of the handshake, or the reason for its failure. Bytes that the kernel refuses
            // now go out with the next call, which also shows an error of the socket.
            let _ = self.poll_flush(wire, cx)?;
            taken.map_err(|e| io::Error::new(ErrorKind::InvalidData, e))?;
        }
    }

    /// Encrypts up to [`BATCH`] bytes and hands them to the kernel; pending while earlier bytes wait for the kernel.
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

    /// Hands all encrypted bytes to the kernel.
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

    /// Announces the end of output to the peer, once all encrypted bytes are out.
    pub fn poll_close(&self, wire: TlsSocket<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.borrow_mut().send_close_notify();
        self.poll_flush(wire, cx)
    }

    /// Writes the last message as far as possible without waiting.
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

/// The socket for rustls; counts the bytes that the kernel takes.
#[derive(Debug, Clone, Copy)]
pub struct TlsSocket<'a> {
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

/// The reading side of the socket; notes the first byte.
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
