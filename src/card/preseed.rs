//! Reads `rpi-preseed.toml` of Raspberry Pi Imager 2.0.11 and later. Keys that the card does not use are reported.

use super::check::{self, Checked};
use super::reader::CardReader;
use super::tree::{self, Table, get};
use super::{CardSettings, Entry, PRESEED, Secret, Sourced, StaticAddress, SystemInfo, Wifi};

pub fn read(text: &str, facts: &SystemInfo<'_>, entries: &mut Vec<Entry>) -> CardSettings {
    let table = match tree::toml(text) {
        Ok(table) => table,
        Err((line, why)) => {
            let message = format!("nothing of this file is used: {why}");
            entries.push(Entry::mistake(PRESEED, line, "", message, None));
            return CardSettings::default();
        }
    };
    let reader = &mut CardReader { file: PRESEED, entries };
    // Imager's keyboard settings are ignored, because nobody types at a card.
    let known = ["config_version", "system", "user", "ssh", "wlan", "ethernet", "locale"];
    reader.note_unknown_keys(&table, "", &known);
    let mut wanted = CardSettings::default();
    if let Some(version) = reader.read_text(&table, "", "config_version")
        && !version.value.starts_with("1.")
    {
        let what = "is of another version than 1: it is read as far as it is understood";
        reader.report_mistake(version.origin.line, "config_version", what, None);
    }
    if let Some(system) = reader.table(&table, "", "system") {
        reader.note_unknown_keys(system, "system", &["hostname"]);
        wanted.host = reader.checked(system, "system", "hostname", check::host);
    }
    if let Some(user) = reader.table(&table, "", "user") {
        let known = ["name", "password", "password_encrypted", "passwordless_sudo", "groups"];
        reader.note_unknown_keys(user, "user", &known);
        wanted.user = reader.checked(user, "user", "name", |text| check::user(text, facts.is_system_user));
        wanted.user_password = reader.checked(user, "user", "password", check::crypt);
    }
    if let Some(ssh) = reader.table(&table, "", "ssh") {
        keys(ssh, reader, &mut wanted);
    }
    if let Some(wlan) = reader.table(&table, "", "wlan") {
        let known = ["ssid", "ssid_hex", "password", "password_encrypted", "hidden", "country", "key_mgmt"];
        reader.note_unknown_keys(wlan, "wlan", &known);
        wanted.country = reader.checked(wlan, "wlan", "country", check::country);
        wanted.wifi = wifi(wlan, reader);
    }
    if let Some(ethernet) = reader.table(&table, "", "ethernet") {
        reader.note_unknown_keys(ethernet, "ethernet", &["method", "address", "gateway", "dns"]);
        wanted.wired = read_ethernet(ethernet, reader);
    }
    if let Some(locale) = reader.table(&table, "", "locale") {
        let keyboard = ["keymap", "keymap_model", "keymap_variant", "keymap_options"];
        reader.note_unknown_keys(locale, "locale", &[&["timezone"], &keyboard[..]].concat());
        wanted.time_zone =
            reader.checked(locale, "locale", "timezone", |text| check::time_zone(text, facts.is_zone));
    }
    wanted
}

fn keys(ssh: &Table, reader: &mut CardReader<'_>, wanted: &mut CardSettings) {
    reader.note_unknown_keys(ssh, "ssh", &["enabled", "password_authentication", "authorized_keys"]);
    let is_enabled = reader.boolean(ssh, "ssh", "enabled").is_none_or(|given| given.value);
    if let Some(by_password) = reader.boolean(ssh, "ssh", "password_authentication")
        && by_password.value
        && is_enabled
    {
        let what = "not used: SSH takes keys only";
        reader.report_not_used(by_password.origin.line, "ssh.password_authentication", what);
    }
    match (is_enabled, get(ssh, "authorized_keys")) {
        (true, _) => wanted.keys = reader.checked_list(ssh, "ssh", "authorized_keys", check::key),
        (false, Some(node)) => {
            reader.report_not_used(node.line, "ssh.authorized_keys", "not used: SSH is not enabled")
        }
        (false, None) => {}
    }
}

fn wifi(wlan: &Table, reader: &mut CardReader<'_>) -> Option<Sourced<Vec<Wifi>>> {
    let ssid = match get(wlan, "ssid_hex") {
        Some(_) => reader.checked(wlan, "wlan", "ssid_hex", check::ssid_hex),
        None => reader.checked(wlan, "wlan", "ssid", |text| check::ssid(text.into())),
    };
    let kind = |text: &str| -> Checked<bool> {
        match text {
            "none" => Ok(true),
            "wpa-psk" | "sae" => Ok(false),
            _ => Err((String::from("must be \"wpa-psk\", \"sae\" or \"none\""), None)),
        }
    };
    let is_open = match get(wlan, "key_mgmt") {
        None => false,
        Some(_) => reader.checked(wlan, "wlan", "key_mgmt", kind)?.value,
    };
    let secret = match get(wlan, "password") {
        None => Some(Secret::Open),
        Some(node) if is_open => {
            reader.report_not_used(node.line, "wlan.password", "not used: the network is open");
            Some(Secret::Open)
        }
        Some(_) => reader.checked(wlan, "wlan", "password", check::wifi_password).map(|given| given.value),
    };
    let is_hidden = reader.boolean(wlan, "wlan", "hidden").is_some_and(|given| given.value);
    let Sourced { value: ssid, origin } = ssid?;
    Some(Sourced { value: vec![Wifi { ssid, secret: secret?, is_hidden }], origin })
}

fn read_ethernet(ethernet: &Table, reader: &mut CardReader<'_>) -> Option<Sourced<StaticAddress>> {
    let method = reader.read_text(ethernet, "ethernet", "method")?;
    match method.value.as_str() {
        "dhcp" => Some(Sourced { value: StaticAddress::Dhcp, origin: method.origin }),
        "static" => {
            let list = |reader: &mut CardReader<'_>, name, check: fn(&str) -> Checked<String>| {
                reader.checked_list(ethernet, "ethernet", name, check).map_or_else(Vec::new, |it| it.value)
            };
            let addresses = list(reader, "address", check::cidr);
            let (gateways, dns) = (list(reader, "gateway", check::ip), list(reader, "dns", check::ip));
            if addresses.is_empty() {
                reader.report_mistake(method.origin.line, "ethernet.method", "needs an address", None);
                return None;
            }
            let checked = check::address(addresses, gateways, dns);
            checked
                .map_err(|(message, hint)| {
                    reader.report_mistake(method.origin.line, "ethernet.address", message, hint);
                })
                .ok()
                .map(|value| Sourced { value, origin: method.origin })
        }
        _ => {
            reader.report_not_used(
                method.origin.line,
                "ethernet.method",
                "not used: it is neither dhcp nor static",
            );
            None
        }
    }
}
