//! The HTTPS certificate: the operator's, or a self-signed one.
//!
//! The operator's files are read again when they change and at SIGHUP; open connections keep the old certificate.
//! Files that cannot be used change nothing while running. At a start a self-signed certificate replaces them, so
//! that the page works.

pub(super) mod certificate;

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::log::{error, info, warn};
use rustix::fs::OFlags;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;

use super::addresses::MachineAddresses;
use super::error::DaemonError;
use super::settings::Settings;
use crate::http::{IdentityError, Preferences as _, TlsIdentity};
use tallycam_base::{clock, private};
use tallycam_config::Config;

/// Interval between checks of the operator's files.
const AGAIN: Duration = Duration::from_secs(60);

/// A longer file is cut and refused.
const LONGEST: u64 = 1 << 20;

/// File names of the self-signed pair in the state directory.
const CERTIFICATE: &str = "https.pem";
const KEY: &str = "https.key";

/// The files of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    /// True if symbolic links are followed: the operator's may be links, but nothing in the state directory may.
    follows: bool,
}

/// Identifies a version of a file.
type Stamp = (u64, u64, i64, i64);

impl Pair {
    /// The operator's files.
    fn from_config(config: &Config) -> Option<Pair> {
        let http = &config.http;
        let (certificate, key) = (http.certificate.clone()?, http.key.clone()?);
        Some(Pair { certificate, key, follows: true })
    }

    /// The self-signed pair in `directory`.
    fn own_in(directory: &Path) -> Pair {
        let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
        Pair { certificate, key, follows: false }
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.certificate, &self.key].map(|file| {
            let facts = fs::metadata(file).ok()?;
            Some((facts.ino(), facts.size(), facts.mtime(), facts.mtime_nsec()))
        })
    }

    /// # Errors
    /// The problem and the file that it concerns.
    fn read(&self) -> Result<TlsIdentity, String> {
        let text = |file: &Path| {
            let mut bytes = Vec::new();
            // Without `NONBLOCK` a pipe would block.
            let flags = if self.follows { OFlags::NONBLOCK } else { OFlags::NONBLOCK | OFlags::NOFOLLOW };
            let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(file);
            let read = opened.and_then(|open| open.take(LONGEST).read_to_end(&mut bytes));
            read.map(|_| bytes).map_err(|error| format!("{}: {error}", file.display()))
        };
        let (certificate, key) = (text(&self.certificate)?, text(&self.key)?);
        TlsIdentity::from_pem(&certificate, &key).map_err(|error| {
            let files = match error {
                IdentityError::NoCertificate => self.certificate.display().to_string(),
                IdentityError::NoKey => self.key.display().to_string(),
                IdentityError::Mismatch | IdentityError::Unfit(_) => {
                    format!("{} and {}", self.certificate.display(), self.key.display())
                }
            };
            format!("{files}: {error}")
        })
    }
}

/// The self-signed certificate. A missing or unusable one, or one that ends soon, is made again, also for the names
/// that the operator gives the machine.
fn own_identity(directory: &Path, more: &[String]) -> io::Result<TlsIdentity> {
    let pair = Pair::own_in(directory);
    match pair.read() {
        Ok(identity) if !is_due(&identity) => return Ok(identity),
        Ok(_) => info!(
            "the certificate of this camera for HTTPS ends soon, or is valid for too long; another is made"
        ),
        Err(why) if pair.certificate.exists() || pair.key.exists() => {
            warn!("{why}; another certificate is made");
        }
        Err(_) => {}
    }
    let machine = MachineAddresses::detect();
    let mut addresses = machine.addresses.clone();
    addresses.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    let mut names = machine.names();
    // IP addresses among the names are listed as addresses.
    names.extend(more.iter().filter(|name| name.parse::<IpAddr>().is_err()).cloned());
    let made = certificate::generate(&machine.host, &names, &addresses, clock::wall_s())
        .map_err(|_| io::Error::other("there are no random numbers"))?;
    let identity =
        TlsIdentity::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).map_err(io::Error::other)?;
    let kept = private::make_directory(directory)
        .and_then(|()| private::replace(&pair.key, made.key.as_bytes()))
        .and_then(|()| private::replace(&pair.certificate, made.certificate.as_bytes()));
    if let Err(error) = kept {
        warn!("the certificate holds until the next start, which makes another one: {error}");
    }
    // Printed beside the first password, so that its reader can recognise the certificate in the browser. A failed
    // write does not stop the daemon.
    let _ = writeln!(
        io::stdout(),
        "tallycam: the certificate of this camera for HTTPS has the SHA-256 fingerprint {}",
        identity.fingerprint()
    );
    Ok(identity)
}

/// True if the self-signed `identity` is to be replaced. A clock that was never set decides nothing.
fn is_due(identity: &TlsIdentity) -> bool {
    clock::ClockTime::now().wall_trusted && certificate::is_due(identity.der(), clock::wall_s())
}

/// Keeps the served certificate up to date with the configuration.
#[derive(Debug)]
pub struct CertificateWatcher {
    directory: PathBuf,
    served: watch::Sender<Arc<TlsIdentity>>,
    /// The operator's files when they were last read, usable or not.
    seen: Option<(Pair, [Option<Stamp>; 2])>,
}

impl CertificateWatcher {
    /// Reads the configured certificate; the self-signed one is in `directory`.
    ///
    /// # Errors
    /// There are no random numbers for a self-signed certificate.
    pub fn start(config: &Config, directory: &Path) -> Result<CertificateWatcher, DaemonError> {
        let pair = Pair::from_config(config);
        let seen = pair.as_ref().map(|pair| (pair.clone(), pair.stamps()));
        let operators = pair.and_then(|pair| match pair.read() {
            Ok(identity) => Some(identity),
            Err(why) => {
                error!(
                    "HTTPS is served with a certificate of tallycam's own making until this is mended: {why}"
                );
                None
            }
        });
        let identity = match operators {
            Some(identity) => identity,
            None => own_identity(directory, &config.http.names)
                .map_err(|error| DaemonError::refused("a certificate for HTTPS", &error))?,
        };
        info!("the certificate for HTTPS has the SHA-256 fingerprint {}", identity.fingerprint());
        let served = watch::Sender::new(Arc::new(identity));
        Ok(CertificateWatcher { directory: directory.to_owned(), served, seen })
    }

    /// The served certificate and its changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<TlsIdentity>> {
        self.served.subscribe()
    }

    /// Follows the settings and the files, at once after each `asked`. Never returns.
    pub async fn watch_files(mut self, settings: Settings, asked: Rc<Notify>) {
        loop {
            let is_asked = tokio::time::timeout(AGAIN, asked.notified()).await.is_ok();
            let in_force = settings.in_force();
            let pair = Pair::from_config(&in_force.resolved.config);
            let names = in_force.resolved.config.http.names.clone();
            // A file may be on a sleeping disk.
            let looked = spawn_blocking(move || {
                self.reload(pair, &names, is_asked);
                self
            });
            self = match looked.await {
                Ok(keeper) => keeper,
                Err(panicked) => return error!("the certificate is not looked at any more: {panicked}"),
            };
        }
    }

    /// Serves the files if they have changed or `is_asked`.
    fn reload(&mut self, pair: Option<Pair>, names: &[String], is_asked: bool) {
        let seen = pair.map(|pair| (pair.clone(), pair.stamps()));
        let is_due = seen.is_none() && is_due(&self.served.borrow());
        if seen == self.seen && !is_asked && !is_due {
            return;
        }
        let read = match &seen {
            Some((pair, _)) => pair.read(),
            None => own_identity(&self.directory, names).map_err(|error| error.to_string()),
        };
        self.seen = seen;
        match read {
            Ok(identity) => {
                if identity.fingerprint() != self.served.borrow().fingerprint() {
                    info!(
                        "HTTPS is served with another certificate now, of the SHA-256 fingerprint {}",
                        identity.fingerprint()
                    );
                }
                self.served.send_replace(Arc::new(identity));
            }
            Err(why) => error!("HTTPS is served with the certificate as it was, {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn config(folder: &Path) -> Config {
        let mut config = Config::default();
        config.http.certificate = Some(folder.join("fullchain.pem"));
        config.http.key = Some(folder.join("privkey.pem"));
        config
    }

    /// Writes a certificate as the operator's.
    fn renew(folder: &Path) -> String {
        let made = certificate::generate("door", &[String::from("door.example")], &[], 0).unwrap();
        fs::write(folder.join("fullchain.pem"), &made.certificate).unwrap();
        fs::write(folder.join("privkey.pem"), &made.key).unwrap();
        let identity = TlsIdentity::from_pem(made.certificate.as_bytes(), made.key.as_bytes()).unwrap();
        identity.fingerprint().to_owned()
    }

    #[test]
    fn the_self_signed_pair_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let fingerprint = || {
            CertificateWatcher::start(&Config::default(), &state)
                .unwrap()
                .subscribe()
                .borrow()
                .fingerprint()
                .to_owned()
        };
        let first = fingerprint();
        for name in [CERTIFICATE, KEY] {
            assert_eq!(fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&state).unwrap().count(), 2);
        assert_eq!(fingerprint(), first);
        // A power cut can leave an empty file.
        fs::write(state.join(KEY), "").unwrap();
        let second = fingerprint();
        assert!(second != first && fingerprint() == second);
        // A symbolic link is not followed either.
        fs::rename(state.join(KEY), folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), state.join(KEY)).unwrap();
        assert_ne!(fingerprint(), second);
    }

    #[test]
    fn the_self_signed_certificate_is_renewed_while_running() {
        let folder = tempfile::tempdir().unwrap();
        let make = |time_s| certificate::generate("door", &[], &[], time_s).unwrap();
        let write = |made: &certificate::SelfSigned| {
            fs::write(folder.path().join(CERTIFICATE), &made.certificate).unwrap();
            fs::write(folder.path().join(KEY), &made.key).unwrap();
        };
        let identity = |made: &certificate::SelfSigned| {
            TlsIdentity::from_pem(made.certificate.as_bytes(), made.key.as_bytes())
        };
        // Not valid yet, as after a clock that was ahead.
        let (early, good) = (make(clock::wall_s() + 10 * 86_400), make(clock::wall_s()));
        write(&good);
        let mut keeper = CertificateWatcher::start(&Config::default(), folder.path()).unwrap();
        let served = keeper.subscribe();
        let shown = || served.borrow().fingerprint().to_owned();
        let first = shown();
        assert_eq!(first, identity(&good).unwrap().fingerprint());
        keeper.reload(None, &[], false);
        assert_eq!(shown(), first);
        write(&early);
        keeper.served.send_replace(Arc::new(identity(&early).unwrap()));
        keeper.reload(None, &[], false);
        assert!(shown() != first && shown() != identity(&early).unwrap().fingerprint());
    }

    #[test]
    fn a_certificate_that_cannot_be_stored_is_served() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(CertificateWatcher::start(&Config::default(), &folder.path().join("file/state")).is_ok());
    }

    #[test]
    fn a_renewed_certificate_is_served_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let first = renew(folder.path());
        let mut keeper = CertificateWatcher::start(&config, folder.path()).unwrap();
        let served = keeper.subscribe();
        let shown = || served.borrow().fingerprint().to_owned();
        assert_eq!(shown(), first);
        let second = renew(folder.path());
        keeper.reload(Pair::from_config(&config), &[], false);
        assert_eq!(shown(), second);
        for broken in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            fs::write(folder.path().join("privkey.pem"), broken).unwrap();
            keeper.reload(Pair::from_config(&config), &[], false);
            assert_eq!(shown(), second);
        }
        fs::remove_file(folder.path().join("fullchain.pem")).unwrap();
        keeper.reload(Pair::from_config(&config), &[], false);
        assert_eq!(shown(), second);
        let third = renew(folder.path());
        keeper.reload(Pair::from_config(&config), &[], false);
        assert_eq!(shown(), third);
        // Without the two keys of the configuration the self-signed certificate is served.
        keeper.reload(None, &[], false);
        assert_ne!(shown(), third);
    }

    #[test]
    fn a_byte_order_mark_and_another_order_are_served() {
        let folder = tempfile::tempdir().unwrap();
        let pair = Pair::from_config(&config(folder.path())).unwrap();
        let made = || certificate::generate("door", &[], &[], 0).unwrap();
        let (own, authority, root) = (made(), made(), made());
        fs::write(&pair.key, format!("\u{feff}{}", own.key)).unwrap();
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let [own, authority, root] = [own, authority, root].map(|made| made.certificate);
        let mut shown = Vec::new();
        for text in [
            own.clone().into_bytes(),
            format!("\u{feff}{own}{authority}").into_bytes(),
            utf16(&format!("\u{feff}{own}{authority}")),
            format!("{root}{authority}{own}").into_bytes(),
            format!("{authority}{own}{root}").into_bytes(),
        ] {
            fs::write(&pair.certificate, text).unwrap();
            shown.push(pair.read().unwrap().fingerprint().to_owned());
        }
        assert!(shown.iter().all(|fingerprint| *fingerprint == shown[0]), "{shown:?}");
        fs::write(&pair.certificate, format!("{root}{authority}")).unwrap();
        let refused = pair.read().err().unwrap();
        assert!(refused.contains("belongs to none of the certificates"), "{refused}");
    }

    #[test]
    fn an_error_names_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let pair = Pair::from_config(&config(folder.path())).unwrap();
        let why = || pair.read().err().unwrap_or_default();
        assert!(why().contains("fullchain.pem: "), "{}", why());
        renew(folder.path());
        assert_eq!(why(), "");
        let other = certificate::generate("door", &[], &[], 0).unwrap();
        fs::write(&pair.key, other.key).unwrap();
        assert!(why().contains("fullchain.pem and ") && why().contains("privkey.pem: "), "{}", why());
        fs::write(&pair.key, "no key").unwrap();
        assert!(why().contains("privkey.pem: there is no private key"), "{}", why());
        fs::write(&pair.certificate, "none").unwrap();
        assert!(why().contains("fullchain.pem: there is no certificate"), "{}", why());
    }
}
