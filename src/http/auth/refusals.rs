//! Sums refusals and sign-ins: per minute one log line and one audit row for each kind, address and user, with their
//! number. A flood of requests cannot flood log and list. Lives on the server's thread.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::access::LimitedClient;
use tallycam_store::AuditEntry;

/// Shortest time between two reports of a kind from one address, in microseconds.
const EVERY_US: u64 = 60_000_000;

/// Maximum number of distinguished kinds and addresses; further ones share one line.
const MOST: usize = 64;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It comes from a page of another site.
    OtherSite,
    /// No password was shown.
    NotSignedIn,
    /// The role or the token is not sufficient.
    TooLow,
    /// A wrong password, or one that came too soon after wrong ones.
    WrongPassword,
    /// A wrong key for switching the machine off.
    WrongKey,
}

impl Refusal {
    /// The word of the audit list, and the descriptions of one and of several.
    const WORDS: [(Refusal, &str, &str, &str); 5] = [
        (
            Refusal::OtherSite,
            "other_site",
            "a request from another site's page",
            "requests from another site's pages",
        ),
        (
            Refusal::NotSignedIn,
            "not_signed_in",
            "a request without signing in",
            "requests without signing in",
        ),
        (Refusal::TooLow, "too_low", "a request beyond its rights", "requests beyond their rights"),
        (Refusal::WrongPassword, "wrong_password", "a wrong password", "wrong passwords"),
        (Refusal::WrongKey, "wrong_key", "a wrong key for the power", "wrong keys for the power"),
    ];

    /// The word of the audit list.
    pub fn word(self) -> &'static str {
        Refusal::WORDS.iter().find(|(refusal, ..)| *refusal == self).map_or("", |(_, word, ..)| word)
    }

    /// The description of `count` refusals of the kind `word`: "12 wrong passwords".
    pub fn in_words(word: &str, count: u64) -> String {
        match Refusal::WORDS.iter().find(|(_, known, ..)| *known == word) {
            Some((.., one, _)) if count == 1 => (*one).to_owned(),
            Some((.., several)) => format!("{count} {several}"),
            None => format!("{word} ({count})"),
        }
    }
}

/// The last reports, by kind, address and user, as far as known.
#[derive(Debug, Default)]
pub struct Sums(RefCell<HashMap<Key, Reported>>);

type Key = (&'static str, Option<(LimitedClient, String)>);

#[derive(Debug)]
struct Reported {
    at_us: u64,
    since: u64,
    /// This minute's row; its count is the part not yet recorded.
    row: AuditEntry,
}

/// The report of a summed event.
#[derive(Debug, Default)]
pub struct RefusalNews {
    /// The end of the log's line, if there is to be one: how many came before without a line.
    pub line: Option<String>,
    /// For the audit list: the rest of the last minute's row, and the row of a new minute.
    pub rows: Vec<AuditEntry>,
}

impl Sums {
    /// Counts an event of the kind `word`; `row` describes it for the audit list.
    pub fn note(&self, word: &'static str, client: LimitedClient, row: AuditEntry) -> RefusalNews {
        let now_us = row.monotonic_us;
        let mut all = self.0.borrow_mut();
        let mut key = (word, Some((client, row.who.clone())));
        let mut row = row;
        if all.len() >= MOST && !all.contains_key(&key) {
            all.retain(|_, reported| reported.since > 0 || now_us.saturating_sub(reported.at_us) < EVERY_US);
            if all.len() >= MOST {
                key.1 = None;
                row = AuditEntry { who: String::new(), address: String::from("several addresses"), ..row };
            }
        }
        if let Some(reported) = all.get_mut(&key)
            && now_us.saturating_sub(reported.at_us) < EVERY_US
        {
            reported.since += 1;
            reported.row.count += 1;
            return RefusalNews::default();
        }
        let reported = Reported { at_us: now_us, since: 0, row: AuditEntry { count: 0, ..row.clone() } };
        let before = all.insert(key, reported);
        let unsaid = before.as_ref().map_or(0, |before| before.since);
        let line =
            if unsaid == 0 { String::new() } else { format!(" ({unsaid} more since the last such line)") };
        let rest = before.map(|before| before.row).filter(|row| row.count > 0);
        RefusalNews { line: Some(line), rows: rest.into_iter().chain([row]).collect() }
    }

    /// The unrecorded parts of the audit rows.
    pub fn unsaid(&self) -> Vec<AuditEntry> {
        let mut all = self.0.borrow_mut();
        let rows = all.values_mut().map(|reported| &mut reported.row).filter(|row| row.count > 0);
        rows.map(|row| AuditEntry { count: std::mem::take(&mut row.count), ..row.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tallycam_store::AuditKind;

    fn row(address: &str, monotonic_us: u64) -> AuditEntry {
        AuditEntry {
            kind: AuditKind::Refused,
            who: String::new(),
            role: String::new(),
            address: address.to_owned(),
            browser: String::new(),
            method: String::new(),
            route: String::new(),
            what: String::new(),
            count: 1,
            monotonic_us,
        }
    }

    #[test]
    fn a_flood_is_one_line_a_minute_with_its_number() {
        let refusals = Sums::default();
        let from = |n: u8| LimitedClient::from_address([10, 0, 0, n].into());
        let said = |seconds: u64, n: u8| {
            refusals
                .note(Refusal::OtherSite.word(), from(n), row(&n.to_string(), 7 + seconds * 1_000_000))
                .line
        };
        assert_eq!(said(0, 1).as_deref(), Some(""));
        assert!((0..59).all(|second| said(second, 1).is_none()));
        assert_eq!(said(1, 2).as_deref(), Some(""), "another address has its own line");
        assert_eq!(said(60, 1).as_deref(), Some(" (59 more since the last such line)"));
        assert_eq!(said(200, 1).as_deref(), Some(""));
        assert!(
            refusals.note(Refusal::WrongKey.word(), from(1), row("1", 7)).line.is_some(),
            "so has another kind"
        );
    }

    #[test]
    fn many_addresses_take_few_lines_and_little_memory() {
        let refusals = Sums::default();
        let lines = (0..60_000_u32).filter(|n| {
            let client = LimitedClient::from_address(std::net::Ipv4Addr::from_bits(*n).into());
            refusals.note(Refusal::NotSignedIn.word(), client, row(&n.to_string(), 7)).line.is_some()
        });
        assert_eq!(lines.count(), MOST + 1);
        assert!(refusals.0.borrow().len() <= MOST + 1);
    }

    #[test]
    fn a_flood_is_one_row_a_minute_with_its_sum() {
        let (refusals, client) = (Sums::default(), LimitedClient::from_address([10, 0, 0, 1].into()));
        let said = |second: u64| {
            refusals.note(Refusal::WrongPassword.word(), client, row("1", second * 1_000_000)).rows
        };
        let sums =
            |rows: Vec<AuditEntry>| rows.iter().map(|row| (row.monotonic_us, row.count)).collect::<Vec<_>>();
        assert_eq!(sums(said(1)), [(1_000_000, 1)]);
        assert!((2..20).all(|second| said(second).is_empty()));
        assert_eq!(sums(refusals.unsaid()), [(1_000_000, 18)]);
        assert!(said(20).is_empty());
        assert_eq!(sums(said(61)), [(1_000_000, 1), (61_000_000, 1)]);
        assert_eq!(sums(refusals.unsaid()), []);
    }
}
