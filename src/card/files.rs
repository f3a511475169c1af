//! The system files that follow from the card's settings. Only values that passed `check` reach a file.

use super::accounts::{Accounts, Ids};
use super::{Applied, CardSettings, Secret, SettingOrigin, Sourced, StaticAddress, Wifi};
use tallycam_base::unicode::hex;

/// First line of the text files.
const HEAD: &str =
    "# Made by `tallycam card apply` at each start, from the files on the card's boot partition.\n";

/// The default name of the user.
const USER: &str = "pi";

/// A file, link or folder to write below the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The path below the root, without a leading slash.
    pub path: String,
    /// The content.
    pub what: FileChange,
    /// The owner; `None` keeps the present file's owner, or root.
    pub owner: Option<Ids>,
}

/// The content of a [`Write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    /// A file with these bytes and this mode.
    File(Vec<u8>, u32),
    /// A symbolic link with this target.
    Link(String),
    Folder(u32),
}

/// The state of the root before the change.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// The user database.
    pub accounts: Accounts,
    /// The text of `/etc/hosts`.
    pub hosts: String,
    /// systemd-resolved resolves names, and reads the name servers itself.
    pub has_resolved: bool,
    /// bash is installed.
    pub has_bash: bool,
}

/// The changes to the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePlan {
    /// Files to write, in this order.
    pub writes: Vec<Write>,
    /// Units to start after the files are written.
    pub units: Vec<&'static str>,
    /// The settings that are in force afterwards.
    pub applied: Vec<Applied>,
    /// The reason why a part cannot be done.
    pub problem: Option<&'static str>,
}

impl FilePlan {
    fn file(&mut self, path: &str, text: impl Into<Vec<u8>>, mode: u32) {
        self.writes.push(Write {
            path: path.to_owned(),
            what: FileChange::File(text.into(), mode),
            owner: None,
        });
    }

    fn record_applied(&mut self, what: &str, value: impl AsRef<str>, origin: &SettingOrigin) {
        self.applied.push(Applied::new(what, value, format_origin(origin)));
    }
}

/// Formats an origin: `tallycam.toml:3`.
pub fn format_origin(origin: &SettingOrigin) -> String {
    match origin.line {
        0 => origin.file.to_owned(),
        line => format!("{}:{line}", origin.file),
    }
}

/// The changes that `wanted` makes to a root.
pub fn plan(wanted: &CardSettings, before: &Before) -> FilePlan {
    let mut plan = FilePlan::default();
    if let Some(Sourced { value: host, origin }) = &wanted.host {
        plan.file("etc/hostname", format!("{host}\n"), 0o644);
        plan.file("etc/hosts", hosts(&before.hosts, host), 0o644);
        plan.record_applied("host name", host, origin);
    }
    if let Some(Sourced { value: zone, origin }) = &wanted.time_zone {
        let what = FileChange::Link(format!("/usr/share/zoneinfo/{zone}"));
        plan.writes.push(Write { path: String::from("etc/localtime"), what, owner: None });
        plan.file("etc/timezone", format!("{zone}\n"), 0o644);
        plan.record_applied("time zone", zone, origin);
    }
    network(wanted, before, &mut plan);
    user(wanted, before, &mut plan);
    plan
}

/// `/etc/hosts` with the machine's name at 127.0.1.1, as Debian does (hosts(5)).
fn hosts(before: &str, host: &str) -> String {
    let is_other = |line: &&str| line.split_whitespace().next() != Some("127.0.1.1");
    let mut text: String = before.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
    if !text.lines().any(|line| line.split_whitespace().next() == Some("127.0.0.1")) {
        text.insert_str(0, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    }
    text.push_str(&format!("127.0.1.1\t{host}\n"));
    text
}

/// The image uses DHCP anyway, and starts wpa_supplicant for an interface as soon as it appears.
fn network(wanted: &CardSettings, before: &Before, plan: &mut FilePlan) {
    let mut servers = Vec::new();
    for (address, what, name, matched) in [
        (&wanted.wired, "address by cable", "wired", "Name=en* eth* usb*"),
        (&wanted.wireless, "address by Wi-Fi", "wifi", "Name=wlan*"),
    ] {
        let Some(Sourced { value: address, origin }) = address else { continue };
        if let Some(text) = interface(matched, address, &mut servers) {
            plan.file(&format!("etc/systemd/network/10-tallycam-{name}.network"), text, 0o644);
        }
        plan.record_applied(what, format_address(address), origin);
    }
    if let Some(Sourced { value: networks, origin }) = &wanted.wifi {
        let country = wanted.country.as_ref().map(|given| given.value.as_str());
        let path = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf";
        plan.file(path, wpa_supplicant(networks, country), 0o600);
        let names: Vec<_> = networks.iter().map(|wifi| String::from_utf8_lossy(&wifi.ssid)).collect();
        plan.record_applied("Wi-Fi", names.join(", "), origin);
        if let Some(given) = &wanted.country {
            plan.record_applied("Wi-Fi country", &given.value, &given.origin);
        }
    }
    if !servers.is_empty() && !before.has_resolved {
        let lines: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
        plan.file("etc/resolv.conf", format!("{HEAD}{lines}"), 0o644);
    }
}

fn format_address(address: &StaticAddress) -> String {
    match address {
        StaticAddress::Dhcp => String::from("DHCP"),
        StaticAddress::Static { addresses, .. } => addresses.join(", "),
    }
}

/// A systemd.network(5) file for a static address. Adds its name servers to `servers`. Without name servers it uses
/// the gateways, because most routers resolve names.
fn interface(matched: &str, address: &StaticAddress, servers: &mut Vec<String>) -> Option<String> {
    let StaticAddress::Static { addresses, gateways, dns } = address else { return None };
    let dns = if dns.is_empty() { gateways } else { dns };
    let mut text = format!("{HEAD}\n[Match]\n{matched}\n\n[Network]\nIgnoreCarrierLoss=5s\n");
    for (key, values) in [("Address", addresses), ("Gateway", gateways), ("DNS", dns)] {
        text.extend(values.iter().map(|value| format!("{key}={value}\n")));
    }
    servers.extend(dns.iter().cloned());
    Some(text)
}

/// The wpa_supplicant(8) configuration, for WPA2 and WPA3. Each network has the options of a system set up by Imager.
fn wpa_supplicant(networks: &[Wifi], country: Option<&str>) -> String {
    let mut text = format!("{HEAD}ctrl_interface=DIR=/run/wpa_supplicant\nupdate_config=0\n");
    if let Some(country) = country {
        text.push_str(&format!("country={country}\n"));
    }
    for (n, wifi) in networks.iter().enumerate() {
        text.push_str(&format!("\nnetwork={{\n\tssid={}\n", ssid(&wifi.ssid)));
        if wifi.is_hidden {
            text.push_str("\tscan_ssid=1\n");
        }
        match &wifi.secret {
            Secret::Open => text.push_str("\tkey_mgmt=NONE\n"),
            // The last quotation mark of the line ends the value; there are no escapes (wpa_supplicant's config.c).
            Secret::Passphrase(word) => {
                text.push_str(&format!("\tkey_mgmt=WPA-PSK SAE\n\tpsk=\"{word}\"\n\tieee80211w=1\n"));
            }
            Secret::Key(key) => {
                text.push_str(&format!("\tkey_mgmt=WPA-PSK SAE\n\tpsk={key}\n\tieee80211w=1\n"));
            }
        }
        text.push_str(&format!("\tpriority={}\n}}\n", networks.len() - n));
    }
    text
}

/// A network's name: quoted if it is plain ASCII, otherwise as hexadecimal digits.
fn ssid(bytes: &[u8]) -> String {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"\\#".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(is_plain) => format!("\"{text}\""),
        _ => hex(bytes),
    }
}

/// The user with its keys, and SSH. The image accepts only keys for SSH, and lets the group sudo become root.
fn user(wanted: &CardSettings, before: &Before, plan: &mut FilePlan) {
    let Some(Sourced { value: keys, origin }) = &wanted.keys else { return };
    let name = wanted.user.as_ref().map_or(USER, |given| &given.value);
    let password = wanted.user_password.as_ref().map(|given| given.value.as_str());
    let shell = if before.has_bash { "/bin/bash" } else { "/bin/sh" };
    let Some((accounts, ids)) = before.accounts.with_user(name, password, shell) else {
        plan.problem = Some("no user can be made: no number is free");
        return;
    };
    plan.file("etc/passwd", accounts.passwd, 0o644);
    plan.file("etc/group", accounts.group, 0o644);
    plan.file("etc/shadow", accounts.shadow, 0o640);
    let own = |path: String, what| Write { path, what, owner: Some(ids) };
    plan.writes.push(own(format!("home/{name}"), FileChange::Folder(0o755)));
    plan.writes.push(own(format!("home/{name}/.ssh"), FileChange::Folder(0o700)));
    let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
    let file = FileChange::File(lines.into_bytes(), 0o600);
    plan.writes.push(own(format!("home/{name}/.ssh/authorized_keys"), file));
    plan.units.push("ssh.service");
    let count = if keys.len() == 1 { String::from("1 key") } else { format!("{} keys", keys.len()) };
    plan.record_applied("SSH", format!("{name}, {count}"), origin);
}
