//! The text of an e-mail (RFC 5322, MIME). Pure. All that comes from outside is in base64, so no name makes a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::{Timestamp, fmt::rfc2822};

/// Characters of a subject.
const SUBJECT: usize = 120;

/// Bytes of an encoded word before its encoding: one has 75 characters at most (RFC 2047).
const WORD: usize = 45;

/// Bytes of a line of base64 before its encoding.
const LINE: usize = 57;

/// Separates the parts. It has a character that base64 has not.
const BOUNDARY: &str = "=_tallycam";

/// A letter. The addresses are those of the configuration: plain letters.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The same for the same event, however often it is sent.
    pub id: String,
    pub from: String,
    pub from_name: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    /// A JPEG, attached.
    pub picture: Option<Bytes>,
}

impl Letter {
    /// The letter as it is sent at `at` by the machine `host`.
    pub fn formatted(&self, host: &str, at: Timestamp) -> String {
        let id: String =
            self.id.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        let mut letter = format!(
            "From: {} <{}>\r\nTo: <{}>\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{id}@{host}>\r\n\
             MIME-Version: 1.0\r\n",
            words(&self.from_name),
            self.from,
            self.to,
            words(&self.subject),
            rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default(),
        );
        let text = part("text/plain; charset=utf-8", "", self.text.replace('\n', "\r\n").as_bytes());
        match &self.picture {
            None => letter.push_str(&text),
            Some(picture) => {
                let shown = "Content-Disposition: attachment; filename=\"crossing.jpg\"\r\n";
                letter.push_str(&format!(
                    "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\r\n\r\n--{BOUNDARY}\r\n{text}\r\n\
                     --{BOUNDARY}\r\n{}\r\n--{BOUNDARY}--\r\n",
                    part("image/jpeg", shown, picture)
                ));
            }
        }
        letter
    }
}

/// Headers and body of a part.
fn part(kind: &str, more: &str, bytes: &[u8]) -> String {
    let mut part = format!("Content-Type: {kind}\r\n{more}Content-Transfer-Encoding: base64\r\n\r\n");
    for line in bytes.chunks(LINE) {
        part.push_str(&STANDARD.encode(line));
        part.push_str("\r\n");
    }
    part
}

/// A text as encoded words, each on a line of its own; shortened.
fn words(text: &str) -> String {
    let mut words = vec![String::new()];
    for c in text.chars().filter(|c| !c.is_control()).take(SUBJECT) {
        if words.last().is_none_or(|word| word.len() + c.len_utf8() > WORD) {
            words.push(String::new());
        }
        words.last_mut().into_iter().for_each(|word| word.push(c));
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn letter(name: &str, picture: Option<Bytes>) -> String {
        let letter = Letter {
            id: format!("L-7{name}"),
            from: String::from("cam@example.org"),
            from_name: name.to_owned(),
            to: String::from("boss@example.org"),
            subject: format!("{name}: person in at {}", "ä".repeat(100)),
            text: format!("{name}: person in\n\nhttp://gate.local/counts\n"),
            picture,
        };
        letter.formatted("gate", Timestamp::from_second(1_795_000_000).unwrap())
    }

    #[test]
    fn a_name_with_line_breaks_makes_no_header() {
        let letter = letter("x\r\nBcc: victim@example.org\r\n\r\nbody\n", None);
        let head = letter.split("\r\n\r\n").next().unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        let wanted = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"];
        assert_eq!(names[..7], wanted);
        assert_eq!(names[7..], ["Content-Transfer-Encoding"]);
        assert!(head.contains("Date: Wed, 18 Nov 2026 "), "{head}");
    }

    #[test]
    fn a_letter_is_ascii_in_short_lines_and_its_parts_come_back() {
        for picture in [None, Some(Bytes::from(vec![0xff; 1000]))] {
            let letter = letter("Tür", picture.clone());
            assert!(letter.is_ascii() && letter.split("\r\n").all(|line| line.len() <= 100), "{letter}");
            assert!(!letter.replace("\r\n", "").contains(['\r', '\n']), "{letter}");
            let body = |kind: &str| {
                let part = letter.split_once(kind)?.1.split_once("\r\n\r\n")?.1;
                let part = part.split(BOUNDARY).next()?.trim_end_matches('-');
                STANDARD.decode(part.split_whitespace().collect::<String>()).ok()
            };
            assert_eq!(
                body("text/plain").unwrap(),
                "Tür: person in\r\n\r\nhttp://gate.local/counts\r\n".as_bytes()
            );
            assert_eq!(body("image/jpeg"), picture.map(|picture| picture.to_vec()));
        }
    }
}
