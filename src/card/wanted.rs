//! What the files on a boot partition want, as one plain value with the place of each part.

use std::ops::Range;

/// Our own file.
pub const OWN: &str = "tallycam.toml";

/// What Raspberry Pi Imager writes for its format `rpi-preseed`.
pub const PRESEED: &str = "rpi-preseed.toml";

/// What Raspberry Pi Imager writes for its format `cloudinit`.
pub const CLOUD: [&str; 3] = ["user-data", "network-config", "meta-data"];

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingOrigin {
    /// The file's name.
    pub file: &'static str,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The key, with its sections: `network.address`.
    pub key: String,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    /// Where it stands.
    pub origin: SettingOrigin,
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

/// The password of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// As it is typed, and where it stands in the file, in bytes, quotes and all.
    Plain(String, Range<usize>),
    Hash(String),
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
pub enum StaticAddress {
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

/// Everything that the files want of the system. Settings of the daemon are beside it, in
/// [`ReadFiles::settings`](super::ReadFiles::settings).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardSettings {
    /// The host name: one label in small letters.
    pub host: Option<Sourced<String>>,
    /// An IANA name that the root knows.
    pub time_zone: Option<Sourced<String>>,
    /// Where Wi-Fi is used: ISO 3166-1 alpha-2, capitals.
    pub country: Option<Sourced<String>>,
    /// Wi-Fi networks, the preferred one first; never empty.
    pub wifi: Option<Sourced<Vec<Wifi>>>,
    /// The address of the cable's interface.
    pub wired: Option<Sourced<StaticAddress>>,
    /// The address of the Wi-Fi interface.
    pub wireless: Option<Sourced<StaticAddress>>,
    /// Who signs in by SSH.
    pub user: Option<Sourced<String>>,
    /// That user's Linux password, hashed.
    pub user_password: Option<Sourced<String>>,
    /// SSH public keys; never empty.
    pub keys: Option<Sourced<Vec<String>>>,
    /// The password of the page.
    pub password: Option<Sourced<Password>>,
}

impl CardSettings {
    /// What `self` wants, and of the rest what `lower` wants.
    #[must_use]
    pub fn or(self, lower: CardSettings) -> CardSettings {
        CardSettings {
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
pub struct SystemInfo<'a> {
    /// Whether there is a time zone of this name, which has no `.` or `..` in it.
    pub is_zone: &'a dyn Fn(&str) -> bool,
    /// Whether a user of this name belongs to the system.
    pub is_system_user: &'a dyn Fn(&str) -> bool,
}
