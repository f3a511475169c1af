//! Secrets starred out of what was typed, right or not quite: nobody is shown them again. Pure, in one pass over the text.
//!
//! The rule is to star too much rather than too little:
//!
//! - Behind a name that speaks of a secret everything is starred, up to the end of the line, whatever stands between the
//!   two. A name is a run of letters, digits and `_-.`; signs that are not seen within it count for nothing.
//! - Words that plain sentences have, too ([`SPOKEN`]), are such names where a value may follow: behind `=` or `:`, or
//!   behind a space or quote unless they stand in the midst of a sentence. What ends in `key` is one behind which a sign
//!   stands (`adminkey = …`), but for [`NO_KEYS`].
//! - A text in quotes, which is more than one name, is left as it is, but for what stands behind a sign or an option of a
//!   command in it. A quote that is not opened and closed as quotes are is none.
//! - Of an address, with its scheme or without, all before the last `@` is starred. Where it ends is a guess, since all
//!   signs stand in passwords, too: where its host would have something else than a port, it goes on; without quotes also
//!   where an `@` comes yet, and neither a quote nor `=` before it, of which another value would be told.
//!
//! What is masked is a line, or a value without its quotes. A secret that goes on in the next line is not known there.

use crate::base::unicode::{is_blank, is_unseen_control};

/// What stands in the names of secrets, right or not quite.
const SECRET_WORDS: [&str; 9] =
    ["pass", "pasw", "pwd", "psk", "secret", "token", "credential", "authorization", KEY];

/// A word that is a part of many others.
const KEY: &str = "key";

/// What stands before [`KEY`] in the names of secrets, in the same word, whether a sign follows or not.
const KINDS_OF_KEYS: [&str; 3] = ["", "user", "api"];

/// Words that end in [`KEY`] and are none.
const NO_KEYS: [&str; 6] = ["monkey", "donkey", "turkey", "hockey", "jockey", "whiskey"];

/// Words of [`SECRET_WORDS`] that people write of other things.
const SPOKEN: [&str; 8] = [KEY, "keys", "pass", "passage", "passages", "passenger", "passengers", "token"];

/// Whether what has such a name, right or not quite, may be a secret.
pub fn may_be_secret(name: &str) -> bool {
    let name = visible_name(name.chars());
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// `text` with every secret in it starred out, character for character.
pub(super) fn masked(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let value = find_named_secret(&chars).unwrap_or(chars.len());
    // What an address carries may look like a name.
    star_addresses(&mut chars);
    star(&mut chars[value..]);
    chars.into_iter().collect()
}

/// `url`, what is meant to be an address and nothing else, with its name and password starred out.
pub(super) fn masked_url(url: &str) -> String {
    let scheme = url.find("://").filter(|at| !url[..*at].contains([':', '@']));
    let begin = scheme.map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at(begin);
    let (signed_in, host) = rest.split_at(rest.rfind('@').unwrap_or(0));
    masked(&format!("{scheme}{}{host}", "*".repeat(signed_in.chars().count())))
}

/// Spaces and quotes tell nothing, and show where something stands.
fn star(chars: &mut [char]) {
    for c in chars.iter_mut().filter(|c| !is_space(**c) && **c != '"') {
        *c = '*';
    }
}

/// White space, and the letters that look like it.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{2800}' | '\u{3164}' | '\u{115f}' | '\u{1160}' | '\u{ffa0}')
}

fn is_unseen(c: char) -> bool {
    is_unseen_control(c) || is_blank(c)
}

fn is_assignment_sign(c: char) -> bool {
    matches!(c, '=' | ':' | '＝' | '：')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

/// Also quotes that word processors write.
fn is_any_quote(c: char) -> bool {
    is_quote(c) || matches!(c, '“' | '”' | '„' | '‘' | '’' | '‚' | '«' | '»')
}

/// Names stand in such, too: `[key] = …`, `power["key"] = …`.
fn is_bracket(c: char) -> bool {
    matches!(c, '[' | ']' | '(' | ')' | '{' | '}' | '<' | '>')
}

fn is_name_character(c: char) -> bool {
    !is_space(c) && (c.is_alphanumeric() || is_unseen(c) || matches!(c, '_' | '-' | '.' | '\\'))
}

/// What is seen of a name, in lower case.
fn visible_name(name: impl Iterator<Item = char>) -> String {
    name.filter(|c| !is_unseen(*c) && *c != '\\').flat_map(char::to_lowercase).collect()
}

/// Whether `name`, as [`seen`] gives it, speaks of a secret in a text: there a monkey does not.
fn is_secret_name(name: &str) -> bool {
    SECRET_WORDS.iter().any(|word| *word != KEY && name.contains(word)) || is_secret_key_name(name)
}

fn is_secret_key_name(name: &str) -> bool {
    let is_of_a_kind = |(at, _): (usize, &str)| {
        let before =
            KINDS_OF_KEYS.iter().filter_map(|kind| name.get(..at).and_then(|b| b.strip_suffix(kind)));
        before.into_iter().any(|rest| !rest.ends_with(char::is_alphanumeric))
    };
    name.match_indices(KEY).any(is_of_a_kind)
}

/// Whether `name`, as [`seen`] gives it, is one of a secret where a sign follows: its last word ends in [`KEY`], but for a
/// number.
fn is_any_key(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| !c.is_alphabetic());
    let word = name.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    word.ends_with(KEY) && !NO_KEYS.contains(&word)
}

/// Where in `text` a secret begins that has a name; what is no secret any more goes on to the end.
fn find_named_secret(text: &[char]) -> Option<usize> {
    let texts = inside_quotes(text);
    let (mut at, mut before) = (0, None);
    // A name before this, with nothing but words between: `pass word = …`.
    let mut is_named = false;
    while at < text.len() {
        let c = text[at];
        let begin = at;
        at += run(&text[at..], is_name_character).max(1);
        if is_name_character(c) {
            let typed = &text[begin..at];
            let name = visible_name(typed.iter().copied());
            // A backslash may be of an escape, or part one word from another: `power\key`.
            let parted = || visible_name(typed.iter().map(|c| if *c == '\\' { '.' } else { *c }));
            let is_sure = is_secret_name(&name) || typed.contains(&'\\') && is_secret_key_name(&parted());
            if is_sure || is_any_key(&name) {
                let name = Name { name: &name, is_sure, end: at, before, is_in_text: texts[begin] };
                if let Some(value) = name.value_in(text) {
                    return Some(value);
                }
                is_named = true;
            }
        } else if is_assignment_sign(c) && is_named && !texts[begin] {
            return Some(at);
        } else if !is_space(c) && !is_any_quote(c) && !is_bracket(c) {
            is_named = false;
        }
        before = text[..at].last().copied().filter(|c| !is_space(*c)).or(before);
    }
    None
}

/// A name that speaks of a secret, where it stands.
struct Name<'n> {
    /// As [`seen`] gives it.
    name: &'n str,
    /// Whether it is one also where no sign follows.
    is_sure: bool,
    /// What is behind it.
    end: usize,
    /// The last sign before it but spaces.
    before: Option<char>,
    /// Whether it is a part of a text in quotes.
    is_in_text: bool,
}

impl Name<'_> {
    /// Where its value begins in `text`, if it has one.
    fn value_in(&self, text: &[char]) -> Option<usize> {
        let rest = &text[self.end..];
        let next = rest.get(run(rest, is_space)).copied();
        let sign = run(rest, |c| is_space(c) || is_any_quote(c) || is_bracket(c));
        if rest.get(sign).copied().is_some_and(is_assignment_sign) {
            return Some(self.end + sign + 1);
        }
        if !self.is_sure {
            return None;
        }
        // Commands stand in quotes, too.
        let is_option = self.name.starts_with('-');
        let is_named =
            is_option || !self.is_in_text && (!SPOKEN.contains(&self.name) || self.is_before(next, rest));
        is_named.then_some(self.end)
    }

    /// Whether what follows may be its value, if it is a word of plain sentences: no sign of a sentence stands behind it,
    /// and there is no sentence that it is in the midst of.
    fn is_before(&self, next: Option<char>, rest: &[char]) -> bool {
        let is_apart = match rest {
            // The quote that it stands in, or that of its value.
            [quote, after @ ..] if is_any_quote(*quote) => {
                self.before != Some(*quote) || after.first().is_some_and(|c| is_space(*c))
            }
            _ => rest.first().is_some_and(|c| is_space(*c)),
        };
        let is_in_sentence = self.before.is_some_and(|c| c.is_alphanumeric() || is_assignment_sign(c))
            && next.is_some_and(char::is_alphabetic);
        is_apart && !is_in_sentence
    }
}

/// How many signs at the beginning of `text` are such.
fn run(text: &[char], is_such: impl Fn(char) -> bool) -> usize {
    let count = text.iter().take_while(|c| is_such(**c)).count();
    look(count + 1);
    count
}

/// Says that so many signs were looked at. Tests count them: that all is done in one pass cannot be seen from outside.
#[cfg(test)]
fn look(count: usize) {
    tests::LOOKED_AT.with(|sum| sum.set(sum.get() + count));
}

#[cfg(not(test))]
fn look(_count: usize) {}

/// Which signs of `text` stand in a text in quotes, one that is more than a name.
fn inside_quotes(text: &[char]) -> Vec<bool> {
    let mut is_in_text = vec![false; text.len()];
    let mut at = 0;
    while at < text.len() {
        at = match find_closing_quote(text, at) {
            Some(close) => {
                let within = at + 1..close;
                let is_more = !text[within.clone()].iter().all(|c| is_name_character(*c));
                is_in_text[within].fill(is_more);
                close + 1
            }
            None => at + 1,
        };
    }
    is_in_text
}

/// The quote that closes the one at `open`, if that is one, and both stand as quotes do: the text between begins and ends
/// with something to be seen, and beyond them is none.
fn find_closing_quote(text: &[char], open: usize) -> Option<usize> {
    let quote = Some(text[open]).filter(|c| is_quote(*c))?;
    let opens = |c: char| is_space(c) || is_assignment_sign(c) || "[{(,;#".contains(c);
    let is_open = open.checked_sub(1).is_none_or(|before| opens(text[before]))
        && text.get(open + 1).is_some_and(|c| !is_space(*c));
    if !is_open {
        return None;
    }
    let is_quote = |at: &usize| text[*at] == quote && !is_escaped(text, *at);
    let close = (open + 1..text.len()).find(is_quote);
    look(close.unwrap_or(text.len()) - open);
    let close = close?;
    let is_close = ends_value_at(text, close + 1) || is_assignment_sign(text[close + 1]);
    (is_close && !is_space(text[close - 1])).then_some(close)
}

/// Whether a value may be over where `at` is.
fn ends_value_at(text: &[char], at: usize) -> bool {
    text.get(at).is_none_or(|c| is_space(*c) || ",;}])#".contains(*c))
}

/// Whether the quote at `at` is one of the text: an odd number of backslashes stands before it, which are signs like
/// others between single quotes.
fn is_escaped(text: &[char], at: usize) -> bool {
    if text[at] != '"' {
        return false;
    }
    let backslashes = text[..at].iter().rev().take_while(|c| **c == '\\').count();
    look(backslashes);
    backslashes % 2 == 1
}

/// Stars out the names and passwords of all addresses in `text`.
fn star_addresses(text: &mut [char]) {
    // Behind the last one nobody has signed in; nor is anything looked for there again and again.
    let Some(last) = text.iter().rposition(|c| *c == '@') else { return };
    let parted = split_tokens(text);
    let mut at = 0;
    while at < last {
        let word = at + run(&text[at..], |c| !is_word_boundary(c));
        let quote = at.checked_sub(1).map(|before| text[before]).filter(|c| is_quote(*c));
        let goes_on = match text.get(word) {
            Some(c) if is_quote(*c) => find_closing_quote(text, word).is_none(),
            next => next == Some(&'='),
        };
        at = match address_in(&text[at..word], goes_on) {
            Some(begin) => redact_address(text, at + begin, quote, &parted).max(word),
            None => word,
        };
        at += 1;
    }
}

/// Whether a word may begin behind it, one that is an address.
fn is_word_boundary(c: char) -> bool {
    is_space(c) || is_quote(c) || c == '='
}

/// Where in `word` an address begins, behind its scheme if it has one: there is a colon in it, and it goes on behind that.
fn address_in(word: &[char], goes_on: bool) -> Option<usize> {
    let colon = word.iter().position(|c| matches!(c, ':' | '：'))?;
    if word[colon..].starts_with(&[':', '/', '/']) && !word[..colon].contains(&'@') {
        return Some(colon + 3);
    }
    (goes_on || colon + 1 < word.len()).then_some(0)
}

/// What comes first from a place of a text on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// An `@`.
    At,
    /// What parts one value from another, a quote or `=`, and an `@` somewhere behind it.
    Part,
    /// No `@` is left.
    Nothing,
}

/// What comes first from each sign of `text` on. Who looked for it at every word would go through the text as often.
fn split_tokens(text: &[char]) -> Vec<Next> {
    let mut next = Next::Nothing;
    let mut parted: Vec<Next> = text
        .iter()
        .rev()
        .map(|c| {
            next = match (c, next) {
                ('@', _) => Next::At,
                (c, Next::At) if is_quote(*c) || *c == '=' => Next::Part,
                (_, next) => next,
            };
            next
        })
        .collect();
    parted.reverse();
    parted
}

/// Stars out the name and password of the address that begins at `begin`, of which `quote` stands before it, if any does;
/// gives its end. `parted` is the text's, as [`parted`] gives it.
fn redact_address(text: &mut [char], begin: usize, quote: Option<char>, parted: &[Next]) -> usize {
    let mut host = begin;
    loop {
        let end = (host..text.len()).find(|at| ends_address_at(text, *at, quote)).unwrap_or(text.len());
        look(end - host);
        if let Some(sign) = text[host..end].iter().rposition(|c| *c == '@') {
            host += sign + 1;
        }
        // What ends it there may be of its password, and the host comes yet.
        let is_over = match parted.get(end) {
            None | Some(Next::Nothing) => true,
            Some(Next::At) if quote.is_none() => false,
            Some(_) => is_host(&text[host..end]),
        };
        if !is_over {
            host = end + run(&text[end..], |c| c != '@') + 1;
            continue;
        }
        text[begin..host.saturating_sub(1).max(begin)].fill('*');
        return end;
    }
}

fn ends_address_at(text: &[char], at: usize, quote: Option<char>) -> bool {
    match quote {
        None => is_space(text[at]),
        Some(quote) => text[at] == quote && !is_escaped(text, at) && ends_value_at(text, at + 1),
    }
}

/// Whether an address may have this behind its last `@`: a host with a port, if any, and a path.
fn is_host(text: &[char]) -> bool {
    let literal = if text.first() == Some(&'[') { run(text, |c| c != ']') } else { 0 };
    let authority = run(&text[literal..], |c| !"/?#".contains(c));
    let authority = &text[literal..literal + authority];
    let port: String = authority.iter().skip_while(|c| **c != ':').skip(1).collect();
    let port = port.trim_end_matches([',', ';', '.']);
    port.is_empty() || port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_starred_out() {
        for (text, want) in [
            ("password = \"abc\" # x", "password = \"***\" * *"),
            ("source.password=a b", "source.password=* *"),
            ("passwd=ab", "passwd=**"),
            ("TALLYCAM_SOURCE_PASSWORD=q", "TALLYCAM_SOURCE_PASSWORD=*"),
            ("url = \"http://me:pw@cam/x\"", "url = \"http://*****@cam/x\""),
            ("http://me:p,'#/w@cam/x y", "http://*********@cam/x y"),
            ("http://me:pw@cam/x@y", "http://***********@y"),
            ("http://cam/x y@z", "http://*******@z"),
            ("url = \"me:pw@cam/x\"", "url = \"*****@cam/x\""),
            ("url=me:p=w@cam", "url=******@cam"),
            // What has a colon may be a name and a password.
            ("at 12:30, me@home", "at *********@home"),
            ("password: hunter2", "password: *******"),
            ("\"password\" \"a b\"", "\"password\" \"* *\""),
            ("pwd = x", "pwd = *"),
            ("pasword = x", "pasword = *"),
            ("path = \"/srv/passage/north\"", "path = \"/srv/passage/north\""),
            ("key = \"s3cret", "key = \"******"),
            ("power = { key=\"ab\" }", "power = { key=\"**\" *"),
            ("TALLYCAM_POWER_KEY=q", "TALLYCAM_POWER_KEY=*"),
            ("userkey: x = y", "userkey: * * *"),
            ("the key of it", "the key of it"),
            (
                "source = { password: \"hunter2\", kind = \"url\" }",
                "source = { password: \"*******\"* **** * \"***\" *",
            ),
            ("password: hunter2  # was x = 1", "password: *******  * *** * * *"),
            ("password: c2VjcmV0cGFzcw==", "password: ****************"),
            (
                "{ path: '/srv/passage/n', password: hunter2 }",
                "{ path: '/srv/passage/n', password: ******* *",
            ),
            ("{ url='http://cam/pass/1', password: 'x' }", "{ url='http://cam/pass/1', password: *** *"),
            ("token = \"abc\"", "token = \"***\""),
            ("apikey = 'abc'", "apikey = *****"),
            ("key: s3cret", "key: ******"),
            ("key \"s3cret\"", "key \"******\""),
            ("userkey s3cret", "userkey ******"),
            ("name = \"Token booth\"", "name = \"Token booth\""),
            ("password\u{200b} = \"x\"", "password\u{200b} = \"*\""),
            ("“password” = “x”", "“password” = ***"),
            ("url = 'http://me:p'w@cam'", "url = 'http://******@cam'"),
            ("url = \"http://me:p\"w@cam\"", "url = \"http://******@cam\""),
            ("url = \"http://me:p\\\"w@cam\", a = 1", "url = \"http://*******@cam\", a = 1"),
            ("url = 'http://me:p\"w@cam'", "url = 'http://******@cam'"),
            ("userkey = y", "userkey = *"),
            ("monkey = \"abc\"", "monkey = \"abc\""),
            ("plain", "plain"),
            // Keys of all kinds, where it is plain that a value follows.
            ("powerkey = \"s3cret\"", "powerkey = \"******\""),
            ("power.adminkey=s3cret", "power.adminkey=******"),
            ("AccessKey: s3cret", "AccessKey: ******"),
            ("\"authkey\" : \"s3cret\"", "\"authkey\" : \"******\""),
            ("[shutdownkey_2] = s3cret", "[shutdownkey_2] = ******"),
            ("admin key of it = s3cret", "admin key of it = ******"),
            ("command = \"x authkey=s3cret\"", "command = \"x authkey=******\""),
            ("the turnkey house", "the turnkey house"),
            ("line.donkey = 1", "line.donkey = 1"),
            ("ice_hockey: 1", "ice_hockey: 1"),
            // In brackets, and behind a backslash.
            ("[key] = \"s3cret\"", "[key] = \"******\""),
            ("power[\"key\"] = \"s3cret\"", "power[\"key\"] = \"******\""),
            ("power[key] = \"s3cret\"", "power[key] = \"******\""),
            ("key] = \"s3cret\"", "key] = \"******\""),
            ("[token]: s3cret", "[token]: ******"),
            ("<key> of it = s3cret", "<key> of it = ******"),
            ("command = \"x [token]: s3cret\"", "command = \"x [token]: ******\""),
            ("power\\key = \"s3cret\"", "power\\key = \"******\""),
            ("power\\key s3cret", "power\\key ******"),
            ("mon\\u006bey = \"abc\"", "mon\\u006bey = \"abc\""),
            // Spaces that are not ASCII, and none at all.
            ("password\u{a0}\"s3cret\"", "password\u{a0}\"******\""),
            ("password\u{2003}s3cret", "password\u{2003}******"),
            ("key\u{3000}\"s3cret\"", "key\u{3000}\"******\""),
            ("password\u{3164}s3cret", "password\u{3164}******"),
            ("password\"s3cret\"", "password\"******\""),
            // A sign that was forgotten, wherever.
            (
                "source = { kind = \"url\" password \"s3cret\" }",
                "source = { kind = \"url\" password \"******\" *",
            ),
            ("[source] password s3cret", "[source] password ******"),
            ("fps = x # password s3cret", "fps = x # password ******"),
            ("fps = 1; password s3cret", "fps = 1; password ******"),
            ("fps = 1 # it's password s3cret", "fps = 1 # it's password ******"),
            ("kind = \"url\" password s3cret", "kind = \"url\" password ******"),
            ("kind = \"url\" key s3cret", "kind = \"url\" key ******"),
            ("kind = \"url password \"s3cret\"", "kind = \"url password \"******\""),
            ("kind = \"url, password \" s3cret", "kind = \"url, password \" ******"),
            ("kind = url password s3cret", "kind = url password ******"),
            ("export TALLYCAM_SOURCE_PASSWORD s3cret", "export TALLYCAM_SOURCE_PASSWORD ******"),
            ("export TALLYCAM_POWER_KEY s3cret", "export TALLYCAM_POWER_KEY ******"),
            ("source pass word = s3cret", "source pass word = ******"),
            ("\"pass word\" = \"s3cret\"", "\"pass word\" = \"******\""),
            ("command = \"x --password s3cret -y\"", "command = \"x --password ****** **\""),
            ("password → s3cret", "password * ******"),
            // Where a sentence has no quotes it is not told from names.
            ("name = Gate, key west", "name = Gate, key ****"),
            ("name = \"Passage, key west\"", "name = \"Passage, key west\""),
            ("name = \"The secret garden\" # x", "name = \"The secret garden\" # x"),
            ("classes = [\"person\", \"key ring\"]", "classes = [\"person\", \"key ring\"]"),
            ("classes = [\"key\", \"person\"]", "classes = [\"key\", \"person\"]"),
            ("path=/srv/passage/north", "path=/srv/passage/north"),
            // What is not seen in names, and signs of other keyboards.
            ("password\u{7f} = \"x\"", "password\u{7f} = \"*\""),
            ("p\u{200b}assword = x", "p\u{200b}assword = *"),
            ("pass\u{ad}word s3cret", "pass\u{ad}word ******"),
            ("password：\"s3cret\"", "password：\"******\""),
            ("key＝s3cret", "key＝******"),
            // Quotes and spaces in the passwords of addresses.
            ("url = 'http://me:s3',cret@cam'", "url = 'http://***********@cam'"),
            ("url = \"http://me:s3\" cret@cam\"", "url = \"http://***********@cam\""),
            ("url = 'http://me:s3'}cret@cam' # x", "url = 'http://***********@cam' # x"),
            ("url = 'http://me@home:s3',cret@cam'", "url = 'http://****************@cam'"),
            ("url = \"http://cam:80\", x = \"me@home\"", "url = \"http://cam:80\", x = \"me@home\""),
            ("url = 'http://[::1]:80/x:y', x = 'me@home'", "url = 'http://[::1]:80/x:y', x = 'me@home'"),
            ("url = \"http://cam/a\";url2=\"http://b/x@y\"", "url = \"http://cam/a\";url2=\"http://***@y\""),
            ("url = \"http://cam/a\"#x@y", "url = \"http://cam/a\"#x@y"),
            ("(\"http://cam/a\")x@y", "(\"http://cam/a\")x@y"),
            ("url = \"http://a\\\\\", x = \"http://b@c\"", "url = \"http://a\\\\\", x = \"http://*@c\""),
            ("url = \"http://a:p\\\", x@c\"", "url = \"http://********@c\""),
            ("url = 'http://cam/\\', x = 'me@home'", "url = 'http://cam/\\', x = 'me@home'"),
            ("source.url=http://me:s3 cret@cam", "source.url=http://**********@cam"),
            ("TALLYCAM_SOURCE_URL=http:/me:s3 cret@cam", "TALLYCAM_SOURCE_URL=****************@cam"),
            ("source.url=http://me:/s3 cret@cam", "source.url=http://***********@cam"),
            ("source.url=me:12 s3cret@cam", "source.url=************@cam"),
            ("source.url=//me:s3 cret@cam x = \"y@z\"", "source.url=************@cam x = \"y@z\""),
            ("source.url=http://cam:80/ x = y@z", "source.url=http://cam:80/ x = y@z"),
            ("url = \" http://me:s3 cret@cam\"", "url = \" http://**********@cam\""),
            ("url = 'htp://me:mypassword1@cam/x y'", "url = 'htp://**************@cam/x y'"),
            ("htp://me:mypassword1@cam/x y", "htp://******************** *"),
            ("{ a:x, password = \"p@w\" }", "{ ********************\" *"),
            // The scheme is missing, or no scheme.
            ("url = \"admin:s3cret@10.0.0.5/video\"", "url = \"************@10.0.0.5/video\""),
            ("url = \"admin:s3 cret@cam\"", "url = \"*************@cam\""),
            ("url = \"http:/me:s3cret@cam\"", "url = \"***************@cam\""),
            ("url = \"me:'s3cret@cam\"", "url = \"**********@cam\""),
            ("me:pw@cam://x", "*****@cam://x"),
            ("x = { a:1, url: \"me@home\" }", "x = { a:1, url: \"me@home\" }"),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn all_that_signs_in_is_taken_out_of_what_is_meant_to_be_a_url() {
        for (url, want) in [
            ("admin:s3cret@10.0.0.5/video", "************@10.0.0.5/video"),
            ("admin:12 34\", x@cam", "***************@cam"),
            ("ftp://me:12 34@cam", "ftp://********@cam"),
            ("http:/me:pw@cam", "***********@cam"),
            ("me:pw@cam://x", "*****@cam://x"),
            ("cam/x?token=abc", "cam/x?token=***"),
            ("cam", "cam"),
        ] {
            assert_eq!(masked_url(url), want);
        }
    }

    #[test]
    fn names_of_secrets() {
        for secret in [
            "source.password",
            "PASSWD",
            "user_key",
            "p\u{200b}wd",
            "KeyTec",
            "apiToken",
            "pass word",
            "psk",
            "credentials",
            "Authorization",
        ] {
            assert!(may_be_secret(secret), "{secret}");
        }
        assert!(!may_be_secret("brightness"));
        for (name, is_secret) in
            [("key", true), ("power.key", true), ("userkey", true), ("monkey", false), ("xuserkey", false)]
        {
            assert_eq!(is_secret_name(name), is_secret, "{name}");
        }
    }

    thread_local! {
        /// How many signs were looked at, one of them as often as it was.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    /// Each has a part that goes on to where the text ends if it is looked for: whoever does that at every sign looks at as
    /// many as the length's square.
    #[test]
    fn a_long_text_is_gone_through_once() {
        for part in [
            "token",
            "key",
            "monkey",
            "'token ",
            "x token ",
            "key, ",
            "the key ",
            "\"key ",
            "'",
            "\"'`",
            "\\\"",
            "\\",
            "= \"",
            "http://a:b ",
            "\"http://a:b",
            "\"http://a:b\" ",
            "'http://a:b\", ",
            "a:b@",
            "a:b ",
            "@",
            "@:",
            "://",
            "=a:b@c:d ",
            "a:1 ",
            "a:1 =",
            "a:1 @",
            "http://[",
            "\u{200b}",
            "\u{a0}",
        ] {
            let text = part.repeat(20_000 / part.len());
            for text in [format!("{text}@"), format!("{text}=@"), text] {
                let length = text.chars().count();
                LOOKED_AT.set(0);
                assert_eq!(masked(&text).chars().count(), length, "{part}");
                let looked_at = LOOKED_AT.get();
                assert!((length..12 * length).contains(&looked_at), "{part}: {looked_at} of {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_sign_stays_one(text in any::<String>(), typed in "(pass|key|http://|a:b| |\"|'|@|=|:|\\\\|,|x|\u{a0}){0,30}") {
            for text in [text, typed] {
                prop_assert_eq!(masked(&text).chars().count(), text.chars().count());
                prop_assert_eq!(masked_url(&text).chars().count(), text.chars().count());
            }
        }

        #[test]
        fn no_password_is_shown(password in "[!-)+-~äß€]{6,20}", before in "(x = \"y\"[,;]? |# |\\[a\\] )?") {
            for text in [
                format!("password = \"{password}\""),
                format!("password: {password}"),
                format!("password {password}"),
                format!("http://me:{password}@cam"),
            ] {
                let text = format!("{before}{text}");
                prop_assert!(!masked(&text).contains(&password), "{}", text);
            }
        }

        /// A quote that is closed again may be a value's, so there are none.
        #[test]
        fn nor_one_of_an_address_without_its_scheme(password in "[#-&+-_a-~äß€]{6,20}", before in "(x = \"y\" |# )?") {
            let text = format!("{before}me:{password}@cam");
            prop_assert!(!masked(&text).contains(&password), "{}", text);
        }
    }
}
