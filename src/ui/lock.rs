//! Forms that the reader may not send: their fields are shown and off, their buttons are gone, and the page says who may
//! change it. Done to the finished page, so that none can forget it. Pure.

use super::form::sign_in_link;

/// `page` with the forms locked that need a role which the reader does not have. `role_for` names that role for the address
/// of a form as it is written in the page; `sign_in` is the address that signs in and leads back.
/// `None`: nothing is locked.
///
/// A page whose `main` has `data-locked` has its own words for it.
pub fn lock_forms<'r>(
    page: &str,
    sign_in: &str,
    role_for: impl Fn(&str) -> Option<&'r str>,
) -> Option<String> {
    let role_of_form = |tag: &str| {
        let is_sent = attribute(tag, "method") == Some("post");
        attribute(tag, "action").filter(|_| is_sent).and_then(&role_for)
    };
    // A control may stand before the form it belongs to.
    let mut ids = Vec::new();
    let mut least = None;
    for (_, tag) in tags(page).filter(|(_, tag)| tag.starts_with("<form ")) {
        let Some(role) = role_of_form(tag) else { continue };
        least.get_or_insert(role);
        ids.extend(attribute(tag, "id"));
    }
    let (mut out, mut done) = (String::with_capacity(page.len() + 512), 0);
    let mut is_in_locked = false;
    for (at, tag) in tags(page) {
        if at < done {
            continue;
        }
        let end = at + tag.len();
        let before = &page[done..at];
        let mut put = |before: &str, parts: &[&str], upto: usize| {
            out.push_str(before);
            out.extend(parts.iter().copied());
            done = upto;
        };
        if tag.starts_with("<form ") && role_of_form(tag).is_some() {
            let inner = page[end..].split("</form>").next().unwrap_or_default();
            let hidden = if has_fields(inner) { "" } else { " hidden" };
            put(before, &[tag, "<fieldset class=\"locked\" disabled", hidden, ">"], end);
            is_in_locked = true;
        } else if tag == "</form>" && is_in_locked {
            put(before, &["</fieldset>", tag], end);
            is_in_locked = false;
        } else if tag.starts_with("<main ") && !tag.contains(" data-locked") {
            if let Some(role) = least {
                let words = format!(
                    "<div class=\"banner\" id=\"locked\"><p>Changes on this page need an {role}. {}</p></div>\n",
                    sign_in_link(sign_in)
                );
                put(before, &[&words, tag], end);
            }
        } else if !ids.is_empty() && attribute(tag, "form").is_some_and(|form| ids.contains(&form)) {
            put(before, &[&tag[..tag.len() - 1], " disabled hidden>"], end);
        }
    }
    if done == 0 {
        return None;
    }
    out.push_str(&page[done..]);
    Some(out)
}

/// The tags of a page, each with its place. Texts and values of attributes have no angle brackets ([`Text`]).
fn tags(page: &str) -> impl Iterator<Item = (usize, &str)> {
    page.match_indices('<').filter_map(|(at, _)| Some((at, &page[at..=at + page[at..].find('>')?])))
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

/// Whether there is something to be read or typed in the form.
fn has_fields(inner: &str) -> bool {
    tags(inner).any(|(_, tag)| {
        let is_input = tag.starts_with("<input ") && attribute(tag, "type") != Some("hidden");
        is_input || tag.starts_with("<select") || tag.starts_with("<textarea")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PAGE: &str = "<button form=\"f\">Save</button><main class=\"x\"><form method=\"post\" action=\"lines\" id=\"f\"><input name=\"a\"><button>b</button></form>\
        <form method=\"post\" action=\"models?do=use\"><input type=\"hidden\" name=\"n\"><button>Use</button></form>\
        <form method=\"get\" action=\"lines\"><input></form><form method=\"post\" action=\"sign-out\"><button>Out</button></form>\
        </main>";

    fn role_for(action: &str) -> Option<&'static str> {
        ["lines", "models"].iter().any(|page| action.starts_with(page)).then_some("operator")
    }

    #[test]
    fn forms_that_the_reader_may_not_send_are_off_and_the_page_says_who_may() {
        let html = lock_forms(PAGE, "sign-in?next=lines", role_for).unwrap();
        for words in [
            "<button form=\"f\" disabled hidden>Save</button>",
            "<div class=\"banner\" id=\"locked\"><p>Changes \
             on this page need an operator. <a class=\"btn\" href=\"sign-in?next=lines\">Sign in to change</a></p></div>\n<main ",
            "id=\"f\"><fieldset class=\"locked\" disabled><input name=\"a\"><button>b</button></fieldset></form>",
            "<fieldset class=\"locked\" disabled hidden><input type=\"hidden\" name=\"n\">",
            "<form method=\"get\" action=\"lines\"><input></form><form method=\"post\" action=\"sign-out\"><button>Out",
        ] {
            assert!(html.contains(words), "no {words} in {html}");
        }
    }

    #[test]
    fn a_page_without_such_forms_stays_as_it_is() {
        assert_eq!(lock_forms(PAGE, "sign-in", |_| None), None);
    }

    #[test]
    fn a_page_with_its_own_words_gets_no_others() {
        let page = PAGE.replace("<main ", "<main data-locked ");
        let html = lock_forms(&page, "sign-in", role_for).unwrap();
        assert!(!html.contains("id=\"locked\""), "{html}");
    }
}
