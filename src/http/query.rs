//! Query strings, read leniently: old clients append whatever defeats a cache (`&123456`, `&_=…`),
//! and a picture is never refused because of it. Pure.

/// The keys and values of a query string, decoded, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `application/x-www-form-urlencoded` text. Nothing is an error: a key without `=` has
    /// an empty value, a `%` that begins no escape stands for itself, bytes that are no UTF-8
    /// become U+FFFD.
    pub fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Query(pairs.collect())
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The first value of `key`, if it is a finite number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.trim().parse().ok().filter(|n: &f64| n.is_finite())
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(hex_byte);
        match (byte, escape) {
            (_, Some(value)) => {
                out.push(value);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let [high, low] = *digits else { return None };
    u8::try_from(value(high)? * 16 + value(low)?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cache_busters_do_no_harm() {
        let q = Query::parse("action=stream&123456&_=1700000000&&=");
        assert_eq!(q.get("action"), Some("stream"));
        assert_eq!(q.get("123456"), Some(""));
        assert_eq!(q.get("fps"), None);
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_stand_for_themselves() {
        for (text, want) in [
            ("a%20b+c", "a b c"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%4", "%4"),
            ("%C3%BC", "ü"),
            ("%ff", "\u{fffd}"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(Query::parse(&format!("k={text}")).get("k"), Some(want), "{text}");
        }
    }

    #[test]
    fn only_finite_numbers_are_numbers() {
        let q = Query::parse("a=2.5&b=nan&c=inf&d=&e=x&f=%31");
        assert_eq!(q.number("a"), Some(2.5));
        assert_eq!(q.number("f"), Some(1.0));
        for key in ["b", "c", "d", "e", "none"] {
            assert_eq!(q.number(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}") {
            let _ = Query::parse(&text).number("fps");
        }
    }
}
