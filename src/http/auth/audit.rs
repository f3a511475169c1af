//! What goes on the audit list: sign-ins (summed) and their ends, refusals (summed), and every change that was carried
//! out.
//!
//! Changes are seen in one place, [`crate::http::dispatch`], after the handler has answered; a handler adds to that
//! what only it knows ([`AuditNote`]). A change whose client leaves before the answer is on the list, too, for it goes
//! on without one. Values are never told, only which keys were sent.

use std::collections::BTreeMap;
use std::rc::Rc;

use hyper::header::USER_AGENT;
use hyper::{HeaderMap, Method, Response};
use serde_json::Value;

use crate::access::Person;
use crate::base::clock;
use crate::http::auth::caller::{Caller, Who};
use crate::http::auth::refusals::{Refusal, Sums};
use crate::http::request::json_body;
use crate::http::request::problem::Problem;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use crate::store::{AuditEntry, AuditKind, Counts};

/// Characters of what comes from outside that are kept, of each piece.
const LONGEST: usize = 500;

/// What a handler knows of a change, in the extensions of its answer.
#[derive(Debug, Clone)]
pub enum AuditNote {
    /// What was done, in words.
    Did(String),
    /// What it was done to: a name, keys.
    Of(String),
    /// Nothing was changed.
    Nothing,
}

/// The same response with a note.
pub fn noted(mut response: Response<Body>, note: AuditNote) -> Response<Body> {
    response.extensions_mut().insert(note);
    response
}

/// Puts rows on the list. Where there is no counts.db they go to the log.
#[derive(Debug, Default)]
pub struct Audit {
    counts: Option<Counts>,
    refusals: Sums,
    sign_ins: Sums,
}

impl Audit {
    /// On the list of this ledger.
    pub fn new(counts: Option<Counts>) -> Audit {
        Audit { counts, ..Audit::default() }
    }

    /// Counts a refusal of `who`, if that is known; gives what follows the log's own words where it is to have a line.
    pub fn refused(&self, refusal: Refusal, caller: Caller<'_>, who: &str) -> Option<String> {
        let entry =
            entry(AuditKind::Refused, caller, (who.to_owned(), String::new()), refusal.word().to_owned());
        let news = self.refusals.note(refusal.word(), caller.client(), entry);
        // The log has its own line.
        news.rows.into_iter().for_each(|row| self.on_list(row));
        news.line
    }

    /// Somebody was let in. Whoever is let in again and again drives nobody else's rows out.
    pub fn signed_in(&self, caller: Caller<'_>, person: &Person) {
        let row = entry(AuditKind::SignedIn, caller, of_person(person), String::from("signed in"));
        let news = self.sign_ins.note(AuditKind::SignedIn.as_str(), caller.client(), row);
        news.rows.into_iter().for_each(|row| self.keep(row));
    }

    /// Somebody ended the own session.
    pub fn signed_out(&self, caller: Caller<'_>, person: &Person) {
        self.keep(entry(AuditKind::SignedOut, caller, of_person(person), String::from("signed out")));
    }

    /// Has the list say how many were refused or let in so far.
    pub fn tell_sums(&self) {
        let sums = self.refusals.unsaid().into_iter().chain(self.sign_ins.unsaid());
        sums.for_each(|row| self.on_list(row));
    }

    /// Puts a row on the list.
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

/// What the table of routes says of what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct AuditedRequest<'a> {
    /// By which method.
    pub method: &'a Method,
    /// The route's path.
    pub path: &'a str,
    /// What it asks of whoever asks for it.
    pub right: Right,
    /// What it does, before the name of what it is done to; empty: it only looks, or says itself who has signed in.
    pub did: &'static str,
    /// It takes JSON of whose keys some may be sent.
    pub takes_json: bool,
}

/// A change under way.
#[derive(Debug)]
pub struct AuditChange {
    audit: Rc<Audit>,
    /// Until it is known what came of it.
    entry: Option<AuditEntry>,
    object: String,
    keys: String,
}

impl AuditChange {
    /// The change that `caller` asks for by `route`: of the object that the path names, with this body.
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
        let who = match who {
            Who::Anybody if route.right == Right::Key => (String::from("the key of [power]"), String::new()),
            who => named(caller, who),
        };
        let entry = AuditEntry {
            method: route.method.to_string(),
            route: route.path.to_owned(),
            ..entry(AuditKind::Changed, caller, who, route.did.to_owned())
        };
        let is_part = matches!(*route.method, Method::PATCH | Method::PUT) && route.takes_json;
        let keys = if is_part { keys(caller.headers, body) } else { String::new() };
        Some(AuditChange { audit: audit.clone(), entry: Some(entry), object, keys })
    }

    /// It was answered: kept if it was carried out.
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

/// The row of a change by which another list takes the place of this one: for that one.
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
        Who::Anybody | Who::Linked(_) => (who.named().to_owned(), String::new()),
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

/// Text from outside, short, on one line.
fn clean(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The keys of a body, without their values.
fn keys(headers: &HeaderMap, body: &[u8]) -> String {
    let sent: BTreeMap<String, Value> = json_body::read(headers, body).unwrap_or_default();
    sent.into_keys().filter(|key| !key.starts_with("was.")).collect::<Vec<_>>().join(", ")
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
    fn what_comes_from_outside_is_short_and_on_one_line() {
        assert_eq!(clean("a\nb\u{1b}[2J"), "a b [2J");
        assert_eq!(clean(&"x".repeat(5000)).len(), LONGEST);
    }
}
