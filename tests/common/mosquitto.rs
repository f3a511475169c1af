//! A real MQTT broker, and a real subscriber.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::free_address;
use super::{DEADLINE, say, wait_until};

/// Debian keeps it where only root looks.
const PROGRAMS: [&str; 3] = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];

/// mosquitto in a folder of its own, killed on drop.
pub struct Mosquitto {
    pub port: u16,
    pub folder: TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    /// A broker with these lines in its configuration; `FOLDER` stands for its folder. `None`, said plainly, where
    /// there is no mosquitto.
    pub fn start(lines: &str) -> Option<Mosquitto> {
        Mosquitto::start_in(TempDir::new().unwrap(), lines)
    }

    /// The same in this folder.
    pub fn start_in(folder: TempDir, lines: &str) -> Option<Mosquitto> {
        let has_client = Command::new("mosquitto_sub").arg("--help").output().is_ok();
        if program().is_none() || !has_client {
            let message = "LEFT OUT: mosquitto is not installed (apt install mosquitto mosquitto-clients)";
            assert!(std::env::var_os("CI").is_none(), "{message}");
            say(message);
            return None;
        }
        let port = free_address().port();
        let lines = lines.replace("FOLDER", &folder.path().display().to_string());
        // As root it would become another user, who may not read the folder.
        let config = format!("user root\nlistener {port} 127.0.0.1\n{lines}\n");
        fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let mut broker = Mosquitto { port, folder, child: None };
        broker.begin();
        Some(broker)
    }

    /// Starts it again, on the same port and without what it knew.
    pub fn begin(&mut self) {
        let child = Command::new(program().unwrap())
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_until("the broker listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A subscriber to everything. `more`: arguments, such as a user.
    pub fn subscribe(&self, more: &[&str]) -> Subscriber {
        // Line by line: it says when the subscription is granted.
        let mut child = Command::new("stdbuf")
            .args([
                "-oL",
                "mosquitto_sub",
                "-d",
                "-p",
                &self.port.to_string(),
                "-t",
                "#",
                "-q",
                "1",
                "-F",
                "%r %t %p",
            ])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let granted = |line: String| line.ends_with("received SUBACK");
        wait_until("the subscription is granted", || lines.try_recv().is_ok_and(granted));
        Subscriber { child, lines, seen: Vec::new() }
    }

    /// Publishes with QoS 1.
    pub fn publish(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.port.to_string();
        let arguments = ["-p", &port, "-q", "1", "-t", topic, "-m", payload];
        let done = Command::new("mosquitto_pub").args(arguments).args(more).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            say(&fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
    }
}

fn program() -> Option<PathBuf> {
    PROGRAMS.iter().map(PathBuf::from).find(|path| path.exists())
}

/// A message as a subscriber sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub is_retained: bool,
    pub topic: String,
    pub text: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Everything that the broker hands out.
pub struct Subscriber {
    child: Child,
    lines: Receiver<String>,
    /// All messages so far.
    pub seen: Vec<Seen>,
}

impl Subscriber {
    fn take(&mut self, within: Duration) -> Option<Seen> {
        // Other lines tell what the program does.
        let is_message = |line: &String| line.starts_with("0 ") || line.starts_with("1 ");
        let line = loop {
            let line = self.lines.recv_timeout(within).ok()?;
            if is_message(&line) {
                break line;
            }
        };
        let mut parts = line.splitn(3, ' ');
        let is_retained = parts.next() == Some("1");
        let mut text = || parts.next().unwrap_or_default().to_owned();
        let seen = Seen { is_retained, topic: text(), text: text() };
        self.seen.push(seen.clone());
        Some(seen)
    }

    fn next_within(&mut self, topic: &str, within: Duration) -> Option<Seen> {
        loop {
            let seen = self.take(within)?;
            if seen.topic == topic {
                return Some(seen);
            }
        }
    }

    /// The next message on `topic`.
    #[track_caller]
    pub fn next(&mut self, topic: &str) -> Seen {
        match self.next_within(topic, DEADLINE) {
            Some(seen) => seen,
            None => panic!("waited in vain for {topic}: {:#?}", self.seen),
        }
    }

    /// The next message on `topic` with this text.
    #[track_caller]
    pub fn until(&mut self, topic: &str, text: &str) {
        while self.next(topic).text != text {}
    }

    /// All messages on `topic`, once nothing more comes for a moment.
    pub fn all(&mut self, topic: &str) -> Vec<Seen> {
        while self.take(Duration::from_millis(300)).is_some() {}
        self.seen.iter().filter(|seen| seen.topic == topic).cloned().collect()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
