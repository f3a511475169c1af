//! The settings of the files on a boot partition, each with its origin.

use std::ops::Range;

/// Our own file.
pub const OWN: &str = "tallycam.toml";

/// The file of Raspberry Pi Imager's format `rpi-preseed`.
pub const PRESEED: &str = "rpi-preseed.toml";

/// The files of Raspberry Pi Imager's format `cloudinit`.
pub const CLOUD: [&str; 3] = ["user-data", "network-config", "meta-data"];

/// The place of a value in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingOrigin {
    /// The file's name.
    pub file: &'static str,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// The key with its sections: `network.address`.
    pub key: String,
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    /// The place in the files.
    pub origin: SettingOrigin,
}

/// The credential of a Wi-Fi network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// None: the network is open.
    Open,
    /// The passphrase, 8 to 63 bytes.
    Passphrase(String),
    /// The key derived from the passphrase (PMK), 64 hexadecimal digits.
    Key(String),
}

/// The password of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// The plain password and its byte range in the file, including the quotes.
    Plain(String, Range<usize>),
    Hash(String),
}

/// A Wi-Fi network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    /// The name, 1 to 32 bytes, which need not be text.
    pub ssid: Vec<u8>,
    /// The credential.
    pub secret: Secret,
    /// The network does not announce its name.
    pub is_hidden: bool,
}

/// The address of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StaticAddress {
    /// From DHCP, which is also the default.
    Dhcp,
    /// A fixed address.
    Static {
        /// Addresses with prefix lengths: `192.168.1.20/24`.
        addresses: Vec<String>,
        /// At most one for IPv4 and one for IPv6.
        gateways: Vec<String>,
        /// Name servers.
        dns: Vec<String>,
    },
}

/// All settings for the system. The daemon's settings are in [`ReadFiles::settings`](super::ReadFiles::settings).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CardSettings {
    /// The host name: one label in lower case.
    pub host: Option<Sourced<String>>,
    /// The name of an IANA time zone that the system has.
    pub time_zone: Option<Sourced<String>>,
    /// The country for Wi-Fi: ISO 3166-1 alpha-2, upper case.
    pub country: Option<Sourced<String>>,
    /// Wi-Fi networks, the preferred one first; never empty.
    pub wifi: Option<Sourced<Vec<Wifi>>>,
    /// The address of the wired interface.
    pub wired: Option<Sourced<StaticAddress>>,
    /// The address of the Wi-Fi interface.
    pub wireless: Option<Sourced<StaticAddress>>,
    /// The name of the user who signs in by SSH.
    pub user: Option<Sourced<String>>,
    /// The user's Linux password, hashed.
    pub user_password: Option<Sourced<String>>,
    /// SSH public keys; never empty.
    pub keys: Option<Sourced<Vec<String>>>,
    /// The password of the page.
    pub password: Option<Sourced<Password>>,
}

impl CardSettings {
    /// The values of `self`; where one is missing, that of `lower`.
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

/// Facts about the root that the files are for.
pub struct SystemInfo<'a> {
    /// Whether there is a time zone with this name. The name contains no `.` and no `..`.
    pub is_zone: &'a dyn Fn(&str) -> bool,
    /// Whether the system owns the user with this name.
    pub is_system_user: &'a dyn Fn(&str) -> bool,
}
