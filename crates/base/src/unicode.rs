//! Invisible characters, and names in sentences and addresses. Pure.

/// True for characters that are invisible alone: white space, joiners and variation selectors.
pub fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{200c}' | '\u{200d}' | '\u{2800}' | '\u{fe00}'..='\u{fe0f}')
}

/// True for control characters and for invisible characters that change the text around them or add nothing.
///
/// With one of them a name that reads `photo.gpj` could end in `.exe`, contain a line break, or look like another
/// name. Joiners (U+200C, U+200D) are allowed: scripts and emoji need them.
pub fn is_unseen_control(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
                | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// A name in quotation marks, for sentences: `“Door”`.
pub fn quoted(name: &str) -> String {
    format!("“{}”", name.replace('`', "'"))
}

/// `text` as a value in an address: all characters except letters, digits and `-._~` are escaped (RFC 3986 §2.3).
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte.into()),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Undoes percent-encoding. Invalid escapes stay as they are; bytes that are not UTF-8 become U+FFFD.
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let digit = |at: usize| after.get(at).and_then(|&b| char::from(b).to_digit(16));
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Bytes as two lower-case hexadecimal digits each.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_addresses_are_escaped() {
        assert_eq!(percent_encoded("a b&c=ü/..~"), "a%20b%26c%3D%C3%BC%2F..~");
        assert_eq!(percent_decoded("a%20b%26c%3d%C3%BC%2F..~+%4%zz"), "a b&c=ü/..~+%4%zz");
    }

    #[test]
    fn invisible_characters_are_recognised() {
        assert!("\u{202e}\u{200b}\u{2066}\u{feff}\n\t\u{7f}\u{ad}".chars().all(is_unseen_control));
        assert!(
            "Türe ドア \u{1f468}\u{200d}\u{1f469}\u{fe0f}".chars().all(|letter| !is_unseen_control(letter))
        );
        assert!(" \u{2800}\u{a0}\u{200d}\u{fe0f}\u{2003}".chars().all(is_blank));
        assert!("a.-日".chars().all(|letter| !is_blank(letter)));
    }
}
