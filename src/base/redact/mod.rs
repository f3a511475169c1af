//! Addresses and commands as they may be shown: whoever may look need not sign in. Pure.
//!
//! A secret is the user's name and password before an address's host, each value of its query whose name is not known to
//! be harmless, what a name like `pwd` or `token` is given in its path (network cameras want both), and in a command also
//! what follows an option of such a name. Where it ends is a guess; the rule is to take out too much rather than too little.

mod names;

use names::{
    PLAIN_P, SecretKind, is_harmless, is_login, is_login_cluster, is_path_key, is_secret, option_kind,
};
use std::collections::HashSet;
use std::ops::Range;

/// What stands in the place of a secret.
pub const STARS: &str = "***";

/// What separates the parts of an address: encoded where that is a value in another one.
const SIGNS: &[u8] = b":/?#@=&;";

/// So deep at most are addresses within each other.
const DEPTH: usize = 3;

/// Secrets of fewer letters are words of any text: they are hidden only where a secret stands.
const SHORTEST_ANYWHERE: usize = 4;

/// So often at most is looked for secrets again in what is shown.
const PASSES: usize = 8;

/// `url` as it may be shown, with [`STARS`] in the place of each secret.
pub fn redact_url(url: &str) -> String {
    redact_text(url, |found, url| found.scan_url(url)).0
}

/// What follows an address's host, as it may be shown.
pub fn redact_path(path: &str) -> String {
    redact_text(path, |found, path| found.scan_path(path)).0
}

/// The secrets in what follows an address's host.
pub fn secrets_in_path(path: &str) -> Vec<String> {
    redact_text(path, |found, path| found.scan_path(path)).1
}

/// The words of a command as they may be shown, and the secrets that were taken out of them.
pub fn redact_command<W: AsRef<str>>(words: &[W]) -> (Vec<String>, Vec<String>) {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    redact_until_stable(&words, |words| {
        let kinds = kinds(words);
        words
            .iter()
            .zip(kinds)
            .map(|(word, kind)| FoundSecret::find_in_text(word, |found, word| found.scan_value(word, kind)))
            .collect()
    })
}

fn redact_text<'a>(
    text: &'a str,
    rule: impl for<'s> Fn(&mut FoundSecret<'s>, &'s str),
) -> (String, Vec<String>) {
    let (mut shown, secrets) = redact_until_stable(&[text], |texts| {
        texts.iter().map(|text| FoundSecret::find_in_text(text, &rule)).collect()
    });
    (shown.pop().unwrap_or_default(), secrets)
}

/// Whether what stands between these is a secret by its place: `user:SECRET@host`, `token=SECRET&…`.
fn is_secret_context(before: &str, after: &str) -> bool {
    before.ends_with([':', '=']) && (after.is_empty() || after.starts_with(['@', '&', ' ', '"', '\'', '\n']))
}

/// `text` with [`STARS`] for whatever is one of the `secrets` there, or several that overlap, also with themselves.
pub fn redact_known(text: &str, secrets: &[String]) -> String {
    let mut masked = MaskedText { text, hidden: Vec::new() };
    let places = secrets.iter().filter(|secret| !secret.is_empty()).flat_map(|secret| {
        let begins =
            text.char_indices().map(|(at, _)| at).filter(|&at| text[at..].starts_with(secret.as_str()));
        begins.map(|begin| begin..begin + secret.len()).filter(|place| {
            secret.chars().count() >= SHORTEST_ANYWHERE
                || is_secret_context(&text[..place.start], &text[place.end..])
        })
    });
    masked.hide(places.collect(), &mut Secrets::default());
    masked.visible_text()
}

/// The texts without what `find` says of them, and of what is left, until that is nothing: what stands around the
/// stars of a secret may read as another. And the secrets, as they were written.
fn redact_until_stable(
    texts: &[&str],
    find: impl Fn(&[&str]) -> Vec<Vec<Place>>,
) -> (Vec<String>, Vec<String>) {
    let mut masked: Vec<MaskedText<'_>> =
        texts.iter().map(|text| MaskedText { text, hidden: Vec::new() }).collect();
    let mut secrets = Secrets::default();
    for _ in 0..PASSES {
        let shown: Vec<String> = masked.iter().map(MaskedText::visible_text).collect();
        let found = find(&shown.iter().map(String::as_str).collect::<Vec<_>>());
        let mut is_changed = false;
        for (masked, found) in masked.iter_mut().zip(found) {
            is_changed |= masked.hide(found, &mut secrets);
        }
        if !is_changed {
            return (shown, secrets.0);
        }
    }
    texts.iter().for_each(|text| secrets.push(text));
    (vec![STARS.to_owned(); texts.len()], secrets.0)
}

/// Where something stands in a text, in bytes.
type Place = Range<usize>;

/// Each secret once, in the order in which they were found.
#[derive(Debug, Default)]
struct Secrets(Vec<String>, HashSet<String>);

impl Secrets {
    /// Also without the signs of a script or of JSON around it, as a program says it.
    fn push(&mut self, secret: &str) {
        let is_around = |c: char| is_quote(c) || matches!(c, ';' | '&' | '|' | ')' | '}' | ']' | ',' | '\\');
        for secret in [secret.trim(), secret.trim().trim_matches(is_around)] {
            if !matches!(secret, "" | STARS) && self.1.insert(secret.to_owned()) {
                self.0.push(secret.to_owned());
            }
        }
    }
}

/// A text and what of it is hidden: in order, nothing empty, nothing that touches another.
#[derive(Debug)]
struct MaskedText<'a> {
    text: &'a str,
    hidden: Vec<Place>,
}

impl MaskedText<'_> {
    fn visible_text(&self) -> String {
        let (mut shown, mut at) = (String::with_capacity(self.text.len()), 0);
        for place in &self.hidden {
            shown.push_str(&self.text[at..place.start]);
            shown.push_str(STARS);
            at = place.end;
        }
        shown + &self.text[at..]
    }

    /// Hides what was `found` in what is shown, and whether more is hidden then.
    fn hide(&mut self, found: Vec<Place>, secrets: &mut Secrets) -> bool {
        let mut places = self.as_written(found);
        places.retain(|place| !place.is_empty());
        places.iter().for_each(|place| secrets.push(&self.text[place.clone()]));
        places.extend(self.hidden.iter().cloned());
        places.sort_by_key(|place| (place.start, place.end));
        let mut hidden: Vec<Place> = Vec::with_capacity(places.len());
        for place in places {
            match hidden.last_mut().filter(|last| place.start <= last.end) {
                Some(last) => last.end = last.end.max(place.end),
                None => hidden.push(place),
            }
        }
        let is_more = hidden != self.hidden;
        self.hidden = hidden;
        is_more
    }

    /// Places in what is shown, as places in the text: what begins or ends with stars has all that they stand for.
    fn as_written(&self, places: Vec<Place>) -> Vec<Place> {
        // Each with where its stars end.
        let (mut shown, mut at) = (0, 0);
        let stars: Vec<(usize, &Place)> = (self.hidden.iter())
            .map(|place| {
                shown += place.start - at + STARS.len();
                at = place.end;
                (shown, place)
            })
            .collect();
        let begin = |at: usize| {
            let before = stars.partition_point(|&(end, _)| end <= at);
            let after = stars.get(before).filter(|(end, _)| end - STARS.len() <= at);
            match (after, stars[..before].last()) {
                (Some((_, hidden)), _) => hidden.start,
                (None, Some((end, hidden))) => hidden.end + (at - end),
                (None, None) => at,
            }
        };
        let end = |at: usize| {
            let before = stars.partition_point(|&(end, _)| end < at);
            let after = stars.get(before).filter(|(end, _)| end - STARS.len() < at);
            match (after, stars[..before].last()) {
                (Some((_, hidden)), _) => hidden.end,
                (None, Some((end, hidden))) => hidden.end + (at - end),
                (None, None) => at,
            }
        };
        places.into_iter().map(|place| begin(place.start)..end(place.end)).collect()
    }
}

/// What each of a command's words is.
fn kinds(words: &[&str]) -> Vec<SecretKind> {
    let (mut follows, mut program) = (SecretKind::Anything, "");
    let kinds = words.iter().map(|word| {
        // Between the words of a script.
        if matches!(*word, "" | "\\") {
            return SecretKind::Anything;
        }
        let option = strip_decoration(word);
        let is_option = option.starts_with('-') && option.len() > 1;
        let kind = if is_option { SecretKind::Anything } else { follows };
        let is_alone = is_option && !option.contains(['=', ':']);
        follows = match (is_alone, program) {
            (true, program) if option == "-p" && PLAIN_P.contains(&program) => SecretKind::Anything,
            (true, "sshpass") if option.starts_with("-p") && option.len() > 2 => return SecretKind::Secret,
            (true, _) => option_kind(option),
            (false, _) => SecretKind::Anything,
        };
        let name = option.rsplit('/').next().unwrap_or_default();
        if PLAIN_P.contains(&name) || name == "sshpass" {
            program = name;
        } else if word.ends_with([';', '|', '&']) {
            program = "";
        }
        kind
    });
    kinds.collect()
}

/// The secrets that were found in a text. The rules look at all of it, whatever the others found.
#[derive(Debug)]
struct FoundSecret<'a> {
    text: &'a str,
    places: Vec<Place>,
}

impl FoundSecret<'_> {
    /// In the text as it is, and as it is with its [`SIGNS`] decoded.
    fn find_in_text(text: &str, rule: impl for<'s> Fn(&mut FoundSecret<'s>, &'s str)) -> Vec<Place> {
        let mut places = Vec::new();
        let mut decoded = Decoded::from(text);
        for _ in 0..=DEPTH {
            let mut found = FoundSecret { text: &decoded.text, places: Vec::new() };
            rule(&mut found, &decoded.text);
            places.extend(found.places.into_iter().map(|place| decoded.as_encoded(place)));
            match decoded.again() {
                Some(again) => decoded = again,
                None => break,
            }
        }
        places
    }
}

impl<'a> FoundSecret<'a> {
    /// `secret`: a part of the text, perhaps an empty one: where it would be.
    fn record_secret(&mut self, secret: &'a str) {
        let begin = self.offset_of(secret);
        self.places.push(begin..begin + secret.len());
    }

    fn offset_of(&self, part: &'a str) -> usize {
        part.as_ptr().addr() - self.text.as_ptr().addr()
    }

    /// A value that may be more than the secret, as a command behind a variable is: what is known of it is a secret by
    /// itself, too.
    fn record_value(&mut self, value: &'a str) {
        if let Some((first, _)) = value.trim_start().split_once(char::is_whitespace) {
            self.record_secret(strip_decoration(first));
            // Or one of several in a query.
            for value in [strip_decoration(first), value] {
                self.record_secret(value.split(['&', ';', '#']).next().unwrap_or_default());
            }
            self.scan_url(value);
            self.scan_script(value);
        }
        self.record_secret(value);
    }

    fn scan_url(&mut self, url: &'a str) {
        self.scan_addresses(url, |_| false);
        // Many programs take one without its scheme.
        self.scan_authority(&url[..url.find(['/', '?', '#']).unwrap_or(url.len())]);
        self.scan_path(url);
        let path = url.split(['?', '#']).next().unwrap_or_default();
        path.split('/').filter(|part| is_path_key(part)).for_each(|part| self.record_secret(part));
    }

    /// Of an address, and of those that are values in it. A blank does not end what stands before a path, but where
    /// what is before the blank `is_whole`.
    fn scan_addresses(&mut self, text: &'a str, is_whole: impl Fn(&str) -> bool) {
        let mut rest = text;
        while let Some((_, behind)) = rest.split_once("://") {
            // The next one's name and password are its own.
            let authority = behind.split_once("://").map_or(behind, |(own, _)| own);
            let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
            let word = authority.split(char::is_whitespace).next().unwrap_or_default();
            let authority = if is_whole(word) { word } else { authority };
            self.scan_authority(authority);
            // A name that stands alone, too.
            if let Some((user, host)) = authority.rsplit_once('@')
                && !is_opacity(host)
            {
                self.record_secret(user);
            }
            rest = &behind[authority.len()..];
        }
    }

    fn scan_authority(&mut self, authority: &'a str) {
        if let Some((user, host)) = authority.rsplit_once('@')
            && let Some((_, password)) = user.split_once(':')
            && !is_opacity(host)
        {
            self.record_secret(password);
            self.record_secret(user);
        }
    }

    /// `"name": "value"` of JSON, however it is quoted.
    fn scan_json_fields(&mut self, text: &'a str) {
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once(':') {
            rest = behind;
            let Some(name) = before.trim_end().strip_suffix(is_quote) else { continue };
            let name = name.trim_end_matches('\\').rsplit(is_quote).next().unwrap_or_default();
            if !is_secret(name) {
                continue;
            }
            let value = behind.trim_start().trim_start_matches('\\');
            let (value, ends): (_, &[char]) = match value.strip_prefix(is_quote) {
                Some(quoted) => (quoted, if value.starts_with('"') { &['"'] } else { &['\''] }),
                None => (value, &[',', '}']),
            };
            self.record_secret(value.split(ends).next().unwrap_or_default());
        }
    }

    /// Also of what has no address in it: `name=value`.
    fn scan_path(&mut self, path: &'a str) {
        let (mut rest, mut is_query) = (path, false);
        while let Some((before, behind)) = rest.split_once('=') {
            is_query |= before.contains('?');
            rest = behind;
            let name =
                before.rsplit(['/', '?', '&', ';', '#', ',', ' ', '"', '\'']).next().unwrap_or_default();
            if !(is_secret(name) || is_query && !is_harmless(name)) {
                continue;
            }
            let ends = |c: char| matches!(c, '&' | ';' | '#') || !is_query && matches!(c, '/' | '?');
            let (value, behind) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
            self.record_secret(value);
            rest = behind;
        }
    }

    fn scan_value(&mut self, word: &'a str, kind: SecretKind) {
        match kind {
            SecretKind::Anything => self.scan_word(word),
            SecretKind::Login => self.scan_login(word),
            SecretKind::Secret => self.record_secret(word),
        }
    }

    fn scan_login(&mut self, word: &'a str) {
        if let Some((_, password)) = word.split_once(':') {
            self.record_secret(password);
            self.record_secret(word);
        }
    }

    fn scan_word(&mut self, word: &'a str) {
        self.scan_json_fields(word);
        // `--header=Authorization: …` as well as what follows `-H`.
        let (option, field) = match word.split_once('=') {
            Some((option, field)) if option.starts_with('-') => (option, field),
            _ => ("", word),
        };
        // One that begins with an option, more likely.
        let is_script = option.contains(char::is_whitespace);
        if let Some((name, value)) = field.trim_start_matches(is_quote).split_once(':')
            && !value.starts_with("//")
            && !name.contains(|c: char| c.is_whitespace() || c == '=' || c == '@')
            && (is_secret(name) || is_login(name) || is_login_cluster(name) && !is_stream(value))
        {
            return self.record_secret(value);
        }
        if !word.contains(char::is_whitespace) && option.is_empty() {
            return self.scan_url(word);
        }
        if is_login(option) {
            self.scan_login(field);
        } else if is_secret(option) {
            self.record_value(field);
        }
        if (is_login(option) || is_secret(option)) && !is_script {
            return;
        }
        if !field.contains(char::is_whitespace) && !is_script {
            return self.scan_url(word);
        }
        if let Some((name, value)) = field.split_once('=')
            && !name.contains(char::is_whitespace)
            && is_secret(name)
            && !is_script
        {
            self.scan_authority(name);
            return self.record_value(value);
        }
        // A command of its own, several headers, or a value as it is.
        self.scan_script(if is_script { word } else { field });
        if word.starts_with('-') || starts_with_address(word) {
            self.scan_url(word);
        } else {
            self.scan_addresses(word, |word| word.contains('@') || is_host(word));
        }
    }

    /// `sh -c "…"`, or the fields of several headers. Where a secret ends that is quoted, or has a name before it, is not
    /// known: all is taken from there on.
    fn scan_script(&mut self, script: &'a str) {
        let pieces: Vec<&str> = script.split(char::is_whitespace).collect();
        let mut is_open = false;
        for (&piece, kind) in pieces.iter().zip(kinds(&pieces)) {
            let known = self.places.len();
            self.scan_value(piece, kind);
            let begin = self.places.get(known).map(|place| place.start);
            let is_quoted = piece.contains(is_quote);
            let is_name = |name: &str| {
                is_secret(strip_decoration(name).rsplit(['=', '"', '\'']).next().unwrap_or(name))
            };
            let opens = begin.is_some() && (is_quoted || piece.ends_with('\\'))
                || piece.strip_suffix(':').is_some_and(is_name);
            if opens && !is_open {
                is_open = true;
                self.record_secret(&script[self.offset_of(piece) - self.offset_of(script)..]);
                // The program is given what is in the quotes only.
                if let Some(begin) = begin.filter(|_| is_quoted) {
                    let secret = self.text[begin..].trim_start_matches(is_quote);
                    self.record_secret(secret.split(is_quote).next().unwrap_or_default());
                }
            }
        }
    }
}

/// A text with the [`SIGNS`] in it decoded (RFC 3986, 2.1), and where each byte stood.
#[derive(Debug)]
struct Decoded {
    text: String,
    /// One more than the text has bytes.
    places: Vec<usize>,
}

impl From<&str> for Decoded {
    fn from(text: &str) -> Decoded {
        Decoded { text: text.to_owned(), places: (0..=text.len()).collect() }
    }
}

impl Decoded {
    /// Once more; none if there was nothing to decode.
    fn again(&self) -> Option<Decoded> {
        let sign = |escape: &str| {
            let digits = escape.get(1..3).filter(|_| escape.starts_with('%'))?;
            let byte = u8::from_str_radix(digits, 16).ok()?;
            (byte == b'%' || SIGNS.contains(&byte)).then_some(char::from(byte))
        };
        let mut again = Decoded { text: String::with_capacity(self.text.len()), places: Vec::new() };
        let mut rest = self.text.as_str();
        while let Some(c) = rest.chars().next() {
            let at = self.text.len() - rest.len();
            let (c, length) = sign(rest).map_or((c, c.len_utf8()), |sign| (sign, 3));
            again.text.push(c);
            again.places.extend((0..c.len_utf8()).map(|byte| self.places[at + byte]));
            rest = &rest[length..];
        }
        again.places.push(self.places[self.text.len()]);
        (again.text.len() < self.text.len()).then_some(again)
    }

    fn as_encoded(&self, place: Place) -> Place {
        self.places[place.start]..self.places[place.end]
    }
}

/// Whether it begins with an address, whatever follows it.
fn starts_with_address(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(char::is_whitespace))
}

/// Whether no password has begun there: a host, perhaps with its port.
fn is_host(text: &str) -> bool {
    text.split_once(':')
        .is_none_or(|(_, port)| strip_decoration(port).bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether it says which stream of a file is meant (`-bufsize:v`, `-tune:v:0`; ffmpeg(1), "Stream specifiers").
fn is_stream(text: &str) -> bool {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (kind, number) = text.split_once(':').unwrap_or((text, ""));
    matches!(kind, "v" | "V" | "a" | "s" | "d" | "t") && is_number(number)
}

/// Whether it is how much of a filter's colour is seen, with what follows (`boxcolor=black@0.5:x=10`; ffmpeg-utils(1),
/// "Color"): no host has such a name.
fn is_opacity(text: &str) -> bool {
    let number = text.split([':', ',']).next().unwrap_or_default();
    number.parse::<f64>().is_ok_and(|opacity| (0.0..=1.0).contains(&opacity))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

fn strip_decoration(word: &str) -> &str {
    word.trim_matches(is_quote)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_secrets_are_taken_out_of_a_url() {
        for (url, shown) in [
            ("http://cam/x", "http://cam/x"),
            ("http://me:pw@cam:80/x@y:z", "http://***@cam:80/x@y:z"),
            ("http://me@cam", "http://***@cam"),
            ("http://me:p@w@cam?x=1", "http://***@cam?x=1"),
            ("nothing", "nothing"),
            ("rtsp://cam:7447/AbCdEf12345678", "rtsp://cam:7447/***"),
            ("http://cam/v?basic=bWU6cHc&hash=12ab", "http://cam/v?basic=***&hash=***"),
            ("rtsp://cam/Streaming/Channels/101", "rtsp://cam/Streaming/Channels/101"),
            ("http://cam/axis-cgi/mjpg/video.cgi", "http://cam/axis-cgi/mjpg/video.cgi"),
            ("rtsp://cam/h264Preview_01_main", "rtsp://cam/h264Preview_01_main"),
            ("http://cam/v?user=a&pwd=b&rate=0", "http://cam/v?user=***&pwd=***&rate=0"),
            ("http://cam/v?Password=b", "http://cam/v?Password=***"),
            ("http://cam/v?access_token=b=c/d&x", "http://cam/v?access_token=***&x"),
            ("http://cam/v?loginuse=me&loginpas=b", "http://cam/v?loginuse=***&loginpas=***"),
            ("rtsp://c/user=me_password=b_channel=1", "rtsp://c/user=me_password=***"),
            ("http://cam/pwd=b/video?fps=1", "http://cam/pwd=***/video?fps=1"),
            ("http://me:pw@cam?x=1&key=2#3", "http://***@cam?x=1&key=***#3"),
            ("http://cam/?pwd=&keyint=30", "http://cam/?pwd=&keyint=30"),
            ("http://cam/?u=me&p=b&author=c", "http://cam/?u=***&p=***&author=***"),
            ("http://go:1984/api?src=rtsp://me:pw@cam/1&x=2", "http://go:1984/api?src=***&x=2"),
            ("http://go/api/rtsp%3A%2F%2Fme%3Apw%40cam/1", "http://go/api/rtsp%3A%2F%2F***%40cam/1"),
            (
                "http://go/api/rtsp%3A//me%3Apw%40cam/1?y=rtsp:%2f%2Fme:b%40cam",
                "http://go/api/rtsp%3A//***%40cam/1?y=rtsp:%2f%2F***%40cam",
            ),
            (
                "http://go/http%3A%2F%2Fcam%2Fv%3Fuser%3Dme%26x%3D%C3%A4",
                "http://go/http%3A%2F%2Fcam%2Fv%3Fuser%3D***%26x%3D%C3%A4",
            ),
            (
                "h://go/h%3A%2F%2Fgo%2Fh%253A%252F%252Fme%253Apw%2540cam",
                "h://go/h%3A%2F%2Fgo%2Fh%253A%252F%252F***%2540cam",
            ),
            (
                "http://cam/cgi/mjpg?resolution=640x480&fps=5&camera=1&s3=a",
                "http://cam/cgi/mjpg?resolution=640x480&fps=5&camera=1&s3=***",
            ),
            ("me:pw@go/api?src=rtsp://cam", "***@go/api?src=***"),
            ("http://cam/v?jwt=b", "http://cam/v?jwt=***"),
            ("http://cam/100%/%zz%4", "http://cam/100%/%zz%4"),
            ("http://a:b@p/http://me:pw@cam/x", "http://***@p/http://***@cam/x"),
            ("rtsp://me:p w@cam/1", "rtsp://***@cam/1"),
            ("me:pw@cam/x", "***@cam/x"),
            (":pwd@=http://", "***@=***//"),
        ] {
            assert_eq!(redact_url(url), shown);
        }
        assert_eq!(secrets_in_path("/v?user=a&pwd=b&token=c"), ["a", "b", "c"]);
    }

    /// What a later look finds has the stars of an earlier one: the program may say it as it was written.
    #[test]
    fn secrets_are_known_as_they_were_written() {
        let mut masked = MaskedText { text: "a:bcd@e f:g=h", hidden: Vec::new() };
        let mut secrets = Secrets::default();
        assert!(masked.hide(std::iter::once(2..5).collect(), &mut secrets));
        assert_eq!(masked.visible_text(), "a:***@e f:g=h");
        // Some of the stars, and what is behind them.
        assert!(!masked.hide(vec![3..4, 2..5], &mut secrets));
        assert!(masked.hide(vec![4..7, 12..13], &mut secrets));
        assert_eq!(masked.visible_text(), "a:*** f:g=***");
        // What touches is one; what is left keeps its place.
        assert!(masked.hide(vec![5..6, 6..7, 8..9], &mut secrets));
        assert_eq!(masked.visible_text(), "a:***:***=***");
        assert_eq!(secrets.0, ["bcd", "bcd@e", "h", "f", "g"]);
    }

    #[test]
    fn what_overlaps_is_blotted_as_well() {
        let secrets = ["hun@ter", "ter2 more", "", "xyz"].map(String::from);
        assert_eq!(redact_known("a hun@ter2 more; hun@ter", &secrets), "a ***; ***");
        assert_eq!(redact_known("nothing", &secrets), "nothing");
        assert_eq!(redact_known("äababab", &["abab".into()]), "ä***");
    }

    #[test]
    fn secrets_are_taken_out_of_commands() {
        for (command, shown, secrets) in [
            (
                &["ffmpeg", "-i", "rtsp://me:pw@cam/1", "-"][..],
                &["ffmpeg", "-i", "rtsp://***@cam/1", "-"][..],
                &["pw"][..],
            ),
            (&["curl", "-u", "me:pw", "http://cam"], &["curl", "-u", "***", "http://cam"], &["pw"]),
            (&["curl", "-ume:pw", "-u", "me", "-s"], &["curl", "-ume:***", "-u", "me", "-s"], &["pw"]),
            (
                &["curl", "--proxy-user=me:pw", "--user", "a:b"],
                &["curl", "--proxy-user=***", "--user", "***"],
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
                &["gst", "rtspsrc", "user-pw=***", "location=rtsp://***@c/"],
                &["pw", "b"],
            ),
            (&["x", "-p", "pw", "-b", "session=a"], &["x", "-p", "***", "-b", "session=***"], &["pw", "a"]),
            (&["sh", "-c", "curl -u me:pw cam | x"], &["sh", "-c", "curl -u *** cam | x"], &["pw"]),
            (&["curl", "-sSu", "me:pw", "-sume:b"], &["curl", "-sSu", "***", "-sume:***"], &["pw", "b"]),
            (
                &["docker", "--env=RTSP_PASSWORD=my pass", "--set=password=correct horse"],
                &["docker", "--env=RTSP_PASSWORD=***", "--set=password=***"],
                &["my", "my pass", "correct", "correct horse"],
            ),
            (
                &["wget", "--post-data=user=me&password=my pass phrase"],
                &["wget", "--post-data=user=me&password=***"],
                &["my", "my pass phrase"],
            ),
            (
                &["x", "--input=-i rtsp://me:p w@cam/1 -y", "--x=a:b c@d e"],
                &["x", "--input=-i rtsp://***@cam/1 -y", "***@d e"],
                &["p w", "b c"],
            ),
            (
                &["sh", "-c", "curl http://cam:8080 -u me:S3cr@t"],
                &["sh", "-c", "curl http://cam:8080 -u ***"],
                &["S3cr@t"],
            ),
            (
                &["sh", "-c", "curl h://a:b@c:1 -u d:e@f"],
                &["sh", "-c", "curl h://***@c:1 -u ***"],
                &["b", "e@f"],
            ),
            (
                &["sh", "-c", "x h://me:p'w@cam s3cret"],
                &["sh", "-c", "x ***"],
                &["p'w", "h://me:p'w@cam s3cret", "p"],
            ),
            (
                &["sh", "-c", "curl -s http://cam:8080 -d @body"],
                &["sh", "-c", "curl -s http://cam:8080 -d @body"],
                &[],
            ),
            (
                &["x", "--exec=TOKEN=abcd ffmpeg -i rtsp://me:pw@cam/1"],
                &["x", "--exec=TOKEN=***"],
                &["abcd", "abcd ffmpeg -i rtsp://me:pw@cam/1", "pw"],
            ),
            (
                &["ffmpeg", "-bufsize:v", "4M", "-tune:v:0", "x"],
                &["ffmpeg", "-bufsize:v", "4M", "-tune:v:0", "x"],
                &[],
            ),
            (&["sh", "-c", "a rtsp://me:p w@cam/1 -y"], &["sh", "-c", "a rtsp://***@cam/1 -y"], &["p w"]),
            (&["curl", "-x", "me:pw@proxy:80", "c"], &["curl", "-x", "***@proxy:80", "c"], &["pw"]),
            (
                &["wget", "--header=Authorization: Basic a"],
                &["wget", "--header=Authorization:***"],
                &["Basic a"],
            ),
            (
                &["gst", "user-pw=my pass", "--password=a b"],
                &["gst", "user-pw=***", "--password=***"],
                &["my", "my pass", "a", "a b"],
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
                &["sh", "-c", "set -e\n\tcurl --password  *** -s \\\n  --user \\\n *** c # all\n"],
                &["a", "pw"],
            ),
            (
                &["sh", "-c", "x '-u' me:pw; wget --header='Cookie: a' b"],
                &["sh", "-c", "x '-u' *** wget ***"],
                &["pw;", "pw", "--header='Cookie: a' b", "a"],
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
                    "--exec=curl -u *** cam",
                    "-oProxyCommand=sshpass --password *** ssh",
                    "--url=h://***@c/ d",
                ],
                &["pw", "a", "b"],
            ),
            (
                &["ffmpeg", "-headers=User-Agent: x\r\nAuthorization: Basic a\r\n"],
                &["ffmpeg", "-headers=User-Agent: x\r\n***"],
                &["Authorization: Basic a"],
            ),
            (
                &["sh", "-c", "curl -u 'me:p w' cam"],
                &["sh", "-c", "curl -u ***"],
                &["p", "'me:p w' cam", "me:p w' cam", "p w"],
            ),
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
            let (got, taken) = redact_command(command);
            assert_eq!(got, shown);
            assert_eq!(taken.is_empty(), secrets.is_empty(), "{taken:?}");
            assert!(secrets.iter().all(|&secret| taken.iter().any(|taken| taken == secret)), "{taken:?}");
        }
    }

    /// What the program itself is given is known as a secret, too: it has no quotes.
    #[test]
    fn secrets_are_taken_out_of_scripts_and_json() {
        for (command, shown, secret) in [
            (
                &["curl", "-d", r#"{"username": "me", "password": "a b"}"#][..],
                &["curl", "-d", r#"{"username": "me", ***"#][..],
                "a b",
            ),
            (
                &["curl", "-d", r#"{"username":"me","password":"a,b","x":1}"#],
                &["curl", "-d", r#"{"username":"me","password":"***","x":1}"#],
                "a,b",
            ),
            (&["sh", "-c", r#"curl -d "{\"pin\":12}" cam"#], &["sh", "-c", "curl -d ***"], "12"),
            (&["sh", "-c", "curl -u 'me: a b' cam"], &["sh", "-c", "curl -u ***"], "a b"),
            (&["sh", "-c", "x --password 'a'; y"], &["sh", "-c", "x --password ***"], "a"),
            (&["sh", "-c", "(curl -u me:a) && b"], &["sh", "-c", "(curl -u *** && b"], "a"),
            (&["sh", "-c", "curl -d \"p=a&u=me\" cam"], &["sh", "-c", "curl -d ***"], "a"),
            (&["sh", "-c", "curl -H X-Auth:\\ a cam"], &["sh", "-c", "curl -H ***"], "X-Auth:\\ a cam"),
            (&["sh", "-c", "curl -u me:correct\\ horse cam"], &["sh", "-c", "curl -u ***"], "correct"),
            (&["sshpass", "-pa", "ssh", "-p", "22"], &["sshpass", "***", "ssh", "-p", "22"], "-pa"),
            (&["sh", "-c", "mkdir -p '/x'; y -p a"], &["sh", "-c", "mkdir -p '/x'; y -p ***"], "a"),
        ] {
            let (got, taken) = redact_command(command);
            assert_eq!(got, shown);
            assert!(taken.iter().any(|taken| taken == secret), "{taken:?}");
        }
    }

    #[test]
    fn ordinary_commands_are_shown_as_they_are() {
        for command in [
            &["ffmpeg", "-vf", "drawtext=text=cam:fontcolor=white:box=1:boxcolor=black@0.5:x=10"][..],
            &["ffmpeg", "-vf", "lumakey=0.1,allpass=f=3", "-force-key-unit", "1"],
            &["curl", "--anyauth", "http://cam/"],
            &["wget", "--auth-no-challenge", "http://cam/"],
            &["ssh", "-p", "2222", "-oStrictHostKeyChecking=no", "pi@cam"],
            &["rpicam-vid", "-p", "0,0,640,480"],
        ] {
            assert_eq!(
                redact_command(command),
                (command.iter().map(|&word| word.to_owned()).collect(), vec![])
            );
        }
    }

    proptest! {
        /// What has stars only is shown as it is: it may be sent back.
        #[test]
        fn what_is_shown_is_shown_the_same_again(url in any::<String>(), typed in "(http://|a:b|@|c|/|\\?|&|pwd|=|;|#| |-u|'|:){0,20}") {
            for url in [url, typed] {
                let shown = redact_url(&url);
                prop_assert_eq!(&redact_url(&shown), &shown);
                let (words, secrets) = redact_command(std::slice::from_ref(&url));
                prop_assert_eq!(&redact_command(&words).0, &words);
                prop_assert!(secrets.iter().all(|secret| url.contains(secret)));
            }
        }
    }
}
