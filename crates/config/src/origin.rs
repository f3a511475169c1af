//! Origins of web pages as in the header `Origin` (RFC 6454 §6.2): scheme, host and port. Also names of hosts.

use std::net::Ipv6Addr;

use super::kind::quoted;

/// Reads `"https://panel.example"`. Returns it as browsers write it: lower case, without a default port.
///
/// # Errors
/// The expected value and a suggestion.
pub(super) fn parse(text: &str) -> Result<String, (String, Option<String>)> {
    let must = |hint: Option<&str>| {
        let message = format!("must list origins such as \"https://panel.example\", not {}", quoted(text));
        Err((message, hint.map(str::to_owned)))
    };
    match text {
        "*" => {
            return must(Some(
                "name each site: any page that is opened in your network could read the camera",
            ));
        }
        "null" => return must(Some("every sandboxed page and local file is `null`; serve the page by http")),
        _ => {}
    }
    let lower = text.to_ascii_lowercase();
    let Some((scheme, authority)) = lower.split_once("://") else {
        let is_host = is_host(lower.split(':').next().unwrap_or_default());
        let hint = is_host.then(|| format!("did you mean {}?", quoted(&format!("https://{lower}"))));
        return must(hint.as_deref());
    };
    let default_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return must(None),
    };
    if authority.contains('@') {
        return Err((String::from("must list origins without a user"), None));
    }
    if let Some((before, _)) = authority.split_once(['/', '?', '#']) {
        let hint = parse(&format!("{scheme}://{before}")).ok();
        let hint = hint.map(|origin| format!("did you mean {}?", quoted(&origin)));
        return Err((format!("must list origins without a path, not {}", quoted(text)), hint));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]")),
        None => Some(host.to_owned()).filter(|host| is_host(host)),
    };
    let Some(host) = host else {
        let is_foreign = !text.is_ascii();
        return must(is_foreign.then_some("write its name in Punycode, as xn--…"));
    };
    match port.map(|port| port.parse::<u16>().ok().filter(|number| *number > 0 && !port.starts_with('+'))) {
        None => Ok(format!("{scheme}://{host}")),
        Some(Some(port)) if port == default_port => Ok(format!("{scheme}://{host}")),
        Some(Some(port)) => Ok(format!("{scheme}://{host}:{port}")),
        Some(None) => {
            Err((format!("must list origins with a port from 1 to 65535, not {}", quoted(text)), None))
        }
    }
}

fn is_host(text: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Reads a host name such as `"cam.example.org"`. Returns it in lower case.
///
/// # Errors
/// The expected value and a suggestion.
pub(super) fn host(text: &str) -> Result<String, (String, Option<String>)> {
    let name = text.to_ascii_lowercase();
    if is_host(&name) && !name.ends_with('.') {
        return Ok(name);
    }
    let hint = String::from("only the name, without http:// and port");
    Err((format!("must list names such as \"cam.example.org\", not {}", quoted(text)), Some(hint)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (text, origin) in [
            ("https://panel.example", "https://panel.example"),
            ("HTTPS://Panel.Example:443", "https://panel.example"),
            ("http://panel.example:80", "http://panel.example"),
            ("https://panel.example:80", "https://panel.example:80"),
            ("http://192.168.1.9:08123", "http://192.168.1.9:8123"),
            ("http://[FE80:0::1]:3000", "http://[fe80::1]:3000"),
        ] {
            assert_eq!(parse(text).unwrap(), origin, "{text}");
        }
        for (text, is_hinted) in [
            ("*", true),
            ("null", true),
            ("panel.example", true),
            ("panel.example:3000", true),
            ("https://panel.example/", true),
            ("https://panel.example?x", true),
            ("https://bücher.example", true),
            ("https://me:word@panel.example", false),
            ("https://*.example", false),
            ("https://a b", false),
            ("https://", false),
            ("https://panel.example:", false),
            ("https://panel.example:0", false),
            ("https://panel.example:+80", false),
            ("https://panel.example:65536", false),
            ("http://[::1", false),
            ("ftp://panel.example", false),
            ("https://a, https://b", false),
            ("", false),
        ] {
            let (message, hint) = parse(text).unwrap_err();
            assert_eq!(hint.is_some(), is_hinted, "{text}: {message} {hint:?}");
            assert!(!message.contains("word"), "{message}");
        }
    }
}
