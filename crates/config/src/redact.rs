//! Redaction of typed lines, correct or not. Pure.
//!
//! When in doubt, redact. A line shows its key, and its value only if neither hints at a secret, an address or a
//! command.

use tallycam_base::unicode::{is_blank, is_unseen_control};

/// Parts of the names of secrets, also misspelt.
const SECRET_WORDS: [&str; 9] =
    ["pass", "pasw", "pwd", "psk", "secret", "token", "credential", "authorization", "key"];

/// True if a key called `name`, even misspelt, may hold a secret.
pub fn may_be_secret(name: &str) -> bool {
    let is_seen = |c: &char| !is_unseen_control(*c) && !is_blank(*c) && *c != '\\';
    let name: String = name.chars().filter(is_seen).flat_map(char::to_lowercase).collect();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// True if `value`, of any key, may be or contain a secret.
pub(super) fn may_hold_secret(value: &str) -> bool {
    // An address with more than a host, or with a user.
    let mut addresses = value.split("://").skip(1);
    value.contains('@')
        || may_be_secret(value)
        || addresses.any(|rest| rest.trim_end_matches('/').contains(['/', '?']))
}

/// `line` with stars over its possible secrets, character by character.
pub(super) fn masked(line: &str) -> String {
    let is_space = |c: char| c.is_whitespace() || is_blank(c);
    let is_sign = |c: char| matches!(c, '=' | ':' | '＝' | '：');
    let begin = line.len() - line.trim_start_matches(is_space).len();
    let end = line[begin..].find(|c| is_space(c) || is_sign(c)).map_or(line.len(), |at| begin + at);
    let (name, rest) = line.split_at(end);
    let value = rest.trim_start_matches(|c| is_space(c) || is_sign(c));
    let name = name.trim_matches(|c| is_space(c) || matches!(c, '"' | '\'')).to_lowercase();
    let is_of_addresses = ["url", "command"].iter().any(|key| name.ends_with(key));
    let shown = match () {
        // The text before the value may be a user name.
        () if name.contains('@')
            || value.contains('@') && !rest.trim_start_matches(is_space).starts_with('=') =>
        {
            0
        }
        () if may_be_secret(&name) || is_of_addresses || may_hold_secret(value) => line.len() - value.len(),
        () => line.len(),
    };
    let star = |(at, c): (usize, char)| if at < shown || is_space(c) || c == '"' { c } else { '*' };
    line.char_indices().map(star).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_are_redacted() {
        for (text, want) in [
            ("password = \"abc\" # x", "password = \"***\" * *"),
            ("source.password=a b", "source.password=* *"),
            ("TALLYCAM_SOURCE_PASSWORD=q", "TALLYCAM_SOURCE_PASSWORD=*"),
            ("pasword \"a b\"", "pasword \"* *\""),
            ("url = \"http://me:pw@cam/x\"", "url = \"******************\""),
            ("source.url=http://cam/x y", "source.url=************ *"),
            ("command = [\"curl\", \"-u\", \"x\"]", "command = *\"****\"* \"**\"* \"*\"*"),
            ("device = \"http://cam/s3cret\"", "device = \"*****************\""),
            ("me:pw@cam/x", "***********"),
            ("x = { token: 1 }", "x = * ****** * *"),
            ("source = { password: \"hunter2\" }", "source = * ********* \"*******\" *"),
            ("qualty = 80 # percent", "qualty = 80 # percent"),
            ("quality 80", "quality 80"),
            ("[controls.\"usb-046d\"]", "[controls.\"usb-046d\"]"),
            ("listen = [\"http://0.0.0.0:80\"]", "listen = [\"http://0.0.0.0:80\"]"),
        ] {
            assert_eq!(masked(text), want);
        }
    }

    #[test]
    fn names_of_secrets() {
        for secret in ["source.password", "PASSWD", "user_key", "p\u{200b}wd", "apiToken", "pass word", "psk"]
        {
            assert!(may_be_secret(secret), "{secret}");
        }
        assert!(!may_be_secret("brightness"));
    }

    proptest! {
        #[test]
        fn every_character_stays_one(text in any::<String>(), typed in "(pass|key|http://|a:b| \
            |\"|'|@|=|:|\\\\|,|x|\u{a0}){0,30}") {
            for text in [text, typed] {
                prop_assert_eq!(masked(&text).chars().count(), text.chars().count());
            }
        }

        #[test]
        fn no_password_is_shown(password in "[!-)+-~äß€]{6,20}", before in "(# |  )?") {
            for text in [
                format!("password = \"{password}\""),
                format!("password: {password}"),
                format!("password {password}"),
                format!("url = http://me:{password}@cam"),
                format!("device = \"me:{password}@cam\""),
                format!("me:{password}@cam"),
            ] {
                let text = format!("{before}{text}");
                prop_assert!(!masked(&text).contains(&password), "{}", text);
            }
        }
    }
}
