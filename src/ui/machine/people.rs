//! Users, tokens, links and sessions on the page Access: lists, and forms that ask the API.

use std::fmt::Write;

use crate::access::{ADMIN, Person, Role, Scope, SessionFacts, TokenFacts, VIEWER};
use crate::ui::escape::{MarkedText, Text};
use crate::ui::facts::{LocalClock, RefusalReason, ReturnedForm};
use crate::ui::form::{field, form_to};
use crate::ui::format::{as_sentence, capital, sentence, to_zoned};
use crate::ui::frame::options;
use crate::ui::machine::access::AccessPage;
use crate::ui::names::label;
use tallycam_base::unicode::percent_encoded;

/// Data of these parts.
#[derive(Debug, Clone, PartialEq)]
pub struct People {
    pub clock: LocalClock,
    /// The users, including the admin.
    pub users: Vec<Person>,
    pub tokens: Vec<TokenFacts>,
    /// The sessions, each with whether it is the reader's.
    pub sessions: Vec<(SessionFacts, bool)>,
    /// The secret that was just made.
    pub made: Option<AccessMade>,
    /// The last change as a word, and the name it was made to.
    pub done: Option<(String, String)>,
    /// The begin of the camera's addresses in the request's words: `http://camera:8080/`.
    pub root: String,
}

/// A secret, shown once.
#[derive(Debug, Clone, PartialEq)]
pub enum AccessMade {
    Token { facts: TokenFacts, token: String },
    Link { link: String, until_s: u64 },
}

/// The roles in words of what they may do.
const ROLES: [(&str, &str); 3] = [
    ("viewer", "Viewer: watches, live and recordings"),
    ("operator", "Operator: also records, draws lines, moves light and lens"),
    ("admin", "Admin: changes everything"),
];

/// The attribute of a form whose fields stand in a row, with their labels and ends aligned.
const FIELDS: &str = " class=\"fields\"";

/// The attributes of a field for a new password.
const NEW_PASSWORD: &str =
    "type=\"password\" name=\"password\" autocomplete=\"new-password\" minlength=\"8\" required";

/// The parts as HTML.
pub(super) fn people_sections(page: &AccessPage) -> String {
    let people = &page.people;
    let parts = [
        viewer(page, people),
        users(page, people),
        tokens(page, people),
        links(page, people),
        sessions(people),
    ];
    let mut html = String::new();
    for Part { id, more_ids, head, state, inner } in parts {
        let said = said(page, people, id);
        let open = if said.is_some() { " open" } else { "" };
        let (bad, words) = said.unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(
            html,
            "<details class=\"panel\" id=\"{id}\" data-swap=\"{id}{more_ids}\"{open}><summary><h2>{head}</h2> <span \
             class=\"small muted\" id=\"{id}-are\">{state}</span></summary>{inner}<p class=\"said{bad}\" \
             role=\"status\">{words}</p></details>"
        );
    }
    html
}

/// A folded part of the page.
struct Part {
    id: &'static str,
    /// The ids of other parts that change with it, each after a blank.
    more_ids: &'static str,
    head: &'static str,
    /// The state beside its head.
    state: String,
    inner: String,
}

/// The part whose form was sent to this address.
fn part_of(action: &str) -> &str {
    let address = action.trim_start_matches("api/v1/");
    if address == "users/viewer" { "viewer" } else { address.split('/').next().unwrap_or_default() }
}

/// The refused form of a part.
fn refused<'a>(page: &'a AccessPage, part: &str) -> Option<(&'a ReturnedForm, &'a RefusalReason)> {
    let form = page.head.returned.as_deref().filter(|form| part_of(&form.action) == part)?;
    Some((form, form.refusal.as_ref()?))
}

/// The refused form of a part, if it adds something.
fn refused_new<'a>(page: &'a AccessPage, part: &str) -> Option<(&'a ReturnedForm, &'a RefusalReason)> {
    refused(page, part).filter(|(form, _)| part != "users" || form.get("name").is_some())
}

/// The typed value of a field of such a form.
fn typed<'a>(page: &'a AccessPage, part: &str, name: &str) -> &'a str {
    refused_new(page, part).and_then(|(form, _)| form.get(name)).unwrap_or_default()
}

/// The attributes of a field of such a form that is wrong.
fn mark(page: &AccessPage, part: &str, name: &str) -> &'static str {
    let is_wrong = refused_new(page, part).is_some_and(|(_, refusal)| refusal.field == name);
    if is_wrong { " aria-invalid=\"true\" autofocus" } else { "" }
}

/// The reason of a refusal, after the label of its field.
fn reason(RefusalReason { detail, hint, field, errors, .. }: &RefusalReason) -> String {
    let words = errors.iter().find(|(path, _)| path == field);
    match label(field).zip(words.and_then(|(_, words)| words.strip_prefix(RefusalReason::TAKES))) {
        Some((label, range)) => sentence(&format!("{label}: {range}")),
        None => format!("{} {}", as_sentence(detail), sentence(hint)).trim().to_owned(),
    }
}

/// The message in a part, with its class.
fn said(page: &AccessPage, people: &People, part: &str) -> Option<(&'static str, String)> {
    if let Some((_, refusal)) = refused(page, part) {
        return Some((" bad", MarkedText(&reason(refusal)).to_string()));
    }
    let made = people.made.as_ref().map(|made| match made {
        AccessMade::Token { .. } => ("tokens", String::from("Token created.")),
        AccessMade::Link { .. } => ("links", String::from("Link created.")),
    });
    let (place, words) = made.or_else(|| done(people))?;
    (place == part).then(|| ("", Text(&words).to_string()))
}

/// The message of the last change and its part; `None` if it is not so.
fn done(people: &People) -> Option<(&'static str, String)> {
    let (done, name) = people.done.as_ref()?;
    let user = people.users.iter().find(|user| user.name == *name);
    let is_token = people.tokens.iter().any(|token| token.name == *name);
    Some(match (done.as_str(), user) {
        ("user", Some(_)) if name == VIEWER => ("viewer", String::from("Password set.")),
        ("gone", None) if name == VIEWER => ("viewer", String::from("Password removed.")),
        ("user", Some(_)) => ("users", format!("User {name} added.")),
        ("role", Some(user)) => ("users", format!("{name}: {}.", in_words(user.role))),
        ("password", Some(_)) => ("users", format!("Password of {name} changed.")),
        ("gone", None) => ("users", format!("User {name} removed.")),
        ("revoked", _) if !is_token => ("tokens", format!("Token {name} revoked.")),
        ("ended", _) => ("sessions", String::from("Session ended.")),
        _ => return None,
    })
}

/// The page with the message of a change in its part.
fn next(done: &str, part: &str) -> String {
    format!("access?done={done}&of={{id}}#{part}")
}

fn user_address(name: &str) -> String {
    format!("api/v1/users/{}", percent_encoded(name))
}

/// The rows of a list, or that there are none.
fn list(rows: impl Iterator<Item = String>, none: &str) -> String {
    let rows: String = rows.collect();
    let none = if rows.is_empty() { format!("<li class=\"muted\">{none}</li>") } else { String::new() };
    format!("<ul class=\"rows\">{rows}{none}</ul>")
}

fn row(name: &str, about: &str, acts: &str) -> String {
    format!(
        "<li><div><b>{}</b><p class=\"small muted\">{}</p></div><div class=\"act row\">{acts}</div></li>",
        Text(name),
        Text(about)
    )
}

/// A form that deletes `address`, after a question.
fn delete(address: &str, next: &str, word: &str, label: &str) -> String {
    format!(
        "<details class=\"act\"><summary class=\"btn\" aria-label=\"{label}\">{word}</summary>{}<button class=\"btn \
         danger\" aria-label=\"{label} now\">{word} now</button></form></details>",
        form_to("delete", address, next, ""),
        label = Text(label)
    )
}

fn how_many(count: usize) -> String {
    if count == 0 { String::from("None") } else { count.to_string() }
}

fn viewer(page: &AccessPage, people: &People) -> Part {
    let has_one = people.users.iter().any(|user| user.name == VIEWER);
    let address = user_address(VIEWER);
    let remove = if has_one {
        form_to("delete", &address, &next("gone", "viewer"), "")
            + "<button class=\"btn danger\">Remove</button></form>"
    } else {
        String::new()
    };
    Part {
        id: "viewer",
        more_ids: " sessions",
        head: "Shared viewer password",
        state: String::from(if has_one { "Set" } else { "None" }),
        inner: format!(
            "<p class=\"muted\">Whoever knows it watches, live and recordings, and changes nothing. No user name is \
             needed.</p>{}<label class=\"field\"><span>Password, 8 characters or more</span><input \
             {NEW_PASSWORD}{}></label> <button class=\"btn\">Set password</button></form>{remove}",
            form_to("put", &address, &next("user", "viewer"), FIELDS),
            mark(page, "viewer", "password"),
        ),
    }
}

fn users(page: &AccessPage, people: &People) -> Part {
    let others = || people.users.iter().filter(|user| ![ADMIN, VIEWER].contains(&user.name.as_str()));
    let names = ROLES.map(|(word, words)| (word, words.split(':').next().unwrap_or_default()));
    let user_row = |Person { name, role }: &Person| {
        let address = user_address(name);
        let acts = format!(
            "{}<select name=\"role\" aria-label=\"Role of {label}\">{}</select> <button class=\"btn\" \
             aria-label=\"Set the role of {label}\">Set</button></form><details class=\"act\"><summary class=\"btn\" \
             aria-label=\"Password of {label}\">Password</summary>{}<input {NEW_PASSWORD} aria-label=\"New password of \
             {label}\"><button class=\"btn\">Set password</button></form></details>{}",
            form_to("put", &address, &next("role", "users"), " class=\"role\""),
            options(&names, role.as_str()),
            form_to("put", &address, &next("password", "users"), ""),
            delete(&address, &next("gone", "users"), "Remove", &format!("Remove {name}")),
            label = Text(name),
        );
        row(name, in_words(*role), &acts)
    };
    Part {
        id: "users",
        more_ids: " sessions",
        head: "Users",
        state: how_many(others().count()),
        inner: format!(
            "<p class=\"muted\">People with their own name and password.</p>{}{}{}<label \
             class=\"field\"><span>Name</span><input name=\"name\" value=\"{}\" maxlength=\"40\" autocomplete=\"off\" \
             autocapitalize=\"none\" required{}></label> <label class=\"field\"><span>Password</span><input \
             {NEW_PASSWORD}{}></label> <label class=\"field whole\"><span>Role</span><select \
             name=\"role\">{}</select></label> <button class=\"btn\">Add</button> <small class=\"hint\">Name: letters, \
             digits, dots, dashes and underscores. Password: 8 characters or more.</small></form>",
            list(others().map(user_row), "Nobody but the admin."),
            form_to("put", "api/v1/users/{name}", &next("user", "users"), FIELDS),
            field("_version", "*"),
            Text(typed(page, "users", "name")),
            mark(page, "users", "name"),
            mark(page, "users", "password"),
            options(&ROLES, typed(page, "users", "role")),
        ),
    }
}

/// A role in words of what it may do.
pub(super) fn in_words(role: Role) -> &'static str {
    ROLES.iter().find(|(word, _)| *word == role.as_str()).map_or("Guest", |(_, words)| words)
}

/// A moment in the camera's zone: `2026-11-29 14:02`.
fn moment(people: &People, seconds: u64) -> String {
    to_zoned(seconds * 1_000_000, &people.clock.zone).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The scopes with their words.
const SCOPES: [(Scope, &str); 5] = [
    (Scope::Stream, "Live picture"),
    (Scope::Snapshot, "Snapshots"),
    (Scope::Counts, "Counts"),
    (Scope::Metrics, "Status and figures"),
    (Scope::Control, "Everything an operator may do"),
];

/// The usual purposes of tokens: the name, and the scopes that it needs.
const PURPOSES: [(&str, &[Scope]); 3] = [
    ("Home Assistant", &[Scope::Stream, Scope::Snapshot, Scope::Counts]),
    ("OctoPrint", &[Scope::Stream, Scope::Snapshot]),
    ("Prometheus", &[Scope::Metrics]),
];

/// Scopes in words: "Live picture, snapshots".
fn scopes_in_words(scopes: &[Scope]) -> String {
    let words = SCOPES.iter().filter(|(scope, _)| scopes.contains(scope)).map(|(_, words)| *words);
    capital(&words.collect::<Vec<_>>().join(", ").to_lowercase())
}

/// A purpose with the button that makes its token, under a name that no other token has.
fn purpose_row(people: &People, (purpose, scopes): &(&str, &[Scope])) -> String {
    let is_taken = |name: &str| people.tokens.iter().any(|token| token.name == name);
    let mut name = String::from(*purpose);
    for number in 2..=people.tokens.len() + 1 {
        if !is_taken(&name) {
            break;
        }
        name = format!("{purpose} {number}");
    }
    let scopes_of: String = scopes.iter().map(|scope| field("scopes", scope.as_str())).collect();
    let form = format!(
        "{}{}{scopes_of}<button class=\"btn\" aria-label=\"Create a token for {purpose}\">Create</button></form>",
        form_to("post", "api/v1/tokens", "access#tokens", ""),
        field("name", &name)
    );
    row(purpose, &scopes_in_words(scopes), &form)
}

fn tokens(page: &AccessPage, people: &People) -> Part {
    let token_row = |token: &TokenFacts| {
        let moment = |seconds| moment(people, seconds);
        let about = format!(
            "{}. Created {}, {}, {}.",
            scopes_in_words(&token.scopes),
            moment(token.created_s),
            token
                .until_s
                .map_or_else(|| String::from("no expiry"), |until_s| format!("until {}", moment(until_s))),
            token
                .used_s
                .map_or_else(|| String::from("never used"), |used_s| format!("last used {}", moment(used_s))),
        );
        let (address, label) = (format!("api/v1/tokens/{}", token.number), format!("Revoke {}", token.name));
        row(&token.name, &about, &delete(&address, &next("revoked", "tokens"), "Revoke", &label))
    };
    let mark = |name: &str| mark(page, "tokens", name);
    let chosen = refused_new(page, "tokens").map_or(&[][..], |(form, _)| &form.fields);
    let tick = |(i, (scope, words)): (usize, (Scope, &str))| {
        let word = scope.as_str();
        let is_chosen = chosen.iter().any(|(key, text)| key == "scopes" && text == word);
        format!(
            "<label class=\"tick\"><input type=\"checkbox\" name=\"scopes\" value=\"{word}\"{}{}> {words}</label>",
            if is_chosen { " checked" } else { "" },
            if i == 0 { mark("scopes") } else { "" },
        )
    };
    Part {
        id: "tokens",
        more_ids: "",
        head: "Tokens",
        state: how_many(people.tokens.len()),
        inner: format!(
            "<p class=\"muted\">For programs. A token allows what is named and nothing else.</p>{made}{}<h3>New \
             token</h3><ul class=\"rows\">{}<li><details{}><summary><b>Another program</b></summary>{}<label \
             class=\"field\"><span>Name</span><input name=\"name\" value=\"{}\" maxlength=\"40\" autocomplete=\"off\" \
             required{}></label><label class=\"field\"><span>Days, empty: no expiry</span><input name=\"days\" \
             value=\"{}\" type=\"number\" min=\"1\" max=\"3660\"{}></label><fieldset class=\"field \
             whole\"><legend>Permissions</legend><div class=\"row ticks\">{}</div></fieldset><button \
             class=\"btn\">Create token</button></form></details></li></ul>",
            list(people.tokens.iter().map(token_row), "None yet."),
            PURPOSES.iter().map(|purpose| purpose_row(people, purpose)).collect::<String>(),
            if refused_new(page, "tokens").is_some() { " open" } else { "" },
            form_to("post", "api/v1/tokens", "access#tokens", FIELDS),
            Text(typed(page, "tokens", "name")),
            mark("name"),
            Text(typed(page, "tokens", "days")),
            mark("days"),
            SCOPES.into_iter().enumerate().map(tick).collect::<String>(),
            made = made_token(people),
        ),
    }
}

/// A text of several lines with a button that copies it.
fn lines_to_copy(label: &str, value: &str) -> String {
    format!(
        "<div class=\"row\"><label class=\"field\"><span>{label}</span><textarea rows=\"{}\" \
         readonly>{}</textarea></label><button class=\"btn js\" type=\"button\" aria-label=\"Copy: \
         {label}\">Copy</button></div>",
        value.lines().count(),
        Text(value)
    )
}

/// A text with a button that copies it.
fn to_copy(label: &str, value: &str) -> String {
    format!(
        "<div class=\"row\"><label class=\"field\"><span>{label}</span><input value=\"{}\" readonly></label><button \
         class=\"btn js\" type=\"button\" aria-label=\"Copy: {label}\">Copy</button></div>",
        Text(value)
    )
}

fn made(people: &People, words: &str, lines: &str) -> String {
    format!("<div class=\"made\" data-root=\"{}\"><p>{}</p>{lines}</div>", Text(&people.root), Text(words))
}

fn made_token(people: &People) -> String {
    let Some(AccessMade::Token { facts, token }) = &people.made else { return String::new() };
    let purpose =
        PURPOSES.iter().find(|(purpose, _)| facts.name.starts_with(purpose)).map(|(purpose, _)| *purpose);
    let words = format!("{}: copy this now. The token is not shown again.", facts.name);
    let lines = purpose
        .map_or_else(|| any_program(people, facts, token), |purpose| known_program(people, purpose, token));
    made(people, &words, &(to_copy("Token", token) + &lines))
}

/// The settings of a program of [`PURPOSES`], under the names that it gives them.
fn known_program(people: &People, purpose: &str, token: &str) -> String {
    let root = &people.root;
    let (scheme, host) = root.trim_end_matches('/').split_once("://").unwrap_or(("http", root));
    match purpose {
        "Home Assistant" => {
            to_copy("MJPEG IP Camera: MJPEG URL", &format!("{root}stream"))
                + &to_copy("Its still image URL", &format!("{root}snapshot"))
                + "<p class=\"small muted\">Its user name is any, its password is the token.</p>"
                + &lines_to_copy(
                    "Counts, in configuration.yaml",
                    &format!(
                        "rest:\n  - resource: {root}api/v1/tallies\n    headers:\n      Authorization: Bearer \
                         {token}\n    sensor:\n      - name: Crossings today\n        value_template: \"{{{{ \
                         (value_json.lines | map(attribute='in') | \
                         sum) + (value_json.lines | map(attribute='out') | sum) }}}}\""
                    ),
                )
        }
        "OctoPrint" => {
            to_copy("Stream URL", &format!("{root}?action=stream&token={token}"))
                + &to_copy("Snapshot URL", &format!("{root}?action=snapshot&token={token}"))
        }
        _ => lines_to_copy(
            "In prometheus.yml",
            &format!(
                "scrape_configs:\n  - job_name: tallycam\n    scheme: {scheme}\n    authorization:\n      \
                 credentials: {token}\n    static_configs:\n      - targets: [\"{host}\"]"
            ),
        ),
    }
}

/// The ways to show a token.
fn any_program(people: &People, facts: &TokenFacts, token: &str) -> String {
    let (has, root) = (|scope| facts.scopes.contains(&scope), &people.root);
    let what = if has(Scope::Stream) || has(Scope::Control) {
        "stream"
    } else if has(Scope::Snapshot) {
        "snapshot.jpg"
    } else if has(Scope::Counts) {
        "api/v1/counts"
    } else {
        "api/v1/state"
    };
    let mut lines = String::new();
    if !what.starts_with("api") {
        lines += &to_copy("In a page", &format!("<img src=\"{root}{what}?token={token}\">"));
    }
    lines += &to_copy("As a header", &format!("Authorization: Bearer {token}"));
    lines + &to_copy("By HTTP Basic, any name", &format!("curl -u any:{token} {root}{what}"))
}

fn links(page: &AccessPage, people: &People) -> Part {
    let pages = [
        ("./", "The live page"),
        ("stream", "The stream alone"),
        ("snapshot.jpg", "A snapshot"),
        ("counts", "The page of counts"),
    ];
    let link = match &people.made {
        Some(AccessMade::Link { link, until_s }) => {
            let address = format!("{}{}", people.root, link.trim_start_matches("./"));
            let words = format!("This link is good until {}.", moment(people, *until_s));
            made(people, &words, &to_copy("The link", &address))
        }
        _ => String::new(),
    };
    let hours = Some(typed(page, "links", "hours")).filter(|hours| !hours.is_empty()).unwrap_or("24");
    Part {
        id: "links",
        more_ids: "",
        head: "Links",
        state: String::from("An address that works without a password for a while"),
        inner: format!(
            "<p class=\"muted\">It ends after its hours, or when the admin's password is changed.</p>{}<label \
             class=\"field\"><span>Shows</span><select \
             name=\"address\">{}</select></label><label class=\"field\"><span>Hours</span><input name=\"hours\" \
             type=\"number\" min=\"1\" max=\"8784\" value=\"{}\" required{}></label><button class=\"btn\">Create \
             link</button></form>{link}",
            form_to("post", "api/v1/links", "access#links", FIELDS),
            options(&pages, typed(page, "links", "address")),
            Text(hours),
            mark(page, "links", "hours"),
        ),
    }
}

fn sessions(people: &People) -> Part {
    let session_row = |(session, is_own): &(SessionFacts, bool)| {
        let named = |guest: &str| match session.person.name.as_str() {
            "" => guest.to_owned(),
            name => name.to_owned(),
        };
        let end = format!(
            "{}<button class=\"btn\" aria-label=\"End the session of {} from {}\">End</button></form>",
            form_to("delete", &format!("api/v1/sessions/{}", session.number), &next("ended", "sessions"), ""),
            Text(&named("a guest")),
            Text(&session.from)
        );
        let about = format!(
            "{}, from {}, since {}, until {}. {}",
            session.person.role.as_str(),
            session.from,
            moment(people, session.begun_s),
            moment(people, session.until_s),
            session.browser
        );
        let name = named("A guest") + if *is_own { ", this browser" } else { "" };
        row(&name, &about, if *is_own { "" } else { &end })
    };
    let others = people.sessions.iter().filter(|(_, is_own)| !is_own).count();
    let all = "<p class=\"row\"><button class=\"btn js\" type=\"button\" id=\"end-others\">End all others</button></p>";
    Part {
        id: "sessions",
        more_ids: "",
        head: "Sessions",
        state: how_many(people.sessions.len()),
        inner: list(people.sessions.iter().map(session_row), "Nobody is signed in.")
            + if others > 1 { all } else { "" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn a_token_comes_by_purpose_under_a_free_name_with_the_lines_to_copy() {
        let mut page = fixtures::access();
        let mut taken = page.people.tokens[0].clone();
        taken.name = String::from("Home Assistant");
        page.people.tokens.push(taken.clone());
        let html = people_sections(&page);
        let fields = field("name", "Home Assistant 2") + &field("scopes", "stream");
        assert!(html.contains(&fields), "{html}");
        assert!(html.contains("Live picture, snapshots, counts"), "{html}");
        let made = |name: &str| {
            let facts = TokenFacts { name: name.into(), ..taken.clone() };
            let made = Some(AccessMade::Token { facts, token: String::from("tc_x") });
            made_token(&People { made, ..page.people.clone() })
        };
        assert!(made("Home Assistant 2").contains("Authorization: Bearer tc_x"));
        assert!(made("OctoPrint").contains("http://yard:8080/?action=stream&amp;token=tc_x"));
        assert!(made("Prometheus").contains("targets: [&quot;yard:8080&quot;]"), "{}", made("Prometheus"));
        assert!(made("hass").contains("curl -u any:tc_x"));
    }

    #[test]
    fn roles_are_told_by_what_they_may_do() {
        for role in Role::ALL {
            assert!(in_words(role).to_lowercase().starts_with(&format!("{}: ", role.as_str())), "{role:?}");
        }
    }
}
