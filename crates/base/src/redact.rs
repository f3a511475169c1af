//! Redaction of addresses and commands, because they may be shown without a sign-in. Pure.
//!
//! An address shows its scheme and host, a command its program. [`STARS`] replace the rest.
//! [`redact_known`] removes a program's arguments from its output.

use crate::unicode::{percent_decoded, percent_encoded};

/// Replacement of a secret.
pub const STARS: &str = "***";

/// Separators of values in addresses and in command arguments.
const SIGNS: [char; 17] =
    [':', '=', '@', '&', '?', ';', '#', ',', '/', '"', '\'', '(', ')', '{', '}', '|', '\\'];

/// Secrets with fewer characters occur in any text. They are hidden only in the place of a secret.
const SHORTEST_ANYWHERE: usize = 4;

/// `url` in its public form: `http://***@cam:8080/***`.
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.is_empty() { String::new() } else { STARS.to_owned() };
    };
    if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return STARS.to_owned();
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    // A password may contain a slash or `@`. Then the host cannot be found for certain.
    if path.contains('@') || !is_host(host) {
        return format!("{scheme}://{STARS}");
    }
    format!("{scheme}://{user}{host}{}", redact_path(path))
}

/// The public form of the part of an address after its host.
pub fn redact_path(path: &str) -> &str {
    if matches!(path, "" | "/") { path } else { "/***" }
}

/// True for a host with an optional port; false for a part of a user name or password.
fn is_host(host: &str) -> bool {
    let port = host.rsplit_once(']').map_or(host, |(_, behind)| behind).split_once(':').map(|(_, port)| port);
    port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:%[]".contains(&byte))
}

/// The public form of a command: its program.
pub fn redact_command<W: AsRef<str>>(words: &[W]) -> Vec<String> {
    let Some(first) = words.first().map(AsRef::as_ref) else { return Vec::new() };
    let program = first.split_whitespace().next().unwrap_or_default();
    if program.contains([':', '=', '@', '?']) {
        return vec![STARS.to_owned()];
    }
    let rest = (words.len() > 1 || program != first).then(|| STARS.to_owned());
    std::iter::once(program.to_owned()).chain(rest).collect()
}

/// Parts of a command that may be secret and that the program may print: option values, and arguments with
/// separators, whole and in pieces.
pub fn secrets_in_command<W: AsRef<str>>(words: &[W]) -> Vec<String> {
    let mut secrets = Vec::new();
    add_secrets(words, &mut secrets);
    with_encodings(secrets)
}

fn add_secrets<W: AsRef<str>>(words: &[W], secrets: &mut Vec<String>) {
    let mut follows_option = false;
    for word in words.iter().map(AsRef::as_ref) {
        let is_option = word.len() > 1 && word.starts_with('-');
        let is_file = word.starts_with('/') && !word[1..].contains([':', '=', '@', '?']);
        if !is_file && (word.contains(SIGNS) || follows_option && !is_option) {
            add_parts(word, secrets);
        } else if is_option && !word.starts_with("--") {
            // `-pSECRET`.
            secrets.extend(word.get(2..).map(str::to_owned));
        }
        if word.contains(char::is_whitespace) {
            // A nested command or several words.
            let words = || word.split_whitespace().map(str::to_owned).collect();
            let inner: Vec<String> = shlex::split(word).unwrap_or_else(words);
            if !inner.iter().any(|inner| inner == word) {
                add_secrets(&inner, secrets);
            }
        }
        follows_option = is_option && !word.contains('=');
    }
}

/// Like [`secrets_in_command`], for the part of an address after its host.
pub fn secrets_in_path(path: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    add_parts(path, &mut secrets);
    with_encodings(secrets)
}

/// Adds the text without quotes, its user and password, and the pieces between separators except schemes and host.
fn add_parts(text: &str, secrets: &mut Vec<String>) {
    let text = text.trim_matches(['"', '\'']);
    let behind = text.split_once("://").map_or(text, |(_, behind)| behind);
    let host = match behind.rsplit_once('@') {
        Some((user, host)) => {
            let password = user.split_once(':').map_or("", |(_, password)| password);
            secrets.extend([user, password].map(str::to_owned));
            host
        }
        None if behind.len() < text.len() => behind,
        None => "",
    };
    let host = host.split(['/', ':', '?']).next().unwrap_or_default();
    secrets.push(text.to_owned());
    // The value of `name=value`, separators included.
    secrets.extend(text.match_indices(['=', ':', '"', '\'']).map(|(at, _)| text[at + 1..].trim().to_owned()));
    let pieces = text.split(SIGNS).map(str::trim).filter(|piece| *piece != host);
    secrets.extend(pieces.filter(|piece| !text.contains(&format!("{piece}://"))).map(str::to_owned));
}

/// Each secret once, plus its percent-encoded and decoded forms.
fn with_encodings(secrets: Vec<String>) -> Vec<String> {
    let forms = |secret: String| [percent_decoded(&secret), percent_encoded(&secret), secret];
    let mut all: Vec<String> =
        secrets.into_iter().flat_map(forms).filter(|secret| !secret.is_empty()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// `text` with [`STARS`] over each of the `secrets`. Occurrences may overlap, also with themselves.
pub fn redact_known(text: &str, secrets: &[String]) -> String {
    let mut places: Vec<(usize, usize)> = Vec::new();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let is_short = secret.chars().count() < SHORTEST_ANYWHERE;
        for (begin, _) in text.char_indices().filter(|&(at, _)| text[at..].starts_with(secret.as_str())) {
            let end = begin + secret.len();
            if !is_short || is_secret_context(&text[..begin], &text[end..]) {
                places.push((begin, end));
            }
        }
    }
    places.sort_unstable();
    let (mut shown, mut hidden_to) = (String::with_capacity(text.len()), None);
    for (begin, end) in places {
        if hidden_to.is_none_or(|hidden_to| begin > hidden_to) {
            shown.push_str(&text[hidden_to.unwrap_or(0)..begin]);
            shown.push_str(STARS);
        }
        hidden_to = hidden_to.max(Some(end));
    }
    shown + &text[hidden_to.unwrap_or(0)..]
}

/// True if the text between `before` and `after` is in the place of a secret: `user:SECRET@host`, `token=SECRET&…`.
fn is_secret_context(before: &str, after: &str) -> bool {
    before.ends_with([':', '=']) && (after.is_empty() || after.starts_with(['@', '&', ' ', '"', '\'', '\n']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_shows_its_scheme_and_host() {
        for (url, shown) in [
            ("http://cam", "http://cam"),
            ("https://cam:8443/", "https://cam:8443/"),
            ("rtsp://[fe80::1]:554/live", "rtsp://[fe80::1]:554/***"),
            ("http://me:pw@cam:80/x", "http://***@cam:80/***"),
            ("http://me:p@w@cam?x=1", "http://***@cam/***"),
            ("http://cam/v?pwd=b", "http://cam/***"),
            ("rtsp://cam:7447/AbCdEf12345678", "rtsp://cam:7447/***"),
            // The host cannot be found for certain.
            ("http://me:p/w@cam/x", "http://***"),
            ("http://me:p@w/x@cam/", "http://***"),
            ("http://me:12?x@cam", "http://***"),
            ("http://me:pw", "http://***"),
            ("http://go:1984/api?src=rtsp://me:pw@cam/1", "http://***"),
            ("me:pw@cam://x", "***"),
            ("me:pw@cam/x", "***"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), shown);
        }
    }

    #[test]
    fn a_command_shows_its_program() {
        for (command, shown) in [
            (&["rpicam-vid"][..], &["rpicam-vid"][..]),
            (&["/opt/cam", "-u", "me:pw"], &["/opt/cam", "***"]),
            (&["curl -u me:pw"], &["curl", "***"]),
            (&["TOKEN=s3cret"], &["***"]),
            (&[], &[]),
        ] {
            assert_eq!(redact_command(command), shown);
        }
    }

    /// No form in which a program prints its arguments reveals them.
    #[test]
    fn secrets_are_removed_from_a_programs_output() {
        for (command, secrets) in [
            (&["ffmpeg", "-i", "rtsp://me:hunter2@cam/1", "-"][..], &["hunter2", "me:hunter2"][..]),
            (&["x", "rtsp://me:S3cr@t@cam/1"], &["S3cr@t"]),
            (&["x", "rtsp://me:a%20b%40c@cam/1"], &["a b@c", "a%20b%40c"]),
            (&["curl", "-u", "me:hunter2", "-ume:secret", "http://cam"], &["hunter2", "secret"]),
            (&["wget", "--password=hunter2", "--password", "b c d"], &["hunter2", "b c d"]),
            (&["x", "-p", "hunter2", "-b", "session=abcd"], &["hunter2", "abcd"]),
            (&["sshpass", "-phunter2", "ssh"], &["hunter2"]),
            (&["curl", "-H", "Authorization: Bearer abcd"], &["Bearer abcd"]),
            (&["gst", "user-pw=my pass", "location=rtsp://a:hush@c/"], &["my pass", "hush"]),
            (&["x", "http://cam/v?user=admin&pwd=hunter2&rate=0"], &["admin", "hunter2"]),
            (&["x", "rtsp://cam:7447/AbCdEf12345678"], &["AbCdEf12345678"]),
            (&["sh", "-c", "curl -u 'me: a b c' cam | x"], &["a b c"]),
            (&["sh", "-c", "curl -u me:correct\\ horse cam"], &["correct horse"]),
            (&["sh", "-c", "x --password 'hunter2'; y"], &["hunter2"]),
            (&["sh", "-c", "(curl -u me:hunter2) && b"], &["hunter2"]),
            (&["sh", "-c", "TOKEN=abcd ffmpeg -i rtsp://me:hush@cam/1"], &["abcd", "hush"]),
            (&["x", "--exec=TOKEN=abcd ffmpeg -i rtsp://me:hush@cam/1"], &["abcd", "hush"]),
            (&["curl", "-d", r#"{"username": "me", "password": "a b c"}"#], &["a b c"]),
            (&["sh", "-c", r#"curl -d "{\"pin\":1234}" cam"#], &["1234"]),
            (&["ffmpeg", "-headers", "User-Agent: x\r\nAuthorization: Basic abcd\r\n"], &["Basic abcd"]),
        ] {
            let known = secrets_in_command(command);
            for secret in secrets {
                assert_eq!(redact_known(&format!("it is <{secret}>"), &known), "it is <***>", "{known:?}");
            }
        }
        // Useful parts stay visible: program, host, file, scheme.
        let known =
            secrets_in_command(&["ffmpeg", "-f", "v4l2", "-i", "/dev/video0", "rtsp://me:hush@10.0.0.5/1"]);
        let said = "ffmpeg: /dev/video0 is busy; rtsp at 10.0.0.5: 401 Unauthorized";
        assert_eq!(redact_known(said, &known), said);
        let known = secrets_in_path("/v?user=admin&pwd=a%2Fbcd");
        assert_eq!(redact_known("admin, a/bcd, a%2Fbcd", &known), "***, ***, ***");
    }

    #[test]
    fn overlapping_secrets_are_hidden() {
        let secrets = ["hun@ter", "ter2 more", "", "xyz"].map(String::from);
        assert_eq!(redact_known("a hun@ter2 more; hun@ter", &secrets), "a ***; ***");
        assert_eq!(redact_known("xyz, p=xyz", &secrets), "xyz, p=***");
        assert_eq!(redact_known("nothing", &secrets), "nothing");
        assert_eq!(redact_known("äababab", &["abab".into()]), "ä***");
    }

    proptest! {
        /// Redacting twice changes nothing: a form may send the text back.
        #[test]
        fn redacting_twice_changes_nothing(url in any::<String>(), typed in "(http://|a:b|@|c|/|\\?|&|pwd|=|;|#| \
            |-u|'|:){0,20}") {
            for url in [url, typed] {
                let shown = redact_url(&url);
                prop_assert_eq!(&redact_url(&shown), &shown);
                let words = redact_command(std::slice::from_ref(&url));
                prop_assert_eq!(&redact_command(&words), &words);
                prop_assert!(redact_known(&url, &secrets_in_command(&["x", &url])).len() <= 3 * url.len() + 3);
            }
        }

        #[test]
        fn no_password_of_a_url_is_shown(password in "[!-~]{5,20}") {
            let shown = redact_url(&format!("http://me:{password}@cam.example/v"));
            prop_assert!(!shown.contains(&password), "{}", shown);
        }
    }
}
