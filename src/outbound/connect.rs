//! Connections to other machines, plain or TLS.
//!
//! A name is resolved once, every address is checked, and the connection goes to a checked address. A second, other
//! answer for the name leads nowhere (DNS rebinding).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError};

use super::networks::OwnNetworks;
use tallycam_base::{Fault, FaultKind};
use tallycam_config::{Origin, Resolved};

/// Time limit for the name, for the connection and for the handshake, each.
const WITHIN: Duration = Duration::from_secs(5);

/// TLS for connections.
pub type OutboundTls = TlsConnector;

/// A connected socket.
pub trait OutboundSocket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> OutboundSocket for T {}

/// The hosts that a connection may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostLimit {
    /// All: the operator of the machine named the host.
    Anywhere,
    /// Public ones outside the networks of this machine, and these hosts: somebody named the host on the page
    /// (server-side request forgery, CWE-918).
    Public(Vec<String>),
}

impl HostLimit {
    /// The limit for addresses in the key `path`: of the operator's file, or of the page.
    pub fn of(resolved: &Resolved, path: &str) -> HostLimit {
        match resolved.origin(path).is_some_and(Origin::is_operators) {
            true => HostLimit::Anywhere,
            false => HostLimit::Public(resolved.config.messages.hosts.clone()),
        }
    }

    /// `own`: the networks that this machine is in.
    fn allows(&self, host: &str, address: IpAddr, own: &OwnNetworks) -> bool {
        let HostLimit::Public(named) = self else { return true };
        let is_named =
            |one: &String| one.eq_ignore_ascii_case(host) || one.parse() == Ok(address.to_canonical());
        (is_public(address) && !own.contain(address)) || named.iter().any(is_named)
    }

    /// The networks that this machine is in, as far as they matter here.
    async fn own_networks(&self) -> Result<OwnNetworks, Fault> {
        match self {
            HostLimit::Anywhere => Ok(OwnNetworks::default()),
            HostLimit::Public(_) => {
                let read = spawn_blocking(OwnNetworks::read).await;
                read.map_err(|panicked| Fault::passing(panicked.to_string()))
            }
        }
    }
}

/// Connects to `host`, a name or an address without brackets; with `tls` over TLS.
///
/// # Errors
/// No such host, nothing listens, it may not be reached, or its certificate is not good, in words.
pub async fn connect(
    host: &str,
    port: u16,
    tls: Option<&TlsConnector>,
    reach: &HostLimit,
) -> Result<Box<dyn OutboundSocket>, Fault> {
    let unreachable = |what: String| Fault::new(FaultKind::Unreachable, what);
    let late = |_| unreachable(format!("{host}:{port} does not answer"));
    let found = timeout(WITHIN, lookup_host((host, port))).await.map_err(late)?;
    let unknown = || unreachable(format!("the address of {host} cannot be found"));
    let found = found.map_err(|_| unknown())?;
    let own = reach.own_networks().await?;
    let mut refused = unknown();
    for address in found {
        if !reach.allows(host, address.ip(), &own) {
            refused =
                Fault::wrong(format!("{host} is a machine of this network, which the page may not name"))
                    .hint("set it in the configuration file, or name the host in `messages.hosts` there");
            continue;
        }
        match timeout(WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true);
                return match tls {
                    Some(tls) => secure(host, tcp, tls).await,
                    None => Ok(Box::new(tcp)),
                };
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                refused = unreachable(format!("nothing listens at {host}:{port}"));
            }
            Ok(Err(error)) => refused = unreachable(format!("{host}:{port} cannot be reached: {error}")),
            Err(_) => refused = unreachable(format!("{host}:{port} does not answer")),
        }
    }
    Err(refused)
}

/// The same connection with TLS.
///
/// # Errors
/// The certificate of `host` is not good, or it does not speak TLS, in words.
pub async fn secure(
    host: &str,
    socket: impl OutboundSocket + 'static,
    tls: &TlsConnector,
) -> Result<Box<dyn OutboundSocket>, Fault> {
    let failed = |what: String| Fault::new(FaultKind::Unreachable, what);
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| Fault::wrong(format!("{host}: {error}")))?;
    let shaken = timeout(WITHIN, tls.connect(name, socket)).await;
    let shaken = shaken.map_err(|_| failed(format!("{host} does not answer as a server with TLS does")))?;
    shaken.map(|socket| Box::new(socket) as Box<dyn OutboundSocket>).map_err(|error| tls_fault(host, &error))
}

/// The failure of a handshake, in words.
fn tls_fault(host: &str, error: &io::Error) -> Fault {
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let of_certificate =
        |what: &str| Fault::new(FaultKind::Unreachable, format!("the certificate of {host} {what}"));
    match rustls {
        Some(rustls::Error::InvalidCertificate(wrong)) => match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                of_certificate("has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                of_certificate("is not valid yet").hint("is the clock of this machine right?")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                of_certificate("is for another name")
            }
            _ => of_certificate("is of an authority that this machine does not know").hint(
                "let the machine trust it: /usr/local/share/ca-certificates, `sudo update-ca-certificates`",
            ),
        },
        _ => Fault::new(FaultKind::Unreachable, format!("{host} cannot be reached securely: {error}"))
            .hint("does this port speak TLS?"),
    }
}

/// TLS with the system's authorities, or only with those in the PEM file `ca`. Blocks while it reads the files.
///
/// # Errors
/// There are no certificates of authorities.
fn tls_connector(ca: Option<&Path>) -> Result<TlsConnector, Fault> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(file) => {
            let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            let read = read.map_err(|error| {
                Fault::new(FaultKind::File, format!("{} cannot be read: {error}", file.display()))
            })?;
            roots.add_parsable_certificates(read);
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    if roots.is_empty() {
        return Err(Fault::new(FaultKind::Unsupported, "this machine knows no certificates of authorities")
            .hint("sudo apt install ca-certificates"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let settings = settings.map_err(|error| Fault::new(FaultKind::Unsupported, error.to_string()))?;
    Ok(TlsConnector::from(Arc::new(settings.with_root_certificates(roots).with_no_client_auth())))
}

/// The same, off the main thread: hundreds of certificates, perhaps from a slow card.
///
/// # Errors
/// There are no certificates of authorities.
pub async fn load_tls(ca: Option<PathBuf>) -> Result<TlsConnector, Fault> {
    let read = spawn_blocking(move || tls_connector(ca.as_deref())).await;
    read.map_err(|panicked| Fault::passing(panicked.to_string()))?
}

/// True for an address of the Internet: not of this machine, nor of a private network (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let parts = address.segments();
            // Only 2000::/3 is given out; 6to4, Teredo and NAT64 lead to an IPv4 address inside.
            let is_translated = parts[0] == 0x2002 || (parts[0] == 0x2001 && parts[1] < 0x200);
            parts[0] & 0xe000 == 0x2000 && !is_translated && address != Ipv6Addr::LOCALHOST
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_for_tests = a == 198 && (18..20).contains(&b);
    let is_protocols = (a, b, c) == (192, 0, 0);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || is_shared
        || is_for_tests
        || is_protocols)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.5",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "ff02::1",
            "2002:a00:1::",
            "2001:0:1::",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1", "2a00:1450::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn the_page_reaches_no_machine_here_unless_the_operator_names_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = connect("localhost", port, None, &HostLimit::Public(Vec::new())).await.err().unwrap();
        assert!(refused.what.contains("a machine of this network"), "{refused}");
        for named in ["LOCALHOST", "127.0.0.1"] {
            let reach = HostLimit::Public(vec![named.to_owned()]);
            assert!(connect("localhost", port, None, &reach).await.is_ok(), "{named}");
        }
        assert!(connect("127.0.0.1", port, None, &HostLimit::Anywhere).await.is_ok());
    }

    #[tokio::test]
    async fn the_reasons_are_words() {
        // Held without listening, so that no other test gets the port.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let closed = held.local_addr().unwrap().port();
        let fault = connect("127.0.0.1", closed, None, &HostLimit::Anywhere).await.err().unwrap();
        assert_eq!(fault.what, format!("nothing listens at 127.0.0.1:{closed}"));
        let fault = connect("no.such.host.invalid", 80, None, &HostLimit::Anywhere).await.err().unwrap();
        assert!(fault.what.starts_with("the address of no.such.host.invalid cannot be found"), "{fault}");
    }
}
