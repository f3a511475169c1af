//! Programs that are started beside this one, with an environment that holds nothing of ours. Pure, but for reading it.

use std::ffi::OsStr;
use std::process::Command;

/// Beginnings of names that are meant for this process alone: its settings, passwords among them, and what systemd
/// hands over (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3), systemd.exec(5) on credentials).
const OURS: [&str; 6] =
    ["TALLYCAM_", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"];

/// `program`, still to be started, without what is meant for this process alone.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if OURS.iter().any(|ours| name.as_encoded_bytes().starts_with(ours.as_bytes())) {
            command.env_remove(name);
        }
    }
    command
}

/// This program once more, with all that it was given.
pub fn reexec_command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}
