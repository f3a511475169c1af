//! Addresses as they may be shown. Pure.

/// `url` with the password it carries, if any, as `***`.
pub fn without_password(url: &str) -> String {
    let Some(host) = url.find("://").map(|at| at + 3) else { return url.to_owned() };
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    match url[host..end].rsplit_once('@').map(|(user, rest)| (user.split_once(':'), rest)) {
        Some((Some((user, _)), rest)) => format!("{}{user}:***@{rest}{}", &url[..host], &url[end..]),
        _ => url.to_owned(),
    }
}
