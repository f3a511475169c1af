//! Escapes text for HTML. Every text on a page goes through one of these types.

use std::fmt::{self, Display, Formatter, Write};

use super::names::in_page_words;

/// Text as HTML, between tags and inside double-quoted attributes.
pub struct Text<'a>(pub &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // HTML allows no NUL, escaped or not.
                '\0' => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Text as HTML in which `` `this` `` becomes code, unless it has a name on the pages. Between tags only.
pub(super) struct MarkedText<'a>(pub &'a str);

impl Display for MarkedText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, part) in in_page_words(self.0).split('`').enumerate() {
            if i % 2 == 0 {
                write!(f, "{}", Text(part))?;
            } else {
                write!(f, "<code>{}</code>", Text(part))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            Text("<b class=\"x\">'Tom & Ann'</b>\0").to_string(),
            "&lt;b class=&quot;x&quot;&gt;&#39;Tom &amp; Ann&#39;&lt;/b&gt;\u{fffd}"
        );
    }

    #[test]
    fn back_quotes_become_code() {
        assert_eq!(MarkedText("`fuser <x>` names it").to_string(), "<code>fuser &lt;x&gt;</code> names it");
        assert_eq!(MarkedText("one ` alone").to_string(), "one <code> alone</code>");
    }

    proptest! {
        #[test]
        fn escaped_text_cannot_leave_its_place(text in any::<String>()) {
            let html = Text(&text).to_string();
            prop_assert!(!html.contains(['<', '>', '"', '\'', '\0']));
            let words = MarkedText(&text).to_string().replace("<code>", "").replace("</code>", "");
            prop_assert!(!words.contains(['<', '>', '"', '\'', '\0']));
        }
    }
}
