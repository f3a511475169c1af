//! The page Access: who may watch the camera and who may change it. Without a password of one's own it asks for one,
//! and for who may watch.

use crate::ui::escape::Text;
use crate::ui::facts::{Head, RefusalReason};
use crate::ui::form::{field, form_to};
use crate::ui::frame::{PageFrame, Tab, marked, refusal_html};
use crate::ui::machine::people::{People, people_sections};

/// Data of the page Access.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessPage {
    pub head: Head,
    pub has_password: bool,
    /// The password is the generated one.
    pub is_first: bool,
    /// The reader is on the camera's own network and may set the first password.
    pub is_here: bool,
    /// A password was just set.
    pub is_done: bool,
    /// Anyone may watch without a password.
    pub is_view_open: bool,
    /// The place in the operator's file that pins who may watch.
    pub pinned: Option<String>,
    /// The refusal of the last request, but for the forms of `people`, whose parts say theirs.
    pub refused: Option<RefusalReason>,
    pub people: People,
}

/// The link to the list of sign-ins, refusals and changes.
const ACTIVITY: &str = "<section class=\"panel\" aria-labelledby=\"activity-head\"><h2 \
    id=\"activity-head\">Activity</h2><p>Sign-ins, refusals and changes.</p><p class=\"row\"><a class=\"btn\" \
    href=\"activity\">Show the list</a></p></section>\n";

/// The page after a change of the own password.
const NEXT: &str = "access?done=password";

/// The page as HTML, at `access`. It posts `password`, `again`, `current` and `view` (`open` or `password`) to
/// `sign-in`.
pub fn access_page(page: &AccessPage) -> String {
    let notice = match (page.has_password, page.is_first) {
        _ if page.is_done => DONE,
        (true, true) => {
            "<div class=\"banner\" id=\"first\"><p><b>This password is in the log; choose your own.</b></p></div>"
        }
        _ => "",
    };
    let panels = match (page.has_password, page.is_first) {
        (false, _) if !page.is_here => String::from(ELSEWHERE),
        (false, _) => claim_form(page, "sign-in") + NO_PEOPLE,
        (true, true) => format!("{}{}{ACTIVITY}", claim_form(page, "sign-in"), people_sections(page)),
        (true, false) => {
            let own = collapsible_section(
                "own",
                "Your password",
                "",
                is_own_wrong(page),
                &own_password_form(NEXT, page.refused.as_ref()),
            );
            format!("{}{own}{}{ACTIVITY}", stream_access_section(page), people_sections(page))
        }
    };
    let main = format!(
        include_str!("access.html"),
        refused = page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        notice = notice,
        panels = panels,
    );
    PageFrame::new(&page.head, Tab::Access, "Access", &["page.js", "head.js", "access.js"]).render(&main)
}

/// True if the form of the reader's own password was refused.
fn is_own_wrong(page: &AccessPage) -> bool {
    let own = ["current", "password", "again"];
    page.refused.as_ref().is_some_and(|refused| own.contains(&refused.field.as_str()))
}

/// The page that chooses the first password, at `claim`. It posts `password`, `again` and `view` to `claim`.
pub fn claim_page(page: &AccessPage) -> String {
    let main = format!(
        "<main id=\"main\" class=\"page one\">\n  <div class=\"top\"><h1>Welcome</h1><p class=\"lead muted\">Nobody \
         has chosen a \
         password for this camera yet. Until then it shows nothing.</p></div>\n  {}{}</main>\n",
        page.refused.as_ref().map(refusal_html).unwrap_or_default(),
        claim_form(page, "claim"),
    );
    PageFrame::new(&page.head, Tab::Access, "Welcome", &["page.js", "head.js"]).render(&main)
}

/// After a change of the password.
pub(in crate::ui) const DONE: &str = "<div class=\"banner\" id=\"done\" role=\"status\"><p><b>The password is set.</b> \
    You are signed in with \
    it. Other devices have to sign in again.</p></div>";

/// For readers outside the camera's network, who cannot set the first password.
const ELSEWHERE: &str = "<section class=\"panel\"><h2>No password yet</h2><p>The first one is set in a \
    browser on the camera's own network: open this page there.</p></section>\n";

/// Below the form of the first password.
const NO_PEOPLE: &str =
    "<p class=\"muted\">Once a password is set, users, tokens and links are added here.</p>\n";

/// The two choices in words.
fn choices(page: &AccessPage, name: &str) -> String {
    let choice = |word: &str, words: &str, is_so: bool| {
        format!(
            "<label class=\"tick\"><input type=\"radio\" name=\"{name}\" value=\"{word}\" required{}{}> \
             {words}</label>",
            if is_so { " checked" } else { "" },
            if page.pinned.is_some() { " disabled" } else { "" },
        )
    };
    let pinned = page.pinned.as_ref().map(|origin| {
        format!("<p class=\"small muted\">Set in {}. It can be changed only there.</p>", Text(origin))
    });
    format!(
        "<fieldset class=\"field\"><legend>Who can watch</legend>{}{}{}</fieldset>",
        choice("open", "Anyone on this network can watch", page.is_view_open),
        choice("password", "Only with a password", !page.is_view_open),
        pinned.unwrap_or_default(),
    )
}

/// A folded part of the page; `said` is its present state.
fn collapsible_section(id: &str, head: &str, said: &str, is_open: bool, inner: &str) -> String {
    let open = if is_open { " open" } else { "" };
    format!(
        "<details class=\"panel\" id=\"{id}\"{open}><summary><h2>{head}</h2> <span class=\"small \
         muted\">{said}</span></summary>\
         {inner}</details>\n"
    )
}

fn stream_access_section(page: &AccessPage) -> String {
    let button = if page.pinned.is_none() {
        "<p class=\"row field\"><button class=\"btn\">Save</button></p>"
    } else {
        ""
    };
    let inner = format!(
        "{}{}{button}</form><p class=\"small muted\">Recordings, and every change, always need a password.</p>",
        form_to("patch", "api/v1/settings", "access", ""),
        choices(page, "access.view")
    );
    let said = if page.is_view_open { "Anyone on this network" } else { "Only with a password" };
    collapsible_section(
        "watching",
        "Who can watch",
        said,
        page.refused.is_some() && !is_own_wrong(page),
        &inner,
    )
}

/// The form for the own password, which leads to `next`.
pub(in crate::ui) fn change_password_form(next: &str, refused: Option<&RefusalReason>) -> String {
    format!(
        "<section class=\"panel\" id=\"own\" aria-labelledby=\"own-head\"><h2 id=\"own-head\">Your \
         password</h2>{}</section>\n",
        own_password_form(next, refused)
    )
}

fn own_password_form(next: &str, refused: Option<&RefusalReason>) -> String {
    format!(
        "<form method=\"post\" action=\"sign-in\">{}{}<p class=\"row field\"><button class=\"btn\">Change \
         password</button></p></form>\
         <p class=\"small muted\">Other devices have to sign in again.</p>",
        field("next", next),
        fields(true, refused)
    )
}

fn claim_form(page: &AccessPage, action: &str) -> String {
    format!(
        "<section class=\"panel\" id=\"claim\" aria-labelledby=\"claim-head\"><h2 id=\"claim-head\">Choose a password \
         for this camera</h2>\
         <p class=\"muted\">Needed to change anything.</p>\
         <form method=\"post\" action=\"{action}\">{}{}{}<p class=\"row field\"><button class=\"btn main\">Set \
         password</button></p></form></section>\n",
        field("next", NEXT),
        fields(page.has_password, page.refused.as_ref()),
        choices(page, "view")
    )
}

/// The fields of a new password.
fn fields(has_password: bool, refused: Option<&RefusalReason>) -> String {
    let all = [
        ("current", "Current password", "current-password\""),
        ("password", "New password, at least 8 characters", "new-password\" minlength=\"8\""),
        ("again", "Repeat password", "new-password\" minlength=\"8\""),
    ];
    let one = |&(name, label, rules): &(&str, &str, &str)| {
        let (wrong, said) = marked(refused, name);
        format!(
            "<label class=\"field\"><span>{label}</span><input type=\"password\" name=\"{name}\" \
             autocomplete=\"{rules} \
             required{wrong}>{said}</label>"
        )
    };
    all.iter().skip(usize::from(!has_password)).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn the_first_password_is_asked_for_together_with_who_may_watch() {
        let page = AccessPage { has_password: false, ..fixtures::access() };
        let html = access_page(&page);
        assert!(html.contains("Anyone on this network can watch") && html.contains("Only with a password"));
        assert!(!html.contains("name=\"current\"") && !html.contains("id=\"tokens\""));
        let html = access_page(&AccessPage { is_here: false, ..page });
        assert!(!html.contains("<form") && html.contains("own network: open this page"));
    }

    #[test]
    fn the_claim_page_asks_for_a_password() {
        let html = claim_page(&AccessPage {
            has_password: false,
            is_here: false,
            is_view_open: false,
            ..fixtures::access()
        });
        assert!(html.contains("action=\"claim\"") && html.contains("Only with a password"), "{html}");
        assert!(!html.contains("name=\"current\""));
    }

    #[test]
    fn a_wrong_password_is_reported_at_its_field_only() {
        let refused = RefusalReason {
            detail: "it is another".into(),
            field: "current".into(),
            ..RefusalReason::default()
        };
        let html = access_page(&AccessPage { refused: Some(refused), ..fixtures::access() });
        assert!(html.contains("autofocus><span class=\"err\" id=\"wrong\">It is another.</span>"), "{html}");
        assert!(html.contains("id=\"own\" open>") && html.contains("id=\"watching\">"), "{html}");
    }

    #[test]
    fn a_pinned_choice_cannot_be_changed() {
        let page = AccessPage { pinned: Some(String::from("config.toml:3")), ..fixtures::access() };
        assert!(access_page(&page).contains("Set in config.toml:3"));
    }
}
