//! Checks of single values before they reach a file. An error says what is wrong and how to fix it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Secret, StaticAddress};

/// A checked value, or the error message and a hint.
pub type Checked<T> = Result<T, (String, Option<String>)>;

/// ISO 3166-1 alpha-2, as in tzdata 2026a.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR \
    BS BT BV BW \
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM \
    FO FR GA \
    GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP \
    KE KG KH \
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV \
    MW MX MY \
    MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD \
    SE SG SH \
    SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC \
    VE VG VI \
    VN VU WF WS YE YT ZA ZM ZW";

/// Maximum length of a public key in bytes; an RSA key of 16 384 bits has 2.8 kB.
const LONGEST_KEY: usize = 4096;

const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn invalid<T>(message: impl Into<String>, hint: &str) -> Checked<T> {
    Err((message.into(), (!hint.is_empty()).then(|| hint.to_owned())))
}

/// `text` as it appears in a message: at most 40 characters, control characters escaped.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    format!("{short:?}")
}

/// A host name of one label (RFC 1123 §2.1), in lower case.
pub fn host(text: &str) -> Checked<String> {
    let host = text.to_ascii_lowercase();
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_host = (1..=63).contains(&host.len())
        && host.chars().all(is_letter)
        && !host.starts_with('-')
        && !host.ends_with('-');
    match is_host && host != "localhost" {
        true => Ok(host),
        false => invalid(
            format!("must be a host name, not {}", quoted(text)),
            "letters a to z, digits and dashes, at most 63, without a dot",
        ),
    }
}

/// A host name derived from a camera's name, if the name allows one.
pub fn host_of_name(name: &str) -> Option<String> {
    let letters =
        name.trim().chars().map(|c| if c.is_whitespace() || c == '_' || c == '.' { '-' } else { c });
    host(&letters.collect::<String>()).ok()
}

/// The name of a time zone. `is_zone` says whether the system has it.
pub fn time_zone(text: &str, is_zone: &dyn Fn(&str) -> bool) -> Checked<String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "+-_".contains(c);
    let is_part = |part: &str| !part.is_empty() && part.chars().all(is_letter);
    match text.len() <= 64 && text.split('/').all(is_part) && is_zone(text) {
        true => Ok(text.to_owned()),
        false => invalid(
            format!("must be a time zone, not {}", quoted(text)),
            "an IANA name such as \"Europe/Berlin\" or \"America/New_York\"",
        ),
    }
}

pub fn country(text: &str) -> Checked<String> {
    let code = text.trim().to_ascii_uppercase();
    if code.len() == 2 && COUNTRIES.split(' ').any(|country| country == code) {
        return Ok(code);
    }
    let hint = match code.as_str() {
        "UK" => "did you mean \"GB\"?",
        "EN" => "did you mean \"GB\" or \"US\"?",
        _ => "the two letters of ISO 3166, such as \"DE\" or \"US\"",
    };
    invalid(format!("must be a country's code, not {}", quoted(text)), hint)
}

pub fn ssid(bytes: Vec<u8>) -> Checked<Vec<u8>> {
    match bytes.len() {
        1..=32 => Ok(bytes),
        0 => invalid("must be the name of a network, and is empty", ""),
        long => invalid(format!("must be the name of a network, of at most 32 bytes, not of {long}"), ""),
    }
}

/// The name of a Wi-Fi network as hexadecimal digits.
pub fn ssid_hex(text: &str) -> Checked<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => {
            ssid(digits.chunks(2).map(|two| (two[0] * 16 + two[1]) as u8).collect())
        }
        _ => invalid("must be pairs of hexadecimal digits", ""),
    }
}

pub fn psk(text: &str) -> Checked<Secret> {
    match text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        true => Ok(Secret::Key(text.to_ascii_lowercase())),
        false => invalid("must be a key of 64 hexadecimal digits", "`password` takes the password itself"),
    }
}

/// The password or key of a Wi-Fi network. Never quoted in a message.
pub fn wifi_password(text: &str) -> Checked<Secret> {
    if let Ok(key) = psk(text) {
        return Ok(key);
    }
    match (8..=63).contains(&text.len()) && !text.chars().any(char::is_control) {
        true => Ok(Secret::Passphrase(text.to_owned())),
        false => {
            invalid("must be a Wi-Fi password, of 8 to 63 characters", "leave it out for an open network")
        }
    }
}

/// The name of the Linux user to create.
pub fn user(text: &str, is_system_user: &dyn Fn(&str) -> bool) -> Checked<String> {
    let is_first = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_letter = |c: char| is_first(c) || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 32 || !text.starts_with(is_first) || !text.chars().all(is_letter) {
        let hint = "small letters a to z, digits, dashes and underscores, at most 32";
        return invalid(format!("must be a user's name, not {}", quoted(text)), hint);
    }
    match is_system_user(text) {
        true => invalid(format!("must be a user of your own: {text} is the system's"), "take another name"),
        false => Ok(text.to_owned()),
    }
}

/// A hashed Linux password (crypt(5)). Never quoted in a message.
pub fn crypt(text: &str) -> Checked<String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "./$=,_-".contains(c);
    let is_known = ["$y$", "$7$", "$6$", "$5$", "$gy$", "$2b$"].iter().any(|kind| text.starts_with(kind));
    match is_known && text.len() <= 256 && text.chars().all(is_letter) {
        true => Ok(text.to_owned()),
        false => invalid("must be a hashed password, as crypt(5) has them", ""),
    }
}

/// A public SSH key: one line with type, key and optional comment.
pub fn key(text: &str) -> Checked<String> {
    let text = text.trim();
    let mut words = text.split_whitespace();
    let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let comment = words.collect::<Vec<_>>().join(" ");
    let is_line = text.len() <= LONGEST_KEY && !text.chars().any(char::is_control);
    // The key data begins with the type, after its length (RFC 4253 §6.6).
    let is_of_kind = STANDARD.decode(data).is_ok_and(|bytes| {
        let length = u32::try_from(kind.len()).unwrap_or(0).to_be_bytes();
        bytes.len() > 4 + kind.len() && bytes.starts_with(&length) && bytes[4..].starts_with(kind.as_bytes())
    });
    if is_line && KEY_TYPES.contains(&kind) && is_of_kind {
        return Ok(format!("{kind} {data} {comment}").trim_end().to_owned());
    }
    let hint = match text.contains("PRIVATE KEY") {
        true => "this is a private key, which stays on your computer: use the .pub file beside it",
        false => "one line as in ~/.ssh/id_ed25519.pub: \"ssh-ed25519 AAAA… you@computer\"",
    };
    invalid("must be a public SSH key", hint)
}

/// An IP address with the length of its network prefix.
pub fn cidr(text: &str) -> Checked<String> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let address: IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        (length > 0 && length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
    });
    match parsed {
        Some((address, length)) if is_host_address(address) => Ok(format!("{address}/{length}")),
        Some(_) => invalid(format!("must be an address that a machine can have, not {}", quoted(text)), ""),
        None if text.parse::<IpAddr>().is_ok() => {
            let hint = format!("did you mean \"{text}/24\"?");
            invalid("must end in the length of the network's prefix", &hint)
        }
        None => invalid(
            format!("must be \"dhcp\" or an address, not {}", quoted(text)),
            "such as \"192.168.1.20/24\"",
        ),
    }
}

/// An IP address of a single host.
pub fn ip(text: &str) -> Checked<String> {
    match text.parse::<IpAddr>() {
        Ok(address) if is_host_address(address) => Ok(address.to_string()),
        _ => invalid(format!("must be an address such as \"192.168.1.1\", not {}", quoted(text)), ""),
    }
}

fn is_host_address(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}

/// Checks a static address as a whole; each part has been checked before.
pub fn address(addresses: Vec<String>, gateways: Vec<String>, dns: Vec<String>) -> Checked<StaticAddress> {
    let is_six = |address: &String| address.contains(':');
    let network = |text: &str| -> Option<(IpAddr, u8)> {
        let (address, length) = text.split_once('/')?;
        Some((address.parse().ok()?, length.parse().ok()?))
    };
    for six in [false, true] {
        let of_kind: Vec<&String> = gateways.iter().filter(|gateway| is_six(gateway) == six).collect();
        let [gateway] = of_kind.as_slice() else {
            if of_kind.is_empty() {
                continue;
            }
            return invalid("must have one gateway only", "");
        };
        let Ok(way) = gateway.parse::<IpAddr>() else { continue };
        // A link-local gateway is in every IPv6 network.
        let is_link_local = matches!(way, IpAddr::V6(way) if way.is_unicast_link_local());
        let holds = |text: &String| network(text).is_some_and(|(own, length)| is_within(way, own, length));
        if !is_link_local && !addresses.iter().any(holds) {
            let hint = "the gateway is a machine of the same network, mostly the router";
            return invalid(format!("must have a gateway in the address's network: {gateway} is not"), hint);
        }
    }
    Ok(StaticAddress::Static { addresses, gateways, dns })
}

fn is_within(one: IpAddr, other: IpAddr, length: u8) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            let shift = 32 - u32::from(length.min(32));
            (u64::from(u32::from(one)) >> shift) == (u64::from(u32::from(other)) >> shift)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            let shift = 128 - u32::from(length.clamp(1, 128));
            (u128::from(one) >> shift) == (u128::from(other) >> shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A made-up key: its type, and 32 zeros.
    fn ed25519() -> String {
        let mut bytes = vec![0, 0, 0, 11];
        bytes.extend(b"ssh-ed25519");
        bytes.extend([0, 0, 0, 32]);
        bytes.extend([0; 32]);
        STANDARD.encode(bytes)
    }

    #[test]
    fn host_names_are_one_label() {
        assert_eq!(host("Gate-2").unwrap(), "gate-2");
        for bad in ["", "-a", "a-", "a.b", "a b", "tür", "a\n", "localhost", "../x", &"a".repeat(64)] {
            assert!(host(bad).is_err(), "{bad:?}");
        }
        assert_eq!(host_of_name(" North Gate_1 ").as_deref(), Some("north-gate-1"));
        assert_eq!(host_of_name("Tür"), None);
    }

    #[test]
    fn a_time_zone_leads_to_no_other_folder() {
        let all = |_: &str| true;
        assert!(
            time_zone("America/Argentina/Buenos_Aires", &all).is_ok() && time_zone("Etc/GMT+1", &all).is_ok()
        );
        for bad in ["", "/etc/passwd", "../../etc/passwd", "Europe//Berlin", "Europe/", "a\n", "Europe/.."] {
            assert!(time_zone(bad, &all).is_err(), "{bad:?}");
        }
        assert!(time_zone("Europe/Berlin", &|_| false).is_err());
    }

    #[test]
    fn countries_are_those_of_iso_3166() {
        assert_eq!(COUNTRIES.split(' ').count(), 249);
        assert_eq!((country("de").unwrap(), country(" GB ").unwrap()), ("DE".into(), "GB".into()));
        for bad in ["", "UK", "XX", "DEU", "D E", "D", "Germany", "DE\n#"] {
            assert!(country(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn networks_have_names_and_passwords() {
        assert!(ssid(Vec::new()).is_err() && ssid(vec![0; 33]).is_err() && ssid(vec![0; 32]).is_ok());
        assert_eq!(ssid_hex("4fE9").unwrap(), [0x4f, 0xe9]);
        assert!(ssid_hex("4f4").is_err() && ssid_hex("").is_err() && ssid_hex("zz").is_err());
        assert_eq!(wifi_password("correct \"horse").unwrap(), Secret::Passphrase("correct \"horse".into()));
        assert_eq!(wifi_password(&"A1".repeat(32)).unwrap(), Secret::Key("a1".repeat(32)));
        for bad in ["", "1234567", "12345678\n", &"x".repeat(64)] {
            assert!(wifi_password(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn users_keys_and_hashes_are_lines_of_their_files() {
        let none = |_: &str| false;
        assert!(user("alice_2", &none).is_ok());
        for bad in ["", "root:x", "Alice", "-a", "1a", "a b", "a\n", &"a".repeat(33)] {
            assert!(user(bad, &none).is_err(), "{bad:?}");
        }
        assert!(user("root", &|name| name == "root").is_err());
        let good = format!("ssh-ed25519 {}", ed25519());
        assert_eq!(key(&format!(" {good}  me @home \r\n")).unwrap(), format!("{good} me @home"));
        for bad in [
            String::new(),
            format!("ssh-rsa {}", ed25519()),
            format!("{good}\nssh-ed25519 AAAA"),
            format!("command=\"x\" {good}"),
            String::from("ssh-ed25519 AAAA"),
            String::from("-----BEGIN OPENSSH PRIVATE KEY-----"),
        ] {
            assert!(key(&bad).is_err(), "{bad:?}");
        }
        assert!(crypt("$y$j9T$abc$def").is_ok() && crypt("$5$a$b:0:0").is_err() && crypt("secret").is_err());
    }

    #[test]
    fn addresses_and_gateways_are_of_one_network() {
        assert_eq!(cidr("192.168.1.20/24").unwrap(), "192.168.1.20/24");
        assert_eq!(cidr("FD00::1/64").unwrap(), "fd00::1/64");
        for bad in [
            "192.168.1.20",
            "192.168.1.20/33",
            "1.2.3/24",
            "0.0.0.0/8",
            "127.0.0.1/8",
            "x",
            "1.2.3.4/0",
            "1.2.3.4/8\n",
        ] {
            assert!(cidr(bad).is_err(), "{bad:?}");
        }
        let own = || vec![String::from("192.168.1.20/24"), String::from("fd00::1/64")];
        assert!(address(own(), vec!["192.168.1.1".into(), "fe80::1".into()], vec![]).is_ok());
        assert!(address(own(), vec!["192.168.2.1".into()], vec![]).is_err());
        assert!(address(own(), vec!["fd01::1".into()], vec![]).is_err());
        assert!(address(own(), vec!["192.168.1.1".into(), "192.168.1.2".into()], vec![]).is_err());
    }
}
