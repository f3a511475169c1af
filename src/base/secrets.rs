//! Addresses and commands as they may be shown: whoever may look need not sign in. Pure.
//!
//! A secret is the password before an address's host, what a name like `pwd` or `token` is given in its query or path
//! (network cameras want both), and in a command also what follows an option of such a name. Where it ends is a guess; the
//! rule is to take out too much rather than too little.

/// What stands in the place of a secret.
pub const STARS: &str = "***";

/// What stands in the names of secrets: cameras have `loginpas`, `psw` and worse.
const NAMES: [&str; 12] =
    ["pas", "pwd", "psw", "psk", "token", "key", "auth", "secret", "cookie", "session", "cred", "signature"];

/// Names of secrets that are parts of others.
const WHOLE_NAMES: [&str; 5] = ["p", "sig", "sid", "pin", "code"];

/// What has one of [`NAMES`] in it and is none: options of encoders and filters, mostly.
const NO_SECRETS: [&str; 11] = [
    "keyint",
    "key-int",
    "keyframe",
    "key_frame",
    "colorkey",
    "chromakey",
    "bypass",
    "highpass",
    "lowpass",
    "bandpass",
    "compass",
];

/// How an address is written: what stands before its host, before a password and behind it; also where it is a value
/// in another address.
const WAYS: [[&str; 3]; 3] = [["://", ":", "@"], ["%3A%2F%2F", "%3A", "%40"], ["%3a%2f%2f", "%3a", "%40"]];

/// Words of an option's cluster: more letters are a name.
const LONGEST_CLUSTER: usize = 6;

/// So often at most is looked for secrets again in what is shown.
const PASSES: usize = 8;

/// `url` as it may be shown, with [`STARS`] in the place of each secret.
pub fn shown_url(url: &str) -> String {
    settled(url.to_owned(), |url| Taken::default().out_of_url(url)).unwrap_or_else(|| STARS.to_owned())
}

/// What follows an address's host, as it may be shown.
pub fn shown_path(path: &str) -> String {
    settled(path.to_owned(), |path| Taken::default().out_of_path(path)).unwrap_or_else(|| STARS.to_owned())
}

/// The secrets in what follows an address's host.
pub fn of_path(path: &str) -> Vec<String> {
    let mut taken = Taken::default();
    match settled(path.to_owned(), |path| taken.out_of_path(path)) {
        Some(shown) => taken.and_between(path, &shown),
        None => taken.0.push(path.to_owned()),
    }
    taken.0
}

/// The words of a command as they may be shown, and the secrets that were taken out of them.
pub fn shown_command<W: AsRef<str>>(words: &[W]) -> (Vec<String>, Vec<String>) {
    let words: Vec<String> = words.iter().map(|word| word.as_ref().to_owned()).collect();
    let mut taken = Taken::default();
    match settled(words.clone(), |words| taken.out_of_command(words)) {
        Some(shown) => {
            words.iter().zip(&shown).for_each(|(word, shown)| taken.and_between(word, shown));
            (shown, taken.0)
        }
        None => (vec![STARS.to_owned(); words.len()], words),
    }
}

/// What `pass` makes of it, and of that, until nothing changes: what is left around the stars of a secret may read as
/// another. `None`: it goes on changing.
fn settled<T: PartialEq>(mut shown: T, mut pass: impl FnMut(&T) -> T) -> Option<T> {
    for _ in 0..PASSES {
        let next = pass(&shown);
        if next == shown {
            return Some(shown);
        }
        shown = next;
    }
    None
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
    /// What has stars in it was not written so.
    fn take(&mut self, secret: &str) -> &'static str {
        let secret = secret.trim();
        if !secret.is_empty() && !secret.contains(STARS) {
            self.0.push(secret.to_owned());
        }
        STARS
    }

    /// What `shown` has stars for, as it stands in the `original`: not everything that is taken later was taken whole.
    fn and_between(&mut self, original: &str, shown: &str) {
        let Some((first, mut parts)) = shown.split_once(STARS) else { return };
        let mut rest = original.strip_prefix(first).unwrap_or(original);
        loop {
            let (part, next) =
                parts.split_once(STARS).map_or((parts, None), |(part, next)| (part, Some(next)));
            // The last one ends where the text does.
            let at = if next.is_none() { rest.len().checked_sub(part.len()) } else { rest.find(part) };
            let (secret, behind) = at.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
            let secret = secret.trim();
            if !matches!(secret, "" | STARS) && !self.0.iter().any(|known| known == secret) {
                self.0.push(secret.to_owned());
            }
            let Some(next) = next else { return };
            rest = behind.get(part.len()..).unwrap_or_default();
            parts = next;
        }
    }

    fn out_of_url(&mut self, url: &str) -> String {
        let mut shown = WAYS.iter().fold(url.to_owned(), |shown, way| self.out_of_addresses(&shown, way));
        if !url.contains("://") {
            // Many programs take one without its scheme.
            let end = shown.find(['/', '?', '#']).unwrap_or(shown.len());
            shown = self.out_of_authority(&shown[..end], ":", "@") + &shown[end..];
        }
        self.out_of_path(&shown)
    }

    /// Of an address, and of those that are values in it.
    fn out_of_addresses(&mut self, text: &str, [scheme, colon, at]: &[&str; 3]) -> String {
        let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(begin) = rest.find(scheme).map(|sign| sign + scheme.len()) {
            // The next one's name and password are its own.
            let next = rest[begin..].find(scheme).map_or(rest.len(), |next| begin + next);
            let ends = rest[begin..next].find(['/', '?', '#']).map_or(next, |end| begin + end);
            shown.push_str(&rest[..begin]);
            shown.push_str(&self.out_of_authority(&rest[begin..ends], colon, at));
            rest = &rest[ends..];
        }
        shown + rest
    }

    fn out_of_authority(&mut self, authority: &str, colon: &str, at: &str) -> String {
        match authority.rsplit_once(at).map(|(user, rest)| (user.split_once(colon), rest)) {
            Some((Some((user, password)), rest)) => format!("{user}{colon}{}{at}{rest}", self.take(password)),
            _ => authority.to_owned(),
        }
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
            if !is_secret(name) {
                continue;
            }
            let ends = |c: char| matches!(c, '&' | ';' | '#') || !is_query && matches!(c, '/' | '?');
            let (value, behind) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            if !value.is_empty() {
                shown.push_str(self.take(value));
                rest = behind;
            }
        }
        shown + rest
    }

    fn out_of_command<W: AsRef<str>>(&mut self, words: &[W]) -> Vec<String> {
        let mut follows = Follows::Anything;
        let mut shown = Vec::with_capacity(words.len());
        for word in words.iter().map(AsRef::as_ref) {
            // Between the words of a script.
            if matches!(word, "" | "\\") {
                shown.push(word.to_owned());
                continue;
            }
            let option = bare(word);
            let is_option = option.starts_with('-') && option.len() > 1;
            shown.push(match follows {
                Follows::Secret if !is_option => self.take(word).to_owned(),
                Follows::Login if !is_option => self.out_of_login(word),
                _ => self.out_of_word(word),
            });
            let is_alone = is_option && !option.contains(['=', ':']);
            follows = if is_alone { what_follows(option) } else { Follows::Anything };
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
        // `--header=Authorization: …` as well as what follows `-H`.
        let (option, field) = match word.split_once('=') {
            Some((option, field)) if option.starts_with('-') => word.split_at(word.len() - field.len()),
            _ => ("", word),
        };
        let bare_field = field.trim_start_matches(is_quote);
        if let Some((name, value)) = bare_field.split_once(':')
            && !value.starts_with("//")
            && !name.contains(|c: char| c.is_whitespace() || c == '=' || c == '@')
            && (is_secret(name) || is_login(name) || is_cluster_of_login(name))
        {
            let begin = word.len() - value.len();
            return format!("{}{}", &word[..begin], self.take(value.trim_start()));
        }
        if !word.contains(char::is_whitespace) && option.is_empty() {
            return self.out_of_url(word);
        }
        let name = option.trim_end_matches('=');
        if is_login(name) {
            return format!("{option}{}", self.out_of_login(field));
        }
        if is_secret(name) && !field.is_empty() {
            return format!("{option}{}", self.take(field));
        }
        if !field.contains(char::is_whitespace) {
            return self.out_of_url(word);
        }
        if let Some((name, value)) = field.split_once('=')
            && !name.contains(char::is_whitespace)
            && is_secret(name)
            && !value.is_empty()
        {
            return format!("{option}{}={}", self.out_of_authority(name, ":", "@"), self.take(value));
        }
        if is_address(field) {
            return self.out_of_url(word);
        }
        // A command of its own, or several headers; an option's may also be a value as it is.
        let whole =
            if option.is_empty() { self.out_of_addresses(word, &WAYS[0]) } else { self.out_of_url(word) };
        match whole.strip_prefix(option) {
            Some(field) => format!("{option}{}", self.out_of_script(field)),
            None => whole,
        }
    }

    /// `sh -c "…"`, or the fields of several headers. Where a secret ends that is quoted, or has a name before it, is not
    /// known: all is taken from there on.
    fn out_of_script(&mut self, script: &str) -> String {
        let chunks: Vec<&str> = script.split_inclusive(char::is_whitespace).collect();
        let pieces: Vec<&str> =
            chunks.iter().map(|chunk| chunk.trim_end_matches(char::is_whitespace)).collect();
        let all = self.out_of_command(&pieces);
        let mut shown = String::with_capacity(script.len());
        for (at, (piece, one)) in pieces.iter().zip(&all).enumerate() {
            let has_open_end = piece.contains(is_quote) && piece != one
                || piece
                    .strip_suffix(':')
                    .is_some_and(|name| is_secret(name.rsplit(['=', '"', '\'']).next().unwrap_or(name)));
            if has_open_end {
                let rest = chunks[at..].concat();
                return shown + self.take(&rest);
            }
            shown.push_str(one);
            shown.push_str(&chunks[at][piece.len()..]);
        }
        shown
    }
}

/// Whether it begins with an address, whatever follows it.
fn is_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(char::is_whitespace))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

fn bare(word: &str) -> &str {
    word.trim_matches(is_quote)
}

fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-').to_ascii_lowercase();
    let is_named = WHOLE_NAMES.contains(&name.as_str())
        || name.ends_with("pw")
        || NAMES.iter().any(|part| name.contains(part));
    is_named && !name.ends_with("author") && !NO_SECRETS.iter().any(|part| name.contains(part))
}

/// Whether an option, perhaps with its value, is for a user's name and password: `-u` of curl and others, also behind
/// other letters (`-sSu`).
fn is_login(option: &str) -> bool {
    if let Some(long) = option.strip_prefix("--") {
        return ["user", "username", "login"].iter().any(|name| long.ends_with(name));
    }
    let Some(letters) = option.strip_prefix('-') else { return false };
    match letters.find(['u', 'U']) {
        // With its value: `-uadmin`.
        Some(0) => !letters.starts_with("user_") && letters != "update",
        Some(_) => letters.len() <= LONGEST_CLUSTER && letters.ends_with(['u', 'U']),
        None => false,
    }
}

/// Whether letters of a cluster are such an option, and a name follows (`-sume`). Only where a password follows that.
fn is_cluster_of_login(option: &str) -> bool {
    let letters = option.strip_prefix('-').filter(|letters| !letters.starts_with('-'));
    letters.and_then(|letters| letters.find(['u', 'U'])).is_some_and(|at| at < LONGEST_CLUSTER)
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
            ("http://cam/?u=me&p=b&author=c", "http://cam/?u=me&p=***&author=c"),
            (
                "http://go:1984/api?src=rtsp://me:pw@cam/1&x=2",
                "http://go:1984/api?src=rtsp://me:***@cam/1&x=2",
            ),
            (
                "http://go/api?src=rtsp%3A%2F%2Fme%3Apw%40cam/1",
                "http://go/api?src=rtsp%3A%2F%2Fme%3A***%40cam/1",
            ),
            ("http://a:b@p/http://me:pw@cam/x", "http://a:***@p/http://me:***@cam/x"),
            ("rtsp://me:p w@cam/1", "rtsp://me:***@cam/1"),
            ("me:pw@cam/x", "me:***@cam/x"),
            (":pwd@=http://", ":***@=***//"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
        assert_eq!(of_path("/v?user=a&pwd=b&token=c"), ["b", "c"]);
    }

    /// What a later look takes holds the stars of an earlier one: the program may say it as it was written.
    #[test]
    fn secrets_are_known_as_they_were_written() {
        let mut taken = Taken::default();
        taken.and_between("a:b c@d e:f", "a:***@d ***");
        taken.and_between("x=*** y", "x=*** y");
        taken.and_between("no", "other ***");
        assert_eq!(taken.0, ["b c", "e:f", "no"]);
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
            (&["x", "-p", "pw", "-b", "session=a"], &["x", "-p", "***", "-b", "session=***"], &["pw", "a"]),
            (&["sh", "-c", "curl -u me:pw cam | x"], &["sh", "-c", "curl -u me:*** cam | x"], &["pw"]),
            (&["curl", "-sSu", "me:pw", "-sume:a"], &["curl", "-sSu", "me:***", "-sume:***"], &["pw", "a"]),
            (
                &["docker", "--env=RTSP_PASSWORD=my pass", "--set=password=correct horse"],
                &["docker", "--env=RTSP_PASSWORD=***", "--set=password=***"],
                &["my pass", "correct horse"],
            ),
            (
                &["wget", "--post-data=user=me&password=my pass phrase"],
                &["wget", "--post-data=user=me&password=***"],
                &["my pass phrase"],
            ),
            (
                &["x", "--input=-i rtsp://me:p w@cam/1 -y", "--x=a:b c@d e"],
                &["x", "--input=-i rtsp://me:***@cam/1 -y", "--x=a:***@d e"],
                &["p w", "b c"],
            ),
            (&["sh", "-c", "a rtsp://me:p w@cam/1 -y"], &["sh", "-c", "a rtsp://me:***@cam/1 -y"], &["p w"]),
            (&["curl", "-x", "me:pw@proxy:80", "c"], &["curl", "-x", "me:***@proxy:80", "c"], &["pw"]),
            (
                &["wget", "--header=Authorization: Basic a"],
                &["wget", "--header=Authorization:***"],
                &["Basic a"],
            ),
            (
                &["gst", "user-pw=my pass", "--password=a b"],
                &["gst", "user-pw=***", "--password=***"],
                &["my pass", "a b"],
            ),
            (
                &["ffmpeg", "-user_agent", "tally:1", "-update", "a:1", "-vf", "highpass=f=200,key-int=3"],
                &["ffmpeg", "-user_agent", "tally:1", "-update", "a:1", "-vf", "highpass=f=200,key-int=3"],
                &[],
            ),
            (
                &["ffmpeg", "-headers", "User-Agent: x\r\nAuthorization: Basic a\r\n"],
                &["ffmpeg", "-headers", "User-Agent: x\r\n***"],
                &["Authorization: Basic a"],
            ),
            (
                &["sh", "-c", "set -e\n\tcurl --password  a -s \\\n  --user \\\n me:pw c # all\n"],
                &["sh", "-c", "set -e\n\tcurl --password  *** -s \\\n  --user \\\n me:*** c # all\n"],
                &["a", "pw"],
            ),
            (
                &["sh", "-c", "x '-u' me:pw; wget --header='Cookie: a' b"],
                &["sh", "-c", "x '-u' me:*** wget ***"],
                &["pw;", "--header='Cookie: a' b"],
            ),
            (
                &[
                    "x",
                    "--exec=curl -u me:pw cam",
                    "-oProxyCommand=sshpass --password a ssh",
                    "--url=h://a:b@c/ d",
                ],
                &[
                    "x",
                    "--exec=curl -u me:*** cam",
                    "-oProxyCommand=sshpass --password *** ssh",
                    "--url=h://a:***@c/ d",
                ],
                &["pw", "a", "b"],
            ),
            (
                &["ffmpeg", "-headers=User-Agent: x\r\nAuthorization: Basic a\r\n"],
                &["ffmpeg", "-headers=User-Agent: x\r\n***"],
                &["Authorization: Basic a"],
            ),
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
                let (words, secrets) = shown_command(std::slice::from_ref(&url));
                prop_assert_eq!(&shown_command(&words).0, &words);
                prop_assert!(secrets.iter().all(|secret| url.contains(secret)));
            }
        }
    }
}
