//! Versions of lines, zones and items as entity tags: a change may name the version that its author has seen (RFC
//! 9110 §13.1.1). Pure.

use hyper::HeaderMap;
use hyper::header::{HeaderValue, IF_MATCH};

/// The entity tag of `version`: `"7"`.
pub fn of(version: u64) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{version}\"")).ok()
}

/// The demand of `If-Match` on a resource with a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// None, or only that the resource exists.
    Any,
    /// The current version.
    This,
    /// Another version: the resource has changed meanwhile.
    Other,
}

/// Reads `If-Match`. A weak tag never matches (RFC 9110 §13.1.1): it allows slight differences, and a change must
/// refer to exactly the version that was seen.
pub fn if_match(headers: &HeaderMap, version: u64) -> IfMatch {
    let mut wanted = IfMatch::Any;
    for tag in headers.get_all(IF_MATCH).iter().flat_map(|value| value.as_bytes().split(|b| *b == b',')) {
        let tag = tag.trim_ascii();
        if tag == b"*" {
            return IfMatch::Any;
        }
        if tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""))
            == Some(version.to_string().as_bytes())
        {
            return IfMatch::This;
        }
        wanted = IfMatch::Other;
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        for (lines, want) in [
            (&[][..], IfMatch::Any),
            (&["*"], IfMatch::Any),
            (&["\"7\""], IfMatch::This),
            (&["W/\"7\""], IfMatch::Other),
            (&["W/\"7\"", "\"7\""], IfMatch::This),
            (&["\"6\", \"7\""], IfMatch::This),
            (&["\"6\"", "\"7\""], IfMatch::This),
            (&["\"6\""], IfMatch::Other),
            (&["\"77\""], IfMatch::Other),
            (&["7"], IfMatch::Other),
            (&[""], IfMatch::Other),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_MATCH, HeaderValue::from_static(line));
            }
            assert_eq!(if_match(&headers, 7), want, "{lines:?}");
        }
    }
}
