//! Reads the part of cloud-init's files that Raspberry Pi Imager writes: `user-data`, `network-config` (version 2)
//! and `meta-data`. Everything else in them is reported as not used.

use super::check::{self, Checked};
use super::reader::{CardReader, child_path};
use super::tree::{Node, NodeValue, Table, get};
use super::yaml;
use super::{CLOUD, CardSettings, Entry, Secret, Sourced, StaticAddress, SystemInfo, Wifi};

/// Keys that Imager writes for every system and that have no effect here: the image resolves names and has mDNS, and
/// nobody types.
const NEEDLESS: [&str; 5] =
    ["manage_resolv_conf", "manage_etc_hosts", "apt", "keyboard", "preserve_hostname"];

fn parsed<'e>(
    file: &'static str,
    text: &str,
    entries: &'e mut Vec<Entry>,
) -> Option<(Table, CardReader<'e>)> {
    match yaml::parse(text) {
        Ok(table) => Some((table, CardReader { file, entries })),
        Err((line, why)) => {
            let message = format!("nothing of this file is used: {why}");
            entries.push(Entry::mistake(file, line, "", message, None));
            None
        }
    }
}

pub fn user_data(text: &str, facts: &SystemInfo<'_>, entries: &mut Vec<Entry>) -> CardSettings {
    let mut wanted = CardSettings::default();
    let head = text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default().trim_end();
    if head != "#cloud-config" {
        if !text.trim().is_empty() {
            let what = "not used: it does not begin with the line #cloud-config";
            entries.push(Entry::not_used(CLOUD[0], 1, "", what, None));
        }
        return wanted;
    }
    let Some((table, mut reader)) = parsed(CLOUD[0], text, entries) else { return wanted };
    let reader = &mut reader;
    let known = [
        "hostname",
        "timezone",
        "user",
        "users",
        "ssh_authorized_keys",
        "ssh_pwauth",
        "packages",
        "runcmd",
        "rpi",
    ];
    reader.note_unknown_keys(&table, "", &[&known[..], &NEEDLESS[..]].concat());
    wanted.host = reader.checked(&table, "", "hostname", check::host);
    wanted.time_zone = reader.checked(&table, "", "timezone", |text| check::time_zone(text, facts.is_zone));
    if let Some(by_password) = get(&table, "ssh_pwauth").filter(|node| node.value == NodeValue::Bool(true)) {
        reader.report_not_used(by_password.line, "ssh_pwauth", "not used: SSH takes keys only");
    }
    let packages = reader.read_texts(&table, "", "packages").map_or_else(Vec::new, |given| given.value);
    if let Some((_, line)) = packages.iter().find(|(name, _)| name != "avahi-daemon") {
        reader.report_not_used(*line, "packages", "not used: nothing is installed on a card");
    }
    if let Some(pi) = get(&table, "rpi") {
        reader.report_not_used(pi.line, "rpi", "not used: the card decides about its interfaces");
    }
    let top = reader.checked_list(&table, "", "ssh_authorized_keys", check::key);
    match (get(&table, "user"), get(&table, "users")) {
        (Some(Node { value: NodeValue::Table(one), .. }), _) => user(one, "user", facts, reader, &mut wanted),
        (_, Some(Node { value: NodeValue::List(all), .. })) => users(all, facts, reader, &mut wanted),
        (Some(node), _) | (None, Some(node)) if node.value != NodeValue::Nothing => {
            reader.report_mistake(node.line, "user", "must have keys of its own below it", None);
        }
        _ => {}
    }
    wanted.keys = wanted.keys.or(top);
    run_commands(&table, reader);
    wanted
}

/// Uses the first of `users` that has a name; cloud-init's word `default` is not a name.
fn users(all: &[Node], facts: &SystemInfo<'_>, reader: &mut CardReader<'_>, wanted: &mut CardSettings) {
    let tables = all.iter().filter_map(|node| match &node.value {
        NodeValue::Table(table) => Some((node.line, table)),
        _ => None,
    });
    for (n, (line, table)) in tables.enumerate() {
        match n {
            0 => user(table, "users", facts, reader, wanted),
            _ => reader.report_not_used(line, "users", "not used: one user is made, the first"),
        }
    }
}

fn user(
    table: &Table,
    path: &str,
    facts: &SystemInfo<'_>,
    reader: &mut CardReader<'_>,
    wanted: &mut CardSettings,
) {
    let known = [
        "name",
        "shell",
        "lock_passwd",
        "passwd",
        "hashed_passwd",
        "ssh_authorized_keys",
        "sudo",
        "groups",
        "gecos",
    ];
    reader.note_unknown_keys(table, path, &known);
    wanted.user = reader.checked(table, path, "name", |text| check::user(text, facts.is_system_user));
    let hash = |reader: &mut CardReader<'_>, name| reader.checked(table, path, name, check::crypt);
    wanted.user_password = hash(reader, "passwd").or_else(|| hash(reader, "hashed_passwd"));
    wanted.keys = reader.checked_list(table, path, "ssh_authorized_keys", check::key);
}

/// Runs no command. Imager's own commands are not reported, because the image or other code has their effect.
fn run_commands(table: &Table, reader: &mut CardReader<'_>) {
    let Some(Node { value: NodeValue::List(commands), .. }) = get(table, "runcmd") else {
        if let Some(node) = get(table, "runcmd") {
            reader.report_not_used(node.line, "runcmd", "not used: no command is run");
        }
        return;
    };
    for command in commands {
        let words: Vec<&str> = match &command.value {
            NodeValue::List(words) => words
                .iter()
                .map(|word| match &word.value {
                    NodeValue::Text(text) => text.as_str(),
                    _ => "",
                })
                .collect(),
            _ => Vec::new(),
        };
        let is_imagers = matches!(words[..], ["systemctl", "enable", "--now", "ssh"] | ["rfkill", "unblock", "wifi"])
            || matches!(words[..], ["sh", "-c", script] if script.contains("/var/lib/systemd/rfkill/"))
            // These let the user become root without a password, which every user of a card may do.
            || words.iter().any(|word| word.contains("/etc/sudoers.d/010_"));
        if !is_imagers {
            reader.report_not_used(command.line, "runcmd", "not used: no command is run");
        }
    }
}

pub fn network(text: &str, entries: &mut Vec<Entry>) -> CardSettings {
    let mut wanted = CardSettings::default();
    let Some((table, mut reader)) = parsed(CLOUD[1], text, entries) else { return wanted };
    let reader = &mut reader;
    // The key `network` at the top, as Imager writes it, is optional.
    let (table, path) = match get(&table, "network") {
        Some(Node { value: NodeValue::Table(inner), .. }) => {
            reader.note_unknown_keys(&table, "", &["network"]);
            (inner, "network")
        }
        _ => (&table, ""),
    };
    if table.is_empty() {
        return wanted;
    }
    match get(table, "version") {
        Some(Node { value: NodeValue::Text(version), .. }) if version == "2" => {}
        node => {
            let line = node.map_or(0, |node| node.line);
            reader.report_not_used(line, "version", "nothing of this file is used: it is not of version 2");
            return wanted;
        }
    }
    reader.note_unknown_keys(table, path, &["version", "ethernets", "wifis", "renderer"]);
    let keys = ["dhcp4", "dhcp6", "optional", "addresses", "gateway4", "gateway6", "routes", "nameservers"];
    if let Some((at, one)) = interface(table, path, "ethernets", reader) {
        reader.note_unknown_keys(one, &at, &keys);
        wanted.wired = address(one, &at, reader);
    }
    if let Some((at, one)) = interface(table, path, "wifis", reader) {
        reader.note_unknown_keys(one, &at, &[&keys[..], &["regulatory-domain", "access-points"]].concat());
        wanted.wireless = address(one, &at, reader);
        wanted.country = reader.checked(one, &at, "regulatory-domain", check::country);
        wanted.wifi = access_points(one, &at, text.is_ascii(), reader);
    }
    wanted
}

/// The first interface of a kind, and its path.
fn interface<'t>(
    table: &'t Table,
    path: &str,
    kind: &str,
    reader: &mut CardReader<'_>,
) -> Option<(String, &'t Table)> {
    let all = reader.table(table, path, kind)?;
    let path = child_path(path, kind);
    for (name, line, _) in all.iter().skip(1) {
        reader.report_not_used(
            *line,
            &child_path(&path, name),
            "not used: only the first interface is set up",
        );
    }
    let (name, ..) = all.first()?;
    Some((child_path(&path, name), reader.table(all, &path, name)?))
}

/// The networks of `access-points`. In a text of ASCII only, `\xE9` is a byte of the name, as Imager means it. In
/// other texts it is a letter.
fn access_points(
    table: &Table,
    path: &str,
    is_ascii: bool,
    reader: &mut CardReader<'_>,
) -> Option<Sourced<Vec<Wifi>>> {
    let points = reader.table(table, path, "access-points")?;
    let path = child_path(path, "access-points");
    let mut networks = Vec::new();
    let mut first = 0;
    for (name, line, node) in points {
        let bytes: Option<Vec<u8>> =
            is_ascii.then(|| name.chars().map(|c| u8::try_from(c).ok()).collect()).flatten();
        let empty = Table::new();
        let table = match &node.value {
            NodeValue::Table(table) => table,
            _ => &empty,
        };
        let path = child_path(&path, name);
        reader.note_unknown_keys(table, &path, &["password", "hidden", "auth"]);
        let ssid = check::ssid(bytes.unwrap_or_else(|| name.clone().into_bytes()));
        let ssid = ssid.map_err(|(message, hint)| reader.report_mistake(*line, &path, message, hint)).ok();
        let is_hidden = reader.boolean(table, &path, "hidden").is_some_and(|given| given.value);
        if let (Some(ssid), Some(secret)) = (ssid, secret(table, &path, reader)) {
            first = if networks.is_empty() { *line } else { first };
            networks.push(Wifi { ssid, secret, is_hidden });
        }
    }
    (!networks.is_empty()).then(|| reader.with_location(networks, first, &path))
}

fn secret(table: &Table, path: &str, reader: &mut CardReader<'_>) -> Option<Secret> {
    if get(table, "password").is_some() {
        return reader.checked(table, path, "password", check::wifi_password).map(|given| given.value);
    }
    let Some(auth) = reader.table(table, path, "auth") else { return Some(Secret::Open) };
    let path = child_path(path, "auth");
    reader.note_unknown_keys(auth, &path, &["key-management", "password"]);
    let kind = |text: &str| -> Checked<bool> {
        match text {
            "none" => Ok(true),
            "psk" | "sae" => Ok(false),
            _ => Err((String::from("must be psk, sae or none"), None)),
        }
    };
    match get(auth, "key-management").map(|_| reader.checked(auth, &path, "key-management", kind)) {
        Some(None) => None,
        Some(Some(Sourced { value: true, .. })) => Some(Secret::Open),
        Some(Some(_)) | None => {
            reader.checked(auth, &path, "password", check::wifi_password).map(|given| given.value)
        }
    }
}

/// The static address of an interface, or DHCP.
fn address(table: &Table, path: &str, reader: &mut CardReader<'_>) -> Option<Sourced<StaticAddress>> {
    let addresses = reader.checked_list(table, path, "addresses", check::cidr)?;
    let mut gateways = Vec::new();
    for name in ["gateway4", "gateway6"] {
        gateways.extend(reader.checked(table, path, name, check::ip).map(|given| given.value));
    }
    if let Some(Node { value: NodeValue::List(routes), .. }) = get(table, "routes") {
        let path = child_path(path, "routes");
        for route in routes {
            let NodeValue::Table(route) = &route.value else { continue };
            let to = reader.read_text(route, &path, "to").map(|given| given.value).unwrap_or_default();
            match ["default", "0.0.0.0/0", "::/0"].contains(&to.as_str()) {
                true => {
                    gateways.extend(reader.checked(route, &path, "via", check::ip).map(|given| given.value))
                }
                false => {
                    let line = route.first().map_or(0, |(_, line, _)| *line);
                    reader.report_not_used(line, &path, "not used: only the default route is set up");
                }
            }
        }
    }
    let servers = reader.table(table, path, "nameservers");
    let at = child_path(path, "nameservers");
    let dns = servers.and_then(|servers| reader.checked_list(servers, &at, "addresses", check::ip));
    let dns = dns.map_or_else(Vec::new, |given| given.value);
    let Sourced { value: addresses, origin } = addresses;
    match check::address(addresses, gateways, dns) {
        Ok(value) => Some(Sourced { value, origin }),
        Err((message, hint)) => {
            reader.report_mistake(origin.line, &origin.key, message, hint);
            None
        }
    }
}

/// Reads the text of `meta-data`, which may also have a host name.
pub fn read_meta_data(text: &str, entries: &mut Vec<Entry>) -> CardSettings {
    let Some((table, mut reader)) = parsed(CLOUD[2], text, entries) else { return CardSettings::default() };
    reader.note_unknown_keys(
        &table,
        "",
        &["instance-id", "instance_id", "local-hostname", "hostname", "dsmode"],
    );
    let host = reader.checked(&table, "", "local-hostname", check::host);
    CardSettings {
        host: host.or_else(|| reader.checked(&table, "", "hostname", check::host)),
        ..CardSettings::default()
    }
}
