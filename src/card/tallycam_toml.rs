//! Reads `tallycam.toml`: the keys of the card, and any setting of `config.toml` under its own name.

use std::ops::Range;
use std::path::Path;

use super::check::{self, Checked};
use super::reader::{CardReader, child_path};
use super::tree::{self, Node, NodeValue, Table, get};
use super::{CardSettings, Entry, OWN, Password, Secret, Severity, Sourced, StaticAddress, SystemInfo, Wifi};
use crate::access;
use tallycam_config::{Diagnostic, Diagnostics, Saved, closest_match};

/// Keys and sections of the card. All others are the daemon's settings.
const OURS: [&str; 7] = ["host", "time_zone", "country", "wifi", "network", "ssh", "access.password"];

/// Maximum number of Wi-Fi networks.
const MOST_NETWORKS: usize = 20;

/// The content of the file.
pub struct CardFile {
    /// The settings for the system.
    pub wanted: CardSettings,
    /// Settings of the daemon.
    pub settings: Saved,
    /// Keys and sections of the daemon's settings with an invalid value.
    pub faulty: Vec<String>,
    /// The file is not valid TOML and not used at all.
    pub is_broken: bool,
}

impl CardFile {
    /// The content of an absent file.
    pub fn empty() -> CardFile {
        let settings = Saved::empty(Path::new(OWN).to_owned());
        CardFile { wanted: CardSettings::default(), settings, faulty: Vec::new(), is_broken: false }
    }
}

pub fn read(text: &str, facts: &SystemInfo<'_>, entries: &mut Vec<Entry>) -> CardFile {
    let nothing = || CardFile { is_broken: true, ..CardFile::empty() };
    let (settings, faulty) = match Saved::read_shared(Path::new(OWN), text, &OURS) {
        Ok((settings, faulty)) => (settings, faulty),
        Err(complaints) => {
            report_complaints(&complaints, entries);
            let what =
                "nothing of this file is used: what it set before stays as it is, and other files are read";
            entries.push(Entry::mistake(OWN, 0, "", what, None));
            return nothing();
        }
    };
    let table = match tree::toml(text) {
        Ok(table) => table,
        Err((line, why)) => {
            entries.push(Entry::mistake(OWN, line, "", why, None));
            return nothing();
        }
    };
    let faulty = match faulty {
        None => Vec::new(),
        Some(faulty) => {
            report_complaints(&faulty.complaints, entries);
            faulty.paths
        }
    };
    let wanted = read_wanted(&table, &settings, facts, &mut CardReader { file: OWN, entries });
    CardFile { wanted, settings, faulty, is_broken: false }
}

/// Adds the configuration's diagnostics as entries.
fn report_complaints(complaints: &Diagnostics, entries: &mut Vec<Entry>) {
    for complaint in complaints.iter() {
        let line = complaint.line_and_column().map_or(0, |(line, _)| line);
        let key = complaint.key_and_value().map_or("", |(path, _)| path);
        entries.push(Entry::mistake(OWN, line, key, complaint.message(), hint(complaint)));
    }
}

/// The hint of a diagnostic. An unknown key of the configuration may be a misspelt key of the card.
fn hint(complaint: &Diagnostic) -> Option<String> {
    let is_unknown = complaint.message().starts_with("there is no ");
    let near = complaint
        .key_and_value()
        .filter(|_| is_unknown)
        .and_then(|(path, _)| closest_match(path, OURS.into_iter()));
    near.map(|near| format!("did you mean `{near}`?")).or_else(|| complaint.hint().map(str::to_owned))
}

fn read_wanted(
    table: &Table,
    settings: &Saved,
    facts: &SystemInfo<'_>,
    reader: &mut CardReader<'_>,
) -> CardSettings {
    let mut wanted = CardSettings {
        host: reader.checked(table, "", "host", check::host),
        time_zone: reader.checked(table, "", "time_zone", |text| check::time_zone(text, facts.is_zone)),
        country: reader.checked(table, "", "country", check::country),
        wifi: wifi(table, reader),
        ..CardSettings::default()
    };
    if get(table, "host").is_none() && settings.get("name").is_some() {
        wanted.host = host_of_name(table, reader);
    }
    if let Some(network) = reader.table(table, "", "network") {
        reader.report_unknown_keys(network, "network", &["address", "gateway", "dns", "wifi"]);
        wanted.wired = address(network, "network", reader);
        if let Some(network) = reader.table(network, "network", "wifi") {
            reader.report_unknown_keys(network, "network.wifi", &["address", "gateway", "dns"]);
            wanted.wireless = address(network, "network.wifi", reader);
        }
    }
    if let Some(ssh) = reader.table(table, "", "ssh") {
        reader.report_unknown_keys(ssh, "ssh", &["user", "keys"]);
        wanted.user = reader.checked(ssh, "ssh", "user", |text| check::user(text, facts.is_system_user));
        wanted.keys = reader.checked_list(ssh, "ssh", "keys", check::key);
    }
    if let Some(NodeValue::Table(access)) = get(table, "access").map(|node| &node.value) {
        let span = get(access, "password").map_or(0..0, |node| node.span.clone());
        wanted.password = reader.checked(access, "access", "password", |text| password(text, span));
    }
    wanted
}

/// The host name derived from the camera's `name`.
fn host_of_name(table: &Table, reader: &mut CardReader<'_>) -> Option<Sourced<String>> {
    let Sourced { value, origin } = reader.read_text(table, "", "name")?;
    let host = check::host_of_name(&value);
    if host.is_none() {
        let hint = Some(String::from("host = \"…\" gives one: letters a to z, digits and dashes"));
        let what = "no host name can be made of it: the page's address stays as it is";
        let entry = Entry::mistake(OWN, origin.line, "name", what, hint);
        reader.entries.push(Entry { severity: Severity::Note, ..entry });
    }
    host.map(|value| Sourced { value, origin })
}

/// Reads `[[wifi]]`, or `[wifi]` for a single network.
fn wifi(table: &Table, reader: &mut CardReader<'_>) -> Option<Sourced<Vec<Wifi>>> {
    let node = get(table, "wifi")?;
    let tables: &[Node] = match &node.value {
        NodeValue::List(all) => all,
        NodeValue::Table(_) => std::slice::from_ref(node),
        _ => &[],
    };
    if tables.is_empty() {
        let hint = Some(String::from("[[wifi]] on a line of its own, and ssid and password below it"));
        reader.report_mistake(node.line, "wifi", "must be a section for each network", hint);
    }
    let mut networks = Vec::new();
    for one in tables {
        let NodeValue::Table(table) = &one.value else {
            reader.report_mistake(one.line, "wifi", "must be a section for each network", None);
            continue;
        };
        reader.report_unknown_keys(table, "wifi", &["ssid", "password", "psk", "hidden"]);
        networks.extend(network(table, one.line, reader));
    }
    if networks.len() > MOST_NETWORKS {
        reader.report_mistake(
            node.line,
            "wifi",
            format!("only the first {MOST_NETWORKS} networks are used"),
            None,
        );
        networks.truncate(MOST_NETWORKS);
    }
    (!networks.is_empty()).then(|| reader.with_location(networks, node.line, "wifi"))
}

fn network(table: &Table, line: usize, reader: &mut CardReader<'_>) -> Option<Wifi> {
    if get(table, "ssid").is_none() {
        reader.report_mistake(line, "wifi.ssid", "is missing: the network's name", None);
    }
    let ssid = reader.checked(table, "wifi", "ssid", |text| check::ssid(text.into()));
    let secret = match (get(table, "psk"), get(table, "password")) {
        (None, None) => Some(Secret::Open),
        (Some(_), None) => reader.checked(table, "wifi", "psk", check::psk).map(|psk| psk.value),
        (_, Some(_)) => {
            if let Some(psk) = get(table, "psk") {
                reader.report_not_used(psk.line, "wifi.psk", "not used: there is a password, too");
            }
            reader.checked(table, "wifi", "password", check::wifi_password).map(|it| it.value)
        }
    };
    let is_hidden = reader.boolean(table, "wifi", "hidden").is_some_and(|given| given.value);
    Some(Wifi { ssid: ssid?.value, secret: secret?, is_hidden })
}

/// Reads `address`, `gateway` and `dns` of one interface.
fn address(table: &Table, path: &str, reader: &mut CardReader<'_>) -> Option<Sourced<StaticAddress>> {
    let Some(given) = reader.read_texts(table, path, "address") else {
        for (name, line, _) in table.iter().filter(|(name, ..)| name == "gateway" || name == "dns") {
            let hint = Some(String::from("address = \"192.168.1.20/24\""));
            reader.report_mistake(
                *line,
                &child_path(path, name),
                "means nothing without a static address",
                hint,
            );
        }
        return None;
    };
    let origin = given.origin;
    if let [(word, _)] = given.value.as_slice()
        && word.eq_ignore_ascii_case("dhcp")
    {
        return Some(Sourced { value: StaticAddress::Dhcp, origin });
    }
    let addresses = reader.checked_list(table, path, "address", check::cidr)?.value;
    let gateways =
        reader.checked_list(table, path, "gateway", check::ip).map_or_else(Vec::new, |it| it.value);
    let dns = reader.checked_list(table, path, "dns", check::ip).map_or_else(Vec::new, |it| it.value);
    match check::address(addresses, gateways, dns) {
        Ok(value) => Some(Sourced { value, origin }),
        Err((message, hint)) => {
            reader.report_mistake(origin.line, &origin.key, message, hint);
            None
        }
    }
}

/// The page's password, plain or hashed. Never quoted in a message.
fn password(text: &str, span: Range<usize>) -> Checked<Password> {
    if access::is_hash(text) {
        return Ok(Password::Hash(text.to_owned()));
    }
    let is_hash_of_others = ["$argon2", "$y$", "$6$", "$5$", "$2"].iter().any(|kind| text.starts_with(kind));
    if is_hash_of_others {
        let hint = "write the password itself: it is replaced by its hash";
        return Err((String::from("must be a password or a hash that tallycam has made"), Some(hint.into())));
    }
    let length = text.chars().count();
    match (access::SHORTEST..=access::LONGEST).contains(&length) && !text.chars().any(char::is_control) {
        true => Ok(Password::Plain(text.to_owned(), span)),
        false => {
            let (least, most) = (access::SHORTEST, access::LONGEST);
            Err((format!("must be a password of {least} to {most} characters"), None))
        }
    }
}

/// The file's text with the plain password at `span` replaced by `hash`; the rest is unchanged. `None` if the new
/// text would not parse back to that hash.
pub fn replace_password(text: &str, span: &Range<usize>, hash: &str) -> Option<String> {
    let replaced = format!("{}\"{hash}\"{}", text.get(..span.start)?, text.get(span.end..)?);
    let table = tree::toml(&replaced).ok()?;
    let NodeValue::Table(access) = &get(&table, "access")?.value else { return None };
    (get(access, "password")?.value == NodeValue::Text(hash.to_owned())).then_some(replaced)
}
