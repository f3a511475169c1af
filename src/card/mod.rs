//! Provisioning of a card: what the files on its boot partition want, and the files of the root that follow from it.
//!
//! Pure: whoever calls reads the files and writes what comes out (`tallycam card apply`). Three readers (`own`,
//! `preseed`, `cloud`) give one [`Wanted`] each, in which every value knows where it stands; per key the first that
//! has one wins. What is wrong or not used becomes an [`Entry`] of the [`Report`]. No text of a report holds a secret.

pub mod accounts;
mod check;
mod cloud;
pub mod files;
mod own;
mod preseed;
mod reader;
mod report;
mod tree;
mod yaml;

use crate::config::Saved;

pub use own::{Password, replace_password};
pub use report::{Applied, Entry, Report, Severity};

/// Our own file.
pub const OWN: &str = "tallycam.toml";

/// What Raspberry Pi Imager writes for its format `rpi-preseed`.
pub const PRESEED: &str = "rpi-preseed.toml";

/// What Raspberry Pi Imager writes for its format `cloudinit`.
pub const CLOUD: [&str; 3] = ["user-data", "network-config", "meta-data"];

/// What became of them, beside them.
pub const REPORT: &str = "tallycam-report.txt";

/// A longer file is none of these: 64 kB.
pub const LONGEST: usize = 64 * 1024;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file's name.
    pub file: &'static str,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The key, with its sections: `network.address`.
    pub key: String,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub origin: Origin,
}

/// What opens a Wi-Fi network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// Nothing: the network is open.
    Open,
    /// The passphrase, 8 to 63 bytes.
    Passphrase(String),
    /// The key derived from it (PMK), 64 hexadecimal digits.
    Key(String),
}

/// One Wi-Fi network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    /// Its name, 1 to 32 bytes, which need not be text.
    pub ssid: Vec<u8>,
    /// What opens it.
    pub secret: Secret,
    /// It does not announce its name.
    pub is_hidden: bool,
}

/// How an interface gets its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// From the network, as without any word about it.
    Dhcp,
    /// As given.
    Static {
        /// Addresses with the length of their network: `192.168.1.20/24`.
        addresses: Vec<String>,
        /// At most one of each kind.
        gateways: Vec<String>,
        /// Name servers.
        dns: Vec<String>,
    },
}

/// Everything that the files want of the system. Settings of the daemon are beside it, in [`Found::settings`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The host name: one label in small letters.
    pub host: Option<Given<String>>,
    /// An IANA name that the root knows.
    pub time_zone: Option<Given<String>>,
    /// Where Wi-Fi is used: ISO 3166-1 alpha-2, capitals.
    pub country: Option<Given<String>>,
    /// Wi-Fi networks, the preferred one first; never empty.
    pub wifi: Option<Given<Vec<Wifi>>>,
    /// The address of the cable's interface.
    pub wired: Option<Given<Address>>,
    /// The address of the Wi-Fi interface.
    pub wireless: Option<Given<Address>>,
    /// Who signs in by SSH.
    pub user: Option<Given<String>>,
    /// That user's Linux password, hashed.
    pub user_password: Option<Given<String>>,
    /// SSH public keys; never empty.
    pub keys: Option<Given<Vec<String>>>,
    /// The password of the page.
    pub password: Option<Given<Password>>,
}

impl Wanted {
    /// What `self` wants, and of the rest what `lower` wants.
    #[must_use]
    pub fn or(self, lower: Wanted) -> Wanted {
        Wanted {
            host: self.host.or(lower.host),
            time_zone: self.time_zone.or(lower.time_zone),
            country: self.country.or(lower.country),
            wifi: self.wifi.or(lower.wifi),
            wired: self.wired.or(lower.wired),
            wireless: self.wireless.or(lower.wireless),
            user: self.user.or(lower.user),
            user_password: self.user_password.or(lower.user_password),
            keys: self.keys.or(lower.keys),
            password: self.password.or(lower.password),
        }
    }
}

/// What is known of the root that the files are for.
pub struct Facts<'a> {
    /// Whether there is a time zone of this name, which has no `.` or `..` in it.
    pub is_zone: &'a dyn Fn(&str) -> bool,
    /// Whether a user of this name belongs to the system.
    pub is_system_user: &'a dyn Fn(&str) -> bool,
}

/// Everything that was found in the files.
#[derive(Debug)]
pub struct Found {
    /// What they want of the system.
    pub wanted: Wanted,
    /// The settings of `tallycam.toml`: keys of `config.toml`, each good by itself.
    pub settings: Saved,
    /// Keys and sections of those that have a wrong value.
    pub faulty: Vec<String>,
    /// The settings are not known: the file is there, and could not be read or understood.
    pub is_broken: bool,
    /// The text of `tallycam.toml`, as it was read.
    pub own_text: Option<String>,
    /// What is wrong or not used.
    pub entries: Vec<Entry>,
}

/// The bytes of a file, at most [`LONGEST`] and one more; nothing where there is none; or why it cannot be read.
pub type Loaded = Result<Option<Vec<u8>>, String>;

/// Reads every file that `load` gives by its name.
pub fn read(load: &dyn Fn(&str) -> Loaded, facts: &Facts<'_>) -> Found {
    let mut entries = Vec::new();
    let mut is_broken = false;
    let text = |file: &'static str, entries: &mut Vec<Entry>| match load(file) {
        Ok(None) => None,
        Ok(Some(bytes)) => decoded(file, bytes).map_err(|entry| entries.push(entry)).ok(),
        Err(why) => {
            entries.push(Entry::mistake(file, 0, "", why, None));
            None
        }
    };
    let own_text = text(OWN, &mut entries);
    is_broken |= !entries.is_empty();
    let own = own_text.as_deref().map(|text| own::read(text, facts, &mut entries));
    let own = own.unwrap_or_else(own::Own::nothing);
    is_broken |= own.is_broken;
    let mut wanted = own.wanted;
    if let Some(text) = text(PRESEED, &mut entries) {
        wanted = wanted.or(preseed::read(&text, facts, &mut entries));
    }
    let [user_data, network, meta_data] = CLOUD;
    if let Some(text) = text(user_data, &mut entries) {
        wanted = wanted.or(cloud::user_data(&text, facts, &mut entries));
    }
    if let Some(text) = text(network, &mut entries) {
        wanted = wanted.or(cloud::network(&text, &mut entries));
    }
    if let Some(text) = text(meta_data, &mut entries) {
        wanted = wanted.or(cloud::meta_data(&text, &mut entries));
    }
    without_a_key(&mut wanted, &mut entries);
    if let (Some(wifi), None) = (&wanted.wifi, &wanted.country) {
        let what = "no country is given: only the channels that are allowed everywhere are used";
        let hint = Some(String::from("country = \"DE\", above all sections of tallycam.toml"));
        let Origin { file, line, .. } = wifi.origin;
        entries.push(Entry { severity: Severity::Note, ..Entry::mistake(file, line, "country", what, hint) });
    }
    Found { wanted, settings: own.settings, faulty: own.faulty, is_broken, own_text, entries }
}

/// Nobody signs in without an SSH key: what belongs to a user is not used then.
fn without_a_key(wanted: &mut Wanted, entries: &mut Vec<Entry>) {
    if wanted.keys.is_some() {
        return;
    }
    let (user, password) = (wanted.user.take(), wanted.user_password.take());
    let origins = user.map(|user| user.origin).into_iter().chain(password.map(|password| password.origin));
    for Origin { file, line, key } in origins {
        let hint = Some(String::from("give an SSH key, too"));
        let what = "not used: no SSH key is given, and nobody signs in to Linux without one";
        entries.push(Entry::not_used(file, line, &key, what, hint));
    }
}

/// The text of a file.
fn decoded(file: &'static str, bytes: Vec<u8>) -> Result<String, Entry> {
    if bytes.len() > LONGEST {
        let what = format!("is not read: it is longer than {} kB", LONGEST / 1024);
        return Err(Entry::mistake(file, 0, "", what, None));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let hint = Some(String::from("save it as UTF-8"));
        return Err(Entry::mistake(file, 0, "", "is not read: it is UTF-16", hint));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        let hint = Some(String::from("save it as UTF-8"));
        Entry::mistake(file, line, "", "is not read: here is no UTF-8 text", hint)
    })
}

#[cfg(test)]
mod tests;
