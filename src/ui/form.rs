//! Forms, each a request to the API: its method, its address, and the next page.

use super::escape::Text;
use super::facts::Reader;

/// The start tag of a form that sends `method` to `address` and leads to `next`, in which `{id}` stands for the
/// number of a new object. `more` are further attributes, each with a leading blank.
pub(super) fn form_to(method: &str, address: &str, next: &str, more: &str) -> String {
    format!("<form method=\"post\" action=\"{}\"{more}>{}", Text(address), hidden(method, next))
}

/// The hidden fields of a form.
pub(super) fn hidden(method: &str, next: &str) -> String {
    let method = if method == "post" { String::new() } else { field("_method", method) };
    method + &field("next", next)
}

/// A hidden field.
pub(super) fn field(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", Text(value))
}

/// The tags around the fields of a form for readers from `least` on. Others get a disabled form, and the style sheet
/// hides its buttons.
pub(super) fn lock(reader: Reader, least: Reader) -> [&'static str; 2] {
    if reader < least { ["<fieldset class=\"locked\" disabled>", "</fieldset>"] } else { ["", ""] }
}

/// A banner for readers below `least`, whose forms on the page are disabled. `address` signs in and leads back.
pub(super) fn locked_banner(reader: Reader, least: Reader, address: &str) -> String {
    if reader >= least {
        return String::new();
    }
    let role = if least == Reader::Admin { "admin" } else { "operator" };
    let who = match reader {
        Reader::Visitor => "",
        Reader::Viewer => "You are signed in as a viewer. ",
        Reader::Operator | Reader::Admin => "You are signed in as an operator. ",
    };
    let link = sign_in_link(reader, address);
    format!(
        "<div class=\"banner\" id=\"locked\"><p>{who}Changes on this page need an {role}. {link}</p></div>\n"
    )
}

/// A link to the page that changes something. Readers below `least` sign in first.
pub(super) fn change_link(reader: Reader, least: Reader, class: &str, address: &str, words: &str) -> String {
    if reader < least {
        return sign_in_link(
            reader,
            &format!("sign-in?next={}", address.split('#').next().unwrap_or_default()),
        );
    }
    format!("<a class=\"{class}\" href=\"{address}\">{words}</a>")
}

/// A link to the sign-in page. A reader who has signed in needs another user for it.
pub(super) fn sign_in_link(reader: Reader, address: &str) -> String {
    format!("<a class=\"btn\" href=\"{}\">{}</a>", Text(address), sign_in_words(reader))
}

/// The words of such a link.
pub(super) fn sign_in_words(reader: Reader) -> &'static str {
    if reader == Reader::Visitor { "Sign in to change" } else { "Sign in as another user" }
}
