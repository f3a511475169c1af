//! Versions of lines, zones and items as entity tags: who changes something may say which version of it was
//! looked at (RFC 9110 §13.1.1). Pure.

use hyper::HeaderMap;
use hyper::header::{HeaderValue, IF_MATCH};

/// The entity tag of `version`: `"7"`.
pub fn of(version: u64) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}\"")).ok()
}

/// What `If-Match` wants of something that has `version` now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing, or only that it is there.
    Any,
    /// The version that it has.
    This,
    /// Another one: it has been changed meanwhile.
    Other,
}

/// Reads `If-Match`. A weak tag is never the version that is meant (RFC 9110 §13.1.1): it says that something is about
/// the same, and what is changed must be exactly what was looked at.
pub fn wish(headers: &HeaderMap, version: u64) -> Wish {
    let mut wish = Wish::Any;
    for tag in headers.get_all(IF_MATCH).iter().flat_map(|value| value.as_bytes().split(|b| *b == b',')) {
        let tag = tag.trim_ascii();
        if tag == b"*" {
            return Wish::Any;
        }
        if tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""))
            == Some(version.to_string().as_bytes())
        {
            return Wish::This;
        }
        wish = Wish::Other;
    }
    wish
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        for (lines, want) in [
            (&[][..], Wish::Any),
            (&["*"], Wish::Any),
            (&["\"7\""], Wish::This),
            (&["W/\"7\""], Wish::Other),
            (&["W/\"7\"", "\"7\""], Wish::This),
            (&["\"6\", \"7\""], Wish::This),
            (&["\"6\"", "\"7\""], Wish::This),
            (&["\"6\""], Wish::Other),
            (&["\"77\""], Wish::Other),
            (&["7"], Wish::Other),
            (&[""], Wish::Other),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_MATCH, HeaderValue::from_static(line));
            }
            assert_eq!(wish(&headers, 7), want, "{lines:?}");
        }
    }
}
