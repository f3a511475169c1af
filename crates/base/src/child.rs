//! Builders of child processes whose environment holds nothing of this process's own. Pure, except that it reads the
//! environment.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Prefixes of variables that only this process may see: its settings with their passwords, and the handles of
/// systemd
/// (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3), systemd.exec(5) on credentials).
const OURS: [&str; 6] =
    ["TALLYCAM_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"];

/// A command for `program` without this process's own variables.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if OURS.iter().any(|ours| name.as_encoded_bytes().starts_with(ours.as_bytes())) {
            command.env_remove(name);
        }
    }
    command
}

/// Sends the program SIGTERM when the thread that starts it ends, also by SIGKILL of this process. The starting thread
/// must outlive the use of the program.
pub fn end_with_parent(command: &mut Command) {
    let parent = getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::TERM))?;
        // The parent may have ended before.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec the closure makes two system calls and allocates nothing.
    unsafe { command.pre_exec(bind) };
}

/// A command for this program again, with its environment but for systemd's sockets, which an exec closes.
pub fn reexec_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        command.env_remove(name);
    }
    command
}
