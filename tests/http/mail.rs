//! E-mail: a mail server with TLS that takes it, and servers that refuse it in every way.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto};

use crate::common::client::{self, Answer};
use crate::common::daemon::Daemon;

const USER: &str = "camera@example.org";
const PASSWORD: &str = "right pass";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Takes,
    TakesWithTlsFirst,
    OffersNoTls,
    RefusesRecipient,
    Hangs,
}

/// The certificate of `localhost`, and the file that makes a program trust it.
struct Authority {
    config: Arc<ServerConfig>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Authority {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config =
            config.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trusted.pem"), made.cert.pem()).unwrap();
        Authority { config: Arc::new(config.unwrap()), folder }
    }

    /// A program that trusts it.
    fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        program.env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env_remove("STATE_DIRECTORY");
        program.env("SSL_CERT_FILE", self.folder.path().join("trusted.pem")).env_remove("SSL_CERT_DIR");
        program
    }

    /// Starts a mail server. Returns its address and what it hears: each letter, and each line before TLS.
    fn server(&self, manner: Manner) -> (String, Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if manner == Manner::TakesWithTlsFirst { "smtps" } else { "smtp" };
        let address = format!("{scheme}://localhost:{}", listener.local_addr().unwrap().port());
        let (heard, hears) = mpsc::channel();
        let config = self.config.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                serve(socket.unwrap(), manner, &config, &heard);
            }
        });
        (address, hears)
    }
}

fn serve(socket: TcpStream, manner: Manner, config: &Arc<ServerConfig>, heard: &Sender<String>) {
    if manner == Manner::Hangs {
        let _ = (&socket).read_to_end(&mut Vec::new());
        return;
    }
    if manner != Manner::TakesWithTlsFirst && !has_asked_for_tls(&socket, manner, heard) {
        return;
    }
    let secure = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
    // A client that does not trust us leaves.
    let _ = speak(&mut BufReader::new(secure), manner, heard);
}

/// The conversation before STARTTLS.
fn has_asked_for_tls(mut socket: &TcpStream, manner: Manner, heard: &Sender<String>) -> bool {
    let mut lines = BufReader::new(socket).lines();
    socket.write_all(b"220 localhost ESMTP\r\n").unwrap();
    while let Some(Ok(line)) = lines.next() {
        heard.send(line.clone()).unwrap();
        let answer: &[u8] = match line.split(' ').next().unwrap() {
            "EHLO" if manner == Manner::OffersNoTls => b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n",
            "EHLO" => b"250-localhost\r\n250 STARTTLS\r\n",
            "STARTTLS" => b"220 go on\r\n",
            _ => b"502 not now\r\n",
        };
        socket.write_all(answer).unwrap();
        if line == "STARTTLS" {
            return true;
        }
    }
    false
}

fn speak<S: Read + Write>(
    socket: &mut BufReader<S>,
    manner: Manner,
    heard: &Sender<String>,
) -> std::io::Result<()> {
    if manner == Manner::TakesWithTlsFirst {
        socket.get_mut().write_all(b"220 localhost ESMTP\r\n")?;
    }
    let expected = format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{USER}\0{PASSWORD}")));
    let (mut envelope, mut line) = (String::new(), String::new());
    while socket.read_line(&mut line)? > 0 {
        let said = std::mem::take(&mut line).trim_end().to_owned();
        let answer = match said.split(' ').next().unwrap() {
            "EHLO" => String::from("250-localhost\r\n250 AUTH PLAIN LOGIN"),
            "AUTH" if said == expected => String::from("235 2.7.0 welcome"),
            // A careless server.
            "AUTH" => format!("535 5.7.8 {USER} and {said} do not match"),
            "RCPT" if manner == Manner::RefusesRecipient => String::from("550 5.1.1 no such user here"),
            "MAIL" | "RCPT" => {
                envelope.push_str(&format!("{said}\n"));
                String::from("250 2.1.0 fine")
            }
            "DATA" => {
                socket.get_mut().write_all(b"354 speak\r\n")?;
                let mut letter = std::mem::take(&mut envelope);
                while !letter.ends_with("\r\n.\r\n") {
                    socket.read_line(&mut letter)?;
                }
                heard.send(letter).unwrap();
                String::from("250 2.0.0 queued as 7")
            }
            "QUIT" => String::from("221 2.0.0 bye"),
            _ => String::from("502 what?"),
        };
        socket.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
    }
    Ok(())
}

fn rule(name: &str, server: &str, password: &str) -> String {
    format!(
        "{{name=\"{name}\", when=\"daily\", to=\"email\", address=\"boss@example.org\", server=\"{server}\", \
         user=\"{USER}\", secret=\"{password}\"}}"
    )
}

fn start(authority: &Authority, folder: &Path, rules: &[String]) -> Daemon {
    let directory = format!("store.directory={:?}", folder.to_str().unwrap());
    let rules = format!("notify=[{}]", rules.join(", "));
    let arguments = ["--set", "source.kind=\"sim\"", "--set", &directory, "--set", &rules];
    Daemon::start(authority.program(), &arguments)
}

fn test(daemon: &Daemon, name: &str) -> Answer {
    client::send_json(daemon.address, "POST", "/api/v1/notifications/test", &json!({"name": name}))
}

#[test]
fn an_email_arrives_over_both_kinds_of_tls() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let servers = [Manner::Takes, Manner::TakesWithTlsFirst].map(|manner| authority.server(manner));
    let rules = [rule("Début", &servers[0].0, PASSWORD), rule("First", &servers[1].0, PASSWORD)];
    let daemon = start(&authority, folder.path(), &rules);
    for (name, (_, hears)) in ["Début", "First"].iter().zip(servers) {
        let arrived = test(&daemon, name);
        assert_eq!(arrived.status, 200, "{}", arrived.text());
        assert_eq!(arrived.json()["answer"], "250: 2.0.0 queued as 7");
        let heard: Vec<String> = hears.try_iter().collect();
        let (letter, before) = heard.split_last().unwrap();
        assert!(before.iter().all(|line| line.starts_with("EHLO ") || line == "STARTTLS"), "{before:?}");
        for part in [
            format!("MAIL FROM:<{USER}>").as_str(),
            "RCPT TO:<boss@example.org>",
            "Subject: ",
            "Message-ID: <test-",
            "Date: ",
        ] {
            assert!(letter.contains(part), "{part}: {letter}");
        }
    }
}

#[test]
fn a_mail_server_that_refuses_is_told_in_words_and_learns_no_more_than_it_must() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let manners = [Manner::Takes, Manner::OffersNoTls, Manner::RefusesRecipient, Manner::Hangs];
    let servers = manners.map(|manner| authority.server(manner));
    let other_name = servers[0].0.replace("localhost", "127.0.0.1");
    let rules = [
        rule("wrong", &servers[0].0, "wrong pass"),
        rule("plain", &servers[1].0, PASSWORD),
        rule("nobody", &servers[2].0, PASSWORD),
        rule("hangs", &servers[3].0, PASSWORD),
        rule("other", &other_name, PASSWORD),
        rule("early", &servers[0].0.replace("smtp:", "smtps:"), PASSWORD),
    ];
    let daemon = start(&authority, folder.path(), &rules);
    for (name, words) in [
        (
            "wrong",
            "localhost refuses user or password: it answers 535: 5.7.8 *** and AUTH PLAIN *** do not match",
        ),
        ("plain", "localhost offers no TLS (STARTTLS), so it got nothing"),
        ("nobody", "localhost refuses the e-mail: it answers 550: 5.1.1 no such user here"),
        ("hangs", "localhost takes the connection and does not answer"),
        ("other", "the certificate of 127.0.0.1 is for another name"),
        ("early", "localhost cannot be reached securely"),
    ] {
        let refused = test(&daemon, name);
        assert!(refused.status >= 500 && refused.text().contains(words), "{name}: {}", refused.text());
        assert!(!refused.text().contains(USER) && !refused.text().contains("pass\""), "{}", refused.text());
    }
    let heard: Vec<String> = servers[1].1.try_iter().collect();
    assert!(heard.iter().all(|line| line.starts_with("EHLO ") || line.starts_with("QUIT")), "{heard:?}");
    let report = client::get(daemon.address, "/api/v1/notifications").json();
    assert_eq!(report["deliveries"].as_array().unwrap().len(), 6);
}

#[test]
fn user_and_password_of_the_page_are_hidden_and_stay_with_their_host() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let (server, hears) = authority.server(Manner::Takes);
    let directory = format!("store.directory={:?}", folder.path().to_str().unwrap());
    let daemon = Daemon::start(authority.program(), &["--set", "source.kind=\"sim\"", "--set", &directory]);
    let set = |rule: &Value| {
        client::send_json(daemon.address, "PATCH", "/api/v1/settings", &json!({"notify": [rule]}))
    };
    let rule = json!({
        "name": "Boss", "when": "daily", "to": "email", "address": "boss@example.org", "server": server,
        "user": USER, "secret": PASSWORD,
    });
    let saved = set(&rule);
    assert_eq!(saved.status, 200, "{}", saved.text());
    assert!(!saved.text().contains(USER) && !saved.text().contains(PASSWORD), "{}", saved.text());
    let items = saved.json()["items"].as_array().unwrap().clone();
    let shown = items.iter().find(|item| item["path"] == "notify").unwrap()["value"][0].clone();
    assert_eq!((&shown["user"], &shown["secret"]), (&json!("***"), &json!("***")));
    assert_eq!(shown["address"], "boss@example.org");
    let page = client::get(daemon.address, "/notifications").text().to_string();
    assert!(page.contains("Is set. Empty: it stays") && !page.contains(USER), "{page}");
    // The shown rule can be sent back, but not to another server.
    assert_eq!(set(&shown).status, 200);
    let file = std::fs::read_to_string(folder.path().join("settings.toml")).unwrap();
    assert!(file.contains(USER) && file.contains(PASSWORD), "{file}");
    let mut elsewhere = shown.clone();
    elsewhere["server"] = json!("smtp://elsewhere.example");
    assert_eq!(set(&elsewhere).status, 422);
    // The page names no machine of this network.
    let refused = test(&daemon, "Boss");
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("a machine of this network"), "{}", refused.text());
    assert!(hears.try_recv().is_err(), "nothing was sent");
}
