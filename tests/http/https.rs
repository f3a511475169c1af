//! The server's own HTTPS, tested with rustls: its answers, its certificate, and plain HTTP beside it.

use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tallycam::access::Access;
use tallycam::config::Listen;
use tallycam::http::{Server, ServerSettings, TlsIdentity};
use tallycam::pipeline;
use tokio::sync::watch;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::access::{PASSWORD, basic, own_address};
use crate::common::DEADLINE;
use crate::common::client::{self, Client};
use crate::common::served::{Served, serve_all};
use crate::common::testcam::{TestCam, number_of};
use crate::common::wait_until;

/// A certificate for `localhost`: the server's identity, and the client's trust in it.
struct Certificate {
    identity: TlsIdentity,
    der: CertificateDer<'static>,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity =
        TlsIdentity::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes())
            .unwrap();
    Certificate { identity, der: made.cert.der().clone() }
}

/// A server with HTTP and HTTPS at all addresses of this machine.
struct Secure {
    served: Served,
    https: SocketAddr,
    certificate: Certificate,
    shown: watch::Sender<Arc<TlsIdentity>>,
    access: Access,
    _folder: tempfile::TempDir,
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn secure_with(cam: &TestCam, settings: ServerSettings) -> Secure {
    let certificate = certificate();
    let (shown, identity) = watch::channel(Arc::new(certificate.identity.clone()));
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path());
    let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let run = cam.pipeline(pipeline::CaptureOptions::default());
    let (served, addresses) = serve_all(&[Listen::Tcp(any), Listen::Https(any)], run, |pipeline| {
        Server::new(settings, pipeline, None).with_access(access.clone()).with_https(identity)
    });
    let https: SocketAddr = addresses[1].strip_prefix("https://").unwrap().parse().unwrap();
    let https = SocketAddr::new("127.0.0.1".parse().unwrap(), https.port());
    Secure { served, https, certificate, shown, access, _folder: folder }
}

fn secure() -> Secure {
    secure_with(&TestCam::new(), ServerSettings::default())
}

/// A client that trusts only this certificate.
fn connect(at: SocketAddr, certificate: &Certificate) -> Client<Tls> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(at).unwrap();
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    Client::over(StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), tcp))
}

impl Secure {
    fn connect(&self) -> Client<Tls> {
        connect(self.https, &self.certificate)
    }
}

#[test]
fn pages_and_the_state_come_over_one_connection() {
    let secure = secure();
    let mut client = secure.connect();
    let page = client.get("/");
    assert_eq!(page.status, 200, "{page:?}");
    let state = client.get("/api/v1/state").json();
    assert_eq!(state["https"]["fingerprint"], secure.certificate.identity.fingerprint());
    assert!(client.get("/sign-in").text().contains(secure.certificate.identity.fingerprint()));
    // Streams, limits and counts are per connection, so there is no HTTP/2.
    assert_eq!(client.0.get_ref().conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn a_stream_is_complete_and_in_order_and_resumes_after_a_slow_viewer() {
    let cam = TestCam::new().picture_len(300_000);
    let secure = secure_with(&cam, ServerSettings::default());
    let mut viewer = secure.connect();
    viewer.watch("/stream");
    let mut last = 0;
    for _ in 0..20 {
        let number = number_of(&viewer.part().unwrap()).unwrap();
        assert!(number >= last, "{number} after {last}");
        last = number;
    }
    // A viewer that reads nothing is sent no more than the buffers in between hold.
    let before = cam.sequence();
    wait_until("many pictures went by", || cam.sequence() > before + 100);
    let mut skipped = 0;
    while skipped < 10 {
        let number = number_of(&viewer.part().unwrap()).unwrap();
        skipped = skipped.max(number - last);
        last = number;
    }
}

#[test]
fn a_stalled_viewer_is_disconnected() {
    let cam = TestCam::new().picture_len(300_000);
    let secure =
        secure_with(&cam, ServerSettings { stall: Duration::from_millis(300), ..ServerSettings::default() });
    let mut viewer = secure.connect();
    viewer.watch("/stream");
    wait_until("it is sent away", || secure.served.state()["connections"] == 1);
}

#[test]
fn events_come_over_https() {
    let secure = secure();
    let mut listener = secure.connect();
    listener.send("GET /api/v1/events?types=state HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
    let head = listener.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
    let mut line = String::new();
    while !line.starts_with("data:") {
        line.clear();
        assert!(listener.0.read_line(&mut line).unwrap() > 0);
    }
    assert!(line.contains("\"state\":"), "{line}");
}

#[test]
fn signing_in_over_https_gives_a_secure_cookie() {
    let secure = secure();
    secure.access.set(PASSWORD).unwrap();
    let body = format!("password={PASSWORD}&next={}", "x".repeat(3000)).replace(' ', "+");
    let mut client = secure.connect();
    client.send(&format!(
        "POST /sign-in HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = client.answer(false);
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    let of_https = cookie.split('=').next().unwrap().to_owned();
    // Plain HTTP beside it, from this machine: no browser would send the HTTPS cookie back.
    let answer = secure.served.send(
        "POST",
        "/sign-in",
        "application/x-www-form-urlencoded",
        &format!("password={PASSWORD}").replace(' ', "+"),
    );
    let cookie = answer.header("set-cookie").unwrap();
    assert!(!cookie.contains("Secure"), "{cookie}");
    // The two cookies have different names, so neither replaces the other.
    assert_ne!(cookie.split('=').next().unwrap(), of_https);
    let session = cookie.split(';').next().unwrap();
    let page =
        secure.served.ask(&format!("GET /media HTTP/1.1\r\nHost: localhost\r\nCookie: {session}\r\n\r\n"));
    assert_ne!(page.header("location"), Some("sign-in?next=media"), "the session is signed in");
}

#[test]
fn a_new_certificate_applies_to_new_connections_only() {
    let secure = secure();
    let mut before = secure.connect();
    assert_eq!(before.get("/api/v1/state").status, 200);
    let renewed = certificate();
    secure.shown.send_replace(Arc::new(renewed.identity.clone()));
    let state = before.get("/api/v1/state").json();
    assert_eq!(state["https"]["fingerprint"], renewed.identity.fingerprint());
    assert_eq!(connect(secure.https, &renewed).get("/").status, 200);
    // A client that trusts only the old certificate cannot connect, and the server keeps running.
    let mut stale = secure.connect();
    assert!(stale.0.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").is_err());
    drop(stale);
    assert_eq!(before.get("/").status, 200);
}

#[test]
fn plain_http_at_the_port_for_https_gets_the_address() {
    let secure = secure();
    let answer = client::get(secure.https, "/");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.text(), format!("this port speaks HTTPS: https://{}/\n", secure.https));
    // The same for bytes that are neither TLS nor HTTP.
    let mut noise = Client::new(TcpStream::connect(secure.https).unwrap());
    noise.0.get_mut().write_all(&[0x16, 9, 9, 9, 9, 9, 9, 9, 9, 9]).unwrap();
    let _ = noise.rest();
    wait_until("both are gone", || secure.served.state()["connections"] == 1);
}

#[test]
fn a_missing_handshake_times_out() {
    let settings = ServerSettings { head_timeout: Duration::from_millis(200), ..ServerSettings::default() };
    let secure = secure_with(&TestCam::new(), settings);
    let mut silent = Client::new(TcpStream::connect(secure.https).unwrap());
    let mut begun = Client::new(TcpStream::connect(secure.https).unwrap());
    // The head of a record that announces more.
    begun.0.get_mut().write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
    for client in [&mut silent, &mut begun] {
        // The end may be a reset.
        let mut rest = Vec::new();
        let _ = client.0.read_to_end(&mut rest);
        assert!(rest.len() < 512);
    }
    wait_until("both are gone", || secure.served.state()["connections"] == 1);
}

#[test]
fn passwords_are_not_taken_over_plain_http() {
    let Some(own) = own_address() else {
        return crate::common::say("LEFT OUT: this machine has no address but loopback");
    };
    let secure =
        secure_with(&TestCam::new(), ServerSettings { redirect: false, ..ServerSettings::default() });
    secure.access.set(PASSWORD).unwrap();
    let (port, https) = (secure.served.address.port(), secure.https.port());
    let from = |address: IpAddr, method: &str, path: &str, lines: &str| {
        let body = format!("password={PASSWORD}").replace(' ', "+");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {own}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             {lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client::ask(SocketAddr::new(address, port), &request)
    };
    let refused = from(own, "POST", "/sign-in", "");
    assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{}", refused.text());
    assert!(refused.text().contains(&format!("https://{own}:{https}/sign-in")), "{}", refused.text());
    assert_eq!(from(own, "GET", "/sign-in", "").status, 308, "the page is typed into over HTTPS");
    assert_eq!(from(own, "GET", "/api/v1/me", "").status, 200, "the rest is not redirected");
    // A proxy with HTTPS, and this machine itself.
    assert_eq!(from(own, "POST", "/sign-in", "X-Forwarded-Proto: https\r\n").status, 303);
    assert_eq!(from("127.0.0.1".parse().unwrap(), "POST", "/sign-in", "").status, 303);

    // A new password is refused, too, for any user.
    let change = |path: &str, lines: &str| from(own, "PUT", path, &(basic("admin", PASSWORD) + lines));
    for path in ["/api/v1/password", "/api/v1/users/ann"] {
        let refused = change(path, "");
        assert_eq!(refused.status, 403, "{path}: {}", refused.text());
        assert!(refused.text().contains("not taken over plain HTTP"), "{path}: {}", refused.text());
    }
    assert_eq!(secure.access.users().len(), 1);
    let added = change("/api/v1/users/ann", "X-Forwarded-Proto: https\r\n");
    assert_eq!(secure.access.users().len(), 2, "{}", added.text());

    // Nobody is locked out by HTTPS that cannot listen.
    let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
    for (listens, status) in [(&[Listen::Tcp(any), Listen::Https(any)][..], 403), (&[Listen::Tcp(any)], 303)]
    {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.start_claim_mode();
        let (_shown, identity) = watch::channel(Arc::new(secure.certificate.identity.clone()));
        let run = TestCam::new().pipeline(pipeline::CaptureOptions::default());
        let (served, _) = serve_all(listens, run, |pipeline| {
            let server = Server::new(ServerSettings::default(), pipeline, None);
            server.with_access(access.clone()).with_https(identity)
        });
        let port = served.address.port();
        let body = "password=correct+horse&again=correct+horse";
        let head = format!("Host: {own}:{port}\r\nContent-Type: application/x-www-form-urlencoded");
        let request =
            format!("POST /claim HTTP/1.1\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let claimed = client::ask(SocketAddr::new(own, port), &request);
        assert_eq!((claimed.status, access.has_password()), (status, status == 303), "{}", claimed.text());
    }
}

#[test]
fn browsers_are_told_to_stay_with_https_only_if_the_operator_says_so() {
    for hsts in [None, Some(Duration::from_secs(86_400))] {
        let secure = secure_with(&TestCam::new(), ServerSettings { hsts, ..ServerSettings::default() });
        let said = secure.connect().get("/");
        assert_eq!(said.header("strict-transport-security"), hsts.map(|_| "max-age=86400"));
        let plain = client::get(secure.served.address, "/");
        assert_eq!(plain.header("strict-transport-security"), None);
    }
}

#[test]
fn plain_http_from_elsewhere_redirects_to_https() {
    let Some(own) = own_address() else {
        return crate::common::say("LEFT OUT: this machine has no address but loopback");
    };
    for redirect in [true, false] {
        let secure = secure_with(&TestCam::new(), ServerSettings { redirect, ..ServerSettings::default() });
        let (port, https) = (secure.served.address.port(), secure.https.port());
        let from = |address: IpAddr, request: &str| client::ask(SocketAddr::new(address, port), request);
        let asked = from(own, &format!("GET /api/v1/state?x HTTP/1.1\r\nHost: {own}:{port}\r\n\r\n"));
        // Requests from this machine, through a proxy that has HTTPS, and changing requests are answered directly.
        let here = client::get(SocketAddr::new("127.0.0.1".parse().unwrap(), port), "/api/v1/state");
        let proxied = "GET /api/v1/state HTTP/1.1\r\nHost: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n";
        let posted = "POST /api/v1/pause HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 0\r\n\r\n";
        assert_eq!((here.status, from(own, proxied).status), (200, 200));
        assert_ne!(from(own, posted).status, 308);
        if redirect {
            assert_eq!(asked.status, 308, "{asked:?}");
            let to = format!("https://{own}:{https}/api/v1/state?x");
            assert_eq!(asked.header("location"), Some(to.as_str()));
            // A foreign name is not redirected.
            let evil = from(own, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n");
            assert_eq!(evil.status, 421, "{evil:?}");
        } else {
            assert_ne!(asked.status, 308, "{asked:?}");
        }
    }
}
