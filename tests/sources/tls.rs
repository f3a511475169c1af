//! Network cameras over HTTPS. The environment names the authorities that a system trusts, and it belongs to the
//! whole process; so the test runs itself again as a child process.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use tallycam::media::SourceErrorKind;
use tallycam::source::FormatRequest;
use tallycam::source::url::UrlOpener;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};

use super::url::server;
use super::{open, picture, refused, until};

/// Tells the child the address of the server.
const HOST: &str = "TALLYCAM_TEST_HTTPS";

#[test]
fn only_a_trusted_camera_is_shown() {
    if let Ok(host) = std::env::var(HOST) {
        return as_child(&host);
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![made.cert.der().clone()],
            PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let host = server(move |connection, _| serve(connection, &config));
    let port = host.rsplit(':').next().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, made.cert.pem()).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::only_a_trusted_camera_is_shown", "--nocapture"])
        .env(HOST, port)
        .env("SSL_CERT_FILE", &trusted)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));

    // Nobody trusts it here.
    let trouble = refused(
        &mut UrlOpener::new(&format!("https://localhost:{port}/"), None, FormatRequest::ANYTHING).unwrap(),
    );
    assert!(matches!(trouble.kind, SourceErrorKind::Denied | SourceErrorKind::Unsupported), "{trouble}");
    assert!(trouble.shell.unwrap().contains("certificates"));
}

fn as_child(port: &str) {
    let at = |path: &str| {
        UrlOpener::new(&format!("https://localhost:{port}{path}"), None, FormatRequest::ANYTHING).unwrap()
    };
    until(&mut *open(&mut at("/video")), &picture(1));
    let trouble = refused(&mut at("/away"));
    assert_eq!(trouble.kind, SourceErrorKind::Failed);
    assert!(trouble.what.contains("not secure"), "{trouble}");
}

fn serve(connection: TcpStream, config: &Arc<ServerConfig>) {
    let session = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut secure = StreamOwned::new(session, connection);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match secure.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            // A client that does not trust us disconnects.
            _ => return,
        }
    }
    let answer = if head.starts_with(b"GET /away ") {
        b"HTTP/1.1 302 Found\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n".to_vec()
    } else {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n--b\r\n\r\n";
        [&head[..], &picture(1), b"\r\n--b\r\n"].concat()
    };
    let _ = secure.write_all(&answer);
    while secure.read(&mut byte).is_ok_and(|len| len > 0) {}
}
