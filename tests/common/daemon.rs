//! The program as a child process that serves on its own address and ends with the test.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::{NamedTempFile, TempDir};

use super::{client, wait_until};

/// A running program, killed on drop; its output is shown if the test fails.
pub struct Daemon {
    pub address: SocketAddr,
    child: Child,
    log: NamedTempFile,
    /// Its state folder, unless it has another one.
    _state: TempDir,
}

impl Daemon {
    /// Runs `program serve` with more `arguments`, and waits until it listens.
    pub fn start(program: Command, arguments: &[&str]) -> Daemon {
        Daemon::start_on(free_address(), program, arguments)
    }

    /// As [`Daemon::start`], on a given address.
    pub fn start_on(address: SocketAddr, program: Command, arguments: &[&str]) -> Daemon {
        Daemon::start_listening(address, &address.to_string(), program, arguments)
    }

    /// As [`Daemon::start`], also on the addresses `more`.
    pub fn start_beside(more: &str, program: Command, arguments: &[&str]) -> Daemon {
        let address = free_address();
        Daemon::start_listening(address, &format!("{address}\",\"{more}"), program, arguments)
    }

    /// As [`Daemon::start`], with HTTPS only.
    pub fn start_https(program: Command, arguments: &[&str]) -> Daemon {
        let address = free_address();
        Daemon::start_listening(address, &format!("https://{address}"), program, arguments)
    }

    fn start_listening(
        address: SocketAddr,
        listen: &str,
        mut program: Command,
        arguments: &[&str],
    ) -> Daemon {
        let (log, state) = (NamedTempFile::new().unwrap(), TempDir::new().unwrap());
        if program.get_envs().all(|(name, _)| name != "LD_PRELOAD") {
            program.env("LD_PRELOAD", synchronised());
        }
        let child = program
            .arg("serve")
            .args(arguments)
            .args(["--set", &format!("http.listen=[\"{listen}\"]")])
            .env("STATE_DIRECTORY", state.path())
            .stdin(Stdio::null())
            // Both share one file offset, so neither overwrites the other.
            .stdout(log.as_file().try_clone().unwrap())
            .stderr(log.as_file().try_clone().unwrap())
            .spawn()
            .unwrap();
        let mut daemon = Daemon { address, child, log, _state: state };
        wait_until("it listens", || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "it ended at once");
            TcpStream::connect(address).is_ok()
        });
        daemon
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// The answer of `/api/v1/state`.
    pub fn state(&self) -> Value {
        client::get(self.address, "/api/v1/state").json()
    }

    /// Its output on standard output and standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Stops it as systemd does, and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the program said:\n{}", std::fs::read_to_string(self.log.path()).unwrap_or_default());
        }
    }
}

/// A preloaded library that reports the kernel's clock as synchronised, so that pages show the same on every machine.
fn synchronised() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/synchronised.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (new, library) =
            (folder.join(format!("{}.so", std::process::id())), folder.join("synchronised.so"));
        let built = Command::new("cc").args(["-O1", "-fPIC", "-shared", "-o"]).arg(&new).arg(source).status();
        assert!(built.unwrap().success(), "a C compiler is needed: apt install gcc libc6-dev");
        std::fs::rename(new, &library).unwrap();
        library
    })
}

/// A free address that the kernel gives to no outgoing connection before the program takes it: those have ports above
/// 32768.
///
/// Nothing listens there in the meantime. A child that another test is just starting inherits every open socket until
/// it runs its own program; a client would take such a socket for the program's.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u64::from(std::process::id()) * 16;
    loop {
        let next = first + u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + (next % 12_000) as u16));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // As the program does. Without this, binding fails while that child holds the address.
        socket.set_reuse_address(true).unwrap();
        if socket.bind(&address.into()).is_ok() {
            return address;
        }
    }
}
