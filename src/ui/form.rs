//! A form, which is a request to the API: its method, its address, and the page to go on with.

use super::escape::Text;
use super::facts::Reader;

/// The beginning of a form that asks `method` of `address` and leads to `next`, where `{id}` stands for the number of
/// what was made. `more` are its own attributes, with a blank before each.
pub(super) fn form_to(method: &str, address: &str, next: &str, more: &str) -> String {
    format!("<form method=\"post\" action=\"{}\"{more}>{}", Text(address), hidden(method, next))
}

/// What a form sends beside what is typed.
pub(super) fn hidden(method: &str, next: &str) -> String {
    let method = if method == "post" { String::new() } else { field("_method", method) };
    method + &field("next", next)
}

/// A field that is sent and not shown.
pub(super) fn field(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", Text(value))
}

/// What stands around the fields of a form that takes a reader who is `least`: for whoever is less they are off, and
/// the style sheet hides the buttons.
pub(super) fn lock(reader: Reader, least: Reader) -> [&'static str; 2] {
    if reader < least { ["<fieldset class=\"locked\" disabled>", "</fieldset>"] } else { ["", ""] }
}

/// What is said on a page whose forms take a reader who is `least`; nothing to whoever is. `address` signs in and
/// leads back.
pub(super) fn locked_banner(reader: Reader, least: Reader, address: &str) -> String {
    if reader >= least {
        return String::new();
    }
    let role = if least == Reader::Admin { "admin" } else { "operator" };
    let link = sign_in_link(address);
    format!("<div class=\"banner\" id=\"locked\"><p>Changes on this page need an {role}. {link}</p></div>\n")
}

/// A link to where something is changed; whoever is less than `least` signs in first.
pub(super) fn change_link(reader: Reader, least: Reader, class: &str, address: &str, words: &str) -> String {
    if reader < least {
        return sign_in_link(&format!("sign-in?next={}", address.split('#').next().unwrap_or_default()));
    }
    format!("<a class=\"{class}\" href=\"{address}\">{words}</a>")
}

/// The link that signs in, at `address`.
fn sign_in_link(address: &str) -> String {
    format!("<a class=\"btn\" href=\"{}\">Sign in to change</a>", Text(address))
}
