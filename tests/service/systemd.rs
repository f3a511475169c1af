//! Plays the part of systemd: starts the program as a `Type=notify` service with a passed socket, reads its
//! notifications, and sends the signals of `systemctl`.
//!
//! The protocols: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Far longer than anything here takes on a busy machine: only a failure waits this long.
const DEADLINE: Duration = Duration::from_secs(60);

/// Counting is off: the scene's own line would open the camera, perhaps before the service is ready.
const CONFIG: &str = "\
    name = \"door\"\n\
    [source]\nkind = \"sim\"\nwidth = 320\nheight = 240\nfps = 20\n\
    [stream]\nidle_stop = \"never\"\n\
    [detect]\nbackend = \"none\"\n";

/// A running service, and the notification socket of systemd.
struct Service {
    child: Child,
    /// Its notifications. A thread empties the socket all the time, as systemd does: the kernel keeps only a few
    /// messages, then the sender would have to wait.
    said: Receiver<String>,
    folder: TempDir,
}

impl Service {
    fn start(socket: OwnedFd) -> Service {
        Service::start_with(socket, |command, _| {
            command.env_remove("JOURNAL_STREAM");
        })
    }

    /// As [`Service::start`], with a change of the command that may depend on the log file.
    fn start_with(socket: OwnedFd, change: impl FnOnce(&mut Command, &File)) -> Service {
        Service::start_as(CONFIG, socket, change)
    }

    fn start_as(config: &str, socket: OwnedFd, change: impl FnOnce(&mut Command, &File)) -> Service {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("config.toml"), config).expect("a configuration");
        let said = listen(UnixDatagram::bind(folder.path().join("notify")).expect("a notify socket"));
        // The shell passes its process id, which exec keeps, and moves the socket from descriptor 0 to 3.
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = Command::new("sh");
        command
            .args(["-c", "export LISTEN_PID=$$ WATCHDOG_PID=$$; exec \"$@\" 3<&0 </dev/null", "sh"])
            .args([env!("CARGO_BIN_EXE_tallycam"), "serve", "--config"])
            .arg(folder.path().join("config.toml"))
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .env("STATE_DIRECTORY", folder.path().join("state"))
            .env("LISTEN_FDS", "1")
            .env("WATCHDOG_USEC", "200000")
            .env_remove("MAKELEVEL")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null());
        change(&mut command, &log);
        let child = command.stderr(log).spawn().expect("the program starts");
        Service { child, said, folder }
    }

    /// A service that is ready, and its address.
    fn ready() -> (Service, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let service = Service::start(listener.into());
        service.hear("READY=1");
        (service, address)
    }

    /// Waits for a message with a line that begins with `line`; returns the whole message.
    fn hear(&self, line: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.said.recv_timeout(left) {
                Ok(message) if message.lines().any(|said| said.starts_with(line)) => return message,
                Ok(_) => {}
                Err(_) => panic!("{line} was not said; the log:\n{}", self.log()),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the signal can be sent");
    }

    fn configure(&self, text: &str) {
        fs::write(self.folder.path().join("config.toml"), text).expect("a configuration");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The exit status, once the program has ended by itself.
    fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end; the log:\n{}", self.log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Fails if it has ended, as most tests expect.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards every message from `ear` while the receiver exists.
fn listen(ear: UnixDatagram) -> Receiver<String> {
    let (send, said) = channel();
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(len) = ear.recv(&mut message) {
            if send.send(String::from_utf8_lossy(&message[..len]).into_owned()).is_err() {
                break;
            }
        }
    });
    said
}

fn ask(mut connection: impl Read + Write, path: &str) -> String {
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("a request");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    stream
}

/// A viewer who has seen the stream begin; the bytes so far.
fn view(address: SocketAddr) -> (TcpStream, Vec<u8>) {
    let mut stream = connect(address);
    write!(stream, "GET /stream HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n").expect("a request");
    let mut seen = Vec::new();
    let mut piece = [0; 8192];
    // A second part: the picture flows.
    while count(&seen, b"Content-Length") < 2 {
        let len = stream.read(&mut piece).expect("a picture in time");
        assert!(len > 0, "the stream ended early");
        seen.extend_from_slice(&piece[..len]);
    }
    (stream, seen)
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

fn count(within: &[u8], what: &[u8]) -> usize {
    within.windows(what.len()).filter(|window| *window == what).count()
}

/// Checks a whole multipart answer and returns its number of parts; panics if a part is truncated.
fn whole_parts(answer: &[u8]) -> usize {
    let head_end = find(answer, b"\r\n\r\n").expect("a head") + 4;
    let mut rest = &answer[head_end..];
    let mut parts = 0;
    while let Some(end) = find(rest, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .unwrap_or_else(|| panic!("a part without length: {head}"))
            .parse()
            .expect("a number");
        rest = rest.get(end + 4 + length..).expect("the last part is whole");
        parts += 1;
    }
    let rest = String::from_utf8_lossy(rest);
    assert!(["", "--frame", "--frame--"].contains(&rest.trim()), "after the last part: {rest:?}");
    parts
}

#[test]
fn it_notifies_ready_and_its_status() {
    let (service, address) = Service::ready();
    service.hear("STATUS=Idle");
    let (_stream, _) = view(address);
    // The size is known a moment after the first picture.
    while !service.hear("STATUS=Live").contains("320 × 240; 1 viewer") {}
}

#[test]
fn the_watchdog_is_fed_idle_and_live() {
    let (service, address) = Service::ready();
    for _ in 0..5 {
        service.hear("WATCHDOG=1");
    }
    let (_stream, _) = view(address);
    for _ in 0..5 {
        service.hear("WATCHDOG=1");
    }
}

#[test]
fn a_unix_socket_handed_over_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let service = Service::start(listener.into());
    service.hear("READY=1");
    let answer = ask(UnixStream::connect(&path).expect("a connection"), "/health");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("True"), "{answer}");
}

#[test]
fn an_address_that_this_machine_does_not_have_cannot_be_set() {
    let (service, address) = Service::ready();
    let set = |listen: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        command.arg("--config").arg(service.folder.path().join("config.toml"));
        command.args(["settings", "set", &format!("http.listen=[\"{listen}\"]")]);
        let set = command.env("STATE_DIRECTORY", service.folder.path().join("state")).output();
        let set = set.expect("the program starts");
        (set.status.success(), String::from_utf8_lossy(&set.stderr).into_owned())
    };
    let (is_set, said) = set("192.0.2.1:8080");
    assert!(!is_set && said.contains("this machine has no such address"), "{said}");
    // This service has the port.
    let (is_set, said) = set(&address.to_string());
    assert!(is_set, "{said}");
}

#[test]
fn a_descriptor_that_is_no_listening_socket_is_refused_by_name() {
    let mut service = Service::start(UdpSocket::bind("127.0.0.1:0").expect("a socket").into());
    // `systemctl status` shows this between the attempts.
    service.hear("STATUS=descriptor 3");
    assert!(!service.end().success());
    assert!(service.log().contains("descriptor 3"), "{}", service.log());
}

#[test]
fn a_wrong_configuration_is_reported_until_it_is_good() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = listener.local_addr().expect("an address");
    let service = Service::start_as("[stream]\nqualtiy = 1\n", listener.into(), |_, _| {});
    let said = service.hear("STATUS=The configuration is wrong: ");
    assert!(said.contains("config.toml:2:1: "), "{said}");
    // The start job does not wait, and the watchdog does not kill it.
    service.hear("READY=1");
    service.hear("WATCHDOG=1");
    let answer = ask(connect(address), "/");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("config.toml:2:1<"), "{answer}");
    assert!(!service.folder.path().join("state").exists(), "nothing is written");

    service.configure("[stream]\nquality = 101\n");
    service.signal(Signal::HUP);
    while !service.hear("STATUS=The configuration is wrong: ").contains("config.toml:2:11: ") {}

    service.configure(CONFIG);
    service.hear("STATUS=Idle");
    let answer = ask(connect(address), "/health");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("True"), "{answer}");
    assert!(service.log().contains("it is read again until it is good"), "{}", service.log());
}

#[test]
fn a_service_that_waits_for_a_good_configuration_can_be_stopped() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut service = Service::start_as("nonsense", listener.into(), |_, _| {});
    service.hear("READY=1");
    service.signal(Signal::TERM);
    service.hear("STOPPING=1");
    assert!(service.end().success());
}

#[test]
fn a_counts_db_that_can_be_opened_later_causes_a_restart() {
    let place = tempfile::tempdir().expect("a folder");
    let kept = place.path().join("kept");
    fs::write(&kept, "no directory").expect("a file in the way");
    let config = format!("{CONFIG}[store]\ndirectory = {kept:?}\n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let mut service = Service::start_as(&config, listener.into(), |_, _| {});
    while !service.hear("STATUS=").contains("no pictures are kept: ") {}
    assert_eq!(fs::read(&kept).expect("the file"), b"no directory", "the file in the way stays as it is");
    fs::remove_file(&kept).expect("the file goes");
    assert!(!service.end().success());
    assert!(service.log().contains("counts.db can be opened now"), "{}", service.log());
}

/// The settings of a card's own file apply before each start, so that nothing is served on a state that was emptied
/// since.
#[test]
fn after_a_reset_nothing_is_served_before_a_new_start() {
    let place = tempfile::tempdir().expect("a folder");
    for name in ["factory-reset", "settings.toml", "access.json"] {
        fs::write(place.path().join(name), "").expect("written");
    }
    let config = format!("{CONFIG}[store]\ndirectory = {:?}\n", place.path());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let again = listener.try_clone().expect("a socket");
    let mut service = Service::start_as(&config, listener.into(), |_, _| {});
    assert!(!service.end().success());
    let log = service.log();
    assert!(log.contains("the state is as new") && log.contains("the state is another one"), "{log}");
    assert!(service.said.try_iter().all(|said| !said.contains("READY=1")), "{log}");
    assert!(
        ["factory-reset", "settings.toml", "access.json"]
            .iter()
            .all(|name| !place.path().join(name).exists())
    );
    Service::start_as(&config, again.into(), |_, _| {}).hear("READY=1");
}

#[test]
fn hangup_reads_the_configuration_again() {
    let (service, address) = Service::ready();

    service.configure(&format!("{CONFIG}[log]\nlevel = \"debug\"\n"));
    service.signal(Signal::HUP);
    let message = service.hear("RELOADING=1");
    let stamp = message.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("a stamp");
    assert!(stamp.parse::<u64>().expect("microseconds") > 0);
    service.hear("READY=1");
    assert!(service.log().contains("log.level is now debug"), "{}", service.log());

    service.configure(&format!(
        "{}[store]\ndirectory = \"elsewhere\"\n[access]\nlocal = \"open\"\n",
        CONFIG.replace("320", "640")
    ));
    service.signal(Signal::HUP);
    service.hear("RELOADING=1");
    service.hear("READY=1");
    let log = service.log();
    assert!(log.contains("only after a restart: store.directory"), "{log}");
    assert!(
        ask(connect(address), "/api/v1/settings")
            .contains("\"path\":\"source.width\",\"section\":\"source\",\"name\":\"width\",\"value\":640")
    );

    service.configure("[source]\nkindd = \"sim\"\n");
    service.signal(Signal::HUP);
    service.hear("RELOADING=1");
    service.hear("READY=1");
    let log = service.log();
    // Only the place of the error: readers of the log must not see the file.
    assert!(log.contains("kept as it was") && log.contains("config.toml:2:1"), "{log}");
    assert!(!log.contains("kindd"), "{log}");
    assert!(ask(connect(address), "/health").ends_with("True"));
}

#[test]
fn terminate_ends_streams_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut service, address) = Service::ready();
        let (mut stream, mut seen) = view(address);
        service.signal(signal);
        service.hear("STOPPING=1");
        stream.read_to_end(&mut seen).expect("the stream ends, it is not reset");
        drop(stream);
        assert!(whole_parts(&seen) >= 2);
        assert_eq!(service.end().code(), Some(0), "{}", service.log());
        let log = service.log();
        for step in ["stop: SIG", "camera released", "detect ended", "counts.db written and closed", "done"] {
            assert!(log.contains(step), "{step} is missing:\n{log}");
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut service, address) = Service::ready();
    let (_stream, _) = view(address);
    // Both signals are pending when it continues: the second comes during the stop.
    service.signal(Signal::STOP);
    service.signal(Signal::TERM);
    service.signal(Signal::INT);
    service.signal(Signal::CONT);
    assert_eq!(service.end().code(), Some(1), "{}", service.log());
    assert!(service.log().contains("a second signal"), "{}", service.log());
}

/// systemd says in `JOURNAL_STREAM` that standard error is the journal. Then lines go to journald itself, with their
/// fields; without journald they are not lost.
#[test]
fn the_log_goes_to_the_journal_if_there_is_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let service = Service::start_with(listener.into(), |command, log| {
        let file = log.metadata().expect("a file");
        command.env("JOURNAL_STREAM", format!("{}:{}", file.dev(), file.ino()));
    });
    service.hear("READY=1");
    let has_journal =
        UnixDatagram::unbound().and_then(|socket| socket.connect("/run/systemd/journal/socket")).is_ok();
    assert_eq!(service.log().is_empty(), has_journal, "{}", service.log());
}

/// A change in the unit must be made in that of further cameras, too.
#[test]
fn further_cameras_have_the_same_unit() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let settings = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(units.join(name)).expect("a unit");
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines
            .map(|line| line.replace("%i.toml", "config.toml").replace(" %i", "").replace("-%i", ""))
            .collect()
    };
    assert_eq!(settings("tallycam.service"), settings("tallycam@.service"));
}

/// Maximum exposure of a unit, in tenths, as `systemd-analyze security` counts: 100 is a service that may do
/// everything.
const MOST_OPEN: &str = "15";

#[test]
fn a_compromised_service_can_do_little() {
    let Some(analyze) = systemd_analyze() else { return };
    for unit in ["systemd/tallycam.service", "systemd/tallycam@.service"] {
        let output = Command::new(&analyze)
            .args(["security", "--offline=yes", "--no-pager", "--threshold", MOST_OPEN])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(unit))
            .output()
            .expect("systemd-analyze runs");
        assert!(output.status.success(), "{unit}:\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// `systemd-analyze verify` finds no fault in the units. Their program is not installed here, so copies name one that
/// is.
#[test]
fn the_units_are_clean() {
    let Some(analyze) = systemd_analyze() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let copy = |from: &str, to: &str| {
        let text = fs::read_to_string(units.join(from)).expect("a unit");
        assert!(!from.ends_with(".service") || text.contains("ExecStart=/usr/bin/tallycam serve "));
        let path = folder.path().join(to);
        fs::write(&path, text.replace("/usr/bin/tallycam", env!("CARGO_BIN_EXE_tallycam"))).expect("a copy");
        path
    };
    let paths = [
        copy("tallycam.service", "tallycam.service"),
        copy("tallycam.socket", "tallycam.socket"),
        copy("tallycam@.service", "tallycam@door.service"),
    ];
    // As on a card.
    let drop_in = units.join("../deploy/image/root/etc/systemd/system/tallycam.service.d/card.conf");
    fs::create_dir(folder.path().join("tallycam.service.d")).expect("a folder");
    fs::copy(drop_in, folder.path().join("tallycam.service.d/card.conf")).expect("a copy");
    let output = Command::new(analyze)
        .args(["verify", "--man=no"])
        .args(paths)
        .output()
        .expect("systemd-analyze runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("tallycam")).collect();
    assert!(about_ours.is_empty(), "{said}");
}

/// `None`, with a message, if it is not installed.
fn systemd_analyze() -> Option<PathBuf> {
    let found = find_program("systemd-analyze");
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "systemd-analyze is missing: `make test` installs it"
        );
        eprintln!("systemd-analyze is not here: the units were not looked at");
    }
    found
}

fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
}
