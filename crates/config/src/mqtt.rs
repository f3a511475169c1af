//! Texts of `[mqtt]`: the broker, names and topics.

use std::net::Ipv6Addr;

use crate::kind::quoted;

/// Maximum characters of a topic that somebody writes.
const LONGEST_TOPIC: usize = 200;

/// Maximum characters of an id.
const LONGEST_ID: usize = 32;

type Complaint = (String, Option<String>);

/// The broker of `mqtt.url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttBroker {
    /// Name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// With TLS.
    pub is_secure: bool,
}

impl MqttBroker {
    /// Reads `mqtt://HOST:1883` or `mqtts://HOST:8883`; the port may be left out.
    pub fn parse(url: &str) -> Option<MqttBroker> {
        MqttBroker::of_schemes(url, [("mqtt", 1883), ("mqtts", 8883)])
    }

    /// Reads `SCHEME://HOST[:PORT]`. Each scheme has its usual port; the second begins with TLS.
    pub(crate) fn of_schemes(url: &str, schemes: [(&str, u16); 2]) -> Option<MqttBroker> {
        let (scheme, rest) = url.split_once("://")?;
        let at = schemes.iter().position(|(name, _)| name.eq_ignore_ascii_case(scheme))?;
        let (is_secure, usual) = (at == 1, schemes[at].1);
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let is_number = port.bytes().all(|b| b.is_ascii_digit());
                (host, port.parse().ok().filter(|port: &u16| *port > 0 && is_number)?)
            }
            _ => (authority, usual),
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let host = match host.strip_prefix('[').map(|address| address.strip_suffix(']')) {
            Some(address) => address.filter(|address| address.parse::<Ipv6Addr>().is_ok())?,
            None => Some(host).filter(|host| !host.is_empty() && host.chars().all(is_part))?,
        };
        Some(MqttBroker { host: host.to_owned(), port, is_secure })
    }
}

/// Reads the broker's URL.
pub(crate) fn url(text: &str) -> Result<String, Complaint> {
    let must =
        String::from("must be a URL such as \"mqtt://broker.lan\" or \"mqtts://broker.example.org:8883\"");
    // The text is not repeated: it may hold a password.
    if text.contains('@') {
        let hint = "write them as `mqtt.username` and `mqtt.password`";
        return Err((String::from("must have no user or password in it"), Some(hint.into())));
    }
    let is_without_scheme = || MqttBroker::parse(&format!("mqtt://{text}")).is_some();
    match MqttBroker::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err((
            must,
            is_without_scheme().then(|| format!("did you mean {}?", quoted(&format!("mqtt://{text}")))),
        )),
    }
}

/// Reads an id: a level of a topic.
pub(crate) fn id(text: &str) -> Result<String, Complaint> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    match text.len() <= LONGEST_ID && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err((format!("must be 1 to {LONGEST_ID} of the characters a-z, 0-9, _ and -"), None)),
    }
}

/// Reads the begin of topics.
pub(crate) fn prefix(text: &str) -> Result<String, Complaint> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_whole = text.split('/').all(|level| !level.is_empty());
    match text.len() <= 64 && is_whole && text.chars().all(is_part) {
        true => Ok(text.to_owned()),
        false => Err((
            String::from("must be 1 to 64 letters, digits, _ - . and single / between them"),
            Some(String::from("such as \"tallycam\" or \"site/cameras\"")),
        )),
    }
}

/// Reads a topic to write to.
pub(crate) fn topic(text: &str) -> Result<String, Complaint> {
    let must = |what: &str| Err((format!("must be an MQTT topic {what}"), None));
    match text {
        _ if text.chars().count() > LONGEST_TOPIC => must(&format!("of at most {LONGEST_TOPIC} characters")),
        _ if text.contains(['+', '#']) => must("without + and #, which only those who subscribe use"),
        _ if text.starts_with('$') => must("that does not begin with $, which is the broker's own"),
        _ if text.contains(char::is_control) => must("without control characters"),
        _ if text.is_empty() => must("such as \"shop/door\""),
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn brokers() {
        let broker = |host: &str, port, is_secure| MqttBroker { host: host.into(), port, is_secure };
        for (text, want) in [
            ("mqtt://broker.lan", broker("broker.lan", 1883, false)),
            ("MQTTS://b.example:8884/", broker("b.example", 8884, true)),
            ("mqtts://[fe80::1]", broker("fe80::1", 8883, true)),
            ("mqtt://10.0.0.7:1884", broker("10.0.0.7", 1884, false)),
        ] {
            assert_eq!(MqttBroker::parse(text), Some(want), "{text}");
            assert_eq!(url(text).unwrap(), text);
        }
        for text in [
            "broker.lan",
            "http://b",
            "mqtt://",
            "mqtt://b:0",
            "mqtt://b:+1",
            "mqtt://b/x",
            "mqtt://b c",
            "mqtt://[b]",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
        let (message, hint) = url("mqtt://me:s3cret@b").unwrap_err();
        assert!(message.contains("no user or password") && !format!("{message}{hint:?}").contains("s3cret"));
        assert!(url("broker.lan:1883").unwrap_err().1.unwrap().contains("mqtt://broker.lan:1883"));
    }

    #[test]
    fn names_are_whole_levels_of_topics() {
        let long = "a".repeat(33);
        for bad in ["Door", "a/b", "a+", "#", "tür", "a b", &long] {
            assert!(id(bad).is_err(), "{bad}");
        }
        assert!(id("door_2-b").is_ok() && id(&long[1..]).is_ok());
        for bad in ["/a", "a/", "a//b", "a+b", "#", "a b", &"a".repeat(65)] {
            assert!(prefix(bad).is_err(), "{bad}");
        }
        assert!(prefix("site/Cameras.1").is_ok());
        for bad in ["", "a/+", "#", "$SYS/x", "a\nb", &"a".repeat(201)] {
            assert!(topic(bad).is_err(), "{bad}");
        }
        assert!(topic("shop/Tür 1").is_ok());
    }
}
