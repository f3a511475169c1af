//! Rows of the audit list: sign-ins (summed), sign-outs, refusals (summed), and every change that was carried out.
//!
//! [`crate::http::dispatch`] records all changes in one place, after the handler has answered; a handler adds its own
//! knowledge ([`AuditNote`]). A change goes on without its client, so it is recorded even if the client leaves before
//! the answer. Rows name the keys that were sent, never their values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;

use hyper::header::USER_AGENT;
use hyper::{HeaderMap, Method, Response};
use serde_json::Value;

use crate::access::{Person, Role};
use crate::http::auth::caller::{Caller, Who};
use crate::http::auth::refusals::{Refusal, Sums};
use crate::http::request::json_body;
use crate::http::request::problem::Problem;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use tallycam_base::clock;
use tallycam_store::{AuditEntry, AuditKind, Counts};

/// Maximum number of characters of each text from outside.
const LONGEST: usize = 500;

/// A handler's knowledge of a change, in the extensions of its answer.
#[derive(Debug, Clone)]
pub enum AuditNote {
    /// The act, in words.
    Did(String),
    /// The object of the act: a name, keys.
    Of(String),
    /// Nothing was changed.
    Nothing,
}

pub fn noted(mut response: Response<Body>, note: AuditNote) -> Response<Body> {
    response.extensions_mut().insert(note);
    response
}

/// Adds rows to the audit list, or to the log if there is no counts.db.
#[derive(Debug, Default)]
pub struct Audit {
    counts: Option<Counts>,
    refusals: Sums,
    sign_ins: Sums,
}

impl Audit {
    /// With the list in this counts.db.
    pub fn new(counts: Option<Counts>) -> Audit {
        Audit { counts, ..Audit::default() }
    }

    /// Counts a refusal of `who`, if known. Returns the end of the log's line, if the log should have one.
    pub fn refused(&self, refusal: Refusal, caller: Caller<'_>, who: &str) -> Option<String> {
        let entry =
            entry(AuditKind::Refused, caller, (who.to_owned(), String::new()), refusal.word().to_owned());
        let news = self.refusals.note(refusal.word(), caller.client(), entry);
        // The log has its own line.
        news.rows.into_iter().for_each(|row| self.on_list(row));
        news.line
    }

    /// Records a sign-in. Repeated sign-ins are summed, so that they cannot displace other rows.
    pub fn signed_in(&self, caller: Caller<'_>, person: &Person) {
        let row = entry(AuditKind::SignedIn, caller, of_person(person), String::from("signed in"));
        let news = self.sign_ins.note(AuditKind::SignedIn.as_str(), caller.client(), row);
        news.rows.into_iter().for_each(|row| self.keep(row));
    }

    /// Records the end of a person's own session.
    pub fn signed_out(&self, caller: Caller<'_>, person: &Person) {
        self.keep(entry(AuditKind::SignedOut, caller, of_person(person), String::from("signed out")));
    }

    /// Records the sums of refusals and sign-ins so far.
    pub fn tell_sums(&self) {
        let sums = self.refusals.unsaid().into_iter().chain(self.sign_ins.unsaid());
        sums.for_each(|row| self.on_list(row));
    }

    /// Records a row.
    pub fn keep(&self, row: AuditEntry) {
        match self.counts {
            Some(_) => self.on_list(row),
            None => log::info!("{}, {}: {}", row.who, row.address, row.what),
        }
    }

    fn on_list(&self, row: AuditEntry) {
        if let Some(counts) = &self.counts {
            counts.audit(row);
        }
    }
}

/// The route's facts for the audit list.
#[derive(Debug, Clone, Copy)]
pub struct AuditedRequest<'a> {
    pub method: &'a Method,
    /// The route's path.
    pub path: &'a str,
    /// The required right.
    pub right: Right,
    /// The act, as the words before the object's name; empty if it only reads, or records the sign-in itself.
    pub did: &'static str,
    /// Takes JSON with optional keys.
    pub takes_json: bool,
}

/// A change under way.
#[derive(Debug)]
pub struct AuditChange {
    audit: Rc<Audit>,
    /// `None` once the outcome is known.
    entry: Option<AuditEntry>,
    object: String,
    keys: String,
}

impl AuditChange {
    /// A change that `caller` requests by `route`, for the object in the path, with this body.
    pub fn of(
        audit: &Rc<Audit>,
        caller: Caller<'_>,
        who: &Who,
        route: &AuditedRequest<'_>,
        object: String,
        body: &[u8],
    ) -> Option<AuditChange> {
        if route.did.is_empty() {
            return None;
        }
        let is_inside = matches!(who, Who::Part(_));
        let who = match who {
            Who::Anybody if route.right == Right::Key => {
                (String::from("the key of this machine's power"), String::new())
            }
            who => named(caller, who),
        };
        let address = if is_inside { String::from("this service") } else { caller.named() };
        let entry = AuditEntry {
            address,
            method: route.method.to_string(),
            route: route.path.to_owned(),
            ..entry(AuditKind::Changed, caller, who, route.did.to_owned())
        };
        let is_part = matches!(*route.method, Method::PATCH | Method::PUT) && route.takes_json;
        let keys = if is_part { keys(caller.headers, body) } else { String::new() };
        Some(AuditChange { audit: audit.clone(), entry: Some(entry), object, keys })
    }

    /// Records the change if it was carried out.
    pub fn answered(mut self, answer: &Result<Response<Body>, Problem>) {
        let Some(mut entry) = self.entry.take() else { return };
        let Ok(response) = answer else { return };
        if response.status().is_client_error() || response.status().is_server_error() {
            return;
        }
        match response.extensions().get::<AuditNote>() {
            Some(AuditNote::Nothing) => return,
            Some(AuditNote::Did(what)) => entry.what = clean(what),
            Some(AuditNote::Of(object)) => entry.what = self.in_words(&entry.what, object),
            None => entry.what = self.in_words(&entry.what, &self.object),
        }
        self.audit.keep(entry);
    }

    fn in_words(&self, what: &str, object: &str) -> String {
        let space = if object.is_empty() { "" } else { " " };
        let colon = if self.keys.is_empty() { "" } else { ": " };
        // The marks are the program's: a name has none.
        let object = object.replace('`', "'");
        clean(&format!("{what}{space}{object}{colon}{}", self.keys))
    }
}

impl Drop for AuditChange {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            let what = self.in_words(&entry.what, &self.object);
            entry.what = format!("{what} (and left before the answer)");
            self.audit.keep(entry);
        }
    }
}

/// The row of a change that replaces the whole audit list, for the new list.
pub fn change(caller: Caller<'_>, who: &Who, path: &str) -> AuditEntry {
    let row = entry(AuditKind::Changed, caller, named(caller, who), String::new());
    AuditEntry { method: caller.method.to_string(), route: clean(path), ..row }
}

fn named(caller: Caller<'_>, who: &Who) -> (String, String) {
    match who {
        Who::Owner if caller.is_here() => (String::from("this machine"), String::new()),
        Who::Owner => (String::from("anybody (no password is set)"), String::new()),
        Who::Person(person) => of_person(person),
        Who::Program(token) => (token.name.clone(), String::from("token")),
        Who::Guest(_) => (who.named().to_owned(), Role::Guest.as_str().to_owned()),
        Who::Anybody | Who::Linked(_) | Who::Part(_) => (who.named().to_owned(), String::new()),
    }
}

fn of_person(person: &Person) -> (String, String) {
    (Who::Person(person.clone()).named().to_owned(), person.role.as_str().to_owned())
}

fn entry(kind: AuditKind, caller: Caller<'_>, (who, role): (String, String), what: String) -> AuditEntry {
    let browser = caller.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    AuditEntry {
        kind,
        who: clean(&who),
        role,
        address: caller.named(),
        browser: clean(browser),
        method: String::new(),
        route: String::new(),
        what,
        count: 1,
        monotonic_us: clock::monotonic_us(),
    }
}

/// Text from outside, shortened, on one line.
fn clean(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The keys with their marks.
pub fn in_marks<S: Display>(keys: impl Iterator<Item = S>) -> String {
    keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The keys of a body, without their values.
fn keys(headers: &HeaderMap, body: &[u8]) -> String {
    let sent: BTreeMap<String, Value> = json_body::read(headers, body).unwrap_or_default();
    in_marks(sent.keys().filter(|key| !key.starts_with("was.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::query::Query;
    use crate::http::routes::ROUTES;

    #[test]
    fn every_change_has_words() {
        let silent: Vec<_> = ROUTES
            .iter()
            .filter(|route| route.is_change(&Query::parse("filename=x")))
            .filter(|route| route.did.is_empty())
            .map(|route| route.path)
            .collect();
        assert_eq!(silent, ["/api/v1/media/zip", "/sign-in", "/sign-out"]);
    }

    #[test]
    fn text_from_outside_is_short_and_on_one_line() {
        assert_eq!(clean("a\nb\u{1b}[2J"), "a b [2J");
        assert_eq!(clean(&"x".repeat(5000)).len(), LONGEST);
    }
}
