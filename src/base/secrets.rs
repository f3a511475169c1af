//! Addresses and commands as they may be shown: whoever may look need not sign in. Pure.
//!
//! A secret is the password before an address's host, what a name like `pwd` or `token` is given in its query or path
//! (network cameras want both), and in a command also what follows an option of such a name. Where it ends is a guess; the
//! rule is to take out too much rather than too little.

/// What stands in the place of a secret.
pub const STARS: &str = "***";

/// What stands in the names of secrets: cameras have `loginpas`, `psw` and worse.
const NAMES: [&str; 9] = ["pas", "pwd", "psw", "token", "key", "auth", "secret", "cookie", "signature"];

/// What a video encoder is told, with a name that has one of [`NAMES`] in it.
const NO_SECRETS: [&str; 3] = ["keyint", "keyframe", "key_frame"];

/// `url` as it may be shown, with [`STARS`] in the place of each secret.
pub fn shown_url(url: &str) -> String {
    Taken::default().out_of_url(url)
}

/// What follows an address's host, as it may be shown.
pub fn shown_path(path: &str) -> String {
    Taken::default().out_of_path(path)
}

/// The secrets in what follows an address's host.
pub fn of_path(path: &str) -> Vec<String> {
    let mut taken = Taken::default();
    taken.out_of_path(path);
    taken.0
}

/// The words of a command as they may be shown, and the secrets that were taken out of them.
pub fn shown_command<W: AsRef<str>>(words: &[W]) -> (Vec<String>, Vec<String>) {
    let mut taken = Taken::default();
    let shown = taken.out_of_command(words);
    (shown, taken.0)
}

/// The secrets that were found.
#[derive(Debug, Default)]
struct Taken(Vec<String>);

/// What an option says of the word that follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follows {
    Anything,
    /// A name, and perhaps a colon and a password.
    Login,
    Secret,
}

impl Taken {
    fn take(&mut self, secret: &str) -> &'static str {
        if !secret.is_empty() {
            self.0.push(secret.to_owned());
        }
        STARS
    }

    fn out_of_url(&mut self, url: &str) -> String {
        let Some(host) = url.find("://").map(|at| at + 3) else { return self.out_of_path(url) };
        let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
        let authority = match url[host..end].rsplit_once('@').map(|(user, rest)| (user.split_once(':'), rest))
        {
            Some((Some((user, password)), rest)) => format!("{user}:{}@{rest}", self.take(password)),
            _ => url[host..end].to_owned(),
        };
        format!("{}{authority}{}", &url[..host], self.out_of_path(&url[end..]))
    }

    /// Also of what has no address in it: `name=value`.
    fn out_of_path(&mut self, path: &str) -> String {
        let (mut shown, mut rest, mut is_query) = (String::with_capacity(path.len()), path, false);
        while let Some(sign) = rest.find('=') {
            let before = &rest[..sign];
            is_query |= before.contains('?');
            let name = before.rsplit(['/', '?', '&', ';', '#', ',', ' ']).next().unwrap_or_default();
            shown.push_str(&rest[..=sign]);
            rest = &rest[sign + 1..];
            let ends = |c: char| matches!(c, '&' | ';' | '#') || !is_query && matches!(c, '/' | '?');
            let value = &rest[..rest.find(ends).unwrap_or(rest.len())];
            if is_secret(name) && !value.is_empty() {
                shown.push_str(self.take(value));
                rest = &rest[value.len()..];
            }
        }
        shown + rest
    }

    fn out_of_command<W: AsRef<str>>(&mut self, words: &[W]) -> Vec<String> {
        let mut follows = Follows::Anything;
        let mut shown = Vec::with_capacity(words.len());
        for word in words.iter().map(AsRef::as_ref) {
            let is_option = word.starts_with('-') && word.len() > 1;
            shown.push(match follows {
                Follows::Secret if !is_option => self.take(word).to_owned(),
                Follows::Login if !is_option => self.out_of_login(word),
                _ => self.out_of_word(word),
            });
            follows = if is_option && !word.contains('=') { what_follows(word) } else { Follows::Anything };
        }
        shown
    }

    fn out_of_login(&mut self, word: &str) -> String {
        match word.split_once(':') {
            Some((user, password)) => format!("{user}:{}", self.take(password)),
            None => word.to_owned(),
        }
    }

    fn out_of_word(&mut self, word: &str) -> String {
        // `-H "Authorization: …"`
        if let Some((name, value)) = word.split_once(':')
            && !value.starts_with("//")
            && !name.contains(char::is_whitespace)
            && !name.contains('=')
            && (is_secret(name) || is_login(name))
        {
            return format!("{name}:{}", self.take(value.trim_start()));
        }
        if let Some((name, login)) = word.split_once('=')
            && is_login(name)
        {
            return format!("{name}={}", self.out_of_login(login));
        }
        if !word.contains(char::is_whitespace) {
            return self.out_of_url(word);
        }
        // A script: `sh -c "…"`. Where a quoted secret ends in it is not known.
        let pieces: Vec<&str> = word.split(char::is_whitespace).collect();
        let shown = self.out_of_command(&pieces);
        let is_quoted = |(piece, shown): (&&str, &String)| *piece != shown && piece.contains(['"', '\'']);
        match pieces.iter().zip(&shown).position(is_quoted) {
            Some(at) => format!("{} {}", shown[..at].join(" "), self.take(&pieces[at..].join(" "))),
            None => shown.join(" "),
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_named = name.ends_with("pw") || NAMES.iter().any(|part| name.contains(part));
    is_named && !NO_SECRETS.iter().any(|part| name.contains(part))
}

/// Whether an option of this name, with or without its value, is for a user's name and password: `-u` of curl and others.
fn is_login(option: &str) -> bool {
    (option.starts_with("-u") || option.starts_with("-U"))
        || (option.starts_with("--") && option.ends_with("user"))
}

fn what_follows(option: &str) -> Follows {
    if is_login(option) {
        Follows::Login
    } else if is_secret(option) {
        Follows::Secret
    } else {
        Follows::Anything
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_secrets_are_taken_out_of_a_url() {
        for (url, shown) in [
            ("http://cam/x", "http://cam/x"),
            ("http://me:pw@cam:80/x@y:z", "http://me:***@cam:80/x@y:z"),
            ("http://me@cam", "http://me@cam"),
            ("http://me:p@w@cam?x=1", "http://me:***@cam?x=1"),
            ("nothing", "nothing"),
            ("http://cam/v?user=a&pwd=b&rate=0", "http://cam/v?user=a&pwd=***&rate=0"),
            ("http://cam/v?Password=b", "http://cam/v?Password=***"),
            ("http://cam/v?access_token=b=c/d&x", "http://cam/v?access_token=***&x"),
            ("http://cam/v?loginuse=me&loginpas=b", "http://cam/v?loginuse=me&loginpas=***"),
            ("rtsp://c/user=me_password=b_channel=1", "rtsp://c/user=me_password=***"),
            ("http://cam/pwd=b/video?fps=1", "http://cam/pwd=***/video?fps=1"),
            ("http://me:pw@cam?x=1&key=2#3", "http://me:***@cam?x=1&key=***#3"),
            ("http://cam/?pwd=&keyint=30", "http://cam/?pwd=&keyint=30"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
        assert_eq!(of_path("/v?user=a&pwd=b&token=c"), ["b", "c"]);
    }

    #[test]
    fn secrets_are_taken_out_of_commands() {
        for (command, shown, secrets) in [
            (
                &["ffmpeg", "-i", "rtsp://me:pw@cam/1", "-"][..],
                &["ffmpeg", "-i", "rtsp://me:***@cam/1", "-"][..],
                &["pw"][..],
            ),
            (&["curl", "-u", "me:pw", "http://cam"], &["curl", "-u", "me:***", "http://cam"], &["pw"]),
            (&["curl", "-ume:pw", "-u", "me", "-s"], &["curl", "-ume:***", "-u", "me", "-s"], &["pw"]),
            (
                &["curl", "--proxy-user=me:pw", "--user", "a:b"],
                &["curl", "--proxy-user=me:***", "--user", "a:***"],
                &["pw", "b"],
            ),
            (
                &["wget", "--password=pw", "--password", "b c"],
                &["wget", "--password=***", "--password", "***"],
                &["pw", "b c"],
            ),
            (&["x", "--token", "-v", "pw"], &["x", "--token", "-v", "pw"], &[]),
            (
                &["curl", "-H", "Authorization: Bearer pw"],
                &["curl", "-H", "Authorization:***"],
                &["Bearer pw"],
            ),
            (
                &["gst", "rtspsrc", "user-pw=pw", "location=rtsp://a:b@c/"],
                &["gst", "rtspsrc", "user-pw=***", "location=rtsp://a:***@c/"],
                &["pw", "b"],
            ),
            (&["sh", "-c", "curl -u me:pw cam | x"], &["sh", "-c", "curl -u me:*** cam | x"], &["pw"]),
            (&["sh", "-c", "curl -u 'me:p w' cam"], &["sh", "-c", "curl -u ***"], &["p", "'me:p w' cam"]),
            (
                &["ffmpeg", "-vf", "scale=1:2", "-x264opts", "keyint=30:a"],
                &["ffmpeg", "-vf", "scale=1:2", "-x264opts", "keyint=30:a"],
                &[],
            ),
            (
                &["rpicam-vid", "-t", "0", "--codec", "mjpeg", "-o", "-"],
                &["rpicam-vid", "-t", "0", "--codec", "mjpeg", "-o", "-"],
                &[],
            ),
        ] {
            let (got, taken) = shown_command(command);
            assert_eq!(
                (got, taken),
                (shown.iter().map(|&s| s.into()).collect(), secrets.iter().map(|&s| s.into()).collect())
            );
        }
    }

    proptest! {
        /// What has stars only is shown as it is: it may be sent back.
        #[test]
        fn what_is_shown_is_shown_the_same_again(url in any::<String>(), typed in "(http://|a:b|@|c|/|\\?|&|pwd|=|;|#| |-u|'|:){0,20}") {
            for url in [url, typed] {
                let shown = shown_url(&url);
                prop_assert_eq!(&shown_url(&shown), &shown);
                let (words, _) = shown_command(&[url]);
                prop_assert_eq!(&shown_command(&words).0, &words);
            }
        }
    }
}
