//! The page that signs in and out.

use crate::access::Role;
use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason};
use crate::ui::form::field;
use crate::ui::frame::{PageFrame, Tab, marked, refusal_html};
use crate::ui::machine::access::{DONE, change_password_form};
use crate::ui::machine::people::in_words;

/// Data of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct SignInPage {
    pub head: Head,
    /// The page to go to afterwards, relative to this one; `./` is the live page.
    pub next: String,
    pub has_password: bool,
    /// Anyone may watch without a password.
    pub is_view_open: bool,
    /// The first browser on the network has chosen the first password.
    pub is_claimed_by_network: bool,
    /// Name and role of the signed-in reader.
    pub signed_in: Option<(String, &'static str)>,
    /// A password was just set.
    pub is_done: bool,
    /// The role that the refused action needs.
    pub needed: Option<&'static str>,
    /// The SHA-256 fingerprint of the certificate, with HTTPS.
    pub fingerprint: Option<String>,
    /// The typed name.
    pub name: String,
    /// The form to send on after signing in, as one text; may be empty.
    pub kept: String,
    /// The refusal of the last request.
    pub refused: Option<RefusalReason>,
}

/// The page as HTML, at `sign-in`.
///
/// It posts `password` and `next`, or `current`, `password` and `again`, to `sign-in`, which redirects (303) or shows
/// the page again. It posts an empty form to `sign-out`, which leads back here.
pub fn sign_in_page(page: &SignInPage) -> String {
    let (title, lead, panel) = match &page.signed_in {
        Some((name, role)) => {
            let other = page.needed.map(|_| sign_in_form(page)).unwrap_or_default();
            let lead = match page.needed {
                Some(needed) => format!("Signed in as {name} ({role}). This needs {}.", a_role(needed)),
                None => {
                    format!("Signed in as {name}. {}.", in_words(Role::parse(role).unwrap_or(Role::Guest)))
                }
            };
            let own = if *role == "admin" {
                String::from(ACCESS)
            } else {
                change_password_form("sign-in?done=password", page.refused.as_ref())
            };
            let title = if page.needed.is_some() { "Not allowed" } else { "Account" };
            (title, lead, format!("{other}{SIGNED_IN}{own}"))
        }
        None if !page.has_password => {
            let lead = "This camera has no password: there is nothing to sign in to.";
            ("Sign in", String::from(lead), String::from(ACCESS))
        }
        None if page.is_view_open => {
            let lead = "Watching needs no password. Recordings and changes do.";
            ("Sign in", String::from(lead), sign_in_form(page))
        }
        None => ("Sign in", String::from("This camera is watched with a password only."), sign_in_form(page)),
    };
    let needed = page.needed.filter(|_| page.signed_in.is_none()).map(|role| {
        format!("<div class=\"banner\" role=\"status\"><p>This needs {}.</p></div>", a_role(role))
    });
    let main = format!(
        include_str!("sign_in.html"),
        title = title,
        lead = Text(&lead),
        needed = if page.is_done { DONE.to_owned() } else { needed.unwrap_or_default() },
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        panel = panel,
        certificate = page.fingerprint.as_deref().map(certificate).unwrap_or_default(),
    );
    PageFrame::new(&page.head, Tab::SignIn, title, &["page.js", "head.js"]).render(&main)
}

/// "a viewer", "an operator".
fn a_role(role: &str) -> String {
    format!("{} {role}", if role == "viewer" { "a" } else { "an" })
}

/// Actions of a signed-in reader.
const SIGNED_IN: &str = "<section class=\"panel\"><form class=\"row\" method=\"post\" action=\"sign-out\">\
    <button class=\"btn main\">Sign out</button> <a class=\"btn\" href=\"./\">Go to Live</a></form></section>\n";

/// Admins change their password on the page Access.
const ACCESS: &str =
    "<section class=\"panel\"><p><a href=\"access\">Passwords, users, tokens and viewing</a></p></section>\n";

/// The fingerprint by which a self-signed certificate can be recognised.
fn certificate(fingerprint: &str) -> String {
    format!(
        "<p class=\"small muted\">This camera's certificate for HTTPS has the SHA-256 fingerprint \
         <code>{}</code>. The journal has it, too: if a browser warns, compare it with the browser's.</p>\n",
        Text(fingerprint)
    )
}

fn sign_in_form(page: &SignInPage) -> String {
    let first = if page.is_claimed_by_network {
        "The first password was chosen when the camera was set up."
    } else {
        "The first password is on a screen at the camera, and in the log of its machine."
    };
    let (wrong, said) = marked(page.refused.as_ref(), "password");
    let wrong = if wrong.is_empty() { " autofocus" } else { wrong };
    format!(
        "<section class=\"panel\"><form method=\"post\" action=\"sign-in\">\
         {next}{kept}\
         <label class=\"field\"><span>User name, if you have one</span>\
         <input name=\"name\" autocomplete=\"username\" autocapitalize=\"none\" maxlength=\"40\" \
         value=\"{name}\"></label>\
         <label class=\"field\"><span>Password</span>\
         <input type=\"password\" name=\"password\" autocomplete=\"current-password\" required{wrong}>{said}</label>\
         <p class=\"row field\"><button class=\"btn main\">Sign in</button></p></form>\
         <details><summary>Password lost?</summary><p class=\"small muted\">{first} On that machine, <code>tallycam \
         password random</code> makes another one.</p></details></section>\n",
        next = field("next", &page.next),
        kept = if page.kept.is_empty() { String::new() } else { field("kept", &page.kept) },
        name = Text(&page.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn the_page_offers_the_possible_actions() {
        let page = fixtures::sign_in();
        let html = sign_in_page(&page);
        assert!(html.contains("in the log of its machine"));
        let wrong = RefusalReason {
            detail: "it is another".into(),
            field: "password".into(),
            ..RefusalReason::default()
        };
        let again = SignInPage { name: "ann".into(), refused: Some(wrong), ..page.clone() };
        let again = sign_in_page(&again);
        assert!(
            again.contains("value=\"ann\"")
                && again.contains("<span class=\"err\" id=\"wrong\">It is another.")
        );
        let card = sign_in_page(&SignInPage { is_claimed_by_network: true, ..page.clone() });
        assert!(card.contains("was chosen when") && !card.contains("in the log"));
        assert!(html.contains("name=\"next\" value=\"lines?line=2\""), "{html}");
        assert!(html.contains("action=\"sign-in\"") && !html.contains("action=\"sign-out\""));
        let html =
            sign_in_page(&SignInPage { signed_in: Some((String::from("ann"), "operator")), ..page.clone() });
        assert!(!html.contains(">Sign in</button>") && html.contains("action=\"sign-out\""));
        assert!(
            html.contains("value=\"sign-in?done=password\"")
                && html.contains("Signed in as ann. Operator: also records")
        );
        let other = SignInPage {
            signed_in: Some((String::from("ann"), "viewer")),
            needed: Some("admin"),
            ..page.clone()
        };
        let html = sign_in_page(&other);
        assert!(
            html.contains("Signed in as ann (viewer). This needs an admin.")
                && html.contains(">Sign in</button>")
        );
        let html = sign_in_page(&SignInPage { has_password: false, ..page });
        assert!(!html.contains("<form"));
    }
}
