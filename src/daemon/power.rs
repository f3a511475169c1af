//! Switches the machine off or restarts it through `systemctl`, and sets its clock.
//!
//! systemctl exists wherever logind does, waits for its answer and explains a refusal. A D-Bus library would need
//! some hundred crates for that. Polkit decides whether this user may (`org.freedesktop.login1.power-off` and
//! `.reboot`) and never asks for a password. Runs on the runtime's pool and waits as long as systemctl: 25 s at
//! most for the bus.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Stdio;

use crate::http::{Power, PowerAction, not_switched};
use tallycam_base::{Fault, FaultKind, child, clock};

/// The hint after a refusal by polkit. The package brings the rule, and the owner decides to install it.
const ALLOW: &str = "the service has to be allowed to, once: `sudo install -m 644 \
    /usr/share/doc/tallycam/examples/tallycam-power.rules /etc/polkit-1/rules.d/`";

/// The same for the clock: the service needs `CAP_SYS_TIME`, which its unit withholds.
const ALLOW_CLOCK: &str = "a network with a time server sets it by itself; to allow the service to set it, see \
    /usr/share/doc/tallycam/examples/tallycam-set-clock.conf";

/// A clock this close is right: the request took a part of it.
const CLOSE_US: u64 = 2_000_000;

/// The machine that tallycam runs on.
#[derive(Debug)]
pub struct MachinePower {
    program: PathBuf,
}

impl Default for MachinePower {
    /// Uses the `systemctl` in `PATH`.
    fn default() -> MachinePower {
        MachinePower { program: PathBuf::from("systemctl") }
    }
}

impl Power for MachinePower {
    fn switch(&self, action: PowerAction) -> Result<(), Fault> {
        let verb = match action {
            PowerAction::Off => "poweroff",
            PowerAction::Reboot => "reboot",
        };
        let not = |reason: &str, hint: &str| not_switched(action, reason).hint(hint);
        let mut command = child::command(&self.program);
        command.args([verb, "--no-ask-password", "--no-wall"]).stdin(Stdio::null()).stdout(Stdio::null());
        let output = command.output().map_err(|error| match error.kind() {
            ErrorKind::NotFound => not("there is no systemctl here", "only systemd can do it"),
            _ => not(&format!("systemctl could not be run: {error}"), "`systemctl status` should work"),
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
        let reason = if said.is_empty() { format!("systemctl: {}", output.status) } else { said.join("; ") };
        Err(not(&reason, ALLOW))
    }

    fn set_clock(&self, wall_us: u64) -> Result<(), Fault> {
        if clock::wall_us().abs_diff(wall_us) > CLOSE_US && !clock::set_wall_us(wall_us) {
            let reason = "the clock could not be set: the service is not allowed to";
            return Err(Fault::new(FaultKind::File, reason).hint(ALLOW_CLOCK));
        }
        clock::confirm();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tallycam_base::testing::write_executable;

    fn machine(folder: &std::path::Path, script: &str) -> MachinePower {
        let program = folder.join("systemctl");
        write_executable(&program, &format!("#!/bin/sh\n{script}\n"));
        MachinePower { program }
    }

    #[test]
    fn systemctl_is_called_and_nobody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("told");
        let machine = machine(folder.path(), &format!("echo \"$@\" >> {}", calls.display()));
        assert_eq!(machine.switch(PowerAction::Off), Ok(()));
        assert_eq!(machine.switch(PowerAction::Reboot), Ok(()));
        assert_eq!(
            std::fs::read_to_string(calls).unwrap(),
            "poweroff --no-ask-password --no-wall\nreboot --no-ask-password --no-wall\n"
        );
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let said = "Call to PowerOff failed: Interactive authentication required.";
        let machine = machine(folder.path(), &format!("echo '{said}' >&2; exit 1"));
        let error = machine.switch(PowerAction::Off).unwrap_err();
        assert_eq!(error.to_string(), format!("the machine could not be switched off: {said}"));
        assert!(error.hint.unwrap().contains("sudo install -m 644 /usr/share/doc/tallycam/examples/"));
    }

    #[test]
    fn a_clock_that_is_right_needs_no_right_to_be_confirmed() {
        let machine = MachinePower::default();
        assert_eq!(machine.set_clock(clock::wall_us() + 100_000), Ok(()));
        assert!(clock::is_synchronised());
    }

    #[test]
    fn without_systemctl_it_says_so() {
        let machine = MachinePower { program: PathBuf::from("/nowhere/systemctl") };
        let error = machine.switch(PowerAction::Reboot).unwrap_err();
        assert_eq!(error.to_string(), "the machine could not be restarted: there is no systemctl here");
    }
}
