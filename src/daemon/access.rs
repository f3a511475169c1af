//! The camera's password at the start. A service that never had one generates one and prints it once.
//!
//! "Service" means a daemon that systemd started with a state directory and a notify socket. A daemon started by
//! hand, as by `make run`, asks for no password until one is set.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;

use ::log::{error, info, warn};

use crate::access::{Access, AccessError, AccessGuard, random_password};

/// Opens the password file in `directory`. The first start as a service generates a password. With
/// `is_claimed_by_network`, nobody gets in until a browser on the local network has chosen one.
///
/// The password goes to standard output, not to the log, because the page shows the last lines of the log. Under
/// systemd standard output is the journal and, with our units, the machine's console.
pub fn open(directory: &Path, is_claimed_by_network: bool) -> Access {
    let is_service = is_service(
        std::env::var_os("NOTIFY_SOCKET").as_deref(),
        std::env::var_os("STATE_DIRECTORY").as_deref(),
    );
    let access = Access::open(directory);
    match access.guard() {
        AccessGuard::Password => access.ensure_link_key(),
        AccessGuard::Never if is_claimed_by_network => {
            access.start_claim_mode();
            info!(
                "there is no password yet: the first browser on the local network chooses it, on the page /claim"
            );
        }
        AccessGuard::Never if is_service => {
            if let Err(error) = first(&access, &mut std::io::stdout()) {
                error!("no password could be made: {error}; whoever reaches this camera can change it");
            }
        }
        AccessGuard::Never | AccessGuard::Removed => {
            info!("no password is asked for: `tallycam password` sets one")
        }
        AccessGuard::Unreadable(why) => error!(
            "the password cannot be read: {why}; from other machines nothing can be changed until `tallycam password \
             random` makes a new one"
        ),
    }
    access
}

fn is_service(notify_socket: Option<&OsStr>, state_directory: Option<&OsStr>) -> bool {
    notify_socket.is_some_and(|path| !path.is_empty()) && state_directory.is_some_and(|path| !path.is_empty())
}

/// Generates a password and prints it.
fn first(access: &Access, shown: &mut impl Write) -> Result<(), AccessError> {
    let password = random_password()?;
    let holds = match access.set_initial_password(&password) {
        Ok(()) => "",
        Err(error) => {
            warn!("the password holds until the next start, which makes another one: {error}");
            access.set_password_in_memory(&password)?;
            ", until the next start"
        }
    };
    // The daemon serves even if nobody can read the password.
    let _ = writeln!(
        shown,
        "tallycam: the password for changing this camera from other machines is {password}{holds} (any user name). \
         It holds until you choose your own, and who may watch (anyone on this network, or only with a password): on \
         the page \
         /access, or by `tallycam password set`"
    );
    info!("a password was made and written to the journal and the console");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_printed_password_works() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        let mut shown = Vec::new();
        first(&access, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        let password = shown.split(" is ").nth(1).unwrap().split(' ').next().unwrap();
        assert!(access.verify_password("", password).is_some(), "{shown}");
        assert_eq!(shown.lines().count(), 1);
        assert!(shown.contains("anyone on this network, or only with a password") && access.is_first());
    }

    #[test]
    fn a_password_that_cannot_be_stored_works_until_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let access = Access::open(&folder.path().join("file/state"));
        let mut shown = Vec::new();
        first(&access, &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("until the next start") && !access.is_open(), "{shown}");
    }

    #[test]
    fn only_a_daemon_of_systemd_is_a_service() {
        let some = Some(OsStr::new("/run/x"));
        assert!(is_service(some, some));
        assert!(
            !is_service(some, None) && !is_service(None, some) && !is_service(Some(OsStr::new("")), some)
        );
    }
}
